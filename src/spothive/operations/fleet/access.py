"""How an account at AWS is reached: what proves it, what is stored of it, and what becomes of it when AWS refuses."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.errors import Conflict, ProofRefused
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AccessDenied, AwsRefused
from spothive.keyring import Keyring, Keys
from spothive.models import Account, AccountStatus, ConnectionMethod, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record, record_failure
from spothive.operations.fleet.accounts import find_account, log_account
from spothive.operations.fleet.told import tell_account_failed
from spothive.operations.identity import Action, require
from spothive.operations.sessions import Sessions
from spothive.schema.sealed import seal, still_holds, unseal
from spothive.schema.states import move


@dataclass(frozen=True, slots=True)
class Access:
    """How an account is reached, read in one transaction to be used outside of any.

    Attributes:
        account_row_id: id of the row.
        account_name: its name in spothive.
        aws_account_id: 12 digits.
        role_arn: role to assume with ``external_id``, or None if it is reached by ``keys``.
        external_id: ours.
        keys: the opened keys; a secret.
    """

    account_row_id: UUID
    account_name: str
    aws_account_id: str
    role_arn: str | None
    external_id: str | None = field(repr=False)
    keys: Credentials | None = field(repr=False)
    _keyring: Keyring | None = field(repr=False)

    def credentials(self, gateway: AwsGateway) -> Credentials:
        """Return credentials for AWS: those of the role for an hour, or the keys.

        Raises:
            AwsError: the role cannot be assumed.
        """
        if self.keys is not None:
            return self.keys
        assert self.role_arn is not None  # noqa: S101 - the rule role_proof
        return gateway.assume_role(self.role_arn, self.external_id)

    def prove(self, gateway: AwsGateway) -> None:
        """Prove again that this access leads to the account, and for a role that it is safe.

        Raises:
            ProofRefused: it leads elsewhere, or the role can be assumed without our external id.
            AwsError: AWS refused, or gave no answer.
        """
        if self.keys is not None:
            found = gateway.caller_identity(self.keys).account_id
        else:
            assert self.role_arn is not None and self.external_id is not None  # noqa: PT018, S101 - the rule role_proof
            found = prove_role(gateway, self.role_arn, self.external_id)
        if found != self.aws_account_id:
            msg = (
                f"the credentials of {self.account_name} lead into AWS account {found} instead of {self.aws_account_id}"
            )
            raise ProofRefused(msg)

    def is_that_of(self, account: Account) -> bool:
        """Tell whether ``account`` is still reached in this way."""
        if (account.role_arn, account.external_id) != (self.role_arn, self.external_id):
            return False
        if self.keys is None or self._keyring is None:
            return account.aws_access_key_id is None
        stored = {
            "aws_access_key_id": self.keys.access_key_id,
            "aws_secret_access_key": self.keys.secret_access_key,
        }
        return all(still_holds(self._keyring, account, name, secret) for name, secret in stored.items())


def new_external_id() -> str:
    """Return a random external id, by which one role lets spothive in for one account."""
    return f"spothive-{secrets.token_hex(24)}"


def prove_role(gateway: AwsGateway, role_arn: str, external_id: str) -> str:
    """Return the AWS account that a role opens, if it opens with ``external_id`` and in no other way.

    A role that also opens without, or with any other external id, lets whoever knows its ARN lead spothive into the
    account: the "confused deputy" of AWS's documentation.

    Raises:
        ProofRefused: the role does not open with the external id, or not only with it.
        AwsError: AWS gave no answer, or does not know the role.
    """
    try:
        credentials = gateway.assume_role(role_arn, external_id)
    except AccessDenied as error:
        msg = (
            f"AWS does not let spothive assume the role with its external id ({error.code}): launch the stack of "
            "`spothive account template` and give the RoleArn it puts out"
        )
        raise ProofRefused(msg) from None
    foreign = new_external_id()
    nearly = external_id[:-1] + ("1" if external_id.endswith("0") else "0")  # fits a pattern made of the true one
    for how, other in (("without an external id", None), *(("with another external id", i) for i in (foreign, nearly))):
        try:
            gateway.assume_role(role_arn, other)
        except AccessDenied:
            continue
        msg = f"the role can be assumed {how}: let its trust policy say sts:ExternalId StringEquals, with this very id"
        raise ProofRefused(msg)
    return gateway.caller_identity(credentials).account_id


def read_access(session: TenantSession, name: str, keys: Keys) -> Access:
    """Return how account ``name`` is reached.

    Raises:
        NotFound: no such account.
        Conflict: it is not connected yet, or holds imported instances only.
        KeyMissing: its keys are sealed with a key the keyring does not hold.
        SecretUnreadable: its keys do not open.
    """
    account = find_account(session, name)
    if account.status is AccountStatus.PENDING:
        msg = f"account {account.account_name} is not connected to AWS: see `spothive account begin` and `connect`"
        raise Conflict(msg)
    opened = keyring = None
    if account.connection_method is ConnectionMethod.ACCESS_KEYS:
        keyring = keys()
        opened = Credentials(
            unseal(keyring, account, "aws_access_key_id"), unseal(keyring, account, "aws_secret_access_key")
        )
    return Access(
        account.id,
        account.account_name,
        account.account_id,
        account.role_arn,
        account.external_id,
        opened,
        keyring,
    )


def use_role(account: Account, role_arn: str, external_id: str) -> None:
    """Let ``account`` be reached by a role, and by nothing else any more."""
    account.connection_method = ConnectionMethod.IAM_ROLE
    account.role_arn, account.external_id = role_arn, external_id
    account.aws_access_key_id = account.aws_secret_access_key = None


def use_keys(account: Account, keys: Credentials, keyring: Keyring) -> None:
    """Seal ``keys`` for ``account``, which is reached by nothing else any more."""
    account.connection_method = ConnectionMethod.ACCESS_KEYS
    account.role_arn = account.external_id = None
    seal(keyring, account, "aws_access_key_id", keys.access_key_id)
    seal(keyring, account, "aws_secret_access_key", keys.secret_access_key)


def recheck_account(
    sessions: Sessions, actor: Actor, *, tenant_id: UUID, name: str, gateway: AwsGateway, keys: Keys
) -> Account:
    """Prove the stored credentials of an account again (a procedure): a failed account that proves itself is connected.

    Raises:
        Denied: the role of ``actor`` does not allow it.
        NotFound: no such account.
        Conflict: the account was never connected, or was connected anew meanwhile.
        ProofRefused: the credentials lead elsewhere, or the role is unsafe; the account is failed now.
        AwsRefused: AWS refuses the credentials; the account is failed now.
        AwsUnavailable: AWS gave no answer; nothing changed.
    """
    with sessions(tenant=tenant_id) as session:
        require_manage(actor, "account.rechecked", name)
        access = read_access(session, name, keys)
    try:
        access.prove(gateway)
    except (AwsRefused, ProofRefused) as error:
        with sessions(tenant=tenant_id) as session:
            fail_account(session, actor, access, str(error))
            record_failure(session, actor, "account.rechecked", access.account_name, ResourceType.ACCOUNT, reason=error)
        raise
    with sessions(tenant=tenant_id) as session:
        account = locked(session, access)
        if not access.is_that_of(account):
            msg = f"account {access.account_name} was connected anew meanwhile: check it again"
            raise Conflict(msg)
        before = account.status
        if before is AccountStatus.FAILED:
            move(session, account, Account.status, AccountStatus.CONNECTED, status_reason=None)
            log_account(session, actor, account, "rechecked", {}, moved=(before, account.status))
        record(
            session,
            actor,
            "account.rechecked",
            account.account_name,
            ResourceType.ACCOUNT,
            before={"status": before},
            after={"status": account.status},
        )
        return account


def fail_account(session: TenantSession, actor: Actor, access: Access, reason: str) -> None:
    """Mark an account failed and tell its people, unless it has been connected anew since ``access`` was read.

    One that has failed already is told of no more.
    """
    account = locked(session, access)
    if not access.is_that_of(account):
        return
    before = account.status
    if before is AccountStatus.FAILED:
        account.status_reason = reason
    else:
        move(session, account, Account.status, AccountStatus.FAILED, status_reason=reason)
        log_account(session, actor, account, "failed", {"reason": reason}, moved=(before, account.status))
        tell_account_failed(session, account, reason)


def locked(session: TenantSession, access: Access) -> Account:
    """Return the account's row, locked and as it is now: changes not flushed yet are lost.

    Raises:
        Conflict: it is being disconnected, or gone.
    """
    query = select(Account).where(Account.id == access.account_row_id).with_for_update()
    # Where it was read before it was locked, the lock may have come after somebody else's change.
    account = session.scalar(query, execution_options={"populate_existing": True})
    if account is None or account.disconnecting_at is not None:
        msg = f"account {access.account_name} was disconnected meanwhile"
        raise Conflict(msg)
    return account


def require_manage(actor: Actor, attempt: str, name: str) -> None:
    """Let ``actor`` manage account ``name``, or refuse.

    Raises:
        Denied: the role does not allow it.
    """
    require(actor, Action.MANAGE, attempt=attempt, resource=name, resource_type=ResourceType.ACCOUNT)
