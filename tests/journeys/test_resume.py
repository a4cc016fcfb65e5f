"""A run whose machine is lost goes on from its last checkpoint."""

import json
import re
import subprocess
import time

import pytest
from ecs.run import retry
from ecs.verdict.rules import RESUME
from user import LONG, MODEL, PROGRAM, Project, program_environment, sha256

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]


def test_a_run_that_lost_its_machine_is_tried_again_from_its_checkpoint(project):
    """SIGTERM out of the blue, as before a Spot interruption; the emulator knows no such thing."""
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    follower = subprocess.Popen(
        PROGRAM,
        cwd=project.folder,
        env=project.environ
        | program_environment(project)
        | {"ARGS": LONG[project.framework], "RETRIES": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with follower:
        for line in follower.stderr:
            if found := re.match(r"run (\S+), task (\S+)", line):
                break
        run, task = found.groups()
        s3 = project.client("s3")
        prefix = f"churn-model/runs/{run}/checkpoints/"
        bucket = s3.list_buckets()["Buckets"][0]["Name"]
        while follower.poll() is None:
            if s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents"):
                break
            time.sleep(0.1)
        (described,) = project.client("ecs").describe_tasks(cluster="churn-model", tasks=[task])[
            "tasks"
        ]
        container = described["containers"][0]["runtimeId"]
        project.run([engine["DOCKER"], "kill", "--signal", "TERM", container])
        out, said = follower.communicate()
    assert follower.returncode == 0, out + said
    assert "attempt 2 of 2 in " in said
    assert re.search(r"^resuming after round [1-9]", out, re.MULTILINE)
    project.make("fetch", RUN=run)
    metrics = json.loads((project.folder / "runs" / run / "metrics.json").read_text())
    assert metrics["attempts"] == 2
    result = json.loads((project.folder / "runs" / run / "result.json").read_text())
    told = [(each["state"], each["retry"]) for each in result["attempts"]]
    assert told == [("Interrupted", "resume"), ("Succeeded", "never")]
    # the log of both
    assert project.make("logs", RUN=run).stdout.count("argv: ") == 2


def model_of(project: Project, run: str) -> str:
    """Fetch a run and return its model's sha256."""
    project.make("fetch", RUN=run)
    return sha256(project.folder / "runs" / run / MODEL[project.framework])


def describe(project: Project, task: str) -> dict:
    """Return a task as the emulator describes it."""
    (found,) = project.client("ecs").describe_tasks(cluster="churn-model", tasks=[task])["tasks"]
    return found


def to_emulator(request: dict) -> dict:
    """Return a RunTask request without what only the AWS CLI's version of the model has."""
    return {name: value for name, value in request.items() if name != "clientToken"}


def test_docker_kill_and_resume_give_the_bytes_of_a_run_without_a_break(project):
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    words = LONG[project.framework]
    project.make("run", ARGS=words)
    whole = model_of(project, project.latest())
    project.make("run", ARGS=words, DETACH="1")
    run = project.latest()
    s3 = project.client("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    folder = f"churn-model/runs/{run}/"
    task = json.loads(s3.get_object(Bucket=bucket, Key=folder + "run.json")["Body"].read())["task"]
    deadline = time.monotonic() + 300
    while not any(
        each["Key"].endswith(".json")
        for each in s3.list_objects_v2(Bucket=bucket, Prefix=folder + "checkpoints/").get(
            "Contents", []
        )
    ):
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.1)
    described = project.client("ecs").describe_tasks(cluster="churn-model", tasks=[task])
    project.run([engine["DOCKER"], "kill", described["tasks"][0]["containers"][0]["runtimeId"]])
    assert "exit code 137" in project.make("logs", RUN=run, status=2).stderr
    assert "model: " not in project.make("status", RUN=run).stdout
    # a kill is no loss of a machine, as far as ECS tells: the next attempt is sent as a follower would
    record = json.loads(s3.get_object(Bucket=bucket, Key=folder + "run.json")["Body"].read())
    request = retry.next_request(
        record["request"], [{"retry": RESUME, "task": task}], retries=1, spot_fallback=False
    )
    started = project.client("ecs").run_task(**to_emulator(request))["tasks"][0]["taskArn"]
    while describe(project, started)["lastStatus"] != "STOPPED":
        time.sleep(0.2)
    record["attempts"].append({"attempt": 2, "task": started})
    s3.put_object(
        Bucket=bucket,
        Key=folder + "run.json",
        Body=json.dumps(record | {"task": started}).encode(),
    )
    log = project.make("logs", RUN=run).stdout
    assert re.search(r"^resuming after round [1-9]", log, re.MULTILINE)
    assert model_of(project, run) == whole
