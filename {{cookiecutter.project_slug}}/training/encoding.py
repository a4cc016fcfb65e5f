"""A table's features as numbers on scratch disk, and what is seen of them on the way."""

import dataclasses
import itertools
import tempfile

import numpy
import pyarrow
import pyarrow.compute

from training import schema, values
from training.errors import UserError, option
from training.reading import Reading

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
        self.file.flush()  # a full disk is told here
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


class Features:
    """The columns that may be features, encoded while the table is read, and what is seen of them."""

    def __init__(
        self,
        names: list[str],
        kinds: dict[str, pyarrow.DataType],
        label: str,
        dtype: type,
        reading: Reading = Reading(),  # noqa: B008 - it is frozen
    ):
        if not names:
            raise UserError(
                f"the table has no column beside the label {label!r}: if it has, type --separator and "
                "the sign between them, such as --separator semicolon"
            )
        self.columns = [schema.Column(name, schema.kind_of(name, kinds[name])) for name in names]
        self.table = Table(len(names), dtype)
        text = [
            place for place, column in enumerate(self.columns) if column.kind == schema.CATEGORY
        ]
        self.levels = dict.fromkeys(text, pyarrow.array([], pyarrow.string()))  # as they came
        self.texts = {
            place: values.Text(names[place], reading)
            for place in text
            if names[place] not in reading.text
        }
        whole = [place for place, name in enumerate(names) if pyarrow.types.is_integer(kinds[name])]
        self.whole: dict[int, list[pyarrow.Array]] = {place: [] for place in whole}
        self.missing = numpy.zeros(len(names), int)
        self.low, self.high = numpy.full((2, len(names)), numpy.nan)

    def append(self, batch: pyarrow.RecordBatch) -> None:
        """Encode a batch of rows."""
        block = numpy.empty((batch.num_rows, len(self.columns)), self.table.dtype)
        for place, column in enumerate(self.columns):
            array = batch.column(column.name)
            if place in self.levels:
                array = array.cast(pyarrow.string())
                self.see(place, array)
            elif place in self.whole:
                self.compare(place, array.drop_null())
            codes = schema.encode(column, array, self.table.dtype.type, self.levels.get(place))
            block[:, place] = codes
            text = place in self.levels
            self.missing[place] += array.null_count if text else numpy.isnan(codes).sum()
            if not self.low[place] < self.high[place]:  # it is known to vary from then on
                self.low[place] = numpy.fmin(self.low[place], numpy.fmin.reduce(codes))
                self.high[place] = numpy.fmax(self.high[place], numpy.fmax.reduce(codes))
        self.table.append(block)

    def see(self, place: int, array: pyarrow.Array) -> None:
        """Number the categories that are new; from a number on that are too many, no more."""
        if place in self.texts:
            self.texts[place].see(array)
        levels = self.levels[place]
        if len(levels) <= schema.MOST_CATEGORIES:
            seen = pyarrow.compute.unique(array).drop_null()
            new = seen.filter(pyarrow.compute.invert(pyarrow.compute.is_in(seen, levels)))
            self.levels[place] = pyarrow.concat_arrays([levels, new])

    def compare(self, place: int, values: pyarrow.Array) -> None:
        """Keep the values of a column of whole numbers as long as they may all differ."""
        kept = self.whole[place]
        if sum(map(len, kept)) < MOST_NUMBERS:
            kept.append(values)
            whole = pyarrow.types.is_integer(values.type)
            if not whole or len(pyarrow.compute.unique(values)) < len(values):
                del self.whole[place]

    def finish(self) -> tuple[list[schema.Column], list[str]]:
        """Return the features and the columns that are left out, and say on the log which they are."""
        rows, kept, shown, left_out = self.table.rows, [], [], {}
        values.refuse(text.doubt() for text in self.texts.values())
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
        for text in self.texts.values():
            if text.values and text.counts["numbers"] == text.values:
                print(f"column {text.name!r} is text of digits: each value is a category")
        for place, parts in self.whole.items():
            numbers = pyarrow.chunked_array(parts)
            if len(numbers) > 1 and len(numbers.unique()) == len(numbers) and place in kept:
                name = self.columns[place].name
                print(
                    f"warning: column {name!r} has another whole number in every row: if it numbers "
                    f"the rows, type {option('drop', name)} or {option('id', name)}"
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
