"""A real SMTP server on this machine, which answers as a test wants it to, and keeps what it took."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass
class MailServer:
    """What the server does, and what came of it. Its port is the operating system's choice.

    Attributes:
        to_sender: answer to MAIL FROM.
        to_recipient: answer to RCPT TO, by address.
        to_data: answer to a whole mail, by address of its recipient.
        drops: recipients over whose mail it hangs up: after it was taken, if True.
        silent: recipients over whose mail it says nothing at all.
        logins: users and their passwords; None: nobody signs in.
        greets: whether it lets anybody in.
        port: where it listens.
        received: the mails it took, in order.
        signed_in: who signed in.
        connections: how often somebody connected.
    """

    to_sender: str = "250 OK"
    to_recipient: dict[str, str] = field(default_factory=dict)
    to_data: dict[str, str] = field(default_factory=dict)
    drops: dict[str, bool] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    logins: dict[str, str] | None = None
    greets: bool = True
    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)
    connections: int = 0

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _: Any, __: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.to_sender.startswith("250"):
            envelope.mail_from, envelope.mail_options = address, options
        return self.to_sender

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _: Any, __: Any, envelope: Any, address: str, ___: list[str]
    ) -> str:
        answer = self.to_recipient.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, _: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        (address,) = envelope.rcpt_tos
        if address in self.silent:
            await asyncio.Event().wait()
        answer = self.to_data.get(address, "250 taken")
        if answer.startswith("250") and self.drops.get(address, True):
            parsed = message_from_bytes(envelope.content, policy=default)
            assert isinstance(parsed, EmailMessage)
            self.received.append(parsed)
            self.recipients.append(address)
        if address in self.drops:
            server.transport.abort()
        return answer

    def log_in(self, _: Any, __: Any, ___: Any, ____: Any, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        user, password = given.login.decode(), given.password.decode()
        good = (self.logins or {}).get(user) == password
        self.signed_in += [user] if good else []
        return AuthResult(success=good, handled=False)

    @property
    def message_ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.received]


class _Protocol(SMTP):
    """One connection; of a server that lets nobody in it is told so at once."""

    def connection_made(self, transport: Any) -> None:
        self.event_handler.connections += 1
        if not self.event_handler.greets:
            transport.write(b"421 not now\r\n")
            transport.close()
            self.transport = transport
            return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.event_handler.greets:
            super().connection_lost(error)


@contextmanager
def mail_server(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, port: int = 0, **answers: Any
) -> Iterator[MailServer]:
    """Run a server for the length of the block: with ``tls`` it offers STARTTLS, or begins with TLS if ``implicit``."""
    ours = MailServer(**answers)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="mail server", daemon=True)
    thread.start()

    def protocol() -> _Protocol:
        login: dict[str, Any] = {"authenticator": ours.log_in} if ours.logins is not None else {}
        offered = None if implicit else tls
        return _Protocol(ours, hostname="mail.test", tls_context=offered, auth_require_tls=False, loop=loop, **login)

    listening = loop.create_server(protocol, HOST, port, ssl=tls if implicit else None)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result()
    ours.port = server.sockets[0].getsockname()[1]
    try:
        yield ours
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_soon(turned.set_result, None)
    await turned  # transports say goodbye in the next turn


@dataclass(frozen=True)
class Certificates:
    """An authority, and what it has signed, as files.

    Attributes:
        authority: its own certificate, to be trusted.
        server: context of a server whose certificate is for :data:`HOST`.
        other: context of one whose certificate is for another host.
        stranger: context of one that has signed its certificate itself.
    """

    authority: Path
    server: ssl.SSLContext
    other: ssl.SSLContext
    stranger: ssl.SSLContext


def make_certificates(folder: Path) -> Certificates:
    """Write an authority and certificates into ``folder``."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _signed("authority", key.public_key(), "authority", key)
    file = folder / "authority.pem"
    file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    contexts: list[ssl.SSLContext] = []
    for host, by in ((HOST, "authority"), ("192.0.2.1", "authority"), (HOST, None)):
        own = ec.generate_private_key(ec.SECP256R1())
        issued = _signed(host, own.public_key(), by or host, key if by else own)
        pair = folder / f"{len(contexts)}.pem"
        pair.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + issued.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair)
        contexts.append(context)
    return Certificates(file, *contexts)


def _signed(name: str, key: Any, issuer: str, issuer_key: Any) -> x509.Certificate:
    def called(words: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])

    now, own_key = datetime.now(UTC), issuer_key.public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == "authority", path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own_key), critical=False)
    )
    if name != "authority":
        made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
    else:
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "encipher_only", "decipher_only"),
            ),
            False,
        )
        made = made.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    return made.sign(issuer_key, hashes.SHA256())


def text_of(message: EmailMessage) -> str:
    """Return the text of a mail; lines end on their way as SMTP wants it."""
    text: str = message.get_content()
    return text.replace("\r\n", "\n")
