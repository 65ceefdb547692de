"""What the processes do that work at a queue until they are killed, stalled or told to stop."""

from __future__ import annotations

import os
import random
import signal
import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from spothive.database import get_db_session
from spothive.operations.identity import find_actor
from spothive.operations.sweeps import sweep
from spothive.queue import Report, Reported, exchange
from tests.torture.processes import Voice
from tests.torture.sweep_works import tools

LEASE = 1.0
"""Seconds of a lease; whoever is stalled for longer has lost it."""

BATCH = 4
POISON = "poison"
_EFFECT = "INSERT INTO effects (key) VALUES (:key)"


def work_at_queue(voice: Voice, tenant: UUID, cluster: UUID, seconds: float) -> None:
    """Claim, work and report until told to stop; say (claimed, completed, stale) after each call.

    The effect of an action is a row with its key, written in the transaction that reports it. A second one of the same
    key would end this process with an error, which the test reads.
    """
    voice.wait_for_start()
    reports: dict[UUID, tuple[str, Report]] = {}
    while True:
        limit = 0 if voice.is_told() else BATCH
        with get_db_session(tenant=tenant) as session:
            given = [report for _, report in reports.values()]
            came = exchange(session, cluster, given, limit=limit, lease=timedelta(seconds=LEASE))
            done = [action for action, became in came.reported.items() if became is Reported.COMPLETED]
            for action in done:
                session.execute(text(_EFFECT), {"key": reports[action][0]})
        stale = sum(became is Reported.STALE for became in came.reported.values())
        voice.say((len(came.handed_out), len(done), stale))
        if not limit and not came.handed_out:
            return
        reports = {}
        for each in came.handed_out:
            if each.payload["node"] == POISON:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(seconds * random.uniform(0.5, 1.5))
            reports[each.lease.action_id] = each.idempotency_key, Report(each.lease)
        if not reports:
            time.sleep(seconds)


def sweep_the_queue(voice: Voice) -> None:
    """Do the duty again and again until told to stop."""
    actor, _ = find_actor("admin", "platform")
    voice.wait_for_start()
    while not voice.is_told():
        sweep(get_db_session, actor, tools(), only="actions")
        time.sleep(0.2)
