CREATE INDEX ix_instances_flagged ON instances (tenant_id, auth_status) WHERE flagged_at IS NOT NULL;
