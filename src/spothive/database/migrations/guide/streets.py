"""Which tables belong to which part of the business, and which state machines guard them."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapper

from spothive import models
from spothive.models import Base
from spothive.schema.states import StateMachine

_ORDER = (
    "identity",
    "fleet",
    "clusters",
    "risk",
    "decisions",
    "waste",
    "approvals",
    "jobs",
    "sla",
    "audit",
    "secrets",
    "notifications",
    "datasets",
)
"""The order of the pages; a street that is not listed comes last."""


def streets() -> dict[str, dict[sa.Table, Mapper[Any]]]:
    """Return street to its tables, parents first, with their mappers."""
    mappers = {mapper.local_table: mapper for mapper in Base.registry.mappers}
    found: dict[str, dict[sa.Table, Mapper[Any]]] = {}
    for table in Base.metadata.sorted_tables:
        found.setdefault(_street_of(mappers[table].class_), {})[table] = mappers[table]
    return {name: found[name] for name in sorted(found, key=lambda name: (_position(name), name))}


def module_of(street: str) -> ModuleType:
    """Return the module under ``spothive.models`` that declares a street."""
    module = getattr(models, street)
    assert inspect.ismodule(module)  # noqa: S101 - streets() takes its names from there
    return module


def machines() -> dict[StateMachine, list[sa.Column[Any]]]:
    """Return every state machine with the columns it guards, in the order of the streets."""
    found: dict[StateMachine, list[sa.Column[Any]]] = {}
    for column in all_columns():
        if machine := column.info.get("state_machine"):
            found.setdefault(machine, []).append(column)
    return found


def all_columns() -> list[sa.Column[Any]]:
    """Return the columns of all tables, in the order of the streets."""
    return [column for tables in streets().values() for table in tables for column in table.columns]


def _street_of(model: type[DeclarativeBase]) -> str:
    return model.__module__.removeprefix(f"{models.__name__}.").partition(".")[0]


def _position(street: str) -> int:
    return _ORDER.index(street) if street in _ORDER else len(_ORDER)
