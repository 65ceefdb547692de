"""The FastAPI dependencies: one transaction a request, and an answer only after its commit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from sqlalchemy import select

from spothive.database import DbSession, TenantSession, bind_tenant, db_for, get_db, get_engine, read_session
from spothive.errors import AuditNote, Denied, NotAllowed
from spothive.models import AuditLog, Outcome, User
from tests.conftest import Database
from tests.factories import make_tenant, make_user


def current_tenant(x_tenant: Annotated[UUID | None, Header()] = None) -> UUID:
    if x_tenant is None:
        raise HTTPException(401)
    return x_tenant


PlainSession = Annotated[TenantSession, Depends(get_db)]
Db = Annotated[TenantSession, db_for(current_tenant)]


class Witness:
    """Middleware that looks into the database at the moment the response starts."""

    def __init__(self, app: Any, seen: list[list[str]], tenant_id: UUID) -> None:
        self.app, self.seen, self.tenant_id = app, seen, tenant_id

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Any) -> None:
            if message["type"] == "http.response.start":
                with read_session(tenant=self.tenant_id) as session:
                    self.seen.append(list(session.scalars(select(User.username))))
            await send(message)

        await self.app(scope, receive, watch)


class Client:
    """Call an app in this process; what it raises has become status 500."""

    def __init__(self, app: FastAPI) -> None:
        self.transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def get(self, path: str, tenant: UUID | None = None) -> httpx.Response:
        return asyncio.run(self._request("GET", path, tenant))

    def post(self, path: str, tenant: UUID | None = None) -> httpx.Response:
        return asyncio.run(self._request("POST", path, tenant))

    async def _request(self, method: str, path: str, tenant: UUID | None) -> httpx.Response:
        headers = {"x-tenant": str(tenant)} if tenant else {}
        async with httpx.AsyncClient(transport=self.transport, base_url="http://house") as client:
            return await client.request(method, path, headers=headers)


@pytest.fixture
def tenant(db: Database) -> UUID:
    return make_tenant("alpha")


@pytest.fixture
def committed_when_answered() -> list[list[str]]:
    """What was committed when each response started."""
    return []


@pytest.fixture
def client(tenant: UUID, committed_when_answered: list[list[str]]) -> Iterator[Client]:
    app = FastAPI()

    def add(session: TenantSession, name: str) -> None:
        session.add(User(username=name, email=f"{name}@example.com", password_hash="none"))

    @app.post("/late/{name}")
    def late(session: PlainSession, name: str) -> str:
        bind_tenant(session, tenant)
        add(session, name)
        return name

    @app.post("/early/{name}")
    def early(session: DbSession, name: str) -> str:
        bind_tenant(session, tenant)
        add(session, name)
        return name

    @app.post("/bound/{name}")
    def bound(session: Db, name: str) -> str:
        add(session, name)
        return name

    @app.get("/bound")
    def listing(session: Db) -> list[str]:
        return list(session.scalars(select(User.username).order_by(User.username)))

    @app.post("/refused/{name}")
    def refused(session: Db, name: str) -> None:
        add(session, name)
        session.flush()
        note = AuditNote(event="user.create", resource=name, resource_type="USER", actor_name="ann")
        raise Denied("no", note=note)

    @app.post("/missing/{name}")
    def missing(session: Db, name: str) -> None:
        add(session, name)
        session.flush()
        raise HTTPException(404)

    app.add_middleware(Witness, seen=committed_when_answered, tenant_id=tenant)
    yield Client(app)
    assert get_engine().pool.checkedout() == 0  # type: ignore[attr-defined]  # a FairPool


@pytest.mark.parametrize("path", ["/early/ann", "/bound/ann"])
def test_the_commit_comes_before_the_answer(
    client: Client, tenant: UUID, committed_when_answered: list[list[str]], path: str
) -> None:
    assert client.post(path, tenant).json() == "ann"
    assert committed_when_answered == [["ann"]]


def test_without_the_scope_it_comes_after(
    client: Client, committed_when_answered: list[list[str]], tenant: UUID
) -> None:
    assert client.post("/late/ann", tenant).json() == "ann"
    assert committed_when_answered == [[]]
    with read_session(tenant=tenant) as session:
        assert session.scalars(select(User.username)).all() == ["ann"]


@pytest.mark.parametrize(("path", "answer"), [("/early/ann", 500), ("/bound/ann", 500), ("/late/ann", 200)])
def test_a_refused_commit_is_no_success(client: Client, tenant: UUID, path: str, answer: int) -> None:
    make_user(make_tenant(), "ann")
    assert client.post(path, tenant).status_code == answer, "which is why DbSession has the scope"
    with read_session(tenant=tenant) as session:
        assert session.scalars(select(User.username)).all() == []


def test_a_request_sees_and_writes_its_tenants_rows(client: Client, tenant: UUID) -> None:
    other = make_tenant("beta")
    for owner, name in ((tenant, "ann"), (other, "bob"), (tenant, "cyd")):
        assert client.post(f"/bound/{name}", owner).status_code == 200
    assert client.get("/bound", tenant).json() == ["ann", "cyd"]
    assert client.get("/bound", other).json() == ["bob"]
    assert client.get("/bound").status_code == 401


def test_a_failed_request_changes_nothing(client: Client, tenant: UUID) -> None:
    assert client.post("/missing/ann", tenant).status_code == 404
    with read_session(tenant=tenant) as session:
        assert session.scalars(select(User.username)).all() == []


def test_a_refused_request_is_remembered(client: Client, tenant: UUID) -> None:
    assert issubclass(Denied, NotAllowed)
    assert client.post("/refused/ann", tenant).status_code == 500, "until a door turns it into 403"
    with read_session(tenant=tenant) as session:
        assert session.scalars(select(User.username)).all() == []
        (row,) = session.scalars(select(AuditLog))
        assert (row.event, row.resource, row.outcome) == ("user.create", "ann", Outcome.DENIED)
