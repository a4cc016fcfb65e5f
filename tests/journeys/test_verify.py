"""`make verify`: a sound installation, then one with a part missing."""

import re

import pytest
from user import program_environment

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]


def test_verify_finds_nothing_wrong_then_a_log_group_that_was_deleted(project):
    done = project.make("verify")
    assert {line[:6] for line in done.stdout.splitlines()} == {"[ok]  ", "[skip]"}
    assert "[ok]   the image is for X86_64" in done.stdout
    bare = {"SANDBOX": "", "HOME": str(project.folder.parent), "AWS_EC2_METADATA_DISABLED": "true"}
    done = project.run(["make", "verify", "OFFLINE=1"], **bare)
    assert "[skip] credentials: needs an account" in done.stdout
    project.client("logs").delete_log_group(logGroupName="/ecs/churn-model")
    done = project.make("verify", status=2)
    assert [line for line in done.stdout.splitlines() if line.startswith("[FAIL]")] == [
        "[FAIL] there is no log group /ecs/churn-model"
    ]
    remedy = re.search(r"^ +type: (aws .*)$", done.stdout, re.MULTILINE)[1]
    project.run(f".venv/bin/{remedy}", **program_environment(project))
    project.make("verify")
