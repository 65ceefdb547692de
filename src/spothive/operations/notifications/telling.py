"""Telling people what happened, in the transaction in which it happened; what leaves the house is sent afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.models import (
    EmailDigestEntry,
    EmailFrequency,
    EmailLog,
    Notice,
    NoticeEvent,
    NotificationPreference,
    Role,
    User,
    WebhookConfiguration,
    WebhookLog,
    WebhookProvider,
)
from spothive.operations.notifications.defaults import Wishes, default_wishes
from spothive.operations.notifications.digest_times import next_digest
from spothive.operations.notifications.mail_rows import new_mail
from spothive.schema.types import new_id

_TITLE_MAX: Final = 255
_BODY_MAX: Final = 4000
_LINK_MAX: Final = 2048


@dataclass(frozen=True, slots=True)
class _Reader:
    """A user of the tenant, with what that user wants to hear of the event."""

    id: UUID
    email: str
    timezone: str
    wishes: Wishes


def tell(
    session: TenantSession,
    event: NoticeEvent,
    title: str,
    body: str,
    *,
    facts: Mapping[str, Any] | None = None,
    link: str | None = None,
    to: Collection[UUID] | None = None,
    roles: Collection[Role] | None = None,
) -> int:
    """Tell the users of the session's tenant what happened, each as that user's preferences say.

    Notices, mails and webhooks are rows of this transaction: one that is rolled back tells nobody, and what is
    committed is delivered by the sweep. It is part of the change that it tells of: no permission, no audit row of its
    own. Two statements that read, and at most one insert for each kind of delivery, however many are told; call it
    once for many rows of a change.

    Args:
        session: session of the change.
        event: what happened.
        title: in one line; cut at 255 characters.
        body: in full, as plain text; cut at 4,000 characters. Never a secret.
        facts: the same for programs: JSON, small, never a secret nor another tenant's.
        link: command or address where to read on.
        to: users who are told; None for everybody. Webhooks with a list of events of their own get it in any case:
            they stand for the tenant.
        roles: roles that are told; None for all.

    Returns:
        How many users it concerns.
    """
    assert session.tenant_id is not None  # noqa: S101 - whatever happens, happens in a tenant
    readers = _readers(session, event, to, roles)
    content = {"title": _fit(title, _TITLE_MAX), "body": _fit(body, _BODY_MAX), "facts": dict(facts or {})}
    if link is not None:
        content["link"] = link[:_LINK_MAX]
    deliveries = [
        *_for_readers(event, content, readers),
        *_for_webhooks(session, event, content, {reader.id: reader for reader in readers}),
    ]
    for delivery in deliveries:
        delivery.tenant_id = session.tenant_id  # in system scope nobody else says it
    session.add_all(deliveries)
    return len(readers)


def _readers(
    session: TenantSession, event: NoticeEvent, to: Collection[UUID] | None, roles: Collection[Role] | None
) -> list[_Reader]:
    """Return whom it concerns: active users, with their wishes. One statement."""
    wish = NotificationPreference
    query = (
        select(User.id, User.email, User.timezone, wish)
        .outerjoin(wish, and_(wish.tenant_id == User.tenant_id, wish.user_id == User.id, wish.event_type == event))
        # Said although the session sees no other tenant: a change may tell of itself in system scope.
        .where(User.tenant_id == session.tenant_id, User.is_active)
        .order_by(User.id)
    )
    if to is not None:
        query = query.where(User.id.in_(to))
    if roles is not None:
        query = query.where(User.role.in_(roles))
    return [
        _Reader(user_id, email, timezone, _wishes(said, event))
        for user_id, email, timezone, said in session.execute(query)
    ]


def _wishes(said: NotificationPreference | None, event: NoticeEvent) -> Wishes:
    if said is None:
        return default_wishes(event)
    return Wishes(
        said.email_enabled, said.in_app_enabled, said.slack_enabled, said.webhook_enabled, said.email_frequency
    )


def _for_readers(
    event: NoticeEvent, content: dict[str, Any], readers: Iterable[_Reader]
) -> Iterable[Notice | EmailLog | EmailDigestEntry]:
    now = utc_now()
    for reader in readers:
        wishes = reader.wishes
        if wishes.in_app_enabled:
            yield Notice(
                user_id=reader.id,
                event_type=event,
                title=content["title"],
                body=content["body"],
                link=content.get("link"),
            )
        if wishes.email_enabled and wishes.email_frequency is EmailFrequency.IMMEDIATE:
            yield new_mail(
                user_id=reader.id,
                recipient=reader.email,
                event=event,
                subject=content["title"],
                data=dict(content),
                now=now,
            )
        elif wishes.email_enabled:
            due = next_digest(wishes.email_frequency, reader.timezone, now)
            yield EmailDigestEntry(user_id=reader.id, event_type=event, event_data=dict(content), scheduled_for=due)


def _for_webhooks(
    session: TenantSession, event: NoticeEvent, content: dict[str, Any], readers: Mapping[UUID, _Reader]
) -> Iterable[WebhookLog]:
    """Yield a delivery for each webhook that wants it. One statement."""
    hook = WebhookConfiguration
    query = (
        select(hook.id, hook.user_id, hook.provider_type, hook.enabled_events)
        .join(User, User.id == hook.user_id)
        .where(hook.tenant_id == session.tenant_id, hook.is_active, User.is_active)
    )
    now = utc_now()
    message_id = f"msg_{new_id().hex}"
    payload = {"type": event, "timestamp": now.isoformat(), "data": content}
    for hook_id, user_id, provider, events in session.execute(query):
        reader = readers.get(user_id)
        if event in events if events else reader is not None and _by_hook(reader.wishes, provider):
            yield WebhookLog(
                webhook_config_id=hook_id,
                message_id=message_id,
                event_type=event,
                payload=payload,
                next_attempt_at=now,
            )


def _by_hook(wishes: Wishes, provider: WebhookProvider) -> bool:
    return wishes.slack_enabled if provider is WebhookProvider.SLACK else wishes.webhook_enabled


def _fit(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
