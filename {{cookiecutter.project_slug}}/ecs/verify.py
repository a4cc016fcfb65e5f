"""``make verify``: all that a run needs, looked at before it is needed. Nothing is changed.

A check is a function from a Context to a Result. The table ``CHECKS`` says which of them need no
account (OFFLINE=1), which cost nothing and so come before every run, and which need another's
success. What AWS refuses, or the user has wrong, becomes the check's own line.
"""

import difflib
import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecs import channels, image, permissions, policy, preflight, request, stack
from ecs.console import plain, typed
from ecs.errors import UserError
from ecs.permissions import denied
from ecs.settings import FARGATE, MANAGED, Settings

OK, FAIL, SKIP = "ok", "FAIL", "skip"
PRINCIPAL = "ecs-tasks.amazonaws.com"
WHO = "aws sts get-caller-identity"
ALLOW = f"make policy, and an administrator attaches what it prints to who asks here: {WHO}"
SUBNETS = "make cluster VPC=vpc-… SUBNETS=subnet-…,subnet-…"
REGISTER = "then make register"
# what a task without a way to the internet needs: the ends of the endpoints' service names
ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "s3")
MANIFESTS = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
]
# the image's own words for the task definition's
PROCESSORS = {"amd64": "X86_64", "arm64": "ARM64"}


@dataclass(frozen=True)
class Result:
    """What one check found. ``remedy`` is what to type; only a failure has one."""

    state: str
    text: str
    remedy: str = ""

    def lines(self) -> list[str]:
        """Return the lines to print: the finding, and under a failure its remedy."""
        remedy = [f"       type: {self.remedy}"] if self.remedy else []
        return [f"{f'[{self.state}]':<6} {' '.join(self.text.split())}", *remedy]


def ok(text: str) -> Result:
    """Return the result of a check that found nothing wrong."""
    return Result(OK, text)


def fail(text: str, remedy: str) -> Result:
    """Return the result of a check that found a fault."""
    return Result(FAIL, text, remedy)


def skip(text: str) -> Result:
    """Return the result of a check that could not be made."""
    return Result(SKIP, text)


@dataclass
class Context:
    """What the checks look at. ``outputs`` are the stack's; placeholders until it was read."""

    settings: Settings
    outputs: Mapping[str, str] = field(default_factory=stack.placeholders)
    arn: str = ""  # of the caller
    parameters: Mapping[str, str] = field(default_factory=dict)  # of the stack
    vpc: str = ""  # of the subnets

    def client(self, service: str) -> Any:
        """Return the client of one service."""
        from ecs import aws

        return aws.client(self.settings, service)

    def definition(self) -> dict:
        """Return the task definition as it would be registered.

        Raises:
            UserError: it is not JSON, or has a placeholder that nothing fills.
        """
        from ecs import definition

        return definition.render(
            definition.read(Path("task-definition.json")),
            self.settings,
            {**stack.placeholders(), **self.outputs},
            f"{self.outputs['RepositoryUri']}@sha256:{'0' * 64}",
        )

    def container(self) -> Mapping:
        """Return the definition of the container that runs the script; empty where there is none."""
        every = self.definition().get("containerDefinitions") or []
        return next((each for each in every if each.get("name") == request.CONTAINER), {})

    def mend(self) -> str:
        """Return the commands that bring back what was deleted or changed behind the stack's back."""
        name = self.settings.project
        values = [f"ParameterKey={each},UsePreviousValue=true" for each in self.parameters]
        parameters = f" --parameters {' '.join(values)}" if values else ""
        return (
            f"aws cloudformation create-change-set --stack-name {name} --change-set-name mend "
            "--use-previous-template --deployment-mode REVERT_DRIFT "
            f"--capabilities CAPABILITY_IAM{parameters}, then aws cloudformation "
            f"execute-change-set --stack-name {name} --change-set-name mend"
        )


# ---- without an account


def check_region(context: Context) -> Result:
    """Look whether botocore knows the region."""
    import botocore.session

    region, session = context.settings.region, botocore.session.get_session()
    known = [
        each
        for partition in session.get_available_partitions()
        for each in session.get_available_regions("ecs", partition)
    ]
    if region in known:
        return ok(f"region {region}")
    swapped = [each for each in known if sorted(each) == sorted(region)]
    nearest = (swapped or difflib.get_close_matches(region, known, 1, 0))[0]
    return fail(f"region {region}: there is none of that name", f"make verify REGION={nearest}")


def check_definition(context: Context) -> Result:
    """Validate task-definition.json by botocore's model of ECS."""
    import botocore.session
    from botocore.validate import ParamValidator

    made = context.definition()
    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    report = ParamValidator().validate(made, shape)
    if report.has_errors():
        text = report.generate_report().replace("\n", "; ")
        return fail(f"task-definition.json: {text}", f"mend it in task-definition.json, {REGISTER}")
    if not context.container():
        return fail(
            f"task-definition.json has no container named {request.CONTAINER}",
            f"name it {request.CONTAINER} in task-definition.json, {REGISTER}",
        )
    return ok("task-definition.json is valid")


def check_size(context: Context) -> Result:
    """Look whether Fargate offers the task's size, its own and the one that CPU and MEMORY ask for."""
    made, settings = context.definition(), context.settings
    remedy = f"write a size that Fargate has into task-definition.json, {REGISTER}"
    try:
        cpu, memory = int(made["cpu"]), int(made["memory"])
    except (KeyError, ValueError):
        return fail(
            "cpu and memory in task-definition.json are no whole numbers (CPU units, MiB)", remedy
        )
    if settings.capacity in FARGATE:
        try:
            request.check_fargate_size(cpu, memory)
        except UserError as error:
            return fail(f"task-definition.json: {error}", remedy)
    wanted = request.size(settings, made)
    return ok(f"{wanted.get('cpu', cpu)} CPU units and {wanted.get('memory', memory)} MiB")


def check_arguments(context: Context) -> Result:
    """Look whether ARGS, ENV, DATA and the limits can be read."""
    settings = context.settings
    count = len(request.words(settings.args))
    request.environment(settings.env)
    channels.parse(settings.data)
    for name in ("TIMEOUT", "START_TIMEOUT"):
        request.seconds(name, getattr(settings, name.lower()))
    return ok(f"ARGS: {count} words")


def check_overrides(context: Context) -> Result:
    """Look whether RunTask would take the request, whose overrides have a limit."""
    made = request.run_task_request(
        context.settings,
        # whether the stack has CAPACITY is another check's
        {**stack.placeholders(), **context.outputs, "Capacities": "<Capacities>"},
        context.definition(),
        context.settings.project,
        "20260101T000000Z-000000",
    )
    return ok(f"overrides: {len(json.dumps(made['overrides']))} of {request.OVERRIDES_LIMIT}")


def check_stack_capacity(context: Context) -> Result:
    """Look whether the stack was made for CAPACITY."""
    request.capacity(context.settings, context.outputs)
    return ok(f"CAPACITY={context.settings.capacity}")


def check_gpu(context: Context) -> Result:
    """Look whether the image is made for a GPU where CAPACITY has one."""
    image.check_gpu(context.settings)
    return ok("the image's build fits CAPACITY")


def check_script(context: Context) -> Result:
    """Look whether the image has SCRIPT, a file or a module."""
    script = context.settings.script
    if context.settings.tag:
        return skip(f"{script}: it is in the image of TAG, if anywhere")
    if script_file(script) in image.listed(Path()):
        return ok(f"{script} goes into the image")
    if Path(script).is_file():
        line = shlex.quote(f"!{script_file(script)}")
        return fail(
            f".dockerignore keeps {plain(script)} out of the image",
            f"echo {line} >> .dockerignore, then make push",
        )
    programs = [name for name in image.listed(Path()) if name.endswith((".py", ".sh"))]
    own = [name for name in programs if name.partition("/")[0] not in preflight.OURS]
    nearest = difflib.get_close_matches(script, own, 1, 0) or [preflight.BUNDLED]
    return fail(
        f"there is no {plain(script)} in this folder",
        f"make run SCRIPT={shlex.quote(nearest[0])}",
    )


def script_file(script: str) -> str:
    """Return the file behind SCRIPT, which may be the name of a module."""
    if Path(script).is_file() or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", script):
        return script.removeprefix("./")
    path = script.replace(".", "/")
    return f"{path}.py" if Path(f"{path}.py").is_file() else f"{path}/__main__.py"


def check_packages(context: Context) -> Result:
    """Look whether the image has the packages that SCRIPT imports."""
    settings = context.settings
    if settings.tag:
        return skip("packages: the image of TAG has what it has")
    script, files = script_file(settings.script), image.listed(Path())
    if script not in files:
        return skip("packages: the script is not there")
    if moved := preflight.moved(script, files):
        return fail(
            f"{settings.script} imports {', '.join(moved)}, and that is in training.library now",
            f"import training.library.{moved[0]} in {settings.script}, then make push",
        )
    if missing := preflight.lacking(script, files, settings.extras.split()):
        named = typed("PACKAGE", " ".join(missing))
        return fail(
            f"{settings.script} imports {', '.join(missing)}, and the image lacks that",
            f"make add {named}, then make push",
        )
    return ok(f"the image has what {settings.script} imports")


def check_label(context: Context) -> Result:
    """Look whether train.py finds its label in a table that is here."""
    if found := preflight.label_missing(context.settings):
        return fail(*found)
    return ok("the label: nothing that can be seen from here is wrong with it")


def check_cli(context: Context) -> Result:
    """Look whether there is an AWS CLI that is new enough."""
    from ecs.aws import cli_version

    return ok(cli_version(context.settings))


def check_engine(context: Context) -> Result:
    """Look whether a container engine answers."""
    program = os.environ.get("DOCKER") or "docker"
    try:
        done = subprocess.run(
            [program, "ps", "--quiet"], check=False, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        said = "no answer" if isinstance(error, subprocess.TimeoutExpired) else str(error.strerror)
        return fail(f"{program}: {said}", "make push DOCKER=podman, or start the engine first")
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return fail(
            f"{program} does not answer: {said}",
            "make push DOCKER=podman, or start the engine first",
        )
    return ok(f"{program} answers")


# ---- in the account


def check_credentials(context: Context) -> Result:
    """Ask who is asking."""
    context.arn = context.client("sts").get_caller_identity()["Arn"]
    return ok(f"credentials: {context.arn}")


def check_stack(context: Context) -> Result:
    """Look whether the stack is there, complete and at rest; keep its outputs."""
    from botocore.exceptions import ClientError

    settings = context.settings
    try:
        (found,) = context.client("cloudformation").describe_stacks(StackName=settings.project)[
            "Stacks"
        ]
    except ClientError as error:
        known = stack.cached_outputs(settings)
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
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        return fail(f"stack {settings.project}: {status}", "make destroy, then make cluster")
    if status in ("REVIEW_IN_PROGRESS", "UPDATE_FAILED", "DELETE_COMPLETE"):
        return fail(f"stack {settings.project}: {status}", "make cluster")
    if status.endswith("_IN_PROGRESS"):
        return fail(f"stack {settings.project}: {status}", "make verify, in a minute")
    if status.endswith("_FAILED"):
        return fail(
            f"stack {settings.project}: {status}",
            f"aws cloudformation continue-update-rollback --stack-name {settings.project}",
        )
    context.outputs = stack.remember(settings, found)
    missing = set(stack.OUTPUTS) - {"CapacityProvider", "GitHubRoleArn"} - set(context.outputs)
    if missing:
        return fail(f"the stack has no output {', '.join(sorted(missing))}", "make cluster")
    context.parameters = {
        each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])
    }
    return ok(f"stack {settings.project}: {status}")


def check_image(context: Context) -> Result:
    """Look whether the repository has the image of what is in this folder."""
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
    if context.settings.sandbox:  # the emulator names AWS's host, and is at its own
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
    """Look whether a role is there and trusts ECS."""
    from botocore.exceptions import ClientError

    arn = roles(context).get(kind)
    if not arn:
        return fail(f"the task definition names no {kind}", "git checkout task-definition.json")
    name = arn.rpartition("/")[2]
    own = arn in (context.outputs["ExecutionRoleArn"], context.outputs["TaskRoleArn"])
    remedy = context.mend() if own else "make run TASK_ROLE=…, one that trusts " + PRINCIPAL
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
    """Look whether the caller has what `make policy` prints; nothing is changed."""
    if context.arn.endswith(":root"):
        return ok("permissions: the account's root user has all")
    names = policy.of_caller(context.settings, context.arn)
    missing, unknown = permissions.lacking(
        context.client, names, secrets.token_hex(16), lambda: policy_source(context)
    )
    if missing:
        return fail(f"permissions: this identity may not {', '.join(sorted(missing))}", ALLOW)
    if unknown:
        return skip(
            f"permissions: all that can be tried are there; of {', '.join(sorted(unknown))} IAM alone "
            "can tell, where iam:SimulatePrincipalPolicy is allowed"
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
    """Look whether the log group is there."""
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
    """Look whether the bucket is there, ours, and in the region."""
    from botocore.exceptions import ClientError

    name, region = context.outputs["Bucket"], context.settings.region
    refused = None
    try:
        # not HeadBucket: `make policy` allows to list what is the project's, and no more
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
    """Look whether what DATA names is in the bucket, and what `make data` uploaded is what is here."""
    from ecs import data, history

    settings, outputs = context.settings, context.outputs
    text = channels.with_latest(settings.data, lambda: history.latest(settings, outputs))
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
    # a name that goes on may stand between a folder's name and what is in it
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
            # behind the seventh colon stand a key and a version
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
    """Look whether the secrets that the task definition names are there."""
    names = named_secrets(context.definition())
    if not names:
        return ok("secrets: the task definition names none")
    missing = [name for name in names if not secret_is_there(context, name)]
    if missing:
        return fail(
            f"there is no secret {', '.join(missing)}",
            f"mend its name in task-definition.json, {REGISTER}",
        )
    return ok(f"secrets: {len(names)}")


def providers(context: Context) -> list[str]:
    """Return the capacity providers that the next run asks for."""
    return [
        each["capacityProvider"] for each in request.capacity(context.settings, context.outputs)
    ]


def check_cluster(context: Context) -> Result:
    """Look whether the cluster is active and has the capacity provider attached."""
    name = context.outputs["Cluster"]
    answer = context.client("ecs").describe_clusters(clusters=[name])
    (found,) = answer["clusters"] or [{"status": "MISSING"}]
    if found["status"] != "ACTIVE":
        return fail(
            f"cluster {name}: {found['status']}",
            f"aws ecs create-cluster --cluster-name {name} "
            "--capacity-providers FARGATE FARGATE_SPOT",
        )
    attached = found.get("capacityProviders", [])
    if context.settings.capacity in MANAGED:
        # they belong to one cluster, and only this call names them for sure
        answer = context.client("ecs").describe_capacity_providers(
            capacityProviders=providers(context), cluster=name
        )
        attached = [
            each["name"] for each in answer["capacityProviders"] if each["status"] == "ACTIVE"
        ]
    missing = [each for each in providers(context) if each not in attached]
    if not missing:
        return ok(f"cluster {name}, with {' and '.join(providers(context))}")
    remedy = f"make cluster CAPACITY={context.settings.capacity}"
    if context.settings.capacity in FARGATE:
        remedy = (
            f"aws ecs put-cluster-capacity-providers --cluster {name} --capacity-providers "
            f"{' '.join([*attached, *missing])} --default-capacity-provider-strategy '[]'"
        )
    return fail(f"cluster {name} has {', '.join(missing)} not attached", remedy)


def check_subnets(context: Context) -> Result:
    """Look whether the subnets are there, of one VPC, and have free addresses."""
    from botocore.exceptions import ClientError

    names = context.outputs["Subnets"].split(",")[:16]
    try:
        found = context.client("ec2").describe_subnets(SubnetIds=names)["Subnets"]
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("InvalidSubnetI"):
            raise
        return fail(f"subnets: {error.response['Error']['Message']}", SUBNETS)
    vpcs = sorted({each["VpcId"] for each in found})
    wanted = context.settings.vpc or context.parameters.get("VpcId") or vpcs[0]
    if vpcs != [wanted]:
        return fail(f"subnets: they are of {' and '.join(vpcs)}, not of {wanted}", SUBNETS)
    if not any(each["AvailableIpAddressCount"] for each in found):
        return fail("subnets: none has a free address", SUBNETS)
    closed = [each for each in found if not each.get("MapPublicIpOnLaunch")]
    if context.settings.capacity in MANAGED and context.outputs["PublicIp"] == "ENABLED" and closed:
        return fail(
            f"subnet {closed[0]['SubnetId']}: ECS Managed Instances get no public address there",
            f"aws ec2 modify-subnet-attribute --subnet-id {closed[0]['SubnetId']} --map-public-ip-on-launch",
        )
    context.vpc = wanted
    return ok(f"subnets: {len(found)} of {wanted}")


def exits(tables: Iterable[Mapping], subnet: str) -> list[Mapping]:
    """Return a subnet's routes to everywhere: those of its own table, or of the VPC's main one."""
    chosen: Mapping = {}
    for table in tables:
        for each in table.get("Associations", []):
            if each.get("SubnetId") == subnet or (each.get("Main") and not chosen):
                chosen = table
    return [
        each for each in chosen.get("Routes", []) if each.get("DestinationCidrBlock") == "0.0.0.0/0"
    ]


def way_out(routes: Iterable[Mapping], public_ip: str) -> str | None:
    """Return what is wrong with the routes to everywhere; empty: nothing; None: there are none."""
    wrong = None
    for each in routes:
        if each.get("State") == "blackhole":
            wrong = "its way out leads to something that was deleted"
        elif each.get("GatewayId", "").startswith("igw-") and public_ip != "ENABLED":
            wrong = "its way out is an internet gateway, which takes a public address"
        else:
            return ""
    return wrong


def check_way_out(context: Context) -> Result:
    """Look whether every subnet reaches the registry: by a gateway, NAT or endpoints."""
    if context.settings.sandbox:
        return skip("way out: the sandbox's tasks are in this machine's network")
    filters = [{"Name": "vpc-id", "Values": [context.vpc]}]
    ec2 = context.client("ec2")
    tables = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    closed = []
    for subnet in context.outputs["Subnets"].split(",")[:16]:
        wrong = way_out(exits(tables, subnet), context.outputs["PublicIp"])
        if wrong:
            remedy = "make cluster PUBLIC_IP=ENABLED" if "public" in wrong else SUBNETS
            return fail(f"subnet {subnet}: {wrong}", remedy)
        if wrong is None:
            closed.append(subnet)
    if not closed:
        return ok("way out: every subnet has one")
    found = [
        each["ServiceName"]
        for each in ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
        if each.get("State", "available").lower() == "available"
    ]
    missing = [each for each in ENDPOINTS if not any(name.endswith("." + each) for name in found)]
    if missing:
        return fail(
            f"subnet {', '.join(closed)}: no route out, and no endpoint for {', '.join(missing)}",
            SUBNETS,
        )
    return ok("way out: by endpoints")


def check_security_group(context: Context) -> Result:
    """Look whether the security group is there and lets HTTPS out."""
    from botocore.exceptions import ClientError

    name = context.outputs["SecurityGroup"]
    try:
        answer = context.client("ec2").describe_security_groups(GroupIds=[name])
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("InvalidGroup"):
            raise
        return fail(f"there is no security group {name}", context.mend())
    (group,) = answer["SecurityGroups"]
    for each in group.get("IpPermissionsEgress", []):
        low, high = each.get("FromPort", 0), each.get("ToPort", 65535)
        if each["IpProtocol"] == "-1" or each["IpProtocol"] == "tcp" and low <= 443 <= high:
            return ok(f"security group {name}")
    return fail(f"security group {name} lets no HTTPS out", context.mend())


# ---- the table


@dataclass(frozen=True)
class Check:
    """One check, and when it is made.

    ``required``: being denied what it asks AWS for is a failure that no check before has named.
    """

    name: str
    look: Callable[[Context], Result]
    needs: tuple[str, ...] = ()
    offline: bool = False
    quick: bool = False  # costs no call and no process, so it comes before every run
    required: bool = False


CHECKS = (
    Check("region", check_region, offline=True),
    Check("AWS CLI", check_cli, offline=True),
    Check("container engine", check_engine, offline=True),
    Check("task definition", check_definition, offline=True, quick=True),
    Check("size", check_size, ("task definition",), offline=True, quick=True),
    Check("arguments", check_arguments, offline=True, quick=True),
    Check("GPU", check_gpu, offline=True, quick=True),
    Check("script", check_script, offline=True, quick=True),
    Check("packages", check_packages, ("script",), offline=True, quick=True),
    Check("label", check_label, ("arguments",), offline=True, quick=True),
    Check("credentials", check_credentials, ("region",), required=True),
    Check("permissions", check_permissions, ("credentials",)),
    Check("stack", check_stack, ("credentials",)),
    Check("stack's capacity", check_stack_capacity, ("stack",), quick=True),
    Check(
        "overrides", check_overrides, ("task definition", "size", "arguments"), offline=True,
        quick=True,
    ),
    Check("image", check_image, ("stack",)),
    Check("processor", check_architecture, ("image", "task definition")),
    Check("execution role", check_execution_role, ("stack", "task definition")),
    Check("task role", check_task_role, ("stack", "task definition")),
    Check("iam:PassRole", check_pass_role, ("stack", "task definition")),
    Check("log group", check_log_group, ("stack", "task definition")),
    Check("bucket", check_bucket, ("stack",)),
    Check("data", check_data, ("bucket", "arguments"), quick=True),
    Check("secrets", check_secrets, ("credentials", "task definition")),
    Check("cluster", check_cluster, ("stack", "stack's capacity")),
    Check("subnets", check_subnets, ("stack",)),
    Check("way out", check_way_out, ("subnets",)),
    Check("security group", check_security_group, ("stack",)),
)  # fmt: skip


# where the user's mistake does not say itself what to type
MENDED = {
    "task definition": f"mend it in task-definition.json, {REGISTER}",
    "overrides": "make data, with the long values in a file below data/ that ARGS=… names",
}


def of_aws(check: Check, error: Exception) -> Result:
    """Return the result of a check that AWS, or the way to it, answered with an error."""
    from ecs.aws import distrust
    from ecs.explain import AGAIN, EXCEPTION, Evidence, explain
    from ecs.verdict import code_and_message

    code, message = code_and_message(error)
    if sentence := distrust(error):
        return of_user(check, UserError(sentence))
    if denied(error) and not check.required:
        return skip(f"{check.name}: this identity may not look at it ({code})")
    why = explain(Evidence(EXCEPTION, message, error=code))
    if why.rule in ("unknown", "refused"):
        return fail(f"{check.name}: {code}: {message}", f"make verify again; who asks: {WHO}")
    return fail(
        f"{check.name}: {why.cause}", "make verify, again" if why.retry == AGAIN else why.remedy
    )


def of_user(check: Check, error: UserError) -> Result:
    """Return the result of a check that found a mistake of the user's, whose sentence it is."""
    text, *remedies = re.split(r"; type(?: for example)?: ", str(error))
    if remedies:
        return fail(text, remedies[-1])
    return fail(text, MENDED.get(check.name, "make run DRY_RUN=1, when it is mended"))


def outcome(check: Check, context: Context) -> Result:
    """Return what a check finds. No error of AWS's or the user's leaves it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return check.look(context)
    except UserError as error:
        return of_user(check, error)
    except (ClientError, BotoCoreError) as error:
        return of_aws(check, error)


def verify(
    context: Context, checks: Iterable[Check] = CHECKS, offline: bool = False
) -> Iterator[tuple[Check, Result]]:
    """Make the checks one after the other; what needs a failed one is skipped, and says so."""
    states: dict[str, str] = {}
    for check in checks:
        bad = [name for name in check.needs if states.get(name, OK) != OK]
        if offline and not check.offline:
            result = skip(f"{check.name}: needs an account")
        elif bad:
            result = skip(f"{check.name}: depends on {' and '.join(bad)}, above")
        else:
            result = outcome(check, context)
        states[check.name] = result.state
        yield check, result


def command(settings: Settings) -> int:
    """Print every check's finding; return 1 if one failed."""
    offline = settings.offline
    context = Context(settings)
    if offline:
        context.outputs = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    failed = 0
    for _, result in verify(context, offline=offline):
        print("\n".join(result.lines()), flush=True)
        failed += result.state == FAIL
    if failed:
        print(f"error: {failed} checks failed", file=sys.stderr)
    return 1 if failed else 0


def before_run(settings: Settings, outputs: Mapping[str, str], but: Collection[str] = ()) -> None:
    """Make the checks that cost nothing, ``but`` for those of these names.

    Raises:
        UserError: some failed; each has its line, with what to type.
    """
    quick = [check for check in CHECKS if check.quick and check.name not in but]
    results = [result for _, result in verify(Context(settings, outputs), quick)]
    failed = [result for result in results if result.state == FAIL]
    if failed:
        raise UserError("\n".join(f"{each.text}; type: {each.remedy}" for each in failed))
