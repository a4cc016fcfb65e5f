"""What the checks share: the settings, AWS's clients, and how a check ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecs import aws
from ecs.request import definition
from ecs.settings import CONTAINER, Settings
from ecs.stack import stack

OK, FAIL, SKIP = "ok", "FAIL", "skip"


@dataclass(frozen=True)
class Result:
    """What one check found. ``remedy`` is what to type; only a failure has one."""

    state: str
    text: str
    remedy: str = ""

    def lines(self) -> list[str]:
        """Return the lines to print: the finding, and under a failure its remedy."""
        remedy = [f"       type: {self.remedy}"] if self.remedy else []
        return [f"{f'[{self.state}]':<6} {' '.join(self.text.split())}", *remedy]


def ok(text: str) -> Result:
    """Return the result of a check that found nothing wrong."""
    return Result(OK, text)


def fail(text: str, remedy: str) -> Result:
    """Return the result of a check that found a fault."""
    return Result(FAIL, text, remedy)


def skip(text: str) -> Result:
    """Return the result of a check that could not be made."""
    return Result(SKIP, text)


@dataclass
class Context:
    """What the checks look at. ``outputs`` are the stack's; placeholders until it was read."""

    settings: Settings
    outputs: Mapping[str, str] = field(default_factory=stack.placeholders)
    arn: str = ""  # of the caller
    parameters: Mapping[str, str] = field(default_factory=dict)  # of the stack
    vpc: str = ""  # of the subnets

    def client(self, service: str) -> Any:
        """Return the client of one service."""
        return aws.client(self.settings, service)

    def definition(self) -> dict:
        """Return the task definition as it would be registered.

        Raises:
            UserError: it is not JSON, or has a placeholder that nothing fills.
        """
        return definition.render(
            definition.read(Path("task-definition.json")),
            self.settings,
            {**stack.placeholders(), **self.outputs},
            f"{self.outputs['RepositoryUri']}@sha256:{'0' * 64}",
        )

    def container(self) -> Mapping:
        """Return the definition of the container that runs the script; empty where there is none."""
        every = self.definition().get("containerDefinitions") or []
        return next((each for each in every if each.get("name") == CONTAINER), {})

    def repair(self) -> str:
        """Return the commands that restore what was deleted or changed outside of the stack."""
        name = self.settings.project
        values = [f"ParameterKey={each},UsePreviousValue=true" for each in self.parameters]
        parameters = f" --parameters {' '.join(values)}" if values else ""
        return (
            f"aws cloudformation create-change-set --stack-name {name} --change-set-name repair "
            "--use-previous-template --deployment-mode REVERT_DRIFT "
            f"--capabilities CAPABILITY_IAM{parameters}, then aws cloudformation "
            f"execute-change-set --stack-name {name} --change-set-name repair"
        )
