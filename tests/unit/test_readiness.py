"""`make cluster` in a new account, and on a stack whose status takes no update.

Sources: the enumeration StackStatus in botocore's model of CloudFormation; cloudformation-coverage-roadmap
818 (the missing role); serverless 5630 and aws-cloudformation-github-deploy 107 (ROLLBACK_COMPLETE).
"""

from dataclasses import replace

import pytest
from ecs.errors import UserError
from ecs.stack import readiness

GOOD = {
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "DELETE_COMPLETE",
}  # fmt: skip


CONTINUED = (
    "aws cloudformation continue-update-rollback --stack-name churn --region us-east-1, "
    "then make cluster"
)


def found(status: str, capacity: str = "fargate") -> dict:
    return {
        "StackName": "churn",
        "CreationTime": 0,
        "StackStatus": status,
        "Parameters": [{"ParameterKey": "Capacity", "ParameterValue": capacity}],
    }


def test_each_status_is_updated_or_has_one_sentence_with_what_to_type(settings, real_client):
    model = real_client("cloudformation").meta.service_model
    for status in model.shape_for("StackStatus").enum:
        if status == "REVIEW_IN_PROGRESS":  # made by the next change set
            assert readiness.check(settings, found(status), "make cluster") is None
        elif status in GOOD:
            assert readiness.check(settings, found(status), "make cluster")
        else:
            with pytest.raises(UserError, match=f"is in {status}; type: (make|aws) ") as said:
                readiness.check(settings, found(status), "make cluster")
            assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("status", "typed"),
    [
        ("ROLLBACK_COMPLETE", "make destroy, then make cluster"),
        ("DELETE_FAILED", "make destroy, then make cluster"),
        ("UPDATE_IN_PROGRESS", "make cluster, in a minute"),
        ("UPDATE_ROLLBACK_FAILED", CONTINUED),
    ],
)
def test_what_is_typed_for_a_status(settings, status, typed):
    assert readiness.remedy(settings, status, "make cluster") == typed


# aws-toolkit-azure-devops 317 and amplify-backend 2366: "cannot be deleted while in status …"
CHANGING = {
    "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "IMPORT_IN_PROGRESS",
    "IMPORT_ROLLBACK_IN_PROGRESS",
}  # fmt: skip


def test_each_status_is_deleted_or_has_one_sentence_with_what_to_type(settings, real_client):
    model = real_client("cloudformation").meta.service_model
    for status in model.shape_for("StackStatus").enum:
        if status not in CHANGING:
            readiness.check_deletable(settings, status)
            continue
        with pytest.raises(UserError) as said:
            readiness.check_deletable(settings, status)
        assert str(said.value) == (
            f"the stack 'churn' in us-east-1 is in {status}, and nothing was deleted; type: make destroy, "
            "in a minute"
        )


def test_without_a_stack_nothing_is_said(settings):
    assert readiness.check(settings, None, "make cluster") is None


def test_a_new_stack_has_no_name_that_is_too_long_for_its_roles(settings):
    """One that is there already goes on."""
    assert readiness.check(replace(settings, project="c" * 32), None, "make cluster") is None
    long = replace(settings, project="c" * 33)
    with pytest.raises(UserError, match=f"type: PROJECT={'c' * 32}$"):
        readiness.check(long, None, "make cluster")
    assert readiness.check(long, found("CREATE_COMPLETE"), "make cluster")


ROLES = {
    "fargate": ["ecs"],
    "fargate-spot": ["ecs"],
    "ec2": ["autoscaling", "ecs"],
    "gpu": ["autoscaling", "ecs"],
    "managed": ["ecs-compute", "ecs"],
    "managed-gpu": ["ecs-compute", "ecs"],
}


@pytest.mark.parametrize("capacity", ROLES)
def test_a_new_account_gets_the_roles_before_the_stack(settings, cloud, capacity):
    iam, waited = cloud.stub("iam"), []
    for name in ROLES[capacity]:
        asked = {"AWSServiceName": f"{name}.amazonaws.com"}
        iam.add_response("create_service_linked_role", {}, asked)
    readiness.make_roles(replace(settings, capacity=capacity), None, waited.append)
    iam.assert_no_pending_responses()
    assert waited == [readiness.SETTLING]


@pytest.mark.parametrize("had", ["0", "64"])
def test_batch_s_role_is_made_for_the_first_queues_only(settings, cloud, had):
    iam, stack = cloud.stub("iam"), found("CREATE_COMPLETE")
    stack["Parameters"] = [
        {"ParameterKey": "Capacity", "ParameterValue": "fargate"},
        {"ParameterKey": "MaxVcpus", "ParameterValue": had},
    ]
    if had == "0":
        asked = {"AWSServiceName": "batch.amazonaws.com"}
        iam.add_response("create_service_linked_role", {}, asked)
    readiness.make_roles(replace(settings, max_vcpus="64"), stack, lambda _: None)
    iam.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidInput", "Service role name AWSServiceRoleForECS has been taken in this account"),
        ("EntityAlreadyExists", "Role with name AWSServiceRoleForECS already exists."),
    ],
)
def test_roles_that_are_there_are_no_error_and_nothing_waits(
    settings, cloud, capsys, code, message
):
    cloud.stub("iam").add_client_error("create_service_linked_role", code, message)
    readiness.make_roles(settings, None, lambda _: pytest.fail("waited"))
    assert capsys.readouterr().err == ""


def test_who_may_not_make_a_role_is_told_who_may(settings, cloud, capsys):
    cloud.stub("iam").add_client_error("create_service_linked_role", "AccessDenied", "no")
    readiness.make_roles(settings, None, lambda _: pytest.fail("waited"))
    said = capsys.readouterr().err
    assert "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com" in said


def test_a_stack_that_is_there_needs_only_the_roles_of_its_new_capacity(settings, cloud):
    iam, stack = cloud.stub("iam"), found("CREATE_COMPLETE")
    readiness.make_roles(settings, stack, lambda _: None)
    asked = {"AWSServiceName": "autoscaling.amazonaws.com"}
    iam.add_response("create_service_linked_role", {}, asked)
    readiness.make_roles(replace(settings, capacity="ec2"), stack, lambda _: None)
    iam.assert_no_pending_responses()
    readiness.make_roles(replace(settings, sandbox=True), None, lambda _: None)
