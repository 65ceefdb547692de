"""The command ``spothive``: a door to the operations, for whoever holds the database URL.

Every command acts as a user of a tenant and is audited as that user. Heavy packages (SQLAlchemy, Alembic, rich...)
are imported by the command that needs them, so that ``spothive --help`` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys

_SEARCH_SELDOM = (500_000, 2, 2)
"""When Python looks for garbage: after more new objects, instead of 700, than most commands make; nearly all of them
live as long as the command. What runs for long is searched as a whole at every fourth time."""


def main() -> None:
    """Run the command line; ends the process with 0, 1 (refused or failed), 2 (misused) or 130 (interrupted)."""
    gc.set_threshold(*_SEARCH_SELDOM)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else it looks through all that is installed for some
    try:
        from spothive.cli.app import app

        app()
    except KeyboardInterrupt:  # while modules are imported: commands answer an interrupt themselves
        sys.stderr.write("interrupted: what was not finished was rolled back\n")
        sys.exit(130)
    finally:
        gc.freeze()  # else the end of the process looks through all there is, which takes a third of most commands
