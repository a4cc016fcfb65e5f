"""`make data`: the bucket's data/ becomes what is here, by content; what was uploaded stands in one list.

The list is the object ``data.json`` beside data/: name, sha256, size and ETag of each file. It is replaced under the
condition that nobody has replaced it meanwhile. Which files there are, the bucket itself says.
"""

import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ecs.aws import client, side_by_side, write_private
from ecs.console import note, plain
from ecs.errors import UserError
from ecs.request.channels import belongs
from ecs.request.request import project_uri
from ecs.settings import Settings

DATA = Path("data")
LIST = "data.json"
THREADS = 8
TRIES = 5  # of replacing the list, while others do
TICK = 0.02  # seconds in which two changes of a file may get the same time
# What data/example.py wrote before it said so in data/.example.
EXAMPLE = {
    "data/train.csv": "d8b3dc8769a5aad8fa673608e61d1df1cffa3825f6a17db05a6c8ef2d997fa50",
    "data/test.csv": "f1676a51e59ccdfc41fa8807f6fe3e7353a33534a2084bb7c01708e09f84e772",
}

Files = dict[str, dict[str, Any]]  # by name, data/ included: sha256 ("" if not known), size, etag


def local(say: Callable[[str], None] = lambda _: None, folder: Path = DATA) -> Iterator[Path]:
    """Give out the files in data/ that are uploaded: no hidden ones, no programs, no links that lead out.

    ``say`` is told of those links.

    Raises:
        UserError: a name is no text, which S3 does not take.
    """
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.suffix == ".py":
            continue
        if path.is_symlink() and not path.is_file() and path.exists():
            say(f"{plain(path)} is a link to a folder: what is there is not uploaded")
        elif path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            say(f"{plain(path)} is a link that leads out of data/: it is not uploaded")
        elif path.is_file():
            try:
                path.as_posix().encode()
            except UnicodeEncodeError as error:
                raise UserError(f"{plain(path)}: its name is not UTF-8; rename it") from error
            yield path


def hashed(
    settings: Settings,
    wanted: Callable[[str], bool] = lambda _: True,
    say: Callable[[str], None] = lambda _: None,
) -> Files:
    """Return the ``wanted`` files in data/ with sha256 and size; what is known from last time is not read.

    A file is the same while i-node, size, and the times of the last changes of content and i-node are.

    Raises:
        UserError: a file cannot be read.
    """
    cache = settings.state_folder / "hashes.json"
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    known = known if isinstance(known, dict) else {}
    found, stamps = {}, dict(known)
    for path in local(say):
        name = path.as_posix()
        if not wanted(name):
            continue
        try:
            about, entry = path.stat(), known.get(name)
            stamp = [about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns]
            if isinstance(entry, dict) and entry.get("stamp") == stamp:
                digest = entry["sha256"]
            else:
                if 0 <= time.time() - about.st_ctime < TICK:
                    time.sleep(TICK)  # what is written from now on gets another time
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"{plain(name)} cannot be read: {error.strerror}") from error
        stamps[name] = {"stamp": stamp, "sha256": digest}
        found[name] = {"sha256": digest, "size": about.st_size}
    stamps = {name: each for name, each in stamps.items() if name in found or Path(name).is_file()}
    if stamps != known:
        write_private(settings, cache, json.dumps(stamps))
    return found


def objects(settings: Settings, stack: Mapping[str, str]) -> Files:
    """Return the files in the bucket's data/, of which S3 knows size and ETag."""
    pages = (
        client(settings, "s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack["Bucket"], Prefix=f"{settings.project}/data/")
    )
    return {
        each["Key"].removeprefix(f"{settings.project}/"): {
            "sha256": "", "size": each["Size"], "etag": each.get("ETag", ""),
        }
        for page in pages
        for each in page.get("Contents", [])
        if not each["Key"].endswith("/")  # the marker of a folder
    }  # fmt: skip


def uploaded(settings: Settings, stack: Mapping[str, str]) -> tuple[Files, str | None]:
    """Return the files in the bucket's data/, and the list's ETag; None: there is no list yet.

    What others than `make data` have put there (`aws s3 sync`, an upload that was broken off) has no sha256.

    Raises:
        UserError: the list is damaged.
    """
    s3, address = client(settings, "s3"), f"s3://{stack['Bucket']}/{settings.project}/{LIST}"
    there = objects(settings, stack)
    try:
        answer = s3.get_object(Bucket=stack["Bucket"], Key=f"{settings.project}/{LIST}")
    except s3.exceptions.NoSuchKey:
        return there, None
    try:
        listed = json.loads(answer["Body"].read())["files"]
        for name, each in listed.items():
            found = there.get(name, {})
            if {"etag": found.get("etag"), **each} == found | {"sha256": each["sha256"]}:
                found["sha256"] = each["sha256"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{address} is no list of data; to upload all of data/ again, type: aws s3 rm {address}, "
            "then make data"
        ) from error
    return there, answer["ETag"]


def same(here: Mapping, there: Mapping | None, path: str) -> bool:
    """Tell whether a file here has the content of the one there.

    The ETag of an object that was uploaded in one part, and is not encrypted by a key of KMS's, is its MD5.
    """
    if there is None or here["size"] != there["size"]:
        return False
    if there["sha256"]:
        return here["sha256"] == there["sha256"]
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == there["etag"].strip('"')


def examples(files: Files) -> set[str]:
    """Return the names of those files that data/example.py has written.

    Its edition of before there was data/.example is known by what it wrote, as long as nothing was written since
    the program itself was updated.
    """
    program = DATA / "example.py"
    try:
        own = json.loads((DATA / ".example").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        updated = program.stat().st_mtime if program.is_file() else 0
        own = {
            n: each
            for n, each in EXAMPLE.items()
            if n in files and Path(n).stat().st_mtime < updated
        }
    own = own if isinstance(own, dict) else {}
    return {
        name for name, each in files.items() if name in EXAMPLE and each["sha256"] == own.get(name)
    }


def upload(settings: Settings, stack: Mapping[str, str], ask: Callable[[str], str] = input) -> None:
    """Make the bucket's data/ what data/ is here.

    Raises:
        UserError: that would put nothing, or the example, in the place of what the bucket holds; or
            something would be deleted and nobody says that it may.
    """
    here, may_go, sent = hashed(settings, say=note), None, set()
    for _ in range(TRIES):
        there, etag = uploaded(settings, stack)
        changed = [name for name in here if not same(here[name], there.get(name), name)]
        # the example never takes the place of what the bucket holds
        kept = examples(here) & set(changed) & set(there)
        gone = {name: each for name, each in there.items() if name not in here}
        if may_go is None:
            refuse(settings, stack, here, there, bool(kept or gone))
            may_go = confirm(settings, stack, gone, ask) if gone else {}
        gone = {name: each for name, each in gone.items() if may_go.get(name) == each}
        changed = [name for name in changed if name not in kept]
        send(settings, stack, changed)
        sent |= set(changed)
        if hashed(settings) != here:
            raise UserError("data/ was changed while it was uploaded; type again: make data")
        stored = there | (objects(settings, stack) if changed else {})
        files = {name: each for name, each in there.items() if name not in gone} | {
            name: here[name] | {"etag": (stored if name in changed else there)[name]["etag"]}
            for name in here.keys() & stored.keys() - kept
        }
        if etag and files == there:
            break
        if write_list(settings, stack, {n: e for n, e in files.items() if e["sha256"]}, etag):
            break
    else:
        raise UserError("others are uploading at the same time; type again: make data")
    for name in gone:  # once the list no longer has them
        client(settings, "s3").delete_object(
            Bucket=stack["Bucket"], Key=f"{settings.project}/{name}"
        )
    for name in sorted(kept):
        note(f"{name} is the example here, and the bucket has another: that one stays")
    alike = len(here) - len(sent) - len(kept)
    note(f"data: {len(sent)} uploaded, {len(gone)} deleted, {alike} unchanged")


def refuse(
    settings: Settings, stack: Mapping[str, str], here: Files, there: Files, loses: bool
) -> None:
    """Raise UserError where there is nothing to upload, or nothing but the example, to the harm of others.

    ``loses``: something in the bucket would be deleted or replaced.
    """
    if not here and not there:
        raise UserError("data/ is empty; put a table there, then type: make data")
    if not here or loses and examples(here) == here.keys():
        what = "data/ is empty here" if not here else "data/ holds only the example here"
        address = f"{project_uri(settings, stack)}/data"
        raise UserError(
            f"{what}, and the bucket has {len(there)} files: it keeps them; to have them here, type: "
            f"aws s3 sync {address} data"
        )


def confirm(
    settings: Settings, stack: Mapping[str, str], gone: Files, ask: Callable[[str], str]
) -> Files:
    """Return the files that are gone here if they may be deleted in the bucket.

    Raises:
        UserError: they may not, or nobody can be asked.
    """
    more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
    names = ", ".join(map(plain, sorted(gone)[:5])) + more
    if settings.yes:
        note(f"deleting in the bucket what is gone here: {names}")
        return gone
    sentence = f"the bucket has {names}, which data/ here has not"
    if not sys.stdin.isatty():
        raise UserError(
            f"{sentence}; to delete that in the bucket, type: make data YES=1{bring(settings, stack, gone)}"
        )
    if ask(f"{sentence}. Type yes to delete that in the bucket: ").strip() != "yes":
        raise UserError("nothing was uploaded or deleted")
    return gone


def bring(settings: Settings, stack: Mapping[str, str], gone: Files) -> str:
    """Return what to type to have a few files of a colleague's here as well, and nothing else."""
    if len(gone) > 5:
        return ""
    names = (f"--include {shlex.quote(name.removeprefix('data/'))}" for name in sorted(gone))
    line = f"aws s3 sync {project_uri(settings, stack)}/data data --exclude '*' {' '.join(names)}"
    return f"; to have it here as well: {line}" if line == plain(line) else ""


def send(settings: Settings, stack: Mapping[str, str], names: list[str]) -> None:
    """Upload files, with progress; S3 checks each part by a checksum.

    Raises:
        UserError: one cannot be uploaded.
    """
    from boto3.exceptions import S3UploadFailedError
    from rich.console import Console  # 0.09 s
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    if not names:
        return
    s3 = client(settings, "s3")
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("data", total=sum(Path(name).stat().st_size for name in names))

        def put(name: str) -> None:
            try:
                s3.upload_file(
                    name, stack["Bucket"], f"{settings.project}/{name}",
                    Callback=lambda count: progress.advance(bar, count),
                )  # fmt: skip
            except (S3UploadFailedError, OSError) as error:
                raise UserError(f"{plain(name)} cannot be uploaded: {plain(error)}") from error

        side_by_side(put, names, THREADS)


def write_list(
    settings: Settings, stack: Mapping[str, str], files: Files, etag: str | None
) -> bool:
    """Replace the list unless somebody else has done so since it was read; tell whether it was."""
    from botocore.exceptions import ClientError

    body = json.dumps({"files": dict(sorted(files.items()))}).encode()
    # API reference, PutObject: 412 or 409 where the condition does not hold
    condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
    try:
        client(settings, "s3").put_object(
            Bucket=stack["Bucket"], Key=f"{settings.project}/{LIST}", Body=body,
            ContentType="application/json", **condition,
        )  # fmt: skip
    except ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
            return False
        raise
    return True


def differing(settings: Settings, stack: Mapping[str, str], paths: list[str]) -> list[str]:
    """Return the names of the files here that ``paths`` mean and that are not what was uploaded.

    A file that is not here counts as uploaded: a workflow of GitHub's has none.
    """
    here = hashed(settings, lambda name: any(belongs(name, path) for path in paths))
    there = uploaded(settings, stack)[0] if here else {}
    return [name for name, each in here.items() if not same(each, there.get(name), name)]
