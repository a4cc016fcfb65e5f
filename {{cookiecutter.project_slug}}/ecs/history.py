"""What is known of runs: ``run.json`` and ``result.json`` beside the model, in S3 only."""

import copy
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from ecs import contract, sound
from ecs.aws import client
from ecs.channels import belongs
from ecs.data import uploaded
from ecs.errors import UserError
from ecs.request import project_uri, run_uri, variables_of
from ecs.settings import Settings
from ecs.sound import is_number

# What a run may be called, and a folder on this machine with it; anything else below runs/ is no run.
RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:+-]{0,199}")


LOOKED_THROUGH = 100  # runs, for the latest that succeeded
ENDED = ("Succeeded", "Interrupted", "Failed")  # states; any other may still change
# What S3 answers to a conditional PutObject when another write came first: its API reference.
CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict")
TRIES = 20  # of one change, while others write too


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def key(settings: Settings, run: str, name: str = "") -> str:
    """Return the S3 key of one file of a run."""
    return f"{settings.project}/runs/{run}/{name}"


def write(
    settings: Settings, stack: Mapping[str, str], run: str, name: str, content: dict | list
) -> None:
    """Write one JSON file of a run."""
    put(settings, stack, key(settings, run, name), content)


def put(
    settings: Settings,
    stack: Mapping[str, str],
    name: str,
    content: dict | list,
    **condition: str,
) -> None:
    """Write one JSON file to the bucket, under the S3 key ``name``.

    ``condition`` is IfMatch or IfNoneMatch of PutObject.
    """
    body = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    client(settings, "s3").put_object(
        Bucket=stack["Bucket"],
        Key=name,
        Body=body.encode(),
        ContentType="application/json",
        **condition,
    )


def read(settings: Settings, stack: Mapping[str, str], run: str, name: str) -> dict | None:
    """Return one JSON file of a run, or None where there is none."""
    return read_version(settings, stack, run, name)[0]


def read_version(
    settings: Settings, stack: Mapping[str, str], run: str, name: str
) -> tuple[dict | None, str]:
    """Return one JSON file of a run and its ETag, or None and "" where there is none.

    Raises:
        DamagedError: it is no JSON, or no record of a run.
    """
    s3 = client(settings, "s3")
    try:
        answer = s3.get_object(Bucket=stack["Bucket"], Key=key(settings, run, name))
    except s3.exceptions.NoSuchKey:
        return None, ""
    try:
        found = sound.parsed(answer["Body"].read())
    except ValueError as error:
        raise damaged(settings, stack, run, name, f"it is no JSON ({error})") from error
    if name == contract.RUN and (why := sound.damage(found)):
        raise damaged(settings, stack, run, name, why)
    return found, answer["ETag"]


def damaged(
    settings: Settings, stack: Mapping[str, str], run: str, name: str, why: str
) -> sound.DamagedError:
    """Return the error that says that a file of a run cannot be read, and what can still be done."""
    return sound.DamagedError(
        f"{run_uri(settings, stack, run)}{name} is damaged: {why}; to stop its task, if it has one: "
        f"make stop RUN={run}; its files: make fetch RUN={run}"
    )


def create(settings: Settings, stack: Mapping[str, str], run: str, record: Mapping) -> None:
    """Write ``run.json`` of a new run.

    Raises:
        UserError: there is one of this id already.
    """
    try:
        put(settings, stack, key(settings, run, "run.json"), dict(record), IfNoneMatch="*")
    except Exception as error:
        # an answer that was lost makes boto3 send it again, and find what it wrote itself
        if not conflict(error):
            raise
        if readable(settings, stack, run, "run.json") != record:
            raise UserError(f"there is a run {run} already; type the same once more") from error


def update(
    settings: Settings,
    stack: Mapping[str, str],
    run: str,
    record: dict,
    change: Callable[[dict], None],
) -> None:
    """Change ``run.json`` as it is in the bucket now, and bring ``record`` up to date with it.

    Somebody else may write at the same time, so S3 is told to write only over what was just read;
    after a conflict the newer one is read and changed instead, and nothing that others recorded is
    lost. ``change`` gets the newest record, each time, and changes it in place.
    """
    for left in reversed(range(TRIES)):
        found, version = read_version(settings, stack, run, "run.json")
        latest = with_attempts(found)
        if latest is None:
            raise UserError(f"run {run} has no run.json any more; type: make runs")
        before = copy.deepcopy(latest)
        change(latest)
        try:
            if latest != before:
                put(settings, stack, key(settings, run, "run.json"), latest, IfMatch=version)
        except Exception as error:
            if not conflict(error) or not left:
                raise
            continue
        record.clear()
        record.update(latest)
        return


def conflict(error: Exception) -> bool:
    """Tell whether S3 refused a conditional write because there is another object by now."""
    return getattr(error, "response", {}).get("Error", {}).get("Code") in CONFLICTS


def write_result(settings: Settings, stack: Mapping[str, str], run: str, result: Mapping) -> None:
    """Write ``result.json``, unless somebody has gone on to another attempt meanwhile."""
    latest = with_attempts(readable(settings, stack, run, "run.json"))
    if latest is None or len(latest["attempts"]) <= len(result["attempts"]):
        write(settings, stack, run, "result.json", dict(result))


def under_way(record: Mapping) -> bool:
    """Tell whether the latest attempt has been begun and has no known end."""
    attempts = record["attempts"]
    return bool(attempts) and attempts[-1].get("state") not in ENDED


def unanswered(record: Mapping) -> bool:
    """Tell whether the run has neither a task nor an end that is known: ECS has to be asked."""
    attempts = record["attempts"]
    return not attempts or under_way(record) and not attempts[-1]["task"]


def record(settings: Settings, stack: Mapping[str, str], run: str) -> dict | None:
    """Return ``run.json`` with its list of attempts, or None where there is none."""
    return with_attempts(read(settings, stack, run, "run.json"))


def with_attempts(record: dict | None) -> dict | None:
    """Return ``run.json`` as it is written today: with a list of attempts."""
    if record is not None and "attempts" not in record:
        task = record.get("task")
        record["attempts"] = [{"attempt": 1, "task": task}] if task else []
    if record is not None:
        for each in record["attempts"]:
            each.setdefault("task", None)
        record.setdefault("task", record["attempts"][-1]["task"] if record["attempts"] else None)
    return record


def result(settings: Settings, stack: Mapping[str, str], run: str, record: Mapping) -> dict | None:
    """Return ``result.json``, or None where there is none of the latest attempt, or no certain one."""
    return of_latest(readable(settings, stack, run, "result.json"), record)


def of_latest(found: Any, record: Mapping) -> dict | None:
    """Return what ``result.json`` says if it is of the latest attempt.

    A look between two attempts may have recorded the end of the one before; and what was not known
    when it was written may be known by now.
    """
    latest, result = record.get("task"), sound.result(found)
    if result is None or result["state"] not in ENDED:
        return None
    return result if result.get("task", latest) == latest else None


def run_ids(settings: Settings, stack: Mapping[str, str]) -> list[str]:
    """Return the ids of all runs, latest first."""
    return folders(settings, stack)[0]


def folders(settings: Settings, stack: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the ids of all runs, latest first; and what else is a folder below runs/, whose name no run has."""
    pages = (
        client(settings, "s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack["Bucket"], Prefix=f"{settings.project}/runs/", Delimiter="/")
    )
    prefixes = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
    names = [prefix.removesuffix("/").rpartition("/")[2] for prefix in prefixes]
    found = [name for name in names if RUN_ID.fullmatch(name)]
    strange = [name for name in names if not RUN_ID.fullmatch(name)]
    # the scheduler writes 2026-11-24T03:00:00Z where run_id has 20261124T030000Z
    return sorted(found, key=lambda run: re.sub("[-:]", "", run), reverse=True), strange


def resolve(settings: Settings, stack: Mapping[str, str], ids: Sequence[str] = ()) -> str:
    """Return the id of the run that ``RUN`` means: a unique beginning of it is enough.

    ``ids`` are those of all runs, where they are known.

    Raises:
        UserError: no run, or more than one, has an id that begins so.
    """
    ids = ids or run_ids(settings, stack)
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
    (found,) = read_all(settings, stack, [run])
    manifest, lines = found[contract.MANIFEST], []
    files, prefix = files_in(manifest, found[contract.RUN]), key(settings, run)
    sizes = {
        each["Key"].removeprefix(prefix): each["Size"] for each in objects(settings, stack, run)
    }
    made = [name for name in sizes if name not in contract.RESERVED]
    for name in made:
        known = files is None or name in files
        if known and name.rpartition("/")[2].startswith("model.") and not of_checkpoint(name):
            size = sizes[name] / 1e3
            lines.append(f"model: {run_uri(settings, stack, run)}{name} ({size:,.1f} kB)")
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


RECORDS = ("run.json", "result.json", "metrics.json")
SETS = ("train", "validation")
# The first of these that a run measured stands for it in the table.
HEADLINES = ("auc", "accuracy", "r2", "rmse", "log_loss")


def files_of(settings: Settings, stack: Mapping[str, str], run: str) -> dict[str, Any] | None:
    """Return the files of a run, by the manifest of its last attempt; None where that has left none."""
    manifest, asked = (
        readable(settings, stack, run, name) for name in (contract.MANIFEST, contract.RUN)
    )
    return files_in(manifest, with_attempts(asked))


def files_in(manifest: Any, record: Mapping | None) -> dict[str, Any] | None:
    """Return the files that a manifest lists, if it is that of the last attempt; else None.

    What an earlier attempt has saved may lie beside them. Runs from before there was a launcher list their
    files in a manifest that counts no attempts.
    """
    files = manifest.get("files") if isinstance(manifest, Mapping) else None
    if not isinstance(files, dict):
        return None
    attempts = len((record or {}).get("attempts") or [1])
    return files if manifest.get("attempt", attempts) == attempts else None


def readable(settings: Settings, stack: Mapping[str, str], run: str, name: str) -> Any:
    """Return one JSON file of a run; None where there is none, or where it is damaged, as scripts may write it."""
    try:
        return read(settings, stack, run, name)
    except sound.DamagedError:
        return None


def saved_nothing(manifest: Mapping | None) -> bool:
    """Tell whether a script ended well and left no file."""
    if not isinstance(manifest, Mapping):
        return False
    return manifest.get("exit_code") == 0 and manifest.get("files") == {}


def read_all(
    settings: Settings, stack: Mapping[str, str], ids: Iterable[str]
) -> list[dict[str, dict | None]]:
    """Return the JSON files of each of ``ids`` by name, read side by side; None: not there, or damaged.

    Metrics that the last attempt has not written are an earlier one's, and left out. ``damage`` says why
    run.json cannot be read.
    """
    names = (*RECORDS, contract.MANIFEST)
    pairs = [(run, name) for run in ids for name in names]

    def read_one(pair: tuple[str, str]) -> Any:
        try:
            return read(settings, stack, *pair)
        except sound.DamagedError as error:
            return error

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(read_one, pairs))
    step = len(names)
    records = [
        dict(zip(names, found[at : at + step], strict=True)) for at in range(0, len(found), step)
    ]
    for each in records:
        each["damage"] = each["run.json"] if isinstance(each["run.json"], Exception) else None
        each |= {name: None for name in names if isinstance(each[name], Exception)}
        with_attempts(each["run.json"])
        each["result.json"] = of_latest(each["result.json"], each["run.json"] or {})
        files = files_in(each[contract.MANIFEST], each["run.json"])
        if files is not None and contract.METRICS not in files:
            each[contract.METRICS] = None
    return records


def measures(metrics: Mapping | None) -> dict[str, dict[str, float]]:
    """Return the numbers in metrics.json by set; those that stand there alone are of the set "".

    A script of one's own writes ``{"auc": 0.9}`` or ``{"validation": {"auc": 0.9}}``; the bundled one has
    much else beside ``train`` and ``validation``.
    """
    metrics = metrics if isinstance(metrics, Mapping) else {}
    bundled = "hyperparameters" in metrics
    found: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping) and (not bundled or name in SETS):
            found[name] = {each: number for each, number in value.items() if is_number(number)}
        elif is_number(value) and not bundled:
            found.setdefault("", {})[name] = value
    return {name: values for name, values in found.items() if values}


def headline(metrics: Mapping | None) -> str:
    """Return a run's first measure, of its validation set if there is one: ``auc 0.9912``."""
    found = measures(metrics)
    order = [name for name in (*SETS[::-1], "") if name in found] + list(found)
    for part in order:
        for name in (*HEADLINES, *found[part]):
            if name in found[part]:
                return f"{name} {found[part][name]:.5g}"
    return ""


def duration(result: Mapping) -> str:
    """Return how long the container ran, or else the task: ``1:02:03``; empty: not known."""
    begin = result.get("startedAt") or result.get("createdAt")
    if not begin or not result.get("stoppedAt"):
        return ""
    took = datetime.fromisoformat(result["stoppedAt"]) - datetime.fromisoformat(begin)
    return str(took).partition(".")[0]


def flat(record: Mapping[str, dict | None]) -> dict[str, str]:
    """Return what two runs are compared by: name, shown value. Parameters first, then metrics."""
    run, result, metrics = (record[name] or {} for name in RECORDS)
    parameters = metrics.get("hyperparameters") if isinstance(metrics, Mapping) else None
    values = {
        "revision": run.get("revision"),
        "image": (run.get("image") or "").rpartition("@")[2],
        "command": command(run),
        "data": json.dumps(run["data"], ensure_ascii=False) if run.get("data") else None,
        **{name: value for name, value in (run.get("size") or {}).items()},
        **(parameters if isinstance(parameters, Mapping) else {}),
        "state": result.get("state"),
        "cost": result.get("cost"),
    }
    for part, numbers in measures(metrics).items():
        values |= {f"{part} {name}".strip(): value for name, value in numbers.items()}
    return {name: text(value) for name, value in values.items()}


def text(value: object) -> str:
    """Return a value as the comparison shows it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def compare(records: Sequence[Mapping[str, dict | None]]) -> list[tuple[str, list[str], bool]]:
    """Return the rows of a comparison: name, one value a run, whether they differ."""
    columns = [flat(each) for each in records]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [(name, [column.get(name, "") for column in columns]) for name in names]
    return [(name, values, len(set(values)) > 1) for name, values in rows if any(values)]


def command(record: Mapping | None) -> str:
    """Return script and arguments of a run as a shell would take them."""
    return shlex.join(words(record)) if record else ""


def words(record: Mapping) -> list[str]:
    """Return script and arguments of a run, whole even where ECS had only a pointer to them."""
    command = record["request"]["overrides"]["containerOverrides"][0]["command"]
    return [command[0], *record.get("argv", command[1:])]


def data_versions(settings: Settings, stack: Mapping[str, str], request: Mapping) -> dict | None:
    """Return of each channel of a request its address, and what tells its content from another.

    That is the sha256 of each file that `make data` uploaded, else ETag and version of an object of the
    bucket. A request of an older version has one channel, as ``data_version`` gives it.
    """
    variables = variables_of(request)
    if contract.CHANNELS not in variables:
        return data_version(settings, stack, variables["SM_CHANNEL_TRAIN"])
    own, files = f"{project_uri(settings, stack)}/", None
    found = {}
    for name, channel in json.loads(variables[contract.CHANNELS]).items():
        found[name] = {"uri": channel["uri"]}
        path = channel["uri"].removeprefix(own)
        if path != channel["uri"] and path.startswith("data"):
            files = uploaded(settings, stack)[0] if files is None else files
            # what `aws s3 sync` has uploaded has an ETag only
            chosen = {
                each: files[each]["sha256"] or files[each]["etag"]
                for each in files
                if belongs(each, path)
            }
            if chosen and all(chosen.values()):
                found[name]["files"] = chosen
                continue
        found[name] |= data_version(settings, stack, channel["uri"]) or {}
    return found


def addresses(data: Mapping) -> list[str]:
    """Return the addresses in what a record says of the data, today or in an older version."""
    if isinstance(data.get("uri"), str):
        return [data["uri"]]
    return [each["uri"] for each in data.values()]


def latest(settings: Settings, stack: Mapping[str, str]) -> str:
    """Return the id of the latest successful run of another script than ``SCRIPT``.

    Raises:
        UserError: there is none.
    """
    for run in run_ids(settings, stack)[:LOOKED_THROUGH]:
        ended, asked = (
            readable(settings, stack, run, name) for name in ("result.json", "run.json")
        )
        good = bool(sound.result(ended) and asked) and ended.get("state") == "Succeeded"
        if good and words(asked)[0] != settings.script:
            return run
    raise UserError("latest: no run has succeeded yet; type: make run, or name one: model=runs/ID")


def data_version(settings: Settings, stack: Mapping[str, str], uri: str) -> dict | None:
    """Return address, etag and version of the data, or None where it is no object of the bucket."""
    from botocore.exceptions import ClientError

    bucket, _, name = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or bucket != stack["Bucket"] or not name:
        return None
    try:
        head = client(settings, "s3").head_object(Bucket=bucket, Key=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "403"):
            raise
        return None
    return {"uri": uri, "etag": head.get("ETag", ""), "version": head.get("VersionId")}
