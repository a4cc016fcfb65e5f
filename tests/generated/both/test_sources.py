"""Where tables come from and what they look like: formats, folders, the web, weights, memory."""

import gzip
import json
from pathlib import Path

import numpy
import predict
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import train
from training import data, delimited, machine, metrics, schema
from training.errors import UserError
from training.library.model import FILE

ROWS = 300
QUICK = {"model.ubj": ["--n-estimators", "5"], "model.skops": ["--max-iter", "5"]}[FILE]
XGBOOST = FILE == "model.ubj"


def table(seed=0, rows=ROWS):
    """A label of two classes, numbers, one of them whole, and text."""
    rng = numpy.random.default_rng(seed)
    numbers = rng.normal(size=(2, rows)).round(3)
    colours = rng.choice(["red", "green", "blue"], rows)
    label = numpy.where(numbers[0] + (colours == "red") > 0.5, "yes", "no")
    columns = {"label": label, "a": numbers[0], "b": numbers[1], "n": rng.integers(9, size=rows)}
    return pyarrow.table(columns | {"colour": colours})


def write(content, path):
    """Write a table in the format and compression that the name tells."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path if path.suffix in (".csv", ".parquet") else path.with_suffix("")
    if plain.suffix == ".csv":
        pyarrow.csv.write_csv(content, plain)
    else:
        pyarrow.parquet.write_table(content, plain, row_group_size=100)
    if path != plain:
        pack(plain, path)
    return path


def pack(plain, path):
    kind = {".gz": "gzip", ".zst": "zstd"}[path.suffix]
    with pyarrow.output_stream(path, compression=kind) as file:
        file.write(plain.read_bytes())
    plain.unlink()


def model(run, uri, *more):
    status, out, error = run(train, "--train", uri, "--output", "model", *QUICK, *more)
    assert status == 0, out + error
    return (Path("model") / FILE).read_bytes()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_gives_the_same_model_packed_in_pieces_and_whole(run, ending):
    whole = write(table(), f"whole.{ending}")
    expected = model(run, whole)
    for packed in "gz", "zst":
        assert model(run, write(table(), f"packed.{ending}.{packed}")) == expected
    for place in range(3):
        write(table().slice(100 * place, 100), f"folder/part/{place}.{ending}")
    Path("folder/_SUCCESS").write_text("")
    Path("folder/.hidden.csv").write_text("x")
    assert model(run, "folder") == expected
    assert model(run, f"folder/part/[0-2].{ending}") == expected
    assert model(run, f"./folder/*/*.{ending}") == expected


def test_csv_and_parquet_of_one_table_give_one_model(run):
    assert model(run, write(table(), "a.csv")) == model(run, write(table(), "a.parquet"))


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_libsvm_is_read_and_predicted(run, packed):
    rng = numpy.random.default_rng(0)
    values = rng.normal(size=(200, 4)).round(3) * (rng.random((200, 4)) > 0.4) + 0.0  # no -0.0
    label = (values[:, 0] > values[:, 3]).astype(int)
    lines = [
        f"{y} " + " ".join(f"{place + 1}:{x}" for place, x in enumerate(row) if x) + " # note"
        for y, row in zip(label, values, strict=True)
    ]
    path = Path("table.libsvm")
    path.write_text("\n".join(lines) + "\n")
    if XGBOOST:  # what a line leaves out is missing to xgboost, and 0 to scikit-learn
        values[values == 0] = numpy.nan
    columns = {f"f{place + 1}": values[:, place] for place in range(4)}
    pyarrow.parquet.write_table(
        pyarrow.table({"label": label.astype(float), **columns}), "dense.parquet"
    )
    if packed:
        pack(path, path := Path(f"table.libsvm{packed}"))
    argv = ["--objective", "classification"]
    assert model(run, path, *argv) == model(run, "dense.parquet", *argv)
    Path("few.svm").write_text("0 2:1.5\n1 1:0.25 9:3\n")
    argv = ["--model", "model", "--data", "few.svm", "--output", "out.csv"]
    status, out, error = run(predict, *argv)
    assert status == 0, out + error
    assert len(Path("out.csv").read_text().splitlines()) == 3
    Path("bad.svm").write_text("0 2:1.5\n1 1-0.25\n")
    status, _, error = run(train, "--train", "bad.svm", "--output", "m")
    assert (status, error.count("\n"), "no libsvm" in error) == (2, 1, True)


def test_without_a_header_the_first_column_is_the_label(run):
    rng = numpy.random.default_rng(0)
    values = rng.normal(size=(100, 2)).round(3)
    label = (values[:, 0] > 0).astype(int)
    lines = [f"{y},{a},{b}" for y, (a, b) in zip(label, values, strict=True)]
    Path("bare.csv").write_text("\n".join(lines) + "\n")
    Path("named.csv").write_text("label,f1,f2\n" + "\n".join(lines) + "\n")
    assert model(run, "bare.csv") == model(run, "named.csv")
    Path("new.csv").write_text("\n".join(line.partition(",")[2] for line in lines) + "\n")
    for name in "bare.csv", "new.csv":
        argv = ["--model", "model", "--data", name, "--output", f"of-{name}"]
        assert run(predict, *argv)[0] == 0
    assert Path("of-bare.csv").read_text() == Path("of-new.csv").read_text()
    Path("wide.csv").write_text("1,2,3,4\n")
    assert "4 columns" in run(predict, "--model", "model", "--data", "wide.csv")[2]


def test_a_column_may_turn_out_to_be_wider_far_down(run, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 1000)
    lines = [f"{n % 2},{n},{'' if n < 900 else n / 4},{n % 400},{n % 3}" for n in range(999)]
    lines.append("1,2.5,7,violet,")
    Path("late.csv").write_text("label,whole,gaps,text,few\n" + "\n".join(lines) + "\n")
    model(run, "late.csv", "--text", "text")
    columns = json.loads(Path("model/schema.json").read_text())["columns"]
    assert [column["kind"] for column in columns] == ["number", "number", "category", "number"]
    assert len(columns[2]["categories"]) == 401


def test_a_row_may_be_longer_than_what_is_parsed_at_a_time(run, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 64)
    lines = [f"{n % 2},{n},{'x' * 200 if n == 30 else 'y'}" for n in range(60)]
    Path("long.csv").write_text("label,a,text\n" + "\n".join(lines) + "\n")
    model(run, "long.csv")
    columns = json.loads(Path("model/schema.json").read_text())["columns"]
    assert columns[1]["categories"] == ["x" * 200, "y"]


def test_files_of_one_table_must_agree(run):
    write(table(), "f/a.csv")
    write(table().drop_columns("b"), "f/b.csv")
    status, _, error = run(train, "--train", "f", "--output", "m")
    assert (status, "'b'" in error, error.count("\n")) == (2, True, 1)
    text = table().set_column(1, "a", pyarrow.array(["x"] * ROWS))
    write(text, "f/b.csv")
    status, _, error = run(train, "--train", "f", "--output", "m")
    assert (status, "column 'a' holds double" in error) == (2, True)
    assert "no file matches" in run(train, "--train", "f/*.parquet", "--output", "m")[2]


def test_the_limit_counts_over_all_files(run):
    for place in range(3):
        write(table(), f"f/{place}.parquet")
    model(run, "f", "--limit", 350)
    report = json.loads(Path("model/metrics.json").read_text())
    assert sum(report["rows"].values()) == 350


def test_weights_count_and_are_no_feature(run):
    content = table()
    ones = pyarrow.array(numpy.ones(ROWS))
    write(content.append_column("w", ones), "ones.parquet")
    assert model(run, "ones.parquet", "--weight", "w")
    columns = json.loads(Path("model/schema.json").read_text())["columns"]
    assert "w" not in [column["name"] for column in columns]
    # a row of weight 2 counts as the same row twice
    rng = numpy.random.default_rng(1)
    values, label = rng.normal(size=(60, 2)), rng.integers(2, size=60)
    weight = rng.integers(1, 3, size=60).astype(float)
    rows = numpy.repeat(numpy.arange(60), weight.astype(int))
    for name, chosen in ("once", numpy.arange(60)), ("twice", rows):
        columns = {"label": label[chosen], "a": values[chosen, 0], "b": values[chosen, 1]}
        columns["w"] = weight[chosen] if name == "once" else numpy.ones(len(chosen))
        pyarrow.parquet.write_table(pyarrow.table(columns), f"{name}.parquet")
    if XGBOOST:
        more = ["--weight", "w", "--validation-fraction", "0", "--tree-method", "exact"]
        for name in "once", "twice":
            model(run, f"{name}.parquet", *more)
            argv = ["--model", "model", "--data", "once.parquet", "--output", f"{name}.csv"]
            assert run(predict, *argv, "--proba")[0] == 0
        once, twice = (
            numpy.loadtxt(f"{name}.csv", skiprows=1, delimiter=",") for name in ("once", "twice")
        )
        assert numpy.allclose(once, twice, atol=1e-4)
    bad = content.append_column("w", pyarrow.array([-1.0] * ROWS))
    status, _, error = run(train, "--train", write(bad, "bad.parquet"), "--weight", "w")
    assert (status, "row 1" in error) == (2, True)
    assert "did you mean 'colour'?" in run(train, "--train", "bad.parquet", "--weight", "color")[2]


def test_validation_files_are_read_as_in_training(run):
    write(table(), "t.csv")
    write(table(1), "v/a.csv")
    write(table(2), "v/b.csv")
    model(run, "t.csv", "--validation", "v")
    report = json.loads(Path("model/metrics.json").read_text())
    assert report["rows"] == {"train": ROWS, "validation": 2 * ROWS}


def ranked(path, rows=400, width=10):
    rng = numpy.random.default_rng(0)
    values = rng.normal(size=(3, rows))
    grade = numpy.clip((values[0] + 0.3 * rng.normal(size=rows)).round() + 1, 0, 3).astype(int)
    query = [f"q{row // width}" for row in range(rows)]
    columns = {"grade": grade, "query": query, "a": values[0], "b": values[1], "c": values[2]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


@pytest.mark.skipif(not XGBOOST, reason="scikit-learn has no ranking")
def test_ranking_learns_the_order_within_groups(run, monkeypatch):
    ranked("r.parquet")
    argv = ["--label", "grade", "--group", "query", "--objective", "ranking"]
    one = model(run, "r.parquet", *argv)
    report = json.loads(Path("model/metrics.json").read_text())
    assert report["objective"] == "rank:ndcg"
    assert report["validation"]["ndcg"] > 0.9
    assert report["rows"] == {"train": 320, "validation": 80}
    assert run(predict, "--model", "model", "--data", "r.parquet", "--output", "o.csv")[0] == 0
    # however the rows are cut into pieces, no group is cut
    monkeypatch.setattr(data, "PIECE", 500)
    assert model(run, "r.parquet", *argv)
    pieces = json.loads(Path("model/metrics.json").read_text())["validation"]["ndcg"]
    assert pieces == pytest.approx(report["validation"]["ndcg"], abs=0.02)
    assert one
    content = pyarrow.parquet.read_table("r.parquet")
    pyarrow.parquet.write_table(content.take(pyarrow.array(range(400))[::7]), "few.parquet")
    mixed = pyarrow.concat_tables([content, content])
    pyarrow.parquet.write_table(mixed, "mixed.parquet")
    status, _, error = run(train, "--train", "mixed.parquet", *argv, "--output", "m")
    assert (status, "sort the table by 'query'" in error) == (2, True)


def test_ndcg_equals_that_of_scikit_learn():
    from sklearn.metrics import ndcg_score

    rng = numpy.random.default_rng(0)
    grades, scores = rng.integers(5, size=(6, 12)), rng.normal(size=(6, 12))
    group = numpy.repeat(numpy.arange(6), 12)
    for top in None, 3:
        ours = metrics.ndcg(grades.ravel(), scores.ravel(), group, top)
        assert ours == pytest.approx(ndcg_score(2.0**grades - 1, scores, k=top))


def test_what_does_not_fit_in_memory_is_refused_before_the_training(run, monkeypatch):
    write(table(), "t.csv")
    monkeypatch.setattr(machine, "memory", lambda: 200 << 20)
    status, _, error = run(train, "--train", "t.csv", "--output", "m")
    assert (status, error.count("\n"), "make run MEMORY=1024" in error) == (2, 1, True)
    assert not Path("m").exists()


@pytest.mark.skipif(not XGBOOST, reason="scikit-learn has no external memory")
def test_pieces_and_external_memory_give_the_same_model(run, monkeypatch):
    write(table(), "t.csv")
    expected = model(run, "t.csv")
    assert model(run, "t.csv", "--external-memory") == expected
    monkeypatch.setattr(data, "PIECE", 1000)
    assert len(list(data.load(options("t.csv"), None, numpy.float32).sets["train"].pieces())) > 3
    model(run, "t.csv")
    pieces = json.loads(Path("model/metrics.json").read_text())["validation"]
    assert pieces["auc"] > 0.8


def options(uri):
    from training import arguments

    return arguments.train(["--train", uri], {})[0]


def test_pieces_and_the_whole_are_the_same_rows(monkeypatch):
    write(table(), "t.csv")
    sets = data.load(options("t.csv"), None, numpy.float64).sets
    monkeypatch.setattr(data, "PIECE", 100)
    for rows in sets.values():
        parts = list(rows.pieces())
        assert len(parts) > 10
        assert numpy.array_equal(numpy.concatenate([block for _, block in parts]), rows.features)
        assert [part.start for part, _ in parts[1:]] == [part.stop for part, _ in parts[:-1]]


def test_types_of_files_are_reconciled_or_refused():
    whole, text = (pyarrow.schema([("a", kind)]) for kind in (pyarrow.int64(), pyarrow.string()))
    null, real = (pyarrow.schema([("a", kind)]) for kind in (pyarrow.null(), pyarrow.float64()))
    assert schema.kinds([("1", null), ("2", text)])["a"] == pyarrow.string()
    assert schema.kinds([("1", whole), ("2", real), ("3", null)])["a"] == pyarrow.float64()
    with pytest.raises(UserError, match="'a' holds int64 in '1' and string in '2'"):
        schema.kinds([("1", whole), ("2", text)])


def test_a_damaged_archive_is_one_sentence(run):
    Path("t.csv.gz").write_bytes(gzip.compress(b"label,a\n1,2\n" * 1000)[:-20])
    Path("u.parquet.gz").write_bytes(b"no gzip at all")
    for name in "t.csv.gz", "u.parquet.gz":
        status, _, error = run(train, "--train", name, "--output", "m")
        assert (status, error.count("\n"), name in error) == (2, 1, True)
