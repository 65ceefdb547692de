CREATE TABLE notices (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    event_type TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    link TEXT,
    read_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_notices PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_notices_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_notices_title_length CHECK (length(title) >= 1 AND length(title) <= 255),
    CONSTRAINT ck_notices_body_length CHECK (length(body) <= 4000),
    CONSTRAINT ck_notices_link_length CHECK (length(link) <= 2048),
    CONSTRAINT ck_notices_read_at_utc CHECK (read_at >= '0001-01-01 00:00:00+00' AND read_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_notices_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_notices_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_notices_id UNIQUE (id),
    CONSTRAINT fk_notices_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_notices_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_notices_tenant_id_user_id_created_at ON notices (tenant_id, user_id, created_at);

COMMENT ON COLUMN notices.tenant_id IS 'owner of the row';

COMMENT ON COLUMN notices.id IS 'UUIDv7';

COMMENT ON COLUMN notices.user_id IS 'who is told';

COMMENT ON COLUMN notices.event_type IS 'of what';

COMMENT ON COLUMN notices.title IS 'in one line';

COMMENT ON COLUMN notices.body IS 'in full';

COMMENT ON COLUMN notices.link IS 'where to read on';

COMMENT ON COLUMN notices.read_at IS 'UTC';

COMMENT ON COLUMN notices.created_at IS 'UTC';

COMMENT ON COLUMN notices.updated_at IS 'UTC';

CREATE TABLE notification_preferences (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    event_type TEXT NOT NULL,
    email_enabled BOOLEAN DEFAULT true NOT NULL,
    in_app_enabled BOOLEAN DEFAULT true NOT NULL,
    slack_enabled BOOLEAN DEFAULT false NOT NULL,
    webhook_enabled BOOLEAN DEFAULT false NOT NULL,
    email_frequency TEXT DEFAULT 'immediate' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_notification_preferences PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_notification_preferences_tenant_id_user_id_event_type UNIQUE (tenant_id, user_id, event_type),
    CONSTRAINT ck_notification_preferences_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_notification_preferences_email_frequency_values CHECK (email_frequency IN ('immediate', 'digest_daily', 'digest_weekly')),
    CONSTRAINT ck_notification_preferences_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_notification_preferences_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_notification_preferences_id UNIQUE (id),
    CONSTRAINT fk_notification_preferences_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_notification_preferences_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

COMMENT ON COLUMN notification_preferences.tenant_id IS 'owner of the row';

COMMENT ON COLUMN notification_preferences.id IS 'UUIDv7';

COMMENT ON COLUMN notification_preferences.user_id IS 'who is told';

COMMENT ON COLUMN notification_preferences.event_type IS 'of what';

COMMENT ON COLUMN notification_preferences.email_enabled IS 'by e-mail';

COMMENT ON COLUMN notification_preferences.in_app_enabled IS 'by a notice';

COMMENT ON COLUMN notification_preferences.slack_enabled IS 'in Slack';

COMMENT ON COLUMN notification_preferences.webhook_enabled IS 'by webhook';

COMMENT ON COLUMN notification_preferences.email_frequency IS 'when a mail is sent';

COMMENT ON COLUMN notification_preferences.created_at IS 'UTC';

COMMENT ON COLUMN notification_preferences.updated_at IS 'UTC';

