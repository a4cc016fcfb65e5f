"""What to type when any call to AWS fails, not only RunTask."""

from typing import Any

from ecs.verdict.verdict import verdict

AGAIN = "the same command again, in a minute"
# the rules that hold for every call, and what to type where that is not the rule's own remedy
ANY_CALL = {
    "blocked": "ask AWS support in the console; then the same command again",
    "certificate": "the same command again, with AWS_CA_BUNDLE set to the file of the proxy's certificates",
    "clock": "timedatectl set-ntp true, which sets the clock; then the same command again",
    "config": "correct ~/.aws/config, or the variable that AWS names; then the same command again",
    "connection": AGAIN,
    "bad-credentials": "",
    "config-file": "correct that file, then the same command again",
    "denied": "",
    "denied-code": "",
    "endpoint": "REGION=us-east-1, or another that there is",
    "expired": "",
    "expired-code": "",
    "mfa": "the same command again, with the next code",
    "no-credentials": "",
    "no-region": "REGION=us-east-1",
    "opt-in": "REGION=us-east-1, or enable the region in the console",
    "page": "echo $HTTPS_PROXY $NO_PROXY; set them right or unset them, then the same command again",
    "profile": "aws configure list-profiles, then the same command again with AWS_PROFILE set to one of them",
    "proxy": "echo $HTTPS_PROXY; set it right or unset it, then the same command again",
    "server": AGAIN,
    "throttled": AGAIN,
    "throttled-code": AGAIN,
}


def sentence(error: Exception | str) -> str | None:
    """Return why AWS refused a call and what to type, in one sentence; None where no rule knows it.

    ``error`` is boto3's, or the words of the AWS CLI.
    """
    found = verdict(error=error)
    if found.rule not in ANY_CALL:
        return None
    remedy = ANY_CALL[found.rule] or found.remedy
    return f"{subject(error, found.rule, found.cause)}; type: {remedy}; AWS says: {said(error)}"


def subject(error: Any, rule: str, cause: str) -> str:
    """Return the cause, with the name of the call where AWS names no action."""
    if rule == "denied-code":
        return f"this identity may not do {getattr(error, 'operation_name', '') or 'this'}"
    return cause if rule != "server" else "AWS itself had a fault"


def said(error: Exception | str) -> str:
    """Return the words of AWS, on one line."""
    return " ".join(str(error).split())
