"""The task definition: its placeholders, and when it is registered anew."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ecs.errors import UserError
from ecs.image import image
from ecs.request import definition
from ecs.run import registration
from kinds import CAPACITIES, WITH_GPU
from support import PROJECT

ARN = "arn:aws:ecs:us-east-1:ACCOUNT:task-definition/churn:{}"
ASKED = {"taskDefinition": "churn", "include": ["TAGS"]}
WRITTEN = {
    "family": "${Project}",
    "cpu": "1024",
    "memory": "4096",
    "containerDefinitions": [{"name": "train", "image": "${Image}", "command": ["cost: 5$$"]}],
}


def test_placeholders_are_filled_wherever_they_stand(settings, outputs):
    made = definition.render(WRITTEN, settings, outputs, "the-image")
    (container,) = made["containerDefinitions"]
    assert made["family"] == "churn"
    assert container["image"] == "the-image"
    assert container["command"] == ["cost: 5$"]


def test_only_a_run_that_one_looks_into_may_write_to_its_root(settings, outputs):
    container = {"name": "train", "readonlyRootFilesystem": True}
    written = {"containerDefinitions": [container]}
    for asked, value in ((False, True), (True, False)):
        made = definition.render(written, replace(settings, exec=asked), outputs, "the-image")
        assert made["containerDefinitions"][0]["readonlyRootFilesystem"] is value
    assert container["readonlyRootFilesystem"] is True


FITS = {
    "fargate": ("FARGATE", "awsvpc"),
    "fargate-spot": ("FARGATE", "awsvpc"),
    "ec2": ("EC2", "bridge"),
    "gpu": ("EC2", "bridge"),
    "managed": ("MANAGED_INSTANCES", "host"),
    "managed-gpu": ("MANAGED_INSTANCES", "host"),
}
GPU = [{"type": "GPU", "value": "1"}]


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_a_definition_fits_the_capacity_that_it_is_registered_for(settings, outputs, capacity):
    written = {
        "requiresCompatibilities": ["${LaunchType}"],
        "networkMode": "${NetworkMode}",
        "containerDefinitions": [{"name": "train"}, {"name": "beside"}],
    }
    made = definition.render(written, replace(settings, capacity=capacity), outputs, "the-image")
    assert ((*made["requiresCompatibilities"],)[0], made["networkMode"]) == FITS[capacity]
    train, beside = made["containerDefinitions"]
    assert train.get("resourceRequirements") == (GPU if capacity in WITH_GPU else None)
    assert beside == {"name": "beside"}
    in_sandbox = replace(settings, capacity=capacity, sandbox=True)
    assert definition.render(written, in_sandbox, outputs, "x")["networkMode"] == "host"


def test_gpus_that_the_file_asks_for_stay(settings, outputs):
    asked = [{"type": "GPU", "value": "4"}]
    written = {"containerDefinitions": [{"name": "train", "resourceRequirements": asked}]}
    made = definition.render(written, replace(settings, capacity="gpu"), outputs, "the-image")
    assert made["containerDefinitions"][0]["resourceRequirements"] == asked


@pytest.mark.parametrize("text", ["${Nothing}", "5$", "${", "${Project"])
def test_a_placeholder_that_nothing_fills_is_the_users_to_mend(settings, outputs, text):
    with pytest.raises(UserError, match="a plain dollar sign is written"):
        definition.render({"family": text}, settings, outputs, "the-image")


def test_the_content_does_not_depend_on_the_order_of_keys():
    assert registration.content({"a": 1, "b": [1, 2]}) == registration.content(
        {"b": [1, 2], "a": 1}
    )
    assert registration.content({"b": [1, 2]}) != registration.content({"b": [2, 1]})


@pytest.mark.parametrize(("text", "sentence"), [(None, "is missing"), ("{", "is not JSON")])
def test_a_file_that_is_missing_or_spoilt_gets_one_sentence(tmp_path: Path, text, sentence):
    path = tmp_path / "task-definition.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=sentence):
        definition.read(path)


@pytest.fixture
def registering(monkeypatch, tmp_path, cloud):
    """Give the file and an image with a digest; return the requests that go to the AWS CLI."""
    sent = []
    (tmp_path / "task-definition.json").write_text(json.dumps(WRITTEN))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image, "tag", lambda settings: "v1")
    monkeypatch.setattr(image, "digest", lambda settings, uri, tag: "sha256:1")

    def call_cli(settings, *command, request, name):
        assert command == ("ecs", "register-task-definition")
        sent.append(request)
        return {"taskDefinition": {"taskDefinitionArn": ARN.format(len(sent))}}

    monkeypatch.setattr(registration, "call_cli", call_cli)
    return sent


def answer(cloud, revision: int, tags: list[dict]) -> None:
    described = {"taskDefinition": {"taskDefinitionArn": ARN.format(revision)}, "tags": tags}
    cloud.stub("ecs").add_response("describe_task_definition", described, ASKED)


def test_the_first_revision_is_registered_with_the_digest(registering, settings, outputs, cloud):
    cloud.stub("ecs").add_client_error(
        "describe_task_definition", "ClientException", "Unable to describe task definition."
    )
    arn, uri = registration.register(settings, outputs)
    assert (arn, uri) == (ARN.format(1), "registry.example/churn@sha256:1")
    (request,) = registering
    assert request["containerDefinitions"][0]["image"] == uri


def test_what_is_registered_already_is_not_registered_again(
    registering, settings, outputs, cloud, monkeypatch
):
    answer(cloud, 7, [])
    registration.register(settings, outputs)  # a revision that was registered by other means
    tags = registering[0]["tags"]
    answer(cloud, 8, tags)
    assert registration.register(settings, outputs)[0] == ARN.format(8)
    assert len(registering) == 1
    monkeypatch.setattr(image, "digest", lambda settings, uri, tag: "sha256:2")
    answer(cloud, 8, tags)
    registration.register(settings, outputs)
    assert len(registering) == 2


def test_an_image_that_was_not_pushed_is_not_registered(
    registering, settings, outputs, monkeypatch
):
    monkeypatch.setattr(image, "digest", lambda settings, uri, tag: None)
    with pytest.raises(UserError, match="the image v1 of what is in this folder .* make push"):
        registration.register(settings, outputs)
    assert registering == []


def test_other_errors_of_ecs_are_not_taken_for_a_missing_revision(settings, cloud):
    from botocore.exceptions import ClientError

    cloud.stub("ecs").add_client_error("describe_task_definition", "AccessDeniedException", "no")
    with pytest.raises(ClientError, match="AccessDenied"):
        registration.registered(settings)


def test_an_image_for_cpus_is_not_registered_where_a_gpu_is_paid_for(
    registering, settings, outputs, tmp_path
):
    (tmp_path / "requirements-cuda.txt").write_text("")
    with pytest.raises(UserError, match="make push EXTRAS="):
        registration.register(replace(settings, capacity="gpu"), outputs)
    assert registering == []


# ---- a file that the owner edited

WHOLE = json.loads((PROJECT / "task-definition.json").read_text())
(TRAIN,) = WHOLE["containerDefinitions"]
LOG = TRAIN["logConfiguration"]
SIDECAR = {"name": "helper", "image": "busybox"}


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ([], "is no JSON object; type: git checkout"),
        ("x", "is no JSON object; type: git checkout"),
        ({**WHOLE, "family": "churn"}, 'write "family": "${Project}" there'),
        ({key: WHOLE[key] for key in WHOLE if key != "family"}, "the family is None"),
        ({key: WHOLE[key] for key in WHOLE if key != "cpu"}, 'write for example "cpu": "1024"'),
        ({key: WHOLE[key] for key in WHOLE if key != "memory"}, 'and "memory": "4096" there'),
        ({**WHOLE, "cpu": "1 vCPU"}, "whole numbers, CPU units"),
        ({**WHOLE, "memory": "4GB"}, "whole numbers, CPU units"),
        ({**WHOLE, "memory": "0"}, "whole numbers, CPU units"),
        ({**WHOLE, "containerDefinitions": {}}, "is no list of objects"),
        ({**WHOLE, "containerDefinitions": ["train"]}, "is no list of objects"),
        ({**WHOLE, "containerDefinitions": []}, "has no container named train; name it train there"),
        ({**WHOLE, "containerDefinitions": [SIDECAR]}, "has no container named train; name it train there"),
    ],
)  # fmt: skip
def test_what_no_run_can_be_made_of_is_one_sentence(tmp_path: Path, made, sentence):
    path = tmp_path / "task-definition.json"
    path.write_text(json.dumps(made))
    with pytest.raises(UserError, match=re.escape(sentence)):
        definition.written(path)


@pytest.mark.parametrize(
    "made",
    [
        WHOLE,
        {**WHOLE, "cpu": 1024, "memory": 4096},
        {**WHOLE, "containerDefinitions": [SIDECAR, TRAIN]},
    ],
    ids=["as it comes", "numbers", "a sidecar"],
)
def test_what_runs_can_be_made_of_stays_as_it_is(tmp_path: Path, made):
    path = tmp_path / "task-definition.json"
    path.write_text(json.dumps(made))
    assert definition.written(path) == made


@pytest.mark.parametrize(
    ("log", "place"),
    [
        (LOG, {"group": "/ecs/churn", "stream-prefix": "run"}),
        (
            {"logDriver": "awslogs", "options": {"awslogs-group": "/own", "awslogs-stream-prefix": "a/b"}},
            {"group": "/own", "stream-prefix": "a/b"},
        ),
        ({"logDriver": "awslogs", "options": {"awslogs-group": "/own"}}, None),  # the stream has the id of Docker
        ({"logDriver": "awslogs"}, None),
        ({"logDriver": "splunk", "options": {"awslogs-group": "/own", "awslogs-stream-prefix": "a"}}, None),
        (None, None),
    ],
    ids=str,
)  # fmt: skip
def test_the_log_is_where_the_file_says(settings, outputs, log, place):
    outputs["LogGroup"] = "/ecs/churn"
    made = {**WHOLE, "containerDefinitions": [SIDECAR, {**TRAIN, "logConfiguration": log}]}
    rendered = definition.render(made, settings, outputs, "the-image")
    assert definition.log(rendered) == place
