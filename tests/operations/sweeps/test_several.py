"""Several tenants at once: one for whom AWS is silent holds up neither the others nor the next run."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from spothive.database import get_db_session
from spothive.errors import DatabaseUnavailable
from spothive.operations.clusters import set_schedule_enabled
from spothive.operations.sweeps import Outcome, Run, Tools, several
from spothive.operations.sweeps.leases import LeaseLost
from spothive.operations.sweeps.running import run_duty
from spothive.operations.sweeps.several import several_at_once
from spothive.operations.sweeps.work import ForTenant, Stopped, Work
from tests.conftest import Database
from tests.factories.node_groups import EKS, FIVE, THREE, NodeGroups, make_sleeper, run
from tests.operations.conftest import World
from tests.operations.sweeps.conftest import duty, swept

WAIT = 30


class Silent:
    """Work that for one tenant comes to no end before it is let go."""

    def __init__(self, slug: str = "acme") -> None:
        self.slug = slug
        self.seen: list[str] = []
        self.let_go = Event()

    def __call__(self, work: Work) -> None:
        several_at_once(work, work.tenants(), self.do, lambda tenant, _: work.counts.update([tenant.slug]))

    def do(self, tenant: ForTenant) -> None:
        self.seen.append(tenant.slug)
        if tenant.slug == self.slug:
            assert self.let_go.wait(WAIT)


def once(world: World, tools: Tools, do: Any, under_way: set[UUID] | None = None, **how: Any) -> Run:
    done = run_duty(get_db_session, duty(do), tools, by=world.admin, period=None, under_way=under_way, **how)
    assert done is not None
    return done


def test_a_tenant_whose_aws_is_silent_holds_up_no_other(db: Database, world: World, tools: Tools) -> None:
    make_sleeper(world.acme, world.anna)
    make_sleeper(world.globex, world.gina, "zoo")
    aws = NodeGroups(shop={EKS: THREE}, zoo={EKS: FIVE})
    run(world.globex, world.gina, aws)
    with get_db_session(tenant=world.globex) as session:
        set_schedule_enabled(session, world.gina, cluster="zoo", enabled=False)
    silent, woken = Event(), Event()
    ask = aws.node_groups

    def node_groups(who: Any, region: str, cluster: str, **also: Any) -> Any:
        if cluster == "shop":
            silent.set()
            assert woken.wait(WAIT)
        else:
            assert silent.wait(WAIT)
        return ask(who, region, cluster, **also)

    aws.node_groups = node_groups  # type: ignore[assignment, method-assign]
    aws.on_step = lambda step: woken.set() if step == f"scaled {EKS}" else None
    (told,) = swept(world, replace(tools, gateway=aws), only="hibernation")
    assert (told.outcome, told.counts) == (Outcome.DONE, {"done": 2})
    assert (aws.held["zoo"], aws.is_asleep("shop")) == ({EKS: FIVE}, True)


def test_a_process_that_stays_ends_the_run_and_leaves_the_tenant_out_until_it_is_done(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "PATIENCE", 1.0)
    silent, under_way = Silent(), set[UUID]()
    first = once(world, tools, silent, under_way)
    assert (first.outcome, first.counts) == (Outcome.PARTIAL, {"platform": 1, "globex": 1})
    assert first.failures == {"acme": "it takes longer than 1 s: it goes on by itself, and later runs do without it"}
    assert under_way == {world.acme}
    second = once(world, tools, silent, under_way)
    assert (second.outcome, second.counts) == (Outcome.DONE, {"platform": 1, "globex": 1, "under_way": 1})
    assert silent.seen.count("acme") == 1
    silent.let_go.set()
    while under_way:
        Event().wait(0.01)
    assert once(world, tools, silent, under_way).counts == {"platform": 1, "acme": 1, "globex": 1}
    assert first.counts == {"platform": 1, "globex": 1}


def test_a_process_that_ends_waits_for_all(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "PATIENCE", 0.0)
    silent = Silent("globex")
    silent.let_go.set()
    assert once(world, tools, silent).counts == {"platform": 1, "acme": 1, "globex": 1}


def test_when_many_are_silent_nobody_is_left(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "PATIENCE", 0.0)
    monkeypatch.setattr(several, "LEFT_MAX", 0)
    assert once(world, tools, lambda work: several_at_once(work, work.tenants(), str, _tell(work)), set()).counts == {
        "platform": 1,
        "acme": 1,
        "globex": 1,
    }


def _tell(work: Work) -> Any:
    return lambda tenant, _: work.counts.update([tenant.slug])


def test_no_more_at_once_than_there_is_room_for(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "TENANTS_AT_ONCE", 2)
    many = [ForTenant(UUID(int=number), f"t{number}") for number in range(20)]
    at_once: list[ForTenant] = []
    most: list[int] = []

    def do(tenant: ForTenant) -> None:
        at_once.append(tenant)
        most.append(len(at_once))
        at_once.remove(tenant)

    told = once(world, tools, lambda work: several_at_once(work, many, do, _tell(work)))
    assert (len(told.counts), told.outcome) == (20, Outcome.DONE)
    assert max(most) <= 2


def test_what_goes_wrong_is_noted_by_tenant(db: Database, world: World, tools: Tools) -> None:
    def do(tenant: ForTenant) -> None:
        if tenant.slug == "acme":
            raise ZeroDivisionError("a secret")

    told = once(world, tools, lambda work: several_at_once(work, work.tenants(), do, _tell(work)))
    assert (told.outcome, told.counts) == (Outcome.PARTIAL, {"platform": 1, "globex": 1})
    assert told.failures == {"acme": "a defect of spothive: ZeroDivisionError"}


def test_asked_to_end_it_finishes_those_at_hand_and_begins_no_other(
    db: Database, world: World, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "TENANTS_AT_ONCE", 1)
    stop = Event()
    seen: list[str] = []

    def do(tenant: ForTenant) -> None:
        seen.append(tenant.slug)
        stop.set()

    told = once(
        world, tools, lambda work: several_at_once(work, work.tenants(), do, _tell(work)), is_to_stop=stop.is_set
    )
    assert (told.outcome, told.counts, seen) == (Outcome.STOPPED, {"platform": 1}, ["platform"])


@pytest.mark.parametrize("error", [Stopped("x"), LeaseLost("x"), DatabaseUnavailable("x")])
def test_what_ends_the_run_ends_it(db: Database, world: World, tools: Tools, error: Exception) -> None:
    def do(tenant: ForTenant) -> None:
        if tenant.slug == "platform":
            raise error

    def work_for_all(work: Work) -> None:
        several_at_once(work, work.tenants(), do, _tell(work))

    if isinstance(error, DatabaseUnavailable):
        with pytest.raises(DatabaseUnavailable):
            once(world, tools, work_for_all)
    else:
        assert once(world, tools, work_for_all).outcome in {Outcome.STOPPED, Outcome.LOST}
