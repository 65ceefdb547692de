"""Every verb that changes something, as data: so that no law about verbs forgets one.

Signing in is none: an attempt is remembered whether or not it may go on. See ``identity/test_sign_in.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from spothive.database import PLATFORM_TENANT_ID, Account, EnvironmentType, Role, get_db_session
from spothive.keyring import Keyring
from spothive.operations.actor import Actor
from spothive.operations.fleet import disconnect_account, import_fleet, set_environment
from spothive.operations.identity import (
    create_tenant,
    create_user,
    set_password,
    set_tenant_active,
    set_user_active,
)
from spothive.operations.risk import PricesRead, import_prices
from spothive.operations.secrets import rotate, withdraw
from spothive.schema.sealed import seal
from tests.factories.fleets import answer_of, connected_account, observed
from tests.operations.conftest import World

SECRET = "sha256$this-is-the-hash"


@dataclass(frozen=True)
class Verb:
    """One change: who does it in which tenant, who may not, and what the audit trail then says.

    ``denied`` is None for what everybody may do with what is their own.
    """

    name: str
    run: Callable[[Actor, UUID], Any]
    actor: str
    denied: str | None
    tenant: str
    trail: tuple[tuple[str, str, Any, Any], ...]
    prepare: Callable[[World], Any] = lambda _: None

    def tenant_id(self, world: World) -> UUID:
        """Return the tenant it is done in."""
        return PLATFORM_TENANT_ID if self.tenant == "platform" else getattr(world, self.tenant)


def verb(
    name: str,
    change: Callable[..., Any],
    facts: dict[str, Any],
    *,
    actor: str,
    denied: str | None,
    tenant: str,
    trail: tuple[str, str, Any, Any],
    prepare: Callable[[World], Any] = lambda _: None,
) -> Verb:
    """Describe a verb that runs in the caller's transaction."""

    def run(actor: Actor, tenant_id: UUID) -> Any:
        with get_db_session(tenant=tenant_id) as session:
            return change(session, actor, **facts)

    return Verb(name, run, actor, denied, tenant, (trail,), prepare=prepare)


def _disable_udo(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)


def _suspend_globex(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="globex", active=False)


def _connect(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        connected_account(session, world.anna.user_id, name="shop", account_id="210987654321")


def _disconnect(actor: Actor, tenant_id: UUID) -> Any:
    return disconnect_account(get_db_session, actor, tenant_id=tenant_id, name="shop")


def _store_secret(world: World) -> None:
    account = Account(
        tenant_id=world.acme,
        user_id=world.anna.user_id,
        account_name="sealed",
        account_id="pending-1",
        connection_method="access_keys",
    )
    seal(Keyring(KEYS, primary="00000001"), account, "aws_secret_access_key", SECRET)
    with get_db_session(tenant=world.acme) as session:
        session.add(account)


def _rotate(actor: Actor, tenant_id: UUID) -> Any:
    return rotate(get_db_session, actor, tenant_id=tenant_id, keyring=Keyring(KEYS, primary="00000002"))


def _withdraw(actor: Actor, tenant_id: UUID) -> Any:
    ring = Keyring(KEYS, primary="00000002")
    return withdraw(get_db_session, actor, tenant_id=tenant_id, key_id="00000001", keyring=ring)


KEYS = {"00000001": bytes(range(32)), "00000002": bytes(32)}
COUNTS = {"added": 2, "changed": 0, "vanished": 0, "flagged": 0, "unauthorized": 0}
VERBS = (
    verb(
        "create a tenant",
        create_tenant,
        {"slug": "initech", "name": "Initech"},
        actor="admin",
        denied="anna",
        tenant="acme",
        trail=("tenant.created", "initech", None, {"slug": "initech", "name": "Initech"}),
    ),
    verb(
        "suspend a tenant",
        set_tenant_active,
        {"slug": "globex", "active": False},
        actor="admin",
        denied="gina",
        tenant="globex",
        trail=("tenant.suspended", "globex", {"is_active": True}, {"is_active": False}),
    ),
    verb(
        "resume a tenant",
        set_tenant_active,
        {"slug": "globex", "active": True},
        actor="admin",
        denied="gina",
        tenant="globex",
        trail=("tenant.resumed", "globex", {"is_active": False}, {"is_active": True}),
        prepare=_suspend_globex,
    ),
    verb(
        "create a user",
        create_user,
        {"username": "Ute", "email": "Ute@Acme.io", "role": Role.USER, "password_hash": SECRET},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("user.created", "ute", None, {"username": "ute", "email": "ute@acme.io", "role": "user"}),
    ),
    verb(
        "disable a user",
        set_user_active,
        {"username": "udo", "active": False},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("user.disabled", "udo", {"is_active": True}, {"is_active": False}),
    ),
    verb(
        "enable a user",
        set_user_active,
        {"username": "udo", "active": True},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("user.enabled", "udo", {"is_active": False}, {"is_active": True}),
        prepare=_disable_udo,
    ),
    verb(
        "set a password",
        set_password,
        {"username": "udo", "password_hash": SECRET},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("user.password", "udo", None, None),
    ),
    verb(
        "import a fleet",
        import_fleet,
        {"name": "shop", "answer": answer_of([observed(1), observed(2)])},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("account.imported", "shop", None, {"seen": 2, **COUNTS, "refused": 0, "regions": ["us-east-1"]}),
    ),
    verb(
        "mark an account",
        set_environment,
        {"name": "shop", "environment": EnvironmentType.PROD},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("account.marked", "shop", {"environment_type": "LAB"}, {"environment_type": "PROD"}),
        prepare=_connect,
    ),
    verb(
        "import prices",
        import_prices,
        {"read": PricesRead("a file", {("us-east-1", "m5.large"): Decimal("0.096")}, ["a bad entry"])},
        actor="admin",
        denied="anna",
        tenant="platform",
        trail=("market.imported", "a file", None, {"added": 1, "changed": 0, "refused": 1}),
    ),
    Verb(
        "disconnect an account",
        _disconnect,
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            ("account.disconnecting", "shop", {"instances": 0, "clusters": 0, "scan_runs": 0}, None),
            ("account.disconnected", "shop", {"instances": 0, "clusters": 0, "scan_runs": 0}, None),
        ),
        prepare=_connect,
    ),
    Verb(
        "rotate the sealing keys",
        _rotate,
        actor="admin",
        denied="anna",
        tenant="platform",
        trail=(
            ("secrets.rotating", "sealing keys", {"00000001": 1}, None),
            (
                "secrets.rotated",
                "sealing keys",
                None,
                {"key_id": "00000002", "new_key": False, "resealed": 1, "unopened": 0, "left": 0},
            ),
        ),
        prepare=_store_secret,
    ),
    Verb(
        "withdraw a sealing key",
        _withdraw,
        actor="admin",
        denied="anna",
        tenant="platform",
        trail=(("secrets.withdrawn", "00000001", None, None),),
    ),
)
