"""State machines, each declared once.

From one :class:`StateMachine` come the triggers of both databases, the refusal in Python (:func:`move`)
and the diagram in the docs. The database is the judge: raw SQL is held to the same moves.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.orm.properties import MappedColumn
from sqlalchemy.sql.elements import ColumnElement

from spothive.clock import utc_now
from spothive.errors import Conflict, IllegalMove, InvalidInput
from spothive.schema.refusal import Refusal, never_again
from spothive.schema.types import TextEnum


class StateMachine:
    """States, the states a row may be born in, and the legal moves between them."""

    def __init__(
        self, states: type[enum.StrEnum], *, first: set[enum.StrEnum], moves: Mapping[enum.StrEnum, set[enum.StrEnum]]
    ) -> None:
        """Declare ``moves`` as from-state to the states it may become; a state without an entry is final."""
        self.states = states
        self.first = first
        self.moves = {state: frozenset(moves.get(state, ())) for state in states}

    def may_move(self, old: str, new: str) -> bool:
        """Tell whether a row may go from ``old`` to ``new``; staying is no move and always allowed."""
        return old == new or self.states(new) in self.moves[self.states(old)]

    def column(self, **options: Any) -> MappedColumn[Any]:
        """Return the mapped column that this machine guards; it starts in the first state if there is just one."""
        if len(self.first) == 1:
            options.setdefault("default", next(iter(self.first)))
            options.setdefault("server_default", options["default"].value)
        return mapped_column(TextEnum(self.states), info={"state_machine": self}, **options)

    def refusals(self, table: sa.Table, column: sa.Column[Any]) -> Iterator[Refusal]:
        """Yield the triggers of this machine on ``column``."""
        name = f"lc_{table.name}_{column.name}"
        first = ", ".join(sorted(self.first))
        yield Refusal(
            rule=f"{name}_first",
            events=("insert",),
            when=lambda _, new: new.c[column.name].not_in(sorted(self.first)),
            message=f"a row of {table.name} starts as {first}",
        )
        yield Refusal(
            rule=f"{name}_move",
            events=("update",),
            columns=(column.name,),
            when=lambda old, new: self._illegal(old.c[column.name], new.c[column.name]),
            message=f"{table.name}.{column.name} cannot change in this way",
        )

    def _illegal(self, old: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[bool]:
        legal = [sa.and_(old == state, new.in_(sorted(after))) for state, after in self.moves.items() if after]
        # "is not true", for NULL: SQLite's UPDATE OR REPLACE would turn it into the default, a first state.
        return sa.and_(old.is_distinct_from(new), sa.or_(sa.false(), *legal).is_not(sa.true()))


def machine_of(attribute: Any) -> StateMachine:
    """Return the machine that guards a mapped attribute, for example ``Account.status``."""
    machine = attribute.property.columns[0].info["state_machine"]
    assert isinstance(machine, StateMachine)  # noqa: S101 - only StateMachine.column sets it
    return machine


def move(session: Session, row: DeclarativeBase, attribute: Any, to: enum.StrEnum, **changes: Any) -> None:
    """Move ``row`` to state ``to`` and set ``changes`` in the same UPDATE, if the database still agrees on where it is.

    This is the only way to move: assigning to the attribute of a stored row raises. What is pending is flushed and
    the UPDATE sent at once, because whether it finds the row is the answer.

    Args:
        session: session that holds ``row``.
        row: an object of this session.
        attribute: the guarded attribute, for example ``Account.status``.
        to: the state to reach.
        changes: other columns that change with it, as values or as SQL expressions.

    Raises:
        IllegalMove: the declaration does not know this move.
        Conflict: the row has moved, or gone, since it was read.
        InvalidInput: ``row`` was never added to the session.
    """
    machine, name, model = machine_of(attribute), attribute.key, type(row)
    session.flush()
    if not sa.inspect(row).persistent:
        msg = f"this {_in_words(model)} is not stored: add it to the session before it moves"
        raise InvalidInput(msg)
    old = getattr(row, name)
    if old == to or not machine.may_move(old, to):
        onwards = ", ".join(sorted(machine.moves[old])) or "nothing: it is final"
        msg = f"this {_in_words(model)} is {old} and cannot become {to}; from {old} it may become {onwards}"
        raise IllegalMove(msg, rule=f"lc_{model.__tablename__}_{name}_move", table=model.__tablename__)
    if hasattr(model, "updated_at"):
        changes.setdefault("updated_at", utc_now())
    statement = sa.update(model).where(*_key_of(row), attribute == old).values({name: to, **changes})
    # "fetch" tells the object only if the row was found; other ways would change it although nothing was stored.
    moved = session.execute(statement.returning(model.id), execution_options={"synchronize_session": "fetch"})  # type: ignore[attr-defined]  # every model has an id
    if moved.one_or_none() is None:
        msg = f"this {_in_words(model)} is no longer {old}: somebody else moved it; read it again"
        raise Conflict(msg)


def _in_words(model: type) -> str:
    """Return what a row of ``model`` is called in a message: ``scan run`` for ScanRun."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", model.__name__).lower()


def _key_of(row: Any) -> list[ColumnElement[bool]]:
    """Return the condition that finds ``row``: by its whole key, so that the database need not search for it."""
    model = type(row)
    mine = [model.tenant_id == row.tenant_id] if hasattr(model, "tenant_id") else []
    return [*mine, model.id == row.id]


def refuse_assignment(model: type[DeclarativeBase]) -> None:
    """Make ``row.status = ...`` raise on stored rows of ``model``, for each guarded column."""
    for column in model.__table__.columns:
        if "state_machine" in column.info:
            event.listen(getattr(model, column.key), "set", _refuse_set)


def _refuse_set(target: Any, value: Any, old: Any, initiator: Any) -> None:
    if sa.inspect(target).persistent and value != old:
        name = type(target).__name__
        msg = f"{name}.{initiator.key} is moved by its verb, not assigned: use states.move()"
        raise IllegalMove(msg, rule=f"lc_{target.__tablename__}_{initiator.key}_move", table=target.__tablename__)


def state_refusals(table: sa.Table) -> Iterator[Refusal]:
    """Yield the triggers of every machine on ``table``."""
    guarded = [column for column in table.columns if "state_machine" in column.info]
    for column in guarded:
        yield from column.info["state_machine"].refusals(table, column)
    if guarded:
        yield never_again(table)
        yield Refusal(
            rule=f"lc_{table.name}_key",
            events=("update",),
            columns=tuple(c.name for c in table.primary_key.columns),
            when=lambda old, new: sa.or_(*(old.c[c.name] != new.c[c.name] for c in table.primary_key.columns)),
            message=f"the id of a row of {table.name} never changes: one row would take over the life of another",
        )
