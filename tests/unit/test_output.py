"""Whatever becomes of standard output, a run has its verdict, its record and its limits."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import test_cli
from botocore.exceptions import ClientError
from ecs.output import Stream
from support import PROJECT

user = test_cli.user
FULL = Path("/dev/full")
LINES = ("price 3 €", "half \udce9 of a character", "ñ")


def latin() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="latin-1")


def strict() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def closed_pipe() -> io.TextIOWrapper:
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


def full() -> io.TextIOWrapper:
    return FULL.open("w")


def closed() -> io.TextIOWrapper:
    stream = strict()
    stream.close()
    return stream


def missing() -> None:
    return None


# standard output, and what is said of it
STREAMS = [
    (latin, ""),
    (strict, ""),
    (closed_pipe, ""),
    (full, "No space left on device"),
    (closed, ""),
    (missing, ""),
]


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize(
    ("stream", "said"), STREAMS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_run_has_its_verdict_whatever_becomes_of_its_output(
    user, monkeypatch, stream, said, code
):
    user.answers("run-task", test_cli.STARTED)
    user.ends(test_cli.stopped(code), *LINES)
    made = stream()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", made)
        status, _, err = user.call("run")
    assert status == code, err
    assert user.recorded("result.json")["exit_code"] == code
    assert "Traceback" not in err
    assert ("succeeded" if code == 0 else "run 20260102T030405Z-abcdef failed") in err
    assert err.count("is printed is lost") == (1 if said else 0)
    assert said in err


@pytest.mark.parametrize(
    ("stream", "said"), STREAMS, ids=lambda each: getattr(each, "__name__", "")
)
@pytest.mark.parametrize("command", ["logs", "runs", "status"])
def test_a_command_that_only_prints_ends_quietly_at_a_closed_pipe(
    user, monkeypatch, stream, said, command
):
    user.answers("run-task", test_cli.STARTED)
    user.ends(test_cli.stopped(0), *LINES * 2000)
    assert user.call("run")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream())
        status, _, err = user.call(command)
    assert status == (1 if said else 0)  # what was asked for was not printed
    assert "Traceback" not in err
    assert said in err


def test_what_a_stream_cannot_show_is_escaped(monkeypatch):
    stream = latin()
    Stream(stream).write("é € \udce9\n")
    stream.flush()
    assert stream.buffer.getvalue() == b"\xe9 \\u20ac \\udce9\n"


@pytest.mark.parametrize("where", ["stdout", "stderr", "both"])
def test_the_real_program_ends_quietly_where_nobody_reads(tmp_path, where):
    """Python itself complains at its end of what it cannot write any more."""
    streams: dict[str, int] = {}
    for name in ("stdout", "stderr"):
        reading, writing = os.pipe()
        if where in (name, "both"):
            os.close(reading)
        else:
            streams[name] = reading
        streams[f"{name} of the child"] = writing
    done = subprocess.run(
        [sys.executable, "-m", "ecs", "tag"], cwd=tmp_path, check=False,
        stdout=streams["stdout of the child"], stderr=streams["stderr of the child"],
        env=os.environ | {"PROJECT": "churn", "REGION": "us-east-1", "TAG": "v1", "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    os.close(streams["stdout of the child"])
    os.close(streams["stderr of the child"])
    assert done.returncode == 0
    if "stderr" in streams:
        assert os.read(streams["stderr"], 1000) == b""


# ---- S3 refuses


def refusing(bucket, name: str, operation: str) -> Callable:
    real = getattr(bucket, operation)

    def refuse(**fields):
        if fields.get("Key", "").endswith(name):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "S3")
        return real(**fields)

    return refuse


@pytest.mark.parametrize(
    ("name", "operation", "said"),
    [
        (
            "result.json",
            "put_object",
            "the end of the run could not be recorded in s3://the-bucket/",
        ),
        ("metrics.json", "get_object", "what the run has saved cannot be listed"),
    ],
)
@pytest.mark.parametrize("code", [0, 3])
def test_where_s3_refuses_the_end_of_a_run_is_told_all_the_same(
    user, monkeypatch, name, operation, said, code
):
    user.answers("run-task", test_cli.STARTED)
    user.ends(test_cli.stopped(code))
    monkeypatch.setattr(user.cloud.bucket, operation, refusing(user.cloud.bucket, name, operation))
    status, _, err = user.call("run")
    assert status == code
    assert said in err
    verdict = "run 20260102T030405Z-abcdef " + ("succeeded" if code == 0 else "failed")
    assert verdict in err
    if operation == "put_object":
        assert err.index(verdict) < err.index(said)
        status, out, err = user.call("status")  # for one who may only read
        assert (status, "Succeeded" in out) == (0, code == 0)


def test_half_a_character_is_recorded(user):
    user.answers("run-task", test_cli.STARTED)
    user.ends(test_cli.stopped(1), "ValueError: \udce9")
    assert user.call("run")[0] == 1
    assert "\udce9" in user.recorded("result.json")["cause"]


@pytest.mark.parametrize("left", [None, b"", b"{", b"[]"], ids=["gone", "empty", "half", "list"])
@pytest.mark.parametrize("code", [0, 3])
def test_where_run_json_is_lost_meanwhile_the_end_is_told_and_recorded(user, code, left):
    user.answers("run-task", test_cli.STARTED)
    user.ends(test_cli.stopped(code))
    logs = user.cloud.services["logs"]
    get_log_events = logs.get_log_events

    def lose(**fields):
        key = "churn/runs/20260102T030405Z-abcdef/run.json"
        user.cloud.bucket.objects.pop(key, None)
        if left is not None:
            user.cloud.bucket.objects[key] = left
        return get_log_events(**fields)

    logs.get_log_events = lose
    status, _, err = user.call("run")
    assert status == code
    assert "run 20260102T030405Z-abcdef " + ("succeeded" if code == 0 else "failed") in err
    assert "run.json could not be written, the run goes on" in err
    assert user.recorded("result.json")["exit_code"] == code
