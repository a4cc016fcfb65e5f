"""Commands about schedules."""

from dataclasses import replace
from pathlib import Path

from rich.table import Table

from ecs.commands.run import asked_for, with_known_data
from ecs.commands.runs import show_table
from ecs.console import as_json, cell, note
from ecs.errors import UserError
from ecs.history import records
from ecs.image import image
from ecs.request import definition, request
from ecs.request.channels import with_latest
from ecs.run import registration
from ecs.settings import Settings
from ecs.stack import scheduler, stack


def schedule(settings: Settings) -> None:
    """Store the request of `make run` as a schedule, under the task definition as it is now."""
    from ecs.checks.verify import before_run

    run = scheduler.run_id(settings)
    revision = image.git(Path(), "rev-parse", "HEAD")
    known = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    outputs = known if settings.dry_run else stack.refresh(settings)
    if settings.dry_run:
        settings = replace(settings, data=with_latest(settings.data, lambda: "<latest>"))
    else:
        settings = with_known_data(settings, outputs)
    if "SchedulerRoleArn" not in outputs:
        raise UserError("the stack knows no schedules yet; type: make cluster")

    def requested(arn: str) -> tuple[dict, dict]:
        made = request.run_task_request(
            settings, outputs, definition.written(), arn, run, revision, settings.name
        )
        return made, scheduler.schedule_request(settings, outputs, made)

    # first what may be wrong with the variables, so that nothing is registered in vain
    made, asked = requested(settings.project)
    if settings.dry_run:
        print(as_json(asked))
        return
    before_run(settings, outputs, {"data"})  # which may come later, and changes from run to run
    arn, image_uri = registration.register(settings, outputs)
    made, asked = requested(arn)
    # what is known of each run already; its container adds the rest (job/scheduled.py)
    draft = asked_for(settings, outputs, run, image_uri, revision, made) | {
        "schedule": settings.name
    }
    records.put(settings, outputs, scheduler.draft_key(settings), draft)
    done = scheduler.put(settings, asked)
    note(
        f"schedule {asked['Name']} {done}: {asked['ScheduleExpression']} UTC, with the image as it "
        "is now; make runs lists its runs by their time"
    )


def schedules(settings: Settings) -> None:
    """Print a table of the schedules."""
    table = Table("name", "when (UTC)", "state", "task definition", box=None)
    table.add_column("command", overflow="ellipsis", no_wrap=True)
    for each in scheduler.schedules(settings):
        # somebody may have put one into the group that starts something else
        target = each["Target"]
        arn = target.get("EcsParameters", {}).get("TaskDefinitionArn", target["Arn"])
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
    name = scheduler.checked_name(settings)
    stack.outputs(settings)  # whose group of schedules it is
    scheduler.delete(settings, name)
    note(f"schedule {settings.name} deleted; its runs stay")
