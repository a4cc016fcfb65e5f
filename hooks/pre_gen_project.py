"""Refuse answers that AWS, Docker or Python would refuse later, before anything is written.

Answers arrive as JSON strings (``tojson``), so that whatever they contain is data here, never code.
The rules are those of the services' own documentation: CloudFormation stack names, ECR repository
names, S3 bucket names (the bucket is SLUG-ACCOUNT-REGION), IAM role names (SLUG-LOGICAL_ID-RANDOM), and
PyPA's names for projects.
"""

import json
import re
import sys

# raw string: `tojson` escapes with backslashes that JSON, not Python, must read
ANSWERS = json.loads(r"""{{ cookiecutter | tojson }}""")

WITH_GPU = {"gpu", "managed-gpu"}
BUCKET_LIMIT = 63
ACCOUNT_ID_LENGTH = 12
# Beyond that CloudFormation shortens the slug in a role's name, and the policies that `make cluster-policy`
# prints, which name roles by it, match nothing.
ROLE_LIMIT, LONGEST_ROLE, RANDOM_LENGTH = 64, len("InfrastructureRole"), 12
# A project that bears the name of something it installs cannot be locked.
TAKEN_NAMES = {
    "awscli", "boto3", "botocore", "cfn-lint", "numpy", "packaging", "pyarrow", "pytest", "rich", "ruff",
    "scikit-learn", "scipy", "skops", "uv", "xgboost", "xgboost-cpu",
}  # fmt: skip


def suggestion(slug: str, longest: int) -> str:
    """Return the nearest slug that is accepted."""
    words = re.sub(r"[^a-z0-9]+", "-", slug.lower()).lstrip("-0123456789").rstrip("-")
    if words and (len(words) < 3 or kept(words)):
        words = f"my-{words}"
    return words[:longest].rstrip("-") or "my-model"


def kept(slug: str) -> str | None:
    """Return whose name it is already, if it is somebody's."""
    if slug.startswith(("xn--", "sthree-", "amzn-", "aws-")) or slug == "aws":
        return "AWS keeps names that start like this for itself"
    if slug in TAKEN_NAMES:
        return "a package of that name is installed in the project"
    return None


def slug_error(slug: str, region: str) -> str | None:
    """Return what is wrong with the slug, which rule, and what to type instead; or None."""
    in_bucket = BUCKET_LIMIT - ACCOUNT_ID_LENGTH - len(region) - 2
    longest = min(in_bucket, ROLE_LIMIT - LONGEST_ROLE - RANDOM_LENGTH - 2)
    where = f"the bucket's name ({BUCKET_LIMIT} in all)"
    if longest < in_bucket:
        where = f"the names of its IAM roles ({ROLE_LIMIT} in all)"
    instead = f"try {suggestion(slug, longest)!r}"
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", slug):
        return (
            f"project_slug {slug!r}: use lower-case letters, digits and single hyphens, first a "
            f"letter, last no hyphen (CloudFormation, ECR and S3 demand it); {instead}"
        )
    if kept(slug):
        return f"project_slug {slug!r}: {kept(slug)}; {instead}"
    if len(slug) < 3:
        return f"project_slug {slug!r}: three characters at least; {instead}"
    if len(slug) > longest:
        return (
            f"project_slug {slug!r} has {len(slug)} characters; with region {region} at most "
            f"{longest} fit into {where}; {instead}"
        )
    return None


def answer_errors(answers: dict[str, str]) -> list[str]:
    """Return one sentence for each answer that some service would refuse."""
    errors = []
    name, region = answers["project_name"], answers["aws_region"]
    if not name.strip() or len(name) > 80 or not name.isprintable():
        errors.append(
            f"project_name {name!r}: one line of 1 to 80 printable characters; try 'Churn Model'"
        )
    if not re.fullmatch(r"[a-z]{2,4}(-[a-z]{2,12}){1,2}-[1-9]", region):
        errors.append(f"aws_region {region!r}: not the form of a region; try 'eu-west-1'")
    elif region.startswith("cn-"):
        errors.append(
            f"aws_region {region!r}: AWS in China has other addresses and service names, which this template "
            "does not know; try 'eu-west-1'"
        )
    compute, framework = answers["compute"], answers["framework"]
    if compute in WITH_GPU and framework != "xgboost":
        errors.append(f"compute {compute!r}: {framework} computes on no GPU; try 'ec2'")
    elif compute in WITH_GPU and (architecture := answers["cpu_architecture"]) != "x86_64":
        errors.append(
            f"cpu_architecture {architecture!r}: with compute {compute} there are machine images "
            "for x86_64 only; try 'x86_64'"
        )
    slug = answers["project_slug"]
    if not compute.startswith("fargate") and slug.startswith(("aws", "ecs", "fargate")):
        errors.append(
            f"project_slug {slug!r}: with compute {compute} ECS refuses names that start like this; "
            f"try {'my-' + slug!r}"
        )
    problem = slug_error(answers["project_slug"], region)
    return errors + [problem] if problem else errors


if __name__ == "__main__":
    found = answer_errors(ANSWERS)
    for error in found:
        print(f"error: {error}", file=sys.stderr)
    sys.exit(1 if found else 0)
