"""Judge a run by what AWS says of it: success, interruption or failure. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ecs.refusals import code_and_message
from ecs.settings import CONTAINER
from ecs.verdict.explain import Evidence, explain
from ecs.verdict.rules import EXCEPTION, FAILURES, LOST, NEVER, RESUME, TASK

# API reference, Task.stopCode. A code that is missing here never counts as success.
STOP_CODES = {
    "EssentialContainerExited",  # of success and of failure alike
    "InfrastructureHealth",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TaskFailedToStart",
    "TerminationNotice",
    "UserInitiated",
}
# With any other stop code a container's exit code 0 does not count: the container never ran, or was cut
# short (many programs answer SIGTERM by saving their work and exiting with 0).
ENDED_BY_ITSELF = ("", "EssentialContainerExited")

TOLD = 143  # SIGTERM
KILLED = (137, TOLD)  # exit codes of a container that ECS has stopped, or the kernel

UNKNOWN = "Unknown"  # a state: whether there is a task, or how it ended, cannot be told


@dataclass(frozen=True)
class Verdict:
    """How a run ended. ``exit_code`` is the container's own, or None where it has none.

    ``state`` is Succeeded, Interrupted (trying again can help), Failed, or Unknown (a later look may
    tell, so it is no end); ``retry`` says how to try again (never, again, elsewhere, resume);
    ``reason`` is AWS's own words; ``rule`` names the rule of ``ecs.explain`` that explains it.
    """

    state: str
    exit_code: int | None
    cause: str = ""
    remedy: str = ""
    retry: str = NEVER
    reason: str = ""
    rule: str = ""

    @property
    def status(self) -> int:
        """The program's exit status: the container's code, 1 for what is not the container's."""
        if self.state == "Succeeded":
            return 0
        return self.exit_code or 1

    def record(self) -> dict:
        """Return the verdict as JSON keeps it."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return what to tell the user, a line each: the cause, AWS's own words, the remedy."""
        if self.state == "Succeeded":
            return []
        known = self.exit_code is None or f"exit code is {self.exit_code}" in self.cause
        code = "" if known else f" (exit code {self.exit_code})"
        words = [f"AWS says: {self.reason}"] if self.reason not in self.cause else []
        return [self.cause + code, *words, f"type: {self.remedy}"]


def verdict(
    task: Mapping | None = None,
    *,
    answer: Mapping | None = None,
    error: Exception | str | None = None,
    log: Sequence[str] = (),
    capacity: str = "",
) -> Verdict:
    """Judge a run by all that AWS says of it.

    Success is one thing only: the task has stopped by itself, and the container named ``train`` has
    exit code 0 and was not out of memory.

    Args:
        task: the task as DescribeTasks shows it last, or None where ECS does not know it.
        answer: what RunTask answered, where there is no task to describe.
        error: the exception that RunTask raised, or what the AWS CLI wrote to standard error.
        log: the last lines of the container's log.
        capacity: ``CAPACITY`` of the run, for the remedy.
    """
    if task is not None:
        return of_task(task, "\n".join(log), capacity)
    if error is not None:
        code, message = code_and_message(error)
        return unsuccessful(Evidence(EXCEPTION, message, error=code, capacity=capacity))
    if answer is not None and not answer.get("tasks"):
        return unsuccessful(Evidence(FAILURES, failures(answer), capacity=capacity))
    return unsuccessful(Evidence(LOST))


def of_task(task: Mapping, log: str, capacity: str) -> Verdict:
    """Judge a task that ECS knows."""
    containers = task.get("containers") or []
    container = next((each for each in containers if each.get("name") == CONTAINER), {})
    code, stop = container.get("exitCode"), task.get("stopCode") or ""
    code = code if type(code) is int else None
    reasons = [container.get("reason"), task.get("stoppedReason")]
    if containers and not container:
        reasons.insert(0, f"no container is named {CONTAINER}")
    if code is None and task.get("lastStatus", "STOPPED") not in ("STOPPED", "DELETED"):
        reasons.insert(0, f"the task is {task['lastStatus']}")
    reason = "; ".join(dict.fromkeys(each for each in reasons if each))
    # AWS's own words may tell of a lost machine where its code does not (aws/containers-roadmap 1565)
    lost = explain(Evidence(TASK, reason)).retry == RESUME
    if code == 0 and stop in ENDED_BY_ITSELF and not lost and "OutOfMemory" not in reason:
        return Verdict("Succeeded", 0)
    reason = "; ".join(dict.fromkeys(filter(None, [*beside(task, container, code), reason])))
    if stop == "UserInitiated":
        code = None  # not the container's own end, whatever it answered to SIGTERM
    return unsuccessful(
        Evidence(
            TASK, reason, stop, "", code, log, capacity,
            cpu=number(task.get("cpu"), Evidence.cpu),
            memory=number(task.get("memory"), Evidence.memory),
        )
    )  # fmt: skip


def beside(task: Mapping, container: Mapping, code: int | None) -> list[str]:
    """Return what the other containers say, where the one named ``train`` has not ended by itself.

    Where ECS stopped it without a reason of its own, another essential container ended first.
    """
    if code not in (None, *KILLED):
        return []
    others = [each for each in task.get("containers") or [] if each is not container]
    said = [
        f"container {each.get('name')}: {each['reason']}" for each in others if each.get("reason")
    ]
    if (
        code in KILLED
        and task.get("stopCode", "") in ENDED_BY_ITSELF
        and not container.get("reason")
    ):
        for each in others:
            ended = each.get("exitCode")
            # with 0 after SIGTERM it may have been stopped too: then train has 143, as one that was told
            if type(ended) is int and ended not in KILLED and (ended or code == TOLD):
                said.insert(0, f"container {each.get('name')} ended first, with exit code {ended}")
    return said


def unsuccessful(evidence: Evidence) -> Verdict:
    """Return the verdict on a run that did not succeed."""
    why = explain(evidence)
    return Verdict(
        "Failed" if why.retry == NEVER else "Interrupted",
        evidence.exit_code,
        why.cause,
        why.remedy,
        why.retry,
        evidence.reason or evidence.error,
        why.rule,
    )


def failures(answer: Mapping) -> str:
    """Return the reasons of a RunTask answer that started no task, with their details."""
    said = []
    for each in answer.get("failures") or []:
        detail = f" ({each['detail']})" if each.get("detail") else ""
        said.append(f"{each.get('reason') or 'no reason'}{detail}")
    return "; ".join(said)


def number(text: Any, default: int) -> int:
    """Return ``text`` as a whole number, or ``default`` where it is none."""
    return int(text) if re.fullmatch(r"[0-9]+", str(text)) else default
