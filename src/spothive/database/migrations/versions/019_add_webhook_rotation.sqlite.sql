ALTER TABLE webhook_configurations ADD COLUMN previous_secret TEXT CONSTRAINT ck_webhook_configurations_previous_secret_sealed CHECK (substr(previous_secret, 1, 9) = 'sealed:1:' AND trim(substr(previous_secret, 10, 8), '0123456789abcdef') = '' AND substr(previous_secret, 18, 1) = ':' AND trim(previous_secret, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:') = '' AND length(previous_secret) >= 57 AND length(previous_secret) <= 21901);

ALTER TABLE webhook_configurations ADD COLUMN previous_until TEXT CONSTRAINT ck_webhook_configurations_previous_until_utc CHECK (previous_until GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]' AND date(substr(previous_until, 1, 10), '+0 days') IS substr(previous_until, 1, 10) AND substr(previous_until, 1, 4) > '0000' AND substr(previous_until, 12, 2) < '24' AND substr(previous_until, 15, 2) < '60' AND substr(previous_until, 18, 2) < '60' OR previous_until IS NULL) CONSTRAINT ck_webhook_configurations_rotated CHECK ((previous_secret IS NULL) = (previous_until IS NULL)) CONSTRAINT ck_webhook_configurations_failing CHECK (NOT is_active OR consecutive_failures < 10);

ALTER TABLE webhook_logs ADD COLUMN earlier_attempts INTEGER DEFAULT '0' NOT NULL CONSTRAINT ck_webhook_logs_earlier_attempts_range CHECK (earlier_attempts >= 0 AND earlier_attempts <= 100) CONSTRAINT ck_webhook_logs_earlier CHECK (earlier_attempts <= attempts);

CREATE INDEX ix_webhook_logs_due ON webhook_logs (tenant_id, webhook_config_id, next_attempt_at) WHERE status = 'pending';

DROP INDEX ix_webhook_logs_waiting;
