"""DATA: which files a run gets, each channel a folder of its own. Pure.

``data/train.csv``, a path below data/ or runs/, or a URI, is the channel ``train``; ``train=… lookup=…`` are several.
"""

import fnmatch
import re
import shlex
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from ecs import console
from ecs.console import plain
from ecs.errors import UserError
from ecs.settings import LOOPBACK

TRAIN = "train"  # what a value without a name is
LATEST = "latest"  # stands for the latest successful run
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
EXAMPLE = 'DATA="train=data/train.csv lookup=data/lookup.csv"'
SCHEMES = ("s3", "https", "td")  # which the launcher reads; from loopback http:// as well


def parse(text: str) -> dict[str, str]:
    """Return the values of the channels in ``DATA`` by name.

    Raises:
        UserError: a word is no channel, or a name is there twice.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise refusal(text, f"it cannot be split into words ({str(error).lower()})") from error
    channels: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or re.match(r"\.?/|(data|runs)/|\w+://", name):
            name, value = TRAIN, word
        if not NAME.fullmatch(name):
            raise refusal(
                text, f"{plain(name)!r} names no channel: a letter, then letters, digits, - and _"
            )
        if name.upper() in map(str.upper, channels):
            raise refusal(text, f"two channels are called {name}")
        if why := fault(value):
            raise refusal(text, why, "DATA=data/train.csv")
        channels[name] = value.removeprefix("./")
    if not channels:
        raise refusal(text, "it is empty")
    return channels


def refusal(text: str, why: str, example: str = EXAMPLE) -> UserError:
    """Return the error for a ``DATA`` that cannot be used."""
    return UserError(f"DATA={plain(text)!r}: {why}; type for example: {example}")


def fault(value: str) -> str:
    """Say why ``value`` is neither a URI, a path below data/ or runs/, nor ``latest``; "" where it is one."""
    if value != plain(value):
        return "control characters"
    if value == LATEST:
        return ""
    if "://" in value:
        if console.PASSWORD.search(value):
            return (
                f"{plain(value)} has a password, which would be stored with the run; leave it out"
            )
        try:
            scheme, host, path, *_ = urlsplit(value)
            local = scheme == "http" and urlsplit(value).hostname in LOOPBACK
        except ValueError as error:
            return f"{value} is no URI ({error})"
        if scheme not in SCHEMES and not local:
            return (
                f"{scheme}:// is not read; a path below data/ or runs/, s3://, https:// or td:// is"
            )
        return "" if host and ".." not in path.split("/") else f"{value} is no URI"
    folder, *parts = value.removeprefix("./").removesuffix("/").split("/")
    if folder not in ("data", "runs") or (folder == "runs" and not parts):
        return (
            f"{value!r} is no path below data/, which `make data` uploads, no run (runs/ID or {LATEST}) "
            "and no URI"
        )
    return f"{value!r} has a part that is no name" if {"", ".", ".."} & set(parts) else ""


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

    Conversely, the address of what lies there has that path, so that a script finds it at the same place.

    Args:
        channels: of ``parse``.
        project_uri: without a last slash.
    """
    found = {}
    for name, value in channels.items():
        path = value.removeprefix(f"{project_uri}/")
        if fault(path) or "://" in path:
            found[name] = {"uri": value}
        else:
            # a run is a folder, whose manifest tells its files
            slash = "/" if re.fullmatch(r"runs/[^/]+", path) else ""
            found[name] = {"uri": f"{project_uri}/{path}{slash}", "path": path.rstrip("/")}
    return found


def here(channels: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the channels as the launcher gets them on this machine."""
    return {
        name: {"uri": path} if "://" in path else {"uri": path, "path": path.rstrip("/")}
        for name, path in channels.items()
    }


def belongs(name: str, path: str) -> bool:
    """Tell whether the file ``name`` is what ``path`` means: a file, a folder, or a pattern.

    As in a shell, ``*`` takes no slash.
    """
    parts, wanted = name.split("/"), path.split("/")
    alike = len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
    return name == path or name.startswith(path.rstrip("/") + "/") or alike


def typed(channels: Mapping[str, str]) -> str:
    """Return what to type for these channels: ``DATA="…"``."""
    alone = list(channels) == [TRAIN]
    words = channels.values() if alone else (f"{name}={each}" for name, each in channels.items())
    return console.typed("DATA", shlex.join(words))
