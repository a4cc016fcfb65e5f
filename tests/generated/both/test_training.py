"""train.py and predict.py as they are used: on files, by their command lines. No network."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import predict
import pyarrow
import pyarrow.parquet
import pytest
import sklearn.metrics
import train
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from training import arguments, data, machine, metrics, storage
from training.library.model import FILE

PROJECT = Path(train.__file__).parent


def write(path, header, rows):
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return Path(path)


def read(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def cancer(path="cancer.csv"):
    """569 rows, two classes of text; the label is not the first column."""
    bunch = load_breast_cancer()
    label = [bunch.target_names[code] for code in bunch.target]
    rows = ([*values, name] for values, name in zip(bunch.data.tolist(), label, strict=True))
    return write(path, [*bunch.feature_names, "label"], rows)


def diabetes(path="diabetes.parquet"):
    """442 rows, a number to predict."""
    bunch = load_diabetes()
    columns = dict(zip(bunch.feature_names, bunch.data.T, strict=True))
    pyarrow.parquet.write_table(pyarrow.table({"target": bunch.target, **columns}), path)
    return Path(path)


def mixed(path="mixed.csv", rows=120):
    """Text, booleans, numbers and missing values; the label depends on the text alone."""
    colours = ["red", "green", "blue"]
    lines = (
        [colours[n % 3], "true" if n % 2 else "false", "" if n % 7 == 0 else n / 10, n % 3 == 0]
        for n in range(rows)
    )
    return write(path, ["colour", "old", "size", "label"], lines)


# ---- from a table to predictions


def test_two_classes_of_text_are_learnt_and_predicted_by_their_names(run):
    status, out, _ = run(train, "--train", cancer(), "--output", "model", "--note", 'a,b "c" $X 😀')
    assert status == 0
    assert (
        'argv: ["--train", "cancer.csv", "--output", "model", "--note", "a,b \\"c\\" $X 😀"]' in out
    )
    report = json.loads(Path("model/metrics.json").read_text(encoding="utf-8"))
    assert report["validation"]["auc"] > 0.97
    assert report["rows"] == {"train": 456, "validation": 113}
    assert report["note"] == 'a,b "c" $X 😀'
    assert report["peak_memory_bytes"] > 10_000_000
    status, _, _ = run(predict, "--model", "model", "--data", "cancer.csv", "--output", "out.csv")
    header, rows = read("out.csv")
    assert (status, header) == (0, ["prediction"])
    truth = [row[-1] for row in read("cancer.csv")[1]]
    assert numpy.mean([row[0] == name for row, name in zip(rows, truth, strict=True)]) > 0.97


def test_probabilities_have_a_column_for_every_class(run):
    bunch = load_wine()
    rows = ([code, *values] for code, values in zip(bunch.target, bunch.data.tolist(), strict=True))
    write("wine.csv", ["kind", *bunch.feature_names], rows)
    assert run(train, "--train", "wine.csv", "--label", "kind", "--output", "model")[0] == 0
    model = Path("model") / FILE
    assert run(predict, "--model", model, "--data", "wine.csv", "--output", "o/", "--proba")[0] == 0
    header, lines = read("o/predictions.csv")
    values = numpy.array(lines, float)
    assert header == ["0", "1", "2"]
    assert numpy.allclose(values.sum(axis=1), 1, atol=1e-5)
    assert numpy.mean(values.argmax(axis=1) == bunch.target) > 0.95


def test_regression_reads_parquet_and_predicts_numbers(run):
    assert run(train, "--train", diabetes(), "--output", "model")[0] == 0
    report = json.loads(Path("model/metrics.json").read_text(encoding="utf-8"))
    assert set(report["train"]) == {"rmse", "mae", "r2"}
    assert report["train"]["r2"] > 0.5
    argv = ["--model", "model/", "--data", "diabetes.parquet", "--output", "out.csv"]
    assert run(predict, *argv)[0] == 0
    assert all(0 < float(value) < 500 for (value,) in read("out.csv")[1])
    status, _, error = run(predict, *argv, "--proba")
    assert status == 2
    assert "--proba" in error


def test_text_columns_missing_values_and_unseen_categories_are_predicted(run):
    assert run(train, "--train", mixed(), "--output", "model")[0] == 0
    rows = [["0.5", "violet", "true"], ["", "red", "false"], ["1", "", ""], ["2", "green", "true"]]
    write("new.csv", ["size", "colour", "old"], rows)  # another order, and without the label
    argv = ["--model", "model", "--data", "new.csv", "--output", "out.csv"]
    assert run(predict, *argv)[0] == 0
    predictions = [row[0] for row in read("out.csv")[1]]
    assert set(predictions) <= {"true", "false"}
    assert [predictions[1], predictions[3]] == ["true", "false"]


def test_the_same_seed_gives_the_same_model_and_another_seed_another_split(run):
    cancer()
    for name, seed in ("a", 1), ("b", 1), ("c", 2):
        run(train, "--train", "cancer.csv", "--output", name, "--seed", seed)
    scores = [json.loads(Path(name, "metrics.json").read_text())["validation"] for name in "abc"]
    assert scores[0] == scores[1] != scores[2]


def test_a_validation_table_is_used_in_place_of_a_split(run):
    cancer()
    header, rows = read("cancer.csv")
    write("v.csv", header[::-1], [row[::-1] for row in rows[:50]])
    argv = ["--train", "cancer.csv", "--output", "model"]
    assert run(train, *argv, "--validation", "v.csv")[0] == 0
    report = json.loads(Path("model/metrics.json").read_text())
    assert report["rows"] == {"train": 569, "validation": 50}
    write("w.csv", ["extra", *header[1:]], rows)
    status, _, error = run(train, *argv, "--validation", "w.csv")
    assert status == 2
    assert "'mean radius'" in error
    assert "'extra'" in error


def test_results_go_where_the_environment_says(run, monkeypatch):
    monkeypatch.setenv("SM_CHANNEL_TRAIN", str(cancer()))
    monkeypatch.setenv("RUN_FOLDER", "somewhere/run")
    monkeypatch.setenv("SM_MODEL_DIR", "m")  # which is SageMaker's, where there is no run
    assert run(train)[0] == 0
    described = {"metrics.json", "importance.json", "curves.json", "training.json"}
    names = {FILE, "schema.json", "model-card.md"} | described
    assert {path.name for path in Path("somewhere/run").iterdir()} == names
    monkeypatch.setenv("SM_CHANNEL_MODEL", "somewhere/run")
    monkeypatch.setenv("SM_CHANNEL_DATA", "cancer.csv")
    monkeypatch.setenv("RUN_FOLDER", "another")
    assert run(predict)[0] == 0
    assert [path.name for path in Path("another").iterdir()] == ["predictions.csv"]
    monkeypatch.delenv("RUN_FOLDER")
    assert run(predict)[0] == 0
    assert Path("somewhere/run/predictions.csv").exists()
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", "o")
    assert run(train)[0] == 0
    assert {path.name for path in Path("m").iterdir()} == names - described
    assert {path.name for path in Path("o").iterdir()} == described


def test_without_a_place_every_run_gets_a_folder_of_its_own(run):
    cancer()
    for _ in range(2):
        assert run(train, "--train", "cancer.csv", "--limit", 60)[0] == 0
    assert len(list(Path("runs").iterdir())) == 2


# ---- what is refused: one sentence, exit status 2, nothing left behind

GOOD = "a,label\n" + "".join(f"{n},{'xy'[n % 2]}\n" for n in range(40))
BAD_TABLES = {
    "empty": ("", "empty"),
    "header only": ("a,label\n", "no rows"),
    "one class": ("a,label\n1,x\n2,x\n", "one class only"),
    "one row": ("a,label\n1,0.5\n", "too few"),
    "ragged": ("a,label\n1,x\n2\n", "Expected 2 columns, got 1"),
    "no header and one column": ("1\n3\n", "separated by commas"),
    "nothing called label": ("a,b,it's\n1,2,x\n2,2,y\n", "'a', 'b', \"it's\"; type: --label "),
    "two that are called so": ("a,target,label\n1,2,x\n2,2,y\n", "type: --label label"),
    "no header and text": ("M,0.5,7\nF,0.4,8\n", "first line was read as the columns' names"),
    "no column with more than one value": ("a,b,label\n1,,x\n1,,y\n", "no column is left"),
    "two of a name": ("a,a,label\n1,2,x\n2,3,y\n", "two columns are called 'a'"),
    "dates": ("d,label\n2020-01-31,x\n2020-02-01,y\n", "type: --drop d"),
    "missing label": ("a,label\n1,0.5\n2,\n3,1.5\n", "row 2"),
    "infinite label": ("a,label\n1,0.5\n2,1\n3,inf\n", "row 3"),
    "infinite feature": (GOOD + "inf,x\n", "infinite"),
    "too many classes": ("a,label\n" + "".join(f"1,s{n}\n" for n in range(1001)), "1,001 classes"),
    "Parquet by another name": ("PAR1....", "is Parquet"),
}


@pytest.mark.parametrize(("text", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_is_one_sentence(run, text, message):
    Path("bad.csv").write_text(text, encoding="utf-8")
    status, _, error = run(train, "--train", "bad.csv", "--output", "model")
    assert (status, error.count("\n"), error.startswith("error: ")) == (2, 1, True)
    assert message in error
    assert [path.name for path in Path().iterdir()] == ["bad.csv"]


BAD_ARGUMENTS = {
    "a typing error": (["--max-deph", "3"], "did you mean --max-depth?"),
    "nothing alike": (["--no-such-option", "1"], "unknown option --no-such-option: type"),
    "no value": (["--max-depth"], "--max-depth needs a value"),
    "no option": (["seven"], "unexpected word 'seven'"),
    "a bad seed": (["--seed", "x"], "--seed 'x'"),
    "a bad share": (["--validation-fraction", "1"], "less than 1"),
    "no rows": (["--limit", "0"], "--limit '0'"),
    "no such table": (["--train", "goood.csv"], "did you mean 'good.csv'?"),
    "a folder without tables": (["--train", "folder.csv"], "without a table"),
    "a strange file": (["--train", "strange.xlsx"], ".parquet"),
    "a table elsewhere": (
        ["--train", "s3://b/good.csv"],
        "type: make run DATA=s3://b/good.csv without",
    ),
    "validation elsewhere": (
        ["--validation", "https://h/v.csv"],
        "make run DATA='train=data/train.csv validation=https://h/v.csv' without --validation",
    ),
    "results elsewhere": (["--output", "s3://b/x"], "leave --output out"),
    "no such column to drop": (["--drop", "b"], "--drop: no column is called 'b'"),
    "the label to drop": (["--drop", "label"], "leave it out of --drop"),
    "no such id": (["--id", "b"], "--id: no column is called 'b'"),
    "the label as id": (["--id", "label"], "this column is the label"),
    "no such label": (["--label", "lable"], "did you mean 'label'?"),
    "no such objective": (["--objective", "guess"], "--objective guess"),
    "text as numbers": (["--objective", "regression"], "regression needs numbers"),
    "a bad hyperparameter": (["--max-depth", "-3"], "max_depth"),
    "a word for a number": (["--learning-rate", "fast"], "learning"),
    "a file as folder": (["--output", "good.csv/model"], "is a file"),
    "two validations": (["--validation", "good.csv", "--validation-fraction", "0.1"], "not both"),
    "a damaged table": (["--train", "broken.parquet"], "magic bytes"),
}


@pytest.mark.parametrize(("argv", "message"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_a_bad_argument_is_one_sentence(run, argv, message):
    Path("good.csv").write_text(GOOD, encoding="utf-8")
    Path("broken.parquet").write_bytes(b"PAR1 and no end")
    Path("strange.xlsx").write_bytes(b"PK")
    Path("folder.csv").mkdir()
    before = sorted(path.name for path in Path().iterdir())
    status, _, error = run(train, "--train", "good.csv", *argv)
    assert (status, error.count("\n"), error.startswith("error: ")) == (2, 1, True)
    assert message in error
    assert sorted(path.name for path in Path().iterdir()) == before


def test_prediction_refuses_what_does_not_fit_the_model(run):
    run(train, "--train", mixed(), "--output", "model")
    write("lacks.csv", ["colour", "old"], [["red", "true"]])
    write("text.csv", ["colour", "old", "size"], [["red", "true", "big"]])
    argv = ["--model", "model", "--output", "out.csv", "--data"]
    assert "lacks 'size'" in run(predict, *argv, "lacks.csv")[2]
    assert "'size' holds text" in run(predict, *argv, "text.csv")[2]
    assert "no such file" in run(predict, *argv, "mixed.csv", "--model", "none")[2]
    assert "--model" in run(predict, "--data", "mixed.csv")[2]
    (Path("model") / FILE).write_bytes(b"no model at all")
    status, _, error = run(predict, *argv, "mixed.csv")
    assert (status, "damaged" in error) == (2, True)
    assert not Path("out.csv").exists()


def test_a_failure_while_saving_leaves_nothing(run, monkeypatch):
    put = storage.put

    def fails_at_the_mark(path, target):
        if target.name == "training.json":
            raise OSError("disk full")
        put(path, target)

    monkeypatch.setattr(storage, "put", fails_at_the_mark)
    status, _, error = run(train, "--train", cancer(), "--output", "model")
    assert (status, "disk full" in error, list(Path("model").iterdir())) == (1, True, [])


# ---- the program around main


def test_a_bug_shows_its_traceback_and_exits_1(run):
    class Script:
        main = staticmethod(lambda argv: 1 / 0)

    status, _, error = run(Script)
    assert (status, "ZeroDivisionError" in error, "Traceback" in error) == (1, True, True)


def test_secrets_in_uris_are_not_printed(run):
    uris = ["https://me:hunter2@h/a.csv", "https://h/a.csv?X-Amz-Signature=hunter2&b=c"]
    for uri in uris:
        status, out, error = run(train, "--train", uri)
        assert status == 2
        assert "hunter2" not in out + error


def script(*argv, **environment):
    return subprocess.Popen(
        [sys.executable, str(PROJECT / argv[0]), *argv[1:]],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_the_status_reaches_the_shell():
    process = script("train.py", "--no-such-option", "1")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.startswith("error: unknown option --no-such-option")


def test_sigterm_ends_with_143():
    text = (
        "import time\nfrom training import program\n"
        "def main(argv):\n    print('here', flush=True)\n    time.sleep(60)\n"
        "program.run(main)\n"
    )
    Path("script.py").write_text(text)
    path = Path("script.py").absolute()
    process = script(path, PYTHONPATH=str(PROJECT))
    while process.stdout.readline() != "here\n":
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert "SIGTERM" in error


def test_the_help_lists_hyperparameters(run):
    status, out, _ = run(train, "--help")
    assert (status, "--max-depth" in out, "--note TEXT" in out) == (0, True, True)


# ---- the parts


def test_threads_and_memory_follow_the_limits_that_the_launcher_tells(monkeypatch):
    cores = machine.threads()
    monkeypatch.setenv("SM_NUM_CPUS", str(cores + 1))
    monkeypatch.setenv("RUN_MEMORY_MIB", "7")
    assert (machine.threads(), machine.memory()) == (cores + 1, 7 << 20)


@pytest.mark.parametrize(
    ("text", "value"),
    [("6", 6), ("-0.1", -0.1), ("1e-3", 0.001), ("none", None), ("True", True), ("[1, 2]", [1, 2])]
    + [("hist", "hist"), ("", ""), ("(x", "(x")],
)
def test_a_value_is_read_as_what_it_looks_like(text, value):
    assert arguments.literal(text) == value
    assert type(arguments.literal(text)) is type(value)


def test_options_may_be_written_with_underscores_and_equal_signs():
    argv = ["--train=t.csv", "--max_depth=3", "--validation_fraction", "0.5", "--note", "-"]
    options, chosen = arguments.train(argv, {"max_depth": 6})
    assert (options.train, options.validation_fraction, options.note) == ("t.csv", 0.5, "-")
    assert chosen == {"max_depth": 3}


def test_the_split_keeps_every_class_in_training():
    label = numpy.array([0] * 50 + [1] * 9 + [2])
    kept, held_out = data.split(label, 0.2, 0, by_class=True)
    assert sorted([*kept, *held_out]) == list(range(60))
    assert numpy.bincount(label[held_out]).tolist() == [10, 2]
    assert set(label[kept]) == {0, 1, 2}


@pytest.mark.parametrize("classes", [2, 4])
def test_classification_measures_equal_those_of_scikit_learn(classes):
    rng = numpy.random.default_rng(classes)
    label = rng.integers(classes, size=300)
    probability = rng.dirichlet(numpy.ones(classes), 300).round(2) + 1e-9  # rounded: ties
    probability /= probability.sum(axis=1, keepdims=True)
    guess = probability.argmax(axis=1)
    binary = classes == 2
    expected = {
        "log_loss": sklearn.metrics.log_loss(label, probability),
        "auc": sklearn.metrics.roc_auc_score(
            label, probability[:, 1] if binary else probability, multi_class="ovr"
        ),
        "accuracy": sklearn.metrics.accuracy_score(label, guess),
        "f1": sklearn.metrics.f1_score(label, guess, average="binary" if binary else "macro"),
    }
    assert metrics.evaluate(label, probability) == pytest.approx(expected)


def test_regression_measures_equal_those_of_scikit_learn():
    rng = numpy.random.default_rng(0)
    label, prediction = rng.normal(size=(2, 200))
    assert metrics.evaluate(label, prediction) == pytest.approx(
        {
            "rmse": sklearn.metrics.root_mean_squared_error(label, prediction),
            "mae": sklearn.metrics.mean_absolute_error(label, prediction),
            "r2": sklearn.metrics.r2_score(label, prediction),
        }
    )
    assert metrics.r2(numpy.ones(3), numpy.zeros(3)) is None


def test_a_measure_that_is_not_defined_is_none():
    probability = numpy.array([[0.2, 0.8], [0.6, 0.4]])
    assert metrics.auc(numpy.array([1, 1]), probability) is None
    assert metrics.evaluate(numpy.array([0, 1]), numpy.eye(2, dtype=int))["log_loss"] is None


def test_no_library_of_models_is_imported_by_training():
    names = "arguments, artifacts, data, machine, metrics, program, schema, sources, storage"
    code = f"import sys; from training import {names}; print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, encoding="utf-8", check=True
    )
    assert not {"xgboost", "sklearn", "pandas", "boto3"} & set(process.stdout.split())
