"""SageMaker's start, ``docker run IMAGE train`` over a tree /opt/ml: its data, words and results.

Source: "How Amazon SageMaker AI provides training information" in its developer guide.
"""

import contextlib
import json
import os
from pathlib import Path

from job.errors import UserError

ROOT = Path("/opt/ml")
OWN = "sagemaker_", "_tuning"  # hyperparameters that are meant for SageMaker's own programs
PROGRAM = "sagemaker_program"
LONGEST_FAILURE = 1024


def starts(words: list[str]) -> bool:
    """Tell whether SageMaker has started this container."""
    return words[:1] == ["train"] and (ROOT / "input/data").is_dir()


def config(name: str) -> dict:
    """Return a JSON file of the tree's configuration; {} where there is none."""
    path = ROOT / "input/config" / name
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise UserError(f"{path.name}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise UserError(f"{path.name}: a JSON object was expected")
    return found


def command() -> list[str]:
    """Return the script and its words: the hyperparameters."""
    given = {name: plain(value) for name, value in config("hyperparameters.json").items()}
    script = given.get(PROGRAM) or os.environ.get("SAGEMAKER_PROGRAM") or "train.py"
    words = []
    for name, value in given.items():
        if name.startswith(OWN):
            continue
        if name == "resume":
            if value.lower() not in ("true", "false"):
                raise UserError(f"hyperparameter resume {value!r}: true or false")
            words += ["--resume"] if value.lower() == "true" else []
        else:
            words.append(f"--{name}={value}")
    return [script, *words]


def plain(value: object) -> str:
    """Return a value of the file as it would be typed: SageMaker's SDK puts quotes around text."""
    if isinstance(value, str) and value[:1] == '"':
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    return value if isinstance(value, str) else json.dumps(value)


def environment() -> dict[str, str]:
    """Return the variables that name the tree's folders."""
    channels = sorted(each.name for each in (ROOT / "input/data").iterdir() if each.is_dir())
    return {
        **{f"SM_CHANNEL_{name.upper()}": str(ROOT / "input/data" / name) for name in channels},
        "SM_CHANNELS": json.dumps(channels),
        "SM_MODEL_DIR": str(ROOT / "model"),
        "SM_OUTPUT_DATA_DIR": str(ROOT / "output/data"),
        "SM_INPUT_DIR": str(ROOT / "input"),
        "SM_INPUT_DATA_CONFIG": json.dumps(config("inputdataconfig.json")),
        "CHECKPOINT_DIR": str(ROOT / "checkpoints"),
    }


def tell(message: str) -> None:
    """Write why the training failed where SageMaker shows it."""
    with contextlib.suppress(OSError):
        (ROOT / "output").mkdir(exist_ok=True)
        (ROOT / "output/failure").write_text(message[-LONGEST_FAILURE:], encoding="utf-8")
