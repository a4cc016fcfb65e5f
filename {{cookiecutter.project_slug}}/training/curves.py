"""What a model's curves are drawn from, small enough for JSON, in numpy.

``label`` and ``prediction`` have the shapes of metrics.py. Definitions as in scikit-learn's user
guide; of a long curve about 100 of its points are kept.
"""

from collections.abc import Sequence

import numpy

POINTS = 100  # of a curve, about
BINS = 30  # of the histogram of residuals
GROUPS = 10  # of a calibration, and of predicted against true numbers
MOST_CLASSES = 10  # that have curves: the most frequent ones


def curves(
    label: numpy.ndarray, prediction: numpy.ndarray, classes: Sequence[str] = ()
) -> dict[str, object]:
    """Return the curves of a model as JSON's types.

    ``prediction`` that are whole numbers are no probabilities and have no curves. Of two ``classes``
    only the second has some.
    """
    if prediction.ndim == 1:
        return regression(label.astype(float), prediction.astype(float))
    if not numpy.issubdtype(prediction.dtype, numpy.floating):
        return {"classes": []}
    rows = numpy.bincount(label, minlength=prediction.shape[1])
    codes = [1] if prediction.shape[1] == 2 else numpy.argsort(-rows, kind="stable")[:MOST_CLASSES]
    return {
        "classes": [
            {"name": classes[code], "rows": int(rows[code])}
            | one_vs_rest(label == code, prediction[:, code].astype(float))
            for code in sorted(int(code) for code in codes)
        ]
    }


def one_vs_rest(positive: numpy.ndarray, score: numpy.ndarray) -> dict[str, object]:
    """Return ROC, PR and calibration of ``score``, the probability of being ``positive``, [rows].

    ROC and PR are left out when all rows are positive, or none is.
    """
    found: dict[str, object] = {"calibration": calibration(positive, score)}
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return found
    order = numpy.argsort(-score, kind="stable")
    # Rows of one score cannot be told apart: a point for every distinct score.
    last = numpy.append(numpy.flatnonzero(numpy.diff(score[order])), len(score) - 1)
    true = numpy.cumsum(positive[order])[last]
    tpr, fpr, precision = true / positives, (last + 1 - true) / negatives, true / (last + 1)
    average = float(numpy.sum(numpy.diff(tpr, prepend=0) * precision))
    kept = spread(fpr + tpr)
    found["roc"] = {
        "fpr": plain(numpy.append(0, fpr[kept])),
        "tpr": plain(numpy.append(0, tpr[kept])),
    }
    kept = spread(numpy.arange(len(last)) / len(last) + tpr)
    found["pr"] = {
        "recall": plain(tpr[kept]),
        "precision": plain(precision[kept]),
        "average_precision": average,
    }
    return found


def calibration(positive: numpy.ndarray, score: numpy.ndarray) -> dict[str, list]:
    """Return for ten bins of equal width how probable a positive was said to be, and was."""
    place = numpy.minimum((score * GROUPS).astype(int), GROUPS - 1).clip(0)
    rows = numpy.bincount(place, minlength=GROUPS)
    some = rows > 0
    said = numpy.bincount(place, score, GROUPS)[some] / rows[some]
    was = numpy.bincount(place, positive, GROUPS)[some] / rows[some]
    return {"predicted": plain(said), "observed": plain(was), "rows": rows[some].tolist()}


def regression(label: numpy.ndarray, prediction: numpy.ndarray) -> dict[str, object]:
    """Return the histogram of the residuals, label - prediction, and means by predicted value."""
    counts, edges = numpy.histogram(label - prediction, BINS)
    order = numpy.argsort(prediction, kind="stable")
    groups = [group for group in numpy.array_split(order, 2 * GROUPS) if len(group)]
    return {
        "residuals": {"edges": plain(edges), "counts": counts.tolist()},
        "predicted_and_true": {
            "predicted": plain(numpy.array([prediction[group].mean() for group in groups])),
            "true": plain(numpy.array([label[group].mean() for group in groups])),
            "rows": [len(group) for group in groups],
        },
    }


def spread(way: numpy.ndarray) -> numpy.ndarray:
    """Return about 100 places at equal distances along ``way``, which grows; first and last too."""
    if len(way) <= POINTS:
        return numpy.arange(len(way))
    steps = numpy.searchsorted(way, numpy.linspace(way[0], way[-1], POINTS))
    return numpy.unique(numpy.append(0, numpy.append(steps, len(way) - 1)).clip(0, len(way) - 1))


def plain(values: numpy.ndarray) -> list[float]:
    """Return ``values`` with seven digits, which is more than a drawing shows."""
    return [float(f"{value:.7g}") for value in values]
