"""Names and things that scripts and folders really have: what is kept, under which name, and what is said."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# what a script does: the files that it leaves, what is said
LEAVES = {
    "import os\nos.makedirs('work/deep')\nopen('work/deep/m', 'w').write('x')": (
        {"script-work/deep/m"}, "work/deep/m belongs to the system: the script's is saved as script-work/deep/m",
    ),
    "import os\nos.mkdir('Manifest.JSON')\nopen('Manifest.JSON/m', 'w').write('x')": (
        {"script-Manifest.JSON/m"}, "saved as script-Manifest.JSON/m",
    ),
    "open('run.json', 'w').write('x')\nopen('script-run.json', 'w').write('x')": (
        {"script-run.json", "script-script-run.json"}, "saved as script-script-run.json",
    ),
    "import os\nos.mkdir('deep')\nopen('deep/run.json', 'w').write('x')": ({"deep/run.json"}, ""),
    "import os\nos.symlink('loop', 'loop')\nopen('m', 'w').write('x')": ({"m"}, ""),
    "import os\nos.symlink('/nowhere', 'a')\nos.symlink('gone', 'b')\nopen('m', 'w').write('x')": (
        {"m"}, "'a' is a link that leads out",
    ),
    "import os\nos.symlink('/etc', 'folder')\nos.symlink('../../..', 'up')\nopen('m', 'w').write('x')": (
        {"m"}, "'up' is a link that leads out",
    ),
    "import os\nos.mkfifo('pipe')\nopen('m', 'w').write('x')": ({"m"}, ""),
    "import os\nos.mkdir('__pycache__')\nopen('__pycache__/x', 'w')\nopen('m', 'w').write('x')": ({"m"}, ""),
    "open(b'bad\\xff', 'w')\nopen('\\x1b[2J', 'w')\nopen('m', 'w').write('x')": (
        {"m"}, "'bad\\udcff' is not saved",
    ),
    "import os\nos.remove('m.py')\nopen('m', 'w').write('x')": ({"m"}, ""),
    "import os\nos.chmod('conf.yaml', 0o644)\nos.rename('conf.yaml', 'moved.yaml')": ({"moved.yaml"}, ""),
    "open('conf.yaml', 'a').write('b: 2')": ({"conf.yaml"}, ""),
    "open('model/m', 'w').write('x')\nimport os\nos.chdir('model')": ({"model/m"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("text", LEAVES)
def test_what_a_script_leaves_is_kept_under_a_name_of_its_own(folder, text):
    files, words = LEAVES[text]
    folder.write("conf.yaml", "a: 1\n")
    folder.write("m.py", text)
    code, said = folder.launch("m.py")
    assert code == 0, said
    assert folder.files() == files | {"manifest.json"}
    assert set(folder.manifest()["files"]) == files
    assert words in said
    assert "\x1b" not in said and "Traceback" not in said
    for name in files:
        assert (folder.path / "runs/r" / name).read_bytes()


def test_metrics_of_the_project_that_the_script_does_not_write_are_not_the_runs(folder):
    folder.write("metrics.json", '{"old": 1}')
    folder.write("m.py", "print('metric: auc=0.5')\n")
    assert folder.launch("m.py")[0] == 0
    assert json.loads((folder.path / "runs/r/metrics.json").read_text()) == {"auc": 0.5}
    assert json.loads((folder.path / "metrics.json").read_text()) == {"old": 1}


def test_words_that_are_no_text_are_passed_on_and_recorded(folder):
    folder.write("m.py", "import os, sys\nopen('m', 'wb').write(os.fsencode(sys.argv[1]))\n")
    code, said = folder.launch("m.py", os.fsdecode(b"a\xff\xc3\xa9"))
    assert code == 0, said
    assert (folder.path / "runs/r/m").read_bytes() == b"a\xff\xc3\xa9"
    assert folder.manifest()["argv"] == ["a\udcffé"]


@pytest.mark.parametrize("name", [b"bad\xff.csv", b"two\nlines.csv", b"back\\slash.csv"])
def test_data_under_a_name_that_s3_would_refuse_is_refused_here_too(folder, name):
    folder.write("m.py", "open('m', 'w')\n")
    path = folder.path / "data/many" / os.fsdecode(name)
    path.parent.mkdir()
    path.touch()
    channels = json.dumps({"train": {"uri": "data/many", "path": "data/many"}})
    code, said = folder.launch("m.py", RUN_CHANNELS=channels)
    assert code == 81
    assert "error: 'data/many': " in said and "Traceback" not in said
    assert not (folder.path / "runs/r").exists()


@pytest.mark.parametrize("uri", ["data/empty", "data/hidden", "data/*.none", "data/.one", "none"])
def test_a_channel_without_a_file_is_refused(folder, uri):
    folder.write("m.py", "open('m', 'w')\n")
    (folder.path / "data/empty").mkdir()
    folder.write("data/hidden/.x", "x")
    folder.write("data/.one", "x")
    code, said = folder.launch("m.py", RUN_CHANNELS=json.dumps({"train": {"uri": uri}}))
    assert code == 81
    assert f"error: {uri}: there is no such file" in said


def test_a_pattern_may_go_through_folders(folder):
    folder.write("data/year=1/part.csv", "1")
    folder.write("data/year=2/part.csv", "2")
    folder.write(
        "m.py",
        "import os\nfound = [f'{at}/{n}' for at, _, names in os.walk('.') for n in names if n == 'part.csv']\n"
        "open('m', 'w').write(' '.join(sorted(found)))\n",
    )
    channels = {"train": {"uri": "data/*/part.csv", "path": "data/*/part.csv"}}
    code, said = folder.launch("m.py", RUN_CHANNELS=json.dumps(channels))
    assert code == 0, said
    assert (folder.path / "runs/r/m").read_text().split() == [
        "./data/year=1/part.csv", "./data/year=2/part.csv", "./input/data/train/year=1/part.csv",
        "./input/data/train/year=2/part.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("run", ["..", "../../data", "a/b", ".", "a\nb"])
def test_a_run_id_that_is_a_path_removes_nothing(folder, run):
    folder.write("work/precious", "x")
    folder.write("data/work/precious", "x")
    folder.write("m.py", "open('m', 'w')\n")
    code, said = folder.launch("m.py", run=run)
    assert code == 2 and "error: RUN_ID=" in said
    assert (folder.path / "work/precious").exists() and (
        folder.path / "data/work/precious"
    ).exists()
    assert not (folder.path / "runs").exists()


def test_the_launcher_names_a_run_that_has_no_name(folder):
    folder.write("m.py", "import os\nopen('m', 'w').write(os.environ['RUN_ID'])\n")
    code, said = folder.launch("m.py", run="")
    assert code == 0
    (run,) = (folder.path / "runs").iterdir()
    assert (run / "m").read_text() == run.name == folder.manifest(run.name)["run"]
    assert f"-- results: runs/{run.name}" in said
    assert "[end of run" not in said


@pytest.mark.parametrize("first", ["#!/no/such/program", "#!/bin/sh\r"])
def test_a_first_line_that_names_no_program_is_said(folder, first):
    folder.write("go", f"{first}\necho x\n")
    code, said = folder.launch("go")
    assert code == 2, said
    assert (
        "error: ./go cannot be started: No such file or directory; look at its first line" in said
    )
    assert not (folder.path / "runs/r").exists()


def test_no_place_for_runs_is_a_sentence(folder):
    folder.write("runs", "a file")
    folder.write("m.py", "open('m', 'w')\n")
    code, said = folder.launch("m.py")
    assert code == 2
    assert "error: " in said and "runs" in said and "Traceback" not in said


def test_no_script_is_the_usage_and_no_run(folder):
    done = subprocess.run(
        [sys.executable, "-m", "job"], check=False, cwd=folder.path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "usage: python -m job SCRIPT [ARGUMENTS]\n")
    assert not (folder.path / "runs").exists()


def test_a_name_that_is_too_long_for_a_script_is_a_sentence(folder):
    code, said = folder.launch("x" * 5000)
    assert code == 2
    assert "error: there is no script" in said and "Traceback" not in said


HOLDS = """\
import os, subprocess, sys
child = subprocess.Popen(["sleep", "300"], start_new_session=True)
open("pid", "w").write(str(child.pid))
print("last words", end="", flush=True)
"""


def test_a_daemon_that_holds_the_output_does_not_hold_the_run(folder):
    folder.write("m.py", HOLDS)
    began = time.monotonic()
    with (folder.path / "log").open("w+b") as log:
        done = subprocess.run(
            [sys.executable, "-m", "job", "m.py"], check=False, cwd=folder.path, stdout=log, stderr=log, timeout=60,
            env=os.environ | {"RUN_ID": "r", "RUN_CHANNELS": ""},
        )  # fmt: skip
        log.seek(0)
        said = log.read()
    os.kill(int((folder.path / "runs/r/pid").read_text()), signal.SIGKILL)
    assert done.returncode == 0
    assert time.monotonic() - began < 30
    assert b"last words" in said and b"-- results: runs/r" in said


def test_a_reader_that_goes_away_does_not_end_the_script(folder):
    folder.write(
        "m.py",
        "import time\nprint('ready', flush=True)\ntime.sleep(1)\nprint('metric: a=1')\nopen('m', 'w').write('x')\n",
    )
    process = folder.start("m.py")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert folder.files() == {"m", "metrics.json", "manifest.json"}


def test_a_reader_that_goes_away_from_a_silent_script_loses_no_result(folder):
    folder.write(
        "m.py",
        "import os, time\ntime.sleep(1)\nos.symlink('/etc', 'x')\nopen('m', 'w').write('x')\n",
    )
    process = folder.start("m.py", RUN_URI=f"{folder.path}/runs/r/")
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert folder.files() == {"m", "manifest.json"}


def test_a_launcher_that_is_killed_leaves_what_the_next_attempt_can_clear(folder):
    folder.write(
        "m.py",
        "import time\nopen('m', 'w').write('x')\nprint('ready', flush=True)\ntime.sleep(3)\n",
    )
    process = folder.start("m.py", RUN_URI=f"{folder.path}/runs/r/")
    for line in process.stdout:
        if line.strip() == b"ready":
            break
    process.kill()
    process.wait()
    code, said = folder.launch("m.py", RUN_URI=f"{folder.path}/runs/r/", RUN_ATTEMPT="2")
    assert code == 0, said
    assert folder.files() == {"m", "manifest.json"}
    assert said.endswith("[end of run r]\n")
    assert Path(folder.path / "runs/r/m").read_text() == "x"


def test_data_from_nobody_who_answers_may_come_a_minute_later(folder):
    folder.write("m.py", "open('m', 'w')\n")
    code, said = folder.launch(
        "m.py", RUN_CHANNELS='{"train": {"uri": "http://127.0.0.1:9/x.csv"}}'
    )
    assert code == 82
    assert "error: http://127.0.0.1:9/x.csv: cannot be fetched: " in said
    assert not (folder.path / "runs/r").exists()
