-- Not CONCURRENTLY: a revision is one transaction, so that one that is killed leaves no invalid index behind. Reads go on
-- meanwhile; writes of these two tables wait.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_scan_units_tenant_id_updated_at ON scan_units (tenant_id, updated_at);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_session_logs_ended ON session_logs (tenant_id, logged_out_at) WHERE logged_out_at IS NOT NULL;
