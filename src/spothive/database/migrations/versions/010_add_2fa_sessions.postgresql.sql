ALTER TABLE users ADD COLUMN totp_secret TEXT CONSTRAINT ck_users_totp_secret_sealed CHECK (substr(totp_secret, 1, 9) = 'sealed:1:' AND trim(substr(totp_secret, 10, 8), '0123456789abcdef') = '' AND substr(totp_secret, 18, 1) = ':' AND trim(totp_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(totp_secret) >= 57 AND length(totp_secret) <= 21901);

ALTER TABLE users ADD COLUMN totp_enabled BOOLEAN DEFAULT false NOT NULL CONSTRAINT ck_users_totp CHECK (NOT totp_enabled OR totp_secret IS NOT NULL);

ALTER TABLE users ADD COLUMN totp_last_step BIGINT CONSTRAINT ck_users_totp_last_step_range CHECK (totp_last_step >= 0 AND totp_last_step <= 9007199254740992);

COMMENT ON COLUMN users.totp_secret IS 'of the second factor; sealed';

COMMENT ON COLUMN users.totp_enabled IS 'signing in asks for the second factor';

COMMENT ON COLUMN users.totp_last_step IS '30-second step of the last code that was accepted: none is taken twice';

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
    CONSTRAINT ck_login_history_timestamp_utc CHECK (timestamp >= '0001-01-01 00:00:00+00' AND timestamp < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_login_history_login_name_length CHECK (length(login_name) <= 255),
    CONSTRAINT ck_login_history_ip_address_length CHECK (length(ip_address) <= 45),
    CONSTRAINT ck_login_history_user_agent_length CHECK (length(user_agent) <= 500),
    CONSTRAINT ck_login_history_login_method_values CHECK (login_method IN ('password', 'totp', 'backup_code', 'api_key')),
    CONSTRAINT ck_login_history_failure_reason_length CHECK (length(failure_reason) >= 1 AND length(failure_reason) <= 255),
    CONSTRAINT uq_login_history_id UNIQUE (id)
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
    CONSTRAINT ck_backup_codes_code_hash_length CHECK (length(code_hash) >= 1 AND length(code_hash) <= 255),
    CONSTRAINT ck_backup_codes_used_at_utc CHECK (used_at >= '0001-01-01 00:00:00+00' AND used_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_backup_codes_ip_address_length CHECK (length(ip_address) <= 45),
    CONSTRAINT ck_backup_codes_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_backup_codes_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_backup_codes_id UNIQUE (id),
    CONSTRAINT fk_backup_codes_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_backup_codes_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
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
    CONSTRAINT ck_session_logs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_session_logs_id UNIQUE (id),
    CONSTRAINT fk_session_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_session_logs_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

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

