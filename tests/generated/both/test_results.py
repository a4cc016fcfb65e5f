"""What a run leaves behind beside the model: importance, curves, card, origin, predictions."""

import csv
import hashlib
import json
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
import pytest
import sklearn.metrics
import train
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from training import curves, program, storage

HOSTILE = "<script>alert(1)</script>|`x`"


def run(*argv):
    return program.execute(train.main, [*map(str, argv), "--output", "model"])


def read(name):
    return json.loads(Path("model", name).read_text(encoding="utf-8"))


def tables(bunch, label=None, more=None):
    """Write a table as Parquet, and return its name."""
    columns = dict(zip(bunch.feature_names, bunch.data.T, strict=True)) | (more or {})
    label = bunch.target if label is None else label
    pyarrow.parquet.write_table(pyarrow.table({**columns, "label": label}), "table.parquet")
    return "table.parquet"


def inside(x, y, all_x, all_y):
    """Return whether all points (x, y) are among those of the whole curve."""
    points = numpy.column_stack([all_x, all_y])
    near = [numpy.abs(points - point).max(axis=1).min() for point in zip(x, y, strict=True)]
    return max(near) < 1e-6


@pytest.mark.parametrize("rows", [50, 5000])
def test_roc_pr_and_calibration_are_those_of_scikit_learn(rows):
    random = numpy.random.default_rng(1)
    label = random.integers(0, 2, rows)
    score = numpy.clip(label * 0.3 + random.random(rows) * 0.7, 0, 1).round(2)  # with ties
    drawn = curves.curves(label, numpy.column_stack([1 - score, score]), ["no", "yes"])
    (found,) = drawn["classes"]
    assert (found["name"], found["rows"]) == ("yes", label.sum())
    fpr, tpr, _ = sklearn.metrics.roc_curve(label, score, drop_intermediate=False)
    assert inside(found["roc"]["fpr"], found["roc"]["tpr"], fpr, tpr)
    assert [found["roc"][name][end] for name in ("fpr", "tpr") for end in (0, -1)] == [0, 1, 0, 1]
    area = numpy.trapezoid(found["roc"]["tpr"], found["roc"]["fpr"])
    assert area == pytest.approx(sklearn.metrics.roc_auc_score(label, score), abs=0.002)
    precision, recall, _ = sklearn.metrics.precision_recall_curve(label, score)
    assert inside(found["pr"]["recall"], found["pr"]["precision"], recall, precision)
    average = sklearn.metrics.average_precision_score(label, score)
    assert found["pr"]["average_precision"] == pytest.approx(average)
    assert len(found["roc"]["fpr"]) <= curves.POINTS + 3
    assert sum(found["calibration"]["rows"]) == rows
    assert len(json.dumps(drawn)) < 20_000


def test_the_curves_of_regression_hold_every_row():
    random = numpy.random.default_rng(2)
    label = random.normal(size=1000)
    prediction = label + random.normal(size=1000)
    drawn = curves.curves(label, prediction)
    counts = drawn["residuals"]["counts"]
    assert counts == numpy.histogram(label - prediction, curves.BINS)[0].tolist()
    means = drawn["predicted_and_true"]
    assert numpy.average(means["true"], weights=means["rows"]) == pytest.approx(
        label.mean(), abs=1e-6
    )
    assert means["predicted"] == sorted(means["predicted"])


def test_one_class_only_and_one_row_have_no_roc():
    drawn = curves.curves(numpy.array([1]), numpy.array([[0.0, 1.0]]), ["a", "b"])
    assert set(drawn["classes"][0]) == {"name", "rows", "calibration"}
    assert curves.curves(numpy.array([1.0]), numpy.array([1.0]))["residuals"]["counts"]


def test_importance_finds_the_column_that_decides():
    bunch = load_wine()
    word = numpy.array(["red", "green", "blue"])[bunch.target]
    assert run("--train", tables(bunch, more={"colour": word})) == 0
    found = read("importance.json")
    assert next(iter(found["features"])) == "colour"
    assert set(found["features"]) == {*bunch.feature_names, "colour"}
    values = list(found["features"].values())
    assert values == sorted(values, reverse=True)
    assert [each["name"] for each in read("curves.json")["classes"]] == ["0", "1", "2"]


def test_a_hostile_name_of_a_column_stays_text():
    bunch = load_diabetes()
    bunch.feature_names[2] = HOSTILE
    assert run("--train", tables(bunch), "--note", "| <b> |\n# no heading") == 0
    assert HOSTILE in read("importance.json")["features"]
    card = Path("model/model-card.md").read_text(encoding="utf-8")
    assert "&lt;script>" in card
    assert "<script" not in card
    assert "<b>" not in card
    assert "\n# no heading" not in card


def test_the_origin_names_every_file_and_its_sha256(monkeypatch):
    monkeypatch.setenv("GIT_REVISION", "abc")
    assert run("--train", tables(load_breast_cancer()), "--save-predictions", "--seed", 3) == 0
    origin = read("training.json")
    assert set(origin["files"]) == {p.name for p in Path("model").iterdir()} - {"training.json"}
    for name, facts in origin["files"].items():
        content = Path("model", name).read_bytes()
        assert facts == {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
        }
    assert (origin["git_revision"], origin["seed"], origin["attempts"]) == ("abc", 3, 1)
    assert origin["argv"][:2] == ["--train", "table.parquet"]
    assert origin["data"]["train"]["size_bytes"] == Path("table.parquet").stat().st_size
    assert origin["started"] <= origin["ended"]


def test_the_predictions_of_the_validation_rows_give_the_metrics():
    bunch = load_breast_cancer()
    words = bunch.target_names[bunch.target]
    assert run("--train", tables(bunch, label=words), "--save-predictions") == 0
    with Path("model/validation-predictions.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    names = ["benign", "malignant"]
    assert header == ["label", "prediction", *(f"probability {name}" for name in names)]
    scores = read("metrics.json")["validation"]
    assert len(rows) == read("metrics.json")["rows"]["validation"]
    assert numpy.mean([row[0] == row[1] for row in rows]) == pytest.approx(scores["accuracy"])
    area = sklearn.metrics.roc_auc_score(
        [row[0] == "malignant" for row in rows], [float(row[3]) for row in rows]
    )
    assert area == pytest.approx(scores["auc"])


def test_predictions_without_validation_rows_are_refused_before_the_work(capsys):
    argv = ["--train", tables(load_wine()), "--validation-fraction", 0, "--save-predictions"]
    assert run(*argv) == 2
    assert "--validation-fraction 0.2" in capsys.readouterr().err
    assert not Path("model").exists()


def test_without_validation_rows_the_curves_are_of_the_training_rows():
    assert run("--train", tables(load_diabetes()), "--validation-fraction", 0) == 0
    assert read("curves.json")["set"] == "train"
    assert "No rows were held out" in Path("model/model-card.md").read_text()


def test_a_folder_that_is_written_again_has_no_mark_on_the_way(monkeypatch):
    assert run("--train", tables(load_wine())) == 0
    put, seen = storage.put, []

    def watched(path, uri):
        seen.append(Path("model/training.json").exists())
        put(path, uri)

    monkeypatch.setattr(storage, "put", watched)
    assert run("--train", "table.parquet") == 0
    assert len(seen) == 7
    assert not any(seen)
    assert Path("model/training.json").exists()
