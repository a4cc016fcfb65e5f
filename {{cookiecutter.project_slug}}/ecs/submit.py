"""Start the one task of an attempt, whatever the network does meanwhile."""

import random
import time
from collections.abc import Callable, Mapping

from ecs.aws import call_cli, client
from ecs.errors import UserError
from ecs.follow import note
from ecs.retry import capacity, pause, unclear
from ecs.settings import Settings
from ecs.verdict import Verdict, verdict

CALLS = 6  # of RunTask, at most, for one attempt
FIRST, LONGEST = 1.0, 20.0  # seconds between two of them


def find(settings: Settings, cluster: str, started_by: str) -> str | None:
    """Return the ARN of the task that was started under this name, or None where there is none."""
    ecs = client(settings, "ecs")
    for status in ("RUNNING", "STOPPED"):  # what is asked for; without a word it is RUNNING alone
        answer = ecs.list_tasks(cluster=cluster, startedBy=started_by, desiredStatus=status)
        if answer["taskArns"]:
            return answer["taskArns"][0]
    return None


def start(
    settings: Settings,
    request: Mapping,
    look: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> tuple[str | None, Verdict | None]:
    """Start a task and return its ARN, or None and the verdict on why ECS started none.

    After an error that leaves open whether there is a task, RunTask is called again only when
    ListTasks knows none, and under the same ``clientToken``: never two tasks for one attempt.

    Args:
        settings: the Makefile's variables.
        request: of RunTask.
        look: ask for a task before the first call too; another follower may have started it.
        sleep, chance: for tests.
    """
    for number in range(1, CALLS + 1):
        if look and (arn := find(settings, request["cluster"], request["startedBy"])):
            note("-- the attempt's task is there already")
            return arn, None
        answer, refusal = {}, None
        try:
            answer = call_cli(
                settings, "ecs", "run-task", request=dict(request), name="run-task", tries=1
            )
        except UserError as error:
            refusal = error
        if answer.get("tasks"):
            return answer["tasks"][0]["taskArn"], None
        # refused; or exit status 0, and yet there is no task
        end = verdict(answer=answer, error=refusal, capacity=capacity(request, settings.capacity))
        if not unclear(end):
            return None, end
        look = True
        note(f"-- {end.cause}: looking whether the task is there")
        sleep(pause(number, chance(), FIRST, LONGEST))
    return find(settings, request["cluster"], request["startedBy"]), end
