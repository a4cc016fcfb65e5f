"""Objects of the history that others have written, or half written: a row or a sentence, and the rest goes on."""

import json

import pytest
import test_cli
from ecs.history import report, sound
from test_attempts import KEY, RUN, World, world  # noqa: F401, a fixture

user = test_cli.user
TABLE = "20250101T000000Z-000000"  # a run that is whole
HUGE = 10**400
DEEP = "[" * 100_000


def changed(**fields: object):
    """Return a function that changes fields of a record; ``...`` takes one out."""

    def change(record: dict) -> bytes:
        record |= fields
        left = {name: value for name, value in record.items() if value is not ...}
        return json.dumps(left).encode()

    return change


def of_attempt(**fields: object):
    def change(record: dict) -> bytes:
        record["attempts"][0] |= fields
        return json.dumps(record).encode()

    return change


# What has become of run.json, and what is said of it.
DAMAGED = {
    "half written": (lambda record: json.dumps(record).encode()[:100], "it is no JSON"),
    "empty": (lambda record: b"", "it is no JSON"),
    "binary": (lambda record: b"\xff\x00\x1b[2J", "it is no JSON"),
    "too deep": (lambda record: DEEP.encode(), "too deep"),
    "a list": (lambda record: b"[1, 2]", "it is no JSON object"),
    "a number": (lambda record: b"3", "it is no JSON object"),
    "null": (lambda record: b"null", "it is no JSON object"),
    "no request": (changed(request=...), "request is none of RunTask"),
    "a request of text": (changed(request="x"), "request is none of RunTask"),
    "a request without containers": (changed(request={"overrides": {}}), "request is none"),
    "argv is text": (changed(argv="--x"), "argv is no list of words"),
    "argv has a number": (changed(argv=[1]), "argv is no list of words"),
    "argv is nested": (changed(argv=[["--x"]]), "argv is no list of words"),
    "an odd date": (changed(started="yesterday"), "started is no time"),
    "a date without a zone": (changed(started="2026-01-02T03:04:05"), "started is no time"),
    "a huge date": (changed(started=HUGE), "started is no time"),
    "a task that is none": (changed(task=["x"]), "task is no text"),
    "a tag that is none": (changed(tag={"a": 1}), "tag is no text"),
    "a size of text": (changed(size="big"), "size has no cpu"),
    "a huge size": (changed(size={"cpu": HUGE, "memory": 1, "disk": 1}), "size has no cpu"),
    "data that is none": (changed(data=[1]), "data is no JSON object"),
    "attempts that are none": (changed(attempts={"a": 1}), "attempts is no list"),
    "an attempt that is none": (changed(attempts=[1]), "attempts is no list"),
    "an attempt's odd date": (of_attempt(started="?"), "started of attempt 1 is no time"),
    "an attempt's odd task": (of_attempt(task=5), "attempt 1 has a field of another kind"),
    "an attempt's odd cost": (of_attempt(cost="x"), "attempt 1 has a field of another kind"),
    "an attempt's odd request": (of_attempt(request=[]), "attempt 1: request is none"),
}
# What a record may say and is whole all the same.
WHOLE = {
    "a newer version's fields": changed(shape={"new": [1]}, priority=HUGE),
    "markup as a tag": changed(tag="[/x]"),
    "control characters": changed(tag="\x1b]0;x\x07"),
    "no task": changed(task=...),
    "no image and no revision": changed(image=..., revision=None),
    "no size": changed(size=...),
    "no argv": changed(argv=...),
}


@pytest.fixture
def running(user, world) -> World:  # noqa: F811
    """A run that goes on and nobody follows, and another that has ended."""
    ecs = world("success")
    user.monkeypatch.setenv("DETACH", "1")
    assert user.call("run")[0] == 0
    objects = user.cloud.bucket.objects
    objects[KEY.replace(RUN, TABLE)] = objects[KEY].replace(RUN.encode(), TABLE.encode())
    ended = {"state": "Succeeded", "exit_code": 0, "cause": ""}
    objects[f"churn/runs/{TABLE}/result.json"] = json.dumps(ended).encode()
    ecs.describe_tasks = lambda *, cluster, tasks: {
        "tasks": [each for each in ecs.tasks if each["taskArn"] in tasks], "failures": []
    }  # fmt: skip
    listing = ecs.list_tasks

    def list_tasks(*, cluster: str, **filters: str) -> dict:
        if filters == {"family": "churn"}:
            return {"taskArns": [each["taskArn"] for each in ecs.alive()]}
        return listing(cluster=cluster, **filters)

    ecs.list_tasks = list_tasks
    return ecs


@pytest.mark.parametrize(("change", "why"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_is_a_row_and_a_sentence_and_its_task_can_be_stopped(
    user, running, change, why
):
    objects = user.cloud.bucket.objects
    objects[KEY] = change(json.loads(objects[KEY]))
    status, out, err = user.call("runs")
    assert status == 0
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert "Damaged" in rows[RUN]
    assert why in rows[RUN]
    assert "Succeeded" in rows[TABLE]
    status, out, _ = user.call("compare", RUNS=f"{RUN} {TABLE}")
    assert status == 0
    assert "Damaged" in out
    for command in ("status", "attach", "logs", "rerun"):
        status, out, err = user.call(command, RUN=RUN)
        assert (status, out, err.count("error: ")) == (1, "", 1)
        assert f"is damaged: {why}" in err or "too deep" in err
        assert f"make stop RUN={RUN}" in err
        assert "\x1b" not in err
    assert len(running.alive()) == 1
    status, _, err = user.call("stop", RUN=RUN)
    assert status == 0
    assert running.alive() == []
    assert "by their names: 1 stopped" in err
    assert "ECS shows none that goes on" in user.call("stop", RUN=RUN)[2]


@pytest.mark.parametrize("change", WHOLE.values(), ids=WHOLE)
def test_what_is_odd_and_no_damage_is_a_row_like_any_other(user, running, change):
    objects = user.cloud.bucket.objects
    objects[KEY] = change(json.loads(objects[KEY]))
    status, out, _ = user.call("runs")
    assert status == 0
    assert "Running" in out
    assert "\x1b" not in out
    assert user.call("compare", RUNS=f"{RUN} {TABLE}")[0] == 0
    assert user.call("status", RUN=RUN)[0] == 0
    assert user.call("stop", RUN=RUN)[0] == 0
    assert running.alive() == []


def test_a_record_that_is_damaged_while_it_is_followed_costs_no_verdict(user, world):  # noqa: F811
    ecs, objects = world("success"), user.cloud.bucket.objects

    def look(number: int, early: bool) -> None:
        if ecs.tasks and ecs.tasks[0]["lastStatus"] == "STOPPED":
            objects[KEY] = b"{"

    ecs.at = look
    status, _, err = user.call("run", DETACH="")
    assert status == 0
    assert f"run {RUN} succeeded" in err
    assert "run.json could not be written, the run goes on" in err
    assert user.recorded("result.json")["state"] == "Succeeded"


RESULTS = {
    "half written": b'{"state": "Fai',
    "binary": b"\xff\xfe",
    "a list": b"[]",
    "a state that is none": b'{"state": 3}',
    "a newer version's state": b'{"state": "Paused"}',
}


@pytest.mark.parametrize("body", RESULTS.values(), ids=RESULTS)
def test_a_damaged_result_does_not_count_and_ecs_is_asked(user, running, body):
    user.cloud.bucket.objects[f"churn/runs/{RUN}/result.json"] = body
    assert "Running" in user.call("runs")[1]
    assert "state      Running" in user.call("status", RUN=RUN)[1]
    assert user.call("stop", RUN=RUN)[0] == 0
    assert running.alive() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"exit_code": "x", "cost": "y", "cause": 5, "remedy": [], "attempts": 3},
        {"exit_code": HUGE, "cost": HUGE, "startedAt": "x", "stoppedAt": "2026-01-01T00:00:00"},
        {"cost": float("nan"), "createdAt": 5, "stoppedAt": "2026-01-01T00:00:00+00:00"},
    ],
)
def test_fields_of_a_result_that_are_of_another_kind_are_left_out(user, running, fields):
    body = json.dumps({"state": "Failed", "unknown": 1, **fields}).encode()
    user.cloud.bucket.objects[f"churn/runs/{RUN}/result.json"] = body
    for command in ("runs", "status", "attach"):
        _, out, err = user.call(command, RUN=RUN)
        assert "failed" in (out + err).lower()
    assert user.call("compare", RUNS=f"{RUN} {TABLE}")[0] == 0
    assert user.call("stop", RUN=RUN)[0] == 0


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json"])
@pytest.mark.parametrize(
    "text",
    ["{", "[]", "3", "\xff", DEEP, f'{{"auc": {HUGE}, "files": {{"a": 5}}}}', '{"auc": NaN, "files": []}',
     f'{{"train": {{"auc": {HUGE}}}, "exit_code": {HUGE}, "files": {{}}}}', "9" * 5000],
    ids=["half", "list", "number", "binary", "deep", "huge", "nan", "nested", "digits"],
)  # fmt: skip
def test_whatever_a_script_leaves_is_a_row_and_a_page(user, running, name, text):
    user.cloud.bucket.objects[f"churn/runs/{RUN}/{name}"] = text.encode("latin-1")
    for command in ("runs", "status", "report"):
        status, out, err = user.call(command, RUN=RUN)
        assert status == 0, err
        assert RUN in out
    assert user.call("compare", RUNS=f"{RUN} {TABLE}")[0] == 0


def test_folders_below_runs_that_are_no_runs_are_said_and_the_rest_goes_on(user, running):
    objects = user.cloud.bucket.objects
    for key in ("", "../x", ".hidden/x", "\x1b[2J/x", "foreign/notes.txt"):
        objects[f"churn/runs/{key}/"] = b"x"
    status, out, err = user.call("runs")
    assert status == 0
    assert "foreign" in out
    assert "it has no run.json" in out
    assert "4 more below runs/ with names that no run has" in err
    assert "'..'" in err
    assert "\x1b" not in out + err


@pytest.mark.parametrize("name", ["/", "..", "a/b", "../x", ".", "\x1b[2J", "[/x]"])
@pytest.mark.parametrize(
    "command", ["status", "stop", "report", "fetch", "logs", "attach", "rerun"]
)
def test_a_name_that_no_run_has_is_one_sentence(user, running, command, name):
    status, out, err = user.call(command, RUN=name)
    assert (status, out) == (1, "")
    assert f"error: RUN={name!r}: no run begins so; type: make runs" in err
    assert err.count("\n") == 1
    assert len(running.alive()) == 1


def test_the_end_of_a_run_that_nobody_recorded_is_told_by_its_manifest(user, running):
    """The follower was killed, and ECS has forgotten the task."""
    running.tasks.clear()
    manifest = f"churn/runs/{RUN}/manifest.json"
    objects = user.cloud.bucket.objects
    assert "Unknown" in user.call("runs")[1]
    for code, state in ((0, "Succeeded"), (3, "Failed"), (143, "Interrupted")):
        objects[manifest] = json.dumps({"attempt": 1, "exit_code": code, "files": {}}).encode()
        (row,) = (each for each in user.call("runs")[1].splitlines() if RUN in each)
        assert state in row
        _, out, _ = user.call("compare", RUNS=f"{RUN} {TABLE}")
        (row,) = (each for each in out.splitlines() if "state" in each)
        assert row.split()[-2:] == [state, "Succeeded"]
        assert f"state      {state}" in user.call("status", RUN=RUN)[1]
    objects[manifest] = json.dumps({"attempt": 2, "exit_code": 0, "files": {}}).encode()
    assert "Unknown" in user.call("runs")[1]  # of another attempt
    assert f"churn/runs/{RUN}/result.json" not in objects


def test_numbers_are_those_that_can_be_printed():
    good, bad = (0, -1.5, 10**100), (HUGE, float("nan"), float("inf"), True, "1", None, [])
    assert all(map(sound.is_number, good))
    assert not any(map(sound.is_number, bad))
    assert report.number(HUGE) is None
