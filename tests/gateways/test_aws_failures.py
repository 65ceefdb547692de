"""The gateway when AWS or the way to it fails: which error, and what nobody may read in it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]  # ships no types

from spothive.errors import ConfigurationError, SpothiveError
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import (
    AccessDenied,
    AwsCallFailed,
    AwsError,
    AwsRefused,
    AwsThrottled,
    AwsUnavailable,
    CredentialsRefused,
    RegionNotEnabled,
    aws_error,
)
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble

EXTERNAL_ID = "spothive-4711-secret"
Ask = Callable[[AwsGateway, Credentials], object]

ASKING: dict[str, Ask] = {
    "sts": lambda gateway, who: gateway.caller_identity(who),
    "ec2": lambda gateway, who: list(gateway.instance_pages(who, "eu-west-1")),
    "autoscaling": lambda gateway, who: gateway.auto_scaling_instances(who, "eu-west-1"),
    "eks": lambda gateway, who: gateway.clusters(who, "eu-west-1"),
}
MEANING = {
    Trouble.THROTTLED: AwsThrottled,
    Trouble.SERVER_ERROR: AwsUnavailable,
    Trouble.ACCESS_DENIED: AccessDenied,
    Trouble.EXPIRED_CREDENTIALS: CredentialsRefused,
    Trouble.INVALID_CREDENTIALS: CredentialsRefused,
}


@pytest.fixture
def account(aws: AwsStandIn) -> StandInAccount:
    return aws.make_account(external_id=EXTERNAL_ID)


@pytest.mark.parametrize("service", ASKING)
@pytest.mark.parametrize("trouble", MEANING)
def test_each_trouble_of_each_service_has_one_meaning(
    aws: AwsStandIn, gateway: AwsGateway, account: StandInAccount, service: str, trouble: Trouble
) -> None:
    aws.inject(Fault(trouble, account_id=account.account_id))
    with pytest.raises(AwsError) as failure:
        ASKING[service](gateway, account.credentials)
    error = failure.value
    assert type(error) is MEANING[trouble]
    assert "\n" not in str(error)
    assert error.action in str(error)
    assert error.region in str(error)
    assert error.code in str(error)


def test_only_refusals_condemn_an_account() -> None:
    assert issubclass(AccessDenied, AwsRefused)
    assert issubclass(CredentialsRefused, AwsRefused)
    for harmless in (AwsUnavailable, AwsThrottled, RegionNotEnabled, AwsCallFailed):
        assert not issubclass(harmless, AwsRefused)


def test_a_region_may_fail_after_its_first_page(aws: AwsStandIn, connect: Callable[..., AwsGateway]) -> None:
    account = aws.make_account(instances=60)
    aws.inject(Fault(Trouble.SERVER_ERROR, operation="DescribeInstances", region="us-east-1", after=1))
    gateway = connect(page_size=10)
    pages = gateway.instance_pages(account.credentials, "us-east-1")
    assert len(next(pages).instances) == 10
    with pytest.raises(AwsUnavailable, match=r"ec2:DescribeInstances in us-east-1 \(InternalError\)"):
        next(pages)
    assert list(gateway.instance_pages(account.credentials, "eu-west-1"))


def test_access_may_be_withdrawn_half_way(aws: AwsStandIn, connect: Callable[..., AwsGateway]) -> None:
    account = aws.make_account(external_id=EXTERNAL_ID, instances=60)
    gateway = connect(page_size=10)
    pages = gateway.instance_pages(gateway.assume_role(account.role_arn, EXTERNAL_ID), "us-east-1")
    next(pages)
    account.withdraw_permissions()
    with pytest.raises(AccessDenied, match="UnauthorizedOperation"):
        next(pages)


def test_deleted_keys_are_refused(gateway: AwsGateway, account: StandInAccount) -> None:
    account.delete_keys()
    with pytest.raises(CredentialsRefused, match="InvalidClientTokenId"):
        gateway.caller_identity(account.credentials)


def test_a_wrong_secret_or_session_token_is_refused(gateway: AwsGateway, account: StandInAccount) -> None:
    session = gateway.assume_role(account.role_arn, EXTERNAL_ID)
    for wrong in (
        replace(account.credentials, secret_access_key="x" * 40),
        replace(session, session_token="x" * 40),
        replace(session, session_token=None),
    ):
        with pytest.raises(CredentialsRefused):
            gateway.caller_identity(wrong)


def test_a_region_that_is_not_enabled_does_not_condemn_the_credentials(
    gateway: AwsGateway, account: StandInAccount
) -> None:
    with pytest.raises(RegionNotEnabled, match="ec2:DescribeInstances in ca-west-1"):
        next(gateway.instance_pages(account.credentials, "ca-west-1"))
    with pytest.raises(RegionNotEnabled, match="autoscaling:DescribeAutoScalingGroups in ca-west-1"):
        gateway.auto_scaling_instances(account.credentials, "ca-west-1")
    with pytest.raises(RegionNotEnabled, match="eks:ListClusters in ca-west-1"):
        gateway.clusters(account.credentials, "ca-west-1")
    account.delete_keys()
    with pytest.raises(CredentialsRefused):
        gateway.clusters(account.credentials, "ca-west-1")


def test_a_region_that_is_not_enabled_while_home_is_silent_stays_unknown(
    aws: AwsStandIn, gateway: AwsGateway, account: StandInAccount
) -> None:
    aws.inject(Fault(Trouble.THROTTLED, service="sts"))
    with pytest.raises(AwsThrottled):
        gateway.clusters(account.credentials, "ca-west-1")


def test_throttling_is_retried_with_pauses_and_then_reported(
    aws: AwsStandIn, connect: Callable[..., AwsGateway], account: StandInAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", pauses.append)
    gateway = connect(attempts=3)
    aws.inject(Fault(Trouble.THROTTLED, service="sts", account_id=account.account_id, times=2))
    assert gateway.caller_identity(account.credentials).account_id == account.account_id
    assert len(pauses) == 2
    aws.inject(Fault(Trouble.THROTTLED, service="sts", account_id=account.account_id))
    with pytest.raises(AwsThrottled):
        gateway.caller_identity(account.credentials)
    assert aws.calls("sts", account_id=account.account_id) == 3 + 3


def test_a_silent_aws_is_given_up(aws: AwsStandIn, connect: Callable[..., AwsGateway], account: StandInAccount) -> None:
    aws.inject(Fault(Trouble.SILENT, operation="GetCallerIdentity"))
    with pytest.raises(AwsUnavailable, match="ReadTimeoutError"):
        connect(read_timeout=0.2).caller_identity(account.credentials)


def test_an_address_where_nobody_listens_is_unavailable(
    connect: Callable[..., AwsGateway], account: StandInAccount
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: a connection is refused at once
        gateway = connect(endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(AwsUnavailable, match="EndpointConnectionError"):
            gateway.caller_identity(account.credentials)


class _LoadBalancer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"<!doctype html>\n<p>no backend for you")

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_of_html_is_unavailable(connect: Callable[..., AwsGateway], account: StandInAccount) -> None:
    with HTTPServer(("127.0.0.1", 0), _LoadBalancer) as server:
        Thread(target=server.handle_request, daemon=True).start()
        gateway = connect(endpoint_url=f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(AwsUnavailable):
            gateway.enabled_regions(account.credentials)


@pytest.mark.parametrize(
    "trouble", [Trouble.EXPIRED_CREDENTIALS, Trouble.INVALID_CREDENTIALS], ids=["expired", "invalid"]
)
def test_refused_credentials_of_the_platform_are_never_blamed_on_an_account(
    aws: AwsStandIn, gateway: AwsGateway, account: StandInAccount, trouble: Trouble
) -> None:
    aws.inject(Fault(trouble, service="sts"))
    for ask in (gateway.platform_identity, lambda: gateway.assume_role(account.role_arn, None)):
        with pytest.raises(ConfigurationError, match="spothive's own credentials"):
            ask()


def test_a_machine_without_credentials_says_so(
    connect: Callable[..., AwsGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConfigurationError, match="set AWS_ACCESS_KEY_ID"):
        connect(platform=None).platform_identity()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigurationError, match="check AWS_PROFILE"):
        connect(platform=None).platform_identity()


def _client_error(code: str, status: int = 400, message: str = "") -> ClientError:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "DescribeInstances")


@pytest.mark.parametrize(
    ("error", "meaning", "code"),
    [
        (_client_error("RequestLimitExceeded", 503), AwsThrottled, "RequestLimitExceeded"),
        (_client_error("Whatever", 429), AwsThrottled, "Whatever"),
        (_client_error("502", 502), AwsUnavailable, "502"),
        (_client_error("OptInRequired", 401), RegionNotEnabled, "OptInRequired"),
        (_client_error("PendingVerification"), AwsCallFailed, "PendingVerification"),
        (_client_error("two\nlines", 403), AwsCallFailed, "HTTP 403"),
        (
            _client_error("SignatureDoesNotMatch", 403, "Signature expired: 20260101 is now earlier than 20260102"),
            AwsUnavailable,
            "the clock of this machine is wrong",
        ),
    ],
)
def test_codes_are_read_as_aws_means_them(error: ClientError, meaning: type[AwsError], code: str) -> None:
    failure = aws_error("ec2:DescribeInstances", "eu-west-1", error)
    assert type(failure) is meaning
    assert failure.code == code
    assert "\n" not in str(failure)


def test_no_secret_is_in_errors_logs_or_representations(
    aws: AwsStandIn, gateway: AwsGateway, account: StandInAccount, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong_id = EXTERNAL_ID[::-1]  # a traceback quotes the line that calls
    session = gateway.assume_role(account.role_arn, EXTERNAL_ID)
    shown = [repr(session), str(account.credentials), f"{session}", repr(gateway)]
    account.withdraw_permissions()
    for ask in (
        lambda: gateway.assume_role(account.role_arn, wrong_id),
        lambda: gateway.enabled_regions(session),
        lambda: gateway.enabled_regions(account.credentials),
    ):
        with pytest.raises(SpothiveError) as failure:
            ask()
        shown += traceback.format_exception(failure.value)
    text = "\n".join((*shown, caplog.text))
    secrets = [EXTERNAL_ID, wrong_id]
    for each in (session, account.credentials, aws.platform):
        secrets += [each.access_key_id, each.secret_access_key, each.session_token or EXTERNAL_ID]
    assert "ordered from the stand-in" not in text  # what AWS wrote, which may quote what was sent
    assert not [secret for secret in secrets if secret in text]


def test_boto3_is_imported_by_the_first_call_only() -> None:
    heavy = "{'boto3', 'botocore'} & sys.modules.keys()"
    code = f"import sys, spothive.gateways.onboarding_template; sys.exit(bool({heavy}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in {"boto3", "botocore"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'spothive\[aws\]'$"):
        AwsGateway(platform=Credentials("AKIA", "secret")).platform_identity()
