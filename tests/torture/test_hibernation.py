"""Whoever puts a cluster to sleep or wakes it is killed anywhere: no size is lost, and the next run makes it right."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import product
from random import Random
from typing import Any
from uuid import UUID

import pytest

from spothive.clock import utc_now
from spothive.database import ApprovalRequest, AuditLog, HibernationSchedule, dispose_engine, get_db_session
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.aws_scaling import Sizes
from spothive.gateways.aws_stand_in import AwsStandIn
from spothive.gateways.aws_stand_in_groups import held_groups, hold_auto_scaling_group, hold_managed_group
from spothive.gateways.onboarding_template import granted
from spothive.operations.actor import Actor
from spothive.operations.clusters import Outcome, apply_hibernation, set_policy, set_schedule, set_schedule_enabled
from tests.conftest import Database
from tests.factories import make_cluster
from tests.factories.approvals import approved
from tests.factories.fleets import connected_account
from tests.torture import aws_works
from tests.torture.conftest import wait_until_alone
from tests.torture.processes import Child
from tests.torture.test_approvals import make_acme
from tests.watching import rows_of

pytestmark = pytest.mark.torture

REGION, OWN, MANAGED = "us-east-1", "auto_scaling:own", "eks:general"
SIZES = {OWN: Sizes(1, 9, 5), MANAGED: Sizes(2, 12, 3)}
ASLEEP = {OWN: Sizes(0, 0, 0), MANAGED: Sizes(0, 12, 0)}
STORED = {key: {"min": each.minimum, "max": each.maximum, "desired": each.desired} for key, each in SIZES.items()}
STEPS = 5
"""Words of a run: before it reads the groups, before and after it scales each of two."""


class _Shop:
    """The cluster shop of acme at the stand-in, as the tests look at it."""

    def __init__(self, aws: AwsStandIn, anna: Actor, acme: UUID) -> None:
        self.anna, self.acme = anna, acme
        self.account = aws.make_account(regions=[REGION])
        self.gateway = AwsGateway(ConnectionOptions(endpoint_url=aws.url), platform=aws.platform)
        account_id = self.account.account_id
        hold_managed_group(account_id, REGION, "shop", "general", SIZES[MANAGED])
        hold_auto_scaling_group(account_id, REGION, "own", SIZES[OWN], {"kubernetes.io/cluster/shop": "owned"})
        with get_db_session(tenant=acme) as session:
            row = connected_account(session, anna.user_id, name="prod", account_id=account_id)
            trust: dict[str, Any] = {"trusts": aws.platform_arn, "external_id": row.external_id}
            row.role_arn = self.account.make_role(**trust, actions=granted("full"))
            row_id = row.id
        make_cluster(acme, row_id, "shop", region=REGION)
        with get_db_session(tenant=acme) as session:
            set_schedule(session, anna, cluster="shop", week=[0] * 168)

    def enable(self, *, on: bool) -> None:
        with get_db_session(tenant=self.acme) as session:
            set_schedule_enabled(session, self.anna, cluster="shop", enabled=on)

    def apply(self) -> list[Outcome]:
        known: dict[str, Any] = {"tenant_id": self.acme, "gateway": self.gateway, "keys": aws_works.no_keys}
        return [each.outcome for each in apply_hibernation(get_db_session, self.anna, **known)]

    def held(self) -> dict[str, Sizes]:
        return {group.key: group.sizes for group in held_groups(self.account.account_id, REGION, "shop")}

    def end_lease(self) -> None:
        with get_db_session(tenant=self.acme) as session:
            schedule = session.query(HibernationSchedule).one()
            if schedule.lease_token is not None:
                schedule.leased_until = utc_now() - timedelta(hours=1)

    def row(self) -> dict[str, Any]:
        (found,) = rows_of(HibernationSchedule)
        return found


def kill_in(child: Child, steps: int, pause: float) -> bool:
    """Let it go, and kill it so long after so many of its steps; tell whether it was at work."""
    child.go()
    child.take(steps)
    time.sleep(pause)
    return child.kill()


def test_hibernation_survives_kill_9_at_every_step(db: Database) -> None:
    anna, acme = make_acme()
    rng, killed, rounds = Random(5), 0, 0
    with AwsStandIn() as aws:
        shop = _Shop(aws, anna, acme)
        # Killed as it puts to sleep or wakes, after so many steps; then it is to go on, or to turn back.
        for asleep, steps, turns in product((True, False), range(STEPS + 1), (False, True)):
            shop.enable(on=not asleep)
            shop.apply()
            assert shop.held() == (SIZES if asleep else ASLEEP)
            shop.enable(on=asleep)
            with Child(aws_works.hibernate, aws.url, aws.platform) as child:
                killed += kill_in(child, steps, rng.random() * aws_works.PAUSE * 1.5)
            dispose_engine()
            wait_until_alone(db)
            rounds += 1
            row = shop.row()
            assert row["restore_state"] in ((None, STORED) if shop.held() == SIZES else (STORED,))
            if row["applied_state"] == "asleep":
                assert row["restore_state"] == STORED
            if row["lease_token"] is not None:
                assert shop.apply() in ([Outcome.NOT_YET], [])  # nobody takes it over before its time
            shop.end_lease()
            to_sleep = asleep is not turns
            shop.enable(on=to_sleep)
            assert set(shop.apply()) <= {Outcome.DONE}
            assert shop.held() == (ASLEEP if to_sleep else SIZES)
            row = shop.row()
            kept = ("asleep", STORED) if to_sleep else ("awake", None)
            assert (row["applied_state"], row["restore_state"]) == kept
            # Where nothing was left to be done, the lease of the dead run is left to run out.
            assert row["leased_until"] is None or row["leased_until"] < utc_now()
            assert shop.apply() == []
        shop.enable(on=False)
        shop.apply()
        assert shop.held() == SIZES
    print(f"{db.engine}: {rounds} runs, {killed} killed at work")
    assert killed >= rounds // 2


def test_an_approved_sleep_that_is_killed_uses_its_approval_once(db: Database) -> None:
    anna, acme = make_acme()
    rng = Random(6)
    with AwsStandIn() as aws:
        shop = _Shop(aws, anna, acme)
        with get_db_session(tenant=acme) as session:
            set_policy(session, anna, cluster="shop", changes={"require_approval": True})
        for steps in range(STEPS + 1):
            shop.enable(on=True)
            assert shop.apply() == [Outcome.WAITING]
            with get_db_session(tenant=acme) as session:
                request = session.query(ApprovalRequest).filter_by(status="PENDING").one()
            approved(request)
            with Child(aws_works.hibernate, aws.url, aws.platform) as child:
                kill_in(child, steps, rng.random() * aws_works.PAUSE)
            dispose_engine()
            wait_until_alone(db)
            shop.end_lease()
            assert set(shop.apply()) <= {Outcome.DONE}
            assert shop.held() == ASLEEP
            assert len(rows_of(AuditLog, event="approval.executed")) == steps + 1
            shop.enable(on=False)
            assert shop.apply() == [Outcome.DONE]
            assert shop.held() == SIZES
