"""What variables hold, read from their text: words, numbers, seconds."""

import math
import re
import shlex

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


def whole_number(variable: str, text: str, low: int, high: int, unit: str) -> int:
    """Return ``text`` as a number between ``low`` and ``high``.

    Raises:
        UserError: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise UserError(
            f"{variable}={text!r}: a whole number of {unit} from {low} to {high}; "
            f"type for example: {variable}={low}"
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
