"""An agent that only pretends: for trying out jobs, policies and the queue itself without a cluster."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

from spothive.database import read_session
from spothive.errors import InvalidInput
from spothive.models import ApiScope
from spothive.operations.identity import KeyHolder, check_api_key
from spothive.operations.jobs.agents import extend_leases, report_actions
from spothive.operations.jobs.reading import has_open_actions
from spothive.operations.sessions import Sessions
from spothive.queue import HandedOut, Report, Reported

WORKERS_MAX: Final = 64
"""Most workers of one simulation; each takes a database connection now and then."""

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


def simulate_agent(
    sessions: Sessions,
    how: Simulation,
    *,
    key: str,
    stop: Event,
    tell: Callable[[int], None] = lambda _: None,
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

    Returns:
        What each worker did.

    Raises:
        InvalidInput: a number is out of range.
        KeyRefused: the key is not, or no longer, valid.
        NotAllowed: it is no agent's.
    """
    if not 1 <= how.workers <= WORKERS_MAX or not 0 <= how.fail_rate <= 1 or how.seconds < 0:
        msg = f"1 to {WORKERS_MAX} workers, a rate of 0 to 1, and seconds that are not negative"
        raise InvalidInput(msg)
    crew = _Crew(sessions, how, key, stop, tell)
    return crew.work()


class _Crew:
    """The workers of one simulation, each in a thread of its own."""

    def __init__(self, sessions: Sessions, how: Simulation, key: str, stop: Event, tell: Callable[[int], None]) -> None:
        self._sessions, self._how, self._key, self._stop = sessions, how, key, stop
        self._tell, self._telling, self._finished = tell, Lock(), 0
        self._errors: list[BaseException] = []

    def work(self) -> list[WorkerDid]:
        self._holder()  # a key that is not valid is refused before any thread begins
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
