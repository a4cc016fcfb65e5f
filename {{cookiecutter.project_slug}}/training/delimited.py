"""CSV files: their encoding, separator and header, and their conversion to an Arrow file.

The types of a CSV's columns are known for sure only at its end: it is turned into an Arrow file on
scratch disk first.
"""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.ipc

from training import reading, schema
from training.errors import UserError
from training.formats import How
from training.values import clean

# What some formats that are no CSV begin with.
MAGIC = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip file (Excel?)",
    b"\x89HDF": "HDF5",
    b"Obj\x01": "Avro",
}
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Bytes of a CSV that are parsed at a time, several times over side by side; a longer row takes more.
BLOCK, LONGEST_ROW = 1 << 20, 1 << 28
HEAD = 1 << 16  # bytes that are looked at for the separator
# A column of the first type may turn out to be one of the second further down.
WIDER = {
    "null": pyarrow.int64(),
    "int64": pyarrow.float64(),
    "date32[day]": pyarrow.timestamp("s"),
    "timestamp[s]": pyarrow.timestamp("ns"),
}
NAMES = {sign: name for name, sign in reading.SEPARATORS.items() if name.isalpha()}


class Unbroken:
    """A file for pyarrow's CSV reader: UTF-8, and no read ends with a carriage return.

    The reader loses the line feed of a CRLF in quotes that two reads share:
    https://github.com/apache/arrow/issues/51368
    """

    closed = False

    def __init__(self, path: Path, packed: str | None, encoding: str):
        self.file = pyarrow.input_stream(path, compression=packed)
        plain = codecs.lookup(encoding).name == "utf-8"
        self.decoder = None if plain else codecs.getincrementaldecoder(encoding)()

    def read(self, size: int) -> bytes:
        """Return about ``size`` bytes; none at the end of the file."""
        found = self.piece(max(1, size - 1))
        while found.endswith(b"\r") and (more := self.piece(1)):
            found += more
        return found

    def piece(self, size: int) -> bytes:
        """Return some bytes of UTF-8; none at the end of the file."""
        if self.decoder is None:
            return self.file.read(size)
        while raw := self.file.read(size):
            if text := self.decoder.decode(raw):
                return text.encode()
        return self.decoder.decode(b"", True).encode()

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        self.closed = True

    def readable(self) -> bool:
        """Say that it can be read."""
        return True


class Dialect(NamedTuple):
    """How pyarrow is to parse one CSV; ``names`` where the file has no header."""

    path: Path
    packed: str | None
    encoding: str
    separator: str
    read: reading.Reading
    names: list[str] | None = None

    def reader(self, types: dict, block: int) -> pyarrow.csv.CSVStreamingReader:
        """Return pyarrow's streaming reader of the file."""
        return pyarrow.csv.open_csv(
            pyarrow.PythonFile(Unbroken(self.path, self.packed, self.encoding), "r"),
            read_options=pyarrow.csv.ReadOptions(block_size=block, column_names=self.names),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=self.separator, newlines_in_values=True
            ),
            # in text the words for a missing value are taken out afterwards: they may be others
            convert_options=pyarrow.csv.ConvertOptions(
                null_values=self.read.null_values(),
                strings_can_be_null=False,
                column_types=types,
                decimal_point=self.read.decimal or ".",
            ),
        )


def open_csv(path: Path, packed: str | None, folder: Path, how: How):
    """Turn a CSV into an Arrow file; return its columns, rows, batches and the columns of row numbers."""
    with pyarrow.input_stream(path, compression=packed) as file:
        head = file.read(HEAD)
    if found := MAGIC.get(head[:4]):
        raise UserError(f"this is {found}, not CSV: give it its right name")
    encoding = encoding_of(head, how.reading.encoding)
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
        separator = how.reading.separator or separator_of(text, len(head) < HEAD, path.name)
        dialect = Dialect(path, packed, encoding, separator, how.reading)
        return read(dialect, folder / "table.arrow", how)
    except UnicodeDecodeError as error:
        raise not_text(encoding) from error
    except pyarrow.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise not_text(encoding) from error
        raise


def read(dialect: Dialect, target: Path, how: How):
    """Turn a CSV into the Arrow file ``target``, as ``open_csv``."""
    block = BLOCK
    while True:
        try:
            with dialect.reader({}, block) as reader:
                raw = reader.schema.names
                second = next(iter(reader), None)
            break
        except pyarrow.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return pyarrow.schema([]), 0, lambda: iter(()), ()
            block = longer(block, error)
    names = clean(raw, how)
    if how.known is None or not set(how.known.names()) <= set(names):
        dialect = dialect._replace(names=headerless(raw, second, how))
    index = row_numbers(names, second) if dialect.names is None and how.known is None else ()
    raw = dialect.names or raw
    names = dialect.names or names
    if len(set(names)) < len(names):
        return pyarrow.schema([(name, pyarrow.string()) for name in names]), 0, None, ()
    types = {
        old: pyarrow.string() for old, name in zip(raw, names, strict=True) if name in how.text
    }
    while True:  # at most a few times a column: each time one of them is found to be wider
        try:
            columns, rows, words = convert(dialect, target, names, types, how.limit, block)
            break
        except pyarrow.ArrowInvalid as error:
            if not re.search("CSV conversion error", str(error)):
                block = longer(block, error)
                continue
            name, kind = wider(error, raw)
            if types.get(name) == kind:
                raise
            types[name] = kind
    if how.known is None:
        say_words(words, how.reading)
    return columns, rows, lambda: ipc_batches(target), index


def say_words(words: dict[str, set[str]], read: reading.Reading) -> None:
    """Say of which text columns a word that may stand for a missing value is one, or is none."""
    for name, found in words.items():
        for word in sorted(found - set(read.words())):
            print(f"column {name!r}: {word!r} is text, since --missing does not name it")
        for word in sorted(found & set(read.words())) if read.missing is None else ():
            print(
                f"column {name!r}: {word!r} stands for a missing value (--missing '' keeps it as text)"
            )


def longer(block: int, error: pyarrow.ArrowInvalid) -> int:
    """Return a larger block for a row that does not fit; raise any other error."""
    if "straddl" in str(error) and block < LONGEST_ROW:
        return block * 16
    raise error


def encoding_of(head: bytes, given: str | None) -> str:
    """Return the encoding of a file that begins with ``head``; say so where it is not UTF-8."""
    if given:
        return given
    for mark, name in MARKS.items():
        if head.startswith(mark):
            print(f"the file is {name}, as its first bytes say")
            return name
    if b"\0" in head:
        order = "be" if head[:1] == b"\0" else "le"
        raise UserError(
            f"it has bytes that are 0, as UTF-16 has and a CSV has not: type --encoding utf-16-{order}"
        )
    return "utf-8"


def not_text(encoding: str) -> UserError:
    """Return the error of a file that is not in its encoding."""
    other = "latin-1" if encoding == "utf-8" else "utf-8"
    return UserError(
        f"it is not {encoding} text; type its encoding, for example: --encoding {other}"
    )


def separator_of(text: str, whole: bool, name: str) -> str:
    """Return what separates the columns, by the lines in ``text``; ``whole``: it is all there is."""
    found = []
    for sign in NAMES:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
        lengths = [len(row) for row in rows if row]
        lengths = lengths if whole or len(lengths) < 2 else lengths[:-1]
        if len(set(lengths)) == 1 and lengths[0] > 1 and not (sign == " " and found):
            found.append(sign)
    if len(found) > 1:
        words = ", or ".join(f"--separator {NAMES[sign]}" for sign in found)
        raise UserError(f"its columns may be separated by several signs: type {words}")
    sign = next(iter(found), ",")
    if sign != ",":
        print(f"{name}: columns are separated by {sign!r} (--separator {NAMES[sign]})")
    return sign


def row_numbers(names: list[str], rows: pyarrow.RecordBatch | None) -> tuple[str, ...]:
    """Return the first column if it has no name, as pandas and R write the names of the rows."""
    first = names[0]
    again = re.fullmatch(r"Unnamed: \d+", first) and rows is not None  # written once more by pandas
    if not first or again and pyarrow.types.is_integer(rows.schema.field(0).type):
        return (first,)
    return ()


def headerless(fields: list[str], second: pyarrow.RecordBatch | None, how: How) -> list[str] | None:
    """Return the columns' names for a CSV whose first line is a row; None: it is a header.

    The first column is the label then, as in SageMaker, or, at prediction, may be left out.
    """
    given = how.reading.header
    if given:
        return None
    missing = how.reading.null_values()
    filled = [field.strip() for field in fields if field.strip() not in missing]
    numbers = bool(filled) and all(map(schema.is_number, filled))
    if given is None and how.header is False and second is not None and second.num_rows:
        values = second.slice(0, 1).to_pylist()[0].values()
        below = any(isinstance(each, int | float) for each in values)
        if below and not any(map(schema.is_number, filled)):
            raise UserError(
                "its first line has the columns' names, and a file of ContentType text/csv begins with "
                "a row: remove that line, or leave ContentType out and end the file's name in .csv"
            )
    elif given is None:
        if not numbers or len(fields) == 1 and how.known is None:
            return None
        if how.known is None and counted(filled):
            raise UserError(
                f"its first line is {schema.listed(filled, 3)}: names of columns or a row? type "
                "--header yes, or --header no"
            )
    if how.known is None:
        if not how.label:
            return [f"f{place}" for place in range(1, len(fields) + 1)]
        print("no header: the first column is the label, the others are f1, f2 …")
        return ["label", *(f"f{place}" for place in range(1, len(fields)))]
    names = list(how.known.source) or [how.known.label, *how.known.names()]
    bare = [name for name in names if name != how.known.label]
    if len(fields) not in (len(names), len(bare)):
        raise UserError(
            f"its first line is a row of {len(fields)} columns, and the training table had "
            f"{len(names)}: put a header line with the columns' names above it"
        )
    return names if len(fields) == len(names) else bare


def counted(fields: list[str]) -> bool:
    """Return whether numbers may be names: they count up one by one, or are years."""
    if len(fields) < 2 or not all(re.fullmatch(r"\d{1,9}", field) for field in fields):
        return False
    numbers = [int(field) for field in fields]
    by_one = all(after - before == 1 for before, after in itertools.pairwise(numbers))
    years = len(set(numbers)) == len(numbers) and all(1800 <= each < 2200 for each in numbers)
    return by_one or years


def convert(
    dialect: Dialect, target: Path, names: list[str], types: dict, limit: int | None, block: int
) -> tuple[pyarrow.Schema, int, dict[str, set[str]]]:
    """Write a CSV as an Arrow file with columns called ``names``.

    Return its columns, the number of its rows, and the words in text that may mean a missing value.
    """
    rows, words = 0, {}
    missing = pyarrow.array(reading.MISSING)
    with dialect.reader(types, block) as reader:
        columns = pyarrow.schema(
            [(name, field.type) for name, field in zip(names, reader.schema, strict=True)]
        )
        if any(pyarrow.types.is_binary(field.type) for field in columns):
            raise not_text(dialect.encoding)
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with pyarrow.ipc.new_file(target, columns, options=options) as writer:
            for batch in reader:
                writer.write_batch(pyarrow.RecordBatch.from_arrays(batch.columns, schema=columns))
                rows += batch.num_rows
                for name, column in zip(names, batch.columns, strict=True):
                    if column.type == pyarrow.string():
                        seen = pyarrow.compute.is_in(column, value_set=missing)
                        if found := set(column.filter(seen).to_pylist()):
                            words.setdefault(name, set()).update(found)
                if limit is not None and rows >= limit:
                    break
        return columns, rows if limit is None else min(rows, limit), words


def wider(error: pyarrow.ArrowInvalid, names: list[str]) -> tuple[str, pyarrow.DataType]:
    """Return the column that a conversion ``error`` names, and the type to try next, or raise it."""
    found = re.search(r"column #(\d+).*?CSV conversion error to ([^:]+):", str(error))
    if not found or "UTF8" in str(error):
        raise error
    return names[int(found[1])], WIDER.get(found[2].strip(), pyarrow.string())


def ipc_batches(path: Path) -> Iterator[pyarrow.RecordBatch]:
    """Give the batches of an Arrow file."""
    with pyarrow.OSFile(str(path)) as file, pyarrow.ipc.open_file(file) as reader:
        for place in range(reader.num_record_batches):
            yield reader.get_batch(place)
