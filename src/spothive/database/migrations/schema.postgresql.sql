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
    CONSTRAINT uq_account_logs_id UNIQUE (id),
    CONSTRAINT ck_account_logs_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_account_logs_action_length CHECK (length(action) >= 1 AND length(action) <= 64),
    CONSTRAINT ck_account_logs_from_status_values CHECK (from_status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_account_logs_to_status_values CHECK (to_status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_account_logs_details_json CHECK (jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 262144),
    CONSTRAINT ck_account_logs_actor_name_length CHECK (length(actor_name) >= 1 AND length(actor_name) <= 255)
);

CREATE INDEX ix_account_logs_tenant_id_account_id_timestamp ON account_logs (tenant_id, account_id, timestamp);

CREATE INDEX ix_account_logs_tenant_id_timestamp ON account_logs (tenant_id, timestamp);

COMMENT ON COLUMN account_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN account_logs.id IS 'UUIDv7';

COMMENT ON COLUMN account_logs.timestamp IS 'when it happened (UTC)';

COMMENT ON COLUMN account_logs.account_id IS 'row in accounts; no key, the log outlives it';

COMMENT ON COLUMN account_logs.action IS 'what happened';

COMMENT ON COLUMN account_logs.from_status IS 'status before, if it changed';

COMMENT ON COLUMN account_logs.to_status IS 'status after, if it changed';

COMMENT ON COLUMN account_logs.details IS 'what else is known of it';

COMMENT ON COLUMN account_logs.actor_id IS 'user; none for spothive itself';

COMMENT ON COLUMN account_logs.actor_name IS 'who acted, by the name of that time';

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
    CONSTRAINT uq_audit_logs_id UNIQUE (id),
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
    CONSTRAINT ck_audit_logs_diff_after_length CHECK (length(diff_after) <= 65536)
);

CREATE INDEX ix_audit_logs_tenant_id_event ON audit_logs (tenant_id, event);

CREATE INDEX ix_audit_logs_tenant_id_resource ON audit_logs (tenant_id, resource);

CREATE INDEX ix_audit_logs_tenant_id_timestamp ON audit_logs (tenant_id, timestamp);

CREATE INDEX ix_audit_logs_tenant_id_txid ON audit_logs (tenant_id, txid);

COMMENT ON COLUMN audit_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN audit_logs.id IS 'UUIDv7';

COMMENT ON COLUMN audit_logs.timestamp IS 'UTC; set by PostgreSQL itself';

COMMENT ON COLUMN audit_logs.txid IS 'transaction that wrote it; 0 on SQLite';

COMMENT ON COLUMN audit_logs.actor_id IS 'user; none for spothive itself';

COMMENT ON COLUMN audit_logs.actor_name IS 'who acted, by the name of that time';

COMMENT ON COLUMN audit_logs.event IS 'for example account.imported';

COMMENT ON COLUMN audit_logs.resource IS 'id or name of the thing';

COMMENT ON COLUMN audit_logs.resource_type IS 'kind of thing';

COMMENT ON COLUMN audit_logs.outcome IS 'how it ended';

COMMENT ON COLUMN audit_logs.ip_address IS 'where the request came from';

COMMENT ON COLUMN audit_logs.user_agent IS 'program the request came from';

COMMENT ON COLUMN audit_logs.request_id IS 'web request it happened in';

COMMENT ON COLUMN audit_logs.diff_before IS 'canonical JSON; never a secret';

COMMENT ON COLUMN audit_logs.diff_after IS 'canonical JSON; never a secret';

CREATE TABLE audit_seals (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    seal_no BIGINT NOT NULL,
    row_count BIGINT NOT NULL,
    leaves BYTEA NOT NULL,
    merkle_root TEXT NOT NULL,
    previous_seal_hash TEXT NOT NULL,
    horizon BIGINT NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    algorithm TEXT DEFAULT 'rsa-pkcs1-sha256' NOT NULL,
    key_id TEXT NOT NULL,
    signature BYTEA NOT NULL,
    CONSTRAINT pk_audit_seals PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_audit_seals_tenant_id_seal_no UNIQUE (tenant_id, seal_no),
    CONSTRAINT uq_audit_seals_tenant_id_previous_seal_hash UNIQUE (tenant_id, previous_seal_hash),
    CONSTRAINT ck_audit_seals_leaves CHECK (length(leaves) = row_count * 48),
    CONSTRAINT ck_audit_seals_chain CHECK ((seal_no = 1) = (previous_seal_hash = '0000000000000000000000000000000000000000000000000000000000000000')),
    CONSTRAINT uq_audit_seals_id UNIQUE (id),
    CONSTRAINT ck_audit_seals_seal_no_range CHECK (seal_no >= 1 AND seal_no <= 9007199254740992),
    CONSTRAINT ck_audit_seals_row_count_range CHECK (row_count >= 1 AND row_count <= 10000),
    CONSTRAINT ck_audit_seals_merkle_root_length CHECK (length(merkle_root) >= 64 AND length(merkle_root) <= 64),
    CONSTRAINT ck_audit_seals_merkle_root_ascii CHECK (merkle_root COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_audit_seals_previous_seal_hash_length CHECK (length(previous_seal_hash) >= 64 AND length(previous_seal_hash) <= 64),
    CONSTRAINT ck_audit_seals_previous_seal_hash_ascii CHECK (previous_seal_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_audit_seals_sealed_at_utc CHECK (sealed_at >= '0001-01-01 00:00:00+00' AND sealed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_audit_seals_algorithm_values CHECK (algorithm IN ('rsa-pkcs1-sha256')),
    CONSTRAINT ck_audit_seals_key_id_length CHECK (length(key_id) >= 1 AND length(key_id) <= 16),
    CONSTRAINT ck_audit_seals_key_id_ascii CHECK (key_id COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_audit_seals_signature_size CHECK (length(signature) <= 1024)
);

COMMENT ON COLUMN audit_seals.tenant_id IS 'owner of the row';

COMMENT ON COLUMN audit_seals.id IS 'UUIDv7';

COMMENT ON COLUMN audit_seals.seal_no IS 'place in the tenant''s chain, from 1';

COMMENT ON COLUMN audit_seals.row_count IS 'audit rows it covers';

COMMENT ON COLUMN audit_seals.leaves IS 'id (16 bytes) and leaf hash (32) of each row, in the order of the ids';

COMMENT ON COLUMN audit_seals.merkle_root IS 'root over the leaves, as RFC 6962';

COMMENT ON COLUMN audit_seals.previous_seal_hash IS 'SHA-256 of the seal before; all zeros for the first';

COMMENT ON COLUMN audit_seals.horizon IS 'rows of older transactions are covered by this seal or one before it; 0 on SQLite';

COMMENT ON COLUMN audit_seals.sealed_at IS 'UTC';

COMMENT ON COLUMN audit_seals.algorithm IS 'how it is signed';

COMMENT ON COLUMN audit_seals.key_id IS 'which key signed it';

COMMENT ON COLUMN audit_seals.signature IS 'over the seal''s other fields';

CREATE TABLE component_health (
    id UUID NOT NULL,
    component TEXT NOT NULL,
    status TEXT DEFAULT 'unknown' NOT NULL,
    last_success TIMESTAMP WITH TIME ZONE,
    last_failure TIMESTAMP WITH TIME ZONE,
    last_check TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    success_count_24h BIGINT DEFAULT '0' NOT NULL,
    failure_count_24h BIGINT DEFAULT '0' NOT NULL,
    avg_execution_time_ms BIGINT,
    error_message TEXT,
    component_metadata JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_component_health PRIMARY KEY (id),
    CONSTRAINT uq_component_health_component UNIQUE (component),
    CONSTRAINT ck_component_health_component_length CHECK (length(component) >= 1 AND length(component) <= 50),
    CONSTRAINT ck_component_health_status_values CHECK (status IN ('healthy', 'degraded', 'down', 'unknown')),
    CONSTRAINT ck_component_health_last_success_utc CHECK (last_success >= '0001-01-01 00:00:00+00' AND last_success < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_component_health_last_failure_utc CHECK (last_failure >= '0001-01-01 00:00:00+00' AND last_failure < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_component_health_last_check_utc CHECK (last_check >= '0001-01-01 00:00:00+00' AND last_check < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_component_health_success_count_24h_range CHECK (success_count_24h >= 0 AND success_count_24h <= 2147483647),
    CONSTRAINT ck_component_health_failure_count_24h_range CHECK (failure_count_24h >= 0 AND failure_count_24h <= 2147483647),
    CONSTRAINT ck_component_health_avg_execution_time_ms_range CHECK (avg_execution_time_ms >= 0 AND avg_execution_time_ms <= 2147483647),
    CONSTRAINT ck_component_health_error_message_length CHECK (length(error_message) <= 4000),
    CONSTRAINT ck_component_health_component_metadata_json CHECK (jsonb_typeof(component_metadata) = 'object' AND octet_length(component_metadata::text) <= 262144),
    CONSTRAINT ck_component_health_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_component_health_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN component_health.id IS 'UUIDv7';

COMMENT ON COLUMN component_health.component IS 'which part';

COMMENT ON COLUMN component_health.status IS 'how it does';

COMMENT ON COLUMN component_health.last_success IS 'UTC';

COMMENT ON COLUMN component_health.last_failure IS 'UTC';

COMMENT ON COLUMN component_health.last_check IS 'UTC';

COMMENT ON COLUMN component_health.success_count_24h IS 'checks that passed in the last 24 hours';

COMMENT ON COLUMN component_health.failure_count_24h IS 'checks that failed in the last 24 hours';

COMMENT ON COLUMN component_health.avg_execution_time_ms IS 'of a check, in milliseconds';

COMMENT ON COLUMN component_health.error_message IS 'of the last check that failed';

COMMENT ON COLUMN component_health.component_metadata IS 'what else the check saw';

COMMENT ON COLUMN component_health.created_at IS 'UTC';

COMMENT ON COLUMN component_health.updated_at IS 'UTC';

CREATE TABLE global_risk_events (
    id UUID NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    pool_id TEXT NOT NULL,
    region TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    event_type TEXT NOT NULL,
    reported_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    source_event_id TEXT NOT NULL,
    event_metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_global_risk_events PRIMARY KEY (id),
    CONSTRAINT ck_global_risk_events_pool CHECK (pool_id = region || ':' || availability_zone || ':' || instance_type),
    CONSTRAINT ck_global_risk_events_expiry CHECK (expires_at = reported_at + interval '360 hours'),
    CONSTRAINT uq_global_risk_events_source_event_id UNIQUE (source_event_id),
    CONSTRAINT ck_global_risk_events_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_global_risk_events_pool_id_length CHECK (length(pool_id) >= 1 AND length(pool_id) <= 128),
    CONSTRAINT ck_global_risk_events_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_global_risk_events_availability_zone_length CHECK (length(availability_zone) >= 1 AND length(availability_zone) <= 32),
    CONSTRAINT ck_global_risk_events_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32),
    CONSTRAINT ck_global_risk_events_event_type_values CHECK (event_type IN ('rebalance_notice', 'termination_notice')),
    CONSTRAINT ck_global_risk_events_reported_at_utc CHECK (reported_at >= '0001-01-01 00:00:00+00' AND reported_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_global_risk_events_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_global_risk_events_source_event_id_length CHECK (length(source_event_id) >= 64 AND length(source_event_id) <= 64),
    CONSTRAINT ck_global_risk_events_source_event_id_ascii CHECK (source_event_id COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_global_risk_events_event_metadata_json CHECK (jsonb_typeof(event_metadata) = 'object' AND octet_length(event_metadata::text) <= 262144)
);

CREATE INDEX ix_global_risk_events_pool_id_reported_at ON global_risk_events (pool_id, reported_at);

CREATE INDEX ix_global_risk_events_reported_at ON global_risk_events (reported_at);

COMMENT ON COLUMN global_risk_events.id IS 'UUIDv7';

COMMENT ON COLUMN global_risk_events.timestamp IS 'when spothive wrote it down, UTC';

COMMENT ON COLUMN global_risk_events.pool_id IS 'region:availability_zone:instance_type';

COMMENT ON COLUMN global_risk_events.region IS 'AWS region';

COMMENT ON COLUMN global_risk_events.availability_zone IS 'zone of that region';

COMMENT ON COLUMN global_risk_events.instance_type IS 'EC2 instance type';

COMMENT ON COLUMN global_risk_events.event_type IS 'what AWS announced';

COMMENT ON COLUMN global_risk_events.reported_at IS 'when AWS said so, UTC';

COMMENT ON COLUMN global_risk_events.expires_at IS 'reported_at + 360 hours: 15 days, UTC';

COMMENT ON COLUMN global_risk_events.source_event_id IS 'SHA-256 of tenant and AWS''s event id: told twice, it is one';

COMMENT ON COLUMN global_risk_events.event_metadata IS 'nothing that names anyone';

CREATE TABLE login_history (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    user_id UUID,
    login_name TEXT NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    login_method TEXT NOT NULL,
    success BOOLEAN NOT NULL,
    failure_reason TEXT,
    CONSTRAINT pk_login_history PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_login_history_reason CHECK (CASE WHEN success THEN failure_reason IS NULL ELSE failure_reason IS NOT NULL END),
    CONSTRAINT uq_login_history_id UNIQUE (id),
    CONSTRAINT ck_login_history_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_login_history_login_name_length CHECK (length(login_name) <= 255),
    CONSTRAINT ck_login_history_ip_address_length CHECK (length(ip_address) <= 45),
    CONSTRAINT ck_login_history_user_agent_length CHECK (length(user_agent) <= 500),
    CONSTRAINT ck_login_history_login_method_values CHECK (login_method IN ('password', 'totp', 'backup_code', 'api_key')),
    CONSTRAINT ck_login_history_failure_reason_length CHECK (length(failure_reason) >= 1 AND length(failure_reason) <= 255)
);

CREATE INDEX ix_login_history_tenant_id_timestamp ON login_history (tenant_id, timestamp);

CREATE INDEX ix_login_history_tenant_id_user_id_timestamp ON login_history (tenant_id, user_id, timestamp);

COMMENT ON COLUMN login_history.tenant_id IS 'owner of the row';

COMMENT ON COLUMN login_history.id IS 'UUIDv7';

COMMENT ON COLUMN login_history.timestamp IS 'UTC';

COMMENT ON COLUMN login_history.user_id IS 'who it was, if the name was known; no key';

COMMENT ON COLUMN login_history.login_name IS 'name as it was typed';

COMMENT ON COLUMN login_history.ip_address IS 'from where';

COMMENT ON COLUMN login_history.user_agent IS 'what the browser called itself';

COMMENT ON COLUMN login_history.login_method IS 'what was shown as proof';

COMMENT ON COLUMN login_history.success IS 'whether it was enough';

COMMENT ON COLUMN login_history.failure_reason IS 'why it was not, for the own staff';

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

COMMENT ON COLUMN ml_models.name IS 'name of the model';

COMMENT ON COLUMN ml_models.version IS 'version of this name';

COMMENT ON COLUMN ml_models.file_path IS 'where the store keeps the file';

COMMENT ON COLUMN ml_models.file_hash IS 'SHA-256 of the file, hexadecimal';

COMMENT ON COLUMN ml_models.file_format IS 'how the file is loaded';

COMMENT ON COLUMN ml_models.status IS 'how far it has come';

COMMENT ON COLUMN ml_models.is_active_prod IS 'whether it decides in production; true for one model at most';

COMMENT ON COLUMN ml_models.description IS 'for people';

COMMENT ON COLUMN ml_models.uploaded_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN ml_models.person_name IS 'who uploaded it, at that time';

COMMENT ON COLUMN ml_models.uploaded_at IS 'when the file was stored (UTC)';

COMMENT ON COLUMN ml_models.graduated_at IS 'when the lab passed it (UTC)';

COMMENT ON COLUMN ml_models.deployed_at IS 'when it was last made active (UTC)';

COMMENT ON COLUMN ml_models.archived_at IS 'when it was retired (UTC)';

COMMENT ON COLUMN ml_models.total_predictions IS 'decisions it made';

COMMENT ON COLUMN ml_models.success_count IS 'decisions no interruption followed within 24 h';

COMMENT ON COLUMN ml_models.failure_count IS 'decisions an interruption followed within 24 h';

COMMENT ON COLUMN ml_models.avg_prediction_score IS 'mean of its crash probabilities';

COMMENT ON COLUMN ml_models.performance_metrics IS 'what training and lab measured';

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

COMMENT ON COLUMN on_demand_prices.region IS 'AWS region';

COMMENT ON COLUMN on_demand_prices.instance_type IS 'for example m5.large';

COMMENT ON COLUMN on_demand_prices.os IS 'operating system the price includes';

COMMENT ON COLUMN on_demand_prices.price IS 'USD per hour';

COMMENT ON COLUMN on_demand_prices.source IS 'where the price was read; ''synthetic'' if it was made up';

COMMENT ON COLUMN on_demand_prices.observed_at IS 'UTC';

COMMENT ON COLUMN on_demand_prices.created_at IS 'UTC';

COMMENT ON COLUMN on_demand_prices.updated_at IS 'UTC';

CREATE TABLE risk_sources (
    id UUID NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    risk_event_id UUID NOT NULL,
    source_client_id UUID NOT NULL,
    account_id UUID NOT NULL,
    instance_id TEXT NOT NULL,
    CONSTRAINT pk_risk_sources PRIMARY KEY (id),
    CONSTRAINT uq_risk_sources_risk_event_id UNIQUE (risk_event_id),
    CONSTRAINT ck_risk_sources_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_risk_sources_instance_id_length CHECK (length(instance_id) >= 1 AND length(instance_id) <= 50)
);

CREATE INDEX ix_risk_sources_source_client_id_instance_id ON risk_sources (source_client_id, instance_id);

COMMENT ON COLUMN risk_sources.id IS 'UUIDv7';

COMMENT ON COLUMN risk_sources.timestamp IS 'when spothive wrote it down, UTC';

COMMENT ON COLUMN risk_sources.risk_event_id IS 'row in global_risk_events; no key, both are kept';

COMMENT ON COLUMN risk_sources.source_client_id IS 'tenant that was hit; no key, the row outlives it';

COMMENT ON COLUMN risk_sources.account_id IS 'row in accounts; no key';

COMMENT ON COLUMN risk_sources.instance_id IS 'EC2''s id';

CREATE TABLE rollup_watermarks (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    position TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_rollup_watermarks PRIMARY KEY (id),
    CONSTRAINT uq_rollup_watermarks_name UNIQUE (name),
    CONSTRAINT ck_rollup_watermarks_name_length CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT ck_rollup_watermarks_position_length CHECK (length(position) <= 255),
    CONSTRAINT ck_rollup_watermarks_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_rollup_watermarks_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN rollup_watermarks.id IS 'UUIDv7';

COMMENT ON COLUMN rollup_watermarks.name IS 'which roll-up';

COMMENT ON COLUMN rollup_watermarks.position IS 'last row that is counted, in the words of the roll-up';

COMMENT ON COLUMN rollup_watermarks.created_at IS 'UTC';

COMMENT ON COLUMN rollup_watermarks.updated_at IS 'UTC';

CREATE TABLE spot_advisor_ratings (
    id UUID NOT NULL,
    region TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    os TEXT DEFAULT 'Linux' NOT NULL,
    interruption_band BIGINT NOT NULL,
    savings_percent BIGINT NOT NULL,
    source TEXT NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_spot_advisor_ratings PRIMARY KEY (id),
    CONSTRAINT uq_spot_advisor_ratings_region_instance_type_os UNIQUE (region, instance_type, os),
    CONSTRAINT ck_spot_advisor_ratings_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_spot_advisor_ratings_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32),
    CONSTRAINT ck_spot_advisor_ratings_os_length CHECK (length(os) >= 1 AND length(os) <= 32),
    CONSTRAINT ck_spot_advisor_ratings_interruption_band_range CHECK (interruption_band >= 0 AND interruption_band <= 4),
    CONSTRAINT ck_spot_advisor_ratings_savings_percent_range CHECK (savings_percent >= 0 AND savings_percent <= 100),
    CONSTRAINT ck_spot_advisor_ratings_source_length CHECK (length(source) >= 1 AND length(source) <= 255),
    CONSTRAINT ck_spot_advisor_ratings_observed_at_utc CHECK (observed_at >= '0001-01-01 00:00:00+00' AND observed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_spot_advisor_ratings_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_spot_advisor_ratings_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN spot_advisor_ratings.id IS 'UUIDv7';

COMMENT ON COLUMN spot_advisor_ratings.region IS 'AWS region';

COMMENT ON COLUMN spot_advisor_ratings.instance_type IS 'EC2 instance type';

COMMENT ON COLUMN spot_advisor_ratings.os IS 'operating system';

COMMENT ON COLUMN spot_advisor_ratings.interruption_band IS 'interrupted in a month: 0 under 5 %, 1 to 10 %, 2 to 15 %, 3 to 20 %, 4 more';

COMMENT ON COLUMN spot_advisor_ratings.savings_percent IS 'percent below the on-demand price';

COMMENT ON COLUMN spot_advisor_ratings.source IS 'where it was read; ''synthetic'' if it was made up';

COMMENT ON COLUMN spot_advisor_ratings.observed_at IS 'UTC';

COMMENT ON COLUMN spot_advisor_ratings.created_at IS 'UTC';

COMMENT ON COLUMN spot_advisor_ratings.updated_at IS 'UTC';

CREATE TABLE spot_pool_risks (
    id UUID NOT NULL,
    pool_id TEXT NOT NULL,
    region TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    is_poisoned BOOLEAN DEFAULT false NOT NULL,
    interruption_count BIGINT DEFAULT '0' NOT NULL,
    last_interruption TIMESTAMP WITH TIME ZONE,
    poisoned_at TIMESTAMP WITH TIME ZONE,
    poison_expires_at TIMESTAMP WITH TIME ZONE,
    pool_metadata JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_spot_pool_risks PRIMARY KEY (id),
    CONSTRAINT ck_spot_pool_risks_pool CHECK (pool_id = region || ':' || availability_zone || ':' || instance_type),
    CONSTRAINT ck_spot_pool_risks_poisoned CHECK (CASE WHEN is_poisoned THEN poisoned_at IS NOT NULL AND poison_expires_at IS NOT NULL ELSE poisoned_at IS NULL AND poison_expires_at IS NULL END),
    CONSTRAINT ck_spot_pool_risks_order CHECK (poison_expires_at > poisoned_at),
    CONSTRAINT uq_spot_pool_risks_pool_id UNIQUE (pool_id),
    CONSTRAINT ck_spot_pool_risks_pool_id_length CHECK (length(pool_id) >= 1 AND length(pool_id) <= 128),
    CONSTRAINT ck_spot_pool_risks_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_spot_pool_risks_availability_zone_length CHECK (length(availability_zone) >= 1 AND length(availability_zone) <= 32),
    CONSTRAINT ck_spot_pool_risks_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32),
    CONSTRAINT ck_spot_pool_risks_interruption_count_range CHECK (interruption_count >= 0 AND interruption_count <= 9007199254740992),
    CONSTRAINT ck_spot_pool_risks_last_interruption_utc CHECK (last_interruption >= '0001-01-01 00:00:00+00' AND last_interruption < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_spot_pool_risks_poisoned_at_utc CHECK (poisoned_at >= '0001-01-01 00:00:00+00' AND poisoned_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_spot_pool_risks_poison_expires_at_utc CHECK (poison_expires_at >= '0001-01-01 00:00:00+00' AND poison_expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_spot_pool_risks_pool_metadata_json CHECK (jsonb_typeof(pool_metadata) = 'object' AND octet_length(pool_metadata::text) <= 262144),
    CONSTRAINT ck_spot_pool_risks_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_spot_pool_risks_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_spot_pool_risks_poison_expires_at ON spot_pool_risks (poison_expires_at);

CREATE INDEX ix_spot_pool_risks_region_instance_type ON spot_pool_risks (region, instance_type);

COMMENT ON COLUMN spot_pool_risks.id IS 'UUIDv7';

COMMENT ON COLUMN spot_pool_risks.pool_id IS 'region:availability_zone:instance_type';

COMMENT ON COLUMN spot_pool_risks.region IS 'AWS region';

COMMENT ON COLUMN spot_pool_risks.availability_zone IS 'zone of that region';

COMMENT ON COLUMN spot_pool_risks.instance_type IS 'EC2 instance type';

COMMENT ON COLUMN spot_pool_risks.is_poisoned IS 'tidied late: blocked is poison_expires_at in the future';

COMMENT ON COLUMN spot_pool_risks.interruption_count IS 'terminations of PROD instances ever seen';

COMMENT ON COLUMN spot_pool_risks.last_interruption IS 'the latest of them, UTC';

COMMENT ON COLUMN spot_pool_risks.poisoned_at IS 'since when the pool is blocked, UTC';

COMMENT ON COLUMN spot_pool_risks.poison_expires_at IS 'until when, UTC';

COMMENT ON COLUMN spot_pool_risks.pool_metadata IS 'nothing that names anyone';

COMMENT ON COLUMN spot_pool_risks.created_at IS 'UTC';

COMMENT ON COLUMN spot_pool_risks.updated_at IS 'UTC';

CREATE TABLE spot_prices (
    id UUID NOT NULL,
    region TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    product TEXT DEFAULT 'Linux/UNIX' NOT NULL,
    price NUMERIC(14, 6) NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    source TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_spot_prices PRIMARY KEY (id),
    CONSTRAINT uq_spot_prices_pool_observed_at UNIQUE (availability_zone, instance_type, product, observed_at),
    CONSTRAINT ck_spot_prices_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_spot_prices_availability_zone_length CHECK (length(availability_zone) >= 1 AND length(availability_zone) <= 32),
    CONSTRAINT ck_spot_prices_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32),
    CONSTRAINT ck_spot_prices_product_length CHECK (length(product) >= 1 AND length(product) <= 64),
    CONSTRAINT ck_spot_prices_price_money CHECK (price >= 0 AND price <= 99999999.999999),
    CONSTRAINT ck_spot_prices_observed_at_utc CHECK (observed_at >= '0001-01-01 00:00:00+00' AND observed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_spot_prices_source_length CHECK (length(source) >= 1 AND length(source) <= 255),
    CONSTRAINT ck_spot_prices_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_spot_prices_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_spot_prices_observed_at ON spot_prices (observed_at);

COMMENT ON COLUMN spot_prices.id IS 'UUIDv7';

COMMENT ON COLUMN spot_prices.region IS 'AWS region';

COMMENT ON COLUMN spot_prices.availability_zone IS 'zone of that region';

COMMENT ON COLUMN spot_prices.instance_type IS 'EC2 instance type';

COMMENT ON COLUMN spot_prices.product IS 'product description, as AWS says it';

COMMENT ON COLUMN spot_prices.price IS 'USD per hour';

COMMENT ON COLUMN spot_prices.observed_at IS 'since when it was the price, UTC';

COMMENT ON COLUMN spot_prices.source IS 'where the price was read; ''synthetic'' if it was made up';

COMMENT ON COLUMN spot_prices.created_at IS 'UTC';

COMMENT ON COLUMN spot_prices.updated_at IS 'UTC';

CREATE TABLE sweep_leases (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    leased_until TIMESTAMP WITH TIME ZONE NOT NULL,
    last_run_at TIMESTAMP WITH TIME ZONE,
    last_result TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_sweep_leases PRIMARY KEY (id),
    CONSTRAINT uq_sweep_leases_name UNIQUE (name),
    CONSTRAINT ck_sweep_leases_name_length CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT ck_sweep_leases_holder_length CHECK (length(holder) >= 1 AND length(holder) <= 255),
    CONSTRAINT ck_sweep_leases_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_sweep_leases_last_run_at_utc CHECK (last_run_at >= '0001-01-01 00:00:00+00' AND last_run_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_sweep_leases_last_result_length CHECK (length(last_result) <= 4000),
    CONSTRAINT ck_sweep_leases_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_sweep_leases_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN sweep_leases.id IS 'UUIDv7';

COMMENT ON COLUMN sweep_leases.name IS 'which duty';

COMMENT ON COLUMN sweep_leases.holder IS 'process that has it';

COMMENT ON COLUMN sweep_leases.leased_until IS 'after this another may take it, UTC';

COMMENT ON COLUMN sweep_leases.last_run_at IS 'UTC';

COMMENT ON COLUMN sweep_leases.last_result IS 'what came of it';

COMMENT ON COLUMN sweep_leases.created_at IS 'UTC';

COMMENT ON COLUMN sweep_leases.updated_at IS 'UTC';

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
    CONSTRAINT uq_system_logs_id UNIQUE (id),
    CONSTRAINT ck_system_logs_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_system_logs_person_name_length CHECK (length(person_name) <= 255),
    CONSTRAINT ck_system_logs_component_length CHECK (length(component) >= 1 AND length(component) <= 50),
    CONSTRAINT ck_system_logs_level_values CHECK (level IN ('debug', 'info', 'warning', 'error', 'critical')),
    CONSTRAINT ck_system_logs_action_length CHECK (length(action) >= 1 AND length(action) <= 100),
    CONSTRAINT ck_system_logs_message_length CHECK (length(message) <= 4000),
    CONSTRAINT ck_system_logs_details_json CHECK (jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 262144),
    CONSTRAINT ck_system_logs_execution_time_ms_range CHECK (execution_time_ms >= 0 AND execution_time_ms <= 2147483647)
);

CREATE INDEX ix_system_logs_tenant_id_component_level ON system_logs (tenant_id, component, level);

CREATE INDEX ix_system_logs_tenant_id_timestamp ON system_logs (tenant_id, timestamp);

COMMENT ON COLUMN system_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN system_logs.id IS 'UUIDv7';

COMMENT ON COLUMN system_logs.timestamp IS 'when it happened (UTC)';

COMMENT ON COLUMN system_logs.user_id IS 'no key: the row outlives the user';

COMMENT ON COLUMN system_logs.person_name IS 'who it was about, by the name of that time';

COMMENT ON COLUMN system_logs.component IS 'part of spothive that speaks';

COMMENT ON COLUMN system_logs.level IS 'how serious it is';

COMMENT ON COLUMN system_logs.action IS 'what it did';

COMMENT ON COLUMN system_logs.message IS 'for people; never a secret';

COMMENT ON COLUMN system_logs.details IS 'for machines; never a secret';

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

COMMENT ON COLUMN tenants.name IS 'name of the customer';

COMMENT ON COLUMN tenants.slug IS 'short name for people';

COMMENT ON COLUMN tenants.is_active IS 'whether its people may sign in';

COMMENT ON COLUMN tenants.settings IS 'auto_approve_low, ...';

COMMENT ON COLUMN tenants.created_at IS 'UTC';

COMMENT ON COLUMN tenants.updated_at IS 'UTC';

CREATE TABLE withdrawn_keys (
    id UUID NOT NULL,
    key_id TEXT NOT NULL,
    withdrawn_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    person_name TEXT NOT NULL,
    CONSTRAINT pk_withdrawn_keys PRIMARY KEY (id),
    CONSTRAINT uq_withdrawn_keys_key_id UNIQUE (key_id),
    CONSTRAINT ck_withdrawn_keys_key_id_length CHECK (length(key_id) >= 8 AND length(key_id) <= 8),
    CONSTRAINT ck_withdrawn_keys_key_id_ascii CHECK (key_id COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_withdrawn_keys_withdrawn_at_utc CHECK (withdrawn_at >= '0001-01-01 00:00:00+00' AND withdrawn_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_withdrawn_keys_person_name_length CHECK (length(person_name) >= 1 AND length(person_name) <= 255)
);

COMMENT ON COLUMN withdrawn_keys.id IS 'UUIDv7';

COMMENT ON COLUMN withdrawn_keys.key_id IS 'id of the key, which is no secret';

COMMENT ON COLUMN withdrawn_keys.withdrawn_at IS 'UTC';

COMMENT ON COLUMN withdrawn_keys.person_name IS 'who withdrew it, by the name of that time';

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
    CONSTRAINT uq_datasets_id UNIQUE (id),
    CONSTRAINT fk_datasets_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_datasets_name_length CHECK (length(name) >= 1 AND length(name) <= 255),
    CONSTRAINT ck_datasets_description_length CHECK (length(description) <= 4000),
    CONSTRAINT ck_datasets_kind_values CHECK (kind IN ('market', 'interruptions', 'decisions')),
    CONSTRAINT ck_datasets_row_count_range CHECK (row_count >= 0 AND row_count <= 9007199254740992),
    CONSTRAINT ck_datasets_file_path_length CHECK (length(file_path) >= 1 AND length(file_path) <= 512),
    CONSTRAINT ck_datasets_file_hash_length CHECK (length(file_hash) >= 64 AND length(file_hash) <= 64),
    CONSTRAINT ck_datasets_file_hash_ascii CHECK (file_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_datasets_columns_json CHECK (jsonb_typeof(columns) = 'array' AND octet_length(columns::text) <= 262144),
    CONSTRAINT ck_datasets_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_datasets_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN datasets.tenant_id IS 'owner of the row';

COMMENT ON COLUMN datasets.id IS 'UUIDv7';

COMMENT ON COLUMN datasets.name IS 'name for people';

COMMENT ON COLUMN datasets.description IS 'for people';

COMMENT ON COLUMN datasets.kind IS 'what a row of the file describes';

COMMENT ON COLUMN datasets.row_count IS 'rows in the file';

COMMENT ON COLUMN datasets.file_path IS 'where the store keeps the file';

COMMENT ON COLUMN datasets.file_hash IS 'SHA-256 of the file, hexadecimal';

COMMENT ON COLUMN datasets.columns IS 'column names in file order';

COMMENT ON COLUMN datasets.created_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN datasets.created_at IS 'UTC';

COMMENT ON COLUMN datasets.updated_at IS 'UTC';

CREATE TABLE downtime_logs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    instance_id TEXT NOT NULL,
    cluster_id UUID,
    start_time TIMESTAMP WITH TIME ZONE NOT NULL,
    end_time TIMESTAMP WITH TIME ZONE,
    duration_seconds BIGINT,
    cause TEXT NOT NULL,
    cause_details TEXT,
    decision_id UUID,
    downtime_metadata JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_downtime_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_downtime_logs_whole_seconds CHECK (date_trunc('second', start_time) = start_time AND (end_time IS NULL OR date_trunc('second', end_time) = end_time)),
    CONSTRAINT ck_downtime_logs_duration CHECK ((end_time IS NULL) = (duration_seconds IS NULL) AND (end_time IS NULL OR duration_seconds = extract(epoch FROM end_time - start_time))),
    CONSTRAINT uq_downtime_logs_id UNIQUE (id),
    CONSTRAINT fk_downtime_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_downtime_logs_instance_id_length CHECK (length(instance_id) >= 1 AND length(instance_id) <= 50),
    CONSTRAINT ck_downtime_logs_start_time_utc CHECK (start_time >= '0001-01-01 00:00:00+00' AND start_time < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_downtime_logs_end_time_utc CHECK (end_time >= '0001-01-01 00:00:00+00' AND end_time < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_downtime_logs_duration_seconds_range CHECK (duration_seconds >= 0 AND duration_seconds <= 1099511627776),
    CONSTRAINT ck_downtime_logs_cause_values CHECK (cause IN ('emergency_switch', 'no_replica', 'optimizer_failure', 'worker_crash')),
    CONSTRAINT ck_downtime_logs_cause_details_length CHECK (length(cause_details) <= 4000),
    CONSTRAINT ck_downtime_logs_downtime_metadata_json CHECK (jsonb_typeof(downtime_metadata) = 'object' AND octet_length(downtime_metadata::text) <= 262144),
    CONSTRAINT ck_downtime_logs_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_downtime_logs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_downtime_logs_lasting ON downtime_logs (tenant_id) WHERE end_time IS NULL;

CREATE INDEX ix_downtime_logs_tenant_id_cluster_id_start_time ON downtime_logs (tenant_id, cluster_id, start_time);

CREATE INDEX ix_downtime_logs_tenant_id_instance_id ON downtime_logs (tenant_id, instance_id);

CREATE INDEX ix_downtime_logs_tenant_id_start_time ON downtime_logs (tenant_id, start_time);

COMMENT ON COLUMN downtime_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN downtime_logs.id IS 'UUIDv7';

COMMENT ON COLUMN downtime_logs.instance_id IS 'EC2''s id; no key, the log outlives the instance';

COMMENT ON COLUMN downtime_logs.cluster_id IS 'cluster it worked for; no key';

COMMENT ON COLUMN downtime_logs.start_time IS 'first second of the outage, UTC';

COMMENT ON COLUMN downtime_logs.end_time IS 'second in which it was over, UTC; none while it lasts';

COMMENT ON COLUMN downtime_logs.duration_seconds IS 'end_time - start_time, in seconds; none while it lasts';

COMMENT ON COLUMN downtime_logs.cause IS 'what spothive did';

COMMENT ON COLUMN downtime_logs.cause_details IS 'the same for people';

COMMENT ON COLUMN downtime_logs.decision_id IS 'row in experiment_logs that led to it; no key';

COMMENT ON COLUMN downtime_logs.downtime_metadata IS 'what else is known';

COMMENT ON COLUMN downtime_logs.created_at IS 'UTC';

COMMENT ON COLUMN downtime_logs.updated_at IS 'UTC';

CREATE TABLE email_logs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID,
    recipient_email TEXT NOT NULL,
    event_type TEXT NOT NULL,
    subject TEXT NOT NULL,
    template_name TEXT NOT NULL,
    event_data JSONB DEFAULT '{}' NOT NULL,
    provider TEXT DEFAULT 'smtp' NOT NULL,
    message_id TEXT,
    status TEXT DEFAULT 'pending' NOT NULL,
    last_error TEXT,
    attempts BIGINT DEFAULT '0' NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    sent_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_email_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_email_logs_sent CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT ck_email_logs_waiting CHECK (status = 'pending' OR next_attempt_at IS NULL),
    CONSTRAINT uq_email_logs_id UNIQUE (id),
    CONSTRAINT fk_email_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_email_logs_recipient_email_length CHECK (length(recipient_email) >= 3 AND length(recipient_email) <= 255),
    CONSTRAINT ck_email_logs_recipient_email_ascii CHECK (recipient_email COLLATE "C" ~ '^[!-@[-~]*$'),
    CONSTRAINT ck_email_logs_recipient_email_email CHECK (length(recipient_email) - length(replace(recipient_email, '@', '')) = 1 AND substr(recipient_email, 1, 1) <> '@' AND substr(recipient_email, length(recipient_email), 1) <> '@'),
    CONSTRAINT ck_email_logs_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_email_logs_subject_length CHECK (length(subject) >= 1 AND length(subject) <= 255),
    CONSTRAINT ck_email_logs_template_name_length CHECK (length(template_name) >= 1 AND length(template_name) <= 100),
    CONSTRAINT ck_email_logs_event_data_json CHECK (jsonb_typeof(event_data) = 'object' AND octet_length(event_data::text) <= 262144),
    CONSTRAINT ck_email_logs_provider_values CHECK (provider IN ('smtp', 'console')),
    CONSTRAINT ck_email_logs_message_id_length CHECK (length(message_id) <= 255),
    CONSTRAINT ck_email_logs_status_values CHECK (status IN ('pending', 'sent', 'failed')),
    CONSTRAINT ck_email_logs_last_error_length CHECK (length(last_error) <= 4000),
    CONSTRAINT ck_email_logs_attempts_range CHECK (attempts >= 0 AND attempts <= 100),
    CONSTRAINT ck_email_logs_next_attempt_at_utc CHECK (next_attempt_at >= '0001-01-01 00:00:00+00' AND next_attempt_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_email_logs_sent_at_utc CHECK (sent_at >= '0001-01-01 00:00:00+00' AND sent_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_email_logs_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_email_logs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_email_logs_tenant_id_created_at ON email_logs (tenant_id, created_at);

CREATE INDEX ix_email_logs_tenant_id_user_id_created_at ON email_logs (tenant_id, user_id, created_at);

CREATE INDEX ix_email_logs_waiting ON email_logs (tenant_id, next_attempt_at) WHERE status = 'pending';

CREATE UNIQUE INDEX uq_email_logs_message_id ON email_logs (tenant_id, message_id) WHERE message_id IS NOT NULL;

COMMENT ON COLUMN email_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN email_logs.id IS 'UUIDv7';

COMMENT ON COLUMN email_logs.user_id IS 'whom it is for; no key, the log outlives the user';

COMMENT ON COLUMN email_logs.recipient_email IS 'where it goes';

COMMENT ON COLUMN email_logs.event_type IS 'of what it tells';

COMMENT ON COLUMN email_logs.subject IS 'subject line';

COMMENT ON COLUMN email_logs.template_name IS 'text it is made from';

COMMENT ON COLUMN email_logs.event_data IS 'what fills the text; never a secret';

COMMENT ON COLUMN email_logs.provider IS 'who carries it';

COMMENT ON COLUMN email_logs.message_id IS 'Message-ID: equal over attempts';

COMMENT ON COLUMN email_logs.status IS 'how far it is';

COMMENT ON COLUMN email_logs.last_error IS 'why the last attempt failed';

COMMENT ON COLUMN email_logs.attempts IS 'attempts so far';

COMMENT ON COLUMN email_logs.next_attempt_at IS 'not tried before, UTC';

COMMENT ON COLUMN email_logs.sent_at IS 'UTC';

COMMENT ON COLUMN email_logs.created_at IS 'UTC';

COMMENT ON COLUMN email_logs.updated_at IS 'UTC';

CREATE TABLE invitations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    invited_by_name TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    accepted_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_invitations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_invitations_in_time CHECK (accepted_at <= expires_at),
    CONSTRAINT uq_invitations_token_hash UNIQUE (token_hash),
    CONSTRAINT uq_invitations_id UNIQUE (id),
    CONSTRAINT fk_invitations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_invitations_email_length CHECK (length(email) >= 3 AND length(email) <= 255),
    CONSTRAINT ck_invitations_email_ascii CHECK (email COLLATE "C" ~ '^[!-@[-~]*$'),
    CONSTRAINT ck_invitations_email_email CHECK (length(email) - length(replace(email, '@', '')) = 1 AND substr(email, 1, 1) <> '@' AND substr(email, length(email), 1) <> '@'),
    CONSTRAINT ck_invitations_role_values CHECK (role IN ('super_admin', 'admin', 'client', 'user', 'lab')),
    CONSTRAINT ck_invitations_token_hash_length CHECK (length(token_hash) >= 64 AND length(token_hash) <= 64),
    CONSTRAINT ck_invitations_token_hash_ascii CHECK (token_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_invitations_invited_by_name_length CHECK (length(invited_by_name) >= 1 AND length(invited_by_name) <= 255),
    CONSTRAINT ck_invitations_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_invitations_accepted_at_utc CHECK (accepted_at >= '0001-01-01 00:00:00+00' AND accepted_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_invitations_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_invitations_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_invitations_tenant_id_email ON invitations (tenant_id, email);

COMMENT ON COLUMN invitations.tenant_id IS 'owner of the row';

COMMENT ON COLUMN invitations.id IS 'UUIDv7';

COMMENT ON COLUMN invitations.email IS 'who is invited';

COMMENT ON COLUMN invitations.role IS 'what they will be';

COMMENT ON COLUMN invitations.token_hash IS 'SHA-256 of the token; the token is never stored';

COMMENT ON COLUMN invitations.invited_by_name IS 'who invites, as of then';

COMMENT ON COLUMN invitations.expires_at IS 'UTC';

COMMENT ON COLUMN invitations.accepted_at IS 'UTC';

COMMENT ON COLUMN invitations.created_at IS 'UTC';

COMMENT ON COLUMN invitations.updated_at IS 'UTC';

CREATE TABLE lab_experiments (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    model_id UUID NOT NULL,
    cluster_id UUID,
    instance_id TEXT NOT NULL,
    name TEXT NOT NULL,
    notes TEXT,
    test_type TEXT NOT NULL,
    status TEXT DEFAULT 'DRAFT' NOT NULL,
    telemetry JSONB DEFAULT '{}' NOT NULL,
    lease_token UUID,
    leased_until TIMESTAMP WITH TIME ZONE,
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_lab_experiments PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_lab_experiments_started CHECK ((status = 'DRAFT') = (started_at IS NULL)),
    CONSTRAINT ck_lab_experiments_completed CHECK ((status IN ('COMPLETED', 'FAILED')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_lab_experiments_lease CHECK ((lease_token IS NULL) = (leased_until IS NULL) AND (lease_token IS NULL OR status = 'RUNNING')),
    CONSTRAINT fk_lab_experiments_model_id FOREIGN KEY(model_id) REFERENCES ml_models (id),
    CONSTRAINT uq_lab_experiments_id UNIQUE (id),
    CONSTRAINT fk_lab_experiments_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_lab_experiments_instance_id_length CHECK (length(instance_id) >= 1 AND length(instance_id) <= 50),
    CONSTRAINT ck_lab_experiments_name_length CHECK (length(name) >= 1 AND length(name) <= 255),
    CONSTRAINT ck_lab_experiments_notes_length CHECK (length(notes) <= 4000),
    CONSTRAINT ck_lab_experiments_test_type_values CHECK (test_type IN ('interruption_prediction', 'bin_packing', 'live_switch', 'parallel', 'ab')),
    CONSTRAINT ck_lab_experiments_status_values CHECK (status IN ('DRAFT', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_lab_experiments_telemetry_json CHECK (jsonb_typeof(telemetry) = 'object' AND octet_length(telemetry::text) <= 262144),
    CONSTRAINT ck_lab_experiments_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_lab_experiments_started_at_utc CHECK (started_at >= '0001-01-01 00:00:00+00' AND started_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_lab_experiments_completed_at_utc CHECK (completed_at >= '0001-01-01 00:00:00+00' AND completed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_lab_experiments_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_lab_experiments_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_lab_experiments_model_id ON lab_experiments (model_id);

CREATE INDEX ix_lab_experiments_tenant_id_created_at ON lab_experiments (tenant_id, created_at);

CREATE INDEX ix_lab_experiments_tenant_id_status ON lab_experiments (tenant_id, status);

COMMENT ON COLUMN lab_experiments.tenant_id IS 'owner of the row';

COMMENT ON COLUMN lab_experiments.id IS 'UUIDv7';

COMMENT ON COLUMN lab_experiments.model_id IS 'model on trial';

COMMENT ON COLUMN lab_experiments.cluster_id IS 'cluster it ran in; no key';

COMMENT ON COLUMN lab_experiments.instance_id IS 'EC2''s id of the instance it ran on; no key';

COMMENT ON COLUMN lab_experiments.name IS 'for people';

COMMENT ON COLUMN lab_experiments.notes IS 'for people';

COMMENT ON COLUMN lab_experiments.test_type IS 'what is tried out';

COMMENT ON COLUMN lab_experiments.status IS 'how far it is';

COMMENT ON COLUMN lab_experiments.telemetry IS 'what was measured';

COMMENT ON COLUMN lab_experiments.lease_token IS 'worker that runs it';

COMMENT ON COLUMN lab_experiments.leased_until IS 'after this it counts as stuck, UTC';

COMMENT ON COLUMN lab_experiments.started_at IS 'UTC';

COMMENT ON COLUMN lab_experiments.completed_at IS 'when it ended, well or badly, UTC';

COMMENT ON COLUMN lab_experiments.created_at IS 'UTC';

COMMENT ON COLUMN lab_experiments.updated_at IS 'UTC';

CREATE TABLE tags (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    color TEXT,
    created_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_tags PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_tags_tenant_id_slug UNIQUE (tenant_id, slug),
    CONSTRAINT uq_tags_id UNIQUE (id),
    CONSTRAINT fk_tags_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_tags_name_length CHECK (length(name) >= 1 AND length(name) <= 50),
    CONSTRAINT ck_tags_slug_length CHECK (length(slug) >= 1 AND length(slug) <= 50),
    CONSTRAINT ck_tags_slug_ascii CHECK (slug COLLATE "C" ~ '^[a-z0-9-]*$'),
    CONSTRAINT ck_tags_color_length CHECK (length(color) >= 4 AND length(color) <= 7),
    CONSTRAINT ck_tags_color_ascii CHECK (color COLLATE "C" ~ '^[#0-9a-f]*$'),
    CONSTRAINT ck_tags_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_tags_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN tags.tenant_id IS 'owner of the row';

COMMENT ON COLUMN tags.id IS 'UUIDv7';

COMMENT ON COLUMN tags.name IS 'for people';

COMMENT ON COLUMN tags.slug IS 'how a search spells it';

COMMENT ON COLUMN tags.color IS 'for example #ff8800';

COMMENT ON COLUMN tags.created_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN tags.created_at IS 'UTC';

COMMENT ON COLUMN tags.updated_at IS 'UTC';

CREATE TABLE tellings (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    event_type TEXT NOT NULL,
    subject TEXT NOT NULL,
    told_until TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_tellings PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_tellings_tenant_id_event_type_subject UNIQUE (tenant_id, event_type, subject),
    CONSTRAINT uq_tellings_id UNIQUE (id),
    CONSTRAINT fk_tellings_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_tellings_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_tellings_subject_length CHECK (length(subject) >= 1 AND length(subject) <= 255),
    CONSTRAINT ck_tellings_told_until_utc CHECK (told_until >= '0001-01-01 00:00:00+00' AND told_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_tellings_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_tellings_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN tellings.tenant_id IS 'owner of the row';

COMMENT ON COLUMN tellings.id IS 'UUIDv7';

COMMENT ON COLUMN tellings.event_type IS 'of what it was told';

COMMENT ON COLUMN tellings.subject IS 'what of: a pool, a cluster and month, an account';

COMMENT ON COLUMN tellings.told_until IS 'it was told of all of it up to this moment, UTC';

COMMENT ON COLUMN tellings.created_at IS 'UTC';

COMMENT ON COLUMN tellings.updated_at IS 'UTC';

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
    totp_secret TEXT,
    totp_enabled BOOLEAN DEFAULT false NOT NULL,
    totp_last_step BIGINT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_users_totp CHECK (NOT totp_enabled OR totp_secret IS NOT NULL),
    CONSTRAINT uq_users_email UNIQUE (email),
    CONSTRAINT uq_users_username UNIQUE (username),
    CONSTRAINT uq_users_id UNIQUE (id),
    CONSTRAINT fk_users_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_users_email_length CHECK (length(email) >= 3 AND length(email) <= 255),
    CONSTRAINT ck_users_email_ascii CHECK (email COLLATE "C" ~ '^[!-@[-~]*$'),
    CONSTRAINT ck_users_email_email CHECK (length(email) - length(replace(email, '@', '')) = 1 AND substr(email, 1, 1) <> '@' AND substr(email, length(email), 1) <> '@'),
    CONSTRAINT ck_users_username_length CHECK (length(username) >= 3 AND length(username) <= 50),
    CONSTRAINT ck_users_username_ascii CHECK (username COLLATE "C" ~ '^[!-@[-~]*$'),
    CONSTRAINT ck_users_password_hash_length CHECK (length(password_hash) >= 1 AND length(password_hash) <= 255),
    CONSTRAINT ck_users_full_name_length CHECK (length(full_name) <= 100),
    CONSTRAINT ck_users_role_values CHECK (role IN ('super_admin', 'admin', 'client', 'user', 'lab')),
    CONSTRAINT ck_users_timezone_length CHECK (length(timezone) >= 1 AND length(timezone) <= 64),
    CONSTRAINT ck_users_last_login_utc CHECK (last_login >= '0001-01-01 00:00:00+00' AND last_login < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_users_failed_logins_range CHECK (failed_logins >= 0 AND failed_logins <= 2147483647),
    CONSTRAINT ck_users_locked_until_utc CHECK (locked_until >= '0001-01-01 00:00:00+00' AND locked_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_users_totp_secret_sealed CHECK (substr(totp_secret, 1, 9) = 'sealed:1:' AND trim(substr(totp_secret, 10, 8), '0123456789abcdef') = '' AND substr(totp_secret, 18, 1) = ':' AND trim(totp_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(totp_secret) >= 57 AND length(totp_secret) <= 21901),
    CONSTRAINT ck_users_totp_last_step_range CHECK (totp_last_step >= 0 AND totp_last_step <= 9007199254740992),
    CONSTRAINT ck_users_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_users_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN users.tenant_id IS 'owner of the row';

COMMENT ON COLUMN users.id IS 'UUIDv7';

COMMENT ON COLUMN users.email IS 'address, for signing in and for mail';

COMMENT ON COLUMN users.username IS 'name for signing in';

COMMENT ON COLUMN users.password_hash IS 'bcrypt over base64(SHA-256); a secret';

COMMENT ON COLUMN users.full_name IS 'name for people';

COMMENT ON COLUMN users.role IS 'what the user may do';

COMMENT ON COLUMN users.is_active IS 'whether the user may sign in';

COMMENT ON COLUMN users.must_change_password IS 'whether the next sign-in asks for a new password';

COMMENT ON COLUMN users.timezone IS 'IANA name';

COMMENT ON COLUMN users.last_login IS 'last successful sign-in (UTC)';

COMMENT ON COLUMN users.failed_logins IS 'since the last success';

COMMENT ON COLUMN users.locked_until IS 'no sign-in before this (UTC)';

COMMENT ON COLUMN users.totp_secret IS 'of the second factor; sealed';

COMMENT ON COLUMN users.totp_enabled IS 'signing in asks for the second factor';

COMMENT ON COLUMN users.totp_last_step IS '30-second step of the last code that was accepted: none is taken twice';

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
    CONSTRAINT uq_accounts_id UNIQUE (id),
    CONSTRAINT fk_accounts_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_accounts_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
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
    CONSTRAINT ck_accounts_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_accounts_tenant_id_status ON accounts (tenant_id, status);

CREATE INDEX ix_accounts_tenant_id_user_id ON accounts (tenant_id, user_id);

COMMENT ON COLUMN accounts.tenant_id IS 'owner of the row';

COMMENT ON COLUMN accounts.id IS 'UUIDv7';

COMMENT ON COLUMN accounts.user_id IS 'who answers for it';

COMMENT ON COLUMN accounts.account_id IS '12 digits once AWS has proved it, until then pending-<hex>';

COMMENT ON COLUMN accounts.account_name IS 'name for people';

COMMENT ON COLUMN accounts.environment_type IS 'whether its interruptions count for all (PROD)';

COMMENT ON COLUMN accounts.connection_method IS 'how spothive knows of it';

COMMENT ON COLUMN accounts.role_arn IS 'role that spothive assumes';

COMMENT ON COLUMN accounts.external_id IS 'ours, random';

COMMENT ON COLUMN accounts.aws_access_key_id IS 'sealed';

COMMENT ON COLUMN accounts.aws_secret_access_key IS 'sealed';

COMMENT ON COLUMN accounts.region IS 'region that is asked first';

COMMENT ON COLUMN accounts.status IS 'how far it is connected';

COMMENT ON COLUMN accounts.status_reason IS 'why it is failed, for people';

COMMENT ON COLUMN accounts.account_metadata IS 'what else is known, such as a claimed id';

COMMENT ON COLUMN accounts.last_discovered_at IS 'end of the last discovery that saw a region (UTC)';

COMMENT ON COLUMN accounts.disconnecting_at IS 'tombstone: invisible, being deleted in batches';

COMMENT ON COLUMN accounts.created_at IS 'UTC';

COMMENT ON COLUMN accounts.updated_at IS 'UTC';

CREATE TABLE backup_codes (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    code_hash TEXT NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    ip_address TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_backup_codes PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_backup_codes_used CHECK (ip_address IS NULL OR used_at IS NOT NULL),
    CONSTRAINT uq_backup_codes_code_hash UNIQUE (code_hash),
    CONSTRAINT uq_backup_codes_id UNIQUE (id),
    CONSTRAINT fk_backup_codes_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_backup_codes_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_backup_codes_code_hash_length CHECK (length(code_hash) >= 1 AND length(code_hash) <= 255),
    CONSTRAINT ck_backup_codes_used_at_utc CHECK (used_at >= '0001-01-01 00:00:00+00' AND used_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_backup_codes_ip_address_length CHECK (length(ip_address) <= 45),
    CONSTRAINT ck_backup_codes_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_backup_codes_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_backup_codes_tenant_id_user_id ON backup_codes (tenant_id, user_id);

COMMENT ON COLUMN backup_codes.tenant_id IS 'owner of the row';

COMMENT ON COLUMN backup_codes.id IS 'UUIDv7';

COMMENT ON COLUMN backup_codes.user_id IS 'whose code it is';

COMMENT ON COLUMN backup_codes.code_hash IS 'hash of the code; a secret';

COMMENT ON COLUMN backup_codes.used_at IS 'UTC';

COMMENT ON COLUMN backup_codes.ip_address IS 'from where it was used';

COMMENT ON COLUMN backup_codes.created_at IS 'UTC';

COMMENT ON COLUMN backup_codes.updated_at IS 'UTC';

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
    CONSTRAINT uq_dataset_generations_id UNIQUE (id),
    CONSTRAINT fk_dataset_generations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_dataset_generations_tenant_id_dataset_id FOREIGN KEY(tenant_id, dataset_id) REFERENCES datasets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
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
    CONSTRAINT ck_dataset_generations_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
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
    CONSTRAINT uq_dataset_imports_id UNIQUE (id),
    CONSTRAINT fk_dataset_imports_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_dataset_imports_tenant_id_dataset_id FOREIGN KEY(tenant_id, dataset_id) REFERENCES datasets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
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
    CONSTRAINT ck_dataset_imports_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
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

CREATE TABLE email_digest_queue (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    event_type TEXT NOT NULL,
    event_data JSONB DEFAULT '{}' NOT NULL,
    scheduled_for TIMESTAMP WITH TIME ZONE NOT NULL,
    included_in_digest BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_email_digest_queue PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_email_digest_queue_id UNIQUE (id),
    CONSTRAINT fk_email_digest_queue_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_email_digest_queue_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_email_digest_queue_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_email_digest_queue_event_data_json CHECK (jsonb_typeof(event_data) = 'object' AND octet_length(event_data::text) <= 262144),
    CONSTRAINT ck_email_digest_queue_scheduled_for_utc CHECK (scheduled_for >= '0001-01-01 00:00:00+00' AND scheduled_for < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_email_digest_queue_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_email_digest_queue_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_email_digest_queue_due ON email_digest_queue (tenant_id, scheduled_for) WHERE NOT included_in_digest;

CREATE INDEX ix_email_digest_queue_tenant_id_created_at ON email_digest_queue (tenant_id, created_at);

CREATE INDEX ix_email_digest_queue_tenant_id_user_id ON email_digest_queue (tenant_id, user_id);

COMMENT ON COLUMN email_digest_queue.tenant_id IS 'owner of the row';

COMMENT ON COLUMN email_digest_queue.id IS 'UUIDv7';

COMMENT ON COLUMN email_digest_queue.user_id IS 'whose digest it goes into';

COMMENT ON COLUMN email_digest_queue.event_type IS 'of what it tells';

COMMENT ON COLUMN email_digest_queue.event_data IS 'what the digest says of it; never a secret';

COMMENT ON COLUMN email_digest_queue.scheduled_for IS 'time of that digest, UTC';

COMMENT ON COLUMN email_digest_queue.included_in_digest IS 'it has been sent';

COMMENT ON COLUMN email_digest_queue.created_at IS 'UTC';

COMMENT ON COLUMN email_digest_queue.updated_at IS 'UTC';

CREATE TABLE experiment_tags (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    lab_experiment_id UUID NOT NULL,
    tag_id UUID NOT NULL,
    added_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_experiment_tags PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_experiment_tags_tenant_id_lab_experiment_id_tag_id UNIQUE (tenant_id, lab_experiment_id, tag_id),
    CONSTRAINT uq_experiment_tags_id UNIQUE (id),
    CONSTRAINT fk_experiment_tags_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_tags_tenant_id_lab_experiment_id FOREIGN KEY(tenant_id, lab_experiment_id) REFERENCES lab_experiments (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_tags_tenant_id_tag_id FOREIGN KEY(tenant_id, tag_id) REFERENCES tags (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_experiment_tags_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_experiment_tags_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_experiment_tags_tenant_id_tag_id ON experiment_tags (tenant_id, tag_id);

COMMENT ON COLUMN experiment_tags.tenant_id IS 'owner of the row';

COMMENT ON COLUMN experiment_tags.id IS 'UUIDv7';

COMMENT ON COLUMN experiment_tags.lab_experiment_id IS 'what is tagged';

COMMENT ON COLUMN experiment_tags.tag_id IS 'with what';

COMMENT ON COLUMN experiment_tags.added_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN experiment_tags.created_at IS 'UTC';

COMMENT ON COLUMN experiment_tags.updated_at IS 'UTC';

CREATE TABLE node_templates (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    families JSONB NOT NULL,
    architecture TEXT DEFAULT 'x86_64' NOT NULL,
    strategy TEXT DEFAULT 'BALANCED' NOT NULL,
    disk_type TEXT DEFAULT 'GP3' NOT NULL,
    disk_size BIGINT DEFAULT '100' NOT NULL,
    is_default BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_node_templates PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_node_templates_tenant_id_user_id_name UNIQUE (tenant_id, user_id, name),
    CONSTRAINT uq_node_templates_id UNIQUE (id),
    CONSTRAINT fk_node_templates_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_node_templates_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_node_templates_name_length CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT ck_node_templates_families_json CHECK (jsonb_typeof(families) = 'array' AND octet_length(families::text) <= 262144),
    CONSTRAINT ck_node_templates_families_names CHECK (CASE WHEN jsonb_typeof(families) = 'array' THEN jsonb_array_length(families) >= 1 AND NOT jsonb_path_exists(families, 'strict $[*] ? (@.type() != "string" || !(@ like_regex "^[a-zA-Z0-9._-]+$"))') END),
    CONSTRAINT ck_node_templates_architecture_values CHECK (architecture IN ('x86_64', 'arm64')),
    CONSTRAINT ck_node_templates_strategy_values CHECK (strategy IN ('CHEAPEST', 'BALANCED', 'PERFORMANCE')),
    CONSTRAINT ck_node_templates_disk_type_values CHECK (disk_type IN ('GP3', 'GP2', 'IO1', 'IO2')),
    CONSTRAINT ck_node_templates_disk_size_range CHECK (disk_size >= 10 AND disk_size <= 16000),
    CONSTRAINT ck_node_templates_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_node_templates_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE UNIQUE INDEX uq_node_templates_default ON node_templates (tenant_id, user_id) WHERE is_default;

COMMENT ON COLUMN node_templates.tenant_id IS 'owner of the row';

COMMENT ON COLUMN node_templates.id IS 'UUIDv7';

COMMENT ON COLUMN node_templates.user_id IS 'whose template it is';

COMMENT ON COLUMN node_templates.name IS 'what the user calls it';

COMMENT ON COLUMN node_templates.families IS 'instance families that may be used, for example m6i';

COMMENT ON COLUMN node_templates.architecture IS 'processor';

COMMENT ON COLUMN node_templates.strategy IS 'what to prefer';

COMMENT ON COLUMN node_templates.disk_type IS 'EBS volume type';

COMMENT ON COLUMN node_templates.disk_size IS 'GB';

COMMENT ON COLUMN node_templates.is_default IS 'taken when nobody names one; one for each user';

COMMENT ON COLUMN node_templates.created_at IS 'UTC';

COMMENT ON COLUMN node_templates.updated_at IS 'UTC';

CREATE TABLE notices (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    event_type TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    link TEXT,
    read_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_notices PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_notices_id UNIQUE (id),
    CONSTRAINT fk_notices_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_notices_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_notices_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_notices_title_length CHECK (length(title) >= 1 AND length(title) <= 255),
    CONSTRAINT ck_notices_body_length CHECK (length(body) <= 4000),
    CONSTRAINT ck_notices_link_length CHECK (length(link) <= 2048),
    CONSTRAINT ck_notices_read_at_utc CHECK (read_at >= '0001-01-01 00:00:00+00' AND read_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_notices_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_notices_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_notices_tenant_id_created_at ON notices (tenant_id, created_at);

CREATE INDEX ix_notices_tenant_id_user_id_created_at ON notices (tenant_id, user_id, created_at);

CREATE INDEX ix_notices_unread ON notices (tenant_id, user_id, created_at) WHERE read_at IS NULL;

COMMENT ON COLUMN notices.tenant_id IS 'owner of the row';

COMMENT ON COLUMN notices.id IS 'UUIDv7';

COMMENT ON COLUMN notices.user_id IS 'who is told';

COMMENT ON COLUMN notices.event_type IS 'of what';

COMMENT ON COLUMN notices.title IS 'in one line';

COMMENT ON COLUMN notices.body IS 'in full';

COMMENT ON COLUMN notices.link IS 'where to read on';

COMMENT ON COLUMN notices.read_at IS 'UTC';

COMMENT ON COLUMN notices.created_at IS 'UTC';

COMMENT ON COLUMN notices.updated_at IS 'UTC';

CREATE TABLE notification_preferences (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    event_type TEXT NOT NULL,
    email_enabled BOOLEAN DEFAULT true NOT NULL,
    in_app_enabled BOOLEAN DEFAULT true NOT NULL,
    slack_enabled BOOLEAN DEFAULT false NOT NULL,
    webhook_enabled BOOLEAN DEFAULT false NOT NULL,
    email_frequency TEXT DEFAULT 'immediate' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_notification_preferences PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_notification_preferences_tenant_id_user_id_event_type UNIQUE (tenant_id, user_id, event_type),
    CONSTRAINT uq_notification_preferences_id UNIQUE (id),
    CONSTRAINT fk_notification_preferences_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_notification_preferences_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_notification_preferences_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_notification_preferences_email_frequency_values CHECK (email_frequency IN ('immediate', 'digest_daily', 'digest_weekly')),
    CONSTRAINT ck_notification_preferences_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_notification_preferences_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN notification_preferences.tenant_id IS 'owner of the row';

COMMENT ON COLUMN notification_preferences.id IS 'UUIDv7';

COMMENT ON COLUMN notification_preferences.user_id IS 'who is told';

COMMENT ON COLUMN notification_preferences.event_type IS 'of what';

COMMENT ON COLUMN notification_preferences.email_enabled IS 'by e-mail';

COMMENT ON COLUMN notification_preferences.in_app_enabled IS 'by a notice';

COMMENT ON COLUMN notification_preferences.slack_enabled IS 'in Slack';

COMMENT ON COLUMN notification_preferences.webhook_enabled IS 'by webhook';

COMMENT ON COLUMN notification_preferences.email_frequency IS 'when a mail is sent';

COMMENT ON COLUMN notification_preferences.created_at IS 'UTC';

COMMENT ON COLUMN notification_preferences.updated_at IS 'UTC';

CREATE TABLE saved_searches (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    is_pinned BOOLEAN DEFAULT false NOT NULL,
    usage_count BIGINT DEFAULT '0' NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_saved_searches PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_saved_searches_tenant_id_user_id_name UNIQUE (tenant_id, user_id, name),
    CONSTRAINT uq_saved_searches_id UNIQUE (id),
    CONSTRAINT fk_saved_searches_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_saved_searches_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_saved_searches_name_length CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT ck_saved_searches_query_length CHECK (length(query) >= 1 AND length(query) <= 1000),
    CONSTRAINT ck_saved_searches_usage_count_range CHECK (usage_count >= 0 AND usage_count <= 2147483647),
    CONSTRAINT ck_saved_searches_last_used_at_utc CHECK (last_used_at >= '0001-01-01 00:00:00+00' AND last_used_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_saved_searches_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_saved_searches_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN saved_searches.tenant_id IS 'owner of the row';

COMMENT ON COLUMN saved_searches.id IS 'UUIDv7';

COMMENT ON COLUMN saved_searches.user_id IS 'whose search it is';

COMMENT ON COLUMN saved_searches.name IS 'what the user calls it';

COMMENT ON COLUMN saved_searches.query IS 'as it was typed';

COMMENT ON COLUMN saved_searches.is_pinned IS 'shown first';

COMMENT ON COLUMN saved_searches.usage_count IS 'times it was made';

COMMENT ON COLUMN saved_searches.last_used_at IS 'UTC';

COMMENT ON COLUMN saved_searches.created_at IS 'UTC';

COMMENT ON COLUMN saved_searches.updated_at IS 'UTC';

CREATE TABLE session_logs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    token_hash TEXT NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    device_type TEXT,
    browser TEXT,
    location TEXT,
    last_active_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    logged_out_at TIMESTAMP WITH TIME ZONE,
    revoked_reason TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_session_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_session_logs_revoked CHECK (revoked_reason IS NULL OR logged_out_at IS NOT NULL),
    CONSTRAINT uq_session_logs_token_hash UNIQUE (token_hash),
    CONSTRAINT uq_session_logs_id UNIQUE (id),
    CONSTRAINT fk_session_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_session_logs_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_session_logs_token_hash_length CHECK (length(token_hash) >= 64 AND length(token_hash) <= 64),
    CONSTRAINT ck_session_logs_token_hash_ascii CHECK (token_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_session_logs_ip_address_length CHECK (length(ip_address) <= 45),
    CONSTRAINT ck_session_logs_user_agent_length CHECK (length(user_agent) <= 500),
    CONSTRAINT ck_session_logs_device_type_values CHECK (device_type IN ('desktop', 'mobile', 'tablet', 'api')),
    CONSTRAINT ck_session_logs_browser_length CHECK (length(browser) <= 100),
    CONSTRAINT ck_session_logs_location_length CHECK (length(location) <= 255),
    CONSTRAINT ck_session_logs_last_active_at_utc CHECK (last_active_at >= '0001-01-01 00:00:00+00' AND last_active_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_session_logs_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_session_logs_logged_out_at_utc CHECK (logged_out_at >= '0001-01-01 00:00:00+00' AND logged_out_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_session_logs_revoked_reason_length CHECK (length(revoked_reason) <= 255),
    CONSTRAINT ck_session_logs_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_session_logs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_session_logs_ended ON session_logs (tenant_id, logged_out_at) WHERE logged_out_at IS NOT NULL;

CREATE INDEX ix_session_logs_tenant_id_expires_at ON session_logs (tenant_id, expires_at);

CREATE INDEX ix_session_logs_tenant_id_user_id_last_active_at ON session_logs (tenant_id, user_id, last_active_at);

COMMENT ON COLUMN session_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN session_logs.id IS 'UUIDv7';

COMMENT ON COLUMN session_logs.user_id IS 'who signed in';

COMMENT ON COLUMN session_logs.token_hash IS 'SHA-256 of the token; the token is never stored';

COMMENT ON COLUMN session_logs.ip_address IS 'from where';

COMMENT ON COLUMN session_logs.user_agent IS 'what the browser calls itself';

COMMENT ON COLUMN session_logs.device_type IS 'with what';

COMMENT ON COLUMN session_logs.browser IS 'browser, as far as it can be told';

COMMENT ON COLUMN session_logs.location IS 'place, as far as it can be told';

COMMENT ON COLUMN session_logs.last_active_at IS 'UTC';

COMMENT ON COLUMN session_logs.expires_at IS 'UTC';

COMMENT ON COLUMN session_logs.logged_out_at IS 'when it was left or revoked, UTC';

COMMENT ON COLUMN session_logs.revoked_reason IS 'why it was revoked, if it was not left';

COMMENT ON COLUMN session_logs.created_at IS 'UTC';

COMMENT ON COLUMN session_logs.updated_at IS 'UTC';

CREATE TABLE user_tokens (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_user_tokens PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_user_tokens_in_time CHECK (used_at <= expires_at),
    CONSTRAINT uq_user_tokens_token_hash UNIQUE (token_hash),
    CONSTRAINT uq_user_tokens_id UNIQUE (id),
    CONSTRAINT fk_user_tokens_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_tokens_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_user_tokens_purpose_values CHECK (purpose IN ('password_reset', 'email_check')),
    CONSTRAINT ck_user_tokens_token_hash_length CHECK (length(token_hash) >= 64 AND length(token_hash) <= 64),
    CONSTRAINT ck_user_tokens_token_hash_ascii CHECK (token_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_user_tokens_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_user_tokens_used_at_utc CHECK (used_at >= '0001-01-01 00:00:00+00' AND used_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_user_tokens_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_user_tokens_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_user_tokens_tenant_id_user_id ON user_tokens (tenant_id, user_id);

COMMENT ON COLUMN user_tokens.tenant_id IS 'owner of the row';

COMMENT ON COLUMN user_tokens.id IS 'UUIDv7';

COMMENT ON COLUMN user_tokens.user_id IS 'whom it was mailed to';

COMMENT ON COLUMN user_tokens.purpose IS 'what it is good for';

COMMENT ON COLUMN user_tokens.token_hash IS 'SHA-256 of the token; the token is never stored';

COMMENT ON COLUMN user_tokens.expires_at IS 'UTC';

COMMENT ON COLUMN user_tokens.used_at IS 'UTC';

COMMENT ON COLUMN user_tokens.created_at IS 'UTC';

COMMENT ON COLUMN user_tokens.updated_at IS 'UTC';

CREATE TABLE webhook_configurations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    provider_type TEXT NOT NULL,
    webhook_url TEXT NOT NULL,
    url_host TEXT NOT NULL,
    signing_secret TEXT,
    previous_secret TEXT,
    previous_until TIMESTAMP WITH TIME ZONE,
    name TEXT,
    enabled_events JSONB DEFAULT '[]' NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    is_active BOOLEAN DEFAULT true NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    consecutive_failures BIGINT DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_webhook_configurations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_webhook_configurations_signed CHECK (provider_type = 'slack' OR signing_secret IS NOT NULL),
    CONSTRAINT ck_webhook_configurations_rotated CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CONSTRAINT ck_webhook_configurations_failing CHECK (NOT is_active OR consecutive_failures < 10),
    CONSTRAINT uq_webhook_configurations_id UNIQUE (id),
    CONSTRAINT fk_webhook_configurations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_configurations_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_webhook_configurations_provider_type_values CHECK (provider_type IN ('slack', 'webhook')),
    CONSTRAINT ck_webhook_configurations_webhook_url_sealed CHECK (substr(webhook_url, 1, 9) = 'sealed:1:' AND trim(substr(webhook_url, 10, 8), '0123456789abcdef') = '' AND substr(webhook_url, 18, 1) = ':' AND trim(webhook_url, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(webhook_url) >= 57 AND length(webhook_url) <= 21901),
    CONSTRAINT ck_webhook_configurations_url_host_length CHECK (length(url_host) >= 1 AND length(url_host) <= 255),
    CONSTRAINT ck_webhook_configurations_signing_secret_sealed CHECK (substr(signing_secret, 1, 9) = 'sealed:1:' AND trim(substr(signing_secret, 10, 8), '0123456789abcdef') = '' AND substr(signing_secret, 18, 1) = ':' AND trim(signing_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(signing_secret) >= 57 AND length(signing_secret) <= 21901),
    CONSTRAINT ck_webhook_configurations_previous_secret_sealed CHECK (substr(previous_secret, 1, 9) = 'sealed:1:' AND trim(substr(previous_secret, 10, 8), '0123456789abcdef') = '' AND substr(previous_secret, 18, 1) = ':' AND trim(previous_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(previous_secret) >= 57 AND length(previous_secret) <= 21901),
    CONSTRAINT ck_webhook_configurations_previous_until_utc CHECK (previous_until >= '0001-01-01 00:00:00+00' AND previous_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_configurations_name_length CHECK (length(name) <= 100),
    CONSTRAINT ck_webhook_configurations_enabled_events_json CHECK (jsonb_typeof(enabled_events) = 'array' AND octet_length(enabled_events::text) <= 262144),
    CONSTRAINT ck_webhook_configurations_enabled_events_names CHECK (CASE WHEN jsonb_typeof(enabled_events) = 'array' THEN true AND enabled_events <@ '["account.failed", "scan.partial", "spot.interruption", "spot.pool_blocked", "decision.failed", "approval.requested", "approval.decided", "waste.flagged", "waste.deleted", "downtime.recorded", "downtime.budget_exceeded", "model.activated", "agent.offline", "webhook.disabled", "digest.weekly"]' END),
    CONSTRAINT ck_webhook_configurations_settings_json CHECK (jsonb_typeof(settings) = 'object' AND octet_length(settings::text) <= 262144),
    CONSTRAINT ck_webhook_configurations_last_used_at_utc CHECK (last_used_at >= '0001-01-01 00:00:00+00' AND last_used_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_configurations_last_error_length CHECK (length(last_error) <= 4000),
    CONSTRAINT ck_webhook_configurations_consecutive_failures_range CHECK (consecutive_failures >= 0 AND consecutive_failures <= 2147483647),
    CONSTRAINT ck_webhook_configurations_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_configurations_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_webhook_configurations_tenant_id_user_id ON webhook_configurations (tenant_id, user_id);

COMMENT ON COLUMN webhook_configurations.tenant_id IS 'owner of the row';

COMMENT ON COLUMN webhook_configurations.id IS 'UUIDv7';

COMMENT ON COLUMN webhook_configurations.user_id IS 'whose webhook it is';

COMMENT ON COLUMN webhook_configurations.provider_type IS 'who receives it';

COMMENT ON COLUMN webhook_configurations.webhook_url IS 'where to; sealed, Slack''s is a secret';

COMMENT ON COLUMN webhook_configurations.url_host IS 'its host, for people';

COMMENT ON COLUMN webhook_configurations.signing_secret IS 'signs what is sent; sealed; Slack needs none';

COMMENT ON COLUMN webhook_configurations.previous_secret IS 'signs too while receivers change over; sealed';

COMMENT ON COLUMN webhook_configurations.previous_until IS 'until when the previous secret signs, UTC';

COMMENT ON COLUMN webhook_configurations.name IS 'for people';

COMMENT ON COLUMN webhook_configurations.enabled_events IS 'events that are sent';

COMMENT ON COLUMN webhook_configurations.settings IS 'what the provider needs besides';

COMMENT ON COLUMN webhook_configurations.is_active IS 'off: nothing is sent';

COMMENT ON COLUMN webhook_configurations.last_used_at IS 'last attempt, UTC';

COMMENT ON COLUMN webhook_configurations.last_error IS 'why the last one failed, if it did';

COMMENT ON COLUMN webhook_configurations.consecutive_failures IS 'failed attempts since the last success';

COMMENT ON COLUMN webhook_configurations.created_at IS 'UTC';

COMMENT ON COLUMN webhook_configurations.updated_at IS 'UTC';

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
    CONSTRAINT uq_clusters_id UNIQUE (id),
    CONSTRAINT fk_clusters_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_clusters_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
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
    CONSTRAINT ck_clusters_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_clusters_tenant_id_status ON clusters (tenant_id, status);

COMMENT ON COLUMN clusters.tenant_id IS 'owner of the row';

COMMENT ON COLUMN clusters.id IS 'UUIDv7';

COMMENT ON COLUMN clusters.account_id IS 'account it runs in';

COMMENT ON COLUMN clusters.name IS 'name in EKS or in the tag';

COMMENT ON COLUMN clusters.region IS 'AWS region';

COMMENT ON COLUMN clusters.status IS 'what discovery or the agent last said';

COMMENT ON COLUMN clusters.vpc_id IS 'EC2''s id of its network';

COMMENT ON COLUMN clusters.api_endpoint IS 'URL of its API server';

COMMENT ON COLUMN clusters.k8s_version IS 'version of Kubernetes';

COMMENT ON COLUMN clusters.agent_installed IS 'whether an agent has reported';

COMMENT ON COLUMN clusters.agent_version IS 'version of the agent';

COMMENT ON COLUMN clusters.last_heartbeat IS 'last report of the agent (UTC)';

COMMENT ON COLUMN clusters.cluster_metadata IS 'what else discovery saw';

COMMENT ON COLUMN clusters.created_at IS 'UTC';

COMMENT ON COLUMN clusters.updated_at IS 'UTC';

CREATE TABLE decision_rollups (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    day DATE NOT NULL,
    account_id UUID NOT NULL,
    model_id UUID DEFAULT '00000000000000000000000000000000' NOT NULL,
    decisions BIGINT DEFAULT '0' NOT NULL,
    switches BIGINT DEFAULT '0' NOT NULL,
    holds BIGINT DEFAULT '0' NOT NULL,
    failures BIGINT DEFAULT '0' NOT NULL,
    shadow BIGINT DEFAULT '0' NOT NULL,
    real_switches BIGINT DEFAULT '0' NOT NULL,
    projected_savings NUMERIC(14, 6) DEFAULT '0' NOT NULL,
    score_sum FLOAT(53) DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_decision_rollups PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_decision_rollups_tenant_id_day_account_id_model_id UNIQUE (tenant_id, day, account_id, model_id),
    CONSTRAINT ck_decision_rollups_sum CHECK (decisions = switches + holds + failures AND shadow <= decisions),
    CONSTRAINT ck_decision_rollups_real CHECK (real_switches <= decisions),
    CONSTRAINT uq_decision_rollups_id UNIQUE (id),
    CONSTRAINT fk_decision_rollups_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_decision_rollups_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_decision_rollups_day_day CHECK (day >= '0001-01-01' AND day < '10000-01-01'),
    CONSTRAINT ck_decision_rollups_decisions_range CHECK (decisions >= 0 AND decisions <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_switches_range CHECK (switches >= 0 AND switches <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_holds_range CHECK (holds >= 0 AND holds <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_failures_range CHECK (failures >= 0 AND failures <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_shadow_range CHECK (shadow >= 0 AND shadow <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_real_switches_range CHECK (real_switches >= 0 AND real_switches <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_projected_savings_money CHECK (projected_savings >= -99999999.999999 AND projected_savings <= 99999999.999999),
    CONSTRAINT ck_decision_rollups_score_sum_range CHECK (score_sum >= 0 AND score_sum <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_decision_rollups_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_decision_rollups_tenant_id_account_id ON decision_rollups (tenant_id, account_id);

COMMENT ON COLUMN decision_rollups.tenant_id IS 'owner of the row';

COMMENT ON COLUMN decision_rollups.id IS 'UUIDv7';

COMMENT ON COLUMN decision_rollups.day IS 'day in UTC';

COMMENT ON COLUMN decision_rollups.account_id IS 'account of the instances';

COMMENT ON COLUMN decision_rollups.model_id IS 'model that judged; all zeros for none; no key';

COMMENT ON COLUMN decision_rollups.decisions IS 'all of them';

COMMENT ON COLUMN decision_rollups.switches IS 'of these SWITCH';

COMMENT ON COLUMN decision_rollups.holds IS 'of these HOLD';

COMMENT ON COLUMN decision_rollups.failures IS 'of these FAILED';

COMMENT ON COLUMN decision_rollups.shadow IS 'of these shadow runs';

COMMENT ON COLUMN decision_rollups.real_switches IS 'of the switches those that were no shadow runs';

COMMENT ON COLUMN decision_rollups.projected_savings IS 'sum of USD per hour';

COMMENT ON COLUMN decision_rollups.score_sum IS 'sum of the prediction scores';

COMMENT ON COLUMN decision_rollups.created_at IS 'UTC';

COMMENT ON COLUMN decision_rollups.updated_at IS 'UTC';

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
    CONSTRAINT ck_onboarding_requests_method CHECK (connection_method <> 'import'),
    CONSTRAINT ck_onboarding_requests_verified CHECK ((status = 'verified') = (aws_account_id IS NOT NULL) AND (status = 'verified') = (role_arn IS NOT NULL)),
    CONSTRAINT uq_onboarding_requests_request_id UNIQUE (request_id),
    CONSTRAINT uq_onboarding_requests_external_id UNIQUE (external_id),
    CONSTRAINT uq_onboarding_requests_id UNIQUE (id),
    CONSTRAINT fk_onboarding_requests_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_onboarding_requests_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_onboarding_requests_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_onboarding_requests_request_id_length CHECK (length(request_id) >= 1 AND length(request_id) <= 32),
    CONSTRAINT ck_onboarding_requests_connection_method_values CHECK (connection_method IN ('iam_role', 'access_keys', 'import')),
    CONSTRAINT ck_onboarding_requests_external_id_length CHECK (length(external_id) >= 1 AND length(external_id) <= 64),
    CONSTRAINT ck_onboarding_requests_status_values CHECK (status IN ('created', 'verified')),
    CONSTRAINT ck_onboarding_requests_aws_account_id_length CHECK (length(aws_account_id) >= 12 AND length(aws_account_id) <= 12),
    CONSTRAINT ck_onboarding_requests_role_arn_length CHECK (length(role_arn) <= 2048),
    CONSTRAINT ck_onboarding_requests_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_onboarding_requests_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_onboarding_requests_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_onboarding_requests_tenant_id_user_id ON onboarding_requests (tenant_id, user_id);

COMMENT ON COLUMN onboarding_requests.tenant_id IS 'owner of the row';

COMMENT ON COLUMN onboarding_requests.id IS 'UUIDv7';

COMMENT ON COLUMN onboarding_requests.user_id IS 'who asked';

COMMENT ON COLUMN onboarding_requests.request_id IS 'random';

COMMENT ON COLUMN onboarding_requests.account_id IS 'the placeholder it is for';

COMMENT ON COLUMN onboarding_requests.connection_method IS 'how the account is to be connected';

COMMENT ON COLUMN onboarding_requests.external_id IS 'ours, random; becomes the account''s';

COMMENT ON COLUMN onboarding_requests.status IS 'how far the request is';

COMMENT ON COLUMN onboarding_requests.aws_account_id IS 'what AWS proved';

COMMENT ON COLUMN onboarding_requests.role_arn IS 'role that was proved';

COMMENT ON COLUMN onboarding_requests.expires_at IS 'no proof is taken after this (UTC)';

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
    CONSTRAINT uq_scan_runs_id UNIQUE (id),
    CONSTRAINT fk_scan_runs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_scan_runs_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
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
    CONSTRAINT ck_scan_runs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_scan_runs_tenant_id_account_id_kind_started_at ON scan_runs (tenant_id, account_id, kind, started_at);

CREATE INDEX ix_scan_runs_tenant_id_started_at ON scan_runs (tenant_id, started_at);

CREATE UNIQUE INDEX uq_scan_runs_running ON scan_runs (tenant_id, account_id, kind) WHERE status = 'RUNNING';

COMMENT ON COLUMN scan_runs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN scan_runs.id IS 'UUIDv7';

COMMENT ON COLUMN scan_runs.account_id IS 'account that is looked at';

COMMENT ON COLUMN scan_runs.kind IS 'what it looks for';

COMMENT ON COLUMN scan_runs.status IS 'how it ended';

COMMENT ON COLUMN scan_runs.units_expected IS 'regions x kinds that were to be looked at';

COMMENT ON COLUMN scan_runs.lease_token IS 'who may write to the run';

COMMENT ON COLUMN scan_runs.leased_until IS 'after this the run may be taken over';

COMMENT ON COLUMN scan_runs.started_at IS 'UTC';

COMMENT ON COLUMN scan_runs.finished_at IS 'UTC';

COMMENT ON COLUMN scan_runs.seen IS 'things found';

COMMENT ON COLUMN scan_runs.added IS 'of these, new ones';

COMMENT ON COLUMN scan_runs.changed IS 'of these, ones that differ from before';

COMMENT ON COLUMN scan_runs.vanished IS 'known things no longer there';

COMMENT ON COLUMN scan_runs.error IS 'why it is not COMPLETE, for people';

COMMENT ON COLUMN scan_runs.created_at IS 'UTC';

COMMENT ON COLUMN scan_runs.updated_at IS 'UTC';

CREATE TABLE webhook_logs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    webhook_config_id UUID NOT NULL,
    message_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload JSONB DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    last_error TEXT,
    http_status_code BIGINT,
    response_body TEXT,
    attempts BIGINT DEFAULT '0' NOT NULL,
    earlier_attempts BIGINT DEFAULT '0' NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    sent_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_webhook_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_webhook_logs_tenant_id_webhook_config_id_message_id UNIQUE (tenant_id, webhook_config_id, message_id),
    CONSTRAINT ck_webhook_logs_sent CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT ck_webhook_logs_waiting CHECK (status = 'pending' OR next_attempt_at IS NULL),
    CONSTRAINT ck_webhook_logs_earlier CHECK (earlier_attempts <= attempts),
    CONSTRAINT uq_webhook_logs_id UNIQUE (id),
    CONSTRAINT fk_webhook_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_logs_tenant_id_webhook_config_id FOREIGN KEY(tenant_id, webhook_config_id) REFERENCES webhook_configurations (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_webhook_logs_message_id_length CHECK (length(message_id) >= 1 AND length(message_id) <= 64),
    CONSTRAINT ck_webhook_logs_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_webhook_logs_payload_json CHECK (jsonb_typeof(payload) = 'object' AND octet_length(payload::text) <= 262144),
    CONSTRAINT ck_webhook_logs_status_values CHECK (status IN ('pending', 'sent', 'failed')),
    CONSTRAINT ck_webhook_logs_last_error_values CHECK (last_error IN ('rate_limited', 'timeout', 'invalid_url', 'http', 'refused_address')),
    CONSTRAINT ck_webhook_logs_http_status_code_range CHECK (http_status_code >= 100 AND http_status_code <= 599),
    CONSTRAINT ck_webhook_logs_response_body_length CHECK (length(response_body) <= 2048),
    CONSTRAINT ck_webhook_logs_attempts_range CHECK (attempts >= 0 AND attempts <= 100),
    CONSTRAINT ck_webhook_logs_earlier_attempts_range CHECK (earlier_attempts >= 0 AND earlier_attempts <= 100),
    CONSTRAINT ck_webhook_logs_next_attempt_at_utc CHECK (next_attempt_at >= '0001-01-01 00:00:00+00' AND next_attempt_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_logs_sent_at_utc CHECK (sent_at >= '0001-01-01 00:00:00+00' AND sent_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_logs_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_logs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_webhook_logs_due ON webhook_logs (tenant_id, webhook_config_id, next_attempt_at) WHERE status = 'pending';

CREATE INDEX ix_webhook_logs_tenant_id_created_at ON webhook_logs (tenant_id, created_at);

COMMENT ON COLUMN webhook_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN webhook_logs.id IS 'UUIDv7';

COMMENT ON COLUMN webhook_logs.webhook_config_id IS 'where it goes';

COMMENT ON COLUMN webhook_logs.message_id IS 'webhook-id: equal over attempts';

COMMENT ON COLUMN webhook_logs.event_type IS 'of what it tells';

COMMENT ON COLUMN webhook_logs.payload IS 'what is sent; never a secret';

COMMENT ON COLUMN webhook_logs.status IS 'how far it is';

COMMENT ON COLUMN webhook_logs.last_error IS 'why the last one failed';

COMMENT ON COLUMN webhook_logs.http_status_code IS 'of the last answer';

COMMENT ON COLUMN webhook_logs.response_body IS 'beginning of the last answer';

COMMENT ON COLUMN webhook_logs.attempts IS 'attempts so far';

COMMENT ON COLUMN webhook_logs.earlier_attempts IS 'attempts before it was last asked for anew';

COMMENT ON COLUMN webhook_logs.next_attempt_at IS 'not tried before, UTC';

COMMENT ON COLUMN webhook_logs.sent_at IS 'UTC';

COMMENT ON COLUMN webhook_logs.created_at IS 'UTC';

COMMENT ON COLUMN webhook_logs.updated_at IS 'UTC';

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
    CONSTRAINT uq_api_keys_id UNIQUE (id),
    CONSTRAINT fk_api_keys_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_api_keys_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_api_keys_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
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
    CONSTRAINT ck_api_keys_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
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

CREATE TABLE cluster_policies (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    cluster_id UUID NOT NULL,
    config JSONB DEFAULT '{}' NOT NULL,
    version BIGINT DEFAULT '1' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_cluster_policies PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_cluster_policies_tenant_id_cluster_id UNIQUE (tenant_id, cluster_id),
    CONSTRAINT uq_cluster_policies_id UNIQUE (id),
    CONSTRAINT fk_cluster_policies_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_cluster_policies_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_cluster_policies_config_json CHECK (jsonb_typeof(config) = 'object' AND octet_length(config::text) <= 262144),
    CONSTRAINT ck_cluster_policies_version_range CHECK (version >= 1 AND version <= 2147483647),
    CONSTRAINT ck_cluster_policies_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_cluster_policies_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

COMMENT ON COLUMN cluster_policies.tenant_id IS 'owner of the row';

COMMENT ON COLUMN cluster_policies.id IS 'UUIDv7';

COMMENT ON COLUMN cluster_policies.cluster_id IS 'cluster it is about';

COMMENT ON COLUMN cluster_policies.config IS 'the policy; keys that spothive does not know are refused';

COMMENT ON COLUMN cluster_policies.version IS 'counts changes; whoever changes names the one he has read';

COMMENT ON COLUMN cluster_policies.created_at IS 'UTC';

COMMENT ON COLUMN cluster_policies.updated_at IS 'UTC';

CREATE TABLE hibernation_schedules (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    cluster_id UUID NOT NULL,
    schedule_matrix JSONB NOT NULL,
    timezone TEXT DEFAULT 'UTC' NOT NULL,
    prewarm_enabled BOOLEAN DEFAULT false NOT NULL,
    prewarm_minutes BIGINT DEFAULT '30' NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    applied_state TEXT DEFAULT 'awake' NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE,
    restore_state JSONB,
    lease_token UUID,
    leased_until TIMESTAMP WITH TIME ZONE,
    request_id UUID,
    obstacle TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_hibernation_schedules PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_hibernation_schedules_tenant_id_cluster_id UNIQUE (tenant_id, cluster_id),
    CONSTRAINT ck_hibernation_schedules_restorable CHECK (applied_state = 'awake' OR restore_state IS NOT NULL),
    CONSTRAINT ck_hibernation_schedules_lease CHECK ((lease_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT uq_hibernation_schedules_id UNIQUE (id),
    CONSTRAINT fk_hibernation_schedules_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_hibernation_schedules_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_hibernation_schedules_schedule_matrix_json CHECK (jsonb_typeof(schedule_matrix) = 'array' AND octet_length(schedule_matrix::text) <= 262144),
    CONSTRAINT ck_hibernation_schedules_schedule_matrix_week CHECK (replace(schedule_matrix::text, '0', '1') = '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]'),
    CONSTRAINT ck_hibernation_schedules_timezone_length CHECK (length(timezone) >= 1 AND length(timezone) <= 64),
    CONSTRAINT ck_hibernation_schedules_prewarm_minutes_range CHECK (prewarm_minutes >= 0 AND prewarm_minutes <= 120),
    CONSTRAINT ck_hibernation_schedules_applied_state_values CHECK (applied_state IN ('awake', 'asleep')),
    CONSTRAINT ck_hibernation_schedules_applied_at_utc CHECK (applied_at >= '0001-01-01 00:00:00+00' AND applied_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_hibernation_schedules_restore_state_json CHECK (jsonb_typeof(restore_state) = 'object' AND octet_length(restore_state::text) <= 262144),
    CONSTRAINT ck_hibernation_schedules_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_hibernation_schedules_obstacle_length CHECK (length(obstacle) >= 1 AND length(obstacle) <= 2000),
    CONSTRAINT ck_hibernation_schedules_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_hibernation_schedules_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_hibernation_schedules_tenant_id_enabled ON hibernation_schedules (tenant_id, enabled);

COMMENT ON COLUMN hibernation_schedules.tenant_id IS 'owner of the row';

COMMENT ON COLUMN hibernation_schedules.id IS 'UUIDv7';

COMMENT ON COLUMN hibernation_schedules.cluster_id IS 'cluster it is about';

COMMENT ON COLUMN hibernation_schedules.schedule_matrix IS '168 hours, Monday 00:00 first; 1 = awake, 0 = asleep';

COMMENT ON COLUMN hibernation_schedules.timezone IS 'IANA name';

COMMENT ON COLUMN hibernation_schedules.prewarm_enabled IS 'wake up a little early';

COMMENT ON COLUMN hibernation_schedules.prewarm_minutes IS 'how early, in minutes';

COMMENT ON COLUMN hibernation_schedules.enabled IS 'off: nothing is switched';

COMMENT ON COLUMN hibernation_schedules.applied_state IS 'what spothive made of it last';

COMMENT ON COLUMN hibernation_schedules.applied_at IS 'when that was, UTC';

COMMENT ON COLUMN hibernation_schedules.restore_state IS 'sizes of the node groups to go back to';

COMMENT ON COLUMN hibernation_schedules.lease_token IS 'run that puts the cluster to sleep or wakes it';

COMMENT ON COLUMN hibernation_schedules.leased_until IS 'after this another run may do it, UTC';

COMMENT ON COLUMN hibernation_schedules.request_id IS 'request for approval of the sleep that was due last, where the policy asks for one; no key';

COMMENT ON COLUMN hibernation_schedules.obstacle IS 'why the last run could not make it what it is to be, for people';

COMMENT ON COLUMN hibernation_schedules.created_at IS 'UTC';

COMMENT ON COLUMN hibernation_schedules.updated_at IS 'UTC';

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
    CONSTRAINT ck_instances_replica CHECK (CASE WHEN is_replica THEN replica_of_id IS NOT NULL AND replica_expiry IS NOT NULL ELSE replica_of_id IS NULL AND replica_expiry IS NULL END),
    CONSTRAINT ck_instances_terminated CHECK ((state = 'terminated') = (terminated_at IS NOT NULL)),
    CONSTRAINT ck_instances_own_replica CHECK (replica_of_id <> id),
    CONSTRAINT ck_instances_flagged CHECK ((auth_status IN ('flagged', 'unauthorized')) = (flagged_at IS NOT NULL)),
    CONSTRAINT fk_instances_assigned_model_id FOREIGN KEY(assigned_model_id) REFERENCES ml_models (id),
    CONSTRAINT uq_instances_id UNIQUE (id),
    CONSTRAINT fk_instances_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_instances_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_instances_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_instances_tenant_id_replica_of_id FOREIGN KEY(tenant_id, replica_of_id) REFERENCES instances (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
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
    CONSTRAINT ck_instances_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_instances_assigned_model_id ON instances (assigned_model_id);

CREATE INDEX ix_instances_flagged ON instances (tenant_id, auth_status) WHERE flagged_at IS NOT NULL;

CREATE INDEX ix_instances_live_spot ON instances (availability_zone, instance_type, tenant_id) WHERE lifecycle = 'spot' AND terminated_at IS NULL;

CREATE INDEX ix_instances_tenant_id_account_id_state ON instances (tenant_id, account_id, state);

CREATE INDEX ix_instances_tenant_id_availability_zone_instance_type ON instances (tenant_id, availability_zone, instance_type);

CREATE INDEX ix_instances_tenant_id_cluster_id ON instances (tenant_id, cluster_id);

CREATE INDEX ix_instances_tenant_id_replica_of_id ON instances (tenant_id, replica_of_id);

CREATE UNIQUE INDEX uq_instances_live_replica ON instances (tenant_id, replica_of_id) WHERE is_replica AND terminated_at IS NULL;

COMMENT ON COLUMN instances.tenant_id IS 'owner of the row';

COMMENT ON COLUMN instances.id IS 'UUIDv7';

COMMENT ON COLUMN instances.account_id IS 'account it runs in';

COMMENT ON COLUMN instances.cluster_id IS 'cluster it is a node of';

COMMENT ON COLUMN instances.instance_id IS 'EC2''s id';

COMMENT ON COLUMN instances.instance_type IS 'for example m5.large';

COMMENT ON COLUMN instances.region IS 'AWS region';

COMMENT ON COLUMN instances.availability_zone IS 'for example us-east-1a';

COMMENT ON COLUMN instances.state IS 'what EC2 last said';

COMMENT ON COLUMN instances.lifecycle IS 'how it is paid for';

COMMENT ON COLUMN instances.cpu IS 'vCPUs';

COMMENT ON COLUMN instances.memory IS 'MiB';

COMMENT ON COLUMN instances.cpu_util IS 'percent';

COMMENT ON COLUMN instances.memory_util IS 'percent';

COMMENT ON COLUMN instances.price IS 'USD per hour';

COMMENT ON COLUMN instances.auth_status IS 'whether somebody answers for it';

COMMENT ON COLUMN instances.flagged_at IS 'since when nobody answers for it (UTC)';

COMMENT ON COLUMN instances.orchestrator_type IS 'what runs it';

COMMENT ON COLUMN instances.cluster_membership IS 'cluster_name, node_group, role';

COMMENT ON COLUMN instances.pipeline_mode IS 'which decisions it goes through';

COMMENT ON COLUMN instances.is_shadow_mode IS 'whether decisions are recorded only';

COMMENT ON COLUMN instances.assigned_model_id IS 'model that decides in the lab';

COMMENT ON COLUMN instances.is_replica IS 'whether it stands in for another';

COMMENT ON COLUMN instances.replica_of_id IS 'the primary it stands in for';

COMMENT ON COLUMN instances.replica_expiry IS 'when a replica is no longer needed (UTC)';

COMMENT ON COLUMN instances.launched_at IS 'when EC2 started it (UTC)';

COMMENT ON COLUMN instances.content_hash IS 'of what AWS said; a re-scan writes only what differs';

COMMENT ON COLUMN instances.terminated_at IS 'when it was found gone (UTC)';

COMMENT ON COLUMN instances.last_evaluation IS 'last decision about it (UTC)';

COMMENT ON COLUMN instances.instance_metadata IS 'tags, vpc_id, subnet_id';

COMMENT ON COLUMN instances.created_at IS 'UTC';

COMMENT ON COLUMN instances.updated_at IS 'UTC';

CREATE TABLE optimization_jobs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    cluster_id UUID NOT NULL,
    status TEXT DEFAULT 'QUEUED' NOT NULL,
    lease_token UUID,
    leased_until TIMESTAMP WITH TIME ZONE,
    results JSONB DEFAULT '{}' NOT NULL,
    error_message TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_optimization_jobs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_optimization_jobs_started CHECK ((status = 'QUEUED') = (started_at IS NULL)),
    CONSTRAINT ck_optimization_jobs_completed CHECK ((status IN ('COMPLETED', 'FAILED')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_optimization_jobs_failed CHECK ((status = 'FAILED') = (error_message IS NOT NULL)),
    CONSTRAINT ck_optimization_jobs_lease CHECK ((status = 'RUNNING') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT uq_optimization_jobs_id UNIQUE (id),
    CONSTRAINT fk_optimization_jobs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_optimization_jobs_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_optimization_jobs_status_values CHECK (status IN ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_optimization_jobs_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_optimization_jobs_results_json CHECK (jsonb_typeof(results) = 'object' AND octet_length(results::text) <= 262144),
    CONSTRAINT ck_optimization_jobs_error_message_length CHECK (length(error_message) <= 4000),
    CONSTRAINT ck_optimization_jobs_started_at_utc CHECK (started_at >= '0001-01-01 00:00:00+00' AND started_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_optimization_jobs_completed_at_utc CHECK (completed_at >= '0001-01-01 00:00:00+00' AND completed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_optimization_jobs_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_optimization_jobs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_optimization_jobs_tenant_id_cluster_id ON optimization_jobs (tenant_id, cluster_id);

CREATE INDEX ix_optimization_jobs_tenant_id_status ON optimization_jobs (tenant_id, status);

COMMENT ON COLUMN optimization_jobs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN optimization_jobs.id IS 'UUIDv7';

COMMENT ON COLUMN optimization_jobs.cluster_id IS 'cluster that is optimised';

COMMENT ON COLUMN optimization_jobs.status IS 'how far the job is';

COMMENT ON COLUMN optimization_jobs.lease_token IS 'worker that has the job';

COMMENT ON COLUMN optimization_jobs.leased_until IS 'after this another worker may take it, UTC';

COMMENT ON COLUMN optimization_jobs.results IS 'what came of it';

COMMENT ON COLUMN optimization_jobs.error_message IS 'why it failed';

COMMENT ON COLUMN optimization_jobs.started_at IS 'UTC';

COMMENT ON COLUMN optimization_jobs.completed_at IS 'when it ended, well or badly, UTC';

COMMENT ON COLUMN optimization_jobs.created_at IS 'UTC';

COMMENT ON COLUMN optimization_jobs.updated_at IS 'UTC';

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
    CONSTRAINT uq_scan_units_id UNIQUE (id),
    CONSTRAINT fk_scan_units_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_scan_units_tenant_id_scan_run_id FOREIGN KEY(tenant_id, scan_run_id) REFERENCES scan_runs (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_scan_units_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_scan_units_resource_kind_length CHECK (length(resource_kind) >= 1 AND length(resource_kind) <= 32),
    CONSTRAINT ck_scan_units_status_values CHECK (status IN ('PENDING', 'DONE', 'FAILED')),
    CONSTRAINT ck_scan_units_pages_range CHECK (pages >= 0 AND pages <= 2147483647),
    CONSTRAINT ck_scan_units_items_range CHECK (items >= 0 AND items <= 2147483647),
    CONSTRAINT ck_scan_units_error_length CHECK (length(error) <= 4000),
    CONSTRAINT ck_scan_units_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_scan_units_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_scan_units_tenant_id_updated_at ON scan_units (tenant_id, updated_at);

COMMENT ON COLUMN scan_units.tenant_id IS 'owner of the row';

COMMENT ON COLUMN scan_units.id IS 'UUIDv7';

COMMENT ON COLUMN scan_units.scan_run_id IS 'look it is a part of';

COMMENT ON COLUMN scan_units.region IS 'AWS region';

COMMENT ON COLUMN scan_units.resource_kind IS 'for example instances';

COMMENT ON COLUMN scan_units.status IS 'how it ended';

COMMENT ON COLUMN scan_units.pages IS 'pages AWS gave';

COMMENT ON COLUMN scan_units.items IS 'things on them';

COMMENT ON COLUMN scan_units.error IS 'why it failed, for people';

COMMENT ON COLUMN scan_units.created_at IS 'UTC';

COMMENT ON COLUMN scan_units.updated_at IS 'UTC';

CREATE TABLE waste_resources (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    scan_run_id UUID,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    region TEXT NOT NULL,
    monthly_cost NUMERIC(14, 6) NOT NULL,
    currency TEXT DEFAULT 'USD' NOT NULL,
    detected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    days_unused BIGINT DEFAULT '0' NOT NULL,
    status TEXT DEFAULT 'DETECTED' NOT NULL,
    scheduled_deletion_date TIMESTAMP WITH TIME ZONE,
    deleted_at TIMESTAMP WITH TIME ZONE,
    plan_hash TEXT,
    undo_recipe JSONB,
    evidence JSONB DEFAULT '{}' NOT NULL,
    resource_metadata JSONB DEFAULT '{}' NOT NULL,
    reason TEXT NOT NULL,
    claimed_since TIMESTAMP WITH TIME ZONE,
    deletion_begun_at TIMESTAMP WITH TIME ZONE,
    unused_since TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_waste_resources PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_waste_resources_scheduled CHECK ((status = 'SCHEDULED_DELETE') = (scheduled_deletion_date IS NOT NULL)),
    CONSTRAINT ck_waste_resources_planned CHECK (status NOT IN ('SCHEDULED_DELETE', 'DELETED') OR plan_hash IS NOT NULL),
    CONSTRAINT ck_waste_resources_deleted CHECK ((status = 'DELETED') = (deleted_at IS NOT NULL)),
    CONSTRAINT ck_waste_resources_begun CHECK (deletion_begun_at IS NULL OR status IN ('SCHEDULED_DELETE', 'DELETED')),
    CONSTRAINT ck_waste_resources_seen CHECK (last_seen_at >= detected_at),
    CONSTRAINT uq_waste_resources_id UNIQUE (id),
    CONSTRAINT fk_waste_resources_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_waste_resources_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_waste_resources_tenant_id_scan_run_id FOREIGN KEY(tenant_id, scan_run_id) REFERENCES scan_runs (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_waste_resources_resource_type_values CHECK (resource_type IN ('elastic_ip', 'ebs_volume', 'ebs_snapshot', 'ami')),
    CONSTRAINT ck_waste_resources_resource_id_length CHECK (length(resource_id) >= 1 AND length(resource_id) <= 100),
    CONSTRAINT ck_waste_resources_region_length CHECK (length(region) >= 1 AND length(region) <= 32),
    CONSTRAINT ck_waste_resources_monthly_cost_money CHECK (monthly_cost >= 0 AND monthly_cost <= 99999999.999999),
    CONSTRAINT ck_waste_resources_currency_length CHECK (length(currency) >= 3 AND length(currency) <= 3),
    CONSTRAINT ck_waste_resources_currency_ascii CHECK (currency COLLATE "C" ~ '^[A-Z]*$'),
    CONSTRAINT ck_waste_resources_detected_at_utc CHECK (detected_at >= '0001-01-01 00:00:00+00' AND detected_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_waste_resources_last_seen_at_utc CHECK (last_seen_at >= '0001-01-01 00:00:00+00' AND last_seen_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_waste_resources_days_unused_range CHECK (days_unused >= 0 AND days_unused <= 100000),
    CONSTRAINT ck_waste_resources_status_values CHECK (status IN ('DETECTED', 'FLAGGED', 'SCHEDULED_DELETE', 'DELETED', 'RESOLVED')),
    CONSTRAINT ck_waste_resources_scheduled_deletion_date_utc CHECK (scheduled_deletion_date >= '0001-01-01 00:00:00+00' AND scheduled_deletion_date < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_waste_resources_deleted_at_utc CHECK (deleted_at >= '0001-01-01 00:00:00+00' AND deleted_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_waste_resources_plan_hash_length CHECK (length(plan_hash) >= 64 AND length(plan_hash) <= 64),
    CONSTRAINT ck_waste_resources_plan_hash_ascii CHECK (plan_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_waste_resources_undo_recipe_json CHECK (jsonb_typeof(undo_recipe) = 'object' AND octet_length(undo_recipe::text) <= 262144),
    CONSTRAINT ck_waste_resources_evidence_json CHECK (jsonb_typeof(evidence) = 'object' AND octet_length(evidence::text) <= 262144),
    CONSTRAINT ck_waste_resources_resource_metadata_json CHECK (jsonb_typeof(resource_metadata) = 'object' AND octet_length(resource_metadata::text) <= 262144),
    CONSTRAINT ck_waste_resources_reason_length CHECK (length(reason) >= 1 AND length(reason) <= 4000),
    CONSTRAINT ck_waste_resources_claimed_since_utc CHECK (claimed_since >= '0001-01-01 00:00:00+00' AND claimed_since < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_waste_resources_deletion_begun_at_utc CHECK (deletion_begun_at >= '0001-01-01 00:00:00+00' AND deletion_begun_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_waste_resources_unused_since_utc CHECK (unused_since >= '0001-01-01 00:00:00+00' AND unused_since < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_waste_resources_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_waste_resources_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_waste_resources_tenant_id_account_id_deletion_begun_at ON waste_resources (tenant_id, account_id, deletion_begun_at);

CREATE INDEX ix_waste_resources_tenant_id_account_id_status ON waste_resources (tenant_id, account_id, status);

CREATE INDEX ix_waste_resources_tenant_id_detected_at ON waste_resources (tenant_id, detected_at);

CREATE INDEX ix_waste_resources_tenant_id_resource_id ON waste_resources (tenant_id, resource_id);

CREATE INDEX ix_waste_resources_tenant_id_scan_run_id ON waste_resources (tenant_id, scan_run_id);

CREATE INDEX ix_waste_resources_tenant_id_status_scheduled_deletion_date ON waste_resources (tenant_id, status, scheduled_deletion_date);

CREATE UNIQUE INDEX uq_waste_resources_live ON waste_resources (tenant_id, account_id, resource_type, resource_id) WHERE status IN ('DETECTED', 'FLAGGED', 'SCHEDULED_DELETE');

COMMENT ON COLUMN waste_resources.tenant_id IS 'owner of the row';

COMMENT ON COLUMN waste_resources.id IS 'UUIDv7';

COMMENT ON COLUMN waste_resources.account_id IS 'account that pays for it';

COMMENT ON COLUMN waste_resources.scan_run_id IS 'scan that saw it last; deletion needs a COMPLETE one';

COMMENT ON COLUMN waste_resources.resource_type IS 'kind of resource';

COMMENT ON COLUMN waste_resources.resource_id IS 'AWS''s id, for example vol-0123456789abcdef0';

COMMENT ON COLUMN waste_resources.region IS 'AWS region';

COMMENT ON COLUMN waste_resources.monthly_cost IS 'what a month of 30 days costs, in currency';

COMMENT ON COLUMN waste_resources.currency IS 'ISO 4217 code';

COMMENT ON COLUMN waste_resources.detected_at IS 'first time it was seen unused, UTC';

COMMENT ON COLUMN waste_resources.last_seen_at IS 'last time it was seen unused, UTC';

COMMENT ON COLUMN waste_resources.days_unused IS 'days since anything used it, as far as known';

COMMENT ON COLUMN waste_resources.status IS 'how far its end has come';

COMMENT ON COLUMN waste_resources.scheduled_deletion_date IS 'end of the grace, UTC';

COMMENT ON COLUMN waste_resources.deleted_at IS 'when AWS confirmed the deletion, UTC';

COMMENT ON COLUMN waste_resources.plan_hash IS 'SHA-256 of the resource as it was when its deletion was approved';

COMMENT ON COLUMN waste_resources.undo_recipe IS 'how to get it back, if at all';

COMMENT ON COLUMN waste_resources.evidence IS 'references that were looked for, and not found';

COMMENT ON COLUMN waste_resources.resource_metadata IS 'the resource as AWS described it';

COMMENT ON COLUMN waste_resources.reason IS 'why it counts as waste, for people';

COMMENT ON COLUMN waste_resources.claimed_since IS 'when the first COMPLETE scan began that saw it unused in this way, UTC';

COMMENT ON COLUMN waste_resources.deletion_begun_at IS 'when AWS was last about to be told, UTC';

COMMENT ON COLUMN waste_resources.unused_since IS 'since when nothing used the volume, as far as known, UTC; NULL of other kinds';

COMMENT ON COLUMN waste_resources.created_at IS 'UTC';

COMMENT ON COLUMN waste_resources.updated_at IS 'UTC';

CREATE TABLE agent_actions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    cluster_id UUID NOT NULL,
    optimization_job_id UUID,
    action_type TEXT NOT NULL,
    payload JSONB DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'PENDING' NOT NULL,
    priority BIGINT DEFAULT '5' NOT NULL,
    idempotency_key TEXT NOT NULL,
    attempts BIGINT DEFAULT '0' NOT NULL,
    max_attempts BIGINT DEFAULT '3' NOT NULL,
    lease_token BIGINT,
    leased_until TIMESTAMP WITH TIME ZONE,
    available_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP + interval '1 hours' NOT NULL,
    picked_up_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    result JSONB,
    error_message TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_agent_actions PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_agent_actions_tenant_id_cluster_id_idempotency_key UNIQUE (tenant_id, cluster_id, idempotency_key),
    CONSTRAINT ck_agent_actions_expiry CHECK (expires_at > created_at),
    CONSTRAINT ck_agent_actions_leased CHECK ((status = 'PICKED_UP') = (leased_until IS NOT NULL) AND (status <> 'PICKED_UP' OR (lease_token IS NOT NULL AND picked_up_at IS NOT NULL))),
    CONSTRAINT ck_agent_actions_ended CHECK ((status IN ('COMPLETED', 'FAILED', 'EXPIRED')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_agent_actions_tries CHECK (attempts <= max_attempts),
    CONSTRAINT ck_agent_actions_payload_keys CHECK (CASE action_type WHEN 'EVICT_POD' THEN coalesce(jsonb_typeof(payload -> 'namespace') = 'string', false) AND coalesce(jsonb_typeof(payload -> 'pod') = 'string', false) WHEN 'CORDON_NODE' THEN coalesce(jsonb_typeof(payload -> 'node') = 'string', false) WHEN 'UNCORDON_NODE' THEN coalesce(jsonb_typeof(payload -> 'node') = 'string', false) WHEN 'DRAIN_NODE' THEN coalesce(jsonb_typeof(payload -> 'node') = 'string', false) WHEN 'LABEL_NODE' THEN coalesce(jsonb_typeof(payload -> 'node') = 'string', false) AND coalesce(jsonb_typeof(payload -> 'labels') = 'object', false) WHEN 'UPDATE_DEPLOYMENT' THEN coalesce(jsonb_typeof(payload -> 'namespace') = 'string', false) AND coalesce(jsonb_typeof(payload -> 'deployment') = 'string', false) END),
    CONSTRAINT uq_agent_actions_id UNIQUE (id),
    CONSTRAINT fk_agent_actions_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_agent_actions_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_agent_actions_tenant_id_optimization_job_id FOREIGN KEY(tenant_id, optimization_job_id) REFERENCES optimization_jobs (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_agent_actions_action_type_values CHECK (action_type IN ('EVICT_POD', 'CORDON_NODE', 'UNCORDON_NODE', 'DRAIN_NODE', 'LABEL_NODE', 'UPDATE_DEPLOYMENT')),
    CONSTRAINT ck_agent_actions_payload_json CHECK (jsonb_typeof(payload) = 'object' AND octet_length(payload::text) <= 262144),
    CONSTRAINT ck_agent_actions_status_values CHECK (status IN ('PENDING', 'PICKED_UP', 'COMPLETED', 'FAILED', 'EXPIRED')),
    CONSTRAINT ck_agent_actions_priority_range CHECK (priority >= 0 AND priority <= 9),
    CONSTRAINT ck_agent_actions_idempotency_key_length CHECK (length(idempotency_key) >= 1 AND length(idempotency_key) <= 64),
    CONSTRAINT ck_agent_actions_attempts_range CHECK (attempts >= 0 AND attempts <= 100),
    CONSTRAINT ck_agent_actions_max_attempts_range CHECK (max_attempts >= 1 AND max_attempts <= 100),
    CONSTRAINT ck_agent_actions_lease_token_range CHECK (lease_token >= 1 AND lease_token <= 9007199254740992),
    CONSTRAINT ck_agent_actions_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_agent_actions_available_at_utc CHECK (available_at >= '0001-01-01 00:00:00+00' AND available_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_agent_actions_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_agent_actions_picked_up_at_utc CHECK (picked_up_at >= '0001-01-01 00:00:00+00' AND picked_up_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_agent_actions_completed_at_utc CHECK (completed_at >= '0001-01-01 00:00:00+00' AND completed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_agent_actions_result_json CHECK (jsonb_typeof(result) = 'object' AND octet_length(result::text) <= 262144),
    CONSTRAINT ck_agent_actions_error_message_length CHECK (length(error_message) <= 1024),
    CONSTRAINT ck_agent_actions_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_agent_actions_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_agent_actions_claim ON agent_actions (tenant_id, cluster_id, priority, created_at) WHERE status = 'PENDING';

CREATE INDEX ix_agent_actions_expiry ON agent_actions (tenant_id, expires_at) WHERE status IN ('PENDING', 'PICKED_UP');

CREATE INDEX ix_agent_actions_leases ON agent_actions (tenant_id, leased_until) WHERE status = 'PICKED_UP';

CREATE INDEX ix_agent_actions_tenant_id_optimization_job_id ON agent_actions (tenant_id, optimization_job_id);

COMMENT ON COLUMN agent_actions.tenant_id IS 'owner of the row';

COMMENT ON COLUMN agent_actions.id IS 'UUIDv7';

COMMENT ON COLUMN agent_actions.cluster_id IS 'cluster whose agent is to act';

COMMENT ON COLUMN agent_actions.optimization_job_id IS 'job it is a part of';

COMMENT ON COLUMN agent_actions.action_type IS 'what is to be done';

COMMENT ON COLUMN agent_actions.payload IS 'to what: the keys depend on the type';

COMMENT ON COLUMN agent_actions.status IS 'how far the action is';

COMMENT ON COLUMN agent_actions.priority IS '0 is handed out first';

COMMENT ON COLUMN agent_actions.idempotency_key IS 'asked for twice by this key, it is done once';

COMMENT ON COLUMN agent_actions.attempts IS 'times handed out';

COMMENT ON COLUMN agent_actions.max_attempts IS 'times it may be handed out before it has FAILED';

COMMENT ON COLUMN agent_actions.lease_token IS 'number of the hand-out, rising; a report with an older one is void';

COMMENT ON COLUMN agent_actions.leased_until IS 'until when the agent has it, UTC';

COMMENT ON COLUMN agent_actions.available_at IS 'not handed out before, UTC';

COMMENT ON COLUMN agent_actions.expires_at IS 'not handed out after, UTC';

COMMENT ON COLUMN agent_actions.picked_up_at IS 'last hand-out, UTC';

COMMENT ON COLUMN agent_actions.completed_at IS 'when it ended, well or badly, UTC';

COMMENT ON COLUMN agent_actions.result IS 'what the agent reported';

COMMENT ON COLUMN agent_actions.error_message IS 'what the agent reported last went wrong';

COMMENT ON COLUMN agent_actions.created_at IS 'UTC';

COMMENT ON COLUMN agent_actions.updated_at IS 'UTC';

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
    CONSTRAINT uq_api_usage_id UNIQUE (id),
    CONSTRAINT fk_api_usage_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_api_usage_tenant_id_api_key_id FOREIGN KEY(tenant_id, api_key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_api_usage_endpoint_length CHECK (length(endpoint) >= 1 AND length(endpoint) <= 255),
    CONSTRAINT ck_api_usage_method_length CHECK (length(method) >= 1 AND length(method) <= 10),
    CONSTRAINT ck_api_usage_method_ascii CHECK (method COLLATE "C" ~ '^[A-Z]*$'),
    CONSTRAINT ck_api_usage_status_code_range CHECK (status_code >= 100 AND status_code <= 599),
    CONSTRAINT ck_api_usage_response_time_ms_range CHECK (response_time_ms >= 0 AND response_time_ms <= 2147483647),
    CONSTRAINT ck_api_usage_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00')
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

CREATE TABLE approval_requests (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    requester_id UUID,
    requester_name TEXT NOT NULL,
    decided_by TEXT,
    approver_id UUID,
    approver_name TEXT,
    action_type TEXT NOT NULL,
    instance_id UUID,
    waste_resource_id UUID,
    cluster_id UUID,
    action_description TEXT NOT NULL,
    risk_level TEXT NOT NULL,
    action_payload JSONB DEFAULT '{}' NOT NULL,
    plan_hash TEXT NOT NULL,
    status TEXT DEFAULT 'PENDING' NOT NULL,
    rejection_reason TEXT,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE,
    executed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_approval_requests PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_approval_requests_target CHECK ((instance_id IS NOT NULL) = (action_type IN ('SWITCH_INSTANCE', 'TERMINATE_ROGUE')) AND (waste_resource_id IS NOT NULL) = (action_type = 'DELETE_WASTE') AND (cluster_id IS NOT NULL) = (action_type = 'HIBERNATE_CLUSTER')),
    CONSTRAINT ck_approval_requests_decided CHECK (CASE status WHEN 'PENDING' THEN decided_at IS NULL WHEN 'EXPIRED' THEN true ELSE decided_at IS NOT NULL END AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT ck_approval_requests_approver CHECK ((decided_by IS NOT NULL AND decided_by = 'person') = (approver_id IS NOT NULL) AND (approver_id IS NULL) = (approver_name IS NULL)),
    CONSTRAINT ck_approval_requests_four_eyes CHECK (approver_id <> requester_id),
    CONSTRAINT ck_approval_requests_rejection CHECK (rejection_reason IS NULL OR status = 'REJECTED'),
    CONSTRAINT ck_approval_requests_executed CHECK (executed_at IS NULL OR status = 'APPROVED'),
    CONSTRAINT ck_approval_requests_window CHECK (expires_at > requested_at),
    CONSTRAINT ck_approval_requests_in_time CHECK ((decided_at IS NULL OR decided_at <= expires_at) AND (executed_at IS NULL OR executed_at <= expires_at)),
    CONSTRAINT uq_approval_requests_id UNIQUE (id),
    CONSTRAINT fk_approval_requests_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_approval_requests_tenant_id_instance_id FOREIGN KEY(tenant_id, instance_id) REFERENCES instances (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_approval_requests_tenant_id_waste_resource_id FOREIGN KEY(tenant_id, waste_resource_id) REFERENCES waste_resources (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_approval_requests_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_approval_requests_requester_name_length CHECK (length(requester_name) >= 1 AND length(requester_name) <= 255),
    CONSTRAINT ck_approval_requests_decided_by_values CHECK (decided_by IN ('person', 'policy')),
    CONSTRAINT ck_approval_requests_approver_name_length CHECK (length(approver_name) >= 1 AND length(approver_name) <= 255),
    CONSTRAINT ck_approval_requests_action_type_values CHECK (action_type IN ('SWITCH_INSTANCE', 'TERMINATE_ROGUE', 'DELETE_WASTE', 'HIBERNATE_CLUSTER')),
    CONSTRAINT ck_approval_requests_action_description_length CHECK (length(action_description) >= 1 AND length(action_description) <= 4000),
    CONSTRAINT ck_approval_requests_risk_level_values CHECK (risk_level IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    CONSTRAINT ck_approval_requests_action_payload_json CHECK (jsonb_typeof(action_payload) = 'object' AND octet_length(action_payload::text) <= 262144),
    CONSTRAINT ck_approval_requests_plan_hash_length CHECK (length(plan_hash) >= 64 AND length(plan_hash) <= 64),
    CONSTRAINT ck_approval_requests_plan_hash_ascii CHECK (plan_hash COLLATE "C" ~ '^[0-9a-f]*$'),
    CONSTRAINT ck_approval_requests_status_values CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED')),
    CONSTRAINT ck_approval_requests_rejection_reason_length CHECK (length(rejection_reason) <= 4000),
    CONSTRAINT ck_approval_requests_requested_at_utc CHECK (requested_at >= '0001-01-01 00:00:00+00' AND requested_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_approval_requests_expires_at_utc CHECK (expires_at >= '0001-01-01 00:00:00+00' AND expires_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_approval_requests_decided_at_utc CHECK (decided_at >= '0001-01-01 00:00:00+00' AND decided_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_approval_requests_executed_at_utc CHECK (executed_at >= '0001-01-01 00:00:00+00' AND executed_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_approval_requests_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_approval_requests_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_approval_requests_tenant_id_cluster_id ON approval_requests (tenant_id, cluster_id);

CREATE INDEX ix_approval_requests_tenant_id_instance_id ON approval_requests (tenant_id, instance_id);

CREATE INDEX ix_approval_requests_tenant_id_requested_at ON approval_requests (tenant_id, requested_at);

CREATE INDEX ix_approval_requests_tenant_id_requester_id ON approval_requests (tenant_id, requester_id);

CREATE INDEX ix_approval_requests_tenant_id_status_expires_at ON approval_requests (tenant_id, status, expires_at);

CREATE INDEX ix_approval_requests_tenant_id_waste_resource_id ON approval_requests (tenant_id, waste_resource_id);

CREATE UNIQUE INDEX uq_approval_requests_cluster ON approval_requests (tenant_id, cluster_id, action_type) WHERE status = 'PENDING';

CREATE UNIQUE INDEX uq_approval_requests_instance ON approval_requests (tenant_id, instance_id, action_type) WHERE status = 'PENDING';

CREATE UNIQUE INDEX uq_approval_requests_waste_resource ON approval_requests (tenant_id, waste_resource_id, action_type) WHERE status = 'PENDING';

COMMENT ON COLUMN approval_requests.tenant_id IS 'owner of the row';

COMMENT ON COLUMN approval_requests.id IS 'UUIDv7';

COMMENT ON COLUMN approval_requests.requester_id IS 'user who asks; none for spothive itself; no key';

COMMENT ON COLUMN approval_requests.requester_name IS 'who asks, as of then';

COMMENT ON COLUMN approval_requests.decided_by IS 'kind of whoever decided';

COMMENT ON COLUMN approval_requests.approver_id IS 'user who approved or rejected; no key';

COMMENT ON COLUMN approval_requests.approver_name IS 'who that was, as of then';

COMMENT ON COLUMN approval_requests.action_type IS 'what is to be done';

COMMENT ON COLUMN approval_requests.instance_id IS 'target of a switch or termination';

COMMENT ON COLUMN approval_requests.waste_resource_id IS 'target of a deletion';

COMMENT ON COLUMN approval_requests.cluster_id IS 'target of a hibernation';

COMMENT ON COLUMN approval_requests.action_description IS 'what would happen, for people';

COMMENT ON COLUMN approval_requests.risk_level IS 'how bad a mistake would be';

COMMENT ON COLUMN approval_requests.action_payload IS 'what exactly is to be done';

COMMENT ON COLUMN approval_requests.plan_hash IS 'SHA-256 of the payload and of the target as it was seen';

COMMENT ON COLUMN approval_requests.status IS 'how far the request is';

COMMENT ON COLUMN approval_requests.rejection_reason IS 'why it was rejected';

COMMENT ON COLUMN approval_requests.requested_at IS 'UTC';

COMMENT ON COLUMN approval_requests.expires_at IS 'neither decided nor executed after this, UTC';

COMMENT ON COLUMN approval_requests.decided_at IS 'when it was approved or rejected, UTC';

COMMENT ON COLUMN approval_requests.executed_at IS 'when it was executed, UTC: once';

COMMENT ON COLUMN approval_requests.created_at IS 'UTC';

COMMENT ON COLUMN approval_requests.updated_at IS 'UTC';

CREATE TABLE experiment_logs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    instance_id UUID NOT NULL,
    model_id UUID,
    experiment_name TEXT,
    pipeline_mode TEXT NOT NULL,
    is_shadow_run BOOLEAN DEFAULT false NOT NULL,
    prediction_score FLOAT(53),
    decision TEXT NOT NULL,
    decision_reason TEXT NOT NULL,
    execution_time TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    execution_duration_ms BIGINT,
    candidates_evaluated BIGINT,
    selected_instance_type TEXT,
    selected_availability_zone TEXT,
    old_spot_price NUMERIC(14, 6),
    new_spot_price NUMERIC(14, 6),
    projected_hourly_savings NUMERIC(14, 6),
    features_used JSONB DEFAULT '{}' NOT NULL,
    metrics JSONB,
    status TEXT DEFAULT 'RECORDED' NOT NULL,
    error_message TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_experiment_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_experiment_logs_failed CHECK ((decision = 'FAILED') = (error_message IS NOT NULL)),
    CONSTRAINT ck_experiment_logs_target CHECK (decision <> 'SWITCH' OR (selected_instance_type IS NOT NULL AND selected_availability_zone IS NOT NULL)),
    CONSTRAINT ck_experiment_logs_shadow CHECK (NOT is_shadow_run OR status = 'RECORDED'),
    CONSTRAINT fk_experiment_logs_model_id FOREIGN KEY(model_id) REFERENCES ml_models (id),
    CONSTRAINT uq_experiment_logs_id UNIQUE (id),
    CONSTRAINT fk_experiment_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_logs_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_logs_tenant_id_instance_id FOREIGN KEY(tenant_id, instance_id) REFERENCES instances (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_experiment_logs_experiment_name_length CHECK (length(experiment_name) <= 255),
    CONSTRAINT ck_experiment_logs_pipeline_mode_values CHECK (pipeline_mode IN ('CLUSTER', 'LINEAR')),
    CONSTRAINT ck_experiment_logs_prediction_score_range CHECK (prediction_score >= 0 AND prediction_score <= 1),
    CONSTRAINT ck_experiment_logs_decision_values CHECK (decision IN ('SWITCH', 'HOLD', 'FAILED')),
    CONSTRAINT ck_experiment_logs_decision_reason_length CHECK (length(decision_reason) >= 1 AND length(decision_reason) <= 4000),
    CONSTRAINT ck_experiment_logs_execution_time_utc CHECK (execution_time >= '0001-01-01 00:00:00+00' AND execution_time < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_experiment_logs_execution_duration_ms_range CHECK (execution_duration_ms >= 0 AND execution_duration_ms <= 2147483647),
    CONSTRAINT ck_experiment_logs_candidates_evaluated_range CHECK (candidates_evaluated >= 0 AND candidates_evaluated <= 2147483647),
    CONSTRAINT ck_experiment_logs_selected_instance_type_length CHECK (length(selected_instance_type) >= 1 AND length(selected_instance_type) <= 32),
    CONSTRAINT ck_experiment_logs_selected_availability_zone_length CHECK (length(selected_availability_zone) >= 1 AND length(selected_availability_zone) <= 32),
    CONSTRAINT ck_experiment_logs_old_spot_price_money CHECK (old_spot_price >= 0 AND old_spot_price <= 99999999.999999),
    CONSTRAINT ck_experiment_logs_new_spot_price_money CHECK (new_spot_price >= 0 AND new_spot_price <= 99999999.999999),
    CONSTRAINT ck_experiment_logs_projected_hourly_savings_money CHECK (projected_hourly_savings >= -99999999.999999 AND projected_hourly_savings <= 99999999.999999),
    CONSTRAINT ck_experiment_logs_features_used_json CHECK (jsonb_typeof(features_used) = 'object' AND octet_length(features_used::text) <= 262144),
    CONSTRAINT ck_experiment_logs_metrics_json CHECK (jsonb_typeof(metrics) = 'object' AND octet_length(metrics::text) <= 262144),
    CONSTRAINT ck_experiment_logs_status_values CHECK (status IN ('RECORDED', 'ACTED', 'REVERTED')),
    CONSTRAINT ck_experiment_logs_error_message_length CHECK (length(error_message) >= 1 AND length(error_message) <= 4000),
    CONSTRAINT ck_experiment_logs_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_experiment_logs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_experiment_logs_acted ON experiment_logs (tenant_id, status, execution_time) WHERE status <> 'RECORDED';

CREATE INDEX ix_experiment_logs_model_id ON experiment_logs (model_id);

CREATE INDEX ix_experiment_logs_not_held ON experiment_logs (tenant_id, decision, execution_time) WHERE decision <> 'HOLD';

CREATE INDEX ix_experiment_logs_tenant_id_account_id_execution_time ON experiment_logs (tenant_id, account_id, execution_time);

CREATE INDEX ix_experiment_logs_tenant_id_execution_time ON experiment_logs (tenant_id, execution_time);

CREATE INDEX ix_experiment_logs_tenant_id_instance_id ON experiment_logs (tenant_id, instance_id);

COMMENT ON COLUMN experiment_logs.tenant_id IS 'owner of the row';

COMMENT ON COLUMN experiment_logs.id IS 'UUIDv7';

COMMENT ON COLUMN experiment_logs.account_id IS 'account of the instance';

COMMENT ON COLUMN experiment_logs.instance_id IS 'instance it is about';

COMMENT ON COLUMN experiment_logs.model_id IS 'model that judged; none if rules alone did';

COMMENT ON COLUMN experiment_logs.experiment_name IS 'lab experiment it was a part of';

COMMENT ON COLUMN experiment_logs.pipeline_mode IS 'pipeline it went through';

COMMENT ON COLUMN experiment_logs.is_shadow_run IS 'recorded only, never acted on';

COMMENT ON COLUMN experiment_logs.prediction_score IS 'probability that the instance is interrupted, as the model sees it';

COMMENT ON COLUMN experiment_logs.decision IS 'what was decided';

COMMENT ON COLUMN experiment_logs.decision_reason IS 'why, for people';

COMMENT ON COLUMN experiment_logs.execution_time IS 'when it was decided, UTC';

COMMENT ON COLUMN experiment_logs.execution_duration_ms IS 'how long it took, in milliseconds';

COMMENT ON COLUMN experiment_logs.candidates_evaluated IS 'pools that were compared';

COMMENT ON COLUMN experiment_logs.selected_instance_type IS 'where to go';

COMMENT ON COLUMN experiment_logs.selected_availability_zone IS 'where to go';

COMMENT ON COLUMN experiment_logs.old_spot_price IS 'of the pool it is in, USD per hour';

COMMENT ON COLUMN experiment_logs.new_spot_price IS 'of the pool to go to, USD per hour';

COMMENT ON COLUMN experiment_logs.projected_hourly_savings IS 'USD per hour; negative when safety costs';

COMMENT ON COLUMN experiment_logs.features_used IS 'what the model was given';

COMMENT ON COLUMN experiment_logs.metrics IS 'score of every candidate';

COMMENT ON COLUMN experiment_logs.status IS 'what became of it';

COMMENT ON COLUMN experiment_logs.error_message IS 'why no decision could be taken';

COMMENT ON COLUMN experiment_logs.created_at IS 'UTC';

COMMENT ON COLUMN experiment_logs.updated_at IS 'UTC';

CREATE TABLE hibernation_overrides (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    schedule_id UUID NOT NULL,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_by UUID,
    person_name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_hibernation_overrides PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_hibernation_overrides_order CHECK (ends_at > starts_at),
    CONSTRAINT uq_hibernation_overrides_id UNIQUE (id),
    CONSTRAINT fk_hibernation_overrides_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_hibernation_overrides_tenant_id_schedule_id FOREIGN KEY(tenant_id, schedule_id) REFERENCES hibernation_schedules (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_hibernation_overrides_starts_at_utc CHECK (starts_at >= '0001-01-01 00:00:00+00' AND starts_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_hibernation_overrides_ends_at_utc CHECK (ends_at >= '0001-01-01 00:00:00+00' AND ends_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_hibernation_overrides_state_values CHECK (state IN ('awake', 'asleep')),
    CONSTRAINT ck_hibernation_overrides_reason_length CHECK (length(reason) >= 1 AND length(reason) <= 255),
    CONSTRAINT ck_hibernation_overrides_person_name_length CHECK (length(person_name) >= 1 AND length(person_name) <= 255),
    CONSTRAINT ck_hibernation_overrides_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_hibernation_overrides_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_hibernation_overrides_tenant_id_schedule_id_ends_at ON hibernation_overrides (tenant_id, schedule_id, ends_at);

COMMENT ON COLUMN hibernation_overrides.tenant_id IS 'owner of the row';

COMMENT ON COLUMN hibernation_overrides.id IS 'UUIDv7';

COMMENT ON COLUMN hibernation_overrides.schedule_id IS 'schedule that does not count meanwhile';

COMMENT ON COLUMN hibernation_overrides.starts_at IS 'UTC';

COMMENT ON COLUMN hibernation_overrides.ends_at IS 'UTC';

COMMENT ON COLUMN hibernation_overrides.state IS 'what holds instead';

COMMENT ON COLUMN hibernation_overrides.reason IS 'why, for people';

COMMENT ON COLUMN hibernation_overrides.created_by IS 'user; no key, the row outlives its maker';

COMMENT ON COLUMN hibernation_overrides.person_name IS 'who that was, as of then';

COMMENT ON COLUMN hibernation_overrides.created_at IS 'UTC';

COMMENT ON COLUMN hibernation_overrides.updated_at IS 'UTC';

CREATE TABLE explanations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    experiment_log_id UUID NOT NULL,
    method TEXT DEFAULT 'shapley' NOT NULL,
    base_value FLOAT(53) NOT NULL,
    explanation_data JSONB DEFAULT '[]' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_explanations PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_explanations_tenant_id_experiment_log_id_method UNIQUE (tenant_id, experiment_log_id, method),
    CONSTRAINT uq_explanations_id UNIQUE (id),
    CONSTRAINT fk_explanations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_explanations_tenant_id_experiment_log_id FOREIGN KEY(tenant_id, experiment_log_id) REFERENCES experiment_logs (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_explanations_method_values CHECK (method IN ('shapley')),
    CONSTRAINT ck_explanations_base_value_range CHECK (base_value >= 0 AND base_value <= 1),
    CONSTRAINT ck_explanations_explanation_data_json CHECK (jsonb_typeof(explanation_data) = 'array' AND octet_length(explanation_data::text) <= 262144),
    CONSTRAINT ck_explanations_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_explanations_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00')
);

CREATE INDEX ix_explanations_tenant_id_method_created_at ON explanations (tenant_id, method, created_at);

COMMENT ON COLUMN explanations.tenant_id IS 'owner of the row';

COMMENT ON COLUMN explanations.id IS 'UUIDv7';

COMMENT ON COLUMN explanations.experiment_log_id IS 'decision that is explained';

COMMENT ON COLUMN explanations.method IS 'how';

COMMENT ON COLUMN explanations.base_value IS 'score of the stored baseline, a probability';

COMMENT ON COLUMN explanations.explanation_data IS 'feature, value and attribution of each';

COMMENT ON COLUMN explanations.created_at IS 'UTC';

COMMENT ON COLUMN explanations.updated_at IS 'UTC';

CREATE OR REPLACE FUNCTION spothive_refuse() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = '23514', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;
END
$guard$;

CREATE OR REPLACE FUNCTION spothive_serialise() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('spothive.' || TG_ARGV[0], 0));
  RETURN NULL;
END
$guard$;

CREATE OR REPLACE FUNCTION spothive_stamp() RETURNS trigger LANGUAGE plpgsql AS $guard$
BEGIN
  NEW.timestamp := clock_timestamp();
  NEW.txid := pg_current_xact_id()::text::bigint;
  RETURN NEW;
END
$guard$;

DO $grant$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO spothive_app, spothive_readonly, spothive_system', current_schema()); END $grant$;

GRANT SELECT ON spothive_guards TO spothive_app, spothive_readonly, spothive_system;

DO $grant$ BEGIN IF to_regclass('alembic_version') IS NOT NULL THEN GRANT SELECT ON alembic_version TO spothive_app, spothive_readonly, spothive_system; END IF; END $grant$;

CREATE TRIGGER ao_account_logs_update BEFORE UPDATE ON account_logs FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_account_logs_update');

CREATE TRIGGER ao_account_logs_delete BEFORE DELETE ON account_logs FOR EACH ROW
WHEN (NOT (current_user = 'spothive_system' AND (old.timestamp < clock_timestamp() - interval '8760 hours')))
EXECUTE FUNCTION spothive_refuse('ao_account_logs_delete');

CREATE TRIGGER ao_account_logs_truncate BEFORE TRUNCATE ON account_logs FOR EACH STATEMENT
EXECUTE FUNCTION spothive_refuse('ao_account_logs_truncate');

REVOKE ALL ON account_logs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON account_logs TO spothive_system;

GRANT SELECT ON account_logs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON account_logs TO spothive_app;

ALTER TABLE account_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE account_logs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON account_logs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON account_logs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER ao_audit_logs_update BEFORE UPDATE ON audit_logs FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_audit_logs_update');

CREATE TRIGGER ao_audit_logs_delete BEFORE DELETE ON audit_logs FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_audit_logs_delete');

CREATE TRIGGER ao_audit_logs_truncate BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT
EXECUTE FUNCTION spothive_refuse('ao_audit_logs_truncate');

CREATE TRIGGER stamp_audit_logs BEFORE INSERT ON audit_logs FOR EACH ROW
EXECUTE FUNCTION spothive_stamp();

REVOKE ALL ON audit_logs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON audit_logs TO spothive_system;

GRANT SELECT ON audit_logs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON audit_logs TO spothive_app;

ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE audit_logs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON audit_logs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON audit_logs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER ao_audit_seals_update BEFORE UPDATE ON audit_seals FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_audit_seals_update');

CREATE TRIGGER ao_audit_seals_delete BEFORE DELETE ON audit_seals FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_audit_seals_delete');

CREATE TRIGGER ao_audit_seals_truncate BEFORE TRUNCATE ON audit_seals FOR EACH STATEMENT
EXECUTE FUNCTION spothive_refuse('ao_audit_seals_truncate');

REVOKE ALL ON audit_seals FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON audit_seals TO spothive_system;

GRANT SELECT ON audit_seals TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON audit_seals TO spothive_app;

ALTER TABLE audit_seals ENABLE ROW LEVEL SECURITY;

ALTER TABLE audit_seals FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON audit_seals USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON audit_seals TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON component_health FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON component_health TO spothive_system;

GRANT SELECT ON component_health TO spothive_readonly;

GRANT SELECT ON component_health TO spothive_app;

CREATE TRIGGER ao_global_risk_events_update BEFORE UPDATE ON global_risk_events FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_global_risk_events_update');

CREATE TRIGGER ao_global_risk_events_delete BEFORE DELETE ON global_risk_events FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_global_risk_events_delete');

CREATE TRIGGER ao_global_risk_events_truncate BEFORE TRUNCATE ON global_risk_events FOR EACH STATEMENT
EXECUTE FUNCTION spothive_refuse('ao_global_risk_events_truncate');

REVOKE ALL ON global_risk_events FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON global_risk_events TO spothive_system;

GRANT SELECT ON global_risk_events TO spothive_readonly;

GRANT SELECT ON global_risk_events TO spothive_app;

CREATE TRIGGER ao_login_history_update BEFORE UPDATE ON login_history FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_login_history_update');

CREATE TRIGGER ao_login_history_delete BEFORE DELETE ON login_history FOR EACH ROW
WHEN (NOT (current_user = 'spothive_system' AND (old.timestamp < clock_timestamp() - interval '8760 hours')))
EXECUTE FUNCTION spothive_refuse('ao_login_history_delete');

CREATE TRIGGER ao_login_history_truncate BEFORE TRUNCATE ON login_history FOR EACH STATEMENT
EXECUTE FUNCTION spothive_refuse('ao_login_history_truncate');

REVOKE ALL ON login_history FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON login_history TO spothive_system;

GRANT SELECT ON login_history TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON login_history TO spothive_app;

ALTER TABLE login_history ENABLE ROW LEVEL SECURITY;

ALTER TABLE login_history FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON login_history USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON login_history TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_ml_models_status_first BEFORE INSERT ON ml_models FOR EACH ROW
WHEN ((new.status NOT IN ('CANDIDATE')))
EXECUTE FUNCTION spothive_refuse('lc_ml_models_status_first');

CREATE TRIGGER lc_ml_models_status_move BEFORE UPDATE OF status ON ml_models FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'CANDIDATE' AND new.status IN ('ARCHIVED', 'TESTING') OR old.status = 'TESTING' AND new.status IN ('ARCHIVED', 'GRADUATED') OR old.status = 'GRADUATED' AND new.status IN ('ARCHIVED', 'ENABLED') OR old.status = 'ENABLED' AND new.status IN ('ARCHIVED')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_ml_models_status_move');

CREATE TRIGGER lc_ml_models_key BEFORE UPDATE OF id ON ml_models FOR EACH ROW
WHEN (old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_ml_models_key');

CREATE TRIGGER lc_ml_models_kept BEFORE DELETE ON ml_models FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('lc_ml_models_kept');

CREATE OR REPLACE FUNCTION guard_lc_ml_models_graduated() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF old.status = 'TESTING' AND new.status = 'GRADUATED' AND NOT (EXISTS (SELECT 1 AS anon_1 
FROM lab_experiments 
WHERE lab_experiments.model_id = new.id AND lab_experiments.status = 'COMPLETED')) THEN
    RAISE EXCEPTION 'lc_ml_models_graduated' USING ERRCODE = '23514', CONSTRAINT = 'lc_ml_models_graduated', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_ml_models_graduated BEFORE UPDATE OF status ON ml_models FOR EACH ROW
EXECUTE FUNCTION guard_lc_ml_models_graduated();

CREATE TRIGGER lc_ml_models_file BEFORE UPDATE OF name, version, file_path, file_hash, file_format ON ml_models FOR EACH ROW
WHEN (old.name IS DISTINCT FROM new.name OR old.version IS DISTINCT FROM new.version OR old.file_path IS DISTINCT FROM new.file_path OR old.file_hash IS DISTINCT FROM new.file_hash OR old.file_format IS DISTINCT FROM new.file_format)
EXECUTE FUNCTION spothive_refuse('lc_ml_models_file');

REVOKE ALL ON ml_models FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON ml_models TO spothive_system;

GRANT SELECT ON ml_models TO spothive_readonly;

GRANT SELECT ON ml_models TO spothive_app;

REVOKE ALL ON on_demand_prices FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON on_demand_prices TO spothive_system;

GRANT SELECT ON on_demand_prices TO spothive_readonly;

GRANT SELECT ON on_demand_prices TO spothive_app;

CREATE TRIGGER ao_risk_sources_update BEFORE UPDATE ON risk_sources FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_risk_sources_update');

CREATE TRIGGER ao_risk_sources_delete BEFORE DELETE ON risk_sources FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_risk_sources_delete');

CREATE TRIGGER ao_risk_sources_truncate BEFORE TRUNCATE ON risk_sources FOR EACH STATEMENT
EXECUTE FUNCTION spothive_refuse('ao_risk_sources_truncate');

REVOKE ALL ON risk_sources FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON risk_sources TO spothive_system;

REVOKE ALL ON rollup_watermarks FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON rollup_watermarks TO spothive_system;

GRANT SELECT ON rollup_watermarks TO spothive_readonly;

GRANT SELECT ON rollup_watermarks TO spothive_app;

REVOKE ALL ON spot_advisor_ratings FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON spot_advisor_ratings TO spothive_system;

GRANT SELECT ON spot_advisor_ratings TO spothive_readonly;

GRANT SELECT ON spot_advisor_ratings TO spothive_app;

REVOKE ALL ON spot_pool_risks FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON spot_pool_risks TO spothive_system;

GRANT SELECT ON spot_pool_risks TO spothive_readonly;

GRANT SELECT ON spot_pool_risks TO spothive_app;

REVOKE ALL ON spot_prices FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON spot_prices TO spothive_system;

GRANT SELECT ON spot_prices TO spothive_readonly;

GRANT SELECT ON spot_prices TO spothive_app;

REVOKE ALL ON sweep_leases FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON sweep_leases TO spothive_system;

GRANT SELECT ON sweep_leases TO spothive_readonly;

GRANT SELECT ON sweep_leases TO spothive_app;

REVOKE ALL ON system_logs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON system_logs TO spothive_system;

GRANT SELECT ON system_logs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON system_logs TO spothive_app;

ALTER TABLE system_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE system_logs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON system_logs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON system_logs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_tenants_platform BEFORE UPDATE OF id, slug, is_active ON tenants FOR EACH ROW
WHEN (old.id = '00000000-0000-7000-8000-000000000001' AND (old.id IS DISTINCT FROM new.id OR old.slug IS DISTINCT FROM new.slug OR old.is_active IS DISTINCT FROM new.is_active))
EXECUTE FUNCTION spothive_refuse('lc_tenants_platform');

CREATE TRIGGER lc_tenants_platform_gone BEFORE DELETE ON tenants FOR EACH ROW
WHEN (old.id = '00000000-0000-7000-8000-000000000001')
EXECUTE FUNCTION spothive_refuse('lc_tenants_platform_gone');

CREATE TRIGGER lc_tenants_id BEFORE UPDATE OF id ON tenants FOR EACH ROW
WHEN (old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_tenants_id');

REVOKE ALL ON tenants FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON tenants TO spothive_system;

GRANT SELECT ON tenants TO spothive_readonly;

GRANT SELECT ON tenants TO spothive_app;

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;

ALTER TABLE tenants FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON tenants USING (id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON tenants TO spothive_system USING (true) WITH CHECK (true);

CREATE OR REPLACE FUNCTION guard_lc_withdrawn_keys_in_use() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended('spothive.sealing_key.' || new.key_id, 0)) AS pg_advisory_xact_lock_1) AS locked;
  IF (EXISTS (SELECT 1 AS anon_1 
FROM accounts 
WHERE substr(accounts.aws_access_key_id, 10, 8) = new.key_id)) OR (EXISTS (SELECT 1 AS anon_2 
FROM accounts 
WHERE substr(accounts.aws_secret_access_key, 10, 8) = new.key_id)) OR (EXISTS (SELECT 1 AS anon_3 
FROM users 
WHERE substr(users.totp_secret, 10, 8) = new.key_id)) OR (EXISTS (SELECT 1 AS anon_4 
FROM webhook_configurations 
WHERE substr(webhook_configurations.webhook_url, 10, 8) = new.key_id)) OR (EXISTS (SELECT 1 AS anon_5 
FROM webhook_configurations 
WHERE substr(webhook_configurations.signing_secret, 10, 8) = new.key_id)) OR (EXISTS (SELECT 1 AS anon_6 
FROM webhook_configurations 
WHERE substr(webhook_configurations.previous_secret, 10, 8) = new.key_id)) OR NOT current_user = 'spothive_system' OR current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
    RAISE EXCEPTION 'lc_withdrawn_keys_in_use' USING ERRCODE = '23514', CONSTRAINT = 'lc_withdrawn_keys_in_use', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_withdrawn_keys_in_use BEFORE INSERT ON withdrawn_keys FOR EACH ROW
EXECUTE FUNCTION guard_lc_withdrawn_keys_in_use();

CREATE TRIGGER ao_withdrawn_keys_update BEFORE UPDATE ON withdrawn_keys FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_withdrawn_keys_update');

CREATE TRIGGER ao_withdrawn_keys_delete BEFORE DELETE ON withdrawn_keys FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('ao_withdrawn_keys_delete');

CREATE TRIGGER ao_withdrawn_keys_truncate BEFORE TRUNCATE ON withdrawn_keys FOR EACH STATEMENT
EXECUTE FUNCTION spothive_refuse('ao_withdrawn_keys_truncate');

REVOKE ALL ON withdrawn_keys FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON withdrawn_keys TO spothive_system;

GRANT SELECT ON withdrawn_keys TO spothive_readonly;

GRANT SELECT ON withdrawn_keys TO spothive_app;

CREATE OR REPLACE FUNCTION guard_lc_datasets_file() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF (old.file_path IS DISTINCT FROM new.file_path OR old.file_hash IS DISTINCT FROM new.file_hash) AND (new.file_path = old.file_path OR NOT ((EXISTS (SELECT dataset_generations.id 
FROM dataset_generations 
WHERE dataset_generations.tenant_id = new.tenant_id AND dataset_generations.status = 'running' AND dataset_generations.name = new.name)) OR (EXISTS (SELECT dataset_imports.id 
FROM dataset_imports 
WHERE dataset_imports.tenant_id = new.tenant_id AND dataset_imports.status = 'running' AND dataset_imports.name = new.name)))) THEN
    RAISE EXCEPTION 'lc_datasets_file' USING ERRCODE = '23514', CONSTRAINT = 'lc_datasets_file', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_datasets_file BEFORE UPDATE OF file_path, file_hash ON datasets FOR EACH ROW
EXECUTE FUNCTION guard_lc_datasets_file();

REVOKE ALL ON datasets FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON datasets TO spothive_system;

GRANT SELECT ON datasets TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON datasets TO spothive_app;

ALTER TABLE datasets ENABLE ROW LEVEL SECURITY;

ALTER TABLE datasets FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON datasets USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON datasets TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_downtime_logs_facts BEFORE UPDATE OF instance_id, cluster_id, start_time, cause, cause_details, decision_id, end_time, duration_seconds ON downtime_logs FOR EACH ROW
WHEN (old.instance_id IS DISTINCT FROM new.instance_id OR old.cluster_id IS DISTINCT FROM new.cluster_id OR old.start_time IS DISTINCT FROM new.start_time OR old.cause IS DISTINCT FROM new.cause OR old.cause_details IS DISTINCT FROM new.cause_details OR old.decision_id IS DISTINCT FROM new.decision_id OR old.end_time IS NOT NULL AND (old.end_time IS DISTINCT FROM new.end_time OR old.duration_seconds IS DISTINCT FROM new.duration_seconds))
EXECUTE FUNCTION spothive_refuse('lc_downtime_logs_facts');

REVOKE ALL ON downtime_logs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON downtime_logs TO spothive_system;

GRANT SELECT ON downtime_logs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON downtime_logs TO spothive_app;

ALTER TABLE downtime_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE downtime_logs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON downtime_logs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON downtime_logs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_email_logs_status_first BEFORE INSERT ON email_logs FOR EACH ROW
WHEN ((new.status NOT IN ('pending')))
EXECUTE FUNCTION spothive_refuse('lc_email_logs_status_first');

CREATE TRIGGER lc_email_logs_status_move BEFORE UPDATE OF status ON email_logs FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'pending' AND new.status IN ('failed', 'sent')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_email_logs_status_move');

CREATE TRIGGER lc_email_logs_key BEFORE UPDATE OF tenant_id, id ON email_logs FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_email_logs_key');

CREATE TRIGGER lc_email_logs_message_id_once BEFORE UPDATE OF message_id ON email_logs FOR EACH ROW
WHEN (old.message_id IS NOT NULL AND old.message_id IS DISTINCT FROM new.message_id)
EXECUTE FUNCTION spothive_refuse('lc_email_logs_message_id_once');

REVOKE ALL ON email_logs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON email_logs TO spothive_system;

GRANT SELECT ON email_logs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON email_logs TO spothive_app;

ALTER TABLE email_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE email_logs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON email_logs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON email_logs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_invitations_accepted_at_once BEFORE UPDATE OF accepted_at ON invitations FOR EACH ROW
WHEN (old.accepted_at IS NOT NULL AND old.accepted_at IS DISTINCT FROM new.accepted_at)
EXECUTE FUNCTION spothive_refuse('lc_invitations_accepted_at_once');

CREATE TRIGGER lc_invitations_open_lock BEFORE INSERT OR UPDATE OF tenant_id, email ON invitations FOR EACH STATEMENT
EXECUTE FUNCTION spothive_serialise('invitations');

CREATE OR REPLACE FUNCTION guard_lc_invitations_open() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF new.accepted_at IS NULL AND (EXISTS (SELECT invitations.id 
FROM invitations 
WHERE invitations.tenant_id = new.tenant_id AND invitations.email = new.email AND invitations.id != new.id AND invitations.accepted_at IS NULL)) THEN
    RAISE EXCEPTION 'lc_invitations_open' USING ERRCODE = '23514', CONSTRAINT = 'lc_invitations_open', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_invitations_open BEFORE INSERT OR UPDATE OF tenant_id, email ON invitations FOR EACH ROW
EXECUTE FUNCTION guard_lc_invitations_open();

REVOKE ALL ON invitations FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO spothive_system;

GRANT SELECT ON invitations TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO spothive_app;

ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;

ALTER TABLE invitations FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON invitations USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON invitations TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_lab_experiments_status_first BEFORE INSERT ON lab_experiments FOR EACH ROW
WHEN ((new.status NOT IN ('DRAFT')))
EXECUTE FUNCTION spothive_refuse('lc_lab_experiments_status_first');

CREATE TRIGGER lc_lab_experiments_status_move BEFORE UPDATE OF status ON lab_experiments FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'DRAFT' AND new.status IN ('RUNNING') OR old.status = 'RUNNING' AND new.status IN ('COMPLETED', 'FAILED')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_lab_experiments_status_move');

CREATE TRIGGER lc_lab_experiments_key BEFORE UPDATE OF tenant_id, id ON lab_experiments FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_lab_experiments_key');

REVOKE ALL ON lab_experiments FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON lab_experiments TO spothive_system;

GRANT SELECT ON lab_experiments TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON lab_experiments TO spothive_app;

ALTER TABLE lab_experiments ENABLE ROW LEVEL SECURITY;

ALTER TABLE lab_experiments FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON lab_experiments USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON lab_experiments TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON tags FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON tags TO spothive_system;

GRANT SELECT ON tags TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON tags TO spothive_app;

ALTER TABLE tags ENABLE ROW LEVEL SECURITY;

ALTER TABLE tags FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON tags USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON tags TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_tellings_forward BEFORE UPDATE ON tellings FOR EACH ROW
WHEN (new.told_until < old.told_until OR new.event_type != old.event_type OR new.subject != old.subject)
EXECUTE FUNCTION spothive_refuse('lc_tellings_forward');

REVOKE ALL ON tellings FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON tellings TO spothive_system;

GRANT SELECT ON tellings TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON tellings TO spothive_app;

ALTER TABLE tellings ENABLE ROW LEVEL SECURITY;

ALTER TABLE tellings FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON tellings USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON tellings TO spothive_system USING (true) WITH CHECK (true);

CREATE OR REPLACE FUNCTION guard_lc_users_totp_secret_withdrawn() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT pg_advisory_xact_lock_shared(hashtextextended('spothive.sealing_key.' || substr(new.totp_secret, 10, 8), 0)) AS pg_advisory_xact_lock_shared_1) AS locked;
  IF new.totp_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.totp_secret, 10, 8))) OR current_setting('transaction_isolation') IN ('repeatable read', 'serializable')) THEN
    RAISE EXCEPTION 'lc_users_totp_secret_withdrawn' USING ERRCODE = '23514', CONSTRAINT = 'lc_users_totp_secret_withdrawn', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_users_totp_secret_withdrawn BEFORE INSERT OR UPDATE OF totp_secret ON users FOR EACH ROW
EXECUTE FUNCTION guard_lc_users_totp_secret_withdrawn();

CREATE TRIGGER lc_users_username BEFORE INSERT OR UPDATE OF username ON users FOR EACH ROW
WHEN (replace(new.username, '@', '') != new.username)
EXECUTE FUNCTION spothive_refuse('lc_users_username');

CREATE TRIGGER lc_users_last_admin_lock BEFORE UPDATE OF tenant_id, role, is_active ON users FOR EACH STATEMENT
EXECUTE FUNCTION spothive_serialise('last_admin');

CREATE OR REPLACE FUNCTION guard_lc_users_last_admin() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT users.id 
FROM users 
WHERE old.tenant_id = '00000000-0000-7000-8000-000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS true AND users.tenant_id = '00000000-0000-7000-8000-000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS true AND users.id != old.id 
 LIMIT 1 FOR UPDATE) AS locked;
  IF old.tenant_id = '00000000-0000-7000-8000-000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS true AND (new.tenant_id = '00000000-0000-7000-8000-000000000001' AND new.role IN ('admin', 'super_admin') AND new.is_active IS true) IS NOT true AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE old.tenant_id = '00000000-0000-7000-8000-000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS true AND users.tenant_id = '00000000-0000-7000-8000-000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS true AND users.id != old.id 
 LIMIT 1)) THEN
    RAISE EXCEPTION 'lc_users_last_admin' USING ERRCODE = '23514', CONSTRAINT = 'lc_users_last_admin', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_users_last_admin BEFORE UPDATE OF tenant_id, role, is_active ON users FOR EACH ROW
EXECUTE FUNCTION guard_lc_users_last_admin();

CREATE TRIGGER lc_users_last_admin_gone_lock BEFORE DELETE ON users FOR EACH STATEMENT
EXECUTE FUNCTION spothive_serialise('last_admin');

CREATE OR REPLACE FUNCTION guard_lc_users_last_admin_gone() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT users.id 
FROM users 
WHERE old.tenant_id = '00000000-0000-7000-8000-000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS true AND users.tenant_id = '00000000-0000-7000-8000-000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS true AND users.id != old.id 
 LIMIT 1 FOR UPDATE) AS locked;
  IF old.tenant_id = '00000000-0000-7000-8000-000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS true AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE old.tenant_id = '00000000-0000-7000-8000-000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS true AND users.tenant_id = '00000000-0000-7000-8000-000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS true AND users.id != old.id 
 LIMIT 1)) THEN
    RAISE EXCEPTION 'lc_users_last_admin_gone' USING ERRCODE = '23514', CONSTRAINT = 'lc_users_last_admin_gone', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_users_last_admin_gone BEFORE DELETE ON users FOR EACH ROW
EXECUTE FUNCTION guard_lc_users_last_admin_gone();

CREATE TRIGGER lc_users_totp_step BEFORE UPDATE OF totp_last_step ON users FOR EACH ROW
WHEN (old.totp_last_step IS NOT NULL AND (new.totp_last_step IS NULL OR new.totp_last_step < old.totp_last_step) AND old.totp_secret IS NOT DISTINCT FROM new.totp_secret)
EXECUTE FUNCTION spothive_refuse('lc_users_totp_step');

CREATE TRIGGER lc_users_id BEFORE UPDATE OF id ON users FOR EACH ROW
WHEN (old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_users_id');

REVOKE ALL ON users FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON users TO spothive_system;

GRANT SELECT ON users TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON users TO spothive_app;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;

ALTER TABLE users FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON users USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON users TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_accounts_status_first BEFORE INSERT ON accounts FOR EACH ROW
WHEN ((new.status NOT IN ('pending')))
EXECUTE FUNCTION spothive_refuse('lc_accounts_status_first');

CREATE TRIGGER lc_accounts_status_move BEFORE UPDATE OF status ON accounts FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'pending' AND new.status IN ('connected') OR old.status = 'connected' AND new.status IN ('active', 'failed') OR old.status = 'active' AND new.status IN ('failed') OR old.status = 'failed' AND new.status IN ('connected')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_accounts_status_move');

CREATE TRIGGER lc_accounts_key BEFORE UPDATE OF tenant_id, id ON accounts FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_accounts_key');

CREATE OR REPLACE FUNCTION guard_lc_accounts_aws_access_key_id_withdrawn() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT pg_advisory_xact_lock_shared(hashtextextended('spothive.sealing_key.' || substr(new.aws_access_key_id, 10, 8), 0)) AS pg_advisory_xact_lock_shared_1) AS locked;
  IF new.aws_access_key_id IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.aws_access_key_id, 10, 8))) OR current_setting('transaction_isolation') IN ('repeatable read', 'serializable')) THEN
    RAISE EXCEPTION 'lc_accounts_aws_access_key_id_withdrawn' USING ERRCODE = '23514', CONSTRAINT = 'lc_accounts_aws_access_key_id_withdrawn', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_accounts_aws_access_key_id_withdrawn BEFORE INSERT OR UPDATE OF aws_access_key_id ON accounts FOR EACH ROW
EXECUTE FUNCTION guard_lc_accounts_aws_access_key_id_withdrawn();

CREATE OR REPLACE FUNCTION guard_lc_accounts_aws_secret_access_key_withdrawn() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT pg_advisory_xact_lock_shared(hashtextextended('spothive.sealing_key.' || substr(new.aws_secret_access_key, 10, 8), 0)) AS pg_advisory_xact_lock_shared_1) AS locked;
  IF new.aws_secret_access_key IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.aws_secret_access_key, 10, 8))) OR current_setting('transaction_isolation') IN ('repeatable read', 'serializable')) THEN
    RAISE EXCEPTION 'lc_accounts_aws_secret_access_key_withdrawn' USING ERRCODE = '23514', CONSTRAINT = 'lc_accounts_aws_secret_access_key_withdrawn', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_accounts_aws_secret_access_key_withdrawn BEFORE INSERT OR UPDATE OF aws_secret_access_key ON accounts FOR EACH ROW
EXECUTE FUNCTION guard_lc_accounts_aws_secret_access_key_withdrawn();

REVOKE ALL ON accounts FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON accounts TO spothive_system;

GRANT SELECT ON accounts TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON accounts TO spothive_app;

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE accounts FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON accounts USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON accounts TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_backup_codes_used_at_once BEFORE UPDATE OF used_at ON backup_codes FOR EACH ROW
WHEN (old.used_at IS NOT NULL AND old.used_at IS DISTINCT FROM new.used_at)
EXECUTE FUNCTION spothive_refuse('lc_backup_codes_used_at_once');

REVOKE ALL ON backup_codes FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON backup_codes TO spothive_system;

GRANT SELECT ON backup_codes TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON backup_codes TO spothive_app;

ALTER TABLE backup_codes ENABLE ROW LEVEL SECURITY;

ALTER TABLE backup_codes FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON backup_codes USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON backup_codes TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_dataset_generations_status_first BEFORE INSERT ON dataset_generations FOR EACH ROW
WHEN ((new.status NOT IN ('pending')))
EXECUTE FUNCTION spothive_refuse('lc_dataset_generations_status_first');

CREATE TRIGGER lc_dataset_generations_status_move BEFORE UPDATE OF status ON dataset_generations FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'pending' AND new.status IN ('cancelled', 'running') OR old.status = 'running' AND new.status IN ('cancelled', 'completed', 'failed')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_dataset_generations_status_move');

CREATE TRIGGER lc_dataset_generations_key BEFORE UPDATE OF tenant_id, id ON dataset_generations FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_dataset_generations_key');

CREATE TRIGGER lc_dataset_generations_ended BEFORE UPDATE ON dataset_generations FOR EACH ROW
WHEN ((old.status NOT IN ('pending', 'running')))
EXECUTE FUNCTION spothive_refuse('lc_dataset_generations_ended');

CREATE TRIGGER lc_dataset_generations_progress BEFORE UPDATE OF progress, rows ON dataset_generations FOR EACH ROW
WHEN (new.progress < old.progress OR new.rows < old.rows)
EXECUTE FUNCTION spothive_refuse('lc_dataset_generations_progress');

CREATE TRIGGER lc_dataset_generations_claimed BEFORE UPDATE OF lease_token, leased_until ON dataset_generations FOR EACH ROW
WHEN (old.lease_token IS NOT NULL AND old.leased_until > clock_timestamp() AND new.lease_token IS NOT NULL AND (new.lease_token != old.lease_token OR new.leased_until < old.leased_until))
EXECUTE FUNCTION spothive_refuse('lc_dataset_generations_claimed');

CREATE TRIGGER lc_dataset_generations_asked BEFORE UPDATE OF name, config ON dataset_generations FOR EACH ROW
WHEN (old.name IS DISTINCT FROM new.name OR old.config IS DISTINCT FROM new.config AND NOT (new.status = 'completed' AND old.status = 'running'))
EXECUTE FUNCTION spothive_refuse('lc_dataset_generations_asked');

CREATE TRIGGER lc_dataset_generations_result BEFORE INSERT OR UPDATE OF status, dataset_id ON dataset_generations FOR EACH ROW
WHEN (new.status = 'completed' AND new.dataset_id IS NULL)
EXECUTE FUNCTION spothive_refuse('lc_dataset_generations_result');

REVOKE ALL ON dataset_generations FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON dataset_generations TO spothive_system;

GRANT SELECT ON dataset_generations TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON dataset_generations TO spothive_app;

ALTER TABLE dataset_generations ENABLE ROW LEVEL SECURITY;

ALTER TABLE dataset_generations FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON dataset_generations USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON dataset_generations TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_dataset_imports_status_first BEFORE INSERT ON dataset_imports FOR EACH ROW
WHEN ((new.status NOT IN ('pending')))
EXECUTE FUNCTION spothive_refuse('lc_dataset_imports_status_first');

CREATE TRIGGER lc_dataset_imports_status_move BEFORE UPDATE OF status ON dataset_imports FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'pending' AND new.status IN ('cancelled', 'running') OR old.status = 'running' AND new.status IN ('cancelled', 'completed', 'failed')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_dataset_imports_status_move');

CREATE TRIGGER lc_dataset_imports_key BEFORE UPDATE OF tenant_id, id ON dataset_imports FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_dataset_imports_key');

CREATE TRIGGER lc_dataset_imports_ended BEFORE UPDATE ON dataset_imports FOR EACH ROW
WHEN ((old.status NOT IN ('pending', 'running')))
EXECUTE FUNCTION spothive_refuse('lc_dataset_imports_ended');

CREATE TRIGGER lc_dataset_imports_progress BEFORE UPDATE OF progress, rows ON dataset_imports FOR EACH ROW
WHEN (new.progress < old.progress OR new.rows < old.rows)
EXECUTE FUNCTION spothive_refuse('lc_dataset_imports_progress');

CREATE TRIGGER lc_dataset_imports_claimed BEFORE UPDATE OF lease_token, leased_until ON dataset_imports FOR EACH ROW
WHEN (old.lease_token IS NOT NULL AND old.leased_until > clock_timestamp() AND new.lease_token IS NOT NULL AND (new.lease_token != old.lease_token OR new.leased_until < old.leased_until))
EXECUTE FUNCTION spothive_refuse('lc_dataset_imports_claimed');

CREATE TRIGGER lc_dataset_imports_asked BEFORE UPDATE OF name, config ON dataset_imports FOR EACH ROW
WHEN (old.name IS DISTINCT FROM new.name OR old.config IS DISTINCT FROM new.config AND NOT (new.status = 'completed' AND old.status = 'running'))
EXECUTE FUNCTION spothive_refuse('lc_dataset_imports_asked');

CREATE TRIGGER lc_dataset_imports_result BEFORE INSERT OR UPDATE OF status, dataset_id ON dataset_imports FOR EACH ROW
WHEN (new.status = 'completed' AND new.dataset_id IS NULL)
EXECUTE FUNCTION spothive_refuse('lc_dataset_imports_result');

REVOKE ALL ON dataset_imports FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON dataset_imports TO spothive_system;

GRANT SELECT ON dataset_imports TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON dataset_imports TO spothive_app;

ALTER TABLE dataset_imports ENABLE ROW LEVEL SECURITY;

ALTER TABLE dataset_imports FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON dataset_imports USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON dataset_imports TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_email_digest_queue_included_once BEFORE UPDATE OF included_in_digest ON email_digest_queue FOR EACH ROW
WHEN (old.included_in_digest AND new.included_in_digest IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_email_digest_queue_included_once');

REVOKE ALL ON email_digest_queue FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON email_digest_queue TO spothive_system;

GRANT SELECT ON email_digest_queue TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON email_digest_queue TO spothive_app;

ALTER TABLE email_digest_queue ENABLE ROW LEVEL SECURITY;

ALTER TABLE email_digest_queue FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON email_digest_queue USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON email_digest_queue TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON experiment_tags FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_tags TO spothive_system;

GRANT SELECT ON experiment_tags TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_tags TO spothive_app;

ALTER TABLE experiment_tags ENABLE ROW LEVEL SECURITY;

ALTER TABLE experiment_tags FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON experiment_tags USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON experiment_tags TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON node_templates FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON node_templates TO spothive_system;

GRANT SELECT ON node_templates TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON node_templates TO spothive_app;

ALTER TABLE node_templates ENABLE ROW LEVEL SECURITY;

ALTER TABLE node_templates FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON node_templates USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON node_templates TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON notices FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON notices TO spothive_system;

GRANT SELECT ON notices TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON notices TO spothive_app;

ALTER TABLE notices ENABLE ROW LEVEL SECURITY;

ALTER TABLE notices FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON notices USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON notices TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON notification_preferences FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON notification_preferences TO spothive_system;

GRANT SELECT ON notification_preferences TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON notification_preferences TO spothive_app;

ALTER TABLE notification_preferences ENABLE ROW LEVEL SECURITY;

ALTER TABLE notification_preferences FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON notification_preferences USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON notification_preferences TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON saved_searches FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON saved_searches TO spothive_system;

GRANT SELECT ON saved_searches TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON saved_searches TO spothive_app;

ALTER TABLE saved_searches ENABLE ROW LEVEL SECURITY;

ALTER TABLE saved_searches FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON saved_searches USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON saved_searches TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_session_logs_logged_out_at_once BEFORE UPDATE OF logged_out_at ON session_logs FOR EACH ROW
WHEN (old.logged_out_at IS NOT NULL AND old.logged_out_at IS DISTINCT FROM new.logged_out_at)
EXECUTE FUNCTION spothive_refuse('lc_session_logs_logged_out_at_once');

REVOKE ALL ON session_logs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON session_logs TO spothive_system;

GRANT SELECT ON session_logs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON session_logs TO spothive_app;

ALTER TABLE session_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE session_logs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON session_logs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON session_logs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_user_tokens_used_at_once BEFORE UPDATE OF used_at ON user_tokens FOR EACH ROW
WHEN (old.used_at IS NOT NULL AND old.used_at IS DISTINCT FROM new.used_at)
EXECUTE FUNCTION spothive_refuse('lc_user_tokens_used_at_once');

REVOKE ALL ON user_tokens FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON user_tokens TO spothive_system;

GRANT SELECT ON user_tokens TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON user_tokens TO spothive_app;

ALTER TABLE user_tokens ENABLE ROW LEVEL SECURITY;

ALTER TABLE user_tokens FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON user_tokens USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON user_tokens TO spothive_system USING (true) WITH CHECK (true);

CREATE OR REPLACE FUNCTION guard_lc_webhook_configurations_webhook_url_withdrawn() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT pg_advisory_xact_lock_shared(hashtextextended('spothive.sealing_key.' || substr(new.webhook_url, 10, 8), 0)) AS pg_advisory_xact_lock_shared_1) AS locked;
  IF new.webhook_url IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.webhook_url, 10, 8))) OR current_setting('transaction_isolation') IN ('repeatable read', 'serializable')) THEN
    RAISE EXCEPTION 'lc_webhook_configurations_webhook_url_withdrawn' USING ERRCODE = '23514', CONSTRAINT = 'lc_webhook_configurations_webhook_url_withdrawn', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_webhook_configurations_webhook_url_withdrawn BEFORE INSERT OR UPDATE OF webhook_url ON webhook_configurations FOR EACH ROW
EXECUTE FUNCTION guard_lc_webhook_configurations_webhook_url_withdrawn();

CREATE OR REPLACE FUNCTION guard_lc_webhook_configurations_signing_secret_withdrawn() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT pg_advisory_xact_lock_shared(hashtextextended('spothive.sealing_key.' || substr(new.signing_secret, 10, 8), 0)) AS pg_advisory_xact_lock_shared_1) AS locked;
  IF new.signing_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.signing_secret, 10, 8))) OR current_setting('transaction_isolation') IN ('repeatable read', 'serializable')) THEN
    RAISE EXCEPTION 'lc_webhook_configurations_signing_secret_withdrawn' USING ERRCODE = '23514', CONSTRAINT = 'lc_webhook_configurations_signing_secret_withdrawn', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_webhook_configurations_signing_secret_withdrawn BEFORE INSERT OR UPDATE OF signing_secret ON webhook_configurations FOR EACH ROW
EXECUTE FUNCTION guard_lc_webhook_configurations_signing_secret_withdrawn();

CREATE OR REPLACE FUNCTION guard_lc_webhook_configurations_previous_secret_withdrawn() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT pg_advisory_xact_lock_shared(hashtextextended('spothive.sealing_key.' || substr(new.previous_secret, 10, 8), 0)) AS pg_advisory_xact_lock_shared_1) AS locked;
  IF new.previous_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.previous_secret, 10, 8))) OR current_setting('transaction_isolation') IN ('repeatable read', 'serializable')) THEN
    RAISE EXCEPTION 'lc_webhook_configurations_previous_secret_withdrawn' USING ERRCODE = '23514', CONSTRAINT = 'lc_webhook_configurations_previous_secret_withdrawn', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_webhook_configurations_previous_secret_withdrawn BEFORE INSERT OR UPDATE OF previous_secret ON webhook_configurations FOR EACH ROW
EXECUTE FUNCTION guard_lc_webhook_configurations_previous_secret_withdrawn();

REVOKE ALL ON webhook_configurations FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_configurations TO spothive_system;

GRANT SELECT ON webhook_configurations TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_configurations TO spothive_app;

ALTER TABLE webhook_configurations ENABLE ROW LEVEL SECURITY;

ALTER TABLE webhook_configurations FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON webhook_configurations USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON webhook_configurations TO spothive_system USING (true) WITH CHECK (true);

CREATE OR REPLACE FUNCTION guard_detach_instances_cluster_id() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  UPDATE instances SET cluster_id = NULL WHERE tenant_id = OLD.tenant_id AND cluster_id = OLD.id;
  RETURN OLD;
END
$guard$;

CREATE TRIGGER detach_instances_cluster_id BEFORE DELETE ON clusters FOR EACH ROW
EXECUTE FUNCTION guard_detach_instances_cluster_id();

REVOKE ALL ON clusters FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON clusters TO spothive_system;

GRANT SELECT ON clusters TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON clusters TO spothive_app;

ALTER TABLE clusters ENABLE ROW LEVEL SECURITY;

ALTER TABLE clusters FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON clusters USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON clusters TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON decision_rollups FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON decision_rollups TO spothive_system;

GRANT SELECT ON decision_rollups TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON decision_rollups TO spothive_app;

ALTER TABLE decision_rollups ENABLE ROW LEVEL SECURITY;

ALTER TABLE decision_rollups FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON decision_rollups USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON decision_rollups TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_onboarding_requests_status_first BEFORE INSERT ON onboarding_requests FOR EACH ROW
WHEN ((new.status NOT IN ('created')))
EXECUTE FUNCTION spothive_refuse('lc_onboarding_requests_status_first');

CREATE TRIGGER lc_onboarding_requests_status_move BEFORE UPDATE OF status ON onboarding_requests FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'created' AND new.status IN ('verified')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_onboarding_requests_status_move');

CREATE TRIGGER lc_onboarding_requests_key BEFORE UPDATE OF tenant_id, id ON onboarding_requests FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_onboarding_requests_key');

REVOKE ALL ON onboarding_requests FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON onboarding_requests TO spothive_system;

GRANT SELECT ON onboarding_requests TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON onboarding_requests TO spothive_app;

ALTER TABLE onboarding_requests ENABLE ROW LEVEL SECURITY;

ALTER TABLE onboarding_requests FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON onboarding_requests USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON onboarding_requests TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_scan_runs_status_first BEFORE INSERT ON scan_runs FOR EACH ROW
WHEN ((new.status NOT IN ('RUNNING')))
EXECUTE FUNCTION spothive_refuse('lc_scan_runs_status_first');

CREATE TRIGGER lc_scan_runs_status_move BEFORE UPDATE OF status ON scan_runs FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'RUNNING' AND new.status IN ('COMPLETE', 'FAILED', 'PARTIAL')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_scan_runs_status_move');

CREATE TRIGGER lc_scan_runs_key BEFORE UPDATE OF tenant_id, id ON scan_runs FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_scan_runs_key');

CREATE OR REPLACE FUNCTION guard_lc_scan_runs_complete() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF old.status = 'RUNNING' AND (new.status = 'COMPLETE' AND NOT ((SELECT count(*) AS count_1 
FROM scan_units 
WHERE scan_units.tenant_id = new.tenant_id AND scan_units.scan_run_id = new.id) = new.units_expected AND (SELECT count(*) AS count_2 
FROM scan_units 
WHERE scan_units.tenant_id = new.tenant_id AND scan_units.scan_run_id = new.id AND scan_units.status = 'DONE') = new.units_expected) OR new.status = 'PARTIAL' AND (SELECT count(*) AS count_3 
FROM scan_units 
WHERE scan_units.tenant_id = new.tenant_id AND scan_units.scan_run_id = new.id) = new.units_expected AND (SELECT count(*) AS count_4 
FROM scan_units 
WHERE scan_units.tenant_id = new.tenant_id AND scan_units.scan_run_id = new.id AND scan_units.status = 'DONE') = new.units_expected) THEN
    RAISE EXCEPTION 'lc_scan_runs_complete' USING ERRCODE = '23514', CONSTRAINT = 'lc_scan_runs_complete', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_scan_runs_complete BEFORE UPDATE OF status ON scan_runs FOR EACH ROW
EXECUTE FUNCTION guard_lc_scan_runs_complete();

CREATE TRIGGER lc_scan_runs_ended BEFORE UPDATE ON scan_runs FOR EACH ROW
WHEN (old.status != 'RUNNING')
EXECUTE FUNCTION spothive_refuse('lc_scan_runs_ended');

CREATE OR REPLACE FUNCTION guard_lc_scan_runs_kept() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF (EXISTS (SELECT accounts.id 
FROM accounts 
WHERE accounts.tenant_id = old.tenant_id AND accounts.id = old.account_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = old.tenant_id)) THEN
    RAISE EXCEPTION 'lc_scan_runs_kept' USING ERRCODE = '23514', CONSTRAINT = 'lc_scan_runs_kept', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_scan_runs_kept BEFORE DELETE ON scan_runs FOR EACH ROW
WHEN (old.kind = 'waste' AND old.status != 'RUNNING')
EXECUTE FUNCTION guard_lc_scan_runs_kept();

REVOKE ALL ON scan_runs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON scan_runs TO spothive_system;

GRANT SELECT ON scan_runs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON scan_runs TO spothive_app;

ALTER TABLE scan_runs ENABLE ROW LEVEL SECURITY;

ALTER TABLE scan_runs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scan_runs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON scan_runs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_webhook_logs_status_first BEFORE INSERT ON webhook_logs FOR EACH ROW
WHEN ((new.status NOT IN ('pending')))
EXECUTE FUNCTION spothive_refuse('lc_webhook_logs_status_first');

CREATE TRIGGER lc_webhook_logs_status_move BEFORE UPDATE OF status ON webhook_logs FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'pending' AND new.status IN ('failed', 'sent') OR old.status = 'sent' AND new.status IN ('pending') OR old.status = 'failed' AND new.status IN ('pending')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_webhook_logs_status_move');

CREATE TRIGGER lc_webhook_logs_key BEFORE UPDATE OF tenant_id, id ON webhook_logs FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_webhook_logs_key');

CREATE TRIGGER lc_webhook_logs_attempts BEFORE UPDATE OF attempts ON webhook_logs FOR EACH ROW
WHEN ((new.attempts >= old.attempts) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_webhook_logs_attempts');

CREATE TRIGGER lc_webhook_logs_message BEFORE UPDATE OF webhook_config_id, message_id, event_type, payload ON webhook_logs FOR EACH ROW
WHEN (old.attempts > 0 AND (old.webhook_config_id IS DISTINCT FROM new.webhook_config_id OR old.message_id IS DISTINCT FROM new.message_id OR old.event_type IS DISTINCT FROM new.event_type OR old.payload IS DISTINCT FROM new.payload))
EXECUTE FUNCTION spothive_refuse('lc_webhook_logs_message');

CREATE TRIGGER lc_webhook_logs_anew BEFORE UPDATE OF status, earlier_attempts ON webhook_logs FOR EACH ROW
WHEN (CASE WHEN (old.status != 'pending' AND new.status = 'pending') THEN new.earlier_attempts = old.attempts ELSE new.earlier_attempts = old.earlier_attempts END IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_webhook_logs_anew');

REVOKE ALL ON webhook_logs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_logs TO spothive_system;

GRANT SELECT ON webhook_logs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_logs TO spothive_app;

ALTER TABLE webhook_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE webhook_logs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON webhook_logs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON webhook_logs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_api_keys_revoked_at_once BEFORE UPDATE OF revoked_at ON api_keys FOR EACH ROW
WHEN (old.revoked_at IS NOT NULL AND old.revoked_at IS DISTINCT FROM new.revoked_at)
EXECUTE FUNCTION spothive_refuse('lc_api_keys_revoked_at_once');

CREATE TRIGGER lc_api_keys_agent BEFORE INSERT OR UPDATE OF scopes, cluster_id ON api_keys FOR EACH ROW
WHEN (CASE WHEN (new.cluster_id IS NOT NULL) THEN CAST(new.scopes AS TEXT) != '["agent"]' ELSE CAST(new.scopes AS TEXT) LIKE '%"agent"%' END)
EXECUTE FUNCTION spothive_refuse('lc_api_keys_agent');

CREATE TRIGGER lc_api_keys_given BEFORE UPDATE OF prefix, key_hash, cluster_id, user_id ON api_keys FOR EACH ROW
WHEN (old.prefix IS DISTINCT FROM new.prefix OR old.key_hash IS DISTINCT FROM new.key_hash OR old.cluster_id IS DISTINCT FROM new.cluster_id OR old.user_id IS DISTINCT FROM new.user_id)
EXECUTE FUNCTION spothive_refuse('lc_api_keys_given');

REVOKE ALL ON api_keys FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO spothive_system;

GRANT SELECT ON api_keys TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO spothive_app;

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON api_keys USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON api_keys TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_cluster_policies_keys BEFORE INSERT OR UPDATE OF config ON cluster_policies FOR EACH ROW
WHEN ((CASE WHEN jsonb_typeof(new.config) = 'object' THEN new.config - ARRAY['strategy', 'spot_percentage', 'binpack_enabled', 'binpack_threshold', 'fallback_on_demand', 'excluded_namespaces', 'max_risk_threshold', 'require_approval', 'min_nodes', 'max_nodes', 'downtime_budget_seconds'] <> '{}'::jsonb ELSE FALSE END))
EXECUTE FUNCTION spothive_refuse('lc_cluster_policies_keys');

CREATE TRIGGER lc_cluster_policies_version BEFORE UPDATE OF version ON cluster_policies FOR EACH ROW
WHEN (new.version < old.version)
EXECUTE FUNCTION spothive_refuse('lc_cluster_policies_version');

REVOKE ALL ON cluster_policies FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON cluster_policies TO spothive_system;

GRANT SELECT ON cluster_policies TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON cluster_policies TO spothive_app;

ALTER TABLE cluster_policies ENABLE ROW LEVEL SECURITY;

ALTER TABLE cluster_policies FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON cluster_policies USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON cluster_policies TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_hibernation_schedules_leased BEFORE UPDATE OF applied_state, applied_at, restore_state ON hibernation_schedules FOR EACH ROW
WHEN ((old.applied_state IS DISTINCT FROM new.applied_state OR old.applied_at IS DISTINCT FROM new.applied_at OR old.restore_state IS DISTINCT FROM new.restore_state) AND (NOT (old.lease_token IS NOT NULL AND old.leased_until > clock_timestamp()) OR new.lease_token IS NOT NULL AND new.lease_token != old.lease_token))
EXECUTE FUNCTION spothive_refuse('lc_hibernation_schedules_leased');

CREATE TRIGGER lc_hibernation_schedules_cluster BEFORE UPDATE OF cluster_id ON hibernation_schedules FOR EACH ROW
WHEN (old.cluster_id != new.cluster_id)
EXECUTE FUNCTION spothive_refuse('lc_hibernation_schedules_cluster');

CREATE TRIGGER lc_hibernation_schedules_claimed BEFORE UPDATE OF lease_token ON hibernation_schedules FOR EACH ROW
WHEN (old.lease_token IS NOT NULL AND old.leased_until > clock_timestamp() AND new.lease_token IS NOT NULL AND new.lease_token != old.lease_token)
EXECUTE FUNCTION spothive_refuse('lc_hibernation_schedules_claimed');

CREATE TRIGGER lc_hibernation_schedules_kept BEFORE UPDATE OF restore_state ON hibernation_schedules FOR EACH ROW
WHEN (old.restore_state IS NOT NULL AND (new.restore_state IS NULL AND new.applied_state != 'awake' OR new.restore_state IS NOT NULL AND NOT (new.restore_state @> old.restore_state)))
EXECUTE FUNCTION spothive_refuse('lc_hibernation_schedules_kept');

REVOKE ALL ON hibernation_schedules FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON hibernation_schedules TO spothive_system;

GRANT SELECT ON hibernation_schedules TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON hibernation_schedules TO spothive_app;

ALTER TABLE hibernation_schedules ENABLE ROW LEVEL SECURITY;

ALTER TABLE hibernation_schedules FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON hibernation_schedules USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON hibernation_schedules TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_instances_auth_status_first BEFORE INSERT ON instances FOR EACH ROW
WHEN ((new.auth_status NOT IN ('authorized', 'flagged')))
EXECUTE FUNCTION spothive_refuse('lc_instances_auth_status_first');

CREATE TRIGGER lc_instances_auth_status_move BEFORE UPDATE OF auth_status ON instances FOR EACH ROW
WHEN (old.auth_status IS DISTINCT FROM new.auth_status AND (old.auth_status = 'authorized' AND new.auth_status IN ('flagged') OR old.auth_status = 'flagged' AND new.auth_status IN ('authorized', 'unauthorized') OR old.auth_status = 'unauthorized' AND new.auth_status IN ('authorized', 'terminated')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_instances_auth_status_move');

CREATE TRIGGER lc_instances_key BEFORE UPDATE OF tenant_id, id ON instances FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_instances_key');

CREATE TRIGGER lc_instances_account BEFORE UPDATE OF account_id ON instances FOR EACH ROW
WHEN (old.account_id != new.account_id)
EXECUTE FUNCTION spothive_refuse('lc_instances_account');

CREATE OR REPLACE FUNCTION guard_lc_instances_replica_account() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF EXISTS (SELECT stood_for.id 
FROM instances AS stood_for 
WHERE stood_for.tenant_id = new.tenant_id AND stood_for.id = new.replica_of_id AND stood_for.account_id != new.account_id) THEN
    RAISE EXCEPTION 'lc_instances_replica_account' USING ERRCODE = '23514', CONSTRAINT = 'lc_instances_replica_account', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_instances_replica_account BEFORE INSERT OR UPDATE OF replica_of_id ON instances FOR EACH ROW
WHEN (new.replica_of_id IS NOT NULL)
EXECUTE FUNCTION guard_lc_instances_replica_account();

CREATE TRIGGER lc_instances_unauthorized BEFORE UPDATE OF auth_status ON instances FOR EACH ROW
WHEN (new.auth_status = 'unauthorized' AND NOT (new.flagged_at < clock_timestamp() - interval '23 hours'))
EXECUTE FUNCTION spothive_refuse('lc_instances_unauthorized');

REVOKE ALL ON instances FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON instances TO spothive_system;

GRANT SELECT ON instances TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON instances TO spothive_app;

ALTER TABLE instances ENABLE ROW LEVEL SECURITY;

ALTER TABLE instances FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON instances USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON instances TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_optimization_jobs_status_first BEFORE INSERT ON optimization_jobs FOR EACH ROW
WHEN ((new.status NOT IN ('QUEUED')))
EXECUTE FUNCTION spothive_refuse('lc_optimization_jobs_status_first');

CREATE TRIGGER lc_optimization_jobs_status_move BEFORE UPDATE OF status ON optimization_jobs FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'QUEUED' AND new.status IN ('RUNNING') OR old.status = 'RUNNING' AND new.status IN ('COMPLETED', 'FAILED')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_optimization_jobs_status_move');

CREATE TRIGGER lc_optimization_jobs_key BEFORE UPDATE OF tenant_id, id ON optimization_jobs FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_optimization_jobs_key');

CREATE OR REPLACE FUNCTION guard_lc_optimization_jobs_completed() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF new.status = 'COMPLETED' AND (EXISTS (SELECT agent_actions.id 
FROM agent_actions 
WHERE agent_actions.tenant_id = new.tenant_id AND agent_actions.optimization_job_id = new.id AND agent_actions.status != 'COMPLETED')) THEN
    RAISE EXCEPTION 'lc_optimization_jobs_completed' USING ERRCODE = '23514', CONSTRAINT = 'lc_optimization_jobs_completed', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_optimization_jobs_completed BEFORE UPDATE OF status ON optimization_jobs FOR EACH ROW
EXECUTE FUNCTION guard_lc_optimization_jobs_completed();

CREATE TRIGGER lc_optimization_jobs_handed_over BEFORE UPDATE OF status ON optimization_jobs FOR EACH ROW
WHEN (new.status = 'COMPLETED' AND old.status = 'RUNNING' AND old.lease_token != '00000000-0000-0000-0000-000000000000')
EXECUTE FUNCTION spothive_refuse('lc_optimization_jobs_handed_over');

CREATE TRIGGER lc_optimization_jobs_claimed BEFORE UPDATE OF lease_token ON optimization_jobs FOR EACH ROW
WHEN (new.status = 'RUNNING' AND old.lease_token IS NOT NULL AND new.lease_token IS DISTINCT FROM old.lease_token AND old.leased_until > clock_timestamp() AND new.lease_token != '00000000-0000-0000-0000-000000000000')
EXECUTE FUNCTION spothive_refuse('lc_optimization_jobs_claimed');

CREATE TRIGGER lc_optimization_jobs_ended BEFORE UPDATE OF results, error_message, started_at, completed_at ON optimization_jobs FOR EACH ROW
WHEN (old.status IN ('COMPLETED', 'FAILED') AND (old.results IS DISTINCT FROM new.results OR old.error_message IS DISTINCT FROM new.error_message OR old.started_at IS DISTINCT FROM new.started_at OR old.completed_at IS DISTINCT FROM new.completed_at))
EXECUTE FUNCTION spothive_refuse('lc_optimization_jobs_ended');

REVOKE ALL ON optimization_jobs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON optimization_jobs TO spothive_system;

GRANT SELECT ON optimization_jobs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON optimization_jobs TO spothive_app;

ALTER TABLE optimization_jobs ENABLE ROW LEVEL SECURITY;

ALTER TABLE optimization_jobs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON optimization_jobs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON optimization_jobs TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_scan_units_status_first BEFORE INSERT ON scan_units FOR EACH ROW
WHEN ((new.status NOT IN ('PENDING')))
EXECUTE FUNCTION spothive_refuse('lc_scan_units_status_first');

CREATE TRIGGER lc_scan_units_status_move BEFORE UPDATE OF status ON scan_units FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'PENDING' AND new.status IN ('DONE', 'FAILED')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_scan_units_status_move');

CREATE TRIGGER lc_scan_units_key BEFORE UPDATE OF tenant_id, id ON scan_units FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_scan_units_key');

CREATE OR REPLACE FUNCTION guard_lc_scan_units_frozen() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = new.tenant_id AND scan_runs.id = new.scan_run_id FOR SHARE) AS locked;
  IF EXISTS (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = new.tenant_id AND scan_runs.id = new.scan_run_id AND scan_runs.status != 'RUNNING') THEN
    RAISE EXCEPTION 'lc_scan_units_frozen' USING ERRCODE = '23514', CONSTRAINT = 'lc_scan_units_frozen', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_scan_units_frozen BEFORE INSERT OR UPDATE ON scan_units FOR EACH ROW
EXECUTE FUNCTION guard_lc_scan_units_frozen();

CREATE TRIGGER lc_scan_units_run BEFORE UPDATE OF scan_run_id ON scan_units FOR EACH ROW
WHEN (old.scan_run_id != new.scan_run_id)
EXECUTE FUNCTION spothive_refuse('lc_scan_units_run');

CREATE OR REPLACE FUNCTION guard_lc_scan_units_kept() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF (EXISTS (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = old.tenant_id AND scan_runs.id = old.scan_run_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = old.tenant_id)) AND NOT (old.updated_at < clock_timestamp() - interval '2160 hours') THEN
    RAISE EXCEPTION 'lc_scan_units_kept' USING ERRCODE = '23514', CONSTRAINT = 'lc_scan_units_kept', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_scan_units_kept BEFORE DELETE ON scan_units FOR EACH ROW
EXECUTE FUNCTION guard_lc_scan_units_kept();

REVOKE ALL ON scan_units FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON scan_units TO spothive_system;

GRANT SELECT ON scan_units TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON scan_units TO spothive_app;

ALTER TABLE scan_units ENABLE ROW LEVEL SECURITY;

ALTER TABLE scan_units FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON scan_units USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON scan_units TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_waste_resources_status_first BEFORE INSERT ON waste_resources FOR EACH ROW
WHEN ((new.status NOT IN ('DETECTED')))
EXECUTE FUNCTION spothive_refuse('lc_waste_resources_status_first');

CREATE TRIGGER lc_waste_resources_status_move BEFORE UPDATE OF status ON waste_resources FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'DETECTED' AND new.status IN ('FLAGGED', 'RESOLVED') OR old.status = 'FLAGGED' AND new.status IN ('DETECTED', 'RESOLVED', 'SCHEDULED_DELETE') OR old.status = 'SCHEDULED_DELETE' AND new.status IN ('DELETED', 'FLAGGED', 'RESOLVED')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_waste_resources_status_move');

CREATE TRIGGER lc_waste_resources_key BEFORE UPDATE OF tenant_id, id ON waste_resources FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_waste_resources_key');

CREATE OR REPLACE FUNCTION guard_lc_waste_resources_complete() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF NOT (EXISTS (SELECT run.id 
FROM scan_runs AS run 
WHERE run.tenant_id = new.tenant_id AND run.account_id = new.account_id AND run.kind = 'waste' AND run.status != 'RUNNING' AND run.id = new.scan_run_id AND run.status = 'COMPLETE' AND NOT (EXISTS (SELECT later.id 
FROM scan_runs AS later 
WHERE later.tenant_id = new.tenant_id AND later.account_id = new.account_id AND later.kind = 'waste' AND later.status != 'RUNNING' AND later.started_at > run.started_at)))) THEN
    RAISE EXCEPTION 'lc_waste_resources_complete' USING ERRCODE = '23514', CONSTRAINT = 'lc_waste_resources_complete', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_waste_resources_complete BEFORE UPDATE OF status, scan_run_id, account_id ON waste_resources FOR EACH ROW
WHEN (new.status = 'SCHEDULED_DELETE')
EXECUTE FUNCTION guard_lc_waste_resources_complete();

CREATE OR REPLACE FUNCTION guard_lc_waste_resources_approved() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF NOT (EXISTS (SELECT approval_requests.id 
FROM approval_requests 
WHERE approval_requests.tenant_id = new.tenant_id AND approval_requests.waste_resource_id = new.id AND approval_requests.action_type = 'DELETE_WASTE' AND approval_requests.plan_hash = new.plan_hash AND approval_requests.status = 'APPROVED' AND approval_requests.executed_at IS NOT NULL)) THEN
    RAISE EXCEPTION 'lc_waste_resources_approved' USING ERRCODE = '23514', CONSTRAINT = 'lc_waste_resources_approved', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_waste_resources_approved BEFORE UPDATE OF status ON waste_resources FOR EACH ROW
WHEN (old.status = 'FLAGGED' AND new.status = 'SCHEDULED_DELETE' AND new.plan_hash IS NOT NULL)
EXECUTE FUNCTION guard_lc_waste_resources_approved();

CREATE OR REPLACE FUNCTION guard_lc_waste_resources_flagged() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF NOT ((EXISTS (SELECT first.id 
FROM scan_runs AS first 
WHERE first.tenant_id = new.tenant_id AND first.account_id = new.account_id AND first.kind = 'waste' AND first.status != 'RUNNING' AND first.status = 'COMPLETE' AND first.started_at = new.claimed_since)) AND (EXISTS (SELECT last.id 
FROM scan_runs AS last 
WHERE last.tenant_id = new.tenant_id AND last.account_id = new.account_id AND last.kind = 'waste' AND last.status != 'RUNNING' AND last.status = 'COMPLETE' AND last.id = new.scan_run_id AND (new.claimed_since + interval '24 hours') <= last.started_at))) THEN
    RAISE EXCEPTION 'lc_waste_resources_flagged' USING ERRCODE = '23514', CONSTRAINT = 'lc_waste_resources_flagged', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_waste_resources_flagged BEFORE UPDATE OF status ON waste_resources FOR EACH ROW
WHEN (old.status = 'DETECTED' AND new.status = 'FLAGGED')
EXECUTE FUNCTION guard_lc_waste_resources_flagged();

CREATE TRIGGER lc_waste_resources_claimed BEFORE UPDATE OF claimed_since ON waste_resources FOR EACH ROW
WHEN (old.claimed_since IS NOT NULL AND new.claimed_since IS NOT NULL AND old.claimed_since != new.claimed_since)
EXECUTE FUNCTION spothive_refuse('lc_waste_resources_claimed');

CREATE TRIGGER lc_waste_resources_same BEFORE UPDATE OF account_id, resource_type, resource_id, region ON waste_resources FOR EACH ROW
WHEN (old.account_id != new.account_id OR old.resource_type != new.resource_type OR old.resource_id != new.resource_id OR old.region != new.region)
EXECUTE FUNCTION spothive_refuse('lc_waste_resources_same');

CREATE TRIGGER lc_waste_resources_grace BEFORE UPDATE OF status, deletion_begun_at ON waste_resources FOR EACH ROW
WHEN ((new.status != 'DELETED' OR old.status = 'SCHEDULED_DELETE') AND ((new.deletion_begun_at IS NOT NULL AND old.deletion_begun_at IS DISTINCT FROM new.deletion_begun_at OR new.status = 'DELETED' AND old.status = 'SCHEDULED_DELETE') AND (old.status = 'SCHEDULED_DELETE' AND (old.scheduled_deletion_date < clock_timestamp() - interval '0 hours')) IS NOT true OR new.status = 'DELETED' AND old.status = 'SCHEDULED_DELETE' AND new.deletion_begun_at IS NULL))
EXECUTE FUNCTION spothive_refuse('lc_waste_resources_grace');

CREATE TRIGGER lc_waste_resources_plan BEFORE UPDATE OF plan_hash, scheduled_deletion_date ON waste_resources FOR EACH ROW
WHEN (old.status = 'SCHEDULED_DELETE' AND new.status = 'SCHEDULED_DELETE' AND (new.scheduled_deletion_date < old.scheduled_deletion_date OR old.plan_hash IS DISTINCT FROM new.plan_hash))
EXECUTE FUNCTION spothive_refuse('lc_waste_resources_plan');

REVOKE ALL ON waste_resources FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON waste_resources TO spothive_system;

GRANT SELECT ON waste_resources TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON waste_resources TO spothive_app;

ALTER TABLE waste_resources ENABLE ROW LEVEL SECURITY;

ALTER TABLE waste_resources FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON waste_resources USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON waste_resources TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_agent_actions_status_first BEFORE INSERT ON agent_actions FOR EACH ROW
WHEN ((new.status NOT IN ('PENDING')))
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_status_first');

CREATE TRIGGER lc_agent_actions_status_move BEFORE UPDATE OF status ON agent_actions FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'PENDING' AND new.status IN ('EXPIRED', 'PICKED_UP') OR old.status = 'PICKED_UP' AND new.status IN ('COMPLETED', 'EXPIRED', 'FAILED', 'PENDING')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_status_move');

CREATE TRIGGER lc_agent_actions_key BEFORE UPDATE OF tenant_id, id ON agent_actions FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_key');

CREATE TRIGGER lc_agent_actions_lease BEFORE UPDATE OF status ON agent_actions FOR EACH ROW
WHEN (old.status = 'PICKED_UP' AND new.status = 'EXPIRED' AND NOT (old.leased_until < clock_timestamp() - interval '0 hours'))
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_lease');

CREATE TRIGGER lc_agent_actions_late BEFORE UPDATE OF status ON agent_actions FOR EACH ROW
WHEN (new.status = 'EXPIRED' AND old.status != 'EXPIRED' AND NOT (new.expires_at < clock_timestamp() - interval '0 hours'))
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_late');

CREATE TRIGGER lc_agent_actions_handed_out BEFORE UPDATE OF status ON agent_actions FOR EACH ROW
WHEN (new.status = 'PICKED_UP' AND old.status = 'PENDING' AND (new.attempts = old.attempts + 1 AND new.leased_until > clock_timestamp() AND new.available_at <= clock_timestamp() AND new.expires_at > clock_timestamp()) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_handed_out');

CREATE TRIGGER lc_agent_actions_order BEFORE UPDATE OF cluster_id, action_type, payload, idempotency_key ON agent_actions FOR EACH ROW
WHEN (old.cluster_id IS DISTINCT FROM new.cluster_id OR old.action_type IS DISTINCT FROM new.action_type OR old.payload IS DISTINCT FROM new.payload OR old.idempotency_key IS DISTINCT FROM new.idempotency_key)
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_order');

CREATE TRIGGER lc_agent_actions_optimization_job_id_once BEFORE UPDATE OF optimization_job_id ON agent_actions FOR EACH ROW
WHEN (old.optimization_job_id IS NOT NULL AND old.optimization_job_id IS DISTINCT FROM new.optimization_job_id)
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_optimization_job_id_once');

CREATE TRIGGER lc_agent_actions_ended BEFORE UPDATE ON agent_actions FOR EACH ROW
WHEN (old.status IN ('COMPLETED', 'FAILED', 'EXPIRED') AND (old.optimization_job_id IS DISTINCT FROM new.optimization_job_id OR old.priority IS DISTINCT FROM new.priority OR old.attempts IS DISTINCT FROM new.attempts OR old.max_attempts IS DISTINCT FROM new.max_attempts OR old.lease_token IS DISTINCT FROM new.lease_token OR old.leased_until IS DISTINCT FROM new.leased_until OR old.available_at IS DISTINCT FROM new.available_at OR old.expires_at IS DISTINCT FROM new.expires_at OR old.picked_up_at IS DISTINCT FROM new.picked_up_at OR old.completed_at IS DISTINCT FROM new.completed_at OR old.result IS DISTINCT FROM new.result OR old.error_message IS DISTINCT FROM new.error_message OR old.created_at IS DISTINCT FROM new.created_at))
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_ended');

CREATE OR REPLACE FUNCTION guard_lc_agent_actions_kept() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF (EXISTS (SELECT clusters.id 
FROM clusters 
WHERE clusters.tenant_id = old.tenant_id AND clusters.id = old.cluster_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = old.tenant_id)) THEN
    RAISE EXCEPTION 'lc_agent_actions_kept' USING ERRCODE = '23514', CONSTRAINT = 'lc_agent_actions_kept', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_agent_actions_kept BEFORE DELETE ON agent_actions FOR EACH ROW
EXECUTE FUNCTION guard_lc_agent_actions_kept();

CREATE OR REPLACE FUNCTION guard_lc_agent_actions_job() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT optimization_jobs.id 
FROM optimization_jobs 
WHERE optimization_jobs.tenant_id = new.tenant_id AND optimization_jobs.id = new.optimization_job_id FOR SHARE) AS locked;
  IF EXISTS (SELECT optimization_jobs.id 
FROM optimization_jobs 
WHERE optimization_jobs.tenant_id = new.tenant_id AND optimization_jobs.id = new.optimization_job_id AND optimization_jobs.status IN ('COMPLETED', 'FAILED')) THEN
    RAISE EXCEPTION 'lc_agent_actions_job' USING ERRCODE = '23514', CONSTRAINT = 'lc_agent_actions_job', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_agent_actions_job BEFORE INSERT OR UPDATE OF optimization_job_id ON agent_actions FOR EACH ROW
EXECUTE FUNCTION guard_lc_agent_actions_job();

CREATE TRIGGER lc_agent_actions_untouched BEFORE INSERT ON agent_actions FOR EACH ROW
WHEN (new.status = 'PENDING' AND (new.attempts > 0 OR new.lease_token > 0))
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_untouched');

CREATE TRIGGER lc_agent_actions_token BEFORE UPDATE OF status, lease_token ON agent_actions FOR EACH ROW
WHEN (CASE WHEN (new.status = 'PICKED_UP' AND old.status = 'PENDING') THEN new.lease_token IS DISTINCT FROM coalesce(old.lease_token + 1, 1) ELSE new.lease_token IS DISTINCT FROM old.lease_token END)
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_token');

CREATE TRIGGER lc_agent_actions_attempts BEFORE UPDATE OF attempts ON agent_actions FOR EACH ROW
WHEN (new.attempts IS DISTINCT FROM old.attempts AND NOT (new.status = 'PICKED_UP' AND old.status = 'PENDING'))
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_attempts');

CREATE TRIGGER lc_agent_actions_longest BEFORE UPDATE OF leased_until ON agent_actions FOR EACH ROW
WHEN ((new.leased_until > clock_timestamp() + interval '1 hours'))
EXECUTE FUNCTION spothive_refuse('lc_agent_actions_longest');

REVOKE ALL ON agent_actions FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON agent_actions TO spothive_system;

GRANT SELECT ON agent_actions TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON agent_actions TO spothive_app;

ALTER TABLE agent_actions ENABLE ROW LEVEL SECURITY;

ALTER TABLE agent_actions FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON agent_actions USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON agent_actions TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON api_usage FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON api_usage TO spothive_system;

GRANT SELECT ON api_usage TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON api_usage TO spothive_app;

ALTER TABLE api_usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE api_usage FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON api_usage USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON api_usage TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_approval_requests_status_first BEFORE INSERT ON approval_requests FOR EACH ROW
WHEN ((new.status NOT IN ('PENDING')))
EXECUTE FUNCTION spothive_refuse('lc_approval_requests_status_first');

CREATE TRIGGER lc_approval_requests_status_move BEFORE UPDATE OF status ON approval_requests FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'PENDING' AND new.status IN ('APPROVED', 'EXPIRED', 'REJECTED') OR old.status = 'APPROVED' AND new.status IN ('EXPIRED')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_approval_requests_status_move');

CREATE TRIGGER lc_approval_requests_key BEFORE UPDATE OF tenant_id, id ON approval_requests FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_approval_requests_key');

CREATE TRIGGER lc_approval_requests_asked BEFORE UPDATE OF requester_id, requester_name, action_type, instance_id, waste_resource_id, cluster_id, action_payload, plan_hash, risk_level, requested_at, expires_at ON approval_requests FOR EACH ROW
WHEN (old.requester_id IS DISTINCT FROM new.requester_id OR old.requester_name IS DISTINCT FROM new.requester_name OR old.action_type IS DISTINCT FROM new.action_type OR old.instance_id IS DISTINCT FROM new.instance_id OR old.waste_resource_id IS DISTINCT FROM new.waste_resource_id OR old.cluster_id IS DISTINCT FROM new.cluster_id OR old.action_payload IS DISTINCT FROM new.action_payload OR old.plan_hash IS DISTINCT FROM new.plan_hash OR old.risk_level IS DISTINCT FROM new.risk_level OR old.requested_at IS DISTINCT FROM new.requested_at OR old.expires_at IS DISTINCT FROM new.expires_at)
EXECUTE FUNCTION spothive_refuse('lc_approval_requests_asked');

CREATE TRIGGER lc_approval_requests_decided_once BEFORE UPDATE OF decided_at, decided_by, approver_id, approver_name ON approval_requests FOR EACH ROW
WHEN (old.status = new.status AND (old.decided_at IS DISTINCT FROM new.decided_at OR old.decided_by IS DISTINCT FROM new.decided_by OR old.approver_id IS DISTINCT FROM new.approver_id OR old.approver_name IS DISTINCT FROM new.approver_name) AND old.decided_at IS NOT NULL)
EXECUTE FUNCTION spothive_refuse('lc_approval_requests_decided_once');

CREATE TRIGGER lc_approval_requests_executed_at_once BEFORE UPDATE OF executed_at ON approval_requests FOR EACH ROW
WHEN (old.executed_at IS NOT NULL AND old.executed_at IS DISTINCT FROM new.executed_at)
EXECUTE FUNCTION spothive_refuse('lc_approval_requests_executed_at_once');

REVOKE ALL ON approval_requests FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON approval_requests TO spothive_system;

GRANT SELECT ON approval_requests TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON approval_requests TO spothive_app;

ALTER TABLE approval_requests ENABLE ROW LEVEL SECURITY;

ALTER TABLE approval_requests FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON approval_requests USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON approval_requests TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_experiment_logs_status_first BEFORE INSERT ON experiment_logs FOR EACH ROW
WHEN ((new.status NOT IN ('RECORDED')))
EXECUTE FUNCTION spothive_refuse('lc_experiment_logs_status_first');

CREATE TRIGGER lc_experiment_logs_status_move BEFORE UPDATE OF status ON experiment_logs FOR EACH ROW
WHEN (old.status IS DISTINCT FROM new.status AND (old.status = 'RECORDED' AND new.status IN ('ACTED') OR old.status = 'ACTED' AND new.status IN ('REVERTED')) IS NOT true)
EXECUTE FUNCTION spothive_refuse('lc_experiment_logs_status_move');

CREATE TRIGGER lc_experiment_logs_key BEFORE UPDATE OF tenant_id, id ON experiment_logs FOR EACH ROW
WHEN (old.tenant_id != new.tenant_id OR old.id != new.id)
EXECUTE FUNCTION spothive_refuse('lc_experiment_logs_key');

CREATE OR REPLACE FUNCTION guard_lc_experiment_logs_account() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  IF EXISTS (SELECT instances.id 
FROM instances 
WHERE instances.tenant_id = new.tenant_id AND instances.id = new.instance_id AND instances.account_id != new.account_id) THEN
    RAISE EXCEPTION 'lc_experiment_logs_account' USING ERRCODE = '23514', CONSTRAINT = 'lc_experiment_logs_account', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_experiment_logs_account BEFORE INSERT ON experiment_logs FOR EACH ROW
EXECUTE FUNCTION guard_lc_experiment_logs_account();

CREATE OR REPLACE FUNCTION guard_lc_experiment_logs_day() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $guard$
BEGIN
  PERFORM 1 FROM (SELECT 1 AS anon_1 
WHERE CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT) > 0) AS locked;
  IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') OR (EXISTS (SELECT 1 AS anon_1 
FROM rollup_watermarks 
WHERE rollup_watermarks.name = 'decisions' AND new.execution_time < CAST(substr(rollup_watermarks.position, 1, 10) || ' 00:00:00+00' AS TIMESTAMP WITH TIME ZONE))) THEN
    RAISE EXCEPTION 'lc_experiment_logs_day' USING ERRCODE = '23514', CONSTRAINT = 'lc_experiment_logs_day', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END
$guard$;

CREATE TRIGGER lc_experiment_logs_day BEFORE INSERT ON experiment_logs FOR EACH ROW
WHEN ((new.execution_time < clock_timestamp() - interval '23 hours'))
EXECUTE FUNCTION guard_lc_experiment_logs_day();

CREATE TRIGGER lc_experiment_logs_facts BEFORE UPDATE OF account_id, instance_id, model_id, experiment_name, pipeline_mode, is_shadow_run, prediction_score, decision, decision_reason, execution_time, execution_duration_ms, candidates_evaluated, selected_instance_type, selected_availability_zone, old_spot_price, new_spot_price, projected_hourly_savings, features_used, metrics, error_message, created_at ON experiment_logs FOR EACH ROW
WHEN (old.account_id IS DISTINCT FROM new.account_id OR old.instance_id IS DISTINCT FROM new.instance_id OR old.model_id IS DISTINCT FROM new.model_id OR old.experiment_name IS DISTINCT FROM new.experiment_name OR old.pipeline_mode IS DISTINCT FROM new.pipeline_mode OR old.is_shadow_run IS DISTINCT FROM new.is_shadow_run OR old.prediction_score IS DISTINCT FROM new.prediction_score OR old.decision IS DISTINCT FROM new.decision OR old.decision_reason IS DISTINCT FROM new.decision_reason OR old.execution_time IS DISTINCT FROM new.execution_time OR old.execution_duration_ms IS DISTINCT FROM new.execution_duration_ms OR old.candidates_evaluated IS DISTINCT FROM new.candidates_evaluated OR old.selected_instance_type IS DISTINCT FROM new.selected_instance_type OR old.selected_availability_zone IS DISTINCT FROM new.selected_availability_zone OR old.old_spot_price IS DISTINCT FROM new.old_spot_price OR old.new_spot_price IS DISTINCT FROM new.new_spot_price OR old.projected_hourly_savings IS DISTINCT FROM new.projected_hourly_savings OR old.features_used IS DISTINCT FROM new.features_used OR old.metrics IS DISTINCT FROM new.metrics OR old.error_message IS DISTINCT FROM new.error_message OR old.created_at IS DISTINCT FROM new.created_at)
EXECUTE FUNCTION spothive_refuse('lc_experiment_logs_facts');

REVOKE ALL ON experiment_logs FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_logs TO spothive_system;

GRANT SELECT ON experiment_logs TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_logs TO spothive_app;

ALTER TABLE experiment_logs ENABLE ROW LEVEL SECURITY;

ALTER TABLE experiment_logs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON experiment_logs USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON experiment_logs TO spothive_system USING (true) WITH CHECK (true);

REVOKE ALL ON hibernation_overrides FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON hibernation_overrides TO spothive_system;

GRANT SELECT ON hibernation_overrides TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON hibernation_overrides TO spothive_app;

ALTER TABLE hibernation_overrides ENABLE ROW LEVEL SECURITY;

ALTER TABLE hibernation_overrides FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON hibernation_overrides USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON hibernation_overrides TO spothive_system USING (true) WITH CHECK (true);

CREATE TRIGGER lc_explanations_facts BEFORE UPDATE ON explanations FOR EACH ROW
WHEN (true)
EXECUTE FUNCTION spothive_refuse('lc_explanations_facts');

REVOKE ALL ON explanations FROM PUBLIC, spothive_app, spothive_readonly, spothive_system;

GRANT SELECT, INSERT, UPDATE, DELETE ON explanations TO spothive_system;

GRANT SELECT ON explanations TO spothive_readonly;

GRANT SELECT, INSERT, UPDATE, DELETE ON explanations TO spothive_app;

ALTER TABLE explanations ENABLE ROW LEVEL SECURITY;

ALTER TABLE explanations FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON explanations USING (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid)) WITH CHECK (tenant_id = (SELECT nullif(current_setting('spothive.tenant_id', true), '')::uuid));

CREATE POLICY system ON explanations TO spothive_system USING (true) WITH CHECK (true);

DO $grant$ BEGIN EXECUTE format('GRANT CREATE ON SCHEMA %I TO spothive_system', current_schema()); END $grant$;

CREATE FUNCTION login_row(name text) RETURNS TABLE (tenant_id uuid, tenant_slug text, tenant_is_active boolean, id uuid, username text, role text, is_active boolean, must_change_password boolean, password_hash text, failed_logins bigint, locked_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $look_up$
SELECT users.tenant_id, tenants.slug AS tenant_slug, tenants.is_active AS tenant_is_active, users.id, users.username, users.role, users.is_active, users.must_change_password, users.password_hash, users.failed_logins, users.locked_until 
FROM users JOIN tenants ON tenants.id = users.tenant_id 
WHERE users.username = $1 OR users.email = $1 
 LIMIT 1
$look_up$;

REVOKE ALL ON FUNCTION login_row(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION login_row(text) TO spothive_app, spothive_system;

ALTER FUNCTION login_row(text) OWNER TO spothive_system;

DO $grant$ BEGIN EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM spothive_system', current_schema()); END $grant$;

DO $grant$ BEGIN EXECUTE format('GRANT CREATE ON SCHEMA %I TO spothive_system', current_schema()); END $grant$;

CREATE FUNCTION session_row(name text) RETURNS TABLE (tenant_id uuid, tenant_slug text, tenant_is_active boolean, session_id uuid, user_id uuid, username text, role text, is_active boolean, must_change_password boolean, last_active_at timestamptz, expires_at timestamptz, logged_out_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $look_up$
SELECT session_logs.tenant_id, tenants.slug AS tenant_slug, tenants.is_active AS tenant_is_active, session_logs.id AS session_id, session_logs.user_id, users.username, users.role, users.is_active, users.must_change_password, session_logs.last_active_at, session_logs.expires_at, session_logs.logged_out_at 
FROM session_logs JOIN users ON users.tenant_id = session_logs.tenant_id AND users.id = session_logs.user_id JOIN tenants ON tenants.id = session_logs.tenant_id 
WHERE session_logs.token_hash = $1
$look_up$;

REVOKE ALL ON FUNCTION session_row(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION session_row(text) TO spothive_app, spothive_system;

ALTER FUNCTION session_row(text) OWNER TO spothive_system;

DO $grant$ BEGIN EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM spothive_system', current_schema()); END $grant$;

DO $grant$ BEGIN EXECUTE format('GRANT CREATE ON SCHEMA %I TO spothive_system', current_schema()); END $grant$;

CREATE FUNCTION api_key_row(name text) RETURNS TABLE (tenant_id uuid, tenant_slug text, tenant_is_active boolean, key_id uuid, cluster_id uuid, user_id uuid, username text, role text, is_active boolean, key_name text, key_hash text, scopes jsonb, rate_limit bigint, last_used_at timestamptz, expires_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $look_up$
SELECT api_keys.tenant_id, tenants.slug AS tenant_slug, tenants.is_active AS tenant_is_active, api_keys.id AS key_id, api_keys.cluster_id, api_keys.user_id, users.username, users.role, users.is_active, api_keys.name AS key_name, api_keys.key_hash, api_keys.scopes, api_keys.rate_limit, api_keys.last_used_at, api_keys.expires_at, api_keys.revoked_at 
FROM api_keys JOIN tenants ON tenants.id = api_keys.tenant_id LEFT OUTER JOIN users ON users.tenant_id = api_keys.tenant_id AND users.id = api_keys.user_id 
WHERE api_keys.prefix = $1
$look_up$;

REVOKE ALL ON FUNCTION api_key_row(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION api_key_row(text) TO spothive_app, spothive_system;

ALTER FUNCTION api_key_row(text) OWNER TO spothive_system;

DO $grant$ BEGIN EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM spothive_system', current_schema()); END $grant$;

DO $grant$ BEGIN EXECUTE format('GRANT CREATE ON SCHEMA %I TO spothive_system', current_schema()); END $grant$;

CREATE FUNCTION account_owner_exists(name text) RETURNS TABLE (found boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $look_up$
SELECT EXISTS (SELECT accounts.id 
FROM accounts 
WHERE accounts.account_id = $1) AS found
$look_up$;

REVOKE ALL ON FUNCTION account_owner_exists(text) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION account_owner_exists(text) TO spothive_app, spothive_system;

ALTER FUNCTION account_owner_exists(text) OWNER TO spothive_system;

DO $grant$ BEGIN EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM spothive_system', current_schema()); END $grant$;

