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
    CONSTRAINT ck_email_digest_queue_tenant_id_uuid CHECK (length(tenant_id) = 32 AND tenant_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_digest_queue_id_uuid CHECK (length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_digest_queue_user_id_uuid CHECK (length(user_id) = 32 AND user_id NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_email_digest_queue_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_email_digest_queue_event_data_json CHECK (CASE WHEN json_valid(event_data) THEN json_type(event_data) = 'object' AND length(CAST(event_data AS BLOB)) <= 262144 ELSE event_data IS NULL END),
    CONSTRAINT ck_email_digest_queue_scheduled_for_utc CHECK (scheduled_for GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(scheduled_for, 1, 10), '+0 days') IS substr(scheduled_for, 1, 10) AND substr(scheduled_for, 1, 4) > '0000' AND substr(scheduled_for, 12, 2) < '24' AND substr(scheduled_for, 15, 2) < '60' AND substr(scheduled_for, 18, 2) < '60' OR scheduled_for IS NULL),
    CONSTRAINT ck_email_digest_queue_included_in_digest_bool CHECK (included_in_digest IN (0, 1)),
    CONSTRAINT ck_email_digest_queue_created_at_utc CHECK (created_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(created_at, 1, 10), '+0 days') IS substr(created_at, 1, 10) AND substr(created_at, 1, 4) > '0000' AND substr(created_at, 12, 2) < '24' AND substr(created_at, 15, 2) < '60' AND substr(created_at, 18, 2) < '60' OR created_at IS NULL),
    CONSTRAINT ck_email_digest_queue_updated_at_utc CHECK (updated_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(updated_at, 1, 10), '+0 days') IS substr(updated_at, 1, 10) AND substr(updated_at, 1, 4) > '0000' AND substr(updated_at, 12, 2) < '24' AND substr(updated_at, 15, 2) < '60' AND substr(updated_at, 18, 2) < '60' OR updated_at IS NULL),
    CONSTRAINT uq_email_digest_queue_id UNIQUE (id),
    CONSTRAINT fk_email_digest_queue_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_email_digest_queue_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
)
 STRICT;

CREATE INDEX ix_email_digest_queue_due ON email_digest_queue (tenant_id, scheduled_for) WHERE NOT included_in_digest;

CREATE INDEX ix_email_digest_queue_tenant_id_user_id ON email_digest_queue (tenant_id, user_id);

