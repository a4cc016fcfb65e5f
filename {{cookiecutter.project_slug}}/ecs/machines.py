"""The sizes of EC2's instance types, as far as the name of a type tells them.

Source: "Specifications for Amazon EC2 instance types" in the EC2 documentation.
"""

import re
from dataclasses import dataclass

# GiB of memory a vCPU, and whether there is a GPU, of families whose sizes are all in this proportion
FAMILIES = {
    **dict.fromkeys(("c6a", "c6g", "c6i", "c7a", "c7g", "c7i"), (2, False)),
    **dict.fromkeys(("m6a", "m6g", "m6i", "m7a", "m7g", "m7i"), (4, False)),
    **dict.fromkeys(("r6a", "r6g", "r6i", "r7a", "r7g", "r7i"), (8, False)),
    **dict.fromkeys(("g5", "g6"), (4, True)),
}
SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge")
VCPUS = dict(zip(SIZES, (2, 4, 8, 16, 32, 48, 64, 96), strict=True))
GPUS = {"12xlarge": 4, "24xlarge": 4}  # the others have one
# Of the memory of a type ECS can use less: the kernel keeps some. At least so much is kept.
KEPT = 0.025


@dataclass(frozen=True)
class Machine:
    """What an instance has: CPU units (1024 a vCPU), MiB of memory for tasks, GPUs."""

    cpu: int
    memory: int
    gpus: int

    def holds(self, cpu: int, memory: int, gpus: int) -> bool:
        """Tell whether a task of this size may fit."""
        return cpu <= self.cpu and memory <= self.memory and gpus <= self.gpus


def machine(instance_type: str) -> Machine | None:
    """Return what an instance of a type has, or None where its name does not tell."""
    family, _, size = instance_type.partition(".")
    if family not in FAMILIES or size not in VCPUS:
        return None
    proportion, with_gpu = FAMILIES[family]
    if with_gpu and size == "large":
        return None
    vcpus, gpus = VCPUS[size], GPUS.get(size, 1) if with_gpu else 0
    return Machine(1024 * vcpus, int(vcpus * proportion * 1024 * (1 - KEPT)), gpus)


def fitting(instance_type: str, cpu: int, memory: int, gpus: int) -> str:
    """Return the smallest type, of the family of ``instance_type`` first, that holds such a task; "": none."""
    family = instance_type.partition(".")[0]
    arm = bool(re.fullmatch(r"[cmr]\d+g", family))
    others = [each for each in ("c7g", "m7g", "r7g") if arm] or ["c7i", "m7i", "r7i"]
    for each in [family] if FAMILIES.get(family, (0, False))[1] else [family, *others]:
        for size in SIZES:
            found = machine(f"{each}.{size}")
            if found and found.holds(cpu, memory, gpus):
                return f"{each}.{size}"
    return ""
