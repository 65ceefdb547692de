"""Webhooks: adding, changing and removing them, and asking for deliveries anew. They are sent by ``delivering.py``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import joinedload

from spothive.database import TenantSession
from spothive.database.pages import Page, newest_first
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.gateways.address_guard import IPNetwork
from spothive.gateways.webhook_signing import new_signing_secret
from spothive.gateways.webhooks import read_target, refuse_closed_address
from spothive.keyring import Keyring
from spothive.models import (
    DeliveryStatus,
    NoticeEvent,
    ResourceType,
    User,
    WebhookConfiguration,
    WebhookLog,
    WebhookProvider,
)
from spothive.models.notifications import ATTEMPTS_MAX
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.identity import Action, require
from spothive.operations.identity.people import find_user
from spothive.operations.notifications.preferences import EVENTS, wishes_of
from spothive.operations.notifications.webhook_outbox import LADDER, LEASE, Claim, message_of
from spothive.schema.sealed import seal, unseal
from spothive.schema.states import move
from spothive.schema.types import clock_timestamp, new_id
from spothive.settings import get_settings

TEST_TYPE: Final = "webhook.test"
"""Type in the payload of a test message."""

NAME_MAX: Final = 100
"""Longest name of a webhook, as its column is."""

_KIND: Final = ResourceType.NOTICE


@dataclass(frozen=True, slots=True, repr=False)
class NewWebhook:
    """A webhook that is to be added.

    Attributes:
        provider: who receives it.
        url: where to; a secret.
        events: what it is told of, for the whole tenant; without any it follows its owner's preferences.
        name: for people.
    """

    provider: WebhookProvider
    url: str
    events: Collection[NoticeEvent] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ListedWebhook:
    """A webhook, whose it is, how many deliveries wait for it, and whether its owner is active: else none is sent."""

    webhook: WebhookConfiguration
    owner: str
    waiting: int
    owner_is_active: bool


def list_webhooks(session: TenantSession) -> list[ListedWebhook]:
    """Return the tenant's webhooks, oldest first. One statement; no secret is opened."""
    return [ListedWebhook(*row) for row in session.execute(_listed().order_by(WebhookConfiguration.id))]


def show_webhook(session: TenantSession, webhook: str) -> ListedWebhook:
    """Return one webhook by its id or name.

    Raises:
        NotFound: the tenant has no such webhook.
        InvalidInput: several have this name.
    """
    found = find_webhook(session, webhook)
    return ListedWebhook(*session.execute(_listed().where(WebhookConfiguration.id == found.id)).one())


def find_webhook(session: TenantSession, webhook: str, *, for_update: bool = False) -> WebhookConfiguration:
    """Return the webhook with this id, or else the one with this name; raises as :func:`show_webhook`."""
    hook = WebhookConfiguration
    try:
        query = select(hook).where(hook.id == UUID(webhook))
    except ValueError:
        query = select(hook).where(hook.name == webhook)
    query = query.order_by(hook.id).limit(2)
    if for_update:
        query = query.with_for_update(key_share=True)
    found = session.scalars(query, execution_options={"populate_existing": for_update}).all()
    if not found:
        msg = f"no webhook of this tenant is called {webhook[:60]!r}: see `spothive webhook list`"
        raise NotFound(msg)
    if len(found) > 1:
        msg = f"several webhooks are called {webhook[:60]!r}: name one by its id, see `spothive webhook list`"
        raise InvalidInput(msg)
    return found[0]


def list_deliveries(
    session: TenantSession,
    *,
    webhook: str | None = None,
    statuses: Sequence[DeliveryStatus] = (),
    limit: int = 100,
    before: str | None = None,
) -> Page[WebhookLog]:
    """Return one page of the tenant's deliveries with their webhooks, newest first. One statement, two for one webhook.

    Args:
        session: of the tenant.
        webhook: id or name of the webhook they go to; None for all.
        statuses: in one of these; all when empty.
        limit: most rows, 1 to 10,000.
        before: ``next`` of the page before.

    Raises:
        NotFound: no such webhook.
        InvalidInput: ``limit`` or ``before`` cannot be used.
    """
    query = select(WebhookLog).options(joinedload(WebhookLog.configuration))
    if webhook is not None:
        query = query.where(WebhookLog.webhook_config_id == find_webhook(session, webhook).id)
    if statuses:
        query = query.where(WebhookLog.status.in_(sorted(statuses)))
    return newest_first(session, WebhookLog, query, limit=limit, before=before, by="created_at")


def add_webhook(
    session: TenantSession,
    actor: Actor,
    new: NewWebhook,
    *,
    keyring: Keyring,
    networks: Sequence[IPNetwork] = (),
    owner: str | None = None,
) -> tuple[WebhookConfiguration, str | None]:
    """Add a webhook. Whether a host that is named may be reached is found out when something is sent.

    Args:
        session: of the tenant.
        actor: who adds it.
        new: what it is.
        keyring: seals its URL and its secret.
        networks: networks that are allowed although they are not public, as the sender has them.
        owner: user name of whose webhook it is; the actor when None.

    Returns:
        The webhook, and its signing secret, which is shown this once; None for Slack, which takes no signature.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: the URL cannot be used, the name is blank, too long or looks like an id, or staff of platform name
            no owner.
        NotFound: no such owner.
        Conflict: another webhook of the tenant is called so.
    """
    called = new.name or "webhook"
    require(actor, Action.MANAGE, attempt="webhook.added", resource=called, resource_type=_KIND)
    target = read_target(new.url, networks=networks, to_slack=new.provider is WebhookProvider.SLACK)
    refuse_closed_address(target, networks)
    _refuse_odd_name(new.name)
    _refuse_taken_name(session, new.name)
    row = WebhookConfiguration(
        tenant_id=session.tenant_id,
        user_id=_owner(session, actor, owner).id,
        provider_type=new.provider,
        url_host=target.host,
        enabled_events=_in_order(new.events),
        name=new.name,
    )
    seal(keyring, row, "webhook_url", new.url)
    secret = new_signing_secret() if new.provider is WebhookProvider.WEBHOOK else None
    if secret is not None:
        seal(keyring, row, "signing_secret", secret)
    session.add(row)
    session.flush()  # so that the audit row can name it
    after = {"provider": new.provider, "host": target.host, "events": row.enabled_events, "name": new.name}
    record(session, actor, "webhook.added", str(row.id), _KIND, after=after)
    return row, secret


def set_webhook_active(session: TenantSession, actor: Actor, webhook: str, *, active: bool) -> WebhookConfiguration:
    """Enable or disable a webhook; enabled, it begins without any failure.

    What waited when it was disabled waits on, and is sent when it is enabled. What happens while it is disabled is not
    sent to it, then or later: notices in the application are there all the same.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such webhook in this tenant.
    """
    event = "webhook.enabled" if active else "webhook.disabled"
    row = _changed(session, actor, event, webhook)
    before = {"active": row.is_active, "failures": row.consecutive_failures}
    row.is_active = active
    if active:
        row.consecutive_failures, row.last_error = 0, None
    after = {"active": active, "failures": row.consecutive_failures}
    record(session, actor, event, str(row.id), _KIND, before=before, after=after)
    return row


def set_webhook_events(
    session: TenantSession, actor: Actor, webhook: str, events: Iterable[NoticeEvent]
) -> WebhookConfiguration:
    """Say what a webhook is told of from now on; without any event it follows its owner's preferences.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such webhook in this tenant.
    """
    row = _changed(session, actor, "webhook.events", webhook)
    before = {"events": list(row.enabled_events)}
    row.enabled_events = _in_order(events)
    record(session, actor, "webhook.events", str(row.id), _KIND, before=before, after={"events": row.enabled_events})
    return row


def remove_webhook(session: TenantSession, actor: Actor, webhook: str) -> int:
    """Remove a webhook with its deliveries, sent or not; return how many these were.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such webhook in this tenant.
    """
    row = _changed(session, actor, "webhook.removed", webhook)
    mine = WebhookLog.webhook_config_id == row.id
    deliveries = session.scalars(select(func.count()).select_from(WebhookLog).where(mine)).one()
    session.execute(
        delete(WebhookConfiguration)
        .where(WebhookConfiguration.id == row.id)
        .execution_options(synchronize_session=False)
    )
    before = {"host": row.url_host, "name": row.name, "deliveries": deliveries}
    record(session, actor, "webhook.removed", str(row.id), _KIND, before=before)
    return deliveries


def rotate_signing_secret(
    session: TenantSession, actor: Actor, webhook: str, *, keyring: Keyring, at_once: bool = False
) -> tuple[WebhookConfiguration, str]:
    """Give a webhook a new signing secret; the one of before signs too for a while, so that receivers can change over.

    A secret that was still being changed over from signs no more: there are two at most.

    Args:
        session: of the tenant.
        actor: who does it.
        webhook: its id or name.
        keyring: opens and seals.
        at_once: whether the secret of before signs no more from now on, as when it has leaked.

    Returns:
        The webhook, and the new secret, which is shown this once.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such webhook in this tenant.
        InvalidInput: it is Slack's, which takes no signature.
        KeyMissing: the key that sealed the secret of before is not here.
    """
    row = _changed(session, actor, "webhook.rotated", webhook)
    if row.provider_type is WebhookProvider.SLACK:
        msg = "Slack takes no signature: make a new webhook at Slack, add that, and remove this one"
        raise InvalidInput(msg)
    secret, overlap = new_signing_secret(), timedelta(seconds=get_settings().webhook_overlap)
    row.previous_secret = row.previous_until = None
    if not at_once and overlap:
        seal(keyring, row, "previous_secret", unseal(keyring, row, "signing_secret"))
        row.previous_until = session.scalars(select(clock_timestamp())).one() + overlap
    seal(keyring, row, "signing_secret", secret)
    after = {"previous_until": row.previous_until}
    record(session, actor, "webhook.rotated", str(row.id), _KIND, after=after)
    return row, secret


def claim_test(session: TenantSession, actor: Actor, webhook: str, *, keyring: Keyring) -> Claim:
    """Put a test message for one webhook, active or not, into the outbox, claimed: whoever calls sends it at once.

    If that process dies, the message is sent like any other after its lease.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such webhook in this tenant.
        KeyMissing: the key that sealed its URL is not here.
    """
    row = _changed(session, actor, "webhook.tested", webhook)
    now = session.scalars(select(clock_timestamp())).one()
    content: dict[str, Any] = {
        "title": "A test of spothive",
        "body": f"{actor.username} sent this to see whether it arrives.",
        "facts": {"webhook": str(row.id)},
    }
    delivery = WebhookLog(
        id=new_id(),
        webhook_config_id=row.id,
        message_id=f"msg_{new_id().hex}",
        event_type=NoticeEvent.WEBHOOK_DISABLED,  # there is none for a test: the one that is about webhooks themselves
        payload={"type": TEST_TYPE, "timestamp": now.isoformat(), "data": content},
        attempts=1,
        next_attempt_at=now + LEASE,
    )
    session.add(delivery)
    record(session, actor, "webhook.tested", str(row.id), _KIND, after={"message": delivery.message_id})
    return Claim(delivery.id, row.id, 1, 1, message_of(delivery, row, now, keyring), is_test=True)


def redeliver(session: TenantSession, actor: Actor, message_id: str, *, webhook: str | None = None) -> int:
    """Have a message sent once more, with the same id: a receiver that took it before does nothing.

    Args:
        session: of the tenant.
        actor: who asks for it.
        message_id: which message.
        webhook: id or name of the webhook it goes to; None for all that it went to.

    Returns:
        To how many webhooks it is sent.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such message, or no such webhook, in this tenant.
        Conflict: it is being sent anyway, or was tried too often.
    """
    event = "webhook.redelivered"
    require(actor, Action.MANAGE, attempt=event, resource=message_id, resource_type=_KIND)
    query = select(WebhookLog).where(WebhookLog.message_id == message_id).order_by(WebhookLog.id)
    if webhook is not None:
        query = query.where(WebhookLog.webhook_config_id == find_webhook(session, webhook).id)
    rows = session.scalars(query.with_for_update(), execution_options={"populate_existing": True}).all()
    if not rows:
        msg = f"no message {message_id[:64]!r} was for a webhook of this tenant: see `spothive webhook deliveries`"
        raise NotFound(msg)
    ended = [row for row in rows if row.status is not DeliveryStatus.PENDING]
    if not ended:
        msg = f"{message_id} waits to be sent already: see `spothive webhook deliveries`"
        raise Conflict(msg)
    before = {"status": sorted(row.status for row in ended)}
    for row in ended:
        _send_anew(session, row)
    after = {"status": DeliveryStatus.PENDING, "webhooks": [str(row.webhook_config_id) for row in ended]}
    record(session, actor, event, message_id, _KIND, before=before, after=after)
    return len(ended)


def _send_anew(session: TenantSession, row: WebhookLog) -> None:
    if row.attempts + len(LADDER) >= ATTEMPTS_MAX:
        msg = (
            f"{row.message_id} was tried {row.attempts} times: mend the receiver, and see it by `spothive webhook test`"
        )
        raise Conflict(msg)
    changes = dict.fromkeys(("sent_at", "last_error", "http_status_code", "response_body"))
    due = {"earlier_attempts": row.attempts, "next_attempt_at": clock_timestamp()}
    move(session, row, WebhookLog.status, DeliveryStatus.PENDING, **changes, **due)


def _changed(session: TenantSession, actor: Actor, event: str, webhook: str) -> WebhookConfiguration:
    """Return the webhook that is about to be changed, locked, if ``actor`` may."""
    require(actor, Action.MANAGE, attempt=event, resource=webhook, resource_type=_KIND)
    return find_webhook(session, webhook, for_update=True)


def _listed() -> Select[Any]:
    hook = WebhookConfiguration
    waiting = (
        select(func.count())
        .select_from(WebhookLog)
        .where(WebhookLog.tenant_id == hook.tenant_id, WebhookLog.webhook_config_id == hook.id)
        .where(WebhookLog.status == DeliveryStatus.PENDING)
        .correlate(hook)
        .scalar_subquery()
    )
    return select(hook, User.username, waiting, User.is_active).join(User, User.id == hook.user_id)


def _owner(session: TenantSession, actor: Actor, username: str | None) -> User:
    user = find_user(session, username) if username is not None else session.get(User, actor.user_id)
    if user is None:
        msg = f"{actor.username} is no user of this tenant, and a webhook belongs to one: name whose it is (--owner)"
        raise InvalidInput(msg)
    return user


def _in_order(events: Iterable[NoticeEvent]) -> list[str]:
    wanted = set(events)
    return [event.value for event in NoticeEvent if event in wanted]


def is_told_nothing(session: TenantSession, webhook: WebhookConfiguration) -> bool:
    """Tell whether a webhook follows its owner's preferences and these send nothing there. Two statements at most."""
    if webhook.enabled_events:
        return False
    wishes = wishes_of(session, session.get_one(User, webhook.user_id), EVENTS).values()
    is_slack = webhook.provider_type is WebhookProvider.SLACK
    return not any(each.slack_enabled if is_slack else each.webhook_enabled for each in wishes)


def has_follower(session: TenantSession, user_id: UUID, provider: WebhookProvider) -> bool:
    """Tell whether a user owns an active webhook that follows the own preferences. One statement."""
    hook = WebhookConfiguration
    mine = (hook.user_id == user_id, hook.provider_type == provider, hook.is_active)
    return any(not events for events in session.scalars(select(hook.enabled_events).where(*mine)))


def _refuse_taken_name(session: TenantSession, name: str | None) -> None:
    """Refuse a second webhook of one name. Two that are added at once may both have it: their ids tell them apart."""
    if name is not None and session.scalar(select(WebhookConfiguration.id).where(WebhookConfiguration.name == name)):
        msg = f"a webhook is called {name!r} already: see `spothive webhook list`"
        raise Conflict(msg)


def _refuse_odd_name(name: str | None) -> None:
    if name is None:
        return
    if len(name) > NAME_MAX:
        msg = f"the name of a webhook has at most {NAME_MAX} characters, and this one has {len(name)}"
        raise InvalidInput(msg)
    try:
        UUID(name)
    except ValueError:
        if name.strip():
            return
    msg = "the name of a webhook says what it is for: it is neither blank nor an id"
    raise InvalidInput(msg)
