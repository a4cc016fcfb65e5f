"""The rows of runs that have ended, in one object of the bucket: a table of many runs takes few calls.

It holds nothing that the runs' own files do not say; whoever prints the table brings it up to date.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecs.aws import client
from ecs.console import note
from ecs.history import records, sound
from ecs.history.run import Run
from ecs.settings import Settings

NEW = 10  # rows, for which the object is written


@dataclass(frozen=True)
class Index:
    """Rows by run id, and what their columns are; the ETag under which they were read, "" where there is none.

    ``changes`` counts the writes, since the ETag of a content that was there before is the same again.
    """

    columns: list[str] = field(default_factory=list)
    rows: dict[str, list[str]] = field(default_factory=dict)
    version: str = ""
    changes: int = 0


def load(settings: Settings, outputs: Mapping[str, str]) -> Index:
    """Return the index; an empty one where there is none, or a damaged one."""
    s3 = client(settings, "s3")
    try:
        answer = s3.get_object(Bucket=outputs["Bucket"], Key=key(settings))
    except s3.exceptions.NoSuchKey:
        return Index()
    try:
        found = sound.parsed(answer["Body"].read())
    except ValueError:
        found = None
    if not whole(found):
        return Index(version=answer["ETag"])
    return Index(found["columns"], found["rows"], answer["ETag"], found["changes"])


def whole(found: Any) -> bool:
    """Tell whether this is what ``save`` writes."""
    if not isinstance(found, Mapping) or type(found.get("changes")) is not int:
        return False
    columns, rows = found.get("columns"), found.get("rows")
    if not is_row(columns) or not isinstance(rows, Mapping):
        return False
    return all(is_row(row) and len(row) == len(columns) for row in rows.values())


def is_row(row: Any) -> bool:
    """Tell whether this is a list of texts."""
    return isinstance(row, list) and all(isinstance(each, str) for each in row)


def save(settings: Settings, outputs: Mapping[str, str], index: Index) -> bool:
    """Write the index; return False where somebody has written it since it was read.

    Where this identity may not, that is no fault: the index is a help only.
    """
    condition = {"IfMatch": index.version} if index.version else {"IfNoneMatch": "*"}
    content = {"columns": index.columns, "changes": index.changes + 1, "rows": index.rows}
    try:
        records.put(settings, outputs, key(settings), content, **condition)
    except Exception as error:
        if records.conflict(error):
            return False
        if getattr(error, "response", {}).get("Error", {}).get("Code") != "AccessDenied":
            raise
    return True


def forget(run: Run) -> None:
    """Take a run out of the index, since it goes on; where that fails say so.

    The index is written in any case, so that nobody who has read the run before writes it back.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for _ in range(records.TRIES):
            index = load(run.settings, run.outputs)
            rows = {name: row for name, row in index.rows.items() if name != run.id}
            if not index.version or save(run.settings, run.outputs, replace(index, rows=rows)):
                return
    except (BotoCoreError, ClientError) as error:
        note(f"-- make runs may show how the attempt before has ended: {error}")


def key(settings: Settings) -> str:
    """Return the S3 key of the index."""
    return f"{settings.project}/runs.json"
