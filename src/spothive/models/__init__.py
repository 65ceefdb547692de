"""The tables, one file a street. Importing this package declares all of them."""

from spothive.models.audit import AuditLog, LogLevel, Outcome, ResourceType, SystemLog
from spothive.models.base import PLATFORM_TENANT_ID, Base
from spothive.models.clusters import Cluster, ClusterStatus
from spothive.models.datasets import Dataset, DatasetKind
from spothive.models.decisions import MlModel, ModelFormat, ModelStatus
from spothive.models.fleet import (
    Account,
    AccountLog,
    AccountStatus,
    AuthStatus,
    ConnectionMethod,
    EnvironmentType,
    Instance,
    InstanceState,
    Lifecycle,
    OnboardingRequest,
    OnboardingStatus,
    OrchestratorType,
    PipelineMode,
    ScanKind,
    ScanRun,
    ScanStatus,
    ScanUnit,
    UnitStatus,
)
from spothive.models.identity import STAFF_ROLES, Role, Tenant, User
from spothive.models.risk import OnDemandPrice

__all__ = [
    "PLATFORM_TENANT_ID",
    "STAFF_ROLES",
    "Account",
    "AccountLog",
    "AccountStatus",
    "AuditLog",
    "AuthStatus",
    "Base",
    "Cluster",
    "ClusterStatus",
    "ConnectionMethod",
    "Dataset",
    "DatasetKind",
    "EnvironmentType",
    "Instance",
    "InstanceState",
    "Lifecycle",
    "LogLevel",
    "MlModel",
    "ModelFormat",
    "ModelStatus",
    "OnDemandPrice",
    "OnboardingRequest",
    "OnboardingStatus",
    "OrchestratorType",
    "Outcome",
    "PipelineMode",
    "ResourceType",
    "Role",
    "ScanKind",
    "ScanRun",
    "ScanStatus",
    "ScanUnit",
    "SystemLog",
    "Tenant",
    "UnitStatus",
    "User",
]
