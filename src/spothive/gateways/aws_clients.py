"""Whom spothive speaks as at AWS, and the boto3 clients that do the speaking."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from spothive.errors import ConfigurationError

MAX_CLIENTS: Final = 64
"""How many clients are kept, each with its connections; one discovery uses three for each region at work."""

_LONGEST_PAUSE = 20
"""Seconds between two attempts at most; botocore's, whose pauses grow from up to 1 to up to this."""

_Key = tuple["Credentials | None", str, str]


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A key pair of AWS, with a session token if it is temporary. Nothing of it is ever shown.

    Attributes:
        expires_at: when AWS stops accepting it, in UTC; None for a key pair that lasts.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return "Credentials(hidden)"


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How AWS is reached.

    Attributes:
        endpoint_url: one address that answers for every service, such as the stand-in's; AWS itself when None.
        connect_timeout: seconds until a connection must stand.
        read_timeout: seconds AWS may be silent.
        attempts: how often a call is tried in all, with growing pauses, before throttling or an outage is reported.
    """

    endpoint_url: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    attempts: int = 5

    @property
    def longest_call(self) -> timedelta:
        """How long one call may take at most: every attempt times out, and every pause between two is the longest."""
        pauses = sum(min(2**number, _LONGEST_PAUSE) for number in range(self.attempts - 1))
        return timedelta(seconds=self.attempts * (self.connect_timeout + self.read_timeout) + pauses)


class AwsClients:
    """Makes boto3 clients for anybody's credentials and keeps the latest; safe to share between threads."""

    def __init__(self, options: ConnectionOptions, *, platform: Credentials | None) -> None:
        """Connect to nothing yet.

        Args:
            options: how AWS is reached.
            platform: spothive's own credentials; when None, boto3 looks for them (environment, profile, role
                of the machine).
        """
        self._options = options
        self._platform = platform
        self._session: Any = None
        self._clients: OrderedDict[_Key, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, who: Credentials | None, service: str, region: str) -> Any:
        """Return the client of ``who`` (None: spothive itself) for a service in a region.

        Raises:
            ConfigurationError: boto3 is not installed, or the machine's own AWS configuration cannot be used.
        """
        key = (who, service, region)
        with self._lock:  # a boto3 session must not make two clients at once
            if key in self._clients:
                self._clients.move_to_end(key)
                return self._clients[key]
            client = self._clients[key] = self._make(who or self._platform, service, region)
            if len(self._clients) > MAX_CLIENTS:
                _, oldest = self._clients.popitem(last=False)
                oldest.close()  # only idle connections: a call that is under way finishes
            return client

    def close(self) -> None:
        """Close every idle connection and forget the clients."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()

    def _make(self, who: Credentials | None, service: str, region: str) -> Any:
        try:
            import boto3  # type: ignore[import-untyped]  # noqa: F401 - it ships no types, and may not be installed
            from botocore.config import Config  # type: ignore[import-untyped]  # ships no types
            from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]  # ships no types
        except ImportError:
            raise ConfigurationError(
                "AWS is asked through boto3, which is not installed: pip install 'spothive[aws]'"
            ) from None

        options = self._options
        config = Config(
            connect_timeout=options.connect_timeout,
            read_timeout=options.read_timeout,
            retries={"mode": "standard", "total_max_attempts": options.attempts},
            user_agent_extra="spothive",
        )
        keys: dict[str, str | None] = {}
        if who is not None:
            keys["aws_access_key_id"] = who.access_key_id
            keys["aws_secret_access_key"] = who.secret_access_key
            keys["aws_session_token"] = who.session_token
        try:
            if self._session is None:
                self._session = _new_session()
            return self._session.client(
                service, region_name=region, endpoint_url=options.endpoint_url, config=config, **keys
            )
        except BotoCoreError as error:
            reason = type(error).__name__
            raise ConfigurationError(
                f"the AWS configuration of this machine cannot be used ({reason}); check AWS_PROFILE and ~/.aws/config"
            ) from None


def _new_session() -> Any:
    """Import boto3, which takes a third of a second, and keep it from logging secrets."""
    import boto3

    # At DEBUG botocore writes whole answers into the log: those of AssumeRole hold a secret key.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    return boto3.session.Session()
