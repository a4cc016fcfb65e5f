"""`make add` and `make remove` as a user types them, with packages from a real index, and the image."""

import base64
import os
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support import call, succeed


@pytest.fixture(scope="module")
def project(bake: Callable[..., Path]) -> Path:
    """Return a project with an environment of its own."""
    project = bake(project_slug="packages")
    succeed("make", "install", cwd=project)
    return project


def listed(project: Path) -> dict[str, str]:
    """Return the files that `make add` may change."""
    return {path.name: path.read_text() for path in project.glob("*.t*")}


def imports(project: Path, module: str) -> bool:
    return call(project / ".venv/bin/python", "-c", f"import {module}", cwd=project).returncode == 0


def test_a_package_comes_and_goes_and_the_rest_stays(project: Path):
    before = listed(project)
    said = succeed("make", "add", "PACKAGE=toolz>=1", cwd=project)
    assert said == "next, for the image: make push\n"
    assert imports(project, "toolz")
    after = listed(project)
    changed = {"pyproject.toml", "requirements.txt", "requirements-dev.txt"}
    assert {name for name in after if after[name] != before[name]} == changed
    for name in changed:
        lines = after[name].splitlines()
        assert [line for line in before[name].splitlines() if line not in lines] == []
    assert re.search(r"(?m)^toolz==1[\d.]+ \\\n +--hash=sha256:", after["requirements.txt"])
    assert '    "toolz>=1",\n' in after["pyproject.toml"]
    succeed("make", "remove", "PACKAGE=toolz", cwd=project)
    assert listed(project) == before
    assert not imports(project, "toolz")


@pytest.mark.parametrize(
    ("package", "part"),
    [("numpy<1", "for the image|unsatisfiable"), ("packages-no-such-package", "was not found")],
)
def test_a_package_that_cannot_be_changes_nothing(package: str, part: str, project: Path):
    before = listed(project)
    done = call("make", "add", f"PACKAGE={package}", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match(rf"error: .*({part}).*; nothing was changed\nmake: .*\n\Z", done.stderr)
    assert listed(project) == before
    assert not list(project.glob(".locking-*"))


def test_locks_that_cannot_be_installed_can_be_changed(project: Path):
    before = listed(project)
    lock = project / "requirements-dev.txt"
    with lock.open("a") as file:
        file.write(f"packages-no-such-package==1 --hash=sha256:{'0' * 64}\n")
    assert call("make", "install", cwd=project).returncode == 2
    succeed("make", "add", "PACKAGE=numpy", cwd=project)
    assert listed(project) == before


USER = "user:" + "canary" * 3


@pytest.fixture
def private_index(tmp_path: Path) -> Iterator[str]:
    """Serve a package that no other index has, for one user only, and return the address."""
    folder = tmp_path / "simple/packages-private-thing"
    folder.mkdir(parents=True)
    info = "packages_private_thing-1.dist-info"
    with zipfile.ZipFile(folder / "packages_private_thing-1-py3-none-any.whl", "w") as archive:
        archive.writestr("packages_private_thing.py", "")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: packages-private-thing\nVersion: 1\n",
        )
        archive.writestr(
            f"{info}/RECORD",
            f"packages_private_thing.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
        )
    expected = "Basic " + base64.b64encode(USER.encode()).decode()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") == expected:
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()

        def log_message(self, *words: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{USER}@127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()


def test_a_package_of_a_private_index_is_found_by_pip_conf(
    project: Path, private_index: str, tmp_path: Path
):
    pip_conf = tmp_path / "pip conf"
    pip_conf.write_text(f"[global]\nextra-index-url = {private_index}\n")
    words = ["make", "add", "PACKAGE=packages-private-thing", f"PIP_CONF={pip_conf}"]
    done = call(*words, cwd=project)
    assert done.returncode == 0, done.stderr
    assert imports(project, "packages_private_thing")
    assert "\npackages-private-thing==1 " in listed(project)["requirements.txt"]
    for text in (done.stdout, done.stderr, *listed(project).values()):
        assert USER not in text and "127.0.0.1" not in text
    pip_conf.write_text("[global]\nindex-url: http://127.0.0.1:9/simple\n")
    done = call(
        "make",
        "add",
        "PACKAGE=packages-private",
        *words[3:],
        cwd=project,
        env={**os.environ, "UV_HTTP_RETRIES": "0"},
    )
    assert "127.0.0.1:9" in done.stderr
    succeed("make", "remove", "PACKAGE=packages-private-thing", cwd=project)


@pytest.mark.docker
def test_the_image_has_the_debian_packages_and_nothing_of_how_they_came(
    project: Path, engine: dict[str, str]
):
    (project / "packages.txt").write_text("# LightGBM's\n\n  libgomp1:amd64 # any version\r\n")
    words = [f"{name}={value}" for name, value in engine.items()]
    succeed("make", "build", "TAG=debian", "ARCHITECTURE=x86_64", *words, cwd=project)
    seen = succeed(
        engine["DOCKER"], "run", "--rm", "--entrypoint", "sh", "packages:debian", "-c",
        "dpkg-query --show --showformat '${Package}\\n' libgomp1; "
        "python -c 'import ctypes; ctypes.CDLL(\"libgomp.so.1\")'; "
        "find /var/lib/apt/lists /var/cache/apt/archives -type f -size +0; find /run -name '*packages*'",
        cwd=project,
    )  # fmt: skip
    assert seen.split() == ["libgomp1"]
    (project / "packages.txt").write_text("packages-no-such-package\n")
    done = call("make", "build", "TAG=debian", *words, cwd=project)
    assert done.returncode == 2
    assert "Unable to locate package packages-no-such-package" in done.stdout + done.stderr
