"""What is too large or too odd for a model: full disks, huge whole numbers, odd names, unknown columns."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy
import predict
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import train
from training import program, storage
from training.library.model import FILE

QUICK = {"model.ubj": ["--n-estimators", "5"], "model.skops": ["--max-iter", "5"]}[FILE]
PROJECT = Path(train.__file__).parent
ROWS = 300
BIG = 2**53 + 1


def columns(**more):
    random = numpy.random.default_rng(0)
    a, b = random.normal(size=(2, ROWS))
    kind = [["red", "green"][n % 2] for n in range(ROWS)]
    label = [["no", "yes"][int(value > 0)] for value in a]
    return {"a": a, "b": b, "kind": kind, "label": label} | more


def write(path="t.parquet", **more):
    pyarrow.parquet.write_table(pyarrow.table(columns(**more)), path)
    return path


@pytest.fixture
def trains(run):
    """Train on t.parquet, and give the exit status and what was said."""

    def trains(*argv, output="m"):
        status, out, error = run(train, "--train", "t.parquet", *QUICK, *argv, "--output", output)
        assert status == 0 or (status == 2 and error.count("\n") == 1), error
        assert Path(output).exists() == (status == 0)
        return status, out + error

    return trains


def predicted(run, data, model="m"):
    argv = ["--model", model, "--data", data, "--output", "o.csv", "--proba"]
    status, _, error = run(predict, *argv)
    assert status == 0, error
    return Path("o.csv").read_bytes()


# ---- a full disk: the limit of a file's size stands for it, and tests the same places


def limited(size, script, *argv):
    """Run a script that may write files of so many bytes; give exit status and standard error."""
    done = subprocess.run(
        [sys.executable, PROJECT / script, *argv], capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )  # fmt: skip
    assert not list(Path("scratch").iterdir())
    return done.returncode, done.stderr


FULL = {
    "a CSV is copied": ("t.csv", 6000, ["about 1 MiB are needed"]),
    "what was packed": ("t.parquet.gz", 6000, ["about 1 MiB are needed"]),
    "features": ("t.parquet", 2000, ["about 1 MiB are needed"]),
    "the model": ("t.parquet", 9000, []),
}


@pytest.mark.parametrize(("data", "size", "words"), FULL.values(), ids=FULL)
def test_a_full_scratch_disk_is_one_sentence_in_every_phase(folder, monkeypatch, data, size, words):
    write()
    table = pyarrow.table(columns())
    pyarrow.csv.write_csv(table, "t.csv")
    with pyarrow.CompressedOutputStream("t.parquet.gz", "gzip") as file:
        file.write(Path("t.parquet").read_bytes())
    Path("scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "scratch"))
    more = {"model.ubj": ["--n-estimators", "40"], "model.skops": ["--max-iter", "40"]}[FILE]
    status, error = limited(size, "train.py", "--train", data, *more, "--output", "m")
    assert (status, error.count("\n")) == (2, 1), error
    for word in ("the scratch disk is full", "make run DISK=", "TMPDIR", *words):
        assert word in error
    assert not Path("m").exists()


def test_a_full_disk_of_the_results_is_one_sentence(trains, monkeypatch, folder):
    write()
    assert trains()[0] == 0
    Path("scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "scratch"))
    argv = ["--model", "m", "--data", "t.parquet", "--output", "o.csv", "--proba"]
    status, error = limited(2000, "predict.py", *argv)
    assert (status, error.count("\n")) == (2, 1), error
    assert "'o.csv' cannot be written: File too large; on ECS type: make run DISK=50" in error
    assert not Path("o.csv").exists()


@pytest.mark.parametrize(
    ("total", "needed", "disk"),
    [(20, None, 50), (20, 30, 60), (60, 1, 120), (1, 1, 50), (150, 1, 200), (1, 500, 200)],
)
def test_the_disk_that_is_advised_is_one_that_fargate_has(monkeypatch, total, needed, disk):
    usage = type("Usage", (), {"total": total << 30, "free": 5 << 30})
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: usage)
    said = storage.full(needed and needed << 30)
    assert f"has {total << 10:,} MiB in all" in said
    assert f"make run DISK={disk}," in said
    assert (f"about {(needed or 0) << 10:,} MiB are needed" in said) == bool(needed)
    storage.check_scratch(5 << 30)
    with pytest.raises(storage.UserError, match="DISK="):
        storage.check_scratch((5 << 30) + 1)


def test_the_size_of_a_table_is_that_of_its_files(folder):
    (folder / "d/e").mkdir(parents=True)
    for name, size in ("d/a.csv", 3), ("d/e/b.csv", 5), ("c.csv", 7):
        Path(name).write_bytes(b"x" * size)
    empty = Path("d/e").stat().st_size
    assert storage.size("c.csv") == 7
    assert storage.size("d") == 8 + empty
    assert storage.size("d/*.csv") == 3
    assert storage.size(str(folder / "*.csv")) == 7


# ---- whole numbers that a float cannot hold


HUGE = {
    "label": ({"label": [BIG + 2 * n for n in range(ROWS)]}, []),
    "weight": ({"w": [BIG + 2 * n for n in range(ROWS)]}, ["--weight", "w"]),
    "negative": ({"label": [-BIG - 2 * n for n in range(ROWS)]}, []),
    "unsigned classes": (
        {"label": pyarrow.array([2**63 + n % 3 for n in range(ROWS)], pyarrow.uint64())},
        ["--objective", "classification"],
    ),
}


@pytest.mark.parametrize(("more", "argv"), HUGE.values(), ids=HUGE)
def test_whole_numbers_that_are_not_exact_are_refused(trains, more, argv):
    write(**more)
    status, said = trains(*argv)
    assert status == 2
    assert f"column '{'w' if argv[:1] == ['--weight'] else 'label'}' has whole numbers that" in said
    assert "make them smaller in features.py" in said


def test_the_largest_whole_numbers_that_are_exact_are_taken(trains):
    write(label=[2**53 - 2 * n for n in range(ROWS)])
    assert trains()[0] == 0


def test_classes_may_be_any_whole_numbers_of_64_bits(trains, run):
    write(label=[2**62 + int(value > 0) for value in columns()["a"]])
    assert trains("--objective", "classification")[0] == 0
    header = predicted(run, "t.parquet").splitlines()[0]
    assert header == f"{2**62},{2**62 + 1}".encode()


def test_a_label_that_is_whole_in_one_file_only_is_refused_if_it_is_not_exact(trains, run):
    Path("t").mkdir()
    write("t/1.parquet", label=[BIG + 2 * n for n in range(ROWS)])
    write("t/2.parquet", label=[0.5 + n for n in range(ROWS)])
    status, _, error = run(train, "--train", "t", *QUICK, "--output", "m")
    assert (status, error.count("\n"), "has whole numbers that double" in error) == (2, 1, True)


# ---- names and bytes


CLASHES = [["x[1]", "x(1)"], ["x(1)", "x[1]", "x(1]", "x(1)_"], ["<", "(", "["], ["a[", "a<", "a("]]


@pytest.mark.parametrize("names", CLASHES)
def test_names_that_xgboost_writes_alike_stay_apart(trains, run, names):
    random = numpy.random.default_rng(1)
    more = {name: random.normal(size=ROWS) for name in names}
    label = numpy.sign(more[names[1]]) + more[names[0]] / 9
    write(**more, label=label)
    assert trains()[0] == 0
    write("plain.parquet", **{f"p{n}": more[name] for n, name in enumerate(names)}, label=label)
    argv = ["--train", "plain.parquet", *QUICK, "--output", "p"]
    assert program.execute(train.main, argv) == 0
    assert (
        json.loads(Path("m/metrics.json").read_text())["train"]
        == (json.loads(Path("p/metrics.json").read_text())["train"])
    )
    features = json.loads(Path("m/importance.json").read_text())["features"]
    assert set(names) < set(features)
    assert max(features, key=features.get) == names[1]


BYTES = {
    "bytes": pyarrow.binary(),
    "many bytes": pyarrow.large_binary(),
    "as many": pyarrow.binary(3),
}


@pytest.mark.parametrize("kind", BYTES.values(), ids=BYTES)
def test_bytes_that_are_utf_8_are_text(trains, run, kind):
    words = [["rö", "gü"][n % 2].encode() for n in range(ROWS)]
    label = [["nä", "jä"][int(value > 0)].encode() for value in columns()["a"]]
    write("text.parquet", kind=[each.decode() for each in words], label=[e.decode() for e in label])
    write(kind=pyarrow.array(words, kind), label=pyarrow.array(label, kind))
    assert trains()[0] == 0
    said = predicted(run, "t.parquet")
    assert said.splitlines()[0].decode() == "jä,nä"
    assert program.execute(train.main, ["--train", "text.parquet", *QUICK, "--output", "x"]) == 0
    assert predicted(run, "text.parquet", "x") == said


def test_bytes_that_are_not_utf_8_are_refused_unless_they_are_left_out(trains):
    words = [b"\xff\xfe" if n == ROWS - 1 else b"ab" for n in range(ROWS)]
    write(kind=pyarrow.array(words))
    status, said = trains()
    assert (status, "column 'kind' holds bytes that are not UTF-8" in said) == (2, True)
    assert trains("--drop", "kind")[0] == 0


@pytest.mark.parametrize("name", ["big[1].csv", "a*b.csv", "what?.csv", "[ab].parquet"])
def test_a_file_may_be_called_like_a_pattern(run, name):
    table = pyarrow.table(columns())
    Path("ab.csv").write_text("this,is\nanother,file\n")
    Path("big1.csv").write_text("this,is\nanother,file\n")
    kind = pyarrow.csv.write_csv if name.endswith("csv") else pyarrow.parquet.write_table
    kind(table, name)
    assert run(train, "--train", name, *QUICK, "--output", "m")[0] == 0
    assert json.loads(Path("m/metrics.json").read_text())["rows"]["train"] == 240
    assert predicted(run, name).count(b"\n") == ROWS + 1


# ---- prediction


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_unknown_columns_may_be_of_any_type_and_differ_between_files(trains, run, ending):
    write()
    assert trains()[0] == 0
    whole = predicted(run, "t.parquet")
    Path("parts").mkdir()
    table = pyarrow.table(columns())
    days = pyarrow.array(range(100), pyarrow.int32()).cast(pyarrow.date32())
    extras = [pyarrow.array(range(100)), pyarrow.array([f"w{n}" for n in range(100)]), days]
    if ending == "parquet":
        extras[1] = pyarrow.array([[n] for n in range(100)])
    for number, extra in enumerate(extras):
        part = table.slice(100 * number, 100).append_column("extra", extra)
        kind = pyarrow.csv.write_csv if ending == "csv" else pyarrow.parquet.write_table
        kind(part, f"parts/{number}.{ending}")
    assert predicted(run, "parts") == whole


@pytest.mark.parametrize("name", ["t.csv", "none.parquet"])
def test_a_table_without_rows_is_refused(trains, run, name):
    write()
    assert trains()[0] == 0
    none = pyarrow.table(columns()).slice(0, 0)
    pyarrow.parquet.write_table(none, "none.parquet")
    pyarrow.csv.write_csv(none, "t.csv")
    argv = ["--model", "m", "--data", name, "--output", "o.csv"]
    status, _, error = run(predict, *argv)
    assert (status, error) == (2, f"error: '{name}' has no rows below its header\n")
    assert not Path("o.csv").exists()
