"""Which transactions are over: what PostgreSQL must be asked before something is called final.

SQLite has one writer at a time: whoever may write there sees all that was ever written.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from spothive.schema.refusal import transaction_number


def horizon(session: Session) -> int:
    """Return a transaction number: every row of an older one is committed, or never will be. 0 on SQLite."""
    if not _on_postgresql(session):
        return 0
    oldest = as_number(sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot()))
    return session.execute(sa.select(oldest)).scalar_one()


def number(session: Session) -> int:
    """Return the number of this transaction: all that had one when it began to write have a lower one. 1 on SQLite."""
    return session.execute(sa.select(transaction_number())).scalar_one() if _on_postgresql(session) else 1


def are_over(session: Session, below: int) -> bool:
    """Tell whether every transaction with a number under ``below`` is over, on the whole server."""
    return not _on_postgresql(session) or horizon(session) >= below


def as_number(xid: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a transaction id as a number, which it cannot be cast to directly."""
    return sa.cast(sa.cast(xid, sa.Text), sa.BigInteger)


def _on_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
