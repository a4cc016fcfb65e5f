"""One attempt at one run: its name, where it works, and the folders that a script may rely on."""

import itertools
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from job import contract, machine, scripts, stage
from job.errors import UserError, fault

ROOT = Path(__file__).resolve().parent.parent  # the project; in the image /app
SCRATCH = Path("/scratch")  # of the image; nowhere else does it count
# what AWS Batch sets: the attempt, from 1; the place of a run in its sweep, from 0 ("Job environment variables")
BATCH_ATTEMPT, BATCH_INDEX = "AWS_BATCH_JOB_ATTEMPT", "AWS_BATCH_JOB_ARRAY_INDEX"
LINKS = ("model", "output", "input", "checkpoints")  # of /opt/ml, to the working folder


@dataclass
class Job:
    """One attempt at one run."""

    words: list[str]  # script and arguments
    environ: Mapping[str, str]
    base: str  # where the results go, with a last slash
    work: Path
    scratch: Path  # for files of the launcher's own
    attempt: int = 1
    staged: dict = field(default_factory=dict)
    checkpoints: list[str] = field(default_factory=list)
    started: str = field(default_factory=machine.now)

    @property
    def run(self) -> str:
        """The run's id."""
        return self.environ.get(contract.RUN_ID) or Path(self.base).name

    @property
    def stop_seconds(self) -> float:
        """Seconds between SIGTERM and SIGKILL."""
        text = self.environ.get(contract.STOP_SECONDS, "")
        return float(text) if text.isdecimal() else 10.0


def of_sweep(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment of one run of a sweep, whose files lie below the sweep's; any other's as it is."""
    index = environ.get(BATCH_INDEX)
    if not index or not environ.get(contract.RUN_URI):
        return environ
    own = {
        contract.RUN_ID: f"{environ.get(contract.RUN_ID)}/{index}",
        contract.RUN_URI: f"{environ[contract.RUN_URI]}{index}/",
    }
    return {**environ, **own}


def in_image() -> bool:
    """Tell whether this is the image, and not a laptop."""
    return Path("/app") == ROOT and SCRATCH.is_dir()


def plan(words: list[str], environ: Mapping[str, str]) -> Job:
    """Return the job that the environment asks for; all that this makes is a new run's folder."""
    base = environ.get(contract.RUN_URI, "")
    attempt = environ.get(BATCH_ATTEMPT) or environ.get(contract.ATTEMPT) or "1"
    if not attempt.isdecimal() or not int(attempt):
        raise UserError(f"{contract.ATTEMPT}={attempt!r}: a whole number from 1 on")
    if not base:
        # `make local` mounts runs/; without it nothing but scratch can be written in the image
        home = SCRATCH if in_image() and not os.access(ROOT / "runs", os.W_OK) else ROOT
        if run := environ.get(contract.RUN_ID):
            if "/" in run or fault(run):
                raise UserError(f"{contract.RUN_ID}={run!a}: the name of a folder was expected")
            if attempt == "1" and (home / "runs" / run).is_dir():
                attempt = str(last_attempt(home / "runs" / run) + 1)
        else:
            run = new_run(home / "runs")
        base = f"{home}/runs/{run}/"
    elif "://" not in base:
        base = f"{Path(base).absolute()}/"
    home = (
        SCRATCH if in_image()
        else ROOT / "runs" / Path(base).name if "://" in base
        else Path(base)
    )  # fmt: skip
    return Job(words, environ, base, home / "work", home / ".job", int(attempt))


def fill(job: Job) -> None:
    """Make the working folder, with the scripts and the folders that they may rely on."""
    remove(job.work, job.scratch)
    try:
        job.scratch.mkdir(parents=True)
        job.work.mkdir()
        scripts.copy(ROOT, job.work)
        for name in ("model", "output/data", "input/data", "checkpoints"):
            (job.work / name).mkdir(parents=True, exist_ok=True)
        if in_image():
            folders(job.work)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from error


def remove(*folders: Path) -> None:
    """Remove folders, if they are there, whatever their permissions."""
    for folder in folders:
        stage.unprotect(folder)
        shutil.rmtree(folder, ignore_errors=True)


def new_run(runs: Path) -> str:
    """Make the folder of a new run below ``runs`` and return its name, the time in UTC."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for number in itertools.count(1):
        run = name if number == 1 else f"{name}-{number}"
        try:
            (runs / run).mkdir(parents=True)  # of two at once, only one succeeds
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}") from error
        return run


def last_attempt(folder: Path) -> int:
    """Return how many attempts a run on this machine has had, as far as its folder tells."""
    try:
        return int(json.loads((folder / contract.MANIFEST).read_text())["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return 1


def folders(work: Path) -> None:
    """Make what /tmp and /opt/ml lead to."""
    (SCRATCH / "tmp").mkdir(mode=0o1777, exist_ok=True)
    tree = SCRATCH / "ml"
    tree.mkdir(exist_ok=True)
    for name in LINKS:
        link = tree / name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(work / name)
