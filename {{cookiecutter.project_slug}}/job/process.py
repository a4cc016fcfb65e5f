"""The script as a child process: its output passed on at once, signals too, and how it ended."""

import contextlib
import math
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from job import contract, machine
from job.errors import UserError, silence

LOOK = 0.2  # seconds between two looks at the child
DRAIN = 5.0  # seconds for what is still in the pipe once the child has ended
METRIC = re.compile(rb"metric: ([A-Za-z_][\w. /@-]{0,99})=(\S{1,40})\s*")
LONGEST_METRIC = 256  # bytes of a line


class Metrics:
    """The lines ``metric: NAME=VALUE`` among what a script prints; the last value of a name counts."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.line = b""

    def feed(self, block: bytes) -> None:
        """Look at the next bytes of the output."""
        *lines, rest = block.split(b"\n")
        for line in lines:
            self.look(self.line + line)
            self.line = b""
        self.line = (self.line + rest)[: LONGEST_METRIC + 1]

    def look(self, line: bytes) -> None:
        """Take the metric in a line, if it holds one."""
        found = METRIC.fullmatch(line) if len(line) <= LONGEST_METRIC else None
        with contextlib.suppress(ValueError):
            if found and math.isfinite(value := float(found[2])):
                self.values[found[1].decode().strip()] = value

    def by_set(self) -> dict[str, object]:
        """Return the values as metrics.json keeps them: ``validation.auc`` below ``validation``."""
        self.look(self.line)
        found: dict[str, object] = {}
        for name, value in self.values.items():
            part, dot, measure = name.partition(".")
            if not dot:
                found[name] = value
            elif isinstance(found.setdefault(part, {}), dict):
                found[part][measure] = value
        return found


class Told:
    """Which signal reached the launcher; until a child is there it is raised."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.at = math.inf  # when, by time.monotonic
        self.passed = False  # whether a script got it
        self.child: Child | None = None
        self.deaf = False  # results are being saved: nothing is raised
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.come)

    def come(self, number: int, frame: object) -> None:
        """Signal handler: remember the first one, pass each on to the script."""
        if self.number is None:
            self.number, self.at = number, time.monotonic()
        if self.child:
            self.passed = True
            self.child.signal(number)
        elif not self.deaf:
            self.deaf = True  # a second one must not break what the first one ends
            raise Stopped

    def begin(self, child: "Child") -> "Child":
        """Pass signals on to ``child`` from now on, also the one that came while it was started."""
        self.child = child
        if self.number is not None and not self.passed:
            self.come(self.number, None)
        return child

    @property
    def status(self) -> int:
        """The exit status that the signal asks for."""
        return 128 + (self.number or 0)


class Stopped(BaseException):
    """SIGTERM or SIGINT came before there was a script. Not an Exception: nobody takes it for an error."""


class Child:
    """The script. In a process group of its own, so that what it has started ends with it.

    It inherits standard error; or the last ``keep`` bytes of it are in ``last_words``.
    """

    def __init__(
        self, command: Sequence[str], work: Path, environ: Mapping[str, str], keep: int = 0
    ) -> None:
        self.metrics, self.last_words = Metrics(), b""
        self.killed_before = machine.ended_for_memory()
        try:
            self.process = subprocess.Popen(
                command, cwd=work, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if keep else None, bufsize=0, process_group=0,
                preexec_fn=first_to_go,  # noqa: PLW1509 - no thread of the launcher's runs yet
            )  # fmt: skip
        except (OSError, ValueError) as error:  # its first line names no program; a NUL in a word
            why = getattr(error, "strerror", None) or error
            raise UserError(
                f"{command[0]} cannot be started: {why}; look at its first line"
            ) from error
        self.pumps = [self.pump(self.process.stdout, 1, self.metrics.feed)]
        if keep:

            def remember(block: bytes) -> None:
                self.last_words = (self.last_words + block)[-keep:]

            self.pumps.append(self.pump(self.process.stderr, 2, remember))

    @staticmethod
    def pump(pipe, target: int, look: Callable[[bytes], None]) -> threading.Thread:
        """Pass on what comes out of ``pipe`` to the descriptor ``target``, as it comes."""

        def run() -> None:
            while block := pipe.read(1 << 16):
                look(block)
                while block:
                    try:
                        block = block[os.write(target, block) :]
                    except BlockingIOError:  # another program has made the terminal so
                        time.sleep(0.01)
                    except OSError:  # nobody reads any more: the script goes on all the same
                        silence(target)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def signal(self, number: int) -> None:
        """Send a signal to the script and to what it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def wait(self, told: Told, grace: float, meanwhile: Callable[[], None]) -> int:
        """Wait for the end of the script and return its exit status, as a shell has it.

        It is ended ``grace`` seconds after a signal came. ``meanwhile`` is called every now and then.
        """
        while True:
            try:
                code = self.process.wait(LOOK)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() - told.at > grace:
                    self.signal(signal.SIGKILL)
                meanwhile()
        self.signal(signal.SIGKILL)  # what it has left running would hold the pipe
        deadline = time.monotonic() + DRAIN
        for pump in self.pumps:
            pump.join(max(0.0, deadline - time.monotonic()))
        return code if code >= 0 else 128 - code

    def out_of_memory(self) -> bool:
        """Tell whether the kernel has ended a process since the script began, because memory ran out."""
        return machine.ended_for_memory() > self.killed_before


def first_to_go() -> None:
    """Make the kernel choose this process, and not the launcher, when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def reported(code: int, told: Told, out_of_memory: bool) -> int:
    """Return the exit status of the launcher for that of the script, 128+n after a signal n.

    Once SIGTERM was passed on it is 143 whatever the script says: many save their work and exit with 0.
    """
    if told.passed:
        return told.status
    if code and out_of_memory:
        return contract.OUT_OF_MEMORY
    return 1 if code in contract.STATUSES else code
