"""A project's folder with the launcher in it, and how to start scripts there as `make train` does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import PROJECT


class Folder:
    """A project that has nothing but the launcher, `.dockerignore` and what a test writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copytree(PROJECT / "job", path / "job", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / ".dockerignore", path)
        self.write("data/train.csv", "label,a\n1,2\n")

    def write(self, name: str, text: str) -> Path:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def start(self, script: str, *words: str, run: str = "r", **environ: str) -> subprocess.Popen:
        """Start a script by the launcher; both streams of output are one."""
        channels = {"train": {"uri": "data/train.csv", "path": "data/train.csv"}}
        told = {
            "RUN_ID": run, "RUN_CHANNELS": json.dumps(channels), "PATH": os.environ["PATH"],
            "HOME": str(self.path), **environ,
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "job", script, *words], cwd=self.path, env=told,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def launch(self, script: str, *words: str, run: str = "r", **environ: str) -> tuple[int, str]:
        """Run a script to its end; return the exit status and everything that was printed."""
        process = self.start(script, *words, run=run, **environ)
        said = process.communicate(timeout=120)[0].decode(errors="replace")
        return process.returncode, said

    def files(self, run: str = "r") -> set[str]:
        """Return the names of the files that a run has left."""
        folder = self.path / "runs" / run
        return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}

    def manifest(self, run: str = "r") -> dict:
        return json.loads((self.path / "runs" / run / "manifest.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "project")
