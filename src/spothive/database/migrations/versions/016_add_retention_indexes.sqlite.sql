CREATE INDEX ix_scan_units_tenant_id_updated_at ON scan_units (tenant_id, updated_at);

CREATE INDEX ix_session_logs_ended ON session_logs (tenant_id, logged_out_at) WHERE logged_out_at IS NOT NULL;
