"""The page that tells which status may follow which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from spothive.database.migrations.guide.diagrams import state_diagram
from spothive.database.migrations.guide.streets import all_columns, machines
from spothive.database.migrations.guide.words import checks_by_hand, code, codes, docstring, link, prose, table_of
from spothive.schema.states import StateMachine
from spothive.schema.types import TextEnum

_TABLES = "SCHEMA_GUIDE.md"
_INTRODUCTION = """\
<!-- Written by `make schema` from the models: change it there. -->

# States

Which status may follow which. Each machine is declared once, in its model; the triggers of both databases, the refusal
in Python and this page come from that declaration. An illegal move is refused whoever tries it, raw SQL too
(`IllegalMove`, rule `lc_<table>_<column>_move`), and so is a row that is born in any but a first state
(`lc_<table>_<column>_first`). In Python `states.move()` moves a row
([transactions](guides/transactions.md#moving-a-row)).
"""
_OBSERVED = """\
## Observations

These columns say what AWS, an agent or a check reported, or what was noted. They take any of their values in any order.
"""


def states_page() -> str:
    """Return the text of ``docs/states.md``."""
    lines = [_INTRODUCTION]
    for machine, columns in machines().items():
        lines += [*_machine(machine, columns), ""]
    return "\n".join([*lines, _OBSERVED, *_observations()]) + "\n"


def _machine(machine: StateMachine, columns: list[sa.Column[Any]]) -> Iterator[str]:
    tables = ", ".join(link(column.table.name, _TABLES) for column in columns)
    yield from (f"## {_heading(columns)}", "", docstring(machine.states), "", f"Of {tables}.", "")
    yield from (*state_diagram(machine), "")
    rows = ((code(state), codes(_onwards(machine, state)) or "nothing: it is final") for state in machine.states)
    yield from table_of(("state", "may become"), rows)
    rules = [rule for column in columns for rule in _conditions(column)]
    if rules:
        yield from ("", "And:", "", *rules)


def _heading(columns: list[sa.Column[Any]]) -> str:
    return ", ".join(str(column) for column in columns)


def _onwards(machine: StateMachine, state: str) -> list[str]:
    return [onward for onward in machine.states if onward in machine.moves[machine.states(state)]]


def _conditions(column: sa.Column[Any]) -> Iterator[str]:
    """Yield what else a row must fulfil in a state, or on its way there."""
    for name, check in checks_by_hand(column.table).items():
        if re.search(rf"\b{column.name}\b", str(check.sqltext)):
            yield f"- {prose(check.info['message'])} ({code(name)})"
    for refusal in column.table.info.get("refusals", ()):
        if column.name in refusal.columns:
            yield f"- {prose(refusal.message)} ({code(refusal.rule)})"


def _observations() -> list[str]:
    guarded = {machine.states: _heading(columns) for machine, columns in machines().items()}
    rows = []
    for column in all_columns():
        kind = column.type
        if isinstance(kind, TextEnum) and "state_machine" not in column.info and _is_status(column.name):
            values = (
                f"those of {link(guarded[kind.enum_class])}" if kind.enum_class in guarded else codes(kind.enum_class)
            )
            rows.append((link(column.table.name, _TABLES), code(column.name), values, docstring(kind.enum_class)))
    return table_of(("table", "column", "values", "meaning"), rows)


def _is_status(name: str) -> bool:
    return name.rpartition("_")[2] in {"status", "state"}
