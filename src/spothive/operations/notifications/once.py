"""How far a tenant was told of something that lasts: what makes telling of it happen once, whoever is killed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.models import NoticeEvent, Telling


def told_until(session: TenantSession, event: NoticeEvent, subjects: Collection[str]) -> dict[str, datetime]:
    """Return until when the tenant was told of each subject, locked for the transaction; one statement.

    Args:
        session: of the tenant.
        event: of what.
        subjects: what it is about; those it was never told of are left out.
    """
    return {row.subject: row.told_until for row in _rows(session, event, subjects)}


def note_told(session: TenantSession, event: NoticeEvent, until: Mapping[str, datetime]) -> None:
    """Note that the tenant is told of each subject up to a moment, in the transaction that tells; two statements.

    Of two who tell of the same at once, one is refused when this is written, and tells nobody.

    Args:
        session: of the tenant.
        event: of what.
        until: subject to the moment; one that lies before what was noted changes nothing.
    """
    known = {row.subject: row for row in _rows(session, event, until)}
    for subject, moment in until.items():
        row = known.get(subject)
        if row is None:
            session.add(
                Telling(tenant_id=session.tenant_id, event_type=event, subject=subject, told_until=moment)
            )
        elif row.told_until < moment:
            row.told_until = moment


def _rows(session: TenantSession, event: NoticeEvent, subjects: Collection[str]) -> list[Telling]:
    query = select(Telling).where(
        # Said although the session sees no other tenant: it may be in system scope.
        Telling.tenant_id == session.tenant_id,
        Telling.event_type == event,
        is_any_of(session, Telling.subject, subjects),
    )
    return list(session.scalars(query.order_by(Telling.id).with_for_update()))
