"""What the engine tells operators: slow statements as warnings, the pool as metrics.

A warning names the statement by fingerprint and shape, never by its parameter values.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import Connection, Engine, event

_log = logging.getLogger(__name__)
_LITERAL = re.compile(
    r"""
    --[^\n]* | /\*.*?\*/             # a comment
    | \$(\w*)\$.*?\$\1\$             # text between dollars
    | \b[eE]'(?:[^'\\]|\\.|'')*'     # text with escapes
    | '(?:[^']|'')*'                 # text
    | "(?:[^"]|"")*"                 # a name in quotes; SQLite takes one it does not know for text
    | \b\d[\w.]*                     # a number
    | (?<=\bstaged_)[0-9a-f]{32}\b   # what makes the table of a bulk write one of its own
    """,
    re.VERBOSE | re.DOTALL,
)
_PARAMETER = re.compile(r"(?:%\(\w+\)s|\?)(?:::\w+(?: WITH TIME ZONE)?)?")
_LIST = re.compile(r"\?(?:, \?)+")
_SHAPE_LENGTH = 1000
_START = "spothive_started"
_LIMIT = "spothive_slow"
_WRITE_LOCK = "BEGIN IMMEDIATE"
"""The statement in which SQLite waits until no other transaction writes."""

CHECKED_OUT = Gauge("spothive_db_connections_in_use", "Connections handed out by the pool")
CHECKOUTS = Counter("spothive_db_checkouts", "Connections handed out since the start")
OPENED = Counter("spothive_db_connections_opened", "Connections opened since the start")
SLOW = Counter("spothive_db_slow_statements", "Statements over the slow limit")
HELD = Histogram("spothive_db_connection_held_seconds", "Seconds a connection was in use before it came back")


def fingerprint(statement: str) -> tuple[str, str]:
    """Return (fingerprint, shape) of an SQL statement.

    Literals and parameters are ``?`` in both, and a list of them is ``?, ...`` whatever its length.
    """
    shape = _PARAMETER.sub("?", _LITERAL.sub("?", statement))
    shape = _LIST.sub("?, ...", " ".join(shape.split()))
    return hashlib.sha256(shape.encode()).hexdigest()[:16], shape[:_SHAPE_LENGTH]


def note(connection: Connection | Engine, statement: str, rows: int, started: float) -> None:
    """Warn of a statement that has just ended, if it was slow.

    Args:
        connection: where it ran, or the engine if no session had it; of an engine nobody watches nothing is slow.
        statement: its SQL.
        rows: how many it read or wrote; negative if the driver does not know, as SQLite of a SELECT.
        started: ``time.perf_counter()`` when it began.
    """
    seconds = time.perf_counter() - started
    if seconds < connection.get_execution_options().get(_LIMIT, math.inf):
        return
    if statement == _WRITE_LOCK:
        _log.warning("waited %.3f s for the write lock: another transaction held it", seconds)
        return
    SLOW.inc()
    mark, shape = fingerprint(statement)
    found = rows if rows >= 0 else "unknown"
    tenant = (connection.info.get("tenant_id") if isinstance(connection, Connection) else None) or "none"
    _log.warning("slow statement %s: %.3f s, rows %s, tenant %s: %s", mark, seconds, found, tenant, shape)


def watch(engine: Engine, *, slow: float) -> None:
    """Feed metrics and warnings from ``engine``.

    Args:
        engine: engine of the service.
        slow: seconds from which a statement is worth a warning.
    """
    engine.update_execution_options(**{_LIMIT: slow})

    @event.listens_for(engine, "before_cursor_execute")
    def _before(connection: Connection, *_: Any) -> None:
        connection.info[_START] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def _after(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        note(connection, statement, cursor.rowcount, connection.info.get(_START, time.perf_counter()))

    @event.listens_for(engine, "connect")
    def _connect(*_: Any) -> None:
        OPENED.inc()
        _log.debug("database connection opened")

    @event.listens_for(engine, "close")
    def _close(*_: Any) -> None:
        _log.debug("database connection closed")

    @event.listens_for(engine, "checkout")
    def _checkout(_: Any, record: Any, __: Any) -> None:
        CHECKED_OUT.inc()
        CHECKOUTS.inc()
        record.info["checked_out_at"] = time.perf_counter()

    @event.listens_for(engine, "checkin")
    def _checkin(_: Any, record: Any) -> None:
        CHECKED_OUT.dec()
        started = record.info.pop("checked_out_at", None)
        if started is not None:
            HELD.observe(time.perf_counter() - started)
