"""Every rule that a write can break, by name: what the pages count and what the tests break one by one."""

from __future__ import annotations

import re

from spothive.database.guards import refusals_of
from spothive.database.migrations.picture import table_statements
from spothive.models import Base

_NAMED = re.compile(
    r"^ *CONSTRAINT (\w+) (CHECK|PRIMARY KEY|UNIQUE|FOREIGN KEY)|^CREATE (UNIQUE INDEX) (\w+)", re.MULTILINE
)


def declared_rules(engine: str) -> dict[str, list[str]]:
    """Return kind of rule to the sorted names of the rules of this kind on ``engine``.

    The kinds are ``CHECK``, ``PRIMARY KEY``, ``UNIQUE``, ``UNIQUE INDEX``, ``FOREIGN KEY``, ``NOT NULL`` and
    ``TRIGGER``. Names are those that errors carry (:attr:`spothive.errors.RuleBroken.rule`); NOT NULL has none in the
    database and is called ``nn_<table>_<column>``. Constraints are read from the DDL: that is what the database gets.
    """
    found: dict[str, list[str]] = {"CHECK": [], "PRIMARY KEY": [], "UNIQUE": [], "UNIQUE INDEX": [], "FOREIGN KEY": []}
    for statement in table_statements(engine):
        for name, kind, index_kind, index_name in _NAMED.findall(statement):
            found[kind or index_kind].append(name or index_name)
    tables = Base.metadata.sorted_tables
    found["NOT NULL"] = [f"nn_{table.name}_{c.name}" for table in tables for c in table.columns if not c.nullable]
    found["TRIGGER"] = [
        refusal.rule
        for table in tables
        for refusal in refusals_of(table)
        if engine in refusal.dialects and not refusal.rule.startswith(("pk_", "uq_"))  # REPLACE breaks the key itself
    ]
    return {kind: sorted(names) for kind, names in found.items()}
