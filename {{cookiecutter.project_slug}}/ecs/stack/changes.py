"""What `make cluster` would do, from a change set that is never executed, and what differs already."""

import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ecs.aws import client
from ecs.console import note
from ecs.errors import UserError
from ecs.settings import Settings
from ecs.stack import claim, mark
from ecs.stack.stack import existing

TEMPLATE = Path("infrastructure.yaml")
WORDS = {"Add": "create", "Modify": "change", "Remove": "delete", "Dynamic": "depends"}
WAIT_LIMIT = 600.0  # seconds, for a change set or for drift


def change_lines(changes: Iterable[Mapping]) -> list[str]:
    """Return a line for each resource: what happens, its type and name, and why it matters."""
    lines = []
    for each in changes:
        change = each["ResourceChange"]
        replaced = {"True": "replaced", "Conditional": "perhaps replaced"}
        why = [replaced.get(change.get("Replacement", ""), "")]
        names = {detail["Target"].get("Name", "") for detail in change.get("Details", [])}
        why += sorted(names - {""})
        line = (
            f"{WORDS.get(change['Action'], change['Action'].lower()):<8} "
            f"{change['ResourceType']:<42} {change['LogicalResourceId']:<18} "
            f"{', '.join(filter(None, why))}"
        )
        lines.append(line.rstrip())
    return sorted(lines)


def drift_lines(drifts: Iterable[Mapping]) -> list[str]:
    """Return a line for each property that is other than the template made it."""
    lines = []
    for each in drifts:
        name = f"{each['LogicalResourceId']} ({each['ResourceType']})"
        if each["StackResourceDriftStatus"] == "DELETED":
            lines.append(f"{name} is gone")
        for difference in each.get("PropertyDifferences", []):
            lines.append(
                f"{name} {difference['PropertyPath']}: {difference['ExpectedValue']!r} in the "
                f"template, {difference['ActualValue']!r} in AWS"
            )
    return lines


def waited(ask: Any, unfinished: str, pause: float) -> dict:
    """Ask until the answer's ``Status`` (or ``DetectionStatus``) is no longer ``unfinished``.

    Raises:
        UserError: it took too long.
    """
    deadline = time.monotonic() + WAIT_LIMIT
    while True:
        answer = ask()
        status = answer.get("Status") or answer.get("DetectionStatus")
        if not status.endswith(unfinished):
            return answer
        if time.monotonic() > deadline:
            raise UserError(f"CloudFormation still says {status}; type again: make plan")
        time.sleep(pause)


def changes(settings: Settings, stack: Mapping | None, parameters: Iterable[str]) -> list[dict]:
    """Return what `make cluster` would change. The change set is deleted again, not executed.

    Raises:
        UserError: CloudFormation would refuse the template or its parameters.
    """
    cloudformation = client(settings, "cloudformation")
    given = dict(each.split("=", 1) for each in parameters)
    name = claim.change_set_prefix() + secrets.token_hex(4)
    names = {"StackName": settings.project, "ChangeSetName": name}
    cloudformation.create_change_set(
        **names,
        ChangeSetType="UPDATE" if stack else "CREATE",
        TemplateBody=TEMPLATE.read_text(encoding="utf-8"),
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in given.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
        Tags=mark.tags(settings),
    )
    try:
        answer = waited(
            lambda: cloudformation.describe_change_set(**names), "_IN_PROGRESS", settings.there.look
        )
        reason = answer.get("StatusReason", "")
        if answer["Status"] == "FAILED":
            if "didn't contain changes" in reason or "No updates" in reason:
                return []
            raise UserError(
                f"make cluster would fail: {reason}; correct {TEMPLATE} or the variables"
            )
        found = list(answer["Changes"])
        while token := answer.get("NextToken"):
            answer = cloudformation.describe_change_set(**names, NextToken=token)
            found += answer["Changes"]
        return found
    finally:
        cloudformation.delete_change_set(**names)
        # A change set that would create a stack leaves an empty one: delete it, but not a stack that was
        # made meanwhile, nor one in which somebody else's change set waits.
        if not stack and existing(settings) is None and not claim.foreign_change_sets(settings):
            cloudformation.delete_stack(StackName=settings.project)


def drifts(settings: Settings) -> list[dict] | None:
    """Return the resources that somebody changed by other means, or None: nobody can tell."""
    from botocore.exceptions import ClientError

    cloudformation = client(settings, "cloudformation")
    try:
        detection = cloudformation.detect_stack_drift(StackName=settings.project)
        names = {"StackDriftDetectionId": detection["StackDriftDetectionId"]}
        answer = waited(
            lambda: cloudformation.describe_stack_drift_detection_status(**names),
            "_IN_PROGRESS",
            settings.there.look,
        )
    except ClientError as error:
        note(f"drift: {error}")
        return None
    if answer["DetectionStatus"] != "DETECTION_COMPLETE":
        note(f"drift: {answer.get('DetectionStatusReason', 'not told')}")
    asked: dict[str, Any] = {
        "StackName": settings.project,
        "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"],
    }
    found = []
    while True:
        page = cloudformation.describe_stack_resource_drifts(**asked)
        found += page["StackResourceDrifts"]
        if not page.get("NextToken"):
            return found
        asked["NextToken"] = page["NextToken"]


def plan(settings: Settings, parameters: Iterable[str]) -> None:
    """Print what `make cluster` would do, and what differs from what it did last."""
    stack = existing(settings)
    lines = change_lines(changes(settings, stack, parameters))
    for line in lines:
        print(line)
    if not lines:
        print("make cluster would change nothing")
    if stack:
        found = drifts(settings)
        for line in drift_lines(found or []):
            print(f"drift: {line}")
        if found == []:
            print("nothing differs from what make cluster made")
    note("this was a plan: nothing was created, changed or deleted")
