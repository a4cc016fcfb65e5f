"""Why no instance comes: the scaling activities of the group, each cause said once.

The words are EC2's: scrapoxy 202 (quota), terraform 9074 (capacity), intro-to-terraform 6 (zones), and the user
guide of EC2 Auto Scaling, "EC2 instance launch failures".
"""

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import EndpointConnectionError
from ecs.history.run import Run
from ecs.run import waiting
from ecs.run.attempts import attend
from ecs.run.waiting import LOOK_EVERY, Waiting, failed, reason
from ecs.stack import policies
from kinds import CAPACITIES, INSTANCES

QUOTA = (
    "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket "
    "that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request "
    "to request an adjustment to this limit. Launching EC2 instance failed."
)
CAPACITY = (
    "We currently do not have sufficient c7i.xlarge capacity in the Availability Zone you requested "
    "(us-east-1a). Our system will be working on provisioning additional capacity. Launching EC2 instance failed."
)
ZONE = (
    "Your requested instance type (g6.xlarge) is not supported in your requested Availability Zone "
    "(us-east-1e). Launching EC2 instance failed."
)
IMAGE = (
    "Invalid Systems Manager parameter: /aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id. "
    "Launching EC2 instance failed."
)
ADDRESSES = "There are not enough free addresses in subnet 'subnet-1' to satisfy the requested number of instances."


@pytest.mark.parametrize(
    ("message", "kind", "capacity", "cause", "typed"),
    [
        (QUOTA, "g6.xlarge", "gpu", "quota for machines like g6.xlarge is 0 vCPUs", "--quota-code L-DB2E81BA --desired-value 4 --region eu-west-1"),
        (QUOTA.replace("limit of 0", "limit of 5"), "c7i.2xlarge", "ec2", "is 5 vCPUs", "--quota-code L-1216C47A --desired-value 13 "),
        (QUOTA, "p5.48xlarge", "gpu", "is 0 vCPUs", "--quota-code L-417A185B --desired-value 8 "),
        (QUOTA, "vt1.3xlarge", "gpu", "is 0 vCPUs", "--quota-code L-DB2E81BA "),
        ("VcpuLimitExceeded", "m7g.large", "ec2", "is too few vCPUs", "--quota-code L-1216C47A --desired-value 2 "),
        (CAPACITY, "c7i.xlarge", "ec2", "no c7i.xlarge left", "make cluster CAPACITY=ec2 INSTANCE_TYPE=…, another"),
        ("Could not launch On-Demand Instances. InsufficientInstanceCapacity - no", "g6.xlarge", "gpu", "no g6.xlarge left", "CAPACITY=gpu INSTANCE_TYPE="),
        (ZONE, "g6.xlarge", "gpu", "no g6.xlarge in one of these zones", "make cluster CAPACITY=gpu INSTANCE_TYPE=…, another"),
        ("The requested configuration is currently not supported.", "c7g.large", "ec2", "no c7g.large in one of", "INSTANCE_TYPE="),
        (IMAGE, "g6.xlarge", "gpu", "eu-west-1 has no machine image of ECS for CAPACITY=gpu", "make run CAPACITY=fargate, or another REGION"),
        ("ParameterNotFound", "g6.xlarge", "gpu", "no machine image of ECS", "another REGION"),
        ("InsufficientFreeAddressesInSubnet", "c7i.large", "ec2", "no free address", "make cluster VPC="),
        (ADDRESSES, "c7i.large", "ec2", "no free address", "make cluster VPC="),
    ],
)  # fmt: skip
def test_what_ec2_says_is_a_cause_and_something_to_type(message, kind, capacity, cause, typed):
    said = reason(message, kind, capacity, "eu-west-1")
    before, _, after = said.partition("; type: ")
    assert cause in before
    assert typed in after
    assert "{" not in said


def test_what_nobody_knows_is_said_in_its_own_words_on_one_line():
    said = reason("Something\n \x1b[31mnew.", "c7i.large", "ec2", "r")
    assert said == r"AWS says: Something \x1b[31mnew."


NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TASK = {"lastStatus": "PROVISIONING", "createdAt": NOW}


def activity(code: str, minutes: float, message: str = "", text: str = "") -> dict:
    found = {
        "ActivityId": "a", "AutoScalingGroupName": "the-group", "Cause": "c", "StatusCode": code,
        "StartTime": NOW + timedelta(minutes=minutes),
    }  # fmt: skip
    return found | ({"StatusMessage": message} if message else {"Description": text})


def test_only_failures_of_this_wait_count_the_oldest_first():
    activities = [
        activity("Failed", 3, "three"), activity("Successful", 2, "two"),
        activity("Failed", 0, text="zero"), activity("Failed", -1, "before"),
    ]  # fmt: skip
    assert failed(activities, NOW) == ["zero", "three"]
    assert failed(activities, None) == ["before", "zero", "three"]


@pytest.fixture
def looked(settings, outputs, cloud):
    """Return a Waiting whose clock a test turns, and a function that scripts a look's answer."""
    now = [0.0]
    given = replace(settings, capacity="gpu")
    found = Waiting(given, {**outputs, "InstanceType": "g6.xlarge"}, "gpu", lambda: now[0])
    arn = "arn:aws:autoscaling:us-east-1:1:autoScalingGroup:u:autoScalingGroupName/the-group"
    provider = {"autoScalingGroupProvider": {"autoScalingGroupArn": arn}}

    def answer(*activities: dict) -> None:
        cloud.stub("ecs").add_response(
            "describe_capacity_providers", {"capacityProviders": [provider]},
            {"capacityProviders": ["the-instances"]},
        )  # fmt: skip
        cloud.stub("autoscaling").add_response(
            "describe_scaling_activities", {"Activities": list(activities)},
            {"AutoScalingGroupName": "the-group", "MaxRecords": 20},
        )  # fmt: skip

    return found, now, answer


def test_it_looks_now_and_then_and_says_each_cause_once(looked, cloud, capsys):
    found, now, answer = looked
    found(TASK)
    now[0] = LOOK_EVERY - 1
    found(TASK)  # the stubs have no answer: nobody is asked
    for minute in range(1, 6):
        now[0] = minute * LOOK_EVERY
        answer(*[activity("Failed", each, QUOTA) for each in range(minute)])
        found(TASK)
        found(TASK)
    answer(activity("Failed", 7, ZONE), activity("Failed", 6, QUOTA))
    now[0] += LOOK_EVERY
    found(TASK)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("-- no instance has come yet: the account's quota for machines like")
    assert "no g6.xlarge in one of these zones" in lines[1]
    cloud.stub("autoscaling").assert_no_pending_responses()


@pytest.mark.parametrize("phase", ["PENDING", "RUNNING", "STOPPED", "ACTIVATING"])
def test_once_an_instance_has_come_nobody_is_asked(looked, phase):
    found, now, _ = looked
    now[0] = 10 * LOOK_EVERY
    found({**TASK, "lastStatus": phase})


@pytest.mark.parametrize("capacity", [*CAPACITIES, ""])
def test_other_capacities_have_no_group(settings, outputs, capacity):
    found = Waiting(settings, outputs, capacity, lambda: 0.0)
    assert (found.next < math.inf) is (capacity in INSTANCES)


@pytest.mark.parametrize("fault", ["denied", "no network"])
def test_who_may_not_look_waits_without_it(looked, cloud, capsys, fault):
    found, now, _ = looked
    now[0] = LOOK_EVERY
    if fault == "denied":
        cloud.stub("ecs").add_client_error("describe_capacity_providers", "AccessDeniedException")
    else:

        class Away:
            def describe_capacity_providers(self, **_):
                raise EndpointConnectionError(endpoint_url="x")

        cloud.services["ecs"] = Away()
    found(TASK)
    now[0] *= 100
    found(TASK)  # the stub has no second answer
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_the_policy_lets_who_runs_look(settings, capacity):
    names = policies.Names(replace(settings, capacity=capacity), "1", "aws")
    allowed = {action for each in policies.runs(names)["Statement"] for action in each["Action"]}
    wanted = {"autoscaling:DescribeScalingActivities", "ecs:DescribeCapacityProviders"}
    assert (wanted <= allowed) is (capacity in INSTANCES)
    assert (not wanted & allowed) is (capacity not in INSTANCES)


def test_a_run_that_is_followed_tells_why_it_waits(settings, outputs, cloud, monkeypatch):
    """Of the attempt's own capacity, which may be another than the project's."""
    asked, given = [], {}

    def follow(*_, **named):
        given.update(named)
        return {"lastStatus": "STOPPED", "containers": []}

    monkeypatch.setattr("ecs.run.attempts.follow", follow)
    monkeypatch.setattr("ecs.run.attempts.Waiting", lambda *words: asked.append(words) or words)
    cloud.services |= {"ecs": object(), "logs": object()}
    record = {"task": "a/b/c", "attempts": [{"attempt": 1, "task": "a/b/c", "capacity": "gpu"}]}
    attend(Run(settings, outputs, "r", record))
    assert asked == [(settings, outputs, "gpu")]
    assert given["waiting"] == asked[0]


def test_each_quota_is_one_of_service_quotas():
    assert all(re.fullmatch(r"L-[0-9A-F]{8}", code) for _, code in waiting.QUOTAS)
