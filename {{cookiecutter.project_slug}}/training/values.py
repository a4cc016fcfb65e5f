"""What the text in a table's cells stands for: missing values, numbers in other notations, dates."""

import csv
import io
import re
import shlex
from collections.abc import Iterable, Iterator

import pyarrow
import pyarrow.compute

from training.errors import UserError, option
from training.formats import How, Source
from training.reading import Reading
from training.schema import FEW_CATEGORIES

GROUPS = " '\u2019\u00a0\u202f"  # what may separate thousands beside the other sign
DATE = r"^\s*\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?\s*$"
NUMBER, COMMA = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$", r"^\s*[+-]?\d*,\d+\s*$"
GROUPED = rf"^\s*[+-]?\d{{1,3}}([{GROUPS},.]\d{{3}})+([.,]\d+)?\s*$"
CODE = r"^\s*0\d"  # what begins with 0 is a code, such as a postal one
# A text column is doubted if so many of its values are numbers, or half and the others are few.
MOSTLY = 0.9
SHOWN = 40  # letters of a value in a sentence


def clean(names: list[str], how: How) -> list[str]:
    """Return columns' names without blanks around them; a model may know one with blanks."""
    known = [*how.known.names(), *how.known.source] if how.known else []
    return [name if name in known else name.strip() for name in names]


def plain_type(kind: pyarrow.DataType) -> pyarrow.DataType:
    """Return ``kind``, dictionaries as their values and every kind of text as pyarrow.string()."""
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if pyarrow.types.is_large_string(kind) or pyarrow.types.is_string_view(kind):
        return pyarrow.string()
    return kind


def plain_text(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Return ``batch`` with the types of ``plain_type``."""
    kinds = [(field.name, plain_type(field.type)) for field in batch.schema]
    arrays = [
        column if column.type == kind else column.cast(kind)
        for column, (_, kind) in zip(batch.columns, kinds, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=pyarrow.schema(kinds))


def plain(batch: pyarrow.RecordBatch, how: How, of_csv: bool) -> pyarrow.RecordBatch:
    """Return ``batch`` with clean names, with the columns of --text as text, and missing values so.

    In a CSV text may be missing by default, in other files only what --missing names is.
    """
    batch = plain_text(batch)
    words = how.reading.words() if of_csv else how.reading.missing
    arrays = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name.strip() in how.reading.text and column.type != pyarrow.string():
            column = column.cast(pyarrow.string())
        arrays.append(without(column, words) if words else column)
    return pyarrow.RecordBatch.from_arrays(arrays, clean(batch.schema.names, how))


def without(column: pyarrow.Array, words: Iterable[str]) -> pyarrow.Array:
    """Return ``column`` with null in place of what is one of ``words``."""
    known = pyarrow.array(words, pyarrow.string())
    if column.type != pyarrow.string():
        numbers = known.filter(pyarrow.compute.match_substring_regex(known, NUMBER))
        if not len(numbers) or not is_number(column.type):
            return column
        known, seen = numbers.cast(pyarrow.float64()), column.cast(pyarrow.float64(), safe=False)
    else:
        seen = column
    found = pyarrow.compute.is_in(seen, value_set=known)
    return pyarrow.compute.if_else(found, pyarrow.scalar(None, column.type), column)


def is_number(kind: pyarrow.DataType) -> bool:
    """Return whether a type is one of numbers."""
    types = pyarrow.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


# ---- text that is numbers or dates by what the options say


def as_numbers(sources: list[Source], how: How) -> list[Source]:
    """Return the files with those text columns as numbers, or dates, of which every value is one.

    So it is where --decimal, --missing or --dates was given; the log says which columns they are.
    """
    reading = how.reading
    tests = {}
    if reading.decimal or reading.missing:
        tests["numbers"] = notation(reading.decimal)
    if reading.dates:
        tests["dates"] = DATE
    text = {
        name
        for source in sources
        for name, kind in zip(source.schema.names, source.schema.types, strict=True)
        if kind == pyarrow.string() and name not in how.text
    }
    found: dict[str, str] = {}
    for kind, pattern in tests.items():
        found |= dict.fromkeys(every(sources, text - set(found), pattern), kind)
    if not found:
        return sources
    for name, kind in found.items() if how.known is None else ():
        print(f"column {name!r}: its text is read as {kind} ({option('text', name)} keeps it)")
    return [converted(source, found, reading.decimal or ".") for source in sources]


def notation(decimal: str | None) -> str:
    """Return the pattern of numbers with a decimal sign; without one, of plain numbers."""
    if decimal is None:
        return NUMBER
    sign, groups = re.escape(decimal), GROUPS + ",.".replace(decimal, "")
    whole = rf"(\d{{1,3}}([{groups}]\d{{3}})+|\d+)"
    return rf"^\s*[+-]?({whole}({sign}\d*)?|{sign}\d+)([eE][+-]?\d+)?\s*$"


def every(sources: list[Source], names: set[str], pattern: str) -> set[str]:
    """Return the text columns of which there are values, and all are of the ``pattern``, no codes."""
    left, seen = set(names), set()
    for source in sources:
        for batch in source.batches() if left else ():
            for name in [*left]:
                column = batch.column(name) if name in batch.schema.names else None
                if column is None or column.type != pyarrow.string():
                    continue
                different = pyarrow.compute.unique(column).drop_null()
                fits = pyarrow.compute.match_substring_regex(different, pattern)
                codes = pyarrow.compute.match_substring_regex(different, CODE)
                if not pyarrow.compute.all(fits, min_count=0).as_py() or (
                    pyarrow.compute.any(codes, min_count=0).as_py()
                ):
                    left.discard(name)
                if len(different):
                    seen.add(name)
    return left & seen


def converted(source: Source, found: dict[str, str], decimal: str) -> Source:
    """Return ``source`` with its text columns in ``found`` as "numbers" or "dates"."""

    def convert(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        arrays = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if column.type == pyarrow.string() and name in found:
                column = pyarrow.compute.utf8_trim_whitespace(column)
                if found[name] == "dates":
                    column = column.cast(pyarrow.timestamp("us"))
                else:
                    groups = f"[{GROUPS}{',.'.replace(decimal, '')}]"
                    column = pyarrow.compute.replace_substring_regex(column, groups, "")
                    column = pyarrow.compute.replace_substring(column, decimal, ".")
                    column = column.cast(pyarrow.float64())
            arrays.append(column)
        return pyarrow.RecordBatch.from_arrays(arrays, batch.schema.names)

    def batches() -> Iterator[pyarrow.RecordBatch]:
        return map(convert, source.batches())

    return source._replace(schema=convert(nothing(source.schema)).schema, batches=batches)


def nothing(columns: pyarrow.Schema) -> pyarrow.RecordBatch:
    """Return a batch of no rows."""
    arrays = [pyarrow.array([], field.type) for field in columns]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=columns)


# ---- text that seems to be numbers or dates


class Text:
    """What the values of a text column look like, seen batch by batch."""

    def __init__(self, name: str, reading: Reading):
        self.name, self.reading, self.rows, self.values = name, reading, 0, 0
        self.counts = {"numbers": 0, "dates": 0}
        self.others: dict[str, dict[str, int]] = {"numbers": {}, "dates": {}}  # value: its row
        self.odd: dict[str, int] = {}  # the first number in another notation, and its row
        self.signs = {",": True, ".": True}  # whether all numbers may have this decimal sign

    def see(self, column: pyarrow.Array) -> None:
        """Look at the values of further rows."""
        counted = pyarrow.compute.value_counts(column.drop_null())
        different, numbers = counted.field("values"), counted.field("counts")
        fits = {
            kind: matches(different, pattern)
            for kind, pattern in (("plain", NUMBER), ("comma", COMMA), ("grouped", GROUPED))
        }
        any_number = pyarrow.compute.or_(
            fits["plain"], pyarrow.compute.or_(fits["comma"], fits["grouped"])
        )
        self.values += pyarrow.compute.sum(numbers).as_py() or 0
        for kind, fit in ("numbers", any_number), ("dates", matches(different, DATE)):
            self.counts[kind] += pyarrow.compute.sum(numbers.filter(fit)).as_py() or 0
            others = self.others[kind]
            for value in different.filter(pyarrow.compute.invert(fit))[: FEW_CATEGORIES + 1]:
                if len(others) <= FEW_CATEGORIES and value.as_py() not in others:
                    place = pyarrow.compute.index(column, value).as_py()
                    others[value.as_py()] = self.rows + place + 1
        odd = different.filter(pyarrow.compute.and_not(any_number, fits["plain"]))
        if len(odd) and not self.odd:
            self.odd[odd[0].as_py()] = self.rows + pyarrow.compute.index(column, odd[0]).as_py() + 1
        for sign in self.signs:
            fit = matches(different.filter(any_number), notation(sign))
            self.signs[sign] &= pyarrow.compute.all(fit, min_count=0).as_py()
        self.rows += len(column)

    def doubt(self, how: str = "column") -> str | None:
        """Return a sentence if most values are numbers or dates; None: it is text."""
        for kind, count in self.counts.items():
            others = self.others[kind]
            few = len(others) <= FEW_CATEGORIES and 2 * count >= self.values
            if kind == "numbers" and not others and not self.odd:
                continue  # its type says that it is text
            if self.values and count and (few or count >= MOSTLY * self.values):
                return self.sentence(kind, how)
        return None

    def sentence(self, kind: str, how: str) -> str:
        """Return what is said of text of which most values are of a ``kind``."""
        others = self.others[kind]
        shown, row = next(iter([*others.items(), *self.odd.items()]), ("", 1))
        typed = []
        if 0 < len(others) <= FEW_CATEGORIES and all(len(each) <= SHOWN for each in others):
            words = io.StringIO()
            csv.writer(words, lineterminator="").writerow([*(self.reading.missing or ()), *others])
            text = words.getvalue()
            text = shlex.quote('"--"' if text == "--" else text)
            typed.append(f"--missing{'=' if text.startswith('-') else ' '}{text}")
        if kind == "dates" and not self.reading.dates:
            typed.append("--dates parts")
        ways = [" ".join(typed)] if typed else []
        if kind == "numbers" and self.odd and not self.reading.decimal:
            signs = [sign for sign, fits in self.signs.items() if fits]
            ways = [" ".join([*typed, f"--decimal {sign}"]) for sign in signs]
        ways.append(f"{option('text', self.name)} if it is text")
        return (
            f"{how} {self.name!r} is text, and {self.counts[kind]:,} of {self.values:,} are {kind}; "
            f"row {row:,} has {shown[:SHOWN]!r}: type {', or '.join(ways)}"
        )


def matches(column: pyarrow.Array, pattern: str) -> pyarrow.Array:
    """Return for every value whether it is of the ``pattern``."""
    return pyarrow.compute.match_substring_regex(column, pattern)


def refuse(doubts: Iterable[str | None]) -> None:
    """Raise UserError if there is a doubt."""
    for doubt in filter(None, doubts):
        raise UserError(doubt)
