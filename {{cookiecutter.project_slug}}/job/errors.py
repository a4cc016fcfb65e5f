"""Errors that are somebody's to fix, and what may be said of them."""

import re
import unicodedata

# The name and password of a URI, and what signs or opens one in its query.
SECRETS = re.compile(
    r"(?<=://)[^/@\s]+@|(?<=[?&])((?:[\w-]*(?:signature|credential|token|password|key))=)[^&\s]+",
    re.IGNORECASE,
)


class UserError(Exception):
    """One sentence for the user: what is wrong, which rule, what to type. It stays so."""


class PassingError(Exception):
    """One sentence for the user about what may be well a minute later: the network, throttling."""


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
    if any(len(part.encode()) > 255 for part in parts):
        return "a part of its name is longer than 255 bytes"
    return ""
