"""The page of a run: well-formed, without scripts or links, whatever stands in the run's files."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ecs.commands import runs
from ecs.errors import UserError
from ecs.history import report
from ecs.run import here
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = "<script>alert('x')</script>\"&\ud800\x00"
VOID = {"meta", "path", "polyline", "rect", "circle"}
METRICS = {
    "objective": "binary:logistic",
    "train": {"auc": 1.0, "log_loss": 0.01},
    "validation": {"auc": 0.99, "log_loss": None},
    "rows": {"train": 80, "validation": 20},
    "hyperparameters": {"max_depth": 6, HOSTILE: HOSTILE},
    "history": {"train": {"logloss": [0.5, None, 0.3]}, "validation": {"logloss": [0.6, 0.5, 0.4]}},
    "note": HOSTILE,
    "versions": {"python": "3.13"},
    "peak_memory_bytes": 100_000_000,
}
CLASS = {
    "name": HOSTILE,
    "rows": 10,
    "roc": {"fpr": [0, 0, 1], "tpr": [0, 0.9, 1]},
    "pr": {"recall": [0.5, 1], "precision": [1, 0.8], "average_precision": 0.9},
    "calibration": {"predicted": [0.1, 0.9], "observed": [0.0, 1.0], "rows": [10, 10]},
}
CLASSIFICATION = {
    "metrics": METRICS,
    "importance": {"kind": "gain", "meaning": "mean", "features": {HOSTILE: 3.5, "b": 0.0}},
    "curves": {"set": "validation", "classes": [CLASS]},
    "manifest": {"argv": ["--train", HOSTILE], "data": {"train": {"uri": "s3://b/<k>"}}},
    "result": {"state": "Succeeded", "exit_code": 0, "cause": ""},
}
REGRESSION = {
    "metrics": METRICS,
    "curves": {
        "residuals": {"edges": [-1, 0, 1], "counts": [3, 4]},
        "predicted_and_true": {"predicted": [1, 2], "true": [1.1, 1.9], "rows": [3, 4]},
    },
}


class Page(HTMLParser):
    """Checks that elements nest, and keeps their names, attributes and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page(files: dict) -> Page:
    html = report.page("run-1", {name: files.get(name, {}) for name in report.NAMES})
    html.encode()  # no lone surrogate
    return Page(html)


def test_a_classification_has_all_its_drawings_and_hostile_names_stay_text():
    found = page(CLASSIFICATION)
    for words in ("Succeeded", "ROC", "Precision", "Calibration", "logloss", "Importance", "0.99"):
        assert words in found.text
    assert "<script>alert('x')</script>" in found.text
    assert "script" not in found.names
    assert not found.attributes & {"href", "src", "onload"}
    assert "undefined" in found.text
    assert {"svg", "polyline", "rect"} <= found.names


def test_a_regression_has_residuals_and_no_roc():
    found = page(REGRESSION)
    assert "Residuals" in found.text
    assert "Predicted and true" in found.text
    assert "ROC" not in found.text
    assert "Complete" in found.text


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"metrics": {"train": 7, "history": [1], "hyperparameters": None, "rows": "x"}},
        {"curves": {"classes": [3, {"roc": {"fpr": [1, "a"], "tpr": None}}], "residuals": 1}},
        {"importance": {"features": {"a": None, "b": "c", "d": 0}}},
        {"metrics": {"history": {"train": {"rmse": [1.0]}}}},
    ],
)
def test_what_is_missing_or_strange_is_left_out(files):
    assert "run-1" in page(files).text


SHA = {"sha256": "0", "size_bytes": 1234}
OWN = {
    "metrics alone": (
        {"metrics": {"f1": 0.5, "test": {"mae": 2}}},
        ["Complete", "f1", "0.5", "test", "mae"], ["exit code", "Files"],
    ),
    "a script on this machine": (
        {"manifest": {"script": "mine.py", "argv": ["--n", 3], "exit_code": 0, "files": {"a/b.png": SHA},
                      "channels": {"train": {"uri": "data/t.csv", "files": {"t.csv": SHA}}}}},
        ["Complete", "exit code", "mine.py --n 3", "a/b.png", "1,234 bytes", "data/t.csv", "1 files"], ["Metrics", "Failed"],
    ),
    "one that failed": ({"manifest": {"exit_code": 3, "argv": 5, "files": {}}}, ["Failed", "exit code"], ["Files"]),
    "one that ECS tells of": (
        {"manifest": {"exit_code": 0, "files": {}}, "result": {"state": "Interrupted", "exit_code": None}},
        ["Interrupted", "the script saved nothing"], ["Complete"],
    ),
    "one of very many files": (
        {"manifest": {"files": {f"x{number}": SHA for number in range(103)}}}, ["x99", "3 more"], ["x100"],
    ),
    "one of just as many files": (
        {"manifest": {"files": {f"x{number}": SHA for number in range(100)}}}, ["x99"], [" more"],
    ),
    "the tables of train.py, before there was a launcher": (
        {"manifest": {"data": {"train": {"uri": "s3://b/k", "rows": 7}}}}, ["s3://b/k", "7"], [],
    ),
    "the tables of train.py": (
        {"training": {"data": {"train": {"uri": "s3://b/k"}}}, "manifest": {"channels": {"x": {"uri": "data/no"}}}},
        ["s3://b/k"], ["data/no"],
    ),
    "no record at all": ({}, ["Unknown"], ["Complete"]),
}  # fmt: skip


@pytest.mark.parametrize(("files", "there", "missing"), OWN.values(), ids=OWN)
def test_a_script_of_one_s_own_has_a_page(files, there, missing):
    text = page(files).text
    assert [words for words in there if words not in text] == []
    assert [words for words in missing if words in text] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
WORDS = sorted(
    set(re.findall(r'(?:get\(|\[|, )"([a-z_]+)"', Path(report.__file__).read_text()))
    | set(report.NAMES)
)
RECORD = st.dictionaries(
    st.sampled_from(WORDS),
    JSON | st.dictionaries(st.sampled_from(WORDS), JSON, max_size=3)
    | st.lists(st.dictionaries(st.sampled_from(WORDS), JSON, max_size=3), max_size=2),
    max_size=5,
)  # fmt: skip


@given(st.fixed_dictionaries({name: RECORD for name in report.NAMES}))
def test_whatever_a_script_writes_there_is_a_page(files):
    """Another script's metrics.json, curves.json or schema.json has what it has."""
    assert "run-1" in page(files).text


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    points = [(n, n) for n in range(12_345)]
    thin = report.thinned(points)
    assert len(thin) <= report.MOST_POINTS + 2
    assert [thin[0], thin[-1]] == [points[0], points[-1]]


def local(name: str, metrics: bool = True) -> Path:
    folder = Path("runs", name)
    folder.mkdir(parents=True)
    if metrics:
        (folder / "metrics.json").write_text(json.dumps(METRICS))
    return folder


def test_the_run_is_the_latest_or_the_one_that_begins_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert here.local_run("") is None
    first, second = local("2026-a"), local("2026-b")
    local("2026-c", metrics=False)
    assert here.local_run("") == second
    assert here.local_run("2026-a") == here.local_run("runs/2026-a/") == first
    assert here.local_run("2027") is None
    local("2026-a-2", metrics=False)
    assert here.local_run("2026-a") == first
    with pytest.raises(UserError, match="RUN=2026-c"):
        here.local_run("2026")


def test_a_local_run_needs_no_aws(tmp_path, monkeypatch, settings, capsys):
    monkeypatch.chdir(tmp_path)
    folder = local("2026-a")
    runs.report(settings)
    assert capsys.readouterr().out == "runs/2026-a/report.html\n"
    assert "binary:logistic" in Page((folder / "report.html").read_text()).text
    for path in folder.glob("*.json"):
        path.unlink()
    with pytest.raises(UserError, match="no record of a run: no script has ended there"):
        runs.report(type(settings)(**{**vars(settings), "run": "2026-a"}))
