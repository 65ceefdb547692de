"""Violations of what a table's columns, keys and guards imply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import ForeignKeyConstraint, UniqueConstraint

from spothive.database.guards import refusals_of
from spothive.keyring import TOKEN_MIN_LENGTH, TOKEN_PREFIX
from spothive.models import PLATFORM_TENANT_ID
from spothive.schema.states import StateMachine
from spothive.schema.types import AsciiText, CheckedType, Email, Whole
from tests.database.refusal_cases.by_hand import BY_HAND, an_admin
from tests.database.refusal_cases.case import (
    CHECK,
    FOREIGN_KEY,
    NOT_NULL,
    TRIGGER,
    UNIQUE,
    Act,
    Case,
    add,
    change,
    remove,
)
from tests.database.refusal_cases.declared import STAMPED, kind_by_hand
from tests.factories.graph import FRESH, Graph
from tests.factories.lives import NOW, machine_of, state_for
from tests.factories.samples import SEALED, TABLES, Row, sample
from tests.factories.ways import Raw

EARLY = {"postgresql": "'0001-12-25 00:00:00+00 BC'", "sqlite": "'0000-12-25 00:00:00.000000'"}
LATE = {"postgresql": "'10000-01-01 00:00:00+00'", "sqlite": "'9999-12-31 24:00:00.000000'"}
"""The moments that are just no moments any more, written as the real ones are."""

FIRST = {
    "agent_actions.created_at",
    "agent_actions.leased_until",
    "approval_requests.decided_at",
    "approval_requests.executed_at",
    "approval_requests.requested_at",
    "downtime_logs.start_time",
    "global_risk_events.reported_at",
    "hibernation_overrides.starts_at",
    "invitations.accepted_at",
    "spot_pool_risks.poisoned_at",
    "user_tokens.used_at",
    "waste_resources.detected_at",
}
"""Times that must not come after another one: they are broken by being too early."""

_POOL: Row = {"region": "eu-west-1", "availability_zone": "eu-west-1a", "instance_type": "m2.large"}


def _pool(**parts: str) -> Row:
    changed = _POOL | parts
    return changed | {"pool_id": ":".join(changed[name] for name in _POOL)}


_POOLS = {
    "pool_id": _pool(region="0" * 129),
    "region": _pool(region="0" * 33),
    "availability_zone": _pool(availability_zone="0" * 33),
    "instance_type": _pool(instance_type="0" * 33),
}
_ON_CLUSTER: Row = {"instance_id": None, "action_type": "HIBERNATE_CLUSTER"}
_ON_WASTE: Row = {"instance_id": None, "action_type": "DELETE_WASTE"}

BESIDE: dict[str, Row] = {
    "api_keys.cluster_id": {"user_id": None, "scopes": ["agent"]},
    "api_keys.revoked_reason": {"revoked_at": NOW},
    "approval_requests.action_type": {"instance_id": None},
    "approval_requests.approver_id": {"decided_by": "person", "approver_name": "x"},
    "approval_requests.approver_name": {"decided_by": "person", "approver_id": uuid4()},
    "approval_requests.cluster_id": _ON_CLUSTER,
    "approval_requests.waste_resource_id": _ON_WASTE,
    "audit_seals.row_count": {"leaves": b""},
    "backup_codes.ip_address": {"used_at": NOW},
    "approval_requests.status": {"decided_at": NOW, "decided_by": "policy"},
    "dataset_generations.status": {"started_at": NOW},
    "dataset_imports.status": {"started_at": NOW},
    "decision_rollups.decisions": {"holds": 2**53, "switches": 1},
    "decision_rollups.failures": {"holds": 1},
    "decision_rollups.holds": {"switches": 1},
    "decision_rollups.switches": {"holds": 1},
    "downtime_logs.duration_seconds": {"start_time": NOW, "end_time": NOW - timedelta(seconds=1)},
    "downtime_logs.end_time": {
        "start_time": datetime(9999, 12, 31, tzinfo=UTC),
        "duration_seconds": timedelta(days=1) // timedelta(seconds=1),
    },
    "experiment_logs.account_id": {"instance_id": uuid4()},  # else it would be of another account than its instance
    "experiment_logs.error_message": {"decision": "FAILED"},
    "global_risk_events.expires_at": {"reported_at": datetime(9999, 12, 17, tzinfo=UTC)},
    "global_risk_events.reported_at": {"expires_at": datetime(1, 1, 9, tzinfo=UTC)},
    "hibernation_schedules.applied_state": {"restore_state": {}},
    "hibernation_schedules.lease_token": {"leased_until": NOW},
    "hibernation_schedules.leased_until": {"lease_token": uuid4()},
    "instances.is_replica": {"replica_of_id": uuid4(), "replica_expiry": NOW},
    "instances.replica_expiry": {"is_replica": True, "replica_of_id": uuid4()},
    "instances.replica_of_id": {"is_replica": True, "replica_expiry": NOW},
    "instances.terminated_at": {"state": "terminated"},
    "lab_experiments.status": {"started_at": NOW},
    "login_history.failure_reason": {"success": False},
    "ml_models.is_active_prod": {"deployed_at": NOW},
    "optimization_jobs.status": {"started_at": NOW},
    "scan_runs.status": {"finished_at": NOW},
    "session_logs.revoked_reason": {"logged_out_at": NOW},
    "spot_pool_risks.is_poisoned": {"poisoned_at": NOW, "poison_expires_at": NOW + timedelta(hours=1)},
    "spot_pool_risks.poison_expires_at": {"is_poisoned": True, "poisoned_at": NOW},
    "spot_pool_risks.poisoned_at": {"is_poisoned": True, "poison_expires_at": NOW},
    "webhook_configurations.consecutive_failures": {"is_active": False},
    "webhook_logs.status": {"next_attempt_at": None},
    "users.totp_enabled": {"totp_secret": SEALED},
    **{f"{table}.{name}": row for table in ("spot_pool_risks", "global_risk_events") for name, row in _POOLS.items()},
}
"""Columns that a rule ties to others, and what those hold when the column alone is to be wrong."""

ONLY_IN = {
    "accounts.environment_type": "connected",
    "approval_requests.approver_id": "APPROVED",
    "approval_requests.approver_name": "APPROVED",
    "approval_requests.executed_at": "APPROVED",
    "approval_requests.rejection_reason": "REJECTED",
    "ml_models.is_active_prod": "ENABLED",
    "waste_resources.plan_hash": "DELETED",
}
"""Columns that may hold something in one state only, besides those that must."""

AFTERWARDS = {"agent_actions.leased_until"}
"""Columns that are judged by the move into their state: they are broken in it."""

LITERALS = {
    "ck_accounts_account_id_length": f"'pending-{'0' * 57}'",
    "ck_agent_actions_attempts_range": "-1",
    "ck_webhook_logs_earlier_attempts_range": "-1",
    "ck_agent_actions_lease_token_range": "0",
    "ck_agent_actions_payload_json": f'\'{{"node": "{"0" * 256 * 1024}"}}\'',
    "ck_audit_seals_row_count_range": "0",
    "ck_decision_rollups_failures_range": "-1",
    "ck_decision_rollups_holds_range": "-1",
    "ck_decision_rollups_real_switches_range": "-1",
    "ck_decision_rollups_shadow_range": "-1",
    "ck_decision_rollups_switches_range": "-1",
    "ck_downtime_logs_duration_seconds_range": "-1",
    "ck_global_risk_events_pool_id_length": f"'{_POOLS['pool_id']['pool_id']}'",
    "ck_spot_pool_risks_pool_id_length": f"'{_POOLS['pool_id']['pool_id']}'",
}
"""What breaks a CHECK where the usual value would break another one too."""

INSTEAD: dict[str, Act] = {
    "lc_scan_runs_status_move": change("scan_runs", status=sa.literal_column("'zzz'")),
    "pk_tenants": add("tenants", id=PLATFORM_TENANT_ID),
    "lc_tenants_rowid": lambda g: _take_rowid(g, "tenants", PLATFORM_TENANT_ID),
    "lc_users_rowid": lambda g: _take_rowid(g, "users", an_admin(g)["id"]),
    "pk_users": lambda g: g.add("users", 4, id=an_admin(g)["id"]),
    "uq_tenants_slug": add("tenants", slug="platform"),
    "uq_users_email": lambda g: g.add("users", 4, email=an_admin(g)["email"]),
    "uq_users_username": lambda g: g.add("users", 4, username=an_admin(g)["username"]),
    "uq_audit_seals_tenant_id_previous_seal_hash": lambda g: g.add(
        "audit_seals", 3, previous_seal_hash=g.add("audit_seals")["previous_seal_hash"]
    ),
    "uq_audit_seals_tenant_id_seal_no": lambda g: g.add("audit_seals", 3, seal_no=g.add("audit_seals")["seal_no"]),
    "uq_spot_pool_risks_pool_id": lambda g: g.add("spot_pool_risks", 1),
}
"""Acts for constraints that the usual one does not reach."""


def derived_cases(table: sa.Table, engine: str) -> Iterator[Case]:
    """Yield a case for every constraint that the declaration of ``table`` implies on ``engine``."""
    yield from _bound_cases(table, engine)
    yield from _required_cases(table, engine)
    yield from _key_cases(table, engine)
    yield from _parent_cases(table)
    yield from _guard_cases(table, engine)


# --- columns ------------------------------------------------------------------------------------------


def _bound_cases(table: sa.Table, engine: str) -> Iterator[Case]:
    for column in table.columns:
        if not isinstance(column.type, CheckedType) or _stamped(column, engine):
            continue
        for check in column.type.checks(column.name):
            if check.dialect in {None, engine}:
                rule = f"ck_{table.name}_{column.name}_{check.suffix}"
                broken = LITERALS.get(rule) or _breaking(column, check.suffix, engine)
                # The triggers of a machine answer before the CHECK that lists its states.
                guarded = check.suffix == "values" and "state_machine" in column.info
                act = _writing(column, sa.literal_column(broken))
                yield Case(table.name, CHECK, rule, act, place="unguarded" if guarded else "service")


def _stamped(column: sa.Column[Any], engine: str) -> bool:
    return engine == "postgresql" and (column.table.name, column.name) in STAMPED


def _writing(column: sa.Column[Any], broken: Any) -> Act:
    """Return the act of writing ``broken`` into ``column`` of a row that may hold something there."""
    table, name = column.table.name, f"{column.table.name}.{column.name}"
    values: Row = {**BESIDE.get(name, {}), column.name: broken}
    state = ONLY_IN.get(name) or state_for(table, column.name)
    found = machine_of(table)
    if state is None or found is None:
        return add(table, **values)
    if state in found[1].first:
        return add(table, **{found[0]: state, **values})
    if name in AFTERWARDS:
        return lambda graph: graph.walk(table, state).change(table, **values)
    return lambda graph: graph.walk(table, state, **values)


def _breaking(column: sa.Column[Any], suffix: str, engine: str) -> str:
    """Return an SQL literal that breaks the CHECK ``suffix`` of a column, and no other."""
    if suffix in _SAME:
        return _SAME[suffix]
    return _BY_TYPE[suffix](column, column.type, engine)


def _too_long(_: sa.Column[Any], kind: Any, __: str) -> str:
    if isinstance(kind, Email):
        return f"'{'0' * (kind.max_length - 1)}@0'"
    letter = kind.alphabet[0] if isinstance(kind, AsciiText) else "0"
    return f"'{letter * (kind.max_length + 1)}'"


def _no_money(_: sa.Column[Any], kind: Any, engine: str) -> str:
    # Signed, it is PostgreSQL's column type that refuses larger amounts, but NaN is for the CHECK.
    return {"postgresql": "'NaN'", "sqlite": "99999999999999 + 1"}[engine] if kind.signed else "-1"


def _too_many_bytes(_: sa.Column[Any], kind: Any, engine: str) -> str:
    size = kind.max_bytes + 1
    return {"postgresql": f"decode(repeat('00', {size}), 'hex')", "sqlite": f"zeroblob({size})"}[engine]


def _no_moment(column: sa.Column[Any], _: Any, engine: str) -> str:
    return (EARLY if f"{column.table.name}.{column.name}" in FIRST else LATE)[engine]


_SAME = {
    "bool": "2",
    "email": "'nobody'",
    "names": "'[\"a b\"]'",
    "sealed": "'plain'",
    "uuid": "'x'",
    "values": "'zzz'",
    "week": "'[1]'",
}
_BY_TYPE: dict[str, Callable[[sa.Column[Any], Any, str], str]] = {
    "ascii": lambda _, kind, __: f"'{'É' * kind.min_length}'",
    "day": lambda _, __, engine: {"postgresql": "'10000-01-01'", "sqlite": "'2026-02-30'"}[engine],
    "json": lambda _, kind, __: "'[]'" if kind.shape == "object" else "'{}'",
    "length": _too_long,
    "money": _no_money,
    "range": lambda _, kind, __: str(kind.high + 1 if isinstance(kind, Whole) else kind.high * 2),
    "size": _too_many_bytes,
    "utc": _no_moment,
}


def _required_cases(table: sa.Table, engine: str) -> Iterator[Case]:
    for column in table.columns:
        if not column.nullable and not _stamped(column, engine):
            act = add(table.name, **{column.name: sa.null()})
            yield Case(table.name, NOT_NULL, f"nn_{table.name}_{column.name}", act)


# --- keys ---------------------------------------------------------------------------------------------


def _key_cases(table: sa.Table, engine: str) -> Iterator[Case]:
    by_trigger = {refusal.rule for refusal in refusals_of(table) if engine in refusal.dialects}
    for key in table.constraints:
        if isinstance(key, (UniqueConstraint, sa.PrimaryKeyConstraint)):
            columns, name = [column.name for column in key.columns], str(key.name)
            act = INSTEAD.get(name) or _add_again(table, columns)
            # An id that is taken has one name, whichever key is asked first.
            answer = str(table.primary_key.name) if "id" in columns else name
            yield Case(table.name, UNIQUE, name, act, answer, "unguarded" if answer in by_trigger else "service")


def _add_again(table: sa.Table, columns: list[str]) -> Act:
    """Return the act of adding a row that equals the sample row in ``columns``, by itself or by default."""

    def act(graph: Graph) -> None:
        row = graph.rows[table.name]
        same = {name: row[name] if name in row else _default(table.c[name]) for name in columns}
        graph.add(table.name, **same)

    return act


def _columns_of(table: sa.Table, key: str) -> list[str]:
    return next([column.name for column in found.columns] for found in table.constraints if found.name == key)  # type: ignore[attr-defined]  # a key has columns


def _default(column: sa.Column[Any]) -> Any:
    default: Any = column.default
    return default.arg


def _parent_cases(table: sa.Table) -> Iterator[Case]:
    parents = [key for key in table.constraints if isinstance(key, ForeignKeyConstraint)]
    for key in parents:
        pointer = list(key.columns)[-1].name
        if pointer == "tenant_id" and len(parents) > 1:  # a row without tenant has no other parent either
            yield Case(table.name, FOREIGN_KEY, str(key.name), _orphan(table.name), place="orphan")
        else:
            beside = BESIDE.get(f"{table.name}.{pointer}", {})
            act = add(table.name, **{**beside, pointer: uuid4()})
            yield Case(table.name, FOREIGN_KEY, str(key.name), act)


def _orphan(table: str) -> Act:
    """Return the act of adding the first row of ``table`` to a tenant that has rows of all others."""
    return lambda graph: graph.way.insert(table, sample(table, graph.parents, 7, **FRESH.get(table, {})))


# --- guards -------------------------------------------------------------------------------------------


def _guard_cases(table: sa.Table, engine: str) -> Iterator[Case]:
    by_hand = {name for name, kind in kind_by_hand(table) if kind == TRIGGER}
    for refusal in refusals_of(table):
        if refusal.rule not in by_hand and engine in refusal.dialects:
            act = INSTEAD.get(refusal.rule) or _breaking_guard(table, refusal.rule)
            by_text = refusal.rule.endswith(("_truncate", "_rowid", "_moved"))
            yield Case(table.name, TRIGGER, refusal.rule, act, place="owner" if by_text else "service")


def _breaking_guard(table: sa.Table, rule: str) -> Act:
    if rule.startswith("pk_"):
        return _add_again(table, ["id"])
    if rule.startswith("uq_"):
        return BY_HAND.get(rule) or _add_again(table, _columns_of(table, rule))
    acts: dict[str, Callable[[], Act]] = {
        "first": lambda: _begin_late(table),
        "move": lambda: _move_illegally(table),
        "key": lambda: change(table.name, id=uuid4()),
        "id": lambda: change(table.name, id=uuid4()),
        "update": lambda: change(table.name, id=uuid4()),
        "delete": lambda: remove(table.name),
        "clock": lambda: add(table.name, timestamp=NOW),
        "truncate": lambda: partial(_truncate, table=table.name),
        "rowid": lambda: partial(_take_rowid, table=table.name),
        "moved": lambda: partial(_move_rowid, table=table.name),
        "withdrawn": lambda: _seal_with_withdrawn(table, rule),
    }
    kind = rule.rpartition("_")[2]
    assert kind in acts, f"{rule} is a kind of guard without a case: add one here"
    return acts[kind]()


def _seal_with_withdrawn(table: sa.Table, rule: str) -> Act:
    """Return the act of writing a value that the withdrawn key of the sample has sealed."""
    column = rule.removeprefix(f"lc_{table.name}_").removesuffix("_withdrawn")

    def act(graph: Graph) -> None:
        token = f"{TOKEN_PREFIX}{graph.rows['withdrawn_keys']['key_id']}:{'A' * TOKEN_MIN_LENGTH}"
        _writing(table.c[column], token)(graph)

    return act


def _truncate(graph: Graph, table: str) -> None:
    assert isinstance(graph.way, Raw)
    graph.way.truncate(table)


def _take_rowid(graph: Graph, table: str, kept: UUID | None = None) -> None:
    assert isinstance(graph.way, Raw)
    row = sample(table, graph.parents, 2, **FRESH.get(table, {}))
    graph.way.take_rowid(table, row, kept or graph.rows[table]["id"])


def _move_rowid(graph: Graph, table: str) -> None:
    assert isinstance(graph.way, Raw)
    graph.way.move_rowid(table)


def _machine(table: sa.Table) -> tuple[str, StateMachine]:
    found = machine_of(table.name)
    assert found, f"{table.name} has no states"
    return found


def _begin_late(table: sa.Table) -> Act:
    column, machine = _machine(table)
    return add(table.name, **{column: next(state for state in machine.states if state not in machine.first)})


def _move_illegally(table: sa.Table) -> Act:
    """Return the act of moving in one step, or two, to where no move leads."""
    _, machine = _machine(table)
    first = min(machine.first)
    for way in ([], *([state] for state in sorted(machine.moves[machine.states(first)]))):
        for wrong in reversed(machine.states):
            if not machine.may_move(way[-1] if way else first, wrong):
                return lambda graph: [graph.step(table.name, state) for state in (*way, wrong)]
    raise AssertionError(f"{table.name} knows no illegal move within two steps: write its case into INSTEAD")


assert all(name.partition(".")[0] in TABLES for name in (*BESIDE, *ONLY_IN, *FIRST, *AFTERWARDS)), (
    "a line names no table"
)
