"""The door of the AWS stand-in: what moto does not do, or does otherwise than AWS.

Every request is counted and may meet a fault that a test ordered. Then it is turned away as AWS would: badly
signed, for a region the account has not enabled, not allowed by any policy, or for a role that does not trust the
caller. What passes is answered by moto, or where it concerns the market by this stand-in.

moto has checks of its own. They stay off: they fail EKS altogether, let a missing external id pass, look at no
role of another account and answer with the wrong codes.
"""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from spothive.gateways import aws_stand_in_ec2, aws_stand_in_market
from spothive.gateways.aws_stand_in_accounts import StandInIdentities
from spothive.gateways.aws_stand_in_signature import is_signed

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_SILENCE: Final = 60.0
"""Seconds after which a silent answer comes to an end by itself."""


class Trouble(StrEnum):
    """What a request can meet instead of an answer."""

    THROTTLED = "throttled"
    SERVER_ERROR = "server error"
    ACCESS_DENIED = "access denied"
    EXPIRED_CREDENTIALS = "expired credentials"
    INVALID_CREDENTIALS = "invalid credentials"
    IN_USE = "in use"
    """Being changed already, as EKS and Auto Scaling say it."""
    LATE = "late"
    """The true answer, after ``seconds``."""
    SILENT = "silent"
    """No answer until the faults are cleared, at most :data:`LONGEST_SILENCE` seconds."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request: which call, in which region, of which account (an unknown key belongs to none)."""

    service: str
    operation: str
    region: str
    account_id: str | None

    def agrees(self, service: str | None, operation: str | None, region: str | None, account_id: str | None) -> bool:
        """Tell whether it agrees with every fact that is given."""
        wanted = ((service, self.service), (operation, self.operation), (region, self.region))
        return all(fact in {None, mine} for fact, mine in (*wanted, (account_id, self.account_id)))


@dataclass(frozen=True, slots=True)
class Fault:
    """Trouble for the requests that agree with every fact given.

    Attributes:
        after: how many such requests are still answered, such as the first page.
        times: how many then meet the trouble; None for all.
        seconds: how long :attr:`Trouble.LATE` takes.
    """

    trouble: Trouble
    service: str | None = None
    operation: str | None = None
    region: str | None = None
    account_id: str | None = None
    after: int = 0
    times: int | None = None
    seconds: float = 0.0

    def concerns(self, request: Received) -> bool:
        """Tell whether a request agrees with every fact given."""
        return request.agrees(self.service, self.operation, self.region, self.account_id)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An answer of AWS that is an error: HTTP status and the code of each protocol."""

    status: str
    ec2: str
    query: str
    rest: str

    def code(self, service: str) -> str:
        """Return the code as the service spells it."""
        return {"ec2": self.ec2, "eks": self.rest}.get(service, self.query)


_REFUSALS: Final = {
    Trouble.THROTTLED: _Refusal("429 Slow Down", "RequestLimitExceeded", "Throttling", "TooManyRequestsException"),
    Trouble.SERVER_ERROR: _Refusal("500 Oops", "InternalError", "InternalFailure", "ServerException"),
    Trouble.ACCESS_DENIED: _Refusal("403 No", "UnauthorizedOperation", "AccessDenied", "AccessDeniedException"),
    Trouble.EXPIRED_CREDENTIALS: _Refusal("403 No", "RequestExpired", "ExpiredToken", "ExpiredTokenException"),
    Trouble.INVALID_CREDENTIALS: _Refusal(
        "403 No", "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"
    ),
    Trouble.IN_USE: _Refusal("409 Busy", "IncorrectState", "ScalingActivityInProgress", "ResourceInUseException"),
}
_NO_SUCH_CLUSTER: Final = _Refusal("404 No", "", "", "ResourceNotFoundException")
_PARTS_OF_SCOPE = 5  # key / date / region / service / aws4_request


class _Ordered:
    """A fault and how many requests it has concerned."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0

    def meets(self, request: Received) -> bool:
        """Count the request if it is concerned, and tell whether it is this one's turn."""
        if not self.fault.concerns(request):
            return False
        self.seen += 1
        turn = self.seen - self.fault.after
        return turn > 0 and (self.fault.times is None or turn <= self.fault.times)


class Gate:
    """A WSGI application before another one."""

    def __init__(self, behind: WSGIApplication, accounts: Mapping[str, StandInIdentities]) -> None:
        """Stand before ``behind``, which is called by one request at a time, and know the accounts by id."""
        self.busy = threading.RLock()
        """Held while a request is answered: moto breaks when it changes during one."""
        self._behind = behind
        self._accounts = accounts
        self._counts: Counter[Received] = Counter()
        self._faults: list[_Ordered] = []
        self._healed = threading.Event()
        self._lock = threading.Lock()

    def order(self, fault: Fault) -> None:
        """Let requests from now on meet a fault; of several that concern one request the oldest is met."""
        with self._lock:
            self._faults.append(_Ordered(fault))

    def heal(self) -> None:
        """Forget every fault and let late and silent answers go on."""
        with self._lock:
            self._faults.clear()
            self._healed.set()
            self._healed = threading.Event()

    def count(self, service: str | None, operation: str | None, region: str | None, account_id: str | None) -> int:
        """Return how many requests agreed with every fact given."""
        with self._lock:
            counts = self._counts.items()
            return sum(n for request, n in counts if request.agrees(service, operation, region, account_id))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        body = _body(environ)
        form = _form(environ, body)
        scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition(",")[0].split("/")
        key_id, _, region, service, _ = scope if len(scope) == _PARTS_OF_SCOPE else ("", "", "", "", "")
        account = next((each for each in self._accounts.values() if each.owns(key_id)), None)
        operation = form.get("Action") or _rest_operation(environ)
        request = Received(service, operation, region, account.account_id if account else None)
        trouble = self._met(request)
        if trouble is None and not _is_genuine(environ, body, request, account, key_id):
            trouble = Trouble.INVALID_CREDENTIALS
        if trouble is None and account and not self._is_allowed(request, account, key_id, form):
            trouble = Trouble.ACCESS_DENIED
        if trouble is not None:
            return _refuse(start_response, _REFUSALS[trouble], service)
        if operation == aws_stand_in_market.OPERATION:
            start_response("200 OK", [("Content-Type", "text/xml")])
            return [aws_stand_in_market.spot_price_history(region, form)]
        if operation == "ListNodegroups" and account and not account.has_cluster(region, _cluster_of(environ)):
            return _refuse(start_response, _NO_SUCH_CLUSTER, service)  # moto breaks
        with self.busy:
            return self._answer(environ, start_response, form, request)

    def _answer(
        self, environ: WSGIEnvironment, start_response: StartResponse, form: dict[str, str], request: Received
    ) -> list[bytes]:
        """Let moto answer, corrected where EC2 does otherwise."""
        account = self._accounts[str(request.account_id)]
        if request.service != "ec2":
            return list(self._behind(environ, start_response))
        if code := aws_stand_in_ec2.refusal(account, request.region, form):
            return _refuse(start_response, _Refusal("400 No", code, code, code), request.service)
        return aws_stand_in_ec2.answer(self._behind, environ, start_response, form, account)

    def _met(self, request: Received) -> Trouble | None:
        """Count a request and let it meet what was ordered for it; return what it is refused for."""
        with self._lock:
            self._counts[request] += 1
            met = [ordered.fault for ordered in self._faults if ordered.meets(request)]
            healed = self._healed
        if not met:
            return None
        match met[0].trouble:
            case Trouble.LATE:
                healed.wait(met[0].seconds)
                return None
            case Trouble.SILENT:
                healed.wait(LONGEST_SILENCE)
                return Trouble.SERVER_ERROR
            case trouble:
                return trouble

    def _is_allowed(self, request: Received, account: StandInIdentities, key_id: str, form: dict[str, str]) -> bool:
        """Ask the policies of whoever holds the key, and those of a role that is to be assumed."""
        if not account.may(key_id, f"{request.service}:{request.operation}"):
            return False
        if request.operation == "CreateSnapshot" and "TagSpecification.1.ResourceType" in form:
            return account.may(key_id, "ec2:CreateTags", while_calling=request.operation)
        if request.operation != "AssumeRole":
            return True
        role_arn = form["RoleArn"]
        owner = self._accounts.get(role_arn.split(":")[4])
        return owner is not None and owner.trusts(role_arn, account.holder_of(key_id), form.get("ExternalId"))


def _is_genuine(
    environ: WSGIEnvironment, body: bytes, request: Received, account: StandInIdentities | None, key_id: str
) -> bool:
    """Tell whether a request is signed with a key of an account that has enabled the region.

    A region that is not enabled knows no key of the account: AWS answers as if the key were wrong.
    """
    if account is None or request.region not in account.regions:
        return False
    return is_signed(environ, body, account.keys(key_id), request.service, request.region)


def _body(environ: WSGIEnvironment) -> bytes:
    """Return the body of a request, and put it back for the next reader."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _form(environ: WSGIEnvironment, body: bytes) -> dict[str, str]:
    """Return the fields of a request in AWS's query protocols."""
    if not environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return {}
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


def _rest_operation(environ: WSGIEnvironment) -> str:
    """Name the operation of EKS that a path stands for."""
    match environ["REQUEST_METHOD"], environ["PATH_INFO"].strip("/").split("/"):
        case "GET", ["clusters"]:
            return "ListClusters"
        case "GET", ["clusters", _]:
            return "DescribeCluster"
        case "GET", ["clusters", _, "node-groups"]:
            return "ListNodegroups"
        case "GET", ["clusters", _, "node-groups", _]:
            return "DescribeNodegroup"
        case "POST", ["clusters", _, "node-groups", _, "update-config"]:
            return "UpdateNodegroupConfig"
        case method, path:
            return f"{method} /{'/'.join(path)}"


def _cluster_of(environ: WSGIEnvironment) -> str:
    """Return the name of the cluster that a path of EKS is about."""
    return str(environ["PATH_INFO"]).strip("/").split("/")[1]


def _refuse(start_response: StartResponse, refusal: _Refusal, service: str) -> list[bytes]:
    """Answer with an error in the protocol of the service."""
    code = refusal.code(service)
    error = f"<Error><Code>{code}</Code><Message>ordered from the stand-in</Message></Error>"
    match service:
        case "eks":
            kind, body = "application/json", json.dumps({"message": "ordered from the stand-in"})
        case "ec2":
            kind, body = "text/xml", f"<Response><Errors>{error}</Errors><RequestID>0</RequestID></Response>"
        case _:
            kind, body = "text/xml", f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"
    start_response(refusal.status, [("Content-Type", kind), ("x-amzn-ErrorType", code)])
    return [body.encode()]
