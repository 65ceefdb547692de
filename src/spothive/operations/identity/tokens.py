"""Tokens that are handed to people: an invitation, a way back to a lost password."""

from __future__ import annotations

import hashlib
import secrets
from uuid import UUID

SECRET_BYTES = 32


def new_token(tenant_id: UUID) -> str:
    """Return a token of 256 random bits. It begins with its tenant, since nothing is looked up before that is known."""
    return f"{tenant_id.hex}.{secrets.token_urlsafe(SECRET_BYTES)}"


def tenant_of(token: str) -> UUID | None:
    """Return the tenant that ``token`` says it is of, or None if it is no token; whether it is true is not asked."""
    try:
        return UUID(hex=token.partition(".")[0])
    except ValueError:
        return None


def hash_of(token: str) -> str:
    """Return what is stored of ``token``: its SHA-256, as 64 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
