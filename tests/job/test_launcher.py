"""Any script runs: real child processes, a folder in the place of S3."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

READS = "rows = open('data/train.csv').read().splitlines()\n"
# script: its text, its arguments, exit status, the files that it leaves, a part of what it prints
SCRIPTS = {
    "plain.py": (
        READS + "open('model/m.txt', 'w').write(str(len(rows)))", [], 0, {"model/m.txt"}, "",
    ),
    "words.py": (
        "import sys\nopen(sys.argv[2], 'w').write(open(sys.argv[1]).read())",
        ["data/train.csv", "model/old.pkl"], 0, {"model/old.pkl"}, "",
    ),
    "deep/er/script.py": (
        "import os, deep.er.helper\nopen('x', 'w').write(deep.er.helper.NAME)", [], 0, {"x"}, "",
    ),
    "channel.py": (
        ("import os\nfolder = os.environ['SM_CHANNEL_TRAIN']\nassert os.listdir(folder) == ['train.csv']\n"
        "open(os.path.join(os.environ['SM_MODEL_DIR'], 'm'), 'w').write('x')\n"
        "open(os.path.join(os.environ['SM_OUTPUT_DATA_DIR'], 'o'), 'w').write('x')"),
        [], 0, {"model/m", "output/data/o"}, "",
    ),
    "pkg.module": ("import sys\nopen('m', 'w').write(sys.argv[1])", ["a b"], 0, {"m"}, ""),
    "go.sh": ("#!/bin/sh\necho \"$2\" > out\nexit 7\n", ["x", "$HOME `id`"], 7, {"out"}, ""),
    "no_ending": ("#!/bin/sh\necho hello\necho x > out\n", [], 0, {"out"}, "hello"),
    "bug.py": ("open('kept', 'w').write('x')\nraise ValueError('a bug')", [], 1, {"kept"}, "a bug"),
    "reserved.py": ("raise SystemExit(82)", [], 1, set(), "exit status 82 is the launcher's own"),
    "nothing.py": ("print('done')", [], 0, set(), "warning: the script saved nothing"),
    "no_newline.py": ("import sys\nsys.stdout.write('no newline')", [], 0, set(), "no newline"),
    "killed.py": (
        "import os\nopen('kept', 'w').write('x')\nos.kill(os.getpid(), 9)", [], 137, {"kept"}, "",
    ),
    "takes.py": (
        "open('RUN.json', 'w').write('{}')\nopen('manifest.json', 'w').write('{}')", [], 0,
        {"script-RUN.json", "script-manifest.json"}, "belongs to the system",
    ),
    "half.py": (
        ("import os\nopen('checkpoints/.1.part', 'w')\nopen('checkpoints/1', 'w')\nopen('.hidden', 'w')\n"
        "os.kill(os.getpid(), 9)"), [], 137, {"checkpoints/1", ".hidden"}, "",
    ),
    "links.py": (
        "import os\nos.symlink('/etc/passwd', 'out')\nopen('a', 'w').write('x')\nos.symlink('a', 'b')", [],
        0, {"a", "b"}, "'out' is a link that leads out",
    ),
    "names.py": (
        "open('two\\nlines', 'w')\nopen('back\\\\slash', 'w')\nopen('good é', 'w')", [], 0, {"good é"},
        "is not saved: its name has control characters",
    ),
    "caches.py": ("import helper\nopen('x', 'w')", [], 0, {"x"}, ""),
    "environment.py": (
        ("import os, json, getpass\n"
        "assert getpass.getuser() and os.environ['HOME'] and os.environ['RUN_ATTEMPT'] == '1'\n"
        "assert json.loads(os.environ['SM_HPS']) == {'depth': 3, 'flag': True, 'name': 'a,b'}\n"
        "assert json.loads(os.environ['SM_CHANNELS']) == ['train'] and os.environ['SM_NUM_CPUS']\n"
        "assert os.path.samefile(os.environ['RUN_FOLDER'], '.')\nopen('x', 'w')"),
        ["--depth", "3", "--flag", "--name=a,b"], 0, {"x"}, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_as_people_have_them_runs_and_what_it_wrote_comes_back(folder, script):
    text, words, status, leaves, printed = SCRIPTS[script]
    file = "pkg/module.py" if script == "pkg.module" else script
    folder.write(file, text)
    folder.write("deep/er/helper.py", "NAME = 'helper'\n")
    folder.write("helper.py", "")
    code, said = folder.launch(script, *words)
    assert code == status, said
    assert printed in said
    assert folder.files() == leaves | {"manifest.json"}
    manifest = folder.manifest()
    assert (manifest["script"], manifest["exit_code"], manifest["attempt"]) == (script, status, 1)
    assert manifest["argv"] == words
    assert set(manifest["files"]) == leaves
    for each, facts in manifest["files"].items():
        content = (folder.path / "runs/r" / each).read_bytes()
        assert facts == {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}


def test_the_files_of_the_project_are_not_touched_and_data_is_for_reading_only(folder):
    folder.write("edits.py", "open('edits.py', 'a').write('#')\nopen('data/new', 'w')\n")
    code, said = folder.launch("edits.py")
    if os.getuid():  # nothing is refused to root
        assert code == 1 and "Permission denied: 'data/new'" in said
    assert folder.files() >= {"edits.py", "manifest.json"}
    assert not (folder.path / "edits.py").read_text().endswith("#")
    assert not (folder.path / "data/new").exists()


def test_a_staged_file_that_the_script_changes_is_told(folder):
    folder.write("spoils.py", "open('data/train.csv', 'a').write('3,4\\n')\nopen('x', 'w')\n")
    code, said = folder.launch("spoils.py")
    if code == 0:
        assert "warning: the script changed train/train.csv, which is for reading only" in said


METRICS = {
    "print('metric: auc=0.5')\nprint('metric: auc=0.75')": {"auc": 0.75},
    "print('metric: validation.auc=1e-3')\nprint('metric: loss=2')": {
        "validation": {"auc": 0.001}, "loss": 2.0,
    },
    "print('metric: x=nan')\nprint(' metric: y=1')\nprint('metric: =1')\nprint('metric: z=one')": None,
    "import json\njson.dump({'own': 1}, open('metrics.json', 'w'))\nprint('metric: x=1')": {"own": 1},
    "import sys\nsys.stdout.write('metric: last=3')": {"last": 3.0},
    "print('x' * 100000)\nprint('metric: after=1')": {"after": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("text", METRICS)
def test_lines_of_the_output_become_metrics_unless_the_script_writes_them(folder, text):
    folder.write("m.py", text + "\n")
    assert folder.launch("m.py")[0] == 0
    path = folder.path / "runs/r/metrics.json"
    assert (json.loads(path.read_text()) if path.exists() else None) == METRICS[text]


def test_a_hundred_megabytes_of_output_arrive_whole(folder):
    folder.write(
        "loud.py", "import sys\nfor _ in range(1600):\n    sys.stdout.write('x' * 65535 + '\\n')\n"
    )
    process = folder.start("loud.py")
    size = sum(len(block) for block in iter(lambda: process.stdout.read(1 << 20), b""))
    assert process.wait() == 0
    assert size > 1600 * 65536


def test_what_a_script_leaves_running_ends_with_it(folder):
    folder.write(
        "leaves.py",
        "import subprocess, sys\nchild = subprocess.Popen(['sleep', '300'])\n"
        "open('pid', 'w').write(str(child.pid))\n",
    )
    began = time.monotonic()
    assert folder.launch("leaves.py")[0] == 0
    assert time.monotonic() - began < 60
    pid = int((folder.path / "runs/r/pid").read_text())
    stat = Path(f"/proc/{pid}/stat")  # what is dead may wait there for its parent
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


SAVES = """\
import signal, sys, time
def stop(*_):
    open("saved", "w").write("x")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(300)
"""


def ready(process) -> None:
    for line in process.stdout:
        if line.strip() == b"ready":
            return


def test_a_script_that_saves_its_work_on_sigterm_is_interrupted_and_no_success(folder):
    folder.write("saves.py", SAVES)
    process = folder.start("saves.py")
    ready(process)
    process.terminate()
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 143, said
    assert folder.files() == {"saved", "manifest.json"}
    assert folder.manifest()["exit_code"] == 143


def test_ctrl_c_reaches_the_script(folder):
    folder.write("saves.py", SAVES.replace("SIGTERM", "SIGINT"))
    process = folder.start("saves.py")
    ready(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert "saved" in folder.files()


def test_a_script_that_does_not_stop_is_ended_in_time_to_save_what_there_is(folder):
    folder.write(
        "deaf.py",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open('x', 'w').write('x')\nprint('ready', flush=True)\ntime.sleep(300)\n",
    )
    process = folder.start("deaf.py", STOP_SECONDS="2")
    ready(process)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert folder.files() == {"x", "manifest.json"}


def test_sigterm_while_data_is_brought_changes_nothing_of_an_earlier_attempt(folder):
    folder.write("runs/r/checkpoints/1.json", "{}")
    folder.write("runs/r/model.ubj", "old")
    (folder.path / "data/slow").mkdir()
    for number in range(3000):
        (folder.path / f"data/slow/{number}").write_text("x")
    folder.write("x.py", "open('x', 'w')\n")
    channels = json.dumps({"train": {"uri": "data/slow", "path": "data/slow"}})
    process = folder.start("x.py", RUN_CHANNELS=channels, RUN_ATTEMPT="2")
    time.sleep(0.15)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode in (143, 0, -15)
    assert (folder.path / "runs/r/model.ubj").read_text() == "old"
    assert (folder.path / "runs/r/checkpoints/1.json").read_text() == "{}"


@pytest.mark.parametrize("seconds", [0, 0.1, 0.3])
def test_sigterm_while_results_are_saved_loses_none(folder, seconds):
    folder.write(
        "many.py",
        "for number in range(2000):\n    open(f'model/{number}', 'w').write('x')\nprint('ready', flush=True)\n",
    )
    process = folder.start("many.py")
    ready(process)
    time.sleep(seconds)
    process.terminate()
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode in (0, 143, -15), said  # -15: it had ended well, all but Python
    assert "Traceback" not in said
    assert len(folder.manifest()["files"]) == 2000
    assert len(folder.files()) == 2001


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.15, 0.2, 0.3])
def test_sigterm_at_the_start_ends_it_without_a_trace_of_python(folder, seconds):
    folder.write("long.py", "import time\nopen('x', 'w').write('x')\ntime.sleep(300)\n")
    process = folder.start("long.py")
    time.sleep(seconds)
    process.terminate()
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode in (143, -15), said  # -15: Python itself had not begun
    assert "Traceback" not in said


CHECKPOINTS = """\
import json, os, sys, time
folder = os.environ["CHECKPOINT_DIR"]
there = sorted(os.listdir(folder))
print("found", there, flush=True)
begin = int(there[-1].split(".")[0]) + 1 if there else 0
for number in range(begin, 6):
    for kind in ("model", "json"):
        path = f"{folder}/{number}.{kind}"
        with open(path + ".tmp", "w") as file:
            file.write(f"{kind} {number}")
        os.replace(path + ".tmp", path)
    for old in range(number - 1):
        for kind in ("json", "model"):
            if os.path.exists(f"{folder}/{old}.{kind}"):
                os.remove(f"{folder}/{old}.{kind}")
    time.sleep(3.2)
    if number == 2 and not there:
        os.kill(os.getpid(), 9)
for name in os.listdir(folder):
    os.remove(f"{folder}/{name}")
open("model/final", "w").write("done")
"""


def test_checkpoints_are_saved_while_it_runs_brought_back_and_removed_in_the_end(folder):
    folder.write("long.py", CHECKPOINTS)
    code, said = folder.launch("long.py", RUN_URI=f"{folder.path}/runs/r/")
    assert code == 137
    safe = [line for line in said.splitlines() if line.startswith("-- checkpoint safe: ")]
    assert safe.index("-- checkpoint safe: 0.model") < safe.index("-- checkpoint safe: 0.json")
    kept = {name for name in folder.files() if name.startswith("checkpoints/")}
    assert {"checkpoints/2.model", "checkpoints/2.json"} <= kept
    assert "checkpoints/0.json" not in kept  # the script had removed it
    assert said.rstrip().endswith("[end of run r]")
    code, said = folder.launch("long.py", RUN_URI=f"{folder.path}/runs/r/", RUN_ATTEMPT="2")
    assert code == 0, said
    assert "found ['1.json', '1.model', '2.json', '2.model']" in said
    assert {name for name in folder.files() if "checkpoints" in name} == set()
    assert folder.manifest()["attempt"] == 2
    assert set(folder.manifest()["files"]) == {"model/final"}


FINISHES = """\
import os, signal, time
mark = os.environ["CHECKPOINT_DIR"] + "/1"
print("found", os.path.exists(mark), flush=True)
if not os.path.exists(mark):
    open(mark + ".tmp", "w").write("x")
    os.rename(mark + ".tmp", mark)
    time.sleep(4)  # until it is safe
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    last = True
os.remove(mark)
open("model/final", "w").write("done")
print("ready", flush=True)
time.sleep(2 if "last" in globals() else 0)
"""


def test_sigterm_after_the_checkpoints_were_removed_does_not_make_the_next_attempt_begin_anew(
    folder,
):
    folder.write("ends.py", FINISHES)
    process = folder.start("ends.py", RUN_URI=f"{folder.path}/runs/r/")
    ready(process)
    process.terminate()
    said = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 143, said
    assert folder.files() == {"model/final", "manifest.json", "checkpoints/1"}
    code, said = folder.launch("ends.py", RUN_URI=f"{folder.path}/runs/r/", RUN_ATTEMPT="2")
    assert (code, "found True" in said) == (0, True), said
    assert folder.files() == {"model/final", "manifest.json"}


def test_runs_that_begin_in_the_same_second_have_folders_of_their_own(folder):
    folder.write("x.py", "open('x', 'w').write('x')\n")
    started = [folder.start("x.py", run="") for _ in range(8)]
    ends = [(each.communicate(timeout=120)[0].decode(), each.returncode) for each in started]
    assert all(code == 0 for _, code in ends), ends
    runs = list((folder.path / "runs").iterdir())
    assert len(runs) == 8
    assert all({each.name for each in run.iterdir()} == {"x", "manifest.json"} for run in runs)


def test_a_new_run_that_is_refused_leaves_no_folder(folder):
    assert folder.launch("none.py", run="")[0] == 2
    assert not list((folder.path / "runs").iterdir())


def test_data_that_cannot_be_had_has_a_status_of_its_own_and_leaves_nothing(folder):
    folder.write("x.py", "open('x', 'w')\n")
    channels = json.dumps({"train": {"uri": "data/nothing.csv"}})
    code, said = folder.launch("x.py", RUN_CHANNELS=channels)
    assert code == 81
    assert "error: data/nothing.csv: there is no such file or folder" in said
    assert not (folder.path / "runs/r").exists()


BAD = [
    "[",
    "[]",
    '{"a b": {"uri": "x"}}',
    '{"a": {}}',
    '{"a": {"uri": "x", "path": "../x"}}',
    '{"a": 1}',
]


@pytest.mark.parametrize("text", BAD)
def test_a_request_that_is_none_is_refused(folder, text):
    folder.write("x.py", "")
    code, said = folder.launch("x.py", RUN_CHANNELS=text)
    assert (code, "RUN_CHANNELS is not a JSON object of channels" in said) == (2, True), said


@pytest.mark.parametrize(
    "script", ["nothing.py", "../x.py", "/etc/passwd", "/", "..", "data.csv", "no.module", "deep"]
)
def test_a_script_that_is_not_there_is_named_with_the_line_to_add(folder, script):
    folder.write("data.csv", "x")
    folder.write("deep/x.py", "")
    code, said = folder.launch(script)
    assert code == 2
    assert f"add a line !{script} at its end" in said
    assert "Traceback" not in said


def test_results_that_cannot_be_saved_are_no_success_and_are_kept(folder):
    folder.write("x.py", "open('model/m', 'w').write('x')\n")
    folder.write("runs/r/model", "a file in the place of a folder")
    code, said = folder.launch("x.py", RUN_ATTEMPT="2")
    assert code == 83, said
    assert "error: what the script wrote could not be saved" in said
    assert (folder.path / "runs/r/work/model/m").read_text() == "x"
    assert "manifest.json" not in folder.files() - {"work/manifest.json"}


def test_several_channels_lie_where_the_laptop_has_them_and_in_folders_of_their_own(folder):
    folder.write("data/parts/a.csv", "a")
    folder.write("data/parts/sub/b.csv", "b")
    folder.write("data/lookup.csv", "c")
    folder.write("data/.hidden", "h")
    folder.write(
        "see.py",
        "import os\nfor at, _, names in os.walk('.'):\n    for name in names:\n"
        "        print(os.path.join(at, name))\nopen('x', 'w')\n",
    )
    channels = {
        "parts": {"uri": "data/parts", "path": "data/parts"},
        "lookup": {"uri": "data/lookup.csv", "path": "data/lookup.csv"},
        "some": {"uri": "data/*.csv", "path": "data/*.csv"},
    }
    code, said = folder.launch("see.py", RUN_CHANNELS=json.dumps(channels))
    assert code == 0
    seen = set(said.splitlines())
    assert {
        "./data/parts/a.csv", "./data/parts/sub/b.csv", "./data/lookup.csv", "./data/train.csv",
        "./input/data/parts/a.csv", "./input/data/parts/sub/b.csv", "./input/data/lookup/lookup.csv",
        "./input/data/some/lookup.csv", "./input/data/some/train.csv",
    } <= seen  # fmt: skip
    assert not any("hidden" in line for line in seen)
    assert folder.manifest()["channels"]["parts"]["files"] == {
        "a.csv": {"size_bytes": 1}, "sub/b.csv": {"size_bytes": 1},
    }  # fmt: skip


def test_passwords_of_addresses_stay_out_of_the_manifest(folder):
    folder.write("x.py", "open('x', 'w')\n")
    code, _ = folder.launch("x.py", "https://user:s3cret@host/x?token=s3cret&a=1")
    assert code == 0
    assert "s3cret" not in (folder.path / "runs/r/manifest.json").read_text()


def test_arguments_that_were_too_long_for_ecs_stand_in_a_file(folder):
    folder.write("x.py", "import sys\nopen('x', 'w').write(repr(sys.argv[1:]))\n")
    words = folder.write("argv.json", json.dumps(["--a", "é" * 9000]))
    assert folder.launch("x.py", "--last", ARGV_URI=str(words))[0] == 0
    assert (folder.path / "runs/r/x").read_text() == repr(["--a", "é" * 9000, "--last"])
    words.write_text("{}")
    assert folder.launch("x.py", ARGV_URI=str(words))[0] in (2, 81)


# ---- on AWS Batch ("Job environment variables" in its user guide)


def test_batch_counts_the_attempts_and_checkpoints_come_back(folder):
    folder.write("long.py", CHECKPOINTS)
    uri = f"{folder.path}/runs/r/"
    assert folder.launch("long.py", RUN_URI=uri, AWS_BATCH_JOB_ATTEMPT="1")[0] == 137
    code, said = folder.launch("long.py", RUN_URI=uri, RUN_ATTEMPT="1", AWS_BATCH_JOB_ATTEMPT="2")
    assert code == 0, said
    assert "found ['1.json', '1.model', '2.json', '2.model']" in said
    assert folder.manifest()["attempt"] == 2


def test_a_run_of_a_sweep_takes_its_words_by_its_index_and_has_a_folder_of_its_own(folder):
    folder.write(
        "x.py", "import os, sys\nopen('x', 'w').write(repr([sys.argv[1:], os.environ['RUN_ID']]))\n"
    )
    words = folder.write("argv.json", json.dumps([["--a", "0"], ["--a", "1"]]))
    uri = f"{folder.path}/runs/r/"
    for index in "10":
        given = {"ARGV_URI": str(words), "RUN_URI": uri, "AWS_BATCH_JOB_ARRAY_INDEX": index}
        code, said = folder.launch("x.py", **given)
        assert code == 0, said
        assert said.rstrip().endswith(f"[end of run r/{index}]")
        made = folder.path / "runs/r" / index
        assert (made / "x").read_text() == repr([["--a", index], f"r/{index}"])
        assert json.loads((made / "manifest.json").read_text())["run"] == f"r/{index}"
    assert {each.name for each in (folder.path / "runs/r").iterdir()} == {"0", "1"}


@pytest.mark.parametrize(
    "table", ['[["a"]]', '["a", "b"]', "{}", "[[], [1]]", "[[], 1]", "1", "null"]
)
def test_a_table_without_words_for_a_run_is_a_sentence(folder, table):
    folder.write("x.py", "open('x', 'w')\n")
    words = folder.write("argv.json", table)
    code, said = folder.launch("x.py", ARGV_URI=str(words), AWS_BATCH_JOB_ARRAY_INDEX="1")
    assert code == 2
    assert "this is not a list of words" in said
