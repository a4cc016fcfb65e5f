"""Files from the web, from a server on loopback that can break off, refuse and lead elsewhere."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from job.errors import PassingError, UserError
from job.sources import web

CONTENT = bytes(range(256)) * 4000


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        way = server.ways.pop(0) if server.ways else "whole"
        if isinstance(way, int):
            self.send_response(way)
            self.send_header("Location", server.location)
            self.end_headers()
            return
        begin = int(wanted[6:-1]) if wanted and server.resumes else 0
        if begin >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[begin:]
        self.send_response(206 if begin else 200)
        if way != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if way == "half" else body)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(web.time, "sleep", lambda seconds: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.ways, server.ranges, server.resumes, server.location = [], [], True, ""
        server.handle_error = lambda *_: None  # a client that goes away
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


NAMES = {
    "/a/train.csv": "train.csv", "/a/train.csv?x=1&y=/z.csv": "train.csv", "/a%20b.csv": "a b.csv", "/": "table",
    "": "table", "/a/..": "table", "/x/%2e%2e%2fevil": "evil", "/x/%2e%2e": "table", "/a%0ab": "table",
    "/a/%5c": "table",
}  # fmt: skip


@pytest.mark.parametrize("path", NAMES)
def test_a_file_gets_the_name_at_the_end_of_its_address(server, tmp_path, path):
    found = web.fetch(server.url + path, tmp_path)
    assert found == tmp_path / NAMES[path]
    assert found.read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


def test_a_download_that_breaks_off_is_taken_up_where_it_did(server, tmp_path):
    server.ways = ["half", 503, "half"]
    assert web.fetch(f"{server.url}/x", tmp_path).read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_a_server_that_cannot_resume_sends_all_of_it_again(server, tmp_path):
    server.ways, server.resumes = ["half"], False
    assert web.fetch(f"{server.url}/x", tmp_path).read_bytes() == CONTENT


def test_a_file_that_has_come_whole_is_not_asked_for_twice_when_there_is_no_more(server, tmp_path):
    (tmp_path / "x").write_bytes(CONTENT)
    web.more(f"{server.url}/x", tmp_path / "x")
    assert server.ranges == [f"bytes={len(CONTENT)}-"]
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_length_is_not_needed(server, tmp_path):
    server.ways = ["no length"]
    assert web.fetch(f"{server.url}/x", tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_stays_so_is_asked_for_once(server, tmp_path, status):
    server.ways = [status] * 9
    with pytest.raises(UserError, match=f"/x: the server answers {status} "):
        web.fetch(f"{server.url}/x", tmp_path)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_asked_for_again(server, tmp_path, status):
    server.ways = [status] * 9
    with pytest.raises(PassingError, match=f"/x: the server answers {status} "):
        web.fetch(f"{server.url}/x", tmp_path)
    assert len(server.ranges) == web.ATTEMPTS
    server.ways = [status] * (web.ATTEMPTS - 1)
    assert web.fetch(f"{server.url}/x", tmp_path).read_bytes() == CONTENT


def test_a_download_that_breaks_off_again_and_again_may_come_later(server, tmp_path):
    server.ways = ["half"] * 9
    with pytest.raises(PassingError, match="it broke off after"):
        web.fetch(f"{server.url}/x", tmp_path)


def test_nobody_who_answers_may_pass(server, tmp_path):
    with pytest.raises(PassingError, match="cannot be fetched: .*refused"):
        web.fetch("http://127.0.0.1:9/x", tmp_path)


ADDRESSES = [
    ("http://example.com/x", "http:// cannot be read"), ("ftp://example.com/x", "ftp:// cannot be read"),
    ("file:///etc/passwd", "file:// cannot be read"), ("http://127.0.0.1.example.com/x", "http://"),
    ("https://[bad/x", "is not an address"), ("http://localhost@example.com/x", "http:// cannot be read"),
    ("http://127.0.0.1:port/x", "is not an address"), ("http://127.0.0.1:9/a b", "is not an address"),
    ("http://127.0.0.1:9/é", "is not an address"),
]  # fmt: skip


@pytest.mark.parametrize(("uri", "words"), ADDRESSES)
def test_an_address_that_is_not_read_is_refused(tmp_path, monkeypatch, uri, words):
    monkeypatch.setattr(web.time, "sleep", lambda seconds: pytest.fail("tried again"))
    with pytest.raises(UserError, match=words):
        web.fetch(uri, tmp_path)


def test_no_server_leads_to_plain_http_or_a_file_elsewhere(server, tmp_path, monkeypatch):
    server.ways, server.location = [302], f"{server.url}/y"
    assert web.fetch(f"{server.url}/x", tmp_path).read_bytes() == CONTENT
    monkeypatch.setattr(web, "LOOPBACK", ("127.0.0.1",))
    server.ways, server.location = [302], server.url.replace("127.0.0.1", "localhost") + "/secret"
    with pytest.raises(UserError, match="http:// cannot be read"):
        web.fetch(f"{server.url}/z", tmp_path)


def test_no_signature_is_printed(server, tmp_path, capsys):
    web.fetch(f"{server.url}/x?X-Amz-Signature=planted", tmp_path)
    assert "planted" not in capsys.readouterr().out
