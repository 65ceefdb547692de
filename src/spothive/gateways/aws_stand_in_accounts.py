"""The accounts of the AWS stand-in: their regions, users, keys and roles. moto keeps them, they are judged here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Final

from moto.ec2.models import ec2_backends
from moto.ec2.models.availability_zones_and_regions import Region
from moto.eks.models import eks_backends
from moto.iam.models import IAMBackend, Role, User, iam_backends
from moto.sts.models import AssumedRole, sts_backends

from spothive.gateways.aws_clients import Credentials
from spothive.gateways.onboarding_template import READING, permissions, trust_policy

HOME_REGION: Final = "us-east-1"
"""The region every account of the stand-in has enabled."""

_PARTITION = "aws"
_POLICY = "granted"
_ALWAYS_ALLOWED = {"sts:GetCallerIdentity"}  # whatever the policies say


class StandInIdentities:
    """Identity and access in one made-up AWS account."""

    def __init__(self, account_id: str, regions: Iterable[str]) -> None:
        """Open the account with these regions enabled besides the home region."""
        self.account_id = account_id
        self.regions = frozenset(regions) | {HOME_REGION}
        self.image_parameters: dict[str, str] = {}
        """Image by Systems Manager parameter, spelled as a launch template does: ``resolve:ssm:/name``."""
        self._numbers = count(1)
        backend = ec2_backends[account_id][HOME_REGION]
        backend.regions = [Region(name, f"ec2.{name}.amazonaws.com", "opted-in") for name in sorted(self.regions)]

    def make_user(self, *, actions: tuple[str, ...] = READING) -> tuple[str, Credentials]:
        """Make a user who may do ``actions``; return the ARN and a key pair."""
        user = self._iam.create_user(HOME_REGION, f"user-{next(self._numbers)}")
        self._iam.put_user_policy(user.name, _POLICY, json.dumps(permissions(actions)))
        key = self._iam.create_access_key(user.name)
        return user.arn, Credentials(key.access_key_id, key.secret_access_key)

    def make_role(self, *, trusts: str, external_id: str | None, actions: tuple[str, ...] = READING) -> str:
        """Make a role by hand that trusts a principal and may do ``actions``; return the ARN.

        Without ``external_id`` the role has no such condition: anybody who makes spothive try it gets in. With a ``*``
        in it the condition is a pattern.
        """
        trust = json.dumps(_trust(trusts, external_id))
        role = self._iam.create_role(f"role-{next(self._numbers)}", trust, "/", None, "", [], None)
        self._iam.put_role_policy(role.name, _POLICY, json.dumps(permissions(actions)))
        return role.arn

    def launch_template(self, template: str) -> str:
        """Launch a stack from the text of the onboarding template, as a customer does; return the role's ARN."""
        from moto.cloudformation.models import cloudformation_backends  # takes a second: it knows every service

        stacks = cloudformation_backends[self.account_id][HOME_REGION]
        stack = stacks.create_stack(f"spothive-{next(self._numbers)}", template, {})
        return next(str(output["OutputValue"]) for output in stack.outputs or ())

    def change_trust(self, role_arn: str, *, trusts: str, external_id: str | None) -> None:
        """Give a role another principal or external id to trust."""
        role = self._role(role_arn)
        role.assume_role_policy_document = json.dumps(_trust(trusts, external_id))

    def withdraw_permissions(self) -> None:
        """Take every policy from every user and role: good credentials that may do nothing."""
        holders: list[User | Role] = [*self._iam.roles.values(), *self._iam.users.values()]
        for holder in holders:
            holder.policies.clear()

    def delete_keys(self) -> None:
        """Delete every key of every user; what they open is shut at once."""
        for user in self._iam.users.values():
            for key in list(user.access_keys):
                self._iam.delete_access_key(key.access_key_id, user.name)

    # --- what the gate asks -------------------------------------------------------------------------

    def owns(self, access_key_id: str) -> bool:
        """Tell whether a key, lasting or temporary, belongs to the account."""
        return access_key_id in self._iam.access_keys

    def keys(self, access_key_id: str) -> Credentials:
        """Return the whole of a key of the account."""
        session = self._session(access_key_id)
        key = session or self._iam.access_keys[access_key_id]
        return Credentials(access_key_id, key.secret_access_key, session.session_token if session else None)

    def holder_of(self, access_key_id: str) -> str:
        """Return the ARN of the user or role behind a key of the account."""
        return str(self._holder(access_key_id).arn)

    def may(self, access_key_id: str, action: str, *, while_calling: str | None = None) -> bool:
        """Tell whether the user or role behind a key may call ``action``, by itself or as a part of another call."""
        policies = map(_document, self._holder(access_key_id).policies.values())
        statements = [each for policy in policies for each in policy["Statement"] if _is_met(each, while_calling)]
        allowed = {allowed for each in statements for allowed in each["Action"]}
        return action in allowed | _ALWAYS_ALLOWED

    def has_cluster(self, region: str, name: str) -> bool:
        """Tell whether the account has an EKS cluster of this name in a region."""
        return name in eks_backends[self.account_id][region].clusters

    def trusts(self, role_arn: str, caller_arn: str, external_id: str | None) -> bool:
        """Tell whether a role of the account exists and lets the caller assume it."""
        try:
            trust = _document(self._role(role_arn).assume_role_policy_document)
        except KeyError:
            return False
        return any(_allows(statement, caller_arn, external_id) for statement in trust["Statement"])

    def _session(self, access_key_id: str) -> AssumedRole | None:
        return sts_backends[self.account_id][_PARTITION].get_assumed_role_from_access_key(access_key_id)

    def _holder(self, access_key_id: str) -> User | Role:
        session = self._session(access_key_id)
        if session is not None:
            return self._role(session.role_arn)
        return self._iam.users[str(self._iam.access_keys[access_key_id].user_name)]

    def _role(self, role_arn: str) -> Role:
        return {role.arn: role for role in self._iam.roles.values()}[role_arn]

    @property
    def _iam(self) -> IAMBackend:
        return iam_backends[self.account_id][_PARTITION]


def _trust(principal: str, external_id: str | None) -> dict[str, Any]:
    """Return a trust policy as somebody might write it by hand."""
    policy = trust_policy(principal, external_id)
    if external_id is not None and "*" in external_id:
        statement = policy["Statement"][0]
        statement["Condition"] = {"StringLike": statement["Condition"]["StringEquals"]}
    return policy


def _document(policy: str | dict[str, Any]) -> dict[str, Any]:
    """Return a policy that moto keeps as text, or as an object when CloudFormation made it."""
    document: dict[str, Any] = json.loads(policy) if isinstance(policy, str) else policy
    return document


def _is_met(statement: dict[str, Any], while_calling: str | None) -> bool:
    """Tell whether the condition of a statement is met: none, or the one on the call that makes what is tagged."""
    condition = statement.get("Condition")
    return condition is None or condition == {"StringEquals": {"ec2:CreateAction": while_calling}}


def _allows(statement: dict[str, Any], caller_arn: str, external_id: str | None) -> bool:
    """Read a statement of a trust policy as AWS does."""
    root = ":".join((*caller_arn.split(":")[:5], "root"))
    conditions = dict(statement.get("Condition", {}))
    wanted = conditions.pop("StringEquals", {}).get("sts:ExternalId", external_id)
    pattern = conditions.pop("StringLike", {}).get("sts:ExternalId", "*")
    if conditions:
        raise NotImplementedError(f"the stand-in cannot judge the conditions {sorted(conditions)} of a trust policy")
    return (
        statement["Effect"] == "Allow"
        and statement["Action"] == "sts:AssumeRole"
        and statement["Principal"]["AWS"] in {caller_arn, root}
        and wanted == external_id
        and fnmatchcase(external_id or "", pattern)
    )
