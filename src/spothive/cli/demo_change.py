"""The part of the demo about change: what nobody answers for is ended, each time after somebody has said so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.padding import Padding
from sqlalchemy import select, update

from spothive import runtime
from spothive.clock import utc_now
from spothive.database import (
    AuthStatus,
    Instance,
    InstanceState,
    Role,
    get_db_session,
    read_session,
)
from spothive.database.passwords import hash_password
from spothive.errors import SpothiveError
from spothive.models import Account, ApprovalAction
from spothive.operations.approvals import approve, execute_approved, request_approval
from spothive.operations.fleet import discover_account
from spothive.operations.identity import create_user, find_actor

if TYPE_CHECKING:
    from spothive.cli.demo import Demo
    from spothive.gateways.aws import AwsGateway
    from spothive.gateways.aws_stand_in import StandInAccount
    from spothive.operations.fleet import ScanResult

ACCOUNT = "by-role"
"""The account of acme that lets spothive act."""

A_DAY = timedelta(hours=24, minutes=1)


class ChangeStory:
    """What is done to an account of acme, and who has to agree, within a demo."""

    def __init__(self, demo: Demo, gateway: AwsGateway, account: StandInAccount) -> None:
        """Tell it within ``demo``; ``account`` is acme's, at AWS."""
        self.demo = demo
        self.gateway = gateway
        self.account = account
        self.anna, self.acme = demo.tenants["acme"]

    def run(self) -> None:
        """Tell it all."""
        self.demo.title("An instance that nobody answers for")
        self._make_root()
        self._end_a_rogue()

    def _make_root(self) -> None:
        """Make whoever may approve what is CRITICAL."""
        admin, platform = find_actor("admin", "platform", via="demo")
        facts: dict[str, Any] = {"email": "root@spothive.example", "password_hash": hash_password(self.demo.password)}
        with get_db_session(tenant=platform) as session:
            create_user(session, admin, username="root", role=Role.SUPER_ADMIN, **facts)
        self.root, _ = find_actor("root", "platform", via="demo")

    def _end_a_rogue(self) -> None:
        found = self._flagged()
        with self.demo.step("a day passes") as done:
            with get_db_session(tenant=self.acme) as session:
                since = update(Instance).where(Instance.id == found.id).values(flagged_at=utc_now() - A_DAY)
                session.execute(since)
            judged = self._discover()
            done(f"discovery calls {', '.join(judged.unauthorized)} unauthorized")
        with self.demo.step("anna: approval request") as done:
            request_id = self._ask(ApprovalAction.TERMINATE_ROGUE, found.id, "a machine that nobody knows")
            done(f"CRITICAL: {found.instance_id} is to be terminated")
        self._refuse("anna approves her own request", request_id)
        with self.demo.step("root: approval approve") as done:
            with get_db_session(tenant=self.acme) as session:
                approve(session, self.root, request_id)
            done("for 2 hours, for this instance as it is now, once")
        with self.demo.step("anna: approval execute") as done:
            executed = execute_approved(
                get_db_session,
                self.anna,
                tenant_id=self.acme,
                request_id=request_id,
                gateway=self.gateway,
                keys=runtime.keyring,
            )
            done(f"{executed.target} is {executed.state} at AWS")

    def _flagged(self) -> Instance:
        """Return an instance of acme's that discovery has flagged, and that runs."""
        with read_session(tenant=self.acme) as session:
            flagged = (Instance.auth_status == AuthStatus.FLAGGED, Instance.state == InstanceState.RUNNING)
            query = select(Instance).join(Account, Account.id == Instance.account_id)
            return session.scalars(query.where(Account.account_name == ACCOUNT, *flagged).limit(1)).one()

    def _discover(self) -> ScanResult:
        where: dict[str, Any] = {"tenant_id": self.acme, "name": ACCOUNT}
        return discover_account(get_db_session, self.anna, gateway=self.gateway, keys=runtime.keyring, **where)

    def _ask(self, action: ApprovalAction, target_id: UUID, why: str) -> UUID:
        with get_db_session(tenant=self.acme) as session:
            return request_approval(session, self.anna, action=action, target_id=target_id, description=why).id

    def _refuse(self, attempt: str, request_id: UUID) -> None:
        """Show that nobody approves what they asked for."""
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
