"""Text from outside is shown, and obeyed neither by a terminal nor by the runner of a GitHub workflow."""

import json
import re
import time

import pytest
import test_cli
from ecs import console
from ecs.console import as_json, cell, logged, note, redacted, say
from support import PROJECT, targets_of

user = test_cli.user
COPY = "\x1b]52;c;ZXZpbA==\x07"  # OSC 52: to the clipboard
HOSTILE = {
    "clipboard": COPY,
    "title": "\x1b]0;title\x07",
    "cursor": "\x1b[2J\x1b[1;1H",
    "up": "\x1b[1A\x1b[2K",
    "one-byte": "\x9b2J",
    "bell": "\x07",
    "backspaces": "good\b\b\b\bevil",
    "return": "long ago\rnow",
    "device": "\x1bP1$r\x1b\\",
    "keys": "\x1b[>4;1m\x1b[?1049h",
    "direction": "\u202egpj.exe",
    "line": "a\u2028b",
    "half": "\udc9b",
    "mark": "\x1b[1",
}
RED = "\x1b[31mred\x1b[0m"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_a_terminal_obeys_is_printed(text, capsys):
    note(f"-- {text}")
    say(text)
    out, err = capsys.readouterr()
    for shown in (out, err, logged(text), cell(text), as_json({text: text})):
        assert all(each.isprintable() or each == "\n" for each in shown), shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (RED, RED),
        ("\x1b[1;38;5;9mbold", "\x1b[1;38;5;9mbold\x1b[0m"),
        ("\x1b[38:2::1:2:3mx\x1b[0m", "\x1b[38:2::1:2:3mx\x1b[0m"),
        ("\x1b[8mhidden", "\x1b[8mhidden\x1b[0m"),
        ("a\tb", "a\tb"),
        ("ends\r\n", "ends"),
        ("50 %\r100 %", "50 %\\r100 %"),
        (f"{RED}{COPY}", f"{RED}\\x1b]52;c;ZXZpbA==\\x07\x1b[0m"),
        ("::error::at home it is a line", "::error::at home it is a line"),
    ],
)
def test_the_container_s_log_keeps_its_colours(line, shown):
    assert logged(line) == shown


COMMANDS = ["::error::x", "  ::add-mask::x", "\t::stop-commands::x", "##[error]x", "a ##[set-env]x"]


@pytest.mark.parametrize("text", COMMANDS)
def test_a_workflow_takes_no_line_for_a_command(text, capsys, monkeypatch):
    """actions/runner, src/Runner.Worker/ActionCommandManager.cs: TryParseV2, TryParse."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    note(f"error: two lines\n{text}")
    say(text)
    out, err = capsys.readouterr()
    for shown in (out, *err.splitlines(), logged(text), cell(text)):
        assert not shown.strip().startswith("::")
        assert "##[" not in shown
        assert "x" in shown or "error" in shown


@pytest.mark.parametrize("where", ["log", "reason", "metric", "tag"])
@pytest.mark.parametrize("command", ["run", "logs", "status", "runs", "compare"])
def test_commands_print_nothing_that_is_obeyed(user, monkeypatch, where, command):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    evil = f"::error::{COPY}"
    user.answers("run-task", test_cli.STARTED)
    task = test_cli.stopped(1, **({"stoppedReason": evil} if where == "reason" else {}))
    user.ends(task, *([evil, f"ValueError: {evil}"] if where == "log" else []))
    status, out, err = user.call("run")
    assert status == 1
    folder = "churn/runs/20260102T030405Z-abcdef"
    if where == "metric":
        body = json.dumps({evil: {evil: 1.0}})
        user.cloud.bucket.objects[f"{folder}/metrics.json"] = body.encode()
    if where == "tag":
        record = json.loads(user.cloud.bucket.objects[f"{folder}/run.json"])
        record |= {"tag": evil, "image": evil, "revision": evil}
        user.cloud.bucket.objects[f"{folder}/run.json"] = json.dumps(record).encode()
    if command != "run":
        status, out, err = user.call(command, RUNS="2026 2026")
        assert status == 0
    for line in (out + err).split("\n"):
        assert all(each.isprintable() for each in line), line
        assert not line.strip().startswith("::"), line


def test_a_long_line_without_a_password_takes_no_time():
    """It is looked for in each line of a log, and in ARGS."""
    begun = time.process_time()
    assert redacted("x" * 200_000) == "x" * 200_000
    assert time.process_time() - begun < 2  # it was two minutes
    long = "x" * 100 + "+https://ann:secret@h"
    assert redacted(long) == "x" * 100 + "+https://ann:***@h"


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("type: make run", "type: make SANDBOX=1 run"),
        ("make cluster CAPACITY=ec2, then make run", "make SANDBOX=1 cluster CAPACITY=ec2, then make SANDBOX=1 run"),
        ("type: make runs, or make fetch RUN=x", "type: make SANDBOX=1 runs, or make SANDBOX=1 fetch RUN=x"),
        ("type: make sandbox", "type: make sandbox"),
        ("type: make train, make rehearse, make add PACKAGE=a", "type: make train, make rehearse, make add PACKAGE=a"),
        ("you cannot make runners of it", "you cannot make runners of it"),
        ("this will make the bucket", "this will make the bucket"),
    ],
)  # fmt: skip
def test_hints_in_the_sandbox_are_typed_as_they_are(monkeypatch, capsys, text, typed):
    for inside, shown in ((True, typed), (False, text)):
        monkeypatch.setattr(console, "in_sandbox", inside)
        say(text)
        note(text)
        assert capsys.readouterr() == (shown + "\n", shown + "\n")


def test_a_command_aims_its_hints_where_it_was_aimed_itself(user, monkeypatch):
    monkeypatch.setattr(console, "in_sandbox", False)
    for sandbox, hint in (("1", "type: make SANDBOX=1 run\n"), ("", "type: make run\n")):
        assert user.call("status", SANDBOX=sandbox)[2].endswith(hint)


def test_the_hints_that_are_aimed_are_targets():
    names = re.search(r"\(\?=\((.*)\)", console.HINT.pattern)[1].removesuffix(r")\b").split("|")
    assert set(names) < set(targets_of(PROJECT / "Makefile")), names
