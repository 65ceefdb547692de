"""Which database a session speaks to, and the words that it knows."""

from __future__ import annotations

from types import ModuleType

from spothive.database import TenantSession
from spothive.errors import TenantNotBound
from spothive.queue import postgresql, sqlite


def words_of(session: TenantSession) -> ModuleType:
    """Return the module with the statements for the database of ``session``.

    Raises:
        TenantNotBound: the session belongs to no tenant: a queue does.
    """
    if session.tenant_id is None:
        msg = "a queue belongs to a tenant: open the session with get_db_session(tenant=...)"
        raise TenantNotBound(msg)
    return postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
