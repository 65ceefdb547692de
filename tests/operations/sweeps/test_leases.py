"""Who does a duty: one at a time, until it lets go or its lease is over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from time import monotonic

import pytest

from spothive.database import SweepLease, get_db_session, read_session, system_scope
from spothive.operations.sweeps import LeaseLost, leases
from spothive.operations.sweeps.leases import Lease, read_standings
from tests.conftest import Database
from tests.operations.sweeps.conftest import MINUTE, a_lease, lease_of, set_back
from tests.watching import rows_of, statements

AT_ONCE = 8


def let_go(lease: Lease, result: str = "done", *, ran: bool = True) -> bool:
    with get_db_session() as session, system_scope(session, "a test"):
        return lease.release(session, result, ran=ran)


def test_of_many_who_claim_a_duty_at_once_one_gets_it(db: Database) -> None:
    for already_there in (False, True):
        if already_there:
            set_back(db, "leased_until")
        start, wanting = Barrier(AT_ONCE), [a_lease() for _ in range(AT_ONCE)]

        def claim(lease: Lease, start: Barrier = start) -> bool:
            start.wait()
            return lease.claim(MINUTE)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            got = list(threads.map(claim, wanting))
        assert got.count(True) == 1
        assert lease_of()["holder"] == wanting[got.index(True)].holder
    assert len(rows_of(SweepLease)) == 1


def test_a_duty_is_claimed_again_when_it_was_let_go_and_is_due(db: Database) -> None:
    first, second = a_lease(), a_lease()
    assert first.claim(MINUTE)
    assert not second.claim(MINUTE)
    assert not second.claim(None), "due or not, one at a time"
    assert let_go(first)
    row = lease_of()
    assert (row["holder"], row["last_result"]) == (first.holder, "done")
    assert row["last_run_at"] <= row["leased_until"]
    assert not second.claim(MINUTE), "it is not due"
    assert second.claim(None), "whoever asks for it gets it"
    assert not let_go(first), "it is another's"
    assert let_go(second, ran=False)
    assert lease_of()["last_run_at"] == row["last_run_at"], "a run that was broken off does not count"
    set_back(db, "last_run_at")
    assert first.claim(MINUTE)


def test_one_that_is_silent_loses_its_duty_and_learns_it(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    silent, next_one = a_lease(), a_lease()
    assert silent.claim(MINUTE)
    set_back(db, "leased_until")
    assert silent.extend(), "nobody has taken it"
    silent.keep()
    set_back(db, "leased_until")
    assert next_one.claim(MINUTE)
    silent.keep()  # by its own clock it said something just now
    later = monotonic() + 21  # a third of the lease
    monkeypatch.setattr(leases, "monotonic", lambda: later)
    with pytest.raises(
        LeaseLost, match=r"^the duty risk was taken over by another process: see `spothive sweep --list`"
    ):
        silent.keep()
    assert not let_go(silent)
    assert lease_of()["holder"] == next_one.holder
    next_one.keep()


def test_the_lease_is_extended_while_the_work_goes_on(db: Database) -> None:
    lease = a_lease(seconds=0.03)
    assert lease.claim(None)
    first = lease_of()["leased_until"]
    with lease.beating():
        while lease_of()["leased_until"] <= first:
            pass
    assert lease.extend()


def test_a_clock_that_was_set_back_stops_no_duty(db: Database) -> None:
    first, second = a_lease(), a_lease()
    assert first.claim(MINUTE)
    let_go(first)
    set_back(db, "last_run_at", minutes=-600)
    with read_session() as session:
        standing = read_standings(session, "risk")["risk"]
    assert standing.due_at(MINUTE) <= standing.now
    assert second.claim(MINUTE)


def test_how_duties_stand_is_read_at_once_and_without_a_lock(db: Database) -> None:
    held, done = a_lease("risk"), a_lease("health")
    assert held.claim(None)
    assert done.claim(None)
    let_go(done, "all is well")
    with read_session() as session:
        session.connection()
        with statements() as sent:
            found = read_standings(session, "health", "risk", "never")
    assert sent.total() == 1
    assert list(found) == ["health", "risk", "never"]
    assert (found["risk"].holder, found["risk"].last_result) == (held.holder, None)
    assert found["risk"].due_at(MINUTE) == found["risk"].leased_until
    assert (found["health"].holder, found["health"].last_result) == (None, "all is well")
    last_run_at = found["health"].last_run_at
    assert last_run_at is not None
    assert found["health"].due_at(MINUTE) == last_run_at + timedelta(minutes=1)
    assert found["never"].due_at(MINUTE) == found["never"].now
