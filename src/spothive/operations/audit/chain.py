"""Seals and their chain: what is signed, what the next seal holds of the one before, and the tree over the leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session, defer

from spothive.anchor import AnchoredSeal
from spothive.database import trail
from spothive.models import AuditSeal, SealAlgorithm
from spothive.schema.types import new_id, utc_text
from spothive.signing import SigningKeys

NO_SEAL_BEFORE = "0" * 64
"""What stands in the first seal of a chain for the hash of the one before it."""
_FORM = "spothive audit seal 1"


def merkle_root(leaves: Sequence[bytes]) -> str:
    """Return the root over at least one leaf as RFC 6962 has it, in hexadecimal.

    Its left subtrees are the largest full ones; pairing neighbours level by level, and handing an odd last one up,
    comes to the same.
    """
    sha256, level = hashlib.sha256, list(leaves)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [sha256(b"\1" + left + right).digest() for left, right in pairs]
        level = above + level[-1:] if len(level) % 2 else above
    return level[0].hex()


def root_of(entries: Sequence[bytes]) -> str:
    """Return the root over the leaves of ``entries``."""
    return merkle_root([entry[trail.ID_BYTES :] for entry in entries])


def signed_facts(seal: AuditSeal) -> dict[str, Any]:
    """Return the fields that are signed, as they are written: all but the signature; the leaves by their root."""
    return {
        "tenant_id": str(seal.tenant_id),
        "id": str(seal.id),
        "seal_no": seal.seal_no,
        "row_count": seal.row_count,
        "merkle_root": seal.merkle_root,
        "previous_seal_hash": seal.previous_seal_hash,
        "horizon": seal.horizon,
        "sealed_at": f"{utc_text(seal.sealed_at)} UTC",
        "algorithm": seal.algorithm.value,
        "key_id": seal.key_id,
    }


def signed_bytes(seal: AuditSeal) -> bytes:
    """Return what is signed: a line that names the form, then a line for each field."""
    return "\n".join([_FORM, *(f"{name}: {value}" for name, value in signed_facts(seal).items()), ""]).encode()


def seal_hash(seal: AuditSeal) -> str:
    """Return the SHA-256 over what is signed and the signature, in hexadecimal."""
    return hashlib.sha256(signed_bytes(seal) + f"signature: {seal.signature.hex()}\n".encode()).hexdigest()


def sign(seal: AuditSeal, keys: SigningKeys) -> None:
    """Sign ``seal``, whose other fields are all set."""
    seal.algorithm, seal.key_id = SealAlgorithm.RSA_PKCS1_SHA256, keys.key_id
    seal.signature = keys.sign(signed_bytes(seal))


def to_anchor(seal: AuditSeal) -> AnchoredSeal:
    """Return the line of ``seal`` in the anchor."""
    moment = seal.sealed_at.isoformat().replace("+00:00", "Z")
    return AnchoredSeal(str(seal.tenant_id), seal.seal_no, seal_hash(seal), seal.row_count, moment, seal.key_id)


def next_seal(tenant_id: UUID, newest: AuditSeal | None, entries: Sequence[bytes]) -> AuditSeal:
    """Return a seal over ``entries``, in the order of the ids, behind the ``newest`` one; horizon and time are open."""
    return AuditSeal(
        id=new_id(),
        tenant_id=tenant_id,
        seal_no=newest.seal_no + 1 if newest else 1,
        row_count=len(entries),
        leaves=b"".join(entries),
        merkle_root=root_of(entries),
        previous_seal_hash=seal_hash(newest) if newest else NO_SEAL_BEFORE,
    )


def newest_seal(session: Session, tenant_id: UUID) -> AuditSeal | None:
    """Return the newest seal of a tenant; its leaves are read when they are asked for."""
    query = select(AuditSeal).options(defer(AuditSeal.leaves)).where(AuditSeal.tenant_id == tenant_id)
    return session.scalar(query.order_by(AuditSeal.seal_no.desc()).limit(1))


def seals_after(session: Session, tenant_id: UUID, seal_no: int) -> list[AuditSeal]:
    """Return a tenant's seals after that number, by number, without their leaves."""
    mine = and_(AuditSeal.tenant_id == tenant_id, AuditSeal.seal_no > seal_no)
    query = select(AuditSeal).options(defer(AuditSeal.leaves, raiseload=True)).where(mine).order_by(AuditSeal.seal_no)
    return list(session.scalars(query))


@dataclass(frozen=True, slots=True)
class Span:
    """Between which ids the rows of one seal lie; those of other seals may lie there too.

    Attributes:
        seal_no: which seal.
        first: its lowest id, 16 bytes.
        last: its highest id.
    """

    seal_no: int
    first: bytes
    last: bytes


def spans(session: Session, tenant_id: UUID, *where: ColumnElement[bool]) -> list[Span]:
    """Return the spans of a tenant's seals, by number; only of those that meet ``where``."""
    query = select(AuditSeal.seal_no, trail.first_id(), trail.last_id()).where(AuditSeal.tenant_id == tenant_id, *where)
    found = session.execute(query.order_by(AuditSeal.seal_no))
    return [Span(number, _whole_id(first), _whole_id(last)) for number, first, last in found]


def sealed_between(session: Session, tenant_id: UUID, first: bytes, last: bytes) -> Iterator[bytes]:
    """Yield the leaves of each seal that has an id between ``first`` and ``last``, both 16 bytes."""
    touching = spans(session, tenant_id, trail.first_id() <= last, trail.last_id() >= first)
    for span in touching:  # one at a time: each holds up to half a megabyte
        yield leaves_of(session, tenant_id, span.seal_no)


def leaves_of(session: Session, tenant_id: UUID, seal_no: int) -> bytes:
    """Return the leaves of one seal."""
    mine = (AuditSeal.tenant_id == tenant_id, AuditSeal.seal_no == seal_no)
    return session.scalars(select(AuditSeal.leaves).where(*mine)).one()


def not_sealed(session: Session, tenant_id: UUID, found: bytes) -> list[bytes]:
    """Return those of the entries ``found`` whose row no seal covers yet."""
    entries = trail.cut(found)
    if not entries:
        return []
    sealed: set[bytes] = set()
    for leaves in sealed_between(session, tenant_id, trail.id_in(entries[0]), trail.id_in(entries[-1])):
        sealed.update(map(trail.id_in, trail.cut(leaves)))
    return [entry for entry in entries if trail.id_in(entry) not in sealed] if sealed else entries


def _whole_id(data: bytes) -> bytes:
    return data.ljust(trail.ID_BYTES, b"\0")  # of leaves that somebody has cut
