from .exporting import Exported, export_trail, verifier
from .recording import is_recorded, record, record_failure, storable
from .sealing import Sealing, TenantSealed, seal_trails
from .verifying import Finding, TrailReport, verify_all, verify_trail

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
