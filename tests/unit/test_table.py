"""`make runs` and `make compare` in a terminal of any width, and how often they ask S3."""

import json

import pytest
import test_cli
from botocore.exceptions import ClientError
from ecs.commands import runs
from ecs.commands.runs import COLUMNS, USE, WIDE, fitting
from ecs.history import index, measures, records
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


COMMAND = {"overrides": {"containerOverrides": [{"command": ["train.py"]}]}}
TRIED = [{"attempt": 1, "task": "a"}, {"attempt": 2, "task": "b"}]


def put_run(cloud, number: int, attempts: int = 1, **result) -> str:
    """Put the files of a run that has ended into the bucket; return its id."""
    run = f"{number:06}"
    started = "2026-01-02T03:04:05+00:00"
    asked = {"run": run, "started": started, "request": COMMAND, "attempts": TRIED[:attempts]}
    for file, body in (
        ("run", asked),
        ("result", {"state": "Succeeded", **result}),
        ("metrics", {"auc": 1}),
    ):
        cloud.bucket.objects[f"churn/runs/{run}/{file}.json"] = json.dumps(body).encode()
    return run


@pytest.fixture
def gets(cloud, monkeypatch):
    """Return the keys of the objects that were read."""
    keys, get = [], cloud.bucket.get_object

    def counted(**fields):
        keys.append(fields["Key"])
        return get(**fields)

    monkeypatch.setattr(cloud.bucket, "get_object", counted)
    return keys


def table(settings, outputs, limit: int = 10000) -> list[list[str]]:
    return runs.rows_of(settings, outputs, records.run_ids(settings, outputs), limit)


@pytest.mark.parametrize("again", [0, 3])
@pytest.mark.parametrize("count", [10, 1000])
def test_a_table_is_read_once_and_then_from_one_object(
    settings, outputs, cloud, gets, count, again
):
    """Beside one ListObjectsV2 for every 1,000 folders.

    The first table of 10, 1,000 and 10,000 runs reads 31, 3,001 and 30,001 objects, each later one 1, and 3 for
    each run of which the index has no end.
    """
    for number in range(count):
        put_run(cloud, number, 2 if number < again else 1)
    rows = table(settings, outputs)
    assert [row[COLUMNS.index("metric")] for row in rows] == ["auc 1"] * count
    assert len(gets) == 1 + 3 * count + again
    gets.clear()
    assert table(settings, outputs) == rows
    assert gets == ["churn/runs.json"]
    for number in range(count, count + 9):  # too few for another write
        put_run(cloud, number)
    for _ in range(2):
        gets.clear()
        assert len(table(settings, outputs)) == count + 9
        assert len(gets) == 1 + 3 * 9
    gets.clear()
    assert len(table(settings, outputs, 5)) == 5
    assert len(gets) == 1 + 3 * 5


def test_a_run_that_has_no_end_is_never_taken_from_the_index(
    settings, outputs, cloud, gets, monkeypatch
):
    ids = [put_run(cloud, number) for number in range(12)]
    cloud.bucket.objects[f"churn/runs/{ids[3]}/run.json"] = b"{"
    del cloud.bucket.objects[f"churn/runs/{ids[5]}/result.json"]
    monkeypatch.setattr(
        runs, "state_of", lambda _: {"state": "Running", "exit_code": None, "cause": ""}
    )
    rows = table(settings, outputs)
    assert [row[3] for row in rows if row[0] in (ids[3], ids[5])] == ["Running", "Damaged"]
    gets.clear()
    assert table(settings, outputs) == rows
    assert sorted({key.split("/")[2] for key in gets[1:]}) == [ids[3], ids[5]]


def test_a_run_that_goes_on_is_read_anew(settings, outputs, cloud):
    ids = [put_run(cloud, number) for number in range(10)]
    stale = index.load(settings, outputs)
    table(settings, outputs)
    before = index.load(settings, outputs)
    put_run(cloud, 4, 2, state="Failed")
    index.forget(Run(settings, outputs, ids[4]))
    assert set(index.load(settings, outputs).rows) == {*ids} - {ids[4]}
    assert [row[3] for row in table(settings, outputs)].count("Failed") == 1
    for old in (stale, before):  # who has read it before does not write it back
        assert not index.save(settings, outputs, old)
    again = index.load(settings, outputs)
    index.forget(
        Run(settings, outputs, ids[4])
    )  # it is not there, but somebody may be about to write it
    assert not index.save(settings, outputs, again)


def test_where_there_is_no_index_there_is_nothing_to_forget(settings, outputs, cloud):
    index.forget(Run(settings, outputs, "a"))
    assert cloud.bucket.objects == {}


def test_what_is_deleted_leaves_the_index(settings, outputs, cloud):
    for number in range(20):
        put_run(cloud, number)
    table(settings, outputs)
    for number in range(15):
        for file in ("run", "result", "metrics"):
            del cloud.bucket.objects[f"churn/runs/{number:06}/{file}.json"]
    for number in range(20, 30):
        put_run(cloud, number)
    assert len(table(settings, outputs)) == 15
    assert len(index.load(settings, outputs).rows) == 15


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"\xff", b"[]", b"null", b"{}", b'{"columns": [], "rows": [], "changes": 1}',
        b'{"columns": ["a"], "rows": {"000001": ["x"]}, "changes": 1}',
        b'{"columns": ["a"], "rows": {"000001": ["x", "y"]}, "changes": 1}',
        b'{"columns": ["a"], "rows": {"000001": [1]}, "changes": 1}',
        b'{"columns": ["a"], "rows": {"000001": "x"}, "changes": 1}',
        b'{"columns": "a", "rows": {"000001": ["x"]}, "changes": 1}',
        b'{"columns": ["a"], "rows": {"000001": ["x"]}, "changes": "1"}',
    ],
)  # fmt: skip
def test_a_damaged_index_is_written_anew(settings, outputs, cloud, damage):
    for number in range(10):
        put_run(cloud, number)
    cloud.bucket.objects["churn/runs.json"] = damage
    rows = table(settings, outputs)
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert len(index.load(settings, outputs).rows) == 10
    cloud.bucket.objects["churn/runs.json"] = damage
    index.forget(Run(settings, outputs, "000001"))
    assert table(settings, outputs) == rows


@pytest.mark.parametrize(("code", "passes"), [("AccessDenied", True), ("InternalError", False)])
def test_who_may_not_write_the_index_sees_the_table_all_the_same(
    settings, outputs, cloud, monkeypatch, capsys, code, passes
):
    run = Run(settings, outputs, put_run(cloud, 0))
    for number in range(1, 10):
        put_run(cloud, number)
    table(settings, outputs)
    cloud.bucket.objects["churn/runs.json"] = b""

    def refused(**_):
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")

    monkeypatch.setattr(cloud.bucket, "put_object", refused)
    if passes:
        assert len(table(settings, outputs)) == 10
    else:
        with pytest.raises(ClientError):
            table(settings, outputs)
    index.forget(run)
    assert ("make runs may show" in capsys.readouterr().err) != passes
