"""Dates and times as features: parts of them, days since 1970, or none."""

from collections.abc import Iterable

import pyarrow
import pyarrow.compute

from training import sources
from training.errors import UserError, option
from training.reading import Reading
from training.values import DATE, matches, nothing

DAY = ("year", pyarrow.compute.year), ("month", pyarrow.compute.month), ("day", pyarrow.compute.day)
WEEKDAY = ("weekday", pyarrow.compute.day_of_week)  # Monday is 0
CLOCK = (
    ("hour", pyarrow.compute.hour),
    ("minute", pyarrow.compute.minute),
    ("second", pyarrow.compute.second),
)
SECONDS = 24 * 60 * 60  # of a day


def columns(kinds: dict[str, pyarrow.DataType], beside: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that hold dates or times and are none of those ``beside`` the features."""
    return tuple(
        name
        for name, kind in kinds.items()
        if pyarrow.types.is_temporal(kind) and name not in beside
    )


def wrap(found: list[sources.Source], reading: Reading) -> list[sources.Source]:
    """Return the files with numbers in place of the dates in ``reading.dated``."""
    if not reading.dated:
        return found
    return [
        source._replace(
            schema=replaced(nothing(source.schema), reading).schema,
            batches=lambda source=source: (replaced(batch, reading) for batch in source.batches()),
        )
        for source in found
    ]


def replaced(batch: pyarrow.RecordBatch, reading: Reading) -> pyarrow.RecordBatch:
    """Return ``batch`` with its dates as ``reading.dates`` says: parts, epoch or drop."""
    made: dict[str, pyarrow.Array] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name not in reading.dated:
            made[name] = column
        elif reading.dates == "epoch":
            made[name] = days(name, column)
        elif reading.dates == "parts":
            made |= parts(name, column)
    for name in made:
        if batch.schema.names.count(name) + (name not in batch.schema.names) > 1:
            raise UserError(f"two columns are called {name!r}: rename one")
    return pyarrow.record_batch(made)


def temporal(name: str, column: pyarrow.Array) -> pyarrow.Array:
    """Return a column of dates or times; one without a value as dates."""
    if pyarrow.types.is_temporal(column.type):
        return column
    if column.null_count == len(column):
        return pyarrow.nulls(len(column), pyarrow.timestamp("s"))
    words = column.drop_null().cast(pyarrow.string())
    odd = words.filter(pyarrow.compute.invert(matches(words, DATE)))
    value = (odd if len(odd) else words)[0].as_py()
    raise UserError(
        f"column {name!r} holds {value!r}, and dates in training; if that is no value, type "
        f"{option('missing', value)}"
    )


def parts(name: str, column: pyarrow.Array) -> dict[str, pyarrow.Array]:
    """Return the parts of dates or times as columns of numbers: date.year, date.month …"""
    column = temporal(name, column)
    if pyarrow.types.is_duration(column.type):
        return {name: days(name, column)}
    kinds = () if pyarrow.types.is_time(column.type) else (*DAY, WEEKDAY)
    kinds += () if pyarrow.types.is_date(column.type) else CLOCK
    return {f"{name}.{part}": function(column) for part, function in kinds}


def days(name: str, column: pyarrow.Array) -> pyarrow.Array:
    """Return dates as days since 1970-01-01, and times as parts of a day."""
    column = temporal(name, column)
    if pyarrow.types.is_date32(column.type):
        return column.cast(pyarrow.int32()).cast(pyarrow.float64())
    types = pyarrow.types
    if types.is_time(column.type) or types.is_duration(column.type):
        a_second = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
        whole = pyarrow.int32() if types.is_time32(column.type) else pyarrow.int64()
        seconds = pyarrow.compute.divide(
            column.cast(whole).cast(pyarrow.float64(), safe=False), a_second
        )
    else:
        fine = column.cast(pyarrow.timestamp("us", getattr(column.type, "tz", None)), safe=False)
        count = fine.cast(pyarrow.int64()).cast(pyarrow.float64(), safe=False)
        seconds = pyarrow.compute.divide(count, 1e6)
    return pyarrow.compute.divide(seconds, float(SECONDS))
