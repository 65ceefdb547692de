"""A conversation with an SMTP server that has an end, whatever the server does, and whose words hold no password."""

from __future__ import annotations

import re
import smtplib
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, socket
from threading import Lock, Timer
from typing import Any, Final

_HIDDEN: Final = "***"
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{4,}={0,2}")
_ALIGNMENTS: Final = 4
"""Where the base64 of something may begin in a longer run of its letters: each four stand for three bytes."""


class Watchdog:
    """Ends a connection at a deadline. A timeout alone does not: it is for each read, and begins anew with each byte.

    It holds the connection by a descriptor of its own: so it does not matter who reads, nor whether TLS is beginning.
    """

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._overdue = False
        self._connection: socket | None = None
        self._lock = Lock()

    def hold(self, connection: socket) -> None:
        """Watch this connection instead of the one before."""
        self.release()
        with self._lock:
            self._connection = connection.dup()
        if self._overdue:  # connecting alone took too long
            self._end()

    def release(self) -> None:
        """Watch nothing any more; who does not, keeps the connection open."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """End the connection unless the block is over in time.

        Raises:
            TimeoutError: it was ended, and that broke the block, whatever smtplib made of half an answer.
        """
        self._overdue = False
        timer = Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (smtplib.SMTPException, OSError):
            if self._overdue:
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            timer.join()

    def _end(self) -> None:
        self._overdue = True
        with self._lock, suppress(OSError):
            if self._connection is not None:
                self._connection.shutdown(SHUT_RDWR)


class Conversation(smtplib.SMTP):
    """A conversation whose connection a watchdog holds from its first moment."""

    def __init__(self, watchdog: Watchdog, **where: Any) -> None:
        """Connect; ``where`` and errors are those of :class:`smtplib.SMTP`."""
        self._watchdog = watchdog
        super().__init__(**where)

    def _get_socket(self, *where: Any) -> socket:
        """Connect, and have it watched, before the greeting and the handshake of TLS are waited for."""
        made: socket = super()._get_socket(*where)  # type: ignore[misc]  # what smtplib itself overrides for TLS
        self._watchdog.hold(made)
        return made

    def close(self) -> None:
        """Close the connection, which the watchdog would keep open."""
        super().close()
        self._watchdog.release()


class TlsConversation(smtplib.SMTP_SSL, Conversation):
    """The same, with TLS from the beginning."""

    def __init__(self, watchdog: Watchdog, **where: Any) -> None:
        """Connect; ``where`` and errors are those of :class:`smtplib.SMTP_SSL`."""
        self._watchdog = watchdog
        smtplib.SMTP_SSL.__init__(self, **where)


def without_login(text: str, user: str | None, password: str | None) -> str:
    """Return what a server said without the user and the password that signed in, clear or in base64.

    A server may repeat the line that it refuses, which holds both: as base64 of several shapes (RFC 4616 and others).
    Whatever run of base64 has one of them in it, at whatever place, is hidden as a whole.
    """
    if not user or not password:
        return text
    secrets = (user.encode(), password.encode())

    def hide(run: re.Match[str]) -> str:
        return _HIDDEN if any(secret in part for part in _decoded(run[0]) for secret in secrets) else run[0]

    text = _clear(password).sub(_HIDDEN, text)
    for each in (password, user, f"\0{user}\0{password}", f"{user}\0{user}\0{password}"):
        encoded = b64encode(each.encode()).decode()
        text = re.sub(re.escape(encoded), _HIDDEN, text, flags=re.IGNORECASE)  # as shouted, it cannot be decoded
    return re.sub(rf"(?<!\w){_clear(user).pattern}(?!\w)", _HIDDEN, _BASE64.sub(hide, text), flags=re.IGNORECASE)


def _clear(secret: str) -> re.Pattern[str]:
    """Return what finds a secret in whatever case, and with other spaces."""
    return re.compile(r"\s+".join(map(re.escape, re.split(r"\s+", secret))), re.IGNORECASE)


def _decoded(run: str) -> Iterator[bytes]:
    """Yield what a run of base64 may stand for, by where it begins."""
    letters = run.rstrip("=").replace("-", "+").replace("_", "/")
    for start in range(min(_ALIGNMENTS, len(letters))):
        part = letters[start:]
        part = part[:-1] if len(part) % 4 == 1 else part  # one letter alone is no byte
        with suppress(NoBase64):
            yield b64decode(part + "=" * (-len(part) % 4))
