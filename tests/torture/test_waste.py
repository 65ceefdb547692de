"""Whoever deletes waste is killed anywhere: the next run ends it, and AWS was told once."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

import pytest
from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import ApprovalRequest, AuditLog, EnvironmentType, WasteResource, dispose_engine, get_db_session
from spothive.errors import Conflict
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.aws_stand_in import AwsStandIn
from spothive.gateways.onboarding_template import granted
from spothive.operations.actor import Actor
from spothive.operations.approvals import requesting
from spothive.operations.waste import deleting, schedule_deletion
from spothive.settings import get_settings
from tests.conftest import Database
from tests.factories.fleets import connected_account
from tests.factories.waste import HOME, WasteWorld, approve, connect, delete, flagged, schedule, volume
from tests.torture import waste_works
from tests.torture.conftest import moments, wait_until_alone
from tests.torture.processes import Child
from tests.torture.test_approvals import make_acme
from tests.watching import rows_of

if TYPE_CHECKING:
    from spothive.gateways.aws_stand_in import StandInAccount

pytestmark = pytest.mark.torture

OF_EACH = 6
OPERATIONS = {
    "elastic_ip": "ReleaseAddress",
    "ebs_volume": "DeleteVolume",
    "ebs_snapshot": "DeleteSnapshot",
    "ami": "DeregisterImage",
}
STEPS_OF = {
    "eipalloc": (1, 2) * 3,
    "vol": (2, 3, 4, 6, 7, 8),
    "snap": (1, 2) * 3,
    "ami": (1, 2) * 3,
}
"""After which word of ``waste_works.delete`` a process is killed: before AWS is asked, and after it answered."""


def hold_waste(aws: AwsStandIn, acme: UUID, anna: Actor) -> tuple[StandInAccount, list[str]]:
    """Connect an account that lets spothive act, with some waste of each kind; return it and AWS's ids, kinds mixed."""
    account = aws.make_account(regions=[HOME])
    with get_db_session(tenant=acme) as session:
        row = connected_account(session, anna.user_id, name="shop", account_id=account.account_id)
        row.environment_type = EnvironmentType.PROD
        trust: dict[str, Any] = {"trusts": aws.platform_arn, "external_id": row.external_id}
        row.role_arn = account.make_role(**trust, actions=granted("full"))
    names: list[str] = []
    for _ in range(OF_EACH):
        names += [account.make_address(HOME), account.make_volume(HOME, days=60)]
        names += [account.make_snapshot(HOME, days=60), account.make_image(HOME, days=60)]
    return account, names


def test_a_deletion_survives_kill_9_anywhere(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTHIVE_WASTE_GRACE", "0")
    monkeypatch.setenv("SPOTHIVE_WASTE_DAILY_SHARE", "1")
    get_settings.cache_clear()
    monkeypatch.setattr(deleting, "ANSWER_WITHIN", timedelta(0))
    anna, acme = make_acme()
    with AwsStandIn() as aws:
        account, names = hold_waste(aws, acme, anna)
        gateway = AwsGateway(ConnectionOptions(endpoint_url=aws.url), platform=aws.platform)
        flagged(anna, gateway)
        killed: Counter[str] = Counter()
        for number, (name, pause) in enumerate(zip(names, moments(4, 0.08, len(names)), strict=True)):
            schedule(anna, name)
            with Child(waste_works.delete, aws.url, aws.platform) as child:
                child.go()
                child.take(STEPS_OF[name.partition("-")[0]][number // len(OPERATIONS)])
                time.sleep(pause)
                interrupted = child.kill()
            dispose_engine()
            wait_until_alone(db)
            (row,) = rows_of(WasteResource, resource_id=name)
            stage = "begun" if row["deletion_begun_at"] else "not begun"
            killed[f"{stage}, {row['status']}"] += interrupted
            done = delete(anna, gateway)
            assert [each.ending for each in done] in ([], ["DELETED"]), done
        told = {kind: aws.calls(operation=operation) for kind, operation in OPERATIONS.items()}
        credentials = account.make_user()[1]
        made = [each for page in gateway.snapshots(credentials, HOME) for each in page]
        left = [each for page in gateway.volumes(credentials, HOME) for each in page]
    get_settings.cache_clear()
    print(f"{db.engine}: {len(names)} deletions, killed {dict(killed)}")
    assert killed.total() >= len(names) // 3
    assert told == dict.fromkeys(OPERATIONS, OF_EACH), "nothing is deleted twice"
    finals = [each.volume_id for each in made if "spothive:final-snapshot" in each.tags]
    assert sorted(finals) == sorted(set(finals)), "one final snapshot of each volume"
    assert (len(finals), left) == (OF_EACH, [])
    assert {row["status"] for row in rows_of(WasteResource, status="DELETED")} == {"DELETED"}
    assert len(rows_of(WasteResource, status="DELETED")) == len(names)
    assert len(rows_of(AuditLog, event="waste.deleted")) == len(names)


def test_a_long_transaction_uses_no_approval_whose_time_ended_in_it(db: Database) -> None:
    anna, acme = make_acme()
    connect(acme, anna.user_id)
    aws = WasteWorld(volume(1))
    flagged(anna, aws)
    asked = utc_now() - timedelta(seconds=get_settings().approval_window_high - 2)
    with patch.object(requesting, "database_clock", lambda _: asked):
        request_id = approve(anna, volume(1).volume_id)
    with pytest.raises(Conflict, match="is over"), get_db_session(tenant=acme) as session:
        request = session.scalars(select(ApprovalRequest)).one()
        left = request.expires_at - utc_now()
        assert timedelta(0) < left < timedelta(seconds=2), "it begins in time"
        time.sleep(3)
        schedule_deletion(session, anna, request_id=request_id)
    (row,) = rows_of(WasteResource)
    assert (row["status"], row["plan_hash"]) == ("FLAGGED", None)
    assert [row["executed_at"] for row in rows_of(ApprovalRequest)] == [None]
    assert rows_of(AuditLog, event="waste.scheduled") == []
    print(f"{db.engine}: asked {left} before the end, used 3 seconds later: refused")
