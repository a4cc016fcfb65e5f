"""Which runs of a schedule never began: no container of theirs was there to record them.

RunTask's answer that there is no capacity is no error to the scheduler, and a task may wait in vain.
Source: "Schedule types in EventBridge Scheduler" in its user guide.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

from ecs.aws import client
from ecs.console import plain
from ecs.settings import Settings
from ecs.stack import scheduler

LOOKED_BACK = timedelta(days=7)
# The scheduler tries for an hour (RETRIES in ecs/stack/scheduler.py); then an image is pulled.
GRACE = timedelta(minutes=75)
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
FORM = "%Y-%m-%dT%H:%M:%SZ"  # of the scheduler's times, with which the ids of runs begin


def values(field: str, low: int, high: int, names: list[str] | None = None) -> set[int]:
    """Return the numbers that a field of a cron expression names.

    Raises:
        ValueError: it has L, W or #, or a range across the end of the week.
    """

    def number(text: str) -> int:
        return names.index(text.upper()) + 1 if names and text.upper() in names else int(text)

    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = low, high
        else:
            begin = number(first)
            end = number(last) if dash else high if slash else begin
        if begin > end:
            raise ValueError(field)
        found.update(range(begin, end + 1, int(step) if slash else 1))
    return found


def firings(expression: str, since: datetime, until: datetime) -> Iterator[datetime]:
    """Give out the times after ``since``, up to ``until``, at which an expression fires.

    Raises:
        ValueError: it cannot be told.
    """
    kind, _, text = expression.rstrip(")").partition("(")
    if kind == "at":
        moments = [datetime.fromisoformat(text).replace(tzinfo=UTC)]
    elif kind == "cron":
        days = [
            since.date() + timedelta(number)
            for number in range((until.date() - since.date()).days + 1)
        ]
        moments = [
            datetime.combine(day, each, UTC)
            for day in days
            if on(text, day)
            for each in times(text)
        ]
    else:
        raise ValueError(expression)
    yield from sorted(each for each in moments if since < each <= until)


def times(cron: str) -> list[time]:
    """Return the times of a day of a cron expression."""
    minutes, hours, *_ = cron.split()
    return [time(h, m) for h in values(hours, 0, 23) for m in values(minutes, 0, 59)]


def on(cron: str, day: date) -> bool:
    """Tell whether a cron expression fires on a day."""
    _, _, of_month, month, of_week, year = cron.split()
    return (
        day.day in values(of_month, 1, 31)
        and day.month in values(month, 1, 12, MONTHS)
        and day.isoweekday() % 7 + 1 in values(of_week, 1, 7, DAYS)
        and day.year in values(year, 1970, 2199)
    )


def interval(expression: str) -> timedelta | None:
    """Return how long it is from one firing of ``rate(…)`` to the next; None for another expression."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    return timedelta(**{f"{found[2]}s": int(found[1])}) if found else None


def missed(schedule: Mapping, runs: Collection[str], now: datetime, days: int = 0) -> list[str]:
    """Return the times at which a schedule fired and no run began, as far as that can be told.

    ``schedule`` is as GetSchedule describes it; ``runs`` are ids; after ``days`` runs are deleted.
    """
    name, expression = schedule["Name"], schedule["ScheduleExpression"]
    changed = schedule.get("LastModificationDate") or schedule.get("CreationDate") or now
    ours = "EcsParameters" in schedule.get("Target", {})
    if not ours or schedule.get("State") != "ENABLED":
        return []
    if schedule.get("ScheduleExpressionTimezone", "UTC") != "UTC":
        return []
    since, until = max(changed, now - min(LOOKED_BACK, timedelta(days or 7))), now - GRACE
    if step := interval(expression):
        if days and step >= timedelta(days):
            return []
        began = [run.removesuffix(f"-{name}") for run in runs if run.endswith(f"-{name}")]
        latest = max([changed, *map(moment, began)])
        return [f"{latest + step:{FORM}}"] if latest + step <= until else []
    try:
        fired = [f"{each:{FORM}}" for each in firings(expression, since, until)]
    except ValueError:
        return []
    return [each for each in fired if f"{each}-{name}" not in runs]


def moment(text: str) -> datetime:
    """Return the time with which a run's id begins; long ago where it is none."""
    try:
        return datetime.strptime(text, FORM).replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def sentences(
    settings: Settings, stack: Mapping[str, str], runs: Collection[str], now: datetime
) -> Iterator[str]:
    """Give out a sentence for each schedule of which runs never began. Without schedules none is looked for."""
    drafts = f"{settings.project}/schedules/"
    found = client(settings, "s3").list_objects_v2(Bucket=stack["Bucket"], Prefix=drafts, MaxKeys=1)
    # the emulator starts no runs by itself
    if not settings.there.account or not found.get("Contents"):
        return
    days = int(settings.run_days) if settings.run_days.isdecimal() else 0
    for each in scheduler.schedules(settings):
        if lost := missed(each, runs, now, days):
            count = f"{len(lost)} runs" if len(lost) > 1 else "a run"
            yield (
                f"{count} of the schedule {plain(each['Name'])} never began, the latest at {lost[-1]}: no "
                "capacity, or the scheduler was refused; type: make verify"
            )
