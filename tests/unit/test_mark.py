"""Whose a stack, a bucket and a secret are: by the project's id, not by the name."""

import io
import json
import re
import shlex
import subprocess
from dataclasses import replace

import pytest
from ecs.__main__ import main
from ecs.commands import stack as commands
from ecs.errors import UserError
from ecs.stack import bucket, changes, claim, destroy, inputs, mark, stack

ID, OTHER = "abcdefghijklmnop", "another-project"
MARKED = {"project": "churn", "project-id": ID}
BEFORE = {"project": "churn"}
DESCRIPTION = "All that lasts of one training project: image repository, cluster"
IDS = ("Repository", "LogGroup", "ExecutionRole", "TaskRole", "Cluster", "Bucket")
NAME = "churn-000000000000-us-east-1"
OWNED = {"Bucket": NAME, "ExpectedBucketOwner": "000000000000"}


def tags(found: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in found.items()]


def described(found: dict[str, str], description: str = "", status="CREATE_COMPLETE", **parameters):
    return {
        "StackName": "churn",
        "StackId": "arn",
        "CreationTime": 0,
        "StackStatus": status,
        "Tags": tags(found),
        **({"Description": description} if description else {}),
        "Outputs": [{"OutputKey": "Bucket", "OutputValue": NAME}],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    }


def resources(*names: str, **statuses: str) -> dict:
    """Return what ListStackResources says; the physical id is the name in lower case."""
    return {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": name,
                "PhysicalResourceId": NAME if name == "Bucket" else name.lower(),
                "ResourceType": "AWS::IAM::Role" if name.endswith("Role") else "AWS::Some::Thing",
                "ResourceStatus": statuses.get(name, "CREATE_COMPLETE"),
                "LastUpdatedTimestamp": 0,
            }
            for name in names
        ]
    }


class Account:
    """Scripted answers of an account with a stack, and no answer to anything that changes it."""

    def __init__(self, cloud) -> None:
        self.cloud = cloud
        self.cloudformation = cloud.stub("cloudformation")

    def stack(self, found: dict | None) -> None:
        if found is None:
            self.cloudformation.add_client_error(
                "describe_stacks", "ValidationError", "Stack with id churn does not exist"
            )
        else:
            self.cloudformation.add_response(
                "describe_stacks", {"Stacks": [found]}, {"StackName": "churn"}
            )

    def change_sets(self, *names: str, times: int = 1) -> None:
        for _ in range(times):
            listed = {"Summaries": [{"ChangeSetName": name} for name in names]}
            self.cloudformation.add_response("list_change_sets", listed, {"StackName": "churn"})

    def resources(self, *names: str, **statuses: str) -> None:
        answer = resources(*names, **statuses)
        self.cloudformation.add_response("list_stack_resources", answer, {"StackName": "churn"})

    def names(self, *taken: str, other: str = "churn-2") -> None:
        """Script who has the names that a new stack takes."""
        cluster = {"status": "ACTIVE" if "cluster" in taken else "INACTIVE"}
        self.cloud.stub("ecs").add_response(
            "describe_clusters", {"clusters": [cluster]}, {"clusters": ["churn"]}
        )
        groups = [f"/ecs/{other}", *(["/ecs/churn"] if "group" in taken else [])]
        self.cloud.stub("logs").add_response(
            "describe_log_groups",
            {"logGroups": [{"logGroupName": name} for name in groups]},
            {"logGroupNamePrefix": "/ecs/churn"},
        )
        ecr, scheduler = self.cloud.stub("ecr"), self.cloud.stub("scheduler")
        if "repository" in taken:
            ecr.add_response("describe_repositories", {}, {"repositoryNames": ["churn"]})
        else:
            ecr.add_client_error("describe_repositories", "RepositoryNotFoundException")
        if "schedules" in taken:
            scheduler.add_response("get_schedule_group", {}, {"Name": "churn"})
        else:
            scheduler.add_client_error("get_schedule_group", "ResourceNotFoundException")

    def bucket(self, found: dict[str, str] | None) -> None:
        """Script the bucket of the project's name, with its tags; None: there is none."""
        who = {"Account": "000000000000", "Arn": "arn:aws:iam::000000000000:user/ann"}
        self.cloud.stub("sts").add_response("get_caller_identity", who)
        s3 = self.cloud.stub("s3")
        if found is None:
            s3.add_client_error("head_bucket", "404", expected_params=OWNED)
            return
        s3.add_response("head_bucket", {}, OWNED)
        if found:
            s3.add_response("get_bucket_tagging", {"TagSet": tags(found)}, OWNED)
        else:
            s3.add_client_error("get_bucket_tagging", "NoSuchTagSet", expected_params=OWNED)

    def bucket_is_there(self) -> None:
        """Script the bucket of the project's name, of whose tags nobody asks."""
        who = {"Account": "000000000000", "Arn": "arn:aws:iam::000000000000:user/ann"}
        self.cloud.stub("sts").add_response("get_caller_identity", who)
        self.cloud.stub("s3").add_response("head_bucket", {}, OWNED)

    def marks(self, **found: str) -> None:
        """Expect that the bucket gets these tags."""
        asked = {**OWNED, "Tagging": {"TagSet": tags(found)}}
        self.cloud.stub("s3").add_response("put_bucket_tagging", {}, asked)

    def done(self) -> None:
        for service in ("cloudformation", "s3", "ecs", "ecr", "logs", "scheduler", "sts"):
            self.cloud.stub(service).assert_no_pending_responses()


@pytest.fixture
def account(cloud) -> Account:
    return Account(cloud)


# ---- the id


def test_an_id_is_made_once_and_the_user_told_to_commit_it(project_id, capsys):
    project_id.unlink()
    assert mark.read() == ""
    with pytest.raises(UserError, match="no id yet; type: make cluster"):
        mark.needed()
    made = mark.ensure()
    assert re.fullmatch("[a-z]{16}", made)
    assert project_id.read_text() == made + "\n"
    assert "git add " in capsys.readouterr().err
    assert mark.ensure() == mark.read() == mark.needed() == made
    assert capsys.readouterr().err == ""
    project_id.unlink()
    assert mark.ensure() != made


@pytest.mark.parametrize("text", ["abcdefgh", " Abc-defg-1\r\n", "a" * 64])
def test_an_id_is_what_the_file_holds_without_the_blanks_around_it(project_id, text):
    project_id.write_text(text)
    assert mark.read() == text.strip()


@pytest.mark.parametrize(
    "text", ["", "abcdefg", "a" * 65, "1bcdefgh", "abc defgh", "abcdefgh;x", "<<<<<<<\nabcdefgh"]
)
def test_a_file_that_holds_anything_else_is_refused(project_id, text):
    project_id.write_text(text)
    with pytest.raises(UserError, match=r"type: rm .*project-id$"):
        mark.ensure()
    assert project_id.read_text() == text


# ---- the stack: what it has, and what is said where it is not ours

STACKS = {
    "ours": (described(MARKED), ""),
    "ours though another made it": (described({"project-id": ID}, "by hand"), ""),
    "another id": (described({"project": "churn", "project-id": OTHER}, DESCRIPTION), f"echo {OTHER} > "),
    "an id that is none": (described({"project": "churn", "project-id": "a; rm -rf /"}, DESCRIPTION), "make cluster PROJECT="),
    "made before": (described(BEFORE, DESCRIPTION), "make cluster, which asks first"),
    "another description": (described(BEFORE, "Our web site"), "make cluster PROJECT="),
    "no description": (described(BEFORE), "make cluster PROJECT="),
    "no tags": (described({}, DESCRIPTION), "make cluster PROJECT="),
    "another project": (described({"project": "web"}, DESCRIPTION), "make cluster PROJECT="),
}  # fmt: skip
COMMANDS = {
    "run": stack.refresh,
    "plan": claim.own,
    "destroy": destroy.destroy,
}


@pytest.mark.parametrize(("found", "remedy"), STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "ROLLBACK_COMPLETE"])
def test_only_the_project_s_own_stack_is_used(
    settings, account, monkeypatch, command, found, remedy, status
):
    account.stack({**found, "StackStatus": status})
    monkeypatch.setattr(destroy, "belongings", lambda _: pytest.fail("would be listed"))
    act = COMMANDS[command]
    if remedy:
        with pytest.raises(UserError) as refused:
            act(replace(settings, yes="1"))
        text = str(refused.value)
        assert f"; type: {remedy}" in text
        assert "rm -rf" not in text
        assert "\n" not in text
        assert stack.cached_outputs(settings) is None
    elif command == "destroy":
        with pytest.raises(pytest.fail.Exception, match="would be listed"):
            act(replace(settings, yes="1"))
    else:
        assert act(settings)
    account.done()


@pytest.mark.parametrize(("found", "remedy"), STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("yes", ["1", ""])
def test_make_cluster_updates_its_own_stack_and_adopts_an_older_one_after_asking(
    settings, account, monkeypatch, found, remedy, yes
):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    account.stack(found)
    before = found is STACKS["made before"][0]
    if before:
        account.resources(*IDS)
    if not remedy or (before and yes):
        claim.claim(replace(settings, yes=yes))
    else:
        with pytest.raises(UserError, match="type: ") as refused:
            claim.claim(replace(settings, yes=yes))
        assert ("make cluster YES=1" if before else remedy) in str(refused.value)
    account.done()


@pytest.mark.parametrize("lacks", IDS[:-1])
def test_a_stack_that_only_looks_like_an_older_one_is_not_adopted(settings, account, lacks):
    account.stack(described(BEFORE, DESCRIPTION))
    account.resources(*(name for name in IDS if name != lacks))
    with pytest.raises(UserError, match="not made by this project"):
        claim.claim(replace(settings, yes="1"))
    account.done()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("typed", ["churn\n", " churn \n", "", "\n", "yes\n", "Churn\n"])
def test_a_person_is_asked_and_only_the_name_adopts(settings, account, monkeypatch, typed, capsys):
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    account.stack(described(BEFORE, DESCRIPTION))
    account.resources(*IDS)
    if typed.strip() == "churn":
        claim.claim(settings)
    else:
        with pytest.raises(UserError, match="nothing was changed"):
            claim.claim(settings)
    said = capsys.readouterr()
    assert "Type churn to make it this project's" in said.out
    assert "has this project's name and no id" in said.err


def test_without_an_id_of_ours_a_marked_stack_is_another_s(settings, account, project_id):
    project_id.unlink()
    account.stack(described(MARKED))
    with pytest.raises(UserError, match=f"echo {ID} > "):
        stack.refresh(settings)


def test_joining_is_the_line_that_the_refusal_says(settings, account, project_id):
    """Typed into a shell, as it stands there, it makes the stack the project's."""
    other = {"project": "churn", "project-id": OTHER}
    for _ in range(3):
        account.stack(described(other))
    with pytest.raises(UserError) as refused:
        claim.claim(settings)
    line = re.search(r"type: (echo .*?), but only", str(refused.value))[1]
    subprocess.run(["/bin/sh", "-c", line], check=True, cwd=project_id.parent)
    assert mark.read() == OTHER
    claim.claim(settings)
    assert stack.refresh(settings)["ProjectId"] == OTHER


def test_what_is_remembered_counts_only_with_this_id(settings, account, project_id):
    account.stack(described(MARKED))
    found = stack.refresh(settings)
    assert stack.cached_outputs(settings) == found
    project_id.write_text(OTHER)
    assert stack.cached_outputs(settings) is None
    project_id.unlink()
    assert stack.cached_outputs(settings) is None
    project_id.write_text(ID)
    path = stack.cache(settings)
    path.write_text(json.dumps({key: value for key, value in found.items() if key != "ProjectId"}))
    assert stack.cached_outputs(settings) is None


# ---- a stack in review: AWS shows no tags of it, so its change sets tell

REVIEWS = {
    "our plan's": ([f"plan-{ID}-1f"], True),
    "two of ours": ([f"plan-{ID}-1f", f"plan-{ID}-2f"], True),
    "another's": (["release-7"], False),
    "ours and another's": ([f"plan-{ID}-1f", "release-7"], False),
    "another project's plan": ([f"plan-{OTHER}-1f"], False),
    "none": ([], False),
}


@pytest.mark.parametrize(("names", "ours"), REVIEWS.values(), ids=REVIEWS)
@pytest.mark.parametrize("command", ["cluster", "plan", "destroy"])
def test_a_stack_in_review_is_ours_if_its_change_sets_are(
    settings, account, monkeypatch, names, ours, command
):
    account.stack(described({}, status="REVIEW_IN_PROGRESS"))
    account.change_sets(*names, times=2 if names else 1)
    monkeypatch.setattr(destroy, "belongings", lambda _: pytest.fail("would be listed"))
    if command == "cluster" and ours:
        account.names()
        account.bucket(None)
    act = {"cluster": claim.claim, "plan": claim.own, "destroy": destroy.destroy}[command]
    asked = replace(settings, yes="1")
    if not ours:
        with pytest.raises(UserError, match="delete-stack --stack-name churn --region us-east-1$"):
            act(asked)
    elif command == "destroy":
        with pytest.raises(pytest.fail.Exception):
            act(asked)
    else:
        act(asked)
    account.done()


def test_for_a_run_a_stack_in_review_is_none(settings, account):
    account.stack(described(MARKED, status="REVIEW_IN_PROGRESS"))
    with pytest.raises(UserError, match="there is no stack 'churn' .*type: make cluster"):
        stack.refresh(settings)


# ---- the names that a new stack takes

TAKEN = {
    "repository": "the image repository churn",
    "cluster": "the ECS cluster churn",
    "group": "the log group /ecs/churn",
    "schedules": "the schedule group churn",
}


@pytest.mark.parametrize("taken", [[], *([each] for each in TAKEN), list(TAKEN)], ids=" ".join)
def test_a_new_stack_takes_no_name_that_somebody_has(settings, account, taken):
    account.stack(None)
    account.names(*taken)
    if taken:
        with pytest.raises(UserError) as refused:
            claim.claim(replace(settings, yes="1"))
        names = " and ".join(TAKEN[each] for each in taken)
        assert str(refused.value).startswith(f"{names} was not made by this project")
    else:
        account.bucket(None)
        claim.claim(settings)
    account.done()


# ---- the bucket that KEEP_DATA=1 left

SYSTEM = {"aws:cloudformation:stack-name": "churn", "team": "red"}
BUCKETS = {
    "none": (None, "", False),
    "ours": (MARKED, "", False),
    "made before": ({**SYSTEM, **BEFORE}, "", True),
    "no tags": ({}, "put-bucket-tagging", False),
    "another's tags": ({"project": "web"}, "put-bucket-tagging", False),
    "another id": ({**BEFORE, "project-id": OTHER}, f"echo {OTHER} > ", False),
}


@pytest.mark.parametrize(("found", "remedy", "adopted"), BUCKETS.values(), ids=BUCKETS)
def test_a_kept_bucket_is_taken_up_only_if_it_is_ours(settings, account, found, remedy, adopted):
    account.stack(None)
    account.names()
    account.bucket(found)
    if adopted:  # S3 refuses a set without the tags that are CloudFormation's
        account.marks(**SYSTEM, **MARKED)
    if remedy:
        with pytest.raises(UserError, match=remedy):
            claim.claim(replace(settings, yes="1"))
    else:
        claim.claim(replace(settings, yes="1"))
    account.done()


@pytest.mark.parametrize(("found", "remedy", "adopted"), BUCKETS.values(), ids=BUCKETS)
def test_a_plan_asks_nothing_and_takes_no_bucket_of_another(
    settings, account, found, remedy, adopted
):
    account.stack(None)
    account.bucket(found)
    if remedy or adopted:
        with pytest.raises(UserError, match=remedy or "make cluster, which asks first"):
            inputs.bucket(settings)
    else:
        assert inputs.bucket(settings) == {"NewBucket": "true" if found is None else "false"}
    account.done()


def test_without_yes_a_bucket_from_before_is_not_adopted(settings, account, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    account.stack(None)
    account.names()
    account.bucket(BEFORE)
    with pytest.raises(UserError, match="the bucket churn-0.* type: make cluster YES=1"):
        claim.claim(settings)
    account.done()


WAYS_IN = {
    "make cluster": (inputs.bucket, 1),
    "adopt": (lambda settings: bucket.adopt(settings, False), 0),
}


@pytest.mark.parametrize("code", ["403", "301"])
@pytest.mark.parametrize(("way", "looks"), WAYS_IN.values(), ids=WAYS_IN)
def test_a_bucket_of_another_account_s_is_one_sentence(settings, account, code, way, looks):
    """HeadBucket in S3's reference: 403 for another's, 301 for one of another region, 404 for none."""
    for _ in range(looks):
        account.stack(None)
    refused(account, code)
    with pytest.raises(UserError) as said:
        way(settings)
    assert f"{NAME} is not of this region and account 000000000000, or closed" in str(said.value)
    assert "type: make cluster PROJECT=another-name, or for good change PROJECT" in str(said.value)
    assert "\n" not in str(said.value)
    account.done()


def refused(account, code: str) -> None:
    who = {"Account": "000000000000", "Arn": "arn:aws:iam::000000000000:user/ann"}
    account.cloud.stub("sts").add_response("get_caller_identity", who)
    account.cloud.stub("s3").add_client_error("head_bucket", code, expected_params=OWNED)


def test_destroy_leaves_a_bucket_of_another_account_s_alone_and_goes_on(settings, account, around):
    account.resources(*IDS, "Schedules", Bucket="CREATE_FAILED")
    refused(account, "403")
    around()
    found = destroy.belongings(settings)
    assert found.bucket == {}
    assert found.cluster == "cluster"
    assert found.others[0] == f"s3://{NAME}, another account's or closed to you"
    account.done()


def test_an_error_of_s3_is_not_taken_for_an_answer(settings, account, cloud):
    from botocore.exceptions import ClientError

    cloud.stub("sts").add_response(
        "get_caller_identity",
        {"Account": "000000000000", "Arn": "arn:aws:iam::000000000000:user/ann"},
    )
    cloud.stub("s3").add_client_error("head_bucket", "500")
    with pytest.raises(ClientError):
        bucket.kept(settings)
    cloud.stub("s3").add_client_error("get_bucket_tagging", "AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.tags(settings, NAME, "000000000000")


def test_an_adopted_stack_brings_the_bucket_that_is_no_part_of_it(settings, account, monkeypatch):
    """Asked once, for both."""
    monkeypatch.setattr("sys.stdin", Terminal("churn\n"))
    account.stack(described(BEFORE, DESCRIPTION, NewBucket="false"))
    account.resources(*IDS)
    account.bucket(BEFORE)
    account.marks(**MARKED)
    claim.claim(settings)
    account.done()


def test_the_line_that_marks_a_bucket_is_one_that_the_aws_cli_takes(settings):
    with pytest.raises(UserError) as refused:
        bucket.check(settings, NAME, {})
    words = shlex.split(str(refused.value).partition("type: ")[2])
    assert words == [
        "aws", "s3api", "put-bucket-tagging", "--bucket", NAME, "--tagging",
        f"TagSet=[{{Key=project-id,Value={ID}}}]",
    ]  # fmt: skip


OTHERS = [
    {
        "ID": "old",
        "Status": "Enabled",
        "Filter": {},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
]


def expiring(days: int) -> dict:
    rule = {"ID": "runs", "Status": "Enabled", "Expiration": {"Days": days}}
    return {**rule, "Filter": {"Prefix": "churn/runs/"}}


@pytest.mark.parametrize(
    ("days", "before", "after"),
    [
        ("30", [*OTHERS, expiring(7)], [*OTHERS, expiring(30)]),
        ("30", OTHERS, [*OTHERS, expiring(30)]),
        ("30", None, [expiring(30)]),
        ("0", [expiring(7), *OTHERS], OTHERS),
        ("0", [expiring(7)], []),
        ("7", [expiring(7), *OTHERS], None),
        ("0", OTHERS, None),
        ("0", None, None),
    ],
)
def test_run_days_holds_in_a_bucket_that_no_stack_takes_care_of(
    settings, account, capsys, days, before, after
):
    """S3's reference of PutBucketLifecycleConfiguration: all rules are replaced at once."""
    s3 = account.cloud.stub("s3")
    account.bucket_is_there()
    name = "get_bucket_lifecycle_configuration"
    if before is None:
        s3.add_client_error(name, "NoSuchLifecycleConfiguration", expected_params=OWNED)
    else:
        s3.add_response(name, {"Rules": before}, OWNED)
    if after:
        asked = {**OWNED, "LifecycleConfiguration": {"Rules": after}}
        s3.add_response("put_bucket_lifecycle_configuration", {}, asked)
    elif after is not None:
        s3.add_response("delete_bucket_lifecycle", {}, OWNED)
    bucket.expire_runs(replace(settings, run_days=days))
    said = capsys.readouterr().err
    wanted = f"{days} days" if days != "0" else "for ever"
    assert said == ("" if after is None else f"s3://{NAME}: runs are kept {wanted}\n")
    account.done()


def test_of_run_days_only_the_answers_that_are_known_are_taken(settings, account):
    from botocore.exceptions import ClientError

    account.bucket_is_there()
    account.cloud.stub("s3").add_client_error("get_bucket_lifecycle_configuration", "AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.expire_runs(settings)
    account.bucket(None)
    bucket.expire_runs(replace(settings, run_days="30"))  # nothing is there to expire
    with pytest.raises(UserError, match="RUN_DAYS='1.5'"):
        bucket.expire_runs(replace(settings, run_days="1.5"))
    account.done()


@pytest.mark.parametrize("new", ["true", "false"])
def test_make_cluster_looks_after_a_bucket_that_is_no_part_of_its_stack(
    settings, account, monkeypatch, new
):
    asked = []
    for name in ("claim.claim", "readiness.check", "readiness.make_roles", "instances.make_way"):
        monkeypatch.setattr(f"ecs.stack.{name}", lambda *_: None)
    monkeypatch.setattr(inputs, "looked_up", lambda _: {"NewBucket": new})
    monkeypatch.setattr(bucket, "expire_runs", asked.append)
    commands.parameters(settings)
    assert asked == ([settings] if new == "false" else [])


# ---- what destroy takes


@pytest.fixture
def around(account, cloud, monkeypatch):
    """Script what there is beside the stack: a revision, a secret and a schedule of the name."""

    def around(schedules: bool = True) -> None:
        arn = "arn:aws:ecs:us-east-1:ACCOUNT:task-definition/churn:1"
        ecs = cloud.stub("ecs")
        ecs.add_response("list_task_definitions", {"taskDefinitionArns": [arn]})
        ecs.add_response("list_task_definitions", {"taskDefinitionArns": []})
        found = {"executionRoleArn": "arn:aws:iam::ACCOUNT:role/executionrole"}
        ecs.add_response("describe_task_definition", {"taskDefinition": found})
        if schedules:
            listed = {"Schedules": [{"Name": "nightly"}]}
            cloud.stub("scheduler").add_response("list_schedules", listed, {"GroupName": "churn"})
            cloud.stub("scheduler").add_response("get_schedule", {"Name": "nightly"})
        secrets = [
            {"Name": "churn/OURS", "Tags": tags(MARKED)},
            {"Name": "churn/THEIRS", "Tags": []},
        ]
        cloud.stub("secretsmanager").add_response("list_secrets", {"SecretList": secrets})

    return around


def test_destroy_takes_the_resources_of_its_stack_and_what_is_marked(settings, account, around):
    account.resources(*IDS, "Schedules")
    account.bucket({})  # the emulator gives it no tags
    around()
    found = destroy.belongings(settings)
    assert (found.cluster, found.repository, found.bucket) == ("cluster", "repository", OWNED)
    assert [arn.rpartition("/")[2] for arn in found.definitions] == ["churn:1"]
    assert (found.schedules, found.secrets) == (["nightly"], ["churn/OURS"])
    assert found.others == ["churn/THEIRS"]
    account.done()


@pytest.mark.parametrize("status", ["CREATE_FAILED", "DELETE_COMPLETE"])
@pytest.mark.parametrize("marked", [True, False])
def test_destroy_takes_nothing_that_the_stack_could_not_make(
    settings, account, around, status, marked
):
    account.resources(*IDS, "Schedules", **dict.fromkeys([*IDS, "Schedules"], status))
    account.bucket(MARKED if marked else BEFORE)
    around(schedules=False)
    found = destroy.belongings(settings)
    assert found.listed == []
    assert (found.cluster, found.repository, found.schedules) == ("", "", [])
    assert found.bucket == (OWNED if marked else {})
    assert found.definitions == []  # its role is not the stack's
    assert (f"s3://{NAME}" in found.others) is not marked
    account.done()


def test_without_a_bucket_there_is_none_to_empty(settings, account, around):
    account.resources("Cluster")
    account.bucket(None)
    around(schedules=False)
    assert destroy.belongings(settings).bucket == {}


def deletion(account, monkeypatch, **found) -> list[tuple]:
    """Script a destroy of these belongings, and return what it did."""
    did: list[tuple] = []
    belongings = destroy.Belongings([], "cluster", "repository", definitions=["d"], schedules=["s"])
    belongings.secrets = ["k"]
    for name, value in found.items():
        setattr(belongings, name, value)
    monkeypatch.setattr(destroy, "belongings", lambda _: belongings)
    for name in ("running_tasks", "images"):
        monkeypatch.setattr(destroy, name, lambda _, where: [where])
    for name in (
        "stop_tasks",
        "delete_definitions",
        "delete_secrets",
        "empty_repository",
        "delete_bucket",
    ):
        monkeypatch.setattr(destroy, name, lambda _, *given, name=name: did.append((name, *given)))
    monkeypatch.setattr(
        "ecs.stack.scheduler.delete", lambda _, name: did.append(("schedule", name))
    )
    account.stack(described(MARKED))
    account.cloudformation.add_response("delete_stack", {}, {"StackName": "churn"})
    account.stack(None)
    return did


@pytest.mark.parametrize("keep", ["", "1"])
def test_destroy_deletes_what_it_listed_in_an_order_that_can_be_repeated(
    settings, account, monkeypatch, capsys, keep
):
    provider = {"ResourceType": "AWS::IAM::OIDCProvider", "PhysicalResourceId": "provider"}
    did = deletion(
        account, monkeypatch, bucket=OWNED, tags={"team": "red"}, listed=[provider], others=["x"]
    )
    account.cloud.stub("s3").add_response(
        "list_object_versions", {"Versions": [{"Key": "a"}]}, OWNED
    )
    if keep:
        account.marks(team="red", **MARKED)
    destroy.destroy(replace(settings, yes="1", keep_data=keep, sandbox="1"))
    assert did == [
        ("schedule", "s"),
        ("stop_tasks", "cluster", ["cluster"]),
        ("empty_repository", "repository", ["repository"]),
        ("delete_definitions", ["d"]),
        ("delete_secrets", ["k"]),
        *([] if keep else [("delete_bucket", OWNED)]),
    ]
    said = capsys.readouterr().err
    assert (
        f"1 object versions in the bucket, data and models of all runs{' (KEEP' if keep else ','}"
        in said
    )
    assert "1 images, 1 task definitions, 1 running tasks" in said
    assert "1 schedules: s\n" in said
    assert "1 secrets: k\n" in said
    assert "left alone, since it does not have this project's mark: x" in said
    assert (f"kept: s3://{NAME}; make cluster takes it up again" in said) is bool(keep)
    assert "kept: the account's identity provider token.actions.githubusercontent.com" in said
    account.done()


@pytest.mark.parametrize("keep", ["", "1"])
def test_a_stack_without_anything_in_it_is_deleted_all_the_same(
    settings, account, monkeypatch, capsys, keep
):
    did = deletion(account, monkeypatch, cluster="", repository="", definitions=[], schedules=[])
    destroy.destroy(replace(settings, yes="1", keep_data=keep, sandbox="1"))
    assert "delete_bucket" not in {each[0] for each in did}
    assert "kept:" not in capsys.readouterr().err
    account.done()


def test_of_a_stack_that_is_being_changed_nothing_is_deleted(settings, account, monkeypatch):
    """CloudFormation would refuse at the end, when its images, models and secrets are gone."""
    account.stack(described(MARKED, status="UPDATE_IN_PROGRESS"))
    monkeypatch.setattr(destroy, "belongings", lambda _: destroy.Belongings([]))
    monkeypatch.setattr(destroy, "confirm", lambda _: pytest.fail("asked all the same"))
    with pytest.raises(UserError, match="type: make destroy, in a minute$"):
        destroy.destroy(replace(settings, yes="1"))
    account.done()


def test_where_there_is_no_stack_there_is_nothing_to_destroy(settings, account):
    account.stack(None)
    with pytest.raises(UserError, match="there is no stack 'churn' in us-east-1"):
        destroy.destroy(replace(settings, yes="1"))


# ---- the commands


@pytest.mark.parametrize("command", ["parameters", "plan", "outputs", "destroy", "unschedule"])
def test_a_command_ends_with_one_sentence(command, account, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for name, value in {"PROJECT": "churn", "REGION": "us-east-1", "YES": "1", "NAME": "n"}.items():
        monkeypatch.setenv(name, value)
    account.stack(described({}, "Our web site"))
    assert main([command]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: the stack 'churn' in us-east-1 was not made by this project")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    account.done()


def test_a_plan_makes_the_id_that_its_change_set_is_named_by(
    account, monkeypatch, project_id, tmp_path
):
    project_id.unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROJECT", "churn")
    monkeypatch.setenv("REGION", "us-east-1")
    account.stack(None)
    monkeypatch.setattr(inputs, "looked_up", lambda _: {})
    monkeypatch.setattr(changes, "plan", lambda *_: None)
    assert main(["plan"]) == 0
    assert claim.change_set_prefix() == f"plan-{project_id.read_text().strip()}-"
