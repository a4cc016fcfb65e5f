"""The command lines of train.py and predict.py.

An option may be written with dashes or underscores. The hyperparameters come from the library;
what is on the command line is passed to it as the text's plain reading (6, 0.1, true, none, text).
"""

import argparse
import ast
import csv
import functools
import itertools
import json
import os
import re
import shlex
import textwrap
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from training import reading
from training.errors import UserError, nearest

# option: (placeholder, help)
# fmt: off
TRAIN = {
    "train": ("PATH", "training table: a CSV, Parquet or libsvm file, a folder or a glob (default: SM_CHANNEL_TRAIN)"),
    "validation": ("PATH", "validation table (default: SM_CHANNEL_VALIDATION)"),
    "validation_fraction": ("SHARE", "without one: share of rows held out of training (default: 0.2)"),
    "label": ("NAME", "column to predict (default: label or target; without a header and in libsvm the first)"),
    "drop": ("NAMES", "columns that are no features, separated by commas"),
    "id": ("NAME", "column that names the rows, kept beside their predictions, no feature"),
    "weight": ("NAME", "column of the rows' weights, no feature"),
    "group": ("NAME", "ranking: column of what is ranked together, no feature (libsvm: qid)"),
    "objective": ("NAME", "regression or classification (default: what the labels look like)"),
    "output": ("FOLDER", "folder of the results (default: the run's folder, else a new one below runs/)"),
    "seed": ("N", "seed of the split and of the model (default: 0)"),
    "checkpoint_every": ("ROUNDS", "save a checkpoint every so many rounds (default: every 60 seconds)"),
    "limit": ("ROWS", "read no more than the first ROWS rows"),
    "note": ("TEXT", "free text, kept in metrics.json"),
}
TRAIN |= reading.TRAIN_OPTIONS
PREDICT = {
    "model": ("PATH", "model file or folder of a run (default: SM_CHANNEL_MODEL)"),
    "data": ("PATH", "table to predict, as for train.py (default: SM_CHANNEL_DATA)"),
    "output": ("PATH", "CSV of the predictions (default: predictions.csv in the run's folder, else beside the model)"),
}
PREDICT_OPTIONS = PREDICT | reading.OPTIONS
# fmt: on
# What to type in place of an option with an address: the launcher (job/) brings and publishes.
INSTEAD = {
    "train": ("reads local files; type: make run DATA={} without --train", "{}"),
    "validation": (
        "reads local files; type: make run DATA={} without --validation",
        "train=data/train.csv validation={}",
    ),
    "model": (
        "reads local files; type: make run SCRIPT=predict.py DATA={} without --model",
        "model={} data=data/test.csv",
    ),
    "data": (
        "reads local files; type: make run SCRIPT=predict.py DATA={} without --data",
        "data={} model=latest",
    ),
    "output": (
        "writes local files; leave --output out: make run saves what is written in the bucket",
        "",
    ),
}  # fmt: skip


class Parser(argparse.ArgumentParser):
    """argparse whose errors are UserErrors."""

    def error(self, message: str) -> NoReturn:
        if found := re.match(r"argument (--[^/:]+).*expected one argument", message):
            raise UserError(f"{found[1]} needs a value; type for example: {found[1]} VALUE")
        raise UserError(f"{message}; type {self.prog} --help for the options")


def train(
    argv: Sequence[str],
    hyperparameters: Mapping[str, object],
    more: Mapping[str, tuple[str | None, str]] | None = None,
) -> tuple[argparse.Namespace, dict[str, object]]:
    """Read the command line of train.py: its options, and the hyperparameters given, as values.

    ``more`` are further options, ``{name: (placeholder, help)}``; ``hyperparameters`` the library's
    names with their defaults, for the help. Options have defaults from the environment, and None where
    nothing holds. In place of ``output`` there are ``model_folder``, ``metrics_folder`` and
    ``checkpoint_folder``; ``source`` is what people call the tables, ``content_type`` what SageMaker
    says of them.
    """
    known = TRAIN | dict(more or {})
    parser = new_parser("train.py", "Train a model on a table and save it with its metrics.", known)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the last checkpoint below the output of a run that was interrupted",
    )
    parser.add_argument(
        "--save-predictions",
        action="store_true",
        help="save the predictions of the validation rows too, in validation-predictions.csv",
    )
    parser.epilog = hyperparameter_help(hyperparameters)
    for name in sorted(set(hyperparameters) - set(known)):
        parser.add_argument(*spellings(name), dest=f"hyper {name}", help=argparse.SUPPRESS)
    options = parse(parser, argv)
    chosen = {
        name: literal(text)
        for name in hyperparameters
        if (text := vars(options).pop(f"hyper {name}", None)) is not None
    }
    complete(options, os.environ)
    return options, chosen


def complete(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Check the options of train.py and fill in their defaults from ``environment``."""
    if options.validation and options.validation_fraction:
        raise UserError("--validation and --validation-fraction: one of them, not both")
    given = {part: getattr(options, part) for part in ("train", "validation")}
    fraction = options.validation_fraction
    options.train = options.train or environment.get("SM_CHANNEL_TRAIN")
    if fraction is None:
        options.validation = options.validation or environment.get("SM_CHANNEL_VALIDATION") or None
    options.validation_fraction = share("--validation-fraction", fraction or "0.2")
    if not options.train:
        raise UserError("no training table: type for example --train data/train.csv")
    check_local(options, "train.py", "train", "validation", "output")
    options.source = {part: called(options, part, given, environment) for part in given}
    channels = settings(environment, "SM_INPUT_DATA_CONFIG")
    options.content_type = {
        part: (channels.get(part) or {}).get("ContentType") for part in given if not given[part]
    }
    reading.Reading().given(options)  # what is wrong with them is said before the work
    options.drop = next(csv.reader([options.drop])) if options.drop else []
    options.seed = whole_number("--seed", options.seed or "0", 0, 2**31 - 1)
    if options.checkpoint_every is not None:
        text = options.checkpoint_every
        options.checkpoint_every = whole_number("--checkpoint-every", text, 1, 2**31 - 1)
    if options.limit is not None:
        options.limit = whole_number("--limit", options.limit, 1, 2**63 - 1)
    options.resume = options.resume or environment.get("RUN_ATTEMPT", "1") not in ("", "0", "1")
    output = vars(options).pop("output")
    if output is None and "RUN_FOLDER" not in environment and environment.get("SM_MODEL_DIR"):
        options.model_folder = Path(environment["SM_MODEL_DIR"])
        options.metrics_folder = Path(environment.get("SM_OUTPUT_DATA_DIR") or options.model_folder)
    else:
        options.model_folder = options.metrics_folder = Path(output or run_folder(environment))
    # The launcher saves checkpoints from there while the script runs.
    folder = environment.get("CHECKPOINT_DIR") or options.model_folder / "checkpoints"
    options.checkpoint_folder = Path(folder)


def called(
    options: argparse.Namespace,
    part: str,
    given: Mapping[str, str | None],
    environment: Mapping[str, str],
) -> str | None:
    """Return what people call the table ``part``: of a channel its address, not the local folder."""
    channel = settings(environment, "RUN_CHANNELS").get(part)
    table = getattr(options, part)
    return table if given[part] or not table or not channel else channel["uri"]


def settings(environment: Mapping[str, str], name: str) -> dict:
    """Return the JSON object in the variable ``name``; an empty one without it."""
    return json.loads(environment.get(name) or "{}")


def check_local(options: argparse.Namespace, program: str, *names: str) -> None:
    """Raise a UserError with what to type instead if one of the options is an address."""
    for name in names:
        value = getattr(options, name) or ""
        if "://" in value:
            sentence, data = INSTEAD[name]
            advice = sentence.format(shlex.quote(data.format(value)))
            if name == "output" and value.startswith("td://"):
                typed = f"make run RESULT={shlex.quote(value)} without --output"
                advice = f"writes local files; type: {typed}"
            raise UserError(f"--{name} {value}: {program} {advice}")


def predict(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line of predict.py: the options of ``PREDICT`` as paths, and ``proba``."""
    parser = new_parser("predict.py", "Predict with a model that train.py saved.", PREDICT_OPTIONS)
    parser.add_argument(
        "--proba", action="store_true", help="write the classes' probabilities, one column a class"
    )
    options = parse(parser, argv)
    options.model = options.model or os.environ.get("SM_CHANNEL_MODEL")
    options.data = options.data or os.environ.get("SM_CHANNEL_DATA")
    check_local(options, "predict.py", *PREDICT)
    if not options.model:
        raise UserError("no model: type --model and the folder of a run, for example runs/ID")
    if not options.data:
        raise UserError("no table to predict: type for example --data data/test.csv")
    reading.Reading().given(options)
    options.model = Path(options.model)
    if options.output is None:
        beside = options.model if options.model.is_dir() else options.model.parent
        options.output = f"{os.environ.get('RUN_FOLDER') or beside}/"
    folder = options.output.endswith("/")
    options.output = Path(options.output, "predictions.csv" if folder else "")
    return options


def run_folder(environment: Mapping[str, str]) -> str:
    """Return the folder of this run's results when no other is named.

    It is RUN_FOLDER, or else a folder below runs/ that is not there yet, named after the time in UTC.
    """
    if folder := environment.get("RUN_FOLDER"):
        return folder
    folder = f"runs/{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = itertools.chain([folder], (f"{folder}-{number}" for number in itertools.count(2)))
    return next(name for name in names if not Path(name).exists())


def peek(argv: Sequence[str], name: str) -> str | None:
    """Return the value of the option ``name`` ahead of the real parse, which may depend on it."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument(*spellings(name), dest="value")
    return parser.parse_known_args(list(argv))[0].value


def new_parser(program: str, purpose: str, known: Mapping[str, tuple[str | None, str]]) -> Parser:
    """Return a parser of the options ``known``: each takes one value, or none without placeholder."""
    parser = Parser(
        prog=program,
        description=purpose,
        allow_abbrev=False,
        formatter_class=functools.partial(argparse.RawDescriptionHelpFormatter, width=100),
    )
    for name, (placeholder, text) in known.items():
        dashed, *other = spellings(name)
        kind = {"metavar": placeholder} if placeholder else {"action": "store_true"}
        parser.add_argument(dashed, dest=name, help=text, **kind)
        if other:
            kind.pop("metavar", None)
            parser.add_argument(*other, dest=name, help=argparse.SUPPRESS, **kind)
    return parser


def spellings(name: str) -> list[str]:
    """Return the ways to write the option ``name``: with dashes, and with underscores."""
    names = [name, "random_state"] if name == "seed" else [name]  # as scikit-learn calls it
    return list(
        dict.fromkeys(f"--{way}" for name in names for way in (name.replace("_", "-"), name))
    )


def hyperparameter_help(hyperparameters: Mapping[str, object]) -> str:
    """Return the last part of the help: every hyperparameter with the library's default."""
    words = [
        f"{spellings(name)[0]}\xa0{'none' if value in (None, '') else value}"
        for name, value in sorted(hyperparameters.items())
    ]
    return "hyperparameters and their defaults:\n" + textwrap.fill(
        ", ".join(words), 98, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    ).replace("\xa0", " ")


def parse(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse ``argv``; an unknown option is an error that names the nearest known one."""
    options, left = parser.parse_known_args(list(argv))
    if not left:
        return options
    names = [word for action in parser._actions for word in action.option_strings]
    for word in left:
        if word.startswith("--") and len(word) > 2:
            unknown = word.partition("=")[0]
            raise UserError(f"unknown option {unknown}: {advice(unknown, names, parser.prog)}")
    raise UserError(f"unexpected word {left[0]!r}: an option begins with --, and its value follows")


def advice(word: str, names: Collection[str], program: str) -> str:
    """Return what to type in place of ``word``: the nearest of ``names``, or else the help."""
    if near := nearest(word.replace("_", "-"), names):
        return f"did you mean {near}?"
    return f"type {program} --help for the list"


def literal(text: str) -> object:
    """Return the value that ``text`` reads as: none, true, false, a number, a list, or itself."""
    plain = {"none": None, "null": None, "true": True, "false": False}
    if text.strip().lower() in plain:
        return plain[text.strip().lower()]
    for kind in int, float:
        try:
            return kind(text)
        except ValueError:
            continue
    if text[:1] in ("[", "(", "{"):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text
    return text


def whole_number(option: str, text: str, low: int, high: int) -> int:
    """Return ``text`` as a number from ``low`` to ``high``."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
        raise UserError(
            f"{option} {text!r}: a whole number from {low} on; type for example: {option} 100"
        )
    return int(text)


def share(option: str, text: str) -> float:
    """Return ``text`` as a number from 0 to less than 1."""
    value = literal(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise UserError(f"{option} {text!r}: from 0 to less than 1; type for example: {option} 0.2")
    return float(value)
