"""Questions to whoever sits at the terminal, and what happens where nobody does."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from spothive.cli.output import visible
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from pydantic import SecretStr

LONGEST_LINE = 8192
GENERATED_BYTES = 15


def is_terminal() -> bool:
    """Tell whether somebody can answer."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(what: str, *, yes: bool) -> None:
    """Go on only if ``what``, which says what would happen, is really meant.

    Raises:
        InvalidInput: the answer is no, or nobody can answer and ``--yes`` was not given.
    """
    if yes:
        return
    if not is_terminal():
        msg = f"nothing was changed: {what}. Nobody can be asked here: say --yes if that is meant"
        raise InvalidInput(msg)
    if not typer.confirm(f"{visible(what)}. Go on?", err=True):
        msg = "not confirmed, nothing was changed"
        raise InvalidInput(msg)


@dataclass(frozen=True, slots=True, repr=False)
class Password:
    """A new password. ``generated`` means that nobody was there to choose one, so it must be shown."""

    text: str
    generated: bool = False

    @property
    def to_show(self) -> str | None:
        """The password if it was generated; whoever chose one knows it."""
        return self.text if self.generated else None


def new_password(*, from_stdin: bool) -> Password:
    """Return a new password: from standard input, asked twice at a terminal, else a random one.

    Raises:
        InvalidInput: standard input is empty or no UTF-8.
    """
    if from_stdin or is_terminal():
        return Password(chosen_password(from_stdin=from_stdin))
    import secrets

    return Password(secrets.token_urlsafe(GENERATED_BYTES), generated=True)


def chosen_password(*, from_stdin: bool) -> str:
    """Return the password somebody chooses: from standard input, or asked twice at a terminal.

    Raises:
        InvalidInput: nobody can be asked, or standard input is empty or no UTF-8.
    """
    if from_stdin:
        return _first_line()
    if not is_terminal():
        msg = "nobody can be asked for a password here: say --password-stdin and send it there"
        raise InvalidInput(msg)
    return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))


def shown_token(*, from_stdin: bool) -> str:
    """Return the token somebody was given: the next line of standard input, or asked for at a terminal, unseen.

    Raises:
        InvalidInput: nobody can be asked, or standard input is empty or no UTF-8.
    """
    if from_stdin:
        return _first_line("token").strip()
    if not is_terminal():
        msg = "nobody can be asked for the token here: say --token-stdin and send it there"
        raise InvalidInput(msg)
    return shown_secret("Token")


def ask_secret(what: str, given: SecretStr | None, variable: str) -> str:
    """Return a secret from the environment, as ``given`` by the settings, or asked for at the terminal, unseen.

    Raises:
        InvalidInput: there is neither.
    """
    if given is not None:
        return given.get_secret_value().strip()
    if not is_terminal():
        msg = f"set {variable}: nobody can be asked here, and a command line is read by every process"
        raise InvalidInput(msg)
    return str(typer.prompt(what, hide_input=True, err=True)).strip()


def shown_secret(what: str, *, instead: str | None = None) -> str:
    """Return a secret that somebody has: asked for at a terminal, unseen, else the first line of standard input.

    ``instead`` is how it may be given otherwise.

    Raises:
        InvalidInput: standard input is empty or no UTF-8.
    """
    if is_terminal():
        return str(typer.prompt(what, hide_input=True, err=True)).strip()
    return _first_line(what, instead).strip()


def _first_line(what: str = "password", instead: str | None = None) -> str:
    line = sys.stdin.buffer.readline(LONGEST_LINE)
    try:
        password = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        msg = "standard input is no UTF-8 text"
        raise InvalidInput(msg) from None
    if not password:
        msg = f"standard input holds no {what}" + (f": give it there, or by {instead}" if instead else "")
        raise InvalidInput(msg)
    return password
