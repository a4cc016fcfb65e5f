"""Runs as jobs of AWS Batch: sent once, found again by their names, and shown as ECS shows tasks.

SubmitJob knows no clientToken. So the job has the run's id as its name, ``run.json`` says before that it is
sent, and before it is sent again ListJobs is asked for that name.
"""

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ecs.aws import NotSentError, call_cli, client
from ecs.capacity import QUEUES
from ecs.console import note
from ecs.errors import UserError
from ecs.history import records
from ecs.history.run import Run
from ecs.run.retry import pause
from ecs.run.submit import CALLS, FIRST, LONGEST, refused
from ecs.settings import CONTAINER, Settings

ENDED = ("SUCCEEDED", "FAILED")
LOOKS = 3  # for a job, before it is sent again
STATES = (*ENDED, "RUNNING", "STARTING", "RUNNABLE", "PENDING", "SUBMITTED")
SUBMIT = ("batch", "submit-job")
KEPT_DAYS = 7  # Batch shows a job that has ended at least so long ("Job states" in its user guide)
# what Batch says of a job that ran longer than its time-out ("Job timeouts")
TOO_LONG = "Job attempt duration exceeded timeout"


def find(settings: Settings, queue: str, name: str) -> str | None:
    """Return the id of the job called ``name``, or None where Batch shows none.

    The filter makes no difference between small and capital letters (API reference of ListJobs).
    """
    asked: dict[str, Any] = {"filters": [{"name": "JOB_NAME", "values": [name]}]}
    while True:
        page = client(settings, "batch").list_jobs(jobQueue=queue, **asked)
        for each in page["jobSummaryList"]:
            if each["jobName"] == name:
                return each["jobId"]
        if not page.get("nextToken"):
            return None
        asked["nextToken"] = page["nextToken"]


def looked_for(settings: Settings, request: Mapping) -> str | None:
    """Return what ``find`` does; None also where Batch does not answer, which is said."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return find(settings, request["jobQueue"], request["jobName"])
    except (BotoCoreError, ClientError) as error:
        note(f"-- looking for the job failed: {error}")
        return None


def send(
    settings: Settings,
    request: Mapping,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> str:
    """Submit a job, once, and return its id.

    Raises:
        UserError: Batch refused it, or nobody knows yet whether it took it.
    """
    for number in range(1, CALLS + 1):
        try:
            answer = call_cli(settings, *SUBMIT, request=dict(request), name="submit-job", tries=1)
            if job := answer.get("jobId"):
                return job
            error = "the AWS CLI printed no jobId"
        except NotSentError:
            raise
        except UserError as failure:
            # of a call after the first, a refusal says nothing about the first
            if number == 1 and refused(str(failure)):
                raise
            error = str(failure)
        note(f"-- {error}: looking whether the job is there")
        for look in range(
            LOOKS
        ):  # a list may lag behind, and a second job would write the same files
            sleep(pause(number + look, chance(), FIRST, LONGEST))
            if job := looked_for(settings, request):
                return job
    run = request["jobName"]
    raise UserError(
        f"nobody knows yet whether Batch took the job: {error}; in a minute: make status RUN={run}"
    )


def locate(run: Run) -> None:
    """Find the job of a run whose client died before it knew the id, and record it."""
    if run.record["batch"]["job"] or "/" in run.id:
        return
    job = find(run.settings, run.record["batch"]["queue"], run.id)
    if job:
        take(run, job)


def take(run: Run, job: str) -> None:
    """Record the job of a run."""

    def change(latest: dict) -> None:
        latest["batch"]["job"] = latest["batch"]["job"] or job

    records.update(run, change)


def look(run: Run) -> dict | None:
    """Return a run's job as DescribeJobs shows it, or None where Batch shows none."""
    locate(run)
    job = run.record["batch"]["job"]
    found = client(run.settings, "batch").describe_jobs(jobs=[job])["jobs"] if job else []
    return found[0] if found else None


def unfound(record: Mapping) -> str:
    """Say what is known of a run of which Batch shows no job."""
    if record["batch"]["job"]:
        return (
            f"Batch does not know the job any more: it shows one for {KEPT_DAYS} days after its end"
        )
    return "it is not known whether SubmitJob was sent; Batch shows no job of this name (yet)"


def moment(milliseconds: int | None) -> datetime | None:
    """Return a time of Batch's; None where there is none."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def stop_code(job: Mapping, said: str, code: int | None) -> str:
    """Return the stop code that ECS would give an attempt of which Batch's words are ``said``."""
    if job.get("isTerminated") or job.get("isCancelled") or said.startswith(TOO_LONG):
        return "UserInitiated"
    # a job that has failed although its container answered 0 was cut short by somebody else
    return "ServiceSchedulerInitiated" if code == 0 and job["status"] == "FAILED" else ""


def as_task(job: Mapping, attempt: Mapping, last: bool) -> dict:
    """Return an attempt of a job as DescribeTasks would show its task.

    Args:
        job: of DescribeJobs.
        attempt: one of its attempts.
        last: whether it is the job's last one.
    """
    task = next(iter(attempt.get("taskProperties") or []), {})
    container = next(
        (each for each in task.get("containers") or [] if each.get("name") == CONTAINER), {}
    )
    said, code = attempt.get("statusReason") or "", container.get("exitCode")
    reason = said.replace(TOO_LONG, f"TIMEOUT: {TOO_LONG}")
    times = {
        "createdAt": job.get("createdAt"),
        "pullStartedAt": attempt.get("startedAt"),
        "startedAt": attempt.get("startedAt"),
        "stoppedAt": attempt.get("stoppedAt"),
    }
    return {
        "taskArn": task.get("taskArn"),
        "stopCode": stop_code(job, said, code) if last else "",
        "stoppedReason": reason,
        "containers": [
            {
                "name": CONTAINER,
                **{each: container[each] for each in ("exitCode", "reason") if each in container},
            }
        ],
        "log": container.get("logStreamName"),
        **{name: moment(time) for name, time in times.items() if time},
    }


def tasks_of(job: Mapping) -> list[dict]:
    """Return the attempts of a job that have ended, as DescribeTasks would show their tasks.

    A job that ended before any attempt has one without a task.
    """
    attempts = job.get("attempts") or []
    if not attempts and job["status"] in ENDED:
        attempts = [{name: job[name] for name in ("statusReason", "stoppedAt") if name in job}]
    return [
        as_task(job, each, job["status"] in ENDED and number == len(attempts))
        for number, each in enumerate(attempts, 1)
    ]


def streams_of(job: Mapping) -> list[str]:
    """Return the log streams of a job's attempts, the one under way last."""
    ended = [each.get("taskProperties") or [] for each in job.get("attempts") or []]
    tasks = [*ended, (job.get("ecsProperties") or {}).get("taskProperties") or []]
    found = [
        each.get("logStreamName")
        for task in tasks
        for one in task
        for each in one.get("containers") or []
        if each.get("name", CONTAINER) == CONTAINER
    ]
    return list(dict.fromkeys(filter(None, found)))


def stop(run: Run, reason: str) -> None:
    """End a run's job for good; of an array, all that has not ended.

    Raises:
        UserError: Batch shows no job of it.
    """
    locate(run)
    job = run.record["batch"]["job"]
    if not job:
        raise UserError(f"run {run.id}: {unfound(run.record)}; in a minute: make stop RUN={run.id}")
    terminate(run, job, reason)


def terminate(run: Run, job: str, reason: str) -> None:
    """Ask Batch to end a job."""
    call_cli(run.settings, "batch", "terminate-job", "--job-id", job, "--reason", reason)
    note(f"run {run.id} is stopping; what runs has up to two minutes to save its work")


def stop_by_name(run: Run, reason: str) -> int:
    """End the jobs that have the name of a run without a record; return how many there were."""
    queues = [queue for name in QUEUES if (queue := run.outputs.get(name))]
    found = [job for queue in queues if (job := find(run.settings, queue, run.id))]
    for job in found:
        terminate(run, job, reason)
    return len(found)


def counts(job: Mapping) -> dict[str, int]:
    """Return how many runs of a sweep are in which state, by the summary of its job."""
    known = (job.get("arrayProperties") or {}).get("statusSummary") or {}
    return {name.lower(): known[name] for name in STATES if known.get(name)}


def failures(run: Run, most: int) -> list[tuple[int, str, int | None]]:
    """Return up to ``most`` runs of a sweep that failed: index, Batch's words, exit code.

    None of one that Batch does not know any more.
    """
    batch = client(run.settings, "batch")
    try:
        page = batch.list_jobs(
            arrayJobId=run.record["batch"]["job"], jobStatus="FAILED", maxResults=most
        )
    except batch.exceptions.ClientException:
        return []
    return [
        (
            each["arrayProperties"]["index"],
            (each.get("container") or {}).get("reason")
            or each.get("statusReason")
            or "no reason given",
            (each.get("container") or {}).get("exitCode"),
        )
        for each in page["jobSummaryList"]
    ]
