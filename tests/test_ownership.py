"""What has the project's name but not its mark stays as it is, in the emulator, by `make` itself.

No container engine is needed: nothing runs here.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from support import copy_project, succeed

NAME, BUCKET = "churn-model", "churn-model-000000000000-us-east-1"
TOPIC = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
OLD_TAGS = [{"Key": "project", "Value": NAME}]


class Sandbox:
    """A project, its emulator, and how to type `make` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        engine = folder.parent / "docker"
        engine.write_text("#!/bin/sh\nexit 0\n")
        engine.chmod(0o755)
        keep = ("PATH", "HOME", "SSL_CERT_FILE", "PIP_CERT", "PIP_CONFIG_FILE", "UV_CACHE_DIR")
        self.environ = {name: os.environ[name] for name in keep if name in os.environ}
        self.environ |= {"DOCKER": str(engine), "SANDBOX": "1"}

    def make(self, *words: str, status: int = 0) -> str:
        """Run make, check its exit status, and return all that it printed."""
        done = subprocess.run(
            ["make", *words], cwd=self.folder, env=self.environ, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == status, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def refused(self, *words: str) -> str:
        """Run a make that must refuse, and return its one sentence."""
        said = self.make(*words, status=2)
        (line,) = (line for line in said.splitlines() if line.startswith("error: "))
        return line.replace("make SANDBOX=1 ", "make ")  # as hints are in the sandbox

    def client(self, service: str) -> Any:
        return boto3.client(
            service, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t",
            endpoint_url=f"http://127.0.0.1:{(self.folder / '.sandbox/port').read_text()}",
        )  # fmt: skip

    @property
    def id(self) -> str:
        return (self.folder / "project-id").read_text().strip()

    def stack(self) -> dict | None:
        """Return the stack of the project's name; None where there is none."""
        cloudformation = self.client("cloudformation")
        try:
            (found,) = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        except cloudformation.exceptions.ClientError:
            return None
        return found

    def create_stack(self, template: str, tags: list, parameters: dict | None = None) -> str:
        """Create a stack of the project's name by other means, and return its id."""
        cloudformation = self.client("cloudformation")
        made = cloudformation.create_stack(
            StackName=NAME, TemplateBody=template, Tags=tags, Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in (parameters or {}).items()
            ],
        )  # fmt: skip
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=NAME, WaiterConfig={"Delay": 1}
        )
        return made["StackId"]


@pytest.fixture(scope="module")
def started(installed: Callable[[str], Path], tmp_path_factory) -> Iterator[Sandbox]:
    folder = copy_project(installed("xgboost"), tmp_path_factory.mktemp("ownership") / NAME)
    sandbox = Sandbox(folder)
    sandbox.make("sandbox")
    yield sandbox
    sandbox.make("sandbox-stop")


@pytest.fixture
def sandbox(started: Sandbox) -> Iterator[Sandbox]:
    """Give the emulator without anything in it."""
    mark = started.id
    yield started
    (started.folder / "project-id").write_text(mark + "\n")
    (started.folder / ".sandbox/stack.json").unlink(missing_ok=True)
    if started.stack():
        started.client("cloudformation").delete_stack(StackName=NAME)
        started.client("cloudformation").get_waiter("stack_delete_complete").wait(
            StackName=NAME, WaiterConfig={"Delay": 1}
        )
    s3 = started.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        for each in s3.list_object_versions(Bucket=bucket["Name"]).get("Versions", []):
            s3.delete_object(Bucket=bucket["Name"], Key=each["Key"], VersionId=each["VersionId"])
        s3.delete_bucket(Bucket=bucket["Name"])
    for each in started.client("ecr").describe_repositories()["repositories"]:
        started.client("ecr").delete_repository(repositoryName=each["repositoryName"], force=True)
    for each in started.client("secretsmanager").list_secrets()["SecretList"]:
        started.client("secretsmanager").delete_secret(
            SecretId=each["Name"], ForceDeleteWithoutRecovery=True
        )


ALL = (["cluster"], ["cluster", "YES=1"], ["destroy"], ["destroy", "YES=1"], ["plan"], ["run"], ["data"],
       ["unschedule", "NAME=n"])  # fmt: skip
FOREIGN = {
    "no tags": ([], "make cluster PROJECT=another-name"),
    "another project's tag": ([{"Key": "project", "Value": "web"}], "make cluster PROJECT="),
    "another id": (
        [*OLD_TAGS, {"Key": "project-id", "Value": "zyxwvutsrqponmlk"}],
        "echo zyxwvutsrqponmlk > project-id",
    ),
    "an id that is none": ([{"Key": "project-id", "Value": "../x y"}], "make cluster PROJECT="),
}


@pytest.mark.parametrize(("tags", "remedy"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_stack_stays_as_it_is_whatever_is_typed(sandbox, tags, remedy):
    sandbox.create_stack(json.dumps(TOPIC), tags)
    before = sandbox.stack()
    for words in ALL:
        said = sandbox.refused(*words)
        assert "the stack 'churn-model' in us-east-1" in said
        assert remedy in said
    assert "[FAIL] the stack 'churn-model'" in sandbox.make("verify", status=2)
    assert sandbox.stack() == before
    assert sandbox.client("cloudformation").list_change_sets(StackName=NAME)["Summaries"] == []
    assert len(sandbox.client("sns").list_topics()["Topics"]) == 1
    assert not (sandbox.folder / ".sandbox/stack.json").exists()


def test_a_stack_that_only_has_the_old_tag_is_not_adopted(sandbox):
    sandbox.create_stack(json.dumps(TOPIC), OLD_TAGS)
    before = sandbox.stack()
    assert "was not made by this project" in sandbox.refused("cluster", "YES=1")
    for words in (["destroy", "YES=1"], ["plan"], ["run"]):
        sandbox.refused(*words)
    assert sandbox.stack() == before


def test_a_foreign_change_set_s_stack_stays_as_it_is(sandbox):
    sandbox.client("cloudformation").create_change_set(
        StackName=NAME,
        ChangeSetName="theirs",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(TOPIC),
    )
    before = sandbox.stack()
    assert before["StackStatus"] == "REVIEW_IN_PROGRESS"
    for words in (["cluster", "YES=1"], ["plan"], ["destroy", "YES=1"]):
        said = sandbox.refused(*words)
        assert "type: aws cloudformation delete-stack --stack-name churn-model" in said
    assert "there is no stack" in sandbox.refused("run")
    assert sandbox.stack() == before
    listed = sandbox.client("cloudformation").list_change_sets(StackName=NAME)["Summaries"]
    assert [each["ChangeSetName"] for each in listed] == ["theirs"]


def test_what_an_interrupted_plan_left_is_the_project_s(sandbox):
    def leave(number: int) -> None:
        sandbox.client("cloudformation").create_change_set(
            StackName=NAME, ChangeSetName=f"plan-{sandbox.id}-{number}", ChangeSetType="CREATE",
            TemplateBody=json.dumps(TOPIC),
        )  # fmt: skip

    leave(1)
    sandbox.make("destroy", "YES=1")
    assert sandbox.stack() is None
    leave(2)
    sandbox.make("plan")
    leave(3)
    sandbox.make("cluster")
    assert sandbox.stack()["StackStatus"] == "CREATE_COMPLETE"
    sandbox.make("destroy", "YES=1")


def test_a_foreign_bucket_stays_as_it_is(sandbox):
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="theirs", Body=b"1")
    for tags in ([], [{"Key": "project", "Value": "web"}], FOREIGN["another id"][0]):
        if tags:
            s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": tags})
        for words in (["cluster"], ["cluster", "YES=1"], ["plan"]):
            assert f"the bucket {BUCKET}" in sandbox.refused(*words)
        sandbox.refused("destroy", "YES=1")
        assert sandbox.stack() is None
    assert s3.get_object(Bucket=BUCKET, Key="theirs")["Body"].read() == b"1"
    assert s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == tags


def test_a_foreign_repository_stays_as_it_is(sandbox):
    ecr = sandbox.client("ecr")
    ecr.create_repository(repositoryName=NAME)
    manifest = {"schemaVersion": 2, "layers": []}
    ecr.put_image(repositoryName=NAME, imageTag="theirs", imageManifest=json.dumps(manifest))
    for words in (["cluster"], ["cluster", "YES=1"]):
        said = sandbox.refused(*words)
        assert "the image repository churn-model was not made by this project" in said
    sandbox.refused("destroy", "YES=1")
    assert sandbox.stack() is None
    assert len(ecr.list_images(repositoryName=NAME)["imageIds"]) == 1


def test_secrets_and_revisions_of_others_stay_when_the_project_goes(sandbox):
    ecs, secrets = sandbox.client("ecs"), sandbox.client("secretsmanager")
    container = {"name": "web", "image": "nginx"}
    theirs = ecs.register_task_definition(family=NAME, containerDefinitions=[container])
    secrets.create_secret(Name=f"{NAME}/THEIRS", SecretString="1")
    sandbox.make("cluster")
    subprocess.run(
        ["make", "secret", "NAME=OURS"], cwd=sandbox.folder, env=sandbox.environ, check=True,
        input="x", text=True, capture_output=True,
    )  # fmt: skip
    done = subprocess.run(
        ["make", "secret", "NAME=THEIRS"], cwd=sandbox.folder, env=sandbox.environ, check=False,
        input="x", text=True, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, "was not made by this project" in done.stderr) == (2, True)
    said = sandbox.make("destroy", "YES=1")
    assert "1 secrets: churn-model/OURS" in said
    assert "this project's mark: churn-model/THEIRS" in said
    assert secrets.get_secret_value(SecretId=f"{NAME}/THEIRS")["SecretString"] == "1"
    assert [each["Name"] for each in secrets.list_secrets()["SecretList"]] == [f"{NAME}/THEIRS"]
    arn = theirs["taskDefinition"]["taskDefinitionArn"]
    assert ecs.list_task_definitions(familyPrefix=NAME)["taskDefinitionArns"] == [arn]
    ecs.deregister_task_definition(taskDefinition=arn)
    ecs.delete_task_definitions(taskDefinitions=[arn])


def test_a_colleague_who_generated_the_same_joins_by_the_line_that_is_said(sandbox):
    sandbox.make("cluster")
    mine = sandbox.id
    assert {"Key": "project-id", "Value": mine} in sandbox.stack()["Tags"]
    (sandbox.folder / "project-id").write_text("acolleaguesownid\n")
    said = sandbox.refused("cluster", "YES=1")
    assert "echo" in sandbox.refused("run")  # what is remembered was another project's
    line = re.search(r"type: (echo .*?), but only", said)[1]
    succeed("/bin/sh", "-c", line, cwd=sandbox.folder)
    assert sandbox.id == mine
    assert "No changes to deploy" in sandbox.make("cluster")
    sandbox.make("destroy", "YES=1")
    assert sandbox.client("s3").list_buckets()["Buckets"] == []


def test_a_stack_from_before_is_adopted_after_asking(sandbox):
    """An update whose tags alone differ is one."""
    sandbox.make("cluster")
    parameters = {
        each["ParameterKey"]: each["ParameterValue"] for each in sandbox.stack()["Parameters"]
    }
    sandbox.make("destroy", "YES=1")
    template = (sandbox.folder / "infrastructure.yaml").read_text()
    made = sandbox.create_stack(template, OLD_TAGS, parameters)
    (sandbox.folder / "project-id").unlink()
    for words in (["destroy", "YES=1"], ["plan"], ["run"]):
        assert "make cluster, which asks first" in sandbox.refused(*words)
    assert "type: make cluster YES=1" in sandbox.refused("cluster")
    assert sandbox.stack()["Tags"] == OLD_TAGS
    sandbox.make("cluster", "YES=1")
    assert sandbox.stack()["StackId"] == made
    assert {"Key": "project-id", "Value": sandbox.id} in sandbox.stack()["Tags"]
    assert "No changes to deploy" in sandbox.make("cluster")
    sandbox.make("destroy", "YES=1")
    assert sandbox.stack() is None


def test_a_kept_bucket_is_the_project_s_alone(sandbox):
    s3 = sandbox.client("s3")
    sandbox.make("cluster")
    s3.put_object(Bucket=BUCKET, Key="churn-model/data/x", Body=b"1")
    sandbox.make("destroy", "YES=1", "KEEP_DATA=1")
    mine = sandbox.id
    (sandbox.folder / "project-id").write_text("acolleaguesownid\n")
    assert f"echo {mine} > project-id" in sandbox.refused("cluster", "YES=1")
    (sandbox.folder / "project-id").write_text(mine + "\n")
    assert "is taken up again" in sandbox.make("cluster")
    assert s3.get_object(Bucket=BUCKET, Key="churn-model/data/x")["Body"].read() == b"1"
    # somebody takes the mark off: then it is no longer ours to empty
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "project", "Value": "web"}]})
    assert f"this project's mark: s3://{BUCKET}" in sandbox.make("destroy", "YES=1")
    assert s3.get_object(Bucket=BUCKET, Key="churn-model/data/x")["Body"].read() == b"1"
