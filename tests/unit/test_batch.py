"""Runs on AWS Batch: what is sent, when it is tried again, and what people see of it.

Source of how Batch answers: its API reference, and "Automated job retries" in its user guide. Never seen on a
real account.
"""

import fnmatch
import hashlib
import json
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import rules_aws
import test_cli
from conftest import ID, OUTPUTS
from ecs import aws, contract
from ecs.commands import batch as commands
from ecs.errors import UserError
from ecs.history import measures
from ecs.request import definition, grid, job
from ecs.run import batch, queued
from ecs.stack import jobs
from ecs.verdict.verdict import verdict
from support import PROJECT
from world import Killed

user = test_cli.user
RUN = "20260102T030405Z-abcdef"
TASK = "arn:aws:ecs:us-east-1:000000000000:task/batch/{:032x}"
QUEUES = {"FargateQueue": "the-queue", "FargateSpotQueue": "the-spot-queue"}


def ended(
    code: int | None, why: str = "Essential container in task exited", reason: str = ""
) -> dict:
    """Return an attempt as DescribeJobs shows it."""
    container = {"name": "train", "logStreamName": f"run/train/{code}"}
    container |= {} if code is None else {"exitCode": code}
    container |= {"reason": reason} if reason else {}
    task = {"taskArn": TASK.format(code or 0), "containers": [container]}
    times = {"startedAt": 1767323045000, "stoppedAt": 1767323105000}
    return {"statusReason": why, "taskProperties": [task], **times}


class Batch:
    """A Batch of a few lines: jobs and job definitions, and a CLI that may die before or after a call."""

    def __init__(self) -> None:
        self.jobs: list[dict] = []
        self.definitions: list[dict] = []
        self.hidden = 0  # looks at the list until a new job is in it
        self.sent: list[dict] = []
        self.errors: list[
            tuple[str, bool]
        ] = []  # of SubmitJob: the words, and whether there is a job
        self.terminated: list[tuple[str, str]] = []

    def call_cli(self, settings: Any, *words: str, request: dict | None = None, **_: Any) -> dict:
        if words[1] == "terminate-job":
            given = dict(zip(words[2::2], words[3::2], strict=True))
            self.terminated.append((given["--job-id"], given["--reason"]))
            return {}
        rules_aws.look("batch", "SubmitJob", request)
        self.sent.append(request)
        error, there = self.errors.pop(0) if self.errors else ("", True)
        if there:
            made = {"jobId": f"job-{len(self.jobs) + 1}", "jobName": request["jobName"]}
            size = request.get("arrayProperties")
            array = {"arrayProperties": dict(size, statusSummary={})} if size else {}
            self.jobs.append({**made, "status": "SUBMITTED", "createdAt": 1767323044000, **array})
        if error == "killed":
            raise Killed
        if error:
            raise UserError(f"aws batch submit-job: {error}")
        return made

    def register_job_definition(self, **request: Any) -> dict:
        arn = f"arn:aws:batch:us-east-1:0:job-definition/churn:{len(self.definitions) + 1}"
        self.definitions.append({**request, "jobDefinitionArn": arn})
        return {"jobDefinitionArn": arn}

    class exceptions:
        class ClientException(Exception):
            pass

    def list_jobs(self, **asked: Any) -> dict:
        if "arrayJobId" in asked:
            if not self.jobs:
                raise self.exceptions.ClientException
            failed = [
                each for each in self.jobs if each["jobId"].startswith(asked["arrayJobId"] + ":")
            ]
            return {"jobSummaryList": failed[: asked["maxResults"]]}
        assert asked["jobQueue"] in QUEUES.values()
        (name,) = asked["filters"][0]["values"]
        if self.hidden:
            self.hidden -= 1
            return {"jobSummaryList": []}
        other = {"jobId": "other", "jobName": name.lower()}
        if "nextToken" not in asked:
            return {"jobSummaryList": [other], "nextToken": "2"}
        return {"jobSummaryList": [each for each in self.jobs if each["jobName"] == name]}

    def describe_jobs(self, *, jobs: list[str]) -> dict:
        return {"jobs": [each for each in self.jobs if each["jobId"] in jobs]}

    def get_paginator(self, name: str) -> Any:
        assert name == "describe_job_definitions"
        return SimpleNamespace(paginate=lambda **_: iter([{"jobDefinitions": self.definitions}]))


@pytest.fixture
def world(user, monkeypatch) -> Batch:
    made = Batch()
    user.cloud.services["batch"] = made
    path = user.folder / ".aws-state/stack.json"
    path.write_text(json.dumps(OUTPUTS | QUEUES))
    monkeypatch.setattr(commands, "new_run_id", lambda: RUN)
    monkeypatch.setattr(batch, "call_cli", made.call_cli)
    monkeypatch.setattr(batch, "pause", lambda *_: 0)
    monkeypatch.setattr(queued, "sleep", lambda seconds: None)
    return made


# ---- what is tried again

# how an attempt ended: exit code, status reason, the container's reason, and whether Batch tries again
ENDINGS = [
    ("the script's own error", 1, "Essential container in task exited", "", False),
    ("wrong arguments", 2, "Essential container in task exited", "", False),
    ("data that cannot be had", 81, "Essential container in task exited", "", False),
    ("data that did not come this time", 82, "Essential container in task exited", "", True),
    ("results not saved", 83, "Essential container in task exited", "", True),
    ("too little memory, by the launcher", 84, "Essential container in task exited", "", False),
    ("a code of the script's that begins so", 8, "Essential container in task exited", "", False),
    ("killed for memory", 137, "Essential container in task exited", "OutOfMemoryError: killed", False),
    ("segmentation fault", 139, "Essential container in task exited", "", False),
    ("Spot, in time", 143, "Your Spot Task was interrupted.", "", True),
    ("Spot, before it began", None, "Your Spot Task was interrupted.", "", True),
    ("host lost", None, "Host EC2 (instance i-1) terminated.", "", True),
    ("no network interface", None, "Timeout waiting for network interface provisioning to complete.", "", True),
    ("no image", None, "Task failed to start", "CannotPullContainerError: not found", False),
    ("no such program", None, "Task failed to start", "CannotStartContainerError: no file", False),
]  # fmt: skip


def tried_again(strategy: dict, code: int | None, status: str, reason: str) -> bool:
    """Tell what Batch does by its rules: all conditions of a rule, the first that matches, else retry.

    A pattern is matched against what there is; "it can optionally end with an asterisk".
    """
    ended = {"onExitCode": code, "onReason": reason or None, "onStatusReason": status}
    for rule in strategy["evaluateOnExit"]:
        conditions = {name: text for name, text in rule.items() if name != "action"}
        if all(
            ended[name] is not None and fnmatch.fnmatchcase(str(ended[name]), text)
            for name, text in conditions.items()
        ):
            return rule["action"] == "RETRY"
    return True


@pytest.mark.parametrize(("name", "code", "status", "reason", "again"), ENDINGS)
def test_batch_repeats_what_may_pass_and_never_the_user_s_own_error(settings, name, code, status, reason, again):  # fmt: skip
    strategy = job.retry_strategy(replace(settings, retries="3"))
    assert strategy["attempts"] == 4
    assert strategy["evaluateOnExit"][-1]["action"] == "EXIT"
    assert tried_again(strategy, code, status, reason) is again


@pytest.mark.parametrize("code", [code for _, code, _, _, _ in ENDINGS if code])
def test_of_exit_codes_batch_repeats_what_the_verdict_calls_passing(settings, code):
    task = {"lastStatus": "STOPPED", "containers": [{"name": "train", "exitCode": code}]}
    strategy = job.retry_strategy(settings)
    assert tried_again(strategy, code, "", "") is (verdict(task).retry != "never")


@pytest.mark.parametrize(("given", "attempts"), [("", 1), ("0", 1), ("9", 10)])
def test_attempts_are_one_more_than_retries(settings, given, attempts):
    assert job.retry_strategy(replace(settings, retries=given))["attempts"] == attempts


def test_more_attempts_than_batch_makes_are_refused_with_what_to_type(settings):
    with pytest.raises(UserError, match="type: RETRIES=9$"):
        job.retry_strategy(replace(settings, retries="10"))


# ---- the job definition


def rendered(settings) -> dict:
    written = definition.read(PROJECT / "task-definition.json")
    return definition.render(written, settings, OUTPUTS, "registry.example/churn@sha256:1")


def test_a_job_definition_is_the_task_definition_with_disk_and_role(settings):
    asked = replace(settings, task_role="reader", architecture="arm64")
    overrides = {"cpu": "256", "memory": "512", "ephemeralStorage": {"sizeInGiB": 50}}
    found = job.definition(rendered(asked), asked, OUTPUTS, overrides)
    assert rules_aws.faults("batch", "RegisterJobDefinition", found) == []
    (task,) = found["ecsProperties"]["taskProperties"]
    (container,) = task["containers"]
    assert {each["type"]: each["value"] for each in container["resourceRequirements"]} == {
        "VCPU": "0.25",
        "MEMORY": "512",
    }
    assert container["image"] == "registry.example/churn@sha256:1"
    assert container["stopTimeout"] == 120
    assert task["ephemeralStorage"] == {"sizeInGiB": 50}
    assert task["taskRoleArn"] == "arn:aws:iam::ACCOUNT:role/reader"
    assert task["executionRoleArn"] == OUTPUTS["ExecutionRoleArn"]
    assert task["networkConfiguration"] == {"assignPublicIp": "ENABLED"}
    assert task["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    assert task["volumes"] == [{"name": "scratch"}]
    assert found["platformCapabilities"] == ["FARGATE"]


def test_without_more_the_definition_s_own_size_and_role_hold(settings):
    found = job.definition(rendered(settings), settings, OUTPUTS, {})
    (task,) = found["ecsProperties"]["taskProperties"]
    assert task["containers"][0]["resourceRequirements"][0] == {"type": "VCPU", "value": "1"}
    assert task["taskRoleArn"] == OUTPUTS["TaskRoleArn"]
    assert "ephemeralStorage" not in task


@pytest.mark.parametrize(
    ("containers", "words"),
    [
        ([{"name": "train"}, {"name": "other"}], "one container, train; type: make run"),
        ([{"name": "train", "healthCheck": {}}], "no healthCheck; type: make run"),
    ],
)
def test_what_no_job_can_have_is_refused(settings, containers, words):
    with pytest.raises(UserError, match=words):
        job.definition({"containerDefinitions": containers}, settings, OUTPUTS, {})


def test_a_definition_is_registered_only_when_it_changed(user, world):
    for _ in range(2):
        assert user.call("submit")[0] == 0
        user.cloud.bucket.objects.pop(f"churn/runs/{RUN}/run.json")
    assert len(world.definitions) == 1
    assert user.call("submit", CPU="2048", MEMORY="8192")[0] == 0
    assert [each["jobDefinition"][-2:] for each in world.sent] == [":1", ":1", ":2"]


# ---- one run


def test_a_run_is_recorded_before_it_is_sent_and_its_job_after(user, world):
    status, _, err = user.call(
        "submit", ARGS="--eta 0.1", RETRIES="3", TIMEOUT="3600", ENV="A=1", CAPACITY="fargate-spot"
    )
    assert status == 0, err
    (sent,) = world.sent
    assert (sent["jobName"], sent["jobQueue"]) == (RUN, "the-spot-queue")
    assert sent["timeout"] == {"attemptDurationSeconds": 3600}
    assert sent["tags"] == {"project": "churn"}
    (container,) = sent["ecsPropertiesOverride"]["taskProperties"][0]["containers"]
    variables = {each["name"]: each["value"] for each in container["environment"]}
    assert container["command"] == ["train.py", "--eta", "0.1"]
    assert variables["A"] == "1"
    assert variables["RUN_URI"] == f"s3://the-bucket/churn/runs/{RUN}/"
    assert contract.ATTEMPT not in variables
    record = user.recorded("run.json")
    assert record["batch"] == {"queue": "the-spot-queue", "job": "job-1"}
    assert record["argv"] == ["--eta", "0.1"]
    assert f"make status RUN={RUN}" in err
    assert "4 tasks" in err  # all attempts


def test_the_recipe_is_the_command_that_is_sent(user, world, monkeypatch):
    monkeypatch.setattr(batch, "call_cli", aws.call_cli)
    user.answers("submit-job", {"jobId": "job-7"})
    words = ["batch", "submit-job", "--cli-input-json", "file://{request}", "--debug"]
    assert user.call("submit", "--", "aws", *words)[0] == 0
    (call,) = user.calls()
    assert call[:3] == words[:3]
    assert "/submit-job-" in call[3]  # what a killed client leaves is removed by this name
    assert "--debug" in call
    assert user.request("submit-job")["jobName"] == RUN
    assert user.recorded("run.json")["batch"]["job"] == "job-7"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CAPACITY": "ec2"}, "type: CAPACITY=fargate"),
        ({"TIMEOUT": "59"}, "TIMEOUT='59': a whole number of seconds from 60"),
        ({"TIMEOUT": "1209601"}, "from 60 to 1209600"),  # Fargate's 14 days
        ({"RETRIES": "10"}, "type: RETRIES=9"),
        ({"BUDGET": "0.001", "TIMEOUT": "3600"}, "the run could cost about"),
    ],
)
def test_what_batch_cannot_do_is_refused_before_anything_is_made(user, world, variables, words):
    status, _, err = user.call("submit", **variables)
    assert status == 1
    assert words in err
    assert world.sent == world.definitions == []
    assert list(user.cloud.bucket.objects) == ["churn/data/train.csv"]


def test_a_stack_without_queues_says_what_makes_them(user, world, monkeypatch):
    (user.folder / ".aws-state/stack.json").write_text(json.dumps(OUTPUTS))
    monkeypatch.setattr(commands.stack, "refresh", lambda _: dict(OUTPUTS))
    status, _, err = user.call("submit")
    assert status == 1
    assert "type: make cluster MAX_VCPUS=64" in err


def test_the_sandbox_says_that_it_has_no_batch(user, world):
    status, _, err = user.call("submit", SANDBOX="1")
    assert status == 1
    assert (
        "the sandbox has no AWS Batch yet; to run the same there, type: make SANDBOX=1 run" in err
    )


def test_what_does_not_count_for_a_job_is_said(user, world):
    _, _, err = user.call("submit", START_TIMEOUT="60", SPOT_FALLBACK="1", EXEC="1")
    assert [name for name in ("START_TIMEOUT", "SPOT_FALLBACK", "EXEC") if f"note: {name} " in err] == [
        "START_TIMEOUT", "SPOT_FALLBACK", "EXEC",
    ]  # fmt: skip
    assert len(world.sent) == 1


@pytest.mark.parametrize(
    ("errors", "hidden", "calls", "jobs"),
    [
        (
            [
                (
                    "An error occurred (ThrottlingException) when calling the SubmitJob operation: Rate exceeded",
                    False,
                )
            ],
            0,
            2,
            1,
        ),
        ([("Read timeout on endpoint", True)], 0, 1, 1),
        ([("Read timeout on endpoint", True)], 2, 1, 1),  # the list lags behind
        (
            [
                ("Connection reset", False),
                (
                    "An error occurred (ClientException) when calling the SubmitJob operation: no",
                    False,
                ),
            ],
            0,
            3,
            1,
        ),
    ],
)
def test_before_it_is_sent_again_batch_is_asked_for_the_name(
    user, world, errors, hidden, calls, jobs
):
    world.errors, world.hidden = errors, hidden
    assert user.call("submit")[0] == 0
    assert (len(world.sent), len(world.jobs)) == (calls, jobs)
    assert user.recorded("run.json")["batch"]["job"] == world.jobs[-1]["jobId"]


def test_a_refusal_is_said_and_not_repeated(user, world):
    world.errors = [
        (
            "An error occurred (ClientException) when calling the SubmitJob operation: JobQueue not valid",
            False,
        )
    ]
    status, _, err = user.call("submit")
    assert status == 1
    assert "JobQueue not valid" in err
    assert len(world.sent) == 1


@pytest.mark.parametrize("there", [True, False])
def test_after_a_client_was_killed_the_job_is_found_by_its_name(user, world, there):
    world.errors = [("killed", there)]
    with pytest.raises(Killed):
        user.call("submit")
    assert user.recorded("run.json")["batch"]["job"] is None
    _, out, _ = user.call("status", RUN=RUN)
    assert user.recorded("run.json")["batch"]["job"] == ("job-1" if there else None)
    assert ("Submitted" if there else "Batch shows no job of this name (yet)") in out
    assert len(world.sent) == 1


def test_the_states_of_a_job_are_those_that_batch_knows():
    known = rules_aws.model("batch").shape_for("JobStatus").enum
    assert {*batch.STATES} == {*known}
    assert {*jobs.UNFINISHED} == {*known} - {*batch.ENDED}


def submitted(user, world, *attempts: dict, status: str = "", **fields) -> None:
    """Submit a run, and let its job have had these attempts."""
    user.call("submit", RETRIES="3")
    world.jobs[0] |= {"status": status or "FAILED", "attempts": list(attempts), **fields}


def test_a_job_s_attempts_are_the_run_s_with_verdict_and_cost(user, world):
    spot = ended(143, "Your Spot Task was interrupted.")
    submitted(user, world, spot, ended(0), status="SUCCEEDED")
    _, out, _ = user.call("status", RUN=RUN)
    assert "state      Succeeded" in out
    assert "attempts   2" in out
    record, result = user.recorded("run.json"), user.recorded("result.json")
    for found in (record, result):
        assert [each["state"] for each in found["attempts"]] == ["Interrupted", "Succeeded"]
        assert [each["log"] for each in found["attempts"]] == ["run/train/143", "run/train/0"]
    assert result["task"] == record["task"] == TASK.format(0)
    assert result["cost"] == pytest.approx(2 * (0.04048 + 4 * 0.004445) / 60)
    assert result["startedAt"] == "2026-01-02 03:04:05+00:00"
    world.jobs.clear()  # what is recorded needs Batch no more
    assert "Succeeded" in user.call("status", RUN=RUN)[1]


@pytest.mark.parametrize(
    ("attempts", "fields", "state", "words"),
    [
        ([ended(1)], {}, "Failed", "exit code"),
        ([ended(82)], {}, "Interrupted", "could not be fetched this time"),
        ([ended(0)], {}, "Interrupted", "stopped the task"),
        ([ended(143)], {"isTerminated": True}, "Failed", "stopped on request"),
        ([ended(143, batch.TOO_LONG)], {}, "Failed", "longer than TIMEOUT"),
        ([ended(None, "Host EC2 (instance i-1) terminated.")], {}, "Interrupted", "terminated"),
        ([], {"statusReason": "make stop", "isCancelled": True}, "Failed", "stopped on request"),
    ],
)
def test_how_a_job_failed_is_judged_as_a_task_is(user, world, attempts, fields, state, words):
    submitted(user, world, *attempts, **fields)
    _, out, _ = user.call("status", RUN=RUN)
    assert f"state      {state}" in out
    assert words in out
    assert user.recorded("result.json")["state"] == state


def test_why_a_job_waits_is_said(user, world):
    submitted(
        user, world, status="RUNNABLE", statusReason="CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    )
    _, out, _ = user.call("status", RUN=RUN)
    assert "state      Runnable" in out
    assert "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY" in out


def test_a_job_that_batch_forgot_is_unknown_and_not_failed(user, world):
    submitted(user, world, ended(0), status="SUCCEEDED")
    world.jobs.clear()
    _, out, _ = user.call("status", RUN=RUN)
    assert "state      Unknown" in out
    assert "Batch does not know the job any more" in out


def test_the_log_has_all_attempts_and_its_end_the_run_s_status(user, world):
    submitted(user, world, ended(82), ended(7))
    lines = {"run/train/82": ["one"], "run/train/7": ["two", f"[end of run {RUN}]"]}

    def get_log_events(*, logStreamName: str, nextToken: str = "", **_: Any) -> dict:
        events = [] if nextToken else [{"message": each} for each in lines[logStreamName]]
        return {"events": events, "nextForwardToken": "f/1"}

    user.cloud.services["logs"] = SimpleNamespace(
        get_log_events=get_log_events,
        exceptions=SimpleNamespace(ResourceNotFoundException=LookupError),
    )
    for command in ("logs", "attach"):
        status, out, _ = user.call(command, RUN=RUN)
        assert (status, out) == (7, "one\ntwo\n")


def test_stop_terminates_the_job(user, world):
    submitted(user, world, status="RUNNING")
    assert user.call("stop", RUN=RUN)[0] == 0
    assert world.terminated == [("job-1", "make stop")]
    assert user.recorded("run.json")["stopped"]


@pytest.mark.parametrize("damage", [b"{", None])
def test_stop_finds_the_job_of_a_run_without_a_record_by_its_name(user, world, damage):
    user.cloud.services["ecs"] = SimpleNamespace(list_tasks=lambda **_: {"taskArns": []})
    submitted(user, world, status="RUNNING")
    key = f"churn/runs/{RUN}/run.json"
    user.cloud.bucket.objects[key.replace("run.json", "metrics.json")] = b"{}"
    user.cloud.bucket.objects.pop(key)
    if damage:
        user.cloud.bucket.objects[key] = damage
    _, _, err = user.call("stop", RUN=RUN)
    assert world.terminated == [("job-1", "make stop")] * 2  # each queue of this world shows it
    assert "2 stopped" in err


def test_nobody_opens_a_shell_in_a_job(user, world, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: "/bin/true")
    submitted(user, world, status="RUNNING")
    status, _, err = user.call("shell", RUN=RUN)
    assert status == 1
    assert "on AWS Batch" in err


# ---- sweeps


def test_braces_are_lists_and_ranges(monkeypatch):
    assert grid.table(["--eta", "{0.1,0.3}", "--d={3..7..2}"]) == [
        ["--eta", eta, f"--d={depth}"] for eta in ("0.1", "0.3") for depth in ("3", "5", "7")
    ]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2", ["1", "2"]),
        ("a, b ,a", ["a", "b"]),
        ("3..9..2", ["3", "5", "7", "9"]),
        ("3..8..2", ["3", "5", "7"]),
        ("5..3", ["5", "4", "3"]),
        ("5..1..-2", ["5", "3", "1"]),
        ("0.1..0.5..0.2", ["0.1", "0.3", "0.5"]),
        ("-1..1", ["-1", "0", "1"]),
        ("1..1", ["1"]),
        (",x", ["", "x"]),
    ],
)
def test_what_stands_between_braces(text, values):
    assert grid.values(text) == values


@pytest.mark.parametrize(
    "word", ['{"a":1,"b":2}', "{'a': 1, 'b': 2}", "{a}", "{}", "a,b", "{1,2", "1..2}"]
)
def test_what_is_no_list_and_no_range_stays_as_it_is(word):
    assert grid.table(["{1,2}", word]) == [["1", word], ["2", word]]


@pytest.mark.parametrize(
    ("words", "sample", "says"),
    [
        (["--eta", "0.1"], 0, "make submit"),
        (["{1..1}"], 0, "make submit"),
        (["{a..c}"], 0, "neither a list nor a range"),
        (["{1..3..0}"], 0, "a step of 0"),
        (["{1..10001}"], 0, "stands for 10001 values"),
        (["{1..101}", "{1..100}"], 0, "10100 runs, and a sweep has 10000 at most; type: SAMPLE=50"),
        (["{1,2}"], 3, "leave SAMPLE out"),
    ],
)
def test_what_is_no_sweep_is_refused(words, sample, says):
    with pytest.raises(UserError, match=says):
        grid.table(words, sample)


def test_the_largest_sweep_and_a_sample_of_a_larger_one():
    assert len(grid.table(["{1..100}", "{1..100}"])) == 10000
    words = ["{1..10000}"] * 6  # too many to be counted by range()
    found = grid.table(words, 50)
    assert len({tuple(each) for each in found}) == 50
    assert found == grid.table(words, 50)
    assert len({each[0] for each in found}) > 30
    assert len(grid.table(["{1..20}"], 20)) == 20


SWEEP = {"ARGS": "--eta {0.1,0.3} --depth {3,5}"}


def test_a_sweep_is_one_array_whose_words_lie_in_one_object(user, world):
    status, _, err = user.call("sweep", **SWEEP, RETRIES="2")
    assert status == 0, err
    (sent,) = world.sent
    assert sent["arrayProperties"] == {"size": 4}
    (container,) = sent["ecsPropertiesOverride"]["taskProperties"][0]["containers"]
    assert container["command"] == ["train.py"]
    variables = {each["name"]: each["value"] for each in container["environment"]}
    assert variables["ARGV_URI"] == f"s3://the-bucket/churn/runs/{RUN}/argv.json"
    assert user.recorded("argv.json")[1] == ["--eta", "0.1", "--depth", "5"]
    assert user.recorded("run.json")["sweep"] == 4
    assert user.recorded("run.json")["argv"] == ["--eta", "{0.1,0.3}", "--depth", "{3,5}"]
    assert f"sweep {RUN} of 4 runs is queued" in err
    assert "12 tasks" in err


def test_a_dry_run_prints_the_table_and_the_cost_and_starts_nothing(user, world):
    status, out, err = user.call("sweep", **SWEEP, DRY_RUN="1", TIMEOUT="3600")
    assert status == 0
    assert "    0  train.py --eta 0.1 --depth 3\n" in out
    assert "    3  train.py --eta 0.3 --depth 5\n" in out
    shown = json.loads(out[out.index("{") :])
    assert (shown["arrayProperties"], shown["jobQueue"]) == ({"size": 4}, "the-queue")
    assert "at most for 4 tasks" in err
    assert world.sent == world.definitions == []


def test_budget_holds_for_all_runs_together(user, world):
    one = 0.0583 * 3720 / 3600
    given = {**SWEEP, "DRY_RUN": "1", "TIMEOUT": "3600"}
    assert user.call("sweep", **given, BUDGET=str(4 * one + 0.01))[0] == 0
    status, _, err = user.call("sweep", **given, BUDGET=str(3 * one))
    assert status == 1
    fits = err.rpartition("TIMEOUT=")[2].strip()
    assert user.call("sweep", **given | {"TIMEOUT": fits}, BUDGET=str(3 * one))[0] == 0


def begun(user, world, **counts: int) -> None:
    """Submit a sweep, and let its runs be in these states."""
    user.call("sweep", **SWEEP)
    world.jobs[0]["arrayProperties"]["statusSummary"] = counts
    world.jobs[0]["status"] = "PENDING"


def test_the_status_of_a_sweep_has_counts_the_best_and_the_failures(user, world):
    begun(user, world, SUCCEEDED=2, FAILED=1, RUNNING=1, PENDING=0)
    failed = {"jobId": "job-1:2", "jobName": RUN, "arrayProperties": {"index": 2}}
    world.jobs.append({**failed, "container": {"exitCode": 84}, "statusReason": "Essential"})
    for index, auc in (("0", 0.7), ("1", 0.9), ("10", 0.99), ("x", 0.99)):
        body = json.dumps({"validation": {"auc": auc, "log_loss": 1 - auc}}).encode()
        user.cloud.bucket.objects[f"churn/runs/{RUN}/{index}/metrics.json"] = body
    _, out, _ = user.call("status", RUN=RUN)
    assert "state      Pending" in out
    assert "2 succeeded, 1 failed, 1 running\n" in out
    assert f"best so far: {RUN}/1: auc 0.9\n" in out
    assert f"failed: {RUN}/2: Essential (exit code 84)\n" in out


@pytest.mark.parametrize(("counts", "state"), [({"SUCCEEDED": 4}, "Succeeded"), ({"SUCCEEDED": 3, "FAILED": 1}, "Failed")])  # fmt: skip
def test_a_sweep_has_ended_when_all_its_runs_have(user, world, counts, state):
    begun(user, world, **counts)
    world.jobs[0] |= {
        "status": "FAILED" if "FAILED" in counts else "SUCCEEDED",
        "stoppedAt": 1767323105000,
    }
    assert f"state      {state}" in user.call("status", RUN=RUN)[1]
    assert user.recorded("result.json")["state"] == state
    world.jobs.clear()
    assert f"state      {state}" in user.call("status", RUN=RUN)[1]
    assert state in user.call("runs")[1]


def test_a_run_of_a_sweep_is_a_run_of_its_own(user, world):
    begun(user, world, RUNNING=4)
    attempts = [ended(82), ended(0)]
    world.jobs.append({"jobId": "job-1:3", "jobName": RUN, "status": "SUCCEEDED", "attempts": attempts, "createdAt": 1767323044000})  # fmt: skip
    for _ in range(2):  # the second time from its record
        _, out, _ = user.call("status", RUN=f"{RUN[:12]}/3")
        assert f"run        {RUN}/3\n" in out
        assert 'command    ["train.py", "--eta", "0.3", "--depth", "5"]' in out
        assert "state      Succeeded" in out
        assert "attempts   2" in out
        world.jobs.clear()
    assert f"churn/runs/{RUN}/3/result.json" in user.cloud.bucket.objects


def test_a_run_of_a_sweep_is_fetched_drawn_and_compared(user, world):
    begun(user, world, RUNNING=4)
    for index, auc in ((1, 0.7), (3, 0.9)):
        body = json.dumps({"auc": auc}).encode()
        files = {"metrics.json": {"sha256": hashlib.sha256(body).hexdigest()}}
        manifest = {"attempt": 2, "exit_code": 0, "files": files}
        key = f"churn/runs/{RUN}/{index}/"
        user.cloud.bucket.objects[key + "metrics.json"] = body
        user.cloud.bucket.objects[key + "manifest.json"] = json.dumps(manifest).encode()
    assert user.call("fetch", RUN=f"{RUN}/3")[:2] == (0, f"runs/{RUN}/3/manifest.json\nruns/{RUN}/3/metrics.json\n")  # fmt: skip
    assert user.call("report", RUN=f"{RUN}/3")[:2] == (0, f"runs/{RUN}/3/report.html\n")
    _, out, _ = user.call("compare", RUNS=f"{RUN}/1 {RUN}/3")
    assert "train.py --eta 0.1 --depth 5" in out
    assert "train.py --eta 0.3 --depth 5" in out
    assert re.search(r"auc +0.7 +0.9", out)


def test_a_sweep_is_not_the_latest_model(user, world):
    begun(user, world, SUCCEEDED=4)
    world.jobs[0]["status"] = "SUCCEEDED"
    assert user.call("status", RUN=RUN)[0] == 0
    status, _, err = user.call("run", SCRIPT="predict.py", DATA="model=latest")
    assert status == 1
    assert "no run has succeeded yet" in err


def test_a_sweep_that_batch_forgot_has_its_recorded_end(user, world):
    begun(user, world, SUCCEEDED=3, FAILED=1)
    world.jobs[0]["status"] = "FAILED"
    user.call("status", RUN=RUN)
    world.jobs.clear()
    status, out, _ = user.call("status", RUN=RUN)
    assert status == 0
    assert "3 succeeded, 1 failed" in out


def test_stop_ends_one_run_of_a_sweep_or_all(user, world):
    begun(user, world, RUNNING=4)
    world.jobs.append({"jobId": "job-1:3", "jobName": RUN, "status": "RUNNING"})
    _, _, err = user.call("stop", RUN=f"{RUN}/3")
    assert world.terminated == [("job-1:3", "make stop")]
    assert "could not be written" not in err
    user.call("stop", RUN=RUN)
    assert world.terminated[1:] == [("job-1", "make stop")]


@pytest.mark.parametrize("run", [f"{RUN}/4", f"{RUN}/99"])
def test_a_run_that_a_sweep_does_not_have_is_refused(user, world, run):
    begun(user, world, RUNNING=4)
    status, _, err = user.call("status", RUN=run)
    assert status == 1
    assert f"run {run} has no run.json" in err


@pytest.mark.parametrize("command", ["logs", "attach", "rerun"])
def test_of_a_sweep_one_run_must_be_named(user, world, command):
    begun(user, world, RUNNING=4)
    status, _, err = user.call(command, RUN=RUN)
    assert status == 1
    assert f"name one of its runs, 0 to 3: RUN={RUN}/0" in err


@pytest.mark.parametrize("table", [b"{}", b"[[1], [1], [1], [1]]", b"[]"])
def test_a_damaged_table_is_a_sentence(user, world, table):
    begun(user, world, RUNNING=4)
    user.cloud.bucket.objects[f"churn/runs/{RUN}/argv.json"] = table
    status, _, err = user.call("status", RUN=f"{RUN}/1")
    assert status == 1
    assert "argv.json is damaged" in err


@pytest.mark.parametrize("damage", [{"batch": 1}, {"batch": {"job": None}}, {"batch": {"queue": "q", "job": 1}}, {"sweep": "4"}])  # fmt: skip
def test_a_damaged_record_is_a_sentence(user, world, damage):
    begun(user, world, RUNNING=4)
    key = f"churn/runs/{RUN}/run.json"
    user.cloud.bucket.objects[key] = json.dumps(user.recorded("run.json") | damage).encode()
    status, _, err = user.call("status", RUN=RUN)
    assert status == 1
    assert "run.json is damaged" in err


def test_a_run_is_repeated_on_ecs_with_its_words(user, world):
    begun(user, world, RUNNING=4)
    user.ends(test_cli.stopped(0, stopCode="EssentialContainerExited"))
    user.monkeypatch.setattr("ecs.commands.run.new_run_id", lambda: "20260102T030406Z-abcdef")
    user.cloud.services["logs"] = test_cli.Logs("[end of run 20260102T030406Z-abcdef]")
    status, _, err = user.call("rerun", RUN=f"{RUN}/2", YES="1")
    assert status == 0, err
    body = user.cloud.bucket.objects["churn/runs/20260102T030406Z-abcdef/run.json"]
    assert json.loads(body)["argv"] == ["--eta", "0.3", "--depth", "3"]
    assert "batch" not in json.loads(body)
    assert "sweep" not in json.loads(body)
    (container,) = user.request("run-task")["overrides"]["containerOverrides"]
    assert container["command"] == ["train.py", "--eta", "0.3", "--depth", "3"]


@pytest.mark.parametrize(
    ("metrics", "best"),
    [
        ({0: {"auc": 0.7}, 1: {"auc": 0.9}, 2: {"auc": 0.9}}, (1, "auc 0.9")),
        ({0: {"rmse": 2.0}, 1: {"rmse": 1.0}}, (1, "rmse 1")),
        ({0: {"my_loss": 2.0}, 1: {"my_loss": 1.0}}, (1, "my_loss 1")),
        ({3: {"auc": 0.7}, 4: {"rmse": 1.0}}, (3, "auc 0.7")),
        ({0: None, 1: {"note": "x"}}, None),
    ],
)
def test_the_best_run_is_that_of_the_best_measure(metrics, best):
    assert measures.best(metrics) == best


# ---- the end


def test_destroy_closes_the_queues_and_ends_what_is_in_them(settings, cloud):
    """Before the queues are deleted: disable, drain, delete."""
    calls, left = [], [["a"], ["b", "c"], []]

    def paginate(*, jobQueue: str, jobStatus: str) -> Any:
        calls.append(("list", jobQueue, jobStatus))
        found = left[0] if (jobQueue, jobStatus) == ("q1", "PENDING") else []
        return iter(
            [{"jobSummaryList": []}, {"jobSummaryList": [{"jobId": each} for each in found]}]
        )

    cloud.services["batch"] = SimpleNamespace(
        update_job_queue=lambda **asked: calls.append(asked),
        get_paginator=lambda name: SimpleNamespace(paginate=paginate),
        terminate_job=lambda jobId, reason: calls.append(jobId),
    )
    naps = []
    jobs.end(settings, ["q1", "q2"], lambda seconds: naps.append(left.pop(0)))
    assert calls[:2] == [{"jobQueue": name, "state": "DISABLED"} for name in ("q1", "q2")]
    assert [each for each in calls if isinstance(each, str)] == ["a", "b", "c"]
    states = {each[2] for each in calls if isinstance(each, tuple)}
    assert states == {"SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"}
    assert len(naps) == 2


def test_jobs_that_never_end_are_an_error_that_says_what_to_type(settings, cloud):
    cloud.services["batch"] = SimpleNamespace(
        update_job_queue=lambda **_: None,
        get_paginator=lambda _: SimpleNamespace(
            paginate=lambda **_: iter([{"jobSummaryList": [{"jobId": "a"}]}])
        ),
        terminate_job=lambda **_: None,
    )
    naps: list[float] = []
    with pytest.raises(UserError, match="have not ended yet; type: make destroy"):
        jobs.end(settings, ["q"], naps.append)
    assert sum(naps) == 600


def test_only_the_project_s_own_definitions_are_deregistered(settings, cloud):
    gone = []
    found = [
        {"jobDefinitionArn": "mine", "tags": {"project": "churn", "project-id": ID}},
        {"jobDefinitionArn": "another", "tags": {"project": "churn", "project-id": "other"}},
        {"jobDefinitionArn": "older"},
    ]
    cloud.services["batch"] = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(
            paginate=lambda **_: iter([{"jobDefinitions": found}])
        ),
        deregister_job_definition=lambda jobDefinition: gone.append(jobDefinition),
    )
    jobs.deregister(settings)
    assert gone == ["mine"]


def test_a_definition_carries_the_project_s_mark(user, world):
    user.call("submit")
    tags = world.definitions[0]["tags"]
    assert (tags["project"], tags["project-id"]) == ("churn", ID)


def test_ten_thousand_runs_are_one_array_whatever_happens_to_the_client(user, world):
    world.errors = [
        (
            "An error occurred (TooManyRequestsException) when calling the SubmitJob operation: slow",
            False,
        ),
        ("killed", True),
    ]
    with pytest.raises(Killed):
        user.call("sweep", ARGS="--eta {1..100} --max-depth {1..100}")
    assert (len(world.sent), len(world.jobs)) == (2, 1)
    assert world.jobs[0]["arrayProperties"]["size"] == 10000
    assert len({*map(tuple, user.recorded("argv.json"))}) == 10000
    counts = {"SUCCEEDED": 9000, "FAILED": 900, "RUNNING": 100}
    world.jobs[0]["arrayProperties"]["statusSummary"] = counts
    asked: list[str] = []
    for name in ("list_jobs", "describe_jobs"):
        inner = getattr(world, name)

        def counted(*, _name: str = name, _inner: Any = inner, **given: Any) -> dict:
            asked.append(_name)
            return _inner(**given)

        user.monkeypatch.setattr(world, name, counted)
    _, out, _ = user.call("status", RUN=RUN)
    assert "9000 succeeded, 900 failed, 100 running" in out
    # its name, two pages of it; its counts; its first failures
    assert asked == ["list_jobs", "list_jobs", "describe_jobs", "list_jobs"]
    assert (len(world.sent), len(world.jobs)) == (2, 1)
