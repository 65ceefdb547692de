CREATE TABLE api_keys (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    cluster_id TEXT,
    user_id TEXT,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    rate_limit INTEGER DEFAULT '1000' NOT NULL,
    last_used_at TEXT,
    expires_at TEXT,
    revoked_at TEXT,
    revoked_reason TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_api_keys PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_api_keys_owner CHECK ((cluster_id IS NULL) <> (user_id IS NULL)),
    CONSTRAINT ck_api_keys_revoked CHECK (revoked_reason IS NULL OR revoked_at IS NOT NULL),
    CONSTRAINT uq_api_keys_prefix UNIQUE (prefix),
    CONSTRAINT uq_api_keys_key_hash UNIQUE (key_hash),
    CONSTRAINT ck_api_keys_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_keys_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_keys_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_keys_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_keys_name_length CHECK (length(name) >= 1 AND length(name) <= 100 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_api_keys_prefix_length CHECK (length(prefix) >= 8 AND length(prefix) <= 16 AND instr(prefix, char(0)) = 0),
    CONSTRAINT ck_api_keys_prefix_ascii CHECK (prefix NOT GLOB '*[^a-zA-Z0-9_]*'),
    CONSTRAINT ck_api_keys_key_hash_length CHECK (length(key_hash) >= 64 AND length(key_hash) <= 64 AND instr(key_hash, char(0)) = 0),
    CONSTRAINT ck_api_keys_key_hash_ascii CHECK (key_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_keys_scopes_json CHECK (CASE WHEN json_valid(scopes) THEN json_type(scopes) = 'array' AND length(CAST(scopes AS BLOB)) <= 262144 ELSE scopes IS NULL END),
    CONSTRAINT ck_api_keys_scopes_names CHECK (CASE WHEN json_valid(scopes) THEN json_array_length(scopes) >= 1 AND instr(substr(json(scopes), 2), '[') = 0 AND trim(replace(replace(replace(replace(json(scopes), '"read"', ''), '"write"', ''), '"agent"', ''), '"admin"', ''), '[],') = '' END),
    CONSTRAINT ck_api_keys_rate_limit_range CHECK (rate_limit >= 1 AND rate_limit <= 100000),
    CONSTRAINT ck_api_keys_last_used_at_utc CHECK (last_used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_used_at, 1, 10), '+0 days') IS substr(last_used_at, 1, 10) AND substr(last_used_at, 1, 4) > '0000' AND substr(last_used_at, 12, 2) < '24' AND substr(last_used_at, 15, 2) < '60' AND substr(last_used_at, 18, 2) < '60' OR last_used_at IS NULL),
    CONSTRAINT ck_api_keys_expires_at_utc CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(expires_at, 1, 10), '+0 days') IS substr(expires_at, 1, 10) AND substr(expires_at, 1, 4) > '0000' AND substr(expires_at, 12, 2) < '24' AND substr(expires_at, 15, 2) < '60' AND substr(expires_at, 18, 2) < '60' OR expires_at IS NULL),
    CONSTRAINT ck_api_keys_revoked_at_utc CHECK (revoked_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(revoked_at, 1, 10), '+0 days') IS substr(revoked_at, 1, 10) AND substr(revoked_at, 1, 4) > '0000' AND substr(revoked_at, 12, 2) < '24' AND substr(revoked_at, 15, 2) < '60' AND substr(revoked_at, 18, 2) < '60' OR revoked_at IS NULL),
    CONSTRAINT ck_api_keys_revoked_reason_length CHECK (length(revoked_reason) <= 255 AND instr(revoked_reason, char(0)) = 0),
    CONSTRAINT ck_api_keys_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_api_keys_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_api_keys_id UNIQUE (id),
    CONSTRAINT fk_api_keys_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_api_keys_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_api_keys_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_api_keys_tenant_id_cluster_id ON api_keys (tenant_id, cluster_id);

CREATE INDEX ix_api_keys_tenant_id_user_id ON api_keys (tenant_id, user_id);

CREATE TABLE api_usage (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    api_key_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    method TEXT NOT NULL,
    status_code INTEGER NOT NULL,
    response_time_ms INTEGER,
    timestamp TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_api_usage PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_api_usage_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_usage_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_usage_api_key_id_uuid CHECK (length(api_key_id) = 32 AND api_key_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_usage_endpoint_length CHECK (length(endpoint) >= 1 AND length(endpoint) <= 255 AND instr(endpoint, char(0)) = 0),
    CONSTRAINT ck_api_usage_method_length CHECK (length(method) >= 1 AND length(method) <= 10 AND instr(method, char(0)) = 0),
    CONSTRAINT ck_api_usage_method_ascii CHECK (method NOT GLOB '*[^A-Z]*'),
    CONSTRAINT ck_api_usage_status_code_range CHECK (status_code >= 100 AND status_code <= 599),
    CONSTRAINT ck_api_usage_response_time_ms_range CHECK (response_time_ms >= 0 AND response_time_ms <= 2147483647),
    CONSTRAINT ck_api_usage_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT uq_api_usage_id UNIQUE (id),
    CONSTRAINT fk_api_usage_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_api_usage_tenant_id_api_key_id FOREIGN KEY(tenant_id, api_key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_api_usage_tenant_id_api_key_id_timestamp ON api_usage (tenant_id, api_key_id, timestamp);

CREATE INDEX ix_api_usage_tenant_id_timestamp ON api_usage (tenant_id, timestamp);

