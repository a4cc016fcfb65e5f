"""SageMaker's conventions: where it puts data and hyperparameters, and wants the results.

It starts a container with the one word ``train`` over a tree ``/opt/ml``. Nothing here does
anything where that tree is not.
"""

import contextlib
import json
from pathlib import Path

from training import storage
from training.errors import UserError

ROOT = Path("/opt/ml")
OWN = "sagemaker_", "_tuning"  # hyperparameters that are meant for SageMaker's own programs


def words() -> list[str]:
    """Return the hyperparameters as words of a command line, to stand before the real ones.

    Raises:
        UserError: the file of the hyperparameters is no JSON object.
    """
    path = ROOT / "input/config/hyperparameters.json"
    if not path.is_file():
        return []
    found = []
    for name, value in storage.read_json(path).items():
        if name.startswith(OWN):
            continue
        text = plain(value)
        if name == "resume":
            if text.lower() not in ("true", "false"):
                raise UserError(f"hyperparameter resume {text!r}: true or false")
            found += ["--resume"] if text.lower() == "true" else []
        else:
            found.append(f"--{name}={text}")
    return found


def plain(value: object) -> str:
    """Return a value of the file as it would be typed: SageMaker's SDK puts quotes around text."""
    if isinstance(value, str) and value[:1] == '"':
        with contextlib.suppress(ValueError):
            value = json.loads(value)
    return value if isinstance(value, str) else json.dumps(value)


def environment() -> dict[str, str]:
    """Return what SM_CHANNEL_TRAIN and the like would say of the tree; nothing without one."""
    if not (ROOT / "input").is_dir():
        return {}
    channels = {
        f"SM_CHANNEL_{name.upper()}": str(ROOT / "input/data" / name)
        for name in ("train", "validation")
        if (ROOT / "input/data" / name).is_dir()
    }
    results = {"SM_MODEL_DIR": ROOT / "model", "SM_OUTPUT_DATA_DIR": ROOT / "output/data"}
    return channels | {name: str(path) for name, path in results.items()}


def tell(message: str) -> None:
    """Write why the training failed where SageMaker shows it."""
    if (ROOT / "input").is_dir():
        with contextlib.suppress(OSError):
            (ROOT / "output").mkdir(exist_ok=True)
            (ROOT / "output/failure").write_text(message[:1024], encoding="utf-8")
