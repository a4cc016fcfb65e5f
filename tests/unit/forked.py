"""Run ``python -m ecs`` in processes that are forked from one which has imported everything.

A program by itself. Each line of standard input is a command as JSON: ``words``, ``env``, ``output``.
It answers with the process's id at once, and later with its exit status, or minus the signal.
What would take minutes takes moments: nobody sleeps longer than ``NAP``.
"""

import importlib
import json
import os
import runpy
import sys
import time
from typing import Any

NAP = 0.002  # seconds
MODULES = ("ecs.commands.run", "ecs.commands.runs", "rich.console", "rich.table")
SERVICES = ("s3", "ecs", "logs", "ecr")
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, NAP))


def load() -> None:
    """Import what a run imports, and read the models of the services that it calls."""
    for name in MODULES:
        importlib.import_module(name)
    from ecs import aws
    from ecs.settings import Settings

    for service in SERVICES:
        aws.client(Settings("churn", "us-east-1"), service)
    aws.client.cache_clear()


def become(words: list[str], env: dict[str, str], output: str) -> int:
    """Be the program, in a process group of its own, as a shell would start it."""
    os.setpgid(0, 0)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.update(env)
    sys.argv = ["ecs", *words]
    try:
        runpy.run_module("ecs", run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    except BaseException:  # noqa: BLE001, printed as Python would
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def main() -> None:
    load()
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 70
            try:
                status = become(**command)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
