"""One delivery of a webhook: claimed before it is sent, settled after; both inside a block, and the sending outside.

Whoever claims a delivery raises the number of its attempts: that number proves that the claim is still the latest when
it is settled. A process that dies leaves a lease, after which another claims the delivery again; so a message can
arrive twice, with one id, and never not at all.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, case, exists, func, literal_column, select, update
from sqlalchemy.sql.elements import ColumnElement

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.gateways.webhooks import Answer, Message, Trouble
from spothive.keyring import Keyring
from spothive.models import (
    DeliveryStatus,
    NoticeEvent,
    Tenant,
    User,
    WebhookConfiguration,
    WebhookError,
    WebhookLog,
    WebhookProvider,
)
from spothive.models.notifications import ATTEMPTS_MAX, FAILURES_MAX
from spothive.operations.notifications.telling import tell
from spothive.schema.sealed import unseal
from spothive.schema.types import clock_timestamp

LADDER: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
)
"""Pauses after failed attempts; when the one after the last pause fails too, the delivery is given up."""

LEASE: Final = timedelta(minutes=1)
"""How long a delivery is held for one attempt, which takes a third of that at most."""

_GONE: Final = 410
"""HTTP status by which a receiver says that it wants nothing more."""

_ERROR_MAX = 4000
_SIGNED: Final = WebhookProvider.WEBHOOK


class Outcome(enum.StrEnum):
    """What became of a delivery after an attempt."""

    SENT = "sent"
    RETRIED_LATER = "retried later"
    GIVEN_UP = "given up"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Place:
    """A webhook that has deliveries to be sent."""

    tenant_id: UUID
    webhook_id: UUID


@dataclass(frozen=True, slots=True, repr=False)
class Claim:
    """A delivery that this process alone may send now; holds secrets.

    Attributes:
        delivery_id: its row.
        webhook_id: row of the webhook.
        attempts: how often it was claimed, this one included: proves that the claim is ours.
        tries: the same since it was last asked for.
        message: what is sent.
        is_test: whether somebody watches: it is tried once, and does not count.
    """

    delivery_id: UUID
    webhook_id: UUID
    attempts: int
    tries: int
    message: Message
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an attempt, and whether the webhook was disabled for it."""

    outcome: Outcome
    disabled: bool = False


def find_due(
    session: TenantSession, *, skip: frozenset[UUID], taken: Mapping[UUID, int], each_tenant: int, limit: int
) -> list[Place]:
    """Return webhooks of all tenants with deliveries that are due, fairly: who has fewer places comes first.

    Of tenants with equally many places, those come first whose deliveries have been due for longest. Of one tenant,
    those webhooks come first that were not used for longest. Nothing is due of a tenant that is suspended, nor of an
    owner who is disabled.

    One statement, in system scope; each webhook that is active costs a look into an index.

    Args:
        session: in system scope.
        skip: webhooks that are left out.
        taken: tenants to the places that they have already; one that has ``each_tenant`` of them gets no more.
        each_tenant: most webhooks of one tenant, with those that are under way.
        limit: most in all.
    """
    hook = WebhookConfiguration
    first = (
        select(func.min(WebhookLog.next_attempt_at))
        .where(WebhookLog.tenant_id == hook.tenant_id, WebhookLog.webhook_config_id == hook.id, _pending())
        .correlate(hook)
        .scalar_subquery()
    )
    by_use = (hook.last_used_at.is_not(None), hook.last_used_at, hook.id)
    place: ColumnElement[int] = func.row_number().over(partition_by=hook.tenant_id, order_by=by_use)
    if taken:
        place = place + case(*((hook.tenant_id == tenant, count) for tenant, count in taken.items()), else_=0)
    full = [tenant for tenant, count in taken.items() if count >= each_tenant]
    waiting = select(hook.tenant_id, hook.id, place.label("place"), first.label("due_at"))
    waiting = waiting.where(_is_awake(), first <= clock_timestamp())
    waiting = waiting.where(hook.id.not_in(skip)) if skip else waiting
    waiting = waiting.where(hook.tenant_id.not_in(full)) if full else waiting
    found = waiting.subquery()
    query = select(found.c.tenant_id, found.c.id).where(found.c.place <= each_tenant)
    query = query.order_by(found.c.place, found.c.due_at, found.c.id).limit(limit)
    return [Place(*row) for row in session.execute(query)]


def claim_next(session: TenantSession, webhook_id: UUID, keyring: Keyring) -> Claim | None:
    """Claim the delivery of a webhook that has been due for longest; None if there is none.

    There is none either while the webhook, its owner or its tenant is disabled: what waits is kept.

    Args:
        session: of the tenant.
        webhook_id: which webhook.
        keyring: opens its URL and secrets.

    Raises:
        KeyMissing: the keyring does not hold a key that sealed them; nothing was claimed.
        SecretUnreadable: they were changed from outside.
    """
    log, hook = WebhookLog, WebhookConfiguration
    query = (
        select(log, hook, clock_timestamp())
        .join(hook, and_(hook.tenant_id == log.tenant_id, hook.id == log.webhook_config_id))
        .where(log.webhook_config_id == webhook_id, _is_awake(), _pending(), log.next_attempt_at <= clock_timestamp())
        .order_by(log.next_attempt_at, log.id)
        .limit(1)
        .with_for_update(of=log, skip_locked=True)  # another sender has that one, and this one takes the next
    )
    while (found := session.execute(query, execution_options={"populate_existing": True}).one_or_none()) is not None:
        delivery, webhook, now = found
        if delivery.attempts < ATTEMPTS_MAX:
            message = message_of(delivery, webhook, now, keyring)
            return _claim(session, delivery, message, now)
        _change(session, delivery.id, delivery.attempts, status=DeliveryStatus.FAILED, next_attempt_at=None)
    return None


def message_of(delivery: WebhookLog, webhook: WebhookConfiguration, now: datetime, keyring: Keyring) -> Message:
    """Return what is sent, and where to; raises as :func:`claim_next`.

    Args:
        delivery: its row.
        webhook: the row of the webhook.
        now: the database's time, by which a secret of before a rotation still signs or does not.
        keyring: opens URL and secrets.
    """
    signed = webhook.provider_type is _SIGNED
    keys = [unseal(keyring, webhook, "signing_secret")] if signed else []
    if signed and webhook.previous_until is not None and webhook.previous_until > now:
        keys.append(unseal(keyring, webhook, "previous_secret"))
    url = unseal(keyring, webhook, "webhook_url")
    return Message(url, delivery.message_id, dict(delivery.payload), keys, to_slack=not signed)


def settle(session: TenantSession, claim: Claim, answer: Answer) -> Settled:
    """Write down what came of an attempt, and count what it says of the webhook.

    Nothing is written if another process has claimed the delivery since, or it is gone. A webhook that fails too often
    in a row is disabled, and its owner told, in the same transaction. An answer that there were too many requests is
    no failure of the webhook: its deliveries wait together.
    """
    # Webhook before delivery, as whoever deletes one locks them. Its key stays free for who tells it of something else.
    query = select(WebhookConfiguration, clock_timestamp()).where(WebhookConfiguration.id == claim.webhook_id)
    query = query.with_for_update(of=WebhookConfiguration, key_share=True)
    found = session.execute(query, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        return Settled(Outcome.LOST)
    webhook, now = found
    outcome, due = _next(claim, answer, now)
    changes: dict[str, Any] = {
        "status": _STATUS[outcome],
        "next_attempt_at": due,
        "sent_at": now if outcome is Outcome.SENT else None,
        "last_error": WebhookError(answer.trouble.value) if answer.trouble else None,
        "http_status_code": answer.status,
        "response_body": answer.body,
    }
    if not _change(session, claim.delivery_id, claim.attempts, **changes):
        return Settled(Outcome.LOST)
    if answer.trouble is not None and (answer.retry_after is not None or answer.trouble is Trouble.RATE_LIMITED):
        _hold_back(session, claim.webhook_id, now + _asked_for(answer))
    return Settled(outcome, disabled=_count(session, webhook, claim, answer, now))


_STATUS: Final = {
    Outcome.SENT: DeliveryStatus.SENT,
    Outcome.RETRIED_LATER: DeliveryStatus.PENDING,
    Outcome.GIVEN_UP: DeliveryStatus.FAILED,
}


def _claim(session: TenantSession, delivery: WebhookLog, message: Message, now: datetime) -> Claim | None:
    attempts = delivery.attempts + 1
    if not _change(session, delivery.id, delivery.attempts, attempts=attempts, next_attempt_at=now + LEASE):
        return None
    tries = attempts - delivery.earlier_attempts
    return Claim(delivery.id, delivery.webhook_config_id, attempts, tries, message)


def _next(claim: Claim, answer: Answer, now: datetime) -> tuple[Outcome, datetime | None]:
    """Return what becomes of a delivery, and when it is due next."""
    if answer.trouble is None:
        return Outcome.SENT, None
    if claim.is_test or claim.tries > len(LADDER):
        return Outcome.GIVEN_UP, None
    pause = LADDER[claim.tries - 1]
    return Outcome.RETRIED_LATER, now + max(pause, timedelta(seconds=answer.retry_after or 0))


def _change(session: TenantSession, delivery_id: UUID, after: int, **changes: Any) -> bool:
    """Change a delivery that waits ``after`` so many attempts; tell whether it was found."""
    same = (WebhookLog.id == delivery_id, WebhookLog.attempts == after, WebhookLog.status == DeliveryStatus.PENDING)
    change = update(WebhookLog).where(*same).values(updated_at=utc_now(), **changes).returning(WebhookLog.id)
    return session.execute(change, execution_options={"synchronize_session": False}).one_or_none() is not None


def _hold_back(session: TenantSession, webhook_id: UUID, until: datetime) -> None:
    """Let what waits for a webhook wait until it wants to be asked again."""
    sooner = (WebhookLog.webhook_config_id == webhook_id, _pending(), WebhookLog.next_attempt_at < until)
    later = update(WebhookLog).where(*sooner).values(next_attempt_at=until, updated_at=utc_now())
    session.execute(later, execution_options={"synchronize_session": False})


def _asked_for(answer: Answer) -> timedelta:
    return LADDER[0] if answer.retry_after is None else timedelta(seconds=answer.retry_after)


def _count(session: TenantSession, webhook: WebhookConfiguration, claim: Claim, answer: Answer, now: datetime) -> bool:
    """Count an attempt at its webhook, which is locked; tell whether that disabled it."""
    webhook.last_used_at = now
    if webhook.previous_until is not None and webhook.previous_until <= now:
        webhook.previous_secret = webhook.previous_until = None
    webhook.last_error = None if answer.trouble is None else f"{answer.trouble}: {answer.words}"[:_ERROR_MAX]
    if answer.trouble is None:
        webhook.consecutive_failures = 0
    elif not claim.is_test and answer.trouble is not Trouble.RATE_LIMITED:
        webhook.consecutive_failures += 1
    failing = webhook.consecutive_failures >= FAILURES_MAX or (answer.status == _GONE and not claim.is_test)
    if not (failing and webhook.is_active):
        session.flush()
        return False
    webhook.is_active = False
    session.flush()  # so that what is told next is not told to this webhook
    called = webhook.name or webhook.url_host
    why = "it answered that it is gone" if answer.status == _GONE else f"{FAILURES_MAX} attempts in a row failed"
    tell(
        session,
        NoticeEvent.WEBHOOK_DISABLED,
        f"Webhook {called} was disabled",
        f"Nothing more is sent to {called} ({webhook.url_host}): {why}, the last with {answer.words}. What waited "
        f"for it by now is kept; what happens until it is enabled is not sent to it. Mend the receiver, try it with "
        f"`spothive webhook test {webhook.id}`, then run `spothive webhook enable {webhook.id}`.",
        facts={"webhook": str(webhook.id), "host": webhook.url_host, "error": str(answer.trouble)},
        link=f"spothive webhook show {webhook.id}",
        to=[webhook.user_id],
    )
    return True


def _is_awake() -> ColumnElement[bool]:
    """Return the condition that a webhook, its owner and its tenant are active."""
    hook = WebhookConfiguration
    owner = exists().where(User.tenant_id == hook.tenant_id, User.id == hook.user_id, User.is_active)
    tenant = exists().where(Tenant.id == hook.tenant_id, Tenant.is_active)
    return and_(hook.is_active, owner.correlate(hook), tenant.correlate(hook))


def _pending() -> ColumnElement[bool]:
    """Return the condition that a delivery waits, spelled so that SQLite takes the index of those that do."""
    pending: ColumnElement[str] = literal_column(f"'{DeliveryStatus.PENDING}'")
    return WebhookLog.status == pending
