"""`make secret`: a secret reaches the container and is seen nowhere else."""

import hashlib
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
from user import ONE_FRAMEWORK, tag_of

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]

# Tells that it has the secret without telling it, and stays until everybody has looked.
KEEPS_A_SECRET = """\
import hashlib
import os
import time

print("sha256:", hashlib.sha256(os.environ["TD_API_KEY"].encode()).hexdigest(), flush=True)
time.sleep(5)
print([name for name in os.environ if name.startswith("TD_")])
"""


class Watch(threading.Thread):
    """Looks for a word in the arguments of all processes, again and again, until it is stopped."""

    def __init__(self, word: str) -> None:
        super().__init__(daemon=True)
        self.word, self.found, self.looks = word.encode(), [], 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            self.look()
            self.over.wait(0.01)

    def look(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = path.read_bytes()
            except OSError:  # it has ended
                continue
            if self.word in arguments:
                self.found.append(arguments)
        self.looks += 1


@ONE_FRAMEWORK
def test_a_secret_reaches_the_container_and_is_seen_nowhere_else(project):
    canary = "canary-" + os.urandom(12).hex()
    (project.folder / "keeps.py").write_text(KEEPS_A_SECRET)
    project.make("cluster")
    project.make("push")
    said = []
    done = project.make("run", SCRIPT="keeps.py", SECRETS="TD_API_KEY", status=2)
    assert "type: make SANDBOX=1 secret NAME=TD_API_KEY" in done.stderr
    watch = Watch(canary)
    watch.start()
    for value in ("another", canary):
        done = subprocess.run(
            ["make", "secret", "NAME=TD_API_KEY"],
            cwd=project.folder, env=project.environ, input=f"{value}\n",
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        said += [done.stdout, done.stderr]
    assert "created" in said[1]
    assert "updated" in said[3]
    done = project.make("run", SCRIPT="keeps.py", SECRETS="TD_API_KEY")
    said += [done.stdout, done.stderr]
    # it arrived, and by no other variable
    assert f"sha256: {hashlib.sha256(canary.encode()).hexdigest()}" in done.stdout
    assert "['TD_API_KEY']" in done.stdout
    run = project.latest()
    for target in ("logs", "status", "runs", "fetch"):
        done = project.make(target, RUN=run)
        said += [done.stdout, done.stderr]
    watch.over.set()
    watch.join()
    assert watch.looks > 10
    assert watch.found == []
    ecs, s3 = project.client("ecs"), project.client("s3")
    definition = ecs.describe_task_definition(taskDefinition="churn-model")["taskDefinition"]
    (injected,) = definition["containerDefinitions"][0]["secrets"]
    assert injected["name"] == "TD_API_KEY"
    assert ":secret:churn-model/TD_API_KEY-" in injected["valueFrom"]
    said.append(json.dumps(definition, default=str))
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    for each in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        said.append(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode("latin-1"))
    logs = project.client("logs")
    for stream in logs.describe_log_streams(logGroupName="/ecs/churn-model")["logStreams"]:
        name = stream["logStreamName"]
        events = logs.get_log_events(logGroupName="/ecs/churn-model", logStreamName=name)["events"]
        said += [each["message"] for each in events]
    # all files here but the emulator's own store, which is AWS
    store = project.folder / ".sandbox"
    for path in project.folder.rglob("*"):
        inside = path.is_relative_to(store) and path.parent != store
        if path.is_file() and not inside and ".venv" not in path.parts:
            said.append(path.read_text(encoding="latin-1"))
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    image = f"churn-model:{tag_of(project)}"
    said.append(project.run([engine["DOCKER"], "history", "--no-trunc", image]).stdout)
    said.append(project.run([engine["DOCKER"], "inspect", image]).stdout)
    assert [text[:200] for text in said if canary in text] == []
    # the search can find: the emulator's own store has it
    (stored,) = project.client("secretsmanager").list_secrets()["SecretList"]
    value = project.client("secretsmanager").get_secret_value(SecretId=stored["ARN"])
    assert value["SecretString"] == canary
    # the next run goes without
    assert "(new)" in project.make("register").stderr
    (project.folder / "keeps.py").unlink()
    project.make("push")
