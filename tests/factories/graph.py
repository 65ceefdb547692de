"""One sample row in every table, and the acts that break a rule or move a row on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from spothive.models.jobs import THE_QUEUE
from tests.factories.lives import NOW, entering, machine_of, path_to
from tests.factories.samples import Row, sample
from tests.factories.ways import Way

FRESH: dict[str, Row] = {"approval_requests": {"action_type": "TERMINATE_ROGUE"}, "scan_runs": {"kind": "waste"}}
"""What keeps a second row from being refused for the first: one request for a deed, one RUNNING run of a kind."""

OVER: Row = {"created_at": NOW, "expires_at": NOW + timedelta(seconds=1)}
"""The times of an action that has expired."""


@dataclass
class Graph:
    """A way to write, and the sample rows it can work with."""

    way: Way
    rows: dict[str, Row]

    @property
    def parents(self) -> dict[str, UUID]:
        """Table to the id of its sample row."""
        return {table: row["id"] for table, row in self.rows.items()}

    def add(self, table: str, number: int = 2, **values: Any) -> Row:
        """Insert another sample row."""
        fresh = FRESH.get(table, {})
        if table == "onboarding_requests":  # one open request for each account
            fresh = {"account_id": self.add("accounts", number + 50)["id"]}
        row = sample(table, self.parents, number, **fresh | values)
        self.way.insert(table, row)
        return row

    def change(self, table: str, row_id: UUID | None = None, **values: Any) -> Graph:
        """Update the sample row, or another one."""
        self.way.update(table, row_id or self.rows[table]["id"], values)
        return self

    def remove(self, table: str, row_id: UUID | None = None) -> Graph:
        """Delete the sample row, or another one."""
        self.way.delete(table, row_id or self.rows[table]["id"])
        return self

    def walk(self, table: str, state: str, row_id: UUID | None = None, **last: Any) -> Graph:
        """Move a row from its first state to ``state``; the last step sets ``last`` besides."""
        guarded = machine_of(table)
        assert guarded, f"{table} has no states"
        steps = path_to(guarded[1], state)[1:]
        for step in steps:
            more = last if step == state else {}
            self.step(table, step, row_id, **more)
        return self

    def grow(self, table: str, state: str, number: int = 2) -> Row:
        """Insert another sample row and bring it from a first state to ``state``."""
        guarded = machine_of(table)
        assert guarded, f"{table} has no states"
        row = self.add(table, number, **entering(table, path_to(guarded[1], state)[0]))
        self.walk(table, state, row["id"])
        return row

    def step(self, table: str, state: str, row_id: UUID | None = None, **values: Any) -> Graph:
        """Try one move, after making true what it asks of other tables."""
        changes = entering(table, state)
        if (table, state) == ("scan_runs", "COMPLETE"):
            self._finish_unit(row_id or self.rows[table]["id"])
        if (table, state) == ("optimization_jobs", "COMPLETED"):
            self._leave_to_the_queue(row_id or self.rows[table]["id"])
        if (table, state) == ("waste_resources", "FLAGGED"):
            changes["claimed_since"] = NOW - timedelta(days=2)
            self.complete_scan(changes["claimed_since"])
            changes["scan_run_id"] = self.complete_scan(NOW - timedelta(days=1))
        if (table, state) == ("waste_resources", "SCHEDULED_DELETE"):
            changes["scan_run_id"] = self.complete_scan()
            self.approve_deletion(row_id or self.rows[table]["id"], changes["plan_hash"])
        if (table, state) == ("agent_actions", "EXPIRED"):
            changes |= OVER
        if (table, state) == ("agent_actions", "PICKED_UP") and "leased_until" not in values:
            self.change(table, row_id, **changes | values)
            changes = {"leased_until": NOW}  # what is handed out has a lease in force, which is over at once
        if (table, state) == ("ml_models", "GRADUATED"):
            self._try_in_lab(row_id or self.rows[table]["id"])
        return self.change(table, row_id, **changes | values)

    def _leave_to_the_queue(self, job: UUID) -> None:
        """Give a RUNNING job out of the hands of its worker; the sample action of the sample job is done."""
        self.change("optimization_jobs", job, lease_token=THE_QUEUE)
        if job == self.rows["optimization_jobs"]["id"]:
            self.walk("agent_actions", "COMPLETED")

    def complete_scan(self, started_at: datetime = NOW) -> UUID:
        """Add a COMPLETE waste scan of the sample account; return its id."""
        run: UUID = self.add("scan_runs", 60, started_at=started_at)["id"]
        self._finish_unit(run)
        self.change("scan_runs", run, status="COMPLETE", finished_at=NOW)
        return run

    def approve_deletion(self, waste_resource: UUID, plan_hash: str) -> None:
        """Add a request to delete a resource that was approved and used."""
        target: Row = {"instance_id": None, "waste_resource_id": waste_resource, "plan_hash": plan_hash}
        request: UUID = self.add("approval_requests", 60, action_type="DELETE_WASTE", **target)["id"]
        self.change("approval_requests", request, **entering("approval_requests", "APPROVED") | {"executed_at": NOW})

    def _try_in_lab(self, model: UUID) -> None:
        """Add a COMPLETED experiment of a model."""
        trial = self.add("lab_experiments", 70, model_id=model)["id"]
        for state in ("RUNNING", "COMPLETED"):
            self.change("lab_experiments", trial, **entering("lab_experiments", state))

    def _finish_unit(self, run: UUID) -> None:
        """Make DONE the one unit that a sample run expects; the sample row of scan_runs has it already."""
        unit = self.rows["scan_units"]["id"]
        if run != self.rows["scan_units"]["scan_run_id"]:
            unit = self.add("scan_units", 60, scan_run_id=run)["id"]
        self.change("scan_units", unit, status="DONE")
