"""How Alembic reaches the database: as the owner, under a lock, one transaction a revision, guards up after each."""

from __future__ import annotations

import logging

from alembic import context

from spothive.database.migrations.upgrade import migrate
from spothive.models import Base

_log = logging.getLogger("spothive.migrations")


def _offline() -> None:
    dialect = context.get_x_argument(as_dictionary=True).get("dialect", "postgresql")
    context.configure(dialect_name=dialect, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _offline()
else:
    migrate(context, Base.metadata)
