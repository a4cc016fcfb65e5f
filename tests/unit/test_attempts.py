"""No run is lost and no two tasks are alive, whatever ends a follower and whoever else follows."""

import json
from itertools import count

import pytest
import test_cli
from ecs import attempts, definition, follow, image, locate, submit
from world import Killed, Logs, World

user = test_cli.user
RUN = "20260102T030405Z-abcdef"
KEY = f"churn/runs/{RUN}/run.json"
POINTS = 15  # calls at which a follower is killed, each before and after it


@pytest.fixture
def world(user, monkeypatch):
    """Return a function that makes a world and puts it in the place of AWS."""
    monkeypatch.setattr(
        definition, "register", lambda *_: ("arn:x:task-definition/churn:4", "image")
    )
    monkeypatch.setattr(image, "git", lambda *_: None)
    monkeypatch.setattr(image, "tag", lambda _: "tag")
    monkeypatch.setattr(image, "listed", lambda *_: ["train.py"])
    monkeypatch.setattr(follow, "DRAIN_LIMIT", 0.0)
    for module in (attempts, submit, locate):
        monkeypatch.setattr(module, "sleep", lambda seconds: None, raising=False)
    monkeypatch.setattr(
        attempts,
        "follow",
        lambda *words, **fields: follow.follow(
            *words, **fields, sleep=lambda _: None, drain_limit=0.0
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
    """Kill the follower before or after its call number ``at``."""

    def look(number: int, early: bool) -> None:
        if number >= at and early == before:
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
