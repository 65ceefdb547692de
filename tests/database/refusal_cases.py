"""One violation for each rule: derived for what the declaration derives, listed for what was written by hand.

A case is a rule and an act that breaks it, on a database that holds one sample row in every table. A new table needs
nothing; a new CHECK, unique index or guard of its own needs a line in :data:`BY_HAND`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Session

from spothive.database.guards import refusals_of
from spothive.models import PLATFORM_TENANT_ID
from spothive.schema.states import StateMachine
from spothive.schema.types import AsciiText, CheckedType, Fraction, Json, Text, Whole
from tests.factories.samples import TABLES, Row, sample

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Graph:
    """A session in system scope, and the sample rows it can work with."""

    session: Session
    rows: dict[str, Row]

    @property
    def parents(self) -> dict[str, Any]:
        return {table: row["id"] for table, row in self.rows.items()}

    def add(self, table: str, number: int = 2, **values: Any) -> Row:
        """Insert another sample row."""
        fresh = FRESH.get(table, {})
        if table == "onboarding_requests":  # one open request for each account
            fresh = {"account_id": self.add("accounts", number + 50)["id"]}
        row = sample(table, self.parents, number, **fresh | values)
        self.session.execute(sa.insert(TABLES[table]).values(**row))
        return row

    def change(self, table: str, row_id: Any = None, **values: Any) -> Graph:
        """Update the sample row, or another one."""
        columns = TABLES[table].c
        key = columns.id == (row_id or self.rows[table]["id"])
        self.session.execute(sa.update(TABLES[table]).where(key).values(**values))
        return self

    def remove(self, table: str, row_id: Any = None) -> Graph:
        """Delete the sample row, or another one."""
        key = TABLES[table].c.id == (row_id or self.rows[table]["id"])
        self.session.execute(sa.delete(TABLES[table]).where(key))
        return self


Act = Callable[[Graph], object]
FRESH: dict[str, Row] = {"scan_runs": {"kind": "waste"}}  # one RUNNING run of a kind


def add(table: str, **values: Any) -> Act:
    """Return the act of adding a second row to ``table``."""
    return lambda graph: graph.add(table, **values)


def change(table: str, **values: Any) -> Act:
    """Return the act of changing the sample row of ``table``."""
    return lambda graph: graph.change(table, **values)


def remove(table: str) -> Act:
    """Return the act of deleting the sample row of ``table``."""
    return lambda graph: graph.remove(table)


# --- rules written by hand -------------------------------------------------------------------------


def _graduate_without_date(graph: Graph) -> None:
    graph.change("ml_models", status="TESTING").change("ml_models", status="GRADUATED")


def _two_active_models(graph: Graph) -> None:
    for model in (graph.rows["ml_models"]["id"], graph.add("ml_models")["id"]):
        graph.change("ml_models", model, status="TESTING")
        graph.change("ml_models", model, status="GRADUATED", graduated_at=NOW)
        graph.change("ml_models", model, status="ENABLED", deployed_at=NOW)
        graph.change("ml_models", model, is_active_prod=True)


def _replica(graph: Graph, number: int) -> Graph:
    primary = graph.rows["instances"]["id"]
    graph.add("instances", number, is_replica=True, replica_of_id=primary, replica_expiry=NOW)
    return graph


def _end_run(graph: Graph) -> Graph:
    return graph.change("scan_runs", status="FAILED", finished_at=NOW)


def _admin(graph: Graph) -> Any:
    values = {"tenant_id": PLATFORM_TENANT_ID, "role": "admin", "is_active": True}
    return graph.add("users", 3, **values)["id"]


BY_HAND: dict[str, Act] = {
    "ck_accounts_account_id_form": change("accounts", account_id="12345"),
    "ck_accounts_import_unproven": add("accounts", connection_method="import"),
    "ck_accounts_key_proof": change("accounts", connection_method="access_keys", status="connected"),
    "ck_accounts_prod_proven": change("accounts", environment_type="PROD"),
    "ck_accounts_role_proof": change("accounts", status="connected", role_arn=None),
    "ck_instances_own_replica": lambda g: g.change(
        "instances", is_replica=True, replica_of_id=g.rows["instances"]["id"], replica_expiry=NOW
    ),
    "ck_instances_replica": change("instances", is_replica=True),
    "ck_instances_terminated": change("instances", state="terminated"),
    "ck_ml_models_active": change("ml_models", is_active_prod=True),
    "ck_ml_models_archived": change("ml_models", status="ARCHIVED"),
    "ck_ml_models_graduated": _graduate_without_date,
    "ck_onboarding_requests_verified": change("onboarding_requests", role_arn="arn:aws:iam::000000000000:role/r"),
    "ck_scan_runs_finished": change("scan_runs", status="FAILED"),
    "uq_instances_live_replica": lambda g: _replica(_replica(g, 2), 3),
    "uq_ml_models_one_active": _two_active_models,
    "uq_scan_runs_running": lambda g: g.add("scan_runs", kind=g.rows["scan_runs"]["kind"]),
    "lc_ml_models_kept": remove("ml_models"),
    "lc_scan_runs_complete": change("scan_runs", status="COMPLETE", finished_at=NOW),
    "lc_scan_runs_ended": lambda g: _end_run(g).change("scan_runs", seen=1),
    "lc_scan_units_frozen": lambda g: _end_run(g).add("scan_units"),
    "lc_scan_units_kept": remove("scan_units"),
    "lc_scan_units_run": lambda g: g.change("scan_units", scan_run_id=g.add("scan_runs")["id"]),
    "lc_tenants_platform": lambda g: g.change("tenants", PLATFORM_TENANT_ID, is_active=False),
    "lc_users_last_admin": lambda g: g.change("users", _admin(g), role="user"),
    "lc_users_last_admin_gone": lambda g: g.remove("users", _admin(g)),
}

DELETED_PARENTS: dict[str, Act] = {
    "fk_instances_tenant_id_replica_of_id": lambda g: _replica(g, 2).remove("instances"),
}
"""Keys that keep a parent from being deleted while children point at it."""


def rules_by_hand() -> set[str]:
    """Return the CHECKs, unique indexes and guards that a street declares itself."""
    found = set()
    for table in TABLES.values():
        derived = {name for name, *_ in _checks(table)}
        named = {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint)}
        found |= named - derived
        found |= {str(index.name) for index in table.indexes if index.unique}
        found |= {refusal.rule for refusal in table.info.get("refusals", ())}
    return found


# --- rules that follow from the declaration ---------------------------------------------------------

BY_UPDATE: dict[str, Row] = {
    "ck_onboarding_requests_aws_account_id_length": {},
    "ck_onboarding_requests_role_arn_length": {},
    "ck_accounts_environment_type_values": {"status": "connected"},
    "ck_ml_models_archived_at_utc": {"status": "ARCHIVED"},
    "ck_scan_runs_finished_at_utc": {"status": "FAILED"},
}
"""Derived CHECKs whose column only an update can fill, together with what the update sets beside it."""

BESIDE: dict[str, Row] = {
    "ck_onboarding_requests_aws_account_id_length": {"status": "verified", "role_arn": "arn"},
    "ck_onboarding_requests_role_arn_length": {"status": "verified", "aws_account_id": "0" * 12},
    "ck_instances_terminated_at_utc": {"state": "terminated"},
    "ck_instances_replica_expiry_utc": {"is_replica": True, "replica_of_id": uuid4()},
    "ck_instances_replica_of_id_uuid": {"is_replica": True, "replica_expiry": NOW},
}
"""Derived CHECKs whose column another rule ties to others, and the values of those."""

OVERRULED = {
    "ck_instances_is_replica_bool": "ck_instances_replica",
    "ck_ml_models_is_active_prod_bool": "ck_ml_models_active",
}
"""Derived CHECKs that cannot be broken without breaking this one, which SQLite asks first."""

ANSWERED_FOR = {
    "lc_onboarding_requests_status_move": "ck_onboarding_requests_verified",
    "lc_scan_runs_status_move": "lc_scan_runs_ended",
}
"""Moves that nothing illegal reaches before another rule answers."""

LITERALS = {"ck_accounts_account_id_length": f"'pending-{'0' * 57}'"}
STAMPED = {("audit_logs", "timestamp"), ("audit_logs", "txid")}
"""Columns PostgreSQL fills itself, whatever is sent."""


def derived_cases(table: sa.Table, engine: str) -> Iterator[tuple[str, Act]]:
    """Yield (rule, act) for every rule that the declaration of ``table`` implies on ``engine``."""
    yield from _bound_cases(table, engine)
    yield from _required_cases(table, engine)
    yield from _key_cases(table)
    yield from _guard_cases(table)


def _checks(table: sa.Table) -> Iterator[tuple[str, sa.Column[Any], str, str | None]]:
    for column in table.columns:
        if isinstance(column.type, CheckedType):
            for check in column.type.checks(column.name):
                yield f"ck_{table.name}_{column.name}_{check.suffix}", column, check.suffix, check.dialect


def _bound_cases(table: sa.Table, engine: str) -> Iterator[tuple[str, Act]]:
    for rule, column, suffix, dialect in _checks(table):
        if dialect not in {None, engine} or (engine == "postgresql" and (table.name, column.name) in STAMPED):
            continue
        if suffix == "values" and "state_machine" in column.info:
            continue  # the machine's triggers answer before the CHECK
        broken: Any = sa.literal_column(LITERALS.get(rule) or _breaking(column.type, suffix, engine))
        values: Row = {column.name: broken, **BESIDE.get(rule, {})}
        if rule in BY_UPDATE:
            yield rule, change(table.name, **values, **BY_UPDATE[rule])
        else:
            yield OVERRULED.get(rule, rule), add(table.name, **values)


def _breaking(kind: Any, suffix: str, engine: str) -> str:
    """Return an SQL literal that breaks the CHECK ``suffix`` of a type, and no other."""
    if suffix == "length":
        assert isinstance(kind, Text)
        return f"'{'0' * (kind.max_length + 1)}'"
    if suffix == "ascii":
        assert isinstance(kind, AsciiText)
        return f"'{'É' * kind.min_length}'"
    if suffix == "range":
        assert isinstance(kind, (Whole, Fraction))
        return str(kind.high + 1)
    if suffix == "json":
        assert isinstance(kind, Json)
        return "'[]'" if kind.shape == "object" else "'{}'"
    return {"values": "'zzz'", "money": "-1", "bool": "2", "uuid": "'x'"}.get(suffix) or {
        "postgresql": "'infinity'",
        "sqlite": "'yesterday'",
    }[engine]


def _required_cases(table: sa.Table, engine: str) -> Iterator[tuple[str, Act]]:
    for column in table.columns:
        if not column.nullable and not (engine == "postgresql" and (table.name, column.name) in STAMPED):
            yield f"nn_{table.name}_{column.name}", add(table.name, **{column.name: sa.null()})


def _key_cases(table: sa.Table) -> Iterator[tuple[str, Act]]:
    for key in table.constraints:
        if isinstance(key, (UniqueConstraint, sa.PrimaryKeyConstraint)):
            columns = [column.name for column in key.columns]
            rule = table.primary_key.name if columns == ["id"] else key.name  # an id that is taken has one name
            yield str(rule), _add_again(table, columns)
    parents = [key for key in table.constraints if isinstance(key, ForeignKeyConstraint)]
    for parent in parents:
        pointer = list(parent.columns)[-1].name
        if pointer == "tenant_id" and len(parents) > 1:
            continue  # a row without tenant has no other parent either
        beside: Row = {"is_replica": True, "replica_expiry": NOW} if pointer == "replica_of_id" else {}
        yield str(parent.name), add(table.name, **{pointer: uuid4()}, **beside)


def _add_again(table: sa.Table, columns: list[str]) -> Act:
    """Return the act of adding a row that equals the sample row in ``columns``, by itself or by default."""

    def act(graph: Graph) -> None:
        row = graph.rows[table.name]
        same = {name: row[name] if name in row else _default(table.c[name]) for name in columns}
        graph.add(table.name, **same)

    return act


def _default(column: sa.Column[Any]) -> Any:
    default: Any = column.default
    return default.arg


def _guard_cases(table: sa.Table) -> Iterator[tuple[str, Act]]:
    by_hand = {refusal.rule for refusal in table.info.get("refusals", ())}
    machines = {column.name: column.info["state_machine"] for column in table.columns if "state_machine" in column.info}
    for refusal in refusals_of(table):
        kind = refusal.rule.rpartition("_")[2]
        if refusal.rule in by_hand or refusal.rule.startswith("pk_") or kind in {"truncate", "clock"}:
            continue  # by hand, with the keys, or only raw SQL can try
        if kind in {"first", "move"}:
            column = refusal.rule.removeprefix(f"lc_{table.name}_").removesuffix(f"_{kind}")
            machine = machines[column]
            if kind == "first":
                late = next(state for state in machine.states if state not in machine.first)
                yield refusal.rule, add(table.name, **{column: late})
            elif refusal.rule not in ANSWERED_FOR:
                yield refusal.rule, _move_illegally(table.name, column, machine)
        elif kind in {"key", "update"}:
            yield refusal.rule, change(table.name, id=uuid4())
        elif kind == "delete":
            yield refusal.rule, remove(table.name)
        else:
            raise AssertionError(f"{refusal.rule} is a kind of guard without a case: add one here")


def _move_illegally(table: str, column: str, machine: StateMachine) -> Act:
    """Return the act of moving in one step, or two, to where no move leads."""
    first = min(machine.first)
    for way in ([], *([state] for state in sorted(machine.moves[machine.states(first)]))):
        for wrong in machine.states:
            if not machine.may_move(way[-1] if way else first, wrong):
                return lambda graph: [graph.change(table, **{column: step}) for step in (*way, wrong)]
    raise AssertionError(f"{table}.{column} knows no illegal move within two steps: write its case by hand")
