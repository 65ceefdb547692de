ALTER TABLE decision_rollups ADD COLUMN real_switches INTEGER DEFAULT '0' NOT NULL CONSTRAINT ck_decision_rollups_real_switches_range CHECK (real_switches >= 0 AND real_switches <= 9007199254740992) CONSTRAINT ck_decision_rollups_real CHECK (real_switches <= decisions);

UPDATE decision_rollups SET real_switches = CASE
    WHEN shadow = 0 THEN switches
    WHEN switches = 0 OR shadow = decisions THEN 0
    WHEN switches = decisions THEN switches - shadow
    ELSE (
        SELECT count(*)
        FROM experiment_logs
        WHERE experiment_logs.tenant_id = decision_rollups.tenant_id
            AND experiment_logs.account_id = decision_rollups.account_id
            AND experiment_logs.execution_time >= decision_rollups.day || ' 00:00:00.000000'
            AND experiment_logs.execution_time <= decision_rollups.day || ' 23:59:59.999999'
            AND coalesce(experiment_logs.model_id, '00000000000000000000000000000000') = decision_rollups.model_id
            AND experiment_logs.decision = 'SWITCH'
            AND NOT experiment_logs.is_shadow_run
    )
END;
