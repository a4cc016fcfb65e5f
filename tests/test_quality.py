"""What train.py makes is what the library makes by hand, on real data sets: quality.py, realsets.py."""

import json
import sys
from pathlib import Path

import pytest
from support import FRAMEWORKS, ROOT, succeed

# Their data sets are read as files: what they need to be imported is not installed.
PACKAGES = "statsmodels==0.15.0", "vega_datasets==0.9.0"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_five_real_data_sets_give_the_predictions_of_the_library_by_hand(
    framework, installed, tmp_path
):
    project = installed(framework)
    program = ROOT / "tests/quality.py"
    words = (project / ".venv/bin/python", "-B", program, framework, project, tmp_path)
    said = succeed(*words, cwd=tmp_path)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith('{"set"')]
    assert len({line["set"] for line in lines}) == 5
    assert len(lines) == {"xgboost": 5, "scikit-learn": 15}[framework]


@pytest.fixture(scope="session")
def packages(tmp_path_factory) -> Path:
    """Return a folder with packages that bring data sets."""
    folder = tmp_path_factory.mktemp("packages")
    install = (sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--target", folder)
    succeed(*install, *PACKAGES, cwd=folder)
    return folder


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_real_data_sets_as_they_are_shipped_give_the_predictions_of_the_library(
    framework, installed, packages, tmp_path
):
    project = installed(framework)
    program = ROOT / "tests/realsets.py"
    words = (project / ".venv/bin/python", "-B", program, framework, project, tmp_path, packages)
    said = succeed(*words, cwd=tmp_path)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith('{"set"')]
    assert len({line["set"] for line in lines}) >= 25
    assert sum(line["text"] > 0 for line in lines) >= 5
    assert sum(line["gaps"] > 0 for line in lines) >= 2
    assert {line["dates"] for line in lines} == {None, "epoch", "parts"}
    assert any("firm" in line["columns"] for line in lines if line["set"].endswith("folders"))
