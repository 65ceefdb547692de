ALTER TABLE users ADD COLUMN totp_secret TEXT CONSTRAINT ck_users_totp_secret_sealed CHECK (substr(totp_secret, 1, 9) = 'sealed:1:' AND trim(substr(totp_secret, 10, 8), '0123456789abcdef') = '' AND substr(totp_secret, 18, 1) = ':' AND trim(totp_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(totp_secret) >= 57 AND length(totp_secret) <= 21901);

ALTER TABLE users ADD COLUMN totp_enabled INTEGER DEFAULT 0 NOT NULL CONSTRAINT ck_users_totp CHECK (NOT totp_enabled OR totp_secret IS NOT NULL) CONSTRAINT ck_users_totp_enabled_bool CHECK (totp_enabled IN (0, 1));

ALTER TABLE users ADD COLUMN totp_last_step INTEGER CONSTRAINT ck_users_totp_last_step_range CHECK (totp_last_step >= 0 AND totp_last_step <= 9007199254740992);

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
    CONSTRAINT ck_login_history_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_login_history_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_login_history_timestamp_utc CHECK (timestamp GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(timestamp, 1, 10), '+0 days') IS substr(timestamp, 1, 10) AND substr(timestamp, 1, 4) > '0000' AND substr(timestamp, 12, 2) < '24' AND substr(timestamp, 15, 2) < '60' AND substr(timestamp, 18, 2) < '60' OR timestamp IS NULL),
    CONSTRAINT ck_login_history_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_login_history_login_name_length CHECK (length(login_name) <= 255 AND instr(login_name, char(0)) = 0),
    CONSTRAINT ck_login_history_ip_address_length CHECK (length(ip_address) <= 45 AND instr(ip_address, char(0)) = 0),
    CONSTRAINT ck_login_history_user_agent_length CHECK (length(user_agent) <= 500 AND instr(user_agent, char(0)) = 0),
    CONSTRAINT ck_login_history_login_method_values CHECK (login_method IN ('password', 'totp', 'backup_code', 'api_key')),
    CONSTRAINT ck_login_history_success_bool CHECK (success IN (0, 1)),
    CONSTRAINT ck_login_history_failure_reason_length CHECK (length(failure_reason) >= 1 AND length(failure_reason) <= 255 AND instr(failure_reason, char(0)) = 0),
    CONSTRAINT uq_login_history_id UNIQUE (id)
)
 STRICT;

CREATE INDEX ix_login_history_tenant_id_timestamp ON login_history (tenant_id, timestamp);

CREATE INDEX ix_login_history_tenant_id_user_id_timestamp ON login_history (tenant_id, user_id, timestamp);

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
    CONSTRAINT ck_backup_codes_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_backup_codes_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_backup_codes_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_backup_codes_code_hash_length CHECK (length(code_hash) >= 1 AND length(code_hash) <= 255 AND instr(code_hash, char(0)) = 0),
    CONSTRAINT ck_backup_codes_used_at_utc CHECK (used_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(used_at, 1, 10), '+0 days') IS substr(used_at, 1, 10) AND substr(used_at, 1, 4) > '0000' AND substr(used_at, 12, 2) < '24' AND substr(used_at, 15, 2) < '60' AND substr(used_at, 18, 2) < '60' OR used_at IS NULL),
    CONSTRAINT ck_backup_codes_ip_address_length CHECK (length(ip_address) <= 45 AND instr(ip_address, char(0)) = 0),
    CONSTRAINT ck_backup_codes_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_backup_codes_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_backup_codes_id UNIQUE (id),
    CONSTRAINT fk_backup_codes_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_backup_codes_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_backup_codes_tenant_id_user_id ON backup_codes (tenant_id, user_id);

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
    CONSTRAINT ck_session_logs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_session_logs_id UNIQUE (id),
    CONSTRAINT fk_session_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_session_logs_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_session_logs_tenant_id_expires_at ON session_logs (tenant_id, expires_at);

CREATE INDEX ix_session_logs_tenant_id_user_id_last_active_at ON session_logs (tenant_id, user_id, last_active_at);

