"""What people are told of decisions that failed, and staff of platform of the model that decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final

from spothive.database import TenantSession
from spothive.models import Decision, MlModel, NoticeEvent
from spothive.operations.decisions.decision_rows import Decided
from spothive.operations.notifications import tell

_REASONS: Final = 3
"""Reasons that are told, the most frequent first."""
_INSTANCES: Final = 20
_LONG: Final = 500


def tell_of_failed(session: TenantSession, decided: Collection[Decided]) -> None:
    """Tell everybody of the decisions of one call that failed, if any did."""
    failed = [each for each in decided if each.decision is Decision.FAILED]
    if not failed:
        return
    reasons = Counter(each.reason[:_LONG] for each in failed).most_common()
    lines = [f"{count} times: {reason}" if count > 1 else reason for reason, count in reasons[:_REASONS]]
    left = f"\nand {len(reasons) - _REASONS} other reasons" if len(reasons) > _REASONS else ""
    what = failed[0].instance_id if len(failed) == 1 else f"{len(failed)} of {len(decided)} instances"
    tell(
        session,
        NoticeEvent.DECISION_FAILED,
        f"No decision about {what}",
        f"They stay where they are:\n{chr(10).join(lines)}{left}\n"
        "Which ones: `spothive decision list`. Mend what is said, then `spothive decision make` decides again.",
        facts={
            "failed": len(failed),
            "decided": len(decided),
            "instances": [each.instance_id for each in failed[:_INSTANCES]],
            "reasons": [reason for reason, _ in reasons[:_REASONS]],
        },
        link="spothive decision list",
    )


def tell_of_active(session: TenantSession, model: MlModel, former: MlModel | None) -> None:
    """Tell the users of platform which model decides in production from now on; models are of no tenant."""
    called, before = f"{model.name} {model.version}", former and f"{former.name} {former.version}"
    instead = f"instead of {before}, which stays ENABLED" if before else "and none did before"
    tell(
        session,
        NoticeEvent.MODEL_ACTIVATED,
        f"Model {called} decides in production",
        f"It was activated {instead}. What it is: `spothive model show {model.name} {model.version}`. The way back is "
        "to activate the one before.",
        facts={"model": model.name, "version": model.version, "sha256": model.file_hash, "before": before},
        link=f"spothive model show {model.name} {model.version}",
    )
