"""How the parts of spothive do: each is asked in its own way, and what it answers is written down."""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from spothive.clock import utc_now
from spothive.database.system_logs import Health, record_health
from spothive.errors import DatabaseUnavailable, SpothiveError
from spothive.models import ComponentStatus, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.health.probes import (
    Finding,
    probe_database,
    probe_market_data,
    probe_model,
    probe_queue,
    probe_sealer,
)
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions

_log = logging.getLogger(__name__)

Probe = Callable[[datetime], Finding]
"""Looks at a component, at a given time, in short blocks of its own."""


class Component(enum.StrEnum):
    """A part of spothive that is checked."""

    DATABASE = "database"
    QUEUE = "queue"
    MARKET_DATA = "market data"
    MODEL = "model"
    SEALER = "sealer"


PROBES: Mapping[Component, Probe] = {
    Component.DATABASE: probe_database,
    Component.QUEUE: probe_queue,
    Component.MARKET_DATA: probe_market_data,
    Component.MODEL: probe_model,
    Component.SEALER: probe_sealer,
}

SLOW_MS: Mapping[Component, int] = {
    Component.DATABASE: 1_000,
    Component.QUEUE: 1_000,
    Component.MARKET_DATA: 1_000,
    Component.MODEL: 5_000,
    Component.SEALER: 1_000,
}
"""A check that takes longer, in milliseconds, makes a healthy component degraded.

A second is what ``SPOTHIVE_SLOW_STATEMENT`` calls slow by default, and no probe sends more than two statements. The
model's file is read whole: 5 s are enough for 500 MB from a disk that gives 100 MB/s.
"""


def check_health(
    sessions: Sessions, actor: Actor, *, tenant_id: UUID, probes: Mapping[Component, Probe] = PROBES
) -> list[Health]:
    """Check every component on behalf of ``actor`` (a procedure).

    Raises:
        Denied: ``actor`` is no staff of platform; the check is about all tenants.
    """
    with sessions(tenant=tenant_id):
        require(
            actor,
            Action.MANAGE_PLATFORM,
            attempt="health.checked",
            resource="components",
            resource_type=ResourceType.SYSTEM,
        )
    return [check_component(sessions, component, probe) for component, probe in probes.items()]


def check_component(
    sessions: Sessions,
    component: Component,
    probe: Probe | None = None,
    *,
    now: datetime | None = None,
    timer: Callable[[], float] = time.perf_counter,
) -> Health:
    """Ask ``component`` how it does, and write it down (a procedure). Whatever goes wrong is an answer, never raised.

    Args:
        sessions: opens the block in which it is written down.
        component: which part.
        probe: how it is asked; in its own way if None.
        now: when that is; the present if None.
        timer: seconds of a clock that only goes forward.

    Returns:
        How it does, with ``recorded`` False if the database did not take that.
    """
    now = now or utc_now()
    began = timer()
    finding = _ask(component, probe or PROBES[component], now)
    took = round((timer() - began) * 1000)
    if finding.status is ComponentStatus.HEALTHY and took > SLOW_MS[component]:
        slow = f"slow: the check took {took} ms, {SLOW_MS[component]} are expected; {finding.message}"
        finding = Finding(ComponentStatus.DEGRADED, slow, finding.facts)
    with suppress(SpothiveError), sessions() as session:
        return record_health(
            session,
            component=component,
            status=finding.status,
            message=finding.message,
            execution_time_ms=took,
            facts=finding.facts,
            now=now,
        )
    return Health(
        component, finding.status, finding.message, now, avg_execution_time_ms=took, facts=finding.facts, recorded=False
    )


def unreachable(reason: DatabaseUnavailable) -> list[Health]:
    """Return how everything does while the database cannot be reached: nothing but that is known."""
    now = utc_now()
    return [
        Health(component, ComponentStatus.DOWN, str(reason), now, recorded=False)
        if component is Component.DATABASE
        else Health(component, ComponentStatus.UNKNOWN, "cannot be asked without the database", now, recorded=False)
        for component in Component
    ]


def _ask(component: Component, probe: Probe, now: datetime) -> Finding:
    try:
        return probe(now)
    except SpothiveError as error:
        if component is Component.DATABASE:
            return Finding(ComponentStatus.DOWN, str(error))
        return Finding(ComponentStatus.UNKNOWN, f"cannot be asked: {error}")
    except Exception as error:  # noqa: BLE001 - a broken probe must not hide how the others do
        _log.debug("the check of %s failed", component, exc_info=True)
        return Finding(
            ComponentStatus.DOWN, f"the check itself failed: {type(error).__name__}"
        )  # words may hold secrets
