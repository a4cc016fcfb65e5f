"""What `make destroy` takes for the project's own, and that it asks."""

import io
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from ecs.errors import UserError
from ecs.stack import destroy

ID = "abcdefghijklmnop"
BUCKET = {"Bucket": "the-bucket", "ExpectedBucketOwner": "000000000000"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_yes_answers_the_question(settings):
    destroy.confirm(replace(settings, yes="1"), ask=lambda _: pytest.fail("asked all the same"))


def test_where_nobody_can_be_asked_nothing_is_deleted(settings, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("churn\n"))
    with pytest.raises(UserError, match="type: make destroy YES=1"):
        destroy.confirm(settings)


@pytest.mark.parametrize("answer", ["", "y", "yes", "Churn", "churn2"])
def test_any_answer_but_the_projects_name_deletes_nothing(settings, monkeypatch, answer):
    monkeypatch.setattr("sys.stdin", Terminal())
    with pytest.raises(UserError, match="nothing was deleted"):
        destroy.confirm(settings, ask=lambda _: answer)


def test_the_projects_name_is_the_answer(settings, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal())
    asked = []
    destroy.confirm(settings, ask=lambda text: asked.append(text) or " churn ")
    assert "churn" in asked[0]


def test_task_definitions_are_deleted_by_their_mark_or_their_role(settings, cloud):
    """Not by the name alone, and not of a project whose name begins so."""
    arn = "arn:aws:ecs:us-east-1:ACCOUNT:task-definition/{}"
    stub = cloud.stub("ecs")
    before = [{"key": "project", "value": "churn"}]
    marked = [*before, {"key": "project-id", "value": ID}]
    another = [*before, {"key": "project-id", "value": "another-project"}]
    revisions = {
        "churn:1": (marked, "role/gone"),
        "churn:2": (before, "role/churn-ExecutionRole-1"),
        "churn:3": ([], "role/path/churn-ExecutionRole-1"),
        "churn:4": (before, "role/somebody"),
        "churn:5": (another, "role/churn-ExecutionRole-1"),
        "churn:6": ([], ""),
    }
    for status, found in (
        ("ACTIVE", ["churn:1", "churn-2:1", "churn:2", "churn:3"]),
        ("INACTIVE", ["churn:4", "churning:3", "churn:5", "churn:6"]),
    ):
        stub.add_response(
            "list_task_definitions",
            {"taskDefinitionArns": [arn.format(name) for name in found]},
            {"familyPrefix": "churn", "status": status},
        )
    for name, (tags, role) in revisions.items():
        definition = {"executionRoleArn": f"arn:aws:iam::ACCOUNT:{role}"} if role else {}
        stub.add_response(
            "describe_task_definition",
            {"taskDefinition": definition, "tags": tags},
            {"taskDefinition": arn.format(name), "include": ["TAGS"]},
        )
    own, others = destroy.task_definitions(settings, ["churn-ExecutionRole-1"])
    assert own == [arn.format(f"churn:{number}") for number in (1, 2, 3)]
    assert others == [arn.format(f"churn:{number}") for number in (4, 5, 6)]
    stub.assert_no_pending_responses()


def test_every_version_and_delete_marker_of_the_bucket_is_deleted(settings, cloud):
    s3 = cloud.stub("s3")
    pages = [
        (
            {
                "Versions": [{"Key": "a", "VersionId": "1"}],
                "IsTruncated": True,
                "NextKeyMarker": "a",
            },
            {},
        ),
        ({"DeleteMarkers": [{"Key": "b", "VersionId": "2"}]}, {"KeyMarker": "a"}),
    ]
    for page, (key, version) in zip(pages, (("a", "1"), ("b", "2")), strict=True):
        answer, marker = page
        s3.add_response("list_object_versions", answer, {**BUCKET, **marker})
        objects = {"Objects": [{"Key": key, "VersionId": version}], "Quiet": True}
        s3.add_response("delete_objects", {}, {**BUCKET, "Delete": objects})
    destroy.empty_bucket(settings, BUCKET)
    s3.assert_no_pending_responses()


def test_an_object_that_cannot_be_deleted_is_named(settings, cloud):
    s3 = cloud.stub("s3")
    s3.add_response("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]})
    error = {"Key": "a", "Code": "AccessDenied", "Message": "locked"}
    s3.add_response("delete_objects", {"Errors": [error]})
    with pytest.raises(UserError, match=r"s3://the-bucket/a: locked"):
        destroy.empty_bucket(settings, BUCKET)


def test_what_is_gone_already_is_no_error(settings, cloud):
    """A destroy that was interrupted is typed again."""
    cloud.stub("s3").add_client_error("list_object_versions", "NoSuchBucket")
    cloud.stub("ecr").add_client_error("list_images", "RepositoryNotFoundException")
    cloud.stub("ecs").add_client_error("list_tasks", "ClusterNotFoundException")
    destroy.empty_bucket(settings, BUCKET)
    assert destroy.images(settings, "churn") == []
    assert destroy.running_tasks(settings, "the-cluster") == []
    # nor is what the stack never had
    assert destroy.images(settings, "") == destroy.running_tasks(settings, "") == []


def test_an_image_of_two_tags_is_deleted_once(settings, cloud):
    ids = [
        {"imageDigest": "sha256:1", "imageTag": "a"},
        {"imageDigest": "sha256:1", "imageTag": "b"},
        {"imageDigest": "sha256:2"},
    ]
    cloud.stub("ecr").add_response("list_images", {"imageIds": ids}, {"repositoryName": "churn"})
    assert destroy.images(settings, "churn") == [
        {"imageDigest": "sha256:1"},
        {"imageDigest": "sha256:2"},
    ]


def test_images_are_deleted_a_hundred_a_call(settings, cloud):
    ids = [{"imageDigest": f"sha256:{number}"} for number in range(150)]
    for part in (ids[:100], ids[100:]):
        cloud.stub("ecr").add_response(
            "batch_delete_image", {}, {"repositoryName": "churn", "imageIds": part}
        )
    destroy.empty_repository(settings, "churn", ids)
    cloud.stub("ecr").assert_no_pending_responses()


def test_a_bucket_that_is_gone_already_is_no_error_either(settings, cloud):
    s3 = cloud.stub("s3")
    s3.add_response("list_object_versions", {})
    s3.add_response("delete_bucket", {}, BUCKET)
    s3.add_client_error("list_object_versions", "NoSuchBucket")
    s3.add_client_error("delete_bucket", "NoSuchBucket")
    for _ in range(2):
        destroy.delete_bucket(settings, BUCKET)
    s3.assert_no_pending_responses()


def test_a_bucket_in_which_something_is_still_written_is_emptied_again(settings, cloud):
    s3 = cloud.stub("s3")
    late = {"Versions": [{"Key": "late", "VersionId": "1"}]}
    s3.add_response("list_object_versions", {})
    s3.add_client_error("delete_bucket", "BucketNotEmpty")
    s3.add_response("list_object_versions", late)
    s3.add_response("delete_objects", {})
    s3.add_response("delete_bucket", {}, BUCKET)
    destroy.delete_bucket(settings, BUCKET)
    s3.assert_no_pending_responses()


def test_a_bucket_that_never_gets_empty_is_an_error(settings, cloud):
    s3 = cloud.stub("s3")
    for _ in range(destroy.EMPTYINGS):
        s3.add_response("list_object_versions", {})
        s3.add_client_error("delete_bucket", "BucketNotEmpty")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        destroy.delete_bucket(settings, BUCKET)
    s3.assert_no_pending_responses()


def failure(number: int, code: str) -> dict:
    found = {"imageDigest": f"sha256:{number}"}
    return {"imageId": found, "failureCode": code, "failureReason": f"{code} of {number}"}


def asked(*numbers: int) -> dict:
    ids = [{"imageDigest": f"sha256:{number}"} for number in numbers]
    return {"repositoryName": "churn", "imageIds": ids}


def test_images_of_a_manifest_list_are_deleted_after_it(settings, cloud):
    """Source: ImageFailureCode in botocore's model of ECR. What is gone already is no failure."""
    ecr = cloud.stub("ecr")
    held = [failure(1, "ImageReferencedByManifestList"), failure(2, "ImageNotFound")]
    ecr.add_response("batch_delete_image", {"failures": held}, asked(1, 2, 3))
    ecr.add_response("batch_delete_image", {}, asked(1))
    destroy.empty_repository(settings, "churn", asked(1, 2, 3)["imageIds"])
    ecr.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["KmsError", "ImageReferencedByManifestList"])
def test_an_image_that_ecr_does_not_delete_is_named_and_ends_it(settings, cloud, code):
    cloud.stub("ecr").add_response("batch_delete_image", {"failures": [failure(1, code)]}, asked(1))
    with pytest.raises(UserError, match=f"sha256:1 of churn cannot be deleted: {code} of 1"):
        destroy.empty_repository(settings, "churn", asked(1)["imageIds"])


def test_a_refusal_is_not_forgotten_over_one_that_passes(settings, cloud):
    """The image of a manifest list may be tried again; the other one is named at once."""
    failed = [failure(1, "ImageReferencedByManifestList"), failure(2, "KmsError")]
    cloud.stub("ecr").add_response("batch_delete_image", {"failures": failed}, asked(1, 2, 3))
    with pytest.raises(UserError, match="sha256:2 of churn cannot be deleted: KmsError of 2"):
        destroy.empty_repository(settings, "churn", asked(1, 2, 3)["imageIds"])
