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
    next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    sent_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_webhook_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_webhook_logs_tenant_id_webhook_config_id_message_id UNIQUE (tenant_id, webhook_config_id, message_id),
    CONSTRAINT ck_webhook_logs_sent CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT ck_webhook_logs_waiting CHECK (status = 'pending' OR next_attempt_at IS NULL),
    CONSTRAINT ck_webhook_logs_message_id_length CHECK (length(message_id) >= 1 AND length(message_id) <= 64),
    CONSTRAINT ck_webhook_logs_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_webhook_logs_payload_json CHECK (jsonb_typeof(payload) = 'object' AND octet_length(payload::text) <= 262144),
    CONSTRAINT ck_webhook_logs_status_values CHECK (status IN ('pending', 'sent', 'failed')),
    CONSTRAINT ck_webhook_logs_last_error_values CHECK (last_error IN ('rate_limited', 'timeout', 'invalid_url', 'http', 'refused_address')),
    CONSTRAINT ck_webhook_logs_http_status_code_range CHECK (http_status_code >= 100 AND http_status_code <= 599),
    CONSTRAINT ck_webhook_logs_response_body_length CHECK (length(response_body) <= 2048),
    CONSTRAINT ck_webhook_logs_attempts_range CHECK (attempts >= 0 AND attempts <= 100),
    CONSTRAINT ck_webhook_logs_next_attempt_at_utc CHECK (next_attempt_at >= '0001-01-01 00:00:00+00' AND next_attempt_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_logs_sent_at_utc CHECK (sent_at >= '0001-01-01 00:00:00+00' AND sent_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_logs_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_webhook_logs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_webhook_logs_id UNIQUE (id),
    CONSTRAINT fk_webhook_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_logs_tenant_id_webhook_config_id FOREIGN KEY(tenant_id, webhook_config_id) REFERENCES webhook_configurations (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_webhook_logs_tenant_id_created_at ON webhook_logs (tenant_id, created_at);

CREATE INDEX ix_webhook_logs_waiting ON webhook_logs (tenant_id, next_attempt_at) WHERE status = 'pending';

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

COMMENT ON COLUMN webhook_logs.next_attempt_at IS 'not tried before, UTC';

COMMENT ON COLUMN webhook_logs.sent_at IS 'UTC';

COMMENT ON COLUMN webhook_logs.created_at IS 'UTC';

COMMENT ON COLUMN webhook_logs.updated_at IS 'UTC';

