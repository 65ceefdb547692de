"""Sending what waits in the outbox of mails: claimed in one block, sent outside, and noted in another."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final
from uuid import UUID

from spothive.gateways.mail import Mail, MailDeferred, Mailer, MailRefused, MailServerUnusable
from spothive.models import EmailLog, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.identity.permissions import Action, require
from spothive.operations.notifications import outbox
from spothive.operations.notifications.letters import write_text
from spothive.operations.notifications.outbox import Claim
from spothive.operations.sessions import Sessions

_log = logging.getLogger(__name__)

MARGIN: Final = timedelta(minutes=10)
"""So long before the lease ends no mail is begun any more: one may take 13 answers of 40 s, the longest allowed.

They are that the former connection is gone, connecting, the greeting, EHLO, STARTTLS, the handshake, EHLO, two of
signing in, MAIL, RCPT, DATA and the end; the mailer hangs up on a server that takes longer.
"""

LOST_MAX: Final = 2
"""Mails in a row over which the connection is lost: then it is the server's fault, not that of the mails."""

_CALLED: Final = "mails"


@dataclass(slots=True)
class MailsSent:
    """What a run came to.

    Attributes:
        sent: mails that the server has taken.
        deferred: mails that it did not take now, and that are tried again.
        failed: mails that were given up.
        obstacle: why it takes none at all; those that wait have lost nothing.
    """

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    obstacle: str | None = None


def send_mails(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    mailer: Mailer,
    only: UUID | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> MailsSent:
    """Send the mails of a tenant that are due, batch by batch (a procedure).

    At least once: a mail that the server has taken is sent again, under the same Message-ID, if this process dies, or
    loses the database, before that is written down. Several may send at once; each mail is claimed by one of them.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: who has it done.
        tenant_id: whose mails.
        mailer: what carries them; the caller closes it.
        only: this mail alone; an own one takes no more than reading does.
        go_on: is asked before each mail; may raise.

    Raises:
        Denied: the role does not allow it.
    """
    done = MailsSent()
    which = [] if only is None else [EmailLog.id == only]
    with sessions(tenant=tenant_id) as session:
        mail = None if only is None else session.get(EmailLog, only)
        own = mail is not None and mail.user_id == actor.actor_id
        action = Action.READ if own else Action.MANAGE
        require(actor, action, attempt="mails.sent", resource=_CALLED, resource_type=ResourceType.NOTICE)
    while done.obstacle is None:
        go_on()
        with sessions(tenant=tenant_id) as session:
            claims, given_up = outbox.claim_mails(session, *which)
        done.failed += given_up
        if claims:
            _Batch(sessions, tenant_id, mailer, done).send(claims, go_on)
        elif not given_up:
            break
    return done


class _Batch:
    """Some claimed mails, on their way through one connection."""

    def __init__(self, sessions: Sessions, tenant_id: UUID, mailer: Mailer, done: MailsSent) -> None:
        self._sessions, self._tenant_id, self._mailer, self._done = sessions, tenant_id, mailer, done
        self._lost = 0
        self._until = monotonic() + (outbox.LEASE - MARGIN).total_seconds()

    def send(self, claims: list[Claim], go_on: Callable[[], None]) -> None:
        """Send one after the other; what is not begun, for whatever reason, is given back."""
        waiting = deque(claims)
        try:
            while waiting and self._done.obstacle is None and monotonic() < self._until:
                go_on()
                claim = waiting.popleft()
                try:
                    self._try(claim)
                except MailServerUnusable as error:
                    waiting.appendleft(claim)
                    self._done.obstacle = str(error)
        finally:
            if waiting:
                with self._sessions(tenant=self._tenant_id) as session:
                    self._done.failed += outbox.give_back(session, waiting, self._done.obstacle)

    def _try(self, claim: Claim) -> None:
        """Send one and note what came of it.

        Raises:
            MailServerUnusable: none can be sent, and this one was not tried.
        """
        try:
            self._mailer.send(_mail(claim))
        except MailRefused as error:
            with self._sessions(tenant=self._tenant_id) as session:
                self._done.failed += outbox.note_failed(session, claim, str(error))
        except MailDeferred as error:
            with self._sessions(tenant=self._tenant_id) as session:
                again = outbox.note_deferred(session, claim, str(error))
            self._done.deferred += again
            self._done.failed += not again
            self._lost = self._lost + 1 if error.lost else 0
            if self._lost >= LOST_MAX:
                self._done.obstacle = str(error)
        else:
            self._lost = 0
            with self._sessions(tenant=self._tenant_id) as session:
                ours = outbox.note_sent(session, claim, self._mailer.name)
            self._done.sent += 1
            if not ours:
                _log.warning("mail %s took longer than its lease: another process may send it too", claim.mail_id)


def _mail(claim: Claim) -> Mail:
    text = write_text(claim.template, claim.event, claim.subject, claim.data)
    return Mail(claim.recipient, claim.subject, text, claim.message_id, claim.created_at)
