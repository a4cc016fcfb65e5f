"""What is said of a container engine that cannot be used, before anything is built or pushed."""

import json
from dataclasses import replace

import pytest
from ecs.commands import image as commands
from ecs.errors import UserError
from ecs.image import engine
from ecs.stack import stack

HOST = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
SOCKET = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
DAEMON = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that puts a program of this text on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def program(name: str, text: str, mode: int = 0o755) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return str(path)

    return program


@pytest.mark.parametrize(
    ("text", "said", "typed"),
    [
        (f"echo '{DAEMON}' >&2; exit 1", f"does not answer: {DAEMON}", "service docker start"),
        (f"echo 'Got {SOCKET}' >&2; exit 1", "this user may not use", "adduser $USER docker, and log in again"),
        ("echo first >&2; echo last >&2; exit 125", "does not answer: last;", "service docker start"),
        ("exit 1", "does not answer: no answer;", "service docker start"),
        ("exec sleep 5", "does not answer;", "service docker start"),
    ],
    ids=["stopped", "permission", "lines", "silent", "hanging"],
)  # fmt: skip
def test_an_engine_that_does_not_answer_is_one_sentence(program, monkeypatch, text, said, typed):
    monkeypatch.setattr(engine, "PATIENCE", 0.3)
    with pytest.raises(UserError) as refused:
        engine.check(program("docker", text))
    sentence = str(refused.value)
    assert said in sentence
    assert f"; type: {typed}" in sentence or f"; type: start it (Debian: {typed}" in sentence


def test_an_engine_that_is_not_there_or_no_program(program):
    with pytest.raises(
        UserError, match="^there is no /nonexistent on this machine; type: install Docker"
    ):
        engine.check("/nonexistent")
    with pytest.raises(UserError, match="Permission denied|Exec format"):
        engine.check(program("docker", "", mode=0o644))
    engine.check(program("docker", "exit 0"))


@pytest.mark.parametrize("has", [True, False])
def test_an_image_is_loaded_from_a_builder_of_its_own_where_the_engine_knows_how(
    program, settings, monkeypatch, tmp_path, capsys, has
):
    """`docker build` is buildx's from 23 on; the one of Debian 12 has no such option."""
    given = program("docker", f"echo ' --label list' {'--load' if has else ''}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packages.txt").touch()
    commands.buildable(replace(settings, docker=given))
    assert capsys.readouterr().out == ("--load\n" if has else "\n")


@pytest.mark.parametrize(
    ("config", "helper"),
    [
        (None, ""),
        ("{", ""),
        ("[]", ""),
        ({}, ""),
        ({"credsStore": ""}, ""),
        ({"credsStore": "desktop"}, "desktop"),
        ({"credHelpers": {HOST: "ecr-login"}}, "ecr-login"),
        ({"credHelpers": {"other": "ecr-login"}}, ""),
        ({"credHelpers": {"other": "ecr-login"}, "credsStore": "pass"}, "pass"),
        ({"credHelpers": {HOST: "ecr-login"}, "credsStore": "pass"}, "ecr-login"),
    ],
    ids=str,
)
def test_docker_logs_in_by_itself_or_by_a_program_that_must_be_there(
    program, settings, monkeypatch, tmp_path, capsys, config, helper
):
    """ecr-login cannot keep a password: "not implemented" (awslabs/amazon-ecr-credential-helper)."""
    monkeypatch.setattr(stack, "outputs", lambda _: {"RepositoryUri": f"{HOST}/churn"})
    if config is not None:
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "config.json").write_text(text)
    given = replace(settings, docker=program("docker", "exit 0"))
    if helper:
        with pytest.raises(
            UserError, match=f"docker-credential-{helper}, which is not on this machine; .*type: "
        ):
            commands.registry(given)
        program(f"docker-credential-{helper}", "exit 0")
    commands.registry(given)
    out, err = capsys.readouterr()
    assert (out, "by itself" in err) == (
        ("\n", True) if helper == "ecr-login" else (HOST + "\n", False)
    )
