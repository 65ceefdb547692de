"""Proofs that meet: of one AWS account, of one request, and a disconnection in between."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest

from spothive.database import (
    Account,
    AccountStatus,
    ConnectionMethod,
    Instance,
    OnboardingRequest,
    OnboardingStatus,
    Role,
    get_db_session,
)
from spothive.errors import AccountAlreadyClaimed, Conflict
from spothive.operations.actor import Actor
from spothive.operations.fleet import disconnect_account, import_fleet
from tests.conftest import Database
from tests.factories import make_tenant, make_user
from tests.factories.fleets import answer_of, observed
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import Desk, Doors, as_owner, at_once, door, key_of, kinds
from tests.schema.waiting import until_blocked
from tests.watching import rows_of

MANY = 20
PROVED = "345678901234"


def verifying(desk: Desk, name: str, who: Actor, doors: Doors) -> Callable[[], Account]:
    role_arn = door(desk.begin(name=name, who=who))
    return lambda: desk.verify(role_arn, name=name, who=who, gateway=doors)


def together() -> Doors:
    """Return an AWS that answers the last question of all of them at once: what follows is a race."""
    return Doors(meanwhile=Barrier(MANY, timeout=60).wait)


def clients(count: int) -> list[Actor]:
    """Make so many clients, each of a tenant of their own."""
    users = [make_user(make_tenant()) for _ in range(count)]
    return [Actor(user.id, user.username, Role.CLIENT, user.tenant_id) for user in users]


def test_of_twenty_who_claim_one_account_one_wins(world: World, desk: Desk, bert: Actor) -> None:
    people = [world.anna, bert, *clients(MANY - 2)]  # of one tenant and of others
    doors = together()
    results = at_once(*[verifying(desk, "prod" if who is not bert else "mine", who, doors) for who in people])
    assert kinds(results) == ["Account"] + ["AccountAlreadyClaimed"] * (MANY - 1)
    (winner,) = [result for result in results if isinstance(result, Account)]
    (row,) = rows_of(Account, account_id=PROVED)
    assert (row["id"], row["status"]) == (winner.id, AccountStatus.CONNECTED)
    assert len(rows_of(Account, status=AccountStatus.PENDING)) == MANY - 1
    requests = rows_of(OnboardingRequest)
    assert [(each["status"], each["aws_account_id"]) for each in requests] == [(OnboardingStatus.VERIFIED, PROVED)] * (
        MANY - 1
    )
    outcomes = [outcome for _, _, outcome, *_ in audited(event="account.connected")]
    assert sorted(outcomes) == ["DENIED"] * (MANY - 1) + ["SUCCESS"]


def test_twenty_names_of_one_user_for_one_account_become_one(world: World, desk: Desk) -> None:
    doors = together()
    results = at_once(*[verifying(desk, f"name {number}", world.anna, doors) for number in range(MANY)])
    assert kinds(results) == ["Account"] * MANY
    assert len({result.id for result in results}) == 1
    (row,) = rows_of(Account)
    assert (row["account_id"], row["status"]) == (PROVED, AccountStatus.CONNECTED)
    assert rows_of(OnboardingRequest) == []
    assert sum(after["reconnected"] for *_, after in audited(event="account.connected")) == MANY - 1


def test_a_request_that_is_verified_twenty_times_at_once_connects_once(world: World, desk: Desk) -> None:
    doors = together()
    results = at_once(*[verifying(desk, "prod", world.anna, doors)] * MANY)
    assert kinds(results) == ["Account"] + ["Conflict"] * (MANY - 1)
    assert {str(result) for result in results if isinstance(result, Conflict)} == {
        "the request was finished or replaced, or its account disconnected, meanwhile: see `spothive account list`"
    }
    assert len(rows_of(Account)) == 1
    assert len(audited(event="account.connected")) == 1


def test_the_keys_and_the_role_of_one_account_at_once(world: World, desk: Desk) -> None:
    doors = Doors(meanwhile=Barrier(2, timeout=60).wait)
    keys = key_of(PROVED)
    by_role, by_keys = at_once(
        verifying(desk, "prod", world.anna, doors),
        lambda: desk.connect(keys, gateway=doors),
    )
    assert isinstance(by_keys, Account)
    assert isinstance(by_role, Account) or (type(by_role) is Conflict and "finished" in str(by_role))
    (row,) = rows_of(Account)
    assert row["status"] == AccountStatus.CONNECTED
    assert (row["connection_method"] == ConnectionMethod.IAM_ROLE) == (row["aws_secret_access_key"] is None)
    assert rows_of(OnboardingRequest) == []


def test_two_who_begin_at_once_get_one_request(desk: Desk) -> None:
    requests = at_once(*[desk.begin] * 8)
    assert len({request.request_id for request in requests}) == 1
    assert len(rows_of(Account)) == len(rows_of(OnboardingRequest)) == 1
    assert len(audited(event="account.onboarding_begun")) == 1


@pytest.mark.engines("postgresql")
def test_a_proof_locks_the_account_before_the_request_as_everybody_does(db: Database, world: World, desk: Desk) -> None:
    """The other way round, a proof and a disconnection (or keys) would wait for one another."""
    results: list[Any] = []
    verify = verifying(desk, "prod", world.anna, Doors())
    proof = Thread(target=lambda: results.extend(at_once(verify)))
    with get_db_session(tenant=world.acme) as session:
        session.query(Account).with_for_update().one()
        proof.start()
        until_blocked(db)
        session.query(OnboardingRequest).with_for_update(nowait=True).one()
    proof.join()
    assert kinds(results) == ["Account"]


def test_an_account_that_is_disconnected_during_the_proof_stays_so(world: World, desk: Desk) -> None:
    with get_db_session(tenant=world.acme) as session:
        import_fleet(session, world.anna, name="prod", answer=answer_of([observed(1)], owner_ids=[PROVED]))

    def interrupt(_: int, __: int) -> None:
        raise KeyboardInterrupt

    def disconnect() -> None:
        with pytest.raises(KeyboardInterrupt):
            disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="prod", progress=interrupt)

    verify = verifying(desk, "prod", world.anna, Doors(meanwhile=disconnect))
    with pytest.raises(Conflict, match="its account disconnected, meanwhile"):
        verify()
    (row,) = rows_of(Account)
    assert (row["status"], row["connection_method"]) == (AccountStatus.PENDING, ConnectionMethod.IMPORT)
    assert row["disconnecting_at"] is not None
    assert rows_of(Instance) == []


def test_a_holder_that_is_being_disconnected_is_let_go_first(db: Database, world: World, desk: Desk) -> None:
    verifying(desk, "old", world.anna, Doors())()
    as_owner(db, "UPDATE accounts SET disconnecting_at = updated_at")
    verify = verifying(desk, "new", world.anna, Doors())
    with pytest.raises(Conflict, match=r"let `spothive account disconnect old` finish$"):
        verify()
    as_owner(db, "DELETE FROM accounts WHERE disconnecting_at IS NOT NULL")
    assert verify().account_name == "new"


def test_a_request_that_is_replaced_during_the_proof_connects_nothing(db: Database, world: World, desk: Desk) -> None:
    def replace() -> None:
        as_owner(db, "UPDATE onboarding_requests SET expires_at = created_at")
        desk.begin()

    with pytest.raises(Conflict, match=r"^the request was finished or replaced"):
        verifying(desk, "prod", world.anna, Doors(meanwhile=replace))()
    (row,) = rows_of(OnboardingRequest)
    assert row["status"] == OnboardingStatus.CREATED
    assert rows_of(Account)[0]["status"] == AccountStatus.PENDING


def test_an_account_that_somebody_claims_during_the_proof_is_theirs(world: World, desk: Desk) -> None:
    theirs = verifying(desk, "theirs", world.gina, Doors())
    with pytest.raises(AccountAlreadyClaimed):
        verifying(desk, "prod", world.anna, Doors(meanwhile=theirs))()
    (row,) = rows_of(Account, account_id=PROVED)
    assert row["account_name"] == "theirs"
