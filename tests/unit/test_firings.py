"""Scheduled runs that never began. Source: "Schedule types in EventBridge Scheduler" in its user guide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ecs.commands import runs as commands
from ecs.history import firings, records
from ecs.history.run import Run

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday
NIGHTLY = {
    "Name": "nightly", "ScheduleExpression": "cron(0 3 * * ? *)", "State": "ENABLED",
    "ScheduleExpressionTimezone": "UTC", "Target": {"Arn": "a", "RoleArn": "r", "EcsParameters": {"TaskDefinitionArn": "t"}},
    "LastModificationDate": datetime(2026, 11, 23, 9, tzinfo=UTC),
}  # fmt: skip


def fired(expression: str, since: str, until: str) -> list[str]:
    def parse(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    return [f"{each:%d %H:%M}" for each in firings.firings(expression, parse(since), parse(until))]


@pytest.mark.parametrize(
    ("expression", "since", "until", "expected"),
    [
        ("cron(0 3 * * ? *)", "2026-11-23T03:00", "2026-11-25T03:00", ["24 03:00", "25 03:00"]),
        ("cron(0 3 * * ? *)", "2026-11-25T03:01", "2026-11-25T23:00", []),
        ("cron(30 8,20 ? * MON-FRI *)", "2026-11-20T12:00", "2026-11-23T12:00", ["20 20:30", "23 08:30"]),
        ("cron(0 0 ? * 1 *)", "2026-11-20T00:00", "2026-11-30T00:00", ["22 00:00", "29 00:00"]),
        ("cron(0 0 ? * sat 2026)", "2026-11-20T00:00", "2026-11-30T00:00", ["21 00:00", "28 00:00"]),
        ("cron(0 0 1 DEC ? *)", "2026-11-25T00:00", "2026-12-02T00:00", ["01 00:00"]),
        ("cron(0 0 1 JAN ? *)", "2026-11-25T00:00", "2026-12-02T00:00", []),
        ("cron(0 0 24-25 11 ? 2025)", "2026-11-20T00:00", "2026-11-30T00:00", []),
        ("cron(0/20 23 25 * ? *)", "2026-11-20T00:00", "2026-11-30T00:00", ["25 23:00", "25 23:20", "25 23:40"]),
        ("cron(10-30/15 4 25 11 ? *)", "2026-11-20T00:00", "2026-11-30T00:00", ["25 04:10", "25 04:25"]),
        ("cron(59 23 31 12 ? 2026-2027)", "2026-12-30T00:00", "2027-01-01T00:00", ["31 23:59"]),
        ("at(2026-11-25T07:00:00)", "2026-11-25T06:00", "2026-11-25T07:00", ["25 07:00"]),
        ("at(2026-11-25T07:00:00)", "2026-11-25T07:00", "2026-11-26T07:00", []),
    ],
)  # fmt: skip
def test_an_expression_fires_at_these_times(expression, since, until, expected):
    assert fired(expression, since, until) == expected


@pytest.mark.parametrize(
    "expression",
    ["cron(0 0 L * ? *)", "cron(0 0 15W * ? *)", "cron(0 0 ? * 6#3 *)", "cron(0 0 ? * FRI-MON *)", "cron(0/0 0 * * ? *)", "rate(1 day)", "x"],
)  # fmt: skip
def test_what_cannot_be_told_is_no_answer(expression):
    with pytest.raises(ValueError):
        fired(expression, "2026-11-20T00:00", "2026-11-30T00:00")
    if not expression.startswith("rate"):
        assert firings.missed({**NIGHTLY, "ScheduleExpression": expression}, [], NOW) == []


@pytest.mark.parametrize(
    ("change", "runs", "now", "expected"),
    [
        ({}, ["2026-11-24T03:00:00Z-nightly", "2026-11-25T03:00:00Z-nightly"], NOW, []),
        ({}, ["2026-11-24T03:00:00Z-nightly"], NOW, ["2026-11-25T03:00:00Z"]),
        ({}, ["2026-11-25T03:00:00Z-weekly"], NOW, ["2026-11-24T03:00:00Z", "2026-11-25T03:00:00Z"]),
        ({}, [], NOW - timedelta(hours=7, minutes=46), ["2026-11-24T03:00:00Z"]),  # it may yet begin
        ({}, [], NOW - timedelta(hours=7, minutes=45), ["2026-11-24T03:00:00Z", "2026-11-25T03:00:00Z"]),
        ({"State": "DISABLED"}, [], NOW, []),
        ({"ScheduleExpressionTimezone": "Asia/Tokyo"}, [], NOW, []),
        ({"Target": {"Arn": "a-lambda", "RoleArn": "r"}}, [], NOW, []),  # somebody else's in the group
        ({"LastModificationDate": None, "CreationDate": NOW - timedelta(hours=12)}, [], NOW, ["2026-11-25T03:00:00Z"]),
        ({"LastModificationDate": None}, [], NOW, []),
    ],
)  # fmt: skip
def test_a_firing_without_a_run_is_found_once_it_can_no_longer_begin(change, runs, now, expected):
    assert firings.missed({**NIGHTLY, **change}, runs, now) == expected


@pytest.mark.parametrize(("days", "count"), [(0, 7), (1, 1), (3, 3), (30, 7)])
def test_runs_that_may_have_been_deleted_are_not_missed(days, count):
    old = {**NIGHTLY, "LastModificationDate": NOW - timedelta(days=100)}
    assert len(firings.missed(old, [], NOW, days)) == count


@pytest.mark.parametrize(
    ("rate", "runs", "days", "expected"),
    [
        ("rate(1 hour)", ["2026-11-25T09:46:00Z-nightly"], 0, []),
        ("rate(1 hour)", ["2026-11-25T09:45:00Z-nightly", "2026-11-25T01:00:00Z-nightly"], 0, ["2026-11-25T10:45:00Z"]),
        ("rate(1 hour)", ["2026-11-25T11:45:00Z-other", "by-hand-nightly"], 0, ["2026-11-23T10:00:00Z"]),
        ("rate(30 minutes)", [], 0, ["2026-11-23T09:30:00Z"]),
        ("rate(3 days)", [], 0, []),
        ("rate(2 days)", [], 0, ["2026-11-25T09:00:00Z"]),
        ("rate(2 days)", [], 2, []),
        ("rate(2 days)", [], 3, ["2026-11-25T09:00:00Z"]),
    ],
)  # fmt: skip
def test_a_rate_is_judged_by_the_latest_run(rate, runs, days, expected):
    schedule = {**NIGHTLY, "ScheduleExpression": rate}
    assert firings.missed(schedule, runs, NOW, days) == expected


def test_what_fires_now_and_then_is_seen_by_make_runs(settings, outputs, cloud, capsys):
    """Nobody is asked where no schedule was ever made."""
    commands.tell_missed(settings, outputs, [])
    cloud.bucket.objects["churn/schedules/nightly.json"] = b"{}"
    commands.tell_missed(replace(settings, sandbox=True), outputs, [])
    assert capsys.readouterr().err == ""
    changed = datetime.now(UTC) - timedelta(days=3)
    for name, run_days in (("nightly", "0"), ("nightly", "1"), ("hourly", "0")):
        stub = cloud.stub("scheduler")
        stub.add_response("list_schedules", {"Schedules": [{"Name": name}]}, {"GroupName": "churn"})
        expression = "rate(1 hour)" if name == "hourly" else NIGHTLY["ScheduleExpression"]
        found = {**NIGHTLY, "Name": name, "ScheduleExpression": expression}
        stub.add_response("get_schedule", {**found, "LastModificationDate": changed})
        commands.tell_missed(replace(settings, run_days=run_days), outputs, [])
    several, one, hourly = capsys.readouterr().err.splitlines()
    assert several.startswith(
        ("3 runs of the schedule nightly never", "2 runs of the schedule nightly never")
    )
    assert several.endswith("or the scheduler was refused; type: make verify")
    assert one.startswith("a run of the schedule nightly never began, the latest at 20")
    assert hourly.startswith("a run of the schedule hourly never began")
    cloud.stub("scheduler").add_client_error("list_schedules", "AccessDeniedException")
    commands.tell_missed(settings, outputs, [])
    said = "whether each scheduled run began is not known: AccessDeniedException\n"
    assert capsys.readouterr().err == said


def test_all_runs_count_and_not_those_that_the_table_shows(settings, outputs, monkeypatch, cloud):
    ids = [f"2026-11-2{day}T03:00:00Z-nightly" for day in range(5)]
    for run in ids:
        records.write(Run(settings, outputs, run), "run.json", {})
    asked = []
    monkeypatch.setattr(commands.stack, "outputs", lambda _: outputs)
    monkeypatch.setattr(
        commands, "end_of", lambda *_: {"state": "Succeeded", "exit_code": 0, "cause": ""}
    )
    monkeypatch.setattr(commands, "tell_missed", lambda *words: asked.append(words[2]))
    commands.runs(replace(settings, limit="2"))
    assert asked == [ids[::-1]]
