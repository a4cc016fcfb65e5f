"""No run is lost and no two tasks are alive, whatever ends a follower and whoever else follows."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace

import pytest
import test_cli
from botocore.exceptions import ClientError
from ecs.history.run import Run
from ecs.image import image
from ecs.run import attempts, follow, locate, registration, submit
from world import Killed, Logs, World

user = test_cli.user
RUN = "20260102T030405Z-abcdef"
KEY = f"churn/runs/{RUN}/run.json"
POINTS = 15  # calls at which a follower is killed, each before and after it


@pytest.fixture
def world(user, monkeypatch):
    """Return a function that makes a world and puts it in the place of AWS."""
    monkeypatch.setattr(
        registration, "register", lambda *_: ("arn:x:task-definition/churn:4", "image")
    )
    monkeypatch.setattr(image, "git", lambda *_: None)
    monkeypatch.setattr(image, "tag", lambda _: "tag")
    monkeypatch.setattr(image, "listed", lambda *_: ["train.py"])
    for module in (attempts, submit, locate):
        monkeypatch.setattr(module, "sleep", lambda seconds: None, raising=False)
    monkeypatch.setattr(
        attempts,
        "follow",
        lambda *words, **fields: follow.follow(
            *words, **{**fields, "sleep": lambda _: None, "drain_limit": 0.0}
        ),
    )

    def made(*fates: str, tokens: bool = True) -> World:
        world = World(*fates, tokens=tokens)
        user.cloud.bucket.objects.clear()
        user.cloud.bucket.objects["churn/data/train.csv"] = b"label,a\n1,2\n"
        user.cloud.services["ecs"] = world.counted(world)
        user.cloud.services["logs"] = world.counted(Logs())
        user.cloud.services["s3"] = world.counted(user.cloud.bucket)
        for module in (attempts, submit):
            monkeypatch.setattr(module, "call_cli", world.call_cli)
        return world

    return made


def kill(world: World, at: int, before: bool) -> None:
    """Kill the follower before or after its call number ``at``, once: whatever swallows it is seen."""

    def look(number: int, early: bool) -> None:
        if number == at and early == before:
            raise Killed

    world.at = look


def killed(user, *words, **variables) -> bool:
    """Run a command and tell whether it was killed."""
    try:
        user.call(*words, **variables)
    except Killed:
        return True
    return False


def record(user) -> dict:
    return json.loads(user.cloud.bucket.objects[KEY])


@pytest.mark.parametrize("tokens", [True, False], ids=["aws", "emulator"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("retries", ["", "1"])
def test_a_follower_that_is_killed_at_any_call_loses_no_run(user, world, before, retries, tokens):
    """Its task is found by status and stopped by stop, and there was never more than one."""
    fates = ("spot", "endless") if retries else ("endless",)
    for at in count(1):
        ecs = world(*fates, tokens=tokens)
        if at > POINTS:  # an endless one is followed for ever
            break
        kill(ecs, at, before)
        assert killed(user, "run", RETRIES=retries)
        ecs.at = lambda number, early: None
        if KEY not in user.cloud.bucket.objects:
            assert ecs.tasks == []
            continue
        status, said, _ = user.call("status")
        assert status == 0
        alive = ecs.alive()
        if alive:
            assert "state      Running" in said, (at, said)
            assert alive[0]["taskArn"] in said
        else:
            assert "Failed" not in said
        assert user.call("runs")[0] == 0
        user.call("stop")
        assert ecs.alive() == [], at
        assert ecs.most <= 1


# ---- two at once


def at_call(user, ecs: World, at: int, do: Callable[[], None]) -> None:
    """Do something before call number ``at`` of a run that is recorded."""

    def look(number: int, early: bool) -> None:
        if number == at and early and KEY in user.cloud.bucket.objects:
            ecs.at = lambda number, early: None
            do()

    ecs.at = look


@pytest.mark.parametrize("command", ["attach", "stop"])
@pytest.mark.parametrize("fates", [("success",), ("spot", "success")], ids=["once", "retries"])
def test_another_follower_at_any_moment_is_no_second_task(user, world, fates, command):
    """At each call of the first one, another attaches, or stops the run; then the first one goes on."""
    for at in count(1):
        ecs, done = world(*fates), []

        at_call(user, ecs, at, lambda done=done: done.append(user.call(command)))
        status, _, err = user.call("run", RETRIES="1")
        names = [each["startedBy"] for each in ecs.tasks]
        assert len(names) == len(set(names)), at
        assert (ecs.most <= 1, ecs.alive()) == (True, []), (at, err)
        if at > 8 and not done:  # past the end
            break
        if command == "attach":
            assert status == 0, (at, err)
            assert len(names) == len(fates)
            assert len(record(user)["attempts"]) == len(fates)
            assert user.recorded("result.json")["state"] == "Succeeded", (at, err)
        assert at < 100


# ---- Ctrl-C while ECS is asked


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("presses", [1, 2, 3])
def test_ctrl_c_while_ecs_is_asked_leaves_no_task_that_nobody_knows(
    user, world, monkeypatch, presses, early
):
    """Once detaches as soon as ECS has answered, twice stops, and three times does not wait for it."""
    made = []
    monkeypatch.setattr(attempts, "Signals", lambda: made.append(test_cli.Quiet()) or made[-1])
    names = {name: getattr(signal, name) for name in ("SIGINT", "SIG_IGN")}
    monkeypatch.setattr(attempts, "signal", SimpleNamespace(signal=lambda *_: None, **names))
    monkeypatch.setattr(attempts, "SECOND_CTRL_C", 0.0)
    ecs = world("endless")
    call_cli = ecs.call_cli

    def pressed(settings, *words, **fields):
        if words[1] != "run-task":
            return call_cli(settings, *words, **fields)
        if not early:
            answer = call_cli(settings, *words, **fields)
        for _ in range(presses):
            made[0].press(signal.SIGINT, None)
        return answer if not early else call_cli(settings, *words, **fields)

    monkeypatch.setattr(submit, "call_cli", pressed)
    status, _, err = user.call("run")
    tasks = 0 if presses == 3 and early else 1
    assert len(ecs.tasks) == tasks
    assert len(ecs.alive()) == (1 if presses == 1 else 0), err
    if tasks:
        assert status == 130
        assert record(user)["task"] == ecs.tasks[0]["taskArn"]
    else:
        assert status == 1
        assert "no other attempt will be made" in err
    assert ("stopped" in record(user)) == (presses > 1)


# ---- S3 refuses


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_where_s3_refuses_run_json_there_is_no_task_or_it_is_found(user, world, monkeypatch, at):
    """From its first, second, … write on: new, attempt claimed, task known, end known."""
    ecs = world("success")
    put, writes = user.cloud.bucket.put_object, []

    def refused(**fields):
        writes.append(fields["Key"])
        if fields["Key"] == KEY and writes.count(KEY) >= at:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")
        return put(**fields)

    monkeypatch.setattr(user.cloud.bucket, "put_object", refused)
    user.cloud.services["s3"] = user.cloud.bucket
    status, _, err = user.call("run")
    assert len(ecs.tasks) == (0 if at < 3 else 1)
    assert "Traceback" not in err
    if at < 3:
        assert (status, err.count("error: ")) == (1, 1)
        assert "AccessDenied" in err
        return
    assert status == 0
    assert "run.json could not be written, the run goes on" in err
    monkeypatch.setattr(user.cloud.bucket, "put_object", put)
    assert ecs.tasks[0]["taskArn"] in user.call("status")[1]
    assert "Succeeded" in user.call("runs")[1]


# ---- after ECS's hour


@pytest.mark.parametrize("claimed", [True, False])
def test_after_an_hour_it_is_unknown_and_not_not_started(user, world, claimed):
    at = next_run_task(user, world)
    ecs = world("endless")
    kill(ecs, at if claimed else at - 1, True)  # the write of run.json comes before it
    assert killed(user, "run")
    ecs.at = lambda number, early: None
    old = record(user)
    assert bool(old["attempts"]) == claimed
    long_ago = (datetime.now(UTC) - timedelta(hours=1, minutes=1)).isoformat(timespec="seconds")
    for each in (old, *old["attempts"]):
        each["started"] = long_ago
    user.cloud.bucket.objects[KEY] = json.dumps(old).encode()
    _, out, _ = user.call("status")
    assert "state      Unknown" in out
    assert "whether there was one is unknown" in out
    for command, variables in (
        ("attach", {"RETRIES": "1"}),
        ("attach", {}),
        ("logs", {}),
        ("stop", {}),
    ):
        status, out, err = user.call(command, **{"RETRIES": ""} | variables)
        assert status == 1
        assert "is unknown" in err
        assert "never started" not in out + err
    assert "make rerun" in user.call("attach")[2]
    assert ecs.tasks == []  # none is sent again: it might be the second
    assert "Unknown" in user.call("runs")[1]


def next_run_task(user, world) -> int:
    """Return the number of the call by which a run starts its task, in a world that is made anew."""
    ecs, found = world("success"), []
    run_task = ecs.run_task
    ecs.run_task = lambda **request: found.append(ecs.calls) or run_task(**request)
    assert user.call("run")[0] == 0
    return found[0]


@pytest.mark.parametrize(("sandbox", "least", "most"), [(False, 5, 15), (True, 0.25, 0.75)])
def test_between_two_attempts_there_is_a_pause_that_the_sandbox_does_not_need(
    settings, monkeypatch, sandbox, least, most
):
    naps = []
    monkeypatch.setattr(attempts, "sleep", naps.append)
    container = {"command": ["train.py"]}
    asked = {
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}],
        "overrides": {"containerOverrides": [container]},
    }
    record = {"request": asked, "attempts": [{"cause": "x"}]}
    run = Run(replace(settings, sandbox=sandbox, retries="1"), {}, RUN, record)
    assert attempts.paused(run, asked)
    assert least <= naps[0] <= most
