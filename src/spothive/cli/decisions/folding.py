"""``spothive decision fold``."""

from __future__ import annotations

from spothive.cli.call import Call, command
from spothive.cli.decisions.group import decision_commands


@command(decision_commands, "fold")
def fold_decisions(call: Call) -> None:
    """Count the decisions of finished days.

    A day is finished 24 hours after its end (UTC); it takes no decision any more.
    What is counted is counted once, however often this runs: put it on a timer.
    For staff of platform.
    """
    from datetime import date

    from spothive.database import get_db_session
    from spothive.operations import decisions

    done = decisions.fold_decisions(get_db_session, call.actor)
    until = None if done.counted_until == date.min else done.counted_until.isoformat()
    call.out.json(
        {
            "days": done.days,
            "decisions": done.decisions,
            "rollups": done.rollups,
            "waiting": done.waiting,
            "counted_until": until,
        }
    )
    call.out.line(f"counted {done.decisions} decisions of {_days(done.days)} into {done.rollups} rows")
    if until:
        call.out.line(f"all days before {until} (UTC) are counted")
    if done.waiting:
        call.out.line(f"{_days(done.waiting)} more once the transactions are over that were open before: try again")


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
