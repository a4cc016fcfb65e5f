"""`make run` killed at every call that it makes: no run is lost, and two tasks of one are never alive.

The program is the real one, in a process of its own, and AWS an HTTP server (scripted.py): what the server
kills is dead. Each call is two points: before AWS has seen it, and after AWS has done it but not answered.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import ID, OUTPUTS
from scripted import Account, Server
from support import PROJECT, call, lacking

FORKED = Path(__file__).with_name("forked.py")
# The AWS CLI takes a second to start; this one sends the same request in a few milliseconds.
QUICK_CLI = f"""\
#!{sys.executable} -IS
import json, os, socket, sys
names = {{"run-task": "RunTask", "stop-task": "StopTask", "register-task-definition": "RegisterTaskDefinition"}}
words = sys.argv[3:-2]
given = dict(zip(words[::2], words[1::2]))
if path := given.get("--cli-input-json"):
    body = open(path.removeprefix("file://")).read()
else:
    body = json.dumps({{name[2:]: value for name, value in given.items()}})
host, _, port = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://").partition(":")
connection = socket.create_connection((host, int(port)))
head = f"POST / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nX-Amz-Target: x.{{names[sys.argv[2]]}}"
body = body.encode()
connection.sendall(f"{{head}}\\r\\nContent-Length: {{len(body)}}\\r\\n\\r\\n".encode() + body)
answer = connection.makefile("rb").read().decode()
if " 200 " not in answer.partition("\\r\\n")[0]:
    error = json.loads(answer.partition("\\r\\n\\r\\n")[2])
    sys.exit(f"An error occurred ({{error['__type']}}) when calling the X operation: {{error['message']}}")
print(answer.partition("\\r\\n\\r\\n")[2])
"""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Laptop:
    """A project's folder and the processes that run in it."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.output = folder / "output"
        variables = {"PROJECT": "churn", "REGION": "us-east-1", "TAG": "v1", "AWS": f"{folder}/aws"}
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **CREDENTIALS,
            **variables,
            "AWS_ENDPOINT_URL": server.url,
            "PYTHONPATH": str(PROJECT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.known, self.pid = threading.Event(), 0
        self.forker = subprocess.Popen(
            [sys.executable, FORKED], cwd=folder, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def victim(self) -> int:
        self.known.wait(30)
        return self.pid

    def call(self, *words: str, **env: str) -> tuple[int, str]:
        """Run one command; return its exit status, minus the signal it died of, and what it printed."""
        self.known.clear()
        command = {"words": words, "env": env, "output": str(self.output)}
        self.forker.stdin.write(json.dumps(command) + "\n")
        self.forker.stdin.flush()
        self.pid = int(self.forker.stdout.readline())
        self.known.set()
        status = int(self.forker.stdout.readline())
        text = self.output.read_text()
        assert "Traceback" not in text, text
        return status, text


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laptop")
    (folder / ".aws-state").mkdir()
    (folder / ".aws-state/stack.json").write_text(json.dumps(OUTPUTS))
    (folder / "project-id").write_text(ID + "\n")
    (folder / "train.py").write_text("import json\n")
    (folder / "aws").write_text(QUICK_CLI)
    (folder / "aws").chmod(0o755)
    shutil.copy(PROJECT / "task-definition.json", folder)
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = Laptop(folder, server)
    yield made
    made.forker.stdin.close()
    made.forker.wait(30)
    server.shutdown()
    server.server_close()


def killed_at(laptop: Laptop, point: int, fates: tuple, retries: str) -> Account | None:
    """Run with a follower that is killed at its call ``point``; None where it came to its end before."""
    account = laptop.server.account = Account(*fates)
    account.victim, account.dies = laptop.victim, lambda number, where: number == point
    status, said = laptop.call("run", RETRIES=retries)
    if status == -signal.SIGKILL:
        return account
    assert (status, account.where) == (0, ""), said
    return None


def check_found_and_stopped(laptop: Laptop, account: Account) -> None:
    """Every command knows the run and its task; ``stop`` ends both, and nothing follows."""
    run, world = account.record()["run"], account.world
    account.frozen = True
    status, said = laptop.call("status", RUN=run)
    assert (status, run in said) == (0, True), said
    for task in world.alive():
        assert task["taskArn"] in said, said
        assert "state      Running" in said, said
    assert world.alive() or "Running" not in said, said
    status, said = laptop.call("runs")
    assert (status, run in said) == (0, True), said
    tasks = len(world.tasks)
    attempts = account.record()["attempts"]
    sent = f"{run}-{len(attempts)}" in [each["startedBy"] for each in world.tasks]
    status, said = laptop.call("stop", RUN=run)
    assert world.alive() == [], said
    # where ECS shows no task of the latest attempt, it says so, and that none will follow
    assert (status, "no other attempt will be made" in said) == (
        (0, False) if sent else (1, True)
    ), said
    account.frozen = False
    for command in ("status", "attach", "logs"):
        laptop.call(command, RUN=run, RETRIES="1")
        assert len(world.tasks) == tasks, command
    assert world.most <= 1


def check_pursued(laptop: Laptop, account: Account, fates: tuple) -> None:
    """``attach`` goes on to the end that the run would have had."""
    run, world = account.record()["run"], account.world
    status, said = laptop.call("attach", RUN=run, RETRIES="1")
    assert status == 0, said
    names = [each["startedBy"] for each in world.tasks]
    assert names == [f"{run}-{number}" for number, _ in enumerate(fates, 1)], said
    assert (world.most, world.alive()) == (1, [])
    assert "state      Succeeded" in laptop.call("status", RUN=run)[1]


def check_logs(laptop: Laptop, account: Account) -> None:
    """``logs`` shows the log of a task that there is, and starts none."""
    run, world = account.record()["run"], account.world
    names = [each["startedBy"] for each in world.tasks]
    _, said = laptop.call("logs", RUN=run)
    assert ("a line" in said) == bool(names), said
    assert [each["startedBy"] for each in world.tasks] == names
    assert world.alive() == []


@pytest.mark.parametrize(
    ("retries", "fates", "least"),
    [("", ("success",), 40), ("1", ("spot", "success"), 60)],
    ids=["once", "retries"],
)
def test_a_run_killed_at_any_call_is_found_followed_and_stopped(laptop, retries, fates, least):
    points, seen, tasks = 0, set(), 0
    while account := killed_at(laptop, points + 1, fates, retries):
        points += 1
        tasks += len(account.world.tasks)
        assert account.record() or account.world.tasks == [], account.where
        if not account.record() or (left := account.left()) in seen:
            continue  # the same is there as after an earlier point, whose commands would say the same
        seen.add(left)
        saved = account.save()
        check_found_and_stopped(laptop, account)
        account.restore(saved)
        check_pursued(laptop, account, fates)
        account.restore(saved)
        check_logs(laptop, account)
    assert points >= least
    print(f"{points} points, {tasks} tasks, {len(seen)} different things that they leave")


def test_a_cli_that_outlives_its_follower_and_asks_late_is_found_and_stopped(laptop):
    """kill -9 of the program alone: its AWS CLI goes on, and a first look sees no task yet."""
    account = laptop.server.account = Account("endless")
    account.victim, account.late = laptop.victim, threading.Event()
    assert laptop.call("run")[0] == -signal.SIGKILL
    assert account.world.tasks == []
    run = account.record()["run"]
    assert "ECS shows no task of it (yet)" in laptop.call("status")[1]
    status, said = laptop.call("stop")
    assert (status, f"In a minute: make stop RUN={run}" in said) == (1, True), said
    account.late.set()
    deadline = time.monotonic() + 30
    while not account.world.tasks and time.monotonic() < deadline:
        time.sleep(0.01)
    account.late = None
    account.frozen = True
    assert "state      Running" in laptop.call("status")[1]
    assert laptop.call("stop")[0] == 0
    assert account.world.alive() == []


@pytest.mark.parametrize("where", ["before RunTask", "after RunTask"])
def test_the_program_by_its_own_name_and_the_real_cli(laptop, where):
    """The same without anything that makes it quick: `python -m ecs`, the AWS CLI, and their own sleep."""
    if not (aws := shutil.which("aws")):
        lacking("no AWS CLI on this machine")
    account = laptop.server.account = Account("endless")
    account.dies = lambda number, here: here == where
    environment = laptop.environment | {"AWS": aws}
    words = [sys.executable, "-m", "ecs"]
    follower = subprocess.Popen(
        [*words, "run"], cwd=laptop.folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=(laptop.folder / "said").open("w"),
    )  # fmt: skip
    account.victim = lambda: follower.pid
    assert follower.wait(120) == -signal.SIGKILL, (laptop.folder / "said").read_text()
    assert len(account.world.tasks) == (where == "after RunTask")
    done = call(*words, "stop", cwd=laptop.folder, env=environment)
    assert account.world.alive() == []
    assert done.returncode == (0 if account.world.tasks else 1), done.stderr
