"""What the launcher costs: bringing and saving files beside the AWS CLI, its memory, its time at the start.

    python benchmarks/transfers.py [transfers|launcher]

Both ways move the same files to and from the same emulator in one run, each in a process of its own, one after
the other. Ours also takes the sha256 of each file, which the CLI does not. The ratio is our time by the CLI's.
By the environment: FILES (how many small ones), LARGE_MB (size of the large one), TIMES, and PROJECT, a generated
project that has its packages and whose sandbox runs; without it one is made in .cache/transfers. With IMAGE, the
name of a project's image, the launcher's memory and time are measured in it; else on this machine.
The sandbox's emulator reads a whole object for each part of it that is asked for, which is slow with gigabytes.
The large file goes to and from SERVER where that names another server that speaks S3, and the AWS_ variables
are those that it takes. As in

    npx s3rver@3.7.1 --directory FOLDER --address 127.0.0.1 --port 4568 --silent
    export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
    PROJECT=… SERVER=http://127.0.0.1:4568 FILES=10000 LARGE_MB=3000 TIMES=3 python benchmarks/transfers.py transfers
"""

import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trainings import ROOT, generate

HOME = ROOT / ".cache/transfers"
FILES = int(os.environ.get("FILES") or 500)
LARGE_MB = int(os.environ.get("LARGE_MB") or 100)
TIMES = int(os.environ.get("TIMES") or 1)
IMAGE = os.environ.get("IMAGE", "")
DOCKER = os.environ.get("DOCKER") or "docker"
SMALL_BYTES = 2000
BUCKET = "s3://transfers"
SERVER = os.environ.get("SERVER", "")

# What the launcher does to bring the data, and to save what the script wrote.
STAGE = """
import sys
from job.transfer import Transfer
channels = {"t": {"uri": sys.argv[1]}}
answer = Transfer({"do": "stage", "work": sys.argv[2], "channels": channels, "checkpoints": None}).result()
print(len(answer["channels"]["t"]["files"]))
"""
PUBLISH = """
import sys
from pathlib import Path
from job import publish
folder = Path(sys.argv[1])
print(len(publish.publish(sys.argv[2], dict(publish.walk(folder)))))
"""

# A script that tells how long the launcher took until it began, and then writes a checkpoint that takes a while to save.
SCRIPT = """
import os, sys, time
from pathlib import Path
fields = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
up = float(Path("/proc/uptime").read_text().split()[0])
print("begun", up - int(fields[19]) / os.sysconf("SC_CLK_TCK"), flush=True)
time.sleep(3)
print("idle", flush=True)
time.sleep(1)
folder = os.environ["CHECKPOINT_DIR"]
block = os.urandom(1 << 20)
with open(folder + "/.part", "wb") as file:
    for _ in range(int(sys.argv[1])):
        file.write(block)
os.rename(folder + "/.part", folder + "/1.model")
print("checkpoint", flush=True)
time.sleep(float(sys.argv[2]))
"""

# Prints each second the resident memory in MB of the launcher and its helpers, without the script.
WATCH = """
import os, sys, time
from pathlib import Path
def resident(pid):
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Rss"].split()[0]) / 1024, int(fields["Pss"].split()[0]) / 1024
def words(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\\0")
while True:
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if words(pid)[1:3] in ([b"-m", b"job"], [b"-m", b"job.transfer"]):
                found.append(resident(pid))
        except (OSError, KeyError, IndexError):
            continue
    if found:
        rss, pss = map(sum, zip(*found))
        print(len(found), round(rss, 1), round(pss, 1), flush=True)
    time.sleep(0.1)
"""


def sandbox() -> tuple[Path, dict[str, str]]:
    """Return a project with a running emulator, and the environment that leads there."""
    given = os.environ.get("PROJECT")
    folder = Path(given) if given else generate("xgboost", HOME)
    if not given:
        subprocess.run(["make", "sandbox"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    text = (folder / ".sandbox/aws.mk").read_text()
    told = dict(re.findall(r"^export (\w+) := (.*)$", text, re.MULTILINE))
    return folder, os.environ | told | {"AWS_DEFAULT_REGION": "us-east-1"}


def files() -> dict[str, Path]:
    """Return folders with many small files and with one large one."""
    small, large = HOME / "small", HOME / "large"
    for folder in small, large:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for number in range(FILES):
        path = small / f"{number % 100:02}" / f"{number}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(SMALL_BYTES))
    with (large / "large.bin").open("wb") as file:
        for _ in range(LARGE_MB):
            file.write(os.urandom(1 << 20))
    return {
        f"{FILES:,} files of {SMALL_BYTES:,} bytes": small,
        f"one file of {LARGE_MB:,} MB": large,
    }


class Cost(NamedTuple):
    """What a command takes: seconds, those of processors, and the most memory of one of its processes, in MB."""

    seconds: float
    processors: float
    memory: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.processors:.1f} s of processors, {self.memory:.0f} MB)"


def cost(command: list, env: dict[str, str]) -> Cost:
    """Return what a command takes, which must succeed."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [str(word) for word in command], env=env, stdout=said, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.monotonic() - began
        if process.returncode:
            said.seek(0)
            sys.exit(f"{command}: {said.read()[-2000:]}")
    return Cost(took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def beside(name: str, ours: Callable[[], Cost], theirs: Callable[[], Cost]) -> None:
    """Print what ours takes, and the ratio of the times."""
    pairs = []
    for number in range(TIMES):
        first, second = (ours, theirs) if number % 2 else (theirs, ours)
        found = first(), second()
        pairs.append(found if number % 2 else found[::-1])
    one, other = (
        Cost(*map(statistics.median, zip(*each, strict=True))) for each in zip(*pairs, strict=True)
    )
    ratio = statistics.median(mine.seconds / cli.seconds for mine, cli in pairs)
    print(f"{name}: {one}, the AWS CLI {other}: {ratio:.2f} of its time", flush=True)


def transfers(project: Path, env: dict[str, str]) -> None:
    """Compare both directions, many small files and a large one."""
    python, aws = project / ".venv/bin/python", project / ".venv/bin/aws"
    emulator = env | {"PYTHONPATH": str(project)}
    own = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    server = emulator | own | {"AWS_ENDPOINT_URL": SERVER} if SERVER else emulator
    try:
        for name, folder in files().items():
            env = emulator if folder.name == "small" else server
            subprocess.run([aws, "s3", "mb", BUCKET], env=env, check=False, capture_output=True)
            ours, theirs = f"{BUCKET}/ours/{folder.name}/", f"{BUCKET}/cli/{folder.name}/"
            # `sync` of one file is `cp`, and one file of a folder is what the launcher has too;
            # it leaves out what is there already
            many = folder.name == "small"
            verb = ["s3", "sync"] if many else ["s3", "cp", "--recursive"]
            places = (f"{theirs}{number * many}/" for number in itertools.count())

            def save(code=PUBLISH, source=folder, target=ours, env=env) -> Cost:
                return cost([python, "-c", code, source, target], env)

            def save_by_cli(verb=verb, source=folder, places=places, env=env) -> Cost:
                return cost([aws, *verb, "--only-show-errors", source, next(places)], env)

            def bring(source=ours, target=HOME / "ours", env=env) -> Cost:
                subprocess.run(["chmod", "-R", "u+w", target], check=False, capture_output=True)
                shutil.rmtree(target, ignore_errors=True)
                return cost([python, "-c", STAGE, source, target], env)

            def bring_by_cli(verb=verb, source=f"{theirs}0/", target=HOME / "cli", env=env) -> Cost:
                shutil.rmtree(target, ignore_errors=True)
                return cost([aws, *verb, "--only-show-errors", source, target], env)

            beside(f"{name} saved", save, save_by_cli)
            beside(f"{name} brought", bring, bring_by_cli)
            if not many:  # the small ones take longer to delete than to save
                clear(aws, ours, env)
                clear(aws, theirs, env)
    finally:
        for name in "small", "large", "ours", "cli":
            subprocess.run(["chmod", "-R", "u+w", HOME / name], check=False, capture_output=True)
            shutil.rmtree(HOME / name, ignore_errors=True)


def clear(aws: Path, address: str, env: dict[str, str]) -> None:
    """Delete what is at ``address``."""
    subprocess.run([aws, "s3", "rm", "--recursive", "--quiet", address], env=env, check=False)


def launcher(project: Path, env: dict[str, str]) -> None:
    """Print the launcher's memory while the script runs, and its time before it."""
    folder = HOME / "launcher"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(project / "job", folder / "job")
    (folder / "long.py").write_text(SCRIPT)
    env = env | {"RUN_ID": "bench", "RUN_URI": f"{BUCKET}/bench/"}
    aws = project / ".venv/bin/aws"
    subprocess.run([aws, "s3", "mb", BUCKET], env=env, check=False, capture_output=True)
    words = ["long.py", LARGE_MB, 6 + LARGE_MB / 100]
    if IMAGE:
        told = [
            word for name in env if name.startswith(("RUN_", "AWS_")) for word in ("--env", name)
        ]
        command = [
            DOCKER, "run", "--rm", "--init", "--network", "host", *told,
            "--volume", f"{folder}/long.py:/app/long.py:ro", "--name", "bench-launcher", IMAGE, *words,
        ]  # fmt: skip
        watch = [DOCKER, "exec", "bench-launcher", "python", "-c", WATCH]
    else:
        command = [project / ".venv/bin/python", "-m", "job", *words]
        watch = [sys.executable, "-c", WATCH]
    process = subprocess.Popen(
        list(map(str, command)), cwd=folder, env=env, stdout=subprocess.PIPE, text=True
    )
    phases: dict[str, list[tuple[float, float, float]]] = {"idle": [], "saving": []}
    watcher = None
    started = 0.0
    for line in process.stdout:
        if line.startswith("begun"):
            started = float(line.split()[1])
            watcher = subprocess.Popen(watch, stdout=subprocess.PIPE, text=True)
    process.wait()
    if process.returncode:
        sys.exit(f"the launcher ended with {process.returncode}")
    if not IMAGE:
        watcher.terminate()
    for line in watcher.stdout:
        processes, rss, pss = map(float, line.split())
        phases["saving" if processes > 1 else "idle"].append((rss, pss, processes))
    where = f"in the image {IMAGE}" if IMAGE else "on this machine"
    print(f"the launcher, {where}: the script begins after {started:.2f} s")
    for phase, found in phases.items():
        if found:
            rss, pss, processes = max(found)
            print(
                f"  its memory while {phase}: {rss:.0f} MB resident, {pss:.0f} MB without what is shared"
                f" ({processes:.0f} processes)"
            )


def main() -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    project, env = sandbox()
    wanted = sys.argv[1:] or ["transfers", "launcher"]
    try:
        if "transfers" in wanted:
            transfers(project, env)
        if "launcher" in wanted:
            launcher(project, env)
    finally:
        if not os.environ.get("PROJECT"):
            subprocess.run(["make", "sandbox-stop"], cwd=project, check=True)


if __name__ == "__main__":
    main()
