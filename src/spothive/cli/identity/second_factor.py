"""``spothive user totp``."""

from __future__ import annotations

from typing import Annotated

import typer

from spothive.cli.asking import shown_secret
from spothive.cli.call import Call, command

totp_commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@command(totp_commands, "enable")
def enable_totp(call: Call) -> None:
    """Begin to set up an authenticator app for yourself.

    The secret is shown this one time. Nothing asks for codes before `user totp confirm`.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import identity

    actor, keyring = call.actor, runtime.keyring()
    with get_db_session(tenant=actor.home_tenant_id) as session:
        setup = identity.begin_totp(session, actor, keyring)
    call.out.json({"username": actor.username, "secret": setup.secret, "uri": setup.uri})
    call.out.line(f"secret, shown this once: {setup.secret}")
    call.out.line(f"the same for a QR code: {setup.uri}")
    call.out.line(f"next: spothive user totp confirm --as {actor.username}")


@command(totp_commands, "confirm")
def confirm_totp(call: Call) -> None:
    """Turn your second factor on, with a code of the app.

    The code is asked for; without a terminal it is the first line of standard input. Prints the backup codes.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import identity

    actor, keyring = call.actor, runtime.keyring()
    code = shown_secret("code")
    with get_db_session(tenant=actor.home_tenant_id) as session:
        codes = identity.confirm_totp(session, actor, code=code, keyring=keyring)
    call.out.json({"username": actor.username, "backup_codes": codes})
    call.out.line(f"{actor.username} signs in with a code from now on")
    _show(call, codes)


@command(totp_commands, "disable")
def disable_totp(
    call: Call,
    username: Annotated[
        str | None, typer.Argument(metavar="USERNAME", help="Who lost app and backup codes; yourself if left out.")
    ] = None,
) -> None:
    """Turn a second factor off.

    One's own takes a code, asked for or on standard input; somebody else's takes staff of platform.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import identity

    actor = call.actor
    if username is None:
        identity.disable_totp(get_db_session, actor, code=shown_secret("code"), keys=runtime.keyring)
    else:
        with call.writing() as session:
            username = identity.remove_totp(session, actor, username=username).username
    call.out.json({"username": username or actor.username, "totp_enabled": False})
    call.out.line(f"{username or actor.username} signs in without a code from now on")


@command(totp_commands, "codes")
def renew_backup_codes(call: Call) -> None:
    """Replace your backup codes by new ones.

    It takes a code, asked for or on standard input.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import identity

    actor = call.actor
    codes = identity.new_backup_codes(get_db_session, actor, code=shown_secret("code"), keys=runtime.keyring)
    call.out.json({"username": actor.username, "backup_codes": codes})
    _show(call, codes)


def _show(call: Call, codes: list[str]) -> None:
    call.out.line("backup codes, shown this once; each works once, where the app is lost:")
    for code in codes:
        call.out.line(f"  {code[:4]}-{code[4:8]}-{code[8:]}")
