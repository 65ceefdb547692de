"""One message: signed so that a public library verifies it, sent once, and nothing of its URL in what is kept."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import HTTPServer
from ipaddress import ip_network
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from spothive.blocks import database_block
from spothive.errors import InvalidInput, NetworkInTransaction
from spothive.gateways import webhook_stand_in
from spothive.gateways.webhook_signing import is_signed, key_in, new_signing_secret, signatures
from spothive.gateways.webhook_stand_in import Reply, Request, WebhookStandIn
from spothive.gateways.webhooks import (
    ANSWER_MAX,
    RETRY_AFTER_MAX,
    Answer,
    Limits,
    Message,
    Trouble,
    WebhookSender,
    read_target,
    slack_text,
)
from tests.gateways.test_guarded_connection import Counting

PAYLOAD = {
    "type": "account.failed",
    "timestamp": "2026-03-04T10:30:00+00:00",
    "data": {"title": "Ein Konto: ü", "n": 1},
}
OLD, NEW, OTHER = (f"whsec_{base64.b64encode(bytes([number]) * 32).decode()}" for number in (201, 202, 203))
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def receiver() -> Iterator[WebhookStandIn]:
    with WebhookStandIn([NEW]) as stand_in:
        yield stand_in


def send(receiver: WebhookStandIn, *keys: str, message_id: str = "msg_1", **how: Any) -> Answer:
    sender = WebhookSender(receiver.networks, **how)
    return sender.send(Message(receiver.url, message_id, PAYLOAD, keys or [NEW]))


# --- signatures ----------------------------------------------------------------------------------------------------


def test_a_public_library_verifies_what_was_sent(receiver: WebhookStandIn) -> None:
    assert send(receiver) == Answer(None, "answered 200", 200, "ok")
    (request,) = receiver.requests
    assert Webhook(NEW).verify(request.body, dict(request.headers)) == PAYLOAD
    assert receiver.taken == {"msg_1": PAYLOAD}
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("keys", [(NEW, OLD), (OLD, NEW)], ids=["new first", "old first"])
@pytest.mark.parametrize("known", [OLD, NEW], ids=["knows the old", "knows the new"])
def test_while_secrets_change_either_verifies_in_either_order(
    receiver: WebhookStandIn, keys: tuple[str, str], known: str
) -> None:
    receiver.keys = [known]
    assert send(receiver, *keys).trouble is None
    (request,) = receiver.requests
    assert len(request.headers["webhook-signature"].split()) == 2
    assert Webhook(known).verify(request.body, dict(request.headers)) == PAYLOAD
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(request.body, dict(request.headers))


def changed(request: Request, **change: Any) -> Request:
    headers = {**request.headers, **change.pop("headers", {})}
    return Request(request.path, headers, change.get("body", request.body))


def signed_at(seconds: float, body: bytes = b"{}") -> Request:
    moment = int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp())
    headers = {"webhook-id": "msg_2", "webhook-timestamp": str(moment)}
    headers["webhook-signature"] = signatures([NEW], "msg_2", moment, body)
    return Request("/", headers, body)


def test_what_was_altered_or_replayed_verifies_nowhere(receiver: WebhookStandIn) -> None:
    send(receiver)
    (good,) = receiver.requests
    bad = {
        "body": changed(good, body=good.body.replace(b"1", b"2")),
        "id": changed(good, headers={"webhook-id": "msg_9"}),
        "moment": changed(good, headers={"webhook-timestamp": str(int(good.headers["webhook-timestamp"]) + 1)}),
        "no number": changed(good, headers={"webhook-timestamp": "now"}),
        "signature": changed(good, headers={"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()}),
        "version": changed(
            good, headers={"webhook-signature": good.headers["webhook-signature"].replace("v1,", "v2,")}
        ),
        "too old": signed_at(-webhook_stand_in.TOLERANCE - 2),
        "too new": signed_at(webhook_stand_in.TOLERANCE + 2),
    }
    for what, request in bad.items():
        assert receiver.answer(request).status == 401, what
        with pytest.raises((WebhookVerificationError, ValueError)):
            Webhook(NEW).verify(request.body, dict(request.headers))
    assert receiver.taken == {"msg_1": PAYLOAD}
    assert len(receiver.refused) == len(bad)
    assert receiver.answer(signed_at(-webhook_stand_in.TOLERANCE + 5)).status == 200


def test_a_message_that_comes_twice_has_one_effect(receiver: WebhookStandIn) -> None:
    first = send(receiver)
    assert send(receiver) == first
    assert (receiver.taken, receiver.seen["msg_1"]) == ({"msg_1": PAYLOAD}, 2)
    assert receiver.requests[0].body == receiver.requests[1].body


def test_the_receiver_of_the_guide_takes_each_message_once(receiver: WebhookStandIn) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "webhooks.md").read_text(encoding="utf-8")
    code = guide.partition("```python\n")[2].partition("```")[0]
    known, handled = set[str](), list[Any]()

    def remember(message_id: str) -> bool:
        is_new = message_id not in known
        known.add(message_id)
        return is_new

    names: dict[str, Any] = {"SECRET": NEW, "remember": remember, "handle": handled.append}
    exec(code, names)  # noqa: S102 - it is what the guide shows
    for _ in range(2):
        send(receiver)
        names["receive"](receiver.requests[-1].body, dict(receiver.requests[-1].headers))
    assert handled == [PAYLOAD]


def test_a_secret_has_the_form_of_the_specification() -> None:
    made = new_signing_secret()
    assert (len(key_in(made)), made == new_signing_secret()) == (32, False)
    assert Webhook(NEW).sign("msg_1", datetime.fromtimestamp(5, UTC), "{}") == signatures([NEW], "msg_1", 5, b"{}")
    assert not is_signed("v1 , v1,é nonsense", [NEW], "msg_1", 5, b"{}")
    short, long = (f"whsec_{base64.b64encode(bytes(size)).decode()}" for size in (23, 65))
    for secret in (short, long, NEW.removeprefix("whsec_"), "whsec_?" + NEW[7:], ""):
        with pytest.raises(InvalidInput, match="24 to 64 bytes") as caught:
            key_in(secret)
        assert NEW[7:] not in str(caught.value)


# --- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/meta-data/", "http://[::1]:80/", "/hook"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver: WebhookStandIn, status: int, location: str) -> None:
    receiver.always = Reply(status, headers={"location": location})
    connector = Counting(really=True)
    answer = send(receiver, connector=connector)
    assert (answer.trouble, answer.status) == (Trouble.HTTP, status)
    assert "redirects are not followed" in answer.words
    assert len(connector.connected) == len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("reply", "trouble", "after"),
    [
        (Reply(204), None, None),
        (Reply(299), None, None),
        (Reply(400, headers={"retry-after": "7"}), Trouble.HTTP, None),
        (Reply(429), Trouble.RATE_LIMITED, None),
        (Reply(429, headers={"Retry-After": "7"}), Trouble.RATE_LIMITED, 7.0),
        (Reply(503, headers={"retry-after": "99999999999999999999"}), Trouble.HTTP, RETRY_AFTER_MAX),
        (Reply(503, headers={"retry-after": "-1"}), Trouble.HTTP, None),
        (Reply(503, headers={"retry-after": "soon"}), Trouble.HTTP, None),
        (Reply(503, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), Trouble.HTTP, 0.0),
    ],
)
def test_what_an_answer_means(
    receiver: WebhookStandIn, reply: Reply, trouble: Trouble | None, after: float | None
) -> None:
    receiver.always = reply
    answer = send(receiver)
    assert (answer.trouble, answer.status, answer.retry_after) == (trouble, reply.status, after)


def test_a_moment_to_try_again_is_understood(receiver: WebhookStandIn) -> None:
    receiver.always = Reply(503, headers={"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=90))})
    after = send(receiver).retry_after
    assert after is not None
    assert 60 < after <= 90


def test_of_an_answer_two_kilobytes_are_read(receiver: WebhookStandIn) -> None:
    receiver.always = Reply(500, "x" * 10_000_000)
    assert send(receiver).body == "x" * ANSWER_MAX
    receiver.always = Reply(200, "a\0b\ud7ff")
    assert send(receiver).body == "a\N{REPLACEMENT CHARACTER}b\ud7ff"


def test_what_comes_too_slowly_or_not_at_all_is_a_timeout(receiver: WebhookStandIn) -> None:
    receiver.always = Reply(200, delay=0.3)
    for limits in (Limits(read=0.05), Limits(whole=0.05)):
        assert send(receiver, limits=limits).trouble is Trouble.TIMEOUT
    with pytest.raises(NetworkInTransaction), database_block():
        send(receiver)


def test_where_nobody_listens_or_nobody_speaks_http_there_is_no_answer() -> None:
    with WebhookStandIn() as gone:
        url = gone.url
    sender = WebhookSender(LOOPBACK)
    assert sender.send(Message(url, "msg_1", PAYLOAD)).trouble is Trouble.HTTP

    class Babble(HTTPServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            del client_address
            request.recv(65536)
            request.sendall(b"hello\r\n\r\n")

    with Babble(("127.0.0.1", 0), webhook_stand_in._Handler) as server:  # noqa: SLF001 - nobody handles anything
        thread = Thread(target=server.handle_request)
        thread.start()
        answer = sender.send(Message(f"http://127.0.0.1:{server.server_port}/", "msg_1", PAYLOAD))
        thread.join()
    assert answer == Answer(Trouble.HTTP, "what answered does not speak HTTP")


def test_no_proxy_is_taken_from_the_environment(receiver: WebhookStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(receiver).trouble is None


# --- the URL -------------------------------------------------------------------------------------------------------

SECRET = "T0123ABCD/B0456/q8Zr-secret-part"


@pytest.mark.parametrize(
    "body",
    [
        f"Cannot POST /{SECRET}?token=hush-hush-hush",
        "q8Zr-secret-part",
        "hush-hush-hush",
        "x" * (ANSWER_MAX - 12) + f"q8Zr-secret-part {SECRET}",
        "T0123ABCD%2FB0456%2Fq8Zr-secret-part",
        NEW,
    ],
)
def test_a_receiver_that_repeats_the_url_or_the_secret_does_not_bring_it_into_what_is_kept(
    receiver: WebhookStandIn, body: str
) -> None:
    receiver.always = Reply(404, body)
    url = receiver.url.replace("/hook", f"/{SECRET}?token=hush-hush-hush")
    answer = WebhookSender(receiver.networks).send(Message(url, "msg_1", PAYLOAD, [NEW]))
    said = f"{answer!r} {Message(url, 'msg_1', PAYLOAD, [NEW])!r} {read_target(url, networks=LOOPBACK)!r}"
    assert [part for part in ("q8Zr", "hush", NEW[6:20]) if part in said] == []
    assert answer.status == 404


@pytest.mark.parametrize(
    "url",
    [
        "",
        "receiver.example/hook",
        "ftp://receiver.example/q8Zr",
        "https://",
        "https:///q8Zr",
        "https://user:q8Zr@receiver.example/",
        "https://@receiver.example/q8Zr",
        "https://receiver.example/q8Zr#part",
        "https://receiver.example:99999/q8Zr",
        "https://receiver.example:port/q8Zr",
        "https://receiver.example/q8Zr\r\nx-header: 1",
        "https://receiver.example\\@10.0.0.1/q8Zr",
        "https://receiver.example/ q8Zr",
        "https://[fe80::1%25eth0]/q8Zr",
        "https://[::1/q8Zr",
        "https://127\u30020\u30020\u30021/q8Zr",
        "https://receiver..example/q8Zr",
        "https://-receiver.example/q8Zr",
        f"https://receiver.example/q8Zr{'x' * 2048}",
    ],
)
def test_a_url_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_target(url)
    assert "q8Zr" not in str(caught.value)
    answer = WebhookSender(connector=(connector := Counting())).send(Message(url, "msg_1", PAYLOAD))
    assert (answer.trouble, connector.connected) == (Trouble.INVALID_URL, [])


def test_a_url_may_name_any_port_and_end_with_a_stop() -> None:
    target = read_target("https://Receiver.Example.:8443/a?b=c")
    assert (target.scheme, target.host, target.port, target.path) == ("https", "receiver.example", 8443, "/a?b=c")
    assert read_target("https://[2606:4700::1111]").path == "/"


# --- certificates --------------------------------------------------------------------------------------------------


def made_certificate(folder: Path, name: str) -> Path:
    """Write a key and a certificate for ``name`` that it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "receiver.pem"
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(*private) + certificate.public_bytes(serialization.Encoding.PEM))
    return file


def test_the_certificate_is_checked_for_the_name_though_the_address_is_connected_to(tmp_path: Path) -> None:
    file = made_certificate(tmp_path, "receiver.example")
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(file))
    serving.load_cert_chain(file)
    asked: list[str | None] = []
    serving.sni_callback = lambda _, name, __: asked.append(name)
    with WebhookStandIn([NEW]) as receiver:
        receiver._server.socket = serving.wrap_socket(receiver._server.socket, server_side=True)  # noqa: SLF001
        port = receiver.url.split(":")[2]
        how: dict[str, Any] = {"resolve": lambda *_: ["127.0.0.1"], "ssl_context": trusting}
        sender = WebhookSender(LOOPBACK, **how)
        for name, trouble in (("receiver.example", None), ("receiver.example.", None), ("other.example", Trouble.HTTP)):
            answer = sender.send(Message(f"https://{name}:{port}", "msg_1", PAYLOAD, [NEW]))
            assert answer.trouble is trouble, (name, answer)
        untrusting = WebhookSender(LOOPBACK, resolve=how["resolve"])
        assert untrusting.send(Message(f"https://receiver.example:{port}", "m", PAYLOAD, [NEW])).trouble is Trouble.HTTP
    assert asked == ["receiver.example", "receiver.example", "other.example", "receiver.example"]
    assert len(receiver.requests) == 2


# --- Slack ---------------------------------------------------------------------------------------------------------


def test_slack_is_told_a_text_in_which_nothing_is_markup() -> None:
    said = {
        "title": "<!channel> & co",
        "body": "a > b <http://evil|good>",
        "link": "spothive account list",
        "facts": {},
    }
    with WebhookStandIn() as slack:
        message = Message(slack.url, "msg_1", {"type": "account.failed", "data": said}, to_slack=True)
        assert WebhookSender(slack.networks).send(message).trouble is None
        (request,) = slack.requests
    assert json.loads(request.body) == {
        "text": "*&lt;!channel&gt; &amp; co*\na &gt; b &lt;http://evil|good&gt;\nspothive account list"
    }
    assert "webhook-signature" not in request.headers
    assert slack_text({"data": {"title": "t"}}) == "*t*"
    assert slack_text({}) == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/",
        "https://hooks.slack.com/services/",
        "https://hooks.slack.com/services/../x",
        "https://hooks.slack.com/workflows/T/B/x",
        "https://hooks.slack.com:8443/services/T/B/x",
        "https://hooks.slack.com.evil.example/services/T/B/x",
        "https://evil.example/services/T/B/x",
        "http://hooks.slack.com/services/T/B/x",
        "https://127.0.0.1/services/T/B/x",
    ],
)
def test_slack_has_one_place(url: str) -> None:
    with pytest.raises(InvalidInput):
        read_target(url, to_slack=True)
    assert WebhookSender(connector=Counting()).send(Message(url, "m", {}, to_slack=True)).trouble is Trouble.INVALID_URL
    assert read_target("https://hooks.slack.com/services/T/B/x", to_slack=True).host == "hooks.slack.com"
    assert read_target("http://127.0.0.1:8/x", to_slack=True, networks=LOOPBACK).port == 8


def test_slack_that_is_told_too_much_says_when_to_go_on() -> None:
    with WebhookStandIn() as slack:
        slack.always = Reply(429, "rate_limited", headers={"Retry-After": "30"})
        message = Message(slack.url, "msg_1", PAYLOAD, to_slack=True)
        answer = WebhookSender(slack.networks).send(message)
    assert answer == Answer(Trouble.RATE_LIMITED, "answered 429", 429, "rate_limited", 30.0)
