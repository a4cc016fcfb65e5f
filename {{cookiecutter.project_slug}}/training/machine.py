"""The machine that the program runs on: versions, threads, memory, time."""

import contextlib
import importlib.metadata
import os
import platform
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from training.errors import UserError

STARTED = time.monotonic()
PACKAGES = ("xgboost", "xgboost-cpu", "scikit-learn", "skops", "numpy", "pyarrow", "boto3")


def seconds() -> float:
    """Return the seconds since the program started."""
    return round(time.monotonic() - STARTED, 3)


def now(ago: float = 0) -> str:
    """Return the time in UTC, so many seconds ago, to the second, as ISO 8601."""
    return (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="seconds")


def started() -> str:
    """Return the time at which the program started, as ``now``."""
    return now(seconds())


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that may change a model."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def threads() -> int:
    """Return how many threads to compute with: as many as the launcher says, or the cores there are.

    The task's CPU limit cannot be seen from inside the container: libraries count the host's cores and
    slow each other down. The launcher knows it.
    """
    if told := os.environ.get("SM_NUM_CPUS"):
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Return how much memory this process may use, in bytes: the task's, the container's limit
    or the machine's, whichever is the least.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    if told := os.environ.get("RUN_MEMORY_MIB"):
        found.append(int(told) << 20)
    for name in "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes":
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            found.append(int(Path(name).read_text()))
    return min(found)


def check_memory(needed: int, doing: str, other: str = "") -> None:
    """Find out before the work, of which ``doing`` is the name, whether it fits in memory.

    ``needed`` is an estimate in bytes, ``other`` another way out for the sentence.
    """
    if needed > memory():
        raise UserError(
            f"{doing} takes about {needed >> 20:,} MiB of memory, and there are {memory() >> 20:,}: "
            f"on ECS type: make run MEMORY={-(-needed >> 30) * 1024}; or "
            f"{other or 'read fewer rows by --limit'}"
        )
