"""Real data sets as their packages ship them: train.py predicts what the library by itself predicts.

A program by itself, in the environment of a generated project: ``python realsets.py FRAMEWORK PROJECT
FOLDER PACKAGES``, with statsmodels and vega_datasets in PACKAGES. Each file goes to train.py as it is.
By hand it is read with csv, json and datetime of Python alone. Prints one JSON object a set.
"""

import csv
import datetime
import io
import json
import os
import sys
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet
from sklearn import datasets

# file, label, options; what is in PACKAGES, but for the sets of scikit-learn
STATS, VEGA = "statsmodels/datasets/", "vega_datasets/_data/"
SETS = {
    "anes96": (f"{STATS}anes96/anes96.csv", "'vote'", []),
    "cancer": (f"{STATS}cancer/cancer.csv", "cancer", []),
    "ccard": (f"{STATS}ccard/ccard.csv", "AVGEXP", []),
    "china_smoking": (f"{STATS}china_smoking/china_smoking.csv", "smoking_no_cancer_no", ["--id", "Location"]),
    "co2": (f"{STATS}co2/co2.csv", "co2", ["*labelled"]),
    "committee": (f"{STATS}committee/committee.csv", "BILLS104", []),
    "copper": (f"{STATS}copper/copper.csv", "COPPERPRICE", []),
    "cpunish": (f"{STATS}cpunish/cpunish.csv", "EXECUTIONS", ["--objective", "regression"]),
    "elnino": (f"{STATS}elnino/elnino.csv", "DEC", []),
    "engel": (f"{STATS}engel/engel.csv", "foodexp", []),
    "grunfeld": (f"{STATS}grunfeld/grunfeld.csv", "invest", []),
    "grunfeld in Hive's folders": (f"{STATS}grunfeld/grunfeld.csv", "invest", ["*hive"]),
    "heart": (f"{STATS}heart/heart.csv", "survival", []),
    "interest_inflation": (f"{STATS}interest_inflation/E6.csv", "Dp", []),
    "longley": (f"{STATS}longley/longley.csv", "TOTEMP", []),
    "macrodata": (f"{STATS}macrodata/macrodata.csv", "infl", []),
    "modechoice": (f"{STATS}modechoice/modechoice.csv", "choice", []),
    "nile": (f"{STATS}nile/nile.csv", "volume", []),
    "scotland": (f"{STATS}scotland/scotvote.csv", "YES", []),
    "spector": (f"{STATS}spector/spector.csv", "'GRADE'", []),
    "stackloss": (f"{STATS}stackloss/stackloss.csv", "STACKLOSS", ["--objective", "regression"]),
    "star98": (f"{STATS}star98/star98.csv", "MATHTOT", []),
    "statecrime": (f"{STATS}statecrime/statecrime.csv", "murder", []),
    "strikes": (f"{STATS}strikes/strikes.csv", "duration", []),
    "sunspots": (f"{STATS}sunspots/sunspots.csv", "SUNACTIVITY", []),
    "cars": (f"{VEGA}cars.json", "Horsepower", ["--dates", "epoch", "*labelled"]),
    "barley": (f"{VEGA}barley.json", "yield", []),
    "driving": (f"{VEGA}driving.json", "gas", []),
    "iowa-electricity": (f"{VEGA}iowa-electricity.csv", "net_generation", ["--dates", "epoch"]),
    "la-riots": (f"{VEGA}la-riots.csv", "type", ["--dates", "epoch"]),
    "us-employment": (f"{VEGA}us-employment.csv", "nonfarm", ["--dates", "parts"]),
    "airports": (f"{VEGA}airports.csv", "latitude", []),
    "breast cancer": (datasets.load_breast_cancer, "label", []),
    "diabetes": (datasets.load_diabetes, "label", []),
    "iris": (datasets.load_iris, "label", []),
    "wine": (datasets.load_wine, "label", []),
}  # fmt: skip
ROUNDS = 2


def read(source) -> list[dict]:
    """Return the rows of a set: text, numbers, dates and None."""
    if callable(source):
        bunch = source()
        names = [str(name) for name in getattr(bunch, "feature_names", range(bunch.data.shape[1]))]
        rows = [dict(zip(names, row, strict=True)) for row in bunch.data.tolist()]
        return [
            row | {"label": label.item()} for row, label in zip(rows, bunch.target, strict=True)
        ]
    text = Path(source).read_text(encoding="utf-8-sig")
    if source.endswith(".json"):
        rows = json.loads(text)
        names = dict.fromkeys(name for row in rows for name in row)
        return [{name: dated(row.get(name)) for name in names} for row in rows]
    separator = max(",;\t ", key=text.partition("\n")[0].count)
    header, *lines = csv.reader(io.StringIO(text), delimiter=separator)
    columns = {
        name: column(cells) for name, cells in zip(header, zip(*lines, strict=True), strict=True)
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def dated(value: object) -> object:
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError):
        return value


def column(cells: tuple[str, ...]) -> list:
    """Return cells as numbers, dates or text, whichever all of them are."""
    for kind in int, float, datetime.date.fromisoformat:
        try:
            return [None if cell in ("", "NA", "NaN") else kind(cell) for cell in cells]
        except ValueError:
            continue
    return [None if cell in ("", "NA", "NaN") else cell for cell in cells]


def feature(rows: list[dict], name: str, dates: str | None) -> numpy.ndarray:
    """Return the values of a feature as numbers: text as the places of its sorted values."""
    base, _, part = name.partition(".")
    if name not in rows[0] and base in rows[0]:
        parts = {"year": lambda d: d.year, "month": lambda d: d.month, "day": lambda d: d.day}
        take = parts.get(part, lambda d: d.weekday())
        return numpy.array([take(row[base]) for row in rows], float)
    values = [row[name] for row in rows]
    if any(isinstance(value, datetime.date) for value in values):
        first = datetime.date(1970, 1, 1)
        values = [value and (value - first).days for value in values]
    if any(isinstance(value, str) for value in values):
        known = sorted({value for value in values if value is not None})
        values = [None if value is None else known.index(value) for value in values]
    return numpy.array([numpy.nan if value is None else value for value in values], float)


def ours(table: str, label: str, words: list[str], framework: str):
    """Train on a table, predict it, and return what predictions.csv says, and schema.json."""
    import predict
    import train
    from training import program

    rounds = {"xgboost": "--n-estimators", "scikit-learn": "--max-iter"}[framework]
    argv = ["--train", table, "--label", label, "--validation-fraction", "0", "--output", "model"]
    assert program.execute(train.main, [*argv, rounds, str(ROUNDS), *words]) == 0, table
    schema = json.loads(Path("model/schema.json").read_text())
    argv = ["--model", "model", "--data", table, "--output", "out.csv"]
    argv += ["--proba"] if schema["classes"] else []
    assert program.execute(predict.main, argv) == 0, table
    lines = list(csv.reader(Path("out.csv").read_text().splitlines()))[1:]
    skipped = 1 if schema["id"] else 0
    return numpy.array([line[skipped:] for line in lines], float), schema


def by_hand(x: numpy.ndarray, y: numpy.ndarray, schema: dict, framework: str) -> numpy.ndarray:
    """Return what the library makes of features and labels by itself."""
    classes, text = (
        len(schema["classes"]),
        [each["kind"] == "category" for each in schema["columns"]],
    )
    if framework == "scikit-learn":
        from sklearn import ensemble

        kind = "Classifier" if classes else "Regressor"
        model = getattr(ensemble, f"HistGradientBoosting{kind}")
        few = [each and len(numpy.unique(x[:, n])) < 255 for n, each in enumerate(text)]
        model = model(max_iter=ROUNDS, random_state=0, categorical_features=few).fit(x, y)
        return model.predict_proba(x) if classes else model.predict(x)[:, None]
    import xgboost

    parameters = {"seed": 0, "seed_per_iteration": True}
    if classes > 2:
        parameters |= {"objective": "multi:softprob", "num_class": classes}
    elif classes:
        parameters |= {"objective": "binary:logistic"}
    kinds = {"feature_types": ["c" if each else "q" for each in text], "enable_categorical": True}
    matrix = xgboost.QuantileDMatrix(x.astype(numpy.float32), label=y, **kinds)
    booster = xgboost.train(parameters, matrix, ROUNDS)
    output = booster.predict(xgboost.DMatrix(x.astype(numpy.float32), **kinds))
    if classes == 2:
        return numpy.column_stack([1 - output, output])
    return output if output.ndim == 2 else output[:, None]


def prepared(name: str, source, label: str, words: list[str], packages: str):
    """Return the path of the table for train.py, the words for it, and the rows in its order."""
    path = source if callable(source) else f"{packages}/{source}"
    rows = read(path)
    plain = [word for word in words if word[0] != "*"]
    if "*labelled" in words:
        rows = [row for row in rows if row[label] is not None]
    if "*hive" in words:
        parts = {}
        for row in rows:
            parts.setdefault(f"firm={row['firm']}/year={row['year']:.0f}", []).append(row)
        for folder, some in parts.items():
            Path(name, folder).mkdir(parents=True)
            kept = [{key: row[key] for key in ("invest", "value", "capital")} for row in some]
            pyarrow.parquet.write_table(
                pyarrow.Table.from_pylist(kept), f"{name}/{folder}/0.parquet"
            )
        return name, plain, [row for folder in sorted(parts, key=Path) for row in parts[folder]]
    if callable(source) or source.endswith(".json") or len(plain) < len(words):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), f"{name}.parquet")
        return f"{name}.parquet", plain, rows
    return path, plain, rows


def main() -> None:
    framework, project, folder, packages = sys.argv[1:]
    sys.path.insert(0, project)
    os.chdir(folder)
    os.environ["SM_NUM_CPUS"] = "1"
    for name, (source, label, words) in SETS.items():
        table, plain, rows = prepared(name, source, label, words, packages)
        found, schema = ours(table, label, plain, framework)
        names = [each["name"] for each in schema["columns"]]
        dates = schema["reading"].get("dates")
        x = numpy.column_stack([feature(rows, each, dates) for each in names])
        known = [str(each) for each in schema["classes"]]
        values = [row[label] for row in rows]
        y = numpy.array([known.index(str(v)) for v in values] if known else values, float)
        wanted = by_hand(x, y, schema, framework)
        line = {
            "set": name,
            "rows": len(rows),
            "columns": names,
            "text": sum(each["kind"] == "category" for each in schema["columns"]),
            "gaps": int(numpy.isnan(x).sum()),
            "dates": dates,
            "difference": float(numpy.abs(found - wanted).max()),
        }
        print(json.dumps(line), flush=True)
        assert line["difference"] <= 1e-6 * max(1, float(numpy.abs(wanted).max())), line


if __name__ == "__main__":
    main()
