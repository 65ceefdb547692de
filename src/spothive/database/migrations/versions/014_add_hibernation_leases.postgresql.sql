ALTER TABLE hibernation_schedules ADD COLUMN lease_token UUID;

ALTER TABLE hibernation_schedules ADD COLUMN leased_until TIMESTAMP WITH TIME ZONE CONSTRAINT ck_hibernation_schedules_lease CHECK ((lease_token IS NULL) = (leased_until IS NULL)) CONSTRAINT ck_hibernation_schedules_leased_until_utc CHECK (leased_until >= '0001-01-01 00:00:00+00' AND leased_until < '10000-01-01 00:00:00+00');

ALTER TABLE hibernation_schedules ADD COLUMN request_id UUID;

ALTER TABLE hibernation_schedules ADD COLUMN obstacle TEXT CONSTRAINT ck_hibernation_schedules_obstacle_length CHECK (length(obstacle) >= 1 AND length(obstacle) <= 2000);

COMMENT ON COLUMN hibernation_schedules.lease_token IS 'run that puts the cluster to sleep or wakes it';

COMMENT ON COLUMN hibernation_schedules.leased_until IS 'after this another run may do it, UTC';

COMMENT ON COLUMN hibernation_schedules.request_id IS 'request for approval of the sleep that was due last, where the policy asks for one; no key';

COMMENT ON COLUMN hibernation_schedules.obstacle IS 'why the last run could not make it what it is to be, for people';
