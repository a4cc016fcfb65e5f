"""AWS as an HTTP server that follows a script, for programs in processes of their own.

ECS and S3 are the ``World`` and ``Bucket`` of the other tests, behind the protocols that boto3 and the
AWS CLI speak. A test may freeze it, so that tasks go on as they are, and put it back to an earlier moment.
"""

import copy
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import rules_aws
from botocore.exceptions import ClientError
from conftest import OUTPUTS, Bucket, NoSuchKey
from world import World

DIGEST = "sha256:" + "0" * 64
DEFINITION = "arn:aws:ecs:us-east-1:000000000000:task-definition/churn:4"
XML, JSON = "application/xml", "application/x-amz-json-1.1"


class Account:
    """What the server stands for: tasks, objects, and the process that is to be killed."""

    def __init__(self, *fates: str, tokens: bool = True) -> None:
        self.world, self.bucket = World(*fates, tokens=tokens), Bucket()
        self.bucket.objects["churn/data/train.csv"] = b"label,a\n1,2\n"
        self.lock = threading.Lock()
        self.calls, self.frozen, self.where = 0, False, ""
        self.dies: Callable[[int, str], bool] = lambda number, where: False
        # until then RunTask is on its way, sent by a CLI whose follower was killed
        self.late: threading.Event | None = None
        self.victim: Callable[[], int] = lambda: 0
        self.refuse: Callable[[str], str] = lambda operation: ""  # the code of an error

    def save(self) -> Any:
        return copy.deepcopy((self.world.tasks, self.world.most, self.bucket.objects))

    def restore(self, saved: Any) -> None:
        self.world.tasks, self.world.most, self.bucket.objects = copy.deepcopy(saved)

    def left(self) -> str:
        """Return what there is, without what differs from one run to the next."""
        objects = {key: body.decode() for key, body in self.bucket.objects.items()}
        text = json.dumps([self.world.tasks, objects], sort_keys=True)
        text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "RUN", text)
        return re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+|\b[0-9a-f]{16}\b", "", text)

    def record(self) -> dict | None:
        found = [body for key, body in self.bucket.objects.items() if key.endswith("/run.json")]
        return json.loads(found[0]) if found else None

    def point(self, operation: str, do: Callable[[], Any]) -> Any:
        """Do one call; each is two points at which the follower may be killed, before it and after it."""
        with self.lock:
            self.calls += 1
            number = 2 * self.calls - 1
            if self.late and operation == "RunTask":
                os.kill(self.victim(), signal.SIGKILL)
        if self.late and operation == "RunTask":
            self.late.wait(30)
        with self.lock:
            if self.dies(number, f"before {operation}"):
                self.end(f"before {operation}")
                raise ConnectionAbortedError
            if code := self.refuse(operation):
                raise ClientError({"Error": {"Code": code, "Message": "as scripted"}}, operation)
            try:
                return do()
            finally:
                if self.dies(number + 1, f"after {operation}"):
                    self.end(f"after {operation}")

    def end(self, where: str) -> None:
        """kill -9 the follower, and with it the AWS CLI that it called."""
        self.where, self.dies = where, lambda number, where: False
        os.killpg(self.victim(), signal.SIGKILL)

    def json_call(self, operation: str, fields: dict) -> dict:
        """Answer ECS, ECR and CloudWatch Logs."""
        service = {"DescribeImages": "ecr", "GetLogEvents": "logs"}.get(operation, "ecs")
        rules_aws.look(service, operation, fields)
        if operation == "DescribeTaskDefinition":
            words = {"Code": "ClientException", "Message": "Unable to describe task definition."}
            raise ClientError({"Error": words}, operation)
        if operation == "RegisterTaskDefinition":
            return {"taskDefinition": {"taskDefinitionArn": DEFINITION}}
        if operation == "DescribeImages":
            return {"imageDetails": [{"imageDigest": DIGEST}]}
        if operation == "GetLogEvents":
            (run,) = {each["startedBy"].rpartition("-")[0] for each in self.world.tasks}
            events = [] if "nextToken" in fields else ["a line", f"[end of run {run}]"]
            return {"events": [{"message": e} for e in events], "nextForwardToken": "f/1"}
        if operation == "StopTask":
            return self.world.stop_task(fields["task"], fields["reason"])
        if operation == "DescribeTasks" and self.frozen:
            found = [t for t in self.world.tasks if t["taskArn"] in fields["tasks"]]
            return {"tasks": found, "failures": []}
        calls = {
            "RunTask": self.world.run_task,
            "ListTasks": self.world.list_tasks,
            "DescribeTasks": self.world.describe_tasks,
        }
        return calls[operation](**fields)


class Handler(BaseHTTPRequestHandler):
    """One request of boto3 or the AWS CLI."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the kernel
    server: "Server"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", kind: str = XML, etag: str = "") -> None:
        self.send_response(status)
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if target := self.headers.get("X-Amz-Target"):
                self.json(target.rpartition(".")[2], json.loads(body))
            else:
                self.s3(body)
        except OSError:  # its process is dead
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do

    def json(self, operation: str, fields: dict) -> None:
        account = self.server.account
        try:
            found = account.point(operation, lambda: account.json_call(operation, fields))
        except ClientError as error:
            words = error.response["Error"]
            text = {"__type": words["Code"], "message": words["Message"]}
            self.answer(400, json.dumps(text).encode(), JSON)
        else:
            self.answer(200, json.dumps(found).encode(), JSON)

    def s3(self, body: bytes) -> None:
        account, url = self.server.account, urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        key = unquote(url.path).lstrip("/").partition("/")[2]
        if self.command == "GET" and "list-type" in asked:
            operation = "ListObjectsV2"
        else:
            operation = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject"}[self.command]
        try:
            self.answer(*account.point(operation, lambda: self.object(operation, key, asked, body)))
        except NoSuchKey:
            self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            status = {"PreconditionFailed": 412, "404": 404}.get(code, 403)
            text = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
            self.answer(status, text.encode())

    def object(self, operation: str, key: str, asked: dict, body: bytes) -> tuple:
        bucket, name = self.server.account.bucket, {"Bucket": OUTPUTS["Bucket"], "Key": key}
        if operation == "ListObjectsV2":
            return 200, listing(bucket, asked.get("prefix", ""), asked.get("delimiter", ""))
        if operation == "PutObject":
            only = {"IfMatch": "If-Match", "IfNoneMatch": "If-None-Match"}
            given = {each: self.headers.get(header, "") for each, header in only.items()}
            asked = {each: value for each, value in given.items() if value}
            rules_aws.look("s3", operation, name | asked)
            bucket.put_object(**name, Body=body, ContentType="", **given)
            return 200, b"", XML, bucket.etag(key)
        if operation == "HeadObject":
            return 200, b"", XML, bucket.head_object(**name)["ETag"]
        found = bucket.get_object(**name)
        return 200, found["Body"].read(), XML, found["ETag"]


def listing(bucket: Bucket, prefix: str, delimiter: str) -> bytes:
    """Return the answer of ListObjectsV2, all of it in one page."""
    parts = []
    for page in bucket.pages(Bucket=OUTPUTS["Bucket"], Prefix=prefix, Delimiter=delimiter):
        for each in page.get("CommonPrefixes", []):
            parts.append(
                f"<CommonPrefixes><Prefix>{escape(each['Prefix'])}</Prefix></CommonPrefixes>"
            )
        for each in page.get("Contents", []):
            parts.append(
                f"<Contents><Key>{escape(each['Key'])}</Key><Size>{each['Size']}</Size>"
                f"<ETag>{escape(each['ETag'])}</ETag></Contents>"
            )
    text = "".join(parts)
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{text}</ListBucketResult>".encode()


class Server(ThreadingHTTPServer):
    """The server; ``account`` may be replaced between two commands."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.account = Account("success")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """A process that was killed has closed its connection: nothing to print."""
