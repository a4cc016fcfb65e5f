"""Files by URI: a local path, ``s3://bucket/key`` through boto3, or, to read, ``https://``.

boto3 takes credentials, region and AWS_ENDPOINT_URL from the environment by itself.
"""

import contextlib
import functools
import http.client
import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from training.errors import UserError, nearest, one_line

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ATTEMPTS = 5  # at one request of S3
PROGRESS_SECONDS = 10  # between two lines about a download


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for files on their way (under TMPDIR), and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="training-") as folder:
        yield Path(folder)


def located(uri: str) -> str:
    """Return where ``uri`` is: on ECS a relative path is one below PROJECT_URI, where `make data`
    and earlier runs put what has the same path on the laptop.
    """
    project = os.environ.get("PROJECT_URI")
    if not project or "://" in uri or Path(uri).is_absolute() or Path(uri).exists():
        return uri
    return join(project, uri.removeprefix("./"))


def join(folder: str, name: str) -> str:
    """Return the URI of ``name`` in ``folder``."""
    return f"{folder.rstrip('/')}/{name}" if folder.strip("/") else folder + name


def parent(uri: str) -> str:
    """Return the folder in which ``uri`` is, with its last slash; ``./`` for a bare name."""
    folder, slash, _ = uri.rpartition("/")
    return folder + slash or "./"


def is_s3(uri: str) -> bool:
    """Return whether ``uri`` is on S3.

    Raises:
        UserError: it is neither a path nor on S3.
    """
    scheme, separator, _ = uri.partition("://")
    if separator and scheme != "s3":
        raise UserError(f"{uri!r}: {scheme}:// is not read here; type a path or s3://bucket/key")
    return bool(separator)


def is_web(uri: str) -> bool:
    """Return whether ``uri`` is read by HTTPS; plain HTTP is, too, from this machine itself."""
    parts = urllib.parse.urlsplit(uri)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def path_of(uri: str) -> str:
    """Return the path in ``uri``, without the query that a web address may have."""
    return urllib.parse.urlsplit(uri).path if is_web(uri) else uri


def is_folder(uri: str) -> bool:
    """Return whether ``uri`` names a folder: on S3, where there are none, by its last slash."""
    if is_web(uri):
        return False
    return uri.endswith("/") if is_s3(uri) else Path(uri).is_dir()


def fetch(uri: str, folder: Path) -> Path:
    """Return a local file with the content of ``uri``, downloaded into ``folder`` if need be.

    Raises:
        UserError: there is no such file, or it may not be read.
    """
    if is_web(uri):
        return download(uri, folder)
    if is_s3(uri):
        bucket, key = bucket_and_key(uri)
        path = folder / Path(key).name
        with s3_errors(uri, "s3:GetObject"), path.open("wb") as file:
            client().download_fileobj(bucket, key, file, Callback=Progress(uri))
        print(f"fetched {uri} ({path.stat().st_size:,} bytes)")
        return path
    path = Path(uri)
    if path.is_dir():
        raise UserError(f"{uri!r} is a folder: name one file in it")
    if not path.exists():
        others = [file.name for file in path.parent.glob("*")] if path.parent.is_dir() else []
        near = nearest(path.name, others)
        hint = f"; did you mean {str(path.with_name(near))!r}?" if near else ""
        raise UserError(f"{uri!r}: no such file{hint}")
    if not os.access(path, os.R_OK):
        raise UserError(f"{uri!r}: no permission to read it")
    return path


def download(uri: str, folder: Path) -> Path:
    """Return a file in ``folder`` with what the web address ``uri`` gives.

    Raises:
        UserError: it gives nothing.
    """
    path = folder / (Path(path_of(uri)).name or "table")
    progress = Progress(uri)
    try:
        with urllib.request.urlopen(uri, timeout=60) as answer, path.open("wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
                progress(len(block))
            wanted = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        raise UserError(f"{uri}: the server answers {error.code} {error.reason}") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"{uri}: cannot be fetched: {one_line(reason)}") from error
    size = path.stat().st_size
    if wanted and int(wanted) != size:
        raise UserError(f"{uri}: the server broke off after {size:,} of {int(wanted):,} bytes")
    print(f"fetched {uri} ({size:,} bytes)")
    return path


class Progress:
    """Says now and then how much of ``uri`` has come. Called with the bytes since the last call."""

    def __init__(self, uri: str):
        self.uri, self.bytes, self.said = uri, 0, time.monotonic()

    def __call__(self, size: int) -> None:
        self.bytes += size
        if time.monotonic() - self.said > PROGRESS_SECONDS:
            self.said = time.monotonic()
            print(f"fetching {self.uri}: {self.bytes / 1e6:,.0f} MB so far")


def head(uri: str) -> dict | None:
    """Return what S3 tells of the object at ``uri``; None where there is none, or none to be seen."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        bucket, key = bucket_and_key(uri)
        return client().head_object(Bucket=bucket, Key=key)
    except (UserError, BotoCoreError, ClientError):  # a folder, a pattern
        return None


def identity(uri: str) -> dict[str, object]:
    """Return size in bytes, and on S3 the ETag, of a file; nothing where that is not cheap."""
    if not uri.startswith("s3://"):  # whatever else data may come from, be it no file
        return {"size_bytes": Path(uri).stat().st_size} if Path(uri).is_file() else {}
    found = head(uri)
    return {"size_bytes": found["ContentLength"], "etag": found["ETag"].strip('"')} if found else {}


def check_writable(folder: str) -> None:
    """Find out before the work whether its results can be saved in ``folder``. Writes nothing.

    Raises:
        UserError: they cannot.
    """
    if is_s3(folder):
        bucket, _ = bucket_and_key(join(folder, "file"))
        with s3_errors(folder, "s3:ListBucket", forbidden_is_fine=True):
            client().head_bucket(Bucket=bucket)
        return
    path = Path(folder).absolute()
    while not path.exists():
        path = path.parent
    if not path.is_dir():
        raise UserError(f"{folder!r} cannot be written: {path.name!r} is a file, not a folder")
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"{folder!r} cannot be written: no permission; type another --output")


def put(path: Path, uri: str) -> None:
    """Copy the local file ``path`` to ``uri``, which holds either all of it or nothing of it.

    Raises:
        UserError: it may not be written.
    """
    if is_s3(uri):
        bucket, key = bucket_and_key(uri)
        with s3_errors(uri, "s3:PutObject"), path.open("rb") as file:
            client().upload_fileobj(file, bucket, key)
        return
    target = Path(uri)
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, part)
        part.replace(target)
    except OSError as error:
        raise UserError(f"{uri!r} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def remove(uri: str) -> None:
    """Remove what ``put`` wrote to ``uri``; what is not there is no error."""
    if is_s3(uri):
        bucket, key = bucket_and_key(uri)
        with s3_errors(uri, "s3:DeleteObject"):
            client().delete_object(Bucket=bucket, Key=key)
    else:
        Path(uri).unlink(missing_ok=True)


def names(folder: str, deep: bool = False) -> list[str]:
    """Return the names of the files in ``folder``; none if there is no such folder.

    ``deep``: also those below, with the folders between. On S3 it makes no difference.
    """
    if is_s3(folder):
        bucket, key = bucket_and_key(join(folder, "file"))
        prefix = key.removesuffix("file")
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with s3_errors(folder, "s3:ListBucket"):
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return [key.removeprefix(prefix) for key in keys]
    found = Path(folder).rglob("*") if deep else Path(folder).glob("*")
    return [path.relative_to(folder).as_posix() for path in found if not (deep and path.is_dir())]


def read_bytes(uri: str) -> bytes | None:
    """Return the content of ``uri``; None if there is no such file."""
    if not is_s3(uri):
        return Path(uri).read_bytes() if Path(uri).is_file() else None
    bucket, key = bucket_and_key(uri)
    with s3_errors(uri, "s3:GetObject"):
        try:
            return client().get_object(Bucket=bucket, Key=key)["Body"].read()
        except client().exceptions.NoSuchKey:
            return None


def write_bytes(content: bytes, uri: str, tags: str = "") -> None:
    """Write ``content`` to ``uri``. It outlasts a crash of the machine right afterwards.

    ``tags`` is ``name=value`` for an object in S3, by which a rule of the bucket may find it.

    Raises:
        UserError: it may not be written.
    """
    if is_s3(uri):
        bucket, key = bucket_and_key(uri)
        with s3_errors(uri, "s3:PutObject and s3:PutObjectTagging" if tags else "s3:PutObject"):
            tagging = {"Tagging": tags} if tags else {}
            client().put_object(Bucket=bucket, Key=key, Body=content, **tagging)
        return
    target = Path(uri)
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name too
        finally:
            os.close(folder)
    except OSError as error:
        raise UserError(f"{uri!r} cannot be written: {error.strerror}") from error


def remove_folder(folder: str) -> None:
    """Remove a local folder, with the parts of files that a crash left there. S3 has no folders."""
    if not is_s3(folder):
        shutil.rmtree(folder, ignore_errors=True)


def read_json(path: Path) -> dict:
    """Return the JSON object in ``path``.

    Raises:
        UserError: there is none.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path.name}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path.name}: a JSON object was expected")
    return value


def write_json(value: dict, path: Path) -> None:
    """Write ``value`` to ``path`` as JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Return the two parts of ``s3://bucket/key``.

    Raises:
        UserError: one of them is missing.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key or key.endswith("/"):
        raise UserError(f"{uri!r} does not name a file; type s3://bucket/key")
    return bucket, key


@functools.cache
def client():
    """Return the S3 client. boto3 is imported by those who need it only: it takes a while."""
    import boto3
    from botocore.config import Config

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    # bucket.127.0.0.1 has no address: with an endpoint of one's own, the bucket goes in the path.
    style = {"addressing_style": "path"} if endpoint else {}
    return boto3.client(
        "s3", config=Config(s3=style, retries={"mode": "standard", "max_attempts": ATTEMPTS})
    )


@contextlib.contextmanager
def s3_errors(uri: str, permission: str, forbidden_is_fine: bool = False) -> Iterator[None]:
    """Turn refusals of S3 and failures of the network into sentences; boto3 has tried again."""
    from botocore import exceptions
    from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError

    bucket = uri.removeprefix("s3://").partition("/")[0]
    try:
        yield
    except NoCredentialsError as error:
        raise UserError(f"{uri}: no AWS credentials; type: aws configure") from error
    except ParamValidationError as error:
        raise UserError(f"{uri}: no bucket or key may have such a name") from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise UserError(
            f"{uri}: S3 cannot be reached: {one_line(error)}; if this stays so, look at the network "
            "and at AWS_ENDPOINT_URL"
        ) from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("403", "AccessDenied"):
            if forbidden_is_fine:
                return
            raise UserError(
                f"{uri}: no permission ({permission}), or no such file: check the name, and what "
                "the role of the task may do"
            ) from error
        if code in ("404", "NoSuchKey", "NoSuchBucket"):
            if code == "NoSuchBucket" or not bucket_exists(bucket):
                raise UserError(f"{uri}: no bucket is called {bucket!r}") from error
            raise UserError(
                f"{uri}: no such file; to see what is there: aws s3 ls {parent(uri)}"
            ) from error
        # an answer to HEAD has no body, so that of an expired token only 400 is left
        if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "400"):
            raise UserError(
                f"{uri}: AWS refuses the credentials ({code}): they are wrong or have expired; to see "
                "whose they are, type: aws sts get-caller-identity"
            ) from error
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status in (301, 307):
            raise UserError(
                f"{uri}: the bucket {bucket!r} is in another region: set AWS_REGION to it"
            ) from error
        if status >= 500:
            raise UserError(f"{uri}: S3 answers {code} again and again; try later") from error
        raise


def bucket_exists(bucket: str) -> bool:
    """Return whether there is a bucket of this name, be it somebody else's."""
    from botocore.exceptions import ClientError

    try:
        client().head_bucket(Bucket=bucket)
    except ClientError as error:
        return error.response["Error"]["Code"] != "404"
    return True
