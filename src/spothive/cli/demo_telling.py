"""The part of the demo about agents, who act, and about people and programs, who are told what happens."""

from __future__ import annotations

import io
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from rich.padding import Padding
from rich.table import Table
from sqlalchemy import update

from spothive import runtime
from spothive.clock import utc_now
from spothive.database import get_db_session, read_session
from spothive.gateways.dataset_store import DatasetStore
from spothive.gateways.mail import ConsoleMailer
from spothive.gateways.webhooks import WebhookSender
from spothive.models import (
    ActionType,
    ApiScope,
    Cluster,
    DatasetKind,
    EmailDigestEntry,
    NoticeEvent,
    WebhookProvider,
)
from spothive.operations import jobs
from spothive.operations.datasets import GenerationWish, generate_dataset
from spothive.operations.identity import create_api_key
from spothive.operations.notifications import NewWebhook, add_webhook, list_notices
from spothive.queue import Order
from spothive.settings import get_settings

if TYPE_CHECKING:
    from spothive.cli.demo import Demo
    from spothive.gateways.webhook_stand_in import WebhookStandIn

EVENTS: Final = (NoticeEvent.APPROVAL_DECIDED, NoticeEvent.WASTE_DELETED, NoticeEvent.AGENT_OFFLINE)
NODES: Final = ("ip-10-0-1-17", "ip-10-0-2-40", "ip-10-0-3-5")
_DIGEST = "Your daily digest"
_SHOWN = 5


class TellingStory:
    """What anna of acme asks an agent for, and how she and a program of hers hear of all that happens."""

    def __init__(self, demo: Demo, receiver: WebhookStandIn) -> None:
        """Tell it within ``demo``; ``receiver`` is the program, on loopback."""
        self.demo = demo
        self.receiver = receiver
        self.anna, self.acme = demo.tenants["acme"]
        self.post = io.StringIO()
        self.datasets = demo.own_path("datasets")
        demo.set_variables(SPOTHIVE_DATASET_STORE=str(self.datasets), SPOTHIVE_WEBHOOK_NETWORKS="127.0.0.0/8")

    def mailer(self) -> ConsoleMailer:
        """Return what carries mails in the demo: none leaves this machine."""
        return ConsoleMailer(self.post, sender=get_settings().mail_from)

    def sender(self) -> WebhookSender:
        """Return what sends webhooks to the receiver."""
        return WebhookSender(self.receiver.networks)

    def store(self) -> DatasetStore:
        """Return where datasets are kept."""
        return DatasetStore(self.datasets)

    def add_webhook(self) -> None:
        """Let a program hear of what happens to acme."""
        self.demo.title("A program that wants to hear of it")
        new = NewWebhook(WebhookProvider.WEBHOOK, self.receiver.url, EVENTS, name="pager")
        with self.demo.step("webhook add pager") as done:
            with get_db_session(tenant=self.acme) as session:
                networks, keyring = self.receiver.networks, runtime.keyring()
                _, secret = add_webhook(session, self.anna, new, keyring=keyring, networks=networks)
            self.receiver.keys = [secret] if secret else []
            done(f"told of {', '.join(EVENTS)}; signed with a secret that is shown once")

    def ask_an_agent(self, cluster: str, place: str) -> None:
        """Ask the agent of a cluster to clear nodes, and be that agent; ``place`` is account/region/name."""
        self.demo.title("What an agent in a cluster is asked to do")
        with self.demo.step("action enqueue") as done:
            asked = [self._drain(cluster, node) for node in (*NODES, NODES[0])]
            done(f"DRAIN_NODE of {len(set(asked))} nodes: of the first twice, which by its key is one action")
        with self.demo.step("agent simulate") as done:
            with get_db_session(tenant=self.acme) as session:
                scopes = [ApiScope.AGENT]
                _, key = create_api_key(session, self.anna, name="the agent", scopes=scopes, cluster=place)
            how = jobs.Simulation(workers=2, seconds=0.05)
            did = jobs.simulate_agent(get_db_session, how, key=key, stop=Event())
            completed = sum(each.completed for each in did)
            done(f"2 workers, by the cluster's own key: {completed} actions completed")
        with read_session(tenant=self.acme) as session:
            action = jobs.find_action(session, asked[0])
            self._say(f"{action.action_type} {action.payload['node']}: {action.status} at hand-out {action.attempts}")

    def _drain(self, cluster: str, node: str) -> UUID:
        order = Order(UUID(cluster), ActionType.DRAIN_NODE, {"node": node}, idempotency_key=f"drain-{node}")
        with get_db_session(tenant=self.acme) as session:
            return jobs.enqueue_action(session, self.anna, order).id

    def let_time_pass(self, cluster: str) -> None:
        """Let it be nine o'clock, when digests are due, and the agent be silent for long."""
        now = utc_now()
        silent = timedelta(seconds=get_settings().agent_silence + 60)
        with get_db_session(tenant=self.acme) as session:
            mine = EmailDigestEntry.user_id == self.anna.user_id
            session.execute(update(EmailDigestEntry).where(mine).values(scheduled_for=now))
            session.execute(update(Cluster).where(Cluster.id == UUID(cluster)).values(last_heartbeat=now - silent))

    def show_what_was_told(self) -> None:
        """Show what anna and her program were told."""
        self.demo.title("Who was told of all this")
        with read_session(tenant=self.acme) as session:
            notices = list_notices(session, self.anna, limit=_SHOWN).rows
        table = Table("event", "title", title="anna: notify list", title_justify="left")
        for notice in notices:
            table.add_row(notice.event_type, notice.title)
        self.demo.console.print(table)
        table = Table("webhook-id", "type", "signature", title="pager: what came", title_justify="left")
        for message_id, payload in self.receiver.taken.items():
            table.add_row(message_id, payload["type"], "good")
        self.demo.console.print(table)
        if self.receiver.refused:
            msg = "the receiver refused a webhook: this is a defect"
            raise RuntimeError(msg)
        mails = self.post.getvalue().split("To: ")
        (digest,) = [mail for mail in mails if mail.startswith("anna@") and _DIGEST in mail.splitlines()[1]]
        self.demo.console.print(f"  {len(mails) - 1} mails were sent; anna's digest is one of them:")
        self._say("To: " + digest.strip())

    def make_dataset(self) -> None:
        """Export what spothive knows, for training."""
        self.demo.title("Data to learn from, that names nobody")
        wish = GenerationWish("decisions so far", DatasetKind.DECISIONS)
        how: dict[str, Any] = {"tenant_id": self.acme, "store": self.store()}
        with self.demo.step("dataset generate") as done:
            made = generate_dataset(get_db_session, self.anna, wish=wish, **how)
            done(f"{made.written.rows} decisions, SHA-256 {made.written.file_hash}")

    def _say(self, text: str) -> None:
        self.demo.console.print(Padding(text, (0, 0, 0, 4), expand=False), markup=False, highlight=False)
