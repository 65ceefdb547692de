"""An agent that only pretends: for trying out jobs, policies and the queue itself without a cluster."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_, select, update

from spothive.database import TenantSession, read_session
from spothive.errors import InvalidInput
from spothive.models import ApiKey, ApiScope, Cluster, ClusterStatus
from spothive.operations.identity import KeyHolder, check_api_key
from spothive.operations.jobs.agents import extend_leases, report_actions
from spothive.operations.jobs.reading import has_open_actions
from spothive.operations.sessions import Sessions
from spothive.queue import HandedOut, Report, Reported
from spothive.schema.types import clock_timestamp

WORKERS_MAX: Final = 64
"""Most workers of one simulation; each takes a database connection now and then."""

BATCH_MAX: Final = 100
"""Most actions that a worker takes at once, as many as one call is about."""

VERSION: Final = "simulated"
"""Version that the agent says it has."""

_POLL: Final = 0.5
"""Seconds between two questions while there is nothing to do."""


@dataclass(slots=True)
class WorkerDid:
    """What one worker did.

    Attributes:
        worker: its number, from 1.
        claimed: actions that it was handed.
        completed: that it completed.
        retried: that it let go wrong, and that are handed out again; what it gave back as it ended is among them.
        failed: whose last try went wrong.
        stale: reports that came too late.
        lost: leases that were lost while it worked.
        extended: times it extended a lease.
    """

    worker: int
    claimed: int = 0
    completed: int = 0
    retried: int = 0
    failed: int = 0
    stale: int = 0
    lost: int = 0
    extended: int = 0


@dataclass(frozen=True, slots=True)
class Simulation:
    """How the agent pretends to work.

    Attributes:
        workers: how many at once, 1 to 64.
        seconds: how long each action takes.
        fail_rate: part of the actions that goes wrong, 0 to 1.
        lease: for how long actions are taken; they are extended in time.
        batch: how many a worker takes at once, 1 to 100.
        forever: whether to wait for more when nothing is left.
        chance: says which actions go wrong.
    """

    workers: int = 1
    seconds: float = 1.0
    fail_rate: float = 0.0
    lease: timedelta = timedelta(seconds=60)
    batch: int = 1
    forever: bool = False
    chance: random.Random = field(default_factory=random.SystemRandom)


@dataclass(frozen=True, slots=True)
class RealAgent:
    """What speaks for a cluster having an agent that really works.

    Attributes:
        prefix: of a key that is valid, and that agents of the cluster show; None if there is none.
        heard_at: when it was last heard of (UTC); None if never.
    """

    prefix: str | None
    heard_at: datetime | None


def find_real_agent(session: TenantSession, cluster_id: UUID, *, besides: str | None = None) -> RealAgent | None:
    """Return what speaks for a cluster having an agent, or None if nothing does. Two statements.

    Args:
        session: of the tenant.
        cluster_id: which cluster.
        besides: prefix of a key that does not count: the one to simulate with.
    """
    valid = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > clock_timestamp())
    keys = select(ApiKey.prefix).where(ApiKey.cluster_id == cluster_id, ApiKey.revoked_at.is_(None), valid)
    if besides is not None:
        keys = keys.where(ApiKey.prefix != besides)
    prefix = session.scalar(keys.order_by(ApiKey.id.desc()).limit(1))
    heard = select(Cluster.last_heartbeat, Cluster.agent_version).where(Cluster.id == cluster_id)
    heard_at, version = session.execute(heard).one()
    heard_at = None if version == VERSION else heard_at
    return RealAgent(prefix, heard_at) if prefix or heard_at else None


def simulate_agent(
    sessions: Sessions,
    how: Simulation,
    *,
    key: str,
    stop: Event,
    tell: Callable[[int], None] = lambda _: None,
    unheard: bool = False,
) -> list[WorkerDid]:
    """Be the agent of a cluster until nothing is left to do, or ``stop`` is set: a procedure.

    Each worker shows the key at each call, as an agent does over HTTP. Asked to stop, it reports what it has done and
    gives back what it has not.

    Args:
        sessions: like ``get_db_session``.
        how: what it does.
        key: API key of the cluster's agent; a secret.
        stop: ends it.
        tell: is told how many actions are finished, as that changes.
        unheard: whether the cluster is to be told of as if this agent had never called: what its calls have noted is
            taken back at the end, unless a real agent was heard of meanwhile, so that nobody is told of its silence.

    Returns:
        What each worker did.

    Raises:
        InvalidInput: a number is out of range.
        KeyRefused: the key is not, or no longer, valid.
        NotAllowed: it is no agent's.
    """
    if not 1 <= how.workers <= WORKERS_MAX or not 0 <= how.fail_rate <= 1 or not 0 <= how.seconds < float("inf"):
        msg = f"1 to {WORKERS_MAX} workers, a rate of 0 to 1, and seconds that are not negative and end some day"
        raise InvalidInput(msg)
    if not 1 <= how.batch <= BATCH_MAX:
        msg = f"a worker takes 1 to {BATCH_MAX} actions at once"
        raise InvalidInput(msg)
    holder = check_api_key(sessions, key, scope=ApiScope.AGENT)  # one that is not valid is refused before all begins
    crew = _Crew(sessions, how, key, stop, tell)
    if not unheard or holder.cluster_id is None:
        return crew.work()
    with _taking_back(sessions, holder.tenant_id, holder.cluster_id):
        return crew.work()


@contextmanager
def _taking_back(sessions: Sessions, tenant_id: UUID, cluster_id: UUID) -> Iterator[None]:
    """Let the cluster be after the block as it was before, as far as only the agent that pretends has changed it."""
    columns = (Cluster.status, Cluster.agent_installed, Cluster.agent_version, Cluster.last_heartbeat)
    with read_session(tenant=tenant_id) as session:
        before = session.execute(select(*columns).where(Cluster.id == cluster_id)).mappings().one()
    former: dict[str, Any] = {"agent_version": before["agent_version"]}
    # An agent that was heard of may still live: its calls, too, have kept the cluster active meanwhile.
    if before["last_heartbeat"] is None or before["status"] is not ClusterStatus.ACTIVE:
        former = {column.key: before[column] for column in columns}
    try:
        yield
    finally:
        mine = (Cluster.id == cluster_id, Cluster.agent_version == VERSION)
        with sessions(tenant=tenant_id) as session:
            taken_back = update(Cluster).where(*mine).values(**former)
            session.execute(taken_back, execution_options={"synchronize_session": False})


class _Crew:
    """The workers of one simulation, each in a thread of its own."""

    def __init__(self, sessions: Sessions, how: Simulation, key: str, stop: Event, tell: Callable[[int], None]) -> None:
        self._sessions, self._how, self._key, self._stop = sessions, how, key, stop
        self._tell, self._telling, self._finished = tell, Lock(), 0
        self._errors: list[BaseException] = []

    def work(self) -> list[WorkerDid]:
        did = [WorkerDid(number) for number in range(1, self._how.workers + 1)]
        threads = [Thread(target=self._run, args=(mine,), name=f"worker {mine.worker}", daemon=True) for mine in did]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]
        return did

    def _holder(self) -> KeyHolder:
        return check_api_key(self._sessions, self._key, scope=ApiScope.AGENT)

    def _run(self, mine: WorkerDid) -> None:
        try:
            self._serve(mine)
        except BaseException as error:  # noqa: BLE001 - it is raised where the threads were begun
            self._errors.append(error)
            self._stop.set()

    def _serve(self, mine: WorkerDid) -> None:
        reports: list[Report] = []
        while True:
            limit = 0 if self._stop.is_set() else self._how.batch
            holder = self._holder()
            with self._sessions(tenant=holder.tenant_id) as session:
                came = report_actions(
                    session, holder, reports, limit=limit, lease=self._how.lease, agent_version=VERSION
                )
            self._count(mine, came.reported.values())
            mine.claimed += len(came.handed_out)
            reports = self._do(mine, came.handed_out)
            if not reports and (self._stop.is_set() or self._is_over(holder)):
                return

    def _is_over(self, holder: KeyHolder) -> bool:
        """Tell whether nothing is left; if something is, or may come, it has waited a little."""
        assert holder.cluster_id is not None  # noqa: S101 - report_actions has seen to it
        if not self._how.forever:
            with read_session(tenant=holder.tenant_id) as session:
                if not has_open_actions(session, holder.cluster_id):
                    return True
        self._stop.wait(_POLL)
        return False

    def _do(self, mine: WorkerDid, handed: list[HandedOut]) -> list[Report]:
        """Pretend to work on one after the other; keep those that are still to come."""
        reports: list[Report] = []
        left = list(handed)
        while left:
            first = left[0]
            if not self._pretend(mine, left):
                return reports + [Report(each.lease, "the agent was stopped before it was done") for each in left]
            if left and left[0] is first:
                wrong = self._how.chance.random() < self._how.fail_rate
                error = "simulated: it went wrong" if wrong else None
                reports.append(Report(left.pop(0).lease, error, None if wrong else {"simulated": True}))
        return reports

    def _pretend(self, mine: WorkerDid, left: list[HandedOut]) -> bool:
        """Let the time of one action pass; return whether it did. Leases that are lost go from ``left``."""
        end, beat = monotonic() + self._how.seconds, self._how.lease.total_seconds() / 3
        while (rest := end - monotonic()) > 0:
            if self._stop.wait(min(rest, beat)):
                return False
            if end > monotonic() or len(left) > 1:
                self._extend(mine, left)
            if not left:
                return True
        return not self._stop.is_set()

    def _extend(self, mine: WorkerDid, left: list[HandedOut]) -> None:
        holder = self._holder()
        with self._sessions(tenant=holder.tenant_id) as session:
            until = extend_leases(session, holder, [each.lease for each in left], by=self._how.lease)
        mine.extended += sum(moment is not None for moment in until.values())
        lost = [each for each in left if until[each.lease.action_id] is None]
        mine.lost += len(lost)
        left[:] = [each for each in left if each not in lost]

    def _count(self, mine: WorkerDid, reported: Iterable[Reported]) -> None:
        became = list(reported)
        mine.completed += became.count(Reported.COMPLETED)
        mine.retried += became.count(Reported.RETRY)
        mine.failed += became.count(Reported.FAILED)
        mine.stale += became.count(Reported.STALE)
        if became:
            with self._telling:
                self._finished += became.count(Reported.COMPLETED) + became.count(Reported.FAILED)
                self._tell(self._finished)
