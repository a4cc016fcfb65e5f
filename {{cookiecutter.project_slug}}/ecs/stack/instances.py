"""The Auto Scaling group of CAPACITY=ec2 and gpu: its instances end before CloudFormation deletes it.

ECS protects instances from scale-in, and the protection stays when its capacity provider goes. So
CloudFormation, which sets the group to 0 and waits, would wait for hours while they cost money.
Source: aws/containers-roadmap 2862, aws/aws-cdk 18179.
"""

import time
from collections.abc import Callable, Mapping

from botocore.exceptions import ClientError

from ecs.aws import client
from ecs.capacity import Capacity, capacity
from ecs.console import note
from ecs.errors import UserError
from ecs.settings import Settings
from ecs.stack.claim import resources
from ecs.stack.stack import present_in

LOGICAL_ID = "Instances"
OF_A_CALL = 50  # instances that SetInstanceProtection takes
LIMIT, PAUSE = 900.0, 10.0  # seconds


def make_way(settings: Settings, stack: Mapping | None) -> None:
    """End the instances that an update of ``stack`` to ``CAPACITY`` is about to take away.

    Raises:
        UserError: tasks run on them, or they do not end.
    """
    before = capacity(present_in(stack).get("Capacity", "") if stack else "")
    # capacities of one launch type share the resources of the stack
    if before.fargate or before.launch_type == settings.kind.launch_type:
        return
    check_idle(settings, before)
    group = next(
        (
            each.get("PhysicalResourceId", "")
            for each in resources(settings)
            if each["LogicalResourceId"] == LOGICAL_ID
            and each["ResourceStatus"] != "DELETE_COMPLETE"
        ),
        "",
    )
    end(settings, group, "make cluster")


def check_idle(settings: Settings, before: Capacity) -> None:
    """Return if no task runs on the machines of the capacity that the stack has.

    Raises:
        UserError: one does.
    """
    asked = {"cluster": settings.project, "launchType": before.launch_type}
    tasks = client(settings, "ecs").list_tasks(**asked)["taskArns"]
    if tasks:
        raise UserError(
            f"{len(tasks)} tasks run on the instances that CAPACITY={settings.capacity} takes away; wait "
            f"until they have ended, or type: make cluster CAPACITY={before.name}"
        )


def end(settings: Settings, group: str, again: str, sleep: Callable = time.sleep) -> None:
    """Lift the protection of the group's instances, set it to 0 and wait until they are gone.

    ``group`` may be "" or gone. ``again`` is what the user types after an error.

    Raises:
        UserError: they are still there after ``LIMIT``.
    """
    deadline, shrunk = time.monotonic() + LIMIT, False
    while group and (found := members(settings, group)) is not None:
        if not shrunk:
            note(f"ending the instances of {group}: {len(found)}")
            client(settings, "autoscaling").update_auto_scaling_group(
                AutoScalingGroupName=group,
                MinSize=0,
                DesiredCapacity=0,
                NewInstancesProtectedFromScaleIn=False,
            )
            shrunk = True
        if not found:
            return
        lift_protection(settings, group, found)
        if time.monotonic() >= deadline:
            names = ", ".join(each["InstanceId"] for each in found)
            raise UserError(
                f"the instances {names} do not end; type: aws autoscaling delete-auto-scaling-group "
                f"--auto-scaling-group-name {group} --force-delete --region {settings.region}, "
                f"then {again}"
            )
        sleep(PAUSE)


def members(settings: Settings, group: str) -> list[dict] | None:
    """Return the group's instances, or None where there is no such group."""
    answer = client(settings, "autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[group]
    )
    groups = answer["AutoScalingGroups"]
    return groups[0].get("Instances", []) if groups else None


def lift_protection(settings: Settings, group: str, found: list[dict]) -> None:
    """Let the group end the instances that are protected from it."""
    names = [
        each["InstanceId"]
        for each in found
        if each.get("ProtectedFromScaleIn") and each["LifecycleState"] == "InService"
    ]
    for start in range(0, len(names), OF_A_CALL):
        try:
            client(settings, "autoscaling").set_instance_protection(
                AutoScalingGroupName=group,
                InstanceIds=names[start : start + OF_A_CALL],
                ProtectedFromScaleIn=False,
            )
        except ClientError as error:
            # one of them began to end meanwhile: the next look tells
            if error.response["Error"]["Code"] != "ValidationError":
                raise
