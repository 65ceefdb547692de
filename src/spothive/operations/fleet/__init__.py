"""Fleet: what can be done with AWS accounts and their instances."""

from spothive.operations.fleet.access import recheck_account
from spothive.operations.fleet.accounts import (
    AccountSummary,
    disconnect_account,
    find_account,
    list_accounts,
    set_environment,
)
from spothive.operations.fleet.dead_runs import end_dead_scans
from spothive.operations.fleet.discovery import discover_account
from spothive.operations.fleet.imports import import_fleet
from spothive.operations.fleet.listing import (
    FleetGroup,
    InstanceFilter,
    Listed,
    find_instance,
    list_instances,
    on_demand_price,
    summarise_fleet,
)
from spothive.operations.fleet.onboarding import (
    begin_onboarding,
    connect_with_keys,
    find_request,
    onboarding_template,
    verify_onboarding,
)
from spothive.operations.fleet.reconcile import FieldChange, ScanResult

__all__ = [
    "AccountSummary",
    "FieldChange",
    "FleetGroup",
    "InstanceFilter",
    "Listed",
    "ScanResult",
    "begin_onboarding",
    "connect_with_keys",
    "disconnect_account",
    "discover_account",
    "end_dead_scans",
    "find_account",
    "find_instance",
    "find_request",
    "import_fleet",
    "list_accounts",
    "list_instances",
    "on_demand_price",
    "onboarding_template",
    "recheck_account",
    "set_environment",
    "summarise_fleet",
    "verify_onboarding",
]
