"""Runs at set times: EventBridge Scheduler sends the request that `make run` would send.

Limits and the keyword below: the API reference of CreateSchedule, and "Adding context attributes" in
the user guide of EventBridge Scheduler.
"""

import json
import re
import shlex
from collections.abc import Mapping

from ecs.aws import client
from ecs.errors import UserError
from ecs.settings import Settings

# what the scheduler replaces when it starts a run: 2026-11-24T03:00:00Z
TIME = "<aws.scheduler.scheduled-time>"
# For an hour, three more times: RunTask may find no capacity at three in the morning.
RETRIES = {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600}


def checked_name(settings: Settings) -> str:
    """Return ``NAME`` if a schedule can have it.

    Raises:
        UserError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", settings.name):
        raise UserError(
            f"NAME={settings.name!r}: the schedule's name, letters, digits and -_. only; type for "
            'example: make schedule NAME=nightly CRON="cron(0 3 * * ? *)"'
        )
    return settings.name


def expression(settings: Settings) -> str:
    """Return ``CRON`` if it has the form of one of the scheduler's expressions.

    Raises:
        UserError: it has not. What the fields mean is left to AWS to judge.
    """
    text = settings.cron.strip()
    forms = (
        r"cron\(\S+( +\S+){5}\)",
        r"rate\([1-9]\d* (minute|hour|day)s?\)",
        r"at\(\d{4}(-\d\d){2}T\d\d(:\d\d){2}\)",
    )
    if not any(re.fullmatch(form, text) for form in forms):
        raise UserError(
            f"CRON={settings.cron!r}: minutes, hours, day, month, weekday and year, in UTC, as in "
            'CRON="cron(0 3 * * ? *)", each night at three; or CRON="rate(12 hours)"'
        )
    return text


def draft_key(settings: Settings) -> str:
    """Return the S3 key of what ``run.json`` of each run begins with (job/scheduled.py)."""
    return f"{settings.project}/schedules/{checked_name(settings)}.json"


def run_id(settings: Settings) -> str:
    """Return the id that each run of the schedule gets; the scheduler fills in its time."""
    return f"{TIME}-{checked_name(settings)}"


def schedule_request(settings: Settings, stack: Mapping[str, str], run_request: Mapping) -> dict:
    """Return the CreateSchedule request that starts ``run_request``, made for ``run_id``, again and again.

    Raises:
        UserError: a variable has a value that no schedule can have.
    """
    if settings.task_role:
        raise UserError("TASK_ROLE: the scheduler may hand out the stack's own task role only")
    container = run_request["overrides"]["containerOverrides"][0]
    if any(each["name"] == "ARGV_URI" for each in container["environment"]):
        raise UserError("ARGS: too long for a schedule, which has 8,192 characters; shorten them")
    command = container["command"]
    parameters = {
        "TaskDefinitionArn": run_request["taskDefinition"],
        "TaskCount": run_request["count"],
        "CapacityProviderStrategy": run_request["capacityProviderStrategy"],
        "PropagateTags": run_request["propagateTags"],
    }
    if run_request.get("enableExecuteCommand"):
        parameters["EnableExecuteCommand"] = True
    if network := run_request.get("networkConfiguration"):
        # the same three names, which begin with a capital letter here
        values = network["awsvpcConfiguration"].items()
        parameters["NetworkConfiguration"] = {
            "awsvpcConfiguration": {name[0].upper() + name[1:]: value for name, value in values}
        }
    return {
        "Name": checked_name(settings),
        "GroupName": settings.project,
        "Description": shlex.join(command)[:512],
        "ScheduleExpression": expression(settings),
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": stack["ClusterArn"],
            "RoleArn": stack["SchedulerRoleArn"],
            "Input": json.dumps(run_request["overrides"], ensure_ascii=False),
            "EcsParameters": parameters,
            "RetryPolicy": RETRIES,
        },
    }


def put(settings: Settings, request: Mapping) -> str:
    """Create the schedule, or replace the one that has its name; return which it was."""
    scheduler = client(settings, "scheduler")
    try:
        scheduler.create_schedule(**request)
        return "created"
    except scheduler.exceptions.ConflictException:
        scheduler.update_schedule(**request)
        return "updated"


def schedules(settings: Settings) -> list[dict]:
    """Return all schedules of the project as GetSchedule describes them, by name."""
    scheduler = client(settings, "scheduler")
    try:
        pages = list(scheduler.get_paginator("list_schedules").paginate(GroupName=settings.project))
    except scheduler.exceptions.ResourceNotFoundException:  # a stack from before there were any
        return []
    names = [each["Name"] for page in pages for each in page["Schedules"]]
    return [scheduler.get_schedule(Name=name, GroupName=settings.project) for name in sorted(names)]


def delete(settings: Settings, name: str) -> None:
    """Delete one schedule. Its runs stay.

    Raises:
        UserError: there is none of that name.
    """
    scheduler = client(settings, "scheduler")
    try:
        scheduler.delete_schedule(Name=name, GroupName=settings.project)
    except scheduler.exceptions.ResourceNotFoundException as error:
        raise UserError(
            f"NAME={name!r}: no schedule has that name; type: make schedules"
        ) from error
