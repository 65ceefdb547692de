"""What people are told of interruptions of their own instances, and of pools that are blocked for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from shlex import quote
from typing import Any, Final

from spothive.models import Instance, NoticeEvent, SpotEventType
from spothive.operations.notifications import News
from spothive.operations.risk.notices import SpotNotice
from spothive.operations.risk.replicas import Consequence
from spothive.operations.sla.told import downtime_news

_SHOWN: Final = 20
"""Pools that one telling names."""


def interruption_news(notice: SpotNotice, instance: Instance, pool_id: str, consequence: Consequence) -> list[News]:
    """Return what a tenant is told of a new announcement about its own instance, and of the outage it began."""
    name, at = instance.instance_id, f"{notice.reported_at:%Y-%m-%d %H:%M:%S} UTC"
    if notice.event_type is SpotEventType.TERMINATION_NOTICE:
        title = f"AWS takes {name} away"
        body = f"AWS announced at {at} that it takes the spot instance {name} ({pool_id}) away within two minutes"
    else:
        title = f"AWS recommends to leave {name}"
        body = f"AWS said at {at} that the spot instance {name} ({pool_id}) is at a higher risk of being taken away"
    facts: dict[str, Any] = {
        "instance": name,
        "pool": pool_id,
        "event_type": notice.event_type,
        "reported_at": notice.reported_at.isoformat(),
    }
    interruption = News(
        NoticeEvent.SPOT_INTERRUPTION,
        title,
        f"{body}. What spothive did: {consequence.reason}. See `spothive replica list`; what is planned there is to be "
        "started by whoever runs the fleet.",
        facts | consequence.facts(),
        f"spothive instance show {quote(name)}",
    )
    if consequence.down_since is None:
        return [interruption]
    return [interruption, downtime_news(name, "no_replica", consequence.down_since, consequence.down_until)]


def blocked_news(blocked_until: Mapping[str, datetime]) -> News:
    """Return what a tenant is told of pools that are blocked and hold instances of its own; not by whom."""
    pools = sorted(blocked_until)
    one = pools[0]
    lines = [f"{pool} until {blocked_until[pool]:%Y-%m-%d %H:%M} UTC" for pool in pools[:_SHOWN]]
    left = f"\nand {len(pools) - _SHOWN} more" if len(pools) > _SHOWN else ""
    title = f"Spot pool {one} is blocked" if len(pools) == 1 else f"{len(pools)} spot pools that you use are blocked"
    return News(
        NoticeEvent.SPOT_POOL_BLOCKED,
        title,
        "You have spot instances in a pool in which AWS has interrupted instances lately. They go on running, and may "
        f"be next; spothive starts no other there:\n{chr(10).join(lines)}{left}\n"
        "Where else they could run: `spothive decision make --all`. What is known of a pool: "
        f"`spothive risk why {one}`.",
        {"pools": [{"pool": pool, "until": f"{blocked_until[pool]:%Y-%m-%dT%H:%MZ}"} for pool in pools[:_SHOWN]]},
        f"spothive risk why {one}" if len(pools) == 1 else "spothive risk list",
    )
