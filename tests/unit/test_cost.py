"""What a run costs: before it, after it, and whether it may."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from ecs import cost
from ecs.errors import UserError
from ecs.fargate import FARGATE_SIZES
from hypothesis import given
from hypothesis import strategies as st
from kinds import INSTANCES, MANAGED

SIZES = st.sampled_from(
    [(cpu, mib) for cpu in FARGATE_SIZES for mib in FARGATE_SIZES[cpu]]
).flatmap(
    lambda pair: st.fixed_dictionaries(
        {
            "cpu": st.just(pair[0]),
            "memory": st.just(pair[1]),
            "disk": st.integers(20, 200),
            "architecture": st.sampled_from(["x86_64", "arm64"]),
            "capacity": st.sampled_from(["fargate", "fargate-spot"]),
        }
    )
)
ONE = {"cpu": 1024, "memory": 4096, "disk": 20, "architecture": "x86_64", "capacity": "fargate"}
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_price_is_the_sum_of_vcpus_memory_and_storage_above_what_is_free():
    assert cost.hourly(ONE) == pytest.approx(0.04048 + 4 * 0.004445)
    assert cost.hourly(ONE | {"architecture": "arm64", "disk": 30}) == pytest.approx(
        0.03238 + 4 * 0.00356 + 10 * 0.000111
    )
    for capacity in (*INSTANCES, *MANAGED):  # nobody has a price for these here
        assert cost.hourly(ONE | {"capacity": capacity}) is None


@given(SIZES, st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_time_never_costs_less_and_a_minute_is_the_least(size, seconds, more):
    assert 0 < cost.dollars(size, 60) == cost.dollars(size, 0)
    assert cost.dollars(size, seconds) <= cost.dollars(size, seconds + more)


@given(SIZES, st.integers(0, 10**6), st.booleans())
def test_what_is_billed_counts_from_the_pull_to_the_end(size, seconds, as_text):
    times = {
        "createdAt": BEGIN - timedelta(hours=1),
        "pullStartedAt": BEGIN,
        "startedAt": BEGIN + timedelta(seconds=seconds / 2),
        "stoppedAt": BEGIN + timedelta(seconds=seconds),
    }
    if as_text:
        times = {name: str(time) for name, time in times.items()}
    assert cost.billed(size, times) == cost.dollars(size, seconds)


def test_without_times_nothing_is_claimed_and_a_task_that_never_pulled_is_free():
    assert cost.billed(ONE, {}) is None
    assert cost.billed(ONE, {"createdAt": BEGIN, "stoppedAt": BEGIN}) == 0
    ended = {"pullStartedAt": BEGIN, "stoppedAt": BEGIN + timedelta(hours=1)}
    assert cost.billed(ONE, ended) == pytest.approx(cost.hourly(ONE))
    assert cost.billed(ONE | {"capacity": "ec2"}, ended) is None


@given(SIZES, st.integers(1, 10**6), st.integers(1, 10**4) | st.just(math.inf), st.integers(1, 999))
def test_a_run_within_its_budget_stays_within_it_and_the_advice_fits(size, limit, start, cents):
    budget = f"{cents / 100}"
    most = cost.dollars(size, cost.longest(limit, start))
    try:
        cost.check_budget(budget, size, limit, start, False)
        assert most <= cents / 100
    except UserError as error:
        assert most > cents / 100
        name, _, value = str(error).rpartition("type: ")[2].partition("=")
        assert name in ("TIMEOUT", "BUDGET")
        if name == "TIMEOUT":
            cost.check_budget(budget, size, int(value), start, False)
        else:
            cost.check_budget(value, size, limit, start, False)


@pytest.mark.parametrize(
    ("budget", "size", "limit", "detach", "sentence"),
    [
        ("1", {}, math.inf, False, "type for example: TIMEOUT=3600"),
        ("1", {"capacity": "ec2"}, 60, False, "on ec2 the instances cost"),
        ("1", {"capacity": "managed-gpu"}, 60, False, "on managed-gpu the instances cost"),
        ("1", {}, 60, True, "leave DETACH out"),
        ("-1", {}, 60, False, "BUDGET='-1': dollars above 0"),
        ("nan", {}, 60, False, "dollars above 0"),
        ("inf", {}, 60, False, "dollars above 0"),
        ("two", {}, 60, False, "dollars above 0"),
        ("0.001", {}, 3600, False, "could cost about"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(budget, size, limit, detach, sentence):
    with pytest.raises(UserError, match=sentence):
        cost.check_budget(budget, ONE | size, limit, math.inf, detach)


def test_without_a_budget_everything_is_allowed():
    cost.check_budget("", ONE, math.inf, math.inf, True)


def test_the_estimate_is_an_hour_s_without_a_limit_and_says_what_it_is_worth():
    assert cost.estimate(ONE, math.inf) == "cost: about $0.0583 an hour (us-east-1 prices)"
    assert "about $0.0602 at most" in cost.estimate(ONE, 3600)
    assert "up to 70 % less" in cost.estimate(ONE | {"capacity": "fargate-spot"}, 60)
    for capacity in (*INSTANCES, *MANAGED):
        assert "not estimated" in cost.estimate(ONE | {"capacity": capacity}, 60)


def test_many_tasks_cost_as_many_times_as_much():
    one, many = (cost.estimate(ONE, 3600, times=times) for times in (1, 12))
    first, second = (float(each.split("$")[1].split()[0]) for each in (one, many))
    assert second == pytest.approx(12 * first, rel=0.01)
    assert " for " not in one
    assert "at most for 12 tasks ($" in many
    assert "an hour each, " in many
    assert "an hour each, 12 tasks at most (" in cost.estimate(ONE, math.inf, times=12)
    assert cost.estimate(ONE, math.inf).startswith("cost: about $")
    assert "tasks" not in cost.estimate(ONE, math.inf)


def test_a_budget_is_that_of_all_tasks_and_its_hint_fits():
    most = cost.dollars(ONE, 3600 + cost.STOPPING)
    cost.check_budget(str(12 * most * 1.001), ONE, 3600, math.inf, False, 12)
    with pytest.raises(UserError) as error:
        cost.check_budget(str(11 * most), ONE, 3600, math.inf, False, 12)
    fits = int(str(error.value).rpartition("TIMEOUT=")[2])
    assert 3000 < fits < 3600
    cost.check_budget(str(11 * most), ONE, fits, math.inf, False, 12)
