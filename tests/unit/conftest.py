"""Stand-ins for AWS: real clients with scripted answers, and a bucket that is a dictionary."""

import importlib
import pkgutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import ecs
import pytest
import rules_aws
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from ecs import aws, console
from ecs.run import locate
from ecs.settings import Settings
from ecs.stack import mark, stack

# all of the program's modules, whichever of them a test calls
MODULES = [
    importlib.import_module(each.name)
    for each in pkgutil.walk_packages(ecs.__path__, "ecs.")
    if not each.name.endswith("__main__")
]

ID = "abcdefghijklmnop"
TAGS = [{"Key": "project", "Value": "churn"}, {"Key": "project-id", "Value": ID}]
OUTPUTS = {
    "Bucket": "the-bucket",
    "Capacities": "fargate,fargate-spot,ec2",
    "CapacityProvider": "the-instances",
    "Cluster": "the-cluster",
    "ClusterArn": "arn:aws:ecs:us-east-1:ACCOUNT:cluster/the-cluster",
    "Exec": "DISABLED",
    "ExecutionRoleArn": "arn:aws:iam::ACCOUNT:role/execution",
    "LogGroup": "/ecs/churn",
    "ProjectId": ID,  # as this machine remembers whose they are
    "PublicIp": "ENABLED",
    "RepositoryUri": "registry.example/churn",
    "SchedulerRoleArn": "arn:aws:iam::ACCOUNT:role/scheduler",
    "SecurityGroup": "sg-1",
    "Subnets": "subnet-1,subnet-2",
    "TaskRoleArn": "arn:aws:iam::ACCOUNT:role/task",
}


@pytest.fixture(autouse=True)
def calls_keep_the_rules(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Look at every call that a test makes, by boto3, by the AWS CLI or of a stand-in: rules_aws.py.

    test_aws.py is about how calls are sent, and makes up its own.
    """
    make, run = BaseClient._make_api_call, subprocess.run

    def looked_at(self: BaseClient, operation: str, asked: dict) -> Any:
        rules_aws.look(self.meta.service_model.service_name, operation, asked)
        return make(self, operation, asked)

    def run_looked_at(words: Any, *others: Any, **options: Any) -> Any:
        if isinstance(words, list):
            rules_aws.look_at_words([str(each) for each in words])
        return run(words, *others, **options)

    monkeypatch.setattr(BaseClient, "_make_api_call", looked_at)
    monkeypatch.setattr(subprocess, "run", run_looked_at)
    rules_aws.FOUND.clear()
    yield
    assert request.module.__name__ == "test_aws" or rules_aws.FOUND == []


@pytest.fixture(autouse=True)
def aimed_at_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget that an earlier test was in the sandbox."""
    monkeypatch.setattr(console, "in_sandbox", False)


@pytest.fixture(autouse=True)
def project_id(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the project its id, and return the file."""
    path = tmp_path_factory.mktemp("id") / "project-id"
    path.write_text(ID + "\n")
    monkeypatch.setattr(mark, "FILE", path)
    return path


@pytest.fixture
def outputs() -> dict[str, str]:
    """Return the stack's outputs."""
    return dict(OUTPUTS)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return what a project has that sets nothing."""
    return Settings("churn", "us-east-1", state=str(tmp_path / "state"))


class NoSuchKey(Exception):
    """What S3 says of an object that is not there."""


class Bucket:
    """As much of S3's client as the programs use. It lists two entries a page."""

    exceptions = SimpleNamespace(NoSuchKey=NoSuchKey)

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ContentType: str,
        IfMatch: str = "",
        IfNoneMatch: str = "",
    ) -> None:
        assert Bucket == OUTPUTS["Bucket"]
        assert IfNoneMatch in ("", "*")
        if IfNoneMatch and Key in self.objects or IfMatch and IfMatch != self.etag(Key):
            error = {"Code": "PreconditionFailed", "Message": "At least one did not hold"}
            raise ClientError({"Error": error}, "PutObject")
        self.objects[Key] = Body

    def etag(self, key: str) -> str:
        return f'"{zlib.crc32(self.objects[key])}"'

    def get_object(self, *, Bucket: str, Key: str) -> dict:
        if Key not in self.objects:
            raise NoSuchKey
        body = self.objects[Key]
        return {"Body": SimpleNamespace(read=lambda: body), "ETag": self.etag(Key)}

    def head_object(self, *, Bucket: str, Key: str) -> dict:
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
        return {"ETag": self.etag(Key), "VersionId": "v1"}

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> dict:
        return next(self.pages(Bucket=Bucket, Prefix=Prefix))

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return SimpleNamespace(paginate=self.pages)

    def pages(self, *, Bucket: str, Prefix: str, Delimiter: str = "") -> Iterator[dict]:
        keys = sorted(key for key in self.objects if key.startswith(Prefix))
        if Delimiter:
            folders = {Prefix + key[len(Prefix) :].partition("/")[0] + "/" for key in keys}
            entries = [{"Prefix": folder} for folder in sorted(folders)]
        else:
            entries = [
                {"Key": key, "Size": len(self.objects[key]), "ETag": self.etag(key)} for key in keys
            ]
        name = "CommonPrefixes" if Delimiter else "Contents"
        for start in range(0, len(entries), 2):
            yield {name: entries[start : start + 2]}
        if not entries:
            yield {}

    def download_file(self, bucket: str, key: str, path: str, Callback: Callable) -> None:
        Path(path).write_bytes(self.objects[key])
        Callback(len(self.objects[key]))


@pytest.fixture(scope="session")
def real_client() -> Callable[[str], Any]:
    """Return a function that gives boto3's client, one a service, with credentials of nobody."""
    made: dict[str, Any] = {}

    def real_client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(
                service,
                region_name="us-east-1",
                aws_access_key_id="nobody",
                aws_secret_access_key="nothing",
            )
        return made[service]

    return real_client


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, real_client) -> Iterator[Any]:
    """Put stand-ins where the programs take their clients from.

    ``cloud.stub(SERVICE)`` gives botocore's Stubber, which checks requests against the service's
    model; ``cloud.bucket`` is S3; anything may be put into ``cloud.services``.
    """
    bucket = Bucket()
    services: dict[str, Any] = {"s3": bucket}
    stubs: dict[str, Stubber] = {}

    def client(_: Settings, service: str) -> Any:
        found = services[service]
        return found if isinstance(found, BaseClient) else rules_aws.Checked(service, found)

    def stub(service: str) -> Stubber:
        if service not in stubs:
            services[service] = real_client(service)
            stubs[service] = Stubber(services[service])
            stubs[service].activate()
        return stubs[service]

    # no credentials are looked for, on this machine or another
    monkeypatch.setattr(stack, "identity", lambda: "of-nobody")
    monkeypatch.setattr(aws, "identity", lambda: "of-nobody")
    monkeypatch.setattr(locate, "sleep", lambda seconds: None)
    for module in MODULES:
        if hasattr(module, "client"):
            monkeypatch.setattr(module, "client", client)
    yield SimpleNamespace(bucket=bucket, services=services, stub=stub)
    for each in stubs.values():
        each.deactivate()
