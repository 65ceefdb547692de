"""A scan run is COMPLETE exactly when all it promised was looked at, and then nothing of it changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import get_db_session, system_scope
from spothive.errors import IllegalMove
from spothive.models import ScanRun, ScanStatus, ScanUnit
from spothive.schema import states
from tests.conftest import Database
from tests.factories.samples import sample, sample_graph
from tests.schema.waiting import meanwhile


class Scan:
    """A RUNNING run with units in given states."""

    def __init__(self, *units: str, expected: int, number: int = 1) -> None:
        with get_db_session() as session, system_scope(session, "test"):
            rows = sample_graph(session, uuid4(), number)
            self.tenant = rows["tenants"]["id"]
            parents = {table: row["id"] for table, row in rows.items()}
            run = sample("scan_runs", parents, kind="waste", units_expected=expected)
            session.execute(sa.insert(ScanRun).values(**run))
            self.parents = parents | {"scan_runs": run["id"]}
            self.units = [sample("scan_units", self.parents, number) for number in range(10, 10 + len(units))]
            for unit, status in zip(self.units, units, strict=True):
                session.execute(sa.insert(ScanUnit).values(**unit))
                if status != "PENDING":
                    session.execute(sa.update(ScanUnit).where(ScanUnit.id == unit["id"]).values(status=status))
        self.id = run["id"]

    def end(self, status: ScanStatus) -> None:
        with get_db_session(tenant=self.tenant) as session:
            states.move(session, session.get_one(ScanRun, self.id), ScanRun.status, status, finished_at=utc_now())

    def another_unit(self) -> ScanUnit:
        return ScanUnit(**sample("scan_units", self.parents, 77))


@pytest.mark.parametrize(
    ("units", "expected", "complete"),
    [
        (["DONE"], 1, True),
        (["DONE", "DONE"], 2, True),
        ([], 1, False),
        (["DONE"], 2, False),
        (["DONE", "DONE"], 1, False),
        (["DONE", "FAILED"], 2, False),
        (["DONE", "PENDING"], 2, False),
    ],
)
def test_a_run_is_complete_exactly_when_all_expected_units_are_done(
    db: Database, units: list[str], expected: int, complete: bool
) -> None:
    wrong, right = (ScanStatus.PARTIAL, ScanStatus.COMPLETE)[:: 1 if complete else -1]
    scan = Scan(*units, expected=expected)
    with pytest.raises(IllegalMove) as caught:
        scan.end(wrong)
    assert caught.value.rule == "lc_scan_runs_complete"
    scan.end(right)


def test_a_run_may_fail_whatever_its_units_say(db: Database) -> None:
    Scan("DONE", expected=1).end(ScanStatus.FAILED)


@pytest.mark.parametrize("status", [ScanStatus.COMPLETE, ScanStatus.FAILED])
def test_nothing_of_an_ended_run_changes(db: Database, status: ScanStatus) -> None:
    scan = Scan("DONE", expected=1)
    scan.end(status)
    unit = scan.units[0]["id"]
    attempts: list[tuple[str, Any]] = [
        ("lc_scan_runs_ended", sa.update(ScanRun).where(ScanRun.id == scan.id).values(seen=5)),
        ("lc_scan_runs_ended", sa.update(ScanRun).where(ScanRun.id == scan.id).values(units_expected=2)),
        ("lc_scan_units_frozen", sa.update(ScanUnit).where(ScanUnit.id == unit).values(items=5)),
        ("lc_scan_units_kept", sa.delete(ScanUnit).where(ScanUnit.id == unit)),
        ("lc_scan_units_frozen", sa.insert(ScanUnit).values(**sample("scan_units", scan.parents, 77))),
    ]
    for rule, attempt in attempts:
        with pytest.raises(IllegalMove) as caught, get_db_session() as session, system_scope(session, "test"):
            session.execute(attempt)
        assert caught.value.rule == rule


def test_a_unit_never_changes_its_run(db: Database) -> None:
    running, other, ended = Scan("PENDING", expected=1), Scan(expected=1, number=2), Scan("DONE", expected=1, number=3)
    ended.end(ScanStatus.COMPLETE)
    for of, to in ((running, other), (running, ended), (ended, running)):
        mine = sa.update(ScanUnit).where(ScanUnit.id == of.units[0]["id"])
        with pytest.raises(IllegalMove) as caught, get_db_session() as session, system_scope(session, "test"):
            session.execute(mine.values(scan_run_id=to.id))
        # Within a tenant; another tenant's run would not even be a parent.
        assert caught.value.rule in {"lc_scan_units_run", "lc_scan_units_frozen"}


def test_units_go_with_their_run_and_after_90_days(db: Database) -> None:
    scan = Scan("DONE", expected=2)
    old = utc_now() - timedelta(days=90, seconds=1)
    with get_db_session(tenant=scan.tenant) as session:
        session.add(aged := scan.another_unit())
        aged.updated_at = old
        session.flush()
        session.execute(sa.delete(ScanUnit).where(ScanUnit.id == aged.id))
        session.delete(session.get_one(ScanRun, scan.id))
        session.flush()
        assert session.get(ScanUnit, scan.units[0]["id"]) is None


@pytest.mark.parametrize("kept", [True, False], ids=["commit", "rollback"])
def test_a_run_cannot_be_completed_past_a_unit_that_is_being_added(db: Database, kept: bool) -> None:
    scan = Scan("DONE", expected=1)
    refused = meanwhile(db, lambda s: _add_unit(s, scan), lambda s: _complete(s, scan), first_commits=kept)
    assert refused == ("lc_scan_runs_complete" if kept else None)


@pytest.mark.parametrize("kept", [True, False], ids=["commit", "rollback"])
def test_a_unit_cannot_be_added_to_a_run_that_is_being_completed(db: Database, kept: bool) -> None:
    scan = Scan("DONE", expected=1)
    refused = meanwhile(db, lambda s: _complete(s, scan), lambda s: _add_unit(s, scan), first_commits=kept)
    assert refused == ("lc_scan_units_frozen" if kept else None)


@pytest.mark.parametrize("kept", [True, False], ids=["commit", "rollback"])
def test_a_unit_cannot_fail_in_a_run_that_is_being_completed(db: Database, kept: bool) -> None:
    scan = Scan("PENDING", expected=1)

    def fail(session: Any) -> None:
        session.execute(sa.update(ScanUnit).where(ScanUnit.id == scan.units[0]["id"]).values(status="FAILED"))

    def finish(session: Any) -> None:
        session.execute(sa.update(ScanUnit).where(ScanUnit.id == scan.units[0]["id"]).values(status="DONE"))
        _complete(session, scan)

    refused = meanwhile(db, finish, fail, first_commits=kept)
    assert (refused is None) is not kept


def _complete(session: Any, scan: Scan) -> None:
    run = session.get_one(ScanRun, scan.id)
    states.move(session, run, ScanRun.status, ScanStatus.COMPLETE, finished_at=utc_now())


def _add_unit(session: Any, scan: Scan) -> None:
    session.execute(sa.insert(ScanUnit).values(**sample("scan_units", scan.parents, 77)))
