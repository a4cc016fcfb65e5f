"""Schedules: the request of `make run`, in the words of EventBridge Scheduler."""

import json
from dataclasses import replace

import pytest
from ecs.commands import schedule as commands
from ecs.errors import UserError
from ecs.history import records
from ecs.history.run import Run
from ecs.request import request
from ecs.stack import scheduler
from kinds import CAPACITIES, FARGATE

CRON = "cron(0 3 * * ? *)"
DEFINITION = {"cpu": "1024", "memory": "4096"}
ARN = "arn:aws:ecs:us-east-1:ACCOUNT:task-definition/churn:7"


@pytest.fixture
def nightly(settings):
    return replace(settings, name="nightly", cron=CRON, args="--max-depth 6 --note 'é \"x\"'")


def made(settings, outputs) -> tuple[dict, dict]:
    run = scheduler.run_id(settings)
    asked = request.run_task_request(settings, outputs, DEFINITION, ARN, run)
    return asked, scheduler.schedule_request(settings, outputs, asked)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_it_starts_what_make_run_would_start(nightly, outputs, real_client, capacity):
    outputs["Capacities"] = f"fargate,fargate-spot,{capacity}"
    run, stored = made(replace(nightly, capacity=capacity, memory="3072"), outputs)
    target = stored["Target"]
    parameters = target["EcsParameters"]
    assert json.loads(target["Input"]) == run["overrides"]
    assert parameters["TaskDefinitionArn"] == ARN
    assert parameters["CapacityProviderStrategy"] == run["capacityProviderStrategy"]
    if capacity not in FARGATE:
        assert "NetworkConfiguration" not in parameters
    else:
        network = parameters["NetworkConfiguration"]["awsvpcConfiguration"]
        assert network == {
            "Subnets": ["subnet-1", "subnet-2"],
            "SecurityGroups": ["sg-1"],
            "AssignPublicIp": "ENABLED",
        }
    assert (target["Arn"], target["RoleArn"]) == (
        outputs["ClusterArn"],
        outputs["SchedulerRoleArn"],
    )
    # botocore knows what the service takes
    from botocore.validate import ParamValidator

    shape = (
        real_client("scheduler").meta.service_model.operation_model("CreateSchedule").input_shape
    )
    assert not ParamValidator().validate(stored, shape).has_errors()


def test_each_run_has_an_id_of_its_own_by_its_time(nightly, outputs):
    run, _ = made(nightly, outputs)
    variables = {
        each["name"]: each["value"]
        for each in run["overrides"]["containerOverrides"][0]["environment"]
    }
    assert variables["RUN_ID"] == "<aws.scheduler.scheduled-time>-nightly"
    assert f"/runs/{variables['RUN_ID']}/" in variables["RUN_URI"]


@pytest.mark.parametrize(
    "cron", [CRON, "cron(0/15 8-17 ? * MON-FRI 2027)", "rate(12 hours)", "at(2026-11-24T03:00:00)"]
)
def test_the_expressions_of_the_scheduler_are_taken(nightly, cron):
    assert scheduler.expression(replace(nightly, cron=f" {cron} ")) == cron


@pytest.mark.parametrize(
    "cron", ["", "0 3 * * *", "cron(0 3 * * *)", "@daily", "rate(1 week)", "cron(0 3 * * ? *) x"]
)
def test_the_cron_of_unix_is_not_that_of_the_scheduler(nightly, cron):
    with pytest.raises(UserError, match=r'CRON="cron\(0 3'):
        scheduler.expression(replace(nightly, cron=cron))


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 65, "é"])
def test_a_name_that_no_schedule_has_is_refused(nightly, name):
    with pytest.raises(UserError, match="make schedule NAME=nightly"):
        scheduler.run_id(replace(nightly, name=name))


def test_another_task_role_is_refused(nightly, outputs):
    with pytest.raises(UserError, match="TASK_ROLE"):
        made(replace(nightly, task_role="reader"), outputs)


def test_the_same_name_again_replaces_the_schedule(nightly, outputs, cloud):
    _, stored = made(nightly, outputs)
    stub = cloud.stub("scheduler")
    stub.add_response("create_schedule", {"ScheduleArn": "a"})
    assert scheduler.put(nightly, stored) == "created"
    stub.add_client_error("create_schedule", "ConflictException")
    stub.add_response("update_schedule", {"ScheduleArn": "a"})
    assert scheduler.put(nightly, stored) == "updated"
    stub.assert_no_pending_responses()


def test_schedules_are_those_of_the_projects_group(nightly, cloud):
    stub = cloud.stub("scheduler")
    listed = {"Schedules": [{"Name": name} for name in ("b", "a")]}
    stub.add_response("list_schedules", listed, {"GroupName": "churn"})
    for name in ("a", "b"):
        stub.add_response("get_schedule", {"Name": name}, {"Name": name, "GroupName": "churn"})
    assert [each["Name"] for each in scheduler.schedules(nightly)] == ["a", "b"]
    stub.add_client_error("list_schedules", "ResourceNotFoundException")
    assert scheduler.schedules(nightly) == []


def test_one_that_is_not_there_cannot_be_deleted(nightly, cloud):
    stub = cloud.stub("scheduler")
    stub.add_response("delete_schedule", {}, {"Name": "nightly", "GroupName": "churn"})
    scheduler.delete(nightly, "nightly")
    stub.add_client_error("delete_schedule", "ResourceNotFoundException")
    with pytest.raises(UserError, match="make schedules"):
        scheduler.delete(nightly, "nightly")


def test_runs_of_a_schedule_stand_among_the_others_by_their_time(settings, outputs, cloud):
    ids = ["20261124T020000Z-aaaaaa", "2026-11-24T03:00:00Z-nightly", "20261124T040000Z-bbbbbb"]
    for run in ids:
        records.write(Run(settings, outputs, run), "run.json", {})
    assert records.run_ids(settings, outputs) == ids[::-1]


def test_a_schedule_that_starts_something_else_is_listed_by_what_it_starts(
    settings, monkeypatch, capsys
):
    """One that was made by hand in the group has no EcsParameters."""
    other = {
        "Name": "by-hand", "ScheduleExpression": "rate(1 day)", "State": "ENABLED",
        "Target": {"Arn": "arn:aws:lambda:us-east-1:ACCOUNT:function/tidy", "RoleArn": "role"},
    }  # fmt: skip
    monkeypatch.setattr(scheduler, "schedules", lambda _: [other])
    commands.schedules(settings)
    assert "tidy" in capsys.readouterr().out
