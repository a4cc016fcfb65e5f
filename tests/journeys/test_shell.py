"""`make shell`: a shell in a running container."""

import json
import re
import shutil

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]

# What the AWS CLI starts with the session that ECS opened.
PLUGIN = "#!/bin/sh\necho plugin got $# words: $1\n"


def test_a_shell_is_opened_in_a_run_that_was_started_for_it(project):
    project.make("cluster")
    project.make("push")
    project.make("run", SCRIPT="endless.py", DETACH="1")
    plain = project.latest()
    plugin = project.folder.parent / "plugin" / "session-manager-plugin"
    plugin.parent.mkdir()
    if shutil.which(plugin.name) is None:
        done = project.make("shell", status=2)
        assert "session-manager plugin" in done.stderr
    plugin.write_text(PLUGIN)
    plugin.chmod(0o755)
    path = {"PATH": f"{plugin.parent}:{project.environ['PATH']}"}
    done = project.run(["make", "shell", f"RUN={plain}"], 2, **path)
    assert "without EXEC=1" in done.stderr
    project.make("stop", RUN=plain)
    done = project.make("run", SCRIPT="endless.py", DETACH="1", EXEC="1", status=2)
    assert "make SANDBOX=1 cluster EXEC=1" in done.stderr
    role = json.loads((project.folder / ".sandbox/stack.json").read_text())["TaskRoleArn"]
    role = role.rpartition("/")[2]
    iam = project.client("iam")
    assert "shell" not in iam.list_role_policies(RoleName=role)["PolicyNames"]
    project.make("cluster", EXEC="1")
    assert "shell" in iam.list_role_policies(RoleName=role)["PolicyNames"]
    project.make("run", SCRIPT="endless.py", DETACH="1", EXEC="1")
    run = project.latest()
    done = project.run(["make", "shell", f"RUN={run}"], **path)
    assert re.search(r"plugin got \d+ words: .*[sS]essionId", done.stdout)
    project.make("stop", RUN=run)
    done = project.run(["make", "shell", f"RUN={run}"], 2, **path)
    assert f"run {run} is not running" in done.stderr
    project.make("cluster")
    assert "shell" not in iam.list_role_policies(RoleName=role)["PolicyNames"]
