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
    CONSTRAINT ck_email_logs_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_email_logs_id UNIQUE (id),
    CONSTRAINT fk_email_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
);

CREATE INDEX ix_email_logs_tenant_id_created_at ON email_logs (tenant_id, created_at);

CREATE INDEX ix_email_logs_waiting ON email_logs (tenant_id, next_attempt_at) WHERE status = 'pending';

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

