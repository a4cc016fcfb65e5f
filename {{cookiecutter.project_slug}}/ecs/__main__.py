"""The program behind the Makefile: ``python -m ecs COMMAND``, variables in the environment.

Exit status of ``run``: the container's own exit code, or 1 for what is not the container's.
"""

import json
import os
import secrets
import shlex
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from ecs import image, request, stack
from ecs.errors import UserError
from ecs.follow import Log, stream_name
from ecs.settings import Settings, settings_from

LAST_LINES = 20  # of the log, for the verdict
SECOND_CTRL_C = 3.0  # seconds in which a second Ctrl-C still reaches this program


class Terminated(BaseException):
    """SIGTERM came. Not an Exception, so that no ``except Exception`` takes it for an error."""


def show(line: str) -> None:
    """Print a line of the container's log to standard output, at once."""
    print(line, flush=True)


def cli(settings: Settings) -> None:
    """Say which AWS CLI is in use; refuse one that is too old."""
    from ecs.aws import cli_version

    print(f"using {cli_version(settings)} ({settings.aws})", file=sys.stderr)


def parameters(settings: Settings) -> None:
    """Write the stack's parameters to the file that `make cluster` passes on."""
    from ecs.aws import write_private

    values = stack.parameters(settings, stack.network(settings) | stack.bucket(settings))
    write_private(settings.state_folder / "parameters.json", json.dumps(values, indent=2))


def policy(settings: Settings, which: str = "runs") -> None:
    """Print the IAM policy that a person needs for ``runs``, or to make ``cluster``, ``network``."""
    from ecs import policy as policies
    from ecs.aws import client

    caller = client(settings, "sts").get_caller_identity()
    partition = caller["Arn"].split(":")[1]
    names = policies.Names(settings, caller["Account"], partition)
    make = {"runs": policies.runs, "cluster": policies.cluster, "network": policies.network}
    print(json.dumps(make[which](names), indent=2))


def plan(settings: Settings) -> None:
    """Print what `make cluster` would change, and what has drifted; change nothing."""
    from ecs.plan import plan as print_plan

    print_plan(
        settings, stack.parameters(settings, stack.network(settings) | stack.bucket(settings))
    )


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


def words(settings: Settings, *command: str) -> None:
    """Become ``command`` followed by the words of ARGS. No shell sees them."""
    arguments = [*command[1:], *request.words(settings.args)]
    try:
        os.execvp(arguments[0], arguments)
    except FileNotFoundError as error:
        raise UserError(f"there is no program {arguments[0]!r} on this machine") from error


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

    known = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    run_request = request.run_task_request(settings, known, read(), settings.project, new_run_id())
    print(json.dumps(run_request, indent=2, ensure_ascii=False))


def run(settings: Settings) -> int:
    """Start the script on ECS, follow it, record and print how it ended."""
    from ecs import definition, history

    if settings.dry_run:
        dry_run(settings)
        return 0
    outputs = stack.outputs(settings)
    run = new_run_id()
    # First what may be wrong with the user's variables, so that nothing is registered in vain.
    request.run_task_request(settings, outputs, definition.read(), settings.project, run)
    arn, image_uri = definition.register(settings, outputs)
    run_request = request.run_task_request(settings, outputs, definition.read(), arn, run)
    record = {
        "run": run,
        "task": None,
        "image": image_uri,
        "revision": image.git(Path(), "rev-parse", "HEAD"),
        "tag": image.tag(settings),
        "started": history.now(),
        "request": run_request,
    }
    # Before the task: a bucket that cannot be written to must not be found out afterwards.
    history.write(settings, outputs, run, "run.json", record)
    record["task"] = submit(settings, outputs, run, run_request)
    history.write(settings, outputs, run, "run.json", record)
    print(f"run {run}, task {record['task'].rpartition('/')[2]}", file=sys.stderr)
    if settings.detach:
        print(f"detached; its log: make logs RUN={run}", file=sys.stderr)
        return 0
    return watch(settings, outputs, run, record)


def schedule(settings: Settings) -> None:
    """Store the request of `make run` as a schedule, under the task definition as it is now."""
    from ecs import definition
    from ecs import schedule as schedules

    run = schedules.run_id(settings)
    known = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    outputs = known if settings.dry_run else stack.refresh(settings)
    if "SchedulerRoleArn" not in outputs:
        raise UserError("the stack knows no schedules yet; type: make cluster")

    def requested(arn: str) -> dict:
        made = request.run_task_request(settings, outputs, definition.read(), arn, run)
        return schedules.schedule_request(settings, outputs, made)

    # first what may be wrong with the variables, so that nothing is registered in vain
    asked = requested(settings.project)
    if settings.dry_run:
        print(json.dumps(asked, indent=2, ensure_ascii=False))
        return
    asked = requested(definition.register(settings, outputs)[0])
    done = schedules.put(settings, asked)
    print(
        f"schedule {asked['Name']} {done}: {asked['ScheduleExpression']} UTC, with the image as it "
        "is now; make runs lists its runs by their time",
        file=sys.stderr,
    )


def schedules(settings: Settings) -> None:
    """Print a table of the schedules."""
    from rich.console import Console
    from rich.table import Table

    from ecs.schedule import schedules as all_schedules

    table = Table("name", "when (UTC)", "state", "task definition", box=None)
    table.add_column("command", overflow="ellipsis", no_wrap=True)
    for each in all_schedules(settings):
        arn = each["Target"]["EcsParameters"]["TaskDefinitionArn"]
        table.add_row(
            each["Name"],
            each["ScheduleExpression"],
            each["State"].lower(),
            arn.rpartition("/")[2],
            each.get("Description", ""),
        )
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def unschedule(settings: Settings) -> None:
    """Delete the schedule NAME."""
    from ecs import schedule as schedules

    schedules.delete(settings, schedules.checked_name(settings))
    print(f"schedule {settings.name} deleted; its runs stay", file=sys.stderr)


def submit(settings: Settings, outputs: dict[str, str], run: str, run_request: dict) -> str:
    """Start the task and return its ARN.

    Raises:
        UserError: ECS refuses the request, or starts no task; the history says so too.
    """
    from ecs import history
    from ecs.aws import call_cli
    from ecs.verdict import verdict

    answer, error = {}, None
    try:
        answer = call_cli(settings, "ecs", "run-task", request=run_request, name="run-task")
    except UserError as refusal:
        error = refusal
    if answer.get("tasks"):
        return answer["tasks"][0]["taskArn"]
    # refused; or exit status 0, and yet there is no task
    end = verdict(answer=answer, error=error, capacity=settings.capacity)
    result = end.record() | {"recorded": history.now()}
    history.write(settings, outputs, run, "result.json", result)
    raise UserError("ECS started no task: " + "\n".join(end.lines())) from error


def watch(settings: Settings, outputs: dict[str, str], run: str, record: dict) -> int:
    """Follow a run. Ctrl-C leaves it alone, Ctrl-C twice or SIGTERM stops it.

    ON_INTERRUPT=stop makes the first Ctrl-C stop it too, for machines where nobody sits.
    """
    presses: list[int] = []

    def press(number: int, frame: object) -> None:
        presses.append(number)
        if len(presses) == 1:  # the second one only counts, however soon it comes
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, press)
    signal.signal(signal.SIGTERM, terminate)
    try:
        return attend(settings, outputs, run, record)
    except KeyboardInterrupt:
        if settings.on_interrupt == "detach":
            print(
                f"\ndetached; run {run} goes on. Its log: make logs RUN={run}\n"
                f"Ctrl-C again now, or later make stop RUN={run}, stops it",
                file=sys.stderr,
                flush=True,
            )
            deadline = time.monotonic() + SECOND_CTRL_C
            while len(presses) < 2 and time.monotonic() < deadline:
                time.sleep(0.1)
            if len(presses) < 2:
                return 130
        return interrupted(settings, outputs, run, record, "Ctrl-C", 130)
    except Terminated:
        return interrupted(settings, outputs, run, record, "SIGTERM", 143)


def terminate(number: int, frame: object) -> None:
    """Signal handler of SIGTERM."""
    raise Terminated


def interrupted(
    settings: Settings, outputs: dict[str, str], run: str, record: dict, why: str, status: int
) -> int:
    """Stop the run's task because the follower was told to, say so, and return ``status``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop_task(settings, outputs, run, record, f"{why} in make run")
    return status


def log_of(settings: Settings, outputs: dict[str, str], run: str, record: dict) -> Log:
    """Return the log of a run's container."""
    from ecs.aws import client

    group, stream = outputs["LogGroup"], stream_name(record["task"])
    return Log(client(settings, "logs"), group, stream, f"[end of run {run}]")


def attend(settings: Settings, outputs: dict[str, str], run: str, record: dict) -> int:
    """Follow a run to its end; record and print the verdict; return the exit status."""
    from ecs import history
    from ecs.aws import client
    from ecs.follow import Limits, follow, note
    from ecs.verdict import Verdict

    log = log_of(settings, outputs, run, record)
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
    known = history.read(settings, outputs, run, "result.json") if task is None else None
    result = known or settle(settings, outputs, run, task, last)
    for line in history.summary(settings, outputs, run):
        note(line)
    if result["state"] == "Succeeded":
        note(f"run {run} succeeded; to download it: make fetch RUN={run}")
        return 0
    end = Verdict(**{name: result[name] for name in Verdict.__annotations__ if name in result})
    cause, *more = end.lines()
    note("\n".join([f"run {run} {end.state.lower()}: {cause}", *more]))
    return end.status


def settle(
    settings: Settings, outputs: dict[str, str], run: str, task: Mapping | None, log: Iterable = ()
) -> dict:
    """Record how a run ended, beside its model, and return the record.

    ``log`` holds the last lines of the container's log, as far as they are known.
    """
    from ecs import history
    from ecs.verdict import verdict

    end = verdict(task, log=list(log), capacity=settings.capacity)
    times = {
        name: str(task[name])
        for name in ("createdAt", "startedAt", "stoppedAt")
        if (task or {}).get(name)
    }
    result = {
        **end.record(),
        "stop_code": (task or {}).get("stopCode"),
        "stopped_reason": (task or {}).get("stoppedReason"),
        "recorded": history.now(),
        **times,
    }
    history.write(settings, outputs, run, "result.json", result)
    return result


def chosen(settings: Settings) -> tuple[dict[str, str], str, dict]:
    """Return the stack's outputs, the id of the run that RUN means, and its record."""
    from ecs import history

    outputs = stack.outputs(settings)
    run = history.resolve(settings, outputs)
    record = history.read(settings, outputs, run, "run.json")
    if record is None:
        raise UserError(f"run {run} has no run.json in s3://{outputs['Bucket']}; type: make runs")
    return outputs, run, record


def with_task(settings: Settings) -> tuple[dict[str, str], str, dict]:
    """Return what ``chosen`` does, for a run that has a task.

    Raises:
        UserError: ECS never started one.
    """
    outputs, run, record = chosen(settings)
    if not record["task"]:
        raise UserError(
            f"run {run} has no task: ECS never started one; type: make status RUN={run}"
        )
    return outputs, run, record


def logs(settings: Settings) -> int:
    """Print a run's log; a run that goes on is followed to its end."""
    from ecs import history

    outputs, run, record = with_task(settings)
    if history.read(settings, outputs, run, "result.json") is None:
        return attend(settings, outputs, run, record)
    for line in log_of(settings, outputs, run, record).new_lines():
        show(line)
    return 0


def state_of(settings: Settings, outputs: dict[str, str], run: str, record: dict | None) -> dict:
    """Return how a run ended; a stopped task that nobody has recorded yet is recorded now."""
    from ecs import history
    from ecs.aws import client
    from ecs.follow import describe

    result = history.read(settings, outputs, run, "result.json")
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
    return settle(settings, outputs, run, task)


def status(settings: Settings) -> None:
    """Print what is known of one run."""
    from ecs import history

    outputs, run, record = chosen(settings)
    state = state_of(settings, outputs, run, record)
    container = record["request"]["overrides"]["containerOverrides"][0]
    for name, value in (
        ("run", run),
        ("state", state["state"]),
        ("exit code", state["exit_code"]),
        ("cause", state["cause"]),
        ("AWS says", state.get("reason")),
        ("type", state.get("remedy")),
        ("started", record["started"]),
        ("command", json.dumps(container["command"], ensure_ascii=False)),
        ("image", record["image"]),
        ("revision", record["revision"]),
        ("task", record["task"]),
        ("files", request.run_uri(settings, outputs, run)),
    ):
        if value not in (None, ""):
            print(f"{name:<10} {value}")
    for line in history.summary(settings, outputs, run):
        print(line)


def stop(settings: Settings) -> None:
    """Stop a run's task."""
    outputs, run, record = with_task(settings)
    state = state_of(settings, outputs, run, record)
    if state["state"] in ("Succeeded", "Interrupted", "Failed"):
        print(f"run {run} has ended already: {state['state'].lower()}", file=sys.stderr)
        return
    stop_task(settings, outputs, run, record, "make stop")


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
    line = shell_line(settings, outputs, record)
    state = state_of(settings, outputs, run, record)["state"]
    if state != "Running":
        raise UserError(f"run {run} is not running: {state.lower()}; type: make status RUN={run}")
    print("$ " + shlex.join(["aws", *line[1:]]), file=sys.stderr, flush=True)
    os.execvp(line[0], line)


def runs(settings: Settings) -> None:
    """Print a table of the latest runs."""
    from rich.console import Console
    from rich.table import Table

    from ecs import history

    outputs = stack.outputs(settings)
    table = Table("run", "started", "tag", "state", "exit", box=None)
    table.add_column("command", overflow="ellipsis", no_wrap=True)
    for run in history.run_ids(settings, outputs)[:50]:
        record = history.read(settings, outputs, run, "run.json")
        state = state_of(settings, outputs, run, record)
        command = (
            record["request"]["overrides"]["containerOverrides"][0]["command"] if record else []
        )
        table.add_row(
            run,
            (record or {}).get("started", ""),
            (record or {}).get("tag", ""),
            state["state"],
            "" if state["exit_code"] is None else str(state["exit_code"]),
            shlex.join(command),
        )
    # into a file or a pipe each run is one line, however long
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def fetch(settings: Settings) -> None:
    """Download what a run wrote to runs/, with progress."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from ecs import history
    from ecs.aws import client

    outputs = stack.outputs(settings)
    run = history.resolve(settings, outputs)
    prefix = history.key(settings, run)
    files = [
        each
        for each in history.objects(settings, outputs, run)
        if "/checkpoints/" not in each["Key"]
    ]
    folder = Path("runs", run)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(f"run {run}", total=sum(each["Size"] for each in files))
        for each in files:
            path = folder / each["Key"].removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            # A file has its name only when it is whole.
            partial = path.with_name(f".{path.name}.partial")
            client(settings, "s3").download_file(
                outputs["Bucket"], each["Key"], str(partial),
                Callback=lambda count: progress.advance(bar, count),
            )  # fmt: skip
            partial.replace(path)
    for each in files:
        print(folder / each["Key"].removeprefix(prefix))


def destroy(settings: Settings) -> None:
    """List, ask, and delete everything of this project in AWS."""
    from ecs.destroy import destroy as destroy_all

    destroy_all(settings, stack.refresh(settings))
    stack.cache(settings).unlink(missing_ok=True)


COMMANDS: dict[str, Callable[..., int | None]] = {
    each.__name__: each
    for each in (
        cli, parameters, policy, plan, outputs, output, tag, repository, registry, pushed, words, secret, register, run,
        schedule, schedules, unschedule, logs, status, shell, stop, runs, fetch, destroy,
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
        return f"AWS: {error}"
    return None


def main(arguments: list[str]) -> int:
    """Run one command and return the exit status."""
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: python -m ecs {{{','.join(COMMANDS)}}}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](settings_from(os.environ), *arguments[1:]) or 0
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
