"""What is counted of a delivery only rises, whatever word writes it."""

from __future__ import annotations

import sqlite3

import pytest

from spothive.errors import IllegalMove, ValueRefused
from tests.conftest import Database
from tests.factories.graph import Graph
from tests.factories.samples import Row, rule_of
from tests.factories.ways import Raw
from tests.schema.test_states import way_of


@pytest.mark.engines("sqlite")
@pytest.mark.parametrize("column", ["attempts", "earlier_attempts"])
def test_replace_turns_no_count_into_its_default(db: Database, sample_rows: dict[str, Row], column: str) -> None:
    with db.raw() as connection:
        graph = Graph(Raw("sqlite", connection, sample_rows["tenants"]["id"]), sample_rows)
        graph.walk("webhook_logs", "sent", attempts=3).change(
            "webhook_logs", status="pending", sent_at=None, earlier_attempts=3
        )
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute(f"UPDATE OR REPLACE webhook_logs SET {column} = NULL")
    assert rule_of(caught.value) == {"attempts": "lc_webhook_logs_attempts"}.get(column, "lc_webhook_logs_anew")


def test_a_ladder_begins_only_where_somebody_asked_for_it(db: Database, sample_rows: dict[str, Row]) -> None:
    with way_of("core", db, sample_rows) as graph:
        graph.change("webhook_logs", attempts=2)
        with graph.way.undone(), pytest.raises((IllegalMove, ValueRefused)) as caught:
            graph.change("webhook_logs", earlier_attempts=2)
        assert caught.value.rule == "lc_webhook_logs_anew"
        graph.walk("webhook_logs", "failed")
        graph.change("webhook_logs", status="pending", earlier_attempts=2)
        with graph.way.undone(), pytest.raises((IllegalMove, ValueRefused)) as caught:
            graph.change("webhook_logs", earlier_attempts=0)
        assert caught.value.rule == "lc_webhook_logs_anew"
