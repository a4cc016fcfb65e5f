"""Check whose the stack is before it is updated, planned or deleted."""

from contextlib import suppress

from ecs.aws import client
from ecs.errors import UserError
from ecs.settings import Settings
from ecs.stack import bucket, mark, stack

# of every stack that this project ever made
LOGICAL_IDS = {"Repository", "LogGroup", "ExecutionRole", "TaskRole", "Cluster"}


def change_set_prefix() -> str:
    """Return how the names of this project's change sets begin.

    Raises:
        UserError: the project has no id.
    """
    return f"plan-{mark.needed()}-"


def change_sets(settings: Settings) -> list[str]:
    """Return the names of the stack's change sets."""
    pages = client(settings, "cloudformation").get_paginator("list_change_sets")
    return [
        each["ChangeSetName"]
        for page in pages.paginate(StackName=settings.project)
        for each in page.get("Summaries", [])
    ]


def foreign_change_sets(settings: Settings) -> list[str]:
    """Return the names of the stack's change sets that are not of this project's `make plan`."""
    return [name for name in change_sets(settings) if not name.startswith(change_set_prefix())]


def check_review(settings: Settings) -> None:
    """Return if a stack that was never created is what an interrupted `make plan` left.

    AWS gives such a stack no tags before a change set is executed, so the names of its change sets
    tell whose it is.

    Raises:
        UserError: it is somebody else's.
    """
    if change_sets(settings) and not foreign_change_sets(settings):
        return
    raise UserError(
        f"{stack.named(settings)} is an empty one, left by a change set that was not this project's; "
        "if nobody needs it, type: aws cloudformation delete-stack --stack-name "
        f"{settings.project} --region {settings.region}"
    )


def own(settings: Settings) -> dict | None:
    """Return the project's stack, also one that is only in review; None where there is none.

    Raises:
        UserError: the stack of that name is not this project's.
    """
    found = stack.described(settings)
    if found is None:
        return None
    if stack.in_review(found):
        check_review(settings)
    else:
        stack.check(settings, found)
    return found


def claim(settings: Settings) -> dict | None:
    """Make sure that `make cluster` touches only what is the project's, and that it has an id.

    Returns the stack as ``own`` does.

    What this project made before there were ids becomes its own, once the user agrees: the stack by
    the update that follows, its bucket here.

    Raises:
        UserError: a name belongs to somebody else, or the user does not agree.
    """
    mark.ensure()
    found, agreed = stack.described(settings), False
    if found is None or stack.in_review(found):
        if found is not None:
            check_review(settings)
        check_names(settings)
    elif stack.from_before(settings, found) and made_here(settings):
        bucket.agree(settings, stack.named(settings))
        agreed = True
    else:
        mark.check(stack.named(settings), mark.tags_of(found.get("Tags", [])))
    # one that KEEP_DATA=1 left is no part of the stack
    if (
        found is None
        or stack.in_review(found)
        or stack.present_in(found).get("NewBucket") == "false"
    ):
        bucket.adopt(settings, agreed)
    return found


def made_here(settings: Settings) -> bool:
    """Tell whether the stack has what each stack of this project has."""
    return {each["LogicalResourceId"] for each in resources(settings)} >= LOGICAL_IDS


def resources(settings: Settings) -> list[dict]:
    """Return the resources of the stack, those that failed or are gone too."""
    pages = client(settings, "cloudformation").get_paginator("list_stack_resources")
    return [
        each
        for page in pages.paginate(StackName=settings.project)
        for each in page["StackResourceSummaries"]
    ]


def check_names(settings: Settings) -> None:
    """Return if nobody has what a new stack would make under the project's name.

    Raises:
        UserError: somebody has.
    """
    project = settings.project
    ecr, scheduler = client(settings, "ecr"), client(settings, "scheduler")
    clusters = client(settings, "ecs").describe_clusters(clusters=[project])["clusters"]
    group = f"/ecs/{project}"
    groups = client(settings, "logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    taken = []
    with suppress(ecr.exceptions.RepositoryNotFoundException):
        ecr.describe_repositories(repositoryNames=[project])
        taken.append(f"the image repository {project}")
    if any(each["status"] == "ACTIVE" for each in clusters):
        taken.append(f"the ECS cluster {project}")
    # the answer begins with the group of the shortest name
    if any(each["logGroupName"] == group for each in groups):
        taken.append(f"the log group {group}")
    with suppress(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule_group(Name=project)
        taken.append(f"the schedule group {project}")
    if taken:
        raise UserError(mark.foreign(" and ".join(taken)))
