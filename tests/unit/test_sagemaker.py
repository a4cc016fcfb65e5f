"""SageMaker's tree: its hyperparameters, channels and folders reach train.py's options."""

import json

import pytest
from training import arguments, program, sagemaker
from training.errors import UserError

NAMES = "SM_CHANNEL_TRAIN SM_CHANNEL_VALIDATION SM_MODEL_DIR SM_OUTPUT_DATA_DIR RUN_URI PROJECT_URI"
KNOWN = {"max_depth": 6, "eta": 0.3, "grow_policy": "depthwise"}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Give a function that makes the tree of the hyperparameters it gets."""
    for name in NAMES.split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sagemaker, "ROOT", tmp_path)

    def tree(**hyperparameters):
        (tmp_path / "input/config").mkdir(parents=True)
        (tmp_path / "input/data/train").mkdir(parents=True)
        (tmp_path / "input/data/train/table.csv").write_text("label,x\n1,2\n")
        (tmp_path / "input/data/train/_SUCCESS").touch()
        file = tmp_path / "input/config/hyperparameters.json"
        file.write_text(json.dumps(hyperparameters))
        return tmp_path

    return tree


def test_the_tree_decides_what_nothing_else_does(tree):
    root = tree(max_depth="3", eta="0.1", grow_policy='"lossguide"', seed="7", resume="true")
    options, chosen = arguments.train([], KNOWN)
    assert chosen == {"max_depth": 3, "eta": 0.1, "grow_policy": "lossguide"}
    assert (options.seed, options.resume, options.validation) == (7, True, None)
    assert options.train == str(root / "input/data/train")
    assert options.model_folder == str(root / "model")
    assert options.metrics_folder == str(root / "output/data")


def test_the_command_line_and_the_environment_win(tree, monkeypatch):
    tree(max_depth="3")
    monkeypatch.setenv("SM_MODEL_DIR", "elsewhere")
    options, chosen = arguments.train(["--train", "other.csv", "--max_depth", "9"], KNOWN)
    assert (chosen, options.train, options.model_folder) == (
        {"max_depth": 9},
        "other.csv",
        "elsewhere",
    )


def test_the_validation_channel_is_used(tree):
    root = tree()
    folder = root / "input/data/validation"
    folder.mkdir()
    assert arguments.train([], KNOWN)[0].validation == str(folder)


def test_sagemakers_own_hyperparameters_are_passed_over_and_unknown_ones_refused(tree):
    root = tree(sagemaker_program="train.py", _tuning_objective_metric="auc")
    assert arguments.train([], KNOWN)[1] == {}
    (root / "input/config/hyperparameters.json").write_text('{"max_dept": "3"}')
    with pytest.raises(UserError, match="unknown option --max_dept: did you mean --max-depth"):
        arguments.train([], KNOWN)
    (root / "input/config/hyperparameters.json").write_text("[]")
    with pytest.raises(UserError, match="a JSON object was expected"):
        arguments.train([], KNOWN)


def test_peek_sees_the_tree_too(tree):
    tree(estimator="sklearn.svm.SVC")
    assert arguments.peek([], "estimator") == "sklearn.svm.SVC"
    assert arguments.peek(["--estimator", "x"], "estimator") == "x"


def test_a_failure_is_told_in_its_file_and_nowhere_without_a_tree(tree, tmp_path, capsys):
    program.stop(2, "error: no tree yet")
    assert list(tmp_path.iterdir()) == []
    root = tree()
    program.stop(0, "")
    assert not (root / "output").exists()
    program.stop(2, "error: wrong at s3://me:hunter2@host/x")
    assert (root / "output/failure").read_text() == "error: wrong at s3://***@host/x"
