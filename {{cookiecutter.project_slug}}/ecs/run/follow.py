"""Watch one task: its phases and its log, to the last line."""

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ecs import aws
from ecs.console import note
from ecs.errors import UserError
from ecs.refusals import code_and_message
from ecs.settings import CONTAINER
from ecs.verdict.rules import AGAIN
from ecs.verdict.verdict import verdict

# DescribeTasks may not know a new task for a while (eventual consistency).
MISSING_LIMIT = 60.0
# codes of credentials that were good once
EXPIRED = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
)
SESSION_OVER = (
    "your AWS session is over, and the run goes on; sign in again, for example by: aws sso login, then "
    "type: make attach"
)
EMULATOR_GONE = "the sandbox has ended, and nobody follows its containers any more; type: make sandbox, then make runs"
# ECS shows a task as deleted for a moment between stopped and forgotten.
ENDED = ("STOPPED", "DELETED")
LONGEST_WAIT = 30.0  # seconds between two tries while AWS does not answer
STOP_AGAIN = 4.0  # seconds until StopTask is called again, where it has failed


def stream_name(task_arn: str, prefix: str) -> str:
    """Return the log stream of a task: prefix, container, task id."""
    return f"{prefix}/{CONTAINER}/{task_arn.rpartition('/')[2]}"


class Log:
    """The lines of one log stream, each given out once."""

    def __init__(self, logs: Any, group: str, stream: str, end_mark: str) -> None:
        self.logs, self.group, self.stream, self.end_mark = logs, group, stream, end_mark
        self.token: str | None = None
        self.ended = False

    def new_lines(self) -> Iterator[str]:
        """Give out the lines that came since the last call, without the end mark."""
        while not self.ended:
            position = {"nextToken": self.token} if self.token else {}
            try:
                # The reference of GetLogEvents: with a token, startFromHead must be true as well.
                page = self.logs.get_log_events(
                    logGroupName=self.group,
                    logStreamName=self.stream,
                    startFromHead=True,
                    **position,
                )
            except self.logs.exceptions.ResourceNotFoundException:
                return  # the stream begins with the container's first line
            for event in page["events"]:
                if event["message"].rstrip() == self.end_mark:
                    self.ended = True
                else:
                    yield event["message"]
            # An empty page is not the end; the same token twice is.
            if page["nextForwardToken"] == self.token:
                return
            self.token = page["nextForwardToken"]


def describe(ecs: Any, cluster: str, task_arn: str) -> Mapping | None:
    """Return the task as DescribeTasks shows it, or None where ECS does not know it."""
    tasks = ecs.describe_tasks(cluster=cluster, tasks=[task_arn])["tasks"]
    return tasks[0] if tasks else None


@dataclass
class Limits:
    """When to stop a task that is followed, in seconds; infinite: never.

    ``start`` counts from the beginning until the container runs, ``run`` while it does. ``stop`` is
    called with the reason, again and again until it succeeds: BUDGET rests on it.
    """

    stop: Callable[[str], None]
    start: float = math.inf
    run: float = math.inf
    reason: str = ""  # the limit that is over
    asked: bool = False  # ECS has taken the order to stop
    again: float = 0.0  # since the beginning, when to ask it once more
    wait: float = STOP_AGAIN

    def check(self, phase: str, since_begin: float, since_phase: float) -> None:
        """Stop the task if a limit is over."""
        if self.asked or phase in ("DEACTIVATING", "STOPPING", "DEPROVISIONING", *ENDED):
            return
        if not self.reason:
            if phase == "RUNNING" and since_phase > self.run:
                self.reason = f"TIMEOUT={self.run:.0f} is over"
            elif phase != "RUNNING" and since_begin > self.start:
                self.reason = f"START_TIMEOUT={self.start:.0f} is over"
            else:
                return
            note(f"-- {self.reason}: stopping the task")
        if since_begin >= self.again:
            self.order(since_begin)

    def order(self, since_begin: float) -> None:
        """Tell ECS to stop the task; where that fails say so, and when it is told again."""
        try:
            self.stop(self.reason)
        except (UserError, OSError, ValueError) as error:  # all that the AWS CLI may end in
            note(f"-- the task is not stopped yet ({error}): trying again in {self.wait:.0f} s")
            self.again, self.wait = since_begin + self.wait, min(self.wait * 2, LONGEST_WAIT)
        else:
            self.asked = True


def follow(
    ecs: Any,
    log: Log,
    cluster: str,
    task_arn: str,
    show: Callable[[str], None],
    poll: float,
    drain_limit: float,
    limits: Limits | None = None,
    waiting: Callable[[Mapping], None] = lambda task: None,
    ended: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    chance: Callable[[], float] = random.random,
) -> Mapping | None:
    """Follow a task until it has stopped and its log is complete; there is no time limit.

    While AWS throttles or does not answer, each look comes after twice the wait of the one before;
    when it answers again, the waits shrink as they grew.

    Args:
        ecs: boto3's ECS client.
        log: the container's log.
        cluster: name of the cluster.
        task_arn: the task.
        show: called with each line of the log, in order, once.
        poll: seconds between two looks.
        drain_limit: seconds without a line after which the log of a stopped task is complete. Lines may
            still be on their way; the program's end mark says that there are no more, but a killed
            container prints none.
        limits: when to stop the task; None: never.
        waiting: called with the task at each look.
        ended: tells whether there is nobody left who could answer.
        sleep, clock, chance: for tests.

    Returns:
        The stopped task, or None where ECS does not know it.

    Raises:
        UserError: nobody answers any more, or the user's session is over.
    """
    began = phase_began = seen = clock()
    phase, silent, wait = "", False, poll
    while phase not in ENDED:
        try:
            task = describe(ecs, cluster, task_arn)
            read_on(log, show)
        except Exception as error:
            if not may_pass(error):
                raise
            if ended():
                raise UserError(EMULATOR_GONE) from error
            # The run goes on without us.
            if not silent:
                note(f"-- no answer from AWS ({code_and_message(error)[0]}): trying again")
            silent, wait = True, min(wait * 2, LONGEST_WAIT)
            if limits and phase:  # StopTask may be answered where DescribeTasks is not
                limits.check(phase, clock() - began, clock() - phase_began)
            sleep(wait * (0.5 + chance()))
            continue
        if silent:
            note("-- AWS answers again")
            silent, seen = False, clock()
        if task is None:
            if clock() - seen > MISSING_LIMIT:
                return None
        else:
            seen = clock()
            if task["lastStatus"] != phase:
                if phase:
                    note(f"-- {phase.lower()} for {seen - phase_began:.0f} s")
                phase, phase_began = task["lastStatus"], seen
                note(f"-- {phase.lower()}")
            waiting(task)
        if limits:
            limits.check(phase, clock() - began, clock() - phase_began)
        if phase not in ENDED:
            sleep(wait * (0.5 + chance()))
            wait = max(poll, wait / 2)
    started = any(
        each.get("runtimeId") or "exitCode" in each for each in task.get("containers", [])
    )
    if started:
        drain(log, show, drain_limit, sleep, clock)
    note(f"-- {clock() - began:.0f} s in all")
    return task


def may_pass(error: Exception) -> bool:
    """Tell whether the same question may be answered a minute later.

    Raises:
        UserError: not before the user signs in again.
    """
    if expired(error):
        raise UserError(SESSION_OVER) from error
    return passes(error)


def passes(error: Exception) -> bool:
    """Tell whether the same question may be answered a minute later: no network, throttling, 5xx.

    boto3 has tried eight times when such an error comes up.
    """
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    if isinstance(error, exceptions.ClientError):
        return verdict(error=error).retry == AGAIN
    # time-outs while an answer comes and connections closed; no connection at all; a proxy's own page
    return isinstance(
        error, exceptions.HTTPClientError | exceptions.ConnectionError | ResponseParserError
    )


def expired(error: Exception) -> bool:
    """Tell whether the session of the user's credentials is over: signing in again helps, waiting does not."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return error.response["Error"].get("Code") in EXPIRED
    return isinstance(
        error,
        exceptions.CredentialRetrievalError
        | exceptions.SSOError
        | exceptions.TokenRetrievalError
        | exceptions.NoCredentialsError
        | aws.SessionOverError,
    )


def read_on(log: Log, show: Callable[[str], None]) -> int:
    """Show the lines that came, and return how many; where the log may not be read say so, once.

    How the run ends is known without it.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    count = 0
    try:
        for line in log.new_lines():
            show(line)
            count += 1
    except (BotoCoreError, ClientError) as error:
        if passes(error) or expired(error):
            raise
        log.ended = True
        note(f"-- the log cannot be read, and the run is followed without it: {error}")
    return count


def drain(
    log: Log, show: Callable[[str], None], limit: float, sleep: Callable, clock: Callable
) -> None:
    """Read on until the end mark, or until no line has come for a while."""
    last = clock()
    while not log.ended and clock() - last < limit:
        try:
            if read_on(log, show):
                last = clock()
        except Exception as error:
            if not may_pass(error):
                raise
            last = clock()  # no answer is not an answer without lines
        if not log.ended:
            sleep(0.5)
    if not log.ended:
        note(
            f"-- the program printed no end mark; its last lines may be missing after {limit:.0f} s"
        )
