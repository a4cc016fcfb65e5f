"""Which files go into the image: Docker's rules for `.dockerignore`, by a table and by a second reading of them."""

import os
import posixpath
import re
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job import scripts
from job.errors import UserError
from support import PROJECT, succeed

# pattern: what it keeps out, what it does not
TABLE = {
    "a": (["a", "a/b", "a/b/c"], ["b/a", "ab", "A"]),
    "/a": (["a", "a/b"], ["b/a"]),
    "a/": (["a", "a/b"], ["b/a"]),
    "./a/../b": (["b"], ["a"]),
    "*": (["a", ".a", "a/b"], []),
    "*.csv": (["x.csv", ".csv"], ["x.csvs", "d/x.csv"]),
    "**/*.csv": (["x.csv", "d/x.csv", "d/e/x.csv"], ["xcsv"]),
    "**.csv": (["x.csv", "d/x.csv"], ["xcsv"]),
    "**/a": (["a", "d/a", "d/e/a/f"], ["ba", "d/ba"]),
    "a/**": (["a/b", "a/b/c"], ["a", "ab"]),
    "a**": (["a", "ab", "a/b", "ab/c"], ["b"]),
    "a**b": (["ab", "ax/b", "a/b", "a/x/b"], ["axb", "a/xb"]),
    "a/**/b": (["a/b", "a/x/b", "a/x/y/b/z"], ["ab", "a/xb"]),
    "d?ta": (["data", "dxta/y"], ["dta", "d/ta"]),
    "[ab]x": (["ax", "bx/y"], ["cx", "[ab]x"]),
    "[^ab]x": (["cx"], ["ax"]),
    "a.b+(c)|{d}$": (["a.b+(c)|{d}$"], ["axb+(c)|{d}$"]),
    r"\*x": (["*x"], ["ax"]),
    "  a  ": (["a"], ["  a  "]),
    "# a": ([], ["a", "# a"]),
    " #a": (["#a"], ["a"]),
    "\ufeffa": (["a"], ["\ufeffa"]),
    ".": ([], ["a", ".a"]),
    "a\r\nb\r\n": (["a", "b"], []),
    "a\u2028b": (["a\u2028b"], ["a", "b"]),
    "a\n!a/b": (["a", "a/c"], ["a/b", "a/b/c"]),
    "!a\na": (["a"], []),
    "a\n! a": ([], ["a"]),
    "*\n!a\na/x\n!a/x/y": (["b", "a/x", "a/x/z"], ["a", "a/b", "a/x/y"]),
    "!/a": ([], ["a"]),
}


@pytest.mark.parametrize("text", TABLE)
def test_a_pattern_keeps_out_what_docker_keeps_out(text):
    known = scripts.rules(text)
    out, admitted = TABLE[text]
    assert [path for path in out if not scripts.excluded(path, known)] == []
    assert [path for path in admitted if scripts.excluded(path, known)] == []
    for path in out + admitted:
        assert oracle(text, path) == (path in out), path


def test_a_pattern_that_is_none_is_named():
    with pytest.raises(UserError, match=r"\.dockerignore: '\[z-a\]' is not a pattern"):
        scripts.rules("[z-a]")


# ---- the same rules again, written after moby/patternmatcher, for the comparison


def one(pattern: str, path: str) -> bool:
    """Tell whether one pattern matches one path, as patternmatcher.go's Pattern.match does."""
    plain = not re.search(r"[*?[\]\\]", pattern[2:])
    if pattern.startswith("**") and plain:
        return path.endswith(pattern[2:]) or pattern[2:] == f"/{path}"
    if not re.search(r"[*?[\]\\]", pattern):
        return path == pattern
    regexp, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 2
            at += pattern[at : at + 1] == "/"
            regexp += "(.*/)?" if at < len(pattern) else ".*"
            continue
        at += 1
        if char == "*":
            regexp += "[^/]*"
        elif char == "?":
            regexp += "[^/]"
        elif char == "\\" and at < len(pattern):
            regexp += re.escape(pattern[at])
            at += 1
        elif char in "[]^-":
            regexp += char
        else:
            regexp += re.escape(char)
    return re.fullmatch(regexp, path, re.DOTALL) is not None


def lines(text: str) -> list[tuple[bool, str]]:
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        word = line.strip()
        if word and not line.startswith("#"):
            name = posixpath.normpath(word.removeprefix("!").strip()).lstrip("/")
            found.append((word.startswith("!"), name))
    return found


def oracle(text: str, path: str) -> bool:
    """MatchesOrParentMatches: every pattern is tried on the path and all folders above it."""
    parts = path.split("/")
    out = False
    for admits, pattern in lines(text):
        if admits == out and any(
            one(pattern, "/".join(parts[:n])) for n in range(1, len(parts) + 1)
        ):
            out = not admits
    return out


def walked(text: str, path: str) -> bool:
    """MatchesUsingParentResults, as BuildKit walks: what a folder did not need to try counts as no match."""
    parts = path.split("/")
    known = lines(text)
    above: list[bool] | None = None
    for n in range(1, len(parts) + 1):
        here, out = [False] * len(known), False
        for number, (admits, pattern) in enumerate(known):
            match = bool(above and above[number])
            if not match:
                if admits != out:
                    continue
                match = one(pattern, "/".join(parts[:n]))
            here[number] = match
            if match:
                out = not admits
        above = here
    return out


NAMES = st.text("ab.x", min_size=1, max_size=3).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(
    st.sampled_from(["a", "b", ".", "x", "*", "**", "?", "[ab]", "/", "/", "**/"]), min_size=1, max_size=6
).map("".join)  # fmt: skip
TEXTS = st.lists(st.tuples(st.sampled_from(["", "!"]), PATTERNS).map("".join), max_size=5)


@given(TEXTS, PATHS)
def test_any_patterns_and_paths_are_judged_as_docker_judges(patterns, path):
    usable = [each for each in patterns if posixpath.normpath(each.strip("!")).strip("./")]
    text = "\n".join(usable)
    assert scripts.excluded(path, scripts.rules(text)) == oracle(text, path)


@given(TEXTS, PATHS)
def test_no_folder_is_passed_over_below_which_something_is_admitted(patterns, path):
    known = scripts.rules("\n".join(patterns))
    folder = path.rpartition("/")[0]
    if folder and scripts.closed(folder, known):
        assert scripts.excluded(path, known)


# what the project's own .dockerignore says of names as people have them
OWN_OUT = [
    ".env", ".git/config", ".venv/lib/python3.11/site-packages/x.py", ".aws/credentials.json",
    "data/train.csv", "data/x.py", "runs/r/train.py", "ecs/__main__.py", "sandbox/x.sh", "tests/test_x.py",
    "my_secrets.json", "my.secrets/x.py", "conf.secret/deep/x.json", "secrets.d/x.yaml", "credentials.yaml",
    "a.credentials/x.py", "deep/.env", "deep/.hidden/x.py", "x.csv", "deep/x.parquet", "model.joblib", "x.pem",
    "pyproject.toml", "Makefile", "deep/__pycache__/x.py", "__pycache__/x.cpython-313.pyc",
]  # fmt: skip
OWN_IN = [
    "train.py", "scripts/train.py", "conf/a.yaml", "conf/b.yml", "sql/q.sql", "go.sh", "a.toml", "b.txt",
    "deep/er/c.cfg", "d.ini", "e.json", "no_ending", "v1.2/train.py", "job/__main__.py",
]  # fmt: skip


@pytest.mark.parametrize("path", OWN_OUT + OWN_IN)
def test_the_projects_own_rules_mean_the_same_to_every_builder(path):
    text = (PROJECT / ".dockerignore").read_text()
    expected = path in OWN_OUT
    assert scripts.excluded(path, scripts.rules(text)) == expected
    assert (oracle(text, path), walked(text, path)) == (expected, expected)


def test_names_are_listed_sorted_each_with_a_nul_and_scripts_are_copied_without_the_machinery(
    tmp_path,
):
    root, work = tmp_path / "root", tmp_path / "work"
    for name in (
        "train.py", "go.sh", "deep/x y.py", "job/a.py", "training/b.py", "requirements.txt", "packages.txt",
        "requirements-gpu.txt", "deep/requirements.txt", "data/train.csv", "Dockerfile", "x.bin",
        "__pycache__/c.py",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "go.sh").chmod(0o555)
    (root / ".dockerignore").write_text("data\n*.bin\n")
    said = subprocess.run(
        [sys.executable, "-m", "job.scripts"], cwd=root, capture_output=True, check=True,
        env={"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
    ).stdout  # fmt: skip
    listed = [
        ".dockerignore", "Dockerfile", "deep/requirements.txt", "deep/x y.py", "go.sh", "job/a.py",
        "packages.txt", "requirements-gpu.txt", "requirements.txt", "train.py", "training/b.py",
    ]  # fmt: skip
    assert said == b"".join(os.fsencode(name) + b"\0" for name in listed)
    asked = subprocess.run(
        [sys.executable, "-m", "job.scripts", "-"], cwd=root, capture_output=True, check=True,
        input=b"a.bin\0new.py\0data/x.py\0", env={"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
    ).stdout  # fmt: skip
    assert asked == b"new.py\0"
    scripts.copy(root, work)
    copied = {path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file()}
    assert copied == {"deep/requirements.txt", "deep/x y.py", "go.sh", "train.py"}
    assert (work / "go.sh").stat().st_mode & 0o777 == 0o755
    assert (work / "train.py").stat().st_mtime_ns == (root / "train.py").stat().st_mtime_ns


@pytest.mark.docker
def test_a_real_build_takes_what_the_projects_rules_admit(engine, tmp_path):
    for name in OWN_IN + OWN_OUT:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    shutil.copy(PROJECT / ".dockerignore", tmp_path)
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY . /here\n")
    docker, name = engine["DOCKER"], f"ignored:{os.getpid()}"
    told = os.environ | engine | {"DOCKER_BUILDKIT": "1"}
    words = ["build", "--quiet", "--build-arg", "BASE_IMAGE", "--tag", name, "."]
    succeed(docker, *words, cwd=tmp_path, env=told)
    try:
        find = ["run", "--rm", "--entrypoint", "find", name, "/here", "-type", "f"]
        found = succeed(docker, *find, cwd=tmp_path).splitlines()
    finally:
        succeed(docker, "rmi", name, cwd=tmp_path)
    # BuildKit of Docker 20.10 passes over a folder that `**/*.*` matches; .dockerignore says what to add
    late = {"v1.2/train.py"}
    assert set(OWN_IN) - late <= {each.removeprefix("/here/") for each in found} <= set(OWN_IN)
