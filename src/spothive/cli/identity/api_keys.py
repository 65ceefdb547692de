"""``spothive apikey``."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.asking import shown_secret
from spothive.cli.call import Call, CheckFailed, command, named
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.models import ApiKey
    from spothive.operations.identity import KeyHolder

api_key_commands = typer.Typer(rich_markup_mode=None)

KEY_COLUMNS = (
    Column("prefix", "prefix"),
    Column("name", "name", fold=True),
    Column("owner", "owner", fold=True),
    Column("scopes", "scopes_text"),
    Column("last used", "last_used_at"),
    Column("expires", "expires_at"),
    Column("revoked", "revoked_at", optional=True),
    Column("requests/h", "rate_limit", right=True, optional=True),
)

USAGE_COLUMNS = (
    Column("method", "method"),
    Column("endpoint", "endpoint", fold=True),
    Column("requests", "requests", right=True),
    Column("failed", "failed", right=True),
    Column("mean ms", "average_ms", right=True),
    Column("slowest ms", "slowest_ms", right=True, optional=True),
    Column("last", "last_at", optional=True),
)


# The scopes of the model, spelled out: the model's module would cost `spothive --help` half a second.
class UserScope(enum.StrEnum):
    """What a user's key may be used for. An enum, since typer repeats no option of ``Literal``."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


AnyScope = Literal["read", "write", "admin", "agent"]
Prefix = Annotated[str, typer.Argument(metavar="PREFIX", help="First 16 characters of the key.")]


@command(api_key_commands, "create")
def create_api_key(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    scope: Annotated[
        list[UserScope] | None,
        typer.Option(
            metavar="read|write|admin", help="What it may be used for; say it again for more than one. [default: read]"
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USERNAME", help="User the key acts for. [default: who makes it]")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="CLUSTER", help="For a cluster's agent: name, id or account/region/name."),
    ] = None,
    rate_limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=100_000, help="Requests an hour.")] = 1000,
    expires_in: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, max=3650, help="Days it works. [default: until revoked]")
    ] = None,
) -> None:
    """Make an API key. It is printed this one time and stored nowhere."""
    from spothive.clock import utc_now
    from spothive.models import ApiScope
    from spothive.operations import identity

    scopes = [ApiScope(value) for value in scope or (("agent",) if cluster is not None else ("read",))]
    with call.writing() as session:
        row, key = identity.create_api_key(
            session,
            call.actor,
            name=named(name, "NAME"),
            scopes=scopes,
            owner=user,
            cluster=cluster,
            rate_limit=rate_limit,
            expires_at=None if expires_in is None else utc_now() + timedelta(days=expires_in),
        )
    facts = _key_facts(row)
    call.out.json(facts | {"key": key})
    call.out.line(f"made API key {row.prefix} for {facts['owner']}: {', '.join(row.scopes)}")
    call.out.line(f"shown this once: {key}")


@command(api_key_commands, "list")
def list_api_keys(
    call: Call, revoked: Annotated[bool, typer.Option("--revoked", help="List the revoked ones too.")] = False
) -> None:
    """List the API keys of the tenant. What would open a door is not among what is known of them."""
    from spothive.operations import identity

    with call.reading() as session:
        rows = [_key_facts(key) for key in identity.list_api_keys(session, revoked=revoked)]
    call.out.json(rows)
    table = [row | {"scopes_text": ", ".join(row["scopes"])} for row in rows]
    call.out.table(table, KEY_COLUMNS, empty="no API keys yet: spothive apikey create --help")


@command(api_key_commands, "revoke")
def revoke_api_key(
    call: Call,
    prefix: Prefix,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for people.")],
) -> None:
    """Make an API key worthless, at once and for good."""
    from spothive.operations import identity

    with call.writing() as session:
        key = identity.revoke_api_key(session, call.actor, prefix=prefix, reason=reason)
    call.out.json({"prefix": key.prefix, "revoked_at": key.revoked_at, "revoked_reason": key.revoked_reason})
    call.out.line(f"API key {key.prefix} is revoked")


@command(api_key_commands, "usage")
def show_usage(
    call: Call,
    prefix: Prefix,
    days: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=90, help="How far to look back.")] = 7,
) -> None:
    """Show what was asked with an API key, endpoint by endpoint."""
    from dataclasses import asdict

    from spothive.clock import utc_now
    from spothive.operations import identity

    with call.reading() as session:
        usage = identity.list_usage(session, prefix=prefix, since=utc_now() - timedelta(days=days))
    rows = [asdict(row) for row in usage]
    call.out.json(rows)
    call.out.table(rows, USAGE_COLUMNS, empty="nothing was asked with this key in that time")


@command(api_key_commands, "check")
def check_api_key(
    call: Call, scope: Annotated[AnyScope | None, typer.Option(help="Ask for this scope, too.")] = None
) -> None:
    """Tell whether a key works, and if not, why.

    The key is asked for at a terminal, else read from standard input. Exit 1 if it does not work here.
    """
    from spothive.database import get_db_session
    from spothive.errors import KeyRefused
    from spothive.models import ApiScope
    from spothive.operations import identity

    actor, tenant_id = call.actor, call.tenant_id  # found before anybody is asked for a key
    key = shown_secret("API key")
    try:
        holder = identity.check_api_key(get_db_session, key, scope=None)
    except KeyRefused as refusal:
        if refusal.tenant_id in {None, tenant_id} or actor.is_staff:
            msg = f"this API key does not work: {refusal.reason}"
            raise CheckFailed(msg) from None
        raise CheckFailed(_ANOTHERS) from None
    if holder.tenant_id != tenant_id and not actor.is_staff:
        raise CheckFailed(_ANOTHERS)
    if scope is not None:
        holder.require(ApiScope(scope))
    facts = _holder_facts(holder)
    call.out.json(facts)
    call.out.facts(facts)


_ANOTHERS = "this API key does not work: unknown key"
"""What is said of the key of another tenant, and of one that nobody has."""


def _holder_facts(holder: KeyHolder) -> dict[str, Any]:
    actor = holder.actor
    return {
        "prefix": holder.prefix,
        "name": holder.name,
        "tenant_id": holder.tenant_id,
        "user": actor.username if actor else None,
        "acts_as": actor.role if actor else None,
        "cluster_id": holder.cluster_id,
        "scopes": ", ".join(sorted(holder.scopes)),
        "rate_limit": holder.rate_limit,
    }


def _key_facts(key: ApiKey) -> dict[str, Any]:
    from spothive.operations import identity

    return {
        "id": key.id,
        "prefix": key.prefix,
        "name": key.name,
        "owner": identity.owner_of(key),
        "scopes": list(key.scopes),
        "rate_limit": key.rate_limit,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "revoked_reason": key.revoked_reason,
    }
