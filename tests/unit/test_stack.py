"""The stack: what it is given, what it gives, and what this machine remembers of it."""

import json
from dataclasses import replace

import pytest
from ecs.errors import UserError
from ecs.stack import inputs, stack
from kinds import CAPACITIES

ASKED = {"StackName": "churn"}


def described(outputs: dict[str, str]) -> dict:
    listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    fields = {"StackName": "churn", "CreationTime": 0, "StackStatus": "CREATE_COMPLETE"}
    fields["Tags"] = [{"Key": "project-id", "Value": "abcdefghijklmnop"}]
    return {"Stacks": [{**fields, "Outputs": listed}]}


def test_outputs_are_asked_for_once_and_remembered(settings, outputs, cloud):
    cloud.stub("cloudformation").add_response("describe_stacks", described(outputs), ASKED)
    assert stack.cached_outputs(settings) is None
    known = outputs | {"Region": "us-east-1", "Project": "churn", "Credentials": "of-nobody"}
    assert stack.outputs(settings) == known
    assert stack.outputs(settings) == known  # the stub has no second answer
    assert stack.cached_outputs(settings) == known


def test_what_is_remembered_of_one_region_is_not_taken_for_another(settings, outputs, cloud):
    cloud.stub("cloudformation").add_response("describe_stacks", described(outputs), ASKED)
    stack.refresh(settings)
    assert stack.cached_outputs(replace(settings, region="eu-west-1")) is None


def test_what_one_account_or_project_had_is_not_taken_for_another_s(
    settings, outputs, cloud, monkeypatch
):
    """With other credentials `make register` once put a foreign role into another account."""
    answer = described(outputs)
    cloud.stub("cloudformation").add_response("describe_stacks", answer, ASKED)
    stack.outputs(settings)
    assert stack.cached_outputs(replace(settings, project="other")) is None
    monkeypatch.setattr(stack, "identity", lambda: "of-somebody")
    theirs = described(outputs | {"TaskRoleArn": "theirs"})
    cloud.stub("cloudformation").add_response("describe_stacks", theirs, ASKED)
    assert stack.outputs(settings)["TaskRoleArn"] == "theirs"
    cloud.stub("cloudformation").assert_no_pending_responses()


def test_a_refresh_replaces_what_was_remembered(settings, outputs, cloud):
    for cluster in ("old", "new"):
        answer = described(outputs | {"Cluster": cluster})
        cloud.stub("cloudformation").add_response("describe_stacks", answer, ASKED)
        stack.refresh(settings)
        assert stack.outputs(settings)["Cluster"] == cluster


def test_without_a_stack_the_sentence_says_what_to_type(settings, cloud):
    cloud.stub("cloudformation").add_client_error(
        "describe_stacks", "ValidationError", "Stack with id churn does not exist"
    )
    with pytest.raises(UserError, match="no stack 'churn' in us-east-1; type: make cluster"):
        stack.outputs(settings)
    assert stack.cached_outputs(settings) is None


def test_a_stack_that_is_not_complete_is_not_remembered(settings, cloud):
    """While it is being created, or after a failure, it has no outputs."""
    for ask in (stack.outputs, stack.refresh):
        cloud.stub("cloudformation").add_response("describe_stacks", described({}), ASKED)
        with pytest.raises(
            UserError, match="is not complete: .*, type: make destroy, then make cl"
        ):
            ask(settings)
        assert stack.cached_outputs(settings) is None


def test_an_output_that_the_stack_lacks_is_one_sentence(settings, outputs, cloud):
    """The stack of an older project, fresh from AWS and as it was remembered."""
    del outputs["LogGroup"]
    cloud.stub("cloudformation").add_response("describe_stacks", described(outputs), ASKED)
    for found in (stack.refresh(settings), stack.outputs(settings)):
        with pytest.raises(UserError) as error:
            found["LogGroup"]
        assert str(error.value) == "the stack has no output LogGroup; type: make cluster"
        assert found.get("LogGroup") is None


def test_in_the_sandbox_the_registry_is_the_emulator(settings, outputs, cloud, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4321")
    cloud.stub("cloudformation").add_response("describe_stacks", described(outputs), ASKED)
    found = stack.outputs(replace(settings, sandbox=True))
    assert found["RepositoryUri"] == "localhost:4321/churn"


def test_parameters_are_what_the_user_set_and_nothing_that_is_empty(settings):
    given = replace(settings, capacity="ec2", instance_type="", max_instances="5", log_days="7")
    parameters = inputs.parameters(given, {"VpcId": "vpc-1", "Subnets": "subnet-1,subnet-2"})
    assert json.loads(json.dumps(parameters)) == [
        "Capacity=ec2",
        "Architecture=x86_64",
        "PublicIp=ENABLED",
        "Exec=DISABLED",
        "LogDays=7",
        "RunDays=0",
        "InstanceType=c7i.xlarge",
        "MaxInstances=5",
        "MaxVcpus=0",
        "VpcId=vpc-1",
        "Subnets=subnet-1,subnet-2",
        "Boundary=",
    ]


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_the_sandbox_gets_a_stack_of_its_own_kind(settings, capacity):
    for sandbox, made in ((False, capacity), (True, "emulated")):
        given = replace(settings, capacity=capacity, sandbox=sandbox)
        assert f"Capacity={made}" in inputs.parameters(given, {})


# ---- the bucket
MISSING = ("describe_stacks", "ValidationError", "Stack with id churn does not exist")


@pytest.mark.parametrize("made", ["true", "false", None])
def test_whose_the_bucket_is_stays_as_it_was_decided(settings, cloud, made):
    """Of a stack that made its bucket the bucket is there, and must not be left out by an update."""
    answer = described({})
    parameter = {"ParameterKey": "NewBucket", "ParameterValue": made}
    answer["Stacks"][0]["Parameters"] = [parameter] if made else []
    cloud.stub("cloudformation").add_response("describe_stacks", answer, ASKED)
    assert inputs.bucket(settings) == {"NewBucket": made or "true"}


# ---- the network
def test_a_network_of_its_own_is_asked_for_by_empty_parameters(settings, cloud):
    """A parameter that is not passed would keep the network that was there before."""
    own = replace(settings, network="own")
    assert inputs.network(own) == {"VpcId": "", "Subnets": ""}
    assert {"VpcId=", "Subnets="} < set(inputs.parameters(own, inputs.network(own)))


@pytest.mark.parametrize(
    "other", [{"vpc": "vpc-1"}, {"subnets": "subnet-1"}, {"public_ip": "DISABLED"}]
)
def test_a_network_of_its_own_excludes_another(settings, cloud, other):
    with pytest.raises(UserError, match="NETWORK=own"):
        inputs.network(replace(settings, network="own", **other))


ZONES = {
    "Filters": [
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "state", "Values": ["available"]},
    ]
}


def in_region(cloud, **zones: str) -> None:
    listed = [{"ZoneName": name, "ZoneId": each} for name, each in zones.items()]
    answer = {"AvailabilityZones": listed}
    cloud.stub("ec2").add_response("describe_availability_zones", answer, ZONES)


def with_subnets(cloud, **zones: str) -> None:
    """Script a stack that has subnets, by their logical ids, in these zones; "": somebody deleted it."""
    cloudformation = cloud.stub("cloudformation")
    cloudformation.add_response("describe_stacks", described({}), ASKED)
    listed = [
        {
            "LogicalResourceId": name, "PhysicalResourceId": name.lower(), "ResourceType": "x",
            "ResourceStatus": "CREATE_COMPLETE", "LastUpdatedTimestamp": 0,
        }
        for name in ("Vpc", *zones)
    ]  # fmt: skip
    gone = {**listed[0], "LogicalResourceId": "SubnetA", "ResourceStatus": "DELETE_COMPLETE"}
    answer = {"StackResourceSummaries": [*listed, gone]}
    cloudformation.add_response("list_stack_resources", answer, ASKED)
    if zones:
        asked = {"Filters": [{"Name": "subnet-id", "Values": sorted(map(str.lower, zones))}]}
        found = [
            {"SubnetId": name.lower(), "AvailabilityZone": zone}
            for name, zone in zones.items()
            if zone
        ]
        cloud.stub("ec2").add_response("describe_subnets", {"Subnets": found[::-1]}, asked)


@pytest.mark.parametrize(
    ("region", "there", "chosen"),
    [
        ("us-east-1", {"z-b": "use1-az9", "z-c": "use1-az1", "z-a": "use1-az3"}, ("z-a", "z-b")),
        ("us-west-1", {"z-a": "usw1-az2", "z-b": "usw1-az1", "z-c": "usw1-az3"}, ("z-b", "z-c")),
        (
            "ap-northeast-1",
            {"z-a": "apne1-az3", "z-b": "apne1-az4", "z-c": "apne1-az1", "z-d": "apne1-az2"},
            ("z-b", "z-c"),
        ),
    ],
)
def test_a_new_network_is_in_the_first_zones_that_have_fargate(
    settings, cloud, region, there, chosen
):
    """Source: "Supported Regions for Amazon ECS on AWS Fargate" in the developer guide."""
    cloud.stub("cloudformation").add_client_error(*MISSING)
    in_region(cloud, **there)
    found = inputs.zones(replace(settings, network="own", region=region))
    assert found == dict(zip(("ZoneA", "ZoneB"), chosen, strict=True))


def test_subnets_stay_in_their_zones_whatever_the_region_has_by_now(settings, cloud):
    """A zone is fixed: another one replaces the subnet (createOnlyProperties in its schema)."""
    with_subnets(cloud, SubnetA="z-b", SubnetB="z-d")
    found = inputs.zones(replace(settings, network="own"))
    assert found == {"ZoneA": "z-b", "ZoneB": "z-d"}
    cloud.stub("cloudformation").assert_no_pending_responses()


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({}, {"ZoneA": "z-a", "ZoneB": "z-b"}),
        ({"SubnetA": "z-a", "SubnetB": ""}, {"ZoneA": "z-a", "ZoneB": "z-b"}),
        ({"SubnetB": "z-a"}, {"ZoneA": "z-b", "ZoneB": "z-a"}),
    ],
)
def test_a_subnet_that_is_not_there_gets_another_zone_than_the_other(settings, cloud, there, found):
    with_subnets(cloud, **there)
    in_region(cloud, **{"z-a": "1", "z-b": "2", "z-c": "3"})
    assert inputs.zones(replace(settings, network="own")) == found


def test_a_region_with_one_zone_for_it_is_a_sentence(settings, cloud):
    cloud.stub("cloudformation").add_client_error(*MISSING)
    in_region(cloud, **{"z-a": "usw1-az2", "z-b": "usw1-az1"})
    with pytest.raises(UserError, match="fewer in us-west-1; type: make cluster VPC="):
        inputs.zones(replace(settings, network="own", region="us-west-1"))


def test_a_network_of_others_has_its_zones_and_nobody_is_asked(settings, cloud):
    assert inputs.zones(settings) == {"ZoneA": "", "ZoneB": ""}


DEFAULT = {"Filters": [{"Name": "is-default", "Values": ["true"]}]}
SUBNETS = {
    "Filters": [
        {"Name": "vpc-id", "Values": ["vpc-9"]},
        {"Name": "default-for-az", "Values": ["true"]},
    ]
}


@pytest.mark.parametrize(
    "subnets", ["subnet-1,subnet-2", "subnet-1 subnet-2", "subnet-1, subnet-2"]
)
def test_a_network_that_the_user_names_is_taken_without_asking(settings, cloud, subnets):
    named = replace(settings, vpc="vpc-1", subnets=subnets)
    assert inputs.network(named) == {"VpcId": "vpc-1", "Subnets": "subnet-1,subnet-2"}


@pytest.mark.parametrize("half", [{"vpc": "vpc-1"}, {"subnets": "subnet-1"}])
def test_half_a_network_is_refused(settings, cloud, half):
    with pytest.raises(UserError, match="VPC and SUBNETS go together"):
        inputs.network(replace(settings, **half))


def test_otherwise_it_is_the_default_network_in_an_order_that_stays(settings, cloud):
    """The order of the answer varies, and a changed parameter would be an update."""
    ec2 = cloud.stub("ec2")
    ec2.add_response("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-9"}]}, DEFAULT)
    answer = {"Subnets": [{"SubnetId": "subnet-2"}, {"SubnetId": "subnet-1"}]}
    ec2.add_response("describe_subnets", answer, SUBNETS)
    assert inputs.network(settings) == {"VpcId": "vpc-9", "Subnets": "subnet-1,subnet-2"}


def test_an_account_without_a_default_network_is_told_to_name_one(settings, cloud):
    ec2 = cloud.stub("ec2")
    ec2.add_response("describe_vpcs", {"Vpcs": []}, DEFAULT)
    with pytest.raises(UserError, match="no default VPC in us-east-1; .* make cluster NETWORK=own"):
        inputs.network(settings)
    ec2.add_response("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-9"}]}, DEFAULT)
    ec2.add_response("describe_subnets", {"Subnets": []}, SUBNETS)
    with pytest.raises(UserError, match="vpc-9 has no default subnets"):
        inputs.network(settings)


# ---- GitHub

MAIN = ":ref:refs/heads/main"


@pytest.mark.parametrize(
    ("given", "subject"),
    [
        ("", ""),
        ("octo/churn", "octo/churn" + MAIN),
        ("octo-org_x/churn.model-2", "octo-org_x/churn.model-2" + MAIN),
        ("octo@12/churn@345", "octo@12/churn@345" + MAIN),
        ("octo/churn:ref:refs/heads/release/2", "octo/churn:ref:refs/heads/release/2"),
        ("octo@12/churn@345:ref:refs/tags/v1", "octo@12/churn@345:ref:refs/tags/v1"),
        ("octo/churn:environment:production", "octo/churn:environment:production"),
    ],
)
def test_github_is_a_repository_and_its_branch_main_unless_another_is_named(given, subject):
    assert inputs.subject(given) == subject


@pytest.mark.parametrize(
    "given",
    [
        "churn", "octo/", "/churn", "octo/churn/x", "octo/*", "octo/churn:*", "octo/churn:pull_request",
        "octo/churn:ref:refs/heads/*", "octo/churn:ref:refs/heads/", "octo@12/churn", "octo/churn@345",
        "https://github.com/octo/churn", "repo:octo/churn", "octo/churn\n", "octo/${aws:username}",
        "octo/churn:ref:refs/heads/main:x", "octo/churn two", "öcto/churn",
    ],
)  # fmt: skip
def test_a_github_that_is_more_or_less_than_one_branch_is_refused_in_a_sentence(settings, given):
    with pytest.raises(UserError, match="make cluster GITHUB=octocat/churn$") as refused:
        inputs.github(replace(settings, github=given))
    assert "\n" not in str(refused.value)


PROVIDER = f"arn:aws:iam::ACCOUNT:oidc-provider/{inputs.ISSUER}"


def account(cloud, status: dict | None, **answer) -> None:
    """Script an account whose stack has these parameters, and what IAM says of the provider."""
    there = described({})
    there["Stacks"][0]["Parameters"] = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in (status or {}).items()
    ]
    stub = cloud.stub("cloudformation")
    if status is None:
        stub.add_client_error("describe_stacks", "ValidationError", "does not exist")
    else:
        stub.add_response("describe_stacks", there, ASKED)
    caller = {"Arn": "arn:aws:iam::ACCOUNT:user/ann", "Account": "ACCOUNT"}
    cloud.stub("sts").add_response("get_caller_identity", caller)
    asked = {"OpenIDConnectProviderArn": PROVIDER}
    if answer:
        cloud.stub("iam").add_response("get_open_id_connect_provider", answer, asked)
    else:
        cloud.stub("iam").add_client_error("get_open_id_connect_provider", "NoSuchEntity", "none")


def test_the_stack_makes_the_provider_only_where_the_account_has_none(settings, cloud):
    asked = replace(settings, github="octo/churn")
    account(cloud, None)
    made = {"GitHub": "octo/churn" + MAIN, "NewProvider": "true"}
    assert inputs.github(asked) == made
    account(cloud, {"GitHub": "", "NewProvider": "false"}, ClientIDList=[inputs.AUDIENCE])
    assert inputs.github(asked) == made | {"NewProvider": "false"}


def test_a_provider_that_the_stack_made_stays_in_it(settings, cloud):
    account(cloud, {"GitHub": "octo/churn" + MAIN, "NewProvider": "true"}, ClientIDList=[])
    assert inputs.github(replace(settings, github="octo/x"))["NewProvider"] == "true"


def test_a_provider_that_an_update_left_behind_is_taken_for_another_s(settings, cloud):
    """Without GITHUB the stack forgot it and the account kept it: it cannot be made twice."""
    account(cloud, {"GitHub": "", "NewProvider": "true"}, ClientIDList=[inputs.AUDIENCE])
    assert inputs.github(replace(settings, github="octo/x"))["NewProvider"] == "false"


def test_a_provider_that_is_not_for_aws_is_named_with_what_to_type(settings, cloud):
    account(cloud, None, ClientIDList=["https://github.com/octo"])
    with pytest.raises(UserError, match="type: aws iam add-client-id-to-open-id-connect-provider"):
        inputs.github(replace(settings, github="octo/churn"))


def test_without_github_nobody_is_asked_and_the_role_goes(settings, cloud):
    cloud.services.clear()
    found = inputs.github(settings)
    assert "GitHub=" in inputs.parameters(settings, found)
    # nor in the emulator, which knows no providers
    asked = replace(settings, github="octo/churn", sandbox=True)
    assert inputs.github(asked)["NewProvider"] == "false"
