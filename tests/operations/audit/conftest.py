"""Audit trails to be sealed: rows as verbs write them, keys, an anchor, and ways to change what nobody may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from spothive import signing
from spothive.anchor import Anchor
from spothive.database import get_db_session, read_session
from spothive.database.seed_data import seed_initial_data
from spothive.operations.actor import Actor
from spothive.operations.audit import Sealing, TrailReport, seal_trails, verify_trail
from spothive.operations.identity import find_actor
from spothive.signing import SigningKeys
from tests.conftest import Database
from tests.factories import make_tenant
from tests.factories.audit_rows import audit_row

TABLES = ("audit_logs", "audit_seals")


@pytest.fixture(scope="session")
def keys() -> SigningKeys:
    """Return one signing key for all tests: making one takes a while."""
    return SigningKeys(signing.new_signer())


@dataclass(eq=False)
class Trail:
    """The trail of tenant ``acme``, and what seals and verifies it."""

    db: Database
    admin: Actor
    tenant_id: UUID
    keys: SigningKeys
    anchor: Anchor
    ids: list[UUID] = field(default_factory=list)

    def write(self, count: int = 1, **values: Any) -> list[UUID]:
        """Write rows in one transaction; return their ids."""
        with get_db_session(tenant=self.tenant_id) as session:
            rows = [audit_row(len(self.ids) + n, **values) for n in range(count)]
            session.add_all(rows)
        ids = [row.id for row in rows]
        self.ids += ids
        return ids

    def seal(self) -> Sealing:
        """Seal all trails."""
        return seal_trails(get_db_session, self.admin, keys=self.keys, anchor=self.anchor)

    def verify(self, keys: SigningKeys | None = None) -> TrailReport:
        """Verify this one."""
        anchored = Anchor(self.anchor.path).read()
        return verify_trail(read_session, self.tenant_id, keys=keys or self.keys, anchored=anchored)

    def is_whole(self) -> tuple[bool, int, int]:
        """Verify it; return whether it is sound, and how many rows are sealed and how many are not."""
        report = self.verify()
        return report.is_sound, report.rows, report.unsealed


@pytest.fixture
def trail(db: Database, keys: SigningKeys, tmp_path: Path) -> Trail:
    """Return the trail of a tenant whose only rows are those a test writes."""
    seed_initial_data()
    admin, _ = find_actor("admin", "platform")
    return Trail(db, admin, make_tenant("acme"), keys, Anchor(tmp_path / "anchor" / "audit.jsonl"))


class Intruder:
    """Somebody who owns the database: guards and CHECKs do not hold him."""

    def __init__(self, db: Database, connection: Any) -> None:
        """Take the guards of the audit trail away."""
        self.db = db
        self.run = connection.execute
        if db.engine == "sqlite":
            self.run("PRAGMA ignore_check_constraints = ON")
            for (name,) in self.run("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                self.run(f"DROP TRIGGER {name}")
            return
        for table in TABLES:
            self.run(f"ALTER TABLE {table} DISABLE TRIGGER USER, NO FORCE ROW LEVEL SECURITY")
            checks = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass"
            for (name,) in self.run(checks, (table,)).fetchall():
                self.run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")

    def literal(self, value: Any) -> str:
        """Write a value as SQL of this database."""
        match value:
            case None:
                return "NULL"
            case UUID():
                return f"'{value.hex}'" if self.db.engine == "sqlite" else f"'{value}'"
            case bytes():
                return f"x'{value.hex()}'" if self.db.engine == "sqlite" else f"'\\x{value.hex()}'"
            case int():
                return str(value)
            case _:
                return f"'{value}'"

    def change(self, table: str, row_id: UUID, **values: Any) -> None:
        """Change columns of one row; a value that is a list of one string is SQL."""
        sets = ", ".join(
            f"{name} = {value[0] if isinstance(value, list) else self.literal(value)}" for name, value in values.items()
        )
        changed = self.run(f"UPDATE {table} SET {sets} WHERE id = {self.literal(row_id)}")
        assert changed.rowcount == 1

    def delete(self, table: str, where: str) -> None:
        """Delete rows."""
        assert self.run(f"DELETE FROM {table} WHERE {where}").rowcount > 0

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Bring both tables back to what they were, after the block."""
        for table in TABLES:
            self.run(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        yield
        for table in TABLES:
            self.run(f"DELETE FROM {table}")
            self.run(f"INSERT INTO {table} SELECT * FROM kept_{table}")
            self.run(f"DROP TABLE kept_{table}")


@contextmanager
def intruding(trail: Trail) -> Iterator[Intruder]:
    """Let somebody own the database of ``trail``, and take its guards away."""
    with trail.db.raw(owner=True) as connection:
        yield Intruder(trail.db, connection)
