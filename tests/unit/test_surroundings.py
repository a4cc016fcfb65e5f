"""What the sandbox does differently stands in one file of its own, and nowhere else."""

import dataclasses
import json
import os
import re
import subprocess

import pytest
from ecs.surroundings import DIFFERENCES, Surroundings, surroundings
from sandbox import __main__ as sandbox
from support import PROJECT


def test_the_sandbox_differs_in_all_that_may_differ():
    aws, there = (dataclasses.asdict(surroundings(each)) for each in (False, True))
    assert aws == dataclasses.asdict(Surroundings())
    assert there == json.loads(DIFFERENCES.read_text())
    assert [name for name in aws if aws[name] == there[name]] == []


def test_of_aws_nothing_is_shortened():
    """DescribeTasks every 2 s (ecs-facts), ten seconds for the last lines, ten before another attempt."""
    aws = surroundings(False)
    assert (aws.look, aws.drain, aws.pause, aws.answer, aws.stop) == (2.0, 10.0, 10.0, 60.0, 0)


def test_an_emulator_that_was_killed_is_missed_and_aws_never(tmp_path):
    aws, pid = Surroundings(), tmp_path / "pid"
    there = dataclasses.replace(aws, process=str(pid))
    assert there.ended()  # no file
    pid.write_text(str(os.getpid()))
    assert not there.ended()
    with subprocess.Popen(["true"]) as process:
        pid.write_text(str(process.pid))
    assert there.ended()
    assert not aws.ended()


@pytest.mark.parametrize(
    ("program", "there"),
    [(None, False), ("exit 0", True), ("exit 1", False), ("/nonexistent", False)],
)
def test_the_emulator_s_environment_is_looked_into(tmp_path, monkeypatch, program, there):
    """Its Python may be gone, or another one by now, whatever the marker says."""
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    if program == "/nonexistent":
        python.symlink_to(program)
    elif program:
        python.write_text(f"#!/bin/sh\n{program}\n")
        python.chmod(0o755)
    monkeypatch.setattr(sandbox, "VENV", tmp_path)
    assert sandbox.lives() is there


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "ecs").rglob("*.py")), ids=lambda path: path.name
)
def test_nobody_else_asks_whether_this_is_the_sandbox(path):
    """But for sentences that differ there, and who is asked at all."""
    asked = len(re.findall(r"settings\.sandbox\b", path.read_text()))
    assert asked <= {"__main__.py": 2, "request.py": 1, "aws.py": 1}.get(path.name, 0)
