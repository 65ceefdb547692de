"""Working for several tenants at once, so that one for whom AWS is silent holds up only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Final, Generic, TypeVar
from uuid import UUID

from spothive.operations.sweeps.work import ForTenant, Stopped, Work

TENANTS_AT_ONCE: Final = 8
"""Tenants that are worked for side by side; each takes a database connection now and then."""

PATIENCE: Final = 30.0
"""Seconds after which a run does not wait for a tenant any longer, where it may leave one; AWS answers within few."""

LEFT_MAX: Final = 32
"""Most tenants that are left: when more take long, AWS is silent for all, and nobody gains by more threads."""

Given = TypeVar("Given")


def several_at_once(
    work: Work,
    tenants: Iterable[ForTenant],
    do: Callable[[ForTenant], Given],
    tell: Callable[[ForTenant, Given], None],
) -> None:
    """Do something for each tenant, for several at once; what goes wrong with one is noted and stops no other.

    With ``work.under_way`` a tenant that takes longer than :data:`PATIENCE` is noted and left: its thread goes on, the
    next tenant has its place, and later runs leave that tenant out until the thread is done.

    Args:
        work: of the run; only the caller's thread touches it.
        tenants: for whom.
        do: the work itself, in a thread of its own; it opens its own transactions.
        tell: is told what came of it, in the caller's thread.

    Raises:
        Stopped: the run was asked to end; the tenants at hand were finished, or left.
        LeaseLost: another process has the duty.
        DatabaseUnavailable: nothing can be done any more.
    """
    threads = _Threads(work, do, tell)
    try:
        for tenant in tenants:
            threads.begin(tenant)
        threads.finish()
    except Stopped:
        threads.finish()
        raise


class _Threads(Generic[Given]):
    """The threads of one run, each for one tenant; the arguments are those of :func:`several_at_once`."""

    def __init__(self, work: Work, do: Callable[[ForTenant], Given], tell: Callable[[ForTenant, Given], None]) -> None:
        self._work, self._do, self._tell = work, do, tell
        self._under_way = set[UUID]() if work.under_way is None else work.under_way
        self._awaited: dict[UUID, tuple[ForTenant, float]] = {}  # with the moment of the beginning, oldest first
        self._done: SimpleQueue[tuple[ForTenant, Given | BaseException]] = SimpleQueue()

    def begin(self, tenant: ForTenant) -> None:
        """Begin with a tenant as soon as there is room, unless an earlier run has not come to its end with it."""
        while len(self._awaited) >= TENANTS_AT_ONCE:
            self._wait()
        self._work.go_on()
        if tenant.id in self._under_way:
            self._work.counts["under_way"] += 1
            return
        self._under_way.add(tenant.id)
        self._awaited[tenant.id] = tenant, monotonic()
        # In a copy of this context, a thread knows of a transaction that is open here. A daemon of no executor does not
        # keep an interrupted process alive for the minutes in which AWS may be silent.
        Thread(target=copy_context().run, args=(self._go, tenant), name=tenant.slug, daemon=True).start()

    def finish(self) -> None:
        """Wait for those that are under way, as long as there is patience."""
        while self._awaited:
            self._wait()

    def _go(self, tenant: ForTenant) -> None:
        given: Given | BaseException
        try:
            given = self._do(tenant)
        except BaseException as error:  # noqa: BLE001 - it is handed over, and judged there
            given = error
        self._under_way.discard(tenant.id)
        self._done.put((tenant, given))

    def _wait(self) -> None:
        """Wait until one is done, or leave the one that takes too long."""
        tenant, since = next(iter(self._awaited.values()))
        may_leave = self._work.under_way is not None and len(self._under_way) - len(self._awaited) < LEFT_MAX
        try:
            patience = max(since + PATIENCE - monotonic(), 0.0) if may_leave else None
            tenant, given = self._done.get(timeout=patience)
        except Empty:
            del self._awaited[tenant.id]
            msg = f"it takes longer than {PATIENCE:.0f} s: it goes on by itself, and later runs do without it"
            self._work.fail(tenant.slug, msg)
            return
        self._awaited.pop(tenant.id, None)
        with self._work.noting(tenant.slug):
            if isinstance(given, BaseException):
                raise given
            self._tell(tenant, given)
