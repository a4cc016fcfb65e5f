"""DATA: which words are channels, where they lie on ECS and here, and what no channel can be."""

import json
from pathlib import Path

import pytest
from ecs import channels, here
from ecs.errors import UserError
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
}


@pytest.mark.parametrize("text", GOOD)
def test_a_word_is_a_channel_with_a_name_or_the_channel_train(text):
    assert channels.parse(text) == GOOD[text]


BAD = [
    "", "  ", "train.csv", "/data/train.csv", "data/../x.csv", "data/./x.csv", "../data/x", "database/x",
    "train=", "train=x.csv", "train=data/a train=data/b", "a=data/x A=data/y", "'data/x", "data/a data/b",
    "data/\x1b[2J", "runs/../x", "s3://bucket/../x", "1a=data/x", "~/x.csv", "latest.csv",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_channel_is_one_sentence_with_an_example(text):
    with pytest.raises(UserError, match="type for example: DATA=") as refused:
        channels.parse(text)
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)


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
    import shlex

    text = shlex.join(f"{name}={path}" for name, path in found.items())
    assert channels.parse(text) == found


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


def test_the_launcher_is_told_of_data_result_revision_and_run(settings, tmp_path, monkeypatch):
    from dataclasses import replace

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(here.image, "git", lambda *_: "abc")
    asked = replace(settings, data="data/x.csv", result="td://db_1/table", run="2026")
    with pytest.raises(UserError, match="RUN='2026': no folder below runs/ begins so"):
        here.environment(asked, "train.py")
    Path("runs/20261125").mkdir(parents=True)
    found = here.environment(asked, "train.py")
    assert json.loads(found.pop("RUN_CHANNELS"))["train"]["uri"] == "data/x.csv"
    assert found == {
        "RUN_RESULT": "td://db_1/table", "GIT_REVISION": "abc", "RUN_ID": "20261125",
    }  # fmt: skip
