"""``spothive health``: how the parts of spothive do."""

from __future__ import annotations

from dataclasses import asdict

from spothive.cli.call import Call, CheckFailed
from spothive.cli.output import Column

COLUMNS = (
    Column("component", "component"),
    Column("status", "status"),
    Column("checked", "last_check"),
    Column("passed 24 h", "success_count_24h", right=True, optional=True),
    Column("failed 24 h", "failure_count_24h", right=True, optional=True),
    Column("mean ms", "avg_execution_time_ms", right=True, optional=True),
    Column("what was seen", "message", fold=True),
)


def show_health(call: Call, *, stored: bool) -> None:
    """Check every part, or with ``stored`` read what was found last, and print it.

    Raises:
        CheckFailed: a part is down.
        Denied: the actor may not check; reading what was found is for everybody.
    """
    from spothive.database import get_db_session
    from spothive.database.system_logs import get_component_health
    from spothive.errors import DatabaseUnavailable
    from spothive.operations import health

    try:
        if stored:
            with call.reading() as session:
                found = get_component_health(session)
        else:
            found = health.check_health(get_db_session, call.actor, tenant_id=call.tenant_id)
    except DatabaseUnavailable as error:
        found = health.unreachable(error)
    rows = [asdict(part) for part in found]
    call.out.json(rows)
    call.out.table(rows, COLUMNS, empty="nothing was checked yet: spothive health")
    if not stored and not all(part.recorded for part in found):
        call.out.line("the database did not take this down")
    down = [part.component for part in found if part.status == "down"]
    if down:
        msg = f"{', '.join(down)}: down"
        raise CheckFailed(msg)
