"""One project, image and emulator a framework, which all journeys share.

The files run in the order of ``JOURNEYS``, first for one framework, then for the other: as a user
would type the commands, from `make cluster` to `make destroy`.
"""

from pathlib import Path

import pytest
from user import ENDLESS, FRAMEWORKS, LINES, Project

# The first creates the stack, and those up to "shell" need it; "schedules" leaves a schedule for
# "cluster_and_destroy" to delete; after that nothing is there. The last three have projects of their own.
JOURNEYS = (
    "first_run",
    "own_scripts",
    "push",
    "run",
    "verify",
    "history",
    "follow_and_stop",
    "resume",
    "secrets",
    "shell",
    "schedules",
    "cluster_and_destroy",
    "policies",
    "github",
    "podman",
)


@pytest.hookimpl(tryfirst=True)  # pytest groups by framework afterwards
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files of this folder into the order of ``JOURNEYS``, where they stand."""
    here = Path(__file__).parent
    places = [place for place, item in enumerate(items) if item.path.parent == here]
    ordered = sorted(
        (items[place] for place in places),
        key=lambda item: JOURNEYS.index(item.path.stem.removeprefix("test_")),
    )
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


@pytest.fixture(scope="package", params=FRAMEWORKS)
def project(request, installed, engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("end-to-end") / "churn-model"
    source = installed(request.param)
    made = Project.copied(source, folder, request.param, engine, endless=ENDLESS, lines=LINES)
    made.commit()
    made.make("sandbox")
    yield made
    made.make("sandbox-stop")


@pytest.fixture
def deployed(project) -> None:
    """See that the stack, the image and the data are there when a file is run by itself."""
    if not (project.folder / ".sandbox/stack.json").exists():
        for target in ("cluster", "push", "data"):
            project.make(target)
