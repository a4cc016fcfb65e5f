"""The targets against moto, a second emulator: what only ministack takes must not pass for AWS's.

One project, one account: the tests run in the order in which they stand here. What moto lacks stands in
tests/emulators.py and docs/emulators.md.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import emulators
import processed
import pytest
from cfnlint.decode import cfn_yaml
from support import PROJECT, ROOT, Moto, call, copy_project, everything

NAME = "churn-model"
# an index of no images; a registry takes it without a layer
INDEX = {
    "manifests": [{"platform": {"architecture": "amd64"}}],
    "mediaType": "application/vnd.oci.image.index.v1+json",
}


def flattened(given: dict[str, str], account: str) -> dict:
    """Return the template with conditions decided, parameters filled in, and without what moto lacks.

    moto takes AWS::NoValue within a list for a fault.
    """
    template = processed.plain(cfn_yaml.load(str(PROJECT / "infrastructure.yaml")))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS::AccountId": account, "AWS::StackName": NAME}.items():
            patch.setitem(processed.PSEUDO, name, value)
        made = processed.process(template, given)
    made["Resources"] = {
        name: each
        for name, each in made["Resources"].items()
        if each["Type"] not in emulators.MOTO_RESOURCES
    }
    made |= {each: template[each] for each in ("Description", "Parameters")}
    group = f"arn:aws:scheduler:us-east-1:{account}:schedule-group/{NAME}"
    text = json.dumps(made, default=str).replace(
        '{"Fn::GetAtt": ["Schedules", "Arn"]}', json.dumps(group)
    )
    return json.loads(text.replace(emulators.MOTO_DELETES, "Retain"))


@dataclass
class Project:
    """A generated project, and an account of moto's."""

    folder: Path
    moto: Moto

    def client(self, service: str) -> Any:
        """Return a client of the account."""
        return self.moto.client(service)

    def make(self, *words: str, status: int = 0, stdin: str = "") -> CompletedProcess[str]:
        """Run make and check its exit status."""
        keep = ("PATH", "HOME", "SSL_CERT_FILE", "UV_CACHE_DIR")
        environ = {name: os.environ[name] for name in keep if name in os.environ} | {
            "AWS_ENDPOINT_URL": self.moto.endpoint,
            "AWS_ACCESS_KEY_ID": "root",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
        done = call("make", *words, cwd=self.folder, env=environ, stdin=stdin)
        assert done.returncode == status, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    def changes_nothing(self, *words: str, status: int = 0) -> CompletedProcess[str]:
        """Run make and compare all that there is before and after."""
        before = everything(self.client)
        done = self.make(*words, status=status)
        assert everything(self.client) == before
        return done


@pytest.fixture(scope="module")
def project(installed: Callable[[str], Path], moto: Moto, tmp_path_factory) -> Project:
    """Give a project in a repository, in an account that has run ECS before, and nothing else."""
    folder = copy_project(installed("xgboost"), tmp_path_factory.mktemp("moto") / NAME)
    engine = folder.parent / "docker"
    engine.write_text("#!/bin/sh\n")
    engine.chmod(0o755)
    # AWS of the environment's own: the same version everywhere
    (folder / ".env").write_text(f"DOCKER = {engine}\nAWS = .venv/bin/aws\n")
    # moto adds up the memory of the containers, which ECS on Fargate does not ask for
    path = folder / "task-definition.json"
    definition = json.loads(path.read_text())
    definition["containerDefinitions"][0]["memory"] = 1024
    path.write_text(json.dumps(definition))
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "generated"]):
        assert call("git", *words, cwd=folder, env=dict(os.environ)).returncode == 0
    moto.client("iam").create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    return Project(folder, moto)


def test_a_policy_and_a_plan_change_nothing(project):
    statements = json.loads(project.changes_nothing("policy").stdout)["Statement"]
    assert "ecs:RunTask" in [name for each in statements for name in each["Action"]]
    planned = project.changes_nothing("plan")
    assert re.search(r"^create +AWS::S3::Bucket +Bucket$", planned.stdout, re.MULTILINE)
    assert "could not be made" not in planned.stderr


def test_cluster_makes_the_stack_and_says_if_it_has_no_outputs(project):
    account = project.client("sts").get_caller_identity()["Account"]
    (vpc,) = project.client("ec2").describe_vpcs()["Vpcs"]
    subnets = project.client("ec2").describe_subnets()["Subnets"]
    network = {"VpcId": vpc["VpcId"], "Subnets": ",".join(each["SubnetId"] for each in subnets)}
    template = flattened(network, account)
    path = project.folder / "infrastructure.yaml"
    path.write_text(json.dumps(template))
    done = project.make("cluster", status=2)
    assert "could not be made" not in done.stderr  # the role of ECS is there
    # moto gives no outputs to a stack that a change set made, but to one that was updated without
    assert "is not complete" in done.stderr
    template["Description"] += " "
    path.write_text(json.dumps(template))
    project.client("cloudformation").update_stack(
        StackName=NAME, TemplateBody=path.read_text(), Capabilities=["CAPABILITY_IAM"]
    )
    project.client("scheduler").create_schedule_group(Name=NAME)
    printed = project.make("cluster").stdout
    assert f"Bucket             {NAME}-{account}-us-east-1\n" in printed
    assert re.search(
        rf"^TaskRoleArn +arn:aws:iam::{account}:role/{NAME}-TaskRole-", printed, re.MULTILINE
    )


def test_what_is_uploaded_once_is_not_uploaded_again(project):
    assert "2 uploaded" in project.make("data").stderr
    assert "0 uploaded, 0 deleted, 2 unchanged" in project.changes_nothing("data").stderr


def test_a_secret_is_made_and_changed(project):
    for value, done in (("one", "created"), ("two", "updated")):
        said = project.make("secret", "NAME=KEY", stdin=f"{value}\n").stderr
        assert f"secret {NAME}/KEY {done}" in said
        found = project.client("secretsmanager").get_secret_value(SecretId=f"{NAME}/KEY")
        assert found["SecretString"] == value


def test_a_task_definition_needs_the_image_and_is_registered_once(project):
    said = project.make("register", status=2).stderr
    tag = re.search(
        r"the image (\S+) of what is in this folder is not in \S+; type: make push", said
    )
    project.client("ecr").put_image(
        repositoryName=NAME, imageTag=tag[1], imageManifest=json.dumps(INDEX),
        imageManifestMediaType=INDEX["mediaType"],
    )  # fmt: skip
    assert f"{NAME}:1 (new)" in project.make("register").stderr
    assert f"{NAME}:1 (unchanged)" in project.changes_nothing("register").stderr


def failed(done: CompletedProcess[str]) -> list[tuple[str, str]]:
    """Return what checks found wrong, and what to type."""
    return re.findall(r"^\[FAIL\] (.*)\n +type: (.*)$", done.stdout, re.MULTILINE)


def test_verify_changes_nothing_and_finds_what_moto_lacks(project):
    found = failed(project.changes_nothing("verify", status=2))
    unread = "what answered is not AWS, but perhaps a proxy"
    again = "env | grep -i proxy, then make verify"
    # moto does not know SimulatePrincipalPolicy, and answers with a page
    assert found[:2] == [(f"{name}: {unread}", again) for name in emulators.MOTO_CHECKS[:2]]
    (cluster, command), (subnets, _) = found[2:]
    assert "no route out, and no endpoint" in subnets
    # the stack's association is one of the resources that moto lacks; what to type attaches it
    assert cluster == f"cluster {NAME} has FARGATE not attached"
    assert command.startswith("aws ecs put-cluster-capacity-providers")
    provided = re.search(r"--capacity-providers (\S+)", command)[1]
    project.client("ecs").put_cluster_capacity_providers(
        cluster=NAME, capacityProviders=[provided], defaultCapacityProviderStrategy=[]
    )
    assert [text for text, _ in failed(project.make("verify", status=2))] == [
        text for text, _ in (*found[:2], found[3])
    ]


def test_a_schedule_is_made_changed_listed_and_deleted(project):
    for cron, done in (("rate(1 day)", "created"), ("rate(2 days)", "updated")):
        assert (
            f"schedule n {done}: {cron}"
            in project.make("schedule", "NAME=n", f"CRON={cron}").stderr
        )
        assert cron in project.changes_nothing("schedules").stdout
        made = project.client("scheduler").get_schedule(Name="n", GroupName=NAME)
        assert made["ScheduleExpression"] == cron
    project.make("unschedule", "NAME=n")
    assert project.client("scheduler").list_schedules()["Schedules"] == []


def test_a_run_is_started_looked_at_and_stopped(project):
    project.changes_nothing("run", "DRY_RUN=1")
    started = project.make("run", "DETACH=1").stderr
    run, task = re.search(r"^run (\S+), task (\S+)$", started, re.MULTILINE).groups()
    (arn,) = project.client("ecs").list_tasks(cluster=NAME)["taskArns"]
    assert arn.endswith(f"/{task}")
    assert f"task       {arn}\n" in project.make("status").stdout
    assert run in project.make("runs").stdout
    project.make("stop")
    (found,) = project.client("ecs").describe_tasks(cluster=NAME, tasks=[arn])["tasks"]
    assert (found["desiredStatus"], found["stoppedReason"]) == ("STOPPED", "make stop")
    # moto has exit code 0 from the beginning and no stopCode, so that a stopped run is a success there
    assert re.search(rf"^{run} .* Succeeded +0 ", project.make("runs").stdout, re.MULTILINE)


def test_destroy_leaves_what_was_there_before(project):
    project.make("run", "DETACH=1")
    said = project.make("destroy", "YES=1").stderr
    assert "running tasks\n" in said
    assert said.endswith("deleted\n")
    left = everything(project.client)
    # of the groups moto's stack has none, so that it cannot delete one either
    assert set(left.pop("schedule groups")) == {"default", NAME}
    assert left.pop("roles") == ["AWSServiceRoleForecs"]
    assert [arn.rpartition("/")[2] for arn in left.pop("clusters")] == [
        NAME
    ]  # emulators.MOTO_KEEPS
    assert {status for status, _ in left.pop("tasks")} == {"STOPPED"}
    assert len(left.pop("security groups")) == 1  # the default VPC's
    assert left == {kind: [] for kind in left}


def test_the_page_names_what_the_tests_step_around():
    page = (ROOT / "docs/emulators.md").read_text()
    names = [
        *emulators.MOTO_RESOURCES, emulators.MOTO_DELETES, emulators.MOTO_KEEPS, *emulators.MOTO_CHECKS,
        *emulators.MOTO_NOT_DENIED, *emulators.MINISTACK_RESOURCES,
    ]  # fmt: skip
    assert [name for name in names if f"`{name}`" not in page] == []
