"""The life of a row: what it holds in each state besides the state, and the way from the first state to another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from spothive.clock import utc_now
from spothive.schema.states import StateMachine
from tests.factories.samples import TABLES, Row

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORKER = UUID("0193a1b2-5c4d-7e6f-8a9b-0c1d2e3f4a5b")


class Tied(NamedTuple):
    """What a column holds in some states; in all others it is empty."""

    value: Any
    states: frozenset[str]


def _in(value: Any, states: str) -> Tied:
    return Tied(value, frozenset(states.split()))


_DATASET_JOB = {
    "started_at": _in(NOW, "running completed failed"),
    "completed_at": _in(NOW, "completed failed cancelled"),
    "error_message": _in("no", "failed"),
    "lease_token": _in(WORKER, "running"),
    "leased_until": _in(NOW, "running"),
}
TIED: dict[str, dict[str, Tied]] = {
    "agent_actions": {
        "leased_until": _in(NOW, "PICKED_UP"),
        "picked_up_at": _in(NOW, "PICKED_UP"),
        "completed_at": _in(NOW, "COMPLETED FAILED EXPIRED"),
    },
    "approval_requests": {
        "decided_at": _in(NOW, "APPROVED REJECTED"),
        "decided_by": _in("policy", "APPROVED REJECTED"),
    },
    "dataset_generations": _DATASET_JOB,
    "dataset_imports": _DATASET_JOB,
    "email_logs": {"sent_at": _in(NOW, "sent")},
    "instances": {"flagged_at": _in(NOW, "flagged unauthorized")},
    "lab_experiments": {
        "started_at": _in(NOW, "RUNNING COMPLETED FAILED"),
        "completed_at": _in(NOW, "COMPLETED FAILED"),
        "lease_token": _in(WORKER, "RUNNING"),
        "leased_until": _in(NOW, "RUNNING"),
    },
    "ml_models": {"graduated_at": _in(NOW, "GRADUATED ENABLED"), "archived_at": _in(NOW, "ARCHIVED")},
    "onboarding_requests": {
        "aws_account_id": _in("0" * 12, "verified"),
        "role_arn": _in("arn:aws:iam::000000000000:role/spothive", "verified"),
    },
    "optimization_jobs": {
        "started_at": _in(NOW, "RUNNING COMPLETED FAILED"),
        "completed_at": _in(NOW, "COMPLETED FAILED"),
        "error_message": _in("no", "FAILED"),
        "lease_token": _in(WORKER, "RUNNING"),
        "leased_until": _in(NOW, "RUNNING"),
    },
    "scan_runs": {"finished_at": _in(NOW, "COMPLETE PARTIAL FAILED")},
    "waste_resources": {
        "scheduled_deletion_date": _in(NOW, "SCHEDULED_DELETE"),
        "plan_hash": _in("0" * 64, "SCHEDULED_DELETE DELETED"),
        "deleted_at": _in(NOW, "DELETED"),
        "deletion_begun_at": _in(NOW, "DELETED"),
    },
    "webhook_logs": {"sent_at": _in(NOW, "sent"), "next_attempt_at": _in(NOW, "pending")},
}
"""Columns that a CHECK ties to the state of their row."""


def machine_of(table: str) -> tuple[str, StateMachine] | None:
    """Return the guarded column of ``table`` and its machine, if there is one."""
    for column in TABLES[table].columns:
        if "state_machine" in column.info:
            return column.name, column.info["state_machine"]
    return None


def state_for(table: str, column: str) -> str | None:
    """Return the first state in which ``column`` is tied to hold something; None if it is not tied."""
    tied, found = TIED.get(table, {}).get(column), machine_of(table)
    return next((state for state in found[1].states if state in tied.states), None) if tied and found else None


def entering(table: str, state: str) -> Row:
    """Return the columns that change when a row of ``table`` reaches ``state``, the state itself among them."""
    found = machine_of(table)
    assert found, f"{table} has no states"
    companions = {column: tied.value if state in tied.states else None for column, tied in TIED.get(table, {}).items()}
    if (table, state) == ("agent_actions", "PICKED_UP"):
        companions |= {"lease_token": 1, "attempts": 1}  # only a hand-out changes them
        companions["leased_until"] = utc_now() + timedelta(minutes=30)
    if table == "agent_actions" and state in {"COMPLETED", "FAILED", "EXPIRED"}:
        del companions["picked_up_at"]  # the last hand-out stays known
    return {found[0]: state, **companions}


def illegal_move(machine: StateMachine) -> tuple[str, str]:
    """Return a state and one that no move leads to from it: the first, if there is such a way back that is barred."""
    first = min(machine.first)
    pairs = [(old, new) for new in (first, *machine.states) for old in machine.states]
    return next((old, new) for old, new in pairs if not machine.may_move(old, new))


def path_to(machine: StateMachine, target: str) -> list[str]:
    """Return the shortest way from a first state to ``target``, both included."""
    paths: list[list[str]] = [[state] for state in sorted(machine.first)]
    for path in paths:
        if path[-1] == target:
            return path
        paths += [[*path, after] for after in sorted(machine.moves[machine.states(path[-1])]) if after not in path]
    raise AssertionError(f"{target} cannot be reached from a first state: give the machine a move that leads there")
