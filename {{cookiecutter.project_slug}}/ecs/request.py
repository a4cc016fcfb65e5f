"""From the Makefile's variables to one RunTask request. Pure: no clock, no network, no files.

Source of the limits: the API reference of RunTask and the Fargate task sizes in the ECS developer
guide.
"""

import json
import math
import re
import shlex
from collections.abc import Mapping
from datetime import datetime

from ecs import channels, contract
from ecs.errors import UserError
from ecs.settings import FARGATE, WITH_GPU, Settings

CONTAINER = "train"
SANDBOX_STOP = 5  # seconds, which the emulator gives whatever the task definition says
# variables of the container's that `make run` sets itself
OWN_VARIABLES = set(contract.VARIABLES)
# those that the launcher sets in any case
LAUNCHERS = re.compile(
    r"SM_(CHANNELS|CHANNEL_.*|MODEL_DIR|OUTPUT_DATA_DIR|INPUT_DIR|USER_ARGS|HPS|NUM_CPUS|NUM_GPUS|CURRENT_HOST|HOSTS)"
    r"|CHECKPOINT_DIR|RUN_FOLDER|RUN_MEMORY_MIB"
)
# characters of ``overrides``, JSON syntax included
OVERRIDES_LIMIT = 8192
ARGV = contract.ARGV  # where a run keeps arguments that are longer

# CPU units: the memory sizes in MiB that Fargate offers with them
FARGATE_SIZES = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}


def run_id(now: datetime, random: str) -> str:
    """Return an id that sorts by time: ``20261124T110203Z-1a2b3c``. ``now`` is in UTC."""
    return f"{now:%Y%m%dT%H%M%SZ}-{random}"


def words(text: str, variable: str = "ARGS") -> list[str]:
    """Split ``text`` into words as a POSIX shell does, expanding nothing.

    Raises:
        UserError: a quotation is not closed, or a backslash ends the text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{variable} is not valid UTF-8, which is all that ECS takes") from error
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(
            f"{variable} cannot be split into words ({str(error).lower()}): quote it as for a shell, "
            f"for example {variable}=\"--note 'two words'\""
        ) from error


def environment(text: str) -> dict[str, str]:
    """Return the variables in ``A=1 B='two words'``.

    Raises:
        UserError: a word is not ``NAME=value``.
    """
    pairs = {}
    for word in words(text, "ENV"):
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UserError(
                f"ENV: {word!r} is not NAME=value; type for example: ENV=\"A=1 B='x y'\""
            )
        pairs[name] = value
    return pairs


def secret_names(settings: Settings, definition: Mapping) -> set[str]:
    """Return the names of the container's variables that ECS fills with secrets."""
    return set(settings.secrets.replace(",", " ").split()) | {
        each["name"]
        for container in definition.get("containerDefinitions", [])
        for each in container.get("secrets", [])
    }


def whole_number(variable: str, text: str, low: int, high: int, unit: str) -> int:
    """Return ``text`` as a number between ``low`` and ``high``.

    Raises:
        UserError: it is none.
    """
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise UserError(
            f"{variable}={text!r}: a whole number of {unit} from {low} to {high}; "
            f"type for example: {variable}={low}"
        )
    return int(text)


def seconds(variable: str, text: str) -> float:
    """Return a limit in seconds; infinite where none is given.

    Raises:
        UserError: it is no whole number of seconds.
    """
    return whole_number(variable, text, 1, 30 * 24 * 3600, "seconds") if text else math.inf


def retries(settings: Settings) -> int:
    """Return how many attempts may follow the first one.

    Raises:
        UserError: it is no whole number.
    """
    return whole_number("RETRIES", settings.retries or "0", 0, 100, "attempts after the first")


def size(settings: Settings, definition: Mapping) -> dict:
    """Return the task override for CPU (units), memory (MiB) and disk (GiB) that the user asked for.

    ``definition`` is the task definition, whose ``cpu`` and ``memory`` hold where nothing is given.

    Raises:
        UserError: Fargate has no task of that size.
    """
    override: dict = {}
    if settings.cpu:
        override["cpu"] = str(
            whole_number("CPU", settings.cpu, 128, 196608, "CPU units (1024 a vCPU)")
        )
    if settings.memory:
        override["memory"] = str(whole_number("MEMORY", settings.memory, 64, 3145728, "MiB"))
    if settings.disk:
        if settings.capacity not in FARGATE:
            raise UserError(
                f"DISK is Fargate's ephemeral storage; on {settings.capacity} the instance's disk "
                "holds: leave it out"
            )
        disk = whole_number("DISK", settings.disk, 21, 200, "GiB")
        override["ephemeralStorage"] = {"sizeInGiB": disk}
    if settings.capacity in FARGATE:
        check_fargate_size(
            int(override.get("cpu", definition["cpu"])),
            int(override.get("memory", definition["memory"])),
        )
    return override


def gpus(settings: Settings) -> list[dict]:
    """Return the container's override for the GPUs that the user asked for; none: the definition's.

    Raises:
        UserError: it is no whole number, or the capacity has none.
    """
    if not settings.gpus:
        return []
    count = whole_number("GPUS", settings.gpus, 1, 16, "GPUs")
    if settings.capacity not in WITH_GPU:
        raise UserError(
            f"GPUS={count}: CAPACITY={settings.capacity} has none; type: CAPACITY=gpu GPUS={count}"
        )
    return [{"type": "GPU", "value": str(count)}]


def gpu_note(settings: Settings) -> str:
    """Return a reminder where a GPU is paid for and train.py is not told to use it; else ""."""
    options = {word.partition("=")[0] for word in words(settings.args)}
    trains = settings.script == "train.py" and "--device" not in options
    if trains and settings.capacity in WITH_GPU:
        return 'note: the GPU is idle unless ARGS says so; type: make run ARGS="--device cuda …"'
    return ""


def check_fargate_size(cpu: int, memory: int) -> None:
    """Raise UserError unless Fargate offers ``cpu`` units with ``memory`` MiB."""
    if cpu not in FARGATE_SIZES:
        raise UserError(
            f"CPU={cpu}: Fargate offers {', '.join(map(str, FARGATE_SIZES))} CPU units; "
            f"type: CPU={min(FARGATE_SIZES, key=lambda offered: abs(offered - cpu))}"
        )
    offered = FARGATE_SIZES[cpu]
    if memory not in offered:
        nearest = min(offered, key=lambda mib: abs(mib - memory))
        step = "" if len(offered) < 4 else f" by {offered[1] - offered[0]}"
        raise UserError(
            f"MEMORY={memory}: with {cpu} CPU units Fargate offers {offered[0]} to {offered[-1]} MiB"
            f"{step}; type: CPU={cpu} MEMORY={nearest}"
        )


def full_size(settings: Settings, definition: Mapping, overrides: Mapping) -> dict:
    """Return what the price of a task depends on: CPU units, MiB, GiB, architecture, capacity."""
    disk = (overrides.get("ephemeralStorage") or definition.get("ephemeralStorage") or {}).get(
        "sizeInGiB", 20
    )
    return {
        "cpu": int(overrides.get("cpu", definition["cpu"])),
        "memory": int(overrides.get("memory", definition["memory"])),
        "disk": disk,
        "architecture": settings.architecture,
        "capacity": settings.capacity,
    }


def variables_of(request: Mapping) -> dict[str, str]:
    """Return the container's environment in a RunTask request."""
    container = request["overrides"]["containerOverrides"][0]
    return {each["name"]: each["value"] for each in container["environment"]}


def again(
    settings: Settings, stack: Mapping[str, str], record: Mapping, task_definition: str, run: str
) -> dict:
    """Return the request that runs a recorded run's words, sizes and environment once more."""
    overrides = record["request"]["overrides"]
    uri = run_uri(settings, stack, run)
    own = {"RUN_ID": run, "RUN_URI": uri, "ARGV_URI": uri + ARGV}
    variables = {
        name: own.get(name, value)
        for name, value in variables_of(record["request"]).items()
        if name != "RUN_SCHEDULE"
    }
    container = overrides["containerOverrides"][0] | {
        "environment": [{"name": name, "value": value} for name, value in variables.items()]
    }
    size = record["size"]
    return record["request"] | {
        "taskDefinition": task_definition,
        "clientToken": f"{run}-1",
        "startedBy": f"{run}-1",
        # the stack may have been made for another since
        "capacityProviderStrategy": capacity(settings, stack),
        "overrides": overrides
        | {
            # the definition's own may have changed since
            "cpu": str(size["cpu"]),
            "memory": str(size["memory"]),
            "containerOverrides": [container],
        },
    }


def console_uri(task_arn: str) -> str:
    """Return where the AWS console shows a task; each partition has a domain of its own."""
    _, partition, _, region, _, rest = task_arn.split(":", 5)
    domain = {"aws-cn": "amazonaws.cn", "aws-us-gov": "amazonaws-us-gov.com"}.get(
        partition, "aws.amazon.com"
    )
    _, cluster, task = rest.split("/")
    return (
        f"https://{region}.console.{domain}/ecs/v2/clusters/{cluster}/tasks/{task}?region={region}"
    )


def project_uri(settings: Settings, stack: Mapping[str, str]) -> str:
    """Return the project's own prefix of the bucket, without a last slash."""
    return f"s3://{stack['Bucket']}/{settings.project}"


def run_uri(settings: Settings, stack: Mapping[str, str], run: str) -> str:
    """Return the prefix, with a last slash, under which a run keeps all that is its own."""
    return f"{project_uri(settings, stack)}/runs/{run}/"


def capacity(settings: Settings, stack: Mapping[str, str]) -> list[dict]:
    """Return the capacity provider strategy for ``CAPACITY``.

    Raises:
        UserError: the stack was made for another.
    """
    provider = {"fargate": "FARGATE", "fargate-spot": "FARGATE_SPOT"}.get(settings.capacity)
    if not provider:
        has = stack.get("Capacities", ",".join(FARGATE))
        # a placeholder stands for any
        if settings.capacity not in has.split(",") and not has.startswith("<"):
            mend = (
                "the sandbox has no other; type: make run CAPACITY=fargate"
                if settings.sandbox
                else f"type: make cluster CAPACITY={settings.capacity}"
            )
            raise UserError(
                f"CAPACITY={settings.capacity}: the stack has {has.replace(',', ', ')} only; {mend}"
            )
        provider = stack["CapacityProvider"]
    return [{"capacityProvider": provider, "weight": 1}]


def stop_seconds(settings: Settings, definition: Mapping) -> int:
    """Return the seconds between SIGTERM and SIGKILL: of task-definition.json, by default 30."""
    if settings.sandbox:
        return SANDBOX_STOP
    found = [
        each.get("stopTimeout", 30)
        for each in definition.get("containerDefinitions", [])
        if each.get("name") == CONTAINER
    ]
    return int(found[0]) if found else 30


def result_uri(settings: Settings) -> str:
    """Return ``RESULT``.

    Raises:
        UserError: it is no table of Treasure Data.
    """
    if not re.fullmatch(r"td://[a-z0-9_]{3,255}/[a-z0-9_]{3,255}", settings.result):
        raise UserError(
            f"RESULT={settings.result!r}: a table of Treasure Data; type for example: "
            "RESULT=td://database/table"
        )
    return settings.result


def role_arn(name: str, stack: Mapping[str, str]) -> str:
    """Return the ARN of the role ``name`` in the account of the stack's own task role."""
    if name.startswith("arn:"):
        return name
    return f"{stack['TaskRoleArn'].partition(':role/')[0]}:role/{name}"


def run_task_request(
    settings: Settings,
    stack: Mapping[str, str],
    definition: Mapping,
    task_definition: str,
    run: str,
    revision: str | None = None,
    schedule: str | None = None,
) -> dict:
    """Return the RunTask request of one attempt at one run.

    Args:
        settings: the Makefile's variables.
        stack: outputs of the CloudFormation stack, or placeholders.
        definition: the content of task-definition.json.
        task_definition: family, ``family:revision`` or ARN to run.
        run: the run's id; the request's ``clientToken`` comes from it, so that sending the same
            request twice starts one task.
        revision: of git, for the run's manifest.
        schedule: that starts the run; the container then records it.

    Raises:
        UserError: a variable has a value that RunTask would refuse.
    """
    for variable, text in (
        ("TIMEOUT", settings.timeout),
        ("START_TIMEOUT", settings.start_timeout),
    ):
        seconds(variable, text)
    retries(settings)
    if not settings.script or settings.script.startswith(("-", "/")):
        raise UserError(f"SCRIPT={settings.script!r}: a script of this project, such as train.py")
    given = environment(settings.env)
    if taken := sorted(given.keys() & OWN_VARIABLES):
        raise UserError(f"ENV: {', '.join(taken)} is set by make run itself; leave it out")
    if taken := sorted(filter(LAUNCHERS.fullmatch, given)):
        raise UserError(f"ENV: {', '.join(taken)} is set by the launcher, job/; leave it out")
    if taken := sorted(given.keys() & secret_names(settings, definition)):
        raise UserError(f"ENV: {', '.join(taken)} is a secret of the task definition; leave it out")
    variables = {
        contract.RUN_ID: run,
        contract.RUN_URI: run_uri(settings, stack, run),
        contract.PROJECT_URI: project_uri(settings, stack) + "/",
        contract.CHANNELS: json.dumps(
            channels.on_ecs(channels.parse(settings.data), project_uri(settings, stack)),
            ensure_ascii=False,
        ),
        contract.ATTEMPT: "1",
        contract.STOP_SECONDS: str(stop_seconds(settings, definition)),
        **({contract.REVISION: revision} if revision else {}),
        **({contract.SCHEDULE: schedule} if schedule else {}),
        **({contract.RESULT: result_uri(settings)} if settings.result else {}),
        **given,
    }
    if settings.exec and stack.get("Exec", "DISABLED") == "DISABLED":
        raise UserError(
            "EXEC=1: the task role may open no channel yet; type: make cluster EXEC=1, or write "
            "EXEC = 1 into .env for both"
        )
    overrides: dict = {
        "containerOverrides": [
            {
                "name": CONTAINER,
                "command": [settings.script, *words(settings.args)],
                "environment": [
                    {"name": name, "value": value} for name, value in variables.items()
                ],
                **({"resourceRequirements": needed} if (needed := gpus(settings)) else {}),
            }
        ],
        **size(settings, definition),
    }
    if settings.task_role:
        overrides["taskRoleArn"] = role_arn(settings.task_role, stack)
    if len(json.dumps(overrides)) > OVERRIDES_LIMIT:
        # the words go to S3 (``argv.json`` of the run); the launcher reads them there
        container = overrides["containerOverrides"][0]
        container["command"] = [settings.script]
        pointer = run_uri(settings, stack, run) + ARGV
        container["environment"].append({"name": contract.ARGV_URI, "value": pointer})
    length = len(json.dumps(overrides))
    if length > OVERRIDES_LIMIT:
        sentence = f"makes {length} characters of overrides, and ECS takes {OVERRIDES_LIMIT}"
        if len(variables[contract.CHANNELS]) > len(settings.env):
            raise UserError(
                f"DATA {sentence}: put its files into a folder below data/ and name that"
            )
        raise UserError(
            f"ENV {sentence}: put long values into a file below data/ and pass its name"
        )
    request: dict = {
        "cluster": stack["Cluster"],
        "taskDefinition": task_definition,
        "count": 1,
        "clientToken": f"{run}-1",
        "startedBy": f"{run}-1",
        "capacityProviderStrategy": capacity(settings, stack),
        "overrides": overrides,
        "propagateTags": "TASK_DEFINITION",
        **({"enableExecuteCommand": True} if settings.exec else {}),
    }
    if settings.capacity in FARGATE:
        request["networkConfiguration"] = {
            "awsvpcConfiguration": {
                "subnets": stack["Subnets"].split(",")[:16],
                "securityGroups": [stack["SecurityGroup"]],
                "assignPublicIp": stack["PublicIp"],
            }
        }
    return request
