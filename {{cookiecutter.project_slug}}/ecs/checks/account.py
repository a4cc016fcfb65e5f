"""Checks of credentials, stack, image, roles, log group, bucket, data and secrets."""

import json
import re
import secrets
import shlex
import urllib.request
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from ecs import aws
from ecs.checks import permissions
from ecs.checks.permissions import denied
from ecs.checks.results import Context, Result, fail, ok, skip
from ecs.console import plain
from ecs.history import data, records
from ecs.image import image
from ecs.request import channels, request
from ecs.stack import policies, readiness, stack

PRINCIPAL = "ecs-tasks.amazonaws.com"


WHO = "aws sts get-caller-identity"


ALLOW = f"make policy, and ask an administrator to attach what it prints; to see who you are: {WHO}"


REGISTER = "then make register"


MANIFESTS = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
]


# the image's own words for the task definition's
PROCESSORS = {"amd64": "X86_64", "arm64": "ARM64"}


def check_credentials(context: Context) -> Result:
    """Ask who is asking."""
    context.arn = context.client("sts").get_caller_identity()["Arn"]
    return ok(f"credentials: {context.arn}")


def check_stack(context: Context) -> Result:
    """Check whether the stack is there, complete and at rest; keep its outputs."""
    settings = context.settings
    try:
        (found,) = context.client("cloudformation").describe_stacks(StackName=settings.project)[
            "Stacks"
        ]
    except ClientError as error:
        known = stack.cached_outputs(settings, aws.identity())
        if denied(error) and known:
            context.outputs = known
            return ok(f"stack {settings.project}: as last seen; this identity may not look again")
        if "does not exist" in str(error):
            return fail(
                f"there is no stack {settings.project} in {settings.region}", "make cluster"
            )
        raise
    status = found["StackStatus"]
    if not stack.in_review(found):
        stack.check(settings, found)
    if status in ("REVIEW_IN_PROGRESS", "UPDATE_FAILED", "DELETE_COMPLETE"):
        return fail(f"stack {settings.project}: {status}", "make cluster")
    if way := readiness.remedy(settings, status, "make verify"):
        return fail(f"stack {settings.project}: {status}", way)
    context.outputs = stack.remember(settings, found)
    if missing := set(stack.OUTPUTS) - set(stack.CONDITIONAL) - set(context.outputs):
        return fail(f"the stack has no output {', '.join(sorted(missing))}", "make cluster")
    context.parameters = {
        each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])
    }
    return ok(f"stack {settings.project}: {status}")


def check_image(context: Context) -> Result:
    """Check whether the repository has the image of what is in this folder."""
    tag, uri = image.tag(context.settings), context.outputs["RepositoryUri"]
    if image.digest(context.settings, uri, tag) is None:
        return fail(f"the image {tag} of what is in this folder is not in {uri}", "make push")
    return ok(f"image {uri}:{tag}")


def blob(context: Context, digest: str) -> dict:
    """Return a JSON document of the image, by its digest, from the registry."""
    host, _, name = context.outputs["RepositoryUri"].partition("/")
    answer = context.client("ecr").get_download_url_for_layer(
        repositoryName=name, layerDigest=digest
    )
    url = answer["downloadUrl"]
    if context.settings.there.registry:  # the emulator names AWS's host, and is at its own
        url = f"http://{host}/v2/{name}/blobs/{digest}"
    with urllib.request.urlopen(url, timeout=20) as content:
        return json.load(content)


def check_architecture(context: Context) -> Result:
    """Compare the image's processor with the task definition's runtimePlatform."""
    name = context.outputs["RepositoryUri"].partition("/")[2]
    tag = image.tag(context.settings)
    answer = context.client("ecr").batch_get_image(
        repositoryName=name, imageIds=[{"imageTag": tag}], acceptedMediaTypes=MANIFESTS
    )
    if not answer.get("images"):
        return skip("the image's processor: the registry does not show its manifest")
    manifest = json.loads(answer["images"][0]["imageManifest"])
    if "manifests" in manifest:
        found = {each.get("platform", {}).get("architecture") for each in manifest["manifests"]}
    else:
        try:
            found = {blob(context, manifest["config"]["digest"]).get("architecture")}
        except (OSError, ValueError) as error:
            return skip(f"the image's processor: its configuration cannot be read ({error})")
    has = sorted(PROCESSORS[each] for each in found & set(PROCESSORS))
    platform = context.definition().get("runtimePlatform") or {}
    wanted = platform.get("cpuArchitecture", "X86_64")
    if wanted not in has:
        other = "arm64" if has == ["ARM64"] else "x86_64"
        return fail(
            f"the image is for {' and '.join(has) or 'another processor'}, the task for {wanted}",
            f"make push TAG=… with the same ARCHITECTURE, or make run ARCHITECTURE={other}",
        )
    return ok(f"the image is for {wanted}, as the task is")


def trusts_ecs(document: Any) -> bool:
    """Tell whether a role's trust policy lets ECS tasks assume it."""
    statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    for each in [statements] if isinstance(statements, dict) else statements:
        principal = each.get("Principal")
        services = principal.get("Service", []) if isinstance(principal, dict) else [principal]
        actions = each.get("Action", [])
        if (
            each.get("Effect") == "Allow"
            and {PRINCIPAL, "*"} & set([services] if isinstance(services, str) else services)
            and {"sts:AssumeRole", "sts:*", "*"}
            & set([actions] if isinstance(actions, str) else actions)
        ):
            return True
    return False


def roles(context: Context) -> dict[str, str]:
    """Return the ARNs of the roles that the next run would use."""
    made, given = context.definition(), context.settings.task_role
    task = request.role_arn(given, context.outputs) if given else made.get("taskRoleArn")
    return {
        kind: arn
        for kind, arn in (("execution role", made.get("executionRoleArn")), ("task role", task))
        if arn
    }


def check_role(context: Context, kind: str) -> Result:
    """Check whether a role is there and trusts ECS."""
    arn = roles(context).get(kind)
    if not arn:
        return fail(f"the task definition names no {kind}", "git checkout task-definition.json")
    name = arn.rpartition("/")[2]
    own = arn in (context.outputs["ExecutionRoleArn"], context.outputs["TaskRoleArn"])
    remedy = context.repair() if own else "make run TASK_ROLE=…, one that trusts " + PRINCIPAL
    try:
        role = context.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return fail(f"{kind}: there is no role {name}", remedy)
    if not trusts_ecs(role["AssumeRolePolicyDocument"]):
        return fail(f"{kind}: {name} does not trust {PRINCIPAL}", remedy)
    return ok(f"{kind} {name}")


def check_execution_role(context: Context) -> Result:
    """Look at the role under which ECS itself starts the task."""
    return check_role(context, "execution role")


def check_task_role(context: Context) -> Result:
    """Look at the role under which the script works: TASK_ROLE, or the stack's."""
    return check_role(context, "task role")


def policy_source(context: Context) -> str:
    """Return the user or role whose policies speak for the caller."""
    if ":assumed-role/" not in context.arn:
        return context.arn
    name = context.arn.split("/")[1]
    # its ARN has a path that the session's has not
    return context.client("iam").get_role(RoleName=name)["Role"]["Arn"]


def check_permissions(context: Context) -> Result:
    """Check whether the caller has what `make policy` prints; nothing is changed."""
    if context.arn.endswith(":root"):
        return ok("permissions: the account's root user has all")
    names = policies.of_caller(context.settings, context.arn)
    missing, unknown = permissions.lacking(
        context.client, names, secrets.token_hex(16), lambda: policy_source(context)
    )
    if missing:
        return fail(f"permissions: this identity may not {', '.join(sorted(missing))}", ALLOW)
    if unknown:
        return skip(
            f"permissions: none of those that can be tried is denied; only IAM can tell "
            f"about {', '.join(sorted(unknown))}, if iam:SimulatePrincipalPolicy is allowed"
        )
    return ok("permissions: all that make policy prints")


def check_pass_role(context: Context) -> Result:
    """Let IAM say whether the caller may hand the roles to ECS, and the scheduler's to the scheduler."""
    if context.arn.endswith(":root"):
        return skip("iam:PassRole: the account's root user has no policies to look at")
    source, unknown = policy_source(context), False
    for service, arns in (
        (PRINCIPAL, sorted(set(roles(context).values()))),
        ("scheduler.amazonaws.com", [context.outputs["SchedulerRoleArn"]]),
    ):
        if not arns:
            continue
        answer = context.client("iam").simulate_principal_policy(
            PolicySourceArn=source,
            ActionNames=["iam:PassRole"],
            ResourceArns=arns,
            ContextEntries=[permissions.context_entry("iam:PassedToService", service)],
        )
        refused = [
            each for each in answer["EvaluationResults"] if each["EvalDecision"] != "allowed"
        ]
        if any(each.get("MissingContextValues") for each in refused):
            unknown = True
        elif refused:
            names = ", ".join(each["EvalResourceName"].rpartition("/")[2] for each in refused)
            return fail(f"this identity may not hand {names} to {service} (iam:PassRole)", ALLOW)
    if unknown:
        return skip("iam:PassRole: the caller's policies have conditions that IAM cannot try here")
    return ok("iam:PassRole is allowed")


def check_log_group(context: Context) -> Result:
    """Check whether the log group is there."""
    log = context.container().get("logConfiguration") or {}
    if log.get("logDriver") != "awslogs":
        return skip("log group: the container does not log to CloudWatch")
    name = log.get("options", {}).get("awslogs-group", "")
    answer = context.client("logs").describe_log_groups(logGroupNamePrefix=name)
    if name in [each["logGroupName"] for each in answer["logGroups"]]:
        return ok(f"log group {name}")
    return fail(
        f"there is no log group {name}", f"aws logs create-log-group --log-group-name {name}"
    )


def check_bucket(context: Context) -> Result:
    """Check whether the bucket is there, ours, and in the region."""
    name, region = context.outputs["Bucket"], context.settings.region
    refused = None
    try:
        # not HeadBucket: `make policy` only allows listing what is the project's
        answer = context.client("s3").list_objects_v2(
            Bucket=name, Prefix=f"{context.settings.project}/", MaxKeys=1
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return fail(f"there is no bucket {name}", f"aws s3 mb s3://{name} --region {region}")
        answer, refused = error.response, error
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    there = headers.get("x-amz-bucket-region", region)
    if there != region:
        return fail(f"bucket {name} is in {there}, not in {region}", f"make verify REGION={there}")
    if refused:
        raise refused
    return ok(f"bucket {name}")


def check_data(context: Context) -> Result:
    """Check whether what DATA names is in the bucket, and what `make data` uploaded is what is here."""
    settings, outputs = context.settings, context.outputs
    text = channels.with_latest(settings.data, lambda: records.latest(settings, outputs))
    named = channels.parse(text)
    wanted = channels.on_ecs(named, request.project_uri(settings, outputs))
    bucket, looked = f"s3://{outputs['Bucket']}/", []
    for name, uri in ((name, each["uri"]) for name, each in wanted.items()):
        if not uri.startswith(bucket):
            continue
        if not is_there(context, uri.removeprefix(bucket)):
            remedy = "make runs" if named[name].startswith("runs/") else "make data"
            return fail(f"there is no {uri} (channel {name})", remedy)
        looked.append(uri)
    if not looked:
        return skip(f"data: {settings.data} is not in the project's bucket")
    local = {name: path for name, path in named.items() if path.split("/")[0] == "data"}
    if names := data.differing(settings, outputs, list(local.values())):
        uploaded = channels.typed(named | {name: wanted[name]["uri"] for name in local})
        # the example never takes the place of what was uploaded
        example = data.examples(data.hashed(settings, names.__contains__)) == set(names)
        way = f"rm {shlex.join(names)}" if example else "make data"
        return fail(
            f"{', '.join(map(plain, names[:3]))} differs from what was uploaded",
            f"{way}, or, to train on what was uploaded: make run {uploaded}",
        )
    return ok(f"data {', '.join(looked)}")


def is_there(context: Context, key: str) -> bool:
    """Tell whether the project's bucket has a file, a folder, or a file for a pattern, of this key."""
    fixed = re.split(r"[*?[]", key)[0]
    # in S3's order, a longer name may come between a folder's name and what is in it
    for prefix in (fixed, *([f"{key}/"] if fixed == key else [])):
        answer = context.client("s3").list_objects_v2(
            Bucket=context.outputs["Bucket"], Prefix=prefix, MaxKeys=1 if fixed == key else 1000
        )
        found = [each["Key"] for each in answer.get("Contents", [])]
        if (
            any(channels.belongs(name, key) for name in found)
            or answer.get("IsTruncated")
            and fixed != key
        ):
            return True
        if not found:
            return False
    return False


def named_secrets(made: Mapping) -> list[str]:
    """Return what a task definition names as secrets: ARNs and names, each once."""
    found = []
    for container in made.get("containerDefinitions") or []:
        log = container.get("logConfiguration") or {}
        for each in [*(container.get("secrets") or []), *(log.get("secretOptions") or [])]:
            found.append(each["valueFrom"])
        credentials = container.get("repositoryCredentials") or {}
        found += [value for value in credentials.values() if value]
    return list(dict.fromkeys(found))


def secret_is_there(context: Context, name: str) -> bool:
    """Tell whether a secret or parameter exists. Its value is not read."""
    if ":secretsmanager:" in name:
        secrets = context.client("secretsmanager")
        try:
            # a key and a version follow the seventh colon
            found = secrets.describe_secret(SecretId=":".join(name.split(":")[:7]))
        except secrets.exceptions.ResourceNotFoundException:
            return False
        return not found.get("DeletedDate")
    name = name.partition(":parameter")[2] or name
    # an ARN joins a name without a leading slash by one of its own
    names = [name, name.removeprefix("/")] if name.count("/") == 1 else [name]
    answer = context.client("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": names}]
    )
    return bool(answer["Parameters"])


def check_secrets(context: Context) -> Result:
    """Check whether the secrets that the task definition names are there."""
    names = named_secrets(context.definition())
    if not names:
        return ok("secrets: the task definition names none")
    missing = [name for name in names if not secret_is_there(context, name)]
    if missing:
        return fail(
            f"there is no secret {', '.join(missing)}",
            f"correct its name in task-definition.json, {REGISTER}",
        )
    return ok(f"secrets: {len(names)}")
