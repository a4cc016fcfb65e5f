"""Read .env for the Makefile, which would cut a value at a ``#`` and execute ``$(shell …)`` in it.

``python3 ecs/dotenv.py .env TARGET NAME …`` writes TARGET, a makefile that sets what .env sets, and prints
``read``; or one sentence, where a line is wrong or sets no variable of the project's. Nothing but Python's own
library is used, and nothing of this project's: make reads .env before there is an environment.
"""

import difflib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

# Variables of other programs, which reach them through make.
OTHERS = re.compile(
    r"(AWS|TD|MLFLOW|PIP|UV|DOCKER|BUILDKIT|BUILDX|SSL|GIT)_\w+|(?i:(https?|no|all)_proxy)"
)
LINE = re.compile(r"\s*(?:export\s+)?([^\s=]+)\s*(?:[:?]?=)\s*(.*?)\s*", re.DOTALL)
COMMENT = re.compile(r"(^|\s)#.*", re.DOTALL)


class Refused(Exception):
    """One sentence for the user."""


def value(text: str) -> str:
    """Return what stands behind ``=``: without a comment, and without quotes around the whole.

    Quotes inside a value stay, since ARGS is split into words by them; a ``#`` between quotes, or right
    behind another character, begins no comment.

    Raises:
        Refused: a quote is not closed.
    """
    quote, at = "", 0
    while at < len(text):
        character = text[at]
        if character == "\\" and quote != "'":
            at += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif COMMENT.match(text, at):
            text = text[:at]
            break
        at += 1
    if quote:
        raise Refused(f"a quote {quote} is not closed; type it twice, or \\{quote}")
    text = text.strip()
    whole = re.fullmatch(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"", text, re.DOTALL)
    if not whole:
        return text
    return whole[1] if whole[1] is not None else re.sub(r"\\([\"\\$`])", r"\1", whole[2])


def nearest(name: str, names: Sequence[str], form: str = "{}") -> str:
    """Return a hint at the name that was probably meant, to go behind a sentence."""
    found = difflib.get_close_matches(name.upper(), [each.upper() for each in names], 1)
    meant = next((each for each in names if found and each.upper() == found[0]), None)
    return f"; type: {form.format(meant)}" if meant else ""


def read(text: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give out names and values of the lines in ``text``.

    Raises:
        Refused: a line is no assignment, or sets what is no variable of the project's.
    """
    for number, line in enumerate(re.split(r"\r?\n", text.removeprefix("\ufeff")), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.fullmatch(line)
        if not found or not re.fullmatch(r"[A-Za-z_]\w*", found[1], re.ASCII):
            raise Refused(f".env line {number}: a line is NAME = value, or begins with #")
        name = found[1]
        if name not in names and not OTHERS.fullmatch(name):
            raise Refused(
                f".env line {number}: there is no variable {name}{nearest(name, names, '{} = …')}; "
                ".env.example has all of them"
            )
        try:
            yield name, value(found[2])
        except Refused as error:
            raise Refused(f".env line {number}: {error}") from error


def assignment(name: str, text: str) -> str:
    """Return a line of a makefile that sets a variable to ``text``, whatever stands in it."""
    for character, made in (("$", "$$"), ("#", "$(_hash)")):
        text = text.replace(character, made)
    return f"export {name} := $(_nothing){text}$(_nothing)\n"


def write(path: Path, text: str) -> None:
    """Replace a file at once; only this user may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(part).replace(path)


def main(source: str, target: str, *names: str) -> str:
    """Do it, and return ``read`` or a sentence."""
    try:
        text = Path(source).read_text(encoding="utf-8")
        lines = [assignment(name, found) for name, found in read(text, names)]
        write(Path(target), "_nothing :=\n_hash := \\#\n" + "".join(lines))
    except UnicodeDecodeError:
        return ".env is not valid UTF-8; save it as UTF-8"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except Refused as error:
        return str(error)
    return "read"


if __name__ == "__main__":
    if sys.argv[1] == "nearest":  # for a name that nobody knows, on standard input
        print(nearest(sys.stdin.read().strip(), sys.argv[3:], sys.argv[2]))
    else:
        print(main(*sys.argv[1:]))
