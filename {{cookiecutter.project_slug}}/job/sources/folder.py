"""Files in folders of this machine, in the place of S3: `make train`, and runs that stay here."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from job.errors import UserError


def put_all(base: str, files: Sequence[tuple[str, str, str]], gently: bool = False) -> None:
    """Save files, given by path, name below ``base`` and tags."""
    for path, name, tags in files:
        # a script may write on in a checkpoint: what is saved must not change with it
        save(Path(path), Path(base, name), link=not tags)


def save(path: Path, target: Path, link: bool) -> None:
    """Copy a file, by a link where it may be one and the disk can; it has its name only when it is whole."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            (os.link if link else shutil.copy2)(path, part, follow_symlinks=True)
        except OSError:
            shutil.copy2(path, part)
        part.replace(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def delete(path: str) -> None:
    """Delete a file; what is not there is no error."""
    Path(path).unlink(missing_ok=True)


def read(path: str) -> bytes | None:
    """Return the content of a file; None if there is none."""
    return Path(path).read_bytes() if Path(path).is_file() else None
