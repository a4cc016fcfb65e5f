"""The task definition in ECS: registered anew only when it, or its image, has changed."""

import hashlib
import json
from collections.abc import Mapping

from ecs.aws import call_cli, client
from ecs.console import note
from ecs.errors import UserError
from ecs.image import image
from ecs.request import job
from ecs.request.definition import render, written
from ecs.settings import Settings
from ecs.stack import mark
from ecs.stack.secrets import with_arns, with_secrets

# The tag that tells what a revision was made from; ECS adds defaults to what it stores.
CONTENT_TAG = "content"


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
    made = with_secrets(written(), settings)
    request = with_arns(settings, render(made, settings, stack, image_uri))
    arn, known = registered(settings)
    if known == content(request):
        note(f"task definition: {arn.rpartition('/')[2]} (unchanged)")
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
    note(f"task definition: {arn.rpartition('/')[2]} (new)")
    return arn, image_uri


def job_definitions(settings: Settings) -> dict[str, str]:
    """Return the ARNs of the project's job definitions by the hash of their content."""
    pages = client(settings, "batch").get_paginator("describe_job_definitions")
    asked = {"jobDefinitionName": settings.project, "status": "ACTIVE"}
    return {
        each.get("tags", {}).get(CONTENT_TAG, ""): each["jobDefinitionArn"]
        for page in pages.paginate(**asked)
        for each in page["jobDefinitions"]
    }


def register_job(
    settings: Settings, stack: Mapping[str, str], overrides: Mapping
) -> tuple[str, str]:
    """Register the job definition with the image's digest, unless there is one that is the same.

    ``overrides`` are those of the RunTask request.

    Returns:
        The revision's ARN, and the image as ``repository@sha256:…``.

    Raises:
        UserError: the image is not in the registry, or the definition has what no job can have.
    """
    image_uri = current_image(settings, stack)
    rendered = render(with_secrets(written(), settings), settings, stack, image_uri)
    request = job.definition(with_arns(settings, rendered), settings, stack, overrides)
    if arn := job_definitions(settings).get(content(request)):
        note(f"job definition: {arn.rpartition('/')[2]} (unchanged)")
        return arn, image_uri
    tags = mark.tags_of(mark.tags(settings)) | {CONTENT_TAG: content(request)}
    # not by the AWS CLI, of which older versions know no stopTimeout here
    answer = client(settings, "batch").register_job_definition(**request, tags=tags)
    arn = answer["jobDefinitionArn"]
    note(f"job definition: {arn.rpartition('/')[2]} (new)")
    return arn, image_uri
