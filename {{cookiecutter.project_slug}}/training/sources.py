"""From a URI to record batches: one file, a folder or a glob; CSV, Parquet or libsvm.

Every file is read in pieces, so that no table has to fit in memory. A CSV is turned into an Arrow
file on scratch disk first: the types of its columns are known for sure only at its end.
"""

import fnmatch
import itertools
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy
import pyarrow
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from training import machine, schema, storage, treasure
from training.errors import UserError, one_line

FORMATS = {
    ".csv": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".libsvm": "libsvm",
    ".svm": "libsvm",
}
PACKED = {".gz": "gzip", ".zst": "zstd"}
# What some formats that are no CSV begin with.
MAGIC = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a zip file (Excel?)",
    b"\x89HDF": "HDF5",
    b"Obj\x01": "Avro",
}
# Bytes of a CSV that are parsed at a time, several times over side by side; a longer row takes more.
BLOCK, LONGEST_ROW = 1 << 20, 1 << 28
BATCH = 1 << 14  # rows of a Parquet file that are decoded at a time
LINES = 10_000  # lines of a libsvm file that are parsed at a time
MOST_COLUMNS = 20_000  # of a libsvm file, which is made dense
# A column of the first type may turn out to be one of the second further down.
WIDER = {"null": pyarrow.int64(), "int64": pyarrow.float64()}
GROUP = "qid"  # what libsvm calls the group of a row


class Source(NamedTuple):
    """One file: its columns, the number of its rows, and its batches, from the first at each call."""

    uri: str
    schema: pyarrow.Schema
    rows: int
    batches: Callable[[], Iterator[pyarrow.RecordBatch]]


def open_all(
    uri: str, folder: Path, known: schema.Schema | None = None, limit: int | None = None
) -> list[Source]:
    """Return the files at ``uri``, in the order of their names, with at least one row in all.

    Args:
        uri: a file, a folder or a glob: a path, s3:// or (one file) https://; or td://.
        folder: on scratch disk; must stay while the sources are read.
        known: reads columns as they were read in training.
        limit: the most rows in all; the first ones.

    Raises:
        UserError: there is no such table, or it is damaged.
    """
    pyarrow.set_cpu_count(machine.threads())
    sources: list[Source] = []
    left = limit
    for place, name in enumerate(files(uri)):
        if left == 0:
            break
        below = folder / f"{uri_stem(uri)}-{place}"
        below.mkdir()
        source = open_one(name, below, known, left)
        left = None if left is None else left - source.rows
        sources.append(source)
    rows = sum(source.rows for source in sources)
    if not rows:
        raise UserError(f"{uri!r} has no rows below its header")
    number = f" in {len(sources):,} files" if len(sources) > 1 else ""
    columns = len(sources[0].schema.names)
    print(f"read {uri}: {rows:,} rows, {columns} columns{number}")
    return sources


def uri_stem(uri: str) -> str:
    """Return a file name for what comes from ``uri``."""
    return re.sub(r"\W+", "-", uri.partition("?")[0])[-40:]


def files(uri: str) -> list[str]:
    """Return the URIs of the files that ``uri`` names, sorted: itself, if it is a file's.

    A folder is searched to any depth; names that begin with ``_`` or ``.`` are not data.

    Raises:
        UserError: there is none, or it is of no format that is read.
    """
    if treasure.is_td(uri):
        return [uri]
    path = storage.path_of(uri)
    if re.search(r"[*?\[]", path) and not storage.is_web(uri):
        return matching(uri)
    if not storage.is_folder(uri):
        kind_of(uri)
        return [uri]
    found = [
        name
        for name in sorted(storage.names(uri, deep=True))
        if not any(part.startswith(("_", ".")) for part in name.split("/"))
        and any(suffix in FORMATS for suffix in suffixes(name))
    ]
    if not found:
        raise UserError(
            f"{uri!r} is a folder without a table in it: a table is a file {', '.join(FORMATS)}"
        )
    return [storage.join(uri, name) for name in found]


def matching(uri: str) -> list[str]:
    """Return the URIs of the files that match the glob ``uri``, sorted; ``*`` ends at a slash."""
    fixed = re.split(r"[*?\[]", uri, maxsplit=1)[0]
    base = storage.parent(fixed)
    pattern = uri.removeprefix(base)
    found = [
        storage.join(base, name)
        for name in sorted(storage.names(base, deep=True))
        if name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
    ]
    if not found:
        raise UserError(
            f"{uri!r}: no file matches; put the pattern in quotes if a shell is between"
        )
    for name in found:
        kind_of(name)
    return found


def suffixes(uri: str) -> list[str]:
    """Return the last two endings of the file's name, in lower case."""
    return [suffix.lower() for suffix in Path(storage.path_of(uri)).suffixes[-2:]]


def kind_of(uri: str) -> tuple[str, str | None]:
    """Return the format and the compression (None: none) that a file's name tells.

    Raises:
        UserError: it is no table's.
    """
    last = suffixes(uri)
    packed = PACKED.get(last[-1]) if last else None
    kind = FORMATS.get(last[-2] if packed and len(last) == 2 else last[-1]) if last else None
    if kind is None:
        raise UserError(
            f"{uri!r}: a table is a file {', '.join(FORMATS)} (each also .gz or .zst), or a folder "
            "of such files; convert or rename it"
        )
    return kind, packed


def open_one(uri: str, folder: Path, known: schema.Schema | None, limit: int | None) -> Source:
    """Return the one file ``uri``, fetched and readable in batches."""
    if treasure.is_td(uri):
        kind, packed, path = "Parquet", None, treasure.fetch(uri, folder, known)
    else:
        kind, packed = kind_of(uri)
        path = storage.fetch(uri, folder)
    if not path.stat().st_size:
        raise UserError(f"{uri!r} is empty: a table has a header line and rows")
    opener = {"CSV": open_csv, "Parquet": open_parquet, "libsvm": open_libsvm}[kind]
    try:
        if packed and kind != "CSV":
            path = unpack(path, packed, folder)
        columns, rows, batches = opener(path, packed, folder, known, limit)
    except (pyarrow.ArrowException, OSError, EOFError) as error:
        raise UserError(f"{uri!r} cannot be read: {one_line(error)}") from error
    except UserError as error:
        raise UserError(f"{uri!r}: {error}") from error
    names = columns.names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(
            f"{uri!r}: two columns are called {twice[0]!r}: every column needs its own name"
        )
    return Source(uri, plain_schema(columns), rows, lambda: first(batches(), limit))


def first(
    batches: Iterable[pyarrow.RecordBatch], limit: int | None
) -> Iterator[pyarrow.RecordBatch]:
    """Give the batches with text as ``pyarrow.string()``, and no more than ``limit`` rows."""
    for batch in batches:
        piece = batch if limit is None else batch.slice(0, limit)
        if piece.num_rows:
            yield plain_text(piece)
        if limit is not None:
            limit -= piece.num_rows
            if not limit:
                return


def unpack(path: Path, packed: str, folder: Path) -> Path:
    """Return a file in ``folder`` with what the compressed file ``path`` holds."""
    target = folder / f"unpacked-{path.stem}"
    with pyarrow.input_stream(path, compression=packed) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    return target


# ---- CSV


def open_csv(path: Path, packed: str | None, folder: Path, known, limit):
    """Turn a CSV into an Arrow file. Empty fields and NA, NaN, null … are missing values."""
    with pyarrow.input_stream(path, compression=packed) as file:
        head = file.read(1 << 16)
    if found := MAGIC.get(head[:4]):
        raise UserError(f"this is {found}, not CSV: give it its right name")
    names = headerless(head, known)
    types = dict(known.text_columns()) if known else {}
    target, block = folder / "table.arrow", BLOCK
    while True:  # at most a few times a column: each time one of them is found to be wider
        try:
            columns, rows = convert(path, packed, target, names, types, limit, block)
            break
        except pyarrow.ArrowInvalid as error:
            if "straddl" in str(error) and block < LONGEST_ROW:
                block *= 16
                continue
            name, kind = wider(error, path, packed, names)
            if types.get(name) == kind:
                raise
            types[name] = kind
    return columns, rows, lambda: ipc_batches(target)


def headerless(head: bytes, known: schema.Schema | None) -> list[str] | None:
    """Return the columns' names for a CSV whose first line is numbers; None: it is a header.

    The first column is the label then, as in SageMaker, or, at prediction, may be left out.
    """
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    fields = [field.strip().strip('"') for field in line.split(",")]
    if not any(fields) or not all(schema.is_number(field) for field in fields if field):
        return None
    if known is None:
        if len(fields) == 1:
            return None
        print("no header: the first column is the label, the others are f1, f2 …")
        return ["label", *(f"f{place}" for place in range(1, len(fields)))]
    names = known.names()
    if len(fields) not in (len(names), len(names) + 1):
        raise UserError(
            f"its first line is numbers and has {len(fields)} columns, and the model has "
            f"{len(names)}: put a header line with the columns' names above it"
        )
    return names if len(fields) == len(names) else [known.label, *names]


def csv_reader(
    path: Path, packed: str | None, names: list[str] | None, types: dict, block: int = BLOCK
):
    """Return pyarrow's streaming reader of a CSV."""
    return pyarrow.csv.open_csv(
        pyarrow.input_stream(path, compression=packed),
        read_options=pyarrow.csv.ReadOptions(block_size=block, column_names=names),
        convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True, column_types=types),
    )


def convert(
    path: Path,
    packed: str | None,
    target: Path,
    names: list[str] | None,
    types: dict,
    limit: int | None,
    block: int,
) -> tuple[pyarrow.Schema, int]:
    """Write the CSV ``path`` as an Arrow file; return its columns and the number of its rows."""
    rows = 0
    with csv_reader(path, packed, names, types, block) as reader:
        if len(reader.schema.names) != len(set(reader.schema.names)):
            return reader.schema, 0  # refused by the caller
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        with pyarrow.ipc.new_file(target, reader.schema, options=options) as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
                if limit is not None and rows >= limit:
                    break
        return reader.schema, rows if limit is None else min(rows, limit)


def wider(error: pyarrow.ArrowInvalid, path: Path, packed, names) -> tuple[str, pyarrow.DataType]:
    """Return the column that a conversion ``error`` names, and the type to try next.

    Raises:
        pyarrow.ArrowInvalid: it is another error.
    """
    found = re.search(r"column #(\d+).*?CSV conversion error to ([^:]+):", str(error))
    if not found:
        raise error
    if names is None:
        with csv_reader(path, packed, None, {}) as reader:
            names = reader.schema.names
    kind = found[2].strip()
    return names[int(found[1])], WIDER.get(kind, pyarrow.string())


def ipc_batches(path: Path) -> Iterator[pyarrow.RecordBatch]:
    """Give the batches of an Arrow file."""
    with pyarrow.OSFile(str(path)) as file, pyarrow.ipc.open_file(file) as reader:
        for place in range(reader.num_record_batches):
            yield reader.get_batch(place)


# ---- Parquet


def open_parquet(path: Path, packed: str | None, folder: Path, known, limit):
    """Open a Parquet file; a row group is decoded piece by piece."""
    with pyarrow.parquet.ParquetFile(path) as file:
        columns, rows = file.schema_arrow, file.metadata.num_rows

    def batches() -> Iterator[pyarrow.RecordBatch]:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            yield from file.iter_batches(BATCH)

    return columns, rows if limit is None else min(rows, limit), batches


# ---- libsvm


def open_libsvm(path: Path, packed: str | None, folder: Path, known, limit):
    """Make a libsvm file dense: ``label``, f0 or f1 to the last, and ``qid`` where it has any.

    What a line leaves out is 0, as the format has it.
    """
    wanted = known and [name for name in known.names() if re.fullmatch(r"f\d+", name)]
    if wanted:
        numbers = [int(name[1:]) for name in wanted]
        low, high, grouped, rows = min(numbers), max(numbers), False, 0
        for piece in libsvm(path, limit):
            rows += len(piece.labels)
            grouped = grouped or piece.groups is not None
    else:
        low, high, grouped, rows = 1, 0, False, 0
        for piece in libsvm(path, limit):
            rows += len(piece.labels)
            grouped = grouped or piece.groups is not None
            if len(piece.indices):
                low = min(low, int(piece.indices.min()))
                high = max(high, int(piece.indices.max()))
    if high - low >= MOST_COLUMNS:
        raise UserError(f"{high - low + 1:,} columns, and {MOST_COLUMNS:,} are the most")
    names = ["label", *([GROUP] if grouped else []), *(f"f{n}" for n in range(low, high + 1))]
    columns = pyarrow.schema(
        [(name, pyarrow.int64() if name == GROUP else pyarrow.float64()) for name in names]
    )

    def batches() -> Iterator[pyarrow.RecordBatch]:
        for piece in libsvm(path, limit):
            dense = numpy.zeros((high - low + 1, len(piece.labels)))
            there = (piece.indices >= low) & (piece.indices <= high)
            dense[piece.indices[there] - low, piece.places[there]] = piece.values[there]
            groups = [piece.groups] if grouped else []
            yield pyarrow.record_batch([piece.labels, *groups, *dense], schema=columns)

    return columns, rows, batches


class Sparse(NamedTuple):
    """Rows of a libsvm file: labels and groups [rows]; row number, index, value of every entry."""

    labels: numpy.ndarray
    groups: numpy.ndarray | None
    places: numpy.ndarray
    indices: numpy.ndarray
    values: numpy.ndarray


def libsvm(path: Path, limit: int | None) -> Iterator[Sparse]:
    """Give the rows of a libsvm file, so many lines at a time."""
    with path.open("rb") as file:
        lines = (line.partition(b"#")[0].split() for line in file)
        rows = itertools.islice((words for words in lines if words), limit)
        number = 0
        while piece := list(itertools.islice(rows, LINES)):
            try:
                yield sparse(piece)
            except (ValueError, OverflowError) as error:
                raise UserError(
                    f"a line after row {number:,} is no libsvm (label index:value …): {one_line(error)}"
                ) from error
            number += len(piece)


def sparse(rows: list[list[bytes]]) -> Sparse:
    """Return the split lines of a libsvm file as arrays.

    Raises:
        ValueError: a word is no number or no pair.
    """
    labels = numpy.array([row[0] for row in rows]).astype(float)
    groups = None
    if rows[0][1:2] and rows[0][1].startswith(b"qid:"):
        groups = numpy.array([row[1].removeprefix(b"qid:") for row in rows]).astype(numpy.int64)
    begin = 1 if groups is None else 2
    words = [word for row in rows for word in row[begin:]]
    lengths = numpy.array([max(0, len(row) - begin) for row in rows])
    pairs = [word.split(b":") for word in words]
    indices = numpy.array([int(index) for index, _ in pairs], numpy.int64)
    if len(indices) and indices.min() < 0:
        raise ValueError("an index is negative")
    values = numpy.array([float(value) for _, value in pairs])
    return Sparse(labels, groups, numpy.repeat(numpy.arange(len(rows)), lengths), indices, values)


# ---- text


def plain_type(kind: pyarrow.DataType) -> pyarrow.DataType:
    """Return ``kind``, dictionaries as their values and every kind of text as pyarrow.string()."""
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if pyarrow.types.is_large_string(kind) or pyarrow.types.is_string_view(kind):
        return pyarrow.string()
    return kind


def plain_schema(columns: pyarrow.Schema) -> pyarrow.Schema:
    """Return the types of a table's columns as ``plain_text`` gives them."""
    return pyarrow.schema([(field.name, plain_type(field.type)) for field in columns])


def plain_text(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Return ``batch`` with the types of ``plain_schema``."""
    columns = plain_schema(batch.schema)
    arrays = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, columns, strict=True)
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=columns)
