"""Files on this machine, as training reads and writes them: each is there whole, or not at all."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from training.errors import UserError, nearest

# The disk is full, or what one user or one file may have of it.
FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG


@contextlib.contextmanager
def scratch(needed: Callable[[], int] | None = None) -> Iterator[Path]:
    """Give a folder for temporary files (under TMPDIR), and remove it afterwards.

    ``needed`` estimates what is needed of the disk, in bytes; it is asked when the disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="training-") as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UserError(full(needed and needed())) from error


def full(needed: int | None = None) -> str:
    """Return a sentence about a scratch disk that is too small, with what to type."""
    folder = tempfile.gettempdir()
    total = shutil.disk_usage(folder).total
    about = f", and about {-(-needed >> 20):,} MiB are needed" if needed else ""
    wanted = min(200, max(50, 2 * max(total, needed or 0) >> 30))  # GiB, as Fargate has them
    return (
        f"the scratch disk is full: '{folder}' has {total >> 20:,} MiB in all{about}; on ECS type: "
        f"make run DISK={wanted}, elsewhere set TMPDIR to a folder on a larger disk"
    )


def check_scratch(needed: int) -> None:
    """Find out before the work whether it finds so many bytes on the scratch disk."""
    if needed > shutil.disk_usage(tempfile.gettempdir()).free:
        raise UserError(full(needed))


def size(table: str) -> int:
    """Return the size of the files that ``table`` names, in bytes: a file, a folder or a glob."""
    path = Path(table)
    found = [path] if path.exists() else Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    files = [below for each in found for below in (each.rglob("*") if each.is_dir() else [each])]
    return sum(file.stat().st_size for file in files)


def shown(path: Path | str) -> str:
    """Return a path as the log shows it: in a run, relative to the run's folder, which is moved later."""
    folder = os.environ.get("RUN_FOLDER")
    inside = folder and Path(path).absolute().is_relative_to(folder)
    return str(Path(path).absolute().relative_to(folder)) if inside else str(path)


def existing(path: Path) -> Path:
    """Return ``path``, which is a file that can be read."""
    if path.is_dir():
        raise UserError(f"'{path}' is a folder: name one file in it")
    if not path.exists():
        others = [file.name for file in path.parent.glob("*")] if path.parent.is_dir() else []
        near = nearest(path.name, others)
        hint = f"; did you mean '{path.with_name(near)}'?" if near else ""
        raise UserError(f"'{path}': no such file{hint}")
    if not os.access(path, os.R_OK):
        raise UserError(f"'{path}': no permission to read it")
    return path


def check_writable(folder: Path) -> None:
    """Find out before the work whether its results can be saved in ``folder``. Writes nothing."""
    path = folder.absolute()
    while not path.exists():
        path = path.parent
    if not path.is_dir():
        raise UserError(f"'{folder}' cannot be written: {path.name!r} is a file, not a folder")
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"'{folder}' cannot be written: no permission; type another --output")


def put(source: Path, target: Path) -> None:
    """Copy the file ``source`` to ``target``."""
    with replacing(target) as part:
        shutil.copyfile(source, part)


def write_bytes(content: bytes, target: Path) -> None:
    """Write ``content`` to ``target``, where it outlasts a crash of the machine right afterwards."""
    with replacing(target) as part, part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name too
    finally:
        os.close(folder)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a file to write, which takes the name ``target`` once it is complete."""
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(target)
    except OSError as error:
        more = "; on ECS type: make run DISK=50" if error.errno in FULL else ""
        raise UserError(f"'{target}' cannot be written: {error.strerror or error}{more}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def read_bytes(path: Path) -> bytes:
    """Return the content of ``path``; nothing if there is no such file."""
    return path.read_bytes() if path.is_file() else b""


def read_json(path: Path) -> dict:
    """Return the JSON object in ``path``."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path.name}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path.name}: a JSON object was expected")
    return value


def write_json(value: dict, path: Path) -> None:
    """Write ``value`` to ``path`` as JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
