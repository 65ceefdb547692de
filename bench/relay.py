"""A relay on the way to PostgreSQL that counts round trips."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url

from bench.place import Database

_BLOCK = 1 << 16


class Relay:
    """Hands on what client and server say to one another.

    Attributes:
        trips: how often a client has spoken after the server had its turn, or first.
    """

    def __init__(self, host: str, port: int) -> None:
        """Listen on a port of this machine, for whoever wants to reach ``host``."""
        self.trips = 0
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def trips_of(self, work: Callable[[], object], times: int = 20) -> float:
        """Return how many round trips ``work`` takes once everything is warm."""
        for _ in range(10):  # psycopg prepares what it was told five times, which takes a trip of its own
            work()
        before = self.trips
        for _ in range(times):
            work()
        return (self.trips - before) / times

    @property
    def port(self) -> int:
        """Port of this machine."""
        port: int = self._listener.getsockname()[1]
        return port

    def close(self) -> None:
        """Listen no longer, and hang up."""
        self._over.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(self._server)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._hand_on, args=(client, server), daemon=True).start()

    def _hand_on(self, client: socket.socket, server: socket.socket) -> None:
        clients_turn = True
        with client, server:
            while not self._over.is_set():
                for ready in select.select([client, server], [], [], 0.2)[0]:
                    said = ready.recv(_BLOCK)
                    if not said:
                        return
                    if ready is client and clients_turn:
                        self.trips += 1
                    clients_turn = ready is server
                    (server if ready is client else client).sendall(said)


@contextmanager
def relayed(database: Database) -> Iterator[tuple[Relay, Database]]:
    """Yield a relay, and ``database`` as it is reached through it."""
    url = make_url(database.service_url)
    relay = Relay(str(url.host), url.port or 5432)
    through = [
        make_url(each).set(host="127.0.0.1", port=relay.port) for each in (database.service_url, database.owner_url)
    ]
    try:
        yield relay, Database("postgresql", *(each.render_as_string(hide_password=False) for each in through))
    finally:
        relay.close()
