"""The companies' AWS accounts, clusters and instances."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from spothive.database.sample.chance import Dice
from spothive.database.sample.market import AVOIDED_BAND, KINDS, ZONES, Kind, Market, on_demand_price
from spothive.database.sample.world import (
    ACTOR,
    AwsAccount,
    Company,
    Group,
    Machine,
    Period,
    Row,
    step,
)
from spothive.database.sample.writing import Life, Writer
from spothive.keyring import Keyring
from spothive.models import (
    Account,
    AccountLog,
    AccountStatus,
    AuthStatus,
    Cluster,
    ClusterStatus,
    ConnectionMethod,
    EnvironmentType,
    Instance,
    InstanceState,
    Lifecycle,
    OnboardingRequest,
    OnboardingStatus,
    OrchestratorType,
    PipelineMode,
    ResourceType,
)
from spothive.schema.sealed import seal

FEWEST_INSTANCES: Final = 10
"""Fewer could not be spread over every kind of account."""

_HOUR = timedelta(hours=1)
_PROD, _LAB = EnvironmentType.PROD, EnvironmentType.LAB
_ROLE, _KEYS, _IMPORT = ConnectionMethod.IAM_ROLE, ConnectionMethod.ACCESS_KEYS, ConnectionMethod.IMPORT
_ACTIVE, _FAILED, _PENDING = AccountStatus.ACTIVE, AccountStatus.FAILED, AccountStatus.PENDING

# name, environment, method, status, regions
_ACCOUNTS = (
    ("production", _PROD, _ROLE, _ACTIVE, ("us-east-1", "eu-west-1")),
    ("data-platform", _PROD, _ROLE, _ACTIVE, ("eu-west-1",)),
    ("staging", _LAB, _KEYS, _ACTIVE, ("us-east-1",)),
    ("legacy", _LAB, _ROLE, _FAILED, ("ap-southeast-2",)),
    ("spreadsheet", _LAB, _IMPORT, _PENDING, ("eu-west-1",)),
    ("new-team", _LAB, _ROLE, _PENDING, ("us-east-1",)),
    ("acquired", _LAB, _ROLE, _PENDING, ("eu-west-1",)),
)
_METHODS = {name: method for name, _, method, _, _ in _ACCOUNTS}

# account, cluster, region, whether its agent is installed
_CLUSTERS = (
    ("production", "shop", "us-east-1", True),
    ("production", "checkout", "eu-west-1", True),
    ("data-platform", "analytics", "eu-west-1", True),
    ("staging", "staging", "us-east-1", False),
)
_FIRST_ACCOUNTS = (0, 0, 0, 0, 1, 1, 2, 2, 3, 4)
"""Accounts of a company's first instances, so that each kind of account has some."""
_ACCOUNT_WEIGHTS = (55, 22, 19, 2, 2)
_ALWAYS_SPOT = 7
_ROGUE_NUMBER = 7
_IN_CLUSTER, _SPOT, _ROGUE, _STOPPED, _YOUNG = 0.85, 0.95, 0.01, 0.3, 0.15


def build_fleets(period: Period, market: Market, companies: list[Company], instances: int) -> None:
    """Make up accounts, clusters and ``instances`` instances for each company; nothing is written."""
    for company in companies:
        dice = period.dice("fleet", company.number)
        for name, environment, _, status, regions in _ACCOUNTS:
            joined = period.until - 5 * _HOUR if status == _PENDING and name != "spreadsheet" else period.founded
            joined += dice.randrange(60) * timedelta(minutes=1)
            number = f"pending-{dice.hex(12)}" if status == _PENDING else f"00{dice.randrange(10**10):010d}"
            company.accounts.append(AwsAccount(dice.id_at(joined), number, name, environment, status, regions, joined))
        accounts = {account.name: account for account in company.accounts}
        company.clusters = [
            Group(dice.id_at(accounts[account].joined + _HOUR), name, accounts[account], region, agent)
            for account, name, region, agent in _CLUSTERS
        ]
        company.machines = [_machine(dice, period, market, company, number) for number in range(instances)]


def _machine(dice: Dice, period: Period, market: Market, company: Company, number: int) -> Machine:
    if number < len(_FIRST_ACCOUNTS):
        account = company.accounts[_FIRST_ACCOUNTS[number]]
    else:
        account = dice.choices(company.accounts[: len(_ACCOUNT_WEIGHTS)], _ACCOUNT_WEIGHTS)[0]
    region = dice.choice(account.regions)
    cluster = next((known for known in company.clusters if (known.account, known.region) == (account, region)), None)
    rogue = account.active and number >= _ALWAYS_SPOT and (number == _ROGUE_NUMBER or dice.likely(_ROGUE))
    if rogue or (number >= _ALWAYS_SPOT and not dice.likely(_IN_CLUSTER)):
        cluster = None
    spot = not rogue and (number < _ALWAYS_SPOT or dice.likely(_SPOT))
    zone, kind = _place(dice, market, region)
    young = number >= _ALWAYS_SPOT and dice.likely(_YOUNG)
    first = period.start if young else account.joined - timedelta(days=60)
    launched = dice.between(first, period.until - 2 * _HOUR if young else period.start)
    if rogue:
        launched = dice.between(period.until - 60 * _HOUR, period.until - 2 * _HOUR)
    stopped = not spot and not rogue and cluster is None and dice.likely(_STOPPED)
    return Machine(
        dice.id_at(max(launched, account.joined)),
        f"i-{dice.hex(17)}",
        account,
        cluster,
        kind.name,
        zone,
        spot,
        launched,
        rogue=rogue,
        stopped=stopped,
    )


def _place(dice: Dice, market: Market, region: str) -> tuple[str, Kind]:
    """Choose one of the three best pools for a random purpose and size, as somebody would who looks at prices."""
    purpose = dice.choice(list(KINDS.values())).purpose
    pools = [
        (market.usual_ratio(region + letter, kind.name) + market.band(region, kind.name) / 50, region + letter, kind)
        for kind in KINDS.values()
        for letter in ZONES
        if kind.purpose == purpose and market.band(region, kind.name) < AVOIDED_BAND
    ]
    _, zone, kind = dice.choices(sorted(pools, key=lambda pool: pool[0])[:3], (70, 20, 10))[0]
    return zone, kind


def write_accounts(writer: Writer, keyring: Keyring, period: Period, companies: list[Company]) -> None:
    """Write accounts, how they were connected, and clusters."""
    lives: list[Life] = []
    requests: list[Life] = []
    logs: list[Row] = []
    clusters: list[Row] = []
    for company in companies:
        dice = period.dice("accounts", company.number)
        for account in company.accounts:
            lives.append(_account(keyring, dice, period, company, account))
            logs += _log(dice, company, account, lives[-1])
            if account.status == _PENDING and _METHODS[account.name] != _IMPORT:
                requests.append(_request(dice, company, account, lives[-1]))
            writer.made(company.tenant_id, ResourceType.ACCOUNT, account.name)
        clusters += [_cluster(dice, period, company, cluster) for cluster in company.clusters]
        for cluster in company.clusters:
            writer.made(company.tenant_id, ResourceType.CLUSTER, cluster.name)
    writer.insert_lives(Account, lives)
    writer.insert_lives(OnboardingRequest, requests)
    writer.insert(AccountLog, sorted(logs, key=lambda row: row["timestamp"]))
    writer.insert(Cluster, clusters)


def _account(keyring: Keyring, dice: Dice, period: Period, company: Company, account: AwsAccount) -> Life:
    method = _METHODS[account.name]
    by_role = method == _ROLE
    born = company.row(
        dice,
        account.joined,
        user_id=company.owner.id,
        account_id=f"pending-{dice.hex(12)}" if account.status != _PENDING else account.account_id,
        account_name=account.name,
        connection_method=method,
        role_arn=_arn(account.account_id) if by_role and account.status != _PENDING else None,
        external_id=dice.hex(32) if by_role else None,
        aws_access_key_id=None,
        aws_secret_access_key=None,
        region=account.regions[0],
        account_metadata={"claimed_account_id": f"00{dice.randrange(10**10):010d}"} if method == _IMPORT else {},
    ) | {"id": account.id}
    if method == _KEYS:
        row = Account(tenant_id=company.tenant_id, id=account.id)
        seal(keyring, row, "aws_access_key_id", f"AKIASAMPLE{dice.hex(10).upper()}")
        seal(keyring, row, "aws_secret_access_key", dice.hex(40))
        born |= {"aws_access_key_id": row.aws_access_key_id, "aws_secret_access_key": row.aws_secret_access_key}
    life = Life(born)
    if account.status == _PENDING:
        return life
    at = account.joined + timedelta(minutes=10)
    life.then(step(at, status=AccountStatus.CONNECTED, account_id=account.account_id))
    life.then(step(at + _HOUR, status=_ACTIVE, last_discovered_at=period.until - _HOUR))
    if account.environment == _PROD:
        life.then(step(at + 2 * _HOUR, environment_type=_PROD))
    if account.status == _FAILED:
        reason = "AWS refused the role: access denied. Check its trust policy, then run account recheck"
        life.then(step(period.start + timedelta(hours=6), status=_FAILED, status_reason=reason))
    return life


def _arn(account_id: str) -> str:
    return f"arn:aws:iam::{account_id}:role/spothive"


def _log(dice: Dice, company: Company, account: AwsAccount, life: Life) -> list[Row]:
    """Return the account's own history: how it came, and each change of its status."""

    def entry(at: Any, action: str, before: AccountStatus | None, after: AccountStatus) -> Row:
        facts: Row = {"from_status": before, "to_status": after, "details": {}, "actor_id": None, "actor_name": ACTOR}
        return company.entry(dice, at, account_id=account.id, action=action) | facts

    rows = [entry(account.joined, "account.added", None, _PENDING)]
    status = _PENDING
    for change in life.steps:
        if after := change.get("status"):
            rows.append(entry(change["updated_at"], f"account.{after}", status, after))
            status = after
    return rows


def _request(dice: Dice, company: Company, account: AwsAccount, life: Life) -> Life:
    """Return an open request: one waits for the role, one for somebody else to let go of the account."""
    born = company.row(
        dice,
        account.joined,
        user_id=company.owner.id,
        request_id=dice.hex(32),
        account_id=account.id,
        connection_method=_ROLE,
        external_id=life.born["external_id"],
        expires_at=account.joined + 24 * _HOUR,
    )
    request = Life(born)
    if account.name == "acquired":
        proved = f"00{dice.randrange(10**10):010d}"
        facts = {"status": OnboardingStatus.VERIFIED, "aws_account_id": proved, "role_arn": _arn(proved)}
        request.then(step(account.joined + _HOUR, **facts))
    return request


def _cluster(dice: Dice, period: Period, company: Company, cluster: Group) -> Row:
    lost = cluster.name == "analytics"
    heard = period.until - (9 * _HOUR if lost else timedelta(seconds=dice.randrange(5, 55)))
    known = ClusterStatus.INACTIVE if lost else ClusterStatus.ACTIVE
    facts: Row = {
        "name": cluster.name,
        "region": cluster.region,
        "status": known if cluster.agent else ClusterStatus.DISCOVERED,
        "vpc_id": f"vpc-{dice.hex(17)}",
        "api_endpoint": f"https://{dice.hex(32).upper()}.eks.{cluster.region}.example",
        "k8s_version": dice.choice(("1.31", "1.32", "1.33")),
        "agent_installed": cluster.agent,
        "agent_version": "0.1.0" if cluster.agent else None,
        "last_heartbeat": heard if cluster.agent else None,
        "cluster_metadata": {},
    }
    at = cluster.account.joined + _HOUR
    return company.row(dice, at, account_id=cluster.account.id, **facts) | {"id": cluster.id}


def write_instances(writer: Writer, market: Market, period: Period, companies: list[Company]) -> None:
    """Write the instances as they are known before anything is decided about them."""
    lives: list[Life] = []
    for company in companies:
        dice = period.dice("instances", company.number)
        for machine in company.machines:
            lives.append(_instance(dice, market, period, company, machine))
            machine.born = {name: lives[-1].born[name] for name in ("tenant_id", "id")}
    # A replica points at its primary: the key is looked at when the transaction ends.
    writer.insert_lives(Instance, lives)


def _instance(dice: Dice, market: Market, period: Period, company: Company, machine: Machine) -> Life:
    seen = max(machine.launched, machine.account.joined + _HOUR)
    kind, cluster = KINDS[machine.type], machine.cluster
    group = dice.choice(("general", "workers", "burst"))
    busy = None if machine.stopped else dice
    born = company.row(
        dice,
        seen,
        account_id=machine.account.id,
        cluster_id=cluster.id if cluster else None,
        instance_id=machine.instance_id,
        instance_type=machine.type,
        region=machine.region,
        availability_zone=machine.zone,
        state=_state(machine),
        lifecycle=Lifecycle.SPOT if machine.spot else Lifecycle.ON_DEMAND,
        cpu=kind.vcpus,
        memory=kind.memory_mib,
        cpu_util=round(busy.uniform(4, 85), 1) if busy else None,
        memory_util=round(busy.uniform(15, 90), 1) if busy else None,
        price=_price(market, period, machine),
        auth_status=AuthStatus.FLAGGED if machine.rogue else AuthStatus.AUTHORIZED,
        flagged_at=seen if machine.rogue else None,
        orchestrator_type=OrchestratorType.KUBERNETES if cluster else OrchestratorType.STANDALONE,
        cluster_membership={"cluster_name": cluster.name, "node_group": group, "role": "worker"} if cluster else None,
        pipeline_mode=PipelineMode.CLUSTER if cluster else PipelineMode.LINEAR,
        is_shadow_mode=machine.account.environment == _LAB,
        is_replica=machine.replica_of is not None,
        replica_of_id=machine.replica_of.id if machine.replica_of else None,
        replica_expiry=machine.replica_expiry,
        launched_at=machine.launched,
        content_hash=dice.getrandbits(64) - 2**63,
        terminated_at=machine.terminated,
        instance_metadata=_described(dice, machine, group),
    ) | {"id": machine.id}
    life = Life(born)
    if machine.rogue and seen < period.until - 24 * _HOUR:
        life.then(step(seen + 24 * _HOUR, auth_status=AuthStatus.UNAUTHORIZED))
    return life


def _state(machine: Machine) -> InstanceState:
    if machine.terminated:
        return InstanceState.TERMINATED
    return InstanceState.STOPPED if machine.stopped else InstanceState.RUNNING


def _price(market: Market, period: Period, machine: Machine) -> Decimal:
    """Return what an hour cost when it was last looked at."""
    if not machine.spot:
        return on_demand_price(machine.region, KINDS[machine.type])
    last = machine.terminated or period.until
    return market.quote(machine.zone, machine.type, max(last, period.start).date()).price


def _described(dice: Dice, machine: Machine, group: str) -> Row:
    tags = {"Name": f"{group}-{dice.hex(4)}", "Environment": machine.account.environment.value.lower()}
    if not machine.rogue:
        tags["ManagedBy"] = "spothive"
    if machine.cluster:
        tags[f"kubernetes.io/cluster/{machine.cluster.name}"] = "owned"
    return {"tags": tags, "vpc_id": f"vpc-{dice.hex(17)}", "subnet_id": f"subnet-{dice.hex(17)}"}


def write_later_facts(writer: Writer, companies: list[Company]) -> None:
    """Write what the decisions changed in the instances: when they were last looked at, and which have gone."""
    lives = []
    for company in companies:
        for machine in company.machines:
            if machine.last_decision:
                facts = {"last_evaluation": machine.last_decision, "terminated_at": machine.terminated}
                changed = machine.terminated or machine.last_decision
                lives.append(Life(machine.born, [step(changed, **facts, state=_state(machine))]))
    writer.move(Instance, lives)
