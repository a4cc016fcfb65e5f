"""What a run costs on Fargate. Pure: the times and the size come from the caller.

The prices are those of us-east-1, Linux; other regions differ, so every figure is an "about". On
instances, managed ones too, nothing is estimated: they cost by the type, as long as they are up,
whatever runs on them; and ECS Managed Instances a fee beside.
"""

import math
from collections.abc import Mapping
from datetime import datetime

from ecs.capacity import capacity
from ecs.errors import UserError

# Dollars an hour: of a vCPU, of a GB of memory, of a GB of storage above the first 20.
# Date: 2026-11-24. Source: secondary ones that agree; look at aws.amazon.com/fargate/pricing.
PRICES = {
    "x86_64": {"vcpu": 0.04048, "memory": 0.004445, "storage": 0.000111},
    "arm64": {"vcpu": 0.03238, "memory": 0.00356, "storage": 0.000111},
}
FREE_STORAGE = 20  # GiB
MINIMUM = 60.0  # seconds that are billed at least
STOPPING = 120.0  # seconds that a task which is told to stop may still take
REGION = "us-east-1 prices"


def hourly(size: Mapping) -> float | None:
    """Return the dollars an hour of a task, or None on instances, which cost and not it.

    ``size`` has ``cpu`` (units, 1024 a vCPU), ``memory`` (MiB), ``disk`` (GiB), ``architecture``
    and ``capacity``. On Spot it is the price of on-demand, an upper bound: Spot takes up to 70 %
    less, and its price moves.
    """
    if not capacity(size["capacity"]).fargate:
        return None
    price = PRICES[size["architecture"]]
    return (
        size["cpu"] / 1024 * price["vcpu"]
        + size["memory"] / 1024 * price["memory"]
        + max(0, size["disk"] - FREE_STORAGE) * price["storage"]
    )


def dollars(size: Mapping, seconds: float) -> float | None:
    """Return the dollars for so many ``seconds``, a minute at least; None on instances."""
    price = hourly(size)
    return None if price is None else price * max(seconds, MINIMUM) / 3600


def billed(size: Mapping, task: Mapping) -> float | None:
    """Return the dollars for a stopped task, or None where its times or its price are not known.

    Fargate counts from the pull of the image to the end; a task that pulled none costs nothing.
    """
    begin, end = task.get("pullStartedAt"), task.get("stoppedAt")
    if not end or not (begin or task.get("startedAt")):
        return None if not end or not capacity(size["capacity"]).fargate else 0.0
    begin = moment(begin or task.get("createdAt") or task["startedAt"])
    return dollars(size, math.ceil((moment(end) - begin).total_seconds()))


FREE = "cost: none; the sandbox is on this machine"


def moment(time: datetime | str) -> datetime:
    """Return a time of DescribeTasks, as boto3 gives it or as JSON keeps it."""
    return time if isinstance(time, datetime) else datetime.fromisoformat(time)


def shown(amount: float | None) -> str:
    """Return an amount of dollars for people: ``$0.0042``; empty where there is none."""
    return "" if amount is None else f"${amount:.4f}" if amount < 1 else f"${amount:,.2f}"


def estimate(size: Mapping, timeout: float, start_timeout: float = math.inf, times: int = 1) -> str:
    """Return one line for before the run. Both limits are in seconds, infinite where not given.

    ``times``: so many tasks, of as many runs or attempts.
    """
    price = hourly(size)
    if price is None:
        return "cost: not estimated; that of the instances, as long as they are up"
    spot = "; Spot takes up to 70 % less" if size["capacity"] == "fargate-spot" else ""
    each = f"{shown(price)} an hour" + (" each" if times > 1 else "")
    if math.isinf(timeout):
        many = f", {times} tasks at most" if times > 1 else ""
        return f"cost: about {each}{many} ({REGION}{spot})"
    most = times * dollars(size, longest(timeout, start_timeout))
    many = f" for {times} tasks" if times > 1 else ""
    return f"cost: about {shown(most)} at most{many} ({each}, {REGION}{spot})"


def longest(timeout: float, start_timeout: float) -> float:
    """Return the seconds that may be billed: the time to start counts only where it is limited."""
    return timeout + (0 if math.isinf(start_timeout) else start_timeout) + STOPPING


def check_budget(
    budget: str,
    size: Mapping,
    timeout: float,
    start_timeout: float,
    detach: bool,
    times: int = 1,
) -> None:
    """Refuse ``times`` tasks that could cost more than ``budget`` dollars; an empty one allows all.

    Raises:
        UserError: it could, or nobody could say.
    """
    if not budget:
        return
    try:
        limit = float(budget)
    except ValueError:
        limit = math.nan
    if not 0 < limit < math.inf:
        raise UserError(f"BUDGET={budget!r}: dollars above 0; type for example: BUDGET=1.50")
    if hourly(size) is None:
        raise UserError(
            f"BUDGET: on {size['capacity']} the instances cost, not the run; leave it out"
        )
    if math.isinf(timeout):
        raise UserError("BUDGET needs a limit of the time; type for example: TIMEOUT=3600")
    if detach:
        raise UserError("BUDGET needs somebody who stops the task in time; leave DETACH out")
    most = times * dollars(size, longest(timeout, start_timeout))
    if most > limit:
        fits = int(limit / times / hourly(size) * 3600 - longest(0, start_timeout))
        advice = f"TIMEOUT={fits}" if fits >= 1 else f"BUDGET={math.ceil(most * 100) / 100:g}"
        raise UserError(
            f"BUDGET={budget}: the run could cost about ${most:.4f} ({REGION}); type: {advice}"
        )
