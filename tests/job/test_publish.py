"""Checkpoints while a script runs, and what is saved in the end: the order, what failed, what is never lost."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from job import paths, publish, stage, transfer
from job.errors import PassingError, UserError
from job.sources import folder


class Checkpoints:
    """A mirror whose clock a test turns, of a folder that is saved in another."""

    def __init__(self, tmp_path: Path, monkeypatch, staged: list[str] | None = None) -> None:
        self.now = 0.0
        self.work, self.base = tmp_path / "work", f"{tmp_path}/run/"
        self.folder = self.work / "checkpoints"
        self.folder.mkdir(parents=True)
        self.requests: list[dict] = []
        monkeypatch.setattr(publish.time, "monotonic", lambda: self.now)
        real = publish.Transfer

        def told(request):
            self.requests.append(request)
            return real(request)

        monkeypatch.setattr(publish, "Transfer", told)
        for name in staged or []:
            self.write(name, "staged")
        self.mirror = publish.Mirror(
            self.folder, f"{self.base}checkpoints/", tmp_path / ".job", staged or []
        )

    def write(self, name: str, text: str) -> None:
        part = self.folder / f"{name}.part"
        part.write_text(text)
        part.replace(self.folder / name)

    def look(self, times: int = 1, seconds: float = 1.0) -> None:
        for _ in range(times):
            self.now += seconds
            self.mirror.look()

    def saved(self) -> dict[str, str]:
        base = Path(self.base, "checkpoints")
        return {
            p.relative_to(base).as_posix(): p.read_text() for p in base.rglob("*") if p.is_file()
        }

    def order(self) -> list[str]:
        """Return the names in the order in which they were sent, and -NAME for what was removed."""
        found = []
        for each in self.requests:
            if each["do"] == "delete":
                found += [f"-{name}" for name in each["names"]]
            else:
                found += [one["files"][0][1] for one in each["requests"]]
        return found


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    return Checkpoints(tmp_path, monkeypatch)


def test_a_checkpoint_is_saved_once_it_rests(checkpoints):
    checkpoints.write("1", "one")
    checkpoints.look()
    assert checkpoints.saved() == {}  # seen for the first time
    (checkpoints.folder / "1").write_text("one and two")
    checkpoints.look()
    assert checkpoints.saved() == {}  # it is another one now
    checkpoints.look()
    assert checkpoints.saved() == {"1": "one and two"}
    checkpoints.look(9)
    assert checkpoints.order() == ["1"]
    assert checkpoints.mirror.safe() == {"checkpoints/1"}
    checkpoints.write("1", "three")
    assert checkpoints.mirror.safe() == set()


def test_checkpoints_that_are_replaced_at_every_look_are_saved_all_the_same(checkpoints):
    for rounds in range(1, 9):  # as train.py does it: the mark comes last, and it goes first
        for name in f"{rounds}.model", f"{rounds}.json", "mark":
            checkpoints.write(name, f"{name} of {rounds}")
            time.sleep(0.02)
        for name in f"{rounds - 2}.json", f"{rounds - 2}.model":
            (checkpoints.folder / name).unlink(missing_ok=True)
        checkpoints.look()
        if rounds in (4, 6, 8):  # all that was there at the look before, and nothing else
            names = [
                f"{number}.{kind}"
                for number in (rounds - 2, rounds - 1)
                for kind in ("model", "json")
            ]
            expected = {name: f"{name} of {name[0]}" for name in names}
            assert checkpoints.saved() == expected | {"mark": f"mark of {rounds - 1}"}


def test_no_file_on_its_way_is_taken_for_a_checkpoint(checkpoints):
    (checkpoints.folder / ".1.part").write_text("half")
    checkpoints.look(3)
    assert checkpoints.order() == []


def test_nobody_looks_before_a_second_has_gone(checkpoints, monkeypatch):
    monkeypatch.setattr(checkpoints.mirror, "there", lambda: pytest.fail("looked"))
    checkpoints.look(9, 0.1)


def test_files_are_saved_in_the_order_of_their_renames(checkpoints):
    names = ["c", "a", "deep-b", "0"]
    for name in names:
        checkpoints.write(name, name)
        time.sleep(0.02)  # longer than a tick of the clock that the kernel stamps files with
    checkpoints.look(2)
    assert checkpoints.order() == names


def test_of_two_in_one_tick_the_smaller_comes_last(checkpoints, monkeypatch):
    checkpoints.write("1.json", "{}")
    checkpoints.write("1.model", "m" * 100)
    real = Path.stat

    def stat(path, **how):
        found = real(path, **how)
        return os.stat_result(found[:10], {
            name: getattr(found, name) for name in ("st_mtime_ns", "st_atime_ns")
        } | {"st_ctime_ns": 7})  # fmt: skip

    monkeypatch.setattr(Path, "stat", stat)
    there = checkpoints.mirror.there()
    assert list(there) == ["1.model", "1.json"]


def test_what_is_saved_stays_whole_although_the_script_writes_on_in_it(checkpoints):
    checkpoints.write("1", "one")
    checkpoints.look(2)
    assert list(checkpoints.mirror.scratch.parent.rglob("*")) == []  # nothing holds what is deleted
    with (checkpoints.folder / "1").open("w") as file:
        file.write("ha")
        file.flush()
        checkpoints.look()
        assert checkpoints.saved() == {"1": "one"}
        file.write("lf")
    checkpoints.look(2)
    assert checkpoints.saved() == {"1": "half"}


def test_the_newest_counts_when_saving_falls_behind(checkpoints, monkeypatch):
    slow = publish.Transfer

    class Slow:
        def __init__(self, request):
            self.request, self.ended = request, False

        def done(self):
            return self.ended

        def result(self):
            return slow(self.request).result()

    monkeypatch.setattr(publish, "Transfer", Slow)
    checkpoints.write("1", "one")
    checkpoints.look(2)
    assert checkpoints.mirror.under_way
    for text in "two", "three":
        checkpoints.write("1", text)
        checkpoints.look(3)
    checkpoints.mirror.under_way[0].ended = True
    checkpoints.look()
    assert checkpoints.saved() == {"1": "one"}  # what was linked, although it was replaced since
    # 6 seconds were taken: by the share that saving may take, the next comes later
    checkpoints.look(2, 50)
    assert checkpoints.saved() == {"1": "one"}
    checkpoints.look(2, 50)
    checkpoints.mirror.finish()
    assert checkpoints.saved() == {"1": "three"}


def test_what_is_deleted_goes_once_the_newer_ones_are_safe_and_the_last_one_first(checkpoints):
    for name in "1.model", "1.json", "mark":
        checkpoints.write(name, name)
        time.sleep(0.02)
    checkpoints.look(2)
    checkpoints.write("mark", "again")
    checkpoints.look(2)
    for name in "1.model", "1.json", "mark":
        (checkpoints.folder / name).unlink()
    checkpoints.look(3)
    assert len(checkpoints.saved()) == 3  # nothing newer is there
    checkpoints.write("2.model", "2")
    checkpoints.look(1)
    assert len(checkpoints.saved()) == 3  # and it is not safe yet
    checkpoints.look(2)
    assert checkpoints.saved() == {"2.model": "2"}
    assert checkpoints.order()[-4:] == ["2.model", "-mark", "-1.json", "-1.model"]


def test_only_what_this_attempt_brought_or_saved_is_ever_deleted(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, monkeypatch, staged=["1"])
    Path(checkpoints.base, "checkpoints").mkdir(parents=True)
    for name in "1", "other":
        Path(checkpoints.base, "checkpoints", name).write_text("staged")
    assert checkpoints.mirror.safe() == {"checkpoints/1"}
    checkpoints.look(3)
    assert checkpoints.order() == []  # what was brought back is safe already
    (checkpoints.folder / "1").unlink()
    checkpoints.write("2", "new")
    checkpoints.look(3)
    assert checkpoints.saved() == {"2": "new", "other": "staged"}


def test_a_checkpoint_that_cannot_be_saved_is_said_and_tried_again(checkpoints, capsys):
    Path(checkpoints.base).mkdir()
    Path(checkpoints.base, "checkpoints").write_text("in the way")
    checkpoints.write("1", "one")
    checkpoints.look(2)
    assert "warning: the checkpoint could not be saved yet: " in capsys.readouterr().out
    assert checkpoints.mirror.safe() == set()
    Path(checkpoints.base, "checkpoints").unlink()
    checkpoints.look(3)
    assert checkpoints.saved() == {"1": "one"}
    assert "-- checkpoint safe: 1" in capsys.readouterr().out


def test_a_deletion_that_fails_is_said_and_nothing_is_forgotten(checkpoints, monkeypatch, capsys):
    checkpoints.write("1", "one")
    checkpoints.look(2)
    (checkpoints.folder / "1").unlink()
    checkpoints.write("2", "two")

    def refuse(request):
        raise PassingError("no network") if request["do"] == "delete" else AssertionError

    monkeypatch.setattr(publish, "Transfer", refuse)
    checkpoints.mirror.saved["2"] = publish.stamp(checkpoints.folder / "2")
    checkpoints.look()
    assert "warning: old checkpoints could not be removed: no network" in capsys.readouterr().out
    assert "1" in checkpoints.mirror.saved


def test_a_full_disk_is_said_and_ends_nothing(checkpoints, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    checkpoints.write("1", "one")
    monkeypatch.setattr(publish.os, "link", full)
    checkpoints.look()
    assert "warning: checkpoints could not be saved yet: " in capsys.readouterr().out
    monkeypatch.undo()


def test_what_goes_while_it_is_looked_at_is_passed_over(checkpoints, monkeypatch):
    checkpoints.write("1", "one")
    checkpoints.write("2", "two")
    real = os.link

    def link(source, target, **how):
        if Path(source).name == "1":
            raise FileNotFoundError
        real(source, target, **how)

    monkeypatch.setattr(publish.os, "link", link)
    checkpoints.look(2)
    assert checkpoints.saved() == {"2": "two"}


def test_links_names_that_are_none_and_caches_are_no_checkpoints(checkpoints):
    (checkpoints.folder / "link").symlink_to("/etc/passwd")
    (checkpoints.folder / "a\nb").write_text("x")
    (checkpoints.folder / "__pycache__").mkdir()
    (checkpoints.folder / "__pycache__/x").write_text("x")
    (checkpoints.folder / "deep").mkdir()
    (checkpoints.folder / "deep/1").write_text("x")
    assert list(checkpoints.mirror.there()) == ["deep/1"]
    shutil.rmtree(checkpoints.folder)
    assert checkpoints.mirror.there() == {}


# ---- what is saved in the end


def test_checkpoints_go_first_and_what_is_safe_is_not_sent_again(tmp_path, monkeypatch):
    sent = []
    real = folder.save
    monkeypatch.setattr(
        folder,
        "save",
        lambda path, target, link: (sent.append(target.name), real(path, target, link)),
    )
    files = {}
    for name in "a", "z", "checkpoints/1", "checkpoints/2":
        files[name] = tmp_path / "work" / name
        files[name].parent.mkdir(parents=True, exist_ok=True)
        files[name].write_text(name)
    known = publish.publish(f"{tmp_path}/run/", files, {"checkpoints/1"})
    assert sent == ["2", "a", "z"]
    assert list(known) == sorted(files)
    assert known["a"] == paths.facts(files["a"])
    assert publish.publish(f"{tmp_path}/run/", {}) == {}


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path, monkeypatch):
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder.os, "link", refuse)
    monkeypatch.setattr(folder.shutil, "copy2", refuse)
    with pytest.raises(UserError, match="old cannot be written: No space left on device"):
        folder.save(tmp_path / "new", tmp_path / "old", link=True)
    assert (tmp_path / "old").read_text() == "old"
    monkeypatch.undo()
    monkeypatch.setattr(folder.os, "link", refuse)  # a disk without links
    folder.save(tmp_path / "new", tmp_path / "old", link=True)
    assert (tmp_path / "old").read_text() == "new"
    assert {each.name for each in tmp_path.iterdir()} == {"new", "old"}


def test_a_transfer_that_dies_may_be_well_a_minute_later(tmp_path):
    moving = transfer.Transfer({"do": "put", "base": "s3://bucket/", "files": 5})
    with pytest.raises(PassingError, match="moving data ended with status 1"):
        moving.result()


LOCAL = [
    ({"do": "put", "base": "/a/", "files": []}, True), ({"do": "put", "base": "s3://b/", "files": []}, False),
    ({"do": "read", "uri": "x"}, True), ({"do": "append", "uri": "td://a/b"}, False),
    ({"do": "record", "schedule": "x"}, False),
    ({"do": "stage", "channels": {"a": {"uri": "x"}}, "checkpoints": None}, True),
    ({"do": "stage", "channels": {"a": {"uri": "x"}, "b": {"uri": "https://x"}}}, False),
    ({"do": "stage", "channels": {}, "checkpoints": "s3://b/"}, False),
    ({"do": "several", "requests": [{"do": "read", "uri": "x"}]}, True),
    ({"do": "several", "requests": [{"do": "read", "uri": "x"}, {"do": "read", "uri": "s3://b/x"}]}, False),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "expected"), LOCAL)
def test_what_stays_on_this_machine_needs_no_other_process(request_, expected):
    assert transfer.local(request_) is expected


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (UserError("https://u:planted@h/x"), {"error": "https://***@h/x"}),
        (PassingError("x?token=planted"), {"passing": "x?token=***"}),
        (OSError(28, "No\nspace", "/disk/x"), {"error": "/disk/x: No space"}),
        (OSError("strange"), {"error": "the disk: strange"}),
    ],
)
def test_an_error_is_an_answer_without_secrets(monkeypatch, error, answer):
    def fail(request):
        raise error

    monkeypatch.setattr(transfer, "do", fail)
    assert transfer.perform({"do": "put"}) == answer


# ---- staging


def staged(tmp_path, channels: dict, checkpoints: str | None = None) -> dict:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return stage.stage({"work": str(work), "channels": channels, "checkpoints": checkpoints})


def test_a_staging_that_fails_half_way_brings_no_checkpoints_and_deletes_none(tmp_path):
    run = tmp_path / "run/checkpoints"
    run.mkdir(parents=True)
    (run / "1").write_text("one")
    (tmp_path / "good").write_text("x")
    channels = {"a": {"uri": f"{tmp_path}/good"}, "b": {"uri": f"{tmp_path}/none"}}
    with pytest.raises(UserError, match="none: there is no such file"):
        staged(tmp_path, channels, f"{run}/")
    assert not (tmp_path / "work/checkpoints").exists()
    assert (run / "1").read_text() == "one"


def test_checkpoints_of_an_earlier_attempt_come_back_as_they_were(tmp_path):
    run = tmp_path / "run/checkpoints"
    (run / "deep").mkdir(parents=True)
    (run / "deep/2").write_text("two")
    (run / "1").write_text("one")
    (run / ".1.77.part").write_text("half")
    answer = staged(tmp_path, {}, f"{run}/")
    assert answer == {"channels": {}, "checkpoints": ["1", "deep/2"]}
    assert not (run / ".1.77.part").exists()  # nothing would ever remove it
    found = tmp_path / "work/checkpoints/deep/2"
    assert found.read_text() == "two"
    found.write_text("changed")
    assert (run / "deep/2").read_text() == "two"  # a copy, no link
    assert staged(tmp_path, {}, f"{tmp_path}/none/")["checkpoints"] == []


def test_folders_are_closed_and_files_that_were_brought_are_for_reading_only(tmp_path):
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/deep/a").write_text("a")
    (tmp_path / "in/deep/a").chmod(0o644)
    channels = {"t": {"uri": f"{tmp_path}/in", "path": "data/in"}}
    assert staged(tmp_path, channels)["channels"]["t"]["files"] == {"deep/a": {"size_bytes": 1}}
    work = tmp_path / "work"
    for name in "input/data", "input/data/t/deep", "data", "data/in/deep":
        assert (work / name).stat().st_mode & 0o777 == 0o555
    assert (tmp_path / "in/deep/a").stat().st_mode & 0o777 == 0o644  # the owner's own
    (work / "data/fetched").write_text("x")
    stage.protect(work / "data")
    assert (work / "data/fetched").stat().st_mode & 0o777 == 0o444
    stage.unprotect(work)
    shutil.rmtree(work)
    assert (tmp_path / "in/deep/a").read_text() == "a"


PLACES = [  # uri below the machine's folder, path, files of the channel, where they stand too
    ("data/a.csv", "data/a.csv", {"a.csv"}, {"data/a.csv"}),
    ("data", "data", {"a.csv", "sub/b.csv"}, {"data/a.csv", "data/sub/b.csv"}),
    ("data", "data/", {"a.csv", "sub/b.csv"}, {"data/a.csv", "data/sub/b.csv"}),
    ("data/*.csv", "data/*.csv", {"a.csv"}, {"data/a.csv"}),
    ("data/*/*.csv", "data/*/*.csv", {"sub/b.csv"}, {"data/sub/b.csv"}),
    ("data/a.csv", None, {"a.csv"}, set()),
]


@pytest.mark.parametrize(("uri", "path", "files", "places"), PLACES)
def test_a_channel_stands_in_its_folder_and_at_its_path(tmp_path, uri, path, files, places):
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/a.csv").write_text("a")
    (tmp_path / "data/sub/b.csv").write_text("b")
    channel = {"uri": f"{tmp_path}/{uri}"} | ({"path": path} if path else {})
    answer = staged(tmp_path, {"t": channel})
    assert set(answer["channels"]["t"]["files"]) == files
    work = tmp_path / "work"
    found = {each.relative_to(work).as_posix() for each in work.rglob("*") if each.is_file()}
    assert found == {f"input/data/t/{name}" for name in files} | places
    json.dumps(answer)
