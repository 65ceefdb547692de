"""Every verb that changes something, as data: so that no law about verbs forgets one.

Signing in is none: an attempt is remembered whether or not it may go on. See ``identity/test_sign_in.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from unittest.mock import ANY
from uuid import UUID

from sqlalchemy import select

from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    Account,
    ApiKey,
    ApiScope,
    Decision,
    DecisionStatus,
    DowntimeCause,
    DowntimeLog,
    EnvironmentType,
    ExperimentLog,
    Instance,
    Invitation,
    PipelineMode,
    Role,
    RollupWatermark,
    TokenPurpose,
    User,
    UserToken,
    get_db_session,
    system_scope,
)
from spothive.database.passwords import hash_password
from spothive.gateways.aws import AwsGateway
from spothive.keyring import Keyring
from spothive.operations.actor import Actor
from spothive.operations.decisions import fold_decisions, make_decisions, record_switch_outcome, set_shadow_mode
from spothive.operations.fleet import disconnect_account, import_fleet, set_environment
from spothive.operations.identity import (
    accept_invitation,
    change_password,
    create_api_key,
    create_tenant,
    create_user,
    delete_user,
    invite,
    make_reset_token,
    register_client,
    request_password_reset,
    reset_password,
    revoke_api_key,
    set_password,
    set_role,
    set_tenant_active,
    set_user_active,
    transfer_accounts,
    withdraw_invitation,
)
from spothive.operations.identity.tokens import hash_of
from spothive.operations.risk import (
    MarketFact,
    MarketRead,
    ReplicaOutcome,
    expire_replicas,
    import_market,
    record_replica_outcome,
    record_spot_event,
    refresh_market,
)
from spothive.operations.secrets import rotate, withdraw
from spothive.operations.sla import end_downtime, record_downtime
from spothive.schema.sealed import seal
from spothive.scoring.serving import ModelServer
from spothive.scoring.store import ModelStore
from tests.factories import make_account, make_instance
from tests.factories.decisions import decide, decision
from tests.factories.fleets import answer_of, connected_account, observed
from tests.factories.spot_events import spot_event
from tests.operations.conftest import World

SECRET = "sha256$this-is-the-hash"
PASSWORD = "correct horse battery"
TOKEN_SECRET = "the-secret-half-of-a-token"
SECRETS = (SECRET, PASSWORD, TOKEN_SECRET)


@dataclass(frozen=True)
class Verb:
    """One change, and what the audit trail then says.

    Attributes:
        name: what it does.
        run: does it, as somebody in a tenant.
        actor: who does it; of what is done by nobody known yet, whom it is about.
        denied: who may not; None for what everybody may.
        tenant: where.
        trail: (event, resource, before, after) of the audit rows.
        prepare: what has to be there.
        label: who it says did it, if not the actor.
        makes_tenant: slug of the tenant it makes, to which the audit rows belong.
    """

    name: str
    run: Callable[[Actor, UUID], Any]
    actor: str
    denied: str | None
    tenant: str
    trail: tuple[tuple[str, str, Any, Any], ...]
    prepare: Callable[[World], Any] = lambda _: None
    label: str | None = None
    makes_tenant: str | None = None

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
    makes_tenant: str | None = None,
) -> Verb:
    """Describe a verb that runs in the caller's transaction."""

    def run(actor: Actor, tenant_id: UUID) -> Any:
        with get_db_session(tenant=tenant_id) as session:
            return change(session, actor, **facts)

    return Verb(name, run, actor, denied, tenant, (trail,), prepare=prepare, makes_tenant=makes_tenant)


def _disable_udo(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_user_active(session, world.anna, username="udo", active=False)


def _suspend_globex(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        set_tenant_active(session, world.admin, slug="globex", active=False)


def _connect(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        connected_account(session, world.anna.user_id, name="shop", account_id="210987654321")


def _hold_instance(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        account = connected_account(session, world.anna.user_id, name="shop", account_id="210987654321")
        account.environment_type = EnvironmentType.PROD
    make_instance(world.acme, account.id, "i-00000001", region="us-east-1", availability_zone="us-east-1a")


def _plan_replica(world: World) -> None:
    _hold_instance(world)
    with get_db_session(tenant=world.acme) as session:
        primary = session.scalars(select(Instance)).one()
    facts = {"is_replica": True, "replica_of_id": primary.id, "replica_expiry": NOON, "state": "pending"}
    make_instance(world.acme, primary.account_id, "planned-1", **facts)


def _be_down(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.add(DowntimeLog(instance_id="i-00000001", start_time=NOON, cause=DowntimeCause.NO_REPLICA))


def _tell(actor: Actor, tenant_id: UUID) -> Any:
    event = spot_event(account="210987654321", instance_id="i-00000001", event_id="told")
    return record_spot_event(get_db_session, actor, event, tenant_id=tenant_id)


def _hold_key(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.add(
            ApiKey(user_id=world.udo.user_id, name="ci", prefix="sh_live_1", key_hash="ab" * 32, scopes=[ApiScope.READ])
        )


def _disconnect(actor: Actor, tenant_id: UUID) -> Any:
    return disconnect_account(get_db_session, actor, tenant_id=tenant_id, name="shop")


def _own_password(world: World) -> None:
    password_hash = hash_password("the one before")
    with get_db_session(tenant=world.acme) as session:
        session.get_one(User, world.udo.user_id).password_hash = password_hash


def _change(actor: Actor, _: UUID) -> Any:
    return change_password(get_db_session, actor, current="the one before", new=PASSWORD)


def token_of(tenant_id: UUID) -> str:
    """Return a token that a test knows beforehand."""
    return f"{tenant_id.hex}.{TOKEN_SECRET}"


def _reset_token(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.add(
            UserToken(
                user_id=world.udo.user_id,
                purpose=TokenPurpose.PASSWORD_RESET,
                token_hash=hash_of(token_of(world.acme)),
                expires_at=utc_now() + timedelta(hours=1),
            )
        )


def _invitation(world: World) -> None:
    with get_db_session(tenant=world.acme) as session:
        session.add(
            Invitation(
                email="ute@acme.io",
                role=Role.LAB,
                token_hash=hash_of(token_of(world.acme)),
                invited_by_name="anna",
                expires_at=utc_now() + timedelta(days=1),
            )
        )


def _accept(_: Actor, tenant_id: UUID) -> Any:
    return accept_invitation(get_db_session, token=token_of(tenant_id), username="Ute", password=PASSWORD)


def _register(*_: Any) -> Any:
    who = {"username": "Ines", "email": "Ines@Initech.io", "password": PASSWORD}
    return register_client(get_db_session, tenant_name="Initech", slug="initech", **who)


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


def _decide(actor: Actor, tenant_id: UUID) -> Any:
    server = ModelServer(ModelStore(Path("no-such-folder")))  # no model is active, so none is looked for
    return make_decisions(get_db_session, actor, tenant_id=tenant_id, server=server, instances=["i-00000001"])


def _hold_decision(world: World) -> None:
    _hold_instance(world)
    with get_db_session(tenant=world.acme) as session:
        instance = session.scalars(select(Instance)).one()
        session.add(
            ExperimentLog(
                id=DECISION,
                account_id=instance.account_id,
                instance_id=instance.id,
                pipeline_mode=PipelineMode.LINEAR,
                decision=Decision.SWITCH,
                decision_reason="a test",
                selected_instance_type="m6i.large",
                selected_availability_zone="us-east-1b",
                execution_time=NOON - timedelta(hours=1),
                features_used={},
            )
        )


DECISION = UUID("0197a1f0-0000-7000-8000-000000000001")


class _Market:
    """Stands where AWS would answer with one good price and one that is none."""

    def spot_price_pages(self, region: str, **_: Any) -> Iterator[list[dict[str, Any]]]:
        price = {"AvailabilityZone": f"{region}a", "InstanceType": "m5.large", "ProductDescription": "Linux/UNIX"}
        price |= {"SpotPrice": "0.02", "Timestamp": "2026-01-15T09:00:00+00:00"}
        yield [price, price | {"SpotPrice": "free"}]


def _refresh_market(actor: Actor, tenant_id: UUID) -> None:
    def sessions(tenant: UUID) -> Any:
        return get_db_session(tenant=tenant_id)

    refresh_market(sessions, actor, regions=["us-east-1"], gateway=cast("AwsGateway", _Market()))


COUNTED = utc_now() - timedelta(days=5)


def _closed_day(world: World) -> None:
    """Leave a day with one decision to be counted, closed since before any transaction that is open now."""
    machine = make_instance(world.acme, make_account(world.acme).id)
    decide(decision(machine, COUNTED))
    following = COUNTED.date() + timedelta(days=1)
    with get_db_session() as session, system_scope(session, "test"):
        session.add(RollupWatermark(name="decisions", position=f"{following} 0001-01-01 1"))


def _fold(actor: Actor, tenant_id: UUID) -> Any:
    def sessions(tenant: UUID) -> Any:
        return get_db_session(tenant=tenant_id)

    return fold_decisions(sessions, actor, now=COUNTED + timedelta(days=2))


KEYS = {"00000001": bytes(range(32)), "00000002": bytes(32)}
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
OUTAGE = {"cause": "no_replica", "start_time": NOON.isoformat(), "cluster_id": None, "decision_id": None}
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
        makes_tenant="initech",
    ),
    Verb(
        "register a client",
        _register,
        actor="anna",
        denied=None,
        tenant="acme",
        trail=(
            (
                "tenant.registered",
                "initech",
                None,
                {
                    "slug": "initech",
                    "name": "Initech",
                    "username": "ines",
                    "email": "ines@initech.io",
                    "role": "client",
                },
            ),
        ),
        label="ines",
        makes_tenant="initech",
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
    Verb(
        "change the own password",
        _change,
        actor="udo",
        denied=None,
        tenant="acme",
        trail=(("user.password", "udo", None, None),),
        prepare=_own_password,
    ),
    verb(
        "make a reset token",
        make_reset_token,
        {"username": "udo"},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("user.reset_link", "udo", None, None),
    ),
    Verb(
        "ask for a reset token",
        lambda *_: request_password_reset(get_db_session, name="udo@acme.io", via="web"),
        actor="udo",
        denied=None,
        tenant="acme",
        trail=(("user.reset_asked", "udo", None, None),),
        label="udo (web, not signed in)",
    ),
    Verb(
        "reset a password",
        lambda _, tenant_id: reset_password(get_db_session, token=token_of(tenant_id), password=PASSWORD),
        actor="udo",
        denied=None,
        tenant="acme",
        trail=(("user.password_reset", "udo", None, None),),
        prepare=_reset_token,
        label="udo (reset token)",
    ),
    verb(
        "change a role",
        set_role,
        {"username": "udo", "role": Role.LAB},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("user.role", "udo", {"role": "user"}, {"role": "lab"}),
    ),
    verb(
        "invite somebody",
        invite,
        {"email": "Ute@Acme.io", "role": Role.USER},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("invitation.made", "ute@acme.io", None, {"email": "ute@acme.io", "role": "user"}),
    ),
    verb(
        "withdraw an invitation",
        withdraw_invitation,
        {"email": "ute@acme.io"},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("invitation.withdrawn", "ute@acme.io", {"email": "ute@acme.io", "role": "lab"}, None),
        prepare=_invitation,
    ),
    Verb(
        "accept an invitation",
        _accept,
        actor="anna",
        denied=None,
        tenant="acme",
        trail=(
            (
                "invitation.accepted",
                "ute",
                None,
                {"username": "ute", "email": "ute@acme.io", "role": "lab", "invited_by": "anna"},
            ),
        ),
        prepare=_invitation,
        label="ute",
    ),
    verb(
        "hand accounts over",
        transfer_accounts,
        {"from_user": "anna", "to_user": "udo"},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            "user.accounts_moved",
            "anna",
            {"user": "anna", "accounts": ["shop"]},
            {"user": "udo", "accounts": ["shop"]},
        ),
        prepare=_connect,
    ),
    verb(
        "delete a user",
        delete_user,
        {"username": "udo"},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            "user.deleted",
            "udo",
            {"username": "udo", "email": "udo@acme.io", "role": "user", "accounts": []},
            None,
        ),
    ),
    verb(
        "create an API key",
        create_api_key,
        {"name": "ci", "scopes": [ApiScope.READ], "owner": "udo"},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            "api_key.created",
            ANY,  # the prefix, which is random
            None,
            {"name": "ci", "owner": "udo", "scopes": ["read"], "rate_limit": 1000, "expires_at": None},
        ),
    ),
    verb(
        "revoke an API key",
        revoke_api_key,
        {"prefix": "sh_live_1", "reason": "lost"},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("api_key.revoked", "sh_live_1", None, {"name": "ci", "reason": "lost"}),
        prepare=_hold_key,
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
    Verb(
        "decide about an instance",
        _decide,
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            (
                "decision.made",
                "i-00000001",
                None,
                {"SWITCH": 0, "HOLD": 0, "FAILED": 1, "left_out": 0, "shadow": 0},
            ),
        ),
        prepare=_hold_instance,
    ),
    verb(
        "record what became of a switch",
        record_switch_outcome,
        {
            "decision_id": DECISION,
            "status": DecisionStatus.ACTED,
            "source_lost_at": NOON,
            "target_ready_at": NOON + timedelta(seconds=9),
        },
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            "decision.outcome",
            str(DECISION),
            {"status": "RECORDED"},
            {"status": "ACTED", "instance": "i-00000001", "downtime_seconds": 9},
        ),
        prepare=_hold_decision,
    ),
    verb(
        "only record what is decided about an instance",
        set_shadow_mode,
        {"instance_id": "i-00000001", "on": True},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("instance.shadow", "i-00000001", {"is_shadow_mode": False}, {"is_shadow_mode": True}),
        prepare=_hold_instance,
    ),
    verb(
        "import prices",
        import_market,
        {
            "read": MarketRead(
                MarketFact.ON_DEMAND,
                "a file",
                {("us-east-1", "m5.large", "Linux"): (Decimal("0.096"),)},
                ["a bad entry"],
            )
        },
        actor="admin",
        denied="anna",
        tenant="platform",
        trail=(
            "market.imported",
            "a file",
            None,
            {"facts": "on-demand prices", "added": 1, "changed": 0, "unchanged": 0, "refused": 1},
        ),
    ),
    Verb(
        "record an event about a spot instance",
        _tell,
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            (
                "event.recorded",
                "i-00000001",
                None,
                {
                    "event_type": "termination_notice",
                    "pool_id": "us-east-1:us-east-1a:m5.large",
                    "reported_at": ANY,
                    "counted": True,
                    "described": False,
                    "down_since": ANY,
                },
            ),
        ),
        prepare=_hold_instance,
    ),
    verb(
        "tell what became of a replica",
        record_replica_outcome,
        {"replica": "planned-1", "outcome": ReplicaOutcome.FAILED},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=(
            "replica.failed",
            "planned-1",
            None,
            {"replica": "planned-1", "primary": "i-00000001", "promoted": False, "outages_ended": 0},
        ),
        prepare=_plan_replica,
    ),
    verb(
        "expire replicas",
        expire_replicas,
        {},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("replicas.expired", "replicas", None, {"promoted": [], "retired": ["planned-1"], "outages_ended": 0}),
        prepare=_plan_replica,
    ),
    verb(
        "write down an outage",
        record_downtime,
        {"instance_id": "i-00000001", "cause": DowntimeCause.NO_REPLICA, "start": NOON, "end": NOON},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("downtime.recorded", "i-00000001", None, OUTAGE | {"end_time": NOON.isoformat()}),
        prepare=_hold_instance,
    ),
    verb(
        "end an outage",
        end_downtime,
        {"instance_id": "i-00000001", "at": NOON},
        actor="anna",
        denied="lena",
        tenant="acme",
        trail=("downtime.ended", "i-00000001", None, {"outages": [OUTAGE | {"end_time": NOON.isoformat()}]}),
        prepare=_be_down,
    ),
    Verb(
        "refresh the market",
        _refresh_market,
        actor="admin",
        denied="anna",
        tenant="platform",
        trail=(
            (
                "market.refreshed",
                "us-east-1",
                None,
                {"facts": "spot prices", "added": 1, "changed": 0, "unchanged": 0, "refused": 1},
            ),
        ),
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
                {"primary": "00000002", "added": False, "resealed": 1, "unopened": 0, "left": 0},
            ),
        ),
        prepare=_store_secret,
    ),
    Verb(
        "count decisions",
        _fold,
        actor="admin",
        denied="anna",
        tenant="platform",
        trail=(
            (
                "decisions.counted",
                "decisions",
                None,
                {"day": f"{COUNTED:%Y-%m-%d}", "decisions": 1, "rollups": 1},
            ),
        ),
        prepare=_closed_day,
    ),
    Verb(
        "withdraw a sealing key",
        _withdraw,
        actor="admin",
        denied="anna",
        tenant="platform",
        trail=(("secrets.withdrawn", "00000001", {"withdrawn": False}, {"withdrawn": True, "primary": "00000002"}),),
    ),
)
