"""Risk: what is known of the spot market."""

from spothive.operations.risk.market import MarketImported, import_market
from spothive.operations.risk.market_files import MarketFact, MarketRead, made_up_market, read_market
from spothive.operations.risk.market_listing import FactStatus, MarketEntry, SpotOffer, list_market, market_status

__all__ = [
    "FactStatus",
    "MarketEntry",
    "MarketFact",
    "MarketImported",
    "MarketRead",
    "SpotOffer",
    "import_market",
    "list_market",
    "made_up_market",
    "market_status",
    "read_market",
]
