"""Every pair of states of every machine, tried through ORM, Core and raw SQL, equals the declaration."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from spothive.database import get_db_session, system_scope
from spothive.errors import Conflict, IllegalMove, InvalidInput
from spothive.models import Account, AccountStatus, ActionStatus, Base, DatasetJobStatus, JobStatus, ScanStatus
from spothive.models.datasets import DATASET_JOB_LIFE
from spothive.schema import states
from spothive.schema.states import StateMachine
from tests.conftest import Database
from tests.factories.graph import Graph
from tests.factories.lives import NOW, entering, illegal_move
from tests.factories.samples import TABLES, Row, rule_of, sample
from tests.factories.ways import Core, Orm, Raw


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
    def late(self) -> str:
        """A state that no row is born in."""
        return next(state for state in self.machine.states if state not in self.machine.first)

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

# What a state asks for besides, so that only the machine itself can refuse a move, is in tests/factories/lives.py.

DATASET_JOBS = ("dataset_generations", "dataset_imports")
FROZEN = {("scan_runs", state) for state in ScanStatus if state != ScanStatus.RUNNING} | {
    (table, state) for table in DATASET_JOBS for state in DatasetJobStatus if not DATASET_JOB_LIFE.moves[state]
}
"""States in which a row takes no update at all, not even one that changes nothing."""


@contextmanager
def way_of(kind: str, db: Database, rows: dict[str, Row]) -> Iterator[Graph]:
    """Yield a graph that begins with ``rows`` and whose further rows are written in this way: orm, core or raw."""
    if kind != "raw":
        with get_db_session() as session, system_scope(session, "test"):
            yield Graph((Orm if kind == "orm" else Core)(session), rows)
        return
    with db.raw() as connection:
        yield Graph(Raw(db.engine, connection, rows["tenants"]["id"]), rows)
        connection.execute("ROLLBACK")


def born(graph: Graph, guarded: Guarded, state: str, number: int = 99) -> UUID:
    """Make a row that begins in ``state``; return its id."""
    found: UUID = graph.add(guarded.table, number, **entering(guarded.table, state))["id"]
    return found


def put(graph: Graph, guarded: Guarded, state: str) -> UUID:
    """Make a row and walk it to ``state``; return its id."""
    found: UUID = graph.grow(guarded.table, state, 99)["id"]
    return found


@EVERY_MACHINE
@pytest.mark.parametrize("kind", ["orm", "core", "raw"])
def test_every_pair_of_states_moves_as_declared(
    db: Database, sample_rows: dict[str, Row], guarded: Guarded, kind: str
) -> None:
    declared, found = {}, {}
    with way_of(kind, db, sample_rows) as graph:
        for old in guarded.machine.states:
            with graph.way.undone():
                row_id = put(graph, guarded, old)
                for new in guarded.machine.states:
                    staying = old == new and kind != "orm" and (guarded.table, old) not in FROZEN
                    declared[old, new] = staying or new in guarded.machine.moves[old]
                    with graph.way.undone():
                        found[old, new] = moves(graph, guarded, row_id, new, old)
    assert found == declared
    assert len(found) == len(guarded.machine.states) ** 2


def moves(graph: Graph, guarded: Guarded, row_id: UUID, new: enum.StrEnum, old: enum.StrEnum) -> bool:
    """Tell whether the row moves; where a move is refused, the machine is what refuses it."""
    try:
        if new in guarded.machine.moves[old]:
            graph.step(guarded.table, new, row_id)
        else:
            graph.change(guarded.table, row_id, **entering(guarded.table, new))
    except graph.way.refusals as refused:
        rule = refused.rule if isinstance(refused, IllegalMove) else rule_of(refused)
        assert rule in {f"lc_{guarded.table}_{guarded.column}_move", *OTHERS.get((guarded.table, new), ())}, rule
        return False
    return True


OTHERS: dict[tuple[str, str], tuple[str, ...]] = {
    **{("agent_actions", state): ("lc_agent_actions_ended",) for state in ActionStatus},
    ("agent_actions", "PICKED_UP"): (
        *("lc_agent_actions_token", "lc_agent_actions_attempts", "lc_agent_actions_ended"),
    ),
    ("agent_actions", "EXPIRED"): ("lc_agent_actions_late", "lc_agent_actions_ended"),
    **{("optimization_jobs", state): ("lc_optimization_jobs_ended",) for state in JobStatus},
    ("optimization_jobs", "COMPLETED"): (
        *("lc_optimization_jobs_completed", "lc_optimization_jobs_ended", "lc_optimization_jobs_handed_over"),
    ),
    **{("scan_runs", state): ("lc_scan_runs_ended",) for state in ScanStatus},
    **{(table, state): (f"lc_{table}_ended",) for table in DATASET_JOBS for state in DatasetJobStatus},
    ("waste_resources", "FLAGGED"): ("lc_waste_resources_flagged",),
    ("waste_resources", "SCHEDULED_DELETE"): ("lc_waste_resources_complete", "lc_waste_resources_approved"),
    ("waste_resources", "DELETED"): ("lc_waste_resources_grace",),
}
"""Other guards that may answer for a move into this state."""


@EVERY_MACHINE
@pytest.mark.parametrize("kind", ["orm", "core", "raw"])
def test_a_row_is_born_in_a_first_state_only(
    db: Database, sample_rows: dict[str, Row], guarded: Guarded, kind: str
) -> None:
    alive = set()
    with way_of(kind, db, sample_rows) as graph:
        for state in guarded.machine.states:
            with graph.way.undone(), suppress(*graph.way.refusals):
                born(graph, guarded, state)
                alive.add(state)
    assert alive == guarded.machine.first


@EVERY_MACHINE
def test_refusals_carry_the_rule_and_the_table(db: Database, sample_rows: dict[str, Row], guarded: Guarded) -> None:
    with way_of("core", db, sample_rows) as graph, graph.way.undone():
        far, barred = illegal_move(guarded.machine)
        row_id = put(graph, guarded, far)
        with graph.way.undone(), pytest.raises(IllegalMove) as caught:
            graph.change(guarded.table, row_id, **entering(guarded.table, barred))
        moved = {f"lc_{guarded.table}_{guarded.column}_move", f"lc_{guarded.table}_ended"}
        assert (caught.value.rule in moved, caught.value.table) == (True, guarded.table)
        with graph.way.undone(), pytest.raises(IllegalMove) as caught:
            born(graph, guarded, guarded.late, 100)
        assert (caught.value.rule, caught.value.table) == (f"lc_{guarded.table}_{guarded.column}_first", guarded.table)


# --- the object in Python --------------------------------------------------------------------------


@EVERY_MACHINE
def test_a_state_is_assigned_to_new_objects_only(db: Database, sample_rows: dict[str, Row], guarded: Guarded) -> None:
    other = next(state for state in guarded.machine.states if state != guarded.first)
    with way_of("orm", db, sample_rows) as graph, graph.way.undone():
        assert isinstance(graph.way, Orm)
        stored = graph.way.objects[put(graph, guarded, guarded.first)]
        with pytest.raises(IllegalMove, match=r"states\.move"):
            setattr(stored, guarded.column, other)
        assert getattr(stored, guarded.column) == guarded.first
        setattr(stored, guarded.column, guarded.first)  # the same: no move
    fresh = guarded.model(**{guarded.column: other})
    setattr(fresh, guarded.column, guarded.first)


def test_a_move_finds_out_that_somebody_else_was_faster(sample_rows: dict[str, Row]) -> None:
    tenant = sample_rows["tenants"]["id"]
    with get_db_session(tenant=tenant) as session:
        account = session.scalars(sa.select(Account)).one()
        before = account.updated_at
    with get_db_session(tenant=tenant) as session:
        states.move(session, session.get_one(Account, account.id), Account.status, AccountStatus.CONNECTED)
    with get_db_session(tenant=tenant) as session:
        session.add(account)  # as it was read before
        with pytest.raises(Conflict, match=r"^this account is no longer pending"):
            states.move(session, account, Account.status, AccountStatus.CONNECTED, status_reason="late")
        assert (account.status, account.status_reason, account.updated_at) == (AccountStatus.PENDING, None, before)
        assert account not in session.dirty


def test_a_move_of_a_row_that_is_gone_is_a_conflict(sample_rows: dict[str, Row]) -> None:
    tenant = sample_rows["tenants"]["id"]
    with get_db_session(tenant=tenant) as session:
        account = session.scalars(sa.select(Account)).one()
    with get_db_session(tenant=tenant) as session:
        session.delete(session.get_one(Account, account.id))
    with get_db_session(tenant=tenant) as session:
        session.add(account)
        with pytest.raises(Conflict):
            states.move(session, account, Account.status, AccountStatus.CONNECTED)


def test_after_a_move_the_object_holds_what_was_stored(sample_rows: dict[str, Row]) -> None:
    with get_db_session(tenant=sample_rows["tenants"]["id"]) as session:
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
    with get_db_session(tenant=sample_rows["tenants"]["id"]) as session:
        found = session.scalars(sa.select(Account)).one()
        assert found.account_metadata == {"proof": {"by": "keys"}}
        assert (found.status, found.last_discovered_at) == (AccountStatus.CONNECTED, NOW)


def test_a_move_that_a_savepoint_undoes_is_undone_in_the_object(sample_rows: dict[str, Row]) -> None:
    tenant = sample_rows["tenants"]["id"]
    with get_db_session(tenant=tenant) as session:
        account = session.scalars(sa.select(Account)).one()
        nested = session.begin_nested()
        states.move(session, account, Account.status, AccountStatus.CONNECTED)
        nested.rollback()
        assert account.status is AccountStatus.PENDING
        states.move(session, account, Account.status, AccountStatus.CONNECTED)


def test_a_move_takes_pending_changes_along_and_needs_a_stored_row(sample_rows: dict[str, Row]) -> None:
    with get_db_session(tenant=sample_rows["tenants"]["id"]) as session:
        account = session.scalars(sa.select(Account)).one()
        account.account_name = "renamed"
        states.move(session, account, Account.status, AccountStatus.CONNECTED)
        fresh = Account(**sample("accounts", {t: r["id"] for t, r in sample_rows.items()}, 2))
        session.add(fresh)
        states.move(session, fresh, Account.status, AccountStatus.CONNECTED)
    with get_db_session(tenant=sample_rows["tenants"]["id"]) as session:
        found = session.scalars(sa.select(Account).order_by(Account.account_id)).all()
        assert [(row.account_name, row.status) for row in found] == [("renamed", "connected"), ("2", "connected")]
        with pytest.raises(InvalidInput, match="not stored"):
            states.move(session, Account(), Account.status, AccountStatus.CONNECTED)


def test_an_illegal_move_says_what_would_be_legal(sample_rows: dict[str, Row]) -> None:
    tenant = sample_rows["tenants"]["id"]
    with get_db_session(tenant=tenant) as session:
        account = session.scalars(sa.select(Account)).one()
        with pytest.raises(
            IllegalMove, match=r"^this account is pending and cannot become active; from pending it"
        ) as caught:
            states.move(session, account, Account.status, AccountStatus.ACTIVE)
    assert (caught.value.rule, caught.value.table) == ("lc_accounts_status_move", "accounts")


# --- ways around it ----------------------------------------------------------------------------------


@EVERY_MACHINE
def test_no_id_of_a_guarded_row_ever_changes(db: Database, sample_rows: dict[str, Row], guarded: Guarded) -> None:
    with way_of("raw", db, sample_rows) as graph, graph.way.undone():
        row_id = put(graph, guarded, guarded.first)
        for column in TABLES[guarded.table].primary_key.columns:
            with graph.way.undone(), pytest.raises(graph.way.refusals) as caught:
                graph.change(guarded.table, row_id, **{column.name: uuid4()})
            assert rule_of(caught.value) == f"lc_{guarded.table}_key"
