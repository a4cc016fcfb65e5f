"""Which data a run was given: the version or checksum of each file."""

import json
from collections.abc import Mapping

from ecs import contract
from ecs.aws import client
from ecs.history.data import uploaded
from ecs.request.channels import belongs
from ecs.request.request import project_uri, variables_of
from ecs.settings import Settings


def data_versions(settings: Settings, stack: Mapping[str, str], request: Mapping) -> dict | None:
    """Return of each channel of a request its address, and what tells its content from another.

    That is the sha256 of each file that `make data` uploaded, else ETag and version of an object of the
    bucket. A request of an older version has one channel, as ``data_version`` gives it.
    """
    variables = variables_of(request)
    if contract.CHANNELS not in variables:
        return data_version(settings, stack, variables["SM_CHANNEL_TRAIN"])
    own, files = f"{project_uri(settings, stack)}/", None
    found = {}
    for name, channel in json.loads(variables[contract.CHANNELS]).items():
        found[name] = {"uri": channel["uri"]}
        path = channel["uri"].removeprefix(own)
        if path != channel["uri"] and path.startswith("data"):
            files = uploaded(settings, stack)[0] if files is None else files
            # what `aws s3 sync` has uploaded has an ETag only
            chosen = {
                each: files[each]["sha256"] or files[each]["etag"]
                for each in files
                if belongs(each, path)
            }
            if chosen and all(chosen.values()):
                found[name]["files"] = chosen
                continue
        found[name] |= data_version(settings, stack, channel["uri"]) or {}
    return found


def addresses(data: Mapping) -> list[str]:
    """Return the addresses in what a record says of the data, today or in an older version."""
    if isinstance(data.get("uri"), str):
        return [data["uri"]]
    return [each["uri"] for each in data.values()]


def data_version(settings: Settings, stack: Mapping[str, str], uri: str) -> dict | None:
    """Return address, etag and version of the data, or None where it is no object of the bucket."""
    from botocore.exceptions import ClientError

    bucket, _, name = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or bucket != stack["Bucket"] or not name:
        return None
    try:
        head = client(settings, "s3").head_object(Bucket=bucket, Key=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "403"):
            raise
        return None
    return {"uri": uri, "etag": head.get("ETag", ""), "version": head.get("VersionId")}
