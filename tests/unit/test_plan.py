"""`make plan`: what a change set says, as lines, and that nothing of it stays."""

from dataclasses import replace

import pytest
from ecs.errors import UserError
from ecs.stack import changes

SET = {"StackName": "churn", "ChangeSetName": "plan-abcdefghijklmnop-1"}
STACK = {"StackName": "churn", "CreationTime": 0, "StackStatus": "UPDATE_COMPLETE"}
GIVEN = ["LogDays=7", "Boundary="]


@pytest.fixture
def sandboxed(settings, tmp_path, monkeypatch):
    (tmp_path / "infrastructure.yaml").write_text("the template")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("secrets.token_hex", lambda length: "1")
    return replace(settings, sandbox=True)


def change(action: str, name: str, kind: str = "AWS::S3::Bucket", **fields) -> dict:
    fields |= {"Action": action, "LogicalResourceId": name, "ResourceType": kind}
    return {"Type": "Resource", "ResourceChange": fields}


def create(kind: str) -> dict:
    return {
        **SET,
        "ChangeSetType": kind,
        "TemplateBody": "the template",
        "Parameters": [
            {"ParameterKey": "LogDays", "ParameterValue": "7"},
            {"ParameterKey": "Boundary", "ParameterValue": ""},
        ],
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [
            {"Key": "project", "Value": "churn"},
            {"Key": "project-id", "Value": "abcdefghijklmnop"},
        ],
    }


def test_a_line_says_what_happens_to_which_resource_and_why():
    detail = {"Target": {"Attribute": "Properties", "Name": "BucketName"}}
    changed = change("Modify", "Bucket", Replacement="True", Details=[detail, detail])
    rows = [change("Remove", "Old"), changed, change("Add", "New", Details=[])]
    assert [line.split() for line in changes.change_lines(rows)] == [
        ["change", "AWS::S3::Bucket", "Bucket", "replaced,", "BucketName"],
        ["create", "AWS::S3::Bucket", "New"],
        ["delete", "AWS::S3::Bucket", "Old"],
    ]


def test_drift_names_the_property_and_both_values():
    rows = [
        {
            "LogicalResourceId": "Logs",
            "ResourceType": "AWS::Logs::LogGroup",
            "StackResourceDriftStatus": "MODIFIED",
            "PropertyDifferences": [
                {"PropertyPath": "/RetentionInDays", "ExpectedValue": "90", "ActualValue": "1"}
            ],
        },
        {
            "LogicalResourceId": "Bucket",
            "ResourceType": "AWS::S3::Bucket",
            "StackResourceDriftStatus": "DELETED",
        },
    ]
    assert changes.drift_lines(rows) == [
        "Logs (AWS::Logs::LogGroup) /RetentionInDays: '90' in the template, '1' in AWS",
        "Bucket (AWS::S3::Bucket) is gone",
    ]


def test_the_plan_of_a_new_stack_leaves_no_stack_behind(sandboxed, cloud):
    stub = cloud.stub("cloudformation")
    stub.add_response("create_change_set", {}, create("CREATE"))
    stub.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS"}, SET)
    first = {"Status": "CREATE_COMPLETE", "Changes": [change("Add", "A")], "NextToken": "more"}
    stub.add_response("describe_change_set", first, SET)
    stub.add_response(
        "describe_change_set", {"Changes": [change("Add", "B")]}, {**SET, "NextToken": "more"}
    )
    stub.add_response("delete_change_set", {}, SET)
    review = {**STACK, "StackStatus": "REVIEW_IN_PROGRESS"}
    stub.add_response("describe_stacks", {"Stacks": [review]})
    left = {"Summaries": [{"ChangeSetName": SET["ChangeSetName"]}]}  # it is still going
    stub.add_response("list_change_sets", left, {"StackName": "churn"})
    stub.add_response("delete_stack", {}, {"StackName": "churn"})
    found = changes.changes(sandboxed, None, GIVEN)
    assert [each["ResourceChange"]["LogicalResourceId"] for each in found] == ["A", "B"]
    stub.assert_no_pending_responses()


def test_a_stack_that_somebody_made_meanwhile_is_not_deleted(sandboxed, cloud):
    stub = cloud.stub("cloudformation")
    stub.add_response("create_change_set", {}, create("CREATE"))
    stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": []}, SET)
    stub.add_response("delete_change_set", {}, SET)
    stub.add_response("describe_stacks", {"Stacks": [STACK]})
    assert changes.changes(sandboxed, None, GIVEN) == []  # the stub has no answer to delete_stack


def test_a_stack_in_which_another_change_set_waits_is_not_deleted(sandboxed, cloud):
    stub = cloud.stub("cloudformation")
    stub.add_response("create_change_set", {}, create("CREATE"))
    stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": []}, SET)
    stub.add_response("delete_change_set", {}, SET)
    review = {**STACK, "StackStatus": "REVIEW_IN_PROGRESS"}
    stub.add_response("describe_stacks", {"Stacks": [review]})
    stub.add_response("list_change_sets", {"Summaries": [{"ChangeSetName": "theirs"}]})
    assert changes.changes(sandboxed, None, GIVEN) == []  # the stub has no answer to delete_stack
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
def test_no_change_is_no_failure(sandboxed, cloud, reason):
    stub = cloud.stub("cloudformation")
    stub.add_response("create_change_set", {}, create("UPDATE"))
    stub.add_response("describe_change_set", {"Status": "FAILED", "StatusReason": reason}, SET)
    stub.add_response("delete_change_set", {}, SET)
    assert changes.changes(sandboxed, STACK, GIVEN) == []
    stub.assert_no_pending_responses()


def test_what_cloudformation_refuses_is_said_and_the_change_set_deleted(sandboxed, cloud):
    stub = cloud.stub("cloudformation")
    stub.add_response("create_change_set", {}, create("UPDATE"))
    failed = {"Status": "FAILED", "StatusReason": "no such subnet"}
    stub.add_response("describe_change_set", failed, SET)
    stub.add_response("delete_change_set", {}, SET)
    with pytest.raises(UserError, match="make cluster would fail: no such subnet"):
        changes.changes(sandboxed, STACK, GIVEN)
    stub.assert_no_pending_responses()


def test_a_stack_that_only_a_change_set_made_is_none(settings, cloud):
    stub = cloud.stub("cloudformation")
    stub.add_response("describe_stacks", {"Stacks": [STACK]})
    stub.add_response(
        "describe_stacks", {"Stacks": [{**STACK, "StackStatus": "REVIEW_IN_PROGRESS"}]}
    )
    stub.add_client_error(
        "describe_stacks", "ValidationError", "Stack with id churn does not exist"
    )
    assert changes.existing(settings)["StackStatus"] == "UPDATE_COMPLETE"
    assert changes.existing(settings) is None
    assert changes.existing(settings) is None


def test_where_nobody_may_ask_for_drift_the_plan_goes_on(settings, cloud, capsys):
    cloud.stub("cloudformation").add_client_error("detect_stack_drift", "AccessDenied", "no")
    assert changes.drifts(settings) is None
    assert "drift: " in capsys.readouterr().err


def test_drift_is_read_to_the_last_page(sandboxed, cloud):
    stub = cloud.stub("cloudformation")
    stub.add_response("detect_stack_drift", {"StackDriftDetectionId": "d"})
    fields = {"StackId": "s", "StackDriftDetectionId": "d", "Timestamp": 0}
    for status in ("DETECTION_IN_PROGRESS", "DETECTION_COMPLETE"):
        answer = {**fields, "DetectionStatus": status}
        asked = {"StackDriftDetectionId": "d"}
        stub.add_response("describe_stack_drift_detection_status", answer, asked)
    asked = {
        "StackName": "churn",
        "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"],
    }
    row = {
        "StackId": "s",
        "LogicalResourceId": "Bucket",
        "ResourceType": "AWS::S3::Bucket",
        "StackResourceDriftStatus": "DELETED",
        "Timestamp": 0,
    }
    page = {"StackResourceDrifts": [row], "NextToken": "2"}
    stub.add_response("describe_stack_resource_drifts", page, asked)
    page = {"StackResourceDrifts": [row]}
    stub.add_response("describe_stack_resource_drifts", page, {**asked, "NextToken": "2"})
    assert changes.drifts(sandboxed) == [row, row]
    stub.assert_no_pending_responses()
