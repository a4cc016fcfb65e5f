"""Damaged models, tables and schemas: one sentence or the right result, and nothing left on scratch disk.

A few of each by default; ``FUZZ=all`` tries 500 models, 500 tables and 300 schemas.
"""

import hashlib
import json
import os
import random
import re
import shutil
import zipfile
from pathlib import Path

import numpy
import predict
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
import train
from training import program
from training.library.model import FILE

QUICK = {"model.ubj": ["--n-estimators", "2"], "model.skops": ["--max-iter", "2"]}[FILE]
ROWS = 60
ALL = os.environ.get("FUZZ") == "all"
KINDS = "t.csv", "t.parquet", "t.libsvm"
PARTS = 4  # of each kind, so that one that fails is found soon


def seeds(few, many):
    """Return the seeds of one test in PARTS, ``few`` or ``many`` in all."""
    count = many if ALL else few
    return pytest.mark.parametrize(
        "seeds", [range(part, count, PARTS) for part in range(PARTS)], ids=range(PARTS)
    )


def mutated(chance, content):
    """Return ``content`` with some bytes changed, cut off, left out, put in or doubled."""
    changed, where = bytearray(content), chance.randrange(len(content))
    length = chance.choice([1, 1, 2, 8, 50])
    kind = chance.randrange(6)
    if kind == 0:
        for _ in range(length):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    elif kind == 1:
        changed[where] ^= 1 << chance.randrange(8)
    elif kind == 2:
        del changed[where:]
    elif kind == 3:
        del changed[where : where + length]
    elif kind == 4:
        changed[where:where] = chance.randbytes(length)
    else:
        changed[where:where] = changed[where : where + length]
    return bytes(changed)


def inside(chance, archive):
    """Return a zip file, one file of which is mutated; its checksum fits."""
    with zipfile.ZipFile(archive) as zipped:
        files = {name: zipped.read(name) for name in zipped.namelist()}
        comment = zipped.comment
    name = chance.choice([*files, "schema.json"])
    files[name] = mutated(chance, files[name])
    with zipfile.ZipFile("new.zip", "w") as zipped:
        for each, content in files.items():
            zipped.writestr(each, content)
        zipped.comment = comment
    return Path("new.zip").read_bytes()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Give a folder with one table in three formats, a model of it, m, and its predictions, m.csv."""
    folder = tmp_path_factory.mktemp("trained")
    chance = numpy.random.default_rng(0)
    a, b = chance.normal(size=(2, ROWS)).round(3)
    words = [f"{'red' if n % 3 else 'green'}" for n in range(ROWS)]
    label = [["no", "yes"][int(value > 0)] for value in a]
    columns = pyarrow.table({"a": a, "kind": words, "b": b, "n": range(ROWS), "label": label})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pyarrow.parquet.write_table(columns, "t.parquet")
        pyarrow.csv.write_csv(columns, "t.csv")
        lines = (f"{int(x > 0)} 1:{x} 3:{y}\n" for x, y in zip(a, b, strict=True))
        Path("t.libsvm").write_text("".join(lines))
        assert program.execute(train.main, ["--train", "t.csv", *QUICK, "--output", "m"]) == 0
        argv = ["--model", "m", "--data", "t.csv", "--output", "m.csv"]
        assert program.execute(predict.main, argv) == 0
    return folder


@pytest.fixture
def good(trained, folder, monkeypatch):
    """Copy what is in ``trained`` here, and give scratch disk a folder of its own."""
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    (folder / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "scratch"))
    return folder


@pytest.fixture
def told(good, run):
    """Run a script, check how it ended, and give its exit status."""

    def told(script, *argv, written):
        status, out, error = run(script, *argv)
        assert status == 0 or (status == 2 and re.fullmatch(r"error: [^\n]+\n", error)), out + error
        assert Path(written).exists() == (status == 0)
        assert not list(Path("scratch").iterdir())
        return status

    return told


def predicts(told, model="m"):
    Path("o.csv").unlink(missing_ok=True)
    argv = ["--model", model, "--data", "t.csv", "--output", "o.csv"]
    return told(predict, *argv, written="o.csv") == 0


@seeds(12, 500)
def test_a_damaged_model_is_a_sentence_or_predicts(told, seeds):
    path = Path("m", FILE)
    content, manifest = path.read_bytes(), Path("m/training.json").read_bytes()
    for seed in seeds:
        chance = random.Random(seed)
        known = seed % 4 == 0
        Path("m/training.json").unlink(missing_ok=True)
        if known:
            Path("m/training.json").write_bytes(manifest)
        inner = FILE == "model.skops" and seed % 3
        path.write_bytes(content)
        path.write_bytes(inside(chance, path) if inner else mutated(chance, content))
        ended = predicts(told)
        assert not (known and ended and path.read_bytes() != content), seed


@seeds(40, 500)
def test_a_damaged_table_is_a_sentence_or_trains_and_predicts(told, seeds):
    for seed in seeds:
        chance = random.Random(seed)
        name = KINDS[seed // PARTS % len(KINDS)]
        bad = Path(f"bad{Path(name).suffix}")
        bad.write_bytes(mutated(chance, Path(name).read_bytes()))
        shutil.rmtree("n", ignore_errors=True)
        if seed % 2:
            told(train, "--train", bad, *QUICK, "--output", "n", written="n")
        else:
            Path("o.csv").unlink(missing_ok=True)
            argv = ["--model", "m", "--data", bad, "--output", "o.csv"]
            told(predict, *argv, written="o.csv")


def replaced(chance, value):
    """Return a JSON value with one part of it of another kind."""
    if isinstance(value, dict | list) and value and chance.random() < 0.8:
        key = chance.choice(sorted(value) if isinstance(value, dict) else range(len(value)))
        new = value.copy()
        new[key] = replaced(chance, value[key])
        if chance.random() < 0.1:
            del new[key]
        return new
    return chance.choice(
        [None, 0, -1, 1e9, "", "a", "label", [], {}, ["x"], [1], True, {"name": 1}]
    )


@seeds(80, 300)
def test_a_damaged_schema_is_a_sentence_or_predicts(told, untie, seeds):
    path, manifest = Path("m/schema.json"), Path("m/training.json")
    text, origin = path.read_bytes(), json.loads(manifest.read_text())
    untie(Path(shutil.copytree("m", "u"), FILE))
    Path("u/training.json").unlink()
    for seed in seeds:
        chance = random.Random(seed)
        new = json.dumps(replaced(chance, json.loads(text))).encode()
        new = new if seed % 3 else mutated(chance, text)
        path.write_bytes(new)
        # Not even the manifest tells: the model does.
        origin["files"]["schema.json"]["sha256"] = hashlib.sha256(new).hexdigest()
        manifest.write_text(json.dumps(origin))
        older = seed % 10 == 0
        if older:
            Path("u/schema.json").write_bytes(new)
        predicts(told, "u" if older else "m")
