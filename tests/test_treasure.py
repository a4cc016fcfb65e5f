"""Treasure Data: train.py and predict.py of both frameworks against a server that speaks its API."""

import json
import os
import random
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import FRAMEWORKS, ROOT, call, copy_project

KEY = "4242/planted0key0of0this0test"
MODEL = {"xgboost": "model.ubj", "scikit-learn": "model.skops"}
QUICK = {"xgboost": ["--n-estimators", "5"], "scikit-learn": ["--max-iter", "5"]}


def tables(rows: int = 300) -> dict:
    """Return two databases' worth of rows: dense columns, and an array of index:value."""
    chance = random.Random(0)
    dense, sparse = [], []
    for number in range(rows):
        values = {index: round(chance.random(), 3) for index in range(6) if chance.random() < 0.7}
        label = "yes" if values.get(2, 0) > values.get(4, 0) else "no"
        color = chance.choice(["red", "blue", None])
        dense.append(
            [number, 1700000000, f"id-{number}", values.get(2), values.get(4, 0.0), color, label]
        )
        words = [f"{index}:{weight}" for index, weight in values.items()]
        sparse.append([1700000000, f"id-{number}", words, label])
    types = {
        "number": "bigint", "time": "bigint", "id": "varchar", 'wei"ght': "double", "height": "double",
        "color": "varchar(10)", "label": "varchar",
    }  # fmt: skip
    arrays = {"time": "bigint", "id": "varchar", "features": "array(varchar)", "label": "varchar"}
    days = {"day": "timestamp(3)", "sales": "bigint"}
    return {
        "shop": {
            "dense": {"types": types, "rows": dense},
            "sparse": {"types": arrays, "rows": sparse},
            "short_rows": {
                "types": arrays,
                "rows": [[1, "a", ["2:0.9"], "yes"], [1, "b", ["4:0.9", "99:1"], "no"]],
            },
            "wrong": {"types": arrays, "rows": [[1, "a", ["red:0.9"], "yes"]]},
            "dates": {"types": days, "rows": [["2026-01-01", 1]]},
        }
    }


@dataclass
class Service:
    """The server, and the project that calls it."""

    project: Path
    framework: str
    folder: Path
    url: str

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the project with the key in the environment."""
        plain = {name: os.environ[name] for name in ("PATH", "HOME")}
        mine = {"TD_API_KEY": KEY, "TD_API_SERVER": self.url, "TMPDIR": str(self.folder)}
        python = self.project / ".venv/bin/python"
        return call(python, *words, cwd=self.project, env=plain | mine | environ)

    def launch(
        self, script: str, run: str, channels: dict[str, str], *words: str, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Start a script as `make train` does, with what DATA would name as ``channels``."""
        named = {name: {"uri": uri} for name, uri in channels.items()}
        told = {"RUN_ID": run, "RUN_CHANNELS": json.dumps(named)}
        return self.run("-m", "job", script, *words, **told, **environ)

    def train(self, uri: str, run: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.launch("train.py", run, {"train": uri}, *QUICK[self.framework], *words)

    def predict(
        self, uri: str, run: str, *words: str, result: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Predict by the model of the run ``td``; the predictions go to the table ``result``."""
        told = {"RUN_RESULT": result} if result else {}
        return self.launch("predict.py", run, {"data": uri, "model": "runs/td"}, *words, **told)

    def requests(self) -> list[dict]:
        path = self.folder / "requests.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def queries(self) -> list[str]:
        return [each["fields"]["query"] for each in self.requests() if "query" in each["fields"]]

    def imported(self) -> dict[str, list[dict]]:
        return json.loads((self.folder / "imported.json").read_text())


@pytest.fixture(params=FRAMEWORKS)
def service(request, with_extras: Callable[[str], Path], tmp_path: Path) -> Iterator[Service]:
    project = copy_project(with_extras(request.param), tmp_path / "project")
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "tables.json").write_text(json.dumps(tables()))
    process = subprocess.Popen(
        [project / ".venv/bin/python", ROOT / "tests/treasure_server.py", folder],
        env={"PATH": os.defpath, "TD_API_KEY": KEY},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(process.stdout.readline())
        yield Service(project, request.param, folder, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Check that a run ended before its script began, with one sentence that has these words."""
    assert done.returncode in (81, 82), done.stdout + done.stderr
    (sentence,) = (line for line in done.stdout.splitlines() if line.startswith("error: "))
    assert "Traceback" not in done.stdout + done.stderr
    assert [word for word in words if word not in sentence] == [], sentence


def assert_no_key(folder: Path, *done: subprocess.CompletedProcess[str]) -> None:
    """Check that the key is in no file below ``folder`` and in nothing that was printed."""
    for each in done:
        assert KEY not in each.stdout + each.stderr
    files = [path for path in folder.rglob("*") if path.is_file() and ".venv" not in path.parts]
    assert len(files) > 10
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_dense_columns_train_and_predict_as_the_same_table_in_a_file_does(service, tmp_path: Path):
    uri = "td://shop/dense?columns=id,wei%22ght,height,color,label"
    by_name = "td://shop/dense?columns=id,wei%22ght,height,color,label&limit=200"
    trained = service.train(by_name, "td", "--id", "id")
    succeeded(trained)
    assert (
        'SELECT "id", "wei""ght", "height", "color", "label" FROM "dense" LIMIT 200'
        in service.queries()
    )
    rows = tables()["shop"]["dense"]["rows"][:200]
    lines = ['id,"wei""ght",height,color,label']
    lines += [",".join("" if v is None else str(v) for v in row[2:]) for row in rows]
    (service.project / "data/same.csv").write_text("\n".join(lines) + "\n")
    succeeded(service.train("data/same.csv", "csv", "--id", "id"))
    name = MODEL[service.framework]
    models = [(service.project / "runs" / run / name).read_bytes() for run in ("td", "csv")]
    assert models[0] == models[1]

    predicted = service.predict(uri, "p1", result="td://shop/dense_predict")
    succeeded(predicted)
    found = service.imported()["shop/dense_predict"]
    assert {frozenset(row) for row in found} == {frozenset({"time", "id", "prediction"})}
    assert all(row["time"] > 1_700_000_000 for row in found)
    every = tables()["shop"]["dense"]["rows"]
    assert [row["id"] for row in found] == [row[2] for row in every]
    right = sum(row["prediction"] == true[-1] for row, true in zip(found, every, strict=True))
    assert right > 0.7 * len(every)
    (imported,) = {
        "/".join(r["path"].split("/")[2:4]) for r in service.requests() if "upload" in r["path"]
    }
    assert imported == "bulk_import/upload_part"
    # probabilities, into the table that is there now
    succeeded(service.predict(uri, "p2", "--proba", result="td://shop/dense_predict"))
    more = service.imported()["shop/dense_predict"][len(found) :]
    assert len(more) == len(found)
    assert all(abs(row["no"] + row["yes"] - 1) < 1e-6 for row in more)
    assert_no_key(tmp_path, trained, predicted)


def test_an_array_of_index_and_value_becomes_columns_in_the_models_order(service, tmp_path: Path):
    query = "SELECT id, features, label FROM sparse ORDER BY id"
    trained = service.train(f"td://shop?query={urllib.parse.quote(query)}", "td", "--id", "id")
    succeeded(trained)
    assert query in service.queries()
    schema = json.loads((service.project / "runs/td/schema.json").read_text())
    assert [column["name"] for column in schema["columns"]] == [f"f{index}" for index in range(6)]

    # fewer indexes than in training, then one more
    columns = "columns=id,features"
    for limit, expected in ("1", ["yes"]), ("2", ["yes", "no"]):
        run = f"few-{limit}"
        succeeded(service.predict(f"td://shop/short_rows?{columns}&limit={limit}", run))
        few = (service.project / "runs" / run / "predictions.csv").read_text().splitlines()
        assert few == ["id,prediction", *(f"{i},{e}" for i, e in zip("ab", expected, strict=False))]

    predicted = service.predict(
        f"td://shop/sparse?{columns}", "p3", result="td://shop/sparse_predict"
    )
    succeeded(predicted)
    found = service.imported()["shop/sparse_predict"]
    every = tables()["shop"]["sparse"]["rows"]
    assert [row["id"] for row in found] == [row[1] for row in every]
    right = sum(row["prediction"] == true[-1] for row, true in zip(found, every, strict=True))
    assert right > 0.8 * len(every)
    assert_no_key(tmp_path, trained, predicted)


def test_time_is_no_feature_unless_it_is_named(service):
    succeeded(service.train("td://shop/sparse?limit=100", "td", "--label", "label"))
    assert service.queries() == ['SELECT * FROM "sparse" LIMIT 100']
    schema = json.loads((service.project / "runs/td/schema.json").read_text())
    assert "time" not in [column["name"] for column in schema["columns"]]


@pytest.mark.parametrize("service", FRAMEWORKS[:1], indirect=True)
def test_what_is_wrong_is_said_in_one_sentence_and_leaves_nothing(service, tmp_path: Path):
    for uri, *words in (
        ("td://shop/nothing", "the query failed", "nothing does not exist"),
        ("td://other/dense", "no such database", "other"),
        ("td://shop/dates", "'day'", "timestamp(3)"),
        ("td://shop/wrong", "red:0.9", "index:value"),
        ('td://shop/de"nse', "small letters"),
        ("td://shop/dense;drop", "small letters"),
        ("td://shop", "query"),
        ("td://shop?columns=a", "query"),
        ("td://shop/dense?query=SELECT%201", "columns and limit"),
        ("td://shop/dense?limit=0", "limit"),
        ("td://shop/dense?limit=1%3BDROP", "limit"),
        ("td://shop/dense?columns=id,id", "twice"),
        ("td://shop/dense?columns=", "columns"),
        (f"td://shop/dense?apikey={KEY}", "columns and limit"),
        ('td://shop?query=SELECT+*+FROM+"dense"+WHERE+number<0', "no rows"),
    ):
        done = service.train(uri, "none", "--label", "label")
        refused(done, *words)
        assert KEY not in done.stdout + done.stderr
    # a name that tries to be SQL stays a name
    done = service.train('td://shop/dense?columns=a" FROM sparse --', "none")
    assert 'SELECT "a"" FROM sparse --" FROM "dense"' in service.queries()
    assert done.returncode != 0
    words = ("train.py", "none", {"train": "td://shop/dense"})
    refused(service.launch(*words, TD_API_KEY=""), "there is no key", "TD_API_KEY")
    refused(service.launch(*words, TD_API_KEY="two words"), "TD_API_KEY is not a key")
    wrong = service.launch(*words, TD_API_KEY=f"not/{KEY}")
    refused(wrong, "refuses the key")
    assert KEY not in wrong.stdout + wrong.stderr
    away = service.launch(*words, TD_API_SERVER="http://127.0.0.1:9")
    refused(away, "no usable answer")
    assert away.returncode == 82  # it may be well a minute later
    assert not (service.project / "runs/none").exists()
    assert not (service.folder / "imported.json").exists()


def test_a_run_that_is_stopped_stops_its_query(service):
    plain = {name: os.environ[name] for name in ("PATH", "HOME")}
    query = urllib.parse.quote("SELECT 1 AS endless")
    process = subprocess.Popen(
        [service.project / ".venv/bin/python", "-m", "job", "train.py"],
        cwd=service.project,
        env=plain
        | {
            "TD_API_KEY": KEY,
            "TD_API_SERVER": service.url,
            "RUN_CHANNELS": json.dumps({"train": {"uri": f"td://shop?query={query}"}}),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if "is running" in line:
            break
    while "/v3/job/status/1000" not in [each["path"] for each in service.requests()]:
        time.sleep(0.05)
    process.terminate()
    said = process.communicate()[0]
    assert process.returncode == 143, said
    assert service.requests()[-1]["path"] == "/v3/job/kill/1000"


def test_without_the_extra_one_sentence_says_what_to_install(installed, tmp_path: Path):
    project = copy_project(installed("xgboost"), tmp_path / "project")
    channels = json.dumps({"train": {"uri": "td://shop/dense"}})
    done = call(
        project / ".venv/bin/python", "-m", "job", "train.py", cwd=project,
        env={"PATH": os.defpath, "TD_API_KEY": KEY, "RUN_CHANNELS": channels},
    )  # fmt: skip
    refused(done, "EXTRAS = treasure-data", "make install")
    assert KEY not in done.stdout + done.stderr


def test_an_extra_that_there_is_not_is_refused_before_anything_is_installed(baked, tmp_path: Path):
    project = baked["xgboost"]
    done = call("make", "install", "EXTRAS=treasure-data magic", cwd=project, env=dict(os.environ))
    assert done.returncode == 2
    assert "there is no extra 'magic'" in done.stderr
    assert not (project / ".venv").exists()
