"""Who is told of requests: those who may decide, but never only who asked; and who asked, what became of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from spothive.database import ApprovalAction, Role, get_db_session
from spothive.errors import Conflict, SpothiveError
from spothive.models import EmailDigestEntry, EmailLog, EnvironmentType, Notice, NoticeEvent, WebhookLog
from spothive.operations.actor import Actor
from spothive.operations.approvals import approve, expire_approvals, reject, request_approval, set_auto_approval
from spothive.operations.identity import create_user, find_actor
from tests.conftest import Database
from tests.factories.approvals import ask, ask_earlier, make_machine, make_rogue
from tests.operations.conftest import World, audit_impossible
from tests.operations.notifications.conftest import hook
from tests.told import heard, titles
from tests.watching import rows_of

SWITCH, TERMINATE = ApprovalAction.SWITCH_INSTANCE, ApprovalAction.TERMINATE_ROGUE
REQUESTED, DECIDED = NoticeEvent.APPROVAL_REQUESTED, NoticeEvent.APPROVAL_DECIDED


def another(world: World, name: str, role: Role) -> Actor:
    """Make another user of acme."""
    with get_db_session(tenant=world.acme) as session:
        create_user(session, world.root, username=name, email=f"{name}@acme.io", role=role, password_hash="h")
    return find_actor(name, "acme")[0]


def test_who_may_decide_is_told_and_then_who_asked(world: World) -> None:
    machine = make_machine(world.acme)
    request = ask(world.udo, machine.id, action=SWITCH)
    assert ask(world.udo, machine.id, action=SWITCH).id == request.id
    (content,) = heard(world.anna)
    assert content["title"] == f"udo asks to approve SWITCH_INSTANCE of {machine.instance_id}"
    assert f"`spothive approval approve {request.id}`" in content["body"]
    assert content["facts"]["request"] == str(request.id)
    assert [heard(who) for who in (world.udo, world.lena, world.gina, world.admin, world.root)] == [[]] * 5
    with get_db_session(tenant=world.acme) as session:
        reject(session, world.anna, request.id, reason="we need it")
    with pytest.raises(Conflict), get_db_session(tenant=world.acme) as session:
        approve(session, world.anna, request.id)
    (content,) = heard(world.udo)
    assert content["title"] == f"SWITCH_INSTANCE of {machine.instance_id} is REJECTED"
    assert "anna decided about it: we need it. Nothing is done" in content["body"]
    assert titles(world.anna, DECIDED) == []


def test_nobody_is_told_alone_of_the_own_request(world: World) -> None:
    ask(world.anna, make_machine(world.acme).id, action=SWITCH)
    (content,) = heard(world.anna)
    assert "Nobody else of this tenant may decide about it: ask the staff of platform" in content["body"]
    assert "`spothive approval show " in content["body"]
    assert "approval approve" not in content["body"]
    carl = another(world, "carl", Role.CLIENT)
    ask(world.anna, make_machine(world.acme).id, action=SWITCH)
    assert len(heard(world.anna)) == 1
    (content,) = heard(carl)
    assert "Nobody else" not in content["body"]
    assert "`spothive approval approve " in content["body"]


def test_what_is_critical_is_told_to_those_who_may_decide_about_it(world: World) -> None:
    rogue = make_rogue(world.acme, world.anna.user_id)
    ask(world.udo, rogue.id)
    (content,) = heard(world.anna)  # nobody of acme may: she asks the staff
    assert "approval approve" not in content["body"]
    alma, sue = another(world, "alma", Role.ADMIN), another(world, "sue", Role.SUPER_ADMIN)
    ask(world.udo, rogue.id, description="for another reason", payload={"why": "else"})
    assert [len(heard(who)) for who in (world.anna, alma, sue)] == [1, 0, 1]


def test_what_a_policy_decides_is_told_to_who_asked_and_of_spothives_own_to_nobody(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_auto_approval(session, world.anna, on=True)
    listed = hook(world.anna, DECIDED)
    ask(world.udo, make_machine(world.acme).id, action=SWITCH)
    assert heard(world.anna) == heard(world.lena) == []
    (content,) = heard(world.udo)
    assert "the policy of the tenant decided about it" in content["body"]
    ask(world.udo, make_machine(world.acme).id, action=SWITCH, by_spothive=True)
    assert len(heard(world.udo)) == 1
    assert heard(world.anna) == []
    assert [row["webhook_config_id"] for row in rows_of(WebhookLog)] == [listed] * 2


def test_what_a_person_decides_of_spothives_own_is_told_to_those_who_may(world: World) -> None:
    carl = another(world, "carl", Role.CLIENT)
    request = ask(world.udo, make_machine(world.acme).id, action=SWITCH, by_spothive=True)
    with get_db_session(tenant=world.acme) as session:
        approve(session, world.anna, request.id)
    for who in (world.anna, carl):
        asked, decided = heard(who)
        assert asked["title"].startswith("spothive asks to approve")
        assert decided["title"].endswith("is APPROVED")
    assert heard(world.udo) == []


def test_who_asked_in_vain_is_told_once_of_all_that_expired(world: World) -> None:
    for who, count in ((world.udo, 2), (world.lena, 1)):
        for _ in range(count):
            ask_earlier(who, make_machine(world.acme).id, timedelta(hours=25), action=SWITCH)
    before = len(heard(world.anna))
    for _ in range(2):
        with get_db_session(tenant=world.acme) as session:
            expire_approvals(session, world.anna)
    (content,) = heard(world.udo)
    assert content["title"] == "2 requests for approval are EXPIRED"
    assert (content["facts"]["count"], len(content["facts"]["requests"])) == (2, 2)
    assert titles(world.lena) == ["SWITCH_INSTANCE is EXPIRED"]
    assert len(heard(world.anna)) == before


def test_staff_who_ask_in_a_customers_tenant_are_no_readers_there(world: World) -> None:
    machine = make_machine(world.acme, EnvironmentType.LAB)
    with get_db_session(tenant=world.acme) as session:
        request = request_approval(session, world.admin, action=SWITCH, target_id=machine.id, description="a test")
    assert len(heard(world.anna)) == 1
    with get_db_session(tenant=world.acme) as session:
        approve(session, world.anna, request.id)
    assert heard(world.admin) == []
    assert {row["tenant_id"] for row in rows_of(Notice)} == {world.acme}


def test_a_request_that_is_rolled_back_tells_nobody(world: World, db: Database) -> None:
    machine = make_machine(world.acme)
    with audit_impossible(db), pytest.raises(SpothiveError):
        ask(world.udo, machine.id, action=SWITCH)
    models: list[Any] = [Notice, EmailLog, EmailDigestEntry]
    assert [rows_of(model) for model in models] == [[], [], []]
