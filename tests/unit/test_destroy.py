"""What `make destroy` takes for the project's own, and that it asks."""

import io
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from ecs import destroy
from ecs.errors import UserError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_yes_answers_the_question(settings):
    destroy.confirm(replace(settings, yes=True), ask=lambda _: pytest.fail("asked all the same"))


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


def test_task_definitions_of_a_project_whose_name_begins_so_are_left_alone(settings, cloud):
    arn = "arn:aws:ecs:us-east-1:ACCOUNT:task-definition/{}"
    for status, found in (
        ("ACTIVE", ["churn:1", "churn-2:1", "churn:10"]),
        ("INACTIVE", ["churn:2", "churning:3"]),
    ):
        cloud.stub("ecs").add_response(
            "list_task_definitions",
            {"taskDefinitionArns": [arn.format(name) for name in found]},
            {"familyPrefix": "churn", "status": status},
        )
    found = destroy.task_definitions(settings)
    assert found == [arn.format(name) for name in ("churn:1", "churn:10", "churn:2")]


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
        s3.add_response("list_object_versions", answer, {"Bucket": "the-bucket", **marker})
        objects = {"Objects": [{"Key": key, "VersionId": version}], "Quiet": True}
        s3.add_response("delete_objects", {}, {"Bucket": "the-bucket", "Delete": objects})
    destroy.empty_bucket(settings, "the-bucket")
    s3.assert_no_pending_responses()


def test_an_object_that_cannot_be_deleted_is_named(settings, cloud):
    s3 = cloud.stub("s3")
    s3.add_response("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]})
    error = {"Key": "a", "Code": "AccessDenied", "Message": "locked"}
    s3.add_response("delete_objects", {"Errors": [error]})
    with pytest.raises(UserError, match=r"s3://the-bucket/a: locked"):
        destroy.empty_bucket(settings, "the-bucket")


def test_what_is_gone_already_is_no_error(settings, cloud):
    """A destroy that was interrupted is typed again."""
    cloud.stub("s3").add_client_error("list_object_versions", "NoSuchBucket")
    cloud.stub("ecr").add_client_error("list_images", "RepositoryNotFoundException")
    cloud.stub("ecs").add_client_error("list_tasks", "ClusterNotFoundException")
    destroy.empty_bucket(settings, "the-bucket")
    assert destroy.images(settings, "churn") == []
    assert destroy.running_tasks(settings, "the-cluster") == []


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


def test_a_stack_whose_creation_failed_is_deleted_though_it_has_no_outputs(settings, cloud):
    cloudformation, ecs = cloud.stub("cloudformation"), cloud.stub("ecs")
    cloud.stub("ecr")  # has no answer: nothing to empty
    cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": []})
    cloud.stub("scheduler").add_client_error("list_schedules", "ResourceNotFoundException")
    cloud.stub("secretsmanager").add_response("list_secrets", {"SecretList": []})
    ecs.add_client_error("list_tasks", "ClusterNotFoundException")
    for _ in ("ACTIVE", "INACTIVE"):
        ecs.add_response("list_task_definitions", {"taskDefinitionArns": []})
    ecs.add_client_error("list_tasks", "ClusterNotFoundException")
    cloudformation.add_response("delete_stack", {}, {"StackName": "churn"})
    cloudformation.add_client_error("describe_stacks", "ValidationError", "does not exist")
    destroy.destroy(replace(settings, yes=True, sandbox=True), {})
    cloudformation.assert_no_pending_responses()


def test_data_that_is_kept_is_neither_emptied_nor_deleted(settings, cloud, monkeypatch, capsys):
    for service in ("ecr", "ecs", "scheduler", "secretsmanager"):
        cloud.services[service] = None  # nobody is asked
    for name in ("running_tasks", "task_definitions", "images", "stored_secrets"):
        monkeypatch.setattr(destroy, name, lambda *_: [])
    for name in ("stop_tasks", "delete_definitions", "delete_secrets", "empty_repository"):
        monkeypatch.setattr(destroy, name, lambda *_: None)
    monkeypatch.setattr("ecs.schedule.schedules", lambda _: [])
    cloudformation = cloud.stub("cloudformation")
    provider = {
        "ResourceType": "AWS::IAM::OIDCProvider", "ResourceStatus": "CREATE_COMPLETE",
        "LogicalResourceId": "GitHubProvider", "LastUpdatedTimestamp": 0,
    }  # fmt: skip
    cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": [provider]})
    cloudformation.add_response("delete_stack", {}, {"StackName": "churn"})
    cloudformation.add_client_error("describe_stacks", "ValidationError", "does not exist")
    cloud.stub("s3").add_response("list_object_versions", {"Versions": [{"Key": "a"}]})
    # the stub has no answer to a deletion
    destroy.destroy(
        replace(settings, yes=True, keep_data=True, sandbox=True), {"Bucket": "the-bucket"}
    )
    said = capsys.readouterr().err
    assert "1 object versions in the bucket, data and models of all runs (KEEP_DATA=1" in said
    assert "kept: s3://the-bucket; make cluster takes it up again" in said
    assert "kept: the account's identity provider token.actions.githubusercontent.com" in said


def test_a_bucket_that_is_gone_already_is_no_error_either(settings, cloud):
    s3 = cloud.stub("s3")
    s3.add_response("list_object_versions", {})
    s3.add_response("delete_bucket", {}, {"Bucket": "the-bucket"})
    s3.add_client_error("list_object_versions", "NoSuchBucket")
    s3.add_client_error("delete_bucket", "NoSuchBucket")
    for _ in range(2):
        destroy.delete_bucket(settings, "the-bucket")
    s3.assert_no_pending_responses()


def test_a_bucket_in_which_something_is_still_written_is_emptied_again(settings, cloud):
    s3 = cloud.stub("s3")
    late = {"Versions": [{"Key": "late", "VersionId": "1"}]}
    s3.add_response("list_object_versions", {})
    s3.add_client_error("delete_bucket", "BucketNotEmpty")
    s3.add_response("list_object_versions", late)
    s3.add_response("delete_objects", {})
    s3.add_response("delete_bucket", {}, {"Bucket": "the-bucket"})
    destroy.delete_bucket(settings, "the-bucket")
    s3.assert_no_pending_responses()


def test_a_bucket_that_never_gets_empty_is_an_error(settings, cloud):
    s3 = cloud.stub("s3")
    for _ in range(destroy.EMPTYINGS):
        s3.add_response("list_object_versions", {})
        s3.add_client_error("delete_bucket", "BucketNotEmpty")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        destroy.delete_bucket(settings, "the-bucket")
    s3.assert_no_pending_responses()
