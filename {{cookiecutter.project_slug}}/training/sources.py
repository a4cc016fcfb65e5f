"""From a path to record batches: one file, a folder or a glob; CSV, Parquet or libsvm.

Every file is read in pieces, so that no table has to fit in memory.
"""

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet

from training import folders, formats, machine, schema, storage, values
from training.delimited import open_csv
from training.errors import UserError, one_line
from training.formats import How, Source
from training.libsvm import open_libsvm
from training.reading import Reading

BATCH = 1 << 14  # rows of a Parquet file that are decoded at a time


def open_all(
    table: str,
    folder: Path,
    known: schema.Schema | None = None,
    limit: int | None = None,
    content_type: str | None = None,
    reading: Reading | None = None,
    text: Iterable[str] = (),
) -> list[Source]:
    """Return the files at ``table`` that have rows, in the order of their names.

    ``folder`` is on scratch disk and must stay while they are read. ``known`` reads columns as they
    were read in training, ``limit`` is the most rows in all, ``content_type`` is SageMaker's word
    for the format, ``reading`` what the options say, and the columns in ``text`` of a CSV are text,
    be they digits or not.
    """
    pyarrow.set_cpu_count(machine.threads())
    reading = reading or Reading.from_json(known.reading if known else {})
    text = tuple(known.text_columns() if known else text) + reading.text
    how = formats.of_content(content_type)
    how = how._replace(known=known, text=text, limit=limit, reading=reading)
    sources: list[Source] = []
    empty: list[str] = []
    paths = folders.files(table, how)
    more = folders.partitions(table, paths, how)
    for path in paths:
        if how.limit == 0:
            break
        below = Path(tempfile.mkdtemp(dir=folder))
        source = open_one(path, below, how, more[path], alone=len(paths) == 1)
        if not source.rows:
            empty.append(source.name)
            continue
        how = how if limit is None else how._replace(limit=how.limit - source.rows)
        sources.append(source)
    if not sources:
        raise UserError(f"{table!r} has no rows below its header")
    if empty:
        print(f"skipped, without a row: {schema.listed(empty)}")
    if known is None:
        check_options(reading, {source.kind for source in sources})
    rows = sum(source.rows for source in sources)
    number = f" in {len(sources):,} files" if len(sources) > 1 else ""
    columns = len(sources[0].schema.names)
    print(f"read {table}: {rows:,} rows, {columns} columns{number}")
    return values.as_numbers(sources, how)


def check_options(reading: Reading, kinds: set[str]) -> None:
    """Raise UserError if an option says how to read what none of the files is."""
    for name in reading.to_json():
        needed = {"header", "encoding", "separator"}, {"missing", "decimal", "text"}
        of_csv, of_text = (name in names for names in needed)
        if of_csv and "CSV" not in kinds or of_text and kinds == {"libsvm"}:
            raise UserError(f"--{name}: the table is {', '.join(sorted(kinds))}; leave it out")


def open_one(
    path: Path, folder: Path, how: How, more: dict[str, pyarrow.Scalar], alone: bool = True
) -> Source:
    """Return the one file ``path``, readable in batches, with the columns ``more`` of its folders.

    A file of no bytes is refused if it is ``alone``, and has no rows otherwise.
    """
    name, (kind, _) = str(path), formats.named(path)
    kind = how.kind or kind or formats.sniffed(storage.existing(path))
    if not path.stat().st_size:
        if not alone:
            return Source(name, pyarrow.schema([]), 0, lambda: iter(()))
        raise UserError(f"{name!r} is empty: a table has a header line and rows")
    if kind is None:
        raise UserError(
            f"{name!r}: a table is a file {', '.join(formats.ENDINGS)} (each also .gz or .zst), or a folder "
            "of such files; convert or rename it"
        )
    opener = {"CSV": open_csv, "Parquet": open_parquet, "libsvm": open_libsvm}[kind]
    with reading(name):
        packed = formats.packing(path)
        if packed and kind != "CSV":
            path = unpack(path, packed, folder)
        columns, rows, batches, index = opener(path, packed, folder, how)
    names = values.clean(columns.names, how)
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise UserError(
            f"{name!r}: two columns are called {twice[0]!r}: every column needs its own name"
        )

    for column in more if how.known is None else ():
        if column in names:
            print(
                f"{name}: column {column!r} is what the folder's name says, not what the file has"
            )

    def read(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
        return values.plain(folders.with_columns(batch, more), how, kind == "CSV")

    def pieces() -> Iterator[pyarrow.RecordBatch]:
        with reading(name):  # damage inside shows here
            yield from first(map(read, batches()), how.limit)

    shown = read(values.nothing(columns)).schema
    return Source(name, shown, rows, pieces, kind, index)


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
    """Give the batches that have rows, and no more than ``limit`` rows in all."""
    for batch in batches:
        piece = batch if limit is None else batch.slice(0, limit)
        if piece.num_rows:
            yield piece
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
    index = pandas_index(columns)
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

    return columns, rows if how.limit is None else min(rows, how.limit), batches, index


def pandas_index(columns: pyarrow.Schema) -> tuple[str, ...]:
    """Return the columns that were the index of a DataFrame, as pandas noted in the file."""
    noted = json.loads((columns.metadata or {}).get(b"pandas", b"{}"))
    return tuple(
        name
        for name in noted.get("index_columns", ())
        if isinstance(name, str) and name in columns.names  # a range is an object
    )


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
