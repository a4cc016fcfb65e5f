"""What training costs: memory and time against the plain way, and what checkpoints add.

    python benchmarks/trainings.py [loading|checkpoints]

generates and installs both projects in .cache/training, writes a table of a million rows and 50
columns, and measures whole processes side by side, one after the other: train.py against
pandas.read_… into an xgboost.DMatrix, with the same parameters and rounds; and train.py with
checkpoints against itself without. Prints ratios, each the median of a few times.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".cache/training"
UV = Path(sys.executable).with_name("uv")
ROWS, COLUMNS, ROUNDS, TIMES = 1_000_000, 50, 100, 3

TABLES = f"""
import numpy, pyarrow, pyarrow.csv, pyarrow.parquet
rng = numpy.random.default_rng(0)
x = rng.normal(size=({COLUMNS}, {ROWS})).astype(numpy.float32)
y = (x[0] + x[1] * x[2] + rng.normal(size={ROWS})).astype(numpy.float32)
table = pyarrow.table({{"label": y}} | {{f"x{{n}}": x[n] for n in range({COLUMNS})}})
pyarrow.parquet.write_table(table, "table.parquet")
pyarrow.csv.write_csv(table, "table.csv")
pyarrow.parquet.write_table(table.slice(0, 300_000), "part.parquet")
"""

PLAIN = f"""
import sys, numpy, pandas, xgboost
path = sys.argv[1]
table = (pandas.read_csv if path.endswith(".csv") else pandas.read_parquet)(path)
label = table.pop("label")
order = numpy.random.default_rng(0).permutation(len(table))
held_out = numpy.sort(order[: len(table) // 5])
rest = numpy.sort(order[len(table) // 5 :])
train = xgboost.DMatrix(table.iloc[rest], label=label.iloc[rest])
test = xgboost.DMatrix(table.iloc[held_out], label=label.iloc[held_out])
evals = [(train, "train"), (test, "validation")]
booster = xgboost.train({{"seed": 0}}, train, {ROUNDS}, evals=evals, verbose_eval=False)
error = booster.predict(test) - label.iloc[held_out]
print("validation rmse", float((error**2).mean() ** 0.5))
"""

# a training of more than the 60 seconds after which there is a checkpoint, and more often, by rounds
CHECKPOINTS = {
    "xgboost": ("--n-estimators 3600 --max-depth 6", 10),
    "scikit-learn": ("--max-iter 2400 --max-leaf-nodes 63 --early-stopping false", 600),
}


def measure(*command: str | Path, cwd: Path) -> tuple[float, float]:
    """Run a command that must succeed; return its seconds and its peak memory in MB."""
    began = time.monotonic()
    with (HOME / "said.txt").open("w") as said:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=cwd, stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit((HOME / "said.txt").read_text())
    return time.monotonic() - began, used.ru_maxrss / 1024


def generate(framework: str, home: Path = HOME) -> Path:
    """Return a generated project of ``framework`` with its environment."""
    folder = home / framework
    shutil.rmtree(folder / "churn-model", ignore_errors=True)
    subprocess.run(
        [
            Path(sys.executable).with_name("cookiecutter"), ROOT, "--no-input", "--output-dir", folder,
            f"framework={framework}",
        ],
        check=True,
    )  # fmt: skip
    subprocess.run(["make", "install"], cwd=folder / "churn-model", check=True)
    return folder / "churn-model"


def compare(commands: dict[str, list], cwd: Path) -> None:
    """Print the ratios of every command to the first, in time and memory; the order changes."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    names = list(commands)
    for _ in range(TIMES):
        for name in names:
            found[name].append(measure(*commands[name], cwd=cwd))
        names.reverse()
    base, *others = commands
    for name in others:
        pairs = list(zip(found[name], found[base], strict=True))
        seconds = statistics.median(one[0] / other[0] for one, other in pairs)
        memory = statistics.median(one[1] / other[1] for one, other in pairs)
        length = statistics.median(one[0] for one in found[base])
        print(
            f"{name}: {memory:.2f} of the peak memory, {seconds:.2f} of the time of {base}"
            f" ({length:.0f} s)",
            flush=True,
        )


def main() -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    projects = {framework: generate(framework) for framework in CHECKPOINTS}
    python = projects["xgboost"] / ".venv/bin/python"
    subprocess.run([python, "-c", TABLES], cwd=HOME, check=True)
    wanted = sys.argv[1:] or ["loading", "checkpoints"]
    if "loading" in wanted:
        loading(projects["xgboost"])
    if "checkpoints" in wanted:
        checkpoints(projects)


def environment(name: str, *packages: str | Path) -> Path:
    """Return the Python of a new environment with these ``packages``, of 3.13 where there is one."""
    folder = HOME / name
    version = shutil.which("python3.13") or sys.executable
    subprocess.run([UV, "venv", "--quiet", "--clear", "--python", version, folder], check=True)
    python = folder / "bin/python"
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    return python


def loading(folder: Path) -> None:
    """Compare train.py, with what the image has, with the way by pandas and a DMatrix."""
    ours = environment("image", "--requirements", folder / "requirements.txt")
    frozen = [UV, "pip", "freeze", "--quiet", "--python", ours]
    versions = subprocess.run(frozen, check=True, capture_output=True, text=True).stdout.split()
    same = [word for word in versions if word.startswith(("xgboost", "pyarrow=", "numpy="))]
    theirs = environment("plain", "pandas", *same)
    script = HOME / "plain.py"
    script.write_text(PLAIN)
    tables = {ending: HOME / f"table.{ending}" for ending in ("csv", "parquet")}
    words = ["--n-estimators", ROUNDS, "--output", HOME / "out"]
    plain = {
        f"{ending} by pandas and a DMatrix": [theirs, script, table]
        for ending, table in tables.items()
    }
    train = {
        f"{ending} by train.py": [ours, "train.py", "--train", table, *words]
        for ending, table in tables.items()
    }
    print(f"{ROWS:,} rows x {COLUMNS} columns, {ROUNDS} rounds, {', '.join(same)}")
    compare(plain | train, folder)


def checkpoints(projects: dict[str, Path]) -> None:
    """Compare train.py with checkpoints and without."""
    for framework, (words, every) in CHECKPOINTS.items():
        python = projects[framework] / ".venv/bin/python"
        common = [python, "train.py", "--train", HOME / "part.parquet", "--output", HOME / "out"]
        common += words.split()
        compare(
            {
                f"{framework} without checkpoints": [*common, "--checkpoint-every", 10**6],
                "checkpoints by default": common,
                f"checkpoints every {every} rounds": [*common, "--checkpoint-every", every],
            },
            projects[framework],
        )


if __name__ == "__main__":
    main()
