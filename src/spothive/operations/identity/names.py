"""User names and e-mail addresses as they are stored and compared: lower-case ASCII."""

from __future__ import annotations

import string

from spothive.errors import InvalidInput

_BLANKS = " \t\r\n"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def normal_name(text: str) -> str:
    """Return a user name or e-mail address without blanks around it and in lower case.

    ASCII letters alone: ``str.lower()`` makes a plain ``k`` of the Kelvin sign, so that a look-alike would become the
    name it looks like. Whatever else is no ASCII stays as it is, and the database knows no such name.
    """
    return text.strip(_BLANKS).translate(_LOWER)


def require_username(username: str) -> None:
    """Refuse a user name that could be somebody's e-mail address: people sign in by either.

    Raises:
        InvalidInput: it holds an @.
    """
    if "@" in username:
        msg = f"{username[:80]!r} is no user name: it holds an @, as e-mail addresses do"
        raise InvalidInput(msg)


def require_email(email: str) -> None:
    """Refuse what has not the form of an e-mail address.

    Raises:
        InvalidInput: it has no name, no host, more than one @ or a blank.
    """
    name, at, host = email.partition("@")
    if not (name and at and host) or "@" in host or any(c.isspace() for c in email):
        msg = f"{email[:80]!r} is no e-mail address: it needs a name, one @ and a host"
        raise InvalidInput(msg)
