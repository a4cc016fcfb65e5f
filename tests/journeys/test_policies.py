"""`make policy`: the printed IAM policies are enough for every target."""

import json
import re

import boto3
import pytest
from user import CONTAINERS, Project, differences, left_behind

pytestmark = pytest.mark.docker


def becomes(project: Project, name: str, *targets: str) -> None:
    """Make a user with the policies that these targets print, and let the project use its keys."""
    made = [*(project.make(target).stdout for target in targets), differences()]
    iam = project.client("iam")
    iam.create_user(UserName=name)
    for number, policy in enumerate(made):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"ACCESS_KEY_ID": key["AccessKeyId"], "SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    makefile = project.folder / ".sandbox/aws.mk"
    text = makefile.read_text()
    for word, value in keys.items():
        text = re.sub(
            rf"(AWS_{word} :=) .*", lambda found, value=value: f"{found[1]} {value}", text
        )
    makefile.write_text(text)


def test_the_printed_policies_are_enough(engine, installed, tmp_path):
    """IAM is enforced here. The containers' own credentials are not of their role in the emulator."""
    folder = tmp_path / "churn-model"
    hello = "print('hello from the container')\n"
    project = Project.copied(installed("xgboost"), folder, "xgboost", engine, hello=hello)
    project.run(["make", "sandbox"], AUTH="true")
    try:
        root = (folder / ".sandbox/aws.mk").read_text()
        becomes(project, "owner", "policy", "cluster-policy", "network-policy")
        project.make("plan")
        project.make("cluster")
        project.make("cluster", LOG_DAYS="7")
        bucket = "churn-model-000000000000-us-east-1"
        # the bucket is reached by TLS only, and the emulator has none: that too is enforced
        assert "explicit deny" in project.make("data", status=2).stderr
        project.client("s3").delete_bucket_policy(Bucket=bucket)
        (folder / ".sandbox/aws.mk").write_text(root)
        becomes(project, "runner", "policy")
        for target in ("push", "data"):
            project.make(target)
        assert (
            "[skip] permissions: none of those that can be tried is denied"
            in project.make("verify").stdout
        )
        project.run("echo x | make secret NAME=KEY")
        done = project.make("run", SCRIPT="hello.py", SECRETS="KEY", ENV=CONTAINERS)
        assert "hello from the container" in done.stdout
        for target in ("status", "logs", "runs", "fetch", "schedules"):
            project.make(target)
        project.make("schedule", NAME="n", CRON="rate(1 day)")
        project.make("unschedule", NAME="n")
        project.make("run", SCRIPT="hello.py", DETACH="1", ENV=CONTAINERS)
        for target in ("cluster", "plan"):
            assert "not authorized" in project.make(target, status=2).stderr
        assert "not authorized" in project.make("destroy", YES="1", status=2).stderr
        # what training does with the role of its task, and what no task may do
        outputs = json.loads((folder / ".sandbox/stack.json").read_text())
        role = project.client("sts").assume_role(
            RoleArn=outputs["TaskRoleArn"], RoleSessionName="task"
        )["Credentials"]
        s3 = boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=project.client("s3").meta.endpoint_url,
            aws_access_key_id=role["AccessKeyId"],
            aws_secret_access_key=role["SecretAccessKey"],
            aws_session_token=role["SessionToken"],
        )
        own = {"Bucket": bucket, "Key": "churn-model/runs/x/checkpoints/1"}
        s3.put_object(**own, Body=b"x", Tagging="kind=checkpoint")
        s3.get_object(**own)
        s3.list_objects_v2(Bucket=bucket, Prefix="churn-model/runs/x/")
        s3.delete_object(**own)
        for forbidden in (
            lambda: s3.put_object(Bucket=bucket, Key="churn-model-2/x", Body=b"x"),
            lambda: s3.list_objects_v2(Bucket=bucket),
            lambda: s3.delete_bucket(Bucket=bucket),
            lambda: s3.list_buckets(),
        ):
            with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
                forbidden()
        (folder / ".sandbox/aws.mk").write_text(root)
        becomes(project, "leaver", "policy", "cluster-policy", "network-policy")
        project.make("destroy", YES="1")
        assert left_behind(project) == {}
    finally:
        project.make("sandbox-stop")
