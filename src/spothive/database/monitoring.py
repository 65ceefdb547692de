"""What the engine tells operators: slow statements as warnings, the pool as metrics.

A warning names the statement by fingerprint and shape, never by its parameter values.
"""

from __future__ import annotations

import hashlib
import logging
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
    """,
    re.VERBOSE | re.DOTALL,
)
_PARAMETER = re.compile(r"(?:%\(\w+\)s|\?)(?:::\w+(?: WITH TIME ZONE)?)?")
_LIST = re.compile(r"\?(?:, \?)+")
_SHAPE_LENGTH = 1000
_START = "spothive_started"

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


def watch(engine: Engine, *, slow: float) -> None:
    """Feed metrics and warnings from ``engine``.

    Args:
        engine: engine of the service.
        slow: seconds from which a statement is worth a warning.
    """

    @event.listens_for(engine, "before_cursor_execute")
    def _before(connection: Connection, *_: Any) -> None:
        connection.info[_START] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def _after(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        seconds = time.perf_counter() - connection.info.get(_START, time.perf_counter())
        if seconds < slow:
            return
        SLOW.inc()
        mark, shape = fingerprint(statement)
        rows = cursor.rowcount if cursor.rowcount >= 0 else "unknown"  # as SQLite says of a SELECT
        tenant = connection.info.get("tenant_id") or "none"
        _log.warning("slow statement %s: %.3f s, rows %s, tenant %s: %s", mark, seconds, rows, tenant, shape)

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
