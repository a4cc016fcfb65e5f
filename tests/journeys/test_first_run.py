"""From a new project to a model and its predictions: the README's commands, and `make demo`."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from support import ROOT
from user import MODEL, QUICK

pytestmark = pytest.mark.docker


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
