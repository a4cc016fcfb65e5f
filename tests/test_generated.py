"""The machinery's tests run in a generated project's own environment (tests/generated/)."""

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
