"""Deciding: by whom, in time, once, and however many try at the same moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import ApprovalAction, ApprovalRequest, AuditLog, RiskLevel, Role, get_db_session
from spothive.errors import Conflict, Denied, InvalidInput, NotFound
from spothive.operations.actor import Actor
from spothive.operations.approvals import approve, consume, expire_approvals, reject
from tests.factories.approvals import approved, ask, ask_earlier, make_machine
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import at_once
from tests.watching import rows_of

SWITCH = ApprovalAction.SWITCH_INSTANCE
DECIDERS = 25


def yes(actor: Actor, request: ApprovalRequest) -> ApprovalRequest:
    with get_db_session(tenant=request.tenant_id) as session:
        return approve(session, actor, request.id)


def no(actor: Actor, request: ApprovalRequest, reason: str = "we need it") -> ApprovalRequest:
    with get_db_session(tenant=request.tenant_id) as session:
        return reject(session, actor, request.id, reason=reason)


def sweep(actor: Actor, tenant_id: UUID) -> int:
    with get_db_session(tenant=tenant_id) as session:
        return expire_approvals(session, actor)


def row_of(request: ApprovalRequest) -> dict[str, Any]:
    (row,) = rows_of(ApprovalRequest, id=request.id)
    return row


def asked(world: World, risk: RiskLevel = RiskLevel.LOW, *, hours: float = 1, by: Actor | None = None) -> Any:
    """Make a request of any risk that stands for so many hours more."""
    machine, who = make_machine(world.acme), by or world.udo
    now = utc_now()
    request = ApprovalRequest(
        requester_id=who.user_id,
        requester_name=who.username,
        action_type=SWITCH,
        instance_id=machine.id,
        action_description="a test",
        risk_level=risk,
        action_payload={},
        plan_hash="0" * 64,
        requested_at=now - timedelta(hours=24),
        expires_at=now + timedelta(hours=hours),
    )
    with get_db_session(tenant=world.acme) as session:
        session.add(request)
    return request


def test_a_decision_names_who_took_it_and_when(world: World) -> None:
    first, second = asked(world), asked(world)
    assert yes(world.anna, first).decided_at is not None
    no(world.anna, second, "not now")
    told = [(row_of(each)["status"], row_of(each)["rejection_reason"]) for each in (first, second)]
    assert told == [("APPROVED", None), ("REJECTED", "not now")]
    assert {(row["approver_name"], row["decided_by"]) for row in rows_of(ApprovalRequest)} == {("anna", "person")}
    assert max(utc_now() - row["decided_at"] for row in rows_of(ApprovalRequest)) < timedelta(seconds=30)


MAY = {
    RiskLevel.LOW: {"client", "admin", "super_admin"},
    RiskLevel.MEDIUM: {"client", "admin", "super_admin"},
    RiskLevel.HIGH: {"admin", "super_admin"},
    RiskLevel.CRITICAL: {"super_admin"},
}


def test_who_may_decide_follows_the_risk(world: World) -> None:
    able: dict[RiskLevel, set[str]] = {risk: set() for risk in RiskLevel}
    denials = conflicts = 0
    for risk in RiskLevel:
        request: Any = None
        for role in Role:
            person = replace(world.root, role=role, user_id=uuid4())  # of platform, as staff of a tenant would be
            here = world.root if role in {Role.ADMIN, Role.SUPER_ADMIN} else world.anna
            person = replace(person, home_tenant_id=here.home_tenant_id)
            request = request if request and row_of(request)["status"] == "PENDING" else asked(world, risk)
            for decide in (yes, no):
                try:
                    decide(person, request)
                except Denied:
                    denials += 1
                except Conflict:
                    conflicts += 1
                else:
                    able[risk].add(role)
    assert able == MAY
    allowed = sum(map(len, MAY.values()))
    assert (conflicts, denials) == (allowed, 2 * (len(RiskLevel) * len(Role) - allowed))


def test_nobody_decides_on_a_request_of_their_own_nor_does_a_key(world: World) -> None:
    request = asked(world, by=world.anna)
    for decide in (yes, no):
        with pytest.raises(Denied, match="anna asked for this: somebody else decides"):
            decide(world.anna, request)
    with pytest.raises(Denied, match="an API key may not do this"):
        yes(replace(world.anna, by_key=True, user_id=uuid4()), request)
    assert [row[:3] for row in audited(resource=str(request.id))] == [
        ("approval.approved", str(request.id), "DENIED"),
        ("approval.rejected", str(request.id), "DENIED"),
        ("approval.approved", str(request.id), "DENIED"),
    ]
    yes(world.admin, request)  # a tenant with one client is helped out by staff of platform
    assert row_of(request)["approver_name"] == "admin"


def test_a_request_of_another_tenant_is_like_none(world: World) -> None:
    request = asked(world)
    for decide in (approve, partial(reject, reason="x")):
        words = []
        for request_id in (request.id, UUID(int=request.id.int ^ 1)):
            with pytest.raises(NotFound) as refusal, get_db_session(tenant=world.globex) as session:
                decide(session, world.gina, request_id)
            words.append(str(refusal.value).replace(str(request_id), "ID"))
        assert words[0] == words[1]


def test_what_is_over_or_decided_says_what_became_of_it(world: World) -> None:
    late, done = asked(world, hours=-1), asked(world)
    with pytest.raises(Conflict, match=r"^this request is over: it stood until \d{4}-\d\d-\d\d "):
        yes(world.anna, late)
    with pytest.raises(InvalidInput, match="say why"):
        no(world.anna, done, " ")
    yes(world.anna, done)
    with pytest.raises(Conflict, match=r"^this request was approved by anna at "):
        no(world.admin, done)
    assert (row_of(late)["status"], row_of(done)["status"]) == ("PENDING", "APPROVED")


def test_the_sweep_ends_what_is_over_and_nothing_else(world: World) -> None:
    late, used, open_one = asked(world, hours=-1), asked(world), asked(world)
    lapsed = asked(world, hours=-1)
    approved(lapsed)
    with get_db_session(tenant=world.acme) as session:
        row = session.get_one(ApprovalRequest, approved(used))
        row.executed_at = row.requested_at
    assert [sweep(world.anna, world.acme), sweep(world.anna, world.acme)] == [2, 0]
    found = [row_of(each)["status"] for each in (late, lapsed, used, open_one)]
    assert found == ["EXPIRED", "EXPIRED", "APPROVED", "PENDING"]
    assert [row[4:] for row in audited(event="approvals.expired")] == [(None, {"expired": 2})]


def test_a_request_is_replaced_where_the_sweep_has_not_come_by(world: World) -> None:
    machine = make_machine(world.acme)
    old = ask_earlier(world.udo, machine.id, timedelta(hours=25), action=SWITCH)
    new = ask(world.udo, machine.id, action=SWITCH)
    assert (row_of(old)["status"], row_of(new)["status"]) == ("EXPIRED", "PENDING")


def test_what_expires_while_a_transaction_is_open_is_neither_used_nor_decided(world: World) -> None:
    soon = timedelta(hours=24) - timedelta(seconds=0.3)
    used, waiting = (ask_earlier(world.udo, make_machine(world.acme).id, soon, action=SWITCH) for _ in range(2))
    approved(used)
    for work in (lambda s: consume(s, used.id, action=SWITCH), lambda s: approve(s, world.anna, waiting.id)):
        with pytest.raises(Conflict, match="is over"), get_db_session(tenant=world.acme) as session:
            session.scalars(select(ApprovalRequest)).all()  # the transaction has begun
            while utc_now() <= waiting.expires_at:
                pass
            work(session)
    assert (row_of(used)["executed_at"], row_of(waiting)["status"]) == (None, "PENDING")


def test_fifty_who_decide_at_once_beside_a_sweep_come_to_one_decision(world: World) -> None:
    request = asked(world)
    people = [replace(world.anna, user_id=uuid4(), username=f"p{number}") for number in range(2 * DECIDERS)]

    def decide(person: Actor, how: Callable[..., Any]) -> Callable[[], Any]:
        return lambda: how(person, request).status

    works = [decide(person, yes if number % 2 else no) for number, person in enumerate(people)]
    results = at_once(*works, lambda: sweep(world.anna, world.acme))
    counts = Counter(type(result).__name__ for result in results)
    assert counts == {"ApprovalStatus": 1, "Conflict": 2 * DECIDERS - 1, "int": 1}, results
    (won,) = [result for result in results[:-1] if isinstance(result, str)]
    row = row_of(request)
    assert row["status"] == won
    assert {str(result) for result in results if isinstance(result, Conflict)} == {
        f"this request was {won.lower()} by {row['approver_name']} at {row['decided_at']:%Y-%m-%d %H:%M:%S} UTC"
    }
    assert len(rows_of(AuditLog, resource=str(request.id))) == 1


def test_ten_who_use_an_approval_at_once_use_it_once(world: World) -> None:
    request = ask(world.udo, make_machine(world.acme).id, action=SWITCH)
    approved(request)

    def use() -> str:
        with get_db_session(tenant=world.acme) as session:
            consume(session, request.id, action=SWITCH)
        return "used"

    results = at_once(*[use] * 10, lambda: str(sweep(world.anna, world.acme)))
    assert Counter(map(str, results[:-1]))["used"] == 1
    assert {type(result) for result in results} == {str, Conflict}
    assert row_of(request)["status"] == "APPROVED"


def test_an_approval_is_used_for_what_it_is_for_and_on_what_it_was_about(world: World) -> None:
    machine = make_machine(world.acme)
    request = ask(world.udo, machine.id, action=SWITCH)
    with pytest.raises(Conflict, match="waits for a decision"), get_db_session(tenant=world.acme) as session:
        consume(session, request.id, action=SWITCH)
    approved(request)
    with pytest.raises(Conflict, match="is for SWITCH_INSTANCE, not"), get_db_session(tenant=world.acme) as session:
        consume(session, request.id, action=ApprovalAction.DELETE_WASTE)
    with pytest.raises(Conflict, match="is not any more what it was"), get_db_session(tenant=world.acme) as session:
        consume(session, request.id, action=SWITCH, seen={"zone": "eu-west-1c"})
    assert row_of(request)["executed_at"] is None
    with pytest.raises(ZeroDivisionError), get_db_session(tenant=world.acme) as session:
        consume(session, request.id, action=SWITCH)
        raise ZeroDivisionError
    assert row_of(request)["executed_at"] is None, "rolled back, it was not used"
    with get_db_session(tenant=world.acme) as session:
        used, target = consume(session, request.id, action=SWITCH)
    assert (used.executed_at is not None, target.name) == (True, machine.instance_id)
