"""The program behind the Makefile: ``python -m ecs COMMAND``, variables in the environment.

Exit status of ``run``: the container's own exit code, or 1 for what is not the container's.
"""

import json
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ecs import image, packages, request, stack
from ecs.attempts import (
    attend,
    finish,
    halt,
    halt_by_name,
    log_of,
    show,
    tell,
    watch,
)
from ecs.channels import with_latest
from ecs.console import cell, plain
from ecs.errors import UserError
from ecs.here import become, local_run
from ecs.locate import locate, recent, unfound
from ecs.settings import Settings, settings_from
from ecs.sound import DamagedError
from ecs.state import state_of


def cli(settings: Settings) -> None:
    """Say which AWS CLI is in use; refuse one that is too old."""
    from ecs.aws import cli_version

    print(f"using {cli_version(settings)} ({settings.aws})", file=sys.stderr)


def parameters(settings: Settings) -> None:
    """Look whose the stack is, write its parameters to a new file and print its name, for `make cluster`."""
    from ecs.aws import own_file
    from ecs.claim import claim

    image.check_gpu(settings, library=True)
    claim(settings)
    values = stack.parameters(settings, stack.looked_up(settings))
    print(own_file(settings, "parameters", json.dumps(values, indent=2)))


def policy(settings: Settings, which: str = "runs") -> None:
    """Print the IAM policy that a person needs for ``runs``, or to make ``cluster``, ``network``."""
    from ecs import policy as policies
    from ecs.aws import client

    names = policies.of_caller(settings, client(settings, "sts").get_caller_identity()["Arn"])
    make = {"runs": policies.runs, "cluster": policies.cluster, "network": policies.network}
    print(json.dumps(make[which](names), indent=2))


def plan(settings: Settings) -> None:
    """Print what `make cluster` would change, and what has drifted; change nothing."""
    from ecs import claim, mark
    from ecs.plan import plan as print_plan

    mark.ensure()
    claim.own(settings)
    print_plan(settings, stack.parameters(settings, stack.looked_up(settings)))


def outputs(settings: Settings) -> None:
    """Read the stack's outputs into this machine's cache and print them."""
    for name, value in stack.refresh(settings).items():
        print(f"{name:<18} {value}")


def output(settings: Settings, name: str) -> None:
    """Print one output of the stack."""
    print(stack.outputs(settings)[name])


def tag(settings: Settings) -> None:
    """Print the tag of the image of what is in this folder."""
    print(image.tag(settings))


def repository(settings: Settings) -> None:
    """Print the repository's URI."""
    print(stack.outputs(settings)["RepositoryUri"])


def registry(settings: Settings) -> None:
    """Print the registry's host, for `docker login`."""
    print(stack.outputs(settings)["RepositoryUri"].partition("/")[0])


def pushed(settings: Settings) -> int:
    """Succeed when the image of what is in this folder is in the registry already."""
    uri = stack.outputs(settings)["RepositoryUri"]
    return 0 if image.digest(settings, uri, image.tag(settings)) else 1


def here(settings: Settings, *command: str) -> None:
    """Become ``command`` followed by the words of ARGS, in an environment that tells the launcher of DATA."""
    become(settings, list(command[1:]), os.environ)


def data(settings: Settings) -> None:
    """Upload what differs in data/ to the project's bucket."""
    from ecs.data import upload

    upload(settings, stack.outputs(settings))


def lock(settings: Settings) -> None:
    """Lock the newest versions of all packages."""
    packages.upgrade()


def add(settings: Settings) -> None:
    """Add PACKAGE to the project's dependencies."""
    packages.change("add", settings)


def remove(settings: Settings) -> None:
    """Remove PACKAGE from the project's dependencies."""
    packages.change("remove", settings)


def debian(settings: Settings) -> None:
    """Look at packages.txt before the image is built."""
    packages.check_debian()


def secret(settings: Settings) -> None:
    """Store the value that is typed, or comes on standard input, as the project's secret NAME."""
    from ecs import secret as store

    name = store.checked_name(settings.name)
    done = store.store(settings, name, store.read_value(name))
    print(
        f"secret {store.full_name(settings, name)} {done}; "
        f"a run finds it in its environment: make run SECRETS={name}",
        file=sys.stderr,
    )


def register(settings: Settings) -> None:
    """Register the task definition if anything changed, and print its ARN."""
    from ecs.definition import register as register_definition

    print(register_definition(settings, stack.outputs(settings))[0])


def new_run_id() -> str:
    """Return a fresh run id."""
    return request.run_id(datetime.now(UTC), secrets.token_hex(3))


def dry_run(settings: Settings) -> None:
    """Print the RunTask request; start nothing, ask nobody."""
    from ecs.definition import read

    image.check_gpu(settings)
    known = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    settings = replace(settings, data=with_latest(settings.data, lambda: "<latest>"))
    run_request = request.run_task_request(settings, known, read(), settings.project, new_run_id())
    print(json.dumps(run_request, indent=2, ensure_ascii=False))


def run(settings: Settings) -> int:
    """Start the script on ECS, follow it, record and print how it ended."""
    from ecs import definition, history
    from ecs.verify import before_run

    if settings.dry_run:
        dry_run(settings)
        return 0
    outputs = stack.outputs(settings)
    settings = resolved(settings, outputs)
    run = new_run_id()
    # First what may be wrong here, so that nothing is registered in vain.
    before_run(settings, outputs)
    draft = request.run_task_request(settings, outputs, definition.read(), settings.project, run)
    size = request.full_size(settings, definition.read(), draft["overrides"])
    check_cost(settings, size)
    if note := request.gpu_note(settings):
        print(note, file=sys.stderr)
    arn, image_uri = definition.register(settings, outputs)
    revision = image.git(Path(), "rev-parse", "HEAD")
    run_request = request.run_task_request(settings, outputs, definition.read(), arn, run, revision)
    data = history.data_versions(settings, outputs, run_request)
    record = asked_for(settings, run, image_uri, revision, run_request) | {
        "task": None,
        "started": history.now(),
        "data": data,
        "attempts": [],
    }
    return start(settings, outputs, run, record)


def resolved(settings: Settings, outputs: dict[str, str]) -> Settings:
    """Return the settings with the latest successful run by its id where DATA says ``latest``; say which."""
    from ecs import history

    def latest() -> str:
        run = history.latest(settings, outputs)
        print(f"latest: runs/{run}", file=sys.stderr)
        return run

    return replace(settings, data=with_latest(settings.data, latest))


def asked_for(
    settings: Settings, run: str, image_uri: str, revision: str | None, run_request: dict
) -> dict:
    """Return what ``run.json`` says of a run before it has a task."""
    from ecs import definition

    return {
        "run": run,
        "image": image_uri,
        "revision": revision,
        "tag": image.tag(settings),
        "argv": request.words(settings.args),
        "size": request.full_size(settings, definition.read(), run_request["overrides"]),
        "request": run_request,
    }


def check_cost(settings: Settings, size: dict) -> None:
    """Say what the run may cost.

    Raises:
        UserError: more than BUDGET.
    """
    from ecs import cost

    limit = request.seconds("TIMEOUT", settings.timeout)
    start_limit = request.seconds("START_TIMEOUT", settings.start_timeout)
    cost.check_budget(settings.budget, size, limit, start_limit, settings.detach)
    print(cost.estimate(size, limit, start_limit), file=sys.stderr)


def rerun(settings: Settings) -> int:
    """Start a recorded run once more: same image, arguments, sizes, environment and data."""
    from ecs import definition, history

    outputs, former, old = chosen(settings)
    if "size" not in old:
        raise UserError(f"run {former} was recorded by an older version; type: make run")
    data = history.data_versions(settings, outputs, old["request"])
    # a run that a schedule started was recorded by its container, which does not ask for that
    if "data" in old and data != old["data"]:
        names = ", ".join(history.addresses(data or old["data"]))
        change = f"the data of run {former} has changed since ({names})"
        if not settings.yes:
            raise UserError(f"{change}; to go on: make rerun RUN={former} YES=1")
        print(f"warning: {change}", file=sys.stderr)
    settings = replace(
        settings, capacity=old["size"]["capacity"], architecture=old["size"]["architecture"]
    )
    run = new_run_id()
    check_cost(settings, old["size"])
    arn, image_uri = definition.register(settings, outputs, old["image"])
    record = {
        **old,
        "run": run,
        "task": None,
        "image": image_uri,
        "started": history.now(),
        "data": data,
        "rerun_of": former,
        "attempts": [],
        "request": request.again(settings, outputs, old, arn, run),
    }
    return start(settings, outputs, run, record)


def start(settings: Settings, outputs: dict[str, str], run: str, record: dict) -> int:
    """Record a run, start its task and follow it; return the exit status."""
    from ecs import history

    run_request = record["request"]
    if "ARGV_URI" in request.variables_of(run_request):
        history.write(settings, outputs, run, request.ARGV, record["argv"])
    # Before the task: a bucket that cannot be written to must not be found out afterwards.
    history.create(settings, outputs, run, record)
    tell_workflow("run", run)
    return watch(settings, outputs, run, record)


def tell_workflow(name: str, value: str) -> None:
    """Give a value to the later steps of a GitHub workflow, where this is one."""
    if path := os.environ.get("GITHUB_OUTPUT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{name}={value}\n")


def attach(settings: Settings) -> int:
    """Follow a run again, as ``run`` does once the task is there; with RETRIES it is tried again."""
    from ecs import history, retry

    retries = request.retries(settings)
    outputs, run, record = chosen(settings)
    result = history.result(settings, outputs, run, record)
    if result is not None:
        ended = [*record["attempts"][:-1], result]
        following = retry.next_request(record["request"], ended, retries, False)
        if following is None or record.get("stopped"):
            print(f"run {run} has ended; its log: make logs RUN={run}", file=sys.stderr)
            return tell(settings, outputs, run, result)
    locate(settings, outputs, run, record)
    if history.unanswered(record):
        again = retries and not record.get("stopped") and recent(record, datetime.now(UTC))
        if not again:
            raise UserError(no_task(run, record))
    capacity = (record.get("size") or {}).get("capacity", settings.capacity)
    return watch(replace(settings, detach=False, capacity=capacity), outputs, run, record)


def schedule(settings: Settings) -> None:
    """Store the request of `make run` as a schedule, under the task definition as it is now."""
    from ecs import definition, history
    from ecs import schedule as schedules
    from ecs.verify import before_run

    run = schedules.run_id(settings)
    revision = image.git(Path(), "rev-parse", "HEAD")
    known = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    outputs = known if settings.dry_run else stack.refresh(settings)
    if settings.dry_run:
        settings = replace(settings, data=with_latest(settings.data, lambda: "<latest>"))
    else:
        settings = resolved(settings, outputs)
    if "SchedulerRoleArn" not in outputs:
        raise UserError("the stack knows no schedules yet; type: make cluster")

    def requested(arn: str) -> tuple[dict, dict]:
        made = request.run_task_request(
            settings, outputs, definition.read(), arn, run, revision, settings.name
        )
        return made, schedules.schedule_request(settings, outputs, made)

    # first what may be wrong with the variables, so that nothing is registered in vain
    made, asked = requested(settings.project)
    if settings.dry_run:
        print(json.dumps(asked, indent=2, ensure_ascii=False))
        return
    before_run(settings, outputs, {"data"})  # which may come later, and changes from run to run
    arn, image_uri = definition.register(settings, outputs)
    made, asked = requested(arn)
    # what is known of each run already; its container adds the rest (job/scheduled.py)
    draft = asked_for(settings, run, image_uri, revision, made) | {"schedule": settings.name}
    history.put(settings, outputs, schedules.draft_key(settings), draft)
    done = schedules.put(settings, asked)
    print(
        f"schedule {asked['Name']} {done}: {asked['ScheduleExpression']} UTC, with the image as it "
        "is now; make runs lists its runs by their time",
        file=sys.stderr,
    )


def schedules(settings: Settings) -> None:
    """Print a table of the schedules."""
    from rich.table import Table

    from ecs.schedule import schedules as all_schedules

    table = Table("name", "when (UTC)", "state", "task definition", box=None)
    table.add_column("command", overflow="ellipsis", no_wrap=True)
    for each in all_schedules(settings):
        arn = each["Target"]["EcsParameters"]["TaskDefinitionArn"]
        words = (
            each["Name"],
            each["ScheduleExpression"],
            each["State"].lower(),
            arn.rpartition("/")[2],
            each.get("Description", ""),
        )
        table.add_row(*map(cell, words))
    show_table(table)


def unschedule(settings: Settings) -> None:
    """Delete the schedule NAME."""
    from ecs import schedule as schedules

    name = schedules.checked_name(settings)
    stack.outputs(settings)  # whose group of schedules it is
    schedules.delete(settings, name)
    print(f"schedule {settings.name} deleted; its runs stay", file=sys.stderr)


def chosen(settings: Settings) -> tuple[dict[str, str], str, dict]:
    """Return the stack's outputs, the id of the run that RUN means, and its record."""
    from ecs import history

    outputs = stack.outputs(settings)
    run = history.resolve(settings, outputs)
    try:
        record = history.record(settings, outputs, run)
    except DamagedError as error:
        raise NoRecordError(str(error)) from error
    if record is None:
        raise NoRecordError(
            f"run {run} has no run.json in s3://{outputs['Bucket']}; type: make runs"
        )
    return outputs, run, record


class NoRecordError(UserError):
    """A run has no ``run.json`` that can be read."""


def with_task(settings: Settings) -> tuple[dict[str, str], str, dict]:
    """Return what ``chosen`` does, for a run of which an attempt has a task.

    Raises:
        UserError: none has, or none that ECS shows.
    """
    outputs, run, record = chosen(settings)
    locate(settings, outputs, run, record)
    if not any(each["task"] for each in record["attempts"]):
        raise UserError(no_task(run, record))
    return outputs, run, record


def no_task(run: str, record: Mapping) -> str:
    """Say why a run has no task, and what to type."""
    from ecs import history

    if not history.unanswered(record):
        return f"run {run} has no task: ECS refused it; type: make status RUN={run}"
    if record.get("stopped") or not recent(record, datetime.now(UTC)):
        return f"run {run}: {unfound(record)}; to run the same again: make rerun RUN={run}"
    return (
        f"run {run}: {unfound(record)}; to look again: make status RUN={run}, to send it again, which "
        f"starts no second task: make attach RUN={run} RETRIES=1"
    )


def logs(settings: Settings) -> int:
    """Print a run's log, attempt by attempt; a run that goes on is followed to its end."""
    from ecs import history

    outputs, run, record = with_task(settings)
    ended = history.result(settings, outputs, run, record) is not None
    latest = record["attempts"][-1]["task"]
    tasks = [each["task"] for each in record["attempts"] if each["task"]]
    for task in tasks if ended or not latest else tasks[:-1]:
        for line in log_of(settings, outputs, run, task).new_lines():
            show(line)
    if ended:
        return 0
    if history.unanswered(record):
        raise UserError(no_task(run, record))
    if not latest:
        return finish(settings, outputs, run, record, record["attempts"][-1])
    return finish(settings, outputs, run, record, attend(settings, outputs, run, record))


def status(settings: Settings) -> None:
    """Print what is known of one run."""
    from ecs import cost, history

    outputs, run, record = chosen(settings)
    state = state_of(settings, outputs, run, record)
    for name, value in (
        ("run", run),
        ("state", state["state"]),
        ("exit code", state["exit_code"]),
        ("cause", state["cause"]),
        ("AWS says", state.get("reason")),
        ("type", state.get("remedy")),
        ("started", record.get("started")),
        ("command", json.dumps(history.words(record), ensure_ascii=False)),
        ("image", record.get("image")),
        ("revision", record.get("revision")),
        ("task", record.get("task")),
        ("cost", cost.shown(state.get("cost"))),
        ("attempts", len(record["attempts"]) if len(record["attempts"]) > 1 else None),
        ("files", request.run_uri(settings, outputs, run)),
    ):
        if value not in (None, ""):
            print(f"{name:<10} {plain(value)}")
    for line in history.summary(settings, outputs, run):
        print(plain(line))


def stop(settings: Settings) -> None:
    """Stop a run for good: its task, and any attempt that would follow."""
    try:
        outputs, run, record = chosen(settings)
    except NoRecordError as error:
        stop_by_name(settings, str(error))
        return
    state = state_of(settings, outputs, run, record)["state"]
    if state in ("Succeeded", "Interrupted", "Failed"):
        print(f"run {run} has ended already: {state.lower()}", file=sys.stderr)
        if state != "Interrupted":  # else somebody may be about to try it again
            return
    halt(settings, outputs, run, record, "make stop")


def stop_by_name(settings: Settings, why: str) -> None:
    """Stop the tasks of a run that has no record, or a damaged one."""
    from ecs import history

    outputs = stack.outputs(settings)
    run = history.resolve(settings, outputs)
    stopped = halt_by_name(settings, outputs, run)
    count = f"{stopped} stopped" if stopped else "ECS shows none that goes on"
    print(f"{plain(why)}\nlooked for tasks of run {run} by their names: {count}", file=sys.stderr)


def shell_line(settings: Settings, outputs: Mapping[str, str], record: Mapping) -> list[str]:
    """Return the command that opens a shell in a run's container.

    Raises:
        UserError: the run was started without the channel that it needs.
    """
    if not record["request"].get("enableExecuteCommand"):
        raise UserError(
            f"run {record['run']} was started without EXEC=1, and nobody can look into it; for the "
            "next: make cluster EXEC=1, then make run EXEC=1"
        )
    return [
        settings.aws, "ecs", "execute-command", "--cluster", outputs["Cluster"],
        "--task", record["task"], "--container", request.CONTAINER, "--interactive",
        "--command", "/bin/sh",
    ]  # fmt: skip


def shell(settings: Settings) -> None:
    """Become a shell in the container of a run that goes on."""
    if not shutil.which("session-manager-plugin"):
        raise UserError(
            "the AWS CLI opens a shell by the session-manager plugin only, and it is not on PATH: "
            "install it as the user guide of AWS Systems Manager says, under Session Manager"
        )
    outputs, run, record = with_task(settings)
    if not record["task"]:
        raise UserError(no_task(run, record))
    line = shell_line(settings, outputs, record)
    state = state_of(settings, outputs, run, record)["state"]
    if state != "Running":
        raise UserError(f"run {run} is not running: {state.lower()}; type: make status RUN={run}")
    print("$ " + shlex.join(["aws", *line[1:]]), file=sys.stderr, flush=True)
    os.execvp(line[0], line)


def runs(settings: Settings) -> None:
    """Print a table of the latest runs, from S3; ECS is asked only for those without an end."""
    from rich.table import Table

    from ecs import cost, history

    outputs = stack.outputs(settings)
    limit = request.whole_number("LIMIT", settings.limit, 1, 10000, "runs")
    ids, strange = history.folders(settings, outputs)
    ids = ids[:limit]
    table = Table("run", "started", "tag", "state", "exit", "took", "metric", "cost", box=None)
    table.add_column("command", overflow="ellipsis", no_wrap=True)
    for run, found in zip(ids, history.read_all(settings, outputs, ids), strict=True):
        record = found["run.json"]
        state = end_of(settings, outputs, run, found)
        words = (
            run,
            (record or {}).get("started", ""),
            (record or {}).get("tag", ""),
            state["state"],
            "" if state["exit_code"] is None else state["exit_code"],
            history.duration(state),
            history.headline(found["metrics.json"]),
            cost.shown(state.get("cost")),
            history.command(record) or state["cause"],
        )
        table.add_row(*map(cell, words))
    show_table(table)
    if strange:
        names = ", ".join(repr(plain(name)) for name in strange[:5])
        print(
            f"{len(strange)} more below runs/ with names that no run has: {names}",
            file=sys.stderr,
        )


def end_of(settings: Settings, outputs: dict[str, str], run: str, found: Mapping) -> dict:
    """Return what became of a run of which the files were read; of a damaged one, that it is."""
    if found["damage"]:
        return {"state": "Damaged", "exit_code": None, "cause": str(found["damage"])}
    try:
        return found["result.json"] or state_of(settings, outputs, run, found["run.json"])
    except DamagedError as error:  # since it was read
        return {"state": "Damaged", "exit_code": None, "cause": str(error)}


def show_table(table: object) -> None:
    """Print a table; into a file or a pipe each row is one line, however long."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def compare(settings: Settings) -> None:
    """Print parameters and metrics of the runs in RUNS side by side; ``*`` marks what differs."""
    from rich.table import Table

    from ecs import history

    outputs = stack.outputs(settings)
    named = request.words(settings.runs, "RUNS")
    if len(named) < 2:
        raise UserError('RUNS names the runs to compare; type for example: make compare RUNS="a b"')
    known = history.run_ids(settings, outputs)
    ids = [history.resolve(replace(settings, run=each), outputs, known) for each in named]
    table = Table("", "", *ids, box=None)
    found = history.read_all(settings, outputs, ids)
    for run, each in zip(ids, found, strict=True):
        each["result.json"] = end_of(settings, outputs, run, each)
    for name, values, differs in history.compare(found):
        table.add_row("*" if differs else "", *map(cell, (name, *values)))
    show_table(table)


def fetch(settings: Settings) -> int:
    """Download what a run wrote to runs/, with progress; return 1 where a file was left out."""
    from ecs import history
    from ecs.download import download

    outputs = stack.outputs(settings)
    paths, left_out = download(settings, outputs, history.resolve(settings, outputs))
    for path in paths:
        print(plain(path))
    return told(left_out)


def told(left_out: Mapping[str, str]) -> int:
    """Say which files of a run were left out, and why; return the exit status."""
    for name, why in left_out.items():
        print(f"error: {plain(name)} was left out: {plain(why)}", file=sys.stderr)
    return 1 if left_out else 0


def report(settings: Settings) -> int:
    """Write report.html of a run below runs/, which is fetched when it is not there yet."""
    from ecs.download import RUNS, download, folder_of, save
    from ecs.report import page, read

    folder, left_out = local_run(settings.run), {}
    if folder is None:
        from ecs import history

        outputs = stack.outputs(settings)
        run = history.resolve(settings, outputs)
        _, left_out = download(settings, outputs, run)
        folder = RUNS / run
    folder = folder_of(folder.name)
    if not any(folder.glob("*.json")):
        raise UserError(f"{plain(folder)} has no record of a run: no script has ended there")
    path, text = folder / "report.html", page(folder.name, read(folder)).encode()
    save(path, folder, len(text), lambda partial: Path(partial).write_bytes(text))
    print(plain(path))
    return told(left_out)


def verify(settings: Settings) -> int:
    """Look at all that a run needs, and print what is wrong with it."""
    from ecs.verify import command

    return command(settings)


def destroy(settings: Settings) -> None:
    """List, ask, and delete everything of this project in AWS."""
    from ecs.destroy import destroy as destroy_all

    destroy_all(settings)
    stack.cache(settings).unlink(missing_ok=True)


COMMANDS: dict[str, Callable[..., int | None]] = {
    each.__name__: each
    for each in (
        cli, parameters, policy, plan, outputs, output, tag, repository, registry, pushed, here, data, lock, add,
        remove, debian, secret,
        register, run, rerun, attach, schedule, schedules, unschedule, logs, status, shell, stop, runs, compare, fetch,
        report, verify, destroy,
    )
}  # fmt: skip


def sentence(error: Exception) -> str | None:
    """Return one sentence for an error of the user's or of AWS; None for an error of ours."""
    if isinstance(error, UserError):
        return str(error)
    if "botocore" not in sys.modules:
        return None
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    if isinstance(error, NoCredentialsError):
        return "no AWS credentials on this machine; type: aws configure, or try the sandbox: make rehearse"
    if isinstance(error, ClientError | BotoCoreError):
        from ecs.aws import distrust

        return distrust(error) or f"AWS: {error}"
    return None


def main(arguments: list[str]) -> int:
    """Run one command and return the exit status."""
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: python -m ecs {{{','.join(COMMANDS)}}}", file=sys.stderr)
        return 2
    try:
        settings, words = settings_from(os.environ), arguments[1:]
        if words[:1] == ["--"] and arguments[0] != "here":
            settings, words = replace(settings, command=tuple(words[1:])), []
        return COMMANDS[arguments[0]](settings, *words) or 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        text = sentence(error)
        if text is None:
            raise
        print(f"error: {text}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
