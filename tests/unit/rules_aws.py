"""What the API references say about the parameters of a call together, which no service model holds.

botocore's validator knows which members a request has, their types and what is required. ``faults`` adds the
model's own lengths, ranges and words, which the validator passes over, and ``RULES``: one sentence of a reference
each, as a predicate, with a request that it refuses.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.model import Shape
from botocore.validate import ParamValidator
from ecs import console

SERVICES = (
    "autoscaling", "batch", "cloudformation", "ec2", "ecr", "ecs", "iam", "logs", "s3", "scheduler", "secretsmanager",
    "ssm", "sts",
)  # fmt: skip
ON_FARGATE = ({"FARGATE"}, {"FARGATE_SPOT"}, {"FARGATE", "FARGATE_SPOT"})
# vCPU and GiB: "Task CPU and memory" in the Amazon ECS developer guide
SIZES = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
    32768: (61440, 122880, 249856),
}
EXPRESSION = re.compile(
    r"cron\(\S+( +\S+){5}\)|rate\([1-9]\d* (minute|hour|day)s?\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
)


@dataclass(frozen=True)
class Rule:
    """One rule of a call."""

    calls: str  # service.Operation, several behind a bar
    says: str  # words of the reference
    source: str  # the member or operation of the service model that says them, or a page
    holds: Callable[[Mapping], Any]
    refused: Mapping  # a request against it, and against no other rule


def within(name: str, most: int) -> Callable[[Mapping], bool]:
    return lambda asked: len(asked.get(name) or ()) <= most


def not_both(*names: str) -> Callable[[Mapping], bool]:
    return lambda asked: sum(name in asked for name in names) < 2


def one_of(*names: str) -> Callable[[Mapping], bool]:
    return lambda asked: sum(name in asked for name in names) == 1


def providers(asked: Mapping) -> set[str]:
    """Return the capacity providers of a request, of RunTask or of a schedule."""
    strategy = asked.get("capacityProviderStrategy") or asked.get("CapacityProviderStrategy") or []
    return {each["capacityProvider"] for each in strategy}


def fargate(asked: Mapping) -> bool:
    launched = asked.get("launchType", asked.get("LaunchType"))
    return launched == "FARGATE" or providers(asked) in ON_FARGATE


def is_size(asked: Mapping) -> bool:
    """Tell whether Fargate has a task of this size; one that is not whole is the definition's to complete."""
    if "cpu" not in asked or "memory" not in asked:
        return True
    return int(asked["memory"]) in SIZES.get(int(asked["cpu"]), ())


def containers(asked: Mapping) -> list[Mapping]:
    given = asked.get("overrides", {}).get("containerOverrides", [])
    return [*given, *asked.get("containerDefinitions", [])]


def gpus(asked: Mapping) -> bool:
    return any(
        each["type"] == "GPU"
        for container in containers(asked)
        for each in container.get("resourceRequirements", [])
    )


def disk(asked: Mapping) -> int | None:
    return asked.get("overrides", asked).get("ephemeralStorage", {}).get("sizeInGiB")


def for_fargate(asked: Mapping) -> bool:
    """Tell whether a task definition is one for Fargate."""
    return "FARGATE" in asked.get("requiresCompatibilities", [])


def target(asked: Mapping) -> Mapping:
    return asked["Target"].get("EcsParameters", {})


def tags_are_good(tags: list[Mapping], most: int = 50) -> bool:
    pairs = [
        tuple(each.get(name, each.get(name.lower())) for name in ("Key", "Value")) for each in tags
    ]
    keys = [key for key, _ in pairs]
    good = all(
        len(k) <= 128 and len(v) <= 256 and not k.lower().startswith("aws:") for k, v in pairs
    )
    return good and len(pairs) <= most and len(keys) == len(set(keys))


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


RUN = {"cluster": "c", "taskDefinition": "d:1"}
SPOT = RUN | {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}
VPC = {"awsvpcConfiguration": {"subnets": ["s"]}}
OWN = RUN | {"capacityProviderStrategy": [{"capacityProvider": "own"}]}
FARGATE = {
    "family": "f", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "1024", "memory": "2048",
    "executionRoleArn": "r", "containerDefinitions": [{"name": "train", "image": "i"}],
}  # fmt: skip
SCHEDULE = {
    "Name": "n", "FlexibleTimeWindow": {"Mode": "OFF"}, "ScheduleExpression": "rate(1 day)",
    "Target": {"Arn": "a", "RoleArn": "r", "Input": "{}", "EcsParameters": {"TaskDefinitionArn": "d"}},
}  # fmt: skip
SET = {"StackName": "s", "ChangeSetName": "c"}


def on(schedule: Mapping, **parameters: Any) -> dict:
    """Return a schedule whose target has other parameters of ECS."""
    given = schedule["Target"] | {"EcsParameters": target(schedule) | parameters}
    return {**schedule, "Target": given}


def container(**members: Any) -> dict:
    """Return a definition for Fargate whose container has more members."""
    return FARGATE | {"containerDefinitions": [{"name": "train", "image": "i", **members}]}


AWSLOGS = {"logDriver": "awslogs", "options": {"awslogs-group": "g"}}
PUBLISHED = "scheduler.CreateSchedule|scheduler.UpdateSchedule"
IN_GUIDE = "Amazon ECS developer guide, "
BUCKET = {"Bucket": "b", "Key": "k"}

JOB = {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"}
JOBS = "batch.SubmitJob"
IN_BATCH_GUIDE = "AWS Batch user guide, "


def job_definition(**members: Any) -> dict:
    """Return a job definition for Fargate whose container has more members."""
    needed = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "4096"}]
    container = {"name": "train", "image": "i", "resourceRequirements": needed, **members}
    task = {"containers": [container], "executionRoleArn": "r"}
    return {
        "jobDefinitionName": "d", "type": "container", "platformCapabilities": ["FARGATE"],
        "ecsProperties": {"taskProperties": [task]},
    }  # fmt: skip


def job_tasks(asked: Mapping) -> list[Mapping]:
    return asked.get("ecsProperties", {}).get("taskProperties", [])


def job_containers(asked: Mapping) -> list[Mapping]:
    return [each for task in job_tasks(asked) for each in task["containers"]]


def job_size(container: Mapping) -> dict:
    """Return what a container of a job reserves, as sizes of tasks have it."""
    found = {each["type"]: each["value"] for each in container.get("resourceRequirements", [])}
    if not {"VCPU", "MEMORY"} <= set(found):
        return {"cpu": "0", "memory": "0"}
    return {"cpu": float(found["VCPU"]) * 1024, "memory": found["MEMORY"]}


def strategy(asked: Mapping) -> Mapping:
    return asked.get("retryStrategy", {})


def patterns(asked: Mapping) -> list[str]:
    return [
        text
        for rule in strategy(asked).get("evaluateOnExit", [])
        for name, text in rule.items()
        if name in ("onReason", "onStatusReason")
    ]


RULES = [
    # ---- AWS Batch
    Rule("batch.ListJobs", "You must specify only one of the following items", "", one_of("jobQueue", "arrayJobId", "multiNodeJobId"),
         {"jobQueue": "q", "arrayJobId": "a"}),
    Rule("batch.ListJobs", "Only one filter can be used at a time", "filters", within("filters", 1),
         {"jobQueue": "q", "filters": [{"name": "JOB_NAME", "values": ["a"]}] * 2}),
    Rule("batch.ListJobs", "When the filter is used, jobStatus is ignored", "filters", not_both("filters", "jobStatus"),
         {"jobQueue": "q", "jobStatus": "FAILED", "filters": [{"name": "JOB_NAME", "values": ["a"]}]}),
    Rule("batch.DescribeJobs", "A list of up to 100 job IDs", "jobs", within("jobs", 100), {"jobs": ["j"] * 101}),
    Rule(JOBS, "It can be up to 128 letters long. The first character must be alphanumeric, can contain uppercase and lowercase letters, numbers, hyphens (-), and underscores (_)",
         "jobName", lambda asked: re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", asked["jobName"]), JOB | {"jobName": "a.b"}),
    Rule(JOBS, "The array size can be between 2 and 10,000", "arrayProperties",
         lambda asked: 2 <= asked.get("arrayProperties", {"size": 2})["size"] <= 10000, JOB | {"arrayProperties": {"size": 1}}),
    Rule(JOBS, "The minimum value for the timeout is 60 seconds", "timeout",
         lambda asked: asked.get("timeout", {}).get("attemptDurationSeconds", 60) >= 60, JOB | {"timeout": {"attemptDurationSeconds": 59}}),
    Rule(JOBS, "You can specify between 1 and 10 attempts", "retryStrategy.attempts",
         lambda asked: 1 <= strategy(asked).get("attempts", 1) <= 10, JOB | {"retryStrategy": {"attempts": 11}}),
    Rule(JOBS, "Array of up to 5 objects", "retryStrategy.evaluateOnExit", lambda asked: len(strategy(asked).get("evaluateOnExit", [])) <= 5,
         JOB | {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "RETRY"}] * 6}}),
    Rule(JOBS, "then the attempts parameter must also be specified", "retryStrategy.evaluateOnExit",
         lambda asked: "evaluateOnExit" not in strategy(asked) or "attempts" in strategy(asked),
         JOB | {"retryStrategy": {"evaluateOnExit": [{"onExitCode": "1", "action": "RETRY"}]}}),
    Rule(JOBS, "It can contain only numbers, and can end with an asterisk (*)", "retryStrategy.evaluateOnExit.onExitCode",
         lambda asked: all(re.fullmatch(r"\d*\*?", each.get("onExitCode", "1")) for each in strategy(asked).get("evaluateOnExit", [])),
         JOB | {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onExitCode": "!0", "action": "RETRY"}]}}),
    Rule(JOBS, "It can contain letters, numbers, periods (.), colons (:), and white space", "retryStrategy.evaluateOnExit.onReason",
         lambda asked: all(re.fullmatch(r"[\w.:\s]*\*?", each) for each in patterns(asked)),
         JOB | {"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onReason": "a (b)", "action": "RETRY"}]}}),
    Rule("batch.RegisterJobDefinition", "For jobs that run on Fargate resources, you must provide an execution role", "ecsProperties.taskProperties.executionRoleArn",
         lambda asked: all("executionRoleArn" in each for each in job_tasks(asked)),
         job_definition() | {"ecsProperties": {"taskProperties": [{"containers": job_containers(job_definition())}]}}),
    Rule("batch.RegisterJobDefinition", "must match one of the supported values and the VCPU values must be one of the values supported for that memory value",
         "ecsProperties.taskProperties.containers.resourceRequirements.value", lambda asked: all(is_size(job_size(each)) for each in job_containers(asked)),
         job_definition(resourceRequirements=[{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "4096"}])),
    Rule("batch.RegisterJobDefinition", "The minimum value is 2 seconds and the maximum value for Fargate is 120 seconds", "ecsProperties.taskProperties.containers.stopTimeout",
         lambda asked: all(2 <= each.get("stopTimeout", 30) <= 120 for each in job_containers(asked)), job_definition(stopTimeout=121)),
    # ---- CloudWatch Logs
    Rule("logs.GetLogEvents", "you must specify true for startFromHead", "startFromHead",
         lambda asked: "nextToken" not in asked or asked.get("startFromHead") is True,
         {"logStreamName": "s", "logGroupName": "g", "nextToken": "f/1"}),
    Rule("logs.DescribeLogGroups", "Only one of these parameters can be passed", "logGroupNamePrefix",
         not_both("logGroupNamePrefix", "logGroupNamePattern"), {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}),
    # ---- ECS: lists
    Rule("ecs.ListTasks", "When you specify startedBy as the filter, it must be the only filter that you use", "startedBy",
         lambda asked: "startedBy" not in asked or set(asked) <= {"cluster", "startedBy", "nextToken", "maxResults"},
         {"cluster": "c", "startedBy": "r", "desiredStatus": "STOPPED"}),
    Rule("ecs.ListTasks", "Amazon ECS never sets the desired status of a task to that value", "desiredStatus",
         lambda asked: asked.get("desiredStatus") != "PENDING", {"desiredStatus": "PENDING"}),
    Rule("ecs.DescribeTasks", "A list of up to 100 task IDs", "tasks", within("tasks", 100), {"tasks": ["t"] * 101}),
    Rule("ecs.DescribeClusters", "A list of up to 100 cluster names", "clusters", within("clusters", 100), {"clusters": ["c"] * 101}),
    Rule("ecs.DescribeCapacityProviders", "Up to 100 capacity providers can be described", "capacityProviders",
         within("capacityProviders", 100), {"capacityProviders": ["p"] * 101}),
    Rule("ecs.DeleteTaskDefinitions", "You can specify up to 10 task definitions", "taskDefinitions",
         within("taskDefinitions", 10), {"taskDefinitions": ["f:1"] * 11}),
    Rule("ecs.DeleteTaskDefinitions", "You must specify a revision", "taskDefinitions",
         lambda asked: all(re.search(r":\d+$", each) for each in asked["taskDefinitions"]), {"taskDefinitions": ["f"]}),
    Rule("ecs.DeregisterTaskDefinition", "You must specify a revision", "taskDefinition",
         lambda asked: re.search(r":\d+$", asked["taskDefinition"]), {"taskDefinition": "f"}),
    # ---- ECS: RunTask
    Rule("ecs.RunTask", "If a launchType is specified, the capacityProviderStrategy parameter must be omitted", "launchType",
         not_both("launchType", "capacityProviderStrategy"), OWN | {"launchType": "EC2"}),
    Rule("ecs.RunTask", "A capacity provider strategy can contain a maximum of 20 capacity providers", "capacityProviderStrategy",
         within("capacityProviderStrategy", 20), RUN | {"capacityProviderStrategy": [{"capacityProvider": f"p{n}"} for n in range(21)]}),
    Rule("ecs.RunTask", "You can specify up to 10 tasks for each call", "count", lambda asked: asked.get("count", 1) <= 10, OWN | {"count": 11}),
    Rule("ecs.RunTask", "Up to 64 characters are allowed. The valid characters are characters in the range of 33-126", "clientToken",
         lambda asked: re.fullmatch(r"[!-~]{1,64}", asked.get("clientToken", "x")), OWN | {"clientToken": "a b"}),
    Rule("ecs.RunTask", "Up to 128 letters (uppercase and lowercase), numbers, hyphens (-), forward slash (/), and underscores (_)", "startedBy",
         lambda asked: re.fullmatch(r"[A-Za-z0-9/_-]{1,128}", asked.get("startedBy", "x")), OWN | {"startedBy": "a.b"}),
    Rule("ecs.RunTask", "This parameter is required for task definitions that use the awsvpc network mode", "networkConfiguration",
         lambda asked: not fargate(asked) or "networkConfiguration" in asked, SPOT),
    # our definitions are awsvpc on Fargate only
    Rule("ecs.RunTask", "it isn't supported for other network modes", "networkConfiguration",
         lambda asked: fargate(asked) or "networkConfiguration" not in asked, OWN | {"networkConfiguration": VPC}),
    Rule("ecs.RunTask", "A platform version is only specified for tasks hosted on Fargate", "platformVersion",
         lambda asked: fargate(asked) or "platformVersion" not in asked, OWN | {"platformVersion": "LATEST"}),
    Rule("ecs.RunTask", "A total of 8192 characters are allowed for overrides", "overrides",
         lambda asked: len(json.dumps(asked.get("overrides", {}))) <= 8192,
         OWN | {"overrides": {"containerOverrides": [{"name": "train", "command": ["x" * 8192]}]}}),
    Rule("ecs.RunTask", "This parameter is only supported for tasks hosted on Fargate", "overrides.ephemeralStorage",
         lambda asked: fargate(asked) or disk(asked) is None, OWN | {"overrides": {"ephemeralStorage": {"sizeInGiB": 30}}}),
    Rule("ecs.RunTask", "The minimum supported value is 21 GiB and the maximum supported value is 200 GiB",
         "overrides.ephemeralStorage.sizeInGiB", lambda asked: disk(asked) is None or 21 <= disk(asked) <= 200,
         SPOT | {"networkConfiguration": VPC, "overrides": {"ephemeralStorage": {"sizeInGiB": 20}}}),
    Rule("ecs.RunTask", "An error will be received if you specify the SERVICE option when running a task", "propagateTags",
         lambda asked: asked.get("propagateTags") != "SERVICE", OWN | {"propagateTags": "SERVICE"}),
    Rule("ecs.RunTask", "There's a limit of 16 subnets that can be specified", "networkConfiguration.awsvpcConfiguration.subnets",
         lambda asked: len(asked.get("networkConfiguration", VPC)["awsvpcConfiguration"]["subnets"]) <= 16,
         SPOT | {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"] * 17}}}),
    Rule("ecs.RunTask", "Fargate has no task of this size", IN_GUIDE + "Task CPU and memory",
         lambda asked: not fargate(asked) or is_size(asked.get("overrides", {})),
         SPOT | {"networkConfiguration": VPC, "overrides": {"cpu": "256", "memory": "4096"}}),
    Rule("ecs.RunTask|ecs.RegisterTaskDefinition", "GPUs aren't available on Fargate", IN_GUIDE + "Task definition differences for Fargate",
         lambda asked: not gpus(asked) or not fargate(asked) and not for_fargate(asked),
         container(resourceRequirements=[{"type": "GPU", "value": "1"}])),
    Rule("ecs.RunTask", "a container in the specified task definition", "overrides",
         lambda asked: all(each.get("name") for each in containers(asked)), OWN | {"overrides": {"containerOverrides": [{"command": ["x"]}]}}),
    # ---- ECS: RegisterTaskDefinition
    Rule("ecs.RegisterTaskDefinition", "For Amazon ECS tasks on Fargate, the awsvpc network mode is required", "networkMode",
         lambda asked: not for_fargate(asked) or asked.get("networkMode") == "awsvpc", FARGATE | {"networkMode": "host"}),
    Rule("ecs.RegisterTaskDefinition", "This field is required for Fargate", "cpu",
         lambda asked: not for_fargate(asked) or {"cpu", "memory"} <= set(asked), {name: FARGATE[name] for name in FARGATE if name != "cpu"}),
    Rule("ecs.RegisterTaskDefinition", "Fargate has no task of this size", IN_GUIDE + "Task CPU and memory",
         lambda asked: not for_fargate(asked) or is_size(asked), FARGATE | {"memory": "512"}),
    Rule("ecs.RegisterTaskDefinition", "Supported values are between 128 CPU units ( 0.125 vCPUs) and 196608 CPU units", "cpu",
         lambda asked: 128 <= int(asked.get("cpu", 128)) <= 196608, {"family": "f", "cpu": "64", "containerDefinitions": [{"name": "a", "memory": 9}]}),
    Rule("ecs.RegisterTaskDefinition", "Managed Instances know awsvpc and host", IN_GUIDE + "Task definition differences for Managed Instances",
         lambda asked: "MANAGED_INSTANCES" not in asked.get("requiresCompatibilities", []) or asked.get("networkMode") in ("awsvpc", "host"),
         FARGATE | {"requiresCompatibilities": ["MANAGED_INSTANCES"], "networkMode": "bridge"}),
    Rule("ecs.RegisterTaskDefinition", "the max stop timeout value is 120 seconds", "containerDefinitions.stopTimeout",
         lambda asked: not for_fargate(asked) or all(2 <= each.get("stopTimeout", 30) <= 120 for each in containers(asked)), container(stopTimeout=121)),
    Rule("ecs.RegisterTaskDefinition", "Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens", "family",
         lambda asked: re.fullmatch(r"[A-Za-z0-9_-]{1,255}", asked["family"]), FARGATE | {"family": "a.b"}),
    Rule("ecs.RegisterTaskDefinition", "Maximum number of tags per resource - 50", "tags",
         lambda asked: tags_are_good(asked.get("tags", [])), FARGATE | {"tags": [{"key": "aws:x", "value": "y"}]}),
    Rule("ecs.RegisterTaskDefinition", "awslogs on Fargate needs awslogs-stream-prefix", IN_GUIDE + "Send Amazon ECS logs to CloudWatch",
         lambda asked: not for_fargate(asked) or all(
             "awslogs-stream-prefix" in each["logConfiguration"]["options"]
             for each in containers(asked) if each.get("logConfiguration", {}).get("logDriver") == "awslogs"),
         container(logConfiguration=AWSLOGS)),
    Rule("ecs.RegisterTaskDefinition", "pulling from ECR, awslogs and secrets on Fargate need the execution role", IN_GUIDE + "Task execution IAM role",
         lambda asked: not for_fargate(asked) or "executionRoleArn" in asked, {name: FARGATE[name] for name in FARGATE if name != "executionRoleArn"}),
    Rule("ecs.RegisterTaskDefinition", "tasks on Fargate have no host volume", IN_GUIDE + "Task definition differences for Fargate",
         lambda asked: not for_fargate(asked) or not any("sourcePath" in each.get("host", {}) for each in asked.get("volumes", [])),
         FARGATE | {"volumes": [{"name": "v", "host": {"sourcePath": "/"}}]}),
    Rule("ecs.RegisterTaskDefinition", "The name of the volume to mount", "containerDefinitions.mountPoints.sourceVolume",
         lambda asked: {m["sourceVolume"] for each in containers(asked) for m in each.get("mountPoints", [])} <= {v["name"] for v in asked.get("volumes", [])},
         container(mountPoints=[{"sourceVolume": "v", "containerPath": "/x"}])),
    Rule("ecs.RegisterTaskDefinition", "All tasks must have at least one essential container", "containerDefinitions.essential",
         lambda asked: any(each.get("essential", True) for each in containers(asked)), container(essential=False)),
    # ---- EventBridge Scheduler
    Rule(PUBLISHED, "The following formats are supported. at expression", "ScheduleExpression",
         lambda asked: EXPRESSION.fullmatch(asked["ScheduleExpression"]), SCHEDULE | {"ScheduleExpression": "rate(0 days)"}),
    Rule(PUBLISHED, "If a launchType is specified, the capacityProviderStrategy parameter must be omitted", "ecs.RunTask: launchType",
         lambda asked: not_both("LaunchType", "CapacityProviderStrategy")(target(asked)),
         on(SCHEDULE, LaunchType="EC2", CapacityProviderStrategy=[{"capacityProvider": "p"}])),
    Rule(PUBLISHED, "This parameter is required for task definitions that use the awsvpc network mode", "ecs.RunTask: networkConfiguration",
         lambda asked: fargate(target(asked)) == ("NetworkConfiguration" in target(asked)), on(SCHEDULE, NetworkConfiguration={"awsvpcConfiguration": {"Subnets": ["s"]}})),
    Rule(PUBLISHED, "Specify only the numeric portion of the platform version", "Target.EcsParameters.PlatformVersion",
         lambda asked: re.fullmatch(r"[\d.]+", target(asked).get("PlatformVersion", "1")), on(SCHEDULE, PlatformVersion="LATEST")),
    Rule(PUBLISHED, "the input of a target of ECS is RunTask's overrides, as JSON", "EventBridge Scheduler user guide, Managing targets",
         lambda asked: is_json(asked["Target"].get("Input", "{}")), SCHEDULE | {"Target": SCHEDULE["Target"] | {"Input": "x"}}),
    Rule(PUBLISHED, "A total of 8192 characters are allowed for overrides", "ecs.RunTask: overrides",
         lambda asked: len(asked["Target"].get("Input", "")) <= 8192, SCHEDULE | {"Target": SCHEDULE["Target"] | {"Input": json.dumps("x" * 8191)}}),
    Rule(PUBLISHED, "The maximum time window during which a schedule can be invoked", "FlexibleTimeWindow.MaximumWindowInMinutes",
         lambda asked: (asked["FlexibleTimeWindow"]["Mode"] == "FLEXIBLE") == ("MaximumWindowInMinutes" in asked["FlexibleTimeWindow"]),
         SCHEDULE | {"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}),
    # ---- S3
    Rule("s3.PutObject", "Expects the '*' (asterisk) character", "IfNoneMatch",
         lambda asked: asked.get("IfNoneMatch", "*") == "*", BUCKET | {"IfNoneMatch": '"etag"'}),
    Rule("s3.PutObject", "a write has one condition", "Amazon S3 user guide, Conditional requests", not_both("IfMatch", "IfNoneMatch"),
         BUCKET | {"IfMatch": '"x"', "IfNoneMatch": "*"}),
    Rule("s3.PutObject", "The tag-set must be encoded as URL Query parameters", "Tagging",
         lambda asked: re.fullmatch(r"[\w%+.=&-]*", asked.get("Tagging", "")), BUCKET | {"Tagging": "kind: x"}),
    Rule("s3.GetObject|s3.HeadObject", "Amazon S3 doesn't support retrieving multiple ranges of data per GET request", "s3.GetObject: Range",
         lambda asked: re.fullmatch(r"bytes=(\d+-\d*|-\d+)", asked.get("Range", "bytes=0-")), BUCKET | {"Range": "bytes=0-1,4-5"}),
    Rule("s3.GetObject|s3.HeadObject", "Effectively performs a 'ranged' GET request for the part specified", "s3.GetObject: PartNumber",
         not_both("Range", "PartNumber"), BUCKET | {"Range": "bytes=0-1", "PartNumber": 1}),
    Rule("s3.DeleteObjects", "a list of up to 1,000 keys", "", lambda asked: 1 <= len(asked["Delete"]["Objects"]) <= 1000,
         {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}] * 1001}}),
    Rule("s3.PutObject|s3.GetObject|s3.HeadObject|s3.DeleteObject", "1,024 bytes", "Amazon S3 user guide, Naming Amazon S3 objects",
         lambda asked: 1 <= len(asked["Key"].encode()) <= 1024, {"Bucket": "b", "Key": "é" * 513}),
    Rule("s3.ListObjectsV2", "By default, the action returns up to 1,000 key names", "MaxKeys",
         lambda asked: 1 <= asked.get("MaxKeys", 1) <= 1000, {"Bucket": "b", "MaxKeys": 1001}),
    Rule("s3.PutBucketTagging", "50 tags to a bucket", "Amazon S3 user guide, Using cost allocation S3 bucket tags",
         # CloudFormation's own tags have to be sent back with the others
         lambda asked: tags_are_good([each for each in asked["Tagging"]["TagSet"] if not each["Key"].startswith("aws:cloudformation:")]),
         {"Bucket": "b", "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}] * 2}}),
    # ---- ECR
    Rule("ecr.DescribeImages", "This option cannot be used when you specify images with imageIds", "maxResults",
         not_both("imageIds", "maxResults"), {"repositoryName": "rep", "imageIds": [{"imageTag": "t"}], "maxResults": 9}),
    Rule("ecr.BatchDeleteImage|ecr.BatchGetImage|ecr.DescribeImages", "The format of the imageIds reference is imageTag=tag or imageDigest=digest",
         "ecr.BatchGetImage: imageIds", lambda asked: all(each for each in asked.get("imageIds", [{"imageTag": "t"}])),
         {"repositoryName": "rep", "imageIds": [{}]}),
    # ---- Secrets Manager
    Rule("secretsmanager.CreateSecret", "Either SecretString or SecretBinary must have a value, but not both", "SecretString",
         one_of("SecretString", "SecretBinary"), {"Name": "n", "SecretString": "x", "SecretBinary": b"x"}),
    Rule("secretsmanager.PutSecretValue", "You must include SecretBinary or SecretString , but not both", "SecretString",
         one_of("SecretString", "SecretBinary"), {"SecretId": "s"}),
    Rule("secretsmanager.DeleteSecret", "You can't use both this parameter and RecoveryWindowInDays in the same call", "ForceDeleteWithoutRecovery",
         not_both("ForceDeleteWithoutRecovery", "RecoveryWindowInDays"), {"SecretId": "s", "ForceDeleteWithoutRecovery": True, "RecoveryWindowInDays": 7}),
    Rule("secretsmanager.DeleteSecret", "The number of days from 7 to 30", "RecoveryWindowInDays",
         lambda asked: 7 <= asked.get("RecoveryWindowInDays", 7) <= 30, {"SecretId": "s", "RecoveryWindowInDays": 1}),
    # ---- Auto Scaling
    Rule("autoscaling.SetInstanceProtection", "You can specify up to 50 instances", "InstanceIds",
         within("InstanceIds", 50), {"AutoScalingGroupName": "g", "InstanceIds": ["i"] * 51, "ProtectedFromScaleIn": False}),
    Rule("autoscaling.UpdateAutoScalingGroup", "must be greater than or equal to the minimum size of the group", "DesiredCapacity",
         lambda asked: asked.get("MinSize", 0) <= asked.get("DesiredCapacity", asked.get("MinSize", 0)), {"AutoScalingGroupName": "g", "MinSize": 1, "DesiredCapacity": 0}),
    # ---- CloudFormation
    Rule("cloudformation.CreateChangeSet", "You must specify only one of the following parameters: TemplateBody , TemplateURL", "TemplateBody",
         one_of("TemplateBody", "TemplateURL", "UsePreviousTemplate"), SET),
    Rule("cloudformation.CreateChangeSet", "a maximum length of 51,200 bytes", "TemplateBody",
         lambda asked: len(asked.get("TemplateBody", "").encode()) <= 51200, SET | {"TemplateBody": "x" * 51201}),
    Rule("cloudformation.CreateChangeSet", "If you specify UsePreviousValue, you may not specify a value", "AWS CloudFormation API reference, Parameter",
         lambda asked: all(one_of("ParameterValue", "UsePreviousValue")(each) for each in asked.get("Parameters", [])),
         SET | {"UsePreviousTemplate": True, "Parameters": [{"ParameterKey": "k"}]}),
    # ---- EC2
    Rule("ec2.DescribeSubnets|ec2.DescribeSecurityGroups", "you can name subnets, or have pages of them", "Amazon EC2 API reference, Query requests: pagination",
         lambda asked: "MaxResults" not in asked or not {"SubnetIds", "GroupIds"} & set(asked), {"SubnetIds": ["subnet-1"], "MaxResults": 5}),
]  # fmt: skip


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@cache
def operations(service: str) -> dict[str, str]:
    """Return the operations of a service by the names of boto3's methods, which are the CLI's with hyphens."""
    return {xform_name(each): each for each in model(service).operation_names}


def limits(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """Say which lengths, ranges and words of the model a value does not keep; botocore looks at the least ones only."""
    if shape.type_name == "structure":
        for name, each in value.items():
            yield from limits(shape.members[name], each, f"{path}.{name}")
    elif shape.type_name == "list":
        for each in value:
            yield from limits(shape.member, each, f"{path}[]")
    elif shape.type_name == "map":
        for each in value.values():
            yield from limits(shape.value, each, f"{path}{{}}")
    words = getattr(shape, "enum", [])
    if words and value not in words:
        yield f"{path}: {value!r} is none of {', '.join(words)}"
    most = shape.metadata.get("max")
    size = value if isinstance(value, int) else len(value) if hasattr(value, "__len__") else 0
    if most is not None and size > most:
        yield f"{path}: {size} is more than {most}"


def broken(call: str, asked: Mapping) -> list[Rule]:
    """Return the rules that a request does not keep."""
    return [each for each in RULES if call in each.calls.split("|") and not each.holds(asked)]


def faults(service: str, operation: str, asked: Mapping) -> list[str]:
    """Return what is wrong with a request, by the model of its service and by the rules."""
    shape = model(service).operation_model(operation).input_shape
    if shape is None:
        return []
    # no user types an idempotency token, which boto3 and the CLI fill in
    filled = {
        name: "x" * 32
        for name in shape.required_members
        if shape.members[name].metadata.get("idempotencyToken")
    }
    report = ParamValidator().validate(filled | dict(asked), shape)
    found = [report.generate_report()] if report.has_errors() else [*limits(shape, asked)]
    if not report.has_errors():
        found += [
            f"{each.says} ({each.source})" for each in broken(f"{service}.{operation}", asked)
        ]
    return [f"{service}.{operation}: {each}" for each in found]


def of_a_probe(asked: Mapping) -> bool:
    """Tell whether `make verify` asks so that the service must refuse: ecs/checks/permissions.py."""
    text = str(asked)
    return "verify-" in text or f":{2**31 - 1}" in text or asked.get("containerDefinitions") == []


FOUND: list[str] = []  # the faults of the calls that the test of this moment makes


def look(service: str, operation: str, asked: Mapping) -> None:
    """Remember what is wrong with a call; conftest.py lets the test fail of it.

    A call for the sandbox is as its emulator needs it.
    """
    if not of_a_probe(asked) and not console.in_sandbox:
        FOUND.extend(faults(service, operation, asked))


def look_at_words(words: list[str]) -> None:
    """Look at a command of the AWS CLI as at the call that it makes."""
    if len(words) < 3 or words[1] not in SERVICES:
        return
    service, operation = words[1], operations(words[1]).get(words[2].replace("-", "_"))
    if operation is None:  # a command of the CLI's own
        return
    given = dict(zip(words[3::2], words[4::2], strict=False))
    if path := given.get("--cli-input-json"):
        asked = json.loads(Path(path.removeprefix("file://")).read_text())
    else:
        members = model(service).operation_model(operation).input_shape.members
        options = {"--" + xform_name(each, "-"): each for each in members}
        asked = {options[name]: value for name, value in given.items() if name in options}
    look(service, operation, asked)


class Checked:
    """A stand-in of a client, each call of which is looked at."""

    def __init__(self, service: str, inner: Any) -> None:
        self.__dict__.update(service=service, inner=inner)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)

    def __getattr__(self, name: str) -> Any:
        found, operation = getattr(self.inner, name), operations(self.service).get(name)
        if name == "get_paginator":
            return lambda of: Pages(self.service, of, found(of))
        if operation is None:
            return found

        def call(*words: Any, **asked: Any) -> Any:
            look(self.service, operation, asked)
            return found(*words, **asked)

        return call


class Pages:
    """A stand-in of a paginator."""

    def __init__(self, service: str, method: str, inner: Any) -> None:
        self.service, self.method, self.inner = service, method, inner

    def paginate(self, **asked: Any) -> Any:
        look(self.service, operations(self.service)[self.method], asked)
        return self.inner.paginate(**asked)
