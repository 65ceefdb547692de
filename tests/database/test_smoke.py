import uuid
import pytest
from sqlalchemy import select, text
from spothive.database import *
from spothive import errors

def seed(db):
    a, b = uuid.uuid4(), uuid.uuid4()
    with get_db_session() as s:
        with system_scope(s, "test"):
            s.add_all([Tenant(id=a, name="A", slug="a"), Tenant(id=b, name="B", slug="b")])
            s.add_all([User(tenant_id=t, email=f"{n}@x.io", username=f"user{n}", password_hash="x", role="client") for t, n in ((a,"a"),(b,"b"))])
    return a, b

def test_it(db):
    a, b = seed(db)
    with get_db_session(tenant=a) as s:
        assert [u.username for u in s.scalars(select(User))] == ["usera"]
        assert [t.slug for t in s.scalars(select(Tenant))] == ["a"]
        u = s.scalars(select(User)).one()
        acc = Account(user_id=u.id, account_id="pending-abc", account_name="x", connection_method="import")
        s.add(acc)
    with get_db_session(tenant=a) as s:
        acc = s.scalars(select(Account)).one()
        assert s.get(Account, acc.id) is acc
    with pytest.raises(errors.TenantNotBound):
        with get_db_session() as s:
            s.scalars(select(User)).all()
    with pytest.raises(errors.ParentMissing) as e:
        with get_db_session(tenant=b) as s:
            s.add(Account(user_id=u.id, account_id="pending-abd", account_name="x", connection_method="import"))
    assert e.value.rule == "fk_accounts_tenant_id_user_id", str(e.value)
    with pytest.raises(errors.ParentMissing) as e:
        with get_db_session(tenant=a) as s:
            s.add(Instance(account_id=acc.id, cluster_id=uuid.uuid4(), instance_id="i-1", instance_type="t", region="r", availability_zone="ra", state="running", lifecycle="spot", content_hash=1))
    assert e.value.rule == "fk_instances_tenant_id_cluster_id", str(e.value)
    with pytest.raises(errors.DuplicateValue) as e:
        with get_db_session(tenant=a) as s:
            s.add(Account(user_id=u.id, account_id="pending-abd", account_name="x", connection_method="import"))
    assert e.value.rule == "uq_accounts_tenant_id_account_name"
    with pytest.raises(errors.ValueRefused) as e:
        with get_db_session(tenant=a) as s:
            s.get(Account, acc.id).environment_type = "PROD"
    print(e.value)
    with pytest.raises(errors.NotAllowed) as e:
        with get_db_session(tenant=a) as s:
            s.add(OnDemandPrice(region="r", instance_type="t", price=1, source="x", observed_at=acc.created_at))
    print(e.value)
    with get_db_session(tenant=a) as s:
        s.add(AuditLog(actor_name="x", event="e", resource="r", resource_type="ACCOUNT", outcome="SUCCESS"))
    with pytest.raises(errors.SpothiveError) as e:
        with get_db_session(tenant=a) as s:
            s.scalars(select(AuditLog)).one().event = "f"
    print(repr(e.value))
    with pytest.raises(errors.SpothiveError) as e:
        with read_session(tenant=a) as s:
            s.add(AuditLog(actor_name="x", event="e", resource="r", resource_type="ACCOUNT", outcome="SUCCESS")); s.flush()
    print(repr(e.value))
