"""Where a replica is started: by price, never in a blocked pool, and at home only where no other zone is known."""

from __future__ import annotations

import re

from sqlalchemy import select

from spothive.database import Account, Instance, get_db_session, read_session
from spothive.operations.risk.zones import best_zone
from tests.conftest import Database
from tests.factories import make_instance
from tests.operations.conftest import World
from tests.operations.risk.conftest import IN_PROD, block, price
from tests.watching import explained, statements


def best(world: World) -> str | None:
    with read_session(tenant=world.acme) as session:
        instance = session.scalars(select(Instance).where(Instance.instance_id == IN_PROD)).one()
        return best_zone(session, instance)


def test_at_home_only_where_no_other_zone_is_known(fleet: World) -> None:
    price("us-east-1a", "0.01")
    price("eu-west-1b", "0.01")  # elsewhere
    price("us-east-1b", "0.01", instance_type="m5.xlarge")
    price("us-east-1b", "0.01", product="Windows")
    with get_db_session(tenant=fleet.globex) as session:
        account = session.scalars(select(Account)).one()
    make_instance(fleet.globex, account.id, region="us-east-1", availability_zone="us-east-1b")
    assert best(fleet) == "us-east-1a", "others' instances, types and products tell nothing"
    block("us-east-1a")
    assert best(fleet) is None
    block("us-east-1c")
    assert best(fleet) is None, "what is known is blocked"


def test_at_home_never_where_another_is_known_if_blocked(fleet: World) -> None:
    block("us-east-1c")
    assert best(fleet) is None


def test_the_cheapest_free_zone_is_the_best(fleet: World) -> None:
    with get_db_session(tenant=fleet.acme) as session:
        account = session.scalars(select(Account).limit(1)).one()
    make_instance(fleet.acme, account.id, region="us-east-1", availability_zone="us-east-1f")
    assert best(fleet) == "us-east-1f", "known from the tenant's own instances"
    block("us-east-1e", hours=-1)
    assert best(fleet) == "us-east-1e", "of those without a price, the first by name"
    price("us-east-1d", "0.001", hours_old=25)
    assert best(fleet) == "us-east-1d", "an old price is none"
    price("us-east-1f", "0.03")
    price("us-east-1c", "0.01", hours_old=20)
    price("us-east-1c", "0.04", hours_old=1)
    assert best(fleet) == "us-east-1f", "the newest price counts"
    price("us-east-1b", "0.03")
    assert best(fleet) == "us-east-1b", "of equal ones the first by name"
    block("us-east-1b")
    block("us-east-1f")
    assert best(fleet) == "us-east-1c"


def test_few_statements_each_led_by_an_index(db: Database, fleet: World) -> None:
    price("us-east-1b", "0.03")
    with read_session(tenant=fleet.acme) as session:
        instance = session.scalars(select(Instance).where(Instance.instance_id == IN_PROD)).one()
        with statements() as sent:
            best_zone(session, instance)
        if db.engine == "postgresql":  # which would rather read a table of one row
            session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
        plans = {
            told: explained(session, told, lambda: best_zone(session, instance))
            for told in (
                "spot_pool_risks.instance_type =",
                "min(spot_prices.",
                "spot_prices.observed_at DESC",
                "min(instances.",
            )
        }
    assert sum(sent.values()) == 5
    for told, index in zip(
        plans,
        (
            "ix_spot_pool_risks_region_instance_type",
            "uq_spot_prices_pool_observed_at",
            "uq_spot_prices_pool_observed_at",
            "ix_instances_tenant_id_availability_zone_instance_type",
        ),
        strict=True,
    ):
        plan = plans[told]
        assert re.search(f"{index}|sqlite_autoindex_spot_prices", plan), (told, plan)
        assert not re.search(r"Seq Scan|SCAN (spot|inst)\w+$", plan, re.MULTILINE), (told, plan)
