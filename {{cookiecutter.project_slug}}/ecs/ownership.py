"""Whose a stack, a bucket or anything else in AWS is: only what bears this project's mark is touched.

The mark is the tag ``project-id``. Its value was made when the project was generated and stands in the file
``.project-id``, which git keeps: a second project of the same name has another one.
"""

import re
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ecs.console import plain
from ecs.errors import UserError
from ecs.follow import note
from ecs.settings import ID_FILE, Settings

MARK = "project-id"
# What stacks have that were made before there was a mark.
DESCRIPTION = "All that lasts of one training project"
OUTPUTS = {"Bucket", "Cluster", "LogGroup", "RepositoryUri", "TaskRoleArn"}

OURS, OLDER, FOREIGN = "ours", "older", "foreign"


def tags_of(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return tags by their keys, from ``Key`` and ``Value`` or, as ECS has it, ``key`` and ``value``."""
    return {
        each.get("Key", each.get("key")): each.get("Value", each.get("value")) for each in listed
    }


def tags(settings: Settings) -> dict[str, str]:
    """Return the tags of everything that the project makes."""
    mark = {MARK: settings.project_id} if settings.project_id else {}
    return {"project": settings.project, **mark}


def standing(settings: Settings, found: Mapping[str, str]) -> str:
    """Say whose something with the tags ``found`` is; OLDER is ours by its name, without a mark."""
    if MARK in found:
        return OURS if found[MARK] == settings.project_id else FOREIGN
    return OLDER if found.get("project") == settings.project else FOREIGN


def of_stack(settings: Settings, stack: Mapping) -> str:
    """Say whose a stack is, as DescribeStacks shows it."""
    whose = standing(settings, tags_of(stack.get("Tags", [])))
    outputs = {each["OutputKey"] for each in stack.get("Outputs", [])}
    described = stack.get("Description", "").startswith(DESCRIPTION)
    if whose == OLDER and not (described and (not outputs or outputs >= OUTPUTS)):
        return FOREIGN
    return whose


def check(settings: Settings, what: str, whose: str, found: Mapping[str, str]) -> None:
    """Refuse what is somebody else's.

    Args:
        settings: the Makefile's variables.
        what: for the sentence, such as ``the stack 'churn' in us-east-1``.
        whose: of ``standing``.
        found: the tags.

    Raises:
        UserError: it is FOREIGN.
    """
    if whose != FOREIGN:
        return
    other = f"choose another name: make cluster PROJECT={settings.project}-2"
    if re.fullmatch(r"[0-9A-Za-z-]{8,64}", found.get(MARK, "")):
        raise UserError(
            f"{what} belongs to another project (its {MARK} is {found[MARK]}), so it was left alone; "
            f"{other}, or, to share it with that project, type: echo {found[MARK]} > {ID_FILE}"
        )
    raise UserError(f"{what} is not this project's, so it was left alone; {other}")


def adopt(settings: Settings, what: str, ask: Callable[[str], str] = input) -> None:
    """Ask whether something that was made before there was a mark is this project's.

    Raises:
        UserError: it is not, or nobody can be asked.
    """
    if settings.yes:
        note(f"{what} has no mark yet: it gets this project's")
        return
    sentence = f"{what} bears this project's name and no mark yet"
    if not sys.stdin.isatty():
        raise UserError(f"{sentence}; if it is this project's, type: make cluster YES=1")
    if ask(
        f"{sentence}. Is it this project's? Type {settings.project} to take it over: "
    ).strip() != (settings.project):
        raise UserError("nothing was changed")


def new_id(path: Path = ID_FILE) -> str:
    """Make the id of a project that was generated before there were any, and return it."""
    made = str(uuid.uuid4())
    path.write_text(f"{made}\n", encoding="utf-8")
    note(f"made {plain(path)}, which marks what is this project's in AWS: commit it to git")
    return made
