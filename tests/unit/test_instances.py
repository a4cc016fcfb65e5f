"""The group of instances ends before its stack. Sources: aws/containers-roadmap 2862, aws/aws-cdk 18179."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, WaiterError
from ecs.errors import UserError
from ecs.stack import destroy, instances


class Stopped(BaseException):
    """The process was killed."""


class Group:
    """An Auto Scaling group with protected instances, as its API reference describes it."""

    def __init__(self, protected: int = 2, stubborn: bool = False) -> None:
        self.there, self.stubborn, self.asked = True, stubborn, 2
        self.instances = {f"i-{number}": True for number in range(protected)}
        self.calls = 0
        self.dies_at = 0

    def called(self) -> None:
        self.calls += 1
        if self.calls == self.dies_at:
            raise Stopped

    def settle(self) -> None:
        """Scale in, as far as the protection allows."""
        if self.asked == 0 and not self.stubborn:
            self.instances = {name: held for name, held in self.instances.items() if held}

    def describe_auto_scaling_groups(self, *, AutoScalingGroupNames: list[str]) -> dict:
        self.called()
        listed = [
            {"InstanceId": name, "ProtectedFromScaleIn": held, "LifecycleState": "InService"}
            for name, held in self.instances.items()
        ]
        return {"AutoScalingGroups": [{"Instances": listed}] if self.there else []}

    def update_auto_scaling_group(self, *, AutoScalingGroupName: str, **fields: int) -> None:
        self.called()
        assert (fields["MinSize"], fields["DesiredCapacity"]) == (0, 0)
        assert fields["NewInstancesProtectedFromScaleIn"] is False
        self.asked = fields["DesiredCapacity"]
        self.settle()

    def set_instance_protection(
        self, *, AutoScalingGroupName: str, InstanceIds: list[str], ProtectedFromScaleIn: bool
    ) -> None:
        self.called()
        assert len(InstanceIds) <= 50
        assert not ProtectedFromScaleIn
        self.instances |= dict.fromkeys(InstanceIds, False)
        self.settle()


@pytest.fixture
def group(cloud):
    made = Group()
    cloud.services["autoscaling"] = made
    return made


def test_protected_instances_end_before_their_group_is_deleted(settings, group):
    group.instances = {f"i-{number}": True for number in range(60)}
    instances.end(settings, "the-group", "make destroy", sleep=lambda _: None)
    assert group.instances == {}


def test_interrupted_at_any_call_and_typed_again_it_ends_too(settings, group):
    for number in range(1, 10):
        group.__init__()
        group.dies_at = number
        try:
            instances.end(settings, "the-group", "make destroy", sleep=lambda _: None)
        except Stopped:
            instances.end(settings, "the-group", "make destroy", sleep=lambda _: None)
        assert group.instances == {}


@pytest.mark.parametrize("name", ["", "the-group"])
def test_a_group_that_is_gone_is_no_error(settings, group, name):
    group.there = False
    instances.end(settings, name, "make destroy", sleep=lambda _: pytest.fail("waited"))


def test_instances_that_do_not_end_are_named_with_what_to_type(settings, group, monkeypatch):
    group.stubborn = True
    monkeypatch.setattr(instances, "LIMIT", 0.0)
    with pytest.raises(UserError, match=r"i-0, i-1 do not end; type: aws .* --force-delete"):
        instances.end(settings, "the-group", "make destroy", sleep=lambda _: None)


def test_an_instance_that_begins_to_end_meanwhile_is_looked_at_again(settings, group, monkeypatch):
    lift = group.set_instance_protection

    def once(**fields):
        monkeypatch.setattr(group, "set_instance_protection", lift)
        error = {"Code": "ValidationError", "Message": "The instance i-0 is not in InService"}
        raise ClientError({"Error": error}, "SetInstanceProtection")

    monkeypatch.setattr(group, "set_instance_protection", once)
    instances.end(settings, "the-group", "make destroy", sleep=lambda _: None)
    assert group.instances == {}


@pytest.mark.parametrize("before", ["fargate", "ec2", "gpu", "managed", "managed-gpu"])
@pytest.mark.parametrize("after", ["fargate", "ec2", "gpu", "managed"])
@pytest.mark.parametrize("busy", [True, False])
def test_a_capacity_is_taken_away_from_no_running_task(
    settings, group, cloud, monkeypatch, before, after, busy
):
    stack = {"Parameters": [{"ParameterKey": "Capacity", "ParameterValue": before}]}
    listed = [{"LogicalResourceId": "Instances", "PhysicalResourceId": "the-group"}]
    listed = [{**each, "ResourceStatus": "CREATE_COMPLETE"} for each in listed]
    has_group = before in ("ec2", "gpu")
    monkeypatch.setattr(instances, "resources", lambda _: listed if has_group else [])
    monkeypatch.setattr(instances, "end", lambda _, name, again: ended.append(name))
    ended, asked = [], []
    stands = {"ec2": "EC2", "gpu": "EC2"}.get(before, "MANAGED_INSTANCES")

    def list_tasks(cluster, launchType):
        asked.append(launchType)
        return {"taskArns": ["a-task"] if busy else []}

    cloud.services["ecs"] = SimpleNamespace(list_tasks=list_tasks)
    given = replace(settings, capacity=after)
    stays = before == "fargate" or {before, after} in ({"ec2", "gpu"}, {"managed", "managed-gpu"})
    stays = stays or before == after
    if stays:
        instances.make_way(given, stack)
        assert asked == ended == []
    elif busy:
        with pytest.raises(UserError, match=f"type: make cluster CAPACITY={before}$"):
            instances.make_way(given, stack)
        assert ended == []
    else:
        instances.make_way(given, stack)
        assert asked == [stands]
        assert ended == (["the-group"] if has_group else [""])


def test_a_stack_that_is_not_deleted_names_each_resource_and_the_reason(
    settings, cloud, monkeypatch
):
    def wait(**_):
        raise WaiterError("StackDeleteComplete", "terminal failure", {})

    cloud.services["cloudformation"] = SimpleNamespace(
        delete_stack=lambda StackName: None, get_waiter=lambda _: SimpleNamespace(wait=wait)
    )
    listed = [
        ("Vpc", "vpc-1", "DELETE_FAILED", "has dependencies and\n cannot be deleted"),
        ("Instances", "the-group", "DELETE_IN_PROGRESS", ""),
        ("TaskRole", "role", "DELETE_COMPLETE", ""),
    ]
    names = (
        "LogicalResourceId",
        "PhysicalResourceId",
        "ResourceStatus",
        "ResourceStatusReason",
    )
    monkeypatch.setattr(
        destroy, "resources", lambda _: [dict(zip(names, each, strict=True)) for each in listed]
    )
    with pytest.raises(UserError) as said:
        destroy.delete_stack(settings, "id")
    assert str(said.value) == (
        "the stack churn is not deleted: Vpc vpc-1: has dependencies and cannot be deleted; "
        "Instances the-group: still being deleted; once that is solved, type: make destroy"
    )
