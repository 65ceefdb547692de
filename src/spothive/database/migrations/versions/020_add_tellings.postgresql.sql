CREATE TABLE tellings (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    event_type TEXT NOT NULL,
    subject TEXT NOT NULL,
    told_until TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP NOT NULL,
    CONSTRAINT pk_tellings PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_tellings_tenant_id_event_type_subject UNIQUE (tenant_id, event_type, subject),
    CONSTRAINT ck_tellings_event_type_values CHECK (event_type IN ('account.failed', 'scan.partial', 'spot.interruption', 'spot.pool_blocked', 'decision.failed', 'approval.requested', 'approval.decided', 'waste.flagged', 'waste.deleted', 'downtime.recorded', 'downtime.budget_exceeded', 'model.activated', 'agent.offline', 'webhook.disabled', 'digest.weekly')),
    CONSTRAINT ck_tellings_subject_length CHECK (length(subject) >= 1 AND length(subject) <= 255),
    CONSTRAINT ck_tellings_told_until_utc CHECK (told_until >= '0001-01-01 00:00:00+00' AND told_until < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_tellings_created_at_utc CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT ck_tellings_updated_at_utc CHECK (updated_at >= '0001-01-01 00:00:00+00' AND updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT uq_tellings_id UNIQUE (id),
    CONSTRAINT fk_tellings_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenants (id) ON DELETE CASCADE
);

COMMENT ON COLUMN tellings.tenant_id IS 'owner of the row';

COMMENT ON COLUMN tellings.id IS 'UUIDv7';

COMMENT ON COLUMN tellings.event_type IS 'of what it was told';

COMMENT ON COLUMN tellings.subject IS 'what of: a pool, a cluster and month, an account';

COMMENT ON COLUMN tellings.told_until IS 'it was told of all of it up to this moment, UTC';

COMMENT ON COLUMN tellings.created_at IS 'UTC';

COMMENT ON COLUMN tellings.updated_at IS 'UTC';

-- Not CONCURRENTLY: a revision is one transaction, so that one that is killed leaves no invalid index behind. Reads go on
-- meanwhile; writes of these two tables wait.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_downtime_logs_lasting ON downtime_logs (tenant_id) WHERE end_time IS NULL;

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_instances_live_spot ON instances (availability_zone, instance_type, tenant_id) WHERE lifecycle = 'spot' AND terminated_at IS NULL;
