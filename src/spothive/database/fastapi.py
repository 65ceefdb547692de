"""Sessions as FastAPI dependencies. Both commit before the response is sent, not after.

    Db = Annotated[TenantSession, db_for(current_tenant)]

    @app.get("/accounts")
    def accounts(db: Db) -> list[str]:
        return list(db.scalars(select(Account.account_name)))

FastAPI is not needed to use spothive; whoever imports this has it.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends

from spothive.database.connection import get_db, get_db_session
from spothive.database.tenancy import TenantSession

# The default scope of FastAPI runs the code after `yield` when the response is on its way: a refused commit would
# have been answered with success.
DbSession = Annotated[TenantSession, Depends(get_db, scope="function")]
"""Session of one request that belongs to no tenant yet: sign the caller in, then ``bind_tenant``."""


def db_for(tenant: Callable[..., Any]) -> Any:
    """Return a dependency that opens a session bound to a tenant.

    Args:
        tenant: dependency that returns the tenant's id, or refuses the request.
    """

    def bound(tenant_id: Annotated[UUID, Depends(tenant)]) -> Iterator[TenantSession]:
        with get_db_session(tenant=tenant_id) as session:
            yield session

    return Depends(bound, scope="function")
