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
    next_attempt_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')),
    sent_at TEXT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    updated_at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')) NOT NULL,
    CONSTRAINT pk_webhook_logs PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_webhook_logs_tenant_id_webhook_config_id_message_id UNIQUE (tenant_id, webhook_config_id, message_id),
    CONSTRAINT ck_webhook_logs_sent CHECK ((status = 'sent') = (sent_at IS NOT NULL)),
    CONSTRAINT ck_webhook_logs_waiting CHECK (status = 'pending' OR next_attempt_at IS NULL),
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
    CONSTRAINT ck_webhook_logs_next_attempt_at_utc CHECK (next_attempt_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(next_attempt_at, 1, 10), '+0 days') IS substr(next_attempt_at, 1, 10) AND substr(next_attempt_at, 1, 4) > '0000' AND substr(next_attempt_at, 12, 2) < '24' AND substr(next_attempt_at, 15, 2) < '60' AND substr(next_attempt_at, 18, 2) < '60' OR next_attempt_at IS NULL),
    CONSTRAINT ck_webhook_logs_sent_at_utc CHECK (sent_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(sent_at, 1, 10), '+0 days') IS substr(sent_at, 1, 10) AND substr(sent_at, 1, 4) > '0000' AND substr(sent_at, 12, 2) < '24' AND substr(sent_at, 15, 2) < '60' AND substr(sent_at, 18, 2) < '60' OR sent_at IS NULL),
    CONSTRAINT ck_webhook_logs_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_webhook_logs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_webhook_logs_id UNIQUE (id),
    CONSTRAINT fk_webhook_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_webhook_logs_tenant_id_webhook_config_id FOREIGN KEY(tenant_id, webhook_config_id) REFERENCES webhook_configurations (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_webhook_logs_tenant_id_created_at ON webhook_logs (tenant_id, created_at);

CREATE INDEX ix_webhook_logs_waiting ON webhook_logs (tenant_id, next_attempt_at) WHERE status = 'pending';

