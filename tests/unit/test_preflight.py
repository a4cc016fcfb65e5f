"""What is known of a script before a task is paid for: its imports and its label."""

from dataclasses import replace
from pathlib import Path

import pytest
from ecs import preflight

SOURCES = {
    "import os, pandas as pd": ["os", "pandas"],
    "from sklearn.linear_model import Ridge": ["sklearn.linear_model"],
    "from . import x\nfrom .y import z": [],
    "try:\n    import cupy\nexcept ImportError:\n    cupy = None": [],
    "if False:\n    import torch": [],
    "def f():\n    import torch": [],
    "import a.b.c": ["a.b.c"],
    "this is no Python": [],
    "": [],
    "import é": ["é"],
}


@pytest.mark.parametrize("source", SOURCES)
def test_only_what_must_be_there_counts(source):
    assert preflight.imports(source) == SOURCES[source]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes files, and gives what a script lacks."""
    monkeypatch.chdir(tmp_path)

    def lacking(script: str, lock: str = "numpy==2\n", extras=(), **files: str) -> list[str]:
        named = {name.replace("__", "/") + ".py": text for name, text in files.items()}
        for name, text in {**named, "requirements.txt": lock}.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text)
        return preflight.lacking(script, named, extras)

    return lacking


def test_packages_that_the_image_lacks_are_named_by_what_must_be_typed(project):
    source = "import numpy, json, pandas\nimport yaml\nfrom PIL import Image\nimport no_such_thing"
    missing = project("x.py", x=source)
    assert missing == ["pandas", "pyyaml", "pillow", "no-such-thing"]
    assert project("x.py", "pandas==3\nPyYAML==6\nPillow==11\nno_such.thing==1\n", x=source) == [
        "numpy"
    ]


def test_the_projects_own_modules_are_followed_and_the_machinerys_are_not(project):
    files = {
        "scripts__train": "import helper\nimport shared.deep\nimport job, training.data\n",
        "scripts__helper": "import pandas",
        "shared____init__": "",
        "shared__deep": "import scipy\nimport scripts.train",
    }
    assert project("scripts/train.py", **files) == ["scipy", "pandas"]


def test_what_lay_beside_the_script_in_the_first_edition_is_no_package(project):
    project(
        "x.py",
        x="import numpy\nfrom matrices import read\nimport resume, training.library.batches\n",
    )
    assert preflight.moved("x.py", ["x.py"]) == ["matrices", "resume"]
    project("x.py", x="import matrices, resume", matrices="", resume__a="")
    assert preflight.moved("x.py", ["x.py", "matrices.py", "resume/a.py"]) == []


def test_an_extra_has_packages_of_its_own(project):
    Path("requirements-mlflow.txt").write_text("mlflow-skinny==3\n")
    assert project("x.py", x="import mlflow") == ["mlflow"]
    Path("requirements-mlflow.txt").write_text("mlflow==3\n")
    assert project("x.py", extras=["mlflow"], x="import mlflow") == []


def test_a_script_of_another_language_imports_nothing(project):
    assert preflight.lacking("go.sh", ["go.sh"]) == []


HEADERS = {
    "label,a\n1,2\n": ["label", "a"],
    "\ufefflabel, a \n": ["label", "a"],
    '"two, words",b\n': ["two, words", "b"],
    "1,2.5,-3e4\n1,2,3\n": None,
    "one\n": None,
    "": None,
}


@pytest.mark.parametrize("text", HEADERS)
def test_a_header_is_the_first_line_unless_that_is_numbers(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    assert preflight.header(path) == HEADERS[text]
    assert preflight.header(tmp_path / "x.parquet") is None
    assert preflight.header(tmp_path / "nothing.csv") is None


def test_bytes_that_are_no_text_have_no_header(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xff\xfe,b\n")
    assert preflight.header(path) is None


LABELS = [
    # header, ARGS, script, what is missing
    ("PassengerId,Survived,Age", "", "train.py", "no column is called label or target"),
    ("PassengerId,Survived,Age", "--label Survived", "train.py", None),
    ("PassengerId,Survived,Age", "--label=Survived", "train.py", None),
    ("PassengerId,Survived,Age", "--label Surived", "train.py", "no column is called Surived"),
    ("label,a", "", "train.py", None),
    ("a,target", "--max-depth 3", "train.py", None),
    ("a,b", "--help", "train.py", None),
    ("a,b", "", "mine.py", None),
    ("1,2", "", "train.py", None),
]


@pytest.mark.parametrize(("names", "args", "script", "missing"), LABELS)
def test_the_label_is_looked_for_before_the_task(
    settings, tmp_path, monkeypatch, names, args, script, missing
):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/train.csv").write_text(names + "\n")
    found = preflight.label_missing(replace(settings, args=args, script=script))
    if missing is None:
        assert found is None
        return
    sentence, typed = found
    assert sentence.startswith(missing) and sentence.endswith(names.replace(",", ", "))
    assert typed == f'make run ARGS="--label {names.rpartition(",")[2]}"'
