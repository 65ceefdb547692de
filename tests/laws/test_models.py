"""Laws of the models: they explain themselves and give nothing away. Each failure says how to mend it."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapper, RelationshipDirection, configure_mappers

from spothive import models
from spothive.database import Base, get_db_session, system_scope
from spothive.schema.sealed import Sealed
from spothive.schema.types import Json, NameList, WeekMatrix
from tests.conftest import Database
from tests.factories.samples import sample_graph

MAPPERS = sorted(Base.registry.mappers, key=lambda mapper: mapper.class_.__name__)
SECRET = re.compile(r"password|token|secret|_hash$|^hash")
ENUMS = sorted(
    {kind for mapper in MAPPERS for column in mapper.columns if (kind := getattr(column.type, "enum_class", None))},
    key=lambda kind: kind.__name__,
)


def by_name(mapper: Mapper[Any]) -> str:
    return mapper.class_.__name__


@pytest.mark.parametrize("mapper", MAPPERS, ids=by_name)
def test_every_column_says_what_it_means(mapper: Mapper[Any]) -> None:
    silent = [str(column) for column in mapper.columns if not column.comment]
    assert not silent, f"{silent}: add comment='...' with the meaning and the unit, it goes into the schema guide"


@pytest.mark.parametrize("mapper", MAPPERS, ids=by_name)
def test_every_model_says_what_a_row_means(mapper: Mapper[Any]) -> None:
    told = mapper.class_.__dict__.get("__doc__")
    assert told, f"{by_name(mapper)}: write a docstring, it is what the schema guide says of the table"


@pytest.mark.parametrize("kind", ENUMS, ids=lambda kind: kind.__name__)
def test_every_enum_is_public_and_says_what_it_is(kind: type[enum.StrEnum]) -> None:
    told = kind.__dict__.get("__doc__")
    assert told, f"{kind.__name__}: write a docstring, it is what the states page says of the states"
    assert kind.__name__ in models.__all__, f"{kind.__name__}: export it from spothive.models"


@pytest.mark.parametrize("mapper", MAPPERS, ids=by_name)
def test_changes_within_a_value_are_noticed(mapper: Mapper[Any]) -> None:
    inner = [column for column in mapper.columns if isinstance(column.type, (Json, NameList, WeekMatrix))]
    blind = [str(column) for column in inner if "tracked" not in column.info]
    assert not blind, f"{blind}: use json_object(), json_array(), names() or week_matrix(), else a change is lost"


@pytest.mark.parametrize("mapper", MAPPERS, ids=by_name)
def test_children_are_deleted_by_the_database(mapper: Mapper[Any]) -> None:
    configure_mappers()
    many = [r for r in mapper.relationships if r.direction is RelationshipDirection.ONETOMANY and not r.viewonly]
    wrong = [str(relationship) for relationship in many if not relationship.passive_deletes]
    assert not wrong, f"{wrong}: use has_many(), else a delete loads every child and refuses or empties its key"


# --- repr ------------------------------------------------------------------------------------------


def secrets_of(mapper: Mapper[Any]) -> list[str]:
    return [c.key for c in mapper.columns if isinstance(c.type, Sealed) or SECRET.search(c.key)]


def full(mapper: Mapper[Any]) -> Any:
    """Return an object that holds a telling value in every column, as a loaded one would."""
    row = mapper.class_()
    for attribute in mapper.column_attrs:
        sa.inspect(row).dict[attribute.key] = f"value-of-{attribute.key}"
    return row


@pytest.mark.parametrize("mapper", MAPPERS, ids=by_name)
def test_repr_shows_no_secret(mapper: Mapper[Any]) -> None:
    shown = repr(full(mapper))
    told = [name for name in secrets_of(mapper) if f"value-of-{name}" in shown]
    assert not told, f"{told} of {by_name(mapper)} would be written into logs: leave it out of __repr__"


def test_there_are_secrets_to_keep() -> None:
    found = {f"{by_name(mapper)}.{name}" for mapper in MAPPERS for name in secrets_of(mapper)}
    assert {"User.password_hash", "Account.aws_secret_access_key", "ScanRun.lease_token"} <= found


def detached_rows(*, expired: bool) -> Iterator[tuple[UUID, Any]]:
    """Yield (id, object) of one row in every table, after the session has been closed."""
    with get_db_session() as session, system_scope(session, "sample"):
        ids = {name: row["id"] for name, row in sample_graph(session, UUID(int=1)).items()}
        rows = {mapper: session.get(mapper.class_, ids[str(mapper.local_table)]) for mapper in MAPPERS}
        if expired:
            session.expire_all()
    for mapper, row in rows.items():
        assert sa.inspect(row).detached, by_name(mapper)
        yield ids[str(mapper.local_table)], row


@pytest.mark.parametrize("expired", [False, True], ids=["loaded", "expired"])
def test_repr_names_the_row_after_its_session_has_closed(db: Database, expired: bool) -> None:
    for row_id, row in detached_rows(expired=expired):
        shown = repr(row)
        assert shown.startswith(f"<{type(row).__name__} "), shown
        assert f"id={row_id}" in shown, f"{shown}: __repr__ must not need the session"
