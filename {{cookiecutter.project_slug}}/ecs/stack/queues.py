"""What IAM must allow for AWS Batch: to those who submit jobs, and to those who make the queues. Pure."""

from ecs.stack.statements import Names, allow


def jobs(names: Names) -> list[dict]:
    """Return what `make submit` and `make sweep` need."""
    definitions = [
        names.arn("batch", f"job-definition/{names.settings.project}{end}") for end in ("", ":*")
    ]
    tagged = {"StringEquals": {"aws:RequestTag/project": names.settings.project}}
    return [
        allow("Definitions", "batch", "RegisterJobDefinition", *definitions),
        allow("Submit", "batch", "SubmitJob", names.arn("batch", f"job-queue/{names.settings.project}-*"), *definitions),
        allow("TagJobs", "batch", "TagResource", names.arn("batch", "job/*"), *definitions, **tagged),
        ending(names),
        allow("FindJobs", "batch", "DescribeJobDefinitions DescribeJobs ListJobs", "*"),
    ]  # fmt: skip


def ending(names: Names) -> dict:
    """Return what ends jobs, whose ids are AWS's: a tag says whose they are."""
    tagged = {"StringEquals": {"aws:ResourceTag/project": names.settings.project}}
    return allow("EndJobs", "batch", "TerminateJob", names.arn("batch", "job/*"), **tagged)


def queues(names: Names) -> list[dict]:
    """Return what the queues and their compute environments need, and what ends the jobs in them."""
    kinds = ("compute-environment", "job-queue")
    return [
        allow(
            "Queues", "batch",
            "CreateComputeEnvironment CreateJobQueue DeleteComputeEnvironment DeleteJobQueue "
            "ListTagsForResource TagResource UpdateComputeEnvironment UpdateJobQueue",
            *(names.arn("batch", f"{kind}/{names.settings.project}-*") for kind in kinds),
        ),
        ending(names),
        allow("EndDefinitions", "batch", "DeregisterJobDefinition", names.arn("batch", f"job-definition/{names.settings.project}:*")),
        allow("FindQueues", "batch", "DescribeComputeEnvironments DescribeJobDefinitions DescribeJobQueues ListJobs", "*"),
    ]  # fmt: skip
