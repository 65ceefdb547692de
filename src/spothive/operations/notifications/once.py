"""How far a tenant was told of something that lasts: what makes telling of it happen once, whoever is killed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.database.bulk import is_any_of
from spothive.errors import DuplicateValue
from spothive.models import NoticeEvent, Telling

_TRIES: Final = 3
"""Attempts where others tell of the same; after the first refusal what they noted is read."""


def note_told(session: TenantSession, event: NoticeEvent, until: Mapping[str, datetime]) -> dict[str, datetime]:
    """Note that the tenant is told of each subject up to a moment, in the transaction that tells.

    Of two who tell of the same at once, one waits for the other and then finds it noted: a unique key decides.

    Call it once in a transaction, with all subjects: rows are locked in the order of their subjects within a call, so
    two who call it twice, in opposite orders, wait for one another until PostgreSQL refuses one of them.

    Args:
        session: of the tenant.
        event: of what.
        until: subject to the moment; one that lies before what was noted changes nothing.

    Returns:
        Subject to until when it was told before; those it was never told of are left out.

    Raises:
        DuplicateValue: others note the same over and over again.
    """
    tries = _TRIES
    while True:
        tries -= 1
        known = {row.subject: row for row in _rows(session, event, until)}
        new = [
            Telling(tenant_id=session.tenant_id, event_type=event, subject=subject, told_until=moment)
            for subject, moment in until.items()
            if subject not in known
        ]
        try:
            if new:
                with session.begin_nested():  # somebody else's row must not end the transaction
                    session.add_all(new)
        except DuplicateValue:
            if not tries:
                raise
            continue
        before = {subject: row.told_until for subject, row in known.items()}
        for subject, row in known.items():
            row.told_until = max(row.told_until, until[subject])
        return before


def _rows(session: TenantSession, event: NoticeEvent, subjects: Mapping[str, datetime]) -> list[Telling]:
    query = select(Telling).where(
        # Said although the session sees no other tenant: it may be in system scope.
        Telling.tenant_id == session.tenant_id,
        Telling.event_type == event,
        is_any_of(session, Telling.subject, list(subjects)),
    )
    locked = query.order_by(Telling.subject).with_for_update()
    return list(session.scalars(locked, execution_options={"populate_existing": True}))
