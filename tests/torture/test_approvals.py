"""Whoever terminates an instance is killed anywhere: the next run ends it, and it was approved once."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from spothive.database import ApprovalRequest, AuditLog, Instance, Role, dispose_engine, get_db_session
from spothive.database.seed_data import seed_initial_data
from spothive.errors import Conflict
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.aws_stand_in import AwsStandIn
from spothive.operations.approvals import execute_approved, executing
from spothive.operations.identity import create_tenant, create_user, find_actor
from tests.conftest import Database
from tests.factories.approvals import approved, ask, hold_rogues
from tests.torture import aws_works
from tests.torture.conftest import moments, wait_until_alone
from tests.torture.processes import Child
from tests.watching import rows_of

pytestmark = pytest.mark.torture

ROUNDS = 24


def test_a_termination_survives_kill_9_anywhere(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executing, "ANSWER_WITHIN", timedelta(0))
    seed_initial_data()
    admin, platform = find_actor("admin", "platform")
    with get_db_session(tenant=platform) as session:
        acme = create_tenant(session, admin, slug="acme", name="Acme").id
    with get_db_session(tenant=acme) as session:
        create_user(session, admin, username="anna", email="anna@acme.io", role=Role.CLIENT, password_hash="h")
    anna, _ = find_actor("anna", "acme")
    with AwsStandIn() as aws:
        account, machines = hold_rogues(aws, acme, anna.user_id, ROUNDS)
        gateway = AwsGateway(ConnectionOptions(endpoint_url=aws.url), platform=aws.platform)
        killed = 0
        for machine, pause in zip(machines, moments(4, 0.3, ROUNDS), strict=True):
            request_id = approved(ask(anna, machine))
            with Child(aws_works.execute, aws.url, aws.platform, request_id) as child:
                child.go()
                time.sleep(pause)
                killed += child.kill()
            dispose_engine()
            wait_until_alone(db)
            try:
                execute_approved(
                    get_db_session,
                    anna,
                    tenant_id=acme,
                    request_id=request_id,
                    gateway=gateway,
                    keys=aws_works.no_keys,
                )
            except Conflict as done:
                assert "is terminated" in str(done)  # noqa: PT017 - the child may have been faster
        pages = list(gateway.instance_pages(account.make_user()[1], "us-east-1"))
    print(f"{db.engine}: {ROUNDS} terminations, {killed} killed on the way")
    assert killed >= ROUNDS // 4
    assert [each.state for page in pages for each in page.instances] == ["terminated"] * ROUNDS
    assert {row["auth_status"] for row in rows_of(Instance)} == {"terminated"}
    assert all(row["executed_at"] for row in rows_of(ApprovalRequest))
    assert len(rows_of(AuditLog, event="approval.executed")) == ROUNDS
    assert len(rows_of(AuditLog, event="instance.terminated")) == ROUNDS
