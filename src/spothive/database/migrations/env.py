"""How Alembic reaches the database: as the owner, under a lock, one transaction a revision, guards up after each."""

from __future__ import annotations

from alembic import context

from spothive.database.migrations.upgrade import migrate, print_script
from spothive.models import Base

if context.is_offline_mode():
    print_script(context, Base.metadata)
else:
    migrate(context, Base.metadata)
