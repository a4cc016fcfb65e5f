"""Why a task on instances of the stack's own waits: what EC2 answered to the group that is to start one.

Sources: DescribeScalingActivities in the reference of EC2 Auto Scaling; "Troubleshoot Amazon EC2 Auto
Scaling: EC2 instance launch failures" in its user guide; the codes of the quotas in Service Quotas.
"""

import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from ecs.aws import client
from ecs.capacity import capacity as kind_of
from ecs.console import note, plain
from ecs.machines import machine
from ecs.settings import Settings

LOOK_EVERY = 30.0  # seconds
REQUEST = (
    "aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {quota} "
    "--desired-value {wanted} --region {region}"
)
ANOTHER = "make stop, then make cluster CAPACITY={capacity} INSTANCE_TYPE=…, another"
# what EC2 says, the cause, and what to type; the first that holds
REASONS = (
    (
        r"vCPU limit of (?P<limit>\d+)|VcpuLimitExceeded",
        "the account's quota for machines like {kind} is {limit} vCPUs",
        f"{REQUEST}; until AWS has granted it: make stop",
    ),
    (
        r"InsufficientInstanceCapacity|sufficient \S+ capacity",
        "AWS has no {kind} left in these zones, and is asked again and again",
        ANOTHER,
    ),
    (
        r"(?i)not supported in your requested Availability Zone|configuration is currently not supported",
        "AWS has no {kind} in one of these zones, and tries the others",
        ANOTHER,
    ),
    (
        r"(?i)ParameterNotFound|systems manager parameter|ssm:|\bparameter\b.*(not found|not exist)",
        "{region} has no machine image of ECS for CAPACITY={capacity}",
        "make stop, then make run CAPACITY=fargate, or another REGION",
    ),
    (
        r"(?i)InsufficientFreeAddresses|free (IP )?addresses",
        "the subnets have no free address left",
        "make stop, then make cluster VPC=vpc-… SUBNETS=subnet-…,subnet-…",
    ),
)
# by the first letters of an instance type: "Running On-Demand … instances"
QUOTAS = (("g", "L-DB2E81BA"), ("vt", "L-DB2E81BA"), ("p", "L-417A185B"), ("", "L-1216C47A"))


def reason(message: str, kind: str, capacity: str, region: str) -> str:
    """Return why no instance of type ``kind`` came and what to type, in one sentence.

    ``message`` is the status message of a scaling activity that failed.
    """
    text = plain(" ".join(message.split()))
    for pattern, cause, remedy in REASONS:
        if found := re.search(pattern, text):
            limit = found.groupdict().get("limit") or "too few"
            has = machine(kind)
            words = {
                "kind": kind,
                "limit": limit,
                "quota": next(code for start, code in QUOTAS if kind.startswith(start)),
                "wanted": (has.cpu // 1024 if has else 8)
                + (int(limit) if limit.isdecimal() else 0),
                "capacity": capacity,
                "region": region,
            }
            return f"{cause.format(**words)}; type: {remedy.format(**words)}"
    return f"AWS says: {text}"


def failed(activities: list[Mapping], since: Any) -> list[str]:
    """Return the messages of the activities that failed, of those that began after ``since``, oldest first."""
    return [
        each.get("StatusMessage") or each.get("Description", "")
        for each in reversed(activities)
        if each["StatusCode"] == "Failed" and (since is None or each["StartTime"] >= since)
    ]


class Waiting:
    """Looks now and then, while a task is provisioned, and says each cause once."""

    def __init__(
        self, settings: Settings, outputs: Mapping[str, str], capacity: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.settings, self.outputs, self.capacity, self.clock = settings, outputs, capacity, clock
        self.next = clock() + LOOK_EVERY if kind_of(capacity).group else math.inf
        self.told: set[str] = set()

    def __call__(self, task: Mapping) -> None:
        """Look, if it is time. Whoever may not, or gets no answer, waits without it."""
        if task["lastStatus"] != "PROVISIONING" or self.clock() < self.next:
            return
        from botocore.exceptions import BotoCoreError, ClientError

        self.next = self.clock() + LOOK_EVERY
        try:
            messages = failed(self.activities(), task.get("createdAt"))
        except (BotoCoreError, ClientError):
            self.next = math.inf
            return
        kind = self.outputs.get("InstanceType", "this type")
        for message in messages:
            sentence = reason(message, kind, self.capacity, self.settings.region)
            if sentence not in self.told:
                self.told.add(sentence)
                note(f"-- no instance has come yet: {sentence}")

    def activities(self) -> list[Mapping]:
        """Return the latest scaling activities of the group behind the stack's capacity provider."""
        (provider,) = client(self.settings, "ecs").describe_capacity_providers(
            capacityProviders=[self.outputs["CapacityProvider"]]
        )["capacityProviders"]
        arn = provider["autoScalingGroupProvider"]["autoScalingGroupArn"]
        return client(self.settings, "autoscaling").describe_scaling_activities(
            AutoScalingGroupName=arn.rpartition("/")[2], MaxRecords=20
        )["Activities"]
