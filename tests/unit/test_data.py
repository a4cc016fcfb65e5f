"""`make data`: by content, and never to the harm of what colleagues have uploaded."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from ecs import data, history
from ecs.errors import UserError

LIST = "churn/data.json"


class Store:
    """As much of S3's client as `make data` uses, with ETags and conditional writes."""

    class exceptions:
        class NoSuchKey(Exception):
            pass

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: list[str] = []
        self.before_list = lambda: None

    def etag(self, key: str) -> str:
        return f'"{hashlib.md5(self.objects[key]).hexdigest()}"'

    def get_object(self, *, Bucket: str, Key: str) -> dict:
        if Key not in self.objects:
            raise self.exceptions.NoSuchKey
        body = self.objects[Key]
        return {"Body": SimpleNamespace(read=lambda: body), "ETag": self.etag(Key)}

    def put_object(
        self, *, Bucket: str, Key: str, Body: bytes, ContentType: str, **condition
    ) -> None:
        before, self.before_list = self.before_list, lambda: None
        before()
        there = self.etag(Key) if Key in self.objects else None
        if condition.get("IfMatch", there) != there or "IfNoneMatch" in condition and there:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        assert set(condition) == ({"IfMatch"} if there else {"IfNoneMatch"})
        self.objects[Key] = Body

    def get_paginator(self, name: str):
        assert name == "list_objects_v2"

        def pages(*, Bucket: str, Prefix: str):
            found = [
                {"Key": key, "Size": len(body), "ETag": self.etag(key)}
                for key, body in sorted(self.objects.items())
                if key.startswith(Prefix)
            ]
            yield {"Contents": found}

        return SimpleNamespace(paginate=pages)

    def upload_file(self, path: str, bucket: str, key: str, Callback) -> None:
        self.uploads.append(key)
        self.objects[key] = Path(path).read_bytes()
        Callback(1)

    def delete_object(self, *, Bucket: str, Key: str) -> None:
        del self.objects[Key]

    def names(self) -> set[str]:
        return set(self.objects) - {LIST}

    def listed(self) -> dict:
        return json.loads(self.objects[LIST])["files"]


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    made = Store()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "client", lambda *_: made)
    Path("data").mkdir()
    return made


def write(**files: str) -> None:
    for name, text in files.items():
        path = Path("data", name.replace("__", "/") + ".csv")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def test_what_differs_is_uploaded_whatever_its_time(store, settings, outputs):
    write(a="1", sub__b="2")
    data.upload(settings, outputs)
    assert store.names() == {"churn/data/a.csv", "churn/data/sub/b.csv"}
    sha = hashlib.sha256(b"1").hexdigest()
    assert store.listed()["data/a.csv"] == {"sha256": sha, "size": 1}
    store.uploads.clear()
    data.upload(settings, outputs)
    assert store.uploads == []
    write(a="9")
    os.utime("data/a.csv", (1, 1))  # edited, and older than what was uploaded
    data.upload(settings, outputs)
    assert store.uploads == ["churn/data/a.csv"]
    assert store.objects["churn/data/a.csv"] == b"9"


def test_hashes_are_remembered_until_a_file_changes(store, settings, outputs, monkeypatch):
    write(a="1")
    data.hashed(settings)
    real, read = hashlib.file_digest, []
    monkeypatch.setattr(hashlib, "file_digest", lambda f, n: read.append(f.name) or real(f, n))
    data.hashed(settings)
    assert read == []
    times = Path("data/a.csv").stat()
    Path("data/a.csv").write_text("2")
    os.utime("data/a.csv", ns=(times.st_atime_ns, times.st_mtime_ns))  # the time of before
    assert data.hashed(settings)["data/a.csv"]["sha256"] == hashlib.sha256(b"2").hexdigest()
    (settings.state_folder / "hashes.json").write_text("[")
    assert data.hashed(settings)


def test_programs_hidden_files_and_links_that_lead_out_stay_here(
    store, settings, outputs, tmp_path, capsys
):
    write(a="1")
    for name in ("example.py", ".DS_Store", ".example"):
        Path("data", name).write_text("x")
    Path("data/.git").mkdir()
    Path("data/.git/x").write_text("x")
    (tmp_path / "secret").write_text("x")
    Path("data/out.csv").symlink_to(tmp_path / "secret")
    Path("data/in.csv").symlink_to(Path("data/a.csv").absolute())
    data.upload(settings, outputs)
    assert store.names() == {"churn/data/a.csv", "churn/data/in.csv"}
    assert (
        "data/out.csv is a link that leads out of data/: it is not uploaded"
        in capsys.readouterr().err
    )


def test_what_is_gone_here_is_deleted_there_only_if_somebody_says_so(
    store, settings, outputs, monkeypatch
):
    write(a="1", b="2")
    data.upload(settings, outputs)
    Path("data/b.csv").unlink()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(UserError, match="the bucket has data/b.csv, .* type: make data YES=1"):
        data.upload(settings, outputs)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises(UserError, match="nothing was uploaded or deleted"):
        data.upload(settings, outputs, ask=lambda _: "y")
    assert store.names() == {"churn/data/a.csv", "churn/data/b.csv"}
    data.upload(settings, outputs, ask=lambda _: " yes ")
    assert store.names() == {"churn/data/a.csv"} and set(store.listed()) == {"data/a.csv"}
    write(b="2")
    data.upload(settings, outputs)
    Path("data/b.csv").unlink()
    data.upload(replace(settings, yes=True), outputs)
    assert store.names() == {"churn/data/a.csv"}


@pytest.mark.parametrize("example", [False, True])
def test_a_fresh_clone_never_wipes_the_teams_table(store, settings, outputs, example):
    write(train="the team's table")
    data.upload(settings, outputs)
    Path("data/train.csv").unlink()
    if example:
        write(train="an example", test="an example")
        sha = hashlib.sha256(b"an example").hexdigest()
        Path("data/.example").write_text(json.dumps(dict.fromkeys(data.EXAMPLE, sha)))
    with pytest.raises(UserError, match="the bucket has 1 files: it keeps them"):
        data.upload(replace(settings, yes=True), outputs)
    assert store.objects["churn/data/train.csv"] == b"the team's table"


def test_the_example_fills_a_bucket_that_is_empty_and_may_be_uploaded_again(
    store, settings, outputs
):
    write(train="an example")
    sha = hashlib.sha256(b"an example").hexdigest()
    Path("data/.example").write_text(json.dumps({"data/train.csv": sha}))
    data.upload(settings, outputs)
    data.upload(settings, outputs)
    assert store.names() == {"churn/data/train.csv"}
    write(train="my own")  # no example any more
    data.upload(settings, outputs)
    assert store.objects["churn/data/train.csv"] == b"my own"


def test_a_bucket_from_before_there_was_a_list_is_taken_over(store, settings, outputs):
    write(a="1", b="2")
    store.objects |= {"churn/data/a.csv": b"1", "churn/data/b.csv": b"other", "churn/data/": b""}
    data.upload(settings, outputs)
    assert store.uploads == ["churn/data/b.csv"]
    assert set(store.listed()) == {"data/a.csv", "data/b.csv"}


def test_two_colleagues_who_upload_at_once_lose_nothing(store, settings, outputs):
    write(a="1")

    def other() -> None:
        store.objects["churn/data/c.csv"] = b"3"
        files = {"data/c.csv": {"sha256": "x", "size": 1}}
        store.objects[LIST] = json.dumps({"files": files}).encode()

    store.before_list = other
    data.upload(settings, outputs)
    assert set(store.listed()) == {"data/a.csv", "data/c.csv"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 1}', '{"files": {"a": {}}}', "\xff"])
def test_a_list_that_is_damaged_is_one_sentence(store, settings, outputs, text):
    write(a="1")
    store.objects[LIST] = text.encode("latin-1")
    with pytest.raises(
        UserError, match="is no list of data; .* type: aws s3 rm s3://the-bucket/churn"
    ):
        data.upload(settings, outputs)


# ---- before a run


def wanted(path: str) -> dict:
    return {"train": {"uri": f"s3://the-bucket/churn/{path}", "path": path}}


def test_a_table_that_differs_from_the_uploaded_one_is_told_with_both_ways_on(
    store, settings, outputs
):
    write(train="1", other="2")
    data.upload(settings, outputs)
    assert data.compare(settings, outputs, wanted("data/train.csv")) is None
    write(train="9")
    what, typed = data.compare(settings, outputs, wanted("data/train.csv"))
    assert what == "data/train.csv differs from what was uploaded"
    assert typed.startswith("make data, or, to train on what was uploaded: make run DATA=")
    assert typed.endswith('"s3://the-bucket/churn/data/train.csv"')
    # another channel's file is no concern of this run's
    assert data.compare(settings, outputs, wanted("data/other.csv")) is None
    assert data.compare(settings, outputs, wanted("data"))
    assert data.compare(settings, outputs, wanted("data/t*.csv"))
    assert data.compare(settings, outputs, {"x": {"uri": "s3://elsewhere/x"}}) is None
    Path("data/train.csv").unlink()  # not here: it counts as uploaded
    assert data.compare(settings, outputs, wanted("data/train.csv")) is None


def test_the_record_names_each_file_by_its_checksum(store, settings, outputs, monkeypatch):
    monkeypatch.setattr(
        history, "client", lambda *_: SimpleNamespace(head_object=lambda **_: {"ETag": "e"})
    )
    write(train="1", sub__x="2")
    data.upload(settings, outputs)
    channels = {
        "train": {"uri": "s3://the-bucket/churn/data/train.csv", "path": "data/train.csv"},
        "all": {"uri": "s3://the-bucket/churn/data", "path": "data"},
        "else": {"uri": "s3://elsewhere/x"},
    }
    environment = [{"name": "RUN_CHANNELS", "value": json.dumps(channels)}]
    request = {"overrides": {"containerOverrides": [{"environment": environment}]}}
    found = history.data_versions(settings, outputs, request)
    assert found["train"]["files"] == {"data/train.csv": hashlib.sha256(b"1").hexdigest()}
    assert set(found["all"]["files"]) == {"data/train.csv", "data/sub/x.csv"}
    assert found["else"] == {"uri": "s3://elsewhere/x"}
    assert history.addresses(found)[0] == "s3://the-bucket/churn/data/train.csv"
    assert history.addresses({"uri": "s3://old", "etag": "x"}) == ["s3://old"]
