"""Reading what became of mails, and asking for one that shows whether they arrive."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.database.pages import Page, newest_first
from spothive.errors import NotFound
from spothive.models import DeliveryStatus, EmailLog, NoticeEvent, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity.permissions import Action, may, require
from spothive.operations.notifications.letters import TEST
from spothive.operations.notifications.mail_rows import new_mail
from spothive.operations.notifications.preferences import own_user, present

_ASKED: Final = "mail.tested"


def list_mails(
    session: TenantSession,
    actor: Actor,
    *,
    status: DeliveryStatus | None = None,
    limit: int = 100,
    before: str | None = None,
) -> Page[EmailLog]:
    """Return one page of mails, newest first: the tenant's for who may manage it, else the actor's own. One statement.

    Args:
        session: of the tenant.
        actor: who asks.
        status: only those that are so far.
        limit: most rows, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    query = select(EmailLog)
    if not may(actor, Action.MANAGE):
        query = query.where(EmailLog.user_id == actor.user_id)
    if status is not None:
        query = query.where(EmailLog.status == status)
    return newest_first(session, EmailLog, query, limit=limit, before=before, by="created_at")


def find_mail(session: TenantSession, actor: Actor, mail_id: UUID) -> EmailLog:
    """Return one mail: of the tenant for who may manage it, else an own one.

    Raises:
        NotFound: there is none.
    """
    mail = session.get(EmailLog, mail_id, populate_existing=True)
    if mail is None or (mail.user_id != actor.user_id and not may(actor, Action.MANAGE)):
        msg = f"no mail has the id {str(mail_id)!r}: see `spothive notify mails`"
        raise NotFound(msg)
    return mail


def queue_test_mail(session: TenantSession, actor: Actor) -> EmailLog:
    """Put a mail to the actor into the outbox, whatever the actor's preferences say.

    Raises:
        Denied: the role does not allow it.
        NotFound: the actor is no user of this tenant.
    """
    require(actor, Action.READ, attempt=_ASKED, resource=actor.username, resource_type=ResourceType.NOTICE)
    user = own_user(session, actor)
    mail = new_mail(
        user_id=user.id,
        recipient=user.email,
        event=NoticeEvent.DIGEST_WEEKLY,  # of all events the one that tells of nothing
        template=TEST,
        subject="A test mail from spothive",
        data={},
        now=present(session),
    )
    session.add(mail)
    record(session, actor, _ASKED, user.username, ResourceType.NOTICE, after={"to": user.email})
    return mail
