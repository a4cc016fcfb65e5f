"""What surrounds ``main``: first lines, exit status, signals.

Exit status: 0 the work is done and saved, 1 a bug (with its traceback), 2 wrong arguments or
data (one sentence), 130 after Ctrl-C, 143 after SIGTERM.
"""

import contextlib
import json
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from training import machine
from training.errors import UserError, one_line

# The name and password of a URI, and what signs or opens one in its query.
SECRETS = re.compile(
    r"(?<=://)[^/@\s]+@|(?<=[?&])((?:[\w-]*(?:signature|credential|token|password|key))=)[^&\s]+",
    re.IGNORECASE,
)

# Set from SIGTERM on.
TERMINATED = threading.Event()
# The words of the command line, without secrets.
ARGV: list[str] = []
# What may be said to the user of a run that SIGTERM ends; whether SIGTERM waits for the work.
STOPPED = {"message": "nothing was saved", "waits": False}


class Terminated(BaseException):
    """SIGTERM came. Not an Exception, so that no ``except Exception`` swallows it."""


def without_secrets(text: str) -> str:
    """Return ``text`` without the passwords, tokens and signatures of the URIs in it."""
    return SECRETS.sub(lambda found: f"{found[1] or ''}***" + ("" if found[1] else "@"), text)


def run(main: Callable[[list[str]], None]) -> NoReturn:
    """Call ``main`` with the command line's words and exit with the status of what came of it."""
    signal.signal(signal.SIGTERM, terminate)
    status = execute(main, sys.argv[1:])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # too late to change anything
    sys.exit(status)


def execute(main: Callable[[list[str]], None], argv: Sequence[str]) -> int:
    """Call ``main(argv)``, say on the log what came of it, and return the exit status."""
    for stream in sys.stdout, sys.stderr:
        # Bytes that are no UTF-8 arrive in argv as lone surrogates: show them, do not fail.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    warnings.formatwarning = warning
    try:
        versions = ", ".join(f"{name} {version}" for name, version in machine.versions().items())
        print(f"{Path(sys.argv[0]).name}: {versions}")
        ARGV[:] = [without_secrets(word) for word in argv]
        print("argv:", json.dumps(ARGV, ensure_ascii=False))
        main(list(argv))
        return 0
    except BaseException as error:  # noqa: BLE001 - every end is told, and none is a success
        return stop(*verdict(error))


def warning(message: object, *_) -> str:
    """Return a warning of a library's as the log shows it."""
    return f"warning: {one_line(message)}\n"


def verdict(error: BaseException) -> tuple[int, str]:
    """Return the exit status for the ``error`` that ended ``main``, and what to say of it."""
    # Compiled code that the signal interrupts may turn Terminated into an error of its own.
    if TERMINATED.is_set():
        return 143, f"stopped by SIGTERM before the end: {STOPPED['message']}"
    if isinstance(error, UserError):
        return 2, f"error: {error}"
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted"
    if isinstance(error, SystemExit) and not error.code:  # --help
        return 0, ""
    return 1, "".join(traceback.format_exception(error)).rstrip()


def stop(status: int, message: str) -> int:
    """Print ``message``, if there is any, on standard error and return ``status``."""
    sys.stdout.flush()
    if message:
        print(without_secrets(message), file=sys.stderr, flush=True)
    return status


def terminate(number: int, frame: object) -> None:
    """Signal handler of SIGTERM. Deaf to a second one, while the first is being obeyed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    TERMINATED.set()
    if not STOPPED["waits"]:
        raise Terminated


@contextlib.contextmanager
def sigterm_waits() -> Iterator[None]:
    """Within, SIGTERM only sets TERMINATED: the work looks there when it can stop, or ends."""
    STOPPED["waits"] = True
    try:
        yield
    finally:
        STOPPED["waits"] = False


def stop_if_told() -> None:
    """Raise Terminated if SIGTERM came while it had to wait."""
    if TERMINATED.is_set():
        raise Terminated


def say_when_stopped(message: str) -> None:
    """Set what the log says when SIGTERM ends the run: how to go on."""
    STOPPED["message"] = message
