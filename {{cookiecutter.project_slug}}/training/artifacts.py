"""What a run leaves behind: the model and what describes it, and last manifest.json."""

import argparse
import csv
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy
import pyarrow

from training import (
    card,
    curves,
    data,
    importance,
    machine,
    metrics,
    program,
    storage,
    tracking,
    treasure,
)
from training.errors import UserError
from training.schema import Schema

SCHEMA, METRICS, MANIFEST = "schema.json", "metrics.json", "manifest.json"
IMPORTANCE, CURVES, CARD = "importance.json", "curves.json", "model-card.md"
# Not predictions.csv: that is what predict.py writes beside the model.
PREDICTIONS = "validation-predictions.csv"


def check(options: argparse.Namespace) -> None:
    """Find out before the work whether ``save`` can write what and where it must.

    Raises:
        UserError: it cannot.
    """
    if options.save_predictions and not (options.validation or options.validation_fraction):
        raise UserError(
            "--save-predictions: no rows are held out; type --validation-fraction 0.2 too"
        )
    for folder in {options.model_folder, options.metrics_folder}:
        storage.check_writable(folder)
    tracking.check()


def save(
    options: argparse.Namespace,
    dataset: data.Dataset,
    name: str,
    write_model: Callable[[Path], object],
    predict: Callable[[numpy.ndarray], numpy.ndarray],
    objective: str,
    hyperparameters: Mapping[str, object],
    more: Mapping[str, object] | None = None,
    model: object = None,
) -> None:
    """Measure the model and save it with all that describes it.

    manifest.json comes last: a folder that has it is complete. When anything fails on the way,
    what was written is removed again.

    Args:
        options: of ``arguments.train``.
        dataset: of ``data.load``.
        name: the model's file name, such as model.ubj.
        write_model: writes the model to a path.
        predict: from features, [rows, columns], to numbers, [rows], or the classes'
            probabilities, [rows, classes].
        objective: the library's own name of what was minimised.
        hyperparameters: those the model was trained with.
        more: further entries of metrics.json, such as the history of the training.
        model: what is asked for the importance of its columns (importance.py).
    """
    scores: dict[str, dict] = {}
    for part, rows in dataset.sets.items():  # validation, if there is one, is last
        output = numpy.concatenate([predict(features) for _, features in rows.pieces()])
        ranks = dataset.schema.objective == "ranking"
        scores[part] = metrics.evaluate(rows.label, output, rows.group if ranks else None)
        print(metrics.line(part, len(rows.label), scores[part]))
    schema = dataset.schema.to_json()
    names = dataset.schema.class_names()
    drawn = {"set": part, "objective": dataset.schema.objective, "rows": len(rows.label)}
    if dataset.schema.objective != "ranking":
        drawn |= curves.curves(rows.label, output, names)
    matters = importance.importance(model, dataset, predict, options.seed)
    validation = options.validation and program.without_secrets(options.validation)
    report = {
        "objective": objective,
        "train": scores["train"],
        "validation": scores.get("validation"),
        "rows": {part: len(rows.label) for part, rows in dataset.sets.items()},
        "hyperparameters": dict(hyperparameters),
        "seed": options.seed,
        "data": {"train": program.without_secrets(options.train), "validation": validation},
        "versions": machine.versions(),
        "seconds": machine.seconds(),
        "peak_memory_bytes": machine.peak_memory(),
        "note": options.note,
        **(more or {}),
    }
    manifest = describe(options, report)
    with storage.scratch() as folder:
        write_model(folder / name)
        storage.write_json(schema, folder / SCHEMA)
        text = card.card(manifest, report, matters, schema)
        (folder / CARD).write_text(text, encoding="utf-8", errors="backslashreplace")
        storage.write_json(report, folder / METRICS)
        storage.write_json(matters, folder / IMPORTANCE)
        storage.write_json(drawn, folder / CURVES)
        targets = dict.fromkeys((name, SCHEMA, CARD), options.model_folder)
        targets |= dict.fromkeys((METRICS, IMPORTANCE, CURVES), options.metrics_folder)
        if options.save_predictions:
            write_validation(folder / PREDICTIONS, names, rows.label, output)
            targets[PREDICTIONS] = options.metrics_folder
        manifest |= {
            "ended": machine.now(),
            "files": {file: facts(folder / file) for file in targets},
        }
        storage.write_json(manifest, folder / MANIFEST)
        targets[MANIFEST] = options.metrics_folder
        publish(folder, targets)
        print(f"model: {storage.join(options.model_folder, name)}")
        print(f"metrics: {storage.join(options.metrics_folder, METRICS)}")
        tracking.log(report, folder)


def publish(folder: Path, targets: Mapping[str, str]) -> None:
    """Copy the files of ``folder`` to the folders that ``targets`` names, all of them or none."""
    written = []
    try:
        withdraw(storage.join(targets[MANIFEST], MANIFEST))
        for file, target in targets.items():
            storage.put(folder / file, storage.join(target, file))
            written.append(storage.join(target, file))
    except BaseException:
        for uri in written:
            storage.remove(uri)
        raise


def withdraw(uri: str) -> None:
    """Remove the mark of the run that this folder held before: its files are about to change."""
    if storage.identity(uri):
        storage.remove(uri)


def describe(options: argparse.Namespace, report: Mapping[str, object]) -> dict[str, object]:
    """Return the content of manifest.json but for the files: where the model comes from."""
    tables = {"train": options.train, "validation": options.validation}
    return {
        "run": os.environ.get("RUN_ID"),
        "git_revision": os.environ.get("GIT_REVISION"),
        **machine.origin(os.environ.get("ECS_CONTAINER_METADATA_URI_V4")),
        "argv": list(program.ARGV),
        "data": {
            part: {"uri": program.without_secrets(uri), **storage.identity(uri)}
            for part, uri in tables.items()
            if uri
        },
        "objective": report["objective"],
        "hyperparameters": report["hyperparameters"],
        "seed": report["seed"],
        "versions": report["versions"],
        "attempts": report.get("attempts", 1),
        "peak_memory_bytes": report["peak_memory_bytes"],
        "seconds": report["seconds"],
        "started": machine.started(),
    }


def facts(path: Path) -> dict[str, object]:
    """Return sha256 and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "size_bytes": path.stat().st_size}


def write_validation(
    path: Path, names: list[str], label: numpy.ndarray, output: numpy.ndarray
) -> None:
    """Write label and prediction of the validation set as CSV, in its order.

    Args:
        path: of the new file.
        names: of the classes; empty in regression.
        label: [rows], of ``data.Rows``.
        output: numbers, [rows], or the classes' probabilities, [rows, classes], which are written
            too.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not names:
            writer.writerow(["label", "prediction"])
            writer.writerows(zip(map(str, label), map(str, output), strict=True))
            return
        writer.writerow(["label", "prediction", *(f"probability {name}" for name in names)])
        for code, guess, row in zip(label, output.argmax(axis=1), output, strict=True):
            writer.writerow([names[code], names[guess], *map(str, row)])


def open_model(options: argparse.Namespace, name: str, folder: Path) -> tuple[Path, Schema]:
    """Return a local copy of the model that predict.py was given, and its schema.

    Args:
        options: of ``arguments.predict``; ``model`` is a model file or a run's folder.
        name: what train.py calls the model, such as model.ubj.
        folder: where downloads go.

    Raises:
        UserError: one of the two is not there or cannot be read, or the options do not suit it.
    """
    model = options.model
    if not model.endswith(Path(name).suffix):
        model = storage.join(model, name)
    path = storage.fetch(model, folder)
    if not path.stat().st_size:
        raise UserError(f"{model!r} is empty: it is no model")
    beside = storage.fetch(storage.join(storage.parent(model), SCHEMA), folder)
    schema = Schema.from_json(storage.read_json(beside))
    if options.proba and not schema.classes:
        raise UserError("--proba: the model predicts numbers, not classes; leave --proba out")
    if treasure.is_td(options.output):
        treasure.check_target(options.output)
    else:
        storage.check_writable(storage.parent(options.output))
    return path, schema


def save_predictions(
    options: argparse.Namespace,
    schema: Schema,
    output: numpy.ndarray,
    folder: Path,
    table: pyarrow.Table,
) -> None:
    """Write ``output`` as CSV where predict.py was told: a column ``prediction``, or one a class.

    On Treasure Data it becomes rows of a table.

    Args:
        options: of ``arguments.predict``.
        schema: of the model.
        output: numbers, [rows], or the classes' probabilities, [rows, classes].
        folder: for the file on its way.
        table: what was predicted.
    """
    if treasure.is_td(options.output):
        treasure.save_predictions(options.output, schema, output, options.proba, table)
        print(f"predictions: {options.output} ({len(output):,} rows)")
        return
    names = schema.class_names()
    if options.proba:
        header, lines = names, (map(str, row) for row in output)
    elif names:
        header, lines = ["prediction"], ([names[code]] for code in output.argmax(axis=1))
    else:
        header, lines = ["prediction"], ([str(value)] for value in output)
    path = folder / "predictions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)
    storage.put(path, options.output)
    print(f"predictions: {options.output} ({len(output):,} rows)")
