"""Files from the web, by HTTPS; by plain HTTP from this machine itself only."""

import contextlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from job.errors import PassingError, UserError, fault, one_line, without_secrets

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ATTEMPTS = 5
SAY_EVERY = 10  # seconds


def fetch(uri: str, folder: Path) -> Path:
    """Return a file in ``folder`` with what ``uri`` gives; a download that breaks off is taken up again.

    Raises UserError if it gives nothing, PassingError if nobody answers, or not now.
    """
    check(uri)
    name = urllib.parse.unquote(urllib.parse.urlsplit(uri).path).rpartition("/")[2]
    path = folder / (name if name and not fault(name) else "table")
    path.touch()
    for number in range(ATTEMPTS):
        try:
            more(uri, path)
            size = path.stat().st_size
            print(f"-- fetched {without_secrets(uri)} ({size:,} bytes)", flush=True)
            return path
        except (ValueError, http.client.InvalidURL) as error:
            raise UserError(f"{uri!a} is not an address: {one_line(error)}") from error
        except urllib.error.HTTPError as error:
            sentence = f"{uri}: the server answers {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                raise UserError(sentence) from error
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            sentence = f"{uri}: cannot be fetched: {one_line(getattr(error, 'reason', error))}"
        if number < ATTEMPTS - 1:
            time.sleep(min(2**number, 10) / 2)
    raise PassingError(sentence)


def check(uri: str) -> None:
    """Raise UserError unless ``uri`` is HTTPS, or of this machine."""
    try:
        parts = urllib.parse.urlsplit(uri)
        host = parts.hostname
    except ValueError as error:
        raise UserError(f"{uri!a} is not an address: {one_line(error)}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise UserError(
            f"{uri!r}: {parts.scheme}:// cannot be read; use a path, s3://, https:// or td://"
        )


def more(uri: str, path: Path) -> None:
    """Append to ``path`` what it lacks of ``uri``; raise OSError if it breaks off."""
    have = path.stat().st_size
    request = urllib.request.Request(uri, headers={"Range": f"bytes={have}-"} if have else {})
    said = time.monotonic()
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if have and error.code == 416:  # there is no more
            return
        raise
    with contextlib.closing(answer), path.open("r+b" if have else "wb") as file:
        check(answer.url)  # it may have led elsewhere
        if have and answer.status == 206:
            file.seek(have)
        else:
            file.truncate(0)  # the server sends all of it again
        begin = file.tell()
        while block := answer.read(1 << 20):
            file.write(block)
            if time.monotonic() - said > SAY_EVERY:
                said = time.monotonic()
                print(
                    f"-- fetching {without_secrets(uri)}: {file.tell() / 1e6:,.0f} MB so far",
                    flush=True,
                )
        wanted = answer.headers.get("Content-Length")
        if wanted and int(wanted) != file.tell() - begin:
            raise OSError(f"it broke off after {file.tell():,} of {begin + int(wanted):,} bytes")
