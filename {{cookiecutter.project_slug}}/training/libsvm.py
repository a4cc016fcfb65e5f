"""libsvm files: ``label[:weight] [qid:group] index:value …`` a line."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy
import pyarrow

from training.errors import UserError, one_line
from training.formats import How

LINES = 10_000  # lines of a libsvm file that are parsed at a time
MOST_COLUMNS = 20_000  # of a libsvm file, which is made dense
GROUP, WEIGHT = "qid", "label:weight"  # columns of the groups and weights


def open_libsvm(path: Path, packed: str | None, folder: Path, how: How):
    """Make a libsvm file dense: ``label``, f0 or f1 to the last, and qid and weight where there are.

    What a line leaves out is 0 or missing: the libraries differ (library/model.py).
    """
    known, absent = how.known, how.reading.absent
    if known is None:
        print(
            f"libsvm: the label is what each line begins with; what a line leaves out is {absent}"
        )
    wanted = [*known.names(), *known.source] if known else []
    numbers = [int(name[1:]) for name in wanted if re.fullmatch(r"f\d+", name)]
    low, high, rows = min(numbers, default=1), max(numbers, default=0), 0
    grouped, weighted, whole = False, known is not None and known.weight == WEIGHT, True
    for piece in libsvm(path, how.limit):
        rows += len(piece.labels)
        grouped = grouped or piece.groups is not None
        weighted = weighted or piece.weights is not None
        whole = whole and bool((piece.labels % 1 == 0).all())
        if len(piece.indices) and not numbers:
            low = min(low, int(piece.indices.min()))
            high = max(high, int(piece.indices.max()))
    if high - low >= MOST_COLUMNS:
        raise UserError(f"{high - low + 1:,} columns, and {MOST_COLUMNS:,} are the most")
    aside = [WEIGHT] * weighted + [GROUP] * grouped
    names = ["label", *aside, *(f"f{n}" for n in range(low, high + 1))]
    integers = {GROUP, "label"} if whole else {GROUP}
    columns = pyarrow.schema(
        [(name, pyarrow.int64() if name in integers else pyarrow.float64()) for name in names]
    )

    def batches() -> Iterator[pyarrow.RecordBatch]:
        for piece in libsvm(path, how.limit):
            fill = numpy.nan if absent == "missing" else 0.0
            dense = numpy.full((high - low + 1, len(piece.labels)), fill)
            there = (piece.indices >= low) & (piece.indices <= high)
            dense[piece.indices[there] - low, piece.places[there]] = piece.values[there]
            weights = numpy.ones(len(piece.labels)) if piece.weights is None else piece.weights
            more = [weights] * weighted + [piece.groups] * grouped
            labels = piece.labels.astype(columns.field(0).type.to_pandas_dtype())
            yield pyarrow.record_batch([labels, *more, *dense], schema=columns)

    return columns, rows, batches, ()


class Sparse(NamedTuple):
    """Rows of a libsvm file: labels, weights and groups [rows], None where no row of these has any;
    row number, index and value of every entry.
    """

    labels: numpy.ndarray
    weights: numpy.ndarray | None
    groups: numpy.ndarray | None
    places: numpy.ndarray
    indices: numpy.ndarray
    values: numpy.ndarray


def libsvm(path: Path, limit: int | None) -> Iterator[Sparse]:
    """Give the rows of a libsvm file, so many lines at a time."""
    with path.open("rb") as file:
        lines = (line.partition(b"#")[0].split() for line in file)
        rows = itertools.islice((words for words in lines if words), limit)
        number = 0
        while piece := list(itertools.islice(rows, LINES)):
            try:
                yield sparse(piece)
            except (ValueError, OverflowError) as error:
                raise UserError(
                    f"a line after row {number:,} is no libsvm (label index:value …): {one_line(error)}"
                ) from error
            number += len(piece)


def sparse(rows: list[list[bytes]]) -> Sparse:
    """Return the split lines of a libsvm file as arrays, or raise ValueError."""
    heads = [row[0].partition(b":") for row in rows]
    labels = numpy.array([label for label, _, _ in heads]).astype(float)
    weights = groups = None
    if any(colon for _, colon, _ in heads):
        weights = numpy.array([weight if colon else b"1" for _, colon, weight in heads]).astype(
            float
        )
    if rows[0][1:2] and rows[0][1].startswith(b"qid:"):
        groups = numpy.array([row[1].removeprefix(b"qid:") for row in rows]).astype(numpy.int64)
    begin = 1 if groups is None else 2
    words = [word for row in rows for word in row[begin:]]
    lengths = numpy.array([max(0, len(row) - begin) for row in rows])
    pairs = [word.split(b":") for word in words]
    indices = numpy.array([int(index) for index, _ in pairs], numpy.int64)
    if len(indices) and indices.min() < 0:
        raise ValueError("an index is negative")
    values = numpy.array([float(value) for _, value in pairs])
    places = numpy.repeat(numpy.arange(len(rows)), lengths)
    return Sparse(labels, weights, groups, places, indices, values)
