"""The project's bucket: whose it is, and the mark on it. It outlives the stack: KEEP_DATA=1.

A bucket's name is known beforehand and anybody may take it, in this account or another. So each call
names the owner, and a bucket without the project's mark is not used, emptied or deleted.
"""

from collections.abc import Iterable, Mapping

from ecs.aws import TakenError, client
from ecs.console import note
from ecs.errors import UserError
from ecs.parse import whole_number
from ecs.settings import Settings
from ecs.stack import mark

RUNS = "runs"  # the rule by which runs expire, of the same name in infrastructure.yaml


def kept(settings: Settings) -> tuple[str, str]:
    """Return the name of the bucket that the account has under the project's name, and the account.

    The name is "" where there is none.

    Raises:
        TakenError: another account has it, or S3 does not tell.
    """
    from botocore.exceptions import ClientError

    account = client(settings, "sts").get_caller_identity()["Account"]
    name = f"{settings.project}-{account}-{settings.region}"
    try:
        client(settings, "s3").head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        code = error.response["Error"]["Code"]  # of HEAD, a number
        if code in ("301", "403"):
            raise TakenError(name, account) from error
        if code != "404":
            raise
        return "", account
    return name, account


def tags(settings: Settings, name: str, account: str) -> dict[str, str]:
    """Return the tags of a bucket of this account."""
    from botocore.exceptions import ClientError

    try:
        answer = client(settings, "s3").get_bucket_tagging(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchTagSet":
            raise
        return {}
    return mark.tags_of(answer["TagSet"])


def add_mark(settings: Settings, name: str, account: str, found: Mapping[str, str]) -> None:
    """Add the project's tags to those that were ``found`` on the bucket, unless they are there.

    S3 replaces the whole set, and refuses one that lacks the tags that CloudFormation gave.
    """
    if mark.ours(found):
        return
    added = mark.tags_of(mark.tags(settings))
    client(settings, "s3").put_bucket_tagging(
        Bucket=name,
        ExpectedBucketOwner=account,
        Tagging={
            "TagSet": [{"Key": key, "Value": value} for key, value in {**found, **added}.items()]
        },
    )


def check(settings: Settings, name: str, found: Mapping[str, str]) -> None:
    """Return if the bucket with the tags ``found`` is the project's.

    Raises:
        UserError: it is not, or not yet.
    """
    before = mark.unmarked(settings, found)
    if before or mark.TAG in found:
        mark.check(f"the bucket {name}", found, before)
        return
    raise UserError(
        f"the bucket {name} was not made by this project and stays as it is; change PROJECT in the "
        "Makefile, or, if what it holds is this project's, type: aws s3api put-bucket-tagging "
        f"--bucket {name} --tagging 'TagSet=[{{Key={mark.TAG},Value={mark.needed()}}}]'"
    )


def adopt(settings: Settings, agreed: bool) -> None:
    """Put the project's id on its bucket, if there is one, after asking (``agreed``: already).

    Raises:
        UserError: the bucket of that name is somebody else's, or the user does not agree.
    """
    name, account = kept(settings)
    if not name:
        return
    found = tags(settings, name, account)
    if not mark.unmarked(settings, found):
        check(settings, name, found)
    elif not agreed:
        agree(settings, f"the bucket {name}")
    add_mark(settings, name, account, found)


def expire_runs(settings: Settings) -> None:
    """Give the bucket that KEEP_DATA=1 left, of which no stack takes care, the rule for RUN_DAYS.

    The other rules stay. S3 replaces all of them at once.

    Raises:
        UserError: RUN_DAYS is not a number of days.
    """
    from botocore.exceptions import ClientError

    days = whole_number("RUN_DAYS", settings.run_days, 0, 36500, "days, or 0 for ever")
    name, account = kept(settings)
    if not name:
        return
    s3, owned = client(settings, "s3"), {"Bucket": name, "ExpectedBucketOwner": account}
    try:
        before = s3.get_bucket_lifecycle_configuration(**owned)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        before = []
    rules = [each for each in before if each.get("ID") != RUNS]
    if days:
        rule = {"ID": RUNS, "Status": "Enabled", "Expiration": {"Days": days}}
        rules.append({**rule, "Filter": {"Prefix": f"{settings.project}/runs/"}})
    if by_id(rules) == by_id(before):
        return
    if rules:
        s3.put_bucket_lifecycle_configuration(**owned, LifecycleConfiguration={"Rules": rules})
    else:
        s3.delete_bucket_lifecycle(**owned)
    note(f"s3://{name}: runs are kept {f'{days} days' if days else 'for ever'}")


def by_id(rules: Iterable[Mapping]) -> list[Mapping]:
    """Return rules in an order that does not depend on S3's."""
    return sorted(rules, key=lambda each: each.get("ID", ""))


def agree(settings: Settings, what: str) -> None:
    """Ask whether ``what`` is to become this project's.

    Raises:
        UserError: it is not, or nobody can be asked.
    """
    note(f"{what} has this project's name and no id: it was made before there were any")
    mark.confirm(
        settings,
        "make it this project's",
        f"{what} was made before projects had an id, and nobody can be asked here whether it is "
        "this project's; if it is, type: make cluster YES=1",
        "nothing was changed",
    )
