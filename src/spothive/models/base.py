"""What every table has in common."""

import enum
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, MetaData, Table, event, inspect, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.properties import MappedColumn

from spothive.clock import utc_now
from spothive.schema.states import refuse_assignment
from spothive.schema.tracked_json import TrackedDict, TrackedList, track_changes
from spothive.schema.types import (
    Flag,
    Id,
    Json,
    NameList,
    UtcDateTime,
    WeekMatrix,
    declare_checks,
    new_id,
    utc_timestamp,
)

PLATFORM_TENANT_ID = UUID("00000000-0000-7000-8000-000000000001")
"""The reserved tenant ``platform``: staff users, platform audit, system logs, platform datasets."""

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}


class Base(DeclarativeBase):
    """Declarative base of every model."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {bool: Flag(), datetime: UtcDateTime(), UUID: Id()}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Guard the state columns of every model, and notice what changes within its values."""
        super().__init_subclass__(**kwargs)
        refuse_assignment(cls)
        track_changes(cls)

    def __repr__(self) -> str:
        """Name the row by its key and state: no secrets, and no query on a closed session."""
        state = inspect(self)
        shown = {"id": state.identity[0]} if state.identity else {}  # known even when nothing else is loaded
        shown |= {k: v for k, v in state.dict.items() if k in {"id", "status", "state"}}
        fields = " ".join(f"{name}={value}" for name, value in sorted(shown.items()))
        return f"<{type(self).__name__} {fields or 'unsaved'}>"


class GlobalTable:
    """Mixin of the tables that belong to no tenant; the application may only read them."""

    id: Mapped[UUID] = mapped_column(Id, primary_key=True, default=new_id, sort_order=-19, comment="UUIDv7")


class Timestamped:
    """Mixin of every table whose rows change."""

    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=utc_now, server_default=utc_timestamp(), sort_order=90, comment="UTC"
    )
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime,
        default=utc_now,
        onupdate=utc_now,
        server_default=utc_timestamp(),
        sort_order=91,
        comment="UTC",
    )


def json_object(**options: Any) -> MappedColumn[Any]:
    """Return a JSON object column whose changes are noticed at any depth; ``{}`` by default unless nullable."""
    if not options.get("nullable"):
        options.setdefault("default", dict)
        options.setdefault("server_default", "{}")
    return mapped_column(Json("object", options.pop("max_bytes", 256 * 1024)), info={"tracked": TrackedDict}, **options)


def json_array(**options: Any) -> MappedColumn[Any]:
    """Return a JSON array column whose changes are noticed at any depth; ``[]`` by default unless nullable."""
    if not options.get("nullable"):
        options.setdefault("default", list)
        options.setdefault("server_default", "[]")
    return mapped_column(Json("array"), info={"tracked": TrackedList}, **options)


def week_matrix(**options: Any) -> MappedColumn[Any]:
    """Return the column of a :class:`~spothive.schema.types.WeekMatrix` whose changes are noticed."""
    return mapped_column(WeekMatrix(), info={"tracked": TrackedList}, **options)


def names(enum_class: type[enum.StrEnum] | None = None, min_items: int = 0, **options: Any) -> MappedColumn[Any]:
    """Return the column of a :class:`~spothive.schema.types.NameList` whose changes are noticed."""
    return mapped_column(NameList(enum_class, min_items), info={"tracked": TrackedList}, **options)


def check(name: str, condition: str, message: str) -> CheckConstraint:
    """Return the CHECK ``ck_<table>_<name>`` over one row; ``message`` says in one line what it means."""
    return CheckConstraint(condition, name=name, info={"message": message})


def check_each(name: str, message: str, *, postgresql: str, sqlite: str) -> tuple[CheckConstraint, CheckConstraint]:
    """Return one such CHECK for each database, where no one condition fits both."""
    return (
        check(name, postgresql, message).ddl_if(dialect="postgresql"),
        check(name, sqlite, message).ddl_if(dialect="sqlite"),
    )


def unique_where(name: str, *columns: str, where: str) -> Index:
    """Return the unique index ``name`` over those rows for which ``where`` is true."""
    return Index(name, *columns, unique=True, postgresql_where=text(where), sqlite_where=text(where))


def index_where(name: str, *columns: Any, where: str) -> Index:
    """Return the index ``name`` over those rows for which ``where`` is true."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


@event.listens_for(Table, "after_parent_attach")
def _make_strict(table: Table, metadata: Any) -> None:
    """Make ``table`` STRICT on SQLite."""
    if metadata is Base.metadata:
        table.dialect_options["sqlite"]["strict"] = True


@event.listens_for(Table, "before_create")
def _declare_checks(table: Table, *_: Any, **__: Any) -> None:
    """Let column types derive their CHECKs, now that the table is made."""
    if table.metadata is Base.metadata:
        declare_checks(table)
