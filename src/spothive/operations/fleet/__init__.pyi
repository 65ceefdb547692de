from .access import recheck_account
from .accounts import (
    AccountSummary,
    disconnect_account,
    find_account,
    list_accounts,
    set_environment,
)
from .dead_runs import end_dead_scans
from .discovery import discover_account
from .imports import import_fleet
from .listing import (
    FleetGroup,
    InstanceFilter,
    Listed,
    find_instance,
    list_instances,
    on_demand_price,
    summarise_fleet,
)
from .onboarding import (
    begin_onboarding,
    connect_with_keys,
    find_request,
    onboarding_template,
    verify_onboarding,
)
from .reconcile import FieldChange, ScanResult

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
