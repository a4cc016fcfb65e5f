"""`make schedule`: runs at set times."""

import json
import re
import subprocess

import pytest
from user import AWKWARD, QUICK, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]


def test_a_schedule_holds_the_request_of_make_run(project):
    project.make("cluster")
    project.make("push")
    words = {"NAME": "nightly", "CRON": "cron(0 3 * * ? *)", "ARGS": AWKWARD}
    done = project.make("schedule", NAME="nightly", CRON="0 3 * * *", status=2)
    assert "cron(0 3 * * ? *)" in done.stderr
    assert "created" in project.make("schedule", **words).stderr
    assert "updated" in project.make("schedule", **words).stderr
    scheduler = project.client("scheduler")
    target = scheduler.get_schedule(Name="nightly", GroupName="churn-model")["Target"]
    request = json.loads(project.make("run", ARGS=AWKWARD, DRY_RUN="1").stdout)
    there, here = (
        each["containerOverrides"][0]
        for each in (json.loads(target["Input"]), request["overrides"])
    )
    assert there["command"] == here["command"]
    variables = {each["name"]: each["value"] for each in there["environment"]}
    assert variables["RUN_ID"] == "<aws.scheduler.scheduled-time>-nightly"
    assert variables["RUN_URI"].endswith("/runs/<aws.scheduler.scheduled-time>-nightly/")
    assert re.search(r"^ *nightly .*churn-model:\d", project.make("schedules").stdout, re.MULTILINE)
    assert "no schedule has that name" in project.make("unschedule", NAME="x", status=2).stderr
    project.make("unschedule", NAME="nightly")
    assert scheduler.list_schedules()["Schedules"] == []


def test_a_scheduled_run_is_known_like_any_other(project):
    """The emulator's scheduler starts nothing: here the test sends what it would send."""
    project.make("cluster")
    project.make("push")
    project.make("data")
    words = {"CRON": "rate(1 hour)", "ARGS": QUICK[project.framework]}
    project.make("schedule", NAME="hourly", **words)
    schedule = project.client("scheduler").get_schedule(Name="hourly", GroupName="churn-model")
    target, now = schedule["Target"], "2031-02-03T04:05:06Z"
    values = target["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]
    project.client("ecs").run_task(
        cluster=target["Arn"],
        taskDefinition=target["EcsParameters"]["TaskDefinitionArn"],
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {
                name[0].lower() + name[1:]: each for name, each in values.items()
            }
        },
        overrides=json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", now)),
    )
    run = f"{now}-hourly"
    look = ["make", "status", f"RUN={run}"]  # fails as long as the container has not begun

    def ended() -> bool:
        done = subprocess.run(
            look,
            cwd=project.folder,
            env=project.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return "state      Succeeded" in done.stdout

    wait_until(ended)
    assert "metrics: metrics.json" in project.make("logs", RUN=run).stdout
    table = project.make("runs").stdout
    assert re.search(rf"^ *{run} .*Succeeded.*{words['ARGS']}", table, re.MULTILINE)
    again = project.make("rerun", RUN=run)
    assert " succeeded" in again.stderr
    project.make("schedule", NAME="hourly", **words)  # for make destroy
