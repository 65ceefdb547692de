"""The page that tells of every table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from spothive.database import guards
from spothive.database.guards import refusals_of
from spothive.database.migrations.guide.diagrams import entity_diagram
from spothive.database.migrations.guide.rules import declared_rules
from spothive.database.migrations.guide.streets import all_columns, machines, module_of, streets
from spothive.database.migrations.guide.words import (
    checks_by_hand,
    code,
    codes,
    default_words,
    docstring,
    ending_words,
    link,
    pointers_of,
    prose,
    table_of,
    type_words,
    unique_words,
    uniques_of,
)
from spothive.models import Base
from spothive.schema.refusal import Refusal

_ENGINES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
_EVERYWHERE = ("tenant_id", "id", "created_at", "updated_at")
_INTRODUCTION = """\
<!-- Written by `make schema` from the models: change it there. -->

# The schema, table by table

What every table holds, who may see it, and what the database refuses. How values are stored:
[two databases](guides/two-databases.md#what-is-stored). How tenants are kept apart: [tenancy](guides/tenancy.md).
Which status may follow which: [states](states.md).

## How to read it

- A **tenant's table** holds rows that belong to one customer each. The primary key is `(tenant_id, id)`, and every key
  that points at such a row begins with `tenant_id` too, so a row cannot point at another tenant's. Here keys go by
  their own column alone, and "unique" means within the tenant unless it says otherwise.
- A **shared table** belongs to no tenant. The application reads it; `system_scope()` writes it.
- An **append-only table** only grows: its rows are never changed, and deleted late or never.
- A row that **outlives** its tenant has no foreign key at all: history stays when what it tells of goes.
- Four columns mean the same everywhere and are not explained again: `tenant_id` (whose row it is), `id` (a UUIDv7 that
  the application makes, unique in the whole system), `created_at` and `updated_at` (UTC, set by whoever writes).
- *If left out* is what an INSERT stores that does not name the column. `required` is NOT NULL without a default.
- The name beside a rule is the one an error carries (`error.rule`). Types are rules too, such as
  `ck_<table>_<column>_length`, and so is what is required: `nn_<table>_<column>`.
- Diagrams show keys only. The line from a table to `tenants` is left out where another line leads there.
"""


def schema_page() -> str:
    """Return the text of ``docs/SCHEMA_GUIDE.md``.

    Raises:
        LookupError: a column has a type that the page has no words for.
    """
    lines = [_INTRODUCTION, *_numbers(), *_contents()]
    for street, tables in streets().items():
        lines += [f"## Tables of {street}", "", docstring(module_of(street)), "", *entity_diagram(tables), ""]
        for table, mapper in tables.items():
            lines += _table(table, mapper)
    return "\n".join(lines).rstrip() + "\n"


# --- all tables together ---------------------------------------------------------------------------

_TESTED = """\
Tests break each of these rules on purpose, in a session and by raw SQL through the driver, and see the same error and
the same rule on both databases: `pytest tests/database/test_refusals.py`. Three of PostgreSQL's cannot be broken: it
fills the time and the transaction of an audit row itself."""
_KINDS = {
    "CHECK": "CHECKs",
    "NOT NULL": "required columns",
    "PRIMARY KEY": "primary keys",
    "UNIQUE": "unique keys",
    "UNIQUE INDEX": "unique indexes over some of the rows",
    "FOREIGN KEY": "foreign keys",
    "TRIGGER": "rules kept by triggers",
}


def _numbers() -> Iterator[str]:
    rules = [declared_rules(engine) for engine in _ENGINES]
    ddl = ["\n".join(line for guards_of in guards.declared(e) for line in guards_of.statements()) for e in _ENGINES]
    yield from ("## In numbers", "")
    rows = {
        "tables": [len(Base.metadata.tables)] * 2,
        "columns": [len(all_columns())] * 2,
        "state machines": [len(machines())] * 2,
        "row policies": [text.count("CREATE POLICY") for text in ddl],
        "triggers": [text.count("CREATE TRIGGER") for text in ddl],
        **{title: [len(found[kind]) for found in rules] for kind, title in _KINDS.items()},
        "**rules a write can break**, the last seven lines": [sum(map(len, found.values())) for found in rules],
    }
    cells = ((title, *(f"{number:,}" for number in numbers)) for title, numbers in rows.items())
    yield from table_of(("", *_ENGINES.values()), cells)
    yield ""
    yield from (_TESTED, "")


def _contents() -> Iterator[str]:
    yield from ("## Tables", "")
    rows = (
        (link(f"Tables of {street}", text=street), ", ".join(link(table.name) for table in tables))
        for street, tables in streets().items()
    )
    yield from table_of(("part", "tables"), rows)
    yield ""


# --- one table -------------------------------------------------------------------------------------


def _table(table: sa.Table, mapper: Mapper[Any]) -> Iterator[str]:
    yield from (f"### {table.name}", "", docstring(mapper.class_), "", f"*{_seen_by(table)}*", "")
    own = [column for column in table.columns if column.name not in _EVERYWHERE]
    head = ("column", "type", "if left out", "meaning")
    rows = ((code(c.name), _type(c), default_words(c), prose(c.comment or "")) for c in own)
    yield from table_of(head, rows)
    rest = [column.name for column in table.columns if column.name in _EVERYWHERE]
    yield from ("", f"And, as everywhere, {codes(rest)}.", "")
    yield from _list("Points at", _pointers(table))
    yield from _list("Unique", (f"{unique_words(table, key)} ({code(key.name)})" for key in uniques_of(table)))
    yield from _list("True of every row", _checks(table))
    yield from _list("Refused by triggers", map(_refusal, _refusals(table)))
    indexes = (codes(index.columns.keys()) for index in _indexes(table))
    yield from _line("Indexed", " · ".join(indexes))
    names = (f"{code(synonym.key)} for {code(synonym.name)}" for synonym in mapper.synonyms)
    yield from _line("Other names in Python", ", ".join(names))


def _list(title: str, items: Iterator[str]) -> Iterator[str]:
    lines = [f"- {item}" for item in items]
    if lines:
        yield from (f"**{title}**", "", *lines, "")


def _line(title: str, text: str) -> Iterator[str]:
    if text:
        yield from (f"**{title}**: {text}", "")


def _seen_by(table: sa.Table) -> str:
    if reason := table.info.get("global"):
        kept_from = "Shared, and read in system scope only" if table.info.get("system_only") else "Shared"
        seen = f"{kept_from}: {prose(reason)}."
    elif any(key.referred_table.name == "tenants" for key in table.foreign_key_constraints):
        seen = "A tenant's table: seen by its tenant, deleted with it."
    else:
        seen = "A tenant's table: seen by its tenant, and outlives it."
    append_only = table.info.get("append_only")
    if append_only is None:
        return seen
    hours = append_only.prune_after_hours
    kept = "are never deleted" if hours is None else f"may be deleted after {hours // 24} days, in system scope"
    stamp = " The database vouches for their time." if append_only.stamped else ""
    return f"{seen} Append-only: rows are never changed and {kept}.{stamp}"


def _type(column: sa.Column[Any]) -> str:
    words = type_words(column.type)
    if target := next((key.column.table.name for key in column.foreign_keys), None):
        return f"{words} in {link(target)}"
    machine = column.info.get("state_machine")
    return f"{words} ({_states_link(machine)})" if machine else words


def _states_link(machine: Any) -> str:
    columns = ", ".join(str(column) for column in machines()[machine])
    return link(columns, "states.md", text="moves")


def _pointers(table: sa.Table) -> Iterator[str]:
    for name, key in pointers_of(table).items():
        if name != "tenant_id":
            yield f"{code(name)} → {link(key.referred_table.name)}: {ending_words(key)}"


def _checks(table: sa.Table) -> Iterator[str]:
    """Yield the rules over several columns; those of a single column follow from its type."""
    for name, check in checks_by_hand(table).items():
        message = check.info.get("message")
        yield f"{prose(message) if message else code(check.sqltext)} ({code(name)})"


def _refusals(table: sa.Table) -> Iterator[Refusal]:
    return (refusal for refusal in refusals_of(table) if refusal.rule != table.primary_key.name)


def _refusal(refusal: Refusal) -> str:
    update = f"update of {codes(refusal.columns)}" if refusal.columns else "update"
    events = " or ".join(update if event == "update" else event for event in refusal.events)
    only = f", {_ENGINES[refusal.dialects[0]]} only" if len(refusal.dialects) == 1 else ""
    return f"{prose(refusal.message)} ({code(refusal.rule)}, on {events}{only})"


def _indexes(table: sa.Table) -> list[sa.Index]:
    return sorted((index for index in table.indexes if not index.unique), key=lambda index: str(index.name))
