"""Links that are forgotten when their target goes: a deleted cluster leaves its instances behind, without a cluster.

``ON DELETE SET NULL`` would empty the whole key, ``tenant_id`` too (only PostgreSQL 15 can name a column), so a trigger
on the target does it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table


def detachments(table: Table, dialect: str) -> Iterator[tuple[frozenset[str], tuple[str, ...]]]:
    """Yield (tables and ``table.column`` it needs, DDL) for every column that forgets a deleted row of ``table``."""
    for child in table.metadata.tables.values():
        for column in child.columns:
            target, _ = column.info.get("owned_by", ("", {}))
            if target == table.name and column.info.get("detach"):
                needs = frozenset({table.name, f"{child.name}.{column.name}"})
                yield needs, _statements(table.name, child.name, column.name, dialect)


def _statements(table: str, child: str, column: str, dialect: str) -> tuple[str, ...]:
    name = f"detach_{child}_{column}"
    forget = f"UPDATE {child} SET {column} = NULL WHERE tenant_id = OLD.tenant_id AND {column} = OLD.id;"
    trigger = f"CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW"
    if dialect == "sqlite":
        return (f"{trigger}\nBEGIN {forget} END",)
    function = (
        f"CREATE OR REPLACE FUNCTION guard_{name}() RETURNS trigger LANGUAGE plpgsql\n"
        f"SET search_path FROM CURRENT AS $guard$\nBEGIN\n  {forget}\n  RETURN OLD;\nEND\n$guard$"
    )
    return function, f"{trigger}\nEXECUTE FUNCTION guard_{name}()"
