"""The audit trail: writing it, in the transaction of the change it tells of, and proving it afterwards."""

from spothive.operations.audit.recording import record, record_failure, storable
from spothive.operations.audit.sealing import Sealing, TenantSealed, seal_trails
from spothive.operations.audit.verifying import Finding, TrailReport, verify_all, verify_trail

__all__ = [
    "Finding",
    "Sealing",
    "TenantSealed",
    "TrailReport",
    "record",
    "record_failure",
    "seal_trails",
    "storable",
    "verify_all",
    "verify_trail",
]
