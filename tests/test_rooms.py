"""The border and the rooms: which room may import which, and how long a function or a file may be."""

import ast
import re
import shutil
from pathlib import Path

import pytest
from support import BIN, FRAMEWORKS, ROOT, call

CONTRACTS = ROOT / "tests/imports.toml"
ROOMS = ("ecs", "job", "training", "sandbox")
LONGEST_FUNCTION, LONGEST_FILE = 60, 400
# what is longer: tables, and one loop whose state is what it is about
LONG = {
    "ecs/verdict/rules.py", "ecs/stack/policies.py cluster",
    "ecs/run/follow.py follow", "training/artifacts.py save",
}  # fmt: skip
# what takes its time to import (boto3 0.5 s, rich 0.1 s, mlflow seconds), and what may not be installed
HEAVY = re.compile(
    r"boto3|botocore|rich|mlflow|msgpack|tdclient|job\.(sources|scheduled|stage)|ecs\.(aws|checks\.verify|verdict\.calls)"
)


def lint(project: Path) -> str:
    done = call(
        BIN / "lint-imports", CONTRACTS, "--no-cache", cwd=project, env={"PYTHONPATH": str(project)}
    )
    assert (done.returncode == 0) == (" 0 broken." in done.stdout), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_room_imports_only_what_it_may(framework: str, baked):
    said = lint(baked[framework])
    assert " 0 broken." in said, said


FORBIDDEN = [  # a module, what it may not import, the contract that says so
    ("ecs/cost.py", "import job.contract", "never import each other"),
    ("job/errors.py", "import training.errors", "never import each other"),
    ("training/errors.py", "import features", "the owner's files"),
    ("sandbox/__init__.py", "import train", "the owner's files"),
    ("ecs/request/channels.py", "import ecs.run.retry", "those below it only"),
    ("ecs/settings.py", "import ecs.aws", "those below it only"),
    ("ecs/verdict/rules.py", "import ecs.aws", "a verdict asks nobody"),
    ("ecs/verdict/rules.py", "import subprocess", "a verdict asks nobody"),
    ("job/machine.py", "import xgboost", "no library of the script's"),
    ("training/storage.py", "import boto3", "local files only"),
    ("training/labels.py", "import sklearn", "only training/library"),
    ("ecs/history/measures.py", "import ecs.history.records", "round in a circle"),
]


@pytest.mark.parametrize(("file", "line", "contract"), FORBIDDEN)
def test_one_import_that_is_forbidden_is_told(
    file: str, line: str, contract: str, baked, tmp_path: Path
):
    project = tmp_path / "project"
    shutil.copytree(baked["xgboost"], project)
    path = project / file
    path.write_text(path.read_text() + f"\n{line}\n")
    assert re.search(rf"^[^\n]*{re.escape(contract)}[^\n]* BROKEN$", lint(project), re.MULTILINE)


def functions(path: Path) -> list[ast.FunctionDef]:
    return [
        each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.FunctionDef)
    ]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_function_and_no_file_is_too_long(framework: str, baked):
    project, found = baked[framework], set()
    for path in (path for room in ROOMS for path in (project / room).rglob("*.py")):
        name = path.relative_to(project).as_posix()
        if len(path.read_text().splitlines()) > LONGEST_FILE:
            found.add(name)
        for each in functions(path):
            if each.end_lineno - each.lineno >= LONGEST_FUNCTION:
                found.add(f"{name} {each.name}")
    assert found == LONG


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_only_what_is_heavy_is_imported_inside_a_function(framework: str, baked):
    project = baked[framework]
    for path in (path for room in ROOMS for path in (project / room).rglob("*.py")):
        for function in functions(path):
            for each in ast.walk(function):
                names = (
                    [f"{each.module}.{name.name}" for name in each.names] if isinstance(each, ast.ImportFrom)
                    else [name.name for name in each.names] if isinstance(each, ast.Import)
                    else []
                )  # fmt: skip
                for name in names:
                    assert HEAVY.match(name), f"{path}: {name} in {function.name}"


def test_the_files_that_the_maps_name_are_there(baked):
    project = baked["xgboost"]
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text[text.index("| change | files |") :]
    named = re.findall(r"`([\w./-]+\.(?:py|yaml|json|toml|txt|example)|Makefile)`", table)
    assert len(named) > 20
    for name in named:
        assert (project / name).is_file() or (ROOT / name).is_file(), name
    for room in "ecs", "job", "training":
        text = (project / room / "README.md").read_text()
        for name in re.findall(r"`([\w/]+(?:\.py|/))`", text):
            if name.rstrip("/") not in ROOMS:
                assert any((project / base / name).exists() for base in (room, ".")), name
        # and every file and folder of the room stands in its map
        for path in (project / room).iterdir():
            if not path.name.startswith("_") and path.name != "README.md":
                assert path.stem in text, path
