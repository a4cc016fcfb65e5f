"""The AWS CLI: which version will do, and what of it the user sees."""

import base64
import io
import json
import os
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import boto3
import botocore.awsrequest
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from ecs import aws, refusals
from ecs.__main__ import sentence
from ecs.errors import UserError
from ecs.stack import inputs
from support import PROJECT


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("aws-cli/2.38.5 Python/3.14.0 Linux/6.1 exe/x86_64.debian.12", "2.38.5"),
        ("aws-cli/2.15.0 Python/3.11.6 Darwin/23.1.0 exe/x86_64", "2.15.0"),
        ("aws-cli/1.32.0 Python/3.11.7 Linux/6.1 botocore/1.34.0", "1.32.0"),
        ("aws-cli/1.46.2 md/Botocore#1.44.5 ua/2.1", "1.46.2"),
        ("aws-cli/3.0.0 Python/4", "3.0.0"),
        ("aws-cli/2.100.0dev1 Python/3", "2.100.0dev1"),
    ],
)
def test_versions_that_are_new_enough_are_named(printed, version):
    assert aws.check_cli_version(printed, "/bin/aws") == f"aws-cli/{version}"


@pytest.mark.parametrize(
    ("printed", "oldest"),
    [
        ("aws-cli/2.9.19 Python/3.11.2 Linux/6.1 source/x86_64.debian.12", "2.15.0"),
        ("aws-cli/2.14.6 Python/3", "2.15.0"),
        ("aws-cli/1.31.13 Python/3", "1.32.0"),
        ("aws-cli/1.9.99 Python/2.7", "1.32.0"),
        ("aws-cli/0.1.0 Python/2.7", "2.15.0"),
    ],
)
def test_versions_that_are_too_old_are_refused_with_a_way_out(printed, oldest):
    with pytest.raises(UserError, match=rf"{oldest} is the oldest .* AWS=.venv/bin/aws"):
        aws.check_cli_version(printed, "/bin/aws")


@pytest.mark.parametrize(
    "printed", ["", "aws 2", "GNU bash, version 5", "aws-cli/two", "aws-cli/2.1"]
)
def test_a_program_that_is_no_aws_cli_is_refused(printed):
    with pytest.raises(UserError, match="/bin/aws is not the AWS CLI; type: make install"):
        aws.check_cli_version(printed, "/bin/aws")


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return str(path)


def test_the_version_is_read_where_old_ones_print_it(settings, tmp_path):
    """CLI v1 on Python 2 printed it to standard error."""
    old = program(tmp_path / "aws", "echo aws-cli/1.32.5 Python/2.7 >&2\n")
    assert aws.cli_version(replace(settings, aws=old)) == "aws-cli/1.32.5"


@pytest.mark.parametrize("path", ["no-such-aws", "/dev/null"])
def test_a_cli_that_is_not_there_is_the_users_to_install(settings, path):
    with pytest.raises(UserError, match=f"no AWS CLI at '{path}'; type: make install"):
        aws.cli_version(replace(settings, aws=path))


ECHO = """\
file=${4#file://}
sleep ${WAIT:-0}
echo "{\\"asked\\": $(cat "$file"), \\"words\\": \\"$*\\", \\"mode\\": \\"$(stat -c %a "$file")\\"}"
"""


def test_a_request_goes_through_a_private_file_and_the_command_is_shown(settings, tmp_path, capfd):
    echo = replace(settings, aws=program(tmp_path / "aws", ECHO))
    request = {"overrides": {"x": "é $HOME `id` \"'"}}
    answer = aws.call_cli(echo, "ecs", "run-task", request=request, name="run-task")
    assert answer["asked"] == request
    shown = capfd.readouterr().err
    name = re.escape(f"file://{settings.state}/run-task-")
    assert re.fullmatch(rf"\$ aws (ecs run-task --cli-input-json {name}[\w-]+\.json)\n", shown)
    assert answer["words"] == shown.removeprefix("$ aws ").rstrip() + " --output json"
    # values of the environment are nobody else's business, and nobody's once they are sent
    assert answer["mode"] == "600"
    assert list(Path(settings.state).iterdir()) == []


def test_requests_that_are_sent_at_once_are_not_mixed_up(settings, tmp_path, monkeypatch):
    """Each program of the CLI reads its file a moment later, when the others have written theirs."""
    monkeypatch.setenv("WAIT", "0.3")
    echo = replace(settings, aws=program(tmp_path / "aws", ECHO))

    def asked(number: int) -> dict:
        return aws.call_cli(echo, "ecs", "run-task", request={"n": number}, name="run-task")[
            "asked"
        ]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(asked, range(8))) == [{"n": number} for number in range(8)]


def test_the_file_of_a_request_goes_when_the_cli_fails_too(settings, tmp_path):
    fails = program(tmp_path / "aws", "exit 1\n")
    with pytest.raises(UserError):
        aws.call_cli(replace(settings, aws=fails), "ecs", "run-task", request={})
    assert list(Path(settings.state).iterdir()) == []


def test_a_failure_of_the_cli_is_one_sentence_with_its_message(settings, tmp_path):
    fails = program(
        tmp_path / "aws", "echo >&2; echo 'An error\n  occurred (X): no' >&2; exit 254\n"
    )
    with pytest.raises(UserError, match=r"^aws ecs stop-task: An error occurred \(X\): no$"):
        aws.call_cli(replace(settings, aws=fails), "ecs", "stop-task")
    silent = program(tmp_path / "silent", "exit 3\n")
    with pytest.raises(UserError, match="exit status 3"):
        aws.call_cli(replace(settings, aws=silent), "ecs", "stop-task")


def test_an_answer_of_nothing_is_an_empty_one(settings, tmp_path):
    quiet = program(tmp_path / "aws", "exit 0\n")
    assert aws.call_cli(replace(settings, aws=quiet), "ecs", "stop-task") == {}


def test_a_file_of_the_state_is_replaced_at_once_and_private(settings):
    path = settings.state_folder / "stack.json"
    aws.write_private(settings, path, json.dumps({"long": "x" * 100}))
    with path.open() as reader:  # who has begun to read the old one reads it to its end
        aws.write_private(settings, path, "{}")
        assert json.load(reader) == {"long": "x" * 100}
    assert path.read_text() == "{}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def refused(code: str, operation: str = "AssumeRoleWithWebIdentity") -> ClientError:
    said = {"Code": code, "Message": f"Not authorized to perform sts:{operation}"}
    return ClientError({"Error": said}, operation)


def token(**claims: str) -> str:
    parts = [{"alg": "RS256"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts]
    return ".".join([*(each.rstrip("=") for each in encoded), "signature"])


def test_a_workflow_that_aws_does_not_trust_is_told_what_to_type(tmp_path, monkeypatch):
    """A repository made since July 2026 has numbers in its subject, which nobody knows by heart."""
    subject = "octo@12/churn@345:ref:refs/heads/main"
    path = tmp_path / "token"
    path.write_text(token(sub=f"repo:{subject}", aud="sts.amazonaws.com"))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(path))
    sentence = aws.distrust(refused("AccessDenied"))
    assert sentence.endswith(f"type: make cluster GITHUB={subject}")
    assert inputs.subject(subject) == subject
    assert aws.distrust(refused("AccessDenied", "AssumeRole")) is None
    assert aws.distrust(refused("ExpiredTokenException")) is None
    assert aws.distrust(ValueError()) is None


@pytest.mark.parametrize(
    "content", [None, "", "a.b", "a.!!.c", token(aud="x"), "a.W10.c", "\xff.é"]
)
def test_a_token_that_is_none_has_no_subject(tmp_path, monkeypatch, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    assert aws.subject(str(path)) == ""
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(path))
    assert aws.distrust(refused("AccessDenied")) is None


NOT_SENT = {
    "version 1, a parameter": (
        255,
        "\nParameter validation failed:\nInvalid type for parameter count",
    ),
    "version 1, its file": (
        255,
        "\nError parsing parameter '--cli-input-json': Unable to load paramfile",
    ),
    "version 1, no region": (
        255,
        "You must specify a region. You can also configure your region by",
    ),
    "version 1, a word": (2, "aws: error: the following arguments are required: --task-definition"),
    "version 2, a parameter": (
        252,
        "\naws: [ERROR]: An error occurred (ParamValidation): Parameter",
    ),
    "no credentials": (
        253,
        "Unable to locate credentials. You can configure credentials by running",
    ),
}
MAY_BE_SENT = {
    "an error of the service": (
        254,
        "An error occurred (ServerException) when calling the RunTask operation: x",
    ),
    "no connection": (
        255,
        'Could not connect to the endpoint URL: "https://ecs.us-east-1.amazonaws.com/"',
    ),
    "killed": (137, ""),
    "a word of its own in an answer": (255, "cut off: Parameter validation failed"),
}


@pytest.mark.parametrize(("status", "said"), NOT_SENT.values(), ids=NOT_SENT)
def test_a_cli_that_has_called_nobody_says_so_by_status_or_words(settings, tmp_path, status, said):
    words = program(tmp_path / "aws", f"cat >&2 <<'END'\n{said}\nEND\nexit {status}\n")
    with pytest.raises(aws.NotSentError, match="aws ecs x: "):
        aws.call_cli(replace(settings, aws=words), "ecs", "x")


@pytest.mark.parametrize(("status", "said"), MAY_BE_SENT.values(), ids=MAY_BE_SENT)
def test_any_other_failure_may_be_of_a_call_that_was_sent(settings, tmp_path, status, said):
    words = program(tmp_path / "aws", f"cat >&2 <<'END'\n{said}\nEND\nexit {status}\n")
    with pytest.raises(UserError) as caught:
        aws.call_cli(replace(settings, aws=words), "ecs", "x")
    assert not isinstance(caught.value, aws.NotSentError)


@pytest.mark.parametrize("path", ["no-such-aws", "/dev/null"])
def test_a_cli_that_cannot_be_called_has_called_nobody(settings, path):
    with pytest.raises(aws.NotSentError, match="no AWS CLI"):
        aws.call_cli(replace(settings, aws=path), "ecs", "x", request={})
    assert list(Path(settings.state).iterdir()) == []


def test_request_files_of_killed_processes_are_removed_by_the_next_call(settings, tmp_path):
    """Not the one whose process lives, nor what may be read at this moment, nor anything else."""
    gone, here = 2**22 + 5, os.getppid()  # Linux has no process with so high an id
    folder = Path(settings.state)
    folder.mkdir()
    ages = {
        f"run-task-{gone}-abcdefgh.json": (100, False),
        f"task-definition-{gone}-abcd_fgh.json": (100, False),
        f"request-{gone}-abcdefgh.json": (30, True),  # its CLI may be about to read it
        f"run-task-{here}-abcdefgh.json": (100, True),
        f"run-task-{here}-abcdefgi.json": (90000, False),
        f"submit-job-{gone}-abcdefgh.json": (100, False),
        "run-task-1-abcdefgh.json": (100, True),  # another user's
        "run-task-abcdefgh.json": (100, True),
        "run-task-abcdefgi.json": (90000, False),
        "stack.json": (90000, True),
        "parameters-abcdefgh.json": (90000, True),
    }
    for name, (age, _) in ages.items():
        (folder / name).write_text("{}")
        os.utime(folder / name, (time.time() - age,) * 2)
    echo = replace(settings, aws=program(tmp_path / "aws", ECHO))
    aws.call_cli(echo, "ecs", "run-task", request={}, name="run-task")
    assert {each.name for each in folder.iterdir()} == {
        name for name, (_, kept) in ages.items() if kept
    }


def test_the_command_of_a_recipe_is_the_one_that_is_run(settings, tmp_path):
    """``make run`` shows the AWS CLI's own words, and an owner may add some."""
    told = tmp_path / "told"
    program = tmp_path / "aws"
    program.write_text(f"#!/bin/sh\necho \"$@\" >> {told}\necho '{{}}'\n")
    program.chmod(0o755)
    words = (str(program), "ecs", "run-task", "--debug", "--cli-input-json", "file://{request}")
    asked = replace(settings, aws=str(program), command=words, state=str(tmp_path))
    aws.call_cli(asked, "ecs", "run-task", request={"count": 1}, name="run-task")
    aws.call_cli(asked, "ecs", "register-task-definition", request={}, name="task-definition")
    first, second = told.read_text().splitlines()
    assert first.startswith(f"ecs run-task --debug --cli-input-json file://{tmp_path}/run-task-")
    assert second.startswith("ecs register-task-definition --cli-input-json file://")


# ---- whose account it is


@pytest.fixture
def keys(monkeypatch):
    """Give this process an identity, and no other."""

    def keys(name: str) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        aws.session.cache_clear()
        aws.client.cache_clear()

    yield keys
    aws.session.cache_clear()
    aws.client.cache_clear()


def test_each_identity_has_a_mark_of_its_own_and_aws_is_not_asked(keys):
    marks = []
    for name in ("AKIAONE", "AKIATWO", "AKIAONE"):
        keys(name)
        marks.append(aws.identity())
    assert marks[0] == marks[2] != marks[1]
    assert "AKIA" not in "".join(marks)


OWN = "churn-123456789012-us-east-1"


def operations() -> list[str]:
    """Return the operations of S3, in Python's spelling, that the program's sources call."""
    model = boto3.client("s3", region_name="us-east-1").meta.service_model
    known = {xform_name(name): name for name in model.operation_names}
    text = "".join(path.read_text() for path in Path(aws.__file__).parent.rglob("*.py"))
    called = re.findall(r"\.(\w+)\(", text) + re.findall(r"paginator\(\"(\w+)\"\)", text)
    return sorted(set(called) & known.keys())


def example(shape) -> object:
    """Return the smallest value that a shape of botocore's model takes."""
    if shape.type_name == "structure":
        return {name: example(shape.members[name]) for name in shape.required_members}
    return {"list": [], "boolean": False, "integer": 1, "blob": b""}.get(shape.type_name, "x")


@pytest.mark.parametrize(
    ("bucket", "owner"),
    [(OWN, "123456789012"), ("their-data", None), ("churn-2-123456789012-us-east-1", None)],
)
def test_each_call_on_the_project_s_own_bucket_names_its_owner(
    settings, keys, tmp_path, bucket, owner
):
    """S3 then refuses a bucket of that name in another account. API reference: ExpectedBucketOwner."""
    keys("AKIAONE")
    s3, sent = aws.client(settings, "s3"), []

    def answer(request, **_):
        sent.append(request.headers.get("x-amz-expected-bucket-owner"))
        return botocore.awsrequest.AWSResponse(request.url, 200, {}, Raw(b""))

    s3.meta.events.register("before-send.s3.*", answer)
    names = operations()
    assert {"head_bucket", "put_object", "list_object_versions", "delete_objects"} <= set(names)
    assert "create_bucket" not in names  # the stack's work; it knows no ExpectedBucketOwner
    for name in names:
        model = s3.meta.service_model.operation_model(s3.meta.method_to_api_mapping[name])
        getattr(s3, name)(**example(model.input_shape) | {"Bucket": bucket})
    (tmp_path / "file").write_bytes(b"x")
    s3.upload_file(str(tmp_path / "file"), bucket, "k")
    assert len(sent) > len(names)
    assert {each.decode() if isinstance(each, bytes) else each for each in sent} == {owner}


REFUSAL = "<Error><Code>{}</Code><Message>{}</Message></Error>"
OF_THE_ACCOUNT = "User: arn:aws:iam::1:user/a is not authorized to perform: s3:ListBucket"


@pytest.mark.parametrize(
    ("bucket", "code", "message", "taken"),
    [
        (OWN, "AccessDenied", "Access Denied", True),
        (OWN, "AccessDenied", OF_THE_ACCOUNT, False),
        (OWN, "NoSuchBucket", "Access Denied", False),
        ("their-data", "AccessDenied", "Access Denied", False),
    ],
)
@pytest.mark.parametrize("call", ["get_object", "put_object", "list_objects_v2", "upload_file"])
def test_a_bucket_that_another_account_has_is_one_sentence_at_any_call(
    settings, keys, tmp_path, bucket, code, message, taken, call
):
    """`make data`, `run`, `verify`, `fetch`. S3 user guide, "Troubleshoot access denied (403 Forbidden) errors"."""
    keys("AKIAONE")
    s3 = aws.client(settings, "s3")
    body = REFUSAL.format(code, message).encode()
    s3.meta.events.register(
        "before-send.s3.*",
        lambda request, **_: botocore.awsrequest.AWSResponse(request.url, 403, {}, Raw(body)),
    )
    (tmp_path / "file").write_bytes(b"x")
    calls = {
        "upload_file": lambda: s3.upload_file(str(tmp_path / "file"), bucket, "k"),
        "list_objects_v2": lambda: list(s3.get_paginator(call).paginate(Bucket=bucket)),
        "get_object": lambda: s3.get_object(Bucket=bucket, Key="k"),
        "put_object": lambda: s3.put_object(Bucket=bucket, Key="k"),
    }
    with pytest.raises(Exception) as said:
        calls[call]()
    assert isinstance(said.value, aws.TakenError) is taken
    if taken:
        assert f"the bucket {OWN} is not of this region and account 123456789012" in str(said.value)


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("http://127.0.0.1:4566", True), ("http://localhost:4566", True), ("http://[::1]:4566", True),
        ("", False), ("https://s3.example.com", False), ("http://127.0.0.1.example.com", False),
    ],
)  # fmt: skip
def test_a_call_of_the_sandbox_s_goes_to_this_machine_only(
    settings, keys, monkeypatch, address, taken
):
    """Without an endpoint boto3 means AWS itself."""
    keys("AKIAONE")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    if not address:
        monkeypatch.delenv("AWS_ENDPOINT_URL")
    aws.client(settings, "s3")  # outside the sandbox each is the user's to choose
    if taken:
        assert aws.client(replace(settings, sandbox=True), "s3").meta.endpoint_url == address
    else:
        with pytest.raises(UserError, match="SANDBOX=1, and s3 would be asked at http"):
            aws.client(replace(settings, sandbox=True), "s3")


def test_an_endpoint_that_is_no_address_is_the_user_s_to_correct(settings, keys, monkeypatch):
    keys("AKIAONE")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:4566")
    with pytest.raises(UserError, match="127.0.0.1:4566: .*; correct AWS_ENDPOINT_URL"):
        aws.client(settings, "s3")


def called() -> set[tuple[str, str]]:
    """Return the commands of the AWS CLI that stand in the recipes and in the program."""
    program = "".join(path.read_text() for path in (PROJECT / "ecs").rglob("*.py"))
    words = re.findall(r'"(batch|cloudformation|ecr|ecs|logs|s3|sts)", "([a-z]+-[a-z-]+)"', program)
    return {
        *words,
        *re.findall(r'"\$\$AWS" ([a-z]+) ([a-z-]+)', (PROJECT / "Makefile").read_text()),
    }


def test_the_commands_that_are_called_are_those_whose_aliases_are_refused():
    known = {(service, name) for service, names in aws.COMMANDS.items() for name in names}
    assert called() == known


@pytest.mark.parametrize(("service", "name"), sorted(called()))
@pytest.mark.parametrize("shadows", ["[toplevel]\n{0} = !echo\n", "[command {0}]\n{1} = list\n"])
def test_an_alias_of_each_of_them_is_refused(
    settings, monkeypatch, tmp_path, service, name, shadows
):
    monkeypatch.setattr(aws, "ALIASES", str(tmp_path / "alias"))
    cli = replace(settings, aws=program(tmp_path / "aws", "echo aws-cli/2.38.5\n"))
    assert aws.cli_version(cli) == "aws-cli/2.38.5"
    (tmp_path / "alias").write_text(shadows.format(service, name))
    with pytest.raises(aws.NotSentError, match="takes the place of `aws .*another name there"):
        aws.cli_version(cli)
    with pytest.raises(aws.NotSentError, match=f"`aws {service}"):
        aws.call_cli(cli, service, name)


class Raw(io.BytesIO):
    """As much of urllib3's answer as botocore reads."""

    def stream(self, amount: int = 0, decode_content: bool = False):
        yield self.read()


def test_an_assumed_role_is_taken_from_the_cli_s_cache_and_put_there(keys, monkeypatch, tmp_path):
    """A code of MFA is good once. Source: awscli/customizations/assumerole.py."""
    monkeypatch.setattr(aws, "CLI_CACHE", str(tmp_path))
    keys("AKIAONE")
    providers = aws.session()._session.get_component("credential_provider")
    cache = providers.get_provider("assume-role").cache
    cache["a"] = {"Credentials": {"AccessKeyId": "x"}}
    assert json.loads((tmp_path / "a.json").read_text()) == {"Credentials": {"AccessKeyId": "x"}}


def test_a_code_is_asked_for_once_a_process_and_following_never_blocks_on_it(monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt: "123456")
    ask = aws.asked_once()
    assert ask("Enter MFA code: ") == "123456"
    with pytest.raises(aws.SessionOverError, match="your AWS session is over"):
        ask("Enter MFA code: ")


def test_what_aws_said_is_not_swallowed_by_how_often_it_was_asked():
    words = (
        "An error occurred (ThrottlingException) when calling the RunTask operation "
        "(reached max retries: 0): Rate exceeded: try later"
    )
    assert refusals.code_and_message(words) == ("ThrottlingException", "Rate exceeded: try later")


def test_a_page_of_a_proxy_is_one_sentence():
    error = ResponseParserError("Unable to parse response, invalid XML received:\nb'<html>'")
    said = sentence(error)
    assert "not AWS" in said
    assert "\n" not in said
