"""What the launcher in the container and the program on the laptop agree on.

The same file stands in job/ and in ecs/, which never import each other; a test compares the two.
"""

# Variables of the container's that a run request sets.
RUN_ID, RUN_URI, ATTEMPT = "RUN_ID", "RUN_URI", "RUN_ATTEMPT"
CHANNELS = "RUN_CHANNELS"  # JSON: {name: {"uri": …, "path": where it lies in the working folder}}
RESULT = "RUN_RESULT"  # td://database/table to which PREDICTIONS is appended
STOP_SECONDS = "STOP_SECONDS"  # between SIGTERM and SIGKILL
PROJECT_URI, ARGV_URI, SCHEDULE = "PROJECT_URI", "ARGV_URI", "RUN_SCHEDULE"
REVISION = "GIT_REVISION"
VARIABLES = (
    RUN_ID, RUN_URI, ATTEMPT, CHANNELS, RESULT, STOP_SECONDS, PROJECT_URI, ARGV_URI, SCHEDULE, REVISION,
)  # fmt: skip

# Files of a run, below RUN_URI. No script may have a file of these names there.
RUN, OUTCOME, ARGV, MANIFEST = "run.json", "result.json", "argv.json", "manifest.json"
RESERVED = (RUN, OUTCOME, ARGV, MANIFEST)
METRICS, PREDICTIONS, CHECKPOINTS = "metrics.json", "predictions.csv", "checkpoints/"
# infrastructure.yaml lets objects with this tag expire
CHECKPOINT_TAG = "kind=checkpoint"

# Exit statuses of the launcher's own; a script that ends with one of them is reported as 1.
STAGING_REFUSED = 81  # the data is not available: no such file, no permission, no such address
STAGING_FAILED = 82  # the data could not be fetched this time: network, throttling
PUBLISHING_FAILED = 83  # the script ended well, and what it wrote could not be saved
OUT_OF_MEMORY = 84  # the kernel ended the script, which needed more memory than the task has
STATUSES = (STAGING_REFUSED, STAGING_FAILED, PUBLISHING_FAILED, OUT_OF_MEMORY)


def end_mark(run: str) -> str:
    """Return the last line of a run's log, by which a follower knows that nothing is missing."""
    return f"[end of run {run}]"
