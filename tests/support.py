"""What several tests need that is no fixture: where things are, and how a user would run Make."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
BIN = Path(sys.executable).parent  # of this repository's environment, where the linters are

FRAMEWORKS = ("xgboost", "scikit-learn")
COMPUTES = ("fargate", "fargate-spot", "ec2", "gpu", "managed", "managed-gpu")
ARCHITECTURES = ("x86_64", "arm64")
DEFAULTS = {
    "project_name": "Churn Model",
    "project_slug": "churn-model",
    "framework": "xgboost",
    "aws_region": "us-east-1",
    "compute": "fargate",
    "cpu_architecture": "x86_64",
}

# no proxy between the tests and this machine
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# the machine's own Make, and the newest one, out of a package
MAKES = {"system": "make", "gnumake": str(BIN / "make")}


def plain_environment(home: Path, path: str = os.defpath) -> dict[str, str]:
    """Return the environment of somebody who has set up nothing: no credentials, no tools."""
    return {"PATH": path, "HOME": str(home)}


def call(
    *command: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return what it printed, whatever its exit status."""
    words = [str(part) for part in command]
    return subprocess.run(
        words, check=False, cwd=cwd, env=env, input=stdin, capture_output=True, text=True
    )


def succeed(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a command that must succeed and return its standard output."""
    done = call(*command, cwd=cwd, env=env)
    said = f"{command}: exit status {done.returncode}\n{done.stdout[-8000:]}{done.stderr[-8000:]}"
    assert done.returncode == 0, said
    return done.stdout


def variable_arguments(variables: Mapping[str, str]) -> list[str]:
    """Return ``NAME=value`` words, as they stand on Make's command line."""
    return [f"{name}={value}" for name, value in variables.items()]


def seen_by_recipes(
    project: Path,
    folder: Path,
    *words: str,
    make: str = "make",
    env: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment that the recipes of the project's Makefile get.

    A Makefile in ``folder`` includes the project's own and adds a target that tells.
    """
    probe = folder / "probe.mk"
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    probe.write_text(f"include Makefile\nprobe: ; @{sys.executable} -c '{program}'\n")
    env = plain_environment(folder) if env is None else env
    return json.loads(succeed(make, "-f", probe, "probe", *words, cwd=project, env=env))


def targets_of(makefile: Path) -> list[str]:
    """Return the names of the targets."""
    text = makefile.read_text().replace("\\\n", " ")
    return re.search(r"^(?:override TARGETS :=|\.PHONY:) (.*)$", text, re.MULTILINE)[1].split()


def options_of(project: Path) -> list[str]:
    """Return the names of the variables that the user may set."""
    text = (project / "Makefile").read_text().replace("\\\n", " ")
    return re.search(r"^OPTIONS := (.*)$", text, re.MULTILINE)[1].split()


@dataclass(frozen=True)
class Moto:
    """moto's server, the second emulator, in a process of its own."""

    endpoint: str

    def post(self, path: str, body: str = "") -> None:
        """Ask the server for what is no call of AWS's: ``reset``, or ``reset-auth`` with a number."""
        request = urllib.request.Request(
            f"{self.endpoint}/moto-api/{path}", body.encode(), {"Content-Type": "text/plain"}
        )
        LOOPBACK.open(request, timeout=20).close()

    def client(self, service: str, key: str = "root", secret: str = "nothing") -> Any:
        """Return the client of a service, root's or a user's."""
        return boto3.client(
            service, region_name="us-east-1", endpoint_url=self.endpoint,
            aws_access_key_id=key, aws_secret_access_key=secret,
        )  # fmt: skip


@contextmanager
def moto_server(log: Path) -> Iterator[Moto]:
    """Run moto's server on a free port of the loopback interface; what it prints goes to ``log``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    line = [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with (
        log.open("w") as file,
        subprocess.Popen(line, env=environ, stdout=file, stderr=file) as server,
    ):
        try:
            moto, deadline = Moto(f"http://127.0.0.1:{port}"), time.monotonic() + 60
            while True:
                try:
                    moto.post("reset")
                    break
                except OSError:
                    assert server.poll() is None and time.monotonic() < deadline, log.read_text()
                    time.sleep(0.1)
            yield moto
        finally:
            server.terminate()


def everything(client: Callable[[str], Any]) -> dict[str, list]:
    """Return the names of all that a project could leave in an account, kind by kind.

    Args:
        client: gives the account's client of a service.
    """
    ecs, ecr, s3 = client("ecs"), client("ecr"), client("s3")
    secrets, scheduler = client("secretsmanager"), client("scheduler")
    clusters = ecs.list_clusters()["clusterArns"]
    buckets = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    repositories = [each["repositoryName"] for each in ecr.describe_repositories()["repositories"]]
    return {
        "stacks": [
            (each["StackName"], each["StackStatus"], each.get("LastUpdatedTime"))
            for each in client("cloudformation").describe_stacks()["Stacks"]
        ],
        "clusters": clusters,
        "tasks": [
            (status, arn)
            for cluster in clusters
            for status in ("RUNNING", "STOPPED")
            for arn in ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
        ],
        "task definitions": [
            (status, arn)
            for status in ("ACTIVE", "INACTIVE")
            for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]
        ],
        "images": [
            (name, image["imageDigest"], image.get("imageTag"))
            for name in repositories
            for image in ecr.list_images(repositoryName=name)["imageIds"]
        ],
        "objects": [
            (bucket, each["Key"], each["VersionId"])
            for bucket in buckets
            for found in [s3.list_object_versions(Bucket=bucket)]
            for each in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        ],
        "uploads": [
            (bucket, each["Key"])
            for bucket in buckets
            for each in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        ],
        "secrets": [
            (each["Name"], sorted(each.get("SecretVersionsToStages", [])))
            for each in secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]
        ],
        "schedule groups": [
            each["Name"] for each in scheduler.list_schedule_groups()["ScheduleGroups"]
        ],
        "schedules": [
            (each["GroupName"], each["Name"]) for each in scheduler.list_schedules()["Schedules"]
        ],
        "log groups": [
            each["logGroupName"] for each in client("logs").describe_log_groups()["logGroups"]
        ],
        "roles": [each["RoleName"] for each in client("iam").list_roles()["Roles"]],
        "security groups": [
            each["GroupId"] for each in client("ec2").describe_security_groups()["SecurityGroups"]
        ],
    }


def copy_project(source: Path, target: Path) -> Path:
    """Copy an installed project; the copy shares the original's environment, read only."""
    ignored = shutil.ignore_patterns(".venv", "__pycache__", ".*_cache")
    shutil.copytree(source, target, ignore=ignored)
    (target / ".venv").symlink_to(source / ".venv")
    return target


def lacking(sentence: str) -> NoReturn:
    """End a test that needs what is not on this machine: a failure in CI, a skip elsewhere."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)
