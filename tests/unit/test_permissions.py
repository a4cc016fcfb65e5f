"""`make verify` for who lacks one permission of `make policy`: it names that one, and no other.

By calls: against the emulator, with IAM enforced. By simulation: against a judge that reads the same
policies, behind botocore's own model of the request.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import boto3
import emulators
import pytest
import rules_aws
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from ecs import aws
from ecs.checks import account, permissions, results, verify
from ecs.image import image
from ecs.settings import Settings
from ecs.stack import inputs, policies, stack
from sandbox import __main__ as sandbox
from support import PROJECT, everything

ACCOUNT = "0" * 12
SETTINGS = Settings("churn", "us-east-1", tag="v1", exec=True)
NAMES = policies.Names(SETTINGS, ACCOUNT, "aws")
EVERY = permissions.actions(policies.runs(NAMES))
# As in tests/user.py, and in docs/emulators.md: where the emulator asks for another resource than AWS, and where it
# does not know a condition's key.
CLUSTER, GROUP = NAMES.arn("ecs", "cluster/churn"), NAMES.arn("logs", "log-group:/ecs/churn")
DIFFERENCES = {
    CLUSTER: "ecs:RunTask ecs:StopTask ecs:DescribeTasks ecs:ExecuteCommand ecs:ListTasks",
    GROUP: "logs:GetLogEvents",
    NAMES.arn("scheduler", "schedule/default/*"): "scheduler:CreateSchedule "
    "scheduler:GetSchedule scheduler:UpdateSchedule scheduler:DeleteSchedule",
}
INDEX = {
    "manifests": [{"platform": {"architecture": "amd64"}}],
    "mediaType": "application/vnd.oci.image.index.v1+json",
}


def without(action: str = "") -> list[dict]:
    """Return the statements of `make policy`, one action taken away."""
    found = [
        {"Effect": "Allow", "Action": actions.split(), "Resource": [arn]}
        for arn, actions in DIFFERENCES.items()
    ]
    found += policies.runs(NAMES)["Statement"]
    return [
        {**each, "Action": left}
        for each in found
        if (left := [name for name in each["Action"] if name != action])
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Iterator[Callable[[str], Any]]:
    """Start the emulator, IAM enforced, with a project's stack, image and data; give root's clients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("permissions"))
        sandbox.HOME.mkdir()
        sandbox.install()
        port = sandbox.choose_port()
        (sandbox.HOME / "tmp").mkdir()
        environ = sandbox.environment(port) | {"AUTH": "true"}
        with sandbox.LOG_FILE.open("w") as log:
            line = [sandbox.VENV / "bin/python", "-m", "ministack"]
            server = subprocess.Popen(line, env=environ, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + sandbox.START_LIMIT
            while not sandbox.answers(port):
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")

            def client(service: str) -> Any:
                return boto3.client(
                    service, region_name="us-east-1",
                    aws_access_key_id="test", aws_secret_access_key="test",
                )  # fmt: skip

            deploy(client)
            yield client
        finally:
            server.terminate()
            server.wait(20)


def deploy(client: Callable[[str], Any]) -> None:
    """Make what `make cluster`, `make push` and `make data` make, and a user without a permission."""
    (vpc,) = client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])[
        "Vpcs"
    ]
    subnets = client("ec2").describe_subnets(
        Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    )["Subnets"]
    network = {"VpcId": vpc["VpcId"], "Subnets": ",".join(each["SubnetId"] for each in subnets)}
    emulated = replace(SETTINGS, sandbox=True)
    given = (each.split("=", 1) for each in inputs.parameters(emulated, network))
    client("cloudformation").create_stack(
        StackName="churn",
        TemplateBody=(PROJECT / "infrastructure.yaml").read_text(),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given],
        Capabilities=["CAPABILITY_IAM"],
        Tags=[{"Key": "project-id", "Value": "abcdefghijklmnop"}],
    )
    client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName="churn", WaiterConfig={"Delay": 1}
    )
    client("ecr").put_image(
        repositoryName="churn", imageTag="v1", imageManifest=json.dumps(INDEX),
        imageManifestMediaType=INDEX["mediaType"],
    )  # fmt: skip
    bucket = NAMES.bucket.rpartition(":")[2]
    client("s3").delete_bucket_policy(Bucket=bucket)  # by TLS only, and the emulator has none
    client("s3").put_object(Bucket=bucket, Key="churn/data/train.csv", Body=b"a,b\n1,2\n")
    client("iam").create_user(UserName="runner")


def forget() -> None:
    """Let boto3 look for credentials anew."""
    boto3.setup_default_session()
    aws.session.cache_clear()
    aws.client.cache_clear()


@pytest.fixture(scope="module")
def runner(root, tmp_path_factory) -> Iterator[Settings]:
    """Put a user's key into the environment, and be in a project; give its settings."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "task-definition.json").write_text((PROJECT / "task-definition.json").read_text())
    for name, text in {"aws": "echo aws-cli/2.34.0 Python", "docker": "exit 0"}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    key = root("iam").create_access_key(UserName="runner")["AccessKey"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        patch.setattr(image, "tag", lambda settings: settings.tag)
        forget()
        programs = {name: str(folder / name) for name in ("aws", "docker")}
        yield replace(SETTINGS, **programs, state=str(folder / "state"))
    forget()


@pytest.fixture
def verified(root, runner, capsys) -> Callable[[list[dict]], tuple[int, list[str]]]:
    """Return a function that types `make verify` as a user with these statements."""

    def verified(statements: list[dict]) -> tuple[int, list[str]]:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        root("iam").put_user_policy(UserName="runner", PolicyName="p", PolicyDocument=document)
        stack.cache(runner).unlink(missing_ok=True)  # nothing is remembered
        status = verify.command(runner)
        return status, capsys.readouterr().out.splitlines()

    return verified


def named(lines: list[str], mark: str) -> set[str]:
    """Return the actions in the lines of one kind."""
    found = " ".join(line for line in lines if line.startswith(f"[{mark}]"))
    return set(re.findall(r"\b[a-z0-9]+:[A-Z]\w+", found))


def test_with_the_whole_policy_nothing_fails(verified):
    status, lines = verified(without())
    assert status == 0, lines
    assert {line[:6] for line in lines} == {"[ok]  ", "[skip]"}
    # what no call can show is named too
    assert {*permissions.UNTRIED} & {*EVERY} <= named(lines, "skip")


@pytest.mark.parametrize("action", [each for each in EVERY if each not in permissions.UNTRIED])
def test_the_one_permission_that_is_missing_is_named(verified, action):
    status, lines = verified(without(action))
    assert status == 1
    assert named(lines, "FAIL") == {action}, "\n".join(lines)
    (at,) = (place for place, line in enumerate(lines) if line.startswith("[FAIL]"))
    assert "type: make policy" in lines[at + 1]


def test_nothing_of_it_is_made_or_changed(root, verified):
    before = everything(root)
    assert [key for _, key, _ in before["objects"]] == ["churn/data/train.csv"]
    assert [tag for *_, tag in before["images"]] == ["v1"]
    verified(without())
    assert everything(root) == before


# ---- by simulation


class Judge:
    """IAM as who may simulate meets it: it judges by statements, resources and conditions."""

    def __init__(self, iam: Any, statements: list[dict]) -> None:
        self.shape = iam.meta.service_model.operation_model("SimulatePrincipalPolicy").input_shape
        self.statements = statements

    def simulate_principal_policy(self, **asked: Any) -> dict:
        report = ParamValidator().validate(asked, self.shape)
        assert not report.has_errors(), report.generate_report()
        context = {
            each["ContextKeyName"]: each["ContextKeyValues"] for each in asked["ContextEntries"]
        }
        return {
            "EvaluationResults": [
                {
                    "EvalActionName": action, "EvalResourceName": arn,
                    "EvalDecision": "allowed" if self.allows(action, arn, context) else "implicitDeny",
                }
                for action in asked["ActionNames"]
                for arn in asked["ResourceArns"]
            ]
        }  # fmt: skip

    def allows(self, action: str, arn: str, context: Mapping[str, list[str]]) -> bool:
        return any(
            action in each["Action"]
            and any(fnmatchcase(arn, pattern) for pattern in each["Resource"])
            and all(
                any(
                    fnmatchcase(value, pattern)
                    for value in context.get(key, [])
                    for pattern in ([wanted] if isinstance(wanted, str) else wanted)
                )
                for pairs in each.get("Condition", {}).values()
                for key, wanted in pairs.items()
            )
            for each in self.statements
        )


@pytest.fixture
def judged(monkeypatch, real_client) -> Callable[[str], list[results.Result]]:
    """Return a function that makes both checks for who may simulate, one action taken away."""
    outputs = {
        name: f"arn:aws:iam::{ACCOUNT}:role/churn-{name.removesuffix('Arn')}-1"
        for name in ("ExecutionRoleArn", "TaskRoleArn", "SchedulerRoleArn")
    }
    context = results.Context(
        SETTINGS, {**stack.placeholders(), **outputs}, f"arn:aws:iam::{ACCOUNT}:user/ann"
    )
    monkeypatch.chdir(PROJECT)

    def judged(action: str) -> list[results.Result]:
        left = [
            {**each, "Action": [name for name in each["Action"] if name != action]}
            for each in policies.runs(NAMES)["Statement"]
        ]
        services = {"iam": Judge(real_client("iam"), left)}
        monkeypatch.setattr(
            results.Context, "client", lambda self, name: services.get(name, SimpleNamespace())
        )
        monkeypatch.setattr(permissions, "allowed", lambda client, name, asked: name != action)
        checks = (account.check_permissions, account.check_pass_role)
        return [check(context) for check in checks]

    return judged


@pytest.mark.parametrize("action", EVERY)
def test_iam_itself_names_the_one_that_is_missing(judged, action):
    lines = [line for result in judged(action) for line in result.lines()]
    assert named(lines, "FAIL") == {action}
    assert any("type: make policy" in line for line in lines)


def test_iam_finds_the_whole_policy_whole(judged):
    assert [result.state for result in judged("")] == [results.OK, results.OK]


# ---- what the calls are


def test_there_is_a_call_for_each_action_and_no_other():
    assert set(permissions.calls(NAMES, "0" * 32)) == set(EVERY) - set(permissions.UNTRIED)


def test_a_call_that_is_no_read_names_what_is_not_there():
    digits = "0123456789abcdef" * 2
    for action, parameters in permissions.calls(NAMES, digits).items():
        if not permissions.is_read(action):
            text = json.dumps(parameters, default=str).replace("-", "")
            # RunTask knows no names but numbers: the last that there can be
            absent = f"churn:{2**31 - 1}" if action == "ecs:RunTask" else digits
            assert absent in text, action


@pytest.mark.parametrize(
    ("code", "message", "there"),
    [
        ("AccessDeniedException", "User: u is not authorized to perform: ecs:RunTask on x", False),
        ("AccessDenied", "Access Denied", False),
        ("AccessDeniedException", "u is not authorized to perform: iam:PassRole on y", True),
        ("ClientException", "TaskDefinition not found.", True),
        ("ThrottlingException", "Rate exceeded", True),
    ],
)
def test_access_denied_alone_tells_that_a_permission_is_missing(code, message, there):
    def run_task(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "RunTask")

    assert permissions.allowed(SimpleNamespace(run_task=run_task), "ecs:RunTask", {}) is there


def test_where_there_are_queues_the_calls_of_jobs_are_tried_too():
    names = policies.Names(replace(SETTINGS, max_vcpus="64"), ACCOUNT, "aws")
    every = set(permissions.actions(policies.runs(names)))
    assert {each for each in every if each.startswith("batch:")} == every - set(EVERY) != set()
    made = permissions.calls(names, "0" * 32)
    assert set(made) == every - set(permissions.UNTRIED)
    for action in every - set(EVERY) - set(permissions.UNTRIED):
        assert rules_aws.faults(*action.split(":"), made[action]) == []


def test_each_action_of_the_policy_is_one_that_something_here_calls():
    """What nothing needs is not asked for."""
    text = "".join(
        path.read_text()
        for path in [*PROJECT.glob("ecs/**/*.py"), PROJECT / "Makefile"]
        if path.name not in ("permissions.py", "policy.py", "policies.py")
    )
    # by Docker, which pushes; by the AWS CLI's s3 sync; with the call that makes what they are for
    others = {
        "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload",
        "ecr:PutImage", "ecr:UploadLayerPart", "s3:AbortMultipartUpload", "ecs:TagResource",
        "secretsmanager:TagResource", "batch:TagResource",
    }  # fmt: skip
    known = {
        "ecr:GetAuthorizationToken": "get-login-password", "iam:PassRole": "RoleArn",
        "s3:ListBucket": "list_objects_v2",
    }  # fmt: skip
    names = policies.Names(replace(SETTINGS, max_vcpus="64"), ACCOUNT, "aws")
    for action in set(permissions.actions(policies.runs(names))) - others:
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action.partition(":")[2]).lower()
        words = [known.get(action, snake), snake.replace("_", "-")]
        assert any(word in text for word in words), action


# ---- by calls, against the second emulator, which is more lenient: it looks at actions only


@pytest.fixture(scope="module")
def on_moto(moto) -> Iterator[Callable[[list[dict]], results.Result]]:
    """Return a function that checks the permissions of a user with these statements."""
    account_id = moto.client("sts").get_caller_identity()["Account"]
    bucket = policies.Names(SETTINGS, account_id, "aws").bucket.rpartition(":")[2]
    moto.client("s3").create_bucket(Bucket=bucket)
    moto.client("ecr").create_repository(repositoryName="churn")
    moto.client("ecs").create_cluster(clusterName="churn")
    moto.client("ecs").register_task_definition(
        family="churn", containerDefinitions=[{"name": "train", "image": "x", "memory": 128}]
    )
    moto.client("logs").create_log_group(logGroupName="/ecs/churn")
    moto.client("scheduler").create_schedule_group(Name="churn")
    user = moto.client("iam").create_user(UserName="runner")["User"]
    key = moto.client("iam").create_access_key(UserName="runner")["AccessKey"]

    def checked(statements: list[dict]) -> results.Result:
        allowed = [
            {"Effect": "Allow", "Action": each["Action"], "Resource": "*"} for each in statements
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        moto.client("iam").put_user_policy(
            UserName="runner", PolicyName="p", PolicyDocument=document
        )
        moto.post("reset-auth", "0")
        try:
            return account.check_permissions(results.Context(SETTINGS, arn=user["Arn"]))
        finally:
            moto.post("reset-auth", "Infinity")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        patch.setattr(aws, "TRIES", 1)  # some calls end in a fault of its own, each time
        forget()
        yield checked
    forget()


def test_on_moto_too_nothing_is_made_or_changed(moto, on_moto):
    before = everything(moto.client)
    found = on_moto(without())
    assert (found.state, everything(moto.client)) == (results.SKIP, before)


@pytest.mark.parametrize(
    "action",
    [each for each in EVERY if each not in (*permissions.UNTRIED, *emulators.MOTO_NOT_DENIED)],
)
def test_on_moto_too_the_one_permission_that_is_missing_is_named(on_moto, action):
    found = on_moto(without(action))
    assert (found.state, named(found.lines(), "FAIL")) == (results.FAIL, {action})


# ---- what a lenient implementation takes is taken back


class Lenient:
    """A client to which nothing is invalid; it remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict]] = []

    def __getattr__(self, operation: str) -> Callable:
        def call(**parameters: Any) -> dict:
            self.asked.append((operation, parameters))
            return {"tasks": [{"taskArn": "arn:1"}, {"taskArn": "arn:2"}]}

        return call


def test_what_should_have_failed_and_did_not_is_undone():
    clients: dict[str, Lenient] = {}
    document = permissions.calls(NAMES, "0123456789abcdef" * 2)
    for action in document:
        clients.setdefault(action.partition(":")[0], Lenient())
    assert permissions.tried(clients, document) == set()
    # a task that was started is stopped
    stopped = [asked["task"] for name, asked in clients["ecs"].asked if name == "stop_task"]
    assert {"arn:1", "arn:2"} < set(stopped)
    secret = document["secretsmanager:PutSecretValue"]["SecretId"]
    undone = ("delete_secret", {"SecretId": secret, "ForceDeleteWithoutRecovery": True})
    assert undone in clients["secretsmanager"].asked
    # a schedule or an upload of that name is removed by the last probe of all
    schedule = document["scheduler:UpdateSchedule"]
    assert clients["scheduler"].asked[-1] == (
        "delete_schedule", {name: schedule[name] for name in ("Name", "GroupName")},
    )  # fmt: skip
    part = document["s3:PutObject"]
    assert clients["s3"].asked[-1] == (
        "abort_multipart_upload", {name: part[name] for name in ("Bucket", "Key", "UploadId")},
    )  # fmt: skip


def test_no_call_makes_anything():
    creators = re.compile(r"(Create|Initiate|Put(Image|Object)$|Register|Upload$)")
    made = {
        permissions.OPERATIONS.get(action, action.partition(":")[2])
        for action in permissions.calls(NAMES, "0" * 32)
    }
    assert [each for each in made if creators.match(each)] == []


def test_what_ministack_is_given_beside_stands_among_its_differences():
    """docs/emulators.md names those: tests/test_moto.py."""
    given = " ".join(DIFFERENCES.values()).split()
    assert sorted(given) == sorted(emulators.MINISTACK_RESOURCES)
