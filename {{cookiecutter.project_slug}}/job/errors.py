"""Errors that are somebody's to fix, and what may be said of them."""

import os
import re
import unicodedata

# The name and password of a URI, and what signs or opens one in its query.
SECRETS = re.compile(
    r"(?<=://)[^/@\s]+@|(?<=[?&])((?:[\w-]*(?:signature|credential|token|password|key))=)[^&\s]+",
    re.IGNORECASE,
)


def say(line: str) -> None:
    """Print a line at once. Once nobody reads any more, nothing is said."""
    try:
        print(line, flush=True)
    except OSError:
        silence(1)


def silence(target: int) -> None:
    """Point a descriptor at nothing, so that writers go on although the reader has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, target)
    os.close(nowhere)


class UserError(Exception):
    """One sentence for the user: what is wrong, which rule, what to type. Trying again does not help."""


class PassingError(Exception):
    """One sentence for the user about what may work a minute later: the network, throttling."""


def one_line(text: object) -> str:
    """Return ``text`` with every run of white space as one blank, so that it stays one line."""
    return " ".join(str(text).split())


def without_secrets(text: str) -> str:
    """Return ``text`` without the passwords, tokens and signatures of the URIs in it."""
    return SECRETS.sub(lambda found: f"{found[1] or ''}***" + ("" if found[1] else "@"), text)


def fault(name: str) -> str:
    """Say why ``name``, which came from outside, is no path below a folder; "" where it is one."""
    parts = name.split("/")
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in name):
        return "its name has control characters, or is not UTF-8"
    if ".." in parts or "." in parts or "" in parts or "\\" in name:
        return "its name leads out of its folder, or is no path"
    if len(name.encode()) > 1024 or any(len(part.encode()) > 255 for part in parts):
        return "its name is longer than 1,024 bytes, or a part of it longer than 255"
    return ""
