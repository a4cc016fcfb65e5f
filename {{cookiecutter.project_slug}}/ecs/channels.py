"""DATA: which files a run gets, each channel a folder of its own. Pure.

``data/train.csv``, a path below data/ or runs/, or a URI, is the channel ``train``; ``train=… lookup=…`` are several.
"""

import re
import shlex
from collections.abc import Callable, Mapping

from ecs.console import plain
from ecs.errors import UserError

TRAIN = "train"  # what a value without a name is
LATEST = "latest"  # stands for the latest successful run
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
EXAMPLE = 'DATA="train=data/train.csv lookup=data/lookup.csv"'


def parse(text: str) -> dict[str, str]:
    """Return the values of the channels in ``DATA`` by name.

    Raises:
        UserError: a word is no channel, or a name is there twice.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(
            f"DATA cannot be split into words ({str(error).lower()}): quote it as for a shell; type for "
            f"example: {EXAMPLE}"
        ) from error
    channels: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not NAME.fullmatch(name):
            name, value = TRAIN, word
        if name.upper() in map(str.upper, channels):
            raise UserError(
                f"DATA={plain(text)!r}: two channels are called {name}; type for example: {EXAMPLE}"
            )
        check(value, text)
        channels[name] = value.removeprefix("./")
    if not channels:
        raise UserError(f"DATA is empty; type for example: {EXAMPLE}")
    return channels


def check(value: str, text: str) -> None:
    """Raise UserError unless ``value`` is a URI, a path below data/ or runs/, or ``latest``."""
    path = value.removeprefix("./")
    good = value == LATEST or (
        "://" in value
        if "://" in value
        else path.rstrip("/") in ("data", "runs") or path.startswith(("data/", "runs/"))
    )
    parts = value.partition("://")[2].split("/") if "://" in value else path.rstrip("/").split("/")
    if not good or not value.isprintable() or {"..", "."} & set(parts) or "" in parts[:1]:
        raise UserError(
            f"DATA={plain(text)!r}: a path below data/, which `make data` uploads, a run (runs/ID or {LATEST}), or "
            "a URI; type for example: DATA=data/train.csv"
        )


def with_latest(text: str, latest: Callable[[], str]) -> str:
    """Return ``DATA`` with the latest successful run, whose id ``latest`` gives, in the place of the word."""
    channels = parse(text)
    if LATEST not in channels.values():
        return text
    run = f"runs/{latest()}"
    return shlex.join(
        f"{name}={run if value == LATEST else value}" for name, value in channels.items()
    )


def on_ecs(channels: Mapping[str, str], project_uri: str) -> dict[str, dict[str, str]]:
    """Return the channels as the container gets them: local paths are those below the project's prefix.

    Args:
        channels: of ``parse``.
        project_uri: without a last slash.
    """
    found = {}
    for name, path in channels.items():
        if "://" in path:
            found[name] = {"uri": path}
        else:
            slash = (
                "/" if path.startswith("runs/") and "/" not in path.removeprefix("runs/") else ""
            )
            found[name] = {"uri": f"{project_uri}/{path}{slash}", "path": path.rstrip("/")}
    return found


def here(channels: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the channels as the launcher gets them on this machine."""
    return {
        name: {"uri": path} if "://" in path else {"uri": path, "path": path.rstrip("/")}
        for name, path in channels.items()
    }
