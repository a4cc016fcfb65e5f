"""Which image: the tag of what is in this folder, and its digest in the registry."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ecs.aws import client
from ecs.errors import UserError
from ecs.settings import Settings

CUDA = "cuda"  # the extra with which the library computes on a GPU, where there is one
# What an image may have beyond the rest; each has a lock file of its own.
EXTRAS = (CUDA, "mlflow", "treasure-data")
# What the image is made of beside the files that .dockerignore admits.
BUILD_FILES = ("Dockerfile", ".dockerignore")


def check_gpu(settings: Settings, folder: Path = Path(), library: bool = False) -> None:
    """Check whether the image of what is in ``folder`` computes on the GPU that CAPACITY pays for.

    ``library``: look at the project's library only, not yet at the build of it that EXTRAS chooses.

    Raises:
        UserError: the library knows no GPU, or EXTRAS leaves its build for GPUs out.
    """
    if not settings.kind.gpu:
        return
    if not (folder / f"requirements-{CUDA}.txt").is_file():
        raise UserError(
            f"CAPACITY={settings.capacity}: the library of this project computes on no GPU; "
            "type: CAPACITY=ec2"
        )
    if not library and CUDA not in settings.extras.split() and not settings.tag:
        extras = " ".join([*settings.extras.split(), CUDA])
        raise UserError(
            f"CAPACITY={settings.capacity}: the image has the build for CPUs; type: make push "
            f'EXTRAS="{extras}", or write EXTRAS = {extras} into .env for push and run'
        )


def git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where there is no git, repository or revision."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, check=False, capture_output=True)
    except OSError:
        return None
    # names of files are bytes, and need not be UTF-8
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else None


def listed(folder: Path, names: Iterable[str] | None = None) -> list[str]:
    """Return the relative paths of all files that go into the image, sorted; or those of ``names`` that would.

    The launcher's own program tells them, so that what is copied to a run and what is in the image agree.

    Raises:
        UserError: it cannot tell.
    """
    asked = None if names is None else b"".join(os.fsencode(name) + b"\0" for name in names)
    done = subprocess.run(
        [sys.executable, "-m", "job.scripts", *(["-"] if asked is not None else [])],
        cwd=folder, check=False, capture_output=True, input=asked or b"",
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    if done.returncode:
        raise UserError(
            f".dockerignore or job/ cannot be read: {done.stderr.decode(errors='replace').strip()[-300:]}; "
            "type: git checkout .dockerignore job"
        )
    found = [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return found if names is not None else sorted({*found, *BUILD_FILES})


def committed(folder: Path) -> dict[str, str] | None:
    """Return git's ids of the files in the revision, by relative path; None where there is no revision."""
    told = git(folder, "ls-tree", "-r", "-z", "HEAD")
    if told is None:
        return None
    entries = (entry.partition("\t") for entry in told.split("\0") if entry)
    return {name: about.split()[2] for about, _, name in entries}


def differs(folder: Path, known: Mapping[str, str]) -> bool:
    """Tell whether a file of the image is another one than in the revision.

    The files are read: what git says of its working tree depends on settings that hide changes.
    """
    names = [name for name in listed(folder) if (folder / name).is_file()]
    for name in names:
        content, there = (folder / name).read_bytes(), known.get(name, "")
        digest = hashlib.new("sha256" if len(there) == 64 else "sha1", usedforsecurity=False)
        digest.update(f"blob {len(content)}\0".encode() + content)
        if digest.hexdigest() != there:
            return True
    gone = known.keys() - set(names)
    return bool(listed(folder, gone)) or bool(gone & set(BUILD_FILES))


def content_hash(folder: Path) -> str:
    """Return a hash of all files that go into the image, names and bytes."""
    digest = hashlib.sha256()
    for name in listed(folder):
        path = folder / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        digest.update(os.fsencode(name) + f"\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def tag(settings: Settings, folder: Path = Path()) -> str:
    """Return the image's tag: ``TAG``, or the git revision.

    Where files of the image differ from the revision, a mark and their hash follow it (files that
    git ignores differ too); where there is no revision, the hash stands alone. ``EXTRAS`` follow:
    an image with them is another one.

    Raises:
        UserError: ``TAG`` is no tag that a registry takes, or there is no such extra.
    """
    extras = sorted(set(settings.extras.split()))
    if unknown := [name for name in extras if name not in EXTRAS]:
        raise UserError(f"EXTRAS: there is no extra {unknown[0]!r}; there are {', '.join(EXTRAS)}")
    if settings.tag:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", settings.tag):
            raise UserError(
                f"TAG={settings.tag!r}: letters, digits, '_', '.' and '-', 128 at most; type for example: TAG=v1"
            )
        return settings.tag
    revision = git(folder, "rev-parse", "--short=12", "HEAD")
    if revision is None:
        return "-".join([f"files-{content_hash(folder)}", *extras])
    marks = ["dirty", content_hash(folder)] if differs(folder, committed(folder) or {}) else []
    return "-".join([revision, *marks, *extras])


def digest(settings: Settings, repository_uri: str, image_tag: str) -> str | None:
    """Return the digest of the image that bears ``image_tag`` in the registry, or None.

    Raises:
        UserError: the repository is not there.
    """
    ecr = client(settings, "ecr")
    name = repository_uri.partition("/")[2]
    try:
        answer = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": image_tag}])
    except ecr.exceptions.ImageNotFoundException:
        return None
    except ecr.exceptions.RepositoryNotFoundException as error:
        raise UserError(
            f"there is no repository {name!r} in {settings.region}; type: make cluster"
        ) from error
    # the emulator answers an unknown tag with an empty list
    return answer["imageDetails"][0]["imageDigest"] if answer["imageDetails"] else None
