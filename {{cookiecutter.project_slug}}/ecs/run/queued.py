"""Runs on AWS Batch, as people look at them: the log of a job, the runs of a sweep and the best of them."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep

from ecs import contract
from ecs.aws import client
from ecs.errors import UserError
from ecs.history import measures, records, sound
from ecs.history.run import Run
from ecs.output import lost
from ecs.request.job import of_child
from ecs.run import batch
from ecs.run.attempts import show, tell
from ecs.run.follow import Log
from ecs.run.state import state_of
from ecs.verdict.verdict import UNKNOWN

LOOK_EVERY = 5.0  # seconds
SHOWN_FAILURES = 5


def child(run: Run) -> dict:
    """Return ``run.json`` of one run of a sweep; {} where there is no such run.

    Raises:
        UserError: the sweep's table of arguments is damaged.
    """
    name, _, index = run.id.partition("/")
    sweep = Run(run.settings, run.outputs, name)
    sweep.record = records.record(sweep) or {}
    if int(index) >= sweep.record.get("sweep", 0):
        return {}
    batch.locate(sweep)
    table = records.read(sweep, contract.ARGV)
    words = table[int(index)] if isinstance(table, list) and int(index) < len(table) else None
    if not sound.is_words(words):
        raise UserError(f"{sweep.uri}{contract.ARGV} is damaged: it has no words for run {run.id}")
    record = of_child(sweep.record, int(index), words)
    ended = sound.result(records.readable(run, contract.OUTCOME)) or {}
    return record | {"task": ended.get("task"), "attempts": ended.get("attempts") or []}


def refuse_sweep(run: Run) -> None:
    """Return if a run is one.

    Raises:
        UserError: it is a sweep, of which each run has a log of its own.
    """
    if run.record.get("sweep"):
        last = run.record["sweep"] - 1
        raise UserError(f"{run.id} is a sweep; name one of its runs, 0 to {last}: RUN={run.id}/0")


def follow(run: Run) -> int:
    """Print the log of a run, attempt by attempt, to its end; tell how it ended and return the exit status.

    Raises:
        UserError: Batch shows no job of it.
    """
    refuse_sweep(run)
    logs: dict[str, Log] = {}
    while True:
        job = batch.look(run)
        streams = (
            batch.streams_of(job) if job else [each.get("log") for each in run.record["attempts"]]
        )
        for line in lines(run, logs, filter(None, streams)):
            show(line)
            if lost():  # nobody reads on
                return 0
        if job is None or job["status"] in batch.ENDED:
            break
        sleep(LOOK_EVERY)
    if logs and not [*logs.values()][-1].ended:  # CloudWatch may lag behind
        sleep(run.settings.there.drain)
        for line in lines(run, logs, logs):
            show(line)
    result = state_of(run)
    if result["state"] == UNKNOWN:
        raise UserError(f"run {run.id}: {result['cause']}")
    return tell(run, result)


def lines(run: Run, logs: dict[str, Log], streams: Iterable[str]) -> Iterator[str]:
    """Give out the new lines of log streams; ``logs`` keeps how far each was read."""
    for stream in [*streams]:
        if stream not in logs:
            group = (run.record.get("log") or {}).get("group", run.outputs["LogGroup"])
            mark = contract.end_mark(run.id)
            logs[stream] = Log(client(run.settings, "logs"), group, stream, mark)
        yield from logs[stream].new_lines()


def summary(run: Run) -> list[str]:
    """Return lines about a sweep: its best run so far, and why runs have failed.

    One call of S3 for a thousand runs that have begun, one for each that has metrics, one of Batch.
    """
    said = []
    for index, why, code in (
        batch.failures(run, SHOWN_FAILURES) if run.record["batch"]["job"] else ()
    ):
        ended = "" if code is None else f" (exit code {code})"
        said.append(f"failed: {run.id}/{index}: {why}{ended}")
    if found := best(run):
        said.insert(0, f"best so far: {run.id}/{found[0]}: {found[1]}")
    return said


def best(run: Run) -> tuple[int, str] | None:
    """Return the best run of a sweep and its metric, of those that have any; None for none."""
    pages = (
        client(run.settings, "s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=run.outputs["Bucket"], Prefix=records.key(run), Delimiter="/")
    )
    names = [
        each["Prefix"].removesuffix("/").rpartition("/")[2]
        for page in pages
        for each in page.get("CommonPrefixes", [])
    ]
    runs = [
        Run(run.settings, run.outputs, f"{run.id}/{name}")
        for name in names
        if name.isascii() and name.isdecimal() and int(name) < run.record["sweep"]
    ]
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda each: records.readable(each, contract.METRICS), runs)
        indexes = [int(each.id.rpartition("/")[2]) for each in runs]
        return measures.best(dict(zip(indexes, found, strict=True)))
