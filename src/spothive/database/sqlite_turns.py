"""Writers of one SQLite file wait for one another in the order they came, as far as they are of one process.

SQLite lets whoever finds the file taken sleep for up to 0.1 seconds and look again, in no order: the file lies idle in
the meantime, and some wait for seconds. Between processes that stays so. Nothing depends on the
turn: SQLite decides who writes, and whoever has no turn is let in or refused by it all the same.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from spothive.database.turns import Turns

BEGIN: Final = "BEGIN IMMEDIATE"
"""The statement that waits for the turn, and then for writers of other processes."""
_NOTICED: Final = 0.05
"""Seconds of waiting for the turn that are taken off the patience with other processes."""
_files: WeakValueDictionary[str, Turns[None]] = WeakValueDictionary()
_lock = threading.Lock()


def turns_of(file: str) -> Turns[None]:
    """Return the one turn there is for ``file``, by whatever path it is reached."""
    with _lock:
        return _files.setdefault(os.path.realpath(file), Turns([None]))


class _Turn:
    """The turn of one connection: its own from ``take`` to ``end``, or until nobody knows the connection any more."""

    def __init__(self, file: str) -> None:
        self._turns = turns_of(file)
        self.held = False

    def take(self, patience: float) -> None:
        if not self.held:
            self._turns.take(patience)
            self.held = True

    def end(self) -> None:
        if self.held:
            self.held = False
            self._turns.give(None)

    def __del__(self) -> None:
        self.end()


class WritersConnection(sqlite3.Connection):
    """A connection whose transactions wait for their turn to write, and give it back however they end."""

    def __init__(self, database: str, timeout: float, **options: Any) -> None:
        """Open ``database``; ``timeout`` is how many seconds to wait for others who write, in all."""
        super().__init__(database, timeout, **options)
        self.turn = _Turn(database)
        self._patience = timeout

    def cursor(self, *_: Any) -> _WritersCursor:  # type: ignore[override] # SQLAlchemy asks for no other kind
        """Return a cursor that knows of turns."""
        return super().cursor(_WritersCursor)

    def execute(self, sql: str, parameters: Any = (), /) -> _WritersCursor:
        """Execute one statement, by such a cursor."""
        return self.cursor().execute(sql, parameters)

    def commit(self) -> None:
        """Commit, after which the next one writes, unless the commit was refused."""
        try:
            super().commit()
        finally:
            self.after_statement()

    def rollback(self) -> None:
        """Roll back, after which the next one writes."""
        try:
            super().rollback()
        finally:
            self.after_statement()

    def close(self) -> None:
        """Close, which rolls back."""
        try:
            super().close()
        finally:
            self.turn.end()

    def begin_in_turn(self, begin: Callable[[], Any]) -> Any:
        """Wait for the turn, then ``begin``; what is left of the patience is for other processes."""
        started = time.monotonic()
        with suppress(TimeoutError):
            self.turn.take(self._patience)
        waited = time.monotonic() - started
        if waited < _NOTICED:
            return begin()
        self._be_patient(max(self._patience - waited, 0))
        try:
            return begin()
        finally:
            self._be_patient(self._patience)

    def _be_patient(self, seconds: float) -> None:
        # Past our own cursor, which would take the turn for one of a transaction that has ended.
        sqlite3.Cursor(self).execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def after_statement(self) -> None:
        """Give the turn back if there is no transaction any more: it may have ended by an error, or by its own text."""
        if self.turn.held and not self.in_transaction:
            self.turn.end()


class _WritersCursor(sqlite3.Cursor):
    connection: WritersConnection

    def execute(self, sql: str, parameters: Any = (), /) -> _WritersCursor:
        run = partial(super().execute, sql, parameters)
        try:
            return self.connection.begin_in_turn(run) if sql == BEGIN else run()
        finally:
            self.connection.after_statement()


def _forget() -> None:
    """In a new process none of the threads goes on that had a turn or waited for one, and no connection is used."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    _files.clear()


os.register_at_fork(after_in_child=_forget)
