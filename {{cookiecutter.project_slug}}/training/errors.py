"""Errors that are the user's to mend."""

import difflib
import shlex
from collections.abc import Collection


class UserError(Exception):
    """One sentence for the user: what is wrong, which rule, what to type instead."""


def one_line(text: object) -> str:
    """Return ``text`` with every run of white space as one blank, so that it stays one line."""
    return " ".join(str(text).split())


def nearest(word: str, names: Collection[str]) -> str | None:
    """Return the one of ``names`` that is most like ``word``; None when none is like it."""
    return next(iter(difflib.get_close_matches(word, names, n=1, cutoff=0.7)), None)


def option(name: str, column: str) -> str:
    """Return what to type to name a ``column``, be it called what it may, by the option ``name``."""
    if name in ("drop", "text", "missing") and ("," in column or column == "--"):
        column = f'"{column}"'
    text = shlex.quote(column) if column.isprintable() else "NAME"
    return f"--{name}={text}" if column.startswith("-") else f"--{name} {text}"
