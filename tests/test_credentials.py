"""The AWS CLI, of both versions, and the program come to AWS as the same identity, by whatever way it is set up.

Source of the ways: "Configuration and credential precedence" in the AWS CLI's user guide, and
"Credential provider chain" in the SDKs and tools reference guide.
"""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from recorder import EXPIRES, Recorder
from support import plain_environment

ROLE = "arn:aws:iam::111122223333:role/trainer"
KEYS = "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = x\n"
ASSUMED = f"[profile work]\nrole_arn = {ROLE}\nsource_profile = base\n"
SSO = "sso_account_id = 111122223333\nsso_role_name = trainer\n"
PORTAL = "sso_start_url = https://corp.example/start\nsso_region = us-east-1\n"
SESSION = f"[profile portal]\n{SSO}sso_session = corp\n[sso-session corp]\n{PORTAL}"
CODE = "123456\n"
TOKEN = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": "{home}/token",
    "AWS_ROLE_ARN": ROLE,
    "AWS_ROLE_SESSION_NAME": "ci",
}
PROBE = """\
include Makefile
probe: ; @"$$AWS" sts get-caller-identity > /dev/null && $(ECS) policy > /dev/null
"""

# what ~/.aws/config says, the environment, the key in use ("": one that STS or the portal gives), and how often
# these are asked by a CLI and then the program: of version 1, of version 2
WAYS = {
    "keys in the environment": ("", {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x"}, "AKIAENV", (0, 0)),
    "a named profile": ("", {"AWS_PROFILE": "base"}, "AKIABASE", (0, 0)),
    "the older name of the variable": ("", {"AWS_DEFAULT_PROFILE": "base"}, "AKIABASE", (0, 0)),
    "both names of the variable": (
        "[profile other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n",
        {"AWS_PROFILE": "base", "AWS_DEFAULT_PROFILE": "other"}, "AKIABASE", (0, 0),
    ),
    "aws login": ("[profile work]\nlogin_session = arn:aws:iam::111122223333:user/ann\n", {"AWS_PROFILE": "work"}, "ASIALOGIN", (0, 0)),
    "a profile that names its keys itself": (
        "[profile work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = x\n", {"AWS_PROFILE": "work"}, "AKIAWORK", (0, 0),
    ),
    "keys and a profile": (
        "", {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x", "AWS_PROFILE": "base"}, "AKIAENV", (0, 0),
    ),
    "credential_process": ("[profile work]\ncredential_process = {home}/process\n", {"AWS_PROFILE": "work"}, "ASIAPROCESS", (0, 0)),
    "an assumed role": (ASSUMED, {"AWS_PROFILE": "work"}, "", (1, 1)),
    "an assumed role with MFA": (
        f"{ASSUMED}mfa_serial = arn:aws:iam::111122223333:mfa/ann\n", {"AWS_PROFILE": "work"}, "", (1, 1),
    ),
    "a role assumed from the environment's keys": (
        f"[profile work]\nrole_arn = {ROLE}\ncredential_source = Environment\n",
        {"AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x"}, "AKIAENV", (0, 0),
    ),
    # version 1 keeps none of the portal's
    "SSO with a session": (SESSION, {"AWS_PROFILE": "portal"}, "", (2, 1)),
    "SSO as it was before sessions": (f"[profile portal]\n{SSO}{PORTAL}", {"AWS_PROFILE": "portal"}, "", (2, 1)),
    "a role assumed through SSO": (
        f"{SESSION}[profile work]\nrole_arn = {ROLE}\nsource_profile = portal\n", {"AWS_PROFILE": "work"}, "", (2, 2),
    ),
    # no one is asked for a code, and another token must not get what is kept
    "web identity in the environment": ("", TOKEN, "", (2, 2)),
    "web identity in a profile": (
        f"[profile work]\nrole_arn = {ROLE}\nweb_identity_token_file = {{home}}/token\nrole_session_name = ci\n",
        {"AWS_PROFILE": "work"}, "", (2, 2),
    ),
    "a container's": ("", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/container"}, "ASIACONTAINER", (0, 0)),
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the home of somebody who has keys, signed in to SSO, and has a token of a workflow."""
    home = tmp_path / "home"
    (home / ".aws/sso/cache").mkdir(parents=True)
    (home / ".aws/credentials").write_text(KEYS)
    for name in ("corp", "https://corp.example/start"):  # botocore/utils.py, SSOTokenLoader
        token = {"accessToken": "x", "expiresAt": EXPIRES, "region": "us-east-1"}
        path = home / f".aws/sso/cache/{hashlib.sha1(name.encode()).hexdigest()}.json"
        path.write_text(json.dumps(token | {"startUrl": "https://corp.example/start"}))
    (home / ".aws/login/cache").mkdir(parents=True)
    name = hashlib.sha256(b"arn:aws:iam::111122223333:user/ann").hexdigest()
    keys = {"accessKeyId": "ASIALOGIN", "secretAccessKey": "x", "sessionToken": "x"}
    signed = {"accessToken": keys | {"accountId": "111122223333", "expiresAt": EXPIRES}}
    rest = dict.fromkeys(("tokenType", "clientId", "refreshToken", "idToken", "dpopKey"), "x")
    (home / f".aws/login/cache/{name}.json").write_text(json.dumps(signed | rest))
    (home / "token").write_text("a.b.c")
    given = {
        "Version": 1,
        "AccessKeyId": "ASIAPROCESS",
        "SecretAccessKey": "x",
        "SessionToken": "x",
    }
    (home / "process").write_text(f"#!/bin/sh\necho '{json.dumps(given)}'\n")
    (home / "process").chmod(0o755)
    return home


def probe(
    project: Path, home: Path, recorder: Recorder, config: str, environ: dict, cli: Path
) -> subprocess.CompletedProcess:
    """Call the AWS CLI, then the program, as a recipe does, both without a terminal."""
    (home / ".aws/config").write_text(config.replace("{home}", str(home)))
    (home / "probe.mk").write_text(PROBE)
    given = {
        name: each.replace("{home}", str(home)).replace("{url}", recorder.url)
        for name, each in environ.items()
    }
    usual = {"AWS_ENDPOINT_URL": recorder.url, "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(
        ["make", "-f", str(home / "probe.mk"), "probe", f"AWS={cli}"],
        cwd=project, env=plain_environment(home) | usual | given, input=CODE,
        check=False, capture_output=True, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("config", "environ", "key", "given"), WAYS.values(), ids=WAYS)
def test_both_come_to_aws_as_the_same_identity(
    installed, aws_cli, home, recorder, version, config, environ, key, given
):
    done = probe(installed("xgboost"), home, recorder, config, environ, aws_cli(version))
    assert done.returncode == 0, done.stderr
    by_cli, by_program = recorder.of("GetCallerIdentity")
    if key:
        assert {by_cli.key, by_program.key} == {key}
    elif given[version - 1] == 1:  # given out once, and kept for the other
        assert by_cli.key == by_program.key
    assert by_program.key.startswith(("AKIA", "ASIA"))
    asked = recorder.of("AssumeRole", "AssumeRoleWithWebIdentity", "GetRoleCredentials")
    assert len(asked) == given[version - 1], asked


@pytest.mark.parametrize("version", [1, 2])
def test_who_comes_with_another_token_gets_no_credentials_that_were_kept(
    installed, aws_cli, home, recorder, version
):
    """Two jobs on one runner: AWS, not a file of the first job's, decides about the second.

    The AWS CLI's keys depend on the token (botocore/credentials.py in it, ``_cache_key_args``), boto3's do not.
    """
    for token in ("a.b.c", "d.e.f"):
        (home / "token").write_text(token)
        done = probe(installed("xgboost"), home, recorder, "", TOKEN, aws_cli(version))
        assert done.returncode == 0, done.stderr
    asked = recorder.of("AssumeRoleWithWebIdentity")
    assert [each.fields["WebIdentityToken"] for each in asked] == ["a.b.c"] * 2 + ["d.e.f"] * 2
    assert len({each.key for each in recorder.of("GetCallerIdentity")}) == 4
