"""What is known of a script before a task is paid for: its imports and its label."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from ecs.checks import preflight

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
    "(" * 10_000: [],
    "import a\0": [],
}


@pytest.mark.parametrize("source", SOURCES)
def test_only_what_must_be_there_counts(source):
    assert preflight.imports(source) == SOURCES[source]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes files, and gives what a script lacks."""
    monkeypatch.chdir(tmp_path)

    def lacking(script: str, lock: str = "numpy==2\n", extras=(), **files: str) -> list[str]:
        named = {f"{name}.py": text for name, text in files.items()}
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
        "scripts/train": "import helper\nimport shared.deep\nimport job, training.data\n",
        "scripts/helper": "import pandas",
        "shared/__init__": "",
        "shared/deep": "import scipy\nimport scripts.train",
    }
    assert project("scripts/train.py", **files) == ["scipy", "pandas"]


def test_what_lay_beside_the_script_in_the_first_edition_is_no_package(project):
    project(
        "x.py",
        x="import numpy\nfrom matrices import read\nimport resume, training.library.batches\n",
    )
    image = ["x.py", "training/library/matrices.py", "training/library/resume.py"]
    assert preflight.moved("x.py", image) == ["matrices", "resume"]
    project("x.py", x="import matrices, resume", matrices="", resume__a="")
    assert preflight.moved("x.py", ["x.py", "matrices.py", "resume/a.py"]) == []


def test_what_comes_from_within_a_package_is_followed(project):
    files = {
        "jobs/__init__": "import zero",
        "jobs/run": "from . import relative\nfrom .deep.er import x\nfrom ..beside import y\n"
        "from jobs import submodule, name\nfrom .. import above",
        "jobs/relative": "import one",
        "jobs/deep/__init__": "import two",
        "jobs/deep/er": "from ..uncle import z",
        "jobs/uncle": "import three",
        "jobs/submodule": "import four",
        "beside": "import five",
        "above": "from jobs import *\nimport six",
        "unused": "import seven",
        "jobs/unused": "import eight",
    }
    assert sorted(project("jobs/run.py", **files)) == [
        "five", "four", "one", "six", "three", "two", "zero",
    ]  # fmt: skip


def test_a_folder_that_the_script_adds_to_its_path_is_looked_through(project):
    """That is not known before it runs, and nothing that works may be refused."""
    files = {"x": "import sys\nsys.path.append('src')\nimport mine, other, third.part"}
    files |= {"src/mine": "import pandas", "src/other/__init__": "", "src/third/part": ""}
    assert project("x.py", **files) == ["pandas"]
    assert project("x.py", x="import min", **{"src/mine": ""}) == ["min"]


def test_a_module_that_is_called_like_a_package_of_python_s_is_the_project_s_own(project):
    assert project("x.py", x="import types", types="import pandas") == ["pandas"]


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
    'a,"two\nlines",b\n': None,
    "nan,,2\n": None,
    "nan,,b\n": ["nan", "", "b"],
    ",".join(f"c{number}" for number in range(200_000)) + "\n1": None,
}


@pytest.mark.parametrize("text", HEADERS, ids=lambda text: text[:20])
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


TRAIN = "import features\nfrom training import data\n"
UNCHANGED = 'import pyarrow\n\n\ndef features(table):\n    """Say what."""\n    return table\n'
LABELS = [
    # header, ARGS, what is missing, what is to be typed
    ("PassengerId,Survived,Age", "", "no column is called label or target", "--label Age"),
    ("PassengerId,Survived,Age", "--label Survived", None, None),
    ("PassengerId,Survived,Age", "--label=Survived", None, None),
    ("PassengerId,Survived,Age", "--label X --label=Age", None, None),
    ("PassengerId,Survived,Age", "--label Age --label X", "no column is called X", "--label Age"),
    ("PassengerId,Survived,Age", "--label", "no column is called ", "--label Age"),
    ("PassengerId,Survived", "--eta=1 --label Surived -x", "no column is called Surived", "--label Survived --eta=1 -x"),
    ("a,two words", "--note 'x y'", "no column is called label", "--label 'two words' --note 'x y'"),
    ("a,-b", "", "no column is called label", "--label=-b"),
    ("a,$b", "", "no column is called label", "--label '$b'"),
    ("label,a", "", None, None),
    ("a,target", "--max-depth 3", None, None),
    ("label,target", "", "the table has a column label and a column target", "--label target"),
    ("label,target", "--label label", None, None),
    ("a,b", "--help", None, None),
    ("a,b", "-h", None, None),
    ("1,2", "", None, None),
]  # fmt: skip


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """Make a folder with the bundled scripts, as far as they matter here, and a table."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("train.py").write_text(TRAIN)
    Path("features.py").write_text(UNCHANGED)
    Path("data/train.csv").write_text("a,b\n")


@pytest.mark.parametrize(("names", "args", "missing", "typed"), LABELS)
def test_the_label_is_looked_for_before_the_task(settings, bundled, names, args, missing, typed):
    Path("data/train.csv").write_text(names + "\n")
    found = preflight.label_missing(replace(settings, args=args))
    if missing is None:
        assert found is None
        return
    sentence, remedy = found
    assert sentence.startswith(missing) and sentence.endswith(names.replace(",", ", "))
    (word,) = shlex.split(remedy.removeprefix("make run "))
    assert word == f"ARGS={typed}"
    assert preflight.label_missing(replace(settings, args=typed)) is None  # it is accepted


def test_of_many_columns_the_first_are_named(settings, bundled):
    Path("data/train.csv").write_text(",".join(f"c{number}" for number in range(21)) + "\n")
    sentence, remedy = preflight.label_missing(settings)
    assert sentence.endswith("c18, c19, …")
    Path("data/train.csv").write_text(",".join(f"c{number}" for number in range(20)) + "\n")
    assert preflight.label_missing(settings)[0].endswith("c18, c19")
    assert remedy == 'make run ARGS="--label c20"'


@pytest.mark.parametrize("text", ["data/train.csv", "train=data/train.csv lookup=data/x.csv"])
def test_the_table_is_that_of_the_channel_train(settings, bundled, text):
    Path("data/x.csv").write_text("label,b\n")
    assert preflight.label_missing(replace(settings, data=text))
    other = f"x={text}" if "=" not in text else text.replace("train=", "x=")
    assert preflight.label_missing(replace(settings, data=other)) is None


OTHERS = {
    "a script of another name": {"mine.py": TRAIN},
    "lightgbm by hand": {"train.py": "import lightgbm\n"},
    "lightgbm with features": {"train.py": "import features, lightgbm\n"},
    "features that are not used": {"train.py": "from training import data\n"},
    "no train.py": {"train.py": None},
    "no features.py": {"features.py": None},
    "no function": {"features.py": "features = None"},
    "a label that is made": {"features.py": UNCHANGED.replace("    return", "    table = f(table)\n    return")},
    "a table of another function's": {"features.py": UNCHANGED.replace("return table", "return f(table)")},
    "a label in place of the docstring": {"features.py": UNCHANGED.replace('"""Say what."""', "table = f(table)")},
    "a decorator": {"features.py": UNCHANGED.replace("def", "@f\ndef")},
}  # fmt: skip


@pytest.mark.parametrize("files", OTHERS.values(), ids=OTHERS)
def test_a_script_that_may_find_its_label_elsewhere_is_left_alone(settings, bundled, files):
    assert preflight.label_missing(settings)
    for name, text in files.items():
        if text is None:
            Path(name).unlink()
        else:
            Path(name).write_text(text)
    script = "mine.py" if "mine.py" in files else "train.py"
    assert preflight.label_missing(replace(settings, script=script)) is None


def test_the_bundled_scripts_are_known_as_such(baked, monkeypatch):
    for project in baked.values():
        monkeypatch.chdir(project)
        assert preflight.bundled("train.py")
        assert not preflight.bundled("predict.py")
