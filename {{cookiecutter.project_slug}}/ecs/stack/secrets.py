"""Secrets of the project: from a prompt or standard input into Secrets Manager, by name into a task.

A value is never an argument, a variable of the environment, or a line of a log on this machine. The
task definition holds the ARN only; ECS itself reads the value when it starts the container.
"""

import getpass
import re
import sys
from collections.abc import Iterable, Mapping

from ecs import contract
from ecs.aws import client
from ecs.errors import UserError
from ecs.settings import CONTAINER, Settings
from ecs.stack import mark

# bytes of a value, by the API reference of CreateSecret
LARGEST = 65536


def full_name(settings: Settings, name: str) -> str:
    """Return the secret's name in Secrets Manager: the execution role may read what begins so."""
    return f"{settings.project}/{name}"


def checked_name(name: str, variable: str = "NAME") -> str:
    """Return ``name`` if it can be a variable of the container's.

    Raises:
        UserError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in contract.VARIABLES:
        raise UserError(
            f"{variable}={name!r}: the name of the environment variable in which train.py finds the "
            "value; type for example: make secret NAME=TD_API_KEY"
        )
    return name


def read_value(name: str) -> str:
    """Return a secret's value: typed without echo at a terminal, else all of standard input.

    One line break at the end, which `echo` and most files have, is no part of it.

    Raises:
        UserError: there is none, or no environment variable could hold it.
    """
    if sys.stdin.isatty():
        value = getpass.getpass(f"value of {name} (not shown): ")
    else:
        try:
            value = sys.stdin.buffer.read(LARGEST + 3).decode()
        except UnicodeDecodeError:
            # from None: the original error quotes the value
            raise UserError(f"the value of {name} is not text in UTF-8") from None
        value = value.removesuffix("\n").removesuffix("\r")
    if not value or "\0" in value or len(value.encode()) > LARGEST:
        raise UserError(
            f"the value of {name} must have 1 to {LARGEST} bytes, none of them zero; "
            f"type it, or: make secret NAME={name} < file"
        )
    return value


def description(settings: Settings, stored: str) -> str:
    """Return what a secret of the project says of itself."""
    return f"{stored.removeprefix(full_name(settings, ''))} of the tasks of {settings.project}"


def is_own(settings: Settings, stored: Mapping) -> bool:
    """Tell whether a secret is the project's: by its mark or, being older, by all that it had."""
    tags = mark.tags_of(stored.get("Tags", []))
    before = stored.get("Description") == description(settings, stored["Name"])
    return mark.ours(tags) or (before and mark.unmarked(settings, tags))


def check(settings: Settings, stored: str) -> None:
    """Return if the secret that is there is the project's.

    Raises:
        UserError: it is not.
    """
    found = client(settings, "secretsmanager").describe_secret(SecretId=stored)
    if not is_own(settings, found):
        raise UserError(
            f"the secret {stored} was not made by this project and stays as it is; "
            "type: make secret NAME=ANOTHER_NAME"
        )


def store(settings: Settings, name: str, value: str) -> str:
    """Create or update a secret and return ``created`` or ``updated``.

    Raises:
        UserError: the secret of that name is not the project's.
    """
    secretsmanager, stored = client(settings, "secretsmanager"), full_name(settings, name)
    exceptions = secretsmanager.exceptions
    try:
        secretsmanager.create_secret(
            Name=stored,
            SecretString=value,
            Description=description(settings, stored),
            Tags=mark.tags(settings),
        )
        return "created"
    except exceptions.ResourceExistsException:
        check(settings, stored)
    except exceptions.InvalidRequestException as error:
        if "scheduled for deletion" not in str(error):
            raise
        check(settings, stored)
        secretsmanager.restore_secret(SecretId=stored)
    secretsmanager.put_secret_value(SecretId=stored, SecretString=value)
    return "updated"


def with_secrets(definition: Mapping, settings: Settings) -> dict:
    """Return the task definition with the secrets that ``SECRETS`` names in addition to its own.

    Raises:
        UserError: a name that no variable can have.
    """
    containers = []
    for container in definition["containerDefinitions"]:
        listed = list(container.get("secrets", []))
        known = {each["name"] for each in listed}
        if container["name"] == CONTAINER:
            listed += [
                {"name": checked_name(name, "SECRETS"), "valueFrom": full_name(settings, name)}
                for name in dict.fromkeys(settings.secrets.replace(",", " ").split())
                if name not in known
            ]
        containers.append({**container, "secrets": listed} if listed else container)
    return {**definition, "containerDefinitions": containers}


def with_arns(settings: Settings, definition: Mapping) -> dict:
    """Return the task definition, each ``PROJECT/NAME`` in its secrets replaced by the secret's ARN.

    What else ``valueFrom`` may be, a parameter of Systems Manager or an ARN, stays as it is.

    Raises:
        UserError: the project has no such secret.
    """
    own = f"{settings.project}/"
    wanted = {
        each["valueFrom"]
        for container in definition["containerDefinitions"]
        for each in container.get("secrets", [])
        if each["valueFrom"].startswith(own)
    }
    arns = {stored: arn(settings, stored) for stored in sorted(wanted)}
    containers = [
        {
            **container,
            "secrets": [
                {**each, "valueFrom": arns.get(each["valueFrom"], each["valueFrom"])}
                for each in container["secrets"]
            ],
        }
        if container.get("secrets")
        else container
        for container in definition["containerDefinitions"]
    ]
    return {**definition, "containerDefinitions": containers}


def arn(settings: Settings, stored: str) -> str:
    """Return a secret's whole ARN; its last six characters are chosen by AWS.

    Raises:
        UserError: there is no such secret, or it is being deleted.
    """
    secretsmanager = client(settings, "secretsmanager")
    try:
        found = secretsmanager.describe_secret(SecretId=stored)
    except secretsmanager.exceptions.ResourceNotFoundException:
        found = {"DeletedDate": None}
    if "DeletedDate" in found:
        name = stored.removeprefix(f"{settings.project}/")
        raise UserError(f"there is no secret {stored!r}; type: make secret NAME={name}")
    return found["ARN"]


def stored_secrets(settings: Settings) -> tuple[list[str], list[str]]:
    """Return the names of all secrets of the project, and of others that begin as they do."""
    prefix = full_name(settings, "")
    pages = (
        client(settings, "secretsmanager")
        .get_paginator("list_secrets")
        .paginate(Filters=[{"Key": "name", "Values": [prefix]}])
    )
    own, others = [], []
    for page in pages:
        for each in page["SecretList"]:
            if each["Name"].startswith(prefix):  # the filter takes no notice of case
                (own if is_own(settings, each) else others).append(each["Name"])
    return sorted(own), sorted(others)


def delete_secrets(settings: Settings, names: Iterable[str]) -> None:
    """Delete secrets at once, not after the days in which Secrets Manager would restore them."""
    for name in names:
        client(settings, "secretsmanager").delete_secret(
            SecretId=name, ForceDeleteWithoutRecovery=True
        )
