ALTER TABLE waste_resources ADD COLUMN claimed_since TIMESTAMP WITH TIME ZONE CONSTRAINT ck_waste_resources_claimed_since_utc CHECK (claimed_since >= '0001-01-01 00:00:00+00' AND claimed_since < '10000-01-01 00:00:00+00');

ALTER TABLE waste_resources ADD COLUMN deletion_begun_at TIMESTAMP WITH TIME ZONE CONSTRAINT ck_waste_resources_deletion_begun_at_utc CHECK (deletion_begun_at >= '0001-01-01 00:00:00+00' AND deletion_begun_at < '10000-01-01 00:00:00+00') CONSTRAINT ck_waste_resources_begun CHECK (deletion_begun_at IS NULL OR status IN ('SCHEDULED_DELETE', 'DELETED'));

ALTER TABLE waste_resources ADD COLUMN unused_since TIMESTAMP WITH TIME ZONE CONSTRAINT ck_waste_resources_unused_since_utc CHECK (unused_since >= '0001-01-01 00:00:00+00' AND unused_since < '10000-01-01 00:00:00+00');

COMMENT ON COLUMN waste_resources.claimed_since IS 'when the first COMPLETE scan began that saw it unused in this way, UTC';

COMMENT ON COLUMN waste_resources.deletion_begun_at IS 'when AWS was last about to be told, UTC';

COMMENT ON COLUMN waste_resources.unused_since IS 'since when nothing used the volume, as far as known, UTC; NULL of other kinds';

-- Not CONCURRENTLY: a revision is one transaction, so that one that is killed leaves no invalid index behind. Both tables
-- are small, and reads go on meanwhile.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_waste_resources_tenant_id_detected_at ON waste_resources (tenant_id, detected_at);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_waste_resources_tenant_id_resource_id ON waste_resources (tenant_id, resource_id);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_waste_resources_tenant_id_account_id_deletion_begun_at ON waste_resources (tenant_id, account_id, deletion_begun_at);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_scan_runs_tenant_id_account_id_kind_started_at ON scan_runs (tenant_id, account_id, kind, started_at);

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX ix_scan_runs_tenant_id_account_id;
