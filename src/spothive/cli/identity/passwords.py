"""The commands of ``spothive user`` that are about passwords, and the one by which somebody comes with a first one."""

from __future__ import annotations

from typing import Annotated

import typer

from spothive.cli.asking import chosen_password, new_password, shown_token
from spothive.cli.call import Call, command, named
from spothive.cli.identity.people import PasswordStdin, Username, user_commands, user_facts

TokenStdin = Annotated[bool, typer.Option("--token-stdin", help="Read the token from standard input, its first line.")]
NextStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, behind the token.")
]


@command(user_commands, "register")
def register_client(
    call: Call,
    username: Username,
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="E-mail address, used by nobody else.")],
    slug: Annotated[str, typer.Option(metavar="SLUG", help="Short name of the new tenant: a-z, 0-9 and hyphens.")],
    tenant_name: Annotated[str, typer.Option(metavar="NAME", help="Name of the new tenant, for people.")],
    full_name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the user, for people.")] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Make a new tenant and its first user, a client.

    Takes no --as: it is for somebody who has no user yet. The password is asked for at a terminal.
    """
    from spothive.database import get_db_session
    from spothive.operations import identity

    via = call.via  # a schema too old is told before anybody is asked for a password
    named(tenant_name, "--tenant-name")
    client = identity.register_client(
        get_db_session,
        tenant_name=tenant_name,
        slug=slug,
        username=username,
        email=email,
        full_name=full_name,
        password=chosen_password(from_stdin=password_stdin),
        via=via,
    )
    call.out.json(
        {"tenant": slug, "tenant_id": client.home_tenant_id, "username": client.username, "role": client.role}
    )
    call.out.line(f"made tenant {slug} and its user {client.username}, {client.role}")
    call.out.line(f"next: spothive account begin NAME --tenant {slug} --as {client.username}")


@command(user_commands, "passwd")
def set_password(call: Call, username: Username, password_stdin: PasswordStdin = False) -> None:
    """Set a user's password; the user's sessions end.

    It is asked for at a terminal; elsewhere a random one is printed, this one time.
    """
    from spothive.database.passwords import hash_password
    from spothive.operations import identity

    actor = call.actor
    with call.reading() as session:  # found before anybody is asked for a password
        user = identity.find_user(session, username)
    password = new_password(from_stdin=password_stdin)
    password_hash = hash_password(password.text, user.username, user.email)
    with call.writing() as session:
        user = identity.set_password(session, actor, username=username, password_hash=password_hash)
    call.out.json(user_facts(user) | {"password": password.to_show})
    call.out.line(f"new password for {user.username}")
    if password.to_show:
        call.out.line(f"shown this once: {password.to_show}")


@command(user_commands, "reset-link")
def make_reset_token(call: Call, username: Username) -> None:
    """Print a token with which a user chooses a new password.

    It works once, for an hour, and replaces those made before. Hand it to the user and to nobody else.
    """
    from spothive.operations import identity

    with call.writing() as session:
        token = identity.make_reset_token(session, call.actor, username=username)
    call.out.json({"username": username, "token": token})
    call.out.line(f"token for {username}, good once and for an hour, shown this once: {token}")
    call.out.line("next, by the user: spothive user reset")


@command(user_commands, "reset")
def reset_password(call: Call, token_stdin: TokenStdin = False, password_stdin: NextStdin = False) -> None:
    """Choose a new password with a token.

    Takes no --as: the token says whose. Token and password are asked for at a terminal. All the user's sessions end.
    """
    from spothive.database import get_db_session
    from spothive.operations import identity

    via = call.via  # a schema too old is told before anybody is asked for anything
    token = shown_token(from_stdin=token_stdin)
    password = chosen_password(from_stdin=password_stdin)
    identity.reset_password(get_db_session, token=token, password=password, via=via)
    call.out.json({"changed": True})
    call.out.line("the password is changed: sign in with the new one")
