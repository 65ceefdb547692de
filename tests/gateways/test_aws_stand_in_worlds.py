"""Opening and closing the stand-in. No other test of this module may hold one open: moto has one world a process."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime

import pytest

from spothive.errors import AlreadyRunning
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions, Credentials
from spothive.gateways.aws_errors import AwsUnavailable, CredentialsRefused
from spothive.gateways.aws_stand_in import AwsStandIn
from spothive.gateways.aws_stand_in_gate import Fault, Trouble

MOTO_VARIABLE = "MOTO_EC2_LOAD_DEFAULT_AMIS"


def _account_of(aws: AwsStandIn, credentials: Credentials) -> str:
    gateway = AwsGateway(ConnectionOptions(endpoint_url=aws.url, attempts=1, read_timeout=60), platform=aws.platform)
    try:
        return gateway.caller_identity(credentials).account_id
    finally:
        gateway.close()


def test_there_is_one_world_at_a_time() -> None:
    with AwsStandIn(), pytest.raises(AlreadyRunning, match="close it first"), AwsStandIn():
        pass
    with AwsStandIn():
        pass


def test_a_closed_world_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MOTO_VARIABLE, raising=False)
    threads = threading.active_count()
    with AwsStandIn() as first:
        old = first.make_account(instances=20)
        assert _account_of(first, old.credentials) == old.account_id
    assert MOTO_VARIABLE not in os.environ
    assert threading.active_count() == threads
    with pytest.raises(AwsUnavailable):
        _account_of(first, old.credentials)
    with AwsStandIn() as second:
        with pytest.raises(CredentialsRefused):
            _account_of(second, old.credentials)
        empty = second.make_account()
        assert empty.account_id == old.account_id
        assert empty.fleet == {"Reservations": []}


def test_a_variable_that_was_set_before_is_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MOTO_VARIABLE, "true")
    with AwsStandIn():
        assert os.environ[MOTO_VARIABLE] == "false"
    assert os.environ[MOTO_VARIABLE] == "true"


def test_a_world_closes_although_answers_are_late() -> None:
    with AwsStandIn() as aws:
        account = aws.make_account()
        aws.inject(Fault(Trouble.SILENT, operation="GetCallerIdentity"))
        gateway = AwsGateway(ConnectionOptions(endpoint_url=aws.url, attempts=1, read_timeout=0.1))
        with pytest.raises(AwsUnavailable):
            gateway.caller_identity(account.credentials)
        gateway.close()


def test_a_seed_makes_the_same_waste_and_an_account_without_instances_has_some_too() -> None:
    made = []
    for seed in (7, 7, 8):
        with AwsStandIn() as aws:
            held = aws.make_account(regions=["eu-west-1"]).hold_waste(
                "eu-west-1", now=datetime(2026, 3, 1, tzinfo=UTC), seed=seed
            )
            made.append((held.addresses, held.volumes, held.snapshots, held.images))
    assert made[0] == made[1] != made[2]
    assert all(made[0])
