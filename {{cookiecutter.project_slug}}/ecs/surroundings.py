"""Where AWS is: at its own place, or an emulator's, with all that is different there."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# what differs in the sandbox; see sandbox/README.md
DIFFERENCES = Path(__file__).parents[1] / "sandbox" / "differences.json"


@dataclass(frozen=True)
class Surroundings:
    """What depends on who answers. The defaults are AWS's."""

    look: float = 2.0  # seconds between two looks at a task, or at CloudFormation
    drain: float = 10.0  # seconds without a line after which a stopped task's log is complete
    pause: float = 10.0  # seconds before the second attempt
    answer: float = 60.0  # seconds until an answer that has not come is given up
    stop: int = 0  # seconds between SIGTERM and SIGKILL; 0: as the task definition says
    network_mode: str = ""  # of a container; "": as CAPACITY has it
    capacity: str = ""  # the stack's parameter; "": CAPACITY
    registry: str = ""  # host under which Docker reaches the registry; "": as the stack says
    billed: bool = True  # somebody pays for a task, and AWS's console shows it
    account: bool = True  # it has service roles and identity providers, and keeps descriptions
    network: bool = True  # tasks are in subnets with routes
    queues: bool = True  # it has AWS Batch
    process: str = ""  # file with the id of the process that answers, where one here does

    def ended(self) -> bool:
        """Tell whether nobody is there any more who could answer."""
        if not self.process:
            return False
        try:
            os.kill(int(Path(self.process).read_text(encoding="utf-8")), 0)
        except (OSError, ValueError):
            return True
        return False


@cache
def surroundings(sandbox: bool) -> Surroundings:
    """Return those of AWS, or of the sandbox."""
    if not sandbox:
        return Surroundings()
    return Surroundings(**json.loads(DIFFERENCES.read_text(encoding="utf-8")))
