"""Which image: the tag of what is in a folder, by real git repositories, and its digest."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ecs.errors import UserError
from ecs.image import image
from kinds import CAPACITIES, WITH_GPU
from support import PROJECT, succeed

IMAGE_FILES = {
    "Dockerfile": "FROM scratch\n",
    ".dockerignore": "*\n!**/*.py\n!**/*.txt\necs\ntests\n",
    "requirements.txt": "numpy==2\n",
    "train.py": "print(1)\n",
    "training/data.py": "x = 1\n",
    "training/deep/er.py": "y = 1\n",
    "training/words.txt": "not code, and yet in the image\n",
}
OTHER_FILES = {
    "README.md": "# hello\n",
    "ecs/run.py": "z = 1\n",
    "tests/test_train.py": "w = 1\n",
    "data/train.csv": "a,b\n",
    "Makefile": "all:\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def commit(folder: Path) -> str:
    succeed("git", "add", "--all", cwd=folder)
    succeed("git", "commit", "--quiet", "-m", "x", cwd=folder)
    return succeed("git", "rev-parse", "HEAD", cwd=folder)[:12]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    write(made, IMAGE_FILES | OTHER_FILES)
    return made


@pytest.fixture
def repository(folder: Path) -> Path:
    succeed("git", "init", "--quiet", cwd=folder)
    commit(folder)
    return folder


def revision(folder: Path) -> str:
    return succeed("git", "rev-parse", "HEAD", cwd=folder)[:12]


def test_the_tag_of_a_clean_tree_is_the_revision(repository, settings):
    assert image.tag(settings, repository) == revision(repository)


@pytest.mark.parametrize("name", IMAGE_FILES)
def test_a_change_of_a_file_of_the_image_marks_the_tag(name, repository, settings):
    (repository / name).write_text("changed\n")
    tag = image.tag(settings, repository)
    assert re.fullmatch(rf"{revision(repository)}-dirty-[0-9a-f]{{12}}", tag)
    (repository / name).write_text("changed again\n")
    assert image.tag(settings, repository) != tag
    (repository / name).write_text(IMAGE_FILES[name])
    assert image.tag(settings, repository) == revision(repository)


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_change_of_another_file_does_not(name, repository, settings):
    (repository / name).write_text("changed\n")
    assert image.tag(settings, repository) == revision(repository)


def test_a_new_a_staged_and_a_missing_file_mark_the_tag(repository, settings):
    (repository / "score.py").write_text("")
    new = image.tag(settings, repository)
    succeed("git", "add", "score.py", cwd=repository)
    assert image.tag(settings, repository) == new
    (repository / "score.py").unlink()
    (repository / "train.py").unlink()
    missing = image.tag(settings, repository)
    assert "-dirty-" in new
    assert "-dirty-" in missing
    assert new != missing


def test_a_file_that_git_ignores_but_the_image_takes_marks_the_tag(repository, settings):
    """Otherwise two images of different content would claim one tag."""
    (repository / ".gitignore").write_text("secret*.py\n")
    commit(repository)
    (repository / "secret_rules.py").write_text("a = 1\n")
    assert "-dirty-" in image.tag(settings, repository)


def test_bytecode_does_not_mark_the_tag(repository, settings):
    (repository / ".gitignore").write_text("__pycache__/\n")
    commit(repository)
    write(repository, {"training/__pycache__/data.cpython-313.pyc": "", "__pycache__/x.pyc": ""})
    assert image.tag(settings, repository) == revision(repository)


def test_a_project_in_a_subfolder_of_a_repository_has_the_repositorys_revision(
    tmp_path, folder, settings
):
    succeed("git", "init", "--quiet", cwd=tmp_path)
    (tmp_path / "other.py").write_text("")
    at = commit(tmp_path)
    (tmp_path / "other.py").write_text("not of this image")
    assert image.tag(settings, folder) == at
    (folder / "train.py").write_text("changed")
    assert image.tag(settings, folder).startswith(f"{at}-dirty-")


def test_without_a_revision_the_hash_of_the_files_stands_alone(folder, settings, monkeypatch):
    tag = image.tag(settings, folder)
    assert re.fullmatch(r"files-[0-9a-f]{12}", tag)
    succeed("git", "init", "--quiet", cwd=folder)  # a repository without a commit
    assert image.tag(settings, folder) == tag
    monkeypatch.setenv("PATH", str(folder / "empty"))  # no git at all
    assert image.tag(settings, folder) == tag


def test_the_hash_depends_on_the_images_files_only_and_not_on_where_they_are(folder, tmp_path):
    before = image.content_hash(folder)
    for name in OTHER_FILES:
        (folder / name).unlink()
    (folder / "training/__pycache__").mkdir()
    (folder / "training/__pycache__/data.pyc").write_bytes(b"\0")
    moved = folder.rename(tmp_path / "elsewhere")
    assert image.content_hash(moved) == before


def test_the_hash_tells_names_and_borders_of_files_apart(tmp_path):
    hashes = set()
    for number, files in enumerate(
        (
            {"a.py": "xy", "b.py": ""},
            {"a.py": "x", "b.py": "y"},
            {"a.py": "", "b.py": "xy"},
            {"a.py": "xy"},
            {"c.py": "xy"},
            {"training/a.py": "xy"},
            {},
        )
    ):
        (tmp_path / str(number)).mkdir()
        write(tmp_path / str(number), files)
        hashes.add(image.content_hash(tmp_path / str(number)))
    assert len(hashes) == 7


@pytest.mark.parametrize("tag", ["v1", "2026.01.02_a-b", "A", "x" * 128])
def test_a_tag_that_the_user_gives_is_taken_as_it_is(tag, repository, settings):
    assert image.tag(replace(settings, tag=tag), repository) == tag


@pytest.mark.parametrize("tag", ["-v1", ".v1", "a/b", "a:b", "a b", "é", "x" * 129, "v1\n", "$(x)"])
def test_a_tag_that_no_registry_takes_is_refused(tag, repository, settings):
    with pytest.raises(UserError, match="type for example: TAG=v1"):
        image.tag(replace(settings, tag=tag), repository)


# ---- the digest in the registry, by scripted answers of DescribeImages
URI = "registry.example/churn"
ASKED = {"repositoryName": "churn", "imageIds": [{"imageTag": "v1"}]}


def test_the_digest_is_the_registrys(settings, cloud):
    details = [{"imageDigest": "sha256:0", "imageTags": ["v1"]}]
    cloud.stub("ecr").add_response("describe_images", {"imageDetails": details}, ASKED)
    assert image.digest(settings, URI, "v1") == "sha256:0"


def test_an_image_that_is_not_there_has_no_digest(settings, cloud):
    cloud.stub("ecr").add_client_error("describe_images", "ImageNotFoundException")
    assert image.digest(settings, URI, "v1") is None
    cloud.stub("ecr").add_response("describe_images", {"imageDetails": []}, ASKED)
    assert image.digest(settings, URI, "v1") is None


def test_a_repository_that_is_not_there_is_the_users_to_make(settings, cloud):
    cloud.stub("ecr").add_client_error("describe_images", "RepositoryNotFoundException")
    with pytest.raises(UserError, match="type: make cluster"):
        image.digest(settings, URI, "v1")


def test_an_image_with_extras_has_a_tag_of_its_own(settings, tmp_path):
    def tag(extras: str) -> str:
        return image.tag(replace(settings, extras=extras), tmp_path)

    assert tag("mlflow") == f"{tag('')}-mlflow"
    assert tag("treasure-data  mlflow") == tag("mlflow treasure-data")
    assert tag("mlflow cuda") == f"{tag('')}-cuda-mlflow"
    with pytest.raises(UserError, match="no extra 'magic'; there are cuda, mlflow, treasure-data"):
        tag("mlflow magic")


@pytest.mark.parametrize("capacity", WITH_GPU)
def test_a_gpu_takes_a_library_and_a_build_that_use_it(settings, tmp_path, capacity):
    with_gpu = replace(settings, capacity=capacity, extras="mlflow")
    for library in (True, False):
        with pytest.raises(UserError, match="computes on no GPU; type: CAPACITY=ec2"):
            image.check_gpu(with_gpu, tmp_path, library=library)
    (tmp_path / "requirements-cuda.txt").write_text("")
    image.check_gpu(with_gpu, tmp_path, library=True)
    with pytest.raises(UserError, match='type: make push EXTRAS="mlflow cuda"'):
        image.check_gpu(with_gpu, tmp_path)
    image.check_gpu(replace(with_gpu, extras="cuda mlflow"), tmp_path)
    image.check_gpu(replace(with_gpu, tag="v1"), tmp_path)  # whatever is in that one


@pytest.mark.parametrize("capacity", [each for each in CAPACITIES if each not in WITH_GPU])
def test_without_a_gpu_any_build_will_do(settings, tmp_path, capacity):
    image.check_gpu(replace(settings, capacity=capacity), tmp_path)


# ---- what git hides, and what the laptop's modes are


def untracked(folder: Path) -> None:
    succeed("git", "config", "status.showUntrackedFiles", "no", cwd=folder)
    (folder / "score.py").write_text("new\n")


def flagged(flag: str) -> Callable[[Path], None]:
    def hide(folder: Path) -> None:
        succeed("git", "update-index", flag, "train.py", cwd=folder)
        (folder / "train.py").write_text("changed\n")

    return hide


def excluded(folder: Path) -> None:
    (folder / ".git/info/exclude").write_text("score.py\n")
    (folder / "score.py").write_text("new\n")


def same_size_and_time(folder: Path) -> None:
    before = (folder / "train.py").stat()
    succeed("git", "config", "core.trustctime", "false", cwd=folder)
    (folder / "train.py").write_text("print(2)\n")
    os.utime(folder / "train.py", ns=(before.st_atime_ns, before.st_mtime_ns))


def broken_index(folder: Path) -> None:
    (folder / ".git/index").write_bytes(b"no index")
    (folder / "train.py").write_text("changed\n")


def filtered(folder: Path) -> None:
    succeed("git", "config", "filter.same.clean", "git show HEAD:train.py", cwd=folder)
    (folder / ".git/info/attributes").write_text("train.py filter=same\n")
    (folder / "train.py").write_text("changed\n")


def odd_name(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.py")).write_text("latin\n")


HIDDEN = [
    untracked, flagged("--assume-unchanged"), flagged("--skip-worktree"), excluded, same_size_and_time,
    broken_index, filtered, odd_name,
]  # fmt: skip


@pytest.mark.parametrize("hide", HIDDEN)
def test_what_git_does_not_tell_marks_the_tag(repository, settings, hide):
    clean = image.tag(settings, repository)
    hide(repository)
    tag = image.tag(settings, repository)
    assert re.fullmatch(rf"{clean}-dirty-[0-9a-f]{{12}}", tag)


def test_a_name_that_is_not_utf_8_may_be_committed(repository, settings):
    odd_name(repository)
    at = commit(repository)
    assert image.tag(settings, repository) == at


def stage() -> str:
    """Return the commands by which the Dockerfile prepares what came from this folder."""
    text = (PROJECT / "Dockerfile").read_text()
    return re.search(r" AS files\n.*?\nRUN (.*?[^\\])\n\n", text, re.DOTALL)[1]


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o000, 0o277])
def test_the_image_depends_neither_on_modes_nor_on_times_of_the_laptop(tmp_path, umask):
    """Modes and times of what is in the image; it is read by a user who owns none of it."""
    folder = tmp_path / "files"
    names = {
        "train.py": b"print(1)\n", "run.sh": b"#!/bin/sh\n", "deep/er/tool": b"#!/usr/bin/env python3\n",
        "job/__init__.py": b"", "training/data.py": b"#", "two words.sh": b"#!x", "-n.py": b"\x00\xff",
        "line\nbreak.py": b"#!y\n", "requirements.txt": b"", "packages.txt": b"", "empty": b"", "one": b"#",
    }  # fmt: skip
    for name, body in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        path.chmod(0o777 & ~umask)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            path.chmod(0o777 & ~umask | 0o500)
    machinery = tmp_path / "machinery"
    succeed("sh", "-c", stage().replace("/machinery", str(machinery)), cwd=folder)
    found = {
        path.relative_to(root).as_posix(): path
        for root in (folder, machinery)
        for path in root.rglob("*")
    }
    kept = names.keys() - {"requirements.txt", "packages.txt"}
    assert {name for name, path in found.items() if path.is_file()} == kept
    for name, path in found.items():
        program = path.is_dir() or names[name].startswith(b"#!")
        assert path.stat().st_mode & 0o7777 == (0o755 if program else 0o644), name
        if path.is_file():
            assert path.stat().st_mtime == 946684800, name


def test_nothing_comes_into_the_image_but_by_that_stage():
    last = (PROJECT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    copied = re.findall(r"^COPY (.*)$", last, re.MULTILINE)
    assert all(each.startswith("--from=") for each in copied)
    assert sum(each.startswith("--from=files ") for each in copied) == 2
