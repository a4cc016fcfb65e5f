"""``python -m ecs COMMAND``: a run from its request to its record, and what is printed of errors.

The AWS CLI is a real program here, but a script that answers as it is told; the rest of AWS is
scripted too.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.validate import ParamValidator
from ecs import __main__ as cli
from ecs.commands import run
from ecs.errors import UserError
from ecs.image import image
from ecs.request import request
from ecs.run import attempts, registration
from ecs.run.signals import Signals, Terminated
from ecs.stack import stack
from support import PROJECT

TASK = "arn:aws:ecs:us-east-1:ACCOUNT:task/the-cluster/0123456789abcdef"
STARTED = {"tasks": [{"taskArn": TASK}], "failures": []}
REGISTERED = {"taskDefinition": {"taskDefinitionArn": "arn:…:task-definition/churn:4"}}

# Keeps the words of each call, and answers `aws SERVICE COMMAND` with the file of that name.
FAKE_CLI = f"""\
#!{sys.executable}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
for word in sys.argv:
    if word.startswith("file://"):
        (here / f"{{sys.argv[2]}}.request").write_text(pathlib.Path(word[7:]).read_text())
        with (here / f"{{sys.argv[2]}}.requests").open("a") as requests:
            requests.write(json.dumps(json.loads(pathlib.Path(word[7:]).read_text())) + "\\n")
scripted = here / f"{{sys.argv[2]}}.scripted"
if scripted.exists() and (answers := json.loads(scripted.read_text())):
    scripted.write_text(json.dumps(answers[1:]))
    if isinstance(answers[0], str):
        sys.exit(answers[0])
    print(json.dumps(answers[0]))
    sys.exit()
print((here / f"{{sys.argv[2]}}.answer").read_text())
"""


class Logs:
    """A log of one page each time a follower begins, with the end mark behind its lines when there is one."""

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)

    def __init__(self, *lines: str) -> None:
        self.lines, self.mark = lines, True

    def get_log_events(self, *, logGroupName: str, logStreamName: str, **position) -> dict:
        assert re.fullmatch("(run|own/a)/train/[0-9a-f]{16}", logStreamName)
        assert position["startFromHead"] is True
        self.group = logGroupName
        events = [] if "nextToken" in position else [{"message": line} for line in self.lines]
        return {"events": events, "nextForwardToken": "f/1"}


class Ecs:
    """Always the same answer of DescribeTasks, and of ListTasks: no task, unless one is placed.

    ``placed`` has ARNs by what the tasks were started by, ``stopped`` those that have ended.
    """

    def __init__(self, *tasks: dict) -> None:
        self.tasks, self.placed, self.stopped = list(tasks), {}, {}

    def list_tasks(self, *, cluster: str, **filters: str) -> dict:
        if "startedBy" in filters:  # "it must be the only filter that you use": its reference
            assert set(filters) == {"startedBy"}
            return {"taskArns": self.placed.get(filters["startedBy"], [])}
        assert filters == {"family": "churn", "desiredStatus": "STOPPED"}
        return {"taskArns": list(self.stopped.values())}

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict:
        names = {arn: name for name, arn in self.stopped.items()}
        if set(tasks) & set(names):
            return {"tasks": [{"taskArn": arn, "startedBy": names.get(arn)} for arn in tasks]}
        assert tasks == [TASK]
        return {"tasks": self.tasks, "failures": []}


def stopped(code: int | None, **fields) -> Ecs:
    container = {"name": "train"} | ({} if code is None else {"exitCode": code})
    return Ecs({"lastStatus": "STOPPED", "containers": [container], **fields})


class Quiet(Signals):
    """Signals that are not pytest's to catch."""

    def __init__(self) -> None:
        self.presses, self.terminated, self.held = 0, False, False


class User:
    """A project's folder, the environment that Make would give, and the AWS behind it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, cloud, capfd) -> None:
        self.folder, self.monkeypatch, self.cloud, self.capfd = folder, monkeypatch, cloud, capfd

    def call(self, command: str, *words: str, **variables: str) -> tuple[int, str, str]:
        """Return exit status, standard output and standard error of one command."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)
        self.capfd.readouterr()
        status = cli.main([command, *words])
        return status, *self.capfd.readouterr()

    def answers(self, command: str, answer: dict) -> None:
        (self.folder / "tools" / f"{command}.answer").write_text(json.dumps(answer))

    def calls(self) -> list[list[str]]:
        path = self.folder / "tools/calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def script(self, command: str, *answers: dict | str) -> None:
        """Script the next answers of one command; a string is an error of the CLI's."""
        (self.folder / "tools" / f"{command}.scripted").write_text(json.dumps(answers))

    def requests(self, command: str) -> list[dict]:
        path = self.folder / "tools" / f"{command}.requests"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def request(self, command: str) -> dict:
        return json.loads((self.folder / "tools" / f"{command}.request").read_text())

    def recorded(self, name: str) -> dict:
        ((_, body),) = (
            (key, body)
            for key, body in self.cloud.bucket.objects.items()
            if key.endswith("/" + name)
        )
        return json.loads(body)

    def ends(self, task: Ecs, *lines: str) -> None:
        """Script how the task ends and what its log has; the end mark needs the run's id."""
        self.cloud.services["ecs"] = task
        self.cloud.services["logs"] = Logs(*lines, "[end of run 20260102T030405Z-abcdef]")


@pytest.fixture
def user(tmp_path, monkeypatch, cloud, capfd, outputs) -> User:
    folder = tmp_path / "project"
    (folder / "tools").mkdir(parents=True)
    (folder / ".aws-state").mkdir()
    (folder / ".aws-state/stack.json").write_text(json.dumps(outputs))
    shutil.copy(PROJECT / "task-definition.json", folder)
    for name in ("train.py", "predict.py"):
        (folder / name).write_text("import json\n")
    cloud.bucket.objects["churn/data/train.csv"] = b"label,a\n1,2\n"
    fake = folder / "tools/aws"
    fake.write_text(FAKE_CLI)
    fake.chmod(0o755)
    monkeypatch.chdir(folder)
    for name, value in {"PROJECT": "churn", "REGION": "us-east-1", "AWS": str(fake)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(image, "digest", lambda settings, uri, tag: "sha256:" + "0" * 64)
    monkeypatch.setattr(registration, "registered", lambda settings: ("", ""))
    monkeypatch.setattr(run, "new_run_id", lambda: "20260102T030405Z-abcdef")
    made = User(folder, monkeypatch, cloud, capfd)
    made.naps = []
    monkeypatch.setattr(attempts, "sleep", made.naps.append)
    monkeypatch.setattr(attempts, "Signals", Quiet)
    made.answers("register-task-definition", REGISTERED)
    made.answers("run-task", STARTED)
    return made


# ---- the run


def test_a_run_that_succeeds_is_shown_recorded_and_has_status_0(user):
    user.ends(stopped(0, stopCode="EssentialContainerExited"), "one", "two")
    prefix = "churn/runs/20260102T030405Z-abcdef/"
    user.cloud.bucket.objects[prefix + "model.ubj"] = b"x"
    status, out, err = user.call("run", ARGS="--note 'a b'", ENV="A=1")
    assert (status, out) == (0, "one\ntwo\n")
    assert f"model: s3://the-bucket/{prefix}model.ubj" in err
    assert "make fetch RUN=20260102T030405Z-abcdef" in err
    record, result = user.recorded("run.json"), user.recorded("result.json")
    assert record["task"] == TASK
    assert record["image"] == "registry.example/churn@sha256:" + "0" * 64
    assert record["request"] == user.request("run-task")
    (container,) = record["request"]["overrides"]["containerOverrides"]
    assert container["command"] == ["train.py", "--note", "a b"]
    assert (result["state"], result["exit_code"], result["cause"]) == ("Succeeded", 0, "")


@pytest.mark.parametrize("code", [1, 2, 7, 137, 143])
def test_a_run_that_fails_has_the_containers_own_exit_status(user, code):
    user.ends(stopped(code, stopCode="EssentialContainerExited"), "what went wrong")
    status, out, err = user.call("run")
    assert (status, out) == (code, "what went wrong\n")
    assert re.search(rf"run \S+ (failed|interrupted): .*exit code (is )?{code}\b", err)
    assert err.splitlines()[-1].startswith("type: ")
    assert user.recorded("result.json")["exit_code"] == code


def test_a_task_whose_container_never_ran_has_status_1_and_says_why(user):
    reason = "CannotPullContainerError: not found"
    user.ends(stopped(None, stopCode="TaskFailedToStart", stoppedReason=reason))
    status, _, err = user.call("run")
    assert status == 1
    assert reason in err
    assert err.splitlines()[-1].startswith("type: make push")
    assert user.recorded("result.json")["stop_code"] == "TaskFailedToStart"


@pytest.mark.parametrize(
    ("failures", "sentence"),
    [
        ([{"arn": "x", "reason": "RESOURCE:MEMORY"}], "RESOURCE:MEMORY"),
        (
            [{"reason": "AGENT"}, {"reason": "MISSING", "detail": "no role"}],
            "AGENT; MISSING (no role)",
        ),
        ([], "ECS started no task"),
    ],
)
def test_failures_are_an_error_though_the_cli_exits_with_0(user, failures, sentence):
    user.answers("run-task", {"tasks": [], "failures": failures})
    status, out, err = user.call("run")
    assert (status, out) == (1, "")
    assert "error: ECS started no task: " in err
    assert sentence in err
    assert err.splitlines()[-1].startswith("type: make ")
    assert user.recorded("run.json")["task"] is None
    assert user.recorded("result.json")["state"] in ("Failed", "Interrupted")


def test_a_workflow_learns_the_id_of_the_run_before_it_is_followed(user, tmp_path):
    """Also of one that fails, whose log and files the later steps show."""
    path = tmp_path / "output"
    path.write_text("before=1\n")
    user.ends(stopped(7))
    assert user.call("run", GITHUB_OUTPUT=str(path))[0] == 7
    assert path.read_text() == "before=1\nrun=20260102T030405Z-abcdef\n"


def test_the_request_is_the_one_that_a_dry_run_shows(user):
    user.ends(stopped(0))
    variables = {"ARGS": "a,b '\"$x'", "CPU": "512", "MEMORY": "1024", "ENV": "A='1 2'"}
    _, shown, _ = user.call("run", DRY_RUN="1", **variables)
    assert user.calls() == []
    user.call("run", DRY_RUN="", **variables)
    expected = json.loads(shown) | {
        "taskDefinition": REGISTERED["taskDefinition"]["taskDefinitionArn"]
    }
    assert user.request("run-task") == expected
    model = botocore.session.get_session().get_service_model("ecs")
    for command, operation in (
        ("run-task", "RunTask"),
        ("register-task-definition", "RegisterTaskDefinition"),
    ):
        shape = model.operation_model(operation).input_shape
        assert ParamValidator().validate(user.request(command), shape).generate_report() == ""
    assert [call[:2] for call in user.calls()] == [
        ["ecs", "register-task-definition"],
        ["ecs", "run-task"],
    ]


def test_a_variable_that_is_wrong_is_refused_before_anything_is_registered(user):
    status, out, err = user.call("run", CPU="1000")
    assert (status, out) == (1, "")
    assert err.startswith("error: CPU=1000: Fargate offers")
    assert user.calls() == []


def test_a_cli_that_fails_gives_one_sentence_and_nothing_is_recorded(user):
    (user.folder / "tools/aws").write_text(
        "#!/bin/sh\necho 'Unable to locate credentials' >&2; exit 253\n"
    )
    status, out, err = user.call("run")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == (
        "error: no AWS credentials could be loaded on this machine; type: aws configure, or without an account: "
        "make rehearse; AWS says: aws ecs register-task-definition: Unable to locate credentials"
    )
    assert set(user.cloud.bucket.objects) == {"churn/data/train.csv"}


def test_a_detached_run_is_recorded_and_not_watched(user):
    status, out, err = user.call("run", DETACH="1")  # no ECS, no logs: nobody may ask them
    assert (status, out) == (0, "")
    assert "make logs RUN=20260102T030405Z-abcdef" in err
    assert user.recorded("run.json")["task"] == TASK


def test_an_interruption_detaches_and_the_run_goes_on(user, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    user.cloud.services["ecs"] = SimpleNamespace(describe_tasks=interrupted)
    user.cloud.services["logs"] = Logs()
    status, _, err = user.call("run")
    assert status == 130
    assert "make stop RUN=20260102T030405Z-abcdef" in err
    assert "make attach RUN=20260102T030405Z-abcdef" in err
    assert [call[1] for call in user.calls()][-1] == "run-task"  # and no stop-task


# ---- attempts

RUN = "20260102T030405Z-abcdef"
SPOT = {"stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted."}
NO_CAPACITY = {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time"}]}
CUT = 'Read timeout on endpoint URL: "https://ecs.example/"'


class Fate(Ecs):
    """Each look sees the next end of a task: a container's exit code, or the fields of a stop."""

    def __init__(self, *ends: int | dict) -> None:
        super().__init__()
        self.ends = list(ends)

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict:
        if tasks == list(self.stopped.values()) and self.stopped:
            answer = super().describe_tasks(cluster=cluster, tasks=tasks)
            self.stopped.clear()
            return answer
        end = self.ends.pop(0)
        if isinstance(end, int):
            end = {"containers": [{"name": "train", "exitCode": end}]}
        task = {"lastStatus": "STOPPED", "containers": [{"name": "train"}], **end}
        return {"tasks": [task], "failures": []}


def task_of(attempt: int) -> dict:
    return {"tasks": [{"taskArn": f"{TASK[:-1]}{attempt}"}], "failures": []}


def test_a_spot_interruption_is_followed_by_the_same_run_with_resume(user):
    user.ends(Fate(SPOT, 0), "a line")
    user.script("run-task", task_of(1), task_of(2))
    status, out, err = user.call("run", RETRIES="2", ARGS="--seed 1", CAPACITY="fargate-spot")
    assert (status, out) == (0, "a line\n" * 2)  # of each attempt
    first, second = user.requests("run-task")
    assert (first["clientToken"], first["startedBy"]) == (f"{RUN}-1", f"{RUN}-1")
    assert (second["clientToken"], second["startedBy"]) == (f"{RUN}-2", f"{RUN}-2")
    environments = [request.variables_of(each) for each in (first, second)]
    assert [each.pop("RUN_ATTEMPT") for each in environments] == ["1", "2"]
    assert environments[0] == environments[1]  # RUN_URI, too
    for each in (first, second):
        (container,) = each["overrides"]["containerOverrides"]
        del container["environment"]
    assert first["overrides"] == second["overrides"]  # the command too: the launcher resumes
    assert "attempt 2 of 3 in " in err
    result, record = user.recorded("result.json"), user.recorded("run.json")
    assert result["state"] == "Succeeded"
    assert record["task"] == task_of(2)["tasks"][0]["taskArn"]
    for listed in (result["attempts"], record["attempts"]):
        told = [(each["task"][-1], each["state"], each["retry"]) for each in listed]
        assert told == [("1", "Interrupted", "resume"), ("2", "Succeeded", "never")]
    assert len(user.naps) == 1
    # all of the log is there afterwards
    user.ends(Fate(), "a line")
    assert user.call("logs")[:2] == (0, "a line\n" * 2)


def test_no_capacity_moves_on_from_subnet_to_subnet_and_to_on_demand(user):
    user.ends(Fate(0))
    user.script("run-task", *[NO_CAPACITY] * 3)
    status, _, err = user.call("run", RETRIES="5", SPOT_FALLBACK="1", CAPACITY="fargate-spot")
    assert status == 0
    asked = [
        (
            each["capacityProviderStrategy"][0]["capacityProvider"],
            each["networkConfiguration"]["awsvpcConfiguration"]["subnets"],
        )
        for each in user.requests("run-task")
    ]
    both = ["subnet-1", "subnet-2"]
    assert asked == [
        ("FARGATE_SPOT", both),
        ("FARGATE_SPOT", ["subnet-1"]),
        ("FARGATE_SPOT", ["subnet-2"]),
        ("FARGATE", both),
    ]
    assert err.count("-- AWS has no Spot capacity in these subnets now: attempt ") == 3
    assert "on-demand" in err


def test_a_run_on_a_gpu_is_recorded_as_such_and_its_remedy_fits(user, outputs):
    (user.folder / "requirements-cuda.txt").write_text("")
    has = outputs | {"Capacities": "fargate,fargate-spot,gpu"}
    (user.folder / ".aws-state/stack.json").write_text(json.dumps(has))
    user.ends(Fate(0))
    on_gpu = {"CAPACITY": "gpu", "EXTRAS": "cuda", "GPUS": "2"}
    status, _, err = user.call("run", **on_gpu)
    assert status == 0
    assert 'note: the GPU is idle unless ARGS says so; type: make run ARGS="--device cuda' in err
    assert "cost: not estimated" in err
    (request,) = user.requests("run-task")
    asked = request["overrides"]["containerOverrides"][0]["resourceRequirements"]
    assert asked == [{"type": "GPU", "value": "2"}]
    registered = user.request("register-task-definition")
    assert registered["requiresCompatibilities"] == ["EC2"]
    assert registered["containerDefinitions"][0]["resourceRequirements"][0]["type"] == "GPU"
    (attempt,) = user.recorded("run.json")["attempts"]
    assert (attempt["capacity"], attempt["cost"]) == ("gpu", None)
    user.cloud.bucket.objects.clear()
    user.cloud.bucket.objects["churn/data/train.csv"] = b"label,a\n1,2\n"
    user.script("run-task", {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]})
    status, _, err = user.call("run", ARGS="--device cuda", **on_gpu)
    assert status == 1
    assert "note:" not in err
    assert "make cluster CAPACITY=gpu MAX_INSTANCES=4 INSTANCE_TYPE=g6.4xlarge" in err


def test_the_last_attempt_decides_and_no_more_are_made(user):
    user.ends(Fate(*[SPOT] * 3))
    status, _, err = user.call("run", RETRIES="2")
    assert status == 1
    assert len(user.requests("run-task")) == 3
    assert f"run {RUN} interrupted: AWS took back the Spot capacity" in err
    assert len(user.recorded("result.json")["attempts"]) == 3


@pytest.mark.parametrize("code", [1, 2, 3])
def test_an_error_of_the_program_s_own_is_never_repeated(user, code):
    user.ends(Fate(code))
    assert user.call("run", RETRIES="5")[0] == code
    assert len(user.requests("run-task")) == 1
    assert user.naps == []


def test_a_call_of_unknown_outcome_takes_the_task_that_listtasks_knows(user):
    found = f"{TASK[:-1]}e"
    fate = Fate(0)
    fate.stopped[f"{RUN}-1"] = found  # it may even have ended already
    user.ends(fate)
    user.script("run-task", CUT)
    status, _, err = user.call("run")
    assert status == 0
    assert "-- the attempt's task is there already" in err
    assert len(user.requests("run-task")) == 1  # no second one
    assert user.recorded("run.json")["task"] == found


def test_a_call_of_unknown_outcome_is_repeated_under_the_same_token(user):
    user.ends(Fate(0))
    user.script("run-task", CUT, "An error occurred (ThrottlingException) when calling the RunTask "
                "operation: Rate exceeded", task_of(1))  # fmt: skip
    assert user.call("run")[0] == 0
    requests = user.requests("run-task")
    assert len(requests) == 3
    assert requests[0] == requests[1] == requests[2]
    assert len(user.recorded("run.json")["attempts"]) == 1


def test_the_task_that_another_follower_has_started_meanwhile_is_taken(user):
    fate = Fate(SPOT, 0)
    fate.placed[f"{RUN}-2"] = [f"{TASK[:-1]}b"]
    user.ends(fate)
    assert user.call("run", RETRIES="1")[0] == 0
    assert len(user.requests("run-task")) == 1
    assert user.recorded("run.json")["task"] == f"{TASK[:-1]}b"


@pytest.mark.parametrize("retries", ["-1", "many", "1.5"])
def test_retries_that_are_no_number_are_refused_before_anything_happens(user, retries):
    status, _, err = user.call("run", RETRIES=retries)
    assert (status, user.calls()) == (1, [])
    assert err.startswith(f"error: RETRIES={retries!r}: a whole number")


def test_a_signal_between_two_attempts_ends_it_with_what_is_known(user, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(attempts, "sleep", interrupted)
    user.ends(Fate(SPOT))
    _, _, err = user.call("run", RETRIES="3")
    assert "not tried again" in err
    assert len(user.requests("run-task")) == 1
    assert user.recorded("result.json")["state"] == "Interrupted"


# ---- afterwards


def test_attaching_ends_as_the_run_would_have(detached):
    detached.ends(stopped(3, stopCode="EssentialContainerExited"), "one", "two")
    status, out, err = detached.call("attach", DETACH="")
    assert (status, out) == (3, "one\ntwo\n")
    assert f"run {RUN} failed: " in err
    assert detached.recorded("result.json")["exit_code"] == 3
    assert detached.recorded("run.json")["attempts"][0]["state"] == "Failed"
    status, out, err = detached.call("attach")  # once more: what is recorded
    assert (status, out) == (3, ""), err
    assert f"make logs RUN={RUN}" in err


def test_attaching_with_retries_goes_on_trying(detached):
    detached.ends(Fate(SPOT, 0), "one")
    assert detached.call("attach", DETACH="", RETRIES="1")[0] == 0
    assert len(detached.requests("run-task")) == 2
    assert detached.recorded("result.json")["state"] == "Succeeded"


def test_attaching_with_retries_tries_a_run_again_whose_end_is_recorded(detached):
    detached.ends(Fate(SPOT, SPOT, 0), "one")
    assert "Interrupted" in detached.call("status")[1]
    assert detached.call("attach")[0] == 1  # no retries: what is recorded
    assert len(detached.requests("run-task")) == 1
    assert detached.call("attach", RETRIES="1")[0] == 0
    assert detached.recorded("result.json")["state"] == "Succeeded"


def test_a_follower_that_fails_says_that_the_run_goes_on(detached):
    def refuse(**_):
        raise ClientError({"Error": {"Code": "ExpiredTokenException", "Message": ""}}, "x")

    detached.ends(SimpleNamespace(describe_tasks=refuse))
    status, _, err = detached.call("attach")
    assert status == 1
    assert f"run {RUN} goes on; make attach RUN={RUN} follows it" in err
    assert "your AWS session is over" in err.splitlines()[-1]


def test_ctrl_c_while_a_task_is_being_started_is_obeyed_when_ecs_has_answered(user, monkeypatch):
    signals = Quiet()
    with signals.hold():
        signals.press(2, None)
        signals.press(2, None)
        with pytest.raises(KeyboardInterrupt):
            signals.press(2, None)
    with pytest.raises(KeyboardInterrupt):
        signals.obey()
    signals.terminated = True
    with pytest.raises(Terminated):
        signals.obey()
    assert signals.status == 143


def test_the_end_of_an_earlier_attempt_is_not_taken_for_the_run_s(detached):
    """`make status` between two attempts records the end of the one before."""
    detached.ends(Fate(SPOT))
    assert "Interrupted" in detached.call("status")[1]
    key = next(key for key in detached.cloud.bucket.objects if key.endswith("run.json"))
    record = detached.recorded("run.json")
    record["attempts"].append({"attempt": 2, "task": f"{TASK[:-1]}b"})
    record["task"] = f"{TASK[:-1]}b"
    detached.cloud.bucket.objects[key] = json.dumps(record).encode()
    detached.cloud.services["ecs"].describe_tasks = lambda **_: {
        "tasks": [{"lastStatus": "RUNNING"}]
    }
    assert "state      Running" in detached.call("status")[1]


@pytest.fixture
def detached(user) -> User:
    user.call("run", DETACH="1", ARGS="--note 'a b'")
    return user


def test_the_status_of_a_task_that_has_stopped_meanwhile_is_recorded(detached):
    detached.ends(stopped(3, stopCode="EssentialContainerExited"))
    status, out, _ = detached.call("status")
    assert status == 0
    lines = dict(line.split(None, 1) for line in out.splitlines() if not line.startswith("exit"))
    assert lines["state"] == "Failed"
    assert json.loads(lines["command"]) == ["train.py", "--note", "a b"]
    assert "exit code  3" in out
    assert detached.recorded("result.json")["exit_code"] == 3
    del detached.cloud.services["ecs"]  # S3 remembers what ECS forgets after an hour
    assert detached.call("status")[1] == out


def test_the_status_of_a_running_task_is_not_recorded(detached):
    detached.cloud.services["ecs"] = Ecs({"lastStatus": "RUNNING", "containers": []})
    assert "state      Running" in detached.call("status")[1]
    assert not any(key.endswith("result.json") for key in detached.cloud.bucket.objects)


def test_a_task_that_ecs_does_not_know_yet_is_not_recorded_as_failed(detached):
    """DescribeTasks may not know a task of a moment ago; a later look must not be bound by that."""
    detached.cloud.services["ecs"] = Ecs()
    assert detached.call("status")[0] == 0
    detached.ends(stopped(0))
    assert "state      Succeeded" in detached.call("status")[1]


def test_the_log_of_a_run_that_has_ended_is_shown_whole(detached):
    detached.ends(stopped(0), "one", "two")
    assert detached.call("logs")[:2] == (0, "one\ntwo\n")  # followed to its end
    assert detached.call("logs")[:2] == (0, "one\ntwo\n")  # read again


def edited(user, log: dict | None) -> None:
    """Let the container's log go elsewhere than the project's template has it."""
    path = user.folder / "task-definition.json"
    made = json.loads(path.read_text())
    made["containerDefinitions"][0].pop("logConfiguration", None)
    if log:
        made["containerDefinitions"][0]["logConfiguration"] = log
    path.write_text(json.dumps(made))


def test_a_log_that_the_owner_put_elsewhere_in_cloudwatch_is_read_there(user):
    user.answers("run-task", STARTED)
    user.ends(stopped(1), "one")
    options = {"awslogs-group": "/own", "awslogs-stream-prefix": "own/a"}
    edited(user, {"logDriver": "awslogs", "options": options})
    assert user.call("run")[:2] == (1, "one\n")
    assert user.recorded("run.json")["log"] == {"group": "/own", "stream-prefix": "own/a"}
    assert user.cloud.services["logs"].group == "/own"
    edited(user, None)  # a run's log stays where the run has put it
    assert user.call("logs")[:2] == (0, "one\n")


@pytest.mark.parametrize("log", [None, {"logDriver": "json-file"}], ids=str)
def test_without_a_log_in_cloudwatch_a_run_is_followed_to_its_end(user, log):
    user.answers("run-task", STARTED)
    user.cloud.services["ecs"] = stopped(3)
    user.cloud.services["logs"] = None  # nobody asks it
    edited(user, log)
    status, out, err = user.call("run")
    assert (status, out) == (3, ""), err
    assert "sends the container's log elsewhere than to CloudWatch" in err
    assert user.recorded("run.json")["log"] is None
    status, _, err = user.call("logs")
    assert status == 1
    assert "type: make status RUN=2026" in err


def test_every_run_is_a_line_of_the_table(detached):
    detached.cloud.services["ecs"] = Ecs({"lastStatus": "PENDING", "containers": []})
    detached.cloud.bucket.objects["churn/runs/20250101T000000Z-000000/model.ubj"] = b"x"
    status, out, _ = detached.call("runs")
    assert status == 0
    head, *lines = out.splitlines()
    assert head.split() == [
        "run", "started", "tag", "state", "exit", "took", "metric", "cost", "command",
    ]  # fmt: skip
    assert lines[0].split()[0] == "20260102T030405Z-abcdef"
    assert "Pending" in lines[0]
    assert lines[0].rstrip().endswith("train.py --note 'a b'")
    assert lines[1].split() == ["20250101T000000Z-000000", "Unknown", "it", "has", "no", "run.json"]


@pytest.mark.parametrize("more", [None, [], ["--no-paginate", "--query", "{task: task}"]], ids=str)
def test_stopping_asks_ecs_and_a_run_that_has_ended_is_left_alone(detached, more):
    """By the words of the recipe, to which an owner may add; without a recipe by the same."""
    detached.answers("stop-task", {})
    detached.cloud.services["ecs"] = Ecs({"lastStatus": "RUNNING", "containers": []})
    makefile = (PROJECT / "Makefile").read_text()
    recipe = re.search(r"ecs stop-task (.*)", makefile)[1].replace("'", "").split()
    words = [] if more is None else ["--", "aws", "ecs", "stop-task", *recipe, *more]
    assert detached.call("stop", *words)[0] == 0
    asked = ["--cluster", "the-cluster", "--task", TASK, "--reason", "make stop", *(more or [])]
    assert detached.calls()[-1][: 2 + len(asked)] == ["ecs", "stop-task", *asked]
    detached.ends(stopped(0))
    before = len(detached.calls())
    assert "has ended already" in detached.call("stop")[2]
    assert len(detached.calls()) == before


def test_fetching_brings_everything_but_checkpoints_and_leaves_no_part(detached):
    prefix = "churn/runs/20260102T030405Z-abcdef/"
    files = {"model.ubj": b"model", "metrics.json": b"{}", "plots/a/b.csv": b"1"}
    detached.cloud.bucket.objects |= {prefix + name: body for name, body in files.items()}
    detached.cloud.bucket.objects[prefix + "checkpoints/3/model.ubj"] = b"old"
    status, out, _ = detached.call("fetch")
    assert status == 0
    folder = detached.folder / "runs/20260102T030405Z-abcdef"
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert {name: found.get(name) for name in files} == files
    assert set(found) == {*files, "run.json"}
    assert set(out.splitlines()) == {f"runs/{folder.name}/{name}" for name in found}


# ---- history


def test_a_run_prints_its_cost_and_its_place_in_the_console(user):
    times = {"pullStartedAt": "2026-01-02T03:04:05+00:00", "stoppedAt": "2026-01-02T04:04:05+00:00"}
    user.ends(stopped(0, **times))
    _, _, err = user.call("run", TIMEOUT="3600")
    assert "cost: about $0.0602 at most" in err
    assert "console: https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/the-cluster/" in err
    assert "cost: about $0.0583" in err
    assert user.recorded("result.json")["cost"] == pytest.approx(0.05826)
    assert "cost       $0.0583" in user.call("status")[1]


def test_a_run_above_its_budget_starts_nothing(user):
    status, _, err = user.call("run", BUDGET="0.01", TIMEOUT="3600")
    assert status == 1
    assert "error: BUDGET=0.01: the run could cost about $0.0602" in err
    assert user.calls() == []
    assert set(user.cloud.bucket.objects) == {"churn/data/train.csv"}


def test_arguments_longer_than_ecs_takes_go_to_s3(user):
    user.ends(stopped(0))
    words = ["--note", "x" * 9000, "a b"]
    status, _, _ = user.call("run", ARGS=shlex.join(words))
    assert status == 0
    assert user.recorded("argv.json") == words == user.recorded("run.json")["argv"]
    (container,) = user.request("run-task")["overrides"]["containerOverrides"]
    assert container["command"] == ["train.py"]
    uri = "s3://the-bucket/churn/runs/20260102T030405Z-abcdef/argv.json"
    assert {"name": "ARGV_URI", "value": uri} in container["environment"]
    assert f"{'x' * 9000}" in user.call("status")[1]


OLD, NEW = "20260102T030405Z-abcdef", "20260103T000000Z-aaaaaa"


@pytest.fixture
def finished(user, monkeypatch) -> User:
    """One run that has ended, of which ECS knows nothing any more; the next one has another id."""
    user.cloud.bucket.objects["churn/data/train.csv"] = b"a,b"
    user.ends(stopped(0))
    user.call("run", ARGS="--depth 3", ENV="A=1", CPU="512", MEMORY="1024")
    user.cloud.services["ecs"] = Ecs()
    metrics = {
        "hyperparameters": {"depth": 3, "eta": 0.5},
        "validation": {"log_loss": 0.25, "auc": 0.9},
    }
    user.cloud.bucket.objects[f"churn/runs/{OLD}/metrics.json"] = json.dumps(metrics).encode()
    monkeypatch.setattr(run, "new_run_id", lambda: NEW)
    for name in ("ARGS", "ENV", "CPU", "MEMORY"):
        monkeypatch.delenv(name)
    return user


def test_a_rerun_has_the_image_words_sizes_and_environment_of_the_first(finished, monkeypatch):
    monkeypatch.setattr(image, "digest", lambda *_: "sha256:" + "f" * 64)  # the files have changed
    first = finished.request("run-task")
    finished.ends(stopped(0))
    finished.cloud.services["logs"] = Logs(f"[end of run {NEW}]")
    options = {"awslogs-group": "/own", "awslogs-stream-prefix": "own/a"}
    edited(finished, {"logDriver": "awslogs", "options": options})
    status, _, err = finished.call("rerun", RUN="20260102")
    assert status == 0, err
    assert f"run {NEW} succeeded" in err
    again = finished.request("run-task")
    assert json.loads(json.dumps(again).replace(NEW, OLD)) == first
    definition_request = finished.request("register-task-definition")
    assert definition_request["containerDefinitions"][0]["image"].endswith("@sha256:" + "0" * 64)
    record = json.loads(finished.cloud.bucket.objects[f"churn/runs/{NEW}/run.json"])
    assert (record["rerun_of"], record["argv"]) == (OLD, ["--depth", "3"])
    assert record["log"] == {
        "group": "/own",
        "stream-prefix": "own/a",
    }  # of the definition as it is now
    assert finished.cloud.services["logs"].group == "/own"


def test_a_rerun_on_other_data_is_refused_unless_it_is_wanted(finished):
    finished.cloud.bucket.objects["churn/data/train.csv"] = b"a,b,c"
    before = len(finished.calls())
    status, _, err = finished.call("rerun")
    assert status == 1
    assert f"the data of run {OLD} has changed since" in err
    assert f"make rerun RUN={OLD} YES=1" in err
    assert len(finished.calls()) == before
    assert finished.call("rerun", YES="1", DETACH="1")[0] == 0
    del finished.cloud.bucket.objects["churn/data/train.csv"]
    assert finished.call("rerun", YES="", RUN=OLD)[0] == 1  # gone is changed, too


def test_a_rerun_of_long_arguments_has_a_list_of_its_own(user, monkeypatch):
    user.call("run", ARGS="x" * 9000, DETACH="1")
    monkeypatch.setattr(run, "new_run_id", lambda: NEW)
    assert user.call("rerun", ARGS="")[0] == 0
    assert json.loads(user.cloud.bucket.objects[f"churn/runs/{NEW}/argv.json"]) == ["x" * 9000]
    assert f"runs/{NEW}/argv.json" in json.dumps(user.request("run-task"))


def channels_of(request: dict) -> dict:
    (container,) = request["overrides"]["containerOverrides"]
    variables = {each["name"]: each["value"] for each in container["environment"]}
    return json.loads(variables["RUN_CHANNELS"])


PREDICT = {"SCRIPT": "predict.py", "DATA": "data=data/train.csv model=latest"}


def test_the_latest_run_is_resolved_before_the_run_and_said(finished):
    finished.cloud.bucket.objects[f"churn/runs/{OLD}/model.ubj"] = b"x"
    finished.ends(stopped(0))
    finished.cloud.services["logs"] = Logs(f"[end of run {NEW}]")
    status, _, err = finished.call("run", **PREDICT)
    assert status == 0, err
    assert f"latest: runs/{OLD}\n" in err
    wanted = {
        "data": {"uri": "s3://the-bucket/churn/data/train.csv", "path": "data/train.csv"},
        "model": {"uri": f"s3://the-bucket/churn/runs/{OLD}/", "path": f"runs/{OLD}"},
    }
    assert channels_of(finished.request("run-task")) == wanted
    record = json.loads(finished.cloud.bucket.objects[f"churn/runs/{NEW}/run.json"])
    assert record["data"]["data"]["files"].keys() == {"data/train.csv"}
    assert record["data"]["model"] == {"uri": wanted["model"]["uri"]}


def test_a_latest_run_that_there_is_not_starts_nothing(user):
    status, _, err = user.call("run", **PREDICT)
    assert status == 1
    assert "no run has succeeded yet; type: make run, or name one: model=runs/ID" in err
    assert user.requests("run-task") == []


def test_a_dry_run_asks_nobody_which_is_the_latest(user):
    user.cloud.services.clear()
    status, out, _ = user.call("run", DRY_RUN="1", **PREDICT)
    assert status == 0
    assert channels_of(json.loads(out))["model"] == {
        "uri": "s3://the-bucket/churn/runs/<latest>/", "path": "runs/<latest>",
    }  # fmt: skip
    schedule = {"NAME": "nightly", "CRON": "rate(1 day)"}
    status, out, _ = user.call("schedule", DRY_RUN="1", **schedule)
    assert status == 0
    overrides = json.loads(json.loads(out)["Target"]["Input"])
    assert channels_of({"overrides": overrides})["model"]["path"] == "runs/<latest>"


def test_a_schedule_of_a_script_that_cannot_work_is_refused(user, outputs, monkeypatch):
    monkeypatch.setattr(stack, "refresh", lambda _: outputs)
    (user.folder / "score.py").write_text("import no_such_package\n")
    user.cloud.bucket.objects.clear()  # the table may come later
    schedule = {"NAME": "nightly", "CRON": "rate(1 day)", "SCRIPT": "score.py"}
    status, _, err = user.call("schedule", **schedule)
    assert status == 1
    assert 'and the image lacks that; type: make add PACKAGE="no-such-package", then' in err
    assert user.calls() == [] and user.cloud.bucket.objects == {}
    (user.folder / "score.py").write_text("")
    stub = user.cloud.stub("scheduler")
    stub.add_response("create_schedule", {"ScheduleArn": "a"})
    assert user.call("schedule", **schedule)[0] == 0
    stub.assert_no_pending_responses()


def test_a_success_that_saved_nothing_is_a_success_with_a_warning(user):
    user.ends(stopped(0))
    prefix = "churn/runs/20260102T030405Z-abcdef/"
    manifest = {"attempt": 1, "exit_code": 0, "files": {}}
    user.cloud.bucket.objects[prefix + "manifest.json"] = json.dumps(manifest).encode()
    status, _, err = user.call("run")
    assert status == 0
    assert "warning: the script saved nothing" in err
    assert "warning: the script saved nothing" in user.call("status")[1]


def test_runs_that_ecs_has_forgotten_are_listed_fetched_and_compared(finished):
    finished.call("rerun", DETACH="1")
    other = {"hyperparameters": {"depth": 4, "eta": 0.5}, "validation": {"auc": 0.8}}
    prefix = f"churn/runs/{NEW}/"
    finished.cloud.bucket.objects[prefix + "metrics.json"] = json.dumps(other).encode()
    status, out, _ = finished.call("runs", LIMIT="2")
    assert status == 0
    _, latest, first = out.splitlines()
    assert "Unknown" in latest
    assert "auc 0.8" in latest
    assert "Succeeded" in first
    assert "auc 0.9" in first
    assert first.rstrip().endswith("train.py --depth 3")
    status, out, _ = finished.call("compare", RUNS="20260102 20260103")
    assert status == 0
    rows = {line[:2].strip() + " ".join(line[2:].split()) for line in out.splitlines()}
    assert {"*depth 3 4", "eta 0.5 0.5", "*validation auc 0.9 0.8"} <= rows
    assert finished.call("fetch", RUN="20260102")[0] == 0
    assert (finished.folder / "runs" / OLD / "metrics.json").exists()
    assert finished.call("runs", LIMIT="1")[1].count("\n") == 2


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        ("", 'make compare RUNS="a b"'),
        ("2026", 'make compare RUNS="a b"'),
        ("20260102 1999", "RUN='1999': no run begins so"),
        ("20260102 2026", "RUN='2026': 2 runs begin so"),
    ],
)
def test_runs_that_cannot_be_compared_get_one_sentence(finished, runs, sentence):
    finished.call("rerun", DETACH="1")
    status, out, err = finished.call("compare", RUNS=runs)
    assert (status, out) == (1, "")
    assert sentence in err


# ---- errors


def test_an_unknown_command_names_those_there_are(capsys):
    assert cli.main(["lunch"]) == 2
    assert "run" in capsys.readouterr().err
    assert cli.main([]) == 2


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("type: this"), "type: this"),
        (NoCredentialsError(), "type: aws configure"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject"),
            "AccessDenied",
        ),
        (EndpointConnectionError(endpoint_url="there"), "Could not connect"),
    ],
)
def test_errors_of_the_user_and_of_aws_are_one_sentence(user, monkeypatch, error, sentence):
    def fail(settings):
        raise error

    monkeypatch.setattr(cli, "command", lambda name: fail)
    status, out, err = user.call("cli")
    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert sentence in line


def test_an_error_of_our_own_is_not_hidden(user, monkeypatch):
    def fail(settings):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "command", lambda name: fail)
    with pytest.raises(ZeroDivisionError):
        user.call("cli")


def test_the_program_itself_exits_with_the_status(user):
    """In a process of its own, as Make calls it."""
    done = subprocess.run(
        [sys.executable, "-m", "ecs", "run"],
        check=False, capture_output=True, text=True,
        env={"PATH": "", "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "PROJECT": "churn"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: REGION not set")
    assert done.stdout == ""
