"""Fleet: what can be done with AWS accounts and their instances."""

from spothive.operations.fleet.accounts import (
    AccountSummary,
    disconnect_account,
    find_account,
    list_accounts,
    set_environment,
)
from spothive.operations.fleet.imports import FieldChange, ImportResult, import_fleet
from spothive.operations.fleet.listing import (
    FleetGroup,
    InstanceFilter,
    Listed,
    find_instance,
    list_instances,
    on_demand_price,
    summarise_fleet,
)

__all__ = [
    "AccountSummary",
    "FieldChange",
    "FleetGroup",
    "ImportResult",
    "InstanceFilter",
    "Listed",
    "disconnect_account",
    "find_account",
    "find_instance",
    "import_fleet",
    "list_accounts",
    "list_instances",
    "on_demand_price",
    "set_environment",
    "summarise_fleet",
]
