"""What is scikit-learn's own in train.py."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import predict
import pytest
import skops.io
import train
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.preprocessing import FunctionTransformer
from training import program
from training.errors import UserError
from training.library.model import FILE, load, own


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
    model = load(Path("model") / FILE)
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
    model = load(Path("model") / FILE)
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
    with pytest.raises(UserError, match="says what is trusted"):
        load(Path("model.skops"))


STEPS = '''
import numpy
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin


class Squares(TransformerMixin, BaseEstimator):
    """Adds the squares."""

    def fit(self, features, label=None):
        self.mean_ = numpy.nanmean(features, axis=0)
        return self

    def transform(self, features):
        return numpy.hstack([features - self.mean_, features**2])


class Middle(RegressorMixin, BaseEstimator):
    """Predicts the mean of the labels."""

    def fit(self, features, label):
        self.mean_ = float(numpy.mean(label))
        return self

    def predict(self, features):
        return numpy.full(len(features), self.mean_)
'''
BOOSTING = "estimator = kinds[dataset.schema.objective]()"
BEFORE = "before = preparation(estimator, dataset.schema, bool(epochs))"
OWN = {
    "a transformer": (BEFORE, "import steps\n    before = steps.Squares()"),
    "an estimator": (BOOSTING, "import steps\n    estimator = steps.Middle()"),
}


@pytest.fixture
def project(tmp_path):
    """Return a copy of the project, to edit as its owner would."""
    source, target = Path(train.__file__).parent, tmp_path / "project"
    target.mkdir()
    for path in (*source.glob("*.py"), source / "training"):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, target / path.name)
    return target


def script(project, *words):
    done = subprocess.run(
        [sys.executable, str(project / words[0]), *words[1:]],
        capture_output=True, encoding="utf-8", check=False, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(("old", "new"), OWN.values(), ids=OWN)
def test_classes_of_the_owners_own_file_are_saved_and_loaded(project, old, new):
    table(load_diabetes())
    (project / "steps.py").write_text(STEPS)
    edit(project / "train.py", old, new)
    argv = ["--train", "table.csv", "--drop", "text", "--output", "model"]
    status, out, error = script(project, "train.py", *argv)
    assert status == 0, out + error
    argv = ["predict.py", "--model", "model", "--data", "table.csv", "--output", "out.csv"]
    status, out, error = script(project, *argv)
    assert status == 0, out + error
    (project / "steps.py").unlink()
    status, _, error = script(project, *argv)
    assert (status, error.count("\n"), "'steps." in error) == (2, 1, True)


def test_a_class_in_train_py_itself_is_refused_with_what_to_do(project):
    table(load_diabetes())
    text = STEPS.partition("class Middle")[0] + "\n\ndef main(argv"
    edit(project / "train.py", "def main(argv", text)
    edit(project / "train.py", BEFORE, "before = Squares()")
    argv = ["--train", "table.csv", "--drop", "text", "--output", "model"]
    status, _, error = script(project, "train.py", *argv)
    assert (status, error.count("\n"), "into a file, such as steps.py" in error) == (
        2,
        1,
        True,
    )
    assert not Path("model").exists()


@pytest.mark.parametrize("name", ["os", "training.storage", "job.process", "steps.missing"])
def test_what_a_model_file_names_is_trusted_only_where_it_is_the_owners_file(
    tmp_path, monkeypatch, name
):
    monkeypatch.setenv("RUN_FOLDER", str(tmp_path))
    for each in "steps", "job/process":
        path = tmp_path / f"{each}.py"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "own/__init__.py").touch()
    assert not own(f"{name}.thing")
    assert own("steps.Ratio") and own("own.Ratio") and own("features.features")
    assert not own("Ratio") and not own("../steps.x") and not own("")
