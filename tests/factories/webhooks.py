"""Webhooks of a user, messages for them, and what became of these."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update

from spothive.clock import utc_now
from spothive.database import PLATFORM_TENANT_ID, get_db_session, system_scope
from spothive.gateways.webhook_stand_in import WebhookStandIn
from spothive.gateways.webhooks import Limits, WebhookSender
from spothive.keyring import Keyring
from spothive.models import DeliveryStatus, NoticeEvent, WebhookConfiguration, WebhookLog, WebhookProvider
from spothive.operations.actor import Actor
from spothive.operations.notifications import NewWebhook, WebhooksSent, add_webhook, send_webhooks, tell
from spothive.schema.types import new_id
from tests.watching import rows_of

RING = Keyring({"a1b2c3d4": bytes(range(32))}, primary="a1b2c3d4")
"""Seals what every test opens, also in another process."""

EVENT = NoticeEvent.ACCOUNT_FAILED


def make_webhook(
    actor: Actor,
    url: str,
    *events: NoticeEvent,
    provider: WebhookProvider = WebhookProvider.WEBHOOK,
    name: str | None = None,
) -> tuple[UUID, str]:
    """Add a webhook of ``actor``; return its id and its signing secret."""
    with get_db_session(tenant=actor.home_tenant_id) as session:
        new = NewWebhook(provider, url, events or (EVENT,), name)
        row, secret = add_webhook(session, actor, new, keyring=RING, networks=WebhookStandIn.networks)
    return row.id, secret or ""


def make_deliveries(tenant_id: UUID, webhook_id: UUID, count: int = 1) -> list[str]:
    """Write down so many messages for one webhook; return their ids, in the order in which they are due."""
    names = [f"msg_{new_id().hex}" for _ in range(count)]
    began = utc_now() - timedelta(minutes=5)
    with get_db_session(tenant=tenant_id) as session:
        for number, name in enumerate(names):
            due = began + timedelta(milliseconds=number)
            payload = {"type": EVENT, "timestamp": began.isoformat(), "data": {"title": name, "body": "", "facts": {}}}
            session.add(
                WebhookLog(
                    webhook_config_id=webhook_id,
                    message_id=name,
                    event_type=EVENT,
                    payload=payload,
                    next_attempt_at=due,
                )
            )
    return names


def told(tenant_id: UUID) -> None:
    """Tell the tenant that an account failed, as a change would."""
    with get_db_session(tenant=tenant_id) as session:
        tell(session, EVENT, "Account main failed", "AWS refused it.", facts={"account": "main"})


def sent(**how: Any) -> WebhooksSent:
    """Send what is due, to receivers on this machine."""
    limits = how.pop("limits", Limits(read=5, whole=5))
    sender = how.pop("sender", None) or WebhookSender(WebhookStandIn.networks, limits=limits)
    return send_webhooks(get_db_session, sender=sender, keys=lambda: RING, **how)


def make_due(**equal: Any) -> None:
    """Let the deliveries that wait be due at once, as if the time had passed."""
    with get_db_session(tenant=PLATFORM_TENANT_ID) as session, system_scope(session, "a test turns the clock"):
        waiting = (
            WebhookLog.status == DeliveryStatus.PENDING,
            *(getattr(WebhookLog, k) == v for k, v in equal.items()),
        )
        past = update(WebhookLog).where(*waiting).values(next_attempt_at=utc_now() - timedelta(seconds=1))
        session.execute(past, execution_options={"synchronize_session": False})


def delivery(**equal: Any) -> dict[str, Any]:
    """Return the one delivery there is."""
    (row,) = rows_of(WebhookLog, **equal)
    return row


def webhook(webhook_id: UUID) -> dict[str, Any]:
    """Return the row of a webhook."""
    (row,) = rows_of(WebhookConfiguration, id=webhook_id)
    return row
