"""Find out which actions that `make policy` prints the caller lacks, without changing anything.

Actions that only read are called. For the others, IAM says what it would allow, if the caller may ask
(iam:SimulatePrincipalPolicy). If not, actions on something that must already exist are called with the
name of something that does not (128 random bits), so whatever the service checks, there is nothing to
change. Actions that create anything are not called: no request for them is invalid everywhere.

AccessDenied tells that a permission is missing. Another refusal tells only that AWS did not deny it: no
reference says that every service looks at permissions first.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from ecs.aws import TakenError
from ecs.refusals import code_and_message
from ecs.stack import policies
from ecs.stack.policies import Names

# Each makes something, or is granted for what another call makes (ecs:TagResource) or hands on.
# iam:PassRole has a check of its own; s3:DeleteObject succeeds where there is nothing, and leaves a marker.
UNTRIED = (
    "batch:RegisterJobDefinition", "batch:SubmitJob", "batch:TagResource", "batch:TerminateJob",
    "ecr:InitiateLayerUpload", "ecr:PutImage", "ecs:RegisterTaskDefinition", "ecs:TagResource",
    "iam:PassRole", "s3:DeleteObject", "scheduler:CreateSchedule", "secretsmanager:CreateSecret",
)  # fmt: skip
# where the action is not called like its operation
OPERATIONS = {"s3:ListBucket": "list_objects_v2", "s3:PutObject": "upload_part"}
# They come last: they remove what a lenient implementation made for a name that did not exist.
LAST = ("s3:AbortMultipartUpload", "scheduler:DeleteSchedule")
# IAM's answers about who has no policies that it could look at
NO_SOURCE = ("InvalidInput", "NoSuchEntity")
DIGEST = f"sha256:{'0' * 64}"  # of nothing


def is_read(action: str) -> bool:
    """Tell whether an action only reads."""
    return re.match(r"\w+:(Batch(Check|Get)|Describe|Get|List)", action) is not None


def actions(document: Mapping) -> list[str]:
    """Return the actions of a policy document, each once."""
    found = [action for each in document["Statement"] for action in each["Action"]]
    return list(dict.fromkeys(found))


def denied(error: Exception) -> bool:
    """Tell whether AWS refused because a permission is missing."""
    code, message = code_and_message(error)
    return "AccessDenied" in code or code == "UnauthorizedOperation" or "not authorized" in message


def named(error: Exception) -> str:
    """Return the action that AWS says is missing; "" where it does not say."""
    found = re.search(r"not authorized to perform:? (\w+:\w+)", str(error))
    return found[1] if found else ""


def calls(names: Names, absent: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of one call for each action: none of them can change anything.

    Args:
        names: what is the project's.
        absent: 32 hexadecimal digits; no task, upload, secret or schedule is called so.
    """
    project, nothing = names.settings.project, f"verify-{absent}"
    # the ARN and not the name: of a secret that is not there AWS knows no other resource
    secret = {"SecretId": names.arn("secretsmanager", f"secret:{project}/{nothing}-{absent[:6]}")}
    image, upload = {"repositoryName": project}, absent_uuid(absent)
    file = {"Bucket": names.bucket.rpartition(":")[2], "Key": f"{project}/{nothing}"}
    task = {"cluster": project, "task": absent}
    schedule = {"Name": nothing, "GroupName": project}
    target = {
        "Arn": names.arn("ecs", f"cluster/{project}"),
        "RoleArn": names.role("SchedulerRole-verify"),
    }
    return {
        "cloudformation:DescribeStacks": {"StackName": project},
        "ecr:BatchCheckLayerAvailability": {**image, "layerDigests": [DIGEST]},
        "ecr:BatchGetImage": {**image, "imageIds": [{"imageTag": nothing}]},
        "ecr:CompleteLayerUpload": {**image, "uploadId": upload, "layerDigests": [DIGEST]},
        "ecr:DescribeImages": {**image, "imageIds": [{"imageTag": nothing}]},
        "ecr:GetAuthorizationToken": {},
        "ecr:GetDownloadUrlForLayer": {**image, "layerDigest": DIGEST},
        "ecr:UploadLayerPart": {
            **image, "uploadId": upload, "partFirstByte": 0, "partLastByte": 0, "layerPartBlob": b"x",
        },
        "ecs:DescribeTaskDefinition": {"taskDefinition": project},
        "ecs:DescribeTasks": {"cluster": project, "tasks": [absent]},
        "ecs:ExecuteCommand": {**task, "command": "true", "interactive": True},
        "ecs:ListTasks": {"cluster": project, "startedBy": nothing},
        "ecs:RunTask": {"cluster": project, "taskDefinition": f"{project}:{2**31 - 1}"},
        "ecs:StopTask": task,
        "logs:GetLogEvents": {"logGroupName": f"/ecs/{project}", "logStreamName": nothing},
        "s3:AbortMultipartUpload": {**file, "UploadId": upload},
        "s3:GetObject": file,
        "s3:ListBucket": {"Bucket": file["Bucket"], "Prefix": f"{project}/", "MaxKeys": 1},
        # A part of no upload is no object. Its permission is s3:PutObject: "Multipart upload API and
        # permissions" in S3's user guide.
        "s3:PutObject": {**file, "UploadId": upload, "PartNumber": 1, "Body": b"x"},
        "scheduler:DeleteSchedule": schedule,
        "scheduler:GetSchedule": schedule,
        "scheduler:ListSchedules": {"GroupName": project, "MaxResults": 1},
        "scheduler:UpdateSchedule": {
            **schedule, "FlexibleTimeWindow": {"Mode": "OFF"}, "ScheduleExpression": "never", "Target": target,
        },
        "secretsmanager:DescribeSecret": secret,
        "secretsmanager:PutSecretValue": {**secret, "SecretString": "x"},
        "secretsmanager:RestoreSecret": secret,
        "secretsmanager:TagResource": {**secret, "Tags": [{"Key": "project", "Value": project}]},
        **(of_instances(nothing) if names.settings.kind.group else {}),
        **(of_batch(project, nothing) if names.settings.max_vcpus != "0" else {}),
    }  # fmt: skip


def of_batch(project: str, nothing: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of the calls that only jobs need."""
    return {
        "batch:DescribeJobDefinitions": {"jobDefinitionName": project, "maxResults": 1},
        "batch:DescribeJobs": {"jobs": [nothing]},
        "batch:ListJobs": {"jobQueue": f"{project}-fargate", "maxResults": 1},
    }


def of_instances(nothing: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of the calls that only instances of the stack's own need."""
    return {
        "autoscaling:DescribeScalingActivities": {"AutoScalingGroupName": nothing},
        "ecs:DescribeCapacityProviders": {},
    }


def absent_uuid(digits: str) -> str:
    """Return 32 hexadecimal digits as a UUID is written."""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def allowed(client: Any, action: str, parameters: Mapping) -> bool:
    """Make one call, undo it if it did something after all, and tell whether it was not denied."""
    operation = OPERATIONS.get(action) or xform_name(action.partition(":")[2])
    try:
        answer = getattr(client, operation)(**parameters)
    except TakenError:  # S3 says no more than that it is denied
        return False
    except ClientError as error:
        # if AWS says that another action is missing, it did not deny this one
        return not denied(error) or named(error) not in ("", action)
    undo(client, action, parameters, answer)
    return True


def undo(client: Any, action: str, parameters: Mapping, answer: Mapping) -> None:
    """Take back what a lenient implementation made of something that was not there; LAST does the rest."""
    if action == "ecs:RunTask":
        for task in answer.get("tasks", []):
            client.stop_task(cluster=parameters["cluster"], task=task["taskArn"])
    if action == "secretsmanager:PutSecretValue":
        client.delete_secret(SecretId=parameters["SecretId"], ForceDeleteWithoutRecovery=True)


def tried(clients: Mapping[str, Any], made: Mapping[str, Mapping]) -> set[str]:
    """Make the calls side by side, then those in LAST, and return the actions that AWS denied."""

    def look(action: str) -> bool:
        return allowed(clients[action.partition(":")[0]], action, made[action])

    missing = set()
    with ThreadPoolExecutor(8) as pool:
        for late in (False, True):
            each = [action for action in made if (action in LAST) is late]
            found = zip(each, pool.map(look, each), strict=True)
            missing |= {action for action, there in found if not there}
    if "s3:ListBucket" in missing:
        # without it S3 denies a file that is not there too
        missing.discard("s3:GetObject")
    return missing


def questions(document: Mapping) -> Iterator[dict[str, Any]]:
    """Give out what IAM is to be asked for each statement, reads and iam:PassRole left out."""
    for each in document["Statement"]:
        asked = [name for name in each["Action"] if not is_read(name) and name != "iam:PassRole"]
        if not asked:
            continue
        yield {
            "ActionNames": asked,
            "ResourceArns": [arn if arn == "*" else one_of(arn) for arn in each["Resource"]],
            "ContextEntries": [
                context_entry(key, one_of(value))
                for pairs in each.get("Condition", {}).values()
                for key, value in pairs.items()
            ],
        }


def context_entry(key: str, value: str) -> dict[str, Any]:
    """Return what the simulation is to take for the value of a condition's ``key``."""
    return {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}


def one_of(pattern: str | list[str]) -> str:
    """Return a value that a policy's pattern, or the first of several, matches."""
    return (pattern if isinstance(pattern, str) else pattern[0]).replace("*", "verify")


def simulated(iam: Any, source: str, document: Mapping) -> tuple[set[str], set[str]]:
    """Return the actions that IAM would deny, and those of which it cannot tell.

    Raises:
        ClientError: the caller may not ask.
    """
    missing, unknown = set(), set()
    for question in questions(document):
        answer = iam.simulate_principal_policy(PolicySourceArn=source, **question)
        for each in answer["EvaluationResults"]:
            if each["EvalDecision"] != "allowed":
                unclear = each.get("MissingContextValues")
                (unknown if unclear else missing).add(each["EvalActionName"])
    return missing, unknown - missing


def lacking(
    client: Callable[[str], Any], names: Names, absent: str, source: Callable[[], str]
) -> tuple[set[str], set[str]]:
    """Return the actions of `make policy` that the caller lacks, and those of which nobody can tell.

    Args:
        client: gives the client of a service.
        names: what is the project's.
        absent: 32 hexadecimal digits that nothing is called by.
        source: gives the ARN of the user or role whose policies speak for the caller.

    Raises:
        ClientError: IAM is asked and fails.
    """
    document, made = policies.runs(names), calls(names, absent)
    wanted = [action for action in actions(document) if action in made]
    try:
        missing, unknown = simulated(client("iam"), source(), document)
        wanted = [action for action in wanted if is_read(action)]
    except ClientError as error:
        # a federated caller has no policies that IAM could look at
        if not denied(error) and error.response["Error"]["Code"] not in NO_SOURCE:
            raise
        missing, unknown = set(), {*UNTRIED} & {*actions(document)} - {"iam:PassRole"}
    services = {action.partition(":")[0] for action in wanted}
    clients = {service: client(service) for service in services}
    return missing | tried(clients, {action: made[action] for action in wanted}), unknown
