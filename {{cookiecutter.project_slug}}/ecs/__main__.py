"""The program behind the Makefile: ``python -m ecs COMMAND``, variables in the environment.

Exit status of ``run``: the container's own exit code, or 1 for what is not the container's.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from ecs import console
from ecs.console import note
from ecs.errors import UserError
from ecs.output import guarded, lost
from ecs.settings import Settings, settings_from

# command -> module:function; the module is imported when its command is called
COMMANDS = {
    "cli": "ecs.commands.image:cli",
    "parameters": "ecs.commands.stack:parameters",
    "policy": "ecs.commands.stack:policy",
    "plan": "ecs.commands.stack:plan",
    "outputs": "ecs.commands.stack:outputs",
    "tag": "ecs.commands.image:tag",
    "repository": "ecs.commands.image:repository",
    "registry": "ecs.commands.image:registry",
    "pushed": "ecs.commands.image:pushed",
    "here": "ecs.commands.run:here",
    "data": "ecs.commands.stack:data",
    "lock": "ecs.commands.image:lock",
    "add": "ecs.commands.image:add",
    "remove": "ecs.commands.image:remove",
    "buildable": "ecs.commands.image:buildable",
    "engine": "ecs.commands.image:answers",
    "secret": "ecs.commands.stack:secret",
    "register": "ecs.commands.run:register",
    "run": "ecs.commands.run:run",
    "submit": "ecs.commands.batch:submit",
    "sweep": "ecs.commands.batch:sweep",
    "rerun": "ecs.commands.run:rerun",
    "attach": "ecs.commands.run:attach",
    "schedule": "ecs.commands.schedule:schedule",
    "schedules": "ecs.commands.schedule:schedules",
    "unschedule": "ecs.commands.schedule:unschedule",
    "logs": "ecs.commands.run:logs",
    "status": "ecs.commands.run:status",
    "shell": "ecs.commands.run:shell",
    "stop": "ecs.commands.run:stop",
    "runs": "ecs.commands.runs:runs",
    "compare": "ecs.commands.runs:compare",
    "fetch": "ecs.commands.runs:fetch",
    "report": "ecs.commands.runs:report",
    "verify": "ecs.checks.verify:command",
    "destroy": "ecs.commands.stack:destroy",
}
# where it matters which region is meant
AIMED = ("parameters", "plan", "verify", "data", "run", "submit", "sweep", "schedule", "destroy")


def tell_region(settings: Settings) -> None:
    """Say that the Makefile's REGION takes the place of the user's own AWS_REGION, or AWS_DEFAULT_REGION."""
    theirs = os.environ.get("THEIR_REGION", "")
    if theirs and theirs != settings.region and not settings.sandbox:
        note(
            f"the region {theirs} of your environment is not used: this project is in {settings.region}; for "
            f"the other, type: REGION={theirs}"
        )


def command(name: str) -> Callable[..., int | None]:
    """Import what a command calls."""
    module, _, function = COMMANDS[name].partition(":")
    return getattr(import_module(module), function)


def sentence(error: Exception) -> str | None:
    """Return one sentence for an error of the user's or of AWS; None for an error of ours."""
    if isinstance(error, UserError):
        text = str(error)
        return (refusal(text) or text) if text.startswith("aws ") else text  # of the AWS CLI
    if "botocore" not in sys.modules:
        return None
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    from botocore.parsers import ResponseParserError

    if isinstance(error, NoCredentialsError):
        return "no AWS credentials on this machine; type: aws configure, or try the sandbox: make rehearse"
    if isinstance(error, ClientError | BotoCoreError | ResponseParserError):
        from ecs.aws import distrust

        return distrust(error) or refusal(error) or f"AWS: {error}"
    return None


def refusal(error: Exception | str) -> str | None:
    """Return why AWS refused a call, and what to type; None where that is not known."""
    from ecs.verdict.calls import sentence  # the rules, which only errors need

    return sentence(error)


# commands whose exit status is the run's, whoever still reads what they print
OF_A_RUN = ("run", "rerun", "attach")


def main(arguments: list[str]) -> int:
    """Run one command and return the exit status; what cannot be printed changes no run's."""
    with guarded():
        status = obeyed(arguments)
        sys.stdout.flush()
        unsaid = lost() and not isinstance(lost(), BrokenPipeError)
    return 1 if unsaid and not status and arguments[0] not in OF_A_RUN else status


def obeyed(arguments: list[str]) -> int:
    """Run one command, say what is wrong, and return the exit status."""
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: python -m ecs {{{','.join(COMMANDS)}}}", file=sys.stderr)
        return 2
    try:
        settings, words = settings_from(os.environ), arguments[1:]
        if words[:1] == ["--"]:
            settings, words = replace(settings, command=tuple(words[1:])), []
        console.in_sandbox = settings.sandbox
        if arguments[0] in AIMED:
            tell_region(settings)
        return command(arguments[0])(settings, *words) or 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        text = sentence(error)
        if text is None:
            raise
        note(f"error: {text}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
