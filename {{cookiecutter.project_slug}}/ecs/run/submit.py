"""Start the one task of an attempt, whatever the network or the AWS CLI does meanwhile."""

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from ecs.aws import NotSentError, call_cli, client
from ecs.console import note
from ecs.errors import UserError
from ecs.refusals import code_and_message
from ecs.run.retry import capacity, pause
from ecs.settings import Settings
from ecs.verdict.rules import NEVER
from ecs.verdict.verdict import UNKNOWN, Verdict, verdict

CALLS = 6  # of RunTask, at most, for one attempt
FIRST, LONGEST = 1.0, 20.0  # seconds between two of them
MOST_DESCRIBED = 100  # tasks in one call of DescribeTasks

# What came of sending RunTask.
ACCEPTED = "accepted"  # there is a task
REFUSED = "refused"  # there is none, and this call will not have made one
UNCLEAR = "unclear"  # there may be one

# Codes of errors after which there may be a task all the same: throttling ("Throttled" in botocore's
# retries), time-outs, all that is the service's own fault (5xx), a token that is in use already. All
# other codes are of a client error (4xx).
MAY_HAVE_STARTED = re.compile(
    r"\w*(Throttl|TooManyRequests|SlowDown|Server|Internal|Unavailable|Timeout|TimedOut|Aborted"
    r"|Gateway|NotComplete|InProgress|Unknown)\w*|(Request|Bandwidth)?LimitExceeded\w*"
    r"|ProvisionedThroughputExceeded\w*|ConflictException|5\d\d|408|409|425|429",
    re.IGNORECASE,
)
# ECS hands on the throttling of other services in the words of a client error.
THROTTLED = re.compile(
    r"rate exceeded|throttl|too many requests|(request|capacity) ?limit ?exceeded", re.IGNORECASE
)
TASK_ARN = re.compile(r"arn:[\w-]+:ecs:[\w-]*:\w*:task/[\w/-]+")


def classify(answer: Mapping, error: str | None) -> str:
    """Tell what came of sending RunTask: accepted, refused or unclear.

    Refused is what the service itself says in a whole answer: a list of failures in the place of
    tasks (HTTP 200), or a client error. All else leaves open whether there is a task.

    Args:
        answer: the JSON that the CLI printed; {} where there is none.
        error: what it wrote of an error, or why it could not be called; None where it succeeded.
    """
    if error is not None:
        return REFUSED if refused(error) else UNCLEAR
    if task_of(answer):
        return ACCEPTED
    whole = answer.get("tasks") == [] and isinstance(answer.get("failures"), list)
    return REFUSED if whole else UNCLEAR


def refused(error: str) -> bool:
    """Tell whether an error says that the call has done nothing: a client error that will not pass."""
    code, message = code_and_message(error)
    return bool(code) and not (MAY_HAVE_STARTED.fullmatch(code) or THROTTLED.search(message))


def task_of(answer: Mapping) -> str | None:
    """Return the ARN of the task in an answer of RunTask, or None where there is none."""
    tasks = answer.get("tasks")
    first = tasks[0] if isinstance(tasks, list) and tasks else None
    return first.get("taskArn") if isinstance(first, Mapping) else None


def find(settings: Settings, request: Mapping) -> str | None:
    """Return the ARN of the task that a request has started, or None where ECS shows none.

    ECS shows a task while it lives, and is sure to for one hour after it stopped. ``startedBy``
    "must be the only filter that you use" (API reference of ListTasks) and lists what has not
    stopped; those that have are looked through one by one.
    """
    ecs = client(settings, "ecs")
    cluster, name = request["cluster"], request["startedBy"]
    alive = next(listed(ecs, cluster=cluster, startedBy=name), None)
    if alive:
        return alive
    family = request["taskDefinition"].rpartition("/")[2].partition(":")[0]
    stopped = listed(ecs, cluster=cluster, family=family, desiredStatus="STOPPED")
    for batch in batches(stopped, MOST_DESCRIBED):
        for task in ecs.describe_tasks(cluster=cluster, tasks=batch)["tasks"]:
            if task.get("startedBy") == name:
                return task["taskArn"]
    return None


def listed(ecs: Any, **filters: str) -> Iterator[str]:
    """Give out the ARNs of all tasks that ListTasks knows, page by page."""
    while True:
        page = ecs.list_tasks(**filters)
        yield from page["taskArns"]
        if not page.get("nextToken"):
            return
        filters["nextToken"] = page["nextToken"]


def batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Give out ``items`` in lists of at most ``size``."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def looked_for(settings: Settings, request: Mapping) -> str | None:
    """Return what ``find`` does; None also where ECS does not answer, which is said."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return find(settings, request)
    except (BotoCoreError, ClientError) as error:
        note(f"-- looking for the task failed: {error}")
        return None


def in_use(settings: Settings, request: Mapping, error: str | None) -> str | None:
    """Return the task that has this ``clientToken`` already, where ECS said that there is one.

    Its ConflictException names it in ``resourceIds``, which the CLI need not print.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if error is None or code_and_message(error)[0] != "ConflictException":
        return None
    if found := TASK_ARN.search(error):
        return found[0]
    try:
        return task_of(client(settings, "ecs").run_task(**request))
    except ClientError as refusal:
        return next(iter(refusal.response.get("resourceIds") or []), None)
    except BotoCoreError:
        return None


def send(settings: Settings, request: Mapping) -> tuple[dict, str | None, str]:
    """Call RunTask once; return its answer, what went wrong, and what came of it by ``classify``."""
    try:
        answer = call_cli(
            settings, "ecs", "run-task", request=dict(request), name="run-task", tries=1
        )
        return answer, None, classify(answer, None)
    except NotSentError as error:  # the same the next time
        return {}, str(error), REFUSED
    except UserError as error:
        return {}, str(error), classify({}, str(error))
    except (OSError, ValueError) as error:  # no space for the request, output that is not UTF-8, …
        return {}, f"{type(error).__name__}: {error}", UNCLEAR


def start(
    settings: Settings,
    request: Mapping,
    look: bool = False,
    unclear: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> tuple[str | None, Verdict | None]:
    """Start a task and return its ARN, or None and the verdict on why there is none.

    After an answer that leaves open whether there is a task, ECS is asked for it before RunTask is
    called again, and always under the same ``clientToken``: never two tasks for one attempt. From
    then on no refusal counts, since it is none of the first call.

    Args:
        settings: the Makefile's variables.
        request: of RunTask.
        look: ask for a task before the first call too.
        unclear: it may have been sent before, and nobody knows what came of it.
        sleep, chance: for tests.

    Returns:
        The verdict's state is Unknown where there may be a task all the same.
    """
    for number in range(1, CALLS + 1):
        if (look or unclear) and (arn := looked_for(settings, request)):
            note("-- the attempt's task is there already")
            return arn, None
        answer, error, kind = send(settings, request)
        if arn := task_of(answer) or in_use(settings, request, error):
            return arn, None
        end = verdict(
            answer=answer or None,
            error=error or (None if answer else "the AWS CLI printed no answer"),
            capacity=capacity(request, settings.capacity),
        )
        if kind == REFUSED and not unclear:
            return None, end
        unclear = True
        note(f"-- {end.cause}: looking whether the task is there")
        sleep(pause(number, chance(), FIRST, LONGEST))
    arn = looked_for(settings, request)
    return (arn, None) if arn else (None, unknown(end))


def unknown(end: Verdict) -> Verdict:
    """Return the verdict on an attempt whose last answer was ``end``, and which may have a task."""
    cause = f"RunTask has no clear answer ({end.cause}), and ECS shows no task of it yet"
    return replace(
        end, state=UNKNOWN, cause=cause, remedy="make status", retry=NEVER, rule="unclear"
    )
