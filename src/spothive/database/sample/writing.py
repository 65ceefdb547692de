"""How rows reach the tables: many at once, born in the first state and moved from there like any other row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from spothive.database.bulk import insert_rows, update_rows
from spothive.database.sample.world import ACTOR, Period, Row
from spothive.database.tenancy import TenantSession
from spothive.models import AuditLog, Base, Outcome, ResourceType

BATCH = 2_000
"""Rows that are held and sent at once; a fraction of a second for either database."""


@dataclass(slots=True)
class Life:
    """A row as it was born, and what was changed in it since, step by step."""

    born: Row
    steps: list[Row] = field(default_factory=list)

    def then(self, change: Row) -> Life:
        """Add the next step."""
        self.steps.append(change)
        return self


class Writer:
    """Writes through one session in system scope; counts the rows of each table and remembers what to audit."""

    def __init__(self, session: TenantSession, period: Period) -> None:
        """Write into the transaction of ``session``; the caller commits."""
        self.session = session
        self.counts: Counter[str] = Counter()
        self.period = period
        self._made: list[tuple[UUID, ResourceType, str]] = []

    def insert(self, model: type[Base], rows: Iterable[Row]) -> None:
        """Insert ``rows``, which all have the same columns."""
        for batch in _batches(list(rows)):
            insert_rows(self.session, model, batch)
            self.counts[model.__tablename__] += len(batch)

    def insert_lives(self, model: type[Base], lives: Sequence[Life]) -> None:
        """Insert rows as they were born, then take each through its steps."""
        self.insert(model, (life.born for life in lives))
        self.move(model, lives)

    def move(self, model: type[Base], lives: Sequence[Life]) -> None:
        """Take stored rows through their steps: one UPDATE for all that change the same columns in the same step."""
        key = [column.name for column in model.__table__.primary_key]
        for number in range(max((len(life.steps) for life in lives), default=0)):
            alike: dict[tuple[str, ...], list[Row]] = {}
            for life in lives:
                if number < len(life.steps):
                    change = life.steps[number]
                    alike.setdefault(tuple(change), []).append({name: life.born[name] for name in key} | change)
            for rows in alike.values():
                for batch in _batches(rows):
                    update_rows(self.session, model, batch)

    def made(self, tenant_id: UUID, resource_type: ResourceType, resource: str) -> None:
        """Remember that the sample made ``resource``, for the audit trail of its tenant."""
        self._made.append((tenant_id, resource_type, resource))

    def write_audit(self) -> None:
        """Write one audit row for each thing that was made. Its time is the database's own: it is made now."""
        dice = self.period.dice("audit")
        rows = (
            {
                "tenant_id": tenant_id,
                "id": dice.id_at(self.period.until),
                "actor_name": ACTOR,
                "event": "sample.created",
                "resource": resource,
                "resource_type": resource_type,
                "outcome": Outcome.SUCCESS,
            }
            for tenant_id, resource_type, resource in self._made
        )
        self.insert(AuditLog, rows)


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for first in range(0, len(rows), BATCH):
        yield rows[first : first + BATCH]
