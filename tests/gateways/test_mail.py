"""Mails at a real SMTP server: what it takes, refuses and puts off, how it is trusted, and what no text can do."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from spothive.blocks import database_block
from spothive.errors import ConfigurationError, NetworkInTransaction
from spothive.gateways.mail import (
    ConsoleMailer,
    Mail,
    MailDeferred,
    MailRefused,
    MailServerUnusable,
    SmtpMailer,
    SmtpOptions,
    compose,
)
from tests.factories.mail_server import HOST, Certificates, MailServer, mail_server, make_certificates, text_of

SENDER = "spothive@acme.io"
ID = "<mail.1@spothive.invalid>"
AT = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)
PASSWORD = "correct horse battery"


def a_mail(recipient: str = "anna@acme.io", subject: str = "It failed", text: str = "AWS refused it.\n") -> Mail:
    return Mail(recipient, subject, text, ID, AT)


@contextmanager
def mailer(server: MailServer | int, **options: Any) -> Iterator[SmtpMailer]:
    port = server if isinstance(server, int) else server.port
    facts: dict[str, Any] = {"port": port, "security": "none", "timeout": 60} | options
    with closing(SmtpMailer(SmtpOptions(HOST, SENDER, **facts))) as made:
        yield made


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_mails_are_taken_over_one_connection_and_say_who_made_them() -> None:
    with mail_server() as server, mailer(server) as post:
        for name in ("anna", "lena", "udo"):
            post.send(a_mail(f"{name}@acme.io"))
    assert server.connections == 1
    assert server.recipients == ["anna@acme.io", "lena@acme.io", "udo@acme.io"]
    message = server.received[0]
    assert {name: str(message[name]) for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")} == {
        "From": f"spothive <{SENDER}>",
        "To": "anna@acme.io",
        "Subject": "It failed",
        "Message-ID": ID,
        "Auto-Submitted": "auto-generated",
    }
    assert message["Date"].datetime == AT
    assert message.get_content_type() == "text/plain"
    assert text_of(message) == "AWS refused it.\n"


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Größe überschritten: 東京 🚀", "Ölpreis\n.\n..\nFrom here\n" + "漢字🚀" * 400 + "\n"),
        ("x" * 250, "y" * 5000 + "\n\n\nend\n"),
        ("", ".\n"),
    ],
)
def test_any_text_arrives_as_it_was(subject: str, text: str) -> None:
    with mail_server() as server, mailer(server) as post:
        post.send(a_mail(subject=subject, text=text))
    (message,) = server.received
    assert str(message["Subject"]) == (subject[:200] or "spothive")
    assert text_of(message) == text


@pytest.mark.parametrize(
    "evil",
    [
        "hello\r\nBcc: eve@evil.io",
        "hello\nTo: eve@evil.io\n\nanother body",
        "hello\r\n\r\n.\r\nMAIL FROM:<eve@evil.io>",
        "hello\x00\x1b[2J\x85\u2028Bcc: eve@evil.io",
        "=?utf-8?q?hello=0D=0ABcc:_eve@evil.io?=",
    ],
)
def test_no_subject_or_text_adds_a_header_or_a_recipient(evil: str) -> None:
    with mail_server() as server, mailer(server) as post:
        post.send(a_mail(subject=evil, text=evil))
        post.send(a_mail(subject=evil[:15] + "\ud800", text="half a pair \ud800\n"))
    assert server.recipients == ["anna@acme.io"] * 2
    for message in server.received:
        assert message["Bcc"] is None
        assert message.get_all("To") == ["anna@acme.io"]
        assert len(message.get_all("From") or []) == 1
        text = f"{message['Subject']}{text_of(message)}"
        assert not [char for char in text if ord(char) < 32 and char != "\n"]


@pytest.mark.parametrize(
    "address",
    [
        "anna@acme.io\r\nBcc: eve@evil.io",
        "anna@acme.io, eve@evil.io",
        "anna@acme.io> <eve@evil.io",
        '"anna eve"@acme.io',
        "änna@acme.io",
        "anna",
        "@",
        "",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_sent(address: str) -> None:
    with mail_server() as server, mailer(server) as post:
        with pytest.raises(MailRefused, match="is no address that a mail can go to"):
            post.send(a_mail(address))
        with pytest.raises(MailRefused):
            compose(a_mail(), address)
        with pytest.raises(MailRefused):
            compose(Mail("anna@acme.io", "s", "t", f"<{address}>", AT), SENDER)
    assert server.connections == 0


def test_a_refusal_is_for_good_and_concerns_one_mail() -> None:
    answers = {"anna@acme.io": "550 no such user", "lena@acme.io": "450 mailbox busy"}
    with mail_server(to_recipient=answers, to_data={"udo@acme.io": "554 looks like spam"}) as server:
        server.to_data["gina@acme.io"] = "451 disk full"
        with mailer(server) as post:
            for name, kind, words in (
                ("anna", MailRefused, "the server refuses it: 550 no such user"),
                ("lena", MailDeferred, "the server does not take it now: 450 mailbox busy"),
                ("udo", MailRefused, "the server refuses it: 554 looks like spam"),
                ("gina", MailDeferred, "the server does not take it now: 451 disk full"),
            ):
                with pytest.raises(kind) as refused:
                    post.send(a_mail(f"{name}@acme.io"))
                assert str(refused.value) == words
                assert not getattr(refused.value, "lost", False)
            post.send(a_mail("root@acme.io"))
    assert (server.recipients, server.connections) == (["root@acme.io"], 1)


def test_a_sender_that_is_refused_concerns_every_mail_but_not_if_one_is_too_large() -> None:
    with mail_server(to_sender="553 not yours") as server, mailer(server) as post:
        with pytest.raises(MailServerUnusable, match=rf"SPOTHIVE_MAIL_FROM \({SENDER}\): 553 not yours"):
            post.send(a_mail())
        server.to_sender = "552 too large"
        with pytest.raises(MailRefused, match="552 too large"):
            post.send(a_mail())


def test_a_server_that_is_away_or_closed_concerns_every_mail() -> None:
    closed = f"{HOST} takes no mails: 421 not now"
    with mail_server(greets=False) as server, mailer(server) as post, pytest.raises(MailServerUnusable, match=closed):
        post.send(a_mail())
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))  # bound and not listening: whoever connects is refused
        with mailer(nobody.getsockname()[1]) as post, pytest.raises(MailServerUnusable, match="refused"):
            post.send(a_mail())
    with (
        socket.create_server((HOST, 0)) as mute,
        mailer(mute.getsockname()[1], timeout=0.1) as post,
        pytest.raises(MailServerUnusable, match="timed out"),
    ):
        post.send(a_mail())


def test_a_connection_that_is_lost_over_a_mail_is_made_anew_for_the_next() -> None:
    with mail_server(drops={"anna@acme.io": True, "lena@acme.io": False}) as server, mailer(server) as post:
        for name in ("anna", "lena"):
            with pytest.raises(MailDeferred, match=f"the connection to {HOST} was lost over it") as lost:
                post.send(a_mail(f"{name}@acme.io"))
            assert lost.value.lost
        post.send(a_mail("udo@acme.io"))
    assert server.recipients == ["anna@acme.io", "udo@acme.io"], "it had taken the first: nobody could know"
    assert server.connections == 3


def test_a_server_that_falls_silent_is_not_waited_for() -> None:
    with mail_server(silent={"anna@acme.io"}) as server, mailer(server, timeout=2) as post:
        with pytest.raises(MailDeferred, match="timed out") as lost:
            post.send(a_mail())
        assert lost.value.lost
        post.send(a_mail("udo@acme.io"))
    assert server.recipients == ["udo@acme.io"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_must_be_for_the_host_and_of_an_authority_that_is_trusted(
    certificates: Certificates, security: str
) -> None:
    implicit = security == "tls"
    trusting = {"security": security, "ca_file": certificates.authority}
    signed_in = {"user": "us", "password": SecretStr(PASSWORD)}
    with mail_server(tls=certificates.server, implicit=implicit, logins={"us": PASSWORD}) as server:
        with mailer(server, **trusting, **signed_in) as post:
            post.send(a_mail())
        with mailer(server, security=security) as post, pytest.raises(MailServerUnusable, match="is not trusted"):
            post.send(a_mail())
    assert (server.recipients, server.signed_in) == (["anna@acme.io"], ["us"])
    for context, why in ((certificates.other, "IP address mismatch"), (certificates.stranger, "self-signed")):
        with (
            mail_server(tls=context, implicit=implicit, logins={"us": PASSWORD}) as server,
            mailer(server, **trusting, **signed_in) as post,
            pytest.raises(MailServerUnusable, match=why),
        ):
            post.send(a_mail())
        assert (server.received, server.signed_in) == ([], []), "no password is sent to whoever it is"


def test_a_server_without_starttls_gets_nothing(certificates: Certificates) -> None:
    with mail_server(logins={"us": PASSWORD}) as server:
        options = {"security": "starttls", "user": "us", "password": SecretStr(PASSWORD)}
        with mailer(server, **options) as post, pytest.raises(MailServerUnusable, match="does not offer STARTTLS"):
            post.send(a_mail())
    assert (server.received, server.signed_in) == ([], [])
    with (
        mail_server(tls=certificates.server) as server,
        mailer(server, security="tls", timeout=2) as post,
        pytest.raises(MailServerUnusable),
    ):
        post.send(a_mail())


def test_who_may_not_sign_in_is_told_so_without_the_password(tmp_path: Path) -> None:
    with mail_server(logins={"us": PASSWORD}) as server:
        for password in ("wrong horse", "pässword"):
            options = {"user": "us", "password": SecretStr(password)}
            with mailer(server, **options) as post, pytest.raises(MailServerUnusable) as refused:
                post.send(a_mail())
            assert "SPOTHIVE_SMTP_USER" in str(refused.value)
            assert password not in str(refused.value)
            assert "ä" not in str(refused.value)
            assert refused.value.__cause__ is None
        ca_file = tmp_path / "none.pem"
        with mailer(server, security="starttls", ca_file=ca_file) as post, pytest.raises(MailServerUnusable):
            post.send(a_mail())
    assert server.signed_in == []


def test_a_password_is_never_sent_for_everybody_to_read() -> None:
    for facts, words in (
        ({"user": "us", "password": SecretStr("p"), "security": "none"}, "could be read on its way"),
        ({"user": "us"}, "go together"),
        ({"password": SecretStr("p")}, "go together"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            SmtpMailer(SmtpOptions("mail.acme.io", SENDER, **facts))


def test_nothing_is_sent_while_a_transaction_is_open() -> None:
    stream = io.StringIO()
    with mail_server() as server, mailer(server) as post, database_block():
        for each in (post, ConsoleMailer(stream, sender=SENDER)):
            with pytest.raises(NetworkInTransaction):
                each.send(a_mail())
    assert (server.connections, stream.getvalue()) == (0, "")


def test_the_stand_in_prints_what_a_terminal_can_be_shown() -> None:
    stream = io.StringIO()
    post = ConsoleMailer(stream, sender=SENDER)
    post.send(a_mail(subject="Größe\x1b[2J", text="two\n\x1b]0;title\x07 lines\n"))
    post.close()
    assert stream.getvalue() == (f"To: anna@acme.io\nSubject: Größe [2J\nMessage-ID: {ID}\n\ntwo\n ]0;title  lines\n\n")


def test_a_composed_mail_is_seven_bit_and_its_lines_are_short() -> None:
    raw = compose(a_mail(subject="ä" * 200, text="ö" * 3000), SENDER).as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert message_from_bytes(raw, policy=default)["Subject"] == "ä" * 200
