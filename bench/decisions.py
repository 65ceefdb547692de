"""Decisions by the million, written by the database itself."""

from __future__ import annotations

from typing import Final

from bench.place import Database, id_rising_with

DAYS: Final = 365
LATEST: Final = 3
"""Days ago that the latest decision was: all days are over and can be counted."""

_FILL: Final = """
INSERT INTO experiment_logs (tenant_id, id, account_id, instance_id, pipeline_mode, is_shadow_run, prediction_score,
    decision, decision_reason, execution_time, execution_duration_ms, candidates_evaluated, selected_instance_type,
    selected_availability_zone, old_spot_price, new_spot_price, projected_hourly_savings, features_used, error_message)
SELECT instances.tenant_id, {id}, instances.account_id, instances.id, instances.pipeline_mode,
    made.shadow AND instances.is_shadow_mode, made.part / 1000.0,
    CASE WHEN made.part < 200 THEN 'SWITCH' WHEN made.part < 980 THEN 'HOLD' ELSE 'FAILED' END,
    'made up to be measured', made.at, 12, 24, instances.instance_type, instances.availability_zone,
    0.05, 0.04, 0.01, '{{"band": 1, "interruptions_30d": 2, "price_trend": 0.1, "vcpus": 4}}',
    CASE WHEN made.part >= 980 THEN 'no price was known' END
FROM instances, LATERAL (
    SELECT n, (hashint4(n + hashtext(instances.instance_id)) & 2147483647) % 1000 AS part, n % 10 = 0 AS shadow,
        date_trunc('day', now()) - interval '{latest} days'
            - ((n * 86400.0 * {days} / {each}) + (hashtext(instances.instance_id) & 1023)) * interval '1 second' AS at
    FROM generate_series(0, {each} - 1) AS n
) AS made
ORDER BY made.at
"""
"""In the order of time, as decisions come: those of all tenants among one another."""


def make_decisions(database: Database, each: int) -> int:
    """Write so many decisions about each instance of all tenants, over a year; return how many there are now.

    One in five is a switch; of instances in shadow mode one in ten is a shadow run. They are written past guards and
    keys, which would take four minutes for five million, and be of one mind about all of them.
    """
    with database.raw() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(_FILL.format(days=DAYS, latest=LATEST, each=each, id=id_rising_with("made.at", "made.n")))
    return int(database.value("SELECT count(*) FROM experiment_logs"))
