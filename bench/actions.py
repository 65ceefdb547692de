"""Actions of agents by the thousand, written by the database itself, and a queue by hand of the same payloads."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from bench.place import Database, id_rising_with
from bench.world import World, id_of_account, make_fleet
from spothive.database import get_db_session
from spothive.models import Cluster

_NODE: Final = "jsonb_build_object('node', 'ip-10-0-' || n / 250 || '-' || mod(n, 250) || '.ec2.internal')"

_ASK: Final = f"""
INSERT INTO agent_actions (tenant_id, id, cluster_id, action_type, payload, idempotency_key, expires_at, created_at)
SELECT %s, {id_rising_with("moment", "n")}, %s, 'CORDON_NODE', {_NODE}, 'cordon-' || n, now() + interval '1 day', moment
FROM (SELECT n, now() - interval '1 hour' + n * interval '1 millisecond' AS moment
    FROM generate_series(1, %s) AS n) AS made
"""
_ENDED: Final = f"""
COPY (
    SELECT %s, {id_rising_with("moment", "n")}, %s, 'CORDON_NODE', {_NODE}, 'COMPLETED', 'ended-' || n, 1, 1, moment,
        moment + interval '1 hour', moment, moment, '{{}}'::jsonb, moment, moment
    FROM (SELECT n, now() - interval '60 days' + n * interval '10 seconds' AS moment
        FROM generate_series(1, %s) AS n) AS made
) TO STDOUT
"""
_ENDED_COLUMNS: Final = (
    "tenant_id, id, cluster_id, action_type, payload, status, idempotency_key, attempts, lease_token, available_at, "
    "expires_at, picked_up_at, completed_at, result, created_at, updated_at"
)


def make_cluster(world: World, name: str = "shop-1") -> UUID:
    """Make a cluster of the tenant, in an account with a few instances; return its id."""
    make_fleet(world, 10)
    with get_db_session(tenant=world.tenant_id) as session:
        cluster = Cluster(account_id=id_of_account(world), name=name, region="us-east-1")
        session.add(cluster)
        session.flush()
        return cluster.id


def ask_for(database: Database, world: World, cluster: UUID, count: int) -> None:
    """Ask the agent of a cluster for so many actions, each of another node; guards judge each of them."""
    with database.raw() as connection:
        connection.execute(_ASK, [world.tenant_id, cluster, count])


def make_ended(database: Database, world: World, cluster: UUID, count: int) -> None:
    """Write so many actions that were done, one each 10 seconds from 60 days ago: with COPY, past the guards."""
    with database.raw() as source, database.raw() as target:
        target.execute("SET session_replication_role = replica")
        copy_in = f"COPY agent_actions ({_ENDED_COLUMNS}) FROM STDIN"
        with (
            source.cursor().copy(_ENDED, [world.tenant_id, cluster, count]) as rows,
            target.cursor().copy(copy_in) as into,
        ):
            for block in rows:
                into.write(block)
