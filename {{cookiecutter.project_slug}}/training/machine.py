"""The machine that the program runs on: versions, threads, memory, time."""

import contextlib
import functools
import importlib.metadata
import json
import math
import os
import platform
import resource
import sys
import time
import urllib.request
from pathlib import Path

from training.errors import UserError

STARTED = time.monotonic()
PACKAGES = ("xgboost", "xgboost-cpu", "scikit-learn", "skops", "numpy", "pyarrow", "boto3")


def seconds() -> float:
    """Return the seconds since the program started."""
    return round(time.monotonic() - STARTED, 3)


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that may change a model."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def threads() -> int:
    """Return how many threads to compute with: the cores that this process may really use.

    On ECS the task's CPU limit cannot be seen from inside the container (amazon-ecs-agent 4077):
    libraries count the host's cores and slow each other down. The metadata endpoint knows it.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    limit = task_limits(os.environ.get("ECS_CONTAINER_METADATA_URI_V4")).get("CPU")
    return max(1, min(cores, math.ceil(limit))) if limit else cores


def memory() -> int:
    """Return how much memory this process may use, in bytes: the task's, the container's limit
    or the machine's, whichever is the least.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limit = task_limits(os.environ.get("ECS_CONTAINER_METADATA_URI_V4")).get("Memory")
    if limit:
        found.append(int(limit) << 20)
    for name in "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes":
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            found.append(int(Path(name).read_text()))
    return min(found)


def check_memory(needed: int, doing: str) -> None:
    """Find out before the work whether it fits in memory.

    Args:
        needed: estimate in bytes.
        doing: what needs it, for the sentence.

    Raises:
        UserError: it does not.
    """
    if needed > memory():
        raise UserError(
            f"{doing} takes about {needed >> 20:,} MiB of memory, and there are {memory() >> 20:,}: "
            f"on ECS type: make run MEMORY={-(-needed >> 30) * 1024}; or read fewer rows by --limit"
        )


@functools.cache
def task_limits(endpoint: str | None) -> dict:
    """Return the ECS task's limits, ``CPU`` in vCPU and ``Memory`` in MiB; empty outside ECS.

    ``endpoint`` is the task metadata endpoint, version 4.
    """
    if not endpoint:
        return {}
    try:
        with urllib.request.urlopen(f"{endpoint}/task", timeout=2) as answer:
            return json.load(answer).get("Limits") or {}
    except (OSError, ValueError) as error:
        print(f"warning: the task's limits are unknown ({error}): all cores are used")
        return {}
