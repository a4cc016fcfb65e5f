"""Standard output and standard error that may fail: then the printing ends, and nothing else does.

Whoever follows a run may have its log piped into ``head``, or written to a disk that is full. The run
has its limits and its verdict all the same.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Stream:
    """A text stream to which everything can be written. What it cannot show is escaped.

    After the first error nothing more is written; ``lost`` is that error.
    """

    def __init__(self, stream: Any) -> None:
        self.stream, self.lost = stream, None
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self.attempt(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        self.attempt(self.stream.flush)

    def attempt(self, do: Any, *words: str) -> None:
        if self.lost:
            return
        try:
            do(*words)
        except UnicodeEncodeError:  # a stream that could not be told how to escape
            do(*(word.encode("ascii", "backslashreplace").decode() for word in words))
        except (OSError, ValueError) as error:
            self.lose(error)

    def lose(self, error: Exception) -> None:
        """Write no more, and say so on standard error, unless it is a pipe that its reader has closed."""
        self.lost = error
        # What the stream still holds back must go somewhere, or Python complains at its end.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
        if not isinstance(error, BrokenPipeError) and sys.stderr is not self:
            print(f"-- what is printed is lost from here on: {error}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Within, no error of standard output or standard error is raised."""
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:  # for one that is closed already
        sys.stdout, sys.stderr = (
            Stream(nowhere if each is None or each.closed else each) for each in before
        )
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before


def lost() -> Exception | None:
    """Return why standard output cannot be written any more; None where it can."""
    return getattr(sys.stdout, "lost", None)
