from .deleting import delete_due
from .due import Deletion, Ending
from .reading import (
    WasteFilter,
    WasteSum,
    approvals_of,
    find_waste,
    list_waste,
    sum_waste,
)
from .scanning import WasteScan, scan_waste
from .scheduling import keep, request_deletion, schedule_deletion
from .undoing import WAYS_BACK

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
