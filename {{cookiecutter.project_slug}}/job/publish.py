"""Save results: what the script wrote in its folder, its checkpoints while it runs, and last the manifest."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from job import contract
from job.errors import PassingError, UserError, fault, say
from job.paths import facts
from job.scripts import IGNORED
from job.transfer import Transfer

# What shows that a file was replaced or changed: i-node, size, time of the last change.
Stamp = tuple[int, int, int]
# First parts of names that no script's file has in a run; `work` is where the script runs on the laptop.
TAKEN = (*contract.RESERVED, "work")
LOOK_EVERY = 1.0  # seconds between two looks at the checkpoints
SHARE = 0.05  # of the time that saving checkpoints may take


def stamp(path: Path) -> Stamp:
    """Return what tells a file from what it was before."""
    found = path.stat(follow_symlinks=False)
    return found.st_ino, found.st_size, found.st_mtime_ns


def walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Give out the files and links below ``folder`` with their relative names; bytecode is left out."""
    for at, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each != IGNORED]
        links = [each for each in folders if Path(at, each).is_symlink()]
        for each in (*names, *links):
            path = Path(at, each)
            yield path.relative_to(folder).as_posix(), path


def snapshot(work: Path) -> dict[str, Stamp]:
    """Return what is in the working folder before the script begins."""
    return {name: stamp(path) for name, path in walk(work)}


def written(work: Path, before: Mapping[str, Stamp]) -> dict[str, Path]:
    """Return the files that the script wrote or changed, by the names under which they are published."""
    found: dict[str, Path] = {}
    inside = os.path.realpath(work)  # unlike resolve(), it takes links that go round in circles
    for name, path in walk(work):
        try:
            now = stamp(path)
        except FileNotFoundError:
            continue
        if before.get(name) == now or on_its_way(name):
            continue
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
            say(f"warning: {name!a} is a link that leads out of the folder: it is not saved")
        elif why := fault(name):
            say(f"warning: {name!a} is not saved: {why}")
        elif path.is_file():
            found[free(name, work)] = path
    return found


def on_its_way(name: str) -> bool:
    """Tell whether this is a checkpoint without its name yet: a script that is killed leaves it."""
    return name.startswith(contract.CHECKPOINTS) and name.rpartition("/")[2].startswith(".")


def free(name: str, work: Path) -> str:
    """Return the name under which a script's file is published: not one that the system needs."""
    given = name
    while name.partition("/")[0].casefold() in TAKEN or name != given and (work / name).exists():
        name = f"script-{name}"
    if name != given:
        say(f"warning: {given} belongs to the system: the script's is saved as {name}")
    return name


def publish(base: str, files: Mapping[str, Path], saved: Container[str] = ()) -> dict[str, dict]:
    """Save files, by name, below ``base``, checkpoints first; return size and sha256 of each.

    Those that are ``saved`` already stay as they are. Raises if not all of them can be saved.
    """
    puts = [
        {"do": "put", "base": base, "files": [
            [str(files[name]), name, tags(name)]
            for name in sorted(files)
            if bool(tags(name)) == first and name not in saved
        ]}
        for first in (True, False)
    ]  # fmt: skip
    requests = [each for each in puts if each["files"]]
    moving = Transfer({"do": "several", "requests": requests})
    try:
        return {name: facts(files[name]) for name in sorted(files)}  # meanwhile
    finally:
        moving.result()


def tags(name: str) -> str:
    """Return the tags that an object gets."""
    return contract.CHECKPOINT_TAG if name.startswith(contract.CHECKPOINTS) else ""


def write_manifest(base: str, manifest: Mapping, scratch: Path) -> None:
    """Save the manifest: whoever finds it finds everything that it lists."""
    path = scratch / contract.MANIFEST
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    # what is no character, as a word of the command line can have it, becomes JSON's \uXXXX
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    request = {"do": "put", "base": base, "files": [[str(path), contract.MANIFEST, ""]]}
    Transfer(request).result()
    path.unlink()


class Mirror:
    """Saves checkpoints while the script runs.

    A look takes links of all that is new in the folder; what has not changed at the next look is whole and
    is saved, although the script has replaced or deleted it since. So a script may write checkpoints faster
    than they can be saved: each time it is the newest that are. Files go in the order of their renames,
    which is that of the times at which their i-nodes changed. ``staged`` are the names that an earlier
    attempt has saved below ``base``, and that were brought back to ``folder``.
    """

    def __init__(self, folder: Path, base: str, scratch: Path, staged: list[str]) -> None:
        self.folder, self.base, self.scratch = folder, base, scratch / "checkpoints"
        self.saved: dict[str, Stamp] = {
            name: stamp(folder / name) for name in staged if (folder / name).is_file()
        }
        self.held: dict[str, tuple[Path, Stamp]] = {}  # links of what is not saved yet
        self.snapshot: dict[str, Stamp] = {}  # all that was there when they were taken
        self.next = time.monotonic() + LOOK_EVERY
        self.under_way: tuple[Transfer, dict[str, Stamp], float] | None = None

    def look(self) -> None:
        """Do what there is to do now, without waiting for it; the script goes on whatever happens."""
        try:
            if self.under_way:
                if self.under_way[0].done():
                    self.settle()
            elif time.monotonic() >= self.next:
                self.next = time.monotonic() + LOOK_EVERY
                held = self.held.items()
                if resting := {name: each for name, each in held if stamp(each[0]) == each[1]}:
                    self.send(resting)
                else:
                    self.hold()
        except OSError as error:
            say(f"warning: checkpoints could not be saved yet: {error}")
            self.next = time.monotonic() + 10 * LOOK_EVERY

    def there(self) -> dict[str, Stamp]:
        """Return the checkpoints that are there now, in the order in which they came."""
        found = []
        for name, path in walk(self.folder) if self.folder.is_dir() else ():
            if on_its_way(contract.CHECKPOINTS + name) or fault(name) or path.is_symlink():
                continue
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    # of two in one tick of the clock, the smaller one is the mark of the other
                    facts = path.stat()
                    found.append((facts.st_ctime_ns, -facts.st_size, name, stamp(path)))
        return {name: now for *_, name, now in sorted(found)}

    def hold(self) -> None:
        """Take links of what is not saved as it is now; without any, forget what is gone."""
        self.release()
        there = self.there()
        new = {name: now for name, now in there.items() if self.saved.get(name) != now}
        if new:
            self.scratch.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(new):
            link = self.scratch / str(number)
            try:
                os.link(self.folder / name, link)
            except FileNotFoundError:
                del there[name]
                continue
            there[name] = stamp(link)
            self.held[name] = link, there[name]
        self.snapshot = there
        if there and not new:  # without any the script may be about to write one
            self.forget(there)

    def release(self) -> None:
        """Let go of the links: what the script deletes is to go."""
        self.held, self.snapshot = {}, {}
        shutil.rmtree(self.scratch, ignore_errors=True)

    def send(self, files: Mapping[str, tuple[Path, Stamp]]) -> None:
        """Begin to save these files."""
        # one at a time, so that the order of the renames is kept
        put = {"do": "put", "base": self.base, "gently": True}
        requests = [
            put | {"files": [[str(link), name, contract.CHECKPOINT_TAG]]}
            for name, (link, _) in files.items()
        ]
        stamps = {name: now for name, (_, now) in files.items()}
        transfer = Transfer({"do": "several", "requests": requests})
        self.under_way = transfer, stamps, time.monotonic()
        if self.under_way[0].done():
            self.settle()

    def safe(self) -> set[str]:
        """Return the names below the run of the checkpoints that are saved as they are now."""
        return {
            f"{contract.CHECKPOINTS}{name}"
            for name, now in self.there().items()
            if self.saved.get(name) == now
        }

    def settle(self) -> None:
        """Take note of what came of saving: a failure is told and tried again at a later look."""
        transfer, files, began = self.under_way
        self.under_way = None
        snapshot = self.snapshot
        try:
            transfer.result()
        except (UserError, PassingError) as error:
            say(f"warning: the checkpoint could not be saved yet: {error}")
            snapshot = {}
        else:
            for name, now in files.items():
                self.saved.pop(name, None)  # the last one saved is to stand last
                self.saved[name] = now
                say(f"-- checkpoint safe: {name}")
        self.release()
        took = time.monotonic() - began
        self.next = time.monotonic() + max(LOOK_EVERY, took / SHARE)
        if snapshot and all(self.saved.get(name) == now for name, now in snapshot.items()):
            self.forget(snapshot)

    def forget(self, there: Container[str]) -> None:
        """Delete what this attempt brought or saved and is not ``there`` any more, the last that came first."""
        gone = [name for name in reversed(self.saved) if name not in there]
        if not gone:
            return
        try:
            Transfer({"do": "delete", "base": self.base, "names": gone}).result()
        except (UserError, PassingError) as error:
            say(f"warning: old checkpoints could not be removed: {error}")
            return
        for name in gone:
            del self.saved[name]

    def finish(self) -> None:
        """Wait for what is under way."""
        if self.under_way:
            self.settle()
        self.release()
