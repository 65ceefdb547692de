"""The CloudFormation template by which a customer lets spothive into an AWS account.

It makes one role. Only spothive's principal may assume it, only with the external id of this customer, and it
allows exactly what the gateway calls.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Literal

from spothive.errors import InvalidInput
from spothive.gateways.aws import valid_external_id
from spothive.gateways.aws_calls import ACTING_CALLS, UNGRANTED_CALLS, Call

Access = Literal["read-only", "full"]
"""``read-only`` lets spothive see a fleet; ``full`` also lets it act on one."""

READING: Final = tuple(sorted(set(Call) - UNGRANTED_CALLS - ACTING_CALLS))
"""What ``read-only`` grants."""

ACTING: Final = (
    "autoscaling:UpdateAutoScalingGroup",
    "ec2:CreateSnapshot",
    "ec2:CreateTags",
    "ec2:DeleteSnapshot",
    "ec2:DeleteVolume",
    "ec2:DeregisterImage",
    "ec2:ReleaseAddress",
    "ec2:TerminateInstances",
    "eks:UpdateNodegroupConfig",
)
"""What ``full`` grants besides: removing waste and rogue instances, scaling groups for hibernation.

Tags may be set on a snapshot while it is made, and on nothing else.
"""

CONDITIONS: Final = {"ec2:CreateTags": {"StringEquals": {"ec2:CreateAction": "CreateSnapshot"}}}
"""Actions that are allowed on a condition alone."""

ROLE_OUTPUT: Final = "RoleArn"
"""Output of the stack that holds the ARN of the role."""

_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(?:root|(?:role|user)/[\w+=,.@/-]{1,576})", re.ASCII)


def granted(access: Access) -> tuple[str, ...]:
    """Return the actions an access allows, as IAM spells them."""
    return READING if access == "read-only" else (*READING, *ACTING)


def onboarding_template(*, principal_arn: str, external_id: str, access: Access = "read-only") -> str:
    """Return the template as JSON text, which CloudFormation reads like YAML.

    Args:
        principal_arn: whom the role trusts: the user, role or account root that spothive calls AWS as
            (:attr:`~spothive.gateways.aws_calls.CallerIdentity.principal_arn`).
        external_id: known to this customer and spothive alone; it stands in the text.
        access: what the role may do.

    Raises:
        InvalidInput: the principal is none a role can trust, or the external id one AWS cannot carry.
    """
    if ":role/AWSReservedSSO_" in principal_arn:
        raise InvalidInput(
            "spothive runs as a role of IAM Identity Center, whose path AWS does not tell: give the ARN that IAM shows "
            "as the principal, or run spothive as a user or role of its own"
        )
    if not _PRINCIPAL.fullmatch(principal_arn):
        raise InvalidInput(
            "a role can trust arn:aws:iam::<account>:root, :user/<name> or :role/<name>; "
            "this principal is something else, a session for instance"
        )
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Lets spothive into this account ({access})",
        "Resources": {"SpothiveRole": _role(principal_arn, valid_external_id(external_id), access)},
        "Outputs": {
            ROLE_OUTPUT: {
                "Description": "Give this to spothive",
                "Value": {"Fn::GetAtt": ["SpothiveRole", "Arn"]},
            }
        },
    }
    return json.dumps(template, indent=2) + "\n"


def trust_policy(principal_arn: str, external_id: str | None) -> dict[str, Any]:
    """Return the policy by which a role trusts a principal, on condition of an external id or on none."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": principal_arn},
        "Action": "sts:AssumeRole",
    }
    if external_id is not None:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return {"Version": "2012-10-17", "Statement": [statement]}


def permissions(actions: tuple[str, ...]) -> dict[str, Any]:
    """Return the policy that allows these actions on everything in the account, some on a condition."""
    plain = [action for action in actions if action not in CONDITIONS]
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": plain, "Resource": "*"}]
    statements += [
        {"Effect": "Allow", "Action": [action], "Resource": "*", "Condition": CONDITIONS[action]}
        for action in actions
        if action in CONDITIONS
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _role(principal_arn: str, external_id: str, access: Access) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            # No RoleName: CloudFormation invents one, so a second stack never collides with the first.
            "Description": "Assumed by spothive",
            "MaxSessionDuration": 3600,
            "AssumeRolePolicyDocument": trust_policy(principal_arn, external_id),
            "Policies": [{"PolicyName": "spothive", "PolicyDocument": permissions(granted(access))}],
        },
    }
