"""Interrupt trainings at random moments and resume them; every model must have the same bytes.

A program by itself, so that it runs inside the image too:
``python kill.py FRAMEWORK PROJECT FOLDER INTERRUPTIONS SEED [launcher]``, where train.py is in PROJECT and
FOLDER is writable. Prints one JSON object a configuration, and fails at the first difference. With ``launcher``
train.py runs below the launcher, as it does on ECS, and what is interrupted is that: the script, the launcher
with all that it has started, or SIGTERM; each time the next attempt goes on with what was saved.
"""

import csv
import hashlib
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROWS, COLUMNS = 2000, 10
MOST = 4  # interruptions of one run
MODEL = {"xgboost": "model.ubj", "scikit-learn": "model.skops"}
ENSEMBLE = "sklearn.ensemble."

# name: (table, arguments)
CONFIGURATIONS = {
    "xgboost": {
        "plain": ("two", "--n-estimators 150"),
        "rows": ("two", "--n-estimators 150 --subsample 0.5"),
        "columns": (
            "number",
            "--n-estimators 150 --colsample-bytree 0.7 --colsample-bylevel 0.7 --colsample-bynode 0.7",
        ),
        "rows and columns": ("five", "--n-estimators 100 --subsample 0.7 --colsample-bytree 0.5"),
        "five classes": ("five", "--n-estimators 120"),
        "dart": ("two", "--n-estimators 70 --booster dart --rate-drop 0.1 --skip-drop 0.3"),
        "dart of the tree booster": ("number", "--n-estimators 70 --rate-drop 0.2"),
        "early stopping": (
            "two",
            "--n-estimators 600 --eta 0.05 --early-stopping-rounds 20 --eval-metric auc,logloss",
        ),
        "early stopping and sampling": (
            "five",
            "--n-estimators 600 --eta 0.1 --subsample 0.6 --early-stopping-rounds 15",
        ),
        "leaf by leaf": (
            "number",
            "--n-estimators 150 --grow-policy lossguide --max-leaves 15 --subsample 0.8",
        ),
        "parallel trees": ("two", "--n-estimators 60 --num-parallel-tree 3 --subsample 0.6"),
        "approx": ("number", "--n-estimators 80 --tree-method approx --colsample-bytree 0.6"),
        "exact": ("two", "--n-estimators 100 --tree-method exact --subsample 0.7"),
        "absolute error": (
            "number",
            "--n-estimators 120 --objective reg:absoluteerror --subsample 0.7",
        ),
    },
    "scikit-learn": {
        "histograms": ("two", "--max-iter 150"),
        "histograms of five classes": ("five", "--max-iter 40"),
        "histograms and columns": ("number", "--max-iter 150 --max-features 0.5"),
        "histograms, early stopping": (
            "two",
            "--max-iter 600 --early-stopping true --learning-rate 0.05 --n-iter-no-change 8",
        ),
        "forest": ("two", f"--estimator {ENSEMBLE}RandomForestClassifier --n-estimators 80"),
        "forest of numbers": (
            "number",
            f"--estimator {ENSEMBLE}RandomForestRegressor --n-estimators 60 --max-features 0.5",
        ),
        "extra trees": ("five", f"--estimator {ENSEMBLE}ExtraTreesClassifier --n-estimators 70"),
        "bagging": (
            "number",
            f"--estimator {ENSEMBLE}BaggingRegressor --n-estimators 60 --max-features 0.7",
        ),
        "boosting": (
            "five",
            f"--estimator {ENSEMBLE}GradientBoostingClassifier --n-estimators 21 --subsample 0.7",
        ),
        "boosting and columns": (
            "number",
            f"--estimator {ENSEMBLE}GradientBoostingRegressor --n-estimators 60 --max-features 0.5",
        ),
    },
}

# Long enough for the launcher to save checkpoints, which it looks for each second: (table, arguments)
LAUNCHED = {
    "xgboost": ("two", "--n-estimators 2500 --subsample 0.7 --checkpoint-every 100"),
    "scikit-learn": ("two", "--max-iter 100 --early-stopping false --checkpoint-every 8"),
}


def write_tables(folder: Path) -> None:
    """Write a table of two classes, one of five and one of numbers."""
    chance = random.Random(0)
    for name in ("two", "five", "number"):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["label", *(f"x{column}" for column in range(COLUMNS))])
            for _ in range(ROWS):
                x = [round(chance.gauss(0, 1), 4) for _ in range(COLUMNS)]
                value = x[0] + x[1] * x[2] + abs(x[3]) + chance.gauss(0, 1)
                place = min(4, max(0, int(value + 2)))
                label = {"two": int(value > 0.8), "five": place, "number": round(value, 4)}[name]
                writer.writerow([label, *x])


def start(folder: Path, words: list[str], log: Path) -> int:
    """Start train.py in a process of its own and return its id.

    It is forked from this one, which has imported everything: what is interrupted is the training,
    and not three seconds of imports.
    """
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    status = 1
    try:
        os.chdir(folder)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = ["train.py", *words]
        import train
        from training import opening, program

        # It reads each checkpoint in a process of its own, which takes longer than these trainings.
        opening.check = lambda path: None
        program.run(train.main)
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(pid: int, seconds: float = 600) -> int | None:
    """Return how a process ended, negative for a signal; None if it goes on after ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    return None


def results(folder: Path, model: str) -> tuple[str, dict, int]:
    """Return the model's sha256, the learning curves, and the rounds."""
    report = json.loads((folder / "metrics.json").read_text())
    digest = hashlib.sha256((folder / model).read_bytes()).hexdigest()
    left = [each for each in (folder / "checkpoints").rglob("*") if each.is_file()]
    assert not left, f"checkpoints are still there: {left}"
    return digest, report["history"], report["rounds"]


def interrupt(folder: Path, framework: str, name: str, times: int, seed: int) -> dict:
    """Train once without and then with at least ``times`` interruptions; return what happened."""
    table, arguments = CONFIGURATIONS[framework][name]
    chance = random.Random(f"{seed} {name}")
    home = folder / name.replace(" ", "-").replace(",", "")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    log = home / "log"
    every = chance.choice([5, 8, 13])
    if framework == "scikit-learn":
        every = 15 if "histograms" in name else 7
    words = ["--train", str(folder / f"{table}.csv"), *arguments.split()]
    words += ["--checkpoint-every", str(every), "--output"]
    began = time.monotonic()
    assert wait(start(home, [*words, "whole"], log)) == 0, log.read_text()[-3000:]
    seconds = time.monotonic() - began
    expected = results(home / "whole", MODEL[framework])
    done = {signal.SIGKILL: 0, signal.SIGTERM: 0}
    resumed = runs = longest = 0
    while sum(done.values()) < times:
        runs += 1
        output = f"broken-{runs}"
        attempt = 0
        status = None
        while status != 0:
            pid = start(home, [*words, output, *["--resume"][:attempt]], log)
            attempt += 1
            # Any moment: while data is read, in training, while a checkpoint is saved, at the end.
            number = chance.choice([signal.SIGKILL, signal.SIGTERM])
            status = wait(pid, chance.uniform(0, 1) * seconds if attempt <= MOST else 600)
            if status is None:
                os.kill(pid, number)
                status = wait(pid)
            said = log.read_text()
            resumed += "resuming after round" in said
            assert status in (0, -signal.SIGKILL, -signal.SIGTERM, 143), said[-3000:]
            done[number] += status != 0
        longest = max(longest, attempt)
        assert results(home / output, MODEL[framework]) == expected, f"{name}: {output} differs"
        shutil.rmtree(home / output)
    return {
        "configuration": name,
        "sha256": expected[0],
        "rounds": expected[2],
        "every": every,
        "seconds": round(seconds, 2),
        "runs": runs,
        "sigkill": done[signal.SIGKILL],
        "sigterm": done[signal.SIGTERM],
        "resumed": resumed,
        "most attempts": longest,
    }


def launch(
    project: str, folder: Path, words: list[str], table: Path, attempt: int
) -> subprocess.Popen:
    """Start train.py below the launcher, in a session of its own; what it says goes to a file."""
    channels = {"train": {"uri": str(table)}}
    told = {
        "RUN_ID": "r", "RUN_URI": f"{folder}/", "RUN_ATTEMPT": str(attempt), "RUN_CHANNELS": json.dumps(channels),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    with (folder.parent / "log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "job", "train.py", *words], cwd=project, env=os.environ | told,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def of_session(session: int) -> dict[int, str]:
    """Return the processes of a session, by id, and their command lines."""
    found = {}
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdecimal() and os.getsid(int(each.name)) == session:
                found[int(each.name)] = (each / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has just ended
            continue
    return found


def strike(launcher: subprocess.Popen, kind: str) -> None:
    """Interrupt: ``sigterm`` to the launcher, ``script`` or ``everything`` by SIGKILL."""
    if kind == "sigterm":
        launcher.terminate()
        return
    there = of_session(launcher.pid)
    for pid, line in there.items():
        if kind == "everything" or "-m\0job" not in line:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


STATUS = {"sigterm": (143,), "script": (137,), "everything": (-signal.SIGKILL,)}


def interrupt_launcher(project: str, folder: Path, framework: str, times: int, seed: int) -> dict:
    """Train below the launcher, once without and then with ``times`` interruptions; return what happened."""
    table, arguments = LAUNCHED[framework]
    chance = random.Random(seed)
    # of more threads than cores, as other work leaves them, each waits for the others
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    home = folder / "launched"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    log = home / "log"
    began = time.monotonic()

    def start(run: str, attempt: int) -> subprocess.Popen:
        return launch(project, home / run, arguments.split(), folder / f"{table}.csv", attempt)

    assert start("whole", 1).wait() == 0, log.read_text()[-3000:]
    seconds = time.monotonic() - began
    expected = results(home / "whole", MODEL[framework])
    done = dict.fromkeys(STATUS, 0)
    runs = resumed = 0
    while sum(done.values()) < times:
        runs += 1
        attempt, status = 0, None
        while status != 0:
            attempt += 1
            launcher = start(f"broken-{runs}", attempt)
            kind = chance.choice(sorted(done, key=done.get)[:2])
            try:
                # later ones begin later in the training, and so are shorter
                status = launcher.wait(chance.uniform(0, seconds) if attempt <= MOST else None)
            except subprocess.TimeoutExpired:
                strike(launcher, kind)
                status = launcher.wait()
            said = log.read_text()
            resumed += "resuming after round" in said
            # at its very beginning Python itself answers SIGTERM, and there is no script to strike
            assert status in (0, -signal.SIGTERM, *STATUS[kind]), said[-3000:]
            done[kind] += status != 0
            assert "Traceback" not in said, said
        assert results(home / f"broken-{runs}", MODEL[framework]) == expected, f"run {runs} differs"
        shutil.rmtree(home / f"broken-{runs}")
        print(f"run {runs}: {attempt} attempts, so far {done}", file=sys.stderr, flush=True)
    return {
        "sha256": expected[0], "seconds": round(seconds, 2), "runs": runs, **done, "resumed": resumed,
    }  # fmt: skip


def work(core: int, names: list[str]) -> None:
    """Do the configurations ``names`` on one core, in a process of its own."""
    framework, project, folder, times, seed = sys.argv[1:6]
    os.sched_setaffinity(0, {core})
    sys.path.insert(0, project)
    importlib.import_module("train")
    for name in names:
        print(json.dumps(interrupt(Path(folder), framework, name, int(times), int(seed))))


def main() -> None:
    framework, project, folder, times, seed = sys.argv[1:6]
    write_tables(Path(folder))
    if sys.argv[6:]:
        found = interrupt_launcher(project, Path(folder), framework, int(times), int(seed))
        print(json.dumps(found))
        return
    cores = sorted(os.sched_getaffinity(0))
    names = list(CONFIGURATIONS[framework])
    workers = [
        multiprocessing.get_context("fork").Process(
            target=work, args=(core, names[place :: len(cores)])
        )
        for place, core in enumerate(cores)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.exit(any(worker.exitcode for worker in workers))


if __name__ == "__main__":
    main()
