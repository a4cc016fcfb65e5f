"""What is known of runs is what lies in the bucket."""

import json
from dataclasses import replace

import pytest
from ecs.errors import UserError
from ecs.history import measures, records, saved
from ecs.history.run import Run

RUNS = ["20260101T000000Z-aaaaaa", "20260101T000000Z-bbbbbb", "20260102T000000Z-cccccc"]


@pytest.fixture
def three_runs(cloud):
    for run in RUNS:
        cloud.bucket.objects[f"churn/runs/{run}/run.json"] = b"{}"
        cloud.bucket.objects[f"churn/runs/{run}/checkpoints/1/model.ubj"] = b"x"
    cloud.bucket.objects["churn/data/train.csv"] = b"a"


def test_runs_are_listed_latest_first(settings, outputs, three_runs):
    assert records.run_ids(settings, outputs) == RUNS[::-1]


def test_the_latest_run_is_meant_when_none_is_named(settings, outputs, three_runs):
    assert records.resolve(settings, outputs) == RUNS[2]


@pytest.mark.parametrize(
    ("named", "meant"),
    [(RUNS[0], RUNS[0]), ("20260102", RUNS[2]), ("20260101T000000Z-b", RUNS[1])],
)
def test_the_beginning_of_a_run_is_enough(settings, outputs, three_runs, named, meant):
    assert records.resolve(replace(settings, run=named), outputs) == meant


def test_a_run_that_begins_another_ones_name_is_meant_itself(settings, outputs, cloud):
    for run in ("20260101", "20260101T1"):
        cloud.bucket.objects[f"churn/runs/{run}/run.json"] = b"{}"
    assert records.resolve(replace(settings, run="20260101"), outputs) == "20260101"


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("2025", "no run begins so; type: make runs"),
        ("202601", "3 runs begin so; type: RUN=2026"),
        ("*", "no run begins so"),
        ("../data", "no run begins so"),
    ],
)
def test_a_beginning_of_none_or_of_several_is_refused(
    settings, outputs, three_runs, named, sentence
):
    with pytest.raises(UserError, match=sentence):
        records.resolve(replace(settings, run=named), outputs)


def test_without_runs_there_is_none_to_mean(settings, outputs, cloud):
    with pytest.raises(UserError, match="there are no runs yet; type: make run"):
        records.resolve(settings, outputs)


def test_a_record_comes_back_as_it_was_written(settings, outputs, cloud):
    record = {"argv": ["é", "🚀", "a\nb"], "exit_code": None}
    assert records.read(Run(settings, outputs, "r"), "result.json") is None
    records.write(Run(settings, outputs, "r"), "result.json", record)
    assert list(cloud.bucket.objects) == ["churn/runs/r/result.json"]
    assert records.read(Run(settings, outputs, "r"), "result.json") == record
    # for people, too: not escaped
    assert "🚀" in cloud.bucket.objects["churn/runs/r/result.json"].decode()


# ---- what a run made


MEASURES = {
    "numbers": ({"auc": 0.9, "rows": 5}, {"": {"auc": 0.9, "rows": 5}}, "auc 0.9"),
    "by set": ({"test": {"f1": 0.5}}, {"test": {"f1": 0.5}}, "f1 0.5"),
    "both": ({"loss": 2, "validation": {"mae": 1.23456789}}, {"": {"loss": 2}, "validation": {"mae": 1.23456789}}, "mae 1.2346"),
    "the validation set first": ({"train": {"auc": 1}, "validation": {"auc": 0.5}}, {"train": {"auc": 1}, "validation": {"auc": 0.5}}, "auc 0.5"),
    "the best known first": ({"seconds": 3, "r2": 0.25}, {"": {"seconds": 3, "r2": 0.25}}, "r2 0.25"),
    "text and lists are none": ({"a": "b", "c": [1], "d": True, "e": None, "f": {"g": "h", "i": False}}, {}, ""),
    "train.py's own": ({"hyperparameters": {"eta": 1}, "seed": 3, "train": {"auc": 1}, "rows": {"train": 5}}, {"train": {"auc": 1}}, "auc 1"),
    "none": (None, {}, ""),
    "a list": ([1, 2], {}, ""),
    "a number": (3, {}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("metrics", "found", "headline"), MEASURES.values(), ids=MEASURES)
def test_metrics_of_any_script_are_numbers_or_numbers_by_set(metrics, found, headline):
    assert measures.measures(metrics) == found
    assert measures.headline(metrics) == headline
    record = {"run.json": None, "result.json": None, "metrics.json": metrics}
    shown = measures.flat(record)
    for part, values in found.items():
        for name, value in values.items():
            assert shown[f"{part} {name}" if part else name] == value


def put(cloud, run: str, **files: object) -> None:
    """Put files of a run into the bucket, their names with ``__`` for a dot; all but text as JSON."""
    for name, value in files.items():
        body = value if isinstance(value, str) else json.dumps(value)
        key = f"churn/runs/{run}/{name.replace('___', '/').replace('__', '.')}"
        cloud.bucket.objects[key] = body.encode()


ATTEMPTS = {"request": {"overrides": {"containerOverrides": [{"command": ["x.py"]}]}}, "task": None}
TWICE = {**ATTEMPTS, "attempts": [{"attempt": 1}, {"attempt": 2}]}
FILE = {"sha256": "0", "size_bytes": 1}
NO_LIST = "warning: the last attempt has left no list of its files; what is there may be of an earlier one"
NOTHING = "warning: the script saved nothing: what it writes in its working folder, or to SM_MODEL_DIR, comes back"
MODEL = "model: s3://the-bucket/churn/runs/r/"
SUMMARIES = {
    "nothing yet": ({}, []),
    "only checkpoints yet": ({"checkpoints___1___model__ubj": "x", "run__json": ATTEMPTS}, []),
    "a model in a folder": (
        {"manifest__json": {"attempt": 1, "exit_code": 0, "files": {"model/model.joblib": FILE}}, "model___model__joblib": "x"},
        [f"{MODEL}model/model.joblib (0.0 kB)"],
    ),
    "a model of an earlier attempt": (
        {"run__json": TWICE, "manifest__json": {"attempt": 2, "exit_code": 0, "files": {"x": FILE}}, "x": "x", "model__ubj": "x",
         "metrics__json": {"auc": 1}},
        [],
    ),
    "a list of an earlier attempt": (
        {"run__json": TWICE, "manifest__json": {"attempt": 1, "exit_code": 0, "files": {}}, "model__ubj": "x",
         "metrics__json": {"auc": 1}},
        [f"{MODEL}model.ubj (0.0 kB)", "auc 1", NO_LIST],
    ),
    "a list of before there was a launcher": (
        {"run__json": TWICE, "manifest__json": {"files": {"model.ubj": FILE}, "hyperparameters": {}}, "model__ubj": "x" * 1500},
        [f"{MODEL}model.ubj (1.5 kB)"],
    ),
    "no list": ({"run__json": ATTEMPTS, "result__json": {}, "x": "x"}, [NO_LIST]),
    "nothing saved": ({"run__json": ATTEMPTS, "manifest__json": {"attempt": 1, "exit_code": 0, "files": {}}}, [NOTHING]),
    "nothing saved by a script that failed": ({"manifest__json": {"attempt": 1, "exit_code": 1, "files": {}}}, []),
    "metrics that are no JSON": (
        {"manifest__json": {"files": {"metrics.json": FILE}}, "metrics__json": "{"}, [],
    ),
    "a manifest that is none": ({"manifest__json": [1]}, []),
    "a manifest that is no JSON": ({"manifest__json": "{"}, []),
}  # fmt: skip


@pytest.mark.parametrize(("files", "lines"), SUMMARIES.values(), ids=SUMMARIES)
def test_what_a_run_made_is_what_its_last_attempt_lists(settings, outputs, cloud, files, lines):
    put(cloud, "r", **files)
    assert saved.summary(Run(settings, outputs, "r")) == lines


def test_metrics_of_an_earlier_attempt_are_not_the_run_s(settings, outputs, cloud):
    for run, files in (("a", {"x": FILE}), ("b", {"metrics.json": FILE})):
        manifest = {"attempt": 2, "files": files}
        put(cloud, run, run__json=TWICE, manifest__json=manifest, metrics__json={"auc": 1})
    put(cloud, "c", metrics__json={"auc": 1})
    put(cloud, "d", metrics__json="no JSON", result__json='{"state"')
    found = records.read_all([Run(settings, outputs, each) for each in "abcd"])
    assert [each["metrics.json"] for each in found] == [None, {"auc": 1}, {"auc": 1}, None]


def test_the_summary_tells_where_the_model_is_and_its_metrics(settings, outputs, cloud):
    metrics = {
        "train": {"logloss": 0.123456789, "rows": 5, "labels": ["a", "b"]},
        "validation": {"logloss": 0.5},
        "seed": 3,
    }
    prefix = "churn/runs/r/"
    cloud.bucket.objects |= {
        prefix + "metrics.json": json.dumps(metrics).encode(),
        prefix + "model.ubj": b"x" * 1500,
        prefix + "schema.json": b"{}",
    }
    lines = saved.summary(Run(settings, outputs, "r"))
    assert lines[0].startswith("model: s3://the-bucket/churn/runs/r/model.ubj")
    assert "1.5 kB" in lines[0]
    assert "train: logloss 0.12346, rows 5" in lines
    assert "validation: logloss 0.5" in lines


def test_of_a_run_that_made_nothing_there_is_nothing_to_tell(settings, outputs, cloud):
    assert saved.summary(Run(settings, outputs, "r")) == []
