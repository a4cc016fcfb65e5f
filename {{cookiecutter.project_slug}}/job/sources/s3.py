"""Files from and to S3, many at once, each checked. boto3 finds credentials, region and endpoint by itself."""

import contextlib
import functools
import glob
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import boto3
from botocore import exceptions
from botocore.config import Config
from s3transfer.exceptions import RetriesExceededError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from job import contract
from job.errors import PassingError, UserError, fault, one_line
from job.paths import facts, fixed, matches

ATTEMPTS = 8  # at one request
THREADS = 16  # requests at once; large files go in parts, side by side too
PART = 8 << 20, 64 << 20  # bytes of a part of a large file, at least and at most
GENTLE = 4  # while the script runs, whose memory it is
SAY_EVERY = 10  # seconds
# what S3 answers to a conditional PutObject when another write came first: its API reference
CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict")
FORBIDDEN = "no permission ({permission}), or no such file: check the name, and what the role of the task may do"
ABSENT = "no such file; to see what is there: aws s3 ls {uri}"
CREDENTIALS = (
    "AWS refuses the credentials ({code}): they are wrong or have expired; to see whose they are, type: "
    "aws sts get-caller-identity"
)
OTHER_REGION = "the bucket {bucket!r} is in another region: set AWS_REGION to it"
# What a code of S3's means; an answer to HEAD has no body, so that only the status is left.
REFUSALS = {
    "403": FORBIDDEN,
    "AccessDenied": FORBIDDEN,
    "404": ABSENT,
    "NoSuchKey": ABSENT,
    "NoSuchBucket": "no bucket is called {bucket!r}",
    "400": CREDENTIALS,
    "ExpiredToken": CREDENTIALS,
    "InvalidAccessKeyId": CREDENTIALS,
    "SignatureDoesNotMatch": CREDENTIALS,
}


class Object(NamedTuple):
    """What S3 says of an object."""

    size: int
    etag: str | None


@functools.cache
def client():
    """Return the S3 client."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    # bucket.127.0.0.1 has no address: with an endpoint of one's own, the bucket goes in the path.
    style = {"addressing_style": "path"} if endpoint else {}
    retries = {"mode": "standard", "max_attempts": ATTEMPTS}
    made = boto3.client(
        "s3", config=Config(s3=style, retries=retries, max_pool_connections=4 * THREADS)
    )
    made.meta.events.register("provide-client-params.s3.*", name_owner)
    return made


def name_owner(params: dict, model, **_) -> None:
    """Let S3 refuse a call on the project's own bucket where another account has taken its name.

    The name ends in account and region; data may lie in other buckets, of whoever.
    """
    own = os.environ.get(contract.RUN_URI, "").removeprefix("s3://").partition("/")[0]
    found = re.fullmatch(r".+?-(\d{12})-[a-z0-9-]+", own)
    if found and params.get("Bucket") == own and "ExpectedBucketOwner" in model.input_shape.members:
        params.setdefault("ExpectedBucketOwner", found[1])


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Return the two parts of ``s3://bucket/key``."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket:
        raise UserError(f"{uri!r} names no bucket; type for example: DATA=s3://bucket/key")
    return bucket, key


@contextlib.contextmanager
def errors(uri: str, permission: str) -> Iterator[None]:
    """Turn refusals of S3 into UserError and failures of the network into PassingError.

    boto3 has tried again before.
    """
    try:
        try:
            yield
        except RetriesExceededError as error:
            raise error.last_exception from None
    except exceptions.NoCredentialsError as error:
        raise UserError(f"{uri}: no AWS credentials; type: aws configure") from error
    except exceptions.ParamValidationError as error:
        raise UserError(f"{uri}: no bucket or key may have such a name") from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:  # fmt: skip
        raise PassingError(f"{uri}: S3 cannot be reached: {one_line(error)}") from error
    except exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout", "Throttling"):
            raise PassingError(f"{uri}: S3 answers {code} again and again") from error
        message = one_line(error.response["Error"].get("Message", ""))
        usual = OTHER_REGION if status in (301, 307) else "S3 refuses: {code} {message}"
        sentence = REFUSALS.get(code, usual).format(
            uri=uri,
            bucket=uri.removeprefix("s3://").partition("/")[0],
            permission=permission,
            code=code,
            message=message,
        )
        raise UserError(f"{uri}: {sentence}") from error
    except exceptions.BotoCoreError as error:
        raise UserError(f"{uri}: {one_line(error)}") from error


def listed(bucket: str, prefix: str) -> dict[str, Object]:
    """Return all objects below ``prefix`` by key, without the markers of folders."""
    with errors(f"s3://{bucket}/{prefix}", "s3:ListBucket"):
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [each for page in pages for each in page.get("Contents", ())]
    return {
        each["Key"]: Object(each["Size"], each.get("ETag"))
        for each in found
        if not each["Key"].endswith("/")
    }


def head(bucket: str, key: str) -> Object | None:
    """Return what is known of an object; None where there is none, or none to be seen."""
    with errors(f"s3://{bucket}/{key}", "s3:GetObject"):
        try:
            answer = client().head_object(Bucket=bucket, Key=key)
        except exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("403", "404"):
                return None
            raise
    return Object(answer["ContentLength"], answer.get("ETag"))


def chosen(uri: str) -> tuple[str, dict[str, Object]]:
    """Return the common prefix of what ``uri`` names, a file, folder or pattern, and objects by name below it."""
    bucket, key = bucket_and_key(uri)
    above = key[: key.rfind("/") + 1]
    if key and not key.endswith("/") and (found := head(bucket, key)):
        prefix, keys = above, {key: found}
    elif glob.has_magic(key):
        prefix = fixed(key)
        keys = {name: each for name, each in listed(bucket, prefix).items() if matches(name, key)}
    else:
        prefix = f"{key.rstrip('/')}/" if key.rstrip("/") else ""
        keys = listed(bucket, prefix)
    return prefix, {name.removeprefix(prefix): each for name, each in keys.items()}


def of_run(bucket: str, prefix: str, there: Mapping[str, Object]) -> tuple[dict[str, Object], dict]:
    """Return of a run only the files that its manifest lists, and what the manifest says of them."""
    text = read(f"s3://{bucket}/{prefix}{contract.MANIFEST}") or b"{}"
    try:
        files = json.loads(text).get("files")
    except (ValueError, AttributeError):
        files = None
    if not isinstance(files, dict):
        raise UserError(f"s3://{bucket}/{prefix}{contract.MANIFEST} is no list of a run's files")
    missing = [name for name in files if name not in there]
    if missing:
        raise UserError(
            f"s3://{bucket}/{prefix}{missing[0]} is listed in {contract.MANIFEST}, and is not there"
        )
    return {name: there[name] for name in files}, files


def fetch_all(uri: str, folder: Path, empty: bool = False) -> list[str]:
    """Download what ``uri`` names into ``folder`` and return the names of the files there.

    ``empty``: it is no error if there is nothing.
    """
    bucket, _ = bucket_and_key(uri)
    prefix, objects = chosen(uri)
    known: dict = {}
    if contract.MANIFEST in objects and re.search(r"(^|/)runs/[^/]+/$", prefix):
        objects, known = of_run(bucket, prefix, objects)
    if not objects and not empty:
        raise UserError(
            f"{uri}: no such file; to see what is there: aws s3 ls s3://{bucket}/{prefix}"
        )
    for name in objects:
        if why := fault(name):
            raise UserError(f"{uri}: {name!r}: {why}")
    folders = {above.as_posix() for name in objects for above in PurePosixPath(name).parents}
    if clash := next((name for name in objects if name in folders), None):
        raise UserError(f"{uri}: {clash!r} is a file and a folder: the disk has no place for both")
    for above in folders:
        (folder / above).mkdir(parents=True, exist_ok=True)
    total = sum(each.size for each in objects.values())
    began = time.monotonic()
    keys = {prefix + name: each for name, each in objects.items()}
    progress = Progress(f"fetching {uri}", total, keys)

    def get(mover: TransferManager, name: str) -> None:
        path, address = folder / name, f"s3://{bucket}/{prefix}{name}"
        with errors(address, "s3:GetObject"):
            mover.download(bucket, prefix + name, str(path), subscribers=[progress]).result()
        if (size := path.stat().st_size) != objects[name].size:
            raise PassingError(f"{address}: {size:,} of {objects[name].size:,} bytes came")
        wanted = (known.get(name) or {}).get("sha256")
        if wanted and facts(path)["sha256"] != wanted:
            raise UserError(f"{address} is not what {contract.MANIFEST} says that it is (sha256)")

    side_by_side(get, objects, max((each.size for each in objects.values()), default=0))
    if objects:
        seconds = time.monotonic() - began
        size = f"{len(objects):,} files, {total / 1e6:,.1f} MB"
        print(f"-- fetched {uri}: {size} in {seconds:.1f} s", flush=True)
    return sorted(objects)


def put_all(base: str, files: Sequence[tuple[str, str, str]], gently: bool = False) -> None:
    """Upload files, given by path, name below ``base`` and tags; S3 checks each by its checksum."""
    bucket, prefix = bucket_and_key(base)
    sizes = [Path(path).stat().st_size for path, *_ in files]
    progress = Progress(f"saving to {base}", sum(sizes))

    def put(mover: TransferManager, each: tuple[str, str, str]) -> None:
        path, name, tags = each
        more = {"Tagging": tags} if tags else {}
        with errors(base + name, "s3:PutObject"):
            mover.upload(path, bucket, prefix + name, more, [progress]).result()

    side_by_side(put, files, max(sizes, default=0), GENTLE if gently else THREADS)


class Progress(BaseSubscriber):
    """Says now and then how much has been moved of all files together.

    Of the objects that are ``known``, S3 is not asked again for what it has said.
    """

    def __init__(self, doing: str, total: int, known: Mapping[str, Object] | None = None) -> None:
        self.doing, self.total, self.known = doing, total, known or {}
        self.bytes, self.said, self.lock = 0, time.monotonic(), threading.Lock()

    def on_queued(self, future, **_) -> None:
        if known := self.known.get(future.meta.call_args.key):
            future.meta.provide_transfer_size(known.size)
            future.meta.provide_object_etag(known.etag)

    def on_progress(self, bytes_transferred: int, **_) -> None:
        with self.lock:  # any thread calls this
            self.bytes += bytes_transferred
            if time.monotonic() - self.said > SAY_EVERY:
                self.said = time.monotonic()
                moved = f"{self.bytes / 1e6:,.0f} of {self.total / 1e6:,.0f} MB"
                print(f"-- {self.doing}: {moved}", flush=True)


def side_by_side(do: Callable, things: Iterable, largest: int, threads: int = THREADS) -> None:
    """Do it to all things, many at once; the first error ends it.

    One transfer manager serves them all: boto3's upload_file() starts the threads of one for each file.
    The parts are as large as they may be without leaving a thread idle at the ``largest`` file.
    """
    part = min(max(PART[0], largest // threads), PART[1])
    config = TransferConfig(max_request_concurrency=threads, multipart_chunksize=part)
    with ThreadPoolExecutor(threads) as pool, TransferManager(client(), config) as mover:
        pending = [pool.submit(do, mover, each) for each in things]
        try:
            for each in pending:
                each.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def delete(uri: str) -> None:
    """Delete an object; what is not there is no error."""
    bucket, key = bucket_and_key(uri)
    with errors(uri, "s3:DeleteObject"):
        client().delete_object(Bucket=bucket, Key=key)


def read(uri: str) -> bytes | None:
    """Return the content of an object; None if there is none."""
    bucket, key = bucket_and_key(uri)
    with errors(uri, "s3:GetObject"):
        try:
            return client().get_object(Bucket=bucket, Key=key)["Body"].read()
        except client().exceptions.NoSuchKey:
            return None


def write(uri: str, content: bytes, new: bool = False) -> bool:
    """Write an object; return False where it is to be a ``new`` one and another write came first."""
    bucket, key = bucket_and_key(uri)
    condition = {"IfNoneMatch": "*"} if new else {}
    with errors(uri, "s3:PutObject"):
        try:
            client().put_object(Bucket=bucket, Key=key, Body=content, **condition)
        except exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in CONFLICTS:
                raise
            return False
    return True
