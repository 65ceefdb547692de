"""How AWS is called: the names of all calls, and the one way in which each is made.

Every call is named in :class:`Call` and goes through one method, so what the gateway needs is what the onboarding
template grants. No call is made while a database transaction is open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeAlias

from spothive.blocks import refuse_in_block
from spothive.errors import ConfigurationError, InvalidInput
from spothive.gateways.aws_clients import AwsClients, ConnectionOptions, Credentials
from spothive.gateways.aws_errors import AwsError, CredentialsRefused, aws_error, not_enabled
from spothive.gateways.instance_types import is_region

_SESSION_ARN = re.compile(r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")


class Call(StrEnum):
    """Every call the gateway makes, as IAM spells the permission: service and operation."""

    ASSUME_ROLE = "sts:AssumeRole"
    GET_CALLER_IDENTITY = "sts:GetCallerIdentity"
    DESCRIBE_REGIONS = "ec2:DescribeRegions"
    DESCRIBE_INSTANCES = "ec2:DescribeInstances"
    DESCRIBE_AUTO_SCALING_GROUPS = "autoscaling:DescribeAutoScalingGroups"
    LIST_CLUSTERS = "eks:ListClusters"
    DESCRIBE_CLUSTER = "eks:DescribeCluster"
    DESCRIBE_SPOT_PRICE_HISTORY = "ec2:DescribeSpotPriceHistory"
    TERMINATE_INSTANCES = "ec2:TerminateInstances"
    LIST_NODEGROUPS = "eks:ListNodegroups"
    DESCRIBE_NODEGROUP = "eks:DescribeNodegroup"
    UPDATE_AUTO_SCALING_GROUP = "autoscaling:UpdateAutoScalingGroup"
    UPDATE_NODEGROUP_CONFIG = "eks:UpdateNodegroupConfig"
    DESCRIBE_ADDRESSES = "ec2:DescribeAddresses"
    DESCRIBE_VOLUMES = "ec2:DescribeVolumes"
    DESCRIBE_SNAPSHOTS = "ec2:DescribeSnapshots"
    DESCRIBE_SNAPSHOT_ATTRIBUTE = "ec2:DescribeSnapshotAttribute"
    DESCRIBE_IMAGES = "ec2:DescribeImages"
    DESCRIBE_IMAGE_ATTRIBUTE = "ec2:DescribeImageAttribute"
    DESCRIBE_LAUNCH_TEMPLATES = "ec2:DescribeLaunchTemplates"
    DESCRIBE_LAUNCH_TEMPLATE_VERSIONS = "ec2:DescribeLaunchTemplateVersions"
    DESCRIBE_LAUNCH_CONFIGURATIONS = "autoscaling:DescribeLaunchConfigurations"
    CREATE_SNAPSHOT = "ec2:CreateSnapshot"
    RELEASE_ADDRESS = "ec2:ReleaseAddress"
    DELETE_VOLUME = "ec2:DeleteVolume"
    DELETE_SNAPSHOT = "ec2:DeleteSnapshot"
    DEREGISTER_IMAGE = "ec2:DeregisterImage"

    @property
    def service(self) -> str:
        """Name of the service, for IAM and boto3 alike."""
        return self.partition(":")[0]

    @property
    def method(self) -> str:
        """Name of the method of a boto3 client."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.partition(":")[2]).lower()


UNGRANTED_CALLS: Final = frozenset({Call.ASSUME_ROLE, Call.GET_CALLER_IDENTITY, Call.DESCRIBE_SPOT_PRICE_HISTORY})
"""Calls an account need not grant.

The first is allowed by the role's trust, the second AWS allows everybody, and the third spothive makes as itself: the
market is the same for every account.
"""

ACTING_CALLS: Final = frozenset(
    {
        Call.TERMINATE_INSTANCES,
        Call.UPDATE_AUTO_SCALING_GROUP,
        Call.UPDATE_NODEGROUP_CONFIG,
        Call.CREATE_SNAPSHOT,
        Call.RELEASE_ADDRESS,
        Call.DELETE_VOLUME,
        Call.DELETE_SNAPSHOT,
        Call.DEREGISTER_IMAGE,
    }
)
"""Calls that change something at AWS: an account grants them with the access ``full`` alone."""

_PAGE_LIMITS: Final = {
    Call.DESCRIBE_INSTANCES: 1000,
    Call.DESCRIBE_AUTO_SCALING_GROUPS: 100,
    Call.LIST_CLUSTERS: 100,
    Call.LIST_NODEGROUPS: 100,
    Call.DESCRIBE_SPOT_PRICE_HISTORY: 1000,
    Call.DESCRIBE_VOLUMES: 500,
    Call.DESCRIBE_SNAPSHOTS: 1000,
    Call.DESCRIBE_IMAGES: 1000,
    Call.DESCRIBE_LAUNCH_TEMPLATES: 200,
    Call.DESCRIBE_LAUNCH_TEMPLATE_VERSIONS: 200,
    Call.DESCRIBE_LAUNCH_CONFIGURATIONS: 100,
}

Who: TypeAlias = Credentials | None  # None: spothive itself


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """Who holds some credentials: the AWS account and the user, role session or root of it."""

    account_id: str
    arn: str

    @property
    def principal_arn(self) -> str:
        """ARN by which a trust policy names the holder: a role instead of one of its sessions.

        AWS does not tell the path of the role; a role outside of ``/`` has to be named by hand.
        """
        session = _SESSION_ARN.fullmatch(self.arn)
        return "arn:{partition}:iam::{account}:role/{role}".format(**session.groupdict()) if session else self.arn


class AwsCaller:
    """Makes calls, as spothive itself or with the credentials of an account."""

    def __init__(
        self,
        options: ConnectionOptions | None = None,
        *,
        platform: Credentials | None = None,
        home_region: str = "us-east-1",
        page_size: int = 1000,
    ) -> None:
        """Connect to nothing yet.

        Args:
            options: how AWS is reached.
            platform: spothive's own credentials; when None, boto3 looks for them (environment, profile, role of
                the machine).
            home_region: where questions are asked that belong to no region; it must be enabled everywhere.
            page_size: the most things in one answer, such as instances or volumes; AWS's own limits apply.
        """
        self._clients = AwsClients(options or ConnectionOptions(), platform=platform)
        self._home_region = home_region
        self._page_size = page_size

    def close(self) -> None:
        """Close every idle connection; the gateway can be used again."""
        self._clients.close()

    def _identity(self, who: Who) -> CallerIdentity:
        answer = self._ask(who, self._home_region, Call.GET_CALLER_IDENTITY)
        return CallerIdentity(answer["Account"], answer["Arn"])

    def _ask(self, who: Who, region: str, call: Call, **parameters: Any) -> dict[str, Any]:
        """Make one call and return its answer."""
        with self._outside(who, region, call) as client:
            answer: dict[str, Any] = getattr(client, call.method)(**parameters)
        return answer

    def _pages(self, who: Who, region: str, call: Call, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield every page of an answer."""
        size = {"PageSize": min(self._page_size, _PAGE_LIMITS[call])}
        pages: Iterator[dict[str, Any]] | None = None
        while True:
            # Between two pages the caller writes the first: each request is checked and judged by itself.
            with self._outside(who, region, call) as client:
                if pages is None:
                    pages = iter(client.get_paginator(call.method).paginate(PaginationConfig=size, **parameters))
                page = next(pages, None)
            if page is None:
                return
            yield page

    @contextmanager
    def _outside(self, who: Who, region: str, call: Call) -> Iterator[Any]:
        """Lend a client for one request and turn what goes wrong into one of our errors."""
        refuse_in_block(call)
        if not is_region(region):
            raise InvalidInput("that is no region of AWS; one looks like eu-west-1")
        client = self._clients.get(who, call.service, region)
        from botocore.exceptions import (  # type: ignore[import-untyped]  # ships no types
            BotoCoreError,
            ClientError,
            CredentialRetrievalError,
            NoCredentialsError,
        )
        from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]  # ships no types

        try:
            yield client
        except (NoCredentialsError, CredentialRetrievalError) as error:
            _blame_platform(type(error).__name__)
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            failure = aws_error(call, region, error, acts=call in ACTING_CALLS)
            if isinstance(failure, CredentialsRefused):
                failure = self._judge(who, failure)
            raise failure from None  # the original may quote what was sent

    def _judge(self, who: Who, refusal: CredentialsRefused) -> AwsError:
        """Tell refused credentials from a region that does not know them because it is not enabled."""
        if refusal.region == self._home_region:
            if who is None:
                _blame_platform(refusal.code)
            return refusal
        self._identity(who)  # raises what is wrong, if it is the credentials
        return not_enabled(refusal)


def _blame_platform(reason: str) -> NoReturn:
    raise ConfigurationError(
        f"AWS does not accept spothive's own credentials ({reason}); set AWS_ACCESS_KEY_ID, AWS_PROFILE or a role"
    ) from None
