"""Scripts on this machine: what the launcher (job/) is told by `make train`, `make predict` and `make local`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ecs import contract, parse
from ecs.console import plain
from ecs.errors import UserError
from ecs.image import image
from ecs.request import channels, request
from ecs.settings import Settings

RUNS = Path("runs")
TRAINING = "training.json"  # what train.py itself says of a training


def local_run(run: str) -> Path | None:
    """Return the folder below runs/ whose name begins with ``run``; None if there is none.

    Without a name it is the latest in which a script has ended.

    Raises:
        UserError: there is more than one, and none of them has the whole name.
    """
    named, run = run, run.removeprefix("./").removeprefix("runs/").rstrip("/")
    if named and not run:  # RUN=/ is not the latest
        return None
    folders = sorted(path for path in RUNS.glob("*") if path.is_dir())
    if not run:
        return next((each for each in reversed(folders) if ended(each)), None)
    found = [folder for folder in folders if folder.name.startswith(run)]
    exact = [folder for folder in found if folder.name == run]
    if len(exact or found) > 1:
        raise UserError(
            f"RUN={run!r}: {len(found)} folders of runs/ begin so; type: RUN={plain(found[-1].name)}"
        )
    return next(iter(exact or found), None)


def ended(folder: Path) -> bool:
    """Tell whether a script has ended in a run's folder, whatever came of it."""
    return any((folder / name).is_file() for name in (contract.MANIFEST, contract.METRICS))


def succeeded(folder: Path, script: str) -> bool:
    """Tell whether a run on this machine has ended well, and was one of another script than ``script``.

    Without the launcher (`python train.py`) there is no manifest, and training.json or metrics.json comes last.
    """
    path = folder / contract.MANIFEST
    if not path.is_file() and not (folder / "work").is_dir():
        return any((folder / name).is_file() for name in (TRAINING, contract.METRICS))
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    # what was trained before there was a launcher has neither
    return (
        isinstance(manifest, dict)
        and manifest.get("exit_code", 0) == 0
        and manifest.get("script") != script
    )


def latest(script: str) -> str:
    """Return the name of the latest run below runs/ that ended well, of another script.

    Raises:
        UserError: there is none.
    """
    for folder in sorted(RUNS.glob("*"), reverse=True):
        if succeeded(folder, script):
            return folder.name
    raise UserError(
        f"{channels.LATEST}: no run below runs/ has ended well; type: make train, or make fetch"
    )


def environment(settings: Settings, script: str) -> dict[str, str]:
    """Return what the launcher is told on this machine, as variables."""
    data = channels.with_latest(settings.data, lambda: latest(script))
    found = {contract.CHANNELS: json.dumps(channels.here(channels.parse(data)), ensure_ascii=False)}
    if settings.result:
        found[contract.RESULT] = request.result_uri(settings)
    if revision := image.git(Path(), "rev-parse", "HEAD"):
        found[contract.REVISION] = revision
    if settings.run:
        folder = local_run(settings.run)
        if folder is None:
            raise UserError(f"RUN={settings.run!r}: no folder below runs/ begins so; leave RUN out")
        found[contract.RUN_ID] = folder.name
    return found


def become(settings: Settings, command: list[str], environ: Mapping[str, str]) -> None:
    """Become ``command`` followed by the words of ARGS, told of DATA. No shell sees them."""
    arguments = [*command, *parse.words(settings.args)]
    try:
        # what another run has left in this shell is not this one's
        clean = {name: value for name, value in environ.items() if name not in contract.VARIABLES}
        os.execvpe(arguments[0], arguments, {**clean, **environment(settings, script_of(command))})
    except FileNotFoundError as error:
        raise UserError(f"there is no program {arguments[0]!r} on this machine") from error


def script_of(command: list[str]) -> str:
    """Return the script that a command of the Makefile's starts: its last word."""
    return command[-1]
