"""The reference pages of the schema, written from the metadata: ``python -m spothive.database.migrations.guide``.

``docs/SCHEMA_GUIDE.md`` tells of every table, ``docs/states.md`` of every state machine. A test holds both against the
models, so a column, a rule or a move that the pages do not show cannot be merged.
"""

from spothive.database.migrations.guide.rules import declared_rules
from spothive.database.migrations.guide.schema_page import schema_page
from spothive.database.migrations.guide.states_page import states_page

__all__ = ["PAGES", "declared_rules", "schema_page", "states_page"]

PAGES = {"SCHEMA_GUIDE.md": schema_page, "states.md": states_page}
"""File in ``docs/`` to the function that returns its text."""
