"""Connects to addresses that are allowed alone, whatever a name says.

A name is resolved once, here; every address it has must be allowed, and exactly one of these is connected to. So a name
whose answer changes between two questions gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from ssl import SSLContext
from threading import Thread
from time import monotonic
from typing import Any

import httpcore

from spothive.gateways.address_guard import IPAddress, IPNetwork, is_public, is_within, plain

Resolve = Callable[[str, int], list[str]]
"""Returns the addresses of a host, as text; raises OSError if it has none."""


class AddressRefused(Exception):
    """A name has an address that webhooks do not go to; the message names the address, never the URL."""


class NameUnknown(Exception):
    """A name has no address."""


class TooLate(Exception):
    """The time for the whole attempt is over."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of ``host``, as the system finds them; also what it takes for a number, such as 127.1.

    Raises:
        OSError: there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedBackend(httpcore.NetworkBackend):
    """What httpcore connects through, for one attempt."""

    def __init__(
        self,
        networks: Sequence[IPNetwork],
        *,
        seconds: float,
        only_networks: bool = False,
        resolve: Resolve = resolve,
        connector: httpcore.NetworkBackend | None = None,
    ) -> None:
        """Connect to the public internet and to ``networks``, to ``only_networks`` if that is said.

        Args:
            networks: networks that are allowed although they are not public.
            seconds: how long the whole attempt may take, from now on.
            only_networks: whether the public internet is refused.
            resolve: finds the addresses of a host.
            connector: makes the connection to an address.
        """
        self._networks, self._only_networks = tuple(networks), only_networks
        self._resolve = resolve
        self._connector = connector or httpcore.SyncBackend()
        self._ends = monotonic() + seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to one of the addresses of ``host`` if all of them are allowed.

        Raises:
            AddressRefused: one of them is not; nothing was connected to.
            NameUnknown: it has none.
            TooLate: the time is over.
        """
        addresses = self._allowed(host, port)
        for number, address in enumerate(addresses, 1):
            try:
                stream = self._connector.connect_tcp(
                    str(address), port, _least(timeout, self._left()), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return _Timed(stream, self._left)
        raise NameUnknown

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """Refuse: no webhook goes to a socket of this machine."""
        msg = "a socket of this machine"
        raise AddressRefused(msg)

    def _allowed(self, host: str, port: int) -> list[IPAddress]:
        addresses = [ip_address(text) for text in self._resolved(host, port)]
        for address in addresses:
            allowed = is_within(address, self._networks)
            if not allowed and (self._only_networks or not is_public(address)):
                raise AddressRefused(str(address))
        return [plain(address) for address in addresses]

    def _resolved(self, host: str, port: int) -> list[str]:
        """Resolve in a thread: nothing else ends the wait for a name server that is silent."""
        answers: SimpleQueue[list[str] | OSError | UnicodeError] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(host, port))
            except (OSError, UnicodeError) as error:  # of a label that is too long Python says the second
                answers.put(error)

        Thread(target=ask, daemon=True).start()
        try:
            answer = answers.get(timeout=self._left())
        except Empty:
            raise TooLate from None
        if isinstance(answer, Exception) or not answer:
            raise NameUnknown
        return answer

    def _left(self) -> float:
        left = self._ends - monotonic()
        if left <= 0:
            raise TooLate
        return left


class _Timed(httpcore.NetworkStream):
    """A connection that ends when the time for the whole attempt is over, however little it waits each time."""

    def __init__(self, stream: httpcore.NetworkStream, left: Callable[[], float]) -> None:
        self._stream, self._left = stream, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _least(timeout, self._left()))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _least(timeout, self._left()))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _least(timeout, self._left()))
        return _Timed(secured, self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _least(timeout: float | None, left: float) -> float:
    return left if timeout is None else min(timeout, left)
