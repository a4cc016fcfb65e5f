"""task-definition.json, its placeholders filled in, registered when it changed."""

import json
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
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; bring it back: git checkout {path}") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); correct it there") from error


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
