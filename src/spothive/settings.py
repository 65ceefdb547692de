"""Settings, read once from the environment.

``DATABASE_URL`` is understood in every spelling in use (``postgres://``, ``postgresql://``,
``postgresql+psycopg2://``); everything else is ``SPOTHIVE_<NAME>``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from spothive.errors import ConfigurationError

DEFAULT_DATABASE_URL = "sqlite:///var/spothive.db"
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgresql+psycopg2": "postgresql+psycopg",
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
}
MAIL_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
"""A mail address that needs no quoting anywhere: ASCII, one @, nothing that would end or divide a header."""
_NO_SETTINGS = {"TENANT", "USER", "DEBUG", "TEST_POSTGRES_URL", "BENCH_POSTGRES_URL"}
"""What the command line, the tests and the bench read of ``SPOTHIVE_...`` themselves."""


def normalise_url(url: str) -> str:
    """Return ``url`` with the driver spothive uses; the scheme may be in capitals.

    Raises:
        ValueError: the scheme names a database spothive does not run on; the message never repeats the URL.
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DRIVERS:
        known = scheme if separator and scheme.replace("+", "").isalnum() else "no scheme"
        msg = (
            f"a database URL starts with postgresql:// or sqlite:///, this one has {known!r}; "
            "for example postgresql://spothive@localhost/spothive"
        )
        raise ValueError(msg)
    return f"{_DRIVERS[scheme]}://{rest}"


class Settings(BaseSettings):
    """What an operator may set. Times are seconds."""

    model_config = SettingsConfigDict(
        env_prefix="SPOTHIVE_", env_ignore_empty=True, hide_input_in_errors=True, extra="ignore", frozen=True
    )

    database_url: SecretStr = Field(
        default=SecretStr(DEFAULT_DATABASE_URL),
        validation_alias=AliasChoices("DATABASE_URL", "SPOTHIVE_DATABASE_URL"),
    )
    """Login of the service."""
    owner_url: SecretStr | None = None
    """Login that owns the schema and migrates it; the service's own when unset."""
    embedded_postgres: bool = False
    """Run on the embedded PostgreSQL under ``embedded_dir`` and ignore both URLs."""
    embedded_dir: Path = Path("var/postgresql")

    pool_size: int = Field(default=30, ge=1)
    max_overflow: int = Field(default=30, ge=0)
    pool_timeout: float = Field(default=30, gt=0)
    """How long a thread waits for a connection; they are served in the order they came."""
    pool_recycle: int = Field(default=3600, ge=-1)
    """A connection that is older is replaced before it is handed out; -1: never."""
    pool_pre_ping: bool = True
    """Look, before a connection is handed out, whether the server has hung up; after 30 s in the pool, ask it."""
    connect_timeout: int = Field(default=10, ge=1)
    sqlite_busy_timeout: float = Field(default=30, ge=0)
    """How long a transaction waits for others that write, of this process and of others."""
    sql_echo: bool = False
    """Print every statement (development)."""
    behind_pgbouncer: bool = False
    """Switch off prepared statements, which transaction pooling cannot keep."""
    slow_statement: float = Field(default=1.0, gt=0)
    """A statement that takes longer is logged as a warning."""
    migration_lock_timeout: float = Field(default=60, gt=0)
    """How long a revision may wait for a table lock before it gives up."""

    bcrypt_rounds: int = Field(default=12, ge=4, le=17)
    admin_password: SecretStr | None = None
    """Password the seed gives to the first admin; a random one is printed once when unset."""
    login_attempts: int = Field(default=5, ge=1)
    """Failed sign-ins in a row after which a user is locked out."""
    login_lock: int = Field(default=15 * 60, ge=1)
    """How long a user is locked out."""
    session_idle: int = Field(default=30 * 60, ge=1)
    """A session ends when it was not used for so long,"""
    session_lifetime: int = Field(default=24 * 3600, ge=1)
    """and when it has been open for so long."""
    sessions_per_user: int = Field(default=5, ge=1)
    """Signing in once more ends the session that was used least lately."""
    audit_signing_key_file: Path = Path("var/audit-signing-key.pem")
    """File with the private key that signs the audit trail's seals, readable by its owner alone."""
    audit_anchor: Path = Path("var/audit-anchor.jsonl")
    """File to which each seal is appended; kept on other storage it proves that no seal is missing."""
    sealing_keys: SecretStr | None = None
    """Keys that seal secrets, ``id:base64key,id2:base64key``, the first seals; the key file's when unset."""
    sealing_key_file: Path = Path("var/sealing-keys")
    """File with the sealing keys, readable by its owner alone."""
    account_access_key_id: SecretStr | None = None
    account_secret_access_key: SecretStr | None = None
    """Keys of the account that ``spothive account connect`` connects, where nobody can be asked for them."""
    aws_endpoint_url: str | None = None
    """One address that answers for every AWS service, such as a stand-in's; AWS itself when unset."""
    aws_attempts: int = Field(default=5, ge=1, le=8)
    """How often a call to AWS is tried in all before throttling or an outage is reported; leases allow for no more."""
    replica_lifetime: int = Field(default=6 * 3600, ge=60)
    """How long a replica stands by for an instance that AWS may take away."""
    approval_window: int = Field(default=24 * 3600, ge=1)
    """How long a request for approval stands, to be decided and executed;"""
    approval_window_high: int = Field(default=8 * 3600, ge=1)
    """one whose risk is HIGH,"""
    approval_window_critical: int = Field(default=2 * 3600, ge=1)
    """and one whose risk is CRITICAL."""
    model_store: Path = Path("var/models")
    """Folder in which the files of registered models are kept."""
    decision_least_saving: Decimal = Field(default=Decimal("0.05"), ge=0, lt=1)
    """Part of the present price that a switch must save: 0.05 is 5 %."""
    decision_most_risk: float = Field(default=0.85, gt=0, le=1)
    """Probability of an interruption within 24 hours that the pool to go to must stay below."""
    waste_address_price: Decimal = Field(default=Decimal("3.60"), ge=0)
    """USD that an elastic IP address costs a month,"""
    waste_volume_price: Decimal = Field(default=Decimal("0.08"), ge=0)
    """that a GB of a volume costs,"""
    waste_snapshot_price: Decimal = Field(default=Decimal("0.05"), ge=0)
    """that a GB of a snapshot costs,"""
    waste_archive_price: Decimal = Field(default=Decimal("0.0125"), ge=0)
    """and that a GB of an archived snapshot costs."""
    waste_volume_days: int = Field(default=7, ge=1)
    """Days after which a volume that no instance has counts as waste,"""
    waste_snapshot_days: int = Field(default=30, ge=1)
    """days after which a snapshot does that nothing stands on,"""
    waste_image_days: int = Field(default=30, ge=1)
    """days after which an image does that nothing uses, from when it was made or last launched,"""
    waste_undo_days: int = Field(default=90, ge=1)
    """and days for which a snapshot never does that is the undo of a deletion."""
    waste_grace: int = Field(default=7 * 24 * 3600, ge=0)
    """How long a deletion can be taken back before it begins."""
    waste_daily_share: Decimal = Field(default=Decimal("0.10"), gt=0, le=1)
    """Part of an account's resources of a kind that may be deleted in 24 hours: 0.10 is 10 %, one at least."""
    action_lease: int = Field(default=60, ge=1, le=3600)
    """How long an agent has for an action before it must extend the lease, unless it asks for another time."""
    action_backoff: float = Field(default=5, ge=0)
    """How long an action waits that went wrong; each time twice as long,"""
    action_backoff_most: float = Field(default=5 * 60, ge=0)
    """and never longer than this."""
    job_lease: int = Field(default=5 * 60, ge=1)
    """How long a worker has for a job without a word before the job has FAILED."""
    agent_silence: int = Field(default=5 * 60, ge=60)
    """A cluster whose agent was not heard of for so long is INACTIVE, and people are told."""
    agent_key: SecretStr | None = None
    """API key of a cluster's agent, for ``spothive agent simulate``."""
    sweep_lease: int = Field(default=60, ge=1)
    """How long a duty of the sweep is held without a word; when its process dies another takes it over after this."""
    sweep_expiries: int = Field(default=60, ge=0)
    """How often the sweep does a duty; 0 switches one off. Ends what is past its time,"""
    sweep_leases: int = Field(default=60, ge=0)
    """and what dead processes have left under way;"""
    sweep_actions: int = Field(default=30, ge=0)
    """gives back what dead agents had, ends actions and jobs, and tells of agents that are silent;"""
    sweep_discovery: int = Field(default=5 * 60, ge=0)
    """looks for accounts whose last discovery is older than ``discovery_age``;"""
    sweep_hibernation: int = Field(default=60, ge=0)
    """puts clusters to sleep and wakes them;"""
    sweep_waste: int = Field(default=3600, ge=0)
    """scans accounts for waste whose last scan is older than ``waste_scan_age``, and deletes what is due;"""
    sweep_webhooks: int = Field(default=5, ge=0)
    """sends webhooks that are due;"""
    sweep_market: int = Field(default=6 * 3600, ge=0)
    """asks AWS for spot prices, of which none older than 24 hours is decided upon;"""
    sweep_risk: int = Field(default=3600, ge=0)
    """tidies pools whose block is over;"""
    sweep_telling: int = Field(default=60, ge=0)
    """tells of blocked pools and used-up budgets;"""
    sweep_datasets: int = Field(default=60, ge=0)
    """makes the datasets that were asked for, and tidies up behind those who died making one;"""
    sweep_rollups: int = Field(default=3600, ge=0)
    """counts the decisions of finished days;"""
    sweep_digests: int = Field(default=60, ge=0)
    """writes the digests whose time has come;"""
    sweep_mails: int = Field(default=30, ge=0)
    """sends the mails that wait;"""
    sweep_sealing: int = Field(default=5 * 60, ge=0)
    """seals the audit trails;"""
    sweep_retention: int = Field(default=24 * 3600, ge=0)
    """deletes what was kept long enough;"""
    sweep_health: int = Field(default=60, ge=0)
    """checks the parts of spothive."""
    discovery_age: int = Field(default=3600, ge=60)
    """The sweep discovers an account again when it was last tried so long ago."""
    waste_scan_age: int = Field(default=24 * 3600, ge=60)
    """The sweep looks for waste in an account again when that was last tried so long ago."""
    keep_api_usage: int = Field(default=90, ge=1)
    """Days for which requests made with API keys are kept,"""
    keep_deliveries: int = Field(default=90, ge=1)
    """mails and webhooks that were sent or given up,"""
    keep_system_logs: int = Field(default=30, ge=2)
    """the system's log, of which health counts the last day,"""
    keep_sessions: int = Field(default=30, ge=1)
    """sessions that have ended,"""
    keep_scan_units: int = Field(default=90, ge=90)
    """what was seen of each region (the database keeps it for 90 days at least),"""
    keep_spot_prices: int = Field(default=400, ge=2)
    """spot prices,"""
    keep_login_history: int = Field(default=365, ge=365)
    """attempts to sign in, and"""
    keep_account_logs: int = Field(default=365, ge=365)
    """what happened to accounts (of both, the database keeps 365 days at least)."""
    keep_notices: int = Field(default=365, ge=1)
    """Days for which notices are kept that were read."""
    webhook_url: SecretStr | None = None
    """URL of the webhook that ``spothive webhook add`` adds, where nobody can be asked for it."""
    webhook_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks that webhooks may go to although they are not public, as ``10.1.0.0/16,fd00:1::/64``; there plain http
    will do."""
    webhook_overlap: int = Field(default=24 * 3600, ge=0)
    """How long the secret of before signs too after a webhook got a new one."""
    smtp_host: str | None = None
    """Server that carries mails; without one they are only printed where they are sent."""
    smtp_port: int | None = Field(default=None, ge=1, le=65535)
    """Its port; the usual one of ``smtp_security`` when unset: 587, 465 or 25."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """Whether the connection becomes encrypted, is from the beginning, or never is."""
    smtp_ca_file: Path | None = None
    """File with the authorities (PEM) whose certificates are trusted; the system's when unset."""
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    """Who signs in at the server; nobody when both are unset."""
    smtp_timeout: float = Field(default=30, gt=0, le=40)
    """How long an answer of the server may take; claims of mails allow for no more."""
    mail_from: str = "spothive@localhost"
    """Address that mails come from."""
    dataset_cache: Path = Path("var/datasets/default.csv")
    dataset_store: Path = Path("var/datasets")
    """Folder in which the files of datasets are kept, on a file system that all who make or read them share."""
    dataset_max_bytes: int = Field(default=2**30, ge=1)
    """Largest file that is imported into a dataset, in bytes, and"""
    dataset_max_rows: int = Field(default=10_000_000, ge=1)
    """most rows of one dataset."""
    log_level: Literal["debug", "info", "warning", "error"] = "warning"

    @field_validator("aws_endpoint_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            msg = "an address begins with http:// or https://"
            raise ValueError(msg)
        return value

    @field_validator("mail_from")
    @classmethod
    def _an_address_for_mail(cls, value: str) -> str:
        if not MAIL_ADDRESS.fullmatch(value):
            msg = "give a mail address alone, such as spothive@example.com"
            raise ValueError(msg)
        return value

    @field_validator("webhook_networks", mode="before")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("database_url", "owner_url")
    @classmethod
    def _known_driver(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else SecretStr(normalise_url(value.get_secret_value()))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic passes it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - and these
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Ask the environment alone: there is no file, and asking for every setting in none takes as long again."""
        return init_settings, env_settings

    @property
    def service_url(self) -> str:
        """URL of the login the service uses (a secret)."""
        return self.database_url.get_secret_value()

    @property
    def migration_url(self) -> str:
        """URL of the login that owns the schema (a secret)."""
        return (self.owner_url or self.database_url).get_secret_value()

    @property
    def one_login(self) -> bool:
        """Whether the service connects as the owner of its tables and must step down to ``spothive_app``."""
        return self.migration_url == self.service_url


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process; ``get_settings.cache_clear()`` reads the environment again.

    Raises:
        ConfigurationError: a variable has a value that cannot be used; the value is not repeated.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        variable = name if name == "DATABASE_URL" else f"SPOTHIVE_{name.upper()}"
        reason = first["msg"].removeprefix("Value error, ")
        msg = f"{variable}: {reason}"
        raise ConfigurationError(msg) from None


def unknown_variables() -> Iterator[tuple[str, str | None]]:
    """Yield each ``SPOTHIVE_...`` variable that nothing reads, with the name that was probably meant.

    They are not refused: another version of spothive, in the same environment, may know them.
    """
    known = sorted({name.upper() for name in Settings.model_fields} | _NO_SETTINGS)
    for variable in sorted(os.environ):
        prefix, _, name = variable.upper().partition("_")
        if prefix == "SPOTHIVE" and name not in known:
            meant = get_close_matches(name, known, n=1)
            yield variable, f"SPOTHIVE_{meant[0]}" if meant else None
