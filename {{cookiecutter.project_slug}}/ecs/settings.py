"""The Makefile's variables, read once from the environment."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ecs.capacity import CAPACITIES, Capacity, capacity
from ecs.errors import UserError
from ecs.surroundings import Surroundings, surroundings

ARCHITECTURES = ("x86_64", "arm64")
# starts of names that a capacity provider may not have: CreateCapacityProvider in the API reference
KEPT_BY_ECS = ("aws", "ecs", "fargate")
# starts of the regions of partitions whose names end otherwise than in amazonaws.com
ELSEWHERE = ("cn-", "eu-iso", "eusc-", "us-iso")
LOOPBACK = ("127.0.0.1", "::1", "localhost")  # this machine
# the words that a flag may have, in any case of letters
YES, NO = ("1", "yes", "true", "on"), ("", "0", "no", "false", "off")


@dataclass(frozen=True)
class Settings:
    """What the user asked for. Empty strings mean: not given."""

    project: str
    region: str
    capacity: str = "fargate"
    architecture: str = "x86_64"
    network: str = "default"
    vpc: str = ""
    subnets: str = ""
    public_ip: str = "ENABLED"
    log_days: str = "90"
    run_days: str = "0"  # 0: for ever
    boundary: str = ""
    github: str = ""  # owner/name of a repository
    instance_type: str = ""
    max_instances: str = "2"
    max_vcpus: str = "0"  # of the jobs in one queue of AWS Batch; 0: no queues
    script: str = "train.py"
    args: str = ""
    data: str = "data/train.csv"
    result: str = ""  # td://database/table
    cpu: str = ""  # CPU units, 1024 a vCPU
    memory: str = ""  # MiB
    disk: str = ""  # GiB of ephemeral storage
    gpus: str = ""  # of the container
    env: str = ""
    task_role: str = ""
    secrets: str = ""
    name: str = ""  # of a secret or a schedule
    cron: str = ""
    run: str = ""
    runs: str = ""  # run ids for compare
    limit: str = "50"  # runs in the table
    budget: str = ""  # dollars
    sample: str = ""  # runs of a sweep, at random
    tag: str = ""
    extras: str = ""  # names, separated by blanks
    package: str = ""  # requirements to add or remove
    aws: str = "aws"
    docker: str = "docker"
    exec: bool = False  # open a channel for make shell
    detach: bool = False
    dry_run: bool = False
    offline: bool = False
    yes: bool = False
    keep_data: bool = False
    sandbox: bool = False
    on_interrupt: str = "detach"
    start_timeout: str = ""  # seconds until the container runs
    timeout: str = ""  # seconds that it runs
    retries: str = ""  # attempts after the first
    spot_fallback: bool = False
    state: str = ".aws-state"
    command: tuple[str, ...] = ()  # of a recipe, behind --; an AWS CLI's has {request} for a file

    @property
    def state_folder(self) -> Path:
        """Folder for what this machine remembers of AWS; git ignores it."""
        return Path(self.state)

    @property
    def kind(self) -> Capacity:
        """What follows from ``capacity``."""
        return capacity(self.capacity)

    @property
    def there(self) -> Surroundings:
        """What depends on whether AWS answers, or the sandbox."""
        return surroundings(self.sandbox)


def flag(variable: str, text: str) -> bool:
    """Return whether a flag is set.

    Raises:
        UserError: ``text`` is none of the words in ``YES`` and ``NO``.
    """
    word = text.strip().lower()
    if word not in YES + NO:
        raise UserError(
            f"{variable}={text!r}: a flag is on ({', '.join(YES)}) or off ({', '.join(NO[1:])}, or "
            f"empty); type: {variable}=1, or leave it out"
        )
    return word in YES


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Return the settings in ``environ``, whose names are the Makefile's.

    Raises:
        UserError: a variable has a value that no target could use.
    """
    missing = [name for name in ("PROJECT", "REGION") if not environ.get(name)]
    if missing:
        raise UserError(f"{' and '.join(missing)} not set: call this through make, or export them")
    given = {
        each.name: (each.type, environ[each.name.upper()])
        for each in dataclasses.fields(Settings)
        if each.name.upper() in environ and each.type in (str, bool)
    }
    settings = Settings(
        **{
            name: flag(name.upper(), text) if kind is bool else text
            for name, (kind, text) in given.items()
            if text
            or name in ("data", "script")  # no data is something to ask for, no script a mistake
        }
    )
    check(settings)
    return settings


def check(settings: Settings) -> None:
    """Refuse what no target could use.

    Raises:
        UserError: a variable, or two of them together.
    """
    for name, value, allowed in (
        ("CAPACITY", settings.capacity, tuple(CAPACITIES)),
        ("ARCHITECTURE", settings.architecture, ARCHITECTURES),
        ("NETWORK", settings.network, ("default", "own")),
        ("PUBLIC_IP", settings.public_ip, ("ENABLED", "DISABLED")),
        ("ON_INTERRUPT", settings.on_interrupt, ("detach", "stop")),
    ):
        if value not in allowed:
            raise UserError(
                f"{name}={value!r}: one of {', '.join(allowed)}; type: {name}={allowed[0]}"
            )
    for name, program, instead in (
        ("AWS", settings.aws, "for another profile type: AWS_PROFILE=NAME make …"),
        (
            "DOCKER",
            settings.docker,
            "to use it without sudo: adduser $USER docker, and log in again",
        ),
    ):
        if len(program.split()) > 1 and not Path(program).exists():
            raise UserError(
                f"{name}={program!r}: the name of one program, without words behind it; {instead}"
            )
    if settings.region.startswith(ELSEWHERE):
        where = "AWS in China" if settings.region.startswith("cn-") else "this part of AWS"
        raise UserError(
            f"REGION={settings.region}: {where} has other addresses and service names, which this "
            "project does not know; type another: REGION=us-east-1"
        )
    if settings.kind.gpu and settings.architecture != "x86_64":
        raise UserError(
            f"CAPACITY={settings.capacity}: ECS has machine images with GPU drivers for x86_64 only; "
            "type: ARCHITECTURE=x86_64"
        )
    if not settings.kind.fargate and settings.project.startswith(KEPT_BY_ECS):
        raise UserError(
            f"CAPACITY={settings.capacity}: ECS refuses capacity providers whose names start with "
            f"{', '.join(KEPT_BY_ECS)}, and this one's starts with {settings.project}; "
            "type: CAPACITY=fargate"
        )
    if settings.kind.group:
        check_instance_type(settings)


def instance_type(settings: Settings) -> str:
    """Return ``INSTANCE_TYPE``, or what it is for this capacity; empty where ECS chooses."""
    usual = settings.kind.machines.get(settings.architecture, "")
    return settings.instance_type or usual if settings.kind.group else ""


def processor(instance_type: str) -> str | None:
    """Return the architecture of an instance type, as its name tells; None where it does not.

    Source: "Amazon EC2 instance type naming conventions" in the EC2 user guide. Behind the
    generation a ``g`` is Graviton, ``i`` Intel, ``a`` AMD.
    """
    family = re.fullmatch(r"([a-z]+)(\d+)([a-z]*)(-[a-z0-9]+)?\.[a-z0-9-]+", instance_type)
    if family is None or family[1] == "mac":
        return None
    graviton = "g" in family[3] or family[1] + family[2] == "a1"
    return "arm64" if graviton or (family[4] or "").startswith("-gb") else "x86_64"


def check_instance_type(settings: Settings) -> None:
    """Look at what the name of an instance type tells: its processor, and whether it has GPUs.

    Raises:
        UserError: it contradicts ARCHITECTURE or CAPACITY.
    """
    name = instance_type(settings)
    usual = settings.kind.machines[settings.architecture]
    has = processor(name)
    if has not in (None, settings.architecture):
        raise UserError(
            f"INSTANCE_TYPE={name} is {has}, and ARCHITECTURE={settings.architecture}; "
            f"type: INSTANCE_TYPE={usual}, or ARCHITECTURE={has}"
        )
    if settings.kind.gpu and not re.match(r"(g|gr|p)\d(?!ad)", name):
        raise UserError(
            f"INSTANCE_TYPE={name} has no NVIDIA GPU, and CAPACITY=gpu needs one; "
            f"type: INSTANCE_TYPE={usual}"
        )


CONTAINER = "train"
