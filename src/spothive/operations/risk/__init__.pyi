from .events import EventOutcome, EventResult, record_spot_event
from .market import MarketImported, import_market
from .market_files import MarketFact, MarketRead, is_made_up, made_up_market, read_market
from .market_listing import FactStatus, MarketEntry, list_market, market_status
from .market_refresh import MarketRefreshed, refresh_market
from .pools import (
    PoolEvent,
    PoolHistory,
    PoolRisk,
    check_pools,
    list_blocked,
    tidy_pools,
    why_pool,
)
from .replica_outcomes import (
    ReplicaOutcome,
    ReplicaResult,
    ReplicasExpired,
    expire_replicas,
    record_replica_outcome,
)
from .replicas import Consequence, ListedReplica, list_replicas
from .spot_prices import SpotOffer

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
