"""What must hold before `make cluster`: the stack's status, and the account's service-linked roles."""

import time
from collections.abc import Callable, Mapping

from botocore.exceptions import ClientError

from ecs.aws import client
from ecs.capacity import Capacity, capacity
from ecs.console import note
from ecs.errors import UserError
from ecs.refusals import code_and_message
from ecs.settings import Settings
from ecs.stack.stack import in_review, named, present_in

# In these states CloudFormation accepts no update, and only a deletion helps.
DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
IN_PROGRESS = "_IN_PROGRESS"
# Until a new role is known everywhere, services say that they cannot assume it.
SETTLING = 15.0  # seconds
# a role is called PROJECT-InfrastructureRole-RANDOM, of 64 characters at most
LONGEST_PROJECT = 32
# what IAM says of a role that is there: of a service's, and of any other's name
TAKEN = ("InvalidInput", "EntityAlreadyExists")


def remedy(settings: Settings, status: str, again: str) -> str:
    """Return what to type where a stack of this status cannot be updated; "" where it can.

    ``again`` is the command that the user has typed.
    """
    if status in DEAD:
        return "make destroy, then make cluster"
    if status.endswith(IN_PROGRESS):
        return f"{again}, in a minute"
    if status.endswith("ROLLBACK_FAILED"):
        return (
            f"aws cloudformation continue-update-rollback --stack-name {settings.project} "
            f"--region {settings.region}, then {again}"
        )
    return ""


def check_deletable(settings: Settings, status: str) -> None:
    """Return if a stack of this status can be deleted. CloudFormation would refuse it after all else is gone.

    One that is being created can, and one that is being deleted is waited for.

    Raises:
        UserError: it is being changed.
    """
    if status.startswith(("UPDATE_", "IMPORT_", "ROLLBACK_")) and status.endswith(IN_PROGRESS):
        raise UserError(
            f"{named(settings)} is in {status}, and nothing was deleted; type: make destroy, in a minute"
        )


def check(settings: Settings, stack: dict | None, again: str) -> dict | None:
    """Return the stack as it was described if it can be updated, or None if it is yet to be made.

    Raises:
        UserError: its status does not allow it, or its name would be too long.
    """
    if stack is None or in_review(stack):
        if len(settings.project) > LONGEST_PROJECT:
            raise UserError(
                f"PROJECT={settings.project}: at most {LONGEST_PROJECT} characters, or the names of its IAM "
                "roles are longer than 64 and the printed policies miss them; type: "
                f"PROJECT={settings.project[:LONGEST_PROJECT].rstrip('-')}"
            )
        return None
    if way := remedy(settings, stack["StackStatus"], again):
        raise UserError(f"{named(settings)} is in {stack['StackStatus']}; type: {way}")
    return stack


def services(capacity: Capacity, vcpus: str) -> set[str]:
    """Return the services whose roles in the account a stack needs; ``vcpus`` is ``MAX_VCPUS``."""
    queues = "" if vcpus == "0" else "batch.amazonaws.com"
    return {"ecs.amazonaws.com", capacity.service, queues} - {""}


def make_roles(
    settings: Settings, stack: Mapping | None, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Make the service-linked roles that an account without ECS lacks, before the stack needs them.

    ECS would make its own, and the first cluster of the account fail meanwhile.
    Source: aws-cloudformation/cloudformation-coverage-roadmap 818.
    """
    if not settings.there.account:
        return
    had = present_in(stack) if stack else {}
    before = (
        services(capacity(had.get("Capacity", "fargate")), had.get("MaxVcpus", "0"))
        if stack
        else set()
    )
    needed = services(settings.kind, settings.max_vcpus) - before
    made = [each for each in sorted(needed) if make_role(settings, each)]
    if made:
        note(f"made the account's role for {' and '.join(made)}; waiting until AWS knows it")
        sleep(SETTLING)


def make_role(settings: Settings, service: str) -> bool:
    """Make a service's role; False where it is there, or where this identity may not make it."""
    try:
        client(settings, "iam").create_service_linked_role(AWSServiceName=service)
    except ClientError as error:
        code, message = code_and_message(error)
        if not code.startswith(TAKEN):
            note(
                f"the account's role for {service} could not be made ({message}); if it is missing, an "
                f"administrator types: aws iam create-service-linked-role --aws-service-name {service}"
            )
        return False
    return True
