"""Whoever owns the database can change the audit trail; verifying says that, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from spothive import signing
from spothive.anchor import Anchor
from spothive.database import AuditLog, AuditSeal, get_db_session, read_session, trail as rows
from spothive.operations.audit import chain, verify_trail
from spothive.signing import SigningKeys
from tests.operations.audit.conftest import Intruder, Trail, intruding
from tests.watching import rows_of

pytestmark = pytest.mark.own_server  # so that what is written is sealed at once

STRANGER = UUID(int=99)
LATER = "2030-01-01 00:00:00.000000"

LOG_CHANGES: dict[str, Any] = {
    "tenant_id": STRANGER,
    "id": STRANGER,
    "timestamp": LATER,
    "txid": 7,
    "actor_id": None,
    "actor_name": "root",
    "event": "account.imported ",
    "resource": "",
    "resource_type": "USER",
    "outcome": "DENIED",
    "ip_address": None,
    "user_agent": "",
    "request_id": "R",
    "diff_before": None,
    "diff_after": "{}",
}
SEAL_CHANGES: dict[str, Any] = {
    "tenant_id": STRANGER,
    "id": STRANGER,
    "seal_no": 9,
    "row_count": 3,
    "leaves": bytes(96),
    "merkle_root": "0" * 64,
    "previous_seal_hash": "1" * 64,
    "horizon": 2**40,
    "sealed_at": LATER,
    "algorithm": "none",
    "key_id": "0" * 16,
    "signature": b"forged",
}
GARBAGE = {"timestamp": "yesterday", "outcome": "FINE", "actor_id": "nobody"}


@dataclass
class Sealed:
    """Three seals of two rows each, and a row without one."""

    trail: Trail
    intruder: Intruder
    seals: list[UUID]

    def first_place(self) -> tuple[int | None, UUID | None, str]:
        """Return the first bad place that verifying finds."""
        report = self.trail.verify()
        assert not report.is_sound
        assert report.places >= len(report.findings)
        first = report.findings[0]
        return first.seal_no, first.row_id, first.what


@pytest.fixture
def sealed(trail: Trail) -> Iterator[Sealed]:
    for _ in range(3):
        trail.write(2)
        trail.seal()
    trail.write(1)
    assert trail.is_whole() == (True, 6, 1)
    seals = sorted(rows_of(AuditSeal, tenant_id=trail.tenant_id), key=lambda seal: seal["seal_no"])
    with intruding(trail) as intruder:
        yield Sealed(trail, intruder, [seal["id"] for seal in seals])


def test_a_change_of_any_column_is_found_at_its_row_or_seal(sealed: Sealed) -> None:
    assert list(LOG_CHANGES) == [column.name for column in AuditLog.__table__.columns]
    row_id = sealed.trail.ids[2]  # the first of the second seal
    for column, value in LOG_CHANGES.items():
        with sealed.intruder.undone():
            sealed.intruder.change("audit_logs", row_id, **{column: value})
            seal_no, found, what = sealed.first_place()
            assert (seal_no, found) == (2, row_id), column
            assert ("missing" if column in {"id", "tenant_id"} else "was changed") in what
    assert sealed.trail.is_whole() == (True, 6, 1)
    assert list(SEAL_CHANGES) == [column.name for column in AuditSeal.__table__.columns]
    for column, value in SEAL_CHANGES.items():
        with sealed.intruder.undone():
            sealed.intruder.change("audit_seals", sealed.seals[1], **{column: value})
            seal_no, found, _ = sealed.first_place()
            assert (seal_no, found) == (2, None), column
    assert sealed.trail.is_whole() == (True, 6, 1)


@pytest.mark.engines("sqlite")
def test_what_no_column_can_hold_is_a_changed_row_and_no_crash(sealed: Sealed) -> None:
    for column, value in GARBAGE.items():
        with sealed.intruder.undone():
            sealed.intruder.change("audit_logs", sealed.trail.ids[2], **{column: value})
            assert sealed.first_place()[:2] == (2, sealed.trail.ids[2])
    with sealed.intruder.undone():
        sealed.intruder.change("audit_seals", sealed.seals[1], key_id=["CAST(x'ff' AS TEXT)"])
        assert sealed.first_place()[0] == 2
    with sealed.intruder.undone():  # the same moment and the same id in another spelling are no longer what was written
        capitals = [f"upper('{UUID(int=0xABC).hex}')"]
        sealed.intruder.change("audit_logs", sealed.trail.ids[2], actor_id=capitals)
        assert sealed.first_place()[:2] == (2, sealed.trail.ids[2])


def middle_row(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    sealed.intruder.delete("audit_logs", f"id = {sealed.intruder.literal(sealed.trail.ids[3])}")
    return 2, sealed.trail.ids[3], "it is missing"


def middle_seal(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    sealed.intruder.delete("audit_seals", f"id = {sealed.intruder.literal(sealed.seals[1])}")
    return 2, None, "is missing"


def tail(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    ids = ", ".join(map(sealed.intruder.literal, sealed.trail.ids[4:]))
    sealed.intruder.delete("audit_logs", f"id IN ({ids})")
    sealed.intruder.delete("audit_seals", f"id = {sealed.intruder.literal(sealed.seals[2])}")
    return 3, None, "its end was cut, or this is an older copy"


def everything_of_a_tenant(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    for table in ("audit_logs", "audit_seals"):
        sealed.intruder.delete(table, f"tenant_id = {sealed.intruder.literal(sealed.trail.tenant_id)}")
    return 1, None, "is in the anchor and not in the database"


def swapped_contents(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    one, other = sealed.trail.ids[1:3]
    contents = {row["id"]: row["diff_after"] for row in rows_of(AuditLog, tenant_id=sealed.trail.tenant_id)}
    sealed.intruder.change("audit_logs", one, diff_after=contents[other])
    sealed.intruder.change("audit_logs", other, diff_after=contents[one])
    return 1, one, "it was changed"


def a_row_put_in(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    """Write a copy of an old row under an id of its own."""
    names = [column.name for column in AuditLog.__table__.columns if column.name != "id"]
    row_id = UUID(int=sealed.trail.ids[2].int + 1)
    before, old = "2026-01-01 00:00:00.000000", sealed.intruder.literal(sealed.trail.ids[2])
    chosen = ", ".join(f"'{before}'" if name == "timestamp" else name for name in names)
    sealed.intruder.run(
        f"INSERT INTO audit_logs (id, {', '.join(names)}) "
        f"SELECT {sealed.intruder.literal(row_id)}, {chosen} FROM audit_logs WHERE id = {old}"
    )
    return None, row_id, "it has no seal, though one was made after its time"


def everything_hashed_anew(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    """Change a row and make leaves, roots and chain fit, with the signatures there are."""
    sealed.intruder.change("audit_logs", sealed.trail.ids[2], outcome="DENIED")
    rehash(sealed, None)
    return 2, None, "its signature is not that of key"


def everything_signed_anew(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    """Do the same with a key of one's own."""
    sealed.intruder.change("audit_logs", sealed.trail.ids[2], outcome="DENIED")
    rehash(sealed, SigningKeys(signing.new_signer()))
    return 1, None, "which is not known here"


def signed_anew_under_the_name_of_the_true_key(sealed: Sealed) -> tuple[int | None, UUID | None, str]:
    rehash(sealed, SigningKeys(signing.new_signer()), key_id=sealed.trail.keys.key_id)
    return 1, None, "its signature is not that of key"


def rehash(sealed: Sealed, keys: SigningKeys | None, *, key_id: str = "", twice: UUID | None = None) -> None:
    """Compute every leaf, root and hash of the chain anew, and sign with ``keys`` if there are any."""
    tenant_id = sealed.trail.tenant_id
    before = chain.NO_SEAL_BEFORE
    for number in (1, 2, 3):
        with get_db_session(tenant=tenant_id) as session:
            seal = chain.seals_after(session, tenant_id, number - 1)[0]
            ids = {rows.id_in(entry) for entry in rows.cut(chain.leaves_of(session, tenant_id, number))}
            ids |= {twice.bytes} if twice and number == 2 else set()
            chosen = rows.ROWS.select().where(rows.ROWS.c.id.in_(UUID(bytes=one) for one in ids))
            leaves = rows.entries(session, chosen)
            session.expunge_all()
        seal.row_count, seal.merkle_root, seal.previous_seal_hash = len(ids), chain.root_of(rows.cut(leaves)), before
        if keys:
            chain.sign(seal, keys)
            seal.key_id = key_id or seal.key_id
        sealed.intruder.change(
            "audit_seals",
            seal.id,
            leaves=leaves,
            **{
                name: getattr(seal, name)
                for name in ("row_count", "merkle_root", "previous_seal_hash", "key_id", "signature")
            },
        )
        before = chain.seal_hash(seal)


DEEDS: tuple[Callable[[Sealed], tuple[int | None, UUID | None, str]], ...] = (
    middle_row,
    middle_seal,
    tail,
    everything_of_a_tenant,
    swapped_contents,
    a_row_put_in,
    everything_hashed_anew,
    everything_signed_anew,
    signed_anew_under_the_name_of_the_true_key,
)


def test_every_deed_is_found_at_its_place(sealed: Sealed) -> None:
    for deed in DEEDS:
        with sealed.intruder.undone():
            seal_no, row_id, words = deed(sealed)
            found = sealed.first_place()
            assert found[:2] == (seal_no, row_id), (deed.__name__, found)
            assert words in found[2], deed.__name__
    assert sealed.trail.is_whole() == (True, 6, 1)
    with sealed.intruder.undone():
        tail(sealed)
        without_anchor(sealed)
        nothing_is_sealed_onto_an_older_copy(sealed)
    with sealed.intruder.undone():
        a_line_is_cut_out_of_the_anchor(sealed)
        a_broken_sealer_seals_twice(sealed)


def test_an_older_copy_of_the_database_is_found(sealed: Sealed) -> None:
    with sealed.intruder.undone():
        sealed.trail.seal()
        assert sealed.trail.is_whole() == (True, 7, 0)
    assert sealed.first_place() == (
        4,
        None,
        "is in the anchor and not in the database: its end was cut, or this is an older copy",
    )


def without_anchor(sealed: Sealed) -> None:
    """Only the anchor knows of a tail that was cut, and where there is none, that is said."""
    nothing = Anchor(sealed.trail.anchor.path.with_name("none")).read()
    report = verify_trail(read_session, sealed.trail.tenant_id, keys=sealed.trail.keys, anchored=nothing)
    assert report.is_sound
    assert report.remarks == ["there is no anchor, so newer seals may have been cut off"]


def nothing_is_sealed_onto_an_older_copy(sealed: Sealed) -> None:
    sealed.trail.write(1)
    (done,) = [one for one in sealed.trail.seal().tenants if one.tenant_id == sealed.trail.tenant_id]
    assert done.seals == 0
    assert "the anchor knows a seal 3 that the database has not" in str(done.problem)


def a_line_is_cut_out_of_the_anchor(sealed: Sealed) -> None:
    path = sealed.trail.anchor.path
    lines = path.read_bytes().splitlines(keepends=True)
    mine = [line for line in lines if str(sealed.trail.tenant_id).encode() in line]
    path.write_bytes(b"".join(line for line in lines if line != mine[1]))
    edited = "is missing in the anchor, which knows seals before and after it: it was edited"
    assert sealed.first_place() == (2, None, edited)
    path.write_bytes(b"".join(line for line in lines if line not in mine[:2]))
    assert sealed.trail.is_whole() == (True, 6, 1)
    assert sealed.trail.verify().remarks == ["the anchor begins at seal 3"]


def a_broken_sealer_seals_twice(sealed: Sealed) -> None:
    """A row in two seals, both signed by the true key."""
    rehash(sealed, sealed.trail.keys, twice=sealed.trail.ids[0])
    sealed.trail.anchor.path.unlink()
    assert sealed.first_place() == (2, sealed.trail.ids[0], "it is covered by seal 1 already")
