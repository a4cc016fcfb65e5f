"""Scripts that a user brings, in the styles that people write, and what is said about bad ones."""

import json
import re
import shutil

import pytest
from user import MODEL, ONE_FRAMEWORK, QUICK, inside, sha256

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]

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
    assert 'type: make add PACKAGE="pandas", then make SANDBOX=1 push' in done.stderr
    done = project.make("run", SCRIPT="nothing.py", status=2)
    assert "there is no nothing.py in this folder" in done.stderr
    done = project.make("run", DATA="data/nothing.csv", status=2)
    assert "there is no s3://" in done.stderr and "type: make SANDBOX=1 data" in done.stderr
    table = project.folder / "data/train.csv"
    whole = table.read_text()
    table.write_text(whole + whole.splitlines()[1] + "\n")
    done = project.make("run", status=2)
    assert "data/train.csv differs from what was uploaded" in done.stderr
    other = re.search(r'make SANDBOX=1 run DATA="(s3://\S+)"', done.stderr)[1]
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
    assert 'make SANDBOX=1 run DATA="train=data/train.csv more=data/lookup.csv"' in done.stderr
    for name in scripts:
        (project.folder / name).unlink()
    project.make("push")


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
