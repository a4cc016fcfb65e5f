"""What a run leaves behind: model.*, schema.json, and last metrics.json."""

import argparse
import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy
import pyarrow

from training import data, machine, metrics, storage, tracking, treasure
from training.errors import UserError
from training.program import without_secrets
from training.schema import Schema

SCHEMA, METRICS = "schema.json", "metrics.json"


def check(options: argparse.Namespace) -> None:
    """Find out before the work whether ``save`` can write where it must.

    Raises:
        UserError: it cannot.
    """
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
) -> None:
    """Measure the model and save it with its schema and metrics.

    metrics.json comes last: a folder that has it is complete. When anything fails on the way,
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
    """
    scores: dict[str, dict] = {}
    for part, rows in dataset.sets.items():
        scores[part] = metrics.evaluate(rows.label, predict(rows.features))
        print(metrics.line(part, len(rows.label), scores[part]))
    report = {
        "objective": objective,
        "train": scores["train"],
        "validation": scores.get("validation"),
        "rows": {part: len(rows.label) for part, rows in dataset.sets.items()},
        "hyperparameters": dict(hyperparameters),
        "seed": options.seed,
        "data": {"train": without_secrets(options.train), "validation": options.validation},
        "versions": machine.versions(),
        "seconds": machine.seconds(),
        "peak_memory_bytes": machine.peak_memory(),
        "note": options.note,
        **(more or {}),
    }
    written = []
    with storage.scratch() as folder:
        write_model(folder / name)
        storage.write_json(dataset.schema.to_json(), folder / SCHEMA)
        storage.write_json(report, folder / METRICS)
        try:
            for file, target in (
                (name, options.model_folder),
                (SCHEMA, options.model_folder),
                (METRICS, options.metrics_folder),
            ):
                storage.put(folder / file, storage.join(target, file))
                written.append(storage.join(target, file))
        except BaseException:
            for uri in written:
                storage.remove(uri)
            raise
        print(f"model: {written[0]}")
        print(f"metrics: {written[-1]}")
        tracking.log(report, folder)


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
