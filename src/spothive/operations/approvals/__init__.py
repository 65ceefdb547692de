"""Approvals: asking, deciding, and doing what was approved once."""

from spothive.operations.approvals.consuming import consume
from spothive.operations.approvals.deciding import approve, expire_approvals, reject
from spothive.operations.approvals.executing import Executed, execute_approved
from spothive.operations.approvals.reading import (
    ApprovalFilter,
    find_approval,
    has_outcome,
    list_approvals,
    target_name,
)
from spothive.operations.approvals.requesting import request_approval, request_switch, set_auto_approval

__all__ = [
    "ApprovalFilter",
    "Executed",
    "approve",
    "consume",
    "execute_approved",
    "expire_approvals",
    "find_approval",
    "has_outcome",
    "list_approvals",
    "reject",
    "request_approval",
    "request_switch",
    "set_auto_approval",
    "target_name",
]
