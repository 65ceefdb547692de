"""Digests: what waits for a user's next one becomes one mail, in one transaction, once for each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, update

from spothive.database import TenantSession
from spothive.errors import DuplicateValue
from spothive.models import (
    EmailDigestEntry,
    EmailFrequency,
    EmailLog,
    NoticeEvent,
    ResourceType,
    User,
)
from spothive.operations.actor import Actor
from spothive.operations.identity.permissions import Action, require
from spothive.operations.notifications.digest_times import next_digest
from spothive.operations.notifications.letters import digest_subject
from spothive.operations.notifications.mail_rows import digest_id_of, new_mail, waits_for_digest
from spothive.operations.notifications.preferences import present, put_off, wishes_of
from spothive.operations.sessions import Sessions
from spothive.schema.types import clock_timestamp

LISTED: Final = 40
"""Most events that a digest names, the newest; all are counted. With their links, they fit into 256 kB of JSON."""

_LINK_MAX: Final = 200
_CALLED: Final = "digests"


@dataclass(frozen=True, slots=True)
class Digests:
    """What a run came to.

    Attributes:
        written: digests that now wait to be sent.
        entries: events that went into them.
        late: events that came after the digest of their time, and wait for the next.
        dropped: events of users who were disabled meanwhile.
    """

    written: int = 0
    entries: int = 0
    late: int = 0
    dropped: int = 0

    def plus(self, other: Digests) -> Digests:
        """Return the sum."""
        return Digests(
            self.written + other.written,
            self.entries + other.entries,
            self.late + other.late,
            self.dropped + other.dropped,
        )


def queue_digests(
    sessions: Sessions, actor: Actor, *, tenant_id: UUID, go_on: Callable[[], None] = lambda: None
) -> Digests:
    """Write the digests of a tenant's users whose time has come (a procedure); the sending is that of any mail.

    A transaction for each user. Several may do it at once, and be killed: no event is in two digests, none is lost, and
    no user gets a second digest for a time.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: who has it done.
        tenant_id: whose users.
        go_on: is asked before each user; may raise.

    Raises:
        Denied: the role does not allow it.
    """
    with sessions(tenant=tenant_id) as session:
        attempt = "digests.queued"
        require(actor, Action.MANAGE, attempt=attempt, resource=_CALLED, resource_type=ResourceType.NOTICE)
        users = _users_with_due(session)
    done = Digests()
    for user_id in users:
        go_on()
        try:
            with sessions(tenant=tenant_id) as session:
                done = done.plus(queue_digest(session, user_id))
        except DuplicateValue:  # another has written it, at this very moment: what is left is late, for the next run
            continue
    return done


def queue_digest(session: TenantSession, user_id: UUID) -> Digests:
    """Write the digest of a user, if its time has come. Seven statements, however much waits."""
    user = session.scalar(
        select(User).where(User.id == user_id).with_for_update(key_share=True),  # one at a time for each user
        execution_options={"populate_existing": True},
    )
    now = present(session)
    scheduled_for = session.scalar(select(func.max(EmailDigestEntry.scheduled_for)).where(*_due(user_id, now)))
    if scheduled_for is None:  # another was quicker
        return Digests()
    if user is None or not user.is_active:
        gone: Any = session.execute(
            delete(EmailDigestEntry).where(*_due(user_id, now)), execution_options={"synchronize_session": False}
        )
        return Digests(dropped=int(gone.rowcount))
    message_id = digest_id_of(user_id, scheduled_for)
    if _is_written(session, message_id):
        return Digests(late=_put_off(session, user, now))
    entries = _include(session, user_id, scheduled_for)
    session.add(_digest(session, user, entries, message_id, now))
    session.flush()  # the key is asked here, where whoever calls can still tell
    return Digests(written=1, entries=len(entries))


def _due(user_id: UUID, by: datetime) -> tuple[ColumnElement[bool], ...]:
    return (EmailDigestEntry.user_id == user_id, waits_for_digest(), EmailDigestEntry.scheduled_for <= by)


def _users_with_due(session: TenantSession) -> Sequence[UUID]:
    due = (waits_for_digest(), EmailDigestEntry.scheduled_for <= clock_timestamp())
    query = select(EmailDigestEntry.user_id).where(*due).distinct().order_by(EmailDigestEntry.user_id)
    return session.scalars(query).all()


def _is_written(session: TenantSession, message_id: str) -> bool:
    return session.scalar(select(EmailLog.id).where(EmailLog.message_id == message_id)) is not None


def _put_off(session: TenantSession, user: User, now: datetime) -> int:
    """Let what came after the digest of its time wait for the next one, as the user wants to hear of it now."""
    query = select(EmailDigestEntry.event_type).where(*_due(user.id, now)).distinct()
    moved = 0
    for event, wishes in wishes_of(session, user, session.scalars(query).all()).items():
        weekly = wishes.email_frequency is EmailFrequency.DIGEST_WEEKLY
        frequency = EmailFrequency.DIGEST_WEEKLY if weekly else EmailFrequency.DIGEST_DAILY
        moved += put_off(session, user, [event], next_digest(frequency, user.timezone, now))
    return moved


def _include(session: TenantSession, user_id: UUID, scheduled_for: datetime) -> list[Any]:
    """Mark what goes into a digest; return (id, event, when it was told) of each. One statement, so that none slips in.

    The database lets nobody take the mark away.
    """
    mark = update(EmailDigestEntry).where(*_due(user_id, scheduled_for)).values(included_in_digest=True)
    columns = (EmailDigestEntry.id, EmailDigestEntry.event_type, EmailDigestEntry.created_at)
    return list(session.execute(mark.returning(*columns), execution_options={"synchronize_session": False}).all())


def _digest(session: TenantSession, user: User, entries: Sequence[Any], message_id: str, now: datetime) -> EmailLog:
    counts = Counter(event for _, event, _ in entries)
    said = wishes_of(session, user, list(counts))
    weekly = all(wishes.email_frequency is EmailFrequency.DIGEST_WEEKLY for wishes in said.values())
    frequency = EmailFrequency.DIGEST_WEEKLY if weekly else EmailFrequency.DIGEST_DAILY
    newest = sorted(entries, key=lambda entry: (entry.created_at, entry.id), reverse=True)[:LISTED]
    return new_mail(
        user_id=user.id,
        recipient=user.email,
        event=NoticeEvent.DIGEST_WEEKLY,
        template=frequency,
        subject=digest_subject(frequency, len(entries)),
        data={"counts": {str(event): count for event, count in counts.items()}, "newest": _named(session, newest)},
        now=now,
        message_id=message_id,
    )


def _named(session: TenantSession, newest: Sequence[Any]) -> list[dict[str, str]]:
    query = select(EmailDigestEntry.id, EmailDigestEntry.event_data)
    query = query.where(EmailDigestEntry.id.in_([entry.id for entry in newest]))
    data: dict[UUID, Any] = {row_id: told for row_id, told in session.execute(query)}  # noqa: C416 - a Row is no pair to mypy
    named = []
    for entry in newest:
        told, link = data[entry.id], data[entry.id].get("link") or ""
        line = {"event": str(entry.event_type), "at": entry.created_at.isoformat()}
        line["title"] = str(told.get("title") or entry.event_type)
        named.append(line | ({"link": link} if 0 < len(link) <= _LINK_MAX else {}))  # half a link leads nowhere
    return named
