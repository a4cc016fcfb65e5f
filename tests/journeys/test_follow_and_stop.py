"""Follow a run, detach with Ctrl-C, attach again, stop it; the log arrives whole through faults too."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import BIN
from user import ONE_FRAMEWORK, PROGRAM, Project, program_environment

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]

# In front of the emulator: of ten calls about three go wrong, each in another way.
FAULTS = [
    # the task is started, and its answer is lost on the way
    {"service": "ecs", "operation": "RunTask", "times": 1, "response": {"abort_frac": 0.3}},
    {"service": "ecs", "operation": "RunTask", "times": 1, "response": {"abort_frac": 0.0}},
    {
        "service": "*",
        "sequence": {"fail": 1, "pass": 10},
        "error": {"code": "ThrottlingException", "message": "Rate exceeded", "status": 400},
    },
    {
        "service": "*",
        "sequence": {"fail": 1, "pass": 11},
        "error": {"code": "InternalFailure", "message": "an error inside", "status": 500},
    },
    {"service": "*", "sequence": {"fail": 1, "pass": 13}, "reset": True},
    {"service": "logs", "sequence": {"fail": 1, "pass": 14}, "response": {"abort_frac": 0.5}},
    {"service": "*", "sequence": {"fail": 1, "pass": 28}, "timeout_ms": 12000},
]


@pytest.mark.parametrize(
    ("signals", "status", "state"),
    [
        ([signal.SIGINT], 130, "Running"),
        ([signal.SIGINT, signal.SIGINT], 130, "Failed"),
        ([signal.SIGTERM], 143, "Failed"),
    ],
    ids=["ctrl-c", "ctrl-c twice", "sigterm"],
)
def test_a_signal_to_the_follower_leaves_the_run_alone_or_stops_it(project, signals, status, state):
    follower = subprocess.Popen(
        PROGRAM,
        cwd=project.folder,
        env=project.environ | program_environment(project) | {"SCRIPT": "endless.py"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with follower:
        for line in follower.stdout:
            if line.startswith("second 1"):
                break
        said = ""
        for place, number in enumerate(signals):
            follower.send_signal(number)
            if place < len(signals) - 1:
                for line in follower.stderr:  # a second Ctrl-C is for who has read this
                    said += line
                    if line.startswith("Ctrl-C again now"):
                        break
        said += follower.communicate()[1]
    assert follower.returncode == status, said
    run = re.search(r"^run (\S+), task", said, re.MULTILINE)
    run = run[1] if run else project.latest()
    assert f"{state}" in project.make("status", RUN=run).stdout
    if state == "Running":
        assert f"make SANDBOX=1 attach RUN={run}" in said
        project.make("stop", RUN=run)
        # attaching ends as the run itself would have
        assert f"run {run} failed: " in project.make("attach", RUN=run, status=2).stderr


class Terminal:
    """A user's shell in a pseudo-terminal: what is typed goes in, what is shown comes out."""

    PROMPT = "READY> "

    def __init__(self, project: Project) -> None:
        self.master, slave = pty.openpty()
        self.shown = ""
        self.shell = subprocess.Popen(
            ["setsid", "--ctty", "bash", "--norc", "--noprofile", "-i"],
            cwd=project.folder,
            env=project.environ | {"PS1": self.PROMPT, "TERM": "dumb"},
            stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        os.close(slave)
        self.until(self.PROMPT)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, pattern: str, limit: float = 120.0) -> re.Match:
        """Return the first match in what is shown from here on, which is forgotten up to it."""
        deadline = time.monotonic() + limit
        while not (found := re.search(pattern, self.shown)):
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{pattern!r} did not come:\n{self.shown[-4000:]}"
            self.shown += os.read(self.master, 65536).decode(errors="replace")
        self.shown = self.shown[found.end() :]
        return found

    def child(self) -> int:
        """Return the id of the process that runs in front."""
        told = subprocess.run(
            ["pgrep", "-P", str(self.shell.pid)], check=True, capture_output=True, text=True
        )
        return int(told.stdout)

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self.master)


@pytest.fixture
def terminal(project) -> Iterator[Terminal]:
    made = Terminal(project)
    yield made
    made.close()


def typed_status(terminal: Terminal) -> int:
    """Wait for the prompt and ask the shell for the status of the last command."""
    terminal.until(Terminal.PROMPT)
    terminal.type("echo status $?\n")
    return int(terminal.until(r"\nstatus (\d+)")[1])


def test_ctrl_c_at_make_run_detaches_and_the_run_can_be_attached_again(project, terminal):
    terminal.type("make run SCRIPT=endless.py\n")
    run = terminal.until(r"run (\S+), task")[1]
    terminal.until("second 1\r")
    terminal.type("\x03")
    terminal.until(f"detached; run {run} goes on. To follow it: make SANDBOX=1 attach RUN={run}")
    assert typed_status(terminal) != 0
    assert "Running" in project.make("status", RUN=run).stdout
    terminal.type(f"make attach RUN={run}\n")
    terminal.until("second 1\r")  # from the first line again
    terminal.type("\x03")
    terminal.until("Ctrl-C again now")
    terminal.type("\x03")
    terminal.until(f"run {run} is stopping")
    assert re.search(r"^state +Failed", project.make("status", RUN=run).stdout, re.MULTILINE)


def test_two_quick_ctrl_c_at_make_run_stop_the_task_with_a_reason(project, terminal):
    terminal.type("make run SCRIPT=endless.py\n")
    run = terminal.until(r"run (\S+), task")[1]
    terminal.until("second 1\r")
    terminal.type("\x03")
    time.sleep(0.2)  # two signals at the same moment are one
    terminal.type("\x03")
    terminal.until(f"run {run} is stopping")
    shown = project.make("status", RUN=run).stdout
    assert re.search(r"^state +Failed", shown, re.MULTILINE)
    assert "Ctrl-C in make SANDBOX=1 run" in shown


def test_sigterm_at_make_run_stops_the_task(project, terminal):
    terminal.type("make run SCRIPT=endless.py\n")
    run = terminal.until(r"run (\S+), task")[1]
    terminal.until("second 1\r")
    os.kill(terminal.child(), signal.SIGTERM)  # Make hands it on
    terminal.until(f"run {run} is stopping")
    assert typed_status(terminal) != 0
    assert "SIGTERM in make SANDBOX=1 run" in project.make("status", RUN=run).stdout


def test_a_long_log_arrives_whole_and_in_order_to_the_line_before_the_exit(project):
    done = project.make("run", SCRIPT="lines.py", ARGS="50000 0")
    lines = [line for line in done.stdout.splitlines() if line.startswith("line ")]
    assert lines == [f"line {number} of 50000" for number in range(1, 50001)]
    assert "no end mark" not in done.stderr
    assert project.make("logs").stdout == done.stdout


@contextmanager
def faults_before(project: Project) -> Iterator[str]:
    """Start a proxy that spoils calls to the project's emulator; give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = project.folder.parent / "faults.json"  # JSON is YAML
    config.write_text(json.dumps({"rules": FAULTS}))
    emulator = project.run(["cat", ".sandbox/port"]).stdout
    proxy = subprocess.Popen(
        [BIN / "microburst", "--upstream", f"http://127.0.0.1:{emulator}", "--port", str(port),
         "--config", str(config)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                ask(url, "health")
                break
            except OSError:
                assert proxy.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        proxy.terminate()
        proxy.wait()


def ask(url: str, what: str) -> object:
    """Return what the proxy tells of itself."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/_microburst/{what}", timeout=5) as answer:
        return json.load(answer)


@ONE_FRAMEWORK
def test_a_run_followed_through_faults_is_judged_right_and_each_line_comes_once(project):
    ecs = project.client("ecs")
    with faults_before(project) as url:
        environ = program_environment(project) | {"AWS_ENDPOINT_URL": url}
        done = project.run(
            PROGRAM, 0, SCRIPT="lines.py", ARGS="300 0.1", DATA="data/train.csv", **environ
        )
        fired, stats = ask(url, "fired"), ask(url, "stats")
    lines = [line for line in done.stdout.splitlines() if line.startswith("line ")]
    assert lines == [f"line {number} of 300" for number in range(1, 301)]
    assert "succeeded" in done.stderr
    assert "no end mark" not in done.stderr
    run = re.search(r"^run (\S+), task", done.stderr, re.MULTILINE)[1]
    # one task, though the answer to RunTask never came
    tasks = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(
            cluster="churn-model", startedBy=f"{run}-1", desiredStatus=status
        )["taskArns"]
    ]
    assert len(tasks) == 1, done.stderr
    assert "the attempt's task is there already" in done.stderr
    kinds = Counter(each["action"].partition(":")[0] for each in fired)
    share = stats["requests"]["faulted"] / stats["requests"]["total"]
    print(f"\n{share:.0%} of {stats['requests']['total']} calls failed: {dict(kinds)}")
    assert 0.2 < share < 0.35
    assert len(kinds) >= 4, kinds


def test_a_detached_run_is_watched_and_stopped(project):
    project.make("run", SCRIPT="endless.py", DETACH="1")
    run = project.latest()
    assert re.search(
        r"^state +(Running|Pending|Activating|Provisioning)",
        project.make("status").stdout,
        re.MULTILINE,
    )
    project.make("stop", RUN=run[:18])
    done = project.make("logs", RUN=run, status=2)
    assert f"run {run} failed: " in done.stderr
    assert "make SANDBOX=1 stop" in done.stderr
    assert re.search(rf"{run}.*Failed", project.make("runs").stdout)
