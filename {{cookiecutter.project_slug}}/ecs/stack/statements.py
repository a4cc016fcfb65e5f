"""One statement of an IAM policy, and the ARNs that it is about. Pure."""

from ecs.settings import Settings


class Names:
    """The ARNs of what the stack makes, known before it is made."""

    def __init__(self, settings: Settings, account: str, partition: str) -> None:
        self.settings, self.account, self.partition = settings, account, partition
        self.bucket = f"arn:{partition}:s3:::{settings.project}-{account}-{settings.region}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in the project's region and account."""
        return f"arn:{self.partition}:{service}:{self.settings.region}:{self.account}:{resource}"

    def role(self, logical: str) -> str:
        """Return the ARN of a role to which CloudFormation gives a name."""
        name = f"{self.settings.project}-{logical}"
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"


def allow(sid: str, service: str, actions: str, *resources: str, **conditions: dict) -> dict:
    """Return one statement; ``actions`` are words without the service's prefix."""
    statement: dict = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"{service}:{action}" for action in sorted(actions.split())],
        "Resource": list(resources),
    }
    return statement | ({"Condition": conditions} if conditions else {})
