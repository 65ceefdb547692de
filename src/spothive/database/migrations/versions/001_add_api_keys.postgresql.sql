CREATE TABLE api_keys (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    cluster_id UUID,
    user_id UUID,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    scopes JSONB NOT NULL,
    rate_limit BIGINT DEFAULT '1000' NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_api_keys PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_api_keys_owner CHECK ((cluster_id IS NULL) <> (user_id IS NULL)),
    CONSTRAINT ck_api_keys_revoked CHECK (revoked_reason IS NULL OR revoked_at IS NOT NULL),
    CONSTRAINT uq_api_keys_prefix UNIQUE (prefix),
    CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash),
    CONSTRAINT ck_api_keys_name_length CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT ck_api_keys_prefix_length CHECK (length(prefix) >= 8 AND length(prefix) <= 16),
    CONSTRAINT ck_api_keys_prefix_ascii CHECK (prefix COLLATE "C" ~ '^[a-zA-Z0-9_]*$'),
    CONSTRAINT ck_api_keys_key_hash_length CHECK (length(key_hash) >= 64 AND length(key_hash) <= 64),
    CONSTRAINT ck_api_keys_key_hash_ascii CHECK (key_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_api_keys_scopes_json CHECK (jsonb_typeof(scopes) = 'array' AND octet_length(scopes::text) <= 262144),
    CONSTRAINT ck_api_keys_scopes_names CHECK (CASE WHEN jsonb_typeof(scopes) = 'array' THEN jsonb_array_length(scopes) >= 1 AND scopes <@ '["read", "write", "agent", "admin"]' END),
    CONSTRAINT ck_api_keys_rate_limit_range CHECK (rate_limit >= 1 AND rate_limit <= 100000),
    CONSTRAINT ck_api_keys_last_used_at_utc CHECK (last_used_at >= '0001-01-01 00:00:00+00' AND last_used_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_api_keys_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_api_keys_revoked_at_utc CHECK (revoked_at >= '0001-01-01 00:00:00+00' AND revoked_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_api_keys_revoked_reason_length CHECK (length(revoked_reason) <= 255),
    CONSTRAINT ck_api_keys_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_api_keys_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_api_keys_id UNIQUE (id),
    CONSTRAINT fk_api_keys_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_api_keys_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_api_keys_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_api_keys_tenant_id_cluster_id ON api_keys (tenant_id, cluster_id);

CREATE INDEX ix_api_keys_tenant_id_user_id ON api_keys (tenant_id, user_id);

COMMENT ON COLUMN api_keys.tenant_id IS 'owner of the row';

COMMENT ON COLUMN api_keys.id IS 'UUIDv7';

COMMENT ON COLUMN api_keys.cluster_id IS 'cluster whose agent holds it';

COMMENT ON COLUMN api_keys.user_id IS 'user who holds it';

COMMENT ON COLUMN api_keys.name IS 'what it is for, for people';

COMMENT ON COLUMN api_keys.prefix IS 'beginning of the key, by which it is found; no secret';

COMMENT ON COLUMN api_keys.key_hash IS 'SHA-256 of the key, which holds 256 random bits';

COMMENT ON COLUMN api_keys.scopes IS 'what it may be used for';

COMMENT ON COLUMN api_keys.rate_limit IS 'requests an hour; the HTTP door counts them';

COMMENT ON COLUMN api_keys.last_used_at IS 'UTC, noted at most once a minute';

COMMENT ON COLUMN api_keys.expires_at IS 'UTC; none: it does not expire';

COMMENT ON COLUMN api_keys.revoked_at IS 'UTC';

COMMENT ON COLUMN api_keys.revoked_reason IS 'why it was revoked';

COMMENT ON COLUMN api_keys.created_at IS 'UTC';

COMMENT ON COLUMN api_keys.updated_at IS 'UTC';

CREATE TABLE api_usage (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    api_key_id UUID NOT NULL,
    endpoint TEXT NOT NULL,
    method TEXT NOT NULL,
    status_code BIGINT NOT NULL,
    response_time_ms BIGINT,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_api_usage PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_api_usage_endpoint_length CHECK (length(endpoint) >= 1 AND length(endpoint) <= 255),
    CONSTRAINT ck_api_usage_method_length CHECK (length(method) >= 1 AND length(method) <= 10),
    CONSTRAINT ck_api_usage_method_ascii CHECK (method COLLATE "C" ~ '^[A-Z]*$'),
    CONSTRAINT ck_api_usage_status_code_range CHECK (status_code >= 100 AND status_code <= 599),
    CONSTRAINT ck_api_usage_response_time_ms_range CHECK (response_time_ms >= 0 AND response_time_ms <= 2147483647),
    CONSTRAINT ck_api_usage_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_api_usage_id UNIQUE (id),
    CONSTRAINT fk_api_usage_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_api_usage_tenant_id_api_key_id FOREIGN KEY(tenant_id, api_key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_api_usage_tenant_id_api_key_id_timestamp ON api_usage (tenant_id, api_key_id, timestamp);

CREATE INDEX ix_api_usage_tenant_id_timestamp ON api_usage (tenant_id, timestamp);

COMMENT ON COLUMN api_usage.tenant_id IS 'owner of the row';

COMMENT ON COLUMN api_usage.id IS 'UUIDv7';

COMMENT ON COLUMN api_usage.api_key_id IS 'key the request was made with';

COMMENT ON COLUMN api_usage.endpoint IS 'path of the request, without its parameters';

COMMENT ON COLUMN api_usage.method IS 'HTTP method';

COMMENT ON COLUMN api_usage.status_code IS 'HTTP status of the answer';

COMMENT ON COLUMN api_usage.response_time_ms IS 'milliseconds';

COMMENT ON COLUMN api_usage.timestamp IS 'UTC';

