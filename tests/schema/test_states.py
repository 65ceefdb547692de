"""Every pair of states of every machine, tried through ORM, Core and raw SQL, equals the declaration."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from spothive.database import TenantSession, get_db_session, system_scope
from spothive.errors import Conflict, IllegalMove, InvalidInput
from spothive.models import Account, AccountStatus, Base, ModelStatus, OnboardingStatus, ScanStatus
from spothive.schema import states
from spothive.schema.states import StateMachine
from tests.conftest import Database
from tests.factories.samples import TABLES, Row, rule_of, sample, sample_graph, sql_insert, sql_update

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Guarded(NamedTuple):
    """One machine and where it stands."""

    model: type[DeclarativeBase]
    column: str
    machine: StateMachine

    @property
    def table(self) -> str:
        return str(self.model.__tablename__)

    @property
    def first(self) -> str:
        """A state to be born in."""
        return min(self.machine.first)

    @property
    def far(self) -> str:
        """A state that no move leads back from to the first."""
        states = self.machine.states
        return next(state for state in states if state != self.first and self.first not in self.machine.moves[state])

    @property
    def attribute(self) -> Any:
        return getattr(self.model, self.column)


MACHINES = [
    Guarded(mapper.class_, column.key, column.info["state_machine"])
    for mapper in sorted(Base.registry.mappers, key=lambda m: m.class_.__name__)
    for column in mapper.columns
    if "state_machine" in column.info
]
EVERY_MACHINE = pytest.mark.parametrize("guarded", MACHINES, ids=lambda guarded: f"{guarded.table}.{guarded.column}")

# --- what else a state asks for, so that only the machine itself can refuse a move -----------------


def companions(table: str, state: str) -> Row:
    """Columns that a CHECK ties to ``state``."""
    if table == "scan_runs":
        return {"finished_at": None if state == ScanStatus.RUNNING else NOW}
    if table == "ml_models":
        graduated = state in {ModelStatus.GRADUATED, ModelStatus.ENABLED}
        return {
            "archived_at": NOW if state == ModelStatus.ARCHIVED else None,
            **({"graduated_at": NOW} if graduated else {}),
        }
    if table == "onboarding_requests" and state == OnboardingStatus.VERIFIED:
        return {"aws_account_id": "0" * 12, "role_arn": "arn:aws:iam::000000000000:role/spothive"}
    return {}


FRESH: dict[str, Row] = {"scan_runs": {"kind": "waste"}}  # a second run of one kind would be refused for that
FROZEN = {("scan_runs", state) for state in ScanStatus if state != ScanStatus.RUNNING}
"""States in which a row takes no update at all, not even one that changes nothing."""


class Stored(NamedTuple):
    """A row that was written, and the object that stands for it, if the way has objects."""

    row: Row
    object: Any = None


class Way(Protocol):
    """A way to write: how it adds a row, changes one, and undoes what it did."""

    refusals: tuple[type[Exception], ...]

    def add(self, table: str, row: Row) -> Stored: ...

    def change(self, guarded: Guarded, stored: Stored, changes: Row) -> None: ...

    def undone(self) -> AbstractContextManager[None]: ...


class Core:
    refusals: tuple[type[Exception], ...] = (IllegalMove,)

    def __init__(self, session: TenantSession) -> None:
        self.session = session

    def add(self, table: str, row: Row) -> Stored:
        self.session.execute(sa.insert(TABLES[table]).values(**row))
        return Stored(row)

    def change(self, guarded: Guarded, stored: Stored, changes: Row) -> None:
        table = TABLES[guarded.table]
        changed = self.session.execute(sa.update(table).where(table.c.id == stored.row["id"]).values(**changes))
        assert changed.rowcount == 1  # type: ignore[attr-defined]  # a CursorResult

    @contextmanager
    def undone(self) -> Iterator[None]:
        nested = self.session.begin_nested()
        try:
            yield
        finally:
            nested.rollback()


class Orm(Core):
    def add(self, table: str, row: Row) -> Stored:
        model = next(mapper.class_ for mapper in Base.registry.mappers if mapper.local_table is TABLES[table])
        stored = model(**row)
        self.session.add(stored)
        self.session.flush()
        return Stored(row, stored)

    def change(self, guarded: Guarded, stored: Stored, changes: Row) -> None:
        state = changes.pop(guarded.column)
        states.move(self.session, stored.object, guarded.attribute, state, **changes)


class Raw:
    refusals: tuple[type[Exception], ...] = (sqlite3.Error, psycopg.Error)

    def __init__(self, engine: str, connection: Any) -> None:
        self.engine, self.connection = engine, connection

    def add(self, table: str, row: Row) -> Stored:
        self.connection.execute(sql_insert(self.engine, table, row))
        return Stored(row)

    def change(self, guarded: Guarded, stored: Stored, changes: Row) -> None:
        update = sql_update(self.engine, guarded.table, stored.row["id"], **changes)
        assert self.connection.execute(update).rowcount == 1

    @contextmanager
    def undone(self) -> Iterator[None]:
        name = f"s{uuid4().hex}"
        self.connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        finally:
            self.connection.execute(f"ROLLBACK TO SAVEPOINT {name}")


@contextmanager
def way_of(kind: str, db: Database) -> Iterator[tuple[Way, dict[str, UUID]]]:
    """Yield the way and the parents that its rows may point at."""
    tenant = uuid4()
    with get_db_session() as session, system_scope(session, "test"):
        rows = sample_graph(session, tenant)
        parents = {table: row["id"] for table, row in rows.items()}
        free = sample("accounts", parents, 2)  # the other has an open request, of which there is one at a time
        session.execute(sa.insert(TABLES["accounts"]).values(**free))
        parents["accounts"] = free["id"]
        if kind != "raw":
            yield (Orm if kind == "orm" else Core)(session), parents
    if kind == "raw":
        with db.raw(owner=True) as connection:
            connection.execute("BEGIN")
            yield Raw(db.engine, connection), parents
            connection.execute("ROLLBACK")


def path_to(machine: StateMachine, target: str) -> list[str]:
    """Return the shortest way from a first state to ``target``, both included."""
    paths: list[list[str]] = [[state] for state in sorted(machine.first)]
    for path in paths:
        if path[-1] == target:
            return path
        paths += [[*path, after] for after in sorted(machine.moves[machine.states(path[-1])]) if after not in path]
    raise AssertionError(f"{target} cannot be reached from a first state: give the machine a move that leads there")


def put(way: Way, guarded: Guarded, parents: dict[str, UUID], state: str) -> Stored:
    """Make a row and walk it to ``state``."""
    first, *onwards = path_to(guarded.machine, state)
    fresh = FRESH.get(guarded.table, {})
    row = sample(guarded.table, parents, 99, **fresh, **companions(guarded.table, first), **{guarded.column: first})
    stored = way.add(guarded.table, row)
    for step in onwards:
        prepare(way, guarded, parents, stored, step)
        way.change(guarded, stored, entering(guarded, step))
    return stored


def entering(guarded: Guarded, state: str) -> Row:
    """Return what a row takes on with ``state``."""
    return {guarded.column: state, **companions(guarded.table, state)}


def prepare(way: Way, guarded: Guarded, parents: dict[str, UUID], stored: Stored, state: str) -> None:
    """Make true what ``state`` asks of other tables: a COMPLETE run has all its units DONE."""
    if guarded.table == "scan_runs" and state == ScanStatus.COMPLETE:
        unit = way.add("scan_units", sample("scan_units", parents | {"scan_runs": stored.row["id"]}, 99))
        units = next(machine for machine in MACHINES if machine.table == "scan_units")
        way.change(units, unit, {"status": "DONE"})


@EVERY_MACHINE
@pytest.mark.parametrize("kind", ["orm", "core", "raw"])
def test_every_pair_of_states_moves_as_declared(db: Database, guarded: Guarded, kind: str) -> None:
    declared, found = {}, {}
    with way_of(kind, db) as (way, parents):
        for old in guarded.machine.states:
            with way.undone():
                stored = put(way, guarded, parents, old)
                for new in guarded.machine.states:
                    staying = old == new and kind != "orm" and (guarded.table, old) not in FROZEN
                    declared[old, new] = staying or new in guarded.machine.moves[old]
                    with way.undone():
                        if (old, new) == (ScanStatus.RUNNING, ScanStatus.COMPLETE):
                            prepare(way, guarded, parents, stored, new)
                        try:
                            way.change(guarded, stored, entering(guarded, new))
                            found[old, new] = True
                        except way.refusals:
                            found[old, new] = False
    assert found == declared
    assert len(found) == len(guarded.machine.states) ** 2


@EVERY_MACHINE
@pytest.mark.parametrize("kind", ["orm", "core", "raw"])
def test_a_row_is_born_in_a_first_state_only(db: Database, guarded: Guarded, kind: str) -> None:
    born = set()
    with way_of(kind, db) as (way, parents):
        for state in guarded.machine.states:
            values = FRESH.get(guarded.table, {}) | companions(guarded.table, state) | {guarded.column: state}
            with way.undone(), suppress(*way.refusals):
                way.add(guarded.table, sample(guarded.table, parents, 99, **values))
                born.add(state)
    assert born == guarded.machine.first


@EVERY_MACHINE
def test_refusals_carry_the_rule_and_the_table(db: Database, guarded: Guarded) -> None:
    with way_of("core", db) as (way, parents), way.undone():
        stored = put(way, guarded, parents, guarded.far)
        with way.undone(), pytest.raises(IllegalMove) as caught:
            way.change(guarded, stored, entering(guarded, guarded.first))
        moved = {f"lc_{guarded.table}_{guarded.column}_move", "lc_scan_runs_ended"}
        assert (caught.value.rule in moved, caught.value.table) == (True, guarded.table)
        again = sample(guarded.table, parents, 100, **entering(guarded, guarded.far))
        with way.undone(), pytest.raises(IllegalMove) as caught:
            way.add(guarded.table, again)
        assert (caught.value.rule, caught.value.table) == (f"lc_{guarded.table}_{guarded.column}_first", guarded.table)


# --- the object in Python --------------------------------------------------------------------------


@EVERY_MACHINE
def test_a_state_is_assigned_to_new_objects_only(db: Database, guarded: Guarded) -> None:
    other = next(state for state in guarded.machine.states if state != guarded.first)
    with way_of("orm", db) as (way, parents), way.undone():
        stored = put(way, guarded, parents, guarded.first).object
        with pytest.raises(IllegalMove, match=r"states\.move"):
            setattr(stored, guarded.column, other)
        assert getattr(stored, guarded.column) == guarded.first
        setattr(stored, guarded.column, guarded.first)  # the same: no move
    fresh = guarded.model(**{guarded.column: other})
    setattr(fresh, guarded.column, guarded.first)


def test_a_move_finds_out_that_somebody_else_was_faster(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        tenant = sample_graph(session, uuid4())["tenants"]["id"]
    with get_db_session(tenant=tenant) as session:
        account = session.scalars(sa.select(Account)).one()
        before = account.updated_at
    with get_db_session(tenant=tenant) as session:
        states.move(session, session.get_one(Account, account.id), Account.status, AccountStatus.CONNECTED)
    with get_db_session(tenant=tenant) as session:
        session.add(account)  # as it was read before
        with pytest.raises(Conflict, match="no longer pending"):
            states.move(session, account, Account.status, AccountStatus.CONNECTED, status_reason="late")
        assert (account.status, account.status_reason, account.updated_at) == (AccountStatus.PENDING, None, before)
        assert account not in session.dirty


def test_a_move_of_a_row_that_is_gone_is_a_conflict(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        tenant = sample_graph(session, uuid4())["tenants"]["id"]
    with get_db_session(tenant=tenant) as session:
        account = session.scalars(sa.select(Account)).one()
    with get_db_session(tenant=tenant) as session:
        session.delete(session.get_one(Account, account.id))
    with get_db_session(tenant=tenant) as session:
        session.add(account)
        with pytest.raises(Conflict):
            states.move(session, account, Account.status, AccountStatus.CONNECTED)


def test_after_a_move_the_object_holds_what_was_stored(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        rows = sample_graph(session, uuid4())
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        account = session.scalars(sa.select(Account)).one()
        before = account.updated_at
        changes = {"account_metadata": {"proof": {"by": "role"}}, "last_discovered_at": NOW}
        shouted = sa.func.lower("SHOUTED")
        states.move(session, account, Account.status, AccountStatus.CONNECTED, account_name=shouted, **changes)
        assert account not in session.dirty
        assert (account.status, account.account_name) == (AccountStatus.CONNECTED, "shouted")
        assert account.last_discovered_at == NOW
        assert account.updated_at > before
        account.account_metadata["proof"]["by"] = "keys"  # what came with the move is tracked like any other
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        found = session.scalars(sa.select(Account)).one()
        assert found.account_metadata == {"proof": {"by": "keys"}}
        assert (found.status, found.last_discovered_at) == (AccountStatus.CONNECTED, NOW)


def test_a_move_that_a_savepoint_undoes_is_undone_in_the_object(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        tenant = sample_graph(session, uuid4())["tenants"]["id"]
    with get_db_session(tenant=tenant) as session:
        account = session.scalars(sa.select(Account)).one()
        nested = session.begin_nested()
        states.move(session, account, Account.status, AccountStatus.CONNECTED)
        nested.rollback()
        assert account.status is AccountStatus.PENDING
        states.move(session, account, Account.status, AccountStatus.CONNECTED)


def test_a_move_takes_pending_changes_along_and_needs_a_stored_row(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        rows = sample_graph(session, uuid4())
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        account = session.scalars(sa.select(Account)).one()
        account.account_name = "renamed"
        states.move(session, account, Account.status, AccountStatus.CONNECTED)
        fresh = Account(**sample("accounts", {t: r["id"] for t, r in rows.items()}, 2))
        session.add(fresh)
        states.move(session, fresh, Account.status, AccountStatus.CONNECTED)
    with get_db_session(tenant=rows["tenants"]["id"]) as session:
        found = session.scalars(sa.select(Account).order_by(Account.account_id)).all()
        assert [(row.account_name, row.status) for row in found] == [("renamed", "connected"), ("2", "connected")]
        with pytest.raises(InvalidInput, match="not stored"):
            states.move(session, Account(), Account.status, AccountStatus.CONNECTED)


def test_an_illegal_move_says_what_would_be_legal(db: Database) -> None:
    with get_db_session() as session, system_scope(session, "test"):
        tenant = sample_graph(session, uuid4())["tenants"]["id"]
    with get_db_session(tenant=tenant) as session:
        account = session.scalars(sa.select(Account)).one()
        with pytest.raises(IllegalMove, match="from pending it may become connected") as caught:
            states.move(session, account, Account.status, AccountStatus.ACTIVE)
    assert (caught.value.rule, caught.value.table) == ("lc_accounts_status_move", "accounts")


# --- ways around it ----------------------------------------------------------------------------------


@EVERY_MACHINE
def test_no_id_of_a_guarded_row_ever_changes(db: Database, guarded: Guarded) -> None:
    with way_of("raw", db) as (way, parents), way.undone():
        stored = put(way, guarded, parents, guarded.first)
        for column in TABLES[guarded.table].primary_key.columns:
            with way.undone(), pytest.raises(way.refusals) as caught:
                way.change(guarded, stored, {column.name: uuid4()})
            assert rule_of(caught.value) == f"lc_{guarded.table}_key"


@EVERY_MACHINE
def test_an_upsert_is_held_to_the_machine(db: Database, guarded: Guarded) -> None:
    with way_of("raw", db) as (way, parents), way.undone():
        assert isinstance(way, Raw)
        row = put(way, guarded, parents, guarded.far).row
        reborn = row | entering(guarded, guarded.first)
        key = ", ".join(column.name for column in TABLES[guarded.table].primary_key.columns)
        upsert = sql_insert(db.engine, guarded.table, reborn)
        with pytest.raises(way.refusals):
            way.connection.execute(
                f"{upsert} ON CONFLICT ({key}) DO UPDATE SET {guarded.column} = excluded.{guarded.column}"
            )


@pytest.mark.engines("sqlite")
@EVERY_MACHINE
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_sqlites_own_words_cannot_bring_a_row_back_to_its_start(db: Database, guarded: Guarded, recursive: str) -> None:
    with way_of("raw", db) as (way, parents):
        assert isinstance(way, Raw)
        row = put(way, guarded, parents, guarded.far).row
        way.connection.execute("COMMIT")
        way.connection.execute(f"PRAGMA recursive_triggers = {recursive}")
        way.connection.execute("BEGIN")
        reborn = row | entering(guarded, guarded.first)
        attempts = [
            sql_insert("sqlite", guarded.table, reborn, verb="REPLACE"),
            sql_insert("sqlite", guarded.table, reborn, verb="INSERT OR REPLACE"),
            sql_insert("sqlite", guarded.table, reborn, verb="INSERT OR IGNORE"),
            sql_update("sqlite", guarded.table, row["id"], verb="UPDATE OR REPLACE", **{guarded.column: None}),
            sql_update("sqlite", guarded.table, row["id"], verb="UPDATE OR REPLACE", **{guarded.column: guarded.first}),
            sql_update("sqlite", guarded.table, row["id"], verb="UPDATE OR IGNORE", **{guarded.column: guarded.first}),
            sql_update(
                "sqlite", guarded.table, row["id"], verb="UPDATE OR ROLLBACK", **{guarded.column: guarded.first}
            ),
            sql_update("sqlite", guarded.table, parents[guarded.table], verb="UPDATE OR REPLACE", id=row["id"]),
        ]
        table = TABLES[guarded.table]
        state = f"SELECT {guarded.column} FROM {table.name} WHERE id = '{row['id'].hex}'"
        for attempt in attempts:
            with suppress(sqlite3.Error):
                way.connection.execute(attempt)
            assert way.connection.execute(state).fetchall() == [(guarded.far,)], attempt
            if not way.connection.in_transaction:
                way.connection.execute("BEGIN")
