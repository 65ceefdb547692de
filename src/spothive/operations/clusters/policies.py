"""Policies: what spothive may do with a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from spothive.database import TenantSession
from spothive.errors import Conflict, InvalidInput
from spothive.models import Cluster, ClusterPolicy, NodeStrategy, ResourceType
from spothive.operations.actor import Actor
from spothive.operations.audit import record
from spothive.operations.clusters.finding import find_cluster
from spothive.operations.identity import Action, require
from spothive.operations.sla import BUDGET_KEY, BUDGET_MAX

NODES_MAX: Final = 100_000
NAMESPACES_MAX: Final = 100
PERCENT: Final = 100

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A label of RFC 1123, as Kubernetes wants its namespaces called."""


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """One key of a policy.

    Attributes:
        fits: tells whether a value may stand there.
        values: which these are, for people.
        meaning: what it says.
    """

    fits: Callable[[Any], bool]
    values: str
    meaning: str


def _whole(least: int, most: int) -> tuple[Callable[[Any], bool], str]:
    return lambda value: type(value) is int and least <= value <= most, f"a whole number from {least} to {most}"


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _are_namespaces(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > NAMESPACES_MAX:
        return False
    return all(isinstance(name, str) and _NAMESPACE.fullmatch(name) for name in value) and len(set(value)) == len(value)


_SWITCH: Final = (lambda value: type(value) is bool, "true or false")

POLICY_KEYS: Final[Mapping[str, PolicyKey]] = {
    "strategy": PolicyKey(
        lambda value: isinstance(value, str) and value in set(NodeStrategy),
        " or ".join(NodeStrategy),
        "what to prefer among the pools that fit",
    ),
    "spot_percentage": PolicyKey(*_whole(0, PERCENT), "share of the nodes that may be spot instances"),
    "binpack_enabled": PolicyKey(*_SWITCH, "whether pods may be moved together to empty nodes"),
    "binpack_threshold": PolicyKey(*_whole(0, PERCENT), "use of a node, in percent, below which it may be emptied"),
    "fallback_on_demand": PolicyKey(*_SWITCH, "whether on-demand instances may stand in where no spot pool is good"),
    "excluded_namespaces": PolicyKey(
        _are_namespaces, f"a list of at most {NAMESPACES_MAX} names of namespaces", "whose pods are left alone"
    ),
    "max_risk_threshold": PolicyKey(_is_share, "a number from 0 to 1", "risk of an interruption that is still taken"),
    "require_approval": PolicyKey(*_SWITCH, "whether a person has to approve what is done"),
    "min_nodes": PolicyKey(*_whole(0, NODES_MAX), "fewest nodes"),
    "max_nodes": PolicyKey(*_whole(0, NODES_MAX), "most nodes"),
    BUDGET_KEY: PolicyKey(*_whole(0, BUDGET_MAX), "seconds a calendar month (UTC) that spothive may keep it down"),
}
"""Every key that a policy may have; RULES of the design names them, the ranges are those of what they count."""


def set_policy(
    session: TenantSession, actor: Actor, *, cluster: str, changes: Mapping[str, Any], version: int | None = None
) -> ClusterPolicy:
    """Change some keys of a cluster's policy, and leave the others; the version rises by one.

    Args:
        session: session of the tenant.
        actor: who does it.
        cluster: name or id.
        changes: key to value; None takes the key away.
        version: that of the policy the actor has read, 0 if there was none; None changes it whatever it is.

    Returns:
        The policy; as it was if nothing of it changes.

    Raises:
        Denied: the role does not allow it.
        NotFound: no such cluster.
        InvalidInput: a key is unknown, a value is none that may stand there, or there would be more nodes at least
            than at most.
        Conflict: somebody changed the policy since it was read; or several clusters have this name.
    """
    require(actor, Action.MANAGE, attempt="policy.changed", resource=cluster, resource_type=ResourceType.POLICY)
    for key, value in changes.items():
        _check(key, value)
    found = find_cluster(session, cluster, for_update=True)
    policy = find_policy(session, found)
    read = policy.version if policy else 0
    if version is not None and version != read:
        msg = f"the policy of {found.name} has version {read} by now, not {version}: read it again and decide again"
        raise Conflict(msg)
    before = dict(policy.config) if policy else {}
    config = {key: value for key, value in {**before, **changes}.items() if value is not None}
    if config.get("min_nodes", 0) > config.get("max_nodes", NODES_MAX):
        msg = f"min_nodes {config['min_nodes']} is more than max_nodes {config['max_nodes']}"
        raise InvalidInput(msg)
    changed = sorted(key for key in changes if before.get(key) != config.get(key))
    if policy is None:
        policy = ClusterPolicy(cluster_id=found.id, config=config, version=1)
        session.add(policy)
    elif changed:
        policy.config, policy.version = config, policy.version + 1
    else:
        return policy
    session.flush()  # the next change in this transaction begins with it
    record(
        session,
        actor,
        "policy.changed",
        found.name,
        ResourceType.POLICY,
        before={key: before.get(key) for key in changed} | {"version": read},
        after={key: config.get(key) for key in changed} | {"version": policy.version},
    )
    return policy


def find_policy(session: TenantSession, cluster: Cluster) -> ClusterPolicy | None:
    """Return the policy of a cluster, as the database has it now, if there is one."""
    query = select(ClusterPolicy).where(ClusterPolicy.cluster_id == cluster.id)
    return session.scalar(query.execution_options(populate_existing=True))


def _check(key: str, value: Any) -> None:
    known = POLICY_KEYS.get(key)
    if known is None:
        msg = f"a policy has no key {key[:60]!r}: it has {', '.join(POLICY_KEYS)}"
        raise InvalidInput(msg)
    if value is not None and not known.fits(value):
        msg = f"{key} is {known.values}, not {str(value)[:60]!r}"
        raise InvalidInput(msg)
