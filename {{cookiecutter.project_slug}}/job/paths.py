"""Paths and patterns, and what is known of a file."""

import fnmatch
import hashlib
import re
from pathlib import Path


def is_s3(uri: str) -> bool:
    """Tell whether ``uri`` is on S3."""
    return uri.startswith("s3://")


def fixed(path: str) -> str:
    """Return of a path to a file, or of a pattern, the folders that are named, with a last slash."""
    return re.match(r"(?:[^*?[/]*/)*", path)[0]


def matches(name: str, pattern: str) -> bool:
    """Tell whether an S3 key matches a pattern whose ``*`` takes no slash, as a shell's does."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def facts(path: Path) -> dict[str, object]:
    """Return sha256 and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "size_bytes": path.stat().st_size}
