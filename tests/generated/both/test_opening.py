"""Models that are damaged, mismatched or of unknown origin: one sentence, or the right predictions."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy
import predict
import pyarrow
import pyarrow.parquet
import pytest
import train
from training import checkpoints, opening, program
from training.errors import UserError
from training.library.model import FILE

QUICK = {"model.ubj": ["--n-estimators", "5"], "model.skops": ["--max-iter", "5"]}[FILE]
ROWS = 120


def table(path="t.parquet", names=("a", "b"), classes="xyz"):
    random = numpy.random.default_rng(0)
    one, two = random.normal(size=(2, ROWS))
    columns = {names[0]: one, names[1]: two, "kind": ["red", "green"] * (ROWS // 2)}
    label = [classes[code] for code in (one > 0).astype(int) + (two > 0)]
    pyarrow.parquet.write_table(pyarrow.table({**columns, "label": label}), path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Give a folder with a table t.parquet, its model m and the model's predictions m.csv."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        argv = ["--train", table(), *QUICK, "--output", "m"]
        assert program.execute(train.main, argv) == 0
        argv = ["--model", "m", "--data", "t.parquet", "--output", "m.csv"]
        assert program.execute(predict.main, argv) == 0
    return folder


@pytest.fixture
def model(trained, folder):
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    return folder / "m"


@pytest.fixture
def predicts(run, folder):
    """Predict, and give exit status and what was said; after exit status 0 all is predicted as always."""

    def predicts(model="m", data="t.parquet"):
        status, out, error = run(predict, "--model", model, "--data", data, "--output", "o.csv")
        assert status == 0 or (status, error.count("\n")) == (2, 1), error
        assert Path("o.csv").exists() == (status == 0)
        if status == 0:
            assert Path("o.csv").read_bytes() == Path("m.csv").read_bytes()
        return status, out + error

    return predicts


def edit(path, **changes):
    text = json.loads(path.read_text())
    path.write_text(json.dumps(text | changes))


def retrain(model, **other):
    argv = ["--train", table("other.parquet", **other), *QUICK, "--output", "other"]
    assert program.execute(train.main, argv) == 0
    return Path("other")


def test_a_whole_model_is_read_in_this_process_and_one_without_a_manifest_in_another(
    model, predicts, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(opening, "process", lambda *_: pytest.fail("another process"))
        assert predicts()[0] == 0
    (model / "training.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("training.library.model.load", lambda path: pytest.fail("this process"))
        status, said = predicts()
    assert (status, "in a process of its own" in said) == (0, True)


@pytest.mark.parametrize("name", [FILE, "schema.json"])
@pytest.mark.parametrize("manifest", ["training.json", "manifest.json"])
def test_a_file_that_the_manifest_does_not_know_is_refused_before_it_is_read(
    model, predicts, name, manifest, monkeypatch
):
    (model / "training.json").rename(model / manifest)
    path = model / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr("training.library.model.load", lambda path: pytest.fail("read"))
    status, said = predicts()
    assert status == 2
    assert f"'m/{name}' is not the file that {manifest} beside it describes" in said


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"files": 1}', '{"files": {}}', '{"files": {"%s": 1}}']
)
def test_a_manifest_that_says_nothing_of_the_model_vouches_for_nothing(model, predicts, text):
    (model / "training.json").write_text(text.replace("%s", FILE))
    status, said = predicts()
    assert (status, "in a process of its own" in said or "training.json" in said) == (
        2 * (text in "{[]"),
        True,
    )


OTHERS = {
    "columns in another order": {"names": ("b", "a")},
    "other columns": {"names": ("c", "d")},
    "other classes": {"classes": "uvw"},
    "fewer classes": {"classes": "xxy"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("manifest", [True, False])
def test_the_schema_of_another_model_is_refused(model, predicts, other, manifest):
    shutil.copy(retrain(model, **other) / "schema.json", model)
    if not manifest:
        (model / "training.json").unlink()
    status, said = predicts(data="other.parquet")
    assert status == 2
    assert "of another model" in said if manifest else "does not belong to" in said


def test_a_model_of_an_older_version_names_no_schema_and_is_asked_for_its_shape(
    model, predicts, untie
):
    other = retrain(model, classes="xxy")
    untie(other / FILE)
    (other / "training.json").unlink()
    shutil.copy(model / "schema.json", other)
    status, said = predicts("other")
    assert status == 2
    assert "do not belong together" in said


def test_a_process_that_ends_while_it_reads_is_one_sentence(model, capfd):
    path = model / FILE
    with opening.process(path) as ask:
        assert ask(None)
        opening.multiprocessing.active_children()[0].kill()
        with pytest.raises(UserError, match=r"crashed \(exit code -9\)"):
            ask(None)
    assert not opening.multiprocessing.active_children()


def test_the_error_of_a_model_that_cannot_predict_is_one_sentence(model):
    (model / "training.json").unlink()
    schema = opening.Schema.from_json(json.loads((model / "schema.json").read_text()))
    with opening.process(model / FILE, schema) as ask:
        assert ask(numpy.zeros((2, 3), numpy.float32)).shape == (2, 3)
        with pytest.raises(UserError, match="cannot predict, or is damaged") as told:
            ask(numpy.zeros((2, 9), numpy.float32))
        assert "\n" not in str(told.value)
        assert ask(numpy.zeros((1, 3), numpy.float32)).shape == (1, 3)
    fewer = dataclasses.replace(schema, classes=("x", "y"))
    told = pytest.raises(UserError, match="do not belong together")
    with opening.process(model / FILE, fewer) as ask, told:
        ask(numpy.zeros((2, 3), numpy.float32))


@pytest.fixture
def store(folder):
    """Return the checkpoints of a run, of which each call gives a new object."""

    def store():
        options = {"model_folder": folder, "checkpoint_folder": folder / "c"}
        options |= {"checkpoint_every": 1, "resume": True}
        return checkpoints.Store(
            argparse.Namespace(**options), lambda: {"parameter": {}}, None, opening.check
        )

    return store


@pytest.mark.parametrize("content", [b"", b"no model", "half", "mutated"])
def test_a_checkpoint_that_was_broken_when_it_was_saved_is_passed_over(
    model, store, capsys, content
):
    whole = (model / FILE).read_bytes()
    broken = {"half": whole[: len(whole) // 2], "mutated": whole.replace(b"e", b"E")}
    before = store()
    before.save(1, whole, {"n": 1})
    before.save(2, broken.get(content, content), {"n": 2})
    found = store().resume()
    assert found == (1, whole, {"n": 1})
    out = capsys.readouterr().out
    assert "the checkpoint of round 2 is damaged: passed over" in out
    assert sorted(path.name for path in Path("c").iterdir()) == ["00000001.json", "00000001.model"]


def test_a_checkpoint_that_is_whole_is_resumed(model, store):
    whole = (model / FILE).read_bytes()
    before = store()
    for rounds in 1, 2:
        before.save(rounds, whole, {"n": rounds})
    now = store()
    assert now.resume() == (2, whole, {"n": 2})
    assert (now.saved, now.attempts) == ([1, 2], 2)
