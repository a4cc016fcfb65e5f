"""The files that a run has saved."""

from collections.abc import Mapping
from typing import Any

from ecs import contract
from ecs.aws import client
from ecs.history.measures import measures
from ecs.history.records import files_in, key, read_all, readable, with_attempts
from ecs.history.run import Run


def objects(run: Run) -> list[dict[str, Any]]:
    """Return all objects of a run as S3 lists them (``Key``, ``Size`` in bytes, …)."""
    pages = (
        client(run.settings, "s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=run.outputs["Bucket"], Prefix=key(run))
    )
    return [each for page in pages for each in page.get("Contents", [])]


def summary(run: Run) -> list[str]:
    """Return lines that tell what a run made: where the model is, and its metrics."""
    (found,) = read_all([run])
    manifest, lines = readable(run, contract.MANIFEST), []
    files, prefix = files_in(manifest, found[contract.RUN]), key(run)
    sizes = {each["Key"].removeprefix(prefix): each["Size"] for each in objects(run)}
    made = [name for name in sizes if name not in contract.RESERVED]
    for name in made:
        known = files is None or name in files
        if known and name.rpartition("/")[2].startswith("model.") and not of_checkpoint(name):
            size = sizes[name] / 1e3
            lines.append(f"model: {run.uri}{name} ({size:,.1f} kB)")
    for part, values in measures(found[contract.METRICS]).items():
        shown = ", ".join(f"{name} {value:.5g}" for name, value in values.items())
        lines.append(f"{part}: {shown}" if part else shown)
    if saved_nothing(manifest) and files is not None:
        lines.append(
            "warning: the script saved nothing: what it writes in its working folder, or to SM_MODEL_DIR, "
            "comes back"
        )
    if files is None and not all(map(of_checkpoint, made)):
        lines.append(
            "warning: the last attempt has left no list of its files; what is there may be of an earlier one"
        )
    return lines


def of_checkpoint(name: str) -> bool:
    """Tell whether a file of a run is of a checkpoint."""
    return name.startswith(contract.CHECKPOINTS)


def files_of(run: Run) -> dict[str, Any] | None:
    """Return the files of a run, by the manifest of its last attempt; None where that has left none."""
    manifest, asked = (readable(run, name) for name in (contract.MANIFEST, contract.RUN))
    return files_in(manifest, with_attempts(asked))


def saved_nothing(manifest: Mapping | None) -> bool:
    """Tell whether a script ended well and left no file."""
    if not isinstance(manifest, Mapping):
        return False
    return manifest.get("exit_code") == 0 and manifest.get("files") == {}
