"""An HTTP server on loopback that speaks as much of Treasure Data's API as td-client uses.

Run as ``python treasure_server.py FOLDER`` with the Python of a project that has td-client. FOLDER has
``tables.json``, ``{database: {table: {"types": {column: Trino's type}, "rows": [[…]]}}}``; SQLite
runs the queries. It gets ``requests.jsonl``, a line a request, and ``imported.json``, what was
committed. The key is in TD_API_KEY. Prints its port.
"""

import email
import gzip
import io
import json
import os
import re
import sqlite3
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgpack

FOLDER = Path(sys.argv[1])
TABLES = json.loads((FOLDER / "tables.json").read_text())
JOBS: dict[str, dict] = {}
IMPORTS: dict[str, dict] = {}
IMPORTED: dict[str, list] = {}


def run(database: str, query: str) -> dict:
    """Return a job that has run ``query``."""
    connection = sqlite3.connect(":memory:")
    types: dict[str, str] = {}
    for name, table in TABLES[database].items():
        quoted = ['"' + column.replace('"', '""') + '"' for column in table["types"]]
        connection.execute(f'CREATE TABLE "{name}" ({", ".join(quoted)})')
        marks = ", ".join("?" * len(quoted))
        rows = [[json.dumps(v) if isinstance(v, list) else v for v in row] for row in table["rows"]]
        connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
        types |= table["types"]
    try:
        cursor = connection.execute(query)
    except sqlite3.Error as error:
        said = str(error).replace("no such table: ", "Table td-presto.").replace("'", "")
        return {
            "status": "error",
            "stderr": f"started\nQuery failed: line 1:15: {said} does not exist",
        }
    names = [column[0] for column in cursor.description]
    schema = [[name, types.get(name, "bigint")] for name in names]
    lists = [kind.startswith("array") for _, kind in schema]
    rows = [
        [json.loads(v) if is_list and v else v for v, is_list in zip(row, lists, strict=True)]
        for row in cursor
    ]
    result = gzip.compress(b"".join(map(msgpack.packb, rows)))
    return {"status": "success", "schema": schema, "result": result, "polls": 0}


class Handler(BaseHTTPRequestHandler):
    """The routes. Every answer is JSON, but for results."""

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, value: object, status: int = 200) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fields(self, body: bytes) -> dict[str, str]:
        """Return the fields of a multipart form."""
        head = f"Content-Type: {self.headers.get('Content-Type')}\n\n".encode()
        parts = email.message_from_bytes(head + body).get_payload()
        if isinstance(parts, str):
            return {}
        return {
            part.get_param("name", header="content-disposition"): part.get_payload(
                decode=True
            ).decode()
            for part in parts
        }

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        words = [urllib.parse.unquote(word) for word in url.path.strip("/").split("/")]
        kind = self.headers.get("Content-Type") or ""
        fields = self.fields(body) if "multipart" in kind else {}
        with (FOLDER / "requests.jsonl").open("a") as file:
            line = {"method": self.command, "path": self.path, "fields": fields}
            file.write(json.dumps(line) + "\n")
        if self.headers["Authorization"] != f"TD1 {os.environ['TD_API_KEY']}":
            return self.answer({"error": "unauthorized"}, 401)
        method = getattr(self, f"{self.command}_{'_'.join(words[1:3])}".lower(), None)
        if method is None:
            return self.answer({"error": "no such route"}, 404)
        return method(words[3:], fields or body)

    do_GET = do_POST = do_PUT = handle_request

    def post_job_issue(self, words: list[str], fields: dict) -> None:
        assert words[0] == "trino"
        if words[1] not in TABLES:
            return self.answer({"error": f"Couldn't find Database with name = {words[1]}"}, 404)
        number = str(1000 + len(JOBS))
        JOBS[number] = run(words[1], fields["query"]) | {"query": fields["query"]}
        return self.answer({"job_id": number})

    def get_job_status(self, words: list[str], _: object) -> None:
        job = JOBS[words[0]]
        job["polls"] = job.get("polls", 0) + 1
        running = job["polls"] == 1 or "endless" in job.get("query", "")
        self.answer({"status": "running" if running else job["status"]})

    def post_job_kill(self, words: list[str], _: object) -> None:
        self.answer({"job_id": words[0], "former_status": "running"})

    def get_job_show(self, words: list[str], _: object) -> None:
        job = JOBS[words[0]]
        self.answer(
            {
                "status": job["status"],
                "debug": {"cmdout": "", "stderr": job.get("stderr", "")},
                "hive_result_schema": json.dumps(job.get("schema", [])),
                "result_size": len(job.get("result", b"")),
            }
        )

    def get_job_result(self, words: list[str], _: object) -> None:
        assert self.path.endswith("?format=msgpack.gz")
        first, last = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups()
        self.answer(JOBS[words[0]]["result"][int(first) : int(last) + 1], 206)

    def post_table_create(self, words: list[str], _: object) -> None:
        database, table, kind = words
        assert kind == "log"
        if database not in TABLES:
            return self.answer({"error": "no such database"}, 404)
        if f"{database}/{table}" in IMPORTED:
            return self.answer({"error": "it is there"}, 409)
        IMPORTED[f"{database}/{table}"] = []
        return self.answer({})

    def bulk_import(self, words: list[str], body: object) -> None:
        """All routes below /v3/bulk_import, by their second word."""
        step, name, *rest = words
        if step == "create":
            IMPORTS[name] = {"table": "/".join(rest), "rows": [], "steps": []}
        session = IMPORTS[name]
        session["steps"].append(step)
        if step == "upload_part":
            session["rows"] += msgpack.Unpacker(io.BytesIO(gzip.decompress(body)))
        elif step == "perform":
            assert session["steps"][-2] == "freeze"
            number = str(1000 + len(JOBS))
            JOBS[number] = {"status": "success"}
            return self.answer({"job_id": number})
        elif step == "commit":
            assert session["steps"][-2:] == ["show", "commit"]
            IMPORTED[session["table"]] += session["rows"]
            (FOLDER / "imported.json").write_text(json.dumps(IMPORTED))
        good = [row for row in session["rows"] if isinstance(row.get("time"), int)]
        bad = len(session["rows"]) - len(good)
        return self.answer({"name": name, "status": "ready", "error_records": bad})


if __name__ == "__main__":
    # bulk imports: /v3/bulk_import/STEP/NAME…
    for verb in "get", "post", "put":
        for step in "create", "upload_part", "freeze", "perform", "show", "commit", "delete":

            def route(self, words, body, step=step):
                self.bulk_import([step, *words], body)

            setattr(Handler, f"{verb}_bulk_import_{step}", route)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
