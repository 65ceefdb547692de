"""Connecting an account by a role: the request, the proof, and whose account it then is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.database import (
    Account,
    AccountLog,
    AccountStatus,
    ConnectionMethod,
    EnvironmentType,
    Instance,
    OnboardingRequest,
    OnboardingStatus,
    TenantSession,
    get_db_session,
)
from spothive.errors import (
    AccountAlreadyClaimed,
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    ProofRefused,
)
from spothive.gateways.aws_errors import AwsUnavailable
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.gateways.aws_stand_in_gate import Fault, Trouble
from spothive.operations.actor import Actor
from spothive.operations.fleet import disconnect_account, find_request, import_fleet, onboarding_template
from spothive.schema.states import move
from tests.conftest import Database
from tests.factories.fleets import answer_of, connected_account, observed
from tests.operations.conftest import World, audited
from tests.operations.fleet.conftest import Desk, Doors, account_of, as_owner, door, role_for
from tests.watching import everything, rows_of

CONNECTED = "account.connected"


def expire(db: Database) -> None:
    """Let every request be over."""
    as_owner(db, "UPDATE onboarding_requests SET expires_at = created_at")


# --- begin ---


def test_beginning_makes_a_placeholder_and_opens_a_request(world: World, desk: Desk) -> None:
    request = desk.begin(region="eu-west-1")
    account = account_of(rows_of(Account))
    assert account["account_id"].startswith("pending-")
    assert (account["status"], account["environment_type"]) == (AccountStatus.PENDING, EnvironmentType.LAB)
    assert (account["region"], account["user_id"]) == ("eu-west-1", world.anna.user_id)
    assert request.account_id == account["id"]
    assert len(request.external_id) > 40
    assert timedelta(hours=23) < request.expires_at - utc_now() <= timedelta(hours=24)
    facts = {"connection_method": "iam_role", "region": "eu-west-1", "expires_at": str(request.expires_at)}
    assert audited(event="account.onboarding_begun") == [
        ("account.onboarding_begun", "prod", "SUCCESS", "anna", None, facts)
    ]
    assert [row["action"] for row in rows_of(AccountLog)] == ["onboarding begun"]
    assert request.external_id not in repr(request)


def test_asking_again_returns_the_open_request(desk: Desk) -> None:
    first = desk.begin()
    before = everything()
    again = desk.begin()
    assert (again.request_id, again.external_id) == (first.request_id, first.external_id)
    assert everything() == before
    assert desk.begin(name="other").external_id != first.external_id


def test_an_expired_request_is_good_for_nothing_and_is_replaced(db: Database, world: World, desk: Desk) -> None:
    first = desk.begin()
    expire(db)
    with pytest.raises(Conflict, match=r"^the request to connect prod expired after 24 hours: begin again$"):
        desk.verify(door(first), gateway=Doors())
    with pytest.raises(Conflict, match="expired"), get_db_session(tenant=world.acme) as session:
        find_request(session, "prod")
    second = desk.begin()
    assert second.external_id != first.external_id
    assert [row["request_id"] for row in rows_of(OnboardingRequest)] == [second.request_id]
    assert len(rows_of(Account)) == 1


@pytest.mark.parametrize("name", ["udo", "lena"])
def test_who_may_not_manage_may_not_begin_verify_or_see_the_template(world: World, desk: Desk, name: str) -> None:
    request = desk.begin()
    nobody = getattr(world, name)
    before = everything()
    with pytest.raises(Denied):
        desk.begin(who=nobody)
    with pytest.raises(Denied):
        desk.verify(door(request), who=nobody)
    with pytest.raises(Denied):
        onboarding_template(
            get_db_session, nobody, tenant_id=world.acme, name="prod", grant="read-only", gateway=desk.gateway
        )
    after = everything()
    new = [row for row in after.pop("audit_logs") if row not in before["audit_logs"]]
    attempts = ["account.onboarding_begun", CONNECTED, "account.template"]
    assert [(row["event"], row["outcome"], row["resource"]) for row in new] == [(a, "DENIED", "prod") for a in attempts]
    del before["audit_logs"]
    assert after == before


def test_what_one_tenant_has_begun_does_not_exist_for_another(world: World, desk: Desk) -> None:
    request = desk.begin()
    with pytest.raises(NotFound), get_db_session(tenant=world.globex) as session:
        find_request(session, "prod")
    with pytest.raises(NotFound):
        desk.verify(door(request), who=world.gina, gateway=Doors())
    assert desk.begin(who=world.gina).external_id != request.external_id
    assert len(rows_of(Account, account_name="prod")) == 2


def test_a_misspelt_region_or_owner_is_refused_and_makes_nothing(world: World, desk: Desk) -> None:
    with pytest.raises(InvalidInput, match="'eu-wset' is no AWS region"):
        desk.begin(region="eu-wset")
    with pytest.raises(NotFound, match="no active user of this tenant is called 'nobody'"):
        desk.begin(owner="nobody")
    assert rows_of(Account) == rows_of(OnboardingRequest) == []
    desk.begin(owner="lena")
    assert account_of(rows_of(Account))["user_id"] == world.lena.user_id


def test_nothing_begins_for_an_account_that_is_being_disconnected(db: Database, desk: Desk) -> None:
    desk.begin()
    as_owner(db, "UPDATE accounts SET disconnecting_at = updated_at")
    with pytest.raises(Conflict, match="account prod is being disconnected"):
        desk.begin()


# --- what the role must prove ---


def test_a_role_by_the_template_connects(world: World, desk: Desk, aws: AwsStandIn) -> None:
    customer = aws.make_account()
    request = desk.begin()
    template = onboarding_template(
        get_db_session, world.anna, tenant_id=world.acme, name="prod", grant="read-only", gateway=desk.gateway
    )
    assert request.external_id in template
    assert aws.platform_arn in template
    role_arn = customer.launch_template(template)
    account = desk.verify(role_arn)
    assert (account.account_id, account.status) == (customer.account_id, AccountStatus.CONNECTED)
    assert (account.role_arn, account.external_id) == (role_arn, request.external_id)
    assert account.connection_method is ConnectionMethod.IAM_ROLE
    assert rows_of(OnboardingRequest) == []
    facts = {"aws_account_id": customer.account_id, "connection_method": "iam_role", "reconnected": False}
    before = {"status": "pending"}
    assert audited(event=CONNECTED) == [(CONNECTED, "prod", "SUCCESS", "anna", before, facts | {"status": "connected"})]
    logged = rows_of(AccountLog, action="connected")
    assert [(row["from_status"], row["to_status"], row["details"]) for row in logged] == [
        ("pending", "connected", facts)
    ]
    assert request.external_id not in str(rows_of(AccountLog))


@pytest.mark.parametrize(
    ("trust", "reason"),
    [
        (
            {"external_id": None},
            r"^the role can be assumed without an external id: let its trust policy say sts:ExternalId",
        ),
        ({"external_id": "another"}, r"^AWS does not let spothive assume the role with its external id"),
        ({"trusts": "arn:aws:iam::999999999999:user/else"}, r"^AWS does not let spothive assume the role"),
    ],
    ids=["no external id", "another external id", "another principal"],
)
def test_a_role_that_proves_nothing_or_too_much_is_refused(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, trust: dict[str, str | None], reason: str
) -> None:
    request = desk.begin()
    role_arn = role_for(aws, customer, request)
    customer.change_trust(role_arn, **{"trusts": aws.platform_arn, "external_id": request.external_id, **trust})  # type: ignore[arg-type]  # what a case gives
    with pytest.raises(ProofRefused, match=reason) as refusal:
        desk.verify(role_arn)
    assert request.external_id not in str(refusal.value)
    assert account_of(rows_of(Account))["status"] == AccountStatus.PENDING
    assert [row["status"] for row in rows_of(OnboardingRequest)] == [OnboardingStatus.CREATED]
    assert audited(event=CONNECTED) == [(CONNECTED, "prod", "DENIED", "anna", None, {"reason": str(refusal.value)})]
    customer.change_trust(role_arn, trusts=aws.platform_arn, external_id=request.external_id)
    assert desk.verify(role_arn).status is AccountStatus.CONNECTED


@pytest.mark.parametrize("kept", [len("spothive-"), 40])
def test_a_role_that_takes_a_pattern_of_external_ids_is_refused(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, kept: int
) -> None:
    pattern = f"{desk.begin().external_id[:kept]}*"
    role_arn = customer.make_role(trusts=aws.platform_arn, external_id=pattern)
    with pytest.raises(ProofRefused, match=r"^the role can be assumed with another external id"):
        desk.verify(role_arn)


def test_a_role_that_opens_with_any_external_id_is_refused(desk: Desk) -> None:
    class AnyId(Doors):
        def assume_role(self, role_arn: str, external_id: str | None) -> Any:
            known = role_arn.rpartition("/")[2]
            return super().assume_role(role_arn, known if external_id is not None else None)

    with pytest.raises(
        ProofRefused, match=r"^the role can be assumed with another external id: let its trust policy say"
    ):
        desk.verify(door(desk.begin()), gateway=AnyId())


def test_an_arn_of_no_role_is_refused_before_aws_is_asked(desk: Desk, aws: AwsStandIn) -> None:
    desk.begin()
    before, asked = everything(), aws.calls()
    for garbage in ("", "prod", "arn:aws:iam::1:role/x", "arn:aws:iam::210987654321:user/anna"):
        with pytest.raises(InvalidInput, match="the ARN of a role looks like"):
            desk.verify(garbage)
    assert (everything(), aws.calls()) == (before, asked)


@pytest.mark.parametrize(("operation", "after"), [("AssumeRole", 0), ("AssumeRole", 2), ("GetCallerIdentity", 0)])
def test_without_an_answer_of_aws_nothing_is_concluded(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, operation: str, after: int
) -> None:
    role_arn = role_for(aws, customer, desk.begin())
    before = everything()
    for trouble in (Trouble.THROTTLED, Trouble.SERVER_ERROR):
        aws.inject(Fault(trouble, operation=operation, after=after))
        with pytest.raises(AwsUnavailable):
            desk.verify(role_arn)
        assert everything() == before
        aws.heal()
    assert desk.verify(role_arn).status is AccountStatus.CONNECTED


# --- whose account it is ---


def test_an_imported_account_becomes_a_real_one_and_keeps_its_instances(world: World, desk: Desk) -> None:
    with get_db_session(tenant=world.acme) as session:
        answer = answer_of([observed(1), observed(2)], owner_ids=["345678901234"])
        import_fleet(session, world.anna, name="prod", answer=answer)
    before = rows_of(Instance)
    account = desk.verify(door(desk.begin()), gateway=Doors())
    assert (account.account_id, account.status) == ("345678901234", AccountStatus.CONNECTED)
    assert account.connection_method is ConnectionMethod.IAM_ROLE
    assert "claimed_account_id" not in account_of(rows_of(Account))["account_metadata"]
    assert rows_of(Instance) == before
    assert len(before) == 2


def test_an_imported_account_is_no_other_than_the_instances_say(world: World, desk: Desk) -> None:
    with get_db_session(tenant=world.acme) as session:
        import_fleet(session, world.anna, name="prod", answer=answer_of([observed(1)], owner_ids=["111122223333"]))
    request = desk.begin()
    with pytest.raises(Conflict, match=r"^prod is AWS account 111122223333, the proof is of 345678901234: use another"):
        desk.verify(door(request), gateway=Doors())
    assert account_of(rows_of(Account))["connection_method"] == ConnectionMethod.IMPORT
    (kept,) = rows_of(OnboardingRequest)
    assert (kept["status"], kept["aws_account_id"]) == (OnboardingStatus.VERIFIED, "345678901234")


def test_an_account_never_becomes_another(desk: Desk) -> None:
    desk.verify(door(desk.begin()), gateway=Doors())
    before = rows_of(Account)
    with pytest.raises(Conflict, match=r"^prod is AWS account 345678901234, the proof is of 456789012345: use another"):
        desk.verify(door(desk.begin(), "456789012345"), gateway=Doors())
    assert rows_of(Account) == before


def as_failed(session: TenantSession, account: Account) -> None:
    move(session, account, Account.status, AccountStatus.FAILED, status_reason="withdrawn")


def as_active(session: TenantSession, account: Account) -> None:
    move(session, account, Account.status, AccountStatus.ACTIVE)


@pytest.mark.parametrize("name", ["prod", "another name"])
@pytest.mark.parametrize(
    ("become", "then"),
    [
        (lambda *_: None, AccountStatus.CONNECTED),
        (as_active, AccountStatus.ACTIVE),
        (as_failed, AccountStatus.CONNECTED),
    ],
    ids=["connected", "active", "failed"],
)
def test_the_same_user_connects_again(world: World, desk: Desk, name: str, become: Any, then: AccountStatus) -> None:
    with get_db_session(tenant=world.acme) as session:
        known = connected_account(session, world.anna.user_id, name="prod", account_id="345678901234")
        become(session, known)
        before = known.status
    request = desk.begin(name=name)
    account = desk.verify(door(request), name=name, gateway=Doors())
    (row,) = rows_of(Account)
    assert (account.id, row["id"], row["account_name"]) == (known.id, known.id, "prod")
    assert (row["status"], row["status_reason"]) == (then, None)
    assert (row["role_arn"], row["external_id"]) == (door(request), request.external_id)
    assert rows_of(OnboardingRequest) == []
    (said,) = audited(event=CONNECTED)
    assert said[1] == "prod"
    assert said[4] == {"status": before}
    assert said[5]["reconnected"] is True
    assert said[5]["status"] == then
    (logged,) = rows_of(AccountLog, action="connected")
    moved = (before, then) if before != then else (None, None)
    assert (logged["account_id"], logged["from_status"], logged["to_status"]) == (known.id, *moved)


@pytest.mark.parametrize("name", ["prod", "another name"])
def test_an_account_with_keys_takes_a_role_and_forgets_the_keys(
    desk: Desk, aws: AwsStandIn, customer: StandInAccount, name: str
) -> None:
    desk.connect(customer.credentials)
    account = desk.verify(role_for(aws, customer, desk.begin(name=name)), name=name)
    (row,) = rows_of(Account)
    assert (account.account_name, row["connection_method"]) == ("prod", ConnectionMethod.IAM_ROLE)
    assert row["aws_access_key_id"] is row["aws_secret_access_key"] is None
    assert desk.recheck().status is AccountStatus.CONNECTED


def test_an_account_of_somebody_else_is_refused_without_a_name(world: World, desk: Desk, bert: Actor) -> None:
    desk.verify(door(desk.begin(name="theirs")), name="theirs", gateway=Doors())
    for thief in (bert, world.gina):
        request = desk.begin(name="mine", who=thief)
        with pytest.raises(AccountAlreadyClaimed) as refusal:
            desk.verify(door(request), name="mine", who=thief, gateway=Doors())
        message = "this AWS account is connected to spothive already: who connected it has to disconnect it first"
        assert str(refusal.value) == message
        (kept,) = rows_of(OnboardingRequest, request_id=request.request_id)
        assert (kept["status"], kept["aws_account_id"]) == (OnboardingStatus.VERIFIED, "345678901234")
        assert account_of(rows_of(Account), "mine")["status"] == AccountStatus.PENDING
        denied = audited(tenant_id=thief.home_tenant_id, event=CONNECTED, outcome="DENIED")
        assert denied == [(CONNECTED, "mine", "DENIED", thief.username, None, {"reason": message})]
        disconnect_account(get_db_session, thief, tenant_id=thief.home_tenant_id, name="mine")
    (row,) = rows_of(Account)
    assert (row["account_name"], row["status"]) == ("theirs", AccountStatus.CONNECTED)


def test_a_claim_lost_can_be_repeated_when_the_holder_has_left(world: World, desk: Desk) -> None:
    desk.verify(door(desk.begin(name="theirs")), name="theirs", gateway=Doors())
    request = desk.begin(who=world.gina)
    with pytest.raises(AccountAlreadyClaimed):
        desk.verify(door(request), who=world.gina, gateway=Doors())
    disconnect_account(get_db_session, world.anna, tenant_id=world.acme, name="theirs")
    assert desk.verify(door(request), who=world.gina, gateway=Doors()).status is AccountStatus.CONNECTED


def test_a_verified_request_is_gone(desk: Desk) -> None:
    request = desk.begin()
    desk.verify(door(request), gateway=Doors())
    with pytest.raises(NotFound, match=r"^no request to connect prod is open: `spothive account begin prod`$"):
        desk.verify(door(request), gateway=Doors())


def test_an_import_stays_beside_the_account_that_is_connected_already(world: World, desk: Desk) -> None:
    desk.verify(door(desk.begin()), gateway=Doors())
    with get_db_session(tenant=world.acme) as session:
        answer = answer_of([observed(1)], owner_ids=["345678901234"])
        import_fleet(session, world.anna, name="file", answer=answer)
    request = desk.begin(name="file")
    with pytest.raises(Conflict, match=r"^this AWS account is connected as prod: disconnect the import file$"):
        desk.verify(door(request), name="file", gateway=Doors())
    assert len(rows_of(Instance)) == 1
    assert len(rows_of(Account)) == 2


def test_staff_connect_for_the_client_who_answers(world: World, desk: Desk) -> None:
    request = desk.begin(who=world.admin, tenant_id=world.acme)
    account = desk.verify(door(request), who=world.admin, tenant_id=world.acme, gateway=Doors())
    assert (account.tenant_id, account.user_id) == (world.acme, world.anna.user_id)
    assert audited(event=CONNECTED)[0][3] == "admin"
    again = desk.begin(name="again")  # to anna it is her own account
    assert desk.verify(door(again), name="again", gateway=Doors()).id == account.id
