"""Everything of the project in AWS: list it, ask, stop, empty, delete."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import WaiterError

from ecs.aws import TakenError, client
from ecs.capacity import QUEUES
from ecs.console import note
from ecs.errors import UserError
from ecs.settings import Settings
from ecs.stack import bucket as bucket_of
from ecs.stack import instances, jobs, mark, readiness, scheduler
from ecs.stack.claim import own, resources
from ecs.stack.inputs import ISSUER
from ecs.stack.secrets import delete_secrets, stored_secrets

EMPTYINGS = 5
ROLE = "AWS::IAM::Role"
NOT_DELETED = ("DELETE_FAILED", "DELETE_IN_PROGRESS")
HELD = "ImageReferencedByManifestList"  # what ECR says of an image that goes after its list
# a bucket and its owner, as arguments of S3's operations
Bucket = dict[str, str]


def running_tasks(settings: Settings, cluster: str) -> list[str]:
    """Return the ARNs of the cluster's tasks that have not stopped; "" for no cluster."""
    if not cluster:
        return []
    ecs = client(settings, "ecs")
    try:
        pages = list(ecs.get_paginator("list_tasks").paginate(cluster=cluster))
    except ecs.exceptions.ClusterNotFoundException:
        return []
    return [arn for page in pages for arn in page["taskArns"]]


def task_definitions(settings: Settings, roles: Collection[str] = ()) -> tuple[list, list]:
    """Return the ARNs of the project's revisions that are not yet deleted, and those of others.

    Both are of the family that has the project's name. A revision is the project's if it has its
    mark or, being older, one of the stack's ``roles``.
    """
    ecs, found = client(settings, "ecs"), []
    for status in ("ACTIVE", "INACTIVE"):
        pages = ecs.get_paginator("list_task_definitions").paginate(
            familyPrefix=settings.project, status=status
        )
        found += [arn for page in pages for arn in page["taskDefinitionArns"]]
    own, others = [], []
    for arn in found:
        # familyPrefix is a prefix in older answers: keep the family itself
        if arn.rpartition("/")[2].rpartition(":")[0] != settings.project:
            continue
        answer = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        tags = mark.tags_of(answer.get("tags", []))
        role = answer["taskDefinition"].get("executionRoleArn", "").rpartition("/")[2]
        ours = mark.ours(tags) or (mark.TAG not in tags and role in roles)
        (own if ours else others).append(arn)
    return own, others


def versions(settings: Settings, bucket: Bucket) -> Iterator[list[dict]]:
    """Give out the bucket's object versions and delete markers, up to 1000 at a time."""
    s3 = client(settings, "s3")
    try:
        for page in s3.get_paginator("list_object_versions").paginate(**bucket):
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if found:
                yield found
    except s3.exceptions.NoSuchBucket:
        return


def images(settings: Settings, repository: str) -> list[dict[str, str]]:
    """Return the ids (digests) of the repository's images; "" for no repository."""
    if not repository:
        return []
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
    what = "all of it but the bucket" if settings.keep_data else "all of it"
    mark.confirm(
        settings,
        f"delete {what}",
        "nobody can be asked here; type: make destroy YES=1",
        "nothing was deleted",
        ask,
    )


@dataclass
class Belongings:
    """What the project has in AWS. The physical ids are those of its stack's own resources."""

    listed: list[dict]  # the stack's resources
    cluster: str = ""
    repository: str = ""
    group: str = ""  # of instances
    queues: list[str] = field(default_factory=list)  # of AWS Batch
    bucket: Bucket = field(default_factory=dict)  # with its owner; empty: none
    tags: dict[str, str] = field(default_factory=dict)  # of the bucket
    definitions: list[str] = field(default_factory=list)
    schedules: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # of the project's name, but not the project's


def belongings(settings: Settings) -> Belongings:
    """Return what the project has in AWS; what only has its name is among ``others``."""
    # what could not be created may be somebody else's, of the same name
    listed = [
        each
        for each in resources(settings)
        if each["ResourceStatus"] not in ("DELETE_COMPLETE", "CREATE_FAILED")
    ]
    physical = {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in listed}
    found = Belongings(listed, physical.get("Cluster", ""), physical.get("Repository", ""))
    found.group = physical.get(instances.LOGICAL_ID, "")
    found.queues = [physical[name] for name in QUEUES if physical.get(name)]
    try:
        name, account = bucket_of.kept(settings)
    except TakenError as error:  # the rest of the project is ours all the same
        name = ""
        found.others.append(f"s3://{error.name}, another account's or closed to you")
    if name:
        found.tags = bucket_of.tags(settings, name, account)
        if physical.get("Bucket") == name or mark.ours(found.tags):
            found.bucket = {"Bucket": name, "ExpectedBucketOwner": account}
        else:
            found.others.append(f"s3://{name}")
    roles = [each.get("PhysicalResourceId") for each in listed if each["ResourceType"] == ROLE]
    found.definitions, others = task_definitions(settings, roles)
    found.others += others
    if "Schedules" in physical:
        found.schedules = [each["Name"] for each in scheduler.schedules(settings)]
    found.secrets, others = stored_secrets(settings)
    found.others += others
    return found


def destroy(settings: Settings) -> None:
    """List everything, ask, and delete it. Safe to run again after an interruption.

    A stack whose creation failed has nothing in it that must be emptied first. What costs money goes
    first, and the models after all else but the stack: as long as anything is left, the stack tells
    the next attempt where.

    Raises:
        UserError: there is no stack, it is not the project's, or the user does not want it.
    """
    stack = own(settings)
    if stack is None:
        raise UserError(f"there is no stack {settings.project!r} in {settings.region}")
    found = belongings(settings)
    tasks = running_tasks(settings, found.cluster)
    pushed = images(settings, found.repository)
    tell(settings, found, tasks, pushed)
    readiness.check_deletable(settings, stack["StackStatus"])
    confirm(settings)
    for name in found.schedules:  # before the tasks: none must start another
        scheduler.delete(settings, name)
    if found.queues:
        jobs.end(settings, found.queues)
        jobs.deregister(settings)
    stop_tasks(settings, found.cluster, running_tasks(settings, found.cluster))
    instances.end(settings, found.group, "make destroy")
    empty_repository(settings, found.repository, pushed)
    delete_definitions(settings, found.definitions)
    delete_secrets(settings, found.secrets)
    if found.bucket and settings.keep_data:
        bucket_of.add_mark(settings, *found.bucket.values(), found.tags)
    elif found.bucket:
        note(f"emptying and deleting s3://{found.bucket['Bucket']}")
        delete_bucket(settings, found.bucket)
    delete_stack(settings, stack["StackId"])
    note("deleted")
    if found.bucket and settings.keep_data:
        note(f"kept: s3://{found.bucket['Bucket']}; make cluster takes it up again")
    if any(each["ResourceType"] == "AWS::IAM::OIDCProvider" for each in found.listed):
        note(f"kept: the account's identity provider {ISSUER}, which other projects may use")


def delete_stack(settings: Settings, stack_id: str) -> None:
    """Delete the stack and wait until it is gone.

    Raises:
        UserError: it is not; each resource that is left is named with CloudFormation's reason.
    """
    note(f"deleting the stack {settings.project}")
    cloudformation = client(settings, "cloudformation")
    cloudformation.delete_stack(StackName=settings.project)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=stack_id,
            WaiterConfig={"Delay": math.ceil(5 * settings.there.look), "MaxAttempts": 360},
        )
    except WaiterError as error:
        left = [each for each in resources(settings) if each["ResourceStatus"] in NOT_DELETED]
        if not left:
            raise
        raise UserError(
            f"the stack {settings.project} is not deleted: {'; '.join(map(why, left))}; once that is "
            "solved, type: make destroy"
        ) from error


def why(resource: dict) -> str:
    """Return which resource is not deleted, and CloudFormation's reason."""
    name = f"{resource['LogicalResourceId']} {resource.get('PhysicalResourceId', '')}".strip()
    reason = " ".join(resource.get("ResourceStatusReason", "").split())
    waiting = resource["ResourceStatus"] == "DELETE_IN_PROGRESS"
    return f"{name}: {reason or ('still being deleted' if waiting else 'no reason given')}"


def tell(settings: Settings, found: Belongings, tasks: list[str], pushed: list[dict]) -> None:
    """List what will be deleted, and what has the project's name and stays."""
    note(f"stack {settings.project} in {settings.region}:")
    for each in found.listed:
        note(f"  {each['ResourceType']:<34} {each.get('PhysicalResourceId', '')}")
    objects = sum(len(page) for page in versions(settings, found.bucket)) if found.bucket else 0
    kept = " (KEEP_DATA=1: they stay)" if settings.keep_data else ""
    note(f"  and {objects} object versions in the bucket, data and models of all runs{kept},")
    note(
        f"  {len(pushed)} images, {len(found.definitions)} task definitions, {len(tasks)} running tasks"
    )
    for kind, names in (("schedules", found.schedules), ("secrets", found.secrets)):
        note(f"  {len(names)} {kind}{': ' if names else ''}{', '.join(names)}")
    for each in found.others:
        note(f"left alone, since it does not have this project's mark: {each}")


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


def empty_bucket(settings: Settings, bucket: Bucket) -> None:
    """Delete every version of every object."""
    s3 = client(settings, "s3")
    for page in versions(settings, bucket):
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in page]
        answer = s3.delete_objects(**bucket, Delete={"Objects": keys, "Quiet": True})
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise UserError(
                f"s3://{bucket['Bucket']}/{first['Key']}: {first['Message']}; then type: make destroy"
            )


def delete_bucket(settings: Settings, bucket: Bucket) -> None:
    """Empty and delete the bucket. The stack leaves it alone, whoever deletes the stack.

    Something may still be written while it is emptied, by a laptop's `make data` for one: then
    it is emptied once more, a few times.
    """
    s3 = client(settings, "s3")
    for left in reversed(range(EMPTYINGS)):
        empty_bucket(settings, bucket)
        try:
            s3.delete_bucket(**bucket)
            return
        except s3.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchBucket":
                return
            if code != "BucketNotEmpty" or not left:
                raise


def empty_repository(settings: Settings, repository: str, ids: list[dict[str, str]]) -> None:
    """Delete the images, a hundred a call, as ECR takes them; those in a manifest list after the list.

    Raises:
        UserError: ECR refuses one for another reason.
    """
    ecr = client(settings, "ecr")
    while ids:
        failed = []
        for start in range(0, len(ids), 100):
            part = ids[start : start + 100]
            answer = ecr.batch_delete_image(repositoryName=repository, imageIds=part)
            failed += answer.get("failures", [])
        failed = [each for each in failed if each["failureCode"] != "ImageNotFound"]
        again = [
            {"imageDigest": each["imageId"]["imageDigest"]}
            for each in failed
            if each["failureCode"] == HELD
        ]
        others = [each for each in failed if each["failureCode"] != HELD]
        if others or again and len(again) == len(ids):
            first = (others or failed)[0]
            raise UserError(
                f"the image {first['imageId'].get('imageDigest')} of {repository} cannot be deleted: "
                f"{first.get('failureReason', first['failureCode'])}; then type: make destroy"
            )
        ids = again
