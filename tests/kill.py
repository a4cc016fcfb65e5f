"""Interrupt trainings at random moments and resume them; every model must have the same bytes.

A program by itself, so that it runs inside the image too:
``python kill.py FRAMEWORK PROJECT FOLDER INTERRUPTIONS SEED``, where train.py is in PROJECT and
FOLDER is writable. Prints one JSON object a configuration, and fails at the first difference.
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
        from training import program

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
    assert not (folder / "checkpoints").exists(), "the checkpoints are still there"
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


def work(core: int, names: list[str]) -> None:
    """Do the configurations ``names`` on one core, in a process of its own."""
    framework, project, folder, times, seed = sys.argv[1:]
    os.sched_setaffinity(0, {core})
    sys.path.insert(0, project)
    importlib.import_module("train")
    for name in names:
        print(json.dumps(interrupt(Path(folder), framework, name, int(times), int(seed))))


def main() -> None:
    framework, _, folder, _, _ = sys.argv[1:]
    write_tables(Path(folder))
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
