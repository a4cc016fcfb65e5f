"""Commands about one run: start it, follow it, stop it, look into it."""

import json
import os
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ecs import cost, parse
from ecs.aws import refuse_aliases
from ecs.console import as_json, note, plain, say
from ecs.errors import UserError
from ecs.history import measures, records, saved, versions
from ecs.history.run import Run
from ecs.history.sound import DamagedError
from ecs.image import image
from ecs.output import lost
from ecs.request import definition, request, sizes
from ecs.request.channels import with_latest
from ecs.run import queued, registration, retry
from ecs.run.attempts import attend, finish, halt, halt_by_name, log_of, show, tell, watch
from ecs.run.here import become
from ecs.run.locate import locate, recent, unfound
from ecs.run.state import state_of
from ecs.settings import CONTAINER, Settings
from ecs.stack import stack


def here(settings: Settings) -> None:
    """Become the recipe's command and the words of ARGS, in an environment that tells the launcher of DATA."""
    become(settings, list(settings.command), os.environ)


def register(settings: Settings) -> None:
    """Register the task definition if anything changed, and print its ARN."""
    print(registration.register(settings, stack.outputs(settings))[0])


def new_run_id() -> str:
    """Return a fresh run id."""
    return request.run_id(datetime.now(UTC), secrets.token_hex(3))


def dry_run(settings: Settings) -> None:
    """Print the RunTask request; start nothing, ask nobody."""
    image.check_gpu(settings)
    known = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    settings = replace(settings, data=with_latest(settings.data, lambda: "<latest>"))
    run_request = request.run_task_request(
        settings, known, definition.written(), settings.project, new_run_id()
    )
    print(as_json(run_request))


def run(settings: Settings) -> int:
    """Start the script on ECS, follow it, record and print how it ended."""
    if settings.dry_run:
        dry_run(settings)
        return 0
    from ecs.checks.verify import before_run  # with botocore, 0.1 s

    outputs = stack.outputs(settings)
    settings = with_known_data(settings, outputs)
    run = new_run_id()
    # First what may be wrong here, so that nothing is registered in vain.
    before_run(settings, outputs)
    written = definition.written()
    draft = request.run_task_request(settings, outputs, written, settings.project, run)
    check_cost(settings, sizes.full_size(settings, written, draft["overrides"]))
    if hint := sizes.gpu_note(settings):
        note(hint)
    arn, image_uri = registration.register(settings, outputs)
    revision = image.git(Path(), "rev-parse", "HEAD")
    run_request = request.run_task_request(settings, outputs, written, arn, run, revision)
    data = versions.data_versions(settings, outputs, run_request)
    record = asked_for(settings, outputs, run, image_uri, revision, run_request) | {
        "task": None,
        "started": records.now(),
        "data": data,
        "attempts": [],
    }
    return start(Run(settings, outputs, run, record))


def with_known_data(settings: Settings, outputs: dict[str, str]) -> Settings:
    """Return the settings with the latest successful run by its id where DATA says ``latest``; say which."""

    def latest() -> str:
        run = records.latest(settings, outputs)
        note(f"latest: runs/{run}")
        return run

    return replace(settings, data=with_latest(settings.data, latest))


def asked_for(
    settings: Settings,
    outputs: Mapping[str, str],
    run: str,
    image_uri: str,
    revision: str | None,
    run_request: dict,
) -> dict:
    """Return what ``run.json`` says of a run before it has a task."""
    written = definition.written()
    return {
        "run": run,
        "image": image_uri,
        "log": place_of_log(definition.render(written, settings, outputs, image_uri)),
        "revision": revision,
        "tag": image.tag(settings),
        "argv": parse.words(settings.args),
        "size": sizes.full_size(settings, written, run_request["overrides"]),
        "request": run_request,
    }


def place_of_log(made: Mapping) -> dict | None:
    """Return where the container's log is in CloudWatch; where it is elsewhere say so, and return None.

    ``made`` is the task definition as it is registered.
    """
    found = definition.log(made)
    if found is None:
        note(
            "task-definition.json sends the container's log elsewhere than to CloudWatch: it is not shown "
            "here, and of an error in the script only the exit code is known"
        )
    return found


def check_cost(settings: Settings, size: dict, times: int = 1) -> None:
    """Say what the run may cost, or ``times`` of it.

    Raises:
        UserError: more than BUDGET.
    """
    limit = parse.seconds("TIMEOUT", settings.timeout)
    start_limit = parse.seconds("START_TIMEOUT", settings.start_timeout)
    cost.check_budget(settings.budget, size, limit, start_limit, settings.detach, times)
    note(cost.estimate(size, limit, start_limit, times) if settings.there.billed else cost.FREE)


def rerun(settings: Settings) -> int:
    """Start a recorded run once more: same image, arguments, sizes, environment and data."""
    chosen_run = chosen(settings)
    queued.refuse_sweep(chosen_run)
    outputs, former = chosen_run.outputs, chosen_run.id
    # it runs on ECS, wherever it ran before
    old = {name: value for name, value in chosen_run.record.items() if name != "batch"}
    if "size" not in old:
        raise UserError(f"run {former} was recorded by an older version; type: make run")
    data = versions.data_versions(settings, outputs, old["request"])
    # a run that a schedule started was recorded by its container, which does not ask for that
    if "data" in old and data != old["data"]:
        names = ", ".join(versions.addresses(data or old["data"]))
        change = f"the data of run {former} has changed since ({names})"
        if not settings.yes:
            raise UserError(f"{change}; to go on: make rerun RUN={former} YES=1")
        note(f"warning: {change}")
    settings = replace(
        settings, capacity=old["size"]["capacity"], architecture=old["size"]["architecture"]
    )
    run = new_run_id()
    check_cost(settings, old["size"])
    arn, image_uri = registration.register(settings, outputs, old["image"])
    record = {
        **old,
        "run": run,
        "task": None,
        "image": image_uri,
        "log": place_of_log(definition.render(definition.written(), settings, outputs, image_uri)),
        "started": records.now(),
        "data": data,
        "rerun_of": former,
        "attempts": [],
        "request": request.again(settings, outputs, old, arn, run),
    }
    return start(Run(settings, outputs, run, record))


def start(run: Run) -> int:
    """Record a run, start its task and follow it; return the exit status."""
    run_request = run.record["request"]
    if "ARGV_URI" in request.variables_of(run_request):
        records.write(run, request.ARGV, run.record["argv"])
    # Before the task: a bucket that cannot be written to must not be found out afterwards.
    records.create(run)
    tell_workflow("run", run.id)
    return watch(run)


def tell_workflow(name: str, value: str) -> None:
    """Give a value to the later steps of a GitHub workflow, where this is one."""
    if path := os.environ.get("GITHUB_OUTPUT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{name}={value}\n")


def attach(settings: Settings) -> int:
    """Follow a run again, as ``run`` does once the task is there; with RETRIES it is tried again."""
    retries = parse.retries(settings)
    run = chosen(settings)
    record = run.record
    if "batch" in record:
        return queued.follow(run)
    result = records.result(run)
    if result is not None:
        ended = [*record["attempts"][:-1], result]
        following = retry.next_request(record["request"], ended, retries, False)
        if following is None or record.get("stopped"):
            note(f"run {run.id} has ended; its log: make logs RUN={run.id}")
            return tell(run, result)
    locate(run)
    if records.unanswered(record):
        again = retries and not record.get("stopped") and recent(record, datetime.now(UTC))
        if not again:
            raise UserError(no_task(run))
    capacity = (record.get("size") or {}).get("capacity", settings.capacity)
    return watch(replace(run, settings=replace(settings, detach=False, capacity=capacity)))


def named(settings: Settings) -> Run:
    """Return the run that RUN means, without its record."""
    outputs = stack.outputs(settings)
    return Run(settings, outputs, records.resolve(settings, outputs))


def chosen(settings: Settings) -> Run:
    """Return the run that RUN means, with its record."""
    run = named(settings)
    try:
        run.record = (queued.child(run) if "/" in run.id else records.record(run)) or {}
    except DamagedError as error:
        raise NoRecordError(str(error)) from error
    if not run.record:
        raise NoRecordError(
            f"run {run.id} has no run.json in s3://{run.outputs['Bucket']}; type: make runs"
        )
    return run


class NoRecordError(UserError):
    """A run has no ``run.json`` that can be read."""


def with_task(settings: Settings) -> Run:
    """Return what ``chosen`` does, for a run of which an attempt has a task.

    Raises:
        UserError: none has, or none that ECS shows.
    """
    run = chosen(settings)
    if "batch" in run.record:
        raise UserError(
            f"run {run.id} is on AWS Batch, where nobody can open a shell; type: make logs"
        )
    locate(run)
    if not any(each["task"] for each in run.record["attempts"]):
        raise UserError(no_task(run))
    return run


def no_task(run: Run) -> str:
    """Say why a run has no task, and what to type."""
    if not records.unanswered(run.record):
        return f"run {run.id} has no task: ECS refused it; type: make status RUN={run.id}"
    why = f"run {run.id}: {unfound(run.record)}"
    if run.record.get("stopped") or not recent(run.record, datetime.now(UTC)):
        return f"{why}; to run the same again: make rerun RUN={run.id}"
    return (
        f"{why}; to look again: make status RUN={run.id}, to send it again, which starts no second "
        f"task: make attach RUN={run.id} RETRIES=1"
    )


def logs(settings: Settings) -> int:
    """Print a run's log, attempt by attempt; a run that goes on is followed to its end."""
    run = chosen(settings)
    if "batch" in run.record:
        return queued.follow(run)
    run = with_task(settings)
    record = run.record
    if record.get("log", ...) is None:
        raise UserError(
            f"the log of run {run.id} is not in CloudWatch: the task definition sends it elsewhere; to see "
            f"how the run is, type: make status RUN={run.id}"
        )
    ended = records.result(run) is not None
    latest = record["attempts"][-1]["task"]
    tasks = [each["task"] for each in record["attempts"] if each["task"]]
    for task in tasks if ended or not latest else tasks[:-1]:
        for line in log_of(run, task).new_lines():
            show(line)
            if lost():  # nobody reads on
                return 0
    if ended:
        return 0
    if records.unanswered(record):
        raise UserError(no_task(run))
    if not latest:
        return finish(run, record["attempts"][-1])
    return finish(run, attend(run))


def status(settings: Settings) -> None:
    """Print what is known of one run."""
    run = chosen(settings)
    record, state = run.record, state_of(run)
    for name, value in (
        ("run", run.id),
        ("state", state["state"]),
        ("exit code", state["exit_code"]),
        ("cause", state["cause"]),
        ("AWS says", state.get("reason")),
        ("type", state.get("remedy")),
        ("started", record.get("started")),
        ("command", json.dumps(measures.words(record), ensure_ascii=False)),
        ("image", record.get("image")),
        ("revision", record.get("revision")),
        ("task", record.get("task")),
        ("job", (record.get("batch") or {}).get("job")),
        ("cost", cost.shown(state.get("cost")) if settings.there.billed else ""),
        ("attempts", len(record["attempts"]) if len(record["attempts"]) > 1 else None),
        ("files", run.uri),
    ):
        if value not in (None, ""):
            say(f"{name:<10} {value}")
    for line in queued.summary(run) if record.get("sweep") else saved.summary(run):
        say(line)


def stop(settings: Settings) -> None:
    """Stop a run for good: its task, and any attempt that would follow."""
    try:
        run = chosen(settings)
    except NoRecordError as error:
        stop_by_name(named(settings), str(error))
        return
    state = state_of(run)["state"]
    if state in ("Succeeded", "Interrupted", "Failed"):
        note(f"run {run.id} has ended already: {state.lower()}")
        if state != "Interrupted":  # else somebody may be about to try it again
            return
    halt(run, "make stop")


def stop_by_name(run: Run, why: str) -> None:
    """Stop the tasks of a run that has no record, or a damaged one."""
    stopped = halt_by_name(run)
    count = f"{stopped} stopped" if stopped else "ECS shows none that goes on"
    note(f"{plain(why)}\nlooked for tasks of run {run.id} by their names: {count}")


def shell_line(run: Run) -> list[str]:
    """Return the command that opens a shell in a run's container.

    Raises:
        UserError: the run was started without the channel that it needs.
    """
    if not run.record["request"].get("enableExecuteCommand"):
        raise UserError(
            f"run {run.id} was started without EXEC=1, and nobody can look into it; for the "
            "next: make cluster EXEC=1, then make run EXEC=1"
        )
    return [
        run.settings.aws, "ecs", "execute-command", "--cluster", run.outputs["Cluster"],
        "--task", run.record["task"], "--container", CONTAINER, "--interactive",
        "--command", "/bin/sh",
    ]  # fmt: skip


def shell(settings: Settings) -> None:
    """Become a shell in the container of a run that goes on."""
    if not shutil.which("session-manager-plugin"):
        raise UserError(
            "the AWS CLI opens a shell by the session-manager plugin only, and it is not on PATH: "
            "install it as the user guide of AWS Systems Manager says, under Session Manager"
        )
    run = with_task(settings)
    if not run.record["task"]:
        raise UserError(no_task(run))
    line = shell_line(run)
    state = state_of(run)["state"]
    if state != "Running":
        raise UserError(
            f"run {run.id} is not running: {state.lower()}; type: make status RUN={run.id}"
        )
    refuse_aliases()
    note("$ " + shlex.join(["aws", *line[1:]]))
    os.execvp(line[0], line)
