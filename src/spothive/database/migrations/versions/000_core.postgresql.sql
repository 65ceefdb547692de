CREATE TABLE account_logs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    account_id UUID NOT NULL,
    action TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT,
    details JSONB DEFAULT '{}' NOT NULL,
    actor_id UUID,
    actor_name TEXT NOT NULL,
    CONSTRAINT pk_account_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_account_logs_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_account_logs_action_length CHECK (length(action) >= 1 AND length(action) <= 64),
    CONSTRAINT ck_account_logs_from_status_values CHECK (from_status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_account_logs_to_status_values CHECK (to_status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_account_logs_details_json CHECK (jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 262144),
    CONSTRAINT ck_account_logs_actor_name_length CHECK (length(actor_name) >= 1 AND length(actor_name) <= 255),
    CONSTRAINT uq_account_logs_id UNIQUE (id)
);

CREATE INDEX ix_account_logs_tenant_id_account_id_timestamp ON account_logs (tenant_id, account_id, timestamp);

CREATE INDEX ix_account_logs_tenant_id_timestamp ON account_logs (tenant_id, timestamp);

COMMENT ON COLUMN account_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN account_logs.id IS 'UUIDv7';

COMMENT ON COLUMN account_logs.account_id IS 'row in accounts; no key, the log outlives it';

CREATE TABLE audit_logs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    txid BIGINT DEFAULT '0' NOT NULL,
    actor_id UUID,
    actor_name TEXT NOT NULL,
    event TEXT NOT NULL,
    resource TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    outcome TEXT NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    request_id TEXT,
    diff_before TEXT,
    diff_after TEXT,
    CONSTRAINT pk_audit_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_audit_logs_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_audit_logs_actor_name_length CHECK (length(actor_name) >= 1 AND length(actor_name) <= 255),
    CONSTRAINT ck_audit_logs_event_length CHECK (length(event) >= 1 AND length(event) <= 128),
    CONSTRAINT ck_audit_logs_resource_length CHECK (length(resource) >= 1 AND length(resource) <= 255),
    CONSTRAINT ck_audit_logs_resource_type_values CHECK (resource_type IN ('ACCOUNT', 'INSTANCE', 'CLUSTER', 'TEMPLATE', 'POLICY', 'HIBERNATION', 'USER', 'TENANT', 'API_KEY', 'MODEL', 'EXPERIMENT', 'WASTE', 'APPROVAL', 'ACTION', 'RISK', 'NOTICE', 'DATASET', 'SYSTEM')),
    CONSTRAINT ck_audit_logs_outcome_values CHECK (outcome IN ('SUCCESS', 'FAILURE', 'DENIED')),
    CONSTRAINT ck_audit_logs_ip_address_length CHECK (length(ip_address) <= 45),
    CONSTRAINT ck_audit_logs_user_agent_length CHECK (length(user_agent) <= 512),
    CONSTRAINT ck_audit_logs_request_id_length CHECK (length(request_id) <= 64),
    CONSTRAINT ck_audit_logs_diff_before_length CHECK (length(diff_before) <= 65536),
    CONSTRAINT ck_audit_logs_diff_after_length CHECK (length(diff_after) <= 65536),
    CONSTRAINT uq_audit_logs_id UNIQUE (id)
);

CREATE INDEX ix_audit_logs_tenant_id_event ON audit_logs (tenant_id, event);

CREATE INDEX ix_audit_logs_tenant_id_resource ON audit_logs (tenant_id, resource);

CREATE INDEX ix_audit_logs_tenant_id_timestamp ON audit_logs (tenant_id, timestamp);

COMMENT ON COLUMN audit_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN audit_logs.id IS 'UUIDv7';

COMMENT ON COLUMN audit_logs.timestamp IS 'UTC; set by PostgreSQL itself';

COMMENT ON COLUMN audit_logs.txid IS 'transaction that wrote it; 0 on SQLite';

COMMENT ON COLUMN audit_logs.actor_id IS 'user; none for spothive itself';

COMMENT ON COLUMN audit_logs.event IS 'for example account.imported';

COMMENT ON COLUMN audit_logs.resource IS 'id or name of the thing';

COMMENT ON COLUMN audit_logs.diff_before IS 'canonical JSON; never a secret';

COMMENT ON COLUMN audit_logs.diff_after IS 'canonical JSON; never a secret';

CREATE TABLE ml_models (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    file_path TEXT NOT NULL,
    file_hash TEXT NOT NULL,
    file_format TEXT DEFAULT 'onnx' NOT NULL,
    status TEXT DEFAULT 'CANDIDATE' NOT NULL,
    is_active_prod BOOLEAN DEFAULT false NOT NULL,
    description TEXT,
    uploaded_by UUID,
    person_name TEXT,
    uploaded_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    graduated_at TIMESTAMP WITH TIME ZONE,
    deployed_at TIMESTAMP WITH TIME ZONE,
    archived_at TIMESTAMP WITH TIME ZONE,
    total_predictions BIGINT DEFAULT '0' NOT NULL,
    success_count BIGINT DEFAULT '0' NOT NULL,
    failure_count BIGINT DEFAULT '0' NOT NULL,
    avg_prediction_score FLOAT(53),
    performance_metrics JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_ml_models PRIMARY KEY (id),
    CONSTRAINT uq_ml_models_name_version UNIQUE (name, version),
    CONSTRAINT ck_ml_models_active CHECK (NOT is_active_prod OR (status = 'ENABLED' AND deployed_at IS NOT NULL)),
    CONSTRAINT ck_ml_models_graduated CHECK (status NOT IN ('GRADUATED', 'ENABLED') OR graduated_at IS NOT NULL),
    CONSTRAINT ck_ml_models_archived CHECK ((status = 'ARCHIVED') = (archived_at IS NOT NULL)),
    CONSTRAINT ck_ml_models_name_length CHECK (length(name) >= 1 AND length(name) <= 255),
    CONSTRAINT ck_ml_models_version_length CHECK (length(version) >= 1 AND length(version) <= 50),
    CONSTRAINT ck_ml_models_file_path_length CHECK (length(file_path) >= 1 AND length(file_path) <= 512),
    CONSTRAINT ck_ml_models_file_hash_length CHECK (length(file_hash) >= 64 AND length(file_hash) <= 64),
    CONSTRAINT ck_ml_models_file_hash_ascii CHECK (file_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_ml_models_file_format_values CHECK (file_format IN ('onnx')),
    CONSTRAINT ck_ml_models_status_values CHECK (status IN ('CANDIDATE', 'TESTING', 'GRADUATED', 'ENABLED', 'ARCHIVED')),
    CONSTRAINT ck_ml_models_description_length CHECK (length(description) <= 4000),
    CONSTRAINT ck_ml_models_person_name_length CHECK (length(person_name) <= 255),
    CONSTRAINT ck_ml_models_uploaded_at_utc CHECK (uploaded_at >= '0001-01-01 00:00:00+00' AND uploaded_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_ml_models_graduated_at_utc CHECK (graduated_at >= '0001-01-01 00:00:00+00' AND graduated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_ml_models_deployed_at_utc CHECK (deployed_at >= '0001-01-01 00:00:00+00' AND deployed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_ml_models_archived_at_utc CHECK (archived_at >= '0001-01-01 00:00:00+00' AND archived_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_ml_models_total_predictions_range CHECK (total_predictions >= 0 AND total_predictions <= 9007199254740992),
    CONSTRAINT ck_ml_models_success_count_range CHECK (success_count >= 0 AND success_count <= 9007199254740992),
    CONSTRAINT ck_ml_models_failure_count_range CHECK (failure_count >= 0 AND failure_count <= 9007199254740992),
    CONSTRAINT ck_ml_models_avg_prediction_score_range CHECK (avg_prediction_score >= 0 AND avg_prediction_score <= 1),
    CONSTRAINT ck_ml_models_performance_metrics_json CHECK (jsonb_typeof(performance_metrics) = 'object' AND octet_length(performance_metrics::text) <= 262144),
    CONSTRAINT ck_ml_models_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_ml_models_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE UNIQUE INDEX uq_ml_models_one_active ON ml_models (is_active_prod) WHERE is_active_prod;

COMMENT ON COLUMN ml_models.id IS 'UUIDv7';

COMMENT ON COLUMN ml_models.file_hash IS 'SHA-256 of the file, hexadecimal';

COMMENT ON COLUMN ml_models.uploaded_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN ml_models.person_name IS 'who uploaded it, at that time';

COMMENT ON COLUMN ml_models.created_at IS 'UTC';

COMMENT ON COLUMN ml_models.updated_at IS 'UTC';

CREATE TABLE on_demand_prices (
    id UUID NOT NULL,
    region TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    os TEXT DEFAULT 'Linux' NOT NULL,
    price NUMERIC(14, 6) NOT NULL,
    source TEXT NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_on_demand_prices PRIMARY KEY (id),
    CONSTRAINT uq_on_demand_prices_region_instance_type_os UNIQUE (region, instance_type, os),
    CONSTRAINT ck_on_demand_prices_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_on_demand_prices_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32),
    CONSTRAINT ck_on_demand_prices_os_length CHECK (length(os) >= 1 AND length(os) <= 32),
    CONSTRAINT ck_on_demand_prices_price_money CHECK (price >= 0 AND price <= 99999999.999999),
    CONSTRAINT ck_on_demand_prices_source_length CHECK (length(source) >= 1 AND length(source) <= 255),
    CONSTRAINT ck_on_demand_prices_observed_at_utc CHECK (observed_at >= '0001-01-01 00:00:00+00' AND observed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_on_demand_prices_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_on_demand_prices_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN on_demand_prices.id IS 'UUIDv7';

COMMENT ON COLUMN on_demand_prices.price IS 'USD per hour';

COMMENT ON COLUMN on_demand_prices.source IS 'where the price was read; ''synthetic'' if it was made up';

COMMENT ON COLUMN on_demand_prices.observed_at IS 'UTC';

COMMENT ON COLUMN on_demand_prices.created_at IS 'UTC';

COMMENT ON COLUMN on_demand_prices.updated_at IS 'UTC';

CREATE TABLE system_logs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    user_id UUID,
    person_name TEXT,
    component TEXT NOT NULL,
    level TEXT DEFAULT 'info' NOT NULL,
    action TEXT NOT NULL,
    message TEXT NOT NULL,
    details JSONB DEFAULT '{}' NOT NULL,
    execution_time_ms BIGINT,
    CONSTRAINT pk_system_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_system_logs_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_system_logs_person_name_length CHECK (length(person_name) <= 255),
    CONSTRAINT ck_system_logs_component_length CHECK (length(component) >= 1 AND length(component) <= 50),
    CONSTRAINT ck_system_logs_level_values CHECK (level IN ('debug', 'info', 'warning', 'error', 'critical')),
    CONSTRAINT ck_system_logs_action_length CHECK (length(action) >= 1 AND length(action) <= 100),
    CONSTRAINT ck_system_logs_message_length CHECK (length(message) <= 4000),
    CONSTRAINT ck_system_logs_details_json CHECK (jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 262144),
    CONSTRAINT ck_system_logs_execution_time_ms_range CHECK (execution_time_ms >= 0 AND execution_time_ms <= 2147483647),
    CONSTRAINT uq_system_logs_id UNIQUE (id)
);

CREATE INDEX ix_system_logs_tenant_id_component_level ON system_logs (tenant_id, component, level);

CREATE INDEX ix_system_logs_tenant_id_timestamp ON system_logs (tenant_id, timestamp);

COMMENT ON COLUMN system_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN system_logs.id IS 'UUIDv7';

COMMENT ON COLUMN system_logs.user_id IS 'no key: the row outlives the user';

COMMENT ON COLUMN system_logs.execution_time_ms IS 'milliseconds';

CREATE TABLE tenants (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_tenants PRIMARY KEY (id),
    CONSTRAINT uq_tenants_slug UNIQUE (slug),
    CONSTRAINT ck_tenants_name_length CHECK (length(name) >= 1 AND length(name) <= 255),
    CONSTRAINT ck_tenants_slug_length CHECK (length(slug) >= 1 AND length(slug) <= 63),
    CONSTRAINT ck_tenants_slug_ascii CHECK (slug COLLATE "C" ~ '^[a-z0-9-]*$'),
    CONSTRAINT ck_tenants_settings_json CHECK (jsonb_typeof(settings) = 'object' AND octet_length(settings::text) <= 262144),
    CONSTRAINT ck_tenants_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_tenants_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN tenants.id IS 'UUIDv7';

COMMENT ON COLUMN tenants.slug IS 'short name for people';

COMMENT ON COLUMN tenants.settings IS 'auto_approve_low, ...';

COMMENT ON COLUMN tenants.created_at IS 'UTC';

COMMENT ON COLUMN tenants.updated_at IS 'UTC';

CREATE TABLE datasets (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    kind TEXT NOT NULL,
    row_count BIGINT DEFAULT '0' NOT NULL,
    file_path TEXT NOT NULL,
    file_hash TEXT NOT NULL,
    columns JSONB DEFAULT '[]' NOT NULL,
    created_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_datasets PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_datasets_tenant_id_name UNIQUE (tenant_id, name),
    CONSTRAINT ck_datasets_name_length CHECK (length(name) >= 1 AND length(name) <= 255),
    CONSTRAINT ck_datasets_description_length CHECK (length(description) <= 4000),
    CONSTRAINT ck_datasets_kind_values CHECK (kind IN ('market', 'interruptions', 'decisions')),
    CONSTRAINT ck_datasets_row_count_range CHECK (row_count >= 0 AND row_count <= 9007199254740992),
    CONSTRAINT ck_datasets_file_path_length CHECK (length(file_path) >= 1 AND length(file_path) <= 512),
    CONSTRAINT ck_datasets_file_hash_length CHECK (length(file_hash) >= 64 AND length(file_hash) <= 64),
    CONSTRAINT ck_datasets_file_hash_ascii CHECK (file_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_datasets_columns_json CHECK (jsonb_typeof(columns) = 'array' AND octet_length(columns::text) <= 262144),
    CONSTRAINT ck_datasets_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_datasets_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_datasets_id UNIQUE (id),
    CONSTRAINT fk_datasets_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
);

COMMENT ON COLUMN datasets.tenant_id IS 'owner of the row';

COMMENT ON COLUMN datasets.id IS 'UUIDv7';

COMMENT ON COLUMN datasets.file_hash IS 'SHA-256 of the file, hexadecimal';

COMMENT ON COLUMN datasets.columns IS 'column names in file order';

COMMENT ON COLUMN datasets.created_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN datasets.created_at IS 'UTC';

COMMENT ON COLUMN datasets.updated_at IS 'UTC';

CREATE TABLE users (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    email TEXT NOT NULL,
    username TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    full_name TEXT,
    role TEXT DEFAULT 'user' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    must_change_password BOOLEAN DEFAULT false NOT NULL,
    timezone TEXT DEFAULT 'UTC' NOT NULL,
    last_login TIMESTAMP WITH TIME ZONE,
    failed_logins BIGINT DEFAULT '0' NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_users_email UNIQUE (email),
    CONSTRAINT uq_users_username UNIQUE (username),
    CONSTRAINT ck_users_email_length CHECK (length(email) >= 3 AND length(email) <= 255),
    CONSTRAINT ck_users_email_ascii CHECK (email COLLATE "C" ~ '^[!-@[-~]*$'),
    CONSTRAINT ck_users_username_length CHECK (length(username) >= 3 AND length(username) <= 50),
    CONSTRAINT ck_users_username_ascii CHECK (username COLLATE "C" ~ '^[!-@[-~]*$'),
    CONSTRAINT ck_users_password_hash_length CHECK (length(password_hash) >= 1 AND length(password_hash) <= 255),
    CONSTRAINT ck_users_full_name_length CHECK (length(full_name) <= 100),
    CONSTRAINT ck_users_role_values CHECK (role IN ('super_admin', 'admin', 'client', 'user', 'lab')),
    CONSTRAINT ck_users_timezone_length CHECK (length(timezone) >= 1 AND length(timezone) <= 64),
    CONSTRAINT ck_users_last_login_utc CHECK (last_login >= '0001-01-01 00:00:00+00' AND last_login < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_users_failed_logins_range CHECK (failed_logins >= 0 AND failed_logins <= 2147483647),
    CONSTRAINT ck_users_locked_until_utc CHECK (locked_until >= '0001-01-01 00:00:00+00' AND locked_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_users_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_users_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_users_id UNIQUE (id),
    CONSTRAINT fk_users_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
);

COMMENT ON COLUMN users.tenant_id IS 'owner of the row';

COMMENT ON COLUMN users.id IS 'UUIDv7';

COMMENT ON COLUMN users.password_hash IS 'bcrypt over base64(SHA-256); a secret';

COMMENT ON COLUMN users.timezone IS 'IANA name';

COMMENT ON COLUMN users.failed_logins IS 'since the last success';

COMMENT ON COLUMN users.created_at IS 'UTC';

COMMENT ON COLUMN users.updated_at IS 'UTC';

CREATE TABLE accounts (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    account_id TEXT NOT NULL,
    account_name TEXT NOT NULL,
    environment_type TEXT DEFAULT 'LAB' NOT NULL,
    connection_method TEXT NOT NULL,
    role_arn TEXT,
    external_id TEXT,
    aws_access_key_id TEXT,
    aws_secret_access_key TEXT,
    region TEXT DEFAULT 'us-east-1' NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    status_reason TEXT,
    account_metadata JSONB DEFAULT '{}' NOT NULL,
    last_discovered_at TIMESTAMP WITH TIME ZONE,
    disconnecting_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_accounts_tenant_id_account_name UNIQUE (tenant_id, account_name),
    CONSTRAINT ck_accounts_role_proof CHECK (status = 'pending' OR connection_method <> 'iam_role' OR (role_arn IS NOT NULL AND external_id IS NOT NULL)),
    CONSTRAINT ck_accounts_key_proof CHECK (status = 'pending' OR connection_method <> 'access_keys' OR (aws_access_key_id IS NOT NULL AND aws_secret_access_key IS NOT NULL)),
    CONSTRAINT ck_accounts_account_id_form CHECK (substr(account_id, 1, 8) = 'pending-' AND length(account_id) > 8 AND length(trim(substr(account_id, 9), '0123456789abcdef')) = 0 AND status = 'pending' OR length(account_id) = 12 AND length(trim(account_id, '0123456789')) = 0),
    CONSTRAINT ck_accounts_import_unproven CHECK (connection_method <> 'import' OR (status = 'pending' AND substr(account_id, 1, 8) = 'pending-' AND length(account_id) > 8 AND length(trim(substr(account_id, 9), '0123456789abcdef')) = 0 AND environment_type = 'LAB')),
    CONSTRAINT ck_accounts_prod_proven CHECK (environment_type = 'LAB' OR status <> 'pending'),
    CONSTRAINT uq_accounts_account_id UNIQUE (account_id),
    CONSTRAINT uq_accounts_external_id UNIQUE (external_id),
    CONSTRAINT ck_accounts_account_id_length CHECK (length(account_id) >= 1 AND length(account_id) <= 64),
    CONSTRAINT ck_accounts_account_name_length CHECK (length(account_name) >= 1 AND length(account_name) <= 100),
    CONSTRAINT ck_accounts_environment_type_values CHECK (environment_type IN ('PROD', 'LAB')),
    CONSTRAINT ck_accounts_connection_method_values CHECK (connection_method IN ('iam_role', 'access_keys', 'import')),
    CONSTRAINT ck_accounts_role_arn_length CHECK (length(role_arn) <= 2048),
    CONSTRAINT ck_accounts_external_id_length CHECK (length(external_id) >= 1 AND length(external_id) <= 64),
    CONSTRAINT ck_accounts_aws_access_key_id_sealed CHECK (substr(aws_access_key_id, 1, 9) = 'sealed:1:' AND trim(substr(aws_access_key_id, 10, 8), '0123456789abcdef') = '' AND substr(aws_access_key_id, 18, 1) = ':' AND trim(aws_access_key_id, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(aws_access_key_id) >= 57 AND length(aws_access_key_id) <= 21901),
    CONSTRAINT ck_accounts_aws_secret_access_key_sealed CHECK (substr(aws_secret_access_key, 1, 9) = 'sealed:1:' AND trim(substr(aws_secret_access_key, 10, 8), '0123456789abcdef') = '' AND substr(aws_secret_access_key, 18, 1) = ':' AND trim(aws_secret_access_key, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(aws_secret_access_key) >= 57 AND length(aws_secret_access_key) <= 21901),
    CONSTRAINT ck_accounts_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_accounts_status_values CHECK (status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_accounts_status_reason_length CHECK (length(status_reason) <= 4000),
    CONSTRAINT ck_accounts_account_metadata_json CHECK (jsonb_typeof(account_metadata) = 'object' AND octet_length(account_metadata::text) <= 262144),
    CONSTRAINT ck_accounts_last_discovered_at_utc CHECK (last_discovered_at >= '0001-01-01 00:00:00+00' AND last_discovered_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_accounts_disconnecting_at_utc CHECK (disconnecting_at >= '0001-01-01 00:00:00+00' AND disconnecting_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_accounts_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_accounts_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_accounts_id UNIQUE (id),
    CONSTRAINT fk_accounts_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_accounts_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_accounts_tenant_id_status ON accounts (tenant_id, status);

CREATE INDEX ix_accounts_tenant_id_user_id ON accounts (tenant_id, user_id);

COMMENT ON COLUMN accounts.tenant_id IS 'owner of the row';

COMMENT ON COLUMN accounts.id IS 'UUIDv7';

COMMENT ON COLUMN accounts.account_id IS '12 digits once AWS has proved it, until then pending-<hex>';

COMMENT ON COLUMN accounts.external_id IS 'ours, random';

COMMENT ON COLUMN accounts.aws_access_key_id IS 'sealed';

COMMENT ON COLUMN accounts.aws_secret_access_key IS 'sealed';

COMMENT ON COLUMN accounts.disconnecting_at IS 'tombstone: invisible, being deleted in batches';

COMMENT ON COLUMN accounts.created_at IS 'UTC';

COMMENT ON COLUMN accounts.updated_at IS 'UTC';

CREATE TABLE clusters (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    name TEXT NOT NULL,
    region TEXT NOT NULL,
    status TEXT DEFAULT 'PENDING' NOT NULL,
    vpc_id TEXT,
    api_endpoint TEXT,
    k8s_version TEXT,
    agent_installed BOOLEAN DEFAULT false NOT NULL,
    agent_version TEXT,
    last_heartbeat TIMESTAMP WITH TIME ZONE,
    cluster_metadata JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_clusters PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_clusters_tenant_id_account_id_region_name UNIQUE (tenant_id, account_id, region, name),
    CONSTRAINT ck_clusters_name_length CHECK (length(name) >= 1 AND length(name) <= 255),
    CONSTRAINT ck_clusters_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_clusters_status_values CHECK (status IN ('PENDING', 'DISCOVERED', 'ACTIVE', 'INACTIVE', 'ERROR')),
    CONSTRAINT ck_clusters_vpc_id_length CHECK (length(vpc_id) <= 64),
    CONSTRAINT ck_clusters_api_endpoint_length CHECK (length(api_endpoint) <= 512),
    CONSTRAINT ck_clusters_k8s_version_length CHECK (length(k8s_version) <= 32),
    CONSTRAINT ck_clusters_agent_version_length CHECK (length(agent_version) <= 32),
    CONSTRAINT ck_clusters_last_heartbeat_utc CHECK (last_heartbeat >= '0001-01-01 00:00:00+00' AND last_heartbeat < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_clusters_cluster_metadata_json CHECK (jsonb_typeof(cluster_metadata) = 'object' AND octet_length(cluster_metadata::text) <= 262144),
    CONSTRAINT ck_clusters_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_clusters_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_clusters_id UNIQUE (id),
    CONSTRAINT fk_clusters_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_clusters_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_clusters_tenant_id_status ON clusters (tenant_id, status);

COMMENT ON COLUMN clusters.tenant_id IS 'owner of the row';

COMMENT ON COLUMN clusters.id IS 'UUIDv7';

COMMENT ON COLUMN clusters.created_at IS 'UTC';

COMMENT ON COLUMN clusters.updated_at IS 'UTC';

CREATE TABLE onboarding_requests (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    request_id TEXT NOT NULL,
    account_id UUID NOT NULL,
    connection_method TEXT NOT NULL,
    external_id TEXT NOT NULL,
    status TEXT DEFAULT 'created' NOT NULL,
    aws_account_id TEXT,
    role_arn TEXT,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_onboarding_requests PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_onboarding_requests_tenant_id_account_id UNIQUE (tenant_id, account_id),
    CONSTRAINT ck_onboarding_requests_verified CHECK ((status = 'verified') = (aws_account_id IS NOT NULL) AND (status = 'verified') = (role_arn IS NOT NULL)),
    CONSTRAINT uq_onboarding_requests_request_id UNIQUE (request_id),
    CONSTRAINT uq_onboarding_requests_external_id UNIQUE (external_id),
    CONSTRAINT ck_onboarding_requests_request_id_length CHECK (length(request_id) >= 1 AND length(request_id) <= 32),
    CONSTRAINT ck_onboarding_requests_connection_method_values CHECK (connection_method IN ('iam_role', 'access_keys', 'import')),
    CONSTRAINT ck_onboarding_requests_external_id_length CHECK (length(external_id) >= 1 AND length(external_id) <= 64),
    CONSTRAINT ck_onboarding_requests_status_values CHECK (status IN ('created', 'verified')),
    CONSTRAINT ck_onboarding_requests_aws_account_id_length CHECK (length(aws_account_id) >= 12 AND length(aws_account_id) <= 12),
    CONSTRAINT ck_onboarding_requests_role_arn_length CHECK (length(role_arn) <= 2048),
    CONSTRAINT ck_onboarding_requests_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_onboarding_requests_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_onboarding_requests_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_onboarding_requests_id UNIQUE (id),
    CONSTRAINT fk_onboarding_requests_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_onboarding_requests_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_onboarding_requests_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_onboarding_requests_tenant_id_user_id ON onboarding_requests (tenant_id, user_id);

COMMENT ON COLUMN onboarding_requests.tenant_id IS 'owner of the row';

COMMENT ON COLUMN onboarding_requests.id IS 'UUIDv7';

COMMENT ON COLUMN onboarding_requests.request_id IS 'random';

COMMENT ON COLUMN onboarding_requests.external_id IS 'ours, random; becomes the account''s';

COMMENT ON COLUMN onboarding_requests.aws_account_id IS 'what AWS proved';

COMMENT ON COLUMN onboarding_requests.created_at IS 'UTC';

COMMENT ON COLUMN onboarding_requests.updated_at IS 'UTC';

CREATE TABLE scan_runs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    kind TEXT NOT NULL,
    status TEXT DEFAULT 'RUNNING' NOT NULL,
    units_expected BIGINT NOT NULL,
    lease_token UUID NOT NULL,
    leased_until TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    seen BIGINT DEFAULT '0' NOT NULL,
    added BIGINT DEFAULT '0' NOT NULL,
    changed BIGINT DEFAULT '0' NOT NULL,
    vanished BIGINT DEFAULT '0' NOT NULL,
    error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_scan_runs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_scan_runs_finished CHECK ((status = 'RUNNING') = (finished_at IS NULL)),
    CONSTRAINT ck_scan_runs_kind_values CHECK (kind IN ('discovery', 'waste', 'import')),
    CONSTRAINT ck_scan_runs_status_values CHECK (status IN ('RUNNING', 'COMPLETE', 'PARTIAL', 'FAILED')),
    CONSTRAINT ck_scan_runs_units_expected_range CHECK (units_expected >= 1 AND units_expected <= 10000),
    CONSTRAINT ck_scan_runs_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_scan_runs_started_at_utc CHECK (started_at >= '0001-01-01 00:00:00+00' AND started_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_scan_runs_finished_at_utc CHECK (finished_at >= '0001-01-01 00:00:00+00' AND finished_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_scan_runs_seen_range CHECK (seen >= 0 AND seen <= 2147483647),
    CONSTRAINT ck_scan_runs_added_range CHECK (added >= 0 AND added <= 2147483647),
    CONSTRAINT ck_scan_runs_changed_range CHECK (changed >= 0 AND changed <= 2147483647),
    CONSTRAINT ck_scan_runs_vanished_range CHECK (vanished >= 0 AND vanished <= 2147483647),
    CONSTRAINT ck_scan_runs_error_length CHECK (length(error) <= 4000),
    CONSTRAINT ck_scan_runs_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_scan_runs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_scan_runs_id UNIQUE (id),
    CONSTRAINT fk_scan_runs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_scan_runs_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_scan_runs_tenant_id_account_id ON scan_runs (tenant_id, account_id);

CREATE INDEX ix_scan_runs_tenant_id_started_at ON scan_runs (tenant_id, started_at);

CREATE UNIQUE INDEX uq_scan_runs_running ON scan_runs (tenant_id, account_id, kind) WHERE status = 'RUNNING';

COMMENT ON COLUMN scan_runs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN scan_runs.id IS 'UUIDv7';

COMMENT ON COLUMN scan_runs.units_expected IS 'regions x kinds that were to be looked at';

COMMENT ON COLUMN scan_runs.lease_token IS 'who may write to the run';

COMMENT ON COLUMN scan_runs.leased_until IS 'after this the run may be taken over';

COMMENT ON COLUMN scan_runs.created_at IS 'UTC';

COMMENT ON COLUMN scan_runs.updated_at IS 'UTC';

CREATE TABLE instances (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    cluster_id UUID,
    instance_id TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    region TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    state TEXT NOT NULL,
    lifecycle TEXT NOT NULL,
    cpu BIGINT,
    memory BIGINT,
    cpu_util FLOAT(53),
    memory_util FLOAT(53),
    price NUMERIC(14, 6),
    auth_status TEXT DEFAULT 'authorized' NOT NULL,
    flagged_at TIMESTAMP WITH TIME ZONE,
    orchestrator_type TEXT DEFAULT 'STANDALONE' NOT NULL,
    cluster_membership JSONB,
    pipeline_mode TEXT DEFAULT 'LINEAR' NOT NULL,
    is_shadow_mode BOOLEAN DEFAULT false NOT NULL,
    assigned_model_id UUID,
    is_replica BOOLEAN DEFAULT false NOT NULL,
    replica_of_id UUID,
    replica_expiry TIMESTAMP WITH TIME ZONE,
    launched_at TIMESTAMP WITH TIME ZONE,
    content_hash BIGINT NOT NULL,
    terminated_at TIMESTAMP WITH TIME ZONE,
    last_evaluation TIMESTAMP WITH TIME ZONE,
    instance_metadata JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_instances PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_instances_tenant_id_instance_id UNIQUE (tenant_id, instance_id),
    CONSTRAINT ck_instances_replica CHECK (is_replica = (replica_of_id IS NOT NULL) AND is_replica = (replica_expiry IS NOT NULL)),
    CONSTRAINT ck_instances_terminated CHECK ((state = 'terminated') = (terminated_at IS NOT NULL)),
    CONSTRAINT ck_instances_own_replica CHECK (replica_of_id <> id),
    CONSTRAINT fk_instances_assigned_model_id FOREIGN KEY(assigned_model_id) REFERENCES ml_models (id),
    CONSTRAINT ck_instances_instance_id_length CHECK (length(instance_id) >= 1 AND length(instance_id) <= 50),
    CONSTRAINT ck_instances_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32),
    CONSTRAINT ck_instances_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_instances_availability_zone_length CHECK (length(availability_zone) >= 1 AND length(availability_zone) <= 32),
    CONSTRAINT ck_instances_state_values CHECK (state IN ('pending', 'running', 'stopping', 'stopped', 'shutting-down', 'terminated')),
    CONSTRAINT ck_instances_lifecycle_values CHECK (lifecycle IN ('on-demand', 'spot')),
    CONSTRAINT ck_instances_cpu_range CHECK (cpu >= 1 AND cpu <= 100000),
    CONSTRAINT ck_instances_memory_range CHECK (memory >= 1 AND memory <= 1099511627776),
    CONSTRAINT ck_instances_cpu_util_range CHECK (cpu_util >= 0 AND cpu_util <= 100),
    CONSTRAINT ck_instances_memory_util_range CHECK (memory_util >= 0 AND memory_util <= 100),
    CONSTRAINT ck_instances_price_money CHECK (price >= 0 AND price <= 99999999.999999),
    CONSTRAINT ck_instances_auth_status_values CHECK (auth_status IN ('authorized', 'flagged', 'unauthorized', 'terminated')),
    CONSTRAINT ck_instances_flagged_at_utc CHECK (flagged_at >= '0001-01-01 00:00:00+00' AND flagged_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_instances_orchestrator_type_values CHECK (orchestrator_type IN ('KUBERNETES', 'STANDALONE')),
    CONSTRAINT ck_instances_cluster_membership_json CHECK (jsonb_typeof(cluster_membership) = 'object' AND octet_length(cluster_membership::text) <= 262144),
    CONSTRAINT ck_instances_pipeline_mode_values CHECK (pipeline_mode IN ('CLUSTER', 'LINEAR')),
    CONSTRAINT ck_instances_replica_expiry_utc CHECK (replica_expiry >= '0001-01-01 00:00:00+00' AND replica_expiry < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_instances_launched_at_utc CHECK (launched_at >= '0001-01-01 00:00:00+00' AND launched_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_instances_terminated_at_utc CHECK (terminated_at >= '0001-01-01 00:00:00+00' AND terminated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_instances_last_evaluation_utc CHECK (last_evaluation >= '0001-01-01 00:00:00+00' AND last_evaluation < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_instances_instance_metadata_json CHECK (jsonb_typeof(instance_metadata) = 'object' AND octet_length(instance_metadata::text) <= 262144),
    CONSTRAINT ck_instances_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_instances_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_instances_id UNIQUE (id),
    CONSTRAINT fk_instances_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_instances_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_instances_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_instances_tenant_id_replica_of_id FOREIGN KEY(tenant_id, replica_of_id) REFERENCES instances (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX ix_instances_assigned_model_id ON instances (assigned_model_id);

CREATE INDEX ix_instances_tenant_id_account_id_state ON instances (tenant_id, account_id, state);

CREATE INDEX ix_instances_tenant_id_availability_zone_instance_type ON instances (tenant_id, availability_zone, instance_type);

CREATE INDEX ix_instances_tenant_id_cluster_id ON instances (tenant_id, cluster_id);

CREATE INDEX ix_instances_tenant_id_replica_of_id ON instances (tenant_id, replica_of_id);

CREATE UNIQUE INDEX uq_instances_live_replica ON instances (tenant_id, replica_of_id) WHERE is_replica AND terminated_at IS NULL;

COMMENT ON COLUMN instances.tenant_id IS 'owner of the row';

COMMENT ON COLUMN instances.id IS 'UUIDv7';

COMMENT ON COLUMN instances.instance_id IS 'EC2''s id';

COMMENT ON COLUMN instances.cpu IS 'vCPUs';

COMMENT ON COLUMN instances.memory IS 'MiB';

COMMENT ON COLUMN instances.cpu_util IS 'percent';

COMMENT ON COLUMN instances.memory_util IS 'percent';

COMMENT ON COLUMN instances.price IS 'USD per hour';

COMMENT ON COLUMN instances.cluster_membership IS 'cluster_name, node_group, role';

COMMENT ON COLUMN instances.content_hash IS 'of what AWS said; a re-scan writes only what differs';

COMMENT ON COLUMN instances.instance_metadata IS 'tags, vpc_id, subnet_id';

COMMENT ON COLUMN instances.created_at IS 'UTC';

COMMENT ON COLUMN instances.updated_at IS 'UTC';

CREATE TABLE scan_units (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    scan_run_id UUID NOT NULL,
    region TEXT NOT NULL,
    resource_kind TEXT NOT NULL,
    status TEXT DEFAULT 'PENDING' NOT NULL,
    pages BIGINT DEFAULT '0' NOT NULL,
    items BIGINT DEFAULT '0' NOT NULL,
    error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_scan_units PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_scan_units_tenant_id_scan_run_id_region_resource_kind UNIQUE (tenant_id, scan_run_id, region, resource_kind),
    CONSTRAINT ck_scan_units_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_scan_units_resource_kind_length CHECK (length(resource_kind) >= 1 AND length(resource_kind) <= 32),
    CONSTRAINT ck_scan_units_status_values CHECK (status IN ('PENDING', 'DONE', 'FAILED')),
    CONSTRAINT ck_scan_units_pages_range CHECK (pages >= 0 AND pages <= 2147483647),
    CONSTRAINT ck_scan_units_items_range CHECK (items >= 0 AND items <= 2147483647),
    CONSTRAINT ck_scan_units_error_length CHECK (length(error) <= 4000),
    CONSTRAINT ck_scan_units_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_scan_units_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_scan_units_id UNIQUE (id),
    CONSTRAINT fk_scan_units_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_scan_units_tenant_id_scan_run_id FOREIGN KEY(tenant_id, scan_run_id) REFERENCES scan_runs (tenant_id, id) ON DELETE CASCADE
);

COMMENT ON COLUMN scan_units.tenant_id IS 'owner of the row';

COMMENT ON COLUMN scan_units.id IS 'UUIDv7';

COMMENT ON COLUMN scan_units.resource_kind IS 'for example instances';

COMMENT ON COLUMN scan_units.created_at IS 'UTC';

COMMENT ON COLUMN scan_units.updated_at IS 'UTC';

INSERT INTO tenants (id, name, slug) VALUES ('00000000-0000-7000-8000-000000000001', 'Platform', 'platform');

