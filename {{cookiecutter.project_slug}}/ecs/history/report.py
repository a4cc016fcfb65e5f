"""One HTML page of what a run left behind: a local folder in, a string out.

All drawings are inline SVG made here; the page has no script and asks no other machine for
anything. Whatever comes from the run's files is escaped, and what is not there is left out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ecs.console import redacted
from ecs.history.measures import measures
from ecs.history.sound import is_number, parsed

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 420, 260, 56, 40, 12  # of a drawing and its margins, in pixels
COLOURS = ("#2563a8", "#c2571a", "#2c8a4b", "#8a3fa0", "#a08a1a", "#1a8a8a")
TOP_FEATURES = 20
MOST_POINTS = 500  # of a line
MOST_FILES = 100
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:920px;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:.5em 0}td,th{padding:.15em .8em .15em 0;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}svg{font:11px system-ui,sans-serif;max-width:100%}"
    "figure{display:inline-block;margin:.5em 1em .5em 0}figcaption{font-weight:600}"
)
POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
)
NAMES = ("run", "result", "metrics", "importance", "curves", "manifest", "training", "schema")
# A line of a drawing: its name and its points.
Line = tuple[str, Sequence[tuple[float, float]]]


def read(folder: Path) -> dict[str, dict]:
    """Return the JSON files of a run by name; {} for one that is not there or is no object."""
    found = {}
    for name in NAMES:
        try:
            value = parsed((folder / f"{name}.json").read_bytes())
        except (OSError, ValueError):
            value = {}
        found[name] = value if isinstance(value, dict) else {}
    return found


def page(run: str, files: Mapping[str, dict]) -> str:
    """Return the page of a run, from what ``read`` found."""
    metrics, curves = files["metrics"], files["curves"]
    whose = f" ({curves['set']} rows)" if isinstance(curves.get("set"), str) else ""
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            POLICY,
            f"<title>{text(run)}</title><style>{STYLE}</style></head><body>",
            f"<h1>Run {text(run)}</h1>",
            table(verdict(files)),
            section("Metrics", scores(metrics)),
            section("Learning curves", *learning(mapping(metrics.get("history")))),
            section("Importance", importance(files["importance"])),
            section(f"Classes{whose}", *classes(curves.get("classes"))),
            section(f"Residuals{whose}", *residuals(curves)),
            section("Parameters", table(mapping(metrics.get("hyperparameters")).items())),
            section("Data", table(data(files))),
            section("Files", table(saved(files["manifest"]))),
            section("Made with", table(mapping(metrics.get("versions")).items())),
            "</body></html>\n",
        ]
    )


# ---- sections


def verdict(files: Mapping[str, dict]) -> list[tuple[str, Any]]:
    """Return how the run ended and what it was, as rows of a table."""
    result, record, manifest, metrics = (
        files[name] for name in ("result", "run", "manifest", "metrics")
    )
    code = result.get("exit_code", manifest.get("exit_code"))
    ended = "Complete" if manifest or metrics else "Unknown"
    argv = manifest.get("argv")
    words = [manifest.get("script"), *(argv if isinstance(argv, list) else [])]
    peak = number(metrics.get("peak_memory_bytes"))
    rows = [
        ("state", result.get("state") or ("Failed" if code else ended)),
        ("exit code", code),
        ("cause", result.get("cause")),
        ("objective", metrics.get("objective")),
        ("label", files["schema"].get("label")),
        ("note", metrics.get("note")),
        ("started", record.get("started") or manifest.get("started")),
        ("seconds", metrics.get("seconds")),
        ("peak memory", None if peak is None else f"{peak / 1e6:,.0f} MB"),
        ("rounds", metrics.get("rounds")),
        ("attempts", metrics.get("attempts")),
        ("seed", metrics.get("seed")),
        ("command line", redacted(" ".join(str(word) for word in words if word is not None))),
        ("revision", record.get("revision") or manifest.get("git_revision")),
        ("image", record.get("image") or manifest.get("image")),
        ("task", record.get("task") or manifest.get("task")),
    ]
    return [(name, value) for name, value in rows if value not in (None, "")]


def scores(metrics: Mapping) -> str:
    """Return the metrics, a row a set; of any script's metrics.json."""
    parts = measures(metrics)
    names = list(dict.fromkeys(name for values in parts.values() for name in values))
    rows = [
        (part, mapping(metrics.get("rows")).get(part, ""), *(shown(values.get(n)) for n in names))
        for part, values in parts.items()
    ]
    return table(rows, ("set", "rows", *names))


def learning(history: Mapping) -> Iterable[str]:
    """Give a drawing for every metric that was followed round by round, a line a set."""
    parts = {part: mapping(values) for part, values in history.items()}
    for metric in dict.fromkeys(name for values in parts.values() for name in values):
        lines = [
            (part, pairs(range(1, len(values[metric]) + 1), values[metric]))
            for part, values in parts.items()
            if isinstance(values.get(metric), list)
        ]
        yield drawing(metric, lines, "round", metric)


def importance(found: Mapping) -> str:
    """Return bars, the longest first."""
    features = [
        (name, value)
        for name, value in mapping(found.get("features")).items()
        if number(value) is not None
    ]
    if not features:
        return ""
    more = len(features) - TOP_FEATURES
    rest = f"; {more:,} columns more in importance.json" if more > 0 else ""
    words = f"{found.get('kind', '')}: {found.get('meaning', '')}{rest}"
    return bars(features[:TOP_FEATURES]) + f"<p>{text(words)}</p>"


def classes(found: Any) -> Iterable[str]:
    """Give ROC, PR and calibration, a line a class."""
    each = [mapping(one) for one in found] if isinstance(found, list) else []
    kinds = (
        ("ROC", "roc", "fpr", "tpr", "false positive rate", "true positive rate"),
        ("Precision and recall", "pr", "recall", "precision", "recall", "precision"),
        (
            "Calibration",
            "calibration",
            "predicted",
            "observed",
            "probability said",
            "share observed",
        ),
    )
    for title, kind, x, y, x_words, y_words in kinds:
        lines = [
            (str(one.get("name")), pairs(values.get(x), values.get(y)))
            for one in each
            if (values := mapping(one.get(kind)))
        ]
        diagonal = [(0.0, 0.0), (1.0, 1.0)] if kind != "pr" else []
        yield drawing(title, lines, x_words, y_words, (0, 1, 0, 1), diagonal)


def residuals(curves: Mapping) -> Iterable[str]:
    """Give the histogram of the residuals, and true against predicted numbers."""
    found = mapping(curves.get("residuals"))
    edges, counts = found.get("edges"), found.get("counts")
    if isinstance(edges, list) and isinstance(counts, list):
        steps = [
            point
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
            for point in ((low, 0), (low, count), (high, count), (high, 0))
        ]
        line = pairs([x for x, _ in steps], [y for _, y in steps])
        yield drawing("Residuals", [("", line)], "label - prediction", "rows")
    means = mapping(curves.get("predicted_and_true"))
    line = pairs(means.get("predicted"), means.get("true"))
    ends = [(value, value) for value, _ in (line[:1] + line[-1:])]
    yield drawing(
        "Predicted and true, means of groups", [("", line)], "predicted", "true", diagonal=ends
    )


def data(files: Mapping[str, dict]) -> list[tuple]:
    """Return which tables, or else which channels, were read, as far as it is known."""
    tables = mapping((files["training"] or files["manifest"]).get("data"))
    if tables:
        return [(part, *mapping(facts).values()) for part, facts in tables.items()]
    rows = [row for row in mapping(files["metrics"].get("data")).items() if row[1] is not None]
    channels = mapping(files["manifest"].get("channels"))
    return rows or [
        (name, mapping(each).get("uri", ""), f"{len(mapping(mapping(each).get('files'))):,} files")
        for name, each in channels.items()
    ]


def saved(manifest: Mapping) -> list[tuple]:
    """Return the files that a run has left, with their sizes."""
    files = mapping(manifest.get("files"))
    if manifest.get("exit_code") == 0 and not files:
        return [("none", "the script saved nothing")]
    rows = [
        (name, f"{number(mapping(each).get('size_bytes')) or 0:,.0f} bytes")
        for name, each in list(files.items())[:MOST_FILES]
    ]
    more = len(files) - MOST_FILES
    return [*rows, ("…", f"{more:,} more")] if more > 0 else rows


# ---- drawings


def drawing(
    title: str,
    lines: Sequence[Line],
    x_words: str,
    y_words: str,
    limits: tuple[float, float, float, float] | None = None,
    diagonal: Sequence[tuple[float, float]] = (),
) -> str:
    """Return lines in a frame as SVG; nothing when no line has a point.

    Args:
        title: above it.
        lines: to draw, each in its colour.
        x_words: below the axis.
        y_words: beside the other.
        limits: least and greatest x, least and greatest y; None: those of the points.
        diagonal: a thin dashed line.
    """
    lines = [(name, thinned(points)) for name, points in lines if points]
    if not lines:
        return ""
    points = [point for _, each in lines for point in each]
    low_x, high_x, low_y, high_y = limits or (
        *ends([x for x, _ in points]),
        *ends([y for _, y in points]),
    )

    def place(x: float, y: float) -> str:
        across = LEFT + (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - 12)
        down = HEIGHT - BOTTOM - (y - low_y) / (high_y - low_y) * (HEIGHT - BOTTOM - TOP)
        return f"{across:.1f},{down:.1f}"

    def path(points: Iterable[tuple[float, float]], style: str) -> str:
        return f'<polyline fill="none" {style} points="{" ".join(place(*p) for p in points)}"/>'

    right, base = WIDTH - 12, HEIGHT - BOTTOM
    parts = [
        f'<path d="M{LEFT} {TOP}V{base}H{right}" fill="none" stroke="#888"/>',
        label(LEFT, base + 14, shown(low_x)),
        label(right, base + 14, shown(high_x), "end"),
        label((LEFT + right) / 2, base + 30, x_words, "middle"),
        label(LEFT - 5, base, shown(low_y), "end"),
        label(LEFT - 5, TOP + 9, shown(high_y), "end"),
        label(LEFT + 4, TOP + 9, y_words),
    ]
    if diagonal:
        parts.append(path(diagonal, 'stroke="#999" stroke-dasharray="4 4"'))
    for number_of, (name, each) in enumerate(lines):
        colour = COLOURS[number_of % len(COLOURS)]
        if len(each) == 1:  # a line of one point is nothing to see
            x, y = place(*each[0]).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
        parts.append(path(each, f'stroke="{colour}" stroke-width="1.6"'))
        if name:
            parts.append(label(right, TOP + 24 + 14 * number_of, short(name, 24), "end", colour))
    return figure(title, HEIGHT, parts)


def bars(values: Sequence[tuple[str, float]]) -> str:
    """Return horizontal bars as SVG, with their names and numbers."""
    side, step = 190, 18
    longest = max(abs(value) for _, value in values) or 1
    parts = []
    for row, (name, value) in enumerate(values):
        down = row * step
        length = max(0.0, value) / longest * (WIDTH - side - 70)
        shape = f'x="{side}" y="{down + 2}" width="{length:.1f}" height="{step - 5}"'
        parts += [
            label(side - 6, down + 12, short(name, 30), "end"),
            f'<rect {shape} fill="{COLOURS[0]}"/>',
            label(side + length + 5, down + 12, shown(value)),
        ]
    return figure("", len(values) * step + 4, parts)


def figure(title: str, height: int, parts: Iterable[str]) -> str:
    """Return parts of SVG as a figure with its title."""
    caption = f"<figcaption>{text(title)}</figcaption>" if title else ""
    return (
        f'<figure>{caption}<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{text(title or "bars")}">{"".join(parts)}</svg></figure>'
    )


def label(x: float, y: float, words: str, anchor: str = "start", colour: str = "#333") -> str:
    """Return a text of SVG."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text(words)}</text>'
    )


# ---- parts


def section(title: str, *content: str) -> str:
    """Return a heading and what is below it; nothing when that is empty."""
    inside = "".join(content)
    return f"<h2>{text(title)}</h2>\n{inside}" if inside else ""


def table(rows: Iterable[Iterable], header: Sequence[str] = ()) -> str:
    """Return a table whose rows begin with a name; nothing without rows."""
    lines = []
    for row in rows:
        name, *cells = row
        inside = "".join(f"<td>{text(value)}</td>" for value in cells)
        lines.append(f"<tr><th>{text(name)}</th>{inside}</tr>")
    if not lines:
        return ""
    head = "".join(f"<th>{text(name)}</th>" for name in header)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{''.join(lines)}</table>"


def text(value: object) -> str:
    """Return ``value`` as text of HTML, also between quotes; what is no character becomes one."""
    words = "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in str(value)
    )
    return escape(words.encode("utf-8", "replace").decode())


def short(words: str, most: int) -> str:
    """Return ``words`` with no more than ``most`` characters."""
    return words if len(words) <= most else words[: most - 1] + "…"


def shown(value: object) -> str:
    """Return a number as people read it."""
    return "undefined" if number(value) is None else f"{value:.5g}"


def number(value: object) -> float | None:
    """Return ``value`` if it is a finite number."""
    return value if is_number(value) else None


def mapping(value: object) -> Mapping:
    """Return ``value`` if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def pairs(x: object, y: object) -> list[tuple[float, float]]:
    """Return the points of two lists; those that have no finite number are left out."""
    if not isinstance(x, Sequence) or not isinstance(y, Sequence):
        return []
    both = zip(x, y, strict=False)
    return [(a, b) for a, b in both if number(a) is not None and number(b) is not None]


def thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Return no more than MOST_POINTS of ``points``, or two more; first and last stay."""
    step = math.ceil(len(points) / MOST_POINTS)
    return [*points[:-1:step], points[-1]]


def ends(values: Sequence[float]) -> tuple[float, float]:
    """Return least and greatest value, made different when they are the same."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
