"""Checks of cluster, subnets and the way out of them."""

from collections.abc import Iterable, Mapping

from botocore.exceptions import ClientError

from ecs.checks.results import Context, Result, fail, ok, skip
from ecs.request import request

SUBNETS = "make cluster VPC=vpc-… SUBNETS=subnet-…,subnet-…"


# what a task without a way to the internet needs: the ends of the endpoints' service names
ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "s3")


def check_stack_capacity(context: Context) -> Result:
    """Check whether the stack was made for CAPACITY."""
    request.capacity(context.settings, context.outputs)
    return ok(f"CAPACITY={context.settings.capacity}")


def providers(context: Context) -> list[str]:
    """Return the capacity providers that the next run asks for."""
    return [
        each["capacityProvider"] for each in request.capacity(context.settings, context.outputs)
    ]


def check_cluster(context: Context) -> Result:
    """Check whether the cluster is active and has the capacity provider attached."""
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
    if context.settings.kind.managed:
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
    if not context.settings.kind.managed:  # CloudFormation believes that it is attached
        remedy = (
            f"aws ecs put-cluster-capacity-providers --cluster {name} --capacity-providers "
            f"{' '.join([*attached, *missing])} --default-capacity-provider-strategy '[]'"
        )
    return fail(f"cluster {name} has {', '.join(missing)} not attached", remedy)


def check_subnets(context: Context) -> Result:
    """Check whether the subnets are there, of one VPC, and have free addresses."""
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
    if context.settings.kind.managed and context.outputs["PublicIp"] == "ENABLED" and closed:
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
    """Check whether every subnet reaches the registry: by a gateway, NAT or endpoints."""
    if not context.settings.there.network:
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
    """Check whether the security group is there and lets HTTPS out."""
    name = context.outputs["SecurityGroup"]
    try:
        answer = context.client("ec2").describe_security_groups(GroupIds=[name])
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("InvalidGroup"):
            raise
        return fail(f"there is no security group {name}", context.repair())
    (group,) = answer["SecurityGroups"]
    for each in group.get("IpPermissionsEgress", []):
        low, high = each.get("FromPort", 0), each.get("ToPort", 65535)
        if each["IpProtocol"] == "-1" or each["IpProtocol"] == "tcp" and low <= 443 <= high:
            return ok(f"security group {name}")
    return fail(f"security group {name} lets no HTTPS out", context.repair())
