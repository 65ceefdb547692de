"""Knows whether this thread of work has a database transaction open, so that nobody waits for the network in one.

A transaction that waits for somebody else's server holds locks and a pooled connection for as long as that server
likes. The database says when a block opens; whatever reaches out asks first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from spothive.errors import NetworkInTransaction

_open_blocks: ContextVar[int] = ContextVar("spothive_open_blocks", default=0)


@contextmanager
def database_block() -> Iterator[None]:
    """Mark the time in which a transaction is open in this context; blocks may stand inside one another."""
    _open_blocks.set(_open_blocks.get() + 1)
    try:
        yield
    finally:
        # No token: a web framework may leave the block in another context than it entered, where nothing is open.
        _open_blocks.set(max(0, _open_blocks.get() - 1))


def refuse_in_block(what: str) -> None:
    """Refuse to reach out while a transaction is open; ``what`` names the call.

    Raises:
        NetworkInTransaction: a block is open in this context.
    """
    if _open_blocks.get():
        raise NetworkInTransaction(
            f"{what} was called while a database transaction is open: close the block, call, then open another"
        )
