"""Jobs, actions and the agent that pretends, at the command line."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import Any, get_args
from uuid import UUID

import pytest
from sqlalchemy import update

from spothive.cli.jobs import actions, jobs
from spothive.clock import utc_now
from spothive.database import (
    ActionStatus,
    ActionType,
    AgentAction,
    ApiKey,
    Cluster,
    ClusterStatus,
    JobStatus,
    get_db_session,
)
from spothive.operations.identity import find_actor
from spothive.operations.jobs import finish_job, start_job
from spothive.queue import Order, enqueue
from tests.cli.conftest import Spothive, audited
from tests.conftest import Database, settings
from tests.factories import make_account, make_cluster
from tests.watching import rows_of

ACME = ("--tenant", "acme", "--as", "acme-client")
NODE = ("--cluster", "shop", "--payload", '{"node": "n"}', *ACME)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTHIVE_ACTION_BACKOFF", "0")


@pytest.fixture
def shop(people: Database) -> Database:
    """Give acme the cluster shop."""
    acme = find_actor("acme-client", "acme")[1]
    make_cluster(acme, make_account(acme, "main").id, "shop")
    return people


def ask(number: int) -> None:
    """Ask the agent of shop for so many actions."""
    [cluster] = rows_of(Cluster)
    with get_db_session(tenant=cluster["tenant_id"]) as session:
        for key in range(number):
            enqueue(session, Order(cluster["id"], ActionType.CORDON_NODE, {"node": "n"}, str(key)))


def test_the_words_are_those_of_the_database() -> None:
    assert list(get_args(actions.Status)) == list(ActionStatus)
    assert list(get_args(jobs.Status)) == list(JobStatus)


def test_an_action_is_asked_for_once_by_a_key_and_found(shop: Database, done: Spothive) -> None:
    made = done("action", "enqueue", "CORDON_NODE", *NODE, "--key", "k", "--priority", "2", "--json").json
    again = done("action", "enqueue", "CORDON_NODE", *NODE, "--key", "k")
    assert again.words.startswith(
        f"nothing new: by the key k there is action {made['id']} already: CORDON_NODE in shop is"
    )
    assert (made["new"], "by another key" in again.words) == (True, False)
    assert len(audited("action.enqueued")) == 1
    other = done("action", "enqueue", "DRAIN_NODE", *NODE, "--json").json
    page = done("action", "list", "--limit", "1", *ACME, "--json").json
    assert [row["id"] for row in page["actions"]] == [other["id"]]
    rest = done("action", "list", "--before", page["next"], "--cluster", "shop", *ACME, "--json").json
    assert ([row["id"] for row in rest["actions"]], rest["next"]) == ([made["id"]], None)
    shown = done("action", "show", made["id"], *ACME)
    assert '{"node": "n"}' in shown.words
    assert "0/3" in done("action", "list", "--status", "PENDING", *ACME).words
    assert done("action", "list", "--status", "FAILED", *ACME).out == "no action fits\n"
    assert "more: --before" in done("action", "list", "--limit", "1", *ACME).words


def test_what_has_ended_is_not_done_again_by_its_key(shop: Database, done: Spothive) -> None:
    done("action", "enqueue", "CORDON_NODE", *NODE, "--key", "k")
    done("agent", "simulate", "--cluster", "shop", "--seconds", "0", *ACME)
    again = done("action", "enqueue", "CORDON_NODE", *NODE, "--key", "k")
    assert "is COMPLETED it is not done again: for that, ask by another key" in again.words
    assert done("action", "enqueue", "CORDON_NODE", *NODE, "--key", "k", "--json").json["new"] is False


def test_what_is_wrong_is_said_by_name(shop: Database, refused: Callable[..., str]) -> None:
    for words, said in (
        (("--cluster", "shop", "--payload", "{}"), "CORDON_NODE needs node in its payload: node is missing"),
        (("--cluster", "shop", "--payload", "[]"), "--payload: '[]' is no JSON object: write for example"),
        (("--cluster", "nope", "--payload", '{"node": "n"}'), "no cluster is called 'nope'"),
        ((*NODE[:4], "--job", "x"), "'x' is no id: copy it from spothive job list"),
        ((*NODE[:4], "--expires-in", "0s"), "an action expires after it is available"),
        ((*NODE[:4], "--expires-in", "soon"), "--expires-in: 'soon' is no time"),
    ):
        assert refused("action", "enqueue", "CORDON_NODE", *words, *ACME).startswith(said)
    unknown = str(UUID(int=0))
    assert refused("action", "list", "--job", unknown, *ACME).startswith(f"no job has the id {unknown}")
    said = refused("action", "enqueue", "REBOOT", *NODE)
    assert said.startswith("no action is called 'REBOOT': there are EVICT_POD, CORDON_NODE,")
    assert refused("agent", "simulate", "--cluster", "nope", *ACME).startswith("no cluster is called 'nope'")
    assert refused("agent", "simulate", "--cluster", "shop", "--workers", "0", *ACME).startswith("1 to 64 workers")
    for option, value, wrong in (
        ("--batch", "0", "a worker takes 1 to 100"),
        ("--batch", "101", "a worker takes 1 to 100"),
        ("--seconds", "inf", "1 to 64 workers"),
        ("--seconds", "nan", "1 to 64 workers"),
    ):
        assert refused("agent", "simulate", "--cluster", "shop", option, value, *ACME).startswith(wrong)
    assert rows_of(ApiKey, revoked_at=None) == []


def test_a_job_is_opened_listed_and_shown_with_its_actions(shop: Database, done: Spothive) -> None:
    job = done("job", "open", "--cluster", "shop", *ACME, "--json").json
    actor, acme = find_actor("acme-client", "acme")
    with get_db_session(tenant=acme) as session:
        lease = start_job(session, actor, UUID(job["id"]))
    done("action", "enqueue", "CORDON_NODE", *NODE, "--job", job["id"])
    with get_db_session(tenant=acme) as session:
        finish_job(session, actor, lease, results={"nodes": 1})
    shown = done("job", "show", job["id"], *ACME)
    assert "1 PENDING" in shown.words
    assert f"spothive action list --job {job['id']}" in shown.words
    assert "RUNNING" in done("job", "list", "--status", "RUNNING", "--cluster", "shop", *ACME).words
    assert len(done("action", "list", "--job", job["id"], *ACME, "--json").json["actions"]) == 1
    done("agent", "simulate", "--cluster", "shop", "--seconds", "0", *ACME)
    facts = done("job", "show", job["id"], *ACME, "--json").json
    assert (facts["status"], facts["actions"], facts["results"]) == ("COMPLETED", {"COMPLETED": 1}, {"nodes": 1})
    assert done("job", "list", "--status", "QUEUED", *ACME).out == "no job fits\n"


def test_a_job_waits_for_a_program_that_takes_it(shop: Database, done: Spothive) -> None:
    assert "it waits for a worker: a program of yours" in done("job", "open", "--cluster", "main/shop", *ACME).words


def test_a_simulated_agent_empties_the_queue_and_its_key_is_revoked(shop: Database, done: Spothive) -> None:
    ask(12)
    told = done("agent", "simulate", "--cluster", "shop", "--workers", "3", "--seconds", "0", *ACME, "--json").json
    workers = told["workers"]
    assert (told["stopped"], [row["worker"] for row in workers]) == (False, [1, 2, 3])
    assert (sum(row["completed"] for row in workers), sum(row["stale"] for row in workers)) == (12, 0)
    assert {row["status"].value for row in rows_of(AgentAction)} == {"COMPLETED"}
    [key] = rows_of(ApiKey)
    assert (key["scopes"], key["revoked_reason"]) == (["agent"], "the simulation has ended")
    again = done("agent", "simulate", "--cluster", "shop", *ACME)
    assert again.out.endswith("0 actions finished\n")


def test_a_simulation_asks_where_a_real_agent_may_live(
    shop: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    ask(1)
    key = done("apikey", "create", "agent", "--cluster", "shop", *ACME, "--json").json
    simulate = ("agent", "simulate", "--cluster", "main/shop", "--seconds", "0", *ACME)
    said = refused(*simulate)
    assert said.startswith("nothing was changed: main/eu-west-1/shop has an agent, whose key is")
    assert f"{key['prefix']} and which was not heard of yet: what waits for it would" in said
    assert rows_of(AgentAction)[0]["status"] is ActionStatus.PENDING
    assert done(*simulate, "--yes").out.endswith("1 action finished\n")
    done("apikey", "revoke", key["prefix"], "--reason", "a test", *ACME)
    done(*simulate)
    [cluster] = rows_of(Cluster)
    with get_db_session(tenant=cluster["tenant_id"]) as session:
        heard = {"status": ClusterStatus.ACTIVE, "agent_installed": True, "agent_version": "1.4"}
        session.execute(update(Cluster).values(**heard, last_heartbeat=utc_now() - timedelta(hours=1)))
    assert "shop has an agent, which was heard of at 2" in refused(*simulate)
    done(*simulate, "--yes")
    [after] = rows_of(Cluster)
    assert (after["agent_version"], after["last_heartbeat"] > utc_now() - timedelta(minutes=1)) == ("1.4", True)


@pytest.mark.parametrize("status", [ClusterStatus.PENDING, ClusterStatus.INACTIVE])
def test_nobody_hears_of_the_silence_of_an_agent_that_only_pretended(
    shop: Database, done: Spothive, status: ClusterStatus
) -> None:
    facts: dict[str, Any] = {"status": status}
    if status is ClusterStatus.INACTIVE:  # there was one, and people were told that it is silent
        facts |= {"agent_installed": True, "agent_version": "1.4", "last_heartbeat": utc_now() - timedelta(days=1)}
    [cluster] = rows_of(Cluster)
    with get_db_session(tenant=cluster["tenant_id"]) as session:
        session.execute(update(Cluster).values(**facts))
    [before] = rows_of(Cluster)
    ask(1)
    done("agent", "simulate", "--cluster", "shop", "--seconds", "0", "--yes", *ACME)
    [after] = rows_of(Cluster)
    names = ("status", "agent_installed", "agent_version", "last_heartbeat")
    assert [after[name] for name in names] == [before[name] for name in names]


def test_what_goes_wrong_is_tried_until_it_has_failed(shop: Database, done: Spothive) -> None:
    done("action", "enqueue", "CORDON_NODE", *NODE, "--tries", "2")
    words = ("--seconds", "0.01", "--fail-rate", "1", "--batch", "5", "--lease", "30")
    [row] = done("agent", "simulate", "--cluster", "shop", *words, *ACME, "--json").json["workers"]
    assert (row["claimed"], row["completed"], row["retried"], row["failed"]) == (2, 0, 1, 1)
    assert rows_of(AgentAction)[0]["error_message"] == "simulated: it went wrong"


def test_leases_are_extended_while_a_batch_is_worked_on(shop: Database, done: Spothive) -> None:
    ask(3)
    words = ("--seconds", "0.01", "--batch", "3", "--lease", "1")
    [row] = done("agent", "simulate", "--cluster", "shop", *words, *ACME, "--json").json["workers"]
    assert (row["completed"], row["lost"]) == (3, 0)
    assert row["extended"] >= 3


def test_an_agent_s_own_key_is_used_if_there_is_one(
    shop: Database, done: Spothive, refused: Callable[..., str]
) -> None:
    made = done("apikey", "create", "agent", "--cluster", "main/shop", *ACME, "--json").json
    done("action", "enqueue", "CORDON_NODE", *NODE)
    with settings(SPOTHIVE_AGENT_KEY=made["key"]):
        ran = done("agent", "simulate", "--cluster", "shop", "--seconds", "0", *ACME)
    assert "1 action finished" in ran.words
    [key] = rows_of(ApiKey)
    assert (key["revoked_at"], key["last_used_at"] is not None) == (None, True)
    acme = find_actor("acme-client", "acme")[1]
    make_cluster(acme, make_account(acme, "other").id, "other")
    with settings(SPOTHIVE_AGENT_KEY=made["key"]):
        said = refused("agent", "simulate", "--cluster", "other", *ACME)
    assert said == "SPOTHIVE_AGENT_KEY is not the key of the agent of other: unset it, and one is made"
    with settings(SPOTHIVE_AGENT_KEY="sh_agent_nonsense"):
        said = refused("agent", "simulate", "--cluster", "shop", *ACME)
    assert said.startswith("this API key is not valid")
    assert "nonsense" not in said


def test_ctrl_c_gives_back_what_is_under_way(shop: Database, done: Spothive) -> None:
    ask(1)
    over = Event()

    def interrupt() -> None:
        while not over.wait(0.05):
            if rows_of(AgentAction)[0]["status"] is ActionStatus.PICKED_UP:
                os.kill(os.getpid(), signal.SIGINT)
                return

    interrupting = Thread(target=interrupt)
    interrupting.start()
    try:
        ran = done("agent", "simulate", "--cluster", "shop", "--seconds", "3600", "--forever", *ACME)
    finally:
        over.set()
        interrupting.join()
    assert ran.out.endswith("0 actions finished, stopped before the queue was empty\n")
    [row] = rows_of(AgentAction)
    assert (row["status"], row["error_message"]) == ("PENDING", "the agent was stopped before it was done")
    assert rows_of(ApiKey)[0]["revoked_at"] is not None
