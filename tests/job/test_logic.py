"""What decides and touches nothing: metrics, channels, words, names, exit statuses, the machine's facts."""

import itertools
import json
import math
import os
import signal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job import __main__ as launcher
from job import attempt, errors, machine, paths, process, stage
from job.errors import UserError

OUTPUT = (
    b"metric: auc=0.5\nmetric: validation.auc=7e-1\r\nno metric: x=1\n" + b"y" * 300 + b"metric: z=1\n"
    b"metric: long=" + b"0" * 41 + b"\nmetric: auc=0.75\nmetric: inf=inf\nmetric: nan=nan\n\n"
    b"metric: " + b"n" * 101 + b"=1\nmetric: spaced name =3\nmetric: k\xc3\xa9=1\nmetric: last=-4"
)  # fmt: skip
FOUND = {"auc": 0.75, "validation": {"auc": 0.7}, "spaced name": 3.0, "last": -4.0}


@given(st.lists(st.integers(0, len(OUTPUT)), max_size=30))
def test_metrics_are_found_however_the_output_is_cut(cuts):
    metrics = process.Metrics()
    places = [0, *sorted(cuts), len(OUTPUT)]
    for begin, end in itertools.pairwise(places):
        metrics.feed(OUTPUT[begin:end])
    assert metrics.by_set() == FOUND


@given(st.lists(st.binary(max_size=400)))
def test_no_output_is_too_strange_and_a_line_without_end_takes_no_memory(blocks):
    metrics = process.Metrics()
    for block in blocks:
        metrics.feed(block)
        assert len(metrics.line) <= process.LONGEST_METRIC + 1
    assert json.loads(json.dumps(metrics.by_set(), allow_nan=False)) == metrics.by_set()


@pytest.mark.parametrize("order", [("a", "a.b"), ("a.b", "a")])
def test_a_name_cannot_be_a_number_and_a_set(order):
    metrics = process.Metrics()
    for name in order:
        metrics.feed(f"metric: {name}=1\nmetric: {name}=2\n".encode())
    assert metrics.by_set() in ({"a": 2.0}, {"a": {"b": 2.0}})


CHANNELS = [
    {},
    {"train": {"uri": "data/train.csv", "path": "data/train.csv"}},
    {"a-b_2": {"uri": "s3://b/p/", "path": "runs/ID/"}, "Z": {"uri": "td://db/table"}},
]
NO_CHANNELS = [
    "x", "[]", "1", '"a"', "null", '{"1a": {"uri": "x"}}', '{"a b": {"uri": "x"}}', '{"": {"uri": "x"}}',
    '{"a": {}}', '{"a": {"uri": 1}}', '{"a": {"uri": ""}}', '{"a": "x"}', '{"a": {"uri": "x", "path": ""}}',
    '{"a": {"uri": "x", "path": "/etc"}}', '{"a": {"uri": "x", "path": "data/../../x"}}',
    '{"a": {"uri": "x", "path": "data//x"}}', '{"a": {"uri": "x", "path": 1}}',
    '{"a": {"uri": "x", "path": "data/\\u001b[2J"}}', '{"a\\n": {"uri": "x"}}',
    json.dumps({"a" * 64: {"uri": "x"}}),
]  # fmt: skip


@pytest.mark.parametrize("found", CHANNELS)
def test_channels_are_read(found):
    assert stage.channels(json.dumps(found)) == found


def test_no_channels_are_none():
    assert stage.channels("") == {}


@pytest.mark.parametrize("text", NO_CHANNELS)
def test_what_is_no_set_of_channels_is_refused(text):
    with pytest.raises(UserError, match="RUN_CHANNELS is not a JSON object of channels"):
        stage.channels(text)


WORDS = [
    ("", {}),
    ("--a 1 --b=x --c", {"a": 1, "b": "x", "c": True}),
    ("--lr -0.5 --deep --name=a=b", {"lr": -0.5, "deep": True, "name": "a=b"}),
    ("data.csv --a x y --b", {"a": "x", "b": True}),
    ("--list [1,2] --map={} --none null --bad [1", {"list": [1, 2], "map": {}, "none": None, "bad": "[1"}),
    ("--x NaN --y -Infinity --z=", {"x": "NaN", "y": "-Infinity", "z": ""}),
    ("--a 1 --a 2", {"a": 2}),
    ("-v 3", {}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "found"), WORDS)
def test_words_become_hyperparameters(words, found):
    assert launcher.hyperparameters(words.split()) == found


@given(st.lists(st.text(max_size=20)))
def test_any_words_become_hyperparameters_that_are_json(words):
    found = launcher.hyperparameters(words)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_value_that_is_nested_without_end_stays_text():
    assert launcher.literal("[" * 100_000) == "[" * 100_000


FAULTS = {
    "a": "", "a/b.csv": "", "é/日本 x": "", "..a": "", "a..": "", ".hidden": "",
    "a\nb": "control characters", "a\x1b[2J": "control characters", "a\x7f": "control characters",
    "a\udc80": "not UTF-8", "../a": "leads out", "a/..": "leads out", "a/./b": "leads out", "/a": "leads out",
    "a//b": "leads out", "a/": "leads out", "": "leads out", "a\\b": "leads out",
    "x" * 255: "", "x" * 256: "longer than 255", "a/" + "é" * 128 + "/b": "longer than 255", "x/" * 511 + "xx": "", "x/" * 512 + "x": "longer than",
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_name_from_outside_is_a_path_below_a_folder_or_has_a_fault(name):
    said = errors.fault(name)
    assert FAULTS[name] in said and bool(FAULTS[name]) == bool(said)


SECRETS = {
    "https://u:p@h/x": "https://***@h/x",
    "https://token@h/x?a=1": "https://***@h/x?a=1",
    "https://h/x?X-Amz-Signature=abc&b=2": "https://h/x?X-Amz-Signature=***&b=2",
    "https://h/x?a=1&api_key=abc&X-Amz-Credential=c/d": "https://h/x?a=1&api_key=***&X-Amz-Credential=***",
    "s3://b/k@2.csv": "s3://b/k@2.csv",
    "two https://a:b@h/1 and https://c:d@h/2": "two https://***@h/1 and https://***@h/2",
    "--key=5": "--key=5",
}


@pytest.mark.parametrize("text", SECRETS)
def test_passwords_and_signatures_of_addresses_are_masked(text):
    assert errors.without_secrets(text) == SECRETS[text]


FIXED = {
    "data/train.csv": "data/", "train.csv": "", "*.csv": "", "data/*.csv": "data/", "data/*/x.csv": "data/",
    "a/b[1]/c": "a/", "a/b?/c/d": "a/", "/abs/x": "/abs/", "a/b/": "a/b/",
}  # fmt: skip


@pytest.mark.parametrize("path", FIXED)
def test_the_folders_of_a_pattern_that_are_named(path):
    assert paths.fixed(path) == FIXED[path]


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("a/b.csv", "a/*.csv", True), ("a/b/c.csv", "a/*.csv", False), ("a/b/c.csv", "a/*/*.csv", True),
        ("a/B.csv", "a/b.csv", False), ("a1", "a?", True), ("a1", "a[12]", True), ("b/a1", "a[12]", False),
    ],
)  # fmt: skip
def test_a_star_takes_no_slash(name, pattern, expected):
    assert paths.matches(name, pattern) is expected


@pytest.mark.parametrize(
    ("code", "passed", "killed", "expected"),
    [
        (0, False, False, 0), (3, False, False, 3), (137, False, False, 137), (137, False, True, 84),
        (1, False, True, 84), (0, False, True, 0), (0, True, False, 143), (137, True, True, 143),
        (81, False, False, 1), (82, False, False, 1), (83, False, False, 1), (84, False, False, 1),
        (80, False, False, 80), (85, False, False, 85),
    ],
)  # fmt: skip
def test_the_status_that_is_reported(code, passed, killed, expected):
    told = SimpleNamespace(passed=passed, status=143)
    assert process.reported(code, told, killed) == expected


@pytest.fixture
def told():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield process.Told()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_signal_before_the_script_ends_the_launcher(told):
    with pytest.raises(process.Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
    assert (told.number, told.status, told.passed) == (15, 143, False)
    assert told.at < math.inf
    os.kill(os.getpid(), signal.SIGINT)  # while what there was is cleared away
    assert told.status == 143


def test_a_signal_that_comes_while_the_script_starts_is_passed_on_once(told):
    sent = []
    told.deaf = True
    os.kill(os.getpid(), signal.SIGINT)
    assert told.begin(SimpleNamespace(signal=sent.append)).signal
    assert (sent, told.passed, told.status) == ([2], True, 130)
    os.kill(os.getpid(), signal.SIGTERM)
    assert (sent, told.status) == ([2, 15], 130)


def test_no_signal_nothing_is_passed_on(told):
    sent = []
    told.begin(SimpleNamespace(signal=sent.append))
    assert (sent, told.passed, told.status) == ([], False, 128)


TASK = {"TaskARN": "arn:task", "Limits": {"CPU": 0.5, "Memory": 1024}}


@pytest.mark.parametrize(
    ("limit", "expected"), [(0.25, 1), (1, 1), (1.5, 2), (1000, None), (None, None)]
)
def test_processors_are_those_of_the_task(monkeypatch, limit, expected):
    monkeypatch.setattr(
        machine, "metadata", lambda path: {"Limits": {"CPU": limit}} if limit else {}
    )
    cores = len(os.sched_getaffinity(0))
    assert machine.processors() == min(expected or cores, cores)


def test_a_script_is_told_the_memory_that_its_task_has(monkeypatch):
    monkeypatch.setattr(machine, "metadata", lambda path: {"Limits": {"Memory": 2048}})
    assert machine.memory() == {"RUN_MEMORY_MIB": "2048"}
    monkeypatch.setattr(machine, "metadata", lambda path: {})
    assert machine.memory() == {}


def test_the_task_and_the_image_are_named(monkeypatch):
    container = {"Image": "repo/x@sha256:1", "ImageID": "sha256:2"}
    monkeypatch.setattr(machine, "metadata", lambda path: TASK if path else container)
    assert machine.origin() == {
        "image": "repo/x@sha256:1", "image_digest": "sha256:1", "task": "arn:task", "limits": TASK["Limits"],
    }  # fmt: skip
    container["Image"] = "repo/x:tag"
    assert machine.origin()["image_digest"] == "sha256:2"
    monkeypatch.setattr(machine, "metadata", lambda path: {})
    assert set(machine.origin().values()) == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("low 0\noom 3\noom_kill 2\noom_group_kill 0\n", 2), ("oom_kill_disable 0\nunder_oom 0\noom_kill 5", 5),
     ("under_oom 0\n", 0), ("", 0)],
)  # fmt: skip
def test_the_kernel_counts_what_it_ended_for_memory(tmp_path, monkeypatch, text, expected):
    (tmp_path / "events").write_text(text)
    monkeypatch.setattr(machine, "COUNTERS", (str(tmp_path / "none"), str(tmp_path / "events")))
    assert machine.ended_for_memory() == expected


PLANS = [
    ({"RUN_ID": "a/b"}, "RUN_ID='a/b'"), ({"RUN_ID": ".."}, "RUN_ID='..'"), ({"RUN_ID": "."}, "RUN_ID"),
    ({"RUN_ID": "a\x1b"}, "RUN_ID"), ({"RUN_ATTEMPT": "0"}, "RUN_ATTEMPT='0'"),
    ({"RUN_ATTEMPT": "-1"}, "RUN_ATTEMPT"), ({"RUN_ATTEMPT": "x"}, "RUN_ATTEMPT"),
]  # fmt: skip


@pytest.mark.parametrize(("environ", "said"), PLANS)
def test_what_no_run_can_be_called_is_refused_before_a_folder_is_touched(environ, said):
    with pytest.raises(UserError, match=said):
        attempt.plan(["x.py"], environ)


def test_where_a_run_works_and_which_attempt_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "ROOT", tmp_path)
    job = attempt.plan(["x.py"], {"RUN_ID": "r"})
    assert (job.base, job.attempt, job.run) == (f"{tmp_path}/runs/r/", 1, "r")
    assert (job.work, job.scratch) == (tmp_path / "runs/r/work", tmp_path / "runs/r/.job")
    (tmp_path / "runs/r").mkdir(parents=True)
    assert attempt.plan(["x.py"], {"RUN_ID": "r"}).attempt == 2
    for text, number in ('{"attempt": 4}', 5), ("[]", 2), ("{}", 2), ("x", 2):
        (tmp_path / "runs/r/manifest.json").write_text(text)
        assert attempt.plan(["x.py"], {"RUN_ID": "r"}).attempt == number
    assert attempt.plan(["x.py"], {"RUN_ID": "r", "RUN_ATTEMPT": "9"}).attempt == 9
    job = attempt.plan(["x.py"], {"RUN_URI": "s3://b/p/runs/q/"})
    assert (job.base, job.run) == ("s3://b/p/runs/q/", "q")
    monkeypatch.chdir(tmp_path)
    assert attempt.plan(["x.py"], {"RUN_URI": "there/q"}).base == f"{tmp_path}/there/q/"


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 10.0), ("120", 120.0), ("x", 10.0), ("-1", 10.0)]
)
def test_the_stop_time_out(text, seconds):
    assert (
        attempt.plan(["x"], {"STOP_SECONDS": text, "RUN_URI": "s3://b/r/"}).stop_seconds == seconds
    )


def test_new_runs_are_named_after_the_time_and_never_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "ROOT", tmp_path)
    names = {attempt.new_run(tmp_path / "runs") for _ in range(4)}
    assert len(names) == 4
    assert all(name[8] == "T" and name[15] == "Z" for name in names)
    assert {each.name for each in (tmp_path / "runs").iterdir()} == names
    job = attempt.plan(["x.py"], {})
    assert job.attempt == 1 and job.run not in names  # although its folder is there


def test_a_disk_that_takes_no_run_is_a_sentence(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="runs.*: "):
        attempt.new_run(tmp_path / "runs")
