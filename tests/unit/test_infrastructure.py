"""What infrastructure.yaml makes for each capacity, what it allows, and to whom: no more than this."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cfnlint.decode.cfn_yaml
import pytest
import yaml
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from ecs import contract
from ecs.errors import UserError
from ecs.settings import Settings, settings_from
from ecs.stack import inputs, policies, stack
from kinds import FARGATE, INSTANCES, MANAGED, WITH_GPU
from processed import plain, process
from support import ARCHITECTURES, BIN, COMPUTES, PROJECT, call

FILE = PROJECT / "infrastructure.yaml"

# By the service authorization reference, these actions know no resource.
KNOW_NO_RESOURCE = {
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTasks",
    "ecs:RegisterTaskDefinition",
    "scheduler:ListSchedules",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
# What AWS writes and keeps up to date: for the agent on an instance, and for ECS to start one.
OF_AWS = {
    "AmazonEC2ContainerServiceforEC2Role",
    "AmazonECSInstanceRolePolicyForManagedInstances",
    "AmazonECSInfrastructureRolePolicyForManagedInstances",
}


@pytest.fixture(scope="module")
def template() -> dict:
    return plain(cfnlint.decode.cfn_yaml.load(str(FILE)))


def of_type(template: dict, kind: str) -> dict[str, dict]:
    return {
        name: each["Properties"]
        for name, each in template["Resources"].items()
        if each["Type"] == f"AWS::{kind}"
    }


def as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def branches(value: Any) -> Iterator[Any]:
    """Give out ``value``, and of an Fn::If all that it may become."""
    if isinstance(value, list):
        for each in value:
            yield from branches(each)
    elif isinstance(value, dict) and set(value) == {"Fn::If"}:
        yield from branches(value["Fn::If"][1:])
    elif value != {"Ref": "AWS::NoValue"}:
        yield value


def statements(document: dict) -> list[dict]:
    return list(branches(document["Statement"]))


def role_statements(role: dict) -> list[dict]:
    policies = branches(role.get("Policies", []))
    return [each for policy in policies for each in statements(policy["PolicyDocument"])]


def findings(template: dict) -> list[str]:
    """Return what a role may do that no role of this stack should."""
    found = []
    for name, role in of_type(template, "IAM::Role").items():
        for arn in branches(role.get("ManagedPolicyArns", [])):
            if str(arn).rpartition("/")[2].rstrip("'}") not in OF_AWS:
                found.append(f"{name}: managed policy {arn}")
        for each in role_statements(role):
            actions = as_list(each["Action"])
            for action in actions:
                if "*" in action:
                    found.append(f"{name}: {action}")
            if "*" in as_list(each["Resource"]) and set(actions) - KNOW_NO_RESOURCE:
                found.append(f"{name}: {actions} on everything")
            if each["Effect"] != "Allow" or "NotAction" in each or "NotResource" in each:
                found.append(f"{name}: {each}")
        if role["PermissionsBoundary"] != BOUNDARY:
            found.append(f"{name}: no permissions boundary")
        for each in statements(role["AssumeRolePolicyDocument"]):
            if set(each["Principal"]) != {"Federated" if name == "GitHubRole" else "Service"}:
                found.append(f"{name}: assumed by {each['Principal']}")
    return found


BOUNDARY = {"Fn::If": ["WithBoundary", {"Ref": "Boundary"}, {"Ref": "AWS::NoValue"}]}


def test_no_role_may_more_than_it_must(template):
    assert findings(template) == []
    assert len(of_type(template, "IAM::Role")) >= 3


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "*", "Resource": "arn"},
        {"Action": ["s3:GetObject", "s3:*"], "Resource": "arn"},
        {"Action": "s3:GetObject", "Resource": "*"},
        {"Action": ["ecr:GetAuthorizationToken", "s3:GetObject"], "Resource": ["*"]},
    ],
)
def test_a_statement_that_allows_too_much_would_be_found(template, statement):
    changed = copy.deepcopy(template)
    policy = changed["Resources"]["TaskRole"]["Properties"]["Policies"][0]
    policy["PolicyDocument"]["Statement"].append({"Effect": "Allow", **statement})
    assert len(findings(changed)) == 1


def test_a_managed_policy_or_a_missing_boundary_would_be_found(template):
    changed = copy.deepcopy(template)
    role = changed["Resources"]["TaskRole"]["Properties"]
    role["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AmazonS3FullAccess"]
    del role["PermissionsBoundary"]
    role["PermissionsBoundary"] = None
    assert len(findings(changed)) == 2


def allowed(role: dict) -> dict[str, Any]:
    """Return the resources of each action that a role may do."""
    return {
        action: each["Resource"]
        for each in role_statements(role)
        for action in as_list(each["Action"])
    }


def test_a_task_opens_a_channel_only_where_that_was_asked_for(template):
    policies = of_type(template, "IAM::Role")["TaskRole"]["Policies"]
    (chosen,) = (each["Fn::If"] for each in policies if "Fn::If" in each)
    assert chosen[0] == "WithExec"
    assert chosen[1]["PolicyName"] == "shell"
    assert chosen[2] == {"Ref": "AWS::NoValue"}
    assert template["Parameters"]["Exec"]["Default"] == "DISABLED"


def test_the_scheduler_starts_this_project_only_and_passes_its_two_roles(template):
    role = of_type(template, "IAM::Role")["SchedulerRole"]
    run, tag, passed = role_statements(role)
    assert run["Action"] == "ecs:RunTask"
    assert run["Resource"]["Fn::Sub"].endswith(":task-definition/${AWS::StackName}:*")
    assert run["Condition"] == {"ArnEquals": {"ecs:cluster": {"Fn::GetAtt": ["Cluster", "Arn"]}}}
    assert tag["Condition"] == {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    assert passed["Resource"] == [
        {"Fn::GetAtt": [name, "Arn"]} for name in ("ExecutionRole", "TaskRole")
    ]
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    assert set(trust["Condition"]["StringEquals"]) == {"aws:SourceAccount", "aws:SourceArn"}


NAMES = policies.Names(Settings("churn", "us-east-1"), "TWELVEDIGITS", "aws")


def resolved(value: Any) -> Any:
    """Return what a value of the template is in one account, as far as GitHubRole needs it."""
    if isinstance(value, list):
        return [resolved(each) for each in value]
    if not isinstance(value, dict):
        return value
    function, content = next(iter(value.items()))
    if not function.startswith("Fn::"):
        return {key: resolved(each) for key, each in value.items()}
    if function == "Fn::GetAtt":
        assert content[1] == "Arn"
        made = {"Repository": ("ecr", "repository/churn"), "Cluster": ("ecs", "cluster/churn")}
        name = content[0]
        return NAMES.arn(*made[name]) if name in made else NAMES.role(f"{name}-*")
    assert function == "Fn::Sub"
    known = {
        "AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "TWELVEDIGITS",
        "AWS::StackName": "churn", "Cluster": "churn", "Schedules": "churn", "LogGroup": "/ecs/churn",
    }  # fmt: skip
    return re.sub(r"\$\{(.*?)\}", lambda found: known[found[1]], content)


def test_github_may_what_make_policy_prints_but_not_delete_data(template):
    """A workflow never calls `make data`, so a stolen token of its need not reach what is trained on."""
    found = resolved(role_statements(of_type(template, "IAM::Role")["GitHubRole"]))
    made = [each | {name: as_list(each[name]) for name in ("Action", "Resource")} for each in found]
    printed = policies.runs(NAMES)["Statement"]
    assert made == [each for each in printed if each["Sid"] != "Data"]
    assert "s3:DeleteObject" not in str(made)
    workflow = PROJECT / ".github/workflows/train.yml"
    assert "make data" not in workflow.read_text(encoding="utf-8")


def test_github_is_one_branch_of_one_repository_and_its_tokens_are_for_aws(template):
    role = template["Resources"]["GitHubRole"]
    assert role["Condition"] == "WithGitHub"
    assert template["Parameters"]["GitHub"]["Default"] == ""
    (trust,) = statements(role["Properties"]["AssumeRolePolicyDocument"])
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {  # no pattern: an asterisk would be one
            f"{inputs.ISSUER}:aud": inputs.AUDIENCE,
            f"{inputs.ISSUER}:sub": {"Fn::Sub": "repo:${GitHub}"},
        }
    }
    made, account = branches(trust["Principal"]["Federated"])
    assert made == {"Ref": "GitHubProvider"}
    assert account["Fn::Sub"].endswith(f":oidc-provider/{inputs.ISSUER}")


def test_the_account_s_provider_outlives_the_stack(template):
    """Other projects use it too, and there can be only one."""
    provider = template["Resources"]["GitHubProvider"]
    assert (provider["Condition"], provider["DeletionPolicy"]) == (
        "MakeProvider", "RetainExceptOnCreate",
    )  # fmt: skip
    assert provider["Properties"] == {
        "Url": f"https://{inputs.ISSUER}",
        "ClientIdList": [inputs.AUDIENCE],
    }


def test_ecs_may_read_the_secrets_of_this_project_only(template):
    role = of_type(template, "IAM::Role")["ExecutionRole"]
    resource = allowed(role)["secretsmanager:GetSecretValue"]
    assert resource["Fn::Sub"].endswith(":secret:${AWS::StackName}/*")


def test_a_task_reaches_its_own_prefix_of_the_bucket_only(template):
    role = of_type(template, "IAM::Role")["TaskRole"]
    bucket = "arn:${AWS::Partition}:s3:::${AWS::StackName}-${AWS::AccountId}-${AWS::Region}"
    below = {"Fn::Sub": bucket + "/${AWS::StackName}/*"}
    objects = {name: where for name, where in allowed(role).items() if name != "s3:ListBucket"}
    assert {name for name in objects if name.startswith("s3:")} == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
    }
    assert [
        where for name, where in objects.items() if name.startswith("s3:") and where != below
    ] == []
    (listing,) = (each for each in role_statements(role) if each["Action"] == "s3:ListBucket")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": {"Fn::Sub": "${AWS::StackName}/*"}}}


def test_the_bucket_is_private_encrypted_versioned_and_reached_by_tls_only(template):
    (bucket,) = of_type(template, "S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (policy,) = of_type(template, "S3::BucketPolicy").values()
    (only,) = statements(policy["PolicyDocument"])
    assert (only["Effect"], only["Principal"], only["Action"]) == ("Deny", "*", "s3:*")
    assert only["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_bucket_outlives_the_stack_and_its_name_is_known_without_it(template):
    """An update that leaves it out would delete it otherwise, and all models with it."""
    for name in ("Bucket", "BucketPolicy"):
        resource = template["Resources"][name]
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resource["Condition"] == "MakeBucket"
    name = template["Resources"]["Bucket"]["Properties"]["BucketName"]
    assert template["Outputs"]["Bucket"]["Value"] == name


def test_what_nobody_needs_any_more_expires(template):
    (bucket,) = of_type(template, "S3::Bucket").values()
    rules = {each["Id"]: each for each in branches(bucket["LifecycleConfiguration"]["Rules"])}
    assert rules["old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    # removed checkpoints are noncurrent versions, which cost like any other object until they expire
    assert rules["checkpoints"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    (tag,) = rules["checkpoints"]["TagFilters"]
    assert f"{tag['Key']}={tag['Value']}" == contract.CHECKPOINT_TAG  # which the launcher writes
    assert "Prefix" in rules["runs"]
    (logs,) = of_type(template, "Logs::LogGroup").values()
    assert logs["RetentionInDays"] == {"Ref": "LogDays"}


def test_a_pushed_image_never_changes_and_stays_as_long_as_it_has_a_tag(template):
    (repository,) = of_type(template, "ECR::Repository").values()
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    (rule,) = yaml.safe_load(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert rule["selection"]["tagStatus"] == "untagged"


def test_nothing_listens(template):
    for name, group in of_type(template, "EC2::SecurityGroup").items():
        assert "SecurityGroupIngress" not in group, name
    assert of_type(template, "EC2::SecurityGroupIngress") == {}
    for launch in of_type(template, "EC2::LaunchTemplate").values():
        assert launch["LaunchTemplateData"]["MetadataOptions"]["HttpTokens"] == "required"


def test_cloudformation_can_read_it():
    """It refuses anchors and aliases, and a template above 51,200 bytes goes by a bucket only."""
    text = Path(FILE).read_text()
    assert len(text.encode()) <= 51200
    anchored = [event for event in yaml.parse(text) if getattr(event, "anchor", None)]
    assert anchored == []


def test_what_the_policy_scanner_finds_is_argued_for_in_one_line(template):
    """checkov has no other finding; it is too large to be installed for a test of a second."""
    skipped = [
        each
        for resource in template["Resources"].values()
        for each in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert {each["id"] for each in skipped} == {
        "CKV_AWS_18",
        "CKV_AWS_65",
        "CKV_AWS_136",
        "CKV_AWS_158",
    }
    assert all(20 < len(each["comment"]) < 100 for each in skipped)


# ---- the processed template: what CloudFormation makes for each capacity and architecture

VARIANTS = [
    (compute, architecture, network)
    for compute in COMPUTES
    for architecture in ARCHITECTURES
    for network in ("own", "named")
    if compute not in WITH_GPU or architecture == "x86_64"
]
NAMED = {"VpcId": "vpc-0123456789abcdef0", "Subnets": "subnet-0123456789abcdef0"}
OWN = {"VpcId": "", "Subnets": ""}
IMAGES = {
    ("ec2", "x86_64"): "/amazon-linux-2023/recommended/image_id",
    ("ec2", "arm64"): "/amazon-linux-2023/arm64/recommended/image_id",
    ("gpu", "x86_64"): "/amazon-linux-2023/gpu/recommended/image_id",
}
# what a stack has beside what every stack has
OF_INSTANCES = {"InstanceRole", "InstanceProfile", "LaunchTemplate", "Instances"}
OF_INSTANCES |= {"CapacityProvider"}
OF_MANAGED = {"InstanceRole", "InstanceProfile", "InfrastructureRole", "ManagedCapacityProvider"}


def processed(template: dict, compute: str, architecture: str, network: str, **variables) -> dict:
    """Return the template as `make cluster` with these variables would have it processed."""
    named = {"CAPACITY": compute, "ARCHITECTURE": architecture}
    settings = settings_from({"PROJECT": "churn", "REGION": "us-east-1", **named, **variables})
    listed = inputs.parameters(settings, OWN if network == "own" else NAMED)
    return process(template, dict(each.split("=", 1) for each in listed))


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_a_stack_has_the_resources_of_its_capacity_and_no_others(template, variant):
    compute, _, network = variant
    made = processed(template, *variant)
    plain_one = processed(template, "fargate", "x86_64", network)
    added = set(made["Resources"]) - set(plain_one["Resources"])
    wanted = OF_INSTANCES if compute in INSTANCES else OF_MANAGED if compute in MANAGED else set()
    assert added == wanted
    assert set(plain_one["Resources"]) - set(made["Resources"]) == set()
    assert "CapacityProvider" not in plain_one["Outputs"]
    own = [] if compute in FARGATE else [compute]
    assert made["Outputs"]["Capacities"]["Value"].split(",") == [*FARGATE, *own]
    if own:
        name = "CapacityProvider" if compute in INSTANCES else "ManagedCapacityProvider"
        assert made["Outputs"]["CapacityProvider"]["Value"] == {"Ref": name}
    kind = {"InstanceType"} if compute in INSTANCES else set()
    assert set(made["Outputs"]) - set(plain_one["Outputs"]) == (
        {"CapacityProvider"} | kind if own else set()
    )


OF_BATCH = {"FargateEnvironment", "FargateQueue", "FargateSpotEnvironment", "FargateSpotQueue"}


@pytest.mark.parametrize("network", ["own", "named"])
def test_queues_are_there_only_where_they_are_asked_for(template, network):
    variant = ("fargate", "x86_64", network)
    plain_one, made = processed(template, *variant), processed(template, *variant, MAX_VCPUS="64")
    assert set(made["Resources"]) - set(plain_one["Resources"]) == OF_BATCH
    assert set(made["Outputs"]) - set(plain_one["Outputs"]) == {"FargateQueue", "FargateSpotQueue"}
    for name, kind in (("Fargate", "FARGATE"), ("FargateSpot", "FARGATE_SPOT")):
        environment = made["Resources"][f"{name}Environment"]["Properties"]
        machines = environment["ComputeResources"]
        assert (machines["Type"], int(machines["MaxvCpus"])) == (kind, 64)
        assert machines["SecurityGroupIds"] == [{"Ref": "SecurityGroup"}]
        subnets = [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}]
        assert machines["Subnets"] == (subnets if network == "own" else [NAMED["Subnets"]])
        queue = made["Resources"][f"{name}Queue"]["Properties"]
        # a queue of Spot waits for Spot
        assert [each["ComputeEnvironment"] for each in queue["ComputeEnvironmentOrder"]] == [
            {"Ref": f"{name}Environment"}
        ]
        # make policy knows them by their names
        assert queue["JobQueueName"].startswith("churn-") or "${AWS::StackName}-" in str(
            queue["JobQueueName"]
        )
        assert made["Outputs"][f"{name}Queue"]["Value"] == {"Ref": f"{name}Queue"}


def test_an_output_that_may_be_missing_is_one_that_a_condition_makes(template):
    """Without it `make verify` would call a stack broken that lacks nothing."""
    assert {*stack.OUTPUTS} == {*template["Outputs"]}
    conditional = {name for name, each in template["Outputs"].items() if "Condition" in each}
    assert {*stack.CONDITIONAL} == conditional


def test_the_sandbox_has_no_queues(template):
    made = processed(template, "fargate", "x86_64", "named", MAX_VCPUS="64", SANDBOX="1")
    assert OF_BATCH & set(made["Resources"]) == set()


@pytest.mark.parametrize("text", ["-1", "64 ", "many", "1.5"])
def test_max_vcpus_is_a_whole_number(template, text):
    with pytest.raises(UserError, match="type for example: MAX_VCPUS=64$|MAX_VCPUS=1$"):
        processed(template, "fargate", "x86_64", "named", MAX_VCPUS=text)


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_fargate_is_always_attached_and_the_stacks_own_provider_beside_it(template, variant):
    compute, _, _ = variant
    resources = processed(template, *variant)["Resources"]
    cluster = resources["Cluster"]["Properties"]
    both = ["FARGATE", "FARGATE_SPOT"]
    assert "CapacityProviders" not in cluster
    attached = resources["CapacityProviders"]["Properties"]
    own = [{"Ref": "CapacityProvider"}] if compute in INSTANCES else []
    # ECS refuses an association of Managed Instances: ClusterName is theirs
    assert attached["CapacityProviders"] == [*both, *own]
    if compute in INSTANCES:
        group = resources["CapacityProvider"]["Properties"]["AutoScalingGroupProvider"]
        assert group["AutoScalingGroupArn"] == {"Ref": "Instances"}
        assert group["ManagedTerminationProtection"] == "ENABLED"
    if compute in MANAGED:
        provider = resources["ManagedCapacityProvider"]["Properties"]
        assert provider["ClusterName"] == {"Ref": "Cluster"}


def schema(kind: str) -> dict:
    """Return AWS's own schema of a resource type, which cfn-lint ships."""
    return PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema


def fixed(resource: dict) -> dict:
    """Return those properties that a living resource cannot change: a change replaces it."""
    of_kind = schema(resource["Type"])
    paths = [
        *of_kind.get("createOnlyProperties", []),
        *of_kind.get("conditionalCreateOnlyProperties", []),
    ]
    found = {}
    for path in paths:
        value: Any = resource.get("Properties", {})
        for part in path.removeprefix("/properties/").split("/"):
            value = value.get(part) if isinstance(value, dict) else None
        found[path] = value
    return found


@pytest.mark.parametrize("network", ["own", "named"])
@pytest.mark.parametrize("after", COMPUTES)
@pytest.mark.parametrize("before", COMPUTES)
def test_a_change_of_capacity_replaces_nothing_and_leaves_fargate_attached(
    template, before, after, network
):
    """One owner of one setting. Sources: aws/aws-cdk 15366 and 14730, the resource types' schemas."""
    old, new = (
        processed(template, each, "x86_64", network)["Resources"] for each in (before, after)
    )
    for name in set(old) & set(new):
        assert old[name]["Type"] == new[name]["Type"]
        assert fixed(old[name]) == fixed(new[name]), name
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            assert old[name].get(policy) == new[name].get(policy)
    assert old["Cluster"] == new["Cluster"]
    for made in (old, new):
        listed = made["CapacityProviders"]["Properties"]["CapacityProviders"]
        assert listed[:2] == ["FARGATE", "FARGATE_SPOT"]
        # a provider in the default strategy cannot be detached
        assert made["CapacityProviders"]["Properties"]["DefaultCapacityProviderStrategy"] == []
    machines = {**dict.fromkeys(INSTANCES, OF_INSTANCES), **dict.fromkeys(MANAGED, OF_MANAGED)}
    one, two = (machines.get(each, set()) for each in (before, after))
    assert set(old) - set(new) == one - two
    assert set(new) - set(old) == two - one


def test_the_emulator_has_its_providers_from_the_cluster(template):
    made = process(template, {"Capacity": "emulated"})
    assert "CapacityProviders" not in made["Resources"]
    cluster = made["Resources"]["Cluster"]["Properties"]
    assert cluster["CapacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert made["Outputs"]["Capacities"]["Value"] == "fargate,fargate-spot"


@pytest.mark.parametrize(
    "variant", [each for each in VARIANTS if each[0] in INSTANCES], ids=" ".join
)
def test_an_instance_has_the_image_and_the_type_of_its_architecture(template, variant):
    compute, architecture, network = variant
    resources = processed(template, *variant)["Resources"]
    launch = resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    parameter = "resolve:ssm:/aws/service/ecs/optimized-ami" + IMAGES[compute, architecture]
    assert launch["ImageId"] == parameter
    kind = {"ec2": {"x86_64": "c7i.xlarge", "arm64": "c7g.xlarge"}, "gpu": {"x86_64": "g6.xlarge"}}
    assert launch["InstanceType"] == kind[compute][architecture]
    assert launch["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    group = resources["Instances"]["Properties"]
    assert (group["MinSize"], group["MaxSize"]) == ("0", "2")
    assert group["VPCZoneIdentifier"] == subnets_of(network)
    larger = processed(template, *variant, MAX_INSTANCES="5")["Resources"]
    assert larger["Instances"]["Properties"]["MaxSize"] == "5"


@pytest.mark.parametrize("compute", INSTANCES)
def test_instances_and_volumes_carry_the_project_in_the_account_s_bill(template, compute):
    """The stack's own tags reach a group's instances, no volumes. EC2's reference of CreateLaunchTemplate."""
    launch = processed(template, compute, "x86_64", "own")["Resources"]["LaunchTemplate"]
    found = launch["Properties"]["LaunchTemplateData"]["TagSpecifications"]
    tags = [{"Key": "project", "Value": "churn"}]
    assert found == [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")]
    names = policies.of_caller(
        Settings("churn", "us-east-1", capacity=compute), "arn:aws:iam::000000000000:user/a"
    )
    (machines,) = [s for s in policies.network(names)["Statement"] if s["Sid"] == "Machines"]
    assert "ec2:CreateTags" in machines["Action"]
    for kind in ("instance", "volume"):
        assert f"arn:aws:ec2:us-east-1:000000000000:{kind}/*" in machines["Resource"]


@pytest.mark.parametrize("compute", MANAGED)
def test_managed_instances_have_the_tags_of_their_provider(template, compute):
    """ECS's reference of CreateManagedInstancesProviderConfiguration: propagateTags."""
    provider = processed(template, compute, "x86_64", "own")["Resources"]["ManagedCapacityProvider"]
    properties = provider["Properties"]
    assert properties["ManagedInstancesProvider"]["PropagateTags"] == "CAPACITY_PROVIDER"
    assert {"Key": "project", "Value": "churn"} in properties["Tags"]


def test_the_subnets_of_the_stack_s_own_network_are_in_the_zones_that_were_chosen(template):
    """Fn::GetAZs, which stays for who deploys by hand: its order may change when a region gains a zone."""
    given = {**OWN, "ZoneA": "us-east-1b", "ZoneB": "us-east-1d"}
    for zones, found in (
        (given, ["us-east-1b", "us-east-1d"]),
        (OWN, [{"Fn::Select": [each, {"Fn::GetAZs": ""}]} for each in (0, 1)]),
    ):
        made = process(template, zones)["Resources"]
        subnets = [made[name]["Properties"] for name in inputs.SUBNETS]
        assert [each["AvailabilityZone"] for each in subnets] == found
    assert set(inputs.SUBNETS.values()) < set(template["Parameters"])


def subnets_of(network: str) -> list:
    return [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}] if network == "own" else [NAMED["Subnets"]]


@pytest.mark.parametrize("variant", [each for each in VARIANTS if each[0] in MANAGED], ids=" ".join)
def test_managed_instances_follow_architecture_network_and_gpu(template, variant):
    compute, architecture, network = variant
    resources = processed(template, *variant)["Resources"]
    provider = resources["ManagedCapacityProvider"]["Properties"]["ManagedInstancesProvider"]
    assert provider["InfrastructureRoleArn"] == {"Fn::GetAtt": ["InfrastructureRole", "Arn"]}
    launch = provider["InstanceLaunchTemplate"]
    assert launch["Ec2InstanceProfileArn"] == {"Fn::GetAtt": ["InstanceProfile", "Arn"]}
    assert launch["NetworkConfiguration"] == {
        "Subnets": subnets_of(network),
        "SecurityGroups": [{"Ref": "SecurityGroup"}],
    }
    needs = launch["InstanceRequirements"]
    makers = {"x86_64": ["intel", "amd"], "arm64": ["amazon-web-services"]}
    assert needs["CpuManufacturers"] == makers[architecture]
    accelerators = {name: each for name, each in needs.items() if name.startswith("Accelerator")}
    nvidia = {
        "AcceleratorTypes": ["gpu"],
        "AcceleratorManufacturers": ["nvidia"],
        "AcceleratorCount": {"Min": 1},
    }
    assert accelerators == (nvidia if compute in WITH_GPU else {})


@pytest.mark.parametrize("compute", COMPUTES)
def test_a_public_subnet_gives_an_address_only_where_nothing_else_does(template, compute):
    resources = processed(template, compute, "x86_64", "own")["Resources"]
    for name in ("SubnetA", "SubnetB"):
        assert resources[name]["Properties"]["MapPublicIpOnLaunch"] == (compute in MANAGED)


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_each_role_is_narrow_in_the_stack_that_is_made(template, variant):
    made = processed(template, *variant, BOUNDARY="arn:aws:iam::000000000000:policy/b")
    roles = of_type(made, "IAM::Role")
    policies = {
        name: [arn.rpartition("/")[2] for arn in role["ManagedPolicyArns"]]
        for name, role in roles.items()
        if "ManagedPolicyArns" in role
    }
    expected = {}
    if variant[0] in INSTANCES:
        expected = {"InstanceRole": ["AmazonEC2ContainerServiceforEC2Role"]}
    if variant[0] in MANAGED:
        expected = {
            "InstanceRole": ["AmazonECSInstanceRolePolicyForManagedInstances"],
            "InfrastructureRole": ["AmazonECSInfrastructureRolePolicyForManagedInstances"],
        }
        (statement,) = role_statements(roles["InfrastructureRole"])
        assert statement["Action"] == "iam:PassRole"
        assert statement["Resource"] == {"Fn::GetAtt": ["InstanceRole", "Arn"]}
    assert policies == expected
    assumed = {"InstanceRole": "ec2", "InfrastructureRole": "ecs", "SchedulerRole": "scheduler"}
    for name, role in roles.items():
        assert role["PermissionsBoundary"] == "arn:aws:iam::000000000000:policy/b"
        assert "RoleName" not in role  # a name of its own would take CAPABILITY_NAMED_IAM
        (trust,) = statements(role["AssumeRolePolicyDocument"])
        who = f"{assumed.get(name, 'ecs-tasks')}.amazonaws.com"
        assert trust["Principal"] == {"Service": who}


def test_cfn_lint_finds_nothing_in_the_stack_of_any_capacity(template, tmp_path):
    """It does not follow every combination of conditions by itself."""
    names = []
    for variant in VARIANTS:
        path = tmp_path / f"{'-'.join(variant)}.json"
        head = {"AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"]}
        path.write_text(json.dumps(head | processed(template, *variant)))
        names.append(path)
    done = call(BIN / "cfn-lint", *names, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
