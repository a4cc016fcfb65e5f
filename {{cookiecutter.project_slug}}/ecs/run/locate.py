"""Find the task of an attempt that was sent and not answered, and record what becomes of a run.

``run.json`` says that an attempt is being sent before ECS is asked for it. So whatever ended the
follower, its task can be found by ``startedBy``, which is the run's id and the attempt's number.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from time import sleep

from ecs.console import note
from ecs.errors import UserError
from ecs.history import records
from ecs.history.run import Run
from ecs.run.submit import find

LOOKS, LOOK_EVERY = 10, 2.0  # while another follower sends; seconds
# ECS is only sure to show a stopped task for this long (API reference of DescribeTasks); a
# clientToken, too, may be forgotten so long after its task has ended ("Ensuring idempotency").
REMEMBERED = timedelta(hours=1)
OF_AN_END = ("state", "exit_code", "cause", "remedy", "retry", "reason", "rule", "recorded")


def keep(run: Run, change: Callable[[dict], None]) -> None:
    """Change ``run.json``; where that fails say so, and go on with what is known here.

    For what is true already: there is a task, or it has ended. A later write makes up for it, or a
    later look.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        records.update(run, change)
    except (BotoCoreError, ClientError, UserError) as error:  # damaged, or deleted by now
        note(f"-- run.json could not be written, the run goes on: {error}")
        change(run.record)


def record_end(run: Run, result: Mapping) -> None:
    """Write ``result.json``; where that fails say so: the run has ended as it has, recorded or not."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        records.write_result(run, result)
    except (BotoCoreError, ClientError) as error:
        uri = run.uri
        note(
            f"-- the end of the run could not be recorded in {uri}result.json: {error}; once S3 takes "
            f"it, within an hour: make status RUN={run.id}"
        )


def take(run: Run, task: str) -> None:
    """Record the task of the latest attempt."""
    number = len(run.record["attempts"]) or 1

    def change(latest: dict) -> None:
        if not latest["attempts"]:  # sent by a version that recorded it afterwards
            latest["attempts"].append({"attempt": 1, "task": None, "started": latest["started"]})
        attempt = latest["attempts"][number - 1]
        if not attempt["task"]:
            attempt["task"] = task
            for name in (*OF_AN_END, "request", "sender"):
                attempt.pop(name, None)
        latest["task"] = latest["attempts"][-1]["task"]

    keep(run, change)


def sent_request(record: Mapping) -> Mapping:
    """Return the request under which the latest attempt was sent."""
    attempts = record["attempts"]
    if attempts and "request" in attempts[-1]:
        return attempts[-1]["request"]
    name = f"{record['run']}-{len(attempts) or 1}"
    return record["request"] | {"startedBy": name, "clientToken": name}


def locate(run: Run, looks: int = 1) -> None:
    """Look for the task of the latest attempt if its answer is not known, and record it."""
    for left in reversed(range(looks)):
        if not records.unanswered(run.record):
            return
        if task := find(run.settings, sent_request(run.record)):
            take(run, task)
        elif left:
            sleep(LOOK_EVERY)


def settled(run: Run) -> None:
    """Wait a while for an attempt that another follower may be sending at this moment."""
    note(f"-- attempt {len(run.record['attempts'])} is being sent already: looking for its task")
    for _ in range(LOOKS):
        records.update(run, lambda _: None)
        locate(run)
        if not records.unanswered(run.record):
            return
        sleep(LOOK_EVERY)


def recent(record: Mapping, now: datetime) -> bool:
    """Tell whether ECS would still show the task of the latest attempt, even a stopped one."""
    attempts = record["attempts"]
    began = attempts[-1].get("started") if attempts else record["started"]
    return now - datetime.fromisoformat(began or record["started"]) < REMEMBERED


def unfound(record: Mapping, now: datetime | None = None) -> str:
    """Say what is known of the latest attempt, of which ECS shows no task."""
    attempts = record["attempts"]
    if attempts:
        sent = f"RunTask was sent at {attempts[-1]['started']} and its answer is not known"
    else:
        sent = "it is not recorded that RunTask was sent"
    if recent(record, now or datetime.now(UTC)):
        return f"{sent}; ECS shows no task of it (yet)"
    return (
        f"{sent}; ECS shows no task of it, but a stopped one for an hour only: whether there was one "
        "is unknown"
    )
