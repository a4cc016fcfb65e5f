"""One task for one attempt: a clientToken that is in use, and a task that is seen last."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from ecs.errors import UserError
from ecs.run import submit
from ecs.verdict.verdict import UNKNOWN
from world import ARN, World

TASK, OTHER = ARN.format(1), ARN.format(2)
WORDS = "An error occurred (ConflictException) when calling the RunTask operation: in use"
REQUEST = {
    "cluster": "the-cluster", "taskDefinition": "arn:x:task-definition/churn:4", "startedBy": "a-1",
    "clientToken": "a-1", "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
}  # fmt: skip
CHANGED = {**REQUEST, "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}


def conflict(*tasks: str) -> ClientError:
    parts = {"Error": {"Code": "ConflictException", "Message": "in use"}}
    return ClientError(parts | ({"resourceIds": list(tasks)} if tasks else {}), "RunTask")


# what the CLI prints, what boto3 answers when asked the same, which task it is, how often boto3 is asked
IN_USE = {
    "the CLI, from 2026 on (aws/aws-cli, pull request 9890)": (
        f"aws: [ERROR]: {WORDS}\n\nAdditional error details:\nresourceIds:\n- {TASK}", None, TASK, 0,
    ),
    "as one line": (f"aws ecs run-task: {WORDS} Additional error details: resourceIds: - {TASK}", None, TASK, 0),
    "as JSON": (f'{WORDS} {{"resourceIds": ["{TASK}"]}}', None, TASK, 0),
    "an older CLI, and another request": (WORDS, conflict(TASK), TASK, 1),
    "several": (WORDS, conflict(TASK, OTHER), TASK, 1),
    "the same request": (WORDS, {"tasks": [{"taskArn": TASK}], "failures": []}, TASK, 1),
    "none is named": (WORDS, conflict(), None, 1),
    "an empty answer": (WORDS, {"tasks": [], "failures": []}, None, 1),
    "no network": (WORDS, EndpointConnectionError(endpoint_url="ecs"), None, 1),
    "retried": (WORDS.replace(" operation", " operation (reached max retries: 0)"), conflict(TASK), TASK, 1),
    "another error that names a task": (
        f"An error occurred (ClientException) when calling the RunTask operation: {TASK}", None, None, 0,
    ),
    "no error": (None, None, None, 0),
}  # fmt: skip


@pytest.mark.parametrize(("words", "answer", "task", "calls"), IN_USE.values(), ids=list(IN_USE))
def test_a_token_in_use_gives_the_task_that_has_it(settings, cloud, words, answer, task, calls):
    asked = []

    def run_task(**request):
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cloud.services["ecs"] = SimpleNamespace(run_task=run_task)
    assert submit.in_use(settings, REQUEST, words) == task
    assert asked == [REQUEST] * calls


@pytest.mark.parametrize(
    ("mine", "theirs"), [(REQUEST, CHANGED), (CHANGED, REQUEST), (REQUEST, REQUEST)]
)
def test_followers_with_other_requests_under_one_token_share_one_task(
    settings, cloud, monkeypatch, mine, theirs
):
    """RETRIES or SPOT_FALLBACK may differ from one follower to the next."""
    ecs = World("endless")
    cloud.services["ecs"] = ecs
    monkeypatch.setattr(submit, "call_cli", ecs.call_cli)
    naps = []
    first, second = (submit.start(settings, each, sleep=naps.append) for each in (theirs, mine))
    assert first == second == (ecs.tasks[0]["taskArn"], None)
    assert (len(ecs.tasks), naps) == (1, [])


@pytest.mark.parametrize("seen", [2, submit.CALLS, submit.CALLS + 1, None])
def test_a_task_that_only_the_last_look_shows_is_taken(settings, cloud, monkeypatch, seen):
    """``seen``: at which look; the last comes after the last call of RunTask."""
    calls, looks = [], []

    def call_cli(*_, **fields):
        calls.append(fields["request"])
        raise UserError("aws ecs run-task: Read timeout on endpoint URL")

    def list_tasks(**filters):
        if "startedBy" in filters:
            looks.append(1)
            return {"taskArns": [TASK] if seen and len(looks) + 1 >= seen else []}
        return {"taskArns": []}

    cloud.services["ecs"] = SimpleNamespace(list_tasks=list_tasks)
    monkeypatch.setattr(submit, "call_cli", call_cli)
    task, end = submit.start(settings, REQUEST, sleep=lambda _: None)
    assert len(calls) == (submit.CALLS if seen is None else seen - 1)
    if seen:
        assert (task, end) == (TASK, None)
    else:
        assert (task, end.state) == (None, UNKNOWN)


# what the CLI says of RunTask, and whether the same is sent again: only where it may help, or where there may be a task
SAID = [
    ("InvalidParameterException", "Error retrieving subnet information for [subnet-1]: Rate exceeded (ErrorCode: Throttling)", submit.UNCLEAR),
    # dask/dask-cloudprovider, issue 56; aws/aws-sdk-ruby, issue 3047
    ("InvalidParameterException", "Error retrieving security group: Request limit exceeded. (ErrorCode: RequestLimitExceeded)", submit.UNCLEAR),
    ("ClientException", "Tasks provisioning capacity limit exceeded.", submit.UNCLEAR),
    ("ServerException", "Service Unavailable. Please try again later.", submit.UNCLEAR),
    ("InvalidParameterException", "Container Overrides length must be at most 8192", submit.REFUSED),
    ("ClientException", "TaskDefinition not found.", submit.REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(("code", "message", "outcome"), SAID)
def test_throttling_in_a_client_error_s_words_is_sent_again(code, message, outcome):
    words = f"An error occurred ({code}) when calling the RunTask operation: {message}"
    assert submit.classify({}, words) == outcome
