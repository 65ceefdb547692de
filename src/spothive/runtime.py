"""Makes what operations are given from outside, as the settings say: ways out, keys, anchor, model files."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from spothive.anchor import Anchor
from spothive.gateways.aws import AwsGateway
from spothive.gateways.aws_clients import ConnectionOptions
from spothive.gateways.dataset_store import DatasetStore
from spothive.gateways.mail import ConsoleMailer, Mailer, SmtpMailer, SmtpOptions
from spothive.gateways.webhooks import WebhookSender
from spothive.keyring import Keyring, load_keyring
from spothive.scoring.serving import ModelServer
from spothive.scoring.store import ModelStore
from spothive.settings import get_settings
from spothive.signing import SigningKeys, load_signing_keys


def aws_gateway() -> AwsGateway:
    """Return a gateway that speaks with the credentials boto3 finds on this machine. It connects to nothing yet."""
    settings = get_settings()
    return AwsGateway(ConnectionOptions(endpoint_url=settings.aws_endpoint_url, attempts=settings.aws_attempts))


def keyring() -> Keyring:
    """Return the sealing keys of this installation.

    Raises:
        KeyMissing: there are none.
        ConfigurationError: a key has the wrong form, or others can read the key file.
    """
    return load_keyring(get_settings())


def key_file() -> Path | None:
    """Return the file that the sealing keys come from; None where they are in ``SPOTHIVE_SEALING_KEYS``."""
    settings = get_settings()
    return settings.sealing_key_file if settings.sealing_keys is None else None


def signing_keys() -> SigningKeys:
    """Return the keys that sign the audit trail's seals.

    Raises:
        KeyMissing: there are none.
        ConfigurationError: they cannot be used, or others can read the key file.
    """
    return load_signing_keys(get_settings().audit_signing_key_file)


def audit_anchor() -> Anchor:
    """Return the anchor, to which seals are appended. The file may not be there yet."""
    return Anchor(get_settings().audit_anchor)


def mailer() -> Mailer:
    """Return what carries mails; without a server they are printed on standard error. It connects to nothing yet.

    Raises:
        ConfigurationError: the settings do not go together.
    """
    settings = get_settings()
    if settings.smtp_host is None:
        return ConsoleMailer(sys.stderr, sender=settings.mail_from)
    return SmtpMailer(
        SmtpOptions(
            settings.smtp_host,
            settings.mail_from,
            port=settings.smtp_port,
            security=settings.smtp_security,
            ca_file=settings.smtp_ca_file,
            user=settings.smtp_user,
            password=settings.smtp_password,
            timeout=settings.smtp_timeout,
        )
    )


def webhook_sender() -> WebhookSender:
    """Return what sends webhooks, to the public internet and to the networks that the settings allow besides."""
    return WebhookSender(get_settings().webhook_networks)


def model_store() -> ModelStore:
    """Return the folder of this installation's model files. It is not made yet."""
    return ModelStore(get_settings().model_store)


def dataset_store() -> DatasetStore:
    """Return the folder of this installation's datasets. It is not made yet."""
    return DatasetStore(get_settings().dataset_store)


def model_server() -> ModelServer:
    """Return what keeps models loaded in this process: the same one each time. It has loaded none yet."""
    return _model_server(get_settings().model_store)


@lru_cache(maxsize=1)
def _model_server(folder: Path) -> ModelServer:
    return ModelServer(ModelStore(folder))
