ALTER TABLE waste_resources ADD COLUMN claimed_since TEXT CONSTRAINT ck_waste_resources_claimed_since_utc CHECK (claimed_since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(claimed_since, 1, 10), '+0 days') IS substr(claimed_since, 1, 10) AND substr(claimed_since, 1, 4) > '0000' AND substr(claimed_since, 12, 2) < '24' AND substr(claimed_since, 15, 2) < '60' AND substr(claimed_since, 18, 2) < '60' OR claimed_since IS NULL);

ALTER TABLE waste_resources ADD COLUMN deletion_begun_at TEXT CONSTRAINT ck_waste_resources_deletion_begun_at_utc CHECK (deletion_begun_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(deletion_begun_at, 1, 10), '+0 days') IS substr(deletion_begun_at, 1, 10) AND substr(deletion_begun_at, 1, 4) > '0000' AND substr(deletion_begun_at, 12, 2) < '24' AND substr(deletion_begun_at, 15, 2) < '60' AND substr(deletion_begun_at, 18, 2) < '60' OR deletion_begun_at IS NULL) CONSTRAINT ck_waste_resources_begun CHECK (deletion_begun_at IS NULL OR status IN ('SCHEDULED_DELETE', 'DELETED'));

ALTER TABLE waste_resources ADD COLUMN unused_since TEXT CONSTRAINT ck_waste_resources_unused_since_utc CHECK (unused_since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(unused_since, 1, 10), '+0 days') IS substr(unused_since, 1, 10) AND substr(unused_since, 1, 4) > '0000' AND substr(unused_since, 12, 2) < '24' AND substr(unused_since, 15, 2) < '60' AND substr(unused_since, 18, 2) < '60' OR unused_since IS NULL);

CREATE INDEX ix_waste_resources_tenant_id_detected_at ON waste_resources (tenant_id, detected_at);

CREATE INDEX ix_waste_resources_tenant_id_resource_id ON waste_resources (tenant_id, resource_id);

CREATE INDEX ix_waste_resources_tenant_id_account_id_deletion_begun_at ON waste_resources (tenant_id, account_id, deletion_begun_at);

CREATE INDEX ix_scan_runs_tenant_id_account_id_kind_started_at ON scan_runs (tenant_id, account_id, kind, started_at);

DROP INDEX ix_scan_runs_tenant_id_account_id;
