"""The container engine: whether it answers, and how it logs in to a registry."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from ecs.console import note
from ecs.errors import UserError

PATIENCE = 30.0  # seconds


def fault(program: str) -> tuple[str, str] | None:
    """Return why an engine cannot be used and what to type, or None where it answers."""
    again = "start it (Debian: service docker start), then type the same again"
    try:
        done = subprocess.run(
            [program, "ps", "--quiet"],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except FileNotFoundError:
        other = "install Docker Engine (Debian: apt-get install docker.io), or name another: DOCKER=podman"
        return f"there is no {program} on this machine", other
    except subprocess.TimeoutExpired:
        return f"{program} does not answer", again
    except OSError as error:
        return f"{program}: {error.strerror}", again
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
    if "permission denied" in said.lower():
        return f"this user may not use {program}: {said}", "adduser $USER docker, and log in again"
    return f"{program} does not answer: {said}", again


def check(program: str) -> None:
    """Return if the engine answers.

    Raises:
        UserError: it does not.
    """
    if found := fault(program):
        raise UserError("; type: ".join(found))


def load_option(program: str) -> str:
    """Return ``--load`` where the engine's build has it.

    A builder of buildx's that is a container of its own leaves the image there, unless it is told.
    """
    done = subprocess.run([program, "build", "--help"], check=False, capture_output=True, text=True)
    return "--load" if "--load" in done.stdout else ""


def helper(registry: str) -> str:
    """Return the program that Docker asks for the password of a registry, "" where it keeps it itself.

    Source: "docker login, credential stores" in Docker's reference: ``credHelpers`` has a program for a
    registry, ``credsStore`` one for all.
    """
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        name = config.get("credHelpers", {}).get(registry) or config.get("credsStore") or ""
    except (OSError, ValueError, AttributeError):
        return ""
    return f"docker-credential-{name}" if name else ""


def logs_in_itself(registry: str) -> bool:
    """Tell whether the engine needs no `docker login`, as with the helper for ECR, which cannot keep a password.

    Raises:
        UserError: the program that it asks for passwords is not there.
    """
    found = helper(registry)
    if found and not shutil.which(found):
        raise UserError(
            f"Docker keeps passwords by {found}, which is not on this machine; to keep this one in a "
            "folder of its own, type: export DOCKER_CONFIG=$HOME/.docker-ecr, then the same again"
        )
    if found == "docker-credential-ecr-login":
        note(f"{found} logs in to the registry by itself")
    return found == "docker-credential-ecr-login"
