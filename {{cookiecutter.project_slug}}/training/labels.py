"""Which column is the label, what it stands for, and which columns stand beside it."""

from collections.abc import Collection

import numpy
import pyarrow
import pyarrow.compute

from training import values
from training.errors import UserError, nearest, option
from training.reading import Reading
from training.schema import CATEGORY, Schema, check_label, exact, is_number, kind_of, listed

# Whole-number labels with no more distinct values than this are taken for classes.
CLASS_VALUES = 20
# More classes than this are no classes: somebody named a number or an identifier.
MOST_CLASSES = 1000


def infer(
    label: str,
    labels: pyarrow.ChunkedArray,
    objective: str | None,
    aside: dict[str, str],
    reading: Reading = Reading(),  # noqa: B008 - it is frozen
) -> Schema:
    """Return the schema of a training table without its features; say on the log what was inferred.

    ``label`` is the label's column and ``labels`` its values, ``objective`` one of OBJECTIVES, None:
    what they look like, and ``aside`` has the columns "weight", "group" and "id", where there are any.
    ``reading`` is how the table was read.
    """
    check_label(label, labels)
    if kind_of(label, labels.type) == CATEGORY and label not in reading.text:
        seen = values.Text(label, reading)
        seen.see(labels.combine_chunks())
        values.refuse([seen.doubt("label")])
    if objective is None:
        objective = infer_objective(label, labels)
    elif objective != "classification" and kind_of(label, labels.type) == CATEGORY:
        raise UserError(
            f"label {label!r} holds text, and {objective} needs numbers: type --objective classification"
        )
    if objective == "ranking" and "group" not in aside:
        raise UserError("ranking needs to know which rows belong together: type --group COLUMN")
    classes = learn_classes(label, labels) if objective == "classification" else ()
    return Schema(label, objective, (), classes, **aside)


def choose_aside(names: list[str], label: str, wanted: dict[str, str | None]) -> dict[str, str]:
    """Return the columns that are neither features nor the label, as ``wanted`` by option."""
    chosen = {kind: name for kind, name in wanted.items() if name is not None}
    for kind, name in chosen.items():
        if name not in names:
            raise UserError(f"--{kind}: {no_column(name, names)}")
        if name == label:
            raise UserError(f"--{kind} {name}: this column is the label; name another")
    return chosen


def weights(name: str, column: pyarrow.ChunkedArray) -> numpy.ndarray:
    """Return the rows' weights, [rows]."""
    if kind_of(name, column.type) == CATEGORY:
        raise UserError(f"weight {name!r} holds text: a weight is a number from 0 on")
    values = exact(name, column, pyarrow.float64()).to_numpy()
    bad = ~(numpy.isfinite(values) & (values >= 0))
    if bad.any():
        row = int(bad.argmax()) + 1
        raise UserError(
            f"weight {name!r} is missing, negative or not finite in row {row:,}: it is a number from 0 on"
        )
    if not values.any():
        raise UserError(f"weight {name!r} is 0 in every row: nothing is left to learn from")
    return values


def groups(name: str, column: pyarrow.ChunkedArray) -> numpy.ndarray:
    """Return the number of every row's group, [rows]: 0, 1, 2 … in the table's order."""
    codes = column.combine_chunks().dictionary_encode().indices
    if codes.null_count:
        raise UserError(f"group {name!r} is missing in {codes.null_count:,} rows")
    codes = codes.to_numpy()
    number = numpy.concatenate([[0], numpy.cumsum(codes[1:] != codes[:-1])])
    if number[-1] != codes.max():
        raise UserError(f"the rows of one group do not stand together: sort the table by {name!r}")
    return number


def check_group_weights(
    weight: str, group: str, weights: numpy.ndarray, groups: numpy.ndarray
) -> None:
    """Raise UserError unless all rows of a group have one weight: ranking weighs groups, not rows."""
    same = (groups[1:] != groups[:-1]) | (weights[1:] == weights[:-1])
    if not same.all():
        raise UserError(
            f"ranking takes one weight a group, and row {int(same.argmin()) + 2:,} has another "
            f"{weight!r} than the row of the same {group!r} above it: leave --weight out, or write the "
            "same weight into all rows of a group"
        )


def choose_texts(names: list[str], wanted: Collection[str], dropped: Collection[str]) -> None:
    """Check the columns of --text."""
    for name in wanted:
        if name not in names:
            raise UserError(f"--text: {no_column(name, names)}")
        if name in dropped:
            raise UserError(f"--text {name}: this column is dropped: leave it out of one of them")


def choose_drops(names: list[str], dropped: list[str], needed: list[str]) -> None:
    """Check the columns of --drop."""
    for name in dropped:
        if name not in names:
            raise UserError(f"--drop: {no_column(name, names)}")
        if name in needed:
            raise UserError(f"--drop {name}: this column is needed: leave it out of --drop")


def choose_label(names: list[str], wanted: str | None) -> str:
    """Return the label's column: the one that is ``wanted``, or else called label or target."""
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"--label: {no_column(wanted, names)}")
        return wanted
    found = [name for name in ("label", "target") if name in names]
    if len(found) == 1:
        return found[0]
    if len(names) == 1:
        raise UserError(f"the table has one column only, {names[0]!r}: is it separated by commas?")
    which = "a column label and a column target" if found else "no column called label or target"
    read = ""
    if not found and any(is_number(name) for name in names):
        read = " (its first line was read as the columns' names)"
    raise UserError(
        f"the table has {which}{read}; name the column to predict: the columns are "
        f"{listed(names, 100)}; type: {option('label', found[0] if found else names[-1])}"
    )


def no_column(name: str, names: list[str]) -> str:
    """Return a sentence about a column that there is not."""
    near = nearest(name, names)
    hint = f"did you mean {near!r}?" if near else f"the columns are {listed(names)}"
    return f"no column is called {name!r}: {hint}"


def infer_objective(name: str, column: pyarrow.ChunkedArray) -> str:
    """Return what the labels look like by their values, and say so on the log."""
    count = pyarrow.compute.count_distinct(column).as_py()
    objective = "classification"
    if pyarrow.types.is_string(column.type):
        reason = f"text with {count:,} distinct values"
    elif pyarrow.types.is_boolean(column.type):
        reason = "booleans"
    elif pyarrow.types.is_integer(whole(column).type):
        objective = "classification" if count <= CLASS_VALUES else "regression"
        reason = f"whole numbers with {count:,} distinct values"
    else:
        objective, reason = "regression", "numbers with a fraction"
    print(f"objective: {objective}, since {name!r} holds {reason} (--objective says otherwise)")
    return objective


def whole(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """Return numbers as integers if they are whole, whatever type they are stored in."""
    if pyarrow.types.is_decimal(column.type):
        column = column.cast(pyarrow.float64())
    if pyarrow.types.is_floating(column.type):
        try:
            return column.cast(pyarrow.int64())
        except pyarrow.ArrowInvalid:  # a fraction, or too large
            return column
    return column


def learn_classes(name: str, column: pyarrow.ChunkedArray) -> tuple:
    """Return the distinct labels, sorted."""
    if pyarrow.types.is_uint64(column.type):
        column = exact(name, column, pyarrow.int64())
    classes = tuple(sorted(pyarrow.compute.unique(whole(column)).to_pylist()))
    if len(classes) < 2:
        raise UserError(
            f"label {name!r} has one class only, {classes[0]!r}: classification needs rows of two"
        )
    if len(classes) > MOST_CLASSES:
        raise UserError(
            f"label {name!r} has {len(classes):,} classes, and {MOST_CLASSES:,} are the most: name "
            "another --label, or type --objective regression"
        )
    return classes
