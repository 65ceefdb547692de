-- Not CONCURRENTLY: a revision is one transaction, so that one that is killed leaves no invalid index behind. No release
-- has sent a mail or shown a notice yet, so these tables are small.
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX uq_email_logs_message_id ON email_logs (tenant_id, message_id) WHERE message_id IS NOT NULL;

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_email_logs_tenant_id_user_id_created_at ON email_logs (tenant_id, user_id, created_at);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_email_digest_queue_tenant_id_created_at ON email_digest_queue (tenant_id, created_at);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_notices_tenant_id_created_at ON notices (tenant_id, created_at);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_notices_unread ON notices (tenant_id, user_id, created_at) WHERE read_at IS NULL;
