"""No test leaves this machine."""

from __future__ import annotations

import socket

import pytest


def test_another_machine_is_out_of_reach() -> None:
    with socket.socket() as caller, pytest.raises(AssertionError, match="stay on this machine"):
        caller.connect(("192.0.2.1", 80))


def test_this_machine_is_within_reach() -> None:
    with socket.socket() as server, socket.socket() as caller:
        server.bind(("127.0.0.1", 0))
        server.listen()
        caller.connect(server.getsockname())
