"""What is installed beside the project's own files: Python packages, locked, and Debian's.

`pyproject.toml` names the Python packages, the files `requirements*.txt` lock them, and all of it
is uv's work; `packages.txt` names the Debian packages of the image.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ecs.errors import UserError
from ecs.image.image import EXTRAS
from ecs.parse import words
from ecs.settings import Settings

DEBIAN = "packages.txt"
# A name (Debian policy 5.6.1), an architecture and a version (5.6.12). apt-get would remove what
# a name with "-" at its end names.
DEBIAN_PACKAGE = re.compile(
    r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](:[a-z0-9-]+)?(=[0-9][A-Za-z0-9.+:~-]*)?"
)
NEEDED = {"boto3"}  # job/ and ecs/ reach S3 with it, whatever the scripts use
EXAMPLE = 'PACKAGE="lightgbm>=4"'


def wanted(command: str, text: str) -> list[Requirement]:
    """Read PACKAGE: one requirement (PEP 508), or several, quoted as for a shell.

    Raises:
        UserError: there is none, or a word is not one.
    """
    if not text.strip():
        raise UserError(f"PACKAGE is empty; type for example: make {command} {EXAMPLE}")
    try:
        found = [Requirement(text)]  # blanks and quotes of a marker are its own
    except InvalidRequirement:
        closed = re.sub(r"\s*([<>=!~]=?=?|,)\s*", r"\1", text)  # "lightgbm >= 4" is one word
        found = [requirement(word) for word in words(closed, "PACKAGE")]
    for each in found:
        if each.url:
            raise UserError(
                f"PACKAGE: {each.name} @ {each.url} is an address, and only packages of an index can "
                f"be locked; type: PACKAGE={each.name}"
            )
    return found


def requirement(word: str) -> Requirement:
    """Read one requirement.

    Raises:
        UserError: it is none.
    """
    try:
        return Requirement(word)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"PACKAGE: {word!r} is not a package ({reason}); type for example: {EXAMPLE}"
        ) from None


def dependencies(project: dict) -> list[Requirement]:
    """Return the requirements in ``[project] dependencies`` of a pyproject.toml."""
    return [Requirement(each) for each in project.get("project", {}).get("dependencies", [])]


def check_markers(requirements: list[Requirement], declared: list[Requirement]) -> None:
    """Check whether a package without a marker is there already with one: uv would add it again.

    Raises:
        UserError: it is.
    """
    for each in requirements:
        for other in declared:
            same = canonicalize_name(each.name) == canonicalize_name(other.name)
            if same and other.marker and not each.marker:
                marker = str(other.marker).replace('"', "'")
                raise UserError(
                    f"PACKAGE: pyproject.toml has {each.name} for some machines only; "
                    f'type: PACKAGE="{each}; {marker}"'
                )


def check_removable(requirements: list[Requirement], declared: list[Requirement]) -> None:
    """Check whether every package is a dependency, and one that nothing but scripts need.

    Raises:
        UserError: one is not.
    """
    names = sorted({canonicalize_name(each.name) for each in declared} - NEEDED)
    for each in requirements:
        name = canonicalize_name(each.name)
        if name in NEEDED:
            raise UserError(f"PACKAGE: {name} stays: no run reaches S3 without it")
        if name not in names:
            raise UserError(
                f"PACKAGE: {each.name!r} is not in pyproject.toml's dependencies; "
                f"make remove takes {', '.join(names) or 'nothing: there are none'}"
            )


def sentence(said: str) -> str:
    """Return what uv said of an error as one sentence, without its hints: they name uv's options."""
    said = said.partition("\nhint:")[0]
    said = re.sub(r"(?m)^.*No solution found when resolving dependencies.*\n", "", said)
    causes = re.split(r"(?m)^(?:error:|  cause:)\s", said)
    plain = ["".join(c if c.isprintable() else " " for c in cause) for cause in causes]
    return ": ".join(filter(None, (" ".join(cause.split()).rstrip(".") for cause in plain)))


def uv(*arguments: str | Path) -> None:
    """Run uv, which the environment of this program has.

    Raises:
        UserError: uv refuses, with its reason.
    """
    program = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [program, *arguments, "--quiet", "--color", "never", "--python", sys.executable],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = sentence(done.stderr) or f"uv ended with status {done.returncode}"
        raise UserError(f"{reason}; nothing was changed")


def lock(folder: Path, *options: str) -> None:
    """Write the locks in ``folder`` from its pyproject.toml, keeping the versions that they have.

    The locks agree: each is made within the versions of those before it. What goes into the image
    must have wheels, since nothing is compiled there. ``options`` are uv's: ``--upgrade``.

    Raises:
        UserError: uv finds no such versions.
    """
    project = folder / "pyproject.toml"

    def compile_to(name: str, *arguments: str | Path) -> None:
        uv(
            "pip", "compile", *arguments, "--output-file", folder / name, "--universal",
            "--generate-hashes", "--no-annotate", "--custom-compile-command", "make lock", *options,
        )  # fmt: skip

    wheels = ("--only-binary", ":all:")
    main, dev = folder / "requirements.txt", folder / "requirements-dev.txt"
    compile_to(main.name, project, *wheels)
    compile_to(dev.name, project, "--group", f"{project}:dev", "--constraint", main)
    for extra in EXTRAS:
        if extra in read(project).get("dependency-groups", {}):
            compile_to(
                f"requirements-{extra}.txt", "--group", f"{project}:{extra}", *wheels,
                "--python-version", "3.11", "--constraint", dev,
            )  # fmt: skip


def check_wheels(folder: Path, architecture: str) -> None:
    """Check whether the image can have what requirements.txt locks.

    Raises:
        UserError: a package has no wheel for it.
    """
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture]
    try:
        uv(
            "pip", "install", "--dry-run", "--requirement", folder / "requirements.txt",
            "--require-hashes", "--only-binary", ":all:", "--target", folder / "image",
            "--python-version", "3.13", "--python-platform", f"{machine}-manylinux_2_40",
        )  # fmt: skip
    except UserError as error:
        raise UserError(
            f"not for the image (Python 3.13, Linux, {architecture}): {error}"
        ) from None


def read(project: Path) -> dict:
    """Return a pyproject.toml.

    Raises:
        UserError: it is no TOML.
    """
    try:
        return tomllib.loads(project.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"pyproject.toml cannot be read: {error}") from None


@contextmanager
def all_or_nothing(folder: Path) -> Iterator[Path]:
    """Give a folder with copies of pyproject.toml and the locks; what changed moves into place."""
    with tempfile.TemporaryDirectory(prefix=".locking-", dir=folder) as name:
        copies = Path(name)
        for path in (folder / "pyproject.toml", *folder.glob("requirements*.txt")):
            shutil.copy2(path, copies)
        yield copies
        for path in sorted(path for path in copies.iterdir() if path.is_file()):
            there = folder / path.name
            if not there.exists() or path.read_bytes() != there.read_bytes():
                path.replace(there)


def upgrade(folder: Path = Path()) -> None:
    """Lock the newest versions that pyproject.toml allows.

    Raises:
        UserError: there are none, and nothing was changed.
    """
    with all_or_nothing(folder) as copies:
        lock(copies, "--upgrade")


def change(command: str, settings: Settings, folder: Path = Path()) -> None:
    """Add or remove the dependencies that PACKAGE names, and lock without upgrading the rest.

    Raises:
        UserError: it cannot be, and nothing was changed.
    """
    requirements = wanted(command, settings.package)
    declared = dependencies(read(folder / "pyproject.toml"))
    if command == "remove":
        check_removable(requirements, declared)
        names = [each.name for each in requirements]
    else:
        check_markers(requirements, declared)
        names = ["--raw", *map(str, requirements)]
    with all_or_nothing(folder) as copies:
        uv(command, "--frozen", "--project", copies, *names)
        lock(copies)
        check_wheels(copies, settings.architecture)


def debian(text: str) -> list[str]:
    """Return the Debian packages that a packages.txt names, one a line.

    Raises:
        UserError: a line is not a package's name.
    """
    lines = [line.partition("#")[0].strip(" \t\r") for line in text.split("\n")]
    for number, line in enumerate(lines, 1):
        if line and not DEBIAN_PACKAGE.fullmatch(line):
            raise UserError(
                f"{DEBIAN}, line {number}: {line!r} is not the name of a Debian package, of which there "
                "is one a line; write for example: libgomp1 (or libgomp1=14.2.0-19)"
            )
    return [line for line in lines if line]


def check_debian(folder: Path = Path()) -> None:
    """Look at packages.txt before the image is built.

    Raises:
        UserError: it is not there, or a line in it is not a package's name.
    """
    try:
        debian((folder / DEBIAN).read_text(encoding="utf-8", errors="backslashreplace"))
    except FileNotFoundError:
        raise UserError(f"{DEBIAN} is missing (it may be empty); type: touch {DEBIAN}") from None
