"""The two halves of the contract are one text: ecs/ and job/ never import each other."""

import importlib

from support import PROJECT


def test_both_halves_say_the_same():
    here, there = ((PROJECT / f"{room}/contract.py").read_text() for room in ("ecs", "job"))
    assert here == there


def test_the_exit_statuses_are_known_to_the_verdict_and_no_usual_ones():
    contract = importlib.import_module("ecs.contract")
    assert len(set(contract.STATUSES)) == 4
    assert all(64 < code < 126 for code in contract.STATUSES)
