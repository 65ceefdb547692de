"""The part of the demo about trust: signing in, another sealing key, and an audit trail that tells of tampering."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from rich.padding import Padding
from rich.table import Table
from sqlalchemy import select, update

from spothive import runtime
from spothive.cli.output import cell
from spothive.database import PLATFORM_TENANT_ID, AuditLog, get_db_session, read_session
from spothive.errors import SignInRefused
from spothive.operations import audit, secrets
from spothive.operations.identity import find_actor, list_log_ins, log_in
from spothive.settings import get_settings
from spothive.signing import init_signing_key

if TYPE_CHECKING:
    from spothive.cli.demo import Demo


class TrustStory:
    """Who came in, and who did what, within a demo."""

    def __init__(self, demo: Demo) -> None:
        """Tell it within ``demo``."""
        self.demo = demo
        self.admin, _ = find_actor("admin", "platform", via="demo")
        _, self.acme = demo.tenants["acme"]

    def run(self) -> None:
        """Tell it all."""
        self.demo.title("Who comes in")
        self._sign_in()
        if self._has_secrets():  # none without the stand-in for AWS
            self.demo.title("A new sealing key, while everything goes on")
            self._rotate()
        self.demo.title("Who did what, and whether that is true")
        self._seal()
        self._tamper()

    def _sign_in(self) -> None:
        settings = get_settings()
        with self.demo.step("anna: five wrong guesses") as done:
            for number in range(settings.login_attempts):
                self._try(f"wrong guess {number}")
            done(f"each one refused, then locked for {settings.login_lock // 60} minutes")
        with self.demo.step("anna: the right password") as done:
            done(f"{self._try(self.demo.password)}: whoever guesses is not told that this guess was right")
        with read_session(tenant=self.acme) as session:
            attempts = list_log_ins(session, self.admin, username="anna", limit=3)
        table = Table("when", "name", "method", "came in", "why not", title="the last attempts", title_justify="left")
        for row in attempts:
            facts = (row.timestamp, row.login_name, row.login_method, row.success, row.failure_reason)
            table.add_row(*map(cell, facts))
        self.demo.console.print(table)

    def _try(self, password: str) -> str:
        try:
            log_in(get_db_session, name="anna", password=password, keys=runtime.keyring)
        except SignInRefused:
            return "refused too"
        return "let in"

    def _has_secrets(self) -> bool:
        with get_db_session(tenant=PLATFORM_TENANT_ID) as session:
            return bool(secrets.status(session, self.admin))

    def _rotate(self) -> None:
        with self.demo.step("secrets rotate") as done:
            rotation = secrets.rotate(
                get_db_session,
                self.admin,
                tenant_id=PLATFORM_TENANT_ID,
                keyring=runtime.keyring(),
                key_file=runtime.key_file(),
            )
            done(f"{rotation.resealed} secrets sealed anew with the key {rotation.key_id}")

    def _seal(self) -> None:
        key, anchor = self.demo.own_path("audit-signing-key.pem"), self.demo.own_path("audit-anchor.jsonl")
        for path in (key, anchor):
            path.unlink(missing_ok=True)
        self.demo.set_variables(SPOTHIVE_AUDIT_SIGNING_KEY_FILE=str(key), SPOTHIVE_AUDIT_ANCHOR=str(anchor))
        init_signing_key(key)
        with self.demo.step("audit seal") as done:
            sealed = audit.seal_trails(
                get_db_session, self.admin, keys=runtime.signing_keys(), anchor=runtime.audit_anchor()
            )
            done(f"{sealed.rows} rows of {len(sealed.tenants)} tenants signed, and anchored in {anchor}")
        self._verify()

    def _tamper(self) -> None:
        with read_session(tenant=self.acme) as session:
            row_id, name = session.execute(
                select(AuditLog.id, AuditLog.actor_name).order_by(AuditLog.id).offset(1).limit(1)
            ).one()
        self.demo.console.print("  whoever owns the database takes the guards down and lets another have done it")
        self._overwrite(row_id, "nobody")
        self._verify()
        self._overwrite(row_id, name)
        self.demo.console.print("  the row as it was")
        self._verify()

    def _verify(self) -> None:
        with self.demo.step("audit verify") as done:
            report = audit.verify_trail(
                read_session, self.acme, keys=runtime.signing_keys(), anchored=runtime.audit_anchor().read()
            )
            done(f"{'sound' if report.is_sound else 'NOT SOUND'}: {report.rows} sealed rows of acme")
        for finding in report.findings:
            text = f"{finding.place}: {finding.what}"
            self.demo.console.print(Padding(text, (0, 0, 0, 4), style="red", expand=False))

    def _overwrite(self, row_id: UUID, actor_name: str) -> None:
        self.demo.as_owner(update(AuditLog).where(AuditLog.id == row_id).values(actor_name=actor_name))


def tell(demo: Demo) -> None:
    """Tell the story."""
    TrustStory(demo).run()
