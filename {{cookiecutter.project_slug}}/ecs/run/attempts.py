"""The attempts at a run: start one, follow it, try again, record and tell how the run ended."""

import random
import secrets
import signal
import time
from collections import deque
from collections.abc import Mapping
from time import sleep
from typing import Any

from ecs import contract, parse
from ecs.aws import call_cli, client, of_recipe
from ecs.console import logged, note, plain
from ecs.cost import REGION, shown
from ecs.errors import UserError
from ecs.history import index, records, saved
from ecs.history.run import Run
from ecs.request import request
from ecs.run import batch, retry
from ecs.run.follow import ENDED, Limits, Log, follow, stream_name
from ecs.run.locate import keep, locate, record_end, settled, take, unfound
from ecs.run.signals import Signals, Terminated
from ecs.run.state import outcome
from ecs.run.submit import MOST_DESCRIBED, batches, listed, start
from ecs.run.waiting import Waiting
from ecs.verdict.verdict import UNKNOWN, Verdict

LAST_LINES = 20  # of the log, for the verdict
VERDICT = ("state", "exit_code", "cause", "remedy", "retry", "reason", "rule")  # its fields
# as in the recipe of make stop
STOP = ("ecs", "stop-task", "--cluster", "{cluster}", "--task", "{task}", "--reason", "{reason}")
SECOND_CTRL_C = 3.0  # seconds in which a second Ctrl-C still reaches this program


def show(line: str) -> None:
    """Print a line of the container's log to standard output, at once."""
    print(logged(line), flush=True)


def claim(run: Run, following: dict, sender: str) -> bool:
    """Record that the next attempt is being sent; return False if it must not be.

    It stands in ``run.json`` before ECS is asked, so that its task can be found whatever happens.
    Where another follower has recorded it first, that one's request holds: one attempt, one
    ``clientToken``, one task. A run that was stopped has no further attempt.
    """
    number = len(run.record["attempts"]) + 1
    attempt = {
        "attempt": number,
        "task": None,
        "capacity": retry.capacity(following, run.settings.capacity),
        "subnets": retry.subnets_of(following),
        "started": records.now(),
        "sender": sender,
        "request": following,
    }

    def change(latest: dict) -> None:
        if len(latest["attempts"]) < number and not latest.get("stopped"):
            latest["attempts"].append(attempt)
            latest["task"] = None

    records.update(run, change)
    if number > 1:
        index.forget(run)
    return len(run.record["attempts"]) >= number


def submit(run: Run, sender: str) -> dict:
    """Start the task of the latest attempt if it has none, and record it.

    Returns:
        The end of the attempt where there is no task, or {}.
    """
    if run.record["attempts"][-1].get("sender", sender) != sender:
        settled(run)
    if not records.unanswered(run.record):
        return {}
    attempt = run.record["attempts"][-1]
    number, own = attempt["attempt"], attempt.get("sender") == sender
    task, end = start(
        run.settings, attempt["request"], look=number > 1, unclear=not own, sleep=sleep
    )
    if not task:
        told = {**end.record(), "recorded": records.now()}
        conclude(run, number, told)
        return told
    take(run, task)
    note(f"run {run.id}, task {task.rpartition('/')[2]}")
    if run.settings.there.billed:
        note(f"console: {request.console_uri(task)}")
    if run.record.get("stopped"):  # by somebody, while ECS was asked
        stop_task(run, "make stop")
    return {}


def conclude(run: Run, number: int, result: dict) -> None:
    """Record in ``run.json`` how attempt ``number`` ended, or that this is not known."""
    told = {name: result[name] for name in (*VERDICT, "cost") if name in result}

    def change(latest: dict) -> None:
        attempt = latest["attempts"][number - 1]
        if attempt.get("state") not in records.ENDED:
            attempt |= told
        attempt.pop("sender", None)
        if attempt["state"] in records.ENDED:
            attempt.pop("request", None)

    keep(run, change)


def pursue(run: Run, signals: Signals) -> int:
    """Start and follow attempt after attempt, to success or to the last; return the exit status.

    An attempt that is under way already, as ``attach`` finds it, is followed first.

    Raises:
        UserError: the last attempt has no task, or none that is known; the history says so too.
    """
    retries, sender = parse.retries(run.settings), secrets.token_hex(8)
    fallback = run.settings.spot_fallback
    result: dict = {}
    while result.get("state") != UNKNOWN:
        attempts, following = run.record["attempts"], None
        if not records.under_way(run.record):
            following = retry.next_request(run.record["request"], attempts, retries, fallback)
            if following is None or run.record.get("stopped"):
                break
            if attempts and (signals.status or not paused(run, following)):
                break
        with signals.hold():  # never a task that is not in the record
            if following and not claim(run, following, sender):
                break
            number = len(run.record["attempts"])
            result = submit(run, sender)
        if result or not records.under_way(run.record):
            continue
        signals.obey()
        if run.settings.detach:
            note(f"detached; to follow it: {attach_words(run)}; its log: make logs RUN={run.id}")
            return 0
        result = attend(run)
        conclude(run, number, result)
        if len(run.record["attempts"]) > number:  # another follower has gone on meanwhile
            result = {}
    if not run.record["attempts"]:
        raise UserError(f"run {run.id} was stopped before ECS was asked for a task")
    if run.record.get("stopped"):
        note("-- the run was stopped: not tried again")
    result = result or records.result(run) or run.record["attempts"][-1]
    status = finish(run, result)
    return signals.status or status


def paused(run: Run, following: dict) -> bool:
    """Say that there is another attempt, and wait for it; False when a signal came meanwhile."""
    attempts = run.record["attempts"]
    number, cause = len(attempts) + 1, attempts[-1].get("cause", "not known")
    seconds = retry.pause(number - 1, random.random(), run.settings.there.pause)
    how = retry.difference(run.record["request"], following)
    note(
        f"-- {cause}: attempt {number} of {parse.retries(run.settings) + 1} in {seconds:.0f} s"
        + (f", {how}" if how else "")
    )
    try:
        sleep(seconds)
    except (KeyboardInterrupt, Terminated):
        note("-- interrupted between two attempts: not tried again")
        return False
    return True


def finish(run: Run, result: dict) -> int:
    """Tell how a run ended, then record it beside its model; return the exit status.

    Raises:
        UserError: ECS started no task in the last attempt, or may have started one.
    """
    attempts = run.record["attempts"]
    costs = [each["cost"] for each in attempts if each.get("cost") is not None]
    result = {**result, "task": run.record["task"], "attempts": attempts}
    if costs:
        result["cost"] = sum(costs)
    if attempts[-1]["task"] is None:
        record_end(run, result)
        lines = "\n".join(verdict_of(result).lines())
        if result["state"] == UNKNOWN:
            raise UserError(f"nobody knows yet whether ECS started a task: {lines} RUN={run.id}")
        raise UserError(f"ECS started no task: {lines}")
    status = tell(run, result)
    record_end(run, result)
    return status


def tell(run: Run, result: dict) -> int:
    """Print how a run ended, with its cause and what to type; return the exit status."""
    tell_files(run)
    if result.get("cost") is not None and run.settings.there.billed:
        note(f"cost: about {shown(result['cost'])} ({REGION})")
    if result["state"] == "Succeeded":
        note(f"run {run.id} succeeded; to download it: make fetch RUN={run.id}")
        return 0
    end = verdict_of(result)
    cause, *more = end.lines()
    note("\n".join([f"run {run.id} {end.state.lower()}: {cause}", *more]))
    return end.status


def tell_files(run: Run) -> None:
    """Print what a run has saved; where S3 does not say, print that."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for line in saved.summary(run):
            note(plain(line))
    except (BotoCoreError, ClientError) as error:
        note(f"-- what the run has saved cannot be listed: {error}")


def verdict_of(result: Mapping) -> Any:
    """Return the verdict that a result records."""
    return Verdict(**{name: result[name] for name in VERDICT if name in result})


def watch(run: Run) -> int:
    """Pursue a run. Ctrl-C leaves it alone, Ctrl-C twice or SIGTERM stops it.

    ON_INTERRUPT=stop makes the first Ctrl-C stop it too, for machines where nobody sits.
    """
    signals = Signals()
    try:
        return pursue(run, signals)
    except KeyboardInterrupt:
        if run.settings.on_interrupt == "detach" and run.record["task"]:
            note(
                f"\ndetached; run {run.id} goes on. To follow it: {attach_words(run)}\n"
                f"Ctrl-C again now, or later make stop RUN={run.id}, stops it"
            )
            deadline = time.monotonic() + SECOND_CTRL_C
            while signals.presses < 2 and time.monotonic() < deadline:
                time.sleep(0.1)
            if signals.presses < 2:
                return 130
        return interrupted(run, "Ctrl-C", 130)
    except Terminated:
        return interrupted(run, "SIGTERM", 143)
    except Exception:
        if (
            run.record["attempts"]
            and "state" not in run.record["attempts"][-1]
            and run.record["task"]
        ):
            note(f"run {run.id} goes on; {attach_words(run)} follows it")
        raise


def attach_words(run: Run) -> str:
    """Return what to type to follow a run again, with as many retries as it has now."""
    words = ["make attach", f"RUN={run.id}"]
    if parse.retries(run.settings):
        words.append(f"RETRIES={run.settings.retries}")
    if run.settings.spot_fallback:
        words.append("SPOT_FALLBACK=1")
    return " ".join(words)


def interrupted(run: Run, why: str, status: int) -> int:
    """Stop the run because the follower was told to, say so, and return ``status``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if run.record["attempts"]:  # else ECS was never asked for a task
        halt(run, f"{why} in make run", looks=3)
    return status


def halt(run: Run, reason: str, looks: int = 1) -> None:
    """End a run for good: no attempt follows, and the task of the latest one is stopped.

    Raises:
        UserError: there may be a task, and ECS does not show it.
    """

    def change(latest: dict) -> None:
        latest.setdefault("stopped", records.now())

    # Before anything else: a follower looks at it before each attempt, and once ECS has answered.
    if "/" not in run.id:  # else one run of a sweep, of which Batch itself makes no other attempt
        keep(run, change)
    if "batch" in run.record:
        batch.stop(run, reason)
        return
    locate(run, looks)
    if records.unanswered(run.record):
        raise UserError(
            f"run {run.id}: {unfound(run.record)}; no other attempt will be made. In a minute: "
            f"make stop RUN={run.id}"
        )
    if records.under_way(run.record):
        stop_task(run, reason)


def halt_by_name(run: Run) -> int:
    """Stop the tasks of a run whose ``run.json`` is damaged or gone; return how many there were.

    Their names (``startedBy``) begin with the run's id. A follower cannot go on without the record.
    """
    ecs = client(run.settings, "ecs")
    cluster, found = run.outputs["Cluster"], 0
    for some in batches(listed(ecs, cluster=cluster, family=run.settings.project), MOST_DESCRIBED):
        for task in ecs.describe_tasks(cluster=cluster, tasks=some)["tasks"]:
            name = task.get("startedBy") or ""
            if name.rpartition("-")[0] == run.id and task.get("lastStatus") not in ENDED:
                stop_task(run, "make stop", task["taskArn"])
                found += 1
    return found + batch.stop_by_name(run, "make stop")


def log_of(run: Run, task: str) -> Log:
    """Return the log of the container of one of a run's tasks."""
    # older records do not say where it is
    usual = {"group": run.outputs["LogGroup"], "stream-prefix": "run"}
    place = run.record.get("log", usual)
    stream = stream_name(task, (place or usual)["stream-prefix"])
    mark = contract.end_mark(run.id)
    log = Log(client(run.settings, "logs"), (place or usual)["group"], stream, mark)
    log.ended = place is None  # there is nothing to wait for
    return log


def attend(run: Run) -> dict:
    """Follow a run's latest attempt to its end and return how it ended; record nothing."""
    log = log_of(run, run.record["task"])
    last: deque[str] = deque(maxlen=LAST_LINES)

    def show_and_keep(line: str) -> None:
        last.append(line)
        show(line)

    limits = Limits(
        stop=lambda reason: stop_task(run, reason),
        start=parse.seconds("START_TIMEOUT", run.settings.start_timeout),
        run=parse.seconds("TIMEOUT", run.settings.timeout),
    )
    task = follow(
        client(run.settings, "ecs"),
        log,
        run.outputs["Cluster"],
        run.record["task"],
        show_and_keep,
        limits=limits,
        waiting=Waiting(run.settings, run.outputs, run.record["attempts"][-1].get("capacity", "")),
        poll=run.settings.there.look,
        drain_limit=run.settings.there.drain,
        ended=run.settings.there.ended,
    )
    # ECS forgets a task after an hour; what somebody has recorded stays
    known = records.result(run) if task is None else None
    return known or outcome(run, task, last)


def stop_task(run: Run, reason: str, task: str = "") -> None:
    """Ask ECS to stop a run's task, for ``reason``; ``task`` where its record does not name it."""
    names = {
        "{cluster}": run.outputs["Cluster"],
        "{task}": task or run.record["task"],
        "{reason}": reason,
    }
    words = of_recipe(run.settings, *STOP[:2]) or STOP
    call_cli(run.settings, *(names.get(word, word) for word in words))
    note(f"run {run.id} is stopping; it has up to two minutes to save its work")
