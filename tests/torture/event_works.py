"""What processes do that take events about spot instances and start what is planned."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from sqlalchemy import Engine, event

from spothive.database import get_db_session
from spothive.errors import Conflict
from spothive.operations.identity import find_actor
from spothive.operations.risk import ReplicaOutcome, record_replica_outcome, record_spot_event
from tests.factories.spot_events import REBALANCE, TERMINATION, spot_event
from tests.torture.processes import DONE, Voice

ACCOUNT = "111111111111"
INSTANCES = tuple(f"i-{number:08x}" for number in range(1, 5))
COPIES = 2


def started_as(primary: str) -> str:
    """Return EC2's id of the one replica that is ever started for an instance."""
    return primary.replace("i-0", "i-a")


def distinct_events(at: datetime) -> list[dict[str, Any]]:
    """Return two notices of each kind for each instance, a minute apart."""
    return [
        spot_event(
            account=ACCOUNT,
            instance_id=name,
            kind=kind,
            event_id=f"{name}-{kind.split()[-1]}-{minute}",
            at=at + timedelta(minutes=minute),
        )
        for name in INSTANCES
        for kind in (REBALANCE, TERMINATION)
        for minute in (0, 1)
    ]


def ingest(voice: Voice, seed: int, begun: float, dies_at: int = 0) -> None:
    """Take all events in an order of its own, copies too, and start what is planned.

    Before the statement or commit of number ``dies_at`` the process kills itself by signal 9.
    """
    sent = count(1)

    def die(*_: Any) -> None:
        if next(sent) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    actor, tenant_id = find_actor("anna", "acme")
    events = distinct_events(datetime.fromtimestamp(begun, UTC)) * COPIES
    Random(seed).shuffle(events)
    event.listen(Engine, "before_cursor_execute", die)
    event.listen(Engine, "commit", die)
    voice.wait_for_start()
    for each in events:
        told = record_spot_event(get_db_session, actor, each, tenant_id=tenant_id)
        if told.consequence is not None and told.consequence.planned is not None:
            start(told.consequence.planned, each["detail"]["instance-id"])
    voice.say(DONE)


def start(planned: str, primary: str) -> None:
    """Tell that a replica was started, unless another process has told so."""
    actor, tenant_id = find_actor("anna", "acme")
    try:
        with get_db_session(tenant=tenant_id) as session:
            record_replica_outcome(
                session,
                actor,
                replica=planned,
                outcome=ReplicaOutcome.LAUNCHED,
                instance_id=started_as(primary),
            )
    except Conflict:
        pass
