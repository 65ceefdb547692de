"""The part of the demo about risk: a model, decisions, an interruption that warns everybody, and who was down."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rich.padding import Padding
from rich.table import Table
from sqlalchemy import Select, select

from spothive import runtime
from spothive.cli.decisions.savings import COUNTED_FOR
from spothive.cli.output import cell
from spothive.clock import utc_now
from spothive.database import (
    PLATFORM_TENANT_ID,
    Account,
    AccountStatus,
    Decision,
    DecisionStatus,
    EnvironmentType,
    ExperimentStatus,
    Instance,
    InstanceState,
    Lifecycle,
    TenantSession,
    get_db_session,
    read_session,
)
from spothive.models import TestType
from spothive.operations import decisions
from spothive.operations.decisions import Decided, DecisionsMade
from spothive.operations.decisions.savings import savings_report
from spothive.operations.identity import find_actor
from spothive.operations.risk import (
    Consequence,
    ReplicaOutcome,
    check_pools,
    import_market,
    made_up_market,
    read_market,
    record_replica_outcome,
    record_spot_event,
)
from spothive.operations.sla import downtime_report
from spothive.scoring import BASELINE_FILE

if TYPE_CHECKING:
    from spothive.cli.demo import Demo
    from spothive.gateways.aws import AwsGateway
    from spothive.gateways.aws_stand_in import StandInAccount

MODEL, VERSION = "interruption-risk", version("spothive")
WARNING, INTERRUPTION = "EC2 Instance Rebalance Recommendation", "EC2 Spot Instance Interruption Warning"
SEED = 7
EMERGENCY_SECONDS = 34


class HiveStory:
    """What one customer's interruption means for the other, within a demo."""

    def __init__(self, demo: Demo, gateway: AwsGateway, hit: StandInAccount) -> None:
        """Tell it within ``demo``; ``hit`` is the account of acme that AWS takes instances from."""
        self.demo = demo
        self.gateway = gateway
        self.hit = hit
        self.admin, _ = find_actor("admin", "platform", via="demo")

    def run(self) -> None:
        """Tell it all."""
        self.demo.title("What the market says, and a model that judges it")
        self._market()
        self._model()
        self.demo.title("One customer's interruption warns the other")
        chosen, pool = self._first_decision()
        self._interrupt(pool)
        self._ask(pool)
        self._decide_again(chosen, pool)
        self.demo.title("An interruption that nobody notices, and a switch that somebody does")
        lost = self._emergency(spared=self._stand_by())
        self.demo.title("What it came to")
        self._savings()
        self._downtime(lost)

    # --- the market ---------------------------------------------------------------------------------------------------

    def _market(self) -> None:
        read = made_up_market(SEED)
        advisor = self.demo.data / "spot-advisor-data.json"
        if advisor.is_file():
            read.append(read_market(advisor.name, advisor.read_bytes()))
        for each in read:
            with self.demo.step(f"{each.fact}") as done:
                with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
                    imported = import_market(session, self.admin, each)
                done(f"{imported.added} added, {imported.changed} changed, from {each.source}")

    def _model(self) -> None:
        self.demo.set_variables(SPOTHIVE_MODEL_STORE=str(self.demo.own_path("models")))
        called: dict[str, Any] = {"name": MODEL, "version": VERSION}
        with self.demo.step("register the shipped model") as done:
            model = decisions.register_model(
                get_db_session, self.admin, file=BASELINE_FILE, store=runtime.model_store(), **called
            )
            done(f"{model.name} {model.version}, tried in a process of its own")
        with self.demo.step("try it in the lab") as done:
            with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
                decisions.accept_model(session, self.admin, **called)
            instance_id = self._experiment()
            done(f"on {instance_id}, one of a LAB account")
        with self.demo.step("let it decide") as done:
            with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
                decisions.graduate_model(session, self.admin, **called)
                decisions.enable_model(session, self.admin, **called)
            decisions.activate_model(get_db_session, self.admin, store=runtime.model_store(), **called)
            done("GRADUATED, ENABLED, active in production")

    def _experiment(self) -> str:
        actor, tenant_id = self.demo.tenants["acme"]
        with get_db_session(tenant=tenant_id) as session:
            instance_id = session.scalars(_running(EnvironmentType.LAB).limit(1)).one().instance_id
            decisions.create_experiment(
                session,
                actor,
                name="first night",
                instance_id=instance_id,
                model=(MODEL, VERSION),
                test_type=TestType.INTERRUPTION_PREDICTION,
            )
            decisions.start_experiment(session, actor, name="first night")
            completed = ExperimentStatus.COMPLETED
            decisions.finish_experiment(session, actor, name="first night", outcome=completed, telemetry={"hours": 8})
        return instance_id

    # --- the hive -----------------------------------------------------------------------------------------------------

    def _first_decision(self) -> tuple[Decided, str]:
        """Decide about all of globex; return one switch and the pool it leads to."""
        with self.demo.step("globex: decision make --all") as done:
            made = self._decide("globex", None)
            counts = made.counts()
            done(f"{len(made.decided)} instances: " + ", ".join(f"{n} {what}" for what, n in counts.items() if n))
        chosen = next(each for each in made.decided if each.decision is Decision.SWITCH)
        with read_session(tenant=self.demo.tenants["globex"][1]) as session:
            region = decisions.find_decision(session, chosen.decision_id).instance.region
        self._tell_decision(chosen)
        return chosen, f"{region}:{chosen.zone}:{chosen.instance_type}"

    def _decide(self, slug: str, instances: list[str] | None) -> DecisionsMade:
        actor, tenant_id = self.demo.tenants[slug]
        return decisions.make_decisions(
            get_db_session, actor, tenant_id=tenant_id, server=runtime.model_server(), instances=instances
        )

    def _tell_decision(self, decided: Decided) -> None:
        self._say(f"{decided.instance_id}: {decided.decision}, {decided.reason}")

    def _say(self, text: str) -> None:
        self.demo.console.print(Padding(text, (0, 0, 0, 4), expand=False))

    def _interrupt(self, pool: str) -> None:
        """Let acme start an instance in ``pool``, and AWS take it away before any discovery has seen it."""
        region, zone, instance_type = pool.split(":")
        with self.demo.step("acme: an interruption") as done:
            instance_id = _launch(self.hit, zone, instance_type)
            done(f"AWS takes {instance_id} away, which no discovery has seen yet")
        consequence = self._take(INTERRUPTION, region, instance_id)
        self._start(consequence)

    def _take(self, kind: str, region: str, instance_id: str) -> Consequence:
        """Take an event about an instance of acme; tell and return what it did."""
        event = _event(kind, self.hit.account_id, region, instance_id)
        with self.demo.step("event ingest") as done:
            result = record_spot_event(get_db_session, self.admin, event, gateway=self.gateway, keys=runtime.keyring)
            done(result.reason)
        if result.consequence is None:
            msg = f"an event was not taken: {result.reason}; this is a defect"
            raise RuntimeError(msg)
        return result.consequence

    def _start(self, consequence: Consequence) -> None:
        """Start the replica that was planned, as whoever runs the fleet does."""
        actor, tenant_id = self.demo.tenants["acme"]
        with self.demo.step("replica outcome: launched") as done, get_db_session(tenant=tenant_id) as session:
            told = record_replica_outcome(
                session,
                actor,
                replica=consequence.planned or "",
                outcome=ReplicaOutcome.LAUNCHED,
                instance_id=_new_id(),
            )
            done(told.reason)

    def _ask(self, pool: str) -> None:
        with read_session(tenant=self.demo.tenants["globex"][1]) as session:
            risk = check_pools(session, [pool])[pool]
        table = Table(title="globex: risk check", title_justify="left")
        for heading in ("pool", "blocked", "until", "why"):
            table.add_column(heading, overflow="fold")
        table.add_row(pool, cell(risk.blocked), cell(risk.until), risk.reason)
        self.demo.console.print(table)

    def _decide_again(self, before: Decided, pool: str) -> None:
        """Decide about the same instance again, and show why not in the same way."""
        with self.demo.step("globex: decision make") as done:
            [decided] = self._decide("globex", [before.instance_id]).decided
            done("about the same instance again")
        self._tell_decision(decided)
        with read_session(tenant=self.demo.tenants["globex"][1]) as session:
            metrics = decisions.find_decision(session, decided.decision_id).metrics or {}
        for candidate in metrics["candidates"]:
            if candidate["pool"] == pool:
                self._say(f"not {pool}: {candidate['dropped']}")
        if (decided.zone, decided.instance_type) == (before.zone, before.instance_type):
            msg = "a decision leads into a blocked pool: this is a defect"
            raise RuntimeError(msg)

    # --- who is down --------------------------------------------------------------------------------------------------

    def _stand_by(self) -> str:
        """Let a replica stand by before an instance of acme is taken away; return which one that is."""
        with read_session(tenant=self.demo.tenants["acme"][1]) as session:
            spot = _running(EnvironmentType.PROD).where(Instance.lifecycle == Lifecycle.SPOT)
            instance = session.scalars(spot.where(Instance.cluster_id.is_not(None)).limit(1)).one()
            region, instance_id = instance.region, instance.instance_id
        self._start(self._take(WARNING, region, instance_id))
        self._take(INTERRUPTION, region, instance_id)
        return instance_id

    def _emergency(self, *, spared: str) -> datetime:
        """Let a switch of acme, but of one instance, lose its source before its target is ready; return when."""
        actor, tenant_id = self.demo.tenants["acme"]
        with self.demo.step("acme: a switch goes wrong") as done:
            made = self._decide("acme", None)
            lost = utc_now().replace(microsecond=0) - timedelta(seconds=2 * EMERGENCY_SECONDS)
            with get_db_session(tenant=tenant_id) as session:
                others = (each for each in made.decided if each.instance_id != spared)
                chosen = next(each for each in others if _moves_a_node(session, each))
                decisions.record_switch_outcome(
                    session,
                    actor,
                    decision_id=chosen.decision_id,
                    status=DecisionStatus.ACTED,
                    source_lost_at=lost,
                    target_ready_at=lost + timedelta(seconds=EMERGENCY_SECONDS),
                )
            done(f"{chosen.instance_id} was lost {EMERGENCY_SECONDS} s before the new one was ready")
        return lost

    def _savings(self) -> None:
        day = utc_now().date()
        for slug in ("acme", "globex"):
            with read_session(tenant=self.demo.tenants[slug][1]) as session:
                report = savings_report(session, since=day - timedelta(days=1), until=day + timedelta(days=1))
            table = Table("account", title=f"{slug}: savings report", title_justify="left")
            for heading in ("decisions", "SWITCH", "HOLD", "saves, USD", "per switch, USD/hour"):
                table.add_column(heading, justify="right")
            for row in report.rows:
                numbers = (row.decisions, row.switches, row.holds, row.projected_savings, row.savings_per_switch)
                table.add_row(row.name, *map(cell, numbers))
            self.demo.console.print(table)
        self.demo.console.print(f"  {COUNTED_FOR}")

    def _downtime(self, lost: datetime) -> None:
        with read_session(tenant=self.demo.tenants["acme"][1]) as session:
            budgets = downtime_report(session, month=lost.date())
        table = Table("cluster", title=f"acme: sla report --month {lost:%Y-%m}", title_justify="left")
        for heading in ("down, seconds", "allowed", "left", "outages"):
            table.add_column(heading, justify="right")
        for each in (budget for budget in budgets if budget.outages):
            numbers = (each.seconds, each.budget, each.left, each.outages)
            named = f"{each.cluster_name} in {each.region}" if each.cluster_name else "in no cluster"
            table.add_row(named, *map(str, numbers))
        self.demo.console.print(table)
        self.demo.console.print(f"  and {sum(not each.outages for each in budgets)} clusters without any outage")


def _running(environment: EnvironmentType) -> Select[Instance]:
    """Return the query for the instances that run in connected accounts of one kind."""
    query = select(Instance).join(Account, Account.id == Instance.account_id)
    proven = Account.status.in_([AccountStatus.CONNECTED, AccountStatus.ACTIVE])
    return query.where(
        proven, Account.environment_type == environment, Instance.state == InstanceState.RUNNING
    ).order_by(Instance.instance_id)


def _moves_a_node(session: TenantSession, decided: Decided) -> bool:
    """Tell whether it was decided that an instance of a cluster switches."""
    if decided.decision is not Decision.SWITCH:
        return False
    return decisions.find_decision(session, decided.decision_id).instance.cluster_id is not None


def _new_id() -> str:
    """Return an id that sorts behind the fleet's: the story goes on with first ones, and never with these."""
    return f"i-ffff{uuid4().hex[:13]}"


def _launch(account: StandInAccount, zone: str, instance_type: str) -> str:
    """Start a spot instance at AWS; return its id."""
    like = next(
        reservation
        for reservation in account.fleet["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] == "running" and instance["Placement"]["AvailabilityZone"][:-1] == zone[:-1]
    )
    reservation = deepcopy(like)
    [instance] = reservation["Instances"]
    instance |= {"InstanceId": _new_id(), "InstanceType": instance_type, "InstanceLifecycle": "spot"}
    instance["Placement"]["AvailabilityZone"] = zone
    account.set_fleet({"Reservations": [*account.fleet["Reservations"], reservation]})
    launched: str = instance["InstanceId"]
    return launched


def _event(kind: str, account_id: str, region: str, instance_id: str) -> dict[str, Any]:
    """Return what AWS EventBridge sends."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": kind,
        "source": "aws.ec2",
        "account": account_id,
        "time": f"{utc_now():%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [],
        "detail": {"instance-id": instance_id, "instance-action": "terminate"},
    }
