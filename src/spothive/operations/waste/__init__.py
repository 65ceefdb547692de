"""Waste: finding what costs money while nothing uses it, and deleting what somebody approved."""

from spothive.operations.waste.deleting import delete_due
from spothive.operations.waste.due import Deletion, Ending
from spothive.operations.waste.reading import (
    WasteFilter,
    WasteSum,
    approvals_of,
    find_waste,
    list_waste,
    sum_waste,
)
from spothive.operations.waste.scanning import WasteScan, scan_waste
from spothive.operations.waste.scheduling import keep, request_deletion, schedule_deletion
from spothive.operations.waste.undoing import WAYS_BACK

__all__ = [
    "WAYS_BACK",
    "Deletion",
    "Ending",
    "WasteFilter",
    "WasteScan",
    "WasteSum",
    "approvals_of",
    "delete_due",
    "find_waste",
    "keep",
    "list_waste",
    "request_deletion",
    "scan_waste",
    "schedule_deletion",
    "sum_waste",
]
