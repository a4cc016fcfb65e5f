"""How runs end: success is exit code 0 of the named container, and all else is explained."""

import re

import pytest
from botocore.exceptions import ClientError
from ecs.refusals import CLI_ERROR
from ecs.verdict import verdict as verdicts
from ecs.verdict.explain import Evidence, explain, larger, matches, said, typed
from ecs.verdict.rules import AGAIN, ELSEWHERE, NEVER, RESUME, RULES
from ecs.verdict.verdict import STOP_CODES, verdict
from endings import ENDINGS, EXITED, Ending, task, train
from hypothesis import given
from hypothesis import strategies as st
from support import PROJECT, options_of

MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
VARIABLES = set(options_of(PROJECT))
NAMES = [ending.name for ending in ENDINGS]
# the AWS CLI's commands that remedies name, as `aws help` has them
AWS = {
    "autoscaling describe-scaling-activities", "configure", "iam create-service-linked-role", "service-quotas list-service-quotas",
    "sso login", "sts get-caller-identity",
    "secretsmanager restore-secret",
}  # fmt: skip


def judge(ending: Ending, error: Exception | str | None = None):
    return verdict(
        ending.task,
        answer=ending.answer,
        error=error or ending.error or None,
        log=ending.log,
        capacity=ending.capacity,
    )


def test_there_are_endings_and_rules_enough():
    assert len(ENDINGS) >= 300
    assert len(RULES) >= 35
    assert len(set(NAMES)) == len(NAMES)
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("ending", ENDINGS, ids=NAMES)
def test_the_verdict_on(ending):
    end = judge(ending)
    assert (end.state, end.status, end.retry) == (ending.state, ending.status, ending.retry), end
    assert ending.command in end.remedy
    assert bool(end.cause) == bool(end.remedy) == bool(end.rule) == (end.state != "Succeeded")
    assert ending.source


@pytest.mark.parametrize(
    "ending", [each for each in ENDINGS if each.error], ids=lambda each: each.name
)
def test_an_exception_and_the_cli_s_words_for_it_are_judged_alike(ending):
    found = CLI_ERROR.search(ending.error)
    if found:
        parts = {"Error": {"Code": found["code"], "Message": found["message"]}}
        error = ClientError(parts, "RunTask")
    else:
        error = RuntimeError(ending.error)
    wrapped = "aws ecs run-task: " + ending.error.replace(
        " operation:", " operation (reached max retries: 8):"
    )
    assert judge(ending, error).rule == judge(ending).rule == judge(ending, wrapped).rule


def test_every_rule_explains_an_ending():
    used = {judge(ending).rule for ending in ENDINGS}
    assert {rule.name for rule in RULES} == used - {"", "unknown"}


# the ending: the rule that explains it, though a more general one holds too
SPECIAL = {
    "a key that a secret has not": "secret-json",
    "a key of a secret that is no JSON": "secret-json",
    "a secret that is being deleted": "secret-deleted",
    "a secret under a key that may not be used": "secret-denied",
    "no way to Secrets Manager": "secrets-network",
    "a secret that cannot be had for a reason that nobody knows": "initialization",
    "a file system whose connection was cut": "volume-cut",
    "a file system that cannot be found": "volume",
    "a folder that a file system has not": "volume",
    "a file system that refuses": "volume",
    "no such program, on Fargate": "no-program",
    "no such file, on Fargate": "no-program",
    "a program without permission, on Fargate": "not-executable",
    "a device that Fargate could not make": "start",
    "a panic while pulling, for want of a route to S3": "pull-panic",
    "a fault of the registry": "pull-server",
    "a gateway before the registry": "pull-server",
    "a registry that does not serve now": "pull-server",
    "a pull that is forbidden": "pull-denied",
    "no route to the registry, with Docker's 500": "pull-no-route",
    "an unhealthy container, which the scheduler stopped": "unhealthy",
    "an essential sidecar that failed first": "sidecar",
    "a sidecar that needed more memory, and took the task with it": "out-of-memory",
    "a sidecar whose image is not there": "sidecar-image",
    "a sidecar for another processor": "sidecar-image",
    "a sidecar whose registry refuses more pulls": "pull-rate",
    "a container that waits for one that failed": "depends",
    "a container that waited too long for another": "depends",
    "an instance without a GPU's driver": "no-driver",
    "a GPU's driver that did not answer in time": "runtime-timeout",
    "a device that the instance has not": "device",
    "memory below what a container needs to begin": "out-of-memory",
    "a log driver without options": "log-driver",
    "no match for the processor": "exec-format",
    "more interfaces than the account may have": "interface-quota",
    "a file system that the network keeps away": "volume-network",
    "a file of variables that may not be read": "secret-denied",
    "no way to a file of variables": "secrets-network",
    "the GPU's memory, by XGBoost": "gpu-memory",
    "XGBoost for a GPU where there is none": "no-cuda",
    "no shared memory": "shared-memory",
    "a certificate between the task and the registry": "pull-no-route",
    "a registry that gives no token": "pull-denied",
    "more tasks that wait than a cluster takes": "provisioning",
    "no feature of that name in the region": "feature",
}


@pytest.mark.parametrize(("ending", "rule"), SPECIAL.items(), ids=list(SPECIAL))
def test_what_is_special_stands_above_what_is_general(ending, rule):
    assert judge(next(each for each in ENDINGS if each.name == ending)).rule == rule


# other words for the same, each from the code of the program that says them
WORDS = [
    # moby, daemon/logger: options are checked before a container starts
    ("CannotStartContainerError: unknown log opt 'awslogs-x' for awslogs log driver", "log-driver"),
    # containerd, content: a copy that is shorter than its descriptor says
    ('CannotPullContainerError: failed commit on ref "x": 1 does not match 2: failed precondition', "pull-timeout"),
    # containerd, remotes/docker: the token server cannot be reached, or has a fault
    ("CannotPullContainerError: failed to authorize: failed to fetch oauth token: Post: dial tcp: i/o timeout", "pull-timeout"),
    ("CannotPullContainerError: failed to fetch anonymous token: unexpected status: 503 Service Unavailable", "pull-server"),
    # amazon-ecs-agent, agent/taskresource/envFiles
    ("unable to download env file with key x.env from bucket b, error: AccessDenied: Access Denied", "secret-denied"),
    ("unable to download env file with key x.env from bucket b, error: NoSuchKey: not there", "secret-missing"),
    ("failed to download env files: api error NotFound: Not Found", "secret-missing"),
    # libnvidia-container, src/nvc.c
    ("CannotStartContainerError: nvidia-container-cli: initialization error: load library failed: libcuda.so.1", "no-driver"),
    # containerd, runc: the kernel's word for it
    ("CannotStartContainerError: OCI runtime create failed: container init caused: oom-kill", "out-of-memory"),
    # a sidecar in words that name other containers' images too
    ("container log: CannotPullContainerError: manifest unknown; Task failed to start", "sidecar-image"),
    ("container a: odd; container b: CannotPullContainerError: x does not exist", "sidecar-image"),
    ("container b: CannotPullContainerError: odd; CannotPullContainerError: x: not found", "pull-missing"),
]  # fmt: skip
LOG_WORDS = [
    ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)", 1, "gpu-memory"),
    ("RuntimeError: No CUDA GPUs are available", 1, "no-cuda"),
    ("cupy: CUDA driver version is insufficient for CUDA runtime version", 1, "no-cuda"),
    ("RuntimeError: unable to write to file </torch_1_2>: No space left on device (28)", 1, "shared-memory"),
    ("TerminatedWorkerError: A worker … The exit codes of the workers are {SIGSEGV(-11)}", 1, "bug"),
    ("RuntimeError: No CUDA GPUs are available", 143, "terminated-program"),
    ("OSError: [Errno 12] Cannot allocate memory", 1, "log-memory"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "rule"), WORDS)
def test_other_words_for_the_same_are_known(reason, rule):
    assert explain(Evidence("task", reason, "TaskFailedToStart")).rule == rule


@pytest.mark.parametrize(("line", "code", "rule"), LOG_WORDS)
def test_other_words_of_a_log_for_the_same_are_known(line, code, rule):
    assert explain(Evidence("task", EXITED[1], EXITED[0], exit_code=code, log=line)).rule == rule


# capacity: what is typed after a fault that passes, without room on the instances, and without a GPU
BY_CAPACITY = {
    "fargate": ("make run RETRIES=3", "CAPACITY=ec2 MAX_INSTANCES=4", "CAPACITY=gpu GPUS=1"),
    "": ("make run RETRIES=3", "CAPACITY=ec2 MAX_INSTANCES=4", "CAPACITY=gpu GPUS=1"),
    "fargate-spot": ("make run CAPACITY=fargate-spot RETRIES=3", "CAPACITY=ec2 MAX_INSTANCES=4", "CAPACITY=gpu GPUS=1"),
    "ec2": ("make run CAPACITY=ec2 RETRIES=3", "INSTANCE_TYPE=c7i.4xlarge", "INSTANCE_TYPE=g6.12xlarge"),
    "gpu": ("make run CAPACITY=gpu RETRIES=3", "CAPACITY=gpu MAX_INSTANCES=4 INSTANCE_TYPE=g6.4xlarge", "INSTANCE_TYPE=g6.12xlarge"),
    "managed": ("make run CAPACITY=managed RETRIES=3", "make run CAPACITY=managed RETRIES=3, while", "INSTANCE_TYPE=g6.12xlarge"),
    "managed-gpu": ("make run CAPACITY=managed-gpu RETRIES=3", "CAPACITY=managed-gpu RETRIES=3, while", "CAPACITY=managed-gpu GPUS=1"),
}  # fmt: skip


@pytest.mark.parametrize("capacity", BY_CAPACITY)
def test_what_is_typed_depends_on_the_capacity(capacity):
    told = typed(Evidence("task", capacity=capacity))
    again, more, gpus = BY_CAPACITY[capacity]
    assert told["again"] == again
    assert more in told["more_instances"]
    assert gpus in told["fewer_gpus"]
    assert ("make cluster" in told["more_instances"]) == (not capacity.startswith("managed"))
    assert ("make cluster" in told["fewer_gpus"]) == (capacity != "managed-gpu")
    assert told["with_gpu"] == (capacity if capacity in ("gpu", "managed-gpu") else "gpu")


def held() -> dict[str, set[str]]:
    """Return by rule the endings for which it holds, whether a rule above it does or not."""
    found = {rule.name: set() for rule in RULES}
    for ending in ENDINGS:
        taken: list[Evidence] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                verdicts,
                "explain",
                lambda evidence, taken=taken: taken.append(evidence) or explain(evidence),
            )
            judge(ending)
        for rule in RULES:
            if taken and matches(rule, taken[-1]) is not None:
                found[rule.name].add(ending.name)
    return found


def test_no_rule_stands_below_one_that_holds_for_all_its_endings():
    endings, above = held(), []
    for rule in RULES:
        for general in above:
            assert not endings[rule.name] <= endings[general], f"{rule.name} is hidden by {general}"
        above.append(rule.name)


def named(pattern: str) -> list[str]:
    """Return what ``pattern`` finds in remedies, as users see them and as the table has them."""
    remedies = [judge(ending).remedy for ending in ENDINGS] + [rule.remedy for rule in RULES]
    return sorted({name for remedy in remedies for name in re.findall(pattern, remedy)})


@pytest.mark.parametrize("target", named(r"\bmake ([a-z][a-z-]*)"))
def test_a_target_that_a_remedy_names_is_in_the_makefile(target):
    assert target in TARGETS


@pytest.mark.parametrize("variable", named(r"\b([A-Z][A-Z_]*)="))
def test_a_variable_that_a_remedy_names_is_in_the_makefile(variable):
    assert variable in VARIABLES


def test_the_aws_commands_that_remedies_name_are_known():
    assert set(named(r"\baws ((?:configure|[a-z-]+ [a-z-]+))")) == AWS


def test_every_remedy_has_something_to_type():
    for rule in RULES:
        # what depends on the capacity is tried in test_machines.py
        words = "|".join(typed(Evidence("task")))
        assert re.search(rf"\bmake [a-z]|\baws [a-z]|\{{({words})\}}", rule.remedy), rule.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_is_well_formed(rule):
    assert rule.retry in (NEVER, AGAIN, ELSEWHERE, RESUME)
    assert not rule.cause.endswith(".")
    assert not rule.remedy.endswith(".")
    assert not rule.stop or rule.stop in STOP_CODES


# stop code: how a task that it ended is tried again
CUT_SHORT = {
    "InfrastructureHealth": RESUME,
    "ServiceSchedulerInitiated": RESUME,
    "SpotInterruption": RESUME,
    "TerminationNotice": RESUME,
    "UserInitiated": NEVER,
    "TaskFailedToStart": NEVER,
    "SomethingNew": NEVER,
}


@pytest.mark.parametrize("code", [0, 1, 143, None])
@pytest.mark.parametrize("stop", CUT_SHORT)
def test_no_exit_code_makes_a_success_of_a_task_that_was_cut_short(stop: str, code: int | None):
    """API reference, Task.stopCode; saving a checkpoint and exiting with 0 is what handlers do."""
    assert set(CUT_SHORT) | {"EssentialContainerExited"} == STOP_CODES | {"SomethingNew"}
    exited = {} if code is None else {"exitCode": code}
    end = verdict(task(train(**exited), stop=(stop, "")))
    if CUT_SHORT[stop] == RESUME:
        assert (end.state, end.retry) == ("Interrupted", RESUME)
    elif code == 0:
        assert end.state == "Failed"
    assert end.state != "Succeeded"
    assert end.status != 0
    assert any(line.startswith("type: ") for line in end.lines())


def test_what_no_rule_knows_is_given_raw():
    why = explain(Evidence("task", "Martians", stop="SomethingNew"))
    assert (why.cause, why.retry, why.rule) == ("Martians", "never", "unknown")
    assert explain(Evidence("task", stop="SomethingNew")).cause == "SomethingNew"
    assert explain(Evidence("failures")).cause == "AWS gives no reason"


def test_lines_give_the_cause_then_aws_s_own_words_then_the_remedy():
    end = verdict(task(train(exitCode=137)))
    assert end.lines() == [
        end.cause + " (exit code 137)",
        "AWS says: Essential container in task exited",
        "type: make run MEMORY=8192",
    ]
    assert verdict(task(train(exitCode=0))).lines() == []
    raw = verdict(
        answer={"tasks": [], "failures": [{"reason": "SOMETHING:NEW", "detail": "2 of 3"}]}
    )
    assert raw.lines() == ["SOMETHING:NEW (2 of 3)", "type: make run"]


def test_the_record_of_a_verdict_is_plain_data():
    assert verdict(task(train(exitCode=0))).record() == {
        "state": "Succeeded", "exit_code": 0, "cause": "", "remedy": "", "retry": "never",
        "reason": "", "rule": "",
    }  # fmt: skip


def test_a_reason_that_two_places_give_is_said_once():
    end = verdict(task(train(exitCode=1, reason="disk full"), stop=(EXITED[0], "disk full")))
    assert end.reason == "disk full"


def test_a_task_that_has_not_stopped_is_no_success():
    end = verdict({"lastStatus": "RUNNING", "containers": [{"name": "train"}]})
    assert (end.state, end.rule) == ("Failed", "not-stopped")


@pytest.mark.parametrize(
    ("cpu", "memory", "variables"),
    [
        (256, 512, "MEMORY=1024"),
        (256, 2048, "CPU=512 MEMORY=4096"),
        (1024, 4096, "MEMORY=8192"),
        (16384, 122880, "CAPACITY=ec2"),
    ],
)
def test_more_memory_is_a_size_that_fargate_has(cpu, memory, variables):
    assert larger(cpu, memory) == variables


def test_the_program_s_own_last_error_is_quoted():
    assert said("start\nerror: no column 'y'\n[end of run 1]\n") == "no column 'y'"
    assert said("a\nKeyError: 'x'\nbye") == "KeyError: 'x'"
    assert said("a\nbye\n\n") == "bye"
    assert said("") == "its log has no lines"


CODES = st.none() | st.integers(-1, 256) | st.just("0") | st.booleans()
REASONS = (
    st.none()
    | st.text(max_size=20)
    | st.sampled_from([EXITED[1], "OutOfMemoryError", "RESOURCE:CPU"])
)
CONTAINERS = st.fixed_dictionaries(
    {"name": st.sampled_from(["train", "sidecar"])},
    optional={
        "exitCode": CODES,
        "reason": REASONS,
        "lastStatus": st.sampled_from(["STOPPED", "RUNNING"]),
    },
)
TASKS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "containers": st.lists(CONTAINERS, max_size=3, unique_by=lambda each: each["name"]),
        "stopCode": st.none() | st.sampled_from([*sorted(STOP_CODES), "SomethingNew", ""]),
        "stoppedReason": REASONS,
        "lastStatus": st.sampled_from(["STOPPED", "RUNNING", "DEPROVISIONING"]),
        "cpu": st.text(max_size=5),
        "memory": st.none() | st.integers(),
    },
)
ANSWERS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "tasks": st.lists(st.just({"taskArn": "arn"}), max_size=1),
        "failures": st.lists(
            st.fixed_dictionaries({}, optional={"reason": REASONS, "detail": REASONS}), max_size=2
        ),
    },
)


@given(TASKS, ANSWERS, st.none() | st.text(max_size=40), st.lists(st.text(max_size=20), max_size=3))
def test_nothing_but_exit_code_0_of_the_named_container_is_a_success(said_task, answer, error, log):
    end = verdict(said_task, answer=answer, error=error, log=log)
    codes = [
        each.get("exitCode")
        for each in (said_task or {}).get("containers") or []
        if each["name"] == "train"
    ]
    zero = len(codes) == 1 and codes[0] == 0 and type(codes[0]) is int
    if not zero:
        assert end.state != "Succeeded"
    if end.state != "Succeeded":
        assert end.status != 0
        assert end.cause
        assert end.remedy
        assert (end.state == "Failed") == (end.retry == "never")
