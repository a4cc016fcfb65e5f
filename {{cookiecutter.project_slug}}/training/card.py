"""model-card.md: what a model is, for somebody who was not there."""

import re
from collections.abc import Iterable, Mapping, Sequence

from training.errors import one_line

TOP = 10  # features


def card(origin: Mapping, report: Mapping, importance: Mapping, schema: Mapping) -> str:
    """Return the model card as Markdown, from training.json, metrics.json and so on."""
    scores = {part: report[part] for part in ("train", "validation") if report[part]}
    names = list(scores["train"])
    measured = [(part, *(shown(each[name]) for name in names)) for part, each in scores.items()]
    first = [(name, shown(value)) for name, value in list(importance["features"].items())[:TOP]]
    what = (
        f"{schema['objective'].capitalize()} of `{code(schema['label'])}` from "
        f"{len(schema['columns'])} columns, trained {origin['started']} (UTC), "
        f"objective `{code(report['objective'])}`, seed {report['seed']}."
    )
    return "\n".join(
        [
            "# Model card",
            "",
            what,
            *([f"Note: {cell(report['note'])}"] if report["note"] else []),
            *classes(schema),
            *section("Data", ("set", "rows", "from"), data_rows(report)),
            *section("Metrics", ("set", *names), measured),
            *section("Hyperparameters", ("name", "value"), report["hyperparameters"].items()),
            *section(
                f"Importance ({importance['kind']}, the first {TOP})", ("column", "value"), first
            ),
            f"It is the {cell(importance['meaning'])}. Importance is no cause.",
            *section("Made with", ("package", "version"), report["versions"].items()),
            "",
            "## How to predict",
            "",
            "`python predict.py --model FOLDER --data TABLE`, where FOLDER is the one of this file and",
            "TABLE has the columns of schema.json by name, in any order.",
            "",
            "## Limits",
            "",
            *(f"- {limit}" for limit in limits(report, schema)),
            "",
        ]
    )


def limits(report: Mapping, schema: Mapping) -> list[str]:
    """Return what the metrics do not say, as far as it can be known here."""
    found = []
    if report["validation"] is None:
        found.append("No rows were held out: the metrics say nothing of rows it has not seen.")
    elif report["data"]["validation"] is None:
        found.append(
            "The validation rows were drawn from the same table: of data of another time or place "
            "the metrics say nothing."
        )
    if report["validation"] and report["hyperparameters"].get("early_stopping_rounds"):
        found.append("The validation rows decided when to stop: their metrics are a little rosy.")
    if any(column["kind"] == "category" for column in schema["columns"]):
        found.append("A category that the training table did not have counts as missing.")
    found.append("Whether it treats groups of people alike was not looked at.")
    return found


def classes(schema: Mapping) -> list[str]:
    """Return a line with the classes; nothing in regression."""
    names = [cell(name) for name in schema["classes"]]
    if not names:
        return []
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ["", f"Classes: {', '.join(names[:20])}{more}."]


def data_rows(report: Mapping) -> list[tuple]:
    """Return set, rows and source of every set."""
    source = report["data"]["train"]
    held_out = report["data"]["validation"] or f"held out of {source}"
    sources = {"train": source, "validation": held_out}
    return [(part, f"{rows:,}", sources[part]) for part, rows in report["rows"].items()]


def section(title: str, header: Sequence[str], rows: Iterable[Iterable]) -> list[str]:
    """Return the lines of a heading and a table; nothing without rows."""
    lines = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    if not lines:
        return []
    head = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    return ["", f"## {title}", "", *head, *lines, ""]


def shown(value: float | None) -> str:
    """Return a number for a reader."""
    return "undefined" if value is None else f"{value:.5g}"


def cell(value: object) -> str:
    """Return ``value`` as plain text of Markdown: one line, no markup, no HTML."""
    text = re.sub(r"[\\|`*_\[\]]", r"\\\g<0>", one_line(value))
    return text.replace("&", "&amp;").replace("<", "&lt;")


def code(value: object) -> str:
    """Return ``value`` as it may stand between two backticks."""
    return one_line(value).replace("`", "'")
