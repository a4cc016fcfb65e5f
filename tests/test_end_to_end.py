"""The whole way, for real: Docker, and an AWS emulator that takes the push and starts containers.

One project a framework, one image, one emulator: the tests of a framework run in the order in which
they stand here, as a user would type the commands, from `make cluster` to `make destroy`.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from support import ROOT

pytestmark = pytest.mark.docker

FRAMEWORKS = ("xgboost", "scikit-learn")
MODEL = {"xgboost": "model.ubj", "scikit-learn": "model.skops"}
QUICK = {"xgboost": "--n-estimators 5 --max-depth 2", "scikit-learn": "--max-iter 5"}

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


@dataclass
class Project:
    """A generated project in a git repository, and how to type commands in it."""

    folder: Path
    framework: str
    environ: dict[str, str]

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

    def client(self, service: str):
        """Return a boto3 client of the project's emulator."""
        port = (self.folder / ".sandbox/port").read_text()
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def latest(self) -> str:
        """Return the id of the latest run."""
        return re.search(r"^run +(\S+)", self.make("status").stdout, re.MULTILINE)[1]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def project(request, installed, engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("end-to-end") / "churn-model"
    shutil.copytree(installed(request.param), folder, symlinks=True)
    (folder / ".env").write_text("".join(f"{name} = {value}\n" for name, value in engine.items()))
    (folder / "endless.py").write_text(ENDLESS)
    keep = ("PATH", "HOME", "SSL_CERT_FILE", "PIP_CERT", "PIP_CONFIG_FILE", "UV_CACHE_DIR")
    environ = {name: os.environ[name] for name in keep if name in os.environ}
    made = Project(folder, request.param, environ | {"SANDBOX": "1"})
    made.git("init", "--quiet")
    made.git("add", ".")
    made.git("commit", "--quiet", "-m", "generated")
    made.make("sandbox")
    yield made
    made.make("sandbox-stop")


def readme_commands(folder: Path) -> list[str]:
    """Return the lines of all shell blocks of a README, in order."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return [line for block in blocks for line in block.splitlines()]


def test_every_command_of_the_readme_works_in_the_order_it_stands_there(project):
    commands = readme_commands(project.folder)
    assert commands[:2] == ["make cluster", "make push"]
    assert commands[-1] == "make destroy"  # the last test here types it
    for command in commands[:-1]:
        done = project.run(command)
        if command.startswith("make fetch"):
            run = next(iter((project.folder / "runs").iterdir()))
            assert (run / MODEL[project.framework]).stat().st_size > 1000
            metrics = json.loads((run / "metrics.json").read_text())
            assert metrics["validation"]["accuracy"] > 0.9
        if "SCRIPT=predict.py" in command:
            assert "predictions" in done.stdout + done.stderr
    # README and its table name every target there is
    listed = re.findall(r"^  ([a-z-]+)", project.make("help").stdout, re.MULTILINE)
    readme = (project.folder / "README.md").read_text()
    assert [target for target in listed if f"`{target}`" not in readme and target != "help"] == []


def test_the_predictions_made_on_ecs_are_those_made_on_the_laptop(project):
    project.make("run", ARGS=QUICK[project.framework])
    run = project.latest()
    project.make("fetch", RUN=run)
    words = f"--model runs/{run} --data data/test.csv"
    project.make("predict", ARGS=f"{words} --output here.csv")
    project.make("run", SCRIPT="predict.py", ARGS=words)
    there = project.latest()
    project.make("fetch", RUN=there)
    here = (project.folder / "here.csv").read_text()
    assert here.splitlines()[0] == "prediction"
    assert len(here.splitlines()) > 50
    assert here == (project.folder / "runs" / there / "predictions.csv").read_text()


def test_a_second_push_uploads_nothing(project):
    done = project.make("push")
    assert "nothing to push" in done.stdout
    assert "Pushed" not in done.stdout


def layers(project: Project, tag: str) -> dict[str, int]:
    """Return digest and compressed size in bytes of an image's layers in the registry."""
    answer = project.client("ecr").batch_get_image(
        repositoryName="churn-model", imageIds=[{"imageTag": tag}]
    )
    manifest = json.loads(answer["images"][0]["imageManifest"])
    return {each["digest"]: each["size"] for each in manifest["layers"]}


def tag_of(project: Project) -> str:
    return project.run(
        [".venv/bin/python", "-m", "ecs", "tag"], PROJECT="churn-model", REGION="us-east-1"
    ).stdout.strip()


def test_one_changed_line_uploads_the_code_layer_only(project, record_testsuite_property):
    revision = project.git("rev-parse", "--short=12", "HEAD")
    assert tag_of(project) == revision
    script = project.folder / "train.py"
    script.write_text(script.read_text() + "\n# one more line\n")
    tag = tag_of(project)
    assert re.fullmatch(rf"{revision}-dirty-[0-9a-f]{{12}}", tag)
    project.make("push")
    before, after = layers(project, revision), layers(project, tag)
    changed = {digest: size for digest, size in after.items() if digest not in before}
    total = sum(changed.values())
    print(
        f"\n{project.framework}: {total / 1e3:.1f} kB of {sum(after.values()) / 1e6:.1f} MB uploaded"
    )
    record_testsuite_property(f"{project.framework}-code-layer-bytes", total)
    # the scripts and their bytecode; the dependencies, all but these, stayed
    assert 0 < len(changed) <= 2
    assert total < 100_000
    project.git("checkout", "--quiet", "train.py")


AWKWARD = """--seed 3 --note 'a,b "c" $HOME `id` $(id) #x \\\\ %s {"k": [1, "é😀"]}\nnext line' """


def test_awkward_arguments_reach_the_containers_argv_unharmed(project):
    done = project.make("run", ARGS=AWKWARD + QUICK[project.framework])
    line = next(line for line in done.stdout.splitlines() if line.startswith("argv: "))
    assert json.loads(line.removeprefix("argv: "))[:4] == [
        "--seed",
        "3",
        "--note",
        'a,b "c" $HOME `id` $(id) #x \\\\ %s {"k": [1, "é😀"]}\nnext line',
    ]


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


@pytest.mark.parametrize(
    ("signals", "status", "state"),
    [
        ([signal.SIGINT], 130, "Running"),
        ([signal.SIGINT, signal.SIGINT], 130, "Failed"),
        ([signal.SIGTERM], 143, "Failed"),
    ],
    ids=["ctrl-c", "ctrl-c twice", "sigterm"],
)
def test_a_signal_to_the_follower_leaves_the_run_alone_or_stops_it(project, signals, status, state):
    follower = subprocess.Popen(
        PROGRAM,
        cwd=project.folder,
        env=project.environ | program_environment(project) | {"SCRIPT": "endless.py"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with follower:
        for line in follower.stdout:
            if line.startswith("second 1"):
                break
        said = ""
        for place, number in enumerate(signals):
            follower.send_signal(number)
            if place < len(signals) - 1:
                for line in follower.stderr:  # a second Ctrl-C is for who has read this
                    said += line
                    if line.startswith("Ctrl-C again now"):
                        break
        said += follower.communicate()[1]
    assert follower.returncode == status, said
    run = re.search(r"^run (\S+), task", said, re.MULTILINE)
    run = run[1] if run else project.latest()
    assert f"{state}" in project.make("status", RUN=run).stdout
    if state == "Running":
        assert f"make logs RUN={run}" in said
        project.make("stop", RUN=run)


def test_a_run_of_an_image_that_does_not_exist_fails_and_says_so(project):
    done = project.make("run", TAG="no-such-image", status=2)
    assert "no-such-image" in done.stderr
    assert "type: make push" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_detached_run_is_watched_and_stopped(project):
    project.make("run", SCRIPT="endless.py", DETACH="1")
    run = project.latest()
    assert re.search(
        r"^state +(Running|Pending|Activating|Provisioning)",
        project.make("status").stdout,
        re.MULTILINE,
    )
    project.make("stop", RUN=run[:18])
    done = project.make("logs", RUN=run, status=2)
    assert f"run {run} failed: " in done.stderr
    assert "make stop" in done.stderr
    assert re.search(rf"{run}.*Failed", project.make("runs").stdout)


def test_registering_and_creating_twice_changes_nothing(project):
    assert "unchanged" in project.make("register").stderr
    before = project.client("cloudformation").describe_stacks(StackName="churn-model")["Stacks"][0]
    done = project.make("cluster")
    assert "No changes to deploy" in done.stdout + done.stderr
    after = project.client("cloudformation").describe_stacks(StackName="churn-model")["Stacks"][0]
    assert after.get("LastUpdatedTime") == before.get("LastUpdatedTime")


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


def inside(project: Project, *words: str, options: tuple[str, ...] = ()) -> str:
    """Run a command in the image, as `make local` does, and return what it prints."""
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    image = f"churn-model:{tag_of(project)}"
    return project.run(
        [engine["DOCKER"], "run", "--rm", "--read-only", *options, image, *words]
    ).stdout


def test_the_image_is_small_read_only_and_not_roots(project):
    assert inside(project, "-c", "import os; print(os.getuid())").strip() == "10001"
    script = "import sys; print(sys.version_info[:2]); open('/scratch/x', 'w'); open('/app/x', 'w')"
    with pytest.raises(AssertionError, match="Read-only file system"):
        inside(project, "-c", script)
    names = json.loads(
        inside(
            project,
            "-c",
            "import importlib.metadata as m, json, sys; assert sys.version_info[:2] == (3, 13);"
            "print(json.dumps(sorted({d.metadata['Name'].lower() for d in m.distributions()})))",
        )
    )
    expected = {"xgboost": {"xgboost-cpu"}, "scikit-learn": {"scikit-learn", "skops"}}
    assert expected[project.framework] | {"boto3", "numpy", "pyarrow"} <= set(names)
    unwanted = {"pandas", "pip", "pytest", "awscli", "rich", "nvidia-nccl-cu12", "matplotlib"}
    if project.framework == "xgboost":
        unwanted |= {"scikit-learn", "xgboost"}
    assert unwanted & set(names) == set()
    # nothing but code: neither the data, nor git's history, nor the tools of the laptop
    files = set(
        inside(project, "-c", "import os; print(*sorted(os.listdir('/app')), sep='\\n')").split()
    )
    code = {"hyperparameters.py", "predict.py", "resume.py", "train.py", "training"}
    assert files == code | {"__pycache__", "endless.py"}


def test_a_private_index_is_used_and_leaves_no_trace_in_the_image(project):
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    # another file, so that the layer is made again: a secret is no part of a layer's identity
    requirements = project.folder / "requirements.txt"
    requirements.write_text(requirements.read_text() + f"# {os.urandom(8).hex()}\n")
    pip_conf = project.folder.parent / "pip.conf"
    canary = "canary-" + os.urandom(8).hex()
    pip_conf.write_text(
        f"[global]\nindex-url = http://user:{canary}@127.0.0.1:9/simple\nretries = 0\n"
    )
    done = project.make("build", PIP_CONF=str(pip_conf), TAG="secret", status=2)
    # pip went where it was told to, and there is nothing
    assert "No matching distribution found" in done.stdout + done.stderr
    assert canary not in done.stdout + done.stderr
    pip_conf.write_text(f"[global]\n# {canary}\ntimeout = 60\n")
    done = project.make("build", PIP_CONF=str(pip_conf), TAG="secret")
    assert canary not in done.stdout + done.stderr
    saved = project.folder.parent / "image.tar"
    project.run([engine["DOCKER"], "save", "--output", str(saved), "churn-model:secret"])
    found = subprocess.run(["grep", "-c", "--text", canary, str(saved)], check=False)
    assert found.returncode == 1
    saved.unlink()
    project.git("checkout", "--quiet", "requirements.txt")


# Tells that it has the secret without telling it, and stays until everybody has looked.
KEEPS_A_SECRET = """\
import hashlib
import os
import time

print("sha256:", hashlib.sha256(os.environ["TD_API_KEY"].encode()).hexdigest(), flush=True)
time.sleep(5)
print([name for name in os.environ if name.startswith("TD_")])
"""


class Watch(threading.Thread):
    """Looks for a word in the arguments of all processes, again and again, until it is stopped."""

    def __init__(self, word: str) -> None:
        super().__init__(daemon=True)
        self.word, self.found, self.looks = word.encode(), [], 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            self.look()
            self.over.wait(0.01)

    def look(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = path.read_bytes()
            except OSError:  # it has ended
                continue
            if self.word in arguments:
                self.found.append(arguments)
        self.looks += 1


def test_a_secret_reaches_the_container_and_is_seen_nowhere_else(project):
    canary = "canary-" + os.urandom(12).hex()
    (project.folder / "keeps.py").write_text(KEEPS_A_SECRET)
    project.make("cluster")
    project.make("push")
    said = []
    done = project.make("run", SCRIPT="keeps.py", SECRETS="TD_API_KEY", status=2)
    assert "type: make secret NAME=TD_API_KEY" in done.stderr
    watch = Watch(canary)
    watch.start()
    for value in ("another", canary):
        done = subprocess.run(
            ["make", "secret", "NAME=TD_API_KEY"],
            cwd=project.folder, env=project.environ, input=f"{value}\n",
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        said += [done.stdout, done.stderr]
    assert "created" in said[1]
    assert "updated" in said[3]
    done = project.make("run", SCRIPT="keeps.py", SECRETS="TD_API_KEY")
    said += [done.stdout, done.stderr]
    # it arrived, and by no other variable
    assert f"sha256: {hashlib.sha256(canary.encode()).hexdigest()}" in done.stdout
    assert "['TD_API_KEY']" in done.stdout
    run = project.latest()
    for target in ("logs", "status", "runs", "fetch"):
        done = project.make(target, RUN=run)
        said += [done.stdout, done.stderr]
    watch.over.set()
    watch.join()
    assert watch.looks > 10
    assert watch.found == []
    ecs, s3 = project.client("ecs"), project.client("s3")
    definition = ecs.describe_task_definition(taskDefinition="churn-model")["taskDefinition"]
    (injected,) = definition["containerDefinitions"][0]["secrets"]
    assert injected["name"] == "TD_API_KEY"
    assert ":secret:churn-model/TD_API_KEY-" in injected["valueFrom"]
    said.append(json.dumps(definition, default=str))
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    for each in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        said.append(s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read().decode("latin-1"))
    logs = project.client("logs")
    for stream in logs.describe_log_streams(logGroupName="/ecs/churn-model")["logStreams"]:
        name = stream["logStreamName"]
        events = logs.get_log_events(logGroupName="/ecs/churn-model", logStreamName=name)["events"]
        said += [each["message"] for each in events]
    # all files here but the emulator's own store, which is AWS
    store = project.folder / ".sandbox"
    for path in project.folder.rglob("*"):
        inside = path.is_relative_to(store) and path.parent != store
        if path.is_file() and not inside and ".venv" not in path.parts:
            said.append(path.read_text(encoding="latin-1"))
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    image = f"churn-model:{tag_of(project)}"
    said.append(project.run([engine["DOCKER"], "history", "--no-trunc", image]).stdout)
    said.append(project.run([engine["DOCKER"], "inspect", image]).stdout)
    assert [text[:200] for text in said if canary in text] == []
    # the search can find: the emulator's own store has it
    (stored,) = project.client("secretsmanager").list_secrets()["SecretList"]
    value = project.client("secretsmanager").get_secret_value(SecretId=stored["ARN"])
    assert value["SecretString"] == canary
    # the next run goes without
    assert "(new)" in project.make("register").stderr
    (project.folder / "keeps.py").unlink()
    project.make("push")


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
    assert "make cluster EXEC=1" in done.stderr
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


def test_a_schedule_holds_the_request_of_make_run(project):
    project.make("cluster")
    project.make("push")
    words = {"NAME": "nightly", "CRON": "cron(0 3 * * ? *)", "ARGS": AWKWARD}
    done = project.make("schedule", NAME="nightly", CRON="0 3 * * *", status=2)
    assert "cron(0 3 * * ? *)" in done.stderr
    assert "created" in project.make("schedule", **words).stderr
    assert "updated" in project.make("schedule", **words).stderr
    scheduler = project.client("scheduler")
    target = scheduler.get_schedule(Name="nightly", GroupName="churn-model")["Target"]
    request = json.loads(project.make("run", ARGS=AWKWARD, DRY_RUN="1").stdout)
    there, here = (
        each["containerOverrides"][0]
        for each in (json.loads(target["Input"]), request["overrides"])
    )
    assert there["command"] == here["command"]
    variables = {each["name"]: each["value"] for each in there["environment"]}
    assert variables["RUN_ID"] == "<aws.scheduler.scheduled-time>-nightly"
    assert variables["RUN_URI"].endswith("/runs/<aws.scheduler.scheduled-time>-nightly/")
    assert re.search(r"^ *nightly .*churn-model:\d", project.make("schedules").stdout, re.MULTILINE)
    assert "no schedule has that name" in project.make("unschedule", NAME="x", status=2).stderr
    project.make("unschedule", NAME="nightly")
    assert scheduler.list_schedules()["Schedules"] == []
    project.make("schedule", **words)  # for make destroy


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


def test_destroy_leaves_nothing_of_the_project(project):
    project.make("run", SCRIPT="endless.py", DETACH="1")
    done = project.make("destroy", status=2)
    assert "make destroy YES=1" in done.stderr
    project.make("status")  # nothing was deleted
    project.make("destroy", YES="1")
    assert left_behind(project) == {}
    done = project.make("destroy", YES="1", status=2)
    assert "no stack" in done.stderr


def test_data_that_is_kept_is_taken_up_again_and_destroy_survives_its_end(project):
    """Killed at whichever of its stages, and typed again."""
    s3 = project.client("s3")
    project.make("cluster")
    (bucket,) = (each["Name"] for each in s3.list_buckets()["Buckets"])
    model = {"Bucket": bucket, "Key": "churn-model/runs/20260102T030405Z-abcdef/model.ubj"}
    s3.put_object(**model, Body=b"a model")
    done = project.make("destroy", KEEP_DATA="1", YES="1")
    assert f"kept: s3://{bucket}" in done.stderr
    assert set(left_behind(project)) == {"buckets"}
    assert s3.get_object(**model)["Body"].read() == b"a model"
    assert "is taken up again" in project.make("cluster").stderr
    done = project.make("cluster")
    assert "No changes to deploy" in done.stdout + done.stderr
    assert "20260102T030405Z-abcdef" in project.make("runs").stdout
    for stage in ("emptying and deleting s3://", "deleting the stack"):
        destroy = subprocess.Popen(
            ["make", "destroy", "YES=1"],
            cwd=project.folder, env=project.environ, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with destroy:
            assert any(stage in line for line in destroy.stderr)
            os.killpg(destroy.pid, signal.SIGKILL)
    again = ["make", "destroy", "YES=1"]  # at the second stage it may have been over
    subprocess.run(again, cwd=project.folder, env=project.environ, check=False, capture_output=True)
    wait_until(lambda: left_behind(project) == {})


def wait_until(happens) -> None:
    deadline = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_stack_with_a_network_of_its_own_comes_and_goes(project):
    before = left_behind(project)
    planned = project.make("plan", NETWORK="own").stdout
    assert re.search(r"^create +AWS::EC2::VPC +Vpc$", planned, re.MULTILINE)
    assert re.search(r"^create +AWS::S3::Bucket +Bucket$", planned, re.MULTILINE)
    assert left_behind(project) == before  # nothing was executed
    asked = {"NETWORK": "own", "RUN_DAYS": "7", "BOUNDARY": "arn:aws:iam::000000000000:policy/b"}
    project.make("cluster", **asked)
    done = project.make("cluster", **asked)
    assert "No changes to deploy" in done.stdout + done.stderr
    ec2 = project.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    subnets = ec2.describe_subnets(Filters=inside)["Subnets"]
    assert len({each["AvailabilityZone"] for each in subnets}) == 2
    (door,) = ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"]
    assert (door["VpcEndpointType"], door["ServiceName"][-3:]) == ("Gateway", ".s3")
    groups = [
        each["GroupName"] for each in ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
    ]
    assert len(groups) == 2  # that of the tasks, and the one that every VPC has
    network = json.loads(project.make("run", DRY_RUN="1").stdout)["networkConfiguration"]
    found = network["awsvpcConfiguration"]["subnets"]
    assert sorted(found) == sorted(each["SubnetId"] for each in subnets)
    planned = project.make("plan", **asked).stdout
    assert planned.startswith("make cluster would change nothing\n")
    planned = project.make("plan").stdout
    assert re.search(r"^change +AWS::IAM::Role +TaskRole", planned, re.MULTILINE), planned
    assert ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"]
    # an update takes it away again, and the parameters that are empty with it
    project.make("cluster")
    assert not {"networks", "gateways", "endpoints"} & set(left_behind(project))
    for role in project.client("iam").list_roles()["Roles"]:
        assert "PermissionsBoundary" not in role
    project.make("cluster", **asked)
    project.make("destroy", YES="1")
    assert left_behind(project) == before == {}


# Where the emulator asks for another resource than the service authorization reference has: the
# cluster for a task or a revision, the group for a stream, the default group of schedules.
ACCOUNT = "us-east-1:000000000000"
DIFFERENCES = {
    f"arn:aws:ecs:{ACCOUNT}:cluster/churn-model": "ecs:RunTask ecs:StopTask ecs:DescribeTasks",
    f"arn:aws:logs:{ACCOUNT}:log-group:/ecs/churn-model": "logs:GetLogEvents",
    f"arn:aws:scheduler:{ACCOUNT}:schedule/default/*": "scheduler:CreateSchedule "
    "scheduler:GetSchedule scheduler:UpdateSchedule scheduler:DeleteSchedule",
    "*": "ecs:DeleteTaskDefinitions",
}


def becomes(project: Project, name: str, *targets: str) -> None:
    """Make a user with the policies that these targets print, and let the project use its keys."""
    made = [project.make(target).stdout for target in targets]
    allowed = [
        {"Effect": "Allow", "Action": actions.split(), "Resource": [arn]}
        for arn, actions in DIFFERENCES.items()
    ]
    made.append(json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    iam = project.client("iam")
    iam.create_user(UserName=name)
    for number, policy in enumerate(made):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"ACCESS_KEY_ID": key["AccessKeyId"], "SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    makefile = project.folder / ".sandbox/aws.mk"
    text = makefile.read_text()
    for word, value in keys.items():
        text = re.sub(
            rf"(AWS_{word} :=) .*", lambda found, value=value: f"{found[1]} {value}", text
        )
    makefile.write_text(text)


def test_the_printed_policies_are_enough(engine, installed, tmp_path):
    """IAM is enforced here. The containers' own credentials are not of their role in the emulator."""
    folder = tmp_path / "churn-model"
    shutil.copytree(installed("xgboost"), folder, symlinks=True)
    (folder / ".env").write_text("".join(f"{name} = {value}\n" for name, value in engine.items()))
    (folder / "hello.py").write_text("print('hello from the container')\n")
    keep = ("PATH", "HOME", "SSL_CERT_FILE", "PIP_CERT", "PIP_CONFIG_FILE", "UV_CACHE_DIR")
    environ = {name: os.environ[name] for name in keep if name in os.environ}
    project = Project(folder, "xgboost", environ | {"SANDBOX": "1"})
    project.run(["make", "sandbox"], AUTH="true")
    try:
        root = (folder / ".sandbox/aws.mk").read_text()
        becomes(project, "owner", "policy", "cluster-policy", "network-policy")
        project.make("plan")
        project.make("cluster")
        project.make("cluster", LOG_DAYS="7")
        bucket = "churn-model-000000000000-us-east-1"
        # the bucket is reached by TLS only, and the emulator has none: that too is enforced
        assert "explicit deny" in project.make("data", status=2).stderr
        project.client("s3").delete_bucket_policy(Bucket=bucket)
        (folder / ".sandbox/aws.mk").write_text(root)
        becomes(project, "runner", "policy")
        for target in ("push", "data"):
            project.make(target)
        project.run("echo x | make secret NAME=KEY")
        done = project.make("run", SCRIPT="hello.py", SECRETS="KEY")
        assert "hello from the container" in done.stdout
        for target in ("status", "logs", "runs", "fetch", "schedules"):
            project.make(target)
        project.make("schedule", NAME="n", CRON="rate(1 day)")
        project.make("unschedule", NAME="n")
        project.make("run", SCRIPT="hello.py", DETACH="1")
        for target in ("cluster", "plan"):
            assert "not authorized" in project.make(target, status=2).stderr
        assert "not authorized" in project.make("destroy", YES="1", status=2).stderr
        # what training does with the role of its task, and what no task may do
        outputs = json.loads((folder / ".sandbox/stack.json").read_text())
        role = project.client("sts").assume_role(
            RoleArn=outputs["TaskRoleArn"], RoleSessionName="task"
        )["Credentials"]
        s3 = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=project.client("s3").meta.endpoint_url,
            aws_access_key_id=role["AccessKeyId"],
            aws_secret_access_key=role["SecretAccessKey"],
            aws_session_token=role["SessionToken"],
        )
        own = {"Bucket": bucket, "Key": "churn-model/runs/x/checkpoints/1"}
        s3.put_object(**own, Body=b"x", Tagging="kind=checkpoint")
        s3.get_object(**own)
        s3.list_objects_v2(Bucket=bucket, Prefix="churn-model/runs/x/")
        s3.delete_object(**own)
        for forbidden in (
            lambda: s3.put_object(Bucket=bucket, Key="churn-model-2/x", Body=b"x"),
            lambda: s3.list_objects_v2(Bucket=bucket),
            lambda: s3.delete_bucket(Bucket=bucket),
            lambda: s3.list_buckets(),
        ):
            with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
                forbidden()
        (folder / ".sandbox/aws.mk").write_text(root)
        becomes(project, "leaver", "policy", "cluster-policy", "network-policy")
        project.make("destroy", YES="1")
        assert left_behind(project) == {}
    finally:
        project.make("sandbox-stop")


def test_make_demo_ends_with_a_model_and_its_metrics(engine, tmp_path):
    environ = os.environ | engine | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        ["make", "demo"], cwd=ROOT, env=environ, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert re.search(r"^validation: .*accuracy 0\.9", said, re.MULTILINE)
    (project,) = tmp_path.glob("*/churn-model")
    (model,) = project.glob("runs/*/model.ubj")
    assert model.stat().st_size > 1000
    assert (
        f"model: s3://churn-model-000000000000-us-east-1/churn-model/runs/{model.parent.name}/"
        in said
    )
    assert str(project) in said
    # it leaves no server behind
    assert not (project / ".sandbox/pid").exists()


def test_podman_builds_the_image_too(engine, installed, tmp_path):
    podman = shutil.which("podman")
    if podman is None:
        sentence = "podman is not on this machine; .ci/run installs it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)
    folder = tmp_path / "churn-model"
    shutil.copytree(installed("xgboost"), folder, symlinks=True)
    environ = os.environ | {"BUILDAH_ISOLATION": "chroot", "CA_BUNDLE": engine["CA_BUNDLE"]}
    line = (
        "set -euo pipefail;"
        f"{engine['DOCKER']} save {engine['BASE_IMAGE']} | {podman} load;"
        f"make build DOCKER={podman} BASE_IMAGE={engine['BASE_IMAGE']} TAG=by-podman;"
        f"{podman} inspect --format '{{{{.Config.User}}}} {{{{.Config.Entrypoint}}}}' churn-model:by-podman;"
        f"{podman} rmi --force churn-model:by-podman"
    )
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environ, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10001:10001 [python]" in done.stdout
