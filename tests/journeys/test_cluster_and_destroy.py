"""`make cluster` and `make destroy`: what comes, what is kept, and that nothing is left."""

import json
import os
import re
import signal
import subprocess

import pytest
from user import left_behind, wait_until

pytestmark = pytest.mark.docker


@pytest.mark.usefixtures("deployed")
def test_destroy_leaves_nothing_of_the_project(project):
    project.make("run", SCRIPT="endless.py", DETACH="1")
    done = project.make("destroy", status=2)
    assert "make SANDBOX=1 destroy YES=1" in done.stderr
    project.make("status")  # nothing was deleted
    project.make("destroy", YES="1")
    assert left_behind(project) == {}
    done = project.make("destroy", YES="1", status=2)
    assert "no stack" in done.stderr


def test_data_that_is_kept_is_taken_up_again_and_destroy_survives_its_end(project):
    """Killed at whichever of its stages, and typed again."""
    s3 = project.client("s3")
    project.make("cluster")
    (bucket,) = (each["Name"] for each in s3.list_buckets()["Buckets"])
    model = {"Bucket": bucket, "Key": "churn-model/runs/20260102T030405Z-abcdef/model.ubj"}
    s3.put_object(**model, Body=b"a model")
    done = project.make("destroy", KEEP_DATA="1", YES="1")
    assert f"kept: s3://{bucket}" in done.stderr
    assert set(left_behind(project)) == {"buckets"}
    assert s3.get_object(**model)["Body"].read() == b"a model"
    assert "is taken up again" in project.make("cluster").stderr
    done = project.make("cluster")
    assert "No changes to deploy" in done.stdout + done.stderr
    assert "20260102T030405Z-abcdef" in project.make("runs").stdout
    for stage in ("emptying and deleting s3://", "deleting the stack"):
        destroy = subprocess.Popen(
            ["make", "destroy", "YES=1"],
            cwd=project.folder, env=project.environ, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with destroy:
            assert any(stage in line for line in destroy.stderr)
            os.killpg(destroy.pid, signal.SIGKILL)
    again = ["make", "destroy", "YES=1"]  # at the second stage it may have been over
    subprocess.run(again, cwd=project.folder, env=project.environ, check=False, capture_output=True)
    wait_until(lambda: left_behind(project) == {})


def test_a_stack_with_a_network_of_its_own_comes_and_goes(project):
    before = left_behind(project)
    planned = project.make("plan", NETWORK="own").stdout
    assert re.search(r"^create +AWS::EC2::VPC +Vpc$", planned, re.MULTILINE)
    assert re.search(r"^create +AWS::S3::Bucket +Bucket$", planned, re.MULTILINE)
    assert left_behind(project) == before  # nothing was executed
    asked = {"NETWORK": "own", "RUN_DAYS": "7", "BOUNDARY": "arn:aws:iam::000000000000:policy/b"}
    project.make("cluster", **asked)
    done = project.make("cluster", **asked)
    assert "No changes to deploy" in done.stdout + done.stderr
    ec2 = project.client("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    subnets = ec2.describe_subnets(Filters=inside)["Subnets"]
    assert len({each["AvailabilityZone"] for each in subnets}) == 2
    (door,) = ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"]
    assert (door["VpcEndpointType"], door["ServiceName"][-3:]) == ("Gateway", ".s3")
    groups = [
        each["GroupName"] for each in ec2.describe_security_groups(Filters=inside)["SecurityGroups"]
    ]
    assert len(groups) == 2  # that of the tasks, and the one that every VPC has
    network = json.loads(project.make("run", DRY_RUN="1").stdout)["networkConfiguration"]
    found = network["awsvpcConfiguration"]["subnets"]
    assert sorted(found) == sorted(each["SubnetId"] for each in subnets)
    planned = project.make("plan", **asked).stdout
    assert planned.startswith("make cluster would change nothing\n")
    planned = project.make("plan").stdout
    assert re.search(r"^change +AWS::IAM::Role +TaskRole", planned, re.MULTILINE), planned
    assert ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"]
    # an update takes it away again, and the parameters that are empty with it
    project.make("cluster")
    assert not {"networks", "gateways", "endpoints"} & set(left_behind(project))
    for role in project.client("iam").list_roles()["Roles"]:
        assert "PermissionsBoundary" not in role
    project.make("cluster", **asked)
    project.make("destroy", YES="1")
    assert left_behind(project) == before == {}
