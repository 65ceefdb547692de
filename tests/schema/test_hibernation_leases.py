"""What the database lets be done to a schedule: by the run that holds it, and by anybody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import HibernationSchedule, get_db_session
from spothive.errors import RuleBroken
from tests.conftest import Database
from tests.factories import make_account, make_cluster, make_tenant

A, B = {"min": 2, "max": 12, "desired": 3}, {"min": 0, "max": 9, "desired": 0}
HOUR = timedelta(hours=1)
FENCE, CLAIMED, KEPT = (f"lc_hibernation_schedules_{rule}" for rule in ("leased", "claimed", "kept"))


@pytest.fixture
def schedule(db: Database) -> HibernationSchedule:
    """Make a schedule whose cluster sleeps, with no lease in force."""
    tenant = make_tenant()
    cluster = make_cluster(tenant, make_account(tenant).id)
    made = HibernationSchedule(cluster_id=cluster.id, schedule_matrix=[0] * 168)
    made.applied_state, made.restore_state = "asleep", {"eks:a": A}  # type: ignore[assignment]  # as a driver sends it
    with get_db_session(tenant=tenant) as session:
        session.add(made)
    return made


def write(schedule: HibernationSchedule, **values: Any) -> None:
    with get_db_session(tenant=schedule.tenant_id) as session:
        row = session.get_one(HibernationSchedule, schedule.id)
        for name, value in values.items():
            setattr(row, name, value)


def lease(schedule: HibernationSchedule, by: timedelta = HOUR) -> None:
    write(schedule, lease_token=uuid4(), leased_until=utc_now() + by)


def broken(schedule: HibernationSchedule, **values: Any) -> str:
    with pytest.raises(RuleBroken) as refusal:
        write(schedule, **values)
    return str(refusal.value.rule)


@pytest.mark.parametrize(
    "values", [{"applied_state": "awake"}, {"restore_state": {"eks:a": A, "eks:b": B}}, {"applied_at": utc_now()}]
)
def test_what_was_applied_changes_by_a_lease_in_force_alone(
    schedule: HibernationSchedule, values: dict[str, Any]
) -> None:
    assert broken(schedule, **values) == FENCE
    lease(schedule, -HOUR)
    assert broken(schedule, **values) == FENCE
    assert broken(schedule, **values, lease_token=uuid4(), leased_until=utc_now() + HOUR) == FENCE
    lease(schedule)
    assert broken(schedule, **values, lease_token=uuid4()) in {FENCE, CLAIMED}
    write(schedule, **values)
    write(schedule, timezone="Europe/Berlin", enabled=False, obstacle="no", request_id=uuid4())


def test_a_lease_in_force_is_given_back_or_extended_but_not_taken(schedule: HibernationSchedule) -> None:
    lease(schedule)
    assert broken(schedule, lease_token=uuid4()) == CLAIMED
    write(schedule, leased_until=utc_now() + 2 * HOUR)
    write(schedule, lease_token=None, leased_until=None)
    lease(schedule, -HOUR)
    lease(schedule)


@pytest.mark.parametrize(
    "restore_state",
    [
        {},
        {"eks:a": B},
        {"eks:b": A},
        {"eks:a": A | {"desired": 0}},
        {"eks:a": {}},
        {"eks:a": None},
        {"eks:a": [3]},
        None,
    ],
)
def test_sizes_to_go_back_to_are_not_overwritten(
    schedule: HibernationSchedule, restore_state: dict[str, Any] | None
) -> None:
    lease(schedule)
    assert broken(schedule, restore_state=restore_state) in {KEPT, "ck_hibernation_schedules_restorable"}
    if restore_state is not None:
        assert broken(schedule, restore_state=restore_state, applied_state="awake") == KEPT


def test_sizes_are_added_and_cleared_by_a_wake(schedule: HibernationSchedule) -> None:
    lease(schedule)
    write(schedule, restore_state={"eks:a": A, "eks:b": B})
    write(schedule, restore_state={"auto_scaling:c": B, "eks:b": B, "eks:a": A})
    write(schedule, applied_state="awake")
    write(schedule, restore_state=None, lease_token=None, leased_until=None)


def test_without_a_lease_sizes_are_not_cleared_either(schedule: HibernationSchedule) -> None:
    assert broken(schedule, restore_state=None, applied_state="awake") == FENCE
    with get_db_session(tenant=schedule.tenant_id) as session:
        session.delete(session.get_one(HibernationSchedule, schedule.id))  # it goes with its cluster
