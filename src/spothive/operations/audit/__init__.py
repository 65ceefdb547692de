"""The audit trail: writing it, in the transaction of the change it tells of."""

from spothive.operations.audit.recording import record, record_failure, storable

__all__ = ["record", "record_failure", "storable"]
