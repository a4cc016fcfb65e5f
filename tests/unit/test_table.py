"""`make runs` and `make compare` in a terminal of any width, and how often they ask S3."""

import json

import pytest
import test_cli
from ecs.commands import runs
from ecs.commands.runs import COLUMNS, USE, WIDE, fitting
from ecs.history import measures, records
from ecs.history.run import Run
from rich.console import Console

user = test_cli.user
ID = "20260102T030405Z-abcdef"
ROW = {
    "run": ID, "started": "2026-01-02T03:04:05+00:00", "tag": "0123456789ab-dirty-0123456789ab", "state": "Succeeded",
    "exit": "0", "took": "0:02:03", "metric": "validation auc 0.9912", "cost": "$0.0042",
    "command": "train.py --max-depth 6 --learning-rate 0.1 --note 'a rather long one'",
}  # fmt: skip


def drawn(width: int, *rows: dict, free: bool = False) -> list[str]:
    console = Console(width=WIDE, force_terminal=True, color_system=None)
    with console.capture() as text:
        console.print(fitting(rows, width, free))
    return text.get().splitlines()


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (10, "run"),
        (30, "run"),
        (40, "run state"),
        (80, "run state metric command"),
        (100, "run state exit took metric cost command"),
        (120, "run state exit took metric cost command"),
        (200, "run started tag state exit took metric cost command"),
    ],
)
def test_the_id_is_whole_at_any_width_and_the_others_give_way_in_order_of_use(width, columns):
    head, line = drawn(width, ROW)
    assert head.split() == columns.split()
    assert line.split()[0] == ID
    for name in columns.split()[:-1]:
        assert ROW[name] in line
    assert len(line.rstrip()) <= max(width, len(ID))
    assert set(USE) == set(COLUMNS)


@pytest.mark.parametrize("width", [10, 80, 200])
def test_the_longest_id_is_whole_too(width):
    long = {**ROW, "run": "nightly-" + "x" * 190}
    assert [line.split()[0] for line in drawn(width, ROW, long)[1:]] == [ID, long["run"]]


def test_the_sandbox_shows_no_costs_and_says_so_once(user, monkeypatch):
    user.answers("run-task", test_cli.STARTED)
    times = {
        f"{name}At": "2026-01-02T03:04:05+00:00" for name in ("created", "started", "pullStarted")
    }
    user.ends(test_cli.stopped(0, **times, stoppedAt="2026-01-02T04:04:05+00:00"))
    assert "$" in user.call("run")[2]  # an older version recorded costs in the sandbox, too
    monkeypatch.setenv("SANDBOX", "1")
    for command in ("status", "runs", "compare", "attach"):
        _, out, err = user.call(command, RUNS="2026 2026")
        assert "$0" not in out + err, command
        assert "cost" not in out, command
    assert user.call("runs")[2].count("cost: none; the sandbox") == 1
    user.monkeypatch.setattr("ecs.commands.run.new_run_id", lambda: "20260103T030405Z-abcdef")
    _, out, err = user.call("run")
    assert (err.count("cost: none; the sandbox"), "$0" in err) == (1, False)


@pytest.mark.parametrize(
    ("values", "shown", "differ"),
    [
        ([0.0009710000000000002, 0.1], ["0.000971", "0.1"], True),
        ([0.30000000000000004, 0.3], ["0.3", "0.3"], False),
        ([0.91234567, 0.91234568], ["0.91234567", "0.91234568"], True),
        ([123456789, 1.0], ["123456789", "1"], True),
        ([None, "a"], ["", "a"], True),
        ([[1, "é"], True], ['[1, "é"]', "true"], True),
    ],
)
def test_numbers_are_compared_and_shown_without_noise(values, shown, differ):
    assert measures.told(values) == (shown, differ)


def test_a_cost_is_compared_as_money():
    record = {
        "run.json": None,
        "result.json": {"cost": 0.0009710000000000002},
        "metrics.json": None,
    }
    assert measures.compare([record, record]) == [("cost", ["$0.0010", "$0.0010"], False)]


@pytest.mark.parametrize("again", [0, 3])
@pytest.mark.parametrize("count", [10, 1000])
def test_runs_asks_s3_three_times_a_run_and_once_more_where_it_was_tried_again(
    settings, outputs, cloud, monkeypatch, count, again
):
    """Beside one ListObjectsV2 for every 1,000 folders: 31, 3,001 and 30,010 calls for 10, 1,000 and 10,000 runs."""
    command = {"overrides": {"containerOverrides": [{"command": ["train.py"]}]}}
    attempts = [{"attempt": 1, "task": "a"}, {"attempt": 2, "task": "b"}]
    for number in range(count):
        name = f"churn/runs/{number:06}"
        made = attempts if number < again else attempts[:1]
        asked = {
            "run": name,
            "started": "2026-01-02T03:04:05+00:00",
            "request": command,
            "attempts": made,
        }
        for file, body in (
            ("run", asked),
            ("result", {"state": "Succeeded"}),
            ("metrics", {"auc": 1}),
        ):
            cloud.bucket.objects[f"{name}/{file}.json"] = json.dumps(body).encode()
    gets, get = [], cloud.bucket.get_object
    monkeypatch.setattr(
        cloud.bucket, "get_object", lambda **fields: gets.append(1) or get(**fields)
    )
    listed = [Run(settings, outputs, each) for each in records.run_ids(settings, outputs)]
    for run, found in zip(listed, records.read_all(listed), strict=True):
        assert runs.row_of(run, found)["metric"] == "auc 1"
    assert len(gets) == 3 * count + again
