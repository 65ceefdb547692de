"""Checks the signature of a request as AWS does. moto has such a check, but it fails every request without a body."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from botocore.auth import SigV4Auth  # type: ignore[import-untyped]  # ships no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # ships no types
from botocore.credentials import ReadOnlyCredentials  # type: ignore[import-untyped]  # ships no types

from spothive.gateways.aws_clients import Credentials

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


def is_signed(environ: WSGIEnvironment, body: bytes, keys: Credentials, service: str, region: str) -> bool:
    """Tell whether a request was signed with a key pair, and carries its session token if it has one."""
    if environ.get("HTTP_X_AMZ_SECURITY_TOKEN") != keys.session_token:
        return False
    authorization = environ["HTTP_AUTHORIZATION"]
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    query = environ.get("QUERY_STRING", "")
    request = AWSRequest(
        method=environ["REQUEST_METHOD"],
        url=f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}{'?' if query else ''}{query}",
        data=body,
        headers={name: _header(environ, name) for name in names},
    )
    request.context["timestamp"] = environ.get("HTTP_X_AMZ_DATE", "")
    signer = SigV4Auth(
        ReadOnlyCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token), service, region
    )
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return hmac.compare_digest(expected, authorization.rpartition("Signature=")[2])


def _header(environ: WSGIEnvironment, name: str) -> str:
    variable = name.upper().replace("-", "_")
    return str(environ.get(variable if variable.startswith("CONTENT_") else f"HTTP_{variable}", ""))
