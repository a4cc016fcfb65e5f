"""Every file of both repositories that has a linter passes it."""

import re
from pathlib import Path

import pytest
from support import BIN, FRAMEWORKS, ROOT, call, plain_environment, succeed, targets_of


def clean(*command: str | Path, cwd: Path, **env) -> None:
    done = call(*command, cwd=cwd, **env)
    assert done.returncode == 0, done.stdout + done.stderr


def test_this_repository_is_in_style():
    clean(BIN / "ruff", "check", ".", cwd=ROOT)
    clean(BIN / "ruff", "format", "--check", ".", cwd=ROOT)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_generated_project_is_in_style(framework: str, baked: dict[str, Path]):
    clean(BIN / "ruff", "check", "--no-cache", ".", cwd=baked[framework])
    clean(BIN / "ruff", "format", "--no-cache", "--check", ".", cwd=baked[framework])


def shell_scripts(folder: Path) -> list[Path]:
    """Return the files that are shell scripts by their first line or their name."""
    found = set(folder.rglob("*.sh"))
    for path in folder.rglob("*"):
        if path.is_file() and re.match(rb"#!.*\b(ba|da)?sh\b", path.read_bytes()[:40]):
            found.add(path)
    return sorted(found)


def test_shell_scripts_pass_shellcheck(template: Path):
    scripts = shell_scripts(template)
    assert {path.name for path in scripts} >= {"run", "engine.sh", "demo.sh", "base-image.sh"}
    clean(BIN / "shellcheck", *scripts, cwd=template)


def test_the_dockerfile_passes_hadolint(baked: dict[str, Path]):
    for project in baked.values():
        clean(BIN / "hadolint", "--no-color", "Dockerfile", cwd=project)


def test_the_workflow_passes_actionlint(baked: dict[str, Path]):
    """Its ``run`` lines too, through shellcheck."""
    for project in baked.values():
        workflows = sorted(project.glob(".github/workflows/*.yml"))
        assert workflows
        clean(BIN / "actionlint", "-shellcheck", BIN / "shellcheck", *workflows, cwd=project)


def test_the_workflows_pass_zizmor(baked: dict[str, Path]):
    """No value of a user's in a shell's text, no more permissions than needed, no tag that moves."""
    for project in baked.values():
        clean(BIN / "zizmor", "--offline", "--no-progress", ".github", cwd=project)


def test_the_stack_passes_cfn_lint(baked: dict[str, Path]):
    clean(BIN / "cfn-lint", "infrastructure.yaml", cwd=baked["xgboost"])


@pytest.mark.parametrize("where", ["template", "project"])
def test_recipes_pass_shellcheck(
    where: str, template: Path, baked: dict[str, Path], tmp_path: Path
):
    """The text that the shell gets is what Make prints with -n; variables come by the environment."""
    project = template if where == "template" else baked["xgboost"]
    for target in targets_of(project / "Makefile"):
        script = succeed("make", "-n", target, cwd=project, env=plain_environment(tmp_path))
        path = tmp_path / f"{target}.sh"
        path.write_text(script)
        clean(BIN / "shellcheck", "--shell=bash", path, cwd=project)
