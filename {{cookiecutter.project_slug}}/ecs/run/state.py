"""What became of a run, by its record and by what ECS says of its task."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ecs import contract, cost
from ecs.aws import client
from ecs.history import records
from ecs.history.run import Run
from ecs.run.follow import ENDED, describe
from ecs.run.locate import locate, record_end, unfound
from ecs.verdict.verdict import UNKNOWN, verdict

STOPPED = 143  # what the launcher says of a script that was told to stop


def outcome(run: Run, task: Mapping | None, log: Iterable[str] = ()) -> dict:
    """Return how the task of a run's latest attempt ended, as ``result.json`` keeps it.

    ``log`` holds the last lines of the container's log, as far as they are known.
    """

    capacity = run.record["attempts"][-1].get("capacity", run.settings.capacity)
    size = run.record.get("size")
    billed = size and task and run.settings.there.billed
    end = verdict(task, log=list(log), capacity=capacity)
    if task is None:  # forgotten, however it ended
        end = replace(end, state=UNKNOWN)
    times = {
        name: str(task[name])
        for name in ("createdAt", "pullStartedAt", "startedAt", "stoppedAt")
        if (task or {}).get(name)
    }
    return {
        **end.record(),
        "stop_code": (task or {}).get("stopCode"),
        "stopped_reason": (task or {}).get("stoppedReason"),
        "recorded": records.now(),
        "cost": cost.billed({**size, "capacity": capacity}, task) if billed else None,
        "task": run.record["task"],
        "attempts": run.record["attempts"],
        **times,
    }


def by_manifest(run: Run) -> dict | None:
    """Return how the last attempt ended by what its launcher wrote last; None where it wrote nothing.

    For a task that ECS has forgotten before anybody recorded its end.
    """
    manifest = records.readable(run, contract.MANIFEST)
    if records.files_in(manifest, run.record) is None or type(manifest.get("exit_code")) is not int:
        return None
    code = manifest["exit_code"]
    state = "Succeeded" if code == 0 else "Interrupted" if code == STOPPED else "Failed"
    cause = (
        ""
        if code == 0
        else f"exit code is {code}, by {contract.MANIFEST}; ECS has forgotten the task"
    )
    return {"state": state, "exit_code": code, "cause": cause}


def state_of(run: Run) -> dict:
    """Return what became of a run, with an end that nobody has recorded yet, which is recorded now."""
    result = records.result(run)
    if result is not None:
        return result
    unknown = {"state": UNKNOWN, "exit_code": None}
    if not run.record:
        return {**unknown, "cause": "it has no run.json"}
    locate(run)
    if records.unanswered(run.record):
        return {**unknown, "cause": unfound(run.record)}
    latest = run.record["attempts"][-1]
    if not latest["task"]:  # refused, and the follower ended before it wrote result.json
        return {"cause": "", "exit_code": None, **latest}
    task = describe(client(run.settings, "ecs"), run.outputs["Cluster"], run.record["task"])
    if task is None:
        # not yet, or no longer: nothing to record, since a later look may see it
        cause = "ECS does not know the task (yet, or an hour after it stopped)"
        if "state" in latest:
            return {"cause": "", "exit_code": None, **latest}
        return by_manifest(run) or {**unknown, "cause": cause}
    if task["lastStatus"] not in ENDED:
        return {"state": task["lastStatus"].capitalize(), "exit_code": None, "cause": ""}
    result = outcome(run, task)
    record_end(run, result)
    return result
