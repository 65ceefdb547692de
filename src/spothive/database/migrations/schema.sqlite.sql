CREATE TABLE account_logs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    timestamp TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    account_id TEXT NOT NULL,
    action TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT,
    details TEXT DEFAULT '{}' NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    CONSTRAINT pk_account_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_account_logs_id UNIQUE (id),
    CONSTRAINT ck_account_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_account_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_account_logs_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT ck_account_logs_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_account_logs_action_length CHECK (length(action) >= 1 AND length(action) <= 64 AND instr(action, char(0)) = 0),
    CONSTRAINT ck_account_logs_from_status_values CHECK (from_status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_account_logs_to_status_values CHECK (to_status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_account_logs_details_json CHECK (CASE WHEN json_valid(details) THEN json_type(details) = 'object' AND length(CAST(details AS BLOB)) <= 262144 ELSE details IS NULL END),
    CONSTRAINT ck_account_logs_actor_id_uuid CHECK (length(actor_id) = 32 AND actor_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_account_logs_actor_name_length CHECK (length(actor_name) >= 1 AND length(actor_name) <= 255 AND instr(actor_name, char(0)) = 0)
)
 STRICT;

CREATE INDEX ix_account_logs_tenant_id_account_id_timestamp ON account_logs (tenant_id, account_id, timestamp);

CREATE INDEX ix_account_logs_tenant_id_timestamp ON account_logs (tenant_id, timestamp);

CREATE TABLE audit_logs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    timestamp TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    txid INTEGER DEFAULT '0' NOT NULL,
    actor_id TEXT,
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
    CONSTRAINT ck_audit_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_audit_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_audit_logs_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT ck_audit_logs_actor_id_uuid CHECK (length(actor_id) = 32 AND actor_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_audit_logs_actor_name_length CHECK (length(actor_name) >= 1 AND length(actor_name) <= 255 AND instr(actor_name, char(0)) = 0),
    CONSTRAINT ck_audit_logs_event_length CHECK (length(event) >= 1 AND length(event) <= 128 AND instr(event, char(0)) = 0),
    CONSTRAINT ck_audit_logs_resource_length CHECK (length(resource) >= 1 AND length(resource) <= 255 AND instr(resource, char(0)) = 0),
    CONSTRAINT ck_audit_logs_resource_type_values CHECK (resource_type IN ('ACCOUNT', 'INSTANCE', 'CLUSTER', 'TEMPLATE', 'POLICY', 'HIBERNATION', 'USER', 'TENANT', 'API_KEY', 'MODEL', 'EXPERIMENT', 'WASTE', 'APPROVAL', 'ACTION', 'RISK', 'NOTICE', 'DATASET', 'SYSTEM')),
    CONSTRAINT ck_audit_logs_outcome_values CHECK (outcome IN ('SUCCESS', 'FAILURE', 'DENIED')),
    CONSTRAINT ck_audit_logs_ip_address_length CHECK (length(ip_address) <= 45 AND instr(ip_address, char(0)) = 0),
    CONSTRAINT ck_audit_logs_user_agent_length CHECK (length(user_agent) <= 512 AND instr(user_agent, char(0)) = 0),
    CONSTRAINT ck_audit_logs_request_id_length CHECK (length(request_id) <= 64 AND instr(request_id, char(0)) = 0),
    CONSTRAINT ck_audit_logs_diff_before_length CHECK (length(diff_before) <= 65536 AND instr(diff_before, char(0)) = 0),
    CONSTRAINT ck_audit_logs_diff_after_length CHECK (length(diff_after) <= 65536 AND instr(diff_after, char(0)) = 0)
)
 STRICT;

CREATE INDEX ix_audit_logs_tenant_id_event ON audit_logs (tenant_id, event);

CREATE INDEX ix_audit_logs_tenant_id_resource ON audit_logs (tenant_id, resource);

CREATE INDEX ix_audit_logs_tenant_id_timestamp ON audit_logs (tenant_id, timestamp);

CREATE INDEX ix_audit_logs_tenant_id_txid ON audit_logs (tenant_id, txid);

CREATE TABLE audit_seals (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    seal_no INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    leaves BLOB NOT NULL,
    merkle_root TEXT NOT NULL,
    previous_seal_hash TEXT NOT NULL,
    horizon INTEGER NOT NULL,
    sealed_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    algorithm TEXT DEFAULT 'rsa-pkcs1-sha256' NOT NULL,
    key_id TEXT NOT NULL,
    signature BLOB NOT NULL,
    CONSTRAINT pk_audit_seals PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_audit_seals_tenant_id_seal_no UNIQUE (tenant_id, seal_no),
    CONSTRAINT uq_audit_seals_tenant_id_previous_seal_hash UNIQUE (tenant_id, previous_seal_hash),
    CONSTRAINT ck_audit_seals_leaves CHECK (length(leaves) = row_count * 48),
    CONSTRAINT ck_audit_seals_chain CHECK ((seal_no = 1) = (previous_seal_hash = '0000000000000000000000000000000000000000000000000000000000000000')),
    CONSTRAINT uq_audit_seals_id UNIQUE (id),
    CONSTRAINT ck_audit_seals_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_audit_seals_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_audit_seals_seal_no_range CHECK (seal_no >= 1 AND seal_no <= 9007199254740992),
    CONSTRAINT ck_audit_seals_row_count_range CHECK (row_count >= 1 AND row_count <= 10000),
    CONSTRAINT ck_audit_seals_merkle_root_length CHECK (length(merkle_root) >= 64 AND length(merkle_root) <= 64 AND instr(merkle_root, char(0)) = 0),
    CONSTRAINT ck_audit_seals_merkle_root_ascii CHECK (merkle_root NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_audit_seals_previous_seal_hash_length CHECK (length(previous_seal_hash) >= 64 AND length(previous_seal_hash) <= 64 AND instr(previous_seal_hash, char(0)) = 0),
    CONSTRAINT ck_audit_seals_previous_seal_hash_ascii CHECK (previous_seal_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_audit_seals_sealed_at_utc CHECK (sealed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(sealed_at, 1, 10), '+0 days') IS substr(sealed_at, 1, 10) AND substr(sealed_at, 1, 4) > '0000' AND substr(sealed_at, 12, 2) < '24' AND substr(sealed_at, 15, 2) < '60' AND substr(sealed_at, 18, 2) < '60' OR sealed_at IS NULL),
    CONSTRAINT ck_audit_seals_algorithm_values CHECK (algorithm IN ('rsa-pkcs1-sha256')),
    CONSTRAINT ck_audit_seals_key_id_length CHECK (length(key_id) >= 1 AND length(key_id) <= 16 AND instr(key_id, char(0)) = 0),
    CONSTRAINT ck_audit_seals_key_id_ascii CHECK (key_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_audit_seals_signature_size CHECK (length(signature) <= 1024)
)
 STRICT;

CREATE TABLE component_health (
    id TEXT NOT NULL,
    component TEXT NOT NULL,
    status TEXT DEFAULT 'unknown' NOT NULL,
    last_success TEXT,
    last_failure TEXT,
    last_check TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    success_count_24h INTEGER DEFAULT '0' NOT NULL,
    failure_count_24h INTEGER DEFAULT '0' NOT NULL,
    avg_execution_time_ms INTEGER,
    error_message TEXT,
    component_metadata TEXT DEFAULT '{}' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_component_health PRIMARY KEY (id),
    CONSTRAINT uq_component_health_component UNIQUE (component),
    CONSTRAINT ck_component_health_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_component_health_component_length CHECK (length(component) >= 1 AND length(component) <= 50 AND instr(component, char(0)) = 0),
    CONSTRAINT ck_component_health_status_values CHECK (status IN ('healthy', 'degraded', 'down', 'unknown')),
    CONSTRAINT ck_component_health_last_success_utc CHECK (last_success GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_success, 1, 10), '+0 days') IS substr(last_success, 1, 10) AND substr(last_success, 1, 4) > '0000' AND substr(last_success, 12, 2) < '24' AND substr(last_success, 15, 2) < '60' AND substr(last_success, 18, 2) < '60' OR last_success IS NULL),
    CONSTRAINT ck_component_health_last_failure_utc CHECK (last_failure GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_failure, 1, 10), '+0 days') IS substr(last_failure, 1, 10) AND substr(last_failure, 1, 4) > '0000' AND substr(last_failure, 12, 2) < '24' AND substr(last_failure, 15, 2) < '60' AND substr(last_failure, 18, 2) < '60' OR last_failure IS NULL),
    CONSTRAINT ck_component_health_last_check_utc CHECK (last_check GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_check, 1, 10), '+0 days') IS substr(last_check, 1, 10) AND substr(last_check, 1, 4) > '0000' AND substr(last_check, 12, 2) < '24' AND substr(last_check, 15, 2) < '60' AND substr(last_check, 18, 2) < '60' OR last_check IS NULL),
    CONSTRAINT ck_component_health_success_count_24h_range CHECK (success_count_24h >= 0 AND success_count_24h <= 2147483647),
    CONSTRAINT ck_component_health_failure_count_24h_range CHECK (failure_count_24h >= 0 AND failure_count_24h <= 2147483647),
    CONSTRAINT ck_component_health_avg_execution_time_ms_range CHECK (avg_execution_time_ms >= 0 AND avg_execution_time_ms <= 2147483647),
    CONSTRAINT ck_component_health_error_message_length CHECK (length(error_message) <= 4000 AND instr(error_message, char(0)) = 0),
    CONSTRAINT ck_component_health_component_metadata_json CHECK (CASE WHEN json_valid(component_metadata) THEN json_type(component_metadata) = 'object' AND length(CAST(component_metadata AS BLOB)) <= 262144 ELSE component_metadata IS NULL END),
    CONSTRAINT ck_component_health_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_component_health_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE global_risk_events (
    id TEXT NOT NULL,
    timestamp TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    pool_id TEXT NOT NULL,
    region TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    event_type TEXT NOT NULL,
    reported_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    source_event_id TEXT NOT NULL,
    event_metadata TEXT DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_global_risk_events PRIMARY KEY (id),
    CONSTRAINT ck_global_risk_events_pool CHECK (pool_id = region || ':' || availability_zone || ':' || instance_type),
    CONSTRAINT ck_global_risk_events_expiry CHECK (reported_at IS strftime('%Y-%m-%d %H:%M:%S', substr(expires_at, 1, 19), '-360 hours') || substr(expires_at, 20)),
    CONSTRAINT uq_global_risk_events_source_event_id UNIQUE (source_event_id),
    CONSTRAINT ck_global_risk_events_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_global_risk_events_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT ck_global_risk_events_pool_id_length CHECK (length(pool_id) >= 1 AND length(pool_id) <= 128 AND instr(pool_id, char(0)) = 0),
    CONSTRAINT ck_global_risk_events_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_global_risk_events_availability_zone_length CHECK (length(availability_zone) >= 1 AND length(availability_zone) <= 32 AND instr(availability_zone, char(0)) = 0),
    CONSTRAINT ck_global_risk_events_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32 AND instr(instance_type, char(0)) = 0),
    CONSTRAINT ck_global_risk_events_event_type_values CHECK (event_type IN ('rebalance_notice', 'termination_notice')),
    CONSTRAINT ck_global_risk_events_reported_at_utc CHECK (reported_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(reported_at, 1, 10), '+0 days') IS substr(reported_at, 1, 10) AND substr(reported_at, 1, 4) > '0000' AND substr(reported_at, 12, 2) < '24' AND substr(reported_at, 15, 2) < '60' AND substr(reported_at, 18, 2) < '60' OR reported_at IS NULL),
    CONSTRAINT ck_global_risk_events_expires_at_utc CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(expires_at, 1, 10), '+0 days') IS substr(expires_at, 1, 10) AND substr(expires_at, 1, 4) > '0000' AND substr(expires_at, 12, 2) < '24' AND substr(expires_at, 15, 2) < '60' AND substr(expires_at, 18, 2) < '60' OR expires_at IS NULL),
    CONSTRAINT ck_global_risk_events_source_event_id_length CHECK (length(source_event_id) >= 64 AND length(source_event_id) <= 64 AND instr(source_event_id, char(0)) = 0),
    CONSTRAINT ck_global_risk_events_source_event_id_ascii CHECK (source_event_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_global_risk_events_event_metadata_json CHECK (CASE WHEN json_valid(event_metadata) THEN json_type(event_metadata) = 'object' AND length(CAST(event_metadata AS BLOB)) <= 262144 ELSE event_metadata IS NULL END)
)
 STRICT;

CREATE INDEX ix_global_risk_events_pool_id_reported_at ON global_risk_events (pool_id, reported_at);

CREATE INDEX ix_global_risk_events_reported_at ON global_risk_events (reported_at);

CREATE TABLE login_history (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    timestamp TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    user_id TEXT,
    login_name TEXT NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    login_method TEXT NOT NULL,
    success INTEGER NOT NULL,
    failure_reason TEXT,
    CONSTRAINT pk_login_history PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_login_history_reason CHECK (CASE WHEN success THEN failure_reason IS NULL ELSE failure_reason IS NOT NULL END),
    CONSTRAINT uq_login_history_id UNIQUE (id),
    CONSTRAINT ck_login_history_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_login_history_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_login_history_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT ck_login_history_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_login_history_login_name_length CHECK (length(login_name) <= 255 AND instr(login_name, char(0)) = 0),
    CONSTRAINT ck_login_history_ip_address_length CHECK (length(ip_address) <= 45 AND instr(ip_address, char(0)) = 0),
    CONSTRAINT ck_login_history_user_agent_length CHECK (length(user_agent) <= 500 AND instr(user_agent, char(0)) = 0),
    CONSTRAINT ck_login_history_login_method_values CHECK (login_method IN ('password', 'totp', 'backup_code', 'api_key')),
    CONSTRAINT ck_login_history_success_bool CHECK (success IN (0, 1)),
    CONSTRAINT ck_login_history_failure_reason_length CHECK (length(failure_reason) >= 1 AND length(failure_reason) <= 255 AND instr(failure_reason, char(0)) = 0)
)
 STRICT;

CREATE INDEX ix_login_history_tenant_id_timestamp ON login_history (tenant_id, timestamp);

CREATE INDEX ix_login_history_tenant_id_user_id_timestamp ON login_history (tenant_id, user_id, timestamp);

CREATE TABLE ml_models (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    file_path TEXT NOT NULL,
    file_hash TEXT NOT NULL,
    file_format TEXT DEFAULT 'onnx' NOT NULL,
    status TEXT DEFAULT 'CANDIDATE' NOT NULL,
    is_active_prod INTEGER DEFAULT 0 NOT NULL,
    description TEXT,
    uploaded_by TEXT,
    person_name TEXT,
    uploaded_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    graduated_at TEXT,
    deployed_at TEXT,
    archived_at TEXT,
    total_predictions INTEGER DEFAULT '0' NOT NULL,
    success_count INTEGER DEFAULT '0' NOT NULL,
    failure_count INTEGER DEFAULT '0' NOT NULL,
    avg_prediction_score REAL,
    performance_metrics TEXT DEFAULT '{}' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_ml_models PRIMARY KEY (id),
    CONSTRAINT uq_ml_models_name_version UNIQUE (name, version),
    CONSTRAINT ck_ml_models_active CHECK (NOT is_active_prod OR (status = 'ENABLED' AND deployed_at IS NOT NULL)),
    CONSTRAINT ck_ml_models_graduated CHECK (status NOT IN ('GRADUATED', 'ENABLED') OR graduated_at IS NOT NULL),
    CONSTRAINT ck_ml_models_archived CHECK ((status = 'ARCHIVED') = (archived_at IS NOT NULL)),
    CONSTRAINT ck_ml_models_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_ml_models_name_length CHECK (length(name) >= 1 AND length(name) <= 255 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_ml_models_version_length CHECK (length(version) >= 1 AND length(version) <= 50 AND instr(version, char(0)) = 0),
    CONSTRAINT ck_ml_models_file_path_length CHECK (length(file_path) >= 1 AND length(file_path) <= 512 AND instr(file_path, char(0)) = 0),
    CONSTRAINT ck_ml_models_file_hash_length CHECK (length(file_hash) >= 64 AND length(file_hash) <= 64 AND instr(file_hash, char(0)) = 0),
    CONSTRAINT ck_ml_models_file_hash_ascii CHECK (file_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_ml_models_file_format_values CHECK (file_format IN ('onnx')),
    CONSTRAINT ck_ml_models_status_values CHECK (status IN ('CANDIDATE', 'TESTING', 'GRADUATED', 'ENABLED', 'ARCHIVED')),
    CONSTRAINT ck_ml_models_is_active_prod_bool CHECK (is_active_prod IN (0, 1)),
    CONSTRAINT ck_ml_models_description_length CHECK (length(description) <= 4000 AND instr(description, char(0)) = 0),
    CONSTRAINT ck_ml_models_uploaded_by_uuid CHECK (length(uploaded_by) = 32 AND uploaded_by NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_ml_models_person_name_length CHECK (length(person_name) <= 255 AND instr(person_name, char(0)) = 0),
    CONSTRAINT ck_ml_models_uploaded_at_utc CHECK (uploaded_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(uploaded_at, 1, 10), '+0 days') IS substr(uploaded_at, 1, 10) AND substr(uploaded_at, 1, 4) > '0000' AND substr(uploaded_at, 12, 2) < '24' AND substr(uploaded_at, 15, 2) < '60' AND substr(uploaded_at, 18, 2) < '60' OR uploaded_at IS NULL),
    CONSTRAINT ck_ml_models_graduated_at_utc CHECK (graduated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(graduated_at, 1, 10), '+0 days') IS substr(graduated_at, 1, 10) AND substr(graduated_at, 1, 4) > '0000' AND substr(graduated_at, 12, 2) < '24' AND substr(graduated_at, 15, 2) < '60' AND substr(graduated_at, 18, 2) < '60' OR graduated_at IS NULL),
    CONSTRAINT ck_ml_models_deployed_at_utc CHECK (deployed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(deployed_at, 1, 10), '+0 days') IS substr(deployed_at, 1, 10) AND substr(deployed_at, 1, 4) > '0000' AND substr(deployed_at, 12, 2) < '24' AND substr(deployed_at, 15, 2) < '60' AND substr(deployed_at, 18, 2) < '60' OR deployed_at IS NULL),
    CONSTRAINT ck_ml_models_archived_at_utc CHECK (archived_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(archived_at, 1, 10), '+0 days') IS substr(archived_at, 1, 10) AND substr(archived_at, 1, 4) > '0000' AND substr(archived_at, 12, 2) < '24' AND substr(archived_at, 15, 2) < '60' AND substr(archived_at, 18, 2) < '60' OR archived_at IS NULL),
    CONSTRAINT ck_ml_models_total_predictions_range CHECK (total_predictions >= 0 AND total_predictions <= 9007199254740992),
    CONSTRAINT ck_ml_models_success_count_range CHECK (success_count >= 0 AND success_count <= 9007199254740992),
    CONSTRAINT ck_ml_models_failure_count_range CHECK (failure_count >= 0 AND failure_count <= 9007199254740992),
    CONSTRAINT ck_ml_models_avg_prediction_score_range CHECK (avg_prediction_score >= 0 AND avg_prediction_score <= 1),
    CONSTRAINT ck_ml_models_performance_metrics_json CHECK (CASE WHEN json_valid(performance_metrics) THEN json_type(performance_metrics) = 'object' AND length(CAST(performance_metrics AS BLOB)) <= 262144 ELSE performance_metrics IS NULL END),
    CONSTRAINT ck_ml_models_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_ml_models_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE UNIQUE INDEX uq_ml_models_one_active ON ml_models (is_active_prod) WHERE is_active_prod;

CREATE TABLE on_demand_prices (
    id TEXT NOT NULL,
    region TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    os TEXT DEFAULT 'Linux' NOT NULL,
    price INTEGER NOT NULL,
    source TEXT NOT NULL,
    observed_at TEXT NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_on_demand_prices PRIMARY KEY (id),
    CONSTRAINT uq_on_demand_prices_region_instance_type_os UNIQUE (region, instance_type, os),
    CONSTRAINT ck_on_demand_prices_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_on_demand_prices_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_on_demand_prices_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32 AND instr(instance_type, char(0)) = 0),
    CONSTRAINT ck_on_demand_prices_os_length CHECK (length(os) >= 1 AND length(os) <= 32 AND instr(os, char(0)) = 0),
    CONSTRAINT ck_on_demand_prices_price_money CHECK (price >= 0 AND price <= 99999999999999),
    CONSTRAINT ck_on_demand_prices_source_length CHECK (length(source) >= 1 AND length(source) <= 255 AND instr(source, char(0)) = 0),
    CONSTRAINT ck_on_demand_prices_observed_at_utc CHECK (observed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(observed_at, 1, 10), '+0 days') IS substr(observed_at, 1, 10) AND substr(observed_at, 1, 4) > '0000' AND substr(observed_at, 12, 2) < '24' AND substr(observed_at, 15, 2) < '60' AND substr(observed_at, 18, 2) < '60' OR observed_at IS NULL),
    CONSTRAINT ck_on_demand_prices_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_on_demand_prices_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE risk_sources (
    id TEXT NOT NULL,
    timestamp TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    risk_event_id TEXT NOT NULL,
    source_client_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    CONSTRAINT pk_risk_sources PRIMARY KEY (id),
    CONSTRAINT uq_risk_sources_risk_event_id UNIQUE (risk_event_id),
    CONSTRAINT ck_risk_sources_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_risk_sources_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT ck_risk_sources_risk_event_id_uuid CHECK (length(risk_event_id) = 32 AND risk_event_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_risk_sources_source_client_id_uuid CHECK (length(source_client_id) = 32 AND source_client_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_risk_sources_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_risk_sources_instance_id_length CHECK (length(instance_id) >= 1 AND length(instance_id) <= 50 AND instr(instance_id, char(0)) = 0)
)
 STRICT;

CREATE INDEX ix_risk_sources_source_client_id_instance_id ON risk_sources (source_client_id, instance_id);

CREATE TABLE rollup_watermarks (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    position TEXT NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_rollup_watermarks PRIMARY KEY (id),
    CONSTRAINT uq_rollup_watermarks_name UNIQUE (name),
    CONSTRAINT ck_rollup_watermarks_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_rollup_watermarks_name_length CHECK (length(name) >= 1 AND length(name) <= 100 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_rollup_watermarks_position_length CHECK (length(position) <= 255 AND instr(position, char(0)) = 0),
    CONSTRAINT ck_rollup_watermarks_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_rollup_watermarks_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE spot_advisor_ratings (
    id TEXT NOT NULL,
    region TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    os TEXT DEFAULT 'Linux' NOT NULL,
    interruption_band INTEGER NOT NULL,
    savings_percent INTEGER NOT NULL,
    source TEXT NOT NULL,
    observed_at TEXT NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_spot_advisor_ratings PRIMARY KEY (id),
    CONSTRAINT uq_spot_advisor_ratings_region_instance_type_os UNIQUE (region, instance_type, os),
    CONSTRAINT ck_spot_advisor_ratings_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_spot_advisor_ratings_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_spot_advisor_ratings_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32 AND instr(instance_type, char(0)) = 0),
    CONSTRAINT ck_spot_advisor_ratings_os_length CHECK (length(os) >= 1 AND length(os) <= 32 AND instr(os, char(0)) = 0),
    CONSTRAINT ck_spot_advisor_ratings_interruption_band_range CHECK (interruption_band >= 0 AND interruption_band <= 4),
    CONSTRAINT ck_spot_advisor_ratings_savings_percent_range CHECK (savings_percent >= 0 AND savings_percent <= 100),
    CONSTRAINT ck_spot_advisor_ratings_source_length CHECK (length(source) >= 1 AND length(source) <= 255 AND instr(source, char(0)) = 0),
    CONSTRAINT ck_spot_advisor_ratings_observed_at_utc CHECK (observed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(observed_at, 1, 10), '+0 days') IS substr(observed_at, 1, 10) AND substr(observed_at, 1, 4) > '0000' AND substr(observed_at, 12, 2) < '24' AND substr(observed_at, 15, 2) < '60' AND substr(observed_at, 18, 2) < '60' OR observed_at IS NULL),
    CONSTRAINT ck_spot_advisor_ratings_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_spot_advisor_ratings_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE spot_pool_risks (
    id TEXT NOT NULL,
    pool_id TEXT NOT NULL,
    region TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    is_poisoned INTEGER DEFAULT 0 NOT NULL,
    interruption_count INTEGER DEFAULT '0' NOT NULL,
    last_interruption TEXT,
    poisoned_at TEXT,
    poison_expires_at TEXT,
    pool_metadata TEXT DEFAULT '{}' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_spot_pool_risks PRIMARY KEY (id),
    CONSTRAINT ck_spot_pool_risks_pool CHECK (pool_id = region || ':' || availability_zone || ':' || instance_type),
    CONSTRAINT ck_spot_pool_risks_poisoned CHECK (CASE WHEN is_poisoned THEN poisoned_at IS NOT NULL AND poison_expires_at IS NOT NULL ELSE poisoned_at IS NULL AND poison_expires_at IS NULL END),
    CONSTRAINT ck_spot_pool_risks_order CHECK (poison_expires_at > poisoned_at),
    CONSTRAINT uq_spot_pool_risks_pool_id UNIQUE (pool_id),
    CONSTRAINT ck_spot_pool_risks_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_spot_pool_risks_pool_id_length CHECK (length(pool_id) >= 1 AND length(pool_id) <= 128 AND instr(pool_id, char(0)) = 0),
    CONSTRAINT ck_spot_pool_risks_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_spot_pool_risks_availability_zone_length CHECK (length(availability_zone) >= 1 AND length(availability_zone) <= 32 AND instr(availability_zone, char(0)) = 0),
    CONSTRAINT ck_spot_pool_risks_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32 AND instr(instance_type, char(0)) = 0),
    CONSTRAINT ck_spot_pool_risks_is_poisoned_bool CHECK (is_poisoned IN (0, 1)),
    CONSTRAINT ck_spot_pool_risks_interruption_count_range CHECK (interruption_count >= 0 AND interruption_count <= 9007199254740992),
    CONSTRAINT ck_spot_pool_risks_last_interruption_utc CHECK (last_interruption GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_interruption, 1, 10), '+0 days') IS substr(last_interruption, 1, 10) AND substr(last_interruption, 1, 4) > '0000' AND substr(last_interruption, 12, 2) < '24' AND substr(last_interruption, 15, 2) < '60' AND substr(last_interruption, 18, 2) < '60' OR last_interruption IS NULL),
    CONSTRAINT ck_spot_pool_risks_poisoned_at_utc CHECK (poisoned_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(poisoned_at, 1, 10), '+0 days') IS substr(poisoned_at, 1, 10) AND substr(poisoned_at, 1, 4) > '0000' AND substr(poisoned_at, 12, 2) < '24' AND substr(poisoned_at, 15, 2) < '60' AND substr(poisoned_at, 18, 2) < '60' OR poisoned_at IS NULL),
    CONSTRAINT ck_spot_pool_risks_poison_expires_at_utc CHECK (poison_expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(poison_expires_at, 1, 10), '+0 days') IS substr(poison_expires_at, 1, 10) AND substr(poison_expires_at, 1, 4) > '0000' AND substr(poison_expires_at, 12, 2) < '24' AND substr(poison_expires_at, 15, 2) < '60' AND substr(poison_expires_at, 18, 2) < '60' OR poison_expires_at IS NULL),
    CONSTRAINT ck_spot_pool_risks_pool_metadata_json CHECK (CASE WHEN json_valid(pool_metadata) THEN json_type(pool_metadata) = 'object' AND length(CAST(pool_metadata AS BLOB)) <= 262144 ELSE pool_metadata IS NULL END),
    CONSTRAINT ck_spot_pool_risks_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_spot_pool_risks_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_spot_pool_risks_poison_expires_at ON spot_pool_risks (poison_expires_at);

CREATE INDEX ix_spot_pool_risks_region_instance_type ON spot_pool_risks (region, instance_type);

CREATE TABLE spot_prices (
    id TEXT NOT NULL,
    region TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    product TEXT DEFAULT 'Linux/UNIX' NOT NULL,
    price INTEGER NOT NULL,
    observed_at TEXT NOT NULL,
    source TEXT NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_spot_prices PRIMARY KEY (id),
    CONSTRAINT uq_spot_prices_pool_observed_at UNIQUE (availability_zone, instance_type, product, observed_at),
    CONSTRAINT ck_spot_prices_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_spot_prices_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_spot_prices_availability_zone_length CHECK (length(availability_zone) >= 1 AND length(availability_zone) <= 32 AND instr(availability_zone, char(0)) = 0),
    CONSTRAINT ck_spot_prices_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32 AND instr(instance_type, char(0)) = 0),
    CONSTRAINT ck_spot_prices_product_length CHECK (length(product) >= 1 AND length(product) <= 64 AND instr(product, char(0)) = 0),
    CONSTRAINT ck_spot_prices_price_money CHECK (price >= 0 AND price <= 99999999999999),
    CONSTRAINT ck_spot_prices_observed_at_utc CHECK (observed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(observed_at, 1, 10), '+0 days') IS substr(observed_at, 1, 10) AND substr(observed_at, 1, 4) > '0000' AND substr(observed_at, 12, 2) < '24' AND substr(observed_at, 15, 2) < '60' AND substr(observed_at, 18, 2) < '60' OR observed_at IS NULL),
    CONSTRAINT ck_spot_prices_source_length CHECK (length(source) >= 1 AND length(source) <= 255 AND instr(source, char(0)) = 0),
    CONSTRAINT ck_spot_prices_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_spot_prices_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_spot_prices_observed_at ON spot_prices (observed_at);

CREATE TABLE sweep_leases (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    leased_until TEXT NOT NULL,
    last_run_at TEXT,
    last_result TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_sweep_leases PRIMARY KEY (id),
    CONSTRAINT uq_sweep_leases_name UNIQUE (name),
    CONSTRAINT ck_sweep_leases_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_sweep_leases_name_length CHECK (length(name) >= 1 AND length(name) <= 100 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_sweep_leases_holder_length CHECK (length(holder) >= 1 AND length(holder) <= 255 AND instr(holder, char(0)) = 0),
    CONSTRAINT ck_sweep_leases_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL),
    CONSTRAINT ck_sweep_leases_last_run_at_utc CHECK (last_run_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_run_at, 1, 10), '+0 days') IS substr(last_run_at, 1, 10) AND substr(last_run_at, 1, 4) > '0000' AND substr(last_run_at, 12, 2) < '24' AND substr(last_run_at, 15, 2) < '60' AND substr(last_run_at, 18, 2) < '60' OR last_run_at IS NULL),
    CONSTRAINT ck_sweep_leases_last_result_length CHECK (length(last_result) <= 4000 AND instr(last_result, char(0)) = 0),
    CONSTRAINT ck_sweep_leases_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_sweep_leases_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE system_logs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    timestamp TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    user_id TEXT,
    person_name TEXT,
    component TEXT NOT NULL,
    level TEXT DEFAULT 'info' NOT NULL,
    action TEXT NOT NULL,
    message TEXT NOT NULL,
    details TEXT DEFAULT '{}' NOT NULL,
    execution_time_ms INTEGER,
    CONSTRAINT pk_system_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_system_logs_id UNIQUE (id),
    CONSTRAINT ck_system_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_system_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_system_logs_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT ck_system_logs_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_system_logs_person_name_length CHECK (length(person_name) <= 255 AND instr(person_name, char(0)) = 0),
    CONSTRAINT ck_system_logs_component_length CHECK (length(component) >= 1 AND length(component) <= 50 AND instr(component, char(0)) = 0),
    CONSTRAINT ck_system_logs_level_values CHECK (level IN ('debug', 'info', 'warning', 'error', 'critical')),
    CONSTRAINT ck_system_logs_action_length CHECK (length(action) >= 1 AND length(action) <= 100 AND instr(action, char(0)) = 0),
    CONSTRAINT ck_system_logs_message_length CHECK (length(message) <= 4000 AND instr(message, char(0)) = 0),
    CONSTRAINT ck_system_logs_details_json CHECK (CASE WHEN json_valid(details) THEN json_type(details) = 'object' AND length(CAST(details AS BLOB)) <= 262144 ELSE details IS NULL END),
    CONSTRAINT ck_system_logs_execution_time_ms_range CHECK (execution_time_ms >= 0 AND execution_time_ms <= 2147483647)
)
 STRICT;

CREATE INDEX ix_system_logs_tenant_id_component_level ON system_logs (tenant_id, component, level);

CREATE INDEX ix_system_logs_tenant_id_timestamp ON system_logs (tenant_id, timestamp);

CREATE TABLE tenants (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    is_active INTEGER DEFAULT 1 NOT NULL,
    settings TEXT DEFAULT '{}' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_tenants PRIMARY KEY (id),
    CONSTRAINT uq_tenants_slug UNIQUE (slug),
    CONSTRAINT ck_tenants_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tenants_name_length CHECK (length(name) >= 1 AND length(name) <= 255 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_tenants_slug_length CHECK (length(slug) >= 1 AND length(slug) <= 63 AND instr(slug, char(0)) = 0),
    CONSTRAINT ck_tenants_slug_ascii CHECK (slug NOT GLOB '*[^a-z0-9-]*'),
    CONSTRAINT ck_tenants_is_active_bool CHECK (is_active IN (0, 1)),
    CONSTRAINT ck_tenants_settings_json CHECK (CASE WHEN json_valid(settings) THEN json_type(settings) = 'object' AND length(CAST(settings AS BLOB)) <= 262144 ELSE settings IS NULL END),
    CONSTRAINT ck_tenants_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_tenants_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE withdrawn_keys (
    id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    withdrawn_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    person_name TEXT NOT NULL,
    CONSTRAINT pk_withdrawn_keys PRIMARY KEY (id),
    CONSTRAINT uq_withdrawn_keys_key_id UNIQUE (key_id),
    CONSTRAINT ck_withdrawn_keys_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_withdrawn_keys_key_id_length CHECK (length(key_id) >= 8 AND length(key_id) <= 8 AND instr(key_id, char(0)) = 0),
    CONSTRAINT ck_withdrawn_keys_key_id_ascii CHECK (key_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_withdrawn_keys_withdrawn_at_utc CHECK (withdrawn_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(withdrawn_at, 1, 10), '+0 days') IS substr(withdrawn_at, 1, 10) AND substr(withdrawn_at, 1, 4) > '0000' AND substr(withdrawn_at, 12, 2) < '24' AND substr(withdrawn_at, 15, 2) < '60' AND substr(withdrawn_at, 18, 2) < '60' OR withdrawn_at IS NULL),
    CONSTRAINT ck_withdrawn_keys_person_name_length CHECK (length(person_name) >= 1 AND length(person_name) <= 255 AND instr(person_name, char(0)) = 0)
)
 STRICT;

CREATE TABLE datasets (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    kind TEXT NOT NULL,
    row_count INTEGER DEFAULT '0' NOT NULL,
    file_path TEXT NOT NULL,
    file_hash TEXT NOT NULL,
    columns TEXT DEFAULT '[]' NOT NULL,
    created_by TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_datasets PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_datasets_tenant_id_name UNIQUE (tenant_id, name),
    CONSTRAINT uq_datasets_id UNIQUE (id),
    CONSTRAINT fk_datasets_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_datasets_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_datasets_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_datasets_name_length CHECK (length(name) >= 1 AND length(name) <= 255 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_datasets_description_length CHECK (length(description) <= 4000 AND instr(description, char(0)) = 0),
    CONSTRAINT ck_datasets_kind_values CHECK (kind IN ('market', 'interruptions', 'decisions')),
    CONSTRAINT ck_datasets_row_count_range CHECK (row_count >= 0 AND row_count <= 9007199254740992),
    CONSTRAINT ck_datasets_file_path_length CHECK (length(file_path) >= 1 AND length(file_path) <= 512 AND instr(file_path, char(0)) = 0),
    CONSTRAINT ck_datasets_file_hash_length CHECK (length(file_hash) >= 64 AND length(file_hash) <= 64 AND instr(file_hash, char(0)) = 0),
    CONSTRAINT ck_datasets_file_hash_ascii CHECK (file_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_datasets_columns_json CHECK (CASE WHEN json_valid(columns) THEN json_type(columns) = 'array' AND length(CAST(columns AS BLOB)) <= 262144 ELSE columns IS NULL END),
    CONSTRAINT ck_datasets_created_by_uuid CHECK (length(created_by) = 32 AND created_by NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_datasets_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_datasets_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE downtime_logs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    cluster_id TEXT,
    start_time TEXT NOT NULL,
    end_time TEXT,
    duration_seconds INTEGER,
    cause TEXT NOT NULL,
    cause_details TEXT,
    decision_id TEXT,
    downtime_metadata TEXT DEFAULT '{}' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_downtime_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_downtime_logs_whole_seconds CHECK (substr(start_time, 20) = '.000000' AND (end_time IS NULL OR substr(end_time, 20) = '.000000')),
    CONSTRAINT ck_downtime_logs_duration CHECK ((end_time IS NULL) = (duration_seconds IS NULL) AND (end_time IS NULL OR duration_seconds = unixepoch(end_time) - unixepoch(start_time))),
    CONSTRAINT uq_downtime_logs_id UNIQUE (id),
    CONSTRAINT fk_downtime_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_downtime_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_downtime_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_downtime_logs_instance_id_length CHECK (length(instance_id) >= 1 AND length(instance_id) <= 50 AND instr(instance_id, char(0)) = 0),
    CONSTRAINT ck_downtime_logs_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_downtime_logs_start_time_utc CHECK (start_time GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(start_time, 1, 10), '+0 days') IS substr(start_time, 1, 10) AND substr(start_time, 1, 4) > '0000' AND substr(start_time, 12, 2) < '24' AND substr(start_time, 15, 2) < '60' AND substr(start_time, 18, 2) < '60' OR start_time IS NULL),
    CONSTRAINT ck_downtime_logs_end_time_utc CHECK (end_time GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(end_time, 1, 10), '+0 days') IS substr(end_time, 1, 10) AND substr(end_time, 1, 4) > '0000' AND substr(end_time, 12, 2) < '24' AND substr(end_time, 15, 2) < '60' AND substr(end_time, 18, 2) < '60' OR end_time IS NULL),
    CONSTRAINT ck_downtime_logs_duration_seconds_range CHECK (duration_seconds >= 0 AND duration_seconds <= 1099511627776),
    CONSTRAINT ck_downtime_logs_cause_values CHECK (cause IN ('emergency_switch', 'no_replica', 'optimizer_failure', 'worker_crash')),
    CONSTRAINT ck_downtime_logs_cause_details_length CHECK (length(cause_details) <= 4000 AND instr(cause_details, char(0)) = 0),
    CONSTRAINT ck_downtime_logs_decision_id_uuid CHECK (length(decision_id) = 32 AND decision_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_downtime_logs_downtime_metadata_json CHECK (CASE WHEN json_valid(downtime_metadata) THEN json_type(downtime_metadata) = 'object' AND length(CAST(downtime_metadata AS BLOB)) <= 262144 ELSE downtime_metadata IS NULL END),
    CONSTRAINT ck_downtime_logs_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_downtime_logs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_downtime_logs_lasting ON downtime_logs (tenant_id) WHERE end_time IS NULL;

CREATE INDEX ix_downtime_logs_tenant_id_cluster_id_start_time ON downtime_logs (tenant_id, cluster_id, start_time);

CREATE INDEX ix_downtime_logs_tenant_id_instance_id ON downtime_logs (tenant_id, instance_id);

CREATE INDEX ix_downtime_logs_tenant_id_start_time ON downtime_logs (tenant_id, start_time);

CREATE TABLE email_logs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT,
    recipient_email TEXT NOT NULL,
    event_type TEXT NOT NULL,
    subject TEXT NOT NULL,
    template_name TEXT NOT NULL,
    event_data TEXT DEFAULT '{}' NOT NULL,
    provider TEXT DEFAULT 'smtp' NOT NULL,
    message_id TEXT,
    status TEXT DEFAULT 'pending' NOT NULL,
    last_error TEXT,
    attempts INTEGER DEFAULT '0' NOT NULL,
    next_attempt_at TEXT,
    sent_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_email_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_email_logs_sent CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT ck_email_logs_waiting CHECK (status = 'pending' OR next_attempt_at IS NULL),
    CONSTRAINT uq_email_logs_id UNIQUE (id),
    CONSTRAINT fk_email_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_email_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_logs_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_logs_recipient_email_length CHECK (length(recipient_email) >= 3 AND length(recipient_email) <= 255 AND instr(recipient_email, char(0)) = 0),
    CONSTRAINT ck_email_logs_recipient_email_ascii CHECK (recipient_email NOT GLOB '*[^!-@[-~]*'),
    CONSTRAINT ck_email_logs_recipient_email_email CHECK (length(recipient_email) - length(replace(recipient_email, '@', '')) = 1 AND substr(recipient_email, 1, 1) <> '@' AND substr(recipient_email, length(recipient_email), 1) <> '@'),
    CONSTRAINT ck_email_logs_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_email_logs_subject_length CHECK (length(subject) >= 1 AND length(subject) <= 255 AND instr(subject, char(0)) = 0),
    CONSTRAINT ck_email_logs_template_name_length CHECK (length(template_name) >= 1 AND length(template_name) <= 100 AND instr(template_name, char(0)) = 0),
    CONSTRAINT ck_email_logs_event_data_json CHECK (CASE WHEN json_valid(event_data) THEN json_type(event_data) = 'object' AND length(CAST(event_data AS BLOB)) <= 262144 ELSE event_data IS NULL END),
    CONSTRAINT ck_email_logs_provider_values CHECK (provider IN ('smtp', 'console')),
    CONSTRAINT ck_email_logs_message_id_length CHECK (length(message_id) <= 255 AND instr(message_id, char(0)) = 0),
    CONSTRAINT ck_email_logs_status_values CHECK (status IN ('pending', 'sent', 'failed')),
    CONSTRAINT ck_email_logs_last_error_length CHECK (length(last_error) <= 4000 AND instr(last_error, char(0)) = 0),
    CONSTRAINT ck_email_logs_attempts_range CHECK (attempts >= 0 AND attempts <= 100),
    CONSTRAINT ck_email_logs_next_attempt_at_utc CHECK (next_attempt_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(next_attempt_at, 1, 10), '+0 days') IS substr(next_attempt_at, 1, 10) AND substr(next_attempt_at, 1, 4) > '0000' AND substr(next_attempt_at, 12, 2) < '24' AND substr(next_attempt_at, 15, 2) < '60' AND substr(next_attempt_at, 18, 2) < '60' OR next_attempt_at IS NULL),
    CONSTRAINT ck_email_logs_sent_at_utc CHECK (sent_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(sent_at, 1, 10), '+0 days') IS substr(sent_at, 1, 10) AND substr(sent_at, 1, 4) > '0000' AND substr(sent_at, 12, 2) < '24' AND substr(sent_at, 15, 2) < '60' AND substr(sent_at, 18, 2) < '60' OR sent_at IS NULL),
    CONSTRAINT ck_email_logs_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_email_logs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_email_logs_tenant_id_created_at ON email_logs (tenant_id, created_at);

CREATE INDEX ix_email_logs_tenant_id_user_id_created_at ON email_logs (tenant_id, user_id, created_at);

CREATE INDEX ix_email_logs_waiting ON email_logs (tenant_id, next_attempt_at) WHERE status = 'pending';

CREATE UNIQUE INDEX uq_email_logs_message_id ON email_logs (tenant_id, message_id) WHERE message_id IS NOT NULL;

CREATE TABLE invitations (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    invited_by_name TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    accepted_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_invitations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_invitations_in_time CHECK (accepted_at <= expires_at),
    CONSTRAINT uq_invitations_token_hash UNIQUE (token_hash),
    CONSTRAINT uq_invitations_id UNIQUE (id),
    CONSTRAINT fk_invitations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_invitations_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_invitations_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_invitations_email_length CHECK (length(email) >= 3 AND length(email) <= 255 AND instr(email, char(0)) = 0),
    CONSTRAINT ck_invitations_email_ascii CHECK (email NOT GLOB '*[^!-@[-~]*'),
    CONSTRAINT ck_invitations_email_email CHECK (length(email) - length(replace(email, '@', '')) = 1 AND substr(email, 1, 1) <> '@' AND substr(email, length(email), 1) <> '@'),
    CONSTRAINT ck_invitations_role_values CHECK (role IN ('super_admin', 'admin', 'client', 'user', 'lab')),
    CONSTRAINT ck_invitations_token_hash_length CHECK (length(token_hash) >= 64 AND length(token_hash) <= 64 AND instr(token_hash, char(0)) = 0),
    CONSTRAINT ck_invitations_token_hash_ascii CHECK (token_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_invitations_invited_by_name_length CHECK (length(invited_by_name) >= 1 AND length(invited_by_name) <= 255 AND instr(invited_by_name, char(0)) = 0),
    CONSTRAINT ck_invitations_expires_at_utc CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(expires_at, 1, 10), '+0 days') IS substr(expires_at, 1, 10) AND substr(expires_at, 1, 4) > '0000' AND substr(expires_at, 12, 2) < '24' AND substr(expires_at, 15, 2) < '60' AND substr(expires_at, 18, 2) < '60' OR expires_at IS NULL),
    CONSTRAINT ck_invitations_accepted_at_utc CHECK (accepted_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(accepted_at, 1, 10), '+0 days') IS substr(accepted_at, 1, 10) AND substr(accepted_at, 1, 4) > '0000' AND substr(accepted_at, 12, 2) < '24' AND substr(accepted_at, 15, 2) < '60' AND substr(accepted_at, 18, 2) < '60' OR accepted_at IS NULL),
    CONSTRAINT ck_invitations_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_invitations_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_invitations_tenant_id_email ON invitations (tenant_id, email);

CREATE TABLE lab_experiments (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    cluster_id TEXT,
    instance_id TEXT NOT NULL,
    name TEXT NOT NULL,
    notes TEXT,
    test_type TEXT NOT NULL,
    status TEXT DEFAULT 'DRAFT' NOT NULL,
    telemetry TEXT DEFAULT '{}' NOT NULL,
    lease_token TEXT,
    leased_until TEXT,
    started_at TEXT,
    completed_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_lab_experiments PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_lab_experiments_started CHECK ((status = 'DRAFT') = (started_at IS NULL)),
    CONSTRAINT ck_lab_experiments_completed CHECK ((status IN ('COMPLETED', 'FAILED')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_lab_experiments_lease CHECK ((lease_token IS NULL) = (leased_until IS NULL) AND (lease_token IS NULL OR status = 'RUNNING')),
    CONSTRAINT fk_lab_experiments_model_id FOREIGN KEY(model_id) REFERENCES ml_models (id),
    CONSTRAINT uq_lab_experiments_id UNIQUE (id),
    CONSTRAINT fk_lab_experiments_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_lab_experiments_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_lab_experiments_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_lab_experiments_model_id_uuid CHECK (length(model_id) = 32 AND model_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_lab_experiments_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_lab_experiments_instance_id_length CHECK (length(instance_id) >= 1 AND length(instance_id) <= 50 AND instr(instance_id, char(0)) = 0),
    CONSTRAINT ck_lab_experiments_name_length CHECK (length(name) >= 1 AND length(name) <= 255 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_lab_experiments_notes_length CHECK (length(notes) <= 4000 AND instr(notes, char(0)) = 0),
    CONSTRAINT ck_lab_experiments_test_type_values CHECK (test_type IN ('interruption_prediction', 'bin_packing', 'live_switch', 'parallel', 'ab')),
    CONSTRAINT ck_lab_experiments_status_values CHECK (status IN ('DRAFT', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_lab_experiments_telemetry_json CHECK (CASE WHEN json_valid(telemetry) THEN json_type(telemetry) = 'object' AND length(CAST(telemetry AS BLOB)) <= 262144 ELSE telemetry IS NULL END),
    CONSTRAINT ck_lab_experiments_lease_token_uuid CHECK (length(lease_token) = 32 AND lease_token NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_lab_experiments_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL),
    CONSTRAINT ck_lab_experiments_started_at_utc CHECK (started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(started_at, 1, 10), '+0 days') IS substr(started_at, 1, 10) AND substr(started_at, 1, 4) > '0000' AND substr(started_at, 12, 2) < '24' AND substr(started_at, 15, 2) < '60' AND substr(started_at, 18, 2) < '60' OR started_at IS NULL),
    CONSTRAINT ck_lab_experiments_completed_at_utc CHECK (completed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(completed_at, 1, 10), '+0 days') IS substr(completed_at, 1, 10) AND substr(completed_at, 1, 4) > '0000' AND substr(completed_at, 12, 2) < '24' AND substr(completed_at, 15, 2) < '60' AND substr(completed_at, 18, 2) < '60' OR completed_at IS NULL),
    CONSTRAINT ck_lab_experiments_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_lab_experiments_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_lab_experiments_model_id ON lab_experiments (model_id);

CREATE INDEX ix_lab_experiments_tenant_id_created_at ON lab_experiments (tenant_id, created_at);

CREATE INDEX ix_lab_experiments_tenant_id_status ON lab_experiments (tenant_id, status);

CREATE TABLE tags (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    color TEXT,
    created_by TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_tags PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_tags_tenant_id_slug UNIQUE (tenant_id, slug),
    CONSTRAINT uq_tags_id UNIQUE (id),
    CONSTRAINT fk_tags_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_tags_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tags_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tags_name_length CHECK (length(name) >= 1 AND length(name) <= 50 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_tags_slug_length CHECK (length(slug) >= 1 AND length(slug) <= 50 AND instr(slug, char(0)) = 0),
    CONSTRAINT ck_tags_slug_ascii CHECK (slug NOT GLOB '*[^a-z0-9-]*'),
    CONSTRAINT ck_tags_color_length CHECK (length(color) >= 4 AND length(color) <= 7 AND instr(color, char(0)) = 0),
    CONSTRAINT ck_tags_color_ascii CHECK (color NOT GLOB '*[^#0-9a-f]*'),
    CONSTRAINT ck_tags_created_by_uuid CHECK (length(created_by) = 32 AND created_by NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tags_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_tags_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE tellings (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    subject TEXT NOT NULL,
    told_until TEXT NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_tellings PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_tellings_tenant_id_event_type_subject UNIQUE (tenant_id, event_type, subject),
    CONSTRAINT uq_tellings_id UNIQUE (id),
    CONSTRAINT fk_tellings_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_tellings_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tellings_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tellings_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_tellings_subject_length CHECK (length(subject) >= 1 AND length(subject) <= 255 AND instr(subject, char(0)) = 0),
    CONSTRAINT ck_tellings_told_until_utc CHECK (told_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(told_until, 1, 10), '+0 days') IS substr(told_until, 1, 10) AND substr(told_until, 1, 4) > '0000' AND substr(told_until, 12, 2) < '24' AND substr(told_until, 15, 2) < '60' AND substr(told_until, 18, 2) < '60' OR told_until IS NULL),
    CONSTRAINT ck_tellings_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_tellings_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE users (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    username TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    full_name TEXT,
    role TEXT DEFAULT 'user' NOT NULL,
    is_active INTEGER DEFAULT 1 NOT NULL,
    must_change_password INTEGER DEFAULT 0 NOT NULL,
    timezone TEXT DEFAULT 'UTC' NOT NULL,
    last_login TEXT,
    failed_logins INTEGER DEFAULT '0' NOT NULL,
    locked_until TEXT,
    totp_secret TEXT,
    totp_enabled INTEGER DEFAULT 0 NOT NULL,
    totp_last_step INTEGER,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_users_totp CHECK (NOT totp_enabled OR totp_secret IS NOT NULL),
    CONSTRAINT uq_users_email UNIQUE (email),
    CONSTRAINT uq_users_username UNIQUE (username),
    CONSTRAINT uq_users_id UNIQUE (id),
    CONSTRAINT fk_users_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_users_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_users_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_users_email_length CHECK (length(email) >= 3 AND length(email) <= 255 AND instr(email, char(0)) = 0),
    CONSTRAINT ck_users_email_ascii CHECK (email NOT GLOB '*[^!-@[-~]*'),
    CONSTRAINT ck_users_email_email CHECK (length(email) - length(replace(email, '@', '')) = 1 AND substr(email, 1, 1) <> '@' AND substr(email, length(email), 1) <> '@'),
    CONSTRAINT ck_users_username_length CHECK (length(username) >= 3 AND length(username) <= 50 AND instr(username, char(0)) = 0),
    CONSTRAINT ck_users_username_ascii CHECK (username NOT GLOB '*[^!-@[-~]*'),
    CONSTRAINT ck_users_password_hash_length CHECK (length(password_hash) >= 1 AND length(password_hash) <= 255 AND instr(password_hash, char(0)) = 0),
    CONSTRAINT ck_users_full_name_length CHECK (length(full_name) <= 100 AND instr(full_name, char(0)) = 0),
    CONSTRAINT ck_users_role_values CHECK (role IN ('super_admin', 'admin', 'client', 'user', 'lab')),
    CONSTRAINT ck_users_is_active_bool CHECK (is_active IN (0, 1)),
    CONSTRAINT ck_users_must_change_password_bool CHECK (must_change_password IN (0, 1)),
    CONSTRAINT ck_users_timezone_length CHECK (length(timezone) >= 1 AND length(timezone) <= 64 AND instr(timezone, char(0)) = 0),
    CONSTRAINT ck_users_last_login_utc CHECK (last_login GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_login, 1, 10), '+0 days') IS substr(last_login, 1, 10) AND substr(last_login, 1, 4) > '0000' AND substr(last_login, 12, 2) < '24' AND substr(last_login, 15, 2) < '60' AND substr(last_login, 18, 2) < '60' OR last_login IS NULL),
    CONSTRAINT ck_users_failed_logins_range CHECK (failed_logins >= 0 AND failed_logins <= 2147483647),
    CONSTRAINT ck_users_locked_until_utc CHECK (locked_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(locked_until, 1, 10), '+0 days') IS substr(locked_until, 1, 10) AND substr(locked_until, 1, 4) > '0000' AND substr(locked_until, 12, 2) < '24' AND substr(locked_until, 15, 2) < '60' AND substr(locked_until, 18, 2) < '60' OR locked_until IS NULL),
    CONSTRAINT ck_users_totp_secret_sealed CHECK (substr(totp_secret, 1, 9) = 'sealed:1:' AND trim(substr(totp_secret, 10, 8), '0123456789abcdef') = '' AND substr(totp_secret, 18, 1) = ':' AND trim(totp_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(totp_secret) >= 57 AND length(totp_secret) <= 21901),
    CONSTRAINT ck_users_totp_enabled_bool CHECK (totp_enabled IN (0, 1)),
    CONSTRAINT ck_users_totp_last_step_range CHECK (totp_last_step >= 0 AND totp_last_step <= 9007199254740992),
    CONSTRAINT ck_users_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_users_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE accounts (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
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
    account_metadata TEXT DEFAULT '{}' NOT NULL,
    last_discovered_at TEXT,
    disconnecting_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
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
    CONSTRAINT ck_accounts_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_accounts_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_accounts_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_accounts_account_id_length CHECK (length(account_id) >= 1 AND length(account_id) <= 64 AND instr(account_id, char(0)) = 0),
    CONSTRAINT ck_accounts_account_name_length CHECK (length(account_name) >= 1 AND length(account_name) <= 100 AND instr(account_name, char(0)) = 0),
    CONSTRAINT ck_accounts_environment_type_values CHECK (environment_type IN ('PROD', 'LAB')),
    CONSTRAINT ck_accounts_connection_method_values CHECK (connection_method IN ('iam_role', 'access_keys', 'import')),
    CONSTRAINT ck_accounts_role_arn_length CHECK (length(role_arn) <= 2048 AND instr(role_arn, char(0)) = 0),
    CONSTRAINT ck_accounts_external_id_length CHECK (length(external_id) >= 1 AND length(external_id) <= 64 AND instr(external_id, char(0)) = 0),
    CONSTRAINT ck_accounts_aws_access_key_id_sealed CHECK (substr(aws_access_key_id, 1, 9) = 'sealed:1:' AND trim(substr(aws_access_key_id, 10, 8), '0123456789abcdef') = '' AND substr(aws_access_key_id, 18, 1) = ':' AND trim(aws_access_key_id, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(aws_access_key_id) >= 57 AND length(aws_access_key_id) <= 21901),
    CONSTRAINT ck_accounts_aws_secret_access_key_sealed CHECK (substr(aws_secret_access_key, 1, 9) = 'sealed:1:' AND trim(substr(aws_secret_access_key, 10, 8), '0123456789abcdef') = '' AND substr(aws_secret_access_key, 18, 1) = ':' AND trim(aws_secret_access_key, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(aws_secret_access_key) >= 57 AND length(aws_secret_access_key) <= 21901),
    CONSTRAINT ck_accounts_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_accounts_status_values CHECK (status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_accounts_status_reason_length CHECK (length(status_reason) <= 4000 AND instr(status_reason, char(0)) = 0),
    CONSTRAINT ck_accounts_account_metadata_json CHECK (CASE WHEN json_valid(account_metadata) THEN json_type(account_metadata) = 'object' AND length(CAST(account_metadata AS BLOB)) <= 262144 ELSE account_metadata IS NULL END),
    CONSTRAINT ck_accounts_last_discovered_at_utc CHECK (last_discovered_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_discovered_at, 1, 10), '+0 days') IS substr(last_discovered_at, 1, 10) AND substr(last_discovered_at, 1, 4) > '0000' AND substr(last_discovered_at, 12, 2) < '24' AND substr(last_discovered_at, 15, 2) < '60' AND substr(last_discovered_at, 18, 2) < '60' OR last_discovered_at IS NULL),
    CONSTRAINT ck_accounts_disconnecting_at_utc CHECK (disconnecting_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(disconnecting_at, 1, 10), '+0 days') IS substr(disconnecting_at, 1, 10) AND substr(disconnecting_at, 1, 4) > '0000' AND substr(disconnecting_at, 12, 2) < '24' AND substr(disconnecting_at, 15, 2) < '60' AND substr(disconnecting_at, 18, 2) < '60' OR disconnecting_at IS NULL),
    CONSTRAINT ck_accounts_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_accounts_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_accounts_tenant_id_status ON accounts (tenant_id, status);

CREATE INDEX ix_accounts_tenant_id_user_id ON accounts (tenant_id, user_id);

CREATE TABLE backup_codes (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    code_hash TEXT NOT NULL,
    used_at TEXT,
    ip_address TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_backup_codes PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_backup_codes_used CHECK (ip_address IS NULL OR used_at IS NOT NULL),
    CONSTRAINT uq_backup_codes_code_hash UNIQUE (code_hash),
    CONSTRAINT uq_backup_codes_id UNIQUE (id),
    CONSTRAINT fk_backup_codes_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_backup_codes_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_backup_codes_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_backup_codes_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_backup_codes_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_backup_codes_code_hash_length CHECK (length(code_hash) >= 1 AND length(code_hash) <= 255 AND instr(code_hash, char(0)) = 0),
    CONSTRAINT ck_backup_codes_used_at_utc CHECK (used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(used_at, 1, 10), '+0 days') IS substr(used_at, 1, 10) AND substr(used_at, 1, 4) > '0000' AND substr(used_at, 12, 2) < '24' AND substr(used_at, 15, 2) < '60' AND substr(used_at, 18, 2) < '60' OR used_at IS NULL),
    CONSTRAINT ck_backup_codes_ip_address_length CHECK (length(ip_address) <= 45 AND instr(ip_address, char(0)) = 0),
    CONSTRAINT ck_backup_codes_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_backup_codes_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_backup_codes_tenant_id_user_id ON backup_codes (tenant_id, user_id);

CREATE TABLE dataset_generations (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    dataset_id TEXT,
    name TEXT NOT NULL,
    config TEXT DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    lease_token TEXT,
    leased_until TEXT,
    progress INTEGER DEFAULT '0' NOT NULL,
    rows INTEGER DEFAULT '0' NOT NULL,
    output_path TEXT,
    error_message TEXT,
    started_at TEXT,
    completed_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_dataset_generations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_dataset_generations_started CHECK (CASE status WHEN 'pending' THEN started_at IS NULL WHEN 'cancelled' THEN true ELSE started_at IS NOT NULL END),
    CONSTRAINT ck_dataset_generations_completed CHECK ((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_dataset_generations_failed CHECK ((status = 'failed') = (error_message IS NOT NULL)),
    CONSTRAINT ck_dataset_generations_lease CHECK ((status = 'running') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT uq_dataset_generations_id UNIQUE (id),
    CONSTRAINT fk_dataset_generations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_dataset_generations_tenant_id_dataset_id FOREIGN KEY(tenant_id, dataset_id) REFERENCES datasets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_dataset_generations_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_dataset_generations_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_dataset_generations_dataset_id_uuid CHECK (length(dataset_id) = 32 AND dataset_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_dataset_generations_name_length CHECK (length(name) >= 1 AND length(name) <= 255 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_dataset_generations_config_json CHECK (CASE WHEN json_valid(config) THEN json_type(config) = 'object' AND length(CAST(config AS BLOB)) <= 262144 ELSE config IS NULL END),
    CONSTRAINT ck_dataset_generations_status_values CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_dataset_generations_lease_token_uuid CHECK (length(lease_token) = 32 AND lease_token NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_dataset_generations_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL),
    CONSTRAINT ck_dataset_generations_progress_range CHECK (progress >= 0 AND progress <= 100),
    CONSTRAINT ck_dataset_generations_rows_range CHECK (rows >= 0 AND rows <= 9007199254740992),
    CONSTRAINT ck_dataset_generations_output_path_length CHECK (length(output_path) <= 512 AND instr(output_path, char(0)) = 0),
    CONSTRAINT ck_dataset_generations_error_message_length CHECK (length(error_message) >= 1 AND length(error_message) <= 4000 AND instr(error_message, char(0)) = 0),
    CONSTRAINT ck_dataset_generations_started_at_utc CHECK (started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(started_at, 1, 10), '+0 days') IS substr(started_at, 1, 10) AND substr(started_at, 1, 4) > '0000' AND substr(started_at, 12, 2) < '24' AND substr(started_at, 15, 2) < '60' AND substr(started_at, 18, 2) < '60' OR started_at IS NULL),
    CONSTRAINT ck_dataset_generations_completed_at_utc CHECK (completed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(completed_at, 1, 10), '+0 days') IS substr(completed_at, 1, 10) AND substr(completed_at, 1, 4) > '0000' AND substr(completed_at, 12, 2) < '24' AND substr(completed_at, 15, 2) < '60' AND substr(completed_at, 18, 2) < '60' OR completed_at IS NULL),
    CONSTRAINT ck_dataset_generations_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_dataset_generations_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_dataset_generations_tenant_id_dataset_id ON dataset_generations (tenant_id, dataset_id);

CREATE INDEX ix_dataset_generations_tenant_id_status ON dataset_generations (tenant_id, status);

CREATE TABLE dataset_imports (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    dataset_id TEXT,
    name TEXT NOT NULL,
    config TEXT DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    lease_token TEXT,
    leased_until TEXT,
    progress INTEGER DEFAULT '0' NOT NULL,
    rows INTEGER DEFAULT '0' NOT NULL,
    output_path TEXT,
    error_message TEXT,
    started_at TEXT,
    completed_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_dataset_imports PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_dataset_imports_started CHECK (CASE status WHEN 'pending' THEN started_at IS NULL WHEN 'cancelled' THEN true ELSE started_at IS NOT NULL END),
    CONSTRAINT ck_dataset_imports_completed CHECK ((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_dataset_imports_failed CHECK ((status = 'failed') = (error_message IS NOT NULL)),
    CONSTRAINT ck_dataset_imports_lease CHECK ((status = 'running') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT uq_dataset_imports_id UNIQUE (id),
    CONSTRAINT fk_dataset_imports_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_dataset_imports_tenant_id_dataset_id FOREIGN KEY(tenant_id, dataset_id) REFERENCES datasets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_dataset_imports_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_dataset_imports_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_dataset_imports_dataset_id_uuid CHECK (length(dataset_id) = 32 AND dataset_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_dataset_imports_name_length CHECK (length(name) >= 1 AND length(name) <= 255 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_dataset_imports_config_json CHECK (CASE WHEN json_valid(config) THEN json_type(config) = 'object' AND length(CAST(config AS BLOB)) <= 262144 ELSE config IS NULL END),
    CONSTRAINT ck_dataset_imports_status_values CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_dataset_imports_lease_token_uuid CHECK (length(lease_token) = 32 AND lease_token NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_dataset_imports_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL),
    CONSTRAINT ck_dataset_imports_progress_range CHECK (progress >= 0 AND progress <= 100),
    CONSTRAINT ck_dataset_imports_rows_range CHECK (rows >= 0 AND rows <= 9007199254740992),
    CONSTRAINT ck_dataset_imports_output_path_length CHECK (length(output_path) <= 512 AND instr(output_path, char(0)) = 0),
    CONSTRAINT ck_dataset_imports_error_message_length CHECK (length(error_message) >= 1 AND length(error_message) <= 4000 AND instr(error_message, char(0)) = 0),
    CONSTRAINT ck_dataset_imports_started_at_utc CHECK (started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(started_at, 1, 10), '+0 days') IS substr(started_at, 1, 10) AND substr(started_at, 1, 4) > '0000' AND substr(started_at, 12, 2) < '24' AND substr(started_at, 15, 2) < '60' AND substr(started_at, 18, 2) < '60' OR started_at IS NULL),
    CONSTRAINT ck_dataset_imports_completed_at_utc CHECK (completed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(completed_at, 1, 10), '+0 days') IS substr(completed_at, 1, 10) AND substr(completed_at, 1, 4) > '0000' AND substr(completed_at, 12, 2) < '24' AND substr(completed_at, 15, 2) < '60' AND substr(completed_at, 18, 2) < '60' OR completed_at IS NULL),
    CONSTRAINT ck_dataset_imports_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_dataset_imports_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_dataset_imports_tenant_id_dataset_id ON dataset_imports (tenant_id, dataset_id);

CREATE INDEX ix_dataset_imports_tenant_id_status ON dataset_imports (tenant_id, status);

CREATE TABLE email_digest_queue (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    event_data TEXT DEFAULT '{}' NOT NULL,
    scheduled_for TEXT NOT NULL,
    included_in_digest INTEGER DEFAULT 0 NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_email_digest_queue PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_email_digest_queue_id UNIQUE (id),
    CONSTRAINT fk_email_digest_queue_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_email_digest_queue_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_email_digest_queue_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_digest_queue_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_digest_queue_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_digest_queue_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_email_digest_queue_event_data_json CHECK (CASE WHEN json_valid(event_data) THEN json_type(event_data) = 'object' AND length(CAST(event_data AS BLOB)) <= 262144 ELSE event_data IS NULL END),
    CONSTRAINT ck_email_digest_queue_scheduled_for_utc CHECK (scheduled_for GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(scheduled_for, 1, 10), '+0 days') IS substr(scheduled_for, 1, 10) AND substr(scheduled_for, 1, 4) > '0000' AND substr(scheduled_for, 12, 2) < '24' AND substr(scheduled_for, 15, 2) < '60' AND substr(scheduled_for, 18, 2) < '60' OR scheduled_for IS NULL),
    CONSTRAINT ck_email_digest_queue_included_in_digest_bool CHECK (included_in_digest IN (0, 1)),
    CONSTRAINT ck_email_digest_queue_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_email_digest_queue_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_email_digest_queue_due ON email_digest_queue (tenant_id, scheduled_for) WHERE NOT included_in_digest;

CREATE INDEX ix_email_digest_queue_tenant_id_created_at ON email_digest_queue (tenant_id, created_at);

CREATE INDEX ix_email_digest_queue_tenant_id_user_id ON email_digest_queue (tenant_id, user_id);

CREATE TABLE experiment_tags (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    lab_experiment_id TEXT NOT NULL,
    tag_id TEXT NOT NULL,
    added_by TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_experiment_tags PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_experiment_tags_tenant_id_lab_experiment_id_tag_id UNIQUE (tenant_id, lab_experiment_id, tag_id),
    CONSTRAINT uq_experiment_tags_id UNIQUE (id),
    CONSTRAINT fk_experiment_tags_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_tags_tenant_id_lab_experiment_id FOREIGN KEY(tenant_id, lab_experiment_id) REFERENCES lab_experiments (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_tags_tenant_id_tag_id FOREIGN KEY(tenant_id, tag_id) REFERENCES tags (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_experiment_tags_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_lab_experiment_id_uuid CHECK (length(lab_experiment_id) = 32 AND lab_experiment_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_tag_id_uuid CHECK (length(tag_id) = 32 AND tag_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_added_by_uuid CHECK (length(added_by) = 32 AND added_by NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_tags_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_experiment_tags_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_experiment_tags_tenant_id_tag_id ON experiment_tags (tenant_id, tag_id);

CREATE TABLE node_templates (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    families TEXT NOT NULL,
    architecture TEXT DEFAULT 'x86_64' NOT NULL,
    strategy TEXT DEFAULT 'BALANCED' NOT NULL,
    disk_type TEXT DEFAULT 'GP3' NOT NULL,
    disk_size INTEGER DEFAULT '100' NOT NULL,
    is_default INTEGER DEFAULT 0 NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_node_templates PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_node_templates_tenant_id_user_id_name UNIQUE (tenant_id, user_id, name),
    CONSTRAINT uq_node_templates_id UNIQUE (id),
    CONSTRAINT fk_node_templates_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_node_templates_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_node_templates_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_node_templates_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_node_templates_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_node_templates_name_length CHECK (length(name) >= 1 AND length(name) <= 100 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_node_templates_families_json CHECK (CASE WHEN json_valid(families) THEN json_type(families) = 'array' AND length(CAST(families AS BLOB)) <= 262144 ELSE families IS NULL END),
    CONSTRAINT ck_node_templates_families_names CHECK (CASE WHEN json_valid(families) THEN json_array_length(families) >= 1 AND instr(substr(json(families), 2), '[') = 0 AND length(json(families)) - length(replace(json(families), '"', '')) = 2 * json_array_length(families) AND instr(json(families), '""') = 0 AND length(json(families)) - length(replace(json(families), ',', '')) = max(json_array_length(families) - 1, 0) AND substr(json(families), 2, length(json(families)) - 2) NOT GLOB '*[^",a-zA-Z0-9._-]*' END),
    CONSTRAINT ck_node_templates_architecture_values CHECK (architecture IN ('x86_64', 'arm64')),
    CONSTRAINT ck_node_templates_strategy_values CHECK (strategy IN ('CHEAPEST', 'BALANCED', 'PERFORMANCE')),
    CONSTRAINT ck_node_templates_disk_type_values CHECK (disk_type IN ('GP3', 'GP2', 'IO1', 'IO2')),
    CONSTRAINT ck_node_templates_disk_size_range CHECK (disk_size >= 10 AND disk_size <= 16000),
    CONSTRAINT ck_node_templates_is_default_bool CHECK (is_default IN (0, 1)),
    CONSTRAINT ck_node_templates_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_node_templates_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE UNIQUE INDEX uq_node_templates_default ON node_templates (tenant_id, user_id) WHERE is_default;

CREATE TABLE notices (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    link TEXT,
    read_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_notices PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_notices_id UNIQUE (id),
    CONSTRAINT fk_notices_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_notices_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_notices_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_notices_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_notices_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_notices_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_notices_title_length CHECK (length(title) >= 1 AND length(title) <= 255 AND instr(title, char(0)) = 0),
    CONSTRAINT ck_notices_body_length CHECK (length(body) <= 4000 AND instr(body, char(0)) = 0),
    CONSTRAINT ck_notices_link_length CHECK (length(link) <= 2048 AND instr(link, char(0)) = 0),
    CONSTRAINT ck_notices_read_at_utc CHECK (read_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(read_at, 1, 10), '+0 days') IS substr(read_at, 1, 10) AND substr(read_at, 1, 4) > '0000' AND substr(read_at, 12, 2) < '24' AND substr(read_at, 15, 2) < '60' AND substr(read_at, 18, 2) < '60' OR read_at IS NULL),
    CONSTRAINT ck_notices_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_notices_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_notices_tenant_id_created_at ON notices (tenant_id, created_at);

CREATE INDEX ix_notices_tenant_id_user_id_created_at ON notices (tenant_id, user_id, created_at);

CREATE INDEX ix_notices_unread ON notices (tenant_id, user_id, created_at) WHERE read_at IS NULL;

CREATE TABLE notification_preferences (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    email_enabled INTEGER DEFAULT 1 NOT NULL,
    in_app_enabled INTEGER DEFAULT 1 NOT NULL,
    slack_enabled INTEGER DEFAULT 0 NOT NULL,
    webhook_enabled INTEGER DEFAULT 0 NOT NULL,
    email_frequency TEXT DEFAULT 'immediate' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_notification_preferences PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_notification_preferences_tenant_id_user_id_event_type UNIQUE (tenant_id, user_id, event_type),
    CONSTRAINT uq_notification_preferences_id UNIQUE (id),
    CONSTRAINT fk_notification_preferences_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_notification_preferences_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_notification_preferences_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_notification_preferences_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_notification_preferences_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_notification_preferences_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_notification_preferences_email_enabled_bool CHECK (email_enabled IN (0, 1)),
    CONSTRAINT ck_notification_preferences_in_app_enabled_bool CHECK (in_app_enabled IN (0, 1)),
    CONSTRAINT ck_notification_preferences_slack_enabled_bool CHECK (slack_enabled IN (0, 1)),
    CONSTRAINT ck_notification_preferences_webhook_enabled_bool CHECK (webhook_enabled IN (0, 1)),
    CONSTRAINT ck_notification_preferences_email_frequency_values CHECK (email_frequency IN ('immediate', 'digest_daily', 'digest_weekly')),
    CONSTRAINT ck_notification_preferences_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_notification_preferences_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE saved_searches (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    "query" TEXT NOT NULL,
    is_pinned INTEGER DEFAULT 0 NOT NULL,
    usage_count INTEGER DEFAULT '0' NOT NULL,
    last_used_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_saved_searches PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_saved_searches_tenant_id_user_id_name UNIQUE (tenant_id, user_id, name),
    CONSTRAINT uq_saved_searches_id UNIQUE (id),
    CONSTRAINT fk_saved_searches_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_saved_searches_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_saved_searches_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_saved_searches_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_saved_searches_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_saved_searches_name_length CHECK (length(name) >= 1 AND length(name) <= 100 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_saved_searches_query_length CHECK (length(query) >= 1 AND length(query) <= 1000 AND instr(query, char(0)) = 0),
    CONSTRAINT ck_saved_searches_is_pinned_bool CHECK (is_pinned IN (0, 1)),
    CONSTRAINT ck_saved_searches_usage_count_range CHECK (usage_count >= 0 AND usage_count <= 2147483647),
    CONSTRAINT ck_saved_searches_last_used_at_utc CHECK (last_used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_used_at, 1, 10), '+0 days') IS substr(last_used_at, 1, 10) AND substr(last_used_at, 1, 4) > '0000' AND substr(last_used_at, 12, 2) < '24' AND substr(last_used_at, 15, 2) < '60' AND substr(last_used_at, 18, 2) < '60' OR last_used_at IS NULL),
    CONSTRAINT ck_saved_searches_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_saved_searches_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE session_logs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    device_type TEXT,
    browser TEXT,
    location TEXT,
    last_active_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    expires_at TEXT NOT NULL,
    logged_out_at TEXT,
    revoked_reason TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_session_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_session_logs_revoked CHECK (revoked_reason IS NULL OR logged_out_at IS NOT NULL),
    CONSTRAINT uq_session_logs_token_hash UNIQUE (token_hash),
    CONSTRAINT uq_session_logs_id UNIQUE (id),
    CONSTRAINT fk_session_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_session_logs_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_session_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_session_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_session_logs_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_session_logs_token_hash_length CHECK (length(token_hash) >= 64 AND length(token_hash) <= 64 AND instr(token_hash, char(0)) = 0),
    CONSTRAINT ck_session_logs_token_hash_ascii CHECK (token_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_session_logs_ip_address_length CHECK (length(ip_address) <= 45 AND instr(ip_address, char(0)) = 0),
    CONSTRAINT ck_session_logs_user_agent_length CHECK (length(user_agent) <= 500 AND instr(user_agent, char(0)) = 0),
    CONSTRAINT ck_session_logs_device_type_values CHECK (device_type IN ('desktop', 'mobile', 'tablet', 'api')),
    CONSTRAINT ck_session_logs_browser_length CHECK (length(browser) <= 100 AND instr(browser, char(0)) = 0),
    CONSTRAINT ck_session_logs_location_length CHECK (length(location) <= 255 AND instr(location, char(0)) = 0),
    CONSTRAINT ck_session_logs_last_active_at_utc CHECK (last_active_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_active_at, 1, 10), '+0 days') IS substr(last_active_at, 1, 10) AND substr(last_active_at, 1, 4) > '0000' AND substr(last_active_at, 12, 2) < '24' AND substr(last_active_at, 15, 2) < '60' AND substr(last_active_at, 18, 2) < '60' OR last_active_at IS NULL),
    CONSTRAINT ck_session_logs_expires_at_utc CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(expires_at, 1, 10), '+0 days') IS substr(expires_at, 1, 10) AND substr(expires_at, 1, 4) > '0000' AND substr(expires_at, 12, 2) < '24' AND substr(expires_at, 15, 2) < '60' AND substr(expires_at, 18, 2) < '60' OR expires_at IS NULL),
    CONSTRAINT ck_session_logs_logged_out_at_utc CHECK (logged_out_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(logged_out_at, 1, 10), '+0 days') IS substr(logged_out_at, 1, 10) AND substr(logged_out_at, 1, 4) > '0000' AND substr(logged_out_at, 12, 2) < '24' AND substr(logged_out_at, 15, 2) < '60' AND substr(logged_out_at, 18, 2) < '60' OR logged_out_at IS NULL),
    CONSTRAINT ck_session_logs_revoked_reason_length CHECK (length(revoked_reason) <= 255 AND instr(revoked_reason, char(0)) = 0),
    CONSTRAINT ck_session_logs_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_session_logs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_session_logs_ended ON session_logs (tenant_id, logged_out_at) WHERE logged_out_at IS NOT NULL;

CREATE INDEX ix_session_logs_tenant_id_expires_at ON session_logs (tenant_id, expires_at);

CREATE INDEX ix_session_logs_tenant_id_user_id_last_active_at ON session_logs (tenant_id, user_id, last_active_at);

CREATE TABLE user_tokens (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    token_hash TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_user_tokens PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_user_tokens_in_time CHECK (used_at <= expires_at),
    CONSTRAINT uq_user_tokens_token_hash UNIQUE (token_hash),
    CONSTRAINT uq_user_tokens_id UNIQUE (id),
    CONSTRAINT fk_user_tokens_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_tokens_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_user_tokens_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_user_tokens_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_user_tokens_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_user_tokens_purpose_values CHECK (purpose IN ('password_reset', 'email_check')),
    CONSTRAINT ck_user_tokens_token_hash_length CHECK (length(token_hash) >= 64 AND length(token_hash) <= 64 AND instr(token_hash, char(0)) = 0),
    CONSTRAINT ck_user_tokens_token_hash_ascii CHECK (token_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_user_tokens_expires_at_utc CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(expires_at, 1, 10), '+0 days') IS substr(expires_at, 1, 10) AND substr(expires_at, 1, 4) > '0000' AND substr(expires_at, 12, 2) < '24' AND substr(expires_at, 15, 2) < '60' AND substr(expires_at, 18, 2) < '60' OR expires_at IS NULL),
    CONSTRAINT ck_user_tokens_used_at_utc CHECK (used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(used_at, 1, 10), '+0 days') IS substr(used_at, 1, 10) AND substr(used_at, 1, 4) > '0000' AND substr(used_at, 12, 2) < '24' AND substr(used_at, 15, 2) < '60' AND substr(used_at, 18, 2) < '60' OR used_at IS NULL),
    CONSTRAINT ck_user_tokens_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_user_tokens_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_user_tokens_tenant_id_user_id ON user_tokens (tenant_id, user_id);

CREATE TABLE webhook_configurations (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    provider_type TEXT NOT NULL,
    webhook_url TEXT NOT NULL,
    url_host TEXT NOT NULL,
    signing_secret TEXT,
    previous_secret TEXT,
    previous_until TEXT,
    name TEXT,
    enabled_events TEXT DEFAULT '[]' NOT NULL,
    settings TEXT DEFAULT '{}' NOT NULL,
    is_active INTEGER DEFAULT 1 NOT NULL,
    last_used_at TEXT,
    last_error TEXT,
    consecutive_failures INTEGER DEFAULT '0' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_webhook_configurations PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_webhook_configurations_signed CHECK (provider_type = 'slack' OR signing_secret IS NOT NULL),
    CONSTRAINT ck_webhook_configurations_rotated CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CONSTRAINT ck_webhook_configurations_failing CHECK (NOT is_active OR consecutive_failures < 10),
    CONSTRAINT uq_webhook_configurations_id UNIQUE (id),
    CONSTRAINT fk_webhook_configurations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_configurations_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_webhook_configurations_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_webhook_configurations_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_webhook_configurations_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_webhook_configurations_provider_type_values CHECK (provider_type IN ('slack', 'webhook')),
    CONSTRAINT ck_webhook_configurations_webhook_url_sealed CHECK (substr(webhook_url, 1, 9) = 'sealed:1:' AND trim(substr(webhook_url, 10, 8), '0123456789abcdef') = '' AND substr(webhook_url, 18, 1) = ':' AND trim(webhook_url, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(webhook_url) >= 57 AND length(webhook_url) <= 21901),
    CONSTRAINT ck_webhook_configurations_url_host_length CHECK (length(url_host) >= 1 AND length(url_host) <= 255 AND instr(url_host, char(0)) = 0),
    CONSTRAINT ck_webhook_configurations_signing_secret_sealed CHECK (substr(signing_secret, 1, 9) = 'sealed:1:' AND trim(substr(signing_secret, 10, 8), '0123456789abcdef') = '' AND substr(signing_secret, 18, 1) = ':' AND trim(signing_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(signing_secret) >= 57 AND length(signing_secret) <= 21901),
    CONSTRAINT ck_webhook_configurations_previous_secret_sealed CHECK (substr(previous_secret, 1, 9) = 'sealed:1:' AND trim(substr(previous_secret, 10, 8), '0123456789abcdef') = '' AND substr(previous_secret, 18, 1) = ':' AND trim(previous_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(previous_secret) >= 57 AND length(previous_secret) <= 21901),
    CONSTRAINT ck_webhook_configurations_previous_until_utc CHECK (previous_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(previous_until, 1, 10), '+0 days') IS substr(previous_until, 1, 10) AND substr(previous_until, 1, 4) > '0000' AND substr(previous_until, 12, 2) < '24' AND substr(previous_until, 15, 2) < '60' AND substr(previous_until, 18, 2) < '60' OR previous_until IS NULL),
    CONSTRAINT ck_webhook_configurations_name_length CHECK (length(name) <= 100 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_webhook_configurations_enabled_events_json CHECK (CASE WHEN json_valid(enabled_events) THEN json_type(enabled_events) = 'array' AND length(CAST(enabled_events AS BLOB)) <= 262144 ELSE enabled_events IS NULL END),
    CONSTRAINT ck_webhook_configurations_enabled_events_names CHECK (CASE WHEN json_valid(enabled_events) THEN json_array_length(enabled_events) >= 0 AND instr(substr(json(enabled_events), 2), '[') = 0 AND trim(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(json(enabled_events), '"account.failed"', ''), '"scan.partial"', ''), '"spot.interruption"', ''), '"spot.pool_blocked"', ''), '"decision.failed"', ''), '"approval.requested"', ''), '"approval.decided"', ''), '"waste.flagged"', ''), '"waste.deleted"', ''), '"downtime.recorded"', ''), '"downtime.budget_exceeded"', ''), '"model.activated"', ''), '"agent.offline"', ''), '"webhook.disabled"', ''), '"digest.weekly"', ''), '[],') = '' END),
    CONSTRAINT ck_webhook_configurations_settings_json CHECK (CASE WHEN json_valid(settings) THEN json_type(settings) = 'object' AND length(CAST(settings AS BLOB)) <= 262144 ELSE settings IS NULL END),
    CONSTRAINT ck_webhook_configurations_is_active_bool CHECK (is_active IN (0, 1)),
    CONSTRAINT ck_webhook_configurations_last_used_at_utc CHECK (last_used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_used_at, 1, 10), '+0 days') IS substr(last_used_at, 1, 10) AND substr(last_used_at, 1, 4) > '0000' AND substr(last_used_at, 12, 2) < '24' AND substr(last_used_at, 15, 2) < '60' AND substr(last_used_at, 18, 2) < '60' OR last_used_at IS NULL),
    CONSTRAINT ck_webhook_configurations_last_error_length CHECK (length(last_error) <= 4000 AND instr(last_error, char(0)) = 0),
    CONSTRAINT ck_webhook_configurations_consecutive_failures_range CHECK (consecutive_failures >= 0 AND consecutive_failures <= 2147483647),
    CONSTRAINT ck_webhook_configurations_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_webhook_configurations_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_webhook_configurations_tenant_id_user_id ON webhook_configurations (tenant_id, user_id);

CREATE TABLE clusters (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    region TEXT NOT NULL,
    status TEXT DEFAULT 'PENDING' NOT NULL,
    vpc_id TEXT,
    api_endpoint TEXT,
    k8s_version TEXT,
    agent_installed INTEGER DEFAULT 0 NOT NULL,
    agent_version TEXT,
    last_heartbeat TEXT,
    cluster_metadata TEXT DEFAULT '{}' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_clusters PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_clusters_tenant_id_account_id_region_name UNIQUE (tenant_id, account_id, region, name),
    CONSTRAINT uq_clusters_id UNIQUE (id),
    CONSTRAINT fk_clusters_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_clusters_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_clusters_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_clusters_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_clusters_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_clusters_name_length CHECK (length(name) >= 1 AND length(name) <= 255 AND instr(name, char(0)) = 0),
    CONSTRAINT ck_clusters_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_clusters_status_values CHECK (status IN ('PENDING', 'DISCOVERED', 'ACTIVE', 'INACTIVE', 'ERROR')),
    CONSTRAINT ck_clusters_vpc_id_length CHECK (length(vpc_id) <= 64 AND instr(vpc_id, char(0)) = 0),
    CONSTRAINT ck_clusters_api_endpoint_length CHECK (length(api_endpoint) <= 512 AND instr(api_endpoint, char(0)) = 0),
    CONSTRAINT ck_clusters_k8s_version_length CHECK (length(k8s_version) <= 32 AND instr(k8s_version, char(0)) = 0),
    CONSTRAINT ck_clusters_agent_installed_bool CHECK (agent_installed IN (0, 1)),
    CONSTRAINT ck_clusters_agent_version_length CHECK (length(agent_version) <= 32 AND instr(agent_version, char(0)) = 0),
    CONSTRAINT ck_clusters_last_heartbeat_utc CHECK (last_heartbeat GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_heartbeat, 1, 10), '+0 days') IS substr(last_heartbeat, 1, 10) AND substr(last_heartbeat, 1, 4) > '0000' AND substr(last_heartbeat, 12, 2) < '24' AND substr(last_heartbeat, 15, 2) < '60' AND substr(last_heartbeat, 18, 2) < '60' OR last_heartbeat IS NULL),
    CONSTRAINT ck_clusters_cluster_metadata_json CHECK (CASE WHEN json_valid(cluster_metadata) THEN json_type(cluster_metadata) = 'object' AND length(CAST(cluster_metadata AS BLOB)) <= 262144 ELSE cluster_metadata IS NULL END),
    CONSTRAINT ck_clusters_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_clusters_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_clusters_tenant_id_status ON clusters (tenant_id, status);

CREATE TABLE decision_rollups (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    day TEXT NOT NULL,
    account_id TEXT NOT NULL,
    model_id TEXT DEFAULT '00000000000000000000000000000000' NOT NULL,
    decisions INTEGER DEFAULT '0' NOT NULL,
    switches INTEGER DEFAULT '0' NOT NULL,
    holds INTEGER DEFAULT '0' NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    shadow INTEGER DEFAULT '0' NOT NULL,
    real_switches INTEGER DEFAULT '0' NOT NULL,
    projected_savings INTEGER DEFAULT '0' NOT NULL,
    score_sum REAL DEFAULT '0' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_decision_rollups PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_decision_rollups_tenant_id_day_account_id_model_id UNIQUE (tenant_id, day, account_id, model_id),
    CONSTRAINT ck_decision_rollups_sum CHECK (decisions = switches + holds + failures AND shadow <= decisions),
    CONSTRAINT ck_decision_rollups_real CHECK (real_switches <= decisions),
    CONSTRAINT uq_decision_rollups_id UNIQUE (id),
    CONSTRAINT fk_decision_rollups_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_decision_rollups_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_decision_rollups_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_decision_rollups_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_decision_rollups_day_day CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' AND date(day, '+0 days') IS day AND substr(day, 1, 4) > '0000' OR day IS NULL),
    CONSTRAINT ck_decision_rollups_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_decision_rollups_model_id_uuid CHECK (length(model_id) = 32 AND model_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_decision_rollups_decisions_range CHECK (decisions >= 0 AND decisions <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_switches_range CHECK (switches >= 0 AND switches <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_holds_range CHECK (holds >= 0 AND holds <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_failures_range CHECK (failures >= 0 AND failures <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_shadow_range CHECK (shadow >= 0 AND shadow <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_real_switches_range CHECK (real_switches >= 0 AND real_switches <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_projected_savings_money CHECK (projected_savings >= -99999999999999 AND projected_savings <= 99999999999999),
    CONSTRAINT ck_decision_rollups_score_sum_range CHECK (score_sum >= 0 AND score_sum <= 9007199254740992),
    CONSTRAINT ck_decision_rollups_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_decision_rollups_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_decision_rollups_tenant_id_account_id ON decision_rollups (tenant_id, account_id);

CREATE TABLE onboarding_requests (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    connection_method TEXT NOT NULL,
    external_id TEXT NOT NULL,
    status TEXT DEFAULT 'created' NOT NULL,
    aws_account_id TEXT,
    role_arn TEXT,
    expires_at TEXT NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
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
    CONSTRAINT ck_onboarding_requests_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_onboarding_requests_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_onboarding_requests_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_onboarding_requests_request_id_length CHECK (length(request_id) >= 1 AND length(request_id) <= 32 AND instr(request_id, char(0)) = 0),
    CONSTRAINT ck_onboarding_requests_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_onboarding_requests_connection_method_values CHECK (connection_method IN ('iam_role', 'access_keys', 'import')),
    CONSTRAINT ck_onboarding_requests_external_id_length CHECK (length(external_id) >= 1 AND length(external_id) <= 64 AND instr(external_id, char(0)) = 0),
    CONSTRAINT ck_onboarding_requests_status_values CHECK (status IN ('created', 'verified')),
    CONSTRAINT ck_onboarding_requests_aws_account_id_length CHECK (length(aws_account_id) >= 12 AND length(aws_account_id) <= 12 AND instr(aws_account_id, char(0)) = 0),
    CONSTRAINT ck_onboarding_requests_role_arn_length CHECK (length(role_arn) <= 2048 AND instr(role_arn, char(0)) = 0),
    CONSTRAINT ck_onboarding_requests_expires_at_utc CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(expires_at, 1, 10), '+0 days') IS substr(expires_at, 1, 10) AND substr(expires_at, 1, 4) > '0000' AND substr(expires_at, 12, 2) < '24' AND substr(expires_at, 15, 2) < '60' AND substr(expires_at, 18, 2) < '60' OR expires_at IS NULL),
    CONSTRAINT ck_onboarding_requests_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_onboarding_requests_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_onboarding_requests_tenant_id_user_id ON onboarding_requests (tenant_id, user_id);

CREATE TABLE scan_runs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT DEFAULT 'RUNNING' NOT NULL,
    units_expected INTEGER NOT NULL,
    lease_token TEXT NOT NULL,
    leased_until TEXT NOT NULL,
    started_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    finished_at TEXT,
    seen INTEGER DEFAULT '0' NOT NULL,
    added INTEGER DEFAULT '0' NOT NULL,
    changed INTEGER DEFAULT '0' NOT NULL,
    vanished INTEGER DEFAULT '0' NOT NULL,
    error TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_scan_runs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_scan_runs_finished CHECK ((status = 'RUNNING') = (finished_at IS NULL)),
    CONSTRAINT uq_scan_runs_id UNIQUE (id),
    CONSTRAINT fk_scan_runs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_scan_runs_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_scan_runs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_scan_runs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_scan_runs_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_scan_runs_kind_values CHECK (kind IN ('discovery', 'waste', 'import')),
    CONSTRAINT ck_scan_runs_status_values CHECK (status IN ('RUNNING', 'COMPLETE', 'PARTIAL', 'FAILED')),
    CONSTRAINT ck_scan_runs_units_expected_range CHECK (units_expected >= 1 AND units_expected <= 10000),
    CONSTRAINT ck_scan_runs_lease_token_uuid CHECK (length(lease_token) = 32 AND lease_token NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_scan_runs_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL),
    CONSTRAINT ck_scan_runs_started_at_utc CHECK (started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(started_at, 1, 10), '+0 days') IS substr(started_at, 1, 10) AND substr(started_at, 1, 4) > '0000' AND substr(started_at, 12, 2) < '24' AND substr(started_at, 15, 2) < '60' AND substr(started_at, 18, 2) < '60' OR started_at IS NULL),
    CONSTRAINT ck_scan_runs_finished_at_utc CHECK (finished_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(finished_at, 1, 10), '+0 days') IS substr(finished_at, 1, 10) AND substr(finished_at, 1, 4) > '0000' AND substr(finished_at, 12, 2) < '24' AND substr(finished_at, 15, 2) < '60' AND substr(finished_at, 18, 2) < '60' OR finished_at IS NULL),
    CONSTRAINT ck_scan_runs_seen_range CHECK (seen >= 0 AND seen <= 2147483647),
    CONSTRAINT ck_scan_runs_added_range CHECK (added >= 0 AND added <= 2147483647),
    CONSTRAINT ck_scan_runs_changed_range CHECK (changed >= 0 AND changed <= 2147483647),
    CONSTRAINT ck_scan_runs_vanished_range CHECK (vanished >= 0 AND vanished <= 2147483647),
    CONSTRAINT ck_scan_runs_error_length CHECK (length(error) <= 4000 AND instr(error, char(0)) = 0),
    CONSTRAINT ck_scan_runs_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_scan_runs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_scan_runs_tenant_id_account_id_kind_started_at ON scan_runs (tenant_id, account_id, kind, started_at);

CREATE INDEX ix_scan_runs_tenant_id_started_at ON scan_runs (tenant_id, started_at);

CREATE UNIQUE INDEX uq_scan_runs_running ON scan_runs (tenant_id, account_id, kind) WHERE status = 'RUNNING';

CREATE TABLE webhook_logs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    webhook_config_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'pending' NOT NULL,
    last_error TEXT,
    http_status_code INTEGER,
    response_body TEXT,
    attempts INTEGER DEFAULT '0' NOT NULL,
    earlier_attempts INTEGER DEFAULT '0' NOT NULL,
    next_attempt_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')),
    sent_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_webhook_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_webhook_logs_tenant_id_webhook_config_id_message_id UNIQUE (tenant_id, webhook_config_id, message_id),
    CONSTRAINT ck_webhook_logs_sent CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT ck_webhook_logs_waiting CHECK (status = 'pending' OR next_attempt_at IS NULL),
    CONSTRAINT ck_webhook_logs_earlier CHECK (earlier_attempts <= attempts),
    CONSTRAINT uq_webhook_logs_id UNIQUE (id),
    CONSTRAINT fk_webhook_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_logs_tenant_id_webhook_config_id FOREIGN KEY(tenant_id, webhook_config_id) REFERENCES webhook_configurations (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_webhook_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_webhook_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_webhook_logs_webhook_config_id_uuid CHECK (length(webhook_config_id) = 32 AND webhook_config_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_webhook_logs_message_id_length CHECK (length(message_id) >= 1 AND length(message_id) <= 64 AND instr(message_id, char(0)) = 0),
    CONSTRAINT ck_webhook_logs_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_webhook_logs_payload_json CHECK (CASE WHEN json_valid(payload) THEN json_type(payload) = 'object' AND length(CAST(payload AS BLOB)) <= 262144 ELSE payload IS NULL END),
    CONSTRAINT ck_webhook_logs_status_values CHECK (status IN ('pending', 'sent', 'failed')),
    CONSTRAINT ck_webhook_logs_last_error_values CHECK (last_error IN ('rate_limited', 'timeout', 'invalid_url', 'http', 'refused_address')),
    CONSTRAINT ck_webhook_logs_http_status_code_range CHECK (http_status_code >= 100 AND http_status_code <= 599),
    CONSTRAINT ck_webhook_logs_response_body_length CHECK (length(response_body) <= 2048 AND instr(response_body, char(0)) = 0),
    CONSTRAINT ck_webhook_logs_attempts_range CHECK (attempts >= 0 AND attempts <= 100),
    CONSTRAINT ck_webhook_logs_earlier_attempts_range CHECK (earlier_attempts >= 0 AND earlier_attempts <= 100),
    CONSTRAINT ck_webhook_logs_next_attempt_at_utc CHECK (next_attempt_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(next_attempt_at, 1, 10), '+0 days') IS substr(next_attempt_at, 1, 10) AND substr(next_attempt_at, 1, 4) > '0000' AND substr(next_attempt_at, 12, 2) < '24' AND substr(next_attempt_at, 15, 2) < '60' AND substr(next_attempt_at, 18, 2) < '60' OR next_attempt_at IS NULL),
    CONSTRAINT ck_webhook_logs_sent_at_utc CHECK (sent_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(sent_at, 1, 10), '+0 days') IS substr(sent_at, 1, 10) AND substr(sent_at, 1, 4) > '0000' AND substr(sent_at, 12, 2) < '24' AND substr(sent_at, 15, 2) < '60' AND substr(sent_at, 18, 2) < '60' OR sent_at IS NULL),
    CONSTRAINT ck_webhook_logs_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_webhook_logs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_webhook_logs_due ON webhook_logs (tenant_id, webhook_config_id, next_attempt_at) WHERE status = 'pending';

CREATE INDEX ix_webhook_logs_tenant_id_created_at ON webhook_logs (tenant_id, created_at);

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
    CONSTRAINT uq_api_keys_id UNIQUE (id),
    CONSTRAINT fk_api_keys_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_api_keys_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_api_keys_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
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
    CONSTRAINT ck_api_keys_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_api_keys_tenant_id_cluster_id ON api_keys (tenant_id, cluster_id);

CREATE INDEX ix_api_keys_tenant_id_user_id ON api_keys (tenant_id, user_id);

CREATE TABLE cluster_policies (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    config TEXT DEFAULT '{}' NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_cluster_policies PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_cluster_policies_tenant_id_cluster_id UNIQUE (tenant_id, cluster_id),
    CONSTRAINT uq_cluster_policies_id UNIQUE (id),
    CONSTRAINT fk_cluster_policies_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_cluster_policies_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_cluster_policies_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_cluster_policies_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_cluster_policies_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_cluster_policies_config_json CHECK (CASE WHEN json_valid(config) THEN json_type(config) = 'object' AND length(CAST(config AS BLOB)) <= 262144 ELSE config IS NULL END),
    CONSTRAINT ck_cluster_policies_version_range CHECK (version >= 1 AND version <= 2147483647),
    CONSTRAINT ck_cluster_policies_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_cluster_policies_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE TABLE hibernation_schedules (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    schedule_matrix TEXT NOT NULL,
    timezone TEXT DEFAULT 'UTC' NOT NULL,
    prewarm_enabled INTEGER DEFAULT 0 NOT NULL,
    prewarm_minutes INTEGER DEFAULT '30' NOT NULL,
    enabled INTEGER DEFAULT 1 NOT NULL,
    applied_state TEXT DEFAULT 'awake' NOT NULL,
    applied_at TEXT,
    restore_state TEXT,
    lease_token TEXT,
    leased_until TEXT,
    request_id TEXT,
    obstacle TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_hibernation_schedules PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_hibernation_schedules_tenant_id_cluster_id UNIQUE (tenant_id, cluster_id),
    CONSTRAINT ck_hibernation_schedules_restorable CHECK (applied_state = 'awake' OR restore_state IS NOT NULL),
    CONSTRAINT ck_hibernation_schedules_lease CHECK ((lease_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT uq_hibernation_schedules_id UNIQUE (id),
    CONSTRAINT fk_hibernation_schedules_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_hibernation_schedules_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_hibernation_schedules_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_schedules_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_schedules_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_schedules_schedule_matrix_json CHECK (CASE WHEN json_valid(schedule_matrix) THEN json_type(schedule_matrix) = 'array' AND length(CAST(schedule_matrix AS BLOB)) <= 262144 ELSE schedule_matrix IS NULL END),
    CONSTRAINT ck_hibernation_schedules_schedule_matrix_week CHECK (CASE WHEN json_valid(schedule_matrix) THEN replace(json(schedule_matrix), '0', '1') = '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' END),
    CONSTRAINT ck_hibernation_schedules_timezone_length CHECK (length(timezone) >= 1 AND length(timezone) <= 64 AND instr(timezone, char(0)) = 0),
    CONSTRAINT ck_hibernation_schedules_prewarm_enabled_bool CHECK (prewarm_enabled IN (0, 1)),
    CONSTRAINT ck_hibernation_schedules_prewarm_minutes_range CHECK (prewarm_minutes >= 0 AND prewarm_minutes <= 120),
    CONSTRAINT ck_hibernation_schedules_enabled_bool CHECK (enabled IN (0, 1)),
    CONSTRAINT ck_hibernation_schedules_applied_state_values CHECK (applied_state IN ('awake', 'asleep')),
    CONSTRAINT ck_hibernation_schedules_applied_at_utc CHECK (applied_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(applied_at, 1, 10), '+0 days') IS substr(applied_at, 1, 10) AND substr(applied_at, 1, 4) > '0000' AND substr(applied_at, 12, 2) < '24' AND substr(applied_at, 15, 2) < '60' AND substr(applied_at, 18, 2) < '60' OR applied_at IS NULL),
    CONSTRAINT ck_hibernation_schedules_restore_state_json CHECK (CASE WHEN json_valid(restore_state) THEN json_type(restore_state) = 'object' AND length(CAST(restore_state AS BLOB)) <= 262144 ELSE restore_state IS NULL END),
    CONSTRAINT ck_hibernation_schedules_lease_token_uuid CHECK (length(lease_token) = 32 AND lease_token NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_schedules_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL),
    CONSTRAINT ck_hibernation_schedules_request_id_uuid CHECK (length(request_id) = 32 AND request_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_schedules_obstacle_length CHECK (length(obstacle) >= 1 AND length(obstacle) <= 2000 AND instr(obstacle, char(0)) = 0),
    CONSTRAINT ck_hibernation_schedules_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_hibernation_schedules_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_hibernation_schedules_tenant_id_enabled ON hibernation_schedules (tenant_id, enabled);

CREATE TABLE instances (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    cluster_id TEXT,
    instance_id TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    region TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    state TEXT NOT NULL,
    lifecycle TEXT NOT NULL,
    cpu INTEGER,
    memory INTEGER,
    cpu_util REAL,
    memory_util REAL,
    price INTEGER,
    auth_status TEXT DEFAULT 'authorized' NOT NULL,
    flagged_at TEXT,
    orchestrator_type TEXT DEFAULT 'STANDALONE' NOT NULL,
    cluster_membership TEXT,
    pipeline_mode TEXT DEFAULT 'LINEAR' NOT NULL,
    is_shadow_mode INTEGER DEFAULT 0 NOT NULL,
    assigned_model_id TEXT,
    is_replica INTEGER DEFAULT 0 NOT NULL,
    replica_of_id TEXT,
    replica_expiry TEXT,
    launched_at TEXT,
    content_hash INTEGER NOT NULL,
    terminated_at TEXT,
    last_evaluation TEXT,
    instance_metadata TEXT DEFAULT '{}' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
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
    CONSTRAINT ck_instances_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_instances_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_instances_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_instances_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_instances_instance_id_length CHECK (length(instance_id) >= 1 AND length(instance_id) <= 50 AND instr(instance_id, char(0)) = 0),
    CONSTRAINT ck_instances_instance_type_length CHECK (length(instance_type) >= 1 AND length(instance_type) <= 32 AND instr(instance_type, char(0)) = 0),
    CONSTRAINT ck_instances_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_instances_availability_zone_length CHECK (length(availability_zone) >= 1 AND length(availability_zone) <= 32 AND instr(availability_zone, char(0)) = 0),
    CONSTRAINT ck_instances_state_values CHECK (state IN ('pending', 'running', 'stopping', 'stopped', 'shutting-down', 'terminated')),
    CONSTRAINT ck_instances_lifecycle_values CHECK (lifecycle IN ('on-demand', 'spot')),
    CONSTRAINT ck_instances_cpu_range CHECK (cpu >= 1 AND cpu <= 100000),
    CONSTRAINT ck_instances_memory_range CHECK (memory >= 1 AND memory <= 1099511627776),
    CONSTRAINT ck_instances_cpu_util_range CHECK (cpu_util >= 0 AND cpu_util <= 100),
    CONSTRAINT ck_instances_memory_util_range CHECK (memory_util >= 0 AND memory_util <= 100),
    CONSTRAINT ck_instances_price_money CHECK (price >= 0 AND price <= 99999999999999),
    CONSTRAINT ck_instances_auth_status_values CHECK (auth_status IN ('authorized', 'flagged', 'unauthorized', 'terminated')),
    CONSTRAINT ck_instances_flagged_at_utc CHECK (flagged_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(flagged_at, 1, 10), '+0 days') IS substr(flagged_at, 1, 10) AND substr(flagged_at, 1, 4) > '0000' AND substr(flagged_at, 12, 2) < '24' AND substr(flagged_at, 15, 2) < '60' AND substr(flagged_at, 18, 2) < '60' OR flagged_at IS NULL),
    CONSTRAINT ck_instances_orchestrator_type_values CHECK (orchestrator_type IN ('KUBERNETES', 'STANDALONE')),
    CONSTRAINT ck_instances_cluster_membership_json CHECK (CASE WHEN json_valid(cluster_membership) THEN json_type(cluster_membership) = 'object' AND length(CAST(cluster_membership AS BLOB)) <= 262144 ELSE cluster_membership IS NULL END),
    CONSTRAINT ck_instances_pipeline_mode_values CHECK (pipeline_mode IN ('CLUSTER', 'LINEAR')),
    CONSTRAINT ck_instances_is_shadow_mode_bool CHECK (is_shadow_mode IN (0, 1)),
    CONSTRAINT ck_instances_assigned_model_id_uuid CHECK (length(assigned_model_id) = 32 AND assigned_model_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_instances_is_replica_bool CHECK (is_replica IN (0, 1)),
    CONSTRAINT ck_instances_replica_of_id_uuid CHECK (length(replica_of_id) = 32 AND replica_of_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_instances_replica_expiry_utc CHECK (replica_expiry GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(replica_expiry, 1, 10), '+0 days') IS substr(replica_expiry, 1, 10) AND substr(replica_expiry, 1, 4) > '0000' AND substr(replica_expiry, 12, 2) < '24' AND substr(replica_expiry, 15, 2) < '60' AND substr(replica_expiry, 18, 2) < '60' OR replica_expiry IS NULL),
    CONSTRAINT ck_instances_launched_at_utc CHECK (launched_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(launched_at, 1, 10), '+0 days') IS substr(launched_at, 1, 10) AND substr(launched_at, 1, 4) > '0000' AND substr(launched_at, 12, 2) < '24' AND substr(launched_at, 15, 2) < '60' AND substr(launched_at, 18, 2) < '60' OR launched_at IS NULL),
    CONSTRAINT ck_instances_terminated_at_utc CHECK (terminated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(terminated_at, 1, 10), '+0 days') IS substr(terminated_at, 1, 10) AND substr(terminated_at, 1, 4) > '0000' AND substr(terminated_at, 12, 2) < '24' AND substr(terminated_at, 15, 2) < '60' AND substr(terminated_at, 18, 2) < '60' OR terminated_at IS NULL),
    CONSTRAINT ck_instances_last_evaluation_utc CHECK (last_evaluation GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_evaluation, 1, 10), '+0 days') IS substr(last_evaluation, 1, 10) AND substr(last_evaluation, 1, 4) > '0000' AND substr(last_evaluation, 12, 2) < '24' AND substr(last_evaluation, 15, 2) < '60' AND substr(last_evaluation, 18, 2) < '60' OR last_evaluation IS NULL),
    CONSTRAINT ck_instances_instance_metadata_json CHECK (CASE WHEN json_valid(instance_metadata) THEN json_type(instance_metadata) = 'object' AND length(CAST(instance_metadata AS BLOB)) <= 262144 ELSE instance_metadata IS NULL END),
    CONSTRAINT ck_instances_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_instances_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_instances_assigned_model_id ON instances (assigned_model_id);

CREATE INDEX ix_instances_flagged ON instances (tenant_id, auth_status) WHERE flagged_at IS NOT NULL;

CREATE INDEX ix_instances_live_spot ON instances (availability_zone, instance_type, tenant_id) WHERE lifecycle = 'spot' AND terminated_at IS NULL;

CREATE INDEX ix_instances_tenant_id_account_id_state ON instances (tenant_id, account_id, state);

CREATE INDEX ix_instances_tenant_id_availability_zone_instance_type ON instances (tenant_id, availability_zone, instance_type);

CREATE INDEX ix_instances_tenant_id_cluster_id ON instances (tenant_id, cluster_id);

CREATE INDEX ix_instances_tenant_id_replica_of_id ON instances (tenant_id, replica_of_id);

CREATE UNIQUE INDEX uq_instances_live_replica ON instances (tenant_id, replica_of_id) WHERE is_replica AND terminated_at IS NULL;

CREATE TABLE optimization_jobs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    status TEXT DEFAULT 'QUEUED' NOT NULL,
    lease_token TEXT,
    leased_until TEXT,
    results TEXT DEFAULT '{}' NOT NULL,
    error_message TEXT,
    started_at TEXT,
    completed_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_optimization_jobs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_optimization_jobs_started CHECK ((status = 'QUEUED') = (started_at IS NULL)),
    CONSTRAINT ck_optimization_jobs_completed CHECK ((status IN ('COMPLETED', 'FAILED')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_optimization_jobs_failed CHECK ((status = 'FAILED') = (error_message IS NOT NULL)),
    CONSTRAINT ck_optimization_jobs_lease CHECK ((status = 'RUNNING') = (lease_token IS NOT NULL) AND (lease_token IS NULL) = (leased_until IS NULL)),
    CONSTRAINT uq_optimization_jobs_id UNIQUE (id),
    CONSTRAINT fk_optimization_jobs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_optimization_jobs_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_optimization_jobs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_optimization_jobs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_optimization_jobs_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_optimization_jobs_status_values CHECK (status IN ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_optimization_jobs_lease_token_uuid CHECK (length(lease_token) = 32 AND lease_token NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_optimization_jobs_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL),
    CONSTRAINT ck_optimization_jobs_results_json CHECK (CASE WHEN json_valid(results) THEN json_type(results) = 'object' AND length(CAST(results AS BLOB)) <= 262144 ELSE results IS NULL END),
    CONSTRAINT ck_optimization_jobs_error_message_length CHECK (length(error_message) <= 4000 AND instr(error_message, char(0)) = 0),
    CONSTRAINT ck_optimization_jobs_started_at_utc CHECK (started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(started_at, 1, 10), '+0 days') IS substr(started_at, 1, 10) AND substr(started_at, 1, 4) > '0000' AND substr(started_at, 12, 2) < '24' AND substr(started_at, 15, 2) < '60' AND substr(started_at, 18, 2) < '60' OR started_at IS NULL),
    CONSTRAINT ck_optimization_jobs_completed_at_utc CHECK (completed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(completed_at, 1, 10), '+0 days') IS substr(completed_at, 1, 10) AND substr(completed_at, 1, 4) > '0000' AND substr(completed_at, 12, 2) < '24' AND substr(completed_at, 15, 2) < '60' AND substr(completed_at, 18, 2) < '60' OR completed_at IS NULL),
    CONSTRAINT ck_optimization_jobs_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_optimization_jobs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_optimization_jobs_tenant_id_cluster_id ON optimization_jobs (tenant_id, cluster_id);

CREATE INDEX ix_optimization_jobs_tenant_id_status ON optimization_jobs (tenant_id, status);

CREATE TABLE scan_units (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    scan_run_id TEXT NOT NULL,
    region TEXT NOT NULL,
    resource_kind TEXT NOT NULL,
    status TEXT DEFAULT 'PENDING' NOT NULL,
    pages INTEGER DEFAULT '0' NOT NULL,
    items INTEGER DEFAULT '0' NOT NULL,
    error TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_scan_units PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_scan_units_tenant_id_scan_run_id_region_resource_kind UNIQUE (tenant_id, scan_run_id, region, resource_kind),
    CONSTRAINT uq_scan_units_id UNIQUE (id),
    CONSTRAINT fk_scan_units_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_scan_units_tenant_id_scan_run_id FOREIGN KEY(tenant_id, scan_run_id) REFERENCES scan_runs (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_scan_units_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_scan_units_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_scan_units_scan_run_id_uuid CHECK (length(scan_run_id) = 32 AND scan_run_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_scan_units_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_scan_units_resource_kind_length CHECK (length(resource_kind) >= 1 AND length(resource_kind) <= 32 AND instr(resource_kind, char(0)) = 0),
    CONSTRAINT ck_scan_units_status_values CHECK (status IN ('PENDING', 'DONE', 'FAILED')),
    CONSTRAINT ck_scan_units_pages_range CHECK (pages >= 0 AND pages <= 2147483647),
    CONSTRAINT ck_scan_units_items_range CHECK (items >= 0 AND items <= 2147483647),
    CONSTRAINT ck_scan_units_error_length CHECK (length(error) <= 4000 AND instr(error, char(0)) = 0),
    CONSTRAINT ck_scan_units_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_scan_units_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_scan_units_tenant_id_updated_at ON scan_units (tenant_id, updated_at);

CREATE TABLE waste_resources (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    scan_run_id TEXT,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    region TEXT NOT NULL,
    monthly_cost INTEGER NOT NULL,
    currency TEXT DEFAULT 'USD' NOT NULL,
    detected_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    days_unused INTEGER DEFAULT '0' NOT NULL,
    status TEXT DEFAULT 'DETECTED' NOT NULL,
    scheduled_deletion_date TEXT,
    deleted_at TEXT,
    plan_hash TEXT,
    undo_recipe TEXT,
    evidence TEXT DEFAULT '{}' NOT NULL,
    resource_metadata TEXT DEFAULT '{}' NOT NULL,
    reason TEXT NOT NULL,
    claimed_since TEXT,
    deletion_begun_at TEXT,
    unused_since TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
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
    CONSTRAINT ck_waste_resources_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_waste_resources_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_waste_resources_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_waste_resources_scan_run_id_uuid CHECK (length(scan_run_id) = 32 AND scan_run_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_waste_resources_resource_type_values CHECK (resource_type IN ('elastic_ip', 'ebs_volume', 'ebs_snapshot', 'ami')),
    CONSTRAINT ck_waste_resources_resource_id_length CHECK (length(resource_id) >= 1 AND length(resource_id) <= 100 AND instr(resource_id, char(0)) = 0),
    CONSTRAINT ck_waste_resources_region_length CHECK (length(region) >= 1 AND length(region) <= 32 AND instr(region, char(0)) = 0),
    CONSTRAINT ck_waste_resources_monthly_cost_money CHECK (monthly_cost >= 0 AND monthly_cost <= 99999999999999),
    CONSTRAINT ck_waste_resources_currency_length CHECK (length(currency) >= 3 AND length(currency) <= 3 AND instr(currency, char(0)) = 0),
    CONSTRAINT ck_waste_resources_currency_ascii CHECK (currency NOT GLOB '*[^A-Z]*'),
    CONSTRAINT ck_waste_resources_detected_at_utc CHECK (detected_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(detected_at, 1, 10), '+0 days') IS substr(detected_at, 1, 10) AND substr(detected_at, 1, 4) > '0000' AND substr(detected_at, 12, 2) < '24' AND substr(detected_at, 15, 2) < '60' AND substr(detected_at, 18, 2) < '60' OR detected_at IS NULL),
    CONSTRAINT ck_waste_resources_last_seen_at_utc CHECK (last_seen_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(last_seen_at, 1, 10), '+0 days') IS substr(last_seen_at, 1, 10) AND substr(last_seen_at, 1, 4) > '0000' AND substr(last_seen_at, 12, 2) < '24' AND substr(last_seen_at, 15, 2) < '60' AND substr(last_seen_at, 18, 2) < '60' OR last_seen_at IS NULL),
    CONSTRAINT ck_waste_resources_days_unused_range CHECK (days_unused >= 0 AND days_unused <= 100000),
    CONSTRAINT ck_waste_resources_status_values CHECK (status IN ('DETECTED', 'FLAGGED', 'SCHEDULED_DELETE', 'DELETED', 'RESOLVED')),
    CONSTRAINT ck_waste_resources_scheduled_deletion_date_utc CHECK (scheduled_deletion_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(scheduled_deletion_date, 1, 10), '+0 days') IS substr(scheduled_deletion_date, 1, 10) AND substr(scheduled_deletion_date, 1, 4) > '0000' AND substr(scheduled_deletion_date, 12, 2) < '24' AND substr(scheduled_deletion_date, 15, 2) < '60' AND substr(scheduled_deletion_date, 18, 2) < '60' OR scheduled_deletion_date IS NULL),
    CONSTRAINT ck_waste_resources_deleted_at_utc CHECK (deleted_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(deleted_at, 1, 10), '+0 days') IS substr(deleted_at, 1, 10) AND substr(deleted_at, 1, 4) > '0000' AND substr(deleted_at, 12, 2) < '24' AND substr(deleted_at, 15, 2) < '60' AND substr(deleted_at, 18, 2) < '60' OR deleted_at IS NULL),
    CONSTRAINT ck_waste_resources_plan_hash_length CHECK (length(plan_hash) >= 64 AND length(plan_hash) <= 64 AND instr(plan_hash, char(0)) = 0),
    CONSTRAINT ck_waste_resources_plan_hash_ascii CHECK (plan_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_waste_resources_undo_recipe_json CHECK (CASE WHEN json_valid(undo_recipe) THEN json_type(undo_recipe) = 'object' AND length(CAST(undo_recipe AS BLOB)) <= 262144 ELSE undo_recipe IS NULL END),
    CONSTRAINT ck_waste_resources_evidence_json CHECK (CASE WHEN json_valid(evidence) THEN json_type(evidence) = 'object' AND length(CAST(evidence AS BLOB)) <= 262144 ELSE evidence IS NULL END),
    CONSTRAINT ck_waste_resources_resource_metadata_json CHECK (CASE WHEN json_valid(resource_metadata) THEN json_type(resource_metadata) = 'object' AND length(CAST(resource_metadata AS BLOB)) <= 262144 ELSE resource_metadata IS NULL END),
    CONSTRAINT ck_waste_resources_reason_length CHECK (length(reason) >= 1 AND length(reason) <= 4000 AND instr(reason, char(0)) = 0),
    CONSTRAINT ck_waste_resources_claimed_since_utc CHECK (claimed_since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(claimed_since, 1, 10), '+0 days') IS substr(claimed_since, 1, 10) AND substr(claimed_since, 1, 4) > '0000' AND substr(claimed_since, 12, 2) < '24' AND substr(claimed_since, 15, 2) < '60' AND substr(claimed_since, 18, 2) < '60' OR claimed_since IS NULL),
    CONSTRAINT ck_waste_resources_deletion_begun_at_utc CHECK (deletion_begun_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(deletion_begun_at, 1, 10), '+0 days') IS substr(deletion_begun_at, 1, 10) AND substr(deletion_begun_at, 1, 4) > '0000' AND substr(deletion_begun_at, 12, 2) < '24' AND substr(deletion_begun_at, 15, 2) < '60' AND substr(deletion_begun_at, 18, 2) < '60' OR deletion_begun_at IS NULL),
    CONSTRAINT ck_waste_resources_unused_since_utc CHECK (unused_since GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(unused_since, 1, 10), '+0 days') IS substr(unused_since, 1, 10) AND substr(unused_since, 1, 4) > '0000' AND substr(unused_since, 12, 2) < '24' AND substr(unused_since, 15, 2) < '60' AND substr(unused_since, 18, 2) < '60' OR unused_since IS NULL),
    CONSTRAINT ck_waste_resources_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_waste_resources_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_waste_resources_tenant_id_account_id_deletion_begun_at ON waste_resources (tenant_id, account_id, deletion_begun_at);

CREATE INDEX ix_waste_resources_tenant_id_account_id_status ON waste_resources (tenant_id, account_id, status);

CREATE INDEX ix_waste_resources_tenant_id_detected_at ON waste_resources (tenant_id, detected_at);

CREATE INDEX ix_waste_resources_tenant_id_resource_id ON waste_resources (tenant_id, resource_id);

CREATE INDEX ix_waste_resources_tenant_id_scan_run_id ON waste_resources (tenant_id, scan_run_id);

CREATE INDEX ix_waste_resources_tenant_id_status_scheduled_deletion_date ON waste_resources (tenant_id, status, scheduled_deletion_date);

CREATE UNIQUE INDEX uq_waste_resources_live ON waste_resources (tenant_id, account_id, resource_type, resource_id) WHERE status IN ('DETECTED', 'FLAGGED', 'SCHEDULED_DELETE');

CREATE TABLE agent_actions (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    optimization_job_id TEXT,
    action_type TEXT NOT NULL,
    payload TEXT DEFAULT '{}' NOT NULL,
    status TEXT DEFAULT 'PENDING' NOT NULL,
    priority INTEGER DEFAULT '5' NOT NULL,
    idempotency_key TEXT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    max_attempts INTEGER DEFAULT '3' NOT NULL,
    lease_token INTEGER,
    leased_until TEXT,
    available_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    expires_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now', '+1 hours')) NOT NULL,
    picked_up_at TEXT,
    completed_at TEXT,
    result TEXT,
    error_message TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_agent_actions PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_agent_actions_tenant_id_cluster_id_idempotency_key UNIQUE (tenant_id, cluster_id, idempotency_key),
    CONSTRAINT ck_agent_actions_expiry CHECK (expires_at > created_at),
    CONSTRAINT ck_agent_actions_leased CHECK ((status = 'PICKED_UP') = (leased_until IS NOT NULL) AND (status <> 'PICKED_UP' OR (lease_token IS NOT NULL AND picked_up_at IS NOT NULL))),
    CONSTRAINT ck_agent_actions_ended CHECK ((status IN ('COMPLETED', 'FAILED', 'EXPIRED')) = (completed_at IS NOT NULL)),
    CONSTRAINT ck_agent_actions_tries CHECK (attempts <= max_attempts),
    CONSTRAINT ck_agent_actions_payload_keys CHECK (CASE action_type WHEN 'EVICT_POD' THEN coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.namespace') = 'text', 0) AND coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.pod') = 'text', 0) WHEN 'CORDON_NODE' THEN coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.node') = 'text', 0) WHEN 'UNCORDON_NODE' THEN coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.node') = 'text', 0) WHEN 'DRAIN_NODE' THEN coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.node') = 'text', 0) WHEN 'LABEL_NODE' THEN coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.node') = 'text', 0) AND coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.labels') = 'object', 0) WHEN 'UPDATE_DEPLOYMENT' THEN coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.namespace') = 'text', 0) AND coalesce(json_type(CASE WHEN json_valid(payload) THEN payload END, '$.deployment') = 'text', 0) END),
    CONSTRAINT uq_agent_actions_id UNIQUE (id),
    CONSTRAINT fk_agent_actions_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_agent_actions_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_agent_actions_tenant_id_optimization_job_id FOREIGN KEY(tenant_id, optimization_job_id) REFERENCES optimization_jobs (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_agent_actions_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_agent_actions_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_agent_actions_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_agent_actions_optimization_job_id_uuid CHECK (length(optimization_job_id) = 32 AND optimization_job_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_agent_actions_action_type_values CHECK (action_type IN ('EVICT_POD', 'CORDON_NODE', 'UNCORDON_NODE', 'DRAIN_NODE', 'LABEL_NODE', 'UPDATE_DEPLOYMENT')),
    CONSTRAINT ck_agent_actions_payload_json CHECK (CASE WHEN json_valid(payload) THEN json_type(payload) = 'object' AND length(CAST(payload AS BLOB)) <= 262144 ELSE payload IS NULL END),
    CONSTRAINT ck_agent_actions_status_values CHECK (status IN ('PENDING', 'PICKED_UP', 'COMPLETED', 'FAILED', 'EXPIRED')),
    CONSTRAINT ck_agent_actions_priority_range CHECK (priority >= 0 AND priority <= 9),
    CONSTRAINT ck_agent_actions_idempotency_key_length CHECK (length(idempotency_key) >= 1 AND length(idempotency_key) <= 64 AND instr(idempotency_key, char(0)) = 0),
    CONSTRAINT ck_agent_actions_attempts_range CHECK (attempts >= 0 AND attempts <= 100),
    CONSTRAINT ck_agent_actions_max_attempts_range CHECK (max_attempts >= 1 AND max_attempts <= 100),
    CONSTRAINT ck_agent_actions_lease_token_range CHECK (lease_token >= 1 AND lease_token <= 9007199254740992),
    CONSTRAINT ck_agent_actions_leased_until_utc CHECK (leased_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(leased_until, 1, 10), '+0 days') IS substr(leased_until, 1, 10) AND substr(leased_until, 1, 4) > '0000' AND substr(leased_until, 12, 2) < '24' AND substr(leased_until, 15, 2) < '60' AND substr(leased_until, 18, 2) < '60' OR leased_until IS NULL),
    CONSTRAINT ck_agent_actions_available_at_utc CHECK (available_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(available_at, 1, 10), '+0 days') IS substr(available_at, 1, 10) AND substr(available_at, 1, 4) > '0000' AND substr(available_at, 12, 2) < '24' AND substr(available_at, 15, 2) < '60' AND substr(available_at, 18, 2) < '60' OR available_at IS NULL),
    CONSTRAINT ck_agent_actions_expires_at_utc CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(expires_at, 1, 10), '+0 days') IS substr(expires_at, 1, 10) AND substr(expires_at, 1, 4) > '0000' AND substr(expires_at, 12, 2) < '24' AND substr(expires_at, 15, 2) < '60' AND substr(expires_at, 18, 2) < '60' OR expires_at IS NULL),
    CONSTRAINT ck_agent_actions_picked_up_at_utc CHECK (picked_up_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(picked_up_at, 1, 10), '+0 days') IS substr(picked_up_at, 1, 10) AND substr(picked_up_at, 1, 4) > '0000' AND substr(picked_up_at, 12, 2) < '24' AND substr(picked_up_at, 15, 2) < '60' AND substr(picked_up_at, 18, 2) < '60' OR picked_up_at IS NULL),
    CONSTRAINT ck_agent_actions_completed_at_utc CHECK (completed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(completed_at, 1, 10), '+0 days') IS substr(completed_at, 1, 10) AND substr(completed_at, 1, 4) > '0000' AND substr(completed_at, 12, 2) < '24' AND substr(completed_at, 15, 2) < '60' AND substr(completed_at, 18, 2) < '60' OR completed_at IS NULL),
    CONSTRAINT ck_agent_actions_result_json CHECK (CASE WHEN json_valid(result) THEN json_type(result) = 'object' AND length(CAST(result AS BLOB)) <= 262144 ELSE result IS NULL END),
    CONSTRAINT ck_agent_actions_error_message_length CHECK (length(error_message) <= 1024 AND instr(error_message, char(0)) = 0),
    CONSTRAINT ck_agent_actions_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_agent_actions_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_agent_actions_claim ON agent_actions (tenant_id, cluster_id, priority, created_at) WHERE status = 'PENDING';

CREATE INDEX ix_agent_actions_expiry ON agent_actions (tenant_id, expires_at) WHERE status IN ('PENDING', 'PICKED_UP');

CREATE INDEX ix_agent_actions_leases ON agent_actions (tenant_id, leased_until) WHERE status = 'PICKED_UP';

CREATE INDEX ix_agent_actions_tenant_id_optimization_job_id ON agent_actions (tenant_id, optimization_job_id);

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
    CONSTRAINT uq_api_usage_id UNIQUE (id),
    CONSTRAINT fk_api_usage_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_api_usage_tenant_id_api_key_id FOREIGN KEY(tenant_id, api_key_id) REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_api_usage_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_usage_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_usage_api_key_id_uuid CHECK (length(api_key_id) = 32 AND api_key_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_api_usage_endpoint_length CHECK (length(endpoint) >= 1 AND length(endpoint) <= 255 AND instr(endpoint, char(0)) = 0),
    CONSTRAINT ck_api_usage_method_length CHECK (length(method) >= 1 AND length(method) <= 10 AND instr(method, char(0)) = 0),
    CONSTRAINT ck_api_usage_method_ascii CHECK (method NOT GLOB '*[^A-Z]*'),
    CONSTRAINT ck_api_usage_status_code_range CHECK (status_code >= 100 AND status_code <= 599),
    CONSTRAINT ck_api_usage_response_time_ms_range CHECK (response_time_ms >= 0 AND response_time_ms <= 2147483647),
    CONSTRAINT ck_api_usage_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL)
)
 STRICT;

CREATE INDEX ix_api_usage_tenant_id_api_key_id_timestamp ON api_usage (tenant_id, api_key_id, timestamp);

CREATE INDEX ix_api_usage_tenant_id_timestamp ON api_usage (tenant_id, timestamp);

CREATE TABLE approval_requests (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    requester_id TEXT,
    requester_name TEXT NOT NULL,
    decided_by TEXT,
    approver_id TEXT,
    approver_name TEXT,
    action_type TEXT NOT NULL,
    instance_id TEXT,
    waste_resource_id TEXT,
    cluster_id TEXT,
    action_description TEXT NOT NULL,
    risk_level TEXT NOT NULL,
    action_payload TEXT DEFAULT '{}' NOT NULL,
    plan_hash TEXT NOT NULL,
    status TEXT DEFAULT 'PENDING' NOT NULL,
    rejection_reason TEXT,
    requested_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    expires_at TEXT NOT NULL,
    decided_at TEXT,
    executed_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
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
    CONSTRAINT ck_approval_requests_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_approval_requests_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_approval_requests_requester_id_uuid CHECK (length(requester_id) = 32 AND requester_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_approval_requests_requester_name_length CHECK (length(requester_name) >= 1 AND length(requester_name) <= 255 AND instr(requester_name, char(0)) = 0),
    CONSTRAINT ck_approval_requests_decided_by_values CHECK (decided_by IN ('person', 'policy')),
    CONSTRAINT ck_approval_requests_approver_id_uuid CHECK (length(approver_id) = 32 AND approver_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_approval_requests_approver_name_length CHECK (length(approver_name) >= 1 AND length(approver_name) <= 255 AND instr(approver_name, char(0)) = 0),
    CONSTRAINT ck_approval_requests_action_type_values CHECK (action_type IN ('SWITCH_INSTANCE', 'TERMINATE_ROGUE', 'DELETE_WASTE', 'HIBERNATE_CLUSTER')),
    CONSTRAINT ck_approval_requests_instance_id_uuid CHECK (length(instance_id) = 32 AND instance_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_approval_requests_waste_resource_id_uuid CHECK (length(waste_resource_id) = 32 AND waste_resource_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_approval_requests_cluster_id_uuid CHECK (length(cluster_id) = 32 AND cluster_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_approval_requests_action_description_length CHECK (length(action_description) >= 1 AND length(action_description) <= 4000 AND instr(action_description, char(0)) = 0),
    CONSTRAINT ck_approval_requests_risk_level_values CHECK (risk_level IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    CONSTRAINT ck_approval_requests_action_payload_json CHECK (CASE WHEN json_valid(action_payload) THEN json_type(action_payload) = 'object' AND length(CAST(action_payload AS BLOB)) <= 262144 ELSE action_payload IS NULL END),
    CONSTRAINT ck_approval_requests_plan_hash_length CHECK (length(plan_hash) >= 64 AND length(plan_hash) <= 64 AND instr(plan_hash, char(0)) = 0),
    CONSTRAINT ck_approval_requests_plan_hash_ascii CHECK (plan_hash NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_approval_requests_status_values CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED', 'EXPIRED')),
    CONSTRAINT ck_approval_requests_rejection_reason_length CHECK (length(rejection_reason) <= 4000 AND instr(rejection_reason, char(0)) = 0),
    CONSTRAINT ck_approval_requests_requested_at_utc CHECK (requested_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(requested_at, 1, 10), '+0 days') IS substr(requested_at, 1, 10) AND substr(requested_at, 1, 4) > '0000' AND substr(requested_at, 12, 2) < '24' AND substr(requested_at, 15, 2) < '60' AND substr(requested_at, 18, 2) < '60' OR requested_at IS NULL),
    CONSTRAINT ck_approval_requests_expires_at_utc CHECK (expires_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(expires_at, 1, 10), '+0 days') IS substr(expires_at, 1, 10) AND substr(expires_at, 1, 4) > '0000' AND substr(expires_at, 12, 2) < '24' AND substr(expires_at, 15, 2) < '60' AND substr(expires_at, 18, 2) < '60' OR expires_at IS NULL),
    CONSTRAINT ck_approval_requests_decided_at_utc CHECK (decided_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(decided_at, 1, 10), '+0 days') IS substr(decided_at, 1, 10) AND substr(decided_at, 1, 4) > '0000' AND substr(decided_at, 12, 2) < '24' AND substr(decided_at, 15, 2) < '60' AND substr(decided_at, 18, 2) < '60' OR decided_at IS NULL),
    CONSTRAINT ck_approval_requests_executed_at_utc CHECK (executed_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(executed_at, 1, 10), '+0 days') IS substr(executed_at, 1, 10) AND substr(executed_at, 1, 4) > '0000' AND substr(executed_at, 12, 2) < '24' AND substr(executed_at, 15, 2) < '60' AND substr(executed_at, 18, 2) < '60' OR executed_at IS NULL),
    CONSTRAINT ck_approval_requests_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_approval_requests_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_approval_requests_tenant_id_cluster_id ON approval_requests (tenant_id, cluster_id);

CREATE INDEX ix_approval_requests_tenant_id_instance_id ON approval_requests (tenant_id, instance_id);

CREATE INDEX ix_approval_requests_tenant_id_requested_at ON approval_requests (tenant_id, requested_at);

CREATE INDEX ix_approval_requests_tenant_id_requester_id ON approval_requests (tenant_id, requester_id);

CREATE INDEX ix_approval_requests_tenant_id_status_expires_at ON approval_requests (tenant_id, status, expires_at);

CREATE INDEX ix_approval_requests_tenant_id_waste_resource_id ON approval_requests (tenant_id, waste_resource_id);

CREATE UNIQUE INDEX uq_approval_requests_cluster ON approval_requests (tenant_id, cluster_id, action_type) WHERE status = 'PENDING';

CREATE UNIQUE INDEX uq_approval_requests_instance ON approval_requests (tenant_id, instance_id, action_type) WHERE status = 'PENDING';

CREATE UNIQUE INDEX uq_approval_requests_waste_resource ON approval_requests (tenant_id, waste_resource_id, action_type) WHERE status = 'PENDING';

CREATE TABLE experiment_logs (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    model_id TEXT,
    experiment_name TEXT,
    pipeline_mode TEXT NOT NULL,
    is_shadow_run INTEGER DEFAULT 0 NOT NULL,
    prediction_score REAL,
    decision TEXT NOT NULL,
    decision_reason TEXT NOT NULL,
    execution_time TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    execution_duration_ms INTEGER,
    candidates_evaluated INTEGER,
    selected_instance_type TEXT,
    selected_availability_zone TEXT,
    old_spot_price INTEGER,
    new_spot_price INTEGER,
    projected_hourly_savings INTEGER,
    features_used TEXT DEFAULT '{}' NOT NULL,
    metrics TEXT,
    status TEXT DEFAULT 'RECORDED' NOT NULL,
    error_message TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_experiment_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_experiment_logs_failed CHECK ((decision = 'FAILED') = (error_message IS NOT NULL)),
    CONSTRAINT ck_experiment_logs_target CHECK (decision <> 'SWITCH' OR (selected_instance_type IS NOT NULL AND selected_availability_zone IS NOT NULL)),
    CONSTRAINT ck_experiment_logs_shadow CHECK (NOT is_shadow_run OR status = 'RECORDED'),
    CONSTRAINT fk_experiment_logs_model_id FOREIGN KEY(model_id) REFERENCES ml_models (id),
    CONSTRAINT uq_experiment_logs_id UNIQUE (id),
    CONSTRAINT fk_experiment_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_logs_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_experiment_logs_tenant_id_instance_id FOREIGN KEY(tenant_id, instance_id) REFERENCES instances (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_experiment_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_logs_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_logs_instance_id_uuid CHECK (length(instance_id) = 32 AND instance_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_logs_model_id_uuid CHECK (length(model_id) = 32 AND model_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_experiment_logs_experiment_name_length CHECK (length(experiment_name) <= 255 AND instr(experiment_name, char(0)) = 0),
    CONSTRAINT ck_experiment_logs_pipeline_mode_values CHECK (pipeline_mode IN ('CLUSTER', 'LINEAR')),
    CONSTRAINT ck_experiment_logs_is_shadow_run_bool CHECK (is_shadow_run IN (0, 1)),
    CONSTRAINT ck_experiment_logs_prediction_score_range CHECK (prediction_score >= 0 AND prediction_score <= 1),
    CONSTRAINT ck_experiment_logs_decision_values CHECK (decision IN ('SWITCH', 'HOLD', 'FAILED')),
    CONSTRAINT ck_experiment_logs_decision_reason_length CHECK (length(decision_reason) >= 1 AND length(decision_reason) <= 4000 AND instr(decision_reason, char(0)) = 0),
    CONSTRAINT ck_experiment_logs_execution_time_utc CHECK (execution_time GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(execution_time, 1, 10), '+0 days') IS substr(execution_time, 1, 10) AND substr(execution_time, 1, 4) > '0000' AND substr(execution_time, 12, 2) < '24' AND substr(execution_time, 15, 2) < '60' AND substr(execution_time, 18, 2) < '60' OR execution_time IS NULL),
    CONSTRAINT ck_experiment_logs_execution_duration_ms_range CHECK (execution_duration_ms >= 0 AND execution_duration_ms <= 2147483647),
    CONSTRAINT ck_experiment_logs_candidates_evaluated_range CHECK (candidates_evaluated >= 0 AND candidates_evaluated <= 2147483647),
    CONSTRAINT ck_experiment_logs_selected_instance_type_length CHECK (length(selected_instance_type) >= 1 AND length(selected_instance_type) <= 32 AND instr(selected_instance_type, char(0)) = 0),
    CONSTRAINT ck_experiment_logs_selected_availability_zone_length CHECK (length(selected_availability_zone) >= 1 AND length(selected_availability_zone) <= 32 AND instr(selected_availability_zone, char(0)) = 0),
    CONSTRAINT ck_experiment_logs_old_spot_price_money CHECK (old_spot_price >= 0 AND old_spot_price <= 99999999999999),
    CONSTRAINT ck_experiment_logs_new_spot_price_money CHECK (new_spot_price >= 0 AND new_spot_price <= 99999999999999),
    CONSTRAINT ck_experiment_logs_projected_hourly_savings_money CHECK (projected_hourly_savings >= -99999999999999 AND projected_hourly_savings <= 99999999999999),
    CONSTRAINT ck_experiment_logs_features_used_json CHECK (CASE WHEN json_valid(features_used) THEN json_type(features_used) = 'object' AND length(CAST(features_used AS BLOB)) <= 262144 ELSE features_used IS NULL END),
    CONSTRAINT ck_experiment_logs_metrics_json CHECK (CASE WHEN json_valid(metrics) THEN json_type(metrics) = 'object' AND length(CAST(metrics AS BLOB)) <= 262144 ELSE metrics IS NULL END),
    CONSTRAINT ck_experiment_logs_status_values CHECK (status IN ('RECORDED', 'ACTED', 'REVERTED')),
    CONSTRAINT ck_experiment_logs_error_message_length CHECK (length(error_message) >= 1 AND length(error_message) <= 4000 AND instr(error_message, char(0)) = 0),
    CONSTRAINT ck_experiment_logs_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_experiment_logs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_experiment_logs_acted ON experiment_logs (tenant_id, status, execution_time) WHERE status <> 'RECORDED';

CREATE INDEX ix_experiment_logs_model_id ON experiment_logs (model_id);

CREATE INDEX ix_experiment_logs_not_held ON experiment_logs (tenant_id, decision, execution_time) WHERE decision <> 'HOLD';

CREATE INDEX ix_experiment_logs_tenant_id_account_id_execution_time ON experiment_logs (tenant_id, account_id, execution_time);

CREATE INDEX ix_experiment_logs_tenant_id_execution_time ON experiment_logs (tenant_id, execution_time);

CREATE INDEX ix_experiment_logs_tenant_id_instance_id ON experiment_logs (tenant_id, instance_id);

CREATE TABLE hibernation_overrides (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    schedule_id TEXT NOT NULL,
    starts_at TEXT NOT NULL,
    ends_at TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_by TEXT,
    person_name TEXT NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_hibernation_overrides PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_hibernation_overrides_order CHECK (ends_at > starts_at),
    CONSTRAINT uq_hibernation_overrides_id UNIQUE (id),
    CONSTRAINT fk_hibernation_overrides_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_hibernation_overrides_tenant_id_schedule_id FOREIGN KEY(tenant_id, schedule_id) REFERENCES hibernation_schedules (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_hibernation_overrides_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_overrides_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_overrides_schedule_id_uuid CHECK (length(schedule_id) = 32 AND schedule_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_overrides_starts_at_utc CHECK (starts_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(starts_at, 1, 10), '+0 days') IS substr(starts_at, 1, 10) AND substr(starts_at, 1, 4) > '0000' AND substr(starts_at, 12, 2) < '24' AND substr(starts_at, 15, 2) < '60' AND substr(starts_at, 18, 2) < '60' OR starts_at IS NULL),
    CONSTRAINT ck_hibernation_overrides_ends_at_utc CHECK (ends_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(ends_at, 1, 10), '+0 days') IS substr(ends_at, 1, 10) AND substr(ends_at, 1, 4) > '0000' AND substr(ends_at, 12, 2) < '24' AND substr(ends_at, 15, 2) < '60' AND substr(ends_at, 18, 2) < '60' OR ends_at IS NULL),
    CONSTRAINT ck_hibernation_overrides_state_values CHECK (state IN ('awake', 'asleep')),
    CONSTRAINT ck_hibernation_overrides_reason_length CHECK (length(reason) >= 1 AND length(reason) <= 255 AND instr(reason, char(0)) = 0),
    CONSTRAINT ck_hibernation_overrides_created_by_uuid CHECK (length(created_by) = 32 AND created_by NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_hibernation_overrides_person_name_length CHECK (length(person_name) >= 1 AND length(person_name) <= 255 AND instr(person_name, char(0)) = 0),
    CONSTRAINT ck_hibernation_overrides_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_hibernation_overrides_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_hibernation_overrides_tenant_id_schedule_id_ends_at ON hibernation_overrides (tenant_id, schedule_id, ends_at);

CREATE TABLE explanations (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    experiment_log_id TEXT NOT NULL,
    method TEXT DEFAULT 'shapley' NOT NULL,
    base_value REAL NOT NULL,
    explanation_data TEXT DEFAULT '[]' NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_explanations PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_explanations_tenant_id_experiment_log_id_method UNIQUE (tenant_id, experiment_log_id, method),
    CONSTRAINT uq_explanations_id UNIQUE (id),
    CONSTRAINT fk_explanations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_explanations_tenant_id_experiment_log_id FOREIGN KEY(tenant_id, experiment_log_id) REFERENCES experiment_logs (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_explanations_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_explanations_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_explanations_experiment_log_id_uuid CHECK (length(experiment_log_id) = 32 AND experiment_log_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_explanations_method_values CHECK (method IN ('shapley')),
    CONSTRAINT ck_explanations_base_value_range CHECK (base_value >= 0 AND base_value <= 1),
    CONSTRAINT ck_explanations_explanation_data_json CHECK (CASE WHEN json_valid(explanation_data) THEN json_type(explanation_data) = 'array' AND length(CAST(explanation_data AS BLOB)) <= 262144 ELSE explanation_data IS NULL END),
    CONSTRAINT ck_explanations_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_explanations_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL)
)
 STRICT;

CREATE INDEX ix_explanations_tenant_id_method_created_at ON explanations (tenant_id, method, created_at);

CREATE TRIGGER ao_account_logs_update BEFORE UPDATE ON account_logs FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_account_logs_update'); END;

CREATE TRIGGER pk_account_logs BEFORE INSERT ON account_logs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM account_logs 
WHERE account_logs.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_account_logs'); END;

CREATE TRIGGER ao_account_logs_delete BEFORE DELETE ON account_logs FOR EACH ROW
WHEN NOT (1 = 1 AND (old.timestamp < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-8760 hours')) = 1)
BEGIN SELECT RAISE(ABORT, 'ao_account_logs_delete'); END;

CREATE TRIGGER lc_account_logs_rowid BEFORE INSERT ON account_logs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM account_logs AS kept 
WHERE kept.rowid = NEW.rowid AND NOT (1 = 1 AND (kept.timestamp < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-8760 hours')) = 1))
BEGIN SELECT RAISE(ABORT, 'lc_account_logs_rowid'); END;

CREATE TRIGGER ao_audit_logs_update BEFORE UPDATE ON audit_logs FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_audit_logs_update'); END;

CREATE TRIGGER pk_audit_logs BEFORE INSERT ON audit_logs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM audit_logs 
WHERE audit_logs.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_audit_logs'); END;

CREATE TRIGGER ao_audit_logs_delete BEFORE DELETE ON audit_logs FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_audit_logs_delete'); END;

CREATE TRIGGER ao_audit_logs_clock BEFORE INSERT ON audit_logs FOR EACH ROW
WHEN (abs(julianday(new.timestamp) - julianday('now')) * 86400 > 5) = 1 OR new.txid != 0
BEGIN SELECT RAISE(ABORT, 'ao_audit_logs_clock'); END;

CREATE TRIGGER lc_audit_logs_rowid BEFORE INSERT ON audit_logs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM audit_logs AS kept 
WHERE kept.rowid = NEW.rowid AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_audit_logs_rowid'); END;

CREATE TRIGGER ao_audit_seals_update BEFORE UPDATE ON audit_seals FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_audit_seals_update'); END;

CREATE TRIGGER pk_audit_seals BEFORE INSERT ON audit_seals FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM audit_seals 
WHERE audit_seals.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_audit_seals'); END;

CREATE TRIGGER ao_audit_seals_delete BEFORE DELETE ON audit_seals FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_audit_seals_delete'); END;

CREATE TRIGGER lc_audit_seals_rowid BEFORE INSERT ON audit_seals FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM audit_seals AS kept 
WHERE kept.rowid = NEW.rowid AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_audit_seals_rowid'); END;

CREATE TRIGGER uq_audit_seals_tenant_id_previous_seal_hash_insert BEFORE INSERT ON audit_seals FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM audit_seals AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.previous_seal_hash = new.previous_seal_hash AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_audit_seals_tenant_id_previous_seal_hash'); END;

CREATE TRIGGER uq_audit_seals_tenant_id_previous_seal_hash_update BEFORE UPDATE OF tenant_id, previous_seal_hash ON audit_seals FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM audit_seals AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.previous_seal_hash = new.previous_seal_hash AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_audit_seals_tenant_id_previous_seal_hash'); END;

CREATE TRIGGER uq_audit_seals_tenant_id_seal_no_insert BEFORE INSERT ON audit_seals FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM audit_seals AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.seal_no = new.seal_no AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_audit_seals_tenant_id_seal_no'); END;

CREATE TRIGGER uq_audit_seals_tenant_id_seal_no_update BEFORE UPDATE OF tenant_id, seal_no ON audit_seals FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM audit_seals AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.seal_no = new.seal_no AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_audit_seals_tenant_id_seal_no'); END;

CREATE TRIGGER ao_global_risk_events_update BEFORE UPDATE ON global_risk_events FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_global_risk_events_update'); END;

CREATE TRIGGER pk_global_risk_events BEFORE INSERT ON global_risk_events FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM global_risk_events 
WHERE global_risk_events.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_global_risk_events'); END;

CREATE TRIGGER ao_global_risk_events_delete BEFORE DELETE ON global_risk_events FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_global_risk_events_delete'); END;

CREATE TRIGGER lc_global_risk_events_rowid BEFORE INSERT ON global_risk_events FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM global_risk_events AS kept 
WHERE kept.rowid = NEW.rowid AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_global_risk_events_rowid'); END;

CREATE TRIGGER uq_global_risk_events_source_event_id_insert BEFORE INSERT ON global_risk_events FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM global_risk_events AS kept 
WHERE kept.source_event_id = new.source_event_id AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_global_risk_events_source_event_id'); END;

CREATE TRIGGER uq_global_risk_events_source_event_id_update BEFORE UPDATE OF source_event_id ON global_risk_events FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM global_risk_events AS kept 
WHERE kept.source_event_id = new.source_event_id AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_global_risk_events_source_event_id'); END;

CREATE TRIGGER ao_login_history_update BEFORE UPDATE ON login_history FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_login_history_update'); END;

CREATE TRIGGER pk_login_history BEFORE INSERT ON login_history FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM login_history 
WHERE login_history.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_login_history'); END;

CREATE TRIGGER ao_login_history_delete BEFORE DELETE ON login_history FOR EACH ROW
WHEN NOT (1 = 1 AND (old.timestamp < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-8760 hours')) = 1)
BEGIN SELECT RAISE(ABORT, 'ao_login_history_delete'); END;

CREATE TRIGGER lc_login_history_rowid BEFORE INSERT ON login_history FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM login_history AS kept 
WHERE kept.rowid = NEW.rowid AND NOT (1 = 1 AND (kept.timestamp < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-8760 hours')) = 1))
BEGIN SELECT RAISE(ABORT, 'lc_login_history_rowid'); END;

CREATE TRIGGER lc_ml_models_status_first BEFORE INSERT ON ml_models FOR EACH ROW
WHEN (new.status NOT IN ('CANDIDATE'))
BEGIN SELECT RAISE(ABORT, 'lc_ml_models_status_first'); END;

CREATE TRIGGER lc_ml_models_status_move BEFORE UPDATE OF status ON ml_models FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'CANDIDATE' AND new.status IN ('ARCHIVED', 'TESTING') OR old.status = 'TESTING' AND new.status IN ('ARCHIVED', 'GRADUATED') OR old.status = 'GRADUATED' AND new.status IN ('ARCHIVED', 'ENABLED') OR old.status = 'ENABLED' AND new.status IN ('ARCHIVED')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_ml_models_status_move'); END;

CREATE TRIGGER pk_ml_models BEFORE INSERT ON ml_models FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM ml_models 
WHERE ml_models.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_ml_models'); END;

CREATE TRIGGER lc_ml_models_key BEFORE UPDATE OF id ON ml_models FOR EACH ROW
WHEN old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_ml_models_key'); END;

CREATE TRIGGER lc_ml_models_kept BEFORE DELETE ON ml_models FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'lc_ml_models_kept'); END;

CREATE TRIGGER lc_ml_models_graduated BEFORE UPDATE OF status ON ml_models FOR EACH ROW
WHEN old.status = 'TESTING' AND new.status = 'GRADUATED' AND NOT (EXISTS (SELECT 1 AS anon_1 
FROM lab_experiments 
WHERE lab_experiments.model_id = new.id AND lab_experiments.status = 'COMPLETED'))
BEGIN SELECT RAISE(ABORT, 'lc_ml_models_graduated'); END;

CREATE TRIGGER lc_ml_models_file BEFORE UPDATE OF name, version, file_path, file_hash, file_format ON ml_models FOR EACH ROW
WHEN old.name IS NOT new.name OR old.version IS NOT new.version OR old.file_path IS NOT new.file_path OR old.file_hash IS NOT new.file_hash OR old.file_format IS NOT new.file_format
BEGIN SELECT RAISE(ABORT, 'lc_ml_models_file'); END;

CREATE TRIGGER lc_ml_models_rowid BEFORE INSERT ON ml_models FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM ml_models AS kept 
WHERE kept.rowid = NEW.rowid AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_ml_models_rowid'); END;

CREATE TRIGGER lc_ml_models_moved BEFORE UPDATE ON ml_models FOR EACH ROW
WHEN OLD.rowid != NEW.rowid
BEGIN SELECT RAISE(ABORT, 'lc_ml_models_moved'); END;

CREATE TRIGGER uq_ml_models_name_version_insert BEFORE INSERT ON ml_models FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM ml_models AS kept 
WHERE kept.name = new.name AND kept.version = new.version AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_ml_models_name_version'); END;

CREATE TRIGGER uq_ml_models_name_version_update BEFORE UPDATE OF name, version ON ml_models FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM ml_models AS kept 
WHERE kept.name = new.name AND kept.version = new.version AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_ml_models_name_version'); END;

CREATE TRIGGER uq_ml_models_one_active_insert BEFORE INSERT ON ml_models FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM ml_models AS kept 
WHERE kept.is_active_prod = new.is_active_prod AND kept.id != new.id AND 1 = 1 AND is_active_prod)
BEGIN SELECT RAISE(ABORT, 'uq_ml_models_one_active'); END;

CREATE TRIGGER uq_ml_models_one_active_update BEFORE UPDATE OF is_active_prod ON ml_models FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM ml_models AS kept 
WHERE kept.is_active_prod = new.is_active_prod AND kept.id != new.id AND 1 = 1 AND is_active_prod)
BEGIN SELECT RAISE(ABORT, 'uq_ml_models_one_active'); END;

CREATE TRIGGER ao_risk_sources_update BEFORE UPDATE ON risk_sources FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_risk_sources_update'); END;

CREATE TRIGGER pk_risk_sources BEFORE INSERT ON risk_sources FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM risk_sources 
WHERE risk_sources.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_risk_sources'); END;

CREATE TRIGGER ao_risk_sources_delete BEFORE DELETE ON risk_sources FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_risk_sources_delete'); END;

CREATE TRIGGER lc_risk_sources_rowid BEFORE INSERT ON risk_sources FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM risk_sources AS kept 
WHERE kept.rowid = NEW.rowid AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_risk_sources_rowid'); END;

CREATE TRIGGER uq_risk_sources_risk_event_id_insert BEFORE INSERT ON risk_sources FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM risk_sources AS kept 
WHERE kept.risk_event_id = new.risk_event_id AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_risk_sources_risk_event_id'); END;

CREATE TRIGGER uq_risk_sources_risk_event_id_update BEFORE UPDATE OF risk_event_id ON risk_sources FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM risk_sources AS kept 
WHERE kept.risk_event_id = new.risk_event_id AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_risk_sources_risk_event_id'); END;

CREATE TRIGGER lc_tenants_platform BEFORE UPDATE OF id, slug, is_active ON tenants FOR EACH ROW
WHEN old.id = '00000000000070008000000000000001' AND (old.id IS NOT new.id OR old.slug IS NOT new.slug OR old.is_active IS NOT new.is_active)
BEGIN SELECT RAISE(ABORT, 'lc_tenants_platform'); END;

CREATE TRIGGER lc_tenants_platform_gone BEFORE DELETE ON tenants FOR EACH ROW
WHEN old.id = '00000000000070008000000000000001'
BEGIN SELECT RAISE(ABORT, 'lc_tenants_platform_gone'); END;

CREATE TRIGGER lc_tenants_id BEFORE UPDATE OF id ON tenants FOR EACH ROW
WHEN old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_tenants_id'); END;

CREATE TRIGGER lc_tenants_rowid BEFORE INSERT ON tenants FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM tenants AS kept 
WHERE kept.rowid = NEW.rowid AND kept.id = '00000000000070008000000000000001')
BEGIN SELECT RAISE(ABORT, 'lc_tenants_rowid'); END;

CREATE TRIGGER lc_tenants_moved BEFORE UPDATE ON tenants FOR EACH ROW
WHEN OLD.rowid != NEW.rowid
BEGIN SELECT RAISE(ABORT, 'lc_tenants_moved'); END;

CREATE TRIGGER pk_tenants BEFORE INSERT ON tenants FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM tenants AS kept 
WHERE kept.id = new.id AND kept.id = '00000000000070008000000000000001')
BEGIN SELECT RAISE(ABORT, 'pk_tenants'); END;

CREATE TRIGGER uq_tenants_slug_insert BEFORE INSERT ON tenants FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM tenants AS kept 
WHERE kept.slug = new.slug AND kept.id != new.id AND kept.id = '00000000000070008000000000000001')
BEGIN SELECT RAISE(ABORT, 'uq_tenants_slug'); END;

CREATE TRIGGER uq_tenants_slug_update BEFORE UPDATE OF slug ON tenants FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM tenants AS kept 
WHERE kept.slug = new.slug AND kept.id != new.id AND kept.id = '00000000000070008000000000000001')
BEGIN SELECT RAISE(ABORT, 'uq_tenants_slug'); END;

CREATE TRIGGER lc_withdrawn_keys_in_use BEFORE INSERT ON withdrawn_keys FOR EACH ROW
WHEN (EXISTS (SELECT 1 AS anon_1 
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
WHERE substr(webhook_configurations.previous_secret, 10, 8) = new.key_id)) OR 1 = 0 OR 0 = 1
BEGIN SELECT RAISE(ABORT, 'lc_withdrawn_keys_in_use'); END;

CREATE TRIGGER ao_withdrawn_keys_update BEFORE UPDATE ON withdrawn_keys FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_withdrawn_keys_update'); END;

CREATE TRIGGER pk_withdrawn_keys BEFORE INSERT ON withdrawn_keys FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_withdrawn_keys'); END;

CREATE TRIGGER ao_withdrawn_keys_delete BEFORE DELETE ON withdrawn_keys FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'ao_withdrawn_keys_delete'); END;

CREATE TRIGGER lc_withdrawn_keys_rowid BEFORE INSERT ON withdrawn_keys FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys AS kept 
WHERE kept.rowid = NEW.rowid AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_withdrawn_keys_rowid'); END;

CREATE TRIGGER uq_withdrawn_keys_key_id_insert BEFORE INSERT ON withdrawn_keys FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys AS kept 
WHERE kept.key_id = new.key_id AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_withdrawn_keys_key_id'); END;

CREATE TRIGGER uq_withdrawn_keys_key_id_update BEFORE UPDATE OF key_id ON withdrawn_keys FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys AS kept 
WHERE kept.key_id = new.key_id AND kept.id != new.id AND 1 = 1)
BEGIN SELECT RAISE(ABORT, 'uq_withdrawn_keys_key_id'); END;

CREATE TRIGGER lc_datasets_file BEFORE UPDATE OF file_path, file_hash ON datasets FOR EACH ROW
WHEN (old.file_path IS NOT new.file_path OR old.file_hash IS NOT new.file_hash) AND (new.file_path = old.file_path OR NOT ((EXISTS (SELECT dataset_generations.id 
FROM dataset_generations 
WHERE dataset_generations.tenant_id = new.tenant_id AND dataset_generations.status = 'running' AND dataset_generations.name = new.name)) OR (EXISTS (SELECT dataset_imports.id 
FROM dataset_imports 
WHERE dataset_imports.tenant_id = new.tenant_id AND dataset_imports.status = 'running' AND dataset_imports.name = new.name))))
BEGIN SELECT RAISE(ABORT, 'lc_datasets_file'); END;

CREATE TRIGGER lc_downtime_logs_facts BEFORE UPDATE OF instance_id, cluster_id, start_time, cause, cause_details, decision_id, end_time, duration_seconds ON downtime_logs FOR EACH ROW
WHEN old.instance_id IS NOT new.instance_id OR old.cluster_id IS NOT new.cluster_id OR old.start_time IS NOT new.start_time OR old.cause IS NOT new.cause OR old.cause_details IS NOT new.cause_details OR old.decision_id IS NOT new.decision_id OR old.end_time IS NOT NULL AND (old.end_time IS NOT new.end_time OR old.duration_seconds IS NOT new.duration_seconds)
BEGIN SELECT RAISE(ABORT, 'lc_downtime_logs_facts'); END;

CREATE TRIGGER lc_email_logs_status_first BEFORE INSERT ON email_logs FOR EACH ROW
WHEN (new.status NOT IN ('pending'))
BEGIN SELECT RAISE(ABORT, 'lc_email_logs_status_first'); END;

CREATE TRIGGER lc_email_logs_status_move BEFORE UPDATE OF status ON email_logs FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'pending' AND new.status IN ('failed', 'sent')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_email_logs_status_move'); END;

CREATE TRIGGER pk_email_logs BEFORE INSERT ON email_logs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM email_logs 
WHERE email_logs.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_email_logs'); END;

CREATE TRIGGER lc_email_logs_key BEFORE UPDATE OF tenant_id, id ON email_logs FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_email_logs_key'); END;

CREATE TRIGGER lc_email_logs_message_id_once BEFORE UPDATE OF message_id ON email_logs FOR EACH ROW
WHEN old.message_id IS NOT NULL AND old.message_id IS NOT new.message_id
BEGIN SELECT RAISE(ABORT, 'lc_email_logs_message_id_once'); END;

CREATE TRIGGER lc_invitations_accepted_at_once BEFORE UPDATE OF accepted_at ON invitations FOR EACH ROW
WHEN old.accepted_at IS NOT NULL AND old.accepted_at IS NOT new.accepted_at
BEGIN SELECT RAISE(ABORT, 'lc_invitations_accepted_at_once'); END;

CREATE TRIGGER lc_invitations_open_insert BEFORE INSERT ON invitations FOR EACH ROW
WHEN new.accepted_at IS NULL AND (EXISTS (SELECT invitations.id 
FROM invitations 
WHERE invitations.tenant_id = new.tenant_id AND invitations.email = new.email AND invitations.id != new.id AND invitations.accepted_at IS NULL))
BEGIN SELECT RAISE(ABORT, 'lc_invitations_open'); END;

CREATE TRIGGER lc_invitations_open_update BEFORE UPDATE OF tenant_id, email ON invitations FOR EACH ROW
WHEN new.accepted_at IS NULL AND (EXISTS (SELECT invitations.id 
FROM invitations 
WHERE invitations.tenant_id = new.tenant_id AND invitations.email = new.email AND invitations.id != new.id AND invitations.accepted_at IS NULL))
BEGIN SELECT RAISE(ABORT, 'lc_invitations_open'); END;

CREATE TRIGGER lc_lab_experiments_status_first BEFORE INSERT ON lab_experiments FOR EACH ROW
WHEN (new.status NOT IN ('DRAFT'))
BEGIN SELECT RAISE(ABORT, 'lc_lab_experiments_status_first'); END;

CREATE TRIGGER lc_lab_experiments_status_move BEFORE UPDATE OF status ON lab_experiments FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'DRAFT' AND new.status IN ('RUNNING') OR old.status = 'RUNNING' AND new.status IN ('COMPLETED', 'FAILED')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_lab_experiments_status_move'); END;

CREATE TRIGGER pk_lab_experiments BEFORE INSERT ON lab_experiments FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM lab_experiments 
WHERE lab_experiments.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_lab_experiments'); END;

CREATE TRIGGER lc_lab_experiments_key BEFORE UPDATE OF tenant_id, id ON lab_experiments FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_lab_experiments_key'); END;

CREATE TRIGGER lc_tellings_forward BEFORE UPDATE ON tellings FOR EACH ROW
WHEN new.told_until < old.told_until OR new.event_type != old.event_type OR new.subject != old.subject
BEGIN SELECT RAISE(ABORT, 'lc_tellings_forward'); END;

CREATE TRIGGER lc_users_totp_secret_withdrawn_insert BEFORE INSERT ON users FOR EACH ROW
WHEN new.totp_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.totp_secret, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_users_totp_secret_withdrawn'); END;

CREATE TRIGGER lc_users_totp_secret_withdrawn_update BEFORE UPDATE OF totp_secret ON users FOR EACH ROW
WHEN new.totp_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.totp_secret, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_users_totp_secret_withdrawn'); END;

CREATE TRIGGER lc_users_username_insert BEFORE INSERT ON users FOR EACH ROW
WHEN replace(new.username, '@', '') != new.username
BEGIN SELECT RAISE(ABORT, 'lc_users_username'); END;

CREATE TRIGGER lc_users_username_update BEFORE UPDATE OF username ON users FOR EACH ROW
WHEN replace(new.username, '@', '') != new.username
BEGIN SELECT RAISE(ABORT, 'lc_users_username'); END;

CREATE TRIGGER lc_users_last_admin BEFORE UPDATE OF tenant_id, role, is_active ON users FOR EACH ROW
WHEN old.tenant_id = '00000000000070008000000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS 1 AND (new.tenant_id = '00000000000070008000000000000001' AND new.role IN ('admin', 'super_admin') AND new.is_active IS 1) IS NOT 1 AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE old.tenant_id = '00000000000070008000000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS 1 AND users.tenant_id = '00000000000070008000000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS 1 AND users.id != old.id
 LIMIT 1 OFFSET 0))
BEGIN SELECT RAISE(ABORT, 'lc_users_last_admin'); END;

CREATE TRIGGER lc_users_last_admin_gone BEFORE DELETE ON users FOR EACH ROW
WHEN old.tenant_id = '00000000000070008000000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS 1 AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE old.tenant_id = '00000000000070008000000000000001' AND old.role IN ('admin', 'super_admin') AND old.is_active IS 1 AND users.tenant_id = '00000000000070008000000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS 1 AND users.id != old.id
 LIMIT 1 OFFSET 0))
BEGIN SELECT RAISE(ABORT, 'lc_users_last_admin_gone'); END;

CREATE TRIGGER lc_users_totp_step BEFORE UPDATE OF totp_last_step ON users FOR EACH ROW
WHEN old.totp_last_step IS NOT NULL AND (new.totp_last_step IS NULL OR new.totp_last_step < old.totp_last_step) AND old.totp_secret IS new.totp_secret
BEGIN SELECT RAISE(ABORT, 'lc_users_totp_step'); END;

CREATE TRIGGER lc_users_id BEFORE UPDATE OF id ON users FOR EACH ROW
WHEN old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_users_id'); END;

CREATE TRIGGER lc_users_rowid BEFORE INSERT ON users FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM users AS kept 
WHERE kept.rowid = NEW.rowid AND kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND users.tenant_id = '00000000000070008000000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS 1 AND users.id != kept.id
 LIMIT 1 OFFSET 0)))
BEGIN SELECT RAISE(ABORT, 'lc_users_rowid'); END;

CREATE TRIGGER lc_users_moved BEFORE UPDATE ON users FOR EACH ROW
WHEN OLD.rowid != NEW.rowid
BEGIN SELECT RAISE(ABORT, 'lc_users_moved'); END;

CREATE TRIGGER pk_users BEFORE INSERT ON users FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM users AS kept 
WHERE kept.id = new.id AND kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND users.tenant_id = '00000000000070008000000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS 1 AND users.id != kept.id
 LIMIT 1 OFFSET 0)))
BEGIN SELECT RAISE(ABORT, 'pk_users'); END;

CREATE TRIGGER uq_users_email_insert BEFORE INSERT ON users FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM users AS kept 
WHERE kept.email = new.email AND kept.id != new.id AND kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND users.tenant_id = '00000000000070008000000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS 1 AND users.id != kept.id
 LIMIT 1 OFFSET 0)))
BEGIN SELECT RAISE(ABORT, 'uq_users_email'); END;

CREATE TRIGGER uq_users_email_update BEFORE UPDATE OF email ON users FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM users AS kept 
WHERE kept.email = new.email AND kept.id != new.id AND kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND users.tenant_id = '00000000000070008000000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS 1 AND users.id != kept.id
 LIMIT 1 OFFSET 0)))
BEGIN SELECT RAISE(ABORT, 'uq_users_email'); END;

CREATE TRIGGER uq_users_username_insert BEFORE INSERT ON users FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM users AS kept 
WHERE kept.username = new.username AND kept.id != new.id AND kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND users.tenant_id = '00000000000070008000000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS 1 AND users.id != kept.id
 LIMIT 1 OFFSET 0)))
BEGIN SELECT RAISE(ABORT, 'uq_users_username'); END;

CREATE TRIGGER uq_users_username_update BEFORE UPDATE OF username ON users FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM users AS kept 
WHERE kept.username = new.username AND kept.id != new.id AND kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND NOT (EXISTS (SELECT users.id 
FROM users 
WHERE kept.tenant_id = '00000000000070008000000000000001' AND kept.role IN ('admin', 'super_admin') AND kept.is_active IS 1 AND users.tenant_id = '00000000000070008000000000000001' AND users.role IN ('admin', 'super_admin') AND users.is_active IS 1 AND users.id != kept.id
 LIMIT 1 OFFSET 0)))
BEGIN SELECT RAISE(ABORT, 'uq_users_username'); END;

CREATE TRIGGER lc_accounts_status_first BEFORE INSERT ON accounts FOR EACH ROW
WHEN (new.status NOT IN ('pending'))
BEGIN SELECT RAISE(ABORT, 'lc_accounts_status_first'); END;

CREATE TRIGGER lc_accounts_status_move BEFORE UPDATE OF status ON accounts FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'pending' AND new.status IN ('connected') OR old.status = 'connected' AND new.status IN ('active', 'failed') OR old.status = 'active' AND new.status IN ('failed') OR old.status = 'failed' AND new.status IN ('connected')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_accounts_status_move'); END;

CREATE TRIGGER pk_accounts BEFORE INSERT ON accounts FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM accounts 
WHERE accounts.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_accounts'); END;

CREATE TRIGGER lc_accounts_key BEFORE UPDATE OF tenant_id, id ON accounts FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_accounts_key'); END;

CREATE TRIGGER lc_accounts_aws_access_key_id_withdrawn_insert BEFORE INSERT ON accounts FOR EACH ROW
WHEN new.aws_access_key_id IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.aws_access_key_id, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_accounts_aws_access_key_id_withdrawn'); END;

CREATE TRIGGER lc_accounts_aws_access_key_id_withdrawn_update BEFORE UPDATE OF aws_access_key_id ON accounts FOR EACH ROW
WHEN new.aws_access_key_id IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.aws_access_key_id, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_accounts_aws_access_key_id_withdrawn'); END;

CREATE TRIGGER lc_accounts_aws_secret_access_key_withdrawn_insert BEFORE INSERT ON accounts FOR EACH ROW
WHEN new.aws_secret_access_key IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.aws_secret_access_key, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_accounts_aws_secret_access_key_withdrawn'); END;

CREATE TRIGGER lc_accounts_aws_secret_access_key_withdrawn_update BEFORE UPDATE OF aws_secret_access_key ON accounts FOR EACH ROW
WHEN new.aws_secret_access_key IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.aws_secret_access_key, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_accounts_aws_secret_access_key_withdrawn'); END;

CREATE TRIGGER lc_backup_codes_used_at_once BEFORE UPDATE OF used_at ON backup_codes FOR EACH ROW
WHEN old.used_at IS NOT NULL AND old.used_at IS NOT new.used_at
BEGIN SELECT RAISE(ABORT, 'lc_backup_codes_used_at_once'); END;

CREATE TRIGGER lc_dataset_generations_status_first BEFORE INSERT ON dataset_generations FOR EACH ROW
WHEN (new.status NOT IN ('pending'))
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_status_first'); END;

CREATE TRIGGER lc_dataset_generations_status_move BEFORE UPDATE OF status ON dataset_generations FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'pending' AND new.status IN ('cancelled', 'running') OR old.status = 'running' AND new.status IN ('cancelled', 'completed', 'failed')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_status_move'); END;

CREATE TRIGGER pk_dataset_generations BEFORE INSERT ON dataset_generations FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM dataset_generations 
WHERE dataset_generations.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_dataset_generations'); END;

CREATE TRIGGER lc_dataset_generations_key BEFORE UPDATE OF tenant_id, id ON dataset_generations FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_key'); END;

CREATE TRIGGER lc_dataset_generations_ended BEFORE UPDATE ON dataset_generations FOR EACH ROW
WHEN (old.status NOT IN ('pending', 'running'))
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_ended'); END;

CREATE TRIGGER lc_dataset_generations_progress BEFORE UPDATE OF progress, rows ON dataset_generations FOR EACH ROW
WHEN new.progress < old.progress OR new.rows < old.rows
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_progress'); END;

CREATE TRIGGER lc_dataset_generations_claimed BEFORE UPDATE OF lease_token, leased_until ON dataset_generations FOR EACH ROW
WHEN old.lease_token IS NOT NULL AND old.leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AND new.lease_token IS NOT NULL AND (new.lease_token != old.lease_token OR new.leased_until < old.leased_until)
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_claimed'); END;

CREATE TRIGGER lc_dataset_generations_asked BEFORE UPDATE OF name, config ON dataset_generations FOR EACH ROW
WHEN old.name IS NOT new.name OR old.config IS NOT new.config AND NOT (new.status = 'completed' AND old.status = 'running')
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_asked'); END;

CREATE TRIGGER lc_dataset_generations_result_insert BEFORE INSERT ON dataset_generations FOR EACH ROW
WHEN new.status = 'completed' AND new.dataset_id IS NULL
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_result'); END;

CREATE TRIGGER lc_dataset_generations_result_update BEFORE UPDATE OF status, dataset_id ON dataset_generations FOR EACH ROW
WHEN new.status = 'completed' AND new.dataset_id IS NULL
BEGIN SELECT RAISE(ABORT, 'lc_dataset_generations_result'); END;

CREATE TRIGGER lc_dataset_imports_status_first BEFORE INSERT ON dataset_imports FOR EACH ROW
WHEN (new.status NOT IN ('pending'))
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_status_first'); END;

CREATE TRIGGER lc_dataset_imports_status_move BEFORE UPDATE OF status ON dataset_imports FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'pending' AND new.status IN ('cancelled', 'running') OR old.status = 'running' AND new.status IN ('cancelled', 'completed', 'failed')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_status_move'); END;

CREATE TRIGGER pk_dataset_imports BEFORE INSERT ON dataset_imports FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM dataset_imports 
WHERE dataset_imports.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_dataset_imports'); END;

CREATE TRIGGER lc_dataset_imports_key BEFORE UPDATE OF tenant_id, id ON dataset_imports FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_key'); END;

CREATE TRIGGER lc_dataset_imports_ended BEFORE UPDATE ON dataset_imports FOR EACH ROW
WHEN (old.status NOT IN ('pending', 'running'))
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_ended'); END;

CREATE TRIGGER lc_dataset_imports_progress BEFORE UPDATE OF progress, rows ON dataset_imports FOR EACH ROW
WHEN new.progress < old.progress OR new.rows < old.rows
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_progress'); END;

CREATE TRIGGER lc_dataset_imports_claimed BEFORE UPDATE OF lease_token, leased_until ON dataset_imports FOR EACH ROW
WHEN old.lease_token IS NOT NULL AND old.leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AND new.lease_token IS NOT NULL AND (new.lease_token != old.lease_token OR new.leased_until < old.leased_until)
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_claimed'); END;

CREATE TRIGGER lc_dataset_imports_asked BEFORE UPDATE OF name, config ON dataset_imports FOR EACH ROW
WHEN old.name IS NOT new.name OR old.config IS NOT new.config AND NOT (new.status = 'completed' AND old.status = 'running')
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_asked'); END;

CREATE TRIGGER lc_dataset_imports_result_insert BEFORE INSERT ON dataset_imports FOR EACH ROW
WHEN new.status = 'completed' AND new.dataset_id IS NULL
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_result'); END;

CREATE TRIGGER lc_dataset_imports_result_update BEFORE UPDATE OF status, dataset_id ON dataset_imports FOR EACH ROW
WHEN new.status = 'completed' AND new.dataset_id IS NULL
BEGIN SELECT RAISE(ABORT, 'lc_dataset_imports_result'); END;

CREATE TRIGGER lc_email_digest_queue_included_once BEFORE UPDATE OF included_in_digest ON email_digest_queue FOR EACH ROW
WHEN old.included_in_digest = 1 AND new.included_in_digest IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_email_digest_queue_included_once'); END;

CREATE TRIGGER lc_session_logs_logged_out_at_once BEFORE UPDATE OF logged_out_at ON session_logs FOR EACH ROW
WHEN old.logged_out_at IS NOT NULL AND old.logged_out_at IS NOT new.logged_out_at
BEGIN SELECT RAISE(ABORT, 'lc_session_logs_logged_out_at_once'); END;

CREATE TRIGGER lc_user_tokens_used_at_once BEFORE UPDATE OF used_at ON user_tokens FOR EACH ROW
WHEN old.used_at IS NOT NULL AND old.used_at IS NOT new.used_at
BEGIN SELECT RAISE(ABORT, 'lc_user_tokens_used_at_once'); END;

CREATE TRIGGER lc_webhook_configurations_webhook_url_withdrawn_insert BEFORE INSERT ON webhook_configurations FOR EACH ROW
WHEN new.webhook_url IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.webhook_url, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_webhook_configurations_webhook_url_withdrawn'); END;

CREATE TRIGGER lc_webhook_configurations_webhook_url_withdrawn_update BEFORE UPDATE OF webhook_url ON webhook_configurations FOR EACH ROW
WHEN new.webhook_url IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.webhook_url, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_webhook_configurations_webhook_url_withdrawn'); END;

CREATE TRIGGER lc_webhook_configurations_signing_secret_withdrawn_insert BEFORE INSERT ON webhook_configurations FOR EACH ROW
WHEN new.signing_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.signing_secret, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_webhook_configurations_signing_secret_withdrawn'); END;

CREATE TRIGGER lc_webhook_configurations_signing_secret_withdrawn_update BEFORE UPDATE OF signing_secret ON webhook_configurations FOR EACH ROW
WHEN new.signing_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.signing_secret, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_webhook_configurations_signing_secret_withdrawn'); END;

CREATE TRIGGER lc_webhook_configurations_previous_secret_withdrawn_insert BEFORE INSERT ON webhook_configurations FOR EACH ROW
WHEN new.previous_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.previous_secret, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_webhook_configurations_previous_secret_withdrawn'); END;

CREATE TRIGGER lc_webhook_configurations_previous_secret_withdrawn_update BEFORE UPDATE OF previous_secret ON webhook_configurations FOR EACH ROW
WHEN new.previous_secret IS NOT NULL AND ((EXISTS (SELECT 1 AS anon_1 
FROM withdrawn_keys 
WHERE withdrawn_keys.key_id = substr(new.previous_secret, 10, 8))) OR 0 = 1)
BEGIN SELECT RAISE(ABORT, 'lc_webhook_configurations_previous_secret_withdrawn'); END;

CREATE TRIGGER detach_instances_cluster_id BEFORE DELETE ON clusters FOR EACH ROW
BEGIN UPDATE instances SET cluster_id = NULL WHERE tenant_id = OLD.tenant_id AND cluster_id = OLD.id; END;

CREATE TRIGGER lc_onboarding_requests_status_first BEFORE INSERT ON onboarding_requests FOR EACH ROW
WHEN (new.status NOT IN ('created'))
BEGIN SELECT RAISE(ABORT, 'lc_onboarding_requests_status_first'); END;

CREATE TRIGGER lc_onboarding_requests_status_move BEFORE UPDATE OF status ON onboarding_requests FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'created' AND new.status IN ('verified')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_onboarding_requests_status_move'); END;

CREATE TRIGGER pk_onboarding_requests BEFORE INSERT ON onboarding_requests FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM onboarding_requests 
WHERE onboarding_requests.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_onboarding_requests'); END;

CREATE TRIGGER lc_onboarding_requests_key BEFORE UPDATE OF tenant_id, id ON onboarding_requests FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_onboarding_requests_key'); END;

CREATE TRIGGER lc_scan_runs_status_first BEFORE INSERT ON scan_runs FOR EACH ROW
WHEN (new.status NOT IN ('RUNNING'))
BEGIN SELECT RAISE(ABORT, 'lc_scan_runs_status_first'); END;

CREATE TRIGGER lc_scan_runs_status_move BEFORE UPDATE OF status ON scan_runs FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'RUNNING' AND new.status IN ('COMPLETE', 'FAILED', 'PARTIAL')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_scan_runs_status_move'); END;

CREATE TRIGGER pk_scan_runs BEFORE INSERT ON scan_runs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM scan_runs 
WHERE scan_runs.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_scan_runs'); END;

CREATE TRIGGER lc_scan_runs_key BEFORE UPDATE OF tenant_id, id ON scan_runs FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_scan_runs_key'); END;

CREATE TRIGGER lc_scan_runs_complete BEFORE UPDATE OF status ON scan_runs FOR EACH ROW
WHEN old.status = 'RUNNING' AND (new.status = 'COMPLETE' AND NOT ((SELECT count(*) AS count_1 
FROM scan_units 
WHERE scan_units.tenant_id = new.tenant_id AND scan_units.scan_run_id = new.id) = new.units_expected AND (SELECT count(*) AS count_2 
FROM scan_units 
WHERE scan_units.tenant_id = new.tenant_id AND scan_units.scan_run_id = new.id AND scan_units.status = 'DONE') = new.units_expected) OR new.status = 'PARTIAL' AND (SELECT count(*) AS count_3 
FROM scan_units 
WHERE scan_units.tenant_id = new.tenant_id AND scan_units.scan_run_id = new.id) = new.units_expected AND (SELECT count(*) AS count_4 
FROM scan_units 
WHERE scan_units.tenant_id = new.tenant_id AND scan_units.scan_run_id = new.id AND scan_units.status = 'DONE') = new.units_expected)
BEGIN SELECT RAISE(ABORT, 'lc_scan_runs_complete'); END;

CREATE TRIGGER lc_scan_runs_ended BEFORE UPDATE ON scan_runs FOR EACH ROW
WHEN old.status != 'RUNNING'
BEGIN SELECT RAISE(ABORT, 'lc_scan_runs_ended'); END;

CREATE TRIGGER lc_scan_runs_kept BEFORE DELETE ON scan_runs FOR EACH ROW
WHEN CASE WHEN old.kind = 'waste' AND old.status != 'RUNNING' THEN (EXISTS (SELECT accounts.id 
FROM accounts 
WHERE accounts.tenant_id = old.tenant_id AND accounts.id = old.account_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = old.tenant_id)) ELSE 0 END
BEGIN SELECT RAISE(ABORT, 'lc_scan_runs_kept'); END;

CREATE TRIGGER lc_scan_runs_rowid BEFORE INSERT ON scan_runs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM scan_runs AS kept 
WHERE kept.rowid = NEW.rowid AND (EXISTS (SELECT accounts.id 
FROM accounts 
WHERE accounts.tenant_id = kept.tenant_id AND accounts.id = kept.account_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)))
BEGIN SELECT RAISE(ABORT, 'lc_scan_runs_rowid'); END;

CREATE TRIGGER lc_scan_runs_moved BEFORE UPDATE ON scan_runs FOR EACH ROW
WHEN OLD.rowid != NEW.rowid
BEGIN SELECT RAISE(ABORT, 'lc_scan_runs_moved'); END;

CREATE TRIGGER uq_scan_runs_running_insert BEFORE INSERT ON scan_runs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM scan_runs AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.account_id = new.account_id AND kept.kind = new.kind AND kept.id != new.id AND (EXISTS (SELECT accounts.id 
FROM accounts 
WHERE accounts.tenant_id = kept.tenant_id AND accounts.id = kept.account_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)) AND status = 'RUNNING')
BEGIN SELECT RAISE(ABORT, 'uq_scan_runs_running'); END;

CREATE TRIGGER uq_scan_runs_running_update BEFORE UPDATE OF tenant_id, account_id, kind ON scan_runs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM scan_runs AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.account_id = new.account_id AND kept.kind = new.kind AND kept.id != new.id AND (EXISTS (SELECT accounts.id 
FROM accounts 
WHERE accounts.tenant_id = kept.tenant_id AND accounts.id = kept.account_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)) AND status = 'RUNNING')
BEGIN SELECT RAISE(ABORT, 'uq_scan_runs_running'); END;

CREATE TRIGGER lc_webhook_logs_status_first BEFORE INSERT ON webhook_logs FOR EACH ROW
WHEN (new.status NOT IN ('pending'))
BEGIN SELECT RAISE(ABORT, 'lc_webhook_logs_status_first'); END;

CREATE TRIGGER lc_webhook_logs_status_move BEFORE UPDATE OF status ON webhook_logs FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'pending' AND new.status IN ('failed', 'sent') OR old.status = 'sent' AND new.status IN ('pending') OR old.status = 'failed' AND new.status IN ('pending')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_webhook_logs_status_move'); END;

CREATE TRIGGER pk_webhook_logs BEFORE INSERT ON webhook_logs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM webhook_logs 
WHERE webhook_logs.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_webhook_logs'); END;

CREATE TRIGGER lc_webhook_logs_key BEFORE UPDATE OF tenant_id, id ON webhook_logs FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_webhook_logs_key'); END;

CREATE TRIGGER lc_webhook_logs_attempts BEFORE UPDATE OF attempts ON webhook_logs FOR EACH ROW
WHEN (new.attempts >= old.attempts) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_webhook_logs_attempts'); END;

CREATE TRIGGER lc_webhook_logs_message BEFORE UPDATE OF webhook_config_id, message_id, event_type, payload ON webhook_logs FOR EACH ROW
WHEN old.attempts > 0 AND (old.webhook_config_id IS NOT new.webhook_config_id OR old.message_id IS NOT new.message_id OR old.event_type IS NOT new.event_type OR old.payload IS NOT new.payload)
BEGIN SELECT RAISE(ABORT, 'lc_webhook_logs_message'); END;

CREATE TRIGGER lc_webhook_logs_anew BEFORE UPDATE OF status, earlier_attempts ON webhook_logs FOR EACH ROW
WHEN CASE WHEN (old.status != 'pending' AND new.status = 'pending') THEN new.earlier_attempts = old.attempts ELSE new.earlier_attempts = old.earlier_attempts END IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_webhook_logs_anew'); END;

CREATE TRIGGER lc_api_keys_revoked_at_once BEFORE UPDATE OF revoked_at ON api_keys FOR EACH ROW
WHEN old.revoked_at IS NOT NULL AND old.revoked_at IS NOT new.revoked_at
BEGIN SELECT RAISE(ABORT, 'lc_api_keys_revoked_at_once'); END;

CREATE TRIGGER lc_api_keys_agent_insert BEFORE INSERT ON api_keys FOR EACH ROW
WHEN CASE WHEN (new.cluster_id IS NOT NULL) THEN CAST(new.scopes AS TEXT) != '["agent"]' ELSE CAST(new.scopes AS TEXT) LIKE '%"agent"%' END
BEGIN SELECT RAISE(ABORT, 'lc_api_keys_agent'); END;

CREATE TRIGGER lc_api_keys_agent_update BEFORE UPDATE OF scopes, cluster_id ON api_keys FOR EACH ROW
WHEN CASE WHEN (new.cluster_id IS NOT NULL) THEN CAST(new.scopes AS TEXT) != '["agent"]' ELSE CAST(new.scopes AS TEXT) LIKE '%"agent"%' END
BEGIN SELECT RAISE(ABORT, 'lc_api_keys_agent'); END;

CREATE TRIGGER lc_api_keys_given BEFORE UPDATE OF prefix, key_hash, cluster_id, user_id ON api_keys FOR EACH ROW
WHEN old.prefix IS NOT new.prefix OR old.key_hash IS NOT new.key_hash OR old.cluster_id IS NOT new.cluster_id OR old.user_id IS NOT new.user_id
BEGIN SELECT RAISE(ABORT, 'lc_api_keys_given'); END;

CREATE TRIGGER lc_cluster_policies_keys_insert BEFORE INSERT ON cluster_policies FOR EACH ROW
WHEN (CASE WHEN json_type(new.config) = 'object' THEN json_remove(new.config, '$.strategy', '$.spot_percentage', '$.binpack_enabled', '$.binpack_threshold', '$.fallback_on_demand', '$.excluded_namespaces', '$.max_risk_threshold', '$.require_approval', '$.min_nodes', '$.max_nodes', '$.downtime_budget_seconds') <> '{}' ELSE 0 END)
BEGIN SELECT RAISE(ABORT, 'lc_cluster_policies_keys'); END;

CREATE TRIGGER lc_cluster_policies_keys_update BEFORE UPDATE OF config ON cluster_policies FOR EACH ROW
WHEN (CASE WHEN json_type(new.config) = 'object' THEN json_remove(new.config, '$.strategy', '$.spot_percentage', '$.binpack_enabled', '$.binpack_threshold', '$.fallback_on_demand', '$.excluded_namespaces', '$.max_risk_threshold', '$.require_approval', '$.min_nodes', '$.max_nodes', '$.downtime_budget_seconds') <> '{}' ELSE 0 END)
BEGIN SELECT RAISE(ABORT, 'lc_cluster_policies_keys'); END;

CREATE TRIGGER lc_cluster_policies_version BEFORE UPDATE OF version ON cluster_policies FOR EACH ROW
WHEN new.version < old.version
BEGIN SELECT RAISE(ABORT, 'lc_cluster_policies_version'); END;

CREATE TRIGGER lc_hibernation_schedules_leased BEFORE UPDATE OF applied_state, applied_at, restore_state ON hibernation_schedules FOR EACH ROW
WHEN (old.applied_state IS NOT new.applied_state OR old.applied_at IS NOT new.applied_at OR old.restore_state IS NOT new.restore_state) AND (NOT (old.lease_token IS NOT NULL AND old.leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now')) OR new.lease_token IS NOT NULL AND new.lease_token != old.lease_token)
BEGIN SELECT RAISE(ABORT, 'lc_hibernation_schedules_leased'); END;

CREATE TRIGGER lc_hibernation_schedules_cluster BEFORE UPDATE OF cluster_id ON hibernation_schedules FOR EACH ROW
WHEN old.cluster_id != new.cluster_id
BEGIN SELECT RAISE(ABORT, 'lc_hibernation_schedules_cluster'); END;

CREATE TRIGGER lc_hibernation_schedules_claimed BEFORE UPDATE OF lease_token ON hibernation_schedules FOR EACH ROW
WHEN old.lease_token IS NOT NULL AND old.leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AND new.lease_token IS NOT NULL AND new.lease_token != old.lease_token
BEGIN SELECT RAISE(ABORT, 'lc_hibernation_schedules_claimed'); END;

CREATE TRIGGER lc_hibernation_schedules_kept BEFORE UPDATE OF restore_state ON hibernation_schedules FOR EACH ROW
WHEN old.restore_state IS NOT NULL AND (new.restore_state IS NULL AND new.applied_state != 'awake' OR new.restore_state IS NOT NULL AND (NOT EXISTS (SELECT 1 FROM json_each(old.restore_state) AS was WHERE NOT EXISTS (SELECT 1 FROM json_each(new.restore_state) AS has WHERE has.key = was.key AND has.value IS was.value))) = 0)
BEGIN SELECT RAISE(ABORT, 'lc_hibernation_schedules_kept'); END;

CREATE TRIGGER lc_instances_auth_status_first BEFORE INSERT ON instances FOR EACH ROW
WHEN (new.auth_status NOT IN ('authorized', 'flagged'))
BEGIN SELECT RAISE(ABORT, 'lc_instances_auth_status_first'); END;

CREATE TRIGGER lc_instances_auth_status_move BEFORE UPDATE OF auth_status ON instances FOR EACH ROW
WHEN old.auth_status IS NOT new.auth_status AND (old.auth_status = 'authorized' AND new.auth_status IN ('flagged') OR old.auth_status = 'flagged' AND new.auth_status IN ('authorized', 'unauthorized') OR old.auth_status = 'unauthorized' AND new.auth_status IN ('authorized', 'terminated')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_instances_auth_status_move'); END;

CREATE TRIGGER pk_instances BEFORE INSERT ON instances FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM instances 
WHERE instances.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_instances'); END;

CREATE TRIGGER lc_instances_key BEFORE UPDATE OF tenant_id, id ON instances FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_instances_key'); END;

CREATE TRIGGER lc_instances_account BEFORE UPDATE OF account_id ON instances FOR EACH ROW
WHEN old.account_id != new.account_id
BEGIN SELECT RAISE(ABORT, 'lc_instances_account'); END;

CREATE TRIGGER lc_instances_replica_account_insert BEFORE INSERT ON instances FOR EACH ROW
WHEN CASE WHEN new.replica_of_id IS NOT NULL THEN EXISTS (SELECT stood_for.id 
FROM instances AS stood_for 
WHERE stood_for.tenant_id = new.tenant_id AND stood_for.id = new.replica_of_id AND stood_for.account_id != new.account_id) ELSE 0 END
BEGIN SELECT RAISE(ABORT, 'lc_instances_replica_account'); END;

CREATE TRIGGER lc_instances_replica_account_update BEFORE UPDATE OF replica_of_id ON instances FOR EACH ROW
WHEN CASE WHEN new.replica_of_id IS NOT NULL THEN EXISTS (SELECT stood_for.id 
FROM instances AS stood_for 
WHERE stood_for.tenant_id = new.tenant_id AND stood_for.id = new.replica_of_id AND stood_for.account_id != new.account_id) ELSE 0 END
BEGIN SELECT RAISE(ABORT, 'lc_instances_replica_account'); END;

CREATE TRIGGER lc_instances_unauthorized BEFORE UPDATE OF auth_status ON instances FOR EACH ROW
WHEN new.auth_status = 'unauthorized' AND (new.flagged_at < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-23 hours')) = 0
BEGIN SELECT RAISE(ABORT, 'lc_instances_unauthorized'); END;

CREATE TRIGGER lc_optimization_jobs_status_first BEFORE INSERT ON optimization_jobs FOR EACH ROW
WHEN (new.status NOT IN ('QUEUED'))
BEGIN SELECT RAISE(ABORT, 'lc_optimization_jobs_status_first'); END;

CREATE TRIGGER lc_optimization_jobs_status_move BEFORE UPDATE OF status ON optimization_jobs FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'QUEUED' AND new.status IN ('RUNNING') OR old.status = 'RUNNING' AND new.status IN ('COMPLETED', 'FAILED')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_optimization_jobs_status_move'); END;

CREATE TRIGGER pk_optimization_jobs BEFORE INSERT ON optimization_jobs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM optimization_jobs 
WHERE optimization_jobs.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_optimization_jobs'); END;

CREATE TRIGGER lc_optimization_jobs_key BEFORE UPDATE OF tenant_id, id ON optimization_jobs FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_optimization_jobs_key'); END;

CREATE TRIGGER lc_optimization_jobs_completed BEFORE UPDATE OF status ON optimization_jobs FOR EACH ROW
WHEN new.status = 'COMPLETED' AND (EXISTS (SELECT agent_actions.id 
FROM agent_actions 
WHERE agent_actions.tenant_id = new.tenant_id AND agent_actions.optimization_job_id = new.id AND agent_actions.status != 'COMPLETED'))
BEGIN SELECT RAISE(ABORT, 'lc_optimization_jobs_completed'); END;

CREATE TRIGGER lc_optimization_jobs_handed_over BEFORE UPDATE OF status ON optimization_jobs FOR EACH ROW
WHEN new.status = 'COMPLETED' AND old.status = 'RUNNING' AND old.lease_token != '00000000000000000000000000000000'
BEGIN SELECT RAISE(ABORT, 'lc_optimization_jobs_handed_over'); END;

CREATE TRIGGER lc_optimization_jobs_claimed BEFORE UPDATE OF lease_token ON optimization_jobs FOR EACH ROW
WHEN new.status = 'RUNNING' AND old.lease_token IS NOT NULL AND new.lease_token IS NOT old.lease_token AND old.leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AND new.lease_token != '00000000000000000000000000000000'
BEGIN SELECT RAISE(ABORT, 'lc_optimization_jobs_claimed'); END;

CREATE TRIGGER lc_optimization_jobs_ended BEFORE UPDATE OF results, error_message, started_at, completed_at ON optimization_jobs FOR EACH ROW
WHEN old.status IN ('COMPLETED', 'FAILED') AND (old.results IS NOT new.results OR old.error_message IS NOT new.error_message OR old.started_at IS NOT new.started_at OR old.completed_at IS NOT new.completed_at)
BEGIN SELECT RAISE(ABORT, 'lc_optimization_jobs_ended'); END;

CREATE TRIGGER lc_scan_units_status_first BEFORE INSERT ON scan_units FOR EACH ROW
WHEN (new.status NOT IN ('PENDING'))
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_status_first'); END;

CREATE TRIGGER lc_scan_units_status_move BEFORE UPDATE OF status ON scan_units FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'PENDING' AND new.status IN ('DONE', 'FAILED')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_status_move'); END;

CREATE TRIGGER pk_scan_units BEFORE INSERT ON scan_units FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM scan_units 
WHERE scan_units.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_scan_units'); END;

CREATE TRIGGER lc_scan_units_key BEFORE UPDATE OF tenant_id, id ON scan_units FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_key'); END;

CREATE TRIGGER lc_scan_units_frozen_insert BEFORE INSERT ON scan_units FOR EACH ROW
WHEN EXISTS (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = new.tenant_id AND scan_runs.id = new.scan_run_id AND scan_runs.status != 'RUNNING')
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_frozen'); END;

CREATE TRIGGER lc_scan_units_frozen_update BEFORE UPDATE ON scan_units FOR EACH ROW
WHEN EXISTS (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = new.tenant_id AND scan_runs.id = new.scan_run_id AND scan_runs.status != 'RUNNING')
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_frozen'); END;

CREATE TRIGGER lc_scan_units_run BEFORE UPDATE OF scan_run_id ON scan_units FOR EACH ROW
WHEN old.scan_run_id != new.scan_run_id
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_run'); END;

CREATE TRIGGER lc_scan_units_kept BEFORE DELETE ON scan_units FOR EACH ROW
WHEN (EXISTS (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = old.tenant_id AND scan_runs.id = old.scan_run_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = old.tenant_id)) AND (old.updated_at < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-2160 hours')) = 0
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_kept'); END;

CREATE TRIGGER lc_scan_units_rowid BEFORE INSERT ON scan_units FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM scan_units AS kept 
WHERE kept.rowid = NEW.rowid AND (EXISTS (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = kept.tenant_id AND scan_runs.id = kept.scan_run_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)) AND (kept.updated_at < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-2160 hours')) = 0)
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_rowid'); END;

CREATE TRIGGER lc_scan_units_moved BEFORE UPDATE ON scan_units FOR EACH ROW
WHEN OLD.rowid != NEW.rowid
BEGIN SELECT RAISE(ABORT, 'lc_scan_units_moved'); END;

CREATE TRIGGER uq_scan_units_tenant_id_scan_run_id_region_resource_kind_insert BEFORE INSERT ON scan_units FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM scan_units AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.scan_run_id = new.scan_run_id AND kept.region = new.region AND kept.resource_kind = new.resource_kind AND kept.id != new.id AND (EXISTS (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = kept.tenant_id AND scan_runs.id = kept.scan_run_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)) AND (kept.updated_at < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-2160 hours')) = 0)
BEGIN SELECT RAISE(ABORT, 'uq_scan_units_tenant_id_scan_run_id_region_resource_kind'); END;

CREATE TRIGGER uq_scan_units_tenant_id_scan_run_id_region_resource_kind_update BEFORE UPDATE OF tenant_id, scan_run_id, region, resource_kind ON scan_units FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM scan_units AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.scan_run_id = new.scan_run_id AND kept.region = new.region AND kept.resource_kind = new.resource_kind AND kept.id != new.id AND (EXISTS (SELECT scan_runs.id 
FROM scan_runs 
WHERE scan_runs.tenant_id = kept.tenant_id AND scan_runs.id = kept.scan_run_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)) AND (kept.updated_at < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-2160 hours')) = 0)
BEGIN SELECT RAISE(ABORT, 'uq_scan_units_tenant_id_scan_run_id_region_resource_kind'); END;

CREATE TRIGGER lc_waste_resources_status_first BEFORE INSERT ON waste_resources FOR EACH ROW
WHEN (new.status NOT IN ('DETECTED'))
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_status_first'); END;

CREATE TRIGGER lc_waste_resources_status_move BEFORE UPDATE OF status ON waste_resources FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'DETECTED' AND new.status IN ('FLAGGED', 'RESOLVED') OR old.status = 'FLAGGED' AND new.status IN ('DETECTED', 'RESOLVED', 'SCHEDULED_DELETE') OR old.status = 'SCHEDULED_DELETE' AND new.status IN ('DELETED', 'FLAGGED', 'RESOLVED')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_status_move'); END;

CREATE TRIGGER pk_waste_resources BEFORE INSERT ON waste_resources FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM waste_resources 
WHERE waste_resources.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_waste_resources'); END;

CREATE TRIGGER lc_waste_resources_key BEFORE UPDATE OF tenant_id, id ON waste_resources FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_key'); END;

CREATE TRIGGER lc_waste_resources_complete BEFORE UPDATE OF status, scan_run_id, account_id ON waste_resources FOR EACH ROW
WHEN CASE WHEN new.status = 'SCHEDULED_DELETE' THEN NOT (EXISTS (SELECT run.id 
FROM scan_runs AS run 
WHERE run.tenant_id = new.tenant_id AND run.account_id = new.account_id AND run.kind = 'waste' AND run.status != 'RUNNING' AND run.id = new.scan_run_id AND run.status = 'COMPLETE' AND NOT (EXISTS (SELECT later.id 
FROM scan_runs AS later 
WHERE later.tenant_id = new.tenant_id AND later.account_id = new.account_id AND later.kind = 'waste' AND later.status != 'RUNNING' AND later.started_at > run.started_at)))) ELSE 0 END
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_complete'); END;

CREATE TRIGGER lc_waste_resources_approved BEFORE UPDATE OF status ON waste_resources FOR EACH ROW
WHEN CASE WHEN old.status = 'FLAGGED' AND new.status = 'SCHEDULED_DELETE' AND new.plan_hash IS NOT NULL THEN NOT (EXISTS (SELECT approval_requests.id 
FROM approval_requests 
WHERE approval_requests.tenant_id = new.tenant_id AND approval_requests.waste_resource_id = new.id AND approval_requests.action_type = 'DELETE_WASTE' AND approval_requests.plan_hash = new.plan_hash AND approval_requests.status = 'APPROVED' AND approval_requests.executed_at IS NOT NULL)) ELSE 0 END
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_approved'); END;

CREATE TRIGGER lc_waste_resources_flagged BEFORE UPDATE OF status ON waste_resources FOR EACH ROW
WHEN CASE WHEN old.status = 'DETECTED' AND new.status = 'FLAGGED' THEN NOT ((EXISTS (SELECT first.id 
FROM scan_runs AS first 
WHERE first.tenant_id = new.tenant_id AND first.account_id = new.account_id AND first.kind = 'waste' AND first.status != 'RUNNING' AND first.status = 'COMPLETE' AND first.started_at = new.claimed_since)) AND (EXISTS (SELECT last.id 
FROM scan_runs AS last 
WHERE last.tenant_id = new.tenant_id AND last.account_id = new.account_id AND last.kind = 'waste' AND last.status != 'RUNNING' AND last.status = 'COMPLETE' AND last.id = new.scan_run_id AND (strftime('%Y-%m-%d %H:%M:%S', substr(new.claimed_since, 1, 19), '+24 hours') || substr(new.claimed_since, 20)) <= last.started_at))) ELSE 0 END
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_flagged'); END;

CREATE TRIGGER lc_waste_resources_claimed BEFORE UPDATE OF claimed_since ON waste_resources FOR EACH ROW
WHEN old.claimed_since IS NOT NULL AND new.claimed_since IS NOT NULL AND old.claimed_since != new.claimed_since
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_claimed'); END;

CREATE TRIGGER lc_waste_resources_same BEFORE UPDATE OF account_id, resource_type, resource_id, region ON waste_resources FOR EACH ROW
WHEN old.account_id != new.account_id OR old.resource_type != new.resource_type OR old.resource_id != new.resource_id OR old.region != new.region
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_same'); END;

CREATE TRIGGER lc_waste_resources_grace BEFORE UPDATE OF status, deletion_begun_at ON waste_resources FOR EACH ROW
WHEN (new.status != 'DELETED' OR old.status = 'SCHEDULED_DELETE') AND ((new.deletion_begun_at IS NOT NULL AND old.deletion_begun_at IS NOT new.deletion_begun_at OR new.status = 'DELETED' AND old.status = 'SCHEDULED_DELETE') AND (old.status = 'SCHEDULED_DELETE' AND (old.scheduled_deletion_date < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-0 hours')) = 1) IS NOT 1 OR new.status = 'DELETED' AND old.status = 'SCHEDULED_DELETE' AND new.deletion_begun_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_grace'); END;

CREATE TRIGGER lc_waste_resources_plan BEFORE UPDATE OF plan_hash, scheduled_deletion_date ON waste_resources FOR EACH ROW
WHEN old.status = 'SCHEDULED_DELETE' AND new.status = 'SCHEDULED_DELETE' AND (new.scheduled_deletion_date < old.scheduled_deletion_date OR old.plan_hash IS NOT new.plan_hash)
BEGIN SELECT RAISE(ABORT, 'lc_waste_resources_plan'); END;

CREATE TRIGGER lc_agent_actions_status_first BEFORE INSERT ON agent_actions FOR EACH ROW
WHEN (new.status NOT IN ('PENDING'))
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_status_first'); END;

CREATE TRIGGER lc_agent_actions_status_move BEFORE UPDATE OF status ON agent_actions FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'PENDING' AND new.status IN ('EXPIRED', 'PICKED_UP') OR old.status = 'PICKED_UP' AND new.status IN ('COMPLETED', 'EXPIRED', 'FAILED', 'PENDING')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_status_move'); END;

CREATE TRIGGER pk_agent_actions BEFORE INSERT ON agent_actions FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM agent_actions 
WHERE agent_actions.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_agent_actions'); END;

CREATE TRIGGER lc_agent_actions_key BEFORE UPDATE OF tenant_id, id ON agent_actions FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_key'); END;

CREATE TRIGGER lc_agent_actions_lease BEFORE UPDATE OF status ON agent_actions FOR EACH ROW
WHEN old.status = 'PICKED_UP' AND new.status = 'EXPIRED' AND (old.leased_until < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-0 hours')) = 0
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_lease'); END;

CREATE TRIGGER lc_agent_actions_late BEFORE UPDATE OF status ON agent_actions FOR EACH ROW
WHEN new.status = 'EXPIRED' AND old.status != 'EXPIRED' AND (new.expires_at < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-0 hours')) = 0
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_late'); END;

CREATE TRIGGER lc_agent_actions_handed_out BEFORE UPDATE OF status ON agent_actions FOR EACH ROW
WHEN new.status = 'PICKED_UP' AND old.status = 'PENDING' AND (new.attempts = old.attempts + 1 AND new.leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now') AND new.available_at <= strftime('%Y-%m-%d %H:%M:%f000', 'now') AND new.expires_at > strftime('%Y-%m-%d %H:%M:%f000', 'now')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_handed_out'); END;

CREATE TRIGGER lc_agent_actions_order BEFORE UPDATE OF cluster_id, action_type, payload, idempotency_key ON agent_actions FOR EACH ROW
WHEN old.cluster_id IS NOT new.cluster_id OR old.action_type IS NOT new.action_type OR old.payload IS NOT new.payload OR old.idempotency_key IS NOT new.idempotency_key
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_order'); END;

CREATE TRIGGER lc_agent_actions_optimization_job_id_once BEFORE UPDATE OF optimization_job_id ON agent_actions FOR EACH ROW
WHEN old.optimization_job_id IS NOT NULL AND old.optimization_job_id IS NOT new.optimization_job_id
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_optimization_job_id_once'); END;

CREATE TRIGGER lc_agent_actions_ended BEFORE UPDATE ON agent_actions FOR EACH ROW
WHEN old.status IN ('COMPLETED', 'FAILED', 'EXPIRED') AND (old.optimization_job_id IS NOT new.optimization_job_id OR old.priority IS NOT new.priority OR old.attempts IS NOT new.attempts OR old.max_attempts IS NOT new.max_attempts OR old.lease_token IS NOT new.lease_token OR old.leased_until IS NOT new.leased_until OR old.available_at IS NOT new.available_at OR old.expires_at IS NOT new.expires_at OR old.picked_up_at IS NOT new.picked_up_at OR old.completed_at IS NOT new.completed_at OR old.result IS NOT new.result OR old.error_message IS NOT new.error_message OR old.created_at IS NOT new.created_at)
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_ended'); END;

CREATE TRIGGER lc_agent_actions_kept BEFORE DELETE ON agent_actions FOR EACH ROW
WHEN (EXISTS (SELECT clusters.id 
FROM clusters 
WHERE clusters.tenant_id = old.tenant_id AND clusters.id = old.cluster_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = old.tenant_id))
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_kept'); END;

CREATE TRIGGER lc_agent_actions_job_insert BEFORE INSERT ON agent_actions FOR EACH ROW
WHEN EXISTS (SELECT optimization_jobs.id 
FROM optimization_jobs 
WHERE optimization_jobs.tenant_id = new.tenant_id AND optimization_jobs.id = new.optimization_job_id AND optimization_jobs.status IN ('COMPLETED', 'FAILED'))
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_job'); END;

CREATE TRIGGER lc_agent_actions_job_update BEFORE UPDATE OF optimization_job_id ON agent_actions FOR EACH ROW
WHEN EXISTS (SELECT optimization_jobs.id 
FROM optimization_jobs 
WHERE optimization_jobs.tenant_id = new.tenant_id AND optimization_jobs.id = new.optimization_job_id AND optimization_jobs.status IN ('COMPLETED', 'FAILED'))
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_job'); END;

CREATE TRIGGER lc_agent_actions_untouched BEFORE INSERT ON agent_actions FOR EACH ROW
WHEN new.status = 'PENDING' AND (new.attempts > 0 OR new.lease_token > 0)
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_untouched'); END;

CREATE TRIGGER lc_agent_actions_token BEFORE UPDATE OF status, lease_token ON agent_actions FOR EACH ROW
WHEN CASE WHEN (new.status = 'PICKED_UP' AND old.status = 'PENDING') THEN new.lease_token IS NOT coalesce(old.lease_token + 1, 1) ELSE new.lease_token IS NOT old.lease_token END
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_token'); END;

CREATE TRIGGER lc_agent_actions_attempts BEFORE UPDATE OF attempts ON agent_actions FOR EACH ROW
WHEN new.attempts IS NOT old.attempts AND NOT (new.status = 'PICKED_UP' AND old.status = 'PENDING')
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_attempts'); END;

CREATE TRIGGER lc_agent_actions_longest BEFORE UPDATE OF leased_until ON agent_actions FOR EACH ROW
WHEN (new.leased_until > strftime('%Y-%m-%d %H:%M:%f000', 'now', '+1 hours'))
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_longest'); END;

CREATE TRIGGER lc_agent_actions_rowid BEFORE INSERT ON agent_actions FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM agent_actions AS kept 
WHERE kept.rowid = NEW.rowid AND (EXISTS (SELECT clusters.id 
FROM clusters 
WHERE clusters.tenant_id = kept.tenant_id AND clusters.id = kept.cluster_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)))
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_rowid'); END;

CREATE TRIGGER lc_agent_actions_moved BEFORE UPDATE ON agent_actions FOR EACH ROW
WHEN OLD.rowid != NEW.rowid
BEGIN SELECT RAISE(ABORT, 'lc_agent_actions_moved'); END;

CREATE TRIGGER uq_agent_actions_tenant_id_cluster_id_idempotency_key_insert BEFORE INSERT ON agent_actions FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM agent_actions AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.cluster_id = new.cluster_id AND kept.idempotency_key = new.idempotency_key AND kept.id != new.id AND (EXISTS (SELECT clusters.id 
FROM clusters 
WHERE clusters.tenant_id = kept.tenant_id AND clusters.id = kept.cluster_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)))
BEGIN SELECT RAISE(ABORT, 'uq_agent_actions_tenant_id_cluster_id_idempotency_key'); END;

CREATE TRIGGER uq_agent_actions_tenant_id_cluster_id_idempotency_key_update BEFORE UPDATE OF tenant_id, cluster_id, idempotency_key ON agent_actions FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM agent_actions AS kept 
WHERE kept.tenant_id = new.tenant_id AND kept.cluster_id = new.cluster_id AND kept.idempotency_key = new.idempotency_key AND kept.id != new.id AND (EXISTS (SELECT clusters.id 
FROM clusters 
WHERE clusters.tenant_id = kept.tenant_id AND clusters.id = kept.cluster_id)) AND (EXISTS (SELECT tenants.id 
FROM tenants 
WHERE tenants.id = kept.tenant_id)))
BEGIN SELECT RAISE(ABORT, 'uq_agent_actions_tenant_id_cluster_id_idempotency_key'); END;

CREATE TRIGGER lc_approval_requests_status_first BEFORE INSERT ON approval_requests FOR EACH ROW
WHEN (new.status NOT IN ('PENDING'))
BEGIN SELECT RAISE(ABORT, 'lc_approval_requests_status_first'); END;

CREATE TRIGGER lc_approval_requests_status_move BEFORE UPDATE OF status ON approval_requests FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'PENDING' AND new.status IN ('APPROVED', 'EXPIRED', 'REJECTED') OR old.status = 'APPROVED' AND new.status IN ('EXPIRED')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_approval_requests_status_move'); END;

CREATE TRIGGER pk_approval_requests BEFORE INSERT ON approval_requests FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM approval_requests 
WHERE approval_requests.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_approval_requests'); END;

CREATE TRIGGER lc_approval_requests_key BEFORE UPDATE OF tenant_id, id ON approval_requests FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_approval_requests_key'); END;

CREATE TRIGGER lc_approval_requests_asked BEFORE UPDATE OF requester_id, requester_name, action_type, instance_id, waste_resource_id, cluster_id, action_payload, plan_hash, risk_level, requested_at, expires_at ON approval_requests FOR EACH ROW
WHEN old.requester_id IS NOT new.requester_id OR old.requester_name IS NOT new.requester_name OR old.action_type IS NOT new.action_type OR old.instance_id IS NOT new.instance_id OR old.waste_resource_id IS NOT new.waste_resource_id OR old.cluster_id IS NOT new.cluster_id OR old.action_payload IS NOT new.action_payload OR old.plan_hash IS NOT new.plan_hash OR old.risk_level IS NOT new.risk_level OR old.requested_at IS NOT new.requested_at OR old.expires_at IS NOT new.expires_at
BEGIN SELECT RAISE(ABORT, 'lc_approval_requests_asked'); END;

CREATE TRIGGER lc_approval_requests_decided_once BEFORE UPDATE OF decided_at, decided_by, approver_id, approver_name ON approval_requests FOR EACH ROW
WHEN old.status = new.status AND (old.decided_at IS NOT new.decided_at OR old.decided_by IS NOT new.decided_by OR old.approver_id IS NOT new.approver_id OR old.approver_name IS NOT new.approver_name) AND old.decided_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'lc_approval_requests_decided_once'); END;

CREATE TRIGGER lc_approval_requests_executed_at_once BEFORE UPDATE OF executed_at ON approval_requests FOR EACH ROW
WHEN old.executed_at IS NOT NULL AND old.executed_at IS NOT new.executed_at
BEGIN SELECT RAISE(ABORT, 'lc_approval_requests_executed_at_once'); END;

CREATE TRIGGER lc_experiment_logs_status_first BEFORE INSERT ON experiment_logs FOR EACH ROW
WHEN (new.status NOT IN ('RECORDED'))
BEGIN SELECT RAISE(ABORT, 'lc_experiment_logs_status_first'); END;

CREATE TRIGGER lc_experiment_logs_status_move BEFORE UPDATE OF status ON experiment_logs FOR EACH ROW
WHEN old.status IS NOT new.status AND (old.status = 'RECORDED' AND new.status IN ('ACTED') OR old.status = 'ACTED' AND new.status IN ('REVERTED')) IS NOT 1
BEGIN SELECT RAISE(ABORT, 'lc_experiment_logs_status_move'); END;

CREATE TRIGGER pk_experiment_logs BEFORE INSERT ON experiment_logs FOR EACH ROW
WHEN EXISTS (SELECT 1 AS anon_1 
FROM experiment_logs 
WHERE experiment_logs.id = new.id)
BEGIN SELECT RAISE(ABORT, 'pk_experiment_logs'); END;

CREATE TRIGGER lc_experiment_logs_key BEFORE UPDATE OF tenant_id, id ON experiment_logs FOR EACH ROW
WHEN old.tenant_id != new.tenant_id OR old.id != new.id
BEGIN SELECT RAISE(ABORT, 'lc_experiment_logs_key'); END;

CREATE TRIGGER lc_experiment_logs_account BEFORE INSERT ON experiment_logs FOR EACH ROW
WHEN EXISTS (SELECT instances.id 
FROM instances 
WHERE instances.tenant_id = new.tenant_id AND instances.id = new.instance_id AND instances.account_id != new.account_id)
BEGIN SELECT RAISE(ABORT, 'lc_experiment_logs_account'); END;

CREATE TRIGGER lc_experiment_logs_day BEFORE INSERT ON experiment_logs FOR EACH ROW
WHEN CASE WHEN (new.execution_time < strftime('%Y-%m-%d %H:%M:%f000', 'now', '-23 hours')) THEN 0 = 1 OR (EXISTS (SELECT 1 AS anon_1 
FROM rollup_watermarks 
WHERE rollup_watermarks.name = 'decisions' AND new.execution_time < CAST(substr(rollup_watermarks.position, 1, 10) || ' 00:00:00+00' AS TEXT))) ELSE 0 END
BEGIN SELECT RAISE(ABORT, 'lc_experiment_logs_day'); END;

CREATE TRIGGER lc_experiment_logs_facts BEFORE UPDATE OF account_id, instance_id, model_id, experiment_name, pipeline_mode, is_shadow_run, prediction_score, decision, decision_reason, execution_time, execution_duration_ms, candidates_evaluated, selected_instance_type, selected_availability_zone, old_spot_price, new_spot_price, projected_hourly_savings, features_used, metrics, error_message, created_at ON experiment_logs FOR EACH ROW
WHEN old.account_id IS NOT new.account_id OR old.instance_id IS NOT new.instance_id OR old.model_id IS NOT new.model_id OR old.experiment_name IS NOT new.experiment_name OR old.pipeline_mode IS NOT new.pipeline_mode OR old.is_shadow_run IS NOT new.is_shadow_run OR old.prediction_score IS NOT new.prediction_score OR old.decision IS NOT new.decision OR old.decision_reason IS NOT new.decision_reason OR old.execution_time IS NOT new.execution_time OR old.execution_duration_ms IS NOT new.execution_duration_ms OR old.candidates_evaluated IS NOT new.candidates_evaluated OR old.selected_instance_type IS NOT new.selected_instance_type OR old.selected_availability_zone IS NOT new.selected_availability_zone OR old.old_spot_price IS NOT new.old_spot_price OR old.new_spot_price IS NOT new.new_spot_price OR old.projected_hourly_savings IS NOT new.projected_hourly_savings OR old.features_used IS NOT new.features_used OR old.metrics IS NOT new.metrics OR old.error_message IS NOT new.error_message OR old.created_at IS NOT new.created_at
BEGIN SELECT RAISE(ABORT, 'lc_experiment_logs_facts'); END;

CREATE TRIGGER lc_explanations_facts BEFORE UPDATE ON explanations FOR EACH ROW
WHEN 1
BEGIN SELECT RAISE(ABORT, 'lc_explanations_facts'); END;

