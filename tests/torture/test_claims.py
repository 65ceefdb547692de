"""Twenty processes prove to hold one AWS account, at the same moment."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from spothive.database import Account, AccountStatus, OnboardingRequest, OnboardingStatus, Role, get_db_session
from spothive.database.seed_data import seed_initial_data
from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount
from spothive.operations.fleet import begin_onboarding
from spothive.operations.identity import create_tenant, create_user, find_actor
from tests.conftest import Database
from tests.operations.conftest import audited
from tests.torture.aws_works import claim
from tests.torture.processes import OVER, Child
from tests.watching import rows_of

pytestmark = pytest.mark.torture

MANY = 20
Task = tuple[str, str, str, str]
"""Tenant, user, name of the account, role."""


def make_clients(slug: str, *names: str) -> None:
    """Make a tenant with its clients."""
    admin, platform = find_actor("admin", "platform")
    with get_db_session(tenant=platform) as session:
        tenant_id = create_tenant(session, admin, slug=slug, name=slug.title()).id
    with get_db_session(tenant=tenant_id) as session:
        for name in names:
            create_user(session, admin, username=name, email=f"{name}@{slug}.io", role=Role.CLIENT, password_hash="h")


def begin(aws: AwsStandIn, account: StandInAccount, slug: str, username: str, name: str) -> Task:
    """Begin, and make the role that was asked for."""
    actor, tenant_id = find_actor(username, slug)
    with get_db_session(tenant=tenant_id) as session:
        external_id = begin_onboarding(session, actor, name=name).external_id
    return slug, username, name, account.make_role(trusts=aws.platform_arn, external_id=external_id)


def race(aws: AwsStandIn, tasks: list[Task]) -> list[tuple[str, str]]:
    """Let a process for each task go at the same moment; return what each says."""
    with ExitStack() as stack:
        children = [stack.enter_context(Child(claim, aws.url, aws.platform, *task)) for task in tasks]
        for child in children:
            child.go()
        said = [child.hear() for child in children]
        assert [child.hear() for child in children] == [OVER] * len(children)
    return said


def test_of_twenty_processes_that_claim_one_account_one_wins(db: Database) -> None:
    seed_initial_data()
    slugs = [f"tenant{number}" for number in range(MANY // 2)]
    with AwsStandIn() as aws:
        account = aws.make_account()
        tasks = []
        for slug in slugs:  # two users of each tenant
            people = (f"{slug}-one", f"{slug}-two")
            make_clients(slug, *people)
            tasks += [begin(aws, account, slug, name, f"of {name}") for name in people]
        said = race(aws, tasks)
    kinds = [kind for kind, _ in said]
    assert sorted(kinds) == ["Account"] + ["AccountAlreadyClaimed"] * (MANY - 1)
    message = "this AWS account is connected to spothive already: who connected it has to disconnect it first"
    assert {text for kind, text in said if kind != "Account"} == {message}
    (row,) = rows_of(Account, account_id=account.account_id)
    assert (row["status"], str(row["id"])) == (AccountStatus.CONNECTED, dict(said)["Account"])
    assert len(rows_of(Account, status=AccountStatus.PENDING)) == MANY - 1
    assert {each["status"] for each in rows_of(OnboardingRequest)} == {OnboardingStatus.VERIFIED}
    assert len(rows_of(OnboardingRequest)) == MANY - 1
    outcomes = [outcome for _, _, outcome, *_ in audited(event="account.connected")]
    assert sorted(outcomes) == ["DENIED"] * (MANY - 1) + ["SUCCESS"]
    print(f"{db.engine}: {MANY} processes, 1 won, {kinds.count('AccountAlreadyClaimed')} AccountAlreadyClaimed")


def test_twenty_processes_of_one_user_make_one_account(db: Database) -> None:
    seed_initial_data()
    make_clients("acme", "anna")
    with AwsStandIn() as aws:
        account = aws.make_account()
        tasks = [begin(aws, account, "acme", "anna", f"name {number}") for number in range(MANY)]
        said = race(aws, tasks)
    kinds = [kind for kind, _ in said]
    assert set(kinds) <= {"Account", "Conflict"}
    assert kinds.count("Account") >= 1
    (row,) = rows_of(Account)
    assert (row["account_id"], row["status"]) == (account.account_id, AccountStatus.CONNECTED)
    assert {text for kind, text in said if kind == "Account"} == {str(row["id"])}
    assert rows_of(OnboardingRequest) == []
    assert len(audited(event="account.connected", outcome="SUCCESS")) == kinds.count("Account")
    print(f"{db.engine}: {kinds.count('Account')} connected, {kinds.count('Conflict')} were told of it")
