"""`make policy`: the least that a person needs, for each capacity and network."""

import json
from dataclasses import replace
from itertools import product

import pytest
from ecs import policy
from ecs.settings import CAPACITIES

ACCOUNT = "TWELVEDIGITS"
VARIANTS = list(product(CAPACITIES, ("default", "own"), ("", "arn:aws:iam::TWELVEDIGITS:policy/b")))
# an IAM policy may be so long, white space not counted
LONGEST = 6144


def documents(settings, capacity: str, network: str, boundary: str) -> list[dict]:
    asked = replace(
        settings, capacity=capacity, network=network, boundary=boundary, exec="1", github="o/n"
    )
    names = policy.Names(asked, ACCOUNT, "aws")
    return [policy.runs(names), policy.cluster(names), policy.network(names)]


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_nothing_is_allowed_on_everything_but_what_knows_no_resource(settings, variant):
    for document in documents(settings, *variant):
        for each in document["Statement"]:
            assert each["Effect"] == "Allow"
            assert not [action for action in each["Action"] if "*" in action]
            if "*" in each["Resource"]:
                assert set(each["Action"]) <= policy.NO_RESOURCE
                assert each["Resource"] == ["*"]


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_a_resource_is_the_projects_or_of_those_whose_id_aws_chooses(settings, variant):
    """What is not named by the project is named here, with its reason in ecs/policy.py."""
    for document in documents(settings, *variant):
        for each in document["Statement"]:
            for arn in set(each["Resource"]) - {"*"}:
                _, _, service, _, _, resource = arn.split(":", 5)
                named = resource.startswith(("churn", "/ecs/churn")) or "/churn" in resource
                named = named or resource.startswith(("log-group:/ecs/churn", "secret:churn/"))
                by_id = service == "ec2" and resource.endswith("/*")
                others = (
                    "role/aws-service-role/*", "parameter/aws/service/ecs/*",
                    "oidc-provider/token.actions.githubusercontent.com",
                )  # fmt: skip
                assert named or by_id or resource in others, arn


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_a_document_is_short_enough_for_iam_and_its_sids_differ(settings, variant):
    longest = replace(settings, project="c" * 32, region="ap-southeast-2")
    for document in documents(longest, *variant):
        assert len(json.dumps(document, separators=(",", ":"))) <= LONGEST
        sids = [each["Sid"] for each in document["Statement"]]
        assert len(set(sids)) == len(sids)


def test_roles_are_handed_to_their_service_only(settings):
    passed = [
        each
        for document in documents(settings, "ec2", "own", "")
        for each in document["Statement"]
        if "iam:PassRole" in each["Action"]
    ]
    assert [each["Condition"]["StringEquals"]["iam:PassedToService"] for each in passed] == [
        f"{service}.amazonaws.com" for service in ("ecs-tasks", "scheduler", "ec2")
    ]


def test_who_runs_may_store_a_secret_and_not_read_it(settings):
    for document in documents(settings, "fargate", "default", ""):
        actions = {action for each in document["Statement"] for action in each["Action"]}
        assert "secretsmanager:GetSecretValue" not in actions


def test_where_a_boundary_is_set_no_role_is_made_without_it(settings):
    boundary = "arn:aws:iam::TWELVEDIGITS:policy/b"
    for given in ("", boundary):
        _, document, _ = documents(settings, "fargate", "default", given)
        (made,) = (each for each in document["Statement"] if "iam:CreateRole" in each["Action"])
        condition = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
        assert made.get("Condition") == (condition if given else None)


@pytest.mark.parametrize("role", ["reader", "arn:aws:iam::TWELVEDIGITS:role/reader"])
def test_another_task_role_may_be_passed_where_it_is_set(settings, role):
    names = policy.Names(replace(settings, task_role=role), ACCOUNT, "aws")
    (passed,) = (each for each in policy.runs(names)["Statement"] if each["Sid"] == "TaskRoles")
    assert passed["Resource"][-1] == "arn:aws:iam::TWELVEDIGITS:role/reader"


def test_an_identity_provider_is_made_only_where_github_is_set(settings):
    for github in ("", "octo/churn"):
        names = policy.Names(replace(settings, github=github), ACCOUNT, "aws")
        sids = [each["Sid"] for each in policy.cluster(names)["Statement"]]
        assert ("GitHub" in sids) is bool(github)
