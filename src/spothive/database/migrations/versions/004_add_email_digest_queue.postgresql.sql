CREATE TABLE email_digest_queue (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    event_type TEXT NOT NULL,
    event_data JSONB DEFAULT '{}' NOT NULL,
    scheduled_for TIMESTAMP WITH TIME ZONE NOT NULL,
    included_in_digest BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_email_digest_queue PRIMARY KEY (tenant_id, id),
    CONSTRAINT ck_email_digest_queue_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_email_digest_queue_event_data_json CHECK (jsonb_typeof(event_data) = 'object' AND octet_length(event_data::text) <= 262144),
    CONSTRAINT ck_email_digest_queue_scheduled_for_utc CHECK (scheduled_for >= '0001-01-01 00:00:00+00' AND scheduled_for < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_email_digest_queue_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_email_digest_queue_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_email_digest_queue_id UNIQUE (id),
    CONSTRAINT fk_email_digest_queue_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_email_digest_queue_tenant_id_user_id FOREIGN KEY(tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_email_digest_queue_due ON email_digest_queue (tenant_id, scheduled_for) WHERE NOT included_in_digest;

CREATE INDEX ix_email_digest_queue_tenant_id_user_id ON email_digest_queue (tenant_id, user_id);

COMMENT ON COLUMN email_digest_queue.tenant_id IS 'owner of the row';

COMMENT ON COLUMN email_digest_queue.id IS 'UUIDv7';

COMMENT ON COLUMN email_digest_queue.user_id IS 'whose digest it goes into';

COMMENT ON COLUMN email_digest_queue.event_type IS 'of what it tells';

COMMENT ON COLUMN email_digest_queue.event_data IS 'what the digest says of it; never a secret';

COMMENT ON COLUMN email_digest_queue.scheduled_for IS 'time of that digest, UTC';

COMMENT ON COLUMN email_digest_queue.included_in_digest IS 'it has been sent';

COMMENT ON COLUMN email_digest_queue.created_at IS 'UTC';

COMMENT ON COLUMN email_digest_queue.updated_at IS 'UTC';

