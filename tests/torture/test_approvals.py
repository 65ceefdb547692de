"""Whoever terminates an instance is killed anywhere: the next run ends it, and it was approved once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import NoneType
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from spothive.database import (
    ApprovalAction,
    ApprovalRequest,
    AuditLog,
    Instance,
    Role,
    TenantSession,
    dispose_engine,
    get_db_session,
)
from spothive.database.seed_data import seed_initial_data
from spothive.errors import Conflict, RuleBroken
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.aws_stand_in import AwsStandIn
from spothive.operations.actor import Actor
from spothive.operations.approvals import approve, consume, execute_approved, executing, expire_approvals, reject
from spothive.operations.identity import create_tenant, create_user, find_actor
from tests.conftest import Database
from tests.factories.approvals import approved, ask, ask_earlier, hold_rogues, make_machine
from tests.operations.fleet.conftest import at_once
from tests.torture import aws_works
from tests.torture.conftest import moments, wait_until_alone
from tests.torture.processes import Child
from tests.watching import rows_of

pytestmark = pytest.mark.torture

ROUNDS = 24
RACES, DECIDERS = 12, 25


def make_acme() -> tuple[Actor, UUID]:
    """Make the tenant acme with one client, anna."""
    seed_initial_data()
    admin, platform = find_actor("admin", "platform")
    with get_db_session(tenant=platform) as session:
        acme = create_tenant(session, admin, slug="acme", name="Acme").id
    with get_db_session(tenant=acme) as session:
        create_user(session, admin, username="anna", email="anna@acme.io", role=Role.CLIENT, password_hash="h")
    return find_actor("anna", "acme")


def test_fifty_decide_use_and_expire_a_request_as_its_time_ends(db: Database) -> None:
    anna, acme = make_acme()
    people = [replace(anna, user_id=uuid4()) for _ in range(2 * DECIDERS)]
    ends: Counter[str] = Counter()
    for number, left in enumerate(moments(5, 0.4, RACES)):
        since = timedelta(hours=24) - timedelta(seconds=left)
        request = ask_earlier(anna, make_machine(acme).id, since, action=ApprovalAction.SWITCH_INSTANCE)

        def within(work: Callable[[TenantSession], Any]) -> Callable[[], Any]:
            def run() -> Any:
                with get_db_session(tenant=acme) as session:
                    session.execute(select(ApprovalRequest.id))  # begun, and then it waits for a while
                    time.sleep(0.1 if db.engine == "postgresql" else 0)
                    return work(session)

            return run

        def use(session: TenantSession, request_id: UUID = request.id) -> None:
            consume(session, request_id, action=ApprovalAction.SWITCH_INSTANCE)

        yes = [within(partial(approve, actor=each, request_id=request.id)) for each in people[::2]]
        no = [within(partial(reject, actor=each, request_id=request.id, reason="no")) for each in people[1::2]]
        sweeps = [within(partial(expire_approvals, actor=anna))] * 3
        results = at_once(*(yes if number % 3 else [*yes, *no]), *[within(use)] * 5, *sweeps)
        assert {type(each) for each in results} <= {ApprovalRequest, Conflict, RuleBroken, NoneType, int}, results
        (row,) = rows_of(ApprovalRequest, id=request.id)
        used = sum(each is None for each in results)
        assert used == (row["executed_at"] is not None)
        assert (row["executed_at"] or row["expires_at"]) <= row["expires_at"]
        decided = sum(isinstance(each, ApprovalRequest) for each in results)
        assert decided == (row["decided_at"] is not None)
        assert (row["decided_at"] or row["expires_at"]) <= row["expires_at"]
        assert not used or row["status"] == "APPROVED"
        ends[f"{row['status']}{' and used' * used}"] += 1
    print(f"{db.engine}: {dict(ends)}")


def test_a_termination_survives_kill_9_anywhere(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executing, "ANSWER_WITHIN", timedelta(0))
    anna, acme = make_acme()
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
