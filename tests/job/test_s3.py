"""S3 by boto3 itself, against a small server on loopback that answers as S3 does (API Reference: error responses)."""

import hashlib
import json
import os
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import boto3
import cfnlint.decode.cfn_yaml
import pytest
from botocore import exceptions
from job import publish, scheduled, transfer
from job.errors import PassingError, UserError
from job.sources import s3
from support import PROJECT

CODES = {
    403: "AccessDenied", 404: "NoSuchKey", 503: "SlowDown", 500: "InternalError", 400: "ExpiredToken",
    301: "PermanentRedirect", 409: "OperationAborted", 412: "PreconditionFailed",
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Objects by bucket/key; ``faults``: an HTTP status, or a pair of status and code, by method and path."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str = "") -> None:
        text = f"<Error><Code>{code or CODES[status]}</Code><Message>two\nlines</Message></Error>"
        self.answer(status, text.encode())

    def handle_any(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path).lstrip("/")
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        bucket, _, key = path.partition("/")
        if fault := server.faults.get((self.command, path)):
            return self.refuse(*(fault if isinstance(fault, tuple) else (fault,)))
        if bucket != "b":
            return self.refuse(404, "NoSuchBucket")
        if self.command == "GET" and not key:
            return self.listing(query)
        if self.command == "PUT":
            if self.headers.get("If-None-Match") == "*" and path in server.objects:
                return self.refuse(412)
            if "aws-chunked" in (self.headers.get("Content-Encoding") or ""):
                size, _, rest = body.partition(b"\r\n")
                body = rest[: int(size.split(b";")[0], 16)]
            server.objects[path] = body
            server.versions.append((path, body, self.headers.get("x-amz-tagging")))
            server.tags[path] = self.headers.get("x-amz-tagging")
            return self.answer(200, ETag='"e"')
        if self.command == "DELETE":
            server.objects.pop(path, None)
            return self.answer(204)
        if path not in server.objects:
            return self.refuse(404)
        content = server.objects[path]
        if path in server.short:
            content = content[:-1]
        return self.answer(200, content, ETag='"e"', Last_Modified="Wed, 25 Nov 2026 07:00:00 GMT")

    do_GET = do_HEAD = do_PUT = do_DELETE = handle_any

    def listing(self, query: dict) -> None:
        keys = sorted(
            path[2:] for path in self.server.objects if path[2:].startswith(query.get("prefix", ""))
        )
        begin = int(query.get("continuation-token", 0))
        page, more = keys[begin : begin + 2], len(keys) > begin + 2
        rows = "".join(
            f"<Contents><Key>{escape(urllib.parse.quote(key))}</Key>"
            f"<Size>{len(self.server.objects[f'b/{key}'])}</Size><ETag>&quot;e&quot;</ETag></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{begin + 2}</NextContinuationToken>" if more else ""
        text = (
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}"
            f"</IsTruncated>{token}{rows}</ListBucketResult>"
        )
        self.answer(200, text.encode(), Content_Type="application/xml")


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    s3.client.cache_clear()


@pytest.fixture
def bucket(server, monkeypatch):
    server.objects, server.faults, server.tags, server.short = {}, {}, {}, set()
    server.versions = []
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}", "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    return server


@pytest.fixture
def another_client():
    """Make the client of a test that changes what clients are made from; the next test makes its own."""
    s3.client.cache_clear()
    yield
    s3.client.cache_clear()


def below(folder) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


TREE = {
    "b/p/data/a.csv": b"a", "b/p/data/sub/b.csv": b"bb", "b/p/data/sub/": b"", "b/p/data/x=1/c.csv": b"ccc",
    "b/p/data/é b.csv": b"d", "b/p/data/t[1].csv": b"e", "b/p/datum.csv": b"f",
}  # fmt: skip
FETCHES = {
    "s3://b/p/data/a.csv": {"a.csv"},
    "s3://b/p/data/": {"a.csv", "sub/b.csv", "x=1/c.csv", "é b.csv", "t[1].csv"},
    "s3://b/p/data": {"a.csv", "sub/b.csv", "x=1/c.csv", "é b.csv", "t[1].csv"},
    "s3://b/p/data/*.csv": {"a.csv", "é b.csv", "t[1].csv"},
    "s3://b/p/data/*/*.csv": {"sub/b.csv", "x=1/c.csv"},
    "s3://b/p/data/s?b/b.csv": {"sub/b.csv"},
    "s3://b/p/data/t[1].csv": {"t[1].csv"},
    "s3://b/p/dat*.csv": {"datum.csv"},
    "s3://b/p/data/é b.csv": {"é b.csv"},
}


@pytest.mark.parametrize("uri", FETCHES)
def test_a_file_a_folder_or_a_pattern_is_fetched(bucket, tmp_path, uri, capsys):
    bucket.objects |= TREE
    names = s3.fetch_all(uri, tmp_path)
    assert set(names) == FETCHES[uri] and names == sorted(names)
    found = below(tmp_path)
    assert set(found) == FETCHES[uri]
    assert all(content in TREE.values() for content in found.values())
    assert f"-- fetched {uri}: {len(names)} files" in capsys.readouterr().out


def run_of(bucket, files: dict[str, bytes], listed: list[str], **more) -> None:
    bucket.objects |= {f"b/p/runs/r/{name}": content for name, content in files.items()}
    facts = {
        name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "size_bytes": len(files[name])}
        for name in listed
        if name in files
    } | {name: {} for name in listed if name not in files}
    text = json.dumps({"attempt": 2, "files": facts} | more)
    bucket.objects["b/p/runs/r/manifest.json"] = text.encode()


def test_of_a_run_come_the_files_of_its_manifest_and_no_stale_one(bucket, tmp_path):
    files = {"model.ubj": b"m", "old.ubj": b"o", "sub/x": b"x"}
    run_of(bucket, files, ["model.ubj", "sub/x"])
    assert s3.fetch_all("s3://b/p/runs/r/", tmp_path) == ["model.ubj", "sub/x"]
    assert below(tmp_path) == {"model.ubj": b"m", "sub/x": b"x"}


def test_of_a_run_that_has_no_manifest_everything_comes(bucket, tmp_path):
    bucket.objects["b/p/runs/r/model"] = b"m"
    assert s3.fetch_all("s3://b/p/runs/r/", tmp_path) == ["model"]


def test_a_file_of_a_run_that_is_another_one_is_refused(bucket, tmp_path):
    run_of(bucket, {"model.ubj": b"m"}, ["model.ubj"])
    bucket.objects["b/p/runs/r/model.ubj"] = b"M"
    with pytest.raises(UserError, match=r"model\.ubj is not what manifest\.json says"):
        s3.fetch_all("s3://b/p/runs/r/", tmp_path)


def test_a_file_that_a_manifest_lists_and_that_is_gone_is_named(bucket, tmp_path):
    run_of(bucket, {"a": b"a"}, ["a", "gone"])
    with pytest.raises(
        UserError, match=r"runs/r/gone is listed in manifest\.json, and is not there"
    ):
        s3.fetch_all("s3://b/p/runs/r/", tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "x", '{"files": []}', "{}"])
def test_a_manifest_that_is_none_is_refused(bucket, tmp_path, text):
    bucket.objects |= {"b/p/runs/r/a": b"a", "b/p/runs/r/manifest.json": text.encode()}
    with pytest.raises(UserError, match=r"manifest\.json is no list of a run's files"):
        s3.fetch_all("s3://b/p/runs/r/", tmp_path)


def test_a_manifest_among_the_data_is_data(bucket, tmp_path):
    bucket.objects |= {"b/p/data/a": b"a", "b/p/data/manifest.json": b'{"files": {"x": {}}}'}
    assert s3.fetch_all("s3://b/p/data/", tmp_path) == ["a", "manifest.json"]


HOSTILE = ["../x", "a/../../x", "a//b", "a\x1b[2J", "a\nb", "./x", "a\\b", "n" * 300]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_key_that_is_no_path_below_the_folder_is_refused_and_nothing_is_fetched(
    bucket, tmp_path, name
):
    bucket.objects |= {"b/d/good": b"g", f"b/d/{name}": b"x"}
    folder = tmp_path / "in/side"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match=r"^s3://b/d/: ") as refused:
        s3.fetch_all("s3://b/d/", folder)
    assert "\x1b" not in str(refused.value) and "\n" not in str(refused.value)
    assert below(tmp_path) == {}


def test_a_name_that_is_a_file_and_a_folder_is_refused(bucket, tmp_path):
    bucket.objects |= {"b/d/a": b"1", "b/d/a/b": b"2"}
    with pytest.raises(UserError, match="'a' is a file and a folder"):
        s3.fetch_all("s3://b/d/", tmp_path)


@pytest.mark.parametrize(
    "uri", ["s3://b/none.csv", "s3://b/none/", "s3://b/*.none", "s3://b/p/dat"]
)
def test_nothing_there_is_a_sentence_unless_it_may_be_empty(bucket, tmp_path, uri):
    bucket.objects |= TREE
    with pytest.raises(UserError, match=r"no such file; to see what is there: aws s3 ls s3://b/"):
        s3.fetch_all(uri, tmp_path)
    assert s3.fetch_all(uri, tmp_path, empty=True) == []


def test_an_address_without_a_bucket_is_refused(tmp_path):
    with pytest.raises(UserError, match="names no bucket"):
        s3.fetch_all("s3:///x", tmp_path)


def test_a_bucket_that_is_not_there_is_named(bucket, tmp_path):
    for uri in "s3://other/x.csv", "s3://other/":
        with pytest.raises(UserError, match="no bucket is called 'other'"):
            s3.fetch_all(uri, tmp_path)
    with pytest.raises(UserError, match="no bucket is called 'other'"):
        s3.put_all("s3://other/", [[__file__, "x", ""]])


REFUSALS = [  # method, fault, kind of error, its words
    ("GET", 403, UserError, r"no permission \(s3:GetObject\)"),
    ("GET", 404, UserError, "no such file"),
    ("GET", 500, PassingError, "S3 answers InternalError again and again"),
    ("GET", 503, PassingError, "S3 answers SlowDown again and again"),
    ("GET", (400, "ExpiredToken"), UserError, r"AWS refuses the credentials \(ExpiredToken\)"),
    ("GET", (403, "InvalidAccessKeyId"), UserError, "AWS refuses the credentials"),
    ("GET", (403, "SignatureDoesNotMatch"), UserError, "AWS refuses the credentials"),
    ("GET", (400, "RequestTimeout"), PassingError, "S3 answers RequestTimeout"),
    ("GET", (429, "TooMany"), PassingError, "S3 answers TooMany"),
    ("GET", 409, UserError, "S3 refuses: OperationAborted two lines"),
    ("PUT", 403, UserError, r"no permission \(s3:PutObject\)"),
    ("PUT", 503, PassingError, "S3 answers SlowDown again and again"),
    ("PUT", (400, "ExpiredToken"), UserError, "AWS refuses the credentials"),
    ("DELETE", 403, UserError, r"no permission \(s3:DeleteObject\)"),
    ("DELETE", 500, PassingError, "S3 answers InternalError"),
]


@pytest.mark.parametrize(("method", "fault", "kind", "words"), REFUSALS)
def test_a_refusal_is_a_sentence_and_what_may_pass_is_told_from_what_stays(
    bucket, tmp_path, method, fault, kind, words
):
    bucket.objects["b/x"] = b"x"
    bucket.faults[method, "b/x"] = fault
    do = {
        "GET": lambda: s3.fetch_all("s3://b/x", tmp_path),
        "PUT": lambda: s3.put_all("s3://b/", [[__file__, "x", ""]]),
        "DELETE": lambda: s3.delete("s3://b/x"),
    }
    with pytest.raises(kind, match=words) as refused:
        do[method]()
    assert type(refused.value) is kind
    assert str(refused.value).startswith("s3://b/x: ") and "\n" not in str(refused.value)


def test_a_file_that_does_not_come_whole_may_come_later(bucket, tmp_path):
    bucket.objects |= {"b/d/x": b"12345", "b/d/y": b"1"}
    bucket.short = {"b/d/x"}
    with pytest.raises(PassingError, match=r"^s3://b/d/x: "):
        s3.fetch_all("s3://b/d/", tmp_path)


def test_expired_credentials_are_seen_though_head_has_no_body(bucket, tmp_path):
    bucket.faults["HEAD", "b/x"] = 400
    with pytest.raises(UserError, match="AWS refuses the credentials"):
        s3.fetch_all("s3://b/x", tmp_path)


def test_a_folder_is_listed_although_a_file_of_its_name_may_not_be_looked_for(bucket, tmp_path):
    # without s3:ListBucket on the key, HEAD answers 403 in the place of 404 (API reference, HeadObject)
    bucket.objects["b/d/x"] = b"1"
    bucket.faults["HEAD", "b/d"] = 403
    assert s3.fetch_all("s3://b/d", tmp_path) == ["x"]


def test_s3_is_not_asked_again_for_the_size_of_what_it_has_listed(bucket, tmp_path):
    bucket.objects["b/d/x"] = b"1"
    bucket.faults["HEAD", "b/d/x"] = 409
    assert s3.fetch_all("s3://b/d/", tmp_path) == ["x"]


def test_a_bucket_in_another_region_is_named(bucket, tmp_path):
    bucket.faults["GET", "b"] = bucket.faults["GET", "b/"] = 301
    with pytest.raises(UserError, match="is in another region: set AWS_REGION"):
        s3.fetch_all("s3://b/d/", tmp_path)


def test_nobody_who_answers_may_pass(bucket, tmp_path, monkeypatch, another_client):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(PassingError, match="S3 cannot be reached"):
        s3.fetch_all("s3://b/d/", tmp_path)
    with pytest.raises(PassingError, match="S3 cannot be reached"):
        s3.put_all("s3://b/", [[__file__, "x", ""]])


def test_no_credentials_are_said_with_what_to_type(bucket, tmp_path, monkeypatch, another_client):
    for name in "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY":
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(UserError, match="no AWS credentials; type: aws configure"):
        s3.fetch_all("s3://b/d/", tmp_path)


def test_a_name_that_no_bucket_has_is_refused(bucket, tmp_path):
    with pytest.raises(UserError, match="no bucket or key may have such a name"):
        s3.fetch_all("s3://a bucket!/d/", tmp_path)


def test_files_are_saved_with_their_tags_and_read_back(bucket, tmp_path):
    files = []
    for number in range(40):
        (tmp_path / str(number)).write_text(f"content {number}")
        tags = "kind=checkpoint" if number % 2 else ""
        files.append([str(tmp_path / str(number)), f"deep/{number}", tags])
    s3.put_all("s3://b/p/runs/r/", files)
    for path, name, tags in files:
        assert bucket.objects[f"b/p/runs/r/{name}"] == Path(path).read_bytes()
        assert (bucket.tags[f"b/p/runs/r/{name}"] or "") == tags
    assert s3.read("s3://b/p/runs/r/deep/3") == b"content 3"
    s3.delete("s3://b/p/runs/r/deep/3")
    s3.delete("s3://b/p/runs/r/deep/3")
    assert s3.read("s3://b/p/runs/r/deep/3") is None


def test_progress_is_said_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(s3.time, "monotonic", lambda: now[0])
    progress = s3.Progress("fetching x", 4_000_000)
    for at, size in (1, 1_000_000), (11, 1_000_000), (12, 1_000_000), (22.5, 1_000_000):
        now[0] = at
        progress.on_progress(bytes_transferred=size)
    assert capsys.readouterr().out == "-- fetching x: 2 of 4 MB\n-- fetching x: 4 of 4 MB\n"


# ---- the whole launcher

SCRIPT = """\
import os
seen = [os.path.join(at, name) for at, _, names in os.walk(".") for name in names if "m.py" not in name]
open("model/m", "w").write(" ".join(sorted(seen)))
open("checkpoints/2", "w").write("two")
"""


def on_s3(folder, server, **more: str) -> tuple[int, str]:
    """Start the launcher as ECS does, but for the image."""
    names = (
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    )
    channels = {"train": {"uri": "s3://b/p/data/", "path": "data"}}
    environ = {name: os.environ[name] for name in names} | {
        "RUN_URI": "s3://b/p/runs/r/", "RUN_CHANNELS": json.dumps(channels), "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    folder.write("m.py", SCRIPT)
    server.objects["b/p/data/sub/a.csv"] = b"1,2"
    return folder.launch("m.py", **environ | more)


def test_a_run_brings_its_data_and_checkpoints_from_s3_and_its_results_there(folder, bucket):
    bucket.objects |= {"b/p/runs/r/checkpoints/1": b"one", "b/p/runs/r/checkpoints/0": b"zero"}
    code, said = on_s3(folder, bucket, RUN_ATTEMPT="2")
    assert code == 0, said
    saved = {
        name[11:]: text for name, text in bucket.objects.items() if name.startswith("b/p/runs/r/")
    }
    assert saved.pop("model/m").decode().split() == [
        "./checkpoints/0", "./checkpoints/1", "./data/sub/a.csv", "./input/data/train/sub/a.csv",
    ]  # fmt: skip
    manifest = json.loads(saved.pop("manifest.json"))
    assert saved == {"checkpoints/0": b"zero", "checkpoints/1": b"one", "checkpoints/2": b"two"}
    assert list(bucket.objects)[-1] == "b/p/runs/r/manifest.json"  # the last that was saved
    assert bucket.tags["b/p/runs/r/checkpoints/2"] == "kind=checkpoint"
    assert (manifest["attempt"], set(manifest["files"])) == (2, {"model/m", "checkpoints/2"})
    digest = hashlib.sha256(b"1,2").hexdigest()
    assert manifest["channels"]["train"] == {
        "uri": "s3://b/p/data/", "files": {"sub/a.csv": {"sha256": digest, "size_bytes": 3}},
    }  # fmt: skip
    assert said.endswith("[end of run r]\n")
    assert not (folder.path / "runs/r").exists()  # nothing is left of the work here


def test_a_first_attempt_brings_no_checkpoints(folder, bucket):
    bucket.objects["b/p/runs/r/checkpoints/1"] = b"one"
    assert on_s3(folder, bucket)[0] == 0
    assert b"checkpoints" not in bucket.objects["b/p/runs/r/model/m"]


def test_results_that_s3_refuses_are_no_success_and_have_no_manifest(folder, bucket):
    bucket.faults["PUT", "b/p/runs/r/model/m"] = 403
    code, said = on_s3(folder, bucket)
    assert code == 83
    assert (
        "error: what the script wrote could not be saved: s3://b/p/runs/r/model/m: no permission"
        in said
    )
    assert "Traceback" not in said
    assert "b/p/runs/r/manifest.json" not in bucket.objects
    assert bucket.objects["b/p/runs/r/checkpoints/2"] == b"two"  # checkpoints had come first
    assert (folder.path / "runs/r/work/model/m").exists()


def test_data_that_s3_refuses_is_no_run(folder, bucket):
    bucket.faults["GET", "b/p/data/sub/a.csv"] = 403
    bucket.objects["b/p/runs/r/checkpoints/1"] = b"one"
    code, said = on_s3(folder, bucket, RUN_ATTEMPT="2")
    assert code == 81
    assert (
        "error: s3://b/p/data/sub/a.csv: no permission (s3:GetObject)" in said
        and "Traceback" not in said
    )
    assert set(bucket.objects) == {"b/p/data/sub/a.csv", "b/p/runs/r/checkpoints/1"}


def test_arguments_come_from_s3(folder, bucket):
    bucket.objects["b/p/runs/r/argv.json"] = json.dumps(["--a", "b"]).encode()
    assert on_s3(folder, bucket, ARGV_URI="s3://b/p/runs/r/argv.json")[0] == 0
    assert json.loads(bucket.objects["b/p/runs/r/manifest.json"])["argv"] == ["--a", "b"]
    code, said = on_s3(folder, bucket, ARGV_URI="s3://b/none")
    assert (code, "ARGV_URI=s3://b/none: this is not a list of words" in said) == (2, True)


# ---- what a run leaves behind in a bucket with versions


def days_kept(rules: list[dict], key: str, tags: str | None) -> int:
    """Return after how many days a version that is no longer the current one expires; the shortest rule holds."""
    held = [
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in rules
        if "NoncurrentVersionExpiration" in rule
        and key.startswith(rule.get("Prefix", ""))
        and all(f"{each['Key']}={each['Value']}" == tags for each in rule.get("TagFilters", []))
    ]
    return min(held)


def test_an_hour_of_checkpoints_costs_a_day_and_not_a_month(bucket, tmp_path, monkeypatch):
    """The bucket keeps what is removed, as versions; the rules of its lifecycle end them ("Lifecycle rules", S3 user guide).

    A checkpoint a minute, of which the script keeps two, as train.py does.
    """
    template = cfnlint.decode.cfn_yaml.load(str(PROJECT / "infrastructure.yaml"))
    lifecycle = template["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    rules = [rule for rule in lifecycle if "Fn::If" not in rule]
    folder, now, size = tmp_path / "checkpoints", [0.0], 1000
    folder.mkdir()
    monkeypatch.setattr(publish.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(publish, "Transfer", Done)
    mirror = publish.Mirror(folder, "s3://b/p/runs/r/checkpoints/", tmp_path / ".job", [])
    for number in range(60):
        (folder / f"{number}.part").write_bytes(b"x" * size)
        (folder / f"{number}.part").replace(folder / f"{number}")
        (folder / f"{number - 2}").unlink(missing_ok=True)
        for _ in range(6):
            now[0] += 10
            mirror.look()
    mirror.finish()
    for path in folder.iterdir():  # the finished model takes their place
        path.unlink()
    mirror.forget(mirror.there())
    (tmp_path / "model").write_bytes(b"m")
    publish.publish("s3://b/p/runs/r/", {"model": tmp_path / "model"})
    assert list(bucket.objects) == ["b/p/runs/r/model"]
    old = [each for each in bucket.versions if each[0] != "b/p/runs/r/model"]
    assert len(old) == 60
    byte_days = sum(len(body) * days_kept(rules, key[2:], tags) for key, body, tags in old)
    assert byte_days == 60 * size


class Done:
    """A transfer that is done at once, in this process."""

    def __init__(self, request: dict) -> None:
        self.answer = transfer.perform(request)

    def done(self) -> bool:
        return True

    def result(self) -> dict:
        return self.answer


# ---- the record of a scheduled run

DRAFT = {
    "run": "<aws.scheduler.scheduled-time>-nightly",
    "nested": [{"uri": "s3://b/<aws.scheduler.scheduled-time>/"}],
}


@pytest.fixture
def scheduled_run(bucket, monkeypatch):
    monkeypatch.setenv("RUN_ID", "2026-11-25T07:00:00Z-nightly")
    monkeypatch.setenv("RUN_URI", "s3://b/p/runs/2026-11-25T07:00:00Z-nightly/")
    monkeypatch.setenv("PROJECT_URI", "s3://b/p/")
    monkeypatch.setattr(scheduled.machine, "metadata", lambda path: {"TaskARN": "arn:task"})
    bucket.objects["b/p/schedules/nightly.json"] = json.dumps(DRAFT).encode()
    return bucket


RECORD = "b/p/runs/2026-11-25T07:00:00Z-nightly/run.json"


def test_a_scheduled_run_is_recorded_from_the_draft(scheduled_run, capsys):
    scheduled.record("nightly")
    found = json.loads(scheduled_run.objects[RECORD])
    assert found["run"] == "2026-11-25T07:00:00Z-nightly"
    assert found["nested"] == [{"uri": "s3://b/2026-11-25T07:00:00Z/"}]
    assert found["task"] == "arn:task"
    assert found["attempts"] == [{"attempt": 1, "task": "arn:task", "started": found["started"]}]
    assert capsys.readouterr().out == ""


def test_a_record_that_is_there_is_kept(scheduled_run):
    scheduled_run.objects[RECORD] = b"kept"
    assert not scheduled.record("nightly")
    assert scheduled_run.objects[RECORD] == b"kept"


def recorded_for(task: str | None) -> bytes:
    return json.dumps({"attempts": [{"attempt": 1, "task": task}]}).encode()


@pytest.mark.parametrize(
    ("task", "recorded", "attempt", "taken"),
    [
        ("arn:task", "arn:other", "1", True),
        ("arn:task", "arn:other", "", True),
        ("arn:task", None, "1", True),
        (None, "arn:other", "1", True),
        (None, None, "1", True),  # outside ECS nobody can tell two tasks apart
        ("arn:task", "arn:task", "1", False),  # the container was started anew
        ("arn:task", "arn:other", "2", False),  # a follower tries it again: `make attach RETRIES=1`
    ],
)
def test_a_run_is_one_task_s_of_those_that_a_firing_started(
    scheduled_run, monkeypatch, task, recorded, attempt, taken
):
    """EventBridge Scheduler's user guide, "What is": it delivers at least once."""
    monkeypatch.setattr(scheduled.machine, "metadata", lambda path: {"TaskARN": task})
    monkeypatch.setenv("RUN_ATTEMPT", attempt)
    scheduled_run.objects[RECORD] = before = recorded_for(recorded)
    assert scheduled.record("nightly") is taken
    assert scheduled_run.objects[RECORD] == before


@pytest.mark.parametrize(
    ("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")]
)
def test_of_two_tasks_that_look_at_the_same_moment_one_has_the_run(
    scheduled_run, monkeypatch, status, code
):
    """S3's reference of PutObject: 412 where there is an object, 409 where another write is under way."""
    scheduled_run.objects[RECORD], read = recorded_for("arn:other"), s3.read
    if status == 409:
        scheduled_run.faults["PUT", RECORD] = (409, code)
    looks = []

    def not_yet(uri):
        looks.append(uri)
        return None if looks.count(uri) == 1 and uri.endswith("run.json") else read(uri)

    monkeypatch.setattr(s3, "read", not_yet)
    assert scheduled.record("nightly")
    assert scheduled_run.objects[RECORD] == recorded_for("arn:other")


def test_what_it_wrote_itself_is_not_another_s(scheduled_run, monkeypatch):
    """boto3 sends it again where the answer was lost, and S3 then refuses it."""
    monkeypatch.setattr(scheduled.machine, "metadata", lambda path: {})
    write = s3.write
    monkeypatch.setattr(s3, "write", lambda *words, **new: write(*words, **new) and False)
    assert not scheduled.record("nightly")
    assert json.loads(scheduled_run.objects[RECORD])["task"] is None


def test_an_s3_that_neither_takes_nor_shows_it_is_said(scheduled_run, monkeypatch, capsys):
    monkeypatch.setattr(s3, "write", lambda *words, **new: False)
    assert not scheduled.record("nightly")
    assert "neither takes nor shows it" in capsys.readouterr().out


def test_the_second_task_of_a_firing_ends_well_and_touches_nothing(folder, bucket):
    bucket.objects["b/p/schedules/nightly.json"] = json.dumps(DRAFT).encode()
    said, codes = "", []
    for task, attempt in (("one", "1"), ("two", "1"), ("two", "2")):
        bucket.objects |= {
            f"b/meta/{task}": b"{}", f"b/meta/{task}/task": json.dumps({"TaskARN": task}).encode()
        }  # fmt: skip
        before = dict(bucket.objects)
        code, said = on_s3(
            folder, bucket, RUN_SCHEDULE="nightly", PROJECT_URI="s3://b/p/", RUN_ATTEMPT=attempt,
            ECS_CONTAINER_METADATA_URI_V4=f"{os.environ['AWS_ENDPOINT_URL']}/b/meta/{task}",
        )  # fmt: skip
        assert code == 0, said
        assert said.endswith("[end of run r]\n")
        codes.append("another task has it" in said)
        assert (bucket.objects == before) is codes[-1]
    assert codes == [False, True, False]


@pytest.mark.parametrize(
    "hinders", ["no draft", "no JSON", "a list", "no permission", "no variable"]
)
def test_what_hinders_the_record_is_said_and_fails_no_run(
    scheduled_run, monkeypatch, capsys, hinders
):
    if hinders == "no draft":
        del scheduled_run.objects["b/p/schedules/nightly.json"]
    elif hinders == "no JSON":
        scheduled_run.objects["b/p/schedules/nightly.json"] = b"{"
    elif hinders == "a list":
        scheduled_run.objects["b/p/schedules/nightly.json"] = b"[]"
    elif hinders == "no permission":
        scheduled_run.faults["GET", "b/p/schedules/nightly.json"] = 403
    else:
        monkeypatch.delenv("PROJECT_URI")
    scheduled.record("nightly")
    assert "warning: this run cannot be recorded: " in capsys.readouterr().out
    assert RECORD not in scheduled_run.objects


@pytest.mark.parametrize(
    ("bucket", "owner"), [("p-123456789012-us-east-1", "123456789012"), ("their-data", None)]
)
def test_each_call_on_the_run_s_own_bucket_names_its_owner(
    monkeypatch, another_client, bucket, owner
):
    """S3 then refuses a bucket of that name in another account. API reference: ExpectedBucketOwner."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("RUN_URI", "s3://p-123456789012-us-east-1/p/runs/1/")
    sent = []

    def stop(request, **_):
        found = request.headers.get("x-amz-expected-bucket-owner")
        sent.append(found.decode() if isinstance(found, bytes) else found)
        raise exceptions.EndpointConnectionError(endpoint_url="stopped here")

    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    s3.client().meta.events.register("before-send.s3.*", stop)
    uri = f"s3://{bucket}/p/runs/1/model"
    for call in (
        lambda: s3.read(uri),
        lambda: s3.write(uri, b""),
        lambda: s3.delete(uri),
        lambda: s3.head(bucket, "p"),
        lambda: s3.listed(bucket, "p"),
    ):
        before = len(sent)
        with pytest.raises((UserError, PassingError)):
            call()
        assert set(sent[before:]) == {owner}
