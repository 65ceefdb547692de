from .duties import DUTIES, Duty, find_duty
from .leases import LeaseLost, Standing
from .looping import keep_sweeping
from .running import DutyStanding, Outcome, Run, list_duties, sweep
from .work import Tools

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
