-- Not CONCURRENTLY: a revision is one transaction, so that one that is killed leaves no invalid index behind. Reads go on
-- meanwhile; writes of decisions wait until all of them were read twice.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_experiment_logs_acted ON experiment_logs (tenant_id, status, execution_time) WHERE status <> 'RECORDED';

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_experiment_logs_not_held ON experiment_logs (tenant_id, decision, execution_time) WHERE decision <> 'HOLD';
