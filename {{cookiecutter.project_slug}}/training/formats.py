"""What format a file has, by its name, its content or SageMaker's word for it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow

from training.errors import UserError
from training.reading import Reading
from training.schema import Schema

ENDINGS = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".libsvm": "libsvm",
    ".svm": "libsvm",
}
PACKED = {".gz": "gzip", ".zst": "zstd"}
# What a packed file begins with, be it called what it may.
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# What SageMaker calls the formats: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
CONTENT_TYPES = {
    "text/csv": "CSV",
    "csv": "CSV",
    "application/x-parquet": "Parquet",
    "parquet": "Parquet",
    "text/libsvm": "libsvm",
    "text/x-libsvm": "libsvm",
    "libsvm": "libsvm",
}
# The first line of a libsvm file.
LIBSVM = re.compile(rb"[-+.\deE]+(:[-+.\deE]+)?( qid:\d+)?( \d+:[-+.\deE]+)+ *(#.*)?")


class How(NamedTuple):
    """How files are read.

    ``known`` reads columns as they were read in training, and those in ``text`` as text. ``kind``
    is a format whatever the files are called; None: their names tell. ``header`` is False where
    SageMaker's word is that a CSV has none, and ``label`` says whether its first column is the label
    then. ``reading`` is what the options say.
    """

    known: Schema | None = None
    text: tuple[str, ...] = ()
    limit: int | None = None
    kind: str | None = None
    header: bool | None = None
    label: bool = True
    reading: Reading = Reading()


class Source(NamedTuple):
    """One file: its columns, the number of its rows, and its batches, from the first at each call.

    ``kind`` is its format, and ``index`` are the columns that number or name its rows.
    """

    name: str
    schema: pyarrow.Schema
    rows: int
    batches: Callable[[], Iterator[pyarrow.RecordBatch]]
    kind: str = "Parquet"
    index: tuple[str, ...] = ()


def of_content(content_type: str | None) -> How:
    """Return how SageMaker has files of a content type read, such as ``text/csv;label_size=0``."""
    if not content_type:
        return How()
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if kind not in CONTENT_TYPES:
        raise UserError(f"ContentType {content_type!r}: it is one of {', '.join(CONTENT_TYPES)}")
    csv = CONTENT_TYPES[kind] == "CSV"
    return How(
        kind=CONTENT_TYPES[kind],
        header=False if csv else None,
        label="label_size=0" not in parameters,
    )


def named(path: Path) -> tuple[str | None, str | None]:
    """Return the format and the compression that the file's name tells; None: it does not."""
    last = [suffix.lower() for suffix in path.suffixes[-2:]] or [""]
    packed = PACKED.get(last[-1])
    return ENDINGS.get(last[0] if packed and len(last) == 2 else last[-1]), packed


def packing(path: Path) -> str | None:
    """Return how the file is packed: by its content, which its name may belie."""
    with path.open("rb") as file:
        head = file.read(4)
    found = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)
    if found and found != named(path)[1]:
        print(f"{path.name}: the file is {found}, whatever it is called")
    return found or named(path)[1]


def sniffed(path: Path) -> str | None:
    """Return the format of a file whose name does not tell it, where the content is unmistakable."""
    with path.open("rb") as file:
        head = file.read(1 << 20)
    if head[:4] == b"PAR1":
        return "Parquet"
    return "libsvm" if LIBSVM.fullmatch(head.partition(b"\n")[0].strip()) else None
