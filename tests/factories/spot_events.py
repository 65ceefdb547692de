"""Events about spot instances, as AWS EventBridge sends them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from spothive.clock import utc_now

TERMINATION = "EC2 Spot Instance Interruption Warning"
REBALANCE = "EC2 Instance Rebalance Recommendation"


def spot_event(
    *,
    account: str,
    instance_id: str,
    kind: str = TERMINATION,
    region: str = "us-east-1",
    event_id: str | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """Return an event: a termination notice of this moment unless told otherwise."""
    detail = {"instance-id": instance_id} | ({"instance-action": "terminate"} if kind == TERMINATION else {})
    return {
        "version": "0",
        "id": event_id or str(uuid4()),
        "detail-type": kind,
        "source": "aws.ec2",
        "account": account,
        "time": f"{at or utc_now():%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [f"arn:aws:ec2:us-east-1a:instance/{instance_id}"],
        "detail": detail,
    }
