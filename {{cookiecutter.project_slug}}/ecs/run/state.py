"""What became of a run, by its record and by what ECS says of its task."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ecs import contract, cost
from ecs.aws import client
from ecs.history import records
from ecs.history.run import Run
from ecs.run import batch
from ecs.run.follow import ENDED, describe
from ecs.run.locate import keep, locate, record_end, unfound
from ecs.verdict.rules import NEVER
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
    if "batch" in run.record:
        return of_job(run)
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


def of_job(run: Run) -> dict:
    """Return what ``state_of`` does, of a run on AWS Batch."""
    job = batch.look(run)
    if job is None:
        unknown = {"state": UNKNOWN, "exit_code": None, "cause": batch.unfound(run.record)}
        return by_manifest(run) or unknown
    if run.record.get("sweep"):
        return of_sweep(run, job)
    if job["status"] not in batch.ENDED:
        why = job.get("statusReason") or ""
        return {"state": job["status"].capitalize(), "exit_code": None, "cause": why}
    tasks = batch.tasks_of(job)
    capacity = (run.record.get("size") or {}).get("capacity", run.settings.capacity)
    attempts = [
        {"attempt": number, "task": each["taskArn"], "capacity": capacity, "log": each["log"]}
        for number, each in enumerate(tasks, 1)
    ]
    run.record |= {"attempts": attempts, "task": attempts[-1]["task"]}
    ends = [outcome(run, each) for each in tasks]
    for attempt, end in zip(attempts, ends, strict=True):
        attempt |= {name: end[name] for name in ("state", "exit_code", "cause", "cost")}
    costs = [each["cost"] for each in ends if each["cost"] is not None]
    result = {**ends[-1], "attempts": attempts, "cost": sum(costs) if costs else None}
    if "/" not in run.id:  # run.json of a sweep's run is nowhere
        keep(run, lambda latest: latest.update(attempts=attempts, task=run.record["task"]))
    record_end(run, result)
    return result


def of_sweep(run: Run, job: Mapping) -> dict:
    """Return what became of a sweep; its job has ended when all its runs have."""
    counts = batch.counts(job)
    state, cause = (
        job["status"].capitalize(),
        ", ".join(f"{n} {name}" for name, n in counts.items()),
    )
    result = {"state": state, "exit_code": None, "cause": cause}
    if job["status"] in batch.ENDED:
        failed = counts.get("failed", 0)
        result["state"] = "Failed" if failed else "Succeeded"
        ended = batch.moment(job.get("stoppedAt"))
        result |= {"retry": NEVER, "recorded": records.now(), "task": None, "attempts": []}
        result |= (
            {"createdAt": str(batch.moment(job["createdAt"])), "stoppedAt": str(ended)}
            if ended
            else {}
        )
        record_end(run, result)
    return result
