-- Not CONCURRENTLY: a revision is one transaction, so that one that is killed leaves no invalid index behind. The index is
-- small, and reads go on meanwhile.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_instances_flagged ON instances (tenant_id, auth_status) WHERE flagged_at IS NOT NULL;
