"""Risk: what is known of the spot market and of interruptions, and the replicas that stand by for them."""

from spothive.operations.risk.events import EventOutcome, EventResult, record_spot_event
from spothive.operations.risk.market import MarketImported, import_market
from spothive.operations.risk.market_files import MarketFact, MarketRead, is_made_up, made_up_market, read_market
from spothive.operations.risk.market_listing import FactStatus, MarketEntry, SpotOffer, list_market, market_status
from spothive.operations.risk.market_refresh import MarketRefreshed, refresh_market
from spothive.operations.risk.pools import (
    PoolEvent,
    PoolHistory,
    PoolRisk,
    check_pools,
    list_blocked,
    tidy_pools,
    why_pool,
)
from spothive.operations.risk.replica_outcomes import (
    ReplicaOutcome,
    ReplicaResult,
    ReplicasExpired,
    expire_replicas,
    record_replica_outcome,
)
from spothive.operations.risk.replicas import Consequence, ListedReplica, list_replicas

__all__ = [
    "Consequence",
    "EventOutcome",
    "EventResult",
    "FactStatus",
    "ListedReplica",
    "MarketEntry",
    "MarketFact",
    "MarketImported",
    "MarketRead",
    "MarketRefreshed",
    "PoolEvent",
    "PoolHistory",
    "PoolRisk",
    "ReplicaOutcome",
    "ReplicaResult",
    "ReplicasExpired",
    "SpotOffer",
    "check_pools",
    "expire_replicas",
    "import_market",
    "is_made_up",
    "list_blocked",
    "list_market",
    "list_replicas",
    "made_up_market",
    "market_status",
    "read_market",
    "record_replica_outcome",
    "record_spot_event",
    "refresh_market",
    "tidy_pools",
    "why_pool",
]
