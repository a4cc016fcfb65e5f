"""From the Makefile's variables to one RunTask request. Pure: no clock, no network, no files.

Source of the limits: the API reference of RunTask and the Fargate task sizes in the ECS developer
guide.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime

from ecs import contract
from ecs.capacity import EVERYWHERE
from ecs.console import PASSWORD, redacted
from ecs.errors import UserError
from ecs.parse import environment, retries, seconds, words
from ecs.request import channels
from ecs.request.sizes import check_fits, gpus, size
from ecs.settings import CONTAINER, Settings

# variables that the launcher sets in any case
LAUNCHERS = re.compile(
    r"SM_(CHANNELS|CHANNEL_.*|MODEL_DIR|OUTPUT_DATA_DIR|INPUT_DIR|USER_ARGS|HPS|NUM_CPUS|NUM_GPUS|CURRENT_HOST|HOSTS)"
    r"|CHECKPOINT_DIR|RUN_FOLDER|RUN_MEMORY_MIB"
)
# characters of ``overrides``, JSON syntax included
OVERRIDES_LIMIT = 8192
ARGV = contract.ARGV  # where a run keeps arguments that are longer


def run_id(now: datetime, random: str) -> str:
    """Return an id that sorts by time: ``20261124T110203Z-1a2b3c``. ``now`` is in UTC."""
    return f"{now:%Y%m%dT%H%M%SZ}-{random}"


def secret_names(settings: Settings, definition: Mapping) -> set[str]:
    """Return the names of the container's variables that ECS fills with secrets."""
    return set(settings.secrets.replace(",", " ").split()) | {
        each["name"]
        for container in definition.get("containerDefinitions", [])
        for each in container.get("secrets", [])
    }


def variables_of(request: Mapping) -> dict[str, str]:
    """Return the container's environment in a RunTask request."""
    container = request["overrides"]["containerOverrides"][0]
    return {each["name"]: each["value"] for each in container["environment"]}


def environment_of(variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Return variables as the environment of a container in a request."""
    return [{"name": name, "value": value} for name, value in variables.items()]


def with_container(request: Mapping, **fields: object) -> dict:
    """Return a RunTask request whose container has other ``fields``, such as ``command``."""
    overrides = request["overrides"]
    container = overrides["containerOverrides"][0] | fields
    return {**request, "overrides": overrides | {"containerOverrides": [container]}}


def again(
    settings: Settings, stack: Mapping[str, str], record: Mapping, task_definition: str, run: str
) -> dict:
    """Return the request that runs a recorded run's words, sizes and environment once more."""
    uri = run_uri(settings, stack, run)
    own = {"RUN_ID": run, "RUN_URI": uri, "ARGV_URI": uri + ARGV}
    variables = {
        name: own.get(name, value)
        for name, value in variables_of(record["request"]).items()
        if name != "RUN_SCHEDULE"
    }
    request = with_container(record["request"], environment=environment_of(variables))
    size = record["size"]
    return request | {
        "taskDefinition": task_definition,
        "clientToken": f"{run}-1",
        "startedBy": f"{run}-1",
        # the stack may have been made for another since
        "capacityProviderStrategy": capacity(settings, stack),
        # the definition's own may have changed since
        "overrides": request["overrides"]
        | {"cpu": str(size["cpu"]), "memory": str(size["memory"])},
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
    provider = settings.kind.provider
    if not provider:
        has = stack.get("Capacities", ",".join(EVERYWHERE))
        # a placeholder stands for any
        if settings.capacity not in has.split(",") and not has.startswith("<"):
            remedy = (
                "the sandbox has no other; type: make run CAPACITY=fargate"
                if settings.sandbox
                else f"type: make cluster CAPACITY={settings.capacity}"
            )
            raise UserError(
                f"CAPACITY={settings.capacity}: the stack has {has.replace(',', ', ')} only; {remedy}"
            )
        provider = stack["CapacityProvider"]
    return [{"capacityProvider": provider, "weight": 1}]


def stop_seconds(settings: Settings, definition: Mapping) -> int:
    """Return the seconds between SIGTERM and SIGKILL: of task-definition.json, by default 30."""
    found = [
        each.get("stopTimeout", 30)
        for each in definition.get("containerDefinitions", [])
        if each.get("name") == CONTAINER
    ]
    return settings.there.stop or int(found[0] if found else 30)


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


def refuse_passwords(settings: Settings) -> None:
    """Look for passwords in URLs: ECS shows arguments and environment, and the history keeps them.

    Raises:
        UserError: there is one.
    """
    for variable, text in (("ARGS", settings.args), ("ENV", settings.env)):
        if found := PASSWORD.search(text):
            raise UserError(
                f"{variable}: the password in {redacted(found[0])}… would be stored with the run and shown in ECS; "
                "type: make secret NAME=DATABASE_URL, and read that variable in the script"
            )


def role_arn(name: str, stack: Mapping[str, str]) -> str:
    """Return the ARN of the role ``name`` in the account of the stack's own task role."""
    if name.startswith("arn:"):
        return name
    return f"{stack['TaskRoleArn'].partition(':role/')[0]}:role/{name}"


def checked(settings: Settings, stack: Mapping[str, str], definition: Mapping) -> dict[str, str]:
    """Return the variables of ENV, once nothing is wrong with any variable that a request comes from.

    Raises:
        UserError: a variable has a value that RunTask would refuse.
    """
    seconds("TIMEOUT", settings.timeout)
    seconds("START_TIMEOUT", settings.start_timeout)
    retries(settings)
    if not settings.script or settings.script.startswith(("-", "/")):
        raise UserError(f"SCRIPT={settings.script!r}: a script of this project, such as train.py")
    refuse_passwords(settings)
    given = environment(settings.env)
    for taken, who in (
        (given.keys() & contract.VARIABLES, "set by make run itself"),
        (filter(LAUNCHERS.fullmatch, given), "set by the launcher, job/"),
        (given.keys() & secret_names(settings, definition), "a secret of the task definition"),
    ):
        if names := sorted(taken):
            raise UserError(f"ENV: {', '.join(names)} is {who}; leave it out")
    if settings.exec and stack.get("Exec", "DISABLED") == "DISABLED":
        raise UserError(
            "EXEC=1: the task role may open no channel yet; type: make cluster EXEC=1, or write "
            "EXEC = 1 into .env for both"
        )
    return given


def fit(overrides: dict, settings: Settings, uri: str) -> None:
    """Take arguments that are too long for ECS out of ``overrides``: the launcher reads them below ``uri``.

    Raises:
        UserError: they are still too long.
    """
    container = overrides["containerOverrides"][0]
    if len(json.dumps(overrides)) > OVERRIDES_LIMIT:
        container["command"] = [settings.script]  # the words go to S3, as argv.json of the run
        container["environment"].append({"name": contract.ARGV_URI, "value": uri + ARGV})
    length = len(json.dumps(overrides))
    if length > OVERRIDES_LIMIT:
        sentence = f"makes {length} characters of overrides, and ECS takes {OVERRIDES_LIMIT}"
        asked = variables_of({"overrides": overrides})[contract.CHANNELS]
        if len(asked) > len(settings.env):
            raise UserError(
                f"DATA {sentence}: put its files into a folder below data/ and name that"
            )
        raise UserError(
            f"ENV {sentence}: put long values into a file below data/ and pass its name"
        )


def of_container(
    settings: Settings,
    stack: Mapping[str, str],
    definition: Mapping,
    run: str,
    more: Mapping[str, str | None],
) -> dict[str, str]:
    """Return the container's variables: the launcher's, those in ``more`` that have a value, and those of ENV."""
    given = checked(settings, stack, definition)
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
        contract.RESULT: settings.result and result_uri(settings),
        **more,
    }
    return {name: value for name, value in variables.items() if value} | given


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
    more = {contract.REVISION: revision, contract.SCHEDULE: schedule}
    variables = of_container(settings, stack, definition, run, more)
    container = {
        "name": CONTAINER,
        "command": [settings.script, *words(settings.args)],
        "environment": environment_of(variables),
        **({"resourceRequirements": needed} if (needed := gpus(settings)) else {}),
    }
    asked = size(settings, definition)
    check_fits(settings, definition, asked, stack.get("InstanceType", ""))
    overrides: dict = {"containerOverrides": [container], **asked}
    if settings.task_role:
        overrides["taskRoleArn"] = role_arn(settings.task_role, stack)
    fit(overrides, settings, run_uri(settings, stack, run))
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
    if settings.kind.fargate:
        where = {
            "subnets": stack["Subnets"].split(",")[:16],
            "securityGroups": [stack["SecurityGroup"]],
            "assignPublicIp": stack["PublicIp"],
        }
        request["networkConfiguration"] = {"awsvpcConfiguration": where}
    return request
