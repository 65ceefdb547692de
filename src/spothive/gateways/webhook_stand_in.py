"""The stand-in for whoever receives webhooks: verifies and remembers them, on loopback.

>>> with WebhookStandIn(keys=[secret]) as receiver:
...     WebhookSender(receiver.networks).send(Message(receiver.url, "msg_1", payload, [secret]))
...     receiver.taken["msg_1"]
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from time import sleep
from types import TracebackType
from typing import Any, Final, Self

from spothive.clock import utc_now
from spothive.gateways.webhook_signing import is_signed

TOLERANCE: Final = 300
"""Seconds by which the moment of an attempt may differ from the receiver's clock."""

_BODY_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came, headers in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered instead of what the signature deserves, after ``delay`` seconds."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0


class WebhookStandIn:
    """A receiver that takes each message once, however often it comes.

    Attributes:
        keys: secrets of which any may have signed; without any nothing is verified, as Slack does.
        requests: all that came, in that order.
        refused: the same for what was not signed rightly.
        taken: id of each message that was taken, to its payload.
        seen: how often each of them came.
        replies: what is answered to the next requests, one after the other, instead of taking them.
        always: what is answered to every request that has no reply of its own; None: it is taken.
    """

    networks = (ip_network("127.0.0.0/8"),)
    """What a sender has to be allowed, to reach it."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Listen at a port that the system chooses."""
        self.keys = list(keys)
        self.requests: list[Request] = []
        self.refused: list[Request] = []
        self.taken: dict[str, Any] = {}
        self.seen: Counter[str] = Counter()
        self.replies: list[Reply] = []
        self.always: Reply | None = None
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.stand_in = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more, and close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Request) -> Reply:
        """Take a request, or say what is wrong with it."""
        with self._lock:
            self.requests.append(request)
            if self.replies:
                return self.replies.pop(0)
            return self.always or self._take(request)

    def _take(self, request: Request) -> Reply:
        message_id, moment = (request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp"))
        if self.keys and not self._is_good(request, message_id, moment):
            self.refused.append(request)
            return Reply(401, "not signed by whom I know, or too long ago")
        name = message_id or f"unnamed-{len(self.requests)}"
        self.seen[name] += 1
        self.taken.setdefault(name, json.loads(request.body))
        return Reply(200, "ok")

    def _is_good(self, request: Request, message_id: str, moment: str) -> bool:
        if not message_id or not moment.isdecimal():
            return False
        if abs(int(moment[:12]) - utc_now().timestamp()) > TOLERANCE:
            return False
        shown = request.headers.get("webhook-signature", "")
        return is_signed(shown, self.keys, message_id, int(moment), request.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    stand_in: WebhookStandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a sender that did not wait for the whole answer."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        length = min(int(self.headers.get("content-length", 0)), _BODY_MAX)
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.stand_in.answer(Request(self.path, headers, self.rfile.read(length)))
        sleep(reply.delay)
        body = reply.body.encode()
        self.send_response(reply.status)
        for name, value in {"content-length": str(len(body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: standard error belongs to whoever runs the demo."""
