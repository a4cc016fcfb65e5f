"""What a bucket's keys may be called, and what becomes of it on the laptop."""

import errno
import os
from pathlib import Path

import pytest
from ecs.commands import runs
from ecs.console import cell, plain
from ecs.errors import UserError
from ecs.history import download, records
from ecs.run import here
from ecs.stack import stack
from hypothesis import given
from hypothesis import strategies as st

RUN = "20260102T030405Z-abcdef"
LONG = "x" * 256
# key below the run's prefix: part of the sentence that it gets
HOSTILE = {
    "../../../escaped": "leads out",
    "../other/model.ubj": "leads out",
    "sub/../../escaped": "leads out",
    "..": "leads out",
    ".": "leads out",
    "./model.ubj": "leads out",
    "/abs/path": "leads out",
    "//abs/path": "leads out",
    "sub//file": "leads out",
    "sub/./file": "leads out",
    "..\\..\\escaped": "leads out",
    "C:\\escaped": "leads out",
    "nul\0byte": "control characters",
    "line\nbreak": "control characters",
    "\x1b]0;title\x07": "control characters",
    "\x9b2J": "control characters",
    LONG: "longer than 255 bytes",
    "é" * 128: "longer than 255 bytes",
    f"sub/{LONG}/file": "longer than 255 bytes",
    "model.ubj/below": "model.ubj is a file here",
    "model.ubj/below/deeper": "model.ubj is a file here",
    "marker/": "marker of a folder",
}
GOOD = {
    "model.ubj": b"model",
    "metrics.json": b"{}",
    "sub/file": b"below",
    "a name, with [blanks] & more": b"x",
    "é😀": b"x",
    ".hidden": b"x",
    "..two": b"x",
    "empty": b"",
    "C:colon": b"x",
}


@pytest.fixture
def bucket(cloud, tmp_path, monkeypatch, outputs, settings):
    """A bucket with a hostile run, a folder two levels down to be in, and the user's call."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(download, "client", lambda *_: cloud.bucket)
    monkeypatch.setattr(stack, "outputs", lambda _: outputs)
    prefix = f"churn/runs/{RUN}/"
    cloud.bucket.objects |= {prefix + name: body for name, body in GOOD.items()}
    cloud.bucket.objects |= {prefix + name: b"hostile" for name in HOSTILE}
    cloud.bucket.objects[prefix + "checkpoints/00000010.model"] = b"x"
    cloud.bucket.objects[prefix] = b""
    cloud.bucket.objects[prefix + "sub/"] = b""
    return cloud.bucket


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_hostile_bucket_writes_nothing_outside_of_the_run(bucket, settings, tmp_path, capfd):
    assert len(HOSTILE) >= 20
    assert runs.fetch(settings) == 1
    out, err = capfd.readouterr()
    assert files(tmp_path / "a") == {f"b/runs/{RUN}/{name}": body for name, body in GOOD.items()}
    for name, sentence in HOSTILE.items():
        (line,) = (each for each in err.splitlines() if f"error: {plain(name)} was left" in each)
        assert sentence in line
    assert sorted(out.splitlines()) == sorted(f"runs/{RUN}/{name}" for name in GOOD)
    for said in out, err:
        assert not {"\x1b]", "\x9b", "\0", "\x07"} & {said[at : at + 2] for at in range(len(said))}
        assert "\x1b]0" not in said and "\x9b" not in said and "\0" not in said


def test_a_bucket_without_such_names_is_fetched_with_status_0(bucket, settings):
    for name in HOSTILE:
        del bucket.objects[f"churn/runs/{RUN}/{name}"]
    assert runs.fetch(settings) == 0
    assert files(Path("runs", RUN)) == GOOD


def test_where_the_disk_takes_two_names_for_one_the_first_is_fetched():
    good, bad = download.chosen(["A", "a", "b/c", "B", "e\u0301", "é"], exact_case=False)
    assert good == ["A", "B", "e\u0301"]
    assert bad["a"] == "this disk takes its name for that of A"
    assert bad["b/c"] == "B is a file here, and no folder"
    assert bad["é"].endswith("that of e\u0301")
    assert download.chosen(["A", "a"])[0] == ["A", "a"]
    good, bad = download.chosen(["B/c", "b"], exact_case=False)
    assert (good, bad) == (["B/c"], {"b": "b is a folder here, since there is B/c"})


PARTS = st.sampled_from(["a", "b", "A", "..", ".", "", "c.json", "\\", "é"])


@given(st.lists(st.lists(PARTS, min_size=1, max_size=4).map("/".join), unique=True, max_size=8))
def test_whatever_the_names_are_the_good_ones_are_files_side_by_side_below_the_folder(names):
    good, bad = download.chosen(names)
    assert set(good) | set(bad) | {n for n in names if not n or n.endswith("/")} == set(names)
    for name in good:
        path = Path("/r/ID", name)
        assert os.path.normpath(path) == str(path)
        assert path.is_relative_to("/r/ID") and path != Path("/r/ID")
        assert not any(other.startswith(name + "/") for other in good)


@pytest.mark.parametrize("link", ["runs", f"runs/{RUN}", f"runs/{RUN}/sub"])
def test_a_link_that_leads_out_is_not_followed(bucket, settings, tmp_path, link, capfd):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    Path(link).symlink_to(elsewhere)
    if link == "runs":  # the user's own choice, for a larger disk
        runs.fetch(settings)
        assert files(elsewhere)
        return
    if link == f"runs/{RUN}":
        with pytest.raises(UserError, match=f"{link} is a link that leads out of runs: remove it"):
            runs.fetch(settings)
    else:
        assert runs.fetch(settings) == 1
        assert "sub/file was left out: " in (said := capfd.readouterr().err)
        assert f"{link} is a link that leads out of runs/{RUN}: remove it" in said
    assert files(elsewhere) == {}


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_written_through(
    bucket, settings, tmp_path
):
    kept = tmp_path / "kept"
    kept.write_text("mine")
    Path("runs", RUN).mkdir(parents=True)
    Path("runs", RUN, "model.ubj").symlink_to(kept)
    Path("runs", RUN, "report.html").symlink_to(kept)
    runs.fetch(settings)
    assert runs.report(settings) == 0
    assert kept.read_text() == "mine"
    assert Path("runs", RUN, "model.ubj").read_bytes() == b"model"
    assert "<html" in Path("runs", RUN, "report.html").read_text()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENAMETOOLONG])
def test_a_disk_that_refuses_one_file_gets_the_rest(bucket, settings, monkeypatch, capfd, number):
    whole = bucket.download_file

    def write(name: str, key: str, path: str, Callback) -> None:
        if key.endswith("metrics.json"):
            Path(path).write_bytes(b"{")
            raise OSError(number, os.strerror(number))
        whole(name, key, path, Callback)

    monkeypatch.setattr(bucket, "download_file", write)
    assert runs.fetch(settings) == 1
    said = capfd.readouterr().err
    assert f"metrics.json was left out: it cannot be written: {os.strerror(number)}" in said
    assert files(Path("runs", RUN)) == {n: b for n, b in GOOD.items() if n != "metrics.json"}


def test_a_file_that_changes_while_it_comes_is_left_out(bucket, settings, monkeypatch, capfd):
    whole = bucket.download_file

    def write(name: str, key: str, path: str, Callback) -> None:
        whole(name, key, path, Callback)
        if key.endswith("model.ubj"):
            Path(path).write_bytes(b"longer than before")

    monkeypatch.setattr(bucket, "download_file", write)
    Path("runs", RUN).mkdir(parents=True)
    Path("runs", RUN, "model.ubj").write_bytes(b"older")
    assert runs.fetch(settings) == 1
    assert "18 of 5 bytes came" in capfd.readouterr().err
    assert Path("runs", RUN, "model.ubj").read_bytes() == b"older"
    assert not list(Path("runs", RUN).rglob("*.partial"))


def test_folders_that_no_run_is_called_after_are_no_runs(bucket, settings, outputs):
    for name in ("..", ".", "", "-x", "a b", "\x1b[2J", "x" * 201, "a\\b"):
        bucket.objects[f"churn/runs/{name}/run.json"] = b"{}"
    bucket.objects["churn/runs/2026-11-24T03:00:00Z-nightly_1.a/run.json"] = b"{}"
    assert records.run_ids(settings, outputs) == ["2026-11-24T03:00:00Z-nightly_1.a", RUN]


@pytest.mark.parametrize(
    "run", ["..", "../..", "/etc", "a/../../b", "/", "runs/", "*", "[a", ".", "x\0"]
)
def test_no_name_of_a_run_leads_out_of_runs(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs/one").mkdir(parents=True)
    assert here.local_run(run) is None


SHOWN = {
    "plain é😀 [x]": "plain é😀 [x]",
    "\x1b[2J": "\\x1b[2J",
    "\x9b": "\\x9b",
    "\x7f": "\\x7f",
    "a\tb\r\nc": "a\\tb\\r\\nc",
    "\u202egnp.exe": "\\u202egnp.exe",
    "\u2028": "\\u2028",
    "\ud800": "\\ud800",
    "\u200b": "\\u200b",
}


@pytest.mark.parametrize("text", SHOWN)
def test_nothing_that_a_terminal_obeys_is_printed_as_it_is(text):
    assert plain(text) == SHOWN[text]


def test_a_cell_of_a_table_is_short_and_has_no_markup():
    assert cell("[red]x[/x]\x1b") == "\\[red]x\\[/x]\\x1b"
    assert cell("a \n b") == "a b"
    assert cell("x" * 300) == "x" * 199 + "…"
    assert cell("x" * 200) == "x" * 200


def test_where_runs_cannot_be_made_it_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").symlink_to("elsewhere")
    Path("elsewhere").mkdir()
    Path("elsewhere/a").symlink_to(tmp_path)
    with pytest.raises(UserError, match="runs/a is a link that leads out of runs: remove it"):
        download.folder_of("a")
