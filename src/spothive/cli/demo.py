"""``spothive demo``: a whole fleet in a fresh database, and the database defending it, in under a minute."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from sqlalchemy import Update, delete, func, select, update

from spothive.cli import demo_aws, demo_trust
from spothive.clock import utc_now
from spothive.database import (
    Account,
    AccountStatus,
    AuditLog,
    Instance,
    InstanceState,
    Lifecycle,
    Role,
    TenantSession,
    User,
    dispose_engine,
    get_db_session,
    guards,
    read_session,
    run_all_migrations,
)
from spothive.database.connection import make_owner_engine
from spothive.database.passwords import hash_password
from spothive.database.seed_data import seed_initial_data
from spothive.errors import SpothiveError
from spothive.gateways.ec2_answer import read_answer
from spothive.gateways.fleet_stand_in import changed_answer, generated_answer, synthetic_prices
from spothive.operations.actor import Actor
from spothive.operations.fleet import FleetGroup, ScanResult, import_fleet, summarise_fleet
from spothive.operations.fleet.listing import GroupBy
from spothive.operations.identity import create_tenant, create_user, find_actor
from spothive.operations.risk import import_market, read_market
from spothive.settings import get_settings

DATABASE = Path("var/demo.db")
SERVER = Path("var/demo-postgresql")
FAMILIES_SHOWN = 12
IDS_SHOWN = 3
TO_TRY = (
    "instance list --family m6i",
    "risk list",
    "decision make --all",
    "savings report",
    "sla report",
    "waste list",
    "approval list",
    "hibernation list",
    "action list",
    "notify list --as anna",
    "webhook deliveries",
    "dataset list",
    "sweep --list --tenant platform",
    "audit verify",
    "doctor",
)
CUSTOMERS = (("acme", "Acme Corp", "anna"), ("globex", "Globex Inc", "bob"), ("initech", "Initech", "carl"))
"""Slug, name and user of each; the story is about the first two, and the third leaves."""


class Demo:
    """The story, told on a console."""

    def __init__(self, console: Console, data: Path, *, postgres: bool, full: bool = False) -> None:
        """Tell it on ``console``, with real AWS files where folder ``data`` has them; ``full`` omits nothing."""
        self.console = console
        self.data = data
        self.postgres = postgres
        self.full = full
        self.tenants: dict[str, tuple[Actor, UUID]] = {}
        self.password = os.urandom(12).hex()
        self.variables: dict[str, str] = {}

    def run(self) -> None:
        """Tell it all.

        Raises:
            SpothiveError: the database cannot be made or reached.
        """
        started = time.monotonic()
        place = self._fresh_database()
        self._people_and_prices()
        yesterday = self._import_fleets()
        self._show_fleet()
        self._import_changes(yesterday)
        demo_aws.tell(self)
        demo_trust.tell(self)
        self._defend()
        self.console.print()
        self.console.print(f"Done in {time.monotonic() - started:.1f} s. The database is {place}", soft_wrap=True)
        self._what_next()

    def _fresh_database(self) -> str:
        self.title("A fresh database")
        place = self._use_server() if self.postgres else self._use_file()
        with self.step("migrate") as done:
            done(f"at {run_all_migrations()}")
        with self.step("seed") as done:
            seeded = seed_initial_data()
            done(f"user admin, password {seeded.password or 'as in SPOTHIVE_ADMIN_PASSWORD'}, shown this once")
        return place

    def _use_file(self) -> str:
        for path in (DATABASE, *DATABASE.parent.glob(f"{DATABASE.name}-*")):
            path.unlink(missing_ok=True)
        self._use(DATABASE_URL=f"sqlite:///{DATABASE}", SPOTHIVE_EMBEDDED_POSTGRES="0")
        return str(DATABASE.absolute())

    def _use_server(self) -> str:
        from spothive.database.embedded_postgresql import shared_server

        self._use(SPOTHIVE_EMBEDDED_POSTGRES="1", SPOTHIVE_EMBEDDED_DIR=str(SERVER))
        shared_server(SERVER).recreate_database()
        return f"a PostgreSQL in {SERVER.absolute()}"

    def _use(self, **variables: str) -> None:
        """Point this process to the demo's database, whatever the environment says."""
        dispose_engine()
        os.environ.pop("SPOTHIVE_OWNER_URL", None)
        self.set_variables(**variables)

    def _people_and_prices(self) -> None:
        self.title("Three customers who know nothing of each other")
        admin, platform = find_actor("admin", "platform", via="demo")
        password = hash_password(self.password)
        for slug, name, username in CUSTOMERS:
            with self.step(f"tenant {slug}") as done:
                with get_db_session(tenant=platform) as session:
                    tenant_id = create_tenant(session, admin, slug=slug, name=name).id
                with get_db_session(tenant=tenant_id) as session:
                    email = f"{username}@{slug}.example"
                    create_user(
                        session,
                        admin,
                        username=username,
                        email=email,
                        role=Role.CLIENT,
                        password_hash=password,
                    )
                self.tenants[slug] = find_actor(username, slug, via="demo")
                done(f"with {username}, role client")
        file = self.data / "on-demand-prices.json"
        content = file.read_bytes() if file.is_file() else json.dumps(synthetic_prices()).encode()
        with self.step("on-demand prices") as done, get_db_session(tenant=platform) as session:
            read = read_market(file.name, content)
            done(f"{import_market(session, admin, read).added} from {read.source}")

    def _import_fleets(self) -> dict[str, object]:
        self.title("What AWS printed, in the database")
        file = self.data / "describe-instances.json"
        if file.is_file():
            self._import("acme", "recorded", file.name, file.read_bytes())
        now = utc_now()
        yesterday = generated_answer(owner_id="111122223333", seed=7, now=now - timedelta(days=1))
        self._import("acme", "production", "a generated answer", json.dumps(yesterday).encode())
        for slug, owner_id, seed in (("globex", "444455556666", 8), ("initech", "777788889999", 9)):
            other = generated_answer(owner_id=owner_id, instance_types=40, seed=seed, now=now)
            self._import(slug, "production", "a generated answer", json.dumps(other).encode())
        return yesterday

    def _import(self, slug: str, name: str, source: str, content: bytes) -> ScanResult:
        actor, tenant_id = self.tenants[slug]
        with self.step(f"{slug}: account {name}") as done:
            answer = read_answer(source, content)
            with get_db_session(tenant=tenant_id) as session:
                result = import_fleet(session, actor, name=name, answer=answer)
            done(
                f"{result.seen} instances seen, {len(result.added)} added, {len(result.changed)} changed, "
                f"{len(result.vanished)} gone, {len(result.refused)} refused"
            )
        return result

    def _show_fleet(self) -> None:
        self.title("Acme's fleet")
        with read_session(tenant=self.tenants["acme"][1]) as session:
            for by in ("region", "family", "lifecycle", "cluster"):
                self.console.print(_groups_table(by, summarise_fleet(session, by)))

    def _import_changes(self, yesterday: dict[str, object]) -> None:
        self.title("A day later: what exactly changed")
        content = json.dumps(changed_answer(yesterday, now=utc_now())).encode()
        result = self._import("acme", "production", "today's answer", content)
        self.show_changes(result)
        again = self._import("acme", "production", "the same answer again", content)
        if again.added or again.changed or again.vanished:
            msg = "importing the same answer twice changed something: this is a defect"
            raise RuntimeError(msg)

    def show_changes(self, result: ScanResult) -> None:
        """Show each kind of change once."""
        self.console.print(_changes_table(result, shown=result.seen + len(result.vanished) if self.full else IDS_SHOWN))
        if not self.full:
            self.console.print("  `spothive demo --full` names every instance.")

    def _defend(self) -> None:
        self.title("What the database refuses")
        self._refused("anna writes an instance into bob's account", self._cross_tenant_write)
        self._refused("an account becomes active without having connected", self._illegal_move)
        self.title("The third customer leaves: what that cascades to")
        self._cascade()

    def _refused(self, attempt: str, act: Callable[[TenantSession], None]) -> None:
        try:
            with get_db_session(tenant=self.tenants["acme"][1]) as session:
                act(session)
        except SpothiveError as refusal:
            self.console.print(f"  {attempt}")
            self.console.print(Padding(f"{type(refusal).__name__}: {refusal}", (0, 0, 0, 4), style="red", expand=False))
            return
        msg = f"{attempt}: the database let it pass, this is a defect"
        raise RuntimeError(msg)

    def _cross_tenant_write(self, session: TenantSession) -> None:
        with read_session(tenant=self.tenants["globex"][1]) as globex:
            account_id = globex.scalars(select(Account.id)).first()
        session.add(
            Instance(
                account_id=account_id,
                instance_id="i-0123456789abcdef0",
                instance_type="m6i.large",
                region="us-east-1",
                availability_zone="us-east-1a",
                state=InstanceState.RUNNING,
                lifecycle=Lifecycle.SPOT,
                content_hash=0,
            )
        )

    @staticmethod
    def _illegal_move(session: TenantSession) -> None:
        session.execute(update(Account).values(status=AccountStatus.ACTIVE))

    def _cascade(self) -> None:
        tenant_id = self.tenants["initech"][1]
        counted = (User, Account, Instance, AuditLog)
        with get_db_session(tenant=tenant_id) as session:
            before = [session.scalar(select(func.count()).select_from(model)) for model in counted]
            session.execute(delete(User).where(User.username == "carl"))
        with read_session(tenant=tenant_id) as session:
            after = [session.scalar(select(func.count()).select_from(model)) for model in counted]
        table = Table("initech", "before", "after", title="one DELETE of user carl", title_justify="left")
        for model, was, now in zip(counted, before, after, strict=True):
            table.add_row(model.__tablename__, str(was), str(now))
        self.console.print(table)
        self.console.print("  The audit trail stays, whoever goes.")

    def _what_next(self) -> None:
        self.console.print("Try next:")
        for name, value in (self.variables | {"SPOTHIVE_TENANT": "acme"}).items():
            self.console.print(f"  export {name}={shlex.quote(value)}", soft_wrap=True)
        for command in TO_TRY:
            self.console.print(f"  .venv/bin/spothive {command}")

    def set_variables(self, **variables: str) -> None:
        """Set variables of the environment, for this process and for whoever goes on after the demo."""
        self.variables |= variables
        os.environ.update(variables)
        get_settings.cache_clear()

    @staticmethod
    def as_owner(*changes: Update) -> None:
        """Make changes that the guards refuse, as only the owner of the database can: he takes them down meanwhile."""
        engine = make_owner_engine(get_settings())
        with engine.begin() as connection:
            guards.lower_all(connection)
            for change in changes:
                connection.execute(change)
            guards.raise_all(connection)
        engine.dispose()

    def own_path(self, name: str) -> Path:
        """Return where this demo keeps a thing; that on PostgreSQL does not touch what the other one left behind."""
        return SERVER.with_name(f"{SERVER.name if self.postgres else DATABASE.stem}-{name}")

    def title(self, text: str) -> None:
        """Begin a chapter."""
        self.console.print()
        self.console.print(text, style="bold")

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """Print ``what``, then how long it took and what the block reports."""
        started, said = time.monotonic(), [""]
        with self.console.status(what):
            yield lambda text: said.__setitem__(0, text)
        self.console.print(f"  {what:<28} {time.monotonic() - started:5.2f} s  {said[0]}", soft_wrap=True)


def _groups_table(by: GroupBy, groups: list[FleetGroup]) -> Table:
    table = Table(title=f"by {by}", title_justify="left", min_width=60)
    table.add_column(by)
    for heading in ("live instances", "running", "USD a month on demand", "unpriced"):
        table.add_column(heading, justify="right")
    shown, rest = groups[:FAMILIES_SHOWN], groups[FAMILIES_SHOWN:]
    if rest:
        sums = [sum(getattr(g, name) for g in rest) for name in ("instances", "billed", "monthly_cost", "unpriced")]
        shown = [*shown, FleetGroup(f"{len(rest)} others", *sums)]
    for group in shown:
        cost = f"{group.monthly_cost:,.2f}" if group.billed > group.unpriced else "-"
        table.add_row(group.key, str(group.instances), str(group.billed), cost, str(group.unpriced or "-"))
    return table


def _changes_table(result: ScanResult, *, shown: int) -> Table:
    """Group what changed: each kind of change once, with (at most ``shown`` of) the instances it happened to."""
    kinds: dict[str, list[str]] = defaultdict(list, {"new": result.added, "gone": result.vanished})
    for change in result.changes:
        kinds[f"{change.name} {change.before or 'none'} > {change.after or 'none'}"].append(change.instance_id)
    in_columns = {change.instance_id for change in result.changes}
    kinds["tags or network"] = [i for i in result.changed if i not in in_columns]
    table = Table("what changed")
    table.add_column("instances", justify="right")
    table.add_column("which", overflow="fold")
    for kind, ids in sorted(kinds.items(), key=lambda entry: -len(entry[1])):
        if ids:
            more = f" and {len(ids) - shown} more" if len(ids) > shown else ""
            table.add_row(kind, str(len(ids)), " ".join(ids[:shown]) + more)
    return table
