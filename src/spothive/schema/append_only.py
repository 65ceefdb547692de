"""Tables that only ever grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from spothive.schema.refusal import Refusal, by_system, never_again, off_the_clock, older_than

CLOCK_TOLERANCE = 5
"""Seconds by which a stamped row's time may differ from SQLite's own clock."""


@dataclass(frozen=True)
class AppendOnly:
    """Rows are never changed, and never deleted unless ``prune_after_hours`` says when history may go.

    Attributes:
        prune_after_hours: system scope may delete rows whose ``timestamp`` is older; None: nobody, ever.
        stamped: the database vouches for ``timestamp`` and ``txid``. PostgreSQL sets both, whatever was sent;
            SQLite refuses a time more than 5 s off and any ``txid`` but 0.
    """

    prune_after_hours: int | None = None
    stamped: bool = False

    def refusals(self, table: sa.Table) -> Iterator[Refusal]:
        """Yield the triggers for ``table``."""
        message = f"{table.name} is append-only: its rows are not changed"
        yield Refusal(rule=f"ao_{table.name}_update", events=("update",), when=lambda *_: sa.true(), message=message)
        yield never_again(table)
        hours = self.prune_after_hours
        kept = "not deleted" if hours is None else f"kept for {hours // 24} days"
        yield Refusal(
            rule=f"ao_{table.name}_delete",
            events=("delete",),
            when=lambda old, _: (
                sa.true() if hours is None else sa.not_(sa.and_(by_system(), older_than(old.c.timestamp, hours)))
            ),
            message=f"{table.name} is append-only: its rows are {kept}",
        )
        yield Refusal(
            rule=f"ao_{table.name}_truncate",
            events=("truncate",),
            when=lambda *_: sa.true(),
            message=message,
            dialects=("postgresql",),
        )
        if self.stamped:
            yield Refusal(
                rule=f"ao_{table.name}_clock",
                events=("insert",),
                when=lambda _, new: sa.or_(off_the_clock(new.c.timestamp, CLOCK_TOLERANCE), new.c.txid != 0),
                message=f"{table.name}.timestamp is the present, as the database sees it, and txid is 0",
                dialects=("sqlite",),
            )

    def stamp_statements(self, table: sa.Table) -> Iterator[str]:
        """Yield PostgreSQL's trigger that sets time and transaction of a stamped row."""
        if self.stamped:
            yield (
                f"CREATE TRIGGER stamp_{table.name} BEFORE INSERT ON {table.name} FOR EACH ROW\n"
                "EXECUTE FUNCTION spothive_stamp()"
            )
