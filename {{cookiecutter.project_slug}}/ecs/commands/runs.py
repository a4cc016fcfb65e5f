"""Commands about runs that are recorded: list, compare, fetch, draw."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecs import cost, parse
from ecs.commands.run import named
from ecs.console import cell, note, plain, say
from ecs.errors import UserError
from ecs.history import firings, measures, records
from ecs.history import index as runs_index
from ecs.history.download import RUNS, download, folder_of, save
from ecs.history.report import page, read
from ecs.history.run import Run
from ecs.history.sound import DamagedError
from ecs.refusals import code_and_message
from ecs.run import queued
from ecs.run.here import local_run
from ecs.run.state import state_of
from ecs.settings import Settings
from ecs.stack import stack

COLUMNS = ("run", "started", "tag", "state", "exit", "took", "metric", "cost", "command")
# In order of use: where a terminal is too narrow, the last of them give way first.
USE = ("run", "state", "metric", "command", "took", "cost", "exit", "tag", "started")
LAST = "command"  # the column that is cut
SHORTEST = 8  # characters beyond its name to which it is cut at most
GAP = 2  # characters between two columns
WIDE = 1000  # characters: a table as it is


def runs(settings: Settings) -> None:
    """Print a table of the latest runs, from S3; ECS is asked only for those without an end."""
    outputs = stack.outputs(settings)
    limit = parse.whole_number("LIMIT", settings.limit, 1, 10000, "runs")
    ids, strange = records.folders(settings, outputs)
    rows = [
        dict(zip(COLUMNS, map(cell, row), strict=True))
        for row in rows_of(settings, outputs, ids, limit)
    ]
    width = Console().width if sys.stdout.isatty() else None
    Console(width=WIDE).print(fitting(rows, width, not settings.there.billed))
    if not settings.there.billed:
        note(cost.FREE)
    if strange:
        names = ", ".join(repr(plain(name)) for name in strange[:5])
        note(f"{len(strange)} more below runs/ with names that no run has: {names}")
    tell_missed(settings, outputs, ids)


def tell_missed(settings: Settings, outputs: dict[str, str], ids: Sequence[str]) -> None:
    """Say which schedules fired and no run began; where AWS does not tell, say that."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        for sentence in firings.sentences(settings, outputs, ids, datetime.now(UTC)):
            note(sentence)
    except (BotoCoreError, ClientError) as error:
        note(f"whether each scheduled run began is not known: {code_and_message(error)[0]}")


def rows_of(
    settings: Settings, outputs: Mapping[str, str], ids: Sequence[str], limit: int
) -> list[list[str]]:
    """Return what the table says of the first ``limit`` runs of ``ids``, which are all.

    The files are read of those only that the index lacks.
    """
    index = runs_index.load(settings, outputs)
    rows = index.rows if index.columns == [*COLUMNS] else {}
    rows = {each: rows[each] for each in ids if each in rows}
    missing = [Run(settings, outputs, each) for each in ids[:limit] if each not in rows]
    shown, ended = {}, {}
    for run, found in zip(missing, records.read_all(missing), strict=True):
        state = end_of(run, found)
        shown[run.id] = row_of(run, found, state)
        if found["run.json"] and state["state"] in records.ENDED:
            ended[run.id] = shown[run.id]
    if len(ended) >= runs_index.NEW:
        runs_index.save(settings, outputs, replace(index, columns=[*COLUMNS], rows=rows | ended))
    return [rows.get(each) or shown[each] for each in ids[:limit]]


def row_of(run: Run, found: Mapping, state: Mapping) -> list[str]:
    """Return what the table says of a run of which the files were read, column by column."""
    record = found["run.json"]
    words = (
        run.id,
        (record or {}).get("started", ""),
        (record or {}).get("tag", ""),
        state["state"],
        "" if state["exit_code"] is None else state["exit_code"],
        measures.duration(state),
        measures.headline(found["metrics.json"]),
        cost.shown(state.get("cost")),
        measures.command(record) or state["cause"],
    )
    return [str(each) for each in words]


def fitting(rows: Sequence[Mapping[str, str]], width: int | None, free: bool = False) -> Table:
    """Return a table of as many columns as a terminal of ``width`` has room for; None: of all.

    The id is whole at any width. ``free``: nobody is billed, so there is no column of costs.
    """
    names = [name for name in COLUMNS if not (free and name == "cost")]
    sizes = {
        name: max(len(name), *(Text.from_markup(row[name]).cell_len for row in rows), 0) + GAP
        for name in names
    }
    sizes[LAST] = min(sizes[LAST], len(LAST) + SHORTEST + GAP)
    room = math.inf if width is None else width + GAP  # none behind the last one
    shown = set()
    for name in sorted(names, key=USE.index):
        if name != USE[0] and sizes[name] > room:
            break
        shown.add(name)
        room -= sizes[name]
    table = Table(box=None, pad_edge=False)
    for name in names:
        if name in shown:
            most = None if name != LAST or width is None else int(sizes[LAST] - GAP + room)
            table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=most)
    for row in rows:
        table.add_row(*(row[name] for name in names if name in shown))
    return table


def end_of(run: Run, found: Mapping) -> dict:
    """Return what became of a run of which the files were read; of a damaged one, that it is."""
    if found["damage"]:
        return {"state": "Damaged", "exit_code": None, "cause": str(found["damage"])}
    try:
        return found["result.json"] or state_of(replace(run, record=found["run.json"] or {}))
    except DamagedError as error:  # since it was read
        return {"state": "Damaged", "exit_code": None, "cause": str(error)}


def show_table(table: Table) -> None:
    """Print a table; into a file or a pipe each row is one line, however long."""
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def compare(settings: Settings) -> None:
    """Print parameters and metrics of the runs in RUNS side by side; ``*`` marks what differs."""
    outputs = stack.outputs(settings)
    named = parse.words(settings.runs, "RUNS")
    if len(named) < 2:
        raise UserError('RUNS names the runs to compare; type for example: make compare RUNS="a b"')
    known = records.run_ids(settings, outputs)
    ids = [records.resolve(replace(settings, run=each), outputs, known) for each in named]
    table = Table("", "", *ids, box=None)
    runs = [Run(settings, outputs, each) for each in ids]
    found = records.read_all(runs)
    for run, each in zip(runs, found, strict=True):
        if "/" in run.id:
            each["run.json"] = queued.child(run)
        each["result.json"] = end_of(run, each)
        if not settings.there.billed:
            each["result.json"] = {**each["result.json"], "cost": None}
    for name, values, differs in measures.compare(found):
        table.add_row("*" if differs else "", *map(cell, (name, *values)))
    show_table(table)


def fetch(settings: Settings) -> int:
    """Download what a run wrote to runs/, with progress; return 1 where a file was left out."""
    paths, left_out = download(named(settings))
    for path in paths:
        say(path)
    return told(left_out)


def told(left_out: Mapping[str, str]) -> int:
    """Say which files of a run were left out, and why; return the exit status."""
    for name, why in left_out.items():
        note(f"error: {plain(name)} was left out: {plain(why)}")
    return 1 if left_out else 0


def report(settings: Settings) -> int:
    """Write report.html of a run below runs/, which is fetched when it is not there yet."""
    folder, left_out = local_run(settings.run), {}
    if folder is None:
        run = named(settings)
        _, left_out = download(run)
        folder = RUNS / run.id
    name = folder.relative_to(RUNS).as_posix()
    folder = folder_of(name)
    if not any(folder.glob("*.json")):
        raise UserError(f"{plain(folder)} has no record of a run: no script has ended there")
    path, text = folder / "report.html", page(name, read(folder)).encode()
    save(path, folder, len(text), lambda partial: Path(partial).write_bytes(text))
    say(path)
    return told(left_out)
