"""A training that is interrupted and resumed ends with the model of one that is not. scikit-learn."""

import csv
import json
import random
from pathlib import Path

import pytest
import train
from training import checkpoints, data, program
from training.library.model import FILE

ENSEMBLE = "sklearn.ensemble."
ROUNDS = {
    "boosting by histograms": ["--max-iter", "12", "--max-features", "0.5"],
    "early stopping": ["--max-iter", "40", "--early-stopping", "true", "--n-iter-no-change", "4"],
    "forest": ["--estimator", f"{ENSEMBLE}RandomForestRegressor", "--n-estimators", "12"],
    "bagging": ["--estimator", f"{ENSEMBLE}BaggingRegressor", "--n-estimators", "12"],
    "boosting": [
        *("--estimator", f"{ENSEMBLE}GradientBoostingRegressor"),
        *("--n-estimators", "12", "--subsample", "0.7"),
    ],
}


@pytest.fixture(autouse=True)
def table(folder):
    chance = random.Random(0)
    with Path("table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "a", "b", "c", "kind"])
        for _ in range(300):
            a, b, c = (round(chance.gauss(0, 1), 3) for _ in range(3))
            kind = chance.choice(["red", "green", ""])
            writer.writerow([a * b + c + chance.gauss(0, 1), a, b, c, kind or "blue"])


def run(*argv):
    return program.execute(train.main, ["--train", "table.csv", *argv])


def model(folder):
    return (Path(folder) / FILE).read_bytes()


@pytest.mark.parametrize("argv", ROUNDS.values(), ids=ROUNDS)
def test_an_interruption_leaves_no_trace_in_the_model(monkeypatch, argv):
    passes = checkpoints.Store.passes

    def terminates(store, rounds, snapshot):
        if rounds == 6:
            program.TERMINATED.set()
        passes(store, rounds, snapshot)

    assert run(*argv, "--output", "whole") == 0
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Store, "passes", terminates)
        assert run(*argv, "--checkpoint-every", "3", "--output", "broken") == 143
    program.TERMINATED.clear()
    again = [*argv, "--checkpoint-every", "3", "--resume", "--output", "broken"]
    assert run(*again, "--seed", "1") == 2  # another model
    assert run(*again) == 0
    assert model("broken") == model("whole")
    reports = [json.loads(Path(name, "metrics.json").read_text()) for name in ("whole", "broken")]
    assert [report["attempts"] for report in reports] == [1, 2]
    assert reports[0]["history"] == reports[1]["history"]
    assert not Path("broken/checkpoints").exists()


BATCHES = {
    "linear": [*("--estimator", "sklearn.linear_model.SGDRegressor"), "--eta0", "0.001"],
    "network": [
        *("--estimator", "sklearn.neural_network.MLPRegressor"),
        *("--hidden-layer-sizes", "(8,)", "--batch-size", "10"),
    ],
    "classes": [
        *("--estimator", "sklearn.naive_bayes.GaussianNB", "--label", "kind"),
        *("--objective", "classification"),
    ],
}


@pytest.mark.parametrize("argv", BATCHES.values(), ids=BATCHES)
def test_batches_are_fitted_one_by_one_and_an_interruption_leaves_no_trace(monkeypatch, argv):
    passes = checkpoints.Store.passes
    monkeypatch.setattr(data, "PIECE", 1200)  # bytes: 50 rows or fewer
    monkeypatch.setattr(data.Rows, "features", property(lambda rows: pytest.fail("all rows")))
    told = []

    def terminates(store, rounds, snapshot):
        told.append(rounds)
        if rounds == 8:
            program.TERMINATED.set()
        passes(store, rounds, snapshot)

    argv = [*argv, "--epochs", "3"]
    assert run(*argv, "--output", "whole") == 0
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Store, "passes", terminates)
        assert run(*argv, "--output", "broken") == 143
    assert told == [*range(1, 9)]
    program.TERMINATED.clear()
    again = [*argv[:-1], "2", "--resume", "--output", "broken"]
    assert run(*again) == 2  # another model
    assert run(*argv, "--resume", "--output", "broken") == 0
    assert model("broken") == model("whole")
    assert json.loads(Path("broken/metrics.json").read_text())["rounds"] == 3


def test_what_cannot_be_resumed_exactly_starts_anew_and_says_so(capsys):
    argv = ["--estimator", "sklearn.linear_model.Ridge", "--resume", "--output", "model"]
    assert run(*argv) == 0
    assert "cannot resume Ridge exactly: starting anew" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [ROUNDS["forest"], [*BATCHES["classes"], "--epochs", "9"]])
def test_a_checkpoint_that_was_broken_when_it_was_saved_is_passed_over(monkeypatch, capsys, argv):
    passes = checkpoints.Store.passes

    def terminates(store, rounds, snapshot):
        if rounds == 6:
            program.TERMINATED.set()
        passes(store, rounds, snapshot)

    argv = [*argv, "--checkpoint-every", "3"]
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Store, "passes", terminates)
        assert run(*argv, "--output", "broken") == 143
    program.TERMINATED.clear()
    newest = Path("broken/checkpoints/00000006.model")
    whole = newest.read_bytes()
    newest.write_bytes(whole[: len(whole) // 2])
    mark = json.loads(newest.with_suffix(".json").read_text())
    mark["sha256"] = checkpoints.digest(newest.read_bytes())
    newest.with_suffix(".json").write_text(json.dumps(mark))
    assert run(*argv, "--output", "broken", "--resume") == 0
    out = capsys.readouterr().out
    assert "round 6 is damaged" in out
    assert "resuming after round 3" in out
