"""What this program prints: text from outside is shown, never obeyed by a terminal."""

import json
import os
import re
import shlex
import sys
import unicodedata

# Cc: control characters, among them escape; Cf: those that turn the direction of writing, or are not
# seen; Cs: halves of characters; Zl, Zp: line ends that are no newline.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


# (the bound of the scheme keeps the time linear, in a line of 100,000 letters too)
PASSWORD = re.compile(r"(?i)([a-z][a-z0-9+.-]{0,30}://[^\s/@:'\"]*):[^\s/@'\"]+@")


def redacted(text: str) -> str:
    """Return ``text`` with three asterisks for the password of each URL: ``https://user:***@host``."""
    return PASSWORD.sub(r"\1:***@", text)


def plain(text: object) -> str:
    """Return ``text`` on one line, as ``escaped`` does, and without the passwords of URLs."""
    return escaped(redacted(str(text)))


def escaped(text: str) -> str:
    """Return ``text`` with every character that a terminal could obey as an escape."""
    return "".join(
        each.encode("unicode_escape").decode() if unicodedata.category(each) in HIDDEN else each
        for each in text
    )


COLOUR = re.compile(r"(\x1b\[[0-9;:]*m)")  # and other attributes of characters: SGR
RESET = "\x1b[0m"


def harmless(line: str) -> str:
    """Return a line that is no command of a GitHub workflow; outside of one, the line as it is.

    Its runner obeys ``::`` at the start of a line, blanks left out, and ``##[`` anywhere (actions/runner,
    ActionCommand.cs).
    """
    if not os.environ.get("GITHUB_ACTIONS"):
        return line
    line = line.replace("##[", "#\\x23[")
    start = len(line) - len(line.lstrip())
    return f"{line[:start]}\\x3a{line[start + 1 :]}" if line.startswith("::", start) else line


def logged(line: str) -> str:
    """Return a line of the container's log: its colours stay, all else that a terminal could obey is escaped.

    The colours end with the line, so that nothing of what this program says is hidden by them.
    """
    parts = COLOUR.split(line.rstrip("\r\n"))
    shown = "".join(
        part if number % 2 else "\t".join(map(escaped, part.split("\t")))
        for number, part in enumerate(parts)
    )
    return harmless(shown + (RESET if len(parts) > 1 and not shown.endswith(RESET) else ""))


def cell(value: object, limit: int = 200) -> str:
    """Return a value for a cell of a table: blanks folded, at most ``limit`` characters, no markup."""
    from rich.markup import escape  # 0.09 s, which only tables need

    text = harmless(plain(" ".join(str(value).split())))
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")


def typed(variable: str, text: str) -> str:
    """Return how to type a variable of the Makefile's with this value: ``ARGS="--max-depth 6"``."""
    # between double quotes a shell reads these as they are
    safe = re.fullmatch(r"[\w ./:=?&%,~@+'-]*", text)
    return f'{variable}="{text}"' if safe else f"{variable}={shlex.quote(text)}"


def as_json(value: object) -> str:
    """Return a value as JSON over several lines, with the characters that ``plain`` escapes as JSON escapes them."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(
        each if each == "\n" or unicodedata.category(each) not in HIDDEN else json.dumps(each)[1:-1]
        for each in text
    )


# "make" before a target that asks AWS
HINT = re.compile(
    r"\bmake (?=(attach|cluster|compare|data|destroy|fetch|logs|plan|policy|push|register|report|rerun"
    r"|run|runs|schedule|schedules|secret|shell|status|stop|unschedule|verify)\b)"
)
in_sandbox = False


def aimed(text: str) -> str:
    """Return ``text`` whose hints, typed as they are, ask whom this command has asked."""
    return HINT.sub("make SANDBOX=1 ", text) if in_sandbox else text


def say(text: object) -> None:
    """Print a line of what a command was asked for, to standard output."""
    print(harmless(plain(aimed(str(text)))))


def note(text: str) -> None:
    """Print what is not the container's own output, to standard error, line by line as ``plain`` shows it."""
    lines = [harmless(plain(line)) for line in aimed(text).split("\n")]
    print("\n".join(lines), file=sys.stderr, flush=True)
