"""Where AWS refuses a call, of any service, one sentence says why and what to type."""

import pytest
import test_cli
from botocore import exceptions
from botocore.parsers import ResponseParserError
from ecs import __main__ as cli
from ecs.errors import UserError
from ecs.verdict.calls import ANY_CALL, sentence
from ecs.verdict.rules import RULES

user = test_cli.user
DENIED = "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: logs:GetLogEvents"


def refused(code: str, message: str, operation: str = "GetLogEvents") -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": message}}, operation)


# what boto3 raises (botocore/exceptions.py), and what must be said
ERRORS = [
    (refused("ExpiredTokenException", "The security token included in the request is expired"), "aws sso login"),
    (refused("ExpiredToken", "The provided token has expired.", "GetObject"), "aws sso login"),
    (exceptions.UnauthorizedSSOTokenError(), "aws sso login"),
    (exceptions.SSOTokenLoadError(error_msg="Token for work does not exist"), "aws sso login"),
    (exceptions.TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"), "aws sso login"),
    (exceptions.SSLError(endpoint_url="https://s3", error="CERTIFICATE_VERIFY_FAILED"), "AWS_CA_BUNDLE"),
    (exceptions.ProfileNotFound(profile="work"), "there is no AWS profile work on this machine; type: aws configure list-profiles"),
    (exceptions.ProxyConnectionError(proxy_url="http://proxy.example:3128"), "HTTPS_PROXY"),
    (exceptions.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "aws configure"),
    (exceptions.EndpointConnectionError(endpoint_url="https://s3.us-esat-1"), "REGION="),
    (exceptions.ReadTimeoutError(endpoint_url="https://s3"), "the same command again"),
    (exceptions.NoRegionError(), "REGION=us-east-1"),
    (refused("AccessDeniedException", DENIED), "this identity may not do logs:GetLogEvents"),
    (refused("AccessDenied", "Access Denied", "PutObject"), "this identity may not do PutObject"),
    (refused("403", "Forbidden", "HeadObject"), "this identity may not do HeadObject"),
    (refused("InvalidClientTokenId", "The security token included in the request is invalid."), "aws configure"),
    (refused("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2"), "timedatectl"),
    (refused("ThrottlingException", "Rate exceeded"), "the same command again"),
    (refused("429", "Too Many Requests"), "the same command again"),
    (refused("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."), "timedatectl"),
    (refused("UnauthorizedException", "Session token not found or invalid", "GetRoleCredentials"), "aws sso login"),
    (refused("ForbiddenException", "No access", "GetRoleCredentials"), "this identity may not do"),
    (refused("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.", "AssumeRole"), "with the next code"),
    (refused("IncompleteSignatureException", "x"), "aws configure"),
    (refused("AuthFailure", "AWS was not able to validate the provided access credentials"), "aws configure"),
    (refused("InvalidIdentityToken", "No OpenIDConnect provider found"), "aws configure"),
    (refused("InvalidToken", "The provided token is malformed or otherwise invalid.", "GetObject"), "aws configure"),
    (refused("OptInRequired", "You are not subscribed to this service."), "enable the region in the console"),
    (refused("PendingVerification", "Your request for accessing resources in this region is being validated"), "ask AWS support"),
    (refused("407", "Proxy Authentication Required"), "HTTPS_PROXY"),
    (exceptions.ConfigParseError(path="/home/ann/.aws/config"), "correct that file"),
    (exceptions.InvalidConfigError(error_msg='The specified sso-session does not exist: "corp"'), "correct ~/.aws/config"),
    (exceptions.InfiniteLoopConfigError(source_profile="a", visited_profiles=["a"]), "correct ~/.aws/config"),
    (exceptions.CredentialRetrievalError(provider="custom-process", error_msg="no"), "correct ~/.aws/config"),
    (exceptions.InvalidRetryModeError(provided_retry_mode="x", valid_modes=("standard",)), "correct ~/.aws/config"),
    (exceptions.RefreshWithMFAUnsupportedError(), "with the next code"),
    (exceptions.LoginTokenLoadError(error_msg="Please reauthenticate with 'aws login'."), "expired"),
    (exceptions.InvalidRegionError(region_name="us east"), "REGION="),
    (ResponseParserError("Unable to parse response, invalid XML received:\nb'<html>'"), "HTTPS_PROXY"),
    (refused("ServiceUnavailable", "Please reduce your request rate."), "the same command again"),
    # S3's and EC2's own codes: "Error responses" and "Error codes" in their API references
    (refused("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."), "timedatectl"),
    (refused("InternalError", "We encountered an internal error. Please try again."), "the same command again"),
    (refused("RequestTimeout", "Your socket connection to the server was not read from or written to."), "the same command again"),
    (refused("InvalidToken", "The provided token is malformed or otherwise invalid."), "aws sso login"),
    (refused("TokenRefreshRequired", "The provided token must be refreshed."), "aws sso login"),
    (refused("AuthFailure", "AWS was not able to validate the provided access credentials"), "aws sso login"),
    (refused("OptInRequired", "You are not subscribed to this service."), "enable the region"),
    # IAM Identity Center's and STS's
    (refused("UnauthorizedException", "Session token not found or invalid"), "aws sso login"),
    (refused("ForbiddenException", "No access", "GetRoleCredentials"), "this identity may not do"),
    (refused("InvalidIdentityToken", "Couldn't retrieve verification key"), "AWS does not know these credentials"),
    (refused("IDPCommunicationError", "An error occurred"), "the same command again"),
    (exceptions.HTTPClientError(error="x"), "the same command again"),
    (exceptions.ConnectionError(error="[Errno 101] Network is unreachable"), "the same command again"),
    (exceptions.ResponseStreamingError(error="x"), "the same command again"),
    (exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), "the same command again"),
    (exceptions.ConfigParseError(path="/home/a b/.aws/config"), "file /home/a b/.aws/config cannot be read; type: correct"),
    (exceptions.ConfigNotFound(path="/x/config"), "file /x/config cannot be read; type: correct"),
    (exceptions.CredentialRetrievalError(provider="custom-process", error_msg="x"), "correct ~/.aws/config"),
    (exceptions.InfiniteLoopConfigError(source_profile="a", visited_profiles=["a"]), "correct ~/.aws/config"),
    (exceptions.InvalidConfigError(error_msg='The source profile "base" must have credentials.'), "aws configure"),
    (exceptions.LoginTokenLoadError(error_msg="none"), "aws sso login"),
    (exceptions.InvalidRegionError(region_name="us east"), "REGION=us-east-1"),
    (exceptions.UnknownEndpointError(service_name="ecs", region_name="mars-1"), "REGION=us-east-1"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "said"), ERRORS, ids=lambda each: type(each).__name__)
def test_any_call_that_is_refused_says_what_to_type(error, said):
    shown = cli.sentence(error)
    assert said in shown
    assert "; type: " in shown
    assert "make run" not in shown
    if isinstance(error, exceptions.ClientError):
        words = f"aws ecs stop-task: {error}"
        code = error.response["Error"]["Code"]
        shown = cli.sentence(UserError(words))
        if code not in ("403", "ForbiddenException") and "PutObject" not in said:
            assert said in shown
        assert words in shown


@pytest.mark.parametrize(
    ("command", "variables"), [("runs", {}), ("status", {}), ("stop", {}), ("fetch", {})]
)
def test_commands_say_it(user, monkeypatch, command, variables):
    def expired(**_):
        raise refused("ExpiredToken", "The provided token has expired.", "ListObjectsV2")

    monkeypatch.setattr(
        user.cloud.bucket, "get_paginator", lambda _: type("P", (), {"paginate": expired})
    )
    monkeypatch.setattr(type(user.cloud.bucket), "pages", expired)
    status, _, err = user.call(command, **variables)
    assert status == 1
    assert err.count("\n") == 1
    assert "type: aws sso login" in err


def test_what_no_rule_knows_is_as_aws_says_it():
    assert cli.sentence(refused("SomethingNew", "x")).startswith(
        "AWS: An error occurred (SomethingNew)"
    )
    assert sentence("error: something else") is None
    assert cli.sentence(UserError("aws ecs stop-task: x")) == "aws ecs stop-task: x"


def test_the_rules_are_there():
    assert set(ANY_CALL) <= {rule.name for rule in RULES}


@pytest.mark.parametrize("code", [0, 3])
def test_where_the_log_may_not_be_read_the_verdict_comes(user, code):
    user.answers("run-task", test_cli.STARTED)
    user.ends(test_cli.stopped(code))

    def denied(**_):
        raise refused("AccessDeniedException", DENIED)

    user.cloud.services["logs"].get_log_events = denied
    status, _, err = user.call("run")
    assert status == code
    assert err.count("the log cannot be read, and the run is followed without it") == 1
    assert user.recorded("result.json")["exit_code"] == code
    status, _, err = user.call("logs")
    assert (status, "this identity may not do logs:GetLogEvents" in err) == (1, True)
