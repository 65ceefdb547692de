"""What EC2 does and moto does not: pages, owners, disabled images, parameters for images, and what it refuses to touch.

Answers are changed on their way out, so what moto keeps stays the truth.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from xml.etree.ElementTree import SubElement, fromstring, tostring

from moto.ec2.models import EC2Backend, ec2_backends

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from spothive.gateways.aws_stand_in_accounts import StandInIdentities

LISTS: Final = {
    "DescribeImages": "imagesSet",
    "DescribeLaunchTemplates": "launchTemplates",
    "DescribeLaunchTemplateVersions": "launchTemplateVersionSet",
    "DescribeSnapshots": "snapshotSet",
    "DescribeVolumes": "volumeSet",
}
"""Calls that moto answers in one page, or cuts off after the first, by the element that holds the list."""

_NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15"
_MOST = 1000


def refusal(account: StandInIdentities, region: str, form: Mapping[str, str]) -> str | None:
    """Return the code with which EC2 would refuse a request that moto lets pass or breaks at."""
    ec2 = ec2_backends[account.account_id][region]
    match form.get("Action"):
        case "DeleteSnapshot" if _is_behind_an_image(ec2, form["SnapshotId"]):
            return "InvalidSnapshot.InUse"
        case "DescribeImageAttribute" if form["ImageId"] not in ec2.amis:
            return "InvalidAMIID.NotFound"
    return None


def answer(
    behind: WSGIApplication,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    form: Mapping[str, str],
    account: StandInIdentities,
) -> list[bytes]:
    """Let ``behind`` answer, and turn what it says into what EC2 would say.

    Args:
        behind: moto.
        environ: the request.
        start_response: as WSGI has it.
        form: the fields of the request.
        account: that of the caller.
    """
    operation = form.get("Action", "")
    if operation not in LISTS:
        return list(behind(environ, start_response))
    whole = {name: value for name, value in form.items() if name != "NextToken"}
    body = urlencode(whole | {"MaxResults": str(10**9)}).encode()
    status: list[Any] = []

    def keep(*given: Any) -> Any:
        status[:] = given

    said = b"".join(behind(environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}, keep))
    if not status[0].startswith("200"):
        start_response(*status)
        return [said]
    start_response("200 OK", [("Content-Type", "text/xml")])
    return [_changed(said, operation, form, account)]


def _changed(said: bytes, operation: str, form: Mapping[str, str], account: StandInIdentities) -> bytes:
    """Leave out what EC2 would not list, resolve parameters, and cut out the page that was asked for."""
    root = fromstring(said)  # noqa: S314  # moto's own words
    listed = root.find(_tag(LISTS[operation]))
    if listed is None:
        return said
    items = list(listed)
    if operation == "DescribeImages" and form.get("IncludeDisabled") != "true":
        items = [each for each in items if each.findtext(_tag("imageState")) != "disabled"]
    if operation == "DescribeSnapshots" and form.get("Owner.1") == "self":
        items = [each for each in items if each.findtext(_tag("ownerId")) == account.account_id]
    if form.get("ResolveAlias") == "true":
        for image in listed.iter(_tag("imageId")):
            image.text = account.image_parameters.get(image.text or "", image.text)
    first = int(form.get("NextToken") or 0)
    after = first + min(int(form.get("MaxResults") or _MOST), _MOST)
    listed[:] = items[first:after]
    if after < len(items):
        SubElement(root, _tag("nextToken")).text = str(after)
    return tostring(root)


def _tag(name: str) -> str:
    return f"{{{_NAMESPACE}}}{name}"


def _is_behind_an_image(ec2: EC2Backend, snapshot_id: str) -> bool:
    disks = (disk["Ebs"] for image in ec2.amis.values() for disk in image.block_device_mappings)
    return any(disk["SnapshotId"] == snapshot_id for disk in disks)
