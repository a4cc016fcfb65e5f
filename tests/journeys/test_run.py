"""`make run`: arguments, several runs at once, runs that cannot start, and the AWS CLI v2."""

import json
import re

import pytest
from user import AWKWARD, ONE_FRAMEWORK, PROGRAM, QUICK, program_environment

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]

# What the container was told, a line that only this run may have.
TELLS = """\
import os, sys

print("told", os.environ["RUN_ID"], *sys.argv[1:], flush=True)
"""


@ONE_FRAMEWORK
def test_runs_started_at_once_from_one_folder_stay_apart(project):
    (project.folder / "tell.py").write_text(TELLS)
    project.make("push")
    line = 'for i in 1 2 3 4; do make run SCRIPT=tell.py ARGS="--n $i" & done; wait'
    said = project.run(line).stdout
    told = re.findall(r"^told (\S+) --n (\d)$", said, re.MULTILINE)
    assert sorted(number for _, number in told) == ["1", "2", "3", "4"]
    assert len({run for run, _ in told}) == 4
    rows = project.make("runs", LIMIT="4").stdout
    for run, number in told:
        assert re.search(rf"{run}.*Succeeded.*tell.py --n {number}", rows)
    (project.folder / "tell.py").unlink()
    project.make("push")


def test_awkward_arguments_reach_the_containers_argv_unharmed(project):
    done = project.make("run", ARGS=AWKWARD + QUICK[project.framework])
    line = next(line for line in done.stdout.splitlines() if line.startswith("argv: "))
    assert json.loads(line.removeprefix("argv: "))[:4] == [
        "--seed",
        "3",
        "--note",
        'a,b "c" $HOME `id` $(id) #x \\\\ %s {"k": [1, "é😀"]}\nnext line',
    ]


def test_arguments_longer_than_ecs_takes_reach_the_container_whole(project):
    note = "é" + "x" * 9000  # Docker cuts lines of the log at 16 KiB
    done = project.make("run", ARGS=f"--note {note} {QUICK[project.framework]}")
    line = next(line for line in done.stdout.splitlines() if line.startswith("argv: "))
    argv = ["--note", note, *QUICK[project.framework].split()]
    assert json.loads(line.removeprefix("argv: ")) == argv
    assert note in project.make("status").stdout


def test_registering_and_creating_twice_changes_nothing(project):
    assert "unchanged" in project.make("register").stderr
    before = project.client("cloudformation").describe_stacks(StackName="churn-model")["Stacks"][0]
    done = project.make("cluster")
    assert "No changes to deploy" in done.stdout + done.stderr
    after = project.client("cloudformation").describe_stacks(StackName="churn-model")["Stacks"][0]
    assert after.get("LastUpdatedTime") == before.get("LastUpdatedTime")


def test_an_unknown_option_prints_the_containers_error_and_fails(project):
    done = project.make("run", ARGS="--no-such-option 1", status=2)
    assert "no-such-option" in done.stdout
    assert "exit code 2" in done.stderr
    assert "--help" in done.stderr  # what to type, too
    assert "failed" in project.make("status").stdout.lower()
    # Make says 2 whatever happens; the program behind it says what the container said
    (project.folder / "exits.py").write_text("raise SystemExit(7)\n")
    project.make("push")
    done = project.run(PROGRAM, 7, SCRIPT="exits.py", **program_environment(project))
    assert "exit code is 7" in done.stderr or "exit code 7" in done.stderr
    (project.folder / "exits.py").unlink()


def test_a_run_of_an_image_that_does_not_exist_fails_and_says_so(project):
    done = project.make("run", TAG="no-such-image", status=2)
    assert "no-such-image" in done.stderr
    assert "type: make SANDBOX=1 push" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_official_cli_v2_takes_the_same_way(project, aws_cli):
    v2 = str(aws_cli(2))
    assert "aws-cli/2." in project.make("login", AWS=v2).stderr
    for target in ("cluster", "push", "data"):
        project.make(target, AWS=v2)
    done = project.make("run", AWS=v2, ARGS=AWKWARD + QUICK[project.framework])
    assert "succeeded" in done.stderr
    # as many lines of the log afterwards as there were at the time
    assert project.make("logs", AWS=v2).stdout == done.stdout
    project.make("run", AWS=v2, SCRIPT="endless.py", DETACH="1")
    assert "aws ecs stop-task" in project.make("stop", AWS=v2).stderr
