"""`make data`: by content, and never to the harm of what colleagues have uploaded."""

import errno
import hashlib
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError
from ecs.errors import UserError
from ecs.history import data, records, versions
from support import PROJECT, succeed

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
    etag = store.etag("churn/data/a.csv")
    assert store.listed()["data/a.csv"] == {"sha256": sha, "size": 1, "etag": etag}
    store.uploads.clear()
    store.before_list = lambda: pytest.fail("the list is as it was")
    data.upload(settings, outputs)
    assert store.uploads == []
    store.before_list = lambda: None
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
    what = "holds only the example" if example else "is empty"
    sentence = (
        f"^data/ {what} here, and the bucket has 1 files: it keeps them; .* type: aws s3 sync"
    )
    with pytest.raises(UserError, match=sentence):
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


def foreign(store: Store, **files: str) -> None:
    """Let a colleague's `make data` put files beside the others."""
    listed = json.loads(store.objects.get(LIST, b'{"files": {}}'))["files"]
    for name, text in files.items():
        store.objects[f"churn/data/{name}.csv"] = body = text.encode()
        sha, etag = hashlib.sha256(body).hexdigest(), store.etag(f"churn/data/{name}.csv")
        listed[f"data/{name}.csv"] = {"sha256": sha, "size": len(body), "etag": etag}
    store.objects[LIST] = json.dumps({"files": listed}).encode()


def agrees(store: Store) -> bool:
    """Tell whether the list says of each object what it is."""
    return store.listed() == {
        key.removeprefix("churn/"): {
            "sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "etag": store.etag(key),
        }
        for key, body in store.objects.items()
        if key != LIST
    }  # fmt: skip


def test_of_two_who_upload_one_name_at_once_the_later_has_it_whole(store, settings, outputs):
    """The list must not say one's content where the other's is."""
    write(a="mine")
    store.before_list = lambda: foreign(store, a="a colleague's")
    data.upload(settings, outputs)
    assert store.objects["churn/data/a.csv"] == b"mine"
    assert agrees(store)


def test_what_a_colleague_changes_while_it_is_to_be_deleted_stays(store, settings, outputs):
    write(a="1", b="2")
    data.upload(settings, outputs)
    Path("data/b.csv").unlink()
    store.before_list = lambda: foreign(store, b="new", c="3")
    data.upload(replace(settings, yes=True), outputs)
    assert store.names() == {"churn/data/a.csv", "churn/data/b.csv", "churn/data/c.csv"}
    assert agrees(store)


def test_who_is_never_first_gives_up(store, settings, outputs):
    write(a="1")
    again = 0

    def other() -> None:
        nonlocal again
        again += 1
        foreign(store, **{f"x{again}": "2"})
        store.before_list = other

    store.before_list = other
    with pytest.raises(UserError, match="others are uploading at the same time; type again: make"):
        data.upload(settings, outputs)
    assert again == data.TRIES
    assert "data/a.csv" not in store.listed()


@pytest.mark.parametrize("broken", ["gone", "other", "longer"])
def test_an_object_that_is_not_what_the_list_says_is_uploaded_again(
    store, settings, outputs, broken
):
    write(a="1", b="2")
    data.upload(settings, outputs)
    if broken == "gone":
        del store.objects["churn/data/a.csv"]
    else:
        store.objects["churn/data/a.csv"] = b"9" if broken == "other" else b"11"
    assert data.differing(settings, outputs, ["data/a.csv", "data/b.csv"]) == ["data/a.csv"]
    store.uploads.clear()
    data.upload(settings, outputs)
    assert store.uploads == ["churn/data/a.csv"]
    assert agrees(store)


def test_an_object_that_is_in_no_list_is_deleted_like_any_other(store, settings, outputs):
    """A folder is trained on whole: what an upload that was broken off has left counts too."""
    write(a="1")
    data.upload(settings, outputs)
    store.objects["churn/data/rest.csv"] = b"x"
    with pytest.raises(UserError, match="the bucket has data/rest.csv, which data/ here has not"):
        data.upload(settings, outputs, ask=lambda _: "no")
    data.upload(replace(settings, yes=True), outputs)
    assert store.names() == {"churn/data/a.csv"}


def test_a_colleague_s_file_may_be_had_instead_of_deleted(store, settings, outputs):
    write(a="1")
    foreign(store, b="2", **{"c d": "3"})
    with pytest.raises(UserError) as refused:
        data.upload(settings, outputs)
    assert str(refused.value) == (
        "the bucket has data/b.csv, data/c d.csv, which data/ here has not; to delete that in the bucket, "
        "type: make data YES=1; to have it here as well: aws s3 sync s3://the-bucket/churn/data data "
        "--exclude '*' --include b.csv --include 'c d.csv'"
    )
    store.objects["churn/data/\x1b[2J"] = b"x"
    with pytest.raises(UserError, match="type: make data YES=1$"):
        data.upload(settings, outputs)


def test_many_that_are_gone_are_counted(store, settings, outputs):
    write(a="1", **{f"x{number}": "2" for number in range(7)})
    data.upload(settings, outputs)
    for number in range(5):
        Path(f"data/x{number}.csv").unlink()
    with pytest.raises(UserError, match=r"x3.csv, data/x4.csv, which .* --include x4.csv$"):
        data.upload(settings, outputs)
    for number in (5, 6):
        Path(f"data/x{number}.csv").unlink()
    with pytest.raises(
        UserError, match=r"has data/x0.csv, .*, data/x4.csv and 2 more, which.* YES=1$"
    ):
        data.upload(settings, outputs)


@pytest.mark.parametrize("marked", [False, True])
def test_the_example_beside_a_file_of_ones_own_replaces_nothing(
    store, settings, outputs, monkeypatch, capsys, marked
):
    foreign(store, train="the team's table")
    write(train="an example", own="1")
    known = {"data/train.csv": hashlib.sha256(b"an example").hexdigest()}
    if marked:
        Path("data/.example").write_text(json.dumps(known))
    else:  # as older versions wrote it
        monkeypatch.setattr(data, "EXAMPLE", known)
        Path("data/example.py").write_text("the program of today")
        os.utime("data/train.csv", (1, 1))
    data.upload(replace(settings, yes=True), outputs)
    assert store.objects["churn/data/train.csv"] == b"the team's table"
    assert store.names() == {"churn/data/train.csv", "churn/data/own.csv"}
    assert agrees(store)
    said = capsys.readouterr().err
    assert "data/train.csv is the example here, and the bucket has another: that one stays" in said
    assert "data: 1 uploaded, 0 deleted, 0 unchanged" in said


def test_what_older_projects_have_for_an_example_is_known(installed_example):
    """Until the program is changed to write another."""
    assert {n: hashlib.sha256(b).hexdigest() for n, b in installed_example.items()} == data.EXAMPLE


EXAMPLES = {
    # data/.example, age of data/train.csv compared to the program's, whether it is the example
    "marked": ({"data/train.csv": "SHA"}, 1, True),
    "marked with another content": ({"data/train.csv": "x"}, -1, False),
    "a damaged mark": ("[", 1, False),
    "a mark that is no object": ("[]", -1, False),
    "older than the program": (None, -1, True),
    "newer than the program": (None, 1, False),
    "without the program": (None, None, False),
}


@pytest.mark.parametrize(("mark", "age", "is_example"), EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_is_known_by_its_mark_or_its_age(store, monkeypatch, mark, age, is_example):
    write(train="1", own="1")
    digest = hashlib.sha256(b"1").hexdigest()
    monkeypatch.setattr(data, "EXAMPLE", dict.fromkeys(data.EXAMPLE, digest))
    if mark is not None:
        text = mark if isinstance(mark, str) else json.dumps(mark).replace("SHA", digest)
        Path("data/.example").write_text(text)
    if age is not None:
        Path("data/example.py").write_text("")
        at = Path("data/example.py").stat().st_mtime + age
        os.utime("data/train.csv", (at, at))
    files = {"data/train.csv": {"sha256": digest}, "data/own.csv": {"sha256": digest}}
    assert data.examples(files) == ({"data/train.csv"} if is_example else set())
    assert data.examples({}) == set()


@pytest.fixture(scope="session")
def installed_example(installed, tmp_path_factory) -> dict[str, bytes]:
    """Return what data/example.py writes, by name."""
    folder = tmp_path_factory.mktemp("example") / "data"
    folder.mkdir()
    program = shutil.copy(PROJECT / "data/example.py", folder)
    succeed(installed("xgboost") / ".venv/bin/python", program, cwd=folder)
    return {f"data/{path.name}": path.read_bytes() for path in folder.glob("*.csv")}


def test_an_empty_folder_and_an_empty_bucket_are_told(store, settings, outputs):
    Path("data/.DS_Store").write_text("x")
    with pytest.raises(UserError, match="^data/ is empty; put a table there, then type: make data"):
        data.upload(settings, outputs)
    assert store.objects == {}


def test_what_changes_while_it_is_uploaded_is_not_taken_for_uploaded(store, settings, outputs):
    write(a="1")
    real = store.upload_file

    def change(*words, **named) -> None:
        write(a="2")
        real(*words, **named)

    store.upload_file = change
    with pytest.raises(UserError, match="was changed while it was uploaded; type again: make data"):
        data.upload(settings, outputs)
    assert LIST not in store.objects


@pytest.mark.parametrize("error", [S3UploadFailedError("AccessDenied"), FileNotFoundError("gone")])
def test_a_file_that_cannot_be_uploaded_is_one_sentence(store, settings, outputs, error):
    def fail(*_, **__) -> None:
        raise error

    write(a="1")
    store.upload_file = fail
    with pytest.raises(UserError, match="^data/a.csv cannot be uploaded: "):
        data.upload(settings, outputs)
    assert LIST not in store.objects


def test_after_an_error_no_other_upload_is_begun(store, settings, outputs):
    """Ctrl-C is such an error too: nobody waits for thousands of files."""
    write(**{f"x{number:03}": "1" for number in range(100)})
    real, began = store.upload_file, []

    def upload(path: str, *words, **named) -> None:
        began.append(path)
        if path.endswith("x000.csv"):
            raise KeyboardInterrupt
        time.sleep(0.05)
        real(path, *words, **named)

    store.upload_file = upload
    with pytest.raises(KeyboardInterrupt):
        data.upload(settings, outputs)
    assert len(began) <= 2 * data.THREADS
    assert set(store.uploads) == {f"churn/{path}" for path in began[1:]}  # what was begun is whole
    assert LIST not in store.objects


def test_what_another_deletes_during_an_upload_is_not_in_the_list(store, settings, outputs):
    write(a="1", b="2")
    real = store.upload_file

    def upload(path: str, *words, **named) -> None:
        real(path, *words, **named)
        store.objects.pop("churn/data/b.csv", None)

    store.upload_file = upload
    data.upload(settings, outputs)
    assert set(store.listed()) <= {"data/a.csv"}
    store.upload_file = real
    data.upload(settings, outputs)
    assert agrees(store)


def test_files_that_cannot_be_read_or_named_are_one_sentence(store, settings, monkeypatch):
    write(a="1")

    def broken(*_) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(hashlib, "file_digest", broken)
    with pytest.raises(UserError, match="^data/a.csv cannot be read: Input/output error"):
        data.hashed(settings)
    Path(os.fsdecode(b"data/\xff.csv")).write_text("x")
    with pytest.raises(UserError, match="its name is not UTF-8; rename it"):
        list(data.local())


def test_a_folder_that_is_a_link_is_not_uploaded_and_that_is_said(
    store, settings, outputs, tmp_path, capsys
):
    (tmp_path / "big").mkdir()
    (tmp_path / "big/x.csv").write_text("1")
    Path("data/big").symlink_to(tmp_path / "big")
    Path("data/nothing").symlink_to(tmp_path / "nothing")
    write(a="1")
    data.upload(settings, outputs)
    *said, _, _ = capsys.readouterr().err.splitlines()
    assert said == [
        "data/big is a link to a folder: what is there is not uploaded",
        "data/nothing is a link that leads out of data/: it is not uploaded",
    ]
    assert store.names() == {"churn/data/a.csv"}
    assert data.differing(settings, outputs, ["data"]) == []
    assert capsys.readouterr().err == ""


def test_data_may_itself_be_a_link(store, settings, tmp_path):
    Path("data").rename(tmp_path / "elsewhere")
    Path("data").symlink_to(tmp_path / "elsewhere")
    write(a="1")
    assert set(data.hashed(settings)) == {"data/a.csv"}


def test_what_is_written_after_a_hash_gets_another_time(store, settings, monkeypatch):
    """Two changes within one tick of the clock have the same times, and the second must be seen."""
    real, ages = hashlib.file_digest, []

    def digest(file, name):
        ages.append(time.time() - os.fstat(file.fileno()).st_ctime)
        return real(file, name)

    monkeypatch.setattr(hashlib, "file_digest", digest)
    for number in range(5):
        write(a=str(number))
        data.hashed(settings)
    assert len(ages) == 5
    assert min(ages) >= 0.01


# ---- before a run


def test_what_differs_from_the_uploaded_is_told_and_only_what_is_meant_is_read(
    store, settings, outputs, monkeypatch
):
    write(train="1", other="2")
    data.upload(settings, outputs)
    assert data.differing(settings, outputs, ["data/train.csv"]) == []
    write(train="9", other="8")
    real, read = hashlib.file_digest, []
    monkeypatch.setattr(hashlib, "file_digest", lambda f, n: read.append(f.name) or real(f, n))
    assert data.differing(settings, outputs, ["data/train.csv"]) == ["data/train.csv"]
    assert read == ["data/train.csv"]
    assert data.differing(settings, outputs, ["data"]) == ["data/other.csv", "data/train.csv"]
    assert read == ["data/train.csv", "data/other.csv"]  # the other one is remembered
    assert data.differing(settings, outputs, ["data/t*.csv"]) == ["data/train.csv"]
    Path("data/train.csv").unlink()  # not here: it counts as uploaded
    store.objects.clear()
    assert data.differing(settings, outputs, ["data/train.csv"]) == []
    assert set(json.loads((settings.state_folder / "hashes.json").read_text())) == {
        "data/other.csv"
    }


def test_the_record_names_each_file_by_its_checksum(store, settings, outputs, monkeypatch):
    monkeypatch.setattr(
        records, "client", lambda *_: SimpleNamespace(head_object=lambda **_: {"ETag": "e"})
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
    found = versions.data_versions(settings, outputs, request)
    assert found["train"]["files"] == {"data/train.csv": hashlib.sha256(b"1").hexdigest()}
    assert set(found["all"]["files"]) == {"data/train.csv", "data/sub/x.csv"}
    assert found["else"] == {"uri": "s3://elsewhere/x"}
    assert versions.addresses(found)[0] == "s3://the-bucket/churn/data/train.csv"
    assert versions.addresses({"uri": "s3://old", "etag": "x"}) == ["s3://old"]
