"""What is known of runs is what lies in the bucket."""

import json
from dataclasses import replace

import pytest
from ecs import history
from ecs.errors import UserError

RUNS = ["20260101T000000Z-aaaaaa", "20260101T000000Z-bbbbbb", "20260102T000000Z-cccccc"]


@pytest.fixture
def three_runs(cloud):
    for run in RUNS:
        cloud.bucket.objects[f"churn/runs/{run}/run.json"] = b"{}"
        cloud.bucket.objects[f"churn/runs/{run}/checkpoints/1/model.ubj"] = b"x"
    cloud.bucket.objects["churn/data/train.csv"] = b"a"


def test_runs_are_listed_latest_first(settings, outputs, three_runs):
    assert history.run_ids(settings, outputs) == RUNS[::-1]


def test_the_latest_run_is_meant_when_none_is_named(settings, outputs, three_runs):
    assert history.resolve(settings, outputs) == RUNS[2]


@pytest.mark.parametrize(
    ("named", "meant"),
    [(RUNS[0], RUNS[0]), ("20260102", RUNS[2]), ("20260101T000000Z-b", RUNS[1])],
)
def test_the_beginning_of_a_run_is_enough(settings, outputs, three_runs, named, meant):
    assert history.resolve(replace(settings, run=named), outputs) == meant


def test_a_run_that_begins_another_ones_name_is_meant_itself(settings, outputs, cloud):
    for run in ("20260101", "20260101T1"):
        cloud.bucket.objects[f"churn/runs/{run}/run.json"] = b"{}"
    assert history.resolve(replace(settings, run="20260101"), outputs) == "20260101"


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
        history.resolve(replace(settings, run=named), outputs)


def test_without_runs_there_is_none_to_mean(settings, outputs, cloud):
    with pytest.raises(UserError, match="there are no runs yet; type: make run"):
        history.resolve(settings, outputs)


def test_a_record_comes_back_as_it_was_written(settings, outputs, cloud):
    record = {"argv": ["é", "🚀", "a\nb"], "exit_code": None}
    assert history.read(settings, outputs, "r", "run.json") is None
    history.write(settings, outputs, "r", "run.json", record)
    assert list(cloud.bucket.objects) == ["churn/runs/r/run.json"]
    assert history.read(settings, outputs, "r", "run.json") == record
    # for people, too: not escaped
    assert "🚀" in cloud.bucket.objects["churn/runs/r/run.json"].decode()


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
    lines = history.summary(settings, outputs, "r")
    assert lines[0].startswith("model: s3://the-bucket/churn/runs/r/model.ubj")
    assert "1.5 kB" in lines[0]
    assert "train: logloss 0.12346, rows 5" in lines
    assert "validation: logloss 0.5" in lines


def test_of_a_run_that_made_nothing_there_is_nothing_to_tell(settings, outputs, cloud):
    assert history.summary(settings, outputs, "r") == []
