"""No webhook connects to an address that is not public, however it is spelled, resolved or wrapped."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import count
from threading import Event
from typing import Any

import httpcore
import pytest

from spothive.errors import InvalidInput
from spothive.gateways.address_guard import IPNetwork, is_public
from spothive.gateways.guarded_connection import AddressRefused, GuardedBackend, NameUnknown, TooLate, resolve
from spothive.gateways.webhooks import Limits, Message, Trouble, WebhookSender, read_target

INSIDE = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.254", "0.1.2.3", "0.0.0.0"),  # noqa: S104 - nobody listens there
    *("192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8"),
    *("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "2001:0:7f00:1::", "2001:0:53aa:64c::f5ff:fffe"),
    *("100::1", "3fff::1", "5f00::1"),
    *("168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110"),  # Azure's host, public by the registries
    *("100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),  # metadata of other clouds
)
OUTSIDE = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")
SPELLED = ("2130706433", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "017700000001", "0")
"""Other ways to write 127.0.0.1, or what leads there, that the system's resolver takes for numbers."""


class Counting(httpcore.NetworkBackend):
    """Connects to nobody, or as ever; and keeps where to."""

    def __init__(self, *, really: bool = False) -> None:
        self.connected: list[tuple[str, int]] = []
        self._really = httpcore.SyncBackend() if really else None

    def connect_tcp(self, host: str, port: int, *how: Any, **more: Any) -> httpcore.NetworkStream:
        self.connected.append((host, port))
        if self._really is None:
            raise httpcore.ConnectError
        return self._really.connect_tcp(host, port, *how, **more)


def backend(*answers: str, networks: tuple[IPNetwork, ...] = (), **how: Any) -> tuple[GuardedBackend, Counting]:
    connector = Counting()
    if answers:
        how["resolve"] = lambda *_: list(answers)
    return GuardedBackend(networks, seconds=5, connector=connector, **how), connector


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_refused_by_address_and_by_name(address: str) -> None:
    assert not is_public(ip_address(address))
    literal, first = backend()
    with pytest.raises(AddressRefused):
        literal.connect_tcp(address, 443)  # as the system resolves it
    named, second = backend(address)
    with pytest.raises(AddressRefused):
        named.connect_tcp("innocent.example", 443)
    assert first.connected + second.connected == []


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_public_is_connected_to_by_the_address_that_was_checked(address: str) -> None:
    assert is_public(ip_address(address))
    guarded, connector = backend(address)
    with pytest.raises(httpcore.ConnectError):
        guarded.connect_tcp("receiver.example", 8443)
    assert connector.connected == [(address.removeprefix("::ffff:"), 8443)]


@pytest.mark.parametrize("host", [*SPELLED, "localhost", "LOCALHOST", "localhost.", "127.0.0.1."])
def test_no_spelling_of_this_machine_is_connected_to(host: str) -> None:
    guarded, connector = backend()
    with pytest.raises((AddressRefused, NameUnknown)) as caught:  # of a stop at the end systems differ
        guarded.connect_tcp(host, 443)
    assert connector.connected == []
    assert caught.type is AddressRefused or host.endswith(".")


@pytest.mark.parametrize("host", [*SPELLED, "0x7f.0x0.0x0.0x1", "256.1.1.1", "1.2.3.4.5", "a.0x7f", "host.1"])
def test_a_number_in_another_spelling_is_refused_before_anything_is_asked(host: str) -> None:
    with pytest.raises(InvalidInput, match="no other spelling"):
        read_target(f"https://{host}/")


def test_one_address_inside_among_public_ones_is_enough_to_refuse() -> None:
    guarded, connector = backend("8.8.8.8", "10.0.0.1")
    with pytest.raises(AddressRefused):
        guarded.connect_tcp("mixed.example", 443)
    assert connector.connected == []


def test_a_name_is_resolved_once_so_a_changed_answer_gains_nothing() -> None:
    asked: Iterator[int] = count()
    guarded, connector = backend(resolve=lambda *_: ["8.8.8.8"] if next(asked) == 0 else ["127.0.0.1"])
    with pytest.raises(httpcore.ConnectError):
        guarded.connect_tcp("rebinding.example", 443)
    assert (connector.connected, next(asked)) == ([("8.8.8.8", 443)], 1)
    with pytest.raises(AddressRefused):
        guarded.connect_tcp("rebinding.example", 443)
    assert connector.connected == [("8.8.8.8", 443)]


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    guarded, connector = backend("8.8.8.8", "2606:4700::1111")
    with pytest.raises(httpcore.ConnectError):
        guarded.connect_tcp("two.example", 443)
    assert [host for host, _ in connector.connected] == ["8.8.8.8", "2606:4700::1111"]


def test_a_network_that_is_allowed_is_all_that_is_allowed_besides() -> None:
    networks = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/64"))
    for address in ("10.1.2.3", "fd00:1::5", "::ffff:10.1.2.3"):
        guarded, connector = backend(address, networks=networks)
        with pytest.raises(httpcore.ConnectError):
            guarded.connect_tcp("inner.example", 443)
        assert len(connector.connected) == 1
    for address in ("10.2.0.1", "fd00:2::5", "127.0.0.1"):
        guarded, connector = backend(address, networks=networks)
        with pytest.raises(AddressRefused):
            guarded.connect_tcp("inner.example", 443)
        assert connector.connected == []


def test_plain_http_reaches_the_networks_that_are_allowed_and_not_the_public_internet() -> None:
    sender = WebhookSender(
        [ip_network("10.1.0.0/16")], resolve=lambda *_: ["8.8.8.8"], connector=(connector := Counting())
    )
    assert sender.send(Message("http://public.example/", "msg_1", {})).trouble is Trouble.REFUSED_ADDRESS
    assert connector.connected == []
    with pytest.raises(InvalidInput, match="begins with https"):
        read_target("http://public.example/")


def test_a_name_without_an_address_and_a_socket_of_this_machine_lead_nowhere() -> None:
    def unknown(*_: Any) -> list[str]:
        raise socket.gaierror

    guarded, _ = backend(resolve=unknown)
    with pytest.raises(NameUnknown):
        guarded.connect_tcp("nowhere.example", 443)
    with pytest.raises(NameUnknown):
        backend(resolve=lambda *_: [])[0].connect_tcp("empty.example", 443)
    with pytest.raises(NameUnknown):
        backend(resolve=resolve)[0].connect_tcp(f"{'a' * 64}.example", 443)
    with pytest.raises(AddressRefused):
        guarded.connect_unix_socket("/run/docker.sock")


def test_an_answer_does_not_tell_a_name_inside_from_one_that_does_not_exist() -> None:
    def asked(*_: Any) -> list[str]:
        raise socket.gaierror

    inside = WebhookSender(resolve=lambda *_: ["10.0.0.1"], connector=Counting())
    nowhere = WebhookSender(resolve=asked, connector=Counting())
    message = Message("https://payroll.internal/", "msg_1", {})
    assert inside.send(message) == nowhere.send(message)
    assert inside.send(message).trouble is Trouble.REFUSED_ADDRESS


def test_a_name_server_that_is_silent_is_not_waited_for() -> None:
    answer = Event()
    sender = WebhookSender(limits=Limits(whole=0.05), resolve=lambda *_: [str(answer.wait(30))], connector=Counting())
    began = time.monotonic()
    assert sender.send(Message("https://slow.example/", "msg_1", {})).trouble is Trouble.TIMEOUT
    assert time.monotonic() - began < 5
    answer.set()
    late = GuardedBackend((), seconds=0, resolve=lambda *_: ["8.8.8.8"], connector=Counting())
    with pytest.raises(TooLate):
        late.connect_tcp("late.example", 443)
