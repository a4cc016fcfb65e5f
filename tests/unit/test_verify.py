"""``make verify``: a healthy project passes, and each planted fault is found with its remedy.

AWS is scripted through botocore's Stubber, which checks both requests and answers against the
services' models; the AWS CLI and the container engine are programs that answer as told.
"""

import hashlib
import json
import re
import shlex
import shutil
import subprocess
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.parsers import ResponseParserError
from ecs.checks import account, permissions, project, results, verify
from ecs.errors import UserError
from ecs.history import records
from ecs.image import image
from support import PROJECT, options_of

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
NOBODY = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}


def role(name: str, trust: dict = TRUST) -> dict:
    return {
        "Role": {
            "Path": "/", "RoleName": name, "RoleId": "AROAEXAMPLEEXAMPLE", "CreateDate": 0,
            "Arn": f"arn:aws:iam::ACCOUNT:role/{name}",
            "AssumeRolePolicyDocument": json.dumps(trust),
        }
    }  # fmt: skip


def images(**manifest) -> dict:
    return {"images": [{"imageManifest": json.dumps(manifest)}]}


def platforms(*names: str) -> dict:
    return images(manifests=[{"platform": {"architecture": name}} for name in names])


def passing(decision: str, **fields) -> dict:
    result = {"EvalActionName": "iam:PassRole", "EvalDecision": decision, **fields}
    return {"EvaluationResults": [{**result, "EvalResourceName": "arn:aws:iam::ACCOUNT:role/task"}]}


def subnets(*vpcs: str, free: int = 5) -> dict:
    return {"Subnets": [{"VpcId": vpc, "AvailableIpAddressCount": free} for vpc in vpcs]}


def routes(*targets: dict, **association) -> dict:
    table = [{"DestinationCidrBlock": "0.0.0.0/0", "State": "active", **each} for each in targets]
    return {"RouteTables": [{"Associations": [association or {"Main": True}], "Routes": table}]}


def endpoints(*names: str) -> dict:
    names = [f"com.amazonaws.us-east-1.{name}" for name in names]
    return {"VpcEndpoints": [{"ServiceName": name, "State": "available"} for name in names]}


def group(*egress: dict) -> dict:
    return {"SecurityGroups": [{"GroupId": "sg-1", "IpPermissionsEgress": list(egress)}]}


def cluster(status: str, *providers: str) -> dict:
    return {"clusters": [{"status": status, "capacityProviders": list(providers)}]}


def in_region(name: str) -> dict:
    return {"ResponseMetadata": {"HTTPHeaders": {"x-amz-bucket-region": name}}}


IGW, NAT = {"GatewayId": "igw-1"}, {"NatGatewayId": "nat-1"}
OPERATIONS = {
    "identity": ("sts", "get_caller_identity"),
    "stack": ("cloudformation", "describe_stacks"),
    "image": ("ecr", "describe_images"),
    "manifest": ("ecr", "batch_get_image"),
    "layer": ("ecr", "get_download_url_for_layer"),
    "execution": ("iam", "get_role"),
    "task": ("iam", "get_role"),
    "pass": ("iam", "simulate_principal_policy"),
    "scheduler": ("iam", "simulate_principal_policy"),
    "log": ("logs", "describe_log_groups"),
    "bucket": ("s3", "list_objects_v2"),
    "data": ("s3", "list_objects_v2"),
    "secret": ("secretsmanager", "describe_secret"),
    "parameter": ("ssm", "describe_parameters"),
    "cluster": ("ecs", "describe_clusters"),
    "provider": ("ecs", "describe_capacity_providers"),
    "subnets": ("ec2", "describe_subnets"),
    "routes": ("ec2", "describe_route_tables"),
    "endpoints": ("ec2", "describe_vpc_endpoints"),
    "group": ("ec2", "describe_security_groups"),
}
HEALTHY = {
    "identity": {"Arn": "arn:aws:iam::ACCOUNT:user/ann"},
    "image": {"imageDetails": [{"imageDigest": "sha256:" + "0" * 64}]},
    "manifest": platforms("amd64", "unknown"),
    "execution": role("execution"),
    "task": role("task"),
    "pass": passing("allowed"),
    "scheduler": passing("allowed"),
    "log": {"logGroups": [{"logGroupName": "/ecs/churn"}]},
    "bucket": in_region("us-east-1"),
    "data": {"Contents": [{"Key": "churn/data/train.csv"}]},
    "cluster": cluster("ACTIVE", "FARGATE", "FARGATE_SPOT"),
    "subnets": subnets("vpc-1", "vpc-1"),
    "routes": routes(IGW),
    "group": group({"IpProtocol": "-1"}),
}
DENIED = ("AccessDeniedException", "not authorized to perform: something")


class World:
    """A healthy project and account, into which a test plants a fault."""

    def __init__(self, folder: Path, settings, outputs, cloud, capsys) -> None:
        self.folder, self.settings, self.outputs = folder, settings, outputs
        self.cloud, self.capsys = cloud, capsys
        self.status, self.answers = "CREATE_COMPLETE", dict(HEALTHY)
        self.tags = [{"Key": "project-id", "Value": "abcdefghijklmnop"}]

    def described(self) -> dict:
        listed = [{"OutputKey": name, "OutputValue": each} for name, each in self.outputs.items()]
        vpc = [{"ParameterKey": "VpcId", "ParameterValue": "vpc-1"}]
        fields = {"StackName": "churn", "CreationTime": 0, "StackStatus": self.status}
        fields["Tags"] = self.tags
        return {"Stacks": [{**fields, "Outputs": listed, "Parameters": vpc}]}

    def edit(self, old: str, new: str) -> None:
        """Change task-definition.json."""
        path = self.folder / "task-definition.json"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def verify(self, **variables: str) -> tuple[int, list[str]]:
        """Return the exit status and the lines printed."""
        answers = {"stack": self.described(), **self.answers}
        for name, (service, operation) in OPERATIONS.items():
            answer = answers.get(name)
            if isinstance(answer, tuple):
                self.cloud.stub(service).add_client_error(operation, *answer)
            elif answer is not None:
                # a copy: botocore parses the policies where they stand
                self.cloud.stub(service).add_response(operation, deepcopy(answer))
        status = verify.command(replace(self.settings, **variables))
        return status, self.capsys.readouterr().out.splitlines()

    def fault(self, **variables: str) -> tuple[str, str]:
        """Return the one failure's line and its remedy."""
        status, lines = self.verify(**variables)
        assert status == 1, lines
        (at,) = (place for place, line in enumerate(lines) if line.startswith("[FAIL]"))
        assert lines[at + 1].startswith("       type: ")
        return lines[at], lines[at + 1].strip()


@pytest.fixture
def world(tmp_path, monkeypatch, settings, outputs, cloud, capsys) -> World:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(PROJECT / "task-definition.json", folder)
    (folder / "train.py").write_text("")
    for name, text in {"aws": "echo aws-cli/2.34.0 Python", "docker": "exit 0"}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(image, "tag", lambda settings: settings.tag or "v1")
    monkeypatch.setattr(permissions, "lacking", lambda *_: (set(), set()))
    settings = replace(settings, aws=str(folder / "aws"), docker=str(folder / "docker"))
    return World(folder, settings, {**outputs, "LogGroup": "/ecs/churn"}, cloud, capsys)


def test_a_healthy_project_has_only_ok(world):
    status, lines = world.verify()
    assert status == 0
    assert [line for line in lines if not line.startswith("[ok]   ")] == []
    assert len(lines) == len(verify.CHECKS)


# ---- faults that need no account: what is planted, and part of the line and of the remedy

VARIABLES = {
    "a region that there is not": ({"region": "us-esat-1"}, "us-esat-1", "REGION=us-east-1"),
    "a size off the grid": ({"cpu": "1000"}, "CPU=1000", "CPU=1024"),
    "a memory off the grid": ({"memory": "1024"}, "MEMORY=1024", "MEMORY=2048"),
    "an open quotation": ({"args": "--note 'x"}, "ARGS cannot be split", "DRY_RUN=1"),
    "an ENV without a value": ({"env": "A"}, "not NAME=value", "ENV="),
    "data that is not uploaded": ({"data": "elsewhere.csv"}, "below data/", "DATA=data/"),
    "overrides that are too long": ({"env": f"A={'x' * 9000}"}, "8192", "make data"),
    "a script that is not here": ({"script": "trian.py"}, "no trian.py", "SCRIPT=train.py"),
    "no AWS CLI": ({"aws": "nowhere/aws"}, "no AWS CLI", "make install"),
    "a limit that is none": ({"timeout": "soon"}, "TIMEOUT='soon'", "TIMEOUT=3600"),
}


@pytest.mark.parametrize(("variables", "line", "remedy"), VARIABLES.values(), ids=VARIABLES)
def test_a_variable_that_is_wrong(world, variables, line, remedy):
    found, typed = world.fault(offline=True, **variables)
    assert line in found
    assert remedy in typed


EDITS = {
    "no JSON": ('"family"', "family", "not JSON", "task-definition.json"),
    "a misspelt key": ('"essential"', '"esential"', "esential", "make register"),
    "a placeholder of nothing": ("${Project}", "${Nobody}", "placeholder", "make register"),
    "another container": ('"name": "train"', '"name": "main"', "no container", "name it train"),
    "a size that Fargate lacks": ('"4096"', '"1024"', "MEMORY=1024", "make register"),
    "a family of its own": (
        '"${Project}"',
        '"web"',
        "the family is 'web'",
        "make register",
    ),
    "a size in words": ('"1024"', '"1 vCPU"', "whole numbers", "make register"),
}


@pytest.mark.parametrize(("old", "new", "line", "remedy"), EDITS.values(), ids=EDITS)
def test_a_task_definition_that_is_wrong(world, old, new, line, remedy):
    world.edit(old, new)
    found, typed = world.fault(offline=True)
    assert line in found
    assert remedy in typed


@pytest.mark.parametrize("program", ["echo no daemon >&2; exit 1", None], ids=["dead", "missing"])
def test_a_container_engine_that_does_not_answer(world, program):
    path = world.folder / "docker"
    path.write_text(f"#!/bin/sh\n{program}\n") if program else path.unlink()
    found, typed = world.fault(offline=True)
    assert ("no daemon" if program else f"there is no {path}") in found
    assert ("service docker start" if program else "DOCKER=podman") in typed


def test_offline_asks_nobody_and_says_what_it_leaves_out(world):
    world.answers = {}
    world.cloud.services.clear()  # a client would be a KeyError
    status = verify.command(replace(world.settings, offline=True))
    lines = world.capsys.readouterr().out.splitlines()
    assert status == 0
    skipped = [line for line in lines if line.startswith("[skip]")]
    assert len(skipped) == sum(not check.offline for check in verify.CHECKS)
    assert all(line.endswith("needs an account") for line in skipped)
    assert len(lines) - len(skipped) >= 8


# ---- faults in the account

ACCOUNT = {
    "expired credentials": (
        {"identity": ("ExpiredToken", "The security token included in the request is expired")},
        "expired", "aws sso login",
    ),
    "unknown credentials": (
        {"identity": ("InvalidClientTokenId", "The token is invalid")}, "does not know",
        "aws configure",
    ),
    "a role that may not be assumed": (
        {"identity": ("AccessDenied", "not authorized to perform: sts:AssumeRole")}, "AssumeRole",
        "aws sts get-caller-identity",
    ),
    "no stack": (
        {"stack": ("ValidationError", "Stack with id churn does not exist")}, "no stack",
        "make cluster",
    ),
    "no repository": ({"image": ("RepositoryNotFoundException", "no")}, "no repository",
        "make cluster"),
    "no image": ({"image": ("ImageNotFoundException", "no")}, "the image v1", "make push"),
    "an image for the other processor": (
        {"manifest": platforms("arm64")}, "for ARM64, the task for X86_64", "ARCHITECTURE=arm64",
    ),
    "no execution role": (
        {"execution": ("NoSuchEntity", "no")}, "no role execution", "REVERT_DRIFT"
    ),
    "a task role that trusts others": (
        {"task": role("task", NOBODY)}, "does not trust ecs-tasks.amazonaws.com", "REVERT_DRIFT",
    ),
    "iam:PassRole denied": (
        {"pass": passing("implicitDeny")}, "may not hand task to ecs-tasks", "make policy",
    ),
    "the scheduler's role": (
        {"scheduler": passing("implicitDeny")}, "to scheduler.amazonaws.com (iam:PassRole)",
        "make policy",
    ),
    "no log group": (
        {"log": {"logGroups": [{"logGroupName": "/ecs/churn-2"}]}}, "no log group /ecs/churn",
        "aws logs create-log-group --log-group-name /ecs/churn",
    ),
    "no bucket": ({"bucket": ("NoSuchBucket", "no")}, "no bucket", "aws s3 mb s3://the-bucket"),
    "a bucket of another region": (
        {"bucket": in_region("eu-west-1")}, "eu-west-1", "REGION=eu-west-1"
    ),
    "data that was not uploaded": ({"data": {}}, "s3://the-bucket/churn/data", "make data"),
    "no cluster": ({"cluster": {"clusters": []}}, "MISSING", "aws ecs create-cluster"),
    "a cluster that was deleted": ({"cluster": cluster("INACTIVE")}, "INACTIVE",
        "aws ecs create-cluster --cluster-name the-cluster"),
    "no subnet": (
        {"subnets": ("InvalidSubnetID.NotFound", "'subnet-1' does not exist"), "routes": None},
        "'subnet-1' does not exist", "make cluster VPC=",
    ),
    "subnets of two VPCs": (
        {"subnets": subnets("vpc-1", "vpc-2"), "routes": None}, "vpc-1 and vpc-2", "make cluster VPC=",
    ),
    "subnets without a free address": (
        {"subnets": subnets("vpc-1", free=0), "routes": None}, "free address", "make cluster VPC="
    ),
    "a gateway that was deleted": (
        {"routes": routes({"NatGatewayId": "nat-1", "State": "blackhole"})}, "deleted", "SUBNETS=",
    ),
    "no route and no endpoints": (
        {"routes": routes(), "endpoints": endpoints("s3", "logs")}, "ecr.api, ecr.dkr", "SUBNETS=",
    ),
    "a table of its own without a route": (
        {"routes": {"RouteTables": [*routes(IGW)["RouteTables"],
            *routes(SubnetId="subnet-2")["RouteTables"]]}, "endpoints": endpoints()},
        "subnet subnet-2: no route", "SUBNETS=",
    ),
    "no security group": (
        {"group": ("InvalidGroup.NotFound", "no")}, "no security group sg-1", "REVERT_DRIFT",
    ),
    "a security group that lets nothing out": (
        {"group": group({"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80})}, "no HTTPS out",
        "REVERT_DRIFT",
    ),
    "throttling": (
        {"cluster": ("ThrottlingException", "Rate exceeded")}, "too many requests", "make verify, again"
    ),
    "an error that nobody knows": (
        {"log": ("SomethingNew", "Martians")}, "Martians", "make verify again"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("answers", "line", "remedy"), ACCOUNT.values(), ids=ACCOUNT)
def test_a_fault_in_the_account(world, answers, line, remedy):
    world.answers |= answers
    found, typed = world.fault()
    assert line in found
    assert remedy in typed


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("ROLLBACK_COMPLETE", "make destroy, then make cluster"),
        ("UPDATE_IN_PROGRESS", "make verify"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback"),
    ],
)
def test_a_stack_that_is_not_complete(world, status, remedy):
    world.status = status
    found, typed = world.fault()
    assert status in found
    assert remedy in typed


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS"])
@pytest.mark.parametrize(
    ("value", "line", "remedy"),
    [
        ("another-project", "whose id is another-project", "echo another-project > "),
        ("", "was not made by this project", "make cluster PROJECT=another-name"),
    ],
)
def test_a_stack_of_somebody_else_s(world, status, value, line, remedy):
    world.status = status
    world.tags = [{"Key": "project-id", "Value": value}] if value else []
    found, typed = world.fault()
    assert line in found
    assert remedy in typed


def test_a_stack_of_an_older_template(world):
    del world.outputs["LogGroup"]
    found, typed = world.fault()
    assert "no output LogGroup" in found
    assert typed == "type: make cluster"


def test_an_internet_gateway_without_public_addresses(world):
    world.outputs["PublicIp"] = "DISABLED"
    found, typed = world.fault()
    assert "takes a public address" in found
    assert typed == "type: make cluster PUBLIC_IP=ENABLED"


def test_spot_that_is_not_attached(world):
    world.answers["cluster"] = cluster("ACTIVE", "FARGATE")
    found, typed = world.fault(capacity="fargate-spot")
    assert "FARGATE_SPOT not attached" in found
    assert "aws ecs put-cluster-capacity-providers" in typed
    assert "FARGATE FARGATE_SPOT" in typed


def test_a_stack_without_instances_for_ec2(world):
    world.outputs["Capacities"] = "fargate,fargate-spot"
    found, typed = world.fault(capacity="ec2")
    assert "CAPACITY=ec2: the stack has fargate, fargate-spot only" in found
    assert typed == "type: make cluster CAPACITY=ec2"


def test_instances_that_are_not_attached(world):
    found, typed = world.fault(capacity="ec2")
    assert "the-instances not attached" in found
    # to CloudFormation it is attached, so make cluster would change nothing
    assert "put-cluster-capacity-providers" in typed
    assert "FARGATE FARGATE_SPOT the-instances" in typed
    world.answers["cluster"] = cluster("ACTIVE", "FARGATE", "FARGATE_SPOT", "the-instances")
    status, lines = world.verify(capacity="ec2")
    assert status == 0
    assert "[ok]   cluster the-cluster, with the-instances" in lines


def managed(world, status: str = "ACTIVE", public: bool = True) -> None:
    world.outputs["Capacities"] = "fargate,fargate-spot,managed"
    world.answers["provider"] = {"capacityProviders": [{"name": "the-instances", "status": status}]}
    found = {"VpcId": "vpc-1", "SubnetId": "subnet-1", "AvailableIpAddressCount": 5}
    world.answers["subnets"] = {"Subnets": [{**found, "MapPublicIpOnLaunch": public}]}


def test_managed_instances_are_found_where_the_cluster_does_not_name_them(world):
    managed(world)
    status, lines = world.verify(capacity="managed")
    assert status == 0
    assert "[ok]   cluster the-cluster, with the-instances" in lines
    managed(world, "INACTIVE")
    found, typed = world.fault(capacity="managed")
    assert "the-instances not attached" in found
    assert typed == "type: make cluster CAPACITY=managed"


def test_managed_instances_without_a_public_address(world):
    managed(world, public=False)
    del world.answers["routes"]  # nobody asks
    found, typed = world.fault(capacity="managed")
    assert "subnet-1: ECS Managed Instances get no public address there" in found
    assert "--subnet-id subnet-1 --map-public-ip-on-launch" in typed
    world.outputs["PublicIp"] = "DISABLED"
    world.answers["routes"] = routes(NAT)
    assert world.verify(capacity="managed")[0] == 0


def test_an_image_for_cpus_where_a_gpu_is_paid_for(world):
    managed(world)
    world.outputs["Capacities"] = "fargate,fargate-spot,managed-gpu"
    found, typed = world.fault(capacity="managed-gpu")
    assert "computes on no GPU" in found
    assert typed == "type: CAPACITY=ec2"
    Path("requirements-cuda.txt").write_text("")
    found, typed = world.fault(capacity="managed-gpu")
    assert "the image has the build for CPUs" in found
    assert 'type: make push EXTRAS="cuda"' in typed


def test_a_task_role_of_the_user_s_own_that_is_not_there(world):
    world.answers["task"] = ("NoSuchEntity", "no")
    found, typed = world.fault(task_role="reader")
    assert "no role reader" in found
    assert "TASK_ROLE=" in typed


SECRET = "arn:aws:secretsmanager:us-east-1:ACCOUNT:secret:token-a1b2c3"


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (f"{SECRET}:key::", {"secret": ("ResourceNotFoundException", "no")}),
        (SECRET, {"secret": {"Name": "token", "DeletedDate": 1}}),
        ("/churn/token", {"parameter": {"Parameters": []}}),
    ],
    ids=["a secret", "a secret that was deleted", "a parameter"],
)
def test_a_secret_that_is_not_there(world, value, answer):
    secrets = json.dumps([{"name": "TOKEN", "valueFrom": value}])
    world.edit('"environment": []', f'"environment": [], "secrets": {secrets}')
    world.answers |= answer
    found, typed = world.fault()
    assert f"no secret {value}" in found
    assert "task-definition.json, then make register" in typed


# ---- what is no fault


@pytest.mark.parametrize(
    "answers",
    [
        {"routes": routes(NAT)},
        {"routes": routes(), "endpoints": endpoints("s3", "logs", "ecr.api", "ecr.dkr")},
        {"manifest": platforms("arm64", "amd64")},
        {"group": group({"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535})},
    ],
    ids=["NAT", "endpoints", "both processors", "all ports"],
)
def test_what_is_as_good(world, answers):
    world.answers |= answers
    status, lines = world.verify()
    assert (status, {line[:6] for line in lines}) == (0, {"[ok]  "})


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_processor_of_a_plain_image_is_in_its_configuration(world, architecture):
    path = world.folder / "config.json"
    path.write_text(json.dumps({"architecture": architecture}))
    digest = "sha256:" + "1" * 64
    world.answers["manifest"] = images(config={"digest": digest})
    world.answers["layer"] = {"downloadUrl": path.as_uri(), "layerDigest": digest}
    status, lines = world.verify()
    assert status == (architecture != "amd64"), lines


def test_a_session_is_judged_by_its_role(world):
    arn = "arn:aws:sts::ACCOUNT:assumed-role/admin/ann"
    context = results.Context(world.settings, world.outputs, arn)
    world.cloud.stub("iam").add_response("get_role", role("admin"), {"RoleName": "admin"})
    assert account.policy_source(context) == "arn:aws:iam::ACCOUNT:role/admin"


def test_handing_on_is_judged_though_the_roles_may_not_be_looked_at(world):
    world.answers |= {"execution": DENIED, "task": DENIED, "pass": passing("implicitDeny")}
    found, _ = world.fault()
    assert "iam:PassRole" in found


@pytest.mark.parametrize(
    "name",
    ["stack", "image", "bucket", "pass", "log", "execution", "routes", "cluster", "manifest"],
)
def test_what_may_not_be_looked_at_is_skipped(world, name):
    """What a run needs of it the permissions name: tests/unit/test_permissions.py."""
    world.answers[name] = DENIED
    status, lines = world.verify()
    assert status == 0
    assert any(re.match(r"\[skip\] .*may not see", line) for line in lines)
    assert not any(line.startswith("[FAIL]") for line in lines)


def test_permissions_that_are_missing_are_all_in_one_line(world, monkeypatch):
    lacking = {"s3:PutObject", "ecs:RunTask"}, {"ecs:TagResource"}
    monkeypatch.setattr(permissions, "lacking", lambda *_: lacking)
    found, typed = world.fault()
    assert found == "[FAIL] permissions: this identity may not ecs:RunTask, s3:PutObject"
    assert typed.startswith("type: make policy, and ask an administrator to attach")


def test_a_workflow_that_aws_does_not_trust_is_told_by_verify_too(world, monkeypatch):
    world.answers["identity"] = ("AccessDenied", "Not authorized")
    monkeypatch.setattr(
        verify, "distrust", lambda error: "AWS trusts others; type: make cluster GITHUB=o/n"
    )
    assert world.fault() == (
        "[FAIL] AWS trusts others", "type: make cluster GITHUB=o/n",
    )  # fmt: skip


def test_an_answer_that_is_not_aws_s_fails_its_own_check_only(world, monkeypatch):
    """A proxy's page: botocore cannot read it, and its error is none of those of AWS's."""

    def lacking(*_: object) -> None:
        raise ResponseParserError("Unable to parse response, invalid XML received:\nb'<html>'")

    monkeypatch.setattr(permissions, "lacking", lacking)
    assert world.fault() == (
        "[FAIL] permissions: what answered is not AWS, but perhaps a proxy",
        "type: env | grep -i proxy, then make verify",
    )


def test_the_root_user_is_asked_for_nothing(world, monkeypatch):
    world.answers["identity"] = {"Arn": "arn:aws:iam::ACCOUNT:root"}
    monkeypatch.setattr(permissions, "lacking", None)
    status, lines = world.verify()
    assert "[ok]   permissions: the account's root user has all" in lines
    assert status == 0


def test_a_simulation_with_conditions_decides_nothing(world):
    world.answers["pass"] = passing("implicitDeny", MissingContextValues=["aws:SourceIp"])
    status, lines = world.verify()
    assert status == 0
    assert any(line.startswith("[skip] iam:PassRole") for line in lines)


def test_what_depends_on_a_failed_check_is_skipped_and_says_so(world):
    world.answers["identity"] = ("ExpiredToken", "is expired")
    _, lines = world.verify()
    assert "[skip] stack: depends on credentials, above" in lines
    assert "[skip] way out: depends on subnets, above" in lines


# ---- before a run


def test_before_a_run_every_cheap_fault_is_named_and_only_the_bucket_is_asked(world):
    world.cloud.services.clear()
    world.cloud.stub("s3").add_response("list_objects_v2", deepcopy(HEALTHY["data"]))
    verify.before_run(world.settings, world.outputs)
    world.cloud.stub("s3").add_response("list_objects_v2", {})
    with pytest.raises(
        UserError, match=r"no s3://.*/data/train.csv \(channel train\); type: make data"
    ):
        verify.before_run(world.settings, world.outputs)
    world.outputs["Capacities"] = "fargate,fargate-spot"
    with pytest.raises(UserError) as error:
        verify.before_run(replace(world.settings, capacity="ec2", args="'"), world.outputs)
    first, second = str(error.value).splitlines()
    assert first.startswith("ARGS cannot be split")
    assert second == (
        "CAPACITY=ec2: the stack has fargate, fargate-spot only; type: make cluster CAPACITY=ec2"
    )


SCRIPTS = {
    # SCRIPT, what is found, what to type
    "a file": ("train.py", "ok", "train.py goes into the image"),
    "one with a dot in front": ("./train.py", "ok", "./train.py goes into the image"),
    "a module": ("jobs.run", "ok", "jobs.run goes into the image"),
    "a package": ("jobs", "ok", "jobs goes into the image"),
    "one that is kept out": (
        "notes.bin",
        "FAIL",
        "echo '!notes.bin' >> .dockerignore, then make push",
    ),
    "one with a quote": (
        "./it's.bin",
        "FAIL",
        """echo '!it'"'"'s.bin' >> .dockerignore, then make push""",
    ),
    "a typing error": ("jobs/rum.py", "FAIL", "make run SCRIPT=jobs/run.py"),
    "a blank": ("my scrip.sh", "FAIL", "make run SCRIPT='my script.sh'"),
    "nothing near": ("x", "FAIL", "make run SCRIPT="),
    "the machinery": ("matrics.py", "FAIL", "make run SCRIPT=train.py"),
}


@pytest.mark.parametrize(("script", "state", "words"), SCRIPTS.values(), ids=SCRIPTS)
def test_the_script_must_be_in_the_image(world, script, state, words):
    shutil.copy(PROJECT / ".dockerignore", ".")
    for name in (
        "jobs/__main__.py",
        "jobs/run.py",
        "notes.bin",
        "it's.bin",
        "my script.sh",
        "job/matrix.py",
    ):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("")
    context = results.Context(replace(world.settings, script=script), world.outputs)
    found = project.check_script(context)
    assert found.state == state
    assert words in (found.text if state == "ok" else found.remedy)
    if words.startswith("echo "):  # what was typed does it
        subprocess.run(words.partition(", then")[0], shell=True, check=True)
        assert project.check_script(context).state == "ok"


@pytest.mark.parametrize(
    ("lock", "extras", "typed"),
    [
        ("", "", 'make add PACKAGE="pandas mlflow", then make push'),
        ("pandas==3\n", "", 'make add PACKAGE="mlflow", then make push'),
        ("pandas==3\n", "mlflow", ""),
    ],
)
def test_the_packages_must_be_in_the_image(world, lock, extras, typed):
    Path("train.py").write_text("import pandas, mlflow, json")
    Path("requirements.txt").write_text(lock)
    Path("requirements-mlflow.txt").write_text("mlflow==3\n")
    context = results.Context(replace(world.settings, extras=extras), world.outputs)
    found = project.check_packages(context)
    assert found.remedy == typed
    assert found.state == ("FAIL" if typed else "ok")
    context = results.Context(replace(world.settings, script="none.py"), world.outputs)
    assert project.check_packages(context).state == "skip"
    context = results.Context(replace(world.settings, tag="v1"), world.outputs)
    assert (project.check_packages(context).state, project.check_script(context).state) == (
        "skip",
        "skip",
    )


UPLOADED = {
    # DATA, the keys in the bucket, what is missing, what to type
    "a file": ("data/a.csv", ["data/a.csv"], None, None),
    "a longer name is another": ("data/a.csv", ["data/a.csv.bak"], "data/a.csv (channel train)", "make data"),
    "a folder": ("data/a", ["data/a/x.csv"], None, None),
    "a folder behind a name that goes on": ("data/a", ["data/a-b.csv", "data/a/x.csv"], None, None),
    "no such folder": ("data/a", ["data/a-b.csv"], "data/a (channel train)", "make data"),
    "a pattern": ("data/*.csv", ["data/a.txt", "data/b.csv"], None, None),
    "a pattern of nothing": ("data/*.csv", ["data/a.txt", "data/x/b.csv"], "data/*.csv", "make data"),
    "a run": ("x=data/a model=runs/ID", ["data/a", "runs/ID/m"], None, None),
    "no such run": ("x=data/a model=runs/ID", ["data/a", "runs/ID2/m"], "runs/ID/ (channel model)", "make runs"),
    "an address of ones own": ("s3://the-bucket/churn/data/b", [], "churn/data/b", "make data"),
    "one outside of the project": ("s3://the-bucket/x", ["../x"], None, None),
    "an address elsewhere": ("s3://other/x", [], None, None),
    "none of the bucket's": ("https://h/x", [], None, None),
    "the latest": ("model=latest", ["runs/1/m", "runs/2/m"], None, None),
}  # fmt: skip


@pytest.mark.parametrize(("text", "keys", "missing", "typed"), UPLOADED.values(), ids=UPLOADED)
def test_what_data_names_must_be_in_the_bucket(world, monkeypatch, text, keys, missing, typed):
    monkeypatch.setattr(records, "latest", lambda *_: "2")
    for key in keys:
        world.cloud.bucket.objects[("churn/" + key).replace("churn/../", "")] = b"x"
    context = results.Context(replace(world.settings, data=text), world.outputs)
    found = account.check_data(context)
    if missing is None:
        assert (found.state, found.remedy) == ("skip" if not keys else "ok", "")
    else:
        assert found.text.startswith("there is no s3://the-bucket/")
        assert missing in found.text
        assert found.remedy == typed


def test_a_pattern_among_more_than_a_page_may_be_there(world):
    world.cloud.services["s3"] = SimpleNamespace(
        list_objects_v2=lambda **_: {"Contents": [{"Key": "churn/data/a"}], "IsTruncated": True}
    )
    context = results.Context(replace(world.settings, data="'data/*.csv'"), world.outputs)
    assert account.check_data(context).state == "ok"


def test_a_table_that_differs_is_told_with_both_ways_on(world):
    """By the second way, what was uploaded is trained on: it is not compared again."""
    Path("data").mkdir()
    Path("data/a b.csv").write_text("new")
    prefix = "s3://the-bucket/churn"
    world.cloud.bucket.objects |= {"churn/data/a b.csv": b"old", "churn/runs/ID/m": b"x"}
    settings = replace(world.settings, data="train='data/a b.csv' model=runs/ID")
    found = account.check_data(results.Context(settings, world.outputs))
    assert found.text == "data/a b.csv differs from what was uploaded"
    way, other = found.remedy.split(", or, to train on what was uploaded: make run ")
    assert way == "make data"
    (word,) = shlex.split(other)
    assert word == f"DATA='train={prefix}/data/a b.csv' model=runs/ID"
    settings = replace(settings, data=word.removeprefix("DATA="))
    found = account.check_data(results.Context(settings, world.outputs))
    assert found.text == f"data {prefix}/data/a b.csv, {prefix}/runs/ID/"


def test_an_example_that_differs_is_not_uploaded_but_removed(world):
    """`make data` would refuse it: it is what a fresh clone has."""
    Path("data").mkdir()
    Path("data/train.csv").write_text("new")
    Path("data/b.csv").write_text("mine")
    digest = hashlib.sha256(b"new").hexdigest()
    Path("data/.example").write_text(json.dumps({"data/train.csv": digest}))
    world.cloud.bucket.objects |= {"churn/data/train.csv": b"old", "churn/data/b.csv": b"old"}
    found = account.check_data(results.Context(world.settings, world.outputs))
    assert found.text == "data/train.csv differs from what was uploaded"
    assert found.remedy.startswith("rm data/train.csv, or, to train on what was uploaded: make run")
    settings = replace(world.settings, data="data")
    found = account.check_data(results.Context(settings, world.outputs))
    assert found.text == "data/b.csv, data/train.csv differs from what was uploaded"
    assert found.remedy.startswith("make data, or, to train")


# ---- remedies


def test_every_target_and_variable_that_a_remedy_names_is_in_the_makefile():
    text = "".join(each.read_text() for each in (PROJECT / "ecs/checks").glob("*.py"))
    makefile = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"\bmake (?!it\b|the\b)([a-z]+)\b", text))
    assert {"cluster", "push", "data", "verify"} <= targets
    assert targets <= set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    variables = set(re.findall(r"make [a-z]+ ([A-Z_]+)=", text))
    assert {"VPC", "PUBLIC_IP"} <= variables
    assert variables <= set(options_of(PROJECT))
