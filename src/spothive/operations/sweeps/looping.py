"""Sweeping on and on: a thread for each duty, so that one that waits for AWS holds up no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Final
from uuid import UUID

from spothive.database import PLATFORM_TENANT_ID, read_session
from spothive.errors import SpothiveError
from spothive.operations.actor import Actor
from spothive.operations.notifications import Turns
from spothive.operations.sessions import Sessions
from spothive.operations.sweeps.duties import DUTIES, Duty
from spothive.operations.sweeps.leases import read_standings
from spothive.operations.sweeps.running import Run, require_staff, run_duty
from spothive.operations.sweeps.work import Tools

_log = logging.getLogger(__name__)

LOOK_AGAIN: Final = 60.0
"""Seconds after which a thread looks again whether its duty is due, at the latest: others may have let it go."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds a thread waits after a run that could not even be written down, doubled each time."""


def keep_sweeping(
    sessions: Sessions,
    actor: Actor,
    tools: Tools,
    *,
    stop: Event,
    tell: Callable[[Run], None],
    complain: Callable[[str, str], None] = lambda *_: None,
    duties: Sequence[Duty] = DUTIES,
) -> None:
    """Do each duty whenever it is due, until ``stop`` is set; then finish what is at hand and return (a procedure).

    At hand are the tenants that a duty works for, as long as it has patience for them, and the attempts to send
    webhooks, which take 20 seconds at most.

    Other processes may do the same: each duty is done by one of them at a time. A database that goes away is waited
    for, longer each time up to a minute.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: staff of platform.
        tools: what duties are given from outside.
        stop: set when it is to end.
        tell: is told of each run as it ends, by several threads.
        complain: is told (duty, reason) when a duty could not be done at all, by several threads.
        duties: which there are; one whose period is zero is left out.

    Raises:
        Denied: ``actor`` is no staff of platform.
    """
    with sessions(tenant=PLATFORM_TENANT_ID):
        require_staff(actor)

    def attend(duty: Duty) -> None:
        pause, under_way, turns = FIRST_PAUSE, set[UUID](), Turns()
        while not stop.is_set():
            try:
                wait = _seconds_until_due(duty)
                if wait <= 0:
                    run = run_duty(
                        sessions,
                        duty,
                        tools,
                        by=actor,
                        period=duty.period,
                        is_to_stop=stop.is_set,
                        under_way=under_way,
                        turns=turns,
                    )
                    if run is not None and not (duty.is_quiet and run.is_idle):
                        tell(run)
                    wait = _seconds_until_due(duty)
                pause = FIRST_PAUSE
            except SpothiveError as error:
                complain(duty.name, str(error))
                wait, pause = pause, min(pause * 2, LONGEST_PAUSE)
            except Exception:  # noqa: BLE001 - nobody else in this process attends to the duty
                _log.error("the duty %s could not be attended to", duty.name, exc_info=True)
                wait, pause = pause, min(pause * 2, LONGEST_PAUSE)
            stop.wait(min(max(wait, 0.0), LOOK_AGAIN))
        turns.finish()

    threads = [Thread(target=attend, args=(duty,), name=duty.name) for duty in duties if duty.period]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _seconds_until_due(duty: Duty) -> float:
    with read_session() as session:
        standing = read_standings(session, duty.name)[duty.name]
    return (standing.due_at(duty.period) - standing.now).total_seconds()
