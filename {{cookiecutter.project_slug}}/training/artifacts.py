"""What a run leaves behind: the model and what describes it, and last training.json."""

import argparse
import csv
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy

from training import card, curves, data, machine, metrics, program, storage, tracking
from training.errors import UserError
from training.library import importance
from training.schema import Schema

# manifest.json is the launcher's: it names all files of a run, this one the origin of the model.
SCHEMA, METRICS, ORIGIN = "schema.json", "metrics.json", "training.json"
IMPORTANCE, CURVES, CARD = "importance.json", "curves.json", "model-card.md"
# Not predictions.csv: that is what predict.py writes beside the model.
PREDICTIONS = "validation-predictions.csv"


def check(options: argparse.Namespace) -> None:
    """Find out before the work whether ``save`` can write what and where it must."""
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

    training.json comes last: a folder that has it is complete. When anything fails on the way, what
    was written is removed again.

    Args:
        name: the model's file name, such as model.ubj.
        write_model: writes the model to a path.
        predict: from features, [rows, columns], to numbers, [rows], or probabilities, [rows, classes].
        objective: the library's own name of what was minimised.
        more: further entries of metrics.json, such as the history of the training.
        model: what is asked for the importance of its columns (library/importance.py).
    """
    scores, part, rows, output = measured(dataset, predict)
    schema = dataset.schema.to_json()
    names = dataset.schema.class_names()
    drawn = {"set": part, "objective": dataset.schema.objective, "rows": len(rows.label)}
    if dataset.schema.objective != "ranking":
        drawn |= curves.curves(rows.label, output, names)
    matters = importance.importance(model, dataset, predict, options.seed)
    report = {
        "objective": objective,
        "train": scores["train"],
        "validation": scores.get("validation"),
        "rows": {part: len(rows.label) for part, rows in dataset.sets.items()},
        "hyperparameters": dict(hyperparameters),
        **circumstances(options),
        **(more or {}),
    }
    origin = describe(options, report)
    with storage.scratch() as folder:
        write_model(folder / name)
        storage.write_json(schema, folder / SCHEMA)
        text = card.card(origin, report, matters, schema)
        (folder / CARD).write_text(text, encoding="utf-8", errors="backslashreplace")
        storage.write_json(report, folder / METRICS)
        storage.write_json(matters, folder / IMPORTANCE)
        storage.write_json(drawn, folder / CURVES)
        targets = dict.fromkeys((name, SCHEMA, CARD), options.model_folder)
        targets |= dict.fromkeys((METRICS, IMPORTANCE, CURVES), options.metrics_folder)
        if options.save_predictions:
            write_predictions(
                folder / PREDICTIONS, dataset.schema, output, True, rows.id, rows.label
            )
            targets[PREDICTIONS] = options.metrics_folder
        origin |= {
            "ended": machine.now(),
            "files": {file: facts(folder / file) for file in targets},
        }
        storage.write_json(origin, folder / ORIGIN)
        targets[ORIGIN] = options.metrics_folder
        publish(folder, targets)
        print(f"model: {storage.shown(options.model_folder / name)}")
        print(f"metrics: {storage.shown(options.metrics_folder / METRICS)}")
        tracking.log(report, folder)


def circumstances(options: argparse.Namespace) -> dict[str, object]:
    """Return what metrics.json says of how the training went, whatever the library."""
    return {
        "seed": options.seed,
        "data": {
            part: name and program.without_secrets(name) for part, name in options.source.items()
        },
        "versions": machine.versions(),
        "seconds": machine.seconds(),
        "peak_memory_bytes": machine.peak_memory(),
        "note": options.note,
    }


def measured(
    dataset: data.Dataset, predict: Callable[[numpy.ndarray], numpy.ndarray]
) -> tuple[dict[str, dict], str, data.Rows, numpy.ndarray]:
    """Measure the model on each set, and return the measures by set; also name, rows and output of the last.

    The last is validation, if there is one.
    """
    scores: dict[str, dict] = {}
    for part, rows in dataset.sets.items():
        output = numpy.concatenate([predict(features) for _, features in rows.pieces()])
        ranks = dataset.schema.objective == "ranking"
        scores[part] = metrics.evaluate(rows.label, output, rows.group if ranks else None)
        print(metrics.line(part, len(rows.label), scores[part]))
    return scores, part, rows, output


def publish(folder: Path, targets: Mapping[str, Path]) -> None:
    """Copy the files of ``folder`` to the folders that ``targets`` names, all of them or none."""
    written = []
    try:
        # The folder may hold a run's files already, which are about to change.
        (targets[ORIGIN] / ORIGIN).unlink(missing_ok=True)
        for file, target in targets.items():
            storage.put(folder / file, target / file)
            written.append(target / file)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def describe(options: argparse.Namespace, report: Mapping[str, object]) -> dict[str, object]:
    """Return the content of training.json but for the files: where the model comes from."""
    tables = {"train": options.train, "validation": options.validation}
    return {
        "run": os.environ.get("RUN_ID"),
        "git_revision": os.environ.get("GIT_REVISION"),
        "argv": list(program.ARGV),
        "data": {
            part: {"uri": report["data"][part]} | size(Path(path))
            for part, path in tables.items()
            if path
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


def size(path: Path) -> dict[str, int]:
    """Return the size of a file, in bytes; nothing of a folder or a glob."""
    return {"size_bytes": path.stat().st_size} if path.is_file() else {}


def facts(path: Path) -> dict[str, object]:
    """Return sha256 and size of a file."""
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), **size(path)}


def write_predictions(
    path: Path,
    schema: Schema,
    output: numpy.ndarray,
    proba: bool,
    ids: numpy.ndarray | None,
    label: numpy.ndarray | None = None,
) -> None:
    """Write predictions as CSV, in the order of their rows.

    The columns are the id, where there are ``ids``, [rows]; with a ``label``, [rows], that, the
    prediction and with ``proba`` "probability CLASS"; without it the prediction or with ``proba`` one
    column a class. ``output`` is numbers, [rows], or probabilities, [rows, classes].
    """
    names, columns = schema.class_names(), {}
    if ids is not None:
        columns[schema.id] = ids
    if label is not None:
        columns["label"] = [names[code] for code in label] if names else map(str, label)
    if not names:
        columns["prediction"] = map(str, output)
    elif label is not None or not proba:
        columns["prediction"] = [names[code] for code in output.argmax(axis=1)]
    header = list(columns)
    values = list(columns.values())
    if names and proba:
        header += names if label is None else [f"probability {name}" for name in names]
        values += [map(str, column) for column in output.T]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*values, strict=True))


def save_predictions(
    options: argparse.Namespace, schema: Schema, output: numpy.ndarray, ids: numpy.ndarray | None
) -> None:
    """Write ``output`` as CSV where predict.py was told, with the names of the rows, if there are any."""
    with storage.replacing(options.output) as part:
        write_predictions(part, schema, output, options.proba, ids)
    print(f"predictions: {storage.shown(options.output)} ({len(output):,} rows)")
