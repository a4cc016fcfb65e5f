"""`make data`: the bucket's data/ becomes what is here, by content; what was uploaded stands in one list.

The list is the object ``data.json`` beside data/: name, sha256 and size of each file. It is replaced under the
condition that nobody has replaced it meanwhile.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ecs import channels, history
from ecs.aws import client, write_private
from ecs.console import plain
from ecs.errors import UserError
from ecs.follow import note
from ecs.request import project_uri
from ecs.settings import Settings

DATA = Path("data")
LIST = "data.json"
THREADS = 8
TRIES = 5  # of replacing the list, while others do
EXAMPLE = ("data/train.csv", "data/test.csv")  # what data/example.py writes

Files = dict[str, dict[str, Any]]  # by name, data/ included: sha256, size


def local(folder: Path = DATA) -> Iterator[Path]:
    """Give out the files in data/ that are uploaded: no hidden ones, no programs, no links that lead out."""
    for path in sorted(folder.rglob("*")):
        inside = path.resolve().is_relative_to(folder.resolve())
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and path.suffix != ".py" and not hidden:
            if inside:
                yield path
            else:
                note(f"{plain(path)} is a link that leads out of data/: it is not uploaded")


def hashed(settings: Settings) -> Files:
    """Return the files in data/ with sha256 and size; what is known from the last time is not read again.

    A file is the same while i-node, size, and the times of the last changes of content and i-node are.
    """
    cache = settings.state_folder / "hashes.json"
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    found, kept = {}, {}
    for path in local():
        about = path.stat()
        stamp = [about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns]
        name = path.as_posix()
        entry = known.get(name) if isinstance(known, dict) else None
        if isinstance(entry, dict) and entry.get("stamp") == stamp:
            digest = entry["sha256"]
        else:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        kept[name] = {"stamp": stamp, "sha256": digest}
        found[name] = {"sha256": digest, "size": about.st_size}
    if kept != known:
        write_private(settings, cache, json.dumps(kept))
    return found


def uploaded(settings: Settings, stack: Mapping[str, str]) -> tuple[Files, str | None]:
    """Return what the bucket holds by its list, and the list's ETag; None: there is no list yet.

    Without a list, what was uploaded by `aws s3 sync` is known by its MD5 (the ETag of a small object) only.
    """
    s3 = client(settings, "s3")
    try:
        answer = s3.get_object(Bucket=stack["Bucket"], Key=f"{settings.project}/{LIST}")
    except s3.exceptions.NoSuchKey:
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=stack["Bucket"], Prefix=f"{settings.project}/data/"
        )
        objects = [each for page in pages for each in page.get("Contents", [])]
        prefix = f"{settings.project}/"
        return {
            each["Key"].removeprefix(prefix): {
                "sha256": "", "size": each["Size"], "md5": each.get("ETag", "").strip('"'),
            }
            for each in objects
            if not each["Key"].endswith("/")
        }, None  # fmt: skip
    try:
        files = json.loads(answer["Body"].read())["files"]
        good = all(isinstance(each["sha256"], str) for each in files.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise UserError(
            f"s3://{stack['Bucket']}/{settings.project}/{LIST} is no list of data; to upload all of data/ "
            f"again, type: aws s3 rm s3://{stack['Bucket']}/{settings.project}/{LIST}, then make data"
        )
    return files, answer.get("ETag")


def same(here: Mapping, there: Mapping | None, path: str) -> bool:
    """Tell whether a file here has the content of the one there."""
    if there is None or here["size"] != there["size"]:
        return False
    if there["sha256"]:
        return here["sha256"] == there["sha256"]
    return hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest() == there["md5"]


def is_example(files: Files) -> bool:
    """Tell whether data/ holds nothing but what data/example.py writes."""
    if not files or not set(files) <= set(EXAMPLE):
        return False
    mark = DATA / ".example"
    try:
        known = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all(known.get(name) == each["sha256"] for name, each in files.items())


def plan(here: Files, there: Files) -> tuple[list[str], list[str]]:
    """Return the names to upload, and those to delete in the bucket."""
    changed = [name for name, each in here.items() if not same(each, there.get(name), name)]
    return changed, sorted(there.keys() - here.keys())


def upload(settings: Settings, stack: Mapping[str, str], ask: Callable[[str], str] = input) -> None:
    """Make the bucket's data/ what data/ is here.

    Raises:
        UserError: that would put nothing, or the example, in the place of what the bucket holds; or
            something would be deleted and nobody says that it may.
    """
    here = hashed(settings)
    there, etag = uploaded(settings, stack)
    changed, gone = plan(here, there)
    if there and (not here or is_example(here) and set(changed + gone)):
        what = "data/ is empty here" if not here else "data/ holds only the example here"
        raise UserError(
            f"{what}, and the bucket has {len(there)} files: it keeps them; they are in "
            f"{project_uri(settings, stack)}/data/ (aws s3 sync brings them here)"
        )
    if gone:
        confirm(settings, gone, ask)
    send(settings, stack, changed)
    for number in range(TRIES):
        kept = {name: each for name, each in there.items() if name in here or name not in gone}
        files = kept | {name: here[name] for name in here}
        if write_list(settings, stack, files, etag):
            break
        others, etag = uploaded(settings, stack)
        there = others | {name: there[name] for name in there if name in here}
        if number == TRIES - 1:
            raise UserError("others are uploading at the same time; try again: make data")
    for name in gone:  # once the list no longer has them
        client(settings, "s3").delete_object(
            Bucket=stack["Bucket"], Key=f"{settings.project}/{name}"
        )
    note(
        f"data: {len(changed)} uploaded, {len(gone)} deleted, {len(here) - len(changed)} unchanged"
    )


def confirm(settings: Settings, gone: list[str], ask: Callable[[str], str]) -> None:
    """Return if the files that are gone here may be deleted in the bucket.

    Raises:
        UserError: they may not, or nobody can be asked.
    """
    names = ", ".join(map(plain, gone[:5])) + (
        f" and {len(gone) - 5} more" if len(gone) > 5 else ""
    )
    if settings.yes:
        note(f"deleting in the bucket what is gone here: {names}")
        return
    sentence = f"the bucket has {names}, which data/ here has not"
    if not sys.stdin.isatty():
        raise UserError(f"{sentence}; to delete that in the bucket, type: make data YES=1")
    if ask(f"{sentence}. Type yes to delete that in the bucket: ").strip() != "yes":
        raise UserError("nothing was uploaded or deleted")


def send(settings: Settings, stack: Mapping[str, str], names: list[str]) -> None:
    """Upload files, with progress."""
    from rich.console import Console  # 0.09 s
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    if not names:
        return
    s3 = client(settings, "s3")
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("data", total=sum(Path(name).stat().st_size for name in names))

        def put(name: str) -> None:
            s3.upload_file(
                name, stack["Bucket"], f"{settings.project}/{name}",
                Callback=lambda count: progress.advance(bar, count),
            )  # fmt: skip

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(put, names))


def write_list(
    settings: Settings, stack: Mapping[str, str], files: Files, etag: str | None
) -> bool:
    """Replace the list unless somebody else has done so since it was read; tell whether it was."""
    from botocore.exceptions import ClientError

    body = json.dumps({"files": dict(sorted(files.items()))}, ensure_ascii=False).encode()
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


def compare(
    settings: Settings, stack: Mapping[str, str], channel: Mapping
) -> tuple[str, str] | None:
    """Return what is wrong with the local files of the channels, and what to type; None: nothing.

    A file that is not here counts as uploaded: a workflow of GitHub's has none.
    """
    paths = [each["path"] for each in channel.values() if each.get("path", "").startswith("data")]
    if not paths or not any(True for _ in local()):
        return None
    here = {
        name: each
        for name, each in hashed(settings).items()
        if any(history.belongs(name, path) for path in paths)
    }
    there, _ = uploaded(settings, stack)
    differs = [name for name, each in here.items() if not same(each, there.get(name), name)]
    if not differs:
        return None
    names = ", ".join(map(plain, differs[:3]))
    given = " ".join(
        f"{name}={each['uri']}" if name != channels.TRAIN or len(channel) > 1 else each["uri"]
        for name, each in channel.items()
    )
    return (
        f"{names} differs from what was uploaded",
        f'make data, or, to train on what was uploaded: make run DATA="{given}"',
    )
