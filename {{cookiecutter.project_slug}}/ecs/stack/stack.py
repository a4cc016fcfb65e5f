"""The CloudFormation stack: its parameters before `make cluster`, its outputs after."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ecs.aws import client, identity, write_private
from ecs.errors import UserError
from ecs.settings import Settings
from ecs.stack import mark

OUTPUTS = (
    "Bucket", "Capacities", "CapacityProvider", "Cluster", "ClusterArn", "Exec", "ExecutionRoleArn",
    "FargateQueue", "FargateSpotQueue", "GitHubRoleArn", "InstanceType", "LogGroup", "PublicIp", "RepositoryUri", "SchedulerRoleArn", "SecurityGroup", "Subnets", "TaskRoleArn",
)  # fmt: skip

# those that a stack has only where its parameters ask for what they name
CONDITIONAL = (
    "CapacityProvider",
    "FargateQueue",
    "FargateSpotQueue",
    "GitHubRoleArn",
    "InstanceType",
)

# what a stack had before its tags held the project's id
DESCRIPTION = "All that lasts of one training project: "


class Outputs(dict[str, str]):
    """What the stack gives out, by name."""

    def __missing__(self, name: str) -> str:
        """Refuse to go on without an output, as a stack lacks one that is older than the project.

        Raises:
            UserError: always.
        """
        raise UserError(f"the stack has no output {name}; type: make cluster")


def cache(settings: Settings) -> Path:
    """Return the file in which this machine keeps the stack's outputs."""
    return settings.state_folder / "stack.json"


def placeholders() -> dict[str, str]:
    """Return ``<Name>`` for each output, for requests that are only shown."""
    return {name: f"<{name}>" for name in OUTPUTS}


def cached_outputs(settings: Settings, of: str = "") -> Outputs | None:
    """Return the outputs as this machine last saw them, or None.

    Those of another region, stack or project's id do not count, nor those that other credentials than
    ``of`` have seen: they may be another account's. Without ``of`` they are only good to be shown.
    """
    path = cache(settings)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # not there, or cut off while it was written
        return None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        return None  # not as it was written here
    if not mark.read() or found.get("ProjectId") != mark.read():
        return None
    now = {"Region": settings.region, "Project": settings.project}
    now |= {"Credentials": of} if of else {}
    current = all(found.get(name, value) == value for name, value in now.items())
    return Outputs(found) if current else None


def outputs(settings: Settings) -> Outputs:
    """Return the stack's outputs, from this machine's cache or else from AWS.

    Raises:
        UserError: as ``refresh`` does.
    """
    return cached_outputs(settings, identity()) or refresh(settings)


def refresh(settings: Settings) -> Outputs:
    """Read the outputs from AWS into the cache and return them.

    Raises:
        UserError: there is no stack, it is not this project's, or it has no outputs, as one has that is
            still being created, or whose creation failed.
    """
    stack = existing(settings)
    if stack is None:
        raise UserError(
            f"there is no stack {settings.project!r} in {settings.region}; type: make cluster"
        )
    check(settings, stack)
    found = remember(settings, stack)
    if not found:
        raise UserError(
            f"the stack {settings.project!r} is not complete: wait until it is; or, if its creation "
            "failed, type: make destroy, then make cluster"
        )
    return found


def outputs_of(stack: Mapping) -> Outputs:
    """Return the outputs of a stack, as CloudFormation describes it."""
    return Outputs((each["OutputKey"], each["OutputValue"]) for each in stack.get("Outputs", []))


def remember(settings: Settings, stack: Mapping) -> Outputs:
    """Write the outputs of the project's stack into the cache and return them."""
    found = outputs_of(stack)
    if not found:
        cache(settings).unlink(missing_ok=True)
        return found
    found |= {"Region": settings.region, "ProjectId": mark.read()}
    found |= {"Project": settings.project, "Credentials": identity()}
    if host := settings.there.registry:
        # The emulator's registry is the emulator itself, under the name that Docker trusts.
        port = urlsplit(os.environ["AWS_ENDPOINT_URL"]).port
        repository = found["RepositoryUri"].partition("/")[2]
        found["RepositoryUri"] = f"{host}:{port}/{repository}"
    write_private(settings, cache(settings), json.dumps(found, indent=2))
    return found


def described(settings: Settings) -> dict | None:
    """Return the stack as CloudFormation describes it, or None where there is none yet."""
    from botocore.exceptions import ClientError

    try:
        answer = client(settings, "cloudformation").describe_stacks(StackName=settings.project)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return answer["Stacks"][0]


def in_review(stack: Mapping) -> bool:
    """Tell whether the stack is only what is left of a change set that would have created it."""
    return stack["StackStatus"] == "REVIEW_IN_PROGRESS"


def existing(settings: Settings) -> dict | None:
    """Return the stack, whosever it is, or None where nothing was ever created."""
    stack = described(settings)
    return None if stack is None or in_review(stack) else stack


def named(settings: Settings) -> str:
    """Return how sentences name the stack."""
    return f"the stack {settings.project!r} in {settings.region}"


def from_before(settings: Settings, stack: Mapping) -> bool:
    """Tell whether a stack looks like one that this project made before there were ids."""
    tags = mark.tags_of(stack.get("Tags", []))
    described = not settings.there.account or stack.get("Description", "").startswith(DESCRIPTION)
    return mark.unmarked(settings, tags) and bool(described)


def check(settings: Settings, stack: Mapping) -> None:
    """Return if the stack is this project's.

    Raises:
        UserError: it is not, or not yet.
    """
    tags = mark.tags_of(stack.get("Tags", []))
    mark.check(named(settings), tags, from_before(settings, stack))


def present(settings: Settings) -> dict[str, str] | None:
    """Return the parameters of the stack as it is, or None where there is none yet."""
    found = existing(settings)
    return None if found is None else present_in(found)


def present_in(stack: Mapping) -> dict[str, str]:
    """Return the parameters of a stack, as CloudFormation describes it."""
    return {
        each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])
    }
