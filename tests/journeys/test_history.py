"""`make runs`, `fetch`, `compare` and `rerun`: runs that ended some time ago."""

import json
import re
import shutil

import pytest
from user import MODEL, ONE_FRAMEWORK, QUICK

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("deployed")]


@ONE_FRAMEWORK
def test_keys_that_lead_out_of_a_run_are_left_out_and_the_rest_is_fetched(project):
    """As S3 itself lists them; unit/test_download.py has the others."""
    run, s3 = "20200101T000000Z-abcdef", project.client("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    hostile = ["x/../../../../escaped", "/abs", "x//y", "x\\y", "good/below"]
    for name in (*hostile, "good"):
        s3.put_object(Bucket=bucket, Key=f"churn-model/runs/{run}/{name}", Body=b"x")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"churn-model/runs/{run}/")["Contents"]
    assert len(listed) == len(hostile) + 1
    before = set(project.folder.parent.iterdir()) | set(project.folder.iterdir())
    done = project.make("fetch", RUN=run, status=2)
    assert done.stderr.count(" was left out: ") == len(hostile)
    assert set(project.folder.parent.iterdir()) | set(project.folder.iterdir()) == before
    assert (project.folder / "runs" / run / "good").read_text() == "x"
    for each in listed:
        s3.delete_object(Bucket=bucket, Key=each["Key"])
    shutil.rmtree(project.folder / "runs" / run)


def test_runs_that_ecs_has_forgotten_are_listed_compared_fetched_and_run_again(project):
    words = QUICK[project.framework]
    project.make("run", ARGS=words)
    old = project.latest()
    task = re.search(r"^task +(\S+)", project.make("status").stdout, re.MULTILINE)[1]
    # what ECS does by itself an hour later; all else stays as it is
    project.make("sandbox-stop")
    state = project.folder / ".sandbox/state/ecs.json"
    kept = json.loads(state.read_text())
    kept["payload"]["tasks"]["data"].clear()
    state.write_text(json.dumps(kept))
    project.make("sandbox")
    known = project.client("ecs").describe_tasks(cluster="churn-model", tasks=[task])
    assert known["tasks"] == []
    line = next(each for each in project.make("runs").stdout.splitlines() if old in each)
    assert re.search(r"Succeeded +0 .*(auc|accuracy) 0\..*" + re.escape(words), line)
    project.make("fetch", RUN=old)
    assert (project.folder / "runs" / old / MODEL[project.framework]).stat().st_size > 1000
    assert "[end of run" not in project.make("logs", RUN=old).stdout
    assert "has ended already" in project.make("stop", RUN=old).stderr
    done = project.make("rerun", RUN=old)
    new = re.search(r"^run (\S+) succeeded", done.stderr, re.MULTILINE)[1]
    assert new != old
    project.make("fetch", RUN=new)
    model = MODEL[project.framework]
    here = project.folder / "runs"
    assert (here / new / model).read_bytes() == (here / old / model).read_bytes()
    rows = [row.split() for row in project.make("compare", RUNS=f"{old} {new}").stdout.splitlines()]
    assert rows[0] == [old, new]
    (image,) = (row for row in rows if row[0] == "image")  # no mark: they are the same
    assert image[1].startswith("sha256:")
    # other data: refused, nothing started; what is put back is the user's own table, not the example
    (project.folder / "data/.example").unlink()
    table = project.folder / "data/train.csv"
    whole = table.read_text()
    table.write_text("".join(whole.splitlines(keepends=True)[:-50]))
    project.make("data")
    done = project.make("rerun", RUN=old, status=2)
    assert f"the data of run {old} has changed since" in done.stderr
    assert project.latest() == new
    done = project.make("rerun", RUN=old, YES="1")
    rows = project.make("compare", RUNS=f"{old} {project.latest()}").stdout.splitlines()
    assert any(re.match(r" *\* +data ", row) for row in rows)
    table.write_text(whole)
    project.make("data")
