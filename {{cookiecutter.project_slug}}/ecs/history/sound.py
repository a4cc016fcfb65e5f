"""Whether a file of the history is what its name says. Whoever may write to the bucket may have written it.

Fields that a newer version may have are left alone; those that this one reads must be of their kind.
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ecs.errors import UserError

SIZES = ("cpu", "memory", "disk")
TIMES = ("createdAt", "pullStartedAt", "startedAt", "stoppedAt")
WORDS = ("cause", "remedy", "retry", "reason", "rule")


class DamagedError(UserError):
    """A file of the history cannot be read."""


def parsed(body: bytes) -> Any:
    """Return the value of a JSON file.

    Raises:
        ValueError: it is none, or one that no program reads.
    """
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("lists in lists, too deep to be read") from error


def damage(record: Any) -> str:
    """Say why ``record`` is no ``run.json``; "" where it is one."""
    if not isinstance(record, Mapping):
        return "it is no JSON object"
    for name in ("run", "tag", "revision", "image", "task", "stopped", "schedule", "rerun_of"):
        if not is_text(record.get(name)):
            return f"{name} is no text"
    if not is_time(record.get("started")):
        return "started is no time"
    if "argv" in record and not is_words(record["argv"]):
        return "argv is no list of words"
    if why := damage_of_request(record.get("request")) or damage_of_size(record.get("size")):
        return why
    if not isinstance(record.get("data"), Mapping | None):
        return "data is no JSON object"
    if "batch" in record and not is_job(record["batch"]):
        return "batch names no queue"
    if "sweep" in record and type(record["sweep"]) is not int:
        return "sweep is no number"
    if (log := record.get("log")) is not None and not (
        isinstance(log, Mapping)
        and is_words([*log.values()])
        and {"group", "stream-prefix"} <= set(log)
    ):
        return "log is no place of a log"
    if "attempts" in record:
        return damage_of_attempts(record["attempts"])
    return ""


def is_job(batch: Any) -> bool:
    """Tell whether it is what ``run.json`` says of a job of AWS Batch."""
    if not isinstance(batch, Mapping) or not isinstance(batch.get("queue"), str):
        return False
    return is_text(batch.get("job", 0))


def damage_of_attempts(attempts: Any) -> str:
    if not isinstance(attempts, list) or not all(isinstance(each, Mapping) for each in attempts):
        return "attempts is no list of JSON objects"
    for number, each in enumerate(attempts, 1):
        known = [each.get(name) for name in ("task", "log", "state", "capacity", "sender", *WORDS)]
        numbers = [each.get(name) for name in ("exit_code", "cost")]
        if not all(map(is_text, known)) or not all(n is None or is_number(n) for n in numbers):
            return f"attempt {number} has a field of another kind"
        if not is_time(each.get("started")):
            return f"started of attempt {number} is no time"
        if "request" in each and (why := damage_of_request(each["request"])):
            return f"attempt {number}: {why}"
    return ""


def damage_of_request(request: Any) -> str:
    try:
        container = request["overrides"]["containerOverrides"][0]
        command, variables = container["command"], container.get("environment", [])
        names = [(each["name"], each["value"]) for each in variables]
        words = [
            request.get(n, "") for n in ("cluster", "taskDefinition", "startedBy", "clientToken")
        ]
        network = request.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        subnets = network.get("subnets", [])
        strategy = request.get("capacityProviderStrategy", [{"capacityProvider": ""}])
        words.append(strategy[0]["capacityProvider"])
    except (LookupError, TypeError, AttributeError):
        return "request is none of RunTask"
    good = is_words(command) and command and is_words(words) and is_words(subnets)
    return "" if good and all(map(is_words, names)) else "request is none of RunTask"


def damage_of_size(size: Any) -> str:
    if size is None:
        return ""
    if not isinstance(size, Mapping) or not all(is_number(size.get(name)) for name in SIZES):
        return "size has no cpu, memory and disk"
    known = size.get("architecture") in ("x86_64", "arm64") and isinstance(
        size.get("capacity"), str
    )
    return "" if known else "size has no architecture and capacity"


def result(found: Any) -> dict | None:
    """Return ``result.json`` without the fields that are of another kind; None where it is none."""
    if not isinstance(found, dict) or not isinstance(found.get("state", "Succeeded"), str):
        return None
    checks = {"exit_code": is_code, "cost": is_number, **dict.fromkeys(WORDS, is_text)}
    checks |= dict.fromkeys(TIMES, is_time) | {"task": is_text, "attempts": is_list}
    good = {name: value for name, value in found.items() if checks.get(name, anything)(value)}
    return {"state": "Succeeded", "exit_code": None, "cause": "", **good}


def anything(value: Any) -> bool:
    return True


def is_list(value: Any) -> bool:
    return isinstance(value, list)


def is_text(value: Any) -> bool:
    """Tell whether it is a text, or not given."""
    return value is None or isinstance(value, str)


def is_words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def is_code(value: Any) -> bool:
    """Tell whether it is an exit code, or not given."""
    return value is None or type(value) is int and -256 < value < 256


def is_time(value: Any) -> bool:
    """Tell whether it is a time with its zone, or not given."""
    if value is None or not isinstance(value, str):
        return value is None
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def is_number(value: Any) -> bool:
    """Tell whether it is a number that can be printed as one: finite, no boolean."""
    try:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:  # 10**400
        return False
