"""One run of a duty as its steps see it: whom it is done for, what it came to, and whether it may go on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, select

from spothive.anchor import Anchor
from spothive.database import TenantSession, read_session, system_scope
from spothive.errors import DatabaseUnavailable, SpothiveError
from spothive.gateways.aws import AwsGateway
from spothive.gateways.dataset_store import DatasetStore
from spothive.gateways.mail import Mailer
from spothive.gateways.webhooks import WebhookSender
from spothive.keyring import Keys
from spothive.models import Tenant
from spothive.operations.actor import Actor, spothive_itself
from spothive.operations.notifications import Turns
from spothive.operations.sessions import Sessions
from spothive.operations.sweeps.leases import Lease, LeaseLost
from spothive.signing import SigningKeys

_log = logging.getLogger(__name__)

TENANTS_AT_ONCE: Final = 500
"""Tenants that are read at once; each is worked for in transactions of its own."""

_REASON_MAX = 1000


class Stopped(SpothiveError):
    """Whoever runs the sweep has asked it to end; the tenant, or the resource, at hand was finished."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What duties are given from outside.

    Attributes:
        gateway: the way to AWS.
        keys: loads the keyring.
        signing_keys: loads the keys that sign audit trails.
        anchor: finds the anchor.
        mailer: makes what carries mails.
        webhook_sender: makes what sends webhooks.
        datasets: finds the folder of datasets.
    """

    gateway: AwsGateway
    keys: Keys
    signing_keys: Callable[[], SigningKeys]
    anchor: Callable[[], Anchor]
    mailer: Callable[[], Mailer]
    webhook_sender: Callable[[], WebhookSender]
    datasets: Callable[[], DatasetStore]


@dataclass(frozen=True, slots=True)
class ForTenant:
    """A tenant for which a duty is done."""

    id: UUID
    slug: str


@dataclass(slots=True)
class Work:
    """What a duty works with, and what it came to so far.

    Attributes:
        sessions: opens transactions, as ``get_db_session`` does.
        tools: what is given from outside.
        lease: what makes this process the one that does it.
        is_to_stop: whether it was asked to end.
        under_way: the tenants that this process works for in threads, which may outlast the run; None: none may.
        turns: the webhooks that this process sends to in threads, which may outlast the run; None: none may.
        actor: spothive itself.
        counts: what was done, by name.
        failures: what could not be done, with the reason: a tenant, a part of one, or something else with a name.
    """

    sessions: Sessions
    tools: Tools
    lease: Lease
    is_to_stop: Callable[[], bool] = lambda: False
    under_way: set[UUID] | None = None
    turns: Turns | None = None
    actor: Actor = field(default_factory=lambda: spothive_itself("sweep"))
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    def go_on(self) -> None:
        """Return if the next step may be taken.

        Raises:
            Stopped: the run was asked to end.
            LeaseLost: another process has the duty.
        """
        if self.is_to_stop():
            msg = "the sweep was asked to end"
            raise Stopped(msg)
        self.lease.keep()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Do a part that must not stop the others: what goes wrong in it is noted under ``name``.

        Raises:
            Stopped: as in :meth:`go_on`; likewise LeaseLost.
            DatabaseUnavailable: no part can be done any more.
        """
        self.go_on()
        with self.noting(name):
            yield

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Note under ``name`` what goes wrong in the block, without asking whether to go on; raises as :meth:`part`."""
        try:
            yield
        except (Stopped, LeaseLost, DatabaseUnavailable):
            raise
        except SpothiveError as error:
            self.fail(name, str(error))
        except Exception as error:  # noqa: BLE001 - a defect in one part is no reason to leave the others undone
            _log.error("a part of a duty broke: %s", name, exc_info=error)
            self.fail(name, f"a defect of spothive: {type(error).__name__}")  # its words may hold anything

    def fail(self, name: str, reason: str) -> None:
        """Note that something could not be done."""
        self.failures[name] = reason[:_REASON_MAX]

    def tenants(self, *having: ColumnElement[bool], suspended: bool = True) -> Iterator[ForTenant]:
        """Yield the tenants in the order of their ids, read page by page while the caller works for them.

        Args:
            having: only those of which all of this is true; one that has nothing to be done costs nothing.
            suspended: those that are suspended, too.
        """
        query = select(Tenant.id, Tenant.slug).where(*having).order_by(Tenant.id).limit(TENANTS_AT_ONCE)
        if not suspended:
            query = query.where(Tenant.is_active)
        page = [ForTenant(*row) for row in self._read(query)]
        while page:
            yield from page
            page = [ForTenant(*row) for row in self._read(query.where(Tenant.id > page[-1].id))]

    def for_each_tenant(
        self, having: ColumnElement[bool], name: str, verb: Callable[[TenantSession, Actor], int]
    ) -> None:
        """Do ``verb`` for each tenant of which ``having`` is true, in a transaction of its own.

        What it returns is counted as ``name``.
        """
        for tenant in self.tenants(having):
            with self.part(tenant.slug), self.sessions(tenant=tenant.id) as session:
                self.counts[name] += verb(session, self.actor)

    def slugs(self) -> dict[UUID, str]:
        """Return what the tenants are called; one that was deleted has no name any more. One statement."""
        return dict(self._read(select(Tenant.id, Tenant.slug)))

    def _read(self, query: Any) -> list[Any]:
        with read_session() as session, system_scope(session, "the sweep looks for tenants"):
            return [tuple(row) for row in session.execute(query)]
