"""The verbs of webhooks, as data; see ``verbs.py``."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY
from uuid import UUID

from spothive.database import get_db_session
from spothive.gateways.webhooks import Answer, Message, WebhookSender
from spothive.models import NoticeEvent, WebhookConfiguration, WebhookLog, WebhookProvider
from spothive.operations.actor import Actor
from spothive.operations.notifications import (
    NewWebhook,
    add_webhook,
    redeliver,
    remove_webhook,
    rotate_signing_secret,
    send_test,
    set_webhook_active,
    set_webhook_events,
)
from spothive.schema.sealed import seal
from tests.factories.webhooks import RING, sent
from tests.operations.conftest import World
from tests.operations.verbs import SECRETS, Verb, verb

HOOK = UUID("0197a1f0-0000-7000-8000-00000000aaaa")
URL = f"https://hooks.example/{SECRETS[2]}"
FACTS = {"provider": "webhook", "host": "hooks.example", "events": ["waste.flagged"], "name": "tool"}


class _Taking(WebhookSender):
    """Takes everything."""

    def send(self, message: Message) -> Answer:
        return Answer(None, f"took {message.id}", 200, "ok")


def _hook(world: World) -> None:
    row = WebhookConfiguration(
        id=HOOK,
        tenant_id=world.acme,
        user_id=world.anna.user_id,
        provider_type=WebhookProvider.WEBHOOK,
        url_host="hooks.example",
    )
    for name, secret in (("webhook_url", URL), ("signing_secret", f"whsec_{'A' * 43}=")):
        seal(RING, row, name, secret)
    with get_db_session(tenant=world.acme) as session:
        session.add(row)


def _failing(world: World) -> None:
    _hook(world)
    with get_db_session(tenant=world.acme) as session:
        row = session.get_one(WebhookConfiguration, HOOK)
        row.consecutive_failures, row.is_active = 10, False


def _delivered(world: World) -> None:
    _hook(world)
    event = NoticeEvent.WASTE_FLAGGED
    with get_db_session(tenant=world.acme) as session:
        session.add(WebhookLog(webhook_config_id=HOOK, message_id="msg_1", event_type=event, payload={}))
    sent(sender=_Taking())


def _test(actor: Actor, tenant_id: UUID) -> Any:
    known: dict[str, Any] = {"webhook": str(HOOK), "sender": _Taking(), "keys": lambda: RING}
    return send_test(get_db_session, actor, tenant_id=tenant_id, **known)


def _of_anna(name: str, change: Any, facts: dict[str, Any], trail: tuple[Any, ...], prepare: Any = _hook) -> Verb:
    event, resource, before, after = trail
    known: dict[str, Any] = {"actor": "anna", "denied": "lena", "tenant": "acme"}
    return verb(name, change, facts, **known, trail=(event, resource, before, after), prepare=prepare)


_NEW = NewWebhook(WebhookProvider.WEBHOOK, URL, [NoticeEvent.WASTE_FLAGGED], "tool")
WEBHOOK_VERBS: tuple[Verb, ...] = (
    _of_anna(
        "add a webhook",
        add_webhook,
        {"new": _NEW, "keyring": RING},
        ("webhook.added", ANY, None, FACTS),
        lambda _: None,
    ),
    _of_anna(
        "enable a webhook",
        set_webhook_active,
        {"webhook": str(HOOK), "active": True},
        ("webhook.enabled", str(HOOK), {"active": False, "failures": 10}, {"active": True, "failures": 0}),
        _failing,
    ),
    _of_anna(
        "disable a webhook",
        set_webhook_active,
        {"webhook": str(HOOK), "active": False},
        ("webhook.disabled", str(HOOK), {"active": True, "failures": 0}, {"active": False, "failures": 0}),
    ),
    _of_anna(
        "set the events of a webhook",
        set_webhook_events,
        {"webhook": str(HOOK), "events": [NoticeEvent.WASTE_FLAGGED]},
        ("webhook.events", str(HOOK), {"events": []}, {"events": ["waste.flagged"]}),
    ),
    _of_anna(
        "rotate the secret of a webhook",
        rotate_signing_secret,
        {"webhook": str(HOOK), "keyring": RING},
        ("webhook.rotated", str(HOOK), None, {"previous_until": ANY}),
    ),
    _of_anna(
        "remove a webhook",
        remove_webhook,
        {"webhook": str(HOOK)},
        ("webhook.removed", str(HOOK), {"host": "hooks.example", "name": None, "deliveries": 0}, None),
    ),
    _of_anna(
        "redeliver a message",
        redeliver,
        {"message_id": "msg_1"},
        ("webhook.redelivered", "msg_1", {"status": ["sent"]}, {"status": "pending", "webhooks": [str(HOOK)]}),
        _delivered,
    ),
    Verb(
        "test a webhook",
        _test,
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(("webhook.tested", str(HOOK), None, {"message": ANY}),),
        prepare=_hook,
    ),
)
