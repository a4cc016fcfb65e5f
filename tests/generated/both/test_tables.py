"""Odd tables: what comes out of each, or the sentence that refuses it. One table of cases a kind.

The values that must come out are those of pandas 3 and pyarrow 26 (read_csv, read_parquet, dataset)
on the same files, written down here; what a sentence says to type is typed.
"""

import contextlib
import gzip
import json
import math
import re
import shlex
from decimal import Decimal
from pathlib import Path

import numpy
import predict
import pyarrow
import pyarrow.parquet
import pytest
import train
from training import arguments, data, delimited
from training.library import model
from training.library.model import FILE

XGBOOST = FILE == "model.ubj"
QUICK = ["--n-estimators", "2"] if XGBOOST else ["--max-iter", "2"]
NAN = math.nan
N = 12  # rows of most tables


def put(path, content):
    """Write bytes, text, or columns as Parquet."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict | pyarrow.Table):
        content = pyarrow.table(content) if isinstance(content, dict) else content
        pyarrow.parquet.write_table(content, path)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def lines(header, row, rows=N, end="\n"):
    """Return a CSV of a header, none if it is empty, and rows made by a function of their number."""
    return end.join([*filter(None, [header]), *(row(n) for n in range(rows)), ""])


def loaded(*argv):
    """Return what train.py would train on, all rows of it."""
    words = ["--validation-fraction", "0", *map(str, argv)]
    options = arguments.train(words, {"seed": 0})[0]
    return data.load(options, None, numpy.float64, absent=model.ABSENT)


def columns(dataset):
    """Return the features by name."""
    rows = dataset.sets["train"]
    return dict(zip(dataset.schema.names(), rows.features.T.tolist(), strict=True))


def same(found, wanted):
    return len(found) == len(wanted) and numpy.array_equal(found, wanted, equal_nan=True)


def typed(sentence):
    """Return the ways on that a sentence names, as words of a command line."""
    words = re.findall(r"--[a-z]+(?:=| )(?:'[^']*'|\"[^\"]*\"|\S+)", sentence)
    return [shlex.split(word.rstrip(",;:")) for word in words]


def trains(run, table, *argv):
    status, out, error = run(train, "--train", table, "--output", "m", *QUICK, *argv)
    assert status == 0, out + error
    return out


def refused(run, table, *argv):
    status, out, error = run(train, "--train", table, "--output", "none", *QUICK, *argv)
    assert (status, error.count("\n"), "Traceback" in error) == (2, 1, False), out + error
    assert not Path("none").exists()
    return error


# ---- what comes out: file, options, columns that must come out, a line of the log

NUMBERS = [n * 1.5 + 0.25 for n in range(N)]
COMMAS = [f"{n * 1.5 + 0.25:.2f}".replace(".", ",") for n in range(N)]
THOUSANDS = [1000.0 * n + 234 for n in range(1, N + 1)]
GROUPED = [f"{int(n):,}" for n in THOUSANDS]
LABEL = [n % 2 for n in range(N)]
PLAIN = lines("a,label", lambda n: f"{NUMBERS[n]},{LABEL[n]}")


def holes(values, place=2):
    return [NAN if n == place else value for n, value in enumerate(values)]


def cells(word, place=2):
    return lambda n: f"{word if n == place else NUMBERS[n]},{LABEL[n]}"


HEADED = "a,label"
READ = {
    **{
        f"a number column with {word!r}, named": (
            lines(HEADED, cells(word)), [f"--missing={word}"], {"a": holes(NUMBERS)}, "1"
        )
        for word in ("?", "-", "None", "-999", "unknown", "n.a.", "n a")
    },
    "two words": (
        lines(HEADED, lambda n: f"{'?' if n == 2 else '-' if n == 3 else NUMBERS[n]},{LABEL[n]}"),
        ["--missing", "?,-"], {"a": holes(holes(NUMBERS), 3)}, "1",
    ),
    "NA is a number column's gap whatever --missing says": (
        lines(HEADED, cells("NA")), ["--missing", "?"], {"a": holes(NUMBERS)}, "1"
    ),
    "Namibia by default": (
        lines("country,label", lambda n: f"{['NA', 'DE', 'FR'][n % 3]},{LABEL[n]}"), [],
        {"country": [[NAN, 0, 1][n % 3] for n in range(N)]},
        "column 'country': 'NA' stands for a missing value (--missing '' keeps it as text)",
    ),
    "Namibia by --missing": (
        lines("country,label", lambda n: f"{['NA', 'DE', ''][n % 3]},{LABEL[n]}"),
        ["--missing", ""], {"country": [[1, 0, NAN][n % 3] for n in range(N)]},
        "column 'country': 'NA' is text, since --missing does not name it",
    ),
    "decimal commas between semicolons": (
        lines("a;label", lambda n: f"{COMMAS[n]};{LABEL[n]}"), ["--decimal", ","],
        {"a": NUMBERS}, "columns are separated by ';'",
    ),
    "decimal commas in quotes": (
        lines(HEADED, lambda n: f'"{COMMAS[n]}",{LABEL[n]}'), ["--decimal", ","], {"a": NUMBERS}, "1"
    ),
    "thousands between commas": (
        lines(HEADED, lambda n: f'"{GROUPED[n]}",{LABEL[n]}'), ["--decimal", "."],
        {"a": THOUSANDS}, "column 'a': its text is read as numbers (--text a keeps it)",
    ),
    "thousands by points, decimal commas": (
        lines("a;label", lambda n: f"{GROUPED[n].replace(',', '.')},5;{LABEL[n]}"),
        ["--decimal", ","], {"a": [n + 0.5 for n in THOUSANDS]}, "read as numbers",
    ),
    "thousands by blanks": (
        lines(HEADED, lambda n: f"{GROUPED[n].replace(',', chr(0xA0))},{LABEL[n]}"),
        ["--decimal", "."], {"a": THOUSANDS}, "read as numbers",
    ),
    "digits as text": (
        lines(HEADED, lambda n: f"{n % 3},{LABEL[n]}"), ["--text", "a"],
        {"a": [float(n % 3) for n in range(N)]}, "a       category  3",
    ),
    "tabs": (lines("a\tlabel", lambda n: f"{n}\t{LABEL[n]}"), [], {"a": [*range(N)]}, "by a tab"),
    "pipes": (lines("a|label", lambda n: f"{n}|{LABEL[n]}"), [], {"a": [*range(N)]}, "by '|'"),
    "a separator of one's own": (
        lines("a:label", lambda n: f"{n}:{LABEL[n]}"), ["--separator", ":"], {"a": [*range(N)]}, "1"
    ),
    "a comma in text beside semicolons": (
        lines("t;a;label", lambda n: f"{'x, y' if n % 2 else 'z'};{n};{n % 3}"), [],
        {"t": [1.0 - n % 2 for n in range(N)], "a": [*range(N)]}, "by ';'",
    ),
    "UTF-16": (PLAIN.encode("utf-16"), [], {"a": NUMBERS}, "the file is utf-16"),
    "UTF-16, big end first": (
        b"\xfe\xff" + PLAIN.encode("utf-16-be"), [], {"a": NUMBERS}, "the file is utf-16"
    ),
    "UTF-16 without a mark": (
        PLAIN.encode("utf-16-le"), ["--encoding", "utf-16-le"], {"a": NUMBERS}, "1"
    ),
    "UTF-32": (PLAIN.encode("utf-32"), [], {"a": NUMBERS}, "the file is utf-32"),
    "Latin-1": (
        PLAIN.replace("a,", "größe,").encode("latin-1"), ["--encoding", "latin-1"],
        {"größe": NUMBERS}, "größe",
    ),
    "gzip called .csv": (gzip.compress(PLAIN.encode()), [], {"a": NUMBERS}, "the file is gzip"),
    "a byte order mark": (b"\xef\xbb\xbf" + PLAIN.encode(), [], {"a": NUMBERS}, "1"),
    "a byte order mark and no header": (
        b"\xef\xbb\xbf" + lines("", lambda n: f"{LABEL[n]},{NUMBERS[n]}").encode(), [],
        {"f1": NUMBERS}, "no header",
    ),
    "blank lines first": ("\n\n" + PLAIN, [], {"a": NUMBERS}, "1"),
    "blank lines first, no header": (
        "\n\n" + lines("", lambda n: f"{LABEL[n]},{NUMBERS[n]}"), [], {"f1": NUMBERS}, "no header"
    ),
    "carriage returns": (PLAIN.replace("\n", "\r"), [], {"a": NUMBERS}, "1"),
    "carriage returns, no header": (
        lines("", lambda n: f"{LABEL[n]},{NUMBERS[n]}", end="\r"), [], {"f1": NUMBERS}, "no header"
    ),
    "NA in the first row": (
        lines("", lambda n: f"{LABEL[n]},{'NA' if n == 0 else NUMBERS[n]}"), [],
        {"f1": holes(NUMBERS, 0)}, "no header",
    ),
    "names that are years, with --header yes": (
        lines("2019,2020,2021", lambda n: f"{n % 2},{n},{n * n % 7}"),
        ["--header", "yes", "--label", "2019"],
        {"2020": [*range(N)], "2021": [n * n % 7 for n in range(N)]}, "read t.csv: 12 rows",
    ),
    "years that are a row, with --header no": (
        lines("", lambda n: f"{2019 + n % 2},{2020 + n}"), ["--header", "no"],
        {"f1": [2020 + n for n in range(N)]}, "read t.csv: 12 rows",
    ),
    "a first line of more than 64 KiB": (
        lines("a,label,b", lambda n: f"{n},{LABEL[n]},{'x' if n else 'y' * 70_000}"), [],
        {"a": [*range(N)]}, "read t.csv: 12 rows",
    ),
    "a header of more than 64 KiB": (
        lines(f"a,label,{'b' * 70_000}", lambda n: f"{n},{LABEL[n]},1"), [], {"a": [*range(N)]},
        "read t.csv: 12 rows",
    ),
    "blanks in names": (
        lines(" a, b , label", lambda n: f"{n}, {n % 5}, {LABEL[n]}"), [],
        {"a": [*range(N)], "b": [n % 5 for n in range(N)]}, "1",
    ),
    "an unnamed first column": (
        lines(",a,label", lambda n: f"{n},{NUMBERS[n]},{LABEL[n]}"), [], {"a": NUMBERS},
        "left out, it numbers or names the rows: ''",
    ),
    "R's names of rows": (
        lines('"","a","label"', lambda n: f'"Mazda {n}",{NUMBERS[n]},{LABEL[n]}'), [],
        {"a": NUMBERS}, "left out, it numbers or names the rows: ''",
    ),
    "an unnamed column, written again by pandas": (
        lines("Unnamed: 0,a,label", lambda n: f"{n},{NUMBERS[n]},{LABEL[n]}"), [], {"a": NUMBERS},
        "left out, it numbers or names the rows: 'Unnamed: 0'",
    ),
    "a first column that only looks so": (
        lines("Unnamed,a,label", lambda n: f"{n % 3},{NUMBERS[n]},{LABEL[n]}"), [],
        {"Unnamed": [n % 3 for n in range(N)], "a": NUMBERS}, "1",
    ),
    "line breaks in text": (
        lines("t,label", lambda n: f'"x\r\n{n % 3}",{LABEL[n]}', end="\r\n"), [],
        {"t": [n % 3 for n in range(N)]}, "1",
    ),
    "dates as parts": (
        lines("d,label", lambda n: f"2024-02-{n + 20:02},{LABEL[n]}", 9), ["--dates", "parts"],
        {"d.day": [*range(20, 29)], "d.weekday": [(n + 1) % 7 for n in range(9)]},
        "dates as parts: 'd'",
    ),
    "dates as days": (
        lines("d,a,label", lambda n: f"2024-02-{n + 20:02},{n % 4},{LABEL[n]}", 9),
        ["--dates", "epoch"],
        {"d": [19773 + n for n in range(9)], "a": [n % 4 for n in range(9)]}, "dates as epoch: 'd'",
    ),
    "times as parts of a day": (
        lines("d,label", lambda n: f"{n:02}:30,{LABEL[n]}"), ["--dates", "epoch"],
        {"d": [(n + 0.5) / 24 for n in range(N)]}, "dates as epoch: 'd'",
    ),
    "times of a date as parts": (
        lines("d,label", lambda n: f"2024-{n + 1:02}-01 {n:02}:15:30,{LABEL[n]}"),
        ["--dates", "parts"],
        {
            "d.month": [*range(1, 13)],
            "d.weekday": [0, 3, 4, 0, 2, 5, 0, 3, 6, 1, 4, 6],
            "d.hour": [*range(N)],
        }, "dates as parts: 'd'",
    ),
    "no dates": (
        lines("d,a,label", lambda n: f"2024-02-{n + 10},{n},{LABEL[n]}"), ["--dates", "drop"],
        {"a": [*range(N)]}, "dates as drop: 'd'",
    ),
    "a date that is missing": (
        lines("d,label", lambda n: f"{'unknown' if n == 2 else f'2024-02-{n + 10}'},{LABEL[n]}"),
        ["--dates", "epoch", "--missing", "unknown"], {"d": holes([19763 + n for n in range(N)])},
        "dates as epoch: 'd'",
    ),
    "--dates without a date": (PLAIN, ["--dates", "drop"], {"a": NUMBERS}, "no column holds any"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "argv", "wanted", "says"), READ.values(), ids=READ)
def test_a_csv_is_read_as_pandas_reads_it(run, capfd, content, argv, wanted, says):
    put("t.csv", content)
    named = [] if any(word == "--label" for word in argv) else []
    found = columns(loaded("--train", "t.csv", *named, *argv))
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert same(found[name], values), name
    capfd.readouterr()
    assert says in trains(run, "t.csv", *argv)
    # predict.py reads the same, from what schema.json keeps
    status, out, error = run(predict, "--model", "m", "--data", "t.csv", "--output", "p.csv")
    assert status == 0, out + error
    rows = sum(map(len, [loaded("--train", "t.csv", *argv).sets["train"]]))
    assert len(Path("p.csv").read_text().splitlines()) == rows + 1
