"""``spothive tenant``, ``user``, ``session``, ``apikey`` and what else is about people and how they sign in."""

from spothive.cli.identity.api_keys import api_key_commands
from spothive.cli.identity.invitations import invite_commands  # and, with it, what passwords.py adds to ``user``
from spothive.cli.identity.people import user_commands
from spothive.cli.identity.second_factor import totp_commands
from spothive.cli.identity.sessions import session_commands
from spothive.cli.identity.tenants import tenant_commands

user_commands.add_typer(totp_commands, name="totp", help="Set up or turn off a second factor.")

__all__ = ["api_key_commands", "invite_commands", "session_commands", "tenant_commands", "user_commands"]
