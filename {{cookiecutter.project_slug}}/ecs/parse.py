"""What variables hold, read from their text: words, numbers, seconds."""

import math
import re
import shlex
from collections.abc import Callable

from ecs.errors import UserError
from ecs.settings import Settings


def words(text: str, variable: str = "ARGS") -> list[str]:
    """Split ``text`` into words as a POSIX shell does, expanding nothing.

    Raises:
        UserError: a quotation is not closed, or a backslash ends the text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{variable} is not valid UTF-8, which is all that ECS takes") from error
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(
            f"{variable} cannot be split into words ({str(error).lower()}): quote it as for a shell, "
            f"for example {variable}=\"--note 'two words'\""
        ) from error


def environment(text: str) -> dict[str, str]:
    """Return the variables in ``A=1 B='two words'``.

    Raises:
        UserError: a word is not ``NAME=value``.
    """
    pairs = {}
    for word in words(text, "ENV"):
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UserError(
                f"ENV: {word!r} is not NAME=value; type for example: ENV=\"A=1 B='x y'\""
            )
        pairs[name] = value
    return pairs


SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
# what a number is most likely meant to be, where it has such a unit
UNITS = {
    "TIMEOUT": SECONDS,
    "START_TIMEOUT": SECONDS,
    "MEMORY": {"m": 1, "mb": 1, "mib": 1, "g": 1024, "gb": 1024, "gib": 1024},
    "CPU": {"vcpu": 1024, "vcpus": 1024, "cpu": 1024, "cpus": 1024},
    "DISK": {"g": 1, "gb": 1, "gib": 1},
}
# what it is without one, where it is smaller than allowed: vCPUs, GiB
SMALL = {"CPU": 1024, "MEMORY": 1024}
EXAMPLES = {
    "TIMEOUT": 3600,
    "START_TIMEOUT": 900,
    "MEMORY": 4096,
    "CPU": 1024,
    "DISK": 50,
    "RETRIES": 3,
    "MAX_VCPUS": 64,
    "SAMPLE": 50,
}


def meant(variable: str, text: str, low: int, high: int) -> int:
    """Return the number that ``text`` may be meant to be: ``1h`` for TIMEOUT is 3600, ``4GB`` for MEMORY 4096.

    Where nobody can tell it is an example.
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]*)", text.strip().lower())
    factor = UNITS.get(variable, {}).get(found[2]) if found else None
    if found and not found[2]:
        factor = SMALL.get(variable, 1) if float(found[1]) < low else 1
    value = float(found[1]) * factor if found and factor else 0
    if not value:
        return EXAMPLES.get(variable, low)
    return min(max(int(value), low), high)


def whole_number(
    variable: str, text: str, low: int, high: int, unit: str, hint: Callable[[], str] | None = None
) -> int:
    """Return ``text`` as a number between ``low`` and ``high``.

    ``hint`` tells what to type where it is none.

    Raises:
        UserError: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise UserError(
            f"{variable}={text!r}: a whole number of {unit} from {low} to {high}; "
            f"type for example: {hint() if hint else f'{variable}={meant(variable, text, low, high)}'}"
        )
    return int(text)


def seconds(variable: str, text: str) -> float:
    """Return a limit in seconds; infinite where none is given.

    Raises:
        UserError: it is no whole number of seconds.
    """
    return whole_number(variable, text, 1, 30 * 24 * 3600, "seconds") if text else math.inf


def retries(settings: Settings) -> int:
    """Return how many attempts may follow the first one.

    Raises:
        UserError: it is no whole number.
    """
    return whole_number("RETRIES", settings.retries or "0", 0, 100, "attempts after the first")
