"""A pool of connections in which whoever has waited longest is served first, for any driver."""

from __future__ import annotations

import logging
import select
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final

from sqlalchemy.pool import ConnectionPoolEntry, Pool

from spothive.database.turns import Turns
from spothive.errors import DatabaseUnavailable

LONG_IDLE: Final = 30.0
"""Seconds in the pool after which a connection is asked whether it still lives: a firewall drops one without a word."""
_Idle = tuple[ConnectionPoolEntry, float]


class FairPool(Pool):
    """Connections that go from the one who returns them to the one who has waited longest.

    SQLAlchemy's ``QueuePool`` lets a newcomer take what others wait for, and some of them starve.

    What is lent is a connection, or a place: the right to open one, of which there are ``pool_size + max_overflow``.
    """

    def __init__(
        self,
        creator: Any,
        pool_size: int = 5,
        max_overflow: int = 10,
        timeout: float = 30.0,
        pre_ping: bool = False,  # noqa: FBT001, FBT002 - SQLAlchemy finds only such arguments, and passes them by name
        **options: Any,
    ) -> None:
        """Keep up to ``pool_size`` connections, and open up to ``max_overflow`` more while they are waited for.

        Args:
            creator: opens a connection.
            pool_size: connections that stay open.
            max_overflow: connections that are closed as soon as nobody waits for them.
            timeout: seconds to wait for a connection.
            pre_ping: look whether a connection that lay in the pool still lives, before it is handed out. It costs a
                round trip only if the server has sent something, as at its end, or after :data:`LONG_IDLE`.
            **options: those of every pool of SQLAlchemy.
        """
        super().__init__(creator, **options)
        self._size, self._max_overflow, self._timeout, self._looks = pool_size, max_overflow, timeout, pre_ping
        self._lent: Turns[_Idle | None] = Turns([None] * (pool_size + max_overflow))
        self._room = deque([None] * pool_size)  # one for each connection that may lie here; popped and appended at once
        self._disposed = False

    def _do_get(self) -> ConnectionPoolEntry:
        asked = time.monotonic()
        try:
            found = self._lent.take(self._timeout)
        except TimeoutError:
            msg = "every database connection is in use: try again, or raise SPOTHIVE_POOL_SIZE"
            raise DatabaseUnavailable(msg) from None
        if found is None:
            return self._open()
        record, since = found
        self._room.append(None)
        if self._looks and since < asked:  # else it has just answered the one who returned it
            self._look_at(record, since)
        return record

    def _open(self) -> ConnectionPoolEntry:
        try:
            return self._create_connection()
        except BaseException:
            self._lent.give(None, last=True)
            raise

    def _look_at(self, record: ConnectionPoolEntry, since: float) -> None:
        """Find out whether a connection that lay in the pool lives; if not, it and all older ones are opened anew."""
        connection: Any = record.dbapi_connection
        try:
            doubtful = time.monotonic() - since > LONG_IDLE or _has_spoken(connection)
            if doubtful and not self._dialect._do_ping_w_event(connection):  # noqa: SLF001 - what SQLAlchemy's own check does
                record.invalidate()
                self._invalidate(record, _checkin=False)  # type: ignore[arg-type] # any but a checked-out one means all
        except BaseException:
            try:
                record.invalidate()
            finally:
                self._do_return_conn(record)
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if record.dbapi_connection is not None and not self._disposed and self._has_room():
            self._lent.give((record, time.monotonic()))
        else:
            self._close(record)

    def _has_room(self) -> bool:
        """Take room for one more connection that lies here, if there is any."""
        try:
            self._room.pop()
        except IndexError:
            return False
        return True

    def _close(self, record: ConnectionPoolEntry) -> None:
        """Close a connection, unless it was lost already, and lend its place."""
        try:
            record.close()
        finally:
            self._lent.give(None, last=True)

    def recreate(self) -> FairPool:
        """Return a new pool with the same settings."""
        return type(self)(
            self._creator,
            pool_size=self._size,
            max_overflow=self._max_overflow,
            timeout=self._timeout,
            pre_ping=self._looks,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def dispose(self) -> None:
        """Close what lies here, now, and what is in use, when it comes back."""
        self._disposed = True
        with suppress(TimeoutError):
            while found := self._lent.take(0):
                self._close(found[0])
            self._lent.give(None, last=True)

    def status(self) -> str:
        """Return the numbers below, for people."""
        return (
            f"Pool size: {self.size()}  Connections in pool: {self.checkedin()} "
            f"Current checked out connections: {self.checkedout()} Waiting: {self.waiting()}"
        )

    def size(self) -> int:
        """Return how many connections stay open."""
        return self._size

    def timeout(self) -> float:
        """Return for how many seconds a connection is waited for."""
        return self._timeout

    def checkedin(self) -> int:
        """Return how many connections are idle."""
        return sum(found is not None for found in self._lent.free())

    def checkedout(self) -> int:
        """Return how many connections are in use, or being opened."""
        return self._size + self._max_overflow - len(self._lent.free())

    def waiting(self) -> int:
        """Return how many threads wait for a connection."""
        return self._lent.waiting()


# A pool logs under the name of its class, so it would be heard wherever spothive is, with nothing that helps.
logging.getLogger(f"{__name__}.{FairPool.__name__}").setLevel(logging.WARNING)


def _has_spoken(connection: Any) -> bool:
    """Tell whether a server has sent something unasked, or hung up; a driver without a socket has no server."""
    if not hasattr(connection, "fileno"):
        return False
    poll = select.poll()
    try:
        poll.register(connection.fileno(), select.POLLIN)
    except Exception:  # noqa: BLE001 - each driver has an error of its own for a connection that is closed already
        return True
    return bool(poll.poll(0))
