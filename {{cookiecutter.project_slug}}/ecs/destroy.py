"""Everything of the project in AWS: list it, ask, stop, empty, delete."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ecs import schedule
from ecs.aws import client
from ecs.errors import UserError
from ecs.follow import note
from ecs.secret import delete_secrets, stored_secrets
from ecs.settings import Settings
from ecs.stack import ISSUER

EMPTYINGS = 5


def running_tasks(settings: Settings, cluster: str) -> list[str]:
    """Return the ARNs of the cluster's tasks that have not stopped."""
    ecs = client(settings, "ecs")
    try:
        pages = list(ecs.get_paginator("list_tasks").paginate(cluster=cluster))
    except ecs.exceptions.ClusterNotFoundException:
        return []
    return [arn for page in pages for arn in page["taskArns"]]


def task_definitions(settings: Settings) -> list[str]:
    """Return the ARNs of all revisions of the project's family that are not yet deleted."""
    found = []
    for status in ("ACTIVE", "INACTIVE"):
        pages = (
            client(settings, "ecs")
            .get_paginator("list_task_definitions")
            .paginate(familyPrefix=settings.project, status=status)
        )
        found += [arn for page in pages for arn in page["taskDefinitionArns"]]
    # familyPrefix is a prefix in older answers: keep the family itself
    return [arn for arn in found if arn.rpartition("/")[2].rpartition(":")[0] == settings.project]


def versions(settings: Settings, bucket: str) -> Iterator[list[dict]]:
    """Give out the bucket's object versions and delete markers, up to 1000 at a time."""
    s3 = client(settings, "s3")
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if found:
                yield found
    except s3.exceptions.NoSuchBucket:
        return


def images(settings: Settings, repository: str) -> list[dict[str, str]]:
    """Return the ids (digests) of the repository's images."""
    ecr = client(settings, "ecr")
    try:
        pages = list(ecr.get_paginator("list_images").paginate(repositoryName=repository))
    except ecr.exceptions.RepositoryNotFoundException:
        return []
    digests = {each["imageDigest"] for page in pages for each in page["imageIds"]}
    return [{"imageDigest": digest} for digest in sorted(digests)]


def confirm(settings: Settings, ask: Any = input) -> None:
    """Return if the user wants it.

    Raises:
        UserError: the user does not, or cannot be asked.
    """
    if settings.yes:
        return
    if not sys.stdin.isatty():
        raise UserError("nobody can be asked here; type: make destroy YES=1")
    what = "all of it but the bucket" if settings.keep_data else "all of it"
    if ask(f"Type {settings.project} to delete {what}: ").strip() != settings.project:
        raise UserError("nothing was deleted")


def destroy(settings: Settings, stack: Mapping[str, str]) -> None:
    """List everything, ask, and delete it. Safe to run again after an interruption.

    A stack whose creation failed has no outputs, and nothing in it that must be emptied first. The
    stack goes last: as long as anything of the project is left, it tells the next attempt where.
    """
    bucket, cluster = stack.get("Bucket"), stack.get("Cluster", settings.project)
    repository = stack.get("RepositoryUri", "").partition("/")[2]
    cloudformation = client(settings, "cloudformation")
    resources = [
        each
        for page in cloudformation.get_paginator("list_stack_resources").paginate(
            StackName=settings.project
        )
        for each in page["StackResourceSummaries"]
        if each["ResourceStatus"] != "DELETE_COMPLETE"
    ]
    note(f"stack {settings.project} in {settings.region}:")
    for each in resources:
        note(f"  {each['ResourceType']:<34} {each.get('PhysicalResourceId', '')}")
    tasks = running_tasks(settings, cluster)
    definitions = task_definitions(settings)
    objects = sum(len(page) for page in versions(settings, bucket)) if bucket else 0
    pushed = images(settings, repository) if repository else []
    kept = " (KEEP_DATA=1: they stay)" if settings.keep_data else ""
    note(f"  and {objects} object versions in the bucket, data and models of all runs{kept},")
    note(f"  {len(pushed)} images, {len(definitions)} task definitions, {len(tasks)} running tasks")
    schedules = [each["Name"] for each in schedule.schedules(settings)]
    note(f"  {len(schedules)} schedules{': ' if schedules else ''}{', '.join(schedules)}")
    names = stored_secrets(settings)
    note(f"  {len(names)} secrets{': ' if names else ''}{', '.join(names)}")
    confirm(settings)
    for name in schedules:  # before the tasks: none must start another
        schedule.delete(settings, name)
    stop_tasks(settings, cluster, running_tasks(settings, cluster))
    delete_definitions(settings, definitions)
    delete_secrets(settings, names)
    if bucket and not settings.keep_data:
        note(f"emptying and deleting s3://{bucket}")
        delete_bucket(settings, bucket)
    empty_repository(settings, repository, pushed)
    note(f"deleting the stack {settings.project}")
    cloudformation.delete_stack(StackName=settings.project)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=settings.project,
        WaiterConfig={"Delay": 2 if settings.sandbox else 10, "MaxAttempts": 360},
    )
    note("deleted")
    if bucket and settings.keep_data:
        note(f"kept: s3://{bucket}; make cluster takes it up again")
    if any(each["ResourceType"] == "AWS::IAM::OIDCProvider" for each in resources):
        note(f"kept: the account's identity provider {ISSUER}, which other projects may use")


def stop_tasks(settings: Settings, cluster: str, tasks: list[str]) -> None:
    """Stop the tasks and wait until they have stopped, so that none writes to the bucket any more."""
    ecs = client(settings, "ecs")
    for arn in tasks:
        ecs.stop_task(cluster=cluster, task=arn, reason="make destroy")
    for start in range(0, len(tasks), 100):
        ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=tasks[start : start + 100])


def delete_definitions(settings: Settings, arns: list[str]) -> None:
    """Deregister and delete the revisions, ten a call, as ECS takes them."""
    ecs = client(settings, "ecs")
    for arn in arns:
        # of a revision that was deregistered before, ECS says so and changes nothing
        ecs.deregister_task_definition(taskDefinition=arn)
    for start in range(0, len(arns), 10):
        ecs.delete_task_definitions(taskDefinitions=arns[start : start + 10])


def empty_bucket(settings: Settings, bucket: str) -> None:
    """Delete every version of every object."""
    s3 = client(settings, "s3")
    for page in versions(settings, bucket):
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in page]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise UserError(
                f"s3://{bucket}/{first['Key']}: {first['Message']}; then type: make destroy"
            )


def delete_bucket(settings: Settings, bucket: str) -> None:
    """Empty and delete the bucket. The stack leaves it alone, whoever deletes the stack.

    Something may still be written while it is emptied, by a laptop's `make data` for one: then
    it is emptied once more, a few times.
    """
    s3 = client(settings, "s3")
    for left in reversed(range(EMPTYINGS)):
        empty_bucket(settings, bucket)
        try:
            s3.delete_bucket(Bucket=bucket)
            return
        except s3.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchBucket":
                return
            if code != "BucketNotEmpty" or not left:
                raise


def empty_repository(settings: Settings, repository: str, ids: list[dict[str, str]]) -> None:
    """Delete the images, a hundred a call, as ECR takes them."""
    ecr = client(settings, "ecr")
    for start in range(0, len(ids), 100):
        ecr.batch_delete_image(repositoryName=repository, imageIds=ids[start : start + 100])
