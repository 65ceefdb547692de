ALTER TABLE decision_rollups ADD COLUMN real_switches BIGINT DEFAULT '0' NOT NULL CONSTRAINT ck_decision_rollups_real_switches_range CHECK (real_switches >= 0 AND real_switches <= 9007199254740992) CONSTRAINT ck_decision_rollups_real CHECK (real_switches <= decisions);

COMMENT ON COLUMN decision_rollups.real_switches IS 'of the switches those that were no shadow runs';

UPDATE decision_rollups SET real_switches = CASE
    WHEN shadow = 0 THEN switches
    WHEN switches = 0 OR shadow = decisions THEN 0
    WHEN switches = decisions THEN switches - shadow
    ELSE (
        SELECT count(*)
        FROM experiment_logs
        WHERE experiment_logs.tenant_id = decision_rollups.tenant_id
            AND experiment_logs.account_id = decision_rollups.account_id
            AND experiment_logs.execution_time >= decision_rollups.day::timestamp AT TIME ZONE 'UTC'
            AND experiment_logs.execution_time < (decision_rollups.day + 1)::timestamp AT TIME ZONE 'UTC'
            AND coalesce(experiment_logs.model_id, '00000000-0000-0000-0000-000000000000') = decision_rollups.model_id
            AND experiment_logs.decision = 'SWITCH'
            AND NOT experiment_logs.is_shadow_run
    )
END;
