"""First come, first served: things that are lent to threads, each to the one who has waited longest."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

Thing = TypeVar("Thing")


class _Waiter:
    """A thread that waits, and what it is given."""

    __slots__ = ("gate", "given", "served")

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.given: Any = None
        self.served = False


class Turns(Generic[Thing]):
    """Things of which each is lent to one at a time. Whoever has one may give it back in any thread.

    The garbage collector gives back what a forgotten session had, and may do so in the middle of any line of this
    class, in a thread that has the lock. So the thing is laid down first, and whoever has the lock looks once more
    after letting go of it.
    """

    def __init__(self, things: Iterable[Thing]) -> None:
        """Lend ``things``, the last one first."""
        self._free = deque(things)
        self._waiting: deque[_Waiter] = deque()
        # By `with` alone: an interrupt between taking a lock and entering its `try` would leave it locked for ever.
        self._lock = threading.RLock()
        self._busy = False

    def take(self, timeout: float) -> Thing:
        """Return a thing that is free, or wait for one.

        Args:
            timeout: seconds to wait.

        Raises:
            TimeoutError: none was free in time, or those that were went to others who had waited longer.
        """
        waiter = _Waiter()
        try:
            self._waiting.append(waiter)
            self._serve()
            served = waiter.gate.acquire(timeout=min(timeout, threading.TIMEOUT_MAX))
        except BaseException:
            if not self._withdraw(waiter):
                self.give(waiter.given)
            raise
        if not served and self._withdraw(waiter):
            raise TimeoutError
        given: Thing = waiter.given
        return given

    def give(self, thing: Thing, *, last: bool = False) -> None:
        """Lend ``thing`` to the one who has waited longest; if nobody waits, before or after (``last``) others."""
        if last:
            self._free.appendleft(thing)
        else:
            self._free.append(thing)
        self._serve()

    def free(self) -> list[Thing]:
        """Return what nobody has, at this moment."""
        return list(self._free)

    def waiting(self) -> int:
        """Return how many wait, at this moment."""
        return len(self._waiting)

    def _serve(self) -> None:
        while self._free and self._waiting:
            with self._lock:
                if self._busy:  # the collector has come in between: this thread looks again
                    return
                self._busy = True
                try:
                    while self._free and self._waiting:
                        waiter = self._waiting.popleft()
                        waiter.given, waiter.served = self._free.pop(), True
                        waiter.gate.release()
                finally:
                    self._busy = False

    def _withdraw(self, waiter: _Waiter) -> bool:
        """Let ``waiter`` wait no longer; False if it was served at the last moment."""
        try:
            with self._lock:
                self._busy = True
                try:
                    if not waiter.served and waiter in self._waiting:
                        self._waiting.remove(waiter)
                    return not waiter.served
                finally:
                    self._busy = False
        finally:
            self._serve()
