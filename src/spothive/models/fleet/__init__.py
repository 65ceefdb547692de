"""Fleet: AWS accounts, their instances, and the scans that found them."""

from spothive.models.fleet.accounts import (
    Account,
    AccountLog,
    AccountStatus,
    ConnectionMethod,
    EnvironmentType,
    OnboardingRequest,
    OnboardingStatus,
)
from spothive.models.fleet.instances import (
    AuthStatus,
    Instance,
    InstanceState,
    Lifecycle,
    OrchestratorType,
    PipelineMode,
)
from spothive.models.fleet.scans import ScanKind, ScanRun, ScanStatus, ScanUnit, UnitStatus

__all__ = [
    "Account",
    "AccountLog",
    "AccountStatus",
    "AuthStatus",
    "ConnectionMethod",
    "EnvironmentType",
    "Instance",
    "InstanceState",
    "Lifecycle",
    "OnboardingRequest",
    "OnboardingStatus",
    "OrchestratorType",
    "PipelineMode",
    "ScanKind",
    "ScanRun",
    "ScanStatus",
    "ScanUnit",
    "UnitStatus",
]
