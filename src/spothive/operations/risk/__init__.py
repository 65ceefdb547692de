"""Risk: what is known of the spot market."""

from spothive.operations.risk.market import MarketImported, import_market
from spothive.operations.risk.market_files import MarketFact, MarketRead, made_up_market, read_market
from spothive.operations.risk.market_listing import FactStatus, MarketEntry, SpotOffer, list_market, market_status
from spothive.operations.risk.market_refresh import MarketRefreshed, refresh_market

__all__ = [
    "FactStatus",
    "MarketEntry",
    "MarketFact",
    "MarketImported",
    "MarketRead",
    "MarketRefreshed",
    "SpotOffer",
    "import_market",
    "list_market",
    "made_up_market",
    "market_status",
    "read_market",
    "refresh_market",
]
