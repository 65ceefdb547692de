"""Running duties: claim one, do it, tell what came of it, let it go."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Final
from uuid import UUID

from spothive.clock import utc_now
from spothive.database import PLATFORM_TENANT_ID, TenantSession, read_session, system_scope
from spothive.database.system_logs import log_user_action
from spothive.errors import AlreadyRunning, DatabaseUnavailable, SpothiveError
from spothive.models import LogLevel, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.identity import Action, require
from spothive.operations.notifications import Turns
from spothive.operations.sessions import Sessions
from spothive.operations.sweeps import metrics
from spothive.operations.sweeps.duties import DUTIES, Duty, find_duty
from spothive.operations.sweeps.leases import Lease, LeaseLost, Standing, read_standings
from spothive.operations.sweeps.work import Stopped, Tools, Work
from spothive.settings import get_settings

_log = logging.getLogger(__name__)

COMPONENT: Final = "sweep"
"""Component of the log rows that tell of runs."""

FAILURES_LOGGED: Final = 50
"""Most failures whose reasons a log row holds; all are counted."""

_CALLED = "sweep"


class Outcome(enum.StrEnum):
    """How a run ended."""

    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    LOST = "lost"
    STOPPED = "stopped"


_LEVELS = {
    Outcome.DONE: LogLevel.INFO,
    Outcome.PARTIAL: LogLevel.WARNING,
    Outcome.FAILED: LogLevel.ERROR,
    Outcome.LOST: LogLevel.WARNING,
    Outcome.STOPPED: LogLevel.INFO,
}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a duty.

    Attributes:
        duty: which.
        outcome: how it ended: ``partial`` if something named in ``failures`` was left out, ``failed`` if the duty
            itself could not go on, ``lost`` if another process has taken it over, ``stopped`` if it was asked to end.
        began_at: when it began (UTC).
        seconds: how long it took.
        counts: what was done, by name.
        failures: what could not be done, with the reason: a tenant, a part of one, or something else with a name.
        error: why it ended before its time.
    """

    duty: str
    outcome: Outcome
    began_at: datetime
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing is left for anybody to look at."""
        return self.outcome in {Outcome.DONE, Outcome.STOPPED}

    @property
    def is_idle(self) -> bool:
        """Whether there was nothing to do, and nothing in the way."""
        return self.outcome is Outcome.DONE and not self.counts

    @property
    def summary(self) -> str:
        """What came of it, in one line that names no tenant."""
        did = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(self.counts.items()) if count)
        words = [f"{self.outcome} in {self.seconds:.1f} s: {did or 'nothing to do'}"]
        if self.failures:
            words.append(f"{len(self.failures)} could not be done")
        return "; ".join(words)


@dataclass(frozen=True, slots=True)
class DutyStanding:
    """A duty and how it stands; ``next_due`` (UTC) is None for one that is never due by itself."""

    duty: Duty
    standing: Standing
    next_due: datetime | None


def list_duties(session: TenantSession, actor: Actor) -> list[DutyStanding]:
    """Return every duty, how its last run ended, who has it and when it is due next. One statement.

    Raises:
        Denied: ``actor`` is no staff of platform.
    """
    require_staff(actor)
    found = read_standings(session, *(duty.name for duty in DUTIES))
    return [
        DutyStanding(duty, found[duty.name], found[duty.name].due_at(duty.period) if duty.period else None)
        for duty in DUTIES
    ]


def sweep(
    sessions: Sessions,
    actor: Actor,
    tools: Tools,
    *,
    only: str | None = None,
    duties: Sequence[Duty] = DUTIES,
    tell: Callable[[Run], None] = lambda _: None,
) -> list[Run]:
    """Do each duty that is due and that nobody else does at this moment, one after the other (a procedure).

    What goes wrong with one tenant stops neither the other tenants nor the other duties; it is named in the run.
    spothive itself acts, and the log row of each run says who had it run.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        actor: staff of platform.
        tools: what duties are given from outside.
        only: this duty alone, and now, whether it is due or not.
        duties: which there are.
        tell: is told of each run as it ends.

    Raises:
        Denied: ``actor`` is no staff of platform.
        InvalidInput: no duty is called ``only``.
        AlreadyRunning: another process does ``only``; the message says which, and until when at least.
        DatabaseUnavailable: the database has gone away.
    """
    with sessions(tenant=PLATFORM_TENANT_ID):
        require_staff(actor)
    chosen = duties if only is None else [find_duty(only)]
    runs = []
    for duty in chosen:
        if only is None and not duty.period:
            continue
        run = run_duty(sessions, duty, tools, by=actor, period=None if only else duty.period)
        if run is not None:
            tell(run)
            runs.append(run)
        elif only:
            raise _held(duty)
    return runs


def require_staff(actor: Actor) -> None:
    """Let ``actor`` run the sweep and see how it stands, or refuse.

    Raises:
        Denied: ``actor`` is no staff of platform: it works for every tenant.
    """
    require(actor, Action.MANAGE_PLATFORM, attempt="sweep.run", resource=_CALLED, resource_type=ResourceType.SYSTEM)


def _held(duty: Duty) -> AlreadyRunning:
    with read_session() as session:
        standing = read_standings(session, duty.name)[duty.name]
    if standing.leased_until is None:  # it was let go since
        return AlreadyRunning(f"another process has just done the duty {duty.name}: try again")
    return AlreadyRunning(
        f"the duty {duty.name} is being done by {standing.holder}; should that process have died, another may begin at "
        f"{standing.leased_until:%H:%M:%S} UTC"
    )


def run_duty(
    sessions: Sessions,
    duty: Duty,
    tools: Tools,
    *,
    by: Actor,
    period: timedelta | None,
    is_to_stop: Callable[[], bool] = lambda: False,
    under_way: set[UUID] | None = None,
    turns: Turns | None = None,
) -> Run | None:
    """Do a duty if it is due and nobody else does it; None if not.

    Args:
        sessions: opens transactions, as ``get_db_session`` does.
        duty: which.
        tools: what duties are given from outside.
        by: who has it run, for the log; may it be done was asked before.
        period: it is due when the last run began so long ago; None: it is.
        is_to_stop: whether the run is to end before the next tenant.
        under_way: where a process that stays keeps, from run to run of this duty, the tenants that it still works for:
            a run then ends without those that take too long. None: it waits for all.
        turns: the same for webhooks.

    Raises:
        DatabaseUnavailable: the database has gone away; the lease ends by itself.
    """
    lease = Lease(sessions, duty.name, get_settings().sweep_lease)
    if not lease.claim(period):
        return None
    work = Work(sessions, tools, lease, is_to_stop, under_way, turns)
    began_at, began = utc_now(), perf_counter()
    error: str | None = None
    outcome = Outcome.FAILED
    try:
        with lease.beating():
            duty.do(work)
        outcome = Outcome.PARTIAL if work.failures else Outcome.DONE
    except Stopped:
        outcome = Outcome.STOPPED
    except LeaseLost as lost:
        outcome, error = Outcome.LOST, str(lost)
    except DatabaseUnavailable:
        metrics.RUNS.labels(duty.name, outcome).inc()
        raise
    except SpothiveError as refusal:
        error = str(refusal)
    except Exception as defect:  # noqa: BLE001 - the other duties go on
        _log.error("the duty %s broke", duty.name, exc_info=defect)
        error = f"a defect of spothive: {type(defect).__name__}"  # its words may hold anything
    except BaseException:  # interrupted: nobody should have to wait for the lease
        _let_go(sessions, lease)
        raise
    counts = {name: count for name, count in work.counts.items() if count}
    run = Run(duty.name, outcome, began_at, perf_counter() - began, counts, work.failures, error)
    _measure(run)
    _conclude(sessions, lease, run, by, is_told=not (duty.is_quiet and run.is_idle))
    return run


def _conclude(sessions: Sessions, lease: Lease, run: Run, by: Actor, *, is_told: bool) -> None:
    """Write down what came of a run, and let the duty go, in one transaction."""
    with sessions(tenant=PLATFORM_TENANT_ID) as session:
        if is_told:
            _log_run(session, run, by)
        with system_scope(session, f"the duty {run.duty} is let go"):
            lease.release(session, run.summary, ran=run.outcome not in {Outcome.STOPPED, Outcome.LOST})


def _log_run(session: TenantSession, run: Run, by: Actor) -> None:
    log_user_action(
        session,
        component=COMPONENT,
        action=run.duty,
        level=_LEVELS[run.outcome],
        message="; ".join([run.summary, *_reasons(run)]),
        details={
            "outcome": run.outcome.value,
            "counts": run.counts,
            "failed": len(run.failures),
            "failures": [{"what": what, "reason": why} for what, why in _first(run)],
            "error": run.error,
            "by": by.label,
        },
        execution_time_ms=round(run.seconds * 1000),
    )


def _reasons(run: Run) -> Iterator[str]:
    """Yield the first reasons, for people."""
    if run.error:
        yield run.error[:500]
    for what, why in list(_first(run))[:3]:
        yield f"{what}: {why[:300]}"


def _first(run: Run) -> Iterator[tuple[str, str]]:
    yield from list(run.failures.items())[:FAILURES_LOGGED]


def _let_go(sessions: Sessions, lease: Lease) -> None:
    try:
        with sessions() as session, system_scope(session, "an interrupted duty is let go"):
            lease.release(session, "interrupted", ran=False)
    except SpothiveError:
        _log.debug("an interrupted duty was not let go: its lease ends by itself", exc_info=True)


def _measure(run: Run) -> None:
    metrics.RUNS.labels(run.duty, run.outcome.value).inc()
    metrics.SECONDS.labels(run.duty).observe(run.seconds)
    metrics.LEFT_OUT.labels(run.duty).inc(len(run.failures))
    for name, count in run.counts.items():
        metrics.ITEMS.labels(run.duty, name).inc(count)
