"""SageMaker's start over a tree like /opt/ml: its words, variables, results and why it failed."""

import json
import os

import pytest
from job import __main__ as launcher
from job import attempt, process, sagemaker
from job.errors import UserError

SHOWS = """\
import json, os, sys
names = ("RUN_FOLDER", "RUN_ID", "RUN_URI", "SM_CHANNEL_TRAIN", "SM_CHANNEL_TEST", "SM_CHANNELS", "SM_MODEL_DIR",
         "SM_OUTPUT_DATA_DIR", "SM_INPUT_DATA_CONFIG", "SM_HPS", "CHECKPOINT_DIR", "SM_INPUT_DIR")
found = {name: os.environ.get(name) for name in names} | {"argv": sys.argv[1:]}
open(os.path.join(os.environ["SM_MODEL_DIR"], "shown"), "w").write(json.dumps(found))
"""


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """An /opt/ml with two channels, a project and scratch disk beside it."""
    ml, project, scratch = (tmp_path / name for name in ("ml", "app", "scratch"))
    for folder in (
        ml / "input/data/train",
        ml / "input/data/test",
        ml / "input/config",
        ml / "model",
        project,
        scratch,
    ):
        folder.mkdir(parents=True)
    (ml / "input/data/train/part").write_text("1,2")
    (project / "train.py").write_text(SHOWS)
    monkeypatch.setattr(sagemaker, "ROOT", ml)
    monkeypatch.setattr(attempt, "ROOT", project)
    monkeypatch.setattr(attempt, "SCRATCH", scratch)
    monkeypatch.delenv("SAGEMAKER_PROGRAM", raising=False)
    return ml


def config(tree, name: str, content: object) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (tree / "input/config" / name).write_text(text)


@pytest.fixture
def start(tree):
    told = process.Told()
    yield lambda *words: launcher.as_sagemaker(["train", *words], told)
    for number in (process.signal.SIGTERM, process.signal.SIGINT):
        process.signal.signal(
            number, process.signal.SIG_DFL if number == 15 else process.signal.default_int_handler
        )


def test_only_the_word_train_with_a_tree_there_is_sagemakers_start(tree, tmp_path, monkeypatch):
    assert sagemaker.starts(["train"]) and sagemaker.starts(["train", "--x"])
    assert not sagemaker.starts(["train.py"]) and not sagemaker.starts([])
    monkeypatch.setattr(sagemaker, "ROOT", tmp_path / "none")
    assert not sagemaker.starts(["train"])


HYPERPARAMETERS = [
    ({}, ["train.py"]),
    ({"num_round": "50", "eta": '"0.2"'}, ["train.py", "--num_round=50", "--eta=0.2"]),
    ({"a": 1, "b": True, "c": [1], "d": None, "e": '"x y"'}, ["train.py", "--a=1", "--b=true", "--c=[1]", "--d=null",
                                                             "--e=x y"]),
    ({"odd": '"half', "minus": "-1"}, ["train.py", '--odd="half', "--minus=-1"]),
    ({"sagemaker_program": '"deep/go.py"', "sagemaker_region": "x", "_tuning_objective_metric": "y"}, ["deep/go.py"]),
    ({"resume": "true"}, ["train.py", "--resume"]), ({"resume": "False"}, ["train.py"]),
    ({"resume": True}, ["train.py", "--resume"]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), HYPERPARAMETERS)
def test_hyperparameters_become_words(tree, given, words):
    config(tree, "hyperparameters.json", given)
    assert sagemaker.command() == words


def test_the_script_may_stand_in_the_environment(tree, monkeypatch):
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "own.py")
    assert sagemaker.command() == ["own.py"]


BAD = [("hyperparameters.json", "{", "not JSON"), ("hyperparameters.json", "[]", "a JSON object was expected"),
       ("hyperparameters.json", '{"resume": "yes"}', "resume 'yes': true or false"),
       ("inputdataconfig.json", "1", "a JSON object was expected"),
       ("hyperparameters.json", '{"sagemaker_program": "none.py"}', "there is no script 'none.py'")]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "said"), BAD)
def test_what_is_wrong_is_said_on_the_log_and_where_sagemaker_shows_it(
    tree, start, capsys, name, text, said
):
    config(tree, name, text)
    assert start() == 2
    printed = capsys.readouterr().out
    assert printed.startswith("error: ") and said in printed
    assert said in (tree / "output/failure").read_text()


def test_a_script_finds_the_tree_in_its_variables_and_its_words(tree, start, tmp_path):
    config(tree, "hyperparameters.json", {"eta": '"0.2"', "flag": "x"})
    content = {"train": {"ContentType": "text/csv"}}
    config(tree, "inputdataconfig.json", content)
    assert start("--last") == 0
    found = json.loads((tree / "model/shown").read_text())
    assert found.pop("argv") == ["--eta=0.2", "--flag=x", "--last"]
    assert json.loads(found.pop("SM_HPS")) == {"eta": 0.2, "flag": "x", "last": True}
    assert json.loads(found.pop("SM_INPUT_DATA_CONFIG")) == content
    assert found == {
        "RUN_FOLDER": None, "RUN_ID": None, "RUN_URI": None, "SM_CHANNELS": '["test", "train"]',
        "SM_CHANNEL_TRAIN": f"{tree}/input/data/train", "SM_CHANNEL_TEST": f"{tree}/input/data/test",
        "SM_MODEL_DIR": f"{tree}/model", "SM_OUTPUT_DATA_DIR": f"{tree}/output/data",
        "CHECKPOINT_DIR": f"{tree}/checkpoints", "SM_INPUT_DIR": f"{tree}/input",
    }  # fmt: skip
    assert not (tree / "output/failure").exists()
    assert (tmp_path / "scratch/tmp").stat().st_mode & 0o777 == 0o777 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_last_words_of_a_script_that_fails_are_its_failure(tree, start, tmp_path, capfd):
    (tmp_path / "app/train.py").write_text(
        "import sys\nprint('out')\nsys.stderr.write('x' * 5000)\nsys.exit('the reason, é')\n"
    )
    assert start() == 1
    failure = (tree / "output/failure").read_text()
    assert failure.endswith("the reason, é") and len(failure) <= sagemaker.LONGEST_FAILURE
    said = capfd.readouterr()
    assert said.out == "out\n" and said.err.endswith("the reason, é\n") and len(said.err) > 5000


def test_a_script_that_fails_without_a_word_has_its_status_there(tree, start, tmp_path):
    (tmp_path / "app/train.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    assert start() == 137
    assert (tree / "output/failure").read_text() == "exit status 137"


def test_a_first_line_that_names_no_program_is_said(tree, start, tmp_path, capsys):
    (tmp_path / "app/go").write_text("#!/no/such/program\n")
    config(tree, "hyperparameters.json", {"sagemaker_program": "go"})
    assert start() == 2
    assert "./go cannot be started: No such file or directory" in capsys.readouterr().out
    with pytest.raises(UserError):
        process.Child(["./go\0"], tmp_path, {})
