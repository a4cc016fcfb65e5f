"""The attempts at a run: start one, follow it, try again, record and tell how the run ended."""

import random
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from time import sleep
from typing import Any

from ecs import request
from ecs.errors import UserError
from ecs.follow import Log, stream_name
from ecs.settings import Settings
from ecs.signals import Signals, Terminated

LAST_LINES = 20  # of the log, for the verdict
VERDICT = ("state", "exit_code", "cause", "remedy", "retry", "reason", "rule")  # its fields
SECOND_CTRL_C = 3.0  # seconds in which a second Ctrl-C still reaches this program


def show(line: str) -> None:
    """Print a line of the container's log to standard output, at once."""
    print(line, flush=True)


def submit(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, run_request: dict
) -> dict | None:
    """Start the task of the next attempt and record it; return the result where there is none."""
    from ecs import history, retry
    from ecs.submit import start

    number = len(record["attempts"]) + 1
    attempt = {
        "attempt": number,
        "task": None,
        "capacity": retry.capacity(run_request, settings.capacity),
        "subnets": retry.subnets_of(run_request),
        "started": history.now(),
    }
    # Beyond the first one somebody else, or this program before it was killed, may have started it.
    attempt["task"], end = start(settings, run_request, look=number > 1, sleep=sleep)
    record["attempts"].append(attempt)
    if end is not None and not attempt["task"]:
        return {**end.record(), "recorded": history.now()}
    record["task"] = attempt["task"]
    history.write(settings, outputs, run, "run.json", record)
    print(f"run {run}, task {record['task'].rpartition('/')[2]}", file=sys.stderr)
    if not settings.sandbox:
        print(f"console: {request.console_uri(record['task'])}", file=sys.stderr)
    return None


def pursue(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, signals: Signals
) -> int:
    """Start and follow attempt after attempt, to success or to the last; return the exit status.

    An attempt that is under way already, as ``attach`` finds it, is followed first.

    Raises:
        UserError: ECS started no task in the last attempt; the history says so too.
    """
    from ecs import history, retry

    attempts, retries = record["attempts"], request.retries(settings)
    result: dict = {}
    while True:
        ended = None
        if not attempts or "state" in attempts[-1]:  # none is under way
            following = retry.next_request(
                record["request"], attempts, retries, settings.spot_fallback not in ("", "0")
            )
            if following is None:
                break
            if attempts and (signals.status or not paused(settings, record, following)):
                break
            with signals.hold():  # never a task that is not in the record
                ended = submit(settings, outputs, run, record, following)
            if ended is None:
                signals.obey()
        if ended is None and settings.detach:
            note = f"detached; to follow it: {attach_words(settings, run)}"
            print(f"{note}; its log: make logs RUN={run}", file=sys.stderr)
            return 0
        result = ended or attend(settings, outputs, run, record)
        attempts[-1] |= {name: result[name] for name in (*VERDICT, "cost") if name in result}
        history.write(settings, outputs, run, "run.json", record)
    status = finish(settings, outputs, run, record, result or attempts[-1])
    return signals.status or status


def paused(settings: Settings, record: dict, following: dict) -> bool:
    """Say that there is another attempt, and wait for it; False when a signal came meanwhile."""
    from ecs import retry
    from ecs.follow import note

    attempts = record["attempts"]
    number, cause = len(attempts) + 1, attempts[-1]["cause"]
    shortest = {"shortest": 0.5} if settings.sandbox else {}
    seconds = retry.pause(number - 1, random.random(), **shortest)
    how = retry.difference(record["request"], following)
    note(
        f"-- {cause}: attempt {number} of {request.retries(settings) + 1} in {seconds:.0f} s"
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
    """Record how a run ended, beside its model; print it, and return the exit status.

    Raises:
        UserError: ECS started no task in the last attempt.
    """
    from ecs import history

    attempts = record["attempts"]
    costs = [each["cost"] for each in attempts if each.get("cost") is not None]
    result = {**result, "task": record["task"], "attempts": attempts}
    if costs:
        result["cost"] = sum(costs)
    history.write(settings, outputs, run, "result.json", result)
    if attempts[-1]["task"] is None:
        raise UserError("ECS started no task: " + "\n".join(verdict_of(result).lines()))
    return tell(settings, outputs, run, result)


def tell(settings: Settings, outputs: dict[str, str], run: str, result: dict) -> int:
    """Print how a run ended, with its cause and what to type; return the exit status."""
    from ecs import history
    from ecs.cost import REGION, shown
    from ecs.follow import note

    for line in history.summary(settings, outputs, run):
        note(line)
    if result.get("cost") is not None:
        note(f"cost: about {shown(result['cost'])} ({REGION})")
    if result["state"] == "Succeeded":
        note(f"run {run} succeeded; to download it: make fetch RUN={run}")
        return 0
    end = verdict_of(result)
    cause, *more = end.lines()
    note("\n".join([f"run {run} {end.state.lower()}: {cause}", *more]))
    return end.status


def verdict_of(result: Mapping) -> Any:
    """Return the verdict that a result records."""
    from ecs.verdict import Verdict

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
            print(
                f"\ndetached; run {run} goes on. To follow it: {attach_words(settings, run)}\n"
                f"Ctrl-C again now, or later make stop RUN={run}, stops it",
                file=sys.stderr,
                flush=True,
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
            print(f"run {run} goes on; {attach_words(settings, run)} follows it", file=sys.stderr)
        raise


def attach_words(settings: Settings, run: str) -> str:
    """Return what to type to follow a run again, with as many retries as it has now."""
    words = ["make attach", f"RUN={run}"]
    if request.retries(settings):
        words.append(f"RETRIES={settings.retries}")
    if settings.spot_fallback not in ("", "0"):
        words.append("SPOT_FALLBACK=1")
    return " ".join(words)


def interrupted(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, why: str, status: int
) -> int:
    """Stop the run's task because the follower was told to, say so, and return ``status``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if record["task"]:
        stop_task(settings, outputs, run, record, f"{why} in make run")
    return status


def log_of(settings: Settings, outputs: dict[str, str], run: str, task: str) -> Log:
    """Return the log of the container of one of a run's tasks."""
    from ecs.aws import client

    group, stream = outputs["LogGroup"], stream_name(task)
    return Log(client(settings, "logs"), group, stream, f"[end of run {run}]")


def attend(settings: Settings, outputs: dict[str, str], run: str, record: dict) -> dict:
    """Follow a run's latest attempt to its end and return how it ended; record nothing."""
    from ecs import history
    from ecs.aws import client
    from ecs.follow import Limits, follow

    log = log_of(settings, outputs, run, record["task"])
    last: deque[str] = deque(maxlen=LAST_LINES)

    def show_and_keep(line: str) -> None:
        last.append(line)
        show(line)

    limits = Limits(
        stop=lambda reason: stop_task(settings, outputs, run, record, reason),
        start=request.seconds("START_TIMEOUT", settings.start_timeout),
        run=request.seconds("TIMEOUT", settings.timeout),
    )
    task = follow(
        client(settings, "ecs"),
        log,
        outputs["Cluster"],
        record["task"],
        show_and_keep,
        limits=limits,
        # the emulator answers at once, and nobody is billed for the calls
        **({"poll": 0.5, "drain_limit": 3.0} if settings.sandbox else {}),
    )
    # ECS forgets a task after an hour; what somebody has recorded stays
    known = history.result(settings, outputs, run, record) if task is None else None
    return known or outcome(settings, record, task, last)


def outcome(
    settings: Settings, record: dict, task: Mapping | None, log: Iterable[str] = ()
) -> dict:
    """Return how the task of a run's latest attempt ended, as ``result.json`` keeps it.

    ``log`` holds the last lines of the container's log, as far as they are known.
    """
    from ecs import cost, history
    from ecs.verdict import verdict

    capacity = record["attempts"][-1].get("capacity", settings.capacity)
    size = record.get("size")
    end = verdict(task, log=list(log), capacity=capacity)
    times = {
        name: str(task[name])
        for name in ("createdAt", "pullStartedAt", "startedAt", "stoppedAt")
        if (task or {}).get(name)
    }
    return {
        **end.record(),
        "stop_code": (task or {}).get("stopCode"),
        "stopped_reason": (task or {}).get("stoppedReason"),
        "recorded": history.now(),
        "cost": cost.billed({**size, "capacity": capacity}, task) if size and task else None,
        "task": record["task"],
        "attempts": record["attempts"],
        **times,
    }


def state_of(settings: Settings, outputs: dict[str, str], run: str, record: dict | None) -> dict:
    """Return how a run ended; a stopped task that nobody has recorded yet is recorded now."""
    from ecs import history
    from ecs.aws import client
    from ecs.follow import describe

    result = history.result(settings, outputs, run, record or {})
    if result is not None:
        return result
    if not (record or {}).get("task"):
        return {"state": "Unknown", "exit_code": None, "cause": "no task is recorded"}
    task = describe(client(settings, "ecs"), outputs["Cluster"], record["task"])
    if task is None:
        # not yet, or no longer: nothing to record, since a later look may see it
        cause = "ECS does not know the task (yet, or an hour after it stopped)"
        return {"state": "Unknown", "exit_code": None, "cause": cause}
    if task["lastStatus"] != "STOPPED":
        return {"state": task["lastStatus"].capitalize(), "exit_code": None, "cause": ""}
    result = outcome(settings, record, task)
    history.write(settings, outputs, run, "result.json", result)
    return result


def stop_task(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, reason: str
) -> None:
    """Ask ECS to stop a run's task, for ``reason``."""
    from ecs.aws import call_cli

    call_cli(
        settings, "ecs", "stop-task", "--cluster", outputs["Cluster"], "--task", record["task"],
        "--reason", reason,
    )  # fmt: skip
    print(f"run {run} is stopping; it has up to two minutes to save its work", file=sys.stderr)
