"""From a path to record batches: one file, a folder or a glob; CSV, Parquet or libsvm.

Every file is read in pieces, so that no table has to fit in memory. A CSV is turned into an Arrow
file on scratch disk first: the types of its columns are known for sure only at its end.
"""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy
import pyarrow
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from training import formats, machine, schema, storage
from training.errors import UserError, one_line
from training.formats import How
from training.libsvm import open_libsvm

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
# A column of the first type may turn out to be one of the second further down.
WIDER = {"null": pyarrow.int64(), "int64": pyarrow.float64()}


class Source(NamedTuple):
    """One file: its columns, the number of its rows, and its batches, from the first at each call."""

    name: str
    schema: pyarrow.Schema
    rows: int
    batches: Callable[[], Iterator[pyarrow.RecordBatch]]


def open_all(
    table: str,
    folder: Path,
    known: schema.Schema | None = None,
    limit: int | None = None,
    content_type: str | None = None,
    text: Iterable[str] = (),
) -> list[Source]:
    """Return the files at ``table``, in the order of their names, with at least one row in all.

    ``folder`` is on scratch disk and must stay while they are read. ``known`` reads columns as they
    were read in training, ``limit`` is the most rows in all, ``content_type`` is SageMaker's word
    for the format, and the columns in ``text`` of a CSV are text, be they digits or not.
    """
    pyarrow.set_cpu_count(machine.threads())
    text = tuple(known.text_columns() if known else text)
    how = formats.of_content(content_type)._replace(known=known, text=text, limit=limit)
    sources: list[Source] = []
    for path in files(table, how):
        if how.limit == 0:
            break
        below = Path(tempfile.mkdtemp(dir=folder))
        source = open_one(path, below, how)
        how = how if limit is None else how._replace(limit=how.limit - source.rows)
        sources.append(source)
    rows = sum(source.rows for source in sources)
    if not rows:
        raise UserError(f"{table!r} has no rows below its header")
    number = f" in {len(sources):,} files" if len(sources) > 1 else ""
    columns = len(sources[0].schema.names)
    print(f"read {table}: {rows:,} rows, {columns} columns{number}")
    return sources


def files(table: str, how: How) -> list[Path]:
    """Return the files that ``table`` names, sorted: itself, if it is a file.

    A folder is searched to any depth; names that begin with ``_`` or ``.`` are not data.
    """
    path = Path(table)
    if path.is_dir():
        found = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file()
            and not any(part.startswith(("_", ".")) for part in file.relative_to(path).parts)
        ]
        found = [
            file for file in found if how.kind or formats.named(file)[0] or formats.sniffed(file)
        ]
        if not found:
            raise UserError(
                f"{table!r} is a folder without a table in it: a table is a file {', '.join(formats.ENDINGS)}"
            )
        return found
    if path.exists() or not re.search(r"[*?\[]", table):
        return [storage.existing(path)]
    found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    found = [file for file in found if file.is_file() and file.name[0] not in "_."]
    if not found:
        raise UserError(
            f"{table!r}: no file matches; put the pattern in quotes if a shell is between"
        )
    return found


def open_one(path: Path, folder: Path, how: How) -> Source:
    """Return the one file ``path``, readable in batches."""
    name, (kind, packed) = str(path), formats.named(path)
    kind = how.kind or kind or formats.sniffed(storage.existing(path))
    if not path.stat().st_size:
        raise UserError(f"{name!r} is empty: a table has a header line and rows")
    if kind is None:
        raise UserError(
            f"{name!r}: a table is a file {', '.join(formats.ENDINGS)} (each also .gz or .zst), or a folder "
            "of such files; convert or rename it"
        )
    opener = {"CSV": open_csv, "Parquet": open_parquet, "libsvm": open_libsvm}[kind]
    with reading(name):
        if packed and kind != "CSV":
            path = unpack(path, packed, folder)
        columns, rows, batches = opener(path, packed, folder, how)
    names = columns.names
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise UserError(
            f"{name!r}: two columns are called {twice[0]!r}: every column needs its own name"
        )

    def pieces() -> Iterator[pyarrow.RecordBatch]:
        with reading(name):  # damage inside shows here
            yield from first(batches(), how.limit)

    return Source(name, plain_schema(columns), rows, pieces)


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Name the file in what is said of it."""
    try:
        yield
    except (pyarrow.ArrowException, OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno in storage.FULL:
            raise  # it is scratch that is full
        raise UserError(f"{name!r} cannot be read: {one_line(error)}") from error
    except UserError as error:
        raise UserError(f"{name!r}: {error}") from error


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


def open_csv(path: Path, packed: str | None, folder: Path, how: How):
    """Turn a CSV into an Arrow file. Empty fields and NA, NaN, null … are missing values."""
    with pyarrow.input_stream(path, compression=packed) as file:
        head = file.read(1 << 16)
    if found := MAGIC.get(head[:4]):
        raise UserError(f"this is {found}, not CSV: give it its right name")
    names = headerless(head, how)
    types = dict.fromkeys(how.text, pyarrow.string())
    target, block = folder / "table.arrow", BLOCK
    while True:  # at most a few times a column: each time one of them is found to be wider
        try:
            columns, rows = convert(path, packed, target, names, types, how.limit, block)
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


def headerless(head: bytes, how: How) -> list[str] | None:
    """Return the columns' names for a CSV whose first line is numbers; None: it is a header.

    The first column is the label then, as in SageMaker, or, at prediction, may be left out.
    """
    lines = [
        [field.strip().strip('"') for field in line.split(",")]
        for line in head.decode("utf-8", "replace").splitlines()[:2]
    ]
    fields = lines[0]
    numbers = any(fields) and all(schema.is_number(field) for field in fields if field)
    if how.header is False and [any(map(schema.is_number, line)) for line in lines] == [
        False,
        True,
    ]:
        raise UserError(
            "its first line has the columns' names, and a file of ContentType text/csv begins with a "
            "row: remove that line, or leave ContentType out and end the file's name in .csv"
        )
    if how.header is None and (not numbers or len(fields) == 1 and how.known is None):
        return None
    if how.known is None:
        if not how.label:
            return [f"f{place}" for place in range(1, len(fields) + 1)]
        print("no header: the first column is the label, the others are f1, f2 …")
        return ["label", *(f"f{place}" for place in range(1, len(fields)))]
    names = list(how.known.source) or [how.known.label, *how.known.names()]
    bare = [name for name in names if name != how.known.label]
    if len(fields) not in (len(names), len(bare)):
        raise UserError(
            f"its first line is numbers and has {len(fields)} columns, and the training table had "
            f"{len(names)}: put a header line with the columns' names above it"
        )
    return names if len(fields) == len(names) else bare


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
    """Return the column that a conversion ``error`` names, and the type to try next, or raise it."""
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


def open_parquet(path: Path, packed: str | None, folder: Path, how: How):
    """Open a Parquet file; a row group is decoded piece by piece.

    Metadata ``sparse=f`` says that a column f0, f1 … that is not there is 0 in every row.
    """
    with pyarrow.parquet.ParquetFile(path) as file:
        columns, rows = file.schema_arrow, file.metadata.num_rows
    for name in utf8(path, columns):
        place = columns.get_field_index(name)
        columns = columns.set(place, pyarrow.field(name, pyarrow.string()))
    prefix = (columns.metadata or {}).get(b"sparse", b"").decode()
    read, missing = columns.names, []
    if prefix and how.known:
        numbered = re.compile(re.escape(prefix) + r"\d+")
        wanted = [*how.known.names(), *how.known.source]
        wanted = [name for name in dict.fromkeys(wanted) if numbered.fullmatch(name)]
        missing = [name for name in wanted if name not in read]
        read = [name for name in read if name in wanted or not numbered.fullmatch(name)]
        fields = [columns.field(name) for name in read]
        columns = pyarrow.schema([*fields, *((name, pyarrow.float64()) for name in missing)])

    def batches() -> Iterator[pyarrow.RecordBatch]:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            for batch in file.iter_batches(BATCH, columns=read):
                zeros = [pyarrow.array(numpy.zeros(batch.num_rows))] * len(missing)
                kinds = zip([*batch.columns, *zeros], columns.types, strict=True)
                arrays = [a if a.type == kind else a.cast(kind) for a, kind in kinds]
                yield pyarrow.record_batch(arrays, schema=columns)

    return columns, rows if how.limit is None else min(rows, how.limit), batches


def utf8(path: Path, columns: pyarrow.Schema) -> list[str]:
    """Return the columns of bytes that hold UTF-8 in every row, as some programs write text."""
    tests = (
        pyarrow.types.is_binary, pyarrow.types.is_large_binary, pyarrow.types.is_binary_view,
        pyarrow.types.is_fixed_size_binary,
    )  # fmt: skip
    found = [field.name for field in columns if any(test(field.type) for test in tests)]
    if found and len(set(columns.names)) == len(columns.names):
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            for batch in file.iter_batches(BATCH, columns=found):
                found = [name for name in found if is_text(batch.column(name))]
    return found


def is_text(column: pyarrow.Array) -> bool:
    """Return whether every value of a column of bytes is UTF-8."""
    try:
        column.cast(pyarrow.string())
    except pyarrow.ArrowException:
        return False
    return True


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
