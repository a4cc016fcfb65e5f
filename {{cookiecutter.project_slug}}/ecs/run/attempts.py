"""The attempts at a run: start one, follow it, try again, record and tell how the run ended."""

import random
import secrets
import signal
import time
from collections import deque
from collections.abc import Mapping
from time import sleep
from typing import Any

from ecs import parse
from ecs.aws import call_cli, client
from ecs.console import logged, note, plain
from ecs.cost import REGION, shown
from ecs.errors import UserError
from ecs.history import records, saved
from ecs.request import request
from ecs.run import retry
from ecs.run.follow import ENDED, Limits, Log, follow, stream_name
from ecs.run.locate import keep, locate, record_end, settled, take, unfound
from ecs.run.signals import Signals, Terminated
from ecs.run.state import outcome
from ecs.run.submit import MOST_DESCRIBED, batches, listed, start
from ecs.run.waiting import Waiting
from ecs.settings import Settings
from ecs.verdict.verdict import UNKNOWN, Verdict

LAST_LINES = 20  # of the log, for the verdict
VERDICT = ("state", "exit_code", "cause", "remedy", "retry", "reason", "rule")  # its fields
SECOND_CTRL_C = 3.0  # seconds in which a second Ctrl-C still reaches this program


def show(line: str) -> None:
    """Print a line of the container's log to standard output, at once."""
    print(logged(line), flush=True)


def claim(
    settings: Settings,
    outputs: dict[str, str],
    run: str,
    record: dict,
    following: dict,
    sender: str,
) -> bool:
    """Record that the next attempt is being sent; return False if it must not be.

    It stands in ``run.json`` before ECS is asked, so that its task can be found whatever happens.
    Where another follower has recorded it first, that one's request holds: one attempt, one
    ``clientToken``, one task. A run that was stopped has no further attempt.
    """
    number = len(record["attempts"]) + 1
    attempt = {
        "attempt": number,
        "task": None,
        "capacity": retry.capacity(following, settings.capacity),
        "subnets": retry.subnets_of(following),
        "started": records.now(),
        "sender": sender,
        "request": following,
    }

    def change(latest: dict) -> None:
        if len(latest["attempts"]) < number and not latest.get("stopped"):
            latest["attempts"].append(attempt)
            latest["task"] = None

    records.update(settings, outputs, run, record, change)
    return len(record["attempts"]) >= number


def submit(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, sender: str
) -> dict:
    """Start the task of the latest attempt if it has none, and record it.

    Returns:
        The end of the attempt where there is no task, or {}.
    """
    if record["attempts"][-1].get("sender", sender) != sender:
        settled(settings, outputs, run, record)
    if not records.unanswered(record):
        return {}
    attempt = record["attempts"][-1]
    number, own = attempt["attempt"], attempt.get("sender") == sender
    task, end = start(settings, attempt["request"], look=number > 1, unclear=not own, sleep=sleep)
    if not task:
        told = {**end.record(), "recorded": records.now()}
        conclude(settings, outputs, run, record, number, told)
        return told
    take(settings, outputs, run, record, task)
    note(f"run {run}, task {task.rpartition('/')[2]}")
    if not settings.sandbox:
        note(f"console: {request.console_uri(task)}")
    if record.get("stopped"):  # by somebody, while ECS was asked
        stop_task(settings, outputs, run, record, "make stop")
    return {}


def conclude(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, number: int, result: dict
) -> None:
    """Record in ``run.json`` how attempt ``number`` ended, or that this is not known."""
    told = {name: result[name] for name in (*VERDICT, "cost") if name in result}

    def change(latest: dict) -> None:
        attempt = latest["attempts"][number - 1]
        if attempt.get("state") not in records.ENDED:
            attempt |= told
        attempt.pop("sender", None)
        if attempt["state"] in records.ENDED:
            attempt.pop("request", None)

    keep(settings, outputs, run, record, change)


def pursue(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, signals: Signals
) -> int:
    """Start and follow attempt after attempt, to success or to the last; return the exit status.

    An attempt that is under way already, as ``attach`` finds it, is followed first.

    Raises:
        UserError: the last attempt has no task, or none that is known; the history says so too.
    """
    retries, sender = parse.retries(settings), secrets.token_hex(8)
    fallback = settings.spot_fallback
    result: dict = {}
    while result.get("state") != UNKNOWN:
        attempts, following = record["attempts"], None
        if not records.under_way(record):
            following = retry.next_request(record["request"], attempts, retries, fallback)
            if following is None or record.get("stopped"):
                break
            if attempts and (signals.status or not paused(settings, record, following)):
                break
        with signals.hold():  # never a task that is not in the record
            if following and not claim(settings, outputs, run, record, following, sender):
                break
            number = len(record["attempts"])
            result = submit(settings, outputs, run, record, sender)
        if result or not records.under_way(record):
            continue
        signals.obey()
        if settings.detach:
            note(
                f"detached; to follow it: {attach_words(settings, run)}; its log: make logs RUN={run}"
            )
            return 0
        result = attend(settings, outputs, run, record)
        conclude(settings, outputs, run, record, number, result)
        if len(record["attempts"]) > number:  # another follower has gone on meanwhile
            result = {}
    if not record["attempts"]:
        raise UserError(f"run {run} was stopped before ECS was asked for a task")
    if record.get("stopped"):
        note("-- the run was stopped: not tried again")
    result = result or records.result(settings, outputs, run, record) or record["attempts"][-1]
    status = finish(settings, outputs, run, record, result)
    return signals.status or status


def paused(settings: Settings, record: dict, following: dict) -> bool:
    """Say that there is another attempt, and wait for it; False when a signal came meanwhile."""
    attempts = record["attempts"]
    number, cause = len(attempts) + 1, attempts[-1].get("cause", "not known")
    shortest = {"shortest": 0.5} if settings.sandbox else {}
    seconds = retry.pause(number - 1, random.random(), **shortest)
    how = retry.difference(record["request"], following)
    note(
        f"-- {cause}: attempt {number} of {parse.retries(settings) + 1} in {seconds:.0f} s"
        + (f", {how}" if how else "")
    )
    try:
        sleep(seconds)
    except (KeyboardInterrupt, Terminated):
        note("-- interrupted between two attempts: not tried again")
        return False
    return True


def finish(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, result: dict
) -> int:
    """Tell how a run ended, then record it beside its model; return the exit status.

    Raises:
        UserError: ECS started no task in the last attempt, or may have started one.
    """
    attempts = record["attempts"]
    costs = [each["cost"] for each in attempts if each.get("cost") is not None]
    result = {**result, "task": record["task"], "attempts": attempts}
    if costs:
        result["cost"] = sum(costs)
    if attempts[-1]["task"] is None:
        record_end(settings, outputs, run, result)
        lines = "\n".join(verdict_of(result).lines())
        if result["state"] == UNKNOWN:
            raise UserError(f"nobody knows yet whether ECS started a task: {lines} RUN={run}")
        raise UserError(f"ECS started no task: {lines}")
    status = tell(settings, outputs, run, result)
    record_end(settings, outputs, run, result)
    return status


def tell(settings: Settings, outputs: dict[str, str], run: str, result: dict) -> int:
    """Print how a run ended, with its cause and what to type; return the exit status."""
    tell_files(settings, outputs, run)
    if result.get("cost") is not None and not settings.sandbox:
        note(f"cost: about {shown(result['cost'])} ({REGION})")
    if result["state"] == "Succeeded":
        note(f"run {run} succeeded; to download it: make fetch RUN={run}")
        return 0
    end = verdict_of(result)
    cause, *more = end.lines()
    note("\n".join([f"run {run} {end.state.lower()}: {cause}", *more]))
    return end.status


def tell_files(settings: Settings, outputs: dict[str, str], run: str) -> None:
    """Print what a run has saved; where S3 does not say, print that."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for line in saved.summary(settings, outputs, run):
            note(plain(line))
    except (BotoCoreError, ClientError) as error:
        note(f"-- what the run has saved cannot be listed: {error}")


def verdict_of(result: Mapping) -> Any:
    """Return the verdict that a result records."""
    return Verdict(**{name: result[name] for name in VERDICT if name in result})


def watch(settings: Settings, outputs: dict[str, str], run: str, record: dict) -> int:
    """Pursue a run. Ctrl-C leaves it alone, Ctrl-C twice or SIGTERM stops it.

    ON_INTERRUPT=stop makes the first Ctrl-C stop it too, for machines where nobody sits.
    """
    signals = Signals()
    try:
        return pursue(settings, outputs, run, record, signals)
    except KeyboardInterrupt:
        if settings.on_interrupt == "detach" and record["task"]:
            note(
                f"\ndetached; run {run} goes on. To follow it: {attach_words(settings, run)}\n"
                f"Ctrl-C again now, or later make stop RUN={run}, stops it"
            )
            deadline = time.monotonic() + SECOND_CTRL_C
            while signals.presses < 2 and time.monotonic() < deadline:
                time.sleep(0.1)
            if signals.presses < 2:
                return 130
        return interrupted(settings, outputs, run, record, "Ctrl-C", 130)
    except Terminated:
        return interrupted(settings, outputs, run, record, "SIGTERM", 143)
    except Exception:
        if record["attempts"] and "state" not in record["attempts"][-1] and record["task"]:
            note(f"run {run} goes on; {attach_words(settings, run)} follows it")
        raise


def attach_words(settings: Settings, run: str) -> str:
    """Return what to type to follow a run again, with as many retries as it has now."""
    words = ["make attach", f"RUN={run}"]
    if parse.retries(settings):
        words.append(f"RETRIES={settings.retries}")
    if settings.spot_fallback:
        words.append("SPOT_FALLBACK=1")
    return " ".join(words)


def interrupted(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, why: str, status: int
) -> int:
    """Stop the run because the follower was told to, say so, and return ``status``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if record["attempts"]:  # else ECS was never asked for a task
        halt(settings, outputs, run, record, f"{why} in make run", looks=3)
    return status


def halt(
    settings: Settings,
    outputs: dict[str, str],
    run: str,
    record: dict,
    reason: str,
    looks: int = 1,
) -> None:
    """End a run for good: no attempt follows, and the task of the latest one is stopped.

    Raises:
        UserError: there may be a task, and ECS does not show it.
    """

    def change(latest: dict) -> None:
        latest.setdefault("stopped", records.now())

    # Before anything else: a follower looks at it before each attempt, and once ECS has answered.
    keep(settings, outputs, run, record, change)
    locate(settings, outputs, run, record, looks)
    if records.unanswered(record):
        raise UserError(
            f"run {run}: {unfound(record)}; no other attempt will be made. In a minute: "
            f"make stop RUN={run}"
        )
    if records.under_way(record):
        stop_task(settings, outputs, run, record, reason)


def halt_by_name(settings: Settings, outputs: dict[str, str], run: str) -> int:
    """Stop the tasks of a run whose ``run.json`` is damaged or gone; return how many there were.

    Their names (``startedBy``) begin with the run's id. A follower cannot go on without the record.
    """
    ecs = client(settings, "ecs")
    cluster, found = outputs["Cluster"], 0
    for batch in batches(listed(ecs, cluster=cluster, family=settings.project), MOST_DESCRIBED):
        for task in ecs.describe_tasks(cluster=cluster, tasks=batch)["tasks"]:
            name = task.get("startedBy") or ""
            if name.rpartition("-")[0] == run and task.get("lastStatus") not in ENDED:
                stop_task(settings, outputs, run, {"task": task["taskArn"]}, "make stop")
                found += 1
    return found


def log_of(settings: Settings, outputs: dict[str, str], run: str, task: str) -> Log:
    """Return the log of the container of one of a run's tasks."""
    group, stream = outputs["LogGroup"], stream_name(task)
    return Log(client(settings, "logs"), group, stream, f"[end of run {run}]")


def attend(settings: Settings, outputs: dict[str, str], run: str, record: dict) -> dict:
    """Follow a run's latest attempt to its end and return how it ended; record nothing."""
    log = log_of(settings, outputs, run, record["task"])
    last: deque[str] = deque(maxlen=LAST_LINES)

    def show_and_keep(line: str) -> None:
        last.append(line)
        show(line)

    limits = Limits(
        stop=lambda reason: stop_task(settings, outputs, run, record, reason),
        start=parse.seconds("START_TIMEOUT", settings.start_timeout),
        run=parse.seconds("TIMEOUT", settings.timeout),
    )
    task = follow(
        client(settings, "ecs"),
        log,
        outputs["Cluster"],
        record["task"],
        show_and_keep,
        limits=limits,
        waiting=Waiting(settings, outputs, record["attempts"][-1].get("capacity", "")),
        # the emulator answers at once, and nobody is billed for the calls
        **({"poll": 0.5, "drain_limit": 3.0} if settings.sandbox else {}),
    )
    # ECS forgets a task after an hour; what somebody has recorded stays
    known = records.result(settings, outputs, run, record) if task is None else None
    return known or outcome(settings, record, task, last)


def stop_task(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, reason: str
) -> None:
    """Ask ECS to stop a run's task, for ``reason``."""
    call_cli(
        settings, "ecs", "stop-task", "--cluster", outputs["Cluster"], "--task", record["task"],
        "--reason", reason,
    )  # fmt: skip
    note(f"run {run} is stopping; it has up to two minutes to save its work")
