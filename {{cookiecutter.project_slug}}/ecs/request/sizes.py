"""The size of a task: CPU, memory, disk and GPUs."""

from collections.abc import Mapping

from ecs.errors import UserError
from ecs.fargate import check_fargate_size, nearest
from ecs.machines import fitting, machine
from ecs.parse import meant, whole_number, words
from ecs.settings import Settings

RANGES = {"cpu": (128, 196608, "CPU units (1024 a vCPU)"), "memory": (64, 3145728, "MiB")}


def typed(settings: Settings, definition: Mapping) -> str:
    """Return what to type for the CPU and the memory that may be meant, of a size that there is."""
    given = {name: getattr(settings, name) for name in RANGES}
    cpu, memory = (
        meant(name.upper(), text, *RANGES[name][:2]) if text else int(definition[name])
        for name, text in given.items()
    )
    if settings.kind.fargate:
        cpu, memory = nearest(cpu, memory)
    sizes = {"cpu": cpu, "memory": memory}
    return " ".join(
        f"{name.upper()}={sizes[name]}"
        for name, text in given.items()
        if text or sizes[name] != int(definition[name])
    )


def size(settings: Settings, definition: Mapping) -> dict:
    """Return the task override for CPU (units), memory (MiB) and disk (GiB) that the user asked for.

    ``definition`` is the task definition, whose ``cpu`` and ``memory`` hold where nothing is given.

    Raises:
        UserError: Fargate has no task of that size.
    """
    override: dict = {}
    for name, (low, high, unit) in RANGES.items():
        if text := getattr(settings, name):

            def hint() -> str:
                return typed(settings, definition)

            override[name] = str(whole_number(name.upper(), text, low, high, unit, hint))
    if settings.disk:
        if not settings.kind.fargate:
            raise UserError(
                f"DISK is Fargate's ephemeral storage; on {settings.capacity} the instance's disk "
                "holds: leave it out"
            )
        disk = whole_number("DISK", settings.disk, 21, 200, "GiB")
        override["ephemeralStorage"] = {"sizeInGiB": disk}
    if settings.kind.fargate:
        check_fargate_size(
            int(override.get("cpu", definition["cpu"])),
            int(override.get("memory", definition["memory"])),
        )
    return override


def check_fits(settings: Settings, definition: Mapping, asked: Mapping, instance_type: str) -> None:
    """Return if the stack's instances, of ``instance_type``, can hold the task.

    ECS would wait for an instance that can, for ever.

    Raises:
        UserError: they cannot.
    """
    has = machine(instance_type)
    if not settings.kind.group or has is None:
        return
    cpu = int(asked.get("cpu", definition["cpu"]))
    memory = int(asked.get("memory", definition["memory"]))
    count = int(settings.gpus or settings.kind.gpu)
    if has.holds(cpu, memory, count):
        return
    larger = fitting(instance_type, cpu, memory, count)
    way = f"make cluster CAPACITY={settings.capacity} INSTANCE_TYPE={larger}, or a smaller task: "
    raise UserError(
        f"no {instance_type} of the stack holds a task of CPU={cpu} MEMORY={memory}"
        f"{f' GPUS={count}' if count else ''}: it has {has.cpu} and {has.memory}"
        f"{f' and {has.gpus}' if count else ''} for tasks; type: {way if larger else ''}"
        f"make run CPU={min(cpu, has.cpu)} MEMORY={min(memory, has.memory // 1024 * 1024)}"
        f"{f' GPUS={has.gpus}' if count > has.gpus else ''}"
    )


def gpus(settings: Settings) -> list[dict]:
    """Return the container's override for the GPUs that the user asked for; none: the definition's.

    Raises:
        UserError: it is no whole number, or the capacity has none.
    """
    if not settings.gpus:
        return []
    count = whole_number("GPUS", settings.gpus, 1, 16, "GPUs")
    if not settings.kind.gpu:
        raise UserError(
            f"GPUS={count}: CAPACITY={settings.capacity} has none; type: CAPACITY=gpu GPUS={count}"
        )
    return [{"type": "GPU", "value": str(count)}]


def gpu_note(settings: Settings) -> str:
    """Return a reminder where a GPU is paid for and train.py is not told to use it; else ""."""
    options = {word.partition("=")[0] for word in words(settings.args)}
    trains = settings.script == "train.py" and "--device" not in options
    if trains and settings.kind.gpu:
        return 'note: the GPU is idle unless ARGS says so; type: make run ARGS="--device cuda …"'
    return ""


def full_size(settings: Settings, definition: Mapping, overrides: Mapping) -> dict:
    """Return what the price of a task depends on: CPU units, MiB, GiB, architecture, capacity."""
    disk = (overrides.get("ephemeralStorage") or definition.get("ephemeralStorage") or {}).get(
        "sizeInGiB", 20
    )
    return {
        "cpu": int(overrides.get("cpu", definition["cpu"])),
        "memory": int(overrides.get("memory", definition["memory"])),
        "disk": disk,
        "architecture": settings.architecture,
        "capacity": settings.capacity,
    }
