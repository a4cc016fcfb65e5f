"""The record of a run that a schedule started: nobody was there to write it.

`make schedule` leaves a draft of ``run.json`` in the bucket; the run itself fills in its id, task and
time. `make logs`, `status`, `rerun` and the others then know it like any other run.
"""

import json
import os

from training import machine, storage
from training.errors import UserError

TIME = "<aws.scheduler.scheduled-time>"  # replaced in the request, but not in the draft


def record() -> None:
    """Write ``run.json``, if a schedule started this process and there is none yet.

    A training is not to fail for it: what hinders is said on the log.
    """
    schedule = os.environ.get("RUN_SCHEDULE")
    if not schedule:
        return
    try:
        if storage.read_bytes(storage.join(os.environ["RUN_URI"], "run.json")) is None:
            write(schedule)
    except (UserError, KeyError, ValueError) as error:
        print(f"warning: this run cannot be recorded: {error}")


def write(schedule: str) -> None:
    """Write ``run.json`` from the draft of ``schedule``."""
    run = os.environ["RUN_ID"]
    draft = storage.read_bytes(
        storage.join(os.environ["PROJECT_URI"], f"schedules/{schedule}.json")
    )
    if draft is None:
        raise ValueError(f"the schedule {schedule!r} has left no draft")
    time = run.removesuffix(f"-{schedule}")
    found = json.loads(draft.decode().replace(TIME, time))
    task = machine.metadata(os.environ.get("ECS_CONTAINER_METADATA_URI_V4"), "/task").get("TaskARN")
    began = machine.started()
    found |= {
        "task": task,
        "started": began,
        "data": data_version(os.environ.get("SM_CHANNEL_TRAIN", "")),
        "attempts": [{"attempt": 1, "task": task, "started": began}],
    }
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    storage.write_bytes(text.encode(), storage.join(os.environ["RUN_URI"], "run.json"))


def data_version(uri: str) -> dict[str, str | None] | None:
    """Return address, ETag and version of the data; None where it is no object of the bucket.

    `make rerun` compares that with what it finds then (ecs/history.py).
    """
    bucket = os.environ["PROJECT_URI"].removeprefix("s3://").partition("/")[0]
    found = storage.head(uri) if uri.startswith(f"s3://{bucket}/") else None
    return found and {
        "uri": uri,
        "etag": found.get("ETag", ""),
        "version": found.get("VersionId"),
    }
