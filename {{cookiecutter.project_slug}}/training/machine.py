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
from datetime import UTC, datetime, timedelta
from pathlib import Path

from training.errors import UserError

STARTED = time.monotonic()
PACKAGES = ("xgboost", "xgboost-cpu", "scikit-learn", "skops", "numpy", "pyarrow", "boto3")


def seconds() -> float:
    """Return the seconds since the program started."""
    return round(time.monotonic() - STARTED, 3)


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def started() -> str:
    """Return the time in UTC at which the program started, as ``now``."""
    began = datetime.now(UTC) - timedelta(seconds=seconds())
    return began.isoformat(timespec="seconds")


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
    limits = metadata(os.environ.get("ECS_CONTAINER_METADATA_URI_V4"), "/task").get("Limits")
    limit = (limits or {}).get("CPU")
    return max(1, min(cores, math.ceil(limit))) if limit else cores


def memory() -> int:
    """Return how much memory this process may use, in bytes: the task's, the container's limit
    or the machine's, whichever is the least.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limit = metadata(os.environ.get("ECS_CONTAINER_METADATA_URI_V4"), "/task").get("Limits")
    if limit := (limit or {}).get("Memory"):
        found.append(int(limit) << 20)
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


def origin(endpoint: str | None) -> dict[str, object]:
    """Return which ECS task this is, its image and its limits; all None outside ECS.

    The limits are ``CPU`` in vCPU and ``Memory`` in MiB. ``endpoint`` as in ``metadata``.
    """
    task, container = metadata(endpoint, "/task"), metadata(endpoint, "")
    image = container.get("Image")
    digest = (image or "").partition("@")[2] or container.get("ImageID")
    return {
        "image": image,
        "image_digest": digest,
        "task": task.get("TaskARN"),
        "limits": task.get("Limits"),
    }


@functools.cache
def metadata(endpoint: str | None, path: str) -> dict:
    """Return what ECS tells of the task (``/task``) or of this container (``""``); else nothing.

    ``endpoint`` is the task metadata endpoint, version 4; None outside ECS.
    """
    if not endpoint:
        return {}
    try:
        with urllib.request.urlopen(f"{endpoint}{path}", timeout=2) as answer:
            found = json.load(answer)
            return found if isinstance(found, dict) else {}
    except (OSError, ValueError) as error:
        print(f"warning: ECS does not tell what this task is and may use ({error})")
        return {}
