"""The owner's features: a function that gets a table piece by piece, and makes its columns.

train.py and predict.py pass that of features.py. What it raises is shown with its traceback.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pyarrow

from training import sources
from training.errors import UserError
from training.schema import listed
from training.values import plain_text

Function = Callable[[pyarrow.Table], object]


def wrap(found: list[sources.Source], function: Function | None) -> list[sources.Source]:
    """Return the files with the columns that ``function`` makes of theirs."""
    if function is None:
        return found
    found = [source for source in found if source.rows]
    check_alone(function, pyarrow.Table.from_batches([next(found[0].batches())]))
    return [
        source._replace(
            schema=next(pieces(source, function)).schema,
            batches=lambda source=source: pieces(source, function),
        )
        for source in found
    ]


def pieces(source: sources.Source, function: Function) -> Iterator[pyarrow.RecordBatch]:
    """Give the batches that ``function`` makes of those of ``source``."""
    names = None
    for batch in source.batches():
        made = call(function, pyarrow.Table.from_batches([batch]))
        names = names or made.column_names
        check_names(function, names, made.column_names)
        yield plain_text(made.select(names).combine_chunks().to_batches()[0])


def call(function: Function, table: pyarrow.Table) -> pyarrow.Table:
    """Return what ``function`` makes of ``table``; a DataFrame of pandas as a table."""
    made = function(table)
    if hasattr(made, "iloc"):
        made = pyarrow.Table.from_pandas(made, preserve_index=False)
    if not isinstance(made, pyarrow.Table):
        raise UserError(f"{place(function)} returns {type(made).__name__}, and a table is needed")
    if made.num_rows != table.num_rows:
        raise UserError(
            f"{place(function)} makes {made.num_rows:,} rows of {table.num_rows:,}: every row must stay"
        )
    names = made.column_names
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(
            f"{place(function)} makes two columns called {twice[0]!r}: give the new one another "
            "name, or leave the old one out first by table.drop_columns"
        )
    return made


def check_names(function: Function, names: list[str], others: list[str]) -> None:
    """Raise UserError unless two pieces have got the same columns."""
    if differ := sorted(set(names) ^ set(others)):
        raise UserError(
            f"{place(function)} makes the columns {listed(differ)} of some pieces of the table only: "
            "write the list of its columns into the file"
        )


def check_alone(function: Function, whole: pyarrow.Table) -> None:
    """Try whether ``function`` makes the same of every row, whatever rows stand beside it.

    The first piece of the table is tried in halves and backwards: a function that looks at a whole
    column would give other values in every piece, and nobody would see it.
    """
    made = call(function, whole)
    half, backwards = whole.num_rows // 2, numpy.arange(whole.num_rows)[::-1]
    trials = [[whole.slice(0, half), whole.slice(half)]] if half else []
    for parts in [*trials, [whole.take(backwards)]]:
        tried = [call(function, part) for part in parts]
        for part in tried:
            check_names(function, made.column_names, part.column_names)
        for name in made.column_names:
            values = numpy.concatenate([numbers(part.column(name)) for part in tried])
            if not same(numbers(made.column(name)), values if len(tried) > 1 else values[::-1]):
                raise UserError(
                    f"{place(function)} makes column {name!r} from other rows too, and a large table "
                    "comes in pieces: compute it from the row alone, and write a mean, a list of "
                    "words and the like as constants into the file"
                )


def numbers(column: pyarrow.ChunkedArray) -> numpy.ndarray:
    """Return the values of a column for a comparison: numbers, or objects."""
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.to_numpy()


def same(one: numpy.ndarray, other: numpy.ndarray) -> bool:
    """Return whether all values are the same but for a rounding; missing ones are the same."""
    if one.dtype.kind in "biuf" and other.dtype.kind in "biuf":
        return numpy.allclose(one.astype(float), other.astype(float), 1e-9, 0, equal_nan=True)
    return [*map(str, one)] == [*map(str, other)]


def place(function: Function) -> str:
    """Return what a sentence calls ``function``."""
    return f"{Path(inspect.getsourcefile(function)).name}: {function.__name__}()"


def sha256(function: Function | None) -> str | None:
    """Return the sha256 of the file that has ``function``; None without one."""
    if function is None:
        return None
    return hashlib.sha256(Path(inspect.getsourcefile(function)).read_bytes()).hexdigest()
