"""What the processes do that send webhooks until they are killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from spothive.database import TenantSession, get_db_session
from spothive.gateways.webhook_stand_in import WebhookStandIn
from spothive.gateways.webhooks import Answer, Message, WebhookSender
from spothive.operations.notifications import send_webhooks
from tests.factories.webhooks import RING, told
from tests.torture.processes import DONE, STEP, Voice

PAUSE = 0.004
"""Seconds at each step, in which a test can kill."""


class Speaking(WebhookSender):
    """Says when a message is about to leave, and when its answer is there but not written down."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(WebhookStandIn.networks)
        self._voice = voice

    def send(self, message: Message) -> Answer:
        self._step()
        answer = super().send(message)
        self._step()
        return answer

    def _step(self) -> None:
        self._voice.say(STEP)
        time.sleep(PAUSE)


@contextmanager
def slowly_committed(voice: Voice, tenant: UUID | None = None) -> Iterator[TenantSession]:
    """Open a transaction that says a word before it is committed, and one after."""
    with get_db_session(tenant=tenant) as session:
        yield session
        voice.say(STEP)
        time.sleep(PAUSE)
    voice.say(STEP)


def send_until_killed(voice: Voice) -> None:
    """Send what is due, with a word at every step."""

    def sessions(tenant: UUID | None = None) -> Any:
        return slowly_committed(voice, tenant)

    voice.wait_for_start()
    send_webhooks(sessions, sender=Speaking(voice), keys=lambda: RING)
    voice.say(DONE)


def send_for(voice: Voice, seconds: float) -> None:
    """Send what is due again and again, beside others who do the same; say how much."""
    sender, count = WebhookSender(WebhookStandIn.networks), 0
    voice.wait_for_start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        count += send_webhooks(get_db_session, sender=sender, keys=lambda: RING).counts["sent"]
    voice.say(count)


def tell_again_and_again(voice: Voice, tenant_id: UUID) -> None:
    """Tell of one change after the other, each in a transaction of its own, with a word after each."""
    voice.wait_for_start()
    while True:
        told(tenant_id)
        voice.say(STEP)
