"""Everything happens to two companies: each is told of its own, nobody of another's, and nobody of a secret."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import (
    Account,
    ApprovalAction,
    Instance,
    RiskSource,
    ScanKind,
    ScanRun,
    get_db_session,
)
from spothive.models import (
    DowntimeCause,
    EmailDigestEntry,
    EmailLog,
    ModelStatus,
    Notice,
    NoticeEvent,
    WebhookLog,
)
from spothive.operations.approvals import reject
from spothive.operations.decisions import activate_model, make_decisions
from spothive.operations.fleet import end_dead_scans
from spothive.operations.fleet.access import fail_account, read_access
from spothive.operations.sla import record_downtime
from spothive.operations.sweeps import Tools
from spothive.scoring.serving import ModelServer
from spothive.scoring.store import ModelStore
from tests.conftest import settings
from tests.factories import make_account, make_cluster, make_instance
from tests.factories.approvals import ask, no_keys
from tests.factories.waste import WasteWorld, address, connect, delete, flagged, schedule, snapshot
from tests.laws.events_page import event_rows
from tests.operations.conftest import World
from tests.operations.decisions.conftest import make_model
from tests.operations.notifications.conftest import hook
from tests.operations.risk.conftest import LAB, fleet as fleet, hit, told  # noqa: PLC0414 - a fixture of another street
from tests.operations.sweeps.conftest import did, tools as tools  # noqa: PLC0414 - likewise
from tests.watching import rows_of

OF_OTHERS = {NoticeEvent.AGENT_OFFLINE, NoticeEvent.WEBHOOK_DISABLED, NoticeEvent.DIGEST_WEEKLY}
"""Events that deliveries and agents tell of themselves."""


@pytest.fixture
def everything_happens(fleet: World, tools: Tools, tmp_path: Path) -> World:
    """Let each event of a street happen, all but one to acme."""
    for who in (fleet.anna, fleet.gina, fleet.admin):
        hook(who, *NoticeEvent)
    told(fleet, hit())
    did(fleet, tools, "telling")  # globex has an instance in that pool
    _fleet_troubles(fleet)
    _outage_and_request(fleet)
    _waste(fleet)
    store = ModelStore(tmp_path / "models")
    make_decisions(get_db_session, fleet.anna, tenant_id=fleet.acme, server=ModelServer(store))
    make_model(store, "1", status=ModelStatus.ENABLED)
    activate_model(get_db_session, fleet.admin, name="risk", version="1", store=store)
    return fleet


def _fleet_troubles(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        access = read_access(session, f"name-of-{LAB}", no_keys)
        fail_account(session, world.anna, access, "AWS does not accept the credentials")
        ended = {"lease_token": uuid4(), "leased_until": utc_now() - timedelta(minutes=1), "units_expected": 1}
        session.add(ScanRun(account_id=access.account_row_id, kind=ScanKind.DISCOVERY, **ended))
    with get_db_session(tenant=world.acme) as session:
        end_dead_scans(session, world.anna)


def _outage_and_request(world: World) -> None:
    account = make_account(world.acme)
    cluster = make_cluster(world.acme, account.id, "web of acme")
    machine = make_instance(world.acme, account.id, "i-of-acme", cluster_id=cluster.id)
    start = utc_now() - timedelta(minutes=10)
    with get_db_session(tenant=world.acme) as session:
        record_downtime(session, world.anna, instance_id="i-of-acme", cause=DowntimeCause.WORKER_CRASH, start=start)
    request = ask(world.udo, machine.id, action=ApprovalAction.SWITCH_INSTANCE)
    with get_db_session(tenant=world.acme) as session:
        reject(session, world.anna, request.id, reason="not now")


def _waste(world: World) -> None:
    connect(world.acme, world.anna.user_id)
    aws = WasteWorld(address(1), snapshot(1))
    flagged(world.anna, aws)
    with settings(SPOTHIVE_WASTE_GRACE="0"):
        schedule(world.anna, snapshot(1).snapshot_id)
        delete(world.anna, aws)


def _told_to() -> dict[UUID, list[dict[str, Any]]]:
    """Return everything that was written to tell somebody, by tenant."""
    found = defaultdict(list)
    for model in (Notice, EmailLog, EmailDigestEntry, WebhookLog):
        for row in rows_of(model):
            about = row.get("event_data") or row.get("payload") or {k: row[k] for k in ("title", "body", "link")}
            found[row["tenant_id"]].append({"event": row["event_type"], "said": about})
    return found


def _words_of(tenant_id: UUID, slug: str, *people: Any) -> set[str]:
    """Return whatever names a tenant, its people or what it has."""
    words = {slug, str(tenant_id), tenant_id.hex}
    for who in people:
        words |= {who.username, str(who.user_id), who.user_id.hex}
    for model, names in ((Account, ("account_id", "account_name")), (Instance, ("instance_id",))):
        for row in rows_of(model, tenant_id=tenant_id):
            words |= {row[name] for name in names} | {str(row["id"]), row["id"].hex}
    words |= {row["instance_id"] for row in rows_of(RiskSource, source_client_id=tenant_id)}
    return {word.lower() for word in words}


def test_each_is_told_of_the_own_and_nobody_of_anothers_or_of_a_secret(everything_happens: World) -> None:
    world, found = everything_happens, _told_to()
    events = {tenant: {each["event"] for each in said} for tenant, said in found.items()}
    home = world.admin.home_tenant_id
    assert events[world.globex] == {NoticeEvent.SPOT_POOL_BLOCKED}
    assert events[home] == {NoticeEvent.MODEL_ACTIVATED}
    assert events[world.acme] == set(NoticeEvent) - OF_OTHERS - events[world.globex] - events[home]
    acme = _words_of(world.acme, "acme", world.anna, world.lena, world.udo)
    globex = _words_of(world.globex, "globex", world.gina)
    strangers = {world.acme: globex, world.globex: acme, home: acme | globex}
    secrets = {row["external_id"] for row in rows_of(Account)} - {None} | {"hooks.example/", "whsec_"}
    for tenant, said in found.items():
        text = str(said).lower()
        assert [word for word in strangers[tenant] if word in text] == []
        assert [secret for secret in secrets if secret in text] == []
    assert "acme" in str(found[world.acme]), "the words are those that would be found"


@pytest.mark.usefixtures("everything_happens")
def test_the_facts_are_those_of_the_guide_and_every_telling_says_how_to_go_on() -> None:
    rows, seen = event_rows(), set()
    for said in _told_to().values():
        for each in said:
            content = each["said"].get("data", each["said"])
            assert "`spothive " in content["body"]
            assert content["link"].startswith("spothive ")
            assert "\n" not in content["title"]
            if "facts" in content:
                seen.add(each["event"])
                assert set(content["facts"]) <= rows[each["event"]].facts, f"write it into the guide: {each['event']}"
    assert seen == set(NoticeEvent) - OF_OTHERS
