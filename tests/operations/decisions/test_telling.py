"""What people are told of decisions that failed, once a call; and staff of platform of the model that decides."""

from __future__ import annotations

from typing import Any

import pytest

from spothive.database import get_db_session
from spothive.errors import SpothiveError
from spothive.models import EmailDigestEntry, EmailLog, Instance, ModelStatus, Notice
from spothive.operations.decisions import activate_model, make_decisions
from spothive.scoring.serving import ModelServer
from spothive.scoring.store import ModelStore
from tests.conftest import Database
from tests.factories import make_account, make_instance
from tests.operations.conftest import World, audit_impossible
from tests.operations.decisions.conftest import make_model
from tests.told import heard
from tests.watching import rows_of, statements


def decide(world: World, store: ModelStore, *instances: str) -> None:
    wanted: Any = list(instances) or None
    make_decisions(get_db_session, world.anna, tenant_id=world.acme, server=ModelServer(store), instances=wanted)


@pytest.mark.usefixtures("lab")
def test_what_failed_is_told_once_a_call_with_the_reasons(world: World, store: ModelStore, db: Database) -> None:
    decide(world, store, "i-prod")
    (content,) = heard(world.udo)
    assert content["title"] == "No decision about i-prod"
    assert "no decision: no model is active" in content["body"]
    assert content["facts"]["instances"] == ["i-prod"]
    shop = rows_of(Instance, instance_id="i-prod")[0]["account_id"]
    for number in range(30):
        make_instance(world.acme, shop, f"i-{number:02}", region=f"us-east-{number % 2 + 1}")
    with statements() as sent:
        decide(world, store)
    content = heard(world.udo)[1]
    assert content["title"] == "No decision about 31 of 31 instances"
    assert (content["facts"]["failed"], len(content["facts"]["instances"])) == (31, 20)
    assert content["body"].count("31 times: no decision") == 1
    inserts = [text for text in sent if "INTO notices" in text or "INTO email_logs" in text]
    assert [sent[text] for text in inserts] == [1, 1]
    assert heard(world.gina) == heard(world.admin) == []
    with audit_impossible(db), pytest.raises(SpothiveError):
        decide(world, store, "i-prod")
    assert len(heard(world.udo)) == 2


def test_the_model_that_decides_is_told_to_the_users_of_platform_once(world: World, store: ModelStore) -> None:
    make_account(world.acme)
    for version, weight in (("1", 0.1), ("2", 0.2)):
        make_model(store, version, status=ModelStatus.ENABLED, weight=weight)
    for version in ("1", "2", "2"):
        activate_model(get_db_session, world.admin, name="risk", version=version, store=store)
    for who in (world.admin, world.root):
        first, second = heard(who)
        assert first["title"] == "Model risk 1 decides in production"
        assert (first["facts"]["before"], second["facts"]["before"]) == (None, "risk 1")
        assert "instead of risk 1, which stays ENABLED" in second["body"]
    home = {world.admin.home_tenant_id}
    for model in (Notice, EmailLog, EmailDigestEntry):
        assert {row["tenant_id"] for row in rows_of(model)} <= home
