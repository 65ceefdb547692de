"""``spothive invite``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spothive.cli.asking import chosen_password, shown_token
from spothive.cli.call import Call, command
from spothive.cli.identity.passwords import NextStdin, TokenStdin
from spothive.cli.identity.people import RoleName, Username
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.models import Invitation

invite_commands = typer.Typer(rich_markup_mode=None)

INVITATION_COLUMNS = (
    Column("e-mail", "email", fold=True),
    Column("role", "role"),
    Column("state", "state"),
    Column("until", "expires_at"),
    Column("invited by", "invited_by", fold=True, optional=True),
)

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="E-mail address of whoever is invited.")]


@command(invite_commands, "create")
def invite(call: Call, email: Address, role: Annotated[RoleName, typer.Option(help="What they will be.")]) -> None:
    """Invite somebody into the tenant for 7 days.

    Prints the token that accepts, this one time: hand it to that person and to nobody else. Inviting an address again
    replaces the invitation made before.
    """
    from spothive.models import Role
    from spothive.operations import identity

    with call.writing() as session:
        invitation, token = identity.invite(session, call.actor, email=email, role=Role(role))
    call.out.json(_facts(invitation) | {"token": token})
    call.out.line(f"invited {invitation.email} as {invitation.role}, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC")
    call.out.line(f"token, shown this once: {token}")
    call.out.line("next, by whoever is invited: spothive invite accept USERNAME")


@command(invite_commands, "list")
def list_invitations(call: Call) -> None:
    """List the tenant's invitations, the newest first."""
    from spothive.operations import identity

    with call.reading() as session:
        rows = [_facts(invitation) for invitation in identity.list_invitations(session)]
    call.out.json(rows)
    call.out.table(rows, INVITATION_COLUMNS, empty="no invitations yet: spothive invite create --help")


@command(invite_commands, "withdraw")
def withdraw_invitation(call: Call, email: Address) -> None:
    """Take an open invitation back."""
    from spothive.operations import identity

    with call.writing() as session:
        identity.withdraw_invitation(session, call.actor, email=email)
    call.out.json({"email": email, "withdrawn": True})
    call.out.line(f"the invitation of {email} is withdrawn")


@command(invite_commands, "accept")
def accept_invitation(
    call: Call,
    username: Username,
    full_name: Annotated[str | None, typer.Option(metavar="NAME", help="Name for people.")] = None,
    token_stdin: TokenStdin = False,
    password_stdin: NextStdin = False,
) -> None:
    """Become a user by an invitation.

    Takes no --as: the token says which tenant and role. Token and password are asked for at a terminal.
    """
    from spothive.database import get_db_session
    from spothive.operations import identity

    via = call.via  # a schema too old is told before anybody is asked for anything
    token = shown_token(from_stdin=token_stdin)
    guest = identity.accept_invitation(
        get_db_session,
        token=token,
        username=username,
        password=chosen_password(from_stdin=password_stdin),
        full_name=full_name,
        via=via,
    )
    call.out.json({"username": guest.username, "role": guest.role, "tenant_id": guest.home_tenant_id})
    call.out.line(f"welcome {guest.username}, {guest.role}")


def _facts(invitation: Invitation) -> dict[str, Any]:
    from spothive.clock import utc_now

    expired = invitation.expires_at <= utc_now()
    return {
        "email": invitation.email,
        "role": invitation.role,
        "state": "accepted" if invitation.accepted_at else "expired" if expired else "open",
        "expires_at": invitation.expires_at,
        "accepted_at": invitation.accepted_at,
        "invited_by": invitation.invited_by_name,
    }
