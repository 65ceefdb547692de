"""Who and what the sample is about: the made-up companies, as every street of it knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from spothive.database.sample.chance import Dice
from spothive.models import AccountStatus, EnvironmentType, Role

Row = dict[str, Any]

ACTOR = "spothive (sample)"
"""Who made the rows, wherever a row says so."""


@dataclass(frozen=True, slots=True)
class Period:
    """The stretch of history that is told: ``days`` whole days before ``until``, drawn with ``seed``."""

    seed: int
    days: int
    until: datetime

    @property
    def start(self) -> datetime:
        """First moment of the decisions."""
        return self.until - timedelta(days=self.days)

    @property
    def founded(self) -> datetime:
        """When the companies became customers, long enough before for a fleet to be there."""
        return self.start - timedelta(days=60)

    def dice(self, *about: object) -> Dice:
        """Return the dice for one part of the sample."""
        return Dice(self.seed, *about)


@dataclass(frozen=True, slots=True)
class Person:
    """One user."""

    id: UUID
    username: str
    email: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class AwsAccount:
    """One account; it is ``proven`` if AWS has confirmed it."""

    id: UUID
    account_id: str
    name: str
    environment: EnvironmentType
    status: AccountStatus
    regions: tuple[str, ...]
    joined: datetime

    @property
    def active(self) -> bool:
        """Whether it is discovered and its instances are decided about."""
        return self.status == AccountStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class Group:
    """One Kubernetes cluster."""

    id: UUID
    name: str
    account: AwsAccount
    region: str
    agent: bool


@dataclass(slots=True, eq=False)
class Machine:
    """One instance. What happens to it in the history is set while that is told."""

    id: UUID
    instance_id: str
    account: AwsAccount
    cluster: Group | None
    type: str
    zone: str
    spot: bool
    launched: datetime
    rogue: bool = False
    stopped: bool = False
    terminated: datetime | None = None
    replica_of: Machine | None = None
    replica_expiry: datetime | None = None
    decides_from: datetime | None = None
    guarded: bool = False
    last_decision: datetime | None = None
    born: Row = field(default_factory=dict)

    @property
    def region(self) -> str:
        """Region of its zone."""
        return self.zone[:-1]

    @property
    def pool(self) -> str:
        """Its spot pool, as the risk tables spell it."""
        return f"{self.zone[:-1]}:{self.zone}:{self.type}"

    def alive_at(self, moment: datetime) -> bool:
        """Tell whether it existed at ``moment``."""
        return self.launched <= moment and (self.terminated is None or moment < self.terminated)


@dataclass(frozen=True, slots=True)
class Switch:
    """A decision to leave a pool, for the streets that follow it up."""

    decision_id: UUID
    machine: Machine
    at: datetime
    zone: str
    type: str
    saving: Decimal
    acted: bool


@dataclass(slots=True)
class Company:
    """One made-up tenant and all that is known of it."""

    number: int
    tenant_id: UUID
    slug: str
    name: str
    people: list[Person] = field(default_factory=list)
    accounts: list[AwsAccount] = field(default_factory=list)
    clusters: list[Group] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)

    @property
    def owner(self) -> Person:
        """The client who runs the company's accounts."""
        return self.people[0]

    @property
    def second(self) -> Person:
        """Another client, who decides on what the owner asks for."""
        return self.people[1]

    def row(self, dice: Dice, at: datetime, **values: Any) -> Row:
        """Return a row of this tenant that was written at ``at``."""
        return {"tenant_id": self.tenant_id, "id": dice.id_at(at), "created_at": at, "updated_at": at, **values}

    def entry(self, dice: Dice, at: datetime, **values: Any) -> Row:
        """Return a row of one of this tenant's logs, which are never changed."""
        return {"tenant_id": self.tenant_id, "id": dice.id_at(at), "timestamp": at, **values}


def shared_row(dice: Dice, at: datetime, **values: Any) -> Row:
    """Return a row of a table that all tenants share, written at ``at``."""
    return {"id": dice.id_at(at), "created_at": at, "updated_at": at, **values}


def step(at: datetime, **changes: Any) -> Row:
    """Return what was changed in a row at ``at``."""
    return {"updated_at": at, **changes}
