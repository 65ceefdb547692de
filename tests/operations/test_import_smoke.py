import json
from pathlib import Path
from spothive.database import *
from spothive.database.seed_data import seed_initial_data
from spothive.operations.identity import *
from spothive.operations.fleet import *
from spothive.operations import risk
from spothive.gateways.ec2_answer import read_answer
from spothive.gateways.fleet_stand_in import generated_answer, changed_answer, synthetic_prices
from datetime import *
import time
def test_it(db):
    seed_initial_data()
    actor, tid = find_actor("admin","platform",via="cli: t")
    with get_db_session(tenant=tid) as s:
        create_tenant(s, actor, slug="acme", name="Acme")
    actor, tid = find_actor("admin","acme",via="cli: t")
    with get_db_session(tenant=tid) as s:
        create_user(s, actor, username="anna", email="a@b.c", role=Role.CLIENT, password_hash="x")
    now=datetime.now(UTC)
    ans=generated_answer(owner_id="123456789012", now=now-timedelta(days=1))
    p = risk.read_prices("syn", json.dumps(synthetic_prices()).encode())
    with get_db_session(tenant=PLATFORM_TENANT_ID) as s:
        print(risk.import_prices(s, actor, p))
    t=time.time()
    with get_db_session(tenant=tid) as s:
        r=import_fleet(s, actor, name="gen", answer=read_answer("x", json.dumps(ans).encode()))
        print(r.status, len(r.added), len(r.changed), len(r.vanished), r.clusters_added, time.time()-t)
    with get_db_session(tenant=tid) as s:
        r=import_fleet(s, actor, name="gen", answer=read_answer("x", json.dumps(ans).encode()))
        assert not(r.added or r.changed or r.vanished)
    ch=changed_answer(ans, now=now)
    with get_db_session(tenant=tid) as s:
        r=import_fleet(s, actor, name="gen", answer=read_answer("x", json.dumps(list(ch)).encode()))
        print(r.status, len(r.added), len(r.changed), len(r.vanished), r.changes[:5])
    with read_session(tenant=tid) as s:
        for g in summarise_fleet(s, "region"): print(g)
        print(list_accounts(s)); print(len(list_instances(s, InstanceFilter(family="m5"))))
    print(disconnect_account(get_db_session, actor, tenant_id=tid, name="gen"))
