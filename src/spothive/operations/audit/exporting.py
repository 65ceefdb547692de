"""Exporting the sealed part of a trail, so that somebody else can verify it without spothive.

``verify_bundle.py`` beside this file is that somebody's tool: it says what a bundle is, and imports nothing of ours.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import TenantSession, trail
from spothive.errors import InvalidInput
from spothive.models import AuditSeal, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import chain
from spothive.operations.sessions import Sessions
from spothive.schema.types import utc_text
from spothive.signing import SigningKeys

FORM = "spothive audit bundle 1"
VERIFIER = "verify_bundle.py"
Write = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into a bundle.

    Attributes:
        first_seal: number of the first seal.
        last_seal: number of the last one.
        rows: rows they cover.
    """

    first_seal: int
    last_seal: int
    rows: int


def export_trail(
    sessions: Sessions,
    actor: Actor,
    tenant_id: UUID,
    *,
    keys: SigningKeys,
    write: Write,
    first: int = 1,
    last: int | None = None,
) -> Exported:
    """Write seals of a tenant, the rows they cover and the public keys as a bundle (a procedure that only reads).

    Rows without a seal are left out: nothing proves them. Nothing is verified here, that is up to who gets the bundle.

    Args:
        sessions: opens transactions, as ``read_session`` does.
        actor: who may manage the tenant.
        tenant_id: whose trail.
        keys: their public halves go along.
        write: takes the bundle, piece by piece.
        first: number of the first seal.
        last: number of the last one; the newest one when None.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        InvalidInput: there are no such seals.
    """
    from spothive.operations.identity import Action, require  # which records by this package

    with sessions(tenant=tenant_id) as session:
        require(
            actor,
            Action.MANAGE,
            attempt="audit.exported",
            resource="audit trail",
            resource_type=ResourceType.SYSTEM,
        )
        bounds = [AuditSeal.seal_no >= first, *([] if last is None else [AuditSeal.seal_no <= last])]
        spans = chain.spans(session, tenant_id, *bounds)
    if not spans:
        msg = (
            "there are no such seals: `spothive audit verify` says how many there are, `spothive audit seal` makes one"
        )
        raise InvalidInput(msg)
    header = {
        "bundle": FORM,
        "tenant_id": str(tenant_id),
        "exported_at": _text(utc_now()),
        "columns": [column.name for column in trail.ROWS.columns],
        "public_keys": {key_id: base64.b64encode(key).decode() for key_id, key in keys.public_keys.items()},
    }
    write(_line(header))
    rows = 0
    for span in spans:
        with sessions(tenant=tenant_id) as session:
            mine = (AuditSeal.tenant_id == tenant_id, AuditSeal.seal_no == span.seal_no)
            seal = session.scalars(select(AuditSeal).where(*mine)).one()
            write(_line({"seal": chain.signed_facts(seal) | {"signature": seal.signature.hex()}}))
            for row in _rows_of(session, seal, span):
                write(_line({"row": [_text(value) for value in row]}))
                rows += 1
    seals = spans[-1].seal_no - spans[0].seal_no + 1
    write(_line({"end": {"seals": seals, "rows": rows}}))
    return Exported(spans[0].seal_no, spans[-1].seal_no, rows)


def verifier() -> str:
    """Return the script that verifies a bundle."""
    return resources.files("spothive.operations.audit").joinpath(VERIFIER).read_text(encoding="utf-8")


def _rows_of(session: TenantSession, seal: AuditSeal, span: chain.Span) -> Iterator[Any]:
    ids = set(map(trail.id_in, trail.cut(seal.leaves)))
    columns = trail.ROWS.c
    between = columns.id.between(UUID(bytes=span.first), UUID(bytes=span.last))
    query = select(trail.ROWS).where(columns.tenant_id == seal.tenant_id, between).order_by(columns.id)
    return (row for row in session.execute(query).yield_per(1000) if row.id.bytes in ids)


def _text(value: Any) -> Any:
    match value:
        case datetime():
            return f"{utc_text(value).replace(' ', 'T')}Z"
        case UUID():
            return str(value)
        case _:
            return value


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"
