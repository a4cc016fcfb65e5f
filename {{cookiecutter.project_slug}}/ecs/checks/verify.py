"""``make verify``: check everything that a run needs before it is needed, and change nothing.

A check is a function from a Context to a Result. The table ``CHECKS`` says which of them need no
account (OFFLINE=1), which cost nothing and so come before every run, and which need another's
success. A refusal by AWS, or a mistake of the user's, becomes the check's own line.
"""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from ecs.aws import distrust
from ecs.checks.account import (
    REGISTER,
    WHO,
    check_architecture,
    check_bucket,
    check_credentials,
    check_data,
    check_execution_role,
    check_image,
    check_log_group,
    check_pass_role,
    check_permissions,
    check_secrets,
    check_stack,
    check_task_role,
)
from ecs.checks.network import (
    check_cluster,
    check_security_group,
    check_stack_capacity,
    check_subnets,
    check_way_out,
)
from ecs.checks.permissions import denied
from ecs.checks.project import (
    check_arguments,
    check_cli,
    check_definition,
    check_engine,
    check_gpu,
    check_label,
    check_overrides,
    check_packages,
    check_region,
    check_script,
    check_size,
)
from ecs.checks.results import FAIL, OK, Context, Result, fail, skip
from ecs.errors import UserError
from ecs.refusals import NOT_AWS, code_and_message
from ecs.settings import Settings
from ecs.stack import stack
from ecs.verdict.explain import Evidence, explain
from ecs.verdict.rules import AGAIN, EXCEPTION

# ---- without an account


# ---- in the account


# ---- the table


@dataclass(frozen=True)
class Check:
    """One check, and when it is made.

    ``required``: if AWS denies what it asks for, that is a failure which no earlier check has named.
    """

    name: str
    look: Callable[[Context], Result]
    needs: tuple[str, ...] = ()
    offline: bool = False
    quick: bool = False  # costs no call and no process, so it comes before every run
    required: bool = False


CHECKS = (
    Check("region", check_region, offline=True),
    Check("AWS CLI", check_cli, offline=True),
    Check("container engine", check_engine, offline=True),
    Check("task definition", check_definition, offline=True, quick=True),
    Check("size", check_size, ("task definition",), offline=True, quick=True),
    Check("arguments", check_arguments, offline=True, quick=True),
    Check("GPU", check_gpu, offline=True, quick=True),
    Check("script", check_script, offline=True, quick=True),
    Check("packages", check_packages, ("script",), offline=True, quick=True),
    Check("label", check_label, ("arguments",), offline=True, quick=True),
    Check("credentials", check_credentials, ("region",), required=True),
    Check("permissions", check_permissions, ("credentials",)),
    Check("stack", check_stack, ("credentials",)),
    Check("stack's capacity", check_stack_capacity, ("stack",), quick=True),
    Check(
        "overrides", check_overrides, ("task definition", "size", "arguments"), offline=True,
        quick=True,
    ),
    Check("image", check_image, ("stack",)),
    Check("processor", check_architecture, ("image", "task definition")),
    Check("execution role", check_execution_role, ("stack", "task definition")),
    Check("task role", check_task_role, ("stack", "task definition")),
    Check("iam:PassRole", check_pass_role, ("stack", "task definition")),
    Check("log group", check_log_group, ("stack", "task definition")),
    Check("bucket", check_bucket, ("stack",)),
    Check("data", check_data, ("bucket", "arguments"), quick=True),
    Check("secrets", check_secrets, ("credentials", "task definition")),
    Check("cluster", check_cluster, ("stack", "stack's capacity")),
    Check("subnets", check_subnets, ("stack",)),
    Check("way out", check_way_out, ("subnets",)),
    Check("security group", check_security_group, ("stack",)),
)  # fmt: skip


# what to type, where the sentence about the user's mistake does not say it
CORRECTED = {
    "task definition": f"correct it in task-definition.json, {REGISTER}",
    "overrides": "make data, with the long values in a file below data/ that ARGS=… names",
}


def of_aws(check: Check, error: Exception) -> Result:
    """Return the result of a check that AWS, or the way to it, answered with an error."""
    code, message = code_and_message(error)
    if isinstance(error, ResponseParserError):
        return fail(f"{check.name}: {NOT_AWS}", "env | grep -i proxy, then make verify")
    if sentence := distrust(error):
        return of_user(check, UserError(sentence))
    if denied(error) and not check.required:
        return skip(f"{check.name}: this identity may not see it ({code})")
    why = explain(Evidence(EXCEPTION, message, error=code))
    if why.rule in ("unknown", "refused"):
        return fail(
            f"{check.name}: {code}: {message}", f"make verify again; to see who you are: {WHO}"
        )
    return fail(
        f"{check.name}: {why.cause}", "make verify, again" if why.retry == AGAIN else why.remedy
    )


def of_user(check: Check, error: UserError) -> Result:
    """Return the result of a check that found a mistake of the user's, whose sentence it is."""
    text, *remedies = re.split(r"; type(?: for example)?: ", str(error))
    if remedies:
        return fail(text, remedies[-1])
    return fail(text, CORRECTED.get(check.name, "make run DRY_RUN=1, once it is corrected"))


def outcome(check: Check, context: Context) -> Result:
    """Return what a check finds. No error of AWS's or the user's leaves it."""
    try:
        return check.look(context)
    except UserError as error:
        return of_user(check, error)
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        return of_aws(check, error)


def verify(
    context: Context, checks: Iterable[Check] = CHECKS, offline: bool = False
) -> Iterator[tuple[Check, Result]]:
    """Make the checks one after the other; what needs a failed one is skipped, and says so."""
    states: dict[str, str] = {}
    for check in checks:
        bad = [name for name in check.needs if states.get(name, OK) != OK]
        if offline and not check.offline:
            result = skip(f"{check.name}: needs an account")
        elif bad:
            result = skip(f"{check.name}: depends on {' and '.join(bad)}, above")
        else:
            result = outcome(check, context)
        states[check.name] = result.state
        yield check, result


def command(settings: Settings) -> int:
    """Print every check's finding; return 1 if one failed."""
    offline = settings.offline
    context = Context(settings)
    if offline:
        context.outputs = {**stack.placeholders(), **(stack.cached_outputs(settings) or {})}
    failed = 0
    for _, result in verify(context, offline=offline):
        print("\n".join(result.lines()), flush=True)
        failed += result.state == FAIL
    if failed:
        print(f"error: {failed} checks failed", file=sys.stderr)
    return 1 if failed else 0


def before_run(settings: Settings, outputs: Mapping[str, str], but: Collection[str] = ()) -> None:
    """Make the checks that cost nothing, ``but`` for those of these names.

    Raises:
        UserError: some failed; each has its line, with what to type.
    """
    quick = [check for check in CHECKS if check.quick and check.name not in but]
    results = [result for _, result in verify(Context(settings, outputs), quick)]
    failed = [result for result in results if result.state == FAIL]
    if failed:
        raise UserError("\n".join(f"{each.text}; type: {each.remedy}" for each in failed))
