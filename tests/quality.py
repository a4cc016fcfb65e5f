"""train.py against the library used by hand, on five real data sets: the same predictions.

A program by itself, in the environment of a generated project: ``python quality.py FRAMEWORK PROJECT
FOLDER``. Prints one JSON object a comparison, and fails at the first difference.
"""

import json
import os
import sys

import numpy
import pyarrow
import pyarrow.parquet
from sklearn import datasets

SETS = {
    "breast cancer": (datasets.load_breast_cancer, "classification"),
    "wine": (datasets.load_wine, "classification"),
    "digits": (datasets.load_digits, "classification"),
    "iris": (datasets.load_iris, "classification"),
    "diabetes": (datasets.load_diabetes, "regression"),
}
XGBOOST = {"max_depth": 4, "eta": 0.1, "subsample": 0.8, "colsample_bytree": 0.7}
ROUNDS = 30
SEED = 3


def write(path: str, x: numpy.ndarray, y: numpy.ndarray) -> None:
    columns = {f"x{place}": x[:, place] for place in range(x.shape[1])}
    pyarrow.parquet.write_table(pyarrow.table({"label": y} | columns), path)


def ours(words: list[str], proba: bool) -> numpy.ndarray:
    """Train on train.parquet, predict test.parquet, and return what predictions.csv says."""
    import predict
    import train
    from training import program

    common = ["--train", "train.parquet", "--validation", "test.parquet", "--seed", str(SEED)]
    assert program.execute(train.main, [*common, "--output", "model", *words]) == 0
    words = ["--model", "model", "--data", "test.parquet", "--output", "out.csv"]
    assert program.execute(predict.main, words + ["--proba"] * proba) == 0
    return numpy.loadtxt("out.csv", delimiter=",", skiprows=1)


def by_xgboost(train: tuple, test: tuple, classes: int) -> numpy.ndarray:
    import xgboost

    parameters = XGBOOST | {"seed": SEED, "seed_per_iteration": True}
    if classes > 2:
        parameters |= {"objective": "multi:softprob", "num_class": classes}
    elif classes:
        parameters |= {"objective": "binary:logistic"}
    matrix = xgboost.QuantileDMatrix(train[0].astype(numpy.float32), label=train[1])
    booster = xgboost.train(parameters, matrix, ROUNDS)
    output = booster.predict(xgboost.DMatrix(test[0].astype(numpy.float32)))
    return numpy.column_stack([1 - output, output]) if classes == 2 else output


def by_scikit_learn(train: tuple, test: tuple, classes: int, name: str) -> numpy.ndarray:
    from sklearn import ensemble

    kind = getattr(ensemble, name + ("Classifier" if classes else "Regressor"))
    rounds = {"max_iter": ROUNDS} if name.startswith("Hist") else {"n_estimators": ROUNDS}
    model = kind(random_state=SEED, **rounds).fit(*train)
    return model.predict_proba(test[0]) if classes else model.predict(test[0])


def main() -> None:
    framework, project, folder = sys.argv[1:]
    sys.path.insert(0, project)
    os.chdir(folder)
    for name, (load, objective) in SETS.items():
        x, y = load(return_X_y=True)
        classes = len(numpy.unique(y)) if objective == "classification" else 0
        order = numpy.random.default_rng(0).permutation(len(y))
        train, test = ((x[rows], y[rows]) for rows in (order[len(y) // 4 :], order[: len(y) // 4]))
        # What is the same in every row is left out by train.py.
        kept = train[0].min(axis=0) < train[0].max(axis=0)
        train, test = (train[0][:, kept], train[1]), (test[0][:, kept], test[1])
        write("train.parquet", *train)
        write("test.parquet", *test)
        words = ["--objective", objective]
        if framework == "xgboost":
            given = XGBOOST | {"n_estimators": ROUNDS}
            words += [f"--{option}={value}" for option, value in given.items()]
            pairs = {"trees": (words, by_xgboost(train, test, classes))}
        else:
            kind = "Classifier" if classes else "Regressor"
            pairs = {
                estimator: (
                    [*words, f"--estimator=sklearn.ensemble.{estimator}{kind}", f"--{rounds}=30"],
                    by_scikit_learn(train, test, classes, estimator),
                )
                for estimator, rounds in (
                    ("HistGradientBoosting", "max_iter"),
                    ("RandomForest", "n_estimators"),
                    ("GradientBoosting", "n_estimators"),
                )
            }
        for estimator, (argv, hand) in pairs.items():
            difference = float(numpy.abs(ours(argv, bool(classes)) - hand).max())
            line = {
                "set": name,
                "estimator": estimator,
                "rows": len(hand),
                "difference": difference,
            }
            print(json.dumps(line))
            assert difference <= 1e-6 * max(1, float(numpy.abs(hand).max())), line


if __name__ == "__main__":
    main()
