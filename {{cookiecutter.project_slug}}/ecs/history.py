"""What is known of runs: ``run.json`` and ``result.json`` beside the model, in S3 only."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ecs.aws import client
from ecs.errors import UserError
from ecs.request import run_uri
from ecs.settings import Settings


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def key(settings: Settings, run: str, name: str = "") -> str:
    """Return the S3 key of one file of a run."""
    return f"{settings.project}/runs/{run}/{name}"


def write(settings: Settings, stack: Mapping[str, str], run: str, name: str, content: dict) -> None:
    """Write one JSON file of a run."""
    body = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    client(settings, "s3").put_object(
        Bucket=stack["Bucket"],
        Key=key(settings, run, name),
        Body=body.encode(),
        ContentType="application/json",
    )


def read(settings: Settings, stack: Mapping[str, str], run: str, name: str) -> dict | None:
    """Return one JSON file of a run, or None where there is none."""
    s3 = client(settings, "s3")
    try:
        answer = s3.get_object(Bucket=stack["Bucket"], Key=key(settings, run, name))
    except s3.exceptions.NoSuchKey:
        return None
    return json.loads(answer["Body"].read())


def run_ids(settings: Settings, stack: Mapping[str, str]) -> list[str]:
    """Return the ids of all runs, latest first."""
    pages = (
        client(settings, "s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack["Bucket"], Prefix=f"{settings.project}/runs/", Delimiter="/")
    )
    prefixes = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
    found = [prefix.rstrip("/").rpartition("/")[2] for prefix in prefixes]
    # the scheduler writes 2026-11-24T03:00:00Z where run_id has 20261124T030000Z
    return sorted(found, key=lambda run: re.sub("[-:]", "", run), reverse=True)


def resolve(settings: Settings, stack: Mapping[str, str]) -> str:
    """Return the id of the run that ``RUN`` means: a unique beginning of it is enough.

    Raises:
        UserError: no run, or more than one, has an id that begins so.
    """
    ids = run_ids(settings, stack)
    if not ids:
        raise UserError('there are no runs yet; type: make run ARGS="--help"')
    found = [each for each in ids if each.startswith(settings.run)]
    if settings.run in found:
        return settings.run
    if not found:
        raise UserError(f"RUN={settings.run!r}: no run begins so; type: make runs")
    if settings.run and len(found) > 1:
        raise UserError(f"RUN={settings.run!r}: {len(found)} runs begin so; type: RUN={found[0]}")
    return found[0]


def objects(settings: Settings, stack: Mapping[str, str], run: str) -> list[dict[str, Any]]:
    """Return all objects of a run as S3 lists them (``Key``, ``Size`` in bytes, …)."""
    pages = (
        client(settings, "s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack["Bucket"], Prefix=key(settings, run))
    )
    return [each for page in pages for each in page.get("Contents", [])]


def summary(settings: Settings, stack: Mapping[str, str], run: str) -> list[str]:
    """Return lines that tell what a run made: where the model is, and its metrics."""
    lines = []
    for each in objects(settings, stack, run):
        name = each["Key"].rpartition("/")[2]
        if name.startswith("model."):
            lines.append(
                f"model: {run_uri(settings, stack, run)}{name} ({each['Size'] / 1e3:,.1f} kB)"
            )
    metrics = read(settings, stack, run, "metrics.json") or {}
    for part in ("train", "validation"):
        values = metrics.get(part)
        if isinstance(values, dict):
            shown = (
                f"{name} {value:.5g}"
                for name, value in values.items()
                if isinstance(value, int | float)
            )
            lines.append(f"{part}: " + ", ".join(shown))
    return lines
