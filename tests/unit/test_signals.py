"""Ctrl-C and SIGTERM while a run is followed: what is raised at once, and what is only remembered."""

import os
import signal

import pytest
from ecs.run.signals import Signals, Terminated


@pytest.fixture
def signals():
    """Signals that are really sent to this process; pytest's own handlers come back afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield Signals()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_the_first_ctrl_c_is_raised_and_the_next_ones_only_count(signals):
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    for _ in range(3):
        signal.raise_signal(signal.SIGINT)
    assert (signals.presses, signals.status) == (4, 130)


def test_sigterm_is_raised_and_rules_the_status(signals):
    assert signals.status == 0
    with pytest.raises(Terminated):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signals.status == 143


def test_while_a_call_is_held_two_ctrl_c_wait_and_the_third_does_not(signals, capfd):
    with pytest.raises(KeyboardInterrupt), signals.hold():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert capfd.readouterr().err.count("a third Ctrl-C does not wait") == 2
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the third one was held")
    assert not signals.held


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_what_was_held_is_obeyed_afterwards(signals, number, raised):
    signals.obey()
    with signals.hold():
        signal.raise_signal(number)
    with pytest.raises(raised):
        signals.obey()


def test_after_a_call_that_was_held_a_signal_is_raised_at_once_again(signals):
    with signals.hold():
        pass
    with pytest.raises(Terminated):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_press_counts_though_nobody_reads_what_is_said(signals, monkeypatch):
    def closed(*_):
        raise BrokenPipeError

    with pytest.raises(KeyboardInterrupt), signals.hold():
        monkeypatch.setattr(os, "write", closed)
        signal.raise_signal(signal.SIGINT)
        monkeypatch.undo()
        assert signals.status == 130
        signals.obey()
