"""``spothive tenant``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.call import Call, command, named
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.models import Tenant

tenant_commands = typer.Typer(rich_markup_mode=None)

TENANT_COLUMNS = (
    Column("slug", "slug"),
    Column("name", "name", fold=True),
    Column("active", "is_active"),
    Column("since", "created_at", optional=True),
)

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Short name: a-z, 0-9 and hyphens.")]


@command(tenant_commands, "create")
def create_tenant(
    call: Call, slug: Slug, name: Annotated[str, typer.Option(metavar="NAME", help="Name for people.")]
) -> None:
    """Make a tenant: one customer, who sees nothing of the others."""
    from spothive.operations import identity

    with call.writing() as session:
        tenant = identity.create_tenant(session, call.actor, slug=slug, name=named(name, "--name"))
    call.out.json(_tenant_facts(tenant))
    call.out.line(f"made tenant {tenant.slug}")
    call.out.line(f"next: spothive user create USERNAME --email ADDRESS --role client --tenant {tenant.slug}")


@command(tenant_commands, "list")
def list_tenants(call: Call) -> None:
    """List your tenant, or all of them as staff of platform."""
    from spothive.operations import identity

    with call.reading() as session:
        rows = [_tenant_facts(tenant) for tenant in identity.list_tenants(session, call.actor)]
    call.out.json(rows)
    call.out.table(rows, TENANT_COLUMNS, empty="no tenants yet: spothive tenant create --help")


@command(tenant_commands, "suspend")
def suspend_tenant(call: Call, slug: Slug) -> None:
    """Shut a tenant's users out everywhere; its data stays."""
    _set_tenant_active(call, slug, active=False)


@command(tenant_commands, "resume")
def resume_tenant(call: Call, slug: Slug) -> None:
    """Let a suspended tenant work again."""
    _set_tenant_active(call, slug, active=True)


def _set_tenant_active(call: Call, slug: str, *, active: bool) -> None:
    from spothive.operations import identity

    with call.writing() as session:
        tenant = identity.set_tenant_active(session, call.actor, slug=slug, active=active)
    call.out.json(_tenant_facts(tenant))
    call.out.line(f"tenant {tenant.slug} is {'active' if tenant.is_active else 'suspended'}")


def _tenant_facts(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.id,
        "slug": tenant.slug,
        "name": tenant.name,
        "is_active": tenant.is_active,
        "created_at": tenant.created_at,
    }
