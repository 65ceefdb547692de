"""The part of the demo about change: what nobody needs is ended and put to sleep, each time as somebody has said."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.padding import Padding
from rich.table import Table
from sqlalchemy import select, update

from spothive import runtime
from spothive.cli.clusters.week_grid import draw_week
from spothive.cli.output import cell, monthly
from spothive.clock import utc_now
from spothive.database import AuthStatus, Instance, InstanceState, Role, get_db_session, read_session
from spothive.database.passwords import hash_password
from spothive.errors import SpothiveError
from spothive.models import (
    Account,
    ApprovalAction,
    Cluster,
    ScanKind,
    ScanRun,
    SleepState,
    WasteResource,
    WasteStatus,
    WasteType,
)
from spothive.operations import clusters, waste
from spothive.operations.approvals import approve, execute_approved, request_approval
from spothive.operations.fleet import discover_account
from spothive.operations.identity import create_user, find_actor
from spothive.operations.sweeps import DUTIES, Tools, sweep

if TYPE_CHECKING:
    from spothive.cli.demo import Demo
    from spothive.cli.demo_telling import TellingStory
    from spothive.gateways.aws import AwsGateway
    from spothive.gateways.aws_stand_in import StandInAccount
    from spothive.operations.fleet import ScanResult

ACCOUNT, REGION, CLUSTER = "by-role", "eu-west-1", "shop-staging"
"""The account of acme that lets spothive act, and where it has gathered waste."""

A_DAY = timedelta(hours=24, minutes=1)
OFFICE_HOURS = "mon-fri 07:00-19:00"
LATER = frozenset({"market", "sealing"})
"""Duties that the story leaves out: what the first asks for is there, and the second has no key yet."""


class ChangeStory:
    """What is done to an account of acme, and who has to agree, within a demo."""

    def __init__(self, demo: Demo, gateway: AwsGateway, account: StandInAccount, telling: TellingStory) -> None:
        """Tell it within ``demo``; ``account`` is acme's, at AWS, and ``telling`` says who hears of it."""
        self.demo = demo
        self.account = account
        self.telling = telling
        self.anna, self.acme = demo.tenants["acme"]
        self.admin, self.platform = find_actor("admin", "platform", via="demo")
        self.by_aws: dict[str, Any] = {"tenant_id": self.acme, "gateway": gateway, "keys": runtime.keyring}
        self.tools = Tools(
            gateway,
            runtime.keyring,
            runtime.signing_keys,
            runtime.audit_anchor,
            telling.mailer,
            telling.sender,
            telling.store,
        )

    def run(self) -> None:
        """Tell it all."""
        self.telling.add_webhook()
        self.demo.title("An instance that nobody answers for")
        self._end_a_rogue()
        self.demo.title("What costs money while nothing uses it")
        self._find_waste()
        self._delete_waste()
        self.demo.title("A cluster that sleeps at night")
        cluster = self._hibernate()
        self.telling.ask_an_agent(cluster, f"{ACCOUNT}/{REGION}/{CLUSTER}")
        self.telling.let_time_pass(cluster)
        self.demo.title("Who does all this from now on")
        self._sweep()
        self.telling.show_what_was_told()
        self.telling.make_dataset()

    # --- rogue instances ----------------------------------------------------------------------------------------------

    def _end_a_rogue(self) -> None:
        found = self._flagged()
        with self.demo.step("a day passes") as done:
            with get_db_session(tenant=self.acme) as session:
                since = update(Instance).where(Instance.id == found.id).values(flagged_at=utc_now() - A_DAY)
                session.execute(since)
            judged = self._discover()
            done(f"discovery calls {', '.join(judged.unauthorized)} unauthorized")
        with self.demo.step("anna: approval request") as done:
            request_id = self._ask(found)
            done(f"CRITICAL: {found.instance_id} is to be terminated")
        self._refused(request_id)
        root = self._make_root()
        with self.demo.step("root: approval approve") as done:
            with get_db_session(tenant=self.acme) as session:
                approve(session, root, request_id)
            done("for 2 hours, for this instance as it is now, once")
        with self.demo.step("anna: approval execute") as done:
            executed = execute_approved(get_db_session, self.anna, request_id=request_id, **self.by_aws)
            done(f"{executed.target} is {executed.state} at AWS")

    def _flagged(self) -> Instance:
        """Return an instance of acme's that discovery has flagged, and that runs."""
        with read_session(tenant=self.acme) as session:
            flagged = (Instance.auth_status == AuthStatus.FLAGGED, Instance.state == InstanceState.RUNNING)
            query = select(Instance).join(Account, Account.id == Instance.account_id)
            return session.scalars(query.where(Account.account_name == ACCOUNT, *flagged).limit(1)).one()

    def _discover(self) -> ScanResult:
        return discover_account(get_db_session, self.anna, name=ACCOUNT, **self.by_aws)

    def _ask(self, instance: Instance) -> UUID:
        action, why = ApprovalAction.TERMINATE_ROGUE, "a machine that nobody knows"
        with get_db_session(tenant=self.acme) as session:
            return request_approval(session, self.anna, action=action, target_id=instance.id, description=why).id

    def _refused(self, request_id: UUID) -> None:
        """Show that nobody approves what they asked for."""
        attempt = "anna approves her own request"
        try:
            with get_db_session(tenant=self.acme) as session:
                approve(session, self.anna, request_id)
        except SpothiveError as refusal:
            self.demo.console.print(f"  {attempt}")
            text = f"{type(refusal).__name__}: {refusal}"
            self.demo.console.print(Padding(text, (0, 0, 0, 4), style="red", expand=False))
            return
        msg = f"{attempt}: it was let pass, this is a defect"
        raise RuntimeError(msg)

    def _make_root(self) -> Any:
        """Make whoever may approve what is CRITICAL; return who that is."""
        facts: dict[str, Any] = {"email": "root@spothive.example", "password_hash": hash_password(self.demo.password)}
        with get_db_session(tenant=self.platform) as session:
            create_user(session, self.admin, username="root", role=Role.SUPER_ADMIN, **facts)
        return find_actor("root", "platform", via="demo")[0]

    # --- waste --------------------------------------------------------------------------------------------------------

    def _find_waste(self) -> None:
        held = self.account.hold_waste(REGION)
        with self.demo.step("waste scan by-role") as done:
            first = self._scan()
            done(f"{first.seen} things that nothing uses, in {len(first.regions)} regions")
        self._a_day_passes()
        with self.demo.step("a day later, again") as done:
            done(f"{self._scan().flagged} flagged: two whole scans have seen them, 24 hours apart")
        with read_session(tenant=self.acme) as session:
            sums = waste.sum_waste(session, waste.WasteFilter())
            known = set(session.scalars(select(WasteResource.resource_id)))
        table = Table("kind", "status", title="acme: waste list", title_justify="left")
        for heading in ("resources", "costs"):
            table.add_column(heading, justify="right")
        for each in sums:
            table.add_row(each.resource_type, each.status, str(each.resources), monthly(each.monthly_cost))
        self.demo.console.print(table)
        for name, reason in held.spared.items():
            if name not in known and reason.startswith(("launch template", "launch configuration", "shared")):
                self.demo.console.print(f"  no waste: {name}, {reason}", soft_wrap=True)

    def _scan(self) -> waste.WasteScan:
        return waste.scan_waste(get_db_session, self.anna, name=ACCOUNT, **self.by_aws)

    def _a_day_passes(self) -> None:
        """Set back what was seen, as the guards let only the owner of the database do."""
        mine = (ScanRun.tenant_id == self.acme, ScanRun.kind == ScanKind.WASTE)
        with read_session(tenant=self.acme) as session:
            began = session.scalars(select(ScanRun.started_at).where(*mine)).one()
        seen = (WasteResource.tenant_id == self.acme, WasteResource.claimed_since == began)
        earlier = began - A_DAY
        self.demo.as_owner(
            update(ScanRun).where(*mine).values(started_at=earlier),
            update(WasteResource).where(*seen).values(claimed_since=earlier, detected_at=earlier),
        )

    def _the_grace_passes(self) -> None:
        """Set back the end of the grace, as the guards let only the owner of the database do."""
        mine = (WasteResource.tenant_id == self.acme, WasteResource.status == WasteStatus.SCHEDULED_DELETE)
        over = utc_now() - timedelta(seconds=1)
        self.demo.as_owner(update(WasteResource).where(*mine).values(scheduled_deletion_date=over))

    def _delete_waste(self) -> None:
        with read_session(tenant=self.acme) as session:
            wanted = (WasteResource.status == WasteStatus.FLAGGED, WasteResource.resource_type == WasteType.EBS_VOLUME)
            dearest = select(WasteResource).where(*wanted).order_by(WasteResource.monthly_cost.desc()).limit(2)
            chosen = [row.resource_id for row in session.scalars(dearest)]
        for name in chosen:
            with self.demo.step("request, approve, schedule") as done:
                with get_db_session(tenant=self.acme) as session:
                    request = waste.request_deletion(session, self.anna, resource=name)
                with get_db_session(tenant=self.acme) as session:
                    approve(session, self.admin, request.id)
                with get_db_session(tenant=self.acme) as session:
                    waste.schedule_deletion(session, self.anna, request_id=request.id)
                done(f"{name}: anna asks, admin approves; it goes in 7 days")
        instance = self._running_in(REGION)
        self.account.attach_volume(REGION, chosen[1], instance)
        self.demo.console.print(f"  meanwhile somebody attaches {chosen[1]} to {instance}")
        self._the_grace_passes()
        with self.demo.step("a week later: delete-due") as done:
            endings = waste.delete_due(get_db_session, self.anna, **self.by_aws)
            done("each is looked at once more")
        for each in endings:
            self._say(f"{each.resource_id}: {each.ending}, {each.detail}")
        with read_session(tenant=self.acme) as session:
            undo = waste.find_waste(session, chosen[0]).undo_recipe or {}
        self._say(f"to get it back: {undo['command']}")

    def _running_in(self, region: str) -> str:
        with read_session(tenant=self.acme) as session:
            running = (Instance.region == region, Instance.state == InstanceState.RUNNING)
            query = select(Instance.instance_id).join(Account, Account.id == Instance.account_id)
            return session.scalars(query.where(Account.account_name == ACCOUNT, *running).limit(1)).one()

    def _say(self, text: str) -> None:
        self.demo.console.print(Padding(text, (0, 0, 0, 4), expand=False))

    # --- hibernation --------------------------------------------------------------------------------------------------

    def _hibernate(self) -> str:
        """Let a cluster sleep and wake; return the id of its row."""
        with read_session(tenant=self.acme) as session:
            query = select(Cluster).join(Account, Account.id == Cluster.account_id)
            mine = (Account.account_name == ACCOUNT, Cluster.name == CLUSTER, Cluster.region == REGION)
            cluster = str(session.scalars(query.where(*mine)).one().id)
        with self.demo.step("hibernation set") as done:
            week = clusters.read_week([OFFICE_HOURS])
            with get_db_session(tenant=self.acme) as session:
                clusters.set_schedule(session, self.anna, cluster=cluster, week=week, timezone="Europe/Berlin")
            done(f"{CLUSTER} is awake {OFFICE_HOURS} in Berlin")
        for line in draw_week(week, fine=False):
            self.demo.console.print(f"    {line}", highlight=False)
        for state, why in ((SleepState.ASLEEP, "a holiday"), (SleepState.AWAKE, "a release")):
            with self.demo.step(f"override: {state}") as done:
                with get_db_session(tenant=self.acme) as session:
                    ends = utc_now() + timedelta(hours=2)
                    clusters.set_override(session, self.anna, cluster=cluster, state=state, ends_at=ends, reason=why)
                applied = clusters.apply_hibernation(get_db_session, self.anna, **self.by_aws)
                done(f"{why}: " + "; ".join(f"{', '.join(each.groups)} scaled, {each.outcome}" for each in applied))
        return cluster

    # --- the sweep ----------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        with self.demo.step("sweep") as done:
            duties = [duty for duty in DUTIES if duty.name not in LATER]
            runs = sweep(get_db_session, self.admin, self.tools, duties=duties)
            done("each duty that is due, by one process at a time; sweep --loop goes on")
        table = Table("duty", "outcome", "did", title="sweep", title_justify="left")
        table.add_column("seconds", justify="right")
        for run in runs:
            did = ", ".join(f"{number} {what}" for what, number in run.counts.items() if number)
            table.add_row(run.duty, run.outcome, cell(did), f"{run.seconds:.2f}")
        self.demo.console.print(table)
