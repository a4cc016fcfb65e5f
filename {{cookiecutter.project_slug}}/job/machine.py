"""The machine under the launcher: time, processors, the task as ECS tells it, the kernel's memory counter."""

import functools
import json
import math
import os
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from job.errors import say

# Where the kernel counts the processes that it ended because memory ran out: cgroup v2, v1.
COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@functools.cache
def metadata(path: str) -> dict:
    """Return what ECS tells of the task (``/task``) or of this container (``""``); elsewhere nothing.

    Source: "Amazon ECS task metadata endpoint version 4" in the developer guide.
    """
    endpoint = os.environ.get("ECS_CONTAINER_METADATA_URI_V4")
    if not endpoint:
        return {}
    try:
        with urllib.request.urlopen(f"{endpoint}{path}", timeout=2) as answer:
            found = json.load(answer)
    except (OSError, ValueError) as error:
        say(f"warning: ECS does not tell what this task is ({error})")
        return {}
    return found if isinstance(found, dict) else {}


def processors() -> int:
    """Return how many processors the task may use; its limit is not seen inside (amazon-ecs-agent 4077)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = (metadata("/task").get("Limits") or {}).get("CPU")
    return max(1, min(cores or 1, math.ceil(limit))) if limit else cores or 1


def memory() -> dict[str, str]:
    """Return the variable that tells the script how much memory the task has, where ECS says it."""
    limit = (metadata("/task").get("Limits") or {}).get("Memory")
    return {"RUN_MEMORY_MIB": str(int(limit))} if limit else {}


def gpus() -> int:
    """Return how many NVIDIA GPUs this machine shows."""
    return sum(each.name[6:].isdecimal() for each in Path("/dev").glob("nvidia[0-9]*"))


def origin() -> dict[str, object]:
    """Return which ECS task this is, its image and its limits; all None outside ECS."""
    task, container = metadata("/task"), metadata("")
    image = container.get("Image")
    return {
        "image": image,
        "image_digest": (image or "").partition("@")[2] or container.get("ImageID"),
        "task": task.get("TaskARN"),
        "limits": task.get("Limits"),
    }


def ended_for_memory() -> int:
    """Return how many processes the kernel has ended in this container because memory ran out."""
    for path in COUNTERS:
        try:
            lines = dict(line.split(maxsplit=1) for line in Path(path).read_text().splitlines())
            return int(lines["oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return 0
