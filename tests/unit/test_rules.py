"""Every request that a target can build is one that AWS's references allow: rules_aws.py."""

import itertools
import re
from dataclasses import replace

import pytest
import rules_aws
from botocore.model import StructureShape
from ecs import aws
from ecs.capacity import CAPACITIES
from ecs.checks import permissions
from ecs.errors import UserError
from ecs.history import records
from ecs.request import definition, request
from ecs.run import retry
from ecs.settings import ARCHITECTURES, Settings, check
from ecs.stack import policies, scheduler
from ecs.verdict.rules import AGAIN, ELSEWHERE, RESUME
from support import PROJECT

NAMES = [f"{each.calls}: {each.says}" for each in rules_aws.RULES]


@pytest.mark.parametrize("rule", rules_aws.RULES, ids=NAMES)
def test_each_rule_refuses_its_example_and_no_other_does(rule):
    call = next(c for c in rule.calls.split("|") if takes(c, rule.refused))
    assert rules_aws.broken(call, rule.refused) == [rule]
    service, _, operation = call.partition(".")
    assert len(rules_aws.faults(service, operation, rule.refused)) == 1  # the validator takes it


def takes(call: str, asked: dict) -> bool:
    service, _, operation = call.partition(".")
    members = rules_aws.model(service).operation_model(operation).input_shape.members
    return set(asked) <= set(members)


def documentation(service: str, operation: str, member: str) -> str:
    """Return what the service's model says of a member of a request, or of the operation."""
    found = rules_aws.model(service).operation_model(operation)
    text, shape = found.documentation, found.input_shape
    for name in filter(None, member.split(".")):
        shape = (shape if isinstance(shape, StructureShape) else shape.member).members[name]
        text = shape.documentation
    return " ".join(re.sub("<[^>]+>", " ", text).split())


@pytest.mark.parametrize("rule", rules_aws.RULES, ids=NAMES)
def test_what_a_rule_says_stands_in_its_source(rule):
    """botocore brings the API reference along; pages of the guides are named only."""
    call, _, member = rule.source.rpartition(": ")
    service, _, operation = (call or rule.calls.split("|")[0]).partition(".")
    if "," in rule.source or "guide" in rule.source or call and "." not in call:
        pytest.skip("a page, which is not here")
    said = documentation(service, operation, member)
    assert " ".join(rule.says.split()) in said, said


# ---- all that is built

STACK = {
    "Bucket": "churn-111122223333-us-east-1",
    "CapacityProvider": "churn-instances",
    "Cluster": "churn",
    "ClusterArn": "arn:aws:ecs:us-east-1:111122223333:cluster/churn",
    "Exec": "ENABLED",
    "ExecutionRoleArn": "arn:aws:iam::111122223333:role/execution",
    "InstanceType": "p5.48xlarge",
    "LogGroup": "/ecs/churn",
    "PublicIp": "ENABLED",
    "SchedulerRoleArn": "arn:aws:iam::111122223333:role/scheduler",
    "SecurityGroup": "sg-1",
    "Subnets": ",".join(f"subnet-{number}" for number in range(20)),
    "TaskRoleArn": "arn:aws:iam::111122223333:role/task",
}
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/churn@sha256:" + "0" * 64
REVISION = "arn:aws:ecs:us-east-1:111122223333:task-definition/churn:7"
LONG = "--note " + "x" * 9000
# values of the variables that change a request; each with each. The sandbox's are no business of AWS's.
VALUES: dict[str, tuple] = {
    "capacity": CAPACITIES,
    "architecture": ARCHITECTURES,
    "exec": (False, True),
    "args": ("--max-depth 6 --note 'é \"x\"'", LONG),
    ("cpu", "memory"): (("", ""), ("256", "512"), ("16384", "122880")),
    "disk": ("", "200"),
    "gpus": ("", "8"),
    "task_role": ("", "reader"),
}
CRONS = ("cron(0 3 * * ? *)", "rate(12 hours)", "at(2026-11-24T03:00:00)")


def everything() -> list[Settings]:
    """Return the settings that no check refuses."""
    found = []
    for values in itertools.product(*VALUES.values()):
        given: dict = {}
        for names, value in zip(VALUES, values, strict=True):
            given |= (
                dict(zip(names, value, strict=True)) if isinstance(names, tuple) else {names: value}
            )
        settings = Settings("churn", "us-east-1", name="nightly", **given)
        try:
            check(settings)
        except UserError:
            continue
        found.append(settings)
    return found


def attempts(first: dict, ends: tuple[str, ...]) -> list[dict]:
    """Return the requests of a run whose attempts end so; the last ones of a Spot run are on demand."""
    found, ended = [first], []
    for each in ends:
        ended.append({"retry": each})
        found.append(retry.next_request(first, ended, len(ends), spot_fallback=True))
    return found


def built(
    settings: Settings, cron: str = CRONS[0], ends: tuple[str, ...] = (ELSEWHERE,)
) -> dict[str, list[dict]]:
    """Return the requests that ``make register``, ``run`` and ``schedule`` send for these settings."""
    stack = STACK | {"Capacities": ",".join(CAPACITIES)}
    written = definition.read(PROJECT / "task-definition.json")
    registered = definition.render(written, settings, stack, IMAGE)
    run = request.run_task_request(settings, stack, written, REVISION, "20260102T030405Z-abcdef")
    found = {"ecs.RegisterTaskDefinition": [registered], "ecs.RunTask": attempts(run, ends)}
    if not settings.task_role and settings.args != LONG:
        named = replace(settings, cron=cron)
        run = request.run_task_request(
            named, stack, written, REVISION, scheduler.run_id(named), schedule="nightly"
        )
        found["scheduler.CreateSchedule"] = [scheduler.schedule_request(named, stack, run)]
    return found


def test_every_request_over_all_capacities_architectures_and_flags_keeps_the_rules():
    kinds, seen = set(), 0
    for settings in everything():
        try:
            requests = built(settings)
        except UserError:  # refused beforehand, with what to type
            continue
        for call, several in requests.items():
            service, _, operation = call.partition(".")
            for asked in several:
                assert rules_aws.faults(service, operation, asked) == [], (settings, asked)
                seen += 1
            kinds.add((settings.capacity, settings.architecture))
        tie(requests["ecs.RegisterTaskDefinition"][0], requests["ecs.RunTask"])
    without = {(each, "arm64") for each in ("gpu", "managed-gpu")}
    assert kinds == set(itertools.product(CAPACITIES, ARCHITECTURES)) - without
    assert seen > 1000


def tie(registered: dict, sent: list[dict]) -> None:
    """Check what ties the requests of a run to its task definition and to each other."""
    tokens = [each["clientToken"] for each in sent]
    assert len(set(tokens)) == len(tokens)  # a token stands for one request
    assert [each["startedBy"] for each in sent] == tokens
    own = {each["name"] for each in registered["containerDefinitions"]}
    for asked in sent:
        over = asked["overrides"]
        assert {each["name"] for each in over["containerOverrides"]} <= own
        size = {name: over.get(name, registered[name]) for name in ("cpu", "memory")}
        if rules_aws.fargate(asked):
            assert rules_aws.is_size(size)
            assert registered["requiresCompatibilities"] == ["FARGATE"]
        assert ("networkConfiguration" in asked) == (registered["networkMode"] == "awsvpc")


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_every_attempt_keeps_the_rules(capacity):
    ends = (AGAIN, RESUME, *[ELSEWHERE] * 18, AGAIN)
    found = built(Settings("churn", "us-east-1", capacity, name="n"), ends=ends)
    assert len(found["ecs.RunTask"]) == len(ends) + 1
    for asked in found["ecs.RunTask"]:
        assert rules_aws.faults("ecs", "RunTask", asked) == []
    tie(found["ecs.RegisterTaskDefinition"][0], found["ecs.RunTask"])


@pytest.mark.parametrize("cron", CRONS)
def test_every_expression_that_is_taken_is_one_of_the_scheduler_s(cron):
    (asked,) = built(Settings("churn", "us-east-1", name="n"), cron)["scheduler.CreateSchedule"]
    assert rules_aws.faults("scheduler", "CreateSchedule", asked) == []
    assert rules_aws.faults("scheduler", "UpdateSchedule", asked) == []


@pytest.mark.parametrize(
    "cron", ["rate(0 hours)", "at(2026-1)", "at(2026-11-24T03:00)", "rate(01 day)"]
)
def test_an_expression_that_is_none_of_the_scheduler_s_is_refused_here(cron):
    with pytest.raises(UserError, match="CRON="):
        scheduler.expression(Settings("churn", "us-east-1", name="n", cron=cron))


def test_what_make_verify_tries_breaks_a_rule_where_it_could_change_something():
    """ "Probe with calls that cannot succeed on any implementation": those of which the table can tell."""
    names = policies.Names(Settings("churn", "us-east-1"), "111122223333", "aws")
    calls = permissions.calls(names, "0" * 32)
    print(sorted(calls))
    for action in ("scheduler:UpdateSchedule",):
        assert rules_aws.faults(*action.split(":"), calls[action]) != []
        assert rules_aws.of_a_probe(calls[action])
    creates = {
        "secretsmanager:CreateSecret",
        "scheduler:CreateSchedule",
        "ecs:RegisterTaskDefinition",
    }
    assert not creates & set(calls)  # which no request makes invalid everywhere


def test_a_call_against_a_rule_is_seen_whichever_way_it_goes(settings, cloud, tmp_path):
    """conftest.py lets every unit test fail of such a one; here the faults are looked at and forgotten."""
    bad = {"logGroupName": "g", "logStreamName": "s", "nextToken": "f/1"}
    cloud.stub("logs").add_response("get_log_events", {})
    cloud.services["logs"].get_log_events(**bad)  # boto3
    (tmp_path / "aws").write_text("#!/bin/sh\necho '{}'\n")
    (tmp_path / "aws").chmod(0o755)
    cli = replace(settings, aws=str(tmp_path / "aws"))
    aws.call_cli(cli, "ecs", "run-task", request={"taskDefinition": "d", "count": 11})
    aws.call_cli(cli, "ecs", "list-tasks", "--started-by", "r", "--family", "f")
    with pytest.raises(AssertionError):  # the stand-in's own
        records.client(settings, "s3").put_object(
            Bucket="b", Key="k", IfNoneMatch="x", Body=b"", ContentType="x"
        )
    calls = [each.partition(":")[0] for each in rules_aws.FOUND]
    rules_aws.FOUND.clear()
    assert calls == ["logs.GetLogEvents", "ecs.RunTask", "ecs.ListTasks", "s3.PutObject"]
