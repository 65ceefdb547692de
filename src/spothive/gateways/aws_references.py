"""What in a region uses images and snapshots: instances, launch templates, configurations and Auto Scaling groups."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, TypeAlias

from spothive.gateways.aws_calls import AwsCaller, Call
from spothive.gateways.aws_clients import Credentials
from spothive.gateways.aws_errors import AccessDenied, AwsCallFailed
from spothive.gateways.waste_answer import References

PUBLIC_PARAMETERS: Final = "resolve:ssm:/aws/"
"""How a parameter of AWS begins: AWS keeps the path for itself, and it names no image of an account."""

_IMAGE = re.compile(r"ami-[0-9a-f]+")
_MANAGED_TOO: Final = {"IncludeManagedResources": True}  # EC2 may hide what services of AWS manage
_GONE = "terminated"
_NO_TEMPLATE = "InvalidLaunchTemplateId.NotFound"

_Uses: TypeAlias = dict[str, dict[str, None]]  # who uses what: in order, each once


class ReferenceCalls(AwsCaller):
    """Reads what uses the images and snapshots of an account."""

    def references(self, credentials: Credentials, region: str) -> References:
        """Return what uses images and snapshots in a region; every list is read to its end or an error is raised.

        Instances count in every state but ``terminated``, launch templates with all their versions. A Systems Manager
        parameter in the place of an image is resolved by AWS; where AWS does not (the parameter is gone, or the role
        lacks ``ssm:GetParameters``, which the onboarding template does not grant since it opens every parameter), it
        is listed in :attr:`~spothive.gateways.waste_answer.References.unresolved`, and so is a template that a group
        names and AWS does not list. While anything stands there, no image is proven to be unused.

        Groups are read before the templates they name, so that a new group with a new template is not half seen.
        """
        found = _Found()
        groups = list(self._groups(credentials, region))
        for page in self._pages(credentials, region, Call.DESCRIBE_LAUNCH_CONFIGURATIONS):
            for configuration in page["LaunchConfigurations"]:
                found.add_configuration(configuration)
        for page in self._pages(credentials, region, Call.DESCRIBE_LAUNCH_TEMPLATES, **_MANAGED_TOO):
            for template in page["LaunchTemplates"]:
                found.add_template(self._versions(credentials, region, template["LaunchTemplateId"]))
        for group in groups:
            found.add_group(group)
        for page in self._pages(credentials, region, Call.DESCRIBE_INSTANCES, **_MANAGED_TOO):
            for reservation in page["Reservations"]:
                for instance in reservation["Instances"]:
                    found.add_instance(instance)
        return found.references()

    def _groups(self, credentials: Credentials, region: str) -> Iterator[dict[str, Any]]:
        for page in self._pages(credentials, region, Call.DESCRIBE_AUTO_SCALING_GROUPS):
            yield from page["AutoScalingGroups"]

    def _versions(self, credentials: Credentials, region: str, template_id: str) -> list[dict[str, Any]]:
        """Return all versions of a template, with parameters resolved if AWS can; none if it is deleted meanwhile."""
        try:
            return self._described(credentials, region, template_id, resolve=True)
        except AwsCallFailed as error:
            if error.code == _NO_TEMPLATE:
                return []
        except AccessDenied:  # maybe of the parameter alone
            pass
        return self._described(credentials, region, template_id, resolve=False)

    def _described(
        self, credentials: Credentials, region: str, template_id: str, *, resolve: bool
    ) -> list[dict[str, Any]]:
        pages = self._pages(
            credentials,
            region,
            Call.DESCRIBE_LAUNCH_TEMPLATE_VERSIONS,
            LaunchTemplateId=template_id,
            ResolveAlias=resolve,
            **_MANAGED_TOO,
        )
        return [version for page in pages for version in page["LaunchTemplateVersions"]]


class _Found:
    """References as they are gathered."""

    def __init__(self) -> None:
        """Know nothing yet."""
        kinds = ("instances", "launch templates", "launch template versions", "launch configurations")
        self.looked_at = Counter(dict.fromkeys((*kinds, "Auto Scaling groups"), 0))
        self._images: _Uses = {}
        self._snapshots: _Uses = {}
        self._unresolved: _Uses = {}
        self._configurations: dict[str, str | None] = {}  # image, by name
        self._versions: dict[str, dict[str, str | None]] = {}  # image by version, by the template's id and name

    def references(self) -> References:
        """Return what was gathered."""
        return References(
            images=_sorted(self._images),
            snapshots=_sorted(self._snapshots),
            looked_at=dict(self.looked_at),
            unresolved=_sorted(self._unresolved),
        )

    def add_instance(self, instance: Mapping[str, Any]) -> None:
        """Add an instance, unless it has ended."""
        self.looked_at["instances"] += 1
        if instance["State"]["Name"] != _GONE:
            self._add_image(instance.get("ImageId"), f"instance {instance['InstanceId']}")

    def add_configuration(self, configuration: Mapping[str, Any]) -> None:
        """Add a launch configuration."""
        self.looked_at["launch configurations"] += 1
        name = configuration["LaunchConfigurationName"]
        self._configurations[name] = configuration.get("ImageId")
        self._add(configuration, f"launch configuration {name}")

    def add_template(self, versions: Sequence[Mapping[str, Any]]) -> None:
        """Add all versions of one launch template."""
        self.looked_at["launch templates"] += 1
        self.looked_at["launch template versions"] += len(versions)
        images: dict[str, str | None] = {}
        for version in sorted(versions, key=itemgetter("VersionNumber")):
            data, number = version["LaunchTemplateData"], version["VersionNumber"]
            self._add(data, f"launch template {version['LaunchTemplateId']} version {number}")
            images[str(number)] = images["$Latest"] = data.get("ImageId")
            if version["DefaultVersion"]:
                images["$Default"] = data.get("ImageId")
            self._versions[version["LaunchTemplateId"]] = self._versions[version["LaunchTemplateName"]] = images

    def add_group(self, group: Mapping[str, Any]) -> None:
        """Add an Auto Scaling group, after the templates and configurations it names."""
        self.looked_at["Auto Scaling groups"] += 1
        by = f"Auto Scaling group {group['AutoScalingGroupName']}"
        mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        for part in (group, mixed, *mixed.get("Overrides", ())):
            self._add_image(part.get("ImageId"), by)
            self._add_template(part.get("LaunchTemplate") or part.get("LaunchTemplateSpecification"), by)
        if name := group.get("LaunchConfigurationName"):
            if name in self._configurations:
                self._add_image(self._configurations[name], by)
            else:
                _note(self._unresolved, f"launch configuration {name}", by)

    def _add(self, launch: Mapping[str, Any], by: str) -> None:
        """Add the image and the disks of what instances are launched from."""
        self._add_image(launch.get("ImageId"), by)
        for device in launch.get("BlockDeviceMappings", ()):
            if snapshot_id := device.get("Ebs", {}).get("SnapshotId"):
                _note(self._snapshots, snapshot_id, by)

    def _add_image(self, image: str | None, by: str) -> None:
        if image and not image.startswith(PUBLIC_PARAMETERS):
            _note(self._images if _IMAGE.fullmatch(image) else self._unresolved, image, by)

    def _add_template(self, template: Mapping[str, str] | None, by: str) -> None:
        if not template:
            return
        name = template.get("LaunchTemplateId") or template["LaunchTemplateName"]
        version = template.get("Version") or "$Default"
        images = self._versions.get(name, {})
        if version in images:
            self._add_image(images[version], by)
        else:
            _note(self._unresolved, f"launch template {name} version {version}", by)


def _note(uses: _Uses, used: str, by: str) -> None:
    uses.setdefault(used, {})[by] = None


def _sorted(uses: _Uses) -> dict[str, tuple[str, ...]]:
    return {used: tuple(by) for used, by in sorted(uses.items())}
