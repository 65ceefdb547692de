"""Imports that meet: of one account, of two accounts that claim the same instances, and a disconnection."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spothive.database import Account, Instance, ScanRun, ScanStatus, get_db_session
from spothive.errors import Conflict
from spothive.gateways.ec2_answer import ObservedInstance, content_hash
from spothive.operations.fleet import ScanResult, disconnect_account, import_fleet
from tests.factories.fleets import a_day_later, answer_of, large_fleet, observed
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import at_once
from tests.watching import rows_of


def importing(world: World, name: str, fleet: list[ObservedInstance]) -> Callable[[], ScanResult]:
    def work() -> ScanResult:
        with get_db_session(tenant=world.acme) as session:
            return import_fleet(session, world.anna, name=name, answer=answer_of(fleet))

    return work


def test_two_first_imports_of_one_account_follow_one_another(world: World) -> None:
    fleet = large_fleet(300)
    first, second = at_once(importing(world, "shop", fleet), importing(world, "shop", fleet))
    assert sorted(len(result.added) for result in (first, second)) == [0, 300]
    assert len(rows_of(Account)) == 1
    assert len(rows_of(Instance)) == 300
    assert [run["status"] for run in rows_of(ScanRun)] == [ScanStatus.COMPLETE] * 2
    assert len(audited(event="account.imported")) == 2


def test_two_imports_of_a_known_account_follow_one_another(world: World) -> None:
    fleet = large_fleet(300)
    later = a_day_later(fleet)
    importing(world, "shop", fleet)()
    forth, back = at_once(importing(world, "shop", later), importing(world, "shop", fleet))
    assert (forth.status, back.status) == (ScanStatus.COMPLETE, ScanStatus.COMPLETE)
    # Either nothing had changed yet when the old answer came, or it took back the whole of the new one.
    assert len(back.changed) in {0, len(forth.changed) + len(forth.vanished)}
    decisive = fleet if back.changed else later
    hashes = {row["instance_id"]: row["content_hash"] for row in rows_of(Instance)}
    assert [hashes[seen.instance_id] for seen in decisive] == [content_hash(seen) for seen in decisive]


def test_two_accounts_never_hold_the_same_instance(world: World) -> None:
    fleet = [observed(number) for number in range(200)]
    results = at_once(importing(world, "one", fleet), importing(world, "two", fleet[::-1]))
    winners = [result for result in results if isinstance(result, ScanResult) and result.added]
    assert len(winners) == 1
    assert len(rows_of(Instance)) == 200
    for result in results:
        if result is not winners[0]:
            assert isinstance(result, Conflict) or str(result).startswith("nothing was imported")


def test_an_import_into_an_account_that_is_being_disconnected_is_refused(world: World) -> None:
    importing(world, "shop", large_fleet(20))()

    def interrupt(_: int, __: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="shop", progress=interrupt)
    with pytest.raises(Conflict, match=r"^account shop is being disconnected: let `spothive account disconnect shop`"):
        importing(world, "shop", large_fleet(20))()
    disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="shop")
    assert len(importing(world, "shop", large_fleet(20))().added) == 20


def test_two_disconnections_of_one_account_are_told_once(world: World) -> None:
    importing(world, "shop", large_fleet(200))()

    def disconnect() -> dict[str, int]:
        return disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="shop")

    results = at_once(disconnect, disconnect)
    assert any(isinstance(result, dict) for result in results)
    assert rows_of(Account) == rows_of(Instance) == []
    assert len(audited(event="account.disconnecting")) == 1
    assert len(audited(event="account.disconnected")) == 1
