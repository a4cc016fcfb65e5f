"""The finished run in MLflow, where MLFLOW_TRACKING_URI names a server.

MLFLOW_EXPERIMENT_NAME names the experiment; name and password go where MLflow wants them, in
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD. mlflow-skinny is an extra.
"""

import importlib.util
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from training.errors import UserError, one_line
from training.program import without_secrets

URI, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
# A server that is away must not keep a finished run; nothing is printed or sent that nobody asked for.
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
MOST_METRICS, MOST_TEXTS = 1000, 100  # numbers, and parameters, in one request


def check() -> None:
    """Find out before the work whether ``log`` has what it needs on this machine."""
    if os.environ.get(URI) and importlib.util.find_spec("mlflow") is None:
        raise UserError(
            f"{URI} is set, and MLflow needs an extra: put EXTRAS = mlflow into .env, then type: "
            "make install, for ECS make push EXTRAS=mlflow"
        )


def log(report: Mapping, folder: Path) -> None:
    """Log a saved run to MLflow, if that is wanted, with the files in ``folder``.

    ``report`` is metrics.json. A failure is a warning: the model is saved.
    """
    if not os.environ.get(URI):
        return
    for name, text in QUIET.items():
        os.environ.setdefault(name, text)
    try:
        print(f"mlflow: run {send(report, folder)}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the model is saved already
        print(f"warning: MLflow has not all of this run: {without_secrets(one_line(error))[:300]}")


def send(report: Mapping, folder: Path) -> str:
    """Log a run to MLflow and return the id that it has there. What fails half-way is marked so."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient()
    name = os.environ.get(EXPERIMENT) or "Default"
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    run = client.create_run(experiment, run_name=os.environ.get("RUN_ID")).info.run_id
    try:
        now = int(time.time() * 1000)
        numbers = [Metric(key, value, now, step) for key, value, step in metrics(report)]
        for start in range(0, len(numbers), MOST_METRICS):
            client.log_batch(run, metrics=numbers[start : start + MOST_METRICS])
        texts = [Param(*each) for each in parameters(report).items()]
        for start in range(0, len(texts), MOST_TEXTS):
            client.log_batch(run, params=texts[start : start + MOST_TEXTS])
        client.log_batch(run, tags=[RunTag(*each) for each in tags(report).items()])
        for path in sorted(folder.iterdir()):
            client.log_artifact(run, path)
        client.set_terminated(run)
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    return run


def metrics(report: Mapping) -> Iterator[tuple[str, float, int]]:
    """Give name, value and round (0 where there is none) of all that is measured in ``report``."""
    for part in "train", "validation":
        for name, value in (report.get(part) or {}).items():
            if is_number(value):
                yield f"{part}/{name}", float(value), 0
    for name in "seconds", "peak_memory_bytes":
        yield name, float(report[name]), 0
    for part, curves in (report.get("history") or {}).items():
        for name, values in curves.items():
            for step, value in enumerate(values):
                if is_number(value):
                    yield f"rounds/{part}/{name}".replace("@", "-at-"), float(value), step


def is_number(value: object) -> bool:
    """Return whether ``value`` is a number that MLflow can draw."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def parameters(report: Mapping) -> dict[str, str]:
    """Return what the run was asked to do, as text."""
    given = {
        **report["hyperparameters"],
        **{name: report[name] for name in ("objective", "seed")},
        **{f"rows/{part}": count for part, count in report["rows"].items()},
        **{f"data/{part}": uri for part, uri in report["data"].items() if uri},
    }
    return {name: without_secrets(str(value))[:6000] for name, value in given.items()}


def tags(report: Mapping) -> dict[str, str]:
    """Return what identifies the run: its id, git's revision and versions, and its note."""
    known = {
        "run_id": os.environ.get("RUN_ID"),
        "run_uri": os.environ.get("RUN_URI"),
        "mlflow.source.git.commit": os.environ.get("GIT_REVISION"),
        "mlflow.note.content": report.get("note"),
        **{f"version/{name}": version for name, version in report["versions"].items()},
    }
    return {name: str(value)[:5000] for name, value in known.items() if value}
