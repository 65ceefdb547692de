"""Mails that wait, a mailer that does as it is told, and ways to let time pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update

from spothive.blocks import refuse_in_block
from spothive.clock import utc_now
from spothive.database import get_db_session
from spothive.gateways.mail import Mail
from spothive.models import EmailDigestEntry, EmailLog, NoticeEvent
from spothive.operations.actor import Actor
from spothive.operations.notifications import MailsSent, send_mails, tell
from spothive.schema.types import new_id
from tests.operations.conftest import World
from tests.watching import rows_of

FAILED, FLAGGED = NoticeEvent.ACCOUNT_FAILED, NoticeEvent.WASTE_FLAGGED


@dataclass
class PostOffice:
    """Takes mails, or raises what it was told for a recipient, or for all."""

    wrong: dict[str, Exception] = field(default_factory=dict)
    closed: Exception | None = None
    taken: list[Mail] = field(default_factory=list)
    before: Callable[[Mail], Any] = lambda _: None
    name: str = "smtp"

    def send(self, mail: Mail) -> None:
        refuse_in_block("a mailer")
        self.before(mail)
        if self.closed:
            raise self.closed
        if error := self.wrong.get(mail.recipient):
            raise error
        self.taken.append(mail)

    def close(self) -> None:
        """Nothing is open."""

    @property
    def recipients(self) -> list[str]:
        return [mail.recipient for mail in self.taken]


def tell_acme(world: World, *to: Actor, title: str = "Account main failed") -> None:
    """Let a change of acme tell of itself by mail at once."""
    with get_db_session(tenant=world.acme) as session:
        tell(session, FAILED, title, "AWS refused it.", to=[actor.user_id for actor in to] or None)


def send(world: World, post: PostOffice, **how: Any) -> MailsSent:
    return send_mails(get_db_session, world.anna, tenant_id=world.acme, mailer=post, **how)


def let_pass(world: World, span: timedelta, *, age: bool = False) -> None:
    """Let all that waits of acme be due so much earlier, and be so much older if its ``age`` matters."""
    for row in rows_of(EmailLog, tenant_id=world.acme):
        if row["next_attempt_at"] is not None:
            older = {"created_at": row["created_at"] - span} if age else {}
            set_mail(world, row["id"], next_attempt_at=row["next_attempt_at"] - span, **older)


def set_mail(world: World, mail_id: UUID, **values: Any) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.execute(update(EmailLog).where(EmailLog.id == mail_id).values(**values))


def wait_for_digest(
    actor: Actor, *events: NoticeEvent, due: datetime | None = None, title: str = "It happened", **data: Any
) -> list[UUID]:
    """Let events wait for the digest of a user, a past one if no time is given; return their rows."""
    moment = due or digest_time()
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "tenant_id": actor.home_tenant_id,
            "user_id": actor.user_id,
            "event_type": event,
            "event_data": {"title": title, "body": "In full."} | data,
            "scheduled_for": moment,
            "created_at": utc_now(),
        }
        for event in events
    ]
    with get_db_session(tenant=actor.home_tenant_id) as session:
        session.execute(insert(EmailDigestEntry), rows)
    return [row["id"] for row in rows]


def digest_time() -> datetime:
    """Return a time of digests that is just over."""
    return utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
