"""An ECS of a few lines, and followers of a run that are killed or overtaken at any of their calls.

RunTask, ListTasks and DescribeTasks as their references say: one ``clientToken``, one task, and a
ConflictException for another request under it; ``startedBy`` is the only filter it is used with; a
stopped task is shown for an hour. ``tokens=False`` is the emulator's, which knows no clientToken.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import rules_aws
from botocore.exceptions import ClientError
from ecs.errors import UserError

ARN = "arn:aws:ecs:us-east-1:000000000000:task/the-cluster/{:032x}"
LOOKS = 2  # of DescribeTasks until a task meets its fate
FATES = {
    "spot": {"stopCode": "SpotInterruption", "containers": [{"name": "train"}]},
    "success": {
        "stopCode": "EssentialContainerExited",
        "containers": [{"name": "train", "exitCode": 0}],
    },
}


class Killed(BaseException):
    """kill -9: nothing of the program handles it."""


class World:
    """Tasks, and calls that may be cut short."""

    def __init__(self, *fates: str, tokens: bool = True) -> None:
        """``fates`` are those of the attempts: spot, success or endless; the last one's stays."""
        self.fates, self.tokens = fates, tokens
        self.tasks: list[dict] = []
        self.most = 0  # alive at the same time
        self.calls = 0
        self.at: Callable[[int, bool], None] = lambda number, before: None

    def call(self, function: Callable, *words: Any, **fields: Any) -> Any:
        """Call AWS; ``at`` is told the number of the call, before it and after it."""
        self.calls += 1
        number = self.calls
        self.at(number, True)
        try:
            return function(*words, **fields)
        finally:  # an error is an answer too
            self.at(number, False)

    def counted(self, service: object) -> Any:
        """Return a client of whose methods each call is one of ``call``."""
        return Counted(self, service)

    def alive(self) -> list[dict]:
        return [each for each in self.tasks if each["lastStatus"] != "STOPPED"]

    def run_task(self, **request: Any) -> dict:
        rules_aws.look("ecs", "RunTask", request)
        for task in self.tasks if self.tokens else ():
            if task["clientToken"] == request["clientToken"]:
                if task["request"] != request:
                    parts = {"Error": {"Code": "ConflictException", "Message": "in use"}}
                    raise ClientError({**parts, "resourceIds": [task["taskArn"]]}, "RunTask")
                return {"tasks": [{"taskArn": task["taskArn"]}], "failures": []}
        number = int(request["startedBy"].rpartition("-")[2])
        self.tasks.append(
            {
                "taskArn": ARN.format(len(self.tasks) + 1),
                "startedBy": request["startedBy"],
                "clientToken": request["clientToken"],
                "request": request,
                "lastStatus": "RUNNING",
                "containers": [],
                "looks": 0,
                "fate": self.fates[min(number, len(self.fates)) - 1],
            }
        )
        self.most = max(self.most, len(self.alive()))
        return {"tasks": [{"taskArn": self.tasks[-1]["taskArn"]}], "failures": []}

    def list_tasks(self, *, cluster: str, **filters: str) -> dict:
        rules_aws.look("ecs", "ListTasks", {"cluster": cluster, **filters})
        if "startedBy" in filters:
            assert set(filters) == {"startedBy"}
            found = [t for t in self.alive() if t["startedBy"] == filters["startedBy"]]
        else:
            assert filters == {"family": "churn", "desiredStatus": "STOPPED"}
            found = [t for t in self.tasks if t["lastStatus"] == "STOPPED"]
        return {"taskArns": [each["taskArn"] for each in found]}

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict:
        rules_aws.look("ecs", "DescribeTasks", {"cluster": cluster, "tasks": tasks})
        found = [each for each in self.tasks if each["taskArn"] in tasks]
        for each in found:
            each["looks"] += 1
            if each["looks"] >= LOOKS and each["lastStatus"] != "STOPPED":
                each |= (
                    {"lastStatus": "STOPPED", **FATES[each["fate"]]}
                    if each["fate"] in FATES
                    else {}
                )
        return {"tasks": found, "failures": []}

    def stop_task(self, arn: str, reason: str) -> dict:
        for each in self.tasks:
            if each["taskArn"] == arn and each["lastStatus"] != "STOPPED":
                each |= {
                    "lastStatus": "STOPPED",
                    "stopCode": "UserInitiated",
                    "stoppedReason": reason,
                }
        return {}

    def call_cli(
        self, settings: object, *words: str, request: dict | None = None, **_: Any
    ) -> dict:
        """Stand in for the AWS CLI, whose errors are words: none of them names ``resourceIds``, as version 1's."""
        if words[1] == "run-task":
            try:
                return self.call(self.run_task, **request)
            except ClientError as error:
                raise UserError(f"aws ecs run-task: {error}") from error
        assert words[1] == "stop-task"
        given = dict(zip(words[2::2], words[3::2], strict=True))
        return self.call(self.stop_task, given["--task"], given["--reason"])


class Counted:
    """A client, each call of which is counted."""

    def __init__(self, world: World, service: object) -> None:
        self.world, self.service = world, service

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.service, name)
        if name == "exceptions" or name == "get_paginator":
            return found
        return lambda *words, **fields: self.world.call(found, *words, **fields)


class Logs:
    """No lines but the end mark of every run."""

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)

    def get_log_events(self, **_: Any) -> dict:
        return {"events": [], "nextForwardToken": "f/1"}
