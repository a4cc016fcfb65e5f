"""Every option value, generated at least once: which files, what in them, and that they parse."""

import ast
import hashlib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import cfnlint.decode.cfn_yaml
import pytest
import yaml
from kinds import WITH_GPU
from support import (
    ARCHITECTURES,
    BIN,
    COMPUTES,
    FRAMEWORKS,
    call,
    plain_environment,
    seen_by_recipes,
    succeed,
)

# What a project of either framework has, and nothing else.
FILES = {
    "": ".dockerignore .editorconfig .env.example .gitattributes .gitignore Dockerfile Makefile README.md features.py "
    "infrastructure.yaml packages.txt predict.py project-id pyproject.toml requirements-dev.txt requirements-mlflow.txt "
    "requirements-treasure-data.txt requirements.txt task-definition.json train.py",
    ".github/workflows/": "ci.yml train.yml",
    "data/": "example.py",
    "ecs/": "README.md __init__.py __main__.py aws.py capacity.py console.py contract.py cost.py distributions.py dotenv.py errors.py fargate.py machines.py output.py parse.py refusals.py settings.py surroundings.py",
    "ecs/checks/": "__init__.py account.py network.py permissions.py preflight.py project.py results.py verify.py",
    "ecs/commands/": "__init__.py image.py run.py runs.py schedule.py stack.py",
    "ecs/history/": "__init__.py data.py download.py firings.py index.py measures.py records.py report.py run.py saved.py sound.py versions.py",
    "ecs/image/": "__init__.py engine.py image.py packages.py",
    "ecs/request/": "__init__.py channels.py definition.py request.py sizes.py",
    "ecs/run/": "__init__.py attempts.py follow.py here.py locate.py registration.py retry.py signals.py state.py submit.py waiting.py",
    "ecs/stack/": "__init__.py bucket.py changes.py claim.py destroy.py inputs.py instances.py mark.py policies.py readiness.py scheduler.py secrets.py stack.py",
    "ecs/verdict/": "__init__.py calls.py explain.py rules.py verdict.py",
    "docs/": "capacities.md costs.md data.md github.md reference.md runs.md scripts.md services.md troubleshooting.md",
    "job/": "README.md __init__.py __main__.py attempt.py contract.py errors.py machine.py paths.py process.py publish.py sagemaker.py scheduled.py scripts.py stage.py transfer.py",
    "job/sources/": "__init__.py folder.py s3.py treasure_data.py web.py",
    "sandbox/": "README.md __init__.py __main__.py base-image.sh differences.json requirements.in requirements.txt",
    "tests/": "test_scripts.py",
    "training/": "README.md __init__.py arguments.py artifacts.py card.py checkpoints.py curves.py data.py dates.py "
    "delimited.py derived.py encoding.py errors.py folders.py formats.py labels.py libsvm.py machine.py metrics.py opening.py program.py "
    "reading.py schema.py sources.py storage.py tracking.py values.py",
    "training/library/": "__init__.py hyperparameters.py importance.py model.py resume.py",
}
EXPECTED = {folder + name for folder, names in FILES.items() for name in names.split()}
ONLY = {
    "xgboost": {"training/library/matrices.py", "requirements-cuda.txt"},
    "scikit-learn": {"training/library/batches.py", "training/library/fitting.py"},
}

# Of all combinations that are not refused ten, in which each two values of two questions meet.
COMBINATIONS = [
    ("xgboost", "fargate", "x86_64"),
    ("scikit-learn", "fargate", "arm64"),
    ("xgboost", "fargate-spot", "arm64"),
    ("scikit-learn", "fargate-spot", "x86_64"),
    ("xgboost", "ec2", "x86_64"),
    ("scikit-learn", "ec2", "arm64"),
    ("xgboost", "gpu", "x86_64"),
    ("xgboost", "managed", "arm64"),
    ("scikit-learn", "managed", "x86_64"),
    ("xgboost", "managed-gpu", "x86_64"),
]
REGION, SLUG, NAME = "ap-southeast-2", "ad-clicks-2", "Ad Clicks, No. 2"


def pairs(rows):
    return {(a, b) for row in rows for a in row for b in row if a != b}


def test_the_combinations_hold_every_pair_of_values():
    everything = [
        (f, c, a)
        for f in FRAMEWORKS
        for c in COMPUTES
        for a in ARCHITECTURES
        if c not in WITH_GPU or (f, a) == ("xgboost", "x86_64")
    ]
    assert pairs(COMBINATIONS) == pairs(everything)


@pytest.fixture(scope="module", params=COMBINATIONS, ids=" ".join)
def combination(request) -> tuple[str, str, str]:
    return request.param


@pytest.fixture(scope="module")
def project(combination, bake: Callable[..., Path]) -> Path:
    framework, compute, architecture = combination
    return bake(
        project_name=NAME,
        project_slug=SLUG,
        framework=framework,
        aws_region=REGION,
        compute=compute,
        cpu_architecture=architecture,
    )


def files_of(project: Path) -> dict[str, str]:
    """Return the text of each file below ``project`` by its relative path."""
    return {
        path.relative_to(project).as_posix(): path.read_text(encoding="utf-8")
        for path in project.rglob("*")
        if path.is_file()
    }


def test_the_files_are_exactly_these(project: Path, combination):
    assert set(files_of(project)) == EXPECTED | ONLY[combination[0]]


def test_no_jinja_is_left_over(project: Path):
    """Python's f-strings, GitHub's ``${{ }}`` and Docker's ``{{.Field}}`` have braces of their own."""
    for name, text in files_of(project).items():
        assert "cookiecutter" not in text, name
        assert not re.search(r"\{[%#][-+ ]|(?<!\$)\{\{[-+ ]", text), name
        if not name.endswith(".py"):
            assert not re.search(r"(?<!\$)\{\{(?!\.)", text), name


def test_no_account_id_is_in_any_file(project: Path):
    for name, text in files_of(project).items():
        # digits within a longer hexadecimal word are a hash
        assert not re.search(r"(?<![0-9A-Fa-f])\d{12}(?![0-9A-Fa-f])", text), name


def test_every_file_parses(project: Path):
    parsers = {
        ".json": json.loads,
        ".toml": tomllib.loads,
        ".yml": yaml.safe_load,
        ".py": ast.parse,
    }
    parsed = set()
    for name, text in files_of(project).items():
        suffix = Path(name).suffix
        if suffix in parsers:
            parsers[suffix](text)
            parsed.add(suffix)
    assert parsed == set(parsers)
    stack = cfnlint.decode.cfn_yaml.load(str(project / "infrastructure.yaml"))
    assert stack["Outputs"]
    for script in project.rglob("*.sh"):
        succeed("bash", "-n", script, cwd=project)


def test_every_file_ends_with_one_newline_and_has_no_trailing_space(project: Path):
    for name, text in files_of(project).items():
        if text:
            assert text.endswith("\n"), name
            assert not text.endswith("\n\n"), name
            assert not re.search(r"[ \t]$", text, re.MULTILINE), name


def test_the_answers_arrive_in_the_makefiles_variables(project: Path, combination, tmp_path: Path):
    _, compute, architecture = combination
    variables = seen_by_recipes(project, tmp_path)
    platform = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}[architecture]
    expected = {
        "PROJECT": SLUG,
        "REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "CAPACITY": compute,
        "ARCHITECTURE": architecture,
        "PLATFORM": platform,
    }
    assert {name: variables[name] for name in expected} == expected
    assert variables["INSTANCE_TYPE"] == ""  # ecs/settings.py knows one for each architecture


def test_the_framework_decides_what_is_installed_and_locked(project: Path, combination):
    framework, *_ = combination
    content = tomllib.loads((project / "pyproject.toml").read_text())
    assert content["project"]["name"] == SLUG
    assert content["project"]["description"] == NAME
    locked = set(
        re.findall(r"^([a-z0-9-]+)==", (project / "requirements.txt").read_text(), re.MULTILINE)
    )
    declared = {re.match(r"[a-z0-9-]+", each)[0] for each in content["project"]["dependencies"]}
    assert declared <= locked
    expected = {"xgboost": {"xgboost", "xgboost-cpu"}, "scikit-learn": {"scikit-learn", "skops"}}
    other = expected["xgboost" if framework == "scikit-learn" else "scikit-learn"]
    assert expected[framework] <= locked
    assert not other & locked
    everything = (project / "requirements-dev.txt").read_text()
    assert {each for each in locked if f"\n{each}==" not in everything} == set()


def test_the_lock_files_hash_every_package_and_name_no_index(project: Path):
    for path in project.rglob("requirements*.txt"):
        text = path.read_text()
        packages = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
        assert packages
        assert all("--hash=sha256:" in each for each in packages), path
        assert "://" not in text, path


def test_the_extras_are_locked_apart_and_agree_with_the_rest(project: Path):
    def pins(name: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        lines = (project / name).read_text().splitlines()
        for line in lines:
            if match := re.match(r"([a-z0-9-]+)==([^ ;]+)", line):
                found.setdefault(match[1], set()).add(match[2])
        return found

    locks = {
        "td-client": "requirements-treasure-data.txt",
        "mlflow-skinny": "requirements-mlflow.txt",
    }
    if (project / "requirements-cuda.txt").exists():
        locks["nvidia-nccl-cu13"] = "requirements-cuda.txt"
        # the same version as the build for CPUs: they predict alike
        here, there = pins("requirements.txt"), pins("requirements-cuda.txt")
        assert there["xgboost"] == here["xgboost-cpu"] == here["xgboost"]
    rest = [pins("requirements.txt"), pins("requirements-dev.txt")]
    for package, name in locks.items():
        assert package in pins(name)
        assert not any(package in each for each in rest)
        assert "pandas" not in pins(name)
        for each in [*rest, *map(pins, locks.values())]:
            for shared in each.keys() & pins(name).keys():
                assert pins(name)[shared] <= each[shared] or each[shared] <= pins(name)[shared]


def test_the_readme_speaks_of_this_project(project: Path, combination):
    framework, *_ = combination
    text = (project / "README.md").read_text()
    assert text.startswith(f"# {NAME}\n")
    assert framework in text
    assert f"PROJECT={SLUG} REGION={REGION}" in (project / "docs/runs.md").read_text()
    assert len(text.splitlines()) <= 110


def test_generating_without_input_works_on_the_command_line(
    template: Path, baked: dict[str, Path], tmp_path: Path
):
    done = call(
        BIN / "cookiecutter", template, "--no-input", "--output-dir", tmp_path, cwd=tmp_path
    )
    assert done.returncode == 0
    assert done.stderr == ""
    made, other = files_of(tmp_path / "churn-model"), files_of(baked["xgboost"])
    # each project has an id of its own
    assert made.pop("project-id") != other.pop("project-id")
    assert made == other


def test_every_question_has_a_prompt_and_every_choice_a_label(template: Path):
    questions = json.loads((template / "cookiecutter.json").read_text())
    prompts = questions.pop("__prompts__")
    asked = {name: value for name, value in questions.items() if not name.startswith("_")}
    assert set(prompts) == set(asked)
    for name, value in asked.items():
        if isinstance(value, list):
            assert set(prompts[name]) == {"__prompt__", *value}


# ---- what a user types first, in an installed project of each framework


def fingerprint(project: Path) -> dict[str, str]:
    """Return a hash of each file outside of what git ignores."""
    caches = {".venv", "__pycache__", ".pytest_cache", ".ruff_cache", "runs"}
    return {
        path.relative_to(project).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in project.rglob("*")
        if path.is_file() and not caches & set(path.relative_to(project).parts)
    }


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_formatter_changes_nothing(framework: str, copy_of: Callable[..., Path]):
    project = copy_of(framework)
    before = fingerprint(project)
    succeed("make", "format", cwd=project)
    assert fingerprint(project) == before


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_projects_own_lint_passes(framework: str, copy_of: Callable[..., Path]):
    succeed("make", "lint", cwd=copy_of(framework))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_projects_own_tests_pass_and_leave_nothing_behind(
    framework: str, copy_of: Callable[..., Path]
):
    project = copy_of(framework)
    before = fingerprint(project)
    said = succeed("make", "test", cwd=project)
    assert re.search(r"^[1-9]\d* passed", said, re.MULTILINE), said
    assert fingerprint(project) == before


def test_installing_again_does_nothing(installed: Callable[[str], Path], tmp_path: Path):
    said = succeed(
        "make",
        "install",
        cwd=installed("xgboost"),
        env=plain_environment(tmp_path, os.environ["PATH"]),
    )
    assert "installing" not in said


@pytest.mark.parametrize(
    ("marker", "python", "again"),
    [
        ("{home} (3, 11)", "{home} (3, 11)", False),
        ("{home} (3, 11)", "/elsewhere/.venv (3, 11)", True),  # the folder was moved
        ("{home} (3, 11)", "{home} (3, 13)", True),  # another Python stands there now
        ("{home} (3, 11)", None, True),  # none does
        (None, "{home} (3, 11)", True),  # the first installation was interrupted
        ("", "{home} (3, 11)", True),  # an older version's
    ],
)
def test_an_environment_that_is_broken_is_made_again(baked, tmp_path, marker, python, again):
    project = tmp_path / "project"
    shutil.copytree(baked["xgboost"], project)
    home = project / ".venv"
    (home / "bin").mkdir(parents=True)
    (home / "extras").write_text("\n")
    if python is None:
        (home / "bin/python").symlink_to("/nonexistent")
    else:
        (home / "bin/python").write_text(f"#!/bin/sh\necho '{python.format(home=home)}'\n")
        (home / "bin/python").chmod(0o755)
    if marker is not None:
        (home / "installed").write_text(marker.format(home=home) + "\n")
    for target in ("install", "runs"):
        done = call("make", "--dry-run", target, cwd=project)
        assert ("-m venv .venv" in done.stdout) == again, (target, done.stderr)


def test_a_project_that_was_moved_is_mended_by_whatever_is_typed(installed, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(installed("xgboost"), moved, symlinks=True)
    done = call("make", "tag", cwd=moved)
    assert "installing the locked packages" in done.stderr
    assert "\nerror: " in done.stderr  # what was asked for has run
    aws = (moved / ".venv/bin/aws").read_text().partition("\n")[0]
    assert aws == f"#!{moved}/.venv/bin/python"
    assert "installing" not in call("make", "install", cwd=moved).stderr


def test_who_signed_in_by_aws_login_needs_no_further_package(baked):
    """boto3 refuses such credentials without it: botocore/credentials.py, "Missing Dependency"."""
    wanted = [each for each in metadata.requires("botocore") or [] if each.startswith("awscrt")]
    version = re.search(r"==\s*([\d.]+)", wanted[0])[1]
    for project in baked.values():
        lock = (project / "requirements-dev.txt").read_text()
        locked = re.search(r"^botocore==(\S+)", lock, re.MULTILINE)[1]
        assert re.search(r"^awscrt==[\d.]+ ", lock, re.MULTILINE)
        if locked == metadata.version("botocore"):
            assert f"awscrt=={version} " in lock
        assert "awscrt" not in (project / "requirements.txt").read_text()  # the image's
