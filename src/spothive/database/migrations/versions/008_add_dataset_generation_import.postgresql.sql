CREATE TABLE dataset_generations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    dataset_id UUID,
    name TEXT NOT NULL,
    config JSONB DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    lease_token UUID,
    leased_until TIMESTAMP WITH TIME ZONE,
    progress BIGINT DEFAULT '0' NOT NULL,
    rows BIGINT DEFAULT '0' NOT NULL,
    output_path TEXT,
    error_message TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_dataset_generations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_dataset_generations_started CHECK (CASE status WHEN 'pending' THEN started_at IS NULL WHEN 'cancelled' THEN true ELSE started_at IS NOT NULL END),
    CONSTRAINT ck_dataset_generations_completed CHECK ((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_dataset_generations_failed CHECK ((status = 'failed') = (error_message IS NOT NULL)),
    CONSTRAINT ck_dataset_generations_lease CHECK ((status = 'running') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT ck_dataset_generations_name_length CHECK (length(name) >= 1 AND length(name) <= 255),
    CONSTRAINT ck_dataset_generations_config_json CHECK (jsonb_typeof(config) = 'object' AND octet_length(config::text) <= 262144),
    CONSTRAINT ck_dataset_generations_status_values CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_dataset_generations_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_dataset_generations_progress_range CHECK (progress >= 0 AND progress <= 100),
    CONSTRAINT ck_dataset_generations_rows_range CHECK (rows >= 0 AND rows <= 9007199254740992),
    CONSTRAINT ck_dataset_generations_output_path_length CHECK (length(output_path) <= 512),
    CONSTRAINT ck_dataset_generations_error_message_length CHECK (length(error_message) >= 1 AND length(error_message) <= 4000),
    CONSTRAINT ck_dataset_generations_started_at_utc CHECK (started_at >= '0001-01-01 00:00:00+00' AND started_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_dataset_generations_completed_at_utc CHECK (completed_at >= '0001-01-01 00:00:00+00' AND completed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_dataset_generations_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_dataset_generations_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_dataset_generations_id UNIQUE (id),
    CONSTRAINT fk_dataset_generations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_dataset_generations_tenant_id_dataset_id FOREIGN KEY(tenant_id, dataset_id) REFERENCES datasets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX ix_dataset_generations_tenant_id_dataset_id ON dataset_generations (tenant_id, dataset_id);

CREATE INDEX ix_dataset_generations_tenant_id_status ON dataset_generations (tenant_id, status);

COMMENT ON COLUMN dataset_generations.tenant_id IS 'owner of the row';

COMMENT ON COLUMN dataset_generations.id IS 'UUIDv7';

COMMENT ON COLUMN dataset_generations.dataset_id IS 'what came of it';

COMMENT ON COLUMN dataset_generations.name IS 'of the dataset';

COMMENT ON COLUMN dataset_generations.config IS 'what it is made from';

COMMENT ON COLUMN dataset_generations.status IS 'how far it is';

COMMENT ON COLUMN dataset_generations.lease_token IS 'worker that has the job';

COMMENT ON COLUMN dataset_generations.leased_until IS 'after this another worker may take it, UTC';

COMMENT ON COLUMN dataset_generations.progress IS 'percent';

COMMENT ON COLUMN dataset_generations.rows IS 'rows so far';

COMMENT ON COLUMN dataset_generations.output_path IS 'file that was written';

COMMENT ON COLUMN dataset_generations.error_message IS 'why it failed';

COMMENT ON COLUMN dataset_generations.started_at IS 'UTC';

COMMENT ON COLUMN dataset_generations.completed_at IS 'when it ended, well or badly, UTC';

COMMENT ON COLUMN dataset_generations.created_at IS 'UTC';

COMMENT ON COLUMN dataset_generations.updated_at IS 'UTC';

CREATE TABLE dataset_imports (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    dataset_id UUID,
    name TEXT NOT NULL,
    config JSONB DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    lease_token UUID,
    leased_until TIMESTAMP WITH TIME ZONE,
    progress BIGINT DEFAULT '0' NOT NULL,
    rows BIGINT DEFAULT '0' NOT NULL,
    output_path TEXT,
    error_message TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_dataset_imports PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_dataset_imports_started CHECK (CASE status WHEN 'pending' THEN started_at IS NULL WHEN 'cancelled' THEN true ELSE started_at IS NOT NULL END),
    CONSTRAINT ck_dataset_imports_completed CHECK ((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_dataset_imports_failed CHECK ((status = 'failed') = (error_message IS NOT NULL)),
    CONSTRAINT ck_dataset_imports_lease CHECK ((status = 'running') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT ck_dataset_imports_name_length CHECK (length(name) >= 1 AND length(name) <= 255),
    CONSTRAINT ck_dataset_imports_config_json CHECK (jsonb_typeof(config) = 'object' AND octet_length(config::text) <= 262144),
    CONSTRAINT ck_dataset_imports_status_values CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_dataset_imports_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_dataset_imports_progress_range CHECK (progress >= 0 AND progress <= 100),
    CONSTRAINT ck_dataset_imports_rows_range CHECK (rows >= 0 AND rows <= 9007199254740992),
    CONSTRAINT ck_dataset_imports_output_path_length CHECK (length(output_path) <= 512),
    CONSTRAINT ck_dataset_imports_error_message_length CHECK (length(error_message) >= 1 AND length(error_message) <= 4000),
    CONSTRAINT ck_dataset_imports_started_at_utc CHECK (started_at >= '0001-01-01 00:00:00+00' AND started_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_dataset_imports_completed_at_utc CHECK (completed_at >= '0001-01-01 00:00:00+00' AND completed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_dataset_imports_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_dataset_imports_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_dataset_imports_id UNIQUE (id),
    CONSTRAINT fk_dataset_imports_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_dataset_imports_tenant_id_dataset_id FOREIGN KEY(tenant_id, dataset_id) REFERENCES datasets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX ix_dataset_imports_tenant_id_dataset_id ON dataset_imports (tenant_id, dataset_id);

CREATE INDEX ix_dataset_imports_tenant_id_status ON dataset_imports (tenant_id, status);

COMMENT ON COLUMN dataset_imports.tenant_id IS 'owner of the row';

COMMENT ON COLUMN dataset_imports.id IS 'UUIDv7';

COMMENT ON COLUMN dataset_imports.dataset_id IS 'what came of it';

COMMENT ON COLUMN dataset_imports.name IS 'of the dataset';

COMMENT ON COLUMN dataset_imports.config IS 'what it is made from';

COMMENT ON COLUMN dataset_imports.status IS 'how far it is';

COMMENT ON COLUMN dataset_imports.lease_token IS 'worker that has the job';

COMMENT ON COLUMN dataset_imports.leased_until IS 'after this another worker may take it, UTC';

COMMENT ON COLUMN dataset_imports.progress IS 'percent';

COMMENT ON COLUMN dataset_imports.rows IS 'rows so far';

COMMENT ON COLUMN dataset_imports.output_path IS 'file that was written';

COMMENT ON COLUMN dataset_imports.error_message IS 'why it failed';

COMMENT ON COLUMN dataset_imports.started_at IS 'UTC';

COMMENT ON COLUMN dataset_imports.completed_at IS 'when it ended, well or badly, UTC';

COMMENT ON COLUMN dataset_imports.created_at IS 'UTC';

COMMENT ON COLUMN dataset_imports.updated_at IS 'UTC';

