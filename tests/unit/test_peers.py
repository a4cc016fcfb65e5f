"""The same endings given to other runners, side by side."""

import sys

import pytest
from support import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import peers

pytestmark = pytest.mark.skipif(
    not peers.installed(),
    reason="the peers are not installed; `make bench` puts them into .cache/peers",
)


@pytest.fixture(scope="module")
def compared():
    endings, answers = peers.compare()
    return endings, {name.partition(",")[0]: said for name, said in answers.items()}


def test_ours_judges_every_ending_right_and_no_peer_more(compared):
    endings, answers = compared
    truth = [ending.state == "Succeeded" for ending in endings]
    right = {
        name: sum(told == true for told, true in zip(said, truth, strict=True))
        for name, said in answers.items()
    }
    assert len(right) == 1 + len(peers.ASK)
    assert right.pop("this template") == len(endings)
    assert max(right.values()) <= len(endings)


@pytest.mark.parametrize("peer", ["Airflow", "ecs-deploy", "boto3"])
def test_a_peer_is_asked_as_its_users_ask_it(compared, peer):
    endings, answers = compared
    told = dict(zip((ending.name for ending in endings), answers[peer], strict=True))
    assert told["exit code 0"] is True
    assert told["no permission"] is False
    assert told["no credentials"] is False
    # what each documents: Airflow raises for an exit code, the others do not look at it
    assert told["a bug"] is (peer != "Airflow")
