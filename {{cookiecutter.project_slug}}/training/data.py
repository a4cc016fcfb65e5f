"""Tables for training: encoded once to scratch disk, read from there in pieces or as one array.

The features of all rows stand in a file without a name, which ends with the process. What is in
memory meanwhile is one piece of them, and the labels, weights and groups.
"""

import argparse
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy
import pyarrow
import pyarrow.compute

from training import dates, derived, labels, libsvm, schema, sources, storage
from training.encoding import Features, Table
from training.errors import UserError
from training.reading import Reading

PIECE = 8 << 20  # bytes of features that are read at a time


class Aside(NamedTuple):
    """What a row has beside its features, each [rows]; weight, group and id where there is any.

    ``label`` holds class codes int64, or float64; ``group`` numbers groups 0, 1, 2 … in order.
    """

    label: numpy.ndarray
    weight: numpy.ndarray | None = None
    group: numpy.ndarray | None = None
    id: numpy.ndarray | None = None


class Rows:
    """Some rows of a table, with their labels. ``places`` are their row numbers; None: all."""

    def __init__(self, table: Table, aside: Aside, places: numpy.ndarray | None = None):
        self.table, self.places = table, places
        chosen = (array if array is None or places is None else array[places] for array in aside)
        self.label, self.weight, self.group, self.id = chosen

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


def load(
    options: argparse.Namespace,
    objective: str | None,
    dtype: type,
    derive: derived.Function | None = None,
    absent: str = "0",
) -> Dataset:
    """Read the tables that the command line names.

    ``objective`` is "regression", "classification" or "ranking", None: what the labels look like;
    ``dtype`` the features' type, numpy.float32 or numpy.float64; ``derive`` makes the table's columns;
    ``absent`` is what a line of libsvm means by leaving a feature out, "0" or "missing".
    """
    # A CSV is copied there once, and the features of all rows about as large again.
    tables = [name for name in (options.train, options.validation) if name]
    with storage.scratch(lambda: 2 * sum(map(storage.size, tables))) as folder:
        understood, known, table = learn(
            options, objective, dtype, derive, Reading(absent=absent).given(options), folder
        )
        if options.validation:
            content = options.content_type.get("validation")
            other = sources.open_all(options.validation, folder, understood, options.limit, content)
            validation = held_out(derived.wrap(other, derive), understood, dtype)
            return Dataset(understood, {"train": Rows(table, known), "validation": validation})
    if not options.validation_fraction:
        return Dataset(understood, {"train": Rows(table, known)})
    fraction, seed = options.validation_fraction, options.seed
    if known.group is not None:
        print(f"held out are whole groups of {understood.group!r}")
        train, validation = split_groups(known.group, fraction, seed)
    else:
        train, validation = split(known.label, fraction, seed, bool(understood.classes))
    return Dataset(
        understood,
        {"train": Rows(table, known, train), "validation": Rows(table, known, validation)},
    )


def learn(
    options: argparse.Namespace,
    objective: str | None,
    dtype: type,
    derive: derived.Function | None,
    reading: Reading,
    folder: Path,
) -> tuple[schema.Schema, Aside, Table]:
    """Read the training table, and return what its columns mean, what is beside them, the features."""
    content, text = options.content_type.get("train"), [options.id] if options.id else []
    raw = sources.open_all(options.train, folder, None, options.limit, content, reading, text)
    found = derived.wrap(raw, derive)
    before, made = (columns_of(files) for files in (raw, found))
    label, aside = choose(options, objective, list(before), list(made), raw[0].kind)
    beside_them = {label, *aside.values()}
    labels.choose_texts(list(before), reading.text, options.drop)
    if reading.dates:
        dated = dates.columns(made, {*beside_them, *options.drop})
        print(f"dates as {reading.dates}: {schema.listed(dated, 20) or 'no column holds any'}")
        reading = dataclasses.replace(reading, dated=dated)
        found = dates.wrap(found, reading)
    kinds = columns_of(found)
    labels.choose_drops([*made, *kinds], options.drop, [*beside_them])
    index = [
        name
        for name in dict.fromkeys(name for source in raw for name in source.index)
        if name in kinds and name not in {*beside_them, *options.drop}
    ]
    if index:
        print(f"left out, it numbers or names the rows: {schema.listed(index, 20)}")
    out = [*options.drop, *index, *(reading.dated if reading.dates == "drop" else ())]
    features = Features(
        [name for name in kinds if name not in {*beside_them, *out}], kinds, label, dtype, reading
    )
    columns = read(found, {name: kinds[name] for name in (label, *aside.values())}, features.append)
    known_as = labels.infer(label, columns[label], objective, aside, reading)
    kept, left_out = features.finish()
    understood = dataclasses.replace(
        known_as,
        columns=tuple(kept),
        left_out=(*out, *left_out),
        source={name: str(kind) for name, kind in before.items()},
        features_sha256=derived.sha256(derive),
        reading=reading.to_json(),
    )
    return understood, beside(understood, columns), features.table


def columns_of(found: list[sources.Source]) -> dict[str, pyarrow.DataType]:
    """Return the columns, with their types, that the files of a table share."""
    return schema.kinds([(source.name, source.schema) for source in found])


def choose(
    options: argparse.Namespace,
    objective: str | None,
    before: list[str],
    names: list[str],
    kind: str,
) -> tuple[str, dict[str, str]]:
    """Return the label's column and those that are no features either, by what names them.

    ``before`` are the columns of the files, ``names`` those that were made of them, ``kind`` is the
    files' format.
    """
    named = {"weight": options.weight, "group": options.group, "id": options.id}
    ranked = kind == "libsvm" or objective == "ranking"
    if named["group"] is None and ranked and libsvm.GROUP in before:
        named["group"] = libsvm.GROUP
    if named["weight"] is None and libsvm.WEIGHT in before:
        named["weight"] = libsvm.WEIGHT
    wanted = [options.label] if options.label else ["label", "target"]
    needed = [] if set(wanted) & set(names) else wanted
    for name in (*needed, *named.values()):
        if name in before and name not in names:
            raise UserError(
                f"the function of the features leaves out {name!r}: it is no feature, keep it"
            )
    label = labels.choose_label(names, options.label)
    aside = labels.choose_aside(names, label, named)
    return label, aside


def read(
    found: list[sources.Source],
    kept: dict[str, pyarrow.DataType],
    take: Callable[[pyarrow.RecordBatch], None],
) -> dict[str, pyarrow.ChunkedArray]:
    """Give every batch to ``take``, and return the columns in ``kept`` as these types."""
    arrays: dict[str, list[pyarrow.Array]] = {name: [] for name in kept}
    for source in found:
        for batch in source.batches():
            take(batch)
            for name, kind in kept.items():
                arrays[name].append(schema.exact(name, batch.column(name), kind))
        # what reading took is needed again in the training, by others
        pyarrow.default_memory_pool().release_unused()
    return {name: pyarrow.chunked_array(arrays[name], kind) for name, kind in kept.items()}


def beside(understood: schema.Schema, columns: dict[str, pyarrow.ChunkedArray]) -> Aside:
    """Return labels, weights, groups and ids; all but the ids as numbers."""
    weight, group, key = understood.weight, understood.group, understood.id
    found = Aside(
        understood.labels(columns[understood.label]),
        labels.weights(weight, columns[weight]) if weight else None,
        labels.groups(group, columns[group]) if group else None,
        ids(columns[key]) if key else None,
    )
    if understood.objective == "ranking" and weight:
        labels.check_group_weights(weight, group, found.weight, found.group)
    return found


def ids(column: pyarrow.Array | pyarrow.ChunkedArray) -> numpy.ndarray:
    """Return the names of the rows as text, [rows]."""
    return numpy.asarray(column.cast(pyarrow.string()).fill_null(""), object)


def held_out(found: list[sources.Source], understood: schema.Schema, dtype: type) -> Rows:
    """Return the rows of a validation table."""
    found = dates.wrap(found, Reading.from_json(understood.reading))
    for source in found:
        understood.check_columns(source.schema.names, f"the validation table {source.name!r}")
    table = Table(len(understood.columns), dtype)
    kinds = columns_of(found)
    kept = {name: kinds[name] for name in (understood.label, *understood.aside().values())}
    columns = read(found, kept, lambda batch: table.append(understood.features(batch, dtype)))
    return Rows(table, beside(understood, columns))


def apply(
    table: str,
    understood: schema.Schema,
    dtype: type,
    predict: Callable[[numpy.ndarray], numpy.ndarray],
    derive: derived.Function | None = None,
    options: argparse.Namespace | None = None,
) -> tuple[numpy.ndarray, numpy.ndarray | None]:
    """Return what ``predict`` makes of ``table``, which it gets piece by piece, and the rows' ids.

    There are no ids, None, where training had none or the table has not that column. ``options``
    say how the table is to be read where it differs from the training table.
    """
    if understood.features_sha256 not in (None, derived.sha256(derive)):
        print("warning: the file of the features is not what it was when this model was trained")
    outputs, names, key = [], [], understood.id
    reading = Reading.from_json(understood.reading).given(options or argparse.Namespace())
    with storage.scratch(lambda: storage.size(table)) as folder:
        raw = sources.open_all(table, folder, understood, reading=reading)
        for source in dates.wrap(derived.wrap(raw, derive), reading):
            if key and key not in source.schema.names:
                print(
                    f"the table has no column {key!r}: the predictions are in the order of its rows"
                )
                key = None
            for batch in source.batches():
                outputs.append(predict(understood.features(batch, dtype)))
                if key:
                    names.append(ids(batch.column(key)))
    return numpy.concatenate(outputs), numpy.concatenate(names) if key else None


def split(
    label: numpy.ndarray, fraction: float, seed: int, by_class: bool
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return the row numbers to train on and those to hold out, each in the table's order.

    The same labels, fraction and seed give the same split. ``by_class`` holds out the same share
    of every class, and never all of one.
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
