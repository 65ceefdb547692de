"""What procedures are given to open their transactions with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from spothive.database import TenantSession

Sessions = Callable[..., AbstractContextManager[TenantSession]]
"""A function like :func:`spothive.database.get_db_session`: ``sessions(tenant=...)`` opens one and commits it."""
