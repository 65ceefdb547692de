CREATE INDEX ix_experiment_logs_acted ON experiment_logs (tenant_id, status, execution_time) WHERE status <> 'RECORDED';

CREATE INDEX ix_experiment_logs_not_held ON experiment_logs (tenant_id, decision, execution_time) WHERE decision <> 'HOLD';
