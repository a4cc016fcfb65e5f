"""How much every column of the table matters to a model, by what the model itself keeps of that.

xgboost: gain and weight of its trees. scikit-learn: ``feature_importances_``, or the absolute values
of ``coef_``. A model that keeps neither is tried out: permutation importance.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy

from training import data, metrics
from training.schema import Schema

ROWS, REPEATS = 2000, 3  # of a permutation importance, at most
SECONDS = 60  # that it may take, about: a slow model is tried on fewer rows
FEWEST_ROWS = 100
Predict = Callable[[numpy.ndarray], numpy.ndarray]


def importance(model: object, dataset: data.Dataset, predict: Predict, seed: int) -> dict:
    """Return ``{"kind", "meaning", "features": {name: value}}``, the greatest value first.

    Args:
        model: xgboost's Booster, or a scikit-learn estimator, with or without a preparation.
        dataset: of ``data.load``.
        predict: as in ``artifacts.save``.
        seed: of the permutations.
    """
    if hasattr(model, "get_score"):
        return of_booster(model, dataset.schema)
    found = of_estimator(model, dataset.schema)
    return found or of_permutations(dataset, predict, seed)


def of_booster(booster, schema: Schema) -> dict:
    """Return the gain of every column, and beside it the weight, from xgboost's Booster."""
    try:
        gain = scores(booster, "gain", schema)
    except ValueError:  # a linear booster has coefficients and calls them weight
        return result(
            "coefficient", "absolute coefficients, which depend on the columns' units",
            schema.names(), scores(booster, "weight", schema),
        )  # fmt: skip
    weight = scores(booster, "weight", schema)
    found = result(
        "gain", "mean gain in the objective of the splits on a column", schema.names(), gain
    )
    return {**found, "weight": ordered(schema.names(), weight)}


def scores(booster, kind: str, schema: Schema) -> numpy.ndarray:
    """Return the Booster's scores, [columns]; a column without a split has 0."""
    names = booster.feature_names or [f"f{place}" for place in range(len(schema.columns))]
    found = booster.get_score(importance_type=kind)
    return numpy.array([numpy.abs(found.get(name, 0.0)).sum() for name in names], float)


def of_estimator(model, schema: Schema) -> dict | None:
    """Return what a scikit-learn model knows of its columns; None when it knows nothing."""
    steps = [step for _, step in getattr(model, "steps", [("", model)])]
    estimator = steps[-1]
    owners = columns_behind(steps[0] if len(steps) > 1 else None, schema)
    kind, meaning = "feature_importances_", "of the estimator, scikit-learn's mean over its trees"
    values = getattr(estimator, "feature_importances_", None)
    if values is None:
        kind, meaning = "coef_", "absolute coefficients, which depend on the columns' units"
        values = getattr(estimator, "coef_", None)
        if values is None:
            return None
        dense = values.toarray() if hasattr(values, "toarray") else numpy.asarray(values)
        values = numpy.abs(numpy.atleast_2d(dense)).mean(axis=0)
    if len(values) != len(owners):  # a preparation of the user's own
        return None
    summed = numpy.bincount(owners, values, len(schema.columns))
    return result(kind, meaning, schema.names(), summed)


def columns_behind(preparation, schema: Schema) -> numpy.ndarray:
    """Return for every feature of the estimator the place of the table's column it comes from.

    ``preparation`` is that of train.py: first the numbers, then the categories, one-hot.
    """
    if preparation is None:
        return numpy.arange(len(schema.columns))
    categorical = numpy.array(schema.categorical())
    numbers, texts = numpy.flatnonzero(~categorical), numpy.flatnonzero(categorical)
    try:
        encoder = preparation.named_transformers_["onehotencoder"]
        counts = [len(values) for values in encoder.categories_] if len(texts) else []
        return numpy.concatenate([numbers, numpy.repeat(texts, counts)]).astype(int)
    except (AttributeError, KeyError, ValueError):
        return numpy.array([], int)


def of_permutations(dataset: data.Dataset, predict: Predict, seed: int) -> dict:
    """Return how much worse the model gets when a column's values are shuffled among the rows."""
    part = "validation" if "validation" in dataset.sets else "train"
    rows = dataset.sets[part]
    random = numpy.random.default_rng(seed)
    columns = rows.table.columns
    repeats = REPEATS if columns <= 100 else 1
    chosen = numpy.sort(random.permutation(len(rows))[:ROWS])
    sample, truth = rows.take(chosen), rows.label[chosen]
    began = time.monotonic()
    loss, measure = badness(truth, predict(sample))
    needed = (time.monotonic() - began) * columns * repeats
    if needed > SECONDS:
        fewer = max(FEWEST_ROWS, int(len(chosen) * SECONDS / needed))
        kept = numpy.sort(random.permutation(len(chosen))[:fewer])
        chosen, sample, truth = chosen[kept], sample[kept], truth[kept]
        loss, measure = badness(truth, predict(sample))
    values = numpy.zeros(columns)
    for column in range(columns):
        for _ in range(repeats):
            shuffled = sample.copy()
            shuffled[:, column] = random.permutation(sample[:, column])
            values[column] += badness(truth, predict(shuffled))[0] - loss
    meaning = (
        f"rise of {measure} when the column is shuffled, mean of {repeats} on {len(chosen):,} rows "
        f"of {part}"
    )
    return result("permutation", meaning, dataset.schema.names(), values / repeats)


def badness(label: numpy.ndarray, prediction: numpy.ndarray) -> tuple[float, str]:
    """Return a measure that is smaller for a better prediction, and its name."""
    if prediction.ndim == 1:
        return metrics.rmse(label, prediction), "RMSE"
    if numpy.issubdtype(prediction.dtype, numpy.floating):
        return metrics.log_loss(label, prediction), "log loss"
    return 1 - metrics.accuracy(label, prediction.argmax(axis=1)), "the error rate"


def result(kind: str, meaning: str, names: Sequence[str], values: numpy.ndarray) -> dict:
    """Return the content of importance.json."""
    return {"kind": kind, "meaning": meaning, "features": ordered(names, values)}


def ordered(names: Sequence[str], values: numpy.ndarray) -> Mapping[str, float]:
    """Return ``values`` by name, the greatest first; what is not finite counts as 0."""
    values = numpy.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    order = numpy.argsort(-values, kind="stable")
    return {names[place]: float(values[place]) for place in order}
