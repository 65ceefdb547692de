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
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_SHAPE_LENGTH = 300
_START = "spothive_started"

CHECKED_OUT = Gauge("spothive_db_connections_in_use", "Connections handed out by the pool")
CHECKOUTS = Counter("spothive_db_checkouts", "Connections handed out since the start")
OPENED = Counter("spothive_db_connections_opened", "Connections opened since the start")
SLOW = Counter("spothive_db_slow_statements", "Statements over the slow limit")
HELD = Histogram("spothive_db_connection_held_seconds", "Seconds a connection was in use before it came back")


def fingerprint(statement: str) -> tuple[str, str]:
    """Return (fingerprint, shape) of an SQL statement; literals are replaced by ``?`` in both."""
    shape = " ".join(_LITERAL.sub("?", statement).split())
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
        tenant = connection.info.get("tenant_id") or "none"
        _log.warning("slow statement %s: %.3f s, %s rows, tenant %s: %s", mark, seconds, cursor.rowcount, tenant, shape)

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
