"""Which columns are features: labels, ids, what is left out, features.py; and how they are predicted."""

import csv
import json
import re
import shlex
from pathlib import Path

import numpy
import predict
import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pytest
import train
from training import arguments, data, delimited, derived, program
from training.library.model import FILE

QUICK = {"model.ubj": ["--n-estimators", "5"], "model.skops": ["--max-iter", "5"]}[FILE]
ROWS = 60


def titanic(rows=ROWS):
    """Rows like those of passengers: an id, names, tickets and a constant beside what can be learnt."""
    rng = numpy.random.default_rng(0)
    sex = rng.choice(["male", "female"], rows)
    return {
        "PassengerId": list(range(1, rows + 1)),
        "Survived": [int(each == "female") for each in sex],
        "Name": [f"Passenger, Mx. N{n}" for n in range(rows)],
        "Ticket": [f"T{n if n % 3 else n // 2}" for n in range(rows)],
        "Sex": sex.tolist(),
        "Age": [None if n % 5 == 0 else 20 + n / 2 for n in range(rows)],
        "Fare": [7.25 + n for n in range(rows)],
        "Ship": ["Titanic"] * rows,
        "Boat": [None] * rows,
    }


def write(columns, path="t.csv"):
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow(["" if value is None else value for value in row])
    return path


def read(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def schema(folder="model"):
    return json.loads(Path(folder, "schema.json").read_text(encoding="utf-8"))


def features(folder="model"):
    return [column["name"] for column in schema(folder)["columns"]]


@pytest.fixture
def trained(run):
    """Train on a table, which must succeed, and give the log."""

    def trained(*argv, output="model"):
        status, out, error = run(train, *argv, *QUICK, "--output", output)
        assert status == 0, out + error
        return out

    return trained


@pytest.mark.parametrize(
    ("header", "typed"),
    [
        (["sepal_length", "species"], "species"),
        (["a", "the label"], "'the label'"),
        (["a", "Label"], "Label"),
        (["a", "$(touch x)"], "'$(touch x)'"),
        (["a", "-b c"], "'-b c'"),
    ],
)
def test_a_label_that_nobody_named_is_refused_and_the_advice_is_accepted(
    run, trained, header, typed
):
    write(dict(zip(header, [[n / 7 for n in range(ROWS)], [0, 1] * (ROWS // 2)], strict=True)))
    status, _, error = run(train, "--train", "t.csv", "--output", "model")
    assert (status, error.count("\n"), Path("model").exists()) == (2, 1, False)
    assert f"the columns are {header[0]!r}, {header[1]!r}; type: --label" in error
    assert error.endswith((f" {typed}\n", f"={typed}\n"))
    trained("--train", "t.csv", *shlex.split(error.partition("type: ")[2]))
    assert schema()["label"] == header[1]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_columns_without_meaning_are_left_out_by_name_and_never_needed_again(trained, run, ending):
    table = f"t.{ending}"
    if ending == "csv":
        write(titanic(), table)
    else:
        pyarrow.parquet.write_table(pyarrow.table(titanic()), table)
    out = trained("--train", table, "--label", "Survived")
    assert "left out, text that differs in every row: 'Name'\n" in out
    assert re.search(r"left out, text with 5\d different values in 60 rows: 'Ticket'\n", out)
    assert "left out, the same in every row: 'Ship'\n" in out
    assert "left out, empty: 'Boat'\n" in out
    assert "'PassengerId' has another whole number in every row" in out
    assert "--drop PassengerId or --id PassengerId" in out
    assert "'Fare'" not in out  # a fraction may differ as it likes
    assert features() == ["PassengerId", "Sex", "Age", "Fare"]
    text = Path("model/schema.json").read_text()
    assert "Passenger," not in text
    assert sorted(schema()["left_out"]) == ["Boat", "Name", "Ship", "Ticket"]
    assert re.search(r"^  Sex +category +2$", out, re.MULTILINE)
    assert re.search(r"^  Age +number +12$", out, re.MULTILINE)
    assert re.search(r"^  column +kind +levels +missing$", out, re.MULTILINE)
    write({name: titanic()[name] for name in ("Fare", "Age", "Sex", "PassengerId")}, "new.csv")
    argv = ["--model", "model", "--data"]
    assert run(predict, *argv, "new.csv", "--output", "new.out")[0] == 0
    assert run(predict, *argv, table, "--output", "old.out")[0] == 0
    assert read("new.out") == read("old.out")
    for validation in table, "few.csv":
        write({name: titanic()[name] for name in (*features(), "Survived")}, "few.csv")
        trained("--train", table, "--label", "Survived", "--validation", validation)


def test_what_is_dropped_is_as_if_it_were_not_there(trained):
    plain = {name: titanic()[name] for name in ("Survived", "Sex", "Age")}
    trained("--train", write(plain, "plain.csv"), "--label", "Survived", output="plain")
    write(titanic() | {"a,b": [n % 7 for n in range(ROWS)]})
    argv = ["--train", "t.csv", "--label", "Survived", "--drop"]
    trained(*argv, 'PassengerId,Name,Ticket,Fare,"a,b"')
    assert features() == ["Sex", "Age"]
    assert Path("model", FILE).read_bytes() == Path("plain", FILE).read_bytes()


@pytest.mark.parametrize("day", ["day", "-day", "the day", "day, month", "it's"])
def test_dates_are_refused_and_the_advice_is_accepted(run, trained, day):
    write(
        {
            "label": [0, 1] * 30,
            "x": range(60),
            day: [f"2020-01-{n % 28 + 1:02}" for n in range(60)],
        }
    )
    status, _, error = run(train, "--train", "t.csv", "--output", "model")
    assert (status, error.count("\n")) == (2, 1)
    trained("--train", "t.csv", *shlex.split(error.partition("type: ")[2]))
    assert features() == ["x"]


@pytest.mark.parametrize("ids", [[f"{n:03}" for n in range(ROWS)], [f"k{n}" for n in range(ROWS)]])
def test_ids_stand_beside_the_predictions_and_are_no_feature(trained, run, ids):
    write({"key": ids, **{name: titanic()[name] for name in ("Survived", "Sex", "Age")}})
    argv = ["--train", "t.csv", "--label", "Survived", "--id", "key", "--save-predictions"]
    trained(*argv)
    assert features() == ["Sex", "Age"]
    header, *rows = read("model/validation-predictions.csv")
    assert header[:3] == ["key", "label", "prediction"]
    truth = dict(zip(ids, map(str, titanic()["Survived"]), strict=True))
    assert [row[1] for row in rows] == [truth[row[0]] for row in rows]
    for more, name in ([], "prediction"), (["--proba"], "0"):
        assert (
            run(predict, "--model", "model", "--data", "t.csv", "--output", "p.csv", *more)[0] == 0
        )
        header, *rows = read("p.csv")
        assert header[:2] == ["key", name]
        assert [row[0] for row in rows] == ids
    write({name: titanic()[name] for name in ("Sex", "Age")}, "bare.csv")
    status, out, _ = run(predict, "--model", "model", "--data", "bare.csv", "--output", "p.csv")
    assert (status, "no column 'key'" in out, read("p.csv")[0]) == (0, True, ["prediction"])


def test_a_column_of_many_categories_is_left_out_and_a_rare_one_stays(trained):
    rows = 4000
    columns = {
        "label": [n % 2 for n in range(rows)],
        "many": [f"m{n % 1500}" for n in range(rows)],
        "some": [f"s{n % 900}" for n in range(rows)],
        "number": [n / 3 for n in range(rows)],
        "late": [1] * (rows - 1) + [2],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), "t.parquet", row_group_size=500)
    out = trained("--train", "t.parquet")
    assert "left out, text with more than 1,000 different values: 'many'" in out
    assert features() == ["some", "number", "late"]
    assert "another whole number" not in out


def test_a_table_without_a_header_is_predicted_by_place_though_a_column_was_left_out(trained, run):
    rng = numpy.random.default_rng(0)
    values = rng.normal(size=(ROWS, 2)).round(3)
    lines = [f"{int(a > 0)},{a},7,{b}" for a, b in values]
    Path("bare.csv").write_text("\n".join(lines) + "\n")
    out = trained("--train", "bare.csv")
    assert "no header: the first column is the label" in out
    assert features() == ["f1", "f3"]
    Path("new.csv").write_text("\n".join(line.partition(",")[2] for line in lines) + "\n")
    for name in "bare.csv", "new.csv":
        assert run(predict, "--model", "model", "--data", name, "--output", f"of-{name}")[0] == 0
    assert read("of-bare.csv") == read("of-new.csv")
    assert [row[0] for row in read("of-new.csv")[1:]] == [line[0] for line in lines]


# ---- features.py


def add(table):
    product = pyarrow.compute.multiply(table["a"], table["b"])
    return table.append_column("product", product)


def small(rows=200, path="t.csv"):
    rng = numpy.random.default_rng(1)
    a, b = rng.normal(size=(2, rows)).round(3)
    write({"label": [int(x * y > 0) for x, y in zip(a, b, strict=True)], "a": a, "b": b}, path)
    return path


def test_the_same_features_are_made_for_training_validation_and_prediction(
    trained, run, monkeypatch
):
    monkeypatch.setattr("features.features", add)
    small(path="v.csv")
    trained("--train", small(), "--validation", "v.csv")
    assert features() == ["a", "b", "product"]
    assert json.loads(Path("model/metrics.json").read_text())["validation"]["accuracy"] == 1
    assert run(predict, "--model", "model", "--data", "v.csv", "--output", "p.csv")[0] == 0
    assert [row[0] for row in read("p.csv")[1:]] == [row[0] for row in read("v.csv")[1:]]
    made = pyarrow.Table.from_pylist(
        [{"label": int(y), "a": float(a), "b": float(b)} for y, a, b in read("t.csv")[1:]]
    )
    pyarrow.parquet.write_table(add(made), "made.parquet")
    monkeypatch.setattr("features.features", lambda table: table)
    trained("--train", "made.parquet", output="by hand")
    if FILE == "model.ubj":  # the split is the same too without the validation table
        monkeypatch.setattr("features.features", add)
        trained("--train", "t.csv", output="again")
        assert Path("again", FILE).read_bytes() == Path("by hand", FILE).read_bytes()


def whole_mean(table):
    mean = pyarrow.compute.mean(table["a"])
    return table.append_column("centred", pyarrow.compute.subtract(table["a"], mean))


def lag(table):
    values = table["a"].to_pylist()
    return table.append_column("before", pyarrow.array([0.0, *values[:-1]]))


def number_words(table):
    words = table["word"].combine_chunks().dictionary_encode().indices
    return table.set_column(0, "word", words)


def dummies(table):
    for word in pyarrow.compute.unique(table["word"]).to_pylist():
        table = table.append_column(f"is {word}", pyarrow.compute.equal(table["word"], word))
    return table


REFUSED = {
    "a mean of the column": (whole_mean, "column 'centred' from other rows"),
    "the row before": (lag, "column 'before' from other rows"),
    "numbers of words": (number_words, "column 'word' from other rows"),
    "a column a word": (dummies, "'is w50'"),
    "fewer rows": (lambda table: table.slice(1), "every row must stay"),
    "nothing": (lambda table: None, "returns NoneType"),
    "a column": (lambda table: table["a"], "returns ChunkedArray"),
    "two of a name": (lambda table: table.append_column("a", table["a"]), "two columns called 'a'"),
    "no label": (lambda table: table.drop_columns("label"), "leaves out 'label'"),
}


@pytest.mark.parametrize(("function", "message"), REFUSED.values(), ids=REFUSED)
def test_features_that_would_differ_from_piece_to_piece_are_refused(
    run, monkeypatch, function, message
):
    rng = numpy.random.default_rng(2)
    columns = {
        "word": [f"w{n}" for n in range(100)],
        "label": [0, 1] * 50,
        "a": rng.normal(size=100).tolist(),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), "t.parquet")
    monkeypatch.setattr("features.features", function)
    status, _, error = run(train, "--train", "t.parquet", "--output", "model")
    assert (status, error.count("\n")) == (2, 1), error
    assert message in error
    assert not Path("model").exists()


@pytest.mark.parametrize("lost", ["weight", "group", "id"])
def test_features_keep_what_is_no_feature(run, monkeypatch, lost):
    write({"label": [0, 1] * 30, "x": range(60), "beside": [1] * 60})
    monkeypatch.setattr("features.features", lambda table: table.drop_columns("beside"))
    status, _, error = run(train, "--train", "t.csv", f"--{lost}", "beside", "--output", "m")
    assert (status, error.count("\n"), "leaves out 'beside'" in error) == (2, 1, True)


def test_features_may_say_which_of_two_labels_it_is(trained, monkeypatch):
    monkeypatch.setattr("features.features", lambda table: table.drop_columns("label"))
    write({"label": [0, 1] * 30, "x": range(60), "target": [0, 1, 1] * 20})
    trained("--train", "t.csv")
    assert (schema()["label"], features()) == ("target", ["x"])


def test_an_error_of_the_owners_function_is_shown_with_its_traceback(run, monkeypatch):
    monkeypatch.setattr("features.features", lambda table: table["no such column"])
    status, _, error = run(train, "--train", small(), "--output", "model")
    assert (status, "Traceback" in error, "no such column" in error) == (1, True, True)


def test_rows_may_have_gaps_and_roundings_and_text_in_their_features(trained, monkeypatch):
    def function(table):
        text = pyarrow.compute.if_else(pyarrow.compute.greater(table["a"], 0), "up", None)
        root = pyarrow.compute.sqrt(table["b"])  # NaN below 0
        return table.append_column("text", text.dictionary_encode()).append_column("root", root)

    monkeypatch.setattr("features.features", function)
    trained("--train", small())
    assert schema()["columns"][2] == {"name": "text", "kind": "category", "categories": ["up"]}


def test_changed_features_are_a_warning_at_prediction_and_no_other_training(trained, run):
    path = Path(train.__file__).with_name("features.py")
    text = path.read_text()
    trained("--train", small())
    assert re.fullmatch("[0-9a-f]{64}", schema()["features_sha256"])
    argv = ["--model", "model", "--data", "t.csv", "--output", "p.csv"]
    status, out, _ = run(predict, *argv)
    assert (status, "warning" in out) == (0, False)
    try:
        path.write_text(text + "# another\n")
        status, out, _ = run(predict, *argv)
    finally:
        path.write_text(text)
    assert (status, out.count("warning: the file of the features is not what it was")) == (0, 1)


def test_the_function_is_called_with_pieces_of_the_whole_table(monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 500)
    sizes = []

    def function(table):
        sizes.append(table.num_rows)
        return table

    options = arguments.train(["--train", small()], {})[0]
    rows = data.load(options, None, numpy.float64, function).sets["train"]
    assert len(sizes) > 8
    assert sum(map(len, (rows,))) == 160
    assert derived.sha256(function) == derived.sha256(small)


# ---- what others bring: libsvm of agaricus and abalone, Treasure Data, SageMaker


def libsvm(path, rows=100, label="{}"):
    rng = numpy.random.default_rng(0)
    lines = []
    for _ in range(rows):
        x = rng.integers(0, 2, 6)
        y = int(x[0] or x[3])
        pairs = [f"{place + 1}:1" for place in range(6) if x[place]] + ["9:0.5"]
        lines.append(f"{label.format(y)} {' '.join(pairs)}")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["agaricus.txt.train", "abalone", "x.csv.part"])
def test_libsvm_by_any_name_is_trained_and_predicted(trained, run, name):
    out = trained("--train", libsvm(name))
    assert "libsvm: the label is what each line begins with" in out
    assert features() == [
        "f1",
        "f2",
        "f3",
        "f4",
        "f5",
        "f6",
    ]  # f7, f8 and f9 are the same in every row
    assert run(predict, "--model", "model", "--data", name, "--output", "p.csv")[0] == 0
    found = [float(row[0]) for row in read("p.csv")[1:]]
    truth = [float(line[0]) for line in Path(name).read_text().splitlines()]
    assert numpy.mean(numpy.equal(found, truth)) >= 0.75
    assert schema()["classes"] == [0, 1]
    libsvm("channel/train/" + name)
    trained("--train", "channel/train", output="again")
    assert Path("again", FILE).read_bytes() == Path("model", FILE).read_bytes()


def test_weights_of_libsvm_count(trained, run):
    weighted = libsvm("w.libsvm", label="{}:0.5")
    trained("--train", weighted, "--objective", "classification")
    assert schema()["weight"] == "label:weight"
    assert "label:weight" not in features()
    half = Path("model", FILE).read_bytes()
    trained("--train", libsvm("p.libsvm"), "--objective", "classification", output="plain")
    columns = {"label": [], "w": []} | {f"f{n}": [] for n in range(1, 10)}
    for line in Path(weighted).read_text().splitlines():
        head, *pairs = line.split()
        columns["label"].append(float(head[0]))
        columns["w"].append(0.5)
        there = dict(pair.split(":") for pair in pairs)
        for n in range(1, 10):
            columns[f"f{n}"].append(float(there.get(str(n), "nan" if FILE == "model.ubj" else 0)))
    pyarrow.parquet.write_table(pyarrow.table(columns), "dense.parquet")
    argv = ["--train", "dense.parquet", "--objective", "classification", "--weight", "w"]
    trained(*argv, output="dense")
    assert Path("dense", FILE).read_bytes() == half
    mixed = Path(weighted).read_text().replace("1:0.5 ", "1 ", 3)
    Path("mixed.libsvm").write_text(mixed)
    trained("--train", "mixed.libsvm", "--objective", "classification", output="mixed")
    assert run(predict, "--model", "model", "--data", "p.libsvm", "--output", "p.csv")[0] == 0


def test_features_that_treasure_data_did_not_send_are_0(trained, run):
    rng = numpy.random.default_rng(0)
    sparse = {"label": rng.integers(0, 2, 80).astype(float)}
    sparse |= {name: rng.integers(0, 2, 80).astype(float) for name in ("f0", "f3", "f7")}
    sparse["label"] = sparse["f3"]

    def stage(columns, path, **metadata):
        table = pyarrow.table(columns).replace_schema_metadata(metadata)
        pyarrow.parquet.write_table(table, path)

    stage(sparse, "t.parquet", sparse="f")
    trained("--train", "t.parquet", "--objective", "classification")
    few = {"f3": sparse["f3"], "f9": sparse["f0"], "name": ["x"] * 80}
    stage(few, "few.parquet", sparse="f")
    argv = ["--model", "model", "--output", "p.csv", "--data"]
    assert run(predict, *argv, "few.parquet")[0] == 0
    whole = {"f0": [0.0] * 80, "f3": few["f3"], "f7": [0.0] * 80}
    stage(whole, "whole.parquet")
    found = read("p.csv")
    assert run(predict, *argv, "whole.parquet")[0] == 0
    assert read("p.csv") == found
    stage(few, "plain.parquet")
    assert "lacks 'f0', 'f7'" in run(predict, *argv, "plain.parquet")[2]
    stage({"label": sparse["label"], **few}, "v.parquet", sparse="f")
    status, _, error = run(
        train, "--train", "t.parquet", "--validation", "v.parquet", "--output", "m"
    )
    assert (status, "has 'name' more" in error) == (2, True)  # and says nothing of f9


CHANNELS = {
    "CSV without header, label first": ("text/csv", "rows", True),
    "with parameters": ("text/csv; label_size=1", "rows", True),
    "short": ("csv", "rows.part", True),
    "libsvm": ("text/libsvm", "abalone", True),
    "x-libsvm": ("text/x-libsvm;x=y", "abalone", True),
    "Parquet": ("application/x-parquet", "rows.snappy", True),
    "none": (None, "rows.csv", True),
    "without a label": ("text/csv;label_size=0", "rows", "type: --label f3"),
    "a header": ("text/csv", "header", "remove that line"),
    "unknown": ("application/x-recordio-protobuf", "rows", "it is one of text/csv"),
}


@pytest.mark.parametrize(("kind", "name", "works"), CHANNELS.values(), ids=CHANNELS)
def test_sagemakers_channels_are_read_as_it_says(run, monkeypatch, kind, name, works):
    folder = Path("ml/input/data/train")
    folder.mkdir(parents=True)
    lines = [f"{n % 2},{n % 2 + n / 100},{(n * 7) % 10 / 10}" for n in range(80)]
    if kind and "libsvm" in kind:
        lines = [f"{n % 2} 1:{n % 2 + n / 100} 2:{(n * 7) % 10 / 10}" for n in range(80)]
    (folder / name).write_text("label,a,b\n" * (name == "header") + "\n".join(lines) + "\n")
    if kind and "parquet" in kind:
        columns = {"label": [n % 2 for n in range(80)], "a": [n % 2 + n / 99 for n in range(80)]}
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / name)
    (folder / "_SUCCESS").touch()
    monkeypatch.setenv("SM_CHANNEL_TRAIN", str(folder.absolute()))
    monkeypatch.setenv("SM_MODEL_DIR", "ml/model")
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", "ml/output/data")
    config = {"train": {"TrainingInputMode": "File"} | ({"ContentType": kind} if kind else {})}
    monkeypatch.setenv("SM_INPUT_DATA_CONFIG", json.dumps(config))
    status, out, error = run(train, "--objective", "classification", *QUICK)
    if works is True:
        assert status == 0, out + error
        assert Path("ml/model", FILE).exists()
        assert Path("ml/output/data/metrics.json").exists()
    else:
        assert (status, error.count("\n"), works in error) == (2, 1, True), error


# ---- the contract of a run


def test_a_later_attempt_resumes_and_channels_are_called_what_people_call_them(
    trained, monkeypatch
):
    monkeypatch.setenv("RUN_FOLDER", str(Path("work").absolute()))
    monkeypatch.setenv("CHECKPOINT_DIR", str(Path("work/checkpoints").absolute()))
    monkeypatch.setenv("SM_CHANNEL_TRAIN", small())
    channels = {"train": {"uri": "s3://bucket/p/data/t.csv", "path": "data/t.csv"}}
    monkeypatch.setenv("RUN_CHANNELS", json.dumps(channels))
    for attempt, says in ("1", False), ("", False), ("2", True):
        monkeypatch.setenv("RUN_ATTEMPT", attempt)
        status = program.execute(train.main, QUICK)
        assert status == 0
        report = json.loads(Path("work/metrics.json").read_text())
        assert report["data"] == {"train": "s3://bucket/p/data/t.csv", "validation": None}
        assert ("starting anew" in trained("--train", "t.csv", output="m")) == says


def test_a_result_for_treasure_data_is_typed_otherwise(trained, run):
    trained("--train", small())
    argv = ["--model", "model", "--data", "t.csv", "--output", "td://db/table"]
    status, _, error = run(predict, *argv)
    assert (status, error.count("\n")) == (2, 1)
    assert "type: make run RESULT=td://db/table without --output" in error
    assert "RESULT='td://db/{t}'" in run(predict, *argv[:-1], "td://db/{t}")[2]
    for option, words in (
        ("model", "model=s3://b/r/ data=data/test.csv"),
        ("data", "data=s3://b/r/ model=latest"),
    ):
        status, _, error = run(predict, *argv[:4], f"--{option}", "s3://b/r/")
        assert (status, f"DATA='{words}' without --{option}" in error) == (2, True)


def test_the_launchers_folder_of_checkpoints_stays_and_is_left_empty(trained, run, monkeypatch):
    monkeypatch.setenv("CHECKPOINT_DIR", "given")
    every = ["--checkpoint-every", "2"] if FILE == "model.skops" else []
    Path("given").mkdir()
    Path("given/notes.txt").write_text("not ours")
    Path("given/.00000002.model.part").write_text("half")
    trained("--train", small(), *every)
    assert [path.name for path in Path("given").iterdir()] == ["notes.txt"]
    assert not Path("model/checkpoints").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0:1 2:x", "is no libsvm"),
        ("1 -1:1 2:2", "an index is negative"),
        ("1 1:1 30000:2", "30,000 columns, and 20,000 are the most"),
        ("1:x 1:1", "is no libsvm"),
        ("1:-2 1:1", "weight 'label:weight' is missing, negative or not finite in row 1"),
        ("1:0 1:1", "weight 'label:weight' is 0 in every row"),
    ],
)
def test_a_bad_line_of_libsvm_is_one_sentence(run, line, message):
    Path("bad.libsvm").write_text("".join(f"{n % 2}{line[1:]} 3:{n}\n" for n in range(9)))
    status, _, error = run(train, "--train", "bad.libsvm", "--output", "model")
    assert (status, error.count("\n"), message in error) == (2, 1, True), error


def test_libsvm_may_begin_with_feature_0(trained):
    Path("t.libsvm").write_text(
        "".join(f"{n % 2} 0:{n % 2 + n / 9} 1:{n % 5}\n" for n in range(60))
    )
    trained("--train", "t.libsvm")
    assert features() == ["f0", "f1"]


def test_a_name_of_a_column_is_no_code_for_a_terminal(run, trained):
    rows = {"label": [0, 1] * 30, "\x1b[31mred": range(60), "a\u202eb": [0.5] * 60, "c": range(60)}
    pyarrow.parquet.write_table(pyarrow.table(rows), "t.parquet")
    out = trained("--train", "t.parquet")
    assert "another whole number" in out
    assert "left out, the same in every row: 'a\\u202eb'" in out
    pyarrow.parquet.write_table(pyarrow.table({"c": range(9), "\x1b[31m": range(9)}), "t.parquet")
    error = run(train, "--train", "t.parquet", "--output", "model")[2]
    assert "type: --label NAME" in error
    assert not any(sign in out + error for sign in ("\x1b", "\u202e"))


def test_a_model_of_an_older_train_py_predicts(trained, run):
    trained("--train", small())
    argv = ["--model", "model", "--data", "t.csv", "--output"]
    assert run(predict, *argv, "new.csv")[0] == 0
    old = ("label", "objective", "columns", "classes", "weight", "group")
    Path("model/schema.json").write_text(json.dumps({name: schema()[name] for name in old}))
    Path("model/training.json").unlink()  # which has the sha256 of the newer schema
    status, out, _ = run(predict, *argv, "old.csv")
    assert (status, "warning" in out) == (0, False)
    assert read("old.csv") == read("new.csv")
    Path("model/schema.json").write_text("{}")
    status, _, error = run(predict, *argv, "none.csv")
    assert (status, error) == (
        2,
        "error: schema.json is not one that train.py wrote, or is damaged\n",
    )
