"""What the tests of a generated project's machinery share. They run in the project's own environment."""

import zipfile

import pytest
from training import program
from training.library import model

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


@pytest.fixture(scope="session")
def untie():
    """Take the name of its schema out of a model's file, as older versions saved it."""

    def untie(path):
        if path.suffix == ".skops":
            with zipfile.ZipFile(path, "a") as zipped:
                zipped.comment = b""
        else:
            booster = model.load(path)
            booster.set_attr(schema_sha256=None)
            booster.save_model(path)
        assert model.schema_digest(path, model.load(path)) is None

    return untie
