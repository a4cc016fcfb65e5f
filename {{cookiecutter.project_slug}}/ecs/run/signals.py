"""Ctrl-C and SIGTERM while a run is followed."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Terminated(BaseException):
    """SIGTERM came. Not an Exception, so that no ``except Exception`` takes it for an error."""


class Signals:
    """Ctrl-C and SIGTERM. The first of them is raised at once, unless a call has to end first."""

    def __init__(self) -> None:
        self.presses, self.terminated, self.held = 0, False, False
        signal.signal(signal.SIGINT, self.press)
        signal.signal(signal.SIGTERM, self.terminate)

    def press(self, number: int, frame: object) -> None:
        self.presses += 1
        if self.held and self.presses < 3:
            # not print: it may be printing when the signal comes
            with suppress(OSError):  # nobody may read it
                os.write(2, b"\n-- waiting for ECS's answer first; a third Ctrl-C does not wait\n")
        elif self.held or self.presses == 1:  # else it only counts, however soon it comes
            raise KeyboardInterrupt

    def terminate(self, number: int, frame: object) -> None:
        self.terminated = True
        if not self.held:
            raise Terminated

    @property
    def status(self) -> int:
        """The exit status that a signal asks for; 0 where none came."""
        return 143 if self.terminated else 130 if self.presses else 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Within, a signal is only remembered."""
        self.held = True
        try:
            yield
        finally:
            self.held = False

    def obey(self) -> None:
        """Raise what came while it was held."""
        if self.terminated:
            raise Terminated
        if self.presses:
            raise KeyboardInterrupt
