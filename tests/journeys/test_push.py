"""`make build` and `make push`: what is uploaded, and what is in the image."""

import json
import os
import re
import subprocess

import pytest
from user import ONE_FRAMEWORK, Project, inside, tag_of

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]


def test_a_second_push_uploads_nothing(project):
    done = project.make("push")
    assert "nothing to push" in done.stdout
    assert "Pushed" not in done.stdout


def layers(project: Project, tag: str) -> dict[str, int]:
    """Return digest and compressed size in bytes of an image's layers in the registry."""
    answer = project.client("ecr").batch_get_image(
        repositoryName="churn-model", imageIds=[{"imageTag": tag}]
    )
    manifest = json.loads(answer["images"][0]["imageManifest"])
    return {each["digest"]: each["size"] for each in manifest["layers"]}


def test_one_changed_line_uploads_the_code_layer_only(project, record_testsuite_property):
    revision = project.git("rev-parse", "--short=12", "HEAD")
    assert tag_of(project) == revision
    script = project.folder / "train.py"
    script.write_text(script.read_text() + "\n# one more line\n")
    tag = tag_of(project)
    assert re.fullmatch(rf"{revision}-dirty-[0-9a-f]{{12}}", tag)
    project.make("push")
    before, after = layers(project, revision), layers(project, tag)
    changed = {digest: size for digest, size in after.items() if digest not in before}
    total = sum(changed.values())
    print(
        f"\n{project.framework}: {total / 1e3:.1f} kB of {sum(after.values()) / 1e6:.1f} MB uploaded"
    )
    record_testsuite_property(f"{project.framework}-code-layer-bytes", total)
    # the scripts and their bytecode; the dependencies, all but these, stayed
    assert 0 < len(changed) <= 2
    assert total < 100_000
    project.git("checkout", "--quiet", "train.py")


def in_python(project: Project, *words: str) -> str:
    """Run Python in the image, without the launcher, and return what it prints."""
    return inside(project, *words, options=("--entrypoint", "python"))


def test_the_image_is_small_read_only_and_not_roots(project):
    assert in_python(project, "-c", "import os; print(os.getuid())").strip() == "10001"
    script = "import sys; print(sys.version_info[:2]); open('/scratch/x', 'w'); open('/app/x', 'w')"
    with pytest.raises(AssertionError, match="Read-only file system"):
        in_python(project, "-c", script)
    names = json.loads(
        in_python(
            project,
            "-c",
            "import importlib.metadata as m, json, sys; assert sys.version_info[:2] == (3, 13);"
            "print(json.dumps(sorted({d.metadata['Name'].lower() for d in m.distributions()})))",
        )
    )
    expected = {"xgboost": {"xgboost-cpu"}, "scikit-learn": {"scikit-learn", "skops"}}
    assert expected[project.framework] | {"boto3", "numpy", "pyarrow"} <= set(names)
    unwanted = {"pandas", "pip", "pytest", "awscli", "rich", "nvidia-nccl-cu12", "matplotlib"}
    if project.framework == "xgboost":
        unwanted |= {"scikit-learn", "xgboost"}
    assert unwanted & set(names) == set()
    # nothing but code: neither the data, nor git's history, nor the tools of the laptop
    files = set(
        in_python(project, "-c", "import os; print(*sorted(os.listdir('/app')), sep='\\n')").split()
    )
    code = {"features.py", "job", "predict.py", "train.py", "training"}
    assert files == code | {"endless.py", "lines.py"}


@ONE_FRAMEWORK
def test_a_private_index_is_used_and_leaves_no_trace_in_the_image(project):
    engine = dict(line.split(" = ") for line in (project.folder / ".env").read_text().splitlines())
    # another file, so that the layer is made again: a secret is no part of a layer's identity
    requirements = project.folder / "requirements.txt"
    requirements.write_text(requirements.read_text() + f"# {os.urandom(8).hex()}\n")
    pip_conf = project.folder.parent / "pip.conf"
    canary = "canary-" + os.urandom(8).hex()
    pip_conf.write_text(
        f"[global]\nindex-url = http://user:{canary}@127.0.0.1:9/simple\nretries = 0\n"
    )
    done = project.make("build", PIP_CONF=str(pip_conf), TAG="secret", status=2)
    # pip went where it was told to, and there is nothing
    assert "No matching distribution found" in done.stdout + done.stderr
    assert canary not in done.stdout + done.stderr
    pip_conf.write_text(f"[global]\n# {canary}\ntimeout = 60\n")
    done = project.make("build", PIP_CONF=str(pip_conf), TAG="secret")
    assert canary not in done.stdout + done.stderr
    saved = project.folder.parent / "image.tar"
    project.run([engine["DOCKER"], "save", "--output", str(saved), "churn-model:secret"])
    found = subprocess.run(["grep", "-c", "--text", canary, str(saved)], check=False)
    assert found.returncode == 1
    saved.unlink()
    project.git("checkout", "--quiet", "requirements.txt")
