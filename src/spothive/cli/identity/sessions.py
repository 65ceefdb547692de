"""``spothive session``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from spothive.cli.asking import is_terminal, new_password, shown_secret
from spothive.cli.call import Call, command
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.models import LoginHistory, SessionLog
    from spothive.operations.identity import SignedIn

session_commands = typer.Typer(rich_markup_mode=None)

USER_AGENT = "spothive-cli"

SESSION_COLUMNS = (
    Column("id", "id", whole=True),
    Column("last used", "last_active_at"),
    Column("ends", "expires_at"),
    Column("device", "device_type"),
    Column("browser", "browser", optional=True),
    Column("from", "ip_address", optional=True),
    Column("since", "created_at", optional=True),
)
LOG_IN_COLUMNS = (
    Column("when", "timestamp"),
    Column("name", "login_name", fold=True),
    Column("in", "success"),
    Column("why not", "failure_reason", fold=True),
    Column("by", "login_method"),
    Column("from", "ip_address", optional=True),
    Column("with", "user_agent", fold=True, optional=True),
)

Whose = Annotated[str | None, typer.Argument(metavar="USERNAME", help="Whose; the acting user's own if left out.")]
AnyUser = Annotated[str | None, typer.Argument(metavar="USERNAME", help="Whose; everybody's if left out.")]
Which = Annotated[UUID | None, typer.Argument(metavar="ID", help="Which, as `session list` shows it.")]


@command(session_commands, "list")
def list_sessions(call: Call, username: Whose = None) -> None:
    """List the open sessions of a user."""
    from spothive.database import read_session
    from spothive.operations import identity

    tenant_id = call.tenant_id if username else call.actor.home_tenant_id
    with read_session(tenant=tenant_id) as session:
        rows = [_session_facts(row) for row in identity.list_sessions(session, call.actor, username)]
    call.out.json(rows)
    call.out.table(rows, SESSION_COLUMNS, empty="no open sessions")


@command(session_commands, "end")
def end_session(
    call: Call,
    session_id: Which = None,
    every: Annotated[bool, typer.Option("--all", help="End all sessions of the acting user.")] = False,
) -> None:
    """End a session, or all of one's own."""
    from spothive.database import get_db_session
    from spothive.errors import InvalidInput
    from spothive.operations import identity

    actor = call.actor
    if (session_id is None) is not every:
        msg = "say which session is to end: its ID, or --all for all of your own"
        raise InvalidInput(msg)
    if session_id is None:
        with get_db_session(tenant=actor.home_tenant_id) as session:
            ended = identity.end_other_sessions(session, actor)
    else:
        ended = 1
        with call.writing() as session:
            identity.end_session(session, actor, session_id)
    call.out.json({"ended": ended})
    call.out.line(f"ended {ended} session{'' if ended == 1 else 's'}")


@command(session_commands, "start")
def start_session(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="User name or e-mail address to sign in with.")],
) -> None:
    """Sign in as a user would and print the session's token.

    Password and code are asked for, unseen; without a terminal they are the first and the second line of standard
    input. It needs no --as: whoever knows the password is let in.
    """
    from spothive.database.revisions import require_head
    from spothive.errors import SecondFactorNeeded

    require_head()
    if is_terminal():
        password = str(typer.prompt("Password", hide_input=True, err=True))
    else:
        password = new_password(from_stdin=True).text
    try:
        signed_in = _log_in(name, password)
    except SecondFactorNeeded:
        signed_in = _log_in(name, password, shown_secret("code"))
    call.out.json(
        {
            "token": signed_in.token,
            "session_id": signed_in.session_id,
            "username": signed_in.actor.username,
            "expires_at": signed_in.expires_at,
            "must_change_password": signed_in.must_change_password,
        }
    )
    call.out.line(f"signed in as {signed_in.actor.username} until {signed_in.expires_at:%Y-%m-%d %H:%M} UTC at most")
    if signed_in.must_change_password:
        call.out.line("the password has to be changed before anything else")
    call.out.line(f"token, shown this once: {signed_in.token}")


@command(session_commands, "log-ins")
def list_log_ins(
    call: Call,
    username: AnyUser = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
) -> None:
    """List who signed in to the tenant, or tried to.

    Names that nobody has are listed in the tenant platform, by their beginning: people type passwords there.
    """
    from spothive.operations import identity

    with call.reading() as session:
        found = identity.list_log_ins(session, call.actor, username=username, limit=limit)
    rows = [_log_in_facts(row) for row in found]
    call.out.json(rows)
    call.out.table(rows, LOG_IN_COLUMNS, empty="nobody has tried to sign in")


def _log_in(name: str, password: str, code: str | None = None) -> SignedIn:
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import identity

    return identity.log_in(
        get_db_session, name=name, password=password, code=code, keys=runtime.keyring, user_agent=USER_AGENT
    )


def _session_facts(row: SessionLog) -> dict[str, Any]:
    names = ("id", "created_at", "last_active_at", "expires_at", "ip_address", "device_type", "browser", "user_agent")
    return {name: getattr(row, name) for name in names}


def _log_in_facts(row: LoginHistory) -> dict[str, Any]:
    names = ("timestamp", "login_name", "success", "failure_reason", "login_method", "ip_address", "user_agent")
    return {name: getattr(row, name) for name in names}
