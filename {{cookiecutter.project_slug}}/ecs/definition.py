"""task-definition.json, its placeholders filled in, registered when it changed."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from ecs import image, mark
from ecs.aws import call_cli, client
from ecs.errors import UserError
from ecs.request import CONTAINER
from ecs.secret import with_arns, with_secrets
from ecs.settings import INSTANCES, MANAGED, WITH_GPU, Settings

FILE = Path("task-definition.json")
# The tag that tells what a revision was made from; ECS adds defaults to what it stores.
CONTENT_TAG = "content"


def read(path: Path = FILE) -> dict:
    """Return task-definition.json, its placeholders as they are.

    Raises:
        UserError: it is missing, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; bring it back: git checkout {path}") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); mend it there") from error


def fill(value: Any, names: Mapping[str, str]) -> Any:
    """Return ``value`` with each ``${Name}`` in its strings replaced.

    Raises:
        UserError: a placeholder that nothing fills.
    """
    if isinstance(value, dict):
        return {key: fill(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, names) for each in value]
    if not isinstance(value, str):
        return value
    try:
        return Template(value).substitute(names)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{FILE}: {value!r} has a placeholder that is not one of {', '.join(sorted(names))}; "
            "a plain dollar sign is written $$"
        ) from error


def network_mode(settings: Settings) -> str:
    """Return how the container is attached to the network.

    On instances an ``awsvpc`` task gets no public address, so there the instance's own is shared;
    ECS Managed Instances know no bridge. The emulator listens on loopback, which only a container
    in the host's network reaches.
    """
    if settings.sandbox or settings.capacity in MANAGED:
        return "host"
    return "bridge" if settings.capacity in INSTANCES else "awsvpc"


def compatibility(capacity: str) -> str:
    """Return what ``requiresCompatibilities`` says for a capacity."""
    if capacity in MANAGED:
        return "MANAGED_INSTANCES"
    return "EC2" if capacity in INSTANCES else "FARGATE"


def with_gpu(container: Mapping) -> dict:
    """Return the container's definition with one GPU, unless it says itself what it needs."""
    return {"resourceRequirements": [{"type": "GPU", "value": "1"}], **container}


def render(definition: dict, settings: Settings, stack: Mapping[str, str], image_uri: str) -> dict:
    """Return the RegisterTaskDefinition request for one image."""
    names = {
        "Project": settings.project,
        "Region": settings.region,
        "Image": image_uri,
        "CpuArchitecture": settings.architecture.upper(),
        "LaunchType": compatibility(settings.capacity),
        "NetworkMode": network_mode(settings),
        **{name: stack[name] for name in ("ExecutionRoleArn", "TaskRoleArn", "LogGroup", "Bucket")},
    }
    filled = fill(definition, names)
    if settings.exec:
        # the agent of ECS Exec, which comes into the container, writes beside itself
        filled["containerDefinitions"] = [
            {**each, "readonlyRootFilesystem": False} for each in filled["containerDefinitions"]
        ]
    if settings.capacity in WITH_GPU:
        filled["containerDefinitions"] = [
            with_gpu(each) if each.get("name") == CONTAINER else each
            for each in filled["containerDefinitions"]
        ]
    return filled


def content(request: dict) -> str:
    """Return a hash of the request that does not depend on the order of its keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


def registered(settings: Settings) -> tuple[str, str]:
    """Return the latest revision's ARN and its content hash; empty strings where there is none."""
    from botocore.exceptions import ClientError

    try:
        answer = client(settings, "ecs").describe_task_definition(
            taskDefinition=settings.project, include=["TAGS"]
        )
    except ClientError as error:
        if "Unable to describe task definition" in str(error):
            return "", ""
        raise
    tags = {each["key"]: each["value"] for each in answer.get("tags", [])}
    return answer["taskDefinition"]["taskDefinitionArn"], tags.get(CONTENT_TAG, "")


def current_image(settings: Settings, stack: Mapping[str, str]) -> str:
    """Return the image of what is in this folder, as ``repository@sha256:…``.

    Raises:
        UserError: it is not in the registry, or does not fit CAPACITY.
    """
    image.check_gpu(settings)
    tag = image.tag(settings)
    digest = image.digest(settings, stack["RepositoryUri"], tag)
    if digest is None:
        raise UserError(
            f"the image {tag} of what is in this folder is not in {stack['RepositoryUri']}; type: make push"
        )
    return f"{stack['RepositoryUri']}@{digest}"


def register(settings: Settings, stack: Mapping[str, str], image_uri: str = "") -> tuple[str, str]:
    """Register the task definition with an image's digest, unless the latest is the same.

    ``image_uri`` names the image; empty, it is that of what is in this folder.

    Returns:
        The revision's ARN, and the image as ``repository@sha256:…``.

    Raises:
        UserError: the image is not in the registry.
    """
    image_uri = image_uri or current_image(settings, stack)
    written = with_secrets(read(), settings)
    request = with_arns(settings, render(written, settings, stack, image_uri))
    arn, known = registered(settings)
    if known == content(request):
        print(f"task definition: {arn.rpartition('/')[2]} (unchanged)", file=sys.stderr)
        return arn, image_uri
    tags = [
        *({"key": each["Key"], "value": each["Value"]} for each in mark.tags(settings)),
        {"key": CONTENT_TAG, "value": content(request)},
    ]
    answer = call_cli(
        settings,
        "ecs",
        "register-task-definition",
        request={**request, "tags": tags},
        name="task-definition",
    )
    arn = answer["taskDefinition"]["taskDefinitionArn"]
    print(f"task definition: {arn.rpartition('/')[2]} (new)", file=sys.stderr)
    return arn, image_uri
