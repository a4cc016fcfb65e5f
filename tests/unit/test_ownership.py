"""Whose a stack is: each state and mark that one may be found in, and each command that meets it."""

import io
import re
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from ecs import __main__ as cli
from ecs import ownership, plan, stack
from ecs.errors import UserError
from ecs.settings import read_id, settings_from
from support import MARKED, PROJECT

WORDS = "All that lasts of one training project: image repository, cluster"
OUTPUTS = [{"OutputKey": name, "OutputValue": "x"} for name in sorted(ownership.OUTPUTS)]
OLD = {"Tags": MARKED[:1], "Description": WORDS, "Outputs": OUTPUTS}
OTHER_ID = [{"Key": "project-id", "Value": "1111-2222"}]
# what DescribeStacks shows: whose it is
STACKS = {
    "ours": ({"Tags": MARKED}, ownership.OURS),
    "ours, without outputs": ({"Tags": MARKED, "Outputs": []}, ownership.OURS),
    "made before there was a mark": (OLD, ownership.OLDER),
    "the same, whose creation failed": ({**OLD, "Outputs": []}, ownership.OLDER),
    "another's of the same name": ({**OLD, "Tags": [*MARKED[:1], *OTHER_ID]}, ownership.FOREIGN),
    "one with other outputs": ({**OLD, "Outputs": OUTPUTS[:2]}, ownership.FOREIGN),
    "one with another description": ({**OLD, "Description": "A web shop"}, ownership.FOREIGN),
    "one of another project's name": (
        {**OLD, "Tags": [{"Key": "project", "Value": "shop"}]}, ownership.FOREIGN,
    ),
    "one without tags": ({**OLD, "Tags": []}, ownership.FOREIGN),
    "somebody's": ({}, ownership.FOREIGN),
}  # fmt: skip


def scripted(cloud, fields: dict, status: str = "UPDATE_COMPLETE") -> None:
    described = {"StackName": "churn", "CreationTime": 0, "StackStatus": status, **fields}
    cloud.stub("cloudformation").add_response("describe_stacks", {"Stacks": [described]})


@pytest.mark.parametrize("name", STACKS)
def test_whose_a_stack_is(settings, name):
    fields, whose = STACKS[name]
    assert ownership.of_stack(settings, fields) == whose


def test_a_project_without_an_id_has_no_stack_that_is_marked(settings):
    settings = replace(settings, project_id="")
    assert ownership.of_stack(settings, {"Tags": MARKED}) == ownership.FOREIGN
    assert ownership.of_stack(settings, {"Tags": [{"Key": "project-id", "Value": ""}]}) == "ours"
    assert ownership.tags(settings) == {"project": "churn"}


COMMANDS = {
    "cluster": stack.claim,
    "its bucket": stack.bucket,
    "its GitHub": lambda settings: stack.github(replace(settings, github="o/n")),
    "plan": lambda settings: plan.plan(settings, []),
    "run, data, fetch": stack.outputs,
    "destroy": cli.destroy,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", [each for each, (_, w) in STACKS.items() if w == "foreign"])
def test_a_foreign_stack_stops_every_command_before_anything_else(
    settings, cloud, name, command, tmp_path
):
    scripted(cloud, STACKS[name][0])
    with pytest.raises(UserError, match="the stack 'churn' in us-east-1 .* it was left alone"):
        COMMANDS[command](settings)
    assert not (tmp_path / "state").exists()


def test_the_sentence_says_how_to_share_a_stack_knowingly(settings, cloud, tmp_path, monkeypatch):
    scripted(cloud, {"Tags": OTHER_ID})
    with pytest.raises(UserError) as refused:
        stack.claim(settings)
    typed = re.search(r"type: echo (\S+) > (\S+)$", str(refused.value))
    monkeypatch.chdir(tmp_path)
    Path(typed[2]).write_text(f"{typed[1]}\n")  # what the shell does
    joined = settings_from({"PROJECT": "churn", "REGION": "us-east-1"})
    scripted(cloud, {"Tags": OTHER_ID})
    stack.claim(joined)


@pytest.mark.parametrize("tags", [OTHER_ID, [{"Key": "team", "Value": "shop"}]])
def test_what_is_left_of_anothers_change_set_is_foreign_too(settings, cloud, tags):
    scripted(cloud, {"Tags": tags}, "REVIEW_IN_PROGRESS")
    with pytest.raises(UserError, match="left alone"):
        stack.claim(settings)
    for ours in ({"Tags": MARKED}, {}):
        scripted(cloud, ours, "REVIEW_IN_PROGRESS")
        assert stack.existing(settings) is None


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_older_stack_is_taken_over_after_asking(settings, cloud, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("churn\n"))
    scripted(cloud, OLD)
    with pytest.raises(
        UserError, match="no mark yet; if it is this project's, type: make cluster YES=1"
    ):
        stack.claim(settings)
    scripted(cloud, OLD)
    stack.claim(replace(settings, yes=True))
    assert "has no mark yet: it gets this project's" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Terminal())
    for answer in ("", "y", "other"):
        with pytest.raises(UserError, match="nothing was changed"):
            ownership.adopt(settings, "it", lambda _, answer=answer: answer)
    ownership.adopt(settings, "it", lambda _: " churn ")


def test_an_older_stack_goes_on_working_and_one_of_ours_is_not_asked_about(
    settings, cloud, outputs
):
    listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    scripted(cloud, {**OLD, "Outputs": listed})
    assert stack.outputs(settings)["Cluster"] == "the-cluster"
    scripted(cloud, {"Tags": MARKED})
    stack.claim(settings)  # without a terminal


def test_what_is_remembered_for_one_project_is_not_taken_for_another(settings, cloud, outputs):
    listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    scripted(cloud, {"Tags": MARKED, "Outputs": listed})
    stack.outputs(settings)
    assert stack.cached_outputs(settings)
    assert stack.cached_outputs(replace(settings, project_id="another-one")) is None


# ---- the file


@pytest.mark.parametrize("text", ["", "x", "two words", "a" * 65, "{{ uuid4() }}", "é" * 10])
def test_a_file_that_holds_no_id_is_one_sentence(tmp_path, text):
    path = tmp_path / "id"
    path.write_text(text)
    with pytest.raises(UserError, match="holds no id .*; type: git checkout "):
        read_id(path)


def test_a_project_from_before_gets_an_id_that_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert read_id() == ""
    made = ownership.new_id()
    assert read_id() == made == str(uuid.UUID(made))
    assert "commit it to git" in capsys.readouterr().err


def test_the_id_cannot_come_from_the_environment(tmp_path, monkeypatch):
    """PROJECT_ID is what Google's tools call something else."""
    monkeypatch.chdir(tmp_path)
    found = settings_from({"PROJECT": "churn", "REGION": "x", "PROJECT_ID": "my-google-project"})
    assert found.project_id == ""


def test_two_generated_projects_have_two_ids_and_their_updates_leave_them(bake):
    ids = {read_id(bake() / ".project-id") for _ in range(2)}
    assert len(ids) == 2 and "" not in ids
    assert 'skip = [".project-id"]' in (bake() / "pyproject.toml").read_text()


def test_what_older_stacks_are_known_by_is_what_the_template_still_says():
    text = (PROJECT / "infrastructure.yaml").read_text()
    assert " ".join(text.split()).count(ownership.DESCRIPTION) == 1
    assert all(re.search(rf"^  {name}:$", text, re.MULTILINE) for name in ownership.OUTPUTS)
