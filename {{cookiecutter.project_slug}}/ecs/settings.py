"""The Makefile's variables, read once from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ecs.errors import UserError

CAPACITIES = ("fargate", "fargate-spot", "ec2")
ARCHITECTURES = ("x86_64", "arm64")


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
    script: str = "train.py"
    args: str = ""
    data: str = "data/train.csv"
    cpu: str = ""  # CPU units, 1024 a vCPU
    memory: str = ""  # MiB
    disk: str = ""  # GiB of ephemeral storage
    env: str = ""
    task_role: str = ""
    secrets: str = ""
    name: str = ""  # of a secret or a schedule
    cron: str = ""
    run: str = ""
    runs: str = ""  # run ids for compare
    limit: str = "50"  # runs in the table
    budget: str = ""  # dollars
    tag: str = ""
    extras: str = ""  # names, separated by blanks
    aws: str = "aws"
    exec: str = ""  # open a channel for make shell
    detach: str = ""
    dry_run: str = ""
    offline: str = ""
    yes: str = ""
    keep_data: str = ""
    sandbox: str = ""
    on_interrupt: str = "detach"
    start_timeout: str = ""  # seconds until the container runs
    timeout: str = ""  # seconds that it runs
    retries: str = ""  # attempts after the first
    spot_fallback: str = ""
    state: str = ".aws-state"

    @property
    def state_folder(self) -> Path:
        """Folder for what this machine remembers of AWS; git ignores it."""
        return Path(self.state)


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Return the settings in ``environ``, whose names are the Makefile's.

    Raises:
        UserError: a variable has a value that no target could use.
    """
    missing = [name for name in ("PROJECT", "REGION") if not environ.get(name)]
    if missing:
        raise UserError(f"{' and '.join(missing)} not set: call this through make, or export them")
    fields = {
        name: environ[name.upper()] for name in Settings.__annotations__ if name.upper() in environ
    }
    settings = Settings(**fields)
    for name, value, allowed in (
        ("CAPACITY", settings.capacity, CAPACITIES),
        ("ARCHITECTURE", settings.architecture, ARCHITECTURES),
        ("NETWORK", settings.network, ("default", "own")),
        ("PUBLIC_IP", settings.public_ip, ("ENABLED", "DISABLED")),
        ("ON_INTERRUPT", settings.on_interrupt, ("detach", "stop")),
    ):
        if value not in allowed:
            raise UserError(
                f"{name}={value!r}: one of {', '.join(allowed)}; type: {name}={allowed[0]}"
            )
    return settings
