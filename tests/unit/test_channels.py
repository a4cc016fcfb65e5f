"""DATA: which words are channels, where they lie on ECS and here, and what no channel can be."""

import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from ecs import contract
from ecs.console import plain
from ecs.errors import UserError
from ecs.request import channels
from ecs.run import here
from hypothesis import given
from hypothesis import strategies as st

GOOD = {
    "data/train.csv": {"train": "data/train.csv"},
    "./data/train.csv": {"train": "data/train.csv"},
    "data": {"train": "data"},
    "data/": {"train": "data/"},
    "train=data/a.csv lookup=data/b.csv": {"train": "data/a.csv", "lookup": "data/b.csv"},
    "data=data/test.csv model=runs/ID": {"data": "data/test.csv", "model": "runs/ID"},
    "model=latest": {"model": "latest"},
    "'data/two words.csv'": {"train": "data/two words.csv"},
    "data/part-*.parquet": {"train": "data/part-*.parquet"},
    "data/x=1/part.csv": {"train": "data/x=1/part.csv"},
    "s3://other/a=b.csv": {"train": "s3://other/a=b.csv"},
    "train=td://db/table?columns=a,b": {"train": "td://db/table?columns=a,b"},
    "https://host/t.csv?x=1": {"train": "https://host/t.csv?x=1"},
    "a-b_2=data/x": {"a-b_2": "data/x"},
    "s3://bucket": {"train": "s3://bucket"},
    "s3://bucket/a//b": {"train": "s3://bucket/a//b"},
    "http://localhost:8000/t.csv": {"train": "http://localhost:8000/t.csv"},
    "HTTPS://host/t.csv": {"train": "HTTPS://host/t.csv"},
    "./data/x=1/y": {"train": "data/x=1/y"},
    "latest": {"train": "latest"},
    "runs/ID/model.ubj": {"train": "runs/ID/model.ubj"},
}


@pytest.mark.parametrize("text", GOOD)
def test_a_word_is_a_channel_with_a_name_or_the_channel_train(text):
    assert channels.parse(text) == GOOD[text]


NO_PATH, NO_PART, NO_NAME = (
    "no path below data/",
    "a part that is no name",
    "names no channel: a letter",
)
BAD = {
    "": "it is empty",
    "  ": "it is empty",
    "'data/x": "it cannot be split into words",
    "train.csv": NO_PATH, "/data/train.csv": NO_PATH, "../data/x": NO_PATH, "database/x": NO_PATH,
    "~/x.csv": NO_PATH, "latest.csv": NO_PATH, "runs": NO_PATH, "runs/": NO_PATH, "train=": NO_PATH,
    "train=x.csv": NO_PATH, "train=/etc/passwd": NO_PATH,
    "data/../x.csv": NO_PART, "data/./x.csv": NO_PART, "data//x": NO_PART, "runs/../x": NO_PART,
    "runs//": NO_PART, "data/x/..": NO_PART,
    "1a=data/x": NO_NAME, "=data/x": NO_NAME, "a b=data/x": NO_PATH, "a.b=data/x": NO_NAME,
    "é=data/x": NO_NAME, f"{'a' * 64}=data/x": NO_NAME,
    "train=data/a train=data/b": "two channels are called train",
    "a=data/x A=data/y": "two channels are called A",
    "data/a data/b": "two channels are called train",
    "data/\x1b[2J": "control characters", "s3://b/\x00": "control characters",
    "data/\u202etxt": "control characters", "data/\udcff": "control characters",
    "s3://": "is no URI", "s3:///key": "is no URI", "s3://bucket/../x": "is no URI",
    "http://[::1/x": "is no URI (Invalid IPv6 URL)",
    "file:///data/x": "file:// is not read", "ftp://host/x": "ftp:// is not read",
    "http://host/x.csv": "http:// is not read", "gs://b/k": "gs:// is not read",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_channel_is_one_sentence_with_an_example(text):
    with pytest.raises(UserError) as refused:
        channels.parse(text)
    sentence, example = str(refused.value).split("; type for example: ")
    assert BAD[text] in sentence
    assert sentence == plain(sentence)
    channels.parse(shlex.split(example.removeprefix("DATA="))[0])  # it is accepted when typed


def test_on_ecs_local_paths_lie_below_the_projects_prefix_and_keep_their_place():
    text = "train=data/a.csv parts=data/parts/ model=runs/ID file=runs/ID/x.bin web=https://h/t.csv"
    assert channels.on_ecs(channels.parse(text), "s3://b/p") == {
        "train": {"uri": "s3://b/p/data/a.csv", "path": "data/a.csv"},
        "parts": {"uri": "s3://b/p/data/parts/", "path": "data/parts"},
        # a run is a folder, whose manifest tells its files
        "model": {"uri": "s3://b/p/runs/ID/", "path": "runs/ID"},
        "file": {"uri": "s3://b/p/runs/ID/x.bin", "path": "runs/ID/x.bin"},
        "web": {"uri": "https://h/t.csv"},
    }


def test_the_address_of_what_was_uploaded_stands_at_its_path_too():
    """A script that reads data/train.csv runs on the uploaded table as well."""
    named = {
        "train": "s3://b/p/data/a.csv", "model": "s3://b/p/runs/ID", "other": "s3://b/p2/data/a.csv",
        "schedules": "s3://b/p/schedules/x.json", "odd": "s3://b/p/data//a.csv",
    }  # fmt: skip
    assert channels.on_ecs(named, "s3://b/p") == {
        "train": {"uri": "s3://b/p/data/a.csv", "path": "data/a.csv"},
        "model": {"uri": "s3://b/p/runs/ID/", "path": "runs/ID"},
        **{name: {"uri": named[name]} for name in ("other", "schedules", "odd")},
    }


BELONGS = [
    ("data/a.csv", "data/a.csv", True),
    ("data/a.csv", "data", True),
    ("data/a.csv", "data/", True),
    ("data/a/b.csv", "data/a", True),
    ("data/a.csv", "data/a", False),
    ("data/ab/c.csv", "data/a", False),
    ("data/part-1.csv", "data/part-*", True),
    ("data/part-1/x.csv", "data/part-*", False),
    ("data/A.csv", "data/[ab].csv", False),
    ("data/a.csv", "data/[ab].csv", True),
    ("data/[ab].csv", "data/[ab].csv", True),
]


@pytest.mark.parametrize(("name", "path", "does"), BELONGS)
def test_a_file_belongs_to_its_folder_and_to_a_pattern_as_of_a_shell(name, path, does):
    assert channels.belongs(name, path) is does


TYPED = {
    'DATA="s3://b/p/data/a.csv"': {"train": "s3://b/p/data/a.csv"},
    'DATA="train=data/a model=runs/ID"': {"train": "data/a", "model": "runs/ID"},
    'DATA="lookup=data/a"': {"lookup": "data/a"},
}


@pytest.mark.parametrize("text", TYPED)
def test_what_is_to_be_typed_is_short(text):
    assert channels.typed(TYPED[text]) == text


def test_here_they_are_the_paths_themselves():
    assert channels.here({"train": "data/a.csv", "x": "s3://b/k"}) == {
        "train": {"uri": "data/a.csv", "path": "data/a.csv"},
        "x": {"uri": "s3://b/k"},
    }


def test_latest_is_asked_for_only_where_it_is_said():
    assert channels.with_latest("data/x", lambda: pytest.fail("asked")) == "data/x"
    found = channels.with_latest("data='data/a b' model=latest", lambda: "ID")
    assert channels.parse(found) == {"data": "data/a b", "model": "runs/ID"}


NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
PATHS = st.from_regex(r"data/[a-zA-Z0-9 '\"$é,=-]{1,12}", fullmatch=True)


@given(st.dictionaries(NAMES, PATHS, min_size=1, max_size=4))
def test_quoted_as_for_a_shell_any_path_arrives(found):
    text = shlex.join(f"{name}={path}" for name, path in found.items())
    assert channels.parse(text) == found
    # as a shell, and then this program, split it
    (word,) = shlex.split(channels.typed(found))
    assert channels.parse(word.removeprefix("DATA=")) == found
    # between double quotes a shell would expand these
    assert not re.match(r'DATA="[^"]*[$`\\!]', channels.typed(found))


# ---- on this machine


def run(name: str, **manifest: object) -> None:
    folder = Path("runs", name)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_latest_run_is_one_that_ended_well_and_of_another_script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no run below runs/ has ended well; type: make train"):
        here.latest("predict.py")
    run("1", hyperparameters={})  # from before there was a launcher
    assert here.latest("predict.py") == "1"
    run("2", exit_code=0, script="train.py")
    run("3", exit_code=0, script="predict.py")
    run("4", exit_code=1, script="train.py")
    Path("runs/5").mkdir()
    Path("runs/6").mkdir()
    Path("runs/6/manifest.json").write_text("[")
    assert here.latest("predict.py") == "2"
    assert here.latest("train.py") == "3"
    for name in ("work", "checkpoints"):
        Path("runs/7", name).mkdir(parents=True)
    for number, name in ((7, "training.json"), (8, "training.json"), (9, "metrics.json")):
        Path(f"runs/{number}").mkdir(exist_ok=True)
        Path(f"runs/{number}", name).write_text("{}")
    assert here.latest("predict.py") == "9"  # without a launcher
    Path("runs/9/metrics.json").unlink()
    assert here.latest("predict.py") == "8"
    Path("runs/8/training.json").unlink()
    assert here.latest("predict.py") == "2"  # 7 is going on


def test_the_launcher_is_told_of_data_result_revision_and_run(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(here.image, "git", lambda *_: "abc")
    asked = replace(settings, data="data/é.csv", result="td://db_1/table", run="2026")
    with pytest.raises(UserError, match="RUN='2026': no folder below runs/ begins so"):
        here.environment(asked, "train.py")
    Path("runs/20261125").mkdir(parents=True)
    found = here.environment(asked, "train.py")
    wanted = {"train": {"uri": "data/é.csv", "path": "data/é.csv"}}
    assert found.pop("RUN_CHANNELS") == json.dumps(wanted, ensure_ascii=False)
    assert found == {
        "RUN_RESULT": "td://db_1/table", "GIT_REVISION": "abc", "RUN_ID": "20261125",
    }  # fmt: skip


def test_the_command_gets_the_words_of_args_and_nothing_of_another_run(
    settings, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    became = []
    monkeypatch.setattr(os, "execvpe", lambda *words: became.append(words))
    asked = replace(settings, args="--note 'two words'")
    left = dict.fromkeys(contract.VARIABLES, "left") | {"HOME": "h"}
    here.become(asked, ["python", "-m", "job", "x.py"], left)
    ((program, words, environ),) = became
    assert (program, words) == ("python", ["python", "-m", "job", "x.py", "--note", "two words"])
    assert environ.pop("HOME") == "h"
    assert set(environ) == {"RUN_CHANNELS"}  # nor is there a git here
    run("1", exit_code=0, script="train.py")
    run("2", exit_code=0, script="predict.py")
    asked = replace(asked, data="model=latest")
    here.become(asked, ["python", "-m", "job", "predict.py"], {})
    assert json.loads(became[-1][2]["RUN_CHANNELS"])["model"]["path"] == "runs/1"
    with pytest.raises(UserError, match="there is no program 'no-such' on this machine"):
        monkeypatch.undo()
        here.become(settings, ["no-such"], {"PATH": "/nowhere"})
