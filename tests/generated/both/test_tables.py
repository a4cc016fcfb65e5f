"""Odd tables: what comes out of each, or the sentence that refuses it. One table of cases a kind.

The values that must come out are those of pandas 3 and pyarrow 26 (read_csv, read_parquet, dataset)
on the same files, written down here; what a sentence says to type is typed.
"""

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
from training import arguments, data
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
    ways = re.split(r", or | if |; ", sentence.partition("type")[2])
    return [shlex.split(way[way.index("--") :]) for way in ways if "--" in way]


def trains(run, table, *argv):
    status, out, error = run(train, "--train", table, "--output", "m", *QUICK, *argv)
    assert status == 0, out + error
    return out


def refused(run, table, *argv):
    status, out, error = run(train, "--train", table, "--output", "none", *QUICK, *argv)
    assert (status, error.count("\n"), "Traceback" in error) == (2, 1, False), out + error
    assert not Path("none").exists()
    return error


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("SM_NUM_CPUS", "1")  # more of them cost more than these tables do


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
    "tabs": (lines("a\tlabel", lambda n: f"{n}\t{LABEL[n]}"), [], {"a": [*range(N)]}, "by '\\t'"),
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
        {"a": [*range(N)], "b": [n == 0 for n in range(N)]}, "read t.csv: 12 rows",
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
    found = columns(loaded("--train", "t.csv", *argv))
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert same(found[name], values), name
    capfd.readouterr()
    assert says in trains(run, "t.csv", *argv)
    # predict.py reads the same, from what schema.json keeps
    status, out, error = run(predict, "--model", "m", "--data", "t.csv", "--output", "p.csv")
    assert status == 0, out + error
    rows = len(next(iter(wanted.values())))
    assert len(Path("p.csv").read_text().splitlines()) == rows + 1


# ---- what is refused: file, options, what the sentence says, and that what it says to type is accepted


def mostly(word, place=5):
    return lines(HEADED, lambda n: f"{word if n == place else NUMBERS[n]},{LABEL[n]}")


REFUSED = {
    **{
        f"a number column with {word!r}": (
            mostly(word), [], f"'a' is text, and 11 of 12 are numbers; row 6 has {word!r}"
        )
        for word in ("?", "-", "None", "unknown", "n.a.", "--", "x y", "it's", "12kg", "1-2")
    },
    "two words in a number column": (
        lines(HEADED, lambda n: f"{'?' if n == 4 else '-' if n == 2 else n},{LABEL[n]}"), [],
        "10 of 12 are numbers; row 3 has '-'",
    ),
    "half of them": (
        lines(HEADED, lambda n: f"{'.' if n % 2 else n},{n % 3}"), [],
        "6 of 12 are numbers; row 2 has '.'",
    ),
    "a word that --missing does not name": (
        lines(HEADED, lambda n: f"{'?' if n == 4 else '-' if n == 2 else n},{LABEL[n]}"),
        ["--missing", "?"], "10 of 11 are numbers; row 3 has '-'",
    ),
    "decimal commas": (
        lines("a;label", lambda n: f"{COMMAS[n]};{LABEL[n]}"), [],
        "12 of 12 are numbers; row 1 has '0,25'",
    ),
    "thousands": (
        lines(HEADED, lambda n: f'"{GROUPED[n]}",{LABEL[n]}'), [],
        "12 of 12 are numbers; row 1 has '1,234'",
    ),
    "some thousands": (
        lines(HEADED, lambda n: f'"{GROUPED[n] if n > 8 else n}",{LABEL[n]}'), [],
        "12 of 12 are numbers; row 10 has '10,234'",
    ),
    "a label with a word": (
        lines("label,a", lambda n: f"{'?' if n == 7 else n * 1.5},{n}", 30), [],
        "label 'label' is text, and 29 of 30 are numbers; row 8 has '?'",
    ),
    "a label with decimal commas": (
        lines("label;a", lambda n: f"{n},5;{n}", 30), [], "label 'label' is text, and 30 of 30",
    ),
    "dates and a word": (
        lines("d,a,label", lambda n: f"{'unknown' if n == 3 else f'2024-02-{n + 10}'},{n},{LABEL[n]}"),
        [], "11 of 12 are dates; row 4 has 'unknown'",
    ),
    "dates": (
        lines("d,a,label", lambda n: f"2024-02-{n + 10},{n},{LABEL[n]}"), [], "holds dates or times",
    ),
    "times": (
        lines("d,a,label", lambda n: f"{n:02}:30,{n},{LABEL[n]}"), [], "holds dates or times"
    ),
    "a Latin-1 header": (
        PLAIN.replace("a,", "größe,").encode("latin-1"), [], "it is not utf-8 text"
    ),
    "a Latin-1 cell": (
        lines("a,t,label", lambda n: f"{n},{'ß' if n % 3 else 'x'},{LABEL[n]}").encode("latin-1"),
        [], "it is not utf-8 text",
    ),
    "a Latin-1 cell far down": (
        lines("a,t,label", lambda n: f"{n},{'ß' if n > 9000 else 'x'},{n % 2}", 9999).encode("latin-1"),
        [], "it is not utf-8 text",
    ),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), [], "bytes that are 0"),
    "UTF-16, big end first, without a mark": (PLAIN.encode("utf-16-be"), [], "bytes that are 0"),
    "names that count up": (
        lines("0,1,2", lambda n: f"{n % 2},{n},{n * n}"), [], "'0', '1', '2': names of columns or a row?"
    ),
    "names that are years": (
        lines("2015,2020", lambda n: f"{n % 2},{n}"), [], "'2015', '2020': names of columns or a row?"
    ),
    "two signs that may separate": (
        lines("", lambda n: f"{n % 2},5;{n}"), [], "may be separated by several signs"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "argv", "says"), REFUSED.values(), ids=REFUSED)
def test_what_may_mean_two_things_is_refused_with_what_to_type(run, content, argv, says):
    put("t.csv", content)
    error = refused(run, "t.csv", *argv)
    assert says in error
    ways = typed(error)
    assert ways
    for way in ways:
        more = [] if argv[:1] == way[:1] else argv
        status, _, said = run(train, "--train", "t.csv", "--output", "m", *QUICK, *more, *way)
        assert "Traceback" not in said
        # what is left to say then, such as which column is the label, is another thing
        assert status == 0 or status == 2 and said != error and "option" not in said, (way, said)


# ---- folders and Parquet


def parts(folder="h"):
    """Six files of six rows in the folders of Hive; r is text, one value of which has a blank."""
    for year in 2020, 2021, 2022:
        for r in "01", "x%20y":
            content = {
                "a": [year % 7 + n / 2 for n in range(6)],
                "label": [n % 2 for n in range(6)],
            }
            put(f"{folder}/year={year}/r={r}/part.parquet", content)
    return folder


def test_the_folders_of_hive_are_columns(run):
    """As pyarrow.dataset.dataset("h", partitioning="hive") has them, sorted by path."""
    parts()
    found = columns(loaded("--train", "h", "--text", "r"))
    assert found["year"] == [2020.0] * 12 + [2021.0] * 12 + [2022.0] * 12
    assert found["r"] == ([0.0] * 6 + [1.0] * 6) * 3
    assert [*found] == ["a", "year", "r"]
    out = trains(run, "h", "--text", "r")
    assert "columns from the names of folders: 'year', 'r'" in out
    for table, rows in ("h", 36), ("h/year=2021", 12), ("h/year=2021/r=01/part.parquet", 6):
        status, _, error = run(predict, "--model", "m", "--data", table, "--output", "p.csv")
        assert (status, error) == (0, "")
        assert len(Path("p.csv").read_text().splitlines()) == rows + 1
    pattern = columns(loaded("--train", "h/year=*/r=01/*.parquet"))
    assert pattern["year"] == [2020.0] * 6 + [2021.0] * 6 + [2022.0] * 6
    # a folder above the table is none of its columns
    assert [*columns(loaded("--train", "h/year=2021/r=01"))] == ["a"]
    assert [*columns(loaded("--train", "h/year=2021/r=01/part.parquet"))] == ["a"]


def test_a_partition_without_a_value_is_missing_and_dates_are_dates():
    for name, day in ("2024-02-01", 1), ("2024-02-03", 2), ("__HIVE_DEFAULT_PARTITION__", 3):
        put(f"h/d={name}/t.csv", lines("a,label", lambda n, day=day: f"{n * day},{n % 2}", 4))
    found = columns(loaded("--train", "h", "--dates", "epoch"))
    assert same(found["d"], [19754.0] * 4 + [19756.0] * 4 + [NAN] * 4)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_word_in_one_of_two_files_is_refused_with_what_to_type(run, ending):
    for name, word in ("1", "2.5"), ("2", "?"):
        content = lines(HEADED, lambda n, word=word: f"{word if n == 3 else n + 0.5},{n % 2}")
        if ending == "parquet":
            a = (
                [n % 5 + 0.5 for n in range(N)]
                if word != "?"
                else ["?", *(str(n % 5) for n in range(1, N))]
            )
            content = {"a": a, "label": LABEL}
        put(f"h/{name}.{ending}", content)
    error = refused(run, "h")
    assert f"'a' holds double in 'h/1.{ending}' and string in 'h/2.{ending}'" in error
    trains(run, "h", *typed(error)[0])
    assert "number          1" in trains(run, "h", "--missing", "?")


def test_the_name_of_a_folder_counts_before_a_column_of_the_file(capfd):
    """As pyarrow.dataset has it; the log says so."""
    for name in 1, 2:
        put(f"h/k={name}/t.csv", lines("k,a,label", lambda n: f"7,{n},{n % 2}", 4))
    assert columns(loaded("--train", "h"))["k"] == [1.0] * 4 + [2.0] * 4
    assert "column 'k' is what the folder's name says" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("_delta_log/0.json", "Delta"),
        ("metadata/v1.metadata.json", "Iceberg"),
        (".hoodie/x", "Hudi"),
    ],
)
@pytest.mark.parametrize("below", ["", "sub/"])
def test_a_table_with_old_rows_in_it_is_refused(run, mark, kind, below):
    put(f"h/{below}t.csv", PLAIN)
    put(f"h/{below}{mark}", "{}")
    for name in "h", "h/**/*.csv":
        assert f"is a table of {kind}" in refused(run, name)


def test_a_folder_called_metadata_is_no_iceberg(run):
    put("h/metadata/t.csv", PLAIN)
    trains(run, "h")


def test_parts_without_rows_are_skipped_and_said(run):
    put("h/a.csv", PLAIN)
    for name, content in ("b", ""), ("c", "a,label\n"), ("d", "\n"), ("e", "other,columns\n"):
        put(f"h/{name}.csv", content)
    put("h/f.parquet", {"a": pyarrow.array([], pyarrow.null())})
    out = trains(run, "h")
    assert (
        "skipped, without a row: 'h/b.csv', 'h/c.csv', 'h/d.csv', 'h/e.csv', 'h/f.parquet'" in out
    )
    assert "read h: 12 rows, 2 columns\n" in out
    Path("h/a.csv").unlink()
    assert "'h' has no rows" in refused(run, "h")


def index_of(name, values):
    table = pyarrow.table({"a": NUMBERS, "label": LABEL, name: values})
    noted = json.dumps({"index_columns": [name], "columns": []})
    return table.replace_schema_metadata({"pandas": noted})


@pytest.mark.parametrize("name", ["__index_level_0__", "key"])
def test_the_index_of_pandas_is_no_feature_unless_it_is_named(run, name):
    put("t.parquet", index_of(name, [n % 5 for n in range(N)]))
    assert [*columns(loaded("--train", "t.parquet"))] == ["a"]
    out = trains(run, "t.parquet")
    assert f"left out, it numbers or names the rows: '{name}'" in out
    assert run(predict, "--model", "m", "--data", "t.parquet", "--output", "p.csv")[0] == 0
    assert loaded("--train", "t.parquet", "--label", name).schema.label == name
    assert "numbers or names" not in trains(run, "t.parquet", "--id", name)
    plain = pyarrow.table({"a": NUMBERS, "label": LABEL, "key": LABEL})
    noted = json.dumps({"index_columns": [{"kind": "range", "start": 0, "stop": N, "step": 1}]})
    put("u.parquet", plain.replace_schema_metadata({"pandas": noted}))
    assert [*columns(loaded("--train", "u.parquet"))] == ["a", "key"]


def test_parquet_is_read_as_a_csv_is(run):
    text = [str(value) for value in NUMBERS]
    put("t.parquet", {"a": ["?" if n == 2 else text[n] for n in range(N)], "label": LABEL})
    assert "11 of 12 are numbers; row 3 has '?'" in refused(run, "t.parquet")
    found = columns(loaded("--train", "t.parquet", "--missing", "?"))
    assert same(found["a"], holes(NUMBERS))
    put("n.parquet", {"a": [-999 if n == 2 else n for n in range(N)], "label": LABEL})
    assert same(columns(loaded("--train", "n.parquet", "--missing=-999"))["a"], holes([*range(N)]))
    put("c.parquet", {"a": COMMAS, "zip": [f"0{n % 3}" for n in range(N)], "label": LABEL})
    dataset = loaded("--train", "c.parquet", "--decimal", ",")
    assert same(columns(dataset)["a"], NUMBERS)
    assert [column.kind for column in dataset.schema.columns] == ["number", "category"]
    put("d.parquet", {"a": [n % 3 for n in range(N)], "label": LABEL})
    assert loaded("--train", "d.parquet", "--text", "a").schema.columns[0].categories == (
        "0",
        "1",
        "2",
    )
    put("e.parquet", {"zip": ["1", "2", "3"] * 4, "label": LABEL})
    assert "column 'zip' is text of digits: each value is a category" in trains(run, "e.parquet")
    put("f.parquet", {" a ": NUMBERS, "label": LABEL})
    assert [*columns(loaded("--train", "f.parquet"))] == ["a"]
    day = [f"2024-02-{n + 10}" for n in range(N)]
    put("g.parquet", {"d": day, "a": NUMBERS, "label": LABEL})
    assert "12 of 12 are dates" in refused(run, "g.parquet")
    found = columns(loaded("--train", "g.parquet", "--dates", "epoch"))
    assert found["d"] == [19763.0 + n for n in range(N)]


# ---- labels: their values decide, whatever type they are stored in

STORED = {
    "int8": pyarrow.array(LABEL, pyarrow.int8()),
    "uint64": pyarrow.array(LABEL, pyarrow.uint64()),
    "double": pyarrow.array(LABEL, pyarrow.float64()),
    "float": pyarrow.array(LABEL, pyarrow.float32()),
    "decimal": pyarrow.array([Decimal(n) for n in LABEL], pyarrow.decimal128(9, 2)),
}


@pytest.mark.parametrize("kind", STORED)
def test_whole_labels_are_classes_in_every_type(kind, capfd):
    put("t.parquet", {"a": NUMBERS, "label": STORED[kind]})
    dataset = loaded("--train", "t.parquet")
    assert (dataset.schema.objective, dataset.schema.classes) == ("classification", (0, 1))
    assert dataset.sets["train"].label.tolist() == LABEL
    assert "since 'label' holds whole numbers with 2 distinct values" in capfd.readouterr().out


LABELS = {
    "1.0 in a CSV": (lines(HEADED, lambda n: f"{n},{LABEL[n]}.0"), "classification", (0, 1)),
    "many whole numbers": (lines(HEADED, lambda n: f"{n},{n}.0", 30), "regression", ()),
    "20 of them": (lines(HEADED, lambda n: f"{n},{n % 20}.0", 40), "classification", (*range(20),)),
    "21 of them": (lines(HEADED, lambda n: f"{n},{n % 21}", 42), "regression", ()),
    "fractions": (lines(HEADED, lambda n: f"{n},{n % 2}.5"), "regression", ()),
    "booleans": (lines(HEADED, lambda n: f"{n},{n % 2 == 0}"), "classification", (False, True)),
    "text": (lines(HEADED, lambda n: f"{n},{'ab'[n % 2]}"), "classification", ("a", "b")),
    "libsvm": ("".join(f"{n % 2}.0 1:{n}\n" for n in range(N)), "classification", (0, 1)),
    "libsvm's numbers": ("".join(f"{n}.5 1:{n}\n" for n in range(N)), "regression", ()),
}  # fmt: skip


@pytest.mark.parametrize(("content", "objective", "classes"), LABELS.values(), ids=LABELS)
def test_the_values_of_labels_decide_the_objective(content, objective, classes):
    table = put("t.libsvm" if "1:" in content else "t.csv", content)
    found = loaded("--train", table).schema
    assert (found.objective, found.classes) == (objective, classes)


@pytest.mark.parametrize(
    "other", [pyarrow.int32(), pyarrow.bool_(), pyarrow.float32(), pyarrow.uint8(), pyarrow.int64()]
)
def test_files_may_store_one_label_in_two_types(other):
    put("h/a.parquet", {"a": NUMBERS, "label": LABEL})
    put("h/b.parquet", {"a": NUMBERS, "label": pyarrow.array(LABEL).cast(other)})
    found = loaded("--train", "h")
    assert (found.schema.objective, found.schema.classes) == ("classification", (0, 1))
    assert found.sets["train"].label.tolist() == LABEL * 2


VALIDATION = {  # labels of training, of validation, what comes of it
    "2 against booleans": ([False, True], [0, 1, 2], "label 'label' has 2, which training did not"),
    "0 and 1 against booleans": ([False, True], [0, 1], [0, 1]),
    "booleans against 0 and 1": ([0, 1], [False, True], [0, 1]),
    "booleans against 1 and 2": ([1, 2], [False, True], "has False, which training did not"),
    "1.0 against 1": ([0, 1], [0.0, 1.0], [0, 1]),
    "1.5 against 1": ([0, 1], [0.0, 1.5], "has 1.5, which training did not"),
    "digits against text": (["1", "2"], [1, 2], [0, 1]),
    "text against numbers": ([1, 2], ["1", "x"], "has 'x', which training did not"),
    "true against a boolean": ([False, True], ["true", "false"], [1, 0]),
    "yes against a boolean": ([False, True], ["yes", "no"], "has 'yes', which training did not"),
    "text against fractions": ([0.5, 1.5, 2.5], ["x", "y"], "holds text, and numbers in training"),
}  # fmt: skip


@pytest.mark.parametrize(("labels", "other", "wanted"), VALIDATION.values(), ids=VALIDATION)
def test_validation_labels_mean_what_they_did_in_training(run, labels, other, wanted):
    put("t.parquet", {"a": NUMBERS, "label": labels * (N // len(labels))})
    put("v.parquet", {"a": [1.5 * n for n in range(len(other))], "label": other})
    if isinstance(wanted, str):
        assert wanted in refused(run, "t.parquet", "--validation", "v.parquet")
        return
    options = arguments.train(["--train", "t.parquet", "--validation", "v.parquet"], {})[0]
    sets = data.load(options, None, numpy.float64).sets
    assert sets["validation"].label.tolist() == wanted
    trains(run, "t.parquet", "--validation", "v.parquet")


# ---- libsvm: what a line leaves out

SPARSE = "".join(f"{int(n % 3 == 0)} 1:{n % 5}{' 2:0' if n % 3 == 0 else ''}\n" for n in range(30))


def test_what_libsvm_leaves_out_is_what_the_library_takes_it_for(run):
    """xgboost.DMatrix("t.libsvm?format=libsvm") has 20 missing values, load_svmlight_file 20 zeros."""
    put("t.libsvm", SPARSE)
    put(
        "dense.csv",
        lines("label,f1,f2", lambda n: f"{int(n % 3 == 0)},{n % 5},{0 if n % 3 == 0 else ''}", 30),
    )
    out = trains(run, "t.libsvm")
    assert f"what a line leaves out is {'missing' if XGBOOST else '0'}\n" in out
    schema = json.loads(Path("m/schema.json").read_text())
    if XGBOOST:
        assert schema["reading"] == {"absent": "missing"}
        found = columns(loaded("--train", "t.libsvm"))
        assert same(found["f2"], [0.0 if n % 3 == 0 else NAN for n in range(30)])
        bytes_of_sparse = Path("m", FILE).read_bytes()
        trains(run, "dense.csv")
        assert Path("m", FILE).read_bytes() == bytes_of_sparse
    else:
        assert schema["reading"] == {}
        assert [*columns(loaded("--train", "t.libsvm"))] == ["f1"]  # 0 in every row


@pytest.mark.skipif(not XGBOOST, reason="0 was and is what scikit-learn takes it for")
def test_an_older_model_predicts_with_0_where_libsvm_leaves_out(run):
    put(
        "t.csv",
        lines("label,f1,f2", lambda n: f"{int(n % 3 == 0)},{n % 5},{'' if n % 3 else 0}", 30),
    )
    put("z.csv", lines("f1,f2", lambda n: f"{n % 5},0", 30))
    put("t.libsvm", SPARSE)
    trains(run, "t.csv", "--validation-fraction", "0", "--min-child-weight", "0")
    schema = json.loads(Path("m/schema.json").read_text())
    del schema["reading"]
    Path("m/schema.json").write_text(json.dumps(schema))
    Path("m/training.json").unlink()  # which has the sha256 of the newer schema
    found = {}
    for table in "z.csv", "t.libsvm", "t.csv":
        argv = ["--model", "m", "--data", table, "--output", "p.csv", "--proba"]
        assert run(predict, *argv)[0] == 0
        found[table] = Path("p.csv").read_text()
    assert found["z.csv"] == found["t.libsvm"] != found["t.csv"]


# ---- options: each has an effect beside every other, or is refused


def weighted(path="w.parquet", **more):
    rng = numpy.random.default_rng(0)
    group = [n // 10 for n in range(100)]
    columns = {"a": rng.normal(size=100), "b": rng.normal(size=100), "g": group}
    columns["w"] = [1.0 + 9 * (each % 2) for each in group]
    columns["label"] = rng.integers(0, 3, 100) if "label" not in more else more["label"]
    return put(path, {name: pyarrow.array(values) for name, values in (columns | more).items()})


def bytes_of(run, table, *argv):
    trains(run, table, *argv)
    return Path("m", FILE).read_bytes()


@pytest.mark.parametrize("objective", ["classification", "regression", "ranking"])
def test_weights_count_beside_groups(run, objective):
    if objective == "ranking" and not XGBOOST:
        return
    argv = ["--group", "g", "--weight", "w", "--objective", objective, "--validation-fraction", "0"]
    heavy = bytes_of(run, weighted(), *argv)
    assert bytes_of(run, weighted(w=[1.0] * 100), *argv) != heavy


@pytest.mark.skipif(not XGBOOST, reason="scikit-learn has no ranking")
def test_ranking_weighs_groups_as_xgboost_does(run):
    import xgboost

    table = pyarrow.parquet.read_table(weighted())
    x = numpy.column_stack([table["a"], table["b"]]).astype(numpy.float32)
    matrix = xgboost.DMatrix(x, label=table["label"], qid=table["g"])
    matrix.set_weight([1.0 + 9 * (n % 2) for n in range(10)])  # one a group
    parameters = {"objective": "rank:ndcg", "seed": 0, "seed_per_iteration": True, "nthread": 1}
    wanted = xgboost.train(parameters, matrix, 2).predict(matrix)
    for method in "hist", "exact":
        argv = ["--group", "g", "--weight", "w", "--objective", "ranking", "--tree-method", method]
        trains(run, "w.parquet", *argv, "--validation-fraction", "0")
        assert run(predict, "--model", "m", "--data", "w.parquet", "--output", "p.csv")[0] == 0
        if method == "hist":
            found = numpy.loadtxt("p.csv", skiprows=1)
            assert numpy.allclose(found, wanted, atol=1e-6)
    uneven = weighted("u.parquet", w=[float(1 + n % 3) for n in range(100)])
    error = refused(run, uneven, "--group", "g", "--weight", "w", "--objective", "ranking")
    assert "one weight a group, and row 2 has another 'w'" in error


def test_groups_are_held_out_whole(run):
    options = arguments.train(["--train", weighted(), "--group", "g"], {})[0]
    sets = data.load(options, None, numpy.float64).sets
    groups = [set(rows.group.tolist()) for rows in sets.values()]
    assert groups[0] & groups[1] == set()
    assert groups[0] | groups[1] == {*range(10)}
    assert "held out are whole groups of 'g'" in trains(run, "w.parquet", "--group", "g")


def test_the_groups_of_libsvm_are_no_feature(run):
    put("q.libsvm", "".join(f"{n % 2} qid:{n // 4} 1:{n} 2:{n % 3}\n" for n in range(24)))
    found = loaded("--train", "q.libsvm")
    assert (found.schema.group, [*columns(found)]) == ("qid", ["f1", "f2"])


CLASH = {
    "--separator of a Parquet table": ("--separator ,", "the table is Parquet; leave it out"),
    "--header of a Parquet table": ("--header no", "the table is Parquet; leave it out"),
    "--encoding of a Parquet table": ("--encoding utf-8", "the table is Parquet; leave it out"),
    "--text and --drop": ("--text a --drop a", "--text a: this column is dropped"),
    "--text of no column": ("--text x", "--text: no column is called 'x'"),
    "--decimal": ("--decimal x", "type --decimal . or ,"),
    "--header": ("--header maybe", "type --header yes or no"),
    "--dates": ("--dates all", "type --dates parts or epoch or drop"),
    "--encoding": ("--encoding rot13", "type for example: --encoding latin-1"),
    "--encoding of no name": ("--encoding klingon", "type for example: --encoding latin-1"),
    "--separator of two signs": ("--separator ;;", "type for example: --separator semicolon"),
    "--separator of a quote": ('--separator \'"\'', "type for example: --separator semicolon"),
}  # fmt: skip
OWN = {
    "rounds twice": ("--num-round 3", "another option says the same"),
    "exact trees on disk": ("--external-memory --tree-method exact", "--external-memory"),
    "linear on disk": ("--external-memory --booster gblinear", "--external-memory"),
} if XGBOOST else {
    "batches and --max-iter": (
        "--epochs 2 --estimator sklearn.linear_model.SGDClassifier", "--max-iter: with --epochs SGD"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "says"), (CLASH | OWN).values(), ids=CLASH | OWN)
def test_an_option_that_would_do_nothing_is_refused(run, words, says):
    assert says in refused(run, weighted(), *shlex.split(words))


def test_missing_and_text_say_nothing_of_libsvm(run):
    put("t.libsvm", SPARSE)
    for words in ["--missing", "?"], ["--decimal", ","], ["--text", "f1"], ["--header", "no"]:
        assert f"{words[0]}: the table is libsvm; leave it out" in refused(run, "t.libsvm", *words)


# ---- predict.py


def test_predict_reads_as_training_did_or_as_it_is_told(run):
    put(
        "t.csv",
        lines("a;t;label", lambda n: f"{COMMAS[n]};{'äb'[n % 2]};{LABEL[n]}").encode("latin-1"),
    )
    trains(run, "t.csv", "--decimal", ",", "--encoding", "latin-1", "--missing", "?")
    kept = json.loads(Path("m/schema.json").read_text())["reading"]
    kept.pop("absent", None)
    assert kept == {"decimal": ",", "encoding": "iso8859-1", "missing": ["?"]}
    argv = ["--model", "m", "--output", "p.csv", "--data"]
    assert run(predict, *argv, "t.csv")[0] == 0
    wanted = Path("p.csv").read_text()
    put("u.csv", lines("a,t", lambda n: f"{NUMBERS[n]},{'äb'[n % 2]}"))
    assert run(predict, *argv, "u.csv", "--decimal", ".", "--encoding", "utf-8")[0] == 0
    assert Path("p.csv").read_text() == wanted
    put("w.csv", lines("a|t", lambda n: f"{'-' if n == 1 else NUMBERS[n]}|x"))
    status, _, error = run(predict, *argv, "w.csv", "--decimal", ".", "--encoding", "utf-8")
    assert (status, "--missing=-\n" in error, error.count("\n")) == (2, True, 1)
    given = ["--decimal", ".", "--encoding", "utf-8", "--missing=-"]
    assert run(predict, *argv, "w.csv", *given)[0] == 0
    status, _, error = run(predict, *argv, "w.csv", "--decimal", "x")
    assert (status, "type --decimal . or ," in error) == (2, True)


@pytest.mark.parametrize("how", ["parts", "epoch"])
def test_a_date_that_is_none_at_prediction_is_refused(run, how):
    put("t.csv", lines("d,label", lambda n: f"2024-02-{n + 10},{LABEL[n]}"))
    trains(run, "t.csv", "--dates", how)
    put("u.csv", "d\n2024-01-01\nsoon\n")
    argv = ["--model", "m", "--data", "u.csv", "--output", "p.csv"]
    status, _, error = run(predict, *argv)
    assert (status, error.count("\n"), "'d' holds 'soon', and dates" in error) == (2, 1, True)
    assert run(predict, *argv, *typed(error)[0])[0] == 0
    assert len(Path("p.csv").read_text().splitlines()) == 3


def test_numbers_that_are_text_at_prediction_are_refused_with_a_way_on(run):
    put("t.csv", PLAIN)
    trains(run, "t.csv")
    argv = ["--model", "m", "--data", "u.csv", "--output", "p.csv"]
    for word in "?", "1;5", "1,5", "n/a?", "--", "a,b":
        put("u.csv", f"b|a\n1|{'2,5' if word == '1,5' else 2.5}\n1|{word}\n")
        status, _, error = run(predict, *argv)
        assert (status, error.count("\n"), "holds text" in error) == (2, 1, True), error
        assert run(predict, *argv, *typed(error)[0])[0] == 0
    put("u.parquet", {"a": ["1.5", "2"]})
    status, _, error = run(predict, "--model", "m", "--data", "u.parquet", "--output", "p.csv")
    assert (status, "save it as numbers" in error) == (2, True)


# ---- constraints, dense columns, columns without a value


def coded(rows=60):
    """a helps, b hurts, t is text; "e" is the same in every row."""
    rng = numpy.random.default_rng(0)
    a, b = rng.normal(size=(2, rows)).round(3)
    label = 3 * a - b + rng.normal(size=rows)
    row = lambda n: f"{a[n]},1,{b[n]},{'xyz'[n % 3]},{label[n]}"
    return put("c.csv", lines("a,e,b,t,label", row, rows))


CONSTRAINTS = {
    "by name": ("monotone_constraints", '{"a": 1, "b": -1}', (1, -1, 0)),
    "by place": ("monotone_constraints", "(1,-1,0)", (1, -1, 0)),
    "as a list": ("monotone_constraints", "[1, -1, 0]", (1, -1, 0)),
    "one by name": ("monotone_constraints", "{'b': -1}", (0, -1, 0)),
    "groups by name": ("interaction_constraints", '[["a", "t"], ["b"]]', [[0, 2], [1]]),
}  # fmt: skip


@pytest.mark.skipif(not XGBOOST, reason="scikit-learn's are of its own kind")
@pytest.mark.parametrize(("name", "words", "wanted"), CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_constraints_are_those_of_xgboost_by_name_and_by_place(run, name, words, wanted):
    import xgboost

    table = coded()
    option = f"--{name.replace('_', '-')}"
    trains(run, table, option, words, "--validation-fraction", "0", "--n-estimators", "9")
    assert run(predict, "--model", "m", "--data", table, "--output", "p.csv")[0] == 0
    rows = loaded("--train", table).sets["train"]
    kinds = {"feature_types": ["q", "q", "c"], "enable_categorical": True}
    matrix = xgboost.QuantileDMatrix(rows.features.astype(numpy.float32), label=rows.label, **kinds)
    parameters = {"seed": 0, "seed_per_iteration": True, name: str(wanted)}
    found = numpy.loadtxt("p.csv", skiprows=1)
    assert numpy.allclose(found, xgboost.train(parameters, matrix, 9).predict(matrix), atol=1e-6)
    del parameters[name]
    assert not numpy.allclose(
        found, xgboost.train(parameters, matrix, 9).predict(matrix), atol=1e-3
    )


@pytest.mark.skipif(not XGBOOST, reason="scikit-learn's are of its own kind")
@pytest.mark.parametrize(
    "words",
    [
        ("--monotone-constraints", "(1,-1)"), ("--monotone-constraints", "{'q': 1}"),
        ("--monotone-constraints", "(1,2,0)"), ("--monotone-constraints", "up"),
        ("--interaction-constraints", "[['a', 'q']]"), ("--interaction-constraints", "[0, 1]"),
        ("--interaction-constraints", "[[0, 1]]"), ("--interaction-constraints", "all"),
    ],
)  # fmt: skip
def test_constraints_that_name_no_feature_are_refused(run, words):
    error = refused(run, coded(), *words)
    assert "the 3 features, in their order 'a', 'b', 't', without 'e'; type for example" in error
    trains(run, "c.csv", *typed(error)[0])


@pytest.mark.skipif(not XGBOOST, reason="scikit-learn's are of its own kind")
def test_interactions_by_place_are_taken_where_no_column_is_left_out(run):
    table = put("c.csv", lines("a,b,label", lambda n: f"{n},{n * n % 7},{n * n % 5 + n / 7}", 60))
    trains(run, table, "--interaction-constraints", "[[0], [1]]")
    for words in "[[0, 2]]", "[[-1]]":
        assert "the 2 features" in refused(run, table, "--interaction-constraints", words)


DENSE = (
    "naive_bayes.GaussianNB", "discriminant_analysis.LinearDiscriminantAnalysis",
    "gaussian_process.GaussianProcessClassifier", "linear_model.LogisticRegression",
    "ensemble.RandomForestClassifier",
)  # fmt: skip


@pytest.mark.skipif(XGBOOST, reason="estimators are scikit-learn's")
@pytest.mark.parametrize("name", DENSE)
def test_estimators_that_need_dense_columns_get_them(run, name):
    from sklearn.base import clone
    from sklearn.utils import all_estimators

    rng = numpy.random.default_rng(0)
    words, values = rng.integers(0, 12, 80), rng.normal(size=80).round(3)
    label = (values + (words > 5) > 0.5).astype(int)
    row = lambda n: f"{values[n]},{chr(97 + words[n])},{label[n]}"
    table = put("t.csv", lines("a,t,label", row, 80))
    argv = ["--estimator", f"sklearn.{name}", "--validation-fraction", "0", "--output", "m"]
    status, out, error = run(train, "--train", table, *argv)
    assert status == 0, out + error
    argv = ["--model", "m", "--data", table, "--output", "p.csv", "--proba"]
    assert run(predict, *argv)[0] == 0
    kind = dict(all_estimators())[name.rpartition(".")[2]]
    estimator = clone(kind())
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    known = sorted(set(words.tolist()))
    hot = numpy.array([[word == each for each in known] for word in words], float)
    wanted = estimator.fit(x := numpy.column_stack([values, hot]), label).predict_proba(x)
    assert numpy.allclose(numpy.loadtxt("p.csv", delimiter=",", skiprows=1), wanted, atol=1e-6)


@pytest.mark.skipif(XGBOOST, reason="xgboost takes such a column")
def test_a_column_without_a_value_to_train_on_is_named(run):
    put("t.csv", lines("a,e,label", lambda n: f"{n},{7 if n == 0 else ''},{n % 2}", 40))
    error = refused(run, "t.csv", "--seed", "1")
    assert "column 'e' has no value in the rows that are trained on" in error
    trains(run, "t.csv", "--seed", "1", *typed(error)[0])


# ---- quoted line breaks, wherever a block of the file ends


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_no_line_break_in_quotes_is_lost_at_the_edge_of_a_block(monkeypatch, end):
    """pyarrow loses a byte of a quoted CRLF there: apache/arrow issue 51368."""
    words = [f"{'x' * (n % 9)}{end}{'y' * (n % 4)}" for n in range(36)]
    put("t.csv", lines("a,t,label", lambda n: f'{n},"{words[n % 36]}",{n % 2}', 108, end))
    for block in [*range(40, 60), 333, 1000]:
        monkeypatch.setattr("training.delimited.BLOCK", block)
        dataset = loaded("--train", "t.csv")
        known = dataset.schema.columns[1].categories
        codes = columns(dataset)["t"]
        assert [known[int(code)] for code in codes] == words * 3


def test_text_of_two_mebibytes_with_line_breaks_is_one_cell():
    long = "line\r\n" * 350_000
    put(
        "t.csv",
        lines("a,t,label", lambda n: f'{n},"{long if n == 3 else chr(120 + n % 3)}",{n % 2}', 40),
    )
    assert [len(each) for each in loaded("--train", "t.csv").schema.columns[1].categories] == [
        len(long), 1, 1, 1
    ]  # fmt: skip
