"""Sending webhooks that are due: several at once, each webhook in a turn of its own, so that a slow one waits alone."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Final
from uuid import UUID

from spothive.database import read_session, system_scope
from spothive.errors import DatabaseUnavailable, SpothiveError
from spothive.gateways.webhooks import Answer, WebhookSender
from spothive.keyring import Keyring, Keys
from spothive.operations.actor import Actor
from spothive.operations.notifications.webhook_outbox import Outcome, Place, Settled, claim_next, find_due, settle
from spothive.operations.notifications.webhooks import claim_test
from spothive.operations.sessions import Sessions

_log = logging.getLogger(__name__)

AT_ONCE: Final = 32
"""Webhooks that are sent to side by side; each takes a thread, and a database connection now and then."""

OF_ONE_TENANT: Final = 4
"""Those of them that may belong to one tenant: receivers that are silent hold up their own tenant at most."""

TURN: Final = 5.0
"""Seconds after which a webhook gives its place to others, if more is due for it."""

RUN: Final = 30.0
"""Seconds after which a run begins with nothing more, so that whoever runs it hears what it did."""

LOOK_AGAIN: Final = 0.5
"""Seconds after which a run looks for what is due, while it waits for somebody."""


@dataclass(slots=True)
class WebhooksSent:
    """What a run came to.

    Attributes:
        counts: deliveries by what became of them: ``sent``, ``retried_later``, ``given_up``, ``lost``; and webhooks
            that were ``disabled``.
        failures: webhook to the reason why nothing could be sent to it, where that was not the receiver's fault.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tested:
    """A test message, and what came of it."""

    message_id: str
    answer: Answer


def send_webhooks(
    sessions: Sessions,
    *,
    sender: WebhookSender,
    keys: Keys,
    go_on: Callable[[], None] = lambda: None,
    under_way: set[UUID] | None = None,
) -> WebhooksSent:
    """Send what is due, to the webhooks of all tenants (a procedure).

    Each delivery is claimed in a short transaction, sent outside of any, and settled in another. Any number of
    processes may do this at once. After an attempt that failed, a webhook rests until the next run.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        sender: sends.
        keys: loads the keyring that opens URLs and secrets; not called when nothing is due.
        go_on: raises when the run is to end; what is under way is finished first.
        under_way: where a process that stays keeps, from run to run, the webhooks that it still sends to: a run then
            does not wait for those that are slow. None: it waits for all.

    Raises:
        KeyMissing: there are no sealing keys.
        DatabaseUnavailable: the database has gone away.
    """
    return _Sending(sessions, sender, keys, go_on, under_way).run()


def send_test(
    sessions: Sessions, actor: Actor, *, tenant_id: UUID, webhook: str, sender: WebhookSender, keys: Keys
) -> Tested:
    """Send a test message to one webhook, active or not, and return what it answered (a procedure).

    The message goes through the outbox, so that it is listed among the deliveries. It is tried once, and says nothing
    for or against the webhook, unless it is taken: then the failures before it no longer count.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: who tests.
        tenant_id: whose webhook.
        webhook: its id, or its name.
        sender: sends.
        keys: loads the keyring.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such webhook in this tenant.
        KeyMissing: the key that sealed its URL is not here.
    """
    keyring = keys()
    with sessions(tenant=tenant_id) as session:
        claim = claim_test(session, actor, webhook, keyring=keyring)
    answer = sender.send(claim.message)
    with sessions(tenant=tenant_id) as session:
        settle(session, claim, answer)
    return Tested(claim.message.id, answer)


@dataclass(slots=True)
class _Turn:
    """What one webhook's turn came to."""

    place: Place
    settled: list[Settled] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def is_smooth(self) -> bool:
        """Whether nothing failed, so that the webhook may have another turn at once."""
        return self.error is None and all(each.outcome is Outcome.SENT for each in self.settled)


class _Sending:
    """One run."""

    def __init__(
        self,
        sessions: Sessions,
        sender: WebhookSender,
        keys: Keys,
        go_on: Callable[[], None],
        under_way: set[UUID] | None,
    ) -> None:
        self._sessions, self._sender, self._keys, self._go_on = sessions, sender, keys, go_on
        self._waits_for_all = under_way is None
        self._under_way = set[UUID]() if under_way is None else under_way
        self._keyring: Keyring | None = None
        self._turns: dict[UUID, Place] = {}  # those of this run, which are awaited
        self._rested: set[UUID] = set()
        self._ended: SimpleQueue[_Turn] = SimpleQueue()
        self._is_ending = False
        self._came_to = WebhooksSent()

    def run(self) -> WebhooksSent:
        ends = monotonic() + RUN
        try:
            while monotonic() < ends:
                self._go_on()
                self._begin_turns()
                if not self._turns:
                    break
                self._await(LOOK_AGAIN)
        finally:
            self._is_ending = True
            while self._turns and self._waits_for_all:
                self._await(None)
        return self._came_to

    def _begin_turns(self) -> None:
        """Give a turn to each webhook that has something due, as far as there is room."""
        room = AT_ONCE - len(self._under_way)
        if room <= 0:
            return
        skip = frozenset(self._under_way | self._rested)
        with read_session() as session, system_scope(session, "webhooks that are due are looked for"):
            due = find_due(session, skip=skip, each_tenant=OF_ONE_TENANT, limit=room)
        of_tenant = Counter(place.tenant_id for place in self._turns.values())
        for place in due:
            if of_tenant[place.tenant_id] >= OF_ONE_TENANT:
                continue
            of_tenant[place.tenant_id] += 1
            self._keyring = self._keyring or self._keys()
            self._under_way.add(place.webhook_id)
            self._turns[place.webhook_id] = place
            # In a copy of this context, a thread knows of a transaction that is open here. A daemon does not keep an
            # interrupted process alive: what it has claimed is claimed again after the lease.
            Thread(target=copy_context().run, args=(self._attend, place, self._keyring), daemon=True).start()

    def _attend(self, place: Place, keyring: Keyring) -> None:
        turn = _Turn(place)
        try:
            self._send_in_turn(turn, keyring)
        except BaseException as error:  # noqa: BLE001 - it is handed over, and judged there
            turn.error = error
        self._under_way.discard(place.webhook_id)
        self._ended.put(turn)

    def _send_in_turn(self, turn: _Turn, keyring: Keyring) -> None:
        """Send what is due for one webhook, in order, until something fails or the turn is over."""
        ends = monotonic() + TURN
        with self._sessions(tenant=turn.place.tenant_id) as session:
            claim = claim_next(session, turn.place.webhook_id, keyring)
        while claim is not None:
            answer = self._sender.send(claim.message)
            with self._sessions(tenant=turn.place.tenant_id) as session:
                settled = settle(session, claim, answer)
                more = settled.outcome is Outcome.SENT and not self._is_ending and monotonic() < ends
                claim = claim_next(session, turn.place.webhook_id, keyring) if more else None
            turn.settled.append(settled)

    def _await(self, seconds: float | None) -> None:
        """Wait until a turn has ended, and take down what it came to."""
        try:
            turn = self._ended.get(timeout=seconds)
        except Empty:
            return
        self._turns.pop(turn.place.webhook_id, None)
        if not turn.is_smooth:
            self._rested.add(turn.place.webhook_id)
        for settled in turn.settled:
            self._came_to.counts[settled.outcome.replace(" ", "_")] += 1
            if settled.disabled:
                self._came_to.counts["disabled"] += 1
        if turn.error is not None:
            self._note(turn.place, turn.error)

    def _note(self, place: Place, error: BaseException) -> None:
        if isinstance(error, DatabaseUnavailable) or not isinstance(error, Exception):
            raise error
        if not isinstance(error, SpothiveError):
            _log.error("a webhook could not be sent", exc_info=error)
        why = str(error) if isinstance(error, SpothiveError) else f"a defect of spothive: {type(error).__name__}"
        self._came_to.failures[f"webhook {place.webhook_id}"] = why
