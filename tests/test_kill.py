"""At least a hundred interruptions, SIGKILL and SIGTERM at random moments: the same bytes (kill.py).

xgboost runs inside the image, where Python is new enough for the xgboost that resumes exactly;
scikit-learn in the project's own environment.
"""

import json
import re
import shutil

import pytest
from support import ROOT, call, succeed

KILL = ROOT / "tests/kill.py"
SEED = "20"
TIMES = {"xgboost": 8, "scikit-learn": 4}  # interruptions of each configuration, at least
LAUNCHED = 6  # of the script below the launcher, of three kinds


def check(said: str, configurations: int, framework: str) -> int:
    """Check what kill.py printed, and return how many interruptions there were."""
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert len(lines) == configurations
    for line in lines:
        assert line["sigkill"] + line["sigterm"] >= TIMES[framework], line
    # most of them hit a training that had a checkpoint, or the test shows little
    assert sum(line["resumed"] for line in lines) > sum(TIMES[framework] for _ in lines) / 2
    kinds = [sum(line[kind] for line in lines) for kind in ("sigkill", "sigterm")]
    assert min(kinds) >= configurations
    print(f"{framework}: {kinds[0]} SIGKILL, {kinds[1]} SIGTERM, {len(lines)} configurations")
    return sum(kinds)


PYTEST = ("_pytest", "iniconfig", "packaging", "pluggy", "py.py", "pygments", "pytest")


@pytest.mark.docker
def test_the_tests_of_xgboosts_resumption_pass_where_they_are_not_skipped(
    image, installed, engine, tmp_path
):
    """In the image: this machine's Python may be too old for the xgboost that they are about."""
    project, tools = installed("xgboost"), tmp_path / "tools"
    tests = ROOT / "tests/generated"
    tools.mkdir()
    (packages,) = project.glob(".venv/lib/python*/site-packages")
    for path in packages.iterdir():
        if path.name.partition("-")[0] in PYTEST:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, tools / path.name)
    done = call(
        engine["DOCKER"], "run", "--rm", "--volume", f"{tests}:/tests:ro",
        "--volume", f"{tools}:/tools:ro", "--env", "PYTHONPATH=/app:/tools", "--entrypoint", "python", image,
        "-m", "pytest", "-c", "/tests/pytest.ini", "--confcutdir", "/tests", "/tests/xgboost/test_resume.py",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b\d+ passed\b", done.stdout)
    assert "skipped" not in done.stdout


def test_scikit_learn_gives_the_same_bytes_however_often_it_is_interrupted(installed, tmp_path):
    project = installed("scikit-learn")
    words = ("scikit-learn", project, tmp_path, TIMES["scikit-learn"], SEED)
    said = succeed(project / ".venv/bin/python", "-B", KILL, *map(str, words), cwd=tmp_path)
    assert check(said, 10, "scikit-learn") >= 40


@pytest.fixture(scope="module")
def image(installed, engine, tmp_path_factory) -> str:
    """Build the xgboost project's image, and return its name."""
    folder = tmp_path_factory.mktemp("kill") / "churn-model"
    shutil.copytree(installed("xgboost"), folder, symlinks=True)
    (folder / ".env").write_text("".join(f"{name} = {value}\n" for name, value in engine.items()))
    succeed("make", "build", "TAG=kill", cwd=folder)
    yield "churn-model:kill"
    call(engine["DOCKER"], "rmi", "churn-model:kill", cwd=folder)


def in_image(image: str, engine: dict[str, str], *words: object) -> str:
    """Run kill.py in the image and return what it printed."""
    run = [
        engine["DOCKER"],
        "run",
        "--rm",
        "--interactive",
        "--init",
        "--entrypoint",
        "python",
        image,
        "-",
    ]
    done = call(*run, *map(str, words), cwd=ROOT, stdin=KILL.read_text())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.docker
def test_xgboost_gives_the_same_bytes_however_often_it_is_interrupted(image, engine):
    said = in_image(image, engine, "xgboost", "/app", "/scratch", TIMES["xgboost"], SEED)
    assert check(said, 14, "xgboost") >= 112


def check_launched(said: str) -> None:
    """Check what kill.py printed of trainings below the launcher."""
    found = json.loads(said)
    assert min(found[kind] for kind in ("sigterm", "script", "everything")) >= 1, found
    assert sum(found[kind] for kind in ("sigterm", "script", "everything")) >= LAUNCHED


def test_scikit_learn_below_the_launcher_gives_the_same_bytes_too(installed, tmp_path):
    project = installed("scikit-learn")
    words = ("scikit-learn", project, tmp_path, LAUNCHED, SEED, "launcher")
    check_launched(
        succeed(project / ".venv/bin/python", "-B", KILL, *map(str, words), cwd=tmp_path)
    )


@pytest.mark.docker
def test_xgboost_below_the_launcher_gives_the_same_bytes_too(image, engine):
    check_launched(
        in_image(image, engine, "xgboost", "/app", "/scratch", LAUNCHED, SEED, "launcher")
    )
