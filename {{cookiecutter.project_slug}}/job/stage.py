"""Bring data: each channel as a folder that holds nothing else, and at its path in the working folder."""

import contextlib
import glob
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from job import contract
from job.errors import UserError, fault
from job.paths import facts, fixed, is_s3

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def channels(text: str) -> dict[str, dict[str, str]]:
    """Return the channels in ``RUN_CHANNELS``, or raise UserError."""
    try:
        found = json.loads(text or "{}")
        good = all(
            NAME.fullmatch(name)
            and isinstance(each["uri"], str)
            and each["uri"]
            and not ("path" in each and fault(each["path"].rstrip("/")))
            for name, each in found.items()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise UserError(f"{contract.CHANNELS} is not a JSON object of channels, each with its uri")
    return found


def stage(request: Mapping) -> dict:
    """Bring the channels of a request, and the checkpoints of an earlier attempt, into its folder ``work``.

    Of each channel the address is returned, and its files with size and, if they come from elsewhere,
    sha256; of the checkpoints the names.
    """
    work = Path(request["work"])
    staged = {}
    for name, channel in request["channels"].items():
        folder = work / "input/data" / name
        folder.mkdir(parents=True, exist_ok=True)
        files = bring(channel["uri"], folder)
        link(folder, files, channel, work)
        staged[name] = {"uri": channel["uri"], "files": files}
    checkpoints = earlier(request["checkpoints"], work) if request.get("checkpoints") else []
    protect(work / "input/data")
    protect(work / "data")
    return {"channels": staged, "checkpoints": checkpoints}


def bring(uri: str, folder: Path) -> dict[str, dict]:
    """Bring what is at ``uri`` into ``folder`` and return its files by name, with what is known of them."""
    if is_s3(uri):
        from job.sources import s3

        names = s3.fetch_all(uri, folder)
    elif uri.startswith("td://"):
        from job.sources import treasure_data

        names = [treasure_data.fetch(uri, folder).name]
    elif "://" in uri:
        from job.sources import web

        names = [web.fetch(uri, folder).name]
    else:
        return here(uri, folder)
    return {name: facts(folder / name) for name in names}


def here(path: str, folder: Path) -> dict[str, dict]:
    """Link the files at ``path`` on this machine, a file, a folder or a pattern, into ``folder``."""
    source = Path(path)
    base = source if source.is_dir() else source.parent if source.is_file() else Path(fixed(path))
    there = (
        source.rglob("*") if source.is_dir()
        else [source] if source.is_file()
        else map(Path, glob.glob(path))  # noqa: PTH207 - absolute, too
    )  # fmt: skip
    found = {each.relative_to(base).as_posix(): each for each in there if each.is_file()}
    names = {}
    for name, each in sorted(found.items()):
        if name.startswith(contract.CHECKPOINTS) or "/." in f"/{name}":
            continue
        if why := fault(name):
            raise UserError(f"{path!a}: {name!a}: {why}")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(each.resolve())
        names[name] = {"size_bytes": each.stat().st_size}
    if not names:
        raise UserError(
            f"{path}: there is no such file or folder, or nothing in it; name what there is, as in "
            "DATA=data/train.csv"
        )
    return names


def link(folder: Path, files: Mapping, channel: Mapping, work: Path) -> None:
    """Let each file of a channel stand at its path in the working folder too."""
    if "path" not in channel:
        return
    path = channel["path"].rstrip("/")
    # a file goes to the path itself; the files of a folder, or of a pattern, next to each other there
    alone = list(files) == [path.rpartition("/")[2]]
    base = path.rpartition("/")[0] if alone else fixed(path) if glob.has_magic(path) else path
    for name in files:
        target = work / base / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another channel has brought it
            if (folder / name).is_symlink():
                target.symlink_to((folder / name).resolve())
            else:
                os.link(folder / name, target)


def earlier(uri: str, work: Path) -> list[str]:
    """Bring back the checkpoints that an earlier attempt saved at ``uri``; return their names."""
    folder = work / contract.CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    if is_s3(uri):
        from job.sources import s3

        return s3.fetch_all(uri, folder, empty=True)
    names = []
    for each in sorted(Path(uri).rglob("*")) if Path(uri).is_dir() else []:
        if not each.is_file():
            continue
        if each.name.startswith("."):  # it was being saved when the machine went
            each.unlink()
        else:
            name = each.relative_to(uri).as_posix()
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(each, folder / name)
            names.append(name)
    return names


def protect(folder: Path) -> None:
    """Take away the permission to write from a folder and from the files that were brought into it."""
    for at, _, names in os.walk(folder, topdown=False):
        for path in (Path(at, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o444)
        Path(at).chmod(0o555)


def unprotect(work: Path) -> None:
    """Let the folders below ``work`` be removed again."""
    for at, _, _ in os.walk(work):
        Path(at).chmod(0o755)
