"""What is copied in tests, and where to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from spothive.database import Tenant, get_db_session, system_scope
from spothive.schema.types import MONEY_MAX
from tests.conftest import Database, fresh_postgresql, settings
from tests.factories import make_account, make_instance, make_price, make_user
from tests.factories.samples import sample_graph

STRANGE = "Ünï \u2028 \U0001f600 \\N \\. \\\\ \t \r\n '\" %s :x \x7f"
DOCUMENT = {
    "z": [1, 1.0, -0.0, 1e16, 1e-7, 10**30, 0.1 + 0.2, True, None],
    "a": {"ä": STRANGE, "": {}, "bb": [[]]},
}


def fill() -> None:
    """Put a row of two tenants into every table, and values that databases are known to treat differently."""
    with get_db_session() as session, system_scope(session, "sample"):
        for number in (1, 2):
            sample_graph(session, UUID(int=number), number)
        strange = Tenant(slug="strange", name=STRANGE, settings=DOCUMENT)
        session.add(strange)
    tenant = strange.id
    account = make_account(tenant, STRANGE, user_id=make_user(tenant, full_name="").id)
    for number, content_hash in enumerate((-(2**63), 2**63 - 1, 0)):
        make_instance(tenant, account.id, content_hash=content_hash, cpu_util=(-0.0, 100.0, 0.1 + 0.2)[number])
    for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)):
        make_price(f"x{moment.year}.large", str(MONEY_MAX), observed_at=moment)
    make_price("m5.tiny", "0.000001", observed_at=datetime(2026, 1, 2, 3, 4, 5, 600, UTC))


@contextmanager
def nowhere(engine: str, postgresql_url: str, folder: Path) -> Iterator[str]:
    """Yield the owner's URL of a database without any table."""
    if engine == "sqlite":
        yield f"sqlite:///{folder / 'target.db'}"
    else:
        with fresh_postgresql(None, postgresql_url) as url:
            yield url


@contextmanager
def inside(url: str) -> Iterator[None]:
    """Let the settings point to another database for the length of the block."""
    with settings(DATABASE_URL=url, SPOTHIVE_OWNER_URL=""):
        yield


def raw(db: Database, *statements: str) -> None:
    """Do what a guard or a CHECK would refuse."""
    with db.raw(owner=True) as owner:
        if db.engine == "sqlite":
            owner.execute("PRAGMA ignore_check_constraints = ON")
            owner.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            owner.execute(statement)
