"""Two companies and their people, and ways to look at what their verbs leave behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from spothive.database import PLATFORM_TENANT_ID, AuditLog, Role, get_db_session, system_scope
from spothive.database.seed_data import seed_initial_data
from spothive.operations.actor import Actor
from spothive.operations.identity import create_tenant, create_user, find_actor
from tests.conftest import Beginning, Database
from tests.watching import rows_of


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


@pytest.fixture(scope="session")
def begins_with_world(beginning: Callable[[Callable[[], World]], Beginning[World]]) -> Beginning[World]:
    return beginning(_make_world)


@pytest.fixture
def world(db: Database, begins_with_world: Beginning[World]) -> World:
    """Return the people; their rows are there already."""
    return begins_with_world.made[db.engine]


def _make_world() -> World:
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
    homes = {"root": "platform", "anna": "acme", "lena": "acme", "udo": "acme", "gina": "globex"}
    actors = {name: find_actor(name, slug)[0] for name, slug in homes.items()}
    return World(acme=tenants["acme"], globex=tenants["globex"], admin=admin, **actors)


def versions(db: Database) -> dict[Any, Any]:
    """Return instance id to what changes whenever its row is written, even with the same values."""
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "a test looks"):
        written = "xmin::text" if db.engine == "postgresql" else "updated_at"
        return {row[0]: row[1] for row in session.execute(text(f"SELECT instance_id, {written} FROM instances"))}


def audited(**equal: Any) -> list[tuple[Any, ...]]:
    """Return (event, resource, outcome, actor, before, after) of the audit rows, in the order of writing."""
    return [
        (
            row["event"],
            row["resource"],
            row["outcome"],
            row["actor_name"],
            *map(_read, (row["diff_before"], row["diff_after"])),
        )
        for row in rows_of(AuditLog, **equal)
    ]


def _read(diff: str | None) -> Any:
    return None if diff is None else json.loads(diff)


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
