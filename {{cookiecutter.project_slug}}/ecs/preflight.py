"""What can be known of a script before a task is paid for: its imports, and the label of its table."""

import ast
import csv
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ecs import channels, request
from ecs.console import plain
from ecs.settings import Settings

OURS = ("job", "training")  # the machinery, which is in every image
# What lay beside train.py in the template's first edition: an older script of a user's imports it from there.
MOVED = ("batches", "hyperparameters", "matrices", "resume")
BUNDLED = "train.py"
LABELS = ("label", "target")  # what the bundled script takes for the label by itself
LOCK = Path("requirements.txt")
# Distributions whose modules have another name, for those that are not installed here.
DISTRIBUTIONS = {
    "PIL": "pillow", "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil", "dotenv": "python-dotenv", "google": "google-api-core",
    "jwt": "pyjwt", "psycopg2": "psycopg2-binary", "skimage": "scikit-image", "sklearn": "scikit-learn",
    "umap": "umap-learn", "yaml": "pyyaml",
}  # fmt: skip


def normal(name: str) -> str:
    """Return a distribution's name as all spellings of it have in common (PyPA's name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imports(source: str) -> list[str]:
    """Return the modules that a source imports at its top level, outside ``try`` and ``if``; [] of none."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return []  # Python itself says it better
    found = []
    for each in body:
        if isinstance(each, ast.Import):
            found += [alias.name for alias in each.names]
        elif isinstance(each, ast.ImportFrom) and not each.level and each.module:
            found.append(each.module)
    return list(dict.fromkeys(found))


def own(module: str, folders: Iterable[Path], files: set[str]) -> str | None:
    """Return the project's own file behind a module, by its relative path; None: it is no own one."""
    path = module.replace(".", "/")
    for folder in folders:
        for name in (f"{path}.py", f"{path}/__init__.py"):
            full = (folder / name).as_posix()
            if full in files:
                return full
        if any(each.startswith(f"{(folder / path).as_posix()}/") for each in files):
            return ""  # a folder without __init__.py
    return None


def foreign(script: str, files: Iterable[str], root: Path = Path()) -> Iterator[str]:
    """Give out the top-level names that a script needs from packages, its own modules' included."""
    known, waiting, seen = set(files), [script], set()
    while waiting:
        name = waiting.pop()
        if name in seen or not name.endswith(".py"):
            continue
        seen.add(name)
        source = (root / name).read_text(encoding="utf-8", errors="replace")
        for module in imports(source):
            top = module.partition(".")[0]
            found = own(module, (Path(), Path(name).parent), known)
            if found is None:
                found = own(top, (Path(), Path(name).parent), known)
            if found:
                waiting.append(found)
            elif found is None and top not in sys.stdlib_module_names and top not in OURS:
                yield top


def moved(script: str, files: Iterable[str]) -> list[str]:
    """Return the modules of this template that a script imports from where they no longer are."""
    return [name for name in dict.fromkeys(foreign(script, files)) if name in MOVED]


def locked(path: Path = LOCK) -> set[str]:
    """Return the names of the distributions in the image."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {normal(each) for each in re.findall(r"^([A-Za-z0-9][\w.-]*)==", text, re.MULTILINE)}


def lacking(script: str, files: Iterable[str], extras: Iterable[str] = ()) -> list[str]:
    """Return the distributions that a script imports and the image lacks."""
    have = locked().union(*(locked(Path(f"requirements-{each}.txt")) for each in extras))
    by_module = importlib.metadata.packages_distributions()
    missing = []
    for module in dict.fromkeys(foreign(script, files)):
        names = [normal(each) for each in by_module.get(module, [])]
        names = names or [normal(DISTRIBUTIONS.get(module, module))]
        if not have & set(names):
            missing.append(names[0])
    return missing


def header(path: Path) -> list[str] | None:
    """Return the names in the first line of a CSV; None where it has none, or is no plain CSV."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = [each.strip() for each in next(csv.reader([file.readline(1 << 20)]))]
    except (OSError, UnicodeDecodeError, StopIteration, csv.Error):
        return None
    if len(names) < 2 or all(
        re.fullmatch(r"[-+]?[\d.]*(e[-+]?\d+)?|nan", each, re.IGNORECASE) for each in names
    ):
        return None
    return names


def label_missing(settings: Settings) -> tuple[str, str] | None:
    """Return what is wrong with the label of the bundled script's table, and what to type; None: nothing."""
    if settings.script != BUNDLED:
        return None
    words = request.words(settings.args)
    given = next(
        (
            word.partition("=")[2] if "=" in word else next(iter(words[at + 1 :]), "")
            for at, word in enumerate(words)
            if word.partition("=")[0] == "--label"
        ),
        None,
    )
    if "--help" in words:
        return None
    names = header(Path(channels.parse(settings.data).get(channels.TRAIN, "")))
    if names is None or (given in names if given else set(LABELS) & set(names)):
        return None
    shown = ", ".join(map(plain, names[:20]))
    what = f"no column is called {plain(given)}" if given else "no column is called label or target"
    return f"{what}; there are {shown}", f'make run ARGS="--label {plain(names[-1])}"'
