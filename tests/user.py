"""A generated project as a user has it: its folder, the commands typed there, what they leave.

The tests in journeys/ and test_capacities.py share it.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

FRAMEWORKS = ("xgboost", "scikit-learn")

MODEL = {"xgboost": "model.ubj", "scikit-learn": "model.skops"}

QUICK = {"xgboost": "--n-estimators 5 --max-depth 2", "scikit-learn": "--max-iter 5"}

# long enough to be interrupted, with checkpoints on the way
LONG = {
    "xgboost": "--n-estimators 20000 --max-depth 2 --checkpoint-every 500",
    "scikit-learn": "--max-iter 2000 --checkpoint-every 100",
}

# A script that goes on until it is stopped, as a long training does.
ENDLESS = """\
import signal
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
for second in range(600):
    print(f"second {second}", flush=True)
    time.sleep(1)
"""

# As many lines as it is told, so many seconds apart, the last one right before the exit.
LINES = """\
import sys
import time

count, seconds = int(sys.argv[1]), float(sys.argv[2])
for number in range(1, count + 1):
    print(f"line {number} of {count}", flush=seconds > 0)
    time.sleep(seconds)
"""

AWKWARD = """--seed 3 --note 'a,b "c" $HOME `id` $(id) #x \\\\ %s {"k": [1, "é😀"]}\nnext line' """


@dataclass
class Project:
    """A generated project in a git repository, and how to type commands in it."""

    folder: Path
    framework: str
    environ: dict[str, str]

    @classmethod
    def copied(
        cls, source: Path, folder: Path, framework: str, engine: dict[str, str], **scripts: str
    ) -> "Project":
        """Return a copy in ``folder`` of the project in ``source``, with some ``scripts`` beside."""
        shutil.copytree(source, folder, symlinks=True)
        lines = "".join(f"{name} = {value}\n" for name, value in engine.items())
        (folder / ".env").write_text(lines)
        for name, text in scripts.items():
            (folder / f"{name}.py").write_text(text)
        keep = ("PATH", "HOME", "SSL_CERT_FILE", "PIP_CERT", "PIP_CONFIG_FILE", "UV_CACHE_DIR")
        environ = {name: os.environ[name] for name in keep if name in os.environ}
        return cls(folder, framework, environ | {"SANDBOX": "1"})

    def commit(self) -> None:
        """Make a repository of it, with all its files."""
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "generated")

    def make(self, *words: str, status: int = 0, **variables: str) -> subprocess.CompletedProcess:
        """Run make and check its exit status; variables go on the command line."""
        line = ["make", *words, *(f"{name}={value}" for name, value in variables.items())]
        return self.run(line, status)

    def run(
        self, line: list[str] | str, status: int = 0, **environ: str
    ) -> subprocess.CompletedProcess:
        """Run a command, or a shell line, in the project; check its exit status."""
        done = subprocess.run(
            line,
            cwd=self.folder,
            env=self.environ | environ,
            shell=isinstance(line, str),
            executable="/bin/bash" if isinstance(line, str) else None,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, f"{line}\n{done.stdout}\n{done.stderr}"
        return done

    def git(self, *words: str) -> str:
        """Run git with a user of its own."""
        user = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
        return self.run(["git", *user, *words]).stdout.strip()

    @property
    def endpoint(self) -> str:
        """The address of the project's emulator."""
        return f"http://127.0.0.1:{(self.folder / '.sandbox/port').read_text()}"

    def client(self, service: str):
        """Return a boto3 client of the project's emulator."""
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def latest(self) -> str:
        """Return the id of the latest run."""
        return re.search(r"^run +(\S+)", self.make("status").stdout, re.MULTILINE)[1]


# for what takes long and has nothing to do with the library
ONE_FRAMEWORK = pytest.mark.parametrize("project", FRAMEWORKS[:1], indirect=True, scope="package")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tag_of(project: Project) -> str:
    return project.run(
        [".venv/bin/python", "-m", "ecs", "tag"], PROJECT="churn-model", REGION="us-east-1"
    ).stdout.strip()


def inside(project: Project, *words: str, options: tuple[str, ...] = ()) -> str:
    """Run a command in the image, as `make local` does, and return what it prints."""
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    image = f"churn-model:{tag_of(project)}"
    return project.run(
        [engine["DOCKER"], "run", "--rm", "--read-only", *options, image, *words]
    ).stdout


PROGRAM = [".venv/bin/python", "-m", "ecs", "run"]


def program_environment(project: Project) -> dict[str, str]:
    """Return the variables with which Make calls the program behind `make run` in the sandbox."""
    port = (project.folder / ".sandbox/port").read_text()
    return {
        "PROJECT": "churn-model",
        "REGION": "us-east-1",
        "STATE": ".sandbox",
        "AWS": ".venv/bin/aws",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def wait_until(happens) -> None:
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def left_behind(project: Project) -> dict[str, list]:
    """Return what there is in the emulator's account, service by service; what is empty left out."""
    ec2 = project.client("ec2")
    default = {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if vpc["IsDefault"]}
    left = {
        "secrets": project.client("secretsmanager").list_secrets()["SecretList"],
        "tasks": project.client("ecs").list_tasks(cluster="churn-model").get("taskArns")
        if project.client("ecs").list_clusters()["clusterArns"]
        else [],
        "clusters": project.client("ecs").list_clusters()["clusterArns"],
        "task definitions": [
            arn
            for status in ("ACTIVE", "INACTIVE")
            for arn in project.client("ecs").list_task_definitions(status=status)[
                "taskDefinitionArns"
            ]
        ],
        "repositories": project.client("ecr").describe_repositories()["repositories"],
        "buckets": project.client("s3").list_buckets()["Buckets"],
        "log groups": project.client("logs").describe_log_groups()["logGroups"],
        "roles": [
            role["RoleName"]
            for role in project.client("iam").list_roles()["Roles"]
            if role["RoleName"].startswith("churn-model")
        ],
        "security groups": [
            group["GroupName"]
            for group in project.client("ec2").describe_security_groups()["SecurityGroups"]
            if group["GroupName"] != "default"
        ],
        "networks": [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]],
        "gateways": [
            each["InternetGatewayId"]
            for each in ec2.describe_internet_gateways()["InternetGateways"]
            if not {a["VpcId"] for a in each["Attachments"]} & default
        ],
        "endpoints": ec2.describe_vpc_endpoints()["VpcEndpoints"],
        "launch templates": ec2.describe_launch_templates()["LaunchTemplates"],
        "instance profiles": project.client("iam").list_instance_profiles()["InstanceProfiles"],
        "groups of instances": project.client("autoscaling").describe_auto_scaling_groups()[
            "AutoScalingGroups"
        ],
        "schedules": project.client("scheduler").list_schedules()["Schedules"],
        "schedule groups": [
            group["Name"]
            for group in project.client("scheduler").list_schedule_groups()["ScheduleGroups"]
            if group["Name"] != "default"
        ],
        "stacks": [
            stack["StackName"]
            for stack in project.client("cloudformation").list_stacks()["StackSummaries"]
            if stack["StackStatus"] != "DELETE_COMPLETE"
        ],
    }
    return {name: found for name, found in left.items() if found}


# Where the emulator asks for another resource than the service authorization reference has: the
# cluster for a task or a revision, the group for a stream, the default group of schedules. It does
# not know ecs:cluster either, on which ListTasks depends.
ACCOUNT = "us-east-1:000000000000"

DIFFERENCES = {
    f"arn:aws:ecs:{ACCOUNT}:cluster/churn-model": "ecs:RunTask ecs:StopTask ecs:DescribeTasks "
    "ecs:ListTasks",
    f"arn:aws:logs:{ACCOUNT}:log-group:/ecs/churn-model": "logs:GetLogEvents",
    f"arn:aws:scheduler:{ACCOUNT}:schedule/default/*": "scheduler:CreateSchedule "
    "scheduler:GetSchedule scheduler:UpdateSchedule scheduler:DeleteSchedule",
    "*": "ecs:DeleteTaskDefinitions ecs:DescribeClusters ecr:DescribeRepositories "
    "scheduler:GetScheduleGroup scheduler:ListScheduleGroups",
}

# With IAM enforced, the credentials that the emulator gives a container are nobody's.
CONTAINERS = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"


def differences() -> str:
    """Return the policy that allows what the emulator asks for beside."""
    allowed = [
        {"Effect": "Allow", "Action": actions.split(), "Resource": [arn]}
        for arn, actions in DIFFERENCES.items()
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": allowed})
