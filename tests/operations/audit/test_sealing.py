"""Sealing: every row that is final, once, in one chain, whatever else goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy import delete
from sqlalchemy.engine import make_url

from spothive import signing
from spothive.anchor import Anchor
from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    AuditLog,
    AuditSeal,
    SessionLocal,
    SystemLog,
    Tenant,
    get_db_session,
    read_session,
    system_scope,
    trail as rows,
)
from spothive.database.copying import copy_database
from spothive.database.revisions import run_migration
from spothive.errors import ConfigurationError, Denied
from spothive.models import Role
from spothive.operations.actor import Actor
from spothive.operations.audit import chain, seal_trails, sealing, verify_all, verifying
from spothive.signing import SigningKeys
from tests.conftest import Database, fresh_postgresql
from tests.database.copies import inside
from tests.factories import make_tenant
from tests.factories.audit_rows import audit_row
from tests.operations.audit.conftest import Trail
from tests.watching import rows_of

pytestmark = pytest.mark.own_server  # a seal covers what is older than any open transaction, whoever has it open


def seals_of(trail: Trail) -> list[dict[str, Any]]:
    """Return the seals by number."""
    return sorted(rows_of(AuditSeal, tenant_id=trail.tenant_id), key=lambda seal: seal["seal_no"])


def sealed_ids(trail: Trail) -> list[UUID]:
    """Return the ids of all sealed rows, as often as they are sealed."""
    return [UUID(bytes=rows.id_in(entry)) for seal in seals_of(trail) for entry in rows.cut(seal["leaves"])]


def test_a_trail_is_sealed_seal_by_seal(trail: Trail) -> None:
    assert trail.is_whole() == (True, 0, 0)
    trail.write(3)
    session = SessionLocal(tenant=trail.tenant_id)
    session.add(audit_row(100))
    session.flush()
    session.rollback()  # a gap that nobody may take for a row that is gone
    session.close()
    before = len(rows_of(AuditLog))
    done = trail.seal()
    mine = next(one for one in done.tenants if one.tenant_id == trail.tenant_id)
    assert (mine.seals, mine.rows, mine.belated, mine.anchored, mine.problem) == (1, 3, 0, 1, None)
    assert done.new_anchor
    assert trail.is_whole() == (True, 3, 0)
    trail.write(2)
    assert trail.is_whole() == (True, 3, 2)
    assert trail.verify().oldest_unsealed is not None
    trail.seal()
    assert trail.seal().tenants == [], "nothing is new"
    assert trail.is_whole() == (True, 5, 0)
    first, second = seals_of(trail)
    assert (first["seal_no"], first["row_count"], first["previous_seal_hash"]) == (1, 3, "0" * 64)
    assert (second["seal_no"], second["row_count"], second["key_id"]) == (2, 2, trail.keys.key_id)
    # Sealing is told in the system log, once for each call that sealed something; an audit row would never be sealed.
    logs = rows_of(SystemLog, action="audit.sealed")
    assert [(log["component"], log["details"]["rows"]) for log in logs] == [("sealer", done.rows), ("sealer", 2)]
    assert len(rows_of(AuditLog)) == before + 2
    for actor in (trail.admin, trail.admin):
        reports = list(verify_all(read_session, actor, keys=trail.keys, anchor=trail.anchor))
        assert [report.is_sound for report in reports] == [True, True]


def test_only_staff_seals_or_verifies_all_and_others_are_remembered(trail: Trail) -> None:
    client = Actor(UUID(int=5), "anna", Role.CLIENT, trail.tenant_id)
    with pytest.raises(Denied):
        seal_trails(get_db_session, client, keys=trail.keys, anchor=trail.anchor)
    with pytest.raises(Denied):
        list(verify_all(read_session, client, keys=trail.keys, anchor=trail.anchor))
    denied = [row["event"] for row in rows_of(AuditLog, outcome="DENIED", actor_name="anna")]
    assert denied == ["audit.sealed", "audit.verified"]
    assert rows_of(AuditSeal) == []


@pytest.mark.engines("postgresql")  # SQLite has one writer: while a transaction is open, sealing waits
def test_a_row_committed_late_is_in_a_later_seal(trail: Trail) -> None:
    late = SessionLocal(tenant=trail.tenant_id)
    late.add(audit_row(1000))
    late.flush()
    trail.write(2)
    trail.seal()
    assert trail.is_whole() == (True, 0, 2), "behind the open transaction nothing is final"
    late.commit()
    late.close()
    assert trail.is_whole() == (True, 0, 3)
    trail.seal()
    assert trail.is_whole() == (True, 3, 0)


def test_what_is_sealed_while_somebody_verifies_is_no_alarm(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    trail.write(2)
    trail.seal()
    monkeypatch.setattr(rows, "_SLACK", timedelta(0))
    monkeypatch.setattr(sealing, "utc_now", lambda: utc_now() + timedelta(hours=1))  # as if rows waited that long
    verify_rows = verifying._verify_rows  # noqa: SLF001 - to seal between its two halves

    def sealed_before(*facts: Any) -> None:
        trail.write(2)
        trail.seal()
        trail.write(1)
        trail.seal()
        verify_rows(*facts)

    monkeypatch.setattr(verifying, "_verify_rows", sealed_before)
    report = trail.verify()
    assert (report.findings, report.rows, report.unsealed) == ([], 2, 3)


def test_what_cannot_be_read_of_the_anchor_is_told(trail: Trail) -> None:
    trail.write(1)
    trail.seal()
    with trail.anchor.path.open("a") as file:
        file.write("junk\n")
    report = trail.verify()
    assert (report.findings, len(report.remarks)) == ([], 1)
    assert report.remarks[0].startswith("1 line of the anchor cannot be read")


def test_many_rows_make_many_seals(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "SEAL_ROWS", 4)
    monkeypatch.setattr(verifying, "PAGE", 3)
    trail.write(9)  # of one transaction
    for _ in range(3):
        trail.write(2)
    trail.seal()
    assert [seal["row_count"] for seal in seals_of(trail)] == [4, 4, 4, 3]
    trail.write(6)
    trail.seal()
    assert sum(seal["row_count"] for seal in seals_of(trail)[4:]) == 6
    assert sorted(sealed_ids(trail)) == sorted(trail.ids)
    assert trail.is_whole() == (True, 21, 0)


def test_sealing_goes_on_where_a_crash_ended_it(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "SEAL_ROWS", 4)
    trail.write(1)
    trail.seal()
    trail.write(10)  # of one transaction, so that its number cannot tell what is sealed of it

    def crash(*_: Any) -> int:
        raise ConfigurationError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Anchor, "append", crash)
        with pytest.raises(ConfigurationError):
            trail.seal()
    report = trail.verify()
    assert (report.is_sound, report.rows + report.unsealed, report.not_anchored) == (True, 11, 1)
    assert 1 < report.rows < 11
    trail.seal()
    assert sorted(sealed_ids(trail)) == sorted(trail.ids)
    report = trail.verify()
    assert (report.is_sound, report.rows, report.unsealed, report.not_anchored) == (True, 11, 0, 0)
    assert list(Anchor(trail.anchor.path).read().of(trail.tenant_id)) == [seal["seal_no"] for seal in seals_of(trail)]


def test_two_sealers_at_once_make_one_chain(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "SEAL_ROWS", 5)
    trail.write(12)
    barrier, next_seal = Barrier(2), chain.next_seal

    def together(*facts: Any) -> AuditSeal:
        seal = next_seal(*facts)
        if trail.db.engine == "postgresql":  # on SQLite only one of them can be here
            with suppress(BrokenBarrierError):
                barrier.wait(5)
            barrier.abort()
        return seal

    monkeypatch.setattr(chain, "next_seal", together)

    def seal() -> int:
        anchor = Anchor(trail.anchor.path)
        return seal_trails(get_db_session, trail.admin, keys=trail.keys, anchor=anchor).rows

    with ThreadPoolExecutor(2) as threads:
        sealed = [work.result() for work in [threads.submit(seal), threads.submit(seal)]]
    assert sum(sealed) == len(rows_of(AuditLog))
    assert [seal["seal_no"] for seal in seals_of(trail)] == [1, 2, 3]
    assert sorted(sealed_ids(trail)) == sorted(trail.ids)
    assert trail.is_whole() == (True, 12, 0)
    assert list(Anchor(trail.anchor.path).read().of(trail.tenant_id)) == [1, 2, 3]


def test_the_trail_of_a_deleted_tenant_is_sealed_and_verified(trail: Trail) -> None:
    trail.write(2)
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "test"):
        session.execute(delete(Tenant).where(Tenant.id == trail.tenant_id))
    trail.seal()
    assert trail.is_whole() == (True, 2, 0)
    reports = list(verify_all(read_session, trail.admin, keys=trail.keys, anchor=trail.anchor))
    assert trail.tenant_id in [report.tenant_id for report in reports]


def test_a_changed_key_vouches_for_what_it_signed(trail: Trail) -> None:
    trail.write(1)
    trail.seal()
    old, new = trail.keys, signing.new_signer()
    old_half = load_der_public_key(old.public_keys[old.key_id])
    assert isinstance(old_half, RSAPublicKey)
    trail.keys = SigningKeys(new, old_half)
    trail.write(1)
    trail.seal()
    assert [seal["key_id"] for seal in seals_of(trail)] == [old.key_id, trail.keys.key_id]
    assert trail.is_whole() == (True, 2, 0)
    report = trail.verify(SigningKeys(new))
    assert [(found.seal_no, old.key_id in found.what) for found in report.findings] == [(1, True)]


# --- what a watermark cannot know --------------------------------------------------------------------------------


@pytest.fixture
def target(db: Database, own_templates: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty database of the other kind."""
    if db.engine == "sqlite":
        with fresh_postgresql(own_templates["postgresql"]) as url:
            yield url
    else:
        file = shutil.copyfile(str(make_url(own_templates["sqlite"]).database), tmp_path / "target.db")
        yield f"sqlite:///{file}"


def test_trails_that_moved_are_sealed_on(trail: Trail, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "SEAL_ROWS", 4)
    trail.write(3)
    trail.seal()
    never_sealed = replace(trail, tenant_id=make_tenant("globex"), ids=[])
    trails = {trail: 3, never_sealed: 0}
    for one in trails:
        one.write(5)
    copy_database(target)
    with inside(target):
        run_migration()
        for one, sealed in trails.items():
            assert one.is_whole() == (True, sealed, len(one.ids) - sealed)
            one.write(2)
            assert one.is_whole() == (True, sealed, len(one.ids) - sealed)
        assert sum(one.belated for one in trail.seal().tenants) == 0
        for one in trails:
            assert one.is_whole() == (True, len(one.ids), 0)
            one.write(1)
        trail.seal()
        for one in trails:
            assert one.is_whole() == (True, len(one.ids), 0)
            assert sorted(sealed_ids(one)) == sorted(one.ids)


@pytest.mark.engines("postgresql")
def test_transaction_numbers_of_another_server_are_not_believed(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a move to a server that has counted less far: rows and seals of numbers that are still to come."""

    def from_elsewhere(ids: list[UUID], number: int) -> None:
        with trail.db.raw(owner=True) as connection:
            connection.execute("ALTER TABLE audit_logs DISABLE TRIGGER USER, NO FORCE ROW LEVEL SECURITY")
            connection.execute("UPDATE audit_logs SET txid = %s WHERE id = ANY(%s)", (number, ids))
            connection.execute("ALTER TABLE audit_logs ENABLE TRIGGER USER, FORCE ROW LEVEL SECURITY")

    from_elsewhere(trail.write(3), 10**9)
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "horizon", lambda _: 10**9 + 1)
        trail.seal()
    assert [seal["horizon"] for seal in seals_of(trail)] == [10**9 + 1]
    from_elsewhere(trail.write(2), 10**9 + 7)
    trail.write(2)  # by this server's count
    assert trail.is_whole() == (True, 3, 4)
    trail.seal()
    assert trail.is_whole() == (True, 7, 0)
    trail.write(2)
    assert trail.is_whole() == (True, 7, 2)
    assert sum(one.belated for one in trail.seal().tenants) == 0
    assert trail.is_whole() == (True, 9, 0)
    assert sorted(sealed_ids(trail)) == sorted(trail.ids)


@pytest.mark.engines("sqlite")  # PostgreSQL numbers transactions, whatever the clock says
def test_rows_of_a_clock_that_was_set_back_are_sealed_and_told(trail: Trail) -> None:
    trail.write(2)
    trail.seal()
    with trail.db.raw() as connection:
        connection.execute("DROP TRIGGER ao_audit_logs_clock")
    (row_id,) = trail.write(1, timestamp=utc_now() - timedelta(hours=1))
    (finding,) = trail.verify().findings
    assert (finding.row_id, "the clock was set back" in finding.what) == (row_id, True)
    done = trail.seal()
    assert [one.belated for one in done.tenants] == [1]
    assert rows_of(SystemLog, action="audit.sealed")[-1]["level"] == "warning"
    assert trail.is_whole() == (True, 3, 0)
    trail.write(1)
    trail.seal()
    assert trail.is_whole() == (True, 4, 0)
