"""The migrations as one SQL script, for a DBA who wants to read or run them without spothive."""

from __future__ import annotations

import io
from argparse import Namespace

from spothive.database.connection import make_owner_engine
from spothive.database.revisions import alembic_config, resolve
from spothive.errors import InvalidInput
from spothive.settings import get_settings


def migration_script(span: str = "head", dialect: str | None = None) -> str:
    """Return the SQL of the revisions after ``FROM`` up to and including ``TO``, oldest first. Connects to nothing.

    Args:
        span: ``FROM:TO``, or just ``TO`` to begin with an empty database.
        dialect: ``postgresql`` or ``sqlite``; that of the owner's URL when None.

    Raises:
        InvalidInput: no such revision, or they are not in this order.
    """
    from alembic import command
    from alembic.util import CommandError

    start, _, end = span.rpartition(":")
    start = "" if start == "base" else start and resolve(start)
    end = resolve(end or "head")
    config = alembic_config()
    config.output_buffer = io.StringIO()
    dialect = dialect or make_owner_engine(get_settings()).dialect.name
    config.cmd_opts = Namespace(x=[f"dialect={dialect}"])
    try:
        command.upgrade(config, f"{start}:{end}" if start else end, sql=True)
    except CommandError as error:
        msg = f"no way leads from {start or 'base'} up to {end}: {str(error).splitlines()[0]}"
        raise InvalidInput(msg) from None
    return config.output_buffer.getvalue()
