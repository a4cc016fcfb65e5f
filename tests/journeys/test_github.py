"""The project's GitHub workflow: it signs in, pushes and runs without a stored key."""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from user import (
    CONTAINERS,
    ENDLESS,
    Project,
    differences,
    left_behind,
)

pytestmark = pytest.mark.docker

GITHUB = "octo@12/churn@345"

SUBJECT = f"repo:{GITHUB}:ref:refs/heads/main"

BEARER = "what only the job knows"


class Issuer(BaseHTTPRequestHandler):
    """GitHub's part: a token for the job that shows its bearer, for whom ``claims`` says."""

    claims: ClassVar[dict[str, str]]

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        known = self.headers["Authorization"] == f"bearer {BEARER}"
        self.send_response(200 if known else 401)
        self.end_headers()
        claims = {"aud": asked["audience"][0], **self.claims}
        parts = [{"alg": "none"}, {"iss": "https://token.actions.githubusercontent.com", **claims}]
        encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts]
        token = ".".join([*(each.rstrip("=") for each in encoded), "x"])
        self.wfile.write(json.dumps({"value": token}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def issuer():
    with ThreadingHTTPServer(("127.0.0.1", 0), Issuer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/token?api-version=2.0"
        server.shutdown()


@dataclass
class Workflow:
    """The steps of train.yml as GitHub runs them: each a script of bash, in the job's environment."""

    project: Project
    environ: dict[str, str]
    started: list[subprocess.Popen]

    def start(self, name: str, **environ: str) -> subprocess.Popen:
        """Start the script of one step."""
        text = (self.project.folder / ".github/workflows/train.yml").read_text()
        steps = yaml.safe_load(text)["jobs"]["train"]["steps"]
        (found,) = (each for each in steps if each.get("name") == name)
        path = self.project.folder.parent / "step.sh"
        path.write_text(found["run"])
        if "RUN" in found.get("env", {}):
            assert found["env"]["RUN"] == "${{ steps.train.outputs.run }}"
            environ |= {"RUN": self.output("run")}
        # what a step before has left in $GITHUB_ENV
        kept = Path(self.environ["GITHUB_ENV"]).read_text().splitlines()
        more = dict(line.split("=", 1) for line in kept)
        step = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", path],
            cwd=self.project.folder, env=self.project.environ | self.environ | more | environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.started.append(step)
        return step

    def output(self, name: str) -> str:
        """Return the value that the step ``train`` gave to later steps last; "" for none."""
        lines = Path(self.environ["GITHUB_OUTPUT"]).read_text().splitlines()
        values = [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]
        return values[-1] if values else ""

    def end(self) -> None:
        """End what the steps left running, as GitHub does when the job is over."""
        for step in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(step.pid, signal.SIGKILL)

    def run(self, name: str, status: int = 0, **environ: str) -> str:
        """Run the script of one step to its end; return what it printed."""
        with self.start(name, **environ) as step:
            said = step.stdout.read()
        assert step.returncode == status, said
        return said


def test_a_workflow_of_github_pushes_and_runs_without_a_key(
    engine, installed, issuer, aws_cli, tmp_path
):
    """IAM is enforced: the emulator gives the role only for a token that its trust policy names.

    GitHub's machines have the AWS CLI v2.
    """
    folder = tmp_path / "churn-model"
    given = engine | {"AWS": str(aws_cli(2))}
    hello = "import sys\nprint('hello', sys.argv[1:])\nopen('model-card.md', 'w').write('# Model card')\n"
    scripts = {"hello": hello, "endless": ENDLESS}
    project = Project.copied(installed("xgboost"), folder, "xgboost", given, **scripts)
    project.environ["HOME"] = str(tmp_path)
    project.run(["make", "sandbox"], AUTH="true")
    workflow = Workflow(project, {}, [])
    try:
        assert "octocat/churn" in project.make("cluster", GITHUB="octo", status=2).stderr
        done = project.make("cluster", GITHUB=GITHUB)
        role = re.search(r"^GitHubRoleArn +(\S+)$", done.stdout, re.MULTILINE)[1]
        name = role.rpartition("/")[2]
        project.client("s3").delete_bucket_policy(Bucket="churn-model-000000000000-us-east-1")
        project.make("data")
        iam = project.client("iam")
        iam.put_role_policy(RoleName=name, PolicyName="emulator", PolicyDocument=differences())
        makefile = folder / ".sandbox/aws.mk"
        root = makefile.read_text()
        makefile.write_text(re.sub(r"export AWS_(ACCESS|SECRET).*\n", "", root))
        shutil.rmtree(folder / ".aws-state")  # what was read of .env lies there
        (folder / ".aws-state").symlink_to(".sandbox")
        for file in ("env", "summary", "output"):
            (tmp_path / file).touch()
        (folder / ".sandbox/stack.json").unlink()  # a fresh checkout remembers nothing
        workflow.environ |= {
                "AWS_ROLE_ARN": role, "AWS_ROLE_SESSION_NAME": "github-1", "RUNNER_TEMP": str(tmp_path),
                "GITHUB_ENV": str(tmp_path / "env"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
                "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_REPOSITORY": "octo/churn", "ACTIONS_ID_TOKEN_REQUEST_URL": issuer,
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER,
            }  # fmt: skip
        assert "GITHUB=octo/churn" in workflow.run("Sign in to AWS", 1, AWS_ROLE_ARN="")
        # nothing was started yet: the last step does not come
        assert workflow.output("run") == ""
        for claims in (
            {"sub": SUBJECT.replace("main", "other")},
            {"sub": "repo:octo/churn:ref:refs/heads/main"},
            {"sub": SUBJECT, "aud": "https://github.com/octo"},
        ):
            Issuer.claims = claims
            workflow.run("Sign in to AWS")
            said = workflow.run("Push the image and run", 2, SCRIPT="hello.py")
            assert (
                f"type: make SANDBOX=1 cluster GITHUB={claims['sub'].removeprefix('repo:')}" in said
            )
        Issuer.claims = {"sub": SUBJECT}
        # from the environment it is not taken: other programs set a variable of that name
        with (folder / ".env").open("a") as file:
            file.write(f"ENV = {CONTAINERS}\n")
        workflow.run("Sign in to AWS")
        token = tmp_path / "aws-token"
        assert token.stat().st_mode & 0o077 == 0
        said = workflow.run(
            "Push the image and run",
            SCRIPT="hello.py",
            ARGS="--note 'a, b' $(touch executed)",
        )
        assert "hello ['--note', 'a, b', '$(touch', 'executed)']" in said
        assert not (folder / "executed").exists()
        assert token.read_text() not in said and BEARER not in said
        run = re.search(r"^run (\S+), task", said, re.MULTILINE)[1]
        assert workflow.output("run") == run
        workflow.run("Tell how it went")
        summary = (tmp_path / "summary").read_text()
        assert re.search(r"^    state +Succeeded$", summary, re.MULTILINE)
        assert summary.endswith("# Model card")
        # Cancel is a signal to the shell alone
        step = workflow.start("Push the image and run", SCRIPT="endless.py")
        while (line := step.stdout.readline()) != "second 1\n":
            assert line
        step.send_signal(signal.SIGINT)
        said = step.stdout.read()
        assert step.wait() != 0
        assert "is stopping" in said
        makefile.write_text(root)
        assert "SIGTERM in make SANDBOX=1 run" in project.make("status").stdout
        # what the role may not do
        makefile.write_text(re.sub(r"export AWS_(ACCESS|SECRET).*\n", "", root))
        signed = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": role}
        done = project.run(["make", "cluster"], 2, **signed)
        assert "assumed-role" in done.stderr and "not authorized" in done.stderr
        makefile.write_text(root)
        assert "GitHubRoleArn" not in project.make("cluster").stdout
        with pytest.raises(iam.exceptions.NoSuchEntityException):
            iam.get_role(RoleName=name)
        project.make("destroy", YES="1")
        assert left_behind(project) == {}
    finally:
        workflow.end()
        project.make("sandbox-stop")
