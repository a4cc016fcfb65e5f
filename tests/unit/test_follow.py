"""Watching a task: its log given out once and whole, its phases, and when it is over."""

from collections.abc import Iterable
from types import SimpleNamespace

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    ReadTimeoutError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError
from ecs import aws
from ecs.errors import UserError
from ecs.run.follow import MISSING_LIMIT, Limits, Log, follow, stream_name

GROUP, STREAM, MARK = "/ecs/churn", "run/train/0123", "[end of run 1]"
TASK = "arn:aws:ecs:us-east-1:ACCOUNT:task/the-cluster/0123"


def test_the_stream_is_named_by_prefix_container_and_task():
    assert stream_name(TASK, "run") == STREAM


# ---- the log, by scripted answers of GetLogEvents


@pytest.fixture
def log(cloud) -> Log:
    cloud.stub("logs")
    return Log(cloud.services["logs"], GROUP, STREAM, MARK)


@pytest.fixture
def page(cloud):
    """Return a function that scripts one answer: which token is asked with, which comes back."""

    def page(asked: str | None, answered: str, *lines: str) -> None:
        # API reference, GetLogEvents: "If you are using a previous nextForwardToken value as the
        # nextToken in this operation, you must specify true for startFromHead."
        position = {"startFromHead": True, **({"nextToken": asked} if asked else {})}
        cloud.stub("logs").add_response(
            "get_log_events",
            {
                "events": [{"timestamp": 1, "message": line} for line in lines],
                "nextForwardToken": answered,
            },
            {"logGroupName": GROUP, "logStreamName": STREAM, **position},
        )

    return page


def done(cloud) -> bool:
    """Tell whether every scripted answer was asked for."""
    cloud.stub("logs").assert_no_pending_responses()
    return True


def test_lines_are_given_out_from_the_head_until_the_token_repeats(log, page, cloud):
    page(None, "f/1", "one", "two")
    page("f/1", "f/2", "three")
    page("f/2", "f/2")
    assert list(log.new_lines()) == ["one", "two", "three"]
    assert done(cloud)


def test_an_empty_page_is_not_the_end(log, page, cloud):
    page(None, "f/1")
    page("f/1", "f/2")
    page("f/2", "f/3", "late")
    page("f/3", "f/3")
    assert list(log.new_lines()) == ["late"]
    assert done(cloud)


def test_a_second_look_goes_on_where_the_first_ended(log, page, cloud):
    page(None, "f/1", "one")
    page("f/1", "f/1")
    assert list(log.new_lines()) == ["one"]
    page("f/1", "f/2", "two")
    page("f/2", "f/2")
    assert list(log.new_lines()) == ["two"]
    assert done(cloud)


def test_lines_of_a_page_whose_token_repeats_are_not_lost(log, page, cloud):
    page(None, "f/1", "one")
    page("f/1", "f/1", "two")
    assert list(log.new_lines()) == ["one", "two"]
    assert done(cloud)


def test_a_stream_that_is_not_there_yet_has_no_lines(log, page, cloud):
    cloud.stub("logs").add_client_error("get_log_events", "ResourceNotFoundException")
    assert list(log.new_lines()) == []
    page(None, "f/1", "one")
    page("f/1", "f/1")
    assert list(log.new_lines()) == ["one"]
    assert done(cloud)


def test_the_end_mark_is_swallowed_and_ends_the_reading(log, page, cloud):
    page(None, "f/1", "one", MARK + "\n")
    assert list(log.new_lines()) == ["one"]
    assert log.ended
    assert list(log.new_lines()) == []  # asks no more: the stub has no answer left
    assert done(cloud)


def test_lines_of_the_mark_of_another_run_are_lines(log, page, cloud):
    page(None, "f/1", "[end of run 2]", f"said {MARK}")
    page("f/1", "f/1")
    assert list(log.new_lines()) == ["[end of run 2]", f"said {MARK}"]
    assert not log.ended


def test_blank_lines_are_lines_too(log, page, cloud):
    page(None, "f/1", "one", " ", "  two")
    page("f/1", "f/1")
    assert list(log.new_lines()) == ["one", " ", "  two"]


# ---- following, with a clock that only sleeping moves


class Clock:
    def __init__(self) -> None:
        self.now, self.slept = 1000.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


class ScriptedLog:
    """A log whose ``new_lines`` gives one scripted batch a call, then nothing."""

    def __init__(self, *batches: Iterable[str]) -> None:
        self.batches = list(batches)
        self.ended = False

    def new_lines(self) -> Iterable[str]:
        batch = self.batches.pop(0) if self.batches else []
        lines = [line for line in batch if line != MARK]
        self.ended = self.ended or len(lines) < len(batch)
        return lines


def task(status: str, **container) -> dict:
    return {"lastStatus": status, "containers": [{"name": "train", **container}]}


STOPPED = task("STOPPED", exitCode=0)


class Watch:
    """One call of ``follow`` on scripted answers; the last answer repeats."""

    def __init__(self, answers: list[dict | None], log: ScriptedLog, **options) -> None:
        self.clock, self.shown, self.looks = Clock(), [], 0
        self.answers = answers
        self.began = self.clock.now
        self.task = follow(
            SimpleNamespace(describe_tasks=self.describe_tasks), log, "the-cluster", TASK,
            self.shown.append, poll=2.0, sleep=self.clock.sleep, clock=self.clock,
            **{"chance": lambda: 0.5, "drain_limit": 10.0, **options},
        )  # fmt: skip

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict:
        assert (cluster, tasks) == ("the-cluster", [TASK])
        answer = self.answers[min(self.looks, len(self.answers) - 1)]
        self.looks += 1
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            return {"tasks": [], "failures": [{"arn": TASK, "reason": "MISSING"}]}
        return {"tasks": [answer], "failures": []}

    @property
    def lasted(self) -> float:
        return self.clock.now - self.began


def test_phases_are_told_once_each_with_how_long_they_took(capsys):
    phases = ["PROVISIONING", "PENDING", "RUNNING", "RUNNING", "DEPROVISIONING"]
    watch = Watch([*map(task, phases), STOPPED], ScriptedLog(*[[]] * 5, [MARK]))
    assert watch.task == STOPPED
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "-- provisioning",
        "-- provisioning for 2 s",
        "-- pending",
        "-- pending for 2 s",
        "-- running",
        "-- running for 4 s",
        "-- deprovisioning",
        "-- deprovisioning for 2 s",
        "-- stopped",
        "-- 10 s in all",
    ]


def test_a_task_that_ecs_does_not_know_yet_is_waited_for():
    watch = Watch([None, None, task("RUNNING"), STOPPED], ScriptedLog([], [], ["one"], [MARK]))
    assert watch.task == STOPPED
    assert watch.shown == ["one"]


def test_a_task_that_ecs_never_knows_is_given_up():
    watch = Watch([None], ScriptedLog())
    assert watch.task is None
    assert MISSING_LIMIT < watch.lasted <= MISSING_LIMIT + 2


def test_a_gap_in_what_ecs_knows_is_counted_from_its_own_beginning():
    gap = [None] * 20  # 40 s, twice: together longer than the limit
    watch = Watch([*gap, task("RUNNING"), *gap, STOPPED], ScriptedLog(*[[]] * 41, [MARK]))
    assert watch.task == STOPPED


def test_a_run_of_days_is_followed_to_its_end():
    looks = 3 * 24 * 3600 // 2
    watch = Watch([task("RUNNING")] * looks + [STOPPED], ScriptedLog(*[[]] * looks, [MARK]))
    assert watch.task == STOPPED
    assert watch.lasted == 3 * 24 * 3600


def refusal(code: str, message: str, status: int) -> ClientError:
    parts = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(parts, "DescribeTasks")


FAULTS = [
    refusal("ThrottlingException", "Rate exceeded", 400),
    refusal("ServerException", "Service Unavailable", 500),
    refusal("503", "Service Unavailable", 503),
    EndpointConnectionError(endpoint_url="ecs"),
    ConnectTimeoutError(endpoint_url="ecs"),
    ReadTimeoutError(endpoint_url="ecs"),
    ConnectionClosedError(endpoint_url="ecs"),
    # a proxy's page: botocore can read neither XML nor JSON
    ResponseParserError("Unable to parse response (mismatched tag), invalid XML received"),
    refusal("500", "<html>Bad gateway</html>", 500),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_minutes_without_network_are_waited_out(fault, capsys):
    answers = [task("RUNNING"), *[fault] * 40, task("RUNNING"), STOPPED]
    watch = Watch(answers, ScriptedLog(["one"], ["two"], [MARK]))
    assert watch.task == STOPPED
    assert watch.shown == ["one", "two"]
    assert watch.lasted > 15 * 60
    told = capsys.readouterr().err
    assert told.count("no answer from AWS") == 1
    assert told.count("AWS answers again") == 1


def test_a_sandbox_that_was_killed_is_not_waited_for():
    lost, seen = EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), []
    with pytest.raises(
        UserError, match="^the sandbox has ended, .*type: make sandbox, then make runs$"
    ):
        Watch(
            [task("RUNNING"), lost], ScriptedLog([]), ended=lambda: seen.append(1) or len(seen) > 2
        )
    assert len(seen) == 3  # asked after each failure, and only then


@pytest.mark.parametrize(
    "error", [PermissionError(), refusal("AccessDeniedException", "not authorized", 400)]
)
def test_an_error_that_does_not_pass_is_not_waited_out(error):
    with pytest.raises(type(error)):
        Watch([error], ScriptedLog())


def test_looks_come_slowly_after_throttling_and_faster_again_when_it_is_over():
    throttled = refusal("ThrottlingException", "Rate exceeded", 400)
    answers = [*[throttled] * 4, *[task("RUNNING")] * 6, STOPPED]
    watch = Watch(answers, ScriptedLog(*[[]] * 6, [MARK]))
    assert watch.clock.slept == [4, 8, 16, 30, 30, 15, 7.5, 3.75, 2, 2]


def test_two_followers_do_not_look_at_the_same_times():
    chances = [0.0, 0.25, 0.99]
    watch = Watch(
        [*[task("RUNNING")] * 3, STOPPED],
        ScriptedLog(*[[]] * 3, [MARK]),
        chance=lambda: chances.pop(0),
    )
    assert watch.clock.slept == [1.0, 1.5, 2.98]


def test_lines_that_come_after_the_task_has_stopped_are_shown():
    late = [["one"], [], [], ["two"], ["three", MARK]]
    watch = Watch([task("RUNNING"), STOPPED], ScriptedLog(*late))
    assert watch.shown == ["one", "two", "three"]


def test_the_end_mark_ends_it_at_once(capsys):
    watch = Watch([STOPPED], ScriptedLog(["one", MARK]))
    assert watch.lasted == 0
    assert "no end mark" not in capsys.readouterr().err


def test_without_an_end_mark_it_waits_for_a_while_without_lines_and_says_so(capsys):
    watch = Watch([STOPPED], ScriptedLog(["one"], [], [], ["two"]), drain_limit=10.0)
    assert watch.shown == ["one", "two"]
    # 1 s until the last line, then the limit
    assert 10 <= watch.lasted <= 12
    assert "no end mark" in capsys.readouterr().err


def test_a_container_that_never_ran_has_no_log_to_wait_for(capsys):
    watch = Watch([task("PROVISIONING"), task("STOPPED")], ScriptedLog())
    assert watch.lasted == 2
    assert "no end mark" not in capsys.readouterr().err


def test_a_container_that_ran_but_has_no_exit_code_may_have_said_something():
    watch = Watch([task("STOPPED", runtimeId="0123-1")], ScriptedLog([], ["late", MARK]))
    assert watch.shown == ["late"]


@pytest.mark.parametrize(
    ("phases", "limits", "reason"),
    [
        (["PENDING"] * 9, {"start": 5}, "START_TIMEOUT=5 is over"),
        (["PENDING", *["RUNNING"] * 9], {"start": 5, "run": 9}, "TIMEOUT=9 is over"),
        (["PENDING", *["RUNNING"] * 9], {"start": 5}, None),
        (["STOPPING"] * 9, {"start": 5, "run": 5}, None),
    ],
)
def test_a_limit_that_is_over_stops_the_task_once_with_its_name(phases, limits, reason):
    reasons = []
    Watch(
        [*map(task, phases), STOPPED],
        ScriptedLog(*[[]] * 10, [MARK]),
        limits=Limits(reasons.append, **limits),
    )
    assert reasons == ([reason] if reason else [])


class FailingLog(ScriptedLog):
    """A log of which a batch may be an error."""

    def new_lines(self) -> Iterable[str]:
        if self.batches and isinstance(self.batches[0], Exception):
            raise self.batches.pop(0)
        return super().new_lines()


def test_where_the_log_may_not_be_read_the_run_is_followed_to_its_end(capsys):
    passing, lasting = FAULTS[0], refusal("AccessDeniedException", "not authorized", 400)
    watch = Watch([STOPPED], FailingLog([], passing, ["late", MARK]))
    assert watch.shown == ["late"]
    for batches in ([[], lasting, ["late", MARK]], [["one"], lasting], [lasting]):
        watch = Watch([task("RUNNING"), task("RUNNING"), STOPPED], FailingLog(*batches))
        assert watch.task == STOPPED
        told = capsys.readouterr().err
        assert told.count("the log cannot be read, and the run is followed without it") == 1
        assert "no end mark" not in told


def test_a_task_that_ecs_shows_as_deleted_has_ended():
    """Between stopped and forgotten. Source: "Amazon ECS task lifecycle" in the developer guide."""
    gone = {**STOPPED, "lastStatus": "DELETED"}
    watch = Watch([task("RUNNING"), gone], ScriptedLog([], [MARK]))
    assert watch.task == gone
    assert watch.looks == 2


OVER = [
    refusal("ExpiredTokenException", "The security token included in the request is expired", 400),
    refusal("ExpiredToken", "expired", 403),
    CredentialRetrievalError(provider="custom-process", error_msg="no"),
    UnauthorizedSSOTokenError(),
    TokenRetrievalError(provider="sso", error_msg="expired"),
    aws.SessionOverError("over"),
]


@pytest.mark.parametrize("error", OVER, ids=lambda error: type(error).__name__)
def test_a_session_that_ends_meanwhile_ends_the_following_with_one_sentence(error):
    with pytest.raises(UserError, match="the run goes on; .* then type: make attach$"):
        Watch([task("RUNNING"), error], ScriptedLog([], []))
    with pytest.raises(UserError, match="make attach$"):
        Watch([STOPPED], FailingLog([], error))


@pytest.mark.parametrize(
    ("errors", "orders"), [(0, 1), (1, 2), (3, 4), (1000, 13)], ids=["once", "two", "four", "ever"]
)
@pytest.mark.parametrize("silent", [False, True], ids=["answers", "no answers"])
def test_a_limit_stops_the_task_again_and_again_until_ecs_takes_the_order(errors, orders, silent):
    """With TIMEOUT=9 and StopTask answering 500; also while DescribeTasks is not answered."""
    told = []

    def stop(reason: str) -> None:
        told.append(reason)
        if len(told) <= errors:
            raise UserError("aws ecs stop-task: An error occurred (500)")

    looks = 150 if not silent else 10
    between = [refusal("ServerException", "x", 500) if silent else task("RUNNING")] * looks
    watch = Watch(
        [task("RUNNING"), *between, STOPPED], ScriptedLog(*[[]] * 151, [MARK]),
        limits=Limits(stop, run=9),
    )  # fmt: skip
    assert watch.task == STOPPED
    assert set(told) == {"TIMEOUT=9 is over"}
    assert orders - 5 <= len(told) <= orders if errors == 1000 else len(told) == orders
