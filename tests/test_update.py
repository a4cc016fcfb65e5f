"""A project takes later versions of the template in, by cruft; without network."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import BIN, call, succeed

EDIT = "# my own line\n"
CHANGE = "# a line that came with a later template\n"


@dataclass
class Repositories:
    """The template and a project made from it, both in git."""

    template: Path
    project: Path

    def check(self) -> bool:
        """Tell whether cruft finds the project up to date."""
        done = call(BIN / "cruft", "check", cwd=self.project)
        said = done.stdout + done.stderr
        assert ("up to date" in said and "not" not in said) == (done.returncode == 0), said
        return done.returncode == 0


def commit(folder: Path, message: str) -> str:
    succeed("git", "add", "--all", cwd=folder)
    succeed("git", "commit", "--quiet", "-m", message, cwd=folder)
    return succeed("git", "rev-parse", "HEAD", cwd=folder).strip()


@pytest.fixture
def repositories(template: Path, tmp_path: Path) -> Repositories:
    source = tmp_path / "template"
    shutil.copytree(template, source)
    succeed("git", "init", "--quiet", cwd=source)
    revision = commit(source, "the template")
    succeed(
        BIN / "cruft", "create", source, "--no-input", "--output-dir", tmp_path / "made",
        "--extra-context", json.dumps({"framework": "scikit-learn", "project_slug": "orders"}),
        cwd=tmp_path,
    )  # fmt: skip
    project = tmp_path / "made/orders"
    succeed("git", "init", "--quiet", cwd=project)
    commit(project, "generated")
    remembered = json.loads((project / ".cruft.json").read_text())
    assert remembered["commit"] == revision
    assert remembered["context"]["cookiecutter"]["framework"] == "scikit-learn"
    return Repositories(source, project)


def test_an_update_brings_the_templates_change_and_keeps_the_users_own(
    repositories: Repositories,
):
    project = repositories.project
    assert repositories.check()

    script = project / "train.py"
    script.write_text(script.read_text() + EDIT)
    makefile = project / "Makefile"
    makefile.write_text(makefile.read_text().replace("SCRIPT ?= train.py", "SCRIPT ?= mine.py"))
    commit(project, "my edits")
    assert repositories.check()

    dockerfile = repositories.template / "{{cookiecutter.project_slug}}/Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + CHANGE)
    revision = commit(repositories.template, "a later template")
    assert not repositories.check()

    succeed(BIN / "cruft", "update", "--skip-apply-ask", cwd=project)
    assert repositories.check()
    assert (project / "Dockerfile").read_text().endswith(CHANGE)
    assert script.read_text().endswith(EDIT)
    assert "SCRIPT ?= mine.py" in makefile.read_text()
    assert json.loads((project / ".cruft.json").read_text())["commit"] == revision
    changed = succeed("git", "status", "--porcelain", cwd=project).split()[1::2]
    assert sorted(changed) == [".cruft.json", "Dockerfile"]


def test_an_update_keeps_the_project_s_id_and_each_project_has_its_own(
    repositories: Repositories, bake
):
    file = repositories.project / "project-id"
    mine = file.read_text()
    assert re.fullmatch("[a-z]{16}\n", mine)
    assert (
        mine != (bake(framework="scikit-learn", project_slug="orders") / "project-id").read_text()
    )
    assert "project-id" not in succeed(BIN / "cruft", "diff", cwd=repositories.project)
    for number in range(2):
        dockerfile = repositories.template / "{{cookiecutter.project_slug}}/Dockerfile"
        dockerfile.write_text(dockerfile.read_text() + CHANGE)
        commit(repositories.template, f"later template {number}")
        succeed(BIN / "cruft", "update", "--skip-apply-ask", cwd=repositories.project)
        commit(repositories.project, "updated")
        assert file.read_text() == mine


def test_a_project_from_before_gets_an_id_by_an_update_and_keeps_it(repositories: Repositories):
    source = repositories.template / "{{cookiecutter.project_slug}}"
    new = {name: (source / name).read_text() for name in ("project-id", "pyproject.toml")}
    old_project = (
        new["pyproject.toml"]
        .replace("[tool.cruft]\n", "")
        .replace(
            next(line for line in new["pyproject.toml"].splitlines(True) if "project-id" in line),
            "",
        )
    )
    # as the template and the project were
    (source / "project-id").unlink()
    (source / "pyproject.toml").write_text(old_project)
    project = repositories.project
    (project / "project-id").unlink()
    settings = project / "pyproject.toml"
    settings.write_text(re.sub(r"\[tool\.cruft\]\nskip.*\n", "", settings.read_text()))
    remembered = json.loads((project / ".cruft.json").read_text())
    remembered["commit"] = commit(repositories.template, "without ids")
    (project / ".cruft.json").write_text(json.dumps(remembered, indent=2))
    commit(project, "without an id")
    for name, text in new.items():
        (source / name).write_text(text)
    commit(repositories.template, "with ids")
    succeed(BIN / "cruft", "update", "--skip-apply-ask", cwd=project)
    made = (project / "project-id").read_text()
    assert re.fullmatch("[a-z]{16}\n", made)
    assert list(project.rglob("*.rej")) == []
    commit(project, "updated")
    (source / "Dockerfile").write_text((source / "Dockerfile").read_text() + CHANGE)
    commit(repositories.template, "later")
    succeed(BIN / "cruft", "update", "--skip-apply-ask", cwd=project)
    assert (project / "project-id").read_text() == made


def test_an_update_within_a_file_that_the_user_edited_keeps_both(repositories: Repositories):
    project = repositories.project
    script = project / "train.py"
    script.write_text(script.read_text() + EDIT)
    commit(project, "my edit at the end")
    (source,) = repositories.template.glob("*/*scikit-learn*train.py*")
    source.write_text(CHANGE + source.read_text())
    commit(repositories.template, "a change at the beginning")
    succeed(BIN / "cruft", "update", "--skip-apply-ask", cwd=project)
    text = script.read_text()
    assert text.startswith(CHANGE)
    assert text.endswith(EDIT)
    assert list(project.rglob("*.rej")) == []
