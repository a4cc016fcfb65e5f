"""A training that is interrupted and resumed ends with the model of one that is not. xgboost."""

import csv
import json
import random
from pathlib import Path

import numpy
import pytest
import train
import xgboost
from training import checkpoints, data, encoding, machine, program
from training.library import matrices, resume
from training.library.model import FILE

EXACT = tuple(int(part) for part in xgboost.__version__.split(".")[:2]) >= (3, 3)
exact = pytest.mark.skipif(not EXACT, reason="xgboost below 3.3 cannot resume exactly")
ARGV = ["--train", "table.csv", "--n-estimators", "30", "--subsample", "0.5"]
ARGV += ["--early-stopping-rounds", "8", "--checkpoint-every", "4", "--output"]


@pytest.fixture(autouse=True)
def table(folder):
    chance = random.Random(0)
    with Path("table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "a", "b", "c"])
        for _ in range(400):
            a, b, c = (round(chance.gauss(0, 1), 3) for _ in range(3))
            writer.writerow([a * b + c + chance.gauss(0, 1), a, b, c])


@pytest.fixture
def stopped(monkeypatch):
    """Stop a training by SIGTERM after its round ``after``."""

    def stopped(output, after, *more):
        passes = checkpoints.Store.passes

        def terminates(store, rounds, snapshot):
            if rounds == after:
                program.TERMINATED.set()
            passes(store, rounds, snapshot)

        with monkeypatch.context() as patch:
            patch.setattr(checkpoints.Store, "passes", terminates)
            status = program.execute(train.main, [*ARGV, output, *more])
        program.TERMINATED.clear()
        return status

    return stopped


def run(*argv):
    return program.execute(train.main, [*ARGV, *argv])


def model(folder):
    return (Path(folder) / FILE).read_bytes()


def report(folder):
    return json.loads((Path(folder) / "metrics.json").read_text())


@exact
def test_two_interruptions_leave_no_trace_in_the_model(stopped, capsys):
    assert run("whole") == 0
    assert stopped("broken", 6) == 143
    assert "round 6 is saved" in capsys.readouterr().err
    assert stopped("broken", 9, "--resume") == 143
    assert run("broken", "--resume") == 0
    assert model("broken") == model("whole")
    ours, theirs = report("broken"), report("whole")
    assert (ours["attempts"], theirs["attempts"]) == (3, 1)
    assert (ours["history"], ours["rounds"]) == (theirs["history"], theirs["rounds"])
    assert not Path("broken/checkpoints").exists()


@exact
@pytest.mark.parametrize("damage", ["model", "mark", "missing"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(stopped, capsys, damage):
    run("whole")
    stopped("broken", 10)
    newest = Path("broken/checkpoints/00000010.model")
    if damage == "model":
        newest.write_bytes(newest.read_bytes()[:-1])
    elif damage == "mark":
        newest.with_suffix(".json").write_text('{"rounds": 10, "sha')
    else:
        newest.unlink()
    assert run("broken", "--resume") == 0
    out = capsys.readouterr().out
    assert "round 10 is damaged" in out
    assert "resuming after round 8" in out
    assert model("broken") == model("whole")


@exact
def test_other_parameters_data_or_versions_are_refused_by_name(stopped, capsys, monkeypatch):
    stopped("broken", 10)
    assert run("broken", "--resume", "--eta", "0.1") == 2
    assert "parameter 'eta' was not given and is now 0.1" in capsys.readouterr().err
    table = Path("table.csv").read_text()
    Path("table.csv").write_text("\n".join(table.splitlines()[:-1]) + "\n")
    assert run("broken", "--resume") == 2
    assert "data 'content'" in capsys.readouterr().err
    Path("table.csv").write_text(table)
    monkeypatch.setattr(machine, "versions", lambda: {"xgboost": "9.9"})
    assert run("broken", "--resume") == 2
    error = capsys.readouterr().err
    assert "version" in error
    assert error.count("\n") == 1


@exact
def test_a_new_training_takes_the_place_of_old_checkpoints(stopped):
    stopped("broken", 10)
    stopped("broken", 5)
    names = sorted(path.name for path in Path("broken/checkpoints").iterdir())
    assert names == ["00000004.json", "00000004.model", "00000005.json", "00000005.model"]


@pytest.mark.parametrize(
    "options", [["--booster", "gblinear"], ["--tree-method", "approx", "--subsample", "0.5"]]
)
def test_what_cannot_be_resumed_exactly_starts_anew_and_says_so(capsys, options):
    argv = ["--train", "table.csv", "--n-estimators", "5", *options]
    assert program.execute(train.main, [*argv, "--output", "model", "--resume"]) == 0
    assert "exactly" in capsys.readouterr().out


@exact
def test_a_training_on_a_gpu_is_not_promised_to_resume_exactly():
    parameters = {"seed_per_iteration": True, "device": "cpu"}
    assert resume.inexact(parameters) is None
    assert "CPU only" in resume.inexact(parameters | {"device": "cuda"})


@exact
def test_without_a_checkpoint_resume_starts_anew(capsys):
    assert run("model", "--resume") == 0
    assert "there is no checkpoint" in capsys.readouterr().out


def test_external_memory_without_room_on_scratch_disk_is_refused_before_xgboost_aborts(
    monkeypatch, capsys
):
    usage = type("Usage", (), {"total": 1 << 20, "free": 1 << 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    argv = ["--train", "table.csv", "--external-memory", "--output", "model"]
    assert program.execute(train.main, argv) == 2
    assert "the scratch disk is full" in capsys.readouterr().err


@pytest.mark.parametrize(("bins", "share"), [(256, 1.2), (257, 1.6), (65535, 1.6), (65536, 10)])
def test_the_quantiles_on_disk_are_estimated(bins, share):
    rows = data.Rows(encoding.Table(3, numpy.float32), data.Aside(numpy.zeros(1000)))
    dataset = data.Dataset(None, {"train": rows, "validation": rows})
    assert matrices.on_disk(dataset, bins) == round(share * 2 * 12_000) + 20 * 2000
