"""Which files are the owner's scripts: what `.dockerignore` admits, without the machinery.

``python -m job.scripts`` prints everything that `.dockerignore` admits, each name ended by a NUL.
The rules are Docker's ("Dockerfile reference", .dockerignore files): the last line that matches decides, also
one that matches a folder above; ``!`` admits again; ``**`` stands for any number of folders.
"""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from job.errors import UserError

MACHINERY = ("job", "training")
# Admitted for the build only.
BUILD = re.compile(r"requirements[^/]*\.txt|packages\.txt|Dockerfile|\.dockerignore")
IGNORED = "__pycache__"
SIGNS = {"*": "[^/]*", "?": "[^/]"}


class Rule(NamedTuple):
    """One line of `.dockerignore`."""

    admits: bool
    pattern: re.Pattern


def rules(text: str) -> list[Rule]:
    """Return the rules in the text of a `.dockerignore`; raise UserError for a line that is no pattern."""
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        word = line.strip()
        if not word or line.startswith("#"):
            continue
        admits = word.startswith("!")
        cleaned = os.path.normpath(word.removeprefix("!").strip()).lstrip("/")
        if cleaned != ".":
            try:
                found.append(Rule(admits, re.compile(translated(cleaned), re.DOTALL)))
            except re.error as error:
                raise UserError(f".dockerignore: {line!a} is not a pattern: {error}") from error
    return found


def translated(glob: str) -> str:
    """Return a pattern of Docker's as a regular expression."""
    if ending := re.fullmatch(r"\*\*(/?)([^*?[\]\\]+)", glob):  # names that end so, or are so
        return ("(?:.*/)?" if ending[1] else ".*") + re.escape(ending[2])
    found = ""
    for token in re.findall(r"\*\*/?|\*|\?|\[[^]]+\]|\\.|.", glob.removesuffix("**"), re.DOTALL):
        if token.startswith("**"):
            found += "(?:.*/)?"
        elif token in SIGNS:
            found += SIGNS[token]
        else:
            found += token if token[0] == "[" and token[1:] else re.escape(token[-1])
    return found + (".*" if glob.endswith("**") else "")


def excluded(path: str, known: list[Rule]) -> bool:
    """Tell whether ``path`` stays out."""
    above = [path[:place] for place, each in enumerate(path) if each == "/"]
    out = False
    for rule in known:
        if rule.admits == out and any(rule.pattern.fullmatch(each) for each in (path, *above)):
            out = not rule.admits
    return out


def closed(folder: str, known: list[Rule]) -> bool:
    """Tell whether nothing below ``folder`` can be admitted: no ``!`` comes after what excludes it."""
    last = max((at for at, rule in enumerate(known) if rule.admits), default=-1)
    return any(rule.pattern.fullmatch(folder) for rule in known[last + 1 :])


def admitted(root: Path) -> list[str]:
    """Return the relative paths of all files that go into the image, sorted; in the image, of all."""
    file = root / ".dockerignore"
    known = rules(file.read_text(encoding="utf-8")) if file.is_file() else []
    found = []
    for folder, folders, names in os.walk(root):
        base = Path(folder).relative_to(root).as_posix().removeprefix(".").lstrip("/")
        prefix = f"{base}/" if base else ""
        folders[:] = [
            name for name in folders if name != IGNORED and not closed(prefix + name, known)
        ]
        found += [prefix + name for name in names if not excluded(prefix + name, known)]
    return sorted(found)


def scripts(root: Path) -> list[str]:
    """Return the relative paths of the owner's files among those that go into the image."""
    return [
        name
        for name in admitted(root)
        if name.partition("/")[0] not in MACHINERY and not BUILD.fullmatch(name)
    ]


def copy(root: Path, work: Path) -> None:
    """Copy the owner's files from ``root`` to ``work``, with modes and times."""
    for name in scripts(root):
        target = work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target)
        target.chmod(target.stat().st_mode | 0o600)  # the image's are not this user's to change


def main(arguments: list[str]) -> None:
    """Print what goes into the image; with ``-`` which of the names on standard input would, NUL behind each."""
    if arguments == ["-"]:
        known = rules(Path(".dockerignore").read_text(encoding="utf-8"))
        asked = sys.stdin.buffer.read().split(b"\0")
        found = [
            name for each in asked if (name := os.fsdecode(each)) and not excluded(name, known)
        ]
    else:
        found = admitted(Path())
    sys.stdout.buffer.write(b"".join(os.fsencode(name) + b"\0" for name in found))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
