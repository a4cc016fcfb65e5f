"""What train.py makes is what the library makes by hand: quality.py on five real data sets."""

import json

import pytest
from support import FRAMEWORKS, ROOT, succeed


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
