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
    CONSTRAINT ck_account_logs_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_account_logs_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_account_logs_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT ck_account_logs_account_id_uuid CHECK (length(account_id) = 32 AND account_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_account_logs_action_length CHECK (length(action) >= 1 AND length(action) <= 64 AND instr(action, char(0)) = 0),
    CONSTRAINT ck_account_logs_from_status_values CHECK (from_status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_account_logs_to_status_values CHECK (to_status IN ('pending', 'connected', 'active', 'failed')),
    CONSTRAINT ck_account_logs_details_json CHECK (CASE WHEN json_valid(details) THEN json_type(details) = 'object' AND length(CAST(details AS BLOB)) <= 262144 ELSE details IS NULL END),
    CONSTRAINT ck_account_logs_actor_id_uuid CHECK (length(actor_id) = 32 AND actor_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_account_logs_actor_name_length CHECK (length(actor_name) >= 1 AND length(actor_name) <= 255 AND instr(actor_name, char(0)) = 0),
    CONSTRAINT uq_account_logs_id UNIQUE (id)
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
    CONSTRAINT ck_audit_logs_diff_after_length CHECK (length(diff_after) <= 65536 AND instr(diff_after, char(0)) = 0),
    CONSTRAINT uq_audit_logs_id UNIQUE (id)
)
 STRICT;

CREATE INDEX ix_audit_logs_tenant_id_event ON audit_logs (tenant_id, event);

CREATE INDEX ix_audit_logs_tenant_id_resource ON audit_logs (tenant_id, resource);

CREATE INDEX ix_audit_logs_tenant_id_timestamp ON audit_logs (tenant_id, timestamp);

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
    CONSTRAINT ck_system_logs_execution_time_ms_range CHECK (execution_time_ms >= 0 AND execution_time_ms <= 2147483647),
    CONSTRAINT uq_system_logs_id UNIQUE (id)
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
    CONSTRAINT ck_datasets_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_datasets_id UNIQUE (id),
    CONSTRAINT fk_datasets_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
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
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_users_email UNIQUE (email),
    CONSTRAINT uq_users_username UNIQUE (username),
    CONSTRAINT ck_users_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_users_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_users_email_length CHECK (length(email) >= 3 AND length(email) <= 255 AND instr(email, char(0)) = 0),
    CONSTRAINT ck_users_email_ascii CHECK (email NOT GLOB '*[^!-@[-~]*'),
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
    CONSTRAINT ck_users_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_users_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_users_id UNIQUE (id),
    CONSTRAINT fk_users_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
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
    CONSTRAINT ck_accounts_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_accounts_id UNIQUE (id),
    CONSTRAINT fk_accounts_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_accounts_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_accounts_tenant_id_status ON accounts (tenant_id, status);

CREATE INDEX ix_accounts_tenant_id_user_id ON accounts (tenant_id, user_id);

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
    CONSTRAINT ck_clusters_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_clusters_id UNIQUE (id),
    CONSTRAINT fk_clusters_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_clusters_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_clusters_tenant_id_status ON clusters (tenant_id, status);

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
    CONSTRAINT ck_onboarding_requests_verified CHECK ((status = 'verified') = (aws_account_id IS NOT NULL) AND (status = 'verified') = (role_arn IS NOT NULL)),
    CONSTRAINT uq_onboarding_requests_request_id UNIQUE (request_id),
    CONSTRAINT uq_onboarding_requests_external_id UNIQUE (external_id),
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
    CONSTRAINT ck_onboarding_requests_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_onboarding_requests_id UNIQUE (id),
    CONSTRAINT fk_onboarding_requests_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_onboarding_requests_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_onboarding_requests_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
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
    CONSTRAINT ck_scan_runs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_scan_runs_id UNIQUE (id),
    CONSTRAINT fk_scan_runs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_scan_runs_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_scan_runs_tenant_id_account_id ON scan_runs (tenant_id, account_id);

CREATE INDEX ix_scan_runs_tenant_id_started_at ON scan_runs (tenant_id, started_at);

CREATE UNIQUE INDEX uq_scan_runs_running ON scan_runs (tenant_id, account_id, kind) WHERE status = 'RUNNING';

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
    CONSTRAINT ck_instances_replica CHECK (is_replica = (replica_of_id IS NOT NULL) AND is_replica = (replica_expiry IS NOT NULL)),
    CONSTRAINT ck_instances_terminated CHECK ((state = 'terminated') = (terminated_at IS NOT NULL)),
    CONSTRAINT ck_instances_own_replica CHECK (replica_of_id <> id),
    CONSTRAINT fk_instances_assigned_model_id FOREIGN KEY(assigned_model_id) REFERENCES ml_models (id),
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
    CONSTRAINT ck_instances_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_instances_id UNIQUE (id),
    CONSTRAINT fk_instances_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_instances_tenant_id_account_id FOREIGN KEY(tenant_id, account_id) REFERENCES accounts (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_instances_tenant_id_cluster_id FOREIGN KEY(tenant_id, cluster_id) REFERENCES clusters (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT fk_instances_tenant_id_replica_of_id FOREIGN KEY(tenant_id, replica_of_id) REFERENCES instances (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
)
 STRICT;

CREATE INDEX ix_instances_assigned_model_id ON instances (assigned_model_id);

CREATE INDEX ix_instances_tenant_id_account_id_state ON instances (tenant_id, account_id, state);

CREATE INDEX ix_instances_tenant_id_availability_zone_instance_type ON instances (tenant_id, availability_zone, instance_type);

CREATE INDEX ix_instances_tenant_id_cluster_id ON instances (tenant_id, cluster_id);

CREATE INDEX ix_instances_tenant_id_replica_of_id ON instances (tenant_id, replica_of_id);

CREATE UNIQUE INDEX uq_instances_live_replica ON instances (tenant_id, replica_of_id) WHERE is_replica AND terminated_at IS NULL;

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
    CONSTRAINT ck_scan_units_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_scan_units_id UNIQUE (id),
    CONSTRAINT fk_scan_units_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_scan_units_tenant_id_scan_run_id FOREIGN KEY(tenant_id, scan_run_id) REFERENCES scan_runs (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

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

CREATE TRIGGER lc_tenants_platform_update BEFORE UPDATE OF id, slug, is_active ON tenants FOR EACH ROW
WHEN old.id = '00000000000070008000000000000001'
BEGIN SELECT RAISE(ABORT, 'lc_tenants_platform'); END;

CREATE TRIGGER lc_tenants_platform_delete BEFORE DELETE ON tenants FOR EACH ROW
WHEN old.id = '00000000000070008000000000000001'
BEGIN SELECT RAISE(ABORT, 'lc_tenants_platform'); END;

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

