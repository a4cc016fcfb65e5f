"""Whether a run is tried again, and how: pure decisions over all that may have happened."""

import copy

import pytest
from ecs.run import retry
from ecs.verdict.rules import AGAIN, ELSEWHERE, NEVER, RESUME
from hypothesis import given
from hypothesis import strategies as st
from kinds import INSTANCES, MANAGED

CLASSES = (AGAIN, ELSEWHERE, RESUME, NEVER)


def first(capacity: str = "FARGATE_SPOT", subnets: int = 3, *command: str) -> dict:
    """Return the request of a first attempt."""
    request = {
        "cluster": "the-cluster",
        "clientToken": "20260102T030405Z-abcdef-1",
        "startedBy": "20260102T030405Z-abcdef-1",
        "capacityProviderStrategy": [{"capacityProvider": capacity, "weight": 1}],
        "overrides": {
            "containerOverrides": [{"name": "train", "command": list(command or ["train.py"])}]
        },
    }
    if subnets:
        names = [f"subnet-{number}" for number in range(1, subnets + 1)]
        request["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": names}}
    return request


def after(*classes: str, retries: int = 9, fallback: bool = False, request: dict | None = None):
    """Return the request that follows attempts of these classes."""
    ended = [{"retry": each} for each in classes]
    return retry.next_request(request or first(), ended, retries, fallback)


def command(request: dict) -> list[str]:
    return request["overrides"]["containerOverrides"][0]["command"]


def test_the_first_attempt_is_the_request_itself():
    assert after() == first()


def test_a_passing_fault_is_tried_again_as_it_was():
    request = after(AGAIN)
    assert request["clientToken"] == request["startedBy"] == "20260102T030405Z-abcdef-2"
    assert {**request, "clientToken": 0, "startedBy": 0} == {
        **first(), "clientToken": 0, "startedBy": 0,
    }  # fmt: skip


@pytest.mark.parametrize("script", ["train.py", "models/train.py"])
def test_who_lost_the_machine_resumes_and_does_so_from_then_on(script):
    given = first("FARGATE", 3, script, "--seed", "1")
    for classes in ([RESUME], [RESUME, AGAIN], [RESUME, RESUME]):
        assert command(after(*classes, request=given)) == [script, "--seed", "1", "--resume"]


def test_resume_is_said_once_and_only_to_a_script_that_knows_it():
    given = first("FARGATE", 3, "train.py", "--resume")
    assert command(after(RESUME, request=given)) == ["train.py", "--resume"]
    assert command(after(RESUME, request=first("FARGATE", 3, "predict.py"))) == ["predict.py"]
    assert command(after(RESUME, request=first("FARGATE", 3, "mytrain.py"))) == ["mytrain.py"]


def test_who_found_no_place_tries_each_subnet_alone_and_begins_anew():
    seen = [retry.subnets_of(after(*[ELSEWHERE] * count)) for count in range(5)]
    assert seen == [
        ["subnet-1", "subnet-2", "subnet-3"], ["subnet-1"], ["subnet-2"], ["subnet-3"], ["subnet-1"],
    ]  # fmt: skip


def test_a_place_that_was_found_is_kept():
    assert retry.subnets_of(after(ELSEWHERE, ELSEWHERE, RESUME)) == ["subnet-2"]


@pytest.mark.parametrize(
    ("classes", "subnets", "retries", "capacity"),
    [
        ([ELSEWHERE] * 3, 3, 9, "fargate-spot"),
        ([ELSEWHERE] * 4, 3, 9, "fargate"),  # every subnet was tried
        ([ELSEWHERE] * 2, 3, 2, "fargate"),  # the last attempt
        ([ELSEWHERE], 1, 9, "fargate"),  # there is no other subnet
        ([RESUME], 3, 1, "fargate"),
        ([RESUME], 3, 2, "fargate-spot"),
        ([AGAIN], 3, 1, "fargate-spot"),
    ],
)
def test_on_demand_takes_the_place_of_spot_in_the_end(classes, subnets, retries, capacity):
    given = first("FARGATE_SPOT", subnets)
    request = after(*classes, retries=retries, fallback=True, request=given)
    assert retry.capacity(request) == capacity
    if capacity == "fargate":
        assert retry.subnets_of(request) == retry.subnets_of(given)
    request = after(*classes, retries=retries, fallback=False, request=given)
    assert retry.capacity(request) == "fargate-spot"


@given(
    st.lists(st.sampled_from(CLASSES), max_size=6),
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from(["FARGATE", "FARGATE_SPOT", "the-instances"]),
    st.integers(0, 3),
)
def test_whatever_happens(classes, retries, fallback, capacity, subnets):
    request = first(capacity, subnets if capacity.startswith("FARGATE") else 0)
    before = copy.deepcopy(request)
    following = after(*classes, retries=retries, fallback=fallback, request=request)
    assert request == before
    if classes and (classes[-1] == NEVER or len(classes) > retries):
        assert following is None
        return
    assert following["clientToken"].endswith(f"-{len(classes) + 1}")
    assert set(retry.subnets_of(following)) <= set(retry.subnets_of(request))
    assert bool(retry.subnets_of(following)) == bool(retry.subnets_of(request))
    if retry.capacity(following) != retry.capacity(request):
        assert (fallback, capacity) == (True, "FARGATE_SPOT")


def test_a_difference_is_said_in_words():
    given = first()
    assert retry.difference(given, after(AGAIN)) == ""
    assert retry.difference(given, after(ELSEWHERE, RESUME)) == "in subnet-1, with --resume"
    assert retry.difference(given, after(ELSEWHERE, retries=1, fallback=True)) == "on-demand"


def test_pauses_grow_to_a_limit_and_are_spread():
    assert [retry.pause(number, 0.5, 10.0) for number in range(1, 8)] == [
        10, 20, 40, 80, 160, 300, 300,
    ]  # fmt: skip
    assert (retry.pause(1, 0.0, 10.0), retry.pause(1, 1.0, 10.0)) == (5, 15)
    assert retry.pause(10**6, 0.5, 10.0) == 300


@pytest.mark.parametrize("own", [*INSTANCES, *MANAGED])
def test_a_provider_of_the_stack_s_own_stands_for_what_the_run_asked_for(own):
    """The name of a provider does not tell what it is; the remedy of a verdict depends on it."""
    assert retry.capacity(first("the-instances"), own) == own
    assert retry.capacity(first("FARGATE"), own) == "fargate"
