from .months import (
    BUDGET_KEY,
    BUDGET_MAX,
    BUDGET_SECONDS,
    DowntimeBudget,
    budget_of,
    downtime_budget,
    downtime_report,
    seconds_down,
)
from .outages import (
    OUTAGES_MAX,
    ListedOutage,
    end_downtime,
    end_outages,
    list_outages,
    open_downtime,
    record_downtime,
)

__all__ = [
    "BUDGET_KEY",
    "BUDGET_MAX",
    "BUDGET_SECONDS",
    "OUTAGES_MAX",
    "DowntimeBudget",
    "ListedOutage",
    "budget_of",
    "downtime_budget",
    "downtime_report",
    "end_downtime",
    "end_outages",
    "list_outages",
    "open_downtime",
    "record_downtime",
    "seconds_down",
]
