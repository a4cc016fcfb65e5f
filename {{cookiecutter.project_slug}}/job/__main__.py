"""The launcher: ``python -m job SCRIPT ARGUMENTS``. In a container on ECS, and for `make train` on the laptop.

It brings the data, starts the script in a folder of its own, passes signals on, saves what the script wrote,
and ends as it ended. What the script does it never knows.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from job import attempt, contract, machine, publish, sagemaker, scripts, stage
from job.errors import PassingError, UserError, fault, say, without_secrets
from job.process import Child, Stopped, Told, reported
from job.transfer import Transfer

USAGE = "usage: python -m job SCRIPT [ARGUMENTS]"
NOTHING_SAVED = "warning: the script saved nothing: what it writes in its working folder, or to SM_MODEL_DIR, comes back"


def command(words: Sequence[str], work: Path) -> list[str]:
    """Return the command that starts a script: Python, a module of the project's, or what its first line says."""
    script, *arguments = words
    path, module = work / script, work / script.replace(".", "/")
    is_name = not fault(os.path.normpath(script))
    if not is_name or not path.is_file():
        dotted = is_name and all(part.isidentifier() for part in script.split("."))
        if dotted and (module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()):
            return [sys.executable, "-m", script, *arguments]
        raise UserError(
            f"there is no script {script!r} among the project's files; if it is there, .dockerignore keeps "
            f"it out; add a line !{script} at its end"
        )
    with path.open("rb") as file:
        shebang = file.read(2) == b"#!"
    if script.endswith(".py") or not shebang:
        return [sys.executable, script, *arguments]
    path.chmod(path.stat().st_mode | 0o700)
    return [f"./{script}", *arguments]


def environment(job: attempt.Job) -> dict[str, str]:
    """Return the script's environment: what runs in SageMaker's containers finds the same names here."""
    work, words = job.work, job.words[1:]
    python_path = [str(work), str(attempt.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    home = str(attempt.SCRATCH) if attempt.in_image() else os.environ.get("HOME", str(work))
    return {
        **job.environ,
        **{f"SM_CHANNEL_{name.upper()}": f"{work}/input/data/{name}" for name in job.staged},
        "SM_CHANNELS": json.dumps(sorted(job.staged)),
        "SM_MODEL_DIR": f"{work}/model",
        "SM_OUTPUT_DATA_DIR": f"{work}/output/data",
        "SM_INPUT_DIR": f"{work}/input",
        "SM_USER_ARGS": json.dumps(words),
        "SM_HPS": json.dumps(hyperparameters(words)),
        "SM_NUM_CPUS": str(machine.processors()),
        "SM_NUM_GPUS": str(machine.gpus()),
        **machine.memory(),
        "SM_CURRENT_HOST": "algo-1",
        "SM_HOSTS": '["algo-1"]',
        "CHECKPOINT_DIR": f"{work}/checkpoints",
        "RUN_FOLDER": str(work),
        contract.RUN_ID: job.run,
        contract.ATTEMPT: str(job.attempt),
        "PYTHONPATH": os.pathsep.join(python_path),
        "PYTHONUNBUFFERED": "1",
        "HOME": home,
        "USER": job.environ.get("USER") or "train",
        "LOGNAME": job.environ.get("LOGNAME") or "train",
        "TMPDIR": str(attempt.SCRATCH / "tmp") if attempt.in_image() else tempfile.gettempdir(),
    }


def hyperparameters(words: Sequence[str]) -> dict[str, object]:
    """Return ``--name value`` words as SageMaker's SM_HPS has them; values are read as JSON where they are."""
    found: dict[str, object] = {}
    pending = None
    for word in words:
        if word.startswith("--"):
            pending, equals, value = word[2:].partition("=")
            found[pending] = literal(value) if equals else True
        elif pending:
            found[pending], pending = literal(word), None
    return found


def literal(text: str) -> object:
    """Return the JSON value that ``text`` is, or ``text``; NaN and Infinity are none."""
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def all_words(words: list[str], environ: Mapping[str, str]) -> list[str]:
    """Return script and arguments; arguments that were too long for ECS, and those of a sweep's runs, are in a file."""
    uri = environ.get(contract.ARGV_URI)
    if not uri:
        return words
    more = literal(Transfer({"do": "read", "uri": uri}).result()["text"] or "")
    if index := environ.get(attempt.BATCH_INDEX):
        more = dict(enumerate(more)).get(int(index)) if isinstance(more, list) else None
    if not isinstance(more, list) or not all(isinstance(word, str) for word in more):
        raise UserError(f"{contract.ARGV_URI}={uri}: this is not a list of words")
    return [words[0], *more, *words[1:]]


def bring(job: attempt.Job, channels: Mapping[str, Mapping[str, str]]) -> None:
    """Bring the data, and the checkpoints of an earlier attempt."""
    earlier = job.base + contract.CHECKPOINTS if job.attempt > 1 else None
    request = {"do": "stage", "work": str(job.work), "channels": channels, "checkpoints": earlier}
    answer = Transfer(request).result()
    job.staged, job.checkpoints = answer["channels"], answer["checkpoints"]
    if job.attempt > 1:
        say(f"-- attempt {job.attempt}: {len(job.checkpoints)} checkpoint files are back")


def run(job: attempt.Job, told: Told) -> int:
    """Start the script, save its checkpoints meanwhile and its files afterwards; return the exit status."""
    line, environ = command(job.words, job.work), environment(job)
    before = publish.snapshot(job.work)
    staged = [f"{name}/{file}" for name, each in job.staged.items() for file in each["files"]]
    inputs = {name: publish.stamp((job.work / "input/data" / name).resolve()) for name in staged}
    mirror = publish.Mirror(
        job.work / "checkpoints", job.base + contract.CHECKPOINTS, job.scratch, job.checkpoints
    )
    told.deaf = True  # from here on a signal is the script's to answer
    if told.number is not None:
        raise Stopped
    child = told.begin(Child(line, job.work, environ))
    code = child.wait(told, job.stop_seconds / 2, mirror.look)
    told.child = None
    killed = child.out_of_memory()
    if code and killed and not told.passed:
        say("-- the script needed more memory than there is, and the kernel ended it")
    elif code in contract.STATUSES:
        say(f"-- exit status {code} is the launcher's own: the script's is reported as 1")
    code = reported(code, told, killed)
    mirror.finish()
    for name, was in inputs.items():
        path = job.work / "input/data" / name
        if not path.exists() or publish.stamp(path.resolve()) != was:
            say(f"warning: the script changed {name}, which is for reading only")
    return save(job, publish.written(job.work, before), child, mirror, code)


def save(
    job: attempt.Job, files: dict[str, Path], child: Child, mirror: publish.Mirror, code: int
) -> int:
    """Save what the script wrote and return the exit status: a success that is not saved is none."""
    try:
        if (values := child.metrics.by_set()) and contract.METRICS not in files:
            files[contract.METRICS] = job.scratch / contract.METRICS
            text = json.dumps(values, indent=2) + "\n"
            files[contract.METRICS].write_text(text, encoding="utf-8")
        known = publish.publish(job.base, files, mirror.safe())
        publish.write_manifest(job.base, manifest(job, known, code), job.scratch)
        result = job.environ.get(contract.RESULT)
        if result and not code:
            path = files.get(contract.PREDICTIONS)
            if path is None:
                raise UserError(f"RESULT={result}: the script wrote no {contract.PREDICTIONS}")
            rows = Transfer({"do": "append", "uri": result, "path": str(path)}).result()["rows"]
            say(f"-- {rows:,} rows appended to {result}")
    except (UserError, PassingError, OSError) as error:
        say(f"error: what the script wrote could not be saved: {without_secrets(str(error))}")
        return code or contract.PUBLISHING_FAILED
    # A script that was stopped after removing its checkpoints must still resume from them, not begin anew.
    if not code or mirror.there():
        mirror.forget(mirror.there())
    if not code and not known:
        say(NOTHING_SAVED)
    elif "://" not in job.base:
        say(f"-- results: {os.path.relpath(job.base)}")
    return code


def manifest(job: attempt.Job, files: Mapping[str, dict], code: int) -> dict[str, object]:
    """Return what manifest.json says: what ran, on what, and each file that it left."""
    return {
        "run": job.run,
        "attempt": job.attempt,
        "script": job.words[0],
        "argv": [without_secrets(word) for word in job.words[1:]],
        "started": job.started,
        "ended": machine.now(),
        "exit_code": code,
        "git_revision": job.environ.get(contract.REVISION),
        **machine.origin(),
        "channels": {
            name: {**each, "uri": without_secrets(each["uri"])} for name, each in job.staged.items()
        },
        "files": dict(files),
    }


def clean(job: attempt.Job, code: int) -> None:
    """Remove the working folder; where it could not be saved, it stays for the user to look at."""
    attempt.remove(job.scratch)
    if code == contract.PUBLISHING_FAILED:
        say(f"-- what the script wrote is in {job.work}")
        return
    attempt.remove(job.work)
    for folder in job.work.parent, Path(job.base):  # a run on this machine that produced nothing
        with contextlib.suppress(OSError):
            folder.rmdir()


def launch(words: list[str], environ: Mapping[str, str], told: Told) -> int:
    """Do everything, and return the exit status."""
    job, refused = None, 2
    try:
        schedule = environ.get(contract.SCHEDULE)
        if schedule and Transfer({"do": "record", "schedule": schedule}).result()["taken"]:
            say("-- the scheduler started this run twice: another task has it, and this one ends")
            return 0
        words = all_words(words, environ)
        job = attempt.plan(words, environ)
        channels = stage.channels(environ.get(contract.CHANNELS, ""))
        attempt.fill(job)
        command(words, job.work)  # before anything is moved
        refused = contract.STAGING_REFUSED
        bring(job, channels)
        refused = 2
        code = run(job, told)
    except UserError as error:
        say(f"error: {error}")
        code = refused
    except PassingError as error:
        say(f"error: {error}")
        code = contract.STAGING_FAILED
    except Stopped:
        say("-- stopped before the script began: nothing was changed")
        code = told.status
    told.deaf = True
    if job:
        clean(job, code)
    return code


def as_sagemaker(words: list[str], told: Told) -> int:
    """Start a script over SageMaker's tree, where its folders stay as they are."""
    work = attempt.SCRATCH / "work"
    try:
        words = [*sagemaker.command(), *words[1:]]
        work.mkdir(parents=True, exist_ok=True)
        (attempt.SCRATCH / "tmp").mkdir(mode=0o1777, exist_ok=True)
        scripts.copy(attempt.ROOT, work)
        job = attempt.Job(words, os.environ, f"{sagemaker.ROOT}/", work, attempt.SCRATCH)
        line = command(words, work)
        environ = environment(job) | sagemaker.environment()
        del environ["RUN_FOLDER"], environ[contract.RUN_ID]  # SM_MODEL_DIR rules here
        told.deaf = True
        child = told.begin(Child(line, work, environ, keep=sagemaker.LONGEST_FAILURE))
    except UserError as error:
        say(f"error: {error}")
        sagemaker.tell(f"error: {error}")
        return 2
    except Stopped:
        return told.status
    code = reported(
        child.wait(told, job.stop_seconds / 2, lambda: None), told, child.out_of_memory()
    )
    if code:
        sagemaker.tell(child.last_words.decode(errors="replace").strip() or f"exit status {code}")
    return code


def main(words: list[str]) -> int:
    """Run a script and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    told, environ = Told(), attempt.of_sweep(os.environ)
    if not words:
        say(USAGE)
        return 2
    if sagemaker.starts(words):
        return as_sagemaker(words, told)
    code = launch(words, environ, told)
    run_id = environ.get(contract.RUN_ID)
    if run_id and environ.get(contract.RUN_URI):
        # Docker reads the two streams side by side: let it take standard error's last line first.
        sys.stderr.flush()
        if attempt.in_image():
            time.sleep(0.1)
        say(contract.end_mark(run_id))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
