"""The project's mark: an id in a file that git keeps, and the tag ``project-id`` on what is ours in AWS.

A name alone says nothing: two people may both have generated "churn-model", or somebody else's stack
may have that name. What does not carry the mark is never changed, emptied or deleted.
"""

import re
import secrets
import string
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ecs.console import note
from ecs.errors import UserError
from ecs.settings import Settings

FILE = Path("project-id")
TAG = "project-id"
# it also stands in the names of change sets, which are letters, digits and hyphens
FORM = r"[A-Za-z][A-Za-z0-9-]{7,63}"


def read() -> str:
    """Return the project's id; "" where the project has none yet.

    Raises:
        UserError: the file holds something else.
    """
    try:
        text = FILE.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
    if not re.fullmatch(FORM, text):
        raise UserError(
            f"{FILE} must hold the project's id alone, a letter and then 7 to 63 letters, digits and "
            f"hyphens; take back the committed one, or, if there never was one, type: rm {FILE}"
        )
    return text


def needed() -> str:
    """Return the project's id.

    Raises:
        UserError: it has none.
    """
    found = read()
    if not found:
        raise UserError("this project has no id yet; type: make cluster")
    return found


def ensure() -> str:
    """Return the project's id; make one for a project that was generated before there were any."""
    found = read()
    if not found:
        found = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
        FILE.write_text(found + "\n", encoding="utf-8")
        note(
            f"made this project's id, in {FILE}; to share it with your team, commit it: git add {FILE}"
        )
    return found


def tags_of(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags by their keys; services spell ``Key`` and ``Value``, ECS spells them small."""
    return {
        each.get("Key") or each["key"]: each.get("Value", each.get("value", "")) for each in listed
    }


def tags(settings: Settings) -> list[dict[str, str]]:
    """Return the tags of what this project makes."""
    return [{"Key": "project", "Value": settings.project}, {"Key": TAG, "Value": needed()}]


def ours(found: Mapping[str, str]) -> bool:
    """Tell whether tags hold this project's id."""
    return bool(read()) and found.get(TAG) == read()


def unmarked(settings: Settings, found: Mapping[str, str]) -> bool:
    """Tell whether tags are what this project's things had before there were ids."""
    return TAG not in found and found.get("project") == settings.project


def problem(what: str, found: Mapping[str, str], before: bool) -> tuple[str, str] | None:
    """Return why ``what``, which has these tags, is not to be touched, and what to do; or None.

    ``before`` says that it looks like one that this project made before there were ids.
    """
    other = found.get(TAG)
    if ours(found):
        return None
    if other and re.fullmatch(FORM, other):
        return (
            f"{what} belongs to another project, whose id is {other}",
            f"echo {other} > {FILE}, but only if the two are to share it; if not, change PROJECT in "
            + "the Makefile",
        )
    if before:
        return f"{what} does not have this project's id yet", "make cluster, which asks first"
    return (
        f"{what} was not made by this project and stays as it is",
        "make cluster PROJECT=another-name, or for good change PROJECT in the Makefile",
    )


def foreign(what: str) -> str:
    """Return the sentence about something that this project did not make."""
    return "; type: ".join(problem(what, {}, False) or ())


def check(what: str, found: Mapping[str, str], before: bool = False) -> None:
    """Return if ``what``, which has these tags, is this project's.

    Raises:
        UserError: it is not.
    """
    wrong = problem(what, found, before)
    if wrong:
        raise UserError("; type: ".join(wrong))


def confirm(
    settings: Settings, purpose: str, nobody: str, refused: str, ask: Callable[[str], str] = input
) -> None:
    """Return if the user types the project's name, or has set YES.

    Raises:
        UserError: the user does not, or cannot be asked (``nobody``).
    """
    if settings.yes:
        return
    if not sys.stdin.isatty():
        raise UserError(nobody)
    try:
        answer = ask(f"Type {settings.project} to {purpose}: ")
    except EOFError:
        answer = ""
    if answer.strip() != settings.project:
        raise UserError(refused)
