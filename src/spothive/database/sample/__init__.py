"""A believable sample: made-up companies, their fleets and their history, in every table.

The same arguments give the same rows, ids included; only sealed values (sealing never gives the same token twice) and
what the database stamps itself (time and transaction of an audit row) differ. Left without rows are ``audit_seals``,
since a seal is a signature over audit rows and has to be a real one, made by sealing; and the roll-ups of decisions,
since those are counted over all tenants at once, by ``decision fold``.

Nobody can sign in as a user of a sample and no API key fits, every mail and web address ends in ``.example``, and the
prices are synthetic. Interruptions, though, block their pools for every tenant of the database: make a sample in a
database of its own.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from spothive.clock import utc_now
from spothive.database import postgresql
from spothive.database.connection import get_db_session, make_owner_engine, read_session
from spothive.database.sample.access import write_access
from spothive.database.sample.approvals import write_approvals
from spothive.database.sample.datasets import write_datasets
from spothive.database.sample.decisions import DecisionWriter, Progress
from spothive.database.sample.fleet import (
    FEWEST_INSTANCES,
    build_fleets,
    write_accounts,
    write_instances,
    write_later_facts,
)
from spothive.database.sample.governance import write_governance
from spothive.database.sample.interruptions import plan_interruptions, write_interruptions
from spothive.database.sample.market import SOURCE, Market
from spothive.database.sample.notices import write_notices
from spothive.database.sample.people import found_companies, slug_of, write_people
from spothive.database.sample.registry import name_of, write_experiments, write_graduations, write_models
from spothive.database.sample.scans import write_scans
from spothive.database.sample.waste import write_waste
from spothive.database.sample.work import write_work
from spothive.database.sample.world import Company, Period
from spothive.database.sample.writing import Writer
from spothive.database.tenancy import TenantSession, system_scope
from spothive.errors import Conflict, InvalidInput, SpothiveError
from spothive.keyring import Keyring
from spothive.models import Base, MlModel, OnDemandPrice, RollupWatermark, SpotPrice, Tenant, WasteResource
from spothive.models.decisions import COUNTING, open_from
from spothive.settings import get_settings

_log = logging.getLogger(__name__)

__all__ = ["MOST_DAYS", "MOST_INSTANCES", "MOST_SEED", "MOST_TENANTS", "Progress", "Sampled", "make_sample"]

MOST_TENANTS, MOST_INSTANCES, MOST_DAYS, MOST_SEED = 1000, 100_000, 365, 10**9


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was made.

    Attributes:
        slugs: slugs of the tenants.
        counts: rows by table, for each table that got some.
        seconds: how long it took.
        until: end of the history, UTC.
    """

    slugs: tuple[str, ...]
    counts: dict[str, int]
    seconds: float
    until: datetime


def make_sample(
    keyring: Keyring,
    *,
    tenants: int = 3,
    instances: int = 50,
    days: int = 30,
    seed: int = 1,
    until: datetime | None = None,
    progress: Progress = lambda _done, _expected: None,
) -> Sampled:
    """Write a sample in one transaction: all of it, or after an error or an interrupt nothing.

    On SQLite other writers wait meanwhile.

    Args:
        keyring: seals the sample's secrets.
        tenants: how many companies; their slugs are ``sample-<seed>-1`` and so on.
        instances: instances of each company; the replicas of some come on top.
        days: length of the history in days. Each running spot instance decides about once a day, so there are about
            tenants x instances x days decisions.
        seed: another seed makes other companies, beside those of the first.
        until: end of the history, aware; the last full hour when None.
        progress: told how many decisions are written and how many there will be, about.

    Raises:
        InvalidInput: a number is out of range, or ``until`` is naive or in the future.
        Conflict: this database has a sample of this seed already, or had one; or its prices are real; or it counted
            decisions of days that the sample would add to.
        SchemaOutdated: the database lacks a table.
    """
    started = time.monotonic()
    _refuse_sizes(tenants=tenants, instances=instances, days=days, seed=seed)
    period = Period(seed, days, _end(until))
    market = Market(period)
    companies = found_companies(period, tenants)
    build_fleets(period, market, companies, instances)
    with read_session() as session, system_scope(session, "a sample looks whether it may be made"):
        _refuse_neighbours(session, period, companies)
    with get_db_session() as session, system_scope(session, f"sample {seed} is made"):
        writer = Writer(session, period)
        _write(writer, keyring, market, companies, progress)
        writer.write_audit()
    _analyse()
    slugs = tuple(company.slug for company in companies)
    return Sampled(slugs, dict(writer.counts), time.monotonic() - started, period.until)


def _analyse() -> None:
    """Let PostgreSQL plan with what is there now. The sample is made already, so nothing that goes wrong undoes it."""
    try:
        engine = make_owner_engine(get_settings())
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:
                postgresql.analyse(connection, Base.metadata.tables)
    except SpothiveError as error:
        _log.warning("the sample is made, but PostgreSQL has no statistics of it yet: %s", error)


def _write(writer: Writer, keyring: Keyring, market: Market, companies: list[Company], progress: Progress) -> None:
    """Write street by street, parents before children; what follows from decisions comes after them."""
    period = writer.period
    announced, hive = plan_interruptions(period, companies)
    expected = period.days * sum(len(company.machines) for company in companies)
    write_people(writer, keyring, period, companies)
    market.write(writer, period)
    models = write_models(writer, period)
    write_accounts(writer, keyring, period, companies)
    write_instances(writer, market, period, companies)
    write_interruptions(writer, period, announced)
    experiments = write_experiments(writer, period, companies, models)
    write_graduations(writer, models)
    decisions = DecisionWriter(writer, period, market, hive, models)
    for company in companies:
        decisions.write(company, expected, progress)
    write_later_facts(writer, companies)
    wishes, found = write_waste(writer, period, companies, write_scans(writer, period, companies))
    write_approvals(writer, period, companies, wishes)
    writer.move(WasteResource, found)
    write_governance(writer, period, companies)
    write_access(writer, period, companies)
    write_work(writer, period, companies)
    write_notices(writer, keyring, period, companies, announced)
    write_datasets(writer, period, companies, experiments)


def _end(until: datetime | None) -> datetime:
    now = utc_now()
    if until is None:
        return now.replace(minute=0, second=0, microsecond=0)
    if until.utcoffset() is None or until > now:
        raise InvalidInput("a history ends now or earlier, at an aware time: pass until=datetime(..., tzinfo=UTC)")
    return until.astimezone(now.tzinfo).replace(microsecond=0)


def _refuse_sizes(*, tenants: int, instances: int, days: int, seed: int) -> None:
    for name, number, least, most in (
        ("tenants", tenants, 1, MOST_TENANTS),
        ("instances", instances, FEWEST_INSTANCES, MOST_INSTANCES),
        ("days", days, 1, MOST_DAYS),
        ("seed", seed, 0, MOST_SEED),
    ):
        if not least <= number <= most:
            raise InvalidInput(f"a sample has {least} to {most} for {name}, not {number}")


def _refuse_neighbours(session: TenantSession, period: Period, companies: list[Company]) -> None:
    """Refuse a second sample of a seed, even if the first one's tenants are gone, and synthetic beside real prices."""
    slugs = [slug_of(period.seed, company.number) for company in companies]
    if session.scalar(sa.select(MlModel.id).where(MlModel.name == name_of(period.seed)).limit(1)):
        raise Conflict(
            f"this database has, or had, a sample of seed {period.seed}: take another seed, or another database"
        )
    if taken := session.scalar(sa.select(Tenant.slug).where(Tenant.slug.in_(slugs)).limit(1)):
        raise Conflict(f"there is a tenant {taken}, which is no sample: take another seed")
    counted = sa.select(open_from(RollupWatermark.position)).where(RollupWatermark.name == COUNTING)
    if (closed := session.scalar(counted)) and period.start < closed:
        raise Conflict(
            f"this database has counted its decisions up to {closed:%Y-%m-%d}: make the sample in another database, or "
            "before the first `spothive decision fold`"
        )
    for model in (SpotPrice, OnDemandPrice):
        source = session.scalar(sa.select(model.source).where(model.source != SOURCE).limit(1))
        if source is not None:
            raise Conflict(
                f"this database holds prices from elsewhere ({source[:80]}): make the sample in another database"
            )
