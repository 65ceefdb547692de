"""Access that is stored: keys that are sealed, what must never be read anywhere, and proving it again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from spothive.database import (
    Account,
    AccountLog,
    AccountStatus,
    ConnectionMethod,
    Instance,
    OnboardingRequest,
    OnboardingStatus,
    get_db_session,
    read_session,
)
from spothive.errors import (
    AccountAlreadyClaimed,
    Conflict,
    Denied,
    InvalidInput,
    KeyMissing,
    NetworkInTransaction,
    NotFound,
    ProofRefused,
    SecretUnreadable,
    SpothiveError,
)
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsRefused, AwsUnavailable, CredentialsRefused
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.keyring import Keyring
from spothive.operations import secrets
from spothive.operations.actor import Actor
from spothive.operations.fleet import disconnect_account, find_account, import_fleet
from spothive.operations.fleet.access import Access, locked, read_access
from spothive.schema.sealed import unseal
from tests.conftest import Database
from tests.factories.fleets import answer_of, observed
from tests.factories.sealing import everything_said, make_keyring, two_keyrings
from tests.operations.conftest import World, audit_impossible, audited
from tests.operations.fleet.conftest import Desk, Doors, account_of, as_owner, door, key_of, role_for
from tests.watching import everything, rows_of

CONNECTED, RECHECKED = "account.connected", "account.rechecked"
TOKENS = "SELECT aws_access_key_id, aws_secret_access_key FROM accounts"


def no_keys() -> Keyring:
    raise KeyMissing("there is no sealing key: make one with `spothive secrets init`")


def access_of(world: World, desk: Desk, name: str = "prod") -> Access:
    with read_session(tenant=world.acme) as session:
        return read_access(session, name, desk.keys)


# --- keys ---


def test_keys_connect_and_are_sealed(db: Database, world: World, desk: Desk, customer: StandInAccount) -> None:
    given = customer.credentials
    account = desk.connect(given, region="eu-west-1")
    assert (account.account_id, account.status) == (customer.account_id, AccountStatus.CONNECTED)
    assert (account.connection_method, account.region) == (ConnectionMethod.ACCESS_KEYS, "eu-west-1")
    with db.raw(owner=True) as connection:
        (tokens,) = connection.execute(TOKENS).fetchall()
    for token, secret in zip(tokens, (given.access_key_id, given.secret_access_key), strict=True):
        assert token.startswith(f"sealed:1:{desk.ring.primary}:")
        assert secret not in token
    assert unseal(desk.ring, account, "aws_access_key_id") == given.access_key_id
    assert access_of(world, desk).keys == given
    facts = {"aws_account_id": customer.account_id, "connection_method": "access_keys", "reconnected": False}
    after = facts | {"status": "connected"}
    assert audited(event=CONNECTED) == [(CONNECTED, "prod", "SUCCESS", "anna", {"status": "pending"}, after)]


def test_keys_finish_what_was_begun_for_a_role(desk: Desk, customer: StandInAccount) -> None:
    begun = desk.begin()
    assert desk.connect(customer.credentials).id == begun.account_id
    assert rows_of(OnboardingRequest) == []


def test_keys_turn_an_import_into_a_real_account(world: World, desk: Desk, customer: StandInAccount) -> None:
    with get_db_session(tenant=world.acme) as session:
        answer = answer_of([observed(1)], owner_ids=[customer.account_id])
        import_fleet(session, world.anna, name="prod", answer=answer)
    before = rows_of(Instance)
    assert desk.connect(customer.credentials).account_id == customer.account_id
    assert rows_of(Instance) == before


@pytest.mark.parametrize("name", ["prod", "another name"])
def test_the_same_user_brings_new_keys(desk: Desk, customer: StandInAccount, name: str) -> None:
    first = desk.connect(customer.credentials)
    _, newer = customer.make_user()
    again = desk.connect(newer, name=name)
    (row,) = rows_of(Account)
    assert (again.id, row["account_name"]) == (first.id, "prod")
    assert unseal(desk.ring, again, "aws_access_key_id") == newer.access_key_id
    assert audited(event=CONNECTED)[-1][5]["reconnected"] is True


@pytest.mark.parametrize("name", ["prod", "another name"])
def test_an_account_with_a_role_takes_keys_and_forgets_the_role(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, name: str
) -> None:
    desk.verify(role_for(aws, customer, desk.begin()))
    desk.connect(customer.credentials, name=name)
    (row,) = rows_of(Account)
    assert (row["account_name"], row["connection_method"]) == ("prod", ConnectionMethod.ACCESS_KEYS)
    assert row["role_arn"] is row["external_id"] is None
    assert desk.recheck().status is AccountStatus.CONNECTED


def test_keys_revive_a_failed_account(world: World, desk: Desk, aws: AwsStandIn) -> None:
    customer = aws.make_account()
    desk.connect(customer.credentials)
    customer.delete_keys()
    with pytest.raises(CredentialsRefused):
        desk.recheck()
    _, newer = customer.make_user()
    assert desk.connect(newer).status is AccountStatus.CONNECTED
    assert account_of(rows_of(Account))["status_reason"] is None


def test_keys_of_an_account_of_somebody_else_are_refused(
    world: World, desk: Desk, customer: StandInAccount, bert: Actor
) -> None:
    desk.connect(customer.credentials, name="theirs")
    before = rows_of(Account)
    for thief in (bert, world.gina):
        with pytest.raises(AccountAlreadyClaimed) as refusal:
            desk.connect(customer.credentials, name="mine", who=thief)
        assert "theirs" not in str(refusal.value)
        assert "anna" not in str(refusal.value)
        denied = audited(tenant_id=thief.home_tenant_id, event=CONNECTED, outcome="DENIED")
        assert denied == [(CONNECTED, "mine", "DENIED", thief.username, None, {"reason": str(refusal.value)})]
    assert rows_of(Account) == before


def test_without_a_sealing_key_aws_is_not_asked(desk: Desk, aws: AwsStandIn, customer: StandInAccount) -> None:
    before, asked = everything(), aws.calls()
    with pytest.raises(KeyMissing):
        desk.connect(customer.credentials, keys=no_keys)
    assert (everything(), aws.calls()) == (before, asked)


def test_a_role_needs_no_sealing_key(desk: Desk, aws: AwsStandIn, customer: StandInAccount) -> None:
    desk.verify(role_for(aws, customer, desk.begin()))
    assert desk.recheck(keys=no_keys).status is AccountStatus.CONNECTED


def test_keys_that_aws_refuses_leave_an_attempt_and_nothing_else(desk: Desk) -> None:
    with pytest.raises(CredentialsRefused) as refusal:
        desk.connect(Credentials("AKIAIOSFODNN7EXAMPLE", "wrong/but/of/the/right/form"))
    assert rows_of(Account) == rows_of(AccountLog) == []
    assert audited(event=CONNECTED) == [(CONNECTED, "prod", "DENIED", "anna", None, {"reason": str(refusal.value)})]


@pytest.mark.parametrize("trouble", [Trouble.THROTTLED, Trouble.SERVER_ERROR])
def test_keys_that_aws_says_nothing_of_change_nothing(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, trouble: Trouble
) -> None:
    before = everything()
    aws.inject(Fault(trouble))
    with pytest.raises(AwsUnavailable):
        desk.connect(customer.credentials)
    assert everything() == before


def test_keys_of_a_session_are_refused(desk: Desk, aws: AwsStandIn) -> None:
    asked = aws.calls()
    for session in (Credentials("ASIAIOSFODNN7EXAMPLE", "secret", "token"), Credentials("ASIAIOSFODNN7EXAMPLE", "x")):
        with pytest.raises(InvalidInput, match=r"^these are the keys of a session, which soon expire"):
            desk.connect(session)
    assert aws.calls() == asked


@pytest.mark.parametrize(
    ("key_id", "secret"),
    [
        (" ", " "),
        ("AKIAIOSFODNN7\nEXAMPLE", "s" * 40),
        ("AKIAIOSFODNN7EXAMPLE", f"{'s' * 20} {'s' * 19}"),
        ("ÄKIA" * 5, "s" * 40),
    ],
)
def test_what_cannot_be_a_key_is_refused_before_it_looks_like_an_outage(
    desk: Desk, aws: AwsStandIn, key_id: str, secret: str
) -> None:
    asked, before = aws.calls(), everything()
    with pytest.raises(InvalidInput, match=r"^an access key id has 16 to 128 capitals and digits") as refusal:
        desk.connect(Credentials(key_id, secret))
    assert "ssss" not in str(refusal.value)
    assert (aws.calls(), everything()) == (asked, before)


@pytest.mark.parametrize("name", ["udo", "lena"])
def test_who_may_not_manage_may_not_connect_or_recheck(
    world: World, desk: Desk, aws: AwsStandIn, customer: StandInAccount, name: str
) -> None:
    desk.connect(customer.credentials)
    nobody, before, asked = getattr(world, name), rows_of(Account), aws.calls()
    with pytest.raises(Denied):
        desk.connect(customer.credentials, name="mine", who=nobody)
    with pytest.raises(Denied):
        desk.recheck(who=nobody)
    assert (rows_of(Account), aws.calls()) == (before, asked)
    denied = [row[:4] for row in audited(outcome="DENIED")]
    assert denied == [(CONNECTED, "mine", "DENIED", name), (RECHECKED, "prod", "DENIED", name)]


def test_without_its_audit_row_nothing_is_connected(db: Database, world: World, desk: Desk) -> None:
    keys = key_of()
    before = everything()
    with audit_impossible(db):
        for change in (desk.begin, lambda: desk.connect(keys, gateway=Doors())):
            with pytest.raises(SpothiveError):
                change()
    assert everything() == before
    request = desk.begin()
    before = everything()
    with audit_impossible(db), pytest.raises(SpothiveError):
        desk.verify(door(request), gateway=Doors())
    after = everything()
    assert [row["status"] for row in after.pop("onboarding_requests")] == [OnboardingStatus.VERIFIED]  # that is proved
    del before["onboarding_requests"]
    assert after == before
    desk.verify(door(request), gateway=Doors())
    as_owner(db, "UPDATE accounts SET status = 'failed'")
    before = everything()
    with audit_impossible(db), pytest.raises(SpothiveError):
        desk.recheck(gateway=Doors())
    assert everything() == before


def test_aws_is_never_asked_in_a_transaction(world: World, desk: Desk, customer: StandInAccount) -> None:
    desk.connect(customer.credentials)
    request = desk.begin(name="other")
    asks: list[Callable[[], object]] = [
        lambda: desk.connect(customer.credentials),
        lambda: desk.verify(door(request), name="other"),
        desk.recheck,
    ]
    for ask in asks:
        with pytest.raises(NetworkInTransaction), get_db_session(tenant=world.acme):
            ask()


# --- secrets ---


def test_no_secret_is_said_anywhere(
    world: World, desk: Desk, aws: AwsStandIn, bert: Actor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    customer = aws.make_account(instances=3)
    errors: list[BaseException] = []

    def fails(work: Callable[[], object]) -> None:
        with pytest.raises(Exception) as failure:  # noqa: PT011 - whatever it is, it is searched below
            work()
        errors.append(failure.value)

    account = desk.connect(customer.credentials)
    access = access_of(world, desk)
    said = [repr(account), repr(access), str(access), repr(customer.credentials), repr(desk.ring)]
    fails(lambda: desk.connect(customer.credentials, name="mine", who=bert))
    desk.discover()
    fails(lambda: desk.recheck(keys=make_keyring))
    for trouble in (Trouble.THROTTLED, Trouble.SERVER_ERROR, Trouble.INVALID_CREDENTIALS):
        aws.inject(Fault(trouble, account_id=customer.account_id))
        fails(desk.recheck)
        fails(lambda: desk.connect(customer.credentials))
        aws.heal()
    customer.delete_keys()
    fails(desk.recheck)
    said += [everything_said(error) for error in errors]
    said += [caplog.text, *(str(rows) for rows in everything().values())]
    secrets = [customer.credentials.access_key_id, customer.credentials.secret_access_key]
    for text in said:
        assert not [secret for secret in secrets if secret in text]
    assert len(errors) == 9


def test_the_answers_of_aws_are_not_logged_at_debug(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of AssumeRole hold a secret key."""
    caplog.set_level(logging.DEBUG)
    request = desk.begin()
    role_arn = role_for(aws, customer, request)
    desk.verify(role_arn)
    desk.recheck()
    desk.discover()
    assert "SecretAccessKey" not in caplog.text
    assert "Signature=" not in caplog.text
    assert request.external_id not in caplog.text


# --- recheck ---


def test_a_healthy_account_stays_as_it_is(desk: Desk, customer: StandInAccount) -> None:
    desk.connect(customer.credentials)
    desk.discover()
    logged, before = rows_of(AccountLog), rows_of(Account)
    assert desk.recheck().status is AccountStatus.ACTIVE
    assert (rows_of(AccountLog), rows_of(Account)) == (logged, before)
    state = {"status": "active"}
    assert audited(event=RECHECKED) == [(RECHECKED, "prod", "SUCCESS", "anna", state, state)]


def test_a_failed_account_that_proves_itself_is_connected(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount
) -> None:
    request = desk.begin()
    role_arn = role_for(aws, customer, request)
    desk.verify(role_arn)
    customer.change_trust(role_arn, trusts=aws.platform_arn, external_id="changed")
    with pytest.raises(ProofRefused) as refusal:
        desk.recheck()
    row = account_of(rows_of(Account))
    assert (row["status"], row["status_reason"]) == (AccountStatus.FAILED, str(refusal.value))
    customer.change_trust(role_arn, trusts=aws.platform_arn, external_id=request.external_id)
    assert desk.recheck().status is AccountStatus.CONNECTED
    assert account_of(rows_of(Account))["status_reason"] is None
    assert audited(event=RECHECKED) == [
        (RECHECKED, "prod", "FAILURE", "anna", None, {"reason": str(refusal.value)}),
        (RECHECKED, "prod", "SUCCESS", "anna", {"status": "failed"}, {"status": "connected"}),
    ]
    moves = [(row["action"], row["from_status"], row["to_status"]) for row in rows_of(AccountLog)]
    assert moves[-2:] == [("failed", "connected", "failed"), ("rechecked", "failed", "connected")]


def test_a_role_that_became_unsafe_fails_the_account(desk: Desk, aws: AwsStandIn, customer: StandInAccount) -> None:
    role_arn = role_for(aws, customer, desk.begin())
    desk.verify(role_arn)
    customer.change_trust(role_arn, trusts=aws.platform_arn, external_id=None)
    with pytest.raises(ProofRefused, match="can be assumed without an external id"):
        desk.recheck()
    row = account_of(rows_of(Account))
    assert row["status"] == AccountStatus.FAILED
    assert row["status_reason"].startswith("the role can be assumed without an external id")


@pytest.mark.parametrize("trouble", [Trouble.INVALID_CREDENTIALS, Trouble.EXPIRED_CREDENTIALS, Trouble.ACCESS_DENIED])
def test_refused_keys_fail_the_account_and_the_latest_reason_stands(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, trouble: Trouble
) -> None:
    desk.connect(customer.credentials)
    for meets in (trouble, Trouble.EXPIRED_CREDENTIALS):
        aws.inject(Fault(meets, service="sts"))
        with pytest.raises(AwsRefused) as refusal:
            desk.recheck()
        aws.heal()
        row = account_of(rows_of(Account))
        assert (row["status"], row["status_reason"]) == (AccountStatus.FAILED, str(refusal.value))
    assert [row["action"] for row in rows_of(AccountLog)].count("failed") == 1


@pytest.mark.parametrize("trouble", [Trouble.THROTTLED, Trouble.SERVER_ERROR])
def test_without_an_answer_nothing_changes(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, trouble: Trouble
) -> None:
    desk.connect(customer.credentials)
    before = everything()
    aws.inject(Fault(trouble))
    with pytest.raises(AwsUnavailable):
        desk.recheck()
    assert everything() == before


def test_credentials_that_lead_into_another_account_fail_it(desk: Desk) -> None:
    desk.verify(door(desk.begin()), gateway=Doors())

    class Moved(Doors):
        def caller_identity(self, credentials: Credentials) -> Any:
            found = super().caller_identity(credentials)
            return type(found)("456789012345", found.arn)

    with pytest.raises(ProofRefused, match="lead into AWS account 456789012345 instead of 345678901234"):
        desk.recheck(gateway=Moved())
    assert account_of(rows_of(Account))["status"] == AccountStatus.FAILED


def test_what_was_connected_anew_meanwhile_is_not_judged_by_the_old_access(desk: Desk) -> None:
    def reconnect() -> None:
        desk.verify(door(desk.begin()), gateway=Doors())

    class Withdrawn(Doors):
        def assume_role(self, role_arn: str, external_id: str | None) -> Credentials:
            del external_id
            reconnect()
            return super().assume_role(role_arn, "withdrawn")

    reconnect()
    with pytest.raises(Conflict, match=r"^account prod was connected anew meanwhile: check it again$"):
        desk.recheck(gateway=Doors(meanwhile=reconnect))
    with pytest.raises(ProofRefused):
        desk.recheck(gateway=Withdrawn())
    row = account_of(rows_of(Account))
    assert (row["status"], row["status_reason"]) == (AccountStatus.CONNECTED, None)


def test_keys_that_are_sealed_anew_meanwhile_are_the_same_access(world: World, desk: Desk) -> None:
    before, after = two_keyrings()

    def rotate() -> None:
        secrets.rotate(get_db_session, world.admin, tenant_id=world.acme, keyring=after)

    desk.connect(key_of(), gateway=Doors(), keys=lambda: before)
    token = account_of(rows_of(Account))["aws_access_key_id"]
    desk.recheck(gateway=Doors(meanwhile=rotate), keys=lambda: after)
    assert account_of(rows_of(Account))["aws_access_key_id"] != token


def test_an_account_that_is_disconnected_meanwhile_is_left_alone(world: World, desk: Desk) -> None:
    desk.verify(door(desk.begin()), gateway=Doors())

    def disconnect() -> None:
        disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="prod")

    with pytest.raises(Conflict, match=r"^account prod was disconnected meanwhile$"):
        desk.recheck(gateway=Doors(meanwhile=disconnect))
    assert rows_of(Account) == []


@pytest.mark.engines("postgresql")
def test_the_lock_shows_what_changed_since_the_account_was_read(db: Database, world: World, desk: Desk) -> None:
    """SQLite lets nobody in between: a transaction that may write has the database for itself."""
    desk.verify(door(desk.begin()), gateway=Doors())
    with get_db_session(tenant=world.acme) as session:
        seen, access = find_account(session, "prod"), read_access(session, "prod", no_keys)
        as_owner(db, "UPDATE accounts SET status = 'failed', status_reason = 'withdrawn'")
        assert seen.status is AccountStatus.CONNECTED
        assert locked(session, access) is seen
        assert (seen.status, seen.status_reason) == (AccountStatus.FAILED, "withdrawn")


def test_only_what_was_connected_can_be_checked(world: World, desk: Desk) -> None:
    desk.begin()
    for name, kind in (("prod", Conflict), ("nothing", NotFound)):
        with pytest.raises(kind):
            desk.recheck(name=name)
    with pytest.raises(NotFound):
        desk.recheck(who=world.gina)


def test_keys_that_cannot_be_opened_are_not_judged(
    db: Database, desk: Desk, aws: AwsStandIn, customer: StandInAccount
) -> None:
    desk.connect(customer.credentials)
    asked = aws.calls()
    with pytest.raises(KeyMissing, match=desk.ring.primary):
        desk.recheck(keys=lambda: make_keyring("00000001"))
    as_owner(db, "UPDATE accounts SET aws_secret_access_key = aws_access_key_id")
    with pytest.raises(SecretUnreadable):
        desk.recheck()
    assert aws.calls() == asked
    assert account_of(rows_of(Account))["status"] == AccountStatus.CONNECTED
