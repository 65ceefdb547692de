"""The gateway to AWS: the only place that calls it.

Every call is named in :class:`Call` and goes through one method, so what the gateway needs is what the onboarding
template grants. No call is made while a database transaction is open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeAlias

from spothive.blocks import refuse_in_block
from spothive.errors import ConfigurationError, InvalidInput
from spothive.gateways.aws_clients import AwsClients, ConnectionOptions, Credentials
from spothive.gateways.aws_errors import AwsCallFailed, AwsError, CredentialsRefused, aws_error, not_enabled
from spothive.gateways.ec2_answer import FleetAnswer, read_answer
from spothive.gateways.instance_types import is_region

SESSION_NAME: Final = "spothive"
"""How spothive's sessions are called in an account's CloudTrail."""

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
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

ACTING_CALLS: Final = frozenset({Call.TERMINATE_INSTANCES})
"""Calls that change something at AWS: an account grants them with the access ``full`` alone."""

_PAGE_LIMITS: Final = {
    Call.DESCRIBE_INSTANCES: 1000,
    Call.DESCRIBE_AUTO_SCALING_GROUPS: 100,
    Call.LIST_CLUSTERS: 100,
    Call.DESCRIBE_SPOT_PRICE_HISTORY: 1000,
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


@dataclass(frozen=True, slots=True)
class ObservedCluster:
    """One EKS cluster as AWS described it.

    Attributes:
        version: Kubernetes version, such as ``1.33``.
        endpoint: HTTPS address of its API server; None while it is being made.
        status: EKS's word: CREATING, ACTIVE, DELETING, FAILED, UPDATING or PENDING.
    """

    name: str
    arn: str
    region: str
    version: str
    status: str
    endpoint: str | None
    vpc_id: str | None


class AwsGateway:
    """Asks AWS, as spothive itself or with the credentials of an account. Safe to share between threads.

    Every method that asks raises

    * :class:`~spothive.gateways.aws_errors.AwsRefused` when the credentials or their policies are to blame,
    * :class:`~spothive.gateways.aws_errors.RegionNotEnabled` when the account has not opted in to the region,
    * :class:`~spothive.gateways.aws_errors.AwsUnavailable` when nothing is known, after the retries,
    * :class:`~spothive.gateways.aws_errors.AwsCallFailed` for any other answer,
    * :class:`~spothive.errors.ConfigurationError` when spothive's own credentials are missing or refused,
    * :class:`~spothive.errors.NetworkInTransaction` when a database transaction is open.
    """

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
            page_size: the most instances, groups or clusters in one answer; AWS's own limits apply.
        """
        self._clients = AwsClients(options or ConnectionOptions(), platform=platform)
        self._home_region = home_region
        self._page_size = page_size

    def close(self) -> None:
        """Close every idle connection; the gateway can be used again."""
        self._clients.close()

    # --- who ----------------------------------------------------------------------------------------

    def platform_identity(self) -> CallerIdentity:
        """Return whom spothive's own credentials belong to: the principal that accounts trust."""
        return self._identity(None)

    def caller_identity(self, credentials: Credentials) -> CallerIdentity:
        """Return whom the credentials belong to. AWS tells everybody, whatever the policies say."""
        return self._identity(credentials)

    def assume_role(self, role_arn: str, external_id: str | None) -> Credentials:
        """Return credentials of the role for one hour; without ``external_id`` none is sent.

        To prove that a role is safe from a confused deputy, expect
        :class:`~spothive.gateways.aws_errors.AccessDenied`, and nothing else, without an external id and with a
        wrong one.

        Raises:
            InvalidInput: the ARN is not one of a role, or the external id one AWS cannot carry.
        """
        if not _ROLE_ARN.fullmatch(role_arn):
            raise InvalidInput("the ARN of a role looks like arn:aws:iam::123456789012:role/name; copy it from IAM")
        given: dict[str, str] = {}
        if external_id is not None:
            given["ExternalId"] = valid_external_id(external_id)
        answer = self._ask(
            None, self._home_region, Call.ASSUME_ROLE, RoleArn=role_arn, RoleSessionName=SESSION_NAME, **given
        )
        keys = answer["Credentials"]
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], keys["Expiration"])

    # --- what -----------------------------------------------------------------------------------------

    def enabled_regions(self, credentials: Credentials) -> list[str]:
        """Return the regions the account has not switched off, sorted."""
        answer = self._ask(credentials, self._home_region, Call.DESCRIBE_REGIONS)
        return sorted(region["RegionName"] for region in answer["Regions"])

    def instance_pages(self, credentials: Credentials, region: str) -> Iterator[FleetAnswer]:
        """Yield the instances of a region, one answer of AWS after the other, each asked for when it is wanted.

        ``complete`` is False on every page that is followed by another. An instance may stand on two pages; the
        later one counts. Pages that were yielded before an error stay true.
        """
        for page in self._pages(credentials, region, Call.DESCRIBE_INSTANCES):
            yield _fleet_of(page, region)

    def instance(self, credentials: Credentials, region: str, instance_id: str) -> FleetAnswer:
        """Return the instance with this EC2 id; an answer without instances if the account has none in the region.

        It takes no other permission than :meth:`instance_pages`: by a filter, since an id that AWS does not know would
        be an error, and one that left a moment ago too.
        """
        only = [{"Name": "instance-id", "Values": [instance_id]}]
        whole = FleetAnswer()
        for page in self._pages(credentials, region, Call.DESCRIBE_INSTANCES, Filters=only):
            part = _fleet_of(page, region)
            whole.owner_ids |= part.owner_ids
            whole.instances += part.instances
            whole.refused += part.refused
        return whole

    def terminate(self, credentials: Credentials, region: str, instance_id: str) -> str:
        """Terminate the instance with this EC2 id; return its state now, in EC2's words.

        Asked again it answers the same, and ``terminated`` when AWS does not know the instance any more.
        """
        try:
            answer = self._ask(credentials, region, Call.TERMINATE_INSTANCES, InstanceIds=[instance_id])
        except AwsCallFailed as error:
            if error.code == "InvalidInstanceID.NotFound":
                return "terminated"
            raise
        [ended] = answer["TerminatingInstances"]
        return str(ended["CurrentState"]["Name"])

    def auto_scaling_instances(self, credentials: Credentials, region: str) -> set[str]:
        """Return the ids of the instances that belong to an Auto Scaling group of the region."""
        return {
            member["InstanceId"]
            for page in self._pages(credentials, region, Call.DESCRIBE_AUTO_SCALING_GROUPS)
            for group in page["AutoScalingGroups"]
            for member in group["Instances"]
        }

    def clusters(self, credentials: Credentials, region: str) -> list[ObservedCluster]:
        """Return the EKS clusters of the region, by name. One that is deleted meanwhile is left out."""
        names = [name for page in self._pages(credentials, region, Call.LIST_CLUSTERS) for name in page["clusters"]]
        described = (self._cluster(credentials, region, name) for name in sorted(names))
        return [cluster for cluster in described if cluster is not None]

    def spot_price_pages(
        self, region: str, *, since: datetime, types: Sequence[str] = (), product: str = "Linux/UNIX"
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the spot prices of a region since a moment (aware), one answer of AWS after the other, newest first.

        spothive asks as itself. The entries are those of DescribeSpotPriceHistory as the ``aws`` command prints them;
        the first of a pool may be older than ``since``: it was still the price then. Without ``types`` all are read.
        """
        given: dict[str, Any] = {"StartTime": since, "ProductDescriptions": [product]}
        if types:
            given["InstanceTypes"] = list(types)
        for page in self._pages(None, region, Call.DESCRIBE_SPOT_PRICE_HISTORY, **given):
            yield [each | {"Timestamp": each["Timestamp"].isoformat()} for each in page["SpotPriceHistory"]]

    def _cluster(self, credentials: Credentials, region: str, name: str) -> ObservedCluster | None:
        try:
            cluster = self._ask(credentials, region, Call.DESCRIBE_CLUSTER, name=name)["cluster"]
        except AwsCallFailed as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        return ObservedCluster(
            name=cluster["name"],
            arn=cluster["arn"],
            region=region,
            version=cluster["version"],
            status=cluster["status"],
            endpoint=cluster.get("endpoint") or None,
            vpc_id=cluster.get("resourcesVpcConfig", {}).get("vpcId") or None,
        )

    def _identity(self, who: Who) -> CallerIdentity:
        answer = self._ask(who, self._home_region, Call.GET_CALLER_IDENTITY)
        return CallerIdentity(answer["Account"], answer["Arn"])

    # --- how: the only three methods that touch a client ---------------------------------------------

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
            failure = aws_error(call, region, error)
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


def valid_external_id(external_id: str) -> str:
    """Return an external id that AWS can carry.

    Raises:
        InvalidInput: it is too short, too long or has characters AWS refuses; the message does not repeat it.
    """
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise InvalidInput("an external id has 2 to 1224 letters, digits or any of +=,.@:/-_ and nothing else")
    return external_id


def _fleet_of(page: dict[str, Any], region: str) -> FleetAnswer:
    """Read a page as if the command line had printed it: there is one reader of instances, and it trusts nothing."""
    printed = {"Reservations": page.get("Reservations", []), "NextToken": page.get("NextToken")}
    return read_answer(region, json.dumps(printed, default=datetime.isoformat).encode())


def _blame_platform(reason: str) -> NoReturn:
    raise ConfigurationError(
        f"AWS does not accept spothive's own credentials ({reason}); set AWS_ACCESS_KEY_ID, AWS_PROFILE or a role"
    ) from None
