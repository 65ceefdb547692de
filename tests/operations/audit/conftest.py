"""Audit trails to be sealed: rows as verbs write them, keys, an anchor, and ways to change what nobody may change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from spothive import signing
from spothive.anchor import Anchor
from spothive.database import AuditLog, Outcome, ResourceType, get_db_session, read_session
from spothive.operations.actor import Actor
from spothive.operations.audit import Sealing, TrailReport, seal_trails, verify_trail
from spothive.signing import SigningKeys
from tests.conftest import Database


@pytest.fixture(scope="session")
def keys() -> SigningKeys:
    """Return one signing key for all tests: making one takes a while."""
    return SigningKeys(signing.new_signer())


@dataclass
class Trail:
    """The trail of one tenant, and what seals and verifies it."""

    db: Database
    admin: Actor
    tenant_id: UUID
    keys: SigningKeys
    anchor: Anchor
    ids: list[UUID] = field(default_factory=list)

    def write(self, count: int, **values: Any) -> list[UUID]:
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

    def verify(self) -> TrailReport:
        """Verify this one."""
        anchored = Anchor(self.anchor.path).read()
        return verify_trail(read_session, self.tenant_id, keys=self.keys, anchored=anchored)


def audit_row(number: int, **values: Any) -> AuditLog:
    """Return a row with a value in every column."""
    facts: dict[str, Any] = {
        "actor_id": UUID(int=number),
        "actor_name": "anna (cli: root)",
        "event": "account.imported",
        "resource": f"shop-{number}",
        "resource_type": ResourceType.ACCOUNT,
        "outcome": Outcome.SUCCESS,
        "ip_address": "192.0.2.7",
        "user_agent": "curl",
        "request_id": f"r{number}",
        "diff_before": "{}",
        "diff_after": f'{{"n":{number}}}',
    }
    return AuditLog(**facts | values)
