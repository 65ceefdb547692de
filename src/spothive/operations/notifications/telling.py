"""Telling people what happened, in the transaction in which it happened; what leaves the house is sent afterwards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, true

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import InvalidInput
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
from spothive.schema.types import new_id, strict_json

_TITLE_MAX: Final = 255
_BODY_MAX: Final = 4000
_LINK_MAX: Final = 2048

FACTS_MAX: Final = 16 * 1024
"""Bytes of JSON that the facts of one telling have: far below what a delivery may hold, and enough for 20 things."""

_NAMED_MAX: Final = 1000
"""Users whom a statement names one by one; of more, all of the tenant are read: a statement has 32,766 parameters."""


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened, for the users whom it concerns.

    Attributes:
        event: what happened.
        title: in one line; cut at 255 characters.
        body: in full, as plain text; cut at 4,000 characters. Never a secret.
        facts: the same for programs: JSON, small, never a secret nor another tenant's. What does not fit into
            :data:`FACTS_MAX`, or is no strict JSON, is left out, and ``"truncated": true`` says so.
        link: command or address where to read on; cut at 2,048 characters.
        to: users who are told; None for everybody. Webhooks with a list of events of their own get it in any case:
            they stand for the tenant.
        roles: roles that are told; None for all.
    """

    event: NoticeEvent
    title: str
    body: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None
    to: Collection[UUID] | None = None
    roles: Collection[Role] | None = None

    def __post_init__(self) -> None:
        """Make a set of whom it is for: it is asked for each user."""
        if self.to is not None:
            object.__setattr__(self, "to", frozenset(self.to))

    def content(self) -> dict[str, Any]:
        """Return what deliveries carry: whatever was told, a database takes it."""
        content = {
            "title": _fit(self.title, _TITLE_MAX) or str(self.event),
            "body": _fit(self.body, _BODY_MAX),
            "facts": _fitting(self.facts),
        }
        return content | ({} if self.link is None else {"link": _fit(self.link, _LINK_MAX)})

    def concerns(self, user: _User) -> bool:
        """Tell whether a user is told."""
        return (self.to is None or user.id in self.to) and (self.roles is None or user.role in self.roles)

    def concerned(self) -> ColumnElement[bool]:
        """Return a condition that is true of all whom it concerns, and may be of others."""
        known = true() if self.to is None or len(self.to) > _NAMED_MAX else User.id.in_(self.to)
        return known if self.roles is None else and_(known, User.role.in_(self.roles))


@dataclass(frozen=True, slots=True)
class _Hook:
    """A webhook of a user."""

    id: UUID
    provider: WebhookProvider
    events: Sequence[str]


@dataclass(frozen=True, slots=True)
class _User:
    """An active user of the tenant, with the webhooks and with what that user said about events."""

    id: UUID
    email: str
    timezone: str
    role: Role
    said: dict[NoticeEvent, Wishes] = field(default_factory=dict)
    hooks: dict[UUID, _Hook] = field(default_factory=dict)

    def wishes(self, event: NoticeEvent) -> Wishes:
        return self.said.get(event) or default_wishes(event)


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

    Args:
        session: session of the change.
        event: as all that follows, see :class:`News`.
        title: in one line.
        body: in full.
        facts: the same for programs.
        link: command or address where to read on.
        to: users who are told; None for everybody.
        roles: roles that are told; None for all.

    Returns:
        How many users it concerns.
    """
    (count,) = tell_all(session, [News(event, title, body, facts or {}, link, to, roles)])
    return count


def tell_all(session: TenantSession, news: Sequence[News]) -> list[int]:
    """Tell the users of the session's tenant of everything that one change did.

    Notices, mails and webhooks are rows of this transaction: one that is rolled back tells nobody, and what is
    committed is delivered by the sweep. It is part of the change that it tells of: no permission, no audit row of its
    own. One statement that reads, another if webhooks are told, and at most one insert for each kind of delivery,
    however many are told of however much. It is never refused for the size or the form of what it tells.

    Users and webhooks that are told are locked (on PostgreSQL, FOR KEY SHARE, users first): nobody deletes them before
    this transaction is over, and whoever is deleted at this moment is waited for and not told. The rows that point at
    them would take the same locks a little later, and be refused.

    Args:
        session: session of the change.
        news: what happened; nothing is asked if it is empty.

    Returns:
        How many users each of the news concerns.
    """
    assert session.tenant_id is not None  # noqa: S101 - whatever happens, happens in a tenant
    if not news:
        return []
    users = _users(session, news)
    _hold_hooks(session, users)
    deliveries, counts = [], []
    for each in news:
        content = each.content()
        readers = [user for user in users if each.concerns(user)]
        deliveries += [*_for_readers(each.event, content, readers), *_for_webhooks(each, content, users)]
        counts.append(len(readers))
    for delivery in deliveries:
        delivery.tenant_id = session.tenant_id  # in system scope nobody else says it
    session.add_all(deliveries)
    return counts


def _users(session: TenantSession, news: Sequence[News]) -> list[_User]:
    """Return the active users whom something concerns or who have a webhook, by id, locked. One statement."""
    wish, hook = NotificationPreference, WebhookConfiguration
    events = {each.event for each in news}
    mine = and_(wish.tenant_id == User.tenant_id, wish.user_id == User.id, wish.event_type.in_(sorted(events)))
    hooks = and_(hook.tenant_id == User.tenant_id, hook.user_id == User.id, hook.is_active)
    query = (
        select(User.id, User.email, User.timezone, User.role, wish)
        .add_columns(hook.id, hook.provider_type, hook.enabled_events)
        .outerjoin(wish, mine)
        .outerjoin(hook, hooks)
        # Said although the session sees no other tenant: a change may tell of itself in system scope.
        .where(User.tenant_id == session.tenant_id, User.is_active)
        .where(or_(hook.id.is_not(None), *(each.concerned() for each in news)))
        .order_by(User.id, hook.id)
        .with_for_update(read=True, key_share=True, of=User)
    )
    found: dict[UUID, _User] = {}
    for user_id, email, timezone, role, said, hook_id, provider, enabled in session.execute(query):
        user = found.setdefault(user_id, _User(user_id, email, timezone, role))
        if said is not None:
            user.said[said.event_type] = _wishes(said)
        if hook_id is not None:
            user.hooks[hook_id] = _Hook(hook_id, provider, enabled)
    return list(found.values())


def _hold_hooks(session: TenantSession, users: Iterable[_User]) -> None:
    """Lock the webhooks of users, and forget those that were removed meanwhile. One statement, none without webhooks.

    The statement that reads users cannot: PostgreSQL locks nothing that an outer join may not find.
    """
    if not any(user.hooks for user in users):
        return
    hook = WebhookConfiguration
    query = select(hook.id).where(hook.tenant_id == session.tenant_id, hook.is_active)
    held = set(session.scalars(query.order_by(hook.id).with_for_update(read=True, key_share=True)))
    for user in users:
        for hook_id in user.hooks.keys() - held:
            del user.hooks[hook_id]


def _wishes(said: NotificationPreference) -> Wishes:
    return Wishes(
        said.email_enabled, said.in_app_enabled, said.slack_enabled, said.webhook_enabled, said.email_frequency
    )


def _for_readers(
    event: NoticeEvent, content: dict[str, Any], readers: Iterable[_User]
) -> Iterable[Notice | EmailLog | EmailDigestEntry]:
    now = utc_now()
    for reader in readers:
        wishes = reader.wishes(event)
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


def _for_webhooks(news: News, content: dict[str, Any], users: Iterable[_User]) -> Iterable[WebhookLog]:
    """Yield a delivery for each webhook that wants it."""
    now = utc_now()
    message_id = f"msg_{new_id().hex}"
    payload = {"type": news.event, "timestamp": now.isoformat(), "data": content}
    for user in users:
        wished = news.concerns(user)
        for hook in user.hooks.values():
            if news.event in hook.events if hook.events else wished and _by_hook(user.wishes(news.event), hook):
                yield WebhookLog(
                    webhook_config_id=hook.id,
                    message_id=message_id,
                    event_type=news.event,
                    payload=payload,
                    next_attempt_at=now,
                )


def _by_hook(wishes: Wishes, hook: _Hook) -> bool:
    return wishes.slack_enabled if hook.provider is WebhookProvider.SLACK else wishes.webhook_enabled


def _fit(text: str, most: int) -> str:
    """Return a text as both databases take it: cut, and with a mark for what is no character."""
    text = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"


def _fitting(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that fit, in their order; a telling is never refused for what it has to say to programs."""
    left = FACTS_MAX
    kept: dict[str, Any] = {}
    for name, value in facts.items():
        try:
            size = len(strict_json({name: value}, left).encode())
        except InvalidInput:
            continue
        kept[name] = value
        left -= size
    return kept if len(kept) == len(facts) else kept | {"truncated": True}
