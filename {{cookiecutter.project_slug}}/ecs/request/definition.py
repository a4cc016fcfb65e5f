"""task-definition.json, its placeholders filled in, registered when it changed."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from ecs.errors import UserError
from ecs.settings import CONTAINER, Settings

FILE = Path("task-definition.json")


def read(path: Path = FILE) -> dict:
    """Return task-definition.json, its placeholders as they are.

    Raises:
        UserError: it is missing, or not JSON.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; bring it back: git checkout {path}") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); correct it there") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is no JSON object; type: git checkout {path}")
    return found


def written(path: Path = FILE) -> dict:
    """Return task-definition.json, its placeholders as they are, where a run can be made of it.

    Raises:
        UserError: it lacks what runs are found, measured or started by.
    """
    found = read(path)
    if found.get("family") != "${Project}":
        raise UserError(
            f"{path}: the family is {found.get('family')!r}, and runs, schedules and permissions find the "
            'task definition by the project\'s name; write "family": "${Project}" there'
        )
    sizes = [str(found.get(name, "")) for name in ("cpu", "memory")]
    if not all(re.fullmatch(r"[1-9]\d*", each) for each in sizes):
        raise UserError(
            f"{path}: cpu and memory of the task are to be whole numbers, CPU units (1024 a vCPU) and MiB; "
            'write for example "cpu": "1024" and "memory": "4096" there'
        )
    containers = found.get("containerDefinitions")
    if not isinstance(containers, list) or not all(isinstance(each, dict) for each in containers):
        raise UserError(f"{path}: containerDefinitions is no list of objects; correct it there")
    if CONTAINER not in [each.get("name") for each in containers]:
        raise UserError(f"{path} has no container named {CONTAINER}; name it {CONTAINER} there")
    return found


def log(made: Mapping) -> dict[str, str] | None:
    """Return group and stream prefix of the container's log in CloudWatch; None where it goes elsewhere.

    ``made`` is the task definition as it is registered.
    """
    (container,) = (each for each in made["containerDefinitions"] if each["name"] == CONTAINER)
    there = container.get("logConfiguration") or {}
    options = there.get("options") or {}
    found = {name: options.get(f"awslogs-{name}") for name in ("group", "stream-prefix")}
    return found if there.get("logDriver") == "awslogs" and all(found.values()) else None


def fill(value: Any, names: Mapping[str, str]) -> Any:
    """Return ``value`` with each ``${Name}`` in its strings replaced.

    Raises:
        UserError: a placeholder that nothing fills.
    """
    if isinstance(value, dict):
        return {key: fill(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, names) for each in value]
    if not isinstance(value, str):
        return value
    try:
        return Template(value).substitute(names)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{FILE}: {value!r} has a placeholder that is not one of {', '.join(sorted(names))}; "
            "a plain dollar sign is written $$"
        ) from error


def with_gpu(container: Mapping) -> dict:
    """Return the container's definition with one GPU, unless it says itself what it needs."""
    return {"resourceRequirements": [{"type": "GPU", "value": "1"}], **container}


def render(definition: dict, settings: Settings, stack: Mapping[str, str], image_uri: str) -> dict:
    """Return the RegisterTaskDefinition request for one image."""
    names = {
        "Project": settings.project,
        "Region": settings.region,
        "Image": image_uri,
        "CpuArchitecture": settings.architecture.upper(),
        "LaunchType": settings.kind.launch_type,
        "NetworkMode": settings.there.network_mode or settings.kind.network_mode,
        **{name: stack[name] for name in ("ExecutionRoleArn", "TaskRoleArn", "LogGroup", "Bucket")},
    }
    filled = fill(definition, names)
    if settings.exec:
        # the agent of ECS Exec, which comes into the container, writes beside itself
        filled["containerDefinitions"] = [
            {**each, "readonlyRootFilesystem": False} for each in filled["containerDefinitions"]
        ]
    if settings.kind.gpu:
        filled["containerDefinitions"] = [
            with_gpu(each) if each.get("name") == CONTAINER else each
            for each in filled["containerDefinitions"]
        ]
    return filled
