"""What is waste, and what is spared: the rules alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from spothive.clock import utc_now
from spothive.gateways.waste_answer import References
from spothive.operations.waste.judging import (
    Claim,
    Neighbours,
    Spared,
    Verdict,
    current_rules,
    images_behind,
    judge_address,
    judge_image,
    judge_sharing,
    judge_snapshot,
    judge_volume,
)
from spothive.schema.types.documents import Json
from tests.factories.waste import NOTHING, address, image, snapshot, volume

NOW = utc_now()
TEMPLATE = References({}, {"snap-00000000000000001": ("launch template lt-1 version 1",)}, {})
UNRESOLVED = References({}, {}, {}, {"resolve:ssm:/golden": ("launch template lt-1 version 2",)})
BACKUP, KEPT = {"aws:backup:source-resource": "arn"}, {"spothive:keep": ""}


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def of_volume(unused_since: datetime | None = None, **facts: Any) -> Verdict:
    return judge_volume(volume(**facts), current_rules(), NOW, unused_since)


def of_snapshot(*images: Any, references: References = NOTHING, undo_of: str = "", **facts: Any) -> Verdict:
    undoes = {snapshot().snapshot_id: undo_of} if undo_of else {}
    beside = Neighbours(references, images_behind(images), undoes=undoes)
    return judge_snapshot(snapshot(**facts), current_rules(), NOW, beside)


def of_image(references: References = NOTHING, **facts: Any) -> Verdict:
    return judge_image(image(**facts), current_rules(), NOW, references)


def used(name: str, *by: str, **more: Any) -> References:
    return References({name: by}, {}, {"instances": 1}, **more)


def why(verdict: Verdict) -> str:
    assert isinstance(verdict, Spared), f"this is waste: {verdict}"
    return verdict.reason


def claim(verdict: Verdict) -> Claim:
    assert isinstance(verdict, Claim), f"this is spared: {verdict}"
    return verdict


def test_each_kind_has_its_price() -> None:
    rules = current_rules()
    assert claim(judge_address(address(), rules)).monthly_cost == Decimal("3.60")
    assert claim(of_volume()).monthly_cost == Decimal("8.00")
    assert claim(of_snapshot()).monthly_cost == Decimal("2.00")
    assert claim(of_snapshot(tier="archive")).monthly_cost == Decimal("0.50")
    assert claim(of_image()).monthly_cost == Decimal("1.00")
    assert claim(of_image(snapshots={})).monthly_cost == 0


def test_prices_and_ages_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from spothive.settings import get_settings

    monkeypatch.setenv("SPOTHIVE_WASTE_VOLUME_PRICE", "0.10")
    monkeypatch.setenv("SPOTHIVE_WASTE_VOLUME_DAYS", "60")
    get_settings.cache_clear()
    try:
        assert claim(of_volume(created_at=ago(days=61))).monthly_cost == 10
        assert "made 59 days ago" in why(of_volume(created_at=ago(days=59.5)))
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (judge_address(address(used_by="eipassoc-1"), current_rules()), "in use by eipassoc-1"),
        (judge_address(address(tags=KEPT), current_rules()), "kept by its tag spothive:keep"),
        (of_volume(attached_to=("i-1",), state="in-use"), "in use by i-1"),
        (of_volume(state="creating"), "AWS calls it creating"),
        (of_volume(state="error"), "AWS calls it error"),
        (of_volume(created_at=ago(days=6.9)), "made 6 days ago"),
        (of_volume(created_at=NOW + timedelta(minutes=1)), "made 0 days ago"),
        (of_volume(tags=KEPT), "kept by its tag spothive:keep"),
        (of_snapshot(started_at=ago(days=29)), "made 29 days ago"),
        (of_snapshot(image(snapshots={"snap-00000000000000001": 8})), "behind ami-00000000000000001"),
        (of_snapshot(image(snapshots={"snap-00000000000000001": 8}, state="disabled")), "behind ami-0000000000000000"),
        (of_snapshot(references=TEMPLATE), "named by launch template lt-1 version 1"),
        (of_snapshot(tags=BACKUP), "AWS Backup or a lifecycle policy looks after it"),
        (of_snapshot(tags={"aws:dlm:lifecycle-policy-id": "p"}), "AWS Backup or a lifecycle policy looks after it"),
        (of_snapshot(tags={"spothive:final-snapshot": "x"}, started_at=ago(days=89)), "an undo of a deletion"),
        (of_snapshot(state="pending"), "AWS calls it pending"),
        (of_snapshot(state="recoverable"), "AWS calls it recoverable"),
        (of_snapshot(undo_of="ami-7"), "the undo of the deletion of ami-7"),
        (of_snapshot(tags=KEPT), "kept by its tag spothive:keep"),
        (of_image(used("ami-00000000000000001", "instance i-1")), "used by instance i-1"),
        (of_image(used("ami-00000000000000001", "launch template lt-1 version 1")), "used by launch template lt-1"),
        (of_image(used("ami-00000000000000001", "Auto Scaling group web")), "used by Auto Scaling group web"),
        (of_image(used("ami-00000000000000001", "launch configuration lc")), "used by launch configuration lc"),
        (of_image(used("ami-00000000000000001", *"abcde")), "used by a, b, c and 2 more"),
        (of_image(is_public=True), "public"),
        (of_image(last_launched_at=ago(days=29)), "launched 29 days ago"),
        (of_image(created_at=ago(days=29)), "made 29 days ago"),
        (of_image(state="pending"), "AWS calls it pending"),
        (of_image(tags=BACKUP), "AWS Backup"),
        (of_image(UNRESOLVED), "maybe used by launch template lt-1 version 2, which names resolve:ssm:/golden"),
        (of_snapshot(references=UNRESOLVED), "maybe used by launch template lt-1"),
        (judge_sharing(claim(of_snapshot()), ("111122223333",)), "shared with 111122223333"),
        (judge_sharing(claim(of_image()), ("all",)), "public"),
    ],
)  # fmt: skip
def test_what_may_be_used_is_spared_with_the_reason(verdict: Verdict, reason: str) -> None:
    assert why(verdict).startswith(reason)


def test_what_nothing_uses_is_waste() -> None:
    assert claim(of_volume(created_at=ago(days=7, minutes=1))).days_unused == 7
    assert claim(of_volume(ago(days=10))).days_unused == 10
    assert claim(of_volume(ago(days=100), created_at=ago(days=8))).days_unused == 8
    assert claim(of_volume(ago(hours=1))).days_unused == 0, "which is not flagged before its days are over"
    assert claim(of_volume(ago(hours=1))).reason.endswith(": before that it may have been in use")
    assert claim(of_volume()).reason.endswith("since 2026-01-02: it was made then")
    assert claim(of_snapshot(image(2))).reason.endswith("nothing stands on it")
    assert claim(of_snapshot(tags={"spothive:final-snapshot": "x"}, started_at=ago(days=91))).days_unused == 91
    assert claim(of_image(state="disabled")).resource_id == image().image_id
    assert claim(of_image(used("ami-2", "instance i-1"))).days_unused == (NOW - image().created_at).days
    assert judge_sharing(claim(of_snapshot()), ()) == claim(of_snapshot())


def test_evidence_changes_with_the_claim_alone() -> None:
    """It is part of what is approved: another day, tag, or number of things looked at makes no other plan."""
    later = NOW + timedelta(days=9)
    rules, more = current_rules(), References({}, {}, {"instances": 99})
    assert claim(judge_volume(volume(tags={"a": "b"}), rules, later)).evidence == claim(of_volume()).evidence
    beside = Neighbours(more, images_behind([image(3)]), {snapshot().volume_id})
    told = claim(judge_snapshot(snapshot(description="x"), rules, later, beside))
    assert told.reason.endswith("nothing stands on it; the volume it was made of is still there")
    assert told.evidence == claim(of_snapshot()).evidence
    assert claim(judge_image(image(), rules, later, more)).evidence == claim(of_image()).evidence
    assert claim(of_volume(ago(days=8))).evidence == claim(of_volume()).evidence
    assert claim(of_volume(size_gb=101)).evidence != claim(of_volume()).evidence
    assert claim(of_image(snapshots={"snap-9": 8})).evidence != claim(of_image()).evidence


def test_what_strangers_wrote_can_be_stored() -> None:
    told = claim(of_snapshot(description="a\0b" * 2000))
    Json("object", 256 * 1024).process_bind_param(told.metadata, None)  # type: ignore[arg-type]  # no dialect is asked
