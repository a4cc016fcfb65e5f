"""The files of a run, from the bucket to runs/ID. Their names come from outside, and are checked first."""

import contextlib
import hashlib
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ecs import contract
from ecs.aws import client, side_by_side
from ecs.console import note, plain
from ecs.errors import UserError
from ecs.history import records, saved
from ecs.history.run import Run
from ecs.refusals import code_and_message

RUNS = Path("runs")
LONGEST_NAME = 255  # bytes, on every usual file system
THREADS = 8


def fault(name: str) -> str:
    """Say why an object called ``name`` below a run's prefix is no file of the run's; "" where it is one."""
    parts = name.split("/")
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in name):
        return "its name has control characters"
    if ".." in parts or "." in parts or "" in parts or "\\" in name:
        return "its name leads out of the run's folder, or is no path"
    if any(len(part.encode()) > LONGEST_NAME for part in parts):
        return f"a part of its name is longer than {LONGEST_NAME} bytes"
    return ""


def chosen(names: Iterable[str], exact_case: bool = True) -> tuple[list[str], dict[str, str]]:
    """Return the names that can be files side by side, and why each of the others cannot.

    A name that ends in a slash is the marker of a folder, which S3's console makes: it is neither.

    Args:
        names: below the run's prefix.
        exact_case: the disk tells ``A`` from ``a``.
    """
    good: dict[str, str] = {}  # as the disk knows them: as S3 does
    bad: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in sorted(names):
        as_disk = name if exact_case else unicodedata.normalize("NFC", name).casefold()
        above = [as_disk[:place] for place, each in enumerate(as_disk) if each == "/"]
        if name and not name.endswith("/") and (why := fault(name)):
            bad[name] = why
        elif name.endswith("/") or not name:
            continue
        elif as_disk in good:
            bad[name] = f"this disk takes its name for that of {good[as_disk]}"
        elif as_disk in folders:
            bad[name] = f"{name} is a folder here, since there is {folders[as_disk]}"
        elif file := next((good[each] for each in above if each in good), None):
            bad[name] = f"{file} is a file here, and no folder"
        else:
            good[as_disk] = name
            folders |= dict.fromkeys(above, name)
    return list(good.values()), bad


def folder_of(run: str) -> Path:
    """Return runs/ID, which is there from then on.

    Raises:
        UserError: a link leads elsewhere.
    """
    folder = RUNS / run
    folder.mkdir(parents=True, exist_ok=True)
    inside(folder, RUNS)
    return folder


def inside(path: Path, folder: Path) -> None:
    """Raise UserError unless ``path``, links followed, is below ``folder``."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"{plain(path)} is a link that leads out of {plain(folder)}: remove it, then try again"
        )


def save(path: Path, folder: Path, size: int, write: Callable[[str], None]) -> None:
    """Let ``write`` make a file, and give it its name ``path`` once it is whole.

    Args:
        path: below ``folder``.
        folder: whatever links lead out of it are not followed.
        size: of the whole file, in bytes.
        write: to the path that it gets.

    Raises:
        UserError: it cannot be written here, or is not whole.
    """
    # a name of its own: another process may fetch the same run
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        inside(path.parent, folder)
        write(str(partial))
        if (came := partial.stat().st_size) != size:
            raise UserError(f"{came:,} of {size:,} bytes came: it was changed meanwhile; try again")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"it cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def there(run: Run) -> tuple[dict[str, int], dict | None]:
    """Return the sizes of a run's files, by name, and what its last attempt says of them, if it says anything."""
    prefix = records.key(run)
    sizes = {each["Key"].removeprefix(prefix): each["Size"] for each in saved.objects(run)}
    listed = saved.files_of(run)
    if listed is None:
        note("the last attempt left no list of its files: all that lies there is fetched")
        return sizes, None
    return {n: size for n, size in sizes.items() if n in listed or n in contract.RESERVED}, listed


def wanted_of(sizes: Mapping[str, int], folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the names of the files to fetch, which are all but checkpoints, and why others cannot be."""
    exact_case = not Path(str(folder.absolute()).swapcase()).exists()
    good, bad = chosen((name for name in sizes if not name.startswith("checkpoints/")), exact_case)
    bad |= {
        name: "it is the marker of a folder, and no file may have its name"
        for name, size in sizes.items()
        if size and name not in good and name not in bad and not name.startswith("checkpoints/")
    }
    return good, bad


def download(run: Run) -> tuple[list[Path], dict[str, str]]:
    """Download all files of a run but its checkpoints to runs/ID/, with progress.

    Returns:
        The paths of the files that are here now; and of the others, by name, why they are not.
    """
    from botocore.exceptions import ClientError
    from rich.console import Console  # 0.09 s
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    prefix, s3 = records.key(run), client(run.settings, "s3")
    folder = folder_of(run.id)
    sizes, listed = there(run)
    good, bad = wanted_of(sizes, folder)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"run {run.id}", total=sum(sizes[name] for name in good))

        def fetch(name: str) -> str:
            def write(path: str) -> None:
                s3.download_file(
                    run.outputs["Bucket"], prefix + name, path,
                    Callback=lambda count: progress.advance(bar, count),
                )  # fmt: skip

            def check(path: str) -> None:
                entry = (listed or {}).get(name)
                wanted = entry.get("sha256") if isinstance(entry, Mapping) else None
                with Path(path).open("rb") as file:
                    if wanted and hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                        raise UserError("it is not the file that the run wrote (sha256): try again")

            def write_and_check(path: str) -> None:
                write(path)
                check(path)

            try:
                save(folder / name, folder, sizes[name], write_and_check)
            except UserError as error:
                return str(error)
            except ClientError as error:
                return f"AWS says: {': '.join(code_and_message(error))}"
            return ""

        failed = dict(zip(good, side_by_side(fetch, good, THREADS), strict=True))
    bad |= {name: why for name, why in failed.items() if why}
    return [folder / name for name in good if name not in bad], bad
