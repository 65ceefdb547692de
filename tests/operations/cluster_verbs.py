"""The verbs about clusters, as data, beside those of ``verbs.py``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import get_db_session
from spothive.models import HibernationOverride, HibernationSchedule, NodeTemplate, SleepState
from spothive.operations.actor import Actor
from spothive.operations.clusters import (
    NodeShape,
    cancel_override,
    create_template,
    delete_template,
    read_week,
    set_default_template,
    set_override,
    set_policy,
    set_schedule,
    set_schedule_enabled,
)
from tests.factories import make_account, make_cluster
from tests.factories.node_groups import EKS, THREE, NodeGroups, make_sleeper, run
from tests.operations.conftest import World
from tests.operations.verbs import Verb, verb

OFFICE = read_week(["mon-fri 07-19"])
SHAPE = NodeShape(["m6i", "m6a"])
_SHAPE = {
    "families": ["m6i", "m6a"],
    "architecture": "x86_64",
    "strategy": "BALANCED",
    "disk_type": "GP3",
    "disk_size": 100,
    "default": False,
}
_OVERRIDE = {"override": ANY, "state": "asleep", "starts_at": ANY, "ends_at": ANY, "reason": "holiday"}


def _cluster(world: World) -> None:
    make_cluster(world.acme, make_account(world.acme, "main").id, "shop")


def _schedule(world: World) -> None:
    _cluster(world)
    with get_db_session(tenant=world.acme) as session:
        set_schedule(session, world.anna, cluster="shop", week=OFFICE)


def _disabled(world: World) -> None:
    _schedule(world)
    with get_db_session(tenant=world.acme) as session:
        set_schedule_enabled(session, world.anna, cluster="shop", enabled=False)


def _template(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.add(NodeTemplate(user_id=world.anna.user_id, name="batch", families=["m6i", "m6a"], is_default=False))


def _planned(world: World) -> None:
    _schedule(world)
    now = utc_now()
    with get_db_session(tenant=world.acme) as session:
        schedule = session.scalars(select(HibernationSchedule)).one()
        facts = {"state": SleepState.ASLEEP, "reason": "holiday", "person_name": "anna"}
        times = {"starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(hours=2)}
        session.add(HibernationOverride(schedule_id=schedule.id, **times, **facts))


def _override(actor: Actor, tenant_id: UUID) -> Any:
    with get_db_session(tenant=tenant_id) as session:
        ends_at = utc_now() + timedelta(hours=3)
        return set_override(session, actor, cluster="shop", state=SleepState.ASLEEP, ends_at=ends_at, reason="holiday")


def _cancel(actor: Actor, tenant_id: UUID) -> Any:
    with get_db_session(tenant=tenant_id) as session:
        override = session.scalars(select(HibernationOverride)).one()
        return cancel_override(session, actor, cluster="shop", override=str(override.id))


def _sleepy(world: World) -> None:
    make_sleeper(world.acme, world.anna)
    with get_db_session(tenant=world.acme) as session:
        set_policy(session, world.anna, cluster="shop", changes={"require_approval": True})


def _apply(actor: Actor, tenant_id: UUID) -> Any:
    return run(tenant_id, actor, NodeGroups(shop={EKS: THREE}))


def _of_anna(
    name: str,
    change: Callable[..., Any],
    facts: dict[str, Any],
    trail: tuple[str, str, Any, Any],
    prepare: Callable[[World], Any] = lambda _: None,
) -> Verb:
    return verb(name, change, facts, actor="anna", denied="lena", tenant="acme", trail=trail, prepare=prepare)


CLUSTER_VERBS: tuple[Verb, ...] = (
    _of_anna(
        "set a policy",
        set_policy,
        {"cluster": "shop", "changes": {"spot_percentage": 80}},
        ("policy.changed", "shop", {"spot_percentage": None, "version": 0}, {"spot_percentage": 80, "version": 1}),
        _cluster,
    ),
    _of_anna(
        "create a template",
        create_template,
        {"name": "batch", "shape": SHAPE},
        ("template.created", "batch", None, _SHAPE),
    ),
    _of_anna(
        "set the default template",
        set_default_template,
        {"name": "batch"},
        ("template.default", "batch", {"default": None}, {"default": "batch"}),
        _template,
    ),
    _of_anna(
        "delete a template",
        delete_template,
        {"name": "batch"},
        ("template.deleted", "batch", _SHAPE, None),
        _template,
    ),
    _of_anna(
        "schedule hibernation",
        set_schedule,
        {"cluster": "shop", "week": OFFICE, "timezone": "Europe/Berlin", "prewarm_minutes": 15},
        (
            "hibernation.scheduled",
            "shop",
            None,
            {"awake": ["mon-fri 07:00-19:00"], "timezone": "Europe/Berlin", "prewarm_minutes": 15},
        ),
        _cluster,
    ),
    _of_anna(
        "disable hibernation",
        set_schedule_enabled,
        {"cluster": "shop", "enabled": False},
        ("hibernation.disabled", "shop", {"enabled": True}, {"enabled": False}),
        _schedule,
    ),
    _of_anna(
        "enable hibernation",
        set_schedule_enabled,
        {"cluster": "shop", "enabled": True},
        ("hibernation.enabled", "shop", {"enabled": False}, {"enabled": True}),
        _disabled,
    ),
    Verb(
        "override hibernation",
        _override,
        "anna",
        "lena",
        "acme",
        (("hibernation.overridden", "shop", None, _OVERRIDE),),
        prepare=_schedule,
    ),
    Verb(
        "cancel an override",
        _cancel,
        "anna",
        "lena",
        "acme",
        (("hibernation.override_cancelled", "shop", _OVERRIDE, None),),
        prepare=_planned,
    ),
    Verb(
        "ask before a sleep",
        _apply,
        "anna",
        None,
        "acme",
        (
            (
                "approval.requested",
                ANY,
                None,
                {
                    "action": "HIBERNATE_CLUSTER",
                    "target": "shop",
                    "risk": "MEDIUM",
                    "status": "PENDING",
                    "expires_at": ANY,
                },
            ),
        ),
        prepare=_sleepy,
    ),
)
