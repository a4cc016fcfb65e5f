"""The CloudFormation stack: its parameters before `make cluster`, its outputs after."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from ecs import bucket as bucket_of
from ecs import mark
from ecs.errors import UserError
from ecs.follow import note
from ecs.settings import Settings, instance_type

OUTPUTS = (
    "Bucket", "Capacities", "CapacityProvider", "Cluster", "ClusterArn", "Exec", "ExecutionRoleArn",
    "GitHubRoleArn", "LogGroup", "PublicIp", "RepositoryUri", "SchedulerRoleArn", "SecurityGroup", "Subnets", "TaskRoleArn",
)  # fmt: skip

# what a stack had before its tags held the project's id
DESCRIPTION = "All that lasts of one training project: "

# who signs for GitHub Actions, and whom its tokens are made out to
ISSUER, AUDIENCE = "token.actions.githubusercontent.com", "sts.amazonaws.com"


def cache(settings: Settings) -> Path:
    """Return the file in which this machine keeps the stack's outputs."""
    return settings.state_folder / "stack.json"


def placeholders() -> dict[str, str]:
    """Return ``<Name>`` for each output, for requests that are only shown."""
    return {name: f"<{name}>" for name in OUTPUTS}


def cached_outputs(settings: Settings) -> dict[str, str] | None:
    """Return the outputs as this machine last saw them, or None.

    Those of another region, or of a stack that did not have this project's id, do not count.
    """
    path = cache(settings)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # not there, or cut off while it was written
        return None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        return None  # not as it was written here
    if not mark.read() or found.get("ProjectId") != mark.read():
        return None
    return found if found.get("Region", settings.region) == settings.region else None


def outputs(settings: Settings) -> dict[str, str]:
    """Return the stack's outputs, from this machine's cache or else from AWS.

    Raises:
        UserError: there is no stack, or it is not complete.
    """
    found = cached_outputs(settings) or refresh(settings)
    if not found:
        raise UserError(
            f"the stack {settings.project!r} is not complete: wait until it is, or, if its creation "
            "failed, type: make destroy, then make cluster"
        )
    return found


def refresh(settings: Settings) -> dict[str, str]:
    """Read the outputs from AWS into the cache and return them.

    A stack that is still being created, or whose creation failed, has none.

    Raises:
        UserError: there is no stack, or it is not this project's.
    """
    stack = existing(settings)
    if stack is None:
        raise UserError(
            f"there is no stack {settings.project!r} in {settings.region}; type: make cluster"
        )
    check(settings, stack)
    return remember(settings, stack)


def outputs_of(stack: Mapping) -> dict[str, str]:
    """Return the outputs of a stack, as CloudFormation describes it."""
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def remember(settings: Settings, stack: Mapping) -> dict[str, str]:
    """Write the outputs of the project's stack into the cache and return them."""
    from ecs.aws import write_private

    found = outputs_of(stack)
    if not found:
        cache(settings).unlink(missing_ok=True)
        return found
    found |= {"Region": settings.region, "ProjectId": mark.read()}
    if settings.sandbox:
        # The emulator's registry is the emulator itself, under the name that Docker trusts.
        import os
        from urllib.parse import urlsplit

        port = urlsplit(os.environ["AWS_ENDPOINT_URL"]).port
        repository = found["RepositoryUri"].partition("/")[2]
        found["RepositoryUri"] = f"localhost:{port}/{repository}"
    write_private(settings, cache(settings), json.dumps(found, indent=2))
    return found


def looked_up(settings: Settings) -> dict[str, str]:
    """Return the parameters that depend on what the account has: GitHub, network, bucket.

    Raises:
        UserError: as ``github`` and ``network`` do.
    """
    return github(settings) | network(settings) | bucket(settings)


def parameters(settings: Settings, network: Mapping[str, str]) -> list[str]:
    """Return the stack's parameters as ``Name=value``, as `aws cloudformation deploy` reads them."""
    values = {
        # the emulator knows no capacity providers; see sandbox/README.md
        "Capacity": "fargate" if settings.sandbox else settings.capacity,
        "Architecture": settings.architecture,
        "PublicIp": settings.public_ip,
        "Exec": "ENABLED" if settings.exec else "DISABLED",
        "LogDays": settings.log_days,
        "RunDays": settings.run_days,
        "InstanceType": instance_type(settings),
        "MaxInstances": settings.max_instances,
        **network,
    }
    # What a variable that is empty leaves to the template, and what it takes back: a parameter that
    # is not passed would keep its last value.
    given = {name: value for name, value in values.items() if value}
    given |= {"Boundary": settings.boundary, **network}
    return [f"{name}={value}" for name, value in given.items()]


def described(settings: Settings) -> dict | None:
    """Return the stack as CloudFormation describes it, or None where there is none yet."""
    from botocore.exceptions import ClientError

    from ecs.aws import client

    try:
        answer = client(settings, "cloudformation").describe_stacks(StackName=settings.project)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    return answer["Stacks"][0]


def in_review(stack: Mapping) -> bool:
    """Tell whether the stack is only what is left of a change set that would have created it."""
    return stack["StackStatus"] == "REVIEW_IN_PROGRESS"


def existing(settings: Settings) -> dict | None:
    """Return the stack, whosever it is, or None where nothing was ever created."""
    stack = described(settings)
    return None if stack is None or in_review(stack) else stack


def named(settings: Settings) -> str:
    """Return how sentences name the stack."""
    return f"the stack {settings.project!r} in {settings.region}"


def from_before(settings: Settings, stack: Mapping) -> bool:
    """Tell whether a stack looks like one that this project made before there were ids."""
    tags = mark.tags_of(stack.get("Tags", []))
    # the emulator forgets the description
    described = settings.sandbox or stack.get("Description", "").startswith(DESCRIPTION)
    return mark.unmarked(settings, tags) and bool(described)


def check(settings: Settings, stack: Mapping) -> None:
    """Return if the stack is this project's.

    Raises:
        UserError: it is not, or not yet.
    """
    tags = mark.tags_of(stack.get("Tags", []))
    mark.check(named(settings), tags, from_before(settings, stack))


def present(settings: Settings) -> dict[str, str] | None:
    """Return the parameters of the stack as it is, or None where there is none yet."""
    found = existing(settings)
    return None if found is None else present_in(found)


def present_in(stack: Mapping) -> dict[str, str]:
    """Return the parameters of a stack, as CloudFormation describes it."""
    return {
        each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])
    }


def subject(github: str) -> str:
    """Return what the tokens of ``GITHUB`` say of themselves, without ``repo:``; "" for none.

    A repository that was made or renamed since July 2026 has its owner's and its own number in it,
    ``OWNER@1/NAME@2``. Source: "OpenID Connect reference" in GitHub's documentation.

    Raises:
        UserError: it names no repository, or more than one branch, tag or environment.
    """
    owner, name, place = r"[A-Za-z0-9_-]{1,39}", r"[A-Za-z0-9._-]{1,100}", r"[A-Za-z0-9._/@+-]+"
    repository = rf"{owner}/{name}|{owner}@\d+/{name}@\d+"
    where = rf"(ref:refs/(heads|tags)/|environment:){place}"
    if not github or re.fullmatch(rf"({repository}):{where}", github):
        return github
    if not re.fullmatch(repository, github):
        raise UserError(
            f"GITHUB={github!r}: OWNER/NAME of one repository, as GitHub spells it, and behind it "
            ":ref:refs/heads/BRANCH unless it is main; type for example: make cluster GITHUB=octocat/churn"
        )
    return f"{github}:ref:refs/heads/main"


def github(settings: Settings) -> dict[str, str]:
    """Return whom the role for GitHub trusts, and whether the stack makes the account's provider.

    There is one provider an account. One that is there is used; the stack's own stays in it.

    Raises:
        UserError: ``GITHUB`` is no repository, or the provider is for others than AWS.
    """
    from ecs.aws import client

    trusted = subject(settings.github)
    if not trusted or settings.sandbox:  # the emulator knows no providers
        return {"GitHub": trusted, "NewProvider": "false"}
    made = present(settings) or {}
    if made.get("GitHub") and made.get("NewProvider") == "true":
        return {"GitHub": trusted, "NewProvider": "true"}
    caller, iam = client(settings, "sts").get_caller_identity(), client(settings, "iam")
    arn = f"arn:{caller['Arn'].split(':')[1]}:iam::{caller['Account']}:oidc-provider/{ISSUER}"
    try:
        provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    except iam.exceptions.NoSuchEntityException:
        return {"GitHub": trusted, "NewProvider": "true"}
    if AUDIENCE not in provider.get("ClientIDList", []):
        raise UserError(
            f"the account's identity provider {ISSUER} is not for {AUDIENCE}; type: aws iam "
            "add-client-id-to-open-id-connect-provider "
            f"--open-id-connect-provider-arn {arn} --client-id {AUDIENCE}"
        )
    return {"GitHub": trusted, "NewProvider": "false"}


def bucket(settings: Settings) -> dict[str, str]:
    """Return whether the stack makes its bucket, or takes up the one that KEEP_DATA=1 left.

    Raises:
        UserError: the bucket of that name is not the project's, or not yet.
    """
    made = present(settings)
    if made is not None:  # as it was decided when the stack was made
        return {"NewBucket": made.get("NewBucket", "true")}
    name, account = bucket_of.kept(settings)
    if not name:
        return {"NewBucket": "true"}
    bucket_of.check(settings, name, bucket_of.tags(settings, name, account))
    note(f"the data in s3://{name} is taken up again")
    return {"NewBucket": "false"}


def network(settings: Settings) -> dict[str, str]:
    """Return the VPC and subnets that the user named, or the account's default ones.

    Both are empty for a network of the stack's own.

    Raises:
        UserError: one is named without the other, or the account has no default VPC.
    """
    if settings.network == "own":
        if settings.vpc or settings.subnets or settings.public_ip != "ENABLED":
            raise UserError(
                "NETWORK=own makes a VPC with public subnets: leave VPC, SUBNETS and PUBLIC_IP out"
            )
        return {"VpcId": "", "Subnets": ""}
    if bool(settings.vpc) != bool(settings.subnets):
        raise UserError(
            "VPC and SUBNETS go together; type: make cluster VPC=vpc-… SUBNETS=subnet-…,subnet-…"
        )
    if settings.vpc:
        return {
            "VpcId": settings.vpc,
            "Subnets": ",".join(settings.subnets.replace(",", " ").split()),
        }
    from ecs.aws import client

    ec2 = client(settings, "ec2")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        raise UserError(
            f"the account has no default VPC in {settings.region}; let the stack have one of its "
            "own: make cluster NETWORK=own, or name one: VPC=vpc-… SUBNETS=subnet-…,subnet-…"
        )
    vpc = vpcs[0]["VpcId"]
    subnets = ec2.describe_subnets(
        Filters=[
            {"Name": "vpc-id", "Values": [vpc]},
            {"Name": "default-for-az", "Values": ["true"]},
        ]
    )["Subnets"]
    if not subnets:
        raise UserError(
            f"the default VPC {vpc} has no default subnets; name some: "
            f"make cluster VPC={vpc} SUBNETS=subnet-…,subnet-…"
        )
    return {"VpcId": vpc, "Subnets": ",".join(sorted(each["SubnetId"] for each in subnets))}
