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
TRIES = 3  # while another task writes at the same moment


def record(schedule: str) -> bool:
    """Write ``run.json``, if there is none yet; return whether another task has this run already.

    The scheduler may start two tasks at one firing (it delivers at least once). The first to write has the run, and
    the second must not touch its files. A run is not to fail for its record: what hinders is said on the log.
    """
    try:
        address, task = os.environ[contract.RUN_URI] + contract.RUN, own_task()
        first, mine = (os.environ.get(contract.ATTEMPT) or "1") == "1", b""
        for _ in range(TRIES):
            if (found := s3.read(address)) is not None:
                # an answer that was lost makes boto3 send it again, and find what it wrote itself
                return first and found != mine and taken(found, task)
            mine = drafted(schedule, task)
            if s3.write(address, mine, new=True):
                return False
        raise PassingError(f"{address}: S3 neither takes nor shows it")
    except (UserError, PassingError, LookupError, TypeError, ValueError) as error:
        say(f"warning: this run cannot be recorded: {error}")
        return False


def own_task() -> str | None:
    """Return the ARN of this task; None outside ECS."""
    return machine.metadata("/task").get("TaskARN")


def taken(found: bytes, task: str | None) -> bool:
    """Tell whether a ``run.json`` names another task than ``task`` for the first attempt."""
    return not task or json.loads(found)["attempts"][0]["task"] != task


def drafted(schedule: str, task: str | None) -> bytes:
    """Return ``run.json`` of ``task``, from the draft of ``schedule``."""
    run, project = os.environ[contract.RUN_ID], os.environ[contract.PROJECT_URI]
    draft = s3.read(f"{project}schedules/{schedule}.json") or b"null"
    found = json.loads(draft.decode().replace(TIME, run.removesuffix(f"-{schedule}")))
    if not isinstance(found, dict):
        raise UserError(f"the schedule {schedule!r} has left no draft")
    began = machine.now()
    found |= {"task": task, "started": began}
    found["attempts"] = [{"attempt": 1, "task": task, "started": began}]
    return (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode()
