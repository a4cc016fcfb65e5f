"""model-card.md: what a model is, for somebody who was not there."""

from collections.abc import Iterable, Mapping

from training.errors import one_line

TOP = 10  # features


def card(origin: Mapping, report: Mapping, importance: Mapping, schema: Mapping) -> str:
    """Return the model card as Markdown, from training.json, metrics.json and so on."""
    scores = {part: report[part] for part in ("train", "validation") if report[part]}
    names = list(scores["train"])
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
            *section(
                "Metrics",
                ("set", *names),
                [
                    (part, *(shown(values[name]) for name in names))
                    for part, values in scores.items()
                ],
            ),
            *section("Hyperparameters", ("name", "value"), report["hyperparameters"].items()),
            *section(
                f"Importance ({importance['kind']}, the first {TOP})",
                ("column", "value"),
                [
                    (name, shown(value))
                    for name, value in list(importance["features"].items())[:TOP]
                ],
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
    names = [cell(name) for name in schema["classes"][:20]]
    more = len(schema["classes"]) - len(names)
    if not names:
        return []
    return ["", f"Classes: {', '.join(names)}" + (f" and {more} more" if more else "") + "."]


def data_rows(report: Mapping) -> list[tuple]:
    """Return set, rows and source of every set."""
    source = report["data"]["train"]
    held_out = report["data"]["validation"] or f"held out of {source}"
    sources = {"train": source, "validation": held_out}
    return [(part, f"{rows:,}", sources[part]) for part, rows in report["rows"].items()]


def section(title: str, header: Iterable[str], rows: Iterable[Iterable]) -> list[str]:
    """Return the lines of a heading and a table; nothing without rows."""
    lines = ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return []
    header = list(header)
    return [
        "", f"## {title}", "", "| " + " | ".join(header) + " |", "|---" * len(header) + "|", *lines, "",
    ]  # fmt: skip


def shown(value: float | None) -> str:
    """Return a number for a reader."""
    return "undefined" if value is None else f"{value:.5g}"


def cell(value: object) -> str:
    """Return ``value`` as plain text of Markdown: one line, no markup, no HTML."""
    text = one_line(value).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for sign in "|`*_[]":
        text = text.replace(sign, f"\\{sign}")
    return text


def code(value: object) -> str:
    """Return ``value`` as it may stand between two backticks."""
    return one_line(value).replace("`", "'")
