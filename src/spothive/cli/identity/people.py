"""``spothive user``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.asking import new_password
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
    password_hash = hash_password(password.text)
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
    call.out.json(_user_facts(user) | {"password": password.to_show})
    call.out.line(f"made user {user.username}, {user.role}")
    if password.to_show:
        call.out.line(f"password, shown this once: {password.to_show}")


@command(user_commands, "list")
def list_users(call: Call) -> None:
    """List the users of the tenant."""
    from spothive.operations import identity

    with call.reading() as session:
        rows = [_user_facts(user) for user in identity.list_users(session)]
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
    call.out.json(_user_facts(user))
    call.out.line(f"user {user.username} is {'active' if user.is_active else 'disabled'}")


@command(user_commands, "passwd")
def set_password(call: Call, username: Username, password_stdin: PasswordStdin = False) -> None:
    """Set a user's password.

    It is asked for at a terminal; elsewhere a random one is printed, this one time.
    """
    from spothive.database.passwords import hash_password
    from spothive.operations import identity

    actor = call.actor  # found before anybody is asked for a password
    password = new_password(from_stdin=password_stdin)
    password_hash = hash_password(password.text)
    with call.writing() as session:
        user = identity.set_password(session, actor, username=username, password_hash=password_hash)
    call.out.json(_user_facts(user) | {"password": password.to_show})
    call.out.line(f"new password for {user.username}")
    if password.to_show:
        call.out.line(f"shown this once: {password.to_show}")


def _user_facts(user: User) -> dict[str, Any]:
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
