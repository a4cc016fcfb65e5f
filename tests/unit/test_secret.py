"""Secrets: where the value comes from, where it goes, and how a task names it."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
from ecs.errors import UserError
from ecs.request import request
from ecs.stack import secrets

ARN = "arn:aws:secretsmanager:us-east-1:ACCOUNT:secret:churn/{}-AbCdEf"
BEFORE = [{"Key": "project", "Value": "churn"}]
TAGS = [*BEFORE, {"Key": "project-id", "Value": "abcdefghijklmnop"}]


def definition(*secrets: dict) -> dict:
    train = {"name": "train", "image": "i"} | ({"secrets": list(secrets)} if secrets else {})
    return {"family": "churn", "containerDefinitions": [train, {"name": "other", "image": "i"}]}


def typed(monkeypatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b" two\nlines \n\n", " two\nlines \n"),
        ("é😀$(id)`\"'".encode(), "é😀$(id)`\"'"),
        (b"x" * 65536 + b"\n", "x" * 65536),
    ],
)
def test_a_value_comes_from_standard_input_as_it_is(monkeypatch, content, value):
    typed(monkeypatch, content)
    assert secrets.read_value("KEY") == value


@pytest.mark.parametrize("content", [b"", b"\n", b"a\0b", b"x" * 65537, b"x" * 99999, b"\xff\xfe"])
def test_a_value_that_no_variable_can_hold_is_refused_and_not_repeated(monkeypatch, content):
    typed(monkeypatch, content)
    with pytest.raises(UserError, match="the value of KEY") as caught:
        secrets.read_value("KEY")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "xxxx" not in str(caught.value)


def test_at_a_terminal_it_is_asked_for_without_echo(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"typed after {prompt}")
    assert secrets.read_value("KEY") == "typed after value of KEY (not shown): "


@pytest.mark.parametrize("name", ["", "A B", "1A", "a-b", "../x", "A=1", "RUN_URI", "é"])
def test_a_name_that_no_variable_has_is_refused(name):
    with pytest.raises(UserError, match="make secret NAME=TD_API_KEY"):
        secrets.checked_name(name)


def created(value: str) -> dict:
    return {
        "Name": "churn/KEY",
        "SecretString": value,
        "Description": "KEY of the tasks of churn",
        "Tags": TAGS,
    }


PUT = {"SecretId": "churn/KEY", "SecretString": "v"}


def test_a_secret_is_created(settings, cloud):
    cloud.stub("secretsmanager").add_response("create_secret", {}, created("v"))
    assert secrets.store(settings, "KEY", "v") == "created"


OWN, OTHER = "KEY of the tasks of churn", "somebody's"
ANOTHER = [*BEFORE, {"Key": "project-id", "Value": "another-project"}]
# what a secret has, and whether it is the project's
WHOSE = [
    (TAGS, OWN, True), (TAGS, OTHER, True), (BEFORE, OWN, True), (BEFORE, OTHER, False),
    ([], OWN, False), (ANOTHER, OWN, False), ([{"Key": "project", "Value": "x"}], OWN, False),
]  # fmt: skip
THERE = {
    "get a new value": ("ResourceExistsException", "exists", []),
    "being deleted": ("InvalidRequestException", "it is already scheduled for deletion", ["restore_secret"]),
}  # fmt: skip


@pytest.mark.parametrize(("tags", "description", "ours"), WHOSE)
@pytest.mark.parametrize("there", THERE)
def test_a_secret_that_is_there_is_changed_only_if_it_is_ours(
    settings, cloud, there, tags, description, ours
):
    code, message, calls = THERE[there]
    stub = cloud.stub("secretsmanager")
    stub.add_client_error("create_secret", code, message)
    answer = {"Name": "churn/KEY", "Tags": tags, "Description": description}
    stub.add_response("describe_secret", answer, {"SecretId": "churn/KEY"})
    if ours:
        for call in calls:
            stub.add_response(call, {}, {"SecretId": "churn/KEY"})
        stub.add_response("put_secret_value", {}, PUT)
        assert secrets.store(settings, "KEY", "v") == "updated"
    else:
        with pytest.raises(UserError, match="secret churn/KEY was not made .*NAME=ANOTHER_NAME$"):
            secrets.store(settings, "KEY", "v")
    stub.assert_no_pending_responses()


def test_a_task_gets_the_secrets_of_its_file_and_those_that_are_named(settings):
    own = {"name": "OWN", "valueFrom": "churn/OWN"}
    named = replace(settings, secrets="KEY, OWN  KEY")
    train, other = secrets.with_secrets(definition(own), named)["containerDefinitions"]
    assert train["secrets"] == [own, {"name": "KEY", "valueFrom": "churn/KEY"}]
    assert "secrets" not in other
    assert secrets.with_secrets(definition(), settings) == definition()
    with pytest.raises(UserError, match="SECRETS='no-name'"):
        secrets.with_secrets(definition(), replace(settings, secrets="no-name"))


def test_each_name_becomes_an_arn_and_what_is_none_of_ours_stays(settings, cloud):
    answer = {"ARN": ARN.format("KEY")}
    cloud.stub("secretsmanager").add_response("describe_secret", answer, {"SecretId": "churn/KEY"})
    parameter = {"name": "P", "valueFrom": "/team/parameter"}
    twice = [{"name": name, "valueFrom": "churn/KEY"} for name in ("KEY", "COPY")]
    train, _ = secrets.with_arns(settings, definition(*twice, parameter))["containerDefinitions"]
    found = [each["valueFrom"] for each in train["secrets"]]
    assert found == [ARN.format("KEY"), ARN.format("KEY"), "/team/parameter"]
    # the stub has one answer only, and without secrets nobody is asked
    assert secrets.with_arns(settings, definition()) == definition()


def test_a_secret_that_was_never_stored_is_named_before_anything_is_registered(settings, cloud):
    stub = cloud.stub("secretsmanager")
    wanted = definition({"name": "KEY", "valueFrom": "churn/KEY"})
    stub.add_client_error("describe_secret", "ResourceNotFoundException")
    with pytest.raises(UserError, match="no secret 'churn/KEY'; type: make secret NAME=KEY"):
        secrets.with_arns(settings, wanted)
    stub.add_response("describe_secret", {"ARN": ARN.format("KEY"), "DeletedDate": 0})
    with pytest.raises(UserError, match="make secret NAME=KEY"):
        secrets.with_arns(settings, wanted)


@pytest.mark.parametrize("listed", [True, False])
def test_a_variable_is_not_given_twice(settings, outputs, listed):
    """ECS refuses a variable that is also a secret, after the run has an id and a record."""
    content = definition(*[{"name": "KEY", "valueFrom": "x"}] * listed) | {
        "cpu": "1024",
        "memory": "4096",
    }
    asked = replace(settings, env="A=1 KEY=2", secrets="" if listed else "KEY")
    with pytest.raises(UserError, match="ENV: KEY is a secret"):
        request.run_task_request(asked, outputs, content, "churn", "run")


def test_secrets_of_others_are_left_alone(settings, cloud):
    """Those of a project whose name begins so are not even named."""
    listed = [{"Name": name, "Tags": TAGS} for name in ("churn/Z", "Churn/C", "churn-2/D")]
    for number, (tags, description, _) in enumerate(WHOSE):
        text = description.replace("KEY", f"K{number}")
        listed.append({"Name": f"churn/K{number}", "Tags": tags, "Description": text})
    asked = {"Filters": [{"Key": "name", "Values": ["churn/"]}]}
    stub = cloud.stub("secretsmanager")
    stub.add_response("list_secrets", {"SecretList": listed}, asked)
    own, others = secrets.stored_secrets(settings)
    assert own == ["churn/K0", "churn/K1", "churn/K2", "churn/Z"]
    assert others == ["churn/K3", "churn/K4", "churn/K5", "churn/K6"]
    for name in own:
        asked = {"SecretId": name, "ForceDeleteWithoutRecovery": True}
        stub.add_response("delete_secret", {}, asked)
    secrets.delete_secrets(settings, own)
    stub.assert_no_pending_responses()
