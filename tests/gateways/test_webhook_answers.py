"""Whatever a receiver answers is an answer, and nothing of the URL stays readable in what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_network

import httpcore
import pytest

from spothive.gateways import webhooks
from spothive.gateways.webhook_stand_in import Reply, WebhookStandIn
from spothive.gateways.webhook_veil import Veil
from spothive.gateways.webhooks import Answer, Message, Trouble, WebhookSender
from tests.gateways.test_guarded_connection import Counting

KEY = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQrc2VjcmV0LXM="
TARGET = "/hooks/u7Zx:hidden~part/Aa%3Abcdefghi?token=Sesame+open!&v=1"


@pytest.fixture
def receiver() -> Iterator[WebhookStandIn]:
    with WebhookStandIn() as stand_in:
        yield stand_in


@pytest.mark.parametrize(
    "asked",
    [
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999",
        "Mon, 99999999999999999999 Jan 2024 00:00:00 GMT",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 2024 00:00:00",
        "-5",
        "soon",
    ],
)
def test_a_retry_after_that_is_none_is_left_out(receiver: WebhookStandIn, asked: str) -> None:
    receiver.always = Reply(429, "slow down", {"retry-after": asked})
    answer = WebhookSender(receiver.networks).send(Message(receiver.url, "msg_1", {}))
    assert (answer.trouble, answer.status) == (Trouble.RATE_LIMITED, 429)
    assert answer.retry_after in {None, 0.0, webhooks.RETRY_AFTER_MAX}


def test_a_defect_while_an_answer_is_read_is_an_answer_too(
    receiver: WebhookStandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Answer:
        raise RecursionError("q8Zr-of-the-answer")

    monkeypatch.setattr(webhooks, "_judged", broken)
    answer = WebhookSender(receiver.networks).send(Message(receiver.url, "msg_1", {}))
    assert answer == Answer(Trouble.HTTP, "what answered was not understood: RecursionError")
    assert "RecursionError" in caplog.text
    assert "q8Zr" not in caplog.text


@pytest.mark.parametrize(("status", "kept"), [(99, None), (100, 100), (599, 599), (600, None)])
def test_a_status_that_is_none_is_not_kept(status: int, kept: int | None) -> None:
    answer = webhooks._judged(httpcore.Response(status, content=b"oh"), Veil("/", []))  # noqa: SLF001 - no server says 99
    assert (answer.trouble, answer.status, answer.words) == (Trouble.HTTP, kept, f"answered {status}")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://[2606:4700::1111]/", b"[2606:4700::1111]"),
        ("https://[2606:4700::1111]:8443/", b"[2606:4700::1111]:8443"),
        ("http://[fd00::1]:443/", b"[fd00::1]:443"),
        ("https://receiver.example:443/", b"receiver.example"),
        ("https://receiver.example:80/", b"receiver.example:80"),
    ],
)
def test_the_header_host_names_an_address_as_a_url_does(url: str, host: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[httpcore.Request] = []

    def refuse(_: httpcore.ConnectionPool, request: httpcore.Request) -> httpcore.Response:
        sent.append(request)
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.ConnectionPool, "handle_request", refuse)
    WebhookSender([ip_network("fd00::/8")], connector=Counting()).send(Message(url, "msg_1", {}))
    assert [value for name, value in sent[0].headers if name.lower() == b"host"] == [host]


@pytest.mark.parametrize(
    "repeated",
    [
        TARGET,
        "hidden~part",
        "HIDDEN~PART",
        "hidden%7Epart",
        "hidden%7epart",
        "hidden%257Epart",
        "hidden\\u007epart",
        "u7Zx%3Ahidden~part",
        "Aa:bcdefghi",
        "Aa%253abcdefghi",
        "aa%3ABCDEFGHI",
        "bcdefghi?token",
        "Sesame+open!",
        "sesame open!",
        "Sesame%20open%21",
        "%53esame+open!",
        json.dumps(TARGET).replace("/", "\\/"),
        KEY,
        KEY.partition("_")[2],
        KEY.replace("+", "%2B").replace("=", "%3D"),
    ],
)
def test_what_is_repeated_in_another_spelling_is_covered(repeated: str) -> None:
    said = Veil(TARGET, [KEY]).over(f"cannot take é {repeated} é sorry").casefold()
    assert said.startswith("cannot take é ")
    assert said.endswith(" é sorry")
    assert "***" in said
    words = ("hidden", "part", "bcdefghi", "esame", "open", "c2vjcmv0")
    assert [word for word in words if word in said] == []


@pytest.mark.parametrize("cut", ["hidden~par", "hidden%7Epar", "hidden%7Epa%7", "Sesame+open%", "hidden~pa\\u00"])
def test_what_the_end_cuts_in_two_is_covered(cut: str) -> None:
    assert Veil(TARGET, []).over(f"cannot take {cut}") == "cannot take "


def test_what_is_no_secret_stays_readable() -> None:
    text = 'no route /hooks for v=1: 100% "wrong" \\ hidden, part\\n'
    assert Veil(TARGET, [KEY]).over(text) == text
    assert Veil("/", []).over(text) == text
