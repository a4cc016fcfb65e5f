"""Answers that some service would refuse are refused; all others are carried as data."""

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import botocore.session
import pytest
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter
from hypothesis import example, given
from hypothesis import strategies as st
from support import BIN, DEFAULTS, ROOT, call

HOOK = ROOT / "hooks/pre_gen_project.py"
TAKEN_BY_PACKAGES = ("xgboost", "scikit-learn", "boto3", "numpy", "pytest", "ruff", "uv")


def bucket_of(slug: str, region: str) -> str:
    """Return the name that infrastructure.yaml gives the bucket."""
    return f"{slug}-{'0' * 12}-{region}"


def role_of(slug: str) -> str:
    """Return a name as CloudFormation makes it for the role whose logical id is the longest."""
    return f"{slug}-InfrastructureRole-{'A' * 12}"


def longest_slug(region: str) -> str:
    """Return a slug for which S3's 63 characters for a bucket and IAM's 64 for a role are enough."""
    return "m" * min(63 - len(bucket_of("", region)), 64 - len(role_of("")))


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def refused(template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Return a function that gives the error lines of a bake, which must write nothing."""

    def refused(**answers: str) -> list[str]:
        with pytest.raises(FailedHookException):
            cookiecutter(
                str(template), no_input=True, extra_context=answers, output_dir=str(tmp_path)
            )
        said = capfd.readouterr().err
        assert "Traceback" not in said
        assert files_below(tmp_path) == []
        lines = said.splitlines()
        return [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]

    return refused


REFUSED = {
    "capitals": ({"project_slug": "Churn-Model"}, "lower-case letters", "churn-model"),
    "two hyphens": ({"project_slug": "churn--model"}, "single hyphens", "churn-model"),
    "a trailing hyphen": ({"project_slug": "churn-"}, "last no hyphen", "churn"),
    "a leading hyphen": ({"project_slug": "-churn"}, "first a letter", "churn"),
    "a leading digit": ({"project_slug": "3-churn"}, "first a letter", "churn"),
    "an underscore": ({"project_slug": "churn_model"}, "lower-case letters", "churn-model"),
    "a dot": ({"project_slug": "churn.model"}, "lower-case letters", "churn-model"),
    "a slash": ({"project_slug": "../churn"}, "lower-case letters", "churn"),
    "a space": ({"project_slug": "churn model"}, "lower-case letters", "churn-model"),
    "letters that are not ASCII": ({"project_slug": "modèle"}, "lower-case letters", "mod-le"),
    "punctuation only": ({"project_slug": "#!"}, "first a letter", "my-model"),
    "two characters": ({"project_slug": "ml"}, "three characters", "my-ml"),
    "a start that AWS keeps": ({"project_slug": "aws-churn"}, "AWS keeps", "my-aws-churn"),
    "the name aws": ({"project_slug": "aws"}, "AWS keeps", "my-aws"),
    "a start that S3 keeps": ({"project_slug": "sthree-churn"}, "AWS keeps", "my-sthree-churn"),
    "a start for S3's examples": ({"project_slug": "amzn-s3-demo"}, "AWS keeps", "my-amzn-s3-demo"),
    "a package's name": ({"project_slug": "xgboost"}, "package of that name", "my-xgboost"),
    "a region without a number": ({"aws_region": "us-east"}, "form of a region", "eu-west-1"),
    "an availability zone": ({"aws_region": "us-east-1a"}, "form of a region", "eu-west-1"),
    "a region in capitals": ({"aws_region": "US-EAST-1"}, "form of a region", "eu-west-1"),
    "a region with a newline": ({"aws_region": "us-east-1\n"}, "form of a region", "eu-west-1"),
    "a region in China": ({"aws_region": "cn-north-1"}, "AWS in China", "eu-west-1"),
    "no region": ({"aws_region": ""}, "form of a region", "eu-west-1"),
    "a region that is code": (
        {"aws_region": "$(touch canary)-east-1"},
        "form of a region",
        "eu-west-1",
    ),
    "a name of two lines": (
        {"project_name": "Churn\nModel", "project_slug": "churn"},
        "one line",
        "Churn Model",
    ),
    "no name": ({"project_name": " ", "project_slug": "churn"}, "1 to 80", "Churn Model"),
    "a name of 81 characters": (
        {"project_name": "n" * 81, "project_slug": "churn"},
        "1 to 80",
        "Churn Model",
    ),
    "a GPU for scikit-learn": (
        {"compute": "gpu", "framework": "scikit-learn"},
        "scikit-learn computes on no GPU",
        "ec2",
    ),
    "a managed GPU for scikit-learn": (
        {"compute": "managed-gpu", "framework": "scikit-learn"},
        "scikit-learn computes on no GPU",
        "ec2",
    ),
    "a start that ECS keeps": (
        {"project_slug": "ecs-churn", "compute": "ec2"},
        "ECS refuses names that start like this",
        "my-ecs-churn",
    ),
    "a GPU beside an Arm processor": (
        {"cpu_architecture": "arm64", "compute": "gpu"},
        "for x86_64 only",
        "x86_64",
    ),
    "a control character": (
        {"project_name": "Churn\x1b[31m", "project_slug": "churn"},
        "printable",
        "Churn Model",
    ),
}


@pytest.mark.parametrize(("answers", "rule", "suggestion"), REFUSED.values(), ids=REFUSED)
def test_a_bad_answer_is_refused_with_its_rule_and_a_suggestion(answers, rule, suggestion, refused):
    (sentence,) = refused(**answers)
    assert rule in sentence
    assert sentence.endswith(f"try {suggestion!r}")
    named = next(name for name in answers if name in sentence)
    assert repr(answers[named]) in sentence


def test_several_bad_answers_get_a_line_each(refused):
    sentences = refused(project_name="", project_slug="Ab", aws_region="mars")
    assert [sentence.split()[0] for sentence in sentences] == [
        "project_name",
        "aws_region",
        "project_slug",
    ]


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-1", "us-gov-west-1"])
def test_the_longest_slug_that_fits_is_accepted_and_one_more_character_is_refused(
    region, bake: Callable[..., Path], refused
):
    longest = longest_slug(region)
    assert len(bucket_of(longest, region)) <= 63
    assert len(role_of(longest)) == 64
    assert bake(project_slug=longest, aws_region=region).name == longest
    (sentence,) = refused(project_slug=longest + "m", aws_region=region)
    assert f"at most {len(longest)}" in sentence
    assert sentence.endswith(f"try {longest!r}")


def test_a_refusal_on_the_command_line_fails_and_writes_nothing(template: Path, tmp_path: Path):
    """The hook's sentences are there; the traceback below them is cookiecutter's own."""
    done = call(
        BIN / "cookiecutter", template, "--no-input", "--output-dir", tmp_path,
        "project_slug=Churn", "aws_region=nowhere", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0
    assert "error: aws_region 'nowhere'" in done.stderr
    assert "error: project_slug 'Churn'" in done.stderr
    assert files_below(tmp_path) == []


def test_an_empty_slug_on_the_command_line_is_refused_by_cookiecutter(
    template: Path, tmp_path: Path
):
    done = call(
        BIN / "cookiecutter", template, "--no-input", "--output-dir", tmp_path, "project_slug=",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0
    assert "already exists" in done.stdout + done.stderr
    assert files_below(tmp_path) == []


def test_an_option_that_is_not_offered_is_refused(template: Path, tmp_path: Path):
    done = call(
        BIN / "cookiecutter", template, "--no-input", "--output-dir", tmp_path, "compute=lambda",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0
    assert "fargate-spot" in done.stdout + done.stderr
    assert files_below(tmp_path) == []


ADVERSARIAL = [
    'Churn "Model"',
    "Customer's churn",
    "back\\slash \\n \\u0041 \\",
    '"""; import os; os.system("touch canary"); """',
    "'''; import os; '''",
    "'; import os; open('canary', 'w'); '",
    "$(touch canary)",
    "`touch canary`",
    "$(shell touch canary)",
    "${HOME} $HOME $$",
    "{{ 7*7 }}",
    "{% for x in range(3) %}x{% endfor %}",
    "{{ cookiecutter.__class__ }}",
    "# not a comment",
    "a = [1, 2] # b",
    "<script>&amp;</script>",
    "Modèle d'attrition 顧客離れ",
    "Rocket 🚀 Model",
    "%s %d %(name)s",
    "-n --help",
]


def interactive(template: Path, folder: Path, name: str, slug: str):
    """Bake as somebody who types a name and a slug, and takes what is offered for the rest."""
    taken = "\n" * 4
    return call(
        BIN / "cookiecutter", template, "-o", folder, cwd=folder, stdin=f"{name}\n{slug}\n{taken}"
    )


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_an_adversarial_name_that_is_typed_is_carried_as_data(
    name: str, template: Path, tmp_path: Path
):
    done = interactive(template, tmp_path, name, "churn-model")
    assert done.returncode == 0, done.stderr
    project = tmp_path / "churn-model"
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["description"] == name
    assert f"# {name}" in (project / "README.md").read_text().splitlines()
    assert list(tmp_path.iterdir()) == [project]
    assert list(tmp_path.rglob("canary")) == []


def test_a_name_on_the_command_line_is_data_too(bake: Callable[..., Path]):
    """Cookiecutter itself renders answers given there, so those without braces only."""
    name = 'It\'s "quoted" \\ $(touch canary) # 🚀'
    project = bake(project_name=name, project_slug="churn-model")
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["description"] == name


def test_the_slug_comes_from_the_name(bake: Callable[..., Path]):
    assert bake(project_name="Prévision des Ventes, 2026!").name == "prevision-des-ventes-2026"


def load_hook() -> dict:
    """Return the hook's functions; its answers are filled in by cookiecutter only."""
    source = HOOK.read_text()
    filled = source.replace("{{ cookiecutter | tojson }}", "{}")
    assert filled != source
    names = {"__name__": "hook"}
    exec(compile(filled, HOOK, "exec"), names)  # noqa: S102
    return names


def test_the_hook_imports_nothing_that_reaches_out():
    imported = re.findall(r"^ *(?:import|from) +(\w+)", HOOK.read_text(), re.MULTILINE)
    assert sorted(imported) == ["json", "re", "sys"]


def test_generating_needs_no_program_on_the_path(template: Path, tmp_path: Path):
    """Neither git nor docker nor anything else: PATH is empty."""
    done = call(
        sys.executable, "-m", "cookiecutter", template, "--no-input", "-o", tmp_path / "made",
        cwd=tmp_path, env={"PATH": str(tmp_path / "empty"), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["churn-model"]


def test_every_region_that_aws_has_ecs_in_is_accepted():
    errors = load_hook()["answer_errors"]
    session = botocore.session.get_session()
    regions = [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ecs", partition)
    ]
    assert len(regions) > 30
    refused = [region for region in regions if errors({**DEFAULTS, "aws_region": region})]
    assert refused and all(region.startswith("cn-") for region in refused)  # said in one sentence


# ---- the rules of the services, each from its own documentation, none from the hook
ECR = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"
CLOUDFORMATION = r"[a-zA-Z][-a-zA-Z0-9]*"
ECS = r"[a-zA-Z0-9_-]{1,255}"
S3 = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"  # without dots, which TLS does not bear
PEP_508 = r"(?i:[a-z0-9]|[a-z0-9][a-z0-9._-]*[a-z0-9])"
DOCKER = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"


def services_accept(slug: str, region: str) -> bool:
    """Tell whether each service takes the name that the project makes from ``slug``."""
    rules = (
        (ECR, 256, 2),
        (CLOUDFORMATION, 128, 1),
        (ECS, 255, 1),
        (PEP_508, 255, 1),
        (DOCKER, 255, 1),
    )
    bucket = bucket_of(slug, region)
    return (
        all(re.fullmatch(rule, slug) and low <= len(slug) <= high for rule, high, low in rules)
        and re.fullmatch(S3, bucket) is not None
        and len(role_of(slug)) <= 64
        and not bucket.startswith(("xn--", "sthree-", "amzn-s3-demo-"))
    )


SLUGS = st.one_of(
    st.text("ab9-", max_size=8),
    st.text("az09-_.AZé \n/", max_size=12),
    st.builds("{}{}".format, st.sampled_from(["aws-", "xn--", "sthree-", "m"]), st.text("ab-")),
    st.integers(30, 50).map(lambda count: "m" * count),
    st.sampled_from(TAKEN_BY_PACKAGES),
)
REGIONS = st.sampled_from(["us-east-1", "ap-southeast-1", "us-gov-west-1", "ca-west-1"])
SLUG_ERROR = load_hook()["slug_error"]


@given(SLUGS, REGIONS)
@example("m" * 32, "us-east-1")
@example("m" * 33, "us-east-1")
@example("churn\n", "us-east-1")
@example("churn-٣", "us-east-1")  # an Arabic digit
def test_the_hook_accepts_exactly_the_slugs_that_all_services_accept(slug: str, region: str):
    kept_by_us = (
        len(slug) < 3
        or slug == "aws"
        or slug.startswith(("aws-", "amzn-"))
        or slug in TAKEN_BY_PACKAGES
    )
    assert (SLUG_ERROR(slug, region) is None) == (services_accept(slug, region) and not kept_by_us)


@given(st.one_of(SLUGS, st.text(max_size=60)), REGIONS)
@example("AWS-Churn", "us-east-1")
@example("XGBoost", "us-east-1")
@example("A", "us-east-1")
@example("aws-" + "m" * 60, "us-east-1")
def test_what_a_refusal_suggests_is_accepted(slug: str, region: str):
    sentence = SLUG_ERROR(slug, region)
    if sentence is not None:
        suggestion = re.search(r"try '([^']*)'$", sentence)[1]
        assert SLUG_ERROR(suggestion, region) is None


def test_the_packages_of_both_projects_are_taken_names(baked: dict[str, Path]):
    """The resolver would take the project for the package that it installs."""
    wanted = {
        re.match(r"[a-z0-9-]+", line)[0]
        for project in baked.values()
        for line in declared_requirements(project)
    }
    assert {name for name in wanted if SLUG_ERROR(name, "us-east-1") is None} == set()


def declared_requirements(project: Path) -> list[str]:
    content = tomllib.loads((project / "pyproject.toml").read_text())
    return [*content["project"]["dependencies"], *content["dependency-groups"]["dev"]]
