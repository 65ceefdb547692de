"""The gateway to AWS: the only place that calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from spothive.errors import InvalidInput
from spothive.gateways.aws_calls import Call, CallerIdentity
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AwsCallFailed
from spothive.gateways.aws_scaling import ScalingCalls
from spothive.gateways.aws_waste import WasteCalls
from spothive.gateways.ec2_answer import FleetAnswer, read_answer

SESSION_NAME: Final = "spothive"
"""How spothive's sessions are called in an account's CloudTrail."""

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


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


class AwsGateway(ScalingCalls, WasteCalls):
    """Asks AWS, as spothive itself or with the credentials of an account. Safe to share between threads.

    Every method that asks raises

    * :class:`~spothive.gateways.aws_errors.AwsRefused` when the credentials or their policies are to blame,
    * :class:`~spothive.gateways.aws_errors.RegionNotEnabled` when the account has not opted in to the region,
    * :class:`~spothive.gateways.aws_errors.AwsUnavailable` when nothing is known, after the retries,
    * :class:`~spothive.gateways.aws_errors.AwsCallFailed` for any other answer,
    * :class:`~spothive.errors.ConfigurationError` when spothive's own credentials are missing or refused,
    * :class:`~spothive.errors.NetworkInTransaction` when a database transaction is open.
    """

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
