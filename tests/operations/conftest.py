"""Two companies and their people, and ways to look at everything the database holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select, text

from spothive.database import PLATFORM_TENANT_ID, AuditLog, Base, Role, get_db_session, get_engine, system_scope
from spothive.database.seed_data import seed_initial_data
from spothive.operations.actor import Actor
from spothive.operations.identity import create_tenant, create_user, find_actor
from tests.conftest import Database

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class World:
    """The people of ``platform`` and of two customers, each acting at home."""

    acme: UUID
    globex: UUID
    admin: Actor  # of platform
    root: Actor  # super_admin of platform
    anna: Actor  # client of acme
    lena: Actor  # lab of acme
    udo: Actor  # user of acme
    gina: Actor  # client of globex


@pytest.fixture
def world(db: Database) -> World:
    """Make them by the verbs themselves."""
    seed_initial_data()
    admin, platform = find_actor("admin", "platform")
    tenants = {}
    with get_db_session(tenant=platform) as session:
        create_user(session, admin, username="root", email="root@x.io", role=Role.SUPER_ADMIN, password_hash="r")
        for slug in ("acme", "globex"):
            tenants[slug] = create_tenant(session, admin, slug=slug, name=slug.title()).id
    people = {
        "acme": {"anna": Role.CLIENT, "lena": Role.LAB, "udo": Role.USER},
        "globex": {"gina": Role.CLIENT},
    }
    for slug, names in people.items():
        with get_db_session(tenant=tenants[slug]) as session:
            for name, role in names.items():
                create_user(session, admin, username=name, email=f"{name}@{slug}.io", role=role, password_hash="h")
    names = {"root": "platform", "anna": "acme", "lena": "acme", "udo": "acme", "gina": "globex"}
    actors = {name: find_actor(name, slug)[0] for name, slug in names.items()}
    return World(acme=tenants["acme"], globex=tenants["globex"], admin=admin, **actors)


def rows_of(model: type[Base], **equal: Any) -> Rows:
    """Return the rows of every tenant, by id; only those whose columns have the given values."""
    table = model.__table__
    where = [table.c[name] == value for name, value in equal.items()]
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "a test looks"):
        return [dict(row) for row in session.execute(select(table).where(*where).order_by(table.c.id)).mappings()]


def everything() -> dict[str, Rows]:
    """Return every row of every table, to be compared with what is there later."""
    return {mapper.local_table.name: rows_of(mapper.class_) for mapper in Base.registry.mappers}  # type: ignore[attr-defined]  # ours map tables


def versions(db: Database) -> dict[Any, Any]:
    """Return instance id to what changes whenever its row is written, even with the same values."""
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "a test looks"):
        written = "xmin::text" if db.engine == "postgresql" else "updated_at"
        return {row[0]: row[1] for row in session.execute(text(f"SELECT instance_id, {written} FROM instances"))}


def audited(**equal: Any) -> list[tuple[Any, ...]]:
    """Return (event, resource, outcome, actor, before, after) of the audit rows, in the order of writing."""
    return [
        (row["event"], row["resource"], row["outcome"], row["actor_name"], *map(_read, (row["diff_before"], row["diff_after"])))
        for row in rows_of(AuditLog, **equal)
    ]


def _read(diff: str | None) -> Any:
    return None if diff is None else json.loads(diff)


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """Count the statements that the block sends, by their text."""
    sent: Counter[str] = Counter()

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent[statement] += 1

    engine = get_engine()
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", count)


@contextmanager
def audit_impossible(db: Database) -> Iterator[None]:
    """Let no row into the audit trail for the length of the block."""
    if db.engine == "postgresql":
        before = "REVOKE INSERT ON audit_logs FROM spothive_app, spothive_system"
        after = "GRANT INSERT ON audit_logs TO spothive_app, spothive_system"
    else:
        before = "CREATE TRIGGER full BEFORE INSERT ON audit_logs BEGIN SELECT RAISE(ABORT, 'full'); END"
        after = "DROP TRIGGER full"
    with db.raw(owner=True) as connection:
        connection.execute(before)
        try:
            yield
        finally:
            connection.execute(after)
