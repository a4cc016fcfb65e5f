"""What `make destroy` does to AWS Batch: an end of all jobs, so that their queues can be deleted."""

import time
from collections.abc import Callable, Collection, Iterator

from ecs.aws import client
from ecs.console import note
from ecs.errors import UserError
from ecs.settings import Settings
from ecs.stack import mark

# of jobs, and of arrays whose jobs run, which are PENDING meanwhile (API reference of ListJobs)
UNFINISHED = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
LOOKS, LOOK_EVERY = 60, 10.0  # seconds; a container has two minutes to save its work


def unfinished(settings: Settings, queue: str) -> Iterator[str]:
    """Give out the ids of the jobs in a queue that have not ended."""
    pages = client(settings, "batch").get_paginator("list_jobs")
    for status in UNFINISHED:
        for page in pages.paginate(jobQueue=queue, jobStatus=status):
            yield from (each["jobId"] for each in page["jobSummaryList"])


def end(
    settings: Settings, queues: Collection[str], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Let no more jobs into the queues, end those that are in them and wait until they have ended.

    Raises:
        UserError: some go on.
    """
    batch = client(settings, "batch")
    for queue in queues:
        batch.update_job_queue(jobQueue=queue, state="DISABLED")
    for look in range(LOOKS):
        left = [job for queue in queues for job in unfinished(settings, queue)]
        if not left:
            return
        if not look:
            note(f"ending {len(left)} jobs")
        for job in left:
            batch.terminate_job(jobId=job, reason="make destroy")
        sleep(LOOK_EVERY)
    raise UserError(f"{len(left)} jobs on AWS Batch have not ended yet; type: make destroy")


def deregister(settings: Settings) -> None:
    """Deregister the project's job definitions; Batch forgets them by itself."""
    batch = client(settings, "batch")
    pages = batch.get_paginator("describe_job_definitions")
    for page in pages.paginate(jobDefinitionName=settings.project, status="ACTIVE"):
        for each in page["jobDefinitions"]:
            if mark.ours(each.get("tags", {})):
                batch.deregister_job_definition(jobDefinition=each["jobDefinitionArn"])
