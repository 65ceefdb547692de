"""What a case is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tests.factories.graph import Graph

CHECK, UNIQUE, FOREIGN_KEY, NOT_NULL, TRIGGER = "CHECK", "unique", "foreign key", "not null", "trigger"

Act = Callable[[Graph], object]
Place = Literal["service", "unguarded", "orphan", "owner"]


@dataclass(frozen=True)
class Case:
    """One constraint and an act that breaks it and, as far as it can be, no other.

    Attributes:
        table: table that declares the constraint.
        kind: kind of constraint.
        constraint: its name.
        act: what breaks it.
        answer: rule that the refusal names, where it is not the constraint.
        place: where it can be tried. ``service``: as the application, in a session and by the driver alone.
            ``unguarded``: as the owner, with the triggers off that would answer first. ``orphan``: beside rows of
            a tenant that does not exist, so that only the tenant is missing. ``owner``: as the owner, for what the
            application has no right to say.
    """

    table: str
    kind: str
    constraint: str
    act: Act
    answer: str = ""
    place: Place = "service"

    @property
    def rule(self) -> str:
        """The rule that the refusal names."""
        return self.answer or self.constraint


def add(table: str, **values: Any) -> Act:
    """Return the act of adding a second row to ``table``."""
    return lambda graph: graph.add(table, **values)


def change(table: str, **values: Any) -> Act:
    """Return the act of changing the sample row of ``table``."""
    return lambda graph: graph.change(table, **values)


def remove(table: str) -> Act:
    """Return the act of deleting the sample row of ``table``."""
    return lambda graph: graph.remove(table)


def walk(table: str, state: str, **last: Any) -> Act:
    """Return the act of moving the sample row of ``table`` to ``state``, with ``last`` in the last step."""
    return lambda graph: graph.walk(table, state, **last)
