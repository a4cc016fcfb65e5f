"""AWS on loopback that does nothing but hand out credentials, and that remembers who asked for what.

STS, the portal of IAM Identity Center and the endpoint of a container's credentials answer; every other call
is denied. Each set of credentials has a key of its own, so a test sees who shares one.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

EXPIRES = "2099-01-01T00:00:00Z"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"
# the operations of these tests that are known by their path
PATHS = {"/federation/credentials": "GetRoleCredentials", "/container": "ContainerCredentials"}


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    operation: str
    key: str  # the access key that signed it; empty: nobody did
    region: str
    proxied: bool  # it came as to a proxy, with the address in its first line
    fields: dict


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    server: "Recorder"

    def log_message(self, *_: Any) -> None:
        pass

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        url = urlsplit(self.path)
        target = self.headers.get("X-Amz-Target", "")
        form = {} if target else parse_qs(url.query) | parse_qs(body)
        fields = json.loads(body) if target else {name: each[0] for name, each in form.items()}
        operation = fields.get("Action") or target.rpartition(".")[2] or PATHS.get(url.path)
        scope = self.headers.get("Authorization", "").partition("Credential=")[2].partition(",")[0]
        key, _, region, *_ = (*scope.split("/"), "", "", "")
        self.server.asked.append(
            Asked(operation or self.path, key, region, bool(url.scheme), fields)
        )
        self.answer(*self.server.reply(operation, fields, key))

    do_GET = do_POST = do_PUT = do_HEAD = do

    def answer(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())


class Recorder(ThreadingHTTPServer):
    """The server; ``asked`` are the requests so far."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, *operations: str) -> list[Asked]:
        """Return the requests of these operations."""
        return [each for each in self.asked if each.operation in operations]

    def new_key(self) -> str:
        return f"ASIA{len(self.asked):012}"

    def reply(self, operation: str | None, fields: dict, key: str) -> tuple[int, str, str]:
        """Return status, content type and body."""
        if operation == "GetCallerIdentity":
            arn = f"arn:aws:sts::111122223333:assumed-role/trainer/{key}"
            found = f"<Arn>{arn}</Arn><UserId>x</UserId><Account>111122223333</Account>"
            return 200, "text/xml", answer_of(operation, found)
        if operation == "GetAccessKeyInfo":
            return 200, "text/xml", answer_of(operation, "<Account>111122223333</Account>")
        if operation in ("AssumeRole", "AssumeRoleWithWebIdentity"):
            parts = (
                f"<AccessKeyId>{self.new_key()}</AccessKeyId><SecretAccessKey>x</SecretAccessKey>"
                f"<SessionToken>x</SessionToken><Expiration>{EXPIRES}</Expiration>"
            )
            user = f"<Arn>{fields['RoleArn']}</Arn><AssumedRoleId>x:y</AssumedRoleId>"
            found = f"<Credentials>{parts}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>"
            return 200, "text/xml", answer_of(operation, found)
        keys = {"secretAccessKey": "x", "sessionToken": "x", "expiration": 4070908800000}
        if operation == "GetRoleCredentials":
            found = {"roleCredentials": {"accessKeyId": self.new_key(), **keys}}
            return 200, "application/json", json.dumps(found)
        if operation == "ContainerCredentials":
            found = {"AccessKeyId": "ASIACONTAINER", "SecretAccessKey": "x", "Token": "x"}
            return 200, "application/json", json.dumps(found | {"Expiration": EXPIRES})
        denied = {"__type": "AccessDeniedException", "message": "denied by the recorder"}
        return 400, "application/x-amz-json-1.1", json.dumps(denied)


def answer_of(operation: str, found: str) -> str:
    """Return an answer of STS."""
    result = f"<{operation}Result>{found}</{operation}Result>"
    return f'<{operation}Response xmlns="{STS}">{result}</{operation}Response>'


@contextmanager
def recording() -> Iterator[Recorder]:
    """Give a recorder that answers until the end."""
    server = Recorder()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
