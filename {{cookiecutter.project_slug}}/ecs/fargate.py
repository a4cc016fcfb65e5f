"""The sizes that Fargate has."""

from ecs.errors import UserError

# CPU units: the memory sizes in MiB that Fargate offers with them
FARGATE_SIZES = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}


def nearest(cpu: int, memory: int) -> tuple[int, int]:
    """Return the size that Fargate has for ``cpu`` units and ``memory`` MiB: the next larger, or the largest."""
    units = min((each for each in FARGATE_SIZES if each >= cpu), default=max(FARGATE_SIZES))
    offered = FARGATE_SIZES[units]
    return units, min((each for each in offered if each >= memory), default=offered[-1])


def typed(cpu: int, memory: int) -> str:
    """Return what to type for the nearest size, with MEMORY where it has to change."""
    units, mib = nearest(cpu, memory)
    return f"CPU={units}" + ("" if mib == memory else f" MEMORY={mib}")


def check_fargate_size(cpu: int, memory: int) -> None:
    """Raise UserError unless Fargate offers ``cpu`` units with ``memory`` MiB."""
    if cpu not in FARGATE_SIZES:
        raise UserError(
            f"CPU={cpu}: Fargate offers {', '.join(map(str, FARGATE_SIZES))} CPU units; "
            f"type: {typed(cpu, memory)}"
        )
    offered = FARGATE_SIZES[cpu]
    if memory not in offered:
        closest = min(offered, key=lambda mib: abs(mib - memory))
        step = "" if len(offered) < 4 else f" by {offered[1] - offered[0]}"
        raise UserError(
            f"MEMORY={memory}: with {cpu} CPU units Fargate offers {offered[0]} to {offered[-1]} MiB"
            f"{step}; type: CPU={cpu} MEMORY={closest}"
        )
