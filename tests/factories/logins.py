"""Logins of a test's own. Roles belong to the whole server: one that other tests use is never changed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url

from tests.conftest import Database, settings


@contextmanager
def another_login(db: Database, options: str) -> Iterator[Database]:
    """Serve ``db``, a PostgreSQL database, by a new login that is made with ``options``."""
    name = f"spothive_login_{secrets.token_hex(4)}"
    url = make_url(db.service_url).set(username=name, password="x").render_as_string(hide_password=False)
    with db.raw(owner=True) as owner:
        owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' {options}")
        try:
            with settings(DATABASE_URL=url):
                yield Database(db.engine, url, db.owner_url)
        finally:
            owner.execute(f"DROP ROLE {name}")
