"""Whether a run that did not succeed is tried again, and how: pure decisions.

The classes are those of ``ecs.explain``: a fault that passes is tried again, a run that lost its
machine goes on from its checkpoint, a task that found no place looks for one elsewhere, and what is
the user's to fix is never repeated.
"""

import copy
from collections.abc import Mapping, Sequence

from ecs import contract
from ecs.capacity import CAPACITIES
from ecs.verdict.rules import ELSEWHERE, NEVER, RESUME

LONGEST = 300.0  # seconds between two attempts
RESUMES = "train.py"  # of images without a launcher: its --resume goes on from a checkpoint
CAPACITIES_OF = {each.provider: each.name for each in CAPACITIES.values() if each.provider}


def next_request(
    first: Mapping, ended: Sequence[Mapping], retries: int, spot_fallback: bool
) -> dict | None:
    """Return the RunTask request of the next attempt, or None where there is to be none.

    It has a ``clientToken`` and a ``startedBy`` of its own; the run's id, files and all else are
    the same.

    Args:
        first: the request of the first attempt.
        ended: the attempts so far, of which ``retry`` counts.
        retries: so many attempts may follow the first one.
        spot_fallback: whether on-demand Fargate may take the place of Fargate Spot: once every
            subnet was tried, and in the last attempt at the latest.
    """
    classes = [each.get("retry", NEVER) for each in ended]
    if classes and (classes[-1] == NEVER or len(ended) > retries):
        return None
    request = copy.deepcopy(dict(first))
    for name in ("clientToken", "startedBy"):
        request[name] = f"{first[name].rpartition('-')[0]}-{len(ended) + 1}"
    container = request["overrides"]["containerOverrides"][0]
    variables = {each["name"]: each for each in container.get("environment", [])}
    if contract.ATTEMPT in variables:  # the launcher brings the checkpoints back
        variables[contract.ATTEMPT]["value"] = str(len(ended) + 1)
    elif RESUME in classes:
        resume(container)
    moves = classes.count(ELSEWHERE)
    subnets = subnets_of(first)
    exhausted = moves > len(subnets) or moves > 0 and len(subnets) < 2
    last = bool(classes) and len(ended) == retries and classes[-1] in (ELSEWHERE, RESUME)
    if spot_fallback and capacity(first) == "fargate-spot" and (exhausted or last):
        request["capacityProviderStrategy"] = [{"capacityProvider": "FARGATE", "weight": 1}]
    elif moves and subnets:
        # ECS itself chooses among several; one alone is the only way to say where.
        network = request["networkConfiguration"]["awsvpcConfiguration"]
        network["subnets"] = [subnets[(moves - 1) % len(subnets)]]
    return request


def resume(container: dict) -> None:
    """Make the script of an older image go on from its checkpoint, where it is one that can."""
    command = container["command"]
    if command[0].rpartition("/")[2] == RESUMES and "--resume" not in command:
        command.append("--resume")


def subnets_of(request: Mapping) -> list[str]:
    """Return the subnets that a request names; none on instances."""
    network = request.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    return network.get("subnets", [])


def capacity(request: Mapping, own: str = "ec2") -> str:
    """Return the ``CAPACITY`` that a request asks for; ``own`` is that of the stack's own provider."""
    return CAPACITIES_OF.get(request["capacityProviderStrategy"][0]["capacityProvider"], own)


def difference(first: Mapping, request: Mapping) -> str:
    """Say in a few words how an attempt differs from the first one; "" where it does not."""
    words = []
    if capacity(request) != capacity(first):
        words.append("on-demand")
    if (subnets := subnets_of(request)) != subnets_of(first):
        words.append(f"in {', '.join(subnets)}")
    commands = [each["overrides"]["containerOverrides"][0]["command"] for each in (first, request)]
    if commands[0] != commands[1]:
        words.append("with --resume")
    return ", ".join(words)


def pause(number: int, chance: float, shortest: float, longest: float = LONGEST) -> float:
    """Return how many seconds to wait before try ``number``, from 1: twice as long each time.

    ``chance``, from 0 to 1, spreads it between half and one and a half of that, so that many who
    were refused together do not come back together.
    """
    return min(shortest * 2 ** min(number - 1, 30), longest) * (0.5 + chance)
