"""What infrastructure.yaml allows, and to whom: no more than what is written here."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cfnlint.decode.cfn_yaml
import pytest
import yaml
from ecs import policy, stack
from ecs.settings import Settings
from support import PROJECT

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
# What AWS writes and keeps up to date for the agent on a container instance.
MANAGED = {"AmazonEC2ContainerServiceforEC2Role"}


@pytest.fixture(scope="module")
def template() -> dict:
    return plain(cfnlint.decode.cfn_yaml.load(str(FILE)))


def plain(value: Any) -> Any:
    """Return the parsed template without the parser's own types, so that it can be copied."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


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
        for arn in as_list(role.get("ManagedPolicyArns", [])):
            if str(arn).rpartition("/")[2].rstrip("'}") not in MANAGED:
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


NAMES = policy.Names(Settings("churn", "us-east-1"), "TWELVEDIGITS", "aws")


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


def test_github_may_what_make_policy_prints_and_no_more(template):
    found = resolved(role_statements(of_type(template, "IAM::Role")["GitHubRole"]))
    made = [each | {name: as_list(each[name]) for name in ("Action", "Resource")} for each in found]
    assert made == policy.runs(NAMES)["Statement"]


def test_github_is_one_branch_of_one_repository_and_its_tokens_are_for_aws(template):
    role = template["Resources"]["GitHubRole"]
    assert role["Condition"] == "WithGitHub"
    assert template["Parameters"]["GitHub"]["Default"] == ""
    (trust,) = statements(role["Properties"]["AssumeRolePolicyDocument"])
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {  # no pattern: an asterisk would be one
            f"{stack.ISSUER}:aud": stack.AUDIENCE,
            f"{stack.ISSUER}:sub": {"Fn::Sub": "repo:${GitHub}"},
        }
    }
    made, account = branches(trust["Principal"]["Federated"])
    assert made == {"Ref": "GitHubProvider"}
    assert account["Fn::Sub"].endswith(f":oidc-provider/{stack.ISSUER}")


def test_the_account_s_provider_outlives_the_stack(template):
    """Other projects use it too, and there can be only one."""
    provider = template["Resources"]["GitHubProvider"]
    assert (provider["Condition"], provider["DeletionPolicy"]) == (
        "MakeProvider", "RetainExceptOnCreate",
    )  # fmt: skip
    assert provider["Properties"] == {
        "Url": f"https://{stack.ISSUER}",
        "ClientIdList": [stack.AUDIENCE],
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
    (tag,) = rules["checkpoints"]["TagFilters"]
    # training/ writes the tag, and the two never import each other
    source = (PROJECT / "training/checkpoints.py").read_text()
    assert f'TAGS = "{tag["Key"]}={tag["Value"]}"' in source
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
