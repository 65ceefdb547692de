from .consuming import consume
from .deciding import approve, expire_approvals, reject
from .executing import Executed, execute_approved
from .reading import (
    ApprovalFilter,
    find_approval,
    has_outcome,
    list_approvals,
    target_name,
)
from .requesting import request_approval, request_switch, set_auto_approval

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
