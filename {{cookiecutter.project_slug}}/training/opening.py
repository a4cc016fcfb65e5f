"""Open a model that train.py saved: check that its files belong together, and then read it.

A manifest beside the model has the sha256 of its files. Without one nobody knows whether the model is
whole, and reading a damaged one may crash the process: that is left to a process of its own.
"""

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy

from training import artifacts, program, storage
from training.errors import UserError, one_line
from training.library import model
from training.schema import Schema

MANIFESTS = artifacts.ORIGIN, "manifest.json"  # train.py's, and the launcher's
# Bytes of address space for a process that reads a model: a damaged length asks for any number.
MOST, MOST_PER_BYTE = 4 << 30, 20


class Opened(NamedTuple):
    """``predict`` makes numbers, [rows], or probabilities, [rows, classes], of features as ``dtype``."""

    schema: Schema
    dtype: type
    predict: Callable[[numpy.ndarray], numpy.ndarray]


@contextlib.contextmanager
def opened(options: argparse.Namespace) -> Iterator[Opened]:
    """Give the model that predict.py was told to use."""
    path = options.model
    if path.suffix != Path(model.FILE).suffix or path.is_dir():
        path = path / model.FILE
    if not storage.existing(path).stat().st_size:
        raise UserError(f"'{path}' is empty: it is no model")
    described = storage.existing(path.with_name(artifacts.SCHEMA))
    whole = {path, described} <= checked(path, described)
    schema = Schema.from_json(storage.read_json(described))
    if options.proba and not schema.classes:
        raise UserError("--proba: the model predicts numbers, not classes; leave --proba out")
    storage.check_writable(options.output.parent)
    if whole:
        loaded = model.load(path)
        check_tie(path, described, model.schema_digest(path, loaded), schema)
        yield Opened(
            schema, model.features_dtype(loaded), lambda rows: model.predict(loaded, schema, rows)
        )
        return
    print(f"no manifest has the sha256 of {path.name}: it is read in a process of its own")
    with process(path, schema) as ask:
        dtype, tied = ask(None)
        check_tie(path, described, tied, schema)
        yield Opened(schema, dtype, ask)


def check_tie(path: Path, described: Path, tied: str | None, schema: Schema) -> None:
    """Raise UserError if the model in ``path`` names the digest of another schema."""
    if tied not in (None, schema.digest()):
        raise UserError(
            f"'{described}' does not belong to {path.name!r}: put the {described.name} there that "
            "train.py saved with this model"
        )


def checked(*files: Path) -> set[Path]:
    """Return those of ``files``, of one folder, whose sha256 its manifest has; raise if it has another."""
    found = (files[0].with_name(name) for name in MANIFESTS)
    manifest = next((path for path in found if path.exists()), None)
    listed = storage.read_json(manifest).get("files") if manifest else None
    same = set()
    for file in files:
        entry = listed.get(file.name) if isinstance(listed, dict) else None
        if isinstance(entry, dict) and "sha256" in entry:
            if entry["sha256"] != artifacts.facts(file)["sha256"]:
                raise UserError(
                    f"'{file}' is not the file that {manifest.name} beside it describes: it is damaged "
                    f"or of another model. Copy the run's folder again; if the file is your own, "
                    f"remove {manifest.name}"
                )
            same.add(file)
    return same


def check(path: Path) -> None:
    """Raise UserError unless the file ``path`` holds a model, whatever it is called."""
    with process(path) as ask:
        ask(None)


@contextlib.contextmanager
def process(path: Path, schema: Schema | None = None) -> Iterator[Callable]:
    """Give a function that asks ``serve`` in a process of its own, which ends with this context."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=serve, args=(theirs, path, schema), daemon=True)
    child.start()
    theirs.close()  # so that its end is noticed here

    def ask(features: numpy.ndarray | None):
        try:
            ours.send(features)
            answer = ours.recv()
        except (EOFError, OSError):
            child.join()
            raise UserError(
                f"{path.name!r} is no model, or is damaged: the process that read it crashed "
                f"(exit code {child.exitcode}). Copy the model again, or train it anew"
            ) from None
        if isinstance(answer, UserError):
            raise answer
        return answer

    try:
        yield ask
    finally:
        child.kill()
        child.join()
        ours.close()


def serve(pipe: multiprocessing.connection.Connection, path: Path, schema: Schema | None) -> None:
    """Answer one question after the other, until nobody asks: None, or features to predict from.

    The answer to None is the type of the features, and the digest of the schema that the model names;
    to all an error may be the answer.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    warnings.formatwarning = program.warning
    # What compiled code says when it crashes is not for the user.
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    most = MOST + MOST_PER_BYTE * path.stat().st_size
    with contextlib.suppress(OSError, ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    loaded = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            features = pipe.recv()
            try:
                loaded = loaded or model.load(path)
                known = model.features_dtype(loaded), model.schema_digest(path, loaded)
                pipe.send(known if features is None else predicted(loaded, schema, features))
            except UserError as error:
                pipe.send(error)
            except Exception as error:  # noqa: BLE001 - nobody knows what a damaged model does
                reason = f"{type(error).__name__}: {one_line(error)}"
                pipe.send(UserError(f"{path.name!r} cannot predict, or is damaged: {reason}"))


def predicted(loaded: object, schema: Schema, features: numpy.ndarray) -> numpy.ndarray:
    """Return what the model predicts, if it is what the schema says."""
    output = model.predict(loaded, schema, features)
    shape = (len(features), len(schema.classes)) if schema.classes else (len(features),)
    if output.shape != shape:
        raise UserError(
            f"the model gives {output.shape[1:]} numbers a row, and {artifacts.SCHEMA} says "
            f"{shape[1:]}: they do not belong together"
        )
    return output
