"""What the tests of a generated project's machinery share. They run in the project's own environment."""

import pytest
from training import program

RUN = ("ID", "URI", "FOLDER", "ATTEMPT", "CHANNELS")
CHANNELS = ("TRAIN", "VALIDATION", "MODEL", "DATA")
NAMES = [*(f"RUN_{name}" for name in RUN), *(f"SM_CHANNEL_{name}" for name in CHANNELS)]
NAMES += ["SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR", "SM_INPUT_DATA_CONFIG", "CHECKPOINT_DIR"]
NAMES += ["SM_NUM_CPUS", "RUN_MEMORY_MIB", "GIT_REVISION"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Give an empty working folder, and none of the variables that a container has."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def run(capfd):
    """Run a script's main in this process; give its exit status, standard output and error."""

    def run(script, *argv):
        status = program.execute(script.main, [str(word) for word in argv])
        return status, *capfd.readouterr()

    return run
