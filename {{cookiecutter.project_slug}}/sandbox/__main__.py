"""``python -m sandbox start|stop``: ministack on loopback, its state under .sandbox/."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HOME = Path(".sandbox")
VENV = HOME / "venv"
MAKE_FILE = HOME / "aws.mk"
PID_FILE = HOME / "pid"
PORT_FILE = HOME / "port"
LOG_FILE = HOME / "ministack.log"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
START_LIMIT = 60.0  # seconds
LOOPBACK_HOSTS = "localhost,127.0.0.1"  # which no proxy reaches
# variables of AWS's that hold in the sandbox too: the Makefile's own, and who a GitHub workflow is
KEPT = (
    "AWS_REGION AWS_DEFAULT_REGION AWS_PAGER AWS_CLI_AUTO_PROMPT AWS_DEFAULT_OUTPUT "
    "AWS_ROLE_ARN AWS_ROLE_SESSION_NAME AWS_WEB_IDENTITY_TOKEN_FILE"
)


class SandboxError(Exception):
    """One sentence for the user."""


def port_is_free(port: int) -> bool:
    """Tell whether nothing listens on this port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def choose_port() -> int:
    """Return last time's port if it is free (image names contain it), else any free one."""
    if PORT_FILE.is_file() and port_is_free(last := int(PORT_FILE.read_text())):
        return last
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    """Tell whether the emulator answers on ``port``."""
    # no proxy: this is loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/_ministack/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def process_id() -> int | None:
    """Return the emulator's process id if that process lives."""
    try:
        pid = int(PID_FILE.read_text())
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    return pid


def lives() -> bool:
    """Tell whether the emulator's environment still has its Python and the emulator."""
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('ministack') is None)"
    try:
        return subprocess.run([VENV / "bin/python", "-Ic", look], check=False).returncode == 0
    except OSError:
        return False


def install() -> None:
    """Put the emulator, as locked, into its own environment."""
    marker = VENV / "installed"
    if marker.is_file() and marker.stat().st_mtime >= REQUIREMENTS.stat().st_mtime and lives():
        return
    print("installing the emulator into .sandbox/venv", file=sys.stderr)
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run(
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)], check=True
    )
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", str(VENV / "bin/python"), "--require-hashes",
         "-r", str(REQUIREMENTS)],
        check=True,
    )  # fmt: skip
    marker.touch()


def environment(port: int) -> dict[str, str]:
    """Return the emulator's environment: loopback only, all state under .sandbox/."""
    state = HOME.resolve()
    # A real account's credentials and endpoints are none of the emulator's business.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": os.environ.get("REGION", "us-east-1"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "TMPDIR": str(state / "tmp"),
    }


def make_file(port: int) -> str:
    """Return what aims the AWS CLI and boto3 at the emulator, for the Makefile.

    Nothing that the user has set for AWS, in the environment, in .env or in ~/.aws, has a say in it: an
    endpoint, a profile, FIPS, or that endpoints are to be ignored. ``override`` is for `make -e`.
    """
    values = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        # whichever of the two a program reads
        "NO_PROXY": LOOPBACK_HOSTS,
        "no_proxy": LOOPBACK_HOSTS,
    }
    lines = [f"override {name} := {value}\nexport {name}\n" for name, value in values.items()]
    return f"unexport $(filter-out {KEPT},$(filter AWS_%,$(.VARIABLES)))\n{''.join(lines)}"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep a second `make sandbox` or `make sandbox-stop` of this folder waiting meanwhile."""
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start() -> None:
    """Start the emulator unless it runs, and write how to reach it for the Makefile."""
    if process_id() and PORT_FILE.is_file() and answers(int(PORT_FILE.read_text())):
        print(f"sandbox: running on port {PORT_FILE.read_text()}", file=sys.stderr)
        return
    install()
    (HOME / "tmp").mkdir(exist_ok=True)
    port = choose_port()
    with LOG_FILE.open("a") as log:
        process = subprocess.Popen(
            [str(VENV / "bin/python"), "-m", "ministack"],
            env=environment(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    PID_FILE.write_text(str(process.pid))
    PORT_FILE.write_text(str(port))
    deadline = time.monotonic() + START_LIMIT
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SandboxError(f"the emulator did not start; its log: {LOG_FILE}")
        time.sleep(0.1)
    # the port is part of the repository's name, which is read anew
    (HOME / "stack.json").unlink(missing_ok=True)
    partial = MAKE_FILE.with_suffix(".partial")
    partial.write_text(make_file(port))
    partial.replace(MAKE_FILE)  # Make reads it whole or not at all
    print(f"sandbox: AWS on port {port} of this machine; log: {LOG_FILE}", file=sys.stderr)


def stop() -> None:
    """Stop the emulator. What it holds stays under .sandbox/."""
    MAKE_FILE.unlink(missing_ok=True)
    pid = process_id()
    if pid is None:
        print("sandbox: not running", file=sys.stderr)
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while process_id() and time.monotonic() < deadline:
        time.sleep(0.1)
    if process_id():
        os.kill(pid, signal.SIGKILL)
    PID_FILE.unlink(missing_ok=True)
    print("sandbox: stopped", file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Run ``start`` or ``stop`` and return the exit status."""
    commands = {"start": start, "stop": stop}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("usage: python -m sandbox start|stop", file=sys.stderr)
        return 2
    try:
        with alone():
            commands[arguments[0]]()
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: {error.cmd[0]} failed, its message is above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
