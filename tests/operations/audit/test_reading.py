"""Reading the audit trail by pages, filters and single rows, each tenant its own."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from spothive.database import AuditLog, Outcome, ResourceType, get_db_session, read_session, system_scope
from spothive.errors import Denied, InvalidInput, NotFound
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.audit.reading import WHOLE, Change, changes_of, list_audit, show_audit
from spothive.operations.identity import ALLOWED, set_user_active
from spothive.schema.types import new_id
from tests.conftest import Database
from tests.operations.conftest import World
from tests.watching import explained, rows_of


def _write(world: World, number: int, *, tenant: UUID | None = None, **facts: Any) -> None:
    row = {
        "tenant_id": tenant or world.acme,
        "actor_name": "anna (cli: root)",
        "event": "account.marked",
        "resource": "shop",
        "resource_type": ResourceType.ACCOUNT,
        "outcome": Outcome.SUCCESS,
    }
    with get_db_session() as session, system_scope(session, "test"):
        session.execute(insert(AuditLog), [{"id": new_id(), **row, **facts} for _ in range(number)])


def _found(world: World, actor: Actor, **wanted: Any) -> list[AuditLog]:
    with read_session(tenant=world.acme) as session:
        return list_audit(session, actor, **wanted).rows


def test_the_trail_is_read_by_pages_and_filters(world: World) -> None:
    _write(world, 5)
    _write(world, 2, actor_name="anna", event="user.disabled", resource="udo", resource_type=ResourceType.USER)
    _write(world, 1, outcome=Outcome.DENIED, actor_name="annabel (cli: root)")
    _write(world, 3, tenant=world.globex)
    known = {row["id"] for row in rows_of(AuditLog, tenant_id=world.acme)}
    seen: list[AuditLog] = []
    place = None
    with read_session(tenant=world.acme) as session:
        while True:
            page = list_audit(session, world.udo, limit=3, before=place)
            seen += page.rows
            if (place := page.next) is None:
                break
    assert [(row.timestamp, row.id) for row in seen] == sorted(((r.timestamp, r.id) for r in seen), reverse=True)
    assert (len(seen), {row.id for row in seen}) == (len(known), known)
    counts = {
        "event": ("user.disabled", 2),
        "resource": ("shop", 6),
        "resource_type": (ResourceType.ACCOUNT, 6),
        "outcome": (Outcome.DENIED, 1),
        "actor_name": ("anna", 7),
        "since": (seen[3].timestamp, sum(row.timestamp >= seen[3].timestamp for row in seen)),
        "until": (seen[3].timestamp, sum(row.timestamp < seen[3].timestamp for row in seen)),
    }
    assert {name: len(_found(world, world.udo, **{name: value})) for name, (value, _) in counts.items()} == {
        name: number for name, (_, number) in counts.items()
    }
    assert len(_found(world, world.udo, actor_name="anna", outcome=Outcome.DENIED)) == 0
    with pytest.raises(InvalidInput):
        _found(world, world.udo, before="nowhere")


def test_a_row_is_shown_with_what_changed_and_never_to_another_tenant(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)
    (row,) = _found(world, world.lena, event="user.disabled")
    assert changes_of(row) == [Change("is_active", before=True, after=False)]
    with read_session(tenant=world.acme) as session:
        assert show_audit(session, world.udo, row.id).id == row.id
    refusals = []
    for tenant, row_id in ((world.globex, row.id), (world.acme, UUID(int=1))):
        with pytest.raises(NotFound) as refusal, read_session(tenant=tenant) as session:
            show_audit(session, world.gina, row_id)
        refusals.append(str(refusal.value).replace(str(row_id), "ID"))
    assert refusals[0] == refusals[1]


def test_whatever_a_row_holds_can_be_shown(world: World) -> None:
    deep = "[" * 100_000
    odd = {"no JSON": "not {json", "deep": deep[: 64 * 1024], "a list": "[1]", "empty": "", "number": "NaN"}
    for name, text in odd.items():
        _write(world, 1, resource=name, diff_before=text, diff_after='{"a":1}')
    for name, text in odd.items():
        (row,) = _found(world, world.anna, resource=name)
        first, second = changes_of(row)
        assert (first.field, second) == (WHOLE, Change("a", None, 1))
        assert first.after is None
        assert str(first.before) in {text, "[1]", "nan", deep[: 64 * 1024]}
    with get_db_session(tenant=world.acme) as session:
        record(session, world.anna, "x.y", "whole", ResourceType.SYSTEM, before={"a": 1, "b": [1]}, after={"b": {}})
    (row,) = _found(world, world.anna, resource="whole")
    assert changes_of(row) == [Change("a", 1, None), Change("b", [1], {})]
    assert json.loads(row.diff_after or "") == {"b": {}}


def test_who_may_not_read_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALLOWED, world.udo.role, frozenset())  # no role is without it
    for read in (list_audit, lambda session, actor: show_audit(session, actor, UUID(int=1))):
        with pytest.raises(Denied), read_session(tenant=world.acme) as session:
            read(session, world.udo)


def test_a_page_is_found_by_the_index_under_the_row_policies(db: Database, world: World) -> None:
    for tenant in (world.acme, world.globex):
        _write(world, 1500, tenant=tenant)
    with db.raw(owner=True) as connection:
        connection.execute("ANALYZE audit_logs")
    with read_session(tenant=world.acme) as session:
        place = list_audit(session, world.udo, limit=300).next
        plan = explained(session, "audit_logs", lambda: list_audit(session, world.udo, limit=20, before=place))
    assert "ix_audit_logs_tenant_id_timestamp" in plan, plan
