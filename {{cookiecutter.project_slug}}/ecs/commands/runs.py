"""Commands about runs that are recorded: list, compare, fetch, draw."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ecs import cost, parse
from ecs.console import cell, note, plain, say
from ecs.errors import UserError
from ecs.history import measures, records
from ecs.history.download import RUNS, download, folder_of, save
from ecs.history.report import page, read
from ecs.history.sound import DamagedError
from ecs.run.here import local_run
from ecs.run.state import state_of
from ecs.settings import Settings
from ecs.stack import stack


def runs(settings: Settings) -> None:
    """Print a table of the latest runs, from S3; ECS is asked only for those without an end."""
    outputs = stack.outputs(settings)
    limit = parse.whole_number("LIMIT", settings.limit, 1, 10000, "runs")
    ids, strange = records.folders(settings, outputs)
    ids = ids[:limit]
    table = Table("run", "started", "tag", "state", "exit", "took", "metric", "cost", box=None)
    table.add_column("command", overflow="ellipsis", no_wrap=True)
    for run, found in zip(ids, records.read_all(settings, outputs, ids), strict=True):
        record = found["run.json"]
        state = end_of(settings, outputs, run, found)
        words = (
            run,
            (record or {}).get("started", ""),
            (record or {}).get("tag", ""),
            state["state"],
            "" if state["exit_code"] is None else state["exit_code"],
            measures.duration(state),
            measures.headline(found["metrics.json"]),
            cost.shown(state.get("cost")),
            measures.command(record) or state["cause"],
        )
        table.add_row(*map(cell, words))
    show_table(table)
    if strange:
        names = ", ".join(repr(plain(name)) for name in strange[:5])
        note(f"{len(strange)} more below runs/ with names that no run has: {names}")


def end_of(settings: Settings, outputs: dict[str, str], run: str, found: Mapping) -> dict:
    """Return what became of a run of which the files were read; of a damaged one, that it is."""
    if found["damage"]:
        return {"state": "Damaged", "exit_code": None, "cause": str(found["damage"])}
    try:
        return found["result.json"] or state_of(settings, outputs, run, found["run.json"])
    except DamagedError as error:  # since it was read
        return {"state": "Damaged", "exit_code": None, "cause": str(error)}


def show_table(table: object) -> None:
    """Print a table; into a file or a pipe each row is one line, however long."""
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


def compare(settings: Settings) -> None:
    """Print parameters and metrics of the runs in RUNS side by side; ``*`` marks what differs."""
    outputs = stack.outputs(settings)
    named = parse.words(settings.runs, "RUNS")
    if len(named) < 2:
        raise UserError('RUNS names the runs to compare; type for example: make compare RUNS="a b"')
    known = records.run_ids(settings, outputs)
    ids = [records.resolve(replace(settings, run=each), outputs, known) for each in named]
    table = Table("", "", *ids, box=None)
    found = records.read_all(settings, outputs, ids)
    for run, each in zip(ids, found, strict=True):
        each["result.json"] = end_of(settings, outputs, run, each)
    for name, values, differs in measures.compare(found):
        table.add_row("*" if differs else "", *map(cell, (name, *values)))
    show_table(table)


def fetch(settings: Settings) -> int:
    """Download what a run wrote to runs/, with progress; return 1 where a file was left out."""
    outputs = stack.outputs(settings)
    paths, left_out = download(settings, outputs, records.resolve(settings, outputs))
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
        from ecs.history import records

        outputs = stack.outputs(settings)
        run = records.resolve(settings, outputs)
        _, left_out = download(settings, outputs, run)
        folder = RUNS / run
    folder = folder_of(folder.name)
    if not any(folder.glob("*.json")):
        raise UserError(f"{plain(folder)} has no record of a run: no script has ended there")
    path, text = folder / "report.html", page(folder.name, read(folder)).encode()
    save(path, folder, len(text), lambda partial: Path(partial).write_bytes(text))
    say(path)
    return told(left_out)
