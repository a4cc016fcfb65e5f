"""The stack's parameters, from the variables and from what the account has."""

import re
from collections.abc import Mapping

from ecs.aws import client
from ecs.console import note
from ecs.errors import UserError
from ecs.parse import whole_number
from ecs.settings import Settings, instance_type
from ecs.stack import bucket as bucket_of
from ecs.stack.claim import resources
from ecs.stack.stack import present

# who signs for GitHub Actions, and whom its tokens are made out to
ISSUER, AUDIENCE = "token.actions.githubusercontent.com", "sts.amazonaws.com"

# The zones that have Fargate, by their ids, in regions where some have not. Source: "Supported Regions
# for Amazon ECS on AWS Fargate" in the developer guide.
WITH_FARGATE = {
    "ap-northeast-1": ("apne1-az1", "apne1-az2", "apne1-az4"),
    "us-west-1": ("usw1-az1", "usw1-az3"),
}
SUBNETS = {
    "SubnetA": "ZoneA",
    "SubnetB": "ZoneB",
}  # of NETWORK=own, and the parameters of their zones


def looked_up(settings: Settings) -> dict[str, str]:
    """Return the parameters that depend on what the account has: GitHub, network, zones, bucket.

    Raises:
        UserError: as ``github``, ``network`` and ``zones`` do.
    """
    return github(settings) | network(settings) | zones(settings) | bucket(settings)


def parameters(settings: Settings, network: Mapping[str, str]) -> list[str]:
    """Return the stack's parameters as ``Name=value``, as `aws cloudformation deploy` reads them."""
    values = {
        "Capacity": settings.there.capacity or settings.capacity,
        "Architecture": settings.architecture,
        "PublicIp": settings.public_ip,
        "Exec": "ENABLED" if settings.exec else "DISABLED",
        "LogDays": settings.log_days,
        "RunDays": settings.run_days,
        "InstanceType": instance_type(settings),
        "MaxInstances": settings.max_instances,
        # the sandbox has no Batch
        "MaxVcpus": str(vcpus(settings)) if settings.there.queues else "0",
        **network,
    }
    # Passed even when empty, which leaves the choice to the template: a parameter that is not passed
    # would keep its last value.
    given = {name: value for name, value in values.items() if value}
    given |= {"Boundary": settings.boundary, **network}
    return [f"{name}={value}" for name, value in given.items()]


def vcpus(settings: Settings) -> int:
    """Return how many vCPUs the jobs of one queue may have at a time; 0 for no queues.

    Raises:
        UserError: it is no whole number.
    """
    return whole_number(
        "MAX_VCPUS", settings.max_vcpus, 0, 100000, "vCPUs of a queue, 0 for no queues"
    )


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
    trusted = subject(settings.github)
    if not trusted or not settings.there.account:
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


def zones(settings: Settings) -> dict[str, str]:
    """Return the zones of the subnets of NETWORK=own: those they are in, else the first that have Fargate.

    A region may gain a zone at any time, and in another zone a subnet would be replaced.

    Raises:
        UserError: the region has too few.
    """
    if settings.network != "own":
        return dict.fromkeys(SUBNETS.values(), "")
    ids = {
        each.get("PhysicalResourceId", ""): SUBNETS[each["LogicalResourceId"]]
        for each in (resources(settings) if present(settings) is not None else ())
        if each["LogicalResourceId"] in SUBNETS and each["ResourceStatus"] != "DELETE_COMPLETE"
    }
    ec2, found = client(settings, "ec2"), {}
    if ids:
        asked = [{"Name": "subnet-id", "Values": sorted(ids)}]
        for each in ec2.describe_subnets(Filters=asked)["Subnets"]:
            found[ids[each["SubnetId"]]] = each["AvailabilityZone"]
    missing = [name for name in SUBNETS.values() if name not in found]
    if not missing:
        return found
    asked = [
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "state", "Values": ["available"]},
    ]
    free = sorted(
        each["ZoneName"]
        for each in ec2.describe_availability_zones(Filters=asked)["AvailabilityZones"]
        if each["ZoneId"] in WITH_FARGATE.get(settings.region, (each["ZoneId"],))
        and each["ZoneName"] not in found.values()
    )
    if len(free) < len(missing):
        raise UserError(
            f"NETWORK=own takes two zones with Fargate, and this account has fewer in {settings.region}; "
            "type: make cluster VPC=vpc-… SUBNETS=subnet-…"
        )
    return found | dict(zip(missing, free, strict=False))
