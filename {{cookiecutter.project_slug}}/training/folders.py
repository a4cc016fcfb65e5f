"""The files that a table consists of, and the columns that the names of their folders stand for."""

import re
from pathlib import Path

import pyarrow
import pyarrow.dataset

from training import formats, storage
from training.errors import UserError
from training.formats import How

# What marks a table of which only some files count, and how to get those as plain files.
LAKES = {
    "_delta_log": ("Delta", "deltalake.DeltaTable(FOLDER).to_pyarrow_table() of Python's deltalake"),
    "metadata": ("Iceberg", "pyiceberg's table.scan().to_arrow()"),
    ".hoodie": ("Hudi", "Spark's spark.read.format('hudi').load(FOLDER)"),
}  # fmt: skip


def files(table: str, how: How) -> list[Path]:
    """Return the files that ``table`` names, sorted: itself, if it is a file.

    A folder is searched to any depth; names that begin with ``_`` or ``.`` are not data.
    """
    path = Path(table)
    if path.is_dir():
        found = sorted(path.rglob("*"))
        for folder in (path, *(each for each in found if each.is_dir())):
            check_plain(folder, table)
        found = [
            file
            for file in found
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
    for folder in {parent for file in found for parent in file.parents}:
        check_plain(folder, table)
    return found


def check_plain(folder: Path, table: str) -> None:
    """Raise UserError if ``folder`` is a table of Delta, Iceberg or Hudi: it has old rows too."""
    for name, (kind, way) in LAKES.items():
        mark = folder / name
        if mark.is_dir() and (name != "metadata" or any(mark.glob("*.metadata.json"))):
            raise UserError(
                f"{table!r} is a table of {kind}, whose folder also holds rows that are no longer in "
                f"it: write the rows that count into a Parquet file, by {way}"
            )


def partitions(table: str, paths: list[Path], how: How) -> dict[Path, dict[str, pyarrow.Scalar]]:
    """Return for every file the columns that its folders stand for: year=2020/month=1, as Hive has it.

    Folders above ``table`` count only where the model was trained with such a column.
    """
    named = Path(table).parts
    fixed = next((n for n, part in enumerate(named) if re.search(r"[*?\[]", part)), len(named))
    wanted = {*how.known.source, *how.known.names()} if how.known else set()
    given = {path: keys(path, fixed, wanted) for path in paths}
    names = [*dict.fromkeys(name for found in given.values() for name in found)]
    typed = {
        name: column([found.get(name) for found in given.values()], name in how.text)
        for name in names
    }
    if names and not how.known:
        print(f"columns from the names of folders: {', '.join(map(repr, names))}")
    return {
        path: {name: typed[name][place] for name in names if name in found}
        for place, (path, found) in enumerate(given.items())
    }


def keys(path: Path, above: int, wanted: set[str]) -> dict[str, str | None]:
    """Return the names and values of the folders key=value that ``path`` is in, as text.

    Of the first ``above`` folders only those in ``wanted`` count.
    """
    folders = path.parent.parts
    names = [part.partition("=")[0] for part in folders if "=" in part]
    kind = pyarrow.dataset.HivePartitioning(
        pyarrow.schema([(name, pyarrow.string()) for name in dict.fromkeys(names)])
    )
    found = pyarrow.dataset.get_partition_keys(kind.parse(f"{path.parent.as_posix()}/"))
    below = {part.partition("=")[0] for part in folders[above:] if "=" in part}
    return {name: found.get(name) for name in dict.fromkeys(names) if name in below | wanted}


def column(values: list[str | None], text: bool) -> pyarrow.Array:
    """Return the values as whole numbers, numbers or dates, if every one is one; or as ``text``."""
    array = pyarrow.array(values, pyarrow.string())
    for kind in () if text else (pyarrow.int64(), pyarrow.float64(), pyarrow.date32()):
        try:
            return array.cast(kind)
        except pyarrow.ArrowInvalid:
            continue
    return array


def with_columns(
    batch: pyarrow.RecordBatch, more: dict[str, pyarrow.Scalar]
) -> pyarrow.RecordBatch:
    """Return ``batch`` with the same value of every column in ``more`` in all rows."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    columns |= {name: pyarrow.repeat(value, batch.num_rows) for name, value in more.items()}
    return pyarrow.record_batch(columns)
