"""Bring the database to a revision: ``python -m spothive.database.run_migration [--migration NAME]``.

Only for the command line: in Python, ``from spothive.database import run_migration`` is the function.
"""

from __future__ import annotations

import argparse
import sys

from spothive.database.revisions import run_migration
from spothive.errors import SpothiveError


def main() -> int:
    """Upgrade and print the revision; return the exit code."""
    parser = argparse.ArgumentParser("python -m spothive.database.run_migration", description="Upgrade the database.")
    parser.add_argument("--migration", default="head", help="upgrade up to and including this revision")
    try:
        print(run_migration(parser.parse_args().migration))  # noqa: T201 - this is a command
    except SpothiveError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
