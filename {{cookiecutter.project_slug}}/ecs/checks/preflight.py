"""What can be known of a script before a task is paid for: its imports, and the label of its table."""

import ast
import csv
import importlib.metadata
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ecs import parse
from ecs.console import plain, typed
from ecs.distributions import distribution, normal
from ecs.request import channels
from ecs.settings import Settings

OURS = ("job", "training")  # the machinery, which is in every image
# These were next to train.py in the template's first edition, and a user's older script imports them from there.
MOVED = ("batches", "hyperparameters", "matrices", "resume")
BUNDLED = "train.py"
LABELS = ("label", "target")  # what the bundled script takes for the label by itself
FEATURES = Path("features.py")  # which may make the label of other columns
LOCK = Path("requirements.txt")
LONGEST_HEADER = 1 << 20  # characters


def top_level(source: str) -> list[ast.stmt]:
    """Return the top-level statements of a source; [] if it cannot be parsed, which Python itself explains better."""
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return []


def imports(source: str) -> list[str]:
    """Return the modules that a source imports at its top level, outside ``try`` and ``if``."""
    found = []
    for each in top_level(source):
        if isinstance(each, ast.Import):
            found += [alias.name for alias in each.names]
        elif isinstance(each, ast.ImportFrom) and not each.level and each.module:
            found.append(each.module)
    return list(dict.fromkeys(found))


def inner(source: str, folder: Path, roots: Iterable[Path]) -> Iterator[str]:
    """Give out the paths, without ending, that ``from … import …`` may mean, relative ones included.

    Args:
        source: of a file in ``folder``.
        folder: below the project's.
        roots: where the names of modules begin.
    """
    for each in top_level(source):
        if isinstance(each, ast.ImportFrom):
            above = [folder, *folder.parents][each.level - 1 : each.level] if each.level else roots
            for root in above:
                base = root / (each.module or "").replace(".", "/")
                yield from (
                    path.as_posix() for path in (base, *(base / a.name for a in each.names))
                )


def own(module: str, roots: Iterable[Path], files: set[str]) -> str | None:
    """Return the project's own file behind a module; "" for a folder without one, None: it is no own one.

    A script may have added any folder to sys.path, so its first name is looked for in all of them.
    """
    path = module.replace(".", "/")
    for root in roots:
        for name in (f"{path}.py", f"{path}/__init__.py"):
            if (full := (root / name).as_posix()) in files:
                return full
    top = module.partition(".")[0]
    ends = (f"/{top}.py", f"/{top}/__init__.py")
    elsewhere = sorted(each for each in files if f"/{each}".endswith(ends))
    if elsewhere:
        return elsewhere[0]
    return "" if any(f"/{top}/" in f"/{each}" for each in files) else None


def foreign(script: str, files: Iterable[str], root: Path = Path()) -> Iterator[str]:
    """Give out the top-level names that a script needs from packages, its own modules' included."""
    known = {name for name in files if name.partition("/")[0] not in OURS}
    waiting, seen = [script], set()
    roots = (Path(), Path(script).parent)
    while waiting:
        name = waiting.pop()
        if name in seen or not name.endswith(".py"):
            continue
        seen.add(name)
        source = (root / name).read_text(encoding="utf-8", errors="replace")
        paths = [*inner(source, Path(name).parent, roots)]
        if name != script:  # it is imported, and the packages that it is in are as well
            paths += [each.as_posix() for each in Path(name).parents]
        ends = (".py", "/__init__.py")
        waiting += [path + end for path in paths for end in ends if path + end in known]
        for module in imports(source):
            top = module.partition(".")[0]
            found = own(module, roots, known)
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
        names = names or [distribution(module)]
        if not have & set(names):
            missing.append(names[0])
    return missing


def header(path: Path) -> list[str] | None:
    """Return the names in the first line of a CSV; None where it has none, or is no plain CSV."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(LONGEST_HEADER)
            names = [each.strip() for each in next(csv.reader([line]))]
    except (OSError, UnicodeDecodeError, StopIteration, csv.Error):
        return None
    cut = len(line) == LONGEST_HEADER or line.count('"') % 2  # or a name with a line end
    if (
        cut
        or len(names) < 2
        or all(re.fullmatch(r"[-+]?[\d.]*(e[-+]?\d+)?|nan", each, re.IGNORECASE) for each in names)
    ):
        return None
    return names


def bundled(script: str, root: Path = Path()) -> bool:
    """Tell whether a script is train.py as it is bundled, as far as its label is concerned.

    It is the owner's file: one that does not use training/, or whose features.py does anything, may find a
    label where the table has none.
    """
    if script != BUNDLED or not (root / script).is_file():
        return False
    names = imports((root / script).read_text(encoding="utf-8", errors="replace"))
    if not {name.partition(".")[0] for name in names} & {"training"} or FEATURES.stem not in names:
        return False
    source = (root / FEATURES).read_text(encoding="utf-8") if (root / FEATURES).is_file() else ""
    for each in top_level(source):
        if isinstance(each, ast.FunctionDef) and each.name == FEATURES.stem:
            last = each.body[-1]
            plainly = isinstance(last, ast.Return) and isinstance(last.value, ast.Name)
            alone = len(each.body) == 1 + bool(ast.get_docstring(each))
            return plainly and alone and not each.decorator_list
    return False


def label_missing(settings: Settings) -> tuple[str, str] | None:
    """Return what is wrong with the label of the bundled script's table, and what to type; None: nothing."""
    words = parse.words(settings.args)
    if not bundled(settings.script) or "--help" in words or "-h" in words:
        return None
    given = None
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == "--label":
            given = value if equals else next(iter(words[at + 1 :]), "")
    names = header(Path(channels.parse(settings.data).get(channels.TRAIN, "")))
    found = set(LABELS) & set(names or ())
    if names is None or (given in names if given is not None else len(found) == 1):
        return None
    shown = ", ".join(map(plain, names[:20])) + (", …" if len(names) > 20 else "")
    what = "no column is called label or target"
    if given is not None:
        what = f"no column is called {plain(given)}"
    elif found:
        what = "the table has a column label and a column target"
    name = shlex.quote(names[-1])
    option = f"--label={name}" if names[-1].startswith("-") else f"--label {name}"
    rest = shlex.join(words if given is None else without(words, "--label"))
    return f"{what}; there are {shown}", f"make run {typed('ARGS', f'{option} {rest}'.strip())}"


def without(words: Iterable[str], option: str) -> list[str]:
    """Return ``words`` without an option and its value."""
    found, skip = [], False
    for word in words:
        if not skip and word.partition("=")[0] != option:
            found.append(word)
        skip = word == option
    return found
