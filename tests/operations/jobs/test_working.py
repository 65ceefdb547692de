"""The life of a job: taken by one worker, ended with its last action, or with its worker."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest

from spothive.clock import utc_now
from spothive.database import AgentAction, DowntimeLog, JobStatus, Notice, OptimizationJob, get_db_session
from spothive.errors import Conflict, InvalidInput, NotFound
from spothive.operations.jobs import (
    JobLease,
    end_dead_jobs,
    end_overdue_actions,
    extend_job,
    fail_job,
    find_job,
    finish_job,
    list_jobs,
    note_switch,
    start_job,
)
from spothive.queue import Report, Reported
from tests.conftest import Database
from tests.factories import make_account, make_instance
from tests.operations.conftest import audited
from tests.operations.jobs.conftest import MINUTE, Shop, let_expire, let_lease_end, rewrite
from tests.watching import rows_of, statements


def done(shop: Shop, verb: Any, *arguments: Any, **how: Any) -> Any:
    with get_db_session(tenant=shop.world.acme) as session:
        return verb(session, shop.world.anna, *arguments, **how)


def status(shop: Shop, lease: JobLease) -> tuple[str, str | None]:
    row = shop.job_row(lease.job_id)
    return row["status"], row["error_message"]


def test_a_job_is_completed_with_its_last_action(shop: Shop) -> None:
    lease = shop.started()
    for key in "ab":
        shop.ask(key, job_id=lease.job_id)
    first, second = shop.claim()
    assert shop.report(Report(first.lease)) == [Reported.COMPLETED]
    job = done(shop, finish_job, lease, results={"nodes": 1})
    assert (job.status, job.results) == (JobStatus.RUNNING, {"nodes": 1})
    assert shop.report(Report(second.lease)) == [Reported.COMPLETED]
    row = shop.job_row(lease.job_id)
    assert (row["status"], row["lease_token"], row["results"]) == ("COMPLETED", None, {"nodes": 1})
    assert row["completed_at"] >= row["started_at"]


def test_a_job_is_not_completed_while_its_worker_may_ask_for_more(shop: Shop) -> None:
    lease = shop.started()
    shop.ask(job_id=lease.job_id)
    [only] = shop.claim()
    shop.report(Report(only.lease))
    assert status(shop, lease) == ("RUNNING", None)
    assert done(shop, finish_job, lease).status is JobStatus.COMPLETED
    assert [row[0] for row in audited() if row[0].startswith("job.")] == [
        "job.opened",
        "job.started",
        "job.handed_over",
    ]


def test_a_job_without_actions_is_completed_at_once(shop: Shop) -> None:
    assert done(shop, finish_job, shop.started()).status is JobStatus.COMPLETED


def test_one_action_that_fails_fails_its_job(shop: Shop) -> None:
    lease = shop.started()
    for key in "ab":
        shop.ask(key, job_id=lease.job_id)
    first, second = shop.claim()
    shop.report(Report(first.lease, "the node did not drain", retry=False))
    assert status(shop, lease) == ("FAILED", "its action CORDON_NODE a is FAILED: the node did not drain")
    assert shop.report(Report(second.lease)) == [Reported.COMPLETED], "agents go on"
    with pytest.raises(Conflict, match="is not yours any more"):
        done(shop, finish_job, lease)


def test_one_action_that_expires_fails_its_job(shop: Shop) -> None:
    lease = shop.started()
    action = shop.ask(job_id=lease.job_id)
    done(shop, finish_job, lease)
    let_expire(action.id)
    assert done(shop, end_overdue_actions).expired == 1
    assert status(shop, lease)[0] == "FAILED"
    assert "is EXPIRED: no agent took it before it expired" in str(status(shop, lease)[1])
    [(_, _, _, _, _, after)] = audited(event="actions.ended")
    assert after == {"expired": 1, "failed": 0, "given_back": 0, "jobs": 1}
    assert done(shop, end_overdue_actions).total == 0
    assert len(audited(event="actions.ended")) == 1


def test_of_two_who_take_a_job_one_gets_it(shop: Shop) -> None:
    job, at_once, came, threads = shop.job(), Barrier(4), list[object](), list[Thread]()

    def take() -> None:
        at_once.wait()
        try:
            came.append(done(shop, start_job, job))
        except Conflict as late:
            came.append(str(late))

    for _ in range(4):
        threads.append(Thread(target=take))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(each, JobLease) for each in came) == [False, False, False, True]
    with pytest.raises(NotFound):
        done(shop, start_job, uuid4())


def test_the_two_last_actions_of_a_job_end_at_once(shop: Shop) -> None:
    """Neither sees the other's: the second waits for the first at the job, and ends it."""
    lease = shop.started()
    for number in range(8):
        shop.ask(str(number), job_id=lease.job_id)
    done(shop, finish_job, lease)
    handed, at_once, threads = shop.claim(), Barrier(8), list[Thread]()

    def finish(each: Any) -> None:
        at_once.wait()
        shop.report(Report(each.lease))

    for each in handed:
        threads.append(Thread(target=finish, args=(each,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert status(shop, lease) == ("COMPLETED", None)


def test_a_worker_keeps_its_job_while_it_is_heard_of(shop: Shop) -> None:
    lease = shop.started()
    with get_db_session(tenant=shop.world.acme) as session:
        session.connection()
        with statements() as sent:
            kept = extend_job(session, shop.world.anna, lease)
        assert sent.total() == 1
    assert kept.leased_until >= lease.leased_until
    for stranger in (JobLease(lease.job_id, uuid4(), utc_now()), JobLease(uuid4(), lease.token, utc_now())):
        for verb, how in ((extend_job, {}), (finish_job, {}), (fail_job, {"error": "no"})):
            with pytest.raises(Conflict, match="not yours"):
                done(shop, verb, stranger, **how)
    with pytest.raises(InvalidInput):
        done(shop, fail_job, lease, error=" ")
    done(shop, fail_job, lease, error="no prices")
    assert status(shop, lease) == ("FAILED", "no prices")


def test_a_job_whose_worker_is_dead_has_failed(shop: Shop) -> None:
    lease, alive = shop.started(), shop.started()
    over = shop.started()
    shop.ask(job_id=over.job_id)
    done(shop, finish_job, over)
    assert done(shop, end_dead_jobs) == 0
    rewrite(OptimizationJob, lease.job_id, leased_until=utc_now() - MINUTE)
    with pytest.raises(Conflict, match="not yours"):
        done(shop, extend_job, lease)
    assert done(shop, end_dead_jobs) == 1
    assert status(shop, lease) == ("FAILED", "its worker was not heard of again before its lease was over")
    assert [status(shop, each)[0] for each in (alive, over)] == ["RUNNING", "RUNNING"], "the queue has the last one"
    assert audited(event="jobs.ended")[0][5] == {"failed": 1, "completed": 0}
    assert rows_of(DowntimeLog) == []


def switching(shop: Shop) -> tuple[JobLease, UUID]:
    """Start a job that is switching i-1; return its lease, and an action of it."""
    lease = shop.started()
    if not rows_of(OptimizationJob, status="FAILED"):
        make_instance(shop.world.acme, make_account(shop.world.acme).id, "i-1", cluster_id=shop.cluster)
    action = shop.ask(f"drain {lease.job_id.hex[-8:]}", job_id=lease.job_id)
    done(shop, note_switch, lease, instance_id="i-1")
    return lease, action.id


def told_of_outages() -> set[str]:
    return {row["title"] for row in rows_of(Notice) if row["event_type"] == "downtime.recorded"}


def test_a_job_that_fails_during_a_switch_kept_the_instance_down(db: Database, shop: Shop) -> None:
    lease, _ = switching(shop)
    done(shop, finish_job, lease)
    [handed] = shop.claim()
    shop.report(Report(handed.lease, "no", retry=False))
    [outage] = rows_of(DowntimeLog)
    assert (outage["cause"], outage["instance_id"], outage["cluster_id"]) == ("optimizer_failure", "i-1", shop.cluster)
    assert outage["end_time"] is None
    assert abs(outage["start_time"] - utc_now()) < MINUTE
    assert f"job {lease.job_id} failed while it switched" in outage["cause_details"]
    assert told_of_outages() == {"i-1 is down: optimizer_failure"}
    done(shop, end_dead_jobs)
    assert len(rows_of(DowntimeLog)) == 1


def test_a_worker_that_dies_during_a_switch_kept_the_instance_down(shop: Shop) -> None:
    lease, _ = switching(shop)
    rewrite(OptimizationJob, lease.job_id, leased_until=utc_now() - MINUTE)
    assert done(shop, end_dead_jobs) == 1
    assert done(shop, end_dead_jobs) == 0
    assert [row["cause"] for row in rows_of(DowntimeLog)] == ["worker_crash"]
    assert told_of_outages() == {"i-1 is down: worker_crash"}


def test_an_agent_that_dies_for_good_fails_the_job_and_the_switch(shop: Shop) -> None:
    lease, action = switching(shop)
    rewrite(AgentAction, action, max_attempts=1)
    shop.claim()
    let_lease_end(action)
    assert done(shop, end_overdue_actions).failed == 1
    assert status(shop, lease)[0] == "FAILED"
    assert [row["cause"] for row in rows_of(DowntimeLog)] == ["optimizer_failure"]


def test_a_switch_that_is_over_is_nobody_s_outage(shop: Shop) -> None:
    lease, _ = switching(shop)
    done(shop, note_switch, lease, instance_id=None)
    done(shop, fail_job, lease, error="later")
    assert rows_of(DowntimeLog) == []
    assert [row[5] for row in audited(event="job.switching")] == [{"switching": "i-1"}, {"switching": None}]


def test_an_instance_that_is_gone_keeps_no_job_from_failing(shop: Shop) -> None:
    lease = shop.started()
    with pytest.raises(NotFound):
        done(shop, note_switch, lease, instance_id="i-nobody")
    rewrite(OptimizationJob, lease.job_id, results={"switching": "i-nobody"})
    done(shop, fail_job, lease, error="no")
    assert (status(shop, lease)[0], rows_of(DowntimeLog)) == ("FAILED", [])


def test_jobs_are_listed_page_by_page(shop: Shop) -> None:
    jobs = [shop.job() for _ in range(3)][::-1]
    lease = done(shop, start_job, jobs[0])
    with get_db_session(tenant=shop.world.acme) as session:
        first = list_jobs(session, limit=2, cluster_id=shop.cluster)
        rest = list_jobs(session, limit=2, before=first.next)
        assert [row.id for row in [*first.rows, *rest.rows]] == jobs
        assert [row.id for row in list_jobs(session, statuses=[JobStatus.RUNNING]).rows] == [lease.job_id]
        assert find_job(session, jobs[0]).cluster.name == "shop"
    with get_db_session(tenant=shop.world.globex) as session:
        assert list_jobs(session).rows == []
    assert timedelta(0) < lease.leased_until - utc_now() <= 5 * MINUTE + timedelta(seconds=5)
