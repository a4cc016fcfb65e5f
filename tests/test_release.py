"""`make release`, in a clone."""

import re
import shutil
from pathlib import Path

import pytest
from support import ROOT, call, succeed


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    (folder / "tools").mkdir(parents=True)
    for name in "Makefile", "CHANGELOG.md", "pyproject.toml", "tools/release.sh":
        shutil.copy2(ROOT / name, folder / name)
    succeed("git", "init", "--quiet", cwd=folder)
    succeed("git", "add", ".", cwd=folder)
    succeed("git", "commit", "--quiet", "-m", "all", cwd=folder)
    return folder


def test_a_release_dates_the_changelog_and_is_tagged(clone: Path):
    succeed("make", "release", "VERSION=1.2.3", cwd=clone)
    assert re.search(
        r"^## 1\.2\.3 \(\d{4}-\d\d-\d\d\)$", (clone / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert 'version = "1.2.3"' in (clone / "pyproject.toml").read_text()
    assert succeed("git", "tag", cwd=clone) == "v1.2.3\n"
    assert succeed("git", "status", "--porcelain", cwd=clone) == ""
    done = call("make", "release", "VERSION=1.2.4", cwd=clone)  # nothing new is written down
    assert (done.returncode, "has no heading '## Unreleased'" in done.stderr) == (2, True)


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.3", "1.2.3; touch x", "$(shell touch x)"])
def test_what_is_no_version_is_refused(clone: Path, version: str):
    done = call("make", "release", f"VERSION={version}", cwd=clone)
    assert done.returncode == 2
    assert f"error: VERSION='{version}': three numbers" in done.stderr
    assert succeed("git", "tag", cwd=clone) == ""
    assert not (clone / "x").exists()


def test_changes_that_are_not_committed_are_refused(clone: Path):
    (clone / "x").touch()
    done = call("make", "release", "VERSION=1.2.3", cwd=clone)
    assert (done.returncode, "not committed" in done.stderr) == (2, True)
    assert succeed("git", "tag", cwd=clone) == ""
