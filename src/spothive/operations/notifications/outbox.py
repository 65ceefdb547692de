"""The outbox of mails: claiming some of what waits, and writing down what came of each.

Every function here is called inside a block. The number of attempts is the token that proves a claim: it rises with
each, so whoever was overtaken changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, literal_column, select, update

from spothive.database import TenantSession
from spothive.models import DeliveryStatus, EmailLog, EmailProvider, NoticeEvent, User
from spothive.operations.notifications.mail_rows import message_id_of
from spothive.operations.notifications.preferences import present
from spothive.schema.types import clock_timestamp

LEASE: Final = timedelta(minutes=15)
"""How long whoever has claimed a mail has to send it; should that process have died, another may then."""

BATCH: Final = 50
"""Most mails that are claimed at once, and go through one connection."""

LADDER: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
)
"""Pauses after the first attempt, the second .. at a mail; after the last of them there is one more attempt."""

ATTEMPTS: Final = len(LADDER) + 1

_STEPS: Final = tuple(accumulate(LADDER))
"""How old a mail is at least when its second attempt comes, its third .."""

_BEHIND: Final = timedelta(seconds=1)
"""How much longer the mail waits over which the server was found closed: should it be the cause, others go first."""

CLAIMS_MAX: Final = 50
"""How often a mail is claimed by processes that die before they say what came of it, 15 minutes each."""

SERVER_PAUSE: Final = timedelta(minutes=5)
"""How long mails wait when the server takes none at all. Such an attempt is none of theirs, and is not counted."""

OLDEST: Final = timedelta(days=5)
"""How long a mail waits for a server that takes none at all (what RFC 5321, 4.5.4.1, advises: 4 to 5 days)."""

_ERROR_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail that this process alone may send.

    Attributes:
        mail_id: its row.
        token: proves that the claim is ours.
        recipient: address.
        event: what it is filed under.
        subject: subject line.
        template: text it is made from.
        data: what fills the text.
        message_id: equal over attempts.
        created_at: when what it tells of was committed, UTC.
    """

    mail_id: UUID
    token: int
    recipient: str
    event: NoticeEvent
    subject: str
    template: str
    data: dict[str, Any]
    message_id: str
    created_at: datetime


def is_waiting() -> ColumnElement[bool]:
    """Return the condition under which a mail waits, in words that let SQLite take the index of these."""
    pending: ColumnElement[str] = literal_column(f"'{DeliveryStatus.PENDING}'")
    return EmailLog.status == pending


def claim_mails(session: TenantSession, *which: ColumnElement[bool]) -> tuple[list[Claim], int]:
    """Claim some mails that are due; return them, and how many were given up. Two statements, three if any were.

    A mail is given up if its user was disabled or deleted since, or if those who had it died again and again.

    Args:
        session: of the tenant.
        which: only of these.
    """
    claims: list[Claim] = []
    given_up: dict[str, list[UUID]] = defaultdict(list)
    lease: datetime | None = None
    nameless: list[UUID] = []  # as rows are that an older release has written
    for now, mail, is_active in session.execute(_due().where(*which)):
        lease = now + LEASE
        if mail.user_id is not None and not is_active:
            given_up["its user was disabled or deleted before it was sent"].append(mail.id)
        elif mail.attempts >= CLAIMS_MAX:
            given_up[
                f"claimed {CLAIMS_MAX} times, by processes that died over it again and again: it may have arrived"
            ].append(mail.id)
        else:
            claims.append(_claim(mail))
            nameless += [mail.id] if mail.message_id is None else []
    for reason, ids in given_up.items():
        _change(session, EmailLog.id.in_(ids), **_failed(reason))
    if claims:
        mine = EmailLog.id.in_([claim.mail_id for claim in claims])
        _change(session, mine, attempts=EmailLog.attempts + 1, next_attempt_at=lease)
    for mail_id in nameless:
        _change(session, EmailLog.id == mail_id, message_id=message_id_of(mail_id))
    return claims, sum(map(len, given_up.values()))


def note_sent(session: TenantSession, claim: Claim, provider: str) -> bool:
    """Write down that the server has taken a mail; tell whether the claim was still ours. One statement."""
    done = {"status": DeliveryStatus.SENT, "sent_at": clock_timestamp(), "next_attempt_at": None, "last_error": None}
    return _change(session, *_ours(claim), **done, provider=EmailProvider(provider)) == 1


def note_failed(session: TenantSession, claim: Claim, reason: str) -> bool:
    """Write down that a mail will never be sent; tell whether the claim was still ours. One statement."""
    return _change(session, *_ours(claim), **_failed(reason)) == 1


def note_deferred(session: TenantSession, claim: Claim, reason: str) -> bool:
    """Let a mail wait for its next attempt; tell whether there will be one. Two statements."""
    now = present(session)
    step = ladder_step(claim.token, now - claim.created_at)
    if step >= ATTEMPTS:
        note_failed(session, claim, f"given up at attempt {claim.token}: {reason}")
        return False
    again = now + LADDER[step - 1]
    _change(session, *_ours(claim), next_attempt_at=again, last_error=reason[:_ERROR_MAX])
    return True


def ladder_step(claims: int, age: timedelta) -> int:
    """Return which attempt of a mail an attempt is, from 1.

    It is not the number of claims: a process that was killed has claimed it too, and may never have tried. A mail is no
    further than its claims say, nor than its age allows: so each of the pauses is waited for, whoever dies.
    """
    return min(claims, 1 + sum(each <= age for each in _STEPS))


def give_back(session: TenantSession, claims: Iterable[Claim], reason: str | None) -> int:
    """Give back mails that nobody tried to send, as if they had not been claimed; return how many were given up.

    Args:
        session: of the tenant.
        claims: which; with a reason, the first is the one over which it was found out, and waits a little longer.
        reason: why the server takes no mails, so that they wait for a while, and the oldest no longer; None: somebody
            else may go on at once.
    """
    now, gone = present(session), 0
    again = now if reason is None else now + SERVER_PAUSE
    alike: dict[tuple[int, datetime], list[UUID]] = defaultdict(list)
    for place, claim in enumerate(claims):
        if reason is not None and claim.created_at < now - OLDEST:
            gone += note_failed(session, claim, f"given up after {OLDEST.days} days: {reason}")
        else:
            behind = _BEHIND if reason is not None and place == 0 else timedelta(0)
            alike[claim.token, again + behind].append(claim.mail_id)
    told: dict[str, Any] = {} if reason is None else {"last_error": reason[:_ERROR_MAX]}
    for (token, due), ids in alike.items():
        mine = (EmailLog.id.in_(ids), is_waiting(), EmailLog.attempts == token)
        # The former number is free to be a token again: whoever had it has been overtaken, by us, and is answered for.
        _change(session, *mine, attempts=token - 1, next_attempt_at=due, **told)
    return gone


def _due() -> Select[datetime, EmailLog, bool]:
    user = and_(User.tenant_id == EmailLog.tenant_id, User.id == EmailLog.user_id)
    return (
        select(select(clock_timestamp()).scalar_subquery(), EmailLog, User.is_active)
        .outerjoin(User, user)
        .where(is_waiting(), EmailLog.next_attempt_at <= clock_timestamp())
        .order_by(EmailLog.next_attempt_at, EmailLog.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True, of=EmailLog)
    )


def _claim(mail: EmailLog) -> Claim:
    return Claim(
        mail.id,
        mail.attempts + 1,
        mail.recipient_email,
        mail.event_type,
        mail.subject,
        mail.template_name,
        dict(mail.event_data),
        mail.message_id or message_id_of(mail.id),
        mail.created_at,
    )


def _ours(claim: Claim) -> Sequence[ColumnElement[bool]]:
    return (EmailLog.id == claim.mail_id, is_waiting(), EmailLog.attempts == claim.token)


def _failed(reason: str) -> dict[str, Any]:
    return {"status": DeliveryStatus.FAILED, "next_attempt_at": None, "last_error": reason[:_ERROR_MAX]}


def _change(session: TenantSession, *which: ColumnElement[bool], **values: Any) -> int:
    changed: Any = session.execute(
        update(EmailLog).where(*which).values(**values), execution_options={"synchronize_session": False}
    )
    return int(changed.rowcount)
