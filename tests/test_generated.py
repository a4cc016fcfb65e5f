"""The machinery's tests run in a generated project's own environment (tests/generated/)."""

import ast
import re

import pytest
from support import FRAMEWORKS, ROOT, call, plain_environment

TESTS = ROOT / "tests/generated"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_machinery_of_a_project_passes_its_tests(framework, installed, tmp_path):
    project = installed(framework)
    done = call(
        project / ".venv/bin/python", "-B", "-m", "pytest", "-c", TESTS / "pytest.ini",
        "--rootdir", TESTS, "--confcutdir", TESTS, TESTS / "both", TESTS / framework,
        cwd=tmp_path, env={**plain_environment(tmp_path), "PYTHONPATH": str(project)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert re.search(r"\b[1-9]\d+ passed\b", done.stdout)


OWNERS = {"train", "predict", "features"}
OTHER_ROOMS = {"ecs", "job", "sandbox"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_training_imports_neither_the_owners_files_nor_another_room(framework, baked):
    found = set()
    for path in (baked[framework] / "training").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    assert {"training", "numpy"} < found
    assert not found & {*OWNERS, *OTHER_ROOMS, "boto3", "botocore", "tdclient"}
