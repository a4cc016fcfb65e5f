"""One pure function from what ECS says of a task to success or failure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ecs.request import CONTAINER


@dataclass(frozen=True)
class Verdict:
    """How a run ended. ``exit_code`` is the container's own, or None where it has none."""

    state: str  # Succeeded or Failed
    exit_code: int | None
    cause: str

    @property
    def status(self) -> int:
        """The exit status of the program: the container's code, 1 for what is not the container's."""
        if self.state == "Succeeded":
            return 0
        return self.exit_code or 1

    def record(self) -> dict:
        """Return the verdict as JSON keeps it."""
        return asdict(self)


def verdict(task: Mapping | None) -> Verdict:
    """Judge a stopped task as DescribeTasks shows it, or None where ECS has lost it.

    Success is one thing only: the container named ``train`` has exit code 0. The stop code
    ``EssentialContainerExited`` says nothing: it is that of success and of failure alike.
    """
    if task is None:
        return Verdict("Failed", None, "ECS no longer knows the task, and no result was recorded")
    container = next((each for each in task.get("containers", []) if each["name"] == CONTAINER), {})
    code = container.get("exitCode")
    if task.get("stopCode") == "UserInitiated":
        return Verdict("Failed", None, task.get("stoppedReason") or "stopped by the user")
    if code == 0 and "OutOfMemory" not in container.get("reason", ""):
        return Verdict("Succeeded", 0, "")
    reasons = [container.get("reason"), task.get("stoppedReason")]
    said = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
    if code is None:
        return Verdict(
            "Failed",
            None,
            f"the container never ran: {said or task.get('stopCode') or 'no reason given'}",
        )
    return Verdict(
        "Failed", code, f"the container's exit code is {code}" + (f" ({said})" if said else "")
    )
