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
    CONSTRAINT ck_email_logs_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_email_logs_id UNIQUE (id),
    CONSTRAINT fk_email_logs_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_email_logs_tenant_id_created_at ON email_logs (tenant_id, created_at);

CREATE INDEX ix_email_logs_waiting ON email_logs (tenant_id, next_attempt_at) WHERE status = 'pending';

