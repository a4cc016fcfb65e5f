"""The record of a run that a schedule started: nobody was there to write it.

`make schedule` leaves a draft of ``run.json`` in the bucket; the launcher adds its id, task and time. `make logs`,
`status`, `rerun` and the others then know it like any other run.
"""

import json
import os

from job import contract, machine
from job.errors import PassingError, UserError, say
from job.sources import s3

TIME = "<aws.scheduler.scheduled-time>"  # replaced in the request, but not in the draft


def record(schedule: str) -> None:
    """Write ``run.json``, if there is none yet.

    A run is not to fail for it: what hinders is said on the log.
    """
    try:
        if s3.read(os.environ[contract.RUN_URI] + contract.RUN) is None:
            write(schedule)
    except (UserError, PassingError, KeyError, ValueError) as error:
        say(f"warning: this run cannot be recorded: {error}")


def write(schedule: str) -> None:
    """Write ``run.json`` from the draft of ``schedule``."""
    run, project = os.environ[contract.RUN_ID], os.environ[contract.PROJECT_URI]
    draft = s3.read(f"{project}schedules/{schedule}.json") or b"null"
    found = json.loads(draft.decode().replace(TIME, run.removesuffix(f"-{schedule}")))
    if not isinstance(found, dict):
        raise UserError(f"the schedule {schedule!r} has left no draft")
    task, began = machine.metadata("/task").get("TaskARN"), machine.now()
    found |= {"task": task, "started": began}
    found["attempts"] = [{"attempt": 1, "task": task, "started": began}]
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    s3.write(os.environ[contract.RUN_URI] + contract.RUN, text.encode())
