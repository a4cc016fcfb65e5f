"""`make build` with Podman instead of Docker."""

import os
import shutil
import subprocess

import pytest
from support import copy_project, lacking

pytestmark = pytest.mark.docker


def test_podman_builds_the_image_too(engine, installed, tmp_path):
    podman = shutil.which("podman")
    if podman is None:
        lacking("podman is not on this machine; .ci/run installs it")
    folder = tmp_path / "churn-model"
    copy_project(installed("xgboost"), folder)
    environ = os.environ | {"BUILDAH_ISOLATION": "chroot", "CA_BUNDLE": engine["CA_BUNDLE"]}
    line = (
        "set -euo pipefail;"
        f"{engine['DOCKER']} save {engine['BASE_IMAGE']} | {podman} load;"
        f"make build DOCKER={podman} BASE_IMAGE={engine['BASE_IMAGE']} TAG=by-podman;"
        f"{podman} inspect --format '{{{{.Config.User}}}} {{{{.Config.Entrypoint}}}}' churn-model:by-podman;"
        f"{podman} rmi --force churn-model:by-podman"
    )
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environ, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10001:10001 [python -m job]" in done.stdout
