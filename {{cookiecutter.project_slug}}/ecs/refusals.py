"""What AWS says where it refuses something: to boto3, and in the words of the AWS CLI."""

import re
from collections.abc import Mapping
from typing import Any

# What is said of an answer that is not in AWS's language.
NOT_AWS = "what answered is not AWS, but perhaps a proxy"
# How the AWS CLI prints an error of a service.
CLI_ERROR = re.compile(
    r"An error occurred \((?P<code>[\w.]+)\) when calling the \w+ operation(?: \(reached max retries: \d+\))?: (?P<message>.*)",
    re.DOTALL,
)


def code_and_message(error: Any) -> tuple[str, str]:
    """Return code and message of an exception, boto3's or other, or of the AWS CLI's words."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping) and "Error" in response:
        return response["Error"].get("Code", ""), response["Error"].get("Message", "")
    text = " ".join(str(error).split())
    if found := CLI_ERROR.search(text):
        return found["code"], found["message"]
    return ("" if isinstance(error, str) else type(error).__name__), text
