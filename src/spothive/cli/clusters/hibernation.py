"""``spothive hibernation``: the hours in which clusters are awake, and exceptions from them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from spothive.cli.call import Call, command
from spothive.cli.clusters.reading import ClusterName
from spothive.cli.clusters.week_grid import draw_week, shows_blocks
from spothive.cli.files import read_files
from spothive.cli.moments import duration, instant
from spothive.cli.output import Column, hourly
from spothive.errors import InvalidInput

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    from spothive.models import HibernationOverride
    from spothive.operations.clusters import Change, Hibernation

hibernation_commands = typer.Typer(rich_markup_mode=None)

OVERRIDE_COLUMNS = (
    Column("override", "id", whole=True),
    Column("state", "state"),
    Column("from", "starts_at", fold=True),
    Column("until", "ends_at", fold=True),
    Column("by", "person", optional=True),
    Column("reason", "reason", fold=True, optional=True),
)
COLUMNS = (
    Column("cluster", "cluster", fold=True),
    Column("enabled", "enabled"),
    Column("to be", "state"),
    Column("is", "applied"),
    Column("next change", "next_change"),
    Column("zone", "timezone", optional=True),
    Column("overrides", "overrides", right=True, optional=True),
    Column("in the way", "obstacle", fold=True),
)
CHANGE_COLUMNS = (
    Column("local time", "local"),
    Column("UTC", "at"),
    Column("state", "state"),
)
AHEAD = 8
"""Days that `show` looks ahead for the next change: any week has one within seven, if it has one."""

# Spelled out like the roles in identity.py, and for the same reason.
StateName = Literal["awake", "asleep"]
Awake = Annotated[
    list[str] | None,
    typer.Option(metavar="TIMES", help='When it is awake: "mon-fri 07:00-19:00", "sat,sun 10-14". Repeatable.'),
]
WeekFile = Annotated[
    str | None,
    typer.Option("--week", metavar="FILE", help="JSON list of 168 hours, Monday 00:00 first, 1 = awake; - is stdin."),
]
Zone = Annotated[str | None, typer.Option(metavar="ZONE", help="IANA name of where the hours are local.")]
Prewarm = Annotated[int | None, typer.Option(metavar="MINUTES", help="Wake up so early, 0 to 120.")]


@command(hibernation_commands, "set")
def set_hibernation(
    call: Call,
    cluster: ClusterName,
    awake: Awake = None,
    week: WeekFile = None,
    timezone: Zone = None,
    prewarm: Prewarm = None,
) -> None:
    """Set the hours in which a cluster is awake.

    What is not given stays as it is; at first that is UTC, and nothing early.
    """
    from spothive.operations import clusters

    hours = _week(awake, week)
    with call.writing() as session:
        clusters.set_schedule(
            session, call.actor, cluster=cluster, week=hours, timezone=timezone, prewarm_minutes=prewarm
        )
        _tell(call, clusters.find_hibernation(session, cluster))


@command(hibernation_commands, "list")
def list_hibernation(call: Call) -> None:
    """List the clusters that have hours.

    With the state that is to be now, and when it changes next.
    """
    from spothive.operations import clusters

    with call.reading() as session:
        rows = [_facts(found) | {"overrides": len(found.overrides)} for found in clusters.list_hibernation(session)]
    call.out.json(rows)
    call.out.table(rows, COLUMNS, empty="no cluster has hours: spothive hibernation set --help")


@command(hibernation_commands, "show")
def show_hibernation(call: Call, cluster: ClusterName) -> None:
    """Show the week of a cluster, and its overrides."""
    from spothive.operations import clusters

    with call.reading() as session:
        _tell(call, clusters.find_hibernation(session, cluster))


@command(hibernation_commands, "plan")
def plan_hibernation(
    call: Call,
    cluster: ClusterName,
    days: Annotated[int, typer.Option(metavar="N", help="How many days, 1 to 366.")] = 7,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From 2026-03-28T10:30 in UTC on; now if not given.")
    ] = None,
) -> None:
    """Show when a cluster wakes up and falls asleep."""
    from spothive.clock import utc_now
    from spothive.operations import clusters

    begin = instant(start, "--from") or utc_now()
    with call.reading() as session:
        hours = clusters.find_hibernation(session, cluster, since=begin).hours
    rows = [_change_facts(change, hours.zone) for change in clusters.plan(hours, days, begin)]
    call.out.json({"timezone": hours.zone.key, "days": days, "changes": rows})
    call.out.table(rows, CHANGE_COLUMNS, empty="")


@command(hibernation_commands, "override")
def override_hibernation(
    call: Call,
    cluster: ClusterName,
    state: Annotated[StateName, typer.Argument(metavar="STATE", help="awake or asleep.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for people.")],
    lasting: Annotated[str | None, typer.Option("--for", metavar="TIME", help="For 30m, 2h or 7d.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Instead: until 2026-12-24T18:00 in UTC, or with +01:00.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From then on, given likewise; now if not given.")
    ] = None,
) -> None:
    """Keep a cluster awake or asleep for a while.

    Whatever its week says; it ends by itself. Of several the last one holds.
    """
    from spothive.clock import utc_now
    from spothive.models import SleepState
    from spothive.operations import clusters

    if (lasting is None) == (until is None):
        msg = "say how long: either --for 2h or --until 2026-12-24T18:00"
        raise InvalidInput(msg)
    begin, end = instant(start, "--from"), instant(until, "--until")
    if lasting is not None:
        end = _later(begin or utc_now(), duration(lasting, "--for"))
    assert end is not None  # noqa: S101 - one of the two was given
    with call.writing() as session:
        made = clusters.set_override(
            session,
            call.actor,
            cluster=cluster,
            state=SleepState(state),
            starts_at=begin,
            ends_at=end,
            reason=reason,
        )
        facts = _override_facts(made)
    call.out.json(facts)
    call.out.line(f"{cluster} is {state} from {facts['starts_at']:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")


@command(hibernation_commands, "cancel")
def cancel_override(
    call: Call,
    cluster: ClusterName,
    override: Annotated[str, typer.Argument(metavar="OVERRIDE", help="Its id: spothive hibernation show.")],
) -> None:
    """End an override now, or take it back."""
    from spothive.operations import clusters

    with call.writing() as session:
        ended = clusters.cancel_override(session, call.actor, cluster=cluster, override=override)
    call.out.json({"id": override, "ended_at": ended})
    call.out.line(f"override {override} {'is over' if ended else 'is taken back'}")


@command(hibernation_commands, "enable")
def enable_hibernation(call: Call, cluster: ClusterName) -> None:
    """Switch the hibernation of a cluster on."""
    _switch(call, cluster, on=True)


@command(hibernation_commands, "disable")
def disable_hibernation(call: Call, cluster: ClusterName) -> None:
    """Switch it off: the cluster is to be awake."""
    _switch(call, cluster, on=False)


@command(hibernation_commands, "preview")
def preview_hibernation(
    call: Call,
    cluster: ClusterName,
    awake: Awake = None,
    week: WeekFile = None,
    timezone: Zone = None,
    prewarm: Prewarm = None,
) -> None:
    """Show what hibernation saves in 30 days.

    By other hours than the present ones if some are given, and as if it were
    on; nothing is changed. Counts the instances that run now.
    """
    from spothive.clock import utc_now
    from spothive.operations import clusters

    other = _week(awake, week)
    with call.reading() as session:
        found = clusters.find_cluster(session, cluster)
        hours = clusters.hours_if(session, cluster, week=other, timezone=timezone, prewarm_minutes=prewarm)
        preview = clusters.preview_hibernation(session, found, hours, start=utc_now())
    call.out.json({"cluster": found.name} | asdict(preview))
    call.out.line(f"{found.name} would be asleep for {preview.hours_asleep} of {preview.days * 24} hours")
    call.out.line(f"{preview.instances} instances run, for {hourly(preview.hourly_cost)}")
    call.out.line(f"saved in {preview.days} days: {preview.saved:,.2f} USD")
    if preview.unpriced:
        call.out.line(f"not counted: {preview.unpriced} instances whose price is not known")


def _switch(call: Call, cluster: str, *, on: bool) -> None:
    from spothive.operations import clusters

    with call.writing() as session:
        schedule = clusters.set_schedule_enabled(session, call.actor, cluster=cluster, enabled=on)
        sleeps = schedule.restore_state is not None
    call.out.json({"cluster": cluster, "enabled": on})
    call.out.line(f"hibernation of {cluster} is {'on' if on else 'off'}")
    if sleeps and not on:
        call.out.line(f"it is asleep until it is woken: spothive hibernation apply --cluster {cluster}")


def _week(awake: list[str] | None, week: str | None) -> list[int] | None:
    """Return the 168 hours that were given, if any were."""
    import json

    from spothive.operations.clusters import read_week

    if awake and week is not None:
        msg = "the week is given twice: by --awake and by --week"
        raise InvalidInput(msg)
    if week is None:
        return read_week(awake) if awake else None
    ((name, content),) = read_files([week])
    try:
        hours = json.loads(content)
    except (ValueError, RecursionError):
        hours = None
    if not isinstance(hours, list):
        msg = f"{name} is no JSON list of 168 hours"
        raise InvalidInput(msg)
    return hours


def _later(begin: datetime, by: timedelta) -> datetime:
    try:
        return begin + by
    except OverflowError:
        msg = "--for: that is longer than there are dates"
        raise InvalidInput(msg) from None


def _tell(call: Call, found: Hibernation) -> None:
    """Print a schedule, what holds now and what comes next."""
    week, facts = list(found.schedule.schedule_matrix), _facts(found)
    overrides = [_override_facts(override) for override in found.overrides]
    call.out.json(facts | {"week": week, "overrides": overrides})
    call.out.facts(facts | {"awake": ", ".join(facts["awake"]) or "never"}, skip=["cluster_id"])
    call.out.line()
    for line in draw_week(week, fine=shows_blocks()):
        call.out.line(line)
    call.out.line()
    call.out.table(overrides, OVERRIDE_COLUMNS, empty="no overrides")


def _facts(found: Hibernation) -> dict[str, Any]:
    from spothive.clock import utc_now
    from spothive.models import SleepState
    from spothive.operations.clusters import Change, plan, tell_week

    schedule, obstacle = found.schedule, found.schedule.obstacle
    try:
        now, *following = plan(found.hours, AHEAD, utc_now())
    except InvalidInput as unknown:  # a zone that this machine does not know: one such schedule hides no other
        now, following, obstacle = Change(utc_now(), SleepState.AWAKE), [], str(unknown)
    return {
        "cluster": found.cluster.name,
        "cluster_id": found.cluster.id,
        "enabled": schedule.enabled,
        "timezone": schedule.timezone,
        "prewarm_minutes": schedule.prewarm_minutes if schedule.prewarm_enabled else 0,
        "awake": tell_week(schedule.schedule_matrix),
        "state": now.state,
        "next_change": following[0].at if following else None,
        "applied": schedule.applied_state,
        "obstacle": obstacle,
    }


def _change_facts(change: Change, zone: ZoneInfo) -> dict[str, Any]:
    return {"at": change.at, "local": f"{change.at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}", "state": change.state}


def _override_facts(override: HibernationOverride) -> dict[str, Any]:
    return {
        "id": override.id,
        "state": override.state,
        "starts_at": override.starts_at,
        "ends_at": override.ends_at,
        "reason": override.reason,
        "person": override.person_name,
    }
