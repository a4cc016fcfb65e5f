"""`make policy`: the least that a person needs, for each capacity and network."""

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import product

import cfnlint.decode.cfn_yaml
import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from ecs.stack import policies
from kinds import CAPACITIES
from processed import plain, process
from support import PROJECT

ACCOUNT = "TWELVEDIGITS"
VARIANTS = list(product(CAPACITIES, ("default", "own"), ("", "arn:aws:iam::TWELVEDIGITS:policy/b")))
# an IAM policy may be so long, white space not counted
LONGEST = 6144


def documents(settings, capacity: str, network: str, boundary: str) -> list[dict]:
    asked = replace(
        settings, capacity=capacity, network=network, boundary=boundary, exec=True, github="o/n",
        max_vcpus="64",
    )  # fmt: skip
    names = policies.Names(asked, ACCOUNT, "aws")
    return [policies.runs(names), policies.cluster(names), policies.network(names)]


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_nothing_is_allowed_on_everything_but_what_knows_no_resource(settings, variant):
    for document in documents(settings, *variant):
        for each in document["Statement"]:
            assert each["Effect"] == "Allow"
            # patterns only read
            patterns = [action for action in each["Action"] if "*" in action]
            assert all(re.match(r"\w+:(Describe|Get)", action) for action in patterns)
            if "*" in each["Resource"]:
                assert set(each["Action"]) <= policies.NO_RESOURCE
                assert each["Resource"] == ["*"]


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_a_resource_is_the_projects_or_of_those_whose_id_aws_chooses(settings, variant):
    """What is not named by the project is named here, with its reason in ecs/stack/policies.py."""
    for document in documents(settings, *variant):
        for each in document["Statement"]:
            for arn in set(each["Resource"]) - {"*"}:
                _, _, service, _, _, resource = arn.split(":", 5)
                named = resource.startswith(("churn", "/ecs/churn")) or "/churn" in resource
                named = named or resource.startswith(("log-group:/ecs/churn", "secret:churn/"))
                by_id = service == "ec2" and resource.endswith("/*")
                tagged = "/project" in str(each.get("Condition", {}).get("StringEquals"))
                by_id = by_id or resource == "job/*" and tagged
                others = (
                    "role/aws-service-role/*", "parameter/aws/service/ecs/*", "key-pair/mine",
                    "oidc-provider/token.actions.githubusercontent.com",
                )  # fmt: skip
                assert named or by_id or resource in others, arn


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_a_document_is_short_enough_for_iam_and_its_sids_differ(settings, variant):
    longest = replace(settings, project="c" * 32, region="ap-southeast-2")
    for document in documents(longest, *variant):
        assert len(json.dumps(document, separators=(",", ":"))) <= LONGEST
        sids = [each["Sid"] for each in document["Statement"]]
        assert len(set(sids)) == len(sids)


@pytest.mark.parametrize(
    ("capacity", "services"),
    [
        ("fargate", ""),
        ("ec2", "ec2"),
        ("gpu", "ec2"),
        ("managed", "ec2 ecs"),
        ("managed-gpu", "ec2 ecs"),
    ],
)
def test_roles_are_handed_to_their_service_only(settings, capacity, services):
    passed = [
        each
        for document in documents(settings, capacity, "own", "")
        for each in document["Statement"]
        if "iam:PassRole" in each["Action"]
    ]
    assert [each["Condition"]["StringEquals"]["iam:PassedToService"] for each in passed] == [
        f"{service}.amazonaws.com" for service in ("ecs-tasks", "scheduler", *services.split())
    ]


def test_who_runs_may_store_a_secret_and_not_read_it(settings):
    for document in documents(settings, "fargate", "default", ""):
        actions = {action for each in document["Statement"] for action in each["Action"]}
        assert "secretsmanager:GetSecretValue" not in actions


def test_where_a_boundary_is_set_no_role_is_made_without_it(settings):
    boundary = "arn:aws:iam::TWELVEDIGITS:policy/b"
    for given in ("", boundary):
        _, document, _ = documents(settings, "fargate", "default", given)
        (made,) = (each for each in document["Statement"] if "iam:CreateRole" in each["Action"])
        condition = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
        assert made.get("Condition") == (condition if given else None)


@pytest.mark.parametrize("role", ["reader", "arn:aws:iam::TWELVEDIGITS:role/reader"])
def test_another_task_role_may_be_passed_where_it_is_set(settings, role):
    names = policies.Names(replace(settings, task_role=role), ACCOUNT, "aws")
    (passed,) = (each for each in policies.runs(names)["Statement"] if each["Sid"] == "TaskRoles")
    assert passed["Resource"][-1] == "arn:aws:iam::TWELVEDIGITS:role/reader"


def test_an_identity_provider_is_made_only_where_github_is_set(settings):
    for github in ("", "octo/churn"):
        names = policies.Names(replace(settings, github=github), ACCOUNT, "aws")
        sids = [each["Sid"] for each in policies.cluster(names)["Statement"]]
        assert ("GitHub" in sids) is bool(github)


ACTIONS = {
    "AWS::AutoScaling::AutoScalingGroup": {"autoscaling:CreateAutoScalingGroup"},
    "AWS::EC2::LaunchTemplate": {"ec2:CreateLaunchTemplate", "ec2:RunInstances"},
    "AWS::ECS::CapacityProvider": {"ecs:CreateCapacityProvider", "ecs:DeleteCapacityProvider"},
    "AWS::ECS::ClusterCapacityProviderAssociations": {"ecs:PutClusterCapacityProviders"},
    "AWS::IAM::InstanceProfile": {"iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile"},
}


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_who_makes_the_stack_may_make_what_is_in_it(settings, capacity):
    """The roles and policies by their names, the rest by the actions that make it."""
    template = plain(cfnlint.decode.cfn_yaml.load(str(PROJECT / "infrastructure.yaml")))
    made = process(template, {"Capacity": capacity})["Resources"]
    allowed = [
        each for each in documents(settings, capacity, "own", "") for each in each["Statement"]
    ]
    actions = {action for each in allowed for action in each["Action"]}
    for resource in made.values():
        assert ACTIONS.get(resource["Type"], set()) <= actions, resource["Type"]
    attached = {
        f"{name} {arn}"
        for name, each in made.items()
        for arn in each.get("Properties", {}).get("ManagedPolicyArns", [])
    }
    may = {
        f"{role.rpartition('/churn-')[2].removesuffix('-*')} {arn}"
        for each in allowed
        if "iam:AttachRolePolicy" in each["Action"]
        for role in each["Resource"]
        for arn in each["Condition"]["ArnEquals"]["iam:PolicyARN"]
    }
    assert attached <= may


# What a schema's handlers may ask for and this template never makes them ask: by pattern, with the reason.
UNUSED = {
    r"eks:.*|batch:SetCapacityTags": "no such property: the service-linked role is Batch's own",
    r"ec2:DescribeLaunchTemplateVersions": "an environment on Fargate has no launch template",
    r"batch:Un[Tt]agResource": "tags are never taken away",
    r"kms:.*|ecs:PutAccountSetting.*|firehose:.*|s3:REST\..*|s3tables:.*": "no such property",
    r"vpc-lattice:.*|vpce:.*|managed-fleets:.*|elasticloadbalancing:.*|cloudwatch:.*": "no such property",
    r"\w+:(Untag\w+|DeleteBucketTagging)": "tags are never taken away",
    r"iam:UpdateRole(Description)?|ecs:UpdateClusterSettings": "no such property",
    r"iam:(Add|Remove)ClientID.*|iam:UpdateOpenID.*|iam:DeleteOpenID.*": "the provider stays as it is",
    r"iam:(Attach|Detach)RolePolicy": "only instances' roles have policies of AWS's own",
    r"ecr:(Set|Delete)RepositoryPolicy|ecr:DeleteLifecyclePolicy": "no such property, or never taken away",
    r"logs:(Associate|Disassociate|CreateLogDelivery|Delete|Put(?!Retention)).*": "no such property",
    r"s3:(Put|Update|Create|Delete)(?!Bucket$|BucketP|BucketO\w+ship|BucketV|BucketT|Enc|Lif)\w*": "no such property",
    r"s3:PutBucketObjectLockConfiguration": "no such property",
    r"s3:GetReplicationConfiguration": "in the pattern Get*Configuration",
    r"ec2:(Update|Authorize|Revoke)SecurityGroup(Rule|Ingress).*": "nothing comes in",
    r"ec2:(Associate|Disassociate)SubnetCidrBlock|ec2:(Attach|Detach)VpnGateway": "no such property",
    r"ec2:(CreateVpcEncryptionControl|ModifyVpcTenancy|ReplaceRoute)": "no such property",
    r"ec2:Get\*|ssm:Get\*": "the image is read by ssm:GetParameters",
    r"autoscaling:(?!Describe|CreateA|CreateO|UpdateA|DeleteA)\w+": "no such property",
    r"autoscaling:CreateOrUpdateTags": "of a group, and Managed Instances have none",
}


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("network", ["own", "default"])
def test_the_policies_have_what_cloudformation_s_handlers_ask_for(settings, capacity, network):
    """Source: ``handlers`` and ``tagging`` of the resource types' schemas, which cfn-lint ships."""
    template = plain(cfnlint.decode.cfn_yaml.load(str(PROJECT / "infrastructure.yaml")))
    given = {"Capacity": capacity, "GitHub": "o/n:ref:refs/heads/main", "NewProvider": "true"}
    given |= {"MaxVcpus": "64"}
    if network == "default":
        given |= {"VpcId": "vpc-1", "Subnets": "subnet-1"}
    kinds = {each["Type"] for each in process(template, given)["Resources"].values()}
    allowed = {
        action
        for document in documents(settings, capacity, network, "b")
        for each in document["Statement"]
        for action in each["Action"]
    }
    wanted = set()
    for kind in kinds:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        for name in ("create", "read", "update", "delete"):
            wanted |= set(schema.get("handlers", {}).get(name, {}).get("permissions", []))
        wanted |= set(schema.get("tagging", {}).get("permissions", []))
    # the schemas of AWS::Batch write Batch:, Iam: and UnTagResource
    wanted = {each.partition(":")[0].lower() + ":" + each.partition(":")[2] for each in wanted}
    lacking = {
        each
        for each in wanted
        if not any(fnmatchcase(each, pattern) for pattern in allowed)
        and not any(re.fullmatch(pattern, each) for pattern in UNUSED)
    }
    assert lacking == set()
    if network == "own":  # Fn::GetAZs, its reference page: "IAM permissions"
        assert "ec2:DescribeAccountAttributes" in allowed


def test_the_longest_role_is_the_one_that_limits_the_slug():
    """CloudFormation names a role STACK-LOGICALID-RANDOM and IAM allows 64 characters."""
    template = plain(cfnlint.decode.cfn_yaml.load(str(PROJECT / "infrastructure.yaml")))
    roles = [
        name for name, each in template["Resources"].items() if each["Type"] == "AWS::IAM::Role"
    ]
    assert max(roles, key=len) == "InfrastructureRole"
