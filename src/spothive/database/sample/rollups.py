"""The decisions of the sample, counted by day, account and model."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from spothive.database.sample.market import midnight
from spothive.database.sample.world import Period, Row, shared_row
from spothive.database.sample.writing import Writer
from spothive.models import Decision, DecisionRollup, RollupWatermark

_COUNTED = {Decision.SWITCH: "switches", Decision.HOLD: "holds", Decision.FAILED: "failures"}


class Rollups:
    """Counts decisions as they are made."""

    def __init__(self, period: Period) -> None:
        """Begin with nothing."""
        self._period = period
        self._rows: dict[tuple[datetime, UUID, UUID], Row] = {}
        self._last = period.start

    def add(self, log: Row) -> None:
        """Count one decision."""
        at = log["execution_time"]
        key = (midnight(at.date()), log["account_id"], log["model_id"])
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = {
                "tenant_id": log["tenant_id"],
                "day": at.date(),
                "account_id": log["account_id"],
                "model_id": log["model_id"],
                "decisions": 0,
                "switches": 0,
                "holds": 0,
                "failures": 0,
                "shadow": 0,
                "projected_savings": Decimal(0),
                "score_sum": 0.0,
            }
        row["decisions"] += 1
        row[_COUNTED[log["decision"]]] += 1
        row["shadow"] += log["is_shadow_run"]
        row["projected_savings"] += log["projected_hourly_savings"] or 0
        row["score_sum"] += log["prediction_score"] or 0.0
        self._last = max(self._last, at)

    def write(self, writer: Writer) -> None:
        """Write the counts, and how far they reach."""
        dice = self._period.dice("rollups")
        rows = []
        for (day, _, _), row in self._rows.items():
            at = min(day + timedelta(days=1), self._period.until)
            rows.append({"id": dice.id_at(at), "created_at": at, "updated_at": at} | row)
        writer.insert(DecisionRollup, rows)
        # A name of its own: the fold of the service keeps its own position, in its own words.
        mark = {"name": f"decisions.sample-{self._period.seed}", "position": self._last.isoformat()}
        writer.insert(RollupWatermark, [shared_row(dice, self._last, **mark)])
