"""Runs that nobody has to follow: `make submit` and `make sweep` put them into a queue of AWS Batch."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ecs import contract, parse
from ecs.commands.run import asked_for, check_cost, new_run_id, tell_workflow, with_known_data
from ecs.console import as_json, note, say
from ecs.errors import UserError
from ecs.history import records, versions
from ecs.history.run import Run
from ecs.image import image
from ecs.request import definition, grid, job, request, sizes
from ecs.request.channels import with_latest
from ecs.run import batch, registration
from ecs.settings import Settings
from ecs.stack import stack


def submit(settings: Settings) -> None:
    """Put the script, as ``run`` would start it, into a queue, and go."""
    queue(settings, [])


def sweep(settings: Settings) -> None:
    """Put a run for each combination of the values in ARGS into a queue, as one array job."""
    sample = settings.sample
    count = parse.whole_number("SAMPLE", sample, 2, grid.MOST, "runs") if sample else 0
    queue(settings, grid.table(parse.words(settings.args), count))


def check(settings: Settings) -> Settings:
    """Return the settings without what a job does not have; say what that is.

    Raises:
        UserError: there is no queue for such a run.
    """
    if not settings.there.queues:
        raise UserError("the sandbox has no AWS Batch yet; to run the same there, type: make run")
    if not settings.kind.queue:
        raise UserError(
            f"CAPACITY={settings.capacity}: the queues are of Fargate; type: CAPACITY=fargate, or "
            "CAPACITY=fargate-spot"
        )
    for name, value, why in (
        ("START_TIMEOUT", settings.start_timeout, "a job waits in its queue, which costs nothing"),
        ("SPOT_FALLBACK", settings.spot_fallback, "a queue of Spot waits for Spot"),
        ("EXEC", settings.exec, "nobody opens a shell in a job"),
    ):
        if value:
            note(f"note: {name} does not count here: {why}")
    return replace(settings, start_timeout="", spot_fallback=False, exec=False, detach=False)


def queue_of(settings: Settings, outputs: Mapping[str, str]) -> str:
    """Return the ARN of the queue for CAPACITY.

    Raises:
        UserError: the stack has none.
    """
    name = settings.kind.queue
    found = outputs.get(name) or stack.refresh(settings).get(name)
    if not found:
        raise UserError(
            "the stack has no queues; type: make cluster MAX_VCPUS=64, or write MAX_VCPUS = 64 into .env first"
        )
    return found


def as_array(run_request: dict, uri: str) -> dict:
    """Return a RunTask request whose words stand in a table below ``uri``, a row for each run of a sweep."""
    container = run_request["overrides"]["containerOverrides"][0]
    variables = request.variables_of(run_request) | {contract.ARGV_URI: uri + contract.ARGV}
    return request.with_container(
        run_request,
        command=container["command"][:1],
        environment=request.environment_of(variables),
    )


def asked(
    settings: Settings,
    outputs: Mapping[str, str],
    run: str,
    table: Sequence[Sequence[str]],
    revision: str | None = None,
) -> dict:
    """Return the RunTask request that is in ``run.json`` of a run on Batch."""
    found = request.run_task_request(
        settings, outputs, definition.written(), settings.project, run, revision
    )
    return as_array(found, request.run_uri(settings, outputs, run)) if table else found


def dry_run(settings: Settings, table: Sequence[Sequence[str]]) -> None:
    """Print the runs of a sweep, the cost and the SubmitJob request; start nothing, ask nobody."""
    known = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    settings = replace(settings, data=with_latest(settings.data, lambda: "<latest>"))
    run_request = asked(settings, known, new_run_id(), table)
    for index, words in enumerate(table):
        say(f"{index:>5}  {shlex.join([settings.script, *words])}")
    tell_cost(settings, run_request, table)
    queue, name = known[settings.kind.queue], settings.project
    print(as_json(job.submit_request(run_request, settings, queue, name, len(table))))


def tell_cost(settings: Settings, run_request: Mapping, table: Sequence[Sequence[str]]) -> None:
    """Say what all attempts at all runs may cost together.

    Raises:
        UserError: more than BUDGET.
    """
    attempts = job.retry_strategy(settings)["attempts"]
    size = sizes.full_size(settings, definition.written(), run_request["overrides"])
    check_cost(settings, size, attempts * (len(table) or 1))


def queue(settings: Settings, table: Sequence[Sequence[str]]) -> None:
    """Record a run, or a sweep of the runs in ``table``, and submit its job."""
    settings = check(settings)
    # all runs of a sweep have the same options: the first stands for all where they are checked
    first = replace(settings, args=shlex.join(table[0])) if table else settings
    if settings.dry_run:
        dry_run(first, table)
        return
    from ecs.checks.verify import before_run  # with botocore, 0.1 s

    outputs = stack.outputs(settings)
    where = queue_of(settings, outputs)
    first = with_known_data(first, outputs)
    run = new_run_id()
    before_run(first, outputs)
    draft = asked(first, outputs, run, table)
    job.submit_request(
        draft, settings, where, "", len(table)
    )  # what is wrong with it, before all else
    tell_cost(settings, draft, table)
    arn, image_uri = registration.register_job(first, outputs, draft["overrides"])
    revision = image.git(Path(), "rev-parse", "HEAD")
    run_request = asked(first, outputs, run, table, revision)
    record = asked_for(settings, outputs, run, image_uri, revision, run_request) | {
        "task": None,
        "started": records.now(),
        "data": versions.data_versions(first, outputs, run_request),
        "attempts": [],
        "batch": {"queue": where, "job": None},
        **({"sweep": len(table)} if table else {}),
    }
    begin(Run(settings, outputs, run, record), arn, table)


def begin(run: Run, job_definition: str, table: Sequence[Sequence[str]]) -> None:
    """Write the words and ``run.json``, then submit the job and record its id."""
    run_request, where = run.record["request"], run.record["batch"]["queue"]
    if contract.ARGV_URI in request.variables_of(run_request):
        records.write(run, contract.ARGV, list(table) or run.record["argv"])
    records.create(run)
    tell_workflow("run", run.id)
    asked = job.submit_request(run_request, run.settings, where, job_definition, len(table))
    batch.take(run, batch.send(run.settings, asked))
    what = f"sweep {run.id} of {len(table)} runs" if table else f"run {run.id}"
    note(
        f"{what} is queued; to look at it: make status RUN={run.id}; to end it: make stop RUN={run.id}"
    )
