"""The part of the demo that connects accounts and discovers them: boto3 against a stand-in that answers as AWS does."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table

from spothive import runtime
from spothive.cli import demo_change, demo_hive, demo_telling
from spothive.cli.progress import show_progress
from spothive.database import EnvironmentType, get_db_session
from spothive.errors import ProofRefused
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.webhook_stand_in import WebhookStandIn
from spothive.keyring import init_key_file
from spothive.operations.fleet import (
    ScanResult,
    begin_onboarding,
    connect_with_keys,
    discover_account,
    onboarding_template,
    set_environment,
    verify_onboarding,
)

if TYPE_CHECKING:
    from spothive.cli.demo import Demo
    from spothive.gateways.aws_stand_in import AwsStandIn, StandInAccount

INSTANCES = 200
"""Size of each account's fleet, over three regions."""


class AwsStory:
    """Two accounts of acme, one by role and one by keys, one of globex, and a day in their lives."""

    def __init__(self, demo: Demo, aws: AwsStandIn, gateway: AwsGateway) -> None:
        """Tell it within ``demo``, with ``aws`` in the place of AWS."""
        self.demo = demo
        self.aws = aws
        self.gateway = gateway
        self.actor, self.tenant_id = demo.tenants["acme"]

    def run(self) -> None:
        """Tell it all."""
        by_role = self.aws.make_account(instances=INSTANCES, seed=11)
        by_keys = self.aws.make_account(instances=INSTANCES, seed=12)
        other = self.aws.make_account(instances=INSTANCES, seed=13)
        self.demo.title("Connecting AWS accounts")
        self._by_role(by_role)
        self._init_keys()
        self._by_keys("acme", by_keys)
        self._by_keys("globex", other)
        self.demo.title("Discovering them")
        self._show([self._discover("acme", "by-role"), self._discover("acme", "by-keys")])
        self._discover("globex", "by-keys")
        self.demo.title("A day later at AWS: what discovery finds")
        by_role.change_fleet()
        self.demo.show_changes(self._discover("acme", "by-role"))
        demo_hive.HiveStory(self.demo, self.gateway, by_keys).run()
        with WebhookStandIn() as receiver:
            telling = demo_telling.TellingStory(self.demo, receiver)
            demo_change.ChangeStory(self.demo, self.gateway, by_role, telling).run()

    def _by_role(self, account: StandInAccount) -> None:
        with self.demo.step("by-role: template") as done:
            with get_db_session(tenant=self.tenant_id) as session:
                begin_onboarding(session, self.actor, name="by-role")
            template = onboarding_template(
                get_db_session,
                self.actor,
                tenant_id=self.tenant_id,
                name="by-role",
                grant="full",
                gateway=self.gateway,
            )
            role_arn = account.launch_template(template)
            done("launched in the customer's account")
        open_door = account.make_role(trusts=self.aws.platform_arn, external_id=None)
        try:
            self._verify(open_door)
        except ProofRefused as refusal:
            self.demo.console.print("  a role that opens without our external id")
            text = f"{type(refusal).__name__}: {refusal}"
            self.demo.console.print(Padding(text, (0, 0, 0, 4), style="red", expand=False))
        with self.demo.step("by-role: verify") as done:
            done(f"connected to AWS account {self._verify(role_arn)}")

    def _verify(self, role_arn: str) -> str:
        account = verify_onboarding(
            get_db_session,
            self.actor,
            tenant_id=self.tenant_id,
            name="by-role",
            role_arn=role_arn,
            gateway=self.gateway,
        )
        return account.account_id

    def _init_keys(self) -> None:
        key_file = self.demo.own_path("sealing-keys")
        key_file.unlink(missing_ok=True)
        self.demo.set_variables(SPOTHIVE_SEALING_KEY_FILE=str(key_file))
        init_key_file(key_file)

    def _by_keys(self, slug: str, account: StandInAccount) -> None:
        actor, tenant_id = self.demo.tenants[slug]
        with self.demo.step(f"{slug}: by-keys: connect") as done:
            connected = connect_with_keys(
                get_db_session,
                actor,
                tenant_id=tenant_id,
                name="by-keys",
                credentials=account.credentials,
                gateway=self.gateway,
                keys=runtime.keyring,
            )
            with get_db_session(tenant=tenant_id) as session:
                set_environment(session, actor, name="by-keys", environment=EnvironmentType.PROD)
            done(f"keys sealed, AWS account {connected.account_id} marked PROD")

    def _discover(self, slug: str, name: str) -> ScanResult:
        actor, tenant_id = self.demo.tenants[slug]
        with self.demo.step(f"{slug}: discover {name}") as done:
            with show_progress(f"regions of {name}") as progress:
                result = discover_account(
                    get_db_session,
                    actor,
                    tenant_id=tenant_id,
                    name=name,
                    gateway=self.gateway,
                    keys=runtime.keyring,
                    progress=progress,
                )
            done(
                f"{result.seen} instances in {len(result.regions)} regions, {len(result.added)} added, "
                f"{len(result.changed)} changed, {len(result.vanished)} gone"
            )
        return result

    def _show(self, results: list[ScanResult]) -> None:
        table = Table("account", "regions", "instances", "clusters", "flagged: nobody answers for them")
        for result in results:
            counts = (result.seen, len(result.clusters_added), len(result.flagged))
            table.add_row(result.account_name, " ".join(result.regions), *map(str, counts))
        self.demo.console.print(table)


def tell(demo: Demo) -> None:
    """Tell the story, with a stand-in for AWS on loopback."""
    try:
        from spothive.gateways.aws_stand_in import AwsStandIn
    except ModuleNotFoundError:
        demo.console.print("Left out, for want of the extra `demo`: connecting and discovering AWS accounts.")
        return
    with AwsStandIn() as aws:
        options = ConnectionOptions(endpoint_url=aws.url)
        with closing(AwsGateway(options, platform=aws.platform)) as gateway:
            AwsStory(demo, aws, gateway).run()
