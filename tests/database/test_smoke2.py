from spothive.database import *
from spothive.database.drift import find_drift
from spothive.database.seed_data import seed_initial_data
from spothive.database.look_ups import login_row, account_owner_exists
from spothive.database.bulk import insert_rows, update_rows
from spothive.schema.types import new_id
from spothive.clock import utc_now
from sqlalchemy import select
def test_drift(db):
    d = find_drift()
    print("\n".join(d)); assert not d
def test_init(empty_db):
    init_database(); assert find_drift() == []
    print(seed_initial_data())
    print(seed_initial_data())
    with get_db_session() as s:
        r = login_row(s, "admin"); print(r, r.role, type(r.id)); assert login_row(s, "nobody") is None
        assert not account_owner_exists(s, "123")
    with get_db_session(tenant=PLATFORM_TENANT_ID) as s:
        acc = Account(user_id=r.id, account_id="pending-abc", account_name="x", connection_method="import"); s.add(acc)
    rows = [dict(tenant_id=PLATFORM_TENANT_ID, id=new_id(), account_id=acc.id, instance_id=f"i-{n}", instance_type="t", region="r", availability_zone="ra", state="running", lifecycle="spot", content_hash=n, instance_metadata={"a":"é%"}, price=None, created_at=utc_now(), updated_at=utc_now(), is_replica=False) for n in range(1000)]
    with get_db_session(tenant=PLATFORM_TENANT_ID) as s:
        insert_rows(s, Instance, rows)
    with get_db_session(tenant=PLATFORM_TENANT_ID) as s:
        update_rows(s, Instance, [dict(tenant_id=r["tenant_id"], id=r["id"], state="terminated", terminated_at=utc_now()) for r in rows[:10]])
    with read_session(tenant=PLATFORM_TENANT_ID) as s:
        xs = s.scalars(select(Instance)).all(); assert len(xs)==1000; assert sum(x.state=="terminated" for x in xs)==10; assert xs[0].instance_metadata=={"a":"é%"}
