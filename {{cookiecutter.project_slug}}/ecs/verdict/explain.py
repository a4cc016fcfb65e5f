"""Explain why a run failed, from what AWS says of it, and say what to type next.

The table ``RULES`` is data: a rule says where it applies, what it looks for, the cause in one
sentence, and a remedy in the words of this project's Makefile. The first rule with all of its conditions
met explains the run, so specific rules come before general ones.

Where the texts come from: the ECS developer guide ("API failure reasons", "Stopped tasks error
messages", "CannotPullContainer task errors", "TaskFailedToStart errors", "Exit codes"), the API
reference of RunTask, and what runners of ECS tasks have met in use.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from ecs.capacity import Capacity, capacity
from ecs.distributions import distribution
from ecs.fargate import FARGATE_SIZES
from ecs.machines import fitting
from ecs.verdict.rules import ANY, NEVER, OWN, RULES, UNKNOWN, Rule


@dataclass(frozen=True)
class Evidence:
    """What is known of a run that failed. Empty strings and None: nothing."""

    where: str
    reason: str = ""
    stop: str = ""
    error: str = ""
    exit_code: int | None = None
    log: str = ""
    capacity: str = ""
    cpu: int = 1024  # CPU units of the task
    memory: int = 4096  # MiB of the task


@dataclass(frozen=True)
class Explanation:
    """Why a run failed, what to type next, and whether trying again can help."""

    cause: str
    remedy: str
    retry: str
    rule: str


def larger(cpu: int, memory: int) -> str:
    """Return the variables for twice the memory: ``MEMORY=8192``, with CPU where it must grow too.

    ``cpu`` is in CPU units, ``memory`` in MiB. Beyond Fargate's largest task there is EC2.
    """
    for units, sizes in FARGATE_SIZES.items():
        for size in sizes:
            if units >= cpu and size >= 2 * memory:
                return f"MEMORY={size}" if units == cpu else f"CPU={units} MEMORY={size}"
    return "CAPACITY=ec2"


def more_memory(evidence: Evidence) -> str:
    """Return what to type for twice the memory, where the run was: Fargate has sizes, others have machines."""
    where, twice = capacity(evidence.capacity), 2 * evidence.memory
    again = f"make run CAPACITY={where.name} MEMORY={twice}"
    if where.group:
        found = fitting(where.machines["x86_64"], evidence.cpu, twice, int(where.gpu))
        kind = f"INSTANCE_TYPE={found or '…, with more memory'}"
        return f"make cluster CAPACITY={where.name} {kind}, then {again}"
    if where.managed:  # ECS takes an instance that has room
        return again
    return f"make run {larger(evidence.cpu, evidence.memory)}"


def more_disk(where: Capacity) -> str:
    """Return what to type for more disk, which only Fargate's tasks may choose."""
    if where.fargate:
        return "make run DISK=50"
    if where.gpu:
        return f"make run with less data: with CAPACITY={where.name} the disk is the instance's own"
    return (
        f"make run CAPACITY=fargate DISK=50, since with {where.name} the disk is the instance's own"
    )


def again(where: Capacity) -> str:
    """Return what to type to try again where the run was."""
    there = "" if where.name in ("", "fargate") else f"CAPACITY={where.name} "
    return f"make run {there}RETRIES=3"


def more_instances(where: Capacity) -> str:
    """Return what to type where no instance has room for a task."""
    if where.managed:
        return f"{again(where)}, while ECS starts more instances"
    name, kind = ("gpu", "g6.4xlarge") if where.gpu else ("ec2", "c7i.4xlarge")
    return f"make cluster CAPACITY={name} MAX_INSTANCES=4 INSTANCE_TYPE={kind}"


def fewer_gpus(where: Capacity) -> str:
    """Return what to type where no instance has as many GPUs as a task asks for."""
    name = where.name if where.gpu else "gpu"
    fewer = f"make run CAPACITY={name} GPUS=1"
    if where.managed and where.gpu:
        return fewer
    return f"make cluster CAPACITY=gpu INSTANCE_TYPE=g6.12xlarge, which has four, or {fewer}"


def smaller(where: Capacity, cpu: int, memory: int) -> str:
    """Return what to type for a task of a usual size."""
    there = "" if where.fargate else f"CAPACITY={where.name} "
    return f"make run {there}CPU={cpu} MEMORY={memory}"


def empty_provider(where: Capacity) -> str:
    """Return what to type where no instance came for a task."""
    if where.group:
        return (
            "aws autoscaling describe-scaling-activities, which says why none started (a quota of 0, no "
            f"machines left); a task too large for INSTANCE_TYPE: make cluster CAPACITY={where.name} "
            "INSTANCE_TYPE=…, larger"
        )
    if where.managed:
        return f"make verify CAPACITY={where.name}"
    return "make cluster CAPACITY=ec2, or make run CAPACITY=fargate"


def typed(evidence: Evidence) -> Mapping[str, str]:
    """Return what remedies say to type, for the capacity that the run used."""
    where = capacity(evidence.capacity)
    return {
        "again": again(where),
        "larger": more_memory(evidence),
        "disk": more_disk(where),
        "smallest": smaller(where, 256, 512),
        "usual": smaller(where, 1024, 4096),
        "start_instances": empty_provider(where),
        "more_instances": more_instances(where),
        "fewer_gpus": fewer_gpus(where),
        "with_gpu": where.name if where.gpu else "gpu",
    }


def said(log: str) -> str:
    """Return the program's own last error: the last line that looks like one, or the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(error: |[\w.]*(Error|Exception)\b)", line)]
    return (errors or lines or ["its log has no lines"])[-1].removeprefix("error: ")


def matches(rule: Rule, evidence: Evidence) -> Mapping[str, str] | None:
    """Return the groups of the rule's patterns where it holds for ``evidence``, else None."""
    if evidence.where not in rule.where:
        return None
    if rule.stop not in ("", evidence.stop) or rule.capacity not in ("", evidence.capacity):
        return None
    if rule.exit_code == ANY and evidence.exit_code is None:
        return None
    if rule.exit_code == OWN and not 0 < (evidence.exit_code or 0) < 126:
        return None
    if rule.exit_code not in (None, ANY, OWN, evidence.exit_code):
        return None
    if rule.error and not re.fullmatch(rule.error, evidence.error):
        return None
    groups: dict[str, str] = {}
    reason = " ".join(evidence.reason.split())  # some reasons have line breaks
    for pattern, text in ((rule.reason, reason), (rule.log, evidence.log)):
        found = re.search(pattern, text)
        if not found:
            return None
        groups |= {name: value or "" for name, value in found.groupdict().items()}
    return groups


def explain(evidence: Evidence) -> Explanation:
    """Return cause, remedy and retry class of a run that failed.

    Where no rule holds the cause is AWS's own words, as they are, and nothing is tried again.
    """
    for rule in RULES:
        groups = matches(rule, evidence)
        if groups is not None:
            words = {
                **typed(evidence),
                "code": evidence.exit_code,
                "reason": evidence.reason or "AWS gives no reason",
                "said": said(evidence.log),
                "stop": evidence.stop,
                "package": distribution(groups.get("module", "")),
                "quoted": shlex.quote(groups.get("path", "")),
                **groups,
            }
            return Explanation(
                rule.cause.format(**words), rule.remedy.format(**words), rule.retry, rule.name
            )
    raw = evidence.reason or evidence.error or evidence.stop or "AWS gives no reason"
    return Explanation(raw, UNKNOWN[evidence.where], NEVER, "unknown")
