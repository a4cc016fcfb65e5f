"""Tables for training: encoded once to scratch disk, read from there in pieces or as one array.

The features of all rows stand in a file without a name, which ends with the process. What is in
memory meanwhile is one piece of them, and the labels, weights and groups.
"""

import argparse
import dataclasses
import functools
import hashlib
import itertools
import shlex
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy
import pyarrow
import pyarrow.compute

from training import derived, schema, sources, storage
from training.errors import UserError

PIECE = 8 << 20  # bytes of features that are read at a time
MOST_NUMBERS = 1 << 20  # whole numbers of a column that are looked at for whether they differ


class Table:
    """Encoded features, [rows, columns], on scratch disk.

    ``codes`` has for columns whose categories were numbered as they came the final numbers, and
    ``kept`` the places of the columns that are features; None: all.
    """

    def __init__(self, width: int, dtype: type):
        self.width, self.dtype, self.rows = width, numpy.dtype(dtype), 0
        self.codes: dict[int, numpy.ndarray] = {}
        self.kept: numpy.ndarray | None = None
        self.file = tempfile.TemporaryFile(prefix="training-")  # noqa: SIM115 - it ends with self

    @property
    def columns(self) -> int:
        """The number of features."""
        return self.width if self.kept is None else len(self.kept)

    def append(self, features: numpy.ndarray) -> None:
        """Add rows, [rows, width]."""
        self.file.write(numpy.ascontiguousarray(features, self.dtype).data)
        self.rows += len(features)

    def read(self, begin: int, end: int) -> numpy.ndarray:
        """Return the rows from ``begin`` up to ``end``, [rows, columns] in C order."""
        block = numpy.empty((end - begin, self.width), self.dtype)
        self.file.seek(begin * self.width * self.dtype.itemsize)
        if block.nbytes and self.file.readinto(block) != block.nbytes:
            raise OSError("the scratch file is shorter than what was written to it")
        for place, codes in self.codes.items():
            known = ~numpy.isnan(block[:, place])
            block[known, place] = codes[block[known, place].astype(numpy.int64)]
        return block if self.kept is None else numpy.ascontiguousarray(block[:, self.kept])


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
) -> Dataset:
    """Read the tables that the command line names.

    ``objective`` is "regression", "classification" or "ranking", None: what the labels look like;
    ``dtype`` the features' type, numpy.float32 or numpy.float64; ``derive`` makes the table's columns.
    """
    with storage.scratch() as folder:
        content, text = options.content_type, [options.id] if options.id else []
        raw = sources.open_all(
            options.train, folder, None, options.limit, content.get("train"), text
        )
        found = derived.wrap(raw, derive)
        before, kinds = (
            schema.kinds([(source.name, source.schema) for source in files])
            for files in (raw, found)
        )
        label, aside = choose(options, objective, list(before), list(kinds))
        features = Features(
            [name for name in kinds if name not in {label, *aside.values(), *options.drop}],
            kinds,
            label,
            dtype,
        )
        beside_them = {name: kinds[name] for name in (label, *aside.values())}
        columns = read(found, beside_them, features.append)
        known_as = schema.infer(label, columns[label], objective, aside)
        kept, left_out = features.finish()
        understood = dataclasses.replace(
            known_as,
            columns=tuple(kept),
            left_out=(*options.drop, *left_out),
            source={name: str(kind) for name, kind in before.items()},
            features_sha256=derived.sha256(derive),
        )
        known, table = beside(understood, columns), features.table
        if options.validation:
            other = sources.open_all(
                options.validation, folder, understood, options.limit, content.get("validation")
            )
            validation = held_out(derived.wrap(other, derive), understood, dtype)
            return Dataset(understood, {"train": Rows(table, known), "validation": validation})
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


def choose(
    options: argparse.Namespace, objective: str | None, before: list[str], names: list[str]
) -> tuple[str, dict[str, str]]:
    """Return the label's column and those that are no features either, by what names them.

    ``before`` are the columns of the files, ``names`` those that were made of them.
    """
    named = {"weight": options.weight, "group": options.group, "id": options.id}
    if named["group"] is None and objective == "ranking" and sources.GROUP in before:
        named["group"] = sources.GROUP
    if named["weight"] is None and sources.WEIGHT in before:
        named["weight"] = sources.WEIGHT
    labels = [options.label] if options.label else ["label", "target"]
    for name in (*labels, *named.values()):
        if name in before and name not in names:
            raise UserError(
                f"the function of the features leaves out {name!r}: it is no feature, keep it"
            )
    label = schema.choose_label(names, options.label)
    aside = schema.choose_aside(names, label, named)
    schema.choose_drops(names, options.drop, [label, *aside.values()])
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
                arrays[name].append(batch.column(name).cast(kind))
        # what reading took is needed again in the training, by others
        pyarrow.default_memory_pool().release_unused()
    return {name: pyarrow.chunked_array(arrays[name], kind) for name, kind in kept.items()}


class Features:
    """The columns that may be features, encoded while the table is read, and what is seen of them."""

    def __init__(
        self, names: list[str], kinds: dict[str, pyarrow.DataType], label: str, dtype: type
    ):
        if not names:
            raise UserError(
                f"the table has no column beside the label {label!r}: is it separated by commas?"
            )
        self.columns = [schema.Column(name, schema.kind_of(name, kinds[name])) for name in names]
        self.table = Table(len(names), dtype)
        text = [
            place for place, column in enumerate(self.columns) if column.kind == schema.CATEGORY
        ]
        self.levels = dict.fromkeys(text, pyarrow.array([], pyarrow.string()))  # as they came
        whole = [place for place, name in enumerate(names) if pyarrow.types.is_integer(kinds[name])]
        self.whole: dict[int, list[pyarrow.Array]] = {place: [] for place in whole}
        self.missing = numpy.zeros(len(names), int)
        self.low, self.high = numpy.full((2, len(names)), numpy.nan)

    def append(self, batch: pyarrow.RecordBatch) -> None:
        """Encode a batch of rows."""
        block = numpy.empty((batch.num_rows, len(self.columns)), self.table.dtype)
        for place, column in enumerate(self.columns):
            values = batch.column(column.name)
            if place in self.levels:
                values = values.cast(pyarrow.string())
                self.see(place, values)
            elif place in self.whole:
                self.compare(place, values.drop_null())
            block[:, place] = schema.encode(
                column, values, self.table.dtype.type, self.levels.get(place)
            )
            empty = (
                values.null_count if place in self.levels else numpy.isnan(block[:, place]).sum()
            )
            self.missing[place] += empty
        self.low = numpy.fmin(self.low, numpy.fmin.reduce(block))
        self.high = numpy.fmax(self.high, numpy.fmax.reduce(block))
        self.table.append(block)

    def see(self, place: int, values: pyarrow.Array) -> None:
        """Number the categories that are new; from a number on that are too many, no more."""
        levels = self.levels[place]
        if len(levels) <= schema.MOST_CATEGORIES:
            seen = pyarrow.compute.unique(values).drop_null()
            new = seen.filter(pyarrow.compute.invert(pyarrow.compute.is_in(seen, levels)))
            self.levels[place] = pyarrow.concat_arrays([levels, new])

    def compare(self, place: int, values: pyarrow.Array) -> None:
        """Keep the values of a column of whole numbers as long as they may all differ."""
        kept = self.whole[place]
        if sum(map(len, kept)) < MOST_NUMBERS:
            kept.append(values)
            if len(pyarrow.compute.unique(values)) < len(values):
                del self.whole[place]

    def finish(self) -> tuple[list[schema.Column], list[str]]:
        """Return the features and the columns that are left out, and say on the log which they are."""
        rows, kept, shown, left_out = self.table.rows, [], [], {}
        for place, column in enumerate(self.columns):
            levels, missing = len(self.levels.get(place, ())), int(self.missing[place])
            constant = bool(self.low[place] == self.high[place])
            reason = schema.useless(column, rows, missing, constant, levels)
            if reason:
                left_out.setdefault(reason, []).append(column.name)
                continue
            kept.append(place)
            many = f"{levels:,}" if place in self.levels else ""
            shown.append((column.name, column.kind, many, f"{missing:,}" if missing else ""))
        schema.show(shown)
        for reason, names in left_out.items():
            print(f"left out, {reason}: {schema.listed(names, 20)}")
        for place, parts in self.whole.items():
            values = pyarrow.chunked_array(parts)
            if len(values) > 1 and len(values.unique()) == len(values) and place in kept:
                name = self.columns[place].name
                print(
                    f"warning: column {name!r} has another whole number in every row: if it numbers "
                    f"the rows, type --drop {shlex.quote(name)} or --id {shlex.quote(name)}"
                )
        if not kept:
            raise UserError("no column is left that a model could learn from")
        if len(kept) < len(self.columns):
            self.table.kept = numpy.array(kept)
        for place in set(self.levels) & set(kept):
            levels = self.levels[place].to_numpy(False)
            self.table.codes[place] = numpy.argsort(numpy.argsort(levels))
            named = tuple(sorted(self.levels[place].to_pylist()))
            self.columns[place] = dataclasses.replace(self.columns[place], categories=named)
        return [self.columns[place] for place in kept], [*itertools.chain(*left_out.values())]


def beside(understood: schema.Schema, columns: dict[str, pyarrow.ChunkedArray]) -> Aside:
    """Return labels, weights, groups and ids; all but the ids as numbers."""
    weight, group, key = understood.weight, understood.group, understood.id
    return Aside(
        understood.labels(columns[understood.label]),
        schema.weights(weight, columns[weight]) if weight else None,
        schema.groups(group, columns[group]) if group else None,
        ids(columns[key]) if key else None,
    )


def ids(column: pyarrow.Array | pyarrow.ChunkedArray) -> numpy.ndarray:
    """Return the names of the rows as text, [rows]."""
    return numpy.asarray(column.cast(pyarrow.string()).fill_null(""), object)


def held_out(found: list[sources.Source], understood: schema.Schema, dtype: type) -> Rows:
    """Return the rows of a validation table."""
    for source in found:
        understood.check_columns(source.schema.names, f"the validation table {source.name!r}")
    table = Table(len(understood.columns), dtype)
    kinds = schema.kinds([(source.name, source.schema) for source in found])
    kept = {name: kinds[name] for name in (understood.label, *understood.aside().values())}
    columns = read(found, kept, lambda batch: table.append(understood.features(batch, dtype)))
    return Rows(table, beside(understood, columns))


def apply(
    table: str,
    understood: schema.Schema,
    dtype: type,
    predict: Callable[[numpy.ndarray], numpy.ndarray],
    derive: derived.Function | None = None,
) -> tuple[numpy.ndarray, numpy.ndarray | None]:
    """Return what ``predict`` makes of ``table``, which it gets piece by piece, and the rows' ids.

    There are no ids, None, where training had none or the table has not that column.
    """
    if understood.features_sha256 not in (None, derived.sha256(derive)):
        print("warning: the file of the features is not what it was when this model was trained")
    outputs, names, key = [], [], understood.id
    with storage.scratch() as folder:
        for source in derived.wrap(sources.open_all(table, folder, understood), derive):
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
