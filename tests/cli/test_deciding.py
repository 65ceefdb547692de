"""``spothive decision`` on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from spothive.database import DowntimeLog, EnvironmentType, ModelStatus, Tenant, User, get_db_session
from spothive.scoring.store import ModelStore
from spothive.settings import get_settings
from tests.cli.conftest import Spothive
from tests.conftest import Database
from tests.factories import make_instance
from tests.factories.active_model import activate
from tests.factories.fleets import connected_account
from tests.operations.decisions import market
from tests.operations.decisions.conftest import make_model
from tests.operations.decisions.market import price
from tests.watching import rows_of

AT_HOME = ("--tenant", "acme", "--as", "acme-client")
HERE, THERE = "i-00000000000000001", "i-00000000000000002"
REASON = "eu-west-1b m5.large is 60 % cheaper at a risk of 0.02; staying risks 0.02"


@pytest.fixture
def fleet(people: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """Give acme two instances, one of which had better move; return the store of models."""
    monkeypatch.setenv("SPOTHIVE_MODEL_STORE", str(tmp_path / "store"))
    get_settings.cache_clear()
    (acme,), (client,) = rows_of(Tenant, slug="acme"), rows_of(User, username="acme-client")
    with get_db_session(tenant=acme["id"]) as session:
        account = connected_account(session, client["id"], name="shop", account_id="111111111111")
        account.environment_type = EnvironmentType.PROD
    make_instance(acme["id"], account.id, HERE)
    make_instance(acme["id"], account.id, THERE, availability_zone="eu-west-1b")
    store = ModelStore(tmp_path / "store")
    activate(make_model(store, "1", status=ModelStatus.ENABLED, weight=-2.0))
    market.store(
        price("a", "m5.large", "0.1"),
        price("b", "m5.large", "0.04"),
        price("c", "m5.large", "1", ago=timedelta(days=2)),
    )
    return store


def test_decide_look_replay_and_follow_up(fleet: ModelStore, done: Spothive, refused: Callable[..., str]) -> None:
    made = done("decision", "make", "--all", *AT_HOME)
    assert made.out.splitlines()[-1] == "1 SWITCH, 1 HOLD, 0 FAILED"
    assert REASON in made.words
    both = done("decision", "list", "--json", *AT_HOME).json
    assert {each["instance_id"]: each["decision"] for each in both["decisions"]} == {HERE: "SWITCH", THERE: "HOLD"}
    page = done("decision", "list", "--limit", "1", *AT_HOME)
    older = page.out.splitlines()[-1].removeprefix("older ones: ").split()
    assert done("decision", "list", *older, *AT_HOME).out.count("RECORDED") == 1
    (switch,) = done("decision", "list", "--decision", "SWITCH", "--since", "1h", "--json", *AT_HOME).json["decisions"]
    ids = [each["id"] for each in both["decisions"]]

    shown = done("decision", "show", switch["id"], *AT_HOME)
    assert REASON in shown.out
    assert "eu-west-1:eu-west-1a:m5.large (its own)" in shown.out
    assert "no spot price of the last 24 hours" in shown.out
    assert "(baseline)" in shown.out
    (score,) = [line for line in shown.out.splitlines() if line.startswith("= score")]
    assert float(score.split("|")[2]) == pytest.approx(switch["prediction_score"], abs=1e-6)
    facts = done("decision", "show", switch["id"], "--json", *AT_HOME).json
    assert facts["metrics"]["model"]["name"] == "risk"
    assert {part["feature"] for part in facts["explanations"][0]["parts"]} == set(facts["features_used"])

    assert [each["agrees"] for each in done("decision", "replay", *ids, "--json", *AT_HOME).json] == [True, True]
    times = ("--source-lost", "30s", "--target-ready", "10s")
    told = done("decision", "outcome", switch["id"], "acted", *times, "--instance", "i-0123456789abcdef0", *AT_HOME)
    assert told.out == f"decision {switch['id']} about {HERE} is ACTED\n"
    (outage,) = rows_of(DowntimeLog, decision_id=UUID(switch["id"]))
    assert 19 <= outage["duration_seconds"] <= 21
    assert "this experiment log is ACTED and cannot become ACTED" in refused(
        "decision", "outcome", switch["id"], "acted", *AT_HOME
    )
    assert done("decision", "list", "--status", "ACTED", "--json", *AT_HOME).json["decisions"][0]["id"] == switch["id"]

    assert (
        done("decision", "shadow", HERE, "on", *AT_HOME).out
        == f"decisions about {HERE} are recorded only from now on\n"
    )
    (shadow,) = done("decision", "make", HERE, "--json", *AT_HOME).json["decisions"]
    assert shadow["is_shadow_run"]
    assert "recorded only" in refused("decision", "outcome", shadow["id"], "acted", *AT_HOME)


def test_a_decision_that_failed_ends_with_1(fleet: ModelStore, spothive: Spothive, done: Spothive) -> None:
    (switch,) = done("decision", "make", HERE, "--json", *AT_HOME).json["decisions"]
    (file,) = fleet.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    replayed = spothive("decision", "replay", switch["id"], "--json", *AT_HOME)
    assert (replayed.code, replayed.json[0]["agrees"], replayed.json[0]["again"]) == (1, False, None)
    kept = spothive("decision", "make", HERE, *AT_HOME)  # this process serves what it has loaded
    assert kept.code == 0
    file.unlink()
    get_settings.cache_clear()
    from spothive import runtime

    runtime._model_server.cache_clear()  # noqa: SLF001 - as a new process begins
    ran = spothive("decision", "make", HERE, "--json", *AT_HOME)
    assert (ran.code, ran.json["FAILED"]) == (1, 1)
    assert ran.err == "error: 1 decision FAILED: mend what the reason says and decide again\n"
    (failed,) = done("decision", "list", "--decision", "FAILED", "--json", *AT_HOME).json["decisions"]
    assert "cannot be read" in failed["decision_reason"]
    assert "no candidates were kept" in done("decision", "show", failed["id"], *AT_HOME).out


def test_what_cannot_be_asked(fleet: ModelStore, refused: Callable[..., str]) -> None:
    assert refused("decision", "make", *AT_HOME) == "name instances, or say --all"
    assert refused("decision", "make", HERE, "--all", *AT_HOME) == "name instances, or say --all"
    assert "a pool is region" in refused("decision", "make", HERE, "--candidate", "m5.large", *AT_HOME)
    assert "another region" in refused(
        "decision", "make", HERE, "--candidate", "us-east-1:us-east-1a:m5.large", *AT_HOME
    )
    for words in (["show"], ["replay"], ["outcome", "acted"]):
        for wrong in ("nonsense", "0197a1f0-0000-7000-8000-000000000001"):
            message = refused("decision", words[0], wrong, *words[1:], *AT_HOME)
            assert message == f"no decision has the id {wrong!r}: see `spothive decision list`"
    assert "may not" in refused("decision", "make", HERE, "--tenant", "acme", "--as", "acme-user")
