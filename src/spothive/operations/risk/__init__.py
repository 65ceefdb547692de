"""Risk: what is known of the spot market."""

from spothive.operations.risk.market import MarketImported, import_market
from spothive.operations.risk.market_files import MarketFact, MarketRead, read_market

__all__ = ["MarketFact", "MarketImported", "MarketRead", "import_market", "read_market"]
