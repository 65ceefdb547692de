"""The audit trail: writing it, in the transaction of the change it tells of, and proving it afterwards."""

from spothive.operations.audit.exporting import Exported, export_trail, verifier
from spothive.operations.audit.recording import is_recorded, record, record_failure, storable
from spothive.operations.audit.sealing import Sealing, TenantSealed, seal_trails
from spothive.operations.audit.verifying import Finding, TrailReport, verify_all, verify_trail

__all__ = [
    "Exported",
    "Finding",
    "Sealing",
    "TenantSealed",
    "TrailReport",
    "export_trail",
    "is_recorded",
    "record",
    "record_failure",
    "seal_trails",
    "storable",
    "verifier",
    "verify_all",
    "verify_trail",
]
