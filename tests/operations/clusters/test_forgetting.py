"""Whoever forgets a schedule forgets how its cluster is woken: by whom that is refused, and what is told meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import delete

from spothive.database import get_db_session
from spothive.errors import Conflict
from spothive.models import Account, Cluster, HibernationSchedule, Tenant, User
from spothive.operations.clusters import Outcome
from spothive.operations.identity import delete_user
from tests.conftest import Database
from tests.factories.node_groups import ASG, EKS, FIVE, THREE, NodeGroups, make_sleeper, run
from tests.operations.conftest import World
from tests.watching import everything, rows_of

ASLEEP = r"^shop is asleep, and nobody would know how to wake it: .*--leave-asleep$"


@pytest.fixture
def aws(world: World) -> NodeGroups:
    make_sleeper(world.acme, world.anna)
    return NodeGroups(shop={EKS: THREE, ASG: FIVE})


def leave(world: World, **how: bool) -> list[str]:
    with get_db_session(tenant=world.acme) as session:
        return delete_user(session, world.admin, username="anna", with_accounts=True, **how)


def test_a_user_whose_clusters_sleep_is_deleted_only_if_they_are_left_asleep(world: World, aws: NodeGroups) -> None:
    run(world.acme, world.anna, aws)
    before = everything()
    with pytest.raises(Conflict, match=ASLEEP):
        leave(world)
    assert everything() == before
    assert leave(world, leave_asleep=True) == ["main"]
    assert (rows_of(HibernationSchedule), rows_of(User, username="anna")) == ([], [])


def test_a_user_whose_clusters_are_awake_goes(world: World, aws: NodeGroups) -> None:
    assert leave(world) == ["main"]


def test_a_user_is_not_deleted_while_a_cluster_falls_asleep(world: World, aws: NodeGroups) -> None:
    refused: list[str] = []

    def meanwhile(step: str) -> None:
        with pytest.raises(Conflict, match=ASLEEP):
            leave(world)
        refused.append(step)

    aws.on_step = meanwhile
    assert [each.outcome for each in run(world.acme, world.anna, aws)] == [Outcome.DONE]
    assert "groups" in refused
    assert f"scaled {EKS}" in refused


def test_a_run_that_begins_while_a_user_is_deleted_finds_nothing(db: Database, world: World, aws: NodeGroups) -> None:
    told: list[Any] = []
    begun = Event()
    with get_db_session(tenant=world.acme) as session:
        delete_user(session, world.admin, username="anna", with_accounts=True)

        def late() -> None:
            begun.set()
            told.extend(run(world.acme, world.admin, aws))

        runner = Thread(target=late)
        runner.start()
        assert begun.wait(30)
    runner.join(30)
    assert {each.outcome for each in told} <= {Outcome.NOT_YET}
    assert (aws.scaled, rows_of(HibernationSchedule)) == ([], [])


@pytest.mark.parametrize("model", [Account, User, Tenant])
def test_cascades_go_through(db: Database, world: World, aws: NodeGroups, model: Any) -> None:
    run(world.acme, world.anna, aws)
    with db.raw(owner=True) as connection:
        where = (
            "slug = 'acme'" if model is Tenant else "username = 'anna'" if model is User else "account_name = 'main'"
        )
        connection.execute(f"DELETE FROM {model.__tablename__} WHERE {where}")
    assert rows_of(HibernationSchedule) == []


def _delete(world: World, model: Any) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.execute(delete(model))


@pytest.mark.parametrize("model", [Account, Cluster])
@pytest.mark.parametrize("step", ["groups", f"scaled {ASG}", f"scaled {EKS}"])
def test_what_is_deleted_meanwhile_is_not_said_to_be_gone_on_with(
    world: World, aws: NodeGroups, step: str, model: Any
) -> None:
    aws.on_step = once(step, lambda: _delete(world, model))
    (told,) = run(world.acme, world.anna, aws)
    assert told.outcome is Outcome.FAILED
    assert str(told.message).startswith("shop, its schedule or its account was deleted meanwhile: nobody goes on")
    assert run(world.acme, world.anna, aws) == []


def once(step: str, do: Callable[[], object]) -> Callable[[str], None]:
    left = [step]

    def on_step(what: str) -> None:
        if what in left:
            left.clear()
            do()

    return on_step
