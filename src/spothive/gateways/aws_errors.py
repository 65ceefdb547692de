"""What can go wrong between spothive and AWS, told apart by what it means for an account.

:class:`AwsRefused` condemns the credentials of an account, :class:`AwsUnavailable` says nothing about them. No
message repeats what AWS wrote: only its error code, the call and the region.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from spothive.errors import SpothiveError

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # ships no types
    from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]  # ships no types

THROTTLING_CODES: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
DENIED_CODES: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedAccess", "UnauthorizedOperation"},
)
CREDENTIAL_CODES: Final = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
DISABLED_REGION_CODES: Final = frozenset({"OptInRequired", "RegionDisabledException"})
_OWN_FAULT_CODES = frozenset({"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"})

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_WRONG_CLOCK = re.compile(r"Signature (?:expired|not yet current)")
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429


class AwsError(SpothiveError):
    """A call to AWS that brought no answer.

    Attributes:
        action: the call as IAM spells it, such as ``ec2:DescribeInstances``.
        region: where it was made.
        code: AWS's error code, or the name of what broke on the way.
    """

    def __init__(self, message: str, *, action: str, region: str, code: str) -> None:
        """Keep what was called beside the message."""
        super().__init__(message)
        self.action = action
        self.region = region
        self.code = code


class AwsRefused(AwsError):
    """AWS refused whoever asked; asking again changes nothing until somebody changes something at AWS."""


class CredentialsRefused(AwsRefused):
    """The credentials are invalid, withdrawn or expired."""


class AccessDenied(AwsRefused):
    """The credentials are good, but no policy allows the call, or the role does not trust the caller."""


class ActingDenied(AccessDenied):
    """The credentials may look at the account, but not act in it."""


class RegionNotEnabled(AwsError):
    """The account has not opted in to the region."""


class AwsUnavailable(AwsError):
    """AWS was not reached, did not answer in time or failed itself; the same call may work later."""


class AwsThrottled(AwsUnavailable):
    """AWS answered that the account is asked too often, and kept to it through every retry."""


class AwsCallFailed(AwsError):
    """AWS rejected the call for any other reason."""


_Kind = TypeVar("_Kind", bound=AwsError)


def aws_error(
    action: str, region: str, error: ClientError | BotoCoreError | ResponseParserError, *, acts: bool = False
) -> AwsError:
    """Return what an exception of botocore means; ``acts`` says that the call was to change something."""
    response = getattr(error, "response", None)
    if response is None:
        name = type(error).__name__
        kind = AwsCallFailed if name in {"ParamValidationError", "UnknownServiceError"} else AwsUnavailable
        return _made(kind, action, region, name)
    answer = response.get("Error", {})
    code = str(answer.get("Code", ""))
    if _WRONG_CLOCK.search(str(answer.get("Message", ""))):  # ours, or every account would seem to be refused
        return _made(AwsUnavailable, action, region, "the clock of this machine is wrong")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    meant = _kind(code, status)
    if acts and meant is AccessDenied:
        meant = ActingDenied
    return _made(meant, action, region, code if _CODE.fullmatch(code) else f"HTTP {status}")


def not_enabled(refusal: AwsError) -> RegionNotEnabled:
    """Return the same failure as one of the region, for credentials that proved to be good elsewhere."""
    return _made(RegionNotEnabled, refusal.action, refusal.region, refusal.code)


def kept_in_use(action: str, region: str, code: str) -> AwsCallFailed:
    """Return the refusal that AWS gives elsewhere, for a call that would take from its user what is in use."""
    return _made(AwsCallFailed, action, region, code)


def _kind(code: str, status: int) -> type[AwsError]:
    if code in THROTTLING_CODES or status == _TOO_MANY_REQUESTS:
        return AwsThrottled
    if status >= _SERVER_ERROR or code in _OWN_FAULT_CODES:
        return AwsUnavailable
    if code in DISABLED_REGION_CODES:
        return RegionNotEnabled
    if code in CREDENTIAL_CODES:
        return CredentialsRefused
    return AccessDenied if code in DENIED_CODES else AwsCallFailed


_SENTENCES: Final[dict[type[AwsError], str]] = {
    CredentialsRefused: "AWS does not accept the credentials for {call}; renew them and connect the account again",
    AccessDenied: "AWS does not allow {call}; grant it, as the onboarding template does",
    ActingDenied: "spothive may look at the account, but not act in it: {call} takes a role made with --access full",
    RegionNotEnabled: "the account has not enabled the region of {call}; enable it or leave it out",
    AwsUnavailable: "AWS gave no answer to {call}; try again later",
    AwsThrottled: "AWS throttled {call}; try again in a few minutes",
    AwsCallFailed: "AWS rejected {call}; look the code up in AWS's documentation",
}


def _made(kind: type[_Kind], action: str, region: str, code: str) -> _Kind:
    message = _SENTENCES[kind].format(call=f"{action} in {region} ({code})")
    return kind(message, action=action, region=region, code=code)
