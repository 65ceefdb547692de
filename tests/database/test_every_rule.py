"""No rule of the schema goes untried: what ``docs/SCHEMA_GUIDE.md`` counts is what ``test_refusals.py`` breaks."""

from __future__ import annotations

import pytest

from spothive.database.migrations.guide import declared_rules
from tests.conftest import ENGINES
from tests.database.refusal_cases import declared
from tests.factories.samples import TABLES

UNBREAKABLE = {
    "sqlite": set(),
    # PostgreSQL fills time and transaction of an audit row itself, whatever is sent.
    "postgresql": {"ck_audit_logs_timestamp_utc", "nn_audit_logs_timestamp", "nn_audit_logs_txid"},
}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_docs_count_what_is_tried(engine: str) -> None:
    counted = [rule for rules in declared_rules(engine).values() for rule in rules]
    tried = {name for table in TABLES.values() for _, name in declared(table, engine)}
    assert set(counted) - tried == UNBREAKABLE[engine]
    assert tried <= set(counted)
    assert len(counted) == len(set(counted)), "two rules of one name: an error could not tell them apart"
