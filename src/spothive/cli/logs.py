"""``spothive logs``: what the system did, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from spothive.cli.call import Call
from spothive.cli.moments import moment, to_the_second
from spothive.cli.output import Column

if TYPE_CHECKING:
    from spothive.models import SystemLog

COLUMNS = (
    Column("when", "timestamp", to_the_second),
    Column("level", "level"),
    Column("component", "component"),
    Column("action", "action"),
    Column("message", "message", fold=True),
    Column("who", "person_name", fold=True, optional=True),
    Column("ms", "execution_time_ms", right=True, optional=True),
)

# The levels of the model, spelled out: the model's module would cost `spothive --help` half a second.
Level = Literal["debug", "info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; what is None does not matter. ``since`` and ``until`` are as they were typed."""

    level: str | None
    component: str | None
    action: str | None
    user: str | None
    since: str | None
    until: str | None
    limit: int
    before: str | None


def show_logs(call: Call, wanted: Wanted) -> None:
    """Print one page of the tenant's log.

    Raises:
        InvalidInput: an option has a value that cannot be used.
    """
    from spothive.database.system_logs import get_recent_logs
    from spothive.models import LogLevel

    with call.reading() as session:
        page = get_recent_logs(
            session,
            wanted.limit,
            level=LogLevel(wanted.level) if wanted.level else None,
            component=wanted.component,
            action=wanted.action,
            user=wanted.user,
            since=moment(wanted.since, "--since"),
            until=moment(wanted.until, "--until"),
            before=wanted.before,
        )
    rows = [_facts(row) for row in page.rows]
    call.out.json({"logs": rows, "next": page.next})
    call.out.table(rows, COLUMNS, empty="nothing was logged")
    if page.next:
        call.out.line(f"older ones: --before {page.next}")


def _facts(row: SystemLog) -> dict[str, Any]:
    return {
        "id": row.id,
        "timestamp": row.timestamp,
        "level": row.level,
        "component": row.component,
        "action": row.action,
        "message": row.message,
        "user_id": row.user_id,
        "person_name": row.person_name,
        "execution_time_ms": row.execution_time_ms,
        "details": row.details,
    }
