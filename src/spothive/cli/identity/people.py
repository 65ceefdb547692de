"""``spothive user``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.asking import confirm, new_password
from spothive.cli.call import Call, command
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.models import User

user_commands = typer.Typer(rich_markup_mode=None)

USER_COLUMNS = (
    Column("user", "username"),
    Column("role", "role"),
    Column("active", "is_active"),
    Column("e-mail", "email", fold=True),
    Column("full name", "full_name", fold=True, optional=True),
    Column("last log-in", "last_login", optional=True),
)

# The roles of the model, spelled out: the model's module would cost `spothive --help` half a second.
RoleName = Literal["user", "lab", "client", "admin", "super_admin"]
Username = Annotated[str, typer.Argument(metavar="USERNAME", help="Name the user signs in with.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@command(user_commands, "create")
def create_user(
    call: Call,
    username: Username,
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="E-mail address, used by nobody else.")],
    role: Annotated[RoleName, typer.Option(help="What the user may do.")],
    full_name: Annotated[str | None, typer.Option(metavar="NAME", help="Name for people.")] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Make a user of the tenant.

    The user must change the password at the first log-in. It is asked for at a terminal; elsewhere a random one is
    printed, this one time.
    """
    from spothive.database.passwords import hash_password
    from spothive.models import Role
    from spothive.operations import identity

    actor = call.actor  # found before anybody is asked for a password
    password = new_password(from_stdin=password_stdin)
    password_hash = hash_password(password.text, username, email)
    with call.writing() as session:
        user = identity.create_user(
            session,
            actor,
            username=username,
            email=email,
            role=Role(role),
            full_name=full_name,
            password_hash=password_hash,
        )
    call.out.json(user_facts(user) | {"password": password.to_show})
    call.out.line(f"made user {user.username}, {user.role}")
    if password.to_show:
        call.out.line(f"password, shown this once: {password.to_show}")


@command(user_commands, "list")
def list_users(call: Call) -> None:
    """List the users of the tenant."""
    from spothive.operations import identity

    with call.reading() as session:
        rows = [user_facts(user) for user in identity.list_users(session)]
    call.out.json(rows)
    call.out.table(rows, USER_COLUMNS, empty="no users yet: spothive user create --help")


@command(user_commands, "disable")
def disable_user(call: Call, username: Username) -> None:
    """Shut a user out; nothing of what the user did is lost."""
    _set_user_active(call, username, active=False)


@command(user_commands, "enable")
def enable_user(call: Call, username: Username) -> None:
    """Let a disabled user in again."""
    _set_user_active(call, username, active=True)


def _set_user_active(call: Call, username: str, *, active: bool) -> None:
    from spothive.operations import identity

    with call.writing() as session:
        user = identity.set_user_active(session, call.actor, username=username, active=active)
    call.out.json(user_facts(user))
    call.out.line(f"user {user.username} is {'active' if user.is_active else 'disabled'}")


@command(user_commands, "show")
def show_user(call: Call, username: Username) -> None:
    """Show a user, and the AWS accounts the user answers for."""
    from spothive.operations import identity

    with call.reading() as session:
        user = identity.find_user(session, username)
        facts = user_facts(user) | {
            "failed_logins": user.failed_logins,
            "locked_until": user.locked_until,
            "totp_enabled": user.totp_enabled,
            "accounts": [account.account_name for account in identity.accounts_of(session, user)],
        }
    call.out.json(facts)
    call.out.facts(facts | {"accounts": ", ".join(facts["accounts"])})


@command(user_commands, "role")
def set_role(
    call: Call,
    username: Username,
    role: Annotated[RoleName, typer.Argument(metavar="ROLE", help="What the user may do from now on.")],
) -> None:
    """Change what a user may do.

    The user's sessions end. Only a super_admin makes or unmakes admins; nobody raises the own role.
    """
    from spothive.models import Role
    from spothive.operations import identity

    with call.writing() as session:
        user = identity.set_role(session, call.actor, username=username, role=Role(role))
    call.out.json(user_facts(user))
    call.out.line(f"user {user.username} is {user.role}")


@command(user_commands, "transfer")
def transfer_accounts(
    call: Call,
    from_user: Annotated[str, typer.Argument(metavar="FROM", help="User who answers for the accounts now.")],
    to_user: Annotated[str, typer.Argument(metavar="TO", help="User who will.")],
    account: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this account; may be repeated [default: all].")
    ] = None,
) -> None:
    """Hand AWS accounts over to another user."""
    from spothive.operations import identity

    with call.writing() as session:
        names = identity.transfer_accounts(session, call.actor, from_user=from_user, to_user=to_user, accounts=account)
    call.out.json({"from": from_user, "to": to_user, "accounts": names})
    handed = f"{to_user} answers for {', '.join(names)} now"
    call.out.line(handed if names else f"{from_user} answers for no accounts: nothing was changed")


@command(user_commands, "delete")
def delete_user(
    call: Call,
    username: Username,
    with_accounts: Annotated[
        bool, typer.Option("--with-accounts", help="Lose the user's AWS accounts too, with all that is known of them.")
    ] = False,
    leave_asleep: Annotated[bool, typer.Option("--leave-asleep", help="Also if clusters of them sleep.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a user with all that is the user's own.

    To shut somebody out, disable the user: that keeps everything. Accounts can be handed over first (transfer).
    """
    from spothive.operations import identity

    actor = call.actor
    lost = " and the accounts the user answers for" if with_accounts else ""
    confirm(f"user {username} will be deleted, with sessions, API keys, templates{lost}", yes=yes)
    with call.writing() as session:
        names = identity.delete_user(
            session, actor, username=username, with_accounts=with_accounts, leave_asleep=leave_asleep
        )
    call.out.json({"username": username, "accounts": names})
    call.out.line(f"user {username} is gone" + (f", and {', '.join(names)}" if names else ""))


def user_facts(user: User) -> dict[str, Any]:
    """Return what is told of a user: nothing secret."""
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "full_name": user.full_name,
        "role": user.role,
        "is_active": user.is_active,
        "must_change_password": user.must_change_password,
        "last_login": user.last_login,
        "created_at": user.created_at,
    }
