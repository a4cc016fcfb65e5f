"""What the user has set for the AWS CLI and for AWS: both CLIs and the program obey it alike, or none does.

Sources: "Configuration and credential file settings", "Environment variables", "Using endpoints", "Using an HTTP
proxy" and "Creating and using aliases" in the AWS CLI's user guide; "Service-specific endpoints" in the SDKs and
tools reference guide.
"""

import subprocess
from pathlib import Path

import pytest
from recorder import Asked, Recorder, recording
from sandbox.__main__ import make_file
from support import copy_project, plain_environment

# the AWS CLI as the program calls it, then the program's own way; the last one is of S3
PROGRAM = """\
import os
from botocore.exceptions import ClientError
from ecs.aws import call_cli, client
from ecs.settings import settings_from
settings = settings_from(os.environ)
print(call_cli(settings, "sts", "get-access-key-info", request={"AccessKeyId": "é" * 16})["Account"])
print(client(settings, "sts").get_caller_identity()["Account"])
try:
    client(settings, "s3").head_bucket(Bucket="churn")
except ClientError:
    pass
"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x"}
ENDPOINT = {"AWS_ENDPOINT_URL": "{url}"}
PROXY = {"http_proxy": "{other}", "HTTP_PROXY": "{other}"}

# what ~/.aws/config says, and the environment; each asks {url}, in the project's region
SETTINGS = {
    "auto prompt": ("[default]\ncli_auto_prompt = on\n", ENDPOINT),
    "auto prompt, in part": ("", ENDPOINT | {"AWS_CLI_AUTO_PROMPT": "on-partial"}),
    "output": ("[default]\noutput = yaml\n", ENDPOINT),
    "output, text": ("[default]\noutput = text\n", ENDPOINT | {"AWS_DEFAULT_OUTPUT": "table"}),
    "output, none": ("[default]\noutput = off\n", ENDPOINT),
    "a pager": ("[default]\ncli_pager = /bin/false\n", ENDPOINT | {"AWS_PAGER": "/bin/false"}),
    "a history": ("[default]\ncli_history = enabled\n", ENDPOINT),
    "the form of times": ("[default]\ncli_timestamp_format = iso8601\n", ENDPOINT),
    "encodings": ("", ENDPOINT | {"AWS_CLI_OUTPUT_ENCODING": "UTF-16", "AWS_CLI_FILE_ENCODING": "UTF-16"}),
    "a locale of ASCII": ("", ENDPOINT | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
    "another region": ("[default]\nregion = eu-south-2\n", ENDPOINT),
    "another region, in the environment": ("", ENDPOINT | {"AWS_REGION": "eu-south-2", "AWS_DEFAULT_REGION": "eu-south-1"}),
    "an endpoint": ("[default]\nendpoint_url = {url}\n", {}),
    "endpoints of services": ("[default]\nservices = mine\n[services mine]\nsts =\n  endpoint_url = {url}\ns3 =\n  endpoint_url = {url}\n", {}),
    "endpoints of services, in the environment": ("", {"AWS_ENDPOINT_URL_STS": "{url}", "AWS_ENDPOINT_URL_S3": "{url}", "AWS_ENDPOINT_URL": "{other}"}),
    "no proxy for this machine": ("", ENDPOINT | PROXY | {"no_proxy": "127.0.0.1"}),
    "no proxy for this machine, in capitals": ("", ENDPOINT | PROXY | {"NO_PROXY": "127.0.0.1"}),
}  # fmt: skip

# what would send a call of the sandbox's elsewhere, or keep it from being sent
HOSTILE = {
    "nothing": ("", {}),
    "endpoints are to be ignored": ("", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}),
    "endpoints are to be ignored, by the config": ("[default]\nignore_configured_endpoint_urls = true\n", {}),
    "endpoints of services": ("", {"AWS_ENDPOINT_URL_STS": "{other}", "AWS_ENDPOINT_URL_S3": "{other}"}),
    "endpoints of services, in the config": (
        "[default]\nservices = mine\nendpoint_url = {other}\n[services mine]\nsts =\n  endpoint_url = {other}\ns3 =\n  endpoint_url = {other}\n", {},
    ),
    "another endpoint": ("", {"AWS_ENDPOINT_URL": "{other}"}),
    "a profile": ("[profile work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = x\nendpoint_url = {other}\n", {"AWS_PROFILE": "work"}),
    "a profile, by its older name": ("[profile work]\nregion = eu-south-2\nendpoint_url = {other}\n", {"AWS_DEFAULT_PROFILE": "work"}),
    "a profile that is not there": ("", {"AWS_PROFILE": "gone", "AWS_DEFAULT_PROFILE": "gone too"}),
    "a config that is broken": ("[default\n", {}),
    "a session": ("", KEYS | {"AWS_SESSION_TOKEN": "x"}),
    "FIPS": ("", {"AWS_USE_FIPS_ENDPOINT": "true"}),
    "FIPS, in the config": ("[default]\nuse_fips_endpoint = true\n", {}),
    "both versions of IP": ("[default]\nuse_dualstack_endpoint = true\n", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}),
    "S3's acceleration": ("[default]\ns3 =\n  use_accelerate_endpoint = true\n  addressing_style = virtual\n", {}),
    "a proxy": ("", PROXY | {"no_proxy": "example.com", "NO_PROXY": "example.com"}),
    "a proxy, but for some in small letters": ("", {"http_proxy": "{other}", "no_proxy": "example.com"}),
    "make -e": ("", {"MAKEFLAGS": "e", "AWS_ENDPOINT_URL": "{other}", "AWS_ACCESS_KEY_ID": "AKIAENV", "NO_PROXY": "x", "no_proxy": "x"}),
    ".env": ("", {".env": "AWS_ENDPOINT_URL = {other}\nAWS_ENDPOINT_URL_STS = {other}\nAWS_PROFILE = gone\nno_proxy = x\nhttp_proxy = {other}\n"}),
    "broken credentials": ("", {".aws/credentials": "[default\n"}),
    "an endpoint among the credentials": ("", {".aws/credentials": "[default]\nendpoint_url = {other}\n"}),
    "a credential process": ("[default]\ncredential_process = /bin/false\n", {}),
}  # fmt: skip


@pytest.fixture
def other():
    """Where no request may come."""
    with recording() as server:
        yield server


@pytest.fixture
def project(installed, tmp_path: Path) -> Path:
    return copy_project(installed("xgboost"), tmp_path / "project")


def ask(
    project: Path, recorder: Recorder, other: Recorder, config: str, environ: dict, *words: str
) -> subprocess.CompletedProcess:
    """Call PROGRAM in a recipe of the project's, without a terminal."""

    def filled(text: str) -> str:
        return text.replace("{url}", recorder.url).replace("{other}", other.url)

    home = project.parent / "home"
    (home / ".aws").mkdir(parents=True, exist_ok=True)
    (home / ".aws/config").write_text(filled(config))
    (home / "program.py").write_text(PROGRAM)
    makefile = f"include Makefile\nprobe: ; @PYTHONPATH=. .venv/bin/python {home}/program.py\n"
    (home / "probe.mk").write_text(makefile)
    given = {name: filled(value) for name, value in environ.items() if not name.startswith(".")}
    for name in environ.keys() - given.keys():
        ((project if name == ".env" else home) / name).write_text(filled(environ[name]))
    return subprocess.run(
        ["make", "-f", str(home / "probe.mk"), "probe", *words],
        cwd=project, env=plain_environment(home) | given, stdin=subprocess.DEVNULL,
        check=False, capture_output=True, text=True, start_new_session=True, timeout=120,
    )  # fmt: skip


def seen(asked: list[Asked]) -> list[tuple]:
    return [(each.operation, each.key, each.region, each.proxied) for each in asked]


def as_they_should_be(key: str) -> list[tuple]:
    calls = ["GetAccessKeyInfo", "GetCallerIdentity", "/churn"]
    return [(each, key, "us-east-1", False) for each in calls]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("config", "environ"), SETTINGS.values(), ids=SETTINGS)
def test_what_the_user_has_set_is_obeyed_by_both_or_by_none(
    project, aws_cli, recorder, other, version, config, environ
):
    done = ask(project, recorder, other, config, KEYS | environ, f"AWS={aws_cli(version)}")
    assert done.stdout == "111122223333\n" * 2, done.stderr
    assert seen(recorder.asked) == as_they_should_be("AKIAENV")
    assert recorder.asked[0].fields["AccessKeyId"] == "é" * 16
    assert other.asked == []


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("config", "environ"), HOSTILE.values(), ids=HOSTILE)
def test_a_target_of_the_sandbox_asks_the_sandbox_only(
    project, aws_cli, recorder, other, version, config, environ
):
    (project / ".sandbox").mkdir()
    (project / ".sandbox/aws.mk").write_text(make_file(recorder.server_address[1]))
    words = ("SANDBOX=1", f"AWS={aws_cli(version)}")
    done = ask(project, recorder, other, config, environ, *words)
    assert done.stdout == "111122223333\n" * 2, done.stderr
    assert seen(recorder.asked) == as_they_should_be("test")
    assert other.asked == []


ALIASES = {
    "[toplevel]\necs = !echo\n": "'ecs' in ~/.aws/cli/alias takes the place of `aws ecs`",
    "[toplevel]\necr = sts get-caller-identity\n": "'ecr' in ~/.aws/cli/alias",
    "[toplevel]\nwho = sts get-caller-identity\ncloudformation =\n  !echo\n": "'cloudformation' in ",
    "[command ecs]\nrun-task = run-task --debug\n": "'run-task' in ~/.aws/cli/alias takes the place of `aws ecs run-task`",
    "[toplevel]\ns3 = !echo\n[command ecs]\nls = list-tasks\n[command s3]\nrun-task = ls\n": "",
    "no section": "",
}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("aliases", "said"), ALIASES.items())
def test_an_alias_that_takes_the_place_of_what_is_called_is_refused(
    project, aws_cli, recorder, other, version, aliases, said
):
    (project.parent / "home/.aws/cli").mkdir(parents=True)
    (project.parent / "home/.aws/cli/alias").write_text(aliases)
    done = ask(project, recorder, other, "", KEYS | ENDPOINT, f"AWS={aws_cli(version)}")
    assert said in done.stderr
    assert bool(recorder.asked) == (not said and "section" not in aliases)
