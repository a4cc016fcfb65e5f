"""The rules that explain how a run ended: what AWS says, what it means, what to type."""

from collections.abc import Sequence
from dataclasses import dataclass

from ecs import contract

# Whether trying again can help, and how.
NEVER = "never"  # the user's own error, or a wrong configuration


AGAIN = "again"  # a fault of the infrastructure that passes


ELSEWHERE = "elsewhere"  # no capacity or no place: other subnets, on-demand instead of Spot


RESUME = "resume"  # it ran and lost its machine: again, from the checkpoint


# Where AWS says it.
FAILURES = "failures"  # RunTask's answer: HTTP 200, no task, a list of failures


EXCEPTION = "exception"  # RunTask refused, or could not be reached


TASK = "task"  # DescribeTasks, of a task that has stopped


LOST = "lost"  # DescribeTasks, again and again: no such task


ANY = -1  # exit code: any, as long as there is one


OWN = -2  # exit code: one that the script chose itself, not a signal's


PLACEMENT = (FAILURES, TASK)  # on EC2 the same words come as a failure or as a stop reason


@dataclass(frozen=True)
class Rule:
    """One way for a run to fail. An empty condition holds always; all others must hold.

    ``cause`` and ``remedy`` may name a group of ``reason``, and ``{code}`` (the exit code),
    ``{said}`` (the program's own last error), ``{again}``, ``{larger}`` and others (what to type where the
    run was; ``explain.typed`` has them all).
    """

    name: str
    cause: str
    remedy: str
    retry: str = NEVER
    where: Sequence[str] = (TASK,)
    stop: str = ""  # the task's stop code
    reason: str = ""  # regular expression, found in AWS's own words
    error: str = ""  # regular expression, the whole code of the exception
    exit_code: int | None = None  # of the container
    log: str = ""  # regular expression, found in the last lines of the log
    capacity: str = ""  # CAPACITY


AGAIN_3 = "{again}"  # make run RETRIES=3, where the run was


NETWORK = "make cluster VPC=vpc-… SUBNETS=subnet-…,subnet-… PUBLIC_IP=DISABLED"


ROUTE = f"make verify; make cluster PUBLIC_IP=ENABLED in public subnets; behind NAT: {NETWORK}"


OTHER_SUBNETS = "make cluster VPC=vpc-… SUBNETS=subnet-…,subnet-…"


MORE_INSTANCES = "{more_instances}"


LOGIN = "aws sso login, or aws configure"


SECRETS = r"(from (asm|ssm)|asm fetching|secrets ?manager|GetSecretValue|GetParameters|parameter store|env files?\b)"


# Found in the last lines of a log: from Python, a shell, or a C++ library.
UNWRITABLE = (
    r"(Read-only file system|Permission denied): ['\"](\./)?(?P<path>(/|data/|data\b)[^'\"\n]*)"
)


UNWRITABLE_OTHERS = r"(?<![\w./-])(?P<path>(/|data/)[^\s'\":]+)['\"]?( failed)?: (Read-only file system|Permission denied)"


ABSENT = (
    r"(?m)^(?=.*(No such file or directory|FileNotFoundError)).*?(?<![\w./-])(?P<quote>['\"])?(\./|/\S*/work/)?"
    r"(?P<path>(data|runs)/(?(quote)[^'\"\n]+|[^\s'\":,]+))"
)


RULES = (
    # ---- somebody stopped it
    Rule(
        "time-limit", "the run took longer than TIMEOUT allows", "make run TIMEOUT=…, larger",
        stop="UserInitiated", reason=r"\bTIMEOUT\b",
    ),
    Rule(
        "start-limit", "the task did not start within START_TIMEOUT",
        f"make run START_TIMEOUT=…, larger, or {AGAIN_3}, or elsewhere: {OTHER_SUBNETS}", ELSEWHERE,
        stop="UserInitiated", reason=r"\bSTART_TIMEOUT\b",
    ),
    Rule(
        "instance-deregistered", "the instance that ran the task was removed from the cluster",
        AGAIN_3, RESUME,
        stop="UserInitiated", reason=r"(?i)instance deregist",
    ),
    Rule("stopped", "the run was stopped on request", "make run", stop="UserInitiated"),
    # ---- its machine was taken away
    Rule(
        "spot", "AWS took back the Spot capacity",
        f"{AGAIN_3} SPOT_FALLBACK=1, or make run CAPACITY=fargate", RESUME, stop="SpotInterruption",
    ),
    Rule(
        "spot-notice", "AWS took back the Spot capacity",
        f"{AGAIN_3} SPOT_FALLBACK=1, or make run CAPACITY=fargate", RESUME,
        reason=r"(?i)spot (task|instance) was interrupted|spot interruption",
    ),
    Rule(
        "host-terminated", "the instance that ran the task was stopped or terminated",
        AGAIN_3, RESUME, reason=r"Host EC2 \(instance .+?\) (stopped|terminated)",
    ),
    Rule(
        "maintenance", "AWS did maintenance on the machine that ran the task", AGAIN_3,
        RESUME, reason=r"performing maintenance on the underlying",
    ),
    Rule(
        "draining", "the instance that ran the task was drained", AGAIN_3, RESUME,
        reason=r"DRAINING",
    ),
    Rule(
        "vanished", "the container vanished from its instance", AGAIN_3, RESUME,
        reason=r"ContainerVanishedError",
    ),
    Rule(
        "terminated", "AWS gave notice and took away the machine that ran the task",
        AGAIN_3, RESUME, stop="TerminationNotice",
    ),
    Rule(
        "unhealthy-host", "the machine that ran the task failed", AGAIN_3, RESUME,
        stop="InfrastructureHealth",
    ),
    Rule(
        "unhealthy", "the health check of task-definition.json failed",
        "make local; correct healthCheck in task-definition.json, then make register",
        reason=r"(?i)failed (container|ELB) health ?checks?",
    ),
    Rule(
        "scheduler", "ECS itself stopped the task", AGAIN_3, RESUME,
        stop="ServiceSchedulerInitiated",
    ),
    Rule(
        "sidecar", "the container {container} ended first (exit code {ended}), and ECS stopped the task with it",
        "make status, then make register with what {container} lacks in task-definition.json, or essential: false",
        reason=r"^container (?P<container>[\w-]+) ended first, with exit code (?P<ended>-?\d+)",
    ),
    Rule(
        "depends", "container {waited}, for which another one waits, did not start or end as it should",
        "make status, then make register with {waited}, or dependsOn, corrected in task-definition.json",
        reason=r"dependency graph: .*dependency \[(?P<waited>[^\]]+)\]",
    ),
    Rule(
        "sidecar-image", "the image of container {container} is not in its registry, or is for another processor",
        "make register with another image for {container} in task-definition.json",
        reason=r"(^|; )container (?P<container>[\w-]+): "
        r"(CannotPull[^;]*(not found|manifest unknown|does not exist|platform)|[^;]*exec format error)",
    ),
    Rule(
        "throttled", "AWS is getting too many requests at the moment", AGAIN_3, AGAIN,
        (EXCEPTION, FAILURES, TASK), reason=r"Rate exceeded|ErrorCode: (Throttling|RequestLimit)",
    ),
    # ---- memory and disk, whatever the exit code
    Rule(
        "out-of-memory", "the container needed more memory than the task has",
        "{larger}", reason=r"OutOfMemory|(?i:\boom-kill)",
    ),
    Rule(
        "pull-disk", "the image does not fit on the task's disk", "{disk}",
        reason=r"CannotPull.*no space left on device",
    ),
    Rule(
        "disk-full", "the task's disk is full", "{disk}",
        reason=r"(?i)no space left on device|disk quota exceeded",
    ),
    # ---- no capacity, no place
    Rule(
        "spot-capacity", "AWS has no Spot capacity in these subnets now",
        f"{AGAIN_3} SPOT_FALLBACK=1, or make run CAPACITY=fargate", ELSEWHERE, PLACEMENT,
        reason=r"Capacity is unavailable", capacity="fargate-spot",
    ),
    Rule(
        "capacity", "AWS has no capacity in these subnets now",
        f"{AGAIN_3}, or in more subnets: {OTHER_SUBNETS}", ELSEWHERE, PLACEMENT,
        reason=r"Capacity is unavailable",
    ),
    Rule(
        "vcpu-quota", "the account already runs as many vCPUs or tasks as its quota allows",
        "{smallest}, or ask for more: aws service-quotas list-service-quotas "
        "--service-code fargate", AGAIN, (*PLACEMENT, EXCEPTION),
        reason=r"reached the limit on the number of (vCPUs|tasks)",
    ),
    Rule(
        "size-quota", "the account may not run a task of this size",
        "{usual}, or ask for more: aws service-quotas list-service-quotas "
        "--service-code fargate", NEVER, (*PLACEMENT, EXCEPTION),
        reason=r"requested (CPU|MEMORY) configuration is above your limit",
    ),
    Rule(
        "no-memory", "no instance of the cluster has enough free memory", MORE_INSTANCES,
        ELSEWHERE, PLACEMENT, reason=r"RESOURCE:MEMORY",
    ),
    Rule(
        "no-cpu", "no instance of the cluster has enough free CPU", MORE_INSTANCES,
        ELSEWHERE, PLACEMENT, reason=r"RESOURCE:CPU",
    ),
    Rule(
        "no-gpu", "no instance of the cluster has a free GPU, and Fargate has none at all",
        "{fewer_gpus}",
        NEVER, PLACEMENT,
        reason=r"RESOURCE:GPU",
    ),
    Rule(
        "no-interface", "no instance of the cluster has room for another network interface",
        MORE_INSTANCES, ELSEWHERE, PLACEMENT, reason=r"RESOURCE:ENI|unused device index",
    ),
    Rule(
        "no-resource", "no instance of the cluster has what the task asks for", MORE_INSTANCES,
        ELSEWHERE, PLACEMENT, reason=r"RESOURCE:",
    ),
    Rule(
        "agent", "the ECS agent of an instance is disconnected", AGAIN_3, AGAIN,
        PLACEMENT, reason=r"\bAGENT\b",
    ),
    Rule(
        "attribute", "no instance of the cluster has an attribute that the task definition requires",
        "make cluster ARCHITECTURE=… INSTANCE_TYPE=… as the image needs, then make push", NEVER,
        PLACEMENT, reason=r"\bATTRIBUTE\b",
    ),
    Rule(
        "inactive-instances", "the instances of the cluster take no tasks: they are draining, or their agents are disconnected",
        f"{AGAIN_3}, or {MORE_INSTANCES}", AGAIN, (*PLACEMENT, EXCEPTION), reason=r"(?i)NO ACTIVE INSTANCES",
    ),
    Rule(
        "no-instances", "the cluster has no instances, and nothing that would start one",
        "{start_instances}", NEVER, (*PLACEMENT, EXCEPTION),
        reason=r"(?i)no container instances|EMPTY CAPACITY PROVIDER",
    ),
    Rule(
        "location", "no instance of the cluster is in these subnets", OTHER_SUBNETS, ELSEWHERE,
        PLACEMENT, reason=r"\bLOCATION\b|MemberOf placement constraint unsatisfied",
    ),
    Rule(
        "missing", "something that the request names does not exist in this region",
        "make verify, which says what; make cluster, or REGION=… where it is", NEVER, (FAILURES,),
        reason=r"\bMISSING\b",
    ),
    Rule(
        "inactive", "the cluster or the instance was deleted", "make cluster, then make run",
        NEVER, (FAILURES,), reason=r"\bINACTIVE\b",
    ),
    # ---- secrets: every such text begins "unable to pull secrets or registry auth", pulls included
    Rule(
        "secret-denied",
        "the execution role may not read a secret, or an environment file, that the task definition names",
        "allow ExecutionRole to read it, in infrastructure.yaml, then make cluster",
        reason=rf"(?i){SECRETS}.*(accessdenied|not authorized|forbidden)|not authorized to perform: "
        r"(secretsmanager|ssm|kms)",
    ),
    Rule(
        "secret-missing", "a secret, or an environment file, that the task definition names does not exist",
        "correct its name in task-definition.json, then make register",
        reason=rf"(?i){SECRETS}.*(can't find|NotFound|NoSuchKey|ARN is correct|invalid parameters)"
        r"|invalid ssm parameters",
    ),
    Rule(
        "secret-deleted", "a secret that the task definition names is being deleted",
        "aws secretsmanager restore-secret --secret-id …, or name another one in task-definition.json, then make register",
        reason=r"(?i)marked (for deletion|deleted)|scheduled for deletion",
    ),
    Rule(
        "secret-json", "the task definition names a key of a secret's JSON, and the secret has none of that name",
        "correct valueFrom in task-definition.json, then make register; or make secret, for a secret without keys",
        reason=rf"(?i){SECRETS}.*(json key|looking for beginning of|after top-level value|JSON input)",
    ),
    Rule(
        "secrets-network", "the task cannot reach its secrets or environment files", ROUTE,
        reason=rf"(?i){SECRETS}.*(timeout|connection issue|deadline|canceled|no such host|connection refused)",
    ),
    # ---- the image cannot be pulled
    Rule(
        "platform", "the image was built for another processor than the task has ({platform})",
        "make push ARCHITECTURE=…, and the same in make run ARCHITECTURE=…",
        reason=r"(matching platform \W?|no matching manifest for |descriptor for platform \W?)(?P<platform>[\w/]+)",
    ),
    Rule(
        "exec-format", "the image was built for another processor than the task has",
        "make push ARCHITECTURE=…, and the same in make run ARCHITECTURE=…",
        reason=r"(?i)exec format error|no match for platform",
    ),
    Rule(
        "pull-denied", "the execution role may not pull the image", "make cluster, then make run",
        reason=r"(?i)(CannotPull|registry auth).*"
        r"(pull access denied|not authorized to perform: ecr|accessdenied|403 forbidden"
        r"|no basic auth|role has the permissions|401 unauthorized"
        r"|failed to fetch \w+ token(?!.*(dial tcp|timeout| 5\d\d )))",
    ),
    Rule(
        "pull-missing", "the image is not in the registry", "make push, then make run",
        reason=r"(?i)CannotPull.*(not found|manifest unknown|does not exist)",
    ),
    Rule(
        "pull-rate", "the registry refuses more pulls for a while",
        f"make push, then {AGAIN_3}", AGAIN, reason=r"(?i)toomanyrequests|pull rate limit",
    ),
    Rule(
        "pull-server", "the registry had a fault of its own", AGAIN_3, AGAIN,
        reason=r"(?i)CannotPull.*(\b5\d\d (internal server error|bad gateway|service unavailable|gateway time-?out)"
        r"|unexpected (http )?status( code)?:? \S*:? ?5\d\d\b|could not reach any registry endpoint)",
    ),
    Rule(
        "pull-panic", "pulling the image broke off; most often the task cannot reach S3, where the layers are stored", ROUTE,
        reason=r"CannotPull.*panic: ",
    ),
    Rule(
        "pull-no-route", "the task cannot reach the registry, or something on the way answers in its place", ROUTE,
        reason=r"(?i)CannotPull.*(waiting for connection|context canceled|no route to host"
        r"|no such host|network is unreachable|network configuration|connection refused|x509: )",
    ),
    Rule(
        "pull-timeout", "pulling the image was cut off on the way",
        f"{AGAIN_3}; if that does not help, the task cannot reach the registry: {ROUTE}", AGAIN,
        reason=r"CannotPull.*(i/o timeout|\bEOF\b|invalid argument|connection reset"
        r"|TLS handshake timeout|deadline exceeded|httpReade?r?Seeker|error pulling image conf|failed precondition)",
    ),
    Rule(
        "pull", "the image cannot be pulled", "make push", reason=r"CannotPull",
    ),
    # ---- what the task needs before its container starts
    Rule(
        "log-group", "the log group that the task writes to does not exist",
        "make verify, which says how to bring it back",
        reason=r"(?i)log group does not exist|logs?.*ResourceNotFound",
    ),
    Rule(
        "log-denied", "the execution role may not write to the log group", "make cluster",
        reason=r"(?i)not authorized to perform: logs|logger args.*accessdenied",
    ),
    Rule(
        "log-network", "the task cannot reach CloudWatch Logs", ROUTE,
        reason=r"(?i)(logger args|logging driver|cloudwatch).*"
        r"(timeout|connection issue|killed|deadline|no such host|RequestError)",
    ),
    Rule(
        "log-driver", "the log driver of task-definition.json lacks an option, or does not know one",
        "correct logConfiguration in task-definition.json, then make register",
        reason=r"log ?driver arguments|unknown log opt",
    ),
    Rule(
        "registry-network", "the task cannot reach ECR to log in", ROUTE,
        reason=r"(?i)registry auth.*(timeout|connection issue|deadline|canceled|killed"
        r"|no such host|connection refused)",
    ),
    Rule(
        "interface-quota", "the account has as many network interfaces as its quota allows",
        f"{AGAIN_3}, or ask for more: aws service-quotas list-service-quotas --service-code vpc", AGAIN,
        reason=r"NetworkInterfaceLimitExceeded",
    ),
    Rule(
        "interface-auth", "EC2 refused the task's network interface for a moment",
        AGAIN_3, AGAIN, reason=r"Create Network Interface.*AuthFailure",
    ),
    Rule(
        "no-addresses", "the subnet has no free address left", OTHER_SUBNETS, ELSEWHERE,
        reason=r"InsufficientFreeAddresses|public IP assignment enabled in subnet",
    ),
    Rule(
        "interface-timeout", "the task's network interface could not be made ready this time",
        AGAIN_3, AGAIN,
        reason=r"(?i)timeout wait\w* for network interface|Network interface provision|ContainerNetworkingError"
        r"|failed to configure ENI|attach network interface to instance",
    ),
    Rule(
        "interface", "EC2 could not make the task's network interface", OTHER_SUBNETS, ELSEWHERE,
        reason=r"Create Network Interface",
    ),
    Rule(
        "storage-timeout", "the task's disk was not ready in time", AGAIN_3, AGAIN,
        reason=r"(?i)timeout waiting for EphemeralStorage|volume attachment.*timeout",
    ),
    Rule(
        "runtime-timeout", "the container engine did not answer in time", AGAIN_3,
        AGAIN, reason=r"(Docker|ContainerRuntime)(Timeout)?(Timeout)?Error|CannotInspectContainer"
        r"|CannotStart.*(timed out|: timeout)",
    ),
    Rule(
        "internal", "ECS had an internal error", AGAIN_3, AGAIN,
        reason=r"InternalError|Internal server error",
    ),
    Rule(
        "strategy", "the task definition is made for other capacity than the cluster has",
        "make cluster, then make register, both with the same CAPACITY=fargate",
        reason=r"not compatible with the selected compute strategy",
    ),
    Rule(
        "role", "ECS may not assume the role {role}; a new one takes a minute to be known",
        f"{AGAIN_3}; if that does not help, make verify: TASK_ROLE=… must trust ecs-tasks.amazonaws.com", AGAIN,
        (TASK, EXCEPTION), reason=r"unable to assume (the )?role '?(?P<role>[^'\s]*)",
    ),
    # ---- the container cannot be made or started
    Rule(
        "exec-format-log", "the image was built for another processor than the task has",
        "make push ARCHITECTURE=…, and the same in make run ARCHITECTURE=…",
        log=r"(?i)exec .*: exec format error",
    ),
    Rule(
        "no-driver", "the instance has no driver for GPUs", "make cluster CAPACITY={with_gpu}, whose instances have one",
        reason=r"Runtime is not set for GPU|(?i:unknown runtime specified)|load library failed: lib(nvidia|cuda)",
    ),
    Rule(
        "cuda", "the image needs {condition}, and the driver of the instance is older",
        "make push with a base image for an older CUDA",
        reason=r"unsatisfied condition: (?P<condition>[^,:]+)",
    ),
    Rule(
        "device", "the instance has no device {device}",
        "correct linuxParameters in task-definition.json, then make register",
        reason=r"gathering device information.*?\"(?P<device>[^\"]+)\"",
    ),
    Rule(
        "volume-cut", "the connection to the file system of a volume was cut off", AGAIN_3, AGAIN,
        reason=r"(?i)(EFS|mount\.nfs).*connection reset by peer",
    ),
    Rule(
        "volume-network", "the network blocks the task from the file system of a volume",
        "let the stack's security group into the file system's own (port 2049), then make run",
        reason=r"mount\.nfs.*timed out",
    ),
    Rule(
        "volume", "a volume of the task definition cannot be mounted",
        "correct volumes in task-definition.json, then make register",
        reason=r"CannotCreateVolumeError|EFS utils|mount\.nfs|error (while )?mounting",
    ),
    Rule(
        "no-program", "the container's entry point is not in the image",
        "make local, which shows the same here; fix the Dockerfile, then make push",
        reason=r"(?i)(CannotStart|CannotCreate|OCI runtime|\bexec:).*"
        r"(executable file not found|no such file or directory)",
    ),
    Rule(
        "not-executable", "the container's entry point may not be executed",
        "make local, which shows the same here; fix the Dockerfile, then make push",
        reason=r"(?i)(CannotStart|CannotCreate|OCI runtime|\bexec:).*permission denied",
    ),
    Rule(
        "create", "the container engine could not make the container",
        f"make local, which shows whether the image is at fault; then {AGAIN_3}", AGAIN,
        reason=r"CannotCreateContainerError",
    ),
    Rule(
        "start", "the container engine could not start the container",
        "make local, which shows whether the image is at fault",
        reason=r"CannotStartContainerError",
    ),
    Rule(
        "stop", "the container engine could not stop the container", AGAIN_3, AGAIN,
        reason=r"CannotStopContainerError|TaskStateError",
    ),
    Rule(
        "initialization", "ECS could not prepare what the task needs", "make verify, then make status",
        reason=r"ResourceInitializationError",
    ),
    Rule(
        "other-container", "the task has no container named train",
        "name it train in task-definition.json, then make register",
        reason=r"^no container is named",
    ),
    Rule(
        "not-stopped", "the task has not ended yet", "make attach RUN=…",
        reason=r"^the task is [A-Z]+$",
    ),
    Rule(
        "not-started", "the task failed to start: {reason}", "make status",
        stop="TaskFailedToStart",
    ),
    # ---- the program's own end
    *(
        Rule(
            name, "processes that share memory ran out of it",
            "make run ARGS=… with fewer of them (num_workers=0 in PyTorch)", exit_code=code, log=pattern,
        )
        for name, code, pattern in (
            ("shared-memory", OWN, r"out of shared memory|unable to write to file </torch"), ("bus", 135, ""),
        )
    ),
    Rule(
        "log-disk", "the task's disk is full", "{disk}",
        log=r"(?i)no space left on device",
    ),
    Rule(
        "gpu-memory", "the GPU has too little memory",
        "make run ARGS=… with smaller batches, or a smaller max_bin; or make cluster CAPACITY=gpu INSTANCE_TYPE=…, whose "
        "GPU has more", log=r"CUDA out of memory|cudaErrorMemoryAllocation|CUBLAS_STATUS_ALLOC_FAILED",
    ),
    Rule(
        "no-cuda", "the script asks for a GPU, and its container has none",
        "make cluster CAPACITY={with_gpu}, then make run CAPACITY={with_gpu}", exit_code=OWN,
        log=r"no CUDA-capable device|Found no NVIDIA driver|No CUDA GPUs are available|CUDA driver version is insufficient",
    ),
    Rule(
        "log-memory", "the program could not get the memory it asked for", "{larger}",
        log=r"(?m)^(MemoryError|.*(std::bad_alloc|Cannot allocate memory|Arr(ay|ow)MemoryError)"
        r"|memory allocation of \d+ bytes failed|.*TerminatedWorkerError.*SIGKILL)",
    ),
    Rule(
        "log-access", "the task role may not access something in AWS that the program asks for",
        "make data and DATA=data/…, or make run TASK_ROLE=… that may",
        log=r"AccessDenied|ACCESS_DENIED|Access Denied",
    ),
    Rule(
        "script", "the image has no such script",
        "make push if it is new, then make run SCRIPT=train.py", exit_code=2,
        log=r"can't open file|error: there is no script",
    ),
    # ---- the launcher's own exit statuses (contract.py)
    Rule(
        "staging-refused", "the data is not available: {said}",
        "make data, or DATA=… as the message says, then make run", exit_code=contract.STAGING_REFUSED,
    ),
    Rule(
        "staging-failed", "the data could not be fetched this time: {said}", AGAIN_3, AGAIN,
        exit_code=contract.STAGING_FAILED,
    ),
    Rule(
        "publishing-failed", "the script ended well, and what it wrote could not be saved: {said}",
        AGAIN_3, RESUME, exit_code=contract.PUBLISHING_FAILED,
    ),
    Rule(
        "script-memory", "the script needed more memory than the task has", "{larger}",
        exit_code=contract.OUT_OF_MEMORY,
    ),
    *(
        Rule(
            name, "the script writes where it may only read: {path}",
            "make push and make run, once it writes below its working folder, to SM_MODEL_DIR or to /tmp "
            "(docs/scripts.md)", exit_code=OWN, log=pattern,
        )
        for name, pattern in (("outside", UNWRITABLE), ("outside-others", UNWRITABLE_OTHERS))
    ),
    Rule(
        "unnamed-data", "the script found no {path}: only what DATA names is there",
        'make data, then make run DATA="train=data/train.csv more={quoted}"', exit_code=OWN, log=ABSENT,
    ),
    Rule(
        "moved", "{module}.py is now training/library/{module}.py",
        "import training.library.{module} in your script, then make push",
        exit_code=1, log=r"ModuleNotFoundError: No module named '(?P<module>batches|hyperparameters|matrices|resume)'",
    ),
    Rule(
        "module", "the image lacks the Python package {module}",
        "make add PACKAGE={package} (or the name of the package that has it), then make push",
        exit_code=1, log=r"ModuleNotFoundError: No module named '(?P<module>\w+)",
    ),
    Rule(
        "library", "the image lacks the shared library {library}",
        "write the Debian package that has it into packages.txt (libgomp1 has libgomp.so.1), then make push",
        exit_code=1, log=r"(?P<library>lib[\w.+-]+\.so[\w.]*): cannot open shared object file",
    ),
    Rule(
        "bug", "the program ended with an error of its own: {said}",
        "make train with the same ARGS=…, which shows it here; then make push", exit_code=1,
    ),
    Rule(
        "usage", "the arguments or the data are wrong: {said}",
        'make data if the data has changed, or make train ARGS="--help"', exit_code=2,
    ),
    Rule(
        "cannot-execute", "the container's command may not be executed",
        "make local, which shows the same here; fix the Dockerfile, then make push",
        exit_code=126,
    ),
    Rule(
        "not-found", "the container's command is not in the image",
        "make local, which shows the same here; fix the Dockerfile, then make push",
        exit_code=127,
    ),
    Rule("interrupt", "the program was interrupted (SIGINT)", "make run", exit_code=130),
    Rule(
        "abort", "compiled code gave up (SIGABRT): {said}",
        "make local with the same ARGS=…, which shows it here", exit_code=134,
    ),
    Rule(
        "killed", "the container was killed (SIGKILL), most often because it ran out of memory",
        "{larger}", exit_code=137,
    ),
    *(
        Rule(
            name, cause, "make local with the same ARGS=…, which shows it here; make lock takes newer packages",
            exit_code=code,
        )
        for name, code, cause in (
            ("illegal", 132, "compiled code uses an instruction that the processor lacks (SIGILL)"),
            ("arithmetic", 136, "compiled code divided by zero (SIGFPE)"),
            ("segfault", 139, "compiled code read memory that is not its own (SIGSEGV)"),
        )
    ),
    Rule(
        "terminated-program", "the program was told to end (SIGTERM) and saved what it had",
        AGAIN_3, RESUME, exit_code=143,
    ),
    Rule(
        "unknown-stop-code",
        "ECS gives the stop code {stop}, unknown to this project, so exit code 0 does not count as success",
        "make logs, then make status", exit_code=0,
    ),
    Rule("exit-code", "the container's exit code is {code}: {said}", "make logs", exit_code=ANY),
    Rule(
        "no-exit-code", "ECS reports no exit code, so nothing says that the container succeeded",
        "make logs, then make run", stop="EssentialContainerExited",
    ),
    Rule(
        "lost", "ECS no longer knows the task, and no result was recorded",
        "make logs, then make run", NEVER, (LOST,),
    ),
    # ---- RunTask refused
    Rule(
        "throttled-code", "AWS is getting too many requests at the moment", AGAIN_3, AGAIN,
        (EXCEPTION,), error=r"Throttl\w*|TooManyRequests\w*|RequestLimitExceeded|SlowDown|429",
    ),
    Rule(
        "pass-role", "this identity may not hand the task's roles to ECS (iam:PassRole)",
        "ask an administrator to allow iam:PassRole on both roles of the stack; to see who you are: "
        "aws sts get-caller-identity", NEVER,
        (EXCEPTION,), reason=r"not authorized to perform: iam:PassRole",
    ),
    Rule(
        "clock", "this machine's clock is wrong, and AWS refuses its signature",
        "set the clock (timedatectl set-ntp true), then make run", NEVER, (EXCEPTION,),
        reason=r"Signature (expired|not yet current)|difference between the request time and the current time",
    ),
    Rule(
        "config", "the AWS settings of this machine contradict each other, or cannot be read",
        "correct ~/.aws/config, or the variable that AWS names, then make run", NEVER, (EXCEPTION,),
        reason=r"Infinite loop in credential|sso-session does not exist"
        r"|missing required configuration|is inconsistent between|Credential named|from custom-process"
        r"|(Unsupported|Invalid) configuration value|Invalid value provided to|must be an integer greater",
    ),
    Rule(
        "mfa", "AWS accepts each MFA code once, and only while the device shows it",
        "make run, with the next code", NEVER, (EXCEPTION,),
        reason=r"MultiFactorAuthentication failed|MFA token required",
    ),
    Rule(
        "expired", "the AWS credentials have expired", LOGIN, NEVER, (EXCEPTION,),
        reason=r"(?i)(token|session|credentials?)\b.*(has|have|is|was|are) expired|token included "
        r"in the request is expired|refresh failed|error loading (sso|login session) token|reauthenticate|session token not found",
    ),
    Rule(
        "expired-code", "the AWS credentials have expired", LOGIN, NEVER, (EXCEPTION,),
        error=r"ExpiredToken\w*|RequestExpired|TokenRefreshRequired|UnauthorizedException|TokenRetrievalError"
        r"|UnauthorizedSSOTokenError",
    ),
    Rule(
        "profile", "there is no AWS profile {profile} on this machine",
        "aws configure list-profiles, then make run with AWS_PROFILE set to one of them", NEVER, (EXCEPTION,),
        reason=r"(?i)config profile \(?(?P<profile>[^)]*?)\)? could not be found",
    ),
    Rule(
        "proxy", "the proxy {url} cannot be reached",
        "echo $HTTPS_PROXY, set it right or unset it, then make run", NEVER, (EXCEPTION,),
        reason=r"(?i)failed to connect to proxy url: \"?(?P<url>[^\"\s]+)",
    ),
    Rule(
        "config-file", "the AWS configuration file {file} cannot be read", "correct {file}, then make run", NEVER,
        (EXCEPTION,), reason=r"(Unable to parse config file: |The specified config file \()(?P<file>[^)]+)",
    ),
    Rule(
        "page", "what answered is not AWS, but perhaps a proxy",
        "echo $HTTPS_PROXY $NO_PROXY, set them right or unset them, then make run", NEVER, (EXCEPTION,),
        reason=r"(?i)unable to parse response|proxy authentication required",
    ),
    Rule(
        "no-credentials", "no AWS credentials could be loaded on this machine",
        "aws configure, or without an account: make rehearse", NEVER, (EXCEPTION,),
        reason=r"(?i)unable to locate credentials|partial credentials|retrieving credentials from"
        r"|must have credentials",
    ),
    Rule(
        "bad-credentials", "AWS does not know these credentials", LOGIN, NEVER, (EXCEPTION,),
        error=r"UnrecognizedClientException|InvalidClientTokenId|InvalidSignatureException"
        r"|SignatureDoesNotMatch|InvalidAccessKeyId|InvalidToken|InvalidIdentityToken\w*|AuthFailure"
        r"|MissingAuthenticationToken\w*|IncompleteSignature\w*",
    ),
    Rule(
        "denied", "this identity may not do {action}",
        "ask an administrator to allow it; to see who you are: aws sts get-caller-identity", NEVER,
        (EXCEPTION,), reason=r"not authorized to perform: (?P<action>[\w:*]+)",
    ),
    Rule(
        "denied-code", "this identity may not run tasks",
        "ask an administrator to allow it; to see who you are: aws sts get-caller-identity", NEVER,
        (EXCEPTION,), error=r"AccessDenied\w*|UnauthorizedOperation|ForbiddenException|403",
    ),
    Rule(
        "opt-in", "this region is not enabled in the account, or the account has not finished signing up",
        "make run REGION=us-east-1, or enable the region in the console", NEVER, (EXCEPTION,),
        error=r"OptInRequired|SubscriptionRequired\w*",
    ),
    Rule(
        "no-region", "no AWS region is chosen, or none of that name", "make run REGION=us-east-1", NEVER, (EXCEPTION,),
        reason=r"(?i)must specify a region|invalid endpoint|unknown region|region_name .* match a supported format"
        r"|unable to construct an endpoint",
    ),
    Rule(
        "endpoint", "nothing answers at {url}: the region is misspelt, or there is no network",
        "make run REGION=us-east-1", NEVER, (EXCEPTION,),
        reason=r"Could not connect to the endpoint URL: \"?(?P<url>[^\"\s]+)",
    ),
    Rule(
        "certificate", "this machine does not trust the certificate that AWS, or a proxy, presents",
        "set AWS_CA_BUNDLE to the file of the proxy's certificates, then make run", NEVER,
        (EXCEPTION,), reason=r"SSL validation failed|CERTIFICATE_VERIFY_FAILED",
    ),
    Rule(
        "connection", "the connection to AWS was cut off", AGAIN_3, AGAIN,
        (EXCEPTION,),
        reason=r"(?i)(connect|read) timeout on endpoint|connection (reset|aborted|was closed)"
        r"|HTTP client (raised|failed)|reading from response stream|read, but total bytes expected",
    ),
    Rule(
        "cluster-inactive", "the cluster was deleted", "make cluster, then make run", NEVER,
        (EXCEPTION,), reason=r"(?i)cluster (was|is) inactive",
    ),
    Rule(
        "cluster", "there is no such cluster in this region",
        "make cluster, or make run REGION=… where it is", NEVER, (EXCEPTION,),
        error=r"ClusterNotFoundException",
    ),
    Rule(
        "definition", "there is no such task definition in this region",
        "make register, then make run", NEVER, (EXCEPTION,),
        reason=r"(?i)TaskDefinition (is|was)?\s?(not found|inactive|does not exist)|Unable to "
        r"describe task definition",
    ),
    Rule(
        "size", "Fargate has no task of this size",
        "{usual}", NEVER, (EXCEPTION, TASK),
        reason=r"No Fargate configuration exists|(?i:invalid (cpu|memory)|invalid '(cpu|memory)')",
    ),
    Rule(
        "disk-size", "Fargate has disks of 21 to 200 GiB", "{disk}", NEVER, (EXCEPTION,),
        reason=r"(?i)ephemeral ?storage",
    ),
    Rule(
        "overrides", "ARGS and ENV together are longer than the 8192 characters that ECS takes",
        "put long values into a file below data/, then make data, and name it in ARGS=…", NEVER,
        (EXCEPTION,), reason=r"(?i)overrides length must be at most",
    ),
    Rule(
        "override-name", "the task definition has no container named train",
        "name it train in task-definition.json, then make register", NEVER, (EXCEPTION,),
        reason=r"(?i)override for container named",
    ),
    Rule(
        "provisioning", "the cluster has as many tasks waiting for instances as it allows", AGAIN_3, AGAIN, (EXCEPTION,),
        reason=r"(?i)provisioning capacity limit exceeded",
    ),
    Rule(
        "provider", "the cluster is not attached to the capacity that CAPACITY names",
        "make verify with the same CAPACITY=…, which says how to attach it", NEVER, (EXCEPTION,),
        reason=r"(?i)capacity provider",
    ),
    Rule(
        "subnet", "a subnet of SUBNETS does not exist in this region", OTHER_SUBNETS, NEVER,
        (EXCEPTION, FAILURES), reason=r"(?i)InvalidSubnetID|subnet ID .* does not exist",
    ),
    Rule(
        "security-group", "the stack's security group does not exist any more", "make cluster",
        NEVER, (EXCEPTION, FAILURES), reason=r"(?i)InvalidGroup|security group .* does not exist",
    ),
    Rule(
        "network-missing", "the task definition and CAPACITY do not agree about the network",
        "make register, then make run, both with the same CAPACITY=…", NEVER, (EXCEPTION,),
        reason=r"(?i)network configuration",
    ),
    Rule(
        "service-role", "the account lacks the role that ECS itself uses",
        "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com, then make run",
        AGAIN, (EXCEPTION,), reason=r"(?i)service.linked role",
    ),
    Rule(
        "platform-version", "Fargate's platform cannot run this task definition",
        "correct task-definition.json, then make register", NEVER, (EXCEPTION,),
        error=r"Platform(Unknown|TaskDefinitionIncompatibility)Exception",
    ),
    Rule(
        "feature", "this region lacks what the task definition asks for",
        "make run REGION=… where it is; or correct task-definition.json, then make register", NEVER, (EXCEPTION,),
        error=r"UnsupportedFeatureException",
    ),
    Rule(
        "blocked", "AWS has blocked this account, or not opened it for this service yet",
        "ask AWS support in the console, then make run",
        NEVER, (EXCEPTION,), error=r"BlockedException|PendingVerification",
    ),
    Rule(
        "conflict", "another request was sent under this run's id", "make runs, then make run",
        NEVER, (EXCEPTION,), error=r"ConflictException",
    ),
    Rule(
        "server", "ECS itself had a fault", AGAIN_3, AGAIN, (EXCEPTION,),
        error=r"ServerException|Internal(Failure|Error|ServerError|ServerException)|ServiceUnavailable\w*"
        r"|RequestTimeout\w*|IDPCommunicationError|50\d",
    ),
    Rule(
        "refused", "ECS refused the request: {reason}", "make run DRY_RUN=1",
        NEVER, (EXCEPTION,), error=r"(Invalid\w*|Client|Validation)Exception|ParamValidationError",
    ),
)  # fmt: skip


# The remedies when no rule holds; the cause is then AWS's own words.
UNKNOWN = {
    FAILURES: "make run",
    EXCEPTION: "make run DRY_RUN=1",
    TASK: "make logs, then make status",
    LOST: "make logs, then make run",
}
