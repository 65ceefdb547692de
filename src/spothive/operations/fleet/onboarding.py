"""Connect AWS accounts: by a role that only our external id opens, or by keys that are sealed.

Who proves to hold an AWS account meets one of three cases: nobody has connected it yet; the same user has, and
connects it again; or anybody else has, who is never named. The unique key on ``accounts.account_id`` decides.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import AccountAlreadyClaimed, Conflict, DuplicateValue, InvalidInput, NotFound, ProofRefused
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsRefused
from spothive.gateways.onboarding_template import Access as Grant, onboarding_template as render_template
from spothive.keyring import Keys
from spothive.models import (
    Account,
    AccountStatus,
    ConnectionMethod,
    OnboardingRequest,
    OnboardingStatus,
    Outcome,
    ResourceType,
)
from spothive.operations.actor import Actor
from spothive.operations.audit import record, record_failure
from spothive.operations.fleet.access import new_external_id, prove_role, require_manage, use_keys, use_role
from spothive.operations.fleet.accounts import find_account, log_account, make_placeholder, responsible_user
from spothive.operations.fleet.listing import check_region
from spothive.operations.sessions import Sessions
from spothive.schema.states import move

OPEN_FOR: Final = timedelta(hours=24)
"""How long a request stays open."""

_CLAIMED = "this AWS account is connected to spothive already: who connected it has to disconnect it first"
_CONNECTED = "account.connected"

_ACCESS_KEY_ID = re.compile(r"[A-Z0-9_]{16,128}")
_SECRET_KEY = re.compile(r"[!-~]{16,128}")
"""IAM's own bounds, as its documentation has them."""

Equip = Callable[[Account], None]
"""Gives an account what it is reached by."""


def begin_onboarding(
    session: TenantSession, actor: Actor, *, name: str, region: str = "us-east-1", owner: str | None = None
) -> OnboardingRequest:
    """Open a request to connect an account by a role, or return the one that is open.

    The account is made as a LAB placeholder if there is none. A connected or imported account may be connected (again)
    under its own name. An expired request is replaced by one with another external id.

    Args:
        session: bound to the tenant.
        actor: who asks.
        name: name of the account in spothive.
        region: its home region.
        owner: user name of who answers for a new account; the actor, or the tenant's first client, when None.

    Raises:
        Denied: the role does not allow it.
        InvalidInput: no region of AWS.
        Conflict: an account of this name is being disconnected.
        NotFound: no such owner.
    """
    require_manage(actor, "account.onboarding_begun", name)
    check_region(region)
    try:
        account = find_account(session, name, for_update=True)
    except NotFound:
        user_id = responsible_user(session, actor, owner)
        account = make_placeholder(session, name, ConnectionMethod.IAM_ROLE, user_id, region=region)
    request = session.scalar(select(OnboardingRequest).where(OnboardingRequest.account_id == account.id))
    if request is not None:
        if request.expires_at > utc_now():
            return request
        _close_request(session, account)
    request = OnboardingRequest(
        user_id=account.user_id,
        request_id=secrets.token_hex(16),
        account_id=account.id,
        connection_method=ConnectionMethod.IAM_ROLE,
        external_id=new_external_id(),
        expires_at=utc_now() + OPEN_FOR,
    )
    session.add(request)
    session.flush()  # so that a second request at the same moment is refused here
    log_account(session, actor, account, "onboarding begun", {"request_id": request.request_id})
    after = {"connection_method": account.connection_method, "region": account.region, "expires_at": request.expires_at}
    record(session, actor, "account.onboarding_begun", account.account_name, ResourceType.ACCOUNT, after=after)
    return request


def find_request(session: TenantSession, name: str) -> OnboardingRequest:
    """Return the open request of account ``name``.

    Raises:
        NotFound: no such account, or nothing was begun.
        Conflict: the request has expired.
    """
    account = find_account(session, name)
    request = session.scalar(select(OnboardingRequest).where(OnboardingRequest.account_id == account.id))
    if request is None:
        msg = f"no request to connect {account.account_name} is open: `spothive account begin {account.account_name}`"
        raise NotFound(msg)
    if request.expires_at <= utc_now():
        msg = f"the request to connect {account.account_name} expired after 24 hours: begin again"
        raise Conflict(msg)
    return request


def onboarding_template(
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    name: str,
    grant: Grant,
    gateway: AwsGateway,
    principal_arn: str | None = None,
) -> str:
    """Return the CloudFormation template of the role for an open request (a procedure: it asks AWS who we are).

    Args:
        sessions: opens transactions of a tenant.
        actor: who asks.
        tenant_id: tenant of the account.
        name: name of the account.
        grant: what the role may do.
        gateway: the way to AWS.
        principal_arn: whom the role is to trust; when None, AWS is asked who spothive is.

    Raises:
        InvalidInput: no role can trust this principal.
        Denied: the role of ``actor`` does not allow it: the template holds the external id.
        NotFound: nothing was begun under this name.
        Conflict: the request has expired.
        ConfigurationError: spothive has no credentials of its own at AWS.
    """
    with sessions(tenant=tenant_id) as session:
        require_manage(actor, "account.template", name)
        external_id = find_request(session, name).external_id
    principal_arn = principal_arn or gateway.platform_identity().principal_arn
    return render_template(principal_arn=principal_arn, external_id=external_id, access=grant)


def verify_onboarding(
    sessions: Sessions, actor: Actor, *, tenant_id: UUID, name: str, role_arn: str, gateway: AwsGateway
) -> Account:
    """Prove that the role opens with our external id and in no other way, and connect the account (a procedure).

    Returns:
        The connected account. When the same user had connected it under another name, that one; the placeholder is
        gone.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        NotFound: nothing was begun under this name.
        Conflict: the request has expired, or the account holds another AWS account.
        ProofRefused: the role proves nothing, or is unsafe.
        AccountAlreadyClaimed: somebody else has connected this AWS account; the request stays verified.
        AwsError: AWS gave no answer, or does not know the role.
    """
    with sessions(tenant=tenant_id) as session:
        require_manage(actor, _CONNECTED, name)
        request = find_request(session, name)
    try:
        aws_account_id = prove_role(gateway, role_arn, request.external_id)
    except (AwsRefused, ProofRefused) as error:
        _remember_refusal(sessions, actor, tenant_id, name, error)
        raise
    with sessions(tenant=tenant_id) as session:
        _note_proof(session, request, aws_account_id, role_arn)

    def equip(account: Account) -> None:
        use_role(account, role_arn, request.external_id)

    try:
        with sessions(tenant=tenant_id) as session:
            account, _ = _locked(session, request)
            return _connect(session, actor, account, aws_account_id, equip)
    except AccountAlreadyClaimed as error:
        _remember_refusal(sessions, actor, tenant_id, name, error)
        raise


def connect_with_keys(  # noqa: PLR0913 - what a new account is made of, and the two ways out
    sessions: Sessions,
    actor: Actor,
    *,
    tenant_id: UUID,
    name: str,
    credentials: Credentials,
    gateway: AwsGateway,
    keys: Keys,
    region: str = "us-east-1",
    owner: str | None = None,
) -> Account:
    """Ask AWS whose ``credentials`` are, seal them and connect the account (a procedure).

    Returns:
        The connected account. When the same user had connected it under another name, that one.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        InvalidInput: no region of AWS, or these are no access keys that last; AWS was not asked.
        KeyMissing: there is no key to seal with; AWS was not asked.
        Conflict: the account holds another AWS account.
        AccountAlreadyClaimed: somebody else has connected this AWS account.
        AwsError: AWS refused the credentials, or gave no answer; nothing was stored.
    """
    with sessions(tenant=tenant_id) as session:
        require_manage(actor, _CONNECTED, name)
    check_region(region)
    _check_keys(credentials)
    keyring = keys()
    try:
        aws_account_id = gateway.caller_identity(credentials).account_id
    except AwsRefused as error:
        _remember_refusal(sessions, actor, tenant_id, name, error)
        raise
    try:
        with sessions(tenant=tenant_id) as session:
            try:
                account = find_account(session, name, for_update=True)
            except NotFound:
                user_id = responsible_user(session, actor, owner)
                account = make_placeholder(session, name, ConnectionMethod.ACCESS_KEYS, user_id, region=region)
            return _connect(session, actor, account, aws_account_id, lambda a: use_keys(a, credentials, keyring))
    except AccountAlreadyClaimed as error:
        _remember_refusal(sessions, actor, tenant_id, name, error)
        raise


def _check_keys(credentials: Credentials) -> None:
    """Refuse what cannot be the access key of a user, before it looks like an outage; nothing of it is repeated."""
    if credentials.session_token is not None or credentials.access_key_id.startswith("ASIA"):
        msg = "these are the keys of a session, which soon expire: give the access key of an IAM user"
        raise InvalidInput(msg)
    if not _ACCESS_KEY_ID.fullmatch(credentials.access_key_id) or not _SECRET_KEY.fullmatch(
        credentials.secret_access_key
    ):
        msg = "an access key id has 16 to 128 capitals and digits, a secret access key no blanks: copy both again"
        raise InvalidInput(msg)


def _note_proof(session: TenantSession, seen: OnboardingRequest, aws_account_id: str, role_arn: str) -> None:
    """Keep what AWS proved, whatever becomes of it."""
    _, request = _locked(session, seen)
    if request.status is OnboardingStatus.CREATED:
        proof = {"aws_account_id": aws_account_id, "role_arn": role_arn}
        move(session, request, OnboardingRequest.status, OnboardingStatus.VERIFIED, **proof)
    else:
        request.aws_account_id, request.role_arn = aws_account_id, role_arn


def _locked(session: TenantSession, seen: OnboardingRequest) -> tuple[Account, OnboardingRequest]:
    """Return a request that was seen open and its account, locked: the account first, as everywhere.

    Raises:
        Conflict: the request is open no more, or the account is being disconnected.
    """
    mine = select(Account).where(Account.id == seen.account_id, Account.disconnecting_at.is_(None))
    account = session.scalar(mine.with_for_update())
    request = session.get(OnboardingRequest, seen.id, with_for_update=True)
    if account is None or request is None:
        msg = (
            "the request was finished or replaced, or its account disconnected, meanwhile: see `spothive account list`"
        )
        raise Conflict(msg)
    return account, request


def _connect(session: TenantSession, actor: Actor, account: Account, aws_account_id: str, equip: Equip) -> Account:
    """Let ``account``, or the one of the same user that is this AWS account already, be connected."""
    holder = _holder(session, account, aws_account_id)
    if holder is None:
        try:
            return _claim(session, actor, account, aws_account_id, equip)
        except DuplicateValue:  # the key spans all tenants; this session sees one
            holder = _holder(session, account, aws_account_id)
            if holder is None:
                raise AccountAlreadyClaimed(_CLAIMED) from None
    return _reconnect(session, actor, account, holder, equip)


def _holder(session: TenantSession, account: Account, aws_account_id: str) -> Account | None:
    """Return the row of the same user that is this AWS account, locked; None if none is known to this tenant."""
    if account.account_id == aws_account_id:
        return account
    held = account.account_id if account.status is not AccountStatus.PENDING else None
    held = held or account.account_metadata.get("claimed_account_id")
    if held not in {None, aws_account_id}:
        msg = f"{account.account_name} is AWS account {held}, the proof is of {aws_account_id}: use another name"
        raise Conflict(msg)
    holder = session.scalar(select(Account).where(Account.account_id == aws_account_id).with_for_update())
    if holder is None:
        return None
    if holder.user_id != account.user_id:
        raise AccountAlreadyClaimed(_CLAIMED)
    if holder.disconnecting_at is not None:
        msg = f"this AWS account is being disconnected: let `spothive account disconnect {holder.account_name}` finish"
        raise Conflict(msg)
    if account.connection_method is ConnectionMethod.IMPORT:
        msg = f"this AWS account is connected as {holder.account_name}: disconnect the import {account.account_name}"
        raise Conflict(msg)
    return holder


def _claim(session: TenantSession, actor: Actor, account: Account, aws_account_id: str, equip: Equip) -> Account:
    """Turn a placeholder or an import into the AWS account.

    Raises:
        DuplicateValue: another row, of any tenant, is this AWS account.
    """
    with session.begin_nested():
        equip(account)
        account.account_metadata.pop("claimed_account_id", None)
        move(session, account, Account.status, AccountStatus.CONNECTED, account_id=aws_account_id)
    _close_request(session, account)
    _tell(session, actor, account, AccountStatus.PENDING, known_before=False)
    return account


def _reconnect(session: TenantSession, actor: Actor, account: Account, holder: Account, equip: Equip) -> Account:
    """Give ``holder`` its new access; a placeholder under another name has done its work."""
    if account is holder:
        _close_request(session, account)
    else:
        session.execute(delete(Account).where(Account.id == account.id))
    before = holder.status
    equip(holder)
    if before is AccountStatus.FAILED:
        move(session, holder, Account.status, AccountStatus.CONNECTED, status_reason=None)
    _tell(session, actor, holder, before, known_before=True)
    return holder


def _close_request(session: TenantSession, account: Account) -> None:
    session.execute(delete(OnboardingRequest).where(OnboardingRequest.account_id == account.id))


def _tell(session: TenantSession, actor: Actor, account: Account, before: AccountStatus, *, known_before: bool) -> None:
    facts = {
        "aws_account_id": account.account_id,
        "connection_method": account.connection_method,
        "reconnected": known_before,
    }
    moved = None if before is account.status else (before, account.status)
    log_account(session, actor, account, "connected", facts, moved=moved)
    record(
        session,
        actor,
        _CONNECTED,
        account.account_name,
        ResourceType.ACCOUNT,
        before={"status": before},
        after=facts | {"status": account.status},
    )


def _remember_refusal(
    sessions: Sessions, actor: Actor, tenant_id: UUID, name: str, error: AwsRefused | ProofRefused | Conflict
) -> None:
    with sessions(tenant=tenant_id) as session:
        record_failure(session, actor, _CONNECTED, name, ResourceType.ACCOUNT, reason=error, outcome=Outcome.DENIED)
