"""Sweeps: what has to be done again and again, each duty by one process at a time."""

from spothive.operations.sweeps.duties import DUTIES, Duty, find_duty
from spothive.operations.sweeps.leases import LeaseLost, Standing
from spothive.operations.sweeps.looping import keep_sweeping
from spothive.operations.sweeps.running import DutyStanding, Outcome, Run, list_duties, sweep
from spothive.operations.sweeps.work import Tools

__all__ = [
    "DUTIES",
    "Duty",
    "DutyStanding",
    "LeaseLost",
    "Outcome",
    "Run",
    "Standing",
    "Tools",
    "find_duty",
    "keep_sweeping",
    "list_duties",
    "sweep",
]
