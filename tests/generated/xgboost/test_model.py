"""What is xgboost's own in train.py."""

import csv
import json
from pathlib import Path

import numpy
import pytest
import train
import xgboost
from sklearn.datasets import load_diabetes, load_wine
from training import program
from training.library import hyperparameters
from training.library.model import FILE, load


def table(bunch, path="table.csv"):
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *bunch.feature_names])
        writer.writerows([y, *x] for y, x in zip(bunch.target, bunch.data.tolist(), strict=True))
    return path


def run(*argv):
    return program.execute(train.main, [*argv, "--output", "model"])


def report():
    return json.loads(Path("model/metrics.json").read_text())


@pytest.mark.skipif(bool(xgboost.build_info().get("USE_CUDA")), reason="there may be a GPU")
def test_a_gpu_that_is_not_there_is_refused_and_not_replaced_by_the_cpu(capsys):
    table(load_diabetes())
    assert run("--train", "table.csv", "--device", "cuda") == 2
    error = capsys.readouterr().err
    assert "--device cuda: this xgboost is built for CPUs only; type: --device cpu" in error
    assert not Path("model").exists()


def test_what_a_gpu_trains_on_stays_in_memory(monkeypatch, capsys):
    monkeypatch.setattr(hyperparameters, "check_device", lambda option, device: None)
    table(load_diabetes())
    argv = ["--train", "table.csv", "--device", "cuda"]
    assert run(*argv, "--external-memory") == 2
    assert "--external-memory is for the CPU" in capsys.readouterr().err
    monkeypatch.setattr("training.machine.memory", lambda: 1 << 20)
    assert run(*argv) == 2
    assert "this training takes about" in capsys.readouterr().err


def test_the_model_equals_one_that_xgboost_makes_by_hand():
    bunch = load_diabetes()
    table(bunch)
    argv = [
        "--train",
        "table.csv",
        "--validation-fraction",
        "0",
        "--max-depth",
        "3",
        "--eta",
        "0.1",
    ]
    assert run(*argv, "--n-estimators", "20", "--subsample", "0.8") == 0
    features = bunch.data.astype(numpy.float32)
    by_hand = xgboost.train(
        {"max_depth": 3, "eta": 0.1, "subsample": 0.8, "seed": 0, "seed_per_iteration": True},
        xgboost.QuantileDMatrix(features, label=bunch.target),
        20,
    ).predict(xgboost.DMatrix(features))
    booster = load(Path("model") / FILE)
    booster.feature_names = booster.feature_types = None
    assert numpy.allclose(booster.predict(xgboost.DMatrix(features)), by_hand, atol=1e-4)


@pytest.mark.parametrize("option", ["--num_round", "--num-boost-round", "--n-estimators"])
def test_the_number_of_rounds_goes_by_its_names(option, capsys):
    table(load_diabetes())
    words = ["--verbosity", "1", "--objective", "reg:linear"]  # as SageMaker's examples have them
    assert run("--train", "table.csv", option, "7", *words) == 0
    assert report()["rounds"] == 7
    assert run("--train", "table.csv", option, "0") == 2
    assert f"{option.replace('_', '-')} 0: a whole number" in capsys.readouterr().err


def test_importance_is_that_of_the_booster():
    bunch = load_wine()
    bunch.feature_names[0] = "alcohol [<% vol]"  # xgboost takes no such name
    table(bunch)
    for booster, kind in ("gbtree", "gain"), ("gblinear", "coefficient"):
        assert run("--train", "table.csv", "--n-estimators", "9", "--booster", booster) == 0
        found = json.loads(Path("model/importance.json").read_text())
        assert found["kind"] == kind
        assert set(found["features"]) == set(bunch.feature_names)
        if kind == "gain":
            model = load(Path("model") / FILE)
            gain = model.get_score(importance_type="gain")
            assert found["features"]["alcohol [<% vol]"] == gain["alcohol ((% vol)"]
            assert sum(found["features"].values()) == pytest.approx(sum(gain.values()))
            assert sum(found["weight"].values()) == sum(model.get_score().values())


def test_early_stopping_keeps_the_best_round():
    table(load_wine())
    argv = ["--train", "table.csv", "--early-stopping-rounds", "5", "--num-boost-round", "500"]
    assert run(*argv, "--eval-metric", "merror,mlogloss") == 0
    assert report()["objective"] == "multi:softprob"
    assert load(Path("model") / FILE).num_boosted_rounds() < 500


@pytest.mark.parametrize(
    "options",
    [
        ["--tree-method", "exact"],
        ["--tree-method", "approx"],
        ["--booster", "gblinear"],
        ["--max-bin", "16", "--grow-policy", "lossguide", "--max-leaves", "7"],
        ["--monotone-constraints", "(1,0,0,0,0,0,0,0,0,0)", "--lambda", "2", "--reg-alpha", "0.1"],
        ["--objective", "reg:quantileerror", "--quantile-alpha", "0.5"],
        ["--objective", "count:poisson"],
        ["--rate-drop", "0.1", "--booster", "dart"],
    ],
)
def test_the_parameters_of_xgboost_are_taken(options):
    table(load_diabetes())
    assert run("--train", "table.csv", "--n-estimators", "5", *options) == 0
    assert numpy.isfinite(report()["validation"]["rmse"])


def test_every_name_that_the_help_lists_is_one_of_xgboost():
    names = set(hyperparameters.defaults())
    assert {
        "eta",
        "learning_rate",
        "lambda",
        "colsample_bynode",
        "rate_drop",
        "n_estimators",
    } <= names
    assert not {"objective", "num_class", "seed"} & names


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--subsample", "2", "subsample"),
        ("--eta", "0.1x", "--eta 0.1x"),
        ("--tree-method", "fast", "hist"),
        ("--n-estimators", "0", "from 1 on"),
        ("--eval-metric", "foo", "foo"),
        ("--objective", "reg:foo", "reg:foo"),
        ("--objective", "rank:best", "type for example"),
        ("--objective", "rank:ndcg", "--group"),
        ("--objective", "binary:logistic", "multi:softprob"),
    ],
)
def test_a_value_that_xgboost_refuses_is_one_sentence(capsys, option, value, message):
    table(load_wine())
    assert run("--train", "table.csv", option, value) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("model").exists()
