"""The queue of agents' actions: enqueue in your transaction; claim, lease, finish.

Handed out at least once, fenced by the number of the hand-out, timed by the database's clock. What it costs does not
grow with what has ended. Whoever may do what, and what follows for jobs, is the business of ``operations/jobs``.
"""

from spothive.queue.asking import asked_for, enqueue
from spothive.queue.ending import ENDED_AT_ONCE, Ended, end_overdue
from spothive.queue.exchanging import claim, complete, exchange, extend, fail, report
from spothive.queue.terms import (
    CLAIMED_AT_ONCE,
    LONGEST_LEASE,
    Exchanged,
    HandedOut,
    Lease,
    Order,
    Report,
    Reported,
)

__all__ = [
    "CLAIMED_AT_ONCE",
    "ENDED_AT_ONCE",
    "LONGEST_LEASE",
    "Ended",
    "Exchanged",
    "HandedOut",
    "Lease",
    "Order",
    "Report",
    "Reported",
    "asked_for",
    "claim",
    "complete",
    "end_overdue",
    "enqueue",
    "exchange",
    "extend",
    "fail",
    "report",
]
