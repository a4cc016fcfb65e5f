"""Tables by URI, as numpy arrays.

A table is read with pyarrow (CSV with a header line, or Parquet), its columns are understood once
(schema.py) and put into one preallocated array.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy
import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from training import machine, schema, storage, treasure
from training.errors import UserError, one_line

CSV = (".csv", ".csv.gz", ".csv.zst")
PARQUET = (".parquet", ".pq")
# What some formats that are no CSV begin with.
MAGIC = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip file (Excel?)",
    b"\x89HDF": "HDF5",
    b"Obj\x01": "Avro",
}


class Rows(NamedTuple):
    """``features`` has shape [rows, columns]; ``label`` [rows]: class codes int64, or float64."""

    features: numpy.ndarray
    label: numpy.ndarray


class Dataset(NamedTuple):
    """What is trained on. ``sets`` has "train", and "validation" unless nothing is held out."""

    schema: schema.Schema
    sets: dict[str, Rows]


def load(options: argparse.Namespace, objective: str | None, dtype: type) -> Dataset:
    """Read the tables that the command line names.

    Args:
        options: of ``arguments.train``.
        objective: "regression" or "classification"; None: what the labels look like.
        dtype: the features' type, numpy.float32 or numpy.float64.

    Raises:
        UserError: a table cannot be read, or cannot be trained on.
    """
    with storage.scratch() as folder:
        table = read(options.train, folder, limit=options.limit)
        understood = schema.infer(table, options.label, objective)
        features, label = understood.features(table, dtype), understood.labels(table)
        del table
        if options.validation:
            other = read(options.validation, folder, understood, options.limit)
            understood.check_columns(other.column_names, "the validation table")
            held_out = Rows(understood.features(other, dtype), understood.labels(other))
            return Dataset(understood, {"train": Rows(features, label), "validation": held_out})
    if not options.validation_fraction:
        return Dataset(understood, {"train": Rows(features, label)})
    train, validation = split(
        label, options.validation_fraction, options.seed, bool(understood.classes)
    )
    return Dataset(
        understood,
        {
            "train": Rows(features[train], label[train]),
            "validation": Rows(features[validation], label[validation]),
        },
    )


def split(
    label: numpy.ndarray, fraction: float, seed: int, by_class: bool
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return the row numbers to train on and those to hold out, each in the table's order.

    The same labels, fraction and seed give the same split. ``by_class`` holds out the same share
    of every class, and never all of one.

    Raises:
        UserError: there are too few rows to hold any out.
    """
    order = numpy.random.default_rng(seed).permutation(len(label))
    groups = [order[label[order] == code] for code in numpy.unique(label)] if by_class else [order]
    held_out = numpy.concatenate(
        [group[: min(round(fraction * len(group)), len(group) - 1)] for group in groups]
    )
    if not len(held_out):
        raise UserError(
            f"{len(label)} rows are too few to hold out a share of {fraction}; "
            "type --validation-fraction 0.5, or 0 for none"
        )
    validation = numpy.sort(held_out)
    return numpy.setdiff1d(numpy.arange(len(label)), validation), validation


def read(
    uri: str, folder: Path, known: schema.Schema | None = None, limit: int | None = None
) -> pyarrow.Table:
    """Return the table at ``uri``, with at least one row; text columns come as pyarrow strings.

    Args:
        uri: a path, s3:// or td://.
        folder: where a download goes.
        known: reads a CSV's columns as they were read in training.
        limit: the most rows to return; the first ones.

    Raises:
        UserError: there is no such table, or it is damaged.
    """
    if treasure.is_td(uri):
        uri = str(treasure.fetch(uri, folder, known))
    if not uri.lower().endswith(CSV + PARQUET):
        raise UserError(
            f"{uri!r}: a table is a file {', '.join(CSV + PARQUET)}; convert or rename it"
        )
    pyarrow.set_cpu_count(machine.threads())
    path = storage.fetch(uri, folder)
    if not path.stat().st_size:
        raise UserError(f"{uri!r} is empty: a table has a header line and rows")
    reader = read_parquet if uri.lower().endswith(PARQUET) else read_csv
    try:
        table = reader(path, known, limit)
    except pyarrow.ArrowException as error:
        raise UserError(f"{uri!r} cannot be read: {one_line(error)}") from error
    except UserError as error:
        raise UserError(f"{uri!r}: {error}") from error
    names = table.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            f"{uri!r}: two columns are called {twice[0]!r}: every column needs its own name"
        )
    if not table.num_rows:
        raise UserError(f"{uri!r} has no rows below its header")
    print(f"read {uri}: {table.num_rows:,} rows, {table.num_columns} columns")
    return plain_text(table)


def read_csv(path: Path, known: schema.Schema | None, limit: int | None) -> pyarrow.Table:
    """Return the CSV file ``path``. Empty fields and NA, NaN, null … are missing values."""
    with path.open("rb") as file:
        head = file.read(4)
    if found := MAGIC.get(head):
        raise UserError(f"this is {found}, not CSV: give it its right name")
    convert = pyarrow.csv.ConvertOptions(
        strings_can_be_null=True, column_types=known.text_columns() if known else None
    )
    if limit is None:
        table = pyarrow.csv.read_csv(path, convert_options=convert)
    else:
        table = pyarrow.csv.read_csv(path, convert_options=convert).slice(0, limit)
    if all(schema.is_number(name) for name in table.column_names):
        raise UserError(
            "its first line is numbers: put a header line with the columns' names above it"
        )
    return table


def read_parquet(path: Path, known: schema.Schema | None, limit: int | None) -> pyarrow.Table:
    """Return the Parquet file ``path``, reading no more row groups than ``limit`` rows need."""
    file = pyarrow.parquet.ParquetFile(path)
    if limit is None:
        return file.read()
    groups, rows = [], 0
    while rows < limit and len(groups) < file.num_row_groups:
        rows += file.metadata.row_group(len(groups)).num_rows
        groups.append(len(groups))
    return file.read_row_groups(groups).slice(0, limit)


def plain_text(table: pyarrow.Table) -> pyarrow.Table:
    """Return ``table`` with dictionaries decoded and every kind of text as ``pyarrow.string()``."""
    for place, field in enumerate(table.schema):
        kind, column = field.type, table.column(place)
        if pyarrow.types.is_dictionary(kind):
            kind, column = kind.value_type, column.cast(kind.value_type)
        if pyarrow.types.is_large_string(kind) or pyarrow.types.is_string_view(kind):
            kind, column = pyarrow.string(), column.cast(pyarrow.string())
        if kind != field.type:
            table = table.set_column(place, field.name, column)
    return table
