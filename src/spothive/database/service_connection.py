"""A connection of the service to PostgreSQL: what it tells the server with a statement, and what it leaves behind.

What a transaction begins with (BEGIN, whose it is) travels with its first statement, in one message. A reading session
does without BEGIN and ROLLBACK: what it tells the server ends with each statement. Whatever is no plain statement gets
a transaction all the same, and its connection is cleaned before the next session has it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, LiteralString

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

_BEGINS = re.compile(r"\s*(?:(?:select|with|update|delete\s+from)\b|insert\s+into\s+\w+(?:\s*\(|\s))", re.IGNORECASE)
_CALLS = re.compile(r"""([\w.$"\]&']*)\s*\(""")
_INTO = re.compile(r"\binto\b", re.IGNORECASE)
_HIDES = re.compile(r"""--|/\*|;|pg_|\bu&|\)\s*\.|\s\.|\.\s""", re.IGNORECASE)
"""What could hide a call from a look at the text (``(x).f`` is one), follow as a second statement, or set by UPDATE."""
_LONGEST = 10_000
_WORDS_OF_SQL = (
    "all and any array as between by case cast check conflict distinct else end except exists extract filter from "
    "group having ilike in intersect is join lateral like limit materialized not of offset on or order over partition "
    "returning row select set some then union using values when where within"
)
_FUNCTIONS = (
    "abs array_agg avg bool_and bool_or ceil clock_timestamp coalesce concat count cume_dist date_part date_trunc "
    "decode dense_rank encode every first_value floor greatest jsonb_agg jsonb_array_elements "
    "jsonb_array_elements_text jsonb_array_length jsonb_build_object jsonb_object_agg jsonb_typeof lag last_value "
    "lead least left length lower lpad ltrim make_interval max md5 min mod now nullif octet_length percentile_cont "
    "percentile_disc position power rank regexp_replace replace right round row_number rtrim sha256 sign split_part "
    "sqrt statement_timestamp string_agg strpos substr substring sum to_char to_timestamp transaction_timestamp trim "
    "trunc unnest upper"
)
_TYPES = "char decimal numeric timestamp varchar"
_LOOK_UPS = "login_row session_row api_key_row account_owner_exists"
_HARMLESS = frozenset(f"{_WORDS_OF_SQL} {_FUNCTIONS} {_TYPES} {_LOOK_UPS} imp_sen".split())
"""What may stand before a parenthesis and leaves nothing behind; SQLAlchemy calls many rows to be inserted imp_sen."""


_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ"
_PLAIN_BEGINS = ("BEGIN", "BEGIN ISOLATION LEVEL READ COMMITTED")


@dataclass(frozen=True, slots=True)
class Opening:
    """What the server is told before the next statement.

    Attributes:
        begin: the statement that begins a transaction; empty if psycopg does that by itself.
        words: SQL that says whose the transaction is, with a ``%s`` for each of ``values``; empty if it is nobody's.
        values: for ``words``.
        each: plain statements are transactions of their own, and each is told.
    """

    begin: str
    words: str = ""
    values: tuple[str, ...] = ()
    each: bool = False


def is_plain(query: object) -> bool:
    """Tell whether a statement certainly leaves nothing on its connection but what its transaction takes along.

    Judged by the text, whoever made it: it reads or writes rows, and calls nothing but what is known to be harmless.
    """
    return isinstance(query, str) and len(query) <= _LONGEST and _is_plain(query)


@lru_cache(maxsize=1000)
def _is_plain(query: str) -> bool:
    begins = _BEGINS.match(query)
    if not begins or not query.isascii() or _HIDES.search(query) or _INTO.search(query, begins.end()):
        return False
    return all(not word or word in _HARMLESS for word in map(str.lower, _CALLS.findall(query, begins.end())))


class ServiceConnection(psycopg.Connection[Any]):
    """A connection that tells the server whose a transaction is, together with the first statement."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Wrap a connection of libpq; psycopg calls this."""
        super().__init__(*args, **kwargs)
        self.cursor_factory = ServiceCursor
        self.server_cursor_factory = ServiceServerCursor
        self.touched = False
        self._process = os.getpid()
        self._opening: Opening | None = None
        self._teller = psycopg.Cursor(self)

    def announce(self) -> None:
        """Begin a transaction with the next statement, if none is open."""
        if not self._is_idle():
            return
        begins_itself = self.read_only is not None or self.deferrable is not None
        if self.autocommit == begins_itself:
            self.autocommit = not begins_itself
        self._opening = None if begins_itself else Opening(self._begin())

    def tell(self, words: str, values: tuple[str, ...], *, snapshot: bool, each: bool) -> None:
        """Say ``words`` with the next statement, after the BEGIN that was announced.

        Args:
            words: SQL with a ``%s`` for each of ``values``; what it sets ends with the transaction.
            values: for ``words``.
            snapshot: the transaction is a snapshot, whatever was asked for.
            each: let every plain statement be a transaction of its own, for sessions that only read.
        """
        if not self.autocommit:
            begin, each = "", False
        else:
            begin = _BEGIN_SNAPSHOT if snapshot else self._begin()
        self._opening = Opening(begin, words, values, each and begin in _PLAIN_BEGINS)

    def open_now(self) -> None:
        """Begin the transaction that was announced, for statements that cannot travel in one message with it."""
        if self._opening is not None:
            with self._one_message():
                self._say(self._opening, begin=True)
            self._opening = None

    @contextmanager
    def _one_message(self) -> Iterator[None]:
        """Send what is executed in the block in one message, and keep what psycopg knows in step with the server.

        psycopg believes in a pipeline that a statement is prepared before the server has said so, and forgets what has
        to be forgotten after the next statement, which would be the first of this message.
        """
        self._refuse_other_process()
        if self._pipeline is not None:  # somebody has begun one by hand
            yield
            return
        self._forget_prepared()
        message = _Message(self)
        self.pgconn.enter_pipeline_mode()
        self._pipeline = message
        try:
            try:
                yield
            except BaseException:  # what was to be said before is said, as psycopg does it, and this error is told
                with suppress(Exception):
                    self._end(message)
                raise
            self._end(message)
        except BaseException:
            self._prepared.clear()
            raise
        finally:
            self._pipeline = None
            self._leave_pipeline()

    def _end(self, message: _Message) -> None:
        with self.lock:
            self.wait(message._exit_gen())  # noqa: SLF001 - psycopg's own way out of a pipeline

    def _leave_pipeline(self) -> None:
        """Go back to one statement at a time; a connection that cannot, as in the middle of a COPY, is closed."""
        if self.pgconn.status == ConnStatus.OK:
            try:
                self.pgconn.exit_pipeline_mode()
            except psycopg.OperationalError:
                self.close()

    def _forget_prepared(self) -> None:
        if self._prepared._to_flush:  # noqa: SLF001 - psycopg asks this of itself, after the statement
            with self.lock:
                self.wait(self._prepared.maintain_gen(self))

    def commit(self) -> None:
        """Commit, if there is anything to commit.

        Raises:
            InFailedSqlTransaction: a statement was refused and somebody went on; everything was rolled back. The server
                would say so by a word that nobody reads.
            OperationalError: in a forked process.
        """
        self._refuse_other_process()
        if self.pgconn.transaction_status == TransactionStatus.INERROR:
            self.rollback()
            msg = "a statement of this transaction was refused, so nothing of it was kept"
            raise psycopg.errors.InFailedSqlTransaction(msg)
        if not self._is_idle():
            super().commit()
        self._opening = None

    def rollback(self) -> None:
        """Roll back, if there is anything to roll back; a connection that cannot is closed."""
        self._opening = None
        if self._is_idle() or self._is_of_other_process():
            return
        try:
            # psycopg's own forgets all prepared statements, as their tables may be gone; plain ones make no tables.
            if self.touched or self.pgconn.exec_(b"ROLLBACK").status != ExecStatus.COMMAND_OK:
                super().rollback()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close, unless the connection is the parent's of this forked process, who goes on with it."""
        if not self._is_of_other_process():
            super().close()

    def restore(self, words: bytes) -> bool:
        """Undo whatever has been done to the connection, by ``words`` if need be; False if it is of no more use."""
        self.rollback()
        if self.touched and not self._is_of_other_process():
            # Past psycopg's cursors, which would begin a transaction first.
            self.touched = self.pgconn.exec_(words).status != ExecStatus.TUPLES_OK
        return not self.touched

    def ask(self, query: LiteralString, *values: str) -> list[Any]:
        """Return the rows of a query that needs no transaction and no tenant; the server is to prepare it."""
        self._refuse_other_process()
        self._forget_prepared()
        return self._teller.execute(query, values, prepare=True).fetchall()

    def _is_of_other_process(self) -> bool:
        return os.getpid() != self._process

    def _refuse_other_process(self) -> None:
        if self._is_of_other_process():
            msg = "this connection belongs to the process this one was forked from: open sessions after the fork"
            raise psycopg.OperationalError(msg)

    def _begin(self) -> str:
        level = self.isolation_level
        return f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}" if level else "BEGIN"

    def _is_idle(self) -> bool:
        return self.pgconn.transaction_status == TransactionStatus.IDLE

    def _say(self, opening: Opening, *, begin: bool) -> None:
        if begin and opening.begin and self._is_idle():
            self.wait(self._exec_command(opening.begin))
        if opening.words:
            self._teller.execute(opening.words, opening.values, prepare=True)

    def _say_with(self, cursor: ServiceCursor, query: Any, params: Any, options: dict[str, Any]) -> None:
        """Run a statement of ``cursor`` in one message with what the server has to be told before."""
        plain = is_plain(query)
        self.touched |= not plain
        opening = self._opening
        if opening is None or self.pgconn.transaction_status == TransactionStatus.INERROR:
            psycopg.Cursor.execute(cursor, query, params, **options)
            return
        alone = plain and opening.each and self._is_idle()
        with self._one_message():
            self._say(opening, begin=not alone)
            psycopg.Cursor.execute(cursor, query, params, **options)
        if not alone and not opening.each:
            self._opening = None  # not after an error: telling twice does no harm, telling never would


class _Message(psycopg.Pipeline):
    """A pipeline that is sent at its end: psycopg's own sends each statement by itself, and waits for the socket."""

    def _communicate_gen(self) -> Generator[Any, Any, None]:
        while self.command_queue:
            self.command_queue.popleft()()
        yield from ()


class ServiceCursor(psycopg.Cursor[Any]):
    """A cursor of a service connection."""

    connection: ServiceConnection

    @property
    def description(self) -> Any:
        """Columns of the result; None if there is none. They are read when asked for, which SQLAlchemy seldom does."""
        result = self.pgresult
        return _Columns(self) if result and result.nfields else super().description

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Run a statement, after what the server has to be told."""
        self.connection._say_with(self, query, params, options)  # noqa: SLF001 - one thing in two classes
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
        """Run a statement many times, after what the server has to be told."""
        self._prepare_for(query)
        super().executemany(query, params_seq, **options)

    def stream(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Run a statement and return its rows as they come, after what the server has to be told."""
        self._prepare_for(query)
        return super().stream(query, params, **options)

    def copy(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """Copy rows, after what the server has to be told."""
        self._prepare_for(statement)
        return super().copy(statement, params, **options)

    def _prepare_for(self, query: Any) -> None:
        self.connection.touched |= not is_plain(query)
        self.connection.open_now()


class _Columns(Sequence[Any]):
    """The description of a cursor's result, which psycopg makes anew, column by column, each time it is asked."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor
        self._result = cursor.pgresult

    def __len__(self) -> int:
        return self._result.nfields if self._result else 0

    def __getitem__(self, at: Any) -> Any:
        return self._made[at]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._made)

    @cached_property
    def _made(self) -> list[psycopg.Column]:
        return [psycopg.Column(self._cursor, at) for at in range(len(self))]


class ServiceServerCursor(psycopg.ServerCursor[Any]):
    """A cursor of a service connection whose rows come in parts, which needs a transaction."""

    connection: ServiceConnection

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Declare the cursor, after what the server has to be told."""
        self.connection.touched |= self.withhold or not is_plain(query)
        self.connection.open_now()
        return super().execute(query, params, **options)
