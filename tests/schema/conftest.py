"""One table with a column of every type, on both databases, for the tests of this folder."""

from __future__ import annotations

import enum
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import sqlalchemy.orm
from sqlalchemy.orm import Session

from spothive.database.connection import make_owner_engine
from spothive.models.base import NAMING_CONVENTION
from spothive.schema.types import (
    AsciiText,
    Bits64,
    Bytes,
    Day,
    Email,
    Flag,
    Fraction,
    Id,
    Json,
    Money,
    NameList,
    Text,
    TextEnum,
    UtcDateTime,
    WeekMatrix,
    Whole,
    declare_checks,
)
from spothive.settings import get_settings
from tests.conftest import fresh_postgresql, settings
from tests.factories.samples import rule_of


class Colour(enum.StrEnum):
    RED = "red"
    SKY_BLUE = "sky-blue"


PROBE = sa.Table(
    "probe",
    sa.MetaData(naming_convention=NAMING_CONVENTION),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("word", Text(5, 2)),
    sa.Column("code", AsciiText(5)),
    sa.Column("colour", TextEnum(Colour)),
    sa.Column("at", UtcDateTime()),
    sa.Column("price", Money()),
    sa.Column("saving", Money(signed=True)),
    sa.Column("count", Whole(-5, 5)),
    sa.Column("bits", Bits64()),
    sa.Column("share", Fraction()),
    sa.Column("document", Json("object", 2048)),
    sa.Column("items", Json("array")),
    sa.Column("flag", Flag()),
    sa.Column("ref", Id()),
    sa.Column("mail", Email()),
    sa.Column("words", NameList(min_items=1)),
    sa.Column("colours", NameList(Colour)),
    sa.Column("week", WeekMatrix()),
    sa.Column("day", Day()),
    sa.Column("blob", Bytes(4)),
    sqlite_strict=True,
)
declare_checks(PROBE)


class ProbeRow:
    """The table as objects."""


sa.orm.registry().map_imperatively(ProbeRow, PROBE)


class Probe:
    """Writes single values into the table and reads them back, inside a transaction that is rolled back."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self._numbers = itertools.count(1)

    def store(self, column: str, value: Any) -> Any:
        """Write through the type, return what is read back."""
        number = next(self._numbers)
        with self.connection.begin_nested():
            self.connection.execute(sa.insert(PROBE).values({"number": number, column: value}))
        return self._read(column, number)

    def add(self, column: str, value: Any) -> Any:
        """Write an object through the ORM, return what is read back."""
        number = next(self._numbers)
        savepoint = self.connection.begin_nested()
        with savepoint, Session(self.connection, join_transaction_mode="create_savepoint") as session:
            row = ProbeRow()
            row.number = number  # type: ignore[attr-defined]  # mapped above
            setattr(row, column, value)
            session.add(row)
            session.commit()
        return self._read(column, number)

    def send(self, column: str, parameter: Any) -> Any:
        """Write a parameter of the driver's own, return what is read back."""
        number = next(self._numbers)
        mark = "?" if self.connection.dialect.name == "sqlite" else "%s"
        with self.connection.begin_nested():
            self.driver.execute(f"INSERT INTO probe (number, {column}) VALUES ({number}, {mark})", (parameter,))
        return self._read(column, number)

    def raw(self, column: str, literal: str) -> Any:
        """Write an SQL literal through the driver, return what is read back."""
        number = next(self._numbers)
        with self.connection.begin_nested():
            self.driver.execute(f"INSERT INTO probe (number, {column}) VALUES ({number}, {literal})")
        return self._read(column, number)

    def refused(self, column: str, literal: str) -> str:
        """Write an SQL literal through the driver, return the rule that refused it, or else the SQLSTATE."""
        with pytest.raises((psycopg.Error, sqlite3.Error)) as caught:
            self.raw(column, literal)
        return rule_of(caught.value)

    def ask(self, *expressions: Any) -> Any:
        """Return one row of a query over the table."""
        return self.connection.execute(sa.select(*expressions).select_from(PROBE)).one()

    @property
    def driver(self) -> Any:
        return self.connection.connection.dbapi_connection

    def _read(self, column: str, number: int) -> Any:
        return self.connection.execute(sa.select(PROBE.c[column]).where(PROBE.c.number == number)).scalar_one()


@pytest.fixture(scope="session")
def probe_engines(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, sa.Engine]]:
    with ExitStack() as stack:
        urls = {
            "sqlite": f"sqlite:///{tmp_path_factory.mktemp('probe') / 'probe.db'}",
            "postgresql": stack.enter_context(fresh_postgresql(None, postgresql_url)),
        }
        engines = {}
        for name, url in urls.items():
            with settings(DATABASE_URL=url, SPOTHIVE_OWNER_URL=""):
                engines[name] = make_owner_engine(get_settings())
            PROBE.metadata.create_all(engines[name])
        yield engines
        for engine in engines.values():
            engine.dispose()


@pytest.fixture
def both_probes(probe_engines: dict[str, sa.Engine]) -> Iterator[dict[str, Probe]]:
    """Yield a probe of each database, for tests that compare their answers."""
    with ExitStack() as stack:
        yield {name: Probe(stack.enter_context(engine.connect())) for name, engine in probe_engines.items()}


@pytest.fixture
def probe(db_engine: str, probe_engines: dict[str, sa.Engine]) -> Iterator[Probe]:
    with probe_engines[db_engine].connect() as connection:
        yield Probe(connection)
