"""Mermaid diagrams, drawn by GitHub and by most Markdown viewers.

The well-known generator of such diagrams, paracelsus, draws each column of a composite key as a relation of its own,
and reads cardinality from single columns: here it would claim that an account has at most one instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from spothive.database.migrations.guide.words import condition_of, pointers_of, uniques_of, without_tenant
from spothive.schema.states import StateMachine


def entity_diagram(tables: Iterable[sa.Table]) -> list[str]:
    """Return the lines of the diagram of ``tables`` and what they point at; of the columns it names the keys."""
    lines = ["```mermaid", "erDiagram"]
    for table in tables:
        lines += _entity(table)
        pointers = pointers_of(table)
        for name, key in pointers.items():
            if name != "tenant_id" or len(pointers) == 1:
                lines.append(f"    {key.referred_table.name} {_cardinality(key)} {table.name} : {name}")
    return [*lines, "```"]


def _entity(table: sa.Table) -> Iterator[str]:
    pointers = pointers_of(table)
    uniques = [without_tenant(key.columns) for key in uniques_of(table) if not condition_of(key)]
    yield f"    {table.name} {{"
    for column in table.columns:
        marks = {"PK": column.primary_key, "FK": column.name in pointers, "UK": [column.name] in uniques}
        if shown := ", ".join(mark for mark, is_set in marks.items() if is_set):
            yield f"        {_kind(column)} {column.name} {shown}"
    yield "    }"


def _kind(column: sa.Column[object]) -> str:
    """Return the type in one word, which is all that an entity diagram takes."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(column.type).__name__).lower()


def _cardinality(key: sa.ForeignKeyConstraint) -> str:
    """Return how many parents (one, or none) and how many children (any, or at most one) a key allows."""
    columns = without_tenant(key.columns)
    parent = "|o" if any(key.parent.c[name].nullable for name in columns) else "||"
    single = any(without_tenant(k.columns) == columns and not condition_of(k) for k in uniques_of(key.table))
    return f"{parent}--{'o|' if single else 'o{'}"


def state_diagram(machine: StateMachine) -> list[str]:
    """Return the lines of the diagram of a machine."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state}" as {_word(state)}' for state in machine.states if _word(state) != state]
    lines += [f"    [*] --> {_word(state)}" for state in machine.states if state in machine.first]
    for state in machine.states:
        after = [onward for onward in machine.states if onward in machine.moves[state]]
        lines += [f"    {_word(state)} --> {_word(onward)}" for onward in after] or [f"    {_word(state)} --> [*]"]
    return [*lines, "```"]


def _word(state: str) -> str:
    return re.sub(r"\W", "_", state)
