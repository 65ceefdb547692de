"""Servers that talk for ever, repeat what signs in, or hang up: none is waited for, quoted, or a mail's own fault."""

from __future__ import annotations

import socket
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from threading import Event, Thread, active_count
from typing import Any

import pytest
from pydantic import SecretStr

from spothive.gateways.mail import Mail, MailDeferred, MailServerUnusable, SmtpMailer, SmtpOptions
from spothive.gateways.smtp_conversation import without_login
from tests.factories.mail_server import HOST, mail_server

USER, PASSWORD = "postmaster", "hunter2 correct/horse+"
MAIL = Mail(
    "anna@acme.io", "It failed", "AWS refused it.\n", "<mail.1@spothive.invalid>", datetime(2026, 3, 4, tzinfo=UTC)
)

Script = Callable[[socket.socket, Event], None]


@contextmanager
def server(script: Script) -> Iterator[int]:
    """Run a script for whoever connects; give the port."""
    over = Event()

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError), listening.accept()[0] as connection:
                script(connection, over)

    with socket.create_server((HOST, 0)) as listening:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        over.set()
        with suppress(OSError):
            socket.create_connection((HOST, listening.getsockname()[1])).close()
        thread.join(5)


def drip(connection: socket.socket, over: Event, piece: bytes) -> None:
    while not over.wait(0.02):
        connection.sendall(piece)


def greets_for_ever(connection: socket.socket, over: Event) -> None:
    drip(connection, over, b"220-x\r\n")


def greets_letter_by_letter(connection: socket.socket, over: Event) -> None:
    drip(connection, over, b"2")


def names_extensions_for_ever(connection: socket.socket, over: Event) -> None:
    connection.sendall(b"220 hi\r\n")
    drip(connection, over, b"250-x\r\n")


def begins_tls_for_ever(connection: socket.socket, over: Event) -> None:
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # a ServerHello of 16 kB, which never comes
    drip(connection, over, b"\x00")


def takes_the_recipient_for_ever(connection: socket.socket, over: Event) -> None:
    connection.sendall(b"220 hi\r\n")
    for line in connection.makefile("rb"):
        if line.startswith(b"rcpt"):
            drip(connection, over, b"250-x\r\n")
        connection.sendall(b"250 ok\r\n")


@contextmanager
def mailer(port: int, **options: Any) -> Iterator[SmtpMailer]:
    facts: dict[str, Any] = {"port": port, "security": "none", "timeout": 60} | options
    with closing(SmtpMailer(SmtpOptions(HOST, "spothive@acme.io", **facts))) as made:
        yield made


@pytest.mark.parametrize(
    ("script", "security", "kind"),
    [
        (greets_for_ever, "none", MailServerUnusable),
        (greets_letter_by_letter, "none", MailServerUnusable),
        (names_extensions_for_ever, "starttls", MailServerUnusable),
        (names_extensions_for_ever, "none", MailServerUnusable),
        (begins_tls_for_ever, "tls", MailServerUnusable),
        (takes_the_recipient_for_ever, "none", MailDeferred),
    ],
)
def test_who_talks_for_ever_is_not_listened_to_for_ever(script: Script, security: str, kind: type[Exception]) -> None:
    threads, began = active_count(), time.monotonic()
    with server(script) as port, mailer(port, timeout=0.1, security=security) as post:
        with pytest.raises(kind, match="it did not answer in time"):
            post.send(MAIL)
        assert time.monotonic() - began < 60, "eight answers of 0.1 s, on the busiest of machines"
    assert active_count() <= threads


@pytest.mark.parametrize("at", ["to_sender", "to_recipient", "to_data"])
def test_a_server_that_hangs_up_takes_no_mail_at_all(at: str) -> None:
    said = "421 4.7.0 come back later"
    answer: Any = said if at == "to_sender" else {"anna@acme.io": said}
    with mail_server(**{at: answer}) as smtp, mailer(smtp.port) as post:
        for _ in range(2):
            with pytest.raises(MailServerUnusable, match=f"{HOST} takes no mails: {said}$"):
                post.send(MAIL)
        assert smtp.connections == 2, "it was believed"
        setattr(smtp, at, "250 OK" if at == "to_sender" else {})
        post.send(MAIL)
    assert smtp.recipients == ["anna@acme.io"]


def repeats(connection: socket.socket, _: Event) -> None:
    """Answer to AUTH with what was said, as it came and decoded."""
    connection.sendall(b"220 hi\r\n")
    for line in connection.makefile("rb"):
        if line.startswith(b"ehlo"):
            connection.sendall(b"250-x\r\n250 AUTH PLAIN\r\n")
        elif line.startswith(b"AUTH"):
            clear = b64decode(line.split()[2]).replace(b"\0", b":")
            connection.sendall(b"535 5.7.8 no: " + line.strip() + b" " + clear + b" " + line.strip().upper() + b"\r\n")
        else:
            connection.sendall(b"250 ok\r\n")


def test_what_signs_in_is_not_repeated_after_a_server_that_repeats_it() -> None:
    with (
        server(repeats) as port,
        mailer(port, user=USER, password=SecretStr(PASSWORD)) as post,
        pytest.raises(MailServerUnusable, match=r"refuses SPOTHIVE_SMTP_USER with its password: 5\.7\.8 no") as no,
    ):
        post.send(MAIL)
    assert_hidden(str(no.value))


def assert_hidden(said: str) -> None:
    for secret in (USER, PASSWORD, "hunter2", *map(encoded, (PASSWORD, USER, f"\0{USER}\0{PASSWORD}"))):
        assert secret.lower() not in said.lower()


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "said",
    [
        f"AUTH PLAIN {encoded(f'{chr(0)}{USER}{chr(0)}{PASSWORD}')}",
        f"got:xyz{encoded(f'someone{chr(0)}{USER}{chr(0)}{PASSWORD}')}",
        encoded(PASSWORD),
        encoded(USER).rstrip("="),
        encoded(PASSWORD).upper(),
        f"{USER}/{PASSWORD.upper()}",
        PASSWORD.replace(" ", "\r\n  "),
        f"<{USER}> {encoded(f'{USER} 0123456789abcdef')}",
    ],
)
def test_whatever_holds_what_signs_in_is_hidden(said: str) -> None:
    told = without_login(f"before {said} after", USER, PASSWORD)
    assert_hidden(told)
    assert encoded(f"{USER} 01234567")[:10] not in told
    assert (told.startswith("before "), told.endswith(" after")) == (True, True)
    assert "***" in told


@pytest.mark.parametrize("said", ["450 4.2.1 mailbox busy, try again in 5 minutes", "must trust us", ""])
def test_other_words_stay_as_they_are(said: str) -> None:
    assert without_login(said, USER, PASSWORD) == said
    assert without_login(said, None, None) == said
