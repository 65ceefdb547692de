"""Who does a duty: one process at a time, told by a row that is taken by compare-and-set on the database's clock."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread
from time import monotonic
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, or_, select, update

from spothive.database import TenantSession, system_scope
from spothive.errors import Conflict, DuplicateValue, SpothiveError
from spothive.models import SweepLease
from spothive.operations.sessions import Sessions
from spothive.schema.types import clock_timestamp

RESULT_MAX: Final = 4000
"""Longest result a row holds, in characters."""

_PARTS: Final = 3
"""A lease is extended each third of its length, so that two words may be lost."""


class LeaseLost(Conflict):
    """Another process has the duty now: this one was silent for longer than its lease."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a duty stands.

    Attributes:
        name: which duty.
        holder: the process that has it, if one does.
        leased_until: until when at least (UTC), if one does.
        last_run_at: when the last run that came to its end began (UTC).
        last_result: what came of it, in one line that names no tenant.
        now: the database's time of day (UTC), as this was read.
    """

    name: str
    now: datetime
    holder: str | None = None
    leased_until: datetime | None = None
    last_run_at: datetime | None = None
    last_result: str | None = None

    def due_at(self, period: timedelta) -> datetime:
        """Return when somebody may begin it next (UTC): at once if that is past."""
        due = self.now
        if self.last_run_at is not None and self.last_run_at <= self.now:  # else the clock was set back
            due = self.last_run_at + period
        return max(due, self.leased_until or due)


def read_standings(session: TenantSession, *names: str) -> dict[str, Standing]:
    """Return how these duties stand, in their order. One statement; it takes no lock."""
    # An outer join from the clock: it is read even where no duty was ever begun.
    clock = select(clock_timestamp().label("now")).subquery()
    query = select(clock.c.now, SweepLease).select_from(clock).outerjoin(SweepLease, SweepLease.name.in_(names))
    rows: list[Any] = list(session.execute(query))
    known = {row.name: row for _, row in rows if row is not None}
    return {name: _standing(name, rows[0][0], known.get(name)) for name in names}


def _standing(name: str, now: datetime, row: SweepLease | None) -> Standing:
    if row is None:
        return Standing(name, now)
    held = row.leased_until > now
    return Standing(
        name,
        now,
        row.holder if held else None,
        row.leased_until if held else None,
        row.last_run_at,
        row.last_result,
    )


class Lease:
    """What makes this process the one that does a duty, for one run."""

    def __init__(self, sessions: Sessions, name: str, seconds: float) -> None:
        """Prepare to hold the duty ``name``, ``seconds`` at a time; nothing is claimed yet."""
        self._sessions = sessions
        self._name = name
        self._length = timedelta(seconds=seconds)
        self._lost = False
        self._heard_at = monotonic()
        self._began_at: datetime | None = None
        self.holder = f"{socket.gethostname()[:200]}:{os.getpid()}:{uuid4().hex[:8]}"

    def claim(self, period: timedelta | None) -> bool:
        """Take the duty if nobody has it; tell whether that was so.

        Args:
            period: only if the last run began so long ago; None: at once.
        """
        asked = monotonic()
        with self._scope() as session:
            now = _clock(session)
            last = SweepLease.last_run_at
            free = [SweepLease.leased_until <= clock_timestamp()]
            if period is not None:
                free.append(or_(last.is_(None), last <= now - period, last > now))
            taken = self._set(session, *free, holder=self.holder, leased_until=now + self._length)
            if not taken and session.scalar(select(SweepLease.id).where(SweepLease.name == self._name)) is None:
                taken = self._make(session, now)
        if taken:
            self._heard_at, self._began_at = asked, now
        return taken

    def keep(self) -> None:
        """Go on, if the duty is still this process's; asks the database only when a part of the lease is over.

        Raises:
            LeaseLost: another process has it.
        """
        if not self._lost and monotonic() - self._heard_at >= self._pause:
            self.extend()
        if self._lost:
            msg = f"the duty {self._name} was taken over by another process: see `spothive sweep --list`"
            raise LeaseLost(msg)

    def extend(self) -> bool:
        """Begin the lease anew, unless another process has the duty; tell whether it is still this one's."""
        asked = monotonic()
        with self._scope() as session:
            kept = self._set(session, self._mine, leased_until=_clock(session) + self._length)
        if kept:
            self._heard_at = asked
        else:
            self._lost = True
        return kept

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Extend the lease for the length of the block, however long what is done in it waits for others."""
        over = Event()

        def beat() -> None:
            while not over.wait(self._pause):
                with suppress(SpothiveError):  # a word that is lost is said again
                    if not self.extend():
                        return

        thread = Thread(target=beat, name=f"lease of {self._name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def release(self, session: TenantSession, result: str, *, ran: bool) -> bool:
        """Let the duty go, in the caller's transaction; tell whether it was still this process's.

        Args:
            session: in system scope.
            result: what came of the run; tenants may read it, so it names none.
            ran: whether the run came to its end; one that did not is due again at once.
        """
        told: dict[str, Any] = {"leased_until": _clock(session), "last_result": result[:RESULT_MAX]}
        if ran:
            told["last_run_at"] = self._began_at
        return self._set(session, self._mine, **told)

    @property
    def _pause(self) -> float:
        return self._length.total_seconds() / _PARTS

    @property
    def _mine(self) -> ColumnElement[bool]:
        return SweepLease.holder == self.holder

    def _set(self, session: TenantSession, *where: ColumnElement[bool], **values: Any) -> bool:
        change = update(SweepLease).where(SweepLease.name == self._name, *where).values(values)
        found = session.execute(change.returning(SweepLease.id), execution_options={"synchronize_session": False})
        return found.one_or_none() is not None

    def _make(self, session: TenantSession, now: datetime) -> bool:
        """Make the row of a duty that was never done; tell whether nobody was faster."""
        try:
            with session.begin_nested():
                session.add(SweepLease(name=self._name, holder=self.holder, leased_until=now + self._length))
        except DuplicateValue:
            return False
        return True

    @contextmanager
    def _scope(self) -> Iterator[TenantSession]:
        with self._sessions() as session, system_scope(session, f"the lease of the duty {self._name}"):
            yield session


def _clock(session: TenantSession) -> datetime:
    return session.scalars(select(clock_timestamp())).one()
