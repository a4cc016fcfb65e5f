"""The whole way, for real: Docker, and an AWS emulator that takes the push and starts containers.

One project a framework, one image, one emulator: the tests of a framework run in the order in which
they stand here, as a user would type the commands, from `make cluster` to `make destroy`.
"""

import base64
import contextlib
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import yaml
from ecs.run import retry
from ecs.verdict.rules import RESUME
from support import BIN, ROOT, copy_project, lacking

pytestmark = pytest.mark.docker

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

# In front of the emulator: of ten calls about three go wrong, each in another way.
FAULTS = [
    # the task is started, and its answer is lost on the way
    {"service": "ecs", "operation": "RunTask", "times": 1, "response": {"abort_frac": 0.3}},
    {"service": "ecs", "operation": "RunTask", "times": 1, "response": {"abort_frac": 0.0}},
    {
        "service": "*",
        "sequence": {"fail": 1, "pass": 10},
        "error": {"code": "ThrottlingException", "message": "Rate exceeded", "status": 400},
    },
    {
        "service": "*",
        "sequence": {"fail": 1, "pass": 11},
        "error": {"code": "InternalFailure", "message": "an error inside", "status": 500},
    },
    {"service": "*", "sequence": {"fail": 1, "pass": 13}, "reset": True},
    {"service": "logs", "sequence": {"fail": 1, "pass": 14}, "response": {"abort_frac": 0.5}},
    {"service": "*", "sequence": {"fail": 1, "pass": 28}, "timeout_ms": 12000},
]


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
ONE_FRAMEWORK = pytest.mark.parametrize("project", FRAMEWORKS[:1], indirect=True, scope="module")


@pytest.fixture(scope="module", params=FRAMEWORKS)
def project(request, installed, engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("end-to-end") / "churn-model"
    source = installed(request.param)
    made = Project.copied(source, folder, request.param, engine, endless=ENDLESS, lines=LINES)
    made.commit()
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
            manifest = json.loads((run / "manifest.json").read_text())
            assert manifest["git_revision"] == project.git("rev-parse", "HEAD")
            assert set(manifest["files"]) >= {MODEL[project.framework], "metrics.json"}
        if command == "make report":
            assert "<svg" in (run / "report.html").read_text()
        if "SCRIPT=predict.py" in command:
            assert "predictions" in done.stdout + done.stderr
    # the reference names every target there is
    listed = re.findall(r"^  ([a-z-]+)", project.make("help").stdout, re.MULTILINE)
    reference = (project.folder / "docs/reference.md").read_text()
    assert [each for each in listed if f"`{each}`" not in reference and each != "help"] == []


def test_the_predictions_made_on_ecs_are_those_made_on_the_laptop(project):
    project.make("run", ARGS=QUICK[project.framework])
    run = project.latest()
    project.make("fetch", RUN=run)
    channels = f"data=data/test.csv model=runs/{run}"
    said = project.make("predict", DATA=channels).stdout
    here = project.folder / re.search(r"^-- results: (\S+)$", said, re.MULTILINE)[1]
    there = {}
    for data in (channels, "data=data/test.csv model=latest"):
        project.make("run", SCRIPT="predict.py", DATA=data)
        there[data] = project.latest()
        project.make("fetch", RUN=there[data])
    predictions = (here / "predictions.csv").read_text()
    assert predictions.splitlines()[0] == "prediction"
    assert len(predictions.splitlines()) > 50
    for found in there.values():
        assert predictions == (project.folder / "runs" / found / "predictions.csv").read_text()


# As people have them: nobody who wrote these had this template in mind.
STYLES = {
    "plain.py": """\
import argparse, json, pickle
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int, default=3)
args = parser.parse_args()
rows = open("data/train.csv").read().splitlines()
with open("model/model.pkl", "wb") as file:
    pickle.dump({"depth": args.depth, "rows": len(rows)}, file)
with open("metrics.json", "w") as file:
    json.dump({"accuracy": 0.5}, file)
""",
    "positional.py": """\
import pickle, sys
rows = open(sys.argv[1]).read().splitlines()
pickle.dump(len(rows), open(sys.argv[2], "wb"))
print("metric: validation.accuracy=0.25")
""",
    "jobs/variables.py": """\
import os
folder = os.environ["SM_CHANNEL_TRAIN"]
(name,) = os.listdir(folder)
rows = open(os.path.join(folder, name)).read().splitlines()
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as file:
    file.write(str(len(rows)))
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "seen.txt"), "w") as file:
    file.write(os.environ["SM_HPS"])
print("metric: accuracy=0.75")
""",
}
OPT_ML = """\
import os
rows = open("/opt/ml/input/data/train/train.csv").read().splitlines()
os.makedirs("/opt/ml/checkpoints", exist_ok=True)
with open("/opt/ml/model/model.txt", "w") as file:
    file.write(str(len(rows)))
with open("/tmp/scratch.txt", "w") as file:
    file.write("not kept")
print("metric: accuracy=0.1")
"""
# script: its arguments, the files that it leaves beside metrics.json, its row in `make runs`
LEAVES = {
    "plain.py": ("--depth 4", {"model/model.pkl"}, "accuracy 0.5"),
    "positional.py": ("data/train.csv model/old.pkl", {"model/old.pkl"}, "accuracy 0.25"),
    "jobs/variables.py": (
        "--rate 0.1", {"model/model.txt", "output/data/seen.txt"}, "accuracy 0.75",
    ),
    "opt_ml.py": ("", {"model/model.txt"}, "accuracy 0.1"),
}  # fmt: skip


def test_scripts_in_four_styles_leave_the_same_files_here_in_the_image_and_on_ecs(project):
    for name, text in {**STYLES, "opt_ml.py": OPT_ML}.items():
        (project.folder / name).parent.mkdir(exist_ok=True)
        (project.folder / name).write_text(text)
    project.make("push")
    for name, (words, leaves, row) in LEAVES.items():
        found = []
        for target in ("train", "local", "run"):
            if (name, target) == ("opt_ml.py", "train"):
                continue
            done = project.make(target, SCRIPT=name, ARGS=words)
            if target == "run":
                run = project.latest()
                project.make("fetch", RUN=run)
                folder = project.folder / "runs" / run
            else:
                said = re.search(r"^-- results: (\S+)$", done.stdout, re.MULTILINE)[1]
                folder = project.folder / said
            manifest = json.loads((folder / "manifest.json").read_text())
            assert (manifest["script"], manifest["exit_code"]) == (name, 0)
            assert set(manifest["files"]) == {*leaves, "metrics.json"}, (name, target)
            found.append({each: sha256(folder / each) for each in manifest["files"]})
        assert all(each == found[0] for each in found), name
        line = next(each for each in project.make("runs").stdout.splitlines() if run in each)
        assert row in line
    for name in (*STYLES, "opt_ml.py"):
        (project.folder / name).unlink()
    (project.folder / "jobs").rmdir()
    project.make("push")


@ONE_FRAMEWORK
def test_what_is_wrong_with_a_script_is_said_before_a_task_is_paid_for(project):
    before = project.make("runs").stdout
    (project.folder / "needs.py").write_text("import pandas\nimport json\n")
    done = project.make("run", SCRIPT="needs.py", status=2)
    assert "needs.py imports pandas, and the image lacks that" in done.stderr
    assert 'type: make add PACKAGE="pandas", then make push' in done.stderr
    done = project.make("run", SCRIPT="nothing.py", status=2)
    assert "there is no nothing.py in this folder" in done.stderr
    done = project.make("run", DATA="data/nothing.csv", status=2)
    assert "there is no s3://" in done.stderr and "type: make data" in done.stderr
    table = project.folder / "data/train.csv"
    whole = table.read_text()
    table.write_text(whole + whole.splitlines()[1] + "\n")
    done = project.make("run", status=2)
    assert "data/train.csv differs from what was uploaded" in done.stderr
    other = re.search(r'make run DATA="(s3://\S+)"', done.stderr)[1]
    table.write_text(whole)
    assert project.make("runs").stdout == before
    (project.folder / "needs.py").unlink()
    # the way on that was printed
    assert "succeeded" in project.make("run", DATA=other, ARGS=QUICK[project.framework]).stderr


@ONE_FRAMEWORK
def test_a_script_that_saves_nothing_or_writes_elsewhere_is_told(project):
    scripts = {
        "silent.py": "print('done')\n",
        "beside.py": "open('/model.txt', 'w').write('x')\n",
        "reads.py": "open('data/lookup.csv')\n",
    }
    for name, text in scripts.items():
        (project.folder / name).write_text(text)
    project.make("push")
    done = project.make("run", SCRIPT="silent.py")
    assert "warning: the script saved nothing" in done.stderr
    # the emulator's root file system can be written to; the image as ECS runs it cannot
    done = project.make("local", SCRIPT="beside.py", status=2)
    assert "Read-only file system: '/model.txt'" in done.stdout + done.stderr
    done = project.make("run", SCRIPT="reads.py", status=2)
    assert 'make run DATA="train=data/train.csv more=data/lookup.csv"' in done.stderr
    for name in scripts:
        (project.folder / name).unlink()
    project.make("push")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_started_as_sagemaker_starts_it_the_image_makes_the_same_model(project, tmp_path):
    project.make("run", ARGS=QUICK[project.framework])
    run = project.latest()
    project.make("fetch", RUN=run)
    words = QUICK[project.framework].split()
    tree = tmp_path / "ml"
    for name in ("input/config", "input/data/train", "model", "output/data"):
        (tree / name).mkdir(parents=True)
        (tree / name).chmod(0o777)
    (tree / "output").chmod(0o777)
    shutil.copy(project.folder / "data/train.csv", tree / "input/data/train")
    names = [word.removeprefix("--") for word in words[::2]]
    given = dict(zip(names, words[1::2], strict=True)) | {"sagemaker_region": "us-east-1"}
    (tree / "input/config/hyperparameters.json").write_text(json.dumps(given))
    mounted = ("--volume", f"{tree}:/opt/ml")
    inside(project, "train", options=mounted)
    model = MODEL[project.framework]
    assert sha256(tree / "model" / model) == sha256(project.folder / "runs" / run / model)
    assert json.loads((tree / "output/data/metrics.json").read_text())["validation"]
    assert not (tree / "output/failure").exists()
    # its failures are told where SageMaker shows them
    (tree / "input/config/hyperparameters.json").write_text('{"no_such": "1"}')
    with pytest.raises(AssertionError, match="unknown option --no_such"):
        inside(project, "train", options=mounted)
    assert (tree / "output/failure").read_text().startswith("error: unknown option --no_such")


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


@ONE_FRAMEWORK
def test_keys_that_lead_out_of_a_run_are_left_out_and_the_rest_is_fetched(project):
    """As S3 itself lists them; unit/test_download.py has the others."""
    run, s3 = "20200101T000000Z-abcdef", project.client("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    hostile = ["x/../../../../escaped", "/abs", "x//y", "x\\y", "good/below"]
    for name in (*hostile, "good"):
        s3.put_object(Bucket=bucket, Key=f"churn-model/runs/{run}/{name}", Body=b"x")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"churn-model/runs/{run}/")["Contents"]
    assert len(listed) == len(hostile) + 1
    before = set(project.folder.parent.iterdir()) | set(project.folder.iterdir())
    done = project.make("fetch", RUN=run, status=2)
    assert done.stderr.count(" was left out: ") == len(hostile)
    assert set(project.folder.parent.iterdir()) | set(project.folder.iterdir()) == before
    assert (project.folder / "runs" / run / "good").read_text() == "x"
    for each in listed:
        s3.delete_object(Bucket=bucket, Key=each["Key"])
    shutil.rmtree(project.folder / "runs" / run)


def test_a_second_push_uploads_nothing(project):
    done = project.make("push")
    assert "nothing to push" in done.stdout
    assert "Pushed" not in done.stdout


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


def test_arguments_longer_than_ecs_takes_reach_the_container_whole(project):
    note = "é" + "x" * 9000  # Docker cuts lines of the log at 16 KiB
    done = project.make("run", ARGS=f"--note {note} {QUICK[project.framework]}")
    line = next(line for line in done.stdout.splitlines() if line.startswith("argv: "))
    argv = ["--note", note, *QUICK[project.framework].split()]
    assert json.loads(line.removeprefix("argv: ")) == argv
    assert note in project.make("status").stdout


def test_runs_that_ecs_has_forgotten_are_listed_compared_fetched_and_run_again(project):
    words = QUICK[project.framework]
    project.make("run", ARGS=words)
    old = project.latest()
    task = re.search(r"^task +(\S+)", project.make("status").stdout, re.MULTILINE)[1]
    # what ECS does by itself an hour later; all else stays as it is
    project.make("sandbox-stop")
    state = project.folder / ".sandbox/state/ecs.json"
    kept = json.loads(state.read_text())
    kept["payload"]["tasks"]["data"].clear()
    state.write_text(json.dumps(kept))
    project.make("sandbox")
    known = project.client("ecs").describe_tasks(cluster="churn-model", tasks=[task])
    assert known["tasks"] == []
    line = next(each for each in project.make("runs").stdout.splitlines() if old in each)
    assert re.search(r"Succeeded +0 .*(auc|accuracy) 0\..*" + re.escape(words), line)
    project.make("fetch", RUN=old)
    assert (project.folder / "runs" / old / MODEL[project.framework]).stat().st_size > 1000
    assert "[end of run" not in project.make("logs", RUN=old).stdout
    assert "has ended already" in project.make("stop", RUN=old).stderr
    done = project.make("rerun", RUN=old)
    new = re.search(r"^run (\S+) succeeded", done.stderr, re.MULTILINE)[1]
    assert new != old
    project.make("fetch", RUN=new)
    model = MODEL[project.framework]
    here = project.folder / "runs"
    assert (here / new / model).read_bytes() == (here / old / model).read_bytes()
    rows = [row.split() for row in project.make("compare", RUNS=f"{old} {new}").stdout.splitlines()]
    assert rows[0] == [old, new]
    (image,) = (row for row in rows if row[0] == "image")  # no mark: they are the same
    assert image[1].startswith("sha256:")
    # other data: refused, nothing started; what is put back is the user's own table, not the example
    (project.folder / "data/.example").unlink()
    table = project.folder / "data/train.csv"
    whole = table.read_text()
    table.write_text("".join(whole.splitlines(keepends=True)[:-50]))
    project.make("data")
    done = project.make("rerun", RUN=old, status=2)
    assert f"the data of run {old} has changed since" in done.stderr
    assert project.latest() == new
    done = project.make("rerun", RUN=old, YES="1")
    rows = project.make("compare", RUNS=f"{old} {project.latest()}").stdout.splitlines()
    assert any(re.match(r" *\* +data ", row) for row in rows)
    table.write_text(whole)
    project.make("data")


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
        assert f"make attach RUN={run}" in said
        project.make("stop", RUN=run)
        # attaching ends as the run itself would have
        assert f"run {run} failed: " in project.make("attach", RUN=run, status=2).stderr


class Terminal:
    """A user's shell in a pseudo-terminal: what is typed goes in, what is shown comes out."""

    PROMPT = "READY> "

    def __init__(self, project: Project) -> None:
        self.master, slave = pty.openpty()
        self.shown = ""
        self.shell = subprocess.Popen(
            ["setsid", "--ctty", "bash", "--norc", "--noprofile", "-i"],
            cwd=project.folder,
            env=project.environ | {"PS1": self.PROMPT, "TERM": "dumb"},
            stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        os.close(slave)
        self.until(self.PROMPT)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def until(self, pattern: str, limit: float = 120.0) -> re.Match:
        """Return the first match in what is shown from here on, which is forgotten up to it."""
        deadline = time.monotonic() + limit
        while not (found := re.search(pattern, self.shown)):
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{pattern!r} did not come:\n{self.shown[-4000:]}"
            self.shown += os.read(self.master, 65536).decode(errors="replace")
        self.shown = self.shown[found.end() :]
        return found

    def child(self) -> int:
        """Return the id of the process that runs in front."""
        told = subprocess.run(
            ["pgrep", "-P", str(self.shell.pid)], check=True, capture_output=True, text=True
        )
        return int(told.stdout)

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self.master)


@pytest.fixture
def terminal(project) -> Iterator[Terminal]:
    made = Terminal(project)
    yield made
    made.close()


def typed_status(terminal: Terminal) -> int:
    """Wait for the prompt and ask the shell for the status of the last command."""
    terminal.until(Terminal.PROMPT)
    terminal.type("echo status $?\n")
    return int(terminal.until(r"\nstatus (\d+)")[1])


def test_ctrl_c_at_make_run_detaches_and_the_run_can_be_attached_again(project, terminal):
    terminal.type("make run SCRIPT=endless.py\n")
    run = terminal.until(r"run (\S+), task")[1]
    terminal.until("second 1\r")
    terminal.type("\x03")
    terminal.until(f"detached; run {run} goes on. To follow it: make attach RUN={run}")
    assert typed_status(terminal) != 0
    assert "Running" in project.make("status", RUN=run).stdout
    terminal.type(f"make attach RUN={run}\n")
    terminal.until("second 1\r")  # from the first line again
    terminal.type("\x03")
    terminal.until("Ctrl-C again now")
    terminal.type("\x03")
    terminal.until(f"run {run} is stopping")
    assert re.search(r"^state +Failed", project.make("status", RUN=run).stdout, re.MULTILINE)


def test_two_quick_ctrl_c_at_make_run_stop_the_task_with_a_reason(project, terminal):
    terminal.type("make run SCRIPT=endless.py\n")
    run = terminal.until(r"run (\S+), task")[1]
    terminal.until("second 1\r")
    terminal.type("\x03")
    time.sleep(0.2)  # two signals at the same moment are one
    terminal.type("\x03")
    terminal.until(f"run {run} is stopping")
    shown = project.make("status", RUN=run).stdout
    assert re.search(r"^state +Failed", shown, re.MULTILINE)
    assert "Ctrl-C in make run" in shown


def test_sigterm_at_make_run_stops_the_task(project, terminal):
    terminal.type("make run SCRIPT=endless.py\n")
    run = terminal.until(r"run (\S+), task")[1]
    terminal.until("second 1\r")
    os.kill(terminal.child(), signal.SIGTERM)  # Make hands it on
    terminal.until(f"run {run} is stopping")
    assert typed_status(terminal) != 0
    assert "SIGTERM in make run" in project.make("status", RUN=run).stdout


def test_a_run_that_lost_its_machine_is_tried_again_from_its_checkpoint(project):
    """SIGTERM out of the blue, as before a Spot interruption; the emulator knows no such thing."""
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    follower = subprocess.Popen(
        PROGRAM,
        cwd=project.folder,
        env=project.environ
        | program_environment(project)
        | {"ARGS": LONG[project.framework], "RETRIES": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with follower:
        for line in follower.stderr:
            if found := re.match(r"run (\S+), task (\S+)", line):
                break
        run, task = found.groups()
        s3 = project.client("s3")
        prefix = f"churn-model/runs/{run}/checkpoints/"
        bucket = s3.list_buckets()["Buckets"][0]["Name"]
        while follower.poll() is None:
            if s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents"):
                break
            time.sleep(0.1)
        (described,) = project.client("ecs").describe_tasks(cluster="churn-model", tasks=[task])[
            "tasks"
        ]
        container = described["containers"][0]["runtimeId"]
        project.run([engine["DOCKER"], "kill", "--signal", "TERM", container])
        out, said = follower.communicate()
    assert follower.returncode == 0, out + said
    assert "attempt 2 of 2 in " in said
    assert re.search(r"^resuming after round [1-9]", out, re.MULTILINE)
    project.make("fetch", RUN=run)
    metrics = json.loads((project.folder / "runs" / run / "metrics.json").read_text())
    assert metrics["attempts"] == 2
    result = json.loads((project.folder / "runs" / run / "result.json").read_text())
    told = [(each["state"], each["retry"]) for each in result["attempts"]]
    assert told == [("Interrupted", "resume"), ("Succeeded", "never")]
    # the log of both
    assert project.make("logs", RUN=run).stdout.count("argv: ") == 2


def model_of(project: Project, run: str) -> str:
    """Fetch a run and return its model's sha256."""
    project.make("fetch", RUN=run)
    return sha256(project.folder / "runs" / run / MODEL[project.framework])


def describe(project: Project, task: str) -> dict:
    """Return a task as the emulator describes it."""
    (found,) = project.client("ecs").describe_tasks(cluster="churn-model", tasks=[task])["tasks"]
    return found


def to_emulator(request: dict) -> dict:
    """Return a RunTask request without what only the AWS CLI's version of the model has."""
    return {name: value for name, value in request.items() if name != "clientToken"}


def test_docker_kill_and_resume_give_the_bytes_of_a_run_without_a_break(project):
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    words = LONG[project.framework]
    project.make("run", ARGS=words)
    whole = model_of(project, project.latest())
    project.make("run", ARGS=words, DETACH="1")
    run = project.latest()
    s3 = project.client("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    folder = f"churn-model/runs/{run}/"
    task = json.loads(s3.get_object(Bucket=bucket, Key=folder + "run.json")["Body"].read())["task"]
    deadline = time.monotonic() + 300
    while not any(
        each["Key"].endswith(".json")
        for each in s3.list_objects_v2(Bucket=bucket, Prefix=folder + "checkpoints/").get(
            "Contents", []
        )
    ):
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.1)
    described = project.client("ecs").describe_tasks(cluster="churn-model", tasks=[task])
    project.run([engine["DOCKER"], "kill", described["tasks"][0]["containers"][0]["runtimeId"]])
    assert "exit code 137" in project.make("logs", RUN=run, status=2).stderr
    assert "model: " not in project.make("status", RUN=run).stdout
    # a kill is no loss of a machine, as far as ECS tells: the next attempt is sent as a follower would
    record = json.loads(s3.get_object(Bucket=bucket, Key=folder + "run.json")["Body"].read())
    request = retry.next_request(
        record["request"], [{"retry": RESUME, "task": task}], retries=1, spot_fallback=False
    )
    started = project.client("ecs").run_task(**to_emulator(request))["tasks"][0]["taskArn"]
    while describe(project, started)["lastStatus"] != "STOPPED":
        time.sleep(0.2)
    record["attempts"].append({"attempt": 2, "task": started})
    s3.put_object(
        Bucket=bucket,
        Key=folder + "run.json",
        Body=json.dumps(record | {"task": started}).encode(),
    )
    log = project.make("logs", RUN=run).stdout
    assert re.search(r"^resuming after round [1-9]", log, re.MULTILINE)
    assert model_of(project, run) == whole


def test_a_long_log_arrives_whole_and_in_order_to_the_line_before_the_exit(project):
    done = project.make("run", SCRIPT="lines.py", ARGS="50000 0")
    lines = [line for line in done.stdout.splitlines() if line.startswith("line ")]
    assert lines == [f"line {number} of 50000" for number in range(1, 50001)]
    assert "no end mark" not in done.stderr
    assert project.make("logs").stdout == done.stdout


@contextmanager
def faults_before(project: Project) -> Iterator[str]:
    """Start a proxy that spoils calls to the project's emulator; give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = project.folder.parent / "faults.json"  # JSON is YAML
    config.write_text(json.dumps({"rules": FAULTS}))
    emulator = project.run(["cat", ".sandbox/port"]).stdout
    proxy = subprocess.Popen(
        [BIN / "microburst", "--upstream", f"http://127.0.0.1:{emulator}", "--port", str(port),
         "--config", str(config)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                ask(url, "health")
                break
            except OSError:
                assert proxy.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield url
    finally:
        proxy.terminate()
        proxy.wait()


def ask(url: str, what: str) -> object:
    """Return what the proxy tells of itself."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/_microburst/{what}", timeout=5) as answer:
        return json.load(answer)


@ONE_FRAMEWORK
def test_a_run_followed_through_faults_is_judged_right_and_each_line_comes_once(project):
    ecs = project.client("ecs")
    with faults_before(project) as url:
        environ = program_environment(project) | {"AWS_ENDPOINT_URL": url}
        done = project.run(
            PROGRAM, 0, SCRIPT="lines.py", ARGS="300 0.1", DATA="data/train.csv", **environ
        )
        fired, stats = ask(url, "fired"), ask(url, "stats")
    lines = [line for line in done.stdout.splitlines() if line.startswith("line ")]
    assert lines == [f"line {number} of 300" for number in range(1, 301)]
    assert "succeeded" in done.stderr
    assert "no end mark" not in done.stderr
    run = re.search(r"^run (\S+), task", done.stderr, re.MULTILINE)[1]
    # one task, though the answer to RunTask never came
    tasks = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(
            cluster="churn-model", startedBy=f"{run}-1", desiredStatus=status
        )["taskArns"]
    ]
    assert len(tasks) == 1, done.stderr
    assert "the attempt's task is there already" in done.stderr
    kinds = Counter(each["action"].partition(":")[0] for each in fired)
    share = stats["requests"]["faulted"] / stats["requests"]["total"]
    print(f"\n{share:.0%} of {stats['requests']['total']} calls failed: {dict(kinds)}")
    assert 0.2 < share < 0.35
    assert len(kinds) >= 4, kinds


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


def in_python(project: Project, *words: str) -> str:
    """Run Python in the image, without the launcher, and return what it prints."""
    return inside(project, *words, options=("--entrypoint", "python"))


def test_the_image_is_small_read_only_and_not_roots(project):
    assert in_python(project, "-c", "import os; print(os.getuid())").strip() == "10001"
    script = "import sys; print(sys.version_info[:2]); open('/scratch/x', 'w'); open('/app/x', 'w')"
    with pytest.raises(AssertionError, match="Read-only file system"):
        in_python(project, "-c", script)
    names = json.loads(
        in_python(
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
        in_python(project, "-c", "import os; print(*sorted(os.listdir('/app')), sep='\\n')").split()
    )
    code = {"features.py", "job", "predict.py", "train.py", "training"}
    assert files == code | {"endless.py", "lines.py"}


@ONE_FRAMEWORK
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


@ONE_FRAMEWORK
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


def test_a_scheduled_run_is_known_like_any_other(project):
    """The emulator's scheduler starts nothing: here the test sends what it would send."""
    project.make("cluster")
    project.make("push")
    project.make("data")
    words = {"CRON": "rate(1 hour)", "ARGS": QUICK[project.framework]}
    project.make("schedule", NAME="hourly", **words)
    schedule = project.client("scheduler").get_schedule(Name="hourly", GroupName="churn-model")
    target, now = schedule["Target"], "2031-02-03T04:05:06Z"
    values = target["EcsParameters"]["NetworkConfiguration"]["awsvpcConfiguration"]
    project.client("ecs").run_task(
        cluster=target["Arn"],
        taskDefinition=target["EcsParameters"]["TaskDefinitionArn"],
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {
                name[0].lower() + name[1:]: each for name, each in values.items()
            }
        },
        overrides=json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", now)),
    )
    run = f"{now}-hourly"
    look = ["make", "status", f"RUN={run}"]  # fails as long as the container has not begun

    def ended() -> bool:
        done = subprocess.run(
            look,
            cwd=project.folder,
            env=project.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        return "state      Succeeded" in done.stdout

    wait_until(ended)
    assert "metrics: metrics.json" in project.make("logs", RUN=run).stdout
    table = project.make("runs").stdout
    assert re.search(rf"^ *{run} .*Succeeded.*{words['ARGS']}", table, re.MULTILINE)
    again = project.make("rerun", RUN=run)
    assert " succeeded" in again.stderr
    project.make("schedule", NAME="hourly", **words)  # for make destroy


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


def becomes(project: Project, name: str, *targets: str) -> None:
    """Make a user with the policies that these targets print, and let the project use its keys."""
    made = [*(project.make(target).stdout for target in targets), differences()]
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
    hello = "print('hello from the container')\n"
    project = Project.copied(installed("xgboost"), folder, "xgboost", engine, hello=hello)
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
        assert (
            "[skip] permissions: none of those that can be tried is denied"
            in project.make("verify").stdout
        )
        project.run("echo x | make secret NAME=KEY")
        done = project.make("run", SCRIPT="hello.py", SECRETS="KEY", ENV=CONTAINERS)
        assert "hello from the container" in done.stdout
        for target in ("status", "logs", "runs", "fetch", "schedules"):
            project.make(target)
        project.make("schedule", NAME="n", CRON="rate(1 day)")
        project.make("unschedule", NAME="n")
        project.make("run", SCRIPT="hello.py", DETACH="1", ENV=CONTAINERS)
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
            assert f"type: make cluster GITHUB={claims['sub'].removeprefix('repo:')}" in said
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
        assert "SIGTERM in make run" in project.make("status").stdout
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
        lacking("podman is not on this machine; .ci/run installs it")
    folder = tmp_path / "churn-model"
    copy_project(installed("xgboost"), folder)
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
    assert "10001:10001 [python -m job]" in done.stdout
