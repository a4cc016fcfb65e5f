"""What is known of runs: ``run.json`` and ``result.json`` beside the model, in S3 only."""

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ecs import contract
from ecs.aws import client
from ecs.errors import UserError
from ecs.history import sound
from ecs.history.measures import RECORDS, words
from ecs.history.run import Run
from ecs.settings import Settings

# What a run may be called, and a folder on this machine with it; anything else below runs/ is no run.
RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:+-]{0,199}")
LOOKED_THROUGH = 100  # runs, for the latest that succeeded
ENDED = ("Succeeded", "Interrupted", "Failed")  # states; any other may still change
# What S3 answers to a conditional PutObject when another write came first: its API reference.
CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict")
TRIES = 20  # of one change, while others write too


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def key(run: Run, name: str = "") -> str:
    """Return the S3 key of one file of a run."""
    return f"{run.settings.project}/runs/{run.id}/{name}"


def write(run: Run, name: str, content: dict | list) -> None:
    """Write one JSON file of a run."""
    put(run.settings, run.outputs, key(run, name), content)


def put(
    settings: Settings,
    stack: Mapping[str, str],
    name: str,
    content: dict | list,
    **condition: str,
) -> None:
    """Write one JSON file to the bucket, under the S3 key ``name``.

    ``condition`` is IfMatch or IfNoneMatch of PutObject.
    """
    body = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    client(settings, "s3").put_object(
        Bucket=stack["Bucket"],
        Key=name,
        # a half of a character, as a log may have, is "\udc80" in JSON too
        Body=body.encode(errors="backslashreplace"),
        ContentType="application/json",
        **condition,
    )


def read(run: Run, name: str) -> dict | None:
    """Return one JSON file of a run, or None where there is none."""
    return read_version(run, name)[0]


def read_version(run: Run, name: str) -> tuple[dict | None, str]:
    """Return one JSON file of a run and its ETag, or None and "" where there is none.

    Raises:
        DamagedError: it is no JSON, or no record of a run.
    """
    s3 = client(run.settings, "s3")
    try:
        answer = s3.get_object(Bucket=run.outputs["Bucket"], Key=key(run, name))
    except s3.exceptions.NoSuchKey:
        return None, ""
    try:
        found = sound.parsed(answer["Body"].read())
    except ValueError as error:
        raise damaged(run, name, f"it is no JSON ({error})") from error
    if name == contract.RUN and (why := sound.damage(found)):
        raise damaged(run, name, why)
    return found, answer["ETag"]


def damaged(run: Run, name: str, why: str) -> sound.DamagedError:
    """Return the error that says that a file of a run cannot be read, and what can still be done."""
    return sound.DamagedError(
        f"{run.uri}{name} is damaged: {why}; to stop its task, if it has one: "
        f"make stop RUN={run.id}; its files: make fetch RUN={run.id}"
    )


def create(run: Run) -> None:
    """Write ``run.json`` of a new run.

    Raises:
        UserError: there is one of this id already.
    """
    try:
        put(run.settings, run.outputs, key(run, "run.json"), dict(run.record), IfNoneMatch="*")
    except Exception as error:
        # an answer that was lost makes boto3 send it again, and find what it wrote itself
        if not conflict(error):
            raise
        if readable(run, "run.json") != run.record:
            raise UserError(
                f"there is a run {run.id} already; type the same command again"
            ) from error


def update(run: Run, change: Callable[[dict], None]) -> None:
    """Change ``run.json`` as it is in the bucket now, and bring ``record`` up to date with it.

    Somebody else may write at the same time, so S3 is told to write only over what was just read;
    after a conflict the newer one is read and changed instead, and nothing that others recorded is
    lost. ``change`` gets the newest record, each time, and changes it in place.
    """
    for left in reversed(range(TRIES)):
        found, version = read_version(run, "run.json")
        latest = with_attempts(found)
        if latest is None:
            raise UserError(f"run {run.id} has no run.json any more; type: make runs")
        before = copy.deepcopy(latest)
        change(latest)
        try:
            if latest != before:
                put(run.settings, run.outputs, key(run, "run.json"), latest, IfMatch=version)
        except Exception as error:
            if not conflict(error) or not left:
                raise
            continue
        run.record.clear()
        run.record.update(latest)
        return


def conflict(error: Exception) -> bool:
    """Tell whether S3 refused a conditional write because there is another object by now."""
    return getattr(error, "response", {}).get("Error", {}).get("Code") in CONFLICTS


def write_result(run: Run, result: Mapping) -> None:
    """Write ``result.json``, unless somebody has gone on to another attempt meanwhile."""
    latest = with_attempts(readable(run, "run.json"))
    if latest is None or len(latest["attempts"]) <= len(result["attempts"]):
        write(run, "result.json", dict(result))


def under_way(record: Mapping) -> bool:
    """Tell whether the latest attempt has been begun and has no known end."""
    attempts = record["attempts"]
    return bool(attempts) and attempts[-1].get("state") not in ENDED


def unanswered(record: Mapping) -> bool:
    """Tell whether the run has neither a task nor an end that is known: ECS has to be asked."""
    attempts = record["attempts"]
    return not attempts or under_way(record) and not attempts[-1]["task"]


def record(run: Run) -> dict | None:
    """Return ``run.json`` with its list of attempts, or None where there is none."""
    return with_attempts(read(run, "run.json"))


def with_attempts(record: dict | None) -> dict | None:
    """Return ``run.json`` as it is written today: with a list of attempts."""
    if record is not None and "attempts" not in record:
        task = record.get("task")
        record["attempts"] = [{"attempt": 1, "task": task}] if task else []
    if record is not None:
        for each in record["attempts"]:
            each.setdefault("task", None)
        record.setdefault("task", record["attempts"][-1]["task"] if record["attempts"] else None)
    return record


def result(run: Run) -> dict | None:
    """Return ``result.json``, or None where there is none of the latest attempt, or no certain one."""
    return of_latest(readable(run, "result.json"), run.record)


def of_latest(found: Any, record: Mapping) -> dict | None:
    """Return what ``result.json`` says if it is of the latest attempt.

    A look between two attempts may have recorded the end of the one before; and what was not known
    when it was written may be known by now.
    """
    latest, result = record.get("task"), sound.result(found)
    if result is None or result["state"] not in ENDED:
        return None
    return result if result.get("task", latest) == latest else None


def run_ids(settings: Settings, stack: Mapping[str, str]) -> list[str]:
    """Return the ids of all runs, latest first."""
    return folders(settings, stack)[0]


def folders(settings: Settings, stack: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the ids of all runs, latest first; and what else is a folder below runs/, whose name no run has."""
    pages = (
        client(settings, "s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack["Bucket"], Prefix=f"{settings.project}/runs/", Delimiter="/")
    )
    prefixes = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
    names = [prefix.removesuffix("/").rpartition("/")[2] for prefix in prefixes]
    found = [name for name in names if RUN_ID.fullmatch(name)]
    strange = [name for name in names if not RUN_ID.fullmatch(name)]
    # the scheduler writes 2026-11-24T03:00:00Z where run_id has 20261124T030000Z
    return sorted(found, key=lambda run: re.sub("[-:]", "", run), reverse=True), strange


def resolve(settings: Settings, stack: Mapping[str, str], ids: Sequence[str] = ()) -> str:
    """Return the id of the run that ``RUN`` means: a unique beginning of it is enough.

    ``ids`` are those of all runs, where they are known.

    Raises:
        UserError: no run, or more than one, has an id that begins so.
    """
    ids = ids or run_ids(settings, stack)
    sweep, slash, index = settings.run.rpartition("/")
    if slash and index.isascii() and index.isdecimal():  # one run of a sweep
        return f"{resolve(replace(settings, run=sweep), stack, ids)}/{int(index)}"
    if not ids:
        raise UserError("there are no runs yet; type: make run")
    found = [each for each in ids if each.startswith(settings.run)]
    if settings.run in found:
        return settings.run
    if not found:
        raise UserError(f"RUN={settings.run!r}: no run begins so; type: make runs")
    if settings.run and len(found) > 1:
        raise UserError(f"RUN={settings.run!r}: {len(found)} runs begin so; type: RUN={found[0]}")
    return found[0]


def files_in(manifest: Any, record: Mapping | None) -> dict[str, Any] | None:
    """Return the files that a manifest lists, if it is that of the last attempt; else None.

    What an earlier attempt has saved may lie beside them. Runs from before there was a launcher list their
    files in a manifest that counts no attempts.
    """
    files = manifest.get("files") if isinstance(manifest, Mapping) else None
    if not isinstance(files, dict):
        return None
    attempts = len((record or {}).get("attempts") or [1])
    # Batch counts them itself, and whoever looks at the end records them
    counted = bool(record and record.get("batch")) and not record["attempts"]
    return files if counted or manifest.get("attempt", attempts) == attempts else None


def readable(run: Run, name: str) -> Any:
    """Return one JSON file of a run; None where there is none, or where it is damaged, as scripts may write it."""
    try:
        return read(run, name)
    except sound.DamagedError:
        return None


def read_all(runs: Sequence[Run]) -> list[dict[str, dict | None]]:
    """Return the JSON files of each run by name, read side by side; None: not there, or damaged.

    Three calls of S3 a run, and a fourth where it was tried again: metrics that the last attempt has not
    written, by its manifest, are an earlier one's, and left out. ``damage`` says why run.json cannot be read.
    """
    step = len(RECORDS)

    def read_one(pair: tuple[Run, str]) -> Any:
        try:
            return read(*pair)
        except sound.DamagedError as error:
            return error

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(read_one, [(run, name) for run in runs for name in RECORDS]))
        records = [
            dict(zip(RECORDS, found[at : at + step], strict=True))
            for at in range(0, len(found), step)
        ]
        for each in records:
            each["damage"] = each["run.json"] if isinstance(each["run.json"], Exception) else None
            each |= {name: None for name in RECORDS if isinstance(each[name], Exception)}
            with_attempts(each["run.json"])
            each["result.json"] = of_latest(each["result.json"], each["run.json"] or {})
        again = [
            (run, each)
            for run, each in zip(runs, records, strict=True)
            if len((each["run.json"] or {}).get("attempts", ())) > 1 and each[contract.METRICS]
        ]
        manifests = pool.map(read_one, [(run, contract.MANIFEST) for run, _ in again])
    for (_, each), manifest in zip(again, manifests, strict=True):
        files = files_in(manifest, each["run.json"])
        if files is not None and contract.METRICS not in files:
            each[contract.METRICS] = None
    return records


def latest(settings: Settings, stack: Mapping[str, str]) -> str:
    """Return the id of the latest successful run of another script than ``SCRIPT``.

    Raises:
        UserError: there is none.
    """
    for run in run_ids(settings, stack)[:LOOKED_THROUGH]:
        each = Run(settings, stack, run)
        ended, asked = (readable(each, name) for name in ("result.json", "run.json"))
        good = bool(sound.result(ended) and asked) and ended.get("state") == "Succeeded"
        good = good and not asked.get("sweep")  # which has no model of its own
        if good and words(asked)[0] != settings.script:
            return run
    raise UserError("latest: no run has succeeded yet; type: make run, or name one: model=runs/ID")
