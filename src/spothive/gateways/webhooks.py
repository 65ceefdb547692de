"""Sends webhooks: one POST, to the public internet alone, no redirect followed, and nothing of the URL in any error."""

from __future__ import annotations

import enum
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from ipaddress import ip_address
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from spothive.blocks import refuse_in_block
from spothive.clock import utc_now
from spothive.errors import InvalidInput
from spothive.gateways.address_guard import IPNetwork, is_public, is_within
from spothive.gateways.webhook_signing import signatures
from spothive.gateways.webhook_veil import Veil

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpcore

    from spothive.gateways.guarded_connection import Resolve

_log = logging.getLogger(__name__)

SLACK_HOST: Final = "hooks.slack.com"
SLACK_PATH: Final = "/services/"
"""Where Slack's incoming webhooks are; what follows the path is the secret."""

URL_MAX: Final = 2048
ANSWER_MAX: Final = 2048
"""Bytes of an answer that are read; the rest is dropped with the connection."""

RETRY_AFTER_MAX: Final = 3600.0
"""Seconds for which a receiver that has too much to do may ask; for longer, it is asked again after these."""

_TOO_MANY, _UNAVAILABLE = 429, 503

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


class Trouble(enum.StrEnum):
    """Why an attempt failed."""

    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    INVALID_URL = "invalid_url"
    HTTP = "http"
    REFUSED_ADDRESS = "refused_address"


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """Where a webhook goes, taken apart; a secret.

    Attributes:
        scheme: ``https``, or ``http`` to a network that is allowed.
        host: lower case, without brackets and without a full stop at its end.
        port: 443 or 80 if none was named.
        path: with the query.
    """

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """What is sent; holds secrets.

    Attributes:
        url: where to.
        id: the same for each attempt.
        payload: type, timestamp and data.
        keys: secrets that sign it, the newest first; none for Slack.
        to_slack: whether it goes to Slack, which takes a text.
    """

    url: str
    id: str
    payload: Mapping[str, Any]
    keys: Sequence[str] = ()
    to_slack: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt.

    Attributes:
        trouble: why it failed; None if it was taken.
        words: the same for people, without anything of the URL.
        status: HTTP status of the answer, if there was one.
        body: beginning of the answer, without anything of the URL.
        retry_after: seconds after which the receiver wants to be asked again, at most :data:`RETRY_AFTER_MAX`.
    """

    trouble: Trouble | None
    words: str
    status: int | None = None
    body: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an attempt may take, in seconds: to connect, to wait for each part of the answer, and as a whole."""

    connect: float = 5.0
    read: float = 15.0
    whole: float = 20.0


def read_target(url: str, *, networks: Sequence[IPNetwork] = (), to_slack: bool = False) -> Target:
    """Take a URL apart if a webhook may go there, as far as can be told without asking for addresses.

    Args:
        url: a secret, which no message repeats.
        networks: networks that are allowed although they are not public; only there ``http`` will do.
        to_slack: whether it has to be one of Slack's, or an address in ``networks`` that stands in for it.

    Raises:
        InvalidInput: it cannot be used; the message says what is wrong with it.
    """
    if not 0 < len(url) <= URL_MAX or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        msg = f"a webhook's URL has at most {URL_MAX} characters of ASCII, without blanks: write a name as xn--.."
        raise InvalidInput(msg)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        msg = "the URL of the webhook cannot be read: it looks like https://host/path"
        raise InvalidInput(msg) from None
    host = (parts.hostname or "").removesuffix(".")
    if parts.scheme not in ({"https", "http"} if networks else {"https"}):
        msg = "a webhook's URL begins with https:// (http:// only into a network of SPOTHIVE_WEBHOOK_NETWORKS)"
        raise InvalidInput(msg)
    if "@" in parts.netloc or parts.fragment:
        msg = "a webhook's URL holds no user, no password and no fragment: what is sent is signed instead"
        raise InvalidInput(msg)
    literal = _literal(host)
    if not literal and (not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2])):
        msg = "a webhook's URL names a host, or an address as 203.0.113.7 or [2001:db8::7], and in no other spelling"
        raise InvalidInput(msg)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)
    stands_in = literal and is_within(ip_address(host), networks)
    if to_slack and not stands_in and not _is_slack(target):
        msg = f"Slack's webhooks begin with https://{SLACK_HOST}{SLACK_PATH}: copy the one that Slack shows"
        raise InvalidInput(msg)
    return target


def refuse_closed_address(target: Target, networks: Sequence[IPNetwork] = ()) -> None:
    """Refuse a URL that names an address to which nothing would be sent. A name is judged when it is looked up.

    Raises:
        InvalidInput: the address is neither public nor in ``networks``, or is not in them and the scheme is ``http``.
    """
    if not _literal(target.host) or is_within(ip_address(target.host), networks):
        return
    if target.scheme == "http":
        msg = (
            f"http:// goes only into a network of SPOTHIVE_WEBHOOK_NETWORKS, and {target.host} is in none: use https://"
        )
        raise InvalidInput(msg)
    if not is_public(ip_address(target.host)):
        msg = f"webhooks do not go to {target.host}, which is no public address: see SPOTHIVE_WEBHOOK_NETWORKS"
        raise InvalidInput(msg)


def slack_text(payload: Mapping[str, Any]) -> str:
    """Return what is said in Slack of an event: title, body and link, with the three characters escaped that it reads.

    What is not escaped could call everybody of a channel, or show one address and lead to another.
    """
    data = payload.get("data", {})
    title, body, link = (_escaped(str(data.get(name) or "")) for name in ("title", "body", "link"))
    return "\n".join(part for part in (f"*{title}*" if title else "", body, link) if part)


class WebhookSender:
    """Sends messages, each by a connection of its own."""

    def __init__(
        self,
        networks: Sequence[IPNetwork] = (),
        *,
        limits: Limits | None = None,
        resolve: Resolve | None = None,
        connector: httpcore.NetworkBackend | None = None,
        ssl_context: SSLContext | None = None,
    ) -> None:
        """Send to the public internet, and into ``networks``. It connects to nothing yet.

        Args:
            networks: networks that are allowed although they are not public.
            limits: how long an attempt may take.
            resolve: finds the addresses of a host; the system does, unless a test knows better.
            connector: makes the connection to an address; a test counts them.
            ssl_context: whose certificates are trusted; those this machine trusts when None.
        """
        self.networks = tuple(networks)
        self._limits = limits or Limits()
        self._resolve, self._connector, self._ssl_context = resolve, connector, ssl_context

    @property
    def longest(self) -> float:
        """Seconds that an attempt takes at most."""
        return self._limits.whole

    def send(self, message: Message) -> Answer:
        """Send a message once; what goes wrong is an answer too.

        Raises:
            NetworkInTransaction: a database transaction is open.
            InvalidInput: a signing secret is none.
        """
        refuse_in_block("a webhook")
        document = {"text": slack_text(message.payload)} if message.to_slack else message.payload
        body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {
            "content-type": "application/json",
            "user-agent": f"spothive/{version('spothive')}",
            "accept-encoding": "identity",
            "connection": "close",
        }
        if message.keys:
            now = int(utc_now().timestamp())
            headers |= {"webhook-id": message.id, "webhook-timestamp": str(now)}
            headers["webhook-signature"] = signatures(message.keys, message.id, now, body)
        try:
            target = read_target(message.url, networks=self.networks, to_slack=message.to_slack)
        except InvalidInput as error:
            return Answer(Trouble.INVALID_URL, str(error))
        return self._post(target, headers, body, Veil(target.path, message.keys))

    def _post(self, target: Target, headers: dict[str, str], body: bytes, veil: Veil) -> Answer:
        import httpcore

        from spothive.gateways import guarded_connection as guarded

        backend = guarded.GuardedBackend(
            self.networks,
            seconds=self._limits.whole,
            only_networks=target.scheme == "http",
            resolve=self._resolve or guarded.resolve,
            connector=self._connector,
        )
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        waits = {"connect": self._limits.connect, "read": self._limits.read, "write": self._limits.read}
        pool = httpcore.ConnectionPool(ssl_context=self._trusted(), network_backend=backend, max_connections=1)
        try:
            with (
                pool,
                pool.stream(
                    "POST",
                    url,
                    headers=[("host", _host(target)), *headers.items()],
                    content=body,
                    extensions={"timeout": waits},
                ) as response,
            ):
                return _judged(response, veil)
        except (guarded.AddressRefused, guarded.NameUnknown):  # told apart, they would tell which names exist inside
            return Answer(Trouble.REFUSED_ADDRESS, "the host has no address, or one that webhooks do not go to")
        except (guarded.TooLate, httpcore.TimeoutException):
            return Answer(Trouble.TIMEOUT, "no answer in time")
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Answer(Trouble.HTTP, _NO_ANSWER.get(type(error).__name__, "what answered does not speak HTTP"))
        except Exception as error:  # noqa: BLE001 - whatever a receiver answers, its delivery has to be settled
            # Without the words, which may hold anything that was sent or answered.
            where = extract_tb(error.__traceback__)[-1]
            _log.error(
                "an answer to a webhook was not understood: %s, %s:%s",
                type(error).__name__,
                where.filename,
                where.lineno,
            )
            return Answer(Trouble.HTTP, f"what answered was not understood: {type(error).__name__}")

    def _trusted(self) -> SSLContext:
        if self._ssl_context is None:
            import ssl

            self._ssl_context = ssl.create_default_context()
        return self._ssl_context


_NO_ANSWER: Final = {
    "ConnectError": "no connection: nobody listens there, or the certificate is not one for this host",
    "ReadError": "the connection broke off before an answer came",
    "WriteError": "the connection broke off before all was sent",
}


def _judged(response: httpcore.Response, veil: Veil) -> Answer:
    """Return what an answer means; at most :data:`ANSWER_MAX` bytes of it are read."""
    raw = b""
    for chunk in response.iter_stream():
        raw += chunk
        if len(raw) >= ANSWER_MAX:
            break
    text = raw[:ANSWER_MAX].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    body = veil.over(text)[:ANSWER_MAX]
    status = response.status
    if 200 <= status < 300:  # noqa: PLR2004 - all that HTTP calls success
        return Answer(None, f"answered {status}", status, body)
    words = f"answered {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")  # noqa: PLR2004
    code = status if 100 <= status <= 599 else None  # noqa: PLR2004 - nothing else is a status
    trouble = Trouble.RATE_LIMITED if status == _TOO_MANY else Trouble.HTTP
    headers = {name.lower(): value for name, value in response.headers}
    asked = headers.get(b"retry-after") if status in {_TOO_MANY, _UNAVAILABLE} else None
    return Answer(trouble, words, code, body, _seconds(asked))


def _host(target: Target) -> str:
    """Return the header Host, with the brackets that an IPv6 address has there (RFC 9110, 7.2; RFC 3986, 3.2.2)."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    usual = {"https": 443, "http": 80}[target.scheme]
    return host if target.port == usual else f"{host}:{target.port}"


def _seconds(value: bytes | None) -> float | None:
    """Read Retry-After: seconds, or a moment; nothing if it is neither."""
    if value is None:
        return None
    text = value.decode("ascii", "replace").strip()
    if text.isdecimal():
        return min(float(text[:9]), RETRY_AFTER_MAX)
    try:
        moment = parsedate_to_datetime(text)
        return min(max((moment - utc_now()).total_seconds(), 0.0), RETRY_AFTER_MAX)
    except (ValueError, TypeError, OverflowError):  # no moment, one without a zone, or one outside of all years
        return None


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _is_slack(target: Target) -> bool:
    place = (target.scheme, target.host, target.port)
    return place == ("https", SLACK_HOST, 443) and len(target.path) > len(SLACK_PATH) and _under_services(target.path)


def _under_services(path: str) -> bool:
    return path.startswith(SLACK_PATH) and ".." not in path and "%" not in path


def _literal(host: str) -> bool:
    try:
        return "%" not in str(ip_address(host))
    except ValueError:
        return False
