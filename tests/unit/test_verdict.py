"""How a task ended: success is the named container's exit code 0, and nothing else."""

import pytest
from ecs.verdict import verdict


def task(*containers: dict, **fields) -> dict:
    return {"lastStatus": "STOPPED", "containers": list(containers), **fields}


def train(**fields) -> dict:
    return {"name": "train", **fields}


EXITED = {
    "stopCode": "EssentialContainerExited",
    "stoppedReason": "Essential container in task exited",
}
SIDECAR = {"name": "sidecar", "exitCode": 0}
SPOT = {"stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted."}
NO_IMAGE = {
    "stopCode": "TaskFailedToStart",
    "stoppedReason": "CannotPullContainerError: pull image manifest has been retried",
}

# what ECS says: state, the container's exit code, the program's exit status, words of the cause
ENDS = {
    "exit code 0": (task(train(exitCode=0), **EXITED), "Succeeded", 0, 0, ""),
    "exit code 0 beside a failed sidecar": (
        task({"name": "sidecar", "exitCode": 1}, train(exitCode=0), **EXITED),
        "Succeeded", 0, 0, "",
    ),
    "exit code 2": (task(train(exitCode=2), **EXITED), "Failed", 2, 2, "exit code is 2"),
    "exit code 143": (task(train(exitCode=143), **SPOT), "Failed", 143, 143, "interrupted"),
    "a failure beside a sidecar's success": (
        task(SIDECAR, train(exitCode=1), **EXITED), "Failed", 1, 1, "exit code is 1",
    ),
    "only a sidecar's exit code": (
        task(SIDECAR, train(), **EXITED), "Failed", None, 1, "never ran",
    ),
    "only a sidecar": (task(SIDECAR, **EXITED), "Failed", None, 1, "never ran"),
    "no exit code": (task(train(), **NO_IMAGE), "Failed", None, 1, "CannotPullContainerError"),
    "no container": (task(**NO_IMAGE), "Failed", None, 1, "CannotPullContainerError"),
    "nothing said": (task(train()), "Failed", None, 1, "no reason given"),
    "a stop code only": (task(stopCode="TerminationNotice"), "Failed", None, 1, "TerminationNotice"),
    "out of memory": (
        task(train(exitCode=137, reason="OutOfMemoryError: Container killed"), **EXITED),
        "Failed", 137, 137, "OutOfMemoryError",
    ),
    "out of memory with exit code 0": (
        task(train(exitCode=0, reason="OutOfMemoryError: Container killed"), **EXITED),
        "Failed", 0, 1, "OutOfMemoryError",
    ),
    "stopped by the user": (
        task(train(exitCode=143), stopCode="UserInitiated", stoppedReason="make stop"),
        "Failed", None, 1, "make stop",
    ),
    # the emulator reports 0 for a container that it killed
    "stopped by the user with exit code 0": (
        task(train(exitCode=0), stopCode="UserInitiated", stoppedReason="make stop"),
        "Failed", None, 1, "make stop",
    ),
    "stopped by the user without a reason": (
        task(train(exitCode=0), stopCode="UserInitiated"), "Failed", None, 1, "stopped by the user",
    ),
    "a stop code that nobody knows": (
        task(train(exitCode=3), stopCode="SomethingNew"), "Failed", 3, 3, "exit code is 3",
    ),
    "a task that ECS has lost": (None, "Failed", None, 1, "no longer knows"),
}  # fmt: skip


@pytest.mark.parametrize(("said", "state", "code", "status", "cause"), ENDS.values(), ids=ENDS)
def test_the_verdict_on(said, state, code, status, cause):
    end = verdict(said)
    assert (end.state, end.exit_code, end.status) == (state, code, status)
    assert cause in end.cause
    assert bool(end.cause) == (state == "Failed")
    assert end.record() == {"state": state, "exit_code": code, "cause": end.cause}


def test_a_reason_that_two_places_give_is_said_once():
    said = task(train(exitCode=1, reason="disk full"), stoppedReason="disk full")
    assert verdict(said).cause.count("disk full") == 1
