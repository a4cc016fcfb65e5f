"""What the tables show of a run: metrics, durations, parameters."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ecs.cost import shown
from ecs.history.sound import is_number

RECORDS = ("run.json", "result.json", "metrics.json")


SETS = ("train", "validation")


# The first of these that a run measured stands for it in the table.
HEADLINES = ("auc", "accuracy", "r2", "rmse", "log_loss")
# of these measures the smallest is the best, of any other the largest
SMALLEST = re.compile(r"(?i)loss|err|rmse|mae|mse|mape|deviance|nll|perplexity")


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
    found = first(metrics)
    return f"{found[0]} {found[1]:.5g}" if found else ""


def best(metrics: Mapping[int, Mapping | None]) -> tuple[int, str] | None:
    """Return the number of the best of several runs and its measure; of equal ones the first.

    They are compared by the first measure of the first run that has any.
    """
    found = {number: measure for number, each in metrics.items() if (measure := first(each))}
    if not found:
        return None
    name = found[min(found)][0]
    sign = 1 if SMALLEST.search(name) else -1
    value, number = min(
        (sign * each[1], number) for number, each in found.items() if each[0] == name
    )
    return number, f"{name} {sign * value:.5g}"


def first(metrics: Mapping | None) -> tuple[str, float] | None:
    """Return the name and value of the measure that stands for a run; None where it has none."""
    found = measures(metrics)
    order = [name for name in (*SETS[::-1], "") if name in found] + list(found)
    for part in order:
        for name in (*HEADLINES, *found[part]):
            if name in found[part]:
                return name, found[part][name]
    return None


def duration(result: Mapping) -> str:
    """Return how long the container ran, or else the task: ``1:02:03``; empty: not known."""
    begin = result.get("startedAt") or result.get("createdAt")
    if not begin or not result.get("stoppedAt"):
        return ""
    took = datetime.fromisoformat(result["stoppedAt"]) - datetime.fromisoformat(begin)
    return str(took).partition(".")[0]


def flat(record: Mapping[str, dict | None]) -> dict[str, Any]:
    """Return what two runs are compared by: name, value. Parameters first, then metrics."""
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
        "cost": shown(result.get("cost")),
    }
    for part, numbers in measures(metrics).items():
        values |= {f"{part} {name}".strip(): value for name, value in numbers.items()}
    return values


def text(value: object, digits: int = 10) -> str:
    """Return a value as the comparison shows it; ``digits`` are those of a number that is no integer."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def compare(records: Sequence[Mapping[str, dict | None]]) -> list[tuple[str, list[str], bool]]:
    """Return the rows of a comparison: name, one value a run, whether they differ."""
    columns = [flat(each) for each in records]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [(name, *told([column.get(name) for column in columns])) for name in names]
    return [row for row in rows if any(row[1])]


def told(values: Sequence[object]) -> tuple[list[str], bool]:
    """Return values as they are shown side by side, and whether they differ: few digits where these tell."""
    exact, short = ([text(value, digits) for value in values] for digits in (10, 6))
    return (short if len(set(short)) == len(set(exact)) else exact), len(set(exact)) > 1


def command(record: Mapping | None) -> str:
    """Return script and arguments of a run as a shell would take them."""
    return shlex.join(words(record)) if record else ""


def words(record: Mapping) -> list[str]:
    """Return script and arguments of a run, whole even where ECS had only a pointer to them."""
    command = record["request"]["overrides"]["containerOverrides"][0]["command"]
    return [command[0], *record.get("argv", command[1:])]
