"""How runs end, in the shapes that AWS really answers, each with where its text was read.

Every ending is what one run of a task left behind: RunTask's answer or error, DescribeTasks' last
word, the last lines of the log; and what is right to conclude. ``benchmarks/peers.py`` gives the
same endings to other runners. Account numbers, hosts and names are replaced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ARN = "arn:aws:ecs:us-east-1:111122223333:task/churn/0123456789abcdef0123456789abcdef"
STARTED = {"tasks": [{"taskArn": ARN, "lastStatus": "PROVISIONING"}], "failures": []}
IMAGE = "registry.example/churn@sha256:0a1b"


@dataclass(frozen=True)
class Ending:
    """One ending. ``task`` is None where ECS does not know it, ``error`` the AWS CLI's words."""

    name: str
    source: str
    state: str
    retry: str
    status: int
    command: str  # part of the remedy
    answer: Mapping = field(default_factory=lambda: STARTED)
    task: Mapping | None = None
    error: str = ""
    log: Sequence[str] = ()
    capacity: str = "fargate"


def train(**fields) -> dict:
    """Return a container as DescribeTasks shows it."""
    return {"name": "train", "lastStatus": "STOPPED", "containerArn": f"{ARN}/train", **fields}


SIDECAR = {"name": "sidecar", "lastStatus": "STOPPED", "containerArn": f"{ARN}/sidecar"}
EXITED = ("EssentialContainerExited", "Essential container in task exited")


def task(*containers: dict, stop: tuple[str, str] = EXITED, **fields) -> dict:
    """Return a stopped task as DescribeTasks shows it."""
    return {
        "taskArn": ARN, "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "cpu": "1024",
        "memory": "4096", "launchType": "FARGATE", "containers": list(containers),
        "stopCode": stop[0], "stoppedReason": stop[1], **fields,
    }  # fmt: skip


SUCCEEDED, INTERRUPTED, FAILED = "Succeeded", "Interrupted", "Failed"
STATES = {"never": FAILED, "again": INTERRUPTED, "elsewhere": INTERRUPTED, "resume": INTERRUPTED}

GUIDE = "AWS, ECS developer guide: "
API_FAILURES = GUIDE + "Amazon ECS API failure reasons"
PULL = GUIDE + "CannotPullContainer task errors in Amazon ECS"
START = GUIDE + "Troubleshooting Amazon ECS TaskFailedToStart errors"
CODES = "AWS, ECS user guide for Fargate: Stopped tasks error codes"
STOPPED = "AWS re:Post: Why is my Amazon ECS task stopped?"
RUN_TASK = "AWS, ECS API reference: RunTask, Errors"
BOTOCORE = "boto/botocore, botocore/exceptions.py"
AGENT = "aws/amazon-ecs-agent, "
DAGSTER = "dagster-io/dagster, dagster_aws/ecs/utils.py"
ROLE = "aws-samples/aws-modern-application-workshop, issue 88"
SECRETS = "AWS re:Post, knowledge center: ecs-unable-to-pull-secrets"
CONTRACT = "this template, training/program.py and job/process.py: exit status"


def succeeded(name: str, source: str, *containers: dict, **fields) -> Ending:
    """Return an ending that is a success."""
    return Ending(name, source, SUCCEEDED, "never", 0, "", task=task(*containers, **fields))


def exited(
    name: str,
    source: str,
    code: int,
    retry: str,
    command: str,
    *log: str,
    reason: str = "",
    capacity: str = "fargate",
    **fields,
) -> Ending:
    """Return an ending in which the container ran and did not succeed."""
    container = train(exitCode=code, **({"reason": reason} if reason else {}))
    return Ending(
        name,
        source,
        STATES[retry],
        retry,
        code or 1,
        command,
        task=task(container, **fields),
        log=log,
        capacity=capacity,
    )


def unstarted(
    name: str,
    source: str,
    reason: str,
    retry: str,
    command: str,
    container: str = "",
    capacity: str = "fargate",
) -> Ending:
    """Return an ending in which the container never ran."""
    shown = train(**({"reason": container} if container else {}))
    stopped = task(shown, stop=("TaskFailedToStart", reason))
    return Ending(name, source, STATES[retry], retry, 1, command, task=stopped, capacity=capacity)


def unplaced(
    name: str, source: str, reason: str, retry: str, command: str, capacity: str = "ec2",
    detail: str | None = None,
) -> Ending:  # fmt: skip
    """Return an ending in which RunTask answered with failures: HTTP 200, exit status 0."""
    failure = {"arn": "arn:aws:ecs:us-east-1:111122223333:container-instance/1", "reason": reason}
    answer = {"tasks": [], "failures": [{**failure, **({"detail": detail} if detail else {})}]}
    return Ending(name, source, STATES[retry], retry, 1, command, answer=answer, capacity=capacity)


def refused(
    name: str,
    source: str,
    code: str,
    message: str,
    retry: str,
    command: str,
    capacity: str = "fargate",
) -> Ending:
    """Return an ending in which RunTask was refused; without a code it never got there."""
    prefix = f"An error occurred ({code}) when calling the RunTask operation: " if code else ""
    return Ending(
        name, source, STATES[retry], retry, 1, command, answer={}, error=prefix + message,
        capacity=capacity,
    )  # fmt: skip


USER = "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: "
SPOT = ("SpotInterruption", "Your Spot Task was interrupted.")
HOST = ("TerminationNotice", "Host EC2 (instance i-0123456789abcdef0) terminated.")
RETRIED = "pull image manifest has been retried 5 time(s): "
NO_AUTH = "ResourceInitializationError: unable to pull secrets or registry auth: "

RETRIES_OF_FARGATE = (
    "containerd/containerd, remotes/docker: unexpected status, as in aws/aws-cdk, issue 14457"
)
FETCH = "execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried "
SHIM = (
    "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: "
    "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
)
EFS = "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: "

LAUNCHER = "this template, job/contract.py: exit statuses of the launcher"

ENDINGS = (
    # ---- success
    succeeded("exit code 0", STOPPED, train(exitCode=0)),
    succeeded(
        "exit code 0 beside a sidecar that failed",
        "apache/airflow, providers/amazon/aws/operators/ecs.py: every container counts there",
        {**SIDECAR, "exitCode": 1}, train(exitCode=0),
    ),
    succeeded(
        "exit code 0 beside a sidecar that was killed with it", STOPPED, train(exitCode=0),
        {**SIDECAR, "exitCode": 137},
    ),
    succeeded(
        "exit code 0 beside a sidecar without exit code", "kayac/ecspresso, issue 534",
        train(exitCode=0), dict(SIDECAR),
    ),
    succeeded(
        "exit code 0 without a stop code", "AWS, ECS API reference: Task, all fields optional",
        train(exitCode=0), stop=("", EXITED[1]),
    ),
    # ---- the launcher's own exit statuses, and what scripts meet in the container
    exited(
        "data that is not there", LAUNCHER, 81, "never", "make data",
        "error: s3://bucket/churn/data/x.csv: no such file; to see what is there: aws s3 ls s3://bucket",
    ),
    exited(
        "data that S3 would not give this time", LAUNCHER, 82, "again", "RETRIES=3",
        "error: s3://bucket/churn/data/x.csv: S3 answers SlowDown again and again",
    ),
    exited(
        "results that could not be saved", LAUNCHER, 83, "resume", "RETRIES=3",
        "error: what the script wrote could not be saved: s3://bucket/churn/runs/x: no permission",
    ),
    exited(
        "a script that the kernel ended for want of memory", LAUNCHER, 84, "never", "MEMORY=8192",
        "-- the script needed more memory than there is, and the kernel ended it",
    ),
    exited(
        'a script that writes beside its folder', 'CPython, OSError 30', 1, 'never',
        'SM_MODEL_DIR',
        "OSError: [Errno 30] Read-only file system: '/xgb_model.model'",
    ),
    exited(
        'a script that writes into data/', 'CPython, OSError 13', 1, 'never',
        'SM_MODEL_DIR',
        "PermissionError: [Errno 13] Permission denied: 'data/out.csv'",
    ),
    exited(
        'a script that makes a folder of data/', 'CPython, OSError 13', 2, 'never',
        'SM_MODEL_DIR',
        "error: [Errno 13] Permission denied: './data'",
    ),
    exited(
        'a library in C++ that writes beside the folder', 'dmlc/dmlc-core, src/io/local_filesys.cc', 1, 'never',
        'SM_MODEL_DIR',
        'xgboost.core.XGBoostError: Check failed: allow_null: LocalFileSystem::Open "/xgb_model.model": Read-only file system',
    ),
    exited(
        'xgboost 3, which writes beside the folder', 'dmlc/xgboost, src/common/io.cc', 1, 'never',
        'SM_MODEL_DIR',
        'xgboost.core.XGBoostError: Opening /xgb_model.model failed: Read-only file system',
    ),
    exited(
        'a shell that writes beside its folder', 'GNU coreutils, cp', 1, 'never',
        'SM_MODEL_DIR',
        "cp: cannot create regular file '/results/x': Read-only file system",
    ),
    exited(
        'a script that writes beside its folder, and is stopped meanwhile', 'signal(7), SIGTERM', 143, 'resume',
        'RETRIES=3',
        "OSError: [Errno 30] Read-only file system: '/xgb_model.model'",
    ),
    exited(
        'a script that reads what DATA does not name', 'CPython, FileNotFoundError', 1, 'never',
        'more=data/lookup.csv"',
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/lookup.csv'",
    ),
    exited(
        'a script that reads a name of two words that DATA does not name', 'CPython, FileNotFoundError', 1, 'never',
        'more=\'data/my table.csv\'"',
        "FileNotFoundError: [Errno 2] No such file or directory: './data/my table.csv'",
    ),
    exited(
        'a library in C++ that reads what DATA does not name', 'apache/arrow, cpp/src/arrow/util/io_util.cc', 1, 'never',
        'more=data/lookup.parquet"',
        "FileNotFoundError: [Errno 2] Failed to open local file '/scratch/work/data/lookup.parquet'. Detail: [errno 2] No such file or directory",
    ),
    exited(
        'a shell that reads what DATA does not name', 'GNU coreutils, cat', 1, 'never',
        'more=data/lookup.csv"',
        'cat: data/lookup.csv: No such file or directory',
    ),
    exited(
        'a script that reads a run that DATA does not name', 'argparse, FileType', 2, 'never',
        'more=runs/ID/model.pkl"',
        "score.py: error: can't open 'runs/ID/model.pkl': [Errno 2] No such file or directory: 'runs/ID/model.pkl'",
    ),
    exited(
        'a script that reads a file of its own that is not there', 'CPython, FileNotFoundError', 1, 'never',
        'make train',
        "FileNotFoundError: [Errno 2] No such file or directory: 'mydata/lookup.csv'",
    ),
    # ---- the container's own end
    exited(
        "a bug", CONTRACT, 1, "never", "make train", "Traceback (most recent call last):",
        "ValueError: could not convert string to float: 'NA'",
    ),
    exited("a bug without a word", "apache/airflow, issue 21573", 1, "never", "make train"),
    exited(
        "wrong arguments", CONTRACT, 2, "never", "make data",
        "error: --max-depth: a whole number from 1, not 'deep'",
    ),
    exited(
        "a script that the image lacks", "CPython, python SCRIPT", 2, "never", "make push",
        "python: can't open file '/app/new.py': [Errno 2] No such file or directory",
    ),
    exited(
        "a script that the launcher has not", LAUNCHER, 2, "never", "make push",
        "error: there is no script 'new.py' among the project's files; if it is there, .dockerignore …",
    ),
    exited(
        "a package that the image lacks", "CPython, ModuleNotFoundError", 1, "never",
        "make add PACKAGE=scikit-learn (",
        "ModuleNotFoundError: No module named 'sklearn.linear_model'",
    ),
    exited(
        "a module that was beside train.py once", "CPython, ModuleNotFoundError", 1, "never",
        "import training.library.matrices in your script",
        "ModuleNotFoundError: No module named 'matrices'",
    ),
    exited(
        "a shared library that the image lacks", "LightGBM 4.7.0 without libgomp1", 1, "never",
        "packages.txt",
        "OSError: libgomp.so.1: cannot open shared object file: No such file or directory",
    ),
    exited("an exit code of the user's own", STOPPED, 3, "never", "make logs", "giving up"),
    exited(
        "a command that may not be executed", "POSIX shell, exit status 126", 126, "never",
        "make local",
    ),
    exited(
        "a command that is not there", "POSIX shell, exit status 127", 127, "never", "make local",
    ),
    exited("interrupted", CONTRACT, 130, "never", "make run", "interrupted"),
    exited(
        "disk full, in the reason", GUIDE + "CannotCreateContainerError", 1, "never", "DISK=50",
        reason="write /scratch/x: no space left on device",
    ),
    exited(
        "an unhealthy container", GUIDE + "Determine task health using container health checks",
        137, "never", "make local", stop=("", "Task failed container health checks"),
    ),
    exited(
        "a container that would not stop", CODES, 137, "again", "RETRIES=3",
        reason="CannotStopContainerError: failed sending SIGTERM to container: unknown",
    ),
    exited(
        "aborted in compiled code", "signal(7), SIGABRT", 134, "never", "make local",
        "terminate called without an active exception",
    ),
    exited("killed without a reason", STOPPED, 137, "never", "MEMORY=8192"),
    exited("a segmentation fault", STOPPED, 139, "never", "make local"),
    exited(
        "SIGTERM, survived", CONTRACT, 143, "resume", "RETRIES=3",
        "stopped by SIGTERM before the end",
    ),
    exited(
        "the wrong processor, in the log",
        "aws-samples/amazon-bedrock-serverless-prompt-chaining, issue 213", 1, "never",
        "ARCHITECTURE=", "exec /opt/venv/bin/python: exec format error",
    ),
    exited(
        "the wrong processor, exit code 255", "runatlantis/atlantis, issue 2001", 255, "never",
        "ARCHITECTURE=", "standard_init_linux.go:228: exec user process caused: exec format error",
    ),
    exited(
        "out of memory", STOPPED, 137, "never", "MEMORY=8192",
        reason="OutOfMemoryError: Container killed due to memory usage",
    ),
    exited(
        "out of memory with exit code 0", "OutOfMemoryError of a child: " + STOPPED, 0, "never",
        "MEMORY=8192", reason="OutOfMemoryError: Container killed due to memory usage",
    ),
    exited(
        "out of memory in the largest task of 1 vCPU", GUIDE + "Fargate task sizes", 137, "never",
        "CPU=2048 MEMORY=16384", reason="OutOfMemoryError: Container killed due to memory usage",
        memory="8192",
    ),
    exited(
        "no memory, in the log", "numpy, _ArrayMemoryError", 1, "never", "MEMORY=8192",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9.31 GiB for an array",
    ),
    exited(
        "no memory in compiled code", "libstdc++, std::bad_alloc", 134, "never", "MEMORY=8192",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    ),
    exited(
        "disk full, in the log", "CPython, OSError 28", 1, "never", "DISK=50",
        "OSError: [Errno 28] No space left on device",
    ),
    exited(
        "data that the task role may not read", "boto3, GetObject", 1, "never", "TASK_ROLE=",
        "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the "
        "GetObject operation: Access Denied",
    ),
    Ending(
        "a failure beside a sidecar's success", STOPPED, FAILED, "never", 1, "make train",
        task=task({**SIDECAR, "exitCode": 0}, train(exitCode=1)),
    ),
    # ---- no word of the named container
    Ending(
        "no exit code", "kayac/ecspresso, issue 534; aws/copilot-cli, issue 2525", FAILED, "never",
        1, "make logs", task=task(train()),
    ),
    Ending(
        "only a sidecar's exit code", "kayac/ecspresso, issue 534", FAILED, "never", 1, "make logs",
        task=task({**SIDECAR, "exitCode": 0}, train()),
    ),
    Ending(
        "only a sidecar", "aws/copilot-cli, issue 2525", FAILED, "never", 1, "make register",
        task=task({**SIDECAR, "exitCode": 0}),
    ),
    Ending(
        "no containers at all", "PrefectHQ/prefect, tests of observers/diagnostics.py", FAILED,
        "never", 1, "make logs", task=task(),
    ),
    Ending(
        "a task that still runs", "AWS, ECS API reference: Task, lastStatus", FAILED, "never", 1,
        "make attach", task=task({**train(), "lastStatus": "RUNNING"}, stop=("", ""),
        lastStatus="RUNNING"),
    ),
    Ending(
        "nothing said", "AWS, ECS API reference: Task, all fields optional", FAILED, "never", 1,
        "make logs", task=task(train(), stop=("", "")),
    ),
    Ending(
        "ECS has forgotten the task",
        "apache/airflow, issue 4039; aws/containers-roadmap, issue 1246", FAILED, "never", 1,
        "make logs",
    ),
    Ending(
        "exit code 0 with a stop code that nobody knows", "AWS, ECS API reference: Task, stopCode",
        FAILED, "never", 1, "make status", task=task(train(exitCode=0), stop=("SomethingNew", "")),
    ),
    Ending(
        "exit code 0 of a task that failed to start", START, FAILED, "never", 1, "make status",
        task=task(train(exitCode=0), stop=("TaskFailedToStart", "Task failed to start")),
    ),
    # ---- stopped by somebody
    Ending(
        "stopped by the user", "AWS, ECS API reference: StopTask, reason", FAILED, "never", 1,
        "make run", task=task(train(exitCode=143), stop=("UserInitiated", "make stop")),
    ),
    Ending(
        "stopped by the user, answered with 0",
        "aws/sagemaker-training-toolkit: SIGTERM, exit code 0", FAILED, "never", 1, "make run",
        task=task(train(exitCode=0), stop=("UserInitiated", "Task stopped by user")),
    ),
    Ending(
        "stopped by TIMEOUT", "this template, TIMEOUT", FAILED, "never", 1, "TIMEOUT=",
        task=task(train(exitCode=143), stop=("UserInitiated", "TIMEOUT=3600 is over")),
    ),
    Ending(
        "never started within START_TIMEOUT", "this template, START_TIMEOUT", INTERRUPTED,
        "elsewhere", 1, "START_TIMEOUT=", task=task(train(), stop=("UserInitiated",
        "START_TIMEOUT=900 is over")),
    ),
    Ending(
        "the instance was deregistered", GUIDE + "DeregisterContainerInstance, force", INTERRUPTED,
        "resume", 1, "RETRIES=3", task=task(train(), stop=("UserInitiated",
        "Container instance deregistration forced by user")),
    ),
    # ---- the machine was taken away
    exited(
        "Spot, saved", GUIDE + "Fargate Spot termination notices", 143, "resume", "RETRIES=3",
        stop=SPOT,
    ),
    exited(
        "Spot, killed", GUIDE + "Fargate Spot termination notices", 137, "resume",
        "CAPACITY=fargate", stop=SPOT,
    ),
    Ending(
        "Spot, without exit code", GUIDE + "Fargate Spot termination notices", INTERRUPTED,
        "resume", 1, "RETRIES=3", task=task(train(), stop=SPOT),
    ),
    Ending(
        "Spot, after the program saved its work and exited with 0", GUIDE + "Fargate Spot "
        "termination notices: SIGTERM", INTERRUPTED, "resume", 1, "RETRIES=3",
        task=task(train(exitCode=0), stop=SPOT),
    ),
    Ending(
        "Spot, without a code, and exit code 0", "aws/containers-roadmap, issue 1565", INTERRUPTED,
        "resume", 1, "RETRIES=3", task=task(train(exitCode=0), stop=("", SPOT[1])),
    ),
    Ending(
        "the instance was terminated, and exit code 0", "AWS, ECS API reference: Task, stopCode",
        INTERRUPTED, "resume", 1, "RETRIES=3",
        task=task(train(exitCode=0), stop=("EssentialContainerExited", HOST[1])),
    ),
    Ending(
        "Spot, under the code of a notice", "aws/containers-roadmap, issue 1565", INTERRUPTED,
        "resume", 1, "RETRIES=3", task=task(train(), stop=("TerminationNotice", SPOT[1])),
    ),
    Ending(
        "Spot, without a code", "aws/containers-roadmap, issue 1565", INTERRUPTED, "resume", 143,
        "RETRIES=3", task=task(train(exitCode=143), stop=("", SPOT[1])),
    ),
    Ending(
        "the instance was terminated", "apache/airflow, providers/amazon/aws/operators/ecs.py",
        INTERRUPTED, "resume", 1, "RETRIES=3", task=task(train(), stop=HOST),
    ),
    exited(
        "the instance was stopped", "apache/airflow, providers/amazon/aws/operators/ecs.py", 143,
        "resume", "RETRIES=3", stop=("", "Host EC2 (instance i-0123456789abcdef0) stopped."),
    ),
    exited(
        "maintenance", GUIDE + "Fargate task retirement", 137, "resume", "RETRIES=3",
        stop=("ServiceSchedulerInitiated",
        "ECS is performing maintenance on the underlying infrastructure hosting the task"),
    ),
    exited(
        "maintenance under a service's code", "AWS, ECS API reference: Task, stopCode", 143,
        "resume", "RETRIES=3", stop=("ServiceSchedulerInitiated", "Task stopped by the scheduler"),
    ),
    exited(
        "the machine failed", "AWS, ECS API reference: Task, stopCode InfrastructureHealth", 137,
        "resume", "RETRIES=3", stop=("InfrastructureHealth", "Infrastructure health event"),
    ),
    exited(
        "a notice without a reason", "AWS, ECS API reference: Task, stopCode TerminationNotice",
        143, "resume", "RETRIES=3", stop=("TerminationNotice", ""),
    ),
    exited(
        "the instance was drained", GUIDE + "Draining container instances", 143, "resume",
        "RETRIES=3", stop=("", "Container instance is in DRAINING state"),
    ),
    # ---- RunTask's failures[]
    unplaced("no memory", API_FAILURES, "RESOURCE:MEMORY", "elsewhere", "MAX_INSTANCES="),
    unplaced("no CPU", API_FAILURES, "RESOURCE:CPU", "elsewhere", "INSTANCE_TYPE="),
    unplaced("no GPU", API_FAILURES, "RESOURCE:GPU", "never", "INSTANCE_TYPE="),
    unplaced("no network interface", API_FAILURES, "RESOURCE:ENI", "elsewhere", "MAX_INSTANCES="),
    unplaced("no port", API_FAILURES, "RESOURCE:PORTS", "elsewhere", "MAX_INSTANCES="),
    unplaced("a disconnected agent", API_FAILURES, "AGENT", "again", "RETRIES=3"),
    unplaced(
        "a missing attribute", API_FAILURES, "ATTRIBUTE", "never", "make cluster",
        detail="ecs.capability.task-eni",
    ),
    unplaced("something missing", API_FAILURES, "MISSING", "never", "make cluster"),
    unplaced("something inactive", API_FAILURES, "INACTIVE", "never", "make cluster"),
    unplaced("no instance in the subnets", API_FAILURES, "LOCATION", "elsewhere", "SUBNETS="),
    unplaced(
        "no capacity", DAGSTER + ", run_ecs_task", "Capacity is unavailable at this time. Please "
        "try again later or in a different availability zone", "elsewhere", "RETRIES=3", "fargate",
    ),
    unplaced(
        "no Spot capacity", "AWS re:Post, knowledge center: ecs-fargate-runtask-capacity",
        "Capacity is unavailable at this time. Please try again later or in a different "
        "availability zone", "elsewhere", "SPOT_FALLBACK=1", "fargate-spot",
    ),
    unplaced(
        "the vCPU quota", GUIDE + "Service event messages",
        "You’ve reached the limit on the number " "of vCPUs you can run concurrently", "again",
        "aws service-quotas", "fargate",
    ),
    unplaced(
        "a task above the quota", GUIDE + "Service event messages", "The requested MEMORY "
        "configuration is above your limit", "never", "MEMORY=4096", "fargate",
    ),
    unplaced("a reason that nobody knows", API_FAILURES, "SOMETHING:NEW", "never", "make run"),
    Ending(
        "neither a task nor a failure", DAGSTER + ", run_ecs_task", FAILED, "never", 1,
        "make run", answer={"tasks": [], "failures": []},
    ),
    # ---- the image cannot be pulled
    unstarted(
        "an image that is not there", PULL, f"CannotPullContainerError: {RETRIED}failed to resolve "
        f"ref {IMAGE}: {IMAGE}: not found", "never", "make push",
    ),
    unstarted(
        "a repository that is not there", PULL, "CannotPullContainerError: API error (404): "
        "repository registry.example/churn not found", "never", "make push",
    ),
    unstarted(
        "no route to the registry", PULL, "CannotPullContainerError: API error (500): Get "
        "https://registry.example/v2/: net/http: request canceled while waiting for connection",
        "never", "PUBLIC_IP=",
    ),
    unstarted(
        "a context that was cancelled", PULL, "CannotPullContainerError: context canceled", "never",
        "SUBNETS=",
    ),
    unstarted(
        "a time-out of the registry", "ActionIQ/terraform-aws-retool-ecs-fargate, issue 20",
        f"CannotPullContainerError: {RETRIED}failed to resolve ref {IMAGE}: failed to do request: "
        'Head "https://registry.example/v2/churn/manifests/1": dial tcp 192.0.2.1:443: i/o timeout',
        "again", "RETRIES=3",
    ),
    unstarted(
        "the end of a stream", DAGSTER, "CannotPullContainerError: ref pull has been retried 1 "
        "time(s): failed to copy: httpReadSeeker: failed open: unexpected EOF", "again",
        "RETRIES=3",
    ),
    unstarted(
        "access to the image denied", "aws/amazon-ecs-agent, pull request 4181",
        "CannotPullContainerError: The task can’t pull the image. Check that the role has the "
        "permissions to pull images from the registry. Error response from daemon: pull access "
        "denied for registry.example/churn, repository does not exist or may require 'docker "
        f"login': denied: {USER}ecr:BatchGetImage", "never", "make cluster",
    ),
    unstarted(
        "an image for the other processor", "aws/copilot-cli, issue 5181",
        f"CannotPullContainerError: {RETRIED}image Manifest does not contain descriptor matching "
        "platform 'linux/arm64'", "never", "ARCHITECTURE=",
    ),
    unstarted(
        "no manifest for the processor", "aws/copilot-cli, issue 1949", "CannotPullContainerError: "
        "no matching manifest for linux/amd64 in the manifest list entries", "never", "make push",
    ),
    unstarted(
        "an image larger than the disk", PULL, "CannotPullContainerError: write "
        "/var/lib/docker/tmp/GetImageBlob111111111: no space left on device", "never", "DISK=50",
    ),
    unstarted(
        "too many pulls", PULL, "CannotPullContainerError: toomanyrequests: Too Many Requests or "
        "You have reached your pull rate limit.", "again", "RETRIES=3",
    ),
    unstarted(
        "a panic while pulling, for want of a route to S3", PULL, "CannotPullContainerError: pull command "
        "failed: panic: runtime error: invalid memory address or nil pointer dereference", "never",
        "PUBLIC_IP=",
    ),
    unstarted(
        "a pull error that nobody knows", PULL, "CannotPullContainerError: something new", "never",
        "make push",
    ),
    unstarted(
        "a fault of the registry", "docker/hub-feedback, issue 2483", "CannotPullContainerError: failed to "
        "pull and unpack image: failed to copy: httpReadSeeker: failed open: unexpected status code "
        "https://registry.example/v2/churn/blobs/sha256:0a1b: 500 Internal Server Error", "again",
        "RETRIES=3",
    ),
    unstarted(
        "a fault of the registry, in Docker's words", "docker/hub-feedback, issue 2440",
        "CannotPullContainerError: error pulling image configuration: download failed after attempts=6: "
        "received unexpected HTTP status: 500 Internal Server Error", "again", "RETRIES=3",
    ),
    unstarted(
        "a gateway before the registry", RETRIES_OF_FARGATE, f"CannotPullContainerError: {RETRIED}failed to "
        f"resolve ref {IMAGE}: unexpected status from HEAD request to "
        "https://registry.example/v2/churn/manifests/1: 502 Bad Gateway", "again", "RETRIES=3",
    ),
    unstarted(
        "a registry that does not serve now", RETRIES_OF_FARGATE, f"CannotPullContainerError: {RETRIED}failed "
        f"to resolve ref {IMAGE}: unexpected status code [manifests 1]: 503 Service Unavailable", "again",
        "RETRIES=3",
    ),
    unstarted(
        "a registry that is down", "aws/amazon-ecs-agent, issue 719",
        "CannotPullContainerError: Could not reach any registry endpoint", "again", "RETRIES=3",
    ),
    unstarted(
        "a pull that is forbidden", "aws/aws-cdk, issue 14457", "CannotPullContainerError: inspect image has "
        'been retried 1 time(s): failed to resolve ref "registry.example/churn": unexpected status code '
        "[manifests 6981141]: 403 Forbidden", "never", "make cluster",
    ),
    unstarted(
        "a copy that broke off", "aws/aws-xray-daemon, issue 146", "CannotPullContainerError: ref pull has been "
        "retried 1 time(s): failed to copy: httpReaderSeeker: failed open: unexpected status code "
        "https://registry.example/v2/churn/manifests/sha256:0a1b...", "again", "RETRIES=3",
    ),
    unstarted(
        "no route to the registry, with Docker's 500", "aws/amazon-ecs-agent, issue 1266",
        "CannotPullContainerError: API error (500): Get https://registry.example/v2/: net/http: request "
        "canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)", "never",
        "PUBLIC_IP=",
    ),
    # ---- before the container starts
    unstarted(
        "no way to the secrets", "umotif-public/terraform-aws-ecs-fargate, issue 50", f"{NO_AUTH}"
        "execution resource retrieval failed: unable to retrieve secrets from ssm: service call has "
        "been retried 5 time(s): RequestCanceled: request context canceled caused by: context "
        "deadline exceeded", "never", "PUBLIC_IP=",
    ),
    unstarted(
        "a secret that may not be read", SECRETS, f"{NO_AUTH}execution "
        "resource retrieval failed: unable to retrieve secret from asm: service call has been "
        f"retried 1 time(s): AccessDeniedException: {USER}secretsmanager:GetSecretValue", "never",
        "make cluster",
    ),
    unstarted(
        "a secret that is not there", SECRETS, f"{NO_AUTH}execution resource "
        "retrieval failed: unable to retrieve secret from asm: service call has been retried 1 "
        "time(s): ResourceNotFoundException: Secrets Manager can't find the specified secret.",
        "never", "make register",
    ),
    unstarted(
        "a key that a secret has not", "DEFRA/cdp-portal-backend, ExtractFailureReasonTests.cs",
        f"{NO_AUTH}{FETCH}1 time(s): retrieved secret from Secrets Manager did not contain json key MY_SECRET",
        "never", "make register",
    ),
    unstarted(
        "a key of a secret that is no JSON", "rileydakota/valheim-ecs-fargate-cdk, issue 9",
        f"{NO_AUTH}{FETCH}1 time(s): invalid character '\\'' looking for beginning of value", "never",
        "make register",
    ),
    unstarted(
        "a secret that is being deleted",
        "hashicorp/terraform-provider-aws, issue 23998: InvalidRequestException of GetSecretValue",
        f"{NO_AUTH}{FETCH}1 time(s): failed to fetch secret arn:aws:secretsmanager:us-east-1:111122223333:"
        "secret:key-a1b2c3 from secrets manager: InvalidRequestException: You can't perform this operation on "
        "the secret because it was marked for deletion.", "never", "aws secretsmanager restore-secret",
    ),
    unstarted(
        "a secret under a key that may not be used", "GiamPy5/terraform-aws-directus, issue 10",
        f"{NO_AUTH}{FETCH}1 time(s): failed to fetch secret arn:aws:secretsmanager:eu-central-1:111122223333:"
        "secret:key-EaPYTy from secrets manager: AccessDeniedException: Access to KMS is not allowed status "
        "code: 400", "never", "make cluster",
    ),
    unstarted(
        "no way to Secrets Manager", "Releem/releem-agent, issue 195; aws/copilot-cli, issue 5171",
        f"{NO_AUTH}{FETCH}5 time(s): failed to fetch secret arn:aws:secretsmanager:us-west-2:111122223333:"
        "secret:DBPasswordSecret-a1b2c3 from secrets manager: RequestCanceled: request context canceled "
        "caused by: context deadline exceeded. Please check your task network configuration.", "never",
        "PUBLIC_IP=",
    ),
    unstarted(
        "a secret that cannot be had for a reason that nobody knows", SECRETS,
        f"{NO_AUTH}{FETCH}3 time(s): something new", "never", "make verify",
    ),
    unstarted(
        "a file system whose connection was cut", "docker-archive/compose-cli, issue 1490",
        f"{EFS}mount.nfs4: Connection reset by peer : unsuccessful EFS utils command execution; code: 32",
        "again", "RETRIES=3",
    ),
    unstarted(
        "a file system that cannot be found", "aws/copilot-cli, issue 5419; aws/amazon-ecs-cli, issue 1083",
        f'{EFS}Failed to resolve "fs-1.efs.us-east-1.amazonaws.com" - check that your file system ID is correct, '
        "and ensure that the VPC has an EFS mount target for this file system ID.", "never", "make register",
    ),
    unstarted(
        "a folder that a file system has not", "acp-io/terraform-grafana, issue 4",
        f"{EFS}b'mount.nfs4: mounting fs-1.efs.us-east-1.amazonaws.com:/grafana failed, reason given by server: "
        "No such file or directory' : unsuccessful EFS utils command execution; code: 32", "never",
        "volumes in task-definition.json",
    ),
    unstarted(
        "a file system that refuses", "aws-samples/aws-cdk-examples, issue 920",
        f"{EFS}b'mount.nfs4: access denied by server while mounting fs-1.efs.us-east-1.amazonaws.com:/' : "
        "unsuccessful EFS utils command execution; code: 32", "never", "volumes in task-definition.json",
    ),
    unstarted(
        "no such program, on Fargate", "saebyn/glowing-telegram, issue 398; jenkinsci/amazon-ecs-plugin, issue 258",
        "Task failed to start", "never", "fix the Dockerfile",
        f'{SHIM}exec: "019552fb": executable file not found in $PATH: unknown',
    ),
    unstarted(
        "no such file, on Fargate", "aws/amazon-ecs-agent, issue 2954", "Task failed to start", "never",
        "fix the Dockerfile",
        f'{SHIM}exec: "/opt/run.sh": stat /opt/run.sh: no such file or directory: unknown',
    ),
    unstarted(
        "a program without permission, on Fargate", "opencontainers/runc: exec: permission denied",
        "Task failed to start", "never", "fix the Dockerfile",
        f'{SHIM}exec: "/app/run.sh": permission denied: unknown',
    ),
    unstarted(
        "a device that Fargate could not make", "aws/amazon-ecs-agent, issue 3526", "Task failed to start",
        "never", "make local",
        f"{SHIM}error during container init: error creating device nodes: mknod /rootfs/dev/null: errno 524: unknown",
    ),
    unstarted(
        "an image without a file of users", "aws-samples/net-modernization, issue 13", "Task failed to start",
        "never", "make local", "CannotStartContainerError: ResourceInitializationError: unable to create new "
        "container: mount callback failed on /tmp/containerd-mount916692511: open "
        "/tmp/containerd-mount916692511/etc/passwd: no such file or directory",
    ),
    # ---- containers beside it
    Ending(
        "a sidecar whose image is not there", PULL, FAILED, "never", 1, "make register",
        task=task(train(), {**SIDECAR, "reason": f"CannotPullContainerError: {RETRIED}failed to resolve ref "
        "registry.example/log-router:1: not found"}, stop=("TaskFailedToStart", "Task failed to start")),
    ),
    Ending(
        "a sidecar that needed more memory, and took the task with it", STOPPED, FAILED, "never", 143,
        "MEMORY=8192", task=task(train(exitCode=143), {**SIDECAR, "exitCode": 137, "reason":
        "OutOfMemoryError: Container killed due to memory usage"}),
    ),
    Ending(
        "an essential sidecar that failed first", GUIDE + "Task definition parameters: essential", FAILED,
        "never", 143, "essential", task=task(train(exitCode=143), {**SIDECAR, "exitCode": 1}),
    ),
    Ending(
        "an essential sidecar that ended well, and first", GUIDE + "Task definition parameters: essential",
        FAILED, "never", 143, "essential", task=task({**SIDECAR, "exitCode": 0}, train(exitCode=143)),
    ),
    Ending(
        "an essential sidecar that failed first, and a script that did not heed SIGTERM",
        GUIDE + "Task definition parameters: essential, stopTimeout", FAILED, "never", 137, "essential",
        task=task({**SIDECAR, "exitCode": 2}, train(exitCode=137)),
    ),
    Ending(
        "a container killed for want of memory beside a sidecar that heeds SIGTERM", STOPPED, FAILED, "never",
        137, "MEMORY=8192", task=task(train(exitCode=137), {**SIDECAR, "exitCode": 0}),
    ),
    Ending(
        "Spot, beside a sidecar that ended well", GUIDE + "Fargate Spot termination notices", INTERRUPTED,
        "resume", 143, "RETRIES=3", task=task(train(exitCode=143), {**SIDECAR, "exitCode": 0}, stop=SPOT),
    ),
    Ending(
        "Spot, without a code, beside a sidecar that ended well", "aws/containers-roadmap, issue 1565",
        INTERRUPTED, "resume", 143, "RETRIES=3",
        task=task(train(exitCode=143), {**SIDECAR, "exitCode": 0}, stop=("", SPOT[1])),
    ),
    succeeded(
        "exit code 0 beside a sidecar without memory", STOPPED, train(exitCode=0),
        {**SIDECAR, "exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"},
    ),
    # ---- health checks
    exited(
        "an unhealthy container, which the scheduler stopped", GUIDE + "Determine task health using container "
        "health checks", 137, "never", "healthCheck",
        stop=("ServiceSchedulerInitiated", "Task failed container health checks"),
    ),
    exited(
        "an unhealthy container, found by a load balancer", STOPPED, 143, "never", "healthCheck",
        stop=("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group x)"),
    ),
    unplaced(
        "no active instances", API_FAILURES, "NO ACTIVE INSTANCES", "again", "RETRIES=3",
    ),
    unstarted(
        "no active instances after a while", API_FAILURES, "NO ACTIVE INSTANCES", "again", "MAX_INSTANCES=",
    ),
    unstarted(
        "an image whose configuration was not pulled", PULL + ": a rate limit or a network error",
        "CannotPullContainerError: error pulling image configuration: Get https://registry.example/v2/churn: "
        "unexpected end", "again", "RETRIES=3",
    ),
    unstarted(
        "no connection to the registry", PULL, "CannotPullContainerError: The task cannot pull "
        "registry.example/churn from the Amazon ECR repository registry.example/churn. There is a connection issue "
        "between the task and Amazon ECR. Check your task network configuration.", "never", "PUBLIC_IP=",
    ),
    unstarted(
        "no network for the image", PULL, "CannotPullContainerError: The task can’t pull the image. Check your "
        "network configuration", "never", "PUBLIC_IP=",
    ),
    unstarted(
        "no route to the registry, in the daemon's words", PULL, "CannotPullContainerError: Error response from "
        "daemon: Get https://registry.example/v2/: net/http: request canceled while waiting for connection",
        "never", "PUBLIC_IP=",
    ),
    unstarted(
        "no permission to pull, in new words", PULL, "CannotPullContainerError: The task can’t pull the image. "
        "Check that the role has the permissions to pull images from the registry.", "never", "make cluster",
    ),
    unstarted(
        "a pull that may not log in, on an instance", "apache/airflow, issue 15000; " + PULL,
        f"CannotPullECRContainerError: AccessDeniedException: {USER}ecr:GetAuthorizationToken on resource: *",
        "never", "make cluster",
    ),
    unstarted(
        "layers that did not come in time", "aws/amazon-ecs-agent, issue 1128; " + PULL,
        "CannotPullContainerError: ref pull has been retried 5 time(s): failed to copy: httpReadSeeker: failed "
        'open: failed to do request: Get "https://layers.s3.example/": dial tcp 192.0.2.1:443: i/o timeout', "again",
        "RETRIES=3",
    ),
    unplaced(
        "no instances behind the capacity provider",
        "aws-samples/cost-effective-aws-deployment-of-comfyui, issue 39",
        "No Container Instances were found in your capacity provider.", "never", "make cluster",
    ),
    unstarted(
        "no secrets over a network without a way out", "Kong/kong-mesh-ecs, pull request 44",
        f"{NO_AUTH}{FETCH}5 time(s): failed to fetch secret arn:aws:secretsmanager:us-east-2:111122223333:"
        "secret:ecs-ci/CPTLSCert/962_1-TxmoDc from secrets manager: RequestCanceled: request context canceled "
        "caused by: context deadline exceeded. Please check your task network configuration.", "never",
        "PUBLIC_IP=",
    ),
    unstarted(
        "a name of a file system that is not known yet", "rileydakota/valheim-ecs-fargate-cdk, issue 28",
        f'{EFS}Failed to resolve "fs-1.efs.us-east-1.amazonaws.com" - check that your file system ID is correct, and '
        "ensure that the VPC has an EFS mount target for this file system ID. Attempting to lookup mount target ip "
        "address using botocore. Failed to import necessary dependency botocore, please install botocore first. : "
        "unsuccessful EFS utils command execution; code: 1", "never", "volumes in task-definition.json",
    ),
    unstarted(
        "a root file system that Fargate could not make", "aws/amazon-ecs-agent, issue 2442",
        "Task failed to start", "never", "make local",
        "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: OCI "
        'runtime create failed: container_linux.go:349: starting container process caused "process_linux.go:449: '
        'container init caused \\"rootfs_linux.go:58',
    ),
    unstarted(
        "a port that is taken", "fixdevs.com: AWS ECS Task Failed to Start", "Task failed to start", "never",
        "make local", "CannotStartContainerError: bind for 0.0.0.0:8080 failed: port is already allocated",
    ),
    refused(
        "tags that ECS does not take", "PrefectHQ/prefect, issue 13174", "InvalidParameterException",
        "Some tags contain invalid characters. Valid characters: UTF-8 letters, spaces, numbers and _ . / = + - : @.",
        "never", "DRY_RUN=1",
    ),
    refused(
        "no instances, through Step Functions", "aws/aws-cdk, issue 30171", "InvalidParameterException",
        "No Container Instances were found in your cluster. (Service: AmazonECS; Status Code: 400; Error Code: "
        "InvalidParameterException; Request ID: cb76661d; Proxy: null)", "never", "make cluster", "ec2",
    ),
    unstarted(
        "no way to the registry's login", GUIDE + "ResourceInitializationError", f"{NO_AUTH}The "
        "task cannot pull registry auth from Amazon ECR: There is a connection issue between the "
        "task and Amazon ECR. Check your task network configuration. RequestError: send request "
        'failed caused by: Post "https://api.ecr.example/": dial tcp 192.0.2.1:443: i/o timeout',
        "never", "PUBLIC_IP=",
    ),
    unstarted(
        "the registry's login denied", GUIDE + "ResourceInitializationError", f"{NO_AUTH}execution "
        "resource retrieval failed: unable to retrieve ecr registry auth: service call has been "
        f"retried 3 time(s): AccessDeniedException: {USER}ecr:GetAuthorizationToken", "never",
        "make cluster",
    ),
    unstarted(
        "no log group", GUIDE + "ResourceInitializationError",
        "ResourceInitializationError: failed "
        "to validate logger args: create stream has been retried 1 times: failed to create "
        "Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
        "never", "make verify",
    ),
    unstarted(
        "a log group that may not be written",
        "PrefectHQ/prefect, prefect_aws/workers/ecs_worker.py",
        "ResourceInitializationError: failed to validate logger args: create stream has been "
        f"retried 1 times: AccessDeniedException: {USER}logs:CreateLogStream", "never",
        "make cluster",
    ),
    unstarted(
        "no way to the log group", GUIDE + "ResourceInitializationError",
        "ResourceInitializationError"
        ": failed to validate logger args: The task cannot find the Amazon CloudWatch log group "
        "defined in the task definition. There is a connection issue between the task and Amazon "
        "CloudWatch. Check your network configuration. : signal: killed", "never", "PUBLIC_IP=",
    ),
    unstarted(
        "an initialization that nobody knows", CODES, "ResourceInitializationError: something new",
        "never", "make verify",
    ),
    unstarted(
        "no interface in time", DAGSTER, "Timeout waiting for network interface provisioning to "
        "complete.", "again", "RETRIES=3",
    ),
    unstarted(
        "no disk in time", DAGSTER,
        "Timeout waiting for EphemeralStorage provisioning to complete.", "again", "RETRIES=3",
    ),
    unstarted(
        "an interface refused for a moment", DAGSTER, "Unexpected EC2 error while attempting to "
        "Create Network Interface with public IP assignment enabled in subnet 'subnet-1': "
        "AuthFailure", "again", "RETRIES=3",
    ),
    unstarted(
        "no address left", START,
        "Unexpected EC2 error while attempting to Create Network Interface "
        "with public IP assignment enabled in subnet 'subnet-1': InsufficientFreeAddressesInSubnet",
        "elsewhere", "SUBNETS=",
    ),
    unstarted(
        "no capacity after a while", START,
        "Capacity is unavailable at this time. Please try again "
        "later or in a different availability zone", "elsewhere", "SUBNETS=",
    ),
    unstarted(
        "no room on the instances", API_FAILURES, "RESOURCE:MEMORY", "elsewhere", "INSTANCE_TYPE=",
    ),
    unstarted(
        "an empty capacity provider", GUIDE + "Capacity provider errors", "EMPTY CAPACITY PROVIDER",
        "never", "CAPACITY=",
    ),
    unstarted(
        "other capacity than the definition's", START, "The selected task definition is not "
        "compatible with the selected compute strategy", "never", "make register",
    ),
    unstarted(
        "an internal error", START, "InternalError: failed to attach the interface", "again",
        "RETRIES=3",
    ),
    unstarted(
        "a role that ECS cannot assume", ROLE,
        "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/task' that was provided "
        "for this task. Please verify that the role being passed has the proper trust relationship "
        "and permissions and that your IAM user has permissions to pass this role.", "again",
        "TASK_ROLE=",
    ),
    unstarted(
        "throttled while it started", "dagster-io/dagster, issue 33439",
        "Unexpected EC2 error: Rate " "exceeded (ErrorCode: Throttling)", "again", "RETRIES=3",
    ),
    unstarted(
        "an interface that EC2 could not make", START, "Unexpected EC2 error while attempting to "
        "Create Network Interface in subnet 'subnet-1': SecurityGroupsPerInterfaceLimitExceeded",
        "elsewhere", "SUBNETS=",
    ),
    unstarted("a start that nobody knows", START, "Something new", "never", "make status"),
    # ---- the container cannot be made or started
    unstarted(
        "no such program", GUIDE + "Troubleshooting CannotStartContainerError",
        "Task failed to start", "never", "make local",
        'CannotStartContainerError: Error response from daemon: OCI runtime '
        'create failed: exec: "pythn": executable file not found in $PATH: unknown',
    ),
    unstarted(
        "a program without permission", GUIDE + "Troubleshooting CannotStartContainerError",
        "Task failed to start", "never", "make local",
        "CannotStartContainerError: OCI runtime create "
        'failed: exec: "/app/run.sh": permission denied: unknown',
    ),
    unstarted(
        "the wrong processor, at the start", "aws/copilot-cli, issue 6095", "Task failed to start",
        "never", "ARCHITECTURE=",
        "CannotStartContainerError: exec /usr/bin/python: exec format error",
    ),
    unstarted(
        "a container that cannot start", CODES,
        "CannotStartContainerError: failed to get container " "status: unknown", "never",
        "make local",
    ),
    unstarted(
        "a container that cannot be made", GUIDE + "CannotCreateContainerError: API error (500)",
        "CannotCreateContainerError: API error (500): devmapper: Thin Pool has 4350 free data blocks "
        "which is less than minimum required 4454", "again", "RETRIES=3",
    ),
    unstarted(
        "a volume that cannot be mounted", CODES,
        "CannotCreateVolumeError: failed to create volume", "never", "make register",
    ),
    unstarted(
        "an engine that did not answer", CODES,
        "ContainerRuntimeTimeoutError: Could not transition "
        "to running; timed out after waiting 1m: unknown", "again", "RETRIES=3",
    ),
    # ---- RunTask refused
    refused(
        "no permission", RUN_TASK, "AccessDeniedException", f"{USER}ecs:RunTask on resource: *",
        "never", "aws sts get-caller-identity",
    ),
    refused(
        "no permission, without a word", RUN_TASK, "AccessDeniedException", "Access denied",
        "never", "aws sts get-caller-identity",
    ),
    refused(
        "a config that cannot be read", BOTOCORE + ", ConfigParseError", "",
        "Unable to parse config file: /home/ann/.aws/config", "never", "/home/ann/.aws/config",
    ),
    refused(
        "a profile of half an SSO", BOTOCORE + ", InvalidConfigError", "",
        'The profile "work" is configured to use SSO but is missing required configuration: sso_region',
        "never", "~/.aws/config",
    ),
    refused(
        "a code of MFA that was used", "AWS, STS: AssumeRole; aws/aws-cli 3875", "AccessDenied",
        "MultiFactorAuthentication failed with invalid MFA one time pass code.", "never", "next code",
    ),
    refused(
        "a page of a proxy", BOTOCORE + ", ResponseParserError", "",
        "Unable to parse response (syntax error: line 1, column 0), invalid XML received. Further retries may "
        "succeed: b'<html>'", "never", "HTTPS_PROXY",
    ),
    refused(
        "no permission for the roles", "AWS, IAM user guide: iam:PassRole", "AccessDeniedException",
        f"{USER}iam:PassRole on resource: arn:aws:iam::111122223333:role/task", "never",
        "aws sts get-caller-identity",
    ),
    refused(
        "expired credentials", "AWS, STS: common errors", "ExpiredTokenException",
        "The security token " "included in the request is expired", "never", "aws sso login",
    ),
    refused(
        "an expired request", "AWS, common errors", "RequestExpired",
        "Request must not be older than 15 " "minutes", "never", "aws sso login",
    ),
    refused(
        "an expired session", BOTOCORE, "",
        "Error when retrieving token from sso: Token has expired and " "refresh failed", "never",
        "aws sso login",
    ),
    refused(
        "unknown credentials", "AWS, common errors", "UnrecognizedClientException",
        "The security token " "included in the request is invalid.", "never", "aws configure",
    ),
    refused(
        "a wrong clock", "AWS, Signature Version 4: troubleshooting", "InvalidSignatureException",
        "Signature expired: 20261124T110203Z is now earlier than 20261124T120203Z", "never",
        "make run",
    ),
    refused(
        "no credentials", BOTOCORE, "",
        "Unable to locate credentials. You can configure credentials by "
        'running "aws configure".', "never", "aws configure",
    ),
    refused(
        "a profile that is not there", BOTOCORE + ", ProfileNotFound", "",
        "The config profile (work) could not be found", "never", "aws configure list-profiles",
    ),
    refused(
        "a proxy that is not there", BOTOCORE + ", ProxyConnectionError", "",
        'Failed to connect to proxy URL: "http://proxy.example:3128"', "never", "HTTPS_PROXY",
    ),
    refused(
        "an SSO session that has expired", BOTOCORE + ", UnauthorizedSSOTokenError", "",
        "The SSO session associated with this profile has expired or is otherwise invalid. To refresh this "
        "SSO session run aws sso login with the corresponding profile.", "never", "aws sso login",
    ),
    refused(
        "no SSO session", BOTOCORE + ", SSOTokenLoadError", "",
        "Error loading SSO Token: Token for work does not exist", "never", "aws sso login",
    ),
    refused(
        "no region", BOTOCORE, "",
        "You must specify a region. You can also configure your region by "
        'running "aws configure".', "never", "REGION=",
    ),
    refused(
        "a region that is none", BOTOCORE, "", "Could not connect to the endpoint URL: "
        '"https://ecs.us-esat-1.amazonaws.com/"', "never", "REGION=",
    ),
    refused(
        "a certificate of a proxy", BOTOCORE, "", "SSL validation failed for "
        "https://ecs.us-east-1.amazonaws.com/ [SSL: CERTIFICATE_VERIFY_FAILED]", "never",
        "make run",
    ),
    refused(
        "a connection that was cut", BOTOCORE, "", "Read timeout on endpoint URL: "
        '"https://ecs.us-east-1.amazonaws.com/"', "again", "RETRIES=3",
    ),
    refused(
        "no cluster", RUN_TASK, "ClusterNotFoundException", "Cluster not found.", "never",
        "make cluster",
    ),
    refused(
        "a cluster that was deleted", RUN_TASK, "ClusterNotFoundException",
        "The referenced cluster was " "inactive.", "never", "make cluster",
    ),
    refused(
        "no task definition", RUN_TASK, "ClientException", "TaskDefinition not found.", "never",
        "make register",
    ),
    refused(
        "a deregistered task definition", RUN_TASK, "ClientException", "TaskDefinition is inactive",
        "never", "make register",
    ),
    refused(
        "a size that Fargate lacks", GUIDE + "Invalid CPU or memory value specified",
        "ClientException", "No Fargate configuration exists for given values.", "never", "MEMORY=",
    ),
    refused(
        "a disk that Fargate lacks", "AWS, ECS API reference: EphemeralStorage", "ClientException",
        "Invalid ephemeralStorage sizeInGiB: 500", "never", "DISK=50",
    ),
    refused(
        "overrides that are too long", "Netflix/metaflow, issue 977", "InvalidParameterException",
        "Container Overrides length must be at most 8192", "never", "make data",
    ),
    refused(
        "an override of no container", RUN_TASK, "InvalidParameterException",
        "Override for container " "named train is not a container in the TaskDefinition.", "never",
        "make register",
    ),
    refused(
        "throttling", GUIDE + "API throttling", "ThrottlingException", "Rate exceeded", "again",
        "RETRIES=3",
    ),
    refused(
        "throttling of another service", "AWS, EC2: RequestLimitExceeded", "RequestLimitExceeded",
        "Request limit exceeded.", "again", "RETRIES=3",
    ),
    refused(
        "throttling in disguise", "dagster-io/dagster, issue 33439; PrefectHQ/prefect, issue 13024",
        "InvalidParameterException",
        "Error retrieving subnet information for [subnet-1]: Rate exceeded "
        "(ErrorCode: Throttling)", "again", "RETRIES=3",
    ),
    refused(
        "no service-linked role", "jonrau1/ElectricEye, issue 9", "InvalidParameterException",
        "Unable to assume the service linked role. Please verify that the "
        "ECS service linked role exists.", "again", "aws iam create-service-linked-role",
    ),
    refused(
        "Spot that is not attached", "dask/dask-cloudprovider, issue 328",
        "InvalidParameterException",
        "The specified capacity provider strategy cannot contain a capacity provider that is not "
        "associated with the cluster. Associate the capacity provider with the cluster or specify a "
        "valid capacity provider and try again.", "never", "make verify", "fargate-spot",
    ),
    refused(
        "no such subnet", "getmoto/moto, moto/ecs/models.py", "InvalidParameterException", "Error "
        "retrieving subnet information for [subnet-1]: The subnet ID 'subnet-1' does not exist "
        "(ErrorCode: InvalidSubnetID.NotFound)", "never", "SUBNETS=",
    ),
    refused(
        "no such security group", "getmoto/moto, moto/ecs/models.py", "InvalidParameterException",
        "Error "
        "retrieving security group information for [sg-1]: The security group 'sg-1' does not exist "
        "(ErrorCode: InvalidGroup.NotFound)", "never", "make cluster",
    ),
    refused(
        "no network configuration", RUN_TASK, "InvalidParameterException",
        "Network Configuration must be " "provided when networkMode 'awsvpc' is specified.",
        "never", "CAPACITY=",
    ),
    refused(
        "no instances", "PrefectHQ/prefect, prefect_aws/workers/ecs_worker.py",
        "InvalidParameterException", "No Container Instances were found in your cluster.", "never",
        "make cluster", "ec2",
    ),
    refused(
        "a role that is too new", ROLE, "ClientException",
        "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/task' that "
        "was provided for this task.", "again", "RETRIES=3",
    ),
    refused(
        "a platform that cannot run it", RUN_TASK, "PlatformTaskDefinitionIncompatibilityException",
        "The "
        "specified platform version does not satisfy the task definition's required capabilities.",
        "never", "make register",
    ),
    refused(
        "a blocked account", RUN_TASK, "BlockedException", "Your account was blocked", "never",
        "make run",
    ),
    refused(
        "another request under the same token", RUN_TASK, "ConflictException",
        "The clientToken was used " "with other parameters", "never", "make runs",
    ),
    refused(
        "a fault of ECS", RUN_TASK, "ServerException",
        "Service Unavailable. Please try again later.", "again", "RETRIES=3",
    ),
    refused(
        "a refusal that nobody knows", RUN_TASK, "InvalidParameterException", "Something new",
        "never", "DRY_RUN=1",
    ),
    refused(
        "an error that nobody knows", RUN_TASK, "SomethingNewException", "Something new", "never",
        "make run DRY_RUN=1",
    ),
    # ---- in the words of the agent on instances, whose code is public
    unstarted(
        "a parameter that is not there, on an instance", AGENT + "agent/ssm/ssm.go",
        "fetching secret data from SSM Parameter Store in us-east-1: invalid parameters: /churn/key", "never",
        "make register", capacity="ec2",
    ),
    unstarted(
        "a parameter that may not be read, on an instance", AGENT + "agent/taskresource/ssmsecret/ssmsecret.go",
        f"fetching secret data from SSM Parameter Store in us-east-1: AccessDeniedException: {USER}ssm:GetParameters",
        "never", "make cluster", capacity="ec2",
    ),
    unstarted(
        "a registry's secret that may not be read", AGENT + "agent/asm/asm.go", "Task failed to start", "never",
        "make cluster", "CannotPullContainerAuthError: asm fetching secret from the service for key: "
        f"AccessDeniedException: {USER}secretsmanager:GetSecretValue", capacity="ec2",
    ),
    Ending(
        "a container that waits for one that failed", AGENT + "agent/engine/dependencygraph/graph.go, and exit code "
        "143 of agent/engine/task_manager.go", FAILED, "never", 143, "dependsOn", capacity="ec2",
        task=task(train(exitCode=143, reason="CannotStartContainerError: dependency graph: failed to resolve container "
        "ordering dependency [init] for target [train] as dependency did not exit successfully."),
        {**SIDECAR, "name": "init", "exitCode": 1}),
    ),
    Ending(
        "a container that waited too long for another", AGENT + "agent/engine/dependencygraph/graph.go", FAILED, "never",
        143, "dependsOn", capacity="gpu", task=task(train(exitCode=143, reason="CannotStartContainerError: dependency "
        "graph: container ordering dependency [init] for target [train] has timed out."), SIDECAR),
    ),
    unstarted(
        "a network that an instance could not make", "aws/amazon-ecs-cni-plugins, issue 93", "Task failed to start",
        "again", "RETRIES=3", "ContainerNetworkingError: container resource provisioning: failed to setup network "
        "namespace: cni setup: invoke eni plugin failed: getInterfaceDeviceName engine: unable to get device with "
        "hardware address", capacity="ec2",
    ),
    unstarted(
        "an instance without a runtime for GPUs", AGENT + "agent/api/task/task.go", "Task failed to start", "never",
        "CAPACITY=gpu", "HostConfigError: Runtime is not set for GPU containers", capacity="gpu",
    ),
    unstarted(
        "a runtime for GPUs that Docker does not know", "moby/moby: Unknown runtime specified", "Task failed to start",
        "never", "CAPACITY=gpu", "CannotCreateContainerError: Error response from daemon: Unknown runtime specified "
        "nvidia", capacity="gpu",
    ),
    unstarted(
        "a GPU's driver that did not answer in time", "bottlerocket-os/bottlerocket, issue 3960", "Task failed to start",
        "again", "RETRIES=3", "CannotStartContainerError: Error response from daemon: failed to create task for "
        "container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
        "container process: error during container init: error running hook #0: error running hook: exit status 1, "
        "stdout: , stderr: Auto-detected mode as 'legacy'\nnvidia-container-cli: initialization error: driver rpc "
        "error: timed out: unknown", capacity="gpu",
    ),
    unstarted(
        "an instance without a GPU's driver", "NVIDIA/libnvidia-container, issue 231", "Task failed to start", "never",
        "CAPACITY=gpu", "CannotStartContainerError: Error response from daemon: failed to create shim task: OCI runtime "
        "create failed: runc create failed: unable to start container process: error during container init: error "
        "running hook #0: error running hook: exit status 1, stdout: , stderr: nvidia-container-cli: initialization "
        "error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no such file or directory: "
        "unknown", capacity="gpu",
    ),
    unstarted(
        "a driver that is too old for the image's CUDA", "MauriceNino/dashdot, issue 1226; NVIDIA/nvidia-docker, issue 688",
        "Task failed to start", "never", "make push", "CannotStartContainerError: Error response from daemon: failed to "
        "create shim task: OCI runtime create failed: error running hook #0: nvidia-container-cli: requirement error: "
        "unsatisfied condition: cuda>=12.8, please update your driver to a newer version, or use an earlier cuda "
        "container: unknown", capacity="gpu",
    ),
    unstarted(
        "a device that the instance has not", GUIDE + "Troubleshooting Amazon ECS video transcoding: stoppedReason",
        'CannotStartContainerError: Error response from daemon: error gathering device information while adding custom '
        'device "/dev/dri/renderD130": no such file or directory', "never", "make register", capacity="ec2",
    ),
    unstarted(
        "an engine that did not start in time", "aws/amazon-ecs-agent, issue 682; aws-actions/"
        "amazon-ecs-deploy-task-definition, issue 232", "Task failed to start", "again", "RETRIES=3",
        "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s", capacity="ec2",
    ),
    unstarted(
        "a bridge that Docker could not write down in time", "aws/amazon-ecs-agent, issue 574", "Task failed to start",
        "again", "RETRIES=3", "CannotStartContainerError: API error (500): failed to update bridge store for object type "
        "*bridge.bridgeEndpoint: timeout", capacity="ec2",
    ),
    Ending(
        "a task that the agent could not stop", AGENT + "agent/engine/task_manager.go", INTERRUPTED, "again", 1,
        "RETRIES=3", task=task(train(), stop=("", "TaskStateError: Agent could not progress task's state to stopped")),
        capacity="ec2",
    ),
    Ending(
        "a container that vanished from its instance", AGENT + "agent/engine/errors.go", INTERRUPTED, "resume", 1,
        "RETRIES=3", task=task(train(reason="ContainerVanishedError: No container matching saved ID found")),
        capacity="ec2",
    ),
    Ending(
        "a task that was stopped before its image was pulled", AGENT + "agent/engine/errors.go", FAILED, "never", 1,
        "make run", task=task(train(reason="TaskStoppedBeforePullBeginError: Task stopped before image pull could begin "
        f"for task: {ARN}"), stop=("UserInitiated", "Task stopped by user")), capacity="ec2",
    ),
    unstarted(
        "an image without a manifest", AGENT + "agent/dockerclient/dockerapi/errors.go", "Task failed to start", "never",
        "make push", "CannotPullImageManifestError: Error response from daemon: manifest for registry.example/churn:1 "
        "not found: manifest unknown: Requested image not found", capacity="ec2",
    ),
    unstarted(
        "a login to the registry that is missing, on an instance", "moby/moby: no basic auth credentials",
        "Task failed to start", "never", "make cluster", "CannotPullContainerError: Error response from daemon: Get "
        "https://registry.example/v2/churn/manifests/1: no basic auth credentials", capacity="ec2",
    ),
    unstarted(
        "no way to the login of the registry, on an instance", AGENT + "agent/dockerclient/dockerapi, augmented errors",
        "Task failed to start", "never", "PUBLIC_IP=", "CannotPullECRContainerError: The task can’t pull the image. Check "
        'your network configuration. RequestError: send request failed\ncaused by: Post "https://api.ecr.example/": dial '
        "tcp 192.0.2.1:443: i/o timeout", capacity="ec2",
    ),
    unstarted(
        "an image larger than the instance's disk", "moby/moby: failed to register layer", "Task failed to start", "never",
        "CAPACITY=fargate DISK=50", "CannotPullContainerError: failed to register layer: Error processing tar file(exit "
        "status 1): write /opt/venv/lib/libxgboost.so: no space left on device", capacity="ec2",
    ),
    unstarted(
        "memory below what a container needs to begin", "opencontainers/runc, libcontainer: init was OOM-killed",
        "Task failed to start", "never", "MEMORY=8192", "CannotStartContainerError: Error response from daemon: failed to "
        "create shim task: OCI runtime create failed: runc create failed: unable to start container process: container "
        "init was OOM-killed (memory limit too low?): unknown", capacity="managed",
    ),
    unstarted(
        "a file system on an instance whose connection was cut", "aws/efs-utils, issue 32", "Task failed to start", "again",
        "RETRIES=3", "CannotCreateVolumeError: Error response from daemon: create ecs-data: VolumeDriver.Create: mounting "
        "volume failed: Mount attempt 1/3 failed due to b'mount.nfs4: Connection reset by peer\\n', wait 1 sec before next "
        "attempt. b'mount.nfs4: Connection reset by peer'", capacity="ec2",
    ),
    unstarted(
        "a volume of a plug-in that cannot be mounted", "cloudstax/firecamp, issue 46", "Task failed to start", "never",
        "make register", "CannotStartContainerError: API error (500): error while mounting volume "
        "'/var/lib/docker/plugins/2ec1ac405b23/rootfs': VolumeDriver.Mount: Mount failed", capacity="ec2",
    ),
    unstarted(
        "a log group that is not there, on an instance", "Rayraegah/terraform-aws-hasura, issue 25", "Task failed to start",
        "never", "make verify", "CannotStartContainerError: Error response from daemon: failed to initialize logging "
        "driver: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not "
        "exist. status code: 400", capacity="ec2",
    ),
    # ---- Fargate: what a task needs before its container starts
    unstarted(
        "a log driver without options", "aws-samples/amazon-ecs-firelens-examples, issue 29; "
        "splunk/splunk-connect-for-kubernetes, issue 423", "Task failed to start", "never", "logConfiguration",
        "CannotStartContainerError: ResourceInitializationError: failed to initialize logging driver: failed to get "
        "fluentd log driver arguments: logging driver specified of container app, but no log configuration specified",
    ),
    unstarted(
        "no way to the log group, in one word", "gist.github.com/bradleybeddoes: failed to validate logger args",
        "ResourceInitializationError: failed to validate logger args: : signal: killed", "never", "PUBLIC_IP=",
    ),
    unstarted(
        "a file of variables that may not be read", "aws/copilot-cli, issue 6066: 403 Forbidden",
        "ResourceInitializationError: failed to download env files: service call has been retried 1 time(s): operation "
        "error S3: HeadObject, https response error StatusCode: 403, api error Forbidden: Forbidden", "never",
        "ExecutionRole",
    ),
    unstarted(
        "no way to a file of variables", "aws/aws-cdk, issue 12720; aws/aws-cli, issue 6470",
        "ResourceInitializationError: failed to download env files: file download command: non empty error stream: "
        "RequestCanceled: request context canceled caused by: context deadline exceeded", "never", "PUBLIC_IP=",
    ),
    unstarted(
        "an interface that Fargate could not configure", "DescribeTasks' stoppedReason, as Step Functions of users retry it",
        "ResourceInitializationError: failed to configure ENI: failed to setup regular eni: netplugin failed with no "
        "error message", "again", "RETRIES=3",
    ),
    unstarted(
        "an interface that EC2 could not attach", "DescribeTasks' stoppedReason, as Step Functions of users retry it",
        "Unexpected EC2 error while attempting to attach network interface to instance", "again", "RETRIES=3",
    ),
    unstarted(
        "no address left in a private subnet", "AWS, EC2 API reference: error codes, InsufficientFreeAddressesInSubnet",
        "Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-1': "
        "InsufficientFreeAddressesInSubnet", "elsewhere", "SUBNETS=",
    ),
    unstarted(
        "more interfaces than the account may have", "AWS, EC2 API reference: error codes, NetworkInterfaceLimitExceeded",
        "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment enabled in subnet "
        "'subnet-1': NetworkInterfaceLimitExceeded", "again", "aws service-quotas",
    ),
    unstarted(
        "no device index left", START, "Unable to attach network interface to unused device index", "elsewhere",
        "INSTANCE_TYPE=", capacity="ec2",
    ),
    unstarted(
        "a disconnected agent after a while", START, "AGENT", "again", "RETRIES=3", capacity="gpu",
    ),
    unstarted(
        "a placement that no instance meets", API_FAILURES, "MemberOf placement constraint unsatisfied", "elsewhere",
        "SUBNETS=", capacity="ec2",
    ),
    unstarted("a missing attribute after a while", API_FAILURES, "ATTRIBUTE", "never", "make cluster", capacity="ec2"),
    unstarted(
        "no instances behind the provider of GPUs, after a while", API_FAILURES, "EMPTY CAPACITY PROVIDER", "never",
        "describe-scaling-activities", capacity="gpu",
    ),
    unstarted(
        "no word but that it failed", "treasure-data/digdag, pull request 1642; aws/containers-roadmap, issue 2561",
        "Task failed to start", "never", "make status",
    ),
    unstarted(
        "a file system that the network keeps away", "aws-solutions/efs-backup, issue 15: port of NFS",
        f"{EFS}b'mount.nfs4: Connection timed out' : unsuccessful EFS utils command execution; code: 32", "never", "2049",
    ),
    unstarted(
        "a file system that refuses over TLS", "awslabs/cdk-eks-blueprints, issue 1052",
        f"{EFS}b'mount.nfs4: access denied by server while mounting 127.0.0.1:/' : unsuccessful EFS utils command "
        "execution; code: 32", "never", "volumes in task-definition.json",
    ),
    # ---- the image
    unstarted(
        "no image for the processor, in containerd's words", "aws/containers-roadmap, issue 1120",
        "CannotPullContainerError: failed to find a descriptor for platform {linux/amd64}", "never", "ARCHITECTURE=",
    ),
    unstarted(
        "no match for the processor", "flyteorg/flyte, issue 6388; codefactoryhu/manifest, issue 11",
        f'CannotPullContainerError: failed to pull and unpack image "{IMAGE}": no match for platform in manifest: not '
        "found", "never", "ARCHITECTURE=",
    ),
    unstarted(
        "a registry that wants a login", "aws/containers-roadmap, issue 1302", "CannotPullContainerError: inspect image "
        'has been retried 1 time(s): failed to resolve ref "registry.example/churn:1": unexpected status code '
        "[manifests 1]: 401 Unauthorized", "never", "make cluster",
    ),
    unstarted(
        "a registry that gives no token", "aws/containers-roadmap, issue 1658", "CannotPullContainerError: inspect image "
        'has been retried 1 time(s): failed to resolve ref "registry.example/churn:1": failed to authorize: failed to '
        "fetch anonymous token", "never", "make cluster",
    ),
    unstarted(
        "a registry whose name is not known", "docker-archive/compose-cli, issue 911; docker/for-linux, issue 371",
        f"CannotPullContainerError: failed to resolve ref {IMAGE}: failed to do request: Head "
        "https://registry.example/v2/churn/manifests/1: dial tcp: lookup registry.example on 10.5.0.2:53: no such host",
        "never", "PUBLIC_IP=",
    ),
    unstarted(
        "a registry that refuses connections", "Go, net: dial tcp; moby/moby, registry errors",
        f"CannotPullContainerError: {RETRIED}failed to resolve ref {IMAGE}: failed to do request: Head "
        '"https://registry.example/v2/churn/manifests/1": dial tcp 192.0.2.1:443: connect: connection refused', "never",
        "PUBLIC_IP=",
    ),
    unstarted(
        "a certificate between the task and the registry", "Go, crypto/x509: UnknownAuthorityError",
        f"CannotPullContainerError: {RETRIED}failed to resolve ref {IMAGE}: failed to do request: Head "
        '"https://registry.example/v2/churn/manifests/1": tls: failed to verify certificate: x509: certificate signed by '
        "unknown authority", "never", "SUBNETS=",
    ),
    unstarted(
        "a layer that came broken", "containerd/containerd, content: unexpected commit digest",
        f'CannotPullContainerError: failed to pull and unpack image "{IMAGE}": failed commit on ref "layer-sha256:0a1b": '
        "unexpected commit digest sha256:2c3d, expected sha256:0a1b: failed precondition", "again", "RETRIES=3",
    ),
    unstarted(
        "a registry that is asked too often", "AWS, ECR user guide: Error: toomanyrequests: Rate exceeded",
        f"CannotPullContainerError: {RETRIED}toomanyrequests: Rate exceeded", "again", "RETRIES=3",
    ),
    unstarted(
        "a tag that is not there", "aws/amazon-ecs-agent, issue 422", "Task failed to start", "never", "make push",
        "CannotPullContainerError: Tag latest not found in repository docker.io/library/churn", capacity="ec2",
    ),
    unstarted(
        "an instance that lost its login to the registry", "aws/amazon-ecs-agent, issue 2137", "Task failed to start",
        "never", "make cluster", "CannotPullContainerError: Error response from daemon: pull access denied for "
        "registry.example/churn, repository does not exist or may require 'docker login'", capacity="ec2",
    ),
    # ---- containers beside it
    Ending(
        "a sidecar for another processor", "aws/copilot-cli, issue 6095", FAILED, "never", 1, "make register",
        task=task(train(), {**SIDECAR, "reason": "CannotStartContainerError: exec /fluent-bit: exec format error"},
        stop=("TaskFailedToStart", "Task failed to start")),
    ),
    Ending(
        "a sidecar whose registry refuses more pulls", "PrefectHQ/prefect, issue 20466; " + PULL, INTERRUPTED, "again", 1,
        "RETRIES=3", task=task(train(), {**SIDECAR, "reason": "CannotPullContainerError: You have reached your pull rate "
        "limit. You may increase the limit by authenticating and upgrading"}, stop=("TaskFailedToStart",
        "Task failed to start")),
    ),
    succeeded(
        "exit code 0 beside a sidecar that would not stop", CODES, train(exitCode=0), {**SIDECAR, "exitCode": 137,
        "reason": "CannotStopContainerError: failed sending SIGTERM to container: unknown"},
    ),
    # ---- stopped, or its machine taken away
    exited(
        "a service's scaling", STOPPED, 143, "resume", "RETRIES=3",
        stop=("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/0123456789)"),
    ),
    exited(
        "stopped by the user, in the console", "aws-solutions/distributed-load-testing-on-aws, issue 82", 1, "never",
        "make run", stop=("UserInitiated", "Task stopped by user"),
    ),
    # ---- the program's own end
    exited(
        "the GPU's memory, by XGBoost", "dmlc/xgboost, issues 7140 and 11684", 1, "never", "INSTANCE_TYPE=",
        "xgboost.core.XGBoostError: [11:17:11] /workspace/src/common/device_vector.cu:23: Memory allocation error on worker "
        "0: std::bad_alloc: cudaErrorMemoryAllocation: out of memory", capacity="gpu",
    ),
    exited(
        "the GPU's memory, by PyTorch", "pytorch/pytorch, torch.cuda.OutOfMemoryError", 1, "never", "INSTANCE_TYPE=",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 22.05 GiB",
        capacity="gpu",
    ),
    exited(
        "a script for a GPU where there is none", "facebookresearch/detectron2, issue 3104", 1, "never", "CAPACITY=gpu",
        "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a "
        "driver",
    ),
    exited(
        "XGBoost for a GPU where there is none", "dmlc/xgboost, issue 3953", 1, "never", "CAPACITY=gpu",
        "xgboost.core.XGBoostError: /root/repo/xgboost/src/common/common.cu: 13: no CUDA-capable device is detected",
    ),
    exited(
        "a worker process without memory", "joblib/joblib, issue 812; scikit-learn/scikit-learn, issue 29579", 1, "never",
        "MEMORY=8192", "joblib.externals.loky.process_executor.TerminatedWorkerError: A worker process managed by the "
        "executor was unexpectedly terminated. This could be caused by a segmentation fault while calling the function or "
        "by an excessive memory usage causing the Operating System to kill the worker. The exit codes of the workers are "
        "{SIGKILL(-9)}",
    ),
    exited(
        "no memory, in Arrow", "apache/arrow, pyarrow.lib.ArrowMemoryError", 1, "never", "MEMORY=8192",
        "pyarrow.lib.ArrowMemoryError: malloc of size 4294967296 failed",
    ),
    exited(
        "no memory, in Rust", "Rust, alloc::handle_alloc_error", 134, "never", "MEMORY=8192",
        "memory allocation of 1073741824 bytes failed",
    ),
    exited(
        "no shared memory", "pytorch/pytorch, issue 108861; aws/sagemaker-python-sdk, issue 5592", 1, "never",
        "num_workers", "RuntimeError: DataLoader worker (pid 256) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory. Please try to raise your shared memory limit.",
    ),
    exited("a bus error", "signal(7), SIGBUS", 135, "never", "num_workers"),
    exited(
        "an instruction that the processor lacks", "docker/compose, issue 5386; freqtrade/freqtrade, issue 10021", 132,
        "never", "make lock", "Fatal Python error: Illegal instruction",
    ),
    exited("a division by zero in compiled code", "signal(7), SIGFPE", 136, "never", "make lock"),
    exited("a broken pipe", "signal(7), SIGPIPE", 141, "never", "make logs"),
    exited(
        "out of memory, on an instance", "dagster-io/dagster, issue 17448", 137, "never", "CAPACITY=ec2 INSTANCE_TYPE=",
        reason="OutOfMemoryError: Container killed due to memory usage", capacity="ec2",
    ),
    exited(
        "out of memory, on ECS Managed Instances", STOPPED, 137, "never", "make run CAPACITY=managed MEMORY=8192",
        reason="OutOfMemoryError: Container killed due to memory usage", capacity="managed",
    ),
    exited(
        "disk full, on an instance with a GPU", "CPython, OSError 28", 1, "never", "less data",
        "OSError: [Errno 28] No space left on device", capacity="gpu",
    ),
    # ---- RunTask's failures[]
    unplaced(
        "no memory, on ECS Managed Instances", "PrefectHQ/prefect, issue 20765", "RESOURCE:MEMORY", "elsewhere",
        "RETRIES=3", "managed",
    ),
    unplaced(
        "no GPU, on ECS Managed Instances", API_FAILURES, "RESOURCE:GPU", "never", "CAPACITY=managed-gpu", "managed-gpu",
    ),
    unplaced(
        "no instances behind the provider of GPUs", "aws-samples/cost-effective-aws-deployment-of-comfyui, issue 39",
        "No Container Instances were found in your capacity provider.", "never", "describe-scaling-activities", "gpu",
    ),
    unplaced(
        "an attribute of a plug-in", "aws-samples/cost-effective-aws-deployment-of-comfyui, issue 8", "ATTRIBUTE", "never",
        "make cluster", detail="ecs.capability.docker-plugin.rexray/ebs",
    ),
    unplaced(
        "the quota of tasks", "wellcomecollection/platform, issue 3875", "You've reached the limit on the number of tasks "
        "you can run concurrently", "again", "aws service-quotas", "fargate",
    ),
    unplaced(
        "a processor above the quota", GUIDE + "Service event messages", "The requested CPU configuration is above your "
        "limit", "never", "CPU=1024", "fargate-spot",
    ),
    # ---- RunTask refused
    refused(
        "more tasks that wait than a cluster takes", "aws/aws-sdk-ruby, issue 3047; DIAGNijmegen/rse-grand-challenge, pull "
        "request 2013", "ClientException", "Tasks provisioning capacity limit exceeded.", "again", "RETRIES=3", "ec2",
    ),
    refused(
        "throttling of EC2 in disguise", "dask/dask-cloudprovider, issue 56", "InvalidParameterException",
        "Error retrieving security group information for [sg-1]: Request limit exceeded. (ErrorCode: "
        "RequestLimitExceeded)", "again", "RETRIES=3",
    ),
    refused(
        "a network that the definition does not take", "josmo/drone-ecs, issue 57", "InvalidParameterException",
        "Network Configuration is not valid for the given networkMode of this task definition.", "never", "make register",
        "ec2",
    ),
    refused(
        "no feature of that name in the region", RUN_TASK, "UnsupportedFeatureException",
        "The specified task isn't supported in this Region.", "never", "REGION=",
    ),
    refused(
        "abilities that the platform lacks", "splunk/splunk-connect-for-kubernetes, issue 401",
        "PlatformTaskDefinitionIncompatibilityException", "One or more of the requested capabilities are not supported.",
        "never", "make register",
    ),
    refused(
        "no permission to tag", GUIDE + "Tagging authorization", "AccessDeniedException",
        f"{USER}ecs:TagResource on resource: arn:aws:ecs:us-east-1:111122223333:task/churn/*", "never",
        "aws sts get-caller-identity",
    ),
    refused(
        "credentials of a process that failed", BOTOCORE + ", CredentialRetrievalError", "",
        "Error when retrieving credentials from custom-process: vault: not logged in", "never", "~/.aws/config",
    ),
    refused(
        "half of the credentials", BOTOCORE + ", PartialCredentialsError", "",
        "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY", "never", "aws configure",
    ),
    refused(
        "a configuration file that cannot be read", BOTOCORE + ", ConfigParseError", "",
        "Unable to parse config file: /home/ann/.aws/config", "never", "/home/ann/.aws/config",
    ),
    refused(
        "a connection that was closed", BOTOCORE + ", ConnectionClosedError", "", "Connection was closed before we received "
        'a valid response from endpoint URL: "https://ecs.us-east-1.amazonaws.com/".', "again", "RETRIES=3",
    ),
    refused(
        "a region that is no name", BOTOCORE + ", InvalidRegionError", "", "Provided region_name 'us east 1' doesn't match "
        "a supported format.", "never", "REGION=",
    ),
    refused(
        "a region that is not enabled", "AWS, ECS API reference: Common Errors, OptInRequired", "OptInRequired",
        "You are not subscribed to this service.", "never", "enable the region",
    ),
    refused(
        "a clock that is behind", "AWS, Signature Version 4: troubleshooting", "InvalidSignatureException",
        "Signature not yet current: 20261124T130203Z is still later than 20261124T120703Z", "never", "make run",
    ),
)  # fmt: skip
