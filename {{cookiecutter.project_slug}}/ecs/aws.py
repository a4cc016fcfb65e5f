"""The two ways to AWS: the AWS CLI for what the user should see and could type, boto3 for the rest."""

import base64
import contextlib
import getpass
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ecs.console import note
from ecs.errors import UserError
from ecs.settings import LOOPBACK, Settings

# The first versions whose RunTask knows clientToken and which follow AWS_ENDPOINT_URL.
OLDEST_CLI = {1: (1, 32, 0), 2: (2, 15, 0)}
CLI_CACHE = (
    "~/.aws/cli/cache"  # where the AWS CLI keeps the credentials of assumed roles and of SSO
)
TRIES = 8  # of one call, while AWS throttles or the network fails
# Exit statuses of the AWS CLI when it has called nobody: words it does not know (2, and 252 from version
# 2 on), no credentials or no region (253). Version 1 has one status for all that is left, and words.
CALLED_NOBODY = (2, 252, 253)
NOT_CALLED = re.compile(
    r"^(aws: error: |usage: )?(Parameter validation failed|Error parsing parameter"
    r"|Unable to locate credentials|You must specify a region|The config profile )"
)
ALIASES = "~/.aws/cli/alias"
# the commands of the AWS CLI that the Makefile and this program call
COMMANDS = {
    "batch": ("submit-job", "terminate-job"),
    "cloudformation": ("deploy",),
    "ecr": ("get-login-password",),
    "ecs": ("execute-command", "register-task-definition", "run-task", "stop-task"),
}
# Request files, with the id of the process that wrote them (older versions: without).
REQUESTS = re.compile(
    r"(?:run-task|submit-job|task-definition|request)-(?:(\d+)-)?[a-z0-9_]{8}\.json"
)
DAY, GRACE = 86400, 60  # seconds


class SessionOverError(UserError):
    """The credentials have expired, and new ones would need a person at the keyboard."""


def asked_once() -> Callable[[str], str]:
    """Return what asks for a code of MFA at the beginning and never again.

    A run outlives the session: nobody may sit there, and no time limit would be looked at meanwhile.
    """
    asked = []

    def ask(prompt: str) -> str:
        if asked:
            raise SessionOverError("your AWS session is over; type the same again to sign in")
        asked.append(prompt)
        return getpass.getpass(prompt)

    return ask


@lru_cache
def session() -> Any:
    """Return the boto3 session. It shares the AWS CLI's cache of assumed roles and of SSO.

    A role with MFA would otherwise ask for a code in each process, and AWS takes a code only once.
    Web identity stays out: boto3's keys of that cache do not depend on the token, as the CLI's do, so
    whoever comes with another token would get the credentials of the one before.
    """
    import boto3
    import botocore.session
    from botocore.utils import JSONFileCache

    found = botocore.session.get_session()
    providers = found.get_component("credential_provider")
    for name in ("assume-role", "sso"):
        providers.get_provider(name).cache = JSONFileCache(str(Path(CLI_CACHE).expanduser()))
    providers.get_provider("assume-role")._prompter = asked_once()
    return boto3.Session(botocore_session=found)


def identity() -> str:
    """Return a mark of the credentials in use, without asking AWS; "" for none.

    The same access key is always the same account's.
    """
    credentials = session().get_credentials()
    if credentials is None:
        return ""
    return hashlib.sha256(credentials.get_frozen_credentials().access_key.encode()).hexdigest()[:16]


def own_bucket(settings: Settings) -> re.Pattern:
    """Return the form of the name of the project's bucket; its group is the account that owns it."""
    return re.compile(rf"{re.escape(settings.project)}-(\d{{12}})-{re.escape(settings.region)}")


class TakenError(UserError):
    """The project's bucket is not the account's, as far as S3 tells."""

    def __init__(self, name: str, owner: str) -> None:
        self.name = name
        super().__init__(
            f"the bucket {name} is not of this region and account {owner}, or closed to you; type: "
            "make cluster PROJECT=another-name, or for good change PROJECT in the Makefile; if it is the "
            "account's own, an administrator attaches what make policy and make cluster-policy print"
        )


def name_owner(settings: Settings, params: dict, model: Any, context: dict) -> None:
    """Let S3 refuse a call on a bucket of the project's name that another account has taken."""
    found = own_bucket(settings).fullmatch(str(params.get("Bucket", "")))
    if found and "ExpectedBucketOwner" in model.input_shape.members:
        params.setdefault("ExpectedBucketOwner", found[1])
        context["own_bucket"] = found


def check_owner(parsed: Mapping, context: Mapping) -> None:
    """Return if S3 has not refused a call because of the owner of the project's bucket.

    To the account's own identities it says what is not allowed, to all others two words. Source:
    "Troubleshoot access denied (403 Forbidden) errors" in the S3 user guide.

    Raises:
        TakenError: it has.
    """
    error, found = parsed.get("Error", {}), context.get("own_bucket")
    if found and (error.get("Code"), error.get("Message")) == ("AccessDenied", "Access Denied"):
        raise TakenError(found[0], found[1])


@lru_cache
def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client that retries throttling and passing faults by itself.

    Raises:
        UserError: it is for the sandbox, and would ask another machine; or the endpoint is not an address.
    """
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": TRIES},
        connect_timeout=10,
        read_timeout=settings.there.answer,
    )
    try:
        made = session().client(service, region_name=settings.region, config=config)
    except ValueError as error:  # of botocore, which has no class for it
        raise UserError(
            f"{error}: an address begins with http:// or https://; correct AWS_ENDPOINT_URL, or endpoint_url in "
            "~/.aws/config, then type the same again"
        ) from error
    if settings.sandbox and urlsplit(made.meta.endpoint_url).hostname not in LOOPBACK:
        raise UserError(
            f"SANDBOX=1, and {service} would be asked at {made.meta.endpoint_url}, which is not this "
            "machine; type: make sandbox, then the same again through make"
        )
    if service == "s3":
        made.meta.events.register(
            "provide-client-params.s3.*",
            lambda params, model, context, **_: name_owner(settings, params, model, context),
        )
        made.meta.events.register(
            "after-call.s3.*", lambda parsed, context, **_: check_owner(parsed, context)
        )
    return made


class NotSentError(UserError):
    """The AWS CLI could not be called, or has called nobody: what was asked has not been done."""


def check_cli_version(text: str, path: str) -> str:
    """Return ``aws-cli/…`` from what ``aws --version`` printed.

    Raises:
        UserError: it is no AWS CLI, or one that is too old.
    """
    match = re.match(r"aws-cli/((\d+)\.(\d+)\.(\d+)\S*)", text)
    if not match:
        raise UserError(f"{path} is not the AWS CLI; type: make install, then AWS=.venv/bin/aws")
    version = tuple(int(part) for part in match.groups()[1:])
    oldest = OLDEST_CLI.get(version[0], OLDEST_CLI[2])
    if version < oldest:
        raise UserError(
            f"{path} is aws-cli {match[1]}, and {'.'.join(map(str, oldest))} is the oldest that works; "
            "update it, or use the project's own: AWS=.venv/bin/aws"
        )
    return f"aws-cli/{match[1]}"


def cli_version(settings: Settings) -> str:
    """Return the version of the AWS CLI in use.

    Raises:
        UserError: there is none, it is too old, or the user's aliases change what it does.
    """
    try:
        done = subprocess.run(
            [settings.aws, "--version"], check=False, capture_output=True, text=True
        )
    except OSError as error:
        raise UserError(f"no AWS CLI at {settings.aws!r}; type: make install") from error
    refuse_aliases()
    return check_cli_version(done.stdout or done.stderr, settings.aws)


def refuse_aliases() -> None:
    """Check whether the user's aliases leave the AWS CLI's own commands as they are.

    An alias wins over a command of its name, and no option or variable turns them off: "Creating and
    using aliases in the AWS CLI" in its user guide.

    Raises:
        NotSentError: one has the name of a command that this project calls.
    """
    from botocore.configloader import raw_config_parse
    from botocore.exceptions import ConfigNotFound, ConfigParseError

    try:
        found = raw_config_parse(ALIASES, parse_subsections=False)
    except (ConfigNotFound, ConfigParseError):  # none, or what the CLI itself cannot read
        return
    for service, names in COMMANDS.items():
        taken = [
            f"{service} {name}" for name in names if name in found.get(f"command {service}", {})
        ]
        if service in found.get("toplevel", {}):
            taken = [service]
        if taken:
            raise NotSentError(
                f"the alias {taken[0].split()[-1]!r} in {ALIASES} takes the place of `aws {taken[0]}`, which "
                "this project calls; give it another name there, then type the same again"
            )


def call_cli(
    settings: Settings,
    *command: str,
    request: dict | None = None,
    name: str = "request",
    tries: int = TRIES,
) -> dict:
    """Run one AWS CLI command, print it first, and return its JSON answer.

    ``request`` goes through a file, which every version reads, and which keeps values of the
    environment off the process list. Its name begins with ``name``; no other process has it, so two
    runs at once never send each other's request. ``tries`` is how often the CLI itself may send it.
    A Ctrl-C is for this program to obey, not for the CLI: a call that is under way ends.

    Raises:
        NotSentError: AWS was not asked.
        UserError: the CLI failed, or its answer is not whole; its message is the sentence.
    """
    refuse_aliases()
    line, path = [settings.aws, *command], None
    if request is not None:
        remove_leftovers(settings.state_folder)
        # ASCII, since the CLI reads files in the encoding of the user's locale
        path = own_file(settings, f"{name}-{os.getpid()}", json.dumps(request, indent=2))
        words = of_recipe(settings, *command) or (*command, "--cli-input-json", "file://{request}")
        line = [settings.aws, *(word.replace("{request}", str(path)) for word in words)]
    note("$ " + shlex.join(["aws", *line[1:]]))
    try:
        done = subprocess.run(
            [*line, "--output", "json"],
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | {"AWS_RETRY_MODE": "standard", "AWS_MAX_ATTEMPTS": str(tries)},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
    except (FileNotFoundError, PermissionError) as error:
        raise NotSentError(f"no AWS CLI at {settings.aws!r}; type: make install") from error
    finally:
        if path:
            path.unlink(missing_ok=True)
    if done.returncode != 0:
        message = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        called = done.returncode not in CALLED_NOBODY and not NOT_CALLED.match(message)
        raise (UserError if called else NotSentError)(f"aws {' '.join(command)}: {message}")
    answer = parsed(done.stdout)
    if answer is None:
        raise UserError(f"aws {' '.join(command)}: its answer is cut off or no JSON")
    return answer


def of_recipe(settings: Settings, *command: str) -> tuple[str, ...]:
    """Return the words behind the AWS CLI in the recipe of the Makefile, where it is that of ``command``."""
    words = settings.command[1:]
    return words if words[: len(command)] == command else ()


def parsed(text: str) -> dict | None:
    """Return the JSON object that the CLI printed, {} if it printed nothing, None if it is not whole.

    Warnings may stand above or below it (the CLI's own, Python's, a wrapper's). Only a line that
    begins with a brace begins the object: those inside it are indented.
    """
    if not text.strip():
        return {}
    for match in re.finditer(r"^\{", text, re.MULTILINE):
        try:
            return json.JSONDecoder().raw_decode(text, match.start())[0]
        except ValueError:
            continue
    return None


def side_by_side(do: Callable[[Any], Any], things: Iterable, threads: int) -> list:
    """Return what ``do`` gives for each of ``things``. After an error, or Ctrl-C, none is begun any more."""
    pool = ThreadPoolExecutor(threads)
    try:
        return list(pool.map(do, things))
    finally:
        pool.shutdown(cancel_futures=True)


def subject(path: str) -> str:
    """Return for whom the web identity token in a file is, its claim ``sub``; "" if it has none.

    The claims are the second of three parts, JSON in base64 without its padding (RFC 7519).
    """
    try:
        claims = Path(path).read_text(encoding="utf-8").split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])
    except (OSError, ValueError, IndexError, KeyError, TypeError):
        return ""


def distrust(error: Exception) -> str | None:
    """Return one sentence if AWS refuses the token of a GitHub workflow; None: it is another error."""
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError) or error.operation_name != "AssumeRoleWithWebIdentity":
        return None
    said = error.response.get("Error", {})
    path = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
    who = subject(path).removeprefix("repo:")
    if said.get("Code") != "AccessDenied" or not who:
        return None
    return (
        f"AWS gives {os.environ.get('AWS_ROLE_ARN')} to others than {who}; "
        f"type: make cluster GITHUB={who}"
    )


def own_file(settings: Settings, name: str, text: str) -> Path:
    """Write ``text`` to a new file that no other process has, and that only this user may read.

    Its name is ``name``, something random, and ``.json``; it lies in the state folder.
    """
    settings.state_folder.mkdir(parents=True, exist_ok=True)
    descriptor, path = tempfile.mkstemp(".json", f"{name}-", settings.state_folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return Path(path)


def remove_leftovers(folder: Path) -> None:
    """Remove the request files of processes that were killed: older than a day, or of no process now.

    The CLI of a process that is just gone may be about to read its file: so not at once.
    """
    for path in folder.glob("*.json"):
        if found := REQUESTS.fullmatch(path.name):
            with contextlib.suppress(OSError):  # another process may be removing it too
                age = time.time() - path.stat().st_mtime
                if age > DAY or age > GRACE and found[1] and not alive(int(found[1])):
                    path.unlink()


def alive(process: int) -> bool:
    """Tell whether there is a process of this id, be it another user's."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def write_private(settings: Settings, path: Path, text: str) -> None:
    """Replace a file in the state folder by ``text``, at once: a reader sees the old one or all of this."""
    own_file(settings, path.stem, text).replace(path)
