"""Tracking: a finished run in a real MLflow server on this machine."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import FRAMEWORKS, call, copy_project, lacking

QUICK = {"xgboost": ["--n-estimators", "5"], "scikit-learn": ["--max-iter", "5"]}
MODEL = {"xgboost": "model.ubj", "scikit-learn": "model.skops"}
PASSWORD = "planted0password0of0this0test"


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the programs of the whole MLflow, installed for this session."""
    folder = tmp_path_factory.mktemp("mlflow") / "venv"
    uv = Path(sys.executable).with_name("uv")
    for words in (
        (uv, "venv", "--quiet", "--python", sys.executable, folder),
        (uv, "pip", "install", "--quiet", "--python", folder / "bin/python", "mlflow>=3"),
    ):
        done = call(*words, cwd=folder.parent)
        if done.returncode:
            lacking(f"MLflow's server cannot be installed here: {done.stderr[-300:]}")
    return folder / "bin"


@pytest.fixture(scope="session")
def server(mlflow: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of an MLflow server of this session."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        mlflow / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", folder / "artifacts",
    ]  # fmt: skip
    plain = {name: os.environ[name] for name in ("PATH", "HOME")} | {"DO_NOT_TRACK": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=plain, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while not healthy(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def ask(server: str, path: str, **body: object) -> dict:
    """Return the JSON that the server's REST API answers."""
    request = urllib.request.Request(f"{server}/api/2.0/mlflow/{path}")
    if body:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def train(project: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {name: os.environ[name] for name in ("PATH", "HOME")}
    python = project / ".venv/bin/python"
    table = "label,a,b\n" + "".join(f"{n % 2},{n % 2 + n / 100},{n % 7}\n" for n in range(100))
    (project / "data/table.csv").write_text(table)
    line = (python, "train.py", "--train", "data/table.csv", "--output", "runs/one/", *words)
    return call(*line, cwd=project, env=plain | environ)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_finished_run_is_in_mlflow_with_all_that_belongs_to_it(
    framework: str, with_extras: Callable[[str], Path], server: str, tmp_path: Path
):
    project = copy_project(with_extras(framework), tmp_path / "project")
    early = [] if framework == "xgboost" else ["--early-stopping", "true"]
    done = train(
        project, *QUICK[framework], *early, "--note", "a note",
        MLFLOW_TRACKING_URI=server, MLFLOW_EXPERIMENT_NAME=framework, RUN_ID="run-1",
        GIT_REVISION="abc123", MLFLOW_TRACKING_USERNAME="me", MLFLOW_TRACKING_PASSWORD=PASSWORD,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout + done.stderr
    experiment = ask(server, f"experiments/get-by-name?experiment_name={framework}")["experiment"]
    (run,) = ask(server, "runs/search", experiment_ids=[experiment["experiment_id"]])["runs"]
    report = json.loads((project / "runs/one/metrics.json").read_text())

    assert run["info"]["status"] == "FINISHED"
    assert run["info"]["run_name"] == "run-1"
    tags = {each["key"]: each["value"] for each in run["data"]["tags"]}
    assert tags["run_id"] == "run-1"
    assert tags["mlflow.source.git.commit"] == "abc123"
    assert tags["mlflow.note.content"] == "a note"
    assert tags["version/numpy"] == report["versions"]["numpy"]
    params = {each["key"]: each["value"] for each in run["data"]["params"]}
    for name, value in report["hyperparameters"].items():
        assert params[name] == str(value)
    assert params["data/train"] == "data/table.csv"
    numbers = {each["key"]: each["value"] for each in run["data"]["metrics"]}
    for part in ("train", "validation"):
        assert numbers[f"{part}/log_loss"] == pytest.approx(report[part]["log_loss"])
    identity = run["info"]["run_id"]
    curves = [(p, n, v) for p, each in report["history"].items() for n, v in each.items()]
    assert curves
    for part, name, values in curves:
        key = f"rounds/{part}/{name}".replace(" ", "%20")
        history = ask(server, f"metrics/get-history?run_id={identity}&metric_key={key}")["metrics"]
        found = [each["value"] for each in sorted(history, key=lambda each: each["step"])]
        assert found == pytest.approx(values)
    listed = ask(server, f"artifacts/list?run_id={identity}")["files"]
    sizes = {each["path"]: int(each["file_size"]) for each in listed}
    for name in (MODEL[framework], "schema.json", "metrics.json"):
        assert sizes[name] == (project / "runs/one" / name).stat().st_size
    assert PASSWORD not in done.stdout + done.stderr
    assert PASSWORD not in json.dumps(run)
    for path in (project / "runs").rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes()


def test_a_server_that_is_away_costs_a_warning_and_no_model(
    with_extras: Callable[[str], Path], tmp_path: Path
):
    project = copy_project(with_extras("xgboost"), tmp_path / "project")
    uri = f"http://me:{PASSWORD}@127.0.0.1:9"
    done = train(project, *QUICK["xgboost"], MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 0, done.stderr
    assert "warning: MLflow has not all of this run" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert (project / "runs/one/model.ubj").stat().st_size > 1000


def test_without_the_extra_training_does_not_begin(installed, tmp_path: Path):
    project = copy_project(installed("xgboost"), tmp_path / "project")
    done = train(project, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "EXTRAS = mlflow" in done.stderr
    assert not (project / "runs/one").exists()
