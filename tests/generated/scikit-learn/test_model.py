"""What is scikit-learn's own in train.py."""

import csv
import json
from pathlib import Path

import numpy
import pytest
import skops.io
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.preprocessing import FunctionTransformer

import predict
import train
from training import program
from training.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "RUN_ID", "RUN_URI", "SM_CHANNEL_TRAIN", "SM_CHANNEL_VALIDATION", "SM_MODEL_DIR":
        monkeypatch.delenv(name, raising=False)


def table(bunch, path="table.csv"):
    """A table with a column of text beside the numbers."""
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *bunch.feature_names, "text"])
        rows = zip(bunch.target, bunch.data.tolist(), strict=True)
        writer.writerows([y, *x, "ab"[n % 2]] for n, (y, x) in enumerate(rows))
    return path


def run(*argv):
    return program.execute(train.main, [*argv, "--output", "model"])


def report():
    return json.loads(Path("model/metrics.json").read_text())


def test_the_model_equals_one_that_scikit_learn_makes_by_hand():
    bunch = load_diabetes()
    table(bunch)
    argv = ["--train", "table.csv", "--validation-fraction", "0", "--max-depth", "3"]
    assert run(*argv, "--max-iter", "20", "--learning-rate", "0.2") == 0
    text = numpy.arange(len(bunch.data)) % 2
    features = numpy.column_stack([bunch.data, text])
    by_hand = HistGradientBoostingRegressor(
        max_depth=3, max_iter=20, learning_rate=0.2, random_state=0, categorical_features=[10]
    ).fit(features, bunch.target)
    model = predict.load(Path("model") / predict.MODEL)
    assert numpy.array_equal(model.predict(features), by_hand.predict(features))


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ([], "permutation"),
        (["--estimator", "sklearn.ensemble.RandomForestClassifier"], "feature_importances_"),
        (["--estimator", "sklearn.linear_model.RidgeClassifier"], "coef_"),
        (["--estimator", "sklearn.svm.SVC"], "permutation"),
    ],
)
def test_importance_has_a_value_for_every_column_of_the_table(options, kind):
    bunch = load_wine()
    table(bunch)
    assert run("--train", "table.csv", *options) == 0
    found = json.loads(Path("model/importance.json").read_text())
    assert found["kind"] == kind
    assert set(found["features"]) == {*bunch.feature_names, "text"}
    assert max(found["features"].values()) > 0
    model = predict.load(Path("model") / predict.MODEL)
    if kind == "feature_importances_":
        assert sum(found["features"].values()) == pytest.approx(1)
        # text is two of the forest's columns, the last ones
        two = model[-1].feature_importances_[-2:].sum()
        assert found["features"]["text"] == pytest.approx(two)
    if kind == "coef_":
        two = numpy.abs(model[-1].coef_).mean(axis=0)[-2:].sum()
        assert found["features"]["text"] == pytest.approx(two)


@pytest.mark.parametrize(
    "options",
    [
        ["--estimator", "sklearn.ensemble.RandomForestClassifier", "--n-estimators", "10"],
        [
            "--estimator",
            "sklearn.linear_model.LogisticRegression",
            "--C",
            "0.5",
            "--max-iter",
            "9999",
        ],
        ["--estimator", "sklearn.svm.LinearSVC"],
        ["--estimator", "sklearn.naive_bayes.GaussianNB"],
        ["--max-leaf-nodes", "none", "--l2-regularization", "1"],
    ],
)
def test_any_estimator_is_trained_saved_and_used(options):
    table(load_wine())
    assert run("--train", "table.csv", *options) == 0
    assert report()["validation"]["accuracy"] > 0.6
    argv = ["--model", "model", "--data", "table.csv", "--output", "out.csv"]
    assert program.execute(predict.main, argv) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--estimator", "os.system"], "scikit-learn has no estimator"),
        (["--estimator", "sklearn.ensemble.Forest"], "scikit-learn has no estimator"),
        (["--estimator", "sklearn.preprocessing.StandardScaler"], "neither"),
        (
            ["--estimator", "sklearn.linear_model.Ridge", "--objective", "classification"],
            "regression",
        ),
        (["--quantile", "0.5"], "no such hyperparameter"),
        (["--n-estimators", "5"], "unknown option --n-estimators"),
        (["--max-bins", "1"], "max_bins"),
        (["--max-bins", "many"], "max_bins"),
        (["--estimator", "sklearn.datasets.load_iris"], "scikit-learn has no estimator"),
        (["--epochs", "2"], "no partial_fit"),
        (["--epochs", "0", "--estimator", "sklearn.naive_bayes.GaussianNB"], "--epochs '0'"),
    ],
)
def test_what_scikit_learn_refuses_is_one_sentence(capsys, options, message):
    table(load_wine())
    assert run("--train", "table.csv", *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("model").exists()


def test_a_model_file_that_names_other_code_is_refused():
    skops.io.dump(FunctionTransformer(eval), "model.skops")
    with pytest.raises(UserError, match="trusts"):
        predict.load(Path("model.skops"))
