"""What this program prints: text from outside is shown, never obeyed by a terminal."""

import re
import shlex
import sys
import unicodedata

# Cc: control characters, among them escape; Cf: those that turn the direction of writing, or are not
# seen; Cs: halves of characters; Zl, Zp: line ends that are no newline.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def plain(text: object) -> str:
    """Return ``text`` on one line, with every character that a terminal could obey as an escape."""
    return "".join(
        each.encode("unicode_escape").decode() if unicodedata.category(each) in HIDDEN else each
        for each in str(text)
    )


def cell(value: object, limit: int = 200) -> str:
    """Return a value for a cell of a table: blanks folded, at most ``limit`` characters, no markup."""
    from rich.markup import escape  # 0.09 s, which only tables need

    text = plain(" ".join(str(value).split()))
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")


def typed(variable: str, text: str) -> str:
    """Return how to type a variable of the Makefile's with this value: ``ARGS="--max-depth 6"``."""
    # between double quotes a shell reads these as they are
    safe = re.fullmatch(r"[\w ./:=?&%,~@+'-]*", text)
    return f'{variable}="{text}"' if safe else f"{variable}={shlex.quote(text)}"


def note(text: str) -> None:
    """Print what is not the container's own output, to standard error."""
    print(text, file=sys.stderr, flush=True)
