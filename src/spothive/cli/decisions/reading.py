"""``spothive decision list``, ``show`` and ``replay``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, CheckFailed, command
from spothive.cli.decisions.group import decision_commands
from spothive.cli.decisions.making import DecisionId, decision_id, risk, share
from spothive.cli.moments import moment, to_the_second
from spothive.cli.output import Column, cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spothive.models import ExperimentLog
    from spothive.operations.decisions import Replay


def _exactly(value: Any) -> str:
    return f"{value:+.7f}" if isinstance(value, float) else cell(value)


LIST_COLUMNS = (
    Column("when", "execution_time", to_the_second),
    Column("instance", "instance_id"),
    Column("decision", "decision"),
    Column("where to", "target"),
    Column("status", "status"),
    Column("risk", "prediction_score", risk, right=True, optional=True),
    Column("id", "id", optional=True),
)
CANDIDATE_COLUMNS = (
    Column("pool", "pool"),
    Column("price", "price", right=True),
    Column("saving", "saving", share, right=True),
    Column("risk", "risk", risk, right=True),
    Column("score", "score", risk, right=True),
    Column("left out since", "dropped", fold=True),
)
EXPLANATION_COLUMNS = (
    Column("feature", "feature"),
    Column("value", "value", right=True),
    Column("adds", "attribution", _exactly, right=True),
)
REPLAY_COLUMNS = (
    Column("decision", "id", whole=True),
    Column("model", "model", fold=True),
    Column("stored", "stored", lambda value: f"{value:.7f}", right=True),
    Column("again", "again", lambda value: "-" if value is None else f"{value:.7f}", right=True),
    Column("explained", "explained", lambda value: "-" if value is None else f"{value:.7f}", right=True),
    Column("agrees", "agrees"),
    Column("trouble", "trouble", fold=True, optional=True),
)

BEST = 21
"""Lines of the table of candidates: the own pool and the best 20."""

# Spelled out like the roles in people.py, and for the same reason.
DecisionName = Literal["SWITCH", "HOLD", "FAILED"]
StatusName = Literal["RECORDED", "ACTED", "REVERTED"]


@command(decision_commands, "list")
def list_decisions(
    call: Call,
    instance: Annotated[str | None, typer.Option(metavar="ID", help="About this instance only, by EC2's id.")] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="About instances of this account only.")] = None,
    decision: Annotated[DecisionName | None, typer.Option(help="With this outcome only.")] = None,
    status: Annotated[StatusName | None, typer.Option(help="Of which this became.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From 2h, 7d .. ago, or from 2026-03-04T10:30.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Most decisions to list.")] = 50,
    before: Annotated[str | None, typer.Option(metavar="PLACE", help="Go on where a page ended.")] = None,
) -> None:
    """List decisions, newest first."""
    from spothive.models import Decision, DecisionStatus
    from spothive.operations import decisions

    wanted = decisions.DecisionFilter(
        instance=instance,
        account=account,
        decision=Decision(decision) if decision else None,
        status=DecisionStatus(status) if status else None,
        since=moment(since, "--since"),
    )
    with call.reading() as session:
        page = decisions.list_decisions(session, wanted, limit=limit, before=before)
        rows = [_facts(row) for row in page.rows]
    call.out.json({"decisions": rows, "next": page.next})
    call.out.table(rows, LIST_COLUMNS, empty="no such decisions: spothive decision make --help")
    if page.next:
        call.out.line(f"older ones: --before {page.next}")


@command(decision_commands, "show")
def show_decision(
    call: Call,
    decision: DecisionId,
    everything: Annotated[bool, typer.Option("--all", help="List every candidate, not the best few.")] = False,
) -> None:
    """Show a decision with all it was taken from."""
    from spothive.operations import decisions

    with call.reading() as session:
        row = decisions.find_decision(session, decision_id(decision))
        facts = _facts(row) | {
            "pipeline_mode": row.pipeline_mode,
            "execution_duration_ms": row.execution_duration_ms,
            "candidates_evaluated": row.candidates_evaluated,
            "experiment_name": row.experiment_name,
            "error_message": row.error_message,
        }
        explained = [
            {"method": each.method, "base_value": each.base_value, "parts": each.explanation_data}
            for each in row.explanations
        ]
        features, metrics = dict(row.features_used), row.metrics or {}
    call.out.json(facts | {"features_used": features, "metrics": metrics, "explanations": explained})
    call.out.facts(facts | {"execution_time": to_the_second(facts["execution_time"])}, skip=["target"])
    call.out.line()
    candidates = _candidates(metrics)
    shown = candidates if everything else candidates[:BEST]
    call.out.table(shown, CANDIDATE_COLUMNS, empty="no candidates were kept")
    if len(shown) < len(candidates):
        call.out.line(f"and {len(candidates) - len(shown)} more: --all")
    if everything and any(metrics.get("more", {}).values()):
        call.out.line("and, not kept one by one, {compared} compared and {dropped} left out".format(**metrics["more"]))
    for each in explained:
        call.out.line()
        call.out.table(_sum(each), EXPLANATION_COLUMNS, empty="")


@command(decision_commands, "replay")
def replay_decisions(
    call: Call, ids: Annotated[list[str], typer.Argument(metavar="ID...", help="As decision list shows them.")]
) -> None:
    """Ask the stored model again about the stored features.

    Exit 1 where score or explanation is not what was stored, within 1e-6.
    """
    from spothive import runtime
    from spothive.database import get_db_session
    from spothive.operations import decisions

    actor, tenant_id = call.actor, call.tenant_id
    wanted = list(dict.fromkeys(map(decision_id, ids)))
    found = decisions.replay_decisions(
        get_db_session, actor, tenant_id=tenant_id, decision_ids=wanted, store=runtime.model_store()
    )
    rows = [_replay_facts(each) for each in found]
    call.out.json(rows)
    call.out.table(rows, REPLAY_COLUMNS, empty="")
    wrong = sum(not each.agrees for each in found)
    if wrong:
        msg = f"{wrong} of {len(found)} do not come out as they were stored"
        raise CheckFailed(msg)


def _facts(row: ExperimentLog) -> dict[str, Any]:
    zone, instance_type = row.selected_availability_zone, row.selected_instance_type
    return {
        "id": row.id,
        "execution_time": row.execution_time,
        "instance_id": row.instance.instance_id,
        "account": row.account.account_name,
        "decision": row.decision,
        "status": row.status,
        "is_shadow_run": row.is_shadow_run,
        "decision_reason": row.decision_reason,
        "target": f"{zone} {instance_type}" if zone else None,
        "selected_availability_zone": zone,
        "selected_instance_type": instance_type,
        "model": f"{row.model.name} {row.model.version}" if row.model else None,
        "prediction_score": row.prediction_score,
        "old_spot_price": row.old_spot_price,
        "new_spot_price": row.new_spot_price,
        "projected_hourly_savings": row.projected_hourly_savings,
    }


def _candidates(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pool it is in and those it was compared with, all with the same keys."""
    keys = [column.key for column in CANDIDATE_COLUMNS]
    own = metrics.get("own")
    rows = [own | {"pool": f"{own['pool']} (its own)"}] if own else []
    return [{key: row.get(key) for key in keys} for row in [*rows, *metrics.get("candidates", [])]]


def _sum(explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the explanation as an addition: where it starts, what each feature adds, and what that comes to."""
    parts = explained["parts"]
    total = explained["base_value"] + sum(part["attribution"] for part in parts)
    begin = {"feature": "(baseline)", "value": None, "attribution": explained["base_value"]}
    return [begin, *parts, {"feature": "= score", "value": None, "attribution": total}]


def _replay_facts(found: Replay) -> dict[str, Any]:
    return {
        "id": found.decision_id,
        "model": found.model,
        "stored": found.stored,
        "again": found.again,
        "explained": found.explained,
        "agrees": found.agrees,
        "trouble": found.trouble,
    }
