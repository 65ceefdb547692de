"""Rows of the audit trail that no verb has written."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from spothive.database import AuditLog, Outcome, ResourceType


def audit_row(number: int, **values: Any) -> AuditLog:
    """Return a row with a value in every column."""
    facts: dict[str, Any] = {
        "actor_id": UUID(int=number),
        "actor_name": "anna (cli: root)",
        "event": "account.imported",
        "resource": f"shop-{number}",
        "resource_type": ResourceType.ACCOUNT,
        "outcome": Outcome.SUCCESS,
        "ip_address": "192.0.2.7",
        "user_agent": "curl",
        "request_id": f"r{number}",
        "diff_before": "{}",
        "diff_after": f'{{"n":{number}}}',
    }
    return AuditLog(**facts | values)
