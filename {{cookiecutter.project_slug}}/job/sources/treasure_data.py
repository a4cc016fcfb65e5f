"""Tables of Treasure Data: ``td://database/table?columns=a,b&limit=N`` and ``td://database?query=SQL``.

Read by a Trino query whose result comes as msgpack.gz and becomes a local Parquet file, a batch of
rows at a time; written by bulk import. The key is in TD_API_KEY and nowhere else, the server in
TD_API_SERVER. td-client is an extra: installed only where it is asked for.
"""

import contextlib
import gzip
import importlib.util
import itertools
import json
import os
import re
import tempfile
import time
import urllib.parse
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy
import pyarrow
import pyarrow.csv
import pyarrow.parquet

from job.errors import PassingError, UserError, one_line

if TYPE_CHECKING:
    import tdclient

SERVER = "https://api.treasuredata.com"
NAME = re.compile(r"[a-z0-9_]{3,255}")  # of a database or table
EXAMPLE = "td://database/table?columns=a,b&limit=1000"
SPARSE = {"sparse": "f"}  # columns f0, f1 … that a table lacks mean 0 (training/sources.py)
TIME = "time"  # when a row was imported: every table has it
BATCH = 4_000_000  # values that are in memory at a time
MOST_FEATURES = 10_000  # columns that an array may become
PART_ROWS = 100_000  # rows of one upload
# td-client's errors that stay so
REFUSALS = {
    "AuthError": "the server refuses the key in TD_API_KEY",
    "ForbiddenError": "the key in TD_API_KEY may not do that",
    "NotFoundError": "no such database or table",
}
# Trino's types by the beginning of their names
TYPES = {
    r"tinyint|smallint|int|integer|bigint|long": pyarrow.int64(),
    r"real|float|double|decimal": pyarrow.float64(),
    r"boolean": pyarrow.bool_(),
    r"varchar|char|string": pyarrow.string(),
    r"unknown": pyarrow.null(),
}


class Source(NamedTuple):
    """What a URI names."""

    database: str
    table: str | None  # None: a query of the user's
    query: str  # Trino's SQL
    has_time: bool  # among the columns, although nobody named it


def parse(uri: str) -> Source:
    """Return what ``uri`` names, or raise UserError. In the query that is made of it, names are quoted."""
    place, _, text = uri.removeprefix("td://").partition("?")
    database, slash, table = place.partition("/")
    if not all(NAME.fullmatch(name) for name in ([database, table] if slash else [database])):
        raise UserError(
            f"{uri!r}: a database or table of Treasure Data has a name of small letters, digits and _, "
            f"3 at least; type for example: {EXAMPLE}"
        )
    try:
        pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError as error:
        raise UserError(f"{uri!r}: what follows ? is not NAME=VALUE&…, URL-encoded") from error
    given = dict(pairs)
    allowed = {"columns", "limit"} if slash else {"query"}
    if len(given) < len(pairs) or not given.keys() <= allowed or not slash and not given:
        raise UserError(
            f"{uri!r}: after a table ? may have columns and limit, after a database it has query, "
            f"each once; type for example: {EXAMPLE} or td://database?query=SELECT%20…"
        )
    if not slash:
        return Source(database, None, given["query"], has_time=False)
    columns = given["columns"].split(",") if "columns" in given else []
    if any(not name.isprintable() or not 1 <= len(name) <= 255 for name in columns):
        raise UserError(f"{uri!r}: columns are names separated by commas; for example: columns=a,b")
    if len(set(columns)) < len(columns):
        raise UserError(f"{uri!r}: a column is named twice")
    limit = given.get("limit", "1")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", limit, re.ASCII):
        raise UserError(f"{uri!r}: limit is a whole number from 1 on; for example: limit=1000")
    query = f"SELECT {', '.join(map(quoted, columns)) or '*'} FROM {quoted(table)}"
    if "limit" in given:
        query += f" LIMIT {limit}"
    return Source(database, table, query, has_time=not columns)


def quoted(name: str) -> str:
    """Return ``name`` as an identifier of SQL that can be nothing else."""
    return '"' + name.replace('"', '""') + '"'


# ---- reading


def fetch(uri: str, folder: Path) -> Path:
    """Run the query that ``uri`` stands for and return its result as a Parquet file in ``folder``.

    A column of arrays of "index:value" becomes the columns f0, f1 … by index, with 0 where a row
    does not name it, up to the highest index there is; the file's metadata says so (SPARSE), since
    in another table that index is another one. ``time`` is left out of a table whose columns are not
    named.
    """
    source = parse(uri)
    with api(uri) as client:
        job = client.query(source.database, source.query, type="trino")
        print(f"-- {uri}: query {job.job_id} is running on Treasure Data", flush=True)
        wait(client, uri, job, "the query")
        result = folder / f"td-{job.job_id}.msgpack.gz"
        download(client, uri, job, result)
    names = [name for name, *_ in job.result_schema or ()]
    types = [type_of(uri, name, kind) for name, kind, *_ in job.result_schema or ()]
    if not names:
        raise UserError(f"{uri!r}: the query has no columns")
    if source.has_time:
        types = [None if name == TIME else kind for name, kind in zip(names, types, strict=True)]
    path = result.with_suffix("").with_suffix(".parquet")
    try:
        rows = convert(result, names, types, path)
    except UserError as error:
        raise UserError(f"{uri!r}: {error}") from error
    except (OSError, EOFError, ValueError, TypeError, pyarrow.ArrowException) as error:
        raise UserError(f"{uri!r}: the result cannot be read: {one_line(error)}") from error
    if not rows:
        raise UserError(f"{uri!r}: the query gives no rows")
    result.unlink()
    print(f"-- fetched {uri} ({rows:,} rows)", flush=True)
    return path


def type_of(uri: str, name: str, kind: str) -> pyarrow.DataType:
    """Return the type of a result's column; a list stands for an array of "index:value"."""
    if re.match(r"array\((varchar|char|string)|array<string>", kind):
        return pyarrow.list_(pyarrow.string())
    for pattern, found in TYPES.items():
        if re.fullmatch(rf"({pattern})(\(.*\))?", kind):
            return found
    raise UserError(
        f"{uri!r}: column {name!r} is of type {kind}: make it numbers, text or an array of "
        "'index:value' with query=, or leave it out with columns="
    )


def wait(client: "tdclient.Client", uri: str, job: "tdclient.models.Job", what: str) -> None:
    """Wait until ``job`` has succeeded, or raise UserError. If this program is stopped, so is the job."""
    try:
        job.wait(wait_interval=1)
    except BaseException:
        with contextlib.suppress(Exception):
            client.kill(job.job_id)
        raise
    if not job.success():
        raise UserError(f"{uri!r}: {what} failed: {cause(job.debug)}")


def cause(debug: Mapping[str, str] | None) -> str:
    """Return the line of a job's output that says most likely why it failed."""
    lines = [
        line.strip()
        for name in ("stderr", "cmdout")
        for line in str((debug or {}).get(name) or "").splitlines()
        if line.strip()
    ]
    telling = [
        line for line in lines if re.search(r"error|fail|not exist|line \d+:", line, re.IGNORECASE)
    ]
    return one_line((telling or lines or ["Treasure Data does not say why"])[-1])[:500]


def download(client: "tdclient.Client", uri: str, job: "tdclient.models.Job", path: Path) -> None:
    """Save the result of ``job`` to ``path`` as msgpack.gz; raise UserError if it does not come whole."""
    for _ in range(3):
        with contextlib.suppress(OSError):  # td-client leaves out a part that does not come
            client.download_job_result(job.job_id, str(path), num_threads=4)
            if path.stat().st_size == job.result_size:
                return
    raise UserError(f"{uri!r}: the result of query {job.job_id} did not arrive complete; try again")


def rows_of(path: Path, width: int) -> Iterator[list]:
    """Give the rows of a result, of ``width`` values each."""
    import msgpack

    with gzip.open(path, "rb") as file:
        for row in msgpack.Unpacker(file, raw=False, max_buffer_size=1 << 30):
            if not isinstance(row, list) or len(row) != width:
                raise UserError("the result has rows that do not fit its columns")
            yield row


def convert(
    source: Path, names: Sequence[str], types: Sequence[pyarrow.DataType | None], target: Path
) -> int:
    """Write a result, msgpack.gz, as the Parquet file ``target`` and return how many rows it has.

    A column whose type is None is left out.
    """
    columns = [
        (place, *each) for place, each in enumerate(zip(names, types, strict=True)) if each[1]
    ]
    arrays = [each for each in columns if pyarrow.types.is_list(each[2])]
    plain = [each for each in columns if each not in arrays]
    if len(arrays) > 1:
        raise UserError(
            f"columns {arrays[0][1]!r} and {arrays[1][1]!r} are both arrays: choose one"
        )
    features = 0
    for place, name, _ in arrays:
        every = (max(entries(name, row[place]), default=-1) for row in rows_of(source, len(names)))
        features = max(every, default=-1) + 1
        if features > MOST_FEATURES:
            raise UserError(
                f"column {name!r} has the index {features - 1:,}: below {MOST_FEATURES:,} is read"
            )
    fields = [pyarrow.field(name, kind) for _, name, kind in plain]
    fields += [pyarrow.field(f"f{index}", pyarrow.float64()) for index in range(features)]
    shape = pyarrow.schema(fields, SPARSE if arrays else None)
    size, count = max(1, BATCH // max(1, len(fields))), 0
    with pyarrow.parquet.ParquetWriter(target, shape) as writer:
        rows = rows_of(source, len(names))
        while batch := list(itertools.islice(rows, size)):
            # decimals come as text
            made = [
                pyarrow.array([row[place] for row in batch]).cast(kind) for place, _, kind in plain
            ]
            for place, name, _ in arrays:
                dense = numpy.zeros((features, len(batch)))
                for number, row in enumerate(batch):
                    for index, weight in entries(name, row[place]).items():
                        dense[index, number] = weight
                made += map(pyarrow.array, dense)
            writer.write_table(pyarrow.table(made, schema=shape))
            count += len(batch)
    return count


def entries(name: str, given: list | str | None) -> dict[int, float]:
    """Return the values by index of an array ["3:0.5", "7", …]; an index alone means 1."""
    words = json.loads(given) if isinstance(given, str) else given or ()
    found = {}
    for word in words:
        index, _, weight = str(word).partition(":")
        try:
            found[int(index)] = float(weight or 1)
        except ValueError as error:
            raise UserError(
                f"column {name!r} holds {word!r}: 'index:value' was expected"
            ) from error
        if not index.isdecimal():
            raise UserError(f"column {name!r} holds {word!r}: an index is a whole number from 0 on")
    return found


# ---- writing


def append(uri: str, path: Path) -> int:
    """Append a CSV of predictions to the table ``uri``, made if need be, and return how many rows it has.

    All of its rows are appended or none of them; each gets the ``time`` of now, in seconds since 1970.
    """
    source = parse(uri)
    if source.table is None or "?" in uri:
        raise UserError(
            f"{uri!r}: predictions go to a table; type for example: td://database/table_predict"
        )
    table = pyarrow.csv.read_csv(path)
    if TIME in table.column_names:
        table = table.drop_columns(TIME)
    table = table.rename_columns(column_names(table.column_names))
    now = pyarrow.array(numpy.full(table.num_rows, int(time.time())))
    table = table.add_column(0, TIME, now)
    name = f"{source.table[:100]}_{uuid.uuid4().hex}"
    with api(uri) as client:
        from tdclient.errors import AlreadyExistsError

        with contextlib.suppress(AlreadyExistsError):
            client.create_log_table(source.database, source.table)
        load = client.create_bulk_import(name, source.database, source.table)
        try:
            upload(load, table)
            client.freeze_bulk_import(name)
            wait(client, uri, client.perform_bulk_import(name), "the import")
            load.update()
            if load.error_records:
                raise UserError(
                    f"{uri!r}: {load.error_records:,} rows were refused, and nothing was written"
                )
            client.commit_bulk_import(name)
        except BaseException:
            with contextlib.suppress(Exception):
                load.delete()
            raise
    return table.num_rows


def upload(load: "tdclient.models.BulkImport", table: pyarrow.Table) -> None:
    """Upload ``table`` to a bulk import, in parts."""
    import msgpack

    for number, batch in enumerate(table.to_batches(PART_ROWS)):
        with tempfile.TemporaryFile() as file:
            with gzip.GzipFile(fileobj=file, mode="wb") as packed:
                packed.writelines(map(msgpack.packb, batch.to_pylist()))
            size = file.tell()
            file.seek(0)
            load.upload_part(f"part_{number}", file, size)


def column_names(names: Sequence[str]) -> list[str]:
    """Return ``names`` as Treasure Data takes them: small letters, digits and _, each once."""
    found: list[str] = []
    for name in names:
        base = name = re.sub(r"[^a-z0-9_]", "_", name.lower())
        number = 2
        while name in found:
            name, number = f"{base}_{number}", number + 1
        found.append(name)
    return found


# ---- the server


@contextlib.contextmanager
def api(uri: str) -> Iterator["tdclient.Client"]:
    """Give a client of Treasure Data, and turn its errors into UserError or PassingError about ``uri``."""
    if importlib.util.find_spec("tdclient") is None:
        raise UserError(
            f"{uri!r}: Treasure Data needs an extra: put EXTRAS = treasure-data into .env, then type: "
            "make install, for ECS make push EXTRAS=treasure-data"
        )
    import tdclient

    key = os.environ.get("TD_API_KEY", "").strip()
    if not re.fullmatch(r"[!-~]+", key):
        raise UserError(
            f"{uri!r}: {'TD_API_KEY is not a key' if key else 'there is no key'}: set TD_API_KEY in the environment"
        )
    server = os.environ.get("TD_API_SERVER") or SERVER
    if not re.fullmatch(r"https?://[^/\s@]+/?", server):
        raise UserError(f"TD_API_SERVER is not a server; type for example: TD_API_SERVER={SERVER}")
    try:
        with tdclient.Client(
            apikey=key, endpoint=f"{server.rstrip('/')}/", max_cumul_retry_delay=60
        ) as client:
            yield client
    except tdclient.errors.APIError as error:
        what = REFUSALS.get(type(error).__name__)
        detail = (
            "" if isinstance(error, tdclient.errors.AuthError) else f" ({one_line(error)[:300]})"
        )
        sentence = f"{uri!r}: {what or 'no usable answer'}{detail}, says {server}"
        raise (UserError if what else PassingError)(sentence) from error
