"""Sending webhooks that are due: several at once, each webhook in a turn of its own, so that a slow one waits alone."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Final
from uuid import UUID

from spothive.database import read_session, system_scope
from spothive.errors import DatabaseUnavailable, SpothiveError
from spothive.gateways.webhooks import Answer, Trouble, WebhookSender
from spothive.keyring import Keyring, Keys
from spothive.operations.actor import Actor
from spothive.operations.notifications.webhook_outbox import (
    Claim,
    Outcome,
    Place,
    Settled,
    claim_next,
    find_due,
    settle,
)
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

_SETTLING: Final = 2.0
"""Seconds for which a process that ends waits beyond the longest attempt, so that its outcome is written down."""

LOOK_AGAIN: Final = 0.5
"""Seconds after which a run looks for what is due, while it waits for somebody."""


@dataclass(slots=True)
class WebhooksSent:
    """What a run came to, with the turns of earlier runs that ended since.

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


class Turns:
    """The turns of a process that stays: those that outlast their run go on, and a later run hears of them.

    One thread at a time runs.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.places: dict[UUID, Place] = {}
        self.ended: SimpleQueue[_Turn] = SimpleQueue()
        self.longest = 0.0

    def take(self, seconds: float | None) -> list[_Turn]:
        """Return turns that have ended; wait for one for so many seconds, or as long as it takes."""
        turns = []
        try:
            turns.append(self.ended.get(timeout=seconds) if seconds != 0 else self.ended.get_nowait())
            while True:
                turns.append(self.ended.get_nowait())
        except Empty:
            pass
        for turn in turns:
            self.places.pop(turn.place.webhook_id, None)
        return turns

    def until_all_ended(self) -> Iterator[_Turn]:
        """Yield the turns that end, at most as long as one attempt may take: nothing more is begun in any of them.

        What has not ended then is cut off with the process, and claimed again after its lease.
        """
        ends = monotonic() + self.longest + _SETTLING
        while self.places and (left := ends - monotonic()) > 0:
            yield from self.take(left)

    def finish(self) -> None:
        """Wait for turns that outlasted the last run, before the process ends; no run counts them any more."""
        for _ in self.until_all_ended():
            pass


def send_webhooks(
    sessions: Sessions,
    *,
    sender: WebhookSender,
    keys: Keys,
    go_on: Callable[[], None] = lambda: None,
    turns: Turns | None = None,
    came_to: WebhooksSent | None = None,
) -> WebhooksSent:
    """Send what is due, to the webhooks of all tenants (a procedure).

    Each delivery is claimed in a short transaction, sent outside of any, and settled in another. Any number of
    processes may do this at once. After an attempt that failed, a webhook rests until the next run.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        sender: sends.
        keys: loads the keyring that opens URLs and secrets; not called when nothing is due.
        go_on: raises when the run is to end; the attempts under way are finished first, also those of earlier runs.
        turns: where a process that stays keeps, from run to run, what it is at: a run then does not wait for webhooks
            that are slow, and a later one counts them. None: it waits for all.
        came_to: what is returned, for a caller who wants to know it although the run was ended early.

    Raises:
        KeyMissing: there are no sealing keys.
        DatabaseUnavailable: the database has gone away.
    """
    known = WebhooksSent() if came_to is None else came_to
    return _Sending(sessions, sender=sender, keys=keys, go_on=go_on, turns=turns, came_to=known).run()


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
    """One run; the arguments are those of :func:`send_webhooks`."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        sender: WebhookSender,
        keys: Keys,
        go_on: Callable[[], None],
        turns: Turns | None,
        came_to: WebhooksSent,
    ) -> None:
        self._sessions, self._sender, self._keys, self._go_on = sessions, sender, keys, go_on
        self._waits_for_all = turns is None
        self._turns = turns or Turns()
        self._turns.longest = sender.longest
        self._mine: set[UUID] = set()  # turns of this run, which are awaited
        self._keyring: Keyring | None = None
        self._rested: set[UUID] = set()
        self._is_ending = False
        self._came_to = came_to

    def run(self) -> WebhooksSent:
        ends = monotonic() + RUN
        try:
            self._await(0)
            while monotonic() < ends:
                self._go_on()
                self._begin_turns()
                if not self._mine:
                    break
                self._await(LOOK_AGAIN)
        except BaseException:
            self._is_ending = True
            if not self._waits_for_all:
                for turn in self._turns.until_all_ended():
                    self._take_down(turn)
            raise
        finally:
            self._is_ending = True
            while self._mine and self._waits_for_all:
                self._await(None)
        return self._came_to

    def _begin_turns(self) -> None:
        """Give a turn to each webhook that has something due, as far as there is room."""
        places = self._turns.places
        room = AT_ONCE - len(places)
        if room <= 0:
            return
        skip, taken = frozenset(places.keys() | self._rested), Counter(place.tenant_id for place in places.values())
        with read_session() as session, system_scope(session, "webhooks that are due are looked for"):
            due = find_due(session, skip=skip, taken=taken, each_tenant=OF_ONE_TENANT, limit=room)
        for place in due:
            self._keyring = self._keyring or self._keys()
            places[place.webhook_id] = place
            self._mine.add(place.webhook_id)
            # In a copy of this context, a thread knows of a transaction that is open here. A daemon does not keep an
            # interrupted process alive: what it has claimed is claimed again after the lease.
            Thread(target=copy_context().run, args=(self._attend, place, self._keyring), daemon=True).start()

    def _attend(self, place: Place, keyring: Keyring) -> None:
        turn = _Turn(place)
        try:
            self._send_in_turn(turn, keyring)
        except BaseException as error:  # noqa: BLE001 - it is handed over, and judged there
            turn.error = error
        if turn.error is not None and not isinstance(turn.error, SpothiveError):  # here: its run may be over
            _log.error("a webhook could not be sent", exc_info=turn.error)
        self._turns.ended.put(turn)

    def _send_in_turn(self, turn: _Turn, keyring: Keyring) -> None:
        """Send what is due for one webhook, in order, until something fails or the turn is over."""
        ends = monotonic() + TURN
        with self._sessions(tenant=turn.place.tenant_id) as session:
            claim = claim_next(session, turn.place.webhook_id, keyring)
        while claim is not None:
            answer = self._answer(turn, claim)
            try:
                with self._sessions(tenant=turn.place.tenant_id) as session:
                    settled = settle(session, claim, answer)
                    more = settled.outcome is Outcome.SENT and not self._is_ending and monotonic() < ends
                    following = claim_next(session, turn.place.webhook_id, keyring) if more else None
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - it is noted, and the delivery must not come back each minute
                turn.error = error
                settled, following = self._settled_plainly(turn.place, claim, answer, error), None
            turn.settled.append(settled)
            claim = following

    def _answer(self, turn: _Turn, claim: Claim) -> Answer:
        """Send; a defect becomes a failed attempt, so that it ends as others do."""
        try:
            return self._sender.send(claim.message)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it is noted, and the delivery must not come back each minute
            turn.error = error
            return _defect(error)

    def _settled_plainly(self, place: Place, claim: Claim, answer: Answer, error: Exception) -> Settled:
        """Settle what could not be settled together with the next claim: as it was answered, or else as a defect."""
        try:
            with self._sessions(tenant=place.tenant_id) as session:
                return settle(session, claim, answer)
        except DatabaseUnavailable:
            raise
        except Exception as again:  # noqa: BLE001 - what was answered cannot be written down
            _log.debug("an answer to a webhook could not be written down: %s", type(again).__name__)
        with self._sessions(tenant=place.tenant_id) as session:
            return settle(session, claim, _defect(error))

    def _await(self, seconds: float | None) -> None:
        """Wait until a turn has ended, and take down what it came to."""
        gone: DatabaseUnavailable | None = None
        for turn in self._turns.take(seconds):
            is_mine = turn.place.webhook_id in self._mine
            self._take_down(turn)
            if is_mine and isinstance(turn.error, DatabaseUnavailable):
                gone = turn.error
        if gone is not None:
            raise gone

    def _take_down(self, turn: _Turn) -> None:
        self._mine.discard(turn.place.webhook_id)
        if not turn.is_smooth:
            self._rested.add(turn.place.webhook_id)
        for settled in turn.settled:
            self._came_to.counts[settled.outcome.replace(" ", "_")] += 1
            if settled.disabled:
                self._came_to.counts["disabled"] += 1
        if turn.error is not None:
            self._came_to.failures[f"webhook {turn.place.webhook_id}"] = _reason(turn.error)


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, SpothiveError) else f"a defect of spothive: {type(error).__name__}"


def _defect(error: Exception) -> Answer:
    """Return what is written down of an attempt that broke; without the words, which may hold anything."""
    return Answer(Trouble.HTTP, f"a defect of spothive: {type(error).__name__}")
