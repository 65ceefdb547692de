"""Preferences and webhooks to be told by."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from spothive.database import get_db_session
from spothive.models import NoticeEvent, NotificationPreference, WebhookConfiguration, WebhookProvider
from spothive.operations.actor import Actor
from spothive.schema.sealed import seal
from tests.factories.sealing import make_keyring


def wish(actor: Actor, event: NoticeEvent, **said: Any) -> None:
    """Write down how a user wants to hear of an event."""
    with get_db_session(tenant=actor.home_tenant_id) as session:
        session.add(NotificationPreference(user_id=actor.user_id, event_type=event, **said))


def hook(actor: Actor, *events: NoticeEvent, provider: WebhookProvider = WebhookProvider.WEBHOOK, **said: Any) -> UUID:
    """Make a webhook of a user, whose address nobody can open."""
    ring = make_keyring()
    with get_db_session(tenant=actor.home_tenant_id) as session:
        row = WebhookConfiguration(tenant_id=actor.home_tenant_id, user_id=actor.user_id, provider_type=provider)
        row.url_host, row.enabled_events = "hooks.example", [str(event) for event in events]
        seal(ring, row, "webhook_url", "https://hooks.example/")
        seal(ring, row, "signing_secret", "whsec_" + "A" * 32)
        for name, value in said.items():
            setattr(row, name, value)
        session.add(row)
    return row.id
