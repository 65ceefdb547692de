"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and backup codes for when it is lost.

A code works once. That of the app belongs to a step of 30 seconds: whoever first writes that step into the user's row
has used it. A backup code is stored as an HMAC-SHA-256 keyed with the user's TOTP secret, which is sealed: see
decision 0015.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Update, delete, or_, update
from sqlalchemy.orm.attributes import set_committed_value

from spothive.clock import utc_now
from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput, NotFound, SecondFactorNeeded
from spothive.keyring import Keyring, Keys
from spothive.models import STAFF_ROLES, BackupCode, LoginMethod, ResourceType, User
from spothive.operations.actor import Actor
from spothive.operations.audit import record, record_failure
from spothive.operations.identity.lock_out import Failure, count_failure, is_locked, locked_user
from spothive.operations.identity.people import find_user
from spothive.operations.identity.permissions import Action, require, require_person
from spothive.operations.sessions import Sessions
from spothive.schema.sealed import seal, still_holds, unseal

ISSUER = "spothive"
STEP_SECONDS = 30
WINDOW = 1
"""How many steps the clock of the app may be early or late."""
CODE_DIGITS = 6
BACKUP_CODES = 10
BACKUP_CODE_LENGTH = 12
BACKUP_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters, so 60 bits a code; without 0 and O, 1 and I."""
WRONG_CODE = "the code does not fit, or was used before: enter the next one the app shows, or a backup code"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TotpSetup:
    """What an authenticator app is to be told, once.

    Attributes:
        secret: base32; a secret.
        uri: the same as an ``otpauth://`` address, to be shown as a QR code; a secret.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShownCode:
    """A code somebody shows, with what it is checked against: opened before the transaction that uses it up.

    Attributes:
        method: what the code claims to be, by its form.
    """

    method: LoginMethod
    _keyring: Keyring = field(repr=False)
    _code: str = field(repr=False)
    _secret: str = field(repr=False)

    @classmethod
    def of(cls, user: User, code: str, keys: Keys) -> ShownCode:
        """Open the secret of ``user`` to check ``code`` with.

        Raises:
            KeyMissing: it is sealed with a key the keyring does not hold.
            SecretUnreadable: it does not open.
        """
        keyring = keys()
        secret = unseal(keyring, user, "totp_secret")
        plain = code.replace(" ", "").replace("-", "").strip()
        plain = plain.upper() if plain.isascii() else ""  # upper() makes plain letters of some look-alikes
        method = LoginMethod.BACKUP_CODE if len(plain) == BACKUP_CODE_LENGTH else LoginMethod.TOTP
        return cls(method, keyring, plain, secret)

    def use_up(self, session: TenantSession, user: User, ip_address: str | None = None) -> Failure | None:
        """Use the code up, or return why it is not accepted. Of several who show it at once one succeeds.

        Args:
            session: of the user's tenant.
            user: the row, locked.
            ip_address: from where, for a backup code.

        Raises:
            Conflict: the secret has been changed since it was opened.
        """
        if not still_holds(self._keyring, user, "totp_secret", self._secret):
            msg = f"the second factor of {user.username} has just been changed: try again"
            raise Conflict(msg)
        if self.method is LoginMethod.BACKUP_CODE:
            return self._use_up_backup_code(session, user, ip_address)
        step = self.step()
        if step is None:
            return Failure.WRONG_CODE
        unused = or_(User.totp_last_step.is_(None), User.totp_last_step < step)
        if not _changed(session, update(User).where(User.id == user.id, unused).values(totp_last_step=step)):
            return Failure.USED_CODE
        set_committed_value(user, "totp_last_step", step)
        return None

    def step(self) -> int | None:
        """Return the latest step within the window whose code this is, or None."""
        import pyotp

        totp, now = pyotp.TOTP(self._secret), int(utc_now().timestamp()) // STEP_SECONDS
        steps = range(now - WINDOW, now + WINDOW + 1)
        fitting = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), self._code)]
        return max(fitting, default=None)

    def _use_up_backup_code(self, session: TenantSession, user: User, ip_address: str | None) -> Failure | None:
        theirs = (BackupCode.user_id == user.id, BackupCode.code_hash == _backup_hash(self._secret, self._code))
        used_up = update(BackupCode).where(*theirs, BackupCode.used_at.is_(None))
        used_up = used_up.values(used_at=utc_now(), ip_address=ip_address)
        return None if _changed(session, used_up) else Failure.WRONG_CODE

    def new_backup_codes(self, session: TenantSession, user: User) -> list[str]:
        """Replace the backup codes of ``user`` by new ones; return them, since they cannot be read again."""
        return _make_backup_codes(session, user, self._secret)


def begin_totp(session: TenantSession, actor: Actor, keyring: Keyring) -> TotpSetup:
    """Give the acting user a new secret for an authenticator app; nothing asks for codes before one is confirmed.

    Raises:
        Denied: it is an API key that acts.
        Denied: it is an API key that acts.
        Conflict: the second factor is on.
        NotFound: ``actor`` is no user of the session's tenant.
    """
    import pyotp

    user = _own_row(session, actor, "totp.begun")
    if user.totp_enabled:
        msg = "your second factor is on: disable it first, to set up another"
        raise Conflict(msg)
    secret = pyotp.random_base32()
    seal(keyring, user, "totp_secret", secret)
    user.totp_last_step = None
    record(session, actor, "totp.begun", user.username, ResourceType.USER)
    uri = pyotp.TOTP(secret, name=user.username, issuer=ISSUER).provisioning_uri()
    return TotpSetup(secret, uri)


def confirm_totp(session: TenantSession, actor: Actor, *, code: str, keyring: Keyring) -> list[str]:
    """Turn the acting user's second factor on, by a first code of the app; return 10 backup codes, shown this once.

    Raises:
        Denied: it is an API key that acts.
        Conflict: nothing was begun, or it is on already.
        InvalidInput: the code does not fit.
        KeyMissing: the secret is sealed with a key the keyring does not hold.
        NotFound: ``actor`` is no user of the session's tenant.
    """
    user = _own_row(session, actor, "totp.enabled")
    if user.totp_enabled or user.totp_secret is None:
        state = "on already" if user.totp_enabled else "not begun"
        msg = f"your second factor is {state}: there is nothing to confirm"
        raise Conflict(msg)
    shown = ShownCode.of(user, code, lambda: keyring)
    step = shown.step()
    if step is None:
        msg = "the code does not fit: check the clock of the device, and enter the code it shows now"
        raise InvalidInput(msg)
    user.totp_enabled, user.totp_last_step = True, step
    codes = shown.new_backup_codes(session, user)
    record(session, actor, "totp.enabled", user.username, ResourceType.USER)
    return codes


def remove_totp(session: TenantSession, actor: Actor, *, username: str) -> User:
    """Turn off the second factor of somebody who lost both app and backup codes.

    Raises:
        Denied: ``actor`` is no staff of platform, or the user is an admin and ``actor`` may not unmake admins.
        NotFound: no such user in this tenant.
        Conflict: it is one's own, which takes a code, or it is not on.
    """
    user = find_user(session, username)
    action = Action.MAKE_ADMINS if user.role in STAFF_ROLES else Action.MANAGE_PLATFORM
    require(actor, action, attempt="totp.removed", resource=username, resource_type=ResourceType.USER)
    if user.id == actor.user_id:
        msg = "your own second factor is turned off with a code: if you have none, ask somebody else of the staff"
        raise Conflict(msg)
    locked = locked_user(session, user.id)
    if locked is None or not locked.totp_enabled:
        msg = f"{user.username} has no second factor"
        raise Conflict(msg)
    _turn_off(session, locked)
    record(session, actor, "totp.removed", user.username, ResourceType.USER)
    return locked


# --- procedures --------------------------------------------------------------------------------------------------


def disable_totp(sessions: Sessions, actor: Actor, *, code: str, keys: Keys) -> None:
    """Turn the acting user's second factor off, with a code (a procedure): a stolen session cannot.

    Raises:
        Denied: it is an API key that acts.
        Conflict: it is not on.
        SecondFactorNeeded: the code does not fit, or the user is locked; a wrong code counts as a failed sign-in.
        KeyMissing: the secret is sealed with a key the keyring does not hold.
    """

    def turn_off(session: TenantSession, user: User, _: ShownCode) -> None:
        _turn_off(session, user)

    _by_code(sessions, actor, "totp.disabled", turn_off, code=code, keys=keys)


def new_backup_codes(sessions: Sessions, actor: Actor, *, code: str, keys: Keys) -> list[str]:
    """Replace the acting user's backup codes, with a code (a procedure); return the new ones, shown this once.

    Raises:
        Conflict: the second factor is not on.
        SecondFactorNeeded: the code does not fit, or the user is locked; a wrong code counts as a failed sign-in.
        KeyMissing: the secret is sealed with a key the keyring does not hold.
    """

    def replace(session: TenantSession, user: User, shown: ShownCode) -> list[str]:
        return shown.new_backup_codes(session, user)

    return _by_code(sessions, actor, "totp.codes", replace, code=code, keys=keys)


def _by_code(
    sessions: Sessions,
    actor: Actor,
    event: str,
    change: Callable[[TenantSession, User, ShownCode], T],
    *,
    code: str,
    keys: Keys,
) -> T:
    """Make a change that takes a code; a wrong one is counted, and remembered as a failure of ``event``."""
    with sessions(tenant=actor.home_tenant_id) as session:
        user = session.get(User, actor.user_id)
    shown = None
    if user is not None and user.totp_enabled and not is_locked(user):
        shown = ShownCode.of(user, code, keys)
    with sessions(tenant=actor.home_tenant_id) as session:
        user = _own_row(session, actor, event)
        if not user.totp_enabled:
            msg = "your second factor is not on: see `spothive user totp enable`"
            raise Conflict(msg)
        if shown is None or is_locked(user):
            failure: Failure | None = Failure.LOCKED
        else:
            failure = shown.use_up(session, user)
            if failure is None:
                result = change(session, user, shown)
                record(session, actor, event, user.username, ResourceType.USER)
                return result
        reason = "too many codes were wrong: wait until the lock ends" if failure is Failure.LOCKED else WRONG_CODE
        refusal = SecondFactorNeeded(reason)
        count_failure(session, user)
        record_failure(session, actor, event, user.username, ResourceType.USER, reason=refusal)
    raise refusal


# --- rows --------------------------------------------------------------------------------------------------------


def _own_row(session: TenantSession, actor: Actor, attempt: str) -> User:
    require_person(actor, attempt=attempt, resource=actor.username, resource_type=ResourceType.USER)
    user = locked_user(session, actor.user_id)
    if user is None:
        msg = f"{actor.username} is no user of this tenant: the second factor is set in one's own"
        raise NotFound(msg)
    return user


def _turn_off(session: TenantSession, user: User) -> None:
    user.totp_enabled, user.totp_secret, user.totp_last_step = False, None, None
    session.execute(delete(BackupCode).where(BackupCode.user_id == user.id))


def _make_backup_codes(session: TenantSession, user: User, secret: str) -> list[str]:
    session.execute(delete(BackupCode).where(BackupCode.user_id == user.id))
    codes = ["".join(secrets.choice(BACKUP_ALPHABET) for _ in range(BACKUP_CODE_LENGTH)) for _ in range(BACKUP_CODES)]
    session.add_all(BackupCode(user_id=user.id, code_hash=_backup_hash(secret, code)) for code in codes)
    return codes


def _backup_hash(secret: str, code: str) -> str:
    return hmac.new(secret.encode(), f"spothive backup code: {code}".encode(), hashlib.sha256).hexdigest()


def _changed(session: TenantSession, compare_and_set: Update) -> bool:
    done = session.execute(compare_and_set.execution_options(synchronize_session=False))
    return bool(done.rowcount == 1)  # type: ignore[attr-defined]  # a CursorResult, since this is DML
