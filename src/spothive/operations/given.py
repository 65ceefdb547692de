"""What procedures are given from outside: a way to open transactions, and one to load the sealing keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from spothive.database import TenantSession
from spothive.keyring import Keyring

Sessions = Callable[..., AbstractContextManager[TenantSession]]
"""Opens a transaction, like :func:`spothive.database.get_db_session`."""

Keys = Callable[[], Keyring]
"""Loads the keyring; called only where a secret is opened or sealed: whoever stores none needs no sealing key."""
