"""Checkpoints: what is left of a training that was interrupted.

A checkpoint is two files, ``checkpoints/ROUNDS.model`` and then ``checkpoints/ROUNDS.json``. They take
their names when they are complete; on ECS the launcher saves them in that order. The second is the commit mark: it has the sha256 of the first, so a half-written or damaged pair is
recognised and passed over for the one before. Two pairs are kept.
"""

import argparse
import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from training import data, machine, program, storage
from training.errors import UserError

SECONDS = 60  # between two checkpoints, unless --checkpoint-every counts rounds
SHARE = 0.02  # of the time that saving may take: a large model is saved less often
KEPT = 2
# The other packages change how the data is read, and the data's fingerprint tells that.
DECISIVE = ("xgboost", "scikit-learn", "skops", "numpy")


class Checkpoint(NamedTuple):
    """``model`` after so many ``rounds``, and the ``state`` of what runs beside it."""

    rounds: int
    model: bytes
    state: dict


class Store:
    """The checkpoints of one run.

    ``fingerprint`` gives what decides the model; it is called only when it is needed, since it reads
    all the data. ``inexact`` is why this training cannot be resumed to the same model; with a
    reason nothing is saved, and --resume says why it starts anew. ``check`` raises UserError if a
    file holds no model.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        fingerprint: Callable[[], dict],
        inexact: str | None = None,
        check: Callable[[Path], None] = lambda path: None,
    ):
        self.results: Path = options.model_folder
        self.folder: Path = options.checkpoint_folder
        self.every: int | None = options.checkpoint_every
        self.resumes: bool = options.resume
        self.inexact, self.check = inexact, check
        self.attempts = 1
        self.saved: list[int] = []  # the rounds of the checkpoints that are there
        self.fresh = True  # what is there is of another run
        self.due_at = time.monotonic() + SECONDS
        self._make_fingerprint = fingerprint
        self._fingerprint: dict | None = None

    def fingerprint(self) -> dict:
        """Return what decides the model, as JSON's types."""
        if self._fingerprint is None:
            self._fingerprint = json.loads(json.dumps(self._make_fingerprint()))
        return self._fingerprint

    def resume(self) -> Checkpoint | None:
        """Return where to go on; None to start anew, and then the log says why if --resume asks."""
        if not self.resumes:
            return None
        if self.inexact:
            print(f"--resume: {self.inexact}: starting anew")
            return None
        mark, model = self.latest()
        if mark is None:
            print(f"--resume: there is no checkpoint in {self.folder}: starting anew")
            return None
        if difference := differs(mark["fingerprint"], self.fingerprint()):
            raise UserError(
                f"--resume: {difference}: repeat the arguments and the data of the run that was "
                "interrupted, or leave --resume out to start anew"
            )
        self.attempts = mark["attempts"] + 1
        self.fresh = False
        print(f"resuming after round {mark['rounds']} (attempt {self.attempts})")
        return Checkpoint(mark["rounds"], model, mark["state"])

    def latest(self) -> tuple[dict | None, bytes]:
        """Return the newest whole checkpoint's mark and model; (None, nothing) without one.

        Those that are newer and damaged are removed, so that they never count again.
        """
        found = self.found()
        while found:
            mark = read_mark(storage.read_bytes(self.path(found[-1], "json")))
            model = storage.read_bytes(self.path(found[-1], "model"))
            if mark and mark["rounds"] == found[-1] and mark["sha256"] == digest(model):
                # A model that was broken when it was saved has a fitting digest too.
                with contextlib.suppress(UserError):
                    self.check(self.path(found[-1], "model"))
                    self.saved = found
                    return mark, model
            print(f"warning: the checkpoint of round {found[-1]} is damaged: passed over")
            self.discard(found.pop())
        return None, b""

    def passes(self, rounds: int, snapshot: Callable[[], tuple[bytes, dict]]) -> None:
        """Save what ``snapshot`` gives, model and state as JSON's types, if it is time to.

        Called between two rounds, of which so many are done. Raises program.Terminated if SIGTERM
        came; the checkpoint is saved then.
        """
        stopping = program.TERMINATED.is_set()
        if not self.inexact and (stopping or self.due(rounds)) and rounds not in self.saved[-1:]:
            self.save(rounds, *snapshot())
        if stopping:
            raise program.Terminated

    def due(self, rounds: int) -> bool:
        """Return whether a checkpoint is to be saved after so many ``rounds``."""
        if self.every:
            return rounds % self.every == 0
        return time.monotonic() >= self.due_at

    def save(self, rounds: int, model: bytes, state: Mapping[str, object]) -> None:
        """Save a checkpoint, and remove those that are older than the one before it."""
        began = time.monotonic()
        if self.fresh:
            self.remove()
            self.fresh = False
        mark = {
            "rounds": rounds,
            "sha256": digest(model),
            "attempts": self.attempts,
            "state": state,
            "fingerprint": self.fingerprint(),
        }
        storage.write_bytes(model, self.path(rounds, "model"))
        storage.write_bytes(json.dumps(mark).encode(), self.path(rounds, "json"))
        self.saved.append(rounds)
        while len(self.saved) > KEPT:
            self.discard(self.saved.pop(0))
        now = time.monotonic()
        self.due_at = now + max(SECONDS, (now - began) / SHARE)
        again = f"; to go on, type the same command with --resume --output {self.results}"
        # Where there is a launcher, it knows better how to go on.
        program.say_when_stopped(
            f"round {rounds} is saved{'' if os.environ.get('RUN_FOLDER') else again}"
        )

    def remove(self) -> None:
        """Remove all checkpoints: the model is saved, or another run begins here."""
        for rounds in self.found():
            self.discard(rounds)
        self.saved = []
        for part in self.folder.glob(".*.part"):  # a crash left it there
            part.unlink(missing_ok=True)
        if not os.environ.get("CHECKPOINT_DIR"):  # which is the launcher's, or a mount
            with contextlib.suppress(OSError):  # it is not there, or somebody else's files are
                self.folder.rmdir()

    def found(self) -> list[int]:
        """Return the rounds of all checkpoints that are there, whole or not, in order."""
        files = self.folder.glob("*.*")
        return sorted({int(file.stem) for file in files if file.stem.isdecimal()})

    def discard(self, rounds: int) -> None:
        """Remove one checkpoint, the mark first."""
        for kind in "json", "model":
            self.path(rounds, kind).unlink(missing_ok=True)

    def path(self, rounds: int, kind: str) -> Path:
        return self.folder / f"{rounds:08d}.{kind}"


def fingerprint(dataset: data.Dataset, parameters: Mapping[str, object]) -> dict:
    """Return what decides the model: parameters, content of the data, versions."""
    # What features.py makes is in the content; a comment in it decides nothing.
    known = dataset.schema.to_json() | {"features_sha256": None}
    columns = hashlib.sha256(json.dumps(known, default=str).encode())
    sets = {f"{part} rows": len(rows) for part, rows in dataset.sets.items()}
    versions = {
        name.removesuffix("-cpu"): version
        for name, version in machine.versions().items()
        if name.removesuffix("-cpu") in DECISIVE
    }
    return {
        "parameter": {name: repr(value) for name, value in parameters.items()},
        "data": {**sets, "columns": columns.hexdigest()[:12], "content": dataset.content()},
        "version": versions,
    }


def differs(then: Mapping[str, dict], now: Mapping[str, dict]) -> str:
    """Return what the first difference of two fingerprints is, for a sentence; "" without one."""
    for kind, values in now.items():
        old = then.get(kind, {})
        for name in sorted(old.keys() | values.keys()):
            if old.get(name) != values.get(name):
                was, became = old.get(name, "not given"), values.get(name, "not given")
                return f"the {kind} {name!r} was {was} and is now {became}"
    return ""


def read_mark(text: bytes) -> dict | None:
    """Return the commit mark in ``text``; None if it is none."""
    try:
        mark = json.loads(text)
        kinds = {"rounds": int, "sha256": str, "attempts": int, "state": dict, "fingerprint": dict}
        return mark if all(isinstance(mark[name], kind) for name, kind in kinds.items()) else None
    except (ValueError, KeyError, TypeError):
        return None


def digest(content: bytes) -> str:
    """Return the sha256 of ``content``."""
    return hashlib.sha256(content).hexdigest()
