"""The same run as a job of AWS Batch: job definition and SubmitJob request. Pure.

Source of the limits: the API reference of AWS Batch, and "Automated job retries" in its user guide.
"""

from collections.abc import Mapping, Sequence

from ecs import contract
from ecs.errors import UserError
from ecs.parse import retries, whole_number
from ecs.request.request import environment_of, role_arn, variables_of, with_container
from ecs.request.sizes import full_size
from ecs.settings import CONTAINER, Settings

MOST_ATTEMPTS = 10
SHORTEST_LIMIT = 60  # seconds, of one attempt
# of a container of task-definition.json; Batch knows no others, and calls these as ECS does
KNOWN = {
    "command", "environment", "essential", "image", "linuxParameters", "logConfiguration", "mountPoints", "name",
    "readonlyRootFilesystem", "repositoryCredentials", "secrets", "stopTimeout", "ulimits", "user",
}  # fmt: skip
# Exit codes after which the same again may succeed, by the classes of verdict/rules.py: of the launcher's
# the two that are "for now", and that of a script whose machine was taken away.
PASSING = (contract.STAGING_FAILED, contract.PUBLISHING_FAILED, 143)


def retry_strategy(settings: Settings) -> dict:
    """Return when Batch tries a job again: after a passing fault, and where its machine was lost.

    The first rule that matches counts, and what none matches is tried again: a container that left no exit
    code has lost its machine or its place, unless its image could not be had or begun. What ends with any
    other code has an error of its own. Batch itself never repeats what was terminated or ran out of time.

    Raises:
        UserError: RETRIES is more than Batch allows.
    """
    attempts = retries(settings) + 1
    if attempts > MOST_ATTEMPTS:
        raise UserError(
            f"RETRIES={settings.retries}: AWS Batch makes {MOST_ATTEMPTS} attempts at most; "
            f"type: RETRIES={MOST_ATTEMPTS - 1}"
        )
    again = [{"onExitCode": str(code), "action": "RETRY"} for code in PASSING]
    never = [{"onExitCode": "*", "action": "EXIT"}, {"onReason": "Cannot*", "action": "EXIT"}]
    return {"attempts": attempts, "evaluateOnExit": [*again, *never]}


def definition(
    rendered: Mapping, settings: Settings, stack: Mapping[str, str], overrides: Mapping
) -> dict:
    """Return the RegisterJobDefinition request, without tags.

    Disk and role stand in it, since SubmitJob can change neither.

    Args:
        rendered: task-definition.json, filled in, with its secrets' ARNs.
        settings: the Makefile's variables.
        stack: outputs of the CloudFormation stack.
        overrides: of the RunTask request.

    Raises:
        UserError: it has what a job cannot have.
    """
    containers = rendered["containerDefinitions"]
    if [each.get("name") for each in containers] != [CONTAINER]:
        raise UserError(
            f"task-definition.json: a job on AWS Batch has one container, {CONTAINER}; type: make run"
        )
    if unknown := sorted(containers[0].keys() - KNOWN):
        raise UserError(
            f"task-definition.json: a job on AWS Batch has no {', '.join(unknown)}; type: make run"
        )
    size = full_size(settings, rendered, overrides)
    needed = {"VCPU": f"{size['cpu'] / 1024:g}", "MEMORY": str(size["memory"])}
    container = {
        **containers[0],
        "resourceRequirements": [{"type": name, "value": each} for name, each in needed.items()],
    }
    task = {
        "containers": [container],
        "executionRoleArn": rendered["executionRoleArn"],
        "taskRoleArn": role_arn(settings.task_role, stack) if settings.task_role else rendered["taskRoleArn"],
        "networkConfiguration": {"assignPublicIp": stack["PublicIp"]},
        "runtimePlatform": rendered["runtimePlatform"],
        "volumes": rendered.get("volumes", []),
    }  # fmt: skip
    if disk := overrides.get("ephemeralStorage") or rendered.get("ephemeralStorage"):
        task["ephemeralStorage"] = disk
    return {
        "jobDefinitionName": settings.project,
        "type": "container",
        "platformCapabilities": ["FARGATE"],
        "propagateTags": True,
        "ecsProperties": {"taskProperties": [task]},
    }


def time_limit(settings: Settings) -> dict:
    """Return the time-out of each attempt; {} for none.

    Raises:
        UserError: it is shorter than Batch can tell.
    """
    if not settings.timeout:
        return {}
    seconds = whole_number("TIMEOUT", settings.timeout, SHORTEST_LIMIT, 14 * 24 * 3600, "seconds")
    return {"timeout": {"attemptDurationSeconds": seconds}}


def submit_request(
    run_request: Mapping, settings: Settings, queue: str, job_definition: str, size: int = 0
) -> dict:
    """Return the SubmitJob request of a run, or of ``size`` runs in one array.

    Args:
        run_request: the RunTask request that would run the same on ECS.
        settings: the Makefile's variables.
        queue: its ARN.
        job_definition: its ARN.
        size: of the array; 0 for one run.

    Raises:
        UserError: RETRIES or TIMEOUT is not what Batch allows.
    """
    # Batch counts the attempts itself (job/attempt.py)
    variables = variables_of(run_request)
    del variables[contract.ATTEMPT]
    container = {
        "name": CONTAINER,
        "command": run_request["overrides"]["containerOverrides"][0]["command"],
        "environment": environment_of(variables),
    }
    return {
        "jobName": variables[contract.RUN_ID],
        "jobQueue": queue,
        "jobDefinition": job_definition,
        "ecsPropertiesOverride": {"taskProperties": [{"containers": [container]}]},
        "retryStrategy": retry_strategy(settings),
        "propagateTags": True,
        "tags": {"project": settings.project},
        **({"arrayProperties": {"size": size}} if size else {}),
        **time_limit(settings),
    }


def of_child(record: Mapping, index: int, words: Sequence[str]) -> dict:
    """Return ``run.json`` of one run of a sweep, which nobody has to write: its words are ``words``.

    ``record`` is that of the sweep.
    """
    run = f"{record['run']}/{index}"
    container = record["request"]["overrides"]["containerOverrides"][0]
    variables = variables_of(record["request"])
    del variables[contract.ARGV_URI]
    variables |= {contract.RUN_ID: run, contract.RUN_URI: f"{variables[contract.RUN_URI]}{index}/"}
    request = with_container(
        record["request"],
        command=[container["command"][0], *words],
        environment=environment_of(variables),
    )
    job = record["batch"]["job"]
    return {
        **{name: value for name, value in record.items() if name not in ("sweep", "stopped")},
        "run": run,
        "argv": list(words),
        "request": request,
        "batch": {**record["batch"], "job": job and f"{job}:{index}"},
        "attempts": [],
        "task": None,
    }
