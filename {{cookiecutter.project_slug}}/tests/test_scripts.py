"""train.py, predict.py and features.py on a small table. These tests are yours: edit or delete them."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest

from features import features

PROJECT = Path(__file__).parent.parent
MODEL = "model.{{ 'ubj' if cookiecutter.framework == 'xgboost' else 'skops' }}"
QUICK = ["--{{ 'n-estimators' if cookiecutter.framework == 'xgboost' else 'max-iter' }}", "5"]
ROWS = 60


def rows(count: int = ROWS) -> list[dict[str, object]]:
    """Return rows like those of the table that the model is for; the label follows from the colour."""
    colours = ("red", "green", "blue")
    return [
        {
            "colour": colours[n % 3],
            "size": None if n % 7 == 0 else n / 10,
            "label": "yes" if n % 3 == 0 else "no",
        }
        for n in range(count)
    ]


def write(path: Path, table: list[dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    return path


def script(folder: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the project in ``folder``, as the command line would."""
    return subprocess.run(
        [sys.executable, str(PROJECT / name), *words],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
    )


def succeed(folder: Path, name: str, *words: str) -> str:
    done = script(folder, name, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a table, ``train.csv``, and the model that train.py makes of it."""
    folder = tmp_path_factory.mktemp("run")
    write(folder / "train.csv", rows())
    succeed(folder, "train.py", "--train", "train.csv", "--output", "model", *QUICK)
    return folder


def test_train_saves_a_model_and_its_metrics(run: Path):
    assert (run / "model" / MODEL).stat().st_size > 0
    metrics = json.loads((run / "model/metrics.json").read_text())
    assert metrics["rows"] == {"train": 48, "validation": 12}
    assert metrics["validation"]["accuracy"] > 0.5


def test_the_same_seed_gives_the_same_model(run: Path):
    words = ("--train", "train.csv", "--output", "again", *QUICK)
    succeed(run, "train.py", *words)
    assert (run / "again" / MODEL).read_bytes() == (run / "model" / MODEL).read_bytes()


def test_predict_gives_a_row_for_every_row(run: Path):
    new = [{name: row[name] for name in ("size", "colour")} for row in rows(10)]
    write(run / "new.csv", new)
    succeed(run, "predict.py", "--model", "model", "--data", "new.csv", "--output", "new.out")
    header, *predictions = (run / "new.out").read_text().splitlines()
    assert header == "prediction"
    assert len(predictions) == 10
    assert set(predictions) <= {"yes", "no"}


def test_probabilities_have_a_column_for_every_class(run: Path):
    words = ("--model", "model", "--data", "train.csv", "--output", "proba.csv", "--proba")
    succeed(run, "predict.py", *words)
    with (run / "proba.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["no", "yes"]
    assert all(abs(float(no) + float(yes) - 1) < 1e-5 for no, yes in lines)


def test_a_table_without_a_column_of_the_model_is_refused(run: Path):
    write(run / "lacks.csv", [{"colour": "red"}, {"colour": "blue"}])
    done = script(run, "predict.py", "--model", "model", "--data", "lacks.csv")
    assert done.returncode == 2
    assert "'size'" in done.stderr


def test_features_keep_every_row_in_its_order():
    table = pyarrow.Table.from_pylist(rows())
    made = features(table)
    assert len(made) == ROWS
    assert made.column("label").to_pylist() == table.column("label").to_pylist()


def test_the_features_of_a_row_do_not_depend_on_other_rows():
    table = pyarrow.Table.from_pylist(rows())
    whole = features(table).to_pylist()
    halves = [*features(table.slice(0, 30)).to_pylist(), *features(table.slice(30)).to_pylist()]
    assert halves == whole
