"""Tables for training: encoded once to scratch disk, read from there in pieces or as one array.

The features of all rows stand in a file without a name, which ends with the process. What is in
memory meanwhile is one piece of them, and the labels, weights and groups.
"""

import argparse
import functools
import hashlib
import itertools
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy
import pyarrow
import pyarrow.compute

from training import schema, sources, storage
from training.errors import UserError

PIECE = 8 << 20  # bytes of features that are read at a time


class Table:
    """Encoded features, [rows, columns], on scratch disk.

    ``codes`` has for columns whose categories were numbered as they came the final numbers.
    """

    def __init__(self, columns: int, dtype: type):
        self.columns, self.dtype, self.rows = columns, numpy.dtype(dtype), 0
        self.codes: dict[int, numpy.ndarray] = {}
        self.file = tempfile.TemporaryFile(prefix="training-")  # noqa: SIM115 - it ends with self

    def append(self, features: numpy.ndarray) -> None:
        """Add rows, [rows, columns]."""
        self.file.write(numpy.ascontiguousarray(features, self.dtype).data)
        self.rows += len(features)

    def read(self, begin: int, end: int) -> numpy.ndarray:
        """Return the rows from ``begin`` up to ``end``, [rows, columns] in C order."""
        block = numpy.empty((end - begin, self.columns), self.dtype)
        self.file.seek(begin * self.columns * self.dtype.itemsize)
        if block.nbytes and self.file.readinto(block) != block.nbytes:
            raise OSError("the scratch file is shorter than what was written to it")
        for place, codes in self.codes.items():
            known = ~numpy.isnan(block[:, place])
            block[known, place] = codes[block[known, place].astype(numpy.int64)]
        return block

    @property
    def bytes(self) -> int:
        """The size of all features in memory, in bytes."""
        return self.rows * self.columns * self.dtype.itemsize


class Aside(NamedTuple):
    """What a row has beside its features, each [rows]; weight and group where there is any.

    ``label`` holds class codes int64, or float64; ``group`` numbers groups 0, 1, 2 … in order.
    """

    label: numpy.ndarray
    weight: numpy.ndarray | None = None
    group: numpy.ndarray | None = None


class Rows:
    """Some rows of a table, with their labels. ``places`` are their row numbers; None: all."""

    def __init__(self, table: Table, aside: Aside, places: numpy.ndarray | None = None):
        self.table, self.places = table, places
        chosen = (array if array is None or places is None else array[places] for array in aside)
        self.label, self.weight, self.group = chosen

    def __len__(self) -> int:
        return len(self.label)

    def pieces(self) -> Iterator[tuple[slice, numpy.ndarray]]:
        """Give the rows piece by piece: which of them, and their features, [rows, columns].

        Where the pieces begin depends on the table alone; a group is never in two of them.
        """
        places = numpy.arange(self.table.rows) if self.places is None else self.places
        step = max(1, PIECE // (self.table.columns * self.table.dtype.itemsize))
        edges = numpy.searchsorted(places, range(0, self.table.rows + step, step))
        if self.group is not None:
            edges = numpy.searchsorted(self.group, self.group[numpy.minimum(edges, len(self) - 1)])
            edges[-1] = len(self)
        for begin, end in itertools.pairwise(edges):
            if begin < end:
                base = places[begin]
                block = self.table.read(base, places[end - 1] + 1)
                whole = len(block) == end - begin
                yield slice(begin, end), block if whole else block[places[begin:end] - base]

    def take(self, chosen: numpy.ndarray) -> numpy.ndarray:
        """Return the features of some of these rows, [rows, columns]; ``chosen`` rises."""
        parts = [
            block[chosen[(chosen >= part.start) & (chosen < part.stop)] - part.start]
            for part, block in self.pieces()
        ]
        return numpy.concatenate(parts)

    @functools.cached_property
    def features(self) -> numpy.ndarray:
        """All features at once, [rows, columns] in C order: in memory from then on."""
        array = numpy.empty((len(self), self.table.columns), self.table.dtype)
        for part, block in self.pieces():
            array[part] = block
        return array


class Dataset(NamedTuple):
    """What is trained on. ``sets`` has "train", and "validation" unless nothing is held out."""

    schema: schema.Schema
    sets: dict[str, Rows]

    @property
    def bytes(self) -> int:
        """The size of the features of all sets in memory, in bytes."""
        return sum(
            len(rows) * rows.table.columns * rows.table.dtype.itemsize
            for rows in self.sets.values()
        )

    def content(self) -> str:
        """Return a digest of all that the sets hold."""
        digest = hashlib.sha256()
        for rows in self.sets.values():
            for _, block in rows.pieces():
                digest.update(block.data)
            for array in (rows.label, rows.weight, rows.group):
                if array is not None:
                    digest.update(numpy.ascontiguousarray(array).data)
        return digest.hexdigest()[:12]


def load(options: argparse.Namespace, objective: str | None, dtype: type) -> Dataset:
    """Read the tables that the command line names.

    Args:
        options: of ``arguments.train``.
        objective: "regression", "classification" or "ranking"; None: what the labels look like.
        dtype: the features' type, numpy.float32 or numpy.float64.

    Raises:
        UserError: a table cannot be read, or cannot be trained on.
    """
    with storage.scratch() as folder:
        found = sources.open_all(options.train, folder, limit=options.limit)
        kinds = schema.kinds([(source.uri, source.schema) for source in found])
        named = {"weight": options.weight, "group": options.group}
        if named["group"] is None and objective == "ranking" and sources.GROUP in kinds:
            named["group"] = sources.GROUP
        label = schema.choose_label(list(kinds), options.label)
        aside = schema.choose_aside(list(kinds), label, named)
        features = [name for name in kinds if name not in {label, *aside.values()}]
        table, categories, columns = encode(found, features, kinds, [label, *aside.values()], dtype)
        understood = schema.infer(
            features, kinds, categories, label, columns[label], objective, aside
        )
        for place, name in enumerate(features):
            if name in categories:
                table.codes[place] = numpy.argsort(numpy.argsort(categories[name].to_numpy(False)))
        known = beside(understood, columns)
        if options.validation:
            other = sources.open_all(options.validation, folder, understood, options.limit)
            train = Rows(table, known)
            return Dataset(
                understood, {"train": train, "validation": held_out(other, understood, dtype)}
            )
    if not options.validation_fraction:
        return Dataset(understood, {"train": Rows(table, known)})
    groups = known.label if understood.classes else known.group
    fraction, seed = options.validation_fraction, options.seed
    if understood.objective == "ranking":
        train, validation = split_groups(groups, fraction, seed)
    else:
        train, validation = split(known.label, fraction, seed, bool(understood.classes))
    return Dataset(
        understood,
        {"train": Rows(table, known, train), "validation": Rows(table, known, validation)},
    )


def encode(
    found: list[sources.Source], features: list[str], kinds: dict, aside: list[str], dtype: type
) -> tuple[Table, dict[str, pyarrow.Array], dict[str, pyarrow.ChunkedArray]]:
    """Return the features on disk, the categories in order of appearance, the columns ``aside``.

    Args:
        found: the files.
        features: names of the columns that are encoded.
        kinds: of ``schema.kinds``.
        aside: names of the columns that are kept as they are.
        dtype: the features' type.
    """
    table = Table(len(features), dtype)
    categories = {
        name: pyarrow.array([], pyarrow.string())
        for name in features
        if schema.kind_of(name, kinds[name]) == schema.CATEGORY
    }
    kept: dict[str, list[pyarrow.Array]] = {name: [] for name in aside}
    for source in found:
        for batch in source.batches():
            block = numpy.empty((batch.num_rows, len(features)), dtype)
            for place, name in enumerate(features):
                values = batch.column(name)
                if name in categories:
                    values = values.cast(pyarrow.string())
                    seen = pyarrow.compute.unique(values).drop_null()
                    new = seen.filter(
                        pyarrow.compute.invert(pyarrow.compute.is_in(seen, categories[name]))
                    )
                    categories[name] = pyarrow.concat_arrays([categories[name], new])
                    column = schema.Column(name, schema.CATEGORY)
                    block[:, place] = schema.encode(column, values, dtype, categories[name])
                else:
                    block[:, place] = schema.encode(
                        schema.Column(name, schema.NUMBER), values, dtype
                    )
            table.append(block)
            for name in aside:
                kept[name].append(batch.column(name).cast(kinds[name]))
        # what reading took is needed again in the training, by others
        pyarrow.default_memory_pool().release_unused()
    columns = {name: pyarrow.chunked_array(arrays, kinds[name]) for name, arrays in kept.items()}
    return table, categories, columns


def beside(understood: schema.Schema, columns: dict[str, pyarrow.ChunkedArray]) -> Aside:
    """Return labels, weights and groups, as numbers."""
    weight, group = understood.weight, understood.group
    return Aside(
        understood.labels(columns[understood.label]),
        schema.weights(weight, columns[weight]) if weight else None,
        schema.groups(group, columns[group]) if group else None,
    )


def held_out(found: list[sources.Source], understood: schema.Schema, dtype: type) -> Rows:
    """Return the rows of a validation table."""
    names = [understood.label, *filter(None, (understood.weight, understood.group))]
    for source in found:
        understood.check_columns(source.schema.names, f"the validation table {source.uri!r}")
    table = Table(len(understood.columns), dtype)
    kept: dict[str, list[pyarrow.Array]] = {name: [] for name in names}
    for source in found:
        for batch in source.batches():
            table.append(understood.features(batch, dtype))
            for name in names:
                kept[name].append(batch.column(name))
    kinds = schema.kinds([(source.uri, source.schema) for source in found])
    columns = {
        name: pyarrow.chunked_array([array.cast(kinds[name]) for array in arrays], kinds[name])
        for name, arrays in kept.items()
    }
    return Rows(table, beside(understood, columns))


def apply(
    uri: str,
    understood: schema.Schema,
    dtype: type,
    predict: Callable[[numpy.ndarray], numpy.ndarray],
) -> tuple[numpy.ndarray, pyarrow.Table]:
    """Return what ``predict`` makes of the table at ``uri``, which it gets piece by piece.

    Beside that come the table's columns that the model does not know, such as an id.

    Raises:
        UserError: the table cannot be read, or does not suit the model.
    """
    outputs, others = [], []
    with storage.scratch() as folder:
        for source in sources.open_all(uri, folder, understood):
            known = {*understood.names(), understood.label}
            names = [name for name in source.schema.names if name not in known]
            for batch in source.batches():
                outputs.append(predict(understood.features(batch, dtype)))
                others.append(pyarrow.Table.from_batches([batch.select(names)]))
    return numpy.concatenate(outputs), pyarrow.concat_tables(others, promote_options="permissive")


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
    chosen = numpy.zeros(len(label), bool)
    chosen[held_out] = True
    return numpy.flatnonzero(~chosen), numpy.flatnonzero(chosen)


def split_groups(
    group: numpy.ndarray, fraction: float, seed: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return the row numbers to train on and those to hold out: whole groups."""
    _, validation = split(numpy.unique(group), fraction, seed, False)
    chosen = numpy.isin(group, validation)
    return numpy.flatnonzero(~chosen), numpy.flatnonzero(chosen)
