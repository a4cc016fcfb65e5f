"""The Makefile's variables: what no target could use is refused, with what to type."""

import dataclasses
from itertools import product

import pytest
from ecs.__main__ import tell_region
from ecs.errors import UserError
from ecs.settings import ARCHITECTURES, Settings, instance_type, processor, settings_from
from kinds import CAPACITIES, WITH_GPU

NEEDED = {"PROJECT": "churn", "REGION": "us-east-1"}
FLAGS = ["exec", "detach", "dry_run", "offline", "yes", "keep_data", "sandbox", "spot_fallback"]
MEANS = {
    **dict.fromkeys(("1", "yes", "Yes", "TRUE", "on", " 1 "), True),
    **dict.fromkeys(("", " ", "0", "no", "NO", "false", "False", "off", " 0"), False),
}
# By AWS's lists of instance types; the letters behind the generation tell it.
PROCESSORS = {
    "arm64": "a1.xlarge c6gn.large c7g.xlarge c7gd.2xlarge c8gn.large g5g.xlarge hpc7g.4xlarge "
    "i8ge.large im4gn.large is4gen.large m8g.metal-24xl p6e-gb200.36xlarge r8gd.large t4g.small "
    "x2gd.medium x8g.large",
    "x86_64": "c5n.large c7a.large c7i.xlarge c7i-flex.large g4ad.xlarge g4dn.xlarge g5.xlarge "
    "g6.xlarge g6e.2xlarge g6f.large gr6.4xlarge i7ie.large inf2.xlarge m7i.metal-24xl p4d.24xlarge "
    "p5en.48xlarge p6-b200.48xlarge t3.micro trn1.2xlarge u7i-12tb.224xlarge x2iedn.xlarge",
}


def test_these_are_all_flags_and_each_is_off_unless_it_is_given():
    settings = settings_from(NEEDED)
    found = [each.name for each in dataclasses.fields(Settings) if each.type is bool]
    assert sorted(found) == sorted(FLAGS)
    assert not any(getattr(settings, name) for name in FLAGS)


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_is_on_or_off_by_its_word_or_refused(name):
    for word, means in MEANS.items():
        assert getattr(settings_from(NEEDED | {name.upper(): word}), name) is means, word
    for word in ("2", "00", "maybe", "y", "n", "1 0", "-1", "destroy"):
        with pytest.raises(UserError, match=rf"^{name.upper()}='{word}': .*type: {name.upper()}=1"):
            settings_from(NEEDED | {name.upper(): word})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_name_of_an_instance_type_tells_its_processor(architecture):
    for name in PROCESSORS[architecture].split():
        assert processor(name) == architecture, name


@pytest.mark.parametrize("name", ["", "mac2.metal", "large", "c7i", "C7I.LARGE", "c7i.large "])
def test_a_name_that_tells_nothing_is_left_to_aws(name):
    assert processor(name) is None


@pytest.mark.parametrize(("capacity", "architecture"), [*product(CAPACITIES, ARCHITECTURES)])
def test_every_capacity_has_a_type_for_each_architecture_that_it_has(capacity, architecture):
    asked = {**NEEDED, "CAPACITY": capacity, "ARCHITECTURE": architecture}
    if capacity in WITH_GPU and architecture == "arm64":
        with pytest.raises(UserError, match="for x86_64 only; type: ARCHITECTURE=x86_64"):
            settings_from(asked)
        return
    chosen = instance_type(settings_from(asked))
    if capacity in ("ec2", "gpu"):
        assert processor(chosen) == architecture
        assert chosen.startswith("g") == (capacity == "gpu")
    else:
        assert chosen == ""  # Fargate has none, and for Managed Instances ECS chooses
        assert instance_type(settings_from({**asked, "INSTANCE_TYPE": "m7i.large"})) == ""


@pytest.mark.parametrize(
    ("capacity", "architecture", "given", "sentence"),
    [
        (
            "ec2",
            "arm64",
            "c7i.xlarge",
            "is x86_64, and ARCHITECTURE=arm64; type: INSTANCE_TYPE=c7g",
        ),
        ("ec2", "x86_64", "c7g.xlarge", "INSTANCE_TYPE=c7i.xlarge, or ARCHITECTURE=arm64"),
        (
            "gpu",
            "x86_64",
            "g5g.xlarge",
            "is arm64, and ARCHITECTURE=x86_64; type: INSTANCE_TYPE=g6",
        ),
        ("gpu", "x86_64", "c7i.xlarge", "has no NVIDIA GPU, .* type: INSTANCE_TYPE=g6.xlarge"),
        ("gpu", "x86_64", "g4ad.xlarge", "has no NVIDIA GPU"),
        ("gpu", "x86_64", "trn1.2xlarge", "has no NVIDIA GPU"),
    ],
)
def test_a_type_that_contradicts_is_refused_before_aws_is_asked(
    capacity, architecture, given, sentence
):
    asked = {"CAPACITY": capacity, "ARCHITECTURE": architecture, "INSTANCE_TYPE": given}
    with pytest.raises(UserError, match=sentence):
        settings_from({**NEEDED, **asked})


@pytest.mark.parametrize(
    "given", ["g4dn.xlarge", "g5.xlarge", "gr6.4xlarge", "p5.4xlarge", "g7e.2xlarge"]
)
def test_a_type_with_a_gpu_is_taken(given):
    asked = {**NEEDED, "CAPACITY": "gpu", "INSTANCE_TYPE": given}
    assert instance_type(settings_from(asked)) == given


@pytest.mark.parametrize("project", ["ecs-churn", "awsome", "fargate-2"])
def test_a_name_that_ecs_keeps_for_itself_has_fargate_only(project):
    assert settings_from({**NEEDED, "PROJECT": project}).capacity == "fargate"
    for capacity in ("ec2", "gpu", "managed", "managed-gpu"):
        with pytest.raises(UserError, match=f"starts with {project}; type: CAPACITY=fargate"):
            settings_from({**NEEDED, "PROJECT": project, "CAPACITY": capacity})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"AWS": "aws --profile prod"}, "AWS='aws --profile prod': .* AWS_PROFILE=NAME make"),
        ({"DOCKER": "sudo docker"}, "DOCKER='sudo docker': .* adduser"),
    ],
)
def test_a_program_with_words_behind_it_is_refused_with_what_to_type(given, sentence):
    with pytest.raises(UserError, match=sentence):
        settings_from(NEEDED | given)


def test_a_program_in_a_folder_with_a_blank_in_its_name_is_one(tmp_path):
    program = tmp_path / "my tools" / "aws"
    program.parent.mkdir()
    program.touch()
    assert settings_from(NEEDED | {"AWS": str(program)}).aws == str(program)


def test_an_empty_variable_is_one_that_is_not_given():
    """So that each default stands in one place; but no data is something to ask for."""
    empty = {field.name.upper(): "" for field in dataclasses.fields(Settings)} | NEEDED
    assert settings_from(empty) == dataclasses.replace(settings_from(NEEDED), data="", script="")


def test_the_environment_never_sets_the_cli_s_words():
    assert settings_from(NEEDED | {"COMMAND": "rm"}).command == ()


@pytest.mark.parametrize("region", ["cn-north-1", "cn-northwest-1"])
def test_regions_in_china_are_refused_in_one_sentence(region):
    """The template trusts ec2.amazonaws.com, which is another there (aws/amazon-ecs-cli 552)."""
    with pytest.raises(UserError, match=f"REGION={region}: .*; type another: REGION=us-east-1$"):
        settings_from(NEEDED | {"REGION": region})


@pytest.mark.parametrize(
    ("theirs", "told"), [("", False), ("us-east-1", False), ("eu-west-1", True)]
)
def test_a_region_of_the_user_s_own_that_is_not_used_is_said(monkeypatch, capsys, theirs, told):
    monkeypatch.setenv("THEIR_REGION", theirs)
    tell_region(settings_from(NEEDED))
    said = capsys.readouterr().err
    assert ("type: REGION=eu-west-1" in said) is told
    tell_region(settings_from(NEEDED | {"SANDBOX": "1"}))
    assert capsys.readouterr().err == ""
