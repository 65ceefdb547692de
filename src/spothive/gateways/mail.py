"""Mails, over SMTP or onto a stream: one recipient each, as plain text, and what a refusal means for the next mail."""

from __future__ import annotations

import smtplib
import ssl
import unicodedata
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import IO, Any, Final, Literal, Protocol

from pydantic import SecretStr

from spothive.blocks import refuse_in_block
from spothive.errors import ConfigurationError, SpothiveError
from spothive.gateways.smtp_conversation import Conversation, TlsConversation, Watchdog, without_login
from spothive.settings import MAIL_ADDRESS

Security = Literal["starttls", "tls", "none"]

PORTS: Final[dict[Security, int]] = {"starttls": 587, "tls": 465, "none": 25}
"""Where servers listen: RFC 6409 (submission), RFC 8314 (submission over TLS), RFC 5321."""

_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OK: Final = 250
_TOO_LARGE: Final = 552
_PERMANENT: Final = 500
_CLOSING: Final = 421
"""What a server may answer to anything that it is about to hang up for a reason of its own (RFC 5321, 3.8)."""

ANSWERS: Final = {"noop": 1, "connect": 8, "send": 4, "quit": 1}
"""Answers that each part of a conversation consists of: together they may take so many times the timeout.

To connect are: connecting, the greeting, EHLO, STARTTLS, the handshake, EHLO and two of signing in; to send are MAIL,
RCPT, DATA and the end.
"""

_SAID_MAX: Final = 300
_SUBJECT_MAX: Final = 200
_BIDIRECTIONAL: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class MailRefused(SpothiveError):
    """The server will never take this mail, or it cannot be sent at all. Others are not concerned."""


class MailDeferred(SpothiveError):
    """The server does not take this mail now, or it is not known whether it did. Others are not concerned.

    Attributes:
        lost: whether the connection was lost over it; the mail may have arrived.
    """

    def __init__(self, message: str, *, lost: bool = False) -> None:
        """Keep beside the message whether the connection was lost."""
        super().__init__(message)
        self.lost = lost


class MailServerUnusable(SpothiveError):
    """No mail at all is taken now: the server is away, is not the one it should be, or lets spothive not in."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient.

    Attributes:
        recipient: address, ASCII.
        subject: in one line; what would divide it is taken out.
        text: plain text.
        message_id: with angle brackets, equal whenever the same mail is sent again.
        date: when what it tells of happened, UTC.
    """

    recipient: str
    subject: str
    text: str
    message_id: str
    date: datetime


class Mailer(Protocol):
    """What carries mails: one connection at most, made when it is needed, for one thread."""

    name: str

    def send(self, mail: Mail) -> None:
        """Hand one mail over; when it returns, the mail is somebody else's to deliver.

        Raises:
            MailRefused, MailDeferred, MailServerUnusable: it was not.
            NetworkInTransaction: a database transaction is open.
        """

    def close(self) -> None:
        """Say goodbye; the next mail connects again."""


def compose(mail: Mail, sender: str) -> EmailMessage:
    """Return a mail as it goes out: no text in it can add a header, a recipient, or an order to a terminal.

    Raises:
        MailRefused: an address, or the Message-ID, is none that could be written into a header.
    """
    for address in (mail.recipient, sender, mail.message_id[1:-1]):
        if not MAIL_ADDRESS.fullmatch(address):
            msg = f"{address[:80]!r} is no address that a mail can go to or come from"
            raise MailRefused(msg)
    message = EmailMessage(policy=SMTP)
    message["From"] = f"spothive <{sender}>"
    message["To"] = mail.recipient
    message["Subject"] = _one_line(mail.subject)[:_SUBJECT_MAX] or "spothive"
    message["Date"] = format_datetime(mail.date)
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answering machine replies
    message.set_content(plain(mail.text))
    return message


def plain(text: str) -> str:
    """Return ``text`` with a space for whatever controls a header, a terminal or the direction of writing."""
    return "".join(char if char == "\n" or not _controls(char) else " " for char in text)


def _one_line(text: str) -> str:
    """Return a subject; what looks like an encoded word (RFC 2047) would be decoded, line ends and all, and written."""
    return " ".join(plain(text).replace("=?", "= ?").split())


def _controls(char: str) -> bool:
    return char in _BIDIRECTIONAL or unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}


class ConsoleMailer:
    """The stand-in: it prints each mail, and every mail is taken."""

    name = "console"

    def __init__(self, stream: IO[str], *, sender: str) -> None:
        """Print to ``stream``, as ``sender``."""
        self._stream, self._sender = stream, sender

    def send(self, mail: Mail) -> None:
        """Print one mail; raises as :meth:`Mailer.send`."""
        refuse_in_block("a mailer")
        message = compose(mail, self._sender)
        lines = [f"{name}: {message[name]}" for name in ("To", "Subject", "Message-ID")]
        text = message.get_content().replace("\r\n", "\n").rstrip()
        self._stream.write("\n".join([*lines, "", text, "", ""]))
        self._stream.flush()

    def close(self) -> None:
        """Do nothing: the stream is somebody else's."""


@dataclass(frozen=True, slots=True)
class SmtpOptions:
    """How the server is reached.

    Attributes:
        host: its name; the certificate must be for it.
        sender: address that mails come from.
        port: None: the usual one.
        security: ``starttls`` and ``tls`` insist on a certificate that can be checked; ``none`` hides nothing.
        ca_file: authorities (PEM) to trust; the system's when None.
        user: who signs in; nobody when None.
        password: the same.
        timeout: seconds that one answer may take; a part of the conversation may take :data:`ANSWERS` times as many.
    """

    host: str
    sender: str
    port: int | None = None
    security: Security = "starttls"
    ca_file: Path | None = None
    user: str | None = None
    password: SecretStr | None = None
    timeout: float = 30


class SmtpMailer:
    """Sends through an SMTP server. It connects when the first mail is sent, and again when the connection is lost."""

    name = "smtp"

    def __init__(self, options: SmtpOptions) -> None:
        """Remember how; connect to nothing.

        Raises:
            ConfigurationError: a password would be sent for everybody to read, or one half of a sign-in is missing.
        """
        if (options.user is None) is not (options.password is None):
            msg = "SPOTHIVE_SMTP_USER and SPOTHIVE_SMTP_PASSWORD go together: set both or none"
            raise ConfigurationError(msg)
        if options.password is not None and options.security == "none" and options.host not in _HERE:
            msg = "SPOTHIVE_SMTP_SECURITY: with none, the password could be read on its way: set starttls or tls"
            raise ConfigurationError(msg)
        self._options = options
        self._open: smtplib.SMTP | None = None
        self._watchdog = Watchdog()

    def send(self, mail: Mail) -> None:
        """Hand one mail to the server; raises as :meth:`Mailer.send`."""
        refuse_in_block("a mail server")
        message = compose(mail, self._options.sender)
        server = self._connected()
        try:
            with self._in_time("send"):
                server.send_message(message, from_addr=self._options.sender, to_addrs=[mail.recipient])
        except smtplib.SMTPSenderRefused as error:
            raise self._about_sender(error) from None
        except smtplib.SMTPRecipientsRefused as error:
            ((code, said),) = error.recipients.values()
            raise self._about_mail(code, said) from None
        except smtplib.SMTPResponseException as error:  # after DATA
            raise self._about_mail(error.smtp_code, error.smtp_error) from None
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            msg = f"the connection to {self._options.host} was lost over it: {self._words(error)}"
            raise MailDeferred(msg, lost=True) from None

    def close(self) -> None:
        """Say goodbye, if the server still listens."""
        if self._open is not None:
            with suppress(smtplib.SMTPException, OSError), self._in_time("quit"):
                self._open.quit()
        self._drop()

    def _connected(self) -> smtplib.SMTP:
        """Return a connection on which the server answers.

        Raises:
            MailServerUnusable: there is none.
        """
        if self._open is not None:
            with suppress(smtplib.SMTPException, OSError), self._in_time("noop"):
                if self._open.noop()[0] == _OK:  # a server hangs up on whoever is silent for long
                    return self._open
            self._drop()
        try:
            with self._in_time("connect"):
                self._open = self._connect()
        except smtplib.SMTPAuthenticationError as error:
            msg = f"{self._options.host} refuses SPOTHIVE_SMTP_USER with its password: {self._said(error.smtp_error)}"
            raise MailServerUnusable(msg) from None
        except smtplib.SMTPNotSupportedError:
            what = "STARTTLS" if self._options.user is None else "STARTTLS, or signing in"
            msg = f"{self._options.host} does not offer {what}: see SPOTHIVE_SMTP_SECURITY"
            raise MailServerUnusable(msg) from None
        except ssl.SSLCertVerificationError as error:
            msg = f"the certificate of {self._options.host} is not trusted: {error.verify_message}"
            raise MailServerUnusable(msg) from None
        except smtplib.SMTPResponseException as error:
            msg = f"{self._options.host} takes no mails: {error.smtp_code} {self._said(error.smtp_error)}"
            raise MailServerUnusable(msg) from None
        except UnicodeError:  # whose words name the letter of the password
            msg = "SPOTHIVE_SMTP_USER and its password cannot be sent: they have to be ASCII"
            raise MailServerUnusable(msg) from None
        except (smtplib.SMTPException, OSError) as error:
            msg = f"{self._options.host}:{self._port} cannot be used: {self._words(error)}"
            raise MailServerUnusable(msg) from None
        return self._open

    def _connect(self) -> smtplib.SMTP:
        """Return a connection on which the server knows who is there; raises what smtplib raises."""
        options = self._options
        where: dict[str, Any] = {"host": options.host, "port": self._port, "timeout": options.timeout}
        where["local_hostname"] = options.sender.partition("@")[2]  # to find out the machine's own would ask DNS
        server: smtplib.SMTP | None = None
        try:
            if options.security == "tls":
                server = TlsConversation(self._watchdog, **where, context=self._trusting())
            else:
                server = Conversation(self._watchdog, **where)
            if options.security == "starttls":
                server.starttls(context=self._trusting())
            if options.user is not None and options.password is not None:
                server.login(options.user, options.password.get_secret_value())
            server.ehlo_or_helo_if_needed()  # here, where a refusal is not blamed on a mail
        except BaseException:
            if server is not None:
                server.close()
            self._watchdog.release()
            raise
        return server

    def _trusting(self) -> ssl.SSLContext:
        """Return what checks that the certificate is for the host and of an authority that is trusted."""
        try:
            return ssl.create_default_context(cafile=self._options.ca_file)
        except OSError as error:
            msg = f"SPOTHIVE_SMTP_CA_FILE ({self._options.ca_file}) cannot be used: {self._words(error)}"
            raise MailServerUnusable(msg) from None

    @property
    def _port(self) -> int:
        return self._options.port or PORTS[self._options.security]

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = None

    def _in_time(self, part: str) -> AbstractContextManager[None]:
        """Hang up if a part of the conversation takes too long, however often the server says something."""
        return self._watchdog.within(ANSWERS[part] * self._options.timeout)

    def _about_sender(self, error: smtplib.SMTPSenderRefused) -> SpothiveError:
        """Return what it means that the server does not even take the sender: it concerns every mail."""
        said = self._said(error.smtp_error)
        if error.smtp_code == _CLOSING:
            return self._closing(said)
        if error.smtp_code == _TOO_LARGE:
            return MailRefused(f"the server refuses it: {error.smtp_code} {said}")
        return MailServerUnusable(
            f"{self._options.host} takes no mails from SPOTHIVE_MAIL_FROM ({self._options.sender}): "
            f"{error.smtp_code} {said}"
        )

    def _about_mail(self, code: int, answer: bytes | str) -> SpothiveError:
        """Return what an answer means: 5yz is for good, anything else is for now (RFC 5321, 4.2.1)."""
        said = self._said(answer)
        if code == _CLOSING:
            return self._closing(said)
        if code >= _PERMANENT:
            return MailRefused(f"the server refuses it: {code} {said}")
        return MailDeferred(f"the server does not take it now: {code} {said}")

    def _closing(self, said: str) -> MailServerUnusable:
        """Return that the server hangs up: that is about itself, whatever it answers."""
        self._drop()
        return MailServerUnusable(f"{self._options.host} takes no mails: {_CLOSING} {said}")

    def _said(self, answer: bytes | str) -> str:
        """Return what the server said, in one line and without what signs in."""
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        options = self._options
        if options.password is not None:
            text = without_login(text, options.user, options.password.get_secret_value())
        return " ".join(plain(text).split())[:_SAID_MAX]

    def _words(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return "it did not answer in time"
        return self._said(str(error)) or type(error).__name__
