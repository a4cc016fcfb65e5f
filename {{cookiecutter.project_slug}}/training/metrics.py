"""Measures of a model, in numpy: scikit-learn is not in every image.

Definitions as in scikit-learn's user guide, "Metrics and scoring". ``label`` has shape [rows]:
numbers in regression, class codes 0..k-1 in classification. ``prediction`` has shape [rows] in
regression; in classification it holds the classes' probabilities, [rows, classes], or as whole
numbers 1 for the class and 0 for the others, where a model has no probabilities. A measure that is
not defined (R² of constant labels, AUC of a single class or without probabilities) is None.
"""

import numpy


def evaluate(
    label: numpy.ndarray, prediction: numpy.ndarray, group: numpy.ndarray | None = None
) -> dict[str, float | None]:
    """Return the measures of regression for [rows], of classification for [rows, classes].

    With ``group``, the number of every row's group in rising order, those of ranking.
    """
    if group is not None:
        every, ten = ndcg(label, prediction, group), ndcg(label, prediction, group, 10)
        return {"ndcg": every, "ndcg@10": ten}
    if prediction.ndim == 1:
        mae = float(numpy.mean(numpy.abs(label - prediction.astype(float))))  # in the label's unit
        return {"rmse": rmse(label, prediction), "mae": mae, "r2": r2(label, prediction)}
    guess = prediction.argmax(axis=1)
    graded = numpy.issubdtype(prediction.dtype, numpy.floating)
    return {
        "log_loss": log_loss(label, prediction) if graded else None,
        "auc": auc(label, prediction) if graded else None,
        "accuracy": accuracy(label, guess),
        "f1": f1(label, guess, prediction.shape[1]),
    }


def line(name: str, rows: int, scores: dict[str, float | None]) -> str:
    """Return one readable line of the log: ``validation (91 rows): log_loss 0.09, auc 0.99``."""
    words = (
        f"{key} {'undefined' if value is None else f'{value:.6g}'}" for key, value in scores.items()
    )
    return f"{name} ({rows:,} rows): {', '.join(words)}"


def rmse(label: numpy.ndarray, prediction: numpy.ndarray) -> float:
    """Return the root of the mean squared error, in the label's unit."""
    return float(numpy.sqrt(numpy.mean((label - prediction.astype(float)) ** 2)))


def r2(label: numpy.ndarray, prediction: numpy.ndarray) -> float | None:
    """Return the coefficient of determination: 1 is perfect, 0 as good as the labels' mean."""
    spread = numpy.sum((label - label.mean()) ** 2)
    if spread == 0:
        return None
    return float(1 - numpy.sum((label - prediction.astype(float)) ** 2) / spread)


def log_loss(label: numpy.ndarray, probability: numpy.ndarray) -> float:
    """Return the mean of -ln(probability of the true class)."""
    true = probability[numpy.arange(len(label)), label].astype(float)
    return float(-numpy.mean(numpy.log(numpy.clip(true, numpy.finfo(float).eps, 1))))


def auc(label: numpy.ndarray, probability: numpy.ndarray) -> float | None:
    """Return the area under the ROC curve: with more than two classes, the mean of one-vs-rest."""
    codes = [1] if probability.shape[1] == 2 else range(probability.shape[1])
    areas = [binary_auc(label == code, probability[:, code]) for code in codes]
    return None if None in areas else float(numpy.mean(areas))


def binary_auc(positive: numpy.ndarray, score: numpy.ndarray) -> float | None:
    """Return the chance that a positive scores higher than a negative, ties counting a half.

    It is the Mann-Whitney statistic, from the positives' ranks.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    _, place, count = numpy.unique(score, return_inverse=True, return_counts=True)
    rank = (numpy.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def accuracy(label: numpy.ndarray, guess: numpy.ndarray) -> float:
    """Return the share of rows whose class is right."""
    return float(numpy.mean(label == guess))


def f1(label: numpy.ndarray, guess: numpy.ndarray, classes: int) -> float:
    """Return F1 of class 1, or with more than two classes the mean over those that occur."""
    codes = [1] if classes == 2 else numpy.union1d(label, guess)
    return float(numpy.mean([binary_f1(label == code, guess == code) for code in codes]))


def binary_f1(positive: numpy.ndarray, guess: numpy.ndarray) -> float:
    """Return the harmonic mean of precision and recall; 0 when nothing is positive."""
    both = positive.sum() + guess.sum()
    return float(2 * (positive & guess).sum() / both) if both else 0.0


def ndcg(
    label: numpy.ndarray, score: numpy.ndarray, group: numpy.ndarray, top: int | None = None
) -> float:
    """Return the mean over the groups of the normalised discounted cumulative gain.

    A row's gain is 2 to its label, less 1, discounted by the logarithm of its place. A group
    without any gain counts as 1, as in xgboost.
    """
    edges = numpy.flatnonzero(numpy.diff(group)) + 1
    values = []
    for grades, scores in zip(numpy.split(label, edges), numpy.split(score, edges), strict=True):
        gain = 2.0**grades - 1
        best = discounted(numpy.sort(gain)[::-1][:top])
        order = numpy.argsort(-scores, kind="stable")
        values.append(discounted(gain[order][:top]) / best if best else 1.0)
    return float(numpy.mean(values))


def discounted(gain: numpy.ndarray) -> float:
    """Return the sum of the gains, [places], each by the logarithm of its place."""
    return float(numpy.sum(gain / numpy.log2(numpy.arange(2, len(gain) + 2))))
