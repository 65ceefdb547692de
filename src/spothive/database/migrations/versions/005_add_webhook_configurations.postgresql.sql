CREATE TABLE webhook_configurations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    provider_type TEXT NOT NULL,
    webhook_url TEXT NOT NULL,
    url_host TEXT NOT NULL,
    signing_secret TEXT,
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
    CONSTRAINT ck_webhook_configurations_provider_type_values CHECK (provider_type IN ('slack', 'webhook')),
    CONSTRAINT ck_webhook_configurations_webhook_url_sealed CHECK (substr(webhook_url, 1, 9) = 'sealed:1:' AND trim(substr(webhook_url, 10, 8), '0123456789abcdef') = '' AND substr(webhook_url, 18, 1) = ':' AND trim(webhook_url, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(webhook_url) >= 57 AND length(webhook_url) <= 21901),
    CONSTRAINT ck_webhook_configurations_url_host_length CHECK (length(url_host) >= 1 AND length(url_host) <= 255),
    CONSTRAINT ck_webhook_configurations_signing_secret_sealed CHECK (substr(signing_secret, 1, 9) = 'sealed:1:' AND trim(substr(signing_secret, 10, 8), '0123456789abcdef') = '' AND substr(signing_secret, 18, 1) = ':' AND trim(signing_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(signing_secret) >= 57 AND length(signing_secret) <= 21901),
    CONSTRAINT ck_webhook_configurations_name_length CHECK (length(name) <= 100),
    CONSTRAINT ck_webhook_configurations_enabled_events_json CHECK (jsonb_typeof(enabled_events) = 'array' AND octet_length(enabled_events::text) <= 262144),
    CONSTRAINT ck_webhook_configurations_enabled_events_names CHECK (CASE WHEN jsonb_typeof(enabled_events) = 'array' THEN true AND enabled_events <@ '["account.failed", "scan.partial", "spot.interruption", "spot.pool_blocked", "decision.failed", "approval.requested", "approval.decided", "waste.flagged", "waste.deleted", "downtime.recorded", "downtime.budget_exceeded", "model.activated", "agent.offline", "webhook.disabled", "digest.weekly"]' END),
    CONSTRAINT ck_webhook_configurations_settings_json CHECK (jsonb_typeof(settings) = 'object' AND octet_length(settings::text) <= 262144),
    CONSTRAINT ck_webhook_configurations_last_used_at_utc CHECK (last_used_at >= '0001-01-01 00:00:00+00' AND last_used_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_configurations_last_error_length CHECK (length(last_error) <= 4000),
    CONSTRAINT ck_webhook_configurations_consecutive_failures_range CHECK (consecutive_failures >= 0 AND consecutive_failures <= 2147483647),
    CONSTRAINT ck_webhook_configurations_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_configurations_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_webhook_configurations_id UNIQUE (id),
    CONSTRAINT fk_webhook_configurations_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_configurations_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_webhook_configurations_tenant_id_user_id ON webhook_configurations (tenant_id, user_id);

COMMENT ON COLUMN webhook_configurations.tenant_id IS 'owner of the row';

COMMENT ON COLUMN webhook_configurations.id IS 'UUIDv7';

COMMENT ON COLUMN webhook_configurations.user_id IS 'whose webhook it is';

COMMENT ON COLUMN webhook_configurations.provider_type IS 'who receives it';

COMMENT ON COLUMN webhook_configurations.webhook_url IS 'where to; sealed, Slack''s is a secret';

COMMENT ON COLUMN webhook_configurations.url_host IS 'its host, for people';

COMMENT ON COLUMN webhook_configurations.signing_secret IS 'signs what is sent; sealed; Slack needs none';

COMMENT ON COLUMN webhook_configurations.name IS 'for people';

COMMENT ON COLUMN webhook_configurations.enabled_events IS 'events that are sent';

COMMENT ON COLUMN webhook_configurations.settings IS 'what the provider needs besides';

COMMENT ON COLUMN webhook_configurations.is_active IS 'off: nothing is sent';

COMMENT ON COLUMN webhook_configurations.last_used_at IS 'last attempt, UTC';

COMMENT ON COLUMN webhook_configurations.last_error IS 'why the last one failed, if it did';

COMMENT ON COLUMN webhook_configurations.consecutive_failures IS 'failed attempts since the last success';

COMMENT ON COLUMN webhook_configurations.created_at IS 'UTC';

COMMENT ON COLUMN webhook_configurations.updated_at IS 'UTC';

